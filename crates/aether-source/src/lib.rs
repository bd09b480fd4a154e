//! Source text and places in it: spans, files, line index, and diagnostics as plain data.
//!
//! Invariants
//! - A [`Span`] means the same everywhere: half-open byte offsets into one file.
//! - Lines and columns count from 1; columns count characters, never bytes.
//!
//! Not here: rendering a diagnostic with colour and frames, which is the command line's.
#![forbid(unsafe_code)]

mod diagnostic;
mod file;
mod span;

pub use diagnostic::{Diagnostic, Edit, Label, Severity};
pub use file::{LineColumn, SourceFile};
pub use span::Span;

/// The example of the README, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
