//! Tests: what runs one, tells how it ended, and what runs before and after.
//!
//! A test is a frame that goes through the functions of `before_each`, the test's own, and those of `after_each`. The
//! first failure is the test's; the functions of `after_each` run whatever happened.
//!
//! Source: library reference chapter 10, **testing**, and §E13.

use aether_value::{Array, Dict, Heap, Raise, Rc, Value};

use crate::builtins::support::{buffer, built, position};
use crate::builtins::{Args, BuiltinDef, Event, Step, console};
use crate::context::Ctx;

/// Slots of a test. The first three are its arguments.
pub(super) const SLOTS: u8 = 8;
const NAME: usize = 0;
const FUNCTION: usize = 1;
/// An array of arguments, or null.
const ARGUMENTS: usize = 2;
const PHASE: usize = 3;
/// Which function of `before_each` or `after_each` runs.
const INDEX: usize = 4;
/// The message of the failure, or null.
const FAILURE: usize = 5;
/// Where it failed, as text, or null.
const PLACE: usize = 6;
/// Why the test was left out, or null.
const SKIPPED: usize = 7;

const BEFORE: i64 = 0;
const CALLED: i64 = 1;
const AFTER: i64 = 2;

/// Characters of the name and of a row that stand in the name of a row's test.
const ROW: usize = 80;
/// Steps for the name of a row's test, its result and its line.
const ROW_WORK: usize = 8;

/// Whether the printed line says where it failed, whatever it was that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    /// Where one of the imported assertions failed.
    OfAssertions,
    /// Always.
    OfAll,
}

/// The test of one row. No script sees it.
static CASE: BuiltinDef =
    BuiltinDef::library_frame("test", &["name", "f", "args"], SLOTS, test_async).catching();

/// `test(name, f)`
pub(super) fn test(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    run(ctx, slots, event, Places::OfAssertions)
}

/// `test_async(name, f)`
pub(super) fn test_async(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    run(ctx, slots, event, Places::OfAll)
}

fn run(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event, places: Places) -> Result<Step, Raise> {
    let phase = slots[PHASE].as_int().unwrap_or(BEFORE);
    match event {
        Event::Start => slots[INDEX] = Value::Int(0),
        // Whatever function gave it: what was not awaited may have failed, or has not run.
        Event::Returned(promise @ Value::Promise(_)) => return Ok(Step::Await(promise)),
        Event::Returned(_) => match phase {
            BEFORE => slots[INDEX] = Value::Int(position(&slots[INDEX]) as i64 + 1),
            AFTER => slots[INDEX] = Value::Int(position(&slots[INDEX]) as i64 - 1),
            _ => begin_after(ctx, slots),
        },
        Event::Failed(raise) if !raise.kind().is_catchable() => return Err(raise),
        Event::Failed(raise) => {
            note_failure(ctx, slots, &raise, places)?;
            if phase == AFTER {
                slots[INDEX] = Value::Int(position(&slots[INDEX]) as i64 - 1);
            } else {
                begin_after(ctx, slots);
            }
        }
    }
    if slots[PHASE].as_int().unwrap_or(BEFORE) == BEFORE {
        if let Some(function) = hook(ctx, BEFORE, &slots[INDEX]) {
            return Ok(call(function, Args::None));
        }
        slots[PHASE] = Value::Int(CALLED);
        let args = match &slots[ARGUMENTS] {
            Value::Array(args) => Args::Many(args.snapshot()?.as_slice().to_vec()),
            _ => Args::None,
        };
        return Ok(call(slots[FUNCTION].clone(), args));
    }
    if let Some(function) = hook(ctx, AFTER, &slots[INDEX]) {
        return Ok(call(function, Args::None));
    }
    finish(ctx, slots)
}

fn call(function: Value, args: Args) -> Step {
    Step::Call {
        function,
        args,
        lenient: false,
    }
}

/// The last function of `after_each` is next.
fn begin_after(ctx: &mut Ctx<'_>, slots: &mut [Value]) {
    let count = super::state(ctx).after.as_ref().map_or(0, |hooks| hooks.len());
    slots[PHASE] = Value::Int(AFTER);
    slots[INDEX] = Value::Int(count as i64 - 1);
}

/// The function that runs before, or after, the test.
fn hook(ctx: &mut Ctx<'_>, phase: i64, index: &Value) -> Option<Value> {
    let state = super::state(ctx);
    let hooks = if phase == BEFORE {
        &state.before
    } else {
        &state.after
    };
    let index = usize::try_from(index.as_int()?).ok()?;
    hooks.as_ref()?.get_value(index)
}

/// Keeps the first failure. `skip` is one that is none.
fn note_failure(ctx: &mut Ctx<'_>, slots: &mut [Value], raise: &Raise, places: Places) -> Result<(), Raise> {
    if let Some((text, reason)) = super::state(ctx).skipped.take()
        && text == raise.message()
        && slots[FAILURE].is_null()
    {
        slots[SKIPPED] = ctx.string(&reason)?;
        return Ok(());
    }
    if slots[FAILURE].is_null() {
        slots[FAILURE] = ctx.string(raise.message())?;
        let asserted = super::state(ctx).failed.take();
        let is_asserted = asserted.is_some_and(|value| value.same(&raise.0.value));
        if (places == Places::OfAll || is_asserted)
            && let Some((file, line)) = ctx.vm.place_of(raise)
        {
            let place = match file {
                Some(file) => format!(" (at {file}:{line})"),
                None => format!(" (at line {line})"),
            };
            slots[PLACE] = ctx.string(&place)?;
        }
    }
    Ok(())
}

/// Prints how the test ended and gives the same as a dict.
fn finish(ctx: &mut Ctx<'_>, slots: &[Value]) -> Result<Step, Raise> {
    let name = ctx.text(&slots[NAME])?;
    let write = |ctx: &mut Ctx<'_>, parts: &[&str]| -> Result<(), Raise> {
        parts
            .iter()
            .try_for_each(|part| console::write(ctx, "test", part))
    };
    let is_skipped = matches!(slots[SKIPPED], Value::String(_));
    match (slots[FAILURE].as_str(), slots[SKIPPED].as_str()) {
        (Some(message), _) => {
            // What an assertion tells below its first line stays below.
            let (first, rest) = message
                .find('\n')
                .map_or((message, ""), |end| message.split_at(end));
            let place = slots[PLACE].as_str().unwrap_or("");
            write(ctx, &["[FAIL] ", name.as_str(), ": ", first, place, rest, "\n"])?;
        }
        (None, Some("")) => write(ctx, &["[SKIP] ", name.as_str(), "\n"])?,
        (None, Some(reason)) => write(ctx, &["[SKIP] ", name.as_str(), ": ", reason, "\n"])?,
        (None, None) => write(ctx, &["[PASS] ", name.as_str(), "\n"])?,
    }
    let heap = ctx.heap();
    let result = heap.dict()?;
    put(heap, &result, "name", slots[NAME].clone())?;
    put(heap, &result, "passed", Value::Bool(slots[FAILURE].is_null()))?;
    let error = match &slots[FAILURE] {
        Value::Null => Value::String(heap.empty_string()?),
        message => message.clone(),
    };
    put(heap, &result, "error", error)?;
    if is_skipped && slots[FAILURE].is_null() {
        put(heap, &result, "skipped", Value::Bool(true))?;
    }
    Ok(Step::Done(Value::Dict(result)))
}

fn put(heap: &Heap, dict: &Dict, key: &str, value: Value) -> Result<(), Raise> {
    dict.insert(Value::String(heap.intern(key)?), value).map(drop)
}

/// Adds a function that runs with each test from now on; null takes all away.
pub(super) fn add_hook(
    ctx: &mut Ctx<'_>,
    function: &Value,
    hooks: fn(&mut super::State) -> &mut Option<Rc<Array>>,
) -> Result<Value, Raise> {
    if function.is_null() {
        let old = hooks(super::state(ctx)).take();
        drop(old);
        return Ok(Value::Null);
    }
    if !function.is_callable() {
        return Err(Raise::not_callable(&function.type_name()));
    }
    let array = match hooks(super::state(ctx)).clone() {
        Some(array) => array,
        None => ctx.heap().array(1)?,
    };
    array.push(function.clone())?;
    *hooks(super::state(ctx)) = Some(array);
    Ok(Value::Null)
}

/// `table(name, rows, fn)`: a test for each row, whose items are the arguments. Slots: name, rows, function, the next
/// row, the results.
pub(super) fn table(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            let rows = crate::builtins::support::array(&slots[1])?.snapshot()?;
            slots[4] = Value::Array(ctx.heap().array(rows.len())?);
            slots[1] = Value::Buffer(rows);
        }
        Event::Returned(result) => built(&slots[4]).push(result)?,
        Event::Failed(raise) => return Err(raise),
    }
    let index = position(&slots[3]);
    let Some(row) = buffer(&slots[1]).as_slice().get(index).cloned() else {
        return Ok(Step::Done(slots[4].clone()));
    };
    ctx.tick(ROW_WORK)?;
    slots[3] = Value::Int(index as i64 + 1);
    let (name, text) = (ctx.text(&slots[0])?, ctx.text(&row)?);
    let cut = |text: &str| {
        let mut shown: String = text.chars().take(ROW).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        shown.replace('\n', " ")
    };
    let name = ctx.string(&format!("{} {}", cut(name.as_str()), cut(text.as_str())))?;
    let args = match row {
        Value::Array(args) => args,
        single => ctx.heap().array_from_slice(&[single])?,
    };
    Ok(Step::Call {
        function: CASE.value(),
        args: Args::Many(vec![name, slots[2].clone(), Value::Array(args)]),
        lenient: false,
    })
}
