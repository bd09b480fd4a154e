//! What an object holds, by name: for reports, `heap.refs` and `heap.retained`.
//!
//! Unlike `visit`, which the collector uses, this names leaves too, and says by which field, item or variable. The
//! items of an array, the entries of a dict and the cell of a captured variable are objects of their own to the heap,
//! but not to a user: [`Inner::user_edges`] looks through them.
#![expect(unsafe_code, reason = "reads objects by kind")]

use std::fmt::Write;
use std::ptr::NonNull;

use crate::table::EntryIndex;
use crate::{
    Array, Buffer, Cell, Closure, Dict, EnumValue, Instance, Raw, Rc, Set, Shape, StructDef, Table, Value,
    tag,
};

use super::visit::Visitor;
use super::{Header, Inner, alloc, flag};

/// How one object holds another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Edge {
    /// A declared or undeclared field.
    Field(Box<str>),
    /// An item of an array or an element of a set.
    Item(usize),
    /// The value under a key, by the key's text.
    Entry(Box<str>),
    /// A captured variable.
    Capture,
    /// A value of an enum variant.
    Payload(usize),
    /// Something that has no name in a program.
    Other(&'static str),
}

impl Edge {
    /// As reports write it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Field(name) => format!(".{name}"),
            Self::Item(index) => format!("[{index}]"),
            Self::Entry(key) => format!("[{key}]"),
            Self::Capture => "captured variable".to_owned(),
            Self::Payload(index) => format!(".{index}"),
            Self::Other(word) => (*word).to_owned(),
        }
    }
}

/// A key as a report writes it.
fn key_text(key: &Raw) -> Box<str> {
    // SAFETY: keys are values.
    match unsafe { key.as_value() } {
        Value::String(text) => format!("\"{}\"", text.as_str()).into(),
        Value::Int(number) => number.to_string().into(),
        Value::Bool(value) => value.to_string().into(),
        Value::Float(value) => value.to_string().into(),
        Value::Null => "null".into(),
        other => other.type_name().into(),
    }
}

/// Whether a kind is part of another object to a user.
pub(crate) fn is_internal(kind: u8) -> bool {
    matches!(
        kind,
        tag::BUFFER | tag::TABLE | tag::CELL | tag::COROUTINE | tag::SHAPE
    )
}

impl Inner {
    /// Calls `f` with everything counted that the object holds, leaves included.
    ///
    /// # Safety
    /// The object is alive; an array's buffer knows its length (`sync_buffer_length`).
    pub(crate) unsafe fn each_edge(&self, object: NonNull<Header>, f: &mut dyn FnMut(Edge, NonNull<Header>)) {
        let mut raw = |edge: Edge, raw: Raw| {
            if raw.is_counted() {
                f(edge, raw.header_ptr());
            }
        };
        // SAFETY: the kind says what the block holds.
        unsafe {
            let header = object.as_ref();
            match header.kind {
                tag::INSTANCE => {
                    let instance = object.cast::<Instance>().as_ref();
                    let def = &*self.def_of(header.shape.get());
                    for (index, name) in def.fields().iter().enumerate() {
                        let slot = instance.slots_ptr().add(index).read();
                        raw(Edge::Field(name.as_str().into()), slot);
                    }
                    if header.has(flag::HAS_SIDE) {
                        self.side(object, |side| {
                            for (name, value) in &side.extra {
                                raw(Edge::Field(name.as_str().into()), Raw::of_value(value));
                            }
                        });
                    }
                    f(Edge::Other("definition"), NonNull::from(def).cast());
                }
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    match array.buffer_header() {
                        Some(buffer) => f(Edge::Other("items"), buffer),
                        None => {
                            for (index, item) in array.own_items().iter().enumerate() {
                                raw(Edge::Item(index), *item);
                            }
                        }
                    }
                }
                tag::BUFFER => {
                    let buffer = object.cast::<Buffer>().as_ref();
                    for index in 0..buffer.len() {
                        raw(Edge::Item(index), buffer.items_ptr().add(index).read());
                    }
                }
                tag::FUNCTION | tag::ASYNC_FUNCTION => {
                    for capture in object.cast::<Closure>().as_ref().captures() {
                        raw(Edge::Capture, *capture);
                    }
                }
                tag::ENUM_VALUE => {
                    let value = object.cast::<EnumValue>().as_ref();
                    for index in 0..value.len() {
                        raw(Edge::Payload(index), value.payload_ptr().add(index).read());
                    }
                }
                tag::CELL => raw(Edge::Capture, object.cast::<Cell>().as_ref().get_raw()),
                tag::TABLE => {
                    let table = object.cast::<Table>().as_ref();
                    let is_set = header.small.get() != 0;
                    table.each_position(|position, key| {
                        if is_set {
                            raw(Edge::Item(position), key);
                        } else {
                            raw(Edge::Other("key"), key);
                            let value = *table.value_at(EntryIndex(position as u32));
                            if value.is_counted() {
                                raw(Edge::Entry(key_text(&key)), value);
                            }
                        }
                    });
                }
                tag::DICT => {
                    let dict = object.cast::<Dict>().as_ref();
                    if let Some(shape) = dict.shape() {
                        raw(Edge::Other("keys"), Raw::of_header(NonNull::from(shape).cast()));
                        for (position, value) in dict.record_values().iter().enumerate() {
                            if value.is_counted() {
                                raw(Edge::Entry(key_text(shape.key(position))), *value);
                            }
                        }
                    } else if let Some(table) = dict.table_header() {
                        f(Edge::Other("entries"), table);
                    }
                }
                tag::SET => {
                    let set = object.cast::<Set>().as_ref();
                    match set.table_header() {
                        Some(table) => f(Edge::Other("elements"), table),
                        None => set.each_inline(|position, element| raw(Edge::Item(position), element)),
                    }
                }
                tag::SHAPE => {
                    let shape = object.cast::<Shape>().as_ref();
                    for position in 0..shape.len() {
                        raw(Edge::Other("key"), *shape.key(position));
                    }
                }
                tag::STRUCT_DEF => {
                    for (name, method) in object.cast::<StructDef>().as_ref().methods() {
                        f(Edge::Field(name.as_str().into()), Rc::header_ptr(method));
                    }
                }
                tag::BOUND_METHOD => self.visit(object, &mut Visitor(|child| f(Edge::Other(".self"), child))),
                tag::ITERATOR => self.visit(
                    object,
                    &mut Visitor(|child| f(Edge::Other("iterates over"), child)),
                ),
                tag::PROMISE => self.visit(object, &mut Visitor(|child| f(Edge::Other("promise"), child))),
                tag::ERROR => self.visit(
                    object,
                    &mut Visitor(|child| f(Edge::Field("value".into()), child)),
                ),
                tag::COROUTINE => self.visit(object, &mut Visitor(|child| f(Edge::Other("local"), child))),
                _ => self.visit(object, &mut Visitor(|child| f(Edge::Other("native"), child))),
            }
        }
    }

    /// Like [`Inner::each_edge`], looking through objects that are parts of others to a user.
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn user_edges(
        &self,
        object: NonNull<Header>,
        f: &mut dyn FnMut(Edge, NonNull<Header>),
    ) {
        // SAFETY: what an object holds is alive.
        unsafe {
            self.each_edge(object, &mut |edge, child| {
                let kind = child.as_ref().kind;
                if is_internal(kind) && kind != tag::COROUTINE {
                    self.each_edge(child, &mut |inner, grandchild| f(inner, grandchild));
                } else {
                    f(edge, child);
                }
            });
        }
    }

    /// Bytes of an object with its memory beside it, not what it refers to.
    pub(crate) fn own_bytes(&self, object: NonNull<Header>) -> usize {
        // SAFETY: callers pass live objects.
        unsafe {
            let header = object.as_ref();
            let beside = match header.kind {
                tag::TABLE => object.cast::<Table>().as_ref().memory_bytes(),
                tag::DICT => object.cast::<Dict>().as_ref().outside_bytes(),
                tag::COROUTINE => object.cast::<crate::Coroutine>().as_ref().memory_bytes(),
                tag::NATIVE => object.cast::<crate::NativeObject>().as_ref().charged(),
                tag::STRUCT_DEF => object.cast::<crate::StructDef>().as_ref().charged(),
                tag::ENUM_DEF => object.cast::<crate::EnumDef>().as_ref().charged(),
                tag::PROMISE => object.cast::<crate::Promise>().as_ref().waiters_bytes(),
                tag::ERROR => object.cast::<crate::ErrorObject>().as_ref().charged(),
                _ => 0,
            };
            let side = if header.has(flag::HAS_SIDE) {
                self.side(object, |side| side.bytes())
            } else {
                None
            };
            alloc::charged_bytes(object) + beside + side.unwrap_or(0)
        }
    }

    /// Bytes of an object as a user sees it: the parts that only it holds included.
    pub(crate) unsafe fn user_bytes(&self, object: NonNull<Header>) -> usize {
        let mut bytes = self.own_bytes(object);
        // SAFETY: the caller's object is alive.
        unsafe {
            self.each_edge(object, &mut |_, child| {
                let header = child.as_ref();
                if is_internal(header.kind) && header.kind != tag::COROUTINE && header.count.get() == 1 {
                    bytes += self.own_bytes(child);
                }
            });
        }
        bytes
    }

    /// The name of an object's type, as `type(v)` gives it.
    pub(crate) fn type_word(&self, object: NonNull<Header>) -> String {
        // SAFETY: callers pass live objects.
        unsafe {
            let header = object.as_ref();
            match header.kind {
                tag::INSTANCE => (*self.def_of(header.shape.get())).name().as_str().to_owned(),
                tag::ENUM_VALUE => {
                    let mut name = String::new();
                    let _ = write!(
                        name,
                        "{}",
                        object.cast::<EnumValue>().as_ref().definition().name().as_str()
                    );
                    name
                }
                tag::NATIVE => object
                    .cast::<crate::NativeObject>()
                    .as_ref()
                    .get()
                    .type_name()
                    .to_owned(),
                tag::BUFFER => "array".to_owned(),
                tag::TABLE => if header.small.get() == 0 { "dict" } else { "set" }.to_owned(),
                tag::COROUTINE if object.cast::<crate::Coroutine>().as_ref().is_generator() => {
                    "generator".to_owned()
                }
                kind => tag::name(kind).to_owned(),
            }
        }
    }
}
