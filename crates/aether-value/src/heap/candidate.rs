//! Candidates: the containers of which the pass under way, when it has marked, asks whether they are dead; and how it
//! learns that the program has to do with one after all.
//!
//! The program runs between two slices of a pass. What is dead stays as it is, so a candidate that anything happens to
//! is alive. Three things can happen to it, and none costs the program anything while there are no candidates:
//!
//! - *A count changes.* The count of a candidate is *trapped*: written so that it is negative as a signed number. To
//!   retain or release tests for that anyway, for stuck counts and for death, and ends up in
//!   [`Inner::trapped_count_changed`].
//! - *Its contents change.* A reference that is stored is retained, one that is replaced is released, so the counts
//!   tell. What takes a reference out of an object without releasing it, or moves references within one, calls
//!   [`Header::touch`] first; arrays, dicts and sets look at `CANDIDATE` together with `SHARED_BUFFER`, which every
//!   write looks at. A reference may be moved *in* without a word: it was held from outside until then, and the count
//!   shows that.
//! - *It dies.* Death looks for side records by a mask of flags, which `CANDIDATE` and `GRAY` are part of.
//!
//! Example: `a` and `b` refer to each other, and the program has lost both: they are candidates, and nothing happens to
//! them. A third one, `c`, is in use, but marking has missed it because the program moved it from an object that was not
//! marked yet to one that was. The next time `c` is read from there, its count changes, and `c` is alive with all that
//! it leads to.
//!
//! | bits of a trapped count | meaning |
//! |---|---|
//! | 31, 30 | 1, 0: trapped |
//! | 29 | the count is in [`Watched::large`], bits 0–14 are [`MIDDLE`] |
//! | 15–28 | references from candidates that were seen |
//! | 0–14 | the count |
//!
//! Invariants
//! - A candidate is `OLD` and has `CANDIDATE`. Its count is trapped until it is known to be alive: then it is `GRAY`, has
//!   its plain count, and is on the list of what is to be traced.
//! - The items of an array are a candidate only if the array is one, and so for tables: only their owners know of
//!   writes. An owner that is touched or that lets go of sharing takes them along.
//! - An address that the pass holds is forgotten by it through [`Watched::gone`] as soon as the object dies, moves, or is
//!   no candidate any more.
#![expect(unsafe_code, reason = "follows the addresses that a pass holds")]

use std::collections::HashMap;
use std::ptr::NonNull;

use ahash::RandomState;

use crate::{Coroutine, tag};

use super::header::STICKY;
use super::visit::Visitor;
use super::{Header, Inner, alloc, flag};

const TRAPPED: u32 = 1 << 31;
const IN_TABLE: u32 = 1 << 29;
/// Bits of a count in place.
const COUNT_BITS: u32 = 15;
const COUNT: u32 = (1 << COUNT_BITS) - 1;
/// Counts from here on are kept in the table.
const LARGE: u32 = 1 << (COUNT_BITS - 1);
/// What stands for a count that is in the table: a change by one in either direction shows.
const MIDDLE: u32 = LARGE / 2;
const SEEN_ONE: u32 = 1 << COUNT_BITS;

/// Count of a candidate that is too large for its place.
struct LargeCount {
    count: u32,
    seen: u32,
}

/// What the pass holds and the program may change.
#[derive(Default)]
pub(super) struct Watched {
    /// Addresses that the pass still has in a list, where its object is no longer.
    gone: Gone,
    large: HashMap<usize, LargeCount, RandomState>,
    /// Candidates that are alive, whose contents are still to be traced.
    alive: Vec<NonNull<Header>>,
}

/// Bytes of a stretch of addresses.
const STRETCH: usize = 64 << 10;
/// Bytes for each of which a stretch has a bit: no two objects begin within as many.
const GRAIN: usize = 16;
const WORD_BITS: usize = u64::BITS as usize;

/// A bit for each place in a stretch where an object may begin.
type Bits = [u64; STRETCH / GRAIN / WORD_BITS];

/// A set of addresses, with how often each is in it. As many as objects may enter it at once, when much dies: so it is of
/// bits, which take little memory, and mostly the same little memory for objects that lie together.
#[derive(Default)]
struct Gone {
    stretches: HashMap<usize, Box<Bits>, RandomState>,
    /// Bits that are set.
    len: usize,
    /// Addresses that are in the set more than once, which is rare: how often beside the first time.
    again: HashMap<usize, u32, RandomState>,
}

impl Gone {
    /// The stretch of an address, the word there, and the bit in it.
    #[inline]
    fn place(address: usize) -> (usize, usize, u64) {
        let bit = address % STRETCH / GRAIN;
        (address / STRETCH, bit / WORD_BITS, 1 << (bit % WORD_BITS))
    }

    fn insert(&mut self, address: usize) {
        let (stretch, word, bit) = Self::place(address);
        let bits = self
            .stretches
            .entry(stretch)
            .or_insert_with(|| Box::new([0; STRETCH / GRAIN / WORD_BITS]));
        if bits[word] & bit == 0 {
            bits[word] |= bit;
            self.len += 1;
        } else {
            *self.again.entry(address).or_insert(0) += 1;
        }
    }

    #[inline]
    fn contains(&self, address: usize) -> bool {
        if self.len == 0 {
            return false;
        }
        let (stretch, word, bit) = Self::place(address);
        let bits = self.stretches.get(&stretch);
        bits.is_some_and(|bits| bits[word] & bit != 0)
    }

    /// Takes an address out once; whether it was there.
    fn take(&mut self, address: usize) -> bool {
        if !self.contains(address) {
            return false;
        }
        if let Some(times) = self.again.get_mut(&address) {
            *times -= 1;
            if *times == 0 {
                self.again.remove(&address);
            }
            return true;
        }
        let (stretch, word, bit) = Self::place(address);
        if let Some(bits) = self.stretches.get_mut(&stretch) {
            bits[word] &= !bit;
            self.len -= 1;
        }
        true
    }
}

impl Watched {
    /// Whether the address in a list is to be passed over, once.
    pub(super) fn take_gone(&mut self, object: NonNull<Header>) -> bool {
        self.gone.take(object.as_ptr() as usize)
    }

    /// Whether the address in a list is to be passed over whenever it is met.
    #[inline]
    pub(super) fn is_gone(&self, object: NonNull<Header>) -> bool {
        self.gone.contains(object.as_ptr() as usize)
    }

    /// The next one to be traced.
    pub(super) fn next_alive(&mut self) -> Option<NonNull<Header>> {
        loop {
            let object = self.alive.pop()?;
            if !self.is_gone(object) {
                return Some(object);
            }
        }
    }

    fn forget(&mut self, object: NonNull<Header>) {
        self.gone.insert(object.as_ptr() as usize);
    }
}

/// Whether a count is that of a candidate not known to be alive.
#[inline(always)]
pub(super) const fn is_trapped(count: u32) -> bool {
    count >> 30 == 0b10
}

impl Header {
    /// To be called before a reference is taken out of this object without being released, or moved within it; see
    /// `heap::candidate`.
    #[inline(always)]
    pub fn touch(&self) {
        if self.has(flag::CANDIDATE) {
            self.touch_candidate();
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn touch_candidate(&self) {
        if !tag::is_container(self.kind) {
            return;
        }
        let object = NonNull::from(self);
        // SAFETY: the object is alive.
        unsafe {
            let heap = alloc::heap_of(object);
            heap.as_ref().touch_candidate(object);
        }
    }

    /// A count became negative by retaining.
    #[cold]
    #[inline(never)]
    pub(super) fn retained_beyond(&self) {
        let count = self.count.get();
        if is_trapped(count) && count != TRAPPED {
            let object = NonNull::from(self);
            // SAFETY: the object is alive.
            unsafe {
                let heap = alloc::heap_of(object);
                heap.as_ref().trapped_count_changed(object);
            }
        } else {
            self.count.set(STICKY);
        }
    }
}

impl Inner {
    /// Writes the count of a new candidate so that changes to it are noticed.
    pub(super) fn trap(&self, object: NonNull<Header>) {
        // SAFETY: callers pass live objects.
        let header = unsafe { object.as_ref() };
        let count = header.count.get();
        debug_assert!(count.cast_signed() > 0);
        if count < LARGE {
            header.count.set(TRAPPED | count);
        } else {
            header.count.set(TRAPPED | IN_TABLE | MIDDLE);
            let address = object.as_ptr() as usize;
            self.watched
                .with(|watched| watched.large.insert(address, LargeCount { count, seen: 0 }));
        }
    }

    /// A reference from one candidate to another object was seen.
    #[inline(always)]
    pub(super) unsafe fn see_reference(&self, child: NonNull<Header>) {
        // SAFETY: what an object holds is alive.
        let header = unsafe { child.as_ref() };
        let count = header.count.get();
        if !is_trapped(count) || !self.has_candidate(child) {
            return;
        }
        if count & IN_TABLE == 0 {
            header.count.set(count + SEEN_ONE);
        } else {
            self.watched.with(|watched| {
                if let Some(large) = watched.large.get_mut(&(child.as_ptr() as usize)) {
                    large.seen += 1;
                }
            });
        }
    }

    /// Whether an object is a candidate of this heap.
    #[inline(always)]
    pub(super) fn has_candidate(&self, object: NonNull<Header>) -> bool {
        // SAFETY: callers pass live objects.
        unsafe { object.as_ref().has(flag::CANDIDATE) && alloc::heap_of(object) == NonNull::from(self) }
    }

    /// Whether all references to a candidate were seen.
    pub(super) fn is_all_seen(&self, object: NonNull<Header>) -> bool {
        // SAFETY: callers pass live objects.
        let count = unsafe { object.as_ref() }.count.get();
        debug_assert!(is_trapped(count));
        if count & IN_TABLE == 0 {
            let seen = (count & (IN_TABLE - 1)) >> COUNT_BITS;
            debug_assert!(seen <= count & COUNT);
            return seen == count & COUNT;
        }
        self.watched.with(|watched| {
            let large = watched.large.get(&(object.as_ptr() as usize));
            large.is_some_and(|large| large.seen == large.count)
        })
    }

    /// Gives a candidate its plain count back.
    pub(super) fn untrap(&self, object: NonNull<Header>) {
        // SAFETY: callers pass objects whose memory is intact.
        let header = unsafe { object.as_ref() };
        let count = header.count.get();
        if !is_trapped(count) {
            return;
        }
        let low = count & COUNT;
        if count & IN_TABLE == 0 {
            header.count.set(low);
        } else {
            let address = object.as_ptr() as usize;
            let large = self.watched.with(|watched| watched.large.remove(&address));
            let large = large.map_or(0, |large| large.count);
            header.count.set(large.wrapping_add(low).wrapping_sub(MIDDLE));
        }
    }

    /// The program has retained or released a candidate, which has its new count then.
    pub(super) fn trapped_count_changed(&self, object: NonNull<Header>) {
        debug_assert!(!self.is_condemning(), "what is condemned was reached");
        self.untrap(object);
        self.found_alive(object);
    }

    /// What may be a candidate is alive.
    #[inline]
    pub(super) fn found_alive(&self, object: NonNull<Header>) {
        // SAFETY: callers pass objects that are alive.
        let header = unsafe { object.as_ref() };
        if self.has_candidate(object) && !header.has(flag::GRAY) {
            self.untrap(object);
            header.set_flag(flag::GRAY);
            self.watched.with(|watched| watched.alive.push(object));
        }
    }

    /// All that a candidate holds is alive.
    pub(super) unsafe fn children_alive(&self, object: NonNull<Header>) {
        // SAFETY: the caller's object is alive, and so is what it holds.
        unsafe { self.visit(object, &mut Visitor(|child| self.found_alive(child))) };
    }

    /// A candidate is about to change: it is alive, and so is all that it holds now. It is no candidate from here on,
    /// nor are its items or its table.
    unsafe fn touch_candidate(&self, object: NonNull<Header>) {
        // SAFETY: the caller's object is alive, and so are its parts; the kind says what it is.
        unsafe {
            let storage = Self::storage_of(object);
            for object in [Some(object), storage].into_iter().flatten() {
                if self.has_candidate(object) {
                    self.lose_candidate(object);
                }
            }
        }
    }

    /// An object is no candidate any more, and all that it holds now is alive.
    unsafe fn lose_candidate(&self, object: NonNull<Header>) {
        // SAFETY: the caller's object is alive.
        unsafe { self.children_alive(object) };
        self.untrap(object);
        self.forget_address(object);
    }

    /// The pass no longer has to do with an object of whose address it has one.
    pub(super) fn forget_address(&self, object: NonNull<Header>) {
        // SAFETY: callers pass objects whose memory is intact.
        let header = unsafe { object.as_ref() };
        header.clear_flag(flag::GRAY | flag::CANDIDATE);
        self.watched.with(|watched| watched.forget(object));
    }

    /// An object whose address a pass has dies.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn watched_object_dies(&self, object: NonNull<Header>) {
        // SAFETY: the object is intact.
        let header = unsafe { object.as_ref() };
        // SAFETY: what it holds is alive still; the kind says what it is.
        unsafe {
            if !header.has(flag::CANDIDATE) {
                self.mark_survivors(object);
            } else if header.kind == tag::COROUTINE && object.cast::<Coroutine>().as_ref().closes() {
                // It does not die before it was closed, and keeps what it holds.
                self.children_alive(object);
            }
        }
        self.forget_address(object);
    }

    /// Items or a table, which snapshots shared, belong to one owner again, which is about to write.
    #[cold]
    #[inline(never)]
    pub(crate) fn storage_unshared(&self, storage: NonNull<Header>) {
        // SAFETY: the owner's storage is alive.
        unsafe {
            if self.has_candidate(storage) {
                self.lose_candidate(storage);
            } else if storage.as_ref().has(flag::GRAY) && !self.is_condemning() {
                self.mark_children(storage);
                self.forget_address(storage);
            }
        }
    }

    /// Whether an object that is still there is dead: a pass has found that, and is tearing it down.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_condemned(&self, object: NonNull<Header>) -> bool {
        // SAFETY: the object's memory is intact.
        let header = unsafe { object.as_ref() };
        self.is_condemning() && header.has(flag::CANDIDATE) && !header.has(flag::GRAY)
    }

    /// Forgets all about candidates.
    pub(super) fn clear_watched(&self) {
        debug_assert!(self.watched.with(|watched| watched.large.is_empty()));
        drop(self.watched.take());
    }

    /// Passes over the addresses that are gone.
    pub(super) fn is_gone(&self, object: NonNull<Header>) -> bool {
        self.watched.with(|watched| watched.is_gone(object))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{GRAIN, Gone, STRETCH};

    proptest! {
        /// Addresses are in the set as often as a map of counts says.
        #[test]
        fn gone_addresses_are_counted(steps in prop::collection::vec((0..3_usize, 0..40_usize), 0..400)) {
            let mut gone = Gone::default();
            let mut model: HashMap<usize, u32> = HashMap::new();
            for (step, place) in steps {
                // Close together, and at both ends of stretches.
                let address = STRETCH * 7 * (1 + place / 10) + GRAIN * (place % 10) - GRAIN * 5;
                let times = model.entry(address).or_insert(0);
                match step {
                    0 => {
                        gone.insert(address);
                        *times += 1;
                    }
                    1 => {
                        prop_assert_eq!(gone.take(address), *times > 0);
                        *times = times.saturating_sub(1);
                    }
                    _ => prop_assert_eq!(gone.contains(address), *times > 0),
                }
            }
            prop_assert_eq!(gone.len, model.values().filter(|times| **times > 0).count());
        }
    }
}
