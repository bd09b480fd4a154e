//! Checkpoints: long operations on values ask, now and then, whether they may go on.
//!
//! What the heap counts as work ([`Heap::count_work`]) is settled by the evaluator when the operation is over. An
//! operation that may take long passes checkpoints meanwhile: after every [`LOOK`] units the heap asks its overseer,
//! who knows the limits.
//!
//! Invariants
//! - A checkpoint that fails has changed nothing; the operation ends with its error.
//! - Without an overseer, checkpoints only count.
//! - A limit that is found exceeded puts deaths off; see `put_off`.
//!
//! Not here: what the limits are; the evaluator's own loops, which tick.

use std::convert::Infallible;

use super::Heap;
use crate::{ErrorKind, Raise};

/// Units of work between two looks.
pub(super) const LOOK: u64 = 1 << 14;

/// Who knows whether a long operation may go on.
pub trait Overseer {
    /// Lets an operation go on, given the units of work counted since [`Heap::take_work`].
    ///
    /// # Errors
    /// A limit has been reached, or the user asks to stop.
    fn look(&self, work: u64) -> Result<(), Raise>;
}

/// What an operation that walks values does with its work, so that one walk serves both callers that can end early and
/// callers that cannot.
pub(crate) trait Pace {
    /// Why the operation ends early.
    type End;

    /// Counts units of work that are about to be done.
    ///
    /// # Errors
    /// The operation has to end.
    fn pass(heap: &Heap, units: usize) -> Result<(), Self::End>;
}

/// The work is counted; the operation goes on to its end.
pub(crate) struct ToTheEnd;

impl Pace for ToTheEnd {
    type End = Infallible;

    #[inline]
    fn pass(heap: &Heap, units: usize) -> Result<(), Infallible> {
        heap.count_work(units);
        Ok(())
    }
}

/// The operation passes checkpoints.
pub(crate) struct Checked;

impl Pace for Checked {
    type End = Raise;

    #[inline]
    fn pass(heap: &Heap, units: usize) -> Result<(), Raise> {
        heap.checkpoint(units)
    }
}

impl Heap {
    /// Has long operations ask `overseer`.
    pub fn oversee(&self, overseer: Box<dyn Overseer>) {
        *self.inner().overseer.borrow_mut() = Some(overseer);
    }

    /// Counts work as [`Heap::count_work`] does, in the middle of an operation that may take long.
    ///
    /// # Errors
    /// The overseer's: the operation has to end.
    #[inline]
    pub fn checkpoint(&self, units: usize) -> Result<(), Raise> {
        let inner = self.inner();
        inner.count_work(units);
        if inner.work.get() < inner.next_look.get() {
            Ok(())
        } else {
            self.look()
        }
    }

    /// A checkpoint of work that was counted before it began. It asks each time.
    ///
    /// # Errors
    /// As of [`Self::checkpoint`].
    pub(crate) fn look_again(&self) -> Result<(), Raise> {
        self.look()
    }

    #[cold]
    #[inline(never)]
    fn look(&self) -> Result<(), Raise> {
        let inner = self.inner();
        let work = inner.work.get();
        inner.next_look.set(work.saturating_add(LOOK));
        let answer = match &*inner.overseer.borrow() {
            Some(overseer) => overseer.look(work),
            None => Ok(()),
        };
        if let Err(raise) = &answer
            && matches!(raise.kind(), ErrorKind::StepLimit | ErrorKind::TimeLimit)
        {
            self.put_off_deaths();
        }
        answer
    }
}
