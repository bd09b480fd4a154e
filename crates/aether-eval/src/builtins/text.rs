//! Operations on text that methods and library functions share.
//!
//! Invariants
//! - Everything counts characters, never bytes.
//! - Sizes are computed with checks and refused by the heap before anything is made.
//!
//! Source: language reference §11, library reference chapter 10, **string**.

use aether_value::{Array, Buffer, Charge, Heap, IterState, Raise, Rc, Str, StrBuilder, Value};

use super::support::{push_repeated, room_for};
use crate::context::Ctx;

/// Counts the work of looking for `part` in `text`, preparing for it included.
pub(super) fn tick_search(ctx: &mut Ctx<'_>, text: &Str, part: &Str) -> Result<(), Raise> {
    ctx.tick(text.len_bytes() / 16 + part.len_bytes() / 16)
}

/// The character index of the first occurrence, or -1.
pub(super) fn index_of(text: &Str, part: &Str) -> Value {
    let at = text.as_str().find(part.as_str());
    Value::Int(at.map_or(-1, |byte| text.char_index_of_byte(byte) as i64))
}

/// All non-overlapping occurrences of `old` replaced; an empty one occurs around every character.
pub(super) fn replace(ctx: &mut Ctx<'_>, text: &Rc<Str>, old: &Str, new: &Str) -> Result<Value, Raise> {
    tick_search(ctx, text, old)?;
    let count = text.as_str().matches(old.as_str()).count();
    if count == 0 {
        return Ok(Value::String(text.clone()));
    }
    ctx.tick(count)?;
    let kept = text.len_bytes() - count * old.len_bytes();
    let size = count
        .checked_mul(new.len_bytes())
        .and_then(|added| added.checked_add(kept));
    room_for(ctx.heap(), size)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), size.unwrap_or(0))?;
    let mut done = 0;
    for (at, found) in text.as_str().match_indices(old.as_str()) {
        out.push_str(&text.as_str()[done..at])?;
        out.push_str(new.as_str())?;
        done = at + found.len();
    }
    out.push_str(&text.as_str()[done..])?;
    Ok(Value::String(out.finish()?))
}

/// The pieces between separators; the characters for an empty one. For a loop that goes over them and nothing else, they
/// are made one by one.
pub(super) fn split(
    ctx: &mut Ctx<'_>,
    args: &[Value],
    text: &Rc<Str>,
    separator: &Rc<Str>,
) -> Result<Value, Raise> {
    tick_search(ctx, text, separator)?;
    if text.is_empty() {
        return Ok(Value::Array(ctx.heap().array(0)?));
    }
    if separator.is_empty() {
        return characters(ctx, text);
    }
    if let &[byte] = separator.as_str().as_bytes() {
        // One ASCII character, the common case: no searcher to set up, and counting is one pass over bytes.
        let count = text.as_str().bytes().filter(|&other| other == byte).count() + 1;
        ctx.tick(count)?;
        if ctx.feeds_loop(args) {
            return pieces(ctx.heap(), text, separator);
        }
        let heap = ctx.heap().clone();
        let pieces = heap.array(count)?;
        let mut rest = text.as_str();
        while let Some(at) = rest.bytes().position(|other| other == byte) {
            ctx.check_at(pieces.len())?;
            pieces.push(Value::String(heap.piece(&rest[..at])?))?;
            rest = &rest[at + 1..];
        }
        pieces.push(Value::String(heap.piece(rest)?))?;
        return Ok(Value::Array(pieces));
    }
    let count = text.as_str().matches(separator.as_str()).count() + 1;
    ctx.tick(count)?;
    if ctx.feeds_loop(args) {
        return pieces(ctx.heap(), text, separator);
    }
    let heap = ctx.heap().clone();
    let pieces = heap.array(count)?;
    for piece in text.as_str().split(separator.as_str()) {
        ctx.check_at(pieces.len())?;
        pieces.push(Value::String(heap.piece(piece)?))?;
    }
    Ok(Value::Array(pieces))
}

fn pieces(heap: &Heap, text: &Rc<Str>, separator: &Rc<Str>) -> Result<Value, Raise> {
    let state = IterState::Pieces {
        text: text.clone(),
        separator: separator.clone(),
        byte: 0,
    };
    Ok(Value::Iterator(heap.iterator(state)?))
}

/// The characters as an array, whose making is counted.
pub(super) fn characters(ctx: &mut Ctx<'_>, text: &Str) -> Result<Value, Raise> {
    ctx.tick(text.len_chars())?;
    Ok(Value::Array(array_of_characters(ctx.heap(), text)?))
}

/// The characters as an array.
pub(super) fn array_of_characters(heap: &Heap, text: &Str) -> Result<Rc<Array>, Raise> {
    let items = heap.array(text.len_chars())?;
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let (head, tail) = rest.split_at(first.len_utf8());
        items.push(Value::String(heap.char_string(head)?))?;
        rest = tail;
    }
    Ok(items)
}

/// The display texts of `items` with `separator` between them.
pub(super) fn join(ctx: &mut Ctx<'_>, items: &Buffer, separator: &Str) -> Result<Value, Raise> {
    ctx.tick(items.len())?;
    let mut size = separator.len_bytes().checked_mul(items.len().saturating_sub(1));
    for item in items {
        if let Value::String(text) = item {
            size = size.and_then(|size| size.checked_add(text.len_bytes()));
        }
    }
    room_for(ctx.heap(), size)?;
    let heap = ctx.heap().clone();
    let mut out = StrBuilder::with_capacity(&heap, size.unwrap_or(0))?;
    for (index, item) in items.iter().enumerate() {
        ctx.check_at(index)?;
        if index > 0 {
            out.push(separator)?;
        }
        match item {
            Value::String(text) => out.push(text)?,
            item => ctx.display(item, &mut out)?,
        }
    }
    Ok(Value::String(out.finish()?))
}

/// `text` so many times; nothing for counts below one.
pub(super) fn repeat(ctx: &mut Ctx<'_>, text: &Rc<Str>, count: i64) -> Result<Value, Raise> {
    if count <= 0 || text.is_empty() {
        return Ok(Value::String(ctx.heap().empty_string()?));
    }
    if count == 1 {
        return Ok(Value::String(text.clone()));
    }
    let size = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(text.len_bytes()));
    room_for(ctx.heap(), size)?;
    let size = size.unwrap_or(0);
    ctx.tick(size / 64)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), size)?;
    push_repeated(&mut out, text.as_str(), count as usize)?;
    Ok(Value::String(out.finish()?))
}

/// The characters in reverse order.
pub(super) fn reverse(ctx: &mut Ctx<'_>, text: &Rc<Str>) -> Result<Value, Raise> {
    /// Bytes gathered before they are handed to the builder.
    const PIECE: usize = 1024;
    if text.len_chars() < 2 {
        return Ok(Value::String(text.clone()));
    }
    ctx.tick(text.len_bytes() / 16)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), text.len_bytes())?;
    let mut piece = String::with_capacity(PIECE + 4);
    for character in text.as_str().chars().rev() {
        piece.push(character);
        if piece.len() >= PIECE {
            out.push_str(&piece)?;
            piece.clear();
        }
    }
    out.push_str(&piece)?;
    Ok(Value::String(out.finish()?))
}

/// A text that a mapping of the standard library gives for `text`, charged while it exists.
pub(super) fn mapped(ctx: &mut Ctx<'_>, text: &Str, map: fn(&str) -> String) -> Result<Value, Raise> {
    ctx.tick(text.len_bytes() / 16)?;
    let _charge = Charge::new(ctx.heap(), text.len_bytes())?;
    let mapped = map(text.as_str());
    ctx.string(&mapped)
}

/// A part of `text`, which is `text` itself if nothing was left out.
pub(super) fn part(ctx: &Ctx<'_>, text: &Rc<Str>, part: &str) -> Result<Value, Raise> {
    if part.len() == text.len_bytes() {
        Ok(Value::String(text.clone()))
    } else {
        ctx.string(part)
    }
}

/// Whole copies of `pad` that bring `text` to at least `width` characters, and how many.
pub(super) fn padding(text: &Str, width: i64, pad: &Str) -> Result<usize, Raise> {
    let width = usize::try_from(width).unwrap_or(0);
    let due = width.saturating_sub(text.len_chars());
    if due == 0 {
        return Ok(0);
    }
    if pad.is_empty() {
        return Err(Raise::operation("pad string must not be empty"));
    }
    Ok(due.div_ceil(pad.len_chars()))
}

/// `text` between copies of `pad`.
pub(super) fn padded(
    ctx: &mut Ctx<'_>,
    text: &Rc<Str>,
    pad: &Str,
    left: usize,
    right: usize,
) -> Result<Value, Raise> {
    if left + right == 0 {
        return Ok(Value::String(text.clone()));
    }
    let size = left
        .checked_add(right)
        .and_then(|copies| copies.checked_mul(pad.len_bytes()))
        .and_then(|size| size.checked_add(text.len_bytes()));
    room_for(ctx.heap(), size)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), size.unwrap_or(0))?;
    push_repeated(&mut out, pad.as_str(), left)?;
    out.push_str(text.as_str())?;
    push_repeated(&mut out, pad.as_str(), right)?;
    Ok(Value::String(out.finish()?))
}

/// At most `limit` pieces between separators, the last with all that is left; characters for an empty separator.
pub(super) fn split_at_most(
    ctx: &mut Ctx<'_>,
    text: &Rc<Str>,
    separator: &Str,
    limit: i64,
) -> Result<Value, Raise> {
    tick_search(ctx, text, separator)?;
    let limit = match usize::try_from(limit) {
        Ok(limit) if limit > 0 => limit,
        _ => return Err(Raise::operation("split limit must be positive")),
    };
    let result = ctx.heap().array(0)?;
    let mut rest = text.as_str();
    while !rest.is_empty() && result.len() + 1 < limit {
        let (head, tail) = if separator.is_empty() {
            let first = rest.chars().next().map_or(0, char::len_utf8);
            rest.split_at(first)
        } else {
            match rest.split_once(separator.as_str()) {
                Some(parts) => parts,
                None => break,
            }
        };
        result.push(Value::String(ctx.heap().piece(head)?))?;
        rest = tail;
        if rest.is_empty() && separator.is_empty() {
            return Ok(Value::Array(result));
        }
    }
    if !text.is_empty() {
        result.push(Value::String(ctx.heap().piece(rest)?))?;
    }
    Ok(Value::Array(result))
}
