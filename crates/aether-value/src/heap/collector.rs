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
//! marked old. A *full* pass takes everything, or, given roots, what `mark` does not reach from them. Any set will do
//! for safety: a reference from outside it is a count that
//! is left over, so an object referred to by an old one survives a young pass, dead or not. See [`Schedule`] for when.
//!
//! Invariants
//! - Nothing here runs script code. No object is allocated or freed during steps 1 to 3.
//! - References that the pass does not see (registers above a stack's top, locals of Rust code, stuck counts) count
//!   as outside: they keep things alive, never the reverse.
//! - The items of an array are in a young set exactly if the array is: only the array knows their number.
//! - The work stacks are the collector's own and not charged: a pass must be possible when the budget is used up.
#![expect(unsafe_code, reason = "walks all objects and frees groups")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::{Array, Buffer, Header, Instance, Raw, StructDef, Table, tag};

use super::visit::Visitor;
use super::{Heap, Inner, Roots, alloc, flag};

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
/// Most objects that a young pass takes: a few milliseconds.
const BUDGET: usize = 1 << 16;
/// Most objects that it takes while passes find nothing: a sample.
const SAMPLE: usize = 1 << 11;
/// Entries of a large buffer or table whose children are put on the work stack at a time.
const SLICE: usize = 512;

/// When to collect, and what.
///
/// A young pass is due when the live bytes have grown by `step` since the last pass. While passes find next to
/// nothing, the step doubles, up to half of what is live; when one does, it returns to a megabyte. A full pass is due
/// when the live bytes are `factor` times what the last full pass left, plus a megabyte: twice after one that was
/// worth it, four times after one that was not. So garbage in cycles never exceeds three times the live heap plus a
/// megabyte, and stays near the megabyte in programs that make any.
pub(super) struct Schedule {
    step: Cell<usize>,
    factor: Cell<usize>,
    full_mark: Cell<usize>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            step: Cell::new(GARBAGE_FLOOR),
            factor: Cell::new(2),
            full_mark: Cell::new(GARBAGE_FLOOR * 2),
        }
    }
}

impl Schedule {
    /// The mark for the next pass, with `live` bytes now.
    pub(super) fn trigger(&self, live: usize) -> usize {
        let step = self.step.get().min(live / 2 + GARBAGE_FLOOR);
        live.saturating_add(step).min(self.full_mark.get().max(live))
    }

    /// Counting has freed much: what is left sets the marks anew.
    pub(super) fn lower(&self, live: usize) {
        let mark = live
            .saturating_mul(self.factor.get())
            .saturating_add(GARBAGE_FLOOR);
        self.full_mark.set(self.full_mark.get().min(mark));
    }

    /// Most objects that the next young pass takes.
    fn budget(&self) -> usize {
        if self.step.get() > 2 * GARBAGE_FLOOR {
            SAMPLE
        } else {
            BUDGET
        }
    }

    fn after_young(&self, live: usize, freed: usize) {
        let step = self.step.get();
        if freed >= step / 16 {
            self.step.set(GARBAGE_FLOOR);
        } else {
            self.step.set((step * 2).min(live / 2 + GARBAGE_FLOOR));
        }
    }

    fn after_full(&self, live: usize, freed: usize) {
        let worthwhile = freed > live / 4;
        self.factor.set(if worthwhile { 2 } else { 4 });
        if worthwhile {
            self.step.set(GARBAGE_FLOOR);
        }
        let mark = live
            .saturating_mul(self.factor.get())
            .saturating_add(GARBAGE_FLOOR);
        self.full_mark.set(mark);
    }
}

impl Heap {
    /// Frees every unreachable cycle. Does nothing when called from within a release or another pass.
    pub fn collect(&self) -> CollectStats {
        self.pass(|inner| {
            let members = All(inner, inner.list_all());
            (inner.find_garbage(&members), true)
        })
    }

    /// Like [`Heap::collect`], quicker the more of the heap is in reach of what `roots` names.
    pub fn collect_from(&self, roots: impl FnOnce(&mut Roots<'_>)) -> CollectStats {
        self.pass(|inner| {
            inner.turn_mark();
            let mut marking = Roots::new(inner);
            roots(&mut marking);
            inner.age_all_chunks();
            if marking.count() == inner.containers() {
                return (Vec::new(), true);
            }
            (inner.find_garbage(&ListedMembers(inner.list_unmarked())), true)
        })
    }

    /// The pass that is due, young or full; see [`Heap::collection_due`]. A full one marks from `roots`.
    pub fn collect_auto(&self, roots: impl FnOnce(&mut Roots<'_>)) -> CollectStats {
        if self.next_pass_is_full() {
            return self.collect_from(roots);
        }
        self.pass(|inner| (inner.find_garbage(&ListedMembers(inner.list_young())), false))
    }

    /// Whether the automatic pass that is due will take everything.
    pub fn next_pass_is_full(&self) -> bool {
        let inner = self.inner();
        inner.live.get() > inner.pace.full_mark.get()
    }

    fn pass(&self, find: impl FnOnce(&Inner) -> (Vec<NonNull<Header>>, bool)) -> CollectStats {
        if self.inner().draining.get() || self.inner().collecting.get() {
            return CollectStats::default();
        }
        // Keeps the record alive whatever the teardown drops.
        let heap = self.clone();
        let inner = heap.inner();
        inner.collecting.set(true);
        let (objects, bytes) = (inner.live_objects(), inner.live.get());
        let (garbage, full) = find(inner);
        inner.report_cycles(&garbage);
        // SAFETY: the members are unreachable from outside.
        unsafe { inner.tear_down_group(&garbage) };
        let stats = CollectStats {
            objects: objects.saturating_sub(inner.live_objects()),
            bytes: bytes.saturating_sub(inner.live.get()),
        };
        let live = inner.live.get();
        if full {
            inner.pace.after_full(live, stats.bytes);
            inner.note_full_pass(stats.bytes);
        } else {
            inner.pace.after_young(live, stats.bytes);
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
                if let Some(object) = objects.pop() {
                    *reached += 1;
                    let header = object.as_ref();
                    let large = match header.kind {
                        tag::BUFFER => header.shape.get() as usize > SLICE,
                        tag::TABLE => object.cast::<Table>().as_ref().span() > SLICE,
                        _ => false,
                    };
                    if large {
                        // Once for the object, however many slices.
                        spans.push((object, 0));
                        continue;
                    }
                    inner.visit(object, &mut Visitor(|child| reach(child, objects)));
                } else if let Some((object, from)) = spans.pop() {
                    let to = from + SLICE;
                    let mut visitor = Visitor(|child| reach(child, objects));
                    let more = if object.as_ref().kind == tag::BUFFER {
                        object
                            .cast::<Buffer>()
                            .as_ref()
                            .visit_span(from, to, &mut visitor)
                    } else {
                        object.cast::<Table>().as_ref().visit_span(from, to, &mut visitor)
                    };
                    if more {
                        spans.push((object, to));
                    }
                } else {
                    return;
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
        if self.draining.get() || self.collecting.get() {
            return false;
        }
        let heap = std::mem::ManuallyDrop::new(Heap(NonNull::from(self)));
        heap.collect().bytes > 0
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
            self.each_object(alloc::ARRAYS, |object| {
                if object.as_ref().kind == tag::ARRAY {
                    object.cast::<Array>().as_ref().sync_buffer_length();
                }
            });
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
    fn list_young(&self) -> Vec<NonNull<Header>> {
        let (chunks, all) = self.fresh_chunks(self.pace.budget());
        let mut set: Vec<NonNull<Header>> = Vec::new();
        let mut def = (std::ptr::null(), false);
        let mut list = |object: NonNull<Header>| {
            // SAFETY: the walk gives live objects; an array's items are alive and its own.
            unsafe {
                let header = object.as_ref();
                if header.has(flag::OLD) || !tag::is_container(header.kind) {
                    return;
                }
                self.age(header);
                if header.kind == tag::ARRAY && !object.cast::<Array>().as_ref().is_inline() {
                    let array = object.cast::<Array>().as_ref();
                    array.sync_buffer_length();
                    let Some(buffer) = array.buffer_header() else {
                        return;
                    };
                    if !self.may_reach_containers(buffer, &mut def) {
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
        set
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
