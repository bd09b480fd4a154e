let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
const N = 60000;
const graph = new Map();
for (let i = 0; i < N; i++) graph.set(i, []);
for (let i = 0; i < N * 3; i++) {
  const a = below(N);
  const b = below(N);
  graph.get(a).push(b);
  graph.get(b).push(a);
}
for (const start of [0, 1, 2, 3, 4]) {
  const distance = new Map([[start, 0]]);
  const queue = [start];
  for (let head = 0; head < queue.length; head++) {
    const next = distance.get(queue[head]) + 1;
    for (const other of graph.get(queue[head])) {
      if (!distance.has(other)) {
        distance.set(other, next);
        queue.push(other);
      }
    }
  }
  let sum = 0;
  for (const node of queue) sum += distance.get(node) * (node % 7);
  console.log(queue.length + " " + sum);
}
