let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
const syllables = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va"];
let words = [];
for (let i = 0; i < 400000; i++) {
  let word = syllables[below(16)] + syllables[below(13)];
  if (below(5) < 3) word += syllables[below(11)];
  words.push(word);
}
const text = words.join(" ");
words = null;
const counts = new Map();
for (const word of text.split(" ")) counts.set(word, (counts.get(word) || 0) + 1);
const pairs = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
for (const pair of pairs.slice(0, 10)) console.log(pair[0] + " " + pair[1]);
console.log(counts.size);
