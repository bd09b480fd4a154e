//! Assertions and the little test runner.
//!
//! Source: library reference chapter 10, **testing**.

use aether_value::{Raise, Value, equal};

use super::support::{array, wrong_type};
use super::{Args, BuiltinDef, Event, Step, console};
use crate::context::Ctx;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::library("assert_eq", &["actual", "expected"], assert_eq),
    BuiltinDef::library("assert_true", &["value"], assert_true),
    BuiltinDef::library("assert_false", &["value"], assert_false),
    BuiltinDef::library("assert_null", &["value"], assert_null),
    BuiltinDef::library("assert_not_null", &["value"], assert_not_null),
    BuiltinDef::library_frame("expect_error", &["f"], 1, expect_error).catching(),
    BuiltinDef::library_frame("test", &["name", "f"], 2, test).catching(),
    BuiltinDef::library("test_summary", &["results"], test_summary).iterables(1),
];

/// What a failed assertion throws: its text.
#[cold]
fn failed(ctx: &Ctx<'_>, text: &str) -> Raise {
    let text = format!("AssertionError: {text}");
    match ctx.string(&text) {
        Ok(value) => Raise::thrown(value, text),
        Err(raise) => raise,
    }
}

/// The failure whose text tells of `value`.
#[cold]
fn failed_with(ctx: &Ctx<'_>, expected: &str, value: &Value) -> Raise {
    match ctx.text(value) {
        Ok(got) => failed(ctx, &format!("expected {expected} but got {got}")),
        Err(raise) => raise,
    }
}

fn assert_eq(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if equal(&args[0], &args[1]) {
        return Ok(Value::Null);
    }
    let expected = ctx.text(&args[1])?;
    Err(failed_with(ctx, expected.as_str(), &args[0]))
}

fn assert_true(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if args[0].truthy() {
        Ok(Value::Null)
    } else {
        Err(failed_with(ctx, "true", &args[0]))
    }
}

fn assert_false(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if args[0].truthy() {
        Err(failed_with(ctx, "false", &args[0]))
    } else {
        Ok(Value::Null)
    }
}

fn assert_null(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if args[0].is_null() {
        Ok(Value::Null)
    } else {
        Err(failed_with(ctx, "null", &args[0]))
    }
}

fn assert_not_null(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if args[0].is_null() {
        return Err(failed(ctx, "expected non-null value but got null"));
    }
    Ok(Value::Null)
}

fn expect_error(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => Ok(Step::Call {
            function: slots[0].clone(),
            args: Args::None,
            lenient: false,
        }),
        Event::Returned(_) => Err(failed(ctx, "expected function to throw but it did not")),
        Event::Failed(raise) if raise.kind().is_catchable() => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
}

fn test(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let failure = match event {
        Event::Start => {
            return Ok(Step::Call {
                function: slots[1].clone(),
                args: Args::None,
                lenient: false,
            });
        }
        Event::Returned(_) => None,
        Event::Failed(raise) if raise.kind().is_catchable() => Some(ctx.string(raise.message())?),
        Event::Failed(raise) => return Err(raise),
    };
    let name = ctx.text(&slots[0])?;
    let line = |ctx: &mut Ctx<'_>, parts: &[&str]| -> Result<(), Raise> {
        parts
            .iter()
            .try_for_each(|part| console::write(ctx, "test", part))
    };
    match failure.as_ref().and_then(Value::as_str) {
        None => line(ctx, &["[PASS] ", name.as_str(), "\n"])?,
        Some(message) => line(ctx, &["[FAIL] ", name.as_str(), ": ", message, "\n"])?,
    }
    let heap = ctx.heap();
    let result = heap.dict()?;
    let key = |text: &str| heap.intern(text).map(Value::String);
    result.insert(key("name")?, slots[0].clone())?;
    result.insert(key("passed")?, Value::Bool(failure.is_none()))?;
    let error = match failure {
        Some(message) => message,
        None => Value::String(heap.empty_string()?),
    };
    result.insert(key("error")?, error)?;
    Ok(Step::Done(Value::Dict(result)))
}

fn test_summary(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let results = array(&args[0])?.snapshot()?;
    let key = Value::String(ctx.heap().intern("passed")?);
    let mut passed = 0;
    for result in &*results {
        let Value::Dict(result) = result else {
            return Err(wrong_type("dict", result));
        };
        match result.get_value(&key) {
            Some(value) => passed += usize::from(value.truthy()),
            None => return Err(Raise::key_index("passed")),
        }
    }
    let total = results.len();
    let failed = total - passed;
    console::write(
        ctx,
        "test_summary",
        &format!("---\nTests: {total} | Passed: {passed} | Failed: {failed}\n"),
    )?;
    Ok(Value::Null)
}
