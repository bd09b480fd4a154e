//! Machine code against interpretation where a program by itself cannot show a difference: limits, memory, debuggers,
//! interruption, and engines that end early.
//!
//! Each program runs interpreted and with machine code forced; what is compared is everything that the host can see.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether::parts::eval::JitOptions;
use aether::{
    Breakpoint, DEFAULT_MAX_NESTING, Debugger, Engine, EngineBuilder, Error, ErrorKind, JitReport,
    MACHINE_CODE, MemoryHost, Pause, Resumption, SystemHost,
};
use aether_tests::{EAGER, EXITS};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Interpretation that looks at its limits as often as forced machine code does.
const INTERPRETED: JitOptions = JitOptions {
    enabled: false,
    ..EAGER
};

/// Left after every third instruction.
const OFTEN_LEFT: JitOptions = JitOptions {
    exit_interval: 3,
    ..EAGER
};

const PROGRAMS: &[(&str, &str)] = &[
    (
        "loops",
        "fn sum(n) {\n    let total = 0\n    for i in 0..n {\n        if (i % 3 == 0) { continue }\n        \
         total += i * 0.5\n    }\n    return total\n}\nfor i in 0..20 { println(i, sum(i)) }\n",
    ),
    (
        "calls",
        "fn fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }\n\
         for i in 0..9 {\n    println(fib(i))\n}\n",
    ),
    (
        "handlers",
        "let log = []\nfn risky(i) {\n    try {\n        if (i % 4 == 3) { throw \"four\" }\n        return [i][i % 3]\n    \
         } catch(e) {\n        log.push(e.line)\n        return 0\n    } finally {\n        log.push(i)\n    }\n}\n\
         let sum = 0\nfor i in 0..30 { sum += risky(i)  println(sum, log.length) }\n",
    ),
    (
        "objects",
        "struct Point { x, y\n    fn moved(self, by) { return Point { x: self.x + by, y: self.y } }\n}\n\
         let points = range(8).map(i => Point { x: i, y: \"${i}\" })\n\
         for i in 0..8 {\n    points = points.map(point => point.moved(i))\n    println(points[i].x, points[0].y)\n}\n\
         let by_name = {}\nfor point in points { by_name[point.y] = point  println(by_name.keys()) }\n",
    ),
    (
        "finalizers",
        "fn make(i) {\n    let item = { \"number\": i }\n    finalizer(item, () => println(\"gone\", i))\n    \
         return make_weak(item)\n}\nlet weak = []\nfor i in 0..25 {\n    weak.push(make(i))\n    \
         if (i % 10 == 0) { event_loop() }\n}\nprintln(weak.filter(w => upgrade_weak(w) != null).length)\n",
    ),
    (
        "work of its own",
        // What an array's growth counts is settled by the next instruction that settles: not by those here.
        "let kept = []\nfn even(n) { return n % 2 == 0 }\nfn root(n) { return sqrt(n) }\nfn far(n) { return abs(n - 50) }\n\
         for i in 0..70 {\n    kept.push(i)\n    even(i)\n    root(i)\n    kept.push(i)\n    far(i)\n}\nprintln(kept.length)\n",
    ),
    (
        "an error",
        "fn at(items, i) {\n    return items[i] + 1\n}\nfn walk(items) {\n    let i = 0\n    loop {\n        print(at(items, i), \
         \"\")\n        i += 1\n    }\n}\nwalk(range(40))\n",
    ),
];

/// What a host sees of a run.
#[derive(Debug, PartialEq)]
struct Seen {
    output: String,
    error: Vec<String>,
    /// Bytes and objects alive when the program has ended.
    alive: (usize, usize),
    /// The same when the engine has.
    left: (usize, usize),
}

fn builder(jit: JitOptions) -> EngineBuilder {
    Engine::builder()
        .max_nesting(DEFAULT_MAX_NESTING)
        .jit_options(jit)
}

fn run(text: &str, jit: JitOptions, steps: Option<u64>) -> Seen {
    let host = MemoryHost::new();
    let mut engine = builder(jit).host(host.clone()).max_steps(steps).build().unwrap();
    let result = engine.run_text("test.ae", text);
    let error = result
        .err()
        .map_or_else(Vec::new, |error| engine.error_lines(&error, true));
    let alive = (engine.heap().live_bytes(), engine.heap().live_objects());
    let report = engine.shut_down();
    Seen {
        output: host.stdout(),
        error,
        alive,
        left: (report.live_bytes, report.live_objects),
    }
}

#[test]
fn forcing_compiles_the_programs_of_these_tests() {
    let jit = JitOptions {
        report: JitReport::Log,
        ..EAGER
    };
    for (name, text) in PROGRAMS {
        let mut engine = builder(jit).host(MemoryHost::new()).build().unwrap();
        let _ = engine.run_text("test.ae", *text);
        let compiled = engine
            .jit_report()
            .iter()
            .any(|line| line.contains(": compiled, "));
        assert_eq!(compiled, MACHINE_CODE, "{name}: {:?}", engine.jit_report());
    }
}

#[test]
fn output_traces_and_memory_are_the_same() {
    for (name, text) in PROGRAMS {
        let expected = run(text, INTERPRETED, None);
        assert_eq!(expected.left, (0, 0), "{name}");
        for jit in [EAGER, EXITS, OFTEN_LEFT, JitOptions::DEFAULT] {
            assert_eq!(run(text, jit, None), expected, "{name}, {jit:?}");
        }
    }
}

#[test]
fn a_trace_names_the_lines_of_machine_code() {
    let (_, text) = PROGRAMS.last().unwrap();
    let seen = run(text, EAGER, None);
    assert_eq!(
        seen.error,
        [
            "Error: [line 2] Index 40 out of bounds for array of length 40",
            "  at at (test.ae:2)",
            "  at walk (test.ae:7)",
            "  at top level (test.ae:11)",
        ]
    );
}

#[test]
fn every_limit_of_steps_ends_a_program_at_the_same_place() {
    for (name, text) in PROGRAMS {
        for steps in 1..=300 {
            let expected = run(text, INTERPRETED, Some(steps));
            for jit in [EAGER, EXITS, OFTEN_LEFT] {
                assert_eq!(
                    run(text, jit, Some(steps)),
                    expected,
                    "{name}, {steps} steps, {jit:?}"
                );
            }
        }
    }
}

#[test]
fn a_budget_that_is_used_up_is_told_alike() {
    let text = "fn fill(items) {\n    loop { items.push([items.length]) }\n}\nlet kept = []\n\
                try { fill(kept) } catch(e) { println(e.kind, e.line, kept.length > 1000)  kept = null }\n";
    let outcome = |jit| {
        let host = MemoryHost::new();
        let mut engine = builder(jit)
            .host(host.clone())
            .max_memory(Some(2 << 20))
            .build()
            .unwrap();
        engine.run_text("test.ae", text).unwrap();
        assert_eq!(engine.shut_down().live_objects, 0);
        host.stdout()
    };
    for jit in [INTERPRETED, EAGER, EXITS, JitOptions::DEFAULT] {
        assert_eq!(outcome(jit), "out_of_memory 2 true\n", "{jit:?}");
    }
}

/// Notes the lines and a local of each pause.
struct Notes(Rc<RefCell<Vec<(u32, String)>>>);

impl Debugger for Notes {
    fn paused(&mut self, pause: &mut Pause<'_>) -> Resumption {
        let line = pause.frames()[0].line;
        let value = pause.evaluate(0, "n").map(|value| pause.text(&value).unwrap());
        self.0.borrow_mut().push((line, value.unwrap_or_default()));
        Resumption::Continue
    }
}

#[test]
fn breakpoints_pause_what_is_hot() {
    let text = "fn twice(n) {\n    let two = n * 2\n    return two\n}\n\
                fn run(count) {\n    let sum = 0\n    for i in 0..count {\n        sum += twice(i)\n    }\n    return sum\n}\n";
    for jit in [INTERPRETED, EAGER, EXITS, JitOptions::DEFAULT] {
        let pauses = Rc::default();
        let mut engine = builder(jit).host(MemoryHost::new()).build().unwrap();
        engine.set_debugger(Notes(Rc::clone(&pauses)));
        engine.run_text("hot.ae", text).unwrap();
        assert_eq!(engine.eval_to::<i64>("run(10_000)").unwrap(), 99_990_000);
        assert!(pauses.borrow().is_empty());
        engine.set_breakpoints(vec![Breakpoint {
            path: "hot.ae".to_owned(),
            line: 3,
        }]);
        assert_eq!(engine.eval_to::<i64>("run(3)").unwrap(), 6);
        let expected: Vec<(u32, String)> = (0..3).map(|n| (3, n.to_string())).collect();
        assert_eq!(*pauses.borrow(), expected, "{jit:?}");
        engine.set_breakpoints(Vec::new());
        assert_eq!(engine.eval_to::<i64>("run(10_000)").unwrap(), 99_990_000);
        assert_eq!(pauses.borrow().len(), 3);
    }
}

#[test]
fn the_debugger_statement_pauses_within_hot_calls() {
    let text = "fn check(n) {\n    if (n == 4000) { debugger }\n    return n\n}\n\
                fn run(count) {\n    let sum = 0\n    for n in 0..count { sum += check(n) }\n    return sum\n}\nrun(5000)\n";
    for jit in [INTERPRETED, EAGER, EXITS, JitOptions::DEFAULT] {
        let pauses = Rc::default();
        let mut engine = builder(jit).host(MemoryHost::new()).build().unwrap();
        engine.set_debugger(Notes(Rc::clone(&pauses)));
        engine.run_text("hot.ae", text).unwrap();
        assert_eq!(*pauses.borrow(), [(2, "4000".to_owned())], "{jit:?}");
    }
}

#[test]
fn timeouts_end_loops_of_machine_code() {
    let text = "let n = 0\nlet left = false\nfn spin() {\n    try {\n        while (true) { n += 1 }\n    } finally {\n        \
                left = true\n    }\n}\nspin()\n";
    for jit in [EAGER, EXITS, JitOptions::DEFAULT] {
        let mut engine = builder(jit)
            .host(SystemHost::new())
            .timeout(Some(Duration::from_millis(20)))
            .build()
            .unwrap();
        let error = engine.run_text("test.ae", text).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::TimeLimit), "{jit:?}");
        // Finally blocks do not run then, and the engine goes on.
        assert!(engine.eval_to::<bool>("n > 0 && !left").unwrap());
        assert_eq!(engine.shut_down().live_objects, 0);
    }
}

#[test]
fn interruptions_end_loops_of_machine_code() {
    for jit in [EAGER, EXITS, JitOptions::DEFAULT] {
        let stop = Arc::new(AtomicBool::new(false));
        let host = SystemHost::new().interrupted_by(stop.clone()).discarding_output();
        let mut engine = builder(jit).host(host).build().unwrap();
        let begun = Rc::new(RefCell::new(0));
        let (count, flag) = (Rc::clone(&begun), stop.clone());
        // The loop is hot when it asks to be interrupted.
        engine
            .register("tick", move || {
                *count.borrow_mut() += 1;
                if *count.borrow() == 20_000 {
                    flag.store(true, Ordering::Relaxed);
                }
            })
            .unwrap();
        let text = "let left = false\nfn spin() {\n    try {\n        while (true) { tick() }\n    } finally {\n        left = true\n    \
                    }\n}\nspin()\n";
        let error = engine.run_text("test.ae", text).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::Interrupted), "{jit:?}");
        assert!(*begun.borrow() >= 20_000);
        assert!(engine.eval_to::<bool>("left").unwrap());
    }
}

#[test]
fn engines_end_in_the_middle_of_hot_code() {
    let text =
        "fn work(n, f) {\n    let sum = []\n    for i in 0..n { sum.push([f(i)]) }\n    return sum\n}\n";
    for jit in [INTERPRETED, EAGER, EXITS, JitOptions::DEFAULT] {
        // What waits within hot code is let go of.
        let mut engine = builder(jit).host(MemoryHost::new()).build().unwrap();
        engine.run_text("test.ae", text).unwrap();
        engine
            .eval("let waiting = Promise.spawn(work, 5000, fn(i) { if (i == 4000) { await channel().recv() }  return i })")
            .unwrap();
        assert_eq!(engine.shut_down().live_objects, 0, "{jit:?}");

        // So is what an error leaves there.
        let mut engine = builder(jit).host(MemoryHost::new()).build().unwrap();
        engine.run_text("test.ae", text).unwrap();
        let ended = engine.eval("work(5000, fn(i) { if (i == 4000) { throw [i] }  return i })");
        assert!(matches!(ended, Err(Error::Runtime(_))), "{jit:?}");
        drop(ended);
        assert_eq!(engine.shut_down().live_objects, 0, "{jit:?}");
    }
}

#[test]
fn code_has_a_limit_of_its_own() {
    let text = "fn sum(n) {\n    let sum = 0\n    for i in 0..n { sum += i }\n    return sum\n}\nprintln(sum(50_000))\n";
    // Code is mapped in blocks of 64 KiB, and takes a quarter of the heap's budget at most.
    let budget = 256 << 10;
    for (max_code, max_memory, fits) in [
        (0, None, false),
        (1, None, false),
        (64 << 10, None, true),
        (1 << 20, Some(budget), true),
        (1 << 20, Some(budget - 1), false),
    ] {
        let host = MemoryHost::new();
        let mut engine = Engine::builder()
            .host(host.clone())
            .max_code(max_code)
            .max_memory(max_memory)
            .jit_report(JitReport::Log)
            .build()
            .unwrap();
        engine.run_text("test.ae", text).unwrap();
        assert_eq!(host.stdout(), "1249975000\n");
        let has_code = engine
            .jit_report()
            .iter()
            .any(|line| line.contains(": compiled, "));
        assert_eq!(has_code, MACHINE_CODE && fits, "{max_code} {max_memory:?}");
    }
    let mut engine = Engine::builder()
        .host(MemoryHost::new())
        .jit(false)
        .jit_report(JitReport::Log)
        .build()
        .unwrap();
    engine.run_text("test.ae", text).unwrap();
    assert!(engine.jit_report().is_empty());
}
