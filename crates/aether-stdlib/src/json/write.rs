//! From values to compact text.
//!
//! A header flag marks the containers on the path from the root, so that a cycle is seen in constant time; whichever
//! way writing ends, the marks are cleared.

use aether_value::{Array, Dict, Header, Heap, Raise, Rc, Str, StrBuilder, Value, flag};

use crate::stack::Stack;

/// A container being written, and the position of its next item.
enum Open {
    Array(Rc<Array>, usize),
    Dict(Rc<Dict>, usize),
}

/// The containers on the path, marked.
struct Path(Stack<Open>);

impl Path {
    fn enter(&mut self, open: Open) -> Result<(), Raise> {
        if open.header().has(flag::ON_PATH) {
            return Err(refused("cannot serialize a cycle"));
        }
        self.0.push(open)?;
        if let Some(open) = self.0.last_mut() {
            open.header().set_flag(flag::ON_PATH);
        }
        Ok(())
    }
}

impl Open {
    fn header(&self) -> &Header {
        match self {
            Self::Array(array, _) => Rc::header(array),
            Self::Dict(dict, _) => Rc::header(dict),
        }
    }

    fn leave(&self) {
        self.header().clear_flag(flag::ON_PATH);
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.0.iter().for_each(Open::leave);
    }
}

#[cold]
fn refused(detail: &str) -> Raise {
    Raise::parse("json", detail)
}

/// The JSON text of a value.
pub(super) fn write(heap: &Heap, value: &Value) -> Result<Rc<Str>, Raise> {
    let mut out = StrBuilder::new(heap);
    let mut path = Path(Stack::new(heap));
    begin(value, &mut out, &mut path)?;
    while let Some(open) = path.0.last_mut() {
        let item = match open {
            Open::Array(array, at) => {
                let item = array.get_value(*at);
                if item.is_some() && *at > 0 {
                    out.push_str(",")?;
                }
                *at += 1;
                item
            }
            Open::Dict(dict, at) => match dict.table().and_then(|table| table.values_at(*at)) {
                Some((next, key, value)) => {
                    let Value::String(key) = key else {
                        return Err(refused(&format!(
                            "dict key must be string, got {}",
                            key.type_name()
                        )));
                    };
                    if *at > 0 {
                        out.push_str(",")?;
                    }
                    text(key.as_str(), &mut out)?;
                    out.push_str(":")?;
                    *at = next;
                    Some(value.clone())
                }
                None => None,
            },
        };
        if let Some(item) = item {
            begin(&item, &mut out, &mut path)?;
        } else if let Some(open) = path.0.pop() {
            open.leave();
            out.push_str(if matches!(open, Open::Array(..)) { "]" } else { "}" })?;
        }
    }
    out.finish()
}

/// Writes a scalar, or opens a container.
fn begin(value: &Value, out: &mut StrBuilder, path: &mut Path) -> Result<(), Raise> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_int(*value),
        Value::Float(value) if value.is_finite() => float(*value, out),
        Value::Float(_) => Err(refused("cannot serialize non-finite float to JSON")),
        Value::String(value) => text(value.as_str(), out),
        Value::Array(array) => {
            path.enter(Open::Array(array.clone(), 0))?;
            out.push_str("[")
        }
        Value::Dict(dict) => {
            path.enter(Open::Dict(dict.clone(), 0))?;
            out.push_str("{")
        }
        value => Err(refused(&format!("cannot serialize {}", value.type_name()))),
    }
}

/// The shortest digits that read back, in a form that only floats have.
fn float(value: f64, out: &mut StrBuilder) -> Result<(), Raise> {
    let size = value.abs();
    if size != 0.0 && !(1e-5..1e16).contains(&size) {
        let digits = format!("{value:e}");
        let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
        out.push_str(mantissa)?;
        out.push_str(if exponent.starts_with('-') { "e" } else { "e+" })?;
        return out.push_str(exponent);
    }
    let digits = value.to_string();
    out.push_str(&digits)?;
    if digits.contains('.') {
        Ok(())
    } else {
        out.push_str(".0")
    }
}

fn text(text: &str, out: &mut StrBuilder) -> Result<(), Raise> {
    out.push_str("\"")?;
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..0x20) {
            continue;
        }
        out.push_str(&text[done..at])?;
        done = at + 1;
        match byte {
            b'"' => out.push_str("\\\"")?,
            b'\\' => out.push_str("\\\\")?,
            8 => out.push_str("\\b")?,
            9 => out.push_str("\\t")?,
            10 => out.push_str("\\n")?,
            12 => out.push_str("\\f")?,
            13 => out.push_str("\\r")?,
            _ => out.push_str(&format!("\\u{byte:04x}"))?,
        }
    }
    out.push_str(&text[done..])?;
    out.push_str("\"")
}
