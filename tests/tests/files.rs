//! Files on a real file system: what memory cannot show.
//!
//! Source: library reference §9.3.
#![forbid(unsafe_code)]
#![cfg(unix)]

use aether_tests::{Scratch, binary, status_and_output};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// What a script prints in a directory of its own.
fn output(scratch: &Scratch, script: &str) -> String {
    scratch.file("script.ae", script);
    let (status, stdout, stderr) = scratch.run(&["script.ae"]);
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    stdout
}

/// Everything again that the suite does in memory.
#[test]
fn the_system_says_what_memory_says() {
    for name in [
        "read-and-write",
        "append",
        "read-lines",
        "lines-iter",
        "lines-iter-errors",
        "lines-iter-memory",
        "bytes",
        "exists",
        "directories",
        "rename-and-rm",
        "errors",
    ] {
        let source = aether_tests::repository().join("tests/conformance/lib-09-files");
        let scratch = Scratch::new(name);
        fs::create_dir(scratch.path().join("data")).unwrap();
        for entry in fs::read_dir(source.join("data")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), scratch.path().join("data").join(entry.file_name())).unwrap();
        }
        let script = fs::read_to_string(source.join(format!("{name}.ae"))).unwrap();
        let expected = fs::read_to_string(source.join(format!("{name}.out"))).unwrap();
        assert_eq!(output(&scratch, &script), expected, "{name}");
    }
}

/// Everything again that the suite does in memory with the module `fs`.
#[test]
fn the_system_says_of_open_files_what_memory_says() {
    let source = aether_tests::repository().join("tests/conformance/lib-e3-fs");
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ae") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let scratch = Scratch::new(name);
        let script = fs::read_to_string(&path).unwrap();
        let expected = fs::read_to_string(path.with_extension("out")).unwrap();
        assert_eq!(output(&scratch, &script), expected, "{name}");
    }
}

#[test]
fn links_are_made_told_of_and_not_walked_into() {
    let scratch = Scratch::new("fs-links");
    let script = r#"
import fs
mkdir("d/inner")
write_file("d/inner/a.txt", "12345")
println(fs.symlink("inner", "d/link"), fs.read_link("d/link"), list_dir("d/link"))
fs.symlink("nowhere", "d/dangling")
let s = fs.stat("d/link")
println(s.is_dir, s.is_link)
s = fs.stat("d/dangling")
println(s.is_file, s.is_dir, s.is_link)
println([...fs.walk("d")])
try { fs.symlink("x", "d/link") } catch (e) { println(e.message) }
try { fs.remove_dir("d/link", {"recursive": true}) } catch (e) { println(e.message) }
mkdir("kept")
write_file("kept/a.txt", 1)
fs.symlink("../kept", "d/out")
fs.remove_dir("d", {"recursive": true})
println(file_exists("d"), file_exists("kept/a.txt"))
"#;
    assert_eq!(
        output(&scratch, script),
        "null inner [a.txt]\ntrue true\nfalse false true\n\
         [d/dangling, d/inner, d/inner/a.txt, d/link]\n\
         I/O error in fs.symlink: 'd/link' -> 'x': File exists (os error 17)\n\
         I/O error in fs.remove_dir: d/link: Not a directory (os error 20)\n\
         false true\n"
    );
}

#[test]
fn a_copy_has_the_permission_bits_of_its_source() {
    let scratch = Scratch::new("fs-bits");
    let script = r#"
import fs
write_file("a.sh", "x")
write_file("old.sh", "y")
fs.chmod("a.sh", 0o750)
fs.copy("a.sh", "b.sh")
fs.copy("a.sh", "old.sh")
println(fs.stat("b.sh").mode == 0o750, fs.stat("old.sh").mode == 0o750, list_dir("."))
let temporary = fs.temp_file()
println(fs.stat(temporary).mode == 0o600)
rm(temporary)
let now = clock()
let age = now - fs.stat("b.sh").modified / 1e9
println(age > -5 && age < 60)
"#;
    let expected = "true true [a.sh, b.sh, old.sh, script.ae]\ntrue\ntrue\n";
    assert_eq!(output(&scratch, script), expected);
}

/// Output that goes to a file is not written over by a file opened under the name of the stream.
#[test]
fn what_is_written_to_the_stream_by_its_name_stands_in_order() {
    let scratch = Scratch::new("fs-stdout");
    scratch.file(
        "script.ae",
        "import fs\nprintln(1)\nlet out = fs.open(\"/dev/stdout\", \"w\")\nout.write(\"2\\n\")\nprintln(3)\nout.write(\"4\\n\")\nwrite_file(\"a.txt\", \"5\\n\")\nfs.copy(\"a.txt\", \"/dev/stdout\")\nprintln(6)\n",
    );
    let out = fs::File::create(scratch.path().join("out.txt")).unwrap();
    let status = Command::new(binary())
        .arg("script.ae")
        .current_dir(scratch.path())
        .stdout(out)
        .status()
        .unwrap();
    assert!(status.success());
    let printed = fs::read_to_string(scratch.path().join("out.txt")).unwrap();
    assert_eq!(printed, "1\n2\n3\n4\n5\n6\n");
}

#[test]
fn a_full_device_is_an_error() {
    let scratch = Scratch::new("full");
    let script = "for f in [write_file, append_file] {\n    try { println(f(\"/dev/full\", \"x\")) } catch(e) { println(e) }\n}\ntry { write_bytes(\"/dev/full\", [1]) } catch(e) { println(e) }\nprintln(file_exists(\"/dev/full\"), is_file(\"/dev/full\"))\n";
    let text = "No space left on device (os error 28)";
    assert_eq!(
        output(&scratch, script),
        format!(
            "I/O error in write_file: /dev/full: {text}\nI/O error in append_file: /dev/full: {text}\nI/O error in write_bytes: /dev/full: {text}\ntrue false\n"
        )
    );
    let mut full = scratch.command(&["script.ae"]);
    full.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let (status, _, stderr) = status_and_output(full.output().unwrap());
    assert_eq!(status, 1);
    assert!(stderr.contains("No space left on device"), "{stderr}");
}

/// Files that their owner may not read or write. A process of root is run as another user, whom nothing belongs to.
#[test]
fn no_permission_is_an_error() {
    let scratch = Scratch::new("permission");
    let directory = scratch.path().join("locked");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("file.txt"), "x").unwrap();
    fs::write(scratch.path().join("secret.txt"), "x").unwrap();
    scratch.file(
        "script.ae",
        r#"
fn attempt(f) { try { println(f()) } catch (e) { println(e) } }
for f in [read_file, read_lines, read_bytes, lines_iter] { attempt(fn() { return f("secret.txt") }) }
for f in [write_file, append_file] { attempt(fn() { return f("secret.txt", "") }) }
attempt(fn() { return write_bytes("secret.txt", []) })
for f in [list_dir] { attempt(fn() { return f("locked") }) }
for f in [file_exists, is_file, is_dir, rm] { attempt(fn() { return f("locked/file.txt") }) }
attempt(fn() { return mkdir("locked/inner") })
attempt(fn() { return write_file("locked/new.txt", 1) })
attempt(fn() { return rename("locked/file.txt", "locked/other.txt") })
"#,
    );
    // The command where anybody may run it.
    let command = scratch.path().join("aether");
    fs::copy(binary(), &command).unwrap();
    let lock = |path: &str, mode| {
        fs::set_permissions(scratch.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    lock("", 0o755);
    lock("aether", 0o755);
    lock("secret.txt", 0);
    lock("locked", 0);
    let mut run = Command::new(&command);
    run.arg("script.ae").current_dir(scratch.path());
    if fs::metadata(scratch.path()).unwrap().uid() == 0 {
        run.uid(65534).gid(65534);
    }
    let output = loop {
        match run.output() {
            // A test on another thread that was starting a process just then still holds the copy open for writing.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            output => break output.unwrap(),
        }
    };
    let (status, stdout, stderr) = status_and_output(output);
    lock("locked", 0o755);
    assert_eq!((status, stderr.as_str()), (0, ""));
    let operations = |names: &[&str], path: &str| -> Vec<String> {
        let line = |name: &&str| format!("I/O error in {name}: {path}");
        names.iter().map(line).collect()
    };
    let expected = [
        operations(&["read_file", "read_lines", "read_bytes"], "secret.txt"),
        vec!["Invalid operation: lines_iter failed".to_owned()],
        operations(&["write_file", "append_file", "write_bytes"], "secret.txt"),
        operations(&["list_dir"], "locked"),
        operations(&["file_exists", "is_file", "is_dir", "rm"], "locked/file.txt"),
        operations(&["mkdir"], "locked/inner"),
        operations(&["write_file"], "locked/new.txt"),
        operations(&["rename"], "'locked/file.txt' -> 'locked/other.txt'"),
    ];
    let expected: String = expected
        .concat()
        .into_iter()
        .map(|text| text + ": Permission denied (os error 13)\n")
        .collect();
    assert_eq!(stdout, expected);
}

/// The old content or the new one: with no room for the new one, the old stays.
#[test]
fn an_atomic_write_that_fails_leaves_the_old_content() {
    let scratch = Scratch::new("whole");
    scratch.file("kept.txt", "old").file(
        "script.ae",
        "import fs\ntry { fs.write_atomic(\"kept.txt\", repeat(\"x\", 5000000)) } catch(e) { println(e) }\nprintln(read_file(\"kept.txt\"), list_dir(\".\"))\n",
    );
    // A limit on the size of files stands in for a full disk.
    let mut limited = Command::new("bash");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$0\" script.ae"])
        .arg(binary())
        .current_dir(scratch.path());
    let (status, stdout, stderr) = status_and_output(limited.output().unwrap());
    assert_eq!(
        (status, stdout.as_str(), stderr.as_str()),
        (
            0,
            "I/O error in fs.write_atomic: kept.txt: File too large (os error 27)\nold [kept.txt, script.ae]\n",
            ""
        )
    );
}

#[test]
fn writing_to_the_standard_streams_keeps_the_order() {
    let scratch = Scratch::new("streams");
    let script = "println(1)\nwrite_file(\"/dev/stdout\", \"2\\n\")\nprintln(3)\nappend_file(\"/dev/stdout\", \"4\\n\")\nprintln(5)\nwrite_file(\"/dev/stderr\", \"e\\n\")\n";
    scratch.file("script.ae", script);
    let expected = "1\n2\n3\n4\n5\n";
    assert_eq!(
        scratch.run(&["script.ae"]),
        (0, expected.to_owned(), "e\n".to_owned())
    );
    let path = scratch.path().join("out.txt");
    let mut to_file = scratch.command(&["script.ae"]);
    to_file
        .stdout(fs::File::create(&path).unwrap())
        .stderr(Stdio::null());
    assert!(to_file.status().unwrap().success());
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

/// A line of a pipe arrives when it ends, not when the next one begins.
#[test]
fn lines_of_a_pipe_are_not_held_back() {
    let scratch = Scratch::new("pipe");
    let fifo = scratch.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    scratch.file(
        "script.ae",
        "let lines = lines_iter(\"fifo\")\nprintln(lines.next())\nwrite_file(\"seen\", 1)\nprintln(lines.next(), lines.next())\n",
    );
    let child = scratch
        .command(&["script.ae"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    pipe.write_all(b"first\n").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !scratch.path().join("seen").exists() {
        assert!(
            std::time::Instant::now() < deadline,
            "the first line is held back"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    pipe.write_all(b"second").unwrap();
    drop(pipe);
    assert_eq!(
        status_and_output(child.wait_with_output().unwrap()),
        (0, "first\nsecond null\n".to_owned(), String::new())
    );
}

/// More streams than there may be descriptors: each is closed when it is dropped or at its end.
#[test]
fn streams_close_at_their_end_and_when_dropped() {
    let scratch = Scratch::new("descriptors");
    scratch.file("two.txt", "a\nb\n").file(
        "script.ae",
        "let kept = []\nfor i in range(2000) {\n    let lines = lines_iter(\"two.txt\")\n    lines.next()\n}\nfor i in range(500) {\n    let lines = lines_iter(\"two.txt\")\n    for line in lines { }\n    kept.push(lines)\n}\nprintln(len(kept), kept[0])\n",
    );
    let mut limited = Command::new("bash");
    limited
        .args(["-c", "ulimit -n 64; exec \"$0\" script.ae"])
        .arg(binary())
        .current_dir(scratch.path());
    assert_eq!(
        status_and_output(limited.output().unwrap()),
        (0, "500 <file_lines:eof>\n".to_owned(), String::new())
    );
}

/// Writing through a pool follows links and knows the standard streams too.
#[test]
fn a_pool_writes_to_the_same_places() {
    let scratch = Scratch::new("pool-places");
    scratch.file("target.txt", "old");
    std::os::unix::fs::symlink("target.txt", scratch.path().join("link.txt")).unwrap();
    let script = "set_workers(2)\nprintln(1)\nawait write_file(\"/dev/stdout\", \"2\\n\")\nprintln(3)\nawait write_file(\"link.txt\", \"new\")\ntry { await write_file(\"/dev/full\", \"x\") } catch(e) { println(e) }\n";
    assert_eq!(
        output(&scratch, script),
        "1\n2\n3\nI/O error in write_file: /dev/full: No space left on device (os error 28)\n"
    );
    let link = scratch.path().join("link.txt");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        fs::read_to_string(scratch.path().join("target.txt")).unwrap(),
        "new"
    );
}
