//! From values to compact text.
//!
//! A header flag marks the containers on the path from the root, so that a cycle is seen in constant time; whichever
//! way writing ends, the marks are cleared.

use aether_value::{Array, Dict, Header, Heap, Raise, Rc, Str, Value, flag};
use std::fmt::Write as _;

use crate::scan;
use crate::stack::Stack;
use crate::text::Text;

/// A container on the path from the root, which is marked.
trait Marked {
    fn header(&self) -> Option<&Header>;
}

/// Containers on the path, marked as long as they are in it.
struct Marks<T: Marked>(Stack<T>);

impl<T: Marked> Marks<T> {
    fn enter(&mut self, open: T) -> Result<(), Raise> {
        if open.header().is_some_and(|header| header.has(flag::ON_PATH)) {
            return Err(refused("cannot serialize a cycle"));
        }
        self.0.push(open)?;
        if let Some(header) = self.0.last_mut().and_then(|open| open.header()) {
            header.set_flag(flag::ON_PATH);
        }
        Ok(())
    }

    fn leave(&mut self) -> Option<T> {
        let open = self.0.pop()?;
        unmark(&open);
        Some(open)
    }
}

fn unmark(open: &impl Marked) {
    if let Some(header) = open.header() {
        header.clear_flag(flag::ON_PATH);
    }
}

impl<T: Marked> Drop for Marks<T> {
    fn drop(&mut self) {
        self.0.iter().for_each(unmark);
    }
}

/// A container being written, and the position of its next item.
enum Open {
    Array(Rc<Array>, usize),
    Dict(Rc<Dict>, usize),
}

impl Marked for Open {
    fn header(&self) -> Option<&Header> {
        Some(match self {
            Self::Array(array, _) => Rc::header(array),
            Self::Dict(dict, _) => Rc::header(dict),
        })
    }
}

impl Marked for Value {
    fn header(&self) -> Option<&Header> {
        Some(match self {
            Self::Array(array) => Rc::header(array),
            Self::Dict(dict) => Rc::header(dict),
            Self::Set(set) => Rc::header(set),
            Self::Instance(instance) => Rc::header(instance),
            _ => return None,
        })
    }
}

/// The containers on a path by their values.
#[cfg_attr(
    not(feature = "formats"),
    allow(dead_code, reason = "the module json tells where it is")
)]
pub(super) struct Path(Marks<Value>);

#[cfg_attr(
    not(feature = "formats"),
    allow(dead_code, reason = "the module json tells where it is")
)]
impl Path {
    pub(super) fn new(heap: &Heap) -> Self {
        Self(Marks(Stack::new(heap)))
    }

    /// Goes into a container.
    ///
    /// # Errors
    /// It is on the path already.
    pub(super) fn enter(&mut self, value: &Value) -> Result<(), Raise> {
        self.0.enter(value.clone())
    }

    /// Leaves the container that was entered last.
    pub(super) fn leave(&mut self) {
        drop(self.0.leave());
    }
}

/// The error for what has no text.
#[cold]
pub(super) fn refused(detail: &str) -> Raise {
    Raise::parse("json", detail)
}

/// The JSON text of a value.
pub(super) fn write(heap: &Heap, value: &Value) -> Result<Rc<Str>, Raise> {
    let mut out = Text::new(heap);
    let mut path = Marks(Stack::new(heap));
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
        } else if let Some(open) = path.leave() {
            out.push(if matches!(open, Open::Array(..)) { "]" } else { "}" })?;
        }
    }
    out.finish()
}

/// Writes a scalar, or opens a container.
fn begin(value: &Value, out: &mut Text, path: &mut Marks<Open>) -> Result<(), Raise> {
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
pub(super) fn float(value: f64, out: &mut Text) -> Result<(), Raise> {
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

/// A string with its quotes.
pub(super) fn text(text: &str, out: &mut Text) -> Result<(), Raise> {
    out.push("\"")?;
    escaped(text, out)?;
    out.push("\"")
}

/// The characters of a string between its quotes.
#[inline]
pub(super) fn escaped(text: &str, out: &mut Text) -> Result<(), Raise> {
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
    Ok(())
}
