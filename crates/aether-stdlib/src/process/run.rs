//! `process.run`: a program from its beginning to its end, with what it printed.
//!
//! Invariants
//! - What is captured is bounded by what the heap has room for when the program begins; a program that prints more is
//!   killed.
//! - The program does not outlive the call: see [`KillGuard`].

use std::any::Any;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_eval::{Ctx, Event, Step};
use aether_value::{Charge, ErrorKind, Native, Raise, Value};

use super::child::{KillGuard, Killer, add_status, signal_of};
use super::command::{CHECK, ENCODING, Prepared, RUN_OPTIONS, TIMEOUT, failed, prepare};
use super::exchange::{Pipes, Stopped, exchange};
use super::thread::{promise, start};
use crate::arguments::Options;
use crate::awaited::Awaited;

/// The most that is captured.
const MAX_OUTPUT: usize = i32::MAX as usize;

/// The slot of the guard.
const GUARD: usize = 2;

/// What a program has left.
struct Outcome {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Why there is none.
enum Failure {
    /// It could not be started, or waited for.
    System(io::Error),
    TimedOut,
    TooMuchOutput(usize),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// What becomes of an outcome.
#[derive(Clone, Copy)]
struct Wanted {
    check: bool,
    is_bytes: bool,
}

/// Ends the program when the call ends before it.
struct Guard {
    _guard: KillGuard,
}

impl Native for Guard {
    fn type_name(&self) -> &'static str {
        "process"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `run(cmd, [opts])`
pub(super) fn run(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {}
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
    }
    let options = Options::new(Some(&slots[1]), RUN_OPTIONS)?;
    let timeout = options.seconds("process.run", TIMEOUT)?;
    let shown_timeout = match options.get(TIMEOUT) {
        Some(value) => ctx.text(&value)?.as_str().to_owned(),
        None => String::new(),
    };
    let wanted = Wanted {
        check: options.boolean(CHECK, false)?,
        is_bytes: match options
            .string(ENCODING)?
            .as_ref()
            .map_or("utf8", |text| text.as_str())
        {
            "utf8" => false,
            "bytes" => true,
            other => {
                let detail = format!(
                    "process.run: unknown encoding '{}' (utf8 or bytes)",
                    other.escape_debug()
                );
                return Err(Raise::operation(&detail));
            }
        },
    };
    let mut prepared = prepare(ctx, "process.run", &slots[0], options)?;
    let count = ctx.open_handle()?;
    // What was printed before comes before what the program prints.
    let flushed = ctx.host().flush();
    flushed.map_err(|error| prepared.failed("process.run", &error))?;
    let input = prepared.input.as_ref().map_or(0, Vec::len);
    let charge = Charge::new(ctx.heap(), input)?;
    let most = ctx.heap().room().unwrap_or(MAX_OUTPUT).min(MAX_OUTPUT);
    // A program with a time limit is ended with all that it has started.
    let killer = Killer::new(timeout.is_some() && prepared.capture);
    let (awaited, shared) = (Arc::new(Awaited::default()), killer.clone());
    let sender = awaited.clone();
    let (program, directory) = prepared.place();
    let shown = std::mem::take(&mut prepared.shown);
    let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    start(move || sender.set(execute(prepared, &shared, timeout, most)))
        .map_err(|error| Raise::io("process.run", &program, &error.to_string()))?;
    let finish = move |ctx: &mut Ctx<'_>, outcome: Result<Outcome, Failure>| match outcome {
        Ok(outcome) => result(ctx, &outcome, wanted, &shown),
        Err(Failure::System(error)) => Err(failed("process.run", &program, directory.as_deref(), &error)),
        Err(Failure::TimedOut) => Err(Raise::new(
            ErrorKind::Timeout,
            format!("Process timed out after {shown_timeout}s"),
        )),
        Err(Failure::TooMuchOutput(bytes)) => Err(ctx.heap().out_of_memory(bytes)),
    };
    if ctx.has_pool() {
        let held = (count, charge, KillGuard(killer));
        let promise = promise(ctx, awaited, held, Option::take, finish)?;
        return Ok(Step::Done(promise));
    }
    let guard = Guard {
        _guard: KillGuard(killer),
    };
    slots[GUARD] = Value::Native(ctx.heap().native(Box::new(guard))?);
    let promise = promise(ctx, awaited, (count, charge), Option::take, finish)?;
    Ok(Step::Await(promise))
}

/// The program's life, on a thread of its own.
fn execute(
    mut prepared: Prepared,
    killer: &Killer,
    timeout: Option<Duration>,
    most: usize,
) -> Result<Outcome, Failure> {
    let command = &mut prepared.command;
    if prepared.capture {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        if timeout.is_some() {
            std::os::unix::process::CommandExt::process_group(command, 0);
        }
    }
    let end = timeout.map(|timeout| Instant::now() + timeout);
    let child = killer.spawn(command)?;
    let pipes = Pipes {
        input: child.take_stdin().zip(prepared.input),
        stdout: child.take_stdout(),
        stderr: child.take_stderr(),
    };
    // The end of output comes before the end of the program, or with it.
    let (stdout, stderr) = match exchange(&child, pipes, end, most) {
        Ok(outputs) => outputs,
        Err(stopped) => {
            killer.kill();
            child.wait()?;
            return Err(match stopped {
                Stopped::System(error) => Failure::System(error),
                Stopped::TimedOut => Failure::TimedOut,
                Stopped::TooMuchOutput => Failure::TooMuchOutput(most.saturating_add(1)),
            });
        }
    };
    let status = match end {
        Some(end) => child.wait_deadline(end)?,
        None => Some(child.wait()?),
    };
    let Some(status) = status else {
        killer.kill();
        child.wait()?;
        return Err(Failure::TimedOut);
    };
    Ok(Outcome {
        status,
        stdout,
        stderr,
    })
}

/// The dict of an outcome, or the error if that is wanted.
fn result(ctx: &mut Ctx<'_>, outcome: &Outcome, wanted: Wanted, shown: &str) -> Result<Value, Raise> {
    let status = outcome.status;
    if wanted.check && !status.success() {
        let message = match (status.code(), signal_of(status)) {
            (Some(code), _) => format!("Process exited with status {code}: {shown}"),
            (None, Some(signal)) => format!("Process killed by {signal}: {shown}"),
            (None, None) => format!("Process failed: {shown}"),
        };
        return Err(Raise::new(ErrorKind::Io, message));
    }
    let dict = ctx.heap().dict()?;
    add_status(ctx, &dict, status)?;
    for (name, bytes) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        let value = if wanted.is_bytes {
            Value::Array(ctx.array_of_bytes(bytes)?)
        } else {
            match ctx.text_of_bytes(bytes)? {
                Ok(text) => Value::String(text),
                Err(_) => ctx.string(&String::from_utf8_lossy(bytes))?,
            }
        };
        dict.insert(ctx.string(name)?, value)?;
    }
    dict.insert(ctx.string("ok")?, Value::Bool(status.success()))?;
    Ok(Value::Dict(dict))
}
