//! From values to text, as options say: indented, sorted, with more kinds of values.
//!
//! Writing stops where a function of the script has to say what a value becomes, and goes on with what it says. While
//! it is stopped no container is marked, so that the function may write the same values.

use aether_value::{Array, Dict, Heap, Raise, Rc, Str, Value};

use super::parse::sorted;
use super::write::{Path, float, refused, text};
use crate::stack::Stack;
use crate::text::Text;

/// How a value is written.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub(super) struct Options {
    /// What each level is indented with; nothing is on one line.
    pub(super) indent: Option<Box<str>>,
    pub(super) sort_keys: bool,
    /// Instances are objects of their fields.
    pub(super) instances: bool,
    /// Sets are arrays.
    pub(super) sets: bool,
    /// Characters beyond ASCII are escaped.
    pub(super) ascii: bool,
    /// There is a function for what cannot be written.
    pub(super) has_default: bool,
}

/// A container that is being written: the value that is marked, and what is left of its items.
struct Open {
    value: Value,
    items: Items,
    /// How many have been written.
    count: usize,
}

enum Items {
    Array(Rc<Array>),
    Dict(Rc<Dict>, usize),
}

/// Where writing has stopped.
pub(super) enum Stop {
    /// The text is complete.
    Done(Rc<Str>),
    /// This value cannot be written: something else has to stand for it.
    Unknown(Value),
}

/// A text in the making.
pub(super) struct Formatter {
    heap: Heap,
    options: Options,
    out: Option<Text>,
    open: Stack<Open>,
}

impl Formatter {
    pub(super) fn new(heap: &Heap, options: Options) -> Self {
        Self {
            heap: heap.clone(),
            options,
            out: Some(Text::new(heap)),
            open: Stack::new(heap),
        }
    }

    /// Writes a value, or what stands for one that was unknown, which is not asked for again.
    pub(super) fn write(&mut self, value: &Value, is_replacement: bool) -> Result<Stop, Raise> {
        let mut path = Path::new(&self.heap);
        for open in self.open.iter() {
            path.enter(&open.value)?;
        }
        self.run(value, is_replacement, &mut path)
    }

    fn run(&mut self, value: &Value, is_replacement: bool, path: &mut Path) -> Result<Stop, Raise> {
        if !self.begin(value, path)? {
            if self.options.has_default && !is_replacement {
                return Ok(Stop::Unknown(value.clone()));
            }
            return Err(unknown(value));
        }
        while let Some(open) = self.open.last_mut() {
            let (key, item) = match &mut open.items {
                Items::Array(array) => (None, array.get_value(open.count)),
                Items::Dict(dict, at) => match dict.values_at(*at) {
                    Some((next, key, value)) => {
                        *at = next;
                        (Some(key.clone()), Some(value.clone()))
                    }
                    None => (None, None),
                },
            };
            let Some(item) = item else {
                self.close(path)?;
                continue;
            };
            let is_first = open.count == 0;
            open.count += 1;
            let depth = self.open.len();
            if !is_first {
                self.push(",")?;
            }
            self.new_line(depth)?;
            if let Some(key) = key {
                let Value::String(key) = &key else {
                    let detail = format!("dict key must be string, got {}", key.type_name());
                    return Err(refused(&detail));
                };
                self.text(key.as_str())?;
                self.push(if self.options.indent.is_some() { ": " } else { ":" })?;
            }
            if !self.begin(&item, path)? {
                if self.options.has_default {
                    return Ok(Stop::Unknown(item));
                }
                return Err(unknown(&item));
            }
        }
        match self.out.take() {
            Some(out) => Ok(Stop::Done(out.finish()?)),
            None => unreachable!("it is finished once"),
        }
    }

    /// Writes a scalar, or opens a container; false if the value is neither.
    fn begin(&mut self, value: &Value, path: &mut Path) -> Result<bool, Raise> {
        let items = match value {
            Value::Null => return self.push("null").map(|()| true),
            Value::Bool(value) => return self.push(if *value { "true" } else { "false" }).map(|()| true),
            Value::Int(value) => {
                let mut digits = [0; 20];
                let digits = aether_value::decimal(*value, &mut digits);
                return self.push(digits).map(|()| true);
            }
            Value::Float(value) if value.is_finite() => return float(*value, self.out()).map(|()| true),
            Value::Float(_) if self.options.has_default => return Ok(false),
            Value::Float(_) => return Err(refused("cannot serialize non-finite float to JSON")),
            Value::String(value) => return self.text(value.as_str()).map(|()| true),
            Value::Array(array) => Items::Array(array.clone()),
            Value::Dict(dict) if self.options.sort_keys => Items::Dict(sorted(&self.heap, dict)?, 0),
            Value::Dict(dict) => Items::Dict(dict.clone(), 0),
            Value::Set(set) if self.options.sets => {
                let items = self.heap.array(set.len())?;
                for item in set.iter() {
                    items.push(item.clone())?;
                }
                Items::Array(items)
            }
            Value::Instance(instance) if self.options.instances => {
                let fields = self.heap.dict()?;
                for name in instance.definition().fields() {
                    let value = instance.field(name).unwrap_or(Value::Null);
                    fields.insert(Value::String(name.clone()), value)?;
                }
                for (name, value) in instance.extra_fields() {
                    fields.insert(Value::String(name), value)?;
                }
                let fields = if self.options.sort_keys {
                    sorted(&self.heap, &fields)?
                } else {
                    fields
                };
                Items::Dict(fields, 0)
            }
            _ => return Ok(false),
        };
        path.enter(value)?;
        self.push(if matches!(items, Items::Array(_)) {
            "["
        } else {
            "{"
        })?;
        self.open.push(Open {
            value: value.clone(),
            items,
            count: 0,
        })?;
        Ok(true)
    }

    fn close(&mut self, path: &mut Path) -> Result<(), Raise> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        path.leave();
        if open.count > 0 {
            let depth = self.open.len();
            self.new_line(depth)?;
        }
        self.push(if matches!(open.items, Items::Array(_)) {
            "]"
        } else {
            "}"
        })
    }

    fn out(&mut self) -> &mut Text {
        match &mut self.out {
            Some(out) => out,
            None => unreachable!("it is there until the end"),
        }
    }

    fn push(&mut self, text: &str) -> Result<(), Raise> {
        self.out().push(text)
    }

    fn new_line(&mut self, depth: usize) -> Result<(), Raise> {
        let Some(indent) = self.options.indent.take() else {
            return Ok(());
        };
        self.heap.count_work(depth / 8);
        let mut written = self.push("\n");
        for _ in 0..depth {
            written = written.and_then(|()| self.push(&indent));
        }
        self.options.indent = Some(indent);
        written
    }

    fn text(&mut self, string: &str) -> Result<(), Raise> {
        if !self.options.ascii || string.is_ascii() {
            return text(string, self.out());
        }
        // What has to be escaped besides is ASCII, and so are the quotes around each piece.
        let mut rest = string;
        self.push("\"")?;
        while !rest.is_empty() {
            let plain = rest
                .find(|character: char| !character.is_ascii())
                .unwrap_or(rest.len());
            super::write::escaped(&rest[..plain], self.out())?;
            let mut behind = rest[plain..].chars();
            if let Some(character) = behind.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.push(&format!("\\u{unit:04x}"))?;
                }
            }
            rest = behind.as_str();
        }
        self.push("\"")
    }
}

/// The error for a value that has no text.
#[cold]
fn unknown(value: &Value) -> Raise {
    refused(&format!("cannot serialize {}", value.type_name()))
}
