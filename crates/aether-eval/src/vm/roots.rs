//! What the machine itself holds: where marking begins.
//!
//! Whatever else keeps objects alive (locals of Rust code, stacks below a nested run, the host) need not be here: see
//! [`aether_value::Roots`].
#![expect(unsafe_code, reason = "reads registers and globals")]

use aether_value::{CollectStats, Roots};

use super::Vm;

/// Registers beyond the innermost frame's first that are looked at: more than frames usually have.
const MOST_BEYOND: usize = 4096;

impl Vm {
    /// Frees every unreachable cycle.
    pub(crate) fn collect(&mut self) -> CollectStats {
        self.heap.collect_from(|roots| self.mark_roots(roots))
    }

    /// The pass, or the slice of one, that is due.
    pub(super) fn collect_due(&mut self) {
        self.heap.collect_auto(|roots| self.mark_roots(roots));
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
        for wake in &self.ready {
            wake.mark(roots);
        }
        self.scheduler.mark(roots);
        for value in self.tables.constants.iter().chain(self.tables.prelude_values()) {
            roots.value(value);
        }
    }
}
