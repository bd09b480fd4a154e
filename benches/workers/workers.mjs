// What worker threads cost and bring: the tasks of workers.ae in Node.
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { availableParallelism } from "node:os";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(import.meta.url);

function mandelbrotRow(y) {
  let inside = 0;
  for (let x = 0; x < 600; x++) {
    const cr = x / 300 - 1.5, ci = y / 300 - 1;
    let zr = 0, zi = 0, k = 0;
    while (k < 100 && zr * zr + zi * zi < 4) {
      const next = zr * zr - zi * zi + cr;
      zi = 2 * zr * zi + ci;
      zr = next;
      k++;
    }
    inside += k;
  }
  return inside;
}

function parseFile(path) {
  let sum = 0;
  for (const item of JSON.parse(readFileSync(path, "utf8")).items) sum += item.price;
  return sum;
}

function countPart(path) {
  const counts = new Map();
  for (const word of readFileSync(path, "utf8").split(/\s+/)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts.get("error");
}

const tasks = { mandelbrotRow, parseFile, countPart, addOne: x => x + 1 };

if (!isMainThread) {
  if (workerData === "echo") {
    parentPort.on("message", message => (message === null ? process.exit() : parentPort.postMessage(message)));
  } else if (workerData in tasks) {
    parentPort.on("message", items => parentPort.postMessage(items.map(tasks[workerData])));
  }
} else {
  const ends = worker => new Promise(done => worker.on("exit", done));
  const answer = worker => new Promise(done => worker.once("message", done));
  let begun = performance.now();
  for (let i = 0; i < 50; i++) await ends(new Worker(file, { workerData: "one" }));
  console.log(`start and join, us: ${((performance.now() - begun) * 1000 / 50).toFixed(1)}`);

  const echo = new Worker(file, { workerData: "echo" });
  const ask = message => { const got = answer(echo); echo.postMessage(message); return got; };
  await ask(0);
  begun = performance.now();
  for (let i = 0; i < 5000; i++) await ask(i);
  console.log(`round trip, us: ${((performance.now() - begun) * 1000 / 5000).toFixed(1)}`);

  const rows = Array.from({ length: 100000 }, (_, i) => ({ id: i, name: `person number ${i}`, mail: `person${i}@example.org`, scores: [i, i * 2, 7], active: i % 2 === 0 }));
  begun = performance.now();
  await ask(rows);
  console.log(`100,000 records there and back, ms: ${(performance.now() - begun).toFixed(0)}`);
  echo.postMessage(null);

  const both = async (name, task, items) => {
    let begun = performance.now();
    const alone = items.map(tasks[task]);
    const first = performance.now() - begun;
    begun = performance.now();
    const count = availableParallelism();
    const parts = Array.from({ length: count }, (_, part) => items.filter((_, at) => at % count === part));
    const together = (await Promise.all(parts.map(async part => {
      const worker = new Worker(file, { workerData: task });
      const got = answer(worker);
      worker.postMessage(part);
      const result = await got;
      await worker.terminate();
      return result;
    }))).flat();
    const second = performance.now() - begun;
    const sum = numbers => numbers.reduce((a, b) => a + b, 0);
    const same = Math.abs(sum(alone) - sum(together)) < 1e-6 * Math.abs(sum(alone));
    console.log(`${name}, ms alone and in parallel: ${first.toFixed(0)} ${second.toFixed(0)} ${same}`);
  };
  const directory = process.argv[2];
  await both("mandelbrot rows", "mandelbrotRow", Array.from({ length: 600 }, (_, y) => y));
  await both("200 JSON files", "parseFile", Array.from({ length: 200 }, (_, n) => `${directory}/${n}.json`));
  await both("words of a log", "countPart", Array.from({ length: 12 }, (_, part) => `${directory}/log${part}`));
  await both("tiny work", "addOne", Array.from({ length: 20 }, (_, n) => n));

  const before = process.memoryUsage.rss();
  const crowd = Array.from({ length: 10 }, () => new Worker(file, { workerData: "echo" }));
  await Promise.all(crowd.map(worker => { const got = answer(worker); worker.postMessage(1); return got; }));
  console.log(`resident of each of 10, KB: ${((process.memoryUsage.rss() - before) / 10240).toFixed(0)}`);
  for (const worker of crowd) worker.postMessage(null);
}
