//! The module `process` on the command line: how a program ends, and what becomes of the programs that it has started.
//!
//! Source: library reference §E3.
#![forbid(unsafe_code)]
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::Scratch;
use std::time::{Duration, Instant};

/// Runs a script with options; status, output, errors.
fn run(name: &str, options: &[&str], script: &str) -> (i32, String, String) {
    let scratch = Scratch::new(name);
    scratch.file("script.ae", script);
    let mut args = vec!["run"];
    args.extend(options);
    args.push("script.ae");
    scratch.run(&args)
}

/// What a script that imports the module prints, and its status.
fn ends(script: &str) -> (i32, String) {
    let (status, output, errors) = run("process-ends", &[], &format!("import process\n{script}"));
    (status, output + &errors)
}

#[test]
fn exit_ends_the_program_with_its_status_at_once() {
    assert_eq!(ends("process.exit()  println(1)"), (0, String::new()));
    assert_eq!(ends("println(1)  process.exit(7)"), (7, "1\n".to_owned()));
    assert_eq!(ends("process.exit(256 + 3)").0, 3);
    assert_eq!(ends("process.exit(-1)").0, 255);
    let no_handler = "try { process.exit(4) } catch (e) { println(e) } finally { println(\"f\") }";
    assert_eq!(ends(no_handler), (4, String::new()));
    let nested = "fn f(x) { process.exit(5) }  println(map([1, 2], f))";
    assert_eq!(ends(nested), (5, String::new()));
    let from_async = "async fn f() { process.exit(6) }  await f()  println(1)";
    assert_eq!(ends(from_async), (6, String::new()));
    let from_main = "fn main() { process.exit(8) }";
    assert_eq!(ends(from_main), (8, String::new()));
    let (status, text) = ends("process.exit(\"x\")");
    assert_eq!(
        (status, text.as_str()),
        (1, "Error: [line 2] Type error: expected int, got string\n")
    );
}

#[test]
fn exit_handlers_run_once_the_latest_first_however_the_program_ends() {
    let handlers = "process.on_exit(fn() { println(1) })\nprocess.on_exit(fn() { println(2) })\n";
    assert_eq!(ends(handlers), (0, "2\n1\n".to_owned()));
    assert_eq!(
        ends(&format!("{handlers}process.exit(3)")),
        (3, "2\n1\n".to_owned())
    );
    let (status, text) = ends(&format!("{handlers}throw \"x\""));
    assert_eq!(status, 1);
    assert!(text.starts_with("2\n1\n"), "{text}");
    let failing = "process.on_exit(fn() { println(1) })\nprocess.on_exit(fn() { throw \"x\" })";
    assert_eq!(ends(failing), (0, "1\nError in exit handler: x\n".to_owned()));
    let again = "process.on_exit(fn() { println(1) })\nprocess.on_exit(fn() { process.exit(9) })";
    assert_eq!(ends(again), (9, "1\n".to_owned()));
    let waiting = "process.on_exit(async fn() { await Promise.timeout(channel().recv(), 0.01).catch(e => null)  println(1) })\nprocess.exit(3)";
    assert_eq!(ends(waiting), (3, "1\n".to_owned()));
    let (status, text) = ends("process.on_exit(1)");
    assert_eq!(status, 1);
    assert!(text.contains("expected function, got int"), "{text}");
}

/// Whether a process with this argument is there.
fn is_running(argument: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .any(|line| line.starts_with("sleep\0") && line.contains(argument))
}

fn soon_gone(argument: &str) {
    let begun = Instant::now();
    while is_running(argument) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{argument} goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_does_not_outlive_the_call_that_waits_for_it() {
    let script = |argument: &str, options: &str| {
        format!("import process\nprocess.run([\"sleep\", \"{argument}\"]{options})")
    };
    // Arguments that nobody else has.
    let begun = Instant::now();
    let (status, ..) = run("process-limit", &["--timeout=0.3"], &script("1041.25", ""));
    assert_eq!(status, 124);
    soon_gone("1041.25");
    let (_, _, errors) = run("process-timeout", &[], &script("1042.25", ", {\"timeout\": 0.2}"));
    assert!(errors.contains("Process timed out after 0.2s"), "{errors}");
    soon_gone("1042.25");
    assert!(begun.elapsed() < Duration::from_mins(1));
}

#[test]
fn output_beyond_the_budget_is_an_error_that_a_script_can_catch() {
    let script = "import process\ntry { process.run(\"yes\") } catch (e) { println(e.kind) }\nprintln(process.run(\"echo on\").stdout)";
    let (status, output, _) = run("process-output", &["--max-memory=8M"], script);
    assert_eq!((status, output.as_str()), (0, "out_of_memory\non\n\n"));
}

#[test]
fn running_needs_its_permission_by_name() {
    let script = "import process
for cmd in [[\"echo\", \"1\"], \"echo 2\", [\"true\"]] {
  try { print(process.run(cmd).ok, \"\") } catch (e) { print(e.message, \"\") }
}";
    let tries = |options: &[&str]| run("process-rights", options, script).1;
    let refused =
        |what: &str| format!("Permission denied: run access to \"{what}\" (run with --allow-run={what}) ");
    assert_eq!(
        tries(&["--sandbox"]),
        [refused("echo"), refused("sh"), refused("true")].concat()
    );
    assert_eq!(
        tries(&["--sandbox", "--allow-run=echo"]),
        ["true ".to_owned(), refused("sh"), refused("true")].concat()
    );
    assert_eq!(tries(&["--sandbox", "--allow-run"]), "true true true ");
}

#[test]
fn a_signal_calls_its_function_with_its_name() {
    let script = r#"
let me = str(process.pid)
let n = 0
let handler = process.on_signal("USR1", fn(name) {
    n += 1
    println(name, n)
    if (n == 1) { process.run(["kill", "-USR1", me]) } else { shutdown() }
})
println(handler, handler.closed)
process.run(["kill", "-USR1", me])
event_loop_forever()
handler.close()
println("served", handler.closed)
"#;
    let expected = "<signal_handler SIGUSR1> false\nSIGUSR1 1\nSIGUSR1 2\nserved true\n";
    assert_eq!(ends(script), (0, expected.to_owned()));
}

#[test]
fn a_handler_of_signals_keeps_nothing_alive_and_fails_alone() {
    let ended = "process.on_signal(\"SIGTERM\", fn() { println(\"never\") })  event_loop()  println(1)";
    assert_eq!(ends(ended), (0, "1\n".to_owned()));
    let failing = r#"
let kill = ["kill", "-TERM", str(process.pid)]
let n = 0
process.on_signal("TERM", async fn() {
    n += 1
    if (n == 2) { shutdown() }
    throw "no ${n}"
})
process.run(kill)
process.run(kill)
sleep(0.05).then(fn() { process.run(kill) })
event_loop_forever()
"#;
    let (status, output) = ends(failing);
    assert_eq!(status, 0);
    assert!(
        output.starts_with("event_loop: callback error: no 1\n"),
        "{output}"
    );
}

#[test]
fn an_interrupt_goes_to_whoever_asked_for_it() {
    let script = r#"
process.on_signal("INT", fn() {
    println("asked to stop")
    shutdown()
})
process.run(["kill", "-INT", str(process.pid)])
event_loop_forever()
println("stopped")
"#;
    assert_eq!(ends(script), (0, "asked to stop\nstopped\n".to_owned()));
}

#[test]
fn signals_that_nobody_can_catch_are_refused() {
    let (status, output) = ends("process.on_signal(\"KILL\", fn() { })");
    let expected =
        "Error: [line 2] Invalid operation: process.on_signal: SIGKILL: the signal cannot be caught\n";
    assert_eq!((status, output.as_str()), (1, expected));
    let (_, output) = ends("process.on_signal(\"NOPE\", fn() { })");
    assert!(
        output.starts_with("Error: [line 2] Invalid operation: process.on_signal: unknown signal 'NOPE'"),
        "{output}"
    );
    let (_, output) = ends("process.on_signal(\"TERM\", 5)");
    assert_eq!(output, "Error: [line 2] Type error: expected function, got int\n");
    let script = "import process\nprocess.on_signal(\"TERM\", fn() { })";
    let (status, _, errors) = run("process-signal-refused", &["--sandbox"], script);
    assert_eq!(status, 4);
    assert!(
        errors.contains("Permission denied: run access to \"SIGTERM\""),
        "{errors}"
    );
}
