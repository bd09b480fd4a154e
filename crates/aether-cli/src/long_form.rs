//! The long form of errors: code, excerpt with carets, help, stack trace.
//!
//! Invariant: every error of a file is told; only excerpts are limited to [`MAX_EXCERPTS`], the rest take a line each.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use aether::{Diagnostic, Engine, Error, ErrorKind, Label, RuntimeError, Severity, SourceFile, Span};
use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

/// How many errors are shown with their source.
const MAX_EXCERPTS: usize = 20;
/// Lines between an error and a label up to which one excerpt shows both.
const NEAR: u32 = 50;

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
        ErrorKind::Limit => "R0023",
    }
}

/// Appends a diagnostic with its excerpt.
fn show(out: &mut String, file: &SourceFile, diagnostic: &Diagnostic, unnamed: &str, colour: bool) {
    let line = file.line(diagnostic.span.start);
    let is_near = |label: &&Label| file.line(label.span.start).abs_diff(line) <= NEAR;
    let (near, far): (Vec<&Label>, Vec<&Label>) = diagnostic.labels.iter().partition(is_near);
    let mut places = vec![(AnnotationKind::Primary, diagnostic.span, None)];
    places.extend(
        near.iter()
            .map(|label| (AnnotationKind::Context, label.span, Some(&*label.text))),
    );
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(without_place(&diagnostic.message))
        .id(diagnostic.code);
    let mut group = title.element(excerpt(file, &places, unnamed));
    for label in far {
        let place = (AnnotationKind::Context, label.span, Some(&*label.text));
        group = group.element(excerpt(file, &[place], unnamed));
    }
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

/// The lines from the first place to the last, with what is said at each.
fn excerpt<'a>(
    file: &'a SourceFile,
    places: &[(AnnotationKind, Span, Option<&'a str>)],
    unnamed: &'a str,
) -> Snippet<'a, Annotation<'a>> {
    let text = file.text();
    let ranges: Vec<Range<usize>> = places
        .iter()
        .map(|&(_, span, _)| on_one_line(file, span))
        .collect();
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let start = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(last..).and_then(|rest| rest.find('\n'));
    let lines = &text[start..end.map_or(text.len(), |at| last + at)];
    // An empty last line has no character to point at, and would be taken for the end of the line before it.
    let lines = if lines.len() < last - start || lines.is_empty() {
        Cow::Owned(format!("{lines} "))
    } else {
        Cow::Borrowed(lines)
    };
    let mut snippet = Snippet::source(lines)
        .path(file.path().unwrap_or(unnamed))
        .line_start(file.line(start as u32) as usize);
    for (&(kind, _, label), range) in places.iter().zip(ranges) {
        let annotation = kind.span(range.start - start..range.end - start);
        snippet = snippet.annotation(match label {
            Some(label) => annotation.label(label),
            None => annotation,
        });
    }
    snippet
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
        Some(_) => start..start + 1,
        None => start..start + usize::from(text.ends_with('\n')),
    }
}

/// A message without the place at its end, which the excerpt shows.
fn without_place(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |at| &message[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any two places of a text can be shown, near or far from each other, and each with its line.
    #[test]
    fn every_place_has_its_line() {
        let far = format!("a\u{e9} b\n{}\r\nend", "x\n".repeat(60));
        for text in [
            "",
            "\n",
            "a",
            "a\n",
            "\u{e9}\u{1f600}\n\nb\r\nc",
            "\n\n\n",
            "a\r\n",
            &far,
        ] {
            let file = SourceFile::new(None, text.to_owned());
            let offsets: Vec<u32> = (0..=text.len())
                .filter(|&at| text.is_char_boundary(at))
                .map(|at| at as u32)
                .collect();
            for &start in &offsets {
                for &end in offsets.iter().filter(|&&end| end >= start).take(9) {
                    for label in [offsets[0], offsets[offsets.len() - 1]] {
                        let found = Diagnostic::error("E0001", "message", Span::new(start, end))
                            .with_label(Span::new(label, label), "label");
                        let shown = diagnostics(&file, &[found], "<text>", false);
                        let place = format!("<text>:{}:", file.line(start));
                        assert!(shown.contains(&place), "{text:?} {start}..{end}: {shown}");
                        assert!(shown.contains("label"), "{text:?} {start}..{end}: {shown}");
                    }
                }
            }
        }
    }
}
