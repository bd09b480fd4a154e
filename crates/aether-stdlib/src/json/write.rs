//! From values to compact text.
//!
//! A header flag marks the containers on the path from the root, so that a cycle is seen in constant time; whichever
//! way writing ends, the marks are cleared.

use aether_value::{Array, Dict, Header, Heap, Raise, Rc, Str, Value, flag};
use std::fmt::Write as _;

use crate::scan;
use crate::stack::Stack;
use crate::text::Text;

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
    let mut out = Text::new(heap);
    let mut path = Path(Stack::new(heap));
    begin(value, &mut out, &mut path)?;
    while let Some(open) = path.0.last_mut() {
        let item = match open {
            Open::Array(array, at) => {
                let item = array.get_value(*at);
                if item.is_some() && *at > 0 {
                    out.push(",")?;
                }
                *at += 1;
                item
            }
            Open::Dict(dict, at) => match dict.values_at(*at) {
                Some((next, key, value)) => {
                    let Value::String(key) = key else {
                        return Err(refused(&format!(
                            "dict key must be string, got {}",
                            key.type_name()
                        )));
                    };
                    if *at > 0 {
                        out.push(",")?;
                    }
                    text(key.as_str(), &mut out)?;
                    out.push(":")?;
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
            out.push(if matches!(open, Open::Array(..)) { "]" } else { "}" })?;
        }
    }
    out.finish()
}

/// Writes a scalar, or opens a container.
fn begin(value: &Value, out: &mut Text, path: &mut Path) -> Result<(), Raise> {
    match value {
        Value::Null => out.push("null"),
        Value::Bool(value) => out.push(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_int(*value),
        Value::Float(value) if value.is_finite() => float(*value, out),
        Value::Float(_) => Err(refused("cannot serialize non-finite float to JSON")),
        Value::String(value) => text(value.as_str(), out),
        Value::Array(array) => {
            path.enter(Open::Array(array.clone(), 0))?;
            out.push("[")
        }
        Value::Dict(dict) => {
            path.enter(Open::Dict(dict.clone(), 0))?;
            out.push("{")
        }
        value => Err(refused(&format!("cannot serialize {}", value.type_name()))),
    }
}

/// The shortest digits that read back, in a form that only floats have.
fn float(value: f64, out: &mut Text) -> Result<(), Raise> {
    let size = value.abs();
    let mut digits = Digits::default();
    let written = if size != 0.0 && !(1e-5..1e16).contains(&size) {
        write!(digits, "{value:e}")
    } else {
        write!(digits, "{value}")
    };
    debug_assert!(written.is_ok(), "a float's digits fit");
    let digits = digits.as_str();
    match digits.split_once('e') {
        Some((mantissa, exponent)) => {
            out.push(mantissa)?;
            out.push(if exponent.starts_with('-') { "e" } else { "e+" })?;
            out.push(exponent)
        }
        None if digits.contains('.') => out.push(digits),
        None => {
            out.push(digits)?;
            out.push(".0")
        }
    }
}

/// The digits of a float on the stack.
#[derive(Default)]
struct Digits {
    bytes: [u8; 32],
    len: usize,
}

impl Digits {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }
}

impl std::fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let Some(room) = self.bytes.get_mut(self.len..end) else {
            return Err(std::fmt::Error);
        };
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

fn text(text: &str, out: &mut Text) -> Result<(), Raise> {
    out.push("\"")?;
    let mut rest = text;
    loop {
        let plain = scan::json_special(rest.as_bytes());
        out.push(&rest[..plain])?;
        let Some(&byte) = rest.as_bytes().get(plain) else {
            break;
        };
        match byte {
            b'"' => out.push("\\\"")?,
            b'\\' => out.push("\\\\")?,
            8 => out.push("\\b")?,
            9 => out.push("\\t")?,
            10 => out.push("\\n")?,
            12 => out.push("\\f")?,
            13 => out.push("\\r")?,
            _ => out.push(&format!("\\u{byte:04x}"))?,
        }
        rest = &rest[plain + 1..];
    }
    out.push("\"")
}
