//! Methods of arrays.

use aether_value::{Array, IterState, Raise, Rc, Value, hashable_check, try_equal};
use std::cmp::Ordering;

use super::super::support::{array, int, string, wrong_type};
use super::super::{BuiltinDef, Each, Event, Pairs, Returned, Step, collections, math, sort, sorting, text};
use super::equals;
use crate::context::Ctx;
use crate::pieces::PIECE_ITEMS;

/// Methods of arrays.
pub(in crate::builtins) static ARRAY: &[BuiltinDef] = &[
    BuiltinDef::method("push", 1, 255, push),
    BuiltinDef::method("pop", 0, 1, pop),
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
    BuiltinDef::method("slice", 2, 3, slice),
    BuiltinDef::method("join", 1, 1, join),
    BuiltinDef::method("clear", 0, 0, clear),
    BuiltinDef::method_frame("map", 1, 1, 4, collections::map).each(Each {
        take: collections::map_take,
        next: collections::map_next,
        index: 3,
    }),
    BuiltinDef::method_frame("filter", 1, 1, 4, collections::filter).each(Each {
        take: collections::filter_take,
        next: collections::map_next,
        index: 3,
    }),
    BuiltinDef::method_frame("reduce", 1, 2, 4, collections::reduce),
    BuiltinDef::method_frame("each", 1, 1, 3, collections::each),
    BuiltinDef::method_frame("find", 1, 1, 3, collections::find),
    BuiltinDef::method_frame("find_index", 1, 1, 3, collections::find_index),
    BuiltinDef::method_frame("some", 1, 1, 3, collections::some),
    BuiltinDef::method_frame("every", 1, 1, 3, collections::every),
    BuiltinDef::method("flat", 0, 0, collections::flatten),
    BuiltinDef::method_frame("flat_map", 1, 1, 4, collections::flat_map),
    BuiltinDef::method_frame("group_by", 1, 1, 4, collections::group_by_own),
    BuiltinDef::method_frame("count_by", 1, 1, 4, collections::count_by_own),
    BuiltinDef::method_frame("partition", 1, 1, 5, collections::partition),
    BuiltinDef::method("zip", 1, 1, collections::zip).iterables(0b10),
    BuiltinDef::method("enumerate", 0, 0, collections::enumerate),
    BuiltinDef::method("chunk", 1, 1, collections::chunk),
    BuiltinDef::method("take", 1, 1, collections::take_first),
    BuiltinDef::method("drop", 1, 1, collections::drop_first),
    BuiltinDef::method("unique", 0, 0, unique),
    BuiltinDef::method_frame("unique_by", 1, 1, 5, collections::unique_by_own),
    BuiltinDef::method("sum", 0, 0, math::sum),
    BuiltinDef::method("min", 0, 0, |ctx, args| math::least(ctx, args, Ordering::Less)),
    BuiltinDef::method("max", 0, 0, |ctx, args| math::least(ctx, args, Ordering::Greater)),
    BuiltinDef::method("last_index_of", 1, 1, last_index_of),
    BuiltinDef::method("first", 0, 0, collections::first),
    BuiltinDef::method("last", 0, 0, collections::last),
    BuiltinDef::method("remove", 1, 1, remove),
    BuiltinDef::method("extend", 1, 1, extend).iterables(0b10),
    BuiltinDef::method("fill", 1, 1, fill),
    BuiltinDef::method("shuffle", 0, 0, shuffle),
    BuiltinDef::method("swap", 2, 2, swap),
    BuiltinDef::method_frame("sort_by", 1, 2, sorting::SORT_BY_SLOTS, sorting::sort_by_in_place)
        .with_options(sorting::OPTIONS),
    BuiltinDef::method("truncate", 1, 1, truncate),
    BuiltinDef::method_frame("sorted", 0, 1, 2 + sort::SLOTS as u8, sorted).pairs(Pairs {
        next: sort_next,
        done: sorted_done,
    }),
    BuiltinDef::method("reversed", 0, 0, reversed),
    BuiltinDef::method("with", 2, 2, with),
    BuiltinDef::method("get", 1, 2, get),
    BuiltinDef::method_frame("binary_search", 1, 2, 5, sorting::binary_search),
];

fn receiver(value: &Value) -> &Rc<Array> {
    match value {
        Value::Array(array) => array,
        _ => unreachable!("a method of arrays"),
    }
}

fn push(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let [array, value] = args {
        receiver(array).push(value.clone())?;
    } else {
        receiver(&args[0]).extend(&args[1..])?;
    }
    Ok(Value::Null)
}

/// `pop()` takes the last item, `pop(i)` the one there.
fn pop(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if args.len() > 1 {
        return remove_at(ctx, args);
    }
    Ok(receiver(&args[0]).pop()?.unwrap_or(Value::Null))
}

/// Where the first item equal to `wanted` is.
pub(in crate::builtins) fn position(
    ctx: &mut Ctx<'_>,
    items: &Array,
    wanted: &Value,
) -> Result<Option<usize>, Raise> {
    if items.len() <= 8 {
        ctx.tick(items.len() / 8)?;
        // A snapshot would cost the next write more than these few counts.
        for at in 0..items.len() {
            if let Some(item) = items.get_value(at)
                && try_equal(&item, wanted)?
            {
                return Ok(Some(at));
            }
        }
        return Ok(None);
    }
    for (index, item) in items.snapshot()?.iter().enumerate() {
        ctx.tick_at(index, items.len(), 8)?;
        if try_equal(item, wanted)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
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
    let sorted = sort::sorted(&slots[2..]).snapshot()?;
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
    for at in 0..len / 2 {
        ctx.tick_at(at, len / 2, 8)?;
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
    let step = match args.get(3) {
        None | Some(Value::Null) => 1,
        Some(step) => int(step)?,
    };
    if step == 1 {
        return collections::part(ctx, items, start, end);
    }
    let width = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
    if width == 0 {
        return Err(Raise::operation("slice step must not be 0"));
    }
    let items = items.snapshot()?;
    let part = items.as_slice().get(start..end).unwrap_or(&[]);
    let count = part.len().div_ceil(width);
    let picked = ctx.heap().array(count)?;
    for index in 0..count {
        ctx.tick_at(index, count, 4)?;
        let at = index * width;
        let at = if step > 0 { at } else { part.len() - 1 - at };
        picked.push(part[at].clone())?;
    }
    Ok(Value::Array(picked))
}

fn join(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]).snapshot()?;
    text::join(ctx, &items, string(&args[1])?)
}

fn clear(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    receiver(&args[0]).clear();
    Ok(Value::Null)
}

/// The first of all equal items; items that cannot be keys are told apart as `==` does.
fn unique(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]).snapshot()?;
    let (seen, result) = (ctx.heap().set()?, ctx.heap().array(0)?);
    let others = ctx.heap().array(0)?;
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), 1)?;
        let fresh = if hashable_check(item).is_ok() {
            // 1 and 1.0 are equal, but two keys.
            let key = match item {
                Value::Float(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
                    Value::Int(*float as i64)
                }
                item => item.clone(),
            };
            seen.add(key)?
        } else {
            let fresh = position(ctx, &others, item)?.is_none();
            if fresh {
                others.push(item.clone())?;
            }
            fresh
        };
        if fresh {
            result.push(item.clone())?;
        }
    }
    Ok(Value::Array(result))
}

fn last_index_of(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]).snapshot()?;
    for (index, item) in items.iter().rev().enumerate() {
        ctx.tick_at(index, items.len(), 8)?;
        if try_equal(item, &args[1])? {
            return Ok(Value::Int((items.len() - 1 - index) as i64));
        }
    }
    Ok(Value::Int(-1))
}

/// Takes the first item equal to a value out; whether there was one.
fn remove(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let Some(at) = position(ctx, items, &args[1])? else {
        return Ok(Value::Bool(false));
    };
    ctx.tick((items.len() - at) / 64)?;
    drop(items.remove(at)?);
    Ok(Value::Bool(true))
}

fn extend(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let more = array(&args[1])?.snapshot()?;
    let items = receiver(&args[0]);
    if more.len() <= PIECE_ITEMS {
        ctx.tick(more.len() / 16)?;
        items.extend(more.as_slice())?;
    } else {
        // What fails leaves the array as it was.
        let before = items.len();
        if let Err(raise) = ctx.append_items(items, more.as_slice(), 16) {
            items.truncate(before)?;
            return Err(raise);
        }
    }
    Ok(Value::Null)
}

fn fill(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    for at in 0..items.len() {
        ctx.tick_at(at, items.len(), 8)?;
        drop(items.set(at, args[1].clone())?);
    }
    Ok(Value::Null)
}

fn shuffle(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    for at in (1..items.len()).rev() {
        ctx.tick_at(items.len() - 1 - at, items.len(), 4)?;
        let other = ctx.random().below(at as u64 + 1) as usize;
        items.swap(at, other)?;
    }
    Ok(Value::Null)
}

fn swap(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let (one, other) = (
        index(items, &args[1], items.len())?,
        index(items, &args[2], items.len())?,
    );
    items.swap(one, other)?;
    Ok(Value::Null)
}

/// Leaves at most the first n.
fn truncate(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let n = usize::try_from(int(&args[1])?).unwrap_or(0);
    if n < items.len() {
        items.truncate(n)?;
    }
    Ok(Value::Null)
}

/// `sorted()` and `sorted(cmp)`: as `sort`, but a new array.
fn sorted(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if matches!(event, Event::Start) && slots[1].is_null() {
        let items = ctx.heap().array_from_buffer(receiver(&slots[0]).snapshot()?)?;
        sort::sort_default(ctx, &items)?;
        return Ok(Step::Done(Value::Array(items)));
    }
    let answer = match event {
        Event::Returned(value) => Some(is_positive(value)?),
        Event::Start => {
            let items = receiver(&slots[0]).clone();
            sort::begin(ctx.heap(), &items, &mut slots[2..])?;
            None
        }
        Event::Failed(raise) => return Err(raise),
    };
    match sort::step(&mut slots[2..], answer)? {
        Some((left, right)) => Ok(Step::call2(&slots[1], left, right)),
        None => sorted_done(ctx, slots),
    }
}

fn sorted_done(_: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    Ok(Step::Done(Value::Array(sort::sorted(&slots[2..]).clone())))
}

fn reversed(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]).snapshot()?;
    let result = ctx.heap().array(items.len())?;
    for (index, item) in items.iter().rev().enumerate() {
        ctx.tick_at(index, items.len(), 8)?;
        result.push(item.clone())?;
    }
    Ok(Value::Array(result))
}

/// A copy with another item at an index.
fn with(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = receiver(&args[0]);
    let at = index(items, &args[1], items.len())?;
    let copy = ctx.heap().array_from_buffer(items.snapshot()?)?;
    drop(copy.set(at, args[2].clone())?);
    Ok(Value::Array(copy))
}

/// The item at an index, which counts from the end if it is negative; the default, or null, where there is none.
fn get(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (items, at) = (receiver(&args[0]), int(&args[1])?);
    let at = if at < 0 { at + items.len() as i64 } else { at };
    let found = usize::try_from(at).ok().and_then(|at| items.get_value(at));
    Ok(found.unwrap_or_else(|| args.get(2).cloned().unwrap_or(Value::Null)))
}
