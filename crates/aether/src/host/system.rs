//! The machine itself: its streams, files, clock and entropy.
//!
//! Invariants
//! - Output is buffered when standard output is no terminal, and written before input is read, before anything goes
//!   to standard error, and by `flush`.
//! - A closed pipe surfaces as [`io::ErrorKind::BrokenPipe`]; what to make of it is the caller's decision.
//! - A file that is replaced holds the old bytes or the new ones, never a part.
//! - Everything is permitted.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aether_eval::{Host, Permission};

/// Bytes that are collected before they are written.
const BUFFER: usize = 64 << 10;

/// What can be asked about the output while an engine owns the host.
#[derive(Clone, Debug)]
pub struct Output(Rc<Cell<bool>>);

impl Output {
    /// Whether the next output starts a line.
    pub fn at_line_start(&self) -> bool {
        self.0.get()
    }
}

/// The operating system as a host.
#[derive(Debug)]
pub struct SystemHost {
    buffer: Vec<u8>,
    /// Whether every write goes out at once.
    direct: bool,
    line_start: Rc<Cell<bool>>,
    latest: f64,
    stop: Option<Arc<AtomicBool>>,
}

impl Default for SystemHost {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemHost {
    /// The streams of this process.
    pub fn new() -> Self {
        Self {
            buffer: Vec::new(),
            direct: io::stdout().is_terminal(),
            line_start: Rc::new(Cell::new(true)),
            latest: 0.0,
            stop: None,
        }
    }

    /// The same host, whose runs end as interrupted soon after the flag is set, `finally` blocks run. The host
    /// clears it when it has seen it.
    #[must_use]
    pub fn interrupted_by(mut self, flag: Arc<AtomicBool>) -> Self {
        self.stop = Some(flag);
        self
    }

    /// A handle that tells about the output.
    pub fn output(&self) -> Output {
        Output(self.line_start.clone())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.buffer.clear();
        written
    }
}

impl Host for SystemHost {
    fn interrupted(&mut self) -> bool {
        self.stop
            .as_ref()
            .is_some_and(|flag| flag.swap(false, Ordering::Relaxed))
    }

    fn write_out(&mut self, text: &str) -> io::Result<()> {
        if let Some(last) = text.as_bytes().last() {
            self.line_start.set(*last == b'\n');
        }
        if self.buffer.len() + text.len() > BUFFER {
            self.write_buffer()?;
        }
        self.buffer.extend_from_slice(text.as_bytes());
        if self.direct || self.buffer.len() >= BUFFER {
            self.write_buffer()
        } else {
            Ok(())
        }
    }

    fn write_err(&mut self, text: &str) -> io::Result<()> {
        self.write_buffer()?;
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_buffer()
    }

    fn read_line(&mut self) -> io::Result<String> {
        self.write_buffer()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    }

    fn clock(&mut self) -> f64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.latest = self.latest.max(since.as_secs_f64());
        self.latest
    }

    fn entropy(&mut self) -> u64 {
        // The standard library seeds its hashers from the system.
        RandomState::new().hash_one(0_u8)
    }

    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn is_file(&mut self, path: &str) -> io::Result<bool> {
        metadata(path).map(|found| found.is_some_and(|found| found.is_file()))
    }

    fn is_dir(&mut self, path: &str) -> io::Result<bool> {
        metadata(path).map(|found| found.is_some_and(|found| found.is_dir()))
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        replace_file(Path::new(path), bytes)
    }

    fn permit(&mut self, _: Permission, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// What is at a path, following links; `None` for nothing.
fn metadata(path: &str) -> io::Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Writes a file beside its final place and renames it. Links are followed and permissions kept; what is no regular
/// file, such as a pipe or `/dev/null`, is written to directly.
fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let existing = match OpenOptions::new().write(true).open(path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let permissions = match &existing {
        Some(file) => {
            let found = file.metadata()?;
            if !found.is_file() {
                return (&*file).write_all(bytes);
            }
            Some(found.permissions())
        }
        None => None,
    };
    let target = if existing.is_some() {
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    let (temporary, file) = temporary_beside(&target)?;
    let written = fill(file, bytes, permissions).and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn fill(mut file: File, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

/// A new, empty file in the directory of `target`.
fn temporary_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target
        .file_name()
        .ok_or(io::ErrorKind::InvalidFilename)?
        .to_string_lossy();
    let mut attempt = 0_u32;
    loop {
        let temporary = target.with_file_name(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("aether-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions_and_leaves_nothing_behind() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = scratch("replace");
        let path = directory.join("file.txt");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace_file(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn links_and_devices_are_written_through() {
        let directory = scratch("links");
        let path = directory.join("file.txt");
        let link = directory.join("link.txt");
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("file.txt", &link).unwrap();
        replace_file(&link, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        replace_file(Path::new("/dev/null"), b"gone").unwrap();
        assert!(replace_file(&directory, b"x").is_err());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut host = SystemHost::new();
        host.latest = f64::MAX;
        assert!(host.clock() >= f64::MAX);
    }
}
