//! When the machine collects cycles, what it holds itself, where marking begins, and what is noted of its pauses.
//!
//! Whatever else keeps objects alive (locals of Rust code, stacks below a nested run, the host) need not be among the
//! roots: see [`aether_value::Roots`].
//!
//! Source: library reference §E12.
#![expect(unsafe_code, reason = "reads registers and globals")]

use std::time::Duration;

use aether_value::{CollectStats, Pauses, Roots, Turn};

use super::Vm;
use crate::builtins::log::environment_words;

/// Registers beyond the innermost frame's first that are looked at: more than frames usually have.
const MOST_BEYOND: usize = 4096;
/// Objects of a slice that a host asks for: some tens of microseconds.
const STEP_UNITS: usize = 2048;
/// Objects that are let go of slowly in a turn of the event loop.
const RELEASED_A_TURN: usize = 4096;

/// What the machine knows of its collections.
#[derive(Default)]
pub(crate) struct Collections {
    /// Whether each pass is reported; none until the environment is asked.
    is_logged: Option<bool>,
    /// The slices of the pass under way.
    pauses: Pauses,
    /// Objects made, and live bytes, when the latest step of the host completed a pass.
    complete_at: Option<(u64, usize)>,
    /// Slices forced, and passes that these have completed.
    forced: (u64, u64),
}

impl Vm {
    /// Frees every unreachable cycle.
    pub(crate) fn collect(&mut self) -> CollectStats {
        self.heap.collect_from(|roots| self.mark_roots(roots))
    }

    /// The pass, or the slice of one, that is due.
    #[cold]
    #[inline(never)]
    pub(super) fn collect_due(&mut self) {
        let start = self.host.monotonic();
        let turn = self.heap.collect_auto(|roots| self.mark_roots(roots));
        let nanos = self.host.monotonic().saturating_sub(start);
        self.note_pause(turn, nanos);
    }

    /// A slice at this safepoint, and one at the next, for tests; see [`aether_value::Heap::force_slices`]. Every other
    /// pass knows no roots, so that all is a candidate.
    #[cold]
    pub(super) fn collect_forced(&mut self) {
        let forced = &mut self.collections.forced;
        forced.0 += 1;
        if forced.0.is_multiple_of(16) {
            self.heap.collect_young();
        }
        let knows_roots = self.collections.forced.1.is_multiple_of(2);
        let freed = self.heap.collect_slice(self.heap.forced_slices(), |roots| {
            if knows_roots {
                self.mark_roots(roots);
            }
        });
        self.collections.forced.1 += u64::from(freed.is_some());
        self.quantum = 1;
        self.fuel = 1;
    }

    /// Slices that were forced, and passes that these have completed.
    pub(crate) fn forced_slices(&self) -> (u64, u64) {
        self.collections.forced
    }

    /// Goes on with a pass in slices, or begins one, until it is complete or `most` has passed; whether it is complete.
    /// One begins only if something has happened in the heap since the last one.
    pub(crate) fn collect_step(&mut self, most: Duration) -> bool {
        let now = (self.heap.objects_made(), self.heap.live_bytes());
        if self.collections.complete_at == Some(now) && !self.heap.is_collecting_in_slices() {
            return true;
        }
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let begin = self.host.monotonic();
        let mut start = begin;
        loop {
            let freed = self
                .heap
                .collect_slice(STEP_UNITS, |roots| self.mark_roots(roots));
            let end = self.host.monotonic();
            self.note_pause(Turn::Slice(freed), end.saturating_sub(start));
            start = end;
            if freed.is_some() {
                self.collections.complete_at = Some((self.heap.objects_made(), self.heap.live_bytes()));
                return true;
            }
            if end.saturating_sub(begin) >= most {
                return false;
            }
        }
    }

    /// Lets go of some of what is let go of slowly; whether more waits.
    pub(super) fn release_some(&mut self) -> bool {
        self.heap.release_slice(RELEASED_A_TURN);
        self.heap.has_leaving()
    }

    fn note_pause(&mut self, turn: Turn, nanos: u64) {
        self.heap.note_pause(nanos);
        let pauses = &mut self.collections.pauses;
        let (what, freed, pauses) = match turn {
            Turn::Young(freed) => {
                let mut pauses = Pauses::default();
                pauses.add(nanos);
                ("young pass", freed, pauses)
            }
            Turn::Slice(freed) => {
                pauses.add(nanos);
                match freed {
                    Some(freed) => ("pass", freed, std::mem::take(pauses)),
                    None => return,
                }
            }
        };
        if self.is_collection_logged() {
            let millis = |nanos: u64| nanos as f64 / 1e6;
            let slices = match pauses.count {
                1 => String::new(),
                count => format!(" in {count} slices, the longest {:.2}", millis(pauses.longest)),
            };
            let text = format!(
                "gc: {what}, {:.2} ms{slices}: freed {} objects, {} bytes; {} bytes live\n",
                millis(pauses.total),
                freed.objects,
                freed.bytes,
                self.heap.live_bytes(),
            );
            // Nobody is left to tell of a stream that is closed.
            let _ = self.host.write_err(&text);
        }
    }

    /// Whether `gc` is among the words of `AETHER_LOG`.
    fn is_collection_logged(&mut self) -> bool {
        let host = &mut self.host;
        let is_logged = &mut self.collections.is_logged;
        *is_logged.get_or_insert_with(|| environment_words(&mut **host).any(|word| word == "gc"))
    }

    fn mark_roots(&self, roots: &mut Roots<'_>) {
        // SAFETY: globals are initialised and own their counts. So do the registers of live windows; the others of a
        // stack have tags that are not counted.
        unsafe {
            roots.registers(self.tables.globals.as_ptr(), self.tables.globals.len());
            if let Some(current) = &self.current {
                // What is missed is only examined by counts.
                let used = self.offset(self.base) as usize / 16 + MOST_BEYOND;
                roots.registers(current.registers(), current.capacity().min(used));
            }
        }
        for coroutine in self.current.iter().chain(&self.main) {
            roots.object(coroutine);
        }
        if let Some(handlers) = &self.exit_handlers {
            roots.object(handlers);
        }
        for wake in &self.ready {
            wake.mark(roots);
        }
        self.scheduler.mark(roots);
        for value in self.tables.constants.iter().chain(self.tables.prelude_values()) {
            roots.value(value);
        }
    }
}
