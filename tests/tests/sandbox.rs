//! Limits and rights of the command line: what a script is refused, with which words and which status.
//!
//! Source: tools E1, E15.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use aether_tests::Scratch;

/// A directory with files that a script may and may not read.
fn scratch(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.file("data/a.txt", "hello\n");
    scratch.file("other/s.txt", "secret\n");
    #[cfg(unix)]
    std::os::unix::fs::symlink("../other/s.txt", scratch.path().join("data/link")).unwrap();
    scratch
}

/// Runs a script with options; status, output, errors.
fn run(scratch: &Scratch, options: &[&str], script: &str) -> (i32, String, String) {
    scratch.file("script.ae", script);
    let mut args = vec!["run"];
    args.extend(options);
    args.push("script.ae");
    scratch.run(&args)
}

const TRIES: &str = "for path in [\"data/a.txt\", \"other/s.txt\", \"data/link\", \"data/../other/s.txt\", \"./data/./a.txt\"] {
  try { println(read_file(path).trim()) } catch (e) { println(e.kind) }
}";

#[test]
fn a_sandbox_denies_what_is_not_allowed() {
    let scratch = scratch("sandbox-allow");
    let tries = |options: &[&str]| run(&scratch, options, TRIES).1;
    let (no, yes) = ("permission\n", "hello\n");
    assert_eq!(tries(&["--sandbox"]), no.repeat(5));
    assert_eq!(
        tries(&["--sandbox", "--allow-read=data"]),
        [yes, no, no, no, yes].concat()
    );
    assert_eq!(
        tries(&["--sandbox", "--allow-read=nothing,data/a.txt"]),
        [yes, no, no, no, yes].concat()
    );
    let all = "hello\nsecret\nsecret\nsecret\nhello\n";
    assert_eq!(tries(&["--sandbox", "--allow-read"]), all);
    assert_eq!(tries(&[]), all);
    assert_eq!(tries(&["--deny-read=other"]), [yes, no, no, no, yes].concat());
    assert_eq!(
        tries(&[
            "--sandbox",
            "--allow-read",
            "--deny-read=other",
            "--deny-read=data/a.txt"
        ]),
        no.repeat(5)
    );
    assert_eq!(tries(&["--deny-read"]), no.repeat(5));
}

#[test]
fn a_refusal_says_what_would_allow_it_and_has_a_status_of_its_own() {
    let scratch = scratch("sandbox-words");
    let (status, _, errors) = run(&scratch, &["--sandbox"], "read_file(\"other/s.txt\")");
    assert_eq!(status, 4);
    assert_eq!(
        errors,
        "Error: [line 1] Permission denied: read access to \"other/s.txt\" (run with --allow-read=other/s.txt)\n"
    );
    let (_, _, errors) = run(&scratch, &["--sandbox"], "clock()");
    assert!(
        errors.contains("Permission denied: clock access to \"clock\" (run with --allow-clock)"),
        "{errors}"
    );
    // Nothing is done in part.
    let code = "try { write_file(\"data/a.txt\", \"x\") } catch (e) { }\ntry { append_file(\"data/b.txt\", \"x\") } catch (e) { }\n\
                try { mkdir(\"made\") } catch (e) { }\ntry { rename(\"data/a.txt\", \"data/c.txt\") } catch (e) { }\n\
                try { rm(\"data/a.txt\") } catch (e) { println(e.message) }";
    let (status, output, _) = run(&scratch, &["--sandbox", "--allow-read"], code);
    assert_eq!(
        (status, output.as_str()),
        (
            0,
            "Permission denied: write access to \"data/a.txt\" (run with --allow-write=data/a.txt)\n"
        )
    );
    assert_eq!(
        std::fs::read_to_string(scratch.path().join("data/a.txt")).unwrap(),
        "hello\n"
    );
    assert!(!scratch.path().join("made").exists() && !scratch.path().join("data/b.txt").exists());
}

#[test]
fn a_directory_with_something_that_is_denied_is_neither_moved_nor_removed() {
    let scratch = scratch("sandbox-trees");
    scratch.file("data/inner/kept.txt", "kept");
    let script = "import fs
for f in [fn() { rename(\"data\", \"moved\") }, fn() { rename(\"other\", \"data\") },
    fn() { fs.remove_dir(\"data\", {\"recursive\": true}) }, fn() { fs.remove_dir(\"data/inner\", {\"recursive\": true}) },
    fn() { rename(\"other\", \"moved\") }] {
  try { f()  println(\"done\") } catch (e) { println(e.message) }
}";
    let (_, output, _) = run(&scratch, &["--deny-write=data/inner/kept.txt"], script);
    let refused = |path: &str| {
        format!("Permission denied: write access to \"{path}\" (run with --allow-write={path})\n")
    };
    assert_eq!(
        output,
        [
            refused("data"),
            refused("data"),
            refused("data"),
            refused("data/inner"),
            "done\n".to_owned()
        ]
        .concat()
    );
}

#[test]
fn an_open_file_does_what_its_mode_is_allowed() {
    let scratch = scratch("sandbox-open");
    let script = "import fs
for mode in [\"r\", \"w\", \"a\", \"r+\"] {
  for path in [\"data/a.txt\", \"data/link\"] {
    try { fs.open(path, mode)  print(\"y\") } catch (e) { print(e.kind == \"permission\" ? \"n\" : \"?\") }
  }
}";
    let tries = |options: &[&str]| run(&scratch, options, script).1;
    assert_eq!(tries(&["--sandbox"]), "nnnnnnnn");
    assert_eq!(tries(&["--sandbox", "--allow-read=data"]), "ynnnnnnn");
    assert_eq!(tries(&["--sandbox", "--allow-write=data"]), "nnynynnn");
    let both = ["--sandbox", "--allow-read=data", "--allow-write=data"];
    assert_eq!(tries(&both), "ynynynyn");
}

#[test]
fn modules_beside_the_script_need_no_right_and_others_do() {
    let scratch = Scratch::new("sandbox-modules");
    scratch.file("app/near.ae", "fn name() { return \"near\" }");
    scratch.file("app/deep/below.ae", "import near\nfn name() { return \"below\" }");
    scratch.file("far.ae", "fn name() { return \"far\" }");
    scratch.file("app/main.ae", "import near\nprintln(near.name())\nimport math\nprintln(math.floor(1.5))\nimport far\nprintln(far.name())");
    let (status, output, errors) = scratch.run(&["run", "--sandbox", "app/main.ae"]);
    assert_eq!((status, output.as_str()), (4, "near\n1\n"), "{errors}");
    assert!(
        errors.contains("Permission denied: read access to \"far.ae\""),
        "{errors}"
    );
    let (status, output, _) = scratch.run(&["run", "--sandbox", "--allow-read=far.ae", "app/main.ae"]);
    assert_eq!((status, output.as_str()), (0, "near\n1\nfar\n"));
}

#[test]
fn rules_come_from_a_file_too() {
    let scratch = scratch("sandbox-file");
    scratch.file(
        "rules/p.toml",
        "sandbox = true\n[allow]\nread = [\"../data\"]\nclock = true\n[deny]\nread = \"../data/link\"\n",
    );
    let (_, output, _) = run(&scratch, &["--permissions", "rules/p.toml"], TRIES);
    assert_eq!(output, "hello\npermission\npermission\npermission\nhello\n");
    for (text, complaint) in [
        (
            "sandbx = true",
            "unknown key 'sandbx'; sandbox, allow and deny are known",
        ),
        ("sandbox = 1", "sandbox is true or false"),
        ("[allow]\nreed = true", "[allow] unknown capability 'reed'"),
        ("[deny]\nclock = [\"a\"]", "[deny] clock is true or false"),
        ("[allow]\nnet = [1]", "[allow] net holds texts"),
        ("allow = [", "p.toml: "),
    ] {
        scratch.file("p.toml", text);
        let (status, output, errors) = run(&scratch, &["--permissions", "p.toml"], "println(1)");
        assert_eq!((status, output.as_str()), (2, ""), "{text}");
        assert!(
            errors.starts_with("run: ") && errors.contains(complaint),
            "{errors}"
        );
    }
    let (status, _, errors) = run(&scratch, &["--permissions", "missing.toml"], "println(1)");
    assert_eq!(status, 2);
    assert!(
        errors.starts_with("run: cannot read 'missing.toml': "),
        "{errors}"
    );
}

#[test]
fn hosts_are_refused_by_name_by_address_and_behind_redirects() {
    let scratch = Scratch::new("sandbox-net");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            let answer = if request[..read].starts_with(b"GET /away") {
                format!(
                    "HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/\r\nContent-Length: 0\r\n\r\n"
                )
            } else {
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_owned()
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let get = |options: &[&str], host: &str, path: &str| {
        let code = format!(
            "try {{ println(http_get(\"http://{host}:{port}/{path}\")) }} catch (e) {{ println(e.kind + \": \" + e.message) }}"
        );
        run(&scratch, options, &code).1
    };
    let refused = |host: &str| {
        format!(
            "permission: Permission denied: net access to \"{host}:{port}\" (run with --allow-net={host}:{port})\n"
        )
    };
    assert_eq!(get(&["--sandbox"], "127.0.0.1", ""), refused("127.0.0.1"));
    assert_eq!(
        get(&["--sandbox", "--allow-net=127.0.0.1:1"], "127.0.0.1", ""),
        refused("127.0.0.1")
    );
    assert_eq!(
        get(&["--deny-net=127.0.0.1"], "localhost", ""),
        refused("localhost")
    );
    assert_eq!(
        get(&["--deny-net=localhost"], "127.0.0.1", ""),
        refused("127.0.0.1")
    );
    assert_eq!(
        get(&["--sandbox", "--allow-net=127.0.0.1"], "127.0.0.1", ""),
        "hi\n"
    );
    assert_eq!(
        get(&["--sandbox", "--allow-net=localhost"], "localhost", ""),
        "hi\n"
    );
    assert_eq!(
        get(&["--sandbox", "--allow-net=127.0.0.1"], "127.0.0.1", "away"),
        refused("localhost")
    );
    server.join().unwrap();
    let code = "try { udp_bind(\"127.0.0.1:0\") } catch (e) { println(e.message) }\ntry { tcp_listen(\"127.0.0.1:0\") } catch (e) { println(e.kind) }";
    let (_, output, _) = run(&scratch, &["--sandbox", "--allow-net"], code);
    assert_eq!(
        output,
        "Permission denied: listen access to \"127.0.0.1:0\" (run with --allow-listen=127.0.0.1:0)\npermission\n"
    );
}

#[test]
fn time_ends_a_run_wherever_it_is() {
    let scratch = Scratch::new("sandbox-time");
    let endless = [
        "while (true) { }",
        "sleep(60)",
        "await Promise.all([])\nasync fn f() { await sleep(60) }\nawait f()",
        "let a = []\nfor i in 0..2000000 { a.push(i * 7919 % 1000003) }\nwhile (true) { a.sort((x, y) => y - x)  a.sort() }",
        "let a = [0]\nwhile (true) { a = a.map(x => x + 1).filter(x => x > 0) }",
        "let s = \"abc\".repeat(1000000)\nwhile (true) { s.replace(\"b\", \"x\").split(\"x\") }",
        "let d = []\nfor i in 0..300000 { d.push([i, \"k\" + i]) }\nwhile (true) { json_parse(json_stringify(d))  d.equals(json_parse(json_stringify(d))) }",
        "try { while (true) { } } catch (e) { println(\"caught\") } finally { println(\"finally\") }",
    ];
    for script in endless {
        let begun = Instant::now();
        let (status, output, errors) = run(&scratch, &["--timeout", "300ms"], script);
        assert_eq!((status, output.as_str()), (124, ""), "{script}: {errors}");
        assert!(errors.contains("Timed out after 300ms"), "{errors}");
        // A loaded machine is slow, but the limit is not a matter of how much there is to do.
        assert!(begun.elapsed() < Duration::from_secs(20), "{script}");
    }
    assert_eq!(run(&scratch, &["--timeout", "1m"], "println(1)").0, 0);
    assert_eq!(run(&scratch, &["--timeout", "soon"], "println(1)").0, 2);
}

#[test]
fn output_and_open_handles_have_limits_that_a_script_can_catch() {
    let scratch = scratch("sandbox-output");
    let (status, output, errors) = run(
        &scratch,
        &["--max-output", "7"],
        "print(\"1234\")\nprint(\"5678\")",
    );
    assert_eq!(
        (status, output.as_str(), errors.as_str()),
        (3, "1234", "Error: [line 2] Output limit exceeded (7 bytes)\n")
    );
    let (status, output, _) = run(
        &scratch,
        &["--max-output", "20"],
        "try { while (true) { print(\"12345678\") } } catch (e) { print(e.kind) }\ntry { eprintln(\"x\") } catch (e) { }",
    );
    assert_eq!(
        (status, output.as_str()),
        (3, "1234567812345678"),
        "the message of the limit is beyond it too"
    );
    let code = "let open = []\ntry { while (true) { open.push(lines_iter(\"data/a.txt\")) } } catch (e) { println(e.kind + \": \" + e.message) }
open.pop()\nopen.push(lines_iter(\"data/a.txt\"))\nfor line in open[0] { }\nopen.push(tcp_listen(\"127.0.0.1:0\"))\nprintln(len(open))\nudp_bind(\"127.0.0.1:0\")";
    let (status, output, errors) = run(&scratch, &["--max-open", "3"], code);
    assert_eq!(
        (status, output.as_str()),
        (3, "limit: Open handle limit exceeded (3)\n4\n"),
        "{errors}"
    );
    assert!(
        errors.contains("[line 8] Open handle limit exceeded (3)"),
        "{errors}"
    );
}

#[test]
fn a_seed_and_a_fixed_time_make_a_run_repeatable() {
    let scratch = Scratch::new("sandbox-seed");
    let code = "println([random(), rand_int(1000), clock()])";
    let options = [
        "--sandbox",
        "--allow-clock",
        "--allow-random",
        "--seed",
        "7",
        "--fixed-time",
        "2026-01-31T12:30:00Z",
    ];
    let first = run(&scratch, &options, code);
    assert_eq!(first.0, 0, "{}", first.2);
    assert_eq!(first, run(&scratch, &options, code));
    assert!(first.1.ends_with("1769862600]\n"), "{}", first.1);
    let other = run(&scratch, &["--seed", "8", "--fixed-time", "0"], code).1;
    assert_ne!(first.1, other);
}
