//! What happens when a count reaches zero.
//!
//! A dead object goes to a work list threaded through the dead objects' own headers; whoever finds the list idle
//! empties it. Emptying takes the first object, gives back the counts it holds, in order of its contents, and frees
//! it; what dies of that goes to the front of the list, in the same order. That is the order in which recursion would
//! free a tree, and keeps to memory that was just touched (a third quicker on a binary tree than appending). But
//! releasing never recurses, never allocates, and a chain of any length dies in constant stack.
//!
//! Invariants
//! - `queue_last` is the last object that was put in since the latest one was taken out, null if none was.
//! - An object's weak cell is emptied when it enters the list: nothing can revive it.
//! - A generator that has to be closed does not die before: it moves to the queue of finalizers.
//! - The list is empty when the outermost release returns.
//! - Of many items of a collection, instances that hold no containers die at once, without passing through the list:
//!   their end shows nowhere else.
//! - Once the program is over its limits (`heap/put_off.rs`), the list is left as it is, with `draining` set, so that
//!   what dies from then on joins it. The items of a large collection may then have been released in part.
//! - Dropping a [`crate::Native`] runs host code, which may release more values; they join the list.
#![expect(unsafe_code, reason = "tears objects down by kind")]

use std::ptr::NonNull;

use crate::{
    Array, BoundMethod, Buffer, Cell, Closure, Coroutine, Dict, EnumConstructor, EnumDef, EnumValue,
    ErrorObject, Instance, Iter, Module, NativeObject, Promise, Raw, Set, Shape, StructDef, Table, WeakCell,
    tag,
};

use super::candidate::is_trapped;
use super::header::STICKY;
use super::{Header, Inner, alloc, flag};

/// Objects that die, or items that are released, between two looks at the limits.
const BATCH: usize = 1 << 12;

/// The count of `object` just went to zero, or it is stuck.
///
/// # Safety
/// `object` is an object of some heap whose last count was given back.
#[cold]
#[inline(never)]
pub(crate) unsafe fn count_reached_zero(object: NonNull<Header>) {
    // SAFETY: the object's memory is still intact; it is unreachable from here on.
    unsafe {
        let header = object.as_ref();
        let heap = alloc::heap_of(object);
        let inner = heap.as_ref();
        let count = header.count.get();
        if count != 0 {
            if !is_trapped(count) {
                header.count.set(STICKY);
                return;
            }
            inner.trapped_count_changed(object);
            if header.count.get() != 0 {
                return;
            }
        }
        if header.has(flag::HAS_SIDE | flag::INTERNED | flag::GRAY) {
            inner.on_death(object);
        }
        if header.kind == tag::STRING {
            if header.has(flag::RECENT) {
                inner.forget(object.cast().as_ref());
            }
            inner.free(object);
            if inner.handles.get() == 0 {
                free_if_unused(heap);
            }
            return;
        }
        if header.kind == tag::COROUTINE && inner.queue_to_close(object) {
            header.count.set(1);
            return;
        }
        if inner.draining.get() {
            inner.enqueue(object);
            return;
        }
        inner.draining.set(true);
        header.count.set(header.shape.get());
        inner.tear_down(object);
        if inner.queue_head.get().is_null() {
            inner.draining.set(false);
            if inner.handles.get() == 0 {
                free_if_unused(heap);
            }
            return;
        }
        finish(heap);
    }
}

/// Empties the work list and ends the draining; frees the record itself if nothing needs it any more. A list that is put
/// off stays.
///
/// # Safety
/// The record is alive and `draining` is set by the caller.
pub(super) unsafe fn finish(heap: NonNull<Inner>) {
    // SAFETY: the record lives until the orphan check.
    unsafe {
        let inner = heap.as_ref();
        while !inner.is_putting_off() {
            for _ in 0..BATCH {
                let Some(object) = inner.dequeue() else {
                    inner.draining.set(false);
                    free_if_unused(heap);
                    return;
                };
                inner.tear_down(object);
            }
            inner.look_at_limits();
        }
    }
}

/// Frees the record when neither handles nor objects lead to it.
#[cold]
unsafe fn free_if_unused(heap: NonNull<Inner>) {
    // SAFETY: the record is alive.
    unsafe {
        let inner = heap.as_ref();
        if inner.handles.get() == 0
            && inner.live_objects() == 0
            && !inner.draining.get()
            && !inner.collecting.get()
        {
            Inner::destroy(heap);
        }
    }
}

/// The record that one of its own stand-ins belongs to.
pub(super) unsafe fn embedded_heap(object: NonNull<Header>) -> NonNull<Inner> {
    // SAFETY: the two stand-ins are fields of the record.
    unsafe {
        let offset = if object.as_ref().kind == tag::BUFFER {
            std::mem::offset_of!(Inner, empty_buffer)
        } else {
            std::mem::offset_of!(Inner, empty_table)
        };
        object.byte_sub(offset).cast()
    }
}

impl Inner {
    /// Puts a dead object into the work list, behind the others that died of the same object.
    unsafe fn enqueue(&self, object: NonNull<Header>) {
        // SAFETY: the object is dead, its header words are ours; `queue_last` is an object in the list.
        unsafe {
            let header = object.as_ref();
            header.count.set(header.shape.get());
            if let Some(last) = NonNull::new(self.queue_last.get()) {
                next_of(object).write(next_of(last).read());
                next_of(last).write(object.as_ptr());
            } else {
                next_of(object).write(self.queue_head.get());
                self.queue_head.set(object.as_ptr());
            }
            self.queue_last.set(object.as_ptr());
        }
    }

    unsafe fn dequeue(&self) -> Option<NonNull<Header>> {
        let object = NonNull::new(self.queue_head.get())?;
        // SAFETY: objects in the list hold the next one in bytes 8 to 15.
        let next = unsafe { next_of(object).read() };
        self.queue_head.set(next);
        self.queue_last.set(std::ptr::null_mut());
        Some(object)
    }

    /// Gives back what a dead object holds, then its memory. Its shape is in `count`.
    unsafe fn tear_down(&self, object: NonNull<Header>) {
        // SAFETY: the object is dead and its contents intact.
        unsafe {
            let header = object.as_ref();
            let shape = header.count.get();
            match header.kind {
                tag::INSTANCE => self.release_instance(object, shape),
                tag::BUFFER => return self.tear_down_buffer(object, shape as usize),
                tag::TABLE => return self.tear_down_table(object),
                _ => self.release_contents(object, shape),
            }
            self.free(object);
        }
    }

    /// Gives back what an instance holds: the most frequent death, kept inline.
    #[inline(always)]
    unsafe fn release_instance(&self, object: NonNull<Header>, shape: u32) {
        // SAFETY: the caller's object is an instance of this shape, which it keeps alive; it owns these counts.
        unsafe {
            let instance = object.cast::<Instance>().as_ref();
            let def = self.def_of(shape);
            let count = Instance::slot_count_with(instance.header.small.get(), def);
            release_raws(instance.slots_ptr(), count);
            Header::release(NonNull::new_unchecked(def.cast_mut()).cast());
        }
    }

    /// The definition of a shape that an instance keeps alive.
    #[inline(always)]
    pub(super) unsafe fn def_of(&self, shape: u32) -> *const StructDef {
        // SAFETY: shape ids are indices of this vector.
        self.shapes
            .with(|shapes| unsafe { *shapes.get_unchecked(shape as usize) })
    }

    /// Whether a buffer or table has no owner but the collection that is dying while the list is emptied: it may die at
    /// once, without passing through the list, which it would leave next.
    #[inline(always)]
    unsafe fn is_last_reference(&self, storage: NonNull<Header>) -> bool {
        // SAFETY: the dying collection owns a count of it.
        let header = unsafe { storage.as_ref() };
        let has_to_pass = flag::HAS_SIDE | flag::GRAY | flag::CANDIDATE;
        header.count.get() == 1 && !header.has(has_to_pass) && self.draining.get()
    }

    /// Gives back what a table holds, then its memory; of a large one perhaps a part, while the table joins the list.
    #[inline(always)]
    unsafe fn tear_down_table(&self, table: NonNull<Header>) {
        // SAFETY: the table is dead and its contents intact.
        unsafe {
            let entries = table.cast::<Table>().as_ref();
            if entries.span() > BATCH {
                return self.tear_down_large_table(table);
            }
            entries.release_entries(self);
            self.free(table);
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn tear_down_large_table(&self, table: NonNull<Header>) {
        // SAFETY: as above; a table knows which entries are left.
        unsafe {
            while table.cast::<Table>().as_ref().release_some(self, BATCH) {
                self.look_at_limits();
                if self.is_putting_off() {
                    return self.enqueue(table);
                }
            }
            self.free(table);
        }
    }

    /// The same for a buffer of `count` items.
    #[inline(always)]
    unsafe fn tear_down_buffer(&self, buffer: NonNull<Header>, count: usize) {
        // SAFETY: the buffer is dead and its items intact.
        unsafe {
            if count > BATCH {
                return self.tear_down_large_buffer(buffer, count);
            }
            self.release_items(buffer.cast::<Buffer>().as_ref().items_ptr(), count);
            self.free(buffer);
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn tear_down_large_buffer(&self, buffer: NonNull<Header>, count: usize) {
        // SAFETY: as above; the items below `from` have been released.
        unsafe {
            let items = buffer.cast::<Buffer>().as_ref().items_ptr();
            let mut from = self.take_progress(buffer);
            while from < count {
                let part = BATCH.min(count - from);
                self.release_part_of_items(items.add(from), part, (*items).tag);
                from += part;
                self.look_at_limits();
                if from < count && self.is_putting_off() {
                    self.keep_progress(buffer, from);
                    // Its length goes the way of every object's shape.
                    buffer.as_ref().shape.set(count as u32);
                    return self.enqueue(buffer);
                }
            }
            self.free(buffer);
        }
    }

    /// Gives back the counts and the memory that an object holds, leaving only its own block.
    ///
    /// # Safety
    /// Nothing reads the object's contents afterwards.
    pub(crate) unsafe fn release_contents(&self, object: NonNull<Header>, shape: u32) {
        // SAFETY: the kind says what the block holds; each arm gives up exactly the counts that this kind owns.
        unsafe {
            match object.as_ref().kind {
                tag::INSTANCE => self.release_instance(object, shape),
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    match array
                        .buffer_header()
                        .filter(|&buffer| self.is_last_reference(buffer))
                    {
                        Some(buffer) => self.tear_down_buffer(buffer, array.len()),
                        None if array.is_inline() => release_raws(array.items().cast_mut(), array.len()),
                        None => array.release_items(),
                    }
                }
                tag::BUFFER => {
                    self.release_items(object.cast::<Buffer>().as_ref().items_ptr(), shape as usize);
                }
                tag::FUNCTION | tag::ASYNC_FUNCTION => {
                    let closure = object.cast::<Closure>().as_ref();
                    release_raws(closure.captures_ptr(), closure.len());
                }
                tag::ENUM_VALUE => {
                    let value = object.cast::<EnumValue>().as_ref();
                    value.forget_in_definition();
                    release_raws(value.payload_ptr(), value.len());
                    std::ptr::drop_in_place(value.definition_ptr());
                }
                tag::CELL => object.cast::<Cell>().as_ref().get_raw().release(),
                tag::TABLE => object.cast::<Table>().as_ref().release_entries(self),
                tag::DICT => {
                    let dict = object.cast::<Dict>().as_ref();
                    match dict.table_header().filter(|&table| self.is_last_reference(table)) {
                        Some(table) => self.tear_down_table(table),
                        None => dict.release_contents(self),
                    }
                }
                tag::SET => {
                    let set = object.cast::<Set>().as_ref();
                    match set.table_header().filter(|&table| self.is_last_reference(table)) {
                        Some(table) => self.tear_down_table(table),
                        None => set.release_contents(shape as usize),
                    }
                }
                tag::SHAPE => object.cast::<Shape>().as_ref().release_contents(),
                tag::COROUTINE => object.cast::<Coroutine>().as_ref().release_contents(self),
                tag::WEAK => object.cast::<WeakCell>().as_ref().detach(self),
                tag::STRUCT_DEF => {
                    self.shapes
                        .with(|shapes| shapes[shape as usize] = std::ptr::null());
                    object.cast::<StructDef>().drop_in_place();
                }
                tag::BOUND_METHOD => object.cast::<BoundMethod>().drop_in_place(),
                tag::ENUM_DEF => object.cast::<EnumDef>().drop_in_place(),
                tag::ENUM_CONSTRUCTOR => object.cast::<EnumConstructor>().drop_in_place(),
                tag::MODULE => object.cast::<Module>().drop_in_place(),
                tag::ITERATOR => object.cast::<Iter>().drop_in_place(),
                tag::PROMISE => object.cast::<Promise>().drop_in_place(),
                tag::ERROR => object.cast::<ErrorObject>().drop_in_place(),
                tag::NATIVE => object.cast::<NativeObject>().drop_in_place(),
                kind => debug_assert!(kind == tag::STRING, "no such kind of object: {kind}"),
            }
        }
    }
}

impl Inner {
    /// Releases the items of a collection that dies while the list is emptied, in order. Many that begin with an instance
    /// are likely all such.
    #[inline]
    pub(crate) unsafe fn release_items(&self, items: *mut Raw, count: usize) {
        /// Items from which on it is worth a look at each.
        const MANY: usize = 32;
        // SAFETY: the caller's collection owns a count for each item.
        unsafe {
            if count < MANY {
                return release_raws(items, count);
            }
            self.release_part_of_items(items, count, (*items).tag);
        }
    }

    /// Releases some of many items, of which the first has this tag.
    #[inline]
    unsafe fn release_part_of_items(&self, items: *mut Raw, count: usize, first: u8) {
        // SAFETY: as above.
        unsafe {
            if first != tag::INSTANCE {
                return release_raws(items, count);
            }
            for index in 0..count {
                self.release_item(items.add(index).read());
            }
        }
    }

    /// Releases one of many items. An instance that dies of it and holds no containers is torn down at once: nobody can
    /// tell when its strings go, so it need not wait in the list and be brought into the caches twice.
    #[inline]
    pub(crate) unsafe fn release_item(&self, item: Raw) {
        debug_assert!(self.draining.get());
        // SAFETY: the caller gives up a count of the item; the kind says what it is.
        unsafe {
            if item.tag == tag::INSTANCE {
                let object = item.header_ptr();
                let header = object.as_ref();
                let watched = flag::HAS_SIDE | flag::GRAY | flag::CANDIDATE;
                let dies = header.count.get() == 1 && !header.has(watched);
                if dies && alloc::heap_of(object) == NonNull::from(self) && holds_no_containers(object) {
                    header.count.set(header.shape.get());
                    return self.tear_down(object);
                }
            }
            item.release();
        }
    }
}

/// Whether an instance with few fields holds nothing but strings and plain values.
#[inline]
unsafe fn holds_no_containers(object: NonNull<Header>) -> bool {
    /// Fields in the first two lines of the caches.
    const FEW: u8 = 7;
    // SAFETY: the caller's object is an instance whose contents are intact; `small` is its number of slots.
    unsafe {
        let instance = object.cast::<Instance>().as_ref();
        let count = instance.header.small.get();
        let slots = instance.slots_ptr();
        count <= FEW && (0..usize::from(count)).all(|index| !tag::is_container((*slots.add(index)).tag))
    }
}

/// Releases `count` raws in order.
#[inline]
pub(super) unsafe fn release_raws(items: *mut Raw, count: usize) {
    for index in 0..count {
        // SAFETY: the caller's object owns a count for each of its `count` items.
        unsafe { items.add(index).read().release() };
    }
}

/// Where a dead object in the work list holds the next one.
unsafe fn next_of(object: NonNull<Header>) -> *mut *mut Header {
    // SAFETY: bytes 8 to 15 of the header.
    unsafe { object.as_ptr().cast::<*mut Header>().add(1) }
}
