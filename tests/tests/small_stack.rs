//! Bad and extreme input on a thread of 512 KB: an answer, never an overflow of the native stack.
//!
//! The larger versions of these are probes, run by memcheck in the release binary.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::{Outcome, execute_text};

fn run_small(text: String) -> Outcome {
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(move || {
        let (outcome, report) = execute_text(&text).unwrap();
        assert_eq!(report.live_objects, 0);
        outcome
    });
    thread.unwrap().join().unwrap()
}

#[track_caller]
fn prints(text: String, expected: &str) {
    let outcome = run_small(text);
    assert_eq!((outcome.stderr.as_str(), outcome.stdout.as_str()), ("", expected));
}

#[track_caller]
fn too_deep(text: String) {
    let outcome = run_small(text);
    let first = outcome.stderr.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("Error: Nesting too deep (limit 1000)"),
        "{first}"
    );
    assert_eq!(outcome.status, 1);
}

#[test]
fn nesting_beyond_the_limit_is_one_clear_error() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("f(", ")"),
        ("if (true) {", "}"),
        ("x = fn() {", "}"),
    ] {
        too_deep(format!("{}1{}", open.repeat(5000), close.repeat(5000)));
        too_deep(open.repeat(5000));
    }
    for repeated in ["- ", "!", "~", "await ", "1 ** ", "true ? 1 : "] {
        too_deep(format!("let x = {}1", repeated.repeat(5000)));
    }
    too_deep(format!("let x = {}1{}", "\"${".repeat(5000), "}\"".repeat(5000)));
}

#[test]
fn nesting_up_to_the_limit_works() {
    let depth = 900;
    prints(
        format!("println({}1{})", "(".repeat(depth), ")".repeat(depth)),
        "1\n",
    );
    prints(format!("println({}1)", "- -".repeat(depth / 2)), "1\n");
    prints(format!("println(1{})", " ** 1".repeat(depth)), "1\n");
    prints(format!("println({}1)", "false ? 0 : ".repeat(depth)), "1\n");
    prints(
        format!("{}println(1){}", "if (true) { ".repeat(depth), " }".repeat(depth)),
        "1\n",
    );
    prints(
        format!("println({}1{})", "\"${".repeat(depth), "}\"".repeat(depth)),
        "1\n",
    );
    let calls = format!(
        "{}1{}",
        "(fn() { return ".repeat(depth / 3),
        " })()".repeat(depth / 3)
    );
    prints(format!("println({calls})"), "1\n");
}

#[test]
fn chains_may_have_any_length() {
    prints(format!("println(1{})", " + 1".repeat(19_999)), "20000\n");
    prints(
        format!("fn f() {{ return f }}\nprintln(f{} == f)", "()".repeat(10_000)),
        "true\n",
    );
    let arm = |n| format!(" else if (x == {n}) {{ println(x) }}");
    let arms: Vec<String> = (1..10_000).map(arm).collect();
    prints(
        format!("let x = 9999\nif (x == 0) {{ }}{}", arms.concat()),
        "9999\n",
    );
}

#[test]
fn deep_data_is_handled_without_recursion() {
    let program = "fn nest(n) { let a = []  for i in range(n) { a = [a] }  return a }\n\
                   let a = nest(100000)\nprintln(len(str(a)), a.equals(nest(100000)), len(json_stringify(a)))\n\
                   println(len(str(json_parse(json_stringify(a)))))\na = null";
    prints(program.to_owned(), "200002 true 200002\n200002\n");
}

#[test]
fn recursion_ends_at_its_limit_also_through_callbacks_and_awaits() {
    let program = "fn plain(n) { return plain(n + 1) }\n\
                   fn mapped(n) { return map([n], fn(x) { return mapped(x + 1) }) }\n\
                   fn sorted(n) { return sort([2, 1], fn(a, b) { return sorted(n) }) }\n\
                   async fn awaited(n) { return await awaited(n + 1) }\n\
                   for f in [plain, mapped, sorted] { try { f(0) } catch(e) { println(e.kind) } }\n\
                   try { await awaited(0) } catch(e) { println(e.kind) }";
    prints(program.to_owned(), "recursion\nrecursion\nrecursion\nrecursion\n");
}

#[test]
fn every_one_of_many_syntax_errors_is_reported() {
    let outcome = run_small("let = 1\n".repeat(10_000));
    assert_eq!(outcome.stderr.lines().count(), 10_000);
    assert!(
        outcome
            .stderr
            .lines()
            .all(|line| line.starts_with("Error: Expected variable name, found '='"))
    );
}
