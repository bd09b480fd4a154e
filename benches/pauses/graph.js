// A graph of n nodes with three edges each, one of which is moved in each turn; in every fifth turn a node is
// replaced by a new one, and goes when no edge leads to it, or with what it is connected to.
class Node {
  constructor(a, b, c) { this.a = a; this.b = b; this.c = c; }
}

function main() {
  const n = Number(process.argv[2]);
  const counts = new Array(640).fill(0);
  let seed = 1;
  const nodes = [];
  for (let i = 0; i < n; i++) nodes.push(new Node(null, null, null));
  for (const node of nodes) {
    seed = (seed * 69069 + 12345) % 2147483648;
    node.a = nodes[seed % n];
    seed = (seed * 69069 + 12345) % 2147483648;
    node.b = nodes[seed % n];
    node.c = node;
  }
  let last = performance.now();
  for (let turn = 0; turn < 3000000; turn++) {
    seed = (seed * 69069 + 12345) % 2147483648;
    const source = nodes[seed % n];
    seed = (seed * 69069 + 12345) % 2147483648;
    if (turn % 5 === 0) {
      nodes[seed % n] = new Node(source, nodes[seed % n], null);
    } else if (turn % 2 === 0) {
      source.a = nodes[seed % n];
    } else {
      source.b = nodes[seed % n];
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
