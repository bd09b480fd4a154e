//! Timers: a heap of deadlines. They occupy no worker.
//!
//! Timers that are due at the same moment are due in the order in which they were set. One that is no longer wanted
//! stays until it is due or until half of all are like it; then they are swept out together.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use aether_value::{Heap, Promise, Raise, Rc, Roots};

/// What happens when a timer is due.
#[derive(Clone)]
pub(super) enum TimerAction {
    /// A sleep is over.
    Sleep(Rc<Promise>),
    /// An event loop's time is over.
    Loop(u64),
    /// A queued callback's time is over.
    Callback(u64),
    /// A script's timer is due.
    Script(u64),
    /// A service wants to look at its own deadlines.
    EventSource(u64),
}

struct Timer {
    /// When, in nanoseconds as the host counts.
    due: u64,
    /// In which order it was set.
    number: u64,
    action: TimerAction,
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}

/// Timers by deadline; their memory is charged.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    charged: usize,
    set: u64,
    unwanted: usize,
    /// Sleeps that were cancelled and are still here.
    cancelled: usize,
}

/// Below this many, unwanted timers are left alone.
const FEW: usize = 64;

impl Timers {
    /// Sets a timer.
    pub(super) fn set(&mut self, heap: &Heap, due: u64, action: TimerAction) -> Result<(), Raise> {
        if self.heap.len() == self.heap.capacity() {
            let more = heap.charge_growth(size_of::<Timer>(), self.heap.len().max(4), 1)?;
            self.heap.reserve_exact(more);
            self.charged += more * size_of::<Timer>();
        }
        self.set += 1;
        let number = self.set;
        self.heap.push(Reverse(Timer { due, number, action }));
        Ok(())
    }

    /// When the next timer is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(timer)| timer.due)
    }

    /// Takes the next timer if it is due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(u64, TimerAction)> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(timer) = self.heap.pop()?;
        if matches!(&timer.action, TimerAction::Sleep(promise) if !promise.is_pending()) {
            self.cancelled = self.cancelled.saturating_sub(1);
        }
        Some((timer.due, timer.action))
    }

    /// The promise of a sleep is about to be cancelled.
    pub(super) fn cancel_sleep(&mut self) {
        self.cancelled += 1;
        if self.cancelled > FEW && self.cancelled * 2 > self.heap.len() {
            self.heap.retain(
                |Reverse(timer)| !matches!(&timer.action, TimerAction::Sleep(promise) if !promise.is_pending()),
            );
            self.cancelled = 1;
        }
    }

    /// A timer is no longer wanted; `wanted` tells the others.
    pub(super) fn cancel(&mut self, wanted: impl Fn(&TimerAction) -> bool) {
        self.unwanted += 1;
        if self.unwanted > FEW && self.unwanted * 2 > self.heap.len() {
            self.heap.retain(|Reverse(timer)| wanted(&timer.action));
            self.unwanted = 0;
            self.cancelled = self.cancelled_now();
        }
    }

    fn cancelled_now(&self) -> usize {
        let is_cancelled = |timer: &&Reverse<Timer>| matches!(&timer.0.action, TimerAction::Sleep(promise) if !promise.is_pending());
        self.heap.iter().filter(is_cancelled).count()
    }

    /// Marks the promises of sleeps.
    pub(super) fn mark(&self, roots: &mut Roots<'_>) {
        for Reverse(timer) in &self.heap {
            if let TimerAction::Sleep(promise) = &timer.action {
                roots.object(promise);
            }
        }
    }

    /// The promises of sleeps, the next one first.
    pub(super) fn sleeps(&self) -> Vec<Rc<Promise>> {
        let mut timers: Vec<&Timer> = self.heap.iter().map(|Reverse(timer)| timer).collect();
        timers.sort();
        let sleep = |timer: &&Timer| match &timer.action {
            TimerAction::Sleep(promise) => Some(promise.clone()),
            TimerAction::Loop(_)
            | TimerAction::Callback(_)
            | TimerAction::Script(_)
            | TimerAction::EventSource(_) => None,
        };
        timers.iter().filter_map(sleep).collect()
    }

    /// Whether there is none that has not been cancelled.
    pub(super) fn is_empty(&self) -> bool {
        self.heap.len() <= self.cancelled
    }

    /// Forgets every timer and gives the memory back.
    pub(super) fn clear(&mut self, heap: &Heap) {
        self.heap = BinaryHeap::new();
        heap.discharge(std::mem::take(&mut self.charged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_value::HeapConfig;

    fn numbers(timers: &mut Timers, now: u64) -> Vec<u64> {
        let mut due = Vec::new();
        while let Some((_, TimerAction::Loop(number) | TimerAction::Callback(number))) = timers.take_due(now)
        {
            due.push(number);
        }
        due
    }

    #[test]
    fn timers_are_due_by_deadline_and_then_in_order() {
        let heap = Heap::new(HeapConfig::default());
        let before = heap.live_bytes();
        let mut timers = Timers::default();
        for (number, due) in [30, 10, 20, 10, 10].into_iter().enumerate() {
            timers.set(&heap, due, TimerAction::Loop(number as u64)).unwrap();
        }
        assert_eq!(timers.next_due(), Some(10));
        assert_eq!(numbers(&mut timers, 9), []);
        assert_eq!(numbers(&mut timers, 20), [1, 3, 4, 2]);
        assert_eq!(numbers(&mut timers, u64::MAX), [0]);
        timers.clear(&heap);
        assert_eq!(heap.live_bytes(), before);
    }

    #[test]
    fn cancelled_timers_do_not_pile_up() {
        let heap = Heap::new(HeapConfig::default());
        let mut timers = Timers::default();
        timers.set(&heap, 1, TimerAction::Callback(0)).unwrap();
        for number in 0..10_000 {
            timers.set(&heap, 1 << 40, TimerAction::Loop(number)).unwrap();
            timers.cancel(|action| matches!(action, TimerAction::Callback(_)));
        }
        assert!(timers.heap.len() <= 3 * FEW);
        assert_eq!(numbers(&mut timers, 1), [0]);
        timers.clear(&heap);
    }
}
