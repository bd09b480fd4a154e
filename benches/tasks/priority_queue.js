let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
const before = (a, b) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
function push(heap, item) {
  let at = heap.length;
  heap.push(item);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(heap[at], heap[parent])) break;
    [heap[at], heap[parent]] = [heap[parent], heap[at]];
    at = parent;
  }
}
function pop(heap) {
  const least = heap[0];
  const last = heap.pop();
  if (heap.length > 0) {
    heap[0] = last;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], heap[at])) break;
      [heap[at], heap[child]] = [heap[child], heap[at]];
      at = child;
    }
  }
  return least;
}
const queue = [];
for (let i = 0; i < 20000; i++) push(queue, [below(100000), i]);
let sum = 0;
let number = 20000;
for (let i = 0; i < 150000; i++) {
  const task = pop(queue);
  sum = (sum * 31 + task[0] + task[1]) % 1000003;
  push(queue, [task[0] + below(5000), number]);
  number += 1;
}
console.log(sum);
console.log(queue.length);
