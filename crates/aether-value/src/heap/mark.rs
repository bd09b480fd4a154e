//! Marking: what the known roots lead to.
//!
//! A collection of everything by trial deletion alone visits each object three times. Most of them are in plain reach of
//! the evaluator's registers and globals; marking finds those in one visit, and trial deletion is left with the
//! rest: garbage, and what only Rust code holds. Roots need not be complete: an object that no root leads to is only not
//! marked, and what holds it from outside is a count that trial deletion finds. So a root that is forgotten costs time,
//! never memory that is in use.
//!
//! Example: a global holds the array `[a, b]`, `c` and `d` hold each other. Marking takes the array, its items, `a` and
//! `b`; of four containers and one block of items three are marked, so the chunks are searched for the other two, and trial
//! deletion frees them.
//!
//! Invariants
//! - The mark is the flag `MARK`, and its meaning turns with every pass ([`Inner::mark_value`]): nothing has to be
//!   cleared. An object without `OLD` is unmarked, whatever its `MARK` says, since new objects are born without flags.
//!   Whoever sets `OLD` sets `MARK` as the last pass did.
//! - Objects of another heap are outside.
//! - The work stacks are the collector's own and not charged, as in `collector`.
#![expect(unsafe_code, reason = "walks all objects that roots lead to")]

use std::ptr::NonNull;

use crate::{Array, Buffer, Dict, Header, Instance, Object, Raw, Rc, Set, Table, Value, tag};

use super::visit::Visitor;
use super::{EMBEDDED, Inner, alloc, flag};

/// Entries of a large buffer or table whose children are put on the work stack at a time.
const SLICE: usize = 512;

/// How many entries ahead of the one that is marked the memory is asked for.
const AHEAD: usize = 8;

/// Takes the roots of a pass; see the module.
pub struct Roots<'a> {
    inner: &'a Inner,
    /// What marked objects have in `flags`, of `OLD` and `MARK`.
    marked: u8,
    count: usize,
    objects: Vec<NonNull<Header>>,
    spans: Vec<(NonNull<Header>, usize)>,
    /// The shape of the last instance, its number of slots; its definition is marked.
    shape: u32,
    slots: usize,
}

fn object_kind<T: Object>(object: &Rc<T>) -> u8 {
    // SAFETY: an `Rc` keeps its object alive.
    unsafe { Rc::header_ptr(object).as_ref() }.kind
}

/// Asks the processor to have the memory at hand soon.
#[inline(always)]
fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint; no memory is read.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast::<i8>());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

impl<'a> Roots<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self {
            inner,
            marked: flag::OLD | inner.mark_value.get(),
            count: 0,
            objects: Vec::new(),
            spans: Vec::new(),
            shape: 0,
            slots: 0,
        }
    }

    /// Marks what these registers lead to.
    ///
    /// # Safety
    /// `first` points to `count` initialised registers; counted ones hold objects that are alive.
    pub unsafe fn registers(&mut self, first: *const Raw, count: usize) {
        for index in 0..count {
            // SAFETY: the caller's promise.
            let raw = unsafe { first.add(index).read() };
            if tag::is_container(raw.tag) {
                self.objects.push(raw.header_ptr());
                self.trace();
            }
        }
    }

    /// Marks what a value leads to.
    pub fn value(&mut self, value: &Value) {
        // SAFETY: a value is a register's content, and what it holds is alive.
        unsafe { self.registers(std::ptr::from_ref(value).cast(), 1) }
    }

    /// Marks an object and what it leads to.
    pub fn object<T: Object>(&mut self, object: &Rc<T>) {
        if tag::is_container(object_kind(object)) {
            self.objects.push(Rc::header_ptr(object));
            self.trace();
        }
    }

    /// How many objects were marked.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn trace(&mut self) {
        loop {
            if let Some(object) = self.objects.pop() {
                // SAFETY: what an object that is alive holds is alive.
                unsafe { self.mark(object) };
            } else if let Some((object, from)) = self.spans.pop() {
                // SAFETY: as above.
                unsafe { self.mark_span(object, from) };
            } else {
                return;
            }
        }
    }

    /// Marks what a large buffer or table holds, from an entry on, for a slice; the rest waits its turn.
    unsafe fn mark_span(&mut self, object: NonNull<Header>, from: usize) {
        let to = from + SLICE;
        // SAFETY: the caller's object and all it leads to are alive; the kind says what a block holds.
        unsafe {
            if object.as_ref().kind == tag::BUFFER {
                let buffer = object.cast::<Buffer>().as_ref();
                let (items, len) = (buffer.items_ptr().cast_const(), buffer.len());
                if to < len {
                    self.spans.push((object, to));
                }
                let end = to.min(len);
                for index in from..end {
                    // Whatever the payload is: a hint is never wrong.
                    let ahead = items.add((index + AHEAD).min(end - 1));
                    prefetch(std::ptr::with_exposed_provenance((*ahead).payload as usize));
                    let item = items.add(index);
                    if tag::is_container((*item).tag) {
                        self.mark((*item).header_ptr());
                    }
                }
            } else {
                let mut visitor = Visitor(|child| push(&mut self.objects, child));
                let table = object.cast::<Table>().as_ref();
                if table.visit_span(from, to, &mut visitor) {
                    self.spans.push((object, to));
                }
            }
        }
    }

    /// Marks an object and puts on the stack what it holds.
    #[inline(always)]
    unsafe fn mark(&mut self, mut object: NonNull<Header>) {
        // SAFETY: the caller's object and all it leads to are alive; the kind says what a block holds.
        unsafe {
            loop {
                let header = object.as_ref();
                let flags = header.flags.get();
                if flags & (flag::OLD | flag::MARK) == self.marked
                    || alloc::heap_of(object) != NonNull::from(self.inner)
                {
                    return;
                }
                header.flags.set(flags & !flag::MARK | self.marked);
                self.count += 1;
                if header.kind == tag::INSTANCE {
                    let shape = header.shape.get();
                    if shape != self.shape {
                        self.meet_shape(shape, header.small.get());
                    }
                    let slots = object.cast::<Instance>().as_ref().slots_ptr();
                    for index in 0..self.slots {
                        let slot = slots.add(index);
                        if tag::is_container((*slot).tag) {
                            push(&mut self.objects, (*slot).header_ptr());
                        }
                    }
                    if flags & flag::HAS_SIDE != 0 {
                        let objects = &mut self.objects;
                        self.inner
                            .visit_side(object, &mut Visitor(|child| push(objects, child)));
                    }
                    return;
                }
                match self.mark_part(object) {
                    Some(part) => object = part,
                    None => return,
                }
            }
        }
    }

    /// An instance of a definition that is not the last one met.
    #[cold]
    unsafe fn meet_shape(&mut self, shape: u32, small: u8) {
        // SAFETY: an instance holds its definition.
        unsafe {
            let def = self.inner.def_of(shape);
            self.shape = shape;
            self.slots = Instance::slot_count_with(small, def);
            push(&mut self.objects, NonNull::new_unchecked(def.cast_mut()).cast());
        }
    }

    /// What an object other than an instance holds: on the stack, or the part of it that is to be marked next.
    unsafe fn mark_part(&mut self, object: NonNull<Header>) -> Option<NonNull<Header>> {
        // SAFETY: as for `mark`.
        unsafe {
            let header = object.as_ref();
            // The record's own stand-ins are in no chunk.
            self.count -= usize::from(header.class == EMBEDDED);
            match header.kind {
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    if array.is_inline() {
                        for item in array.own_items() {
                            if tag::is_container(item.tag) {
                                push(&mut self.objects, item.header_ptr());
                            }
                        }
                        return None;
                    }
                    array.sync_buffer_length();
                    return array.buffer_header();
                }
                tag::DICT => {
                    let dict = object.cast::<Dict>().as_ref();
                    for value in dict.record_values() {
                        if tag::is_container(value.tag) {
                            push(&mut self.objects, value.header_ptr());
                        }
                    }
                    return dict.table_header();
                }
                tag::SET => {
                    let set = object.cast::<Set>().as_ref();
                    set.each_inline(|_, element| {
                        if tag::is_container(element.tag) {
                            push(&mut self.objects, element.header_ptr());
                        }
                    });
                    return set.table_header();
                }
                tag::BUFFER if header.shape.get() as usize > SLICE => self.spans.push((object, 0)),
                tag::TABLE if object.cast::<Table>().as_ref().span() > SLICE => {
                    self.spans.push((object, 0));
                }
                _ => {
                    let objects = &mut self.objects;
                    self.inner
                        .visit(object, &mut Visitor(|child| push(objects, child)));
                }
            }
            None
        }
    }
}

#[inline(always)]
fn push(objects: &mut Vec<NonNull<Header>>, child: NonNull<Header>) {
    prefetch(child.as_ptr().cast());
    objects.push(child);
}

impl Inner {
    /// Turns the meaning of the mark for the pass that begins.
    pub(super) fn turn_mark(&self) {
        self.mark_value.set(self.mark_value.get() ^ flag::MARK);
    }

    /// Makes an object old.
    #[inline(always)]
    pub(super) fn age(&self, header: &Header) {
        let flags = header.flags.get() & !flag::MARK;
        header.flags.set(flags | flag::OLD | self.mark_value.get());
    }

    /// Lists the containers that the marking just done has not reached, which are old and marked from now on.
    pub(super) fn list_unmarked(&self) -> Vec<NonNull<Header>> {
        let marked = flag::OLD | self.mark_value.get();
        let mut set = Vec::new();
        self.each_object(alloc::CONTAINERS, |object| {
            // SAFETY: the walk gives live objects.
            let header = unsafe { object.as_ref() };
            if header.flags.get() & (flag::OLD | flag::MARK) != marked && tag::is_container(header.kind) {
                self.age(header);
                header.set_flag(flag::LISTED);
                set.push(object);
            }
        });
        // An array's own length is what counts until it shares its buffer.
        for object in &set {
            // SAFETY: the walk gave live objects; the kind says what they are.
            unsafe {
                if object.as_ref().kind == tag::ARRAY {
                    object.cast::<Array>().as_ref().sync_buffer_length();
                }
            }
        }
        set
    }
}
