let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
const rows = [];
for (let i = 0; i < 120000; i++) rows.push({ id: i, x: below(1000), y: below(1000), kind: "k" + below(8), done: false });
for (let round = 0; round < 5; round++)
  for (const row of rows) {
    row.x = (row.x + row.y) % 1000;
    if (row.x > 900) row.done = true;
  }
const kept = rows.filter((row) => row.done);
const points = kept.map((row) => ({ x: row.x, y: row.y }));
let sum = 0;
for (const point of points) sum += point.x * point.y;
const kinds = new Map();
for (const { kind, y } of kept) kinds.set(kind, (kinds.get(kind) || 0) + y);
console.log(kept.length + " " + sum);
for (const kind of [...kinds.keys()].sort()) console.log(kind + " " + kinds.get(kind));
