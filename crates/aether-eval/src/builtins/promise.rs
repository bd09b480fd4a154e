//! Waiting for values: `on_ready`, the event loop's settings, and the members of `Promise`.
//!
//! Nothing outside the script settles promises yet, so the queue of the event loop is always empty: its functions
//! check their arguments and return.
//!
//! Source: library reference §11.4–§11.6.

use aether_value::{Promise, Raise, Rc, Value};

use super::support::{buffer, int, take, wrong_type};
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core_frame("on_ready", &["value", "callback"], 2, 2, 3, on_ready),
    BuiltinDef::core_frame("event_loop", &["timeout"], 0, 1, 1, super::heap::event_loop),
    BuiltinDef::core("set_queue_limit", &["n"], 1, 1, set_queue_limit),
    BuiltinDef::core("set_task_timeout", &["seconds"], 1, 1, set_task_timeout),
];

/// Members of the global `Promise`.
pub(super) static MEMBERS: &[BuiltinDef] = &[
    BuiltinDef::core_frame("all", &["promises"], 1, 1, 3, all),
    BuiltinDef::core_frame("race", &["promises"], 1, 1, 3, race),
    BuiltinDef::core_frame("allSettled", &["promises"], 1, 1, 3, all_settled),
];

/// `on_ready(value, callback)`, and `value.then(callback)`. Slots: value, callback, whether the callback was called.
pub(super) fn on_ready(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let value = match event {
        Event::Start if matches!(slots[0], Value::Promise(_)) => return Ok(Step::Await(slots[0].clone())),
        Event::Start => take(&mut slots[0]),
        Event::Returned(value) => value,
        Event::Failed(raise) => return Err(raise),
    };
    if slots[2].truthy() {
        return Ok(Step::Done(Value::Null));
    }
    slots[2] = Value::Bool(true);
    Ok(Step::Call {
        function: slots[1].clone(),
        args: Args::One(value),
        lenient: true,
    })
}

fn set_queue_limit(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if int(&args[0])? < 1 {
        return Err(Raise::operation("set_queue_limit requires a positive integer"));
    }
    Ok(Value::Null)
}

fn set_task_timeout(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let positive = match &args[0] {
        Value::Null => true,
        Value::Int(seconds) => *seconds > 0,
        Value::Float(seconds) => *seconds > 0.0,
        value => return Err(wrong_type("positive number or null", value)),
    };
    if positive {
        Ok(Value::Null)
    } else {
        Err(Raise::operation(
            "set_task_timeout requires a positive number or null",
        ))
    }
}

// The combinators. Slots: the elements at the beginning (a buffer), the promises that were pending at the last look
// (an array), where the look stands.

/// Replaces the argument by a snapshot of its elements.
fn begin(slots: &mut [Value]) -> Result<(), Raise> {
    let Value::Array(elements) = &slots[0] else {
        return Err(wrong_type("array of promises", &slots[0]));
    };
    slots[0] = Value::Buffer(elements.snapshot());
    Ok(())
}

/// The element as a promise without an outcome.
fn pending(element: &Value) -> Option<&Rc<Promise>> {
    match element {
        Value::Promise(promise) if promise.is_pending() => Some(promise),
        _ => None,
    }
}

/// The outcome of an element that has one; a plain value is its own.
fn outcome(element: &Value) -> Option<Result<Value, Raise>> {
    match element {
        Value::Promise(promise) => promise.settled().map(|settled| settled.map_err(Raise::again)),
        value => Some(Ok(value.clone())),
    }
}

/// Waits for one of the elements that are still pending, if there are any; raises the first failure among those
/// looked at if `failing`.
fn wait(ctx: &mut Ctx<'_>, slots: &mut [Value], failing: bool) -> Result<Option<Step>, Raise> {
    let heap = ctx.heap();
    let still = heap.array(0)?;
    let look = |element: &Value| -> Result<(), Raise> {
        if pending(element).is_some() {
            return still.push(element.clone());
        }
        match outcome(element) {
            Some(Err(raise)) if failing => Err(raise),
            _ => Ok(()),
        }
    };
    if let Value::Array(before) = &slots[1] {
        before.snapshot().iter().try_for_each(look)?;
    } else {
        buffer(&slots[0]).iter().try_for_each(look)?;
    }
    if still.is_empty() {
        return Ok(None);
    }
    ctx.tick(still.len())?;
    slots[1] = Value::Array(still);
    Ok(Some(Step::AwaitAny(slots[1].clone())))
}

fn all(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => begin(slots)?,
        Event::Returned(_) => {}
        Event::Failed(raise) => return Err(raise),
    }
    if let Some(step) = wait(ctx, slots, true)? {
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
        Event::Start => {
            begin(slots)?;
            if buffer(&slots[0]).is_empty() {
                return Err(Raise::operation("Promise.race requires at least one promise"));
            }
        }
        Event::Returned(winner @ Value::Promise(_)) => {
            if let Some(result) = outcome(&winner) {
                return result.map(Step::Done);
            }
        }
        Event::Returned(_) => {}
        Event::Failed(raise) => return Err(raise),
    }
    let elements = buffer(&slots[0]);
    if let Some(result) = elements.iter().find_map(outcome) {
        return result.map(Step::Done);
    }
    if slots[1].is_null() {
        let all = aether_value::Heap::of(&**elements).array_from_buffer(elements.clone())?;
        slots[1] = Value::Array(all);
    }
    Ok(Step::AwaitAny(slots[1].clone()))
}

fn all_settled(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => begin(slots)?,
        Event::Returned(_) => {}
        Event::Failed(raise) => return Err(raise),
    }
    if let Some(step) = wait(ctx, slots, false)? {
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
