//! What scripts get to know of a match, and the iterator of matches.

use std::rc::Rc as StdRc;

use aether_eval::Ctx;
use aether_value::{Raise, Raw, Rc, Shape, Str, Value};

use super::pattern::{self, Pattern};
use super::search::{Found, Match, Positions};
use crate::stream::{self, Source};

/// The keys of a match.
const KEYS: [&str; 5] = ["text", "start", "end", "groups", "named"];

/// The shape of matches, once there has been one.
#[derive(Default)]
struct MatchShape(Option<Rc<Shape>>);

/// A place in a text, in bytes and in characters, from which places behind it are counted.
#[derive(Default)]
pub(super) struct Cursor {
    bytes: usize,
    characters: usize,
}

impl Cursor {
    /// The number of the character at a byte. Places mostly come in order.
    fn character(&mut self, text: &Str, byte: usize) -> i64 {
        if text.is_ascii() {
            return byte as i64;
        }
        self.characters = match byte.checked_sub(self.bytes) {
            Some(ahead) if ahead < 256 => self.characters + text.as_str()[self.bytes..byte].chars().count(),
            _ => text.char_index_of_byte(byte),
        };
        self.bytes = byte;
        self.characters as i64
    }
}

/// A match as a dict.
pub(super) fn to_value(
    ctx: &mut Ctx<'_>,
    pattern: &Pattern,
    text: &Rc<Str>,
    found: &Match,
    cursor: &mut Cursor,
) -> Result<Value, Raise> {
    let heap = ctx.heap().clone();
    let piece =
        |start: usize, end: usize| Ok::<_, Raise>(Value::String(heap.piece(&text.as_str()[start..end])?));
    let infos = pattern.regex.group_info();
    let group = |index: usize| match found.groups.as_ref().and_then(|groups| groups.get_group(index)) {
        Some(span) => piece(span.start, span.end),
        None => Ok(Value::Null),
    };
    let count = infos.group_len(regex_automata::PatternID::ZERO);
    let groups = heap.array(count - 1)?;
    let named = heap.dict()?;
    for (index, name) in infos
        .pattern_names(regex_automata::PatternID::ZERO)
        .enumerate()
        .skip(1)
    {
        let value = group(index)?;
        if let Some(name) = name {
            named.insert(Value::String(heap.intern(name)?), value.clone())?;
        }
        groups.push(value)?;
    }
    let mut values = [
        piece(found.start, found.end)?,
        Value::Int(cursor.character(text, found.start)),
        Value::Int(cursor.character(text, found.end)),
        Value::Array(groups),
        Value::Dict(named),
    ];
    ctx.tick(2 + count)?;
    if let Some(shape) = shape(ctx)? {
        return Ok(Value::Dict(heap.record_of(&shape, &mut values)?));
    }
    let dict = heap.dict()?;
    for (key, value) in KEYS.into_iter().zip(values) {
        dict.insert(Value::String(heap.intern(key)?), value)?;
    }
    Ok(Value::Dict(dict))
}

/// The shape of matches; none if there are too many shapes.
fn shape(ctx: &mut Ctx<'_>) -> Result<Option<Rc<Shape>>, Raise> {
    if let Some(shape) = &ctx.module_state::<MatchShape>().0 {
        return Ok(Some(shape.clone()));
    }
    let heap = ctx.heap().clone();
    let mut shape: Option<Rc<Shape>> = None;
    for key in KEYS {
        let Some(next) = heap.next_shape(shape.as_deref(), &heap.intern(key)?) else {
            return Ok(None);
        };
        shape = Some(next);
    }
    ctx.module_state::<MatchShape>().0.clone_from(&shape);
    Ok(shape)
}

/// The matches of a text, one after the other.
struct Matches {
    pattern: StdRc<Pattern>,
    text: Rc<Str>,
    positions: Positions,
    cursor: Cursor,
}

/// `iter(pattern, s)`
pub(super) fn iter(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let matches = Matches {
        pattern: pattern::of(ctx, &args[0])?,
        text: super::subject(&args[1])?.clone(),
        positions: Positions::new(),
        cursor: Cursor::default(),
    };
    stream::value(ctx, matches)
}

impl Source for Matches {
    fn next(&mut self, ctx: &mut Ctx<'_>) -> Result<Option<Value>, Raise> {
        let (pattern, text) = (&self.pattern, self.text.as_str());
        let found = self.positions.next(ctx, pattern, text, Found::WithGroups)?;
        let found = found.map(|found| to_value(ctx, pattern, &self.text, &found, &mut self.cursor));
        found.transpose()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_rc(&self.text));
    }
}
