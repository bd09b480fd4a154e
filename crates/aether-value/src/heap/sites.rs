//! Recording: where objects were allocated, what cycles a collection found, a profile of all allocations.
//!
//! The evaluator knows where the script stands; the heap asks it through a [`Recorder`] at every allocation and gets
//! the number of a *site*, an interned stack. Recording is on from [`Heap::record`] to the heap's end.
//!
//! It costs nothing when it is off: recording makes `next_event` 0, so that every charge takes the slow path that it
//! has anyway, and empties the window of `discharge`, so that every free does.
//!
//! The profile follows each block from its allocation to its free. The bytes that a site had at the heap's peak are
//! found without looking at all sites when a peak is reached: leaving a peak begins a new *era*, and a site that
//! changes in a later era than its last change first notes what it had, which is what it had at the peak.
//!
//! A sampled profile follows one block for every so many bytes allocated, and enters it with all that was allocated
//! since the one before: totals stay exact to that many bytes, sites are as likely as they are large.
#![expect(
    unsafe_code,
    reason = "asks the evaluator through a pointer, reads the headers of garbage"
)]

use std::collections::BTreeMap;
use std::ptr::NonNull;

use ahash::{AHashMap, AHashSet};

use crate::tag;

use super::account::watch;
use super::edges::{Edge, is_internal};
use super::inspect::ObjectTotals;
use super::{Header, Heap, Inner};

/// How the heap asks where the script stands.
#[derive(Clone, Copy, Debug)]
pub struct Recorder {
    /// Gives the site of an allocation that happens now, and the time in the recorder's unit.
    pub ask: unsafe fn(data: *const ()) -> (u32, u64),
    /// What is passed to `ask`.
    pub data: *const (),
    /// Whether every object remembers its site; otherwise only the blocks of the profile do.
    pub sites: bool,
    /// Which blocks to follow for a profile: one for every so many bytes allocated, all for 0, none without.
    pub profile: Option<usize>,
}

/// What a profile says of a site.
#[derive(Clone, Copy, Debug, Default)]
pub struct SiteProfile {
    /// Blocks allocated.
    pub blocks: u64,
    /// Bytes allocated.
    pub bytes: u64,
    /// Sum of the lifetimes of its blocks, to the end for those alive, in the recorder's unit.
    pub lifetimes: u64,
    /// Most bytes at one time.
    pub most_bytes: u64,
    /// Blocks when it had most bytes.
    pub most_blocks: u64,
    /// Bytes at the heap's peak.
    pub peak_bytes: u64,
    /// Blocks at the heap's peak.
    pub peak_blocks: u64,
    /// Bytes now.
    pub live_bytes: u64,
    /// Blocks now.
    pub live_blocks: u64,
    era: u64,
}

impl SiteProfile {
    /// To be called before the live figures change.
    fn enter(&mut self, era: u64) {
        if self.era != era {
            self.era = era;
            (self.peak_bytes, self.peak_blocks) = (self.live_bytes, self.live_blocks);
        }
    }
}

/// A profile of all allocations.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// By site number.
    pub sites: BTreeMap<u32, SiteProfile>,
    /// Most bytes in blocks at one time.
    pub peak_bytes: u64,
    /// When that was.
    pub peak_time: u64,
    /// The site whose allocation brought it about.
    pub peak_site: u32,
    /// Now.
    pub time: u64,
}

/// A member of a cycle in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CycleStep {
    /// Name of its type.
    pub type_name: String,
    /// Where it was allocated; 0 when that was not recorded.
    pub site: u32,
    /// How it holds the next member, the last one the first.
    pub edge: String,
}

/// Unreachable groups of the same make.
#[derive(Clone, Debug)]
pub struct CycleGroup {
    /// One cycle in it.
    pub path: Vec<CycleStep>,
    /// How many such groups were found.
    pub groups: usize,
    /// What they held, by type and site.
    pub members: BTreeMap<(String, u32), ObjectTotals>,
}

/// Unreachable cycles found by collections.
#[derive(Clone, Debug, Default)]
pub struct CycleReport {
    /// In the order in which the first of each was found.
    pub groups: Vec<CycleGroup>,
    /// All of them, those beyond the list included.
    pub found: usize,
    /// What they held.
    pub total: ObjectTotals,
}

/// Kinds of groups told apart in a report; others only count.
const MOST_GROUPS: usize = 1000;

/// A block that is followed. When blocks are sampled it stands for those before it too.
struct Block {
    site: u32,
    born: u64,
    bytes: u64,
    blocks: u64,
}

#[derive(Default)]
pub(crate) struct Recording {
    recorder: Option<Recorder>,
    blocks: AHashMap<usize, Block>,
    sites: BTreeMap<u32, SiteProfile>,
    /// Allocated since the block that was followed last.
    pending_bytes: u64,
    pending_blocks: u64,
    live: u64,
    peak: u64,
    peak_time: u64,
    peak_site: u32,
    at_peak: bool,
    era: u64,
    cycles: CycleReport,
}

impl Recording {
    /// Counts a block that is allocated; whether it is one to follow.
    fn is_due(&mut self, interval: usize, bytes: usize) -> bool {
        self.pending_bytes += bytes as u64;
        self.pending_blocks += 1;
        self.pending_bytes >= interval as u64
    }

    /// Follows a block, which stands for all that is pending.
    fn add(&mut self, address: usize, site: u32, time: u64) {
        let bytes = std::mem::take(&mut self.pending_bytes);
        let blocks = std::mem::take(&mut self.pending_blocks);
        let entry = self.sites.entry(site).or_default();
        entry.enter(self.era);
        entry.blocks += blocks;
        entry.bytes += bytes;
        entry.live_bytes += bytes;
        entry.live_blocks += blocks;
        if entry.live_bytes > entry.most_bytes {
            (entry.most_bytes, entry.most_blocks) = (entry.live_bytes, entry.live_blocks);
        }
        self.live += bytes;
        if self.live > self.peak {
            (self.peak, self.peak_time, self.peak_site) = (self.live, time, site);
            self.at_peak = true;
        }
        let born = time;
        let block = Block {
            site,
            born,
            bytes,
            blocks,
        };
        self.blocks.insert(address, block);
    }

    fn remove(&mut self, address: usize, now: impl FnOnce() -> u64) {
        let Some(block) = self.blocks.remove(&address) else {
            return;
        };
        if self.at_peak {
            self.at_peak = false;
            self.era += 1;
        }
        let era = self.era;
        if let Some(entry) = self.sites.get_mut(&block.site) {
            entry.enter(era);
            entry.live_bytes -= block.bytes;
            entry.live_blocks -= block.blocks;
            entry.lifetimes += now().saturating_sub(block.born) * block.blocks;
        }
        self.live -= block.bytes;
    }
}

impl Heap {
    /// Records allocation sites, and cycles that collections find, from now on; with `profile` every block.
    ///
    /// # Safety
    /// `recorder.data` is what `recorder.ask` expects for as long as this heap allocates. `ask` uses this heap in no
    /// way.
    pub unsafe fn record(&self, recorder: Recorder) {
        let inner = self.inner();
        inner
            .recording
            .with(|recording| recording.recorder = Some(recorder));
        inner.watch.set(inner.watch.get() | watch::SITES);
        inner.empty_window();
        inner.set_next_event();
    }

    /// Whether allocation sites are recorded.
    pub fn is_recording(&self) -> bool {
        self.inner().watch.get() & watch::SITES != 0
    }

    /// Ends recording; the evaluator is not asked any more. What was recorded stays.
    pub fn stop_recording(&self) {
        let inner = self.inner();
        inner.recording.with(|recording| recording.recorder = None);
        inner.watch.set(inner.watch.get() & !watch::SITES);
        inner.set_trigger();
    }

    /// The cycles that collections have found while recording.
    pub fn cycles(&self) -> CycleReport {
        self.inner().recording.with(|recording| recording.cycles.clone())
    }

    /// The profile so far; empty unless one is recorded.
    pub fn profile(&self) -> Profile {
        self.inner().recording.with(|recording| {
            // SAFETY: the promise of `record`.
            let now = recording
                .recorder
                .map_or(0, |recorder| unsafe { (recorder.ask)(recorder.data) }.1);
            let mut sites = recording.sites.clone();
            for block in recording.blocks.values() {
                if let Some(entry) = sites.get_mut(&block.site) {
                    entry.lifetimes += now.saturating_sub(block.born) * block.blocks;
                }
            }
            let era = if recording.at_peak {
                recording.era + 1
            } else {
                recording.era
            };
            for entry in sites.values_mut() {
                entry.enter(era);
            }
            Profile {
                sites,
                peak_bytes: recording.peak,
                peak_time: recording.peak_time,
                peak_site: recording.peak_site,
                time: now,
            }
        })
    }
}

impl Inner {
    /// An object was allocated while sites are recorded.
    #[cold]
    pub(super) fn record_object(&self, object: NonNull<Header>, bytes: usize) {
        self.recording.with(|recording| {
            let Some(recorder) = recording.recorder else {
                return;
            };
            let followed = recorder
                .profile
                .is_some_and(|interval| recording.is_due(interval, bytes));
            if !followed && !recorder.sites {
                return;
            }
            // SAFETY: the promise of `record`.
            let (site, time) = unsafe { (recorder.ask)(recorder.data) };
            // SAFETY: a new object.
            unsafe { object.as_ref() }.site.set(site);
            if followed {
                recording.add(object.as_ptr() as usize, site, time);
            }
        });
    }

    /// The site and time of a block beside an object that is about to be allocated or to change its size, if a profile
    /// is being recorded.
    #[cold]
    pub(super) fn block_site(&self) -> Option<(u32, u64)> {
        self.recording.with(|recording| {
            let recorder = recording.recorder.filter(|recorder| recorder.profile.is_some())?;
            // SAFETY: the promise of `record`.
            Some(unsafe { (recorder.ask)(recorder.data) })
        })
    }

    /// A block beside an object was allocated or changed its size, at this site and time.
    #[cold]
    pub(super) fn record_block(&self, old: usize, new: usize, bytes: usize, (site, time): (u32, u64)) {
        self.recording.with(|recording| {
            let Some(interval) = recording.recorder.and_then(|recorder| recorder.profile) else {
                return;
            };
            recording.remove(old, || time);
            if recording.is_due(interval, bytes) {
                recording.add(new, site, time);
            }
        });
    }

    /// A block is about to be freed while sites are recorded.
    #[cold]
    pub(super) fn record_free(&self, address: usize) {
        self.recording.with(|recording| {
            if let Some(recorder) = recording.recorder.filter(|recorder| recorder.profile.is_some()) {
                // SAFETY: the promise of `record`.
                recording.remove(address, || unsafe { (recorder.ask)(recorder.data) }.1);
            }
        });
    }

    /// Whether blocks are recorded.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.watch.get() & watch::SITES != 0
    }

    /// Adds the groups of a pass's garbage to the report.
    pub(super) fn report_cycles(&self, garbage: &[NonNull<Header>]) {
        if garbage.is_empty() || !self.is_watched() {
            return;
        }
        let members: AHashSet<NonNull<Header>> = garbage.iter().copied().collect();
        let mut seen: AHashSet<NonNull<Header>> = AHashSet::new();
        // SAFETY: garbage is intact until it is torn down, and so is all it leads to.
        unsafe {
            // Groups: members that are connected, whichever way the edge points.
            let mut neighbours: AHashMap<NonNull<Header>, Vec<NonNull<Header>>> = AHashMap::new();
            for object in garbage.iter().filter(|object| !is_part(**object)) {
                self.user_edges(*object, &mut |_, child| {
                    if members.contains(&child) && child.as_ref().kind != tag::STRUCT_DEF {
                        neighbours.entry(*object).or_default().push(child);
                        neighbours.entry(child).or_default().push(*object);
                    }
                });
            }
            for start in garbage.iter().filter(|object| !is_part(**object)) {
                if !seen.insert(*start) {
                    continue;
                }
                let mut group = vec![*start];
                let mut next = 0;
                while next < group.len() {
                    for near in neighbours.get(&group[next]).into_iter().flatten() {
                        if seen.insert(*near) {
                            group.push(*near);
                        }
                    }
                    next += 1;
                }
                self.report_group(&group, &members);
            }
        }
    }

    unsafe fn report_group(&self, group: &[NonNull<Header>], members: &AHashSet<NonNull<Header>>) {
        let mut by_key: BTreeMap<(String, u32), ObjectTotals> = BTreeMap::new();
        let mut total = ObjectTotals::default();
        // SAFETY: as in `report_cycles`.
        let path = unsafe {
            for object in group {
                let bytes = self.user_bytes(*object);
                let key = (self.type_word(*object), object.as_ref().site.get());
                by_key.entry(key).or_default().add(1, bytes);
                total.add(1, bytes);
            }
            group.iter().find_map(|start| self.cycle_from(*start, members))
        };
        let Some(path) = path else {
            // Hangs on a cycle of another group through something that is not shown.
            return;
        };
        self.recording.with(|recording| {
            let report = &mut recording.cycles;
            report.found += 1;
            report.total.add(total.count, total.bytes);
            if let Some(known) = report.groups.iter_mut().find(|known| known.path == path) {
                known.groups += 1;
                for (key, totals) in by_key {
                    known
                        .members
                        .entry(key)
                        .or_default()
                        .add(totals.count, totals.bytes);
                }
            } else if report.groups.len() < MOST_GROUPS {
                report.groups.push(CycleGroup {
                    path,
                    groups: 1,
                    members: by_key,
                });
            }
        });
    }

    /// A shortest cycle through `start`, turned so that equal cycles compare equal.
    unsafe fn cycle_from(
        &self,
        start: NonNull<Header>,
        members: &AHashSet<NonNull<Header>>,
    ) -> Option<Vec<CycleStep>> {
        // SAFETY: as in `report_cycles`.
        unsafe {
            let mut from: AHashMap<NonNull<Header>, (NonNull<Header>, Edge)> = AHashMap::new();
            let mut queue = vec![start];
            let mut next = 0;
            let mut closing = None;
            while next < queue.len() && closing.is_none() {
                let object = queue[next];
                next += 1;
                self.user_edges(object, &mut |edge, child| {
                    if closing.is_some() || !members.contains(&child) {
                        return;
                    }
                    if child == start {
                        closing = Some((object, edge));
                    } else if !is_part(child) && !from.contains_key(&child) {
                        from.insert(child, (object, edge));
                        queue.push(child);
                    }
                });
            }
            let (mut object, mut edge) = closing?;
            let mut path = Vec::new();
            loop {
                path.push(CycleStep {
                    type_name: self.type_word(object),
                    site: object.as_ref().site.get(),
                    edge: edge.text(),
                });
                if object == start {
                    break;
                }
                (object, edge) = from.remove(&object)?;
            }
            path.reverse();
            let least = (0..path.len()).min_by_key(|&at| &path[at])?;
            path.rotate_left(least);
            Some(path)
        }
    }
}

/// Whether an object is part of another to a user, and no stack.
fn is_part(object: NonNull<Header>) -> bool {
    // SAFETY: callers pass intact objects.
    let kind = unsafe { object.as_ref() }.kind;
    is_internal(kind) && kind != tag::COROUTINE
}
