//! `aether fmt`: files in canonical form.
//!
//! Invariant: a file is replaced as a whole or left as it is; one that has changed since it was read is left.

use std::path::Path;

use aether::{Diagnostic, Error, SourceFile, Span};
use aether_fmt::{FormatError, Options, format};
use clap::Args;
use similar::TextDiff;

use crate::project::Project;
use crate::settings::Color;
use crate::status::FAILED;
use crate::{json, report, sources, streams};

/// The usage line.
pub(crate) const USAGE: &str = "Usage: aether fmt [--check] [--diff] [--width N] FILE|DIR|-…";

/// What `fmt` is asked.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// Write nothing; tell of the files that are not formatted, status 1.
    #[arg(long)]
    check: bool,
    /// Write nothing; print what would change.
    #[arg(long)]
    diff: bool,
    /// Wrap lines that are longer than so many characters; without it they are left long.
    #[arg(long, value_name = "N")]
    width: Option<usize>,
    /// The path of what is read from standard input, for its settings and in messages.
    #[arg(long, value_name = "PATH")]
    stdin_path: Option<String>,
    /// With --check, tell of them as JSON, an object a line.
    #[arg(long)]
    json: bool,
    /// Tell only of errors.
    #[arg(short, long)]
    quiet: bool,
    /// Files, directories, or - for standard input, which is written to standard output.
    files: Vec<String>,
}

/// Formats what is asked for and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words, color: Color) -> u8 {
    if words.files.is_empty() {
        streams::write_err(&format!("fmt: no file specified\n{USAGE}\n"));
        return FAILED;
    }
    let mut status = 0;
    for argument in &words.files {
        status = status.max(match options(argument, words) {
            Ok(options) => one(argument, options, words, color),
            Err(message) => complain(&message),
        });
    }
    status
}

fn complain(text: &str) -> u8 {
    streams::write_err(&format!("fmt: {text}\n"));
    FAILED
}

fn unread(path: &str, error: &Error) -> u8 {
    match error {
        Error::Read { reason, .. } => complain(&format!("cannot read '{path}': {reason}")),
        other => complain(&other.to_string()),
    }
}

/// What the command line says, or else the project that an argument belongs to.
fn options(argument: &str, words: &Words) -> Result<Options, String> {
    let path = match argument {
        "-" => words.stdin_path.as_deref().unwrap_or("."),
        path => path,
    };
    let width = match words.width {
        Some(width) => Some(width),
        None => Project::of(path)?.number("fmt", "width")?,
    };
    Ok(Options { width })
}

fn one(argument: &str, options: Options, words: &Words, color: Color) -> u8 {
    if argument == "-" {
        return stdin(options, words, color);
    }
    if !Path::new(argument).is_dir() {
        return file(argument, options, words, color);
    }
    match sources::files_below(argument, sources::is_script) {
        Ok(files) => {
            let statuses = files.iter().map(|path| file(path, options, words, color));
            statuses.max().unwrap_or(0)
        }
        Err(error) => complain(&format!("cannot read '{argument}': {error}")),
    }
}

fn file(path: &str, options: Options, words: &Words, color: Color) -> u8 {
    let before = match sources::read(path) {
        Ok(text) => text,
        Err(error) => return unread(path, &error),
    };
    let source = SourceFile::new(Some(path.to_owned()), before);
    let Some(text) = formatted(&source, options, path, words, color) else {
        return FAILED;
    };
    if text == source.text() {
        return 0;
    }
    if words.check || words.diff {
        return different(&source, &text, path, words);
    }
    match sources::replace(path, source.text(), &text) {
        Ok(()) => 0,
        Err(error) => complain(&format!("cannot write '{path}': {error}")),
    }
}

/// The text of a source in canonical form; errors are told.
fn formatted(
    source: &SourceFile,
    options: Options,
    path: &str,
    words: &Words,
    color: Color,
) -> Option<String> {
    match format(source, options) {
        Ok(text) => Some(text),
        Err(FormatError::Syntax(diagnostics)) => {
            for diagnostic in &diagnostics {
                if words.json {
                    streams::write_out(&json::line(source, diagnostic));
                } else if !report::is_long(color) {
                    complain(&format!("{path}: {}", diagnostic.message));
                }
            }
            if report::is_long(color) && !words.json {
                report::diagnostics(source, &diagnostics, color);
            }
            None
        }
        Err(error @ FormatError::Different(_)) => {
            complain(&format!("{path}: {error}"));
            None
        }
    }
}

/// Tells that a file is not formatted.
fn different(source: &SourceFile, text: &str, path: &str, words: &Words) -> u8 {
    if words.diff {
        let diff = TextDiff::from_lines(source.text(), text);
        let diff = diff.unified_diff().header(path, path).to_string();
        streams::write_out(&diff);
        if !words.check {
            return 0;
        }
    }
    if words.json {
        let all = Span::new(0, source.text().len() as u32);
        let finding = Diagnostic::error("E0301", "not formatted", Span::new(0, 0)).with_edit(all, text);
        streams::write_out(&json::line(source, &finding));
    } else if !words.quiet {
        complain(&format!("'{path}' is not formatted"));
    }
    FAILED
}

/// Formats standard input to standard output.
fn stdin(options: Options, words: &Words, color: Color) -> u8 {
    let path = words.stdin_path.as_deref().unwrap_or(sources::STDIN);
    let before = match sources::read_stdin() {
        Ok(text) => text,
        Err(error) => return unread(path, &error),
    };
    let source = SourceFile::new(Some(path.to_owned()), before);
    let Some(text) = formatted(&source, options, path, words, color) else {
        return FAILED;
    };
    if words.check || words.diff {
        return if text == source.text() {
            0
        } else {
            different(&source, &text, path, words)
        };
    }
    streams::write_out(&text);
    0
}
