//! Display text: `str`, `print`, interpolation, `+` with a string.
//!
//! A stack of what is being printed takes the place of recursion. A header flag marks the objects on the path, so that
//! a cycle is seen in constant time; whichever way printing ends, the marks are cleared.
//!
//! Source: language reference §6.
#![expect(unsafe_code, reason = "reads items as values")]

use crate::{
    Array, BuiltinKind, Dict, EnumValue, Heap, Instance, Object, Promise, Raise, Rc, Set, Str, StrBuilder,
    Value, flag,
};

/// Something being printed, and how far.
enum Open {
    Array(Rc<Array>, usize),
    Dict(Rc<Dict>, usize, bool),
    /// Fields in order of names: slots if there are only declared ones, else all gathered.
    Slots(Rc<Instance>, usize),
    Fields(Rc<Instance>, Vec<(Rc<Str>, Value)>, usize),
    Payload(Rc<EnumValue>, usize),
    /// A fulfilled promise, and its value until that is printed.
    Promise(Rc<Promise>, Option<Value>),
}

impl Open {
    fn leave(&self) {
        let header = match self {
            Self::Array(array, _) => Rc::header(array),
            Self::Dict(dict, ..) => Rc::header(dict),
            Self::Slots(instance, _) | Self::Fields(instance, ..) => Rc::header(instance),
            Self::Promise(promise, _) => Rc::header(promise),
            Self::Payload(..) => return,
        };
        header.clear_flag(flag::ON_PATH);
    }
}

/// Marks an object as being printed; false if it already is.
fn enter<T: Object>(object: &Rc<T>) -> bool {
    let header = Rc::header(object);
    let fresh = !header.has(flag::ON_PATH);
    header.set_flag(flag::ON_PATH);
    fresh
}

/// Writes a value's display text.
///
/// # Errors
/// Out of memory.
pub fn display(heap: &Heap, value: &Value, out: &mut StrBuilder) -> Result<(), Raise> {
    let mut open = Vec::new();
    let mut charged = 0;
    let result = walk(heap, value, out, &mut open, &mut charged);
    for entry in &open {
        entry.leave();
    }
    heap.discharge(charged);
    result
}

/// A value's display text as a string; a string is itself.
///
/// # Errors
/// Out of memory.
pub fn display_text(heap: &Heap, value: &Value) -> Result<Rc<Str>, Raise> {
    if let Value::String(text) = value {
        return Ok(text.clone());
    }
    let mut out = StrBuilder::new(heap);
    display(heap, value, &mut out)?;
    out.finish()
}

/// Writes a float: shortest text that reads back as the same float, never with an exponent.
///
/// # Errors
/// Out of memory.
pub fn float_to_text(value: f64, out: &mut StrBuilder) -> Result<(), Raise> {
    out.push_float(value)
}

fn walk(
    heap: &Heap,
    value: &Value,
    out: &mut StrBuilder,
    open: &mut Vec<Open>,
    charged: &mut usize,
) -> Result<(), Raise> {
    let mut next = begin(heap, value, out)?;
    loop {
        if let Some(entry) = next {
            if open.len() == open.capacity() {
                let bytes = (open.len() / 2).max(4) * size_of::<Open>();
                if let Err(raise) = heap.charge(bytes) {
                    entry.leave();
                    return Err(raise);
                }
                *charged += bytes;
                open.reserve_exact(bytes / size_of::<Open>());
            }
            open.push(entry);
        }
        let Some(entry) = open.last_mut() else {
            return Ok(());
        };
        heap.checkpoint(1)?;
        next = if let Some(value) = advance(entry, out)? {
            begin(heap, &value, out)?
        } else {
            open.pop().expect("just seen").leave();
            None
        };
    }
}

/// Goes to the next part of an open entry: writes what stands between and gives the value to print, or closes it.
fn advance(entry: &mut Open, out: &mut StrBuilder) -> Result<Option<Value>, Raise> {
    match entry {
        Open::Array(array, at) => {
            let Some(item) = array.get_value(*at) else {
                out.push_char(']')?;
                return Ok(None);
            };
            separate(*at, out)?;
            *at += 1;
            Ok(Some(item))
        }
        Open::Dict(dict, at, value_next) => {
            let Some((next, key, value)) = dict.entry_at(*at) else {
                out.push_char('}')?;
                return Ok(None);
            };
            // SAFETY: entries hold values.
            let (key, value) = unsafe { (key.clone_value(), value.clone_value()) };
            if *value_next {
                out.push_str(": ")?;
                *value_next = false;
                *at = next;
                return Ok(Some(value));
            }
            separate(*at, out)?;
            *value_next = true;
            Ok(Some(key))
        }
        Open::Slots(instance, at) => {
            let definition = instance.definition();
            let Some(&slot) = definition.sorted_fields().get(*at) else {
                out.push_str(" }")?;
                return Ok(None);
            };
            separate(*at, out)?;
            out.push_str(definition.fields()[slot as usize].as_str())?;
            out.push_str(": ")?;
            *at += 1;
            // SAFETY: slots hold values.
            Ok(Some(unsafe { instance.slots()[slot as usize].clone_value() }))
        }
        Open::Fields(_, fields, at) => {
            let Some((name, value)) = fields.get(*at) else {
                out.push_str(" }")?;
                return Ok(None);
            };
            separate(*at, out)?;
            out.push_str(name.as_str())?;
            out.push_str(": ")?;
            *at += 1;
            Ok(Some(value.clone()))
        }
        Open::Payload(value, at) => {
            let Some(item) = value.payload().get(*at) else {
                out.push_char(')')?;
                return Ok(None);
            };
            separate(*at, out)?;
            *at += 1;
            Ok(Some(item.clone()))
        }
        Open::Promise(_, value) => {
            let value = value.take();
            if value.is_none() {
                out.push_char('>')?;
            }
            Ok(value)
        }
    }
}

fn separate(at: usize, out: &mut StrBuilder) -> Result<(), Raise> {
    if at > 0 { out.push_str(", ") } else { Ok(()) }
}

/// Writes a value, or the beginning of one that has parts.
fn begin(heap: &Heap, value: &Value, out: &mut StrBuilder) -> Result<Option<Open>, Raise> {
    match value {
        Value::Int(value) => out.push_int(*value)?,
        Value::Float(value) => out.push_float(*value)?,
        Value::Null => out.push_str("null")?,
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" })?,
        Value::String(text) => out.push_str(text.as_str())?,
        Value::Builtin(builtin) => match builtin.kind {
            BuiltinKind::Core => wrapped(out, "builtin", builtin.name)?,
            BuiltinKind::Library => out.push_display(&format_args!("<fn({})>", builtin.params.len()))?,
        },
        Value::Array(array) => {
            if !enter(array) {
                out.push_str("[...]")?;
                return Ok(None);
            }
            let entry = Open::Array(array.clone(), 0);
            return started(out.push_char('['), entry);
        }
        Value::Dict(dict) => {
            if !enter(dict) {
                out.push_str("{...}")?;
                return Ok(None);
            }
            let entry = Open::Dict(dict.clone(), 0, false);
            return started(out.push_char('{'), entry);
        }
        Value::Set(set) => display_set(heap, set, out)?,
        Value::Instance(instance) => return begin_instance(instance, out),
        Value::Function(closure) => out.push_display(&format_args!("<fn({})>", closure.code().declared))?,
        Value::AsyncFunction(closure) => {
            out.push_display(&format_args!("<async fn({})>", closure.code().declared))?;
        }
        Value::BoundMethod(method) => {
            let kind = if method.closure().is_async() {
                "async fn"
            } else {
                "fn"
            };
            out.push_display(&format_args!("<{kind}({})>", method.closure().code().declared))?;
        }
        Value::StructDef(definition) => wrapped(out, "struct", definition.name().as_str())?,
        Value::EnumDef(definition) => wrapped(out, "enum", definition.name().as_str())?,
        Value::EnumConstructor(constructor) => {
            let name = constructor.definition().name();
            out.push_display(&format_args!("<constructor {name}.{}>", constructor.info().name))?;
        }
        Value::EnumValue(value) => {
            out.push_str(value.definition().name().as_str())?;
            out.push_char('.')?;
            out.push_str(value.variant_name())?;
            if !value.is_empty() {
                out.push_char('(')?;
                return Ok(Some(Open::Payload(value.clone(), 0)));
            }
        }
        Value::Module(module) => wrapped(out, "module", module.name().as_str())?,
        Value::Iterator(_) | Value::Coroutine(_) => out.push_str("<iterator>")?,
        Value::Promise(promise) => return begin_promise(promise, out),
        Value::Error(error) => out.push_str(error.message().as_str())?,
        Value::Weak(weak) => match weak.upgrade() {
            Some(target) => out.push_display(&format_args!("<weak:{}>", target.type_name()))?,
            None => out.push_str("<weak:dropped>")?,
        },
        Value::Native(native) => native.get().display(out)?,
        Value::Cell(_) | Value::Buffer(_) | Value::Table(_) | Value::Shape(_) => {
            out.push_display(&format_args!("<{}>", value.type_name()))?;
        }
    }
    Ok(None)
}

/// The entry, unless writing its beginning failed.
fn started(written: Result<(), Raise>, entry: Open) -> Result<Option<Open>, Raise> {
    match written {
        Ok(()) => Ok(Some(entry)),
        Err(raise) => {
            entry.leave();
            Err(raise)
        }
    }
}

fn wrapped(out: &mut StrBuilder, kind: &str, name: &str) -> Result<(), Raise> {
    out.push_display(&format_args!("<{kind} {name}>"))
}

fn begin_instance(instance: &Rc<Instance>, out: &mut StrBuilder) -> Result<Option<Open>, Raise> {
    let definition = instance.definition();
    out.push_str(definition.name().as_str())?;
    if !enter(instance) {
        out.push_str(" {...}")?;
        return Ok(None);
    }
    let mut fields = instance.extra_fields();
    let entry = if fields.is_empty() {
        Open::Slots(instance.clone(), 0)
    } else {
        for (name, slot) in definition.fields().iter().zip(instance.slots()) {
            // SAFETY: slots hold values.
            fields.push((name.clone(), unsafe { slot.clone_value() }));
        }
        fields.sort_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
        Open::Fields(instance.clone(), fields, 0)
    };
    started(out.push_str(" { "), entry)
}

fn begin_promise(promise: &Rc<Promise>, out: &mut StrBuilder) -> Result<Option<Open>, Raise> {
    match promise.settled() {
        None => out.push_str("<promise:pending>")?,
        Some(Err(_)) => out.push_str("<promise:rejected>")?,
        Some(Ok(value)) => {
            if !enter(promise) {
                out.push_str("<promise:...>")?;
                return Ok(None);
            }
            let entry = Open::Promise(promise.clone(), Some(value));
            return started(out.push_str("<promise:"), entry);
        }
    }
    Ok(None)
}

/// A set's elements by display text. Elements are hashable, so none holds a set: no deeper than one walk.
fn display_set(heap: &Heap, set: &Rc<Set>, out: &mut StrBuilder) -> Result<(), Raise> {
    let mut texts = Vec::with_capacity(set.len());
    // The text of a native object is code of the host: nothing of the set is borrowed while it runs.
    let elements: Vec<Value> = set.iter().cloned().collect();
    for element in &elements {
        heap.checkpoint(2)?;
        texts.push(display_text(heap, element)?);
    }
    texts.sort_by(|left, right| left.order(right));
    out.push_str("set(")?;
    for (at, text) in texts.iter().enumerate() {
        separate(at, out)?;
        out.push_str(text.as_str())?;
    }
    out.push_char(')')
}
