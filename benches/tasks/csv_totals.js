let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
let lines = ["date,category,units,price"];
for (let i = 0; i < 150000; i++)
  lines.push("2026-02-" + (10 + below(18)) + ",category" + below(30) + "," + (1 + below(20)) + "," + below(10000));
const text = lines.join("\n");
lines = null;
const rows = text.split("\n").map((line) => line.split(","));
const header = rows[0];
const totals = new Map();
for (let i = 1; i < rows.length; i++) {
  const row = {};
  for (let c = 0; c < header.length; c++) row[header[c]] = rows[i][c];
  const amount = parseInt(row.units) * parseInt(row.price);
  totals.set(row.category, (totals.get(row.category) || 0) + amount);
}
for (const name of [...totals.keys()].sort()) console.log(name + " " + totals.get(name));
