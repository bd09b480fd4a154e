//! Waiting for values: `on_ready` and `then`, the event loop and its settings, the members of `Promise`.
//!
//! Source: library reference §11.4–§11.6, §E9.

use aether_value::{ErrorKind, Raise, Value};

use super::heap::run_finalizers;
use super::promise_methods::{self as make, MAP_OPTIONS, MOST_ARGS, RETRY_OPTIONS};
use super::support::{buffer, int, take, wrong_type};
use super::{Args, BuiltinDef, Event, Step, Until};
use crate::context::Ctx;
use crate::task::nanos;
use crate::vm::Vm;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core_frame("on_ready", &["value", "callback", "on_error"], 2, 3, 4, on_ready).catching(),
    BuiltinDef::core_frame("event_loop", &["timeout"], 0, 1, 4, event_loop).catching(),
    BuiltinDef::core_frame("event_loop_forever", &[], 0, 0, 2, event_loop_forever).catching(),
    BuiltinDef::core("shutdown", &[], 0, 0, shutdown),
    BuiltinDef::core("set_queue_limit", &["n"], 1, 1, set_queue_limit),
    BuiltinDef::core("set_task_timeout", &["seconds"], 1, 1, set_task_timeout),
];

/// What happens after `main`: the event loop without an overall timeout. The machine calls it, no script sees it.
pub(crate) static DRAIN_QUEUE: BuiltinDef =
    BuiltinDef::core_frame("event_loop", &[], 0, 0, 4, drain_queue).catching();

/// Calls the callbacks that are ready, and waits for nothing. The machine calls it, no script sees it.
pub(crate) static SERVE_READY: BuiltinDef = BuiltinDef::core_frame("event_loop", &[], 0, 0, 1, serve_ready);

/// Members of the global `Promise`.
pub(super) static MEMBERS: &[BuiltinDef] = &[
    BuiltinDef::core_frame("all", &["promises"], 1, 1, 2, all),
    BuiltinDef::core_frame("race", &["promises"], 1, 1, 1, race),
    BuiltinDef::core_frame("allSettled", &["promises"], 1, 1, 2, all_settled),
    BuiltinDef::core_frame("all_settled", &["promises"], 1, 1, 2, all_settled),
    BuiltinDef::core_frame("any", &["promises"], 1, 1, 1, any).catching(),
    BuiltinDef::core("resolve", &["value"], 1, 1, make::resolve),
    BuiltinDef::core("reject", &["error"], 1, 1, make::reject),
    BuiltinDef::core_frame("new", &["executor"], 1, 1, 2, make::new),
    BuiltinDef::core_frame(
        "spawn",
        &["function", "args"],
        1,
        1 + MOST_ARGS as u8,
        2 + MOST_ARGS as u8,
        make::spawn,
    ),
    BuiltinDef::core_frame("timeout", &["promise", "seconds"], 2, 2, 3, make::timeout),
    BuiltinDef::core_frame("map", &["array", "function", "options"], 2, 3, 4, make::map)
        .iterables(1)
        .with_options(MAP_OPTIONS),
    BuiltinDef::core_frame("retry", &["function", "options"], 1, 2, 3, make::retry)
        .with_options(RETRY_OPTIONS),
];

/// `on_ready(value, callback, [on_error])`, and `value.then(callback)`. Slots: value, callback, what is called with an
/// error, how far it is.
pub(super) fn on_ready(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    /// The callback has been called.
    const CALLED: i64 = 1;
    /// What an async callback gave is awaited.
    const AWAITED: i64 = 2;
    let value = match event {
        Event::Start => match slots[0].clone() {
            Value::Promise(promise)
                if promise.is_external() || promise.is_detached() && promise.is_pending() =>
            {
                let (callback, on_error) = (take(&mut slots[1]), take(&mut slots[2]));
                make::callable(&callback)?;
                if !on_error.is_null() {
                    make::callable(&on_error)?;
                }
                ctx.vm.queue_callback(&promise, callback, on_error)?;
                return Ok(Step::Done(Value::Null));
            }
            promise @ Value::Promise(_) => return Ok(Step::Await(promise)),
            value => value,
        },
        Event::Returned(value) => value,
        Event::Failed(raise) if slots[3].is_null() && !slots[2].is_null() && !ctx.vm.is_cancelled() => {
            slots[1] = take(&mut slots[2]);
            Value::Error(ctx.heap().error(raise)?)
        }
        Event::Failed(raise) => return Err(raise),
    };
    match slots[3].as_int() {
        None => {
            slots[3] = Value::Int(CALLED);
            Ok(Step::Call {
                function: slots[1].clone(),
                args: Args::One(value),
                lenient: true,
            })
        }
        // The runtime demands what an async callback gives: its body would not run otherwise.
        Some(CALLED) if slots[1].is_async() => {
            slots[3] = Value::Int(AWAITED);
            Ok(Step::Await(value))
        }
        Some(_) => Ok(Step::Done(Value::Null)),
    }
}

/// `event_loop([timeout])`. Slots: the timeout, the moment at which it is over or null, whether it waits for the queue.
///
/// The callbacks run on stacks of their own; this waits until there are no more. One that is called by a callback
/// does not wait for callbacks that have begun: it would wait for itself.
fn event_loop(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if matches!(event, Event::Start) {
        let timeout = match take(&mut slots[0]) {
            Value::Null => ctx.vm.scheduler.loop_timeout,
            Value::Int(seconds) => Some(seconds as f64),
            Value::Float(seconds) => Some(seconds),
            value => return Err(wrong_type("number", &value)),
        };
        if let Some(seconds) = timeout {
            let until = ctx.host().monotonic().saturating_add(nanos(seconds));
            slots[1] = Value::Int(i64::try_from(until).unwrap_or(i64::MAX));
        }
    }
    serve(ctx, slots, event)
}

fn drain_queue(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    serve(ctx, slots, event)
}

fn serve_ready(ctx: &mut Ctx<'_>, _: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        // What is due by now comes before this.
        Event::Start => ctx.yield_to_others(),
        Event::Returned(_) => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
}

/// One turn of an event loop. Slot 1 holds the moment at which it is over, or null; slot 2 whether it has waited.
fn serve(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let has_waited = take(&mut slots[2]).truthy();
    match event {
        // Whatever is still queued or runs waits for this, or for nothing.
        Event::Returned(Value::Bool(true)) if has_waited => return Ok(Step::Done(Value::Null)),
        // The loop's own wait failed, not a finalizer: the coroutine was cancelled.
        Event::Failed(raise) if has_waited => return Err(raise),
        _ => {}
    }
    match run_finalizers(ctx, &mut slots[3..], event)? {
        Step::Done(_) => {}
        step => return Ok(step),
    }
    let until = slots[1].as_int().map(|until| until as u64);
    let scheduler = &ctx.vm.scheduler;
    let idle = scheduler.awaited() == 0
        && (scheduler.callbacks_running == 0 || ctx.vm.in_callback())
        && (scheduler.detached == 0 || ctx.vm.in_detached());
    if idle || until.is_some_and(|until| ctx.host().monotonic() >= until) {
        return Ok(Step::Done(Value::Null));
    }
    slots[2] = Value::Bool(true);
    Ok(Step::Await(ctx.vm.wait_for_queue(until)?))
}

/// `event_loop_forever()`: until `shutdown()`, or until nothing can happen any more. Slots: whether it has waited, and
/// what running finalizers takes.
fn event_loop_forever(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let has_waited = take(&mut slots[0]).truthy();
    let is_over = match event {
        Event::Returned(Value::Bool(ends)) => has_waited && ends,
        // As for `event_loop`.
        Event::Failed(raise) if has_waited => return Err(raise),
        _ => false,
    };
    match run_finalizers(ctx, &mut slots[1..], event)? {
        Step::Done(_) => {}
        step => return Ok(step),
    }
    if is_over || std::mem::take(&mut ctx.vm.scheduler.is_shut_down) {
        return Ok(Step::Done(Value::Null));
    }
    ctx.vm.scheduler.is_ending = false;
    slots[0] = Value::Bool(true);
    Ok(Step::Await(ctx.vm.wait_for_queue(None)?))
}

fn shutdown(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    ctx.vm.shut_down_loops();
    Ok(Value::Null)
}

fn set_queue_limit(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let limit = usize::try_from(int(&args[0])?).ok().filter(|&limit| limit > 0);
    let Some(limit) = limit else {
        return Err(Raise::operation("set_queue_limit requires a positive integer"));
    };
    ctx.vm.scheduler.queue_limit = limit;
    Ok(Value::Null)
}

fn set_task_timeout(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let seconds = match &args[0] {
        Value::Null => None,
        Value::Int(seconds) => Some(*seconds as f64),
        Value::Float(seconds) => Some(*seconds),
        value => return Err(wrong_type("positive number or null", value)),
    };
    if seconds.is_some_and(|seconds| seconds.is_nan() || seconds <= 0.0) {
        return Err(Raise::operation(
            "set_task_timeout requires a positive number or null",
        ));
    }
    ctx.vm.scheduler.task_timeout = seconds;
    Ok(Value::Null)
}

// The combinators. Slots: the elements at the beginning (a buffer), whether it has waited.

/// Replaces the argument by a snapshot of its elements.
fn begin(slots: &mut [Value]) -> Result<(), Raise> {
    let Value::Array(elements) = &slots[0] else {
        return Err(wrong_type("array of promises", &slots[0]));
    };
    let elements = elements.snapshot()?;
    elements.iter().for_each(Vm::demanded);
    slots[0] = Value::Buffer(elements);
    Ok(())
}

/// Whether the element is a promise without an outcome.
fn is_pending(element: &Value) -> bool {
    matches!(element, Value::Promise(promise) if promise.is_pending())
}

/// The outcome of an element that has one; a plain value is its own.
pub(super) fn outcome(element: &Value) -> Option<Result<Value, Raise>> {
    match element {
        Value::Promise(promise) => promise.settled().map(|settled| settled.map_err(Raise::again)),
        value => Some(Ok(value.clone())),
    }
}

/// Waits for the elements.
fn wait(slots: &[Value], until: Until) -> Result<Step, Raise> {
    let elements = buffer(&slots[0]);
    let promises = aether_value::Heap::of(&**elements).array_from_buffer(elements.clone())?;
    Ok(Step::AwaitMany {
        promises: Value::Array(promises),
        until,
    })
}

/// The first part of `all` and `allSettled`: waits unless every element has an outcome.
fn wait_for_all(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    event: Event,
    until: Until,
) -> Result<Option<Step>, Raise> {
    match event {
        Event::Start => begin(slots)?,
        Event::Returned(_) => {}
        Event::Failed(raise) => return Err(raise),
    }
    let elements = buffer(&slots[0]).clone();
    if until == Until::AllOrFailure {
        first_failure(ctx, elements.as_slice())?;
    }
    let mut waits = false;
    for (index, element) in elements.iter().enumerate() {
        ctx.tick_at(index, elements.len(), 1)?;
        if is_pending(element) {
            waits = true;
            break;
        }
    }
    if slots[1].is_null() && waits {
        slots[1] = Value::Bool(true);
        return wait(slots, until).map(Some);
    }
    Ok(None)
}

fn first_failure(ctx: &mut Ctx<'_>, elements: &[Value]) -> Result<(), Raise> {
    for (index, element) in elements.iter().enumerate() {
        ctx.tick_at(index, elements.len(), 8)?;
        if let Value::Promise(promise) = element
            && let Some(Err(error)) = promise.settled()
        {
            return Err(Raise::again(error));
        }
    }
    Ok(())
}

fn all(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Some(step) = wait_for_all(ctx, slots, event, Until::AllOrFailure)? {
        return Ok(step);
    }
    let elements = buffer(&slots[0]);
    let results = ctx.heap().array(elements.len())?;
    for element in &**elements {
        results.push(outcome(element).unwrap_or(Ok(Value::Null))?)?;
    }
    Ok(Step::Done(Value::Array(results)))
}

fn race(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => begin(slots)?,
        Event::Returned(winner) => return Ok(Step::Done(winner)),
        Event::Failed(raise) => return Err(raise),
    }
    let elements = buffer(&slots[0]);
    if elements.is_empty() {
        return Err(Raise::operation("Promise.race requires at least one promise"));
    }
    match elements.iter().find_map(outcome) {
        Some(result) => result.map(Step::Done),
        None => wait(slots, Until::First),
    }
}

fn any(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let failure = match event {
        Event::Start => {
            begin(slots)?;
            None
        }
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => Some(raise),
    };
    let elements = buffer(&slots[0]);
    let mut errors = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        ctx.tick_at(index, elements.len(), 1)?;
        match outcome(element) {
            Some(Ok(value)) if failure.is_none() => return Ok(Step::Done(value)),
            Some(Err(raise)) => errors.push(Value::Error(ctx.heap().error(raise)?)),
            Some(Ok(_)) | None => {}
        }
    }
    match failure {
        Some(raise) if errors.len() < elements.len() || ctx.vm.is_cancelled() => Err(raise),
        None if errors.len() < elements.len() => wait(slots, Until::Success),
        _ => {
            let errors = Value::Array(ctx.heap().array_from_slice(&errors)?);
            let mut raise = Raise::new(ErrorKind::Value, "All promises were rejected");
            raise.0.value = errors;
            Err(raise)
        }
    }
}

fn all_settled(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Some(step) = wait_for_all(ctx, slots, event, Until::All)? {
        return Ok(step);
    }
    let elements = buffer(&slots[0]).clone();
    let heap = ctx.heap();
    let word = |text: &str| heap.intern(text).map(Value::String);
    let results = heap.array(elements.len())?;
    for element in &*elements {
        let dict = heap.dict()?;
        match outcome(element).unwrap_or(Ok(Value::Null)) {
            Ok(value) => {
                dict.insert(word("status")?, word("fulfilled")?)?;
                dict.insert(word("value")?, value)?;
            }
            Err(raise) => {
                dict.insert(word("status")?, word("rejected")?)?;
                dict.insert(word("reason")?, Value::String(heap.string(raise.message())?))?;
            }
        }
        results.push(Value::Dict(dict))?;
    }
    Ok(Step::Done(Value::Array(results)))
}
