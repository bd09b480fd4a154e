//! Timers that scripts have set, by number.

use aether_value::{Heap, NativeObject, Raise, Rc};

use super::timers::TimerAction;
use super::{ENTRY, Event, Scheduler};

/// A timer that goes on.
pub(super) struct ScriptTimer {
    pub(super) object: Rc<NativeObject>,
    /// Nanoseconds from one time to the next, if there is a next.
    period: Option<u64>,
}

impl Scheduler {
    /// Enters a timer; gives its number.
    pub(crate) fn add_timer(
        &mut self,
        heap: &Heap,
        due: u64,
        period: Option<u64>,
        object: Rc<NativeObject>,
    ) -> Result<u64, Raise> {
        heap.charge(ENTRY)?;
        let number = self.next_number();
        if let Err(raise) = self.timers.set(heap, due, TimerAction::Script(number)) {
            heap.discharge(ENTRY);
            return Err(raise);
        }
        self.repeating += usize::from(period.is_some());
        self.script_timers.insert(number, ScriptTimer { object, period });
        Ok(number)
    }

    /// Takes a timer out; whether it was there.
    pub(crate) fn cancel_timer(&mut self, heap: &Heap, number: u64) -> bool {
        let is_there = self.remove_timer(heap, number);
        if is_there {
            self.sweep_timers();
        }
        is_there
    }

    fn remove_timer(&mut self, heap: &Heap, number: u64) -> bool {
        let Some(timer) = self.script_timers.remove(&number) else {
            return false;
        };
        heap.discharge(ENTRY);
        self.repeating -= usize::from(timer.period.is_some());
        drop(timer);
        true
    }

    /// What a timer that is due brings about; one that repeats is set again, to the first of its moments that is not
    /// over.
    pub(super) fn script_timer_due(&mut self, heap: &Heap, number: u64, due: u64, now: u64) -> Option<Event> {
        let timer = self.script_timers.get(&number)?;
        let (object, period) = (timer.object.clone(), timer.period);
        let is_set = period.is_some_and(|period| {
            let periods = (now.saturating_sub(due) / period).saturating_add(1);
            let next = due.saturating_add(period.saturating_mul(periods));
            // There is room: it was taken out just now.
            self.timers.set(heap, next, TimerAction::Script(number)).is_ok()
        });
        if !is_set {
            self.remove_timer(heap, number);
        }
        Some(Event::Timer { number, object })
    }
}
