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
use crate::pieces::{PIECE, text_pieces};

/// Whether `part` occurs in `text`.
pub(super) fn contains(ctx: &mut Ctx<'_>, text: &Str, part: &Str) -> Result<bool, Raise> {
    Ok(ctx.find_text(text.as_str(), part.as_str(), 0)?.is_some())
}

/// The character index of what starts at a byte, or -1 for nothing.
///
/// # Errors
/// A limit has been reached, or the run was interrupted.
pub(super) fn char_index(text: &Str, byte: Option<usize>) -> Result<Value, Raise> {
    let Some(byte) = byte else {
        return Ok(Value::Int(-1));
    };
    text.prepare_index()?;
    Ok(Value::Int(text.char_index_of_byte(byte) as i64))
}

/// How often `part`, which is not empty, occurs in `text`.
pub(super) fn count(ctx: &mut Ctx<'_>, text: &str, part: &str) -> Result<usize, Raise> {
    let mut count = 0;
    ctx.each_occurrence(text, part, |_, _| {
        count += 1;
        Ok(true)
    })?;
    Ok(count)
}

/// All non-overlapping occurrences of `old` replaced; an empty one occurs around every character.
pub(super) fn replace(ctx: &mut Ctx<'_>, text: &Rc<Str>, old: &Str, new: &Str) -> Result<Value, Raise> {
    if old.is_empty() {
        return spread_between(ctx, text, new);
    }
    let count = count(ctx, text.as_str(), old.as_str())?;
    if count == 0 {
        return Ok(Value::String(text.clone()));
    }
    let kept = text.len_bytes() - count * old.len_bytes();
    let size = count
        .checked_mul(new.len_bytes())
        .and_then(|added| added.checked_add(kept));
    room_for(ctx.heap(), size)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), size.unwrap_or(0))?;
    let (mut done, mut found) = (0, 0);
    ctx.each_occurrence(text.as_str(), old.as_str(), |ctx, at| {
        ctx.tick_at(found, count, 1)?;
        out.push_str(&text.as_str()[done..at])?;
        out.push_str(new.as_str())?;
        done = at + old.len_bytes();
        found += 1;
        Ok(true)
    })?;
    push_long(ctx, &mut out, &text.as_str()[done..])?;
    Ok(Value::String(out.finish()?))
}

/// A text with another one before each of its characters and at its end.
fn spread_between(ctx: &mut Ctx<'_>, text: &Str, new: &Str) -> Result<Value, Raise> {
    let count = text.len_chars() + 1;
    let size = count
        .checked_mul(new.len_bytes())
        .and_then(|added| added.checked_add(text.len_bytes()));
    room_for(ctx.heap(), size)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), size.unwrap_or(0))?;
    for (index, character) in text.as_str().chars().enumerate() {
        ctx.tick_at(index, count, 1)?;
        out.push_str(new.as_str())?;
        out.push_char(character)?;
    }
    out.push_str(new.as_str())?;
    Ok(Value::String(out.finish()?))
}

/// Adds a text that may be long to one in the making.
pub(super) fn push_long(ctx: &mut Ctx<'_>, out: &mut StrBuilder, text: &str) -> Result<(), Raise> {
    if text.len() <= PIECE {
        return out.push_str(text);
    }
    for piece in text_pieces(text) {
        ctx.tick(piece.len() / 64)?;
        out.push_str(piece)?;
    }
    Ok(())
}

/// The pieces between separators; the characters for an empty one. For a loop that goes over them and nothing else, they
/// are made one by one.
pub(super) fn split(
    ctx: &mut Ctx<'_>,
    args: &[Value],
    text: &Rc<Str>,
    separator: &Rc<Str>,
) -> Result<Value, Raise> {
    if text.is_empty() {
        return Ok(Value::Array(ctx.heap().array(0)?));
    }
    if separator.is_empty() {
        return characters(ctx, text);
    }
    if ctx.feeds_loop(args) {
        return pieces(ctx.heap(), text, separator);
    }
    let (whole, separator) = (text.as_str(), separator.as_str());
    let count = count(ctx, whole, separator)? + 1;
    let heap = ctx.heap().clone();
    let pieces = heap.array(count)?;
    let mut begun = 0;
    ctx.each_occurrence(whole, separator, |ctx, at| {
        ctx.tick_at(pieces.len(), count, 1)?;
        pieces.push(Value::String(heap.piece(&whole[begun..at])?))?;
        begun = at + separator.len();
        Ok(true)
    })?;
    pieces.push(Value::String(heap.piece(&whole[begun..])?))?;
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
    let heap = ctx.heap().clone();
    let count = text.len_chars();
    let items = array_of_characters(&heap, text, |index| ctx.tick_at(index, count, 1))?;
    Ok(Value::Array(items))
}

/// The characters as an array; `tick` counts the work of each.
pub(super) fn array_of_characters(
    heap: &Heap,
    text: &Str,
    mut tick: impl FnMut(usize) -> Result<(), Raise>,
) -> Result<Rc<Array>, Raise> {
    let items = heap.array(text.len_chars())?;
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        tick(items.len())?;
        let (head, tail) = rest.split_at(first.len_utf8());
        items.push(Value::String(heap.char_string(head)?))?;
        rest = tail;
    }
    Ok(items)
}

/// The display texts of `items` with `separator` between them.
pub(super) fn join(ctx: &mut Ctx<'_>, items: &Buffer, separator: &Str) -> Result<Value, Raise> {
    let mut size = separator.len_bytes().checked_mul(items.len().saturating_sub(1));
    for (index, item) in items.iter().enumerate() {
        ctx.check_at(index)?;
        if let Value::String(text) = item {
            size = size.and_then(|size| size.checked_add(text.len_bytes()));
        }
    }
    room_for(ctx.heap(), size)?;
    let heap = ctx.heap().clone();
    let mut out = StrBuilder::with_capacity(&heap, size.unwrap_or(0))?;
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), 1)?;
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
    let mut out = StrBuilder::with_capacity(ctx.heap(), size)?;
    push_repeated(&mut out, text.as_str(), count as usize)?;
    Ok(Value::String(out.finish()?))
}

/// The characters in reverse order.
pub(super) fn reverse(ctx: &mut Ctx<'_>, text: &Rc<Str>) -> Result<Value, Raise> {
    /// Bytes gathered before they are handed to the builder.
    const GATHERED: usize = 1024;
    if text.len_chars() < 2 {
        return Ok(Value::String(text.clone()));
    }
    let mut out = StrBuilder::with_capacity(ctx.heap(), text.len_bytes())?;
    let mut piece = String::with_capacity(GATHERED + 4);
    for character in text.as_str().chars().rev() {
        piece.push(character);
        if piece.len() >= GATHERED {
            ctx.tick(piece.len() / 16)?;
            out.push_str(&piece)?;
            piece.clear();
        }
    }
    out.push_str(&piece)?;
    Ok(Value::String(out.finish()?))
}

/// A text that a mapping gives for `text`, charged while it exists. What the mapping gives for a piece of a long text may
/// depend on the pieces before it only through what it keeps, and not on those behind it.
pub(super) fn mapped(ctx: &mut Ctx<'_>, text: &Str, map: impl FnMut(&str) -> String) -> Result<Value, Raise> {
    mapped_pieces(ctx, text, text_pieces(text.as_str()), map)
}

fn mapped_pieces<'t>(
    ctx: &mut Ctx<'_>,
    text: &Str,
    pieces: impl Iterator<Item = &'t str>,
    mut map: impl FnMut(&str) -> String,
) -> Result<Value, Raise> {
    if text.len_bytes() <= PIECE {
        ctx.tick(text.len_bytes() / 16)?;
        let _charge = Charge::new(ctx.heap(), text.len_bytes())?;
        let mapped = map(text.as_str());
        return ctx.string(&mapped);
    }
    let mut out = StrBuilder::with_capacity(ctx.heap(), text.len_bytes())?;
    for piece in pieces {
        ctx.tick(piece.len() / 16)?;
        let _charge = Charge::new(ctx.heap(), piece.len())?;
        out.push_str(&map(piece))?;
    }
    Ok(Value::String(out.finish()?))
}

/// The text in lower case. A capital sigma at the end of a word has a form of its own, so pieces of a text are cut
/// where neither side tells about the other.
pub(super) fn lower(ctx: &mut Ctx<'_>, text: &Str) -> Result<Value, Raise> {
    mapped_pieces(ctx, text, case_pieces(text.as_str()), str::to_lowercase)
}

/// The text with its first character in upper case and the others in lower case.
pub(super) fn capitalized(ctx: &mut Ctx<'_>, text: &Str) -> Result<Value, Raise> {
    let mut is_first = true;
    mapped_pieces(ctx, text, case_pieces(text.as_str()), |piece| {
        let mut characters = piece.chars();
        match characters.next().filter(|_| std::mem::take(&mut is_first)) {
            Some(first) => first.to_uppercase().collect::<String>() + &characters.as_str().to_lowercase(),
            None => piece.to_lowercase(),
        }
    })
}

const SIGMA: char = 'Σ';

/// Whether the case of what is on one side of a character does not depend on the other side: every mapping that looks
/// at the characters around a sigma stops here.
fn separates(character: char) -> bool {
    if character == SIGMA {
        return false;
    }
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character.is_ascii_whitespace();
    }
    // A sigma behind a letter is a final one; behind what is passed over, as if there were nothing, it is not.
    let mut pair = String::from(character);
    pair.push(SIGMA);
    pair.to_lowercase().ends_with('ς')
}

/// The pieces of a text whose lower case is that of the whole. One without a place to cut is as long as it is.
fn case_pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        if rest.len() > PIECE {
            let begun = rest.ceil_char_boundary(PIECE);
            let mut before = rest[..begun].chars().next_back();
            for (at, character) in rest[begun..].char_indices() {
                if separates(character) && before.is_some_and(separates) {
                    end = begun + at;
                    break;
                }
                before = Some(character);
            }
        }
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
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
    push_long(ctx, &mut out, text.as_str())?;
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
    let limit = match usize::try_from(limit) {
        Ok(limit) if limit > 0 => limit,
        _ => return Err(Raise::operation("split limit must be positive")),
    };
    let result = ctx.heap().array(0)?;
    let (whole, separator) = (text.as_str(), separator.as_str());
    let mut begun = 0;
    if separator.is_empty() {
        while begun < whole.len() && result.len() + 1 < limit {
            ctx.tick(1)?;
            let first = whole[begun..].chars().next().map_or(0, char::len_utf8);
            let character = &whole[begun..begun + first];
            result.push(Value::String(ctx.heap().char_string(character)?))?;
            begun += first;
        }
        if begun == whole.len() {
            return Ok(Value::Array(result));
        }
    } else if limit > 1 {
        ctx.each_occurrence(whole, separator, |ctx, at| {
            ctx.tick(1)?;
            result.push(Value::String(ctx.heap().piece(&whole[begun..at])?))?;
            begun = at + separator.len();
            Ok(result.len() + 1 < limit)
        })?;
    }
    if !whole.is_empty() {
        result.push(Value::String(ctx.heap().piece(&whole[begun..])?))?;
    }
    Ok(Value::Array(result))
}
