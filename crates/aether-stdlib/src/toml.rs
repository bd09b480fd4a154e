//! The module `toml`.
//!
//! The library's tree of a document is made as a whole, and a text as a whole of a tree: of much on another thread, so
//! that limits hold meanwhile. The tree is charged by a bound: [`NODE`] bytes for each byte of the text, of which a value
//! has at least two.
//!
//! | TOML | Aether |
//! |---|---|
//! | string, integer, float, boolean | string, int, float, bool |
//! | array, table | array, dict |
//! | date, time | string |
//!
//! Source: library reference §E7.

use aether_eval::{BuiltinDef, Ctx, LibraryModule};
use aether_value::{Charge, Heap, Raise, Value};
use toml::value::Value as Toml;

use crate::arguments::{string, wrong_type};

/// Bytes that the tree takes for a byte of text.
const NODE: usize = 64;
/// Levels that are written: the library's own limit for what it reads.
const MAX_DEPTH: usize = 80;
/// Bytes of text, or of a tree, of which the other is made at once: some milliseconds.
const SHORT: usize = 64 << 10;

/// The module.
pub(crate) const TOML: LibraryModule = LibraryModule {
    name: "toml",
    functions: &[
        BuiltinDef::core("parse", &["s"], 1, 1, parse),
        BuiltinDef::core("stringify", &["v"], 1, 1, stringify),
    ],
    constants: &[],
};

#[cold]
fn refused(detail: &str) -> Raise {
    Raise::parse("toml", detail)
}

fn parse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?.as_str();
    ctx.tick(text.len())?;
    let _charge = Charge::new(ctx.heap(), text.len().saturating_mul(NODE))?;
    let parse = |text: &str| {
        text.parse::<toml::Table>()
            .map_err(|error| error_of(text, &error))
    };
    let table = if text.len() <= SHORT {
        parse(text)
    } else {
        let text = text.to_owned();
        ctx.on_another_thread(move || parse(&text))?
    };
    match table {
        Ok(table) => value_of_table(ctx.heap(), table),
        Err(detail) => Err(refused(&detail)),
    }
}

/// What is wrong with a text that is no document, and where.
#[cold]
fn error_of(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().lines().next().unwrap_or_default();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return what.to_owned();
    };
    let line = before.matches('\n').count() + 1;
    let begun = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[begun..].chars().count() + 1;
    format!("{what} at line {line} column {column}")
}

/// What the tree has goes as the values come.
fn value_of_table(heap: &Heap, table: toml::Table) -> Result<Value, Raise> {
    let dict = heap.dict()?;
    for (key, value) in table {
        heap.checkpoint(2)?;
        dict.insert(Value::String(heap.string(&key)?), value_of(heap, value)?)?;
    }
    Ok(Value::Dict(dict))
}

/// A value of the tree. The library limits how deep trees are.
fn value_of(heap: &Heap, value: Toml) -> Result<Value, Raise> {
    heap.checkpoint(1)?;
    Ok(match value {
        Toml::String(text) => Value::String(heap.string(&text)?),
        Toml::Integer(value) => Value::Int(value),
        Toml::Float(value) => Value::Float(value),
        Toml::Boolean(value) => Value::Bool(value),
        Toml::Datetime(date) => Value::String(heap.string(&date.to_string())?),
        Toml::Array(items) => {
            let array = heap.array(items.len())?;
            for item in items {
                array.push(value_of(heap, item)?)?;
            }
            Value::Array(array)
        }
        Toml::Table(table) => value_of_table(heap, table)?,
    })
}

fn stringify(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Dict(_) = &args[0] else {
        return Err(wrong_type("dict", &args[0]));
    };
    let mut charge = Charge::none(ctx.heap());
    let tree = tree_of(ctx, &args[0], &mut charge, 0)?;
    let write = |tree: &Toml| toml::to_string(tree).map_err(|error| error.to_string());
    let text = if charge.bytes() <= SHORT {
        write(&tree)
    } else {
        ctx.on_another_thread(move || write(&tree))?
    };
    let text = text.map_err(|detail| refused(&detail))?;
    ctx.tick(text.len() / 8)?;
    ctx.string(&text)
}

/// A value as a tree. A cycle is deeper than any tree may be.
fn tree_of(ctx: &mut Ctx<'_>, value: &Value, charge: &mut Charge, depth: usize) -> Result<Toml, Raise> {
    if depth > MAX_DEPTH {
        return Err(refused(&format!("cannot serialize more than {MAX_DEPTH} levels")));
    }
    ctx.tick(1)?;
    charge.add(NODE)?;
    Ok(match value {
        Value::String(text) => {
            charge.add(text.len_bytes())?;
            Toml::String(text.as_str().to_owned())
        }
        Value::Int(value) => Toml::Integer(*value),
        Value::Float(value) => Toml::Float(*value),
        Value::Bool(value) => Toml::Boolean(*value),
        Value::Array(array) => {
            let mut items = Vec::new();
            for item in array.snapshot()?.iter() {
                items.push(tree_of(ctx, item, charge, depth + 1)?);
            }
            Toml::Array(items)
        }
        Value::Dict(dict) => {
            let mut table = toml::Table::new();
            for (key, value) in dict.iter() {
                let Value::String(key) = key else {
                    let detail = format!("dict key must be string, got {}", key.type_name());
                    return Err(refused(&detail));
                };
                charge.add(NODE + key.len_bytes())?;
                let value = tree_of(ctx, value, charge, depth + 1)?;
                table.insert(key.as_str().to_owned(), value);
            }
            Toml::Table(table)
        }
        other => return Err(refused(&format!("cannot serialize {}", other.type_name()))),
    })
}
