//! What scripts get to know of a match, and the iterator of matches.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc as StdRc;

use aether_eval::{BuiltinDef, Ctx};
use aether_value::{Builtin, Native, Raise, Raw, Rc, Shape, Str, StrBuilder, Value};

use super::pattern::{self, Pattern};
use super::search::{Found, Match, Positions};

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

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("has_next", 0, 0, has_next),
    BuiltinDef::method("next", 0, 0, next),
];

/// An iterator of matches.
struct Matches {
    pattern: StdRc<Pattern>,
    text: Rc<Str>,
    state: RefCell<State>,
}

struct State {
    positions: Positions,
    /// What comes next, if it has been asked for.
    ahead: Option<Match>,
    cursor: Cursor,
}

/// `iter(pattern, s)`
pub(super) fn iter(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let matches = Matches {
        pattern: pattern::of(ctx, &args[0])?,
        text: super::subject(&args[1])?.clone(),
        state: RefCell::new(State {
            positions: Positions::new(),
            ahead: None,
            cursor: Cursor::default(),
        }),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(matches))?))
}

/// The receiver of a method.
fn receiver(args: &[Value]) -> &Matches {
    match &args[0] {
        Value::Native(native) => match native.downcast::<Matches>() {
            Some(matches) => matches,
            None => unreachable!("a method of matches"),
        },
        _ => unreachable!("a method of matches"),
    }
}

impl Matches {
    /// Searches for the next match, unless it is known; whether there is one.
    fn look_ahead(&self, ctx: &mut Ctx<'_>, state: &mut State) -> Result<bool, Raise> {
        if state.ahead.is_none() {
            let (positions, text) = (&mut state.positions, self.text.as_str());
            state.ahead = positions.next(ctx, &self.pattern, text, Found::WithGroups)?;
        }
        Ok(state.ahead.is_some())
    }
}

fn has_next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let matches = receiver(args);
    let mut state = matches.state.borrow_mut();
    Ok(Value::Bool(matches.look_ahead(ctx, &mut state)?))
}

fn next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let matches = receiver(args);
    let mut state = matches.state.borrow_mut();
    matches.look_ahead(ctx, &mut state)?;
    match state.ahead.take() {
        Some(found) => to_value(ctx, &matches.pattern, &matches.text, &found, &mut state.cursor),
        None => Ok(Value::Null),
    }
}

impl Native for Matches {
    fn type_name(&self) -> &'static str {
        "iterator"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_rc(&self.text));
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<iterator>")
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        let found = METHODS.iter().find(|method| method.info.name == name)?;
        Some(Builtin(&found.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
