//! Budgets that several heaps share, on any threads: a program's, which bounds its workers too.
//!
//! A heap *draws* on its budget in grants and charges against what it has drawn, so that a charge is one compare as ever
//! and touches nothing that is shared. It gives back what it does not use when it has shrunk, before it waits, and
//! wholly when it ends. A heap joins a budget when it first makes something for another thread; before that, and
//! without a limit, there is none.
//!
//! Invariants
//! - What is drawn does not exceed the limit, but by the reserves of handlers that are open, one for each heap, and by
//!   what a heap held when it joined.
//! - What a heap has drawn and does not use is small beside the limit: grants are a thousandth of it, and less when
//!   little is left.
//! - A budget within another draws on that one whatever it grants. So a worker's own limit bounds what the worker
//!   starts, and the program's bounds them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::account::{NO_LIMIT, reserve};
use super::{Heap, Inner};

/// A budget that heaps on several threads draw on.
///
/// ```
/// use aether_value::{Budget, Heap, HeapConfig};
///
/// let budget = Budget::new(1 << 20);
/// let [one, two] = [(); 2].map(|()| Heap::new(HeapConfig::default()));
/// one.join_budget(&budget);
/// two.join_budget(&budget);
/// one.charge(900 << 10).expect("there is room");
/// assert!(two.charge(200 << 10).is_err());
/// drop(one);
/// ```
#[derive(Debug)]
pub struct Budget {
    limit: AtomicUsize,
    drawn: AtomicUsize,
    /// Heaps that have joined this one, or one within it.
    heaps: AtomicUsize,
    within: Option<Arc<Budget>>,
    /// How many budgets this one is within.
    depth: u32,
}

/// A draw that was refused: bytes in use, and the limit of the budget that refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) used: usize,
    pub(super) limit: usize,
}

/// The least grant in bytes, unless less is left.
const LEAST_GRANT: usize = 4 << 10;
/// The largest grant in bytes, unless more is needed.
const LARGEST_GRANT: usize = 1 << 20;
/// Budgets that one may be within. Workers that start workers, and so on, have budgets of their own down to there;
/// below, their heaps have limits only.
const MOST_DEPTH: u32 = 8;

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Self::made(limit, None)
    }

    /// A budget within another, of at most so many bytes.
    pub fn within(outer: &Arc<Self>, limit: usize) -> Arc<Self> {
        if outer.depth >= MOST_DEPTH || limit >= outer.limit() {
            return outer.clone();
        }
        Self::made(limit, Some(outer.clone()))
    }

    fn made(limit: usize, within: Option<Arc<Self>>) -> Arc<Self> {
        let depth = within.as_ref().map_or(0, |outer| outer.depth + 1);
        Arc::new(Self {
            limit: AtomicUsize::new(limit.min(NO_LIMIT)),
            drawn: AtomicUsize::new(0),
            heaps: AtomicUsize::new(0),
            within,
            depth,
        })
    }

    /// Bytes that may be drawn in all.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Bytes that are drawn.
    pub fn drawn(&self) -> usize {
        self.drawn.load(Ordering::Relaxed)
    }

    /// Bytes that can still be drawn.
    pub fn room(&self) -> usize {
        self.levels().map(Self::own_room).min().unwrap_or(0)
    }

    fn own_room(&self) -> usize {
        self.limit().saturating_sub(self.drawn())
    }

    /// This budget and those that it is within.
    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |budget| budget.within.as_deref())
    }

    /// What a heap draws beyond what it needs.
    fn grant(&self) -> usize {
        (self.limit() / 1024).clamp(LEAST_GRANT, LARGEST_GRANT)
    }

    /// Draws at least `least` bytes, and up to `wish` if much is left.
    fn draw(&self, least: usize, wish: usize) -> Result<usize, Refusal> {
        let mut granted = self.draw_own(least, wish)?;
        if let Some(outer) = &self.within {
            match outer.draw(least, granted) {
                Ok(given) => {
                    self.drawn.fetch_sub(granted - given, Ordering::Relaxed);
                    granted = given;
                }
                Err(refusal) => {
                    self.drawn.fetch_sub(granted, Ordering::Relaxed);
                    return Err(refusal);
                }
            }
        }
        Ok(granted)
    }

    fn draw_own(&self, least: usize, wish: usize) -> Result<usize, Refusal> {
        let limit = self.limit();
        let mut drawn = self.drawn();
        loop {
            let left = limit.saturating_sub(drawn);
            if least > left {
                let used = drawn.min(limit);
                return Err(Refusal { used, limit });
            }
            let granted = wish.min(left / 16).max(least);
            // The figure guards no other data.
            let swapped = self.drawn.compare_exchange_weak(
                drawn,
                drawn + granted,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return Ok(granted),
                Err(now) => drawn = now,
            }
        }
    }

    /// Draws, past the limit if need be.
    fn force(&self, bytes: usize) {
        for budget in self.levels() {
            budget.drawn.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn give_back(&self, bytes: usize) {
        for budget in self.levels() {
            let before = budget.drawn.fetch_sub(bytes, Ordering::Relaxed);
            debug_assert!(before >= bytes, "more bytes given back than drawn");
        }
    }

    /// What a heap may hold of the system's memory without using it, of so much that all may: see `resident`.
    pub(super) fn share_of_unused(&self, unused: impl Fn(usize) -> usize) -> usize {
        let shares = self.levels().map(|budget| {
            let heaps = budget.heaps.load(Ordering::Relaxed);
            unused(budget.limit()) / heaps.max(1)
        });
        shares.min().unwrap_or(0)
    }
}

/// Bytes drawn for what no heap holds, a message on its way for one, until this is dropped.
#[derive(Debug)]
pub(crate) struct Drawn {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

impl Heap {
    /// Has the heap draw on a budget, besides its own limit. What it holds already is drawn, past the limit if need be.
    /// A heap joins one budget at most; the first call counts.
    pub fn join_budget(&self, budget: &Arc<Budget>) {
        let inner = self.inner();
        if inner.shared.set(budget.clone()).is_ok() {
            for level in budget.levels() {
                level.heaps.fetch_add(1, Ordering::Relaxed);
            }
            let live = inner.live.get();
            budget.force(live);
            inner.set_room(live);
        }
    }

    /// The budget that bounds this heap and those that it starts: the one that it has joined, or a new one of the limit
    /// that was given to it from outside. None if nothing bounds it.
    pub fn budget(&self) -> Option<Arc<Budget>> {
        let inner = self.inner();
        let given = inner.given_limit.get();
        if inner.shared.get().is_none() && given != NO_LIMIT {
            inner.owns_budget.set(true);
            self.join_budget(&Budget::new(given));
        }
        inner.shared.get().cloned()
    }

    /// Bytes that could be charged just now; none without a limit.
    pub fn room(&self) -> Option<usize> {
        let inner = self.inner();
        let live = inner.live.get();
        let own = self.limit().map(|limit| limit.saturating_sub(live));
        let shared = inner.shared.get().map(|budget| {
            let drawn = inner.open_room().saturating_sub(live);
            drawn.saturating_add(budget.room())
        });
        own.into_iter().chain(shared).min()
    }

    /// Draws on the budget for what leaves the heap.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn draw(&self, bytes: usize) -> Result<Option<Drawn>, crate::Raise> {
        let Some(budget) = self.budget() else {
            return Ok(None);
        };
        self.settle_budget();
        if let Err(refusal) = budget.draw(bytes, bytes) {
            let inner = self.inner();
            // A handler may tell others: of all messages together, as much as one reserve.
            let reserve = inner.open_reserve_bytes();
            let over = budget.levels().map(|level| {
                let drawn = level.drawn().saturating_add(bytes);
                drawn.saturating_sub(level.limit())
            });
            if over.max().unwrap_or(0) > reserve {
                inner.refuse(Some(refusal));
                return Err(self.out_of_memory(bytes));
            }
            budget.force(bytes);
        }
        Ok(Some(Drawn { budget, bytes }))
    }

    /// Gives back what is drawn and not used: before a wait, whose end nobody knows.
    #[inline]
    pub fn settle_budget(&self) {
        self.inner().give_back_room(0);
    }

    /// Tells the budget that this heap has made what its limit is now.
    pub(super) fn budget_is_now(&self, limit: usize) {
        let inner = self.inner();
        if inner.owns_budget.get()
            && let Some(budget) = inner.shared.get()
        {
            budget.limit.store(limit, Ordering::Relaxed);
        }
    }
}

impl Inner {
    /// `live` may be so much without another draw.
    fn set_room(&self, room: usize) {
        self.room.set(room);
        let spare = self.shared.get().map_or(0, |budget| 2 * budget.grant());
        self.surplus_below.set(room.saturating_sub(spare));
        self.set_next_event();
    }

    /// Makes room for so many bytes more, after a collection if need be; `forced` past the limit.
    #[cold]
    pub(super) fn make_room(&self, bytes: usize, forced: bool) -> bool {
        let Some(budget) = self.shared.get() else {
            return true;
        };
        let mut collected = false;
        loop {
            let wanted = self.live.get().saturating_add(bytes);
            let room = if forced { self.room.get() } else { self.open_room() };
            let Some(needed) = wanted.checked_sub(room).filter(|&needed| needed > 0) else {
                return true;
            };
            let refusal = match budget.draw(needed, needed.saturating_add(budget.grant())) {
                Ok(granted) => {
                    // The budget covers what was drawn past it.
                    self.forced.set(0);
                    self.set_room(self.room.get() + granted);
                    return true;
                }
                Err(refusal) => refusal,
            };
            if forced || self.is_in_reserve(wanted) {
                budget.force(needed);
                self.forced.set(self.forced.get() + needed);
                self.set_room(self.room.get() + needed);
                return true;
            }
            if collected || !self.collect_for_room() {
                self.refuse(Some(refusal));
                return false;
            }
            collected = true;
        }
    }

    /// Whether the reserve of a handler covers so many live bytes.
    fn is_in_reserve(&self, live: usize) -> bool {
        let is_open = !self.reserve_holder.get().is_null();
        is_open && live <= self.reserve_base.get().saturating_add(reserve(self.limit.get()))
    }

    /// Gives back what is drawn and not used, but for so many bytes.
    pub(super) fn give_back_room(&self, kept: usize) {
        if let Some(budget) = self.shared.get() {
            let room = self.room.get();
            let left = self.live.get().saturating_add(kept);
            if left < room {
                budget.give_back(room - left);
                self.forced.set(self.forced.get().saturating_sub(room - left));
                self.set_room(left);
            }
        }
    }

    /// The live bytes are far below what is drawn.
    #[cold]
    #[inline(never)]
    pub(super) fn give_back_surplus(&self) {
        if let Some(budget) = self.shared.get() {
            self.give_back_room(budget.grant());
        }
    }

    /// Draws for memory that is held and not used, or gives back what was drawn for it; false when that is refused.
    pub(super) fn hold_excess(&self, budget: &Budget, excess: usize) -> bool {
        let held = self.excess.get();
        if excess > held {
            if let Err(refusal) = budget.draw(excess - held, excess - held) {
                self.refuse(Some(refusal));
                return false;
            }
        } else {
            budget.give_back(held - excess);
        }
        self.excess.set(excess);
        true
    }

    /// The heap ends.
    pub(super) fn leave_budget(&self) {
        if let Some(budget) = self.shared.get() {
            budget.give_back(self.room.get() + self.excess.get());
            for level in budget.levels() {
                level.heaps.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}
