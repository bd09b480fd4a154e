//! The tools beside the language as a person runs them: check, fmt, test, the prompt, and what goes with projects.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::{Scratch, binary, status_and_output};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn text(parts: (i32, &str, &str)) -> (i32, String, String) {
    (parts.0, parts.1.to_owned(), parts.2.to_owned())
}

const BANNER: &str = concat!(
    "Aether v",
    env!("CARGO_PKG_VERSION"),
    "\nType '_help' for commands, Tab to autocomplete, Ctrl+D to exit\n\n"
);

// --- check ---

#[test]
fn check_reports_names_that_cannot_exist() {
    let scratch = Scratch::new("check-names");
    scratch
        .file("u.ae", "fn main() {\n    let y = totl\n}\n")
        .file("a.ae", "fn main() {\n    println(args)\n}\n")
        .file("lib.ae", "fn f() { return 1 }\n")
        .file("bad.ae", "let x = \nlet y = (1\n");
    let name = "u.ae:2: undefined variable 'totl'\n";
    assert_eq!(scratch.run(&["check", "u.ae"]), text((1, "", name)));
    assert_eq!(scratch.run(&["check", "a.ae"]), text((0, "a.ae: ok\n", "")));
    let warning = "lib.ae:0: warning: no main() function defined\n";
    assert_eq!(scratch.run(&["check", "lib.ae"]), text((0, "", warning)));
    let (status, out, err) = scratch.run(&["check", "bad.ae"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(
        err.lines()
            .all(|line| line.starts_with("bad.ae:0: error: Expected ")),
        "{err}"
    );
    let missing = "none.ae: error: No such file or directory (os error 2)\n";
    assert_eq!(scratch.run(&["check", "none.ae"]), text((1, "", missing)));
    let other = "check: 'x.txt' is not an .ae file or directory\n";
    assert_eq!(scratch.run(&["check", "x.txt"]), text((1, "", other)));
}

#[test]
fn check_knows_scopes() {
    let scratch = Scratch::new("check-scopes");
    let source = "\
import math as m
from string import pad_left, pad_right as right
struct P { x }
enum E { A, B(v) }
fn main() {
    helper(later, P { x: 1 }, E.A, m, pad_left, right, args, Promise, len)
    if (true) { let inner = 1  inner }
    inner
    for i in [1] { i }
    i
    try { throw 1 } catch (e) { e }
    e
    match 1 { n => n }
    n
    let d = {k: v}
    d[key] = missing?.member
    fn local(a, b = a + wrong, ...c) { c }
    local()
    let f = (q) => q + other
    f(...spread)
    \"${gone} ${P}\"
}
fn helper(...all) { all }
let later = 1
struct Q { fn m(self) { return self + that } }
";
    scratch.file("s.ae", source);
    let (status, out, err) = scratch.run(&["check", "s.ae"]);
    assert_eq!((status, out.as_str()), (1, ""));
    let expected: String = [
        (8, "inner"),
        (10, "i"),
        (12, "e"),
        (14, "n"),
        (15, "k"),
        (15, "v"),
        (16, "missing"),
        (16, "key"),
        (17, "wrong"),
        (19, "other"),
        (20, "spread"),
        (21, "gone"),
        (25, "that"),
    ]
    .iter()
    .map(|(line, name)| format!("s.ae:{line}: undefined variable '{name}'\n"))
    .collect();
    // A name that is `e` or `n` may be a built-in of the library.
    let expected = expected.replace("s.ae:12: undefined variable 'e'\n", "");
    let mut lines: Vec<&str> = err.lines().collect();
    let mut wanted: Vec<&str> = expected.lines().collect();
    lines.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

#[test]
fn check_takes_several_paths() {
    let scratch = Scratch::new("check-several");
    scratch.file("a.ae", "fn main() { }\n");
    scratch.file("b.ae", "fn main() {\n    let x = missing\n}\n");
    scratch.file("d/c.ae", "fn main() { }\n");
    let out = "a.ae: ok\nd/c.ae: ok\n";
    let found = "b.ae:2: undefined variable 'missing'\n";
    assert_eq!(
        scratch.run(&["check", "a.ae", "b.ae", "d"]),
        text((1, out, found))
    );
    assert_eq!(scratch.run(&["check", "-D", "a.ae", "d"]), text((0, out, "")));
    let surplus = "init: unexpected argument 'b'\nhelp: 'aether init --help' shows what it takes\n";
    assert_eq!(scratch.run(&["init", "a", "b"]), text((2, "", surplus)));
}

/// A file that has the name of a module comes before it; what is said about its members is about the file.
#[test]
fn a_file_comes_before_a_module_of_its_name() {
    let scratch = Scratch::new("module-names");
    scratch.file("path.ae", "fn stem(p) { return \"own\" }\n");
    scratch.file(
        "main.ae",
        "from path import stem\nprintln(stem(\"a.b\"))\nfrom path import ext\n",
    );
    let error = "Error: [line 3] Module 'path' has no property 'ext'\n";
    assert_eq!(scratch.run(&["main.ae"]), text((1, "own\n", error)));
}

#[test]
fn check_walks_directories() {
    let scratch = Scratch::new("check-directories");
    for directory in ["app", "app/sub", "app/target", "app/.git", "none"] {
        fs::create_dir_all(scratch.path().join(directory)).unwrap();
    }
    scratch
        .file("app/b.ae", "fn main() { }\n")
        .file("app/a.ae", "let x = 1\n")
        .file("app/sub/c.ae", "let y = 1\n")
        .file("app/target/t.ae", "nope")
        .file("app/.git/g.ae", "nope");
    let all = "app/a.ae: ok\napp/b.ae: ok\napp/sub/c.ae: ok\n";
    assert_eq!(scratch.run(&["check", "app"]), text((0, all, "")));
    let none = "check: no .ae files found in 'none'\n";
    assert_eq!(scratch.run(&["check", "none"]), text((0, none, "")));
    scratch.file("app/a.ae", "fn main() { }\n");
    let several =
        "warning: multiple main() functions found (expected exactly one):\n  app/a.ae\n  app/b.ae\n";
    assert_eq!(scratch.run(&["check", "app"]), text((0, all, several)));
    let sub = "app/sub/c.ae: ok\n";
    let warning = "warning: no main() entry point found in 'app/sub'\n";
    assert_eq!(scratch.run(&["check", "app/sub"]), text((0, sub, warning)));
}

/// The examples deserve no other finding than they are about. Of the conformance programs, which misuse what they test, those findings are looked
/// at that say what happens at run time: what was printed must bear them out.
#[test]
fn findings_are_no_false_alarms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let findings = |directory: &str| -> Vec<serde_json::Value> {
        let scratch = Scratch::new("alarms");
        let directory = root.join(directory);
        let (_, out, _) = scratch.run(&["check", "--json", "-D", directory.to_str().unwrap()]);
        let objects = out.lines().filter(|line| line.starts_with('{'));
        objects.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // Two examples show what is said to a name that does not exist.
    let messages: Vec<String> = findings("examples")
        .iter()
        .map(|found| found["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        messages,
        [
            "undefined variable 'undefined_name'",
            "'does_not_exist' is imported but never used"
        ]
    );
    // These catch the error without printing its text, or are modules of a program that does.
    let silent = [
        "block-comments-span-lines",
        "shebang-line-is-skipped",
        "_looks_for_secret",
        "error-kinds",
        "stack-trace-at-module-level",
    ];
    let mut seen = 0;
    for found in findings("tests/conformance") {
        let path = PathBuf::from(found["file"].as_str().unwrap());
        let message = found["message"].as_str().unwrap();
        let wanted = match found["code"].as_str().unwrap() {
            "E0201" => message
                .replace("undefined variable '", "Undefined variable: ")
                .replace('\'', ""),
            "W0109" => "rgument".to_owned(),
            _ => continue,
        };
        if silent.contains(&path.file_stem().unwrap().to_str().unwrap()) {
            continue;
        }
        seen += 1;
        let printed: String = ["out", "err"]
            .iter()
            .filter_map(|ending| fs::read_to_string(path.with_extension(ending)).ok())
            .collect();
        assert!(printed.contains(&wanted), "{}: {message}", path.display());
    }
    assert!(seen >= 50, "only {seen} findings");
}

#[test]
fn lints_are_shown_denied_allowed_and_fixed() {
    let scratch = Scratch::new("lints");
    let source = "fn main() {\n    let unused = 1\n    let d = {\"a\": 1, \"a\": 2}\n    println(d)\n}\n";
    scratch.file("l.ae", source);
    // Off a terminal the forms of the specification are all there is.
    assert_eq!(scratch.run(&["check", "l.ae"]), text((0, "l.ae: ok\n", "")));
    let (status, out, err) = scratch.run(&["check", "--warn", "l.ae"]);
    assert_eq!((status, out.as_str()), (0, "l.ae: ok\n"));
    assert_eq!(
        err,
        "l.ae:2: warning: 'unused' is never used [W0101]\nl.ae:3: warning: the key \"a\" stands here twice [W0108]\n"
    );
    let (status, out, err) = scratch.run(&["check", "-D", "duplicate-key", "l.ae"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert_eq!(err, "l.ae:3: error: the key \"a\" stands here twice [W0108]\n");
    assert_eq!(scratch.run(&["check", "-D", "all", "-A", "all", "l.ae"]).0, 1);
    let both = "l.ae:2: error: 'unused' is never used [W0101]\nl.ae:3: error: the key \"a\" stands here twice [W0108]\n";
    assert_eq!(scratch.run(&["check", "-D", "l.ae"]), text((1, "", both)));
    assert_eq!(scratch.run(&["check", "l.ae", "-D"]), text((1, "", both)));
    let (status, _, err) = scratch.run(&["check", "-D", "nonsense", "l.ae"]);
    assert_eq!(status, 2);
    assert!(err.contains("nonsense"));
    let (status, out, _) = scratch.run(&["check", "--json", "l.ae"]);
    assert_eq!(status, 0);
    let first: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(first["code"], "W0101");
    assert_eq!(first["severity"], "warning");
    assert_eq!(first["start"]["line"], 2);
    assert_eq!(first["start"]["column"], 9);
    assert_eq!(first["fix"][0]["text"], "_unused");
    assert_eq!(scratch.run(&["check", "--fix", "l.ae"]).0, 0);
    let fixed = fs::read_to_string(scratch.path().join("l.ae")).unwrap();
    assert_eq!(fixed, source.replace("unused", "_unused"));
    scratch.file("aether.toml", "[check]\ndeny = [\"W0108\"]\n");
    assert_eq!(scratch.run(&["check", "l.ae"]).0, 1);
    assert_eq!(scratch.run(&["check", "-A", "W0108", "l.ae"]).0, 0);
    scratch.file("aether.toml", "[check]\nden = []\n");
    let (status, _, err) = scratch.run(&["check", "l.ae"]);
    assert_eq!(status, 2);
    assert!(err.contains("has no 'den'"), "{err}");
}

// --- fmt ---

#[test]
fn fmt_rewrites_and_checks() {
    let scratch = Scratch::new("fmt");
    scratch.file("f.ae", "let  b = [1,2]\n");
    let complaint = "fmt: 'f.ae' is not formatted\n";
    assert_eq!(scratch.run(&["fmt", "--check", "f.ae"]), text((1, "", complaint)));
    let (status, diff, _) = scratch.run(&["fmt", "--diff", "f.ae"]);
    assert_eq!(status, 0);
    assert!(diff.contains("-let  b = [1,2]\n+let b = [1, 2]\n"), "{diff}");
    assert_eq!(scratch.run(&["fmt", "f.ae"]), text((0, "", "")));
    let path = scratch.path().join("f.ae");
    assert_eq!(fs::read_to_string(&path).unwrap(), "let b = [1, 2]\n");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(scratch.run(&["fmt", "--check", "f.ae"]), text((0, "", "")));
    assert_eq!(scratch.run(&["fmt", "f.ae"]), text((0, "", "")));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert_eq!(
        scratch.run_with_input(&["fmt", "-"], "f( 1 )"),
        text((0, "f(1)\n", ""))
    );
    scratch.file("aether.toml", "[fmt]\nwidth = 12\n");
    let wrapped = "f(\n    aaaa,\n    bbbb,\n    cccc\n)\n";
    assert_eq!(
        scratch.run_with_input(&["fmt", "-"], "f(aaaa, bbbb, cccc)"),
        text((0, wrapped, ""))
    );
    let long = "f(aaaa, bbbb, cccc)\n";
    assert_eq!(
        scratch.run_with_input(&["fmt", "--width", "80", "-"], wrapped),
        text((0, long, ""))
    );
}

#[test]
fn the_projects_own_programs_are_formatted() {
    let repository = aether_tests::repository();
    for folder in ["examples", "benches", "crates/aether-eval/src/builtins"] {
        let output = Command::new(binary())
            .args(["fmt", "--check"])
            .arg(repository.join(folder))
            .output()
            .unwrap();
        assert_eq!(status_and_output(output), text((0, "", "")));
    }
}

#[test]
fn fmt_tells_what_it_cannot_do_and_leaves_the_file() {
    let scratch = Scratch::new("fmt-errors");
    let usage = "Usage: aether fmt [--check] [--diff] [--width N] FILE|DIR|-…\n";
    let none = format!("fmt: no file specified\n{usage}");
    assert_eq!(scratch.run(&["fmt"]), text((1, "", &none)));
    let unknown = "fmt: unknown option '--bogus'\n";
    assert_eq!(scratch.run(&["fmt", "--bogus", "x.ae"]), text((1, "", unknown)));
    let missing = "fmt: cannot read 'x.ae': No such file or directory (os error 2)\n";
    assert_eq!(scratch.run(&["fmt", "x.ae"]), text((1, "", missing)));
    let broken = "let x = )\nlet   y = 1\n";
    scratch.file("b.ae", broken);
    let (status, _, err) = scratch.run(&["fmt", "b.ae"]);
    assert_eq!(status, 1);
    assert_eq!(err, "fmt: b.ae: Expected expression, found ')' at line 1\n");
    assert_eq!(fs::read_to_string(scratch.path().join("b.ae")).unwrap(), broken);
    scratch.file("r.ae", "let   r = 1");
    let path = scratch.path().join("r.ae");
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let (status, _, err) = scratch.run(&["fmt", "r.ae"]);
    assert_eq!(status, 1);
    assert!(err.starts_with("fmt: cannot write 'r.ae': "), "{err}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "let   r = 1");
}

#[test]
fn fixes_leave_files_alone_that_are_not_to_be_written() {
    let scratch = Scratch::new("fix-read-only");
    let source = "fn main() {\n    let r = 1\n}\n";
    scratch.file("r.ae", source);
    let path = scratch.path().join("r.ae");
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let (status, _, err) = scratch.run(&["check", "--fix", "r.ae"]);
    assert_eq!(status, 1);
    assert!(err.starts_with("check: cannot write 'r.ae': "), "{err}");
    assert_eq!(fs::read_to_string(&path).unwrap(), source);
}

#[cfg(unix)]
#[test]
fn fmt_follows_links_and_keeps_them() {
    let scratch = Scratch::new("fmt-links");
    scratch.file("real.ae", "let   r = 1");
    std::os::unix::fs::symlink("real.ae", scratch.path().join("link.ae")).unwrap();
    assert_eq!(scratch.run(&["fmt", "link.ae"]), text((0, "", "")));
    assert!(
        fs::symlink_metadata(scratch.path().join("link.ae"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        fs::read_to_string(scratch.path().join("real.ae")).unwrap(),
        "let r = 1\n"
    );
}

// --- test ---

#[test]
fn tests_are_found_run_and_told_exactly() {
    let scratch = Scratch::new("test");
    fs::create_dir_all(scratch.path().join("t/deep")).unwrap();
    fs::create_dir_all(scratch.path().join("empty")).unwrap();
    let crash = "fn main() { throw \"bad\" }\n";
    scratch
        .file("crash_test.ae", crash)
        .file(
            "t/b_test.ae",
            "test(\"one\", fn() { assert_eq(1, 1) })\ntest(\"two\", fn() { assert_eq(1, 2) })\n",
        )
        .file(
            "t/test_a.ae",
            "println(\"fine\")\neprintln(\"noted\")\neprintln(\"\")\n",
        )
        .file("t/deep/c_test.ae", "println(\"[PASS] x\")\nthrow 1\n")
        .file("t/other.ae", "throw 2\n");
    let rule = "─".repeat(50);
    let expected = format!(
        "Running 1 test file(s) in 'crash_test.ae'\n\ncrash_test.ae ... FAILED (0 passed, 1 failed)\n    \
         error: Error: [line 1] bad\n\n{rule}\nFAILED: 0 passed, 1 failed\n"
    );
    assert_eq!(scratch.run(&["test", "crash_test.ae"]), text((1, &expected, "")));
    let (status, out, err) = scratch.run(&["test", "t"]);
    assert_eq!((status, err.as_str()), (1, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "Running 3 test file(s) in 't'");
    assert_eq!(lines[2], "t/b_test.ae ... FAILED (1 passed, 1 failed)");
    assert!(lines[3].starts_with("    [FAIL] two: "), "{out}");
    let rest = &lines[4..];
    let error = rest.iter().position(|line| line.starts_with("t/deep")).unwrap();
    assert_eq!(rest[error], "t/deep/c_test.ae ... FAILED (1 passed, 1 failed)");
    assert_eq!(rest[error + 1], "    error: Error: [line 2] 1");
    assert_eq!(rest[error + 2], "t/test_a.ae ... ok (1 passed, 0 failed)");
    assert_eq!(rest[error + 3], "    error: noted");
    assert_eq!(*lines.last().unwrap(), "FAILED: 3 passed, 2 failed");
    let none = "No *_test.ae files found in 'empty'\n";
    assert_eq!(scratch.run(&["test", "empty"]), text((0, none, "")));
    let wrong = "test: 'gone' is not a file or directory\n";
    assert_eq!(scratch.run(&["test", "gone"]), text((1, "", wrong)));
    let (status, out, _) = scratch.run(&["test", "--filter", "test_a", "t"]);
    assert_eq!(status, 0);
    assert!(out.ends_with("All tests passed: 1 passed, 0 failed\n"), "{out}");
    assert_eq!(
        scratch.run(&["test", "--list", "t"]).1,
        "t/b_test.ae\nt/deep/c_test.ae\nt/test_a.ae\n"
    );
}

#[test]
fn snapshots_are_kept_beside_the_test_and_updated_when_asked() {
    let scratch = Scratch::new("snapshots");
    fs::create_dir_all(scratch.path().join("t")).unwrap();
    let program = |text: &str| {
        format!(
            "import testing\ntesting.test(\"shows\", fn() {{\n    testing.snapshot(\"it\", {text})\n}})\n"
        )
    };
    scratch.file("t/a_test.ae", program("\"one\\ntwo\""));
    assert_eq!(scratch.run(&["test", "t"]).0, 0);
    let path = scratch.path().join("t/__snapshots__/a_test.ae.snap");
    let kept = fs::read_to_string(&path).unwrap();
    assert!(kept.ends_with("\n=== it\n  one\n  two\n"), "{kept}");
    scratch.file("t/a_test.ae", program("\"one\\n2\""));
    let (status, out, err) = scratch.run(&["test", "t"]);
    assert_eq!((status, err.as_str()), (1, ""));
    let failure = "    [FAIL] shows: AssertionError: snapshot 'it' differs (at a_test.ae:3)\n        \
                   @ line 2\n        - two\n        + 2\n";
    assert!(out.contains(failure), "{out}");
    assert_eq!(fs::read_to_string(&path).unwrap(), kept);
    assert_eq!(scratch.run(&["test", "--update", "t"]).0, 0);
    assert_eq!(scratch.run(&["test", "t"]).0, 0);
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .ends_with("\n=== it\n  one\n  2\n")
    );
    // It is a file of the script's, for which it needs the permissions.
    fs::remove_file(&path).unwrap();
    let (_, out, _) = scratch.run(&["run", "--deny-write", "t/a_test.ae"]);
    assert!(out.contains("Permission denied: write access to"), "{out}");
    assert!(!path.exists());
}

#[test]
fn tests_end_at_their_limits_and_the_others_run() {
    let scratch = Scratch::new("test-limits");
    fs::create_dir_all(scratch.path().join("t")).unwrap();
    scratch
        .file("t/a_test.ae", "loop { }\n")
        .file(
            "t/b_test.ae",
            "let a = []\nloop { a.push(\"${a.length} and more\") }\n",
        )
        .file("t/c_test.ae", "loop { println(\"[PASS] again\") }\n")
        .file("t/d_test.ae", "fn f(n) { return f(n + 1) }\nf(0)\n")
        .file("t/e_test.ae", "println(\"[PASS] quick\")\n");
    let started = Instant::now();
    let (status, out, _) = scratch.run(&["test", "--timeout", "700ms", "--max-memory", "20M", "t"]);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(status, 1);
    assert!(
        out.contains("t/a_test.ae ... FAILED (0 passed, 1 failed)\n    error: Timed out after 700ms\n"),
        "{out}"
    );
    assert!(
        out.contains("t/b_test.ae ... FAILED (0 passed, 1 failed)\n    error: Error: [line 2] Memory limit"),
        "{out}"
    );
    assert!(out.contains("t/c_test.ae ... FAILED"), "{out}");
    assert!(out.contains("t/d_test.ae ... FAILED"), "{out}");
    assert!(out.contains("t/e_test.ae ... ok (1 passed, 0 failed)\n"), "{out}");
}

#[test]
fn leaks_and_growth_are_failures_when_asked_for() {
    let scratch = Scratch::new("test-memory");
    let leaky = "struct N { next }\nfn make() {\n    let a = N { next: null }\n    let b = N { next: a }\n    \
                 a.next = b\n}\nfn main() { make()  println(\"[PASS] made\") }\n";
    scratch
        .file("leak_test.ae", leaky)
        .file("clean_test.ae", "println(\"[PASS] fine\")\n");
    assert_eq!(scratch.run(&["test", "."]).0, 0);
    let (status, out, _) = scratch.run(&["test", "--leak-check", "."]);
    assert_eq!(status, 1);
    assert!(
        out.contains("clean_test.ae ... ok (1 passed, 0 failed)\nleak_test.ae ... FAILED"),
        "{out}"
    );
    assert!(out.contains("error: leak-check: "), "{out}");
    // The first run writes the baseline, the second agrees, a grown one fails with the site that grew.
    let baseline = ["test", "--mem-baseline", "mem.json", "clean_test.ae"];
    assert_eq!(scratch.run(&baseline).0, 0);
    assert_eq!(scratch.run(&baseline).0, 0);
    scratch.file(
        "clean_test.ae",
        "let kept = [n * 2 for n in 0..1000]\nprintln(\"[PASS] fine\")\n",
    );
    let (status, out, _) = scratch.run(&baseline);
    assert_eq!(status, 1);
    assert!(out.contains("memory grew: peak "), "{out}");
    assert!(out.contains("clean_test.ae:1"), "{out}");
    let mut update = baseline.to_vec();
    update.insert(1, "--update");
    assert_eq!(scratch.run(&update).0, 0);
    assert_eq!(scratch.run(&baseline).0, 0);
}

#[test]
fn benches_are_measured_kept_and_compared() {
    let scratch = Scratch::new("bench");
    let bench = |objects: usize| {
        format!(
            "import testing\nprintln(\"begun\")\n\
             testing.bench(\"lists\", n => range(n).map(i => [i]), {{\"setup\": () => {objects}, \"items\": 5}})\n\
             testing.bench(\"nothing\", () => 1)\n"
        )
    };
    scratch
        .file("x_bench.ae", bench(5))
        .file("other.ae", "throw \"not a bench file\"\n");
    let (status, out, err) = scratch.run(&["bench", "--save", "first"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert_eq!(lines[0], "begun");
    // An array of five and five of one; the bytes are those of the blocks that they take.
    assert!(lines[1].starts_with("lists  "), "{out}");
    assert!(
        lines[1].contains(" allocs/iter  ") && lines[1].contains(" bytes/iter peak "),
        "{out}"
    );
    assert!(lines[1].ends_with(" items/s"), "{out}");
    assert!(
        lines[2].contains("  0 allocs/iter  0 bytes/iter peak 0 bytes"),
        "{out}"
    );

    // Names choose, and figures come as JSON; memory is the same in every run.
    let json = |args: &[&str]| -> serde_json::Value {
        let (_, out, err) = scratch.run(args);
        let line = out.lines().next().unwrap_or_else(|| panic!("{err}"));
        serde_json::from_str(line).unwrap()
    };
    let args = ["bench", "--json", "--filter", "list", "--compare", "first"];
    let (before, again) = (json(&args), json(&args));
    assert_eq!(
        (&before["file"], &before["name"]),
        (&"x_bench.ae".into(), &"lists".into())
    );
    for key in ["allocs", "bytes", "peak"] {
        assert!(before[key].as_u64().unwrap() > 0, "{before}");
        assert_eq!(before[key], again[key]);
        assert_eq!(before["changes"][key], 0.0);
    }
    assert!(before["median"].as_f64().unwrap() > 0.0);
    assert!(before["items_per_second"].as_f64().unwrap() > 0.0);

    // Ten objects in place of five are more than a tenth more.
    scratch.file("x_bench.ae", bench(10));
    let (status, out, _) = scratch.run(&[
        "bench",
        "-q",
        "--compare",
        "first",
        "--fail-above",
        "10%",
        "--filter",
        "lists",
    ]);
    assert_eq!(status, 1);
    assert!(out.starts_with("lists  ") && out.contains("  allocs +"), "{out}");
    let (status, out, _) = scratch.run(&[
        "bench",
        "--compare",
        "first",
        "--fail-above",
        "10000%",
        "--filter",
        "lists",
    ]);
    assert_eq!(status, 0, "{out}");
}

#[test]
fn what_bench_cannot_do_is_said() {
    let scratch = Scratch::new("bench-errors");
    scratch
        .file("a_bench.ae", "throw \"broken\"\n")
        .file("b_bench.ae", "import testing\ntesting.bench(\"fine\", () => 1)\n");
    let (status, out, err) = scratch.run(&["bench"]);
    assert_eq!(status, 1);
    assert!(
        err.contains("broken") && err.contains("bench: a_bench.ae failed"),
        "{err}"
    );
    assert!(out.starts_with("fine  "), "{out}");
    let (status, _, err) = scratch.run(&["bench", "--compare", "nothing", "b_bench.ae"]);
    assert_eq!(status, 2);
    assert_eq!(
        err,
        "bench: nothing is kept under 'nothing' (--save nothing does that)\n"
    );
    assert_eq!(scratch.run(&["bench", "--save", "../x", "b_bench.ae"]).0, 2);
    assert_eq!(scratch.run(&["bench", "--fail-above", "10%", "b_bench.ae"]).0, 2);
    let (status, _, err) = scratch.run(&["bench", "missing"]);
    assert_eq!(status, 1);
    assert_eq!(err, "bench: 'missing' is not a file or directory\n");
    let (status, out, _) = scratch.run(&["bench", "--filter", "none", "b_bench.ae"]);
    assert_eq!((status, out.as_str()), (0, ""));
}

#[test]
fn results_are_told_in_other_forms() {
    let scratch = Scratch::new("test-reports");
    scratch.file(
        "r_test.ae",
        "test(\"a <b>\", fn() { assert_eq(1, 1) })\ntest(\"c\", fn() { assert_eq(\"&\", 2) })\n",
    );
    let (status, out, _) = scratch.run(&["test", "--reporter", "tap", "r_test.ae"]);
    assert_eq!(status, 1);
    assert!(
        out.starts_with("TAP version 14\nok 1 - r_test.ae: a <b>\nnot ok 2 - r_test.ae: c\n# "),
        "{out}"
    );
    assert!(out.ends_with("1..2\n"), "{out}");
    let (_, out, _) = scratch.run(&["test", "--reporter=junit", "r_test.ae"]);
    assert!(out.contains("<testsuites tests=\"2\" failures=\"1\""), "{out}");
    assert!(
        out.contains("<testcase classname=\"r_test.ae\" name=\"a &lt;b&gt;\"/>"),
        "{out}"
    );
    let (_, out, _) = scratch.run(&["test", "--json", "r_test.ae"]);
    let lines: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["cases"][1]["name"], "c");
    assert_eq!(lines[1]["summary"]["failed"], 1);
}

#[test]
fn the_first_failure_may_be_the_last() {
    let scratch = Scratch::new("test-fail-fast");
    for number in 0..20 {
        let text = if number == 0 { "throw 1\n" } else { "sleep(0.05)\n" };
        scratch.file(&format!("n{number:02}_test.ae"), text);
    }
    let (status, out, err) = scratch.run(&["test", "--fail-fast", "--jobs", "1", "."]);
    assert_eq!(status, 1);
    assert_eq!(out.matches(" ... ").count(), 1, "{out}");
    assert_eq!(err, "test: 19 not run after the first failure\n");
}

// --- the prompt ---

#[test]
fn the_prompt_runs_inputs_one_after_the_other() {
    let scratch = Scratch::new("repl");
    let input = "let n = 6\nn * 7\nfn sq(v) {\n    return v * v\n}\nsq(n)\nnull\nmissing\n_nope\n";
    assert_eq!(
        scratch.run_with_input(&["--color=never"], "1 + 1\n").1,
        format!("{BANNER}2\n")
    );
    let expected = format!("{BANNER}42\n36\n");
    let errors = "Error: Undefined variable: missing\nUnknown command: _nope. Type '_help' for help.\n";
    assert_eq!(scratch.run_with_input(&[], input), text((0, &expected, errors)));
}

#[test]
fn inputs_go_on_while_brackets_are_open() {
    let scratch = Scratch::new("repl-lines");
    let input = "[1,\n2,\n3]\n\"(\"\n// {\n'[' + \"\\\"{\"\nlet s = \"\"\"a\nb\"\"\"\ns\n)\n1 + 1\n{\n";
    let (status, out, err) = scratch.run_with_input(&[], input);
    assert_eq!(status, 0);
    assert_eq!(out, format!("{BANNER}[1, 2, 3]\n(\n[\"{{\na\nb\n2\n"));
    assert_eq!(err.lines().count(), 2, "{err}");
    assert!(
        err.lines().all(|line| line.starts_with("Error: Expected ")),
        "{err}"
    );
}

#[test]
fn the_session_outlives_errors_and_awaits() {
    let scratch = Scratch::new("repl-session");
    let input = "let a = 1; throw \"x\"; let b = 2\na\nb\nasync fn f() { await sleep(0.01)  return 5 }\nawait f()\n\
                 fn deep(n) { return deep(n + 1) }\ndeep(0)\na + 1\nlet _env = 3\n_env\n_exit\n99\n";
    let (status, out, err) = scratch.run_with_input(&[], input);
    assert_eq!((status, out), (0, format!("{BANNER}1\n5\n2\n3\n")));
    assert_eq!(
        err.lines().take(2).collect::<Vec<_>>(),
        ["Error: x", "Error: Undefined variable: b"]
    );
}

#[test]
fn constants_stay_constant_in_later_inputs() {
    let scratch = Scratch::new("repl-constants");
    let input = "const N = 1\nN = 2\nlet N = 3\nfn f() { N = 4 }\nN\nconst M = nope\nconst M = 5\nM\n{ let N = 6\n}\n";
    let (status, out, err) = scratch.run_with_input(&[], input);
    assert_eq!((status, out), (0, format!("{BANNER}1\n5\n")));
    let constant = "Error: Cannot assign to constant 'N' at line 1\n".repeat(3);
    assert_eq!(err, constant + "Error: Undefined variable: nope\n");
}

#[test]
fn the_environment_is_listed() {
    let scratch = Scratch::new("repl-env");
    let input = "let zeta = [1, 2]\nlet alpha = \"a\"\nfn two(a, ...b) { }\nasync fn one() { }\n_env\n";
    let (_, out, _) = scratch.run_with_input(&[], input);
    let head = format!(
        "{BANNER}Variables:\n  alpha                a\n  zeta                 [1, 2]\nFunctions:\n  fn one()\n  \
         fn two(a, ...b)\nBuilt-ins:\n"
    );
    assert!(out.starts_with(&head), "{out}");
}

#[test]
fn hundreds_of_pasted_lines_work() {
    let scratch = Scratch::new("repl-paste");
    let mut input = String::from("fn big(n) {\n    let sum = 0\n");
    input.extend((0..600).map(|number| format!("    if (n > {number}) {{ sum += {number} }}\n")));
    input.push_str("    return sum\n}\nbig(600)\n");
    let (status, out, err) = scratch.run_with_input(&[], &input);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out, format!("{BANNER}{}\n", 599 * 600 / 2));
}

// --- the rest ---

#[test]
fn fragments_run_for_each_line() {
    let scratch = Scratch::new("eval-lines");
    let run = |args: &[&str], input| scratch.run_with_input(args, input);
    let ok = |out| text((0, out, ""));
    assert_eq!(
        run(&["eval", "-p", "int(line) * nr"], "5\n6\n7"),
        ok("5\n12\n21\n")
    );
    assert_eq!(
        run(
            &["eval", "-n", "if (nr % 2 == 0) { println(line) }"],
            "a\r\nb\nc\nd"
        ),
        ok("b\nd\n")
    );
    assert_eq!(run(&["eval", "-M", "math", "math.sqrt(16)"], ""), ok("4\n"));
    let total = "let total = (nr == 1 ? 0 : total) + int(line)\nif (nr == 3) { println(total) }";
    assert_eq!(run(&["eval", "-n", total], "1\n2\n3\n"), ok("6\n"));
    let (status, _, err) = run(&["eval", "-p", "int(line)"], "1\nx\n");
    assert_eq!(status, 1);
    assert!(err.starts_with("Error: [line 1] "), "{err}");
    assert_eq!(scratch.run_with_input(&["-", "a"], "println(args)"), ok("[a]\n"));
    assert_eq!(
        scratch.run_with_input(&["run", "-", "a"], "println(args)"),
        ok("[a]\n")
    );
}

#[test]
fn a_new_project_runs_and_passes_its_test() {
    let scratch = Scratch::new("init");
    let (status, out, _) = scratch.run(&["init", "app"]);
    assert_eq!(status, 0);
    assert!(out.contains("aether.toml"), "{out}");
    let within = |args: &[&str]| {
        let output = scratch
            .command(args)
            .current_dir(scratch.path().join("app"))
            .output();
        status_and_output(output.unwrap())
    };
    assert_eq!(within(&["run"]), text((0, "Hello, world!\n", "")));
    assert_eq!(within(&["test"]).0, 0);
    let checked = "greeting.ae: ok\ngreeting_test.ae: ok\nmain.ae: ok\n";
    assert_eq!(within(&["check"]), text((0, checked, "")));
    assert_eq!(within(&["fmt", "--check", "."]), text((0, "", "")));
    assert_eq!(within(&["init"]).0, 1);
    let (status, out, _) = within(&["info", "--json"]);
    assert_eq!(status, 0);
    let info: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(info["version"], aether::VERSION);
    assert!(
        info["paths"]["project"]
            .as_str()
            .unwrap()
            .ends_with("app/aether.toml")
    );
}

#[test]
fn a_project_names_directories_of_modules() {
    let scratch = Scratch::new("modules");
    fs::create_dir_all(scratch.path().join("lib")).unwrap();
    scratch
        .file("aether.toml", "[paths]\nmodules = [\"lib\"]\n")
        .file("lib/tool.ae", "fn f() { return 7 }\n")
        .file("main.ae", "import tool\nprintln(tool.f())\n");
    assert_eq!(scratch.run(&["main.ae"]), text((0, "7\n", "")));
    scratch.file("aether.toml", "[paths\n");
    let (status, _, err) = scratch.run(&["main.ae"]);
    assert_eq!(status, 1);
    assert!(
        err.starts_with("Error: ") && err.contains("aether.toml:1: "),
        "{err}"
    );
}

#[test]
fn diagnostics_are_explained_and_shells_complete() {
    let scratch = Scratch::new("explain");
    let (status, out, _) = scratch.run(&["explain", "e0107"]);
    assert_eq!(status, 0);
    assert!(out.starts_with("E0107: "), "{out}");
    assert_eq!(scratch.run(&["explain", "unused-binding"]).0, 0);
    assert_eq!(scratch.run(&["explain", "E9999"]).0, 1);
    assert!(scratch.run(&["explain", "lints"]).1.lines().count() > 10);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let (status, out, _) = scratch.run(&["completions", shell]);
        assert_eq!(status, 0);
        assert!(
            out.contains("--mem-baseline") || out.contains("mem-baseline"),
            "{shell}"
        );
    }
}

// --- the debugger ---

const PROGRAM: &str = "\
fn inner(a) {
    let b = a + 1
    return b
}
fn twice(items) {
    let sum = 0
    for x in items {
        sum += inner(x)
    }
    return sum
}
async fn later(n) {
    await sleep(0.001)
    return n
}
fn numbers() {
    yield 1
    yield 2
}
fn main() {
    debugger
    println(twice([1, 2]))
    println(await later(3))
    for n in numbers() {
        println(n)
    }
    let f = x => x * 2
    println(f(4))
}
";

/// The lines at which a session pauses.
fn pauses(commands: &str) -> Vec<u32> {
    let scratch = Scratch::new("debugger-lines");
    scratch.file("p.ae", PROGRAM);
    let (status, _, err) = scratch.run_with_input(&["p.ae"], commands);
    assert_eq!(status, 0, "{err}");
    let paused = err
        .lines()
        .filter_map(|line| line.strip_prefix("[debugger] Paused at p.ae:"));
    paused.map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_session_of_the_debugger() {
    let scratch = Scratch::new("debugger");
    let source = "fn main() {\n    let x = 4\n    debugger\n    println(x * 2)\n}\n";
    scratch.file("dbg.ae", source);
    let head = "[debugger] Paused at dbg.ae:3\n\n   1: fn main() {\n   2:     let x = 4\n>  3:     debugger\n   \
                4:     println(x * 2)\n   5: }\n\nCommands: c/continue  n/next  s/step  bt/backtrace  vars  q/quit  <expr>\n";
    let rest = "  x = 4\n  main at dbg.ae:0\n[error] Undefined variable: nope\n";
    assert_eq!(
        scratch.run_with_input(&["dbg.ae"], "vars\nbt\nx + nope\nc\n"),
        text((0, "(dbg) (dbg) (dbg) (dbg) 8\n", &format!("{head}{rest}")))
    );
    // The end of input resumes, at once and after any command.
    assert_eq!(
        scratch.run_with_input(&["dbg.ae"], ""),
        text((0, "(dbg) 8\n", head))
    );
    let (status, out, _) = scratch.run_with_input(&["dbg.ae"], "\nn");
    assert_eq!((status, out.as_str()), (0, "(dbg) (dbg) (dbg) 8\n"));
    assert_eq!(
        scratch.run_with_input(&["dbg.ae"], "q\n"),
        text((0, "(dbg) ", head))
    );
    let (_, _, err) = scratch.run_with_input(&[], "debugger\nvars\nbt\nc\n");
    assert!(
        err.starts_with("[debugger] Paused at <repl>:1\n\n[source not available]\n\nCommands: "),
        "{err}"
    );
    assert!(err.ends_with("  (no local variables)\n  (top level)\n"), "{err}");
}

#[test]
fn steps_go_through_calls_generators_and_awaits() {
    assert_eq!(pauses("c\n"), [21]);
    let next = "n\n".repeat(20);
    assert_eq!(pauses(&next), [21, 22, 23, 24, 25, 24, 25, 24, 27, 28]);
    let step = "s\n".repeat(60);
    let lines = pauses(&step);
    let expected = [
        21, 22, 6, 7, 8, 2, 3, 7, 8, 2, 3, 7, 10, 23, 13, 14, 24, 16, 24, 17, 25, 24, 18, 25, 24, 27, 28, 27,
    ];
    assert_eq!(lines, expected);
    // Next at the end of a function goes on in its caller.
    assert_eq!(
        pauses("s\ns\ns\ns\ns\nn\nn\nn\nc\n"),
        [21, 22, 6, 7, 8, 2, 3, 7, 8]
    );
}

#[test]
fn what_is_evaluated_sees_and_changes_the_frame() {
    let scratch = Scratch::new("debugger-evaluate");
    let source = "\
let top = 10
fn main() {
    let n = 1
    let list = [1]
    let shared = 0
    let count = () => { shared += 1 }
    count()
    debugger
    println(n, list, shared, top)
}
fn loops() { debugger  return 1 }
";
    scratch.file("e.ae", source);
    let commands = "n + top\nn = 5\nlist.push(n)\nshared\nshared = 40\ncount()\ntop = 11\nlet t = 3; t * 2\n1 +\n\
                    throw \"x\"\nloops()\nlist = \"text\"\nn = \"text\"\nvars\nc\n";
    let (status, out, err) = scratch.run_with_input(&["e.ae"], commands);
    assert_eq!(status, 0);
    assert!(out.ends_with("5 text 41 11\n"), "{out}");
    let shown: Vec<&str> = err
        .lines()
        .skip_while(|line| !line.starts_with("Commands"))
        .skip(1)
        .collect();
    assert_eq!(
        shown,
        [
            "11",
            "1",
            "6",
            "[error] Expected expression, found 'end of file' at line 1",
            "[error] x",
            "1",
            "[error] 'n' holds no string here",
            "  count = <fn(0)>",
            "  list = text",
            "  n = 5",
            "  shared = 41",
        ]
    );
}

// --- pictures ---

#[test]
fn cycles_and_heap_profiles_are_drawn() {
    let scratch = Scratch::new("pictures");
    let source = "\
struct Node { peer, parent }
fn pair() {
    let a = Node { }
    let b = Node { peer: a }
    a.parent = b
}
fn main() {
    for i in 0..3 { pair() }
    let kept = [n * 2 for n in 0..1000]
    println(kept.length)
}
";
    scratch.file("l.ae", source);
    let read = |name: &str| fs::read_to_string(scratch.path().join(name)).unwrap();
    let (status, out, _) = scratch.run(&["run", "--graph", "g.svg", "l.ae"]);
    assert_eq!((status, out.as_str()), (0, "1000\n"));
    let svg = read("g.svg");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("cycle 1: 3 times, 6 objects"), "{svg}");
    assert!(svg.contains(".parent: make this weak"), "{svg}");
    assert_eq!(
        scratch
            .run(&["run", "--leak-check", "--graph", "g.dot", "l.ae"])
            .0,
        0
    );
    let dot = read("g.dot");
    assert!(
        dot.contains("[label=\".parent\", color=red, style=dashed];"),
        "{dot}"
    );
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    let (status, _, err) = scratch.run(&["run", "--graph", "none/g.svg", "l.ae"]);
    assert_eq!(status, 1);
    assert!(err.contains("cannot write none/g.svg"), "{err}");

    assert_eq!(scratch.run(&["run", "--heap-profile", "p.json", "l.ae"]).0, 0);
    for at in ["peak", "end", "total"] {
        assert_eq!(
            scratch.run(&["heap", "p.json", "--flame", "f.svg", "--at", at]),
            text((0, "", ""))
        );
        let svg = read("f.svg");
        assert!(
            svg.contains("<svg ") && svg.contains("main (l.ae:"),
            "{at}: {svg}"
        );
    }
    scratch.file("bad.json", "{}");
    assert_eq!(scratch.run(&["heap", "bad.json", "--flame", "f.svg"]).0, 1);
}

#[test]
fn errors_of_runs_are_told_as_json_when_asked_for() {
    let scratch = Scratch::new("json");
    scratch
        .file("r.ae", "let d = {\"name\": 1}\nprintln(d.nmae)\n")
        .file("s.ae", "let = 1\nlet x = )\n")
        .file("o.ae", "println(1)\n");
    let objects = |out: &str| -> Vec<serde_json::Value> {
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let (status, out, err) = scratch.run(&["run", "--json", "r.ae"]);
    assert_eq!((status, err.as_str()), (1, ""));
    let found = &objects(&out)[0];
    assert_eq!(found["code"], "R0007");
    assert_eq!(found["start"]["line"], 2);
    assert_eq!(found["help"], "did you mean 'name'?");
    let (status, out, _) = scratch.run(&["run", "--json", "s.ae"]);
    assert_eq!((status, objects(&out).len()), (1, 2));
    assert_eq!(scratch.run(&["run", "--json", "o.ae"]), text((0, "1\n", "")));
    // Every subcommand takes the options that all have.
    for args in [
        ["explain", "-q", "E0101"],
        ["info", "-q", "--json"],
        ["ast", "--json", "o.ae"],
    ] {
        assert_eq!(scratch.run(&args).0, 0, "{args:?}");
    }
}
