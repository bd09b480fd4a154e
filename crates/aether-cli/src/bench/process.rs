//! One bench file as a process.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use super::record::Figures;

/// The longest line that is read whole, in bytes.
const MAX_LINE: u64 = 64 << 10;

/// A line of what a file prints.
pub(super) enum Line {
    /// What was measured.
    Figures(Box<Figures>),
    /// Anything else.
    Other(String),
}

/// Runs a file and hands over its lines; whether it ended well. What it says on standard error is passed on.
pub(super) fn run(file: &str, filter: Option<&str>, mut take: impl FnMut(Line)) -> Result<bool, String> {
    let own = env::current_exe().map_err(|error| format!("cannot find the command: {error}"))?;
    let mut command = Command::new(own);
    command.arg("run").env("AETHER_BENCH_FIELDS", "1");
    match filter {
        Some(filter) => command.env("AETHER_BENCH_FILTER", filter),
        None => command.env_remove("AETHER_BENCH_FILTER"),
    };
    // A path that looks like an option is a path.
    if file.starts_with('-') {
        command.arg(format!("./{file}"));
    } else {
        command.arg(file);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("cannot read: {error}")),
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            take(match Figures::read(text) {
                Some(figures) => Line::Figures(Box::new(figures)),
                None => Line::Other(text.to_owned()),
            });
        }
    }
    let status = child.wait().map_err(|error| format!("cannot wait: {error}"))?;
    Ok(status.success())
}
