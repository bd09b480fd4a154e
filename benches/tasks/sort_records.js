let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
const records = [];
for (let i = 0; i < 150000; i++) records.push({ id: i, age: below(90), name: "name" + below(1000000) });
const byAge = records.slice().sort((p, q) => p.age - q.age);
const byName = records.slice().sort((p, q) => (p.name < q.name ? -1 : p.name > q.name ? 1 : 0));
let sum = 0;
for (let i = 0; i < records.length; i++) sum = (sum * 31 + byAge[i].id + byName[i].id * 3) % 1000003;
console.log(sum);
console.log(byName[0].name);
console.log(byAge[byAge.length - 1].id);
