//! What another thread sees of a machine, and how it stops it.
//!
//! Figures are published when the machine looks at its limits and before it waits: they may be some thousand steps old.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::task::Waker;
use crate::vm::Vm;

/// A machine as other threads know it.
#[derive(Default)]
pub struct Remote {
    stopping: AtomicBool,
    waker: Mutex<Option<Waker>>,
    live_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    live_objects: AtomicU64,
    steps: AtomicU64,
}

impl Remote {
    /// Has the machine end what it runs, with an error of kind `interrupted`, within milliseconds.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Lets the machine run again.
    pub fn resume(&self) {
        self.stopping.store(false, Ordering::Release);
    }

    /// Whether the machine is to end what it runs.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake();
        }
    }

    pub(crate) fn attach(&self, waker: Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    /// Bytes live in the machine's heap.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// The most that there have been.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    /// Objects live in its heap.
    pub fn live_objects(&self) -> u64 {
        self.live_objects.load(Ordering::Relaxed)
    }

    /// Steps that it has taken.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}

impl Vm {
    /// Publishes the machine's figures, if anybody looks at them.
    #[inline]
    pub(crate) fn publish(&self) {
        if let Some(remote) = &self.remote {
            self.publish_to(remote);
        }
    }

    #[inline(never)]
    fn publish_to(&self, remote: &Remote) {
        let heap = &self.heap;
        let figures = [
            (&remote.live_bytes, heap.live_bytes() as u64),
            (&remote.peak_bytes, heap.peak_bytes() as u64),
            (&remote.live_objects, heap.live_objects() as u64),
            (&remote.steps, self.total_steps()),
        ];
        for (figure, value) in figures {
            figure.store(value, Ordering::Relaxed);
        }
    }
}
