//! One test file as a process.
//!
//! Invariant: what a file prints is read as it comes and kept only as far as it is told, so that output without end
//! takes no memory.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::baseline::Measured;
use crate::status::LEAKS;

/// The longest part of a line that is kept, in bytes.
const MAX_LINE: usize = 4 << 10;
/// Lines of one kind that are kept.
const MAX_LINES: usize = 10_000;
/// Lines that are kept of what a failure says below its first.
const MAX_DETAILS: usize = 100;
/// What those lines begin with.
const DETAIL: &str = "    ";
/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(1);
/// The longest time between two such questions.
const SLOW_POLL: Duration = Duration::from_millis(20);

/// What each file gets.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    pub(super) timeout: Option<Duration>,
    pub(super) memory: Option<usize>,
    pub(super) leak_check: bool,
    /// Whether its memory is measured.
    pub(super) measures: bool,
    /// Whether snapshots that differ are written.
    pub(super) update: bool,
}

/// A line that a test printed about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// What stands behind the mark.
    pub(super) text: String,
    pub(super) passed: bool,
    /// What an assertion printed below, without what it is set in by.
    pub(super) details: Vec<String>,
}

/// What came of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Passes and failures in order, as far as they were kept.
    pub(super) cases: Vec<Case>,
    /// How many lines said pass.
    passed: u64,
    /// How many lines said fail.
    failed: u64,
    /// Lines on standard error that are not empty.
    pub(super) errors: Vec<String>,
    /// Whether the process ended well.
    pub(super) succeeded: bool,
    pub(super) duration: Duration,
    /// What its memory came to, if that was measured.
    pub(super) measured: Option<Measured>,
    /// Failures that the file does not know of.
    pub(super) added: u64,
}

impl Outcome {
    /// How many passed.
    pub(super) fn passed(&self) -> u64 {
        self.passed + u64::from(self.passed + self.failed == 0 && self.succeeded && self.added == 0)
    }

    /// How many failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed + u64::from(self.failed == 0 && !self.succeeded) + self.added
    }

    /// What failed outside of the test's own lines, if anything did.
    pub(super) fn crashed(&self) -> bool {
        self.failed == 0 && !self.succeeded
    }
}

/// Runs a file.
pub(super) fn run(file: &str, limits: &Limits) -> Outcome {
    let profile = limits.measures.then(profile_path);
    let started = Instant::now();
    let child = command(file, limits, profile.as_ref())
        .and_then(|mut command| command.spawn().map_err(|error| format!("cannot start: {error}")));
    let mut outcome = match child {
        Ok(child) => watch(child, limits),
        Err(message) => Outcome {
            errors: vec![message],
            ..Outcome::default()
        },
    };
    outcome.duration = started.elapsed();
    if let Some(path) = profile {
        outcome.measured = Measured::read(&path);
        // It may not have come to writing one.
        let _ = fs::remove_file(path);
    }
    outcome
}

/// A path for a profile that nothing else has.
fn profile_path() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("aether-test-{}-{number}.json", std::process::id()))
}

fn command(file: &str, limits: &Limits, profile: Option<&PathBuf>) -> Result<Command, String> {
    let own = env::current_exe().map_err(|error| format!("cannot find the command: {error}"))?;
    let mut command = Command::new(own);
    command.arg("run");
    if let Some(bytes) = limits.memory {
        command.arg("--max-memory").arg(bytes.to_string());
    }
    if limits.leak_check {
        command.arg("--leak-check=error");
    }
    if let Some(path) = profile {
        command.arg("--heap-profile").arg(path);
    }
    if limits.update {
        command.env("AETHER_UPDATE_SNAPSHOTS", "1");
    }
    // A path that looks like an option is a path.
    if file.starts_with('-') {
        command.arg(format!("./{file}"));
    } else {
        command.arg(file);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Reads what a process prints until it ends, or ends it.
fn watch(mut child: Child, limits: &Limits) -> Outcome {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let results = thread::spawn(move || stdout.map_or_else(Results::default, Results::read));
    let errors = thread::spawn(move || stderr.map_or_else(Vec::new, lines));
    let (status, late) = wait(&mut child, limits.timeout);
    let results = results.join().unwrap_or_default();
    let mut errors = errors.join().unwrap_or_default();
    if late && let Some(timeout) = limits.timeout {
        errors.push(format!("Timed out after {}", aether::duration_text(timeout)));
    } else if let Some(text) = status.and_then(signal) {
        errors.push(text);
    }
    // What the run says about itself is no error of the test's.
    errors.retain(|line| !(limits.measures && line.starts_with("heap-profile: ")));
    let leaks = status.and_then(|status| status.code()) == Some(i32::from(LEAKS));
    if let Some(at) = errors.iter().position(|line| line.starts_with("leak-check: "))
        && !leaks
    {
        errors.truncate(at);
    }
    Outcome {
        cases: results.cases,
        passed: results.passed,
        failed: results.failed,
        errors,
        succeeded: !late && status.is_some_and(|status| status.success()),
        ..Outcome::default()
    }
}

/// Waits for the end; whether the process had to be ended.
fn wait(child: &mut Child, timeout: Option<Duration>) -> (Option<ExitStatus>, bool) {
    let Some(timeout) = timeout else {
        return (child.wait().ok(), false);
    };
    let started = Instant::now();
    let mut pause = POLL;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return (Some(status), false),
            Ok(None) => {}
            Err(_) => return (None, false),
        }
        let Some(left) = timeout.checked_sub(started.elapsed()) else {
            // It may have ended just now.
            let _ = child.kill();
            return (child.wait().ok(), true);
        };
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(SLOW_POLL);
    }
}

/// The signal that ended a process.
#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal().map(|signal| format!("ended by signal {signal}"))
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<String> {
    None
}

/// What a test said on standard output.
#[derive(Default)]
struct Results {
    cases: Vec<Case>,
    passed: u64,
    failed: u64,
}

impl Results {
    fn read(stream: impl Read) -> Self {
        let mut results = Self::default();
        let mut has_details = false;
        each_line(stream, |line| {
            let passed = line.starts_with("[PASS]");
            if !passed && !line.starts_with("[FAIL]") {
                // The lines below a failure that say what differs.
                let detail = line.strip_prefix(DETAIL).filter(|_| has_details);
                let detail = detail.filter(|detail| detail.starts_with(['-', '+', '@', '…']));
                has_details = detail.is_some();
                if let (Some(detail), Some(case)) = (detail, results.cases.last_mut())
                    && case.details.len() < MAX_DETAILS
                {
                    case.details.push(detail.to_owned());
                }
                return;
            }
            has_details = !passed && results.cases.len() < MAX_LINES;
            *(if passed {
                &mut results.passed
            } else {
                &mut results.failed
            }) += 1;
            if results.cases.len() < MAX_LINES {
                results.cases.push(Case {
                    text: line["[PASS]".len()..].trim().to_owned(),
                    passed,
                    details: Vec::new(),
                });
            }
        });
        results
    }
}

/// The lines of a stream that are not empty.
fn lines(stream: impl Read) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = 0_u64;
    each_line(stream, |line| {
        if line.trim().is_empty() {
            return;
        }
        if lines.len() < MAX_LINES {
            lines.push(line.to_owned());
        } else {
            left += 1;
        }
    });
    if left > 0 {
        lines.push(format!("… {left} more lines"));
    }
    lines
}

/// Calls `take` with each line, cut where it is too long.
fn each_line(stream: impl Read, mut take: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut begun = false;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend(&part[..part.len().min(MAX_LINE - line.len())]);
        begun = true;
        let used = end.map_or(buffer.len(), |end| end + 1);
        if end.is_some() {
            take(String::from_utf8_lossy(&line).trim_end_matches('\r'));
            line.clear();
            begun = false;
        }
        reader.consume(used);
    }
    if begun {
        take(&String::from_utf8_lossy(&line));
    }
}
