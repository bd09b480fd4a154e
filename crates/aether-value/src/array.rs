//! Arrays: ordered lists in a few places behind the header, or over a buffer that snapshots can share.
//!
//! Invariants
//! - An array that is made with one to four items has them in its own block. It moves them to a [`Buffer`] when more
//!   come, and keeps that until it is cleared. A snapshot of items in the own block is a copy of them.
//! - Other items live in a buffer of their own, so that a snapshot is one count. The array's `SHARED_BUFFER` flag
//!   says that a snapshot may exist; only then does a write look at the buffer's count, and copies it if it is shared.
//! - The buffer's header holds its length while it is shared; until then the array's length is the one that counts.
//! - An empty array that never held anything owns no buffer (`cap` is 0).
//! - References into the items ([`Array::get`], [`Array::as_slice`]) are not held across a write to the array, a
//!   release or a call into script code. Every write first makes the array whole, then lets go of old values.
#![expect(unsafe_code, reason = "items are raw memory behind a pointer")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::buffer::BUFFER_HEADER;
use crate::heap::{self, Inner, growth_steps};
use crate::{Buffer, Header, Heap, Object, Raise, Raw, Rc, Value, flag, tag};

/// An ordered list.
#[repr(C)]
pub struct Array {
    header: Header,
    items: Cell<*mut Raw>,
    len: Cell<u32>,
    cap: Cell<u32>,
    inline: [Raw; 0],
}

// SAFETY: repr(C), header first, made by `Heap::array` only.
unsafe impl Object for Array {}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Array>() == 32);

const ITEM: usize = size_of::<Raw>();
const INLINE_OFFSET: usize = std::mem::offset_of!(Array, inline);
/// Most items in the array's own block.
const MOST_INLINE: usize = 4;
/// Items that are copied between two checkpoints.
const PIECE: usize = 64 << 10;
/// Bytes of the largest array object.
pub(crate) const MOST_BYTES: usize = INLINE_OFFSET + MOST_INLINE * ITEM;
/// Most items of any collection.
pub(crate) const MAX_ITEMS: usize = i32::MAX as usize;

/// The next capacity: double at first, then half as much again.
pub(crate) fn grown(cap: usize, needed: usize) -> usize {
    let next = if cap < 4096 { cap * 2 } else { cap + cap / 2 };
    next.max(needed).max(4).min(MAX_ITEMS.max(needed))
}

impl Array {
    /// Byte offset of the address of the items within the object.
    pub const ITEMS_OFFSET: usize = std::mem::offset_of!(Array, items);
    /// Byte offset of the 32-bit length.
    pub const LEN_OFFSET: usize = std::mem::offset_of!(Array, len);
    /// Byte offset of the 32-bit number of items that there is room for.
    pub const CAP_OFFSET: usize = std::mem::offset_of!(Array, cap);

    /// Number of items.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.get() as usize
    }

    /// Whether there are no items.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Items that fit without growing.
    pub fn capacity(&self) -> usize {
        self.cap.get() as usize
    }

    /// The item at `index`. The borrow ends before the next write to this array.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<&Raw> {
        if index < self.len() {
            // SAFETY: below the length, the buffer holds initialised items.
            Some(unsafe { &*self.items.get().add(index) })
        } else {
            None
        }
    }

    /// A copy of the item at `index`.
    #[inline]
    pub fn get_value(&self, index: usize) -> Option<Value> {
        // SAFETY: items are values.
        self.get(index).map(|raw| unsafe { raw.clone_value() })
    }

    /// Where the items begin.
    ///
    /// # Safety
    /// Reading is sound below the length and until the next write to this array.
    #[inline(always)]
    pub unsafe fn items(&self) -> *const Raw {
        self.items.get()
    }

    /// Whether a write has to look first: for snapshots, see the module, or because the collector is to be told.
    #[inline(always)]
    pub fn is_guarded(&self) -> bool {
        self.header.has(flag::GUARDED)
    }

    /// Whether snapshots of the items may exist.
    #[inline(always)]
    pub(crate) fn has_snapshots(&self) -> bool {
        self.header.has(flag::SHARED_BUFFER)
    }

    /// Whether nothing but one reference knows of this array or of its items, so that nobody can tell it from a new one.
    pub fn is_private(&self) -> bool {
        self.header.count.get() == 1 && !self.header.has(flag::SHARED_BUFFER | flag::HAS_SIDE)
    }

    /// The items as values.
    ///
    /// # Safety
    /// The borrow ends before the next write to this array; no script code runs meanwhile.
    #[inline]
    pub unsafe fn as_slice(&self) -> &[Value] {
        if self.len.get() == 0 {
            return &[];
        }
        // SAFETY: that many initialised items; the caller keeps writers away.
        unsafe { std::slice::from_raw_parts(self.items.get().cast::<Value>(), self.len()) }
    }

    /// Replaces the item at `index`, which must be below the length; gives the old one.
    ///
    /// # Errors
    /// Out of memory, when the items have to be copied for a snapshot.
    #[inline(always)]
    pub fn set(&self, index: usize, value: Value) -> Result<Value, Raise> {
        debug_assert!(index < self.len());
        self.own()?;
        // SAFETY: below the length; the old item's count goes to the caller.
        unsafe {
            let slot = self.items.get().add(index);
            let old = slot.read();
            slot.write(Raw::from_value(value));
            Ok(old.into_value())
        }
    }

    /// Exchanges the item at `index` with the one at `to` of another array.
    ///
    /// # Errors
    /// Out of memory, when items have to be copied for a snapshot; nothing has changed then.
    ///
    /// # Panics
    /// An index is not below its array's length.
    #[inline]
    pub fn exchange(&self, index: usize, other: &Self, to: usize) -> Result<(), Raise> {
        assert!(
            index < self.len() && to < other.len(),
            "an index is out of bounds"
        );
        self.own()?;
        other.own()?;
        // SAFETY: both are below the lengths; two arrays share no items that they own.
        unsafe { std::ptr::swap(self.items.get().add(index), other.items.get().add(to)) };
        Ok(())
    }

    /// Appends a value.
    ///
    /// # Errors
    /// Out of memory; the array is unchanged.
    #[inline(always)]
    pub fn push(&self, value: Value) -> Result<(), Raise> {
        let len = self.len.get();
        if len == self.cap.get() || self.is_guarded() {
            self.make_room(1)?;
        }
        // SAFETY: there is room for one more.
        unsafe { self.items.get().add(len as usize).write(Raw::from_value(value)) };
        self.len.set(len + 1);
        Ok(())
    }

    /// Removes the last item.
    ///
    /// # Errors
    /// Out of memory, when the items have to be copied for a snapshot.
    #[inline]
    pub fn pop(&self) -> Result<Option<Value>, Raise> {
        if self.is_empty() {
            return Ok(None);
        }
        self.own()?;
        let len = self.len.get() - 1;
        self.len.set(len);
        // SAFETY: the last item is initialised; its count goes to the caller.
        Ok(Some(unsafe {
            self.items.get().add(len as usize).read().into_value()
        }))
    }

    /// Inserts before `index`, at most the length.
    ///
    /// # Errors
    /// Out of memory; the array is unchanged.
    pub fn insert(&self, index: usize, value: Value) -> Result<(), Raise> {
        self.make_room(1)?;
        let len = self.len();
        let index = index.min(len);
        // SAFETY: there is room for one more behind the length.
        unsafe {
            let slot = self.items.get().add(index);
            slot.copy_to(slot.add(1), len - index);
            slot.write(Raw::from_value(value));
        }
        self.len.set(len as u32 + 1);
        Ok(())
    }

    /// Removes the item at `index`, which must be below the length.
    ///
    /// # Errors
    /// Out of memory, when the items have to be copied for a snapshot.
    pub fn remove(&self, index: usize) -> Result<Value, Raise> {
        assert!(index < self.len(), "index below the length");
        self.own()?;
        let len = self.len() - 1;
        // SAFETY: below the length; the removed item's count goes to the caller.
        unsafe {
            let slot = self.items.get().add(index);
            let old = slot.read();
            slot.add(1).copy_to(slot, len - index);
            self.len.set(len as u32);
            Ok(old.into_value())
        }
    }

    /// Swaps two items, both below the length.
    ///
    /// # Errors
    /// Out of memory, when the items have to be copied for a snapshot.
    pub fn swap(&self, left: usize, right: usize) -> Result<(), Raise> {
        assert!(
            left < self.len() && right < self.len(),
            "indices below the length"
        );
        self.own()?;
        // SAFETY: both are initialised items.
        unsafe { std::ptr::swap(self.items.get().add(left), self.items.get().add(right)) };
        Ok(())
    }

    /// Keeps the first `len` items.
    ///
    /// # Errors
    /// Out of memory, when the items have to be copied for a snapshot.
    pub fn truncate(&self, len: usize) -> Result<(), Raise> {
        let old = self.len();
        if len >= old {
            return Ok(());
        }
        if len == 0 {
            self.clear();
            return Ok(());
        }
        self.own()?;
        self.len.set(len as u32);
        for index in len..old {
            // SAFETY: the items behind the new length are no longer the array's; a release that reaches this array
            // sees it whole, and it cannot grow meanwhile since no script runs.
            unsafe { self.items.get().add(index).read().release() };
        }
        Ok(())
    }

    /// Removes all items and their memory.
    pub fn clear(&self) {
        drop(self.detach());
    }

    /// Where items in the array's own block are.
    #[inline(always)]
    fn inline_items(&self) -> *mut Raw {
        // SAFETY: the items start behind the fixed part; the result may be the end of the block.
        unsafe {
            let start = std::ptr::from_ref(self).cast_mut().cast::<u8>();
            start.add(INLINE_OFFSET).cast()
        }
    }

    /// How many items fit into the array's own block.
    fn inline_room(&self) -> usize {
        (heap::object_bytes(NonNull::from(&self.header)) - INLINE_OFFSET) / ITEM
    }

    /// Whether the items are in the array's own block.
    #[inline(always)]
    pub(crate) fn is_inline(&self) -> bool {
        self.items.get() == self.inline_items()
    }

    /// The items, if they are in the array's own block.
    #[inline]
    pub(crate) fn own_items(&self) -> &[Raw] {
        if self.is_inline() {
            // SAFETY: that many initialised items.
            unsafe { std::slice::from_raw_parts(self.items.get(), self.len()) }
        } else {
            &[]
        }
    }

    /// Appends copies of `values`.
    ///
    /// # Errors
    /// Out of memory; the array is unchanged. Of very many values, the overseer's; the array then has some of them.
    pub fn extend(&self, values: &[Value]) -> Result<(), Raise> {
        if values.is_empty() {
            return Ok(());
        }
        let inside = self.items.get().cast_const().cast::<Value>();
        let own =
            self.cap.get() > 0 && (inside..inside.wrapping_add(self.capacity())).contains(&values.as_ptr());
        if own {
            // The values are this array's own and would move: appended one by one.
            let start = (values.as_ptr() as usize - inside as usize) / ITEM;
            let count = values.len();
            self.make_room(count)?;
            for index in start..start + count {
                self.push(self.get_value(index).expect("inside the array"))?;
            }
            return Ok(());
        }
        self.make_room(values.len())?;
        if values.len() <= PIECE {
            self.append_copies(values);
            return Ok(());
        }
        let heap = Heap::of(self);
        for piece in values.chunks(PIECE) {
            heap.look_again()?;
            self.append_copies(piece);
        }
        Ok(())
    }

    /// Appends copies of values for which there is room.
    #[inline]
    fn append_copies(&self, values: &[Value]) {
        let len = self.len();
        for (index, value) in values.iter().enumerate() {
            // SAFETY: there is room for all.
            unsafe {
                let slot = self.items.get().add(len + index);
                slot.write(Raw::from_value(value.clone()));
            };
        }
        self.len.set((len + values.len()) as u32);
    }

    /// Appends the numbers that bytes are.
    ///
    /// # Errors
    /// Out of memory; the array is unchanged.
    pub fn push_bytes(&self, bytes: &[u8]) -> Result<(), Raise> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.make_room(bytes.len())?;
        let len = self.len();
        for (index, &byte) in bytes.iter().enumerate() {
            // SAFETY: there is room for all.
            unsafe { self.items.get().add(len + index).write(Raw::int(i64::from(byte))) };
        }
        self.len.set((len + bytes.len()) as u32);
        Ok(())
    }

    /// Makes room for exactly `additional` more items, if there is none.
    ///
    /// # Errors
    /// Out of memory; the array is unchanged.
    pub fn reserve(&self, heap: &Heap, additional: usize) -> Result<(), Raise> {
        let needed = self.len() + additional;
        self.own()?;
        if needed > self.capacity() {
            self.resize(heap, needed, needed)?;
        }
        Ok(())
    }

    /// Puts other items in the place of all.
    ///
    /// # Errors
    /// Out of memory; the array is unchanged.
    pub fn replace_items(&self, values: Vec<Value>) -> Result<(), Raise> {
        let fresh = new_buffer(&Heap::of(self), values.len().max(1))?;
        let old = self.detach();
        self.set_buffer(fresh);
        self.len.set(values.len() as u32);
        for (index, value) in values.into_iter().enumerate() {
            // SAFETY: there is room for all.
            unsafe { self.items.get().add(index).write(Raw::from_value(value)) };
        }
        drop(old);
        Ok(())
    }

    /// Takes over a buffer as the items; it may be shared with snapshots.
    pub fn replace_buffer(&self, buffer: Rc<Buffer>) {
        let old = self.detach();
        let len = buffer.len();
        if len > 0 {
            // A pass that has the buffer in hand is told of the first write.
            let is_watched = Rc::header(&buffer).has(flag::GRAY | flag::CANDIDATE);
            if is_watched || Rc::count(&buffer) > 1 {
                self.header.set_flag(flag::SHARED_BUFFER);
            }
            self.items.set(buffer.items_ptr());
            self.len.set(len as u32);
            self.cap.set(buffer_capacity(Rc::header_ptr(&buffer)) as u32);
            std::mem::forget(buffer);
        }
        drop(old);
    }

    /// The items as they are now, in constant time; a later write to the array copies them first. A few items are
    /// copied at once.
    ///
    /// # Errors
    /// Out of memory for that copy.
    #[inline]
    pub fn snapshot(&self) -> Result<Rc<Buffer>, Raise> {
        let Some(buffer) = self.buffer_header() else {
            return self.copy_own_items();
        };
        self.sync_buffer_length();
        self.header.set_flag(flag::SHARED_BUFFER);
        // SAFETY: the array owns this buffer.
        Ok(unsafe { Rc::of_ref(buffer.cast::<Buffer>().as_ref()) })
    }

    #[inline(never)]
    fn copy_own_items(&self) -> Result<Rc<Buffer>, Raise> {
        let heap = Heap::of(self);
        if self.is_empty() {
            return Ok(heap.empty_buffer());
        }
        let buffer = new_buffer(&heap, self.len())?;
        // SAFETY: a new buffer with room for the items, each of which gets a count of its own; its count goes to the
        // result.
        unsafe {
            let items = buffer.cast::<Buffer>().as_ref().items_ptr();
            for (index, item) in self.own_items().iter().enumerate() {
                item.retain();
                items.add(index).write(*item);
            }
            buffer.as_ref().shape.set(self.len.get());
            Ok(Rc::from_ptr(buffer.as_ptr().cast()))
        }
    }

    /// Takes the items away, leaving the array empty.
    fn detach(&self) -> Detached {
        self.header.touch();
        self.sync_buffer_length();
        let detached = if let Some(buffer) = self.buffer_header() {
            // SAFETY: the array's count of the buffer goes to the result.
            Detached::Buffer(unsafe { Rc::from_ptr(buffer.as_ptr().cast()) })
        } else {
            let mut items = [Raw::null(); MOST_INLINE];
            let own = self.own_items();
            items[..own.len()].copy_from_slice(own);
            // SAFETY: the array's counts go to the result.
            Detached::Items(items.map(|item| unsafe { item.into_value() }))
        };
        self.items.set(std::ptr::null_mut());
        self.len.set(0);
        self.cap.set(0);
        self.header.clear_flag(flag::SHARED_BUFFER);
        detached
    }

    /// Takes over a buffer that is this array's alone.
    fn set_buffer(&self, buffer: NonNull<Header>) {
        // SAFETY: callers pass a buffer.
        self.items
            .set(unsafe { buffer.cast::<Buffer>().as_ref() }.items_ptr());
        self.cap.set(buffer_capacity(buffer) as u32);
    }

    /// Sees to it that the items are this array's alone.
    #[inline(always)]
    pub(crate) fn own(&self) -> Result<(), Raise> {
        if self.is_guarded() { self.unshare() } else { Ok(()) }
    }

    #[cold]
    #[inline(never)]
    fn unshare(&self) -> Result<(), Raise> {
        self.header.touch();
        if !self.has_snapshots() {
            return Ok(());
        }
        let Some(buffer) = self.buffer_header() else {
            self.header.clear_flag(flag::SHARED_BUFFER);
            return Ok(());
        };
        // SAFETY: the array owns a count of the buffer.
        let header = unsafe { buffer.as_ref() };
        if header.count.get() > 1 {
            let heap = Heap::of(self);
            self.copy_items(&heap, self.capacity().min(grown(self.len(), 0)))?;
        } else if header.has(flag::GRAY | flag::CANDIDATE) {
            Heap::of(self).inner().storage_unshared(buffer);
        }
        self.header.clear_flag(flag::SHARED_BUFFER);
        Ok(())
    }

    /// Moves to a buffer of its own with copies of the items, leaving the old one to the snapshots.
    fn copy_items(&self, heap: &Heap, cap: usize) -> Result<(), Raise> {
        let len = self.len();
        let fresh = new_buffer(heap, cap.max(len))?;
        let old = self.buffer_header();
        // SAFETY: the fresh buffer has room for the items, each of which gets a count of its own.
        unsafe {
            let items = fresh.cast::<Buffer>().as_ref().items_ptr();
            for index in 0..len {
                if index % PIECE == PIECE - 1
                    && let Err(raise) = heap.look_again()
                {
                    fresh.as_ref().shape.set(index as u32);
                    drop(Rc::<Buffer>::from_ptr(fresh.as_ptr().cast()));
                    return Err(raise);
                }
                let item = self.items.get().add(index).read();
                item.retain();
                items.add(index).write(item);
            }
            self.items.set(items);
            self.cap.set(buffer_capacity(fresh) as u32);
            self.header.clear_flag(flag::SHARED_BUFFER);
            if let Some(old) = old {
                Header::release(old);
            }
        }
        Ok(())
    }

    /// Sees to it that the items are this array's alone and that `additional` more fit.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_room(&self, additional: usize) -> Result<(), Raise> {
        self.own()?;
        let needed = self.len() + additional;
        if needed <= self.capacity() {
            return Ok(());
        }
        let heap = Heap::of(self);
        self.resize(&heap, grown(self.capacity(), needed), needed)
    }

    /// Moves the items to a buffer for `cap`, or for less if there is no room for that much, but at least for `needed`.
    fn resize(&self, heap: &Heap, cap: usize, needed: usize) -> Result<(), Raise> {
        let old = self.capacity();
        if cap <= old {
            return self.resize_to(heap, cap);
        }
        let mut result = Ok(());
        for more in growth_steps(cap - old, needed.saturating_sub(old)) {
            result = self.resize_to(heap, old + more);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn resize_to(&self, heap: &Heap, cap: usize) -> Result<(), Raise> {
        let room = self.inline_room();
        if self.cap.get() == 0 && cap <= room {
            self.items.set(self.inline_items());
            self.cap.set(room as u32);
            return Ok(());
        }
        let size = buffer_size(heap, cap)?;
        let old = self.buffer_header();
        // SAFETY: the buffer is this array's alone; its items move bitwise and keep their counts.
        unsafe {
            let fresh = match old {
                Some(old) if old.as_ref().class == heap::LARGE => {
                    let moved = heap.inner().realloc_large(old, size);
                    NonNull::new(moved).ok_or_else(|| heap.out_of_memory(size))?
                }
                _ => {
                    let fresh = new_buffer(heap, cap)?;
                    if self.cap.get() > 0 {
                        let items = fresh.cast::<Buffer>().as_ref().items_ptr();
                        self.items.get().copy_to_nonoverlapping(items, self.len());
                    }
                    if let Some(old) = old {
                        heap.inner().free(old);
                    }
                    fresh
                }
            };
            self.items.set(fresh.cast::<Buffer>().as_ref().items_ptr());
            self.cap.set(buffer_capacity(fresh) as u32);
        }
        Ok(())
    }

    /// The buffer, if there is one.
    pub(crate) fn buffer_header(&self) -> Option<NonNull<Header>> {
        if self.cap.get() == 0 || self.is_inline() {
            return None;
        }
        // SAFETY: the items start behind the buffer's header.
        Some(unsafe { NonNull::new_unchecked(self.items.get().byte_sub(BUFFER_HEADER).cast()) })
    }

    /// Writes the length into the buffer, unless it is shared and has it.
    pub(crate) fn sync_buffer_length(&self) {
        if let Some(buffer) = self.buffer_header()
            && !self.has_snapshots()
        {
            // SAFETY: the array owns this buffer.
            unsafe { buffer.as_ref() }.shape.set(self.len.get());
        }
    }

    /// The array is dead: gives its items back.
    pub(crate) unsafe fn release_items(&self) {
        self.sync_buffer_length();
        if let Some(buffer) = self.buffer_header() {
            // SAFETY: the array owned one count, which ends here.
            unsafe { Header::release(buffer) };
        }
    }
}

/// Items that were taken from an array, to be released when it is whole.
#[expect(dead_code, reason = "held to be dropped")]
enum Detached {
    Buffer(Rc<Buffer>),
    Items([Value; MOST_INLINE]),
}

fn buffer_size(heap: &Heap, cap: usize) -> Result<usize, Raise> {
    let size = cap.saturating_mul(ITEM).saturating_add(BUFFER_HEADER);
    if cap > MAX_ITEMS {
        Err(heap.out_of_memory(size))
    } else {
        Ok(size)
    }
}

fn new_buffer(heap: &Heap, cap: usize) -> Result<NonNull<Header>, Raise> {
    let size = buffer_size(heap, cap)?;
    let object = heap.inner().alloc(size, tag::BUFFER, 0, 0);
    NonNull::new(object).ok_or_else(|| heap.out_of_memory(size))
}

/// Items that fit into a buffer.
fn buffer_capacity(buffer: NonNull<Header>) -> usize {
    (heap::object_bytes(buffer) - BUFFER_HEADER) / ITEM
}

impl Inner {
    #[inline(always)]
    fn alloc_array(&self, inline: usize) -> *mut Array {
        let size = INLINE_OFFSET + inline * ITEM;
        let array = self.alloc(size, tag::ARRAY, 0, 0).cast::<Array>();
        if !array.is_null() {
            // SAFETY: a new object of this size.
            unsafe {
                (&raw mut (*array).items).write(Cell::new(std::ptr::null_mut()));
                (&raw mut (*array).len).write(Cell::new(0));
                (&raw mut (*array).cap).write(Cell::new(0));
            }
        }
        array
    }
}

impl Heap {
    /// A new array with room for exactly `capacity` items.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn array(&self, capacity: usize) -> Result<Rc<Array>, Raise> {
        let inline = if capacity <= MOST_INLINE { capacity } else { 0 };
        let array = self.inner().alloc_array(inline);
        if array.is_null() {
            return Err(self.out_of_memory(INLINE_OFFSET + inline * ITEM));
        }
        // SAFETY: the new object's count goes to the result.
        let array = unsafe { Rc::from_ptr(array) };
        if inline > 0 {
            array.items.set(array.inline_items());
            array.cap.set(inline as u32);
        } else if capacity > 0 {
            let buffer = new_buffer(self, capacity)?;
            // SAFETY: a new buffer, whose count goes to the array.
            array
                .items
                .set(unsafe { buffer.cast::<Buffer>().as_ref() }.items_ptr());
            array.cap.set(buffer_capacity(buffer) as u32);
        }
        Ok(array)
    }

    /// A new array of the values in `count` registers, which it takes on success: null stays behind.
    ///
    /// # Errors
    /// Out of memory.
    ///
    /// # Safety
    /// The registers hold values and own their counts.
    pub unsafe fn array_taking(&self, first: *mut Raw, count: usize) -> Result<Rc<Array>, Raise> {
        let array = self.array(count)?;
        let items = array.items.get();
        // SAFETY: the new array has room for as many, and nobody else knows it yet.
        unsafe {
            for index in 0..count {
                items.add(index).write(first.add(index).read());
                (*first.add(index)).tag = tag::NULL;
            }
        }
        array.len.set(count as u32);
        Ok(array)
    }

    /// A new array of these values, which it takes: null stays behind.
    ///
    /// # Errors
    /// Out of memory; the values stay.
    pub fn array_of(&self, values: &mut [Value]) -> Result<Rc<Array>, Raise> {
        // SAFETY: values have the layout of registers.
        unsafe { self.array_taking(values.as_mut_ptr().cast(), values.len()) }
    }

    /// A new array of these values.
    ///
    /// # Errors
    /// Out of memory.
    pub fn array_from(&self, values: Vec<Value>) -> Result<Rc<Array>, Raise> {
        let array = self.array(values.len())?;
        for value in values {
            array.push(value)?;
        }
        Ok(array)
    }

    /// A new array of copies of these values.
    ///
    /// # Errors
    /// Out of memory.
    pub fn array_from_slice(&self, values: &[Value]) -> Result<Rc<Array>, Raise> {
        let array = self.array(values.len())?;
        if values.len() <= PIECE {
            array.extend(values)?;
            return Ok(array);
        }
        for piece in values.chunks(PIECE) {
            self.look_again()?;
            array.extend(piece)?;
        }
        Ok(array)
    }

    /// A new array of what an iterator gives.
    ///
    /// # Errors
    /// Out of memory.
    pub fn array_from_iter(&self, values: impl IntoIterator<Item = Value>) -> Result<Rc<Array>, Raise> {
        let values = values.into_iter();
        let array = self.array(0)?;
        let expected = values.size_hint().0;
        if expected > 0 {
            array.reserve(self, expected)?;
        }
        for value in values {
            array.push(value)?;
        }
        Ok(array)
    }

    /// A new array of the numbers that bytes are.
    ///
    /// # Errors
    /// Out of memory.
    pub fn array_of_bytes(&self, bytes: &[u8]) -> Result<Rc<Array>, Raise> {
        let array = self.array(bytes.len())?;
        let items = array.items.get();
        for (index, &byte) in bytes.iter().enumerate() {
            // SAFETY: the new array has room for as many, and nobody else knows it yet.
            unsafe { items.add(index).write(Raw::int(i64::from(byte))) };
        }
        array.len.set(bytes.len() as u32);
        Ok(array)
    }

    /// A new array with the items of another one, which they share until either is written, or with copies of a few.
    ///
    /// # Errors
    /// Out of memory.
    pub fn array_copy(&self, of: &Array) -> Result<Rc<Array>, Raise> {
        if of.buffer_header().is_some() {
            return self.array_from_buffer(of.snapshot()?);
        }
        let copy = self.array(of.len())?;
        for (index, item) in of.own_items().iter().enumerate() {
            item.retain();
            // SAFETY: the new array has room for as many.
            unsafe { copy.items.get().add(index).write(*item) };
        }
        copy.len.set(of.len.get());
        Ok(copy)
    }

    /// A new array that shares a snapshot's items until either is written.
    ///
    /// # Errors
    /// Out of memory.
    pub fn array_from_buffer(&self, buffer: Rc<Buffer>) -> Result<Rc<Array>, Raise> {
        let array = self.array(0)?;
        array.replace_buffer(buffer);
        Ok(array)
    }
}
