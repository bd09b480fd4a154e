//! `cargo xtask bench-net`: echo servers and HTTP servers in several languages, under the same load.
//!
//! Echo servers have two loads: many connections that each send a small message and wait for it, and one that streams.
//! The load comes from this process, so the figures are of both together; what differs between rows is the server.
//! HTTP servers are asked for a text and for JSON by `wrk`, if that is installed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::tools;

/// Connections that send small messages.
const CONNECTIONS: usize = 50;
/// Bytes of a small message.
const SMALL: usize = 64;
/// How long they do.
const TIME: Duration = Duration::from_secs(2);
/// Bytes that are streamed.
const STREAM: usize = 256 << 20;
/// Bytes written at a time.
const PIECE: usize = 64 << 10;

/// A server that runs.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs every server that can be run, and prints a line for each.
///
/// # Errors
/// Ours cannot be run, or a connection fails.
pub(crate) fn run() -> Result<(), String> {
    let aether = tools::release_binary()?.to_string_lossy().into_owned();
    let directory = tools::root().join("benches/net");
    println!("{:<10}{:>16}{:>16}", "server", "messages/s", "MB/s");
    for (name, program, file) in [
        ("aether", aether.as_str(), "echo.ae"),
        ("buffers", aether.as_str(), "echo_buffer.ae"),
        ("node", "node", "echo.js"),
        ("python3", "python3", "echo.py"),
    ] {
        let measure = |load: &dyn Fn(u16) -> std::io::Result<f64>| -> Result<f64, String> {
            let server = start(program, &directory.join(file))?;
            load(server.port).map_err(|error| format!("{name}: {error}"))
        };
        match (measure(&messages), measure(&stream)) {
            (Ok(messages), Ok(stream)) => println!("{name:<10}{messages:>16.0}{stream:>16.0}"),
            (Err(error), _) | (_, Err(error)) if name == "aether" => return Err(error),
            (Err(error), _) | (_, Err(error)) => println!("{name:<10}  {error}"),
        }
    }
    run_http(&aether, &directory)
}

/// Connections that ask over HTTP, and for how many seconds.
const HTTP_CONNECTIONS: &str = "-c64";
const HTTP_TIME: &str = "-d5s";

/// Runs every HTTP server that can be run, and prints a line for each.
fn run_http(aether: &str, directory: &Path) -> Result<(), String> {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("wrk is not installed: no HTTP");
        return Ok(());
    }
    println!("{:<10}{:>16}{:>16}", "http", "text/s", "JSON/s");
    for (name, program, file) in [
        ("aether", aether, "web.ae"),
        ("node", "node", "web.js"),
        ("python3", "python3", "web.py"),
    ] {
        let measure = || -> Result<(f64, f64), String> {
            let server = start(program, &directory.join(file))?;
            Ok((requests(server.port, "/")?, requests(server.port, "/json")?))
        };
        match measure() {
            Ok((text, json)) => println!("{name:<10}{text:>16.0}{json:>16.0}"),
            Err(error) if name == "aether" => return Err(error),
            Err(error) => println!("{name:<10}  {error}"),
        }
    }
    Ok(())
}

/// Requests a second, as `wrk` counts them.
fn requests(port: u16, path: &str) -> Result<f64, String> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = Command::new("wrk")
        .args(["-t1", HTTP_CONNECTIONS, HTTP_TIME, &url])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let figure = figure.and_then(|figure| figure.trim().parse().ok());
    figure.ok_or_else(|| format!("wrk says {text:?}"))
}

/// Starts a server and waits until it says where it listens.
fn start(program: &str, file: &Path) -> Result<Server, String> {
    let mut child = Command::new(program)
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
    }
    let port = line.trim().parse();
    let mut server = Server { child, port: 0 };
    server.port = port.map_err(|_| format!("no port: {line:?}"))?;
    Ok(server)
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Small messages there and back, a second.
fn messages(port: u16) -> std::io::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let mut talkers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = connect(port)?;
        let stop = stop.clone();
        talkers.push(std::thread::spawn(move || -> std::io::Result<u64> {
            let (message, mut answer) = ([7; SMALL], [0; SMALL]);
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                stream.write_all(&message)?;
                stream.read_exact(&mut answer)?;
                count += 1;
            }
            Ok(count)
        }));
    }
    std::thread::sleep(TIME);
    stop.store(true, Ordering::Relaxed);
    let mut total = 0;
    for talker in talkers {
        total += talker.join().unwrap_or(Ok(0))?;
    }
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

/// Megabytes there and back over one connection, a second.
fn stream(port: u16) -> std::io::Result<f64> {
    let mut stream = connect(port)?;
    let mut writer = stream.try_clone()?;
    let begun = Instant::now();
    let writing = std::thread::spawn(move || -> std::io::Result<()> {
        let piece = vec![7; PIECE];
        for _ in 0..STREAM / PIECE {
            writer.write_all(&piece)?;
        }
        Ok(())
    });
    let mut buffer = vec![0; PIECE];
    let mut left = STREAM;
    while left > 0 {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        left -= count;
    }
    drop(writing.join());
    Ok(STREAM as f64 / 1e6 / begun.elapsed().as_secs_f64())
}
