//! What an object holds: the one list of children, used by the collector and by `retained`.
//!
//! Invariant: `visit` names every counted pointer to a *container* that `release_contents` would give back, once per
//! count, and no other. Strings and other leaves are left out, since no cycle goes through them. A count that is not
//! named only keeps its target alive; naming one that is not held would free something in use.
#![expect(unsafe_code, reason = "reads objects by kind")]

use std::ptr::NonNull;

use crate::{
    Array, BoundMethod, Buffer, Cell, Closure, Coroutine, Dict, EnumValue, ErrorObject, Instance, Iter,
    NativeObject, Object, Promise, Raw, Rc, Set, StructDef, Table, Value, tag,
};

use super::{Header, Inner, flag};

/// Entries of a large buffer or table that are visited at a time.
pub(super) const SPAN: usize = 512;

/// Receives the containers that an object holds.
pub(crate) struct Visitor<F: FnMut(NonNull<Header>)>(pub(crate) F);

impl<F: FnMut(NonNull<Header>)> Visitor<F> {
    #[inline(always)]
    pub(crate) fn raw(&mut self, raw: Raw) {
        if tag::is_container(raw.tag) {
            (self.0)(raw.header_ptr());
        }
    }

    #[inline]
    pub(crate) fn value(&mut self, value: &Value) {
        self.raw(Raw::of_value(value));
    }

    #[inline]
    pub(crate) fn rc<T: Object>(&mut self, object: &Rc<T>) {
        (self.0)(Rc::header_ptr(object));
    }

    pub(super) unsafe fn raws(&mut self, items: *const Raw, count: usize) {
        for index in 0..count {
            // SAFETY: the caller's object has `count` items.
            self.raw(unsafe { items.add(index).read() });
        }
    }
}

impl Inner {
    /// The items or the table of a collection that are an object of their own; an array's know their number then.
    ///
    /// # Safety
    /// `object` is alive.
    pub(super) unsafe fn storage_of(object: NonNull<Header>) -> Option<NonNull<Header>> {
        // SAFETY: the kind says what the block holds.
        unsafe {
            match object.as_ref().kind {
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    array.sync_buffer_length();
                    array.buffer_header()
                }
                tag::DICT => object.cast::<Dict>().as_ref().table_header(),
                tag::SET => object.cast::<Set>().as_ref().table_header(),
                _ => None,
            }
        }
    }

    /// Like [`Inner::visit`], but of a large buffer or table only [`SPAN`] entries from `from` on; gives where to go on.
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(super) unsafe fn visit_part<F: FnMut(NonNull<Header>)>(
        &self,
        object: NonNull<Header>,
        from: usize,
        visitor: &mut Visitor<F>,
    ) -> Option<usize> {
        let to = from + SPAN;
        // SAFETY: the kind says what the block holds.
        unsafe {
            let more = match object.as_ref().kind {
                tag::BUFFER => object.cast::<Buffer>().as_ref().visit_span(from, to, visitor),
                tag::TABLE => object.cast::<Table>().as_ref().visit_span(from, to, visitor),
                _ => {
                    self.visit(object, visitor);
                    false
                }
            };
            more.then_some(to)
        }
    }

    /// Calls the visitor with every container that `object` holds a count of.
    ///
    /// # Safety
    /// `object` is alive.
    #[inline]
    pub(crate) unsafe fn visit<F: FnMut(NonNull<Header>)>(
        &self,
        object: NonNull<Header>,
        visitor: &mut Visitor<F>,
    ) {
        // SAFETY: the kind says what the block holds.
        unsafe {
            let header = object.as_ref();
            match header.kind {
                tag::INSTANCE => {
                    let instance = object.cast::<Instance>().as_ref();
                    let def = self.def_of(header.shape.get());
                    let count = Instance::slot_count_with(header.small.get(), def);
                    visitor.raws(instance.slots_ptr(), count);
                    (visitor.0)(NonNull::new_unchecked(def.cast_mut()).cast());
                    if header.has(flag::HAS_SIDE) {
                        self.visit_side(object, visitor);
                    }
                }
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    match array.buffer_header() {
                        Some(buffer) => (visitor.0)(buffer),
                        None => visitor.raws(array.items(), array.len()),
                    }
                }
                tag::BUFFER => {
                    let buffer = object.cast::<Buffer>().as_ref();
                    visitor.raws(buffer.items_ptr(), header.shape.get() as usize);
                }
                tag::FUNCTION | tag::ASYNC_FUNCTION => {
                    let closure = object.cast::<Closure>().as_ref();
                    visitor.raws(closure.captures_ptr(), closure.len());
                }
                tag::ENUM_VALUE => {
                    let value = object.cast::<EnumValue>().as_ref();
                    visitor.raws(value.payload_ptr(), value.len());
                }
                tag::CELL => visitor.raw(object.cast::<Cell>().as_ref().get_raw()),
                tag::TABLE => object.cast::<Table>().as_ref().visit(visitor),
                tag::DICT => object.cast::<Dict>().as_ref().visit(visitor),
                tag::SET => object.cast::<Set>().as_ref().visit(visitor),
                tag::COROUTINE => object.cast::<Coroutine>().as_ref().visit(visitor),
                tag::STRUCT_DEF => object.cast::<StructDef>().as_ref().visit(visitor),
                tag::BOUND_METHOD => object.cast::<BoundMethod>().as_ref().visit(visitor),
                tag::ITERATOR => object.cast::<Iter>().as_ref().visit(visitor),
                tag::PROMISE => object.cast::<Promise>().as_ref().visit(visitor),
                tag::ERROR => object.cast::<ErrorObject>().as_ref().visit(visitor),
                tag::NATIVE => object.cast::<NativeObject>().as_ref().visit(visitor),
                _ => {}
            }
        }
    }
}
