//! Misbehaviour on purpose: built-in functions for the programs of `tests/planted`, which prove that memcheck and
//! stress can fail.
#![expect(clippy::unnecessary_wraps, reason = "every built-in has this form")]

use std::cell::RefCell;

use aether::{BuiltinDef, Ctx, Raise, Value};

/// What the planted programs call.
pub static PLANTS: &[BuiltinDef] = &[
    BuiltinDef::core("leak_bytes", &["count"], 1, 1, leak_bytes),
    BuiltinDef::core("forget_value", &["value"], 1, 1, forget_value),
    BuiltinDef::core("hold_uncharged", &["count"], 1, 1, hold_uncharged),
    BuiltinDef::core("hide_refusal", &[], 0, 0, hide_refusal),
];

thread_local! {
    /// What `hold_uncharged` holds until the engine has gone.
    static UNCHARGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lets go of what a planted program has made the process hold.
pub fn end_planted() {
    UNCHARGED.take();
}

fn count(value: &Value) -> usize {
    match value {
        Value::Int(count) => usize::try_from(*count).unwrap_or(0),
        _ => 0,
    }
}

/// Bytes that never go back to the allocator.
fn leak_bytes(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Box::leak(vec![1_u8; count(&args[0])].into_boxed_slice());
    Ok(Value::Null)
}

/// An object whose count never reaches zero.
fn forget_value(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    std::mem::forget(args[0].clone());
    Ok(Value::Null)
}

/// Bytes that the heap does not know of.
fn hold_uncharged(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    UNCHARGED.set(vec![1_u8; count(&args[0])]);
    Ok(Value::Null)
}

/// A refused charge that is told as something else.
fn hide_refusal(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    ctx.string("some text that is not kept anywhere")
        .map_err(|_| Raise::operation("something else"))
}
