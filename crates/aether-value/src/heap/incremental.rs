//! The pass over the whole heap in slices, between which the program runs.
//!
//! | phase | what a slice does | what the program may change |
//! |---|---|---|
//! | age | makes old all that is young, so that the pass concerns it | anything |
//! | mark | marks what the roots lead to; see `mark` | anything: what is missed stays unmarked |
//! | list | walks the chunks; what is old and not marked becomes a candidate; see `candidate` | touches a candidate: it is alive |
//! | see | counts, for each candidate, the references from candidates | the same |
//! | reach | what has other references is alive, and all it leads to | the same |
//! | hold | gives the others, which are dead, a count that holds them | nothing: nobody can reach them |
//! | bury | empties their weak cells and queues finalizers | |
//! | clear | releases what they hold, definitions last | |
//! | free | frees their blocks | |
//!
//! Example: `a.next = b; b.next = a` was lost, and nothing else refers to either. Marking does not meet them. Both are
//! listed with the count 1, and one reference to each is seen, from the other one. Neither is reached: they are dead.
//!
//! Why what is left after `reach` is dead: from the end of listing on, the count of a candidate that nothing happened to
//! stays as it is, and so do the references between such candidates. All of these were seen, so a candidate with as many
//! references as its count had no other owner at the end of listing. If none of its owners is alive, it is dead, and
//! dead things stay so. A reference that the program moves into a candidate meanwhile may be seen too; but then the
//! candidate that it was moved into is alive, and `reach` comes from there. Native objects are the exception: Rust code may
//! have other ways to what they hold. Their references are compared once more at the end of `reach`.
//!
//! Objects made since the pass began are no candidates, and what they hold is in use: the next pass takes them. So what is
//! dead when a pass begins does not survive the one after it; most of it does not survive the pass itself.
//!
//! Invariants
//! - Slices run where the program is between two instructions. No object is allocated in a slice; objects die only in
//!   `bury` and `clear`.
//! - Lists are of addresses; see [`super::candidate::Watched::gone`].
//! - The lists are the collector's own and not charged, as in `collector`.
#![expect(unsafe_code, reason = "walks objects and frees the dead")]

use std::ptr::NonNull;

use crate::{Buffer, Coroutine, EnumValue, Header, Table, tag};

use super::alloc::Chunk;
use super::candidate::Watched;
use super::collector::UNITS_OF_DEAD;
use super::mark::{Marker, Marking};
use super::visit::{SPAN, Visitor};
use super::{CollectStats, EMBEDDED, Heap, Inner, Roots, alloc, flag};

/// How often the roots are looked at again when marking has ended, for what the program has moved there.
const ROOT_SCANS: u32 = 3;

/// What the next slice does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// No pass is under way.
    #[default]
    Idle,
    Age,
    Mark,
    List,
    See,
    Reach,
    Hold,
    Bury,
    Clear,
    Free,
}

/// A list in pieces: it grows without being copied.
#[derive(Default)]
struct List {
    pieces: Vec<Vec<NonNull<Header>>>,
    len: usize,
}

impl List {
    /// Entries of a piece.
    const PIECE: usize = 1 << 14;

    fn push(&mut self, object: NonNull<Header>) {
        if self.len.is_multiple_of(Self::PIECE) {
            // Most lists end in their first piece.
            let room = if self.len == 0 { 0 } else { Self::PIECE };
            self.pieces.push(Vec::with_capacity(room));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(object);
        }
        self.len += 1;
    }

    #[inline]
    fn get(&self, index: usize) -> Option<NonNull<Header>> {
        let piece = self.pieces.get(index / Self::PIECE)?;
        piece.get(index % Self::PIECE).copied()
    }

    fn pop(&mut self) -> Option<NonNull<Header>> {
        let last = self.pieces.last_mut()?;
        let object = last.pop();
        if last.is_empty() {
            self.pieces.pop();
        }
        self.len -= 1;
        object
    }

    fn iter(&self) -> impl Iterator<Item = NonNull<Header>> {
        self.pieces.iter().flatten().copied()
    }
}

/// A native object, and what it held when references were seen: addresses to compare, and those that were candidates.
struct Held {
    native: NonNull<Header>,
    all: Vec<NonNull<Header>>,
    candidates: Vec<NonNull<Header>>,
}

/// A pass under way.
#[derive(Default)]
pub(super) struct Pass {
    /// How often the roots were taken.
    root_scans: u32,
    /// Marked objects at the latest of these.
    marked: usize,
    /// The chunks, and the large objects, that are still to be walked.
    chunks: usize,
    large: usize,
    candidates: List,
    /// Those that are dead, the last first.
    dead: List,
    /// Generators among them that have to be closed before they die.
    closing: Vec<NonNull<Header>>,
    /// Native objects among them, with the containers that they held when references were seen.
    natives: Vec<Held>,
    /// Of the dead, those with a side record, and definitions.
    sided: Vec<NonNull<Header>>,
    definitions: Vec<NonNull<Header>>,
    /// The next candidate, and where in it to go on.
    next: usize,
    span: usize,
    /// Large candidates that are being traced, and where to go on.
    spans: Vec<(NonNull<Header>, usize)>,
    freed: CollectStats,
    /// Live bytes at its beginning, and objects made until then.
    pub(super) live: usize,
    pub(super) made: u64,
    /// Units that it is likely to take, and has taken.
    pub(super) expected: usize,
    pub(super) done: usize,
}

/// Units for an object or a part of one.
fn units_of(object: NonNull<Header>) -> usize {
    // SAFETY: callers pass objects whose memory is intact.
    match unsafe { object.as_ref() }.kind {
        tag::BUFFER => 1 + buffer_len(object).min(SPAN) / 4,
        tag::TABLE => {
            // SAFETY: the kind says what it is.
            let span = unsafe { object.cast::<Table>().as_ref() }.span();
            1 + span.min(SPAN) / 2
        }
        _ => 1,
    }
}

fn buffer_len(buffer: NonNull<Header>) -> usize {
    // SAFETY: callers pass buffers.
    unsafe { buffer.cast::<Buffer>().as_ref() }.len()
}

impl Heap {
    /// Whether a pass in slices is under way.
    pub fn is_collecting_in_slices(&self) -> bool {
        self.inner().phase.get() != Phase::Idle
    }

    /// Goes on with the pass in slices, or begins one, for about `units` objects; what it has freed when it is complete.
    /// Does nothing when called from within a release or another pass.
    ///
    /// `roots` may be asked more than once.
    pub fn collect_slice(&self, units: usize, roots: impl Fn(&mut Roots<'_>)) -> Option<CollectStats> {
        if self.inner().draining.get() || self.inner().collecting.get() {
            return None;
        }
        // Keeps the record alive whatever the teardown drops.
        let heap = self.clone();
        heap.inner().run_slice(units, &roots)
    }

    /// Has no pass under way, for what reads counts or walks all objects.
    pub(super) fn settle(&self) {
        self.release_rest();
        let inner = self.inner();
        if inner.phase.get() == Phase::Idle || inner.draining.get() || inner.collecting.get() {
            return;
        }
        // Keeps the record alive whatever the teardown drops.
        let heap = self.clone();
        let inner = heap.inner();
        inner.collecting.set(true);
        inner.settle_pass();
        inner.collecting.set(false);
    }
}

impl Inner {
    /// Whether what is left of the candidates is known to be dead.
    #[inline]
    pub(super) fn is_condemning(&self) -> bool {
        matches!(
            self.phase.get(),
            Phase::Hold | Phase::Bury | Phase::Clear | Phase::Free
        )
    }

    fn run_slice(&self, units: usize, roots: &dyn Fn(&mut Roots<'_>)) -> Option<CollectStats> {
        self.collecting.set(true);
        let mut pass = self.pass.take();
        if self.phase.get() == Phase::Idle {
            pass = self.begin_pass();
        }
        let mut left = units;
        while left > 0 && self.phase.get() != Phase::Idle {
            left = self.step(&mut pass, left, roots);
        }
        if self.phase.get() == Phase::Mark {
            let settled = self.with_marker(|marking| marking.settle() / 4);
            left = left.saturating_sub(settled);
        }
        pass.done += units - left;
        let complete = self.phase.get() == Phase::Idle;
        if !complete {
            let (live, made) = (self.live.get(), self.objects_made());
            self.pace.after_slice(&pass, live, made);
            self.pass_done();
        }
        let freed = pass.freed;
        self.pass.replace(if complete { Pass::default() } else { pass });
        self.collecting.set(false);
        if complete {
            self.sweep_shapes();
        }
        complete.then_some(freed)
    }

    fn begin_pass(&self) -> Pass {
        debug_assert!(self.marker.with(|marker| marker.is_done()));
        self.phase.set(Phase::Age);
        Pass {
            chunks: usize::MAX,
            live: self.live.get(),
            made: self.objects_made(),
            expected: self.pace.begin_pass(self.live.get(), self.live_objects()),
            ..Pass::default()
        }
    }

    fn with_marker<R>(&self, f: impl FnOnce(&mut Marking<'_>) -> R) -> R {
        let mut marker = self.marker.take();
        let result = f(&mut Marking::new(self, &mut marker));
        self.marker.replace(marker);
        result
    }

    fn take_roots(&self, roots: &dyn Fn(&mut Roots<'_>)) {
        let mut marker = self.marker.take();
        roots(&mut Roots::new(self, &mut marker, false));
        self.marker.replace(marker);
    }

    /// Goes on in the present phase for at most `units`; gives what is left of them.
    fn step(&self, pass: &mut Pass, units: usize, roots: &dyn Fn(&mut Roots<'_>)) -> usize {
        match self.phase.get() {
            Phase::Idle => units,
            Phase::Age => self.step_age(pass, units, roots),
            Phase::Mark => self.step_mark(pass, units, roots),
            Phase::List => self.step_list(pass, units),
            Phase::See => self.step_see(pass, units),
            Phase::Reach => self.step_reach(pass, units),
            Phase::Hold => self.step_hold(pass, units),
            Phase::Bury | Phase::Clear | Phase::Free => {
                let (objects, bytes) = (self.live_objects(), self.live.get());
                let left = self.step_free(pass, units);
                pass.freed.objects += objects.saturating_sub(self.live_objects());
                pass.freed.bytes += bytes.saturating_sub(self.live.get());
                if self.phase.get() == Phase::Idle {
                    self.end_pass(pass);
                }
                left
            }
        }
    }

    fn step_age(&self, pass: &mut Pass, units: usize, roots: &dyn Fn(&mut Roots<'_>)) -> usize {
        let mut left = units;
        while left > 0 {
            if let Some(chunk) = self.chunk_before(&mut pass.chunks, Chunk::is_fresh) {
                let mut walked = 0;
                Self::each_in_chunk(chunk, |object| {
                    walked += 1;
                    self.age_young(object);
                });
                Self::age_chunk(chunk);
                left = left.saturating_sub(8 + walked / 4);
            } else {
                for object in self.young_large() {
                    self.age_young(object);
                }
                self.age_large();
                self.turn_mark();
                self.phase.set(Phase::Mark);
                self.take_roots(roots);
                pass.root_scans = 1;
                break;
            }
        }
        left
    }

    /// Makes a container old if it is not.
    fn age_young(&self, object: NonNull<Header>) {
        // SAFETY: callers pass live objects.
        let header = unsafe { object.as_ref() };
        if !header.has(flag::OLD) {
            self.age(header);
        }
    }

    fn step_mark(&self, pass: &mut Pass, units: usize, roots: &dyn Fn(&mut Roots<'_>)) -> usize {
        let left = self.with_marker(|marking| marking.run(units));
        if !self.marker.with(|marker| marker.is_done()) {
            return left;
        }
        let marked = self.marker.with(|marker| marker.count());
        if pass.root_scans < ROOT_SCANS && (pass.root_scans == 1 || marked > pass.marked) {
            pass.root_scans += 1;
            pass.marked = marked;
            self.take_roots(roots);
            return left;
        }
        self.marker.replace(Marker::default());
        self.clear_watched();
        pass.chunks = usize::MAX;
        pass.large = usize::MAX;
        self.phase.set(Phase::List);
        left
    }

    // --- candidates ---

    fn step_list(&self, pass: &mut Pass, units: usize) -> usize {
        let mut left = units;
        while left > 0 {
            // From the end: chunks that come, and those that take the place of one that goes, come from behind.
            if let Some(chunk) = self.chunk_before(&mut pass.chunks, |_| true) {
                let (mut walked, before) = (0, pass.candidates.len);
                Self::each_in_chunk(chunk, |object| {
                    walked += 1;
                    self.list_unmarked_object(pass, object);
                });
                let listed = pass.candidates.len - before;
                left = left.saturating_sub(8 + walked / 4 + listed);
            } else if let Some(object) = self.large_before(&mut pass.large) {
                // Large ones are of all kinds; chunks of containers hold nothing else.
                // SAFETY: objects in the vector are alive.
                if tag::is_container(unsafe { object.as_ref() }.kind) {
                    self.list_unmarked_object(pass, object);
                }
                left -= 1;
            } else {
                pass.next = 0;
                pass.expected = pass.done + (units - left) + pass.candidates.len * UNITS_OF_DEAD;
                self.phase.set(Phase::See);
                break;
            }
        }
        left
    }

    /// Makes a candidate of a container that is old and not marked.
    fn list_unmarked_object(&self, pass: &mut Pass, object: NonNull<Header>) {
        // SAFETY: the walk gives live objects; the kind says what they are.
        unsafe {
            let header = object.as_ref();
            let flags = header.flags.get();
            let marked = flag::OLD | self.mark_value.get();
            if flags & flag::OLD == 0 || flags & (flag::OLD | flag::MARK) == marked {
                return;
            }
            self.age(header);
            // Items and tables are listed with their owners.
            let is_part = matches!(header.kind, tag::BUFFER | tag::TABLE);
            if is_part || !self.become_candidate(pass, object) {
                return;
            }
            if let Some(part) = Self::storage_of(object) {
                self.become_candidate(pass, part);
            }
        }
    }

    unsafe fn become_candidate(&self, pass: &mut Pass, object: NonNull<Header>) -> bool {
        // SAFETY: the caller's object is alive; the kind says what it is.
        unsafe {
            let header = object.as_ref();
            let is_stuck = header.count.get().cast_signed() < 0;
            let is_known = header.has(flag::CANDIDATE) || self.is_gone(object);
            if is_stuck || is_known || header.class == EMBEDDED {
                return false;
            }
            match header.kind {
                // Its definition knows of it without a count.
                tag::ENUM_VALUE if object.cast::<EnumValue>().as_ref().is_empty() => return false,
                tag::COROUTINE if object.cast::<Coroutine>().as_ref().closes() => pass.closing.push(object),
                _ => {}
            }
            self.age(header);
            header.set_flag(flag::CANDIDATE);
            self.trap(object);
            pass.candidates.push(object);
            true
        }
    }

    fn step_see(&self, pass: &mut Pass, units: usize) -> usize {
        let mut left = units;
        // SAFETY: candidates that are not gone are alive, and so is what they hold.
        let mut visitor = Visitor(|child| unsafe { self.see_reference(child) });
        while left > 0 {
            let Some(object) = pass.candidates.get(pass.next) else {
                pass.next = 0;
                self.phase.set(Phase::Reach);
                break;
            };
            left -= 1;
            // What is alive need not be seen: what it leads to is reached.
            // SAFETY: as above.
            let is_open = !self.is_gone(object) && !unsafe { object.as_ref() }.has(flag::GRAY);
            let mut more = None;
            if is_open {
                left = left.saturating_sub(units_of(object));
                // SAFETY: as above.
                unsafe {
                    if object.as_ref().kind == tag::NATIVE {
                        let all = self.children_of(object);
                        let candidates = all.iter().copied().filter(|child| self.has_candidate(*child));
                        pass.natives.push(Held {
                            native: object,
                            candidates: candidates.collect(),
                            all,
                        });
                    }
                    more = self.visit_part(object, pass.span, &mut visitor);
                }
            }
            pass.span = more.unwrap_or(0);
            pass.next += usize::from(more.is_none());
        }
        left
    }

    fn step_reach(&self, pass: &mut Pass, units: usize) -> usize {
        let mut left = units;
        let mut visitor = Visitor(|child| self.found_alive(child));
        while left > 0 {
            left -= 1;
            let alive = self.watched.with(Watched::next_alive);
            let (object, from) = if let Some(object) = alive {
                (object, 0)
            } else if let Some((object, from)) = pass.spans.pop() {
                if self.is_gone(object) {
                    continue;
                }
                (object, from)
            } else if let Some(object) = pass.candidates.get(pass.next) {
                pass.next += 1;
                // SAFETY: candidates that are not gone are alive.
                let is_open = !self.is_gone(object) && !unsafe { object.as_ref() }.has(flag::GRAY);
                if is_open && !self.is_all_seen(object) {
                    self.found_alive(object);
                }
                continue;
            } else if self.recheck_natives(pass) || self.close_generators(pass) {
                continue;
            } else {
                pass.next = 0;
                self.phase.set(Phase::Hold);
                break;
            };
            left = left.saturating_sub(units_of(object));
            // SAFETY: as above, and so is what they hold.
            if let Some(to) = unsafe { self.visit_part(object, from, &mut visitor) } {
                pass.spans.push((object, to));
            }
        }
        left
    }

    unsafe fn children_of(&self, object: NonNull<Header>) -> Vec<NonNull<Header>> {
        let mut children = Vec::new();
        // SAFETY: the caller's object is alive.
        unsafe { self.visit(object, &mut Visitor(|child| children.push(child))) };
        children
    }

    /// What a native object holds may be in the hands of Rust code as well, which moves it without a word. So native
    /// objects that hold something else than when their references were seen, or are gone, vouch for nothing: what they
    /// held is alive. Whether anything was found alive.
    fn recheck_natives(&self, pass: &Pass) -> bool {
        let mut any = false;
        for held in &pass.natives {
            // SAFETY: candidates that are not gone are alive, or dead and intact; so is what they hold.
            unsafe {
                let is_gone = self.is_gone(held.native);
                let is_alive = is_gone || held.native.as_ref().has(flag::GRAY);
                if !is_alive && self.children_of(held.native) == held.all {
                    continue;
                }
                for object in held.candidates.iter().chain([&held.native]) {
                    if !self.is_gone(*object) && !object.as_ref().has(flag::GRAY) {
                        self.found_alive(*object);
                        any = true;
                    }
                }
            }
        }
        any
    }

    /// Queues the dead generators that have to be closed first; whether there were any. They and what they lead to live
    /// on, and wait for a later pass.
    fn close_generators(&self, pass: &mut Pass) -> bool {
        let mut any = false;
        for object in std::mem::take(&mut pass.closing) {
            // SAFETY: candidates that are not gone are alive; the queue gets a count of its own.
            unsafe {
                if self.is_gone(object) || object.as_ref().has(flag::GRAY) {
                    continue;
                }
                self.found_alive(object);
                object.as_ref().retain();
                if self.queue_to_close(object) {
                    any = true;
                } else {
                    Header::release(object);
                }
            }
        }
        any
    }

    // --- the dead ---

    /// Candidates that are alive are such no longer; the others are held. From the end, so that items and tables are
    /// candidates no longer before their owners are, which tell of writes.
    fn step_hold(&self, pass: &mut Pass, units: usize) -> usize {
        for left in (0..units).rev() {
            let Some(object) = pass.candidates.pop() else {
                self.clear_watched();
                // In the order in which they were listed.
                pass.sided.reverse();
                if self.is_watched() {
                    let mut dead: Vec<NonNull<Header>> = pass.dead.iter().collect();
                    dead.reverse();
                    self.report_cycles(&dead);
                }
                self.phase.set(Phase::Bury);
                return left;
            };
            if self.is_gone(object) {
                continue;
            }
            // SAFETY: candidates that are not gone are alive, or dead and intact.
            let header = unsafe { object.as_ref() };
            if header.has(flag::GRAY) {
                header.clear_flag(flag::GRAY | flag::CANDIDATE);
                continue;
            }
            self.untrap(object);
            header.count.set(header.count.get() + 1);
            // Without a side record there is no weak cell either, through which it could still be asked for.
            if header.has(flag::HAS_SIDE) {
                pass.sided.push(object);
            } else {
                header.clear_flag(flag::CANDIDATE);
            }
            if header.kind == tag::STRUCT_DEF {
                pass.definitions.push(object);
            }
            pass.dead.push(object);
        }
        0
    }

    fn step_free(&self, pass: &mut Pass, units: usize) -> usize {
        // What dies outside of the group goes through the work list as usual.
        self.draining.set(true);
        // SAFETY: the members are alive until they are freed, held by a count of the pass; nothing outside leads to
        // them. The record is alive: the caller keeps a handle.
        unsafe {
            let left = match self.phase.get() {
                Phase::Bury => self.bury(pass, units),
                Phase::Clear => self.clear(pass, units),
                _ => self.free_members(pass, units),
            };
            super::release::finish(NonNull::from(self));
            left
        }
    }

    unsafe fn bury(&self, pass: &mut Pass, units: usize) -> usize {
        for left in (0..units).rev() {
            let Some(&object) = pass.sided.get(pass.next) else {
                pass.next = 0;
                self.phase.set(Phase::Clear);
                return left;
            };
            pass.next += 1;
            self.bury_side(object);
            // SAFETY: the caller's promise.
            unsafe { object.as_ref() }.clear_flag(flag::CANDIDATE);
        }
        0
    }

    unsafe fn clear(&self, pass: &mut Pass, units: usize) -> usize {
        let mut left = units;
        // SAFETY: the caller's promise.
        unsafe {
            while left > 0 {
                left -= 1;
                let Some(object) = pass.dead.get(pass.next) else {
                    // Instances have asked theirs how many slots they have.
                    for object in std::mem::take(&mut pass.definitions) {
                        self.release_contents(object, object.as_ref().shape.get());
                    }
                    pass.next = 0;
                    self.phase.set(Phase::Free);
                    break;
                };
                left = left.saturating_sub(units_of(object));
                let more = self.release_part(object, pass.span);
                pass.span = more.unwrap_or(0);
                pass.next += usize::from(more.is_none());
            }
        }
        left
    }

    unsafe fn free_members(&self, pass: &mut Pass, units: usize) -> usize {
        for left in (0..units).rev() {
            let Some(object) = pass.dead.get(pass.next) else {
                self.phase.set(Phase::Idle);
                return left;
            };
            pass.next += 1;
            // SAFETY: the caller's promise.
            unsafe {
                debug_assert!(object.as_ref().count.get() == 1, "a member is still referred to");
                self.free(object);
            }
        }
        0
    }

    /// Gives back what an object holds; of a large buffer or table a part from `from` on.
    unsafe fn release_part(&self, object: NonNull<Header>, from: usize) -> Option<usize> {
        // SAFETY: the caller's object is dead and what was not released yet is intact.
        unsafe {
            let header = object.as_ref();
            match header.kind {
                tag::BUFFER if buffer_len(object) > SPAN => {
                    let buffer = object.cast::<Buffer>().as_ref();
                    let to = (from + SPAN).min(buffer.len());
                    super::release::release_raws(buffer.items_ptr().add(from), to - from);
                    (to < buffer.len()).then_some(to)
                }
                tag::STRUCT_DEF => None,
                tag::TABLE => {
                    let more = object.cast::<Table>().as_ref().release_some(self, SPAN);
                    more.then_some(0)
                }
                _ => {
                    self.release_contents(object, header.shape.get());
                    None
                }
            }
        }
    }

    fn end_pass(&self, pass: &Pass) {
        let freed = pass.freed;
        let floating = (self.live.get() + freed.bytes).saturating_sub(pass.live);
        self.pace.after_full(self, floating, freed.bytes);
        self.note_full_pass(freed.bytes);
        self.counters.pass(freed);
        self.pass_done();
    }

    /// Ends the pass in slices, for one that takes everything at once: what is known to be dead is freed, anything else
    /// is as if there had been no pass. Sound wherever a pass is.
    pub(super) fn settle_pass(&self) {
        match self.phase.get() {
            Phase::Idle => {}
            _ if self.is_condemning() => {
                let mut pass = self.pass.take();
                while self.phase.get() != Phase::Idle {
                    self.step(&mut pass, usize::MAX, &|_| {});
                }
            }
            _ => self.abandon_pass(),
        }
    }

    fn abandon_pass(&self) {
        let pass = self.pass.take();
        for object in pass.candidates.iter() {
            if !self.is_gone(object) {
                self.untrap(object);
                // SAFETY: candidates that are not gone are alive.
                unsafe { object.as_ref() }.clear_flag(flag::CANDIDATE | flag::GRAY);
            }
        }
        if matches!(self.phase.get(), Phase::Mark | Phase::List) {
            let mut marker = self.marker.take();
            marker.abandon(self);
            // No object is left with the mark that the next pass will use.
            self.each_object(alloc::CONTAINERS, |object| {
                // SAFETY: the walk gives live objects.
                let header = unsafe { object.as_ref() };
                if header.has(flag::OLD) {
                    self.age(header);
                }
            });
        }
        self.clear_watched();
        self.phase.set(Phase::Idle);
        self.pace.after_abandoned(self.live.get());
        self.set_trigger();
    }
}
