//! Marking: what the known roots lead to.
//!
//! A collection of everything by trial deletion alone visits each object three times. Most of them are in plain reach of
//! the evaluator's registers and globals; marking finds those in one visit, and only the rest is to be examined by
//! counts: garbage, and what only Rust code holds. Roots need not be complete: an object that no root leads to is only not
//! marked, and what holds it from outside is a count that the examination finds. So a root that is forgotten costs time,
//! never memory that is in use.
//!
//! For the same reason marking in slices needs no barrier: what the program moves out of its way between two slices is
//! examined by counts, like all that is not marked.
//!
//! Example: a global holds the array `[a, b]`, `c` and `d` hold each other. Marking takes the array, its items, `a` and
//! `b`; of four containers and one block of items three are marked, so the chunks are searched for the other two, and trial
//! deletion frees them.
//!
//! Invariants
//! - The mark is the flag `MARK`, and its meaning turns with every pass ([`Inner::mark_value`]): nothing has to be
//!   cleared. An object without `OLD` is unmarked, whatever its `MARK` says, since new objects are born without flags.
//!   Whoever sets `OLD` sets `MARK` as the last pass did.
//! - Between two slices every entry of the work stacks is marked and `GRAY`, and there once; its death, or an owner that
//!   is about to write to items that were shared, takes it out. Within a slice the entries above `settled` are not looked
//!   at until they are taken, so that their memory can be asked for ahead.
//! - The items of an array that are not shared are reached through the array only, which knows their number.
//! - Objects of another heap are outside.
//! - The work stacks are the collector's own and not charged, as in `collector`.
#![expect(unsafe_code, reason = "walks all objects that roots lead to")]

use std::ptr::NonNull;

use crate::{Array, Buffer, Coroutine, Dict, Header, Instance, Object, Raw, Rc, Set, Table, Value, tag};

use super::visit::{SPAN, Visitor};
use super::{EMBEDDED, Inner, alloc, flag};

/// How many entries ahead of the one that is marked the memory is asked for.
const AHEAD: usize = 8;
/// Most registers of one stack that are taken as roots of a pass in slices, the innermost ones.
const MOST_REGISTERS: usize = 1 << 17;

/// The work stacks of marking.
#[derive(Default)]
pub(super) struct Marker {
    objects: Vec<NonNull<Header>>,
    /// Entries of `objects` that are marked and `GRAY`.
    settled: usize,
    /// Large objects, and the first of their entries that is still to be looked at.
    spans: Vec<(NonNull<Header>, usize)>,
    settled_spans: usize,
    count: usize,
    /// The shape of the last instance, its number of slots; its definition is marked.
    shape: u32,
    slots: usize,
}

/// Takes the roots of a pass; see the module.
pub struct Roots<'a> {
    marking: Marking<'a>,
    /// Whether to mark at once what they lead to.
    all: bool,
}

/// Marking under way.
pub(super) struct Marking<'a> {
    inner: &'a Inner,
    /// What marked objects have in `flags`, of `OLD` and `MARK`.
    marked: u8,
    marker: &'a mut Marker,
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
    /// Takes roots, and marks `all` that each leads to at once, or leaves that to slices.
    pub(super) fn new(inner: &'a Inner, marker: &'a mut Marker, all: bool) -> Self {
        Self {
            marking: Marking::new(inner, marker),
            all,
        }
    }

    /// Marks what these registers lead to.
    ///
    /// # Safety
    /// `first` points to `count` initialised registers; counted ones hold objects that are alive.
    pub unsafe fn registers(&mut self, first: *const Raw, count: usize) {
        let skipped = if self.all {
            0
        } else {
            count.saturating_sub(MOST_REGISTERS)
        };
        for index in skipped..count {
            // SAFETY: the caller's promise.
            let raw = unsafe { first.add(index).read() };
            if tag::is_container(raw.tag) {
                self.root(raw.header_ptr());
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
            self.root(Rc::header_ptr(object));
        }
    }

    fn root(&mut self, object: NonNull<Header>) {
        push(&mut self.marking.marker.objects, object);
        if self.all {
            self.marking.run(usize::MAX);
        }
    }

    /// How many objects were marked.
    pub(super) fn count(&self) -> usize {
        self.marking.marker.count
    }
}

impl Marker {
    /// Whether nothing is left to be traced.
    pub(super) fn is_done(&self) -> bool {
        self.objects.is_empty() && self.spans.is_empty()
    }

    /// How many objects were marked.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds an object that is marked and `GRAY`, between two slices.
    fn add_settled(&mut self, object: NonNull<Header>) {
        debug_assert!(self.settled == self.objects.len());
        self.objects.push(object);
        self.settled += 1;
    }

    /// Gives up: no entry is `GRAY` from here on.
    pub(super) fn abandon(&mut self, inner: &Inner) {
        debug_assert!(self.settled == self.objects.len() && self.settled_spans == self.spans.len());
        let spans = self.spans.drain(..).map(|(object, _)| object);
        for object in self.objects.drain(..).chain(spans) {
            if !inner.take_gone(object) {
                // SAFETY: entries that are not gone are alive.
                unsafe { object.as_ref() }.clear_flag(flag::GRAY);
            }
        }
        *self = Self::default();
    }
}

impl<'a> Marking<'a> {
    pub(super) fn new(inner: &'a Inner, marker: &'a mut Marker) -> Self {
        // Definitions may have gone since the last slice.
        marker.shape = 0;
        marker.slots = 0;
        Self {
            inner,
            marked: flag::OLD | inner.mark_value.get(),
            marker,
        }
    }

    /// Traces until nothing is left or `units` are used up, about one for each entry looked at; gives what is left of
    /// them.
    pub(super) fn run(&mut self, units: usize) -> usize {
        let mut left = units;
        while left > 0 {
            if let Some(object) = self.marker.objects.pop() {
                left -= 1;
                // SAFETY: an entry that is not gone is alive, as is what an object that is alive holds.
                unsafe {
                    if self.marker.objects.len() < self.marker.settled {
                        self.marker.settled = self.marker.objects.len();
                        if !self.inner.take_gone(object) {
                            object.as_ref().clear_flag(flag::GRAY);
                            self.trace(object);
                        }
                    } else {
                        self.mark(object);
                    }
                }
            } else if let Some((object, from)) = self.marker.spans.pop() {
                left = left.saturating_sub(SPAN / 4);
                if self.marker.spans.len() < self.marker.settled_spans {
                    self.marker.settled_spans = self.marker.spans.len();
                    if self.inner.take_gone(object) {
                        continue;
                    }
                    // SAFETY: an entry that is not gone is alive.
                    unsafe { object.as_ref() }.clear_flag(flag::GRAY);
                }
                // SAFETY: as above.
                unsafe { self.mark_span(object, from) };
            } else {
                break;
            }
        }
        left
    }

    /// Prepares the work stacks for the program to run: all entries are marked and `GRAY`. Gives how many were new.
    pub(super) fn settle(&mut self) -> usize {
        let Marker {
            objects,
            settled,
            spans,
            settled_spans,
            count,
            ..
        } = &mut *self.marker;
        let new = objects.len() - *settled;
        let mut kept = *settled;
        for index in *settled..objects.len() {
            prefetch(objects[(index + AHEAD).min(objects.len() - 1)].as_ptr().cast());
            let object = objects[index];
            // SAFETY: within a slice all entries are alive.
            let header = unsafe { object.as_ref() };
            // SAFETY: as above.
            if header.class == EMBEDDED || unsafe { alloc::heap_of(object) } != NonNull::from(self.inner) {
                continue;
            }
            let flags = header.flags.get();
            if flags & (flag::OLD | flag::MARK) != self.marked {
                header.flags.set(flags & !flag::MARK | self.marked | flag::GRAY);
                *count += 1;
                objects[kept] = object;
                kept += 1;
            }
        }
        objects.truncate(kept);
        *settled = kept;
        for (object, _) in &spans[*settled_spans..] {
            // SAFETY: as above.
            unsafe { object.as_ref() }.set_flag(flag::GRAY);
        }
        *settled_spans = spans.len();
        new
    }

    /// Marks what a large object holds, from an entry on, for a slice; the rest waits its turn.
    unsafe fn mark_span(&mut self, object: NonNull<Header>, from: usize) {
        let to = from + SPAN;
        // SAFETY: the caller's object and all it leads to are alive; the kind says what a block holds.
        unsafe {
            let (items, len) = match object.as_ref().kind {
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    (array.items(), array.len())
                }
                tag::BUFFER => {
                    let buffer = object.cast::<Buffer>().as_ref();
                    (buffer.items_ptr().cast_const(), buffer.len())
                }
                tag::COROUTINE => {
                    let stack = object.cast::<Coroutine>().as_ref();
                    (stack.registers().cast_const(), stack.top.get() as usize)
                }
                _ => {
                    let mut visitor = Visitor(|child| push(&mut self.marker.objects, child));
                    let table = object.cast::<Table>().as_ref();
                    if table.visit_span(from, to, &mut visitor) {
                        self.marker.spans.push((object, to));
                    }
                    return;
                }
            };
            if to < len {
                self.marker.spans.push((object, to));
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
        }
    }

    /// Marks an object and puts on the stack what it holds.
    #[inline(always)]
    unsafe fn mark(&mut self, object: NonNull<Header>) {
        // SAFETY: the caller's object is alive.
        unsafe {
            let header = object.as_ref();
            let flags = header.flags.get();
            if flags & (flag::OLD | flag::MARK) == self.marked
                || alloc::heap_of(object) != NonNull::from(self.inner)
            {
                return;
            }
            header.flags.set(flags & !flag::MARK | self.marked);
            self.marker.count += 1;
            self.trace(object);
        }
    }

    /// Puts on the stack what a marked object holds.
    #[inline(always)]
    unsafe fn trace(&mut self, object: NonNull<Header>) {
        // SAFETY: the caller's object and all it leads to are alive; the kind says what a block holds.
        unsafe {
            let header = object.as_ref();
            if header.kind != tag::INSTANCE {
                return self.trace_part(object);
            }
            let shape = header.shape.get();
            if shape != self.marker.shape {
                self.meet_shape(shape, header.small.get());
            }
            let slots = object.cast::<Instance>().as_ref().slots_ptr();
            for index in 0..self.marker.slots {
                let slot = slots.add(index);
                if tag::is_container((*slot).tag) {
                    push(&mut self.marker.objects, (*slot).header_ptr());
                }
            }
            if header.has(flag::HAS_SIDE) {
                let objects = &mut self.marker.objects;
                self.inner
                    .visit_side(object, &mut Visitor(|child| push(objects, child)));
            }
        }
    }

    /// An instance of a definition that is not the last one met.
    #[cold]
    unsafe fn meet_shape(&mut self, shape: u32, small: u8) {
        // SAFETY: an instance holds its definition.
        unsafe {
            let def = self.inner.def_of(shape);
            self.marker.shape = shape;
            self.marker.slots = Instance::slot_count_with(small, def);
            push(
                &mut self.marker.objects,
                NonNull::new_unchecked(def.cast_mut()).cast(),
            );
        }
    }

    /// The same for what is no instance.
    unsafe fn trace_part(&mut self, object: NonNull<Header>) {
        // SAFETY: as for `trace`.
        unsafe {
            let header = object.as_ref();
            // The record's own stand-ins are in no chunk.
            self.marker.count -= usize::from(header.class == EMBEDDED);
            match header.kind {
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    if let Some(buffer) = array.buffer_header() {
                        if array.has_snapshots() {
                            push(&mut self.marker.objects, buffer);
                            return;
                        }
                        array.sync_buffer_length();
                        if !self.mark_storage(buffer) {
                            return;
                        }
                        if array.len() > SPAN {
                            self.marker.spans.push((object, 0));
                            return;
                        }
                    }
                    self.push_raws(array.items(), array.len());
                }
                tag::DICT => {
                    let dict = object.cast::<Dict>().as_ref();
                    match dict.table_header() {
                        Some(table) if self.mark_storage(table) => self.trace_table(table),
                        Some(_) => {}
                        None => {
                            let values = dict.record_values();
                            self.push_raws(values.as_ptr(), values.len());
                        }
                    }
                }
                tag::SET => {
                    let set = object.cast::<Set>().as_ref();
                    match set.table_header() {
                        Some(table) if self.mark_storage(table) => self.trace_table(table),
                        Some(_) => {}
                        None => {
                            let objects = &mut self.marker.objects;
                            set.each_inline(|_, element| {
                                if tag::is_container(element.tag) {
                                    push(objects, element.header_ptr());
                                }
                            });
                        }
                    }
                }
                tag::BUFFER => {
                    let buffer = object.cast::<Buffer>().as_ref();
                    if buffer.len() > SPAN {
                        self.marker.spans.push((object, 0));
                    } else {
                        self.push_raws(buffer.items_ptr(), buffer.len());
                    }
                }
                tag::TABLE => self.trace_table(object),
                tag::COROUTINE if object.cast::<Coroutine>().as_ref().top.get() as usize > SPAN => {
                    let stack = object.cast::<Coroutine>().as_ref();
                    for raw in [stack.promise(), stack.awaiting()] {
                        self.push_raws(&raw const raw, 1);
                    }
                    self.marker.spans.push((object, 0));
                }
                _ => {
                    let objects = &mut self.marker.objects;
                    self.inner
                        .visit(object, &mut Visitor(|child| push(objects, child)));
                }
            }
        }
    }

    unsafe fn push_raws(&mut self, items: *const Raw, count: usize) {
        for index in 0..count {
            // SAFETY: the caller's object has so many items.
            let item = unsafe { items.add(index).read() };
            if tag::is_container(item.tag) {
                push(&mut self.marker.objects, item.header_ptr());
            }
        }
    }

    /// Marks the items or the table of a collection; whether they were not marked.
    unsafe fn mark_storage(&mut self, storage: NonNull<Header>) -> bool {
        // SAFETY: the collection's storage is alive.
        let header = unsafe { storage.as_ref() };
        let flags = header.flags.get();
        if flags & (flag::OLD | flag::MARK) == self.marked {
            return false;
        }
        header.flags.set(flags & !flag::MARK | self.marked);
        // The record's own stand-ins are in no chunk.
        self.marker.count += usize::from(header.class != EMBEDDED);
        true
    }

    unsafe fn trace_table(&mut self, table: NonNull<Header>) {
        // SAFETY: the caller's table is alive.
        let content = unsafe { table.cast::<Table>().as_ref() };
        if content.span() > SPAN {
            self.marker.spans.push((table, 0));
        } else {
            content.visit(&mut Visitor(|child| push(&mut self.marker.objects, child)));
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

    /// Marks an object for the pass in slices between two of them, and leaves it to be traced.
    unsafe fn mark_gray(&self, object: NonNull<Header>) {
        // SAFETY: the caller's object is alive.
        let header = unsafe { object.as_ref() };
        let flags = header.flags.get();
        let marked = flag::OLD | self.mark_value.get();
        // SAFETY: as above.
        let is_own = || unsafe { alloc::heap_of(object) } == NonNull::from(self);
        if flags & (flag::OLD | flag::MARK) != marked && header.class != EMBEDDED && is_own() {
            header.flags.set(flags & !flag::MARK | marked | flag::GRAY);
            self.marker.with(|marker| marker.add_settled(object));
        }
    }

    /// Leaves all that an object holds to be traced.
    pub(super) unsafe fn mark_children(&self, object: NonNull<Header>) {
        // SAFETY: the caller's object is alive, and what it holds.
        unsafe {
            self.visit(
                object,
                &mut Visitor(|child: NonNull<Header>| self.mark_gray(child)),
            );
        }
    }

    /// Leaves to be traced what an object that dies holds and something else holds as well; of a large one only what it
    /// begins with, so that its death takes no longer for it.
    pub(super) unsafe fn mark_survivors(&self, object: NonNull<Header>) {
        let mut visitor = Visitor(|child: NonNull<Header>| {
            // SAFETY: what an object holds is alive until it lets go.
            unsafe {
                if child.as_ref().count.get() > 1 {
                    self.mark_gray(child);
                }
            }
        });
        // SAFETY: the caller's object is intact, and so is its storage.
        unsafe {
            self.visit_part(object, 0, &mut visitor);
            if let Some(storage) = Self::storage_of(object)
                && storage.as_ref().count.get() == 1
            {
                self.visit_part(storage, 0, &mut visitor);
            }
        }
    }

    /// Leaves what a young pass found alive to be traced, in the middle of marking: it is marked, and may be all that
    /// leads to an old object.
    pub(super) fn trace_survivors(&self, survivors: impl Iterator<Item = NonNull<Header>>) {
        self.marker.with(|marker| {
            for object in survivors {
                // SAFETY: callers pass live objects.
                let header = unsafe { object.as_ref() };
                if header.kind == tag::BUFFER {
                    // Its array is a survivor as well, and marks it in its turn.
                    header.flags.set(header.flags.get() ^ flag::MARK);
                } else if !header.has(flag::GRAY) {
                    header.set_flag(flag::GRAY);
                    marker.add_settled(object);
                }
            }
        });
    }

    /// Whether the address in a work stack is to be passed over, once.
    pub(super) fn take_gone(&self, object: NonNull<Header>) -> bool {
        self.watched.with(|watched| watched.take_gone(object))
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
