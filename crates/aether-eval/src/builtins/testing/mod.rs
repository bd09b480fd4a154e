//! Assertions, tests, and what surrounds them.
//!
//! Chapter 10's functions are everywhere, those of §E13 are for who imports the module. A failure that these found is
//! printed with its place.
//!
//! Source: library reference chapter 10, **testing**, and §E13.

mod assertions;
mod bench;
mod cases;
mod difference;
mod memory;
mod snapshot;

use aether_value::{Array, Raise, Rc, Value, try_equal};

use super::support::{array, wrong_type};
use super::{Args, BuiltinDef, Event, Step, console};
use crate::context::Ctx;
use crate::host::Permission;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::library("assert_eq", &["actual", "expected"], assert_eq),
    BuiltinDef::library("assert_true", &["value"], assert_true),
    BuiltinDef::library("assert_false", &["value"], assert_false),
    BuiltinDef::library("assert_null", &["value"], assert_null),
    BuiltinDef::library("assert_not_null", &["value"], assert_not_null),
    BuiltinDef::library_frame("expect_error", &["f"], 1, expect_error).catching(),
    BuiltinDef::library_frame("test", &["name", "f"], cases::SLOTS, cases::test).catching(),
    BuiltinDef::library("test_summary", &["results"], test_summary).iterables(1),
];

/// What those have who import the module.
pub(super) static IMPORTED: &[BuiltinDef] = &[
    BuiltinDef::library_frame("test_async", &["name", "f"], cases::SLOTS, cases::test_async).catching(),
    BuiltinDef::library_frame("table", &["name", "rows", "f"], 5, cases::table).iterables(2),
    BuiltinDef::library("before_each", &["f"], |ctx, args| {
        cases::add_hook(ctx, &args[0], |state| &mut state.before)
    }),
    BuiltinDef::library("after_each", &["f"], |ctx, args| {
        cases::add_hook(ctx, &args[0], |state| &mut state.after)
    }),
    BuiltinDef::library("skip", &["reason"], assertions::skip),
    BuiltinDef::library(
        "assert_equals",
        &["actual", "expected"],
        assertions::assert_equals,
    ),
    BuiltinDef::library(
        "assert_close",
        &["actual", "expected", "tol"],
        assertions::assert_close,
    ),
    BuiltinDef::library_frame(
        "assert_contains",
        &["container", "item"],
        2,
        assertions::assert_contains,
    ),
    BuiltinDef::library("assert_type", &["value", "name"], assertions::assert_type),
    BuiltinDef::library_frame("assert_throws", &["f", "substring"], 2, assertions::assert_throws).catching(),
    BuiltinDef::library_frame("assert_no_leaks", &["f"], 2, memory::assert_no_leaks),
    BuiltinDef::library_frame("assert_max_memory", &["bytes", "f"], 4, memory::assert_max_memory).catching(),
    BuiltinDef::library("snapshot", &["name", "value"], snapshot::snapshot).needing(Permission::Write),
    BuiltinDef::library_frame("bench", &["name", "f", "opts"], bench::SLOTS, bench::bench)
        .needing(Permission::Clock)
        .with_options(bench::OPTIONS),
];

/// What the module keeps for an engine.
#[derive(Default)]
struct State {
    /// Functions that run before each test.
    before: Option<Rc<Array>>,
    /// Functions that run after each test, the last one first.
    after: Option<Rc<Array>>,
    /// What the last of the imported assertions that failed threw.
    failed: Option<Value>,
    /// The error and the reason of a `skip` that is on its way to its test.
    skipped: Option<(String, String)>,
}

fn state<'c>(ctx: &'c mut Ctx<'_>) -> &'c mut State {
    ctx.module_state()
}

/// What a failed assertion throws: its text.
#[cold]
fn failed(ctx: &Ctx<'_>, text: &str) -> Raise {
    let text = format!("AssertionError: {text}");
    match ctx.string(&text) {
        Ok(value) => Raise::thrown(value, text),
        Err(raise) => raise,
    }
}

/// What a failed assertion of §E13 throws: tests print its place.
#[cold]
fn failed_at(ctx: &mut Ctx<'_>, text: &str) -> Raise {
    let raise = failed(ctx, text);
    state(ctx).failed = Some(raise.0.value.clone());
    raise
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
    if try_equal(&args[0], &args[1])? {
        return Ok(Value::Null);
    }
    let expected = ctx.text(&args[1])?;
    Err(failed_with(ctx, expected.as_str(), &args[0]))
}

/// Null if a value is what was expected, or the failure.
fn assert_is(ctx: &Ctx<'_>, is_so: bool, expected: &str, value: &Value) -> Result<Value, Raise> {
    if is_so {
        Ok(Value::Null)
    } else {
        Err(failed_with(ctx, expected, value))
    }
}

fn assert_true(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    assert_is(ctx, args[0].truthy(), "true", &args[0])
}

fn assert_false(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    assert_is(ctx, !args[0].truthy(), "false", &args[0])
}

fn assert_null(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    assert_is(ctx, args[0].is_null(), "null", &args[0])
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
        Event::Returned(promise @ Value::Promise(_)) => Ok(Step::Await(promise)),
        Event::Returned(_) => Err(failed(ctx, "expected function to throw but it did not")),
        Event::Failed(raise) if raise.kind().is_catchable() => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
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
