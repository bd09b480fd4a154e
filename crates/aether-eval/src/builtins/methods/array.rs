//! Methods of arrays.

use aether_value::{Array, IterState, Raise, Rc, Value, equal};

use super::super::support::{array, int, string, wrong_type};
use super::super::{BuiltinDef, Event, Pairs, Returned, Step, collections, sort, text};
use super::equals;
use crate::context::Ctx;

/// Methods of arrays.
pub(in crate::builtins) static ARRAY: &[BuiltinDef] = &[
    BuiltinDef::method("push", 1, 1, push),
    BuiltinDef::method("pop", 0, 0, pop),
    BuiltinDef::method("contains", 1, 1, contains),
    BuiltinDef::method("concat", 1, 1, concat),
    BuiltinDef::method_frame("sort", 0, 1, 2 + sort::SLOTS as u8, sort_with).pairs(Pairs {
        next: sort_next,
        done: sort_done,
    }),
    BuiltinDef::method("equals", 1, 1, equals),
    BuiltinDef::method("iterator", 0, 0, iterator),
    BuiltinDef::method("insert", 2, 2, insert),
    BuiltinDef::method("remove_at", 1, 1, remove_at),
    BuiltinDef::method("index_of", 1, 1, index_of),
    BuiltinDef::method("reverse", 0, 0, reverse),
    BuiltinDef::method("slice", 2, 2, slice),
    BuiltinDef::method("join", 1, 1, join),
    BuiltinDef::method("clear", 0, 0, clear),
];

fn receiver(value: &Value) -> &Rc<Array> {
    match value {
        Value::Array(array) => array,
        _ => unreachable!("a method of arrays"),
    }
}

fn push(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    receiver(&args[0]).push(args[1].clone())?;
    Ok(Value::Null)
}

fn pop(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(receiver(&args[0]).pop()?.unwrap_or(Value::Null))
}

/// Where the first item equal to `wanted` is.
fn position(ctx: &mut Ctx<'_>, items: &Array, wanted: &Value) -> Result<Option<usize>, Raise> {
    ctx.tick(items.len() / 8)?;
    if items.len() <= 8 {
        // A snapshot would cost the next write more than these few counts.
        return Ok((0..items.len()).find(|&at| items.get_value(at).is_some_and(|item| equal(&item, wanted))));
    }
    Ok(items.snapshot().iter().position(|item| equal(item, wanted)))
}

fn contains(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let found = position(ctx, receiver(&args[0]), &args[1])?;
    Ok(Value::Bool(found.is_some()))
}

fn index_of(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let found = position(ctx, receiver(&args[0]), &args[1])?;
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn concat(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    collections::concatenate(ctx, receiver(&args[0]), array(&args[1])?)
}

/// `sort()` by the default order, `sort(cmp)` by the sign of what `cmp` answers. Slots: the array, the comparison,
/// the merge sort's.
fn sort_with(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let answer = match event {
        Event::Returned(value) => Some(is_positive(value)?),
        Event::Start => {
            let items = receiver(&slots[0]).clone();
            if slots[1].is_null() {
                sort::sort_default(ctx, &items)?;
                return Ok(Step::Done(Value::Null));
            }
            sort::begin(ctx.heap(), &items, &mut slots[2..])?;
            None
        }
        Event::Failed(raise) => return Err(raise),
    };
    match sort::step(&mut slots[2..], answer)? {
        Some((left, right)) => Ok(Step::call2(&slots[1], left, right)),
        None => sort_done(ctx, slots),
    }
}

fn sort_next(_: &mut Ctx<'_>, slots: &mut [Value], sign: Returned) -> Result<Option<(Value, Value)>, Raise> {
    sort::step(&mut slots[2..], Some(is_positive(sign.into_value())?))
}

fn sort_done(_: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let sorted = sort::sorted(&slots[2..]).snapshot();
    receiver(&slots[0]).replace_buffer(sorted);
    Ok(Step::Done(Value::Null))
}

/// Whether a comparison puts its first argument behind the second.
#[inline]
fn is_positive(sign: Value) -> Result<bool, Raise> {
    match sign {
        Value::Int(sign) => Ok(sign > 0),
        Value::Float(sign) => Ok(sign > 0.0),
        value => Err(wrong_type("int", &value)),
    }
}

fn iterator(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let state = IterState::Array {
        array: receiver(&args[0]).clone(),
        position: 0,
    };
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}

/// An index below `end`.
fn index(items: &Array, value: &Value, end: usize) -> Result<usize, Raise> {
    let index = int(value)?;
    match usize::try_from(index) {
        Ok(at) if at < end => Ok(at),
        _ => Err(Raise::index_out_of_bounds(index, items.len())),
    }
}

fn insert(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let at = index(items, &args[1], items.len() + 1)?;
    ctx.tick((items.len() - at) / 64)?;
    items.insert(at, args[2].clone())?;
    Ok(Value::Null)
}

fn remove_at(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let at = index(items, &args[1], items.len())?;
    ctx.tick((items.len() - at) / 64)?;
    items.remove(at)
}

fn reverse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let len = items.len();
    ctx.tick(len / 16)?;
    for at in 0..len / 2 {
        items.swap(at, len - 1 - at)?;
    }
    Ok(Value::Null)
}

/// `slice(s, e)` means `[s:e]`.
fn slice(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let len = items.len() as i64;
    let bound = |value: &Value| -> Result<usize, Raise> {
        let bound = int(value)?;
        let bound = if bound < 0 {
            bound.saturating_add(len)
        } else {
            bound
        };
        Ok(bound.clamp(0, len) as usize)
    };
    let (start, end) = (bound(&args[1])?, bound(&args[2])?);
    collections::part(ctx, items, start, end)
}

fn join(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]).snapshot();
    text::join(ctx, &items, string(&args[1])?)
}

fn clear(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    receiver(&args[0]).clear();
    Ok(Value::Null)
}
