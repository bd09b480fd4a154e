//! The module `re`: regular expressions in linear time.
//!
//! | file | |
//! |---|---|
//! | `pattern` | compiled patterns and their cache, the value `regex` |
//! | `search` | finding the next match, in steps where it may take long |
//! | `matched` | what scripts get to know of a match, and iterating |
//! | `replace` | replacing and splitting |
//!
//! Each function takes the pattern as text or as a compiled value; the same functions are the methods of the value.
//!
//! Source: library reference §E2.

mod matched;
mod pattern;
mod replace;
mod search;

use aether_eval::{BuiltinDef, Ctx, LibraryModule};
use aether_value::{Raise, Rc, Str, Value};

use crate::arguments::{int, string};
use matched::Cursor;
use search::{Found, Positions};

/// The module.
pub(crate) const RE: LibraryModule = LibraryModule {
    name: "re",
    functions: &[
        BuiltinDef::core("compile", &["pattern", "flags"], 1, 2, pattern::compile),
        BuiltinDef::core("escape", &["s"], 1, 1, escape),
        BuiltinDef::core("test", &["pattern", "s"], 2, 2, test),
        BuiltinDef::core("find", &["pattern", "s", "from"], 2, 3, find),
        BuiltinDef::core("match", &["pattern", "s"], 2, 2, whole),
        BuiltinDef::core("find_all", &["pattern", "s"], 2, 2, find_all),
        BuiltinDef::core("iter", &["pattern", "s"], 2, 2, matched::iter),
        BuiltinDef::core_frame("replace", &["pattern", "s", "to"], 3, 3, 4, replace::replace),
        BuiltinDef::core_frame(
            "replace_first",
            &["pattern", "s", "to"],
            3,
            3,
            4,
            replace::replace_first,
        ),
        BuiltinDef::core("split", &["pattern", "s", "limit"], 2, 3, replace::split),
    ],
    constants: &[],
};

/// The methods of a compiled pattern.
static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("test", 1, 1, test),
    BuiltinDef::method("find", 1, 2, find),
    BuiltinDef::method("match", 1, 1, whole),
    BuiltinDef::method("find_all", 1, 1, find_all),
    BuiltinDef::method("iter", 1, 1, matched::iter),
    BuiltinDef::method_frame("replace", 2, 2, 4, replace::replace),
    BuiltinDef::method_frame("replace_first", 2, 2, 4, replace::replace_first),
    BuiltinDef::method("split", 1, 2, replace::split),
];

/// The text that is searched.
fn subject(value: &Value) -> Result<&Rc<Str>, Raise> {
    string(value)
}

fn escape(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?.as_str();
    let mut out = aether_value::StrBuilder::with_capacity(ctx.heap(), text.len())?;
    for piece in aether_eval::text_pieces(text) {
        ctx.tick(piece.len() / 16)?;
        out.push_str(&regex_syntax::escape(piece))?;
    }
    Ok(Value::String(out.finish()?))
}

fn test(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pattern = pattern::of(ctx, &args[0])?;
    let text = subject(&args[1])?;
    Ok(Value::Bool(pattern.is_match(ctx, text.as_str())?))
}

fn find(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pattern = pattern::of(ctx, &args[0])?;
    let text = subject(&args[1])?;
    let from = match args.get(2) {
        None | Some(Value::Null) => 0,
        Some(from) => int(from)?,
    };
    let Some(from) = usize::try_from(from)
        .ok()
        .filter(|from| *from <= text.len_chars())
    else {
        let detail = format!(
            "re.find: from must be between 0 and {}, got {from}",
            text.len_chars()
        );
        return Err(Raise::operation(&detail));
    };
    text.prepare_index()?;
    let start = text.byte_offset(from);
    match pattern.find(ctx, text.as_str(), start, Found::WithGroups)? {
        Some(found) => matched::to_value(ctx, &pattern, text, &found, &mut Cursor::default()),
        None => Ok(Value::Null),
    }
}

fn whole(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pattern = pattern::of(ctx, &args[0])?;
    let text = subject(&args[1])?;
    let whole = pattern.whole(ctx)?;
    match whole.find(ctx, text.as_str(), 0, Found::WithGroups)? {
        Some(found) => matched::to_value(ctx, &whole, text, &found, &mut Cursor::default()),
        None => Ok(Value::Null),
    }
}

fn find_all(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pattern = pattern::of(ctx, &args[0])?;
    let text = subject(&args[1])?;
    let all = ctx.heap().array(0)?;
    let mut cursor = Cursor::default();
    let mut positions = Positions::new();
    while let Some(found) = positions.next(ctx, &pattern, text.as_str(), Found::WithGroups)? {
        all.push(matched::to_value(ctx, &pattern, text, &found, &mut cursor)?)?;
    }
    Ok(Value::Array(all))
}
