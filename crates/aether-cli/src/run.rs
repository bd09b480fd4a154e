//! `aether FILE` and `aether run`: a script, its top level, its `main`.

use std::ffi::{OsStr, OsString};
use std::mem::ManuallyDrop;

use aether::{DEFAULT_MAX_NESTING, Engine, EngineBuilder, Error};

use crate::settings::{Color, Limits, size};
use crate::{interrupt, memory, report};

/// Runs a script and gives the exit status.
pub(crate) fn script(file: &OsStr, args: &[OsString], limits: &Limits, color: Color) -> u8 {
    let path = file.to_string_lossy();
    let engine = match builder(args, limits).host(interrupt::host()).build() {
        Ok(engine) => engine,
        Err(error) => return report::failure(&error, None, color),
    };
    let mut engine = ManuallyDrop::new(engine);
    memory::begin(&limits.reports, &mut engine, &path);
    let result = engine.run(&path);
    let status = conclude(result, &engine, color);
    memory::end(&limits.reports, &mut engine, &path, status, color)
}

/// Reports how a run ended and gives the exit status.
pub(crate) fn conclude(result: Result<(), Error>, engine: &Engine, color: Color) -> u8 {
    result.map_or_else(|error| report::failure(&error, Some(engine), color), |()| 0)
}

/// An engine of the command line: limits only where someone asked for them.
pub(crate) fn builder(args: &[OsString], limits: &Limits) -> EngineBuilder {
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
        .io_workers(setting("AETHER_IO_WORKERS", |text| text.parse().ok()))
        .event_loop_timeout(setting("AETHER_EVENT_LOOP_TIMEOUT", seconds))
        .module_path(module_path());
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
