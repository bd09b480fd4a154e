//! Running a program in this process.

use aether::parts::eval::JitOptions;
use aether::{BuiltinDef, DEFAULT_MAX_NESTING, Engine, EngineBuilder, Error, HeapReport, MemoryHost};

use crate::{Case, Mode, diff};
use std::fmt::Write as _;
use std::time::Duration;

/// Calls and backward jumps after which a program is considered to hang.
const MAX_STEPS: u64 = 2_000_000_000;

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it, or its end, wrote to standard error.
    pub stderr: String,
    /// Its exit status.
    pub status: i32,
}

/// How a case is run beyond what it says itself.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Built-in functions beyond the library.
    pub builtins: &'static [BuiltinDef],
    /// Calls and backward jumps after which the program is stopped.
    pub max_steps: u64,
    /// How long the program may wait for the network, if not as long as usual.
    pub network_timeout: Option<Duration>,
    /// Whether dicts may be records.
    pub records: bool,
    /// Whether code expects objects of the host with operators.
    pub native_operators: bool,
    /// How hot functions become machine code.
    pub jit: JitOptions,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            builtins: &[],
            max_steps: MAX_STEPS,
            network_timeout: None,
            records: true,
            native_operators: false,
            jit: JitOptions::default(),
        }
    }
}

/// Machine code as soon as a function runs.
pub const EAGER: JitOptions = JitOptions {
    eager: true,
    ..JitOptions::DEFAULT
};

/// The same, left for the interpreter in many places.
pub const EXITS: JitOptions = JitOptions {
    exits_everywhere: true,
    ..EAGER
};

/// A moment in the life of a case's engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The engine is made, nothing has been read.
    Ready,
    /// The program has ended; its globals and all they lead to are alive.
    Ended,
}

/// Runs a case and ends its engine.
///
/// # Errors
/// The engine cannot be made.
pub fn execute(case: &Case) -> Result<(Outcome, HeapReport), Error> {
    execute_watched(case, &Settings::default(), |_, _, _| {})
}

/// Runs a case and ends its engine; `watch` sees the engine and the world around it at each moment.
///
/// # Errors
/// The engine cannot be made.
pub fn execute_watched(
    case: &Case,
    settings: &Settings,
    watch: impl FnMut(Moment, &Engine, &MemoryHost),
) -> Result<(Outcome, HeapReport), Error> {
    let host = MemoryHost::new().over_directory(case.directory());
    execute_on(case, settings, &host, watch)
}

/// The same on a host that is given.
///
/// # Errors
/// The engine cannot be made.
pub fn execute_on(
    case: &Case,
    settings: &Settings,
    host: &MemoryHost,
    mut watch: impl FnMut(Moment, &Engine, &MemoryHost),
) -> Result<(Outcome, HeapReport), Error> {
    if let Some(network_timeout) = settings.network_timeout {
        host.set_network_timeout(network_timeout);
    }
    let name = case.file_name();
    let mut builder = builder()
        .args(case.args.iter().cloned())
        .io_workers(case.workers)
        .builtins(settings.builtins)
        .records(settings.records)
        .native_operators(settings.native_operators)
        .jit_options(settings.jit)
        .max_steps(Some(settings.max_steps));
    if let Some(depth) = case.depth {
        builder = builder.max_depth(depth);
    }
    if case.mode == Mode::Bare {
        builder = builder.bare();
    }
    let mut engine = builder.host(host.clone()).build()?;
    watch(Moment::Ready, &engine, host);
    let result = match case.mode {
        Mode::Program | Mode::Bare => engine.run(&name),
        Mode::Eval => engine
            .eval_file(&name)
            .and_then(|value| engine.print_result(&value, host.at_line_start())),
    };
    watch(Moment::Ended, &engine, host);
    Ok(finish(engine, host, result))
}

/// Runs a text as a program without files.
///
/// # Errors
/// The engine cannot be made.
pub fn execute_text(text: &str) -> Result<(Outcome, HeapReport), Error> {
    let host = MemoryHost::new();
    let mut engine = builder().host(host.clone()).build()?;
    let result = engine.run_text("test.ae", text);
    Ok(finish(engine, &host, result))
}

fn builder() -> EngineBuilder {
    Engine::builder()
        .max_memory(None)
        .max_nesting(DEFAULT_MAX_NESTING)
        .max_steps(Some(MAX_STEPS))
}

fn finish(mut engine: Engine, host: &MemoryHost, result: Result<(), Error>) -> (Outcome, HeapReport) {
    let mut lines = result
        .err()
        .map(|error| engine.error_lines(&error, false))
        .unwrap_or_default();
    for error in engine.take_unhandled_rejections() {
        lines.push(format!("unhandled rejection: {error}"));
        lines.extend(error.full_trace());
    }
    let report = engine.shut_down();
    let mut stderr = host.stderr();
    let status = i32::from(!lines.is_empty());
    for line in lines {
        stderr.push_str(&line);
        stderr.push('\n');
    }
    (
        Outcome {
            stdout: host.stdout(),
            stderr,
            status,
        },
        report,
    )
}

/// What differs from what was expected, for people; empty if nothing does and nothing is alive.
pub fn compare(expected: &Outcome, actual: &Outcome, report: &HeapReport) -> String {
    let mut message = String::new();
    // Writing to a string cannot fail.
    if actual.status != expected.status {
        let _ = writeln!(message, "status {} instead of {}", actual.status, expected.status);
    }
    let streams = [
        ("stdout", &expected.stdout, &actual.stdout),
        ("stderr", &expected.stderr, &actual.stderr),
    ];
    for (stream, expected, actual) in streams {
        let difference = diff(expected, actual);
        if !difference.is_empty() {
            let _ = write!(message, "{stream} differs (- expected, + actual):\n{difference}");
        }
    }
    if report.live_objects != 0 {
        let _ = writeln!(message, "{} objects are alive after the end", report.live_objects);
    }
    if report.live_bytes != 0 {
        let _ = writeln!(message, "{} bytes are charged after the end", report.live_bytes);
    }
    message
}
