//! Figures about a heap: by kind, and about past collections.
#![expect(unsafe_code, reason = "reads the headers of all objects")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::{Raw, Table, Value, tag};

use super::{CollectStats, Heap, alloc};

#[derive(Default)]
pub(crate) struct Counters {
    collections: Cell<u64>,
    collected_objects: Cell<u64>,
    collected_bytes: Cell<u64>,
    pauses: Cell<Pauses>,
}

/// How often, how long and for how long at a time collections have held the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// Number of young passes and slices.
    pub count: u64,
    /// Nanoseconds of the longest.
    pub longest: u64,
    /// Nanoseconds of all.
    pub total: u64,
}

impl Pauses {
    /// Adds one of so many nanoseconds.
    pub fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.longest = self.longest.max(nanos);
        self.total += nanos;
    }
}

impl Counters {
    pub(crate) fn pass(&self, stats: CollectStats) {
        self.collections.set(self.collections.get() + 1);
        self.collected_objects
            .set(self.collected_objects.get() + stats.objects as u64);
        self.collected_bytes
            .set(self.collected_bytes.get() + stats.bytes as u64);
    }
}

/// Live objects of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindStats {
    /// The kind's word.
    pub name: &'static str,
    /// Objects.
    pub count: usize,
    /// Bytes of the objects themselves; memory beside them is in the total only.
    pub bytes: usize,
    /// Objects made since the heap began.
    pub made: u64,
}

/// A picture of a heap.
#[derive(Clone, Debug)]
pub struct HeapStats {
    /// Kinds with live objects, in order of tags.
    pub kinds: Vec<KindStats>,
    /// Bytes of code, and of the source text and tables that belong to it.
    pub code_bytes: usize,
    /// Bytes of the heap's own tables.
    pub table_bytes: usize,
    /// Bytes live, everything included. What is neither an object nor code nor a table belongs to the evaluator: its
    /// queues and timers, and the working memory of what runs.
    pub live_bytes: usize,
    /// Objects live.
    pub live_objects: usize,
    /// Bytes that chunks of small objects hold from the system, used or not.
    pub chunk_bytes: usize,
    /// Passes so far.
    pub collections: u64,
    /// Objects that passes freed.
    pub collected_objects: u64,
    /// Bytes that passes freed.
    pub collected_bytes: u64,
    /// Young passes and slices, those that the host asked for included, as [`Heap::note_pause`] was told.
    pub pauses: Pauses,
}

fn table_bytes(table: &Table) -> usize {
    alloc::charged_bytes(NonNull::from(table).cast()) + table.memory_bytes()
}

impl Heap {
    /// Bytes of a value itself: the object, with its items, entries or registers, but not what they refer to. Items
    /// shared with a snapshot count in full.
    pub fn size_of(&self, value: &Value) -> usize {
        let raw = Raw::of_value(value);
        if !raw.is_counted() {
            return 0;
        }
        let beside = match value {
            Value::Array(array) => array.buffer_header().map_or(0, alloc::charged_bytes),
            Value::Dict(dict) => dict.table().map_or(0, table_bytes) + dict.outside_bytes(),
            Value::Set(set) => set.table().map_or(0, table_bytes),
            Value::Native(native) => native.get().size(),
            _ => 0,
        };
        let side = self.inner().side(raw.header_ptr(), |side| side.bytes());
        alloc::charged_bytes(raw.header_ptr()) + beside + side.unwrap_or(0)
    }

    /// Counts what is live by kind; walks the whole heap.
    pub fn stats(&self) -> HeapStats {
        let inner = self.inner();
        let mut totals = [(0_usize, 0_usize); tag::END as usize];
        inner.each_object(alloc::ALL, |object| {
            // SAFETY: the walk gives live objects.
            let kind = unsafe { object.as_ref() }.kind as usize;
            totals[kind].0 += 1;
            totals[kind].1 += alloc::charged_bytes(object);
        });
        let kinds = totals.iter().enumerate().filter(|(_, total)| total.0 > 0);
        HeapStats {
            kinds: kinds
                .map(|(kind, &(count, bytes))| KindStats {
                    name: tag::name(kind as u8),
                    count,
                    bytes,
                    made: inner.made[kind].get(),
                })
                .collect(),
            code_bytes: inner.code_bytes.get(),
            table_bytes: inner.recent_bytes() + inner.transition_bytes(),
            live_bytes: inner.live.get(),
            live_objects: inner.live_objects(),
            chunk_bytes: inner.chunk_bytes(),
            collections: inner.counters.collections.get(),
            collected_objects: inner.counters.collected_objects.get(),
            collected_bytes: inner.counters.collected_bytes.get(),
            pauses: inner.counters.pauses.get(),
        }
    }

    /// Notes that a young pass or a slice has held the program for so many nanoseconds: the heap has no clock.
    pub fn note_pause(&self, nanos: u64) {
        let counters = &self.inner().counters;
        let mut pauses = counters.pauses.get();
        pauses.add(nanos);
        counters.pauses.set(pauses);
    }
}
