//! A window on what a reader gives: bytes that have been read and not handed out.
//!
//! Invariants
//! - In memory are one buffer and at most one line; a line that is longer than the buffer grows as a charged string.
//! - Nothing is read ahead: a line of a pipe is handed out as soon as its end has come.

use aether_value::{Heap, Raise, Rc, Str, StrBuilder};
use std::io::{self, Read};

use crate::bytes::NOT_UTF8;

/// Bytes of the buffer.
pub(crate) const BUFFER: usize = 64 << 10;

/// A buffer and what is in it.
pub(crate) struct Window {
    buffer: Box<[u8]>,
    /// The bytes in the buffer that have not been handed out.
    start: usize,
    end: usize,
}

/// Why there is nothing.
pub(crate) enum Failure {
    System(io::Error),
    Raised(Raise),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Raise> for Failure {
    fn from(raise: Raise) -> Self {
        Self::Raised(raise)
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, NOT_UTF8)
}

impl Window {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
        }
    }

    /// What has been read and not handed out.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Hands out the next `count` bytes of [`Window::bytes`].
    #[cfg_attr(not(feature = "fs"), expect(dead_code, reason = "open files use it"))]
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Forgets what has not been handed out, and gives how much that is.
    #[cfg_attr(not(feature = "fs"), expect(dead_code, reason = "open files use it"))]
    pub(crate) fn discard(&mut self) -> usize {
        let count = self.end - self.start;
        self.start = self.end;
        count
    }

    /// The next line without its end; `None` at the end of the file.
    pub(crate) fn read_line(
        &mut self,
        reader: &mut dyn Read,
        heap: &Heap,
    ) -> Result<Option<Rc<Str>>, Failure> {
        let mut long: Option<StrBuilder> = None;
        // Bytes of the window that hold no line end.
        let mut searched = 0;
        loop {
            let window = &self.buffer[self.start..self.end];
            if let Some(at) = window[searched..].iter().position(|&byte| byte == b'\n') {
                let line = &window[..searched + at];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let text = std::str::from_utf8(line).map_err(|_| invalid());
                self.start += searched + at + 1;
                return Ok(Some(finish(heap, long, text?)?));
            }
            searched = window.len();
            if searched == BUFFER {
                // Full without a line end: what is certain goes to the line, the rest stays.
                let certain = complete(window)?;
                let line = long.get_or_insert_with(|| StrBuilder::new(heap));
                line.push_str(certain)?;
                self.start += certain.len();
                searched -= certain.len();
            }
            if !self.fill(reader)? {
                let window = &self.buffer[self.start..self.end];
                if window.is_empty() && long.is_none() {
                    return Ok(None);
                }
                let text = std::str::from_utf8(window).map_err(|_| invalid());
                self.start = self.end;
                return Ok(Some(finish(heap, long, text?)?));
            }
        }
    }

    /// Reads more behind the window, which moves to the front if there is no room; `false` at the end of the file.
    /// A failure takes what has not been handed out with it.
    pub(crate) fn fill(&mut self, reader: &mut dyn Read) -> io::Result<bool> {
        if self.end == BUFFER || self.start == self.end {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match reader.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.start = self.end;
                    return Err(error);
                }
            }
        }
    }
}

/// The characters of a window that are complete and are not the beginning of a line end.
pub(crate) fn complete(window: &[u8]) -> Result<&str, Failure> {
    let text = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) if error.error_len().is_some() => return Err(invalid().into()),
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).map_err(|_| invalid())?,
    };
    Ok(text.strip_suffix('\r').unwrap_or(text))
}

fn finish(heap: &Heap, long: Option<StrBuilder>, text: &str) -> Result<Rc<Str>, Raise> {
    match long {
        None => fresh(heap, text),
        Some(mut line) => {
            line.push_str(text)?;
            line.finish()
        }
    }
}

/// A string with this text, a shared one if it is very short.
pub(crate) fn fresh(heap: &Heap, text: &str) -> Result<Rc<Str>, Raise> {
    if text.is_empty() {
        heap.empty_string()
    } else {
        heap.char_string(text)
    }
}
