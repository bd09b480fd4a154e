//! The cycle collector: finds containers that only each other keep alive, and frees them.
//!
//! Method: synchronous trial deletion over a set of containers, after Bacon and Rajan, "Concurrent Cycle Collection in
//! Reference Counted Systems" (2001); no roots are needed, since counts from outside the set show what is in use.
//! Example: `a.next = b; b.next = a`, and a variable holds `a`.
//!
//! 1. *Subtract*: for every container of the set, one count less for each container of the set it holds. Left are
//!    the counts from outside: a 1, b 0.
//! 2. *Restore*: what still has a count is reached from outside, and so is all of the set that it leads to; each edge
//!    walked gets its count back: a 1 + 1, b 0 + 1.
//! 3. What was not reached is garbage. Had the variable gone, both would be left with 0 here; their edges get their
//!    counts back as well, so that teardown finds them as the program left them.
//! 4. *Tear down*: every member gets a count that holds it; weak cells are emptied and finalizers queued; contents
//!    are released; only then the blocks are freed.
//!
//! The set is a *generation*. A *young* pass takes objects that no pass has seen (they lie in chunks marked fresh), up
//! to a visiting budget, newest chunks first; chunks beyond it stay fresh and wait for a later pass. What survives is
//! marked old. [`Heap::collect`] takes everything at once, or, given roots, what `mark` does not reach from them; what
//! comes by itself over everything comes in slices (`incremental`). Any set will do for safety: a reference from outside
//! it is a count that is left over, so an object referred to by an old one survives a young pass, dead or not. See
//! [`Schedule`] for when.
//!
//! Invariants
//! - Nothing here runs script code. No object is allocated or freed during steps 1 to 3.
//! - References that the pass does not see (registers above a stack's top, locals of Rust code, stuck counts) count
//!   as outside: they keep things alive, never the reverse.
//! - The items of an array are in a young set exactly if the array is: only the array knows their number.
//! - What the pass in slices has in its hands is in no young set. A pass over everything at once ends it first.
//! - The work stacks are the collector's own and not charged: a pass must be possible when the budget is used up.
#![expect(unsafe_code, reason = "walks all objects and frees groups")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::{Array, Buffer, Header, Instance, Raw, StructDef, tag};

use super::incremental::{Pass, Phase};
use super::mark::Marker;
use super::visit::Visitor;
use super::{Heap, Inner, Roots, flag};

/// What a pass takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    /// What no pass has seen, `all` of it or some: `taken` objects.
    Young {
        taken: usize,
        all: bool,
    },
}

/// What was due, and was done; see [`Heap::collect_auto`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A young pass.
    Young(CollectStats),
    /// A slice of a pass over everything; what that has freed when it is complete.
    Slice(Option<CollectStats>),
}

/// What a pass freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectStats {
    /// Objects freed, buffers and tables included.
    pub objects: usize,
    /// Bytes freed.
    pub bytes: usize,
}

/// Cyclic garbage that is always tolerated, in bytes.
pub(super) const GARBAGE_FLOOR: usize = 1 << 20;
/// Growth between two young passes while they find garbage.
const YOUNG_STEP: usize = 640 << 10;
/// Growth between two slices of a pass, and between two while it is behind.
const SLICE_STEP: usize = 32 << 10;
const SHORT_SLICE_STEP: usize = 8 << 10;
/// Objects made without growth between two slices.
const SLICE_OBJECTS: u64 = 4096;
/// Units of a slice: a fraction of a millisecond, and at most one or so.
const LEAST_SLICE: usize = 2048;
const MOST_SLICE: usize = 12 << 10;
/// Objects freed for each one left before a pass that growth does not ask for.
const LEAST_PATIENCE: u64 = 64;
const MOST_PATIENCE: u64 = 512;
/// Objects below which it does not matter how many are left.
const FEW_OBJECTS: u64 = 1 << 14;
/// Units that a dead object takes, from when it is listed until it is freed.
pub(super) const UNITS_OF_DEAD: usize = 8;
/// Most objects that a young pass takes: about a millisecond.
const BUDGET: usize = 1 << 14;
/// Most objects that it takes while passes find nothing: a sample.
const SAMPLE: usize = 1 << 11;

/// When to collect, and what.
///
/// A young pass is due when the live bytes have grown by `step` since the last one. While such passes find next to
/// nothing, the step doubles, up to a quarter of what is live; when one does, it returns to 640 KiB.
///
/// A pass over everything ends, in slices that allocation pays for, before the heap has grown by 1/6 and 128 KiB since it
/// began. What dies meanwhile it leaves. It begins when that, the growth since the last pass and what that one has left
/// could exceed what is live by a megabyte: with a heap of 1.3 to 1.7 times what the last one left. So garbage in
/// cycles never exceeds what is live by more than a megabyte, and stays near the megabyte in programs that make any.
///
/// While neither kind of pass finds any, there is none to hold down, and a pass over everything begins with four times
/// what the last one left, as a program that only grows would pay for one after the other. The first pass that finds
/// garbage ends that at once.
///
/// Where much dies at once and the heap does not grow afterwards, a pass begins when 64 times as many objects were freed
/// as the last one has left; while such passes find little, 128 times, and so on up to 512.
pub(super) struct Schedule {
    step: Cell<usize>,
    /// Live bytes at which a young pass, a pass over everything, and its next slice are due.
    young_mark: Cell<usize>,
    full_mark: Cell<usize>,
    slice_mark: Cell<usize>,
    /// Live bytes that the latest pass of either kind has left; and the latest over everything, of which so many came
    /// while it was under way.
    young_live: Cell<usize>,
    full_live: Cell<usize>,
    floating: Cell<usize>,
    /// Whether a pass has found garbage since the one over everything before the latest.
    makes_cycles: Cell<bool>,
    has_found: Cell<bool>,
    /// Whether the pass under way began because much was freed.
    is_patient: Cell<bool>,
    /// Objects made at the latest slice.
    made: Cell<u64>,
    /// Objects that the latest pass over everything has left.
    left: Cell<usize>,
    /// Objects freed at which the next one is due although the heap has not grown, and how many for each object left.
    freed_mark: Cell<u64>,
    patience: Cell<u64>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            step: Cell::new(YOUNG_STEP),
            young_mark: Cell::new(YOUNG_STEP),
            full_mark: Cell::new(GARBAGE_FLOOR * 3 / 2),
            slice_mark: Cell::new(usize::MAX),
            young_live: Cell::new(0),
            full_live: Cell::new(0),
            floating: Cell::new(0),
            makes_cycles: Cell::new(false),
            has_found: Cell::new(false),
            is_patient: Cell::new(false),
            made: Cell::new(0),
            left: Cell::new(0),
            freed_mark: Cell::new(u64::MAX),
            patience: Cell::new(LEAST_PATIENCE),
        }
    }
}

impl Schedule {
    /// The mark for the next pass when one has left `live` bytes, of which `floating` may be garbage that came while it
    /// was under way.
    fn full_mark_after(live: usize, floating: usize) -> usize {
        // All that comes until the end of the next pass may be garbage. With that pass's allowance, what floats and
        // this growth are to be a megabyte more than what is certainly alive, at most.
        let spare = (live - live / 6).saturating_sub(2 * floating) + GARBAGE_FLOOR / 8 * 5;
        live.saturating_add((spare / 7 * 6).max(live / 8))
    }

    /// The mark for the next pass over everything, by what the latest has left.
    fn next_full_mark(&self) -> usize {
        let live = self.full_live.get();
        if self.makes_cycles.get() {
            Self::full_mark_after(live, self.floating.get())
        } else {
            live.saturating_mul(4).saturating_add(GARBAGE_FLOOR)
        }
    }

    /// A pass has found garbage: this program makes cycles, and is held to the bound from now on.
    fn found_garbage(&self) {
        self.has_found.set(true);
        if !self.makes_cycles.replace(true) && self.slice_mark.get() == usize::MAX {
            self.full_mark
                .set(self.full_mark.get().min(self.next_full_mark()));
        }
    }

    /// A program begins; what is live is no garbage. A short one ends before a pass is worth its time.
    fn begin(&self, live: usize, objects: usize) {
        self.left.set(objects);
        self.freed_mark.set(LEAST_PATIENCE * FEW_OBJECTS);
        self.young_mark.set(live.saturating_add(GARBAGE_FLOOR));
        self.full_live.set(live);
        let least = live.saturating_add(2 * GARBAGE_FLOOR);
        self.full_mark.set(self.next_full_mark().max(least));
    }

    /// The live bytes at which something is due.
    pub(super) fn trigger(&self) -> usize {
        let full = self.full_mark.get().min(self.slice_mark.get());
        self.young_mark.get().min(full)
    }

    /// Counting has freed much: what is left sets the marks anew.
    pub(super) fn lower(&self, live: usize) {
        let lower = |mark: &Cell<usize>, to: usize| mark.set(mark.get().min(to));
        lower(&self.young_mark, live.saturating_add(self.step.get()));
        if self.slice_mark.get() == usize::MAX {
            self.full_live.set(self.full_live.get().min(live));
            lower(&self.full_mark, self.next_full_mark());
        } else {
            lower(&self.slice_mark, live.saturating_add(SLICE_STEP));
        }
    }

    /// Most objects that the next young pass takes.
    fn budget(&self) -> usize {
        if self.step.get() > YOUNG_STEP {
            SAMPLE
        } else {
            BUDGET
        }
    }

    /// A young pass has looked at `taken` objects, `all` that there were or some, and freed that many.
    fn after_young(&self, live: usize, freed: usize, taken: usize, all: bool) {
        let was_worth_it = freed >= taken / 16 && (taken > 0 || self.makes_cycles.get());
        if freed > 0 {
            self.found_garbage();
        }
        let step = if was_worth_it {
            YOUNG_STEP
        } else {
            (self.step.get() * 2).min(live / 4 + YOUNG_STEP)
        };
        self.step.set(step);
        // What a pass that was worth it has left over is taken soon.
        let next = if all || !was_worth_it { step } else { step / 4 };
        self.young_mark.set(live.saturating_add(next));
        self.young_live.set(live);
        if self.slice_mark.get() != usize::MAX {
            self.lower(live);
        }
    }

    /// A slice of a pass over everything has ended, and the pass has not.
    pub(super) fn after_slice(&self, pass: &Pass, live: usize, made: u64) {
        let is_behind = owed(pass, live, made) > MOST_SLICE;
        let step = if is_behind { SHORT_SLICE_STEP } else { SLICE_STEP };
        self.full_mark.set(usize::MAX);
        self.slice_mark.set(live.saturating_add(step));
        self.made.set(made);
    }

    /// A pass was given up.
    pub(super) fn after_abandoned(&self, live: usize) {
        self.slice_mark.set(usize::MAX);
        self.full_mark.set(live.saturating_add(SLICE_STEP));
    }

    /// A pass over everything begins; gives the units that it is likely to take: what has come since the last one may all
    /// be dead.
    pub(super) fn begin_pass(&self, live: usize, objects: usize) -> usize {
        self.is_patient.set(live <= self.full_mark.get());
        let dead = objects.saturating_sub(self.left.get());
        (2 * objects).saturating_add(UNITS_OF_DEAD * dead)
    }

    /// A pass over everything has ended, and left so many bytes and objects; `floating` bytes came while it was under
    /// way.
    pub(super) fn after_full(&self, inner: &Inner, floating: usize, freed: usize) {
        let (live, objects) = (inner.live.get(), inner.live_objects());
        self.left.set(objects);
        let patience = if freed > live / 4 {
            self.step.set(YOUNG_STEP);
            LEAST_PATIENCE
        } else if self.is_patient.get() {
            (self.patience.get() * 2).min(MOST_PATIENCE)
        } else {
            self.patience.get()
        };
        self.patience.set(patience);
        let more = patience * FEW_OBJECTS.max(objects as u64);
        self.freed_mark.set(inner.freed.get().saturating_add(more));
        if freed > live / 64 {
            self.has_found.set(true);
        }
        self.makes_cycles.set(self.has_found.replace(false));
        if self.is_patient.replace(false) && !self.makes_cycles.get() {
            // A pass that growth did not ask for, and for nothing: growth asks for the next one as before.
            self.full_live.set(live.max(self.full_live.get()));
        } else {
            self.full_live.set(live);
        }
        self.floating.set(floating);
        self.full_mark.set(self.next_full_mark());
        self.slice_mark.set(usize::MAX);
        self.young_mark.set(live.saturating_add(self.step.get()));
        self.young_live.set(live);
    }
}

/// Units that the allocation since the beginning of a pass should have paid for, and that have not been spent.
fn owed(pass: &Pass, live: usize, made: u64) -> usize {
    /// What an object takes, more or less.
    const OBJECT: u64 = 48;
    let made = made.saturating_sub(pass.made).saturating_mul(OBJECT) as usize;
    let progress = live.saturating_sub(pass.live).max(made);
    let allowance = pass.live / 6 + GARBAGE_FLOOR / 8;
    let wanted = pass.expected as u128 * progress as u128 / allowance as u128;
    usize::try_from(wanted)
        .unwrap_or(usize::MAX)
        .saturating_sub(pass.done)
}

/// Units for the next slice of a pass.
fn slice_units(pass: &Pass, live: usize, made: u64) -> usize {
    owed(pass, live, made).clamp(LEAST_SLICE, MOST_SLICE)
}

impl Heap {
    /// Frees every unreachable cycle, and what is let go of slowly. Does nothing when called from within a release or
    /// another pass.
    pub fn collect(&self) -> CollectStats {
        self.release_leaving();
        self.pass(|inner| {
            inner.settle_pass();
            let members = All(inner, inner.list_all());
            (inner.find_garbage(&members), Scope::Everything)
        })
    }

    /// Like [`Heap::collect`], quicker the more of the heap is in reach of what `roots` names.
    pub fn collect_from(&self, roots: impl FnOnce(&mut Roots<'_>)) -> CollectStats {
        self.release_leaving();
        self.pass(|inner| {
            inner.settle_pass();
            inner.turn_mark();
            let mut marker = Marker::default();
            let mut marking = Roots::new(inner, &mut marker, true);
            roots(&mut marking);
            inner.age_all_chunks();
            if marking.count() == inner.containers() {
                return (Vec::new(), Scope::Everything);
            }
            let members = ListedMembers(inner.list_unmarked());
            (inner.find_garbage(&members), Scope::Everything)
        })
    }

    /// What is due: a young pass, or a slice of a pass over everything, which marks from `roots`; see
    /// [`Heap::collection_due`]. `roots` may be asked more than once.
    pub fn collect_auto(&self, roots: impl Fn(&mut Roots<'_>)) -> Turn {
        let inner = self.inner();
        if inner.is_young_pass_due() {
            return Turn::Young(self.collect_young());
        }
        Turn::Slice(self.collect_slice(inner.owed_units(), roots))
    }

    /// Whether a slice of a pass over everything is due, beside those that growth pays for.
    #[inline]
    pub fn owes_slice(&self) -> bool {
        self.inner().owes_slice()
    }

    /// Takes what is live now for what a pass has left: nothing of it is garbage, because the program has not begun.
    pub fn begin_program(&self) {
        let inner = self.inner();
        inner.pace.begin(inner.live.get(), inner.live_objects());
        inner.set_trigger();
    }

    /// A young pass.
    pub fn collect_young(&self) -> CollectStats {
        self.pass(|inner| {
            let Young { members, taken, all } = inner.list_young();
            let members = ListedMembers(members);
            let garbage = inner.find_garbage(&members);
            if inner.phase.get() == Phase::Mark {
                let mut dead = garbage.iter().peekable();
                let survivors = members
                    .0
                    .iter()
                    .filter(|member| dead.next_if_eq(member).is_none());
                inner.trace_survivors(survivors.copied());
            }
            (garbage, Scope::Young { taken, all })
        })
    }

    fn pass(&self, find: impl FnOnce(&Inner) -> (Vec<NonNull<Header>>, Scope)) -> CollectStats {
        self.release_rest();
        if self.inner().draining.get() || self.inner().collecting.get() {
            return CollectStats::default();
        }
        // Keeps the record alive whatever the teardown drops.
        let heap = self.clone();
        let inner = heap.inner();
        inner.collecting.set(true);
        let (objects, bytes) = (inner.live_objects(), inner.live.get());
        let (garbage, scope) = find(inner);
        inner.report_cycles(&garbage);
        // SAFETY: the members are unreachable from outside.
        unsafe { inner.tear_down_group(&garbage) };
        let stats = CollectStats {
            objects: objects.saturating_sub(inner.live_objects()),
            bytes: bytes.saturating_sub(inner.live.get()),
        };
        let live = inner.live.get();
        let full = scope == Scope::Everything;
        match scope {
            Scope::Everything => {
                inner.pace.after_full(inner, 0, stats.bytes);
                inner.note_full_pass(stats.bytes);
            }
            Scope::Young { taken, all } => inner.pace.after_young(live, stats.objects, taken, all),
        }
        inner.counters.pass(stats);
        inner.pass_done();
        inner.collecting.set(false);
        if full {
            inner.sweep_shapes();
        }
        stats
    }
}

/// Counts from here on are stuck and never change.
fn is_saturated(header: &Header) -> bool {
    header.count.get().cast_signed() < 0
}

/// Adds to the count of a member; nothing to other objects.
#[inline(always)]
unsafe fn count_edge(child: NonNull<Header>, change: i32) {
    // SAFETY: what an object holds is alive.
    let header = unsafe { child.as_ref() };
    if header.has(flag::LISTED) && !is_saturated(header) {
        header.count.set(header.count.get().wrapping_add_signed(change));
    }
}

/// What a young pass takes.
struct Young {
    /// What may be part of a cycle.
    members: Vec<NonNull<Header>>,
    /// Objects looked at.
    taken: usize,
    /// Whether no young object is left.
    all: bool,
}

/// The objects of a pass: those marked as listed.
trait Members {
    /// Calls `f` with each until it answers false.
    fn each(&self, f: impl FnMut(NonNull<Header>) -> bool);

    /// How many there are.
    fn count(&self) -> usize;
}

/// A set of which there is a list.
struct ListedMembers(Vec<NonNull<Header>>);

/// Every listed object of the heap, and their number.
struct All<'a>(&'a Inner, usize);

impl Members for ListedMembers {
    #[inline]
    fn each(&self, mut f: impl FnMut(NonNull<Header>) -> bool) {
        let _ = self.0.iter().all(|object| f(*object));
    }

    fn count(&self) -> usize {
        self.0.len()
    }
}

impl Members for All<'_> {
    #[inline]
    fn each(&self, f: impl FnMut(NonNull<Header>) -> bool) {
        self.0.each_listed(f);
    }

    fn count(&self) -> usize {
        self.1
    }
}

/// The work stacks of step 2. Large buffers and tables wait in `spans` and are taken a slice at a time, so that a
/// collection of a million objects does not put a million entries on the stack.
#[derive(Default)]
struct WorkStack {
    reached: usize,
    objects: Vec<NonNull<Header>>,
    spans: Vec<(NonNull<Header>, usize)>,
}

impl WorkStack {
    /// Every member that `object` leads to is reached; each edge gets its count back.
    unsafe fn from(&mut self, inner: &Inner, object: NonNull<Header>) {
        // SAFETY: the object and all it leads to are alive.
        unsafe {
            object.as_ref().set_flag(flag::REACHED);
            self.objects.push(object);
            let Self {
                reached,
                objects,
                spans,
            } = self;
            loop {
                let (object, from) = if let Some(object) = objects.pop() {
                    // Once for the object, however many parts it is taken in.
                    *reached += 1;
                    (object, 0)
                } else if let Some(span) = spans.pop() {
                    span
                } else {
                    return;
                };
                let mut visitor = Visitor(|child| reach(child, objects));
                if let Some(to) = inner.visit_part(object, from, &mut visitor) {
                    spans.push((object, to));
                }
            }
        }
    }
}

/// An edge from a reached object.
#[inline(always)]
unsafe fn reach(child: NonNull<Header>, objects: &mut Vec<NonNull<Header>>) {
    // SAFETY: what an object holds is alive.
    unsafe { count_edge(child, 1) };
    // SAFETY: as above.
    let header = unsafe { child.as_ref() };
    if header.flags.get() & (flag::LISTED | flag::REACHED) == flag::LISTED {
        header.set_flag(flag::REACHED);
        objects.push(child);
    }
}

impl Inner {
    /// A pass because the budget is used up; whether it freed anything.
    pub(super) fn collect_for_budget(&self) -> bool {
        if self.is_putting_off() {
            self.release_rest();
            return true;
        }
        if self.draining.get() || self.collecting.get() {
            return false;
        }
        // What is let go of slowly goes first.
        let heap = std::mem::ManuallyDrop::new(Heap(NonNull::from(self)));
        let before = self.live.get();
        heap.release_leaving();
        let released = self.live.get() < before;
        heap.collect().bytes > 0 || released
    }

    /// Whether a young pass is due, for its own sake or to spare a pass over everything what a young one can find.
    fn is_young_pass_due(&self) -> bool {
        let (live, pace) = (self.live.get(), &self.pace);
        let is_full_due = self.phase.get() == Phase::Idle && live > pace.full_mark.get();
        live > pace.young_mark.get()
            || is_full_due && live.saturating_sub(pace.young_live.get()) > YOUNG_STEP / 4
    }

    /// Units for the slice that is due. Near the budget it is to be the last of its pass.
    fn owed_units(&self) -> usize {
        let (live, made) = (self.live.get(), self.objects_made());
        let limit = self.limit.get();
        if limit - live.min(limit) < limit / 32 {
            return usize::MAX;
        }
        self.pass.with(|pass| slice_units(pass, live, made))
    }

    /// Whether so much was made since the last slice of the pass under way, or so much freed since the last pass, that a
    /// slice is due although the heap has not grown.
    #[inline]
    fn owes_slice(&self) -> bool {
        if self.phase.get() == Phase::Idle {
            return self.freed.get() > self.pace.freed_mark.get() && self.auto_collect.get();
        }
        self.objects_made() - self.pace.made.get() > SLICE_OBJECTS && self.auto_collect.get()
    }

    /// Whether an object holds a container, so that it can be part of a cycle. A definition whose methods capture
    /// nothing holds none that could lead back; `def` remembers the last one asked about.
    #[inline]
    unsafe fn may_reach_containers(
        &self,
        object: NonNull<Header>,
        def: &mut (*const StructDef, bool),
    ) -> bool {
        // SAFETY: the caller's object is alive.
        unsafe {
            let header = object.as_ref();
            let mut found = false;
            let mut visitor = Visitor(|_| found = true);
            match header.kind {
                tag::INSTANCE => {
                    let shape = self.def_of(header.shape.get());
                    if shape != def.0 {
                        let methods = (*shape).methods();
                        *def = (shape, methods.iter().any(|(_, method)| !method.is_empty()));
                    }
                    if def.1 || header.has(flag::HAS_SIDE) {
                        return true;
                    }
                    let count = Instance::slot_count_with(header.small.get(), shape);
                    visitor.raws(object.cast::<Instance>().as_ref().slots_ptr(), count);
                }
                tag::BUFFER => {
                    let buffer = object.cast::<Buffer>().as_ref();
                    return buffer
                        .as_slice()
                        .iter()
                        .any(|item| tag::is_container(Raw::of_value(item).tag));
                }
                _ => self.visit(object, &mut visitor),
            }
            found
        }
    }

    /// Lists every container that can be part of a cycle; answers how many.
    fn list_all(&self) -> usize {
        // SAFETY: the walks give live objects.
        unsafe {
            // An array's own length is what counts until it shares its buffer.
            self.sync_arrays();
            let mut def = (std::ptr::null(), false);
            let mut count = 0;
            self.list_objects(|object| {
                let header = object.as_ref();
                if !tag::is_container(header.kind) {
                    return false;
                }
                let listed = self.may_reach_containers(object, &mut def);
                self.age(header);
                if listed {
                    header.set_flag(flag::LISTED);
                }
                count += usize::from(listed);
                listed
            });
            count
        }
    }

    /// Lists containers that no pass has seen and that can be part of a cycle, up to the budget. They and the chunks
    /// they lie in are old from now on.
    fn list_young(&self) -> Young {
        let (chunks, all) = self.fresh_chunks(self.pace.budget());
        let mut set: Vec<NonNull<Header>> = Vec::new();
        let mut taken = 0;
        let mut def = (std::ptr::null(), false);
        let mut list = |object: NonNull<Header>| {
            // SAFETY: the walk gives live objects; an array's items are alive and its own.
            unsafe {
                let header = object.as_ref();
                if header.has(flag::OLD) || !tag::is_container(header.kind) {
                    return;
                }
                taken += 1;
                self.age(header);
                if header.kind == tag::ARRAY && !object.cast::<Array>().as_ref().is_inline() {
                    let array = object.cast::<Array>().as_ref();
                    array.sync_buffer_length();
                    let Some(buffer) = array.buffer_header() else {
                        return;
                    };
                    // Items that the array has from an old one may be in the hands of a pass in slices.
                    let is_watched = buffer.as_ref().has(flag::GRAY | flag::CANDIDATE);
                    if is_watched || !self.may_reach_containers(buffer, &mut def) {
                        return;
                    }
                    if !buffer.as_ref().has(flag::LISTED) {
                        self.age(buffer.as_ref());
                        buffer.as_ref().set_flag(flag::LISTED);
                        set.push(buffer);
                    }
                } else if header.kind == tag::BUFFER || !self.may_reach_containers(object, &mut def) {
                    return;
                }
                header.set_flag(flag::LISTED);
                set.push(object);
            }
        };
        for chunk in &chunks {
            Self::each_in_chunk(*chunk, &mut list);
            Self::age_chunk(*chunk);
        }
        if all {
            for object in self.young_large() {
                list(object);
            }
            self.age_large();
        }
        Young {
            members: set,
            taken,
            all,
        }
    }

    /// Steps 1 to 3: the members that are not reached from outside the set, counts as the program left them.
    fn find_garbage(&self, members: &impl Members) -> Vec<NonNull<Header>> {
        // SAFETY: every object met is alive; counts are only changed by the pass itself, and restored.
        unsafe {
            let mut visitor = Visitor(|child| count_edge(child, -1));
            members.each(|object| {
                self.visit(object, &mut visitor);
                true
            });
            let mut reach = WorkStack::default();
            members.each(|object| {
                let header = object.as_ref();
                if header.count.get() != 0 && !header.has(flag::REACHED) {
                    reach.from(self, object);
                }
                reach.reached < members.count()
            });
            let mut garbage = Vec::new();
            if reach.reached < members.count() {
                members.each(|object| {
                    if !object.as_ref().has(flag::REACHED) {
                        garbage.push(object);
                    }
                    true
                });
            }
            let mut visitor = Visitor(|child| count_edge(child, 1));
            for object in &garbage {
                self.visit(*object, &mut visitor);
            }
            members.each(|object| {
                object.as_ref().clear_flag(flag::REACHED | flag::LISTED);
                true
            });
            // Generators that have to be closed first may reach anything in the set: it waits for the next pass.
            let mut closing = false;
            for object in &garbage {
                if self.queue_to_close(*object) {
                    object.as_ref().retain();
                    closing = true;
                }
            }
            if closing {
                garbage.clear();
            }
            garbage
        }
    }

    /// Step 4. What dies outside the group goes through the work list as usual.
    unsafe fn tear_down_group(&self, garbage: &[NonNull<Header>]) {
        if garbage.is_empty() {
            return;
        }
        self.draining.set(true);
        // SAFETY: the members are alive until the last loop, held by the count added in the first; nothing outside
        // leads to them.
        unsafe {
            for object in garbage {
                object.as_ref().retain();
            }
            for object in garbage {
                if object.as_ref().has(flag::HAS_SIDE) {
                    self.on_death(*object);
                }
            }
            // Definitions last: instances ask theirs how many slots they have.
            for definitions in [false, true] {
                for object in garbage {
                    let header = object.as_ref();
                    if (header.kind == tag::STRUCT_DEF) == definitions {
                        self.release_contents(*object, header.shape.get());
                    }
                }
            }
            for object in garbage {
                debug_assert!(object.as_ref().count.get() == 1, "a member is still referred to");
                self.free(*object);
            }
            super::release::finish(NonNull::from(self));
        }
    }
}
