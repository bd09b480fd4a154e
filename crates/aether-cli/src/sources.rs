//! Source files for the tools: finding them, reading them, parsing them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use aether::parts::parser::{Parse, ParseOptions, parse};
use aether::{DEFAULT_MAX_NESTING, Error, SourceFile};

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
    let failed = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|&byte| byte == b'\n').count();
        failed(format!("invalid UTF-8 at line {line}"))
    })
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

/// The error of standard input that cannot be read.
pub(crate) fn unreadable_stdin(error: &io::Error) -> Error {
    Error::Read {
        path: STDIN.to_owned(),
        reason: error.to_string(),
    }
}

/// All of standard input.
pub(crate) fn read_stdin() -> Result<String, Error> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| unreadable_stdin(&error))?;
    Ok(text)
}
