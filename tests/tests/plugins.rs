//! Plugins in C and Rust, well-behaved and not, loaded by the command.
//!
//! Source: library reference chapter 16.
#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use aether_tests::{Scratch, binary, build, repository};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a C file to a shared library; false, with a word, where there is no compiler.
fn compile(source: &str, library: &Path, flags: &[&str]) -> bool {
    let root = repository();
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-pthread", "-I"])
        .arg(root.join("crates/aether-plugin/include"))
        .args(flags)
        .arg("-o")
        .arg(library)
        .arg(root.join(source));
    match compiler.output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            true
        }
        Err(error) => {
            println!("skipped: no C compiler ({error})");
            false
        }
    }
}

/// The example plugin in Rust, of the profile that these tests are built with.
fn rust_plugin() -> PathBuf {
    build("example-plugin").join("libexample_plugin.so")
}

/// What a script prints.
fn printed(scratch: &Scratch, script: &str) -> String {
    scratch.file("script.ae", script);
    let (status, stdout, stderr) = scratch.run(&["script.ae"]);
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    stdout
}

/// Without these, a plugin of version 2 cannot be loaded; link-time optimisation would drop them.
#[test]
fn the_command_exports_the_functions_of_the_header() {
    let header = repository().join("crates/aether-plugin/include/aether_plugin.h");
    let header = fs::read_to_string(header).unwrap();
    let names: Vec<&str> = header
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| word.starts_with("aether_value_") || *word == "aether_string_free")
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    let symbols = Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(binary())
        .output();
    let Ok(symbols) = symbols else {
        println!("skipped: no nm");
        return;
    };
    let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
    for name in names {
        let exported = symbols.lines().any(|line| line.ends_with(&format!(" {name}")));
        assert!(exported, "{name} is not exported");
    }
}

#[test]
fn the_examples_run() {
    let scratch = Scratch::new("plugins");
    for name in ["numbers", "statistics"] {
        let library = scratch.path().join(format!("lib{name}.so"));
        if !compile(&format!("examples/plugins/c/{name}.c"), &library, &[]) {
            return;
        }
    }
    fs::copy(rust_plugin(), scratch.path().join("libexample_plugin.so")).unwrap();
    let tour = repository().join("examples/plugins/tour.ae");
    let (status, stdout, stderr) = scratch.run(&[tour.to_str().unwrap(), "."]);
    assert_eq!(stderr, "");
    assert_eq!(
        stdout,
        "42 9\n{sum: 6, count: 3}\nHello, Ada!\n{a: 2, b: 1} 42\n[1, 2]\nInvalid operation: Plugin error: panicked: attempt to divide by zero\n"
    );
    assert_eq!(status, 0);
}

#[test]
fn version_1_takes_and_gives_ints() {
    let scratch = Scratch::new("version-1");
    if !compile("examples/plugins/c/numbers.c", &scratch.path().join("n.so"), &[]) {
        return;
    }
    let script = r#"
let p = load_plugin("n.so")
println(type(p), p, type(p.add), p.add)
println(p == load_plugin("./n.so"), p.add == p.add, p.add == p.largest)
println(p.add(1, 2), map([3, 4], p.largest))
let add = p.add
println(add(5, 6))
fn attempt(f) { try { println(f()) } catch (e) { println(e.message, "|", e.kind) } }
attempt(fn() { return p.add(1) })
attempt(fn() { return p.add(1, "2") })
attempt(fn() { return p.add(1, 2.0) })
attempt(fn() { return p.subtract(1, 2) })
attempt(fn() { return p.subtract })
attempt(fn() { return load_plugin(1) })
attempt(fn() { return load_plugin() })
"#;
    let expected = "plugin <plugin n.so> plugin_function <plugin_function add>\n\
        true true false\n\
        3 [3, 4]\n\
        11\n\
        Invalid operation: Plugin function 'add' failed (check arity/types) | value\n\
        Type error: expected int, got string | type\n\
        Type error: expected int, got float | type\n\
        Method 'subtract' does not exist on type 'plugin' | property\n\
        Method 'subtract' does not exist on type 'plugin' | property\n\
        Type error: expected string, got int | type\n\
        Expected 1 arguments, got 0 | arity\n";
    assert_eq!(printed(&scratch, script), expected);
}

#[test]
fn types_cross_by_copy() {
    let scratch = Scratch::new("crossing");
    fs::copy(rust_plugin(), scratch.path().join("p.so")).unwrap();
    let script = r#"
let p = load_plugin("p.so")
fn attempt(f) { try { println(f()) } catch (e) { println(e) } }
println(p.greet("é\u{0}ü") == "Hello, é\u{0}ü!", p.word_lengths(["", "naïve"]), p.upper([]), p.nothing())
println(p.position([4, 5], 5), p.position([], 5), p.parse("-12"), p.total({}))
attempt(fn() { return p.parse("x") })
attempt(fn() { return p.greet() })
attempt(fn() { return p.greet("a", "b") })
attempt(fn() { return p.greet(1) })
attempt(fn() { return p.upper(["a", 1]) })
attempt(fn() { return p.upper("a") })
attempt(fn() { return p.total({"a": "b"}) })
attempt(fn() { return p.total({1: 2}) })
attempt(fn() { return p.position([1.5], 1) })
attempt(fn() { return p.divide(-9223372036854775807 - 1, -1) })
"#;
    let expected = "true [0, 5] [] null\n\
        1 null -12 0\n\
        Invalid operation: Plugin error: invalid digit found in string\n\
        Invalid operation: Plugin error: expected 1 arguments, got 0\n\
        Invalid operation: Plugin error: expected 1 arguments, got 2\n\
        Invalid operation: Plugin error: argument 1: expected string\n\
        Invalid operation: Plugin error: argument 1: expected array of strings\n\
        Invalid operation: Plugin error: argument 1: expected array of strings\n\
        Invalid operation: Plugin error: argument 1: expected dict from strings to ints\n\
        Invalid operation: Plugin error: argument 1: expected dict from strings to ints\n\
        Invalid operation: Plugin error: argument 1: expected array of ints\n\
        Invalid operation: Plugin error: panicked: attempt to divide with overflow\n";
    assert_eq!(printed(&scratch, script), expected);
}

#[test]
fn tables_that_lie_are_refused() {
    let scratch = Scratch::new("tables");
    let cases = [
        (1, "version 3 incompatible (expected 1 or 2)"),
        (10, "version 0 incompatible (expected 1 or 2)"),
        (2, "returned null metadata"),
        (3, "has an impossible function count: -2"),
        (8, "has an impossible function count: 2000000000"),
        (4, "has a table without names or functions"),
        (12, "has a table without names or functions"),
        (5, "has no name or no code for function 1"),
        (6, "has no name or no code for function 1"),
        (9, "has a name that is not UTF-8: function 1"),
    ];
    let script = "try { println(load_plugin(args[0])) } catch (e) { println(e) }\n";
    scratch.file("script.ae", script).file("text.so", "no library");
    let load = |path: &str| scratch.run(&["script.ae", path]).1;
    for (case, detail) in cases {
        let name = format!("case{case}.so");
        let flag = format!("-DCASE={case}");
        if !compile("tests/plugins/lying.c", &scratch.path().join(&name), &[&flag]) {
            return;
        }
        assert_eq!(
            load(&name),
            format!("Invalid operation: Plugin '{name}' {detail}\n")
        );
    }
    let flags = ["-DCASE=7", "-Wno-unused-variable"];
    assert!(compile(
        "tests/plugins/lying.c",
        &scratch.path().join("missing.so"),
        &flags
    ));
    let missing = load("missing.so");
    let expected = "Invalid operation: Plugin 'missing.so' missing aether_plugin_init: ";
    assert!(missing.starts_with(expected), "{missing}");
    let flags = ["-DCASE=11"];
    assert!(compile(
        "tests/plugins/lying.c",
        &scratch.path().join("empty.so"),
        &flags
    ));
    assert_eq!(load("empty.so"), "<plugin empty.so>\n");
    assert_eq!(
        load("nowhere.so"),
        "I/O error in load plugin 'nowhere.so': No such file or directory (os error 2)\n"
    );
    for path in ["text.so", "."] {
        let text = load(path);
        let expected = format!("I/O error in load plugin '{path}': ");
        assert!(text.starts_with(&expected), "{text}");
    }
}

/// Compiles the library whose functions lie, as `l.so`; false if there is no compiler.
fn compile_liar(scratch: &Scratch) -> bool {
    let library = scratch.path().join("l.so");
    compile("tests/plugins/lying.c", &library, &["-DCASE=20"])
}

#[test]
fn functions_that_lie_are_survived() {
    let scratch = Scratch::new("functions");
    if !compile_liar(&scratch) {
        return;
    }
    let script = r#"
let p = load_plugin("l.so")
fn attempt(f) { try { println(f()) } catch (e) { println(e.message) } }
let xs = [[1], 2]
println(p.free_twice(xs), p.use_after_free(xs), p.wrong_types(), p.latin())
for f in [p.return_freed, p.return_made_up, p.return_pointer, p.fail_with_freed, p.fail_with_text] { attempt(f) }
attempt(fn() { return p.fail_with_array(xs) })
println(p.keep(xs), p.use_kept(), p.into_itself())
println(p.change_argument(xs), xs, p.same_argument(xs) == xs, p.same_argument(xs).equals(xs))
let cycle = [1]
cycle.push(cycle)
println(p.same_argument(cycle), p.same_argument(attempt) == attempt, p.same_argument(1.5), p.same_argument(null))
println(p.leak(), p.other_thread())
"#;
    let expected = "1 -1 -3 na\u{fffd}ve\n\
        Invalid operation: Plugin function 'return_freed' returned what is no value\n\
        Invalid operation: Plugin function 'return_made_up' returned what is no value\n\
        Invalid operation: Plugin function 'return_pointer' returned what is no value\n\
        Invalid operation: Plugin error: an error that is no value\n\
        Invalid operation: Plugin error: no \u{fffd} text\n\
        Invalid operation: Plugin error: [[1], 2]\n\
        null -1 [[]]\n\
        [[1], 2, 9] [[1], 2] false true\n\
        [1, [...]] true 1.5 null\n\
        1048575 1\n";
    assert_eq!(printed(&scratch, script), expected);
}

#[test]
fn what_a_library_makes_is_charged() {
    let scratch = Scratch::new("budget");
    if !compile_liar(&scratch) {
        return;
    }
    let script = r#"
import heap
let p = load_plugin("l.so")
fn attempt() {
    for f in [p.exhaust, p.leak] {
        try { f() } catch (e) { println(e.kind) }
    }
}
attempt()
let before = heap.live_bytes()
attempt()
println(heap.live_bytes() == before, p.latin())
"#;
    scratch.file("script.ae", script);
    let (status, stdout, stderr) = scratch.run(&["run", "--max-memory", "16M", "script.ae"]);
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    assert_eq!(
        stdout,
        "out_of_memory\nout_of_memory\nout_of_memory\nout_of_memory\ntrue na\u{fffd}ve\n"
    );
}
