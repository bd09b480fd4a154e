//! `fs.watch` on a real directory.
//!
//! The scripts change what they watch themselves: the system tells of changes that were made before anybody waits for
//! them. A script ends when its last watch is closed; one that does not is ended by the command's own `--timeout`.
//!
//! Source: library reference §E3.
#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

use aether_tests::Scratch;

/// What a script that imports the module prints on both streams, and its status.
fn run(name: &str, options: &[&str], script: &str) -> (i32, String) {
    let scratch = Scratch::new(&format!("watch-{name}"));
    scratch.file("script.ae", format!("import fs\nmkdir(\"d\")\n{script}"));
    let mut args = vec!["run", "--timeout", "60s"];
    args.extend(options);
    args.push("script.ae");
    let (status, output, errors) = scratch.run(&args);
    (status, output + &errors)
}

#[test]
fn every_kind_of_change_is_told_in_order_with_its_path() {
    let script = r#"
let w = fs.watch("d", e => {
    println(e)
    if (e.path == "d/end") { w.close() }
})
append_file("d/a", "1")
rename("d/a", "d/b")
mkdir("d/inner")
append_file("d/inner/unseen", "1")
rm("d/b")
mkdir("d/end")
println("first")
"#;
    let expected = "first
{kind: created, path: d/a}
{kind: modified, path: d/a}
{kind: renamed, path: d/b, from: d/a}
{kind: created, path: d/inner}
{kind: removed, path: d/b}
{kind: created, path: d/end}
";
    assert_eq!(run("kinds", &[], script), (0, expected.to_owned()));
}

#[test]
fn what_leaves_the_directory_is_removed_and_what_enters_is_created() {
    let script = r#"
append_file("d/a", "1")
append_file("x", "1")
let w = fs.watch("d", e => {
    println(e.kind, e.path)
    if (e.path == "d/end") { w.close() }
})
rename("d/a", "a")
rename("x", "d/x")
mkdir("d/end")
"#;
    let expected = "removed d/a\ncreated d/x\ncreated d/end\n";
    assert_eq!(run("moves", &[], script), (0, expected.to_owned()));
}

#[test]
fn a_file_is_watched_alone_and_stays_so_when_it_is_replaced() {
    let script = r#"
append_file("d/f", "1")
let seen = []
let w = fs.watch("d/f", e => {
    seen.push("${e.kind} ${e.path}")
    if (e.kind == "removed") { w.close() }
})
append_file("d/other", "1")
write_file("d/f", "2")
append_file("d/f", "3")
rm("d/f")
event_loop()
println(seen.unique())
"#;
    assert_eq!(
        run("file", &[], script),
        (0, "[modified d/f, removed d/f]\n".to_owned())
    );
}

#[test]
fn a_watch_ends_with_its_directory() {
    let script =
        "fs.watch(\"d\", e => println(e.kind, e.path))\nfs.remove_dir(\"d\")\nevent_loop()\nprintln(1)";
    assert_eq!(run("gone", &[], script), (0, "removed d\n1\n".to_owned()));
}

#[test]
fn functions_take_turns_and_their_errors_end_nothing() {
    let script = r#"
let running = 0
async fn seen(e) {
    running += 1
    println(running, e.path)
    await sleep(0.001)
    running -= 1
    if (e.path == "d/b") { throw "no" }
    if (e.path == "d/c") { w.close() }
}
let w = fs.watch("d", seen)
println(w, w.path, w.closed)
set_workers(1)
for name in ["a", "b", "c", "d"] { mkdir("d/${name}") }
event_loop()
println(w.closed)
"#;
    let expected = "<watch d> d false\n1 d/a\n1 d/b\n1 d/c\ntrue\nevent_loop: callback error: no\n";
    assert_eq!(run("turns", &[], script), (0, expected.to_owned()));
}

/// Nobody is called after `close`, the handle need not be kept, and neither limit of the queue concerns a watch.
#[test]
fn a_watch_lives_until_it_is_closed() {
    let script = r#"
set_queue_limit(1)
set_task_timeout(0.001)
let [calls, seen] = [0, []]
let closing = fs.watch("d", () => { calls += 1 })
fs.watch("d", e => {
    seen.push(e.path)
    closing.close()
    closing.close()
    throw "end"
})
mkdir("d/a")
while (seen.length == 0) { event_loop(0.05) }
let before = calls
mkdir("d/b")
fs.remove_dir("d", {"recursive": true})
event_loop()
println(seen, calls == before)
"#;
    let (status, text) = run("lives", &[], script);
    assert_eq!(status, 0, "{text}");
    let expected = ["[d/a, d/b, d/a, d/b, d] true\n", "[d/a, d/b, d/b, d/a, d] true\n"];
    assert!(
        expected.iter().any(|expected| text.starts_with(expected)),
        "{text}"
    );
}

#[test]
fn changes_beyond_the_backlog_are_told_as_one_of_the_directory() {
    let script = r#"
let kinds = {}
let w = fs.watch("d", e => {
    let what = e.path == "d" ? "d" : e.kind
    kinds[what] = kinds.get(what, 0) + 1
    if (what == "d") { w.close() }
})
for i in 0..2000 { mkdir("d/a-long-name-so-that-the-backlog-fills-${i}") }
event_loop()
println(kinds["d"], kinds.created < 2000)
"#;
    assert_eq!(run("overflow", &[], script), (0, "1 true\n".to_owned()));
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let script = r#"
fn tried(f) { try { f() } catch (e) { println(e.kind, e.message) } }
tried(() => fs.watch("no", () => 1))
tried(() => fs.watch("d", 1))
tried(() => fs.watch(1, () => 1))
tried(() => fs.watch("d"))
"#;
    let expected = "io I/O error in fs.watch: no: No such file or directory (os error 2)
type Type error: expected function, got int
type Type error: expected string, got int
arity Expected 2 arguments, got 1
";
    assert_eq!(run("refused", &[], script), (0, expected.to_owned()));
    let script = "fs.symlink(\"/etc\", \"d/l\")\ntry { fs.watch(\"d/l\", () => 1) } catch (e) { println(e.kind) }\nfs.watch(\"/etc\", () => 1)";
    let (status, text) = run("denied", &["--deny-read=/etc"], script);
    assert_eq!(status, 4, "{text}");
    assert!(
        text.contains("Permission denied: read access to \"/etc\""),
        "{text}"
    );
}

#[test]
fn shutdown_ends_a_program_with_a_watch() {
    let script = r#"
fs.watch("d", e => {
    println(e.kind, e.path)
    shutdown()
})
append_file("d/a", "")
event_loop_forever()
println("served")
"#;
    let (status, output) = run("shutdown", &[], script);
    assert_eq!((status, output.as_str()), (0, "created d/a\nserved\n"));
}

#[test]
fn a_file_is_written_under_its_own_name() {
    let script = r#"
let w = fs.watch("d", e => {
    println(e.path)
    if (e.path == "d/end") { w.close() }
})
write_file("d/a", "1")
mkdir("d/end")
"#;
    let (status, output) = run("written", &[], script);
    assert_eq!((status, output.as_str()), (0, "d/a\nd/a\nd/end\n"));
}
