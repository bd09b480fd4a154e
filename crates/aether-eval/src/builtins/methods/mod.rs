//! Methods of the built-in types. The receiver is the first argument, of the right type for certain.
//!
//! Source: language reference §10, §11, §12, §15, I16; library reference §6.

mod array;
mod dict;
mod set;
mod string;

pub(super) use array::{ARRAY, position};
pub(super) use dict::{DICT, DICT_MEMBERS};
pub(super) use set::SET;
pub(super) use string::STRING;

use aether_value::{Raise, Value, deep_equals};

use super::{BuiltinDef, promise};
use crate::context::Ctx;

/// Methods of iterators.
pub(super) static ITERATOR: &[BuiltinDef] = &[
    BuiltinDef::method("next", 0, 0, next),
    BuiltinDef::method("has_next", 0, 0, has_next),
];

/// Methods of struct instances.
pub(super) static INSTANCE: &[BuiltinDef] = &[BuiltinDef::method("equals", 1, 1, equals)];

/// Methods of every value.
pub(super) static EVERY: &[BuiltinDef] = &[BuiltinDef::method_frame("then", 1, 1, 3, promise::on_ready)];

fn next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Iterator(iterator) = &args[0] else {
        unreachable!("a method of iterators")
    };
    Ok(iterator.next(ctx.heap())?.unwrap_or(Value::Null))
}

fn has_next(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Iterator(iterator) = &args[0] else {
        unreachable!("a method of iterators")
    };
    Ok(Value::Bool(iterator.has_next()))
}

/// Structural comparison, of all types that have it.
fn equals(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(deep_equals(&args[0], &args[1])))
}
