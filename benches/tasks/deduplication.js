let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
function unique(items) {
  const seen = new Set();
  const out = [];
  for (const item of items) {
    if (!seen.has(item)) {
      seen.add(item);
      out.push(item);
    }
  }
  return out;
}
const numbers = [];
const names = [];
for (let i = 0; i < 300000; i++) {
  numbers.push(below(50000));
  names.push("name" + below(20000));
}
const a = unique(numbers);
const b = unique(names);
console.log(a.length + " " + a[a.length - 1]);
console.log(b.length + " " + b[b.length - 1]);
const first = new Set(numbers.slice(0, 60000));
const second = new Set(numbers.slice(100000, 160000));
let common = 0;
for (const item of first) if (second.has(item)) common++;
console.log(common + " " + (first.size + second.size - common));
