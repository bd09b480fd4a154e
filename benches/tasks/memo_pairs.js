const N = 330;
const memo = new Map();
for (let i = 0; i < N; i++) {
  const row = new Map();
  memo.set(i, row);
  for (let j = 0; j < N; j++) {
    const cost = (i * 7 + j * 13) % 23;
    if (i === 0 && j === 0) row.set(j, cost);
    else if (i === 0) row.set(j, cost + row.get(j - 1));
    else if (j === 0) row.set(j, cost + memo.get(i - 1).get(j));
    else {
      const above = memo.get(i - 1).get(j);
      const left = row.get(j - 1);
      row.set(j, cost + (above < left ? above : left));
    }
  }
}
console.log(memo.get(N - 1).get(N - 1));
const seen = new Map();
let steps = 0;
for (let i = 0; i < 150000; i++) {
  const key = ((i * 31) % 400) + "," + ((i * 17) % 300);
  if (seen.has(key)) steps += seen.get(key);
  else seen.set(key, i % 10);
}
console.log(steps);
console.log(seen.size);
