//! Limits in the middle of one long operation of the heap, which asks at its checkpoints.
//!
//! Invariants
//! - The limits are those of the machine as of when it last looked at its fuel.
//! - An interruption is only seen here; the machine takes it from the host when the error arrives.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use aether_value::{ErrorKind, Overseer, Raise};

use super::duration_text;
use crate::host::Lookout;

/// What the machine tells the overseer of its heap.
pub(super) struct Oversight {
    /// Whether the rest says that there is no limit and no service: nothing has to be told until that changes.
    pub(super) is_idle: Cell<bool>,
    /// The limit of steps, and how many of them are left.
    pub(super) steps: Cell<Option<(u64, u64)>>,
    /// When the time is over, and how long it is.
    pub(super) deadline: Cell<Option<(u64, Duration)>>,
    /// Whether the machine runs: limits are none of the business of what the host does between calls.
    pub(super) runs: Cell<bool>,
    /// Whether the user's wish to stop is for others than the program: its servers.
    pub(super) is_patient: Cell<bool>,
}

impl Default for Oversight {
    fn default() -> Self {
        Self {
            is_idle: Cell::new(true),
            steps: Cell::default(),
            deadline: Cell::default(),
            runs: Cell::default(),
            is_patient: Cell::default(),
        }
    }
}

impl Oversight {
    /// The error for too many steps.
    #[cold]
    pub(super) fn step_limit(limit: u64) -> Raise {
        Raise::new(ErrorKind::StepLimit, format!("Step limit exceeded ({limit})"))
    }

    /// The error for too much time.
    #[cold]
    pub(super) fn time_limit(time: Duration) -> Raise {
        Raise::new(
            ErrorKind::TimeLimit,
            format!("Timed out after {}", duration_text(time)),
        )
    }
}

/// The overseer of a machine's heap.
pub(super) struct HeapOverseer {
    pub(super) oversight: Rc<Oversight>,
    pub(super) lookout: Option<Lookout>,
}

impl Overseer for HeapOverseer {
    fn look(&self, work: u64) -> Result<(), Raise> {
        let oversight = &*self.oversight;
        if !oversight.runs.get() {
            return Ok(());
        }
        if let Some((limit, left)) = oversight.steps.get()
            && work > left
        {
            return Err(Oversight::step_limit(limit));
        }
        let Some(lookout) = &self.lookout else {
            return Ok(());
        };
        let glance = lookout();
        if let Some((deadline, time)) = oversight.deadline.get()
            && glance.now >= deadline
        {
            return Err(Oversight::time_limit(time));
        }
        if glance.stop && !oversight.is_patient.get() {
            return Err(Raise::new(ErrorKind::Interrupted, "interrupted"));
        }
        Ok(())
    }
}
