//! `aether FILE` and `aether run`: a script, its top level, its `main`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::mem::ManuallyDrop;
use std::path::Path;

use aether::parts::eval::JitOptions;
use aether::parts::resolve::suggest;
use aether::{DEFAULT_MAX_NESTING, Engine, EngineBuilder, Error, JitReport};

use crate::options::SUBCOMMANDS;
use crate::project::Project;
use crate::settings::{Color, Limits, size};
use crate::status::{FAILED, WRONG_USAGE};
use crate::{debugger, interrupt, memory, report, sandbox, sources, streams};

/// Runs a script and gives the exit status.
pub(crate) fn script(file: &OsStr, args: &[OsString], limits: &Limits, color: Color) -> u8 {
    let path = file.to_string_lossy();
    let modules = match project_modules(&path) {
        Ok(modules) => modules,
        Err(message) => {
            streams::write_err(&format!("Error: {message}\n"));
            return FAILED;
        }
    };
    let permissions = match limits.rules.permissions() {
        Ok(permissions) => permissions,
        Err(message) => {
            streams::write_err(&format!("run: {message}\n"));
            return WRONG_USAGE;
        }
    };
    let host = sandbox::restrict(
        interrupt::host().owning_input(),
        permissions,
        limits.seed,
        limits.fixed_time,
    );
    let engine = match builder(args, limits, modules).host(host).build() {
        Ok(engine) => engine,
        Err(error) => return report::failure(&error, None, color),
    };
    let mut engine = ManuallyDrop::new(engine);
    debugger::attach(&mut engine);
    memory::begin(&limits.reports, &mut engine, &path);
    let result = if path == "-" {
        stdin(&mut engine)
    } else {
        engine.run(&path)
    };
    let status = match result {
        Err(error) if limits.reports.json && !report::is_silent(&error) => {
            report::failure_as_json(&error, &engine)
        }
        result => {
            let help = match &result {
                Err(Error::Read { path: unread, .. }) if *unread == path => missing_script_help(&path),
                _ => None,
            };
            let status = conclude(result, &mut engine, color);
            if let Some(help) = help {
                streams::write_err(&format!("  help: {help}\n"));
            }
            status
        }
    };
    let status = memory::end(&limits.reports, &mut engine, &path, status, color);
    for line in engine.jit_report() {
        streams::write_err(&format!("jit: {line}\n"));
    }
    status
}

/// What was probably meant by the path of a script that does not exist: the same name with its ending, a script
/// beside it with a name like it, or a subcommand.
#[cold]
#[inline(never)]
fn missing_script_help(path: &str) -> Option<String> {
    let path = Path::new(path);
    if path.exists() {
        return None;
    }
    let did_you_mean = |meant: &Path| format!("did you mean '{}'?", meant.display());
    let name = path.file_name()?.to_str()?;
    let with_ending = path.with_file_name(format!("{name}.ae"));
    if with_ending.is_file() {
        return Some(did_you_mean(&with_ending));
    }
    let stem = path.file_stem()?.to_str()?;
    let is_bare = stem == path.as_os_str();
    let subcommand = suggest(stem, SUBCOMMANDS.iter().copied()).filter(|_| is_bare);
    if let Some(subcommand) = subcommand {
        return Some(did_you_mean(Path::new(&format!("aether {subcommand}"))));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = fs::read_dir(directory.unwrap_or(Path::new("."))).ok()?;
    let names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let stems = names.iter().filter_map(|name| name.strip_suffix(".ae"));
    let meant = suggest(stem, stems)?;
    Some(did_you_mean(&path.with_file_name(format!("{meant}.ae"))))
}

/// Runs the program on standard input.
#[cold]
#[inline(never)]
fn stdin(engine: &mut Engine) -> Result<(), Error> {
    let text = sources::read_stdin()?;
    engine.run_text(sources::STDIN, text)
}

/// `aether run` without a script: the entry of the project around the working directory.
#[cold]
#[inline(never)]
pub(crate) fn entry(limits: &Limits, color: Color) -> u8 {
    let entry = Project::of(".").and_then(|project| project.entry());
    match entry {
        Ok(Some(entry)) => script(OsStr::new(&entry), &[], limits, color),
        Ok(None) => {
            streams::write_err(
                "run: no file specified\nUsage: aether run [OPTIONS] FILE [ARG…]\n\
                 help: in a project, [package] entry in aether.toml names the script\n",
            );
            WRONG_USAGE
        }
        Err(message) => {
            streams::write_err(&format!("run: {message}\n"));
            FAILED
        }
    }
}

/// Reports how a run ended and gives the exit status.
pub(crate) fn conclude(result: Result<(), Error>, engine: &mut Engine, color: Color) -> u8 {
    let exits = matches!(result, Err(Error::Exit(_)));
    let status = result.map_or_else(|error| report::failure(&error, Some(engine), color), |()| 0);
    let unhandled = engine.take_unhandled_rejections();
    for error in &unhandled {
        report::unhandled_rejection(error);
    }
    if status == 0 && !exits && !unhandled.is_empty() {
        return FAILED;
    }
    status
}

/// An engine of the command line: limits only where someone asked for them. `modules` are directories that modules are
/// searched in.
pub(crate) fn builder(args: &[OsString], limits: &Limits, modules: Vec<String>) -> EngineBuilder {
    let memory = limits
        .memory
        .or_else(|| setting("AETHER_MAX_MEMORY", |text| size(text).ok()));
    let depth = limits
        .depth
        .or_else(|| setting("AETHER_CALL_DEPTH", |text| text.parse().ok()));
    let builder = Engine::builder()
        .args(args.iter().map(|arg| arg.to_string_lossy()))
        .max_nesting(DEFAULT_MAX_NESTING)
        .max_memory(memory)
        .max_steps(limits.steps)
        .timeout(limits.time)
        .max_output(limits.output)
        .max_open(limits.open)
        .io_workers(setting("AETHER_IO_WORKERS", |text| text.parse().ok()))
        .event_loop_timeout(setting("AETHER_EVENT_LOOP_TIMEOUT", seconds))
        .module_path(modules.into_iter().chain(module_path()));
    let builder = machine_code(builder, limits);
    let builder = match setting("AETHER_GRACEFUL_SHUTDOWN_TIMEOUT_SECS", seconds) {
        Some(seconds) => builder.shutdown_timeout(seconds),
        None => builder,
    };
    let builder = match setting("AETHER_QUEUE_LIMIT", |text| text.parse().ok()) {
        Some(limit) if limit > 0 => builder.queue_limit(limit),
        _ => builder,
    };
    match depth {
        Some(depth) if depth > 0 => builder.max_depth(depth),
        _ => builder,
    }
}

/// What options and `AETHER_JIT` say of machine code: `0` for none, and for tests `eager` and `exits` to force it.
fn machine_code(builder: EngineBuilder, limits: &Limits) -> EngineBuilder {
    let mut options = JitOptions::default();
    match std::env::var("AETHER_JIT").as_deref() {
        Ok("0") => options.enabled = false,
        Ok("eager") => options.eager = true,
        Ok("exits") => (options.eager, options.exits_everywhere) = (true, true),
        _ => {}
    }
    options.enabled &= !limits.no_jit;
    options.max_code = limits.max_code.unwrap_or(options.max_code);
    if limits.jit_log {
        options.report = JitReport::Log;
    }
    builder.jit_options(options)
}

/// The module directories of the project that a path belongs to.
pub(crate) fn project_modules(path: &str) -> Result<Vec<String>, String> {
    Project::around(path)?.map_or(Ok(Vec::new()), |project| project.modules())
}

/// The directories of `AETHER_PATH`.
fn module_path() -> Vec<String> {
    let path = std::env::var("AETHER_PATH").unwrap_or_default();
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A positive number of seconds.
fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|&seconds: &f64| seconds > 0.0)
}

/// A setting from the environment; what cannot be understood is ignored.
fn setting<T>(name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    std::env::var(name).ok().and_then(|text| read(&text))
}
