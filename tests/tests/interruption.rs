//! One long operation ends soon after a limit of steps, or when the user asks to stop.
//!
//! What the sweep in `work.rs` cannot tell: there, an operand may be read once before the limit is seen.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aether::parts::eval::{Glance, Lookout, Permission, Waiting, Waker};
use aether::parts::value::display_text;
use aether::{Engine, ErrorKind, Host, MemoryHost, Value};

/// The limit of steps.
const LIMIT: u64 = 1_000;
/// Steps beyond the limit at which an operation has ended: some looks, and a piece of what is counted before it is done.
const LATE: u64 = 150_000;

/// Operands, of which each operation goes over hundreds of thousands of steps.
const PREPARE: &str = r#"
import heapq
import math
enum List { Nil, Cons(value, rest) }
fn chain(n) {
    let list = List.Nil
    for i in range(n) { list = List.Cons(i, list) }
    return list
}
fn text() { return "ab".repeat(15000000) + "c" }
fn wide() { return "aé".repeat(5000000) }
fn flat() { return range(1000000) }
fn nested() { return map(range(200000), fn(i) { return [i, [i]] }) }
fn dict() { return {i: i for i in range(300000)} }
fn elements() { return set(range(300000)) }
fn texts() { return map(range(64), fn(i) { return "ab".repeat(1000000) + (i * 7 % 64) }) }
fn keys() { return map(range(64), fn(i) { let key = range(100000)  key.push(i * 7 % 64)  return [key] }) }
fn numbers(unit) { return map(range(1000000), fn(i) { return i * 7919 % 1000003 * unit }) }
"#;

/// How the operands `a` and `b` are made, and the operation.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("text()", "text()", "a == b"),
    ("text()", "text()", "a != b"),
    ("text()", "text()", "a < b"),
    ("text()", "text()", "if (a == b) { return 1 }"),
    ("text()", "text()", "while (a >= b) { return 1 }"),
    ("text()", "text()", "return match a { x if x == b => 1, _ => 2 }"),
    ("text()", "text()", "a.compare(b)"),
    ("text()", "text()", "min(a, b)"),
    ("[text()]", "[text()]", "a.equals(b)"),
    ("[1, text()]", "text()", "b in a"),
    ("[1, text()]", "text()", "a.index_of(b)"),
    ("[text(), text()]", "null", "uniq(a)"),
    ("flat()", "flat()", "a.equals(b)"),
    ("nested()", "nested()", "a.equals(b)"),
    ("dict()", "dict()", "a.equals(b)"),
    ("elements()", "elements()", "a.equals(b)"),
    ("chain(300000)", "chain(300000)", "a == b"),
    ("chain(300000)", "chain(300000)", "assert_eq(a, b)"),
    ("texts()", "null", "sort(a)"),
    ("texts()", "null", "a.sort()"),
    ("[1, ...texts()]", "null", "heapq.nlargest(a, 3)"),
    ("texts()", "null", "heapq.nlargest(a, 3)"),
    ("keys()", "null", "sort_by(a, fn(key) { return key })"),
    ("keys()", "null", "heapq.nsmallest(a, 3)"),
    ("numbers(1)", "null", "math.median(a)"),
    ("numbers(0.5)", "null", "math.median(a)"),
    ("numbers(0.5)", "null", "math.quantile(a, 0.9)"),
];

/// The same for what copies, whose work is counted as the memory for it is taken.
const COPIES: &[(&str, &str, &str)] = &[
    ("text()", "null", "a[1:]"),
    ("text()", "text()", "a + b"),
    ("text()", "text()", "\"${a}${b}\""),
    ("[text(), text()]", "null", "\"-\".join(a)"),
    ("wide()", "null", "a[9000000]"),
    ("wide()", "null", "a[1:]"),
    ("flat()", "null", "a[1:]"),
    ("flat()", "null", "let [x, ...rest] = a"),
    ("flat()", "null", "for x in a { a[0] = x }"),
];

/// An engine in which `operate(operands)` does an operation, and the operands.
fn prepared(host: impl Host + 'static, (a, b, operation): (&str, &str, &str)) -> (Engine, Value) {
    let mut engine = Engine::builder().host(host).max_memory(None).build().unwrap();
    engine.eval(PREPARE).unwrap();
    let operands = engine.eval(format!("let a = {a}\nlet b = {b}\n[a, b]")).unwrap();
    engine.eval(format!("fn run(a, b) {{ {operation} }}")).unwrap();
    engine
        .eval("fn operate(pair) { return run(pair[0], pair[1]) }")
        .unwrap();
    (engine, operands)
}

#[test]
fn comparing_and_sorting_end_soon_after_the_limit_of_steps() {
    let mut failures = Vec::new();
    for &operation in OPERATIONS {
        let (mut engine, operands) = prepared(MemoryHost::new(), operation);
        engine.set_max_steps(Some(LIMIT));
        let result = engine.call("operate", (operands,));
        let steps = engine.steps_used();
        let ended = result.as_ref().err().and_then(aether::Error::kind);
        if ended != Some(ErrorKind::StepLimit) || steps > LIMIT + LATE {
            failures.push(format!("{operation:?}: {ended:?} after {steps} steps"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn comparing_sorting_and_copying_can_be_interrupted() {
    let mut failures = Vec::new();
    for &operation in OPERATIONS.iter().chain(COPIES) {
        let host = Impatient::default();
        let glances = host.glances.clone();
        let (mut engine, operands) = prepared(host, operation);
        glances.store(2, Ordering::Relaxed);
        let result = engine.call("operate", (operands,));
        let ended = result.as_ref().err().and_then(aether::Error::kind);
        if ended != Some(ErrorKind::Interrupted) {
            failures.push(format!("{operation:?}: {ended:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn limits_do_not_hold_between_calls() {
    let mut engine = Engine::builder()
        .host(MemoryHost::new())
        .max_memory(None)
        .max_steps(Some(LIMIT))
        .build()
        .unwrap();
    let error = engine.eval("while (true) {}").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::StepLimit));
    let text = engine.heap().string(&"x".repeat(8 << 20)).unwrap();
    let array = engine
        .heap()
        .array_from_iter((0..300_000).map(Value::Int))
        .unwrap();
    let copy = engine
        .heap()
        .array_from_slice(array.snapshot().unwrap().as_slice())
        .unwrap();
    assert_eq!((text.len_bytes(), copy.len()), (8 << 20, 300_000));
    let shown = display_text(engine.heap(), &Value::Array(copy)).unwrap();
    assert!(shown.len_bytes() > 2_000_000);
}

/// A host whose user asks to stop as soon as the engine waits, or once it has looked, within one operation, as often as is
/// said: zero for never.
#[derive(Default)]
struct Impatient {
    host: MemoryHost,
    has_waited: bool,
    glances: Arc<AtomicU32>,
}

impl Host for Impatient {
    fn write_out(&mut self, text: &str) -> io::Result<()> {
        self.host.write_out(text)
    }

    fn write_err(&mut self, text: &str) -> io::Result<()> {
        self.host.write_err(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.host.flush()
    }

    fn read_line(&mut self) -> io::Result<String> {
        self.host.read_line()
    }

    fn clock(&mut self) -> f64 {
        0.0
    }

    fn monotonic(&mut self) -> u64 {
        self.host.monotonic()
    }

    fn wait(&mut self, _: &Waker, _: Waiting) {
        self.has_waited = true;
    }

    fn entropy(&mut self) -> u64 {
        0
    }

    fn permit(&mut self, _: Permission, what: &str) -> Result<(), String> {
        Err(what.to_owned())
    }

    fn interrupted(&mut self) -> bool {
        self.has_waited
    }

    fn lookout(&mut self) -> Option<Lookout> {
        let glances = self.glances.clone();
        Some(Box::new(move || {
            let left = glances.load(Ordering::Relaxed);
            if left > 1 {
                glances.store(left - 1, Ordering::Relaxed);
            }
            Glance {
                now: 0,
                stop: left == 1,
            }
        }))
    }
}

/// What a library does in one call is waited for, so the wait can end.
#[test]
fn long_calls_of_libraries_can_be_interrupted() {
    let operations = [
        "import toml  let text = \"a = [\" + \"1, \".repeat(500000) + \"]\"  toml.parse(text)",
        "import toml  let items = range(1000000)  toml.stringify({\"items\": items})",
        "import re  re.compile(\"[\\\\w\\\\s]{1,200}\")",
        "import re  let words = \"|\".join(map(range(20000), fn(i) { return \"word\" + i * 7919 }))  re.test(words, \"\")",
    ];
    for operation in operations {
        let mut engine = Engine::builder()
            .host(Impatient::default())
            .max_memory(None)
            .build()
            .unwrap();
        let kind = engine.eval(operation).map_err(|error| error.kind());
        assert_eq!(kind.err().flatten(), Some(ErrorKind::Interrupted), "{operation}");
    }
}
