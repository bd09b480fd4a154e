//! Figures about a heap: by kind, and about past collections.
#![expect(unsafe_code, reason = "reads the headers of all objects")]

use std::cell::Cell;

use crate::tag;

use super::{CollectStats, Heap, alloc};

#[derive(Default)]
pub(crate) struct Counters {
    collections: Cell<u64>,
    collected_objects: Cell<u64>,
    collected_bytes: Cell<u64>,
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
}

/// A picture of a heap.
#[derive(Clone, Debug)]
pub struct HeapStats {
    /// Kinds with live objects, in order of tags.
    pub kinds: Vec<KindStats>,
    /// Bytes live, everything included.
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
}

impl Heap {
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
                })
                .collect(),
            live_bytes: inner.live.get(),
            live_objects: inner.live_objects.get(),
            chunk_bytes: inner.chunk_bytes(),
            collections: inner.counters.collections.get(),
            collected_objects: inner.counters.collected_objects.get(),
            collected_bytes: inner.counters.collected_bytes.get(),
        }
    }
}
