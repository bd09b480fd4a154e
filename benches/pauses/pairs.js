// Cyclic pairs are made and dropped while n instances and n arrays are alive, one of which is replaced in every
// seventh turn.
class Node {
  constructor(id, next, data) { this.id = id; this.next = next; this.data = data; }
}

function main() {
  const n = Number(process.argv[2]);
  const counts = new Array(640).fill(0);
  let seed = 1;
  const objects = [];
  const arrays = [];
  for (let i = 0; i < n; i++) {
    objects.push(new Node(i, null, null));
    arrays.push([i]);
  }
  let last = performance.now();
  for (let turn = 0; turn < 3000000; turn++) {
    const a = new Node(turn, null, null);
    const b = new Node(turn, a, null);
    a.next = b;
    if (turn % 7 === 0) {
      seed = (seed * 69069 + 12345) % 2147483648;
      objects[seed % n] = a;
    }
    const now = performance.now();
    counts[Math.floor(Math.log((now - last) * 1000000.0 + 1.0) * 23.083120654223414)] += 1;
    last = now;
  }
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0) console.log(i, counts[i]);
  }
}

main();
