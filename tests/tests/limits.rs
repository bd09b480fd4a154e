//! Figures that must hold, measured through the heap's own accounts.
//!
//! They are promises to users (README, "What things cost"): a change that breaks one is a decision.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether::{Engine, ErrorKind, MemoryHost, Value, ValueExt as _};

fn engine() -> Engine {
    Engine::builder()
        .host(MemoryHost::new())
        .max_memory(None)
        .build()
        .unwrap()
}

/// What code may take, and the stack that an engine keeps for its next call.
const CODE: usize = 4096;

/// Bytes that `make` leaves alive in the globals, after `prepare`.
fn bytes_of(prepare: &str, make: &str) -> usize {
    let mut engine = engine();
    engine.eval(prepare).unwrap();
    let before = engine.heap().live_bytes();
    engine.eval(make).unwrap();
    engine.heap().collect();
    engine.heap().live_bytes() - before
}

/// The most bytes alive at one time while `code` runs.
fn peak_of(prepare: &str, code: &str) -> usize {
    let mut engine = engine();
    engine.eval(prepare).unwrap();
    let before = engine.heap().live_bytes();
    engine.heap().reset_peak();
    engine.eval(code).unwrap();
    engine.heap().peak_bytes() - before
}

#[test]
fn a_value_is_sixteen_bytes() {
    assert_eq!(size_of::<Value>(), 16);
    assert_eq!(size_of::<Option<Value>>(), 16);
}

#[test]
fn an_array_costs_sixteen_bytes_an_element() {
    let count = 100_000;
    let exact = bytes_of("", "let a = range(100000)");
    assert!(exact <= 16 * count + CODE, "{exact} bytes");
    let grown = bytes_of("", "let a = []\nfor i in range(100000) { a.push(i) }");
    assert!(grown <= 16 * count * 3 / 2 + CODE, "{grown} bytes");
}

#[test]
fn an_instance_of_three_fields_costs_at_most_sixty_four_bytes() {
    let count = 10_000;
    let prepare = "struct P { x, y, z }\nlet a = range(10000)";
    let bytes = bytes_of(prepare, "for i in range(10000) { a[i] = P { x: i, y: 2, z: 3 } }");
    assert!(
        bytes <= 64 * count + CODE,
        "{} bytes each",
        bytes as f64 / count as f64
    );
}

#[test]
fn a_string_costs_its_bytes_and_twenty_four() {
    let engine = engine();
    for length in [2, 8, 40, 100, 1000, 10_000] {
        let text = "x".repeat(length);
        let before = engine.heap().live_bytes();
        let value = engine.heap().string(&text).unwrap();
        let bytes = engine.heap().live_bytes() - before;
        // Blocks are rounded up to their size class, at most an eighth.
        let bound = (length + 24).next_multiple_of(16).max((length + 24) * 9 / 8);
        assert!(bytes <= bound, "{length} bytes of text cost {bytes}");
        drop(value);
    }
}

#[test]
fn two_hundred_thousand_activations_fit_in_sixty_four_megabytes() {
    let prepare = "fn down(n) { let a = 1  let b = 2  let c = 3  let d = 4  let e = 5  let f = 6  let g = 7\n\
                   if (n == 1) { return a }\nreturn down(n - 1) + a + b + c + d + e + f + g }";
    let peak = peak_of(prepare, "down(199999)");
    assert!(peak <= 64 << 20, "{} MB", peak >> 20);
}

#[test]
fn a_coroutine_costs_at_most_one_and_a_half_kilobytes() {
    let prepare = "async fn down(n) { if (n == 1) { return 1 }  return 1 + await down(n - 1) }";
    let peak = peak_of(prepare, "await down(10000)");
    assert!(peak <= 1536 * 10_000, "{} bytes each", peak / 10_000);
}

#[test]
fn a_budget_holds_and_the_engine_stays_usable() {
    let mut engine = Engine::builder()
        .host(MemoryHost::new())
        .max_memory(Some(4 << 20))
        .build()
        .unwrap();
    let code = "let kept = []\ntry { while (true) { kept.push(\"x\" + str(kept.length)) } } catch(e) { kept = e.kind }\nkept";
    for _ in 0..100 {
        let kind: String = engine.eval(code).unwrap().try_to().unwrap();
        assert_eq!(kind, "out_of_memory");
        assert!(engine.heap().peak_bytes() <= (4 << 20) + (64 << 10));
    }
    assert_eq!(engine.eval("[1, 2].length").unwrap().try_to::<i64>().unwrap(), 2);
    assert_eq!(engine.shut_down().live_objects, 0);
}

#[test]
fn dropping_an_engine_with_promises_outstanding_leaves_nothing() {
    let mut engine = engine();
    engine
        .eval("async fn f(n) { return n }\nlet a = [f(1), f(2)]\na.push(a)\nlet p = a[0]")
        .unwrap();
    let promise = engine.global("p").unwrap();
    assert_eq!(
        engine.promise_status(&promise),
        Some(aether::PromiseStatus::NotStarted)
    );
    drop(promise);
    let report = engine.shut_down();
    assert_eq!((report.live_objects, report.live_bytes), (0, 0));
}

/// A script that says by how much the rows of `heap.stats()` miss its total.
const MISSING: &str = r#"
import heap
fn missing() {
    let stats = heap.stats()
    let sum = 0
    for name in stats.keys() {
        if (name != "total" && name != "collections" && name != "collected_objects") { sum += stats[name]["bytes"] }
    }
    return [stats["total"]["bytes"] - sum, stats["pools"]["bytes"]]
}
"#;

#[test]
fn the_rows_of_heap_stats_add_up() {
    let mut engine = engine();
    let everything = r#"
struct code { pools  fn total() { return 1 } }
enum Shape { Dot, Box(w, h) }
async fn later(x) { return x }
let promise = later(1)
promise.then(fn(v) { })
let kept = [1.5, "text", [1], { "a": 1, 2: 3 }, set([1, "x"]), code { pools: 1 }, Shape.Box(1, 2), Shape.Dot]
kept[5].undeclared = 1
let long = "é".repeat(10000)
let nth = long[5000]
let words = map(range(3000), fn(i) { return "w" + i })
let table = {}
for word in words { table[word] = len(table) }
let caught = null
fn deep(n) { if (n == 0) { throw "deep" }  deep(n - 1) }
try { deep(50) } catch (e) { caught = e }
let weak = make_weak(kept)
finalizer(kept, fn() { })
let iterator = words.iterator()
let f = fn() { return kept }
"#;
    engine.eval(format!("{everything}{MISSING}")).unwrap();
    let text = {
        let value = engine.call("missing", ()).unwrap();
        engine.text(&value).unwrap()
    };
    assert_eq!(
        text, "[0, 0]",
        "bytes that no row names, and bytes of pools while nothing is queued"
    );
}

/// Loops without an end, in every form that jumps back: each ends at its step limit, at the top level and in a function.
#[test]
fn endless_loops_end_at_their_step_limit() {
    const HEAD: &str = "let a = 1  let b = 1  let n = null  let t = true  let f = false  let d = {1: 1}\n";
    let conditions = [
        "t",
        "!f",
        "!!t",
        "n == null",
        "a != null",
        "a == b",
        "a != 2",
        "a < 5",
        "!(a > 5)",
        "a <= b",
        "a in d",
        "2 !in d",
        "a && b",
        "f || b",
        "n ?? b",
        "!(f && b)",
        "!(f || n)",
        "t ? a : f",
        "a < 5 && !(b > 3)",
        "a < 1.5",
        "a == 1.0 || t",
        "\"x\" == \"x\"",
        "a % 2 == 1",
        "a & 1",
        "len([a]) == 1",
    ];
    let mut loops: Vec<String> = conditions
        .iter()
        .map(|test| format!("while ({test}) {{ }}"))
        .collect();
    loops.extend(
        conditions
            .iter()
            .map(|test| format!("while ({test}) {{ continue }}")),
    );
    loops.extend(
        conditions
            .iter()
            .map(|test| format!("loop {{ if ({test}) {{ continue }}  b = 2 }}")),
    );
    let others = [
        "loop { }",
        "loop { continue }",
        "loop { if (f) { break } else { continue } }",
        "x: loop { loop { continue x } }",
        "x: while (t) { loop { continue x } }",
        "x: loop { for i in 0..3 { continue x } }",
        "loop { try { continue } finally { } }",
        "loop { try { throw 1 } catch (e) { continue } }",
        "loop { match a { 1 => continue, _ => 2 } }",
        "loop { let z = match a { 1 => { continue } _ => 2 } }",
        "while (a < 5) { try { continue } finally { a = 1 } }",
        "for x in 0..9223372036854775806 { continue }",
        "loop { let q = [1]  if (q.length > 0) { continue } }",
    ];
    loops.extend(others.map(str::to_owned));
    for text in loops {
        for program in [format!("{HEAD}{text}"), format!("fn main() {{ {HEAD}{text} }}")] {
            let mut engine = Engine::builder().max_steps(Some(20_000)).build().unwrap();
            let error = engine.run_text("loop.ae", program.as_str()).unwrap_err();
            assert_eq!(error.kind(), Some(ErrorKind::StepLimit), "{program}: {error}");
        }
    }
}

/// Programs that reach the limit of activations wherever they are at the moment leave nothing behind.
#[test]
fn nothing_is_left_at_any_depth_limit() {
    let programs = [
        "fn f(n) { defer println(n)  defer println(n + 1) }\nf(1)",
        "async fn f(n) { defer println(n)  defer { await f(n) } }\nawait f(1)",
        "fn f(n) { try { f(n) } finally { (() => n)() } }\nf(1)",
        "fn f(n) { return [n].map(x => f(x)) }\nf(1)",
        "fn g(n) { yield n  for x in g(n) { yield x } }\nfor x in g([1]) { println(x) }",
        "struct S { v  fn m(self) { return S { v: self }.m() } }\nS { v: 1 }.m()",
        "fn f(n) { return sort([n, n], (a, b) => f([a])) }\nf(1)",
        "fn f(n, k = f([n])) { return k }\nf(1)",
        "fn f(n) { return match [n] { [x] if f(x) => 1, _ => 2 } }\nf(1)",
        "fn f(n) { return \"${f([n])}\" }\nf(1)",
    ];
    for text in programs {
        for depth in 1..12 {
            let mut engine = Engine::builder()
                .host(MemoryHost::new())
                .max_depth(depth)
                .build()
                .unwrap();
            if let Err(error) = engine.run_text("deep.ae", text) {
                assert_eq!(error.kind(), Some(ErrorKind::Recursion), "{text}: {error}");
            }
            assert_eq!(engine.shut_down().live_objects, 0, "{depth}: {text}");
        }
    }
}

/// What a program holds when it meets a limit waits to die. Whoever asks for the heap finds it dead, and so does the next
/// call, which runs finalizers.
#[test]
fn what_a_limited_call_held_has_died_for_whoever_looks() {
    const PROGRAM: &str = r#"
let done = []
fn hold() {
    let all = []
    finalizer(all, () => done.push("all"))
    for i in 0..20000 { all.push([i, "text " + i]) }
    finalizer(all[7], () => done.push("item"))
    let dict = {}
    for i in 0..20000 { dict["key " + i] = [i] }
    let long = "x".repeat(3000000)
    while (true) { }
}
"#;
    for looks in [true, false] {
        let mut engine = engine();
        engine.eval(PROGRAM).unwrap();
        engine.set_max_steps(Some(2_000));
        engine.call("hold", ()).unwrap_err();
        let before = {
            // Shapes of dicts that nothing uses go with a pass.
            engine.heap().collect();
            engine.heap().live_objects()
        };
        engine.set_max_steps(Some(5_000_000));
        let error = engine.call("hold", ()).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::StepLimit));
        drop(error);
        if looks {
            // The finalizers wait for the event loop.
            engine.heap().collect();
            let after = engine.heap().live_objects();
            assert!(after <= before + 10, "{after} objects, {before} before");
        }
        let done = engine
            .eval_to::<String>("event_loop()\ndone.join(\",\")")
            .unwrap();
        assert_eq!(done, "all,all,item");
    }
}
