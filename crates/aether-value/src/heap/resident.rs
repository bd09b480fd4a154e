//! What the process holds for the heap beyond what is live, and giving it back.
//!
//! Three things make it hold more: chunks kept empty for reuse, chunks in which few objects survive, and memory that the
//! C library keeps. [`Heap::trim`] gives back what can be given back: empty chunks, pages of chunks without a live
//! object, and the C library's free pages. Nothing moves, so a page with a survivor stays. What comes by itself comes in
//! steps, at safepoints: the system takes some microseconds for each chunk.
//!
//! A budget bounds this too: what the touched pages of chunks have beyond the objects that live in them counts as soon
//! as it is more than a quarter of the budget and 4 MiB, for the part above that. Whenever the heap has taken a certain
//! amount anew, [`Inner::may_hold`] looks at this, trims if live bytes and that part exceed the budget, and refuses if
//! that does not help. Heaps that share a budget share what does not count in equal parts, and draw for the rest.

use super::account::NO_LIMIT;
use super::alloc::{CHUNK, KEPT_CHUNKS};
use super::segments::{CAN_DISCARD, trim_allocator};
use super::{Heap, Inner};

/// Bytes taken without a budget between two looks.
const SELDOM: usize = 64 << 20;
/// The least that is taken under a budget between two looks.
const OFTEN: usize = 1 << 20;
/// Unused bytes in chunks that do not count, besides a quarter of the budget.
const UNCOUNTED: usize = 4 << 20;
/// What a process may hold beyond the live bytes' double before it is trimmed without being asked.
const SLACK: usize = 4 << 20;

/// Unused bytes in chunks that do not count under a budget.
fn uncounted(limit: usize) -> usize {
    (limit / 4).saturating_add(UNCOUNTED)
}

impl Heap {
    /// Gives memory that nothing uses back to the system.
    pub fn trim(&self) {
        self.inner().trim();
        // Also what was freed by others than the heap.
        trim_allocator();
    }

    /// Trims, some chunks at a time, if much less is live than at one time since the last trim. Cheap; called now and
    /// then.
    #[inline]
    pub fn trim_if_due(&self) {
        let inner = self.inner();
        let (live, high) = (inner.live.get(), inner.high.get());
        if live > high {
            inner.high.set(live);
        } else if high / 2 > live + SLACK / 2 {
            inner.high.set(live);
            inner.trimming.set(Trimming::Reserve);
        }
        if live < inner.surplus_below.get() {
            inner.give_back_surplus();
        }
        if inner.trimming.get() != Trimming::Idle {
            inner.trim_step();
        }
    }
}

/// How far a trim in steps is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trimming {
    Idle,
    /// Gives back empty chunks beyond what is kept while the heap works.
    Surplus,
    /// Gives back empty chunks.
    Reserve,
    /// Gives back pages of partly used chunks, from this one down.
    Pages(usize),
    Allocator,
}

impl Inner {
    /// Whether the process may hold `bytes` more; asked before memory is taken from the system.
    #[inline]
    pub(super) fn may_hold(&self, bytes: usize) -> bool {
        let left = self.until_look.get();
        if bytes <= left {
            self.until_look.set(left - bytes);
            return true;
        }
        self.look(bytes)
    }

    /// The same after a pass, if that frees enough. The caller is where collecting is sound.
    #[inline]
    pub(super) fn may_hold_collecting(&self, bytes: usize) -> bool {
        self.may_hold(bytes) || self.collect_to_hold() && self.may_hold(bytes)
    }

    #[cold]
    #[inline(never)]
    fn look(&self, bytes: usize) -> bool {
        let limit = self.limit.get();
        if limit == NO_LIMIT {
            self.until_look.set(SELDOM);
            return true;
        }
        let budget = limit.saturating_add(self.open_reserve_bytes());
        let uncounted = uncounted(limit);
        let held = || self.live.get() + bytes + self.unused_bytes().saturating_sub(uncounted);
        if self.outside_freed.get() >= (limit / 16).max(OFTEN) {
            self.outside_freed.set(0);
            trim_allocator();
        }
        if held() > budget {
            self.trim();
            if held() > budget && !self.is_limit_lifted() {
                self.until_look.set(0);
                return false;
            }
        }
        if !self.may_hold_of_shared() && !self.is_limit_lifted() {
            self.until_look.set(0);
            return false;
        }
        self.until_look.set((limit / 64).max(OFTEN));
        true
    }

    /// Draws on the shared budget for what is held and not used beyond this heap's share of what does not count.
    fn may_hold_of_shared(&self) -> bool {
        let Some(budget) = self.shared.get() else {
            return true;
        };
        let share = budget.share_of_unused(uncounted);
        let excess = || self.unused_bytes().saturating_sub(share);
        if excess() > self.excess.get() {
            self.trim();
        }
        self.hold_excess(budget, excess())
    }

    /// Gives back empty chunks beyond a few, pages of chunks in which nothing lives, and what the C library holds.
    fn trim(&self) {
        self.high.set(self.live.get());
        self.trimming.set(Trimming::Idle);
        self.shrink_reserve_by(KEPT_CHUNKS, usize::MAX);
        if CAN_DISCARD {
            self.discard_empty_pages_of(usize::MAX, usize::MAX);
        }
        if self.outside_freed.replace(0) > 0 {
            trim_allocator();
        }
    }

    /// A step of a trim: some tens of microseconds, the C library's part apart, which cannot be divided.
    #[cold]
    #[inline(never)]
    fn trim_step(&self) {
        /// Chunks of a step.
        const CHUNKS: usize = 8;
        let next = match self.trimming.get() {
            Trimming::Idle => Trimming::Idle,
            Trimming::Surplus => {
                if self.shrink_reserve_by(self.most_reserve(), CHUNKS) {
                    Trimming::Surplus
                } else {
                    Trimming::Idle
                }
            }
            Trimming::Reserve => {
                if self.shrink_reserve_by(KEPT_CHUNKS, CHUNKS) {
                    Trimming::Reserve
                } else {
                    Trimming::Pages(usize::MAX)
                }
            }
            Trimming::Pages(before) => {
                if CAN_DISCARD && let Some(before) = self.discard_empty_pages_of(before, CHUNKS) {
                    Trimming::Pages(before)
                } else {
                    Trimming::Allocator
                }
            }
            Trimming::Allocator => {
                if self.outside_freed.replace(0) > 0 {
                    trim_allocator();
                }
                Trimming::Idle
            }
        };
        self.trimming.set(next);
    }

    /// Bytes of chunks that have been touched and hold nothing live.
    fn unused_bytes(&self) -> usize {
        let empty = self.reserve.with(|reserve| reserve.len()) * CHUNK;
        let partial = self.chunks.with(|chunks| {
            let unused = chunks.iter().map(|chunk| {
                // SAFETY: chunks in the vector are alive.
                unsafe { chunk.as_ref() }.unused_bytes()
            });
            unused.sum::<usize>()
        });
        empty + partial
    }
}
