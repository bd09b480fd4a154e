//! Assertions that have to be imported.
//!
//! Source: library reference §E13.

use aether_value::{Raise, Value};

use super::difference::{differences, shown, with_lines};
use super::failed_at;
use crate::builtins::membership::MEMBERSHIP;
use crate::builtins::support::{float, string};
use crate::builtins::{Args, Event, Step};
use crate::context::Ctx;

/// How far two numbers may be apart unless told.
const TOLERANCE: f64 = 1e-9;

/// `assert_equals(actual, expected)`
pub(super) fn assert_equals(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Some(lines) = differences(ctx, &args[1], &args[0])? else {
        return Ok(Value::Null);
    };
    let (expected, actual) = (shown(ctx, &args[1])?, shown(ctx, &args[0])?);
    let head = format!("expected {expected} but got {actual}");
    let text = with_lines(ctx, &head, &lines)?;
    Err(failed_at(ctx, text.as_str()))
}

/// `assert_close(actual, expected, [tol])`
pub(super) fn assert_close(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (actual, expected) = (float(&args[0])?, float(&args[1])?);
    let tolerance = match &args[2] {
        Value::Null => TOLERANCE,
        given => float(given)?,
    };
    // The same infinity is no number apart.
    if actual == expected || (actual - expected).abs() <= tolerance {
        return Ok(Value::Null);
    }
    let text = format!(
        "expected {} within {tolerance} but got {}",
        shown(ctx, &args[1])?,
        shown(ctx, &args[0])?
    );
    Err(failed_at(ctx, &text))
}

/// `assert_contains(container, item)`: items of arrays are compared by content.
pub(super) fn assert_contains(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let found = match event {
        Event::Start => {
            let Value::Array(items) = &slots[0] else {
                return Ok(Step::call2(
                    &MEMBERSHIP.value(),
                    slots[1].clone(),
                    slots[0].clone(),
                ));
            };
            let items = items.snapshot()?;
            let mut found = false;
            for item in &*items {
                ctx.tick(1)?;
                if differences(ctx, &slots[1], item)?.is_none() {
                    found = true;
                    break;
                }
            }
            found
        }
        Event::Returned(found) => found.truthy(),
        Event::Failed(raise) => return Err(raise),
    };
    if found {
        return Ok(Step::Done(Value::Null));
    }
    let text = format!(
        "expected {} to contain {}",
        shown(ctx, &slots[0])?,
        shown(ctx, &slots[1])?
    );
    Err(failed_at(ctx, &text))
}

/// `assert_type(value, name)`
pub(super) fn assert_type(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let expected = string(&args[1])?;
    let actual = args[0].type_name();
    if *actual == *expected.as_str() {
        return Ok(Value::Null);
    }
    let text = format!("expected type {} but got {actual}", expected.as_str());
    Err(failed_at(ctx, &text))
}

/// `assert_throws(fn, [substring])`: gives the message. Slots: the function, the text.
pub(super) fn assert_throws(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            if !slots[1].is_null() {
                string(&slots[1])?;
            }
            Ok(Step::Call {
                function: slots[0].clone(),
                args: Args::None,
                lenient: false,
            })
        }
        Event::Returned(promise @ Value::Promise(_)) => Ok(Step::Await(promise)),
        Event::Returned(_) => Err(failed_at(ctx, "expected function to throw but it did not")),
        Event::Failed(raise) if !raise.kind().is_catchable() => Err(raise),
        Event::Failed(raise) => {
            let message = ctx.string(raise.message())?;
            if let Value::String(part) = &slots[1]
                && !raise.message().contains(part.as_str())
            {
                let text = format!(
                    "expected an error that contains {} but got {}",
                    shown(ctx, &slots[1])?,
                    shown(ctx, &message)?
                );
                return Err(failed_at(ctx, &text));
            }
            Ok(Step::Done(message))
        }
    }
}

/// `skip([reason])`: ends the test that runs.
pub(super) fn skip(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let reason = match &args[0] {
        Value::Null => String::new(),
        reason => ctx.text(reason)?.as_str().to_owned(),
    };
    let text = if reason.is_empty() {
        "Skipped".to_owned()
    } else {
        format!("Skipped: {reason}")
    };
    super::state(ctx).skipped = Some((text.clone(), reason));
    let value = ctx.string(&text)?;
    Err(Raise::thrown(value, text))
}
