//! The heap: where objects live, what they cost, when they go.
//!
//! A [`Heap`] is a handle to the one record of an engine's memory. Objects find that record by masking their address
//! (small ones live in aligned chunks) or in a prefix (large ones), so a value may outlive the engine: the record
//! frees itself when the last handle and the last object are gone.
//!
//! Invariants
//! - Every object and every buffer is charged before it is taken; `live_bytes` is exact at any moment.
//! - Freeing never recurses and never allocates (`release`); only the collector frees a cycle (`collector`).
//! - No script code runs in here. Finalizers queue.
//! - A `Heap` is not `Send`.
//!
//! Not here: what an object means (its own module), when the evaluator calls the collector.
#![expect(unsafe_code, reason = "the handle counts itself and frees the record")]

mod account;
mod alloc;
mod budget;
mod candidate;
mod charge;
mod checkpoint;
mod collector;
mod construct;
mod edges;
mod header;
mod incremental;
mod inspect;
mod intern;
mod mark;
mod memory;
mod put_off;
mod recent;
mod release;
mod resident;
mod segments;
mod side;
mod sites;
mod slowly;
mod stats;
mod visit;

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use ahash::RandomState;

pub(crate) use account::growth_steps;
pub use budget::Budget;
pub(crate) use budget::Drawn;
pub use charge::Charge;
pub use checkpoint::Overseer;
pub(crate) use checkpoint::{Checked, Pace, ToTheEnd};
pub use collector::{CollectStats, Turn};
pub use header::{Header, flag};
pub use inspect::{Holder, LiveObjects, ObjectTotals};
pub use mark::Roots;
pub(crate) use recent::SHORT;
pub use segments::tune_allocator;
pub use sites::{CycleGroup, CycleReport, CycleStep, Profile, Recorder, SiteProfile};
pub use stats::{HeapStats, KindStats, Pauses};

pub(crate) use alloc::{EMBEDDED, LARGE, object_bytes};
pub(crate) use memory::Memory;
pub(crate) use visit::Visitor;

use side::SideRecord;

use crate::exclusive::Exclusive;
use crate::{Buffer, Code, ErrorObject, Object, Raw, Rc, StructDef, Table, Value, tag};
use alloc::Chunk;

/// Bytes that are copied, compared or hashed for one unit of work.
pub const WORK_BYTES: usize = 64;

/// How a heap starts out.
#[derive(Clone, Copy, Debug)]
pub struct HeapConfig {
    /// Budget in bytes; none means the machine's memory.
    pub limit: Option<usize>,
    /// Seed of the hash function; none draws one from the system.
    pub seed: Option<u64>,
    /// Whether growth asks for cycle collections.
    pub auto_collect: bool,
    /// Whether dicts with few string keys share them; see `shape`. Only tests say no.
    pub records: bool,
    /// For tests: a full collection at every n-th charge, 0 for none.
    pub collect_every: u64,
    /// For tests: the number of the charge to refuse, counted from 1.
    pub fail_charge: Option<u64>,
}

impl Default for HeapConfig {
    fn default() -> Self {
        Self {
            limit: None,
            seed: None,
            auto_collect: true,
            records: true,
            collect_every: 0,
            fail_charge: None,
        }
    }
}

/// Handle to an engine's memory; cloning gives another handle to the same.
pub struct Heap(NonNull<Inner>);

/// A handle that does not count: borrowed from an object that is alive.
pub type HeapRef = ManuallyDrop<Heap>;

/// The record behind the handles. The first fields are the ones that allocation touches.
pub(crate) struct Inner {
    live: Cell<usize>,
    /// The lower of the limit and the collector's trigger: the one compare of an allocation.
    next_event: Cell<usize>,
    /// Work done in bulk since it was last taken; see [`Heap::count_work`].
    work: Cell<u64>,
    /// The work at which a checkpoint asks next.
    next_look: Cell<u64>,
    /// Frees look closer when the live bytes are outside `low..=low + span`; the upper end is the recorded peak.
    low: Cell<usize>,
    span: Cell<usize>,
    current: [Cell<NonNull<Chunk>>; alloc::CLASSES],
    partial: [Cell<*mut Chunk>; alloc::CLASSES],
    /// Dead objects whose contents still have to be released; see `release`.
    queue_head: Cell<*mut Header>,
    queue_last: Cell<*mut Header>,
    draining: Cell<bool>,
    /// Whether the list is left as it is; see `put_off`.
    deaths: Cell<put_off::Deaths>,
    waiting: Exclusive<put_off::Waiting>,
    limit: Cell<usize>,
    /// The limit from outside, which the one in force does not exceed.
    given_limit: Cell<usize>,
    /// The error object that keeps the handlers' reserve open, not counted.
    reserve_holder: Cell<*const ErrorObject>,
    /// The most that was allowed to be live when the reserve was opened.
    reserve_base: Cell<usize>,
    /// The budget that other heaps share, if this one has joined any; see `budget`.
    shared: std::cell::OnceCell<std::sync::Arc<Budget>>,
    /// Whether the shared budget is of this heap's limit.
    owns_budget: Cell<bool>,
    /// The most that may be live without another draw on the shared budget.
    room: Cell<usize>,
    /// What of the room was drawn past the shared budget's limit, for a handler.
    forced: Cell<usize>,
    /// Live bytes below which enough is drawn and not used to give some back.
    surplus_below: Cell<usize>,
    /// Drawn for memory that is held and not used.
    excess: Cell<usize>,
    /// What was drawn when the shared budget last refused a charge, unless the limit has refused one since.
    refused_at: Cell<usize>,
    /// The last refusal of a charge, if it came from the shared budget and nothing has told of it.
    refusal: Cell<Option<budget::Refusal>>,
    /// Bits of `account::watch`.
    watch: Cell<u8>,
    stress: account::Stress,
    recording: Exclusive<sites::Recording>,
    /// The live bytes that a script wants to hear of next.
    growth_mark: Cell<usize>,
    grown: Cell<bool>,
    /// Bytes taken while charges are added up.
    charged: Cell<u64>,
    /// Objects made, by kind.
    pub(crate) made: [Cell<u64>; tag::END as usize],
    /// Objects freed.
    freed: Cell<u64>,
    /// The peak before `discharge` began to look closer at every free.
    recorded_peak: Cell<usize>,
    /// The low mark, also while the window is empty.
    low_mark: Cell<usize>,
    trigger: Cell<usize>,
    auto_collect: Cell<bool>,
    due: Cell<bool>,
    collecting: Cell<bool>,
    /// What the last full pass left.
    last_pass: account::LastPass,
    pub(crate) handles: Cell<usize>,
    chunks: Exclusive<Vec<NonNull<Chunk>>>,
    reserve: Exclusive<Vec<NonNull<Chunk>>>,
    segments: Exclusive<segments::Segments>,
    /// Bytes that may be taken from the system before what is held is looked at again.
    until_look: Cell<usize>,
    /// Bytes given back to the allocator since it was last asked to give them to the system.
    outside_freed: Cell<usize>,
    /// The most live bytes seen since the last trim.
    high: Cell<usize>,
    trimming: Cell<resident::Trimming>,
    large: Exclusive<Vec<NonNull<Header>>>,
    /// Large objects below this index are older than the last pass.
    old_large: Cell<usize>,
    pace: collector::Schedule,
    /// What `flag::MARK` is in objects that the last full pass has marked; see `mark`.
    mark_value: Cell<u8>,
    /// The pass in slices: its phase, its lists, and those that the program may change.
    phase: Cell<incremental::Phase>,
    pass: Exclusive<incremental::Pass>,
    marker: Exclusive<mark::Marker>,
    watched: Exclusive<candidate::Watched>,
    /// What is let go of in slices.
    slowly: Exclusive<slowly::Leaving>,
    side: Exclusive<hashbrown::HashMap<usize, Box<SideRecord>, RandomState>>,
    shapes: Exclusive<Vec<*const StructDef>>,
    /// See `shape`.
    pub(crate) record_shapes: Exclusive<crate::shape::Shapes>,
    /// The shape of one key that was asked for last.
    pub(crate) first_shape: Cell<*const crate::Shape>,
    /// Whether dicts may be records.
    pub(crate) records: Cell<bool>,
    pub(crate) spares: Exclusive<memory::Spares>,
    code: Exclusive<BTreeMap<usize, NonNull<Code>>>,
    code_bytes: Cell<usize>,
    interned: Exclusive<intern::Interned>,
    recent: Exclusive<recent::RecentStrings>,
    lookup_budget: recent::LookupBudget,
    finalizers: Exclusive<VecDeque<Value>>,
    awaited_finalizers: Cell<usize>,
    hasher: RandomState,
    secret: u64,
    next_id: Cell<i64>,
    host_types: RefCell<hashbrown::HashMap<TypeId, std::rc::Rc<dyn Any>, RandomState>>,
    counters: stats::Counters,
    overseer: RefCell<Option<Box<dyn Overseer>>>,
    /// Stand-ins for the contents of empty collections; they die after the last handle.
    empty_buffer: Buffer,
    empty_table: Table,
    /// Stand-in for a class without a chunk: never has a free block.
    no_chunk: Chunk,
}

impl Heap {
    /// A new, empty heap.
    pub fn new(config: HeapConfig) -> Self {
        let hasher = match config.seed {
            Some(seed) => RandomState::with_seeds(seed, !seed, seed.rotate_left(32), 0x5851_f42d_4c95_7f2d),
            None => RandomState::new(),
        };
        let inner = Box::new(Inner {
            live: Cell::new(0),
            next_event: Cell::new(0),
            work: Cell::new(0),
            next_look: Cell::new(checkpoint::LOOK),
            low: Cell::new(0),
            span: Cell::new(0),
            current: std::array::from_fn(|_| Cell::new(NonNull::dangling())),
            partial: std::array::from_fn(|_| Cell::new(std::ptr::null_mut())),
            queue_head: Cell::new(std::ptr::null_mut()),
            queue_last: Cell::new(std::ptr::null_mut()),
            draining: Cell::new(false),
            deaths: Cell::new(put_off::Deaths::Due),
            waiting: Exclusive::new(put_off::Waiting::default()),
            limit: Cell::new(account::NO_LIMIT),
            given_limit: Cell::new(account::NO_LIMIT),
            reserve_holder: Cell::new(std::ptr::null()),
            reserve_base: Cell::new(account::NO_LIMIT),
            shared: std::cell::OnceCell::new(),
            owns_budget: Cell::new(false),
            room: Cell::new(account::NO_LIMIT),
            forced: Cell::new(0),
            surplus_below: Cell::new(0),
            excess: Cell::new(0),
            refused_at: Cell::new(account::NO_LIMIT),
            refusal: Cell::new(None),
            watch: Cell::new(0),
            stress: account::Stress::default(),
            recording: Exclusive::new(sites::Recording::default()),
            growth_mark: Cell::new(account::NO_LIMIT),
            grown: Cell::new(false),
            charged: Cell::new(0),
            made: std::array::from_fn(|_| Cell::new(0)),
            freed: Cell::new(0),
            recorded_peak: Cell::new(0),
            low_mark: Cell::new(0),
            trigger: Cell::new(0),
            auto_collect: Cell::new(config.auto_collect),
            due: Cell::new(false),
            collecting: Cell::new(false),
            last_pass: account::LastPass::default(),
            handles: Cell::new(1),
            chunks: Exclusive::new(Vec::new()),
            reserve: Exclusive::new(Vec::new()),
            segments: Exclusive::new(segments::Segments::default()),
            until_look: Cell::new(0),
            outside_freed: Cell::new(0),
            high: Cell::new(0),
            trimming: Cell::new(resident::Trimming::Idle),
            large: Exclusive::new(Vec::new()),
            old_large: Cell::new(0),
            pace: collector::Schedule::default(),
            mark_value: Cell::new(0),
            phase: Cell::new(incremental::Phase::Idle),
            pass: Exclusive::new(incremental::Pass::default()),
            marker: Exclusive::new(mark::Marker::default()),
            watched: Exclusive::new(candidate::Watched::default()),
            slowly: Exclusive::new(slowly::Leaving::default()),
            side: Exclusive::new(hashbrown::HashMap::with_hasher(hasher.clone())),
            shapes: Exclusive::new(vec![std::ptr::null()]),
            record_shapes: Exclusive::new(crate::shape::Shapes::default()),
            first_shape: Cell::new(std::ptr::null()),
            records: Cell::new(config.records),
            spares: Exclusive::new(memory::Spares::default()),
            code: Exclusive::new(BTreeMap::new()),
            code_bytes: Cell::new(0),
            interned: Exclusive::new(intern::Interned::default()),
            recent: Exclusive::new(recent::RecentStrings::default()),
            lookup_budget: recent::LookupBudget::default(),
            finalizers: Exclusive::new(VecDeque::new()),
            awaited_finalizers: Cell::new(0),
            secret: hasher.hash_one(0x4165_7468_6572_u64),
            hasher,
            next_id: Cell::new(1),
            host_types: RefCell::new(hashbrown::HashMap::with_hasher(RandomState::new())),
            counters: stats::Counters::default(),
            overseer: RefCell::new(None),
            empty_buffer: Buffer::embedded(),
            empty_table: Table::embedded(),
            no_chunk: Chunk::none(),
        });
        let inner = NonNull::from(Box::leak(inner));
        let heap = Self(inner);
        let record = heap.inner();
        for current in &record.current {
            current.set(NonNull::from(&record.no_chunk));
        }
        record.set_trigger();
        heap.set_limit(config.limit);
        heap.set_stress(config.collect_every, config.fail_charge);
        heap
    }

    #[inline(always)]
    pub(crate) fn inner(&self) -> &Inner {
        // SAFETY: a handle keeps the record alive; a `HeapRef` is borrowed from a live object, which does too.
        unsafe { self.0.as_ref() }
    }

    /// The heap that an object lives in.
    #[inline]
    pub fn of<T: Object>(object: &T) -> HeapRef {
        Self::of_header(NonNull::from(object).cast())
    }

    /// The heap that a live object lives in, by the address of its header.
    #[inline]
    pub(crate) fn of_header(header: NonNull<Header>) -> HeapRef {
        // SAFETY: only the heap makes objects, and the caller's is alive.
        ManuallyDrop::new(Self(unsafe { alloc::heap_of(header) }))
    }

    /// The heap that a live object lives in; see [`Heap::of`].
    ///
    /// # Safety
    /// `object` points to a live object of some heap.
    #[inline]
    pub unsafe fn of_object(object: *const Header) -> HeapRef {
        // SAFETY: the caller's promise.
        Self::of_header(unsafe { NonNull::new_unchecked(object.cast_mut()) })
    }

    /// Whether a value may be used with this heap's objects: it is one of them, or no object at all.
    #[inline]
    pub fn admits(&self, value: &Value) -> bool {
        let raw = Raw::of_value(value);
        !raw.is_counted() || Self::of_header(raw.header_ptr()).is_same(self)
    }

    /// What host code has said of its type `K` to this heap.
    pub fn host_type<K: 'static, T: 'static>(&self) -> Option<std::rc::Rc<T>> {
        let types = self.inner().host_types.borrow();
        types.get(&TypeId::of::<K>())?.clone().downcast().ok()
    }

    /// Keeps what host code says of its type `K`, in place of what it said before.
    pub fn set_host_type<K: 'static>(&self, description: std::rc::Rc<dyn Any>) {
        let mut types = self.inner().host_types.borrow_mut();
        let old = types.insert(TypeId::of::<K>(), description);
        drop(types);
        drop(old);
    }

    /// Forgets what host code has said of its types: an engine ends.
    pub fn clear_host_types(&self) {
        let types = self.inner().host_types.take();
        drop(types);
    }

    /// Whether both handles lead to the same heap.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The definition with this shape id, while it lives.
    #[inline]
    pub fn shape(&self, id: u32) -> &StructDef {
        let def = self.inner().shapes.with(|shapes| shapes[id as usize]);
        debug_assert!(!def.is_null());
        // SAFETY: instances hold a count of their definition, so a shape in use is alive.
        unsafe { &*def }
    }

    /// Whether the definition with this shape id lives.
    pub fn has_shape(&self, id: u32) -> bool {
        let shape = |shapes: &mut Vec<*const StructDef>| shapes.get(id as usize).copied();
        self.inner()
            .shapes
            .with(|shapes| shape(shapes))
            .is_some_and(|def| !def.is_null())
    }

    /// Gives a definition a shape id of its own.
    pub(crate) fn add_shape(&self, def: *const StructDef) -> u32 {
        self.inner().shapes.with(|shapes| {
            shapes.push(def);
            shapes.len() as u32 - 1
        })
    }

    /// Takes over a piece of code and keeps it until the heap goes.
    pub fn add_code(&self, code: Box<Code>) -> NonNull<Code> {
        let inner = self.inner();
        self.keep_for_code(code.size());
        let start = code.words.as_ptr() as usize;
        let code = NonNull::from(Box::leak(code));
        inner.code.with(|map| map.insert(start, code));
        code
    }

    /// Charges what code keeps alive beside itself, its source text for one, until the heap lets go of its code. Past
    /// the budget if need be: the charge of what runs it will tell.
    pub fn keep_for_code(&self, bytes: usize) {
        let inner = self.inner();
        inner.code_bytes.set(inner.code_bytes.get() + bytes);
        inner.settle(0, bytes);
    }

    /// The code that holds the instruction word at `ip`, and the word's index.
    pub fn code_at(&self, ip: *const u64) -> Option<(&Code, usize)> {
        let address = ip as usize;
        let (start, code) = self.inner().code.with(|map| {
            map.range(..=address)
                .next_back()
                .map(|(start, code)| (*start, *code))
        })?;
        // SAFETY: code lives as long as the heap.
        let code = unsafe { &*code.as_ptr() };
        let index = (address - start) / size_of::<u64>();
        (index < code.words.len()).then_some((code, index))
    }

    /// Bytes of code held, part of [`Heap::live_bytes`] until [`Heap::teardown`].
    pub fn code_bytes(&self) -> usize {
        self.inner().code_bytes.get()
    }

    /// Counts work whose time is in proportion to what a script made, for the evaluator's limits: a unit for each item
    /// or each [`WORK_BYTES`] bytes. Copies and growth of large objects count by themselves.
    #[inline]
    pub fn count_work(&self, units: usize) {
        self.inner().count_work(units);
    }

    /// Whether work was counted since [`Heap::take_work`].
    #[inline(always)]
    pub fn has_work(&self) -> bool {
        self.inner().work.get() != 0
    }

    /// Work counted and not taken yet.
    pub fn work(&self) -> u64 {
        self.inner().work.get()
    }

    /// Where [`Self::work`] stands, for machine code; it stays there as long as the heap lives.
    pub fn work_place(&self) -> *const u64 {
        self.inner().work.as_ptr()
    }

    /// Takes the units counted so far.
    pub fn take_work(&self) -> u64 {
        self.inner().next_look.set(checkpoint::LOOK);
        self.inner().work.take()
    }

    /// The hash function of this heap's keys.
    #[inline]
    pub(crate) fn hasher(&self) -> &RandomState {
        &self.inner().hasher
    }

    pub(crate) fn empty_buffer(&self) -> Rc<Buffer> {
        // SAFETY: the record's own buffer is counted like any object.
        unsafe { Rc::of_ref(&self.inner().empty_buffer) }
    }

    pub(crate) fn empty_table(&self) -> Rc<Table> {
        // SAFETY: the record's own table is counted like any object.
        unsafe { Rc::of_ref(&self.inner().empty_table) }
    }

    /// Prepares the end of the engine: lets go of shared strings and names, then collects every cycle. What lives
    /// afterwards is held from outside.
    pub fn teardown(&self) {
        self.release_rest();
        self.release_shared();
        loop {
            let finalizers = self.inner().finalizers.take();
            let stats = self.collect();
            if stats.objects == 0 && finalizers.is_empty() {
                break;
            }
        }
    }

    /// Lets go of what the heap itself keeps alive: interned strings and the names in code.
    fn release_shared(&self) {
        let inner = self.inner();
        let codes: Vec<NonNull<Code>> = inner.code.with(|map| map.values().copied().collect());
        for mut code in codes {
            // SAFETY: code lives as long as the heap; nothing borrows its names across a release.
            let names = unsafe { code.as_mut() }.take_names();
            drop(names);
        }
        self.release_leaving();
        inner.drop_shapes();
        drop(inner.interned.take());
        inner.drop_recent();
        drop(inner.finalizers.take());
        inner.discharge(inner.code_bytes.replace(0));
    }
}

impl Clone for Heap {
    #[inline]
    fn clone(&self) -> Self {
        let handles = &self.inner().handles;
        handles.set(handles.get() + 1);
        Self(self.0)
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        let inner = self.inner();
        if inner.handles.get() > 1 {
            inner.handles.set(inner.handles.get() - 1);
            return;
        }
        self.release_rest();
        // The last handle: the shared things go while the handle still protects the record.
        self.release_shared();
        if self.live_objects() > 0 {
            // Nobody could collect them later.
            self.collect();
        }
        let inner = self.inner();
        inner.handles.set(0);
        // The two stand-ins become ordinary objects with the handle's count to give back; together with a guard
        // against the record going between the two.
        inner.count_made(tag::BUFFER);
        inner.count_made(tag::TABLE);
        let nested = inner.draining.replace(true);
        // SAFETY: the record owns one count of each stand-in, given back here once.
        unsafe {
            Header::release(NonNull::from(&inner.empty_buffer).cast());
            Header::release(NonNull::from(&inner.empty_table).cast());
        }
        if !nested {
            // SAFETY: the record is alive; nothing is touched after this.
            unsafe { release::finish(self.0) };
        }
    }
}

impl Inner {
    /// See [`Heap::count_work`].
    #[inline]
    pub(crate) fn count_work(&self, units: usize) {
        self.work.set(self.work.get().wrapping_add(units as u64));
    }

    /// Frees the record and everything it owns. Nothing may live in it.
    unsafe fn destroy(this: NonNull<Self>) {
        // SAFETY: the record came from a box, and neither handles nor objects lead to it any more.
        let inner = unsafe { Box::from_raw(this.as_ptr()) };
        for code in inner.code.take().into_values() {
            // SAFETY: the code came from a box in `add_code`.
            drop(unsafe { Box::from_raw(code.as_ptr()) });
        }
        alloc::free_chunks(&inner);
        inner.leave_budget();
    }
}
