//! Counting bytes: charges, the budget, the peak, and when a collection is due.
//!
//! Invariants
//! - `live` changes only here and in the allocator's fast path, by what is taken or given back.
//! - `next_event` is the lower of limit and trigger, so that an allocation makes one compare.
//! - The peak is recorded on the way down: between two frees the live bytes only grow, so the maximum is always at a
//!   free or now. That keeps it exact without a compare per allocation.
//!
//! When a collection is due is for the collector's [`super::collector::Pace`] to say; its mark is kept here. When
//! counting alone has freed half of what was live, the mark is set anew, lower.

use crate::{Heap, Raise};

use super::Inner;
use super::collector::GARBAGE_FLOOR;

/// "No limit": still a limit, since no allocation is larger.
pub(crate) const NO_LIMIT: usize = isize::MAX as usize;

impl Heap {
    /// Bytes of everything not yet freed, capacity included.
    #[inline]
    pub fn live_bytes(&self) -> usize {
        self.inner().live.get()
    }

    /// Number of objects not yet freed.
    #[inline]
    pub fn live_objects(&self) -> usize {
        self.inner().live_objects.get()
    }

    /// The most bytes that were live at one time since the start or the last reset.
    pub fn peak_bytes(&self) -> usize {
        let inner = self.inner();
        inner.peak().max(inner.live.get())
    }

    /// Starts a new high-water mark at the present level.
    pub fn reset_peak(&self) {
        let inner = self.inner();
        inner.set_window(inner.low.get(), inner.live.get());
    }

    /// The budget in bytes.
    pub fn limit(&self) -> Option<usize> {
        let limit = self.inner().limit.get();
        (limit != NO_LIMIT).then_some(limit)
    }

    /// Sets the budget; it may be below what is live, then only frees succeed.
    pub fn set_limit(&self, limit: Option<usize>) {
        let inner = self.inner();
        inner.limit.set(limit.unwrap_or(NO_LIMIT).min(NO_LIMIT));
        inner.set_next_event();
    }

    /// Whether growth asks for collections.
    pub fn auto_collect(&self) -> bool {
        self.inner().auto_collect.get()
    }

    /// Turns automatic collections on or off.
    pub fn set_auto_collect(&self, on: bool) {
        let inner = self.inner();
        inner.auto_collect.set(on);
        inner.due.set(false);
        inner.set_trigger();
    }

    /// Whether enough was allocated since the last pass that a safe point should call [`Heap::collect`].
    #[inline(always)]
    pub fn collection_due(&self) -> bool {
        self.inner().due.get()
    }

    /// Takes `bytes` from the budget; false if that would go over.
    #[inline]
    pub fn try_charge(&self, bytes: usize) -> bool {
        self.inner().charge(bytes)
    }

    /// Takes `bytes` from the budget.
    ///
    /// # Errors
    /// Out of memory when that would go over; nothing is charged then.
    #[inline]
    pub fn charge(&self, bytes: usize) -> Result<(), Raise> {
        if self.inner().charge(bytes) {
            Ok(())
        } else {
            Err(self.out_of_memory(bytes))
        }
    }

    /// Gives `bytes` back.
    #[inline]
    pub fn discharge(&self, bytes: usize) {
        self.inner().discharge(bytes);
    }

    /// The error for a request of `bytes` that was refused.
    #[cold]
    #[inline(never)]
    pub fn out_of_memory(&self, bytes: usize) -> Raise {
        Raise::out_of_memory(bytes, self.live_bytes(), self.limit())
    }
}

impl Inner {
    #[inline(always)]
    pub(crate) fn charge(&self, bytes: usize) -> bool {
        // No overflow: live is below isize::MAX, and so is what gets past the compare.
        let live = self.live.get().saturating_add(bytes);
        if live > self.next_event.get() {
            return self.charge_slow(bytes);
        }
        self.live.set(live);
        true
    }

    /// The limit or the collector's trigger was crossed.
    #[cold]
    #[inline(never)]
    pub(crate) fn charge_slow(&self, bytes: usize) -> bool {
        if self.live.get().saturating_add(bytes) > self.limit.get() {
            // Cyclic garbage may be what fills the budget.
            if !self.auto_collect.get() || !self.collect_for_budget() {
                return false;
            }
            if self.live.get().saturating_add(bytes) > self.limit.get() {
                return false;
            }
        }
        let live = self.live.get() + bytes;
        self.live.set(live);
        if live > self.trigger.get() && self.auto_collect.get() {
            self.due.set(true);
            self.set_next_event();
        }
        true
    }

    #[inline(always)]
    pub(crate) fn discharge(&self, bytes: usize) {
        let live = self.live.get();
        debug_assert!(live >= bytes, "more bytes given back than taken");
        if live.wrapping_sub(self.low.get()) > self.span.get() {
            self.leave_window(live);
        }
        self.live.set(live.wrapping_sub(bytes));
    }

    /// A free saw the live bytes above the recorded peak, or below the low mark.
    #[cold]
    #[inline(never)]
    fn leave_window(&self, live: usize) {
        if live > self.peak() {
            self.set_window(self.low.get(), live);
        } else {
            self.pace.lower(live);
            self.set_trigger();
        }
    }

    fn peak(&self) -> usize {
        self.low.get() + self.span.get()
    }

    fn set_window(&self, low: usize, peak: usize) {
        let low = low.min(peak);
        self.low.set(low);
        self.span.set(peak - low);
    }

    /// Sets the next collection by what is live now.
    pub(crate) fn set_trigger(&self) {
        let live = self.live.get();
        let peak = self.peak().max(live);
        self.trigger.set(self.pace.trigger(live));
        let low = live / 2;
        self.set_window(if low < GARBAGE_FLOOR { 0 } else { low }, peak);
        self.set_next_event();
    }

    fn set_next_event(&self) {
        let limit = self.limit.get();
        let next = if self.auto_collect.get() && !self.due.get() {
            limit.min(self.trigger.get())
        } else {
            limit
        };
        self.next_event.set(next);
    }

    /// Called after a pass.
    pub(crate) fn pass_done(&self) {
        self.due.set(false);
        self.set_trigger();
    }
}
