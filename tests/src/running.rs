//! A command that runs beside its test: what it prints as it comes, signals, its end.
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::io::{BufRead, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::Scratch;

/// How long anything on loopback may take, on however slow a machine.
pub const NETWORK_TIMEOUT: Duration = Duration::from_mins(1);

/// A program that runs. It is ended with its value.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    /// Starts a command, whose output and errors are the test's.
    pub fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, if the command has a pipe there; it is closed when that goes.
    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// The next line that it prints, without the line end; nothing at the end.
    pub fn line(&mut self) -> String {
        line_of(&mut self.stdout)
    }

    /// The next line of its errors.
    pub fn error_line(&mut self) -> String {
        line_of(&mut self.stderr)
    }

    /// The next bytes that it prints.
    pub fn bytes<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        self.stdout.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Sends a signal of this name, such as `-INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end: its status, the rest of what it printed, and its errors.
    pub fn end(mut self) -> (i32, String, String) {
        let (mut out, mut errors) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.stderr.read_to_string(&mut errors).unwrap();
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), out, errors)
    }
}

fn line_of(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script that serves, and prints its port first.
pub struct Server {
    /// Where its script lies.
    pub scratch: Scratch,
    /// The command that runs it.
    pub running: Running,
    /// Its port, on loopback.
    pub port: u16,
}

impl Server {
    /// Starts a script in a directory of its own.
    pub fn start(name: &str, text: &str) -> Self {
        Self::start_in(Scratch::new(name), text, &[])
    }

    /// The same after `set_up` has prepared the command.
    pub fn start_with(name: &str, text: &str, set_up: impl FnOnce(&mut Command)) -> Self {
        Self::begin(Scratch::new(name), text, &[], set_up)
    }

    /// Starts a script in a directory, with options before it.
    pub fn start_in(scratch: Scratch, text: &str, options: &[&str]) -> Self {
        Self::begin(scratch, text, options, |_| {})
    }

    fn begin(scratch: Scratch, text: &str, options: &[&str], set_up: impl FnOnce(&mut Command)) -> Self {
        scratch.file("script.ae", text);
        let mut command = scratch.command(options);
        command.arg("script.ae");
        set_up(&mut command);
        let mut running = Running::start(&mut command);
        let line = running.line();
        let Ok(port) = line.parse() else {
            panic!("no port: {line:?}, {:?}", running.end())
        };
        Self {
            scratch,
            running,
            port,
        }
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        connect(self.port)
    }

    /// Waits for its end: its status, the rest of what it printed, and its errors.
    pub fn end(self) -> (i32, String, String) {
        self.running.end()
    }
}

/// A connection to a port on loopback.
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(NETWORK_TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(NETWORK_TIMEOUT)).unwrap();
    stream
}
