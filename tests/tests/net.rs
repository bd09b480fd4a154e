//! Scripts that serve and call, against plain sockets of this process; and what only a process shows of async.
//!
//! Source: library reference §11.3, §13, §14.
#![forbid(unsafe_code)]
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::{NETWORK_TIMEOUT, Running, Scratch, Server, connect, status_and_output};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn ended_well(script: Server, out: &str) {
    assert_eq!(script.end(), (0, out.to_owned(), String::new()));
}

fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Frames come back with their delimiter; `quit` closes the server.
const ECHO: &str = r#"
let srv = tcp_listen("127.0.0.1:0", {"delimiter": "\n"})
srv.on_listen(fn() { println(srv.port) })
srv.on_message(fn(conn, line) {
    conn.write(line)
    conn.write("\n")
    if (line.equals([113, 117, 105, 116])) { srv.close() }
})
srv.on_error(fn(text) { println(text) })
let open = 0
srv.on_connect(fn(conn) { open += 1 })
srv.on_disconnect(fn(conn) { open -= 1 })
srv.accept()
println("open", open)
"#;

#[test]
fn frames_are_put_together_from_any_pieces() {
    let script = Server::start("pieces", ECHO);
    let mut stream = script.connect();
    for byte in b"one\n\ntwo\nlong" {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut next = || {
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        line
    };
    assert_eq!([next(), next(), next()], ["one\n", "\n", "two\n"]);
    stream.write_all(&vec![b'x'; 1 << 20]).unwrap();
    stream.write_all(b"\nquit\n").unwrap();
    assert_eq!(next().len(), 4 + (1 << 20) + 1);
    assert_eq!(next(), "quit\n");
    assert_eq!(next(), "");
    ended_well(script, "open 0\n");
}

#[test]
fn a_peer_that_has_ended_its_side_still_gets_its_answers() {
    let script = Server::start("half", ECHO);
    let mut stream = script.connect();
    stream.write_all(b"a\nb\nrest").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&stream), b"a\nb\n");
    let mut last = script.connect();
    last.write_all(b"quit\n").unwrap();
    assert_eq!(read_all(&last), b"quit\n");
    ended_well(script, "open 0\n");
}

/// What is written while the peer does not read waits, and arrives whole and in order.
#[test]
fn slow_readers_get_everything() {
    let script = Server::start("slow", ECHO);
    let mut stream = script.connect();
    let mut sent = String::new();
    for number in 0..400_000 {
        writeln!(sent, "line {number}").unwrap();
    }
    sent.push_str("quit\n");
    let mut writer = stream.try_clone().unwrap();
    let bytes = sent.clone().into_bytes();
    let writing = std::thread::spawn(move || writer.write_all(&bytes));
    // The server's answers fill every buffer on the way before the first is read.
    std::thread::sleep(Duration::from_millis(300));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    writing.join().unwrap().unwrap();
    assert!(got == sent.as_bytes(), "{} of {} bytes", got.len(), sent.len());
    ended_well(script, "open 0\n");
}

/// Peers that vanish in the middle of a frame, with unread answers, or that send anything at all.
#[test]
fn no_peer_can_harm_the_server() {
    let script = Server::start("harm", ECHO);
    let mut noise = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..60_usize {
        let mut stream = script.connect();
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise as u8
        })
        .take(round * 700)
        .collect();
        // Closing with answers unread resets the connection.
        match stream.write_all(&bytes) {
            Ok(()) => {}
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                "{error}"
            ),
        }
    }
    let mut last = script.connect();
    last.write_all(b"quit\n").unwrap();
    assert_eq!(read_all(&last), b"quit\n");
    let (status, out, err) = script.end();
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.ends_with("open 0\n"), "{out}");
    for line in out.lines().filter(|line| !line.starts_with("open")) {
        assert!(
            line.starts_with("tcp_read: ") || line.starts_with("tcp_write: "),
            "{line}"
        );
    }
}

/// A frame that does not fit the budget ends its connection, not the server.
#[test]
fn the_network_cannot_exceed_the_budget() {
    let script = Server::start_with("budget", ECHO, |command| {
        command.env("AETHER_MAX_MEMORY", "4M");
    });
    let mut stream = script.connect();
    let written = stream.write_all(&vec![b'x'; 16 << 20]);
    drop(written);
    let mut rest = Vec::new();
    // It may end with a reset.
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    let mut last = script.connect();
    last.write_all(b"quit\n").unwrap();
    assert_eq!(read_all(&last), b"quit\n");
    let (status, out, err) = script.end();
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("tcp_read: Memory limit exceeded: "), "{out}");
    assert!(out.ends_with("open 0\n"), "{out}");
}

/// Without descriptors the server says so, and accepts again when there are some.
#[test]
fn descriptors_may_run_out() {
    let scratch = Scratch::new("descriptors");
    let script = ECHO
        .replace("println(text)", "eprint(text)")
        .replace("eprint", "print_once");
    let script = format!(
        "let told = 0\nfn print_once(text) {{\n    told += 1\n    if (told == 1) {{ println(text) }}\n}}\n{script}"
    );
    scratch.file("script.ae", script);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 24; exec \"$0\" script.ae"])
        .arg(aether_tests::binary())
        .current_dir(scratch.path());
    let mut script = Running::start(&mut command);
    let port: u16 = script.line().parse().unwrap();
    let crowd: Vec<TcpStream> = std::iter::repeat_with(|| connect(port)).take(40).collect();
    assert_eq!(
        script.line(),
        "tcp_listen: cannot accept: Too many open files (os error 24)"
    );
    drop(crowd);
    let mut last = connect(port);
    last.write_all(b"quit\n").unwrap();
    assert_eq!(read_all(&last), b"quit\n");
    assert_eq!(script.end(), (0, "open 0\n".to_owned(), String::new()));
}

/// Resident size of a process, in bytes.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The most descriptors that this process may have.
fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    soft.unwrap_or(1024)
}

/// Ten thousand idle connections, or as many as this process may have, in 32 MB.
#[test]
#[cfg(target_os = "linux")]
fn idle_connections_are_small() {
    const WANTED: usize = 10_000;
    let count = WANTED.min(descriptors().saturating_sub(100));
    if count < WANTED {
        println!("the limit of descriptors allows {count} connections instead of {WANTED}");
    }
    let script = ECHO.replace(
        "open += 1",
        &format!("open += 1; if (open == {count}) {{ println(\"all\") }}"),
    );
    let mut script = Server::start("idle", &script);
    let before = resident(script.running.id());
    let mut crowd: Vec<TcpStream> = std::iter::repeat_with(|| script.connect()).take(count).collect();
    assert_eq!(script.running.line(), "all");
    let used = resident(script.running.id()) - before;
    println!("{count} connections: {used} bytes");
    assert!(used <= (32 << 20) * count as u64 / WANTED as u64, "{used} bytes");
    // They are alive, the last and the first of them.
    for stream in [0, count / 2, count - 1] {
        crowd[stream].write_all(b"hello\n").unwrap();
        let mut answer = [0; 6];
        crowd[stream].read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello\n");
    }
    crowd[7].write_all(b"quit\n").unwrap();
    for stream in &crowd {
        read_all(stream);
    }
    ended_well(script, "open 0\n");
}

/// The first SIGINT closes in peace; `accept` returns and the script goes on.
#[test]
fn an_interrupt_closes_servers_in_peace() {
    let script = Server::start("peace", ECHO);
    let mut stream = script.connect();
    stream.write_all(b"before\n").unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    script.running.signal("-INT");
    assert_eq!(read_all(&stream), b"");
    ended_well(script, "open 0\n");
}

/// A peer that does not read holds the shutdown up, until its time is over or a second SIGINT comes.
#[test]
fn a_graceful_shutdown_has_an_end() {
    const STUCK: &str = r#"
        let srv = tcp_listen("127.0.0.1:0")
        srv.on_listen(fn() { println(srv.port) })
        let text = repeat("0123456789abcdef", 1 << 20)
        srv.on_connect(fn(conn) {
            conn.write(text)
            println("written")
        })
        srv.on_disconnect(fn(conn) { println("disconnect") })
        srv.accept()
        println("after")
    "#;
    let mut script = Server::start_with("grace", STUCK, |command| {
        command.env("AETHER_GRACEFUL_SHUTDOWN_TIMEOUT_SECS", "0.3");
    });
    let stream = script.connect();
    assert_eq!(script.running.line(), "written");
    let begun = Instant::now();
    script.running.signal("-INT");
    ended_well(script, "disconnect\nafter\n");
    assert!(begun.elapsed() >= Duration::from_millis(250));
    drop(stream);

    let mut script = Server::start_with("twice", STUCK, |command| {
        command.env("AETHER_GRACEFUL_SHUTDOWN_TIMEOUT_SECS", "50");
    });
    let stream = script.connect();
    assert_eq!(script.running.line(), "written");
    let begun = Instant::now();
    script.running.signal("-INT");
    std::thread::sleep(Duration::from_millis(300));
    script.running.signal("-INT");
    ended_well(script, "after\n");
    assert!(begun.elapsed() < Duration::from_secs(25));
    drop(stream);
}

/// A client against a server of ours that sends, waits, and vanishes.
#[test]
fn a_client_sees_the_end_of_its_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        r#"
        println({port})
        let c = tcp_connect("127.0.0.1:{port}", {{"delimiter": ";"}})
        c.on_connect(fn() {{ c.write("hello") }})
        c.on_message(fn(data) {{ println("message", data) }})
        c.on_disconnect(fn() {{ println("disconnect") }})
        c.on_error(fn(text) {{ println("error", text) }})
        c.start()
        println("returned")
        "#
    );
    let script = Server::start("client", &text);
    let (mut stream, _) = listener.accept().unwrap();
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
    stream.write_all(b"a;b").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    stream.write_all(b"c;rest").unwrap();
    drop(stream);
    ended_well(script, "message [97]\nmessage [98, 99]\ndisconnect\nreturned\n");
}

#[test]
fn datagrams_of_every_size_come_back() {
    let script = Server::start(
        "udp",
        r#"
        let sock = udp_bind("127.0.0.1:0")
        sock.on_listen(fn() { println(sock.port) })
        sock.on_message(fn(data, addr) {
            sock.send_to(data, addr)
            if (data.equals([113])) { sock.close() }
        })
        sock.listen()
        println("end")
        "#,
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(NETWORK_TIMEOUT)).unwrap();
    socket.connect(("127.0.0.1", script.port)).unwrap();
    let mut buffer = vec![0; 70_000];
    for size in [0, 1, 1400, 65_507, 1] {
        let sent: Vec<u8> = (0..size)
            .map(|index| if size == 1 { b'x' } else { index as u8 })
            .collect();
        socket.send(&sent).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        assert!(buffer[..length] == sent, "{size}");
    }
    socket.send(b"q").unwrap();
    assert_eq!(socket.recv(&mut buffer).unwrap(), 1);
    ended_well(script, "end\n");
}

#[test]
fn an_interrupt_ends_listening() {
    let script = Server::start(
        "listening",
        "let sock = udp_bind(\"127.0.0.1:0\")\nsock.on_listen(fn() { println(sock.port) })\nsock.listen()\nprintln(\"end\")\n",
    );
    script.running.signal("-INT");
    ended_well(script, "end\n");
}

// --- async without sockets ---

fn run(name: &str, text: &str, variables: &[(&str, &str)]) -> (i32, String, String, Duration) {
    let scratch = Scratch::new(name);
    scratch.file("script.ae", text);
    let mut command = scratch.command(&["script.ae"]);
    command.envs(variables.iter().copied());
    let begun = Instant::now();
    let (status, out, err) = status_and_output(command.output().unwrap());
    (status, out, err, begun.elapsed())
}

#[test]
fn sleeps_left_behind_do_not_delay_the_exit() {
    let (status, out, err, took) = run(
        "left-behind",
        "set_workers(2)\nsleep(30)\nasync fn f() { await sleep(30) }\nPromise.race([f(), 1])\nPromise.race([f(), sleep(0.01)])\nprintln(\"end\")\n",
        &[],
    );
    assert_eq!((status, out.as_str(), err.as_str()), (0, "end\n", ""));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Reading a pipe that nobody writes blocks a worker; the exit does not wait for it, nor for what is queued behind it.
#[test]
fn writes_are_completed_and_reads_are_not() {
    let scratch = Scratch::new("writes");
    let made = Command::new("mkfifo")
        .arg("pipe")
        .current_dir(scratch.path())
        .status();
    assert!(made.unwrap().success());
    let text = "set_workers(2)\nread_file(\"pipe\")\nfor i in range(20) { write_file(\"file ${i}\", i) }\nfor i in range(20) { read_file(\"pipe\") }\nwrite_file(\"last\", \"done\")\n";
    scratch.file("script.ae", text);
    assert_eq!(scratch.run(&["script.ae"]), (0, String::new(), String::new()));
    assert_eq!(fs::read_to_string(scratch.path().join("last")).unwrap(), "done");
    assert_eq!(fs::read_to_string(scratch.path().join("file 19")).unwrap(), "19");
    let fragment = "set_workers(1)\nwrite_file(\"fragment\", \"whole\")\n5";
    assert_eq!(
        scratch.run(&["eval", fragment]),
        (0, "5\n".to_owned(), String::new())
    );
    assert_eq!(
        fs::read_to_string(scratch.path().join("fragment")).unwrap(),
        "whole"
    );
    scratch.file(
        "failing.ae",
        "set_workers(1)\nwrite_file(\"failing\", \"whole\")\nthrow \"x\"\n",
    );
    assert_eq!(scratch.run(&["failing.ae"]).0, 1);
    assert_eq!(
        fs::read_to_string(scratch.path().join("failing")).unwrap(),
        "whole"
    );
}

#[test]
fn settings_come_from_the_environment() {
    let text = "println(type(sleep(0)))";
    let kind = |value| run("workers", text, &[("AETHER_IO_WORKERS", value)]).1;
    assert_eq!(kind("2"), "promise\n");
    for ignored in ["", "0", "-1", "many", "1.5"] {
        assert_eq!(kind(ignored), "null\n", "{ignored}");
    }
    let text = "set_workers(1)\nsleep(0.01).then(fn() { println(1) })\ntry { sleep(0.01).then(fn() {}) } catch(e) { println(e) }\n";
    let (status, out, err, _) = run("queue", text, &[("AETHER_QUEUE_LIMIT", "1")]);
    assert_eq!(
        (status, out.as_str(), err.as_str()),
        (0, "Event loop queue is full (limit: 1)\n1\n", "")
    );
    let text = "set_workers(1)\nlet t = clock()\nset_task_timeout(null)\nsleep(30).then(fn() {})\nevent_loop()\nprintln(clock() - t < 20)\nset_task_timeout(0.01)\nthrow \"end\"\n";
    let (status, out, _, _) = run("loop", text, &[("AETHER_EVENT_LOOP_TIMEOUT", "0.05")]);
    assert_eq!((status, out.as_str()), (1, "true\n"));
    let text = "set_workers(1)\nsleep(30).then(fn() {})\n";
    let (status, _, err, took) = run("deadline", text, &[("AETHER_EVENT_LOOP_TIMEOUT", "0.05")]);
    let expected = "event_loop: task failed (callback skipped): task timed out\n";
    assert_eq!((status, err.as_str()), (0, expected));
    assert!(took < Duration::from_secs(20));
}

/// Ctrl-C ends a program that waits: in `await`, in the drain, in a plain `sleep`.
#[test]
fn an_interrupt_ends_waiting() {
    for (name, wait) in [
        ("await", "set_workers(1)\n    await sleep(50)"),
        (
            "combinator",
            "set_workers(1)\n    Promise.all([sleep(50), sleep(60)])",
        ),
        ("plain", "sleep(50)"),
        (
            "event-loop",
            "set_workers(1)\n    sleep(50).then(fn() {})\n    event_loop()",
        ),
    ] {
        let text = format!(
            "println(1)\ntry {{\n    {wait}\n}} catch(e) {{ println(\"caught\") }} finally {{ println(\"cleaned\") }}\n"
        );
        let script = Server::start(name, &text);
        let begun = Instant::now();
        std::thread::sleep(Duration::from_millis(100));
        script.running.signal("-INT");
        assert_eq!(
            script.end(),
            (130, "cleaned\n".to_owned(), String::new()),
            "{name}"
        );
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

/// The example's server and two of its clients.
#[test]
fn the_chat_example_works() {
    let examples = aether_tests::repository().join("examples");
    let start = |script: &str, address: &str| {
        let mut command = Command::new(aether_tests::binary());
        command.arg(examples.join(script)).arg(address);
        Running::start(command.stdin(Stdio::piped()))
    };
    let mut server = start("chat_server.ae", "127.0.0.1:0");
    let first = server.line();
    let address = first
        .strip_prefix("listening on ")
        .unwrap_or_else(|| panic!("{first}"));
    let mut members = Vec::new();
    for (name, greeting) in [("Ada", "* 0 here"), ("Zoë", "* 1 here, Ada")] {
        let mut client = start("chat_client.ae", address);
        let mut says = client.input();
        assert_eq!(client.line(), "* What is your name?");
        writeln!(says, "{name}").unwrap();
        assert_eq!(client.line(), greeting);
        assert_eq!(server.line(), format!("* {name} comes in"));
        members.push((client, says));
    }
    // Reading a line blocks a client: it hears what was said after its next line.
    writeln!(members[1].1, "grüße 🎉").unwrap();
    assert_eq!(server.line(), "Zoë: grüße 🎉");
    writeln!(members[0].1, "hello").unwrap();
    assert_eq!(members[0].0.line(), "* Zoë comes in");
    assert_eq!(members[0].0.line(), "Zoë: grüße 🎉");
    assert_eq!(server.line(), "Ada: hello");
    for (client, says) in members {
        drop(says);
        let (status, rest, _) = client.end();
        assert!(rest.ends_with("(disconnected)\n"), "{rest}");
        assert_eq!(status, 0);
    }
    server.signal("-INT");
    let rest = "* Ada leaves\n* Zoë leaves\nclosed\n".to_owned();
    assert_eq!(server.end(), (0, rest, String::new()));
}

/// An engine that is dropped with sleeps, jobs, callbacks, servers and parked coroutines out ends at once and leaves
/// nothing.
#[test]
fn an_engine_with_work_out_leaves_nothing() {
    let scratch = Scratch::new("work-out");
    let made = Command::new("mkfifo")
        .arg("pipe")
        .current_dir(scratch.path())
        .status();
    assert!(made.unwrap().success());
    let pipe = scratch.path().join("pipe");
    let code = format!(
        r#"
        let long = sleep(1000)
        let stuck = read_file("{}")
        long.then(fn() {{ println(stuck) }})
        async fn wait(held) {{
            await Promise.race([long, stuck])
            println(held)
        }}
        let server = tcp_listen("127.0.0.1:0")
        server.on_connect(fn(conn) {{
            conn.write("x")
            await sleep(1000)
        }})
        async fn serve() {{ server.accept() }}
        let client = tcp_connect(server.address)
        client.on_message(fn(data) {{ println(server) }})
        async fn talk() {{ client.start() }}
        let socket = udp_bind("127.0.0.1:0")
        async fn listen() {{ socket.listen() }}
        Promise.race([wait([1, 2]), serve(), talk(), listen(), sleep(0.05)])
        server
        "#,
        pipe.display()
    );
    let mut engine = aether::Engine::builder()
        .host(aether::SystemHost::new())
        .io_workers(Some(2))
        .build()
        .unwrap();
    let begun = Instant::now();
    drop(engine.eval(code).unwrap());
    let report = engine.shut_down();
    assert_eq!((report.live_objects, report.live_bytes), (0, 0));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// What combinators do for one of n promises does not depend on n.
#[test]
fn waiting_for_many_promises_is_linear() {
    let text = "set_workers(1)\nlet n = int(args[0])\nlet r = Promise.all(map(range(n), fn(i) { return sleep(i * 0.000001) }))\nprintln(r.length)\n";
    let scratch = Scratch::new("many");
    scratch.file("script.ae", text);
    let begun = Instant::now();
    assert_eq!(
        scratch.run(&["script.ae", "100000"]),
        (0, "100000\n".to_owned(), String::new())
    );
    // It takes a fraction of a second; looking at all that is left at every wake would take minutes.
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// What the runtime holds at the end stays, and is no leak.
#[test]
fn the_leak_check_names_what_the_runtime_holds() {
    let scratch = Scratch::new("leaks");
    let text = "set_workers(1)\nasync fn nap(held) {\n    await sleep(1000)\n    println(held)\n}\nPromise.race([nap([1, 2]), 1])\nPromise.race([nap([3]), sleep(0.01)])\nsleep(900).then(fn() { println(2) })\nasync fn serve() { tcp_listen(\"127.0.0.1:0\").accept() }\nPromise.race([serve(), sleep(0.01)])\nthrow \"end\"\n";
    scratch.file("script.ae", text);
    let (status, _, err) = scratch.run(&["run", "--leak-check", "script.ae"]);
    assert_eq!(status, 1);
    assert!(
        err.contains("leak-check: 0 objects in 0 unreachable cycles (0 bytes)"),
        "{err}"
    );
    for holder in [
        "held by a timer",
        "held by the queue of callbacks",
        "held by a listener",
    ] {
        assert!(err.contains(holder), "{holder}: {err}");
    }
}

/// Between the inputs of a prompt, what is ready is served, and nothing is waited for.
#[test]
fn what_is_ready_can_be_served_without_waiting() {
    let host = aether::MemoryHost::new();
    let mut engine = aether::Engine::builder()
        .host(host.clone())
        .io_workers(Some(1))
        .build()
        .unwrap();
    let code = "sleep(1).then(fn() { println(1) })\nsleep(2).then(fn() { throw 2 })\nsleep(3).then(fn() { println(3) })\nnull";
    drop(engine.eval(code).unwrap());
    engine.serve_ready().unwrap();
    assert_eq!(host.stdout(), "");
    host.advance(2.5);
    engine.serve_ready().unwrap();
    assert_eq!(
        (host.stdout().as_str(), host.stderr().as_str()),
        ("1\n", "event_loop: callback error: 2\n")
    );
    host.advance(10.0);
    engine.serve_ready().unwrap();
    assert_eq!(host.stdout(), "1\n3\n");
    assert_eq!(engine.shut_down().live_objects, 0);
}
