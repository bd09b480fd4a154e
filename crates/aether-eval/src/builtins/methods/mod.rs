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

use super::{BuiltinDef, Event, Step, promise};
use crate::context::Ctx;
use crate::vm::generator::{Asked, ask, has_item, has_yielded, put_back};

/// Methods of iterators.
pub(super) static ITERATOR: &[BuiltinDef] = &[
    BuiltinDef::method("next", 0, 0, next),
    BuiltinDef::method("has_next", 0, 0, has_next),
];

/// Methods of generators.
pub(super) static GENERATOR: &[BuiltinDef] = &[
    BuiltinDef::method_frame("next", 0, 0, 1, generator_next),
    BuiltinDef::method_frame("has_next", 0, 0, 1, generator_has_next),
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

fn generator_next(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let Value::Coroutine(generator) = &slots[0] else {
        unreachable!("a method of generators")
    };
    match event {
        Event::Start => Ok(match ask(generator)? {
            Asked::Item(item) => Step::Done(item),
            Asked::End => Step::Done(Value::Null),
            Asked::Resume => Step::Resume(generator.clone()),
        }),
        Event::Returned(item) if has_yielded(generator) => Ok(Step::Done(item)),
        Event::Returned(_) => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
}

fn generator_has_next(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let Value::Coroutine(generator) = &slots[0] else {
        unreachable!("a method of generators")
    };
    match event {
        Event::Start if has_item(generator) => Ok(Step::Done(Value::Bool(true))),
        Event::Start => Ok(match ask(generator)? {
            Asked::Resume => Step::Resume(generator.clone()),
            Asked::Item(_) | Asked::End => Step::Done(Value::Bool(false)),
        }),
        Event::Returned(item) => {
            let yielded = has_yielded(generator);
            if yielded {
                put_back(generator, item);
            }
            Ok(Step::Done(Value::Bool(yielded)))
        }
        Event::Failed(raise) => Err(raise),
    }
}

/// Structural comparison, of all types that have it.
fn equals(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(deep_equals(&args[0], &args[1])))
}
