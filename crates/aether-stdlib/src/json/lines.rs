//! `json.lines`: a file of documents, one a line.
//!
//! In memory are one line and its value. Lines without anything are passed over.

use aether_eval::{Ctx, Permission};
use aether_value::{Raise, Value};
use std::io::Read;

use super::parse;
use crate::files::window::{BUFFER, Failure, Window};
use crate::files::{allowed, failed, open_counted};
use crate::stream::{self, Source};

/// The documents of a file.
struct Documents {
    path: Box<str>,
    /// None at the end of the file.
    reader: Option<Box<dyn Read>>,
    window: Window,
    /// The number of the line that was read last.
    line: usize,
}

/// `lines(path)`
pub(super) fn lines(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let documents = Documents {
        path: path.into(),
        reader: Some(open_counted(ctx, "json.lines", path)?),
        window: Window::new(),
        line: 0,
    };
    stream::value(ctx, documents)
}

impl Source for Documents {
    /// The next document. The line of one that is none is passed over.
    fn next(&mut self, ctx: &mut Ctx<'_>) -> Result<Option<Value>, Raise> {
        while let Some(reader) = &mut self.reader {
            let line = self.window.read_line(reader, ctx.heap());
            let line = line.map_err(|failure| match failure {
                Failure::System(error) => failed("json.lines", &self.path, &error),
                Failure::Raised(raise) => raise,
            })?;
            let Some(line) = line else {
                self.reader = None;
                break;
            };
            self.line += 1;
            ctx.tick(1 + line.len_bytes() / 8)?;
            if !line.as_str().trim_matches([' ', '\t', '\r']).is_empty() {
                let options = parse::Options::default();
                return parse::parse_with(ctx.heap(), line.as_str(), options, self.line).map(Some);
            }
        }
        Ok(None)
    }

    fn size(&self) -> usize {
        BUFFER + self.path.len()
    }
}
