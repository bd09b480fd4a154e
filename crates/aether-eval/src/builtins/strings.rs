//! The embedded module `string`.
//!
//! Source: library reference chapter 10, **string**.

use aether_value::{Raise, Value, WORK_BYTES};

use super::support::{array, int, string};
use super::{BuiltinDef, text};
use crate::context::Ctx;
use crate::pieces::PIECE;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::library("join", &["array", "separator"], join).iterables(1),
    BuiltinDef::library("repeat", &["string", "n"], repeat),
    BuiltinDef::library("reverse", &["string"], reverse),
    BuiltinDef::library("starts_with", &["string", "prefix"], starts_with),
    BuiltinDef::library("ends_with", &["string", "suffix"], ends_with),
    BuiltinDef::library("contains", &["string", "substring"], contains),
    BuiltinDef::library("index_of", &["string", "substring"], index_of),
    BuiltinDef::library("replace", &["string", "old", "new"], replace),
    BuiltinDef::library("count", &["string", "substring"], count),
    BuiltinDef::library("pad_left", &["string", "width", "char"], |ctx, args| {
        pad(ctx, args, true)
    }),
    BuiltinDef::library("pad_right", &["string", "width", "char"], |ctx, args| {
        pad(ctx, args, false)
    }),
    BuiltinDef::library("strip_prefix", &["string", "prefix"], strip_prefix),
    BuiltinDef::library("strip_suffix", &["string", "suffix"], strip_suffix),
    BuiltinDef::library("is_alpha", &["string"], is_alpha),
    BuiltinDef::library("is_digit", &["string"], is_digit),
    BuiltinDef::library("is_space", &["string"], is_space),
];

fn join(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = array(&args[0])?.snapshot()?;
    text::join(ctx, &items, string(&args[1])?)
}

fn repeat(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::repeat(ctx, string(&args[0])?, int(&args[1])?)
}

fn reverse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::reverse(ctx, string(&args[0])?)
}

pub(super) fn starts_with(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (text, part) = (string(&args[0])?, string(&args[1])?);
    ctx.tick(part.len_bytes() / WORK_BYTES)?;
    Ok(Value::Bool(text.as_str().starts_with(part.as_str())))
}

pub(super) fn ends_with(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (text, part) = (string(&args[0])?, string(&args[1])?);
    ctx.tick(part.len_bytes() / WORK_BYTES)?;
    Ok(Value::Bool(text.as_str().ends_with(part.as_str())))
}

pub(super) fn contains(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (text, part) = (string(&args[0])?, string(&args[1])?);
    text::contains(ctx, text, part).map(Value::Bool)
}

pub(super) fn index_of(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (text, part) = (string(&args[0])?, string(&args[1])?);
    let found = ctx.find_text(text.as_str(), part.as_str(), 0)?;
    text::char_index(text, found)
}

pub(super) fn replace(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, old, new) = (string(&args[0])?, string(&args[1])?, string(&args[2])?);
    text::replace(ctx, subject, old, new)
}

pub(super) fn count(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (text, part) = (string(&args[0])?, string(&args[1])?);
    let count = if part.is_empty() {
        0
    } else {
        text::count(ctx, text.as_str(), part.as_str())?
    };
    Ok(Value::Int(count as i64))
}

fn pad(ctx: &mut Ctx<'_>, args: &[Value], left: bool) -> Result<Value, Raise> {
    let (subject, width, pad) = (string(&args[0])?, int(&args[1])?, string(&args[2])?);
    let copies = text::padding(subject, width, pad)?;
    let (head, tail) = if left { (copies, 0) } else { (0, copies) };
    text::padded(ctx, subject, pad, head, tail)
}

fn strip_prefix(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, prefix) = (string(&args[0])?, string(&args[1])?);
    ctx.tick(prefix.len_bytes() / WORK_BYTES)?;
    let whole = subject.as_str();
    text::part(ctx, subject, whole.strip_prefix(prefix.as_str()).unwrap_or(whole))
}

fn strip_suffix(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, suffix) = (string(&args[0])?, string(&args[1])?);
    ctx.tick(suffix.len_bytes() / WORK_BYTES)?;
    let whole = subject.as_str();
    text::part(ctx, subject, whole.strip_suffix(suffix.as_str()).unwrap_or(whole))
}

/// Whether there are characters and every one is of a class within ASCII.
fn every(ctx: &mut Ctx<'_>, value: &Value, class: fn(u8) -> bool) -> Result<Value, Raise> {
    let text = string(value)?;
    let bytes = text.as_str().as_bytes();
    for piece in bytes.chunks(PIECE) {
        ctx.tick(piece.len() / 16)?;
        if !piece.iter().all(|&byte| class(byte)) {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(!bytes.is_empty()))
}

pub(super) fn is_alpha(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    every(ctx, &args[0], |byte| byte.is_ascii_alphabetic())
}

pub(super) fn is_digit(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    every(ctx, &args[0], |byte| byte.is_ascii_digit())
}

pub(super) fn is_space(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    every(ctx, &args[0], |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}
