//! Source files for the tools: finding them, reading them, parsing them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use aether::parts::parser::{Parse, ParseOptions, parse};
use aether::{DEFAULT_MAX_NESTING, Error, Host, SourceFile, SystemHost, source_text};

/// Every file below a directory that `wanted` takes by its name, sorted by path; `target` and hidden directories are left
/// out, and so are links to directories.
pub(crate) fn files_below(directory: &str, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from(directory)];
    while let Some(next) = waiting.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if next == Path::new(directory) => return Err(error),
            // What may not be looked into is not part of the project.
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory && name != "target" && !name.starts_with('.') {
                waiting.push(entry.path());
            } else if !is_directory && !name.starts_with('.') && wanted(name) && entry.path().is_file() {
                let path = entry.path();
                let path = path.strip_prefix(".").unwrap_or(&path);
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name is that of a script.
pub(crate) fn is_script(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "ae")
}

/// The text of a file.
pub(crate) fn read(path: &str) -> Result<String, Error> {
    source_text(path, fs::read(path))
}

/// Replaces the text of a file as a whole, unless it is not to be written or has changed since `before` was read.
pub(crate) fn replace(path: &str, before: &str, text: &str) -> io::Result<()> {
    if fs::metadata(path)?.permissions().readonly() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if fs::read(path)? != before.as_bytes() {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    SystemHost::new().replace_file(path, text.as_bytes())
}

/// A file with its tree.
pub(crate) struct Parsed {
    pub(crate) file: Rc<SourceFile>,
    pub(crate) parse: Parse,
}

/// Reads and parses a file; errors of the text are in the result.
pub(crate) fn parse_file(path: &str) -> Result<Parsed, Error> {
    Ok(parse_source(SourceFile::new(Some(path.to_owned()), read(path)?)))
}

/// Parses a text.
pub(crate) fn parse_source(file: SourceFile) -> Parsed {
    let options = ParseOptions {
        max_nesting: DEFAULT_MAX_NESTING,
    };
    let parse = parse(&file, options);
    Parsed {
        file: Rc::new(file),
        parse,
    }
}

/// What standard input is called.
pub(crate) const STDIN: &str = "<stdin>";

/// All of standard input.
pub(crate) fn read_stdin() -> Result<String, Error> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    source_text(STDIN, read.map(|_| bytes))
}

/// The error of standard input that cannot be read.
pub(crate) fn unreadable_stdin(error: &io::Error) -> Error {
    Error::Read {
        path: STDIN.to_owned(),
        reason: error.to_string(),
    }
}
