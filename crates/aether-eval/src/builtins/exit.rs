//! The end of a program by its own wish, and the handlers that run at its end.

use aether_value::{ErrorKind, Raise, Value};

use super::support::int;
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;

/// Runs the handlers that have not run; the machine calls it at the program's end, no script sees it.
pub(crate) static RUN_EXIT_HANDLERS: BuiltinDef =
    BuiltinDef::core_frame("exit_handlers", &[], 0, 0, 1, run_handlers).catching();

/// One step of running handlers, the latest first. A promise that one gives is awaited: a body runs only because
/// somebody waits for it. One that fails is reported, and the next one runs.
fn run_handlers(ctx: &mut Ctx<'_>, _: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {}
        Event::Returned(promise @ Value::Promise(_)) => return Ok(Step::Await(promise)),
        Event::Returned(_) => {}
        Event::Failed(raise) => {
            let text = format!("Error in exit handler: {}\n", raise.message());
            // Nobody is left to tell of a stream that is closed.
            let _ = ctx.host().write_err(&text);
        }
    }
    Ok(match ctx.next_exit_handler() {
        Some(function) => Step::Call {
            function,
            args: Args::None,
            lenient: true,
        },
        None => Step::Done(Value::Null),
    })
}

/// A frame that catches, with a slot for a status: runs the handlers and ends the program with it, of which the lowest
/// eight bits count. No `finally` block runs.
///
/// # Errors
/// The end, or that the status is no int.
pub fn exit(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let status = match &slots[0] {
        Value::Null => 0,
        status => int(status)? & 0xff,
    };
    match run_handlers(ctx, slots, event)? {
        Step::Done(_) => Err(Raise::new(ErrorKind::Exit, status.to_string())),
        step => Ok(step),
    }
}
