let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
const levels = ["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"];
let lines = [];
for (let i = 0; i < 200000; i++) {
  lines.push("2026-01-" + (10 + below(20)) + " " + levels[below(6)] + " service" + below(40) + " took " + below(5000) + " ms");
}
const text = lines.join("\n");
lines = null;
const found = new Map();
for (const line of text.split("\n")) {
  const parts = line.split(" ");
  if (parts[1] === "ERROR" || parts[1] === "WARN") {
    const entry = found.get(parts[2]);
    if (entry) {
      entry.count += 1;
      entry.millis += parseInt(parts[4]);
    } else {
      found.set(parts[2], { count: 1, millis: parseInt(parts[4]) });
    }
  }
}
for (const name of [...found.keys()].sort()) console.log(name + " " + found.get(name).count + " " + found.get(name).millis);
