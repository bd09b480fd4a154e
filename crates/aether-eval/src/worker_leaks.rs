//! Leak checks of workers: each reports when it ends, and the program's report takes theirs in.
//!
//! Invariants
//! - A worker reports before whoever waits for it learns that it has ended.
//! - When the program's report is made, workers that still run are stopped, and waited for a few seconds at most.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Machine;
use crate::memory::LeakReport;

/// How long a program waits for its workers' reports.
const PATIENCE: Duration = Duration::from_secs(5);

type Stop = Box<dyn FnOnce() + Send>;

/// The reports of a program's workers, and of theirs.
#[derive(Default)]
pub struct WorkerLeaks {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    stops: Vec<Stop>,
    reports: Vec<LeakReport>,
}

/// A worker that is to report; it counts as running until this is dropped.
pub struct LeakWatch(Arc<WorkerLeaks>);

impl WorkerLeaks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker begins, which `stop` ends.
    pub fn begin(self: &Arc<Self>, stop: Stop) -> LeakWatch {
        let mut state = self.lock();
        state.running += 1;
        state.stops.push(stop);
        LeakWatch(self.clone())
    }

    /// Stops what runs, and gives what all have reported.
    pub(crate) fn collect(&self) -> Vec<LeakReport> {
        let stops = std::mem::take(&mut self.lock().stops);
        for stop in stops {
            stop();
        }
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while state.running > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut state.reports)
    }
}

impl LeakWatch {
    /// Reports what a machine has leaked; it is not to run any more.
    pub fn report(&self, machine: &mut Machine) {
        let report = machine.own_leaks();
        self.0.lock().reports.push(report);
    }
}

impl Drop for LeakWatch {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.ended.notify_all();
    }
}
