//! Methods of dicts.

use aether_value::{BuiltinKind, Dict, Heap, IterState, Raise, Rc, Shape, Value, hashable_check};

use super::super::support::{array, position, take, wrong_type};
use super::super::{Args, BuiltinDef, Event, Step, frames, sort};
use super::equals;
use crate::context::Ctx;
use crate::vm::declared_parameters;

/// Methods of dicts.
pub(in crate::builtins) static DICT: &[BuiltinDef] = &[
    BuiltinDef::method("keys", 0, 0, keys),
    BuiltinDef::method("values", 0, 0, values),
    BuiltinDef::method("contains", 1, 1, contains),
    BuiltinDef::method("equals", 1, 1, equals),
    BuiltinDef::method("entries", 0, 0, entries),
    BuiltinDef::method("iterator", 0, 0, iterator),
    BuiltinDef::method("get", 1, 2, get),
    BuiltinDef::method("remove", 1, 1, remove),
    BuiltinDef::method("clear", 0, 0, clear),
    BuiltinDef::method("set", 2, 2, set),
    BuiltinDef::method("has", 1, 1, contains),
    BuiltinDef::method("items", 0, 0, items),
    BuiltinDef::method("merge", 0, 255, merge),
    BuiltinDef::method("update", 1, 1, update),
    BuiltinDef::method_frame("map_values", 1, 1, SLOTS, |ctx, slots, event| {
        walk(ctx, slots, event, Gives::Value, put_value)
    }),
    BuiltinDef::method_frame("map_keys", 1, 1, SLOTS, |ctx, slots, event| {
        walk(ctx, slots, event, Gives::Key, put_key)
    }),
    BuiltinDef::method_frame("filter", 1, 1, SLOTS, |ctx, slots, event| {
        walk(ctx, slots, event, Gives::Key, put_match)
    }),
    BuiltinDef::method_frame("find_key", 1, 1, SLOTS, find_key),
    BuiltinDef::method("invert", 0, 0, invert),
    BuiltinDef::method_frame("get_or_insert", 2, 2, 3, get_or_insert),
    BuiltinDef::method("pick", 1, 1, |ctx, args| chosen(ctx, args, true)).iterables(0b10),
    BuiltinDef::method("omit", 1, 1, |ctx, args| chosen(ctx, args, false)).iterables(0b10),
    BuiltinDef::method("sorted_keys", 0, 0, sorted_keys),
    BuiltinDef::method("is_empty", 0, 0, is_empty),
];

/// Members of the global `dict`.
pub(in crate::builtins) static DICT_MEMBERS: &[BuiltinDef] =
    &[BuiltinDef::core("from", &["pairs"], 1, 1, from_pairs).iterables(1)];

fn receiver(value: &Value) -> &Rc<Dict> {
    match value {
        Value::Dict(dict) => dict,
        _ => unreachable!("a method of dicts"),
    }
}

fn keys(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let dict = receiver(&args[0]);
    Ok(Value::Array(frames::keys(ctx.heap(), dict)?))
}

fn values(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let dict = receiver(&args[0]);
    let values = ctx.heap().array(dict.len())?;
    for (index, (_, value)) in dict.iter().enumerate() {
        ctx.tick_at(index, dict.len(), 4)?;
        values.push(value.clone())?;
    }
    Ok(Value::Array(values))
}

fn contains(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let [Value::Dict(dict), key, ..] = args else {
        unreachable!("a method of dicts")
    };
    Ok(Value::Bool(dict.entry(key).is_some()))
}

fn entries(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let state = IterState::DictEntries {
        dict: receiver(&args[0]).clone(),
        position: 0,
    };
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}

fn iterator(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let state = IterState::DictKeys {
        dict: receiver(&args[0]).clone(),
        position: 0,
    };
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}

/// `get(key)` or `get(key, default)`.
fn get(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let [Value::Dict(dict), key, default @ ..] = args else {
        unreachable!("a method of dicts")
    };
    if let Some(found) = dict.get_value(key) {
        return Ok(found);
    }
    hashable_check(key)?;
    Ok(default.first().cloned().unwrap_or(Value::Null))
}

fn remove(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    hashable_check(&args[1])?;
    Ok(receiver(&args[0]).remove(&args[1])?.unwrap_or(Value::Null))
}

fn clear(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    receiver(&args[0]).clear();
    Ok(Value::Null)
}

fn set(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    drop(receiver(&args[0]).insert(args[1].clone(), args[2].clone())?);
    Ok(Value::Null)
}

/// `[[key, value], …]`.
fn items(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let dict = receiver(&args[0]);
    let result = ctx.heap().array(dict.len())?;
    for (index, (key, value)) in dict.iter().enumerate() {
        ctx.tick_at(index, dict.len(), 2)?;
        let pair = ctx.heap().array_from_slice(&[key.clone(), value.clone()])?;
        result.push(Value::Array(pair))?;
    }
    Ok(Value::Array(result))
}

fn dict(value: &Value) -> Result<&Rc<Dict>, Raise> {
    match value {
        Value::Dict(dict) => Ok(dict),
        other => Err(wrong_type("dict", other)),
    }
}

/// An empty dict for about as many entries as a record has.
fn room_like(heap: &Heap, of: &Dict) -> Result<Rc<Dict>, Raise> {
    heap.dict_with_room(of.shape().map_or(0, Shape::len))
}

fn insert_all(ctx: &mut Ctx<'_>, into: &Dict, from: &Dict) -> Result<(), Raise> {
    for (index, (key, value)) in from.iter().enumerate() {
        ctx.tick_at(index, from.len(), 4)?;
        drop(into.insert(key.clone(), value.clone())?);
    }
    Ok(())
}

/// A new dict with the entries of all; later ones win, in the places of earlier ones.
fn merge(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let result = ctx.heap().dict_copy(receiver(&args[0]))?;
    for other in &args[1..] {
        insert_all(ctx, &result, dict(other)?)?;
    }
    Ok(Value::Dict(result))
}

fn update(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    insert_all(ctx, receiver(&args[0]), dict(&args[1])?)?;
    Ok(Value::Null)
}

/// The keys under their values, as keys.
fn invert(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let dict = receiver(&args[0]);
    let result = room_like(ctx.heap(), dict)?;
    for (index, (key, value)) in dict.iter().enumerate() {
        ctx.tick_at(index, dict.len(), 4)?;
        drop(result.insert(value.clone(), key.clone())?);
    }
    Ok(Value::Dict(result))
}

/// The entries whose keys are given, in the order of the dict, or all others.
fn chosen(ctx: &mut Ctx<'_>, args: &[Value], given: bool) -> Result<Value, Raise> {
    let (dict, keys) = (receiver(&args[0]), array(&args[1])?.snapshot()?);
    let named = ctx.heap().set()?;
    for (index, key) in keys.iter().enumerate() {
        ctx.tick_at(index, keys.len(), 4)?;
        named.add(key.clone())?;
    }
    let result = room_like(ctx.heap(), dict)?;
    for (index, (key, value)) in dict.iter().enumerate() {
        ctx.tick_at(index, dict.len(), 4)?;
        if named.contains(key) == given {
            drop(result.insert(key.clone(), value.clone())?);
        }
    }
    Ok(Value::Dict(result))
}

fn sorted_keys(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let keys = frames::keys(ctx.heap(), receiver(&args[0]))?;
    sort::sort_default(ctx, &keys)?;
    Ok(Value::Array(keys))
}

fn is_empty(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(receiver(&args[0]).is_empty()))
}

/// `dict.from(pairs)`: later pairs win.
fn from_pairs(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pairs = array(&args[0])?.snapshot()?;
    let result = ctx.heap().dict()?;
    for (index, pair) in pairs.iter().enumerate() {
        ctx.tick_at(index, pairs.len(), 4)?;
        let pair = array(pair)?;
        let (Some(key), Some(value), 2) = (pair.get_value(0), pair.get_value(1), pair.len()) else {
            return Err(Raise::operation(&format!(
                "dict.from() requires pairs, got an array of {}",
                pair.len()
            )));
        };
        drop(result.insert(key, value)?);
    }
    Ok(Value::Dict(result))
}

// --- with a function: slots are the dict, then its entries; the function; the result; the position; key and value ---

/// Slots of these frames.
const SLOTS: u8 = 6;
const RESULT: usize = 2;
const POSITION: usize = 3;
const KEY: usize = 4;
const VALUE: usize = 5;

/// What a function of one parameter is given.
#[derive(Clone, Copy)]
enum Gives {
    Key,
    Value,
}

/// How many of key and value a function is called with; a built-in gets both only if it needs them.
fn parameters(function: &Value) -> usize {
    match function {
        // Library functions state no least number: what is missing is null.
        Value::Builtin(builtin) if builtin.kind == BuiltinKind::Library => builtin.params.len(),
        Value::Builtin(builtin) => usize::from(builtin.min_args),
        other => declared_parameters(other),
    }
}

/// The call for the next entry: with key and value, or with one of them if the function takes one.
fn next_entry(slots: &mut [Value], gives: Gives) -> Option<Step> {
    let (next, key, value) = receiver(&slots[0]).values_at(position(&slots[POSITION]))?;
    let (key, value) = (key.clone(), value.clone());
    let args = match (parameters(&slots[1]), gives) {
        (0 | 1, Gives::Key) => Args::One(key.clone()),
        (0 | 1, Gives::Value) => Args::One(value.clone()),
        _ => Args::Two(key.clone(), value.clone()),
    };
    slots[POSITION] = Value::Int(next as i64);
    (slots[KEY], slots[VALUE]) = (key, value);
    Some(Step::Call {
        function: slots[1].clone(),
        args,
        lenient: true,
    })
}

fn begin(slots: &mut [Value]) -> Result<(), Raise> {
    slots[0] = Value::Dict(receiver(&slots[0]).snapshot()?);
    slots[POSITION] = Value::Int(0);
    Ok(())
}

/// Calls the function with each entry and has `put` add to a new dict what it gave.
fn walk(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    event: Event,
    gives: Gives,
    put: fn(&Dict, &mut [Value], Value) -> Result<(), Raise>,
) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => {
            let result = dict(&slots[RESULT])?.clone();
            put(&result, slots, value)?;
        }
        Event::Start => {
            begin(slots)?;
            let result = room_like(ctx.heap(), receiver(&slots[0]))?;
            slots[RESULT] = Value::Dict(result);
        }
        Event::Failed(raise) => return Err(raise),
    }
    Ok(next_entry(slots, gives).unwrap_or_else(|| Step::Done(take(&mut slots[RESULT]))))
}

fn put_value(result: &Dict, slots: &mut [Value], given: Value) -> Result<(), Raise> {
    result.insert(take(&mut slots[KEY]), given).map(drop)
}

fn put_key(result: &Dict, slots: &mut [Value], given: Value) -> Result<(), Raise> {
    result.insert(given, take(&mut slots[VALUE])).map(drop)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of all of its kind")]
fn put_match(result: &Dict, slots: &mut [Value], given: Value) -> Result<(), Raise> {
    if given.truthy() {
        drop(result.insert(take(&mut slots[KEY]), take(&mut slots[VALUE]))?);
    }
    Ok(())
}

/// The first key whose entry matches, or null.
fn find_key(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) if value.truthy() => return Ok(Step::Done(take(&mut slots[KEY]))),
        Event::Returned(_) => {}
        Event::Start => begin(slots)?,
        Event::Failed(raise) => return Err(raise),
    }
    Ok(next_entry(slots, Gives::Value).unwrap_or(Step::Done(Value::Null)))
}

/// The value under a key; what the function gives, kept there, if there is none. Slots: dict, key, function.
fn get_or_insert(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => {
            drop(receiver(&slots[0]).insert(slots[1].clone(), value.clone())?);
            Ok(Step::Done(value))
        }
        Event::Start => {
            if let Some(found) = receiver(&slots[0]).get_value(&slots[1]) {
                return Ok(Step::Done(found));
            }
            hashable_check(&slots[1])?;
            Ok(Step::Call {
                function: slots[2].clone(),
                args: Args::One(slots[1].clone()),
                lenient: true,
            })
        }
        Event::Failed(raise) => Err(raise),
    }
}
