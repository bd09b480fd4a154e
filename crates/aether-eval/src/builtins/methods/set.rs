//! Methods of sets.

use aether_value::{Charge, IterState, Raise, Rc, Set, Str, Value};

use super::super::sort::{run_of, sort_in_pieces};
use super::super::support::{array, position, take, wrong_type};
use super::super::{BuiltinDef, Event, Step};
use super::equals;
use crate::context::Ctx;

/// Methods of sets.
pub(in crate::builtins) static SET: &[BuiltinDef] = &[
    BuiltinDef::method("add", 1, 1, add),
    BuiltinDef::method("remove", 1, 1, remove),
    BuiltinDef::method("contains", 1, 1, contains),
    BuiltinDef::method("clear", 0, 0, clear),
    BuiltinDef::method("to_array", 0, 0, to_array),
    BuiltinDef::method("union", 1, 1, union),
    BuiltinDef::method("intersection", 1, 1, intersection),
    BuiltinDef::method("difference", 1, 1, difference),
    BuiltinDef::method("symmetric_difference", 1, 1, symmetric_difference),
    BuiltinDef::method("is_subset", 1, 1, is_subset),
    BuiltinDef::method("is_superset", 1, 1, is_superset),
    BuiltinDef::method("equals", 1, 1, equals),
    BuiltinDef::method("iterator", 0, 0, iterator),
    BuiltinDef::method("is_disjoint", 1, 1, is_disjoint),
    BuiltinDef::method("update", 1, 1, update).iterables(0b10),
    BuiltinDef::method("pop", 0, 0, pop),
    BuiltinDef::method_frame("map", 1, 1, SLOTS, map),
    BuiltinDef::method_frame("filter", 1, 1, SLOTS, filter),
    BuiltinDef::method("is_empty", 0, 0, is_empty),
];

/// The set in an argument; the receiver is one for certain.
fn set(value: &Value) -> Result<&Rc<Set>, Raise> {
    match value {
        Value::Set(set) => Ok(set),
        _ => Err(wrong_type("set", value)),
    }
}

fn add(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    set(&args[0])?.add(args[1].clone())?;
    Ok(Value::Null)
}

fn remove(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    set(&args[0])?.remove(&args[1])?;
    Ok(Value::Null)
}

fn contains(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(set(&args[0])?.contains(&args[1])))
}

fn clear(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    set(&args[0])?.clear();
    Ok(Value::Null)
}

/// The elements in order of their display texts.
fn to_array(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let set = set(&args[0])?;
    let len = set.len();
    let _charge = Charge::new(ctx.heap(), len * size_of::<(Rc<Str>, &Value)>() * 3 / 2)?;
    let mut elements = Vec::with_capacity(len);
    for (index, element) in set.iter().enumerate() {
        ctx.tick_at(index, len, 1)?;
        elements.push((ctx.text(element)?, element));
    }
    let run = run_of(ctx.heap(), set.iter())?;
    sort_in_pieces(
        ctx.heap(),
        &mut elements,
        run,
        |(left, _), (right, _)| left.order(right),
        |(left, _), (right, _)| left.try_order(right),
    )?;
    let result = ctx.heap().array(len)?;
    for (index, (_, element)) in elements.into_iter().enumerate() {
        ctx.tick_at(index, len, 8)?;
        result.push(element.clone())?;
    }
    Ok(Value::Array(result))
}

/// Adds to `result` the elements of `from` that `keep` accepts.
fn gather(ctx: &mut Ctx<'_>, result: &Set, from: &Set, keep: impl Fn(&Value) -> bool) -> Result<(), Raise> {
    for (index, element) in from.iter().enumerate() {
        ctx.tick_at(index, from.len(), 1)?;
        if keep(element) {
            result.add(element.clone())?;
        }
    }
    Ok(())
}

fn union(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (set(&args[0])?, set(&args[1])?);
    let result = ctx.heap().set_copy(left)?;
    gather(ctx, &result, right, |_| true)?;
    Ok(Value::Set(result))
}

fn intersection(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (set(&args[0])?, set(&args[1])?);
    let result = ctx.heap().set()?;
    gather(ctx, &result, left, |element| right.contains(element))?;
    Ok(Value::Set(result))
}

fn difference(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (set(&args[0])?, set(&args[1])?);
    let result = ctx.heap().set()?;
    gather(ctx, &result, left, |element| !right.contains(element))?;
    Ok(Value::Set(result))
}

fn symmetric_difference(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (set(&args[0])?, set(&args[1])?);
    let result = ctx.heap().set()?;
    gather(ctx, &result, left, |element| !right.contains(element))?;
    gather(ctx, &result, right, |element| !left.contains(element))?;
    Ok(Value::Set(result))
}

fn is_within(ctx: &mut Ctx<'_>, inner: &Set, outer: &Set) -> Result<Value, Raise> {
    if inner.len() > outer.len() {
        return Ok(Value::Bool(false));
    }
    for (index, element) in inner.iter().enumerate() {
        ctx.tick_at(index, inner.len(), 1)?;
        if !outer.contains(element) {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn is_subset(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    is_within(ctx, set(&args[0])?, set(&args[1])?)
}

fn is_superset(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (set(&args[0])?, set(&args[1])?);
    is_within(ctx, right, left)
}

fn iterator(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let state = IterState::Set {
        set: set(&args[0])?.snapshot()?,
        position: 0,
    };
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}

fn is_disjoint(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (set(&args[0])?, set(&args[1])?);
    let (small, large) = if left.len() <= right.len() {
        (left, right)
    } else {
        (right, left)
    };
    for (index, element) in small.iter().enumerate() {
        ctx.tick_at(index, small.len(), 1)?;
        if large.contains(element) {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn update(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (set, more) = (set(&args[0])?, array(&args[1])?.snapshot()?);
    for (index, element) in more.iter().enumerate() {
        ctx.tick_at(index, more.len(), 4)?;
        set.add(element.clone())?;
    }
    Ok(Value::Null)
}

/// Takes the element that was added first; null if there is none.
fn pop(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let set = set(&args[0])?;
    let Some(first) = set.iter().next().cloned() else {
        return Ok(Value::Null);
    };
    set.remove(&first)?;
    Ok(first)
}

fn is_empty(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(set(&args[0])?.is_empty()))
}

// --- with a function: slots are the set, then its elements; the function; the result; the position; the element ---

const SLOTS: u8 = 5;

/// Goes on to the next element, or ends with the result.
fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], is_start: bool) -> Result<Step, Raise> {
    if is_start {
        slots[0] = Value::Set(set(&slots[0])?.snapshot()?);
        slots[2] = Value::Set(ctx.heap().set()?);
        slots[3] = Value::Int(0);
    }
    let elements = set(&slots[0])?;
    let Some((next, element)) = elements.value_at(position(&slots[3])) else {
        return Ok(Step::Done(take(&mut slots[2])));
    };
    let element = element.clone();
    slots[3] = Value::Int(next as i64);
    slots[4] = element.clone();
    Ok(Step::call1(&slots[1], element))
}

fn map(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let is_start = match event {
        Event::Returned(value) => {
            set(&slots[2])?.add(value)?;
            false
        }
        Event::Start => true,
        Event::Failed(raise) => return Err(raise),
    };
    next(ctx, slots, is_start)
}

fn filter(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let is_start = match event {
        Event::Returned(value) => {
            if value.truthy() {
                let element = take(&mut slots[4]);
                set(&slots[2])?.add(element)?;
            }
            false
        }
        Event::Start => true,
        Event::Failed(raise) => return Err(raise),
    };
    next(ctx, slots, is_start)
}
