const table = new Map();
for (let i = 0; i < 300; i++) for (let j = 0; j < 400; j++) table.set("cell:" + i + ":" + j, i * j);
let sum = 0;
for (let round = 0; round < 2; round++)
  for (let i = 0; i < 320; i++)
    for (let j = 0; j < 400; j++) {
      const found = table.get("cell:" + i + ":" + j);
      if (found !== undefined) sum += found;
    }
console.log(table.size);
console.log(sum);
