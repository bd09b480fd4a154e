//! Workers on the command line: engines on threads of their own.
//!
//! Source: library reference §E10.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether::{Engine, MemoryHost};
use aether_tests::Scratch;

/// What a script that imports the modules prints, and its status.
fn ends(name: &str, script: &str) -> (i32, String) {
    ends_with(name, &[], script)
}

/// The same with options of the command.
fn ends_with(name: &str, options: &[&str], script: &str) -> (i32, String) {
    let scratch = Scratch::new(name);
    scratch.file("script.ae", format!("import worker\nimport parallel\n{script}"));
    scratch.file(
        "adder.ae",
        "import worker\nfn main() { worker.parent.post(args) }\n",
    );
    scratch.file(
        "job.ae",
        "let calls = 0\nfn main(n) { calls += 1  return n * 2 }\n",
    );
    let words = [&["run"], options, &["script.ae"]].concat();
    let (status, output, errors) = scratch.run(&words);
    (status, output + &errors)
}

fn prints(name: &str, script: &str, expected: &str) {
    assert_eq!(ends(name, script), (0, expected.to_owned()));
}

#[test]
fn a_function_goes_with_its_code_and_copies_of_its_data() {
    prints(
        "workers-function",
        r#"
let rate = 3
let rows = [[1, 2], {"a": set([1])}]
fn helper(x) { return x * rate }
struct Point { x, y  fn sum(self) { return self.x + self.y } }
enum Side { Left, Right(n) }
fn make(n) {
    let counter = n
    return fn(step) {
        counter += step
        return [counter, helper(2), Point { x: 1, y: 2 }.sum(), Side.Right(4), rows]
    }
}
let f = make(10)
println(await worker.spawn(f, {"args": [5]}).join())
println(f(1)[0])
println(await worker.spawn(async fn() { return await Promise.resolve("async") }).join())
println(await worker.spawn(abs, {"args": [-4]}).join(), await worker.spawn(fn(r) { return r.to_array() }, {"args": [1..4]}).join())
println(worker.is_main, worker.id, worker.parent, await worker.spawn(fn() { import worker  return worker.is_main }).join())
"#,
        "[15, 6, 3, Side.Right(4), [[1, 2], {a: set(1)}]]\n11\nasync\n4 [1, 2, 3]\ntrue 0 null false\n",
    );
}

#[test]
fn what_cannot_be_sent_is_named() {
    prints(
        "workers-unsendable",
        r#"
let p = Promise.new(fn() {})
fn local() {
    let inner = [1].iterator()
    return fn() { return inner.next() }
}
for f in [fn() { return p }, local(), 5] {
    try { worker.spawn(f) } catch (e) { println(e.message) }
}
let w = worker.spawn(fn() { import worker  return await worker.parent.recv() })
for v in [println, fn() {}, p, worker, w, (1..3).iterator()] {
    try { w.post([v]) } catch (e) { println(e.message) }
}
w.post("enough")
println(await w.join())
"#,
        "Cannot send promise to a worker (used as 'p')\n\
         Cannot send iterator to a worker (captured as 'inner')\n\
         Cannot send int to a worker\n\
         Cannot send builtin_function to a worker\nCannot send function to a worker\nCannot send promise to a worker\n\
         Cannot send module to a worker\nCannot send worker to a worker\n\
         Cannot send iterator to a worker\nenough\n",
    );
}

#[test]
fn messages_keep_sharing_and_cycles() {
    prints(
        "workers-messages",
        r#"
struct Node { value, next }
let w = worker.spawn(fn() {
    import worker
    let peer = worker.parent
    let m = await peer.recv()
    m["shared"][0] = "changed"
    peer.post([m["again"], m["own"] == m, m["node"].next.value, type(m["bytes"]), m["bytes"].to_string()])
    peer.post(null)
    return "done"
})
let shared = [1]
let node = Node { value: 1, next: null }
node.next = Node { value: 2, next: node }
let bytes = buffer("héé")
let m = {"shared": shared, "again": shared, "node": node, "bytes": bytes}
m["own"] = m
w.post(m, {"transfer": [bytes]})
println(await w.recv(), await w.recv(), shared, bytes.length)
println(await w.join())
m["own"] = null
node.next = null
try { w.post(1, {"move": []}) } catch (e) { println(e.message) }
"#,
        "[[changed], true, 2, buffer, héé] null [1] 0\ndone\nInvalid operation: unknown option 'move'\n",
    );
}

#[test]
fn handlers_channels_and_scripts() {
    prints(
        "workers-channels",
        r#"
let w = worker.spawn("adder.ae", {"args": ["a", "b"], "name": "adder"})
println(w, w.name, await w.recv())
await w.join()
let e = worker.spawn(fn() {
    import worker
    let jobs = worker.parent.channel("jobs")
    let results = worker.parent.channel("results")
    for job in jobs { await results.send(job * 2) }
    results.close()
    return "closed"
})
let jobs = e.channel("jobs")
for n in 1..4 { await jobs.send(n) }
jobs.close()
println([...e.channel("results")], await e.join())
try { await jobs.send(1) } catch (e) { println(e.message) }
let h = worker.spawn(fn() {
    import worker
    for n in 0..3 { worker.parent.post(n) }
    await worker.parent.recv()
})
let seen = []
h.on_message(fn(n) {
    seen.push(n)
    if (n == 2) { h.post("stop") }
})
await h.join()
println(seen)
let slow = worker.spawn(fn() { import worker  await worker.parent.recv() })
try { await slow.recv(0.05) } catch (e) { println(e.message, e.kind) }
slow.post(1)
try { await worker.spawn("missing.ae").join() } catch (e) { println(e.kind, e.message.contains("missing.ae")) }
"#,
        "<worker adder> adder [a, b]\n\
         [2, 4, 6] closed\nChannel closed\n[0, 1, 2]\nTimed out after 0.05s timeout\nio true\n",
    );
}

#[test]
fn every_end_of_a_worker_is_told() {
    prints(
        "workers-ends",
        r#"
fn fails(n) { throw {"code": n} }
let thrown = worker.spawn(fails, {"args": [7]})
try { await thrown.join() } catch (e) { println(e.message, e.value["code"], e.stack_trace.contains("fails (script.ae:4)")) }
let hungry = worker.spawn(fn() { let a = []  while (true) { a.push("x".repeat(50) + str(len(a))) } }, {"max_memory": 2000000})
try { await hungry.join() } catch (e) { println(e.kind) }
let busy = worker.spawn(fn() { while (true) {} }, {"max_steps": 100000})
try { await busy.join() } catch (e) { println(e.message) }
for f in [fn() { while (true) {} }, fn() { sleep(1000) }, fn() { import worker  await worker.parent.recv() }] {
    let w = worker.spawn(f)
    println(w.terminate())
    try { await w.join() } catch (e) { println(e.message, e.kind) }
}
let waits = worker.spawn(fn() { import worker  return await worker.parent.recv() })
waits.post(type(waits.stats()["heap"]["live_bytes"]))
println(await waits.join())
println(await worker.spawn(fn() { try { read_file("script.ae") } catch (e) { return e.kind } }, {"permissions": ["clock"]}).join())
try { worker.spawn(fn() {}, {"permissions": ["everything"]}) } catch (e) { println(e.message) }
try { worker.spawn(fn() {}, {"speed": 1}) } catch (e) { println(e.message) }
// Nobody waits for this one.
worker.spawn(fn() { while (true) {} }).unref()
println("end")
"#,
        "{code: 7} 7 true\nout_of_memory\nStep limit exceeded (100000)\n\
         null\nWorker terminated cancelled\nnull\nWorker terminated cancelled\nnull\nWorker terminated cancelled\n\
         int\npermission\nInvalid operation: unknown permission 'everything'\n\
         Invalid operation: unknown option 'speed'\nend\n",
    );
    let (status, text) = ends("workers-unseen", "worker.spawn(fn() { throw \"unseen\" })");
    assert_eq!(
        (status, text.lines().next()),
        (1, Some("unhandled rejection: unseen"))
    );
}

#[test]
fn scripts_that_cannot_be_loaded_and_exits_say_so() {
    prints(
        "workers-exits",
        r#"
import process
async fn told(p) {
    try { println(await p) } catch (e) { println(e.message, e.kind) }
}
write_file("unfinished.ae", "let fine = 1\nlet = 2\n")
await told(worker.spawn("unfinished.ae").join())
await told(worker.pool(1, "unfinished.ae").submit(1))
fn exits(code) {
    process.on_exit(fn() { println("handler", code) })
    try { process.exit(code) } finally { println("never") }
}
for code in [3, 0] { await told(worker.spawn(exits, {"args": [code]}).join()) }
let pool = worker.pool(1, fn(n) { return n > 1 ? process.exit(n) : n })
for n in 1..4 { await told(pool.submit(n)) }
"#,
        "Failed to load script 'unfinished.ae': Expected variable name, found '=' at line 2 import\n\
         Failed to load script 'unfinished.ae': Expected variable name, found '=' at line 2 import\n\
         handler 3\nWorker exited with status 3 value\nhandler 0\nnull\n\
         1\nWorker exited with status 2 value\nWorker exited with status 3 value\n",
    );
}

#[test]
fn pools_take_jobs_and_lose_none() {
    prints(
        "workers-pools",
        r#"
let pool = worker.pool(2, fn(a, b) { return a * 10 + b })
println(pool, await pool.submit(1, 2))
println(Promise.all([pool.submit(n, 1) for n in 0..50]).sum())
let squares = worker.pool(3, fn(n) { if (n == 3) { throw "three" }  return n * n })
println(await squares.map([0, 1, 2]))
try { await squares.map([1, 2, 3]) } catch (e) { println(e.message) }
let spinning = worker.pool(1, fn(n) { while (n == 0) {}  return n })
let stuck = spinning.submit(0)
let queued = spinning.submit(0)
let last = spinning.submit(5)
queued.cancel("not wanted")
try { await Promise.timeout(stuck, 0.1) } catch (e) { println(e.message) }
println(await last)
spinning.close()
try { spinning.submit(1) } catch (e) { println(e.message) }
println(await worker.pool(1, "job.ae").submit(21))
try { worker.pool(0, fn() {}) } catch (e) { println(e.message) }
"#,
        "<worker_pool of 2> 12\n12300\n[0, 1, 4]\nthree\nTimed out after 0.1s\n5\n\
         Invalid operation: the pool is closed\n42\nInvalid operation: worker.pool requires a positive integer\n",
    );
}

#[test]
fn loops_in_parallel_keep_their_order() {
    prints(
        "workers-parallel",
        r#"
println(parallel.map(0..20, fn(n) { return n * n }, {"workers": 3, "chunk": 2}).sum())
println(parallel.map([], fn(n) { return n }), parallel.reduce([], fn(a, b) { return a + b }, 7))
println(parallel.reduce("abcdefgh".chars(), fn(a, b) { return a + b }, ">", {"chunk": 3}))
let told = []
println(parallel.each([1, 2, 3], fn(n) { return n }, {"chunk": 2, "workers": 1, "progress": fn(done, all) { told.push([done, all]) }}))
println(told)
try {
    parallel.map(0..10, fn(n) { if (n == 4) { throw "at ${n}" }  while (n > 4) {} }, {"chunk": 1})
} catch (e) { println(e.message) }
for opts in [{"workers": 0}, {"chunk": 0}, {"size": 1}] {
    try { parallel.map([1], fn(n) { return n }, opts) } catch (e) { println(e.message) }
}
"#,
        "2470\n[] 7\n>abcdefgh\nnull\n[[2, 3], [3, 3]]\nat 4\n\
         Invalid operation: workers must be at least 1\nInvalid operation: chunk must be at least 1\n\
         Invalid operation: unknown option 'size'\n",
    );
}

#[test]
fn every_job_is_answered_once_whatever_is_cancelled_and_stopped() {
    prints(
        "workers-soak",
        r#"
import rand
rand.seed(5)
let pool = worker.pool(3, fn(n) { let s = 0  for i in 0..n { s += i }  return s })
let [answered, stopped] = [0, 0]
for round in 0..60 {
    let jobs = [pool.submit(rand.range(0, 5000)) for i in 0..12]
    for i in 0..3 { if (jobs[i * 3].cancel("not wanted")) { stopped += 1 } }
    for end in Promise.all_settled(jobs) { if (end["status"] == "fulfilled") { answered += 1 } }
    let w = worker.spawn(fn() { let a = []  while (true) { a.push(str(a.length)) } })
    w.terminate()
    try { await w.join() } catch (e) { if (e.message != "Worker terminated") { println(e.message) } }
}
println(answered + stopped)
"#,
        "720\n",
    );
}

/// What two workers and the program do, in the order of a seed.
fn order_of(seed: u64) -> String {
    let host = MemoryHost::new();
    let interleaving = host.interleave(seed);
    let engine = Engine::builder().host(host.clone()).build();
    let text = r#"
import worker
let seen = []
let workers = [worker.spawn(fn(tag) {
    import worker
    for n in 0..4 { worker.parent.post("${tag}${n}") }
}, {"args": [tag]}) for tag in ["a", "b"]]
for w in workers { w.on_message(fn(tag) { seen.push(tag) }) }
for w in workers { await w.join() }
event_loop(1)
println(seen.join(" "))
"#;
    engine.unwrap().run_text("orders.ae", text).unwrap();
    drop(interleaving);
    host.stdout()
}

#[test]
fn seeds_choose_the_order_of_workers() {
    let orders: Vec<String> = (0..30).map(order_of).collect();
    for order in &orders {
        let of = |tag: char| {
            order
                .split_whitespace()
                .filter(|seen| seen.starts_with(tag))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(of('a'), "a0 a1 a2 a3");
        assert_eq!(of('b'), "b0 b1 b2 b3");
    }
    let mut distinct = orders.clone();
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() > 3, "{distinct:?}");
    let again: Vec<String> = (0..30).map(order_of).collect();
    assert_eq!(orders, again);
}

#[test]
fn one_budget_bounds_the_program_and_its_workers() {
    let (status, text) = ends_with(
        "workers-budget",
        &["--max-memory", "24M"],
        r#"
fn hungry() {
    import worker
    import heap
    let kept = []
    let told = null
    try { while (true) { kept.push("x".repeat(1000) + str(len(kept))) } } catch (e) { told = [e.kind, e.message.split(" of ")[1], heap.live_bytes()] }
    // Room for the others to tell and to hear of it.
    for i in 0..50 { kept.pop() }
    worker.parent.post(told)
    await worker.parent.recv()
}
let crowd = [worker.spawn(hungry) for n in 0..6]
let sum = 0
for w in crowd {
    let [kind, told, live] = await w.recv()
    sum += live
    if (kind != "out_of_memory" || told != "${24 * 1024 * 1024} in use") { println(kind, told) }
}
println(sum <= 25 * 1024 * 1024, sum > 20 * 1024 * 1024)
for w in crowd { w.terminate() }
println([e["reason"] for e in await Promise.all_settled([w.join() for w in crowd])].unique())
// All is there again.
let kept = "y".repeat(20 * 1024 * 1024)
println(len(kept))
kept = null
// A worker's own limit bounds it and those that it starts; others have the rest.
fn nested() {
    import worker
    fn grow() { let kept = []  while (true) { kept.push("x".repeat(1000) + str(len(kept))) } }
    return [e["reason"].split(" of ")[1] for e in await Promise.all_settled([worker.spawn(grow).join() for n in 0..2])]
}
println(await worker.spawn(nested, {"max_memory": 6000000}).join())
"#,
    );
    assert_eq!(
        (status, &*text),
        (
            0,
            "true true\n[Worker terminated]\n20971520\n[6000000 in use, 6000000 in use]\n"
        )
    );
}

#[test]
fn a_message_that_does_not_fit_fails_where_it_is_sent() {
    let (status, text) = ends_with(
        "workers-refused",
        &["--max-memory", "16M"],
        r#"
let w = worker.spawn(fn() { sleep(1000) })
let text = "z".repeat(3 * 1024 * 1024)
let sent = 0
try { loop { w.post([text, sent])  sent += 1 } } catch (e) { println(e.kind, sent > 0, sent < 5) }
w.terminate()
try { await w.join() } catch (e) { println(e.message) }
// What waited is given back.
let kept = "y".repeat(9 * 1024 * 1024)
println(len(kept))
let small = worker.spawn(fn() {
    import worker
    let held = "h".repeat(1500000)
    worker.parent.post(len(held))
    try { await worker.parent.recv() } catch (e) { return e.kind }
}, {"max_memory": 2000000})
println(await small.recv())
try { small.post([n for n in 0..200000]) } catch (e) { println(e.kind) }
small.post([n for n in 0..60000])
println(await small.join())
"#,
    );
    assert_eq!(
        (status, &*text),
        (
            0,
            "out_of_memory true true\nWorker terminated\n9437184\n1500000\nout_of_memory\nout_of_memory\n"
        )
    );
}

#[test]
fn frozen_buffers_are_shared_and_stay_as_they_are() {
    prints(
        "workers-frozen",
        r"
import heap
let bytes = buffer(6000000).freeze()
let tail = bytes.slice(-3)
for change in [fn() { bytes[0] = 1 }, fn() { tail.fill(1) }, fn() { bytes.write_u16(0, 1) }] {
    try { change() } catch (e) { println(e.message) }
}
let w = worker.spawn(fn() {
    import worker
    import heap
    let before = heap.live_bytes()
    let [whole, again, part] = await worker.parent.recv()
    let held = heap.live_bytes() - before
    let refused = null
    try { whole[0] = 1 } catch (e) { refused = e.message }
    worker.parent.post([whole.length, whole.frozen, part.frozen, part.to_array(), again.length, held > 6000000, held < 6100000, refused])
    return part
})
w.post([bytes, bytes, tail])
println(...await w.recv())
let got = await w.join()
println(got.frozen, got.to_array(), bytes.frozen, buffer(1).frozen, buffer(0).freeze().length)
",
        "Invalid operation: the buffer is frozen\nInvalid operation: the buffer is frozen\n\
         Invalid operation: the buffer is frozen\n6000000 true true [0, 0, 0] 6000000 true true \
         Invalid operation: the buffer is frozen\ntrue [0, 0, 0] true false 0\n",
    );
}

#[test]
fn a_leak_check_covers_workers() {
    let leaks = r#"
struct Node { other }
fn leaky(n) {
    for i in 0..n {
        let a = Node { other: null }
        let b = Node { other: a }
        a.other = b
    }
    return n
}
println(await worker.spawn(leaky, {"args": [3]}).join())
let pool = worker.pool(1, leaky)
println(await pool.submit(2))
println(parallel.map([1, 1], leaky, {"workers": 1}))
"#;
    let (status, text) = ends_with("workers-leaks", &["--leak-check=error"], leaks);
    assert_eq!(status, 5, "{text}");
    for part in [
        "leak-check: 14 objects in 7 unreachable cycles",
        " in leaky   (7 objects",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let (status, text) = ends_with(
        "workers-no-leaks",
        &["--leak-check=error"],
        r#"
let w = worker.spawn(fn(n) { let a = [i for i in 0..n]  return a.sum() }, {"args": [100000]})
println(await w.join())
println(await worker.pool(2, fn(n) { return n }).map([1, 2, 3]))
// One that still runs is ended.
worker.spawn(fn() { while (true) {} }).unref()
try { await worker.spawn(fn() { let a = []  while (true) { a.push("x".repeat(100) + str(len(a))) } }, {"max_memory": 2000000}).join() } catch (e) { println(e.kind) }
"#,
    );
    assert_eq!(status, 0, "{text}");
    assert!(
        text.starts_with("4999950000\n[1, 2, 3]\nout_of_memory\n"),
        "{text}"
    );
    assert!(
        text.contains("leak-check: 0 objects in 0 unreachable cycles"),
        "{text}"
    );
}

#[test]
fn stats_tell_of_a_worker_while_it_runs_and_afterwards() {
    prints(
        "workers-stats",
        r#"
let w = worker.spawn(fn() {
    import worker
    let kept = [i for i in 0..100000]
    worker.parent.post(kept.length)
    await worker.parent.recv()
    kept = null
    let sum = 0
    for i in 0..200000 { sum += i }
    return sum
})
println(await w.recv())
// It waits now, or is about to.
let stats = w.stats()
for i in 0..100 {
    if (stats["heap"]["live_bytes"] > 1600000) { break }
    sleep(0.01)
    stats = w.stats()
}
println(stats["heap"]["live_bytes"] > 1600000, stats["heap"]["live_objects"] > 0, stats["steps"] >= 100000)
w.post(null)
println(await w.join())
let last = w.stats()
println(last["heap"]["live_bytes"] < 1600000, last["heap"]["peak_bytes"] > 1600000, last["steps"] >= 300000)
println(last.keys(), last["heap"].keys())
"#,
        "100000\ntrue true true\n19999900000\ntrue true true\n[heap, steps] [live_bytes, peak_bytes, live_objects]\n",
    );
}

#[test]
fn a_thousand_workers_live_at_once() {
    prints(
        "workers-thousand",
        r#"
fn waits(id) {
    import worker
    let n = await worker.parent.recv()
    worker.parent.post(id * n)
    await worker.parent.recv()
    return id
}
let crowd = [worker.spawn(waits, {"args": [id]}) for id in 0..1000]
for w in crowd { w.post(2) }
let sum = 0
for w in crowd { sum += await w.recv() }
println(sum)
for w in crowd { w.post(null) }
println((await Promise.all([w.join() for w in crowd])).sum())
"#,
        "999000\n499500\n",
    );
}

/// A worker's number tells how many there were before it.
const NEXT: &str =
    "fn next() { return await worker.spawn(fn() { import worker  return worker.id }).join() }\n";

/// Whether a loop in parallel, an expression behind declarations, starts no worker.
fn stays(name: &str, declarations: &str, expression: &str) -> bool {
    let script = format!(
        "{NEXT}{declarations}\nlet before = next()\ntry {{ {expression} }} catch (e) {{}}\nprintln(next() - before)\n"
    );
    let (status, text) = ends(name, &script);
    assert_eq!(status, 0, "{text}");
    text.trim().parse::<u32>().unwrap() == 1
}

#[test]
fn tiny_work_that_only_computes_starts_no_worker() {
    for (declarations, expression) in [
        ("", "parallel.map(0..10, x => x * x)"),
        ("", "parallel.map([], x => x)"),
        (
            "",
            "parallel.map([1, null, 2.5, true], x => [x, {\"x\": x}, type(x)])",
        ),
        ("", "parallel.map([-1, 4], abs)"),
        ("", "parallel.each(0..10, x => x * x, {\"workers\": 3})"),
        ("", "parallel.reduce(0..10, (a, b) => a + b, [])"),
        (
            "",
            r#"parallel.map(["a b", "c"], s => s.upper().split(" ").map(w => w + "!").join("-"))"#,
        ),
        ("let rate = 3", "parallel.map(0..10, x => x * rate + pi)"),
        ("fn make(n) { return x => x + n }", "parallel.map(0..10, make(5))"),
        (
            "fn fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }",
            "parallel.map(0..8, fib)",
        ),
        (
            "fn twice(n) { return n * 2 }\nfn f(n) { return twice(n) + 1 }",
            "parallel.map(0..8, f)",
        ),
        (
            "fn prime(n) { if (n < 2) { return false }  for i in 2..n { if (n % i == 0) { return false } }  return true }",
            "parallel.map(0..20, prime)",
        ),
        (
            "fn count(s) { let all = {}  for c in s { all[c] = (all.get(c) ?? 0) + 1 }  return all }",
            r#"parallel.map(["abca", "xyz"], count)"#,
        ),
        (
            "fn sums(n) { let all = [1, 2, 3]  all.each(fn(x) { all })  return \"${all}:${n in [1, 2]}\" }",
            "parallel.map(0..3, sums)",
        ),
    ] {
        // A trial of a process that has to wait for its core may take too long.
        let mut tries = 0..3;
        assert!(
            tries.any(|_| stays("workers-tiny", declarations, expression)),
            "{declarations} {expression}"
        );
    }
}

#[test]
fn what_does_more_or_takes_long_goes_to_workers() {
    for (declarations, expression) in [
        ("", "parallel.map(0..3, fn(x) { println(\"\") })"),
        ("", "parallel.map(0..3, fn(x) { return random() })"),
        ("", "parallel.map(0..3, fn(x) { return clock() })"),
        ("", "parallel.map(0..3, fn(x) { sleep(0.001) })"),
        ("", "parallel.map(0..3, async fn(x) { return x })"),
        ("", "parallel.map(0..3, fn(x) { return [1, 2].shuffle() })"),
        (
            "",
            "parallel.map(0..3, fn(x) { try { return 1 / x } catch (e) { return 0 } })",
        ),
        ("", "parallel.map(0..3, fn(x) { return 1 / x })"),
        ("", "parallel.map(0..3, fn(x) { throw x })"),
        ("", "parallel.map(0..3, fn(x) { return abs })"),
        ("", "parallel.map(0..3, fn(x) { for i in 0..100000 {} })"),
        ("", "parallel.map(0..10000, x => x)"),
        ("", "parallel.map([[1], [2]], fn(x) { x.push(3)  return x })"),
        ("", "parallel.map(0..3, x => x, {\"progress\": fn(done, all) {}})"),
        (
            "fn make() { let n = 0  return fn(x) { n += x  return n } }",
            "parallel.map(0..3, make())",
        ),
        (
            "fn make() { let a = []  return fn(x) { a.push(x)  return a } }",
            "parallel.map(0..3, make())",
        ),
        ("let n = 0", "parallel.map(0..3, fn(x) { n = x })"),
        ("let a = []", "parallel.map(0..3, fn(x) { a.push(x) })"),
        (
            "fn say(x) { print(\"\") }",
            "parallel.map(0..3, fn(x) { say(x) })",
        ),
        (
            "fn f(x) { return x }\nlet g = f\nf = fn(x) { return x + 1 }",
            "parallel.map(0..3, fn(x) { return f(x) })",
        ),
        (
            "abs = fn(x) { return x }",
            "parallel.map(0..3, fn(x) { return abs(x) })",
        ),
    ] {
        // What cannot be sent fails before there is a worker, as it did.
        let script = format!("{declarations}\ntry {{ {expression} }} catch (e) {{ println(e.message) }}\n");
        let fails_to_send = ends("workers-sent", &script).1.contains("Cannot send");
        assert!(
            fails_to_send || !stays("workers-not-tiny", declarations, expression),
            "{declarations} {expression}"
        );
    }
}

#[test]
fn trials_cannot_be_told_from_workers() {
    prints(
        "workers-same",
        r#"
let offset = 7
fn helper(n) { if (n == 3) { throw {"at": n} }  return n + offset }
fn deep(n) { return n == 0 ? 0 : 1 + deep(n - 1) }
fn changed(x) { return 0 }
let original = changed
changed = x => 1
let loops = [
    [0..5, x => x * x], [0..5, helper], [0..3, helper], [[0, 1], x => 10 / x], [["a", "b"], s => s * 2],
    [[1, 2], x => abs], [[1, 2], fn() { return 1 }], [[1, 2], x => x.missing], [[1, 2], x => [[x], [x, [x]]]],
    [[1, 5000], deep], [[1], x => changed(x)], [[1], original], [[1.5, null], x => "${x}"], [["1", "x"], s => int(s)],
    [[3], fn(x) { let a = []  a.push(a)  return a.length + x }], [[2], fn(x) { let a = [x]  return [a, a] }],
]
fn outcome(run) {
    try { return str(run()) } catch (e) { return "${e.kind}: ${e.message}\n${e.stack_trace}" }
}
let differ = 0
for [items, f] in loops {
    let ends = [{}, {"progress": fn(done, all) {}}].map(opts => [
        outcome(fn() { return parallel.map(items, f, opts) }),
        outcome(fn() { return parallel.each(items, f, opts) }),
        outcome(fn() { return parallel.reduce(items, (a, b) => "(${a}${b})", "", opts) }),
        outcome(fn() { return parallel.reduce(items, (a, b) => [a, b], 0, opts.merge({"chunk": 2})) }),
    ])
    if (!ends[0].equals(ends[1])) { differ += 1  println(ends[0], ends[1]) }
}
println(differ, loops.length)
println(outcome(fn() { return parallel.map(0..5, helper) }).split("\n")[0])
let twins = parallel.map([1], fn(x) { let a = [x]  return [a, a] })[0]
twins[0].push(2)
println(twins)
"#,
        "0 16\nthrown: {at: 3}\n[[1, 2], [1, 2]]\n",
    );
}

#[test]
fn limits_hold_while_work_is_tried() {
    let looping =
        "try { parallel.map([1, 2], fn(x) { while (true) {} }) } catch (e) { println(e.message) }\n";
    let (status, text) = ends_with("workers-tried-time", &["--timeout", "0.5"], looping);
    assert!(status != 0 && text.contains("Timed out after"), "{text}");
    // Few steps are left for the program itself, as before.
    let tiny = "for i in 0..200 { parallel.map([i], x => x + 1) }\nprintln(\"done\")\n";
    let (status, text) = ends_with("workers-tried-steps", &["--max-steps", "100000"], tiny);
    assert_eq!((status, text.as_str()), (0, "done\n"));
    // What follows a trial is not part of it.
    let after = r"
fn spin() { let s = 0  for i in 0..20000 { s += i }  return s }
println(parallel.map([1, 2], fn(x) { let s = 0  for i in 0..20000 { s += i }  return s }).sum() == 2 * spin(), spin() > 0)
";
    prints("workers-tried-end", after, "true true\n");
}
