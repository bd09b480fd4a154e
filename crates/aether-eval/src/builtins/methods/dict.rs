//! Methods of dicts.

use aether_value::{Dict, IterState, Raise, Rc, Value, hashable_check};

use super::super::{BuiltinDef, frames};
use super::equals;
use crate::context::Ctx;

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
];

fn receiver(value: &Value) -> &Rc<Dict> {
    match value {
        Value::Dict(dict) => dict,
        _ => unreachable!("a method of dicts"),
    }
}

fn keys(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let table = receiver(&args[0]).snapshot();
    ctx.tick(table.len() / 4)?;
    Ok(Value::Array(frames::keys(ctx.heap(), &table)?))
}

fn values(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let table = receiver(&args[0]).snapshot();
    ctx.tick(table.len() / 4)?;
    let values = ctx.heap().array(table.len())?;
    for (_, value) in table.iter() {
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
