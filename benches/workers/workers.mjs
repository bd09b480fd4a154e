// What worker threads cost and bring: the tasks of workers.ae in Node.
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { availableParallelism } from "node:os";
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

if (!isMainThread) {
  if (workerData === "echo") {
    parentPort.on("message", message => (message === null ? process.exit() : parentPort.postMessage(message)));
  } else if (workerData === "rows") {
    parentPort.on("message", rows => parentPort.postMessage(rows.map(mandelbrotRow)));
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

  const ys = Array.from({ length: 600 }, (_, y) => y);
  begun = performance.now();
  const alone = ys.map(mandelbrotRow);
  const first = performance.now() - begun;
  begun = performance.now();
  const count = availableParallelism();
  const parts = Array.from({ length: count }, (_, part) => ys.filter(y => y % count === part));
  const together = (await Promise.all(parts.map(async part => {
    const worker = new Worker(file, { workerData: "rows" });
    const got = answer(worker);
    worker.postMessage(part);
    const result = await got;
    await worker.terminate();
    return result;
  }))).flat();
  const second = performance.now() - begun;
  const sum = numbers => numbers.reduce((a, b) => a + b, 0);
  console.log(`mandelbrot rows, ms alone and in parallel: ${first.toFixed(0)} ${second.toFixed(0)} ${sum(alone) === sum(together)}`);
}
