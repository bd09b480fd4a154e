//! Where objects come from: size-classed blocks in aligned chunks, and allocations of their own for large ones.
//!
//! A chunk is 64 KiB, aligned to 64 KiB, holds blocks of one class and knows its heap, so masking an object's address
//! finds the heap. Classes go in steps of 16 bytes up to 512; kinds that own nothing (strings) have classes of their
//! own, so that the collector walks only chunks that can hold containers. Each class has a *current* chunk that
//! allocation pops from, and a list of *partial* ones; a *full* chunk is in neither until a block of it is freed.
//!
//! A large object has 16 bytes in front: the heap's address, its index in the heap's vector, its size.
//!
//! Invariants
//! - A free block's `kind` is 0; blocks above `bump` were never used. Walking a chunk needs nothing else.
//! - Bytes are charged before a block is taken and discharged when it is given back: the class's size for small
//!   objects, prefix and place in the vector included for large ones.
//!
//! With the feature `system-alloc` every object is a large one.
#![expect(
    unsafe_code,
    clippy::cast_ptr_alignment,
    reason = "carves objects out of raw memory, all of it aligned to 16 bytes"
)]

use std::alloc::Layout;
use std::cell::Cell;
use std::ops::Range;
use std::ptr::NonNull;

use crate::tag;

use super::resident::Trimming;
use super::segments::{Segments, discard};
use super::{Header, Inner, WORK_BYTES, flag};

pub(super) const CHUNK: usize = 64 * 1024;
/// Where a chunk's blocks begin.
const FIRST: usize = 128;
const STEP: usize = 16;
const MAX_SMALL: usize = 512;
const GROUP: usize = MAX_SMALL / STEP;
/// Classes of containers, then classes of leaves.
pub(crate) const CLASSES: usize = 2 * GROUP;
/// The header's class of an allocation of its own.
pub(crate) const LARGE: u8 = 255;
/// The header's class of the record's own stand-ins.
pub(crate) const EMBEDDED: u8 = 254;
/// Empty chunks kept for any class: these, and one for every two in use, so that a program that builds and drops the
/// same structure again and again does not return to the system each time.
const RESERVE: usize = 16;
/// Empty chunks that are kept when memory is to be given back.
pub(super) const KEPT_CHUNKS: usize = 4;
/// What the system gives and takes back.
const PAGE: usize = 4096;
/// Never-used blocks are put on the free list up to the next multiple of this, so that a chunk's pages are touched as
/// needed.
const REFILL: usize = 4096;
/// In front of a large object.
const PREFIX: usize = 16;
/// A large object's place in the heap's vector. The vector keeps no more than a quarter of its places unused, so this
/// is what the place costs.
const PLACE: usize = size_of::<NonNull<Header>>();
/// Places that the vector always may have.
const FEW_PLACES: usize = 64;
pub(super) const SYSTEM_ALLOC: bool = cfg!(feature = "system-alloc");

#[repr(C)]
struct Free {
    /// Covers count, kind (0: free), flags, class, small.
    zero: u64,
    next: *mut Free,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Allocation pops from it.
    Current,
    /// Has free blocks, is in its class's list.
    Partial,
    /// Has none, is in no list.
    Full,
}

#[repr(C)]
pub(crate) struct Chunk {
    heap: NonNull<Inner>,
    free: Cell<*mut Free>,
    used: Cell<u32>,
    /// A free that brings `used` here has something to do.
    notify: Cell<u32>,
    /// Offset of the first block that was never used.
    bump: Cell<u32>,
    block: u32,
    /// Index in the heap's vector.
    index: Cell<u32>,
    class: u8,
    state: Cell<State>,
    /// Whether objects may have been allocated here since the last pass that took this chunk: all others are old.
    fresh: Cell<bool>,
    /// Whether objects here are members of the pass under way.
    listed: Cell<bool>,
    /// Bit n: page n was given back to the system. No block that overlaps it is live or on the free list.
    discarded: Cell<u16>,
    next: Cell<*mut Chunk>,
    previous: Cell<*mut Chunk>,
}

const _: () = assert!(size_of::<Chunk>() <= FIRST && FIRST.is_multiple_of(STEP));

const NEVER: u32 = u32::MAX;

// Sixteen bytes whatever the size of a pointer is, so that the object behind it is aligned.
#[repr(C, align(16))]
struct Prefix {
    heap: NonNull<Inner>,
    /// Index in the heap's vector of large objects.
    index: u32,
    /// Size with this prefix, in steps of 16 bytes.
    units: u32,
}

const _: () = assert!(size_of::<Prefix>() == PREFIX);

impl Chunk {
    /// Bytes that have been touched and hold nothing live.
    pub(super) fn unused_bytes(&self) -> usize {
        let touched = (self.bump.get() as usize).next_multiple_of(PAGE);
        let discarded = self.discarded.get().count_ones() as usize * PAGE;
        let live = (self.used.get() * self.block) as usize;
        touched.saturating_sub(discarded + live)
    }

    /// Whether objects may have been allocated here since a pass last took this chunk.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.get()
    }

    /// The pages that a block at `offset` overlaps, as bits.
    fn pages_of(&self, offset: u32) -> u16 {
        let (first, last) = (offset / PAGE as u32, (offset + self.block - 1) / PAGE as u32);
        ((2_u32 << last) - (1 << first)) as u16
    }

    /// A stand-in that never has a free block.
    pub(crate) const fn none() -> Self {
        Self {
            heap: NonNull::dangling(),
            free: Cell::new(std::ptr::null_mut()),
            used: Cell::new(0),
            notify: Cell::new(NEVER),
            bump: Cell::new(CHUNK as u32),
            block: CHUNK as u32,
            index: Cell::new(0),
            class: 0,
            state: Cell::new(State::Current),
            fresh: Cell::new(true),
            listed: Cell::new(false),
            discarded: Cell::new(0),
            next: Cell::new(std::ptr::null_mut()),
            previous: Cell::new(std::ptr::null_mut()),
        }
    }
}

/// The classes that can hold containers.
pub(crate) const CONTAINERS: Range<usize> = 0..GROUP;
/// All classes.
pub(crate) const ALL: Range<usize> = 0..CLASSES;
/// The classes of arrays.
pub(crate) const ARRAYS: Range<usize> = {
    let least = class_of(size_of::<crate::Array>(), tag::ARRAY);
    least..class_of(crate::array::MOST_BYTES, tag::ARRAY) + 1
};

const fn class_of(size: usize, kind: u8) -> usize {
    (size.wrapping_sub(1)) / STEP + if tag::is_container(kind) { 0 } else { GROUP }
}

/// The usable bytes of a small class.
#[inline(always)]
const fn class_bytes(class: usize) -> usize {
    (class % GROUP + 1) * STEP
}

unsafe fn prefix<'a>(object: NonNull<Header>) -> &'a Prefix {
    // SAFETY: the caller's object is a large one, which has a prefix in front.
    unsafe { object.byte_sub(PREFIX).cast::<Prefix>().as_ref() }
}

/// The heap of a live object.
#[inline]
pub(super) unsafe fn heap_of(object: NonNull<Header>) -> NonNull<Inner> {
    // SAFETY: the caller's object is alive; its class tells where the heap's address is.
    unsafe {
        match object.as_ref().class {
            0..EMBEDDED => object.map_addr_to_chunk().as_ref().heap,
            EMBEDDED => super::release::embedded_heap(object),
            LARGE => prefix(object).heap,
        }
    }
}

trait ToChunk {
    unsafe fn map_addr_to_chunk(self) -> NonNull<Chunk>;
}

impl ToChunk for NonNull<Header> {
    #[inline(always)]
    unsafe fn map_addr_to_chunk(self) -> NonNull<Chunk> {
        let chunk = self.as_ptr().map_addr(|address| address & !(CHUNK - 1)).cast();
        // SAFETY: a small object lies inside a chunk, which is not at address 0.
        unsafe { NonNull::new_unchecked(chunk) }
    }
}

/// Bytes of a live object, header included; for a large one without its prefix.
#[inline]
pub(crate) fn object_bytes(object: NonNull<Header>) -> usize {
    // SAFETY: callers pass live objects.
    unsafe {
        match object.as_ref().class {
            LARGE => prefix(object).units as usize * STEP - PREFIX,
            EMBEDDED => size_of::<Header>(),
            class => class_bytes(class as usize),
        }
    }
}

/// Bytes charged for a live object.
pub(crate) fn charged_bytes(object: NonNull<Header>) -> usize {
    // SAFETY: callers pass live objects.
    match unsafe { object.as_ref() }.class {
        LARGE => object_bytes(object) + PREFIX + PLACE,
        EMBEDDED => 0,
        _ => object_bytes(object),
    }
}

impl Inner {
    /// A new object with count 1, or null when the budget or the system refuses. Only the header is initialised.
    #[inline(always)]
    pub(crate) fn alloc(&self, size: usize, kind: u8, small: u8, shape: u32) -> *mut Header {
        debug_assert!(size >= size_of::<Header>());
        if SYSTEM_ALLOC || size > MAX_SMALL {
            return self.alloc_large(size, kind, small, shape);
        }
        let class = class_of(size, kind);
        let live = self.live.get().wrapping_add(class_bytes(class));
        // SAFETY: a class's current chunk is alive or the stand-in; blocks on its free list are unused memory of at
        // least 16 bytes.
        unsafe {
            let chunk = self.current[class].get().as_ref();
            let block = chunk.free.get();
            if live > self.next_event.get() || block.is_null() {
                return self.alloc_slow(class, kind, small, shape);
            }
            self.live.set(live);
            self.count_made(kind);
            chunk.free.set((*block).next);
            chunk.used.set(chunk.used.get().wrapping_add(1));
            let object = block.cast::<Header>();
            write_header(object, Header::new(kind, class as u8, small, shape));
            object
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_slow(&self, class: usize, kind: u8, small: u8, shape: u32) -> *mut Header {
        let bytes = class_bytes(class);
        if !self.charge(bytes) {
            return std::ptr::null_mut();
        }
        // SAFETY: as in `alloc`; `refill` leaves a current chunk with a free block.
        unsafe {
            let is_full = || self.current[class].get().as_ref().free.get().is_null();
            if is_full()
                && !self.refill(class)
                && !(self.collect_to_hold() && (!is_full() || self.refill(class)))
            {
                self.live.set(self.live.get() - bytes);
                return std::ptr::null_mut();
            }
            let chunk = self.current[class].get().as_ref();
            let block = chunk.free.get();
            self.count_made(kind);
            chunk.free.set((*block).next);
            chunk.used.set(chunk.used.get() + 1);
            let object = block.cast::<Header>();
            object.write(Header::new(kind, class as u8, small, shape));
            if self.is_watched() {
                self.record_object(NonNull::new_unchecked(object), bytes);
            }
            object
        }
    }

    /// Gives the class a current chunk with a free block; false when the system refuses.
    unsafe fn refill(&self, class: usize) -> bool {
        // SAFETY: all chunks met here are alive and belong to this heap and class.
        unsafe {
            let current = self.current[class].get();
            if extend(current) {
                return true;
            }
            let partial = self.partial[class].get();
            let next = if let Some(chunk) = NonNull::new(partial) {
                self.unlink(chunk);
                chunk
            } else if let Some(chunk) = self.new_chunk(class) {
                chunk
            } else {
                return false;
            };
            if !std::ptr::eq(current.as_ptr(), &raw const self.no_chunk) {
                let old = current.as_ref();
                old.state.set(State::Full);
                old.notify.set(old.used.get().wrapping_sub(1));
            }
            let chunk = next.as_ref();
            chunk.state.set(State::Current);
            chunk.fresh.set(true);
            chunk.notify.set(NEVER);
            self.current[class].set(next);
            !chunk.free.get().is_null() || extend(next)
        }
    }

    unsafe fn new_chunk(&self, class: usize) -> Option<NonNull<Chunk>> {
        if !self.chunks.with(|chunks| chunks.try_reserve(1).is_ok()) {
            return None;
        }
        let chunk = match self.reserve.with(Vec::pop) {
            Some(chunk) => chunk,
            None if self.may_hold(CHUNK) => self.segments.with(Segments::take)?,
            None => return None,
        };
        let index = self.chunks.with(|chunks| {
            chunks.push(chunk);
            chunks.len() as u32 - 1
        });
        // SAFETY: a fresh chunk of our own.
        unsafe {
            chunk.write(Chunk {
                heap: NonNull::from(self),
                index: Cell::new(index),
                bump: Cell::new(FIRST as u32),
                block: class_bytes(class) as u32,
                class: class as u8,
                ..Chunk::none()
            });
        }
        Some(chunk)
    }

    /// Takes a chunk out of its class's partial list.
    unsafe fn unlink(&self, chunk: NonNull<Chunk>) {
        // SAFETY: the list's chunks are alive.
        unsafe {
            let chunk = chunk.as_ref();
            let (next, previous) = (chunk.next.get(), chunk.previous.get());
            if let Some(next) = next.as_ref() {
                next.previous.set(previous);
            }
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => self.partial[chunk.class as usize].set(next),
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_large(&self, size: usize, kind: u8, small: u8, shape: u32) -> *mut Header {
        let Some((total, units)) = large_size(size) else {
            return std::ptr::null_mut();
        };
        let charged = total + PLACE;
        if !self.may_hold_collecting(total) || !self.charge(charged) {
            return std::ptr::null_mut();
        }
        let reserved = self.large.with(|large| {
            let len = large.len();
            len < large.capacity() || large.try_reserve_exact(len / 8 + FEW_PLACES).is_ok()
        });
        let memory = if reserved {
            // SAFETY: the layout is not empty; size and alignment were checked by `large_size`.
            unsafe { std::alloc::alloc(Layout::from_size_align_unchecked(total, STEP)) }
        } else {
            std::ptr::null_mut()
        };
        if memory.is_null() {
            self.live.set(self.live.get() - charged);
            return std::ptr::null_mut();
        }
        self.count_work(total / WORK_BYTES);
        // SAFETY: fresh memory of at least prefix and header.
        unsafe {
            let object = memory.add(PREFIX).cast::<Header>();
            object.write(Header::new(kind, LARGE, small, shape));
            let index = self.large.with(|large| {
                large.push(NonNull::new_unchecked(object));
                large.len() as u32 - 1
            });
            memory.cast::<Prefix>().write(Prefix {
                heap: NonNull::from(self),
                index,
                units,
            });
            self.count_made(kind);
            if self.is_watched() {
                self.record_object(NonNull::new_unchecked(object), charged);
            }
            object
        }
    }

    /// Makes a large object larger or smaller, moving it; null when refused, then nothing changed.
    ///
    /// # Safety
    /// `object` is a live large object of this heap, and no other pointer to it is used afterwards.
    pub(crate) unsafe fn realloc_large(&self, object: NonNull<Header>, size: usize) -> *mut Header {
        let Some((total, units)) = large_size(size) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the caller's promise; the old layout is what the prefix says.
        unsafe {
            debug_assert!(
                !object.as_ref().has(flag::GRAY | flag::CANDIDATE),
                "a pass has the address of what moves"
            );
            let old = prefix(object).units as usize * STEP;
            let old_address = object.as_ptr() as usize;
            if total > old && !(self.may_hold(total - old) && self.charge(total - old)) {
                return std::ptr::null_mut();
            }
            let asked = if self.is_watched() {
                self.block_site()
            } else {
                None
            };
            let layout = Layout::from_size_align_unchecked(old, STEP);
            let memory = std::alloc::realloc(object.byte_sub(PREFIX).as_ptr().cast(), layout, total);
            if memory.is_null() {
                if total > old {
                    self.live.set(self.live.get() - (total - old));
                }
                return std::ptr::null_mut();
            }
            self.count_work(total / WORK_BYTES);
            if total < old {
                self.count_freed_outside(old - total);
                self.discharge(old - total);
            }
            (*memory.cast::<Prefix>()).units = units;
            let object = memory.add(PREFIX).cast::<Header>();
            let index = (*memory.cast::<Prefix>()).index as usize;
            let moved = NonNull::new_unchecked(object);
            self.large.with(|large| large[index] = moved);
            if moved.as_ref().has(flag::HAS_SIDE) {
                self.move_side(old_address, moved);
            }
            if let Some(asked) = asked {
                self.record_block(old_address, object as usize, total + PLACE, asked);
            }
            object
        }
    }

    /// Gives an object's memory back. Its contents are gone already.
    ///
    /// # Safety
    /// `object` is an object of this heap that nothing uses any more.
    #[inline]
    pub(crate) unsafe fn free(&self, object: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe {
            debug_assert!(
                !object.as_ref().has(flag::GRAY | flag::CANDIDATE),
                "a pass has the address of what is freed"
            );
            let class = object.as_ref().class;
            if class >= EMBEDDED {
                return self.free_large(object, class);
            }
            let class = class as usize;
            self.discharge_object(object, class_bytes(class));
            self.freed.set(self.freed.get().wrapping_add(1));
            let chunk = object.map_addr_to_chunk();
            let record = chunk.as_ref();
            let block = object.cast::<Free>();
            block.write(Free {
                zero: 0,
                next: record.free.get(),
            });
            record.free.set(block.as_ptr());
            let used = record.used.get().wrapping_sub(1);
            record.used.set(used);
            if used == record.notify.get() {
                self.chunk_event(chunk);
            }
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn free_large(&self, object: NonNull<Header>, class: u8) {
        if class != EMBEDDED {
            // SAFETY: a large object of this heap, by the caller's promise.
            let (memory, units) = unsafe { (object.byte_sub(PREFIX), prefix(object).units) };
            if self.puts_off_object(object, memory.cast(), units as usize * STEP) {
                return;
            }
        }
        self.freed.set(self.freed.get() + 1);
        if class == EMBEDDED {
            return;
        }
        // SAFETY: a large object of this heap, by the caller's promise.
        unsafe {
            let Prefix { index, units, .. } = *prefix(object);
            let mut index = index as usize;
            self.large.with(|large| {
                let place = |large: &mut Vec<NonNull<Header>>, index: usize| {
                    (*large[index].byte_sub(PREFIX).cast::<Prefix>().as_ptr()).index = index as u32;
                };
                // Old ones stay in front of young ones: the last old one fills the gap, the last of all its place.
                let old = self.old_large.get();
                if index < old {
                    self.old_large.set(old - 1);
                    large.swap(index, old - 1);
                    place(large, index);
                    index = old - 1;
                }
                large.swap_remove(index);
                if index < large.len() {
                    place(large, index);
                }
                let len = large.len();
                if large.capacity() > len + len / 4 + 2 * FEW_PLACES {
                    large.shrink_to(len + len / 16 + FEW_PLACES);
                }
            });
            let total = units as usize * STEP;
            self.count_freed_outside(total);
            self.discharge_object(object, total + PLACE);
            let layout = Layout::from_size_align_unchecked(total, STEP);
            std::alloc::dealloc(object.byte_sub(PREFIX).as_ptr().cast(), layout);
        }
    }

    /// A full chunk got a free block, or a partial one became empty.
    #[cold]
    #[inline(never)]
    unsafe fn chunk_event(&self, chunk: NonNull<Chunk>) {
        // SAFETY: chunks of this heap are alive.
        unsafe {
            let record = chunk.as_ref();
            let head = &self.partial[record.class as usize];
            if record.state.get() == State::Full {
                record.state.set(State::Partial);
                record.notify.set(0);
                record.previous.set(std::ptr::null_mut());
                record.next.set(head.get());
                if let Some(next) = head.get().as_ref() {
                    next.previous.set(chunk.as_ptr());
                }
                head.set(chunk.as_ptr());
            }
            if record.used.get() == 0 && record.state.get() == State::Partial {
                self.unlink(chunk);
                self.chunks.with(|chunks| {
                    let index = record.index.get();
                    chunks.swap_remove(index as usize);
                    if let Some(moved) = chunks.get(index as usize) {
                        moved.as_ref().index.set(index);
                    }
                });
                let kept = self.reserve.with(|reserve| {
                    let kept = reserve.try_reserve(1).is_ok();
                    if kept {
                        reserve.push(chunk);
                    }
                    kept
                });
                if !kept {
                    self.segments.with(|segments| segments.give_back(chunk));
                }
                let surplus = self.reserve.with(|reserve| reserve.len()) > self.most_reserve();
                if surplus && self.trimming.get() == Trimming::Idle {
                    self.trimming.set(Trimming::Surplus);
                }
            }
        }
    }

    /// Empty chunks that are kept while the heap works.
    pub(super) fn most_reserve(&self) -> usize {
        RESERVE + self.chunks.with(|chunks| chunks.len()) / 2
    }

    /// Gives at most `count` empty chunks back until `most` are left; whether there are more to give.
    pub(super) fn shrink_reserve_by(&self, most: usize, count: usize) -> bool {
        let surplus = || self.reserve.with(|reserve| reserve.len()).saturating_sub(most);
        for _ in 0..count.min(surplus()) {
            if let Some(chunk) = self.reserve.with(Vec::pop) {
                // SAFETY: a chunk in the reserve is empty.
                self.segments
                    .with(|segments| unsafe { segments.give_back(chunk) });
            }
        }
        surplus() > 0
    }

    /// Counts bytes that were given back to the allocator.
    #[inline]
    pub(super) fn count_freed_outside(&self, bytes: usize) {
        self.outside_freed
            .set(self.outside_freed.get().saturating_add(bytes));
    }

    /// Gives pages back in which no object lives, of `count` partly used chunks before the place `before`; where to go on.
    pub(super) fn discard_empty_pages_of(&self, before: usize, count: usize) -> Option<usize> {
        self.chunks.with(|chunks| {
            let end = before.min(chunks.len());
            let start = end.saturating_sub(count);
            for &chunk in &chunks[start..end] {
                // SAFETY: chunks in the vector are alive.
                unsafe {
                    let record = chunk.as_ref();
                    if record.state.get() != State::Full && record.unused_bytes() >= PAGE {
                        discard_pages(chunk);
                    }
                }
            }
            (start > 0).then_some(start)
        })
    }

    /// Calls `f` with every live object of these small classes, and with large ones, leaves only if all classes are
    /// asked for. `f` neither allocates nor frees objects.
    #[inline]
    pub(crate) fn each_object(&self, classes: Range<usize>, mut f: impl FnMut(NonNull<Header>)) {
        self.chunks.with(|chunks| {
            for chunk in chunks.iter() {
                // SAFETY: chunks in the vector are alive; blocks below `bump` were used and hold an object or a free
                // block, told apart by `kind`.
                unsafe {
                    let record = chunk.as_ref();
                    if record.used.get() == 0 || !classes.contains(&(record.class as usize)) {
                        continue;
                    }
                    let mut offset = FIRST as u32;
                    let end = record.bump.get();
                    while offset < end {
                        let object = chunk.byte_add(offset as usize).cast::<Header>();
                        if object.as_ref().kind != 0 {
                            f(object);
                        }
                        offset += record.block;
                    }
                }
            }
        });
        self.large.with(|large| {
            for object in large.iter() {
                // SAFETY: objects in the vector are alive.
                if classes.end > GROUP || tag::is_container(unsafe { object.as_ref() }.kind) {
                    f(*object);
                }
            }
        });
    }

    /// Calls `f` with every object of a chunk. `f` neither allocates nor frees objects.
    #[inline]
    pub(crate) fn each_in_chunk(chunk: NonNull<Chunk>, mut f: impl FnMut(NonNull<Header>)) {
        // SAFETY: callers pass chunks of a heap that is alive; see `each_object`.
        unsafe {
            let record = chunk.as_ref();
            let (block, end) = (record.block as usize, record.bump.get() as usize);
            let mut offset = FIRST;
            while offset < end {
                let object = chunk.byte_add(offset).cast::<Header>();
                if object.as_ref().kind != 0 {
                    f(object);
                }
                offset += block;
            }
        }
    }

    /// The last chunk of containers before the place `before`, which moves there, that `is_wanted`.
    pub(crate) fn chunk_before(
        &self,
        before: &mut usize,
        is_wanted: impl Fn(&Chunk) -> bool,
    ) -> Option<NonNull<Chunk>> {
        self.chunks.with(|chunks| {
            let found = chunks[..(*before).min(chunks.len())].iter().rposition(|chunk| {
                // SAFETY: chunks in the vector are alive.
                let record = unsafe { chunk.as_ref() };
                record.used.get() > 0 && (record.class as usize) < GROUP && is_wanted(record)
            });
            *before = found.unwrap_or(0);
            found.map(|at| chunks[at])
        })
    }

    /// The last large object before the place `before`, which moves there.
    pub(crate) fn large_before(&self, before: &mut usize) -> Option<NonNull<Header>> {
        self.large.with(|large| {
            *before = (*before).min(large.len()).checked_sub(1)?;
            Some(large[*before])
        })
    }

    /// Chunks of containers that were allocated into since a pass last took them, the newest first, until they hold
    /// `most` objects; and whether those are all.
    pub(crate) fn fresh_chunks(&self, most: usize) -> (Vec<NonNull<Chunk>>, bool) {
        let (mut taken, mut objects) = (Vec::new(), 0);
        let all = self.chunks.with(|chunks| {
            for chunk in chunks.iter().rev() {
                // SAFETY: chunks in the vector are alive.
                let record = unsafe { chunk.as_ref() };
                if !record.fresh.get() || record.class as usize >= GROUP {
                    continue;
                }
                if objects >= most {
                    return false;
                }
                objects += record.used.get() as usize;
                taken.push(*chunk);
            }
            true
        });
        (taken, all)
    }

    /// Number of objects of kinds that can hold others.
    pub(crate) fn containers(&self) -> usize {
        let small = self.chunks.with(|chunks| {
            let containers = chunks.iter().filter_map(|chunk| {
                // SAFETY: chunks in the vector are alive.
                let record = unsafe { chunk.as_ref() };
                ((record.class as usize) < GROUP).then(|| record.used.get() as usize)
            });
            containers.sum::<usize>()
        });
        let large = self.large.with(|large| {
            let kinds = large.iter().map(|object| {
                // SAFETY: objects in the vector are alive.
                unsafe { object.as_ref() }.kind
            });
            kinds.filter(|&kind| tag::is_container(kind)).count()
        });
        small + large
    }

    /// A pass has taken everything: all is old.
    pub(crate) fn age_all_chunks(&self) {
        self.chunks.with(|chunks| {
            for chunk in chunks.iter() {
                Self::age_chunk(*chunk);
            }
        });
        self.age_large();
    }

    /// Shows `f` every container by chunk; it answers whether the object is a member of the pass that begins.
    pub(crate) fn list_objects(&self, mut f: impl FnMut(NonNull<Header>) -> bool) {
        self.chunks.with(|chunks| {
            for chunk in chunks.iter() {
                // SAFETY: chunks in the vector are alive.
                let record = unsafe { chunk.as_ref() };
                if record.used.get() == 0 || record.class as usize >= GROUP {
                    continue;
                }
                let mut listed = false;
                Self::each_in_chunk(*chunk, |object| listed |= f(object));
                record.listed.set(listed);
                Self::age_chunk(*chunk);
            }
        });
        self.large.with(|large| {
            for object in large.iter() {
                // SAFETY: objects in the vector are alive.
                if tag::is_container(unsafe { object.as_ref() }.kind) {
                    f(*object);
                }
            }
        });
        self.age_large();
    }

    /// Calls `f` with every member of the pass under way, until it answers false.
    pub(crate) fn each_listed(&self, mut f: impl FnMut(NonNull<Header>) -> bool) {
        self.chunks.with(|chunks| {
            for chunk in chunks.iter() {
                // SAFETY: as in `each_object`.
                unsafe {
                    let record = chunk.as_ref();
                    if !record.listed.get() {
                        continue;
                    }
                    let (block, end) = (record.block as usize, record.bump.get() as usize);
                    let mut offset = FIRST;
                    while offset < end {
                        let object = chunk.byte_add(offset).cast::<Header>();
                        // A free block has no flags.
                        if object.as_ref().has(flag::LISTED) && !f(object) {
                            return;
                        }
                        offset += block;
                    }
                }
            }
            self.large.with(|large| {
                for object in large.iter() {
                    // SAFETY: objects in the vector are alive.
                    if unsafe { object.as_ref() }.has(flag::LISTED) && !f(*object) {
                        return;
                    }
                }
            });
        });
    }

    /// Large containers allocated since the last pass.
    pub(crate) fn young_large(&self) -> Vec<NonNull<Header>> {
        self.large.with(|large| {
            let young = large[self.old_large.get()..].iter().copied();
            // SAFETY: objects in the vector are alive.
            young
                .filter(|object| tag::is_container(unsafe { object.as_ref() }.kind))
                .collect()
        })
    }

    /// All that is large is old from now on.
    pub(crate) fn age_large(&self) {
        self.old_large.set(self.large.with(|large| large.len()));
    }

    /// Notes that a chunk holds only old objects, unless new ones are still carved from it.
    pub(crate) fn age_chunk(chunk: NonNull<Chunk>) {
        // SAFETY: callers pass chunks of a heap that is alive.
        let record = unsafe { chunk.as_ref() };
        record.fresh.set(record.state.get() == State::Current);
    }

    /// Bytes that chunks hold from the system, used or not.
    pub(crate) fn chunk_bytes(&self) -> usize {
        (self.chunks.with(|chunks| chunks.len()) + self.reserve.with(|reserve| reserve.len())) * CHUNK
    }
}

/// Writes a header as two words, which is what keeps an allocation short.
#[inline(always)]
unsafe fn write_header(object: *mut Header, header: Header) {
    // SAFETY: a header is sixteen bytes without padding; the caller's memory has room for it.
    unsafe {
        let words = std::mem::transmute::<Header, [u64; 2]>(header);
        object.cast::<[u64; 2]>().write(words);
    }
}

/// Gives the pages of a chunk back in which no object lives, and takes their blocks off the free list.
unsafe fn discard_pages(chunk: NonNull<Chunk>) {
    // SAFETY: a chunk of this heap. Blocks below `bump` are objects or free; no page that is discarded has an object.
    unsafe {
        let record = chunk.as_ref();
        let (block, end) = (record.block as usize, record.bump.get() as usize);
        let is_free = |offset: usize| chunk.byte_add(offset).cast::<Header>().as_ref().kind == 0;
        // The first page holds the record. Pages above `bump` were never touched.
        let mut occupied = 1_u16;
        for offset in (FIRST..end).step_by(block).filter(|&offset| !is_free(offset)) {
            occupied |= record.pages_of(offset as u32);
        }
        let touched = ((1_u32 << end.div_ceil(PAGE)) - 1) as u16;
        let empty = touched & !occupied;
        if empty & !record.discarded.get() == 0 {
            return;
        }
        record.discarded.set(empty);
        let mut pages = empty;
        while pages != 0 {
            let first = pages.trailing_zeros() as usize;
            let count = (pages >> first).trailing_ones() as usize;
            discard(chunk.cast::<u8>().add(first * PAGE), count * PAGE);
            pages &= !((((1_u32 << count) - 1) << first) as u16);
        }
        let mut next = std::ptr::null_mut();
        for index in (0..(end - FIRST) / block).rev() {
            let offset = FIRST + index * block;
            if is_free(offset) && record.pages_of(offset as u32) & empty == 0 {
                let free = chunk.byte_add(offset).cast::<Free>();
                free.write(Free { zero: 0, next });
                next = free.as_ptr();
            }
        }
        record.free.set(next);
    }
}

/// Puts the blocks of discarded pages on the chunk's free list, which is empty.
#[cold]
unsafe fn take_back_pages(chunk: NonNull<Chunk>) {
    // SAFETY: a chunk of this heap. Blocks of discarded pages are free, and read as such.
    unsafe {
        let record = chunk.as_ref();
        let pages = record.discarded.replace(0);
        let (block, end) = (record.block as usize, record.bump.get() as usize);
        let mut next = record.free.get();
        for index in (0..(end - FIRST) / block).rev() {
            let offset = FIRST + index * block;
            if record.pages_of(offset as u32) & pages != 0 {
                let free = chunk.byte_add(offset).cast::<Free>();
                free.write(Free { zero: 0, next });
                next = free.as_ptr();
            }
        }
        record.free.set(next);
    }
}

/// Puts blocks that were never used, or whose pages were given back, on the chunk's free list; false when there are
/// none.
unsafe fn extend(chunk: NonNull<Chunk>) -> bool {
    // SAFETY: a chunk of this heap, or the stand-in, whose blocks are larger than what is left.
    unsafe {
        let record = chunk.as_ref();
        if record.discarded.get() != 0 {
            take_back_pages(chunk);
            return true;
        }
        let block = record.block as usize;
        let start = record.bump.get() as usize;
        let count = (CHUNK - start) / block;
        if count == 0 {
            return false;
        }
        let page = REFILL - start % REFILL;
        let count = count.min((page / block).max(1));
        let mut next = record.free.get();
        for index in (0..count).rev() {
            let free = chunk.byte_add(start + index * block).cast::<Free>();
            free.write(Free { zero: 0, next });
            next = free.as_ptr();
        }
        record.free.set(next);
        record.bump.set((start + count * block) as u32);
        true
    }
}

/// Total bytes and 16-byte units of a large object with its prefix; `None` when no machine has that much.
fn large_size(size: usize) -> Option<(usize, u32)> {
    let total = size.checked_add(PREFIX + STEP - 1)? & !(STEP - 1);
    let units = u32::try_from(total / STEP).ok()?;
    isize::try_from(total).is_ok().then_some((total, units))
}

/// Gives all chunks back.
pub(super) fn free_chunks(inner: &Inner) {
    let chunks = inner.chunks.take().len() + inner.reserve.take().len();
    inner.segments.with(|segments| {
        // SAFETY: nothing lives in this heap any more.
        unsafe { segments.end(chunks) };
    });
}
