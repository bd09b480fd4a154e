//! Memory as a script and a host see it: budget, heap module, finalizers, reports, stress.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod support;

use aether_eval::{Machine, MachineOptions, MemoryWatch, RunError};
use aether_source::SourceFile;
use aether_value::ErrorKind;
use support::Quiet;

fn machine(max_memory: Option<usize>) -> (Machine, Quiet) {
    let host = Quiet::default();
    let options = MachineOptions {
        max_memory,
        ..MachineOptions::default()
    };
    (Machine::new(&options, Box::new(host.clone()), &[]).unwrap(), host)
}

fn file(text: &str) -> SourceFile {
    SourceFile::new(Some("app.ae".to_owned()), text.to_owned())
}

/// What a program prints, its finalizers at the end included; nothing may be left of it.
fn output_of(text: &str, max_memory: Option<usize>) -> String {
    let (mut machine, host) = machine(max_memory);
    machine.run(file(text)).unwrap();
    let heap = machine.heap().clone();
    drop(machine);
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    host.0.take()
}

#[test]
fn a_budget_error_is_caught_again_and_again() {
    let text = r#"
fn grow() { let a = []
  while (true) { a.push([1, 2, 3]) } }
let caught = 0
for i in range(0, 50) {
  try { grow() } catch (e) {
    let work = map(range(0, 500), fn(x) { return "item " + str(x) })
    caught += len(work) / 500
  }
}
println(caught)
try { grow() } catch (e) { println(e.message.contains("Memory limit exceeded: "), e.kind) }
for f in [fn() { return range(0, 10000000000) }, fn() { return "x".repeat(2000000000000) },
          fn() { return "ab".pad_start(2000000000000) }] {
  try { f() } catch (e) { println(e.kind) }
}
fn deep(n) { return deep(n + 1) + 1 }
try { deep(0) } catch (e) { println(e.kind) }
"#;
    let out = output_of(text, Some(1 << 20));
    assert!(
        out.starts_with("50\ntrue out_of_memory\nout_of_memory\nout_of_memory\n"),
        "{out}"
    );
    assert!(out.ends_with("out_of_memory\n"), "{out}");
}

#[test]
fn without_a_limit_huge_requests_are_clear_errors() {
    let text = r#"
for f in [fn() { return range(0, 10000000000) }, fn() { return "x".repeat(2000000000000) }] {
  try { f() } catch (e) { println(e.kind, e.message.contains("Memory limit exceeded")) }
}
"#;
    assert_eq!(output_of(text, None), "out_of_memory true\nout_of_memory true\n");
}

#[test]
fn finalizers_run_in_order_of_death_and_at_exit() {
    let text = r#"
let kept = [1]
finalizer(kept, fn() { println("kept is gone") })
fn main() {
  let a = [1]
  let b = [2]
  finalizer(a, fn() { println("a") })
  finalizer(b, fn() { println("b") })
  b = null
  a = null
  println("main")
  event_loop()
  let cycle = []
  cycle.push(cycle)
  finalizer(cycle, fn() { throw "bad" })
  finalizer([], fn() { println("last") })
}
"#;
    let out = output_of(text, None);
    assert_eq!(out, "main\nb\na\nlast\nError in finalizer: bad\nkept is gone\n");
}

#[test]
fn the_heap_module_answers() {
    let text = r#"
import heap
struct Node { value; peer }
fn main() {
  let before = heap.live_bytes()
  let data = [[1, 2], [3, 4]]
  println(heap.live_bytes() > before, heap.retained(data) > heap.size_of(data), heap.size_of(7))
  let other = data[0]
  println(heap.refs(other))
  let shot = heap.snapshot()
  let nodes = map(range(0, 10), fn(i) { return Node { value: i, peer: null } })
  let change = heap.diff(shot, heap.snapshot())
  println(change.types["Node"].count, heap.stats()["Node"].total_allocated)
  let a = Node { value: 1, peer: null }
  a.peer = a
  let weak = make_weak(a)
  a = null
  println(is_weak(weak), upgrade_weak(weak) != null)
  println(heap.collect().objects, upgrade_weak(weak))
  println(heap.limit(), heap.limit(100000000), heap.limit(null))
  let steps = 0
  heap.on_growth(1000000, fn() { steps += 1 })
  let grown = []
  let i = 0
  while (i < 500000) {
    grown.push(i)
    i += 1
  }
  println(steps > 2)
}
"#;
    let expected = "true true 0\n\
        [{type: array, path: [0]}, {type: stack, path: local 'other' in main}]\n\
        10 10\ntrue true\n1 null\nnull 100000000 null\ntrue\n";
    assert_eq!(output_of(text, None), expected);
}

/// A report with `#` for numbers of bytes: an object takes more where the system's allocator serves each, which the
/// sanitizers want.
fn without_sizes(report: &str) -> String {
    let mut parts = report.split(" bytes");
    let mut out = String::new();
    while let Some(part) = parts.next() {
        let is_last = parts.clone().next().is_none();
        let text = if is_last {
            part
        } else {
            part.trim_end_matches(|c: char| c.is_ascii_digit())
        };
        out.push_str(text);
        out.push_str(if is_last { "" } else { "# bytes" });
    }
    out
}

#[test]
fn a_leak_report_names_the_lines_and_the_edge() {
    let text = r"struct Node { value; peer }
let cache = [[1], [2]]
fn make_pair() {
  let a = Node { value: 1, peer: null }
  let b = Node { value: 2, peer: a }
  a.peer = b
}
fn main() {
  for i in range(0, 3) { make_pair() }
}
";
    let (mut machine, _) = machine(None);
    machine.watch_memory(MemoryWatch::Leaks);
    machine.run(file(text)).unwrap();
    let report = machine.leak_report();
    assert!(report.has_leaks());
    let expected = "leak-check: 6 objects in 3 unreachable cycles (# bytes)\n  \
        cycle 1: Node -> Node   (3 times, # bytes)\n    \
        Node  app.ae:4 in make_pair   (3 objects, # bytes)  .peer -> Node app.ae:5\n    \
        Node  app.ae:5 in make_pair   (3 objects, # bytes)  .peer -> Node app.ae:4\n    \
        make .peer of Node weak (make_weak) to break the cycle\n  \
        still alive: 3 objects (# bytes)\n    \
        array  app.ae:2 at top level   held by global 'cache'   (3 objects, # bytes)\n";
    assert_eq!(without_sizes(&report.text(20, false)), expected);
    assert!(
        report
            .json()
            .starts_with(r#"{"cycles":[{"groups":3,"objects":6,"#)
    );
}

#[test]
fn a_profile_accounts_for_every_byte() {
    let text = r#"
fn build(n) { return map(range(0, n), fn(i) { return [i] }) }
fn main() {
  let big = build(1000)
  big = null
  let small = build(10)
  let d = {}
  for i in range(0, 100) { d[i] = str(i) + "longer than a word" }
}
"#;
    let (mut machine, _) = machine(None);
    machine.watch_memory(MemoryWatch::Profile);
    let before = machine.heap().live_bytes();
    machine.run(file(text)).unwrap();
    let profile = machine.heap_profile();
    let alive: u64 = profile.points.iter().map(|point| point.figures.live_bytes).sum();
    // Index tables and side records are not blocks of the heap.
    assert!(alive <= (machine.heap().live_bytes() - before) as u64);
    let at_peak: u64 = profile.points.iter().map(|point| point.figures.peak_bytes).sum();
    assert_eq!(at_peak, profile.peak_bytes);
    for point in &profile.points {
        assert!(point.figures.most_bytes >= point.figures.peak_bytes);
        assert!(point.figures.blocks >= point.figures.live_blocks);
    }
    let json = profile.json("app.ae", 1);
    assert!(
        json.contains("[builtin] map") && json.contains("build (app.ae:2)"),
        "{json}"
    );
}

/// Programs that use much of the language; each prints the same whatever happens to its memory.
const PROGRAMS: &[&str] = &[
    r#"
struct Node { value; next }
enum Shape { Circle(r), Square(s), None }
fn area(s) { return match s { Shape.Circle(r) => r * r, Shape.Square(s) => s * s, _ => 0 } }
let list = null
for i in range(0, 30) { list = Node { value: i, next: list } }
let sum = 0
while (list != null) {
  sum += list.value
  list = list.next
}
println(sum, map([Shape.Circle(2), Shape.Square(3), Shape.None], area))
let d = {}
for w in "the quick brown fox jumps over the lazy dog the end".split(" ") { d[w] = d.get(w, 0) + 1 }
println(d)
"#,
    r#"
fn counter() {
  let n = 0
  return fn() {
    n += 1
    return n
  }
}
let c = counter()
c()
println(c(), sort([3, 1, 2]), filter([1, 2, 3, 4], fn(x) { return x % 2 == 0 }))
let a = [3, 1, 2]
a.sort(fn(x, y) { return y - x })
println(a)
try { throw { "code": 1 } } catch (e) { println(e.message) } finally { println("finally") }
fn deep(n) {
  if (n == 0) { return 0 }
  return 1 + deep(n - 1)
}
println(deep(300))
"#,
    r#"
async fn work(n) { return n * 2 }
async fn main() {
  let results = await Promise.all([work(1), work(2), work(3)])
  println(results)
  let s = set([1, 2, 2, 3])
  println(len(s), copy([1, [2]]), "a-b-c".split("-"))
  let cycle = { "name": "x" }
  cycle["self"] = cycle
  println(cycle)
  let w = make_weak(cycle)
  println(is_weak(w), "é".repeat(3), "abc".upper())
}
"#,
];

/// Runs a program under stress; answers what it printed, whether it failed, and how many charges it made.
fn stressed(text: &str, collect_every: u64, fail_charge: Option<u64>) -> (String, Result<(), RunError>, u64) {
    let (mut machine, host) = machine(None);
    machine.heap().set_stress(collect_every, fail_charge);
    let result = machine.run(file(text));
    let charges = machine.heap().charges();
    machine.heap().set_stress(0, None);
    let heap = machine.heap().clone();
    drop(machine);
    assert_eq!(
        (heap.live_bytes(), heap.live_objects()),
        (0, 0),
        "after charge {fail_charge:?} failed"
    );
    (host.0.take(), result, charges)
}

#[test]
fn collecting_at_every_charge_changes_nothing() {
    for text in PROGRAMS {
        let (plain, result, _) = stressed(text, 0, None);
        result.unwrap();
        let (out, result, charges) = stressed(text, 1, None);
        result.unwrap();
        assert_eq!(out, plain);
        assert!(charges > 30);
    }
}

#[test]
fn every_refused_charge_ends_in_an_error_with_exact_accounting() {
    for text in PROGRAMS {
        let (plain, _, charges) = stressed(text, 0, Some(u64::MAX - 1));
        for number in 1..=charges {
            let (out, result, _) = stressed(text, 0, Some(number));
            match result {
                // Growth was tried again with less, or the error was caught.
                Ok(()) => assert!(
                    out == plain || text.contains("catch") || text.contains("await"),
                    "{number}: {out}"
                ),
                Err(RunError::Runtime(error)) => {
                    assert_eq!(error.kind, ErrorKind::OutOfMemory, "{number}: {error}");
                }
                Err(other) => panic!("{number}: {other}"),
            }
        }
    }
}

/// A `select` that fails, for want of memory at one of its channels or because nothing can come, waits at none of them:
/// what is sent later goes to whoever receives.
#[test]
fn a_select_that_failed_takes_nothing() {
    let text = r#"
let a = channel()
let b = channel()
let gate = channel(1)
async fn later() {
  await gate.recv()
  b.send(0)
}
Promise.spawn(later)
gate.send(null)
try { select([[a, fn(v) { println("taken") }], [b, fn(v) { return v }]]) } catch (e) { println("refused") }
let got = a.recv()
a.send(1)
println(await got)
"#;
    let (plain, result, charges) = stressed(text, 0, Some(u64::MAX - 1));
    result.unwrap();
    assert_eq!(plain, "1\n");
    let mut refused = 0;
    for number in 1..=charges {
        match stressed(text, 0, Some(number)) {
            (out, Ok(()), _) => {
                let (was_refused, rest) = match out.strip_prefix("refused\n") {
                    Some(rest) => (true, rest),
                    None => (false, out.as_str()),
                };
                assert!(rest.starts_with("1\n"), "{number}: {out}");
                refused += usize::from(was_refused);
            }
            (_, Err(RunError::Runtime(error)), _) => {
                assert_eq!(error.kind, ErrorKind::OutOfMemory, "{number}: {error}");
            }
            (_, Err(other), _) => panic!("{number}: {other}"),
        }
    }
    assert!(refused > 0);
}

/// What could not be done for want of memory has not been done: tried again, it gives what it would have given. No value
/// of a channel is lost or sent twice, no permit of a lock is lost, and no task of a group runs twice.
#[test]
fn what_is_refused_at_a_channel_or_a_lock_can_be_done_again() {
    let text = r#"
let refused = 0
fn again(f) { try { return f() } catch (e) { refused += 1 }
  return f() }
let ch = channel(2)
again(fn() { return ch.try_send(1) })
again(fn() { return await ch.send(2) })
println(again(fn() { return await ch.recv() }), again(fn() { return ch.try_recv() }))
ch.try_send(3)
ch.try_send(4)
println(again(fn() { return select([[ch, fn(v) { return v }]]) }))
again(fn() { for v in ch { println(v) 
  break } })
ch.try_send(5)
println(again(fn() { return ch.next() }))
let one = Promise.spawn(fn() { return ch.next() })
again(fn() { return ch.try_send(6) })
println(await one)
let two = Promise.spawn(fn() { return select([[ch, fn(v) { return v }]], 1) })
again(fn() { return await ch.send(7) })
println(await two, ch.length)
let lock = mutex()
println(again(fn() { return lock.with(fn() { return "in" }) }))
again(fn() { return await lock.acquire() })
let three = Promise.spawn(fn() { return lock.with(fn() { return "in too" }) })
lock.release()
println(await three, lock.locked)
let runs = 0
task_group(fn(g) { again(fn() { return g.spawn(fn() { runs += 1 }) }) })
println(runs)
println(refused > 0)
"#;
    let (plain, result, charges) = stressed(text, 0, Some(u64::MAX - 1));
    result.unwrap();
    assert_eq!(plain, "1 2\n3\n4\n5\n6\n7 0\nin\nin too false\n1\nfalse\n");
    let expected = plain.strip_suffix("false\n").unwrap();
    let mut refused = 0;
    for number in 1..=charges {
        match stressed(text, 0, Some(number)) {
            (out, Ok(()), _) => {
                let rest = out.strip_prefix(expected);
                assert!(matches!(rest, Some("true\n" | "false\n")), "{number}: {out}");
                refused += usize::from(rest == Some("true\n"));
            }
            (_, Err(RunError::Runtime(error)), _) => {
                assert_eq!(error.kind, ErrorKind::OutOfMemory, "{number}: {error}");
            }
            (_, Err(other), _) => panic!("{number}: {other}"),
        }
    }
    assert!(refused > 10, "{refused} refusals were caught");
}
