//! The memory options of the binary: what `--leak-check` and `--heap-profile` write, and `aether heap` makes of it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::{Running, Scratch};
use serde_json::Value;

/// A script with allocations of known sizes in known lines.
const SCRIPT: &str = "\
fn build(n) { return map(range(0, n), fn(i) { return [i] }) }
fn main() {
  let big = build(1000)
  big = null
  let small = build(10)
  let words = \"the quick brown fox\".split(\" \")
}
";

/// The bytes in total that a summary names.
fn total(summary: &str) -> u64 {
    let rest = summary.split("heap-profile: total ").nth(1).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_profile_names_lines_and_built_ins() {
    let scratch = Scratch::new("profile");
    scratch.file("app.ae", SCRIPT);
    let (status, out, summary) = scratch.run(&["run", "--heap-profile", "out.json", "app.ae"]);
    assert_eq!((status, out.as_str()), (0, ""));
    let lines: Vec<&str> = summary.lines().collect();
    assert_eq!(lines.len(), 3, "{summary}");
    assert!(
        lines[1].contains(", set by app.ae:1, most of it from app.ae:1"),
        "{summary}"
    );
    assert!(lines[2].starts_with("heap-profile: at exit "), "{summary}");

    let (status, table, _) = scratch.run(&["heap", "out.json"]);
    assert_eq!(status, 0);
    let all = table.lines().last().unwrap();
    assert!(
        all.ends_with(" all") && all.contains(&format!(" {} ", total(&summary))),
        "{table}"
    );
    for site in [
        "  <anonymous> (app.ae:1)\n",
        "  [builtin] map in build (app.ae:1)\n",
        "  [builtin] range in build (app.ae:1)\n",
        "  [builtin] split in main (app.ae:6)\n",
    ] {
        assert!(table.contains(site), "{table}");
    }
    let (_, short, _) = scratch.run(&["heap", "--top", "1", "--json", "out.json"]);
    let short: Value = serde_json::from_str(&short).unwrap();
    assert_eq!(short["sites"].as_array().unwrap().len(), 1);
    assert_eq!(short["all"]["total_bytes"], total(&summary));
}

#[test]
fn growth_is_shown_by_site() {
    let scratch = Scratch::new("growth");
    scratch.file("app.ae", SCRIPT);
    scratch.run(&["run", "--heap-profile", "a.json", "app.ae"]);
    scratch.file("app.ae", SCRIPT.replace("build(10)", "build(110)"));
    scratch.run(&["run", "--heap-profile", "b.json", "app.ae"]);
    let (status, table, _) = scratch.run(&["heap", "--diff", "a.json", "b.json"]);
    assert_eq!(status, 0);
    // A hundred arrays of 48 bytes, their one item included.
    let line = table
        .lines()
        .find(|line| line.ends_with("<anonymous> (app.ae:1)"))
        .unwrap();
    assert_eq!(
        line.split_whitespace().take(4).collect::<Vec<_>>(),
        ["0", "0", "+4800", "+100"],
        "{table}"
    );
    assert!(!table.contains("split"), "{table}");
    let (_, same, _) = scratch.run(&["heap", "--diff", "a.json", "a.json"]);
    assert_eq!(same.lines().count(), 2, "{same}");
}

#[test]
fn what_is_no_profile_is_told() {
    let scratch = Scratch::new("no-profile");
    scratch.file("text", "hi").file("other.json", "{}");
    let wrong = |args: &[&str]| {
        let (status, out, err) = scratch.run(args);
        assert_eq!(out, "");
        (status, err.lines().next().unwrap().to_owned())
    };
    let missing = "heap: cannot read 'nope': No such file or directory (os error 2)";
    assert_eq!(wrong(&["heap", "nope"]), (1, missing.to_owned()));
    assert!(
        wrong(&["heap", "text"])
            .1
            .starts_with("heap: text: not a heap profile")
    );
    assert!(
        wrong(&["heap", "other.json"])
            .1
            .starts_with("heap: other.json: not a heap profile")
    );
    assert_eq!(wrong(&["heap"]), (2, "heap: no file specified".to_owned()));
    assert_eq!(wrong(&["heap", "a", "b"]).0, 2);
    assert_eq!(
        wrong(&["heap", "--diff", "a"]),
        (2, "heap: --diff takes two files".to_owned())
    );
    assert_eq!(
        wrong(&["heap", "--bogus", "a"]),
        (2, "heap: unknown option '--bogus'".to_owned())
    );
}

#[test]
fn a_sampled_profile_has_the_same_total() {
    let scratch = Scratch::new("interval");
    scratch.file("app.ae", SCRIPT);
    let (_, _, exact) = scratch.run(&["run", "--heap-profile", "a.json", "app.ae"]);
    let (_, _, sampled) = scratch.run(&[
        "run",
        "--heap-profile",
        "b.json",
        "--heap-interval",
        "4K",
        "app.ae",
    ]);
    let (exact, sampled) = (total(&exact), total(&sampled));
    assert!(sampled <= exact && exact - sampled < 4096, "{exact} {sampled}");
    let points = |file: &str| {
        let text = std::fs::read_to_string(scratch.path().join(file)).unwrap();
        let profile: Value = serde_json::from_str(&text).unwrap();
        profile["pps"].as_array().unwrap().len()
    };
    assert!(points("b.json") < points("a.json"));
}

/// Asks a script for its profile when it has said that it is ready; waits for the file, then interrupts the script.
#[cfg(unix)]
fn asked_for_a_profile(name: &str, script: &str) {
    let scratch = Scratch::new(name);
    scratch.file("app.ae", script);
    let mut command = scratch.command(&["run", "--heap-profile", "out.json", "app.ae"]);
    let mut running = Running::start(&mut command);
    assert_eq!(running.line(), "ready");
    running.signal("-USR1");
    // The message comes after the file is whole.
    assert_eq!(running.error_line(), "heap-profile: so far in out.1.json");
    running.signal("-INT");
    assert_eq!(running.end().0, 130);
    for file in ["out.1.json", "out.json"] {
        let (status, table, _) = scratch.run(&["heap", file]);
        assert!(
            status == 0 && table.contains("[builtin] range in main (app.ae:2)"),
            "{table}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_running_script_is_asked_for_its_profile() {
    let script = "\
fn main() {
  let kept = range(0, 1000)
  println(\"ready\")
  input()
  while (true) { kept[0] += 1 }
}
";
    asked_for_a_profile("asked-running", script);
}

#[cfg(unix)]
#[test]
fn a_waiting_script_is_asked_for_its_profile() {
    let script = "\
async fn main() {
  let kept = range(0, 1000)
  println(\"ready\")
  await sleep(60)
  println(len(kept))
}
";
    asked_for_a_profile("asked-waiting", script);
}

#[test]
fn leaks_decide_the_status_only_when_asked_to() {
    let scratch = Scratch::new("leaks");
    let leaking = "\
struct Node { peer }
fn pair() {
  let a = Node { peer: null }
  let b = Node { peer: a }
  a.peer = b
}
let cache = [1]
pair()
";
    scratch.file("app.ae", leaking);
    scratch.file("fails.ae", format!("{leaking}throw \"bad\"\n"));
    scratch.file("clean.ae", "let cache = [1]\n");
    let expected = "\
leak-check: 2 objects in 1 unreachable cycle (64 bytes)
  cycle 1: Node -> Node
    Node  app.ae:3 in pair   (1 object, 32 bytes)  .peer -> Node app.ae:4
    Node  app.ae:4 in pair   (1 object, 32 bytes)  .peer -> Node app.ae:3
    make .peer of Node weak (make_weak) to break the cycle
  still alive: 1 object (48 bytes)
    array  app.ae:7 at top level   held by global 'cache'
";
    assert_eq!(
        scratch.run(&["run", "--leak-check", "app.ae"]),
        (0, String::new(), expected.to_owned())
    );
    assert_eq!(scratch.run(&["run", "--leak-check=error", "app.ae"]).0, 5);
    assert_eq!(scratch.run(&["run", "--leak-check=error", "fails.ae"]).0, 5);
    assert_eq!(scratch.run(&["run", "--leak-check", "fails.ae"]).0, 1);
    assert_eq!(scratch.run(&["run", "--leak-check=error", "clean.ae"]).0, 0);
    let (_, _, json) = scratch.run(&["run", "--leak-check", "--json", "app.ae"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["alive", "cycles", "live_bytes", "peak_bytes"]);
    assert_eq!(json["cycles"][0]["path"][1]["edge"], ".peer");
}

#[test]
fn what_the_world_outside_holds_is_still_alive() {
    let scratch = Scratch::new("outside");
    scratch.file("app.ae", "fn main() {\n  sleep(600)\n}\n");
    let command = scratch
        .command(&["run", "--leak-check", "app.ae"])
        .env("AETHER_IO_WORKERS", "1")
        .output();
    let err = String::from_utf8(command.unwrap().stderr).unwrap();
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines[1].starts_with("  still alive: 1 object ("), "{err}");
    assert_eq!(
        lines[2], "    promise  app.ae:2 in main   held by a timer",
        "{err}"
    );
    let timer = "import time\nfn main() {\n  time.every(1, println)\n  throw \"stop\"\n}\n";
    scratch.file("timer.ae", timer);
    let (_, _, err) = scratch.run(&["run", "--leak-check", "timer.ae"]);
    assert!(
        err.contains("    timer  timer.ae:3 in main   held by a timer\n"),
        "{err}"
    );
}
