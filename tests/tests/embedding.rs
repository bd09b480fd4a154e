//! What a host can rely on: an engine that serves on after any error, limits for each call, interruption, error lines.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aether::{Engine, Error, ErrorKind, MemoryHost, SystemHost, Value, ValueExt as _};
use aether_tests::Scratch;

fn limited(bytes: usize) -> Engine {
    Engine::builder()
        .host(MemoryHost::new())
        .max_memory(Some(bytes))
        .build()
        .unwrap()
}

fn kind(result: Result<Value, Error>) -> ErrorKind {
    result.unwrap_err().kind().unwrap()
}

const FILLERS: &[&str] = &[
    "while (true) { a.push(1.5) }",
    "while (true) { a.push([1, 2]) }",
    "while (true) { a.push(\"text \" + str(a.length)) }",
    "while (true) { a.push(fn() { return a }) }",
    "while (true) { a = [a] }",
    "fn deep(n) { a.push(n)  return deep([n]) + 1 }  deep(0)",
];

#[test]
fn an_engine_serves_after_memory_errors_that_only_the_host_catches() {
    for filler in FILLERS {
        for bytes in [300 << 10, 1 << 20, 8 << 20] {
            let mut engine = limited(bytes);
            engine
                .eval("let a = []\nfn double(x) { return [x, x] }\nfn half(x) { return x / 2 }")
                .unwrap();
            for _ in 0..5 {
                // Again and again, into the reserve too.
                for _ in 0..4 {
                    assert_eq!(kind(engine.eval(*filler)), ErrorKind::OutOfMemory, "{filler}");
                }
                assert_eq!(engine.eval("1").unwrap().try_to::<i64>().unwrap(), 1);
                let half = engine.call("half", (8_i64,)).unwrap();
                assert_eq!(half.try_to::<i64>().unwrap(), 4);
                engine.eval("a = null").unwrap();
                assert!(engine.heap().live_bytes() < bytes, "{filler}");
                let pair = engine.call("double", ("x",)).unwrap();
                assert_eq!(engine.text(&pair).unwrap(), "[x, x]");
                drop(pair);
                engine.eval("a = []").unwrap();
            }
            assert_eq!(engine.shut_down().live_objects, 0, "{filler}");
        }
    }
}

#[test]
fn memory_in_use_is_never_told_above_the_limit() {
    for filler in FILLERS {
        let mut engine = limited(300 << 10);
        engine.eval("let a = []").unwrap();
        for _ in 0..4 {
            let message = engine.eval(*filler).unwrap_err().to_string();
            let (_, told) = message.split_once("requested, ").unwrap();
            let figures: Vec<usize> = told.split(' ').filter_map(|word| word.parse().ok()).collect();
            assert!(figures[0] <= figures[1], "{message}");
        }
    }
}

#[test]
fn steps_are_limited_for_each_call() {
    let mut engine = Engine::builder()
        .host(MemoryHost::new())
        .max_steps(Some(5_000))
        .build()
        .unwrap();
    engine
        .eval("fn count(n) { let i = 0  while (i < n) { i = i + 1 }  return i }")
        .unwrap();
    for _ in 0..20 {
        engine.call("count", (2_000_i64,)).unwrap();
        let used = engine.steps_used();
        assert!((2_000..2_100).contains(&used), "{used}");
    }
    assert!(
        (40_000..42_000).contains(&engine.total_steps()),
        "{}",
        engine.total_steps()
    );
    assert_eq!(kind(engine.call("count", (20_000_i64,))), ErrorKind::StepLimit);
    assert!(
        (5_000..8_000).contains(&engine.steps_used()),
        "{}",
        engine.steps_used()
    );
    engine.call("count", (2_000_i64,)).unwrap();
    engine.set_max_steps(Some(50_000));
    engine.call("count", (20_000_i64,)).unwrap();
    engine.set_max_steps(None);
    engine.call("count", (200_000_i64,)).unwrap();
    assert!((200_000..200_100).contains(&engine.steps_used()));
}

#[test]
fn a_limit_holds_in_long_operations_of_the_calls_that_have_it() {
    let mut engine = Engine::builder().host(SystemHost::new()).build().unwrap();
    engine
        .eval("fn count() { return (0..400_000).to_array().length }")
        .unwrap();
    let mut count = |steps: Option<u64>, time: Option<Duration>| {
        engine.set_max_steps(steps);
        engine.set_timeout(time);
        engine
            .call("count", ())
            .map(|value| value.as_int())
            .map_err(|error| error.kind())
    };
    for _ in 0..2 {
        assert_eq!(count(None, None), Ok(Some(400_000)));
        assert_eq!(count(Some(40_000), None), Err(Some(ErrorKind::StepLimit)));
        assert_eq!(count(None, None), Ok(Some(400_000)));
        assert_eq!(count(None, Some(Duration::ZERO)), Err(Some(ErrorKind::TimeLimit)));
    }
}

#[test]
fn an_interruption_ends_every_program() {
    let programs = [
        "while (true) { }",
        "fn f() { try { f() } finally { f() } }  f()",
        "while (true) { try { while (true) { } } finally { continue } }",
        "fn f() { try { while (true) { } } finally { return 1 } }  while (true) { f() }",
        "fn f() { try { f() } catch (e) { f() } finally { f() } }  f()",
        "try { while (true) { } } finally { while (true) { } }",
        "async fn f() { try { await f() } finally { await f() } }  await f()",
        "while (true) { try { map(range(100000), fn(x) { while (true) { } }) } finally { continue } }",
    ];
    for program in programs {
        let stop = Arc::new(AtomicBool::new(true));
        let mut engine = Engine::builder()
            .host(SystemHost::new().interrupted_by(stop.clone()))
            .build()
            .unwrap();
        assert_eq!(kind(engine.eval(program)), ErrorKind::Interrupted, "{program}");
        assert!(!stop.load(Ordering::Relaxed));
        // The next call is not interrupted.
        assert_eq!(
            engine.eval("1 + 1").unwrap().try_to::<i64>().unwrap(),
            2,
            "{program}"
        );
        assert_eq!(engine.shut_down().live_objects, 0, "{program}");
    }
}

#[test]
fn finally_blocks_run_after_an_interruption() {
    let stop = Arc::new(AtomicBool::new(true));
    let mut engine = Engine::builder()
        .host(SystemHost::new().interrupted_by(stop))
        .build()
        .unwrap();
    let code = "let log = []\nfn f() { try { while (true) { } } finally { log.push(\"closed\") } }\ntry { f() } finally { log.push(\"end\") }";
    assert_eq!(kind(engine.eval(code)), ErrorKind::Interrupted);
    let log = engine.global("log").unwrap();
    assert_eq!(engine.text(&log).unwrap(), "[closed, end]");
}

#[test]
fn error_lines_name_files_and_give_help() {
    let host = MemoryHost::new();
    host.add_file("good.ae", "fn boom(x) {\n    return x.missing\n}");
    host.add_file("bad.ae", "let ok = 1\nlet x = (1 + \nfn g( {\n");
    let lines = |text: &str| {
        let mut engine = Engine::builder().host(host.clone()).build().unwrap();
        let error = engine.run_text("main.ae", text).unwrap_err();
        engine.error_lines(&error, true)
    };
    assert_eq!(
        lines("import good\nfn f() {\n    good.boom(1)\n}\nf()"),
        [
            "Error: [good.ae line 2] 'int' has no property 'missing'",
            "  at boom (good.ae:2)",
            "  at f (main.ae:3)",
            "  at top level (main.ae:5)",
        ]
    );
    assert_eq!(
        lines("let count = 1\nprintln(cuont)"),
        [
            "Error: [line 2] Undefined variable: cuont",
            "  help: did you mean 'count'?"
        ]
    );
    assert_eq!(
        lines("let while = 1")[0],
        "Error: Expected variable name, found 'while' at line 1"
    );
    let of_module = lines("import bad");
    assert!(
        of_module[0].starts_with("Error: [line 1] Failed to load module 'bad.ae': Expected "),
        "{of_module:?}"
    );
    assert!(
        of_module[1..]
            .iter()
            .all(|line| line.starts_with("Error: bad.ae: ") || line.starts_with("  ")),
        "{of_module:?}"
    );
}

/// What goes over standard input, from the first byte to the last.
const READER: &str = r#"
import io
println(io.read_line(), io.read_bytes(1)[0], io.read_bytes(1).to_array(), len(io.read_bytes(0)), io.read_line())
for line in io.lines() {
    println("<${line}>")
    if (line == "") { break }
}
println(io.read(), io.read_bytes().length, io.read_line())
"#;
const INPUT: &str = "first\r\n\u{e9}t\u{e9}\nlast line\n\nrest \u{20ac}\nend";
const READ: &str = "first 195 [169] 0 t\u{e9}\n<last line>\n<>\nrest \u{20ac}\nend 0 null\n";

#[test]
fn standard_input_is_read_alike_from_memory_and_from_the_system() {
    let host = MemoryHost::new();
    host.push_stdin(INPUT);
    let mut engine = Engine::builder().host(host.clone()).build().unwrap();
    engine.run_text("reader.ae", READER).unwrap();
    assert_eq!(host.stdout(), READ);

    let scratch = Scratch::new("stdin");
    scratch.file("reader.ae", READER);
    let expected = (0, READ.to_owned(), String::new());
    assert_eq!(scratch.run_with_input(&["reader.ae"], INPUT), expected);
}

/// With the collector off, cycles go when the host says, a step at a time, and each step says whether it was the last.
#[test]
fn a_host_collects_in_its_idle_time() {
    let mut engine = Engine::builder().host(SystemHost::new()).build().unwrap();
    engine.heap().set_auto_collect(false);
    engine
        .eval(
            "struct Node { other }
             let kept = []
             fn frame() {
                 for i in 0..20000 {
                     let a = Node { other: null }
                     a.other = Node { other: a }
                     if (i % 100 == 0) { kept.push(a) }
                 }
             }",
        )
        .unwrap();
    let start = engine.heap().live_objects();
    engine.call("frame", ()).unwrap();
    assert!(engine.heap().live_objects() >= start + 40_000);
    assert_eq!(engine.heap().stats().pauses.count, 0);
    let mut steps = 1;
    while !engine.collect_step(Duration::ZERO) {
        steps += 1;
        // The program goes on between two steps.
        if steps % 10 == 0 {
            engine.eval("kept.push(kept[0].other)  kept.reverse()").unwrap();
        }
        assert!(steps < 10_000);
    }
    assert!(steps > 10, "{steps}");
    assert_eq!(engine.heap().stats().pauses.count, steps);
    let left = engine.heap().live_objects() - start;
    assert!((400..600).contains(&left), "{left}");
    // Nothing has happened since: there is nothing to do.
    assert!(engine.collect_step(Duration::ZERO));
    assert_eq!(engine.heap().stats().pauses.count, steps);
    // With time enough a pass is one step.
    engine.eval("kept = null").unwrap();
    assert!(engine.collect_step(Duration::from_mins(1)));
    assert!(engine.heap().live_objects() < start + 100);
    // By itself the collector comes as well, in pauses that are counted.
    let before = engine.heap().stats().pauses;
    engine.heap().set_auto_collect(true);
    engine.eval("kept = []  for i in 0..20 { frame() }").unwrap();
    let pauses = engine.heap().stats().pauses;
    assert!(pauses.count > before.count + 20, "{}", pauses.count);
    assert!(pauses.total > before.total && pauses.longest <= pauses.total);
    assert_eq!(engine.shut_down().live_objects, 0);
}

/// Values of every kind, modules of every origin among them, list what may stand behind their dot; a name that is not
/// there is an error with its place, and asking for help about it is safe.
#[test]
fn any_value_can_be_asked_for_its_members() {
    let scratch = Scratch::new("members");
    scratch.file("shapes.ae", "fn area(w, h) { return w * h }\nlet unit = 1\n");
    let mut engine = Engine::builder()
        .host(SystemHost::new())
        .directory(format!("{}/", scratch.path().display()))
        .build()
        .unwrap();
    let modules = [
        "core",
        "collections",
        "math",
        "string",
        "testing",
        "heap",
        "io",
        "log",
        "shapes",
    ];
    for module in modules {
        engine.eval(format!("import {module}")).unwrap();
    }
    engine
        .eval(
            "struct Point { x, fn sum(self) { return self.x } }\nenum Shape { Circle(r), Dot }\n\
             let caught = null\ntry { throw 1 } catch (e) { caught = e }\nlet held = [1]\n\
             async fn later() { }\nfn gen() { yield 1 }",
        )
        .unwrap();
    let others = [
        "null",
        "true",
        "1",
        "1.5",
        "\"text\"",
        "[1]",
        "{\"key\": 1}",
        "set([1])",
        "0..3",
        "Point",
        "Point { x: 1 }",
        "Point { x: 1 }.sum",
        "Shape",
        "Shape.Dot",
        "Shape.Circle(1)",
        "Shape.Circle",
        "caught",
        "make_weak(held)",
        "later",
        "later()",
        "gen",
        "gen()",
        "len",
        "Promise",
        "dict",
        "x => x",
        "[1].map(x => x)",
        "event_loop",
    ];
    for value in modules.iter().chain(&others) {
        let held = engine.eval(format!("({value})")).unwrap();
        let members = engine.members(&held);
        for member in &members {
            // Methods are no data; what a module has is.
            let data = engine.member_value(&held, member);
            assert!(
                data.is_some() || !matches!(held, Value::Module(_)),
                "{value}.{member}"
            );
        }
        assert!(engine.member_value(&held, "absent").is_none(), "{value}");
        let is_module = matches!(held, Value::Module(_));
        assert!(!is_module || !members.is_empty(), "{value}");
        for code in [
            format!("let v = {value}\nv.absent"),
            format!("let v = {value}\nv.absent()"),
            format!("({value}).absent"),
        ] {
            // A dict and an instance are open.
            if let Err(error) = engine.eval(code.clone()) {
                engine.help_for(&error);
                assert!(error.to_string().contains("absent"), "{code}: {error}");
            }
        }
        if let Some(first) = members.first().filter(|_| is_module) {
            let error = engine.eval(format!("{value}.{first}_")).unwrap_err();
            assert!(engine.help_for(&error).is_some(), "{value}.{first}_");
        }
    }
}

/// What the help for a missing key proposes does what it says.
#[test]
fn the_help_for_a_missing_key_is_true() {
    let mut engine = limited(1 << 20);
    engine
        .eval("let d = {\"a\": 1}  let key = \"zz\"  let x = 7")
        .unwrap();
    for code in ["d.zz", "d[key]"] {
        let error = engine.eval(code).unwrap_err();
        let help = engine.help_for(&error).unwrap();
        let mut parts = help.split([',', ';']);
        let (null, fallback) = (parts.next().unwrap(), parts.next().unwrap());
        let code = |part: &str| part.trim().split(" gives ").next().unwrap().to_owned();
        assert!(engine.eval(code(null)).unwrap().is_null(), "{help}");
        // Its own comma is the one of the arguments.
        let fallback = format!("{fallback},{}", parts.next().unwrap());
        assert_eq!(engine.eval(code(&fallback)).unwrap().as_int(), Some(7), "{help}");
    }
}
