//! The public error, and the lines in which it is told to a person.
//!
//! Invariant: a message is the specification's text, without `Error: ` and without a place in front;
//! [`Error::lines`] adds both.

use std::rc::Rc;

use aether_eval::{RunError, RuntimeError};
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

    /// The one-line forms of the command line, without line ends: one for each syntax error, otherwise a single one.
    pub fn lines(&self) -> Vec<String> {
        lines_of(self, false)
    }
}

/// The one-line forms of an error, followed by its stack trace if `with_trace` says so and there is one.
pub fn lines_of(error: &Error, with_trace: bool) -> Vec<String> {
    match error {
        Error::Exit => Vec::new(),
        Error::Syntax { diagnostics, .. } => diagnostics
            .iter()
            .map(|found| format!("Error: {}", found.message))
            .collect(),
        Error::Runtime(raised) => {
            let mut lines = vec![match raised.line {
                Some(line) => format!("Error: [line {line}] {}", raised.message),
                None => format!("Error: {}", raised.message),
            }];
            if with_trace {
                lines.extend(raised.stack_trace.lines().map(str::to_owned));
            }
            lines
        }
        other => vec![format!("Error: {other}")],
    }
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
