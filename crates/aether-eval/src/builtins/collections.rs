//! The embedded modules `core` and `collections`.
//!
//! A function with a callback is a frame. It replaces its array by the array's items at that moment, so what a
//! callback does to the array does not matter, and keeps its position and result in slots.
//!
//! Source: library reference chapter 10, **core**, **collections**.

use aether_value::{Array, Heap, Raise, Rc, Value, hashable_check, try_equal};

use super::math::{add, order};
use super::support::{array, buffer, built, float, int, position, take, wrong_type};
use super::{BuiltinDef, Each, Event, Pairs, Returned, Step, sort, sorting};
use crate::context::Ctx;
use crate::pieces::PIECE_ITEMS;

pub(super) static CORE: &[BuiltinDef] = &[
    BuiltinDef::library("range", &["start", "end"], range),
    BuiltinDef::library("enumerate", &["array"], enumerate).iterables(1),
];

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::library_frame("map", &["array", "func"], 4, map)
        .iterables(1)
        .each(Each {
            take: map_take,
            next: map_next,
            index: 3,
        }),
    BuiltinDef::library_frame("filter", &["array", "predicate"], 4, filter)
        .iterables(1)
        .each(Each {
            take: filter_take,
            next: map_next,
            index: 3,
        }),
    BuiltinDef::library_frame("reduce", &["array", "func", "accumulator"], 4, reduce).iterables(1),
    BuiltinDef::library_frame("find", &["array", "predicate"], 3, find).iterables(1),
    BuiltinDef::library_frame("every", &["array", "predicate"], 3, every).iterables(1),
    BuiltinDef::library_frame("some", &["array", "predicate"], 3, some).iterables(1),
    BuiltinDef::library_frame("sort", &["array", "comparator"], 2 + sort::SLOTS as u8, sort_by)
        .iterables(1)
        .pairs(Pairs {
            next: sort_next,
            done: sort_done,
        }),
    BuiltinDef::library("concat", &["arr1", "arr2"], concat).iterables(0b11),
    BuiltinDef::library("flatten", &["array"], flatten).iterables(1),
    BuiltinDef::library_frame("flat_map", &["array", "func"], 4, flat_map).iterables(1),
    BuiltinDef::library("zip", &["arr1", "arr2"], zip).iterables(0b11),
    BuiltinDef::library("zip_longest", &["arr1", "arr2", "fill"], zip_longest).iterables(0b11),
    BuiltinDef::library("take", &["array", "n"], take_first).iterables(1),
    BuiltinDef::library("drop", &["array", "n"], drop_first).iterables(1),
    BuiltinDef::library("first", &["array"], first).iterables(1),
    BuiltinDef::library("last", &["array"], last).iterables(1),
    BuiltinDef::library("chunk", &["array", "size"], chunk).iterables(1),
    BuiltinDef::library_frame("partition", &["array", "predicate"], 5, partition).iterables(1),
    BuiltinDef::library("uniq", &["array"], uniq).iterables(1),
    BuiltinDef::library_frame("uniq_by", &["array", "func"], 5, uniq_by).iterables(1),
    BuiltinDef::library_frame("group_by", &["array", "func"], 4, group_by).iterables(1),
    BuiltinDef::library_frame("count_by", &["array", "func"], 4, count_by).iterables(1),
    BuiltinDef::library_frame("sum_by", &["array", "func"], 4, sum_by).iterables(1),
    sort_by_named("sort_by"),
    sort_by_named("sort_by_key"),
    BuiltinDef::library_frame(
        "binary_search",
        &["array", "value", "cmp"],
        5,
        sorting::binary_search,
    )
    .requiring(2),
];

/// The function that sorts by a key, under one of its names.
const fn sort_by_named(name: &'static str) -> BuiltinDef {
    let params = &["array", "key", "opts"];
    BuiltinDef::library_frame(name, params, sorting::SORT_BY_SLOTS, sorting::sort_by)
        .requiring(2)
        .iterables(1)
        .with_options(sorting::OPTIONS)
}

// --- core ---

pub(super) fn range(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (start, end) = if args[1].is_null() {
        (&Value::Int(0), &args[0])
    } else {
        (&args[0], &args[1])
    };
    match (start, end) {
        (Value::Int(start), Value::Int(end)) => {
            let count = end.saturating_sub(*start).max(0) as usize;
            let items = room(ctx, count)?;
            for value in *start..*end {
                ctx.tick_at(items.len(), count, 4)?;
                items.push(Value::Int(value))?;
            }
            Ok(Value::Array(items))
        }
        (Value::Int(start), Value::Float(end)) => {
            let count = steps(*start as f64, *end);
            let items = room(ctx, count)?;
            for step in 0..count as i64 {
                ctx.tick_at(step as usize, count, 4)?;
                items.push(Value::Int(
                    start
                        .checked_add(step)
                        .ok_or_else(|| Raise::overflow(*start, "+", step))?,
                ))?;
            }
            Ok(Value::Array(items))
        }
        (Value::Float(start), end) => {
            let count = steps(*start, float(end)?);
            let items = room(ctx, count)?;
            for step in 0..count {
                ctx.tick_at(step, count, 4)?;
                items.push(Value::Float(start + step as f64))?;
            }
            Ok(Value::Array(items))
        }
        (Value::Int(_), end) => Err(wrong_type("number", end)),
        (start, _) => Err(wrong_type("number", start)),
    }
}

/// Steps of 1 from `start` that stay below `end`; saturates.
fn steps(start: f64, end: f64) -> usize {
    (end - start).ceil().max(0.0) as usize
}

/// An array with room for `count` items.
fn room(ctx: &Ctx<'_>, count: usize) -> Result<Rc<Array>, Raise> {
    ctx.heap().array(count)
}

fn pair(heap: &Heap, first: Value, second: Value) -> Result<Value, Raise> {
    let pair = heap.array(2)?;
    pair.push(first)?;
    pair.push(second)?;
    Ok(Value::Array(pair))
}

pub(super) fn enumerate(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?.snapshot()?;
    let result = room(ctx, items.len())?;
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), 4)?;
        result.push(pair(ctx.heap(), Value::Int(index as i64), item.clone())?)?;
    }
    Ok(Value::Array(result))
}

// --- frames: slot 0 is the array, then its items; slot 1 is the function ---

/// Replaces the array by its items; gives their number.
fn begin(slots: &mut [Value]) -> Result<usize, Raise> {
    let array = array(&slots[0])?;
    let len = array.len();
    slots[0] = Value::Buffer(array.snapshot()?);
    Ok(len)
}

/// The call for the next item, whose index is in slot `at`.
#[inline]
fn next_call(slots: &mut [Value], at: usize) -> Option<Step> {
    let index = position(&slots[at]);
    let item = buffer(&slots[0]).as_slice().get(index)?.clone();
    slots[at] = Value::Int(index as i64 + 1);
    Some(Step::call1(&slots[1], item))
}

/// The item of the last call.
#[inline]
fn current(slots: &[Value], at: usize) -> Value {
    buffer(&slots[0]).get(position(&slots[at]) - 1).clone()
}

/// Goes on to the next item, or ends with what is in slot `result`.
#[inline]
fn go_on(slots: &mut [Value], at: usize, result: usize) -> Step {
    next_call(slots, at).unwrap_or_else(|| Step::Done(take(&mut slots[result])))
}

pub(super) fn map(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => built(&slots[2]).push(value)?,
        Event::Start => {
            let len = begin(slots)?;
            slots[2] = Value::Array(ctx.heap().array(len)?);
        }
        Event::Failed(raise) => return Err(raise),
    }
    Ok(go_on(slots, 3, 2))
}

pub(super) fn map_take(_: &mut Ctx<'_>, slots: &mut [Value], result: Returned) -> Result<(), Raise> {
    result.push_to(built(&slots[2]))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of all of its kind")]
pub(super) fn map_next(_: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    Ok(go_on(slots, 3, 2))
}

pub(super) fn filter(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => {
            if value.truthy() {
                built(&slots[2]).push(current(slots, 3))?;
            }
        }
        Event::Start => {
            begin(slots)?;
            slots[2] = Value::Array(ctx.heap().array(0)?);
        }
        Event::Failed(raise) => return Err(raise),
    }
    Ok(go_on(slots, 3, 2))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of all of its kind")]
pub(super) fn filter_take(_: &mut Ctx<'_>, slots: &mut [Value], result: Returned) -> Result<(), Raise> {
    if result.truthy() {
        built(&slots[2]).push(current(slots, 3))?;
    }
    Ok(())
}

pub(super) fn reduce(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => slots[2] = value,
        Event::Start => drop(begin(slots)?),
        Event::Failed(raise) => return Err(raise),
    }
    let index = position(&slots[3]);
    let accumulator = take(&mut slots[2]);
    let Some(item) = buffer(&slots[0]).as_slice().get(index) else {
        return Ok(Step::Done(accumulator));
    };
    let step = Step::call2(&slots[1], accumulator, item.clone());
    slots[3] = Value::Int(index as i64 + 1);
    Ok(step)
}

/// Calls the predicate until its truth is `wanted`; whether it was, and otherwise the next step.
#[inline]
fn until(slots: &mut [Value], event: Event, wanted: bool) -> Result<Option<Step>, Raise> {
    match event {
        Event::Returned(value) if value.truthy() == wanted => return Ok(None),
        Event::Returned(_) => {}
        Event::Start => drop(begin(slots)?),
        Event::Failed(raise) => return Err(raise),
    }
    Ok(Some(next_call(slots, 2).unwrap_or(Step::Done(Value::Null))))
}

pub(super) fn find(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    Ok(match until(slots, event, true)? {
        Some(step) => step,
        None => Step::Done(current(slots, 2)),
    })
}

pub(super) fn every(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    Ok(match until(slots, event, false)? {
        Some(Step::Done(_)) => Step::Done(Value::Bool(true)),
        Some(step) => step,
        None => Step::Done(Value::Bool(false)),
    })
}

pub(super) fn some(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    Ok(match until(slots, event, true)? {
        Some(Step::Done(_)) => Step::Done(Value::Bool(false)),
        Some(step) => step,
        None => Step::Done(Value::Bool(true)),
    })
}

/// `sort(array, comparator)`: the comparator tells whether its first argument comes before its second.
fn sort_by(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let answer = match event {
        Event::Returned(value) => Some(value.truthy()),
        Event::Start => {
            let items = array(&slots[0])?.clone();
            if slots[1].is_null() {
                return sort_comparable(ctx, &items).map(Step::Done);
            }
            sort::begin(ctx.heap(), &items, &mut slots[2..])?;
            slots[0] = Value::Null;
            None
        }
        Event::Failed(raise) => return Err(raise),
    };
    match sort::step(&mut slots[2..], answer)? {
        Some((left, right)) => Ok(Step::call2(&slots[1], right, left)),
        None => sort_done(ctx, slots),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of `Pairs`")]
fn sort_next(
    _: &mut Ctx<'_>,
    slots: &mut [Value],
    right_first: Returned,
) -> Result<Option<(Value, Value)>, Raise> {
    let pair = sort::step(&mut slots[2..], Some(right_first.truthy()))?;
    Ok(pair.map(|(left, right)| (right, left)))
}

fn sort_done(_: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    Ok(Step::Done(Value::Array(sort::sorted(&slots[2..]).clone())))
}

/// A sorted copy, by `<`, of items that `<` can compare.
fn sort_comparable(ctx: &mut Ctx<'_>, items: &Array) -> Result<Value, Raise> {
    let result = ctx.heap().array_from_buffer(items.snapshot()?)?;
    if let [first, rest @ ..] = items.snapshot()?.as_slice() {
        for (index, item) in rest.iter().enumerate() {
            ctx.tick_at(index, rest.len(), 8)?;
            order(first, item)?;
        }
    }
    sort::sort_default(ctx, &result)?;
    Ok(Value::Array(result))
}

/// Appends what flattening makes of a value: an array's items, anything else itself.
fn flatten_into(result: &Array, value: Value) -> Result<(), Raise> {
    match value {
        Value::Array(inner) => result.extend(inner.snapshot()?.as_slice()),
        value => result.push(value),
    }
}

pub(super) fn flat_map(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => flatten_into(built(&slots[2]), value)?,
        Event::Start => {
            begin(slots)?;
            slots[2] = Value::Array(ctx.heap().array(0)?);
        }
        Event::Failed(raise) => return Err(raise),
    }
    Ok(go_on(slots, 3, 2))
}

pub(super) fn partition(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => {
            let side = if value.truthy() { 2 } else { 3 };
            built(&slots[side]).push(current(slots, 4))?;
        }
        Event::Start => {
            begin(slots)?;
            slots[2] = Value::Array(ctx.heap().array(0)?);
            slots[3] = Value::Array(ctx.heap().array(0)?);
        }
        Event::Failed(raise) => return Err(raise),
    }
    if let Some(step) = next_call(slots, 4) {
        return Ok(step);
    }
    let (matching, others) = (take(&mut slots[2]), take(&mut slots[3]));
    pair(ctx.heap(), matching, others).map(Step::Done)
}

fn uniq_by(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    unique_by(ctx, slots, event, text_key)
}

/// Keeps the first item of each key.
fn unique_by(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event, key: KeyOf) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => {
            let key = key(ctx, value)?;
            let Value::Set(seen) = &slots[3] else {
                unreachable!("put there at the start")
            };
            if seen.add(key)? {
                built(&slots[2]).push(current(slots, 4))?;
            }
        }
        Event::Start => {
            begin(slots)?;
            slots[2] = Value::Array(ctx.heap().array(0)?);
            slots[3] = Value::Set(ctx.heap().set()?);
        }
        Event::Failed(raise) => return Err(raise),
    }
    Ok(go_on(slots, 4, 2))
}

/// Makes the new value under a key from the old one and an item; none if the old one stays.
type Update = fn(&Heap, Option<Value>, Value) -> Result<Option<Value>, Raise>;

/// Makes the key of an item from what a function gave for it.
type KeyOf = fn(&mut Ctx<'_>, Value) -> Result<Value, Raise>;

/// The display text: the key of the library's functions.
#[expect(clippy::needless_pass_by_value, reason = "the signature of `KeyOf`")]
fn text_key(ctx: &mut Ctx<'_>, value: Value) -> Result<Value, Raise> {
    Ok(Value::String(ctx.text(&value)?))
}

/// The value itself if it can be a key, else its display text: the key of methods.
fn own_key(ctx: &mut Ctx<'_>, value: Value) -> Result<Value, Raise> {
    if hashable_check(&value).is_ok() {
        Ok(value)
    } else {
        text_key(ctx, value)
    }
}

/// `group_by` and `count_by`: has `update` make the new value under the key of the last item from the old one.
fn accumulate(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    event: Event,
    key: KeyOf,
    update: Update,
) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => {
            let key = key(ctx, value)?;
            let Value::Dict(groups) = &slots[2] else {
                unreachable!("put there at the start")
            };
            let item = current(slots, 3);
            if let Some(value) = update(ctx.heap(), groups.get_value(&key), item)? {
                groups.insert(key, value)?;
            }
        }
        Event::Start => {
            begin(slots)?;
            slots[2] = Value::Dict(ctx.heap().dict()?);
        }
        Event::Failed(raise) => return Err(raise),
    }
    Ok(go_on(slots, 3, 2))
}

fn group_by(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    accumulate(ctx, slots, event, text_key, add_to_group)
}

fn add_to_group(heap: &Heap, old: Option<Value>, item: Value) -> Result<Option<Value>, Raise> {
    match old {
        Some(Value::Array(group)) => {
            group.push(item)?;
            Ok(None)
        }
        _ => Ok(Some(Value::Array(heap.array_from_slice(&[item])?))),
    }
}

fn count_by(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    accumulate(ctx, slots, event, text_key, count_one)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of `Update`")]
fn count_one(_: &Heap, old: Option<Value>, _: Value) -> Result<Option<Value>, Raise> {
    let before = old.as_ref().and_then(Value::as_int).unwrap_or(0);
    Ok(Some(Value::Int(before + 1)))
}

// --- the same as methods, whose keys keep their type ---

pub(super) fn group_by_own(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    accumulate(ctx, slots, event, own_key, add_to_group)
}

pub(super) fn count_by_own(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    accumulate(ctx, slots, event, own_key, count_one)
}

pub(super) fn unique_by_own(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    unique_by(ctx, slots, event, own_key)
}

/// Calls the function with each item, for what it does.
pub(super) fn each(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(_) => {}
        Event::Start => drop(begin(slots)?),
        Event::Failed(raise) => return Err(raise),
    }
    Ok(next_call(slots, 2).unwrap_or(Step::Done(Value::Null)))
}

/// The index of the first match, or -1.
pub(super) fn find_index(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    Ok(match until(slots, event, true)? {
        Some(Step::Done(_)) => Step::Done(Value::Int(-1)),
        Some(step) => step,
        None => Step::Done(Value::Int(position(&slots[2]) as i64 - 1)),
    })
}

pub(super) fn sum_by(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => {
            let total = take(&mut slots[2]);
            slots[2] = add(ctx.heap(), total, &value)?;
        }
        Event::Start => {
            begin(slots)?;
            slots[2] = Value::Int(0);
        }
        Event::Failed(raise) => return Err(raise),
    }
    Ok(go_on(slots, 3, 2))
}

// --- at once ---

fn concat(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    concatenate(ctx, array(&args[0])?, array(&args[1])?)
}

/// A new array of the items of both.
pub(super) fn concatenate(ctx: &mut Ctx<'_>, head: &Array, tail: &Array) -> Result<Value, Raise> {
    let result = room(ctx, head.len() + tail.len())?;
    ctx.append_items(&result, head.snapshot()?.as_slice(), 4)?;
    ctx.append_items(&result, tail.snapshot()?.as_slice(), 4)?;
    Ok(Value::Array(result))
}

pub(super) fn flatten(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?.snapshot()?;
    let size = |item: &Value| {
        if let Value::Array(inner) = item {
            inner.len()
        } else {
            1
        }
    };
    let mut count = 0;
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), 8)?;
        count += size(item);
    }
    let result = room(ctx, count)?;
    let mut done = 0;
    for item in &*items {
        if result.len() - done >= PIECE_ITEMS {
            ctx.tick((result.len() - done) / 4)?;
            done = result.len();
        }
        match item {
            Value::Array(inner) => ctx.append_items(&result, inner.snapshot()?.as_slice(), 8)?,
            item => result.push(item.clone())?,
        }
    }
    ctx.tick((result.len() - done) / 4)?;
    Ok(Value::Array(result))
}

pub(super) fn zip(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (array(&args[0])?.snapshot()?, array(&args[1])?.snapshot()?);
    let result = room(ctx, left.len().min(right.len()))?;
    let count = left.len().min(right.len());
    for (index, (left, right)) in left.iter().zip(&*right).enumerate() {
        ctx.tick_at(index, count, 4)?;
        result.push(pair(ctx.heap(), left.clone(), right.clone())?)?;
    }
    Ok(Value::Array(result))
}

fn zip_longest(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (array(&args[0])?.snapshot()?, array(&args[1])?.snapshot()?);
    let len = left.len().max(right.len());
    let result = room(ctx, len)?;
    for index in 0..len {
        ctx.tick_at(index, len, 4)?;
        let left = left.as_slice().get(index).unwrap_or(&args[2]);
        let right = right.as_slice().get(index).unwrap_or(&args[2]);
        result.push(pair(ctx.heap(), left.clone(), right.clone())?)?;
    }
    Ok(Value::Array(result))
}

/// The items `start..end` as a new array.
pub(super) fn part(ctx: &mut Ctx<'_>, array: &Array, start: usize, end: usize) -> Result<Value, Raise> {
    if start >= end {
        return Ok(Value::Array(ctx.heap().array(0)?));
    }
    let items = array.snapshot()?;
    Ok(Value::Array(
        ctx.array_of_items(&items.as_slice()[start..end], 4)?,
    ))
}

pub(super) fn take_first(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (items, n) = (array(&args[0])?, int(&args[1])?);
    match usize::try_from(n) {
        Ok(n) if n >= items.len() => Ok(args[0].clone()),
        Ok(n) => part(ctx, items, 0, n),
        Err(_) => part(ctx, items, 0, 0),
    }
}

pub(super) fn drop_first(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (items, n) = (array(&args[0])?, int(&args[1])?);
    match usize::try_from(n) {
        Ok(n) => part(ctx, items, n, items.len()),
        Err(_) => Err(Raise::index_out_of_bounds(n, items.len())),
    }
}

pub(super) fn first(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(array(&args[0])?.get_value(0).unwrap_or(Value::Null))
}

pub(super) fn last(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?;
    Ok(items
        .get_value(items.len().wrapping_sub(1))
        .unwrap_or(Value::Null))
}

pub(super) fn chunk(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (items, size) = (array(&args[0])?.snapshot()?, int(&args[1])?);
    if size < 1 {
        return Err(Raise::operation("chunk size must be positive"));
    }
    let size = size as usize;
    let count = items.len().div_ceil(size);
    let result = room(ctx, count)?;
    for (index, piece) in items.as_slice().chunks(size).enumerate() {
        ctx.tick_at(index, count, 4)?;
        result.push(Value::Array(ctx.array_of_items(piece, 4)?))?;
    }
    Ok(Value::Array(result))
}

pub(super) fn uniq(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?.snapshot()?;
    let result = ctx.heap().array(0)?;
    let mut before: Option<&Value> = None;
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), 4)?;
        let is_new = match before {
            Some(before) => !try_equal(before, item)?,
            None => true,
        };
        if is_new {
            result.push(item.clone())?;
        }
        before = Some(item);
    }
    Ok(Value::Array(result))
}
