//! The binary as a whole: what only a process can show.
#![forbid(unsafe_code)]

use aether_tests::{Running, Scratch, status_and_output};
use std::fs;
use std::io::Read;
use std::process::Stdio;

fn ok(text: &str) -> (i32, String, String) {
    (0, text.to_owned(), String::new())
}

fn failed(status: i32, text: &str) -> (i32, String, String) {
    (status, String::new(), text.to_owned())
}

#[test]
fn worked_examples_of_running() {
    let scratch = Scratch::new("examples");
    scratch
        .file("top.ae", "println(6 * 7)\n")
        .file("a.ae", "fn main() {\n    println(args)\n}\n");
    scratch.file("oops.ae", "fn main() {\n    let a = [1]\n    a[3]\n}\n");
    assert_eq!(scratch.run(&["top.ae"]), ok("42\n"));
    let error = "Error: [line 3] Index 3 out of bounds for array of length 1\n";
    assert_eq!(scratch.run(&["oops.ae"]), failed(1, error));
    assert_eq!(
        scratch.run(&["a.ae", "one", "--two", "three four"]),
        ok("[one, --two, three four]\n")
    );
    assert_eq!(
        scratch.run(&["run", "a.ae", "-V", "--", "x"]),
        ok("[-V, --, x]\n")
    );
    let traced = scratch.run_with(&["oops.ae"], "AETHER_BACKTRACE", "1");
    assert_eq!(traced, failed(1, &format!("{error}  at main (oops.ae:3)\n")));
}

#[test]
fn version_help_and_wrong_usage() {
    let scratch = Scratch::new("usage");
    let version = format!("aether {}\n", aether::VERSION);
    assert_eq!(scratch.run(&["-V"]), ok(&version));
    assert_eq!(scratch.run(&["--version"]), ok(&version));
    for option in ["-h", "--help"] {
        let (status, help, _) = scratch.run(&[option]);
        assert_eq!(status, 0);
        assert!(
            help.lines()
                .any(|line| line == "Usage: aether [OPTIONS] [SUBCOMMAND] [script] [args...]")
        );
    }
    assert_eq!(
        scratch.run(&["run", "--bogus", "a.ae"]),
        failed(2, "run: unknown option '--bogus'\n")
    );
}

#[test]
fn a_script_may_be_called_like_a_subcommand() {
    let scratch = Scratch::new("names");
    scratch.file("run", "println(\"mine\")");
    assert_eq!(scratch.run(&["./run"]), ok("mine\n"));
}

#[test]
fn fragments_print_their_last_value() {
    let scratch = Scratch::new("eval");
    scratch
        .file("f.ae", "print(args)\nlet x = 1\n")
        .file("g.ae", "import helper\nhelper.x");
    scratch.file("helper.ae", "let x = 5");
    assert_eq!(scratch.run(&["eval", "1 + 2"]), ok("3\n"));
    assert_eq!(scratch.run(&["eval", "null"]), ok(""));
    assert_eq!(scratch.run(&["eval", "--result", "null"]), ok("null\n"));
    assert_eq!(
        scratch.run(&["eval", "--result", "--file", "f.ae", "A", "-B"]),
        ok("[A, -B]\nnull\n")
    );
    assert_eq!(scratch.run(&["eval", "--file", "g.ae"]), ok("5\n"));
    assert_eq!(scratch.run_with_input(&["eval", "-", "A"], "args[0]"), ok("A\n"));
    assert_eq!(
        scratch.run(&["eval", "fn f() { throw \"bad\" }  f()"]),
        failed(1, "Error: [line 1] bad\n")
    );
}

#[test]
fn trees_as_text_json_and_file() {
    let scratch = Scratch::new("ast");
    scratch
        .file("m.ae", "fn main() {\n    let a = 1\n}\n")
        .file("bad.ae", "let = 1\n");
    let tree = "Program\n  Function \"main\" []\n    Block\n      Let \"a\"\n        Integer 1\n";
    assert_eq!(scratch.run(&["ast", "m.ae"]), ok(tree));
    let (status, json, _) = scratch.run(&["ast", "--json", "m.ae"]);
    assert_eq!(status, 0);
    assert!(json.starts_with("{\n  \"statements\": [") && json.ends_with("\"type\": \"Program\"\n}\n"));
    assert_eq!(scratch.run(&["ast", "--output", "out.txt", "m.ae"]), ok(""));
    assert_eq!(fs::read_to_string(scratch.path().join("out.txt")).unwrap(), tree);
    let usage = "Usage: aether ast [--json] [--output FILE] FILE\n";
    assert_eq!(
        scratch.run(&["ast"]),
        failed(1, &format!("ast: no file specified\n{usage}"))
    );
    assert_eq!(
        scratch.run(&["ast", "m.ae", "--output"]),
        failed(1, "ast: --output requires a path\n")
    );
    assert_eq!(
        scratch.run(&["ast", "--x", "m.ae"]),
        failed(1, "ast: unknown option '--x'\n")
    );
    let missing = "ast: cannot read 'no.ae': No such file or directory (os error 2)\n";
    assert_eq!(scratch.run(&["ast", "no.ae"]), failed(1, missing));
    let error = "ast: bad.ae: Expected variable name, found '=' at line 1\n";
    assert_eq!(scratch.run(&["ast", "bad.ae"]), failed(1, error));
}

#[test]
fn dumps_of_all_three_views() {
    let scratch = Scratch::new("dump");
    scratch.file("m.ae", "println(1 + x)\n");
    for view in ["tokens", "ast", "bytecode"] {
        let (status, text, errors) = scratch.run(&["dump", view, "m.ae"]);
        assert_eq!((status, errors.as_str()), (0, ""), "{view}");
        assert!(text.contains("rintln") || view == "bytecode", "{view}: {text}");
    }
}

#[test]
fn what_is_no_script_is_told_clearly() {
    let scratch = Scratch::new("unreadable");
    scratch
        .file("latin1.ae", b"// caf\xe9\nprintln(1)\n")
        .file("empty.ae", "");
    fs::create_dir(scratch.path().join("folder")).unwrap();
    let line = |path: &str, why: &str| failed(1, &format!("Error: Failed to read file '{path}': {why}\n"));
    assert_eq!(
        scratch.run(&["no.ae"]),
        line("no.ae", "No such file or directory (os error 2)")
    );
    assert_eq!(
        scratch.run(&["folder"]),
        line("folder", "Is a directory (os error 21)")
    );
    assert_eq!(
        scratch.run(&["latin1.ae"]),
        line("latin1.ae", "invalid UTF-8 at line 1")
    );
    assert_eq!(scratch.run(&["empty.ae"]), ok(""));
}

#[test]
fn what_was_meant_by_a_missing_script_is_suggested() {
    let scratch = Scratch::new("meant");
    fs::create_dir(scratch.path().join("folder")).unwrap();
    scratch.file("hello.ae", "").file("folder/counter.ae", "");
    for (path, meant) in [
        ("hello", "hello.ae"),
        ("helo.ae", "hello.ae"),
        ("./helo", "./hello.ae"),
        ("folder/conuter.ae", "folder/counter.ae"),
        ("chek", "aether check"),
    ] {
        let text = format!(
            "Error: Failed to read file '{path}': No such file or directory (os error 2)\n  \
             help: did you mean '{meant}'?\n"
        );
        assert_eq!(scratch.run(&[path]), failed(1, &text));
    }
    let text = "Error: Failed to read file 'other.ae': No such file or directory (os error 2)\n";
    assert_eq!(scratch.run(&["other.ae"]), failed(1, text));
}

#[test]
fn modules_that_were_not_imported_are_named() {
    let scratch = Scratch::new("modules");
    scratch.file("a.ae", "println(parallel.map([1], fn(x) { return x }))");
    let text = "Error: [line 1] Undefined variable: parallel\n  \
                help: 'parallel' is a module of the library; write import parallel first\n";
    assert_eq!(scratch.run(&["a.ae"]), failed(1, text));
}

#[test]
fn more_than_a_hundred_arguments_are_refused() {
    let scratch = Scratch::new("many");
    scratch.file("a.ae", "println(len(args))");
    let mut args = vec!["a.ae"];
    args.extend(["x"; 100]);
    assert_eq!(scratch.run(&args), ok("100\n"));
    args.push("x");
    assert_eq!(
        scratch.run(&args),
        failed(1, "Error: too many arguments (max 100, got 101)\n")
    );
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let scratch = Scratch::new("pipe");
    scratch.file("many.ae", "for i in range(10000000) { println(i) }");
    let mut child = scratch
        .command(&["many.ae"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"0\n1\n");
    assert_eq!(status_and_output(output), ok(""));
}

#[test]
fn output_before_an_error_stays_and_comes_first() {
    let scratch = Scratch::new("order");
    scratch.file(
        "a.ae",
        "print(\"before\")\nlet s = input(\" name? \")\nprintln(\"hi \" + s)\nmissing",
    );
    let expected = (
        1,
        "before name? hi Ada\n".to_owned(),
        "Error: [line 4] Undefined variable: missing\n".to_owned(),
    );
    assert_eq!(scratch.run_with_input(&["a.ae"], "Ada\r\nrest"), expected);
}

#[test]
fn the_long_form_has_excerpt_help_and_trace() {
    let scratch = Scratch::new("long");
    scratch
        .file("u.ae", "fn f(length) {\n    return lenght\n}\nf(1)\n")
        .file("s.ae", "let = 1\n".repeat(30));
    let plain = |args: &[&str]| {
        let (status, _, text) = scratch.run(args);
        (status, without_colours(&text))
    };
    let (status, text) = plain(&["--color=always", "u.ae"]);
    assert_eq!(status, 1);
    assert!(
        text.starts_with("error[R0002]: Undefined variable: lenght\n --> u.ae:2:12\n"),
        "{text}"
    );
    assert!(
        text.contains("2 |     return lenght\n  |            ^^^^^^\n"),
        "{text}"
    );
    assert!(text.contains("help: did you mean 'length'?\n"), "{text}");
    assert!(
        text.ends_with("stack trace:\n  at f (u.ae:2)\n  at top level (u.ae:4)\n"),
        "{text}"
    );
    let (_, text) = plain(&["--color=always", "s.ae"]);
    assert_eq!(text.matches("error[").count(), 30);
    assert_eq!(text.matches(" --> ").count(), 20);
}

/// A text without its escape sequences.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        out + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

#[test]
fn limits_come_from_options_and_environment() {
    let scratch = Scratch::new("limits");
    scratch
        .file("deep.ae", "fn f(n) { return f(n + 1) }\nf(0)")
        .file("fat.ae", "let a = []\nwhile (true) { a.push(a.length) }")
        .file(
            "nest.ae",
            "let n = [0, 0]\nfn nest() { n[0] += 1  defer { n[1] += 1 }  nest() }\n\
             try { nest() } catch (e) { println(e) }\nprintln(n)",
        );
    // What the function at the limit has deferred is a part of it.
    let nested = "Maximum recursion depth exceeded: 51 (limit: 50)\n[50, 50]\n";
    assert_eq!(scratch.run(&["run", "--max-depth", "50", "nest.ae"]), ok(nested));
    let recursion = "Error: [line 1] Maximum recursion depth exceeded: 51 (limit: 50)\n";
    assert_eq!(
        scratch.run(&["run", "--max-depth", "50", "deep.ae"]),
        failed(1, recursion)
    );
    let limited = scratch.run_with(&["deep.ae"], "AETHER_CALL_DEPTH", "50");
    assert_eq!(limited, failed(1, recursion));
    let ignored = scratch.run_with(&["eval", "1"], "AETHER_CALL_DEPTH", "x");
    assert_eq!(ignored, ok("1\n"));
    let (status, _, text) = scratch.run(&["run", "--max-memory", "2M", "fat.ae"]);
    assert_eq!(status, 3);
    assert!(
        text.starts_with("Error: [line 2] Memory limit exceeded: "),
        "{text}"
    );
    let limited = scratch.run_with(&["fat.ae"], "AETHER_MAX_MEMORY", "2M");
    assert_eq!(limited.0, 3);
    let (status, _, text) = scratch.run(&["run", "--max-steps=1000", "fat.ae"]);
    assert_eq!(
        (status, text.as_str()),
        (3, "Error: [line 2] Step limit exceeded (1000)\n")
    );
}

#[test]
fn modules_are_found_along_the_path_last() {
    let scratch = Scratch::new("path");
    fs::create_dir_all(scratch.path().join("lib")).unwrap();
    fs::create_dir_all(scratch.path().join("more")).unwrap();
    scratch
        .file("lib/far.ae", "let name = \"lib\"\n")
        .file("more/far.ae", "let name = \"more\"\n")
        .file("lib/near.ae", "let name = \"lib\"\n")
        .file("near.ae", "let name = \"beside\"\n")
        .file("m.ae", "import far\nimport near\nprintln(far.name, near.name)\n");
    let (status, _, error) = scratch.run(&["m.ae"]);
    assert_eq!(
        (status, error.as_str()),
        (1, "Error: [line 1] Module not found: 'far'\n")
    );
    let found = scratch.run_with(&["m.ae"], "AETHER_PATH", ":more:lib");
    assert_eq!(found, ok("more beside\n"));
}

/// A wait for input ends with Ctrl-C, and with the time limit, which no block survives.
#[test]
#[cfg(unix)]
fn a_wait_for_input_can_be_broken_off() {
    for call in [
        "input(\"ready\")",
        "print(\"ready\")  io.read()",
        "print(\"ready\")  io.read_line()",
    ] {
        let scratch = Scratch::new("input-interrupt");
        let script = format!("import io\ntry {{ {call} }} finally {{ println(\" cleaned\") }}");
        scratch.file("wait.ae", script);
        let begin = |args: &[&str]| {
            let mut running = Running::start(scratch.command(args).stdin(Stdio::piped()));
            let input = running.input();
            (running, input)
        };
        let (mut running, _input) = begin(&["wait.ae"]);
        assert_eq!(&running.bytes(), b"ready", "{call}");
        running.signal("-INT");
        let (status, rest, _) = running.end();
        assert_eq!((status, rest.as_str()), (130, " cleaned\n"), "{call}");

        let (running, _input) = begin(&["run", "--timeout", "50ms", "wait.ae"]);
        let (status, _, errors) = running.end();
        assert_eq!(status, 124, "{call}");
        assert_eq!(errors, "Error: [line 2] Timed out after 50ms\n", "{call}");
    }
}

/// Ctrl-C once: `finally` blocks run, `catch` blocks do not, status 130.
#[test]
#[cfg(unix)]
fn an_interrupt_runs_finally_blocks() {
    let scratch = Scratch::new("interrupt");
    let script = "try {\n    try {\n        println(\"ready\")\n        input()\n        while (true) { }\n    } catch(e) { println(\"caught\") }\n} finally { println(\"cleaned\") }\n";
    scratch.file("loop.ae", script);
    let mut running = Running::start(&mut scratch.command(&["loop.ae"]));
    // `input` has flushed this: the loop runs.
    assert_eq!(running.line(), "ready");
    running.signal("-INT");
    let (status, rest, _) = running.end();
    assert_eq!((status, rest.as_str()), (130, "cleaned\n"));
}

#[test]
fn machine_code_is_chosen_and_reported() {
    let scratch = Scratch::new("jit");
    scratch.file(
        "hot.ae",
        "fn total(items) {\n    let sum = 0\n    for item in items {\n        sum += item\n    }\n    return sum\n}\n\
         let ints = range(1000)\nlet all = 0\nfor round in 0..200 { all += total(ints) }\n\
         for round in 0..4000 { all += total([0.5, 1.5]) }\nprintln(all)\n",
    );
    let out = "99908000\n";
    assert_eq!(scratch.run(&["hot.ae"]), ok(out));
    let (status, output, log) = scratch.run(&["run", "--jit-log", "hot.ae"]);
    assert_eq!((status, output.as_str()), (0, out));
    if aether::MACHINE_CODE {
        let told = |what: &str| {
            log.lines()
                .any(|line| line.starts_with("jit: ") && line.contains(what))
        };
        assert!(told("total (hot.ae:1): compiled, "), "{log}");
        assert!(
            told("total (hot.ae:1): left ") && told(" at line 4, word "),
            "{log}"
        );
        assert!(
            told("total (hot.ae:1): discarded: left too often, mostly at line 4"),
            "{log}"
        );
        assert!(told(" functions have machine code; "), "{log}");
    }
    for args in [
        ["run", "--no-jit", "--jit-log", "hot.ae"].as_slice(),
        ["run", "--no-jit", "--max-code=1M", "hot.ae"].as_slice(),
    ] {
        assert_eq!(scratch.run(args), ok(out), "{args:?}");
    }
    let (_, _, log) = scratch.run(&["run", "--max-code=10", "--jit-log", "hot.ae"]);
    assert_eq!(
        log.contains("not compiled: no memory for code"),
        aether::MACHINE_CODE,
        "{log}"
    );
    assert_eq!(
        scratch.run_with(&["run", "--jit-log", "hot.ae"], "AETHER_JIT", "0"),
        ok(out)
    );
    for mode in ["eager", "exits", "1"] {
        assert_eq!(
            scratch.run_with(&["hot.ae"], "AETHER_JIT", mode),
            ok(out),
            "{mode}"
        );
    }
    let (status, _, err) = scratch.run(&["run", "--max-code", "much", "hot.ae"]);
    assert_ne!(status, 0);
    assert!(err.contains("'much'"), "{err}");

    let (status, listing, err) = scratch.run(&["dump", "machine-code", "hot.ae"]);
    assert_eq!(
        (status, err.as_str()),
        (
            0,
            if aether::MACHINE_CODE {
                ""
            } else {
                "dump: this build makes no machine code here\n"
            }
        )
    );
    if aether::MACHINE_CODE {
        assert!(listing.starts_with("total (hot.ae:1): "), "{listing}");
        // The script's own output is not in between.
        assert!(!listing.contains(out) && listing.contains("AddB  "), "{listing}");
        let is_hex = |line: &str| {
            let mut words = line.split_whitespace();
            words.next().is_some_and(|offset| offset == "0000")
                && words.all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok())
        };
        assert!(listing.lines().any(is_hex), "{listing}");
    }
    scratch
        .file("cold.ae", "println(1)\n")
        .file("oops.ae", "let a = [1]\na[1]\n");
    let nothing = if aether::MACHINE_CODE {
        "dump: nothing became machine code\n"
    } else {
        "dump: this build makes no machine code here\n"
    };
    assert_eq!(
        scratch.run(&["dump", "machine-code", "cold.ae"]),
        (0, String::new(), nothing.to_owned())
    );
    let error = "Error: [line 2] Index 1 out of bounds for array of length 1\n";
    assert_eq!(
        scratch.run(&["dump", "machine-code", "oops.ae"]),
        failed(1, error)
    );
    assert_eq!(scratch.run(&["dump", "machine-code", "absent.ae"]).0, 1);
    let (_, info, _) = scratch.run_with(&["info"], "AETHER_JIT", "0");
    let available = if aether::MACHINE_CODE {
        "\njit         available\n"
    } else {
        "\njit         not available\n"
    };
    assert!(
        info.contains(available) && info.contains("\nAETHER_JIT=0\n"),
        "{info}"
    );
}
