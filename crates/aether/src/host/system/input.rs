//! Standard input, read so that a wait for it can be broken off.
//!
//! What there is is taken at once. Where there is nothing yet, another thread waits until there is; it takes nothing,
//! so that a wait which is broken off loses nothing.
//!
//! Invariants
//! - Who owns the input keeps everything that has been read in `data`: the process's own buffer is empty in between, and
//!   whether the descriptor can be read says whether there is more.
//! - Who does not own it leaves everything to the process's buffer, which others read too.

use std::io::{self, BufRead as _, Read as _};

/// What has been read of standard input, and not yet taken.
#[derive(Default)]
pub(super) struct Input {
    data: Vec<u8>,
    /// Bytes of `data` that are known to hold no line end.
    scanned: usize,
    /// The end has been seen, and nobody told.
    at_end: bool,
    /// What went wrong when nobody was there to be told.
    failed: Option<io::Error>,
    is_owned: bool,
}

impl Input {
    /// Nobody else reads standard input from now on.
    pub(super) fn own(&mut self) {
        self.is_owned = true;
    }

    /// Reads on, and blocks where there is nothing; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if std::mem::take(&mut self.at_end) {
            return Ok(false);
        }
        let mut stdin = io::stdin().lock();
        let count = loop {
            match stdin.fill_buf() {
                Ok(chunk) => {
                    self.data.extend_from_slice(chunk);
                    break chunk.len();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        stdin.consume(count);
        Ok(count > 0)
    }

    /// The bytes up to the end of the first line, if there is one.
    fn line_end(&mut self) -> Option<usize> {
        let end = self.data[self.scanned..].iter().position(|byte| *byte == b'\n');
        if let Some(end) = end {
            return Some(self.scanned + end + 1);
        }
        self.scanned = self.data.len();
        None
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.scanned = 0;
        let rest = self.data.split_off(count);
        std::mem::replace(&mut self.data, rest)
    }

    pub(super) fn read_line(&mut self) -> io::Result<String> {
        if !self.is_owned {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            return Ok(line);
        }
        let end = loop {
            if let Some(end) = self.line_end() {
                break end;
            }
            if !self.fill()? {
                break self.data.len();
            }
        };
        let line = self.take(end);
        String::from_utf8(line)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
    }

    /// Up to `most` bytes, as many as there are; none at the end.
    pub(super) fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        if !self.is_owned {
            let mut bytes = Vec::new();
            io::stdin().lock().take(most as u64).read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        if self.data.is_empty() {
            self.fill()?;
        }
        Ok(self.take(most.min(self.data.len())))
    }

    /// Whether a read does not block: one of a line, or of anything.
    pub(super) fn is_ready(&mut self, of_line: bool) -> bool {
        loop {
            let has_enough = if of_line {
                self.line_end().is_some()
            } else {
                !self.data.is_empty()
            };
            if has_enough || !self.is_owned || self.at_end || self.failed.is_some() {
                return true;
            }
            if !wait(false) {
                return false;
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => self.at_end = true,
                Err(error) => self.failed = Some(error),
            }
        }
    }
}

/// Whether standard input can be read, or has failed; waits until it can if that is asked for.
#[cfg(unix)]
pub(super) fn wait(blocks: bool) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let at_once = Timespec::default();
    loop {
        let mut descriptors = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut descriptors, (!blocks).then_some(&at_once)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}

#[cfg(not(unix))]
pub(super) fn wait(_: bool) -> bool {
    true
}
