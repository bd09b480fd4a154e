//! `aether fmt`: files in canonical form.
//!
//! Invariant: a file is replaced as a whole or left as it is; one that has changed since it was read is left.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use aether::{Diagnostic, Host, SourceFile, Span, SystemHost};
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
        status = status.max(if argument == "-" {
            stdin(words, color)
        } else if Path::new(argument).is_dir() {
            directory(argument, words, color)
        } else {
            file(argument, words, color)
        });
    }
    status
}

fn complain(text: &str) -> u8 {
    streams::write_err(&format!("fmt: {text}\n"));
    FAILED
}

fn directory(path: &str, words: &Words, color: Color) -> u8 {
    match sources::files_below(path, sources::is_script) {
        Ok(files) => {
            let statuses = files.iter().map(|path| file(path, words, color));
            statuses.max().unwrap_or(0)
        }
        Err(error) => complain(&format!("cannot read '{path}': {error}")),
    }
}

fn options(path: &str, words: &Words) -> Result<Options, String> {
    let width = match words.width {
        Some(width) => Some(width),
        None => Project::of(path)?.number("fmt", "width")?,
    };
    Ok(Options { width })
}

fn file(path: &str, words: &Words, color: Color) -> u8 {
    let before = match sources::read(path) {
        Ok(text) => text,
        Err(aether::Error::Read { reason, .. }) => {
            return complain(&format!("cannot read '{path}': {reason}"));
        }
        Err(other) => return complain(&other.to_string()),
    };
    let source = SourceFile::new(Some(path.to_owned()), before);
    let Some(text) = formatted(&source, path, path, words, color) else {
        return FAILED;
    };
    if text == source.text() {
        return 0;
    }
    if words.check || words.diff {
        return different(&source, &text, path, words);
    }
    match write(path, &source, &text) {
        Ok(()) => 0,
        Err(reason) => complain(&format!("cannot write '{path}': {reason}")),
    }
}

/// The text of a source in canonical form, by the settings that hold at `settings`; errors are told.
fn formatted(source: &SourceFile, settings: &str, path: &str, words: &Words, color: Color) -> Option<String> {
    let options = match options(settings, words) {
        Ok(options) => options,
        Err(message) => {
            complain(&message);
            return None;
        }
    };
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

/// Replaces a file, unless it is not to be written or has changed since it was read.
fn write(path: &str, source: &SourceFile, text: &str) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.permissions().readonly() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied).to_string());
    }
    let now = fs::read(path).map_err(|error| error.to_string())?;
    if now != source.text().as_bytes() {
        return Err("it has changed meanwhile".to_owned());
    }
    SystemHost::new()
        .write_file(path, text.as_bytes())
        .map_err(|error| error.to_string())
}

/// Formats standard input to standard output.
fn stdin(words: &Words, color: Color) -> u8 {
    let path = words.stdin_path.as_deref().unwrap_or(sources::STDIN);
    let mut bytes = Vec::new();
    if let Err(error) = io::stdin().lock().read_to_end(&mut bytes) {
        return complain(&format!("cannot read '{path}': {error}"));
    }
    let Ok(before) = String::from_utf8(bytes) else {
        return complain(&format!("cannot read '{path}': invalid UTF-8"));
    };
    let source = SourceFile::new(Some(path.to_owned()), before);
    let settings = words.stdin_path.as_deref().unwrap_or(".");
    let Some(text) = formatted(&source, settings, path, words, color) else {
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
