// A dict of n strings, in which a random one is replaced in each turn.

function main() {
  const n = Number(process.argv[2]);
  const counts = new Array(640).fill(0);
  let seed = 1;
  const texts = new Map();
  for (let i = 0; i < n; i++) texts.set("key " + i, "value " + i);
  let last = performance.now();
  for (let turn = 0; turn < 3000000; turn++) {
    seed = (seed * 69069 + 12345) % 2147483648;
    texts.set("key " + (seed % n), "value " + seed);
    const now = performance.now();
    counts[Math.floor(Math.log((now - last) * 1000000.0 + 1.0) * 23.083120654223414)] += 1;
    last = now;
  }
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0) console.log(i, counts[i]);
  }
}

main();
