// n sessions are open; each turn serves a request through three async functions, and every third one opens a session
// in the place of another. Request and answer refer to each other.
const sessions = [];

async function load(request) { return sessions[request.id % sessions.length]; }

async function answer(request) {
  request.session = await load(request);
  return { request, text: "answer " + request.id };
}

async function serve(id) {
  const request = { id, answer: null, session: null };
  request.answer = await answer(request);
  return request;
}

async function main() {
  const n = Number(process.argv[2]);
  const counts = new Array(640).fill(0);
  let seed = 1;
  for (let i = 0; i < n; i++) sessions.push([i]);
  let last = performance.now();
  for (let turn = 0; turn < 1000000; turn++) {
    seed = (seed * 69069 + 12345) % 2147483648;
    const request = await serve(seed);
    if (turn % 3 === 0) sessions[seed % n] = [request];
    const now = performance.now();
    counts[Math.floor(Math.log((now - last) * 1000000.0 + 1.0) * 23.083120654223414)] += 1;
    last = now;
  }
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0) console.log(i, counts[i]);
  }
}

main();
