//! Methods of the built-in types. The receiver is the first argument, of the right type for certain.
//!
//! Source: language reference §10, §11, §12, §15, I16; library reference §6.

mod array;
mod dict;
mod iterator;
mod set;
mod string;

pub(super) use array::{ARRAY, position};
pub(super) use dict::{DICT, DICT_MEMBERS};
pub(crate) use iterator::EITHER as EITHER_ITERATOR;
pub(super) use iterator::{GENERATOR, ITERATOR};
pub(super) use set::SET;
pub(super) use string::STRING;

use aether_value::{Raise, Value, try_deep_equals};

use super::{BuiltinDef, promise};
use crate::context::Ctx;

/// Methods of struct instances.
pub(super) static INSTANCE: &[BuiltinDef] = &[BuiltinDef::method("equals", 1, 1, equals)];

/// Methods of every value.
pub(super) static EVERY: &[BuiltinDef] = &[BuiltinDef::method_frame("then", 1, 1, 4, promise::on_ready)];

/// Structural comparison, of all types that have it.
fn equals(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(try_deep_equals(&args[0], &args[1])?))
}
