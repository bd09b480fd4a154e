// A heap grows to n instances and n arrays; nothing is garbage.
class Node {
  constructor(id, next, data) { this.id = id; this.next = next; this.data = data; }
}

function main() {
  const n = Number(process.argv[2]);
  const counts = new Array(640).fill(0);
  let seed = 1;
  const objects = [];
  const arrays = [];
  let last = performance.now();
  for (let turn = 0; turn < n; turn++) {
    objects.push(new Node(turn, null, null));
    arrays.push([turn]);
    const now = performance.now();
    counts[Math.floor(Math.log((now - last) * 1000000.0 + 1.0) * 23.083120654223414)] += 1;
    last = now;
  }
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0) console.log(i, counts[i]);
  }
}

main();
