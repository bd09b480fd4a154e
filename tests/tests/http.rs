//! `http_get` and `http_post` against servers on loopback that the tests start.
//!
//! Source: library reference chapter 12, and points 5 and 6 of chapter 17.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether::{Engine, Host, MemoryHost, Permission, Waiting, Waker};
use aether_tests::{Running, Scratch, repository, status_and_output};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A request as the server got it.
struct Asked {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Asked {
    fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

fn read_request(stream: &mut dyn Read) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let mut asked = Asked {
        line: line.trim_end().to_owned(),
        headers,
        body: Vec::new(),
    };
    let length = asked
        .header("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

/// A response with a body and its length.
fn response(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        let _ = write!(head, "{header}\r\n");
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

fn ok(body: &str) -> Vec<u8> {
    response(
        "200 OK",
        &["Content-Type: text/plain; charset=utf-8"],
        body.as_bytes(),
    )
}

/// Starts a server that handles each connection in a thread, for as long as the test runs; gives its port.
fn serve(handle: impl Fn(Asked, &mut TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), handle) = (stream, handle.clone()) else {
                return;
            };
            thread::spawn(move || {
                if let Some(asked) = read_request(&mut stream) {
                    handle(asked, &mut stream);
                }
            });
        }
    });
    port
}

/// A server that answers with what `answer` gives.
fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    serve(move |asked, stream| {
        // A client that has gone is the client's business.
        let _ = stream.write_all(&answer(&asked));
    })
}

/// What a script prints; `PORT` in it is the server's. With `pool`, every result is awaited from a pool of two.
fn run(script: &str, port: u16, pool: bool) -> String {
    let host = MemoryHost::new();
    let mut engine = Engine::builder().host(host.clone()).build().unwrap();
    let begin = if pool { "set_workers(2)\n" } else { "" };
    let script = format!("{begin}{}", script.replace("PORT", &port.to_string()));
    engine.run_text("test.ae", script).unwrap();
    let report = engine.shut_down();
    assert_eq!(report.live_objects, 0);
    assert_eq!(host.stderr(), "");
    host.stdout()
}

/// Without a pool and with one, the same.
fn check(script: &str, port: u16, expected: &str) {
    let expected = expected.replace("PORT", &port.to_string());
    for pool in [false, true] {
        assert_eq!(run(script, port, pool), expected, "pool: {pool}");
    }
}

const ATTEMPT: &str = "fn attempt(f) { try { println(await f()) } catch (e) { println(e.message) } }\n";

/// Attempts each expression.
fn attempts(expressions: &[&str]) -> String {
    let mut script = ATTEMPT.to_owned();
    for expression in expressions {
        let _ = writeln!(script, "attempt(fn() {{ return {expression} }})");
    }
    script
}

#[test]
fn bodies_come_as_text_whatever_the_status() {
    let port = answering(|asked| match asked.path() {
        "/missing" => response("404 Not Found", &[], b"no such page"),
        "/broken" => response("500 Internal Server Error", &[], b"oops"),
        "/empty" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/no-length" => b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec(),
        "/chunked" => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
                .to_vec()
        }
        "/old" => b"HTTP/1.0 200 OK\r\n\r\nold".to_vec(),
        path => ok(&format!(
            "{} {path}",
            asked.line.split(' ').next().unwrap_or_default()
        )),
    });
    let script = attempts(&[
        r#"http_get("http://127.0.0.1:PORT/a?b=c#d")"#,
        r#"http_get("http://localhost:PORT")"#,
        r#"http_get("HTTP://127.0.0.1:PORT/missing")"#,
        r#"http_get("http://127.0.0.1:PORT/broken")"#,
        r#"[http_get("http://127.0.0.1:PORT/empty")].length"#,
        r#"http_get("http://127.0.0.1:PORT/no-length")"#,
        r#"http_get("http://127.0.0.1:PORT/chunked")"#,
        r#"http_get("http://127.0.0.1:PORT/old")"#,
        r#"http_post("http://127.0.0.1:PORT/p", "")"#,
    ]);
    let expected = "GET /a?b=c\nGET /\nno such page\noops\n1\nuntil the end\nhello world\nold\nPOST /p\n";
    check(&script, port, expected);
}

#[test]
fn requests_say_what_they_should() {
    let port = answering(|asked| {
        let mut text = String::from_utf8(asked.body.clone()).unwrap();
        for name in ["user-agent", "content-type", "content-length"] {
            let _ = write!(text, "|{}", asked.header(name).unwrap_or("-"));
        }
        ok(&text)
    });
    let script = attempts(&[
        r#"http_get("http://127.0.0.1:PORT/")"#,
        r#"http_get("http://127.0.0.1:PORT/", {"user_agent": "me/1", "unknown": 3})"#,
        r#"http_post("http://127.0.0.1:PORT/", [1, "é"])"#,
        r#"http_post("http://127.0.0.1:PORT/", null, {"user_agent": "me/2", "timeout": 5.5})"#,
        r#"http_get("http://127.0.0.1:PORT/", {"user_agent": "a\nb: c"})"#,
        r#"http_get("http://127.0.0.1:PORT/", {"user_agent": "é"})"#,
    ]);
    let bad =
        "HTTP error for 'http://127.0.0.1:PORT/': the user agent has characters that no header may have";
    let expected =
        format!("|aether/0.1|-|-\n|me/1|-|-\n[1, é]|aether/0.1|-|7\nnull|me/2|-|4\n{bad}\n{bad}\n");
    check(&script, port, &expected);
}

#[test]
fn options_are_checked_before_anything_goes_out() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let port = answering(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        ok("")
    });
    let script = attempts(&[
        "http_get()",
        r#"http_get("u", {}, 1)"#,
        r#"http_post("u")"#,
        "http_get(1)",
        r#"http_get("http://127.0.0.1:PORT/", 5)"#,
        r#"http_get("http://127.0.0.1:PORT/", null)"#,
        r#"http_get("http://127.0.0.1:PORT/", {"timeout": "5"})"#,
        r#"http_get("http://127.0.0.1:PORT/", {"user_agent": 1})"#,
        r#"http_post("http://127.0.0.1:PORT/", "b", [])"#,
    ]);
    let expected = "Expected 1 arguments, got 0\n\
        Expected 2 arguments, got 3\n\
        Expected 2 arguments, got 1\n\
        Type error: expected string, got int\n\
        Type error: expected dict, got int\n\
        Type error: expected dict, got null\n\
        Type error: expected int, got string\n\
        Type error: expected string, got int\n\
        Type error: expected dict, got array\n";
    check(&script, port, expected);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn redirects_are_followed_up_to_ten() {
    let port = answering(|asked| {
        let to =
            |status: &str, location: &str| response(status, &[&format!("Location: {location}")], b"moved");
        let (path, number) = asked.path().rsplit_once('/').unwrap();
        let number: u32 = number.parse().unwrap_or(0);
        match path {
            "/down" if number > 0 => to("302 Found", &(number - 1).to_string()),
            "/loop" => to("301 Moved Permanently", "/loop/x"),
            "/see" => to("303 See Other", "/end/1?from=see"),
            "/keep" => to("307 Temporary Redirect", "../end/2"),
            "/post" => to("302 Found", "/end/3"),
            "/ftp" => to("302 Found", "ftp://127.0.0.1/x"),
            "/bad" => to("302 Found", "http://"),
            "/nowhere" => response("302 Found", &[], b"no location"),
            "/unchanged" => response("304 Not Modified", &["Location: /end/9"], b""),
            _ => ok(&format!(
                "{} {}",
                asked.line,
                String::from_utf8_lossy(&asked.body)
            )),
        }
    });
    let script = attempts(&[
        r#"http_get("http://127.0.0.1:PORT/down/10")"#,
        r#"http_get("http://127.0.0.1:PORT/down/11")"#,
        r#"http_get("http://127.0.0.1:PORT/loop/1")"#,
        r#"http_post("http://127.0.0.1:PORT/see/1", "body")"#,
        r#"http_post("http://127.0.0.1:PORT/keep/1", "body")"#,
        r#"http_post("http://127.0.0.1:PORT/post/1", "body")"#,
        r#"http_get("http://127.0.0.1:PORT/ftp/1")"#,
        r#"http_get("http://127.0.0.1:PORT/bad/1")"#,
        r#"http_get("http://127.0.0.1:PORT/nowhere/1")"#,
        r#"[http_get("http://127.0.0.1:PORT/unchanged/1")].length"#,
    ]);
    let expected = "GET /down/0 HTTP/1.1 \n\
        HTTP error for 'http://127.0.0.1:PORT/down/11': more than 10 redirects\n\
        HTTP error for 'http://127.0.0.1:PORT/loop/1': more than 10 redirects\n\
        GET /end/1?from=see HTTP/1.1 \n\
        POST /end/2 HTTP/1.1 body\n\
        GET /end/3 HTTP/1.1 \n\
        HTTP error for 'http://127.0.0.1:PORT/ftp/1': unsupported scheme 'ftp'\n\
        HTTP error for 'http://127.0.0.1:PORT/bad/1': malformed URL: it has no host\n\
        no location\n\
        1\n";
    check(&script, port, expected);
}

#[test]
fn text_is_decoded_by_its_charset() {
    let port = answering(|asked| {
        let (content_type, body): (&str, &[u8]) = match asked.path() {
            "/latin" => ("text/plain; charset=ISO-8859-1", b"na\xefve"),
            "/utf16" => ("text/plain; charset=\"utf-16le\"", b"h\0\xe9\0"),
            "/unknown" => ("text/plain; charset=klingon", "é".as_bytes()),
            "/invalid" => ("text/plain", b"a\xffb"),
            "/bom" => ("text/plain", b"\xef\xbb\xbfx"),
            _ => ("application/json", "\"é\"".as_bytes()),
        };
        response("200 OK", &[&format!("Content-Type: {content_type}")], body)
    });
    let script = attempts(&[
        r#"http_get("http://127.0.0.1:PORT/latin")"#,
        r#"http_get("http://127.0.0.1:PORT/utf16")"#,
        r#"http_get("http://127.0.0.1:PORT/unknown")"#,
        r#"http_get("http://127.0.0.1:PORT/invalid")"#,
        r#"http_get("http://127.0.0.1:PORT/bom")"#,
        r#"json_parse(await http_get("http://127.0.0.1:PORT/json"))"#,
    ]);
    check(&script, port, "naïve\nhé\né\na\u{fffd}b\nx\né\n");
}

#[test]
fn compressed_bodies_are_unpacked() {
    let pack = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let (small, mut broken) = (pack("packed é".as_bytes()), pack(b"broken"));
    broken.truncate(broken.len() - 9);
    let port = answering(move |asked| {
        assert!(
            asked
                .header("accept-encoding")
                .is_some_and(|value| value.contains("gzip"))
        );
        let body = if asked.path() == "/broken" {
            &broken
        } else {
            &small
        };
        response("200 OK", &["Content-Encoding: gzip"], body)
    });
    assert_eq!(
        run(&attempts(&[r#"http_get("http://127.0.0.1:PORT/")"#]), port, false),
        "packed é\n"
    );
    let text = run(
        &attempts(&[r#"http_get("http://127.0.0.1:PORT/broken")"#]),
        port,
        true,
    );
    assert!(
        text.starts_with(&format!("HTTP error for 'http://127.0.0.1:{port}/broken': ")),
        "{text}"
    );
}

#[test]
fn slow_servers_run_into_the_timeout() {
    let port = serve(|asked, stream| {
        let dribble = asked.path() == "/dribble";
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n");
        if dribble {
            let _ = stream.write_all(b"\r\n");
        }
        // Each piece in time, the whole never.
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(20));
            if stream
                .write_all(if dribble { b"x" } else { b"X-A: b\r\n" })
                .is_err()
            {
                return;
            }
        }
    });
    let started = Instant::now();
    let script = attempts(&[
        r#"http_get("http://127.0.0.1:PORT/head", {"timeout": 0.3})"#,
        r#"http_get("http://127.0.0.1:PORT/dribble", {"timeout": 0.3})"#,
        r#"http_post("http://127.0.0.1:PORT/dribble", "x", {"timeout": 0})"#,
        r#"http_get("http://127.0.0.1:PORT/dribble", {"timeout": -1})"#,
    ]);
    let expected = "HTTP error for 'http://127.0.0.1:PORT/head': timed out after 0.3s\n\
        HTTP error for 'http://127.0.0.1:PORT/dribble': timed out after 0.3s\n\
        HTTP error for 'http://127.0.0.1:PORT/dribble': timed out after 0s\n\
        HTTP error for 'http://127.0.0.1:PORT/dribble': timed out after 0s\n";
    check(&script, port, expected);
    assert!(started.elapsed() < Duration::from_secs(6));
    // Enough time is no problem.
    let slow = serve(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(10));
            let _ = stream.write_all(b"x");
        }
    });
    check(
        &attempts(&[r#"http_get("http://127.0.0.1:PORT/")"#]),
        slow,
        "xxxxxxxxxx\n",
    );
}

#[test]
fn connections_that_end_early_are_errors() {
    let port = serve(|asked, stream| {
        let text: &[u8] = match asked.path() {
            "/nothing" => b"",
            "/half-a-head" => b"HTTP/1.1 200 OK\r\nContent-Le",
            "/half-a-body" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "/half-a-chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
            _ => b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        };
        let _ = stream.write_all(text);
    });
    for path in ["nothing", "half-a-head", "half-a-body", "half-a-chunk", "garbage"] {
        let url = format!("http://127.0.0.1:{port}/{path}");
        for pool in [false, true] {
            let text = run(&attempts(&[&format!("http_get(\"{url}\")")]), port, pool);
            let begin = format!("HTTP error for '{url}': ");
            assert!(text.starts_with(&begin) && text.len() > begin.len() + 1, "{text}");
        }
    }
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    // A port that nobody listens on: this one was ours a moment ago.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let script = attempts(&[
        r#"http_get("")"#,
        r#"http_get("example.org")"#,
        r#"http_get("ftp://127.0.0.1/")"#,
        r#"http_get("file:///etc/passwd")"#,
        r#"http_get("http://")"#,
        r#"http_get("http://a b/")"#,
        r#"http_post("gopher://x/", 1)"#,
    ]);
    let scheme = "malformed URL: it begins with neither http:// nor https://";
    let expected = format!(
        "HTTP error for '': {scheme}\n\
        HTTP error for 'example.org': {scheme}\n\
        HTTP error for 'ftp://127.0.0.1/': unsupported scheme 'ftp'\n\
        HTTP error for 'file:///etc/passwd': unsupported scheme 'file'\n\
        HTTP error for 'http://': malformed URL: it has no host\n\
        HTTP error for 'http://a b/': malformed URL: invalid uri character\n\
        HTTP error for 'gopher://x/': unsupported scheme 'gopher'\n"
    );
    check(&script, 0, &expected);
    let script = attempts(&[r#"http_get("http://127.0.0.1:PORT/")"#]);
    check(
        &script,
        free,
        "HTTP error for 'http://127.0.0.1:PORT/': Connection refused (os error 111)\n",
    );
    let text = run(
        &attempts(&[r#"http_get("http://no-such-host.invalid/")"#]),
        0,
        true,
    );
    assert!(
        text.starts_with("HTTP error for 'http://no-such-host.invalid/': "),
        "{text}"
    );
}

/// Bodies larger than the budget: an error that can be caught, and no more memory than that.
#[test]
fn large_bodies_are_bounded_and_charged() {
    let zeros = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..200 {
            encoder.write_all(&vec![b'0'; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let port = serve(move |asked, stream| {
        if asked.path() == "/bomb" {
            let _ = stream.write_all(&response("200 OK", &["Content-Encoding: gzip"], &zeros));
            return;
        }
        let endless = asked.path() == "/endless";
        let length = if endless {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", 20 << 20)
        };
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes());
        for _ in 0..if endless { 1000 } else { 20 } {
            if stream.write_all(&vec![b'x'; 1 << 20]).is_err() {
                return;
            }
        }
    });
    for (limit, expected) in [
        (64, "20971520\nout_of_memory\nout_of_memory\n"),
        (8, "out_of_memory\nout_of_memory\nout_of_memory\n"),
    ] {
        for pool in ["", "set_workers(1)\n"] {
            let host = MemoryHost::new();
            let builder = Engine::builder().host(host.clone()).max_memory(Some(limit << 20));
            let mut engine = builder.build().unwrap();
            let mut script = pool.to_owned();
            for path in ["large", "endless", "bomb"] {
                let _ = writeln!(
                    script,
                    "try {{ println(len(await http_get(\"http://127.0.0.1:{port}/{path}\"))) }} catch (e) {{ println(e.kind) }}"
                );
            }
            engine.run_text("test.ae", script).unwrap();
            assert_eq!(host.stdout(), expected, "{limit} MiB, {pool}");
        }
    }
}

/// Two requests that wait for each other: with a pool they run at the same time.
#[test]
fn requests_overlap_in_a_pool() {
    let (enter, entered) = mpsc::channel();
    let entered = std::sync::Mutex::new(entered);
    let port = serve(move |asked, stream| {
        if asked.path() == "/first" {
            let second = entered.lock().unwrap().recv_timeout(Duration::from_secs(10));
            let _ = stream.write_all(&ok(if second.is_ok() { "both" } else { "alone" }));
        } else {
            let _ = enter.send(());
            let _ = stream.write_all(&ok("second"));
        }
    });
    let script = "println(Promise.all([http_get(\"http://127.0.0.1:PORT/first\"), http_post(\"http://127.0.0.1:PORT/second\", 1)]))\n";
    assert_eq!(run(script, port, true), "[both, second]\n");
    let script = "println(Promise.allSettled([http_get(\"x://y\")]))\nprintln(map([\"http://127.0.0.1:PORT/second\"], http_get).length)\n";
    assert_eq!(
        run(script, port, true),
        "[{status: rejected, reason: HTTP error for 'x://y': unsupported scheme 'x'}]\n1\n"
    );
}

/// A host that permits one place only.
struct Fenced(MemoryHost, String);

impl Host for Fenced {
    fn write_out(&mut self, text: &str) -> io::Result<()> {
        self.0.write_out(text)
    }

    fn write_err(&mut self, text: &str) -> io::Result<()> {
        self.0.write_err(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn read_line(&mut self) -> io::Result<String> {
        self.0.read_line()
    }

    fn clock(&mut self) -> f64 {
        0.0
    }

    fn monotonic(&mut self) -> u64 {
        self.0.monotonic()
    }

    fn wait(&mut self, waker: &Waker, waiting: Waiting) {
        self.0.wait(waker, waiting);
    }

    fn entropy(&mut self) -> u64 {
        0
    }

    fn permit(&mut self, permission: Permission, what: &str) -> Result<(), String> {
        let allowed = permission == Permission::Net && what == self.1;
        allowed
            .then_some(())
            .ok_or_else(|| format!("{} access to \"{what}\"", permission.as_str()))
    }
}

#[test]
fn redirects_do_not_leave_what_is_permitted() {
    let other = answering(|_| ok("secret"));
    let port = answering(move |asked| match asked.path() {
        "/out" => response(
            "302 Found",
            &[&format!("Location: http://127.0.0.1:{other}/")],
            b"",
        ),
        "/in" => response("302 Found", &["Location: /end"], b""),
        _ => ok("inside"),
    });
    let host = MemoryHost::new();
    let fenced = Fenced(host.clone(), format!("127.0.0.1:{port}"));
    let mut engine = Engine::builder().host(fenced).build().unwrap();
    let script = attempts(&[
        &format!("http_get(\"http://127.0.0.1:{port}/in\")"),
        &format!("http_get(\"http://127.0.0.1:{port}/out\")"),
        &format!("http_get(\"http://127.0.0.1:{other}/\")"),
    ]);
    engine.run_text("test.ae", script).unwrap();
    assert_eq!(
        host.stdout(),
        format!(
            "inside\nPermission denied: net access to \"127.0.0.1:{other}\"\nPermission denied: net access to \"127.0.0.1:{other}\"\n"
        )
    );
}

#[test]
fn settings_come_from_the_environment() {
    let port = serve(|asked, stream| {
        if asked.path() == "/slow" {
            thread::sleep(Duration::from_secs(3));
        }
        let _ = stream.write_all(&ok(asked.header("user-agent").unwrap_or_default()));
    });
    let scratch = Scratch::new("http-settings");
    let script = attempts(&[
        r#"http_get("http://127.0.0.1:PORT/")"#,
        r#"http_get("http://127.0.0.1:PORT/slow")"#,
    ]);
    scratch.file("script.ae", script.replace("PORT", &port.to_string()));
    let mut command = scratch.command(&["script.ae"]);
    command
        .env("AETHER_HTTP_TIMEOUT", "0.5")
        .env("AETHER_HTTP_USER_AGENT", "set/1")
        .env("http_proxy", "http://127.0.0.1:1/");
    assert_eq!(
        status_and_output(command.output().unwrap()),
        (
            0,
            format!("set/1\nHTTP error for 'http://127.0.0.1:{port}/slow': timed out after 0.5s\n"),
            String::new()
        )
    );
}

/// A server with the certificate of this file name.
fn serve_tls(certificate: &str) -> u16 {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let directory = repository().join("tests/tls");
    let chain = CertificateDer::pem_file_iter(directory.join(certificate)).unwrap();
    let chain: Vec<_> = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(directory.join("localhost.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), config) = (stream, config.clone()) else {
                return;
            };
            thread::spawn(move || {
                let mut connection = rustls::ServerConnection::new(config).unwrap();
                let mut tls = rustls::Stream::new(&mut connection, &mut stream);
                if read_request(&mut tls).is_some() {
                    let _ = tls.write_all(&ok("over TLS"));
                    connection.send_close_notify();
                    let _ = connection.complete_io(&mut stream);
                }
            });
        }
    });
    port
}

/// Certificates: unknown, known, for another name; and no TLS at all.
#[test]
fn certificates_are_checked() {
    let (good, other) = (serve_tls("localhost.pem"), serve_tls("other.pem"));
    let plain = answering(|_| ok("no TLS"));
    let scratch = Scratch::new("tls");
    let get = |port: u16| format!("http_get(\"https://localhost:{port}/\", {{\"timeout\": 10}})");
    scratch.file("script.ae", attempts(&[&get(good), &get(other), &get(plain)]));
    let run = |trusted: bool| {
        let mut command = scratch.command(&["script.ae"]);
        if trusted {
            command.env("SSL_CERT_FILE", repository().join("tests/tls/ca.pem"));
        } else {
            command.env_remove("SSL_CERT_FILE");
        }
        let (status, stdout, stderr) = status_and_output(command.output().unwrap());
        assert_eq!((status, stderr.as_str()), (0, ""));
        stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let refused = |line: &str, port: u16, reason: &str| {
        let begin = format!("HTTP error for 'https://localhost:{port}/': ");
        assert!(line.starts_with(&begin) && line.contains(reason), "{line}");
    };
    let lines = run(true);
    assert_eq!(lines[0], "over TLS");
    refused(&lines[1], other, "certificate");
    refused(&lines[2], plain, "");
    let lines = run(false);
    refused(&lines[0], good, "certificate");
    refused(&lines[1], other, "certificate");
}

/// The example's output, for arguments in which `PORT` is the server's.
fn example(name: &str, port: u16, args: &[&str]) -> String {
    let scratch = Scratch::new("example");
    let path = repository().join("examples").join(name);
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.replace("PORT", &port.to_string()))
        .collect();
    let mut all = vec![path.to_str().unwrap()];
    all.extend(args.iter().map(String::as_str));
    let (status, stdout, stderr) = scratch.run(&all);
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    stdout.replace(&port.to_string(), "PORT")
}

#[test]
fn the_poller_tries_again_and_tells_what_changed() {
    let asked = AtomicUsize::new(0);
    let port = serve(move |request, stream| {
        assert_eq!(request.header("user-agent"), Some("poller/1"));
        let answer = match request.path() {
            // Twice nothing, then something, then something else.
            "/flaky" => match asked.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => return,
                2 => ok("first"),
                _ => ok("another"),
            },
            "/dead" => return,
            _ => ok("steady"),
        };
        let _ = stream.write_all(&answer);
    });
    let urls = [
        "http://127.0.0.1:PORT/steady",
        "http://127.0.0.1:PORT/flaky",
        "http://127.0.0.1:PORT/dead",
    ];
    let output = example("http_poller.ae", port, &["2", "0.02", urls[0], urls[1], urls[2]]);
    let mut lines: Vec<&str> = output.lines().collect();
    // Attempts that fail at the same time fail in any order.
    lines.sort_unstable();
    let mut expected = vec![
        "http://127.0.0.1:PORT/steady: 6 characters",
        "http://127.0.0.1:PORT/flaky: attempt 1 failed, next one in 0.02 s",
        "http://127.0.0.1:PORT/flaky: attempt 2 failed, next one in 0.04 s",
        "http://127.0.0.1:PORT/flaky: 5 characters",
        "http://127.0.0.1:PORT/flaky: changed from 5 to 7 characters",
    ];
    for _ in 0..2 {
        expected.extend([
            "http://127.0.0.1:PORT/dead: attempt 1 failed, next one in 0.02 s",
            "http://127.0.0.1:PORT/dead: attempt 2 failed, next one in 0.04 s",
            "http://127.0.0.1:PORT/dead: given up",
        ]);
    }
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn the_json_client_talks_to_a_service() {
    let done = AtomicUsize::new(0);
    let port = answering(move |asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let answer = match (asked.line.split(' ').next(), asked.path()) {
            (Some("GET"), "/tasks") => {
                let first = done.load(Ordering::SeqCst) == 1;
                format!(
                    r#"{{"data": [{{"id": 1, "title": "größer", "done": {first}}}, {{"id": 2, "title": "b", "done": false}}]}}"#
                )
            }
            (Some("POST"), "/tasks") => {
                assert_eq!(
                    body,
                    r#"{"title":"write \"more\" tests","tags":["tests","naïve"]}"#
                );
                r#"{"data": {"id": 3, "tags": ["tests", "na\u00efve"]}}"#.to_owned()
            }
            (_, "/done") if body == r#"{"id":1}"# => {
                done.store(1, Ordering::SeqCst);
                r#"{"data": null}"#.to_owned()
            }
            _ => return response("404 Not Found", &[], br#"{"error": "no such task"}"#),
        };
        response("200 OK", &["Content-Type: application/json"], answer.as_bytes())
    });
    assert_eq!(
        example("json_client.ae", port, &["http://127.0.0.1:PORT"]),
        "[ ] 1. größer\n[ ] 2. b\nadded 3 with 2 tags\n[x] 1. größer\n[ ] 2. b\nerror: /done: no such task\n"
    );
}

/// Closing a body that comes by and by ends the wait for its next piece, though the server says nothing more.
#[test]
fn closing_a_body_ends_the_wait_for_its_next_piece() {
    let (over, hold) = mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let port = serve(move |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
            .unwrap();
        let _ = hold.lock().unwrap().recv();
    });
    let scratch = Scratch::new("body-close");
    let script = format!(
        r#"
import http
set_workers(1)
let body = (await http.get("http://127.0.0.1:{port}/", {{"stream": true, "timeout": 600}})).body
async fn read() {{
    let pieces = []
    for piece in body {{ pieces.push(piece.to_string()) }}
    return pieces
}}
let reading = Promise.spawn(read)
await sleep(0.2)
println(reading.status)
body.close()
println(await reading)
"#
    );
    scratch.file("script.ae", script);
    let ended = scratch.run(&["run", "--timeout", "30s", "script.ae"]);
    assert_eq!(ended, (0, "pending\n[hello]\n".to_owned(), String::new()));
    drop(over);
}

/// Ctrl-C ends a request that nobody answers, without a pool too; `finally` blocks run.
#[test]
#[cfg(unix)]
fn an_interrupt_ends_a_request() {
    let (arrived, wait_for_it) = mpsc::channel();
    let port = serve(move |_, _| {
        let _ = arrived.send(());
        thread::sleep(Duration::from_secs(20));
    });
    for pool in ["", "set_workers(1)\n"] {
        let scratch = Scratch::new("interrupted");
        let script = format!(
            "{pool}try {{ await http_get(\"http://127.0.0.1:{port}/\") }} catch (e) {{ println(\"caught\") }} finally {{ println(\"cleaned\") }}\n"
        );
        scratch.file("script.ae", script);
        let running = Running::start(&mut scratch.command(&["script.ae"]));
        wait_for_it.recv_timeout(Duration::from_secs(20)).unwrap();
        let started = Instant::now();
        running.signal("-INT");
        let (status, stdout, _) = running.end();
        assert_eq!((status, stdout.as_str()), (130, "cleaned\n"), "{pool}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn requests_count_as_open_handles() {
    let scratch = Scratch::new("http-handles");
    let script = format!(
        r#"
import http
set_workers(4)
let url = "http://127.0.0.1:{}/"
let first = http.get(url)
try {{ http.get(url) }} catch (e) {{ println(e.kind) }}
try {{ http_get(url) }} catch (e) {{ println(e.kind) }}
println((await first).body, (await http.get(url)).body, await http_get(url))
let client = http.client()
println((await client.get(url)).body, (await client.get(url)).body)
try {{ http.get(url) }} catch (e) {{ println("kept:", e.kind) }}
client = null
let streamed = await http.get(url, {{"stream": true}})
try {{ http.get(url) }} catch (e) {{ println("streamed:", e.kind) }}
for piece in streamed.body {{ print(piece.to_string(), "") }}
println((await http.get(url)).body)
"#,
        answering(|_| ok("ok"))
    );
    scratch.file("script.ae", script);
    let (status, output, errors) = scratch.run(&["run", "--max-open", "1", "script.ae"]);
    assert_eq!((status, errors.as_str()), (0, ""));
    assert_eq!(
        output,
        "limit\nlimit\nok ok ok\nok ok\nkept: limit\nstreamed: limit\nok ok\n"
    );
}
