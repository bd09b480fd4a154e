//! `lines_iter`: the lines of a file, one at a time.
//!
//! Invariants
//! - Whether another line follows is found out when somebody asks.
//! - The file is closed at its end, after a failure, or when the stream is dropped.
//!
//! Source: library reference §6.2, §9.3.

use aether_eval::{BuiltinDef, Ctx, Permission};
use aether_value::{Builtin, Heap, Items, Native, Raise, Rc, Str, StrBuilder, Value};
use std::any::Any;
use std::cell::RefCell;
use std::io::{self, Read};

use super::allowed;
use super::window::{BUFFER, Failure, Window};
use crate::arguments::receiver;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("next", 0, 0, next),
    BuiltinDef::method("has_next", 0, 0, has_next),
];

pub(super) fn lines_iter(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let failed = |error: &io::Error| Raise::operation(&format!("lines_iter failed: {error}"));
    let count = ctx.open_handle()?;
    let opened = ctx.host().open_file(path);
    let file = opened.map_err(|error| failed(&error))?;
    let reader = Box::new(count.hold(file.reader));
    let stream = ctx
        .heap()
        .native(Box::new(FileLines(RefCell::new(Lines::new(reader)))))?;
    if let Some(FileLines(lines)) = stream.downcast() {
        let mut lines = lines.borrow_mut();
        lines.first = lines.read_line(ctx.heap()).map_err(|error| match error {
            Failure::System(error) => failed(&error),
            Failure::Raised(raise) => raise,
        })?;
    }
    Ok(Value::Native(stream))
}

fn next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let line = receiver::<FileLines>(args).0.borrow_mut().next(ctx.heap())?;
    Ok(line.map_or(Value::Null, Value::String))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn has_next(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(receiver::<FileLines>(args).0.borrow_mut().has_next()))
}

/// The stream as a value.
struct FileLines(RefCell<Lines>);

impl Native for FileLines {
    fn type_name(&self) -> &'static str {
        "file_lines"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + BUFFER
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str(if self.0.borrow_mut().has_next() {
            "<file_lines:open>"
        } else {
            "<file_lines:eof>"
        })
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok((name == "has_next").then(|| Value::Bool(self.0.borrow_mut().has_next())))
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn items(&self) -> Option<&dyn Items> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Items for FileLines {
    fn next(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        let line = self.0.borrow_mut().next(heap)?;
        Ok(line.map(Value::String))
    }
}

/// A file and what has been read of it.
struct Lines {
    reader: UntilEnd,
    window: Window,
    /// The line that was read when the file was opened.
    first: Option<Rc<Str>>,
    /// What went wrong when somebody asked whether there is more; for the next line.
    failure: Option<io::Error>,
}

/// A reader that goes when its end has come, or when it has failed.
struct UntilEnd(Option<Box<dyn Read>>);

impl Read for UntilEnd {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.0 else {
            return Ok(0);
        };
        let read = reader.read(out);
        let goes_on = match &read {
            Ok(count) => *count > 0,
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        };
        if !goes_on {
            self.0 = None;
        }
        read
    }
}

impl Lines {
    fn new(reader: Box<dyn Read>) -> Self {
        Self {
            reader: UntilEnd(Some(reader)),
            window: Window::new(),
            first: None,
            failure: None,
        }
    }

    fn has_next(&mut self) -> bool {
        if self.first.is_some() || self.failure.is_some() || !self.window.bytes().is_empty() {
            return true;
        }
        match self.window.fill(&mut self.reader) {
            Ok(more) => more,
            Err(error) => {
                self.failure = Some(error);
                true
            }
        }
    }

    fn next(&mut self, heap: &Heap) -> Result<Option<Rc<Str>>, Raise> {
        if let Some(line) = self.first.take() {
            return Ok(Some(line));
        }
        let line = match self.failure.take() {
            Some(error) => Err(Failure::System(error)),
            None => self.read_line(heap),
        };
        line.map_err(|failure| match failure {
            Failure::System(error) => Raise::operation(&format!("lines_iter read error: {error}")),
            Failure::Raised(raise) => raise,
        })
    }

    /// The next line without its end; `None` at the end of the file.
    fn read_line(&mut self, heap: &Heap) -> Result<Option<Rc<Str>>, Failure> {
        self.window.read_line(&mut self.reader, heap)
    }
}

#[cfg(test)]
mod tests {
    use super::{BUFFER, Failure, Lines};
    use aether_value::{Heap, HeapConfig};
    use proptest::prelude::*;
    use std::io::{self, Read};

    /// A reader that gives as much at a time as its list says, then fails or ends.
    struct Pieces {
        bytes: Vec<u8>,
        sizes: Vec<usize>,
        at: usize,
        fails: bool,
    }

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.pop().unwrap_or(usize::MAX);
            let rest = &self.bytes[self.at..];
            if rest.is_empty() && self.fails {
                return Err(io::Error::from_raw_os_error(5));
            }
            let count = size.max(1).min(rest.len()).min(out.len());
            out[..count].copy_from_slice(&rest[..count]);
            self.at += count;
            Ok(count)
        }
    }

    fn lines(bytes: &[u8], sizes: Vec<usize>) -> Result<Vec<String>, String> {
        let heap = Heap::new(HeapConfig::default());
        let bytes = bytes.to_vec();
        let mut lines = Lines::new(Box::new(Pieces {
            bytes,
            sizes,
            at: 0,
            fails: false,
        }));
        let mut found = Vec::new();
        loop {
            match lines.read_line(&heap) {
                Ok(Some(line)) => found.push(line.as_str().to_owned()),
                Ok(None) => return Ok(found),
                Err(Failure::System(error)) => return Err(error.to_string()),
                Err(Failure::Raised(raise)) => return Err(raise.message().to_owned()),
            }
        }
    }

    #[test]
    fn lines_longer_than_the_buffer_come_whole() {
        let long = "é".repeat(BUFFER) + "\r";
        let text = format!("a\n{long}\n{long}x\n\r\n{long}");
        let expected: Vec<&str> = text.lines().collect();
        assert_eq!(lines(text.as_bytes(), vec![]).unwrap(), expected);
        for shift in 0..4 {
            let text = format!("{}é\r\nend", "a".repeat(BUFFER - shift));
            let expected: Vec<&str> = text.lines().collect();
            assert_eq!(lines(text.as_bytes(), vec![]).unwrap(), expected);
        }
    }

    #[test]
    fn text_that_is_not_utf8_fails() {
        assert!(lines(b"a\n\xff\nb", vec![]).is_err());
        assert!(lines(b"a\xc3", vec![]).is_err());
        let mut long = "x".repeat(2 * BUFFER).into_bytes();
        long[BUFFER + 9] = 0xc3;
        assert!(lines(&long, vec![]).is_err());
    }

    #[test]
    fn a_failure_is_kept_for_the_next_line() {
        let heap = Heap::new(HeapConfig::default());
        let mut lines = Lines::new(Box::new(Pieces {
            bytes: b"one\n".to_vec(),
            sizes: vec![],
            at: 0,
            fails: true,
        }));
        assert_eq!(lines.next(&heap).unwrap().unwrap().as_str(), "one");
        assert!(lines.has_next());
        assert_eq!(
            lines.next(&heap).expect_err("the second").message(),
            "Invalid operation: lines_iter read error: Input/output error (os error 5)"
        );
        assert!(!lines.has_next());
        assert!(lines.next(&heap).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_standard_library(
            text in r"[a\r\né]{0,60}",
            sizes in prop::collection::vec(1_usize..9, 0..40),
        ) {
            let expected: Vec<&str> = text.lines().collect();
            prop_assert_eq!(lines(text.as_bytes(), sizes).unwrap(), expected);
        }
    }
}
