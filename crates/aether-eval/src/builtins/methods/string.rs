//! Methods of strings.

use aether_value::{IterState, Raise, Rc, Str, StrBuilder, Value};
use std::cmp::Ordering;
use unicode_normalization::UnicodeNormalization as _;

use super::super::support::{array, int, string};
use super::super::{BuiltinDef, conversion, strings, text};
use crate::context::Ctx;
use crate::pieces::{PIECE, PIECE_ITEMS, text_pieces};

/// Methods of strings.
pub(in crate::builtins) static STRING: &[BuiltinDef] = &[
    BuiltinDef::method("upper", 0, 0, upper),
    BuiltinDef::method("lower", 0, 0, lower),
    BuiltinDef::method("trim", 0, 0, trim),
    BuiltinDef::method("split", 1, 2, split),
    BuiltinDef::method("contains", 1, 1, strings::contains),
    BuiltinDef::method("index_of", 1, 1, strings::index_of),
    BuiltinDef::method("replace", 2, 2, strings::replace),
    BuiltinDef::method("iterator", 0, 0, iterator),
    BuiltinDef::method("starts_with", 1, 1, strings::starts_with),
    BuiltinDef::method("ends_with", 1, 1, strings::ends_with),
    BuiltinDef::method("repeat", 1, 1, repeat),
    BuiltinDef::method("chars", 0, 0, chars),
    BuiltinDef::method("join", 1, 1, join),
    BuiltinDef::method("byte_len", 0, 0, byte_len),
    BuiltinDef::method("bytes", 0, 0, bytes),
    BuiltinDef::method("lines", 0, 0, lines),
    BuiltinDef::method("code", 1, 1, code),
    BuiltinDef::method("find", 1, 2, find),
    BuiltinDef::method("rfind", 1, 1, rfind),
    BuiltinDef::method("count", 1, 1, strings::count),
    BuiltinDef::method("replace_all", 2, 2, strings::replace),
    BuiltinDef::method("replace_first", 2, 2, replace_first),
    BuiltinDef::method("split_iter", 1, 1, split_iter),
    BuiltinDef::method("split_whitespace", 0, 0, split_whitespace),
    BuiltinDef::method("pad_left", 1, 2, |ctx, args| pad(ctx, args, Side::Left)),
    BuiltinDef::method("pad_right", 1, 2, |ctx, args| pad(ctx, args, Side::Right)),
    BuiltinDef::method("pad_center", 1, 2, |ctx, args| pad(ctx, args, Side::Both)),
    BuiltinDef::method("reverse", 0, 0, reverse),
    BuiltinDef::method("trim_start", 0, 0, |ctx, args| {
        let start = Ends { end: false, ..BOTH };
        trimmed(ctx, receiver(&args[0]), start, 1, char::is_whitespace)
    }),
    BuiltinDef::method("trim_end", 0, 0, |ctx, args| {
        let end = Ends { start: false, ..BOTH };
        trimmed(ctx, receiver(&args[0]), end, 1, char::is_whitespace)
    }),
    BuiltinDef::method("trim_chars", 1, 1, trim_chars),
    BuiltinDef::method("capitalize", 0, 0, |ctx, args| {
        text::capitalized(ctx, receiver(&args[0]))
    }),
    BuiltinDef::method("title", 0, 0, |ctx, args| {
        let mut in_word = false;
        text::mapped(ctx, receiver(&args[0]), |piece| titled(piece, &mut in_word))
    }),
    BuiltinDef::method("is_empty", 0, 0, is_empty),
    BuiltinDef::method("is_digit", 0, 0, strings::is_digit),
    BuiltinDef::method("is_alpha", 0, 0, strings::is_alpha),
    BuiltinDef::method("is_space", 0, 0, strings::is_space),
    BuiltinDef::method("to_int", 0, 1, |ctx, args| converted(ctx, args, conversion::int)),
    BuiltinDef::method("to_float", 0, 1, |ctx, args| {
        converted(ctx, args, conversion::float)
    }),
    BuiltinDef::method("before", 1, 1, before),
    BuiltinDef::method("after", 1, 1, after),
    BuiltinDef::method("partition", 1, 1, partition),
    BuiltinDef::method("normalize", 0, 1, normalize),
    BuiltinDef::method("compare", 1, 1, compare),
    BuiltinDef::method("eq_ignore_case", 1, 1, eq_ignore_case),
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
    text::lower(ctx, receiver(&args[0]))
}

fn trim(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    trimmed(ctx, receiver(&args[0]), BOTH, 1, char::is_whitespace)
}

/// The ends of a text that something is taken off.
#[derive(Clone, Copy)]
struct Ends {
    start: bool,
    end: bool,
}

const BOTH: Ends = Ends {
    start: true,
    end: true,
};

/// What is left of a text without what `is_cut` holds for at its ends; looking at a byte takes `weight` times as long as
/// for blanks.
fn trimmed(
    ctx: &mut Ctx<'_>,
    subject: &Rc<Str>,
    ends: Ends,
    weight: usize,
    is_cut: impl Fn(char) -> bool,
) -> Result<Value, Raise> {
    let piece = (PIECE / weight).max(64);
    let mut rest = subject.as_str();
    let mut more = ends.start;
    while more && !rest.is_empty() {
        let head = &rest[..rest.ceil_char_boundary(piece)];
        let kept = head.trim_start_matches(&is_cut).len();
        let cut = head.len() - kept;
        ctx.tick(cut.saturating_mul(weight) / 16)?;
        rest = &rest[cut..];
        more = kept == 0;
    }
    more = ends.end;
    while more && !rest.is_empty() {
        let begun = rest.floor_char_boundary(rest.len().saturating_sub(piece));
        let kept = rest[begun..].trim_end_matches(&is_cut).len();
        ctx.tick((rest.len() - begun - kept).saturating_mul(weight) / 16)?;
        rest = &rest[..begun + kept];
        more = kept == 0;
    }
    text::part(ctx, subject, rest)
}

fn split(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if args.len() > 2 {
        return split_limited(ctx, args);
    }
    text::split(ctx, args, receiver(&args[0]), string(&args[1])?)
}

#[cold]
#[inline(never)]
fn split_limited(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, separator) = (receiver(&args[0]), string(&args[1])?);
    let limit = if args[2].is_null() {
        i64::MAX
    } else {
        int(&args[2])?
    };
    text::split_at_most(ctx, subject, separator, limit)
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
    let items = array(&args[1])?.snapshot()?;
    text::join(ctx, &items, receiver(&args[0]))
}

fn byte_len(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Int(receiver(&args[0]).len_bytes() as i64))
}

fn bytes(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let subject = receiver(&args[0]);
    Ok(Value::Array(ctx.array_of_bytes(subject.as_str().as_bytes())?))
}

/// The lines without their ends, `\n` or `\r\n`; a last one that is empty is none.
fn lines(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let whole = receiver(&args[0]).as_str();
    let lines = ctx.heap().array(0)?;
    let mut begun = 0;
    ctx.each_occurrence(whole, "\n", |ctx, at| {
        let line = &whole[begun..at];
        let line = line.strip_suffix('\r').unwrap_or(line);
        lines.push(Value::String(ctx.heap().piece(line)?))?;
        begun = at + 1;
        Ok(true)
    })?;
    if begun < whole.len() {
        lines.push(Value::String(ctx.heap().piece(&whole[begun..])?))?;
    }
    Ok(Value::Array(lines))
}

fn split_whitespace(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let whole = receiver(&args[0]).as_str();
    let words = ctx.heap().array(0)?;
    // Where the word that has begun does so.
    let mut word = None;
    let mut passed = 0;
    for piece in text_pieces(whole) {
        ctx.tick(piece.len() / 16)?;
        for (at, character) in piece.char_indices() {
            let at = passed + at;
            match (word, character.is_whitespace()) {
                (None, false) => word = Some(at),
                (Some(begun), true) => {
                    words.push(Value::String(ctx.heap().piece(&whole[begun..at])?))?;
                    word = None;
                }
                (None, true) | (Some(_), false) => {}
            }
        }
        passed += piece.len();
    }
    if let Some(begun) = word {
        words.push(Value::String(ctx.heap().piece(&whole[begun..])?))?;
    }
    Ok(Value::Array(words))
}

fn split_iter(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, separator) = (receiver(&args[0]), string(&args[1])?);
    let state = if separator.is_empty() || subject.is_empty() {
        IterState::Chars {
            string: subject.clone(),
            byte: 0,
        }
    } else {
        IterState::Pieces {
            text: subject.clone(),
            separator: separator.clone(),
            byte: 0,
        }
    };
    Ok(Value::Iterator(ctx.heap().iterator(state)?))
}

/// The code point of a character.
fn code(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, at) = (receiver(&args[0]), int(&args[1])?);
    let character = usize::try_from(at)
        .ok()
        .and_then(|at| subject.char_at(ctx.heap(), at))
        .ok_or_else(|| Raise::index_out_of_bounds(at, subject.len_chars()))??;
    let code = character.as_str().chars().next().map_or(0, u32::from);
    Ok(Value::Int(i64::from(code)))
}

/// The character index of the first occurrence at or behind `from`, or -1.
fn find(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, part) = (receiver(&args[0]), string(&args[1])?);
    let from = match args.get(2) {
        None | Some(Value::Null) => 0,
        Some(from) => usize::try_from(int(from)?).unwrap_or(0),
    };
    if from > subject.len_chars() {
        return Ok(Value::Int(-1));
    }
    subject.prepare_index()?;
    let found = ctx.find_text(subject.as_str(), part.as_str(), subject.byte_offset(from))?;
    text::char_index(subject, found)
}

fn rfind(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, part) = (receiver(&args[0]), string(&args[1])?);
    let found = ctx.find_text_backwards(subject.as_str(), part.as_str())?;
    text::char_index(subject, found)
}

fn replace_first(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, old, new) = (receiver(&args[0]), string(&args[1])?, string(&args[2])?);
    let whole = subject.as_str();
    let Some(at) = ctx.find_text(whole, old.as_str(), 0)? else {
        return Ok(Value::String(subject.clone()));
    };
    let mut out = StrBuilder::with_capacity(ctx.heap(), whole.len() - old.len_bytes() + new.len_bytes())?;
    text::push_long(ctx, &mut out, &whole[..at])?;
    out.push_str(new.as_str())?;
    text::push_long(ctx, &mut out, &whole[at + old.len_bytes()..])?;
    Ok(Value::String(out.finish()?))
}

/// Where padding goes.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Both,
}

/// Brings a text to a width with single characters or whole copies of a longer pad.
fn pad(ctx: &mut Ctx<'_>, args: &[Value], side: Side) -> Result<Value, Raise> {
    let (subject, width) = (receiver(&args[0]), int(&args[1])?);
    let blank;
    let pad = match args.get(2) {
        None | Some(Value::Null) => {
            blank = ctx.heap().intern(" ")?;
            &blank
        }
        Some(pad) => string(pad)?,
    };
    let copies = text::padding(subject, width, pad)?;
    let left = match side {
        Side::Left => copies,
        Side::Right => 0,
        Side::Both => copies / 2,
    };
    text::padded(ctx, subject, pad, left, copies - left)
}

fn reverse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    text::reverse(ctx, receiver(&args[0]))
}

/// Takes characters of a set off both ends.
fn trim_chars(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, set) = (receiver(&args[0]), string(&args[1])?);
    ctx.tick(set.len_bytes() / 16)?;
    let set: Vec<char> = set.as_str().chars().collect();
    // A character is compared with all of the set.
    trimmed(ctx, subject, BOTH, set.len().max(1), |character| {
        set.contains(&character)
    })
}

/// Every word with its first letter in upper case and the others in lower case; an apostrophe ends no word. Whether the
/// text begins within one, and whether it ends so, is in `in_word`.
fn titled(text: &str, in_word: &mut bool) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if *in_word {
            result.extend(character.to_lowercase());
        } else {
            result.extend(character.to_uppercase());
        }
        *in_word = character.is_alphanumeric() || *in_word && matches!(character, '\'' | '\u{2019}');
    }
    result
}

fn is_empty(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(receiver(&args[0]).is_empty()))
}

/// What a conversion makes of the text; a given default if it is none.
fn converted(
    ctx: &mut Ctx<'_>,
    args: &[Value],
    convert: fn(&mut Ctx<'_>, &[Value]) -> Result<Value, Raise>,
) -> Result<Value, Raise> {
    match (convert(ctx, &args[..1]), args.get(1)) {
        (Err(raise), Some(default)) if raise.kind() == aether_value::ErrorKind::Conversion => {
            Ok(default.clone())
        }
        (result, _) => result,
    }
}

/// A text around the first occurrence of a part: what is before it and behind it.
fn around<'t>(ctx: &mut Ctx<'_>, subject: &'t Str, part: &Str) -> Result<Option<(&'t str, &'t str)>, Raise> {
    let found = ctx.find_text(subject.as_str(), part.as_str(), 0)?;
    Ok(found.map(|at| {
        let (head, tail) = subject.as_str().split_at(at);
        (head, &tail[part.len_bytes()..])
    }))
}

/// What is before the first occurrence; all if there is none.
fn before(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let subject = receiver(&args[0]);
    let found = around(ctx, subject, string(&args[1])?)?;
    text::part(ctx, subject, found.map_or(subject.as_str(), |(head, _)| head))
}

/// What is behind the first occurrence; nothing if there is none.
fn after(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let subject = receiver(&args[0]);
    let found = around(ctx, subject, string(&args[1])?)?;
    text::part(ctx, subject, found.map_or("", |(_, tail)| tail))
}

/// `[head, separator, tail]`, or `[text, "", ""]`.
fn partition(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (subject, part) = (receiver(&args[0]), string(&args[1])?);
    let (head, separator, tail) = match around(ctx, subject, part)? {
        Some((head, tail)) => (head, part.as_str(), tail),
        None => (subject.as_str(), "", ""),
    };
    let parts = [ctx.string(head)?, ctx.string(separator)?, ctx.string(tail)?];
    Ok(Value::Array(ctx.heap().array_from_slice(&parts)?))
}

/// The text in a Unicode normal form, NFC unless another is named.
fn normalize(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let subject = receiver(&args[0]);
    let form = match args.get(1) {
        None | Some(Value::Null) => "NFC",
        Some(form) => string(form)?.as_str(),
    };
    let form: fn(&str) -> Box<dyn Iterator<Item = char> + '_> = match form {
        "NFC" => |text| Box::new(text.nfc()),
        "NFD" => |text| Box::new(text.nfd()),
        "NFKC" => |text| Box::new(text.nfkc()),
        "NFKD" => |text| Box::new(text.nfkd()),
        other => {
            return Err(Raise::operation(&format!(
                "normalize() form must be NFC, NFD, NFKC or NFKD, got {other}"
            )));
        }
    };
    if subject.is_ascii() {
        return Ok(Value::String(subject.clone()));
    }
    let mut out = StrBuilder::with_capacity(ctx.heap(), subject.len_bytes())?;
    for (index, character) in form(subject.as_str()).enumerate() {
        if index.is_multiple_of(PIECE_ITEMS) {
            ctx.tick(PIECE_ITEMS.min(subject.len_bytes()) / 16)?;
        }
        out.push_char(character)?;
    }
    Ok(Value::String(out.finish()?))
}

/// -1, 0 or 1 as the text comes before, is, or comes behind the other.
fn compare(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let order = receiver(&args[0]).try_order(string(&args[1])?)?;
    Ok(Value::Int(match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}

fn eq_ignore_case(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (receiver(&args[0]), string(&args[1])?);
    let most = left.len_bytes().min(right.len_bytes());
    let mut left = left.as_str().chars().flat_map(char::to_lowercase);
    let mut right = right.as_str().chars().flat_map(char::to_lowercase);
    for index in 0.. {
        if index % PIECE_ITEMS == 0 {
            ctx.tick(PIECE_ITEMS.min(most) / 16)?;
        }
        match (left.next(), right.next()) {
            (None, None) => break,
            (left, right) if left == right => {}
            _ => return Ok(Value::Bool(false)),
        }
    }
    Ok(Value::Bool(true))
}
