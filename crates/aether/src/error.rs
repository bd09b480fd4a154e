//! The public error, and the lines in which it is told to a person.
//!
//! Invariant: a message is the specification's text, without `Error: ` and without a place in front;
//! [`Error::lines`] adds both.

use std::rc::Rc;

use aether_eval::{RunError, RuntimeError, TracePlace};
use aether_source::{Diagnostic, SourceFile};
use aether_value::{ErrorKind, Raise};

use crate::MAX_ARGS;

/// Why an engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A script cannot be read, or is not text.
    #[error("Failed to read file '{path}': {reason}")]
    Read {
        /// The path as it was given.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Too many script arguments.
    #[error("too many arguments (max {MAX_ARGS}, got {0})")]
    TooManyArguments(usize),
    /// The text has lexical or syntax errors; nothing of it ran.
    #[error("{}", .diagnostics.first().map_or("", |first| first.message.as_str()))]
    Syntax {
        /// The text.
        file: Rc<SourceFile>,
        /// Every error, in source order.
        diagnostics: Vec<Diagnostic>,
    },
    /// The script raised and did not catch.
    #[error(transparent)]
    Runtime(Box<RuntimeError>),
    /// A value is not of the Rust type that was asked for.
    #[error("Type error: expected {expected}, got {found}")]
    Conversion {
        /// The type in the language's words.
        expected: &'static str,
        /// The type of the value.
        found: String,
    },
    /// Buffered output could not be written.
    #[error("Failed to write output: {0}")]
    Output(#[from] std::io::Error),
    /// The script ended the run by itself, or nobody reads its output any more.
    #[error("exit")]
    Exit,
}

/// The text of a source file, of which reading gave these bytes.
///
/// # Errors
/// [`Error::Read`] if it could not be read or is not UTF-8.
pub fn source_text(path: &str, bytes: std::io::Result<Vec<u8>>) -> Result<String, Error> {
    let failed = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|&byte| byte == b'\n').count();
        failed(format!("invalid UTF-8 at line {line}"))
    })
}

impl Error {
    /// The kind, if the script raised.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Runtime(error) => Some(error.kind),
            _ => None,
        }
    }

    /// The stack trace, a line an activation, innermost first; empty if there is none.
    pub fn stack_trace(&self) -> &str {
        match self {
            Self::Runtime(error) => &error.stack_trace,
            _ => "",
        }
    }

    /// The one-line forms of the command line, without line ends: one for each syntax error, otherwise a single one,
    /// and a line of help where there is some. [`Engine::error_lines`](crate::Engine::error_lines) knows more: which
    /// file is the script, and which name was probably meant.
    pub fn lines(&self) -> Vec<String> {
        let outermost = match self {
            Self::Runtime(raised) => raised.places.last().and_then(|place| place.file.path()),
            Self::Syntax { file, .. } => file.path(),
            _ => None,
        };
        lines_of(self, outermost, None)
    }

    /// The trace, a line an activation, innermost first, top levels included; empty for an error at the top level.
    pub fn full_trace(&self) -> Vec<String> {
        let Self::Runtime(raised) = self else {
            return Vec::new();
        };
        // The call of a host has no source.
        let places = raised.places.iter().filter(|place| !place.file.text().is_empty());
        let lines: Vec<String> = places.map(trace_line).collect();
        if raised.stack_trace.is_empty() && lines.len() < 2 {
            Vec::new()
        } else {
            lines
        }
    }
}

fn trace_line(place: &TracePlace) -> String {
    let name = if place.function.is_empty() {
        "top level"
    } else {
        &place.function
    };
    let line = place.file.line(place.span.start);
    match place.file.base_name() {
        Some(file) => format!("  at {name} ({file}:{line})"),
        None => format!("  at {name} (line {line})"),
    }
}

/// The one-line forms of an error. A place in a file other than `script` names its file; `help` is the line of help of
/// a runtime error.
pub(crate) fn lines_of(error: &Error, script: Option<&str>, help: Option<&str>) -> Vec<String> {
    match error {
        Error::Exit => Vec::new(),
        Error::Syntax { file, diagnostics } => syntax_lines(file, diagnostics, script),
        Error::Runtime(raised) => {
            let elsewhere = raised.places.first().filter(|place| place.file.path() != script);
            let file = elsewhere.and_then(|place| place.file.base_name());
            let mut lines = vec![match (raised.line, file) {
                (Some(line), Some(file)) => format!("Error: [{file} line {line}] {}", raised.message),
                (Some(line), None) => format!("Error: [line {line}] {}", raised.message),
                (None, _) => format!("Error: {}", raised.message),
            }];
            if let Some((file, diagnostics)) = &raised.module {
                // The first one is in the message.
                let mut of_module = syntax_lines(file, diagnostics, script).into_iter();
                of_module.next();
                lines.extend(of_module);
            }
            lines.extend(help.map(|help| format!("  help: {help}")));
            lines
        }
        other => vec![format!("Error: {other}")],
    }
}

/// A line for each syntax error of a file, and one for the help that it has.
fn syntax_lines(file: &SourceFile, diagnostics: &[Diagnostic], script: Option<&str>) -> Vec<String> {
    let name = file.base_name().filter(|_| file.path() != script);
    let mut lines = Vec::new();
    for found in diagnostics {
        lines.push(match name {
            Some(name) => format!("Error: {name}: {}", found.message),
            None => format!("Error: {}", found.message),
        });
        lines.extend(found.help.as_ref().map(|help| format!("  help: {help}")));
    }
    lines
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Syntax { file, diagnostics } => Self::Syntax { file, diagnostics },
            RunError::Runtime(error) => Self::Runtime(error),
            RunError::Exit => Self::Exit,
        }
    }
}

impl From<Raise> for Error {
    fn from(raise: Raise) -> Self {
        RunError::from(raise).into()
    }
}
