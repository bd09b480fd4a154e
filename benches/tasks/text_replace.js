let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
let lines = [];
for (let i = 0; i < 300000; i++) lines.push("line " + below(1000000) + " of the text, with words " + below(100));
const text = lines.join("\n");
lines = null;
const parts = text.split("\n");
parts.sort();
const out = parts.join("\n").replaceAll("words", "terms").replaceAll("line", "row");
console.log(out.length);
console.log(out.slice(0, 40));
console.log(out.slice(-40));
