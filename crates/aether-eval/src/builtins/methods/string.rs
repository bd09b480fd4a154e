//! Methods of strings.

use aether_value::{IterState, Raise, Rc, Str, Value};

use super::super::support::{array, int, string};
use super::super::{BuiltinDef, strings, text};
use crate::context::Ctx;

/// Methods of strings.
pub(in crate::builtins) static STRING: &[BuiltinDef] = &[
    BuiltinDef::method("upper", 0, 0, upper),
    BuiltinDef::method("lower", 0, 0, lower),
    BuiltinDef::method("trim", 0, 0, trim),
    BuiltinDef::method("split", 1, 1, split),
    BuiltinDef::method("contains", 1, 1, strings::contains),
    BuiltinDef::method("index_of", 1, 1, strings::index_of),
    BuiltinDef::method("replace", 2, 2, strings::replace),
    BuiltinDef::method("iterator", 0, 0, iterator),
    BuiltinDef::method("starts_with", 1, 1, strings::starts_with),
    BuiltinDef::method("ends_with", 1, 1, strings::ends_with),
    BuiltinDef::method("repeat", 1, 1, repeat),
    BuiltinDef::method("chars", 0, 0, chars),
    BuiltinDef::method("join", 1, 1, join),
];

fn receiver(value: &Value) -> &Rc<Str> {
    match value {
        Value::String(text) => text,
        _ => unreachable!("a method of strings"),
    }
}

fn upper(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::mapped(ctx, receiver(&args[0]), str::to_uppercase)
}

fn lower(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::mapped(ctx, receiver(&args[0]), str::to_lowercase)
}

fn trim(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let subject = receiver(&args[0]);
    let trimmed = subject.as_str().trim();
    ctx.tick((subject.len_bytes() - trimmed.len()) / 16)?;
    text::part(ctx, subject, trimmed)
}

fn split(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::split(ctx, args, receiver(&args[0]), string(&args[1])?)
}

fn iterator(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let state = IterState::Chars {
        string: receiver(&args[0]).clone(),
        byte: 0,
    };
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}

fn repeat(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::repeat(ctx, receiver(&args[0]), int(&args[1])?)
}

fn chars(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::characters(ctx, receiver(&args[0]))
}

/// `separator.join(array)`.
fn join(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[1])?.snapshot();
    text::join(ctx, &items, receiver(&args[0]))
}
