//! What is to be run: the command and its options, as the system wants them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aether_eval::{Ctx, Permission};
use aether_value::{Dict, Raise, Rc, Value};

use crate::arguments::{Options, permit, string, wrong_type};
use crate::bytes::with_data;

const CWD: &str = "cwd";
const ENV: &str = "env";
const CLEAR_ENV: &str = "clear_env";
pub(super) const STDIN: &str = "stdin";
pub(super) const TIMEOUT: &str = "timeout";
pub(super) const CAPTURE: &str = "capture";
pub(super) const CHECK: &str = "check";
pub(super) const ENCODING: &str = "encoding";

/// The options of `run`.
pub(super) const RUN_OPTIONS: &[&str] = &[CWD, ENV, CLEAR_ENV, STDIN, TIMEOUT, CAPTURE, CHECK, ENCODING];
/// The options of `spawn`.
pub(super) const SPAWN_OPTIONS: &[&str] = &[CWD, ENV, CLEAR_ENV, STDIN, CAPTURE];

/// A command that can be started.
pub(super) struct Prepared {
    pub(super) command: Command,
    /// The program that is started, for errors.
    pub(super) program: String,
    /// The command as it was given, for errors.
    pub(super) shown: String,
    /// Where it runs.
    directory: Option<PathBuf>,
    /// What is fed to it.
    pub(super) input: Option<Vec<u8>>,
    /// Whether what it prints is taken.
    pub(super) capture: bool,
}

impl Prepared {
    /// The error for a command that could not be started.
    pub(super) fn failed(&self, operation: &str, error: &std::io::Error) -> Raise {
        failed(operation, &self.program, self.directory.as_deref(), error)
    }

    /// What [`Prepared::failed`] needs of it.
    pub(super) fn place(&self) -> (String, Option<PathBuf>) {
        (self.program.clone(), self.directory.clone())
    }
}

/// The error for a program that could not be started. The system says alike that there is no such program and that
/// there is no such directory.
#[cold]
pub(super) fn failed(
    operation: &str,
    program: &str,
    directory: Option<&Path>,
    error: &std::io::Error,
) -> Raise {
    let missing = directory.filter(|directory| !directory.is_dir());
    let place = missing.map_or(program.into(), Path::to_string_lossy);
    Raise::io(operation, &place, &error.to_string())
}

/// The program of the system's shell, and the option before a command.
#[cfg(unix)]
const SHELL: (&str, &str) = ("/bin/sh", "-c");
#[cfg(not(unix))]
const SHELL: (&str, &str) = ("cmd", "/C");

/// Reads a command and its options, and asks whether the program may be run.
pub(super) fn prepare(
    ctx: &mut Ctx<'_>,
    operation: &str,
    cmd: &Value,
    options: Options<'_>,
) -> Result<Prepared, Raise> {
    let (program, arguments, shown) = match cmd {
        Value::String(line) => {
            let (shell, option) = SHELL;
            let line = line.as_str().to_owned();
            (shell.to_owned(), vec![option.to_owned(), line.clone()], line)
        }
        Value::Array(words) => {
            let words = words.snapshot()?;
            let words: Result<Vec<String>, Raise> = words
                .iter()
                .map(|word| Ok(string(word)?.as_str().to_owned()))
                .collect();
            let words = words?;
            let Some((program, arguments)) = words.split_first() else {
                return Err(Raise::operation(&format!("{operation}: the command is empty")));
            };
            (program.clone(), arguments.to_vec(), words.join(" "))
        }
        other => return Err(wrong_type("string or array", other)),
    };
    // A line for the shell can start anything.
    let asked = if matches!(cmd, Value::String(_)) {
        "sh"
    } else {
        program.as_str()
    };
    permit(ctx, Permission::Run, asked)?;
    let mut command = Command::new(&program);
    command.args(&arguments);
    environment(ctx, &mut command, options)?;
    let directory = directory(ctx, operation, options)?;
    if let Some(directory) = &directory {
        command.current_dir(directory);
    }
    let input = input(ctx, operation, options)?;
    let capture = options.boolean(CAPTURE, true)?;
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    Ok(Prepared {
        command,
        program,
        shown,
        directory,
        input,
        capture,
    })
}

/// Sets the variables of the environment.
fn environment(ctx: &mut Ctx<'_>, command: &mut Command, options: Options<'_>) -> Result<(), Raise> {
    if options.boolean(CLEAR_ENV, false)? {
        command.env_clear();
    } else {
        for (name, value) in ctx.host().env_changes() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }
    let Some(env) = options.get(ENV) else {
        return Ok(());
    };
    let Value::Dict(env) = &env else {
        return Err(wrong_type("dict", &env));
    };
    let entries: &Rc<Dict> = env;
    for (name, value) in entries.iter() {
        let name = string(name)?.as_str();
        if value.is_null() {
            command.env_remove(name);
        } else {
            command.env(name, ctx.text(value)?.as_str());
        }
    }
    Ok(())
}

/// The directory that the program runs in; `None` for that of this process.
fn directory(ctx: &mut Ctx<'_>, operation: &str, options: Options<'_>) -> Result<Option<PathBuf>, Raise> {
    let cwd = options.string(CWD)?;
    let here = ctx.host().current_dir();
    match (cwd, here) {
        (Some(cwd), Ok(here)) => Ok(Some(Path::new(&here).join(cwd.as_str()))),
        (Some(cwd), Err(error)) => Err(Raise::io(operation, cwd.as_str(), &error.to_string())),
        (None, here) => Ok(here.ok().map(PathBuf::from).filter(|here| here.is_dir())),
    }
}

/// The bytes that are fed to the program.
fn input(ctx: &mut Ctx<'_>, operation: &str, options: Options<'_>) -> Result<Option<Vec<u8>>, Raise> {
    match options.get(STDIN) {
        None => Ok(None),
        Some(input) => with_data(ctx, operation, &input, |ctx, bytes| {
            ctx.tick(bytes.len() / 64)?;
            Ok(Some(bytes.to_vec()))
        }),
    }
}
