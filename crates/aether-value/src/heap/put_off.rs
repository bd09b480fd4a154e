//! Deaths that wait because the program is over its limits.
//!
//! A program may drop millions of objects, or memory that the system takes long to take back, in one instruction. While
//! it is within its limits that is done at once, in order. Long releases look at the limits meanwhile; when the time is
//! over, or the evaluator has found a limit exceeded, what is left waits: dead objects in the work list of
//! `heap/release.rs`, large blocks of memory in a list of their own. What dies from then on joins them, so that a program
//! is left in a time that does not depend on what it holds.
//!
//! Invariants
//! - While deaths are put off, `draining` is set and nothing empties the work list.
//! - [`Heap::release_rest`] lets everything die that waits, in the order in which it would have died. It comes before
//!   whatever needs the heap as counting leaves it: the next call of the host, a collection, a charge that the budget
//!   would refuse, a question for figures, the end of the engine.
//! - Blocks that wait are charged; those that are objects are still in the heap's vector.
//! - Deaths that are recorded for a report are not put off, nor those within a collection.
//! - A look at the limits counts no work: steps are the same however long things take to die.
#![expect(unsafe_code, reason = "keeps dead objects and their memory")]

use std::ptr::NonNull;

use super::segments::{CAN_DISCARD, discard};
use super::{Header, Heap, Inner, Memory, release};
use crate::ErrorKind;

/// Whether deaths wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deaths {
    /// They are due; long releases look at the limits.
    Due,
    /// They are put off.
    PutOff,
    /// What was put off dies, however long that takes.
    Resumed,
}

/// Bytes from which on a block waits.
const LARGE_BLOCK: usize = 1 << 20;
/// Bytes from which on a block goes back to the system in parts.
const HUGE_BLOCK: usize = 128 << 20;
/// Bytes of a part, a multiple of the system's pages.
const PART: usize = 32 << 20;
/// A multiple of what the system's pages are.
const PAGE: usize = 64 << 10;

/// What waits beside the work list.
#[derive(Default)]
pub(super) struct Waiting {
    /// Large objects whose contents are gone.
    objects: Vec<NonNull<Header>>,
    /// Memory of objects that are gone.
    blocks: Vec<(NonNull<u8>, usize)>,
    /// Buffers in the work list, with the number of their items that have been released.
    progress: Vec<(NonNull<Header>, usize)>,
}

impl Heap {
    /// A limit is exceeded, and the program will run no further: what dies from now on waits for
    /// [`Self::release_rest`].
    pub fn put_off_deaths(&self) {
        self.inner().put_off();
    }

    /// Lets everything die that was put off.
    #[inline]
    pub fn release_rest(&self) {
        if self.inner().is_putting_off() {
            self.inner().release_rest();
        }
    }
}

impl Inner {
    #[inline]
    pub(super) fn is_putting_off(&self) -> bool {
        self.deaths.get() == Deaths::PutOff
    }

    fn put_off(&self) {
        let may_wait = self.deaths.get() == Deaths::Due && !self.is_watched() && !self.collecting.get();
        if may_wait {
            self.deaths.set(Deaths::PutOff);
            self.draining.set(true);
        }
    }

    /// In the middle of many deaths: puts off what is left if the time is over.
    #[cold]
    #[inline(never)]
    pub(super) fn look_at_limits(&self) {
        if self.deaths.get() == Deaths::Due
            && let Some(overseer) = &*self.overseer.borrow()
            && let Err(raise) = overseer.look(self.work.get())
            // Steps are the evaluator's to count, and after an interruption scripts may clean up.
            && raise.kind() == ErrorKind::TimeLimit
        {
            self.put_off();
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn release_rest(&self) {
        self.deaths.set(Deaths::Resumed);
        // The caller has a handle or an object, so the record outlives this.
        let heap = Heap::clone(&std::mem::ManuallyDrop::new(Heap(NonNull::from(self))));
        let (objects, blocks) = self.waiting.with(|waiting| {
            (
                std::mem::take(&mut waiting.objects),
                std::mem::take(&mut waiting.blocks),
            )
        });
        // SAFETY: what waits is dead, and was left as it was; `draining` is set.
        unsafe {
            for object in objects {
                self.free(object);
            }
            for (memory, bytes) in blocks {
                Memory::free(self, memory.as_ptr(), bytes);
            }
            release::finish(heap.0);
        }
        self.deaths.set(Deaths::Due);
    }

    /// Keeps how many items of a dead buffer have been released.
    pub(super) fn keep_progress(&self, buffer: NonNull<Header>, released: usize) {
        self.waiting
            .with(|waiting| waiting.progress.push((buffer, released)));
    }

    /// How many items of a dead buffer have been released.
    pub(super) fn take_progress(&self, buffer: NonNull<Header>) -> usize {
        self.waiting.with(|waiting| {
            let at = waiting.progress.iter().position(|(known, _)| *known == buffer);
            at.map_or(0, |at| waiting.progress.swap_remove(at).1)
        })
    }

    /// Whether a large object that is to be freed waits instead. Of a huge one the memory may be gone then.
    pub(super) fn puts_off_object(&self, object: NonNull<Header>, memory: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the caller's object is dead; what is in front of its contents stays.
        let waits = unsafe { self.puts_off(memory, bytes) };
        if waits {
            self.waiting.with(|waiting| waiting.objects.push(object));
        }
        waits
    }

    /// The same for memory beside objects.
    ///
    /// # Safety
    /// Nothing uses the memory any more.
    pub(super) unsafe fn puts_off_block(&self, memory: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the caller's promise.
        let waits = unsafe { self.puts_off(memory, bytes) };
        if waits {
            self.waiting.with(|waiting| waiting.blocks.push((memory, bytes)));
        }
        waits
    }

    /// Whether a block waits. A huge one is given back to the system in parts before, until the time is over: the system
    /// takes a tenth of a second or more for a gigabyte.
    ///
    /// # Safety
    /// The block's content is used no more, but for its first [`PAGE`] bytes.
    unsafe fn puts_off(&self, memory: NonNull<u8>, bytes: usize) -> bool {
        if bytes < LARGE_BLOCK {
            return false;
        }
        if bytes >= HUGE_BLOCK && CAN_DISCARD && self.deaths.get() == Deaths::Due {
            let start = memory.addr().get().next_multiple_of(PAGE) + PAGE - memory.addr().get();
            let mut at = start;
            while at + PART <= bytes && !self.is_putting_off() {
                // SAFETY: whole pages of the block, behind its first ones.
                unsafe { discard(memory.add(at), PART) };
                at += PART;
                self.look_at_limits();
            }
        }
        self.is_putting_off()
    }
}
