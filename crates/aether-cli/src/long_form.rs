//! The long form of errors: code, excerpt with carets, help, stack trace.
//!
//! Invariant: every error of a file is told; only excerpts are limited to [`MAX_EXCERPTS`], the rest take a line each.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use aether::{Diagnostic, Engine, Error, ErrorKind, RuntimeError, Severity, SourceFile, Span};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How many errors are shown with their source.
const MAX_EXCERPTS: usize = 20;

/// The long form of an error, line ends included. `unnamed` is what a text without a file is called.
pub(crate) fn render(error: &Error, engine: Option<&Engine>, unnamed: &str, colour: bool) -> String {
    match error {
        Error::Syntax { file, diagnostics } => self::diagnostics(file, diagnostics, unnamed, colour),
        Error::Runtime(raised) => {
            let help = engine.and_then(|engine| engine.help_for(error));
            let note = engine.and_then(|engine| engine.note_for(error));
            let mut out = runtime(raised, help, note, unnamed, colour);
            let trace = error.full_trace();
            if !trace.is_empty() {
                let _ = writeln!(out, "stack trace:\n{}", trace.join("\n"));
            }
            out
        }
        other => format!("error: {other}\n"),
    }
}

/// Diagnostics of one file.
pub(crate) fn diagnostics(
    file: &SourceFile,
    diagnostics: &[Diagnostic],
    unnamed: &str,
    colour: bool,
) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MAX_EXCERPTS) {
        show(&mut out, file, diagnostic, unnamed, colour);
        out.push('\n');
    }
    for diagnostic in diagnostics.iter().skip(MAX_EXCERPTS) {
        // Writing to a string cannot fail.
        let severity = crate::json::severity(diagnostic.severity);
        let _ = writeln!(out, "{severity}[{}]: {}", diagnostic.code, diagnostic.message);
    }
    if diagnostics.len() > 1 {
        let _ = writeln!(out, "{} errors", diagnostics.len());
    }
    out
}

fn runtime(
    error: &RuntimeError,
    help: Option<String>,
    note: Option<String>,
    unnamed: &str,
    colour: bool,
) -> String {
    let mut out = String::new();
    let Some(place) = error.places.first() else {
        let _ = writeln!(out, "error[{}]: {}", code_of(error.kind), error.message);
        return out;
    };
    let mut diagnostic = Diagnostic::error(code_of(error.kind), error.message.clone(), place.span);
    diagnostic.help = help;
    if let Some(note) = note {
        diagnostic = diagnostic.with_label(place.span, note);
    }
    show(&mut out, &place.file, &diagnostic, unnamed, colour);
    if let Some((file, diagnostics)) = &error.module {
        out.push_str(&self::diagnostics(file, diagnostics, unnamed, colour));
    }
    out
}

/// The stable code of a runtime error.
pub(crate) const fn code_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Thrown => "R0001",
        ErrorKind::Name => "R0002",
        ErrorKind::Type => "R0003",
        ErrorKind::ZeroDivision => "R0004",
        ErrorKind::Overflow => "R0005",
        ErrorKind::Index => "R0006",
        ErrorKind::Key => "R0007",
        ErrorKind::Property => "R0008",
        ErrorKind::Arity => "R0009",
        ErrorKind::Recursion => "R0010",
        ErrorKind::Import => "R0011",
        ErrorKind::Conversion => "R0012",
        ErrorKind::Io => "R0013",
        ErrorKind::Value => "R0014",
        ErrorKind::OutOfMemory => "R0015",
        ErrorKind::Permission => "R0016",
        ErrorKind::Cancelled => "R0017",
        ErrorKind::Timeout => "R0018",
        ErrorKind::StepLimit => "R0019",
        ErrorKind::TimeLimit => "R0020",
        ErrorKind::Interrupted => "R0021",
        ErrorKind::Exit | ErrorKind::GeneratorExit => "R0022",
    }
}

/// Appends a diagnostic with its excerpt.
fn show(out: &mut String, file: &SourceFile, diagnostic: &Diagnostic, unnamed: &str, colour: bool) {
    // An empty last line has no character to point at, and would be taken for the end of the line before it.
    let text = if file.text().ends_with('\n') {
        Cow::Owned(format!("{} ", file.text()))
    } else {
        Cow::Borrowed(file.text())
    };
    let mut snippet = Snippet::source(text)
        .path(file.path().unwrap_or(unnamed))
        .annotation(AnnotationKind::Primary.span(on_one_line(file, diagnostic.span)));
    for label in &diagnostic.labels {
        let span = on_one_line(file, label.span);
        snippet = snippet.annotation(AnnotationKind::Context.span(span).label(&label.text));
    }
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(without_place(&diagnostic.message))
        .id(diagnostic.code);
    let mut group = title.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    out.push_str(&renderer.render(&[group]));
    out.push('\n');
}

/// The part of a span in its first line, at least one character where there is one.
fn on_one_line(file: &SourceFile, span: Span) -> Range<usize> {
    let text = file.text();
    let start = (span.start as usize).min(text.len());
    let end = (span.end as usize).clamp(start, text.len());
    let first = text[start..end].lines().next().unwrap_or("");
    if !first.is_empty() {
        return start..start + first.len();
    }
    match text[start..].chars().next() {
        Some(found) if found != '\n' => start..start + found.len_utf8(),
        Some(_) => start..start,
        None => start..start + usize::from(text.ends_with('\n')),
    }
}

/// A message without the place at its end, which the excerpt shows.
fn without_place(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |at| &message[..at])
}
