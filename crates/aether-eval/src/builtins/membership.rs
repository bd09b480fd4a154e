//! What `x in c`, `a?.[i]` and `for k, v in c` call: built-ins that no script names.
//!
//! Source: language reference §19, X5, X16, X17.

use aether_value::{IterState, Raise, Value, hashable_check, try_equal};

use super::frames::call_iterating;
use super::support::string;
use super::{BuiltinDef, Event, Range, Step, methods, text};
use crate::context::Ctx;
use crate::vm::generator::{Asked, ask, has_yielded};

/// `item in container`.
pub(crate) static MEMBERSHIP: BuiltinDef =
    BuiltinDef::core_frame("in", &["item", "container"], 2, 2, 5, membership);
/// `object?.[index]`, once the object is known not to be null.
pub(crate) static OPTIONAL_INDEX: BuiltinDef =
    BuiltinDef::core("?.[]", &["object", "index"], 2, 2, optional_index);

/// What a loop over two variables goes over: the entries of a dict as it is now, anything else itself.
pub(crate) static PAIRS: BuiltinDef = BuiltinDef::core("pairs", &["iterable"], 1, 1, pairs);

const ITEM: usize = 0;
const CONTAINER: usize = 1;
const HAS_NEXT: usize = 2;
const NEXT: usize = 3;
/// Whether `next` was called last, rather than `has_next`.
const TAKEN: usize = 4;

fn membership(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let value = match event {
        Event::Start => return begin(ctx, slots),
        Event::Returned(value) => value,
        Event::Failed(raise) => return Err(raise),
    };
    if let Value::Coroutine(generator) = slots[CONTAINER].clone() {
        if !has_yielded(&generator) {
            return Ok(Step::Done(Value::Bool(false)));
        }
        if try_equal(&value, &slots[ITEM])? {
            return Ok(Step::Done(Value::Bool(true)));
        }
        return Ok(Step::Resume(generator));
    }
    let taken = slots[TAKEN].truthy();
    if taken && try_equal(&value, &slots[ITEM])? {
        return Ok(Step::Done(Value::Bool(true)));
    }
    if !taken && !value.truthy() {
        return Ok(Step::Done(Value::Bool(false)));
    }
    slots[TAKEN] = Value::Bool(!taken);
    let method = &slots[if taken { HAS_NEXT } else { NEXT }];
    Ok(call_iterating(method, &slots[CONTAINER]))
}

fn begin(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let item = &slots[ITEM];
    let found = match &slots[CONTAINER] {
        Value::Array(array) => methods::position(ctx, array, item)?.is_some(),
        Value::Dict(dict) => {
            hashable_check(item)?;
            dict.entry(item).is_some()
        }
        Value::Set(set) => {
            hashable_check(item)?;
            set.contains(item)
        }
        Value::String(text) => {
            let part = string(item)?;
            text::contains(ctx, text, part)?
        }
        container if let Some(range) = Range::of(container) => {
            matches!(item, Value::Int(value) if range.contains(*value))
        }
        Value::Iterator(iterator) => {
            let iterator = iterator.clone();
            loop {
                ctx.tick(1)?;
                match iterator.next(ctx.heap())? {
                    None => break false,
                    Some(other) if try_equal(&other, item)? => break true,
                    Some(_) => {}
                }
            }
        }
        Value::Native(native) if let Some(source) = native.get().items() => loop {
            ctx.tick(1)?;
            match source.next(ctx.heap())? {
                None => break false,
                Some(other) if try_equal(&other, item)? => break true,
                Some(_) => {}
            }
        },
        Value::Native(native) if let Some(items) = native.iterator()? => {
            slots[CONTAINER] = items;
            return begin(ctx, slots);
        }
        Value::Coroutine(generator) => match ask(generator)? {
            Asked::End => false,
            Asked::Item(other) if try_equal(&other, item)? => true,
            Asked::Item(_) => return begin(ctx, slots),
            Asked::Resume => return Ok(Step::Resume(generator.clone())),
        },
        container => {
            let container = container.clone();
            let Some((has_next, next)) = ctx.iteration_methods(&container)? else {
                return Err(Raise::type_error("iterable", &container.type_name()));
            };
            slots[HAS_NEXT] = has_next;
            slots[NEXT] = next;
            return Ok(call_iterating(&slots[HAS_NEXT], &container));
        }
    };
    Ok(Step::Done(Value::Bool(found)))
}

fn optional_index(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    ctx.element_or_null(&args[0], &args[1])
}

fn pairs(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Dict(dict) = &args[0] else {
        return Ok(args[0].clone());
    };
    // What the body does to the dict does not matter: the copy shares its entries until then.
    let state = IterState::DictEntries {
        dict: dict.snapshot()?,
        position: 0,
    };
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}
