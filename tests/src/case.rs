//! Cases: where they are, how they are run, what they must do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// How a case is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As `aether FILE`.
    #[default]
    Program,
    /// As `aether eval --result --file FILE`.
    Eval,
    /// As a program, without the names of the library.
    Bare,
}

/// A program with its options.
#[derive(Clone, Debug)]
pub struct Case {
    /// Path from the repository's root, without the extension.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// How it is run.
    pub mode: Mode,
    /// Limit of activations, if it sets one.
    pub depth: Option<usize>,
    /// Workers of the I/O pool, if it has one.
    pub workers: Option<usize>,
    /// Script arguments.
    pub args: Vec<String>,
}

/// The repository's root.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map_or_else(|| tests.to_owned(), Path::to_owned)
}

/// Every case of the suite and the examples, sorted by name.
///
/// # Errors
/// A directory or file cannot be read, or a first line has an option that does not exist.
pub fn find_cases() -> io::Result<Vec<Case>> {
    find_cases_below(&["examples", "tests/conformance"])
}

/// The cases a tool is to run: those of the suite and the examples, or below `planted` if it is given; only those
/// whose names contain `only`.
///
/// # Errors
/// See [`find_cases`]; or no case is left.
pub fn select_cases(planted: Option<&str>, only: Option<&str>) -> Result<Vec<Case>, String> {
    let found = match planted {
        Some(directory) => find_cases_below(&[directory]),
        None => find_cases(),
    };
    let mut cases = found.map_err(|error| error.to_string())?;
    if let Some(only) = only {
        cases.retain(|case| case.name.contains(only));
        if cases.is_empty() {
            return Err(format!("no program's name contains '{only}'"));
        }
    }
    Ok(cases)
}

/// Every case below these directories of the repository, sorted by name.
///
/// # Errors
/// See [`find_cases`].
fn find_cases_below(directories: &[&str]) -> io::Result<Vec<Case>> {
    let root = repository();
    let mut cases = Vec::new();
    let mut pending: Vec<PathBuf> = directories.iter().map(|directory| root.join(directory)).collect();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "modules" | "data" | "plugins" | "hosts") {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|found| found == "ae") && !name.starts_with('_') {
                cases.push(Case::read(&root, path)?);
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

impl Case {
    fn read(root: &Path, path: PathBuf) -> io::Result<Self> {
        let bytes = fs::read(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        let inside = path.strip_prefix(root).unwrap_or(&path);
        let name = inside.with_extension("").to_string_lossy().into_owned();
        let mut case = Self {
            name,
            path,
            mode: Mode::Program,
            depth: None,
            workers: None,
            args: Vec::new(),
        };
        let options = text
            .lines()
            .next()
            .and_then(|line| line.trim_end().strip_prefix("// run: "));
        for option in options.unwrap_or("").split_whitespace() {
            if !case.set_option(option) {
                let message = format!("{}: unknown option '{option}'", case.name);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(case)
    }

    fn set_option(&mut self, option: &str) -> bool {
        match option.split_once('=') {
            Some(("depth", depth)) => {
                self.depth = depth.parse().ok();
                self.depth.is_some()
            }
            Some(("workers", workers)) => {
                self.workers = workers.parse().ok();
                self.workers.is_some()
            }
            Some(("args", args)) => {
                self.args = args.split(',').map(str::to_owned).collect();
                true
            }
            Some(("mode", "eval")) => {
                self.mode = Mode::Eval;
                true
            }
            Some(("mode", "bare")) => {
                self.mode = Mode::Bare;
                true
            }
            _ => false,
        }
    }

    /// The directory that the program runs in.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The file's name, as messages and traces show it.
    pub fn file_name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    fn read_beside(&self, extension: &str) -> io::Result<String> {
        match fs::read_to_string(self.path.with_extension(extension)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        }
    }

    /// What is written beside the program.
    ///
    /// # Errors
    /// A file cannot be read, or `.err` does not begin with `exit: N`.
    pub fn expected(&self) -> io::Result<Outcome> {
        let stdout = self.read_beside("out")?;
        let errors = self.read_beside("err")?;
        if errors.is_empty() {
            return Ok(Outcome {
                stdout,
                stderr: String::new(),
                status: 0,
            });
        }
        let (first, stderr) = errors.split_once('\n').unwrap_or((&errors, ""));
        let status = first
            .strip_prefix("exit: ")
            .and_then(|status| status.trim_end().parse().ok());
        let malformed = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the .err file must begin with `exit: N`",
            )
        };
        Ok(Outcome {
            stdout,
            stderr: stderr.to_owned(),
            status: status.ok_or_else(malformed)?,
        })
    }

    /// Writes an outcome beside the program.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn bless(&self, outcome: &Outcome) -> io::Result<()> {
        let write = |extension: &str, text: &str| {
            let path = self.path.with_extension(extension);
            if text.is_empty() {
                return if path.exists() {
                    fs::remove_file(path)
                } else {
                    Ok(())
                };
            }
            fs::write(path, text)
        };
        write("out", &outcome.stdout)?;
        let silent = outcome.status == 0 && outcome.stderr.is_empty();
        let errors = if silent {
            String::new()
        } else {
            format!("exit: {}\n{}", outcome.status, outcome.stderr)
        };
        write("err", &errors)
    }
}
