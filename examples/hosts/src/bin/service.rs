//! A small web service whose handlers are scripts: one engine for each request, so that no request sees another's data.
//!
//! `cargo run --release -p example-hosts --bin service [ADDRESS]`, then `curl localhost:8080/hello?name=you`
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the service says where it is")]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use aether::{Engine, Error, IntoValue, Program, Value, ValueExt as _};

const HANDLERS: &str = include_str!("../../scripts/service.ae");

/// The longest body that is read.
const MAX_BODY: usize = 1 << 20;

/// A request, as handlers see it.
#[derive(Debug, IntoValue)]
struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    body: String,
    #[aether(skip)]
    keeps_open: bool,
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The next request of a connection; none at its end.
fn read(connection: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if connection.by_ref().take(8192).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(invalid("no request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: String::new(),
        keeps_open: true,
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        connection.by_ref().take(8192).read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(|_| invalid("no length"))?,
            "connection" => request.keeps_open = !value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    if length > MAX_BODY {
        return Err(invalid("too long"));
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    request.body = String::from_utf8(body).map_err(|_| invalid("no text"))?;
    Ok(Some(request))
}

/// The answer of the script: its status and JSON text. Each request has an engine, memory and time of its own.
fn answer(program: &Program, request: Request) -> Result<(u16, String), Error> {
    let mut engine = Engine::builder()
        .max_memory(Some(16 << 20))
        .timeout(Some(Duration::from_millis(100)))
        .build()?;
    program.run::<Value>(&mut engine)?;
    let (status, value) = match program.call::<Value>(&mut engine, "handle", (request,)) {
        Ok(value) => (200, value),
        Err(error) => {
            let status = error
                .thrown()
                .and_then(|thrown| engine.member_value(thrown, "status"));
            let message = error
                .thrown()
                .and_then(|thrown| engine.member_value(thrown, "message"));
            let message = match message {
                Some(message) => message,
                None => error.to_string().into_value(engine.heap())?,
            };
            let status = status.and_then(|status| status.try_to().ok()).unwrap_or(400);
            let body = aether::Pairs([("error", message)]).into_value(engine.heap())?;
            (status, body)
        }
    };
    let json = engine
        .prelude_value("json_stringify")
        .ok_or_else(|| Error::message("this engine has no JSON"))?;
    Ok((status, engine.call_value(&json, (value,))?.try_to()?))
}

fn serve(connection: TcpStream, program: &Program) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader)? {
        let keeps_open = request.keeps_open;
        let (status, body) = answer(program, request)
            .unwrap_or_else(|error| (500, format!("{{\"error\": {:?}}}", error.to_string())));
        let head = format!(
            "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        writer.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        if !keeps_open {
            break;
        }
    }
    Ok(())
}

/// Accepts connections, each served by a thread.
fn listen(listener: &TcpListener, program: &Program) -> io::Result<()> {
    for connection in listener.incoming() {
        let (connection, program) = (connection?, program.clone());
        thread::spawn(move || serve(connection, &program));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Parsed once; each engine compiles it.
    let program = Program::from_file("service.ae", HANDLERS).map_err(|error| error.render())?;
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address)?;
    println!("listening on http://{}", listener.local_addr()?);
    listen(&listener, &program)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_by_the_script() {
        let program = Program::from_file("service.ae", HANDLERS).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listen(&listener, &program));
        let mut connection = TcpStream::connect(address).unwrap();
        let mut reader = BufReader::new(connection.try_clone().unwrap());
        let mut ask = |request: &str| {
            connection.write_all(request.as_bytes()).unwrap();
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
            }
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            (head[9..12].to_owned(), String::from_utf8(body).unwrap())
        };
        let mut is = |request: &str, status: &str, body: &str| {
            assert_eq!(ask(request), (status.to_owned(), body.to_owned()), "{request}");
        };
        is(
            "GET /hello?name=you HTTP/1.1\r\n\r\n",
            "200",
            "{\"hello\":\"you\"}",
        );
        is(
            "POST /sum HTTP/1.1\r\nContent-Length: 9\r\n\r\n[1, 2, 3]",
            "200",
            "{\"sum\":6,\"count\":3}",
        );
        is(
            "POST /sum HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
            "400",
            "{\"error\":\"Parse error (JSON): expected value at line 1 column 1\"}",
        );
        is(
            "GET /endless HTTP/1.1\r\n\r\n",
            "400",
            "{\"error\":\"Timed out after 100ms\"}",
        );
        is(
            "GET /no HTTP/1.1\r\n\r\n",
            "404",
            "{\"error\":\"nothing at /no\"}",
        );
    }
}
