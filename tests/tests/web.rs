//! The module `http` against real peers: hostile clients, TLS, signals, files.
//!
//! Source: library reference §E11.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Command;
use std::time::Duration;

use aether_tests::{Running, Scratch, Server, binary, repository};

/// What a server of HTTP answers.
trait Answers {
    /// What is answered to these bytes, up to the end of the connection.
    fn answer(&self, request: &[u8]) -> String;

    /// The status line of an answer.
    fn status(&self, request: &[u8]) -> String {
        self.answer(request).lines().next().unwrap_or_default().to_owned()
    }

    /// Whether it serves as ever.
    fn check(&self) {
        let answer = self.answer(b"GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n/ok:"), "{answer}");
    }
}

impl Answers for Server {
    fn answer(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // A server that refuses may close before it has everything.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

const ECHO: &str = r#"
import http
let server = http.serve("127.0.0.1:0", fn(req) {
    if (req.path == "/large") { return "x".repeat(1000000) }
    if (req.path == "/huge") { return "x".repeat(30000000) }
    return req.path + ":" + req.body
}, {"timeout": TIMEOUT, "max_body": 1000})
println(server.port)
"#;

fn echo(name: &str, timeout: &str) -> Server {
    Server::start(name, &ECHO.replace("TIMEOUT", timeout))
}

#[test]
fn slow_peers_are_given_up() {
    let server = echo("web-slow", "0.3");
    // Nothing, a head that does not end, a body that does not end.
    assert_eq!(server.answer(b""), "");
    let answer = server.answer(b"GET / HTTP/1.1\r\nHost: h\r\nX: ");
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    let answer = server.status(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    assert_eq!(answer, "HTTP/1.1 408 Request Timeout");
    let answer =
        server.status(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_eq!(answer, "HTTP/1.1 408 Request Timeout");
    // Bytes of a head that come one by one do not extend its time.
    let mut stream = server.connect();
    let head = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(1000));
    let mut sent = 0;
    for byte in head.as_bytes() {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(sent < head.len(), "it took all of them");
    server.check();
}

#[test]
fn large_heads_are_refused() {
    let server = echo("web-heads", "20");
    let long = |length: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(length));
    assert!(server.status(long(17_000).as_bytes()).starts_with("HTTP/1.1 431"));
    // What has not been read when the connection is closed may keep the answer from arriving.
    let answer = server.status(long(100_000).as_bytes());
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let mut many = "GET / HTTP/1.1\r\nHost: h\r\n".to_owned();
    for n in 0..200 {
        let _ = write!(many, "X{n}: y\r\n");
    }
    many.push_str("\r\n");
    assert!(server.status(many.as_bytes()).starts_with("HTTP/1.1 431"));
    let path = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "y".repeat(100_000));
    let answer = server.status(path.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    // A megabyte without a line end.
    let _ = server.answer(&vec![b'G'; 1 << 20]);
    server.check();
}

#[test]
fn malformed_requests_are_refused() {
    let server = echo("web-malformed", "1");
    for request in [
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nabc",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, what\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}",
        "GET /\u{0} HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        let answer = server.status(request.as_bytes());
        assert!(
            answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{request:?}: {answer}"
        );
    }
    let answer = server
        .status(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nabc");
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    server.check();
}

#[test]
fn requests_may_break_off_anywhere() {
    let server = echo("web-broken", "5");
    let request = b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: r\r\n\r\n";
    for length in 0..=request.len() {
        let mut stream = server.connect();
        stream.write_all(&request[..length]).unwrap();
        drop(stream);
    }
    // Answers that nobody waits for.
    for _ in 0..50 {
        let mut stream = server.connect();
        stream
            .write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        drop(stream);
    }
    server.check();
}

#[test]
fn requests_in_a_row_are_answered_in_order() {
    let server = echo("web-pipelining", "20");
    let mut requests = String::new();
    let mut expected = Vec::new();
    for n in 0..50 {
        let last = if n == 49 { "Connection: close\r\n" } else { "" };
        let body = "b".repeat(n);
        let _ = write!(
            requests,
            "POST /{n} HTTP/1.1\r\nHost: h\r\n{last}Content-Length: {n}\r\n\r\n{body}"
        );
        expected.push(format!("/{n}:{body}"));
    }
    let answer = server.answer(requests.as_bytes());
    let bodies: Vec<&str> = answer
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|part| part.split_once("\r\n\r\n").unwrap().1)
        .collect();
    assert_eq!(bodies, expected);
}

#[test]
fn the_protocol_is_kept() {
    let server = echo("web-protocol", "20");
    let old = server.answer(b"GET /old HTTP/1.0\r\n\r\n");
    assert!(
        old.starts_with("HTTP/1.0 200 OK\r\n") && old.ends_with("/old:"),
        "{old}"
    );
    let head = server.answer(b"HEAD /head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(
        head.contains("content-length: 6\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    // A peer that asks before it sends is told to go on, or not to.
    let mut stream = server.connect();
    stream
        .write_all(b"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.write_all(b"abc").unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("/c:abc"), "{rest}");
    let refused =
        server.status(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(refused, "HTTP/1.1 413 Payload Too Large");
    // Chunks that exceed the limit only when they are there.
    let mut chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..11 {
        let _ = write!(chunked, "64\r\n{}\r\n", "x".repeat(100));
    }
    chunked.push_str("0\r\n\r\n");
    assert_eq!(
        server.status(chunked.as_bytes()),
        "HTTP/1.1 413 Payload Too Large"
    );
    server.check();
}

#[test]
fn peers_that_never_read_hold_up_nobody() {
    let server = echo("web-deaf", "1");
    let mut deaf = Vec::new();
    for _ in 0..200 {
        let mut stream = server.connect();
        stream
            .write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        deaf.push(stream);
    }
    for _ in 0..20 {
        server.check();
    }
    // One whose answer the system does not hold is given up after its time, whatever part has left.
    let mut stream = server.connect();
    stream
        .write_all(b"GET /huge HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    assert!(
        ended.is_err() || answer.len() < 30_000_000,
        "{ended:?} {}",
        answer.len()
    );
    server.check();
}

#[test]
fn many_silent_connections_are_held() {
    let server = echo("web-idle", "60");
    let mut silent = Vec::new();
    for n in 0..2000 {
        let mut stream = server.connect();
        if n % 2 == 0 {
            stream.write_all(b"GET /ok HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        }
        silent.push(stream);
    }
    server.check();
    // Those that kept their connections are served again.
    for stream in silent.iter_mut().step_by(200) {
        stream
            .write_all(b"GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.matches("/ok:").count(), 2, "{answer}");
    }
}

#[test]
fn an_interrupt_lets_answers_leave() {
    let server = Server::start(
        "web-interrupt",
        r#"
import http
set_workers(2)
let server = http.serve("127.0.0.1:0", async fn(req) {
    println("begun")
    await sleep(0.3)
    return "answered"
})
println(server.port)
fn main() { println("main is over") }
"#,
    );
    let mut idle = server.connect();
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut server = server;
    for expected in ["main is over", "begun"] {
        assert_eq!(server.running.line(), expected);
    }
    server.running.signal("-INT");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("answered"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(server.end(), (0, String::new(), String::new()));
}

#[test]
fn files_are_served_from_their_directory_alone() {
    let scratch = Scratch::new("web-files");
    for (name, text) in [
        ("secret.txt", "secret"),
        ("public/a.txt", "file a"),
        ("public/index.html", "<p>index"),
        ("public/.hidden", "hidden"),
        ("public/sub/index.html", "<p>sub"),
        ("public2/b.txt", "file b"),
    ] {
        let path = scratch.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::write(scratch.path().join("public/big.bin"), vec![7; 5 << 20]).unwrap();
    #[cfg(unix)]
    for (target, link) in [
        ("../secret.txt", "link"),
        ("..", "up"),
        ("a.txt", "inner"),
        ("../public2", "beside"),
    ] {
        std::os::unix::fs::symlink(target, scratch.path().join("public").join(link)).unwrap();
    }
    let server = Server::start_in(
        scratch,
        r#"
import http
let router = http.router()
router.static("/f", "public")
let server = http.serve("127.0.0.1:0", router)
println(server.port)
"#,
        &[],
    );
    let ask = |line: &str, headers: &str| {
        server.answer(format!("{line} HTTP/1.1\r\nHost: h\r\n{headers}Connection: close\r\n\r\n").as_bytes())
    };
    for (path, body) in [
        ("/f/a.txt", "file a"),
        ("/f/inner", "file a"),
        ("/f/", "<p>index"),
        ("/f/sub/", "<p>sub"),
        ("/f/index.html", "<p>index"),
    ] {
        let answer = ask(&format!("GET {path}"), "");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(body),
            "{path}: {answer}"
        );
    }
    for path in [
        "/f/../secret.txt",
        "/f/%2e%2e/secret.txt",
        "/f/..%2fsecret.txt",
        "/f/..%5csecret.txt",
        "/f/link",
        "/f/up/secret.txt",
        "/f/beside/b.txt",
        "/f/.hidden",
        "/f//etc/passwd",
        "/f/a.txt%00",
        "/f/none",
        "/f2/b.txt",
    ] {
        let answer = ask(&format!("GET {path}"), "");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let moved = ask("GET /f/sub", "");
    assert!(
        moved.starts_with("HTTP/1.1 301") && moved.contains("location: /f/sub/\r\n"),
        "{moved}"
    );
    let refused = ask("POST /f/a.txt", "");
    assert!(
        refused.starts_with("HTTP/1.1 405") && refused.contains("allow: GET, HEAD\r\n"),
        "{refused}"
    );
    let head = ask("HEAD /f/a.txt", "");
    assert!(
        head.contains("content-length: 6\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(
        head.contains("content-type: text/plain; charset=utf-8\r\n"),
        "{head}"
    );
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim_start_matches(": ").to_owned()
    };
    for known in [
        format!("If-None-Match: {}\r\n", field("etag")),
        format!("If-None-Match: \"x\", W/{}\r\n", field("etag")),
        format!("If-Modified-Since: {}\r\n", field("last-modified")),
    ] {
        let answer = ask("GET /f/a.txt", &known);
        assert!(
            answer.starts_with("HTTP/1.1 304") && answer.ends_with("\r\n\r\n"),
            "{known}: {answer}"
        );
    }
    let changed = ask("GET /f/a.txt", "If-None-Match: \"x\"\r\n");
    assert!(changed.ends_with("file a"), "{changed}");
    let part = ask("GET /f/a.txt", "Range: bytes=1-3\r\n");
    assert!(
        part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\nile"),
        "{part}"
    );
    assert!(part.contains("content-range: bytes 1-3/6\r\n"), "{part}");
    let beyond = ask("GET /f/a.txt", "Range: bytes=6-\r\n");
    assert!(beyond.starts_with("HTTP/1.1 416"), "{beyond}");
    let big = ask("GET /f/big.bin", "");
    assert_eq!(big.len() - big.find("\r\n\r\n").unwrap() - 4, 5 << 20);
}

/// What a client script prints, beside a server with a certificate.
fn over_tls(certificate: &str, script: &str) -> String {
    let tls = repository().join("tests/tls");
    let text = format!(
        r#"
import http
let server = http.serve("127.0.0.1:0", fn(req) {{
    if (req.headers.has("upgrade")) {{
        let ws = req.upgrade()
        ws.on_message(fn(data) {{ ws.send("over TLS: " + data) }})
        return null
    }}
    return "over TLS"
}}, {{"tls": {{"cert": "{0}/{certificate}", "key": "{0}/localhost.key"}}}})
println(server.port)
"#,
        tls.display()
    );
    let server = Server::start("web-tls", &text);
    let client = format!(
        "import http\n{}",
        script.replace("PORT", &server.port.to_string())
    );
    server.scratch.file("client.ae", client);
    let mut command = server.scratch.command(&["client.ae"]);
    command.env("SSL_CERT_FILE", tls.join("ca.pem"));
    let output = command.output().unwrap();
    // Plain text, and a handshake that breaks off.
    let _ = server.answer(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut broken = server.connect();
    broken.write_all(&[22, 3, 1, 2]).unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const TLS_CLIENT: &str = r#"
fn attempt(f) { try { println(f()) } catch (e) { println(e.message) } }
attempt(fn() { return http.get("https://localhost:PORT/").body })
attempt(fn() { return http.get("https://localhost:PORT/", {"verify_tls": false}).body })
fn talk(opts) {
    let ws = http.websocket("wss://localhost:PORT/", opts)
    ws.send("hello")
    return ws.next()
}
attempt(fn() { return talk({}) })
attempt(fn() { return talk({"verify_tls": false}) })
"#;

#[test]
fn servers_speak_tls() {
    let good = over_tls("localhost.pem", TLS_CLIENT);
    assert_eq!(good, "over TLS\nover TLS\nover TLS: hello\nover TLS: hello\n");
    let other = over_tls("other.pem", TLS_CLIENT);
    let lines: Vec<&str> = other.lines().collect();
    assert!(
        lines[0].starts_with("HTTP error for 'https://localhost:"),
        "{other}"
    );
    assert!(lines[0].contains("certificate"), "{other}");
    assert_eq!(lines[1], "over TLS");
    assert!(
        lines[2].starts_with("HTTP error for 'wss://localhost:") && lines[2].contains("certificate"),
        "{other}"
    );
    assert_eq!(lines[3], "over TLS: hello");
}

#[test]
fn permissions_are_asked_for() {
    let scratch = Scratch::new("web-permissions");
    scratch.file(
        "script.ae",
        r#"
import http
fn attempt(f) { try { println(f()) } catch (e) { println(e.message) } }
attempt(fn() { return http.serve("127.0.0.1:0", fn(req) { return "" }) })
attempt(fn() { return http.get("http://127.0.0.1:1/") })
attempt(fn() { return http.client().post("http://127.0.0.1:1/") })
attempt(fn() { return http.websocket("ws://127.0.0.1:1/") })
attempt(fn() { return http.router().static("/", ".") })
"#,
    );
    let (_, out, _) = scratch.run(&["run", "--sandbox", "script.ae"]);
    let expected = "Permission denied: listen access to \"127.0.0.1:0\" (run with --allow-listen=127.0.0.1:0)\n\
        Permission denied: net access to \"127.0.0.1:1\" (run with --allow-net=127.0.0.1:1)\n\
        Permission denied: net access to \"127.0.0.1:1\" (run with --allow-net=127.0.0.1:1)\n\
        Permission denied: net access to \"127.0.0.1:1\" (run with --allow-net=127.0.0.1:1)\n\
        Permission denied: read access to \".\" (run with --allow-read=.)\n";
    assert_eq!(out, expected);
}

/// A response that outgrows the budget is an error of the script; a request that does is refused, and the server goes on.
#[test]
fn bodies_count_for_the_budget() {
    let scratch = Scratch::new("web-budget");
    let server = Server::start_in(
        scratch,
        r#"
import http
let kept = []
let server = http.serve("127.0.0.1:0", fn(req) {
    if (req.path == "/ok") { return "/ok:" }
    kept.push(req)
    return "kept"
}, {"max_body": 4000000})
println(server.port)
"#,
        &["run", "--max-memory", "20M"],
    );
    let body = "x".repeat(3_000_000);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let statuses: Vec<String> = (0..10).map(|_| server.status(request.as_bytes())).collect();
    assert_eq!(statuses[0], "HTTP/1.1 200 OK");
    assert!(statuses[9].starts_with("HTTP/1.1 50"), "{statuses:?}");
    server.check();
}

/// The command that runs an example.
fn run_example(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg(repository().join("examples").join(name))
        .args(arguments);
    command
}

/// What an example prints, which ends well.
fn example(name: &str, arguments: &[&str]) -> String {
    let output = run_example(name, arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An example that serves, which says something before its address, and that address.
fn serving(name: &str, arguments: &[&str], says: &str) -> (Running, String) {
    let mut service = Running::start(&mut run_example(name, arguments));
    let line = service.line();
    let url = line.strip_prefix(says).unwrap_or_else(|| panic!("{line}"));
    let url = url.trim_end_matches('/').to_owned();
    (service, url)
}

/// What a service printed that ends well when it is interrupted.
fn interrupt(service: Running) -> String {
    service.signal("-INT");
    let (status, out, errors) = service.end();
    assert_eq!((status, errors.as_str()), (0, ""));
    out
}

#[test]
fn the_todo_example_works() {
    let scratch = Scratch::new("web-todo");
    let file = scratch.path().join("todo.json");
    let file = file.to_str().unwrap();
    let begin = || serving("todo_service.ae", &["127.0.0.1:0", file], "serving at ");
    let (service, url) = begin();
    for (arguments, expected) in [
        (vec!["list"], ""),
        (vec!["add", "write to Ada"], "  1 write to Ada\n"),
        (vec!["add", "täglich"], "  2 täglich\n"),
        (vec!["done", "1"], "x 1 write to Ada\n"),
        (vec!["done", "7"], "refused (404): there is no todo 7\n"),
        (vec!["add", " "], "refused (422): text is missing\n"),
        (vec!["remove", "1"], ""),
    ] {
        let mut all = vec![url.as_str()];
        all.extend(arguments);
        assert_eq!(example("todo_client.ae", &all), expected, "{all:?}");
    }
    interrupt(service);
    let (service, url) = begin();
    assert_eq!(example("todo_client.ae", &[&url, "list"]), "  2 täglich\n");
    interrupt(service);
}

#[test]
fn the_server_with_a_pool_answers_while_its_workers_work() {
    let (service, url) = serving("pool_server.ae", &["127.0.0.1:0", "2"], "serving at ");
    let scratch = Scratch::new("web-pool");
    scratch.file(
        "ask.ae",
        "import http
async fn ask(path) { return http.get(args[0] + path).json() }
fn main() {
    let paths = [\"/primes/200000\", ...[\"/primes/${n}\" for n in 10..16]]
    for answer in await Promise.all([Promise.spawn(ask, path) for path in paths]) { println(answer[\"primes\"]) }
    println(http.get(args[0] + \"/status\").json())
    let refused = http.get(args[0] + \"/primes/9999999\")
    println(refused.status, refused.json())
}
",
    );
    let (status, output, errors) = scratch.run(&["ask.ae", &url]);
    interrupt(service);
    assert_eq!(
        (status, output.as_str(), errors.as_str()),
        (
            0,
            "17984\n4\n4\n5\n5\n6\n6\n{waiting: 0, answered: 7}\n422 {error: n has to be between 0 and 5000000}\n",
            ""
        )
    );
}

#[test]
fn the_chat_in_the_browser_works() {
    let (chat, url) = serving("web_chat.ae", &["127.0.0.1:0"], "open ");
    let scratch = Scratch::new("web-chat");
    let client = format!(
        r#"
import http
let page = http.get("{url}/")
println(page.headers["content-type"], page.body.contains("new WebSocket"))
fn enter(name) {{
    let ws = http.websocket("{url}/chat".replace("http", "ws"))
    println(ws.next())
    ws.send(name)
    println(ws.next())
    return ws
}}
let ada = enter("Ada")
let zoe = enter("Zoë")
println(ada.next())
zoe.send("hello")
println(ada.next(), zoe.next())
ada.close()
println(zoe.next())
"#
    );
    let client = client.replace("https", "http");
    scratch.file("client.ae", client);
    let (status, out, errors) = scratch.run(&["client.ae"]);
    assert_eq!((status, errors.as_str()), (0, ""));
    let expected = "text/html; charset=utf-8 true\nWhat is your name?\n* Ada comes in\nWhat is your name?\n* Zoë comes in\n\
        * Zoë comes in\nZoë: hello Zoë: hello\n* Ada leaves\n";
    assert_eq!(out, expected);
    let rest = interrupt(chat);
    assert!(
        rest.starts_with("* Ada comes in\n* Zoë comes in\nZoë: hello\n* Ada leaves\n"),
        "{rest}"
    );
}

#[test]
fn the_link_checker_finds_what_leads_nowhere() {
    let scratch = Scratch::new("web-links");
    std::fs::create_dir_all(scratch.path().join("site/sub")).unwrap();
    scratch.file(
        "site/index.html",
        "<a href=\"sub/\">s</a> <a class=x href='none.html#x'>n</a><a href=\"mailto:x@y\">m</a>",
    );
    scratch.file(
        "site/sub/index.html",
        "<a href=\"../index.html?x=1\">up</a><A HREF=\"/gone\">g</a>",
    );
    let server = Server::start_in(
        scratch,
        "import http\nlet r = http.router()\nr.static(\"/\", \"site\")\nprintln(http.serve(\"127.0.0.1:0\", r).port)\n",
        &[],
    );
    let url = format!("http://127.0.0.1:{}", server.port);
    let out = example("link_checker.ae", &[&format!("{url}/")]);
    let expected = format!(
        "{url}/none.html (in {url}/): status 404\n{url}/gone (in {url}/sub/): status 404\n5 links, 2 broken\n"
    );
    assert_eq!(out, expected);
}

#[test]
fn shutdown_lets_servers_answer_and_end() {
    let scratch = Scratch::new("web-shutdown");
    let script = r#"
import http
set_workers(1)
let server = http.serve("127.0.0.1:0", fn(request) {
    shutdown()
    return "last words"
})
async fn ask() { println(await http_get("http://127.0.0.1:${server.port}/")) }
Promise.spawn(ask)
event_loop_forever()
println("served")
"#;
    scratch.file("script.ae", script);
    let (status, output, errors) = scratch.run(&["run", "--timeout", "60s", "script.ae"]);
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        (status, lines, errors.as_str()),
        (0, vec!["last words", "served"], "")
    );
}
