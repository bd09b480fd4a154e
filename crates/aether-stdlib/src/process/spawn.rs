//! `process.spawn`: a program that runs beside the script, and its handle.
//!
//! A handle that goes leaves the program alone. A thread waits for each program, so that none that has ended stays in
//! the system's table.
//!
//! Operations on a handle take place in the order in which they are called, whoever calls them: one thread writes what
//! is written, and closes the pipe when it has come to the end. Who writes or waits is parked meanwhile, pool or none.

use std::any::Any;
use std::cell::RefCell;
use std::io::{self, Write as _};
use std::process::{ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use aether_eval::{BuiltinDef, Count, Ctx, Event, Step};
use aether_value::{Builtin, Charge, Heap, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};
use shared_child::SharedChild;

use super::child::{add_status, send_signal};
use super::command::{SPAWN_OPTIONS, prepare};
use super::lines::Lines;
use super::signals;
use super::thread::{promise, start};
use crate::arguments::{Options, receiver};
use crate::awaited::Awaited;
use crate::bytes::with_data;

/// The signal that asks a program to end.
const TERMINATE: i32 = 15;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method_frame("write", 1, 1, 2, write),
    BuiltinDef::method("close_stdin", 0, 0, close_stdin),
    BuiltinDef::method("lines", 0, 0, lines),
    BuiltinDef::method_frame("wait", 0, 0, 1, wait),
    BuiltinDef::method("kill", 0, 1, kill),
];

/// The way to a program's standard input.
enum Input {
    /// Nothing has been written.
    Pipe(ChildStdin),
    /// A thread has the pipe. It closes it when this is gone and everything has been written.
    Thread(Sender<Piece>),
    /// It is closed, or about to be.
    Closed,
}

/// Bytes to be written.
struct Piece {
    bytes: Vec<u8>,
    outcome: Outcome,
}

/// What becomes of them.
type Outcome = Arc<Awaited<Option<io::Result<()>>>>;

impl Input {
    /// Writes bytes after those that wait, and gives what becomes of it; `None` if the pipe is closed.
    fn write(&mut self, bytes: Vec<u8>) -> io::Result<Option<Outcome>> {
        if let Self::Pipe(_) = self
            && let Self::Pipe(mut pipe) = std::mem::replace(self, Self::Closed)
        {
            let (sender, pieces) = channel::<Piece>();
            start(move || {
                for piece in pieces {
                    piece.outcome.set(pipe.write_all(&piece.bytes));
                }
            })?;
            *self = Self::Thread(sender);
        }
        let Self::Thread(sender) = self else {
            return Ok(None);
        };
        let outcome = Arc::new(Awaited::default());
        let piece = Piece {
            bytes,
            outcome: outcome.clone(),
        };
        Ok(sender.send(piece).is_ok().then_some(outcome))
    }
}

/// A program as a value.
struct Process {
    child: Arc<SharedChild>,
    input: RefCell<Input>,
    /// Where what it prints comes from, until somebody asks for its lines.
    stdout: RefCell<Option<ChildStdout>>,
    /// The lines of what it prints, once somebody has asked for them.
    lines: RefCell<Option<Rc<NativeObject>>>,
    exit: Arc<Awaited<Option<io::Result<ExitStatus>>>>,
    /// Counts as open as long as the handle lives.
    _count: RefCell<Count>,
}

/// `spawn(cmd, [opts])`
pub(super) fn spawn(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let options = Options::new(args.get(1), SPAWN_OPTIONS)?;
    let mut prepared = prepare(ctx, "process.spawn", &args[0], options)?;
    let count = ctx.open_handle()?;
    let flushed = ctx.host().flush();
    flushed.map_err(|error| prepared.failed("process.spawn", &error))?;
    prepared.command.stdin(Stdio::piped());
    if prepared.capture {
        prepared.command.stdout(Stdio::piped());
    }
    let child = SharedChild::spawn(&mut prepared.command);
    let child = Arc::new(child.map_err(|error| prepared.failed("process.spawn", &error))?);
    let exit = Arc::new(Awaited::default());
    let (waited, awaited) = (child.clone(), exit.clone());
    start(move || awaited.set(waited.wait())).map_err(|error| prepared.failed("process.spawn", &error))?;
    let stdout = RefCell::new(child.take_stdout());
    let mut stdin = child.take_stdin();
    if let Some(input) = prepared.input.take()
        && let Some(mut pipe) = stdin.take()
    {
        // A program that does not read all of it is its own business.
        start(move || drop(pipe.write_all(&input)))
            .map_err(|error| prepared.failed("process.spawn", &error))?;
    }
    let process = Process {
        child,
        input: RefCell::new(stdin.map_or(Input::Closed, Input::Pipe)),
        stdout,
        lines: RefCell::new(None),
        exit,
        _count: RefCell::new(count),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(process))?))
}

/// Takes what is written into the program's standard input, as fast as the program does. Slots: the handle, the data.
fn write(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {}
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
    }
    let failed = |error: io::Error| Raise::io("process.write", "standard input", &error.to_string());
    let bytes = with_data(ctx, "process.write", &slots[1], |_, bytes| Ok(bytes.to_vec()))?;
    ctx.tick(bytes.len() / 64)?;
    let charge = Charge::new(ctx.heap(), bytes.len())?;
    let outcome = receiver::<Process>(slots).input.borrow_mut().write(bytes);
    let Some(outcome) = outcome.map_err(failed)? else {
        return Err(Raise::operation("process.write: standard input is closed"));
    };
    let written = promise(ctx, outcome, charge, Option::take, move |_, written| {
        written.map(|()| Value::Null).map_err(failed)
    })?;
    Ok(Step::Await(written))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close_stdin(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    *receiver::<Process>(args).input.borrow_mut() = Input::Closed;
    Ok(Value::Null)
}

/// The lines are the same ones each time.
fn lines(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let process = receiver::<Process>(args);
    if let Some(lines) = &*process.lines.borrow() {
        return Ok(Value::Native(lines.clone()));
    }
    let Some(stdout) = process.stdout.borrow_mut().take() else {
        return Err(Raise::operation(
            "process.lines: the output is not captured (capture is false)",
        ));
    };
    let lines = Lines::new(ctx.heap(), stdout);
    let lines = lines.map_err(|error| Raise::io("process.lines", "standard output", &error.to_string()))?;
    let lines = ctx.heap().native(Box::new(lines))?;
    *process.lines.borrow_mut() = Some(lines.clone());
    Ok(Value::Native(lines))
}

fn wait(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {}
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
    }
    let exit = receiver::<Process>(slots).exit.clone();
    let look = |exit: &mut Option<io::Result<ExitStatus>>| {
        let outcome = exit.as_ref()?;
        Some(outcome.as_ref().map_err(ToString::to_string).copied())
    };
    let promise = promise(ctx, exit, (), look, |ctx, status| {
        let status = status.map_err(|error: String| Raise::io("process.wait", "child", &error))?;
        let dict = ctx.heap().dict()?;
        add_status(ctx, &dict, status)?;
        dict.insert(ctx.string("ok")?, Value::Bool(status.success()))?;
        Ok(Value::Dict(dict))
    })?;
    Ok(Step::Await(promise))
}

/// Whether the signal could be sent: not to a program that is over.
fn kill(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let signal = match args.get(1) {
        None | Some(Value::Null) => TERMINATE,
        Some(signal) => signals::number("process.kill", signal)?,
    };
    let child = &receiver::<Process>(args).child;
    if child.try_wait().is_ok_and(|status| status.is_some()) {
        return Ok(Value::Bool(false));
    }
    send_signal(child, signal).map_err(|error| Raise::io("process.kill", "child", &error.to_string()))?;
    Ok(Value::Bool(true))
}

impl Native for Process {
    fn type_name(&self) -> &'static str {
        "process"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        // In the middle of a change it names none, which keeps them alive.
        if let Ok(lines) = self.lines.try_borrow()
            && let Some(lines) = &*lines
        {
            visit(&Raw::of_rc(lines));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<process ")?;
        out.push_str(&self.child.id().to_string())?;
        out.push_char('>')
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok((name == "pid").then(|| Value::Int(self.child.id().into())))
    }

    fn member_names(&self) -> Vec<String> {
        vec!["pid".to_owned()]
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
