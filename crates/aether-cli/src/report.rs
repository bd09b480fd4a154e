//! Errors told to a person: which form, which colours, which exit status.
//!
//! Invariant: when standard error is no terminal, the one-line forms are all that is written, unless
//! `--color=always` asks for the long form or `AETHER_BACKTRACE=1` for the trace.

use std::io::{self, IsTerminal};

use aether::{Diagnostic, Engine, Error, ErrorKind, SourceFile, Span};

use crate::settings::Color;
use crate::status::{BUDGET_EXCEEDED, FAILED, INTERRUPTED, NOT_PERMITTED, TIMED_OUT};
use crate::{json, long_form, streams};

/// Writes an error and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn failure(error: &Error, engine: Option<&Engine>, color: Color) -> u8 {
    if let Error::Exit(status) = error {
        return *status;
    }
    if error.kind() == Some(ErrorKind::Interrupted) {
        // Whoever pressed Ctrl-C knows.
        return INTERRUPTED;
    }
    if is_long(color) {
        streams::write_err(&long_form::render(error, engine, "<eval>", is_coloured(color)));
    } else {
        let lines = engine.map_or_else(
            || error.lines(),
            |engine| engine.error_lines(error, is_set("AETHER_BACKTRACE")),
        );
        let mut text = lines.join("\n");
        text.push('\n');
        streams::write_err(&text);
    }
    status(error, engine)
}

/// Writes that a promise was rejected whose failure nobody has handled.
#[cold]
#[inline(never)]
pub(crate) fn unhandled_rejection(error: &Error) {
    let mut text = format!("unhandled rejection: {error}\n");
    for line in error.full_trace() {
        text.push_str(&line);
        text.push('\n');
    }
    streams::write_err(&text);
}

/// The exit status of an error that is told.
fn status(error: &Error, engine: Option<&Engine>) -> u8 {
    match error.kind() {
        Some(ErrorKind::StepLimit | ErrorKind::Limit) => BUDGET_EXCEEDED,
        Some(ErrorKind::TimeLimit) => TIMED_OUT,
        Some(ErrorKind::Permission) => NOT_PERMITTED,
        Some(ErrorKind::OutOfMemory) if engine.is_none_or(|engine| engine.heap().limit().is_some()) => {
            BUDGET_EXCEEDED
        }
        _ => FAILED,
    }
}

/// Whether an error ends a run without a word.
pub(crate) fn is_silent(error: &Error) -> bool {
    matches!(error, Error::Exit(_)) || error.kind() == Some(ErrorKind::Interrupted)
}

/// Writes an error as JSON to standard output and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn failure_as_json(error: &Error, engine: &Engine) -> u8 {
    let lines = match error {
        Error::Syntax { file, diagnostics } => {
            diagnostics.iter().map(|found| json::line(file, found)).collect()
        }
        Error::Runtime(raised) => {
            let mut found = Diagnostic::error(
                long_form::code_of(raised.kind),
                raised.message.clone(),
                raised.places.first().map_or(Span::at(0), |place| place.span),
            );
            found.help = engine.help_for(error);
            let nowhere = SourceFile::new(None, String::new());
            let file = raised.places.first().map_or(&nowhere, |place| &place.file);
            json::line(file, &found)
        }
        other => {
            let found = Diagnostic::error("E0001", other.to_string(), Span::at(0));
            json::line(&SourceFile::new(None, String::new()), &found)
        }
    };
    streams::write_out(&lines);
    status(error, Some(engine))
}

/// Writes diagnostics of one file in their long form.
pub(crate) fn diagnostics(file: &SourceFile, diagnostics: &[Diagnostic], color: Color) {
    streams::write_err(&long_form::diagnostics(
        file,
        diagnostics,
        "<eval>",
        is_coloured(color),
    ));
}

/// Whether diagnostics take their long form.
pub(crate) fn is_long(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Auto | Color::Never => io::stderr().is_terminal(),
    }
}

/// Whether output has colours.
pub(crate) fn is_coloured(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_set("CLICOLOR_FORCE") || !is_set("NO_COLOR"),
    }
}

/// Whether a switch in the environment is on: set to something other than nothing and 0.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}
