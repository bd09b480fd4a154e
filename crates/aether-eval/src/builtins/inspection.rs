//! What a value is: `type`, `doc`, `len`, `copy`, `id`, weak references, and `set`.
//!
//! Source: library reference §4.1, §4.2, §4.8–§4.11.

use aether_value::{Raise, Value, copy_shallow};

use super::support::{array, wrong_type};
use super::{BuiltinDef, Range};
use crate::context::Ctx;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("type", &["value"], 1, 1, type_of),
    BuiltinDef::core("doc", &["value"], 1, 1, doc),
    BuiltinDef::core("len", &["value"], 1, 1, len),
    BuiltinDef::core("copy", &["value"], 1, 1, copy),
    BuiltinDef::core("id", &["value"], 1, 1, id),
    BuiltinDef::core("make_weak", &["value"], 1, 1, make_weak),
    BuiltinDef::core("upgrade_weak", &["weak"], 1, 1, upgrade_weak),
    BuiltinDef::core("is_weak", &["value"], 1, 1, is_weak),
    BuiltinDef::core("set", &["array"], 1, 1, set),
];

fn type_of(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match &args[0] {
        Value::Instance(instance) => Ok(Value::String(instance.definition().name().clone())),
        value @ (Value::EnumValue(_) | Value::Native(_)) => ctx.string(&value.type_name()),
        // A handful of words, kept.
        value => Ok(Value::String(ctx.heap().intern(&value.type_name())?)),
    }
}

/// What documents a function, struct, enum or module; null if nothing does.
fn doc(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = match &args[0] {
        Value::Function(closure) | Value::AsyncFunction(closure) => closure.code().doc.as_deref(),
        Value::BoundMethod(bound) => bound.closure().code().doc.as_deref(),
        Value::StructDef(definition) => {
            return Ok(definition.doc().cloned().map_or(Value::Null, Value::String));
        }
        Value::EnumDef(definition) => {
            return Ok(definition.doc().cloned().map_or(Value::Null, Value::String));
        }
        Value::Module(module) => ctx.vm.tables.module_doc(module.id()),
        _ => None,
    };
    let heap = ctx.heap();
    text.map_or(Ok(Value::Null), |text| Ok(Value::String(heap.string(text)?)))
}

fn len(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let len = match &args[0] {
        Value::String(text) => text.len_chars(),
        Value::Array(array) => array.len(),
        Value::Dict(dict) => dict.len(),
        Value::Set(set) => set.len(),
        value => {
            if let Some(range) = Range::of(value) {
                return Ok(Value::Int(i64::try_from(range.len()).unwrap_or(i64::MAX)));
            }
            // Buffers, for one.
            let length = match value {
                Value::Native(native) => native.get().member(ctx.heap(), "length")?,
                _ => None,
            };
            return length.ok_or_else(|| wrong_type("string or array", value));
        }
    };
    Ok(Value::Int(len as i64))
}

fn copy(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    copy_shallow(ctx.heap(), &args[0])
}

fn id(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Int(ctx.heap().id_of(&args[0])?))
}

fn make_weak(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match ctx.heap().weak_to(&args[0])? {
        Some(weak) => Ok(Value::Weak(weak)),
        None => Err(wrong_type("instance, array, or dict", &args[0])),
    }
}

fn upgrade_weak(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match &args[0] {
        Value::Weak(weak) => Ok(weak.upgrade().unwrap_or(Value::Null)),
        value => Err(wrong_type("weak", value)),
    }
}

fn is_weak(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(matches!(args[0], Value::Weak(_))))
}

fn set(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?.snapshot()?;
    let set = ctx.heap().set_with_room(items.len())?;
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), 1)?;
        set.add(item.clone())?;
    }
    Ok(Value::Set(set))
}
