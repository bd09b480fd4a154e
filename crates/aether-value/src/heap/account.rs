//! Counting bytes: charges, the budget, the peak, and when a collection is due.
//!
//! Invariants
//! - `live` changes only here and in the allocator's fast path, by what is taken or given back.
//! - `next_event` is the lower of limit and trigger, so that an allocation makes one compare.
//! - The peak is recorded on the way down: between two frees the live bytes only grow, so the maximum is always at a
//!   free or now. That keeps it exact without a compare per allocation.
//!
//! The budget: a charge past the limit is refused before anything is taken, after a collection was tried. There are two
//! limits: the one *given* from outside, and the one in force, which a script may set at or below it. The error object
//! that tells of a refusal opens a *reserve* beyond the limit, 1 % of it and at least 64 KiB, for whoever handles the
//! error. The reserve is open until the handler lets go of that object, or the heap is back below the limit by the size
//! of the reserve, whichever is first; then the next refusal opens it again. A refusal while it is open is an error like
//! any other, and its object takes the reserve over. An error that leaves the script hands the reserve on to the host,
//! whose next calls need it to put things right: [`Heap::hold_reserve`].
//!
//! Under *watch* (recording of sites, stress, counting of charges) no charge takes the short way: `next_event` is 0.
//!
//! The budget is tried to be kept by a collection at most once for each eighth of it that was charged since the last
//! one, unless that one freed much: a program at its limit must not spend its time collecting. For the same reason a
//! buffer that grows halves its wish when that is refused, but never asks for less than an eighth of it
//! ([`growth_steps`]): the growths of a buffer take time in proportion to its size, also at the limit.
//!
//! A budget that other heaps share is drawn on in grants; `next_event` is at most what is drawn: see [`super::budget`]. A
//! refusal of that one is like one of the limit, which is then what was drawn.
//!
//! When a collection is due is for the collector's [`super::collector::Schedule`] to say; its mark is kept here. When
//! counting alone has freed half of what was live, the mark is set anew, lower.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::{ErrorObject, Header, Heap, Raise};

use super::Inner;
use super::collector::GARBAGE_FLOOR;

/// "No limit": still a limit, since no allocation is larger.
pub(crate) const NO_LIMIT: usize = isize::MAX as usize;
/// The least reserve for handlers of the budget error.
const LEAST_RESERVE: usize = 64 * 1024;
/// Holder of a reserve that is open for the host: the address of no object.
const HOST: *const ErrorObject = std::ptr::without_provenance(1);

/// What watches every charge.
pub(crate) mod watch {
    /// Objects remember their allocation site.
    pub(crate) const SITES: u8 = 1;
    /// Collections and refusals for tests.
    pub(crate) const STRESS: u8 = 2;
    /// The budget does not count just now.
    pub(crate) const LIFTED: u8 = 4;
    /// Charges are added up.
    pub(crate) const COUNT: u8 = 8;
}

/// Provoked collections and refusals; see [`crate::HeapConfig`].
#[derive(Default)]
pub(crate) struct Stress {
    collect_every: Cell<u64>,
    /// Live objects that a collection may walk for every charge; 0 for any number.
    walk: Cell<u64>,
    charges: Cell<u64>,
    /// The charge at which the next collection comes.
    next_collection: Cell<u64>,
    fail_charge: Cell<u64>,
    collections: Cell<u64>,
    longest: Cell<u64>,
    /// Objects of the slice at every safepoint; 0 for none.
    slice_units: Cell<usize>,
}

/// What the last full pass left.
#[derive(Default)]
pub(crate) struct LastPass {
    live: Cell<usize>,
    /// Objects made until then.
    made: Cell<u64>,
    freed: Cell<usize>,
}

/// How much a buffer that grows may ask for, one after the other: its wish, and when that is refused half of it, down to
/// an eighth; at least what it needs.
pub(crate) fn growth_steps(wish: usize, needed: usize) -> impl Iterator<Item = usize> {
    let halved = (0..4).map(move |halvings| (wish >> halvings).max(needed));
    let mut last = None;
    halved.filter(move |&step| last.replace(step) != Some(step))
}

impl Heap {
    /// Bytes of everything not yet freed, capacity included.
    #[inline]
    pub fn live_bytes(&self) -> usize {
        self.inner().live.get()
    }

    /// Number of objects not yet freed.
    #[inline]
    pub fn live_objects(&self) -> usize {
        self.inner().live_objects()
    }

    /// The most bytes that were live at one time since the start or the last reset.
    pub fn peak_bytes(&self) -> usize {
        let inner = self.inner();
        inner.peak().max(inner.live.get())
    }

    /// Starts a new high-water mark at the present level.
    pub fn reset_peak(&self) {
        let inner = self.inner();
        inner.set_window(inner.low_mark.get(), inner.live.get());
    }

    /// Makes the high-water mark at least so many bytes.
    pub fn raise_peak(&self, bytes: usize) {
        let inner = self.inner();
        inner.set_window(inner.low_mark.get(), bytes.max(self.peak_bytes()));
    }

    /// The budget in bytes that is in force.
    pub fn limit(&self) -> Option<usize> {
        let limit = self.inner().limit.get();
        (limit != NO_LIMIT).then_some(limit)
    }

    /// Sets the budget from outside; it may be below what is live, then only frees succeed.
    pub fn set_limit(&self, limit: Option<usize>) {
        let inner = self.inner();
        inner.given_limit.set(limit.unwrap_or(NO_LIMIT).min(NO_LIMIT));
        inner.limit.set(inner.given_limit.get());
        self.budget_is_now(inner.given_limit.get());
        inner.until_look.set(0);
        inner.set_next_event();
    }

    /// Sets the budget from inside: at most the one that was given from outside, which `None` restores.
    pub fn lower_limit(&self, limit: Option<usize>) {
        let inner = self.inner();
        let given = inner.given_limit.get();
        inner.limit.set(limit.unwrap_or(given).min(given));
        inner.until_look.set(0);
        inner.set_next_event();
    }

    /// Runs `f` past the budget: for the few bytes that telling of a refusal takes.
    pub fn past_the_limit<R>(&self, f: impl FnOnce() -> R) -> R {
        let inner = self.inner();
        let watch = inner.watch.replace(inner.watch.get() | watch::LIFTED);
        inner.set_next_event();
        let result = f();
        inner.watch.set(watch);
        inner.set_next_event();
        result
    }

    /// Keeps the handlers' reserve open for the host until the heap is back below the limit by the reserve's size: an
    /// error of the budget has left the script.
    pub fn hold_reserve(&self) {
        let inner = self.inner();
        if inner.live.get() > inner.bound().saturating_sub(reserve(inner.limit.get())) {
            inner.open_reserve(HOST);
        }
    }

    /// Runs `f`, past the budget while the reserve is open for the host: for what a call of the host itself needs before
    /// the script runs, so that the host can always put things right.
    pub fn for_host<R>(&self, f: impl FnOnce() -> R) -> R {
        if std::ptr::eq(self.inner().reserve_holder.get(), HOST) {
            self.past_the_limit(f)
        } else {
            f()
        }
    }

    /// Asks to be told, by [`Heap::has_grown`], when more than `mark` bytes are live; `None` takes that back.
    pub fn watch_growth(&self, mark: Option<usize>) {
        let inner = self.inner();
        inner.grown.set(false);
        inner.growth_mark.set(mark.unwrap_or(NO_LIMIT));
        inner.set_next_event();
    }

    /// Whether the mark of [`Heap::watch_growth`] has been passed.
    #[inline]
    pub fn has_grown(&self) -> bool {
        self.inner().grown.get()
    }

    /// Charges so far, refused ones included, while stress is set; see [`crate::HeapConfig::fail_charge`].
    pub fn charges(&self) -> u64 {
        self.inner().stress.charges.get()
    }

    /// Sets when collections and refusals are forced anew, counting from here; see [`crate::HeapConfig`].
    pub fn set_stress(&self, collect_every: u64, fail_charge: Option<u64>) {
        let inner = self.inner();
        inner.stress.collect_every.set(collect_every);
        inner.stress.next_collection.set(collect_every);
        inner.stress.walk.set(0);
        inner.stress.fail_charge.set(fail_charge.unwrap_or(u64::MAX));
        inner.stress.charges.set(0);
        inner.stress.collections.set(0);
        inner.stress.longest.set(0);
        let on = collect_every > 0 || fail_charge.is_some();
        let watch = inner.watch.get() & !watch::STRESS;
        inner.watch.set(if on { watch | watch::STRESS } else { watch });
        inner.set_next_event();
    }

    /// Has forced collections walk at most `objects` for every charge, after [`Heap::set_stress`]: while more are
    /// live, they come at every second charge, at every third and so on. Without this a program with n objects takes
    /// time in the square of n.
    pub fn thin_stress(&self, objects: u64) {
        self.inner().stress.walk.set(objects);
    }

    /// Has the evaluator collect a slice of so many objects at every safepoint; 0 for when they are due.
    pub fn force_slices(&self, units: usize) {
        self.inner().stress.slice_units.set(units);
    }

    /// What [`Heap::force_slices`] has set.
    #[inline]
    pub fn forced_slices(&self) -> usize {
        self.inner().stress.slice_units.get()
    }

    /// Forced collections so far, and the most charges from one to the next.
    pub fn stress_collections(&self) -> (u64, u64) {
        let stress = &self.inner().stress;
        (stress.collections.get(), stress.longest.get())
    }

    /// Begins to add up what is taken, whether or not it is given back.
    pub fn count_charges(&self) {
        let inner = self.inner();
        inner.charged.set(0);
        inner.watch.set(inner.watch.get() | watch::COUNT);
        inner.set_next_event();
    }

    /// Ends what [`Heap::count_charges`] has begun; gives the bytes that were taken in all.
    pub fn end_counting_charges(&self) -> u64 {
        let inner = self.inner();
        inner.watch.set(inner.watch.get() & !watch::COUNT);
        inner.set_next_event();
        inner.charged.take()
    }

    /// Objects made so far.
    pub fn objects_made(&self) -> u64 {
        self.inner().objects_made()
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

    /// Takes from the budget for a buffer that grows: `wish` items of `size` bytes, or as many of them as there is room
    /// for, and at least an eighth of them and `needed`. Gives how many items were granted.
    ///
    /// # Errors
    /// Out of memory; nothing is charged then.
    pub fn charge_growth(&self, size: usize, wish: usize, needed: usize) -> Result<usize, Raise> {
        let mut steps = growth_steps(wish, needed);
        let granted = steps.find(|items| self.inner().charge(items.saturating_mul(size)));
        granted.ok_or_else(|| self.out_of_memory((wish / 8).max(needed).saturating_mul(size)))
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
        // What handlers hold in their reserve is beyond the limit, and no concern of whoever reads this.
        if let Some(refusal) = self.inner().refusal.take() {
            return Raise::out_of_memory(bytes, refusal.used, Some(refusal.limit));
        }
        let limit = self.limit();
        let used = self.live_bytes().min(limit.unwrap_or(usize::MAX));
        Raise::out_of_memory(bytes, used, limit)
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

    /// The limit or the collector's trigger was crossed, or every charge is watched.
    #[cold]
    #[inline(never)]
    pub(crate) fn charge_slow(&self, bytes: usize) -> bool {
        let watch = self.watch.get();
        if watch & (watch::STRESS | watch::LIFTED) == watch::STRESS && !self.stress_charge() {
            return false;
        }
        let is_lifted = watch & watch::LIFTED != 0;
        if !is_lifted && self.live.get().saturating_add(bytes) > self.budget() {
            // Cyclic garbage may be what fills the budget.
            let collected = self.collect_for_room();
            if !collected || self.live.get().saturating_add(bytes) > self.budget() {
                self.refuse(None);
                return false;
            }
        }
        let wanted = self.live.get().checked_add(bytes);
        if wanted.is_none_or(|live| live > NO_LIMIT) {
            return false;
        }
        if !self.make_room(bytes, is_lifted) {
            return false;
        }
        // A collection may have made room.
        let live = self.live.get() + bytes;
        self.live.set(live);
        if watch & watch::COUNT != 0 {
            self.charged.set(self.charged.get() + bytes as u64);
        }
        if live > self.growth_mark.get() {
            self.grown.set(true);
            self.growth_mark.set(NO_LIMIT);
            self.set_next_event();
        }
        if live > self.trigger.get() && self.auto_collect.get() && !self.due.get() {
            self.due.set(true);
            self.set_next_event();
        }
        true
    }

    /// Notes what a full pass left, and that it freed so many bytes.
    pub(crate) fn note_full_pass(&self, freed: usize) {
        let last = &self.last_pass;
        last.live.set(self.live.get());
        last.made.set(self.objects_made());
        last.freed.set(freed);
    }

    /// Whether enough was charged since the last full pass, or that one freed enough, that one more is worth its time.
    fn may_collect_for_budget(&self) -> bool {
        /// What an object takes at least, with what it holds.
        const LEAST_OBJECT: u64 = 32;
        // Of a shared budget, what this heap has.
        let (last, limit) = (&self.last_pass, self.limit.get().min(self.room.get()));
        let grown = self.live.get().saturating_sub(last.live.get());
        let made = (self.objects_made() - last.made.get()).saturating_mul(LEAST_OBJECT);
        grown.max(made as usize) >= limit / 8 || last.freed.get() >= (limit / 16).max(1)
    }

    /// A pass because the system's memory for the budget is used up; whether it freed anything.
    #[cold]
    pub(super) fn collect_to_hold(&self) -> bool {
        self.auto_collect.get()
            && self.limit.get() != NO_LIMIT
            && self.may_collect_for_budget()
            && self.collect_for_budget()
    }

    /// A pass because the budget is used up; whether it freed anything.
    pub(super) fn collect_for_room(&self) -> bool {
        self.auto_collect.get() && self.may_collect_for_budget() && self.collect_for_budget()
    }

    /// What the last refusal has shown to be the most that may be live: the limit, or what is drawn on a shared budget.
    fn bound(&self) -> usize {
        self.limit.get().min(self.refused_at.get())
    }

    /// Notes that the limit has refused a charge, or else a shared budget.
    pub(super) fn refuse(&self, shared: Option<super::budget::Refusal>) {
        self.refused_at.set(match shared {
            Some(_) => self.room_within(),
            None => NO_LIMIT,
        });
        self.refusal.set(shared);
    }

    /// Counts a charge under stress; false if it is the one to refuse.
    fn stress_charge(&self) -> bool {
        let stress = &self.stress;
        let number = stress.charges.get() + 1;
        stress.charges.set(number);
        let every = stress.collect_every.get();
        if every > 0 && number >= stress.next_collection.get() {
            let live = self.live_objects() as u64;
            self.collect_for_budget();
            let interval = live.checked_div(stress.walk.get()).unwrap_or(0).max(every);
            stress.next_collection.set(number + interval);
            stress.collections.set(stress.collections.get() + 1);
            stress.longest.set(stress.longest.get().max(interval));
        }
        number != stress.fail_charge.get()
    }

    /// Bytes of the handlers' reserve, while that is open.
    pub(super) fn open_reserve_bytes(&self) -> usize {
        let is_open = !self.reserve_holder.get().is_null();
        if is_open { reserve(self.limit.get()) } else { 0 }
    }

    /// Whether the budget does not count just now.
    pub(super) fn is_limit_lifted(&self) -> bool {
        self.watch.get() & watch::LIFTED != 0
    }

    /// What may be live just now of what is drawn on a shared budget.
    pub(super) fn open_room(&self) -> usize {
        if self.reserve_holder.get().is_null() {
            self.room_within()
        } else {
            self.room.get()
        }
    }

    /// What is drawn within a shared budget. What was drawn past it for an error stays for the next one: it is not for
    /// others to use when that error is gone.
    fn room_within(&self) -> usize {
        self.room.get().saturating_sub(self.forced.get())
    }

    /// What may be live just now.
    fn budget(&self) -> usize {
        let limit = self.limit.get();
        if self.reserve_holder.get().is_null() {
            limit
        } else {
            limit.saturating_add(reserve(limit)).min(NO_LIMIT)
        }
    }

    /// Opens the reserve for whoever handles the error `holder`.
    pub(crate) fn open_reserve(&self, holder: *const ErrorObject) {
        let limit = self.limit.get();
        if limit == NO_LIMIT {
            return;
        }
        self.reserve_holder.set(holder);
        self.reserve_base.set(self.bound());
        let peak = self.peak().max(self.live.get());
        self.set_window(self.reserve_ends().min(self.live.get()), peak);
        self.set_next_event();
    }

    /// The live bytes below which an open reserve closes.
    fn reserve_ends(&self) -> usize {
        self.reserve_base.get().saturating_sub(reserve(self.limit.get()))
    }

    /// The error `holder` goes: if it holds the reserve, that closes.
    pub(crate) fn close_reserve(&self, holder: *const ErrorObject) {
        if std::ptr::eq(self.reserve_holder.get(), holder) {
            self.reserve_holder.set(std::ptr::null());
            self.set_trigger();
            // What was drawn for the reserve is not for others to use.
            self.give_back_room(0);
        }
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

    /// [`Inner::discharge`] for the object that is about to be freed.
    #[inline(always)]
    pub(crate) fn discharge_object(&self, object: NonNull<Header>, bytes: usize) {
        let live = self.live.get();
        debug_assert!(live >= bytes, "more bytes given back than taken");
        if live.wrapping_sub(self.low.get()) > self.span.get() {
            self.leave_window_freeing(live, object);
        }
        self.live.set(live.wrapping_sub(bytes));
    }

    #[cold]
    #[inline(never)]
    fn leave_window_freeing(&self, live: usize, object: NonNull<Header>) {
        if self.is_watched() {
            self.record_free(object.as_ptr() as usize);
        }
        self.leave_window(live);
    }

    /// Counts an object made.
    #[inline(always)]
    pub(crate) fn count_made(&self, kind: u8) {
        let made = &self.made[kind as usize & 31];
        made.set(made.get().wrapping_add(1));
    }

    /// Objects made so far.
    pub(super) fn objects_made(&self) -> u64 {
        self.made.iter().map(Cell::get).sum()
    }

    /// Objects not yet freed.
    pub(crate) fn live_objects(&self) -> usize {
        (self.objects_made() - self.freed.get()) as usize
    }

    /// Makes every free look closer, from now on.
    pub(crate) fn empty_window(&self) {
        let peak = self.peak().max(self.live.get());
        self.set_window(0, peak);
    }

    /// A free saw the live bytes above the recorded peak, or below the low mark.
    #[cold]
    #[inline(never)]
    fn leave_window(&self, live: usize) {
        let is_empty = self.low.get() == usize::MAX;
        if live > self.peak() {
            self.set_window(self.low_mark.get(), live);
        } else if !is_empty || live < self.low_mark.get() {
            // Below the limit by the reserve's size, if that is open; below half of what was live otherwise.
            self.reserve_holder.set(std::ptr::null());
            self.pace.lower(live);
            self.set_trigger();
        }
    }

    fn peak(&self) -> usize {
        if self.low.get() == usize::MAX {
            self.recorded_peak.get()
        } else {
            self.low.get() + self.span.get()
        }
    }

    /// Sets low mark and peak. While sites are recorded the window is empty, and both are kept beside it.
    fn set_window(&self, low: usize, peak: usize) {
        let low = low.min(peak);
        self.low_mark.set(low);
        if self.is_watched() {
            self.recorded_peak.set(peak);
            self.low.set(usize::MAX);
            self.span.set(0);
        } else {
            self.low.set(low);
            self.span.set(peak - low);
        }
    }

    /// Sets the next collection by what is live now.
    pub(crate) fn set_trigger(&self) {
        let live = self.live.get();
        let peak = self.peak().max(live);
        self.trigger.set(self.pace.trigger());
        let low = if !self.reserve_holder.get().is_null() {
            self.reserve_ends().min(live)
        } else if live / 2 < GARBAGE_FLOOR {
            0
        } else {
            live / 2
        };
        self.set_window(low, peak);
        self.set_next_event();
    }

    pub(crate) fn set_next_event(&self) {
        if self.watch.get() != 0 {
            return self.next_event.set(0);
        }
        let limit = self.budget().min(self.growth_mark.get()).min(self.open_room());
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

/// The reserve that belongs to a limit.
pub(super) const fn reserve(limit: usize) -> usize {
    if limit / 100 > LEAST_RESERVE {
        limit / 100
    } else {
        LEAST_RESERVE
    }
}
