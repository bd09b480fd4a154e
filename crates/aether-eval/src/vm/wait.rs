//! Waiting: who waits for a promise, what settles it, and what the engine does while nothing can go on.
//!
//! A promise's waiters are values: a coroutine that awaits it, a [`Join`] of a coroutine that awaits several, or the
//! number of a queued callback. Settling it is the one way on for all of them. Callbacks run on stacks of their own,
//! so that one that awaits does not hold up the others.
//!
//! Invariants
//! - Messages and timers are looked at only while something waits (`go_on`), never between two statements.
//! - `demanded` counts the external promises that have waiters. When it is zero, nothing outside can make the program
//!   go on, however much is still out.

use std::cell::{Cell, RefCell};
use std::sync::mpsc;
use std::thread;

use aether_value::{
    Array, Coroutine, ErrorKind, Native, NativeObject, Promise, PromiseState, Raise, Raw, Rc, Value,
};

use super::declared_parameters;
use super::task::Runnable;
use super::{Flow, Vm};
use crate::builtins::{FIRE_TIMER, Until, as_group};
use crate::context::Ctx;
use crate::task::{Awaited, Callback, Effect, Event, EventSource, Finish, Message, Waiting, Waker, nanos};

/// In place of a coroutine's promise: it runs a callback.
pub(super) const CALLBACK: Raw = Raw::int(1);

/// How often services are asked to come to an end: once to do so in peace, once at once.
const MOST_STOPS: u32 = 2;

/// How long a program's end waits for files to be written.
const LAST_WRITES: f64 = 5.0;

/// A coroutine that waits for several promises. All of them name it among their waiters; settling one costs the same
/// however many there are.
pub(super) struct Join {
    /// Until it goes on.
    coroutine: RefCell<Option<Rc<Coroutine>>>,
    promises: Rc<Array>,
    until: Until,
    remaining: Cell<usize>,
}

impl Native for Join {
    fn type_name(&self) -> &'static str {
        "join"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Some(coroutine) = &*self.coroutine.borrow() {
            visit(&Raw::of_rc(coroutine));
        }
        visit(&Raw::of_rc(&self.promises));
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Join {
    /// Whether it is this coroutine that waits.
    pub(super) fn is_of(&self, coroutine: &Rc<Coroutine>) -> bool {
        let waiting = self.coroutine.borrow();
        waiting
            .as_ref()
            .is_some_and(|waiting| Rc::ptr_eq(waiting, coroutine))
    }

    /// Takes the coroutine out: it goes on.
    pub(super) fn take(&self) -> Option<Rc<Coroutine>> {
        self.coroutine.take()
    }

    /// One of its promises has left it without an outcome.
    pub(super) fn leave_one(&self) {
        self.remaining.set(self.remaining.get().saturating_sub(1));
    }

    /// One of its promises has settled: gives the coroutine if it may go on. One that was cancelled goes on when all that
    /// it waited for have ended.
    fn settled(&self, failed: bool) -> Option<Rc<Coroutine>> {
        self.remaining.set(self.remaining.get().saturating_sub(1));
        let is_last = self.remaining.get() == 0;
        let is_cancelled = || {
            let waiting = self.coroutine.borrow();
            waiting
                .as_ref()
                .is_some_and(|waiting| waiting.cancelled().is_counted())
        };
        let goes_on = is_last
            || match self.until {
                Until::First => true,
                Until::All => false,
                Until::AllOrFailure => failed,
                Until::Success => !failed,
            } && !is_cancelled();
        if goes_on { self.coroutine.take() } else { None }
    }
}

/// The join behind a waiter.
pub(super) fn as_join(waiter: &Value) -> Option<&Join> {
    match waiter {
        Value::Native(native) => native.downcast(),
        _ => None,
    }
}

/// What a coroutine that waits for this says it awaits.
pub(super) fn awaited_by(cause: &Value) -> Raw {
    as_join(cause).map_or_else(|| Raw::of_value(cause), |join| Raw::of_rc(&join.promises))
}

/// Whether a coroutine that waits for this goes on with the first failure.
pub(super) fn ends_at_failure(cause: &Value) -> bool {
    as_join(cause).is_some_and(|join| join.until == Until::AllOrFailure)
}

pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    Raw::same(Raw::of_value(a), Raw::of_value(b))
}

impl Vm {
    // --- waiters ---

    /// Enters someone among a promise's waiters.
    pub(super) fn demand(&mut self, promise: &Rc<Promise>, waiter: Value) -> Result<(), Raise> {
        promise.set_demanded();
        let first = promise.is_external() && !promise.has_waiters();
        promise.add_waiter(waiter)?;
        self.scheduler.demanded += usize::from(first);
        Ok(())
    }

    /// Removes someone from a promise's waiters; answers whether it was among them.
    pub(super) fn remove_from_waiters(&mut self, promise: &Promise, waiter: &Value) -> bool {
        let removed = promise.remove_waiter(|other| is_same(other, waiter));
        if removed && promise.is_external() && !promise.has_waiters() {
            self.scheduler.demanded -= 1;
        }
        removed
    }

    /// Has a coroutine wait for several promises; `false` if it need not wait.
    pub(super) fn join(
        &mut self,
        coroutine: &Rc<Coroutine>,
        promises: &Rc<Array>,
        until: Until,
    ) -> Result<bool, Raise> {
        let join = self.heap.native(Box::new(Join {
            coroutine: RefCell::new(Some(coroutine.clone())),
            promises: promises.clone(),
            until,
            remaining: Cell::new(1),
        }))?;
        let cause = Value::Native(join);
        let items = promises.snapshot()?;
        let mut waits = 0;
        for item in items.as_slice() {
            Self::demanded(item);
            if let Value::Promise(promise) = item
                && promise.is_pending()
            {
                let entered = self
                    .begin(promise, false)
                    .and_then(|()| self.demand(promise, cause.clone()));
                if let Err(raise) = entered {
                    self.leave_join(&cause);
                    return Err(raise);
                }
                waits += 1;
            }
        }
        if let Some(join) = as_join(&cause) {
            join.remaining.set(waits);
            if waits == 0 {
                join.coroutine.take();
            }
        }
        Ok(waits > 0)
    }

    /// A coroutine goes on that waited for several promises: those that are still pending need not wake it.
    pub(super) fn leave_join(&mut self, cause: &Value) {
        let Some(join) = as_join(cause) else { return };
        join.coroutine.take();
        if join.remaining.get() == 0 && join.until != Until::First {
            return;
        }
        for at in 0..join.promises.len() {
            if let Some(Value::Promise(promise)) = join.promises.get_value(at)
                && promise.is_pending()
            {
                self.remove_from_waiters(&promise, cause);
            }
        }
    }

    /// Settles a promise, unless it is: wakes the coroutines that wait for it and readies the callbacks.
    pub(crate) fn settle(&mut self, promise: &Rc<Promise>, state: PromiseState) {
        if !promise.is_pending() {
            return;
        }
        if promise.is_external() {
            self.scheduler.demanded -= usize::from(promise.has_waiters());
            if promise.is_detached() {
                self.scheduler.kept -= 1;
                self.scheduler.detached -= 1;
            }
        }
        let failed = match &state {
            PromiseState::Rejected(error) => {
                if !promise.is_demanded() && error.kind() != ErrorKind::Cancelled {
                    self.scheduler.add_unhandled(promise);
                }
                true
            }
            _ => false,
        };
        drop(promise.replace_state(state));
        for waiter in promise.take_waiters() {
            let coroutine = match &waiter {
                Value::Coroutine(coroutine) => Some(coroutine.clone()),
                Value::Int(number) => {
                    self.ready_callback(*number as u64);
                    None
                }
                other => {
                    if let Some(group) = as_group(other) {
                        if let Some(waiting) = group.settled(promise) {
                            // Only the group's own frame waits for this one.
                            self.settle(&waiting, PromiseState::Fulfilled(Value::Null));
                        }
                        continue;
                    }
                    as_join(other).and_then(|join| join.settled(failed))
                }
            };
            if let Some(coroutine) = coroutine {
                let cause = match waiter {
                    Value::Coroutine(_) => Value::Promise(promise.clone()),
                    join => join,
                };
                self.ready.push_back(Runnable::Coroutine {
                    coroutine,
                    cause,
                    promise: promise.clone(),
                });
            }
        }
        if promise.is_detached() {
            self.wake_event_loops();
        }
    }

    /// Has the event loops, and the program's end, wait for a promise that something outside settles.
    pub(crate) fn keep_alive(&mut self, promise: &Promise) {
        if promise.is_external() && !promise.is_detached() {
            promise.set_detached();
            self.scheduler.detached += 1;
            self.scheduler.kept += 1;
        }
    }

    /// Has them no longer wait for it.
    pub(crate) fn let_go(&mut self, promise: &Promise) {
        if promise.is_external() && promise.is_detached() {
            promise.clear_detached();
            self.scheduler.detached -= 1;
            self.scheduler.kept -= 1;
            self.wake_event_loops();
        }
    }

    // --- callbacks ---

    /// Queues a callback for an external promise.
    pub(crate) fn queue_callback(
        &mut self,
        promise: &Rc<Promise>,
        function: Value,
        on_error: Value,
    ) -> Result<(), Raise> {
        let host = &mut self.host;
        let callback = Callback {
            function,
            on_error,
            promise: promise.clone(),
            awaited: Awaited::Always,
        };
        let number = self.scheduler.queue(&self.heap, callback, || host.monotonic())?;
        self.enter_callback(number, promise)
    }

    /// Enters a callback among the waiters of its promise.
    pub(crate) fn enter_callback(&mut self, number: u64, promise: &Rc<Promise>) -> Result<(), Raise> {
        let waiter = Value::Int(number as i64);
        let entered = self.demand(promise, waiter);
        if entered.is_err() {
            self.scheduler.take_callback(&self.heap, number);
        }
        entered
    }

    /// The promise of a queued callback has settled.
    fn ready_callback(&mut self, number: u64) {
        let Some(callback) = self.scheduler.take_callback(&self.heap, number) else {
            return;
        };
        match callback.promise.settled() {
            Some(Ok(value)) => {
                self.scheduler.callbacks_ready += 1;
                self.ready.push_back(Runnable::Callback {
                    number,
                    function: callback.function,
                    value,
                });
            }
            Some(Err(error)) if callback.on_error.is_null() => self.skip_callback(error.message().as_str()),
            Some(Err(error)) => {
                self.scheduler.callbacks_ready += 1;
                self.ready.push_back(Runnable::Callback {
                    number,
                    function: callback.on_error,
                    value: Value::Error(error),
                });
            }
            None => {}
        }
    }

    /// Tells that a callback will not be called.
    fn skip_callback(&mut self, message: &str) {
        let text = match self.scheduler.last_service() {
            Some(event_source) => {
                let service = event_source.service;
                format!("{service}: async task failed (callback skipped): {message}\n")
            }
            None => format!("event_loop: task failed (callback skipped): {message}\n"),
        };
        self.tell(&text);
        self.wake_event_loops();
    }

    /// Writes to standard error. Nobody is left to tell if that cannot be done.
    fn tell(&mut self, text: &str) {
        let _ = self.host.write_err(text);
    }

    /// Readies a callback that waits for nothing.
    pub(crate) fn spawn_callback(&mut self, function: Value, value: Value) {
        self.scheduler.callbacks_ready += 1;
        self.ready.push_back(Runnable::Callback {
            // Callbacks of one moment go by their numbers; one that is spawned comes last.
            number: u64::MAX,
            function,
            value,
        });
    }

    /// Calls a callback on a stack of its own.
    pub(super) fn start_callback(&mut self, function: Value, value: Value) -> Option<Flow> {
        self.scheduler.callbacks_ready -= 1;
        let argc = declared_parameters(&function).min(1);
        match self.callback_stack(function, value, argc) {
            Ok(coroutine) => {
                self.scheduler.callbacks_running += 1;
                self.load(coroutine);
                Some(Flow::Switched)
            }
            Err(raise) => {
                self.fail_callback(raise);
                self.wake_event_loops();
                None
            }
        }
    }

    fn callback_stack(&mut self, function: Value, value: Value, argc: usize) -> Result<Rc<Coroutine>, Raise> {
        let closure = self.stub(argc as u16, true)?;
        let coroutine = self.new_coroutine(&closure, &[function, value][..=argc])?;
        coroutine.uncounted.set(1);
        coroutine.set_promise(CALLBACK);
        coroutine.status.set(super::task::parked::NO);
        Ok(coroutine)
    }

    /// A callback threw: a service that runs ends with the error, else it is reported.
    fn fail_callback(&mut self, raise: Raise) {
        if let Some(event_source) = self.scheduler.last_service() {
            event_source.failure.borrow_mut().get_or_insert(raise);
            self.wake_service(&event_source);
        } else {
            self.tell(&format!("event_loop: callback error: {}\n", raise.message()));
        }
    }

    // --- services ---

    /// Wakes a service that waits.
    pub(crate) fn wake_service(&mut self, event_source: &EventSource) {
        let waiting = event_source.waiting.borrow_mut().take();
        if let Some(promise) = waiting {
            self.settle(&promise, PromiseState::Fulfilled(Value::Null));
        }
    }

    /// The user asks to stop: the services are to come to an end, if there are any and they have not been asked twice.
    ///
    /// # Errors
    /// There is nobody else to ask: the program ends.
    pub(super) fn interrupt(&mut self) -> Result<(), Raise> {
        let services = self.scheduler.services();
        let patient = services
            .iter()
            .any(|event_source| event_source.stops.get() < MOST_STOPS);
        if !patient {
            return Err(self.interruption());
        }
        self.host.interrupt_taken();
        for event_source in &services {
            event_source.stops.set(event_source.stops.get() + 1);
            self.wake_service(event_source);
        }
        Ok(())
    }

    /// A callback has returned, or raised.
    pub(super) fn end_callback(&mut self, result: Result<Value, Raise>) -> Result<Flow, Raise> {
        self.scheduler.callbacks_running -= 1;
        self.wake_event_loops();
        match result {
            Ok(value) => drop(value),
            Err(raise) if raise.kind() == ErrorKind::Interrupted => return self.raise_in_main(raise),
            Err(raise) if !raise.kind().is_catchable() => {
                self.main = None;
                return Err(raise);
            }
            Err(raise) => self.fail_callback(raise),
        }
        self.go_on()
    }

    // --- event loops ---

    /// Whether the current coroutine runs a callback.
    pub(crate) fn in_callback(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| Raw::same(current.promise(), CALLBACK))
    }

    /// Whoever serves for ever ends, and what serves beside the program comes to an end.
    pub(crate) fn shut_down_loops(&mut self) {
        self.scheduler.is_shut_down = true;
        self.scheduler.is_ending = true;
        for event_source in self.scheduler.services() {
            if event_source.in_background && event_source.stops.get() == 0 {
                event_source.stops.set(1);
                self.wake_service(&event_source);
            }
        }
        self.release_loops(false);
    }

    /// A timer is no longer wanted.
    pub(crate) fn drop_timer(&mut self, timer: &Rc<Promise>) {
        if timer.is_pending() {
            self.scheduler.abandon(&self.heap, timer);
            self.settle(timer, PromiseState::Fulfilled(Value::Null));
        }
    }

    /// A promise that settles when the queue is empty, or at a moment; with true if nothing can happen any more.
    pub(crate) fn wait_for_queue(&mut self, until: Option<u64>) -> Result<Value, Raise> {
        let promise = self.heap.promise(PromiseState::External)?;
        self.scheduler.add_loop(&self.heap, &promise, until)?;
        Ok(Value::Promise(promise))
    }

    /// Has the event loops look again, if the queue is empty.
    pub(super) fn wake_event_loops(&mut self) {
        if self.scheduler.awaited() == 0 {
            self.release_loops(false);
        }
    }

    /// Has the event loops look again, or, since nothing can happen any more, end; answers whether there are any.
    fn release_loops(&mut self, ends: bool) -> bool {
        let loops = self.scheduler.take_loops(&self.heap);
        for wait in &loops {
            self.settle(&wait.promise, PromiseState::Fulfilled(Value::Bool(ends)));
        }
        !loops.is_empty()
    }

    // --- the world ---

    /// Submits work whose outcome settles the promise that this gives.
    pub(crate) fn submit(
        &mut self,
        effect: Effect,
        bytes: usize,
        helper: bool,
        work: Box<dyn FnOnce() -> Finish + Send>,
    ) -> Result<Value, Raise> {
        let promise = self.heap.promise(PromiseState::External)?;
        self.scheduler
            .submit(&self.heap, &promise, effect, bytes, helper, work)?;
        Ok(Value::Promise(promise))
    }

    /// A promise that settles after a time.
    pub(crate) fn sleep_promise(&mut self, seconds: f64) -> Result<Value, Raise> {
        let promise = self.heap.promise(PromiseState::External)?;
        promise.set_timed();
        let due = self.host.monotonic().saturating_add(nanos(seconds));
        self.scheduler.sleep_until(&self.heap, due, promise.clone())?;
        Ok(Value::Promise(promise))
    }

    /// Blocks the program for a time.
    pub(crate) fn sleep(&mut self, seconds: f64) -> Result<(), Raise> {
        let due = self.host.monotonic().saturating_add(nanos(seconds));
        self.flush()?;
        let waiting = Waiting {
            until: self.wait_until(Some(due)),
            messages: false,
            jobs: false,
            network: false,
        };
        while self.host.monotonic() < due {
            self.check_interrupt()?;
            self.check_deadline()?;
            if self.heap.has_leaving() && self.release_some() {
                continue;
            }
            self.host.wait(&self.scheduler.receiver.waker(), waiting);
        }
        self.check_interrupt()?;
        self.check_deadline()
    }

    /// Blocks the program until work is done. It is done on another thread, so that the user can stop the program
    /// meanwhile; the work is then left to its own end.
    pub(crate) fn block_on<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Raise> {
        /// Rings when it goes, also if the work panics.
        struct WakeOnDrop(Waker);

        impl Drop for WakeOnDrop {
            fn drop(&mut self) {
                self.0.wake();
            }
        }

        self.flush()?;
        let waker = self.scheduler.receiver.waker();
        let (sender, receiver) = mpsc::channel();
        let wake_on_drop = WakeOnDrop(waker.clone());
        let started = thread::Builder::new().spawn(move || {
            // In this order: the outcome is there when the waker is woken.
            let wake_on_drop = wake_on_drop;
            let sender = sender;
            // Whoever waited may have stopped waiting.
            let _ = sender.send(work());
            drop(sender);
            drop(wake_on_drop);
        });
        started.map_err(|error| Raise::operation(&format!("cannot start a thread: {error}")))?;
        let waiting = Waiting {
            until: self.wait_until(None),
            messages: false,
            jobs: true,
            network: false,
        };
        loop {
            match receiver.try_recv() {
                Ok(outcome) => return Ok(outcome),
                Err(mpsc::TryRecvError::Disconnected) => {
                    return Err(Raise::new(ErrorKind::Io, "I/O channel closed unexpectedly"));
                }
                Err(mpsc::TryRecvError::Empty) => {}
            }
            self.check_interrupt()?;
            self.check_deadline()?;
            self.host.wait(&waker, waiting);
        }
    }

    /// Looks whether the user has asked to stop, or for a profile.
    pub(super) fn check_interrupt(&mut self) -> Result<(), Raise> {
        if self.host.interrupted() {
            self.interrupt()?;
        }
        if self.remote.as_ref().is_some_and(|remote| remote.is_stopping()) {
            return Err(self.interruption());
        }
        if self.profile_request.is_some() {
            self.serve_profile_request();
        }
        Ok(())
    }

    /// Shows what has been printed before a wait.
    fn flush(&mut self) -> Result<(), Raise> {
        let flushed = self.host.flush();
        flushed.map_err(|error| crate::builtins::output_error("print", &error))
    }

    /// Nothing is ready: waits until something has happened outside. `false` if nothing can.
    ///
    /// # Errors
    /// The user asks to stop; out of memory; nobody reads the output any more.
    pub(super) fn wait_outside(&mut self) -> Result<bool, Raise> {
        self.collect_outside()?;
        if !self.ready.is_empty() {
            return Ok(true);
        }
        if !self.scheduler.may_continue() {
            return Ok(self.release_loops(true));
        }
        self.block()?;
        self.collect_outside()?;
        Ok(true)
    }

    fn block(&mut self) -> Result<(), Raise> {
        self.flush()?;
        self.publish();
        self.heap.settle_budget();
        self.check_interrupt()?;
        self.spend_grace(super::FINALLY_WAIT)?;
        let due = self.scheduler.next_due();
        // A future may wait for ever; what is due meanwhile does not.
        let beside_futures = due.is_some() && self.scheduler.has_futures();
        let waiting = Waiting {
            until: self.wait_until(due),
            messages: true,
            jobs: self.scheduler.has_jobs(),
            network: self.scheduler.has_services() || beside_futures,
        };
        if self.ready.is_empty() {
            self.host.wait(&self.scheduler.receiver.waker(), waiting);
        }
        self.check_interrupt()?;
        self.check_deadline()
    }

    /// Brings in what has happened outside: messages, then what is due.
    pub(super) fn collect_outside(&mut self) -> Result<(), Raise> {
        let mut messages = std::mem::take(&mut self.messages);
        self.scheduler.receiver.take(&mut messages);
        let mut result = Ok(());
        for message in messages.drain(..) {
            match message {
                Message::Done(id, finish) => result = result.and(self.finish_job(id, finish)),
                Message::Poll(id) => result = result.and(self.poll_future(id)),
                Message::Event { event_source, source } => {
                    if let Some(event_source) = self.scheduler.event_source(event_source) {
                        event_source.push_event(source);
                        self.wake_service(&event_source);
                    }
                }
            }
        }
        self.messages = messages;
        result?;
        if self.scheduler.next_due().is_some() {
            let now = self.host.monotonic();
            self.fire_timers(now);
        }
        Ok(())
    }

    /// Settles the promise of a job. An error gets its place where it surfaces.
    fn finish_job(&mut self, id: u64, finish: Finish) -> Result<(), Raise> {
        let Some(promise) = self.scheduler.take_job(&self.heap, id) else {
            return Ok(());
        };
        let outcome = finish(&mut Ctx { vm: self });
        self.settle_with(&promise, outcome)
    }

    /// Polls a future of the host, and settles its promise when it is done.
    fn poll_future(&mut self, id: u64) -> Result<(), Raise> {
        let heap = self.heap.clone();
        let Some((promise, finish)) = self.scheduler.poll_future(&heap, id) else {
            return Ok(());
        };
        let outcome = finish.and_then(|finish| finish(&mut Ctx { vm: self }));
        self.settle_with(&promise, outcome)
    }

    fn settle_with(&mut self, promise: &Rc<Promise>, outcome: Result<Value, Raise>) -> Result<(), Raise> {
        let state = match outcome {
            Ok(value) => PromiseState::Fulfilled(value),
            Err(raise) => {
                let heap = &self.heap;
                PromiseState::Rejected(heap.past_the_limit(|| heap.error(raise))?)
            }
        };
        self.settle(promise, state);
        Ok(())
    }

    /// Does everything that is due. What is due at the same moment is a tie, in which callbacks go by their
    /// registration.
    fn fire_timers(&mut self, now: u64) {
        let mut moment = None;
        let mut from = self.ready.len();
        while let Some((due, what)) = self.scheduler.take_due(&self.heap, now) {
            if moment.replace(due).is_some_and(|before| before != due) {
                self.sort_ties(from);
                from = self.ready.len();
            }
            match what {
                Event::Sleep(promise) | Event::Loop(promise) => {
                    self.settle(&promise, PromiseState::Fulfilled(Value::Null));
                }
                Event::Callback(number) => self.drop_late_callback(number),
                Event::Timer { number, object } => self.ready_timer(number, object),
                Event::Deadline(event_source) => self.wake_service(&event_source),
            }
        }
        self.sort_ties(from);
    }

    // --- timers ---

    /// Enters a timer of a script; gives its number.
    pub(crate) fn add_timer(
        &mut self,
        due: u64,
        period: Option<u64>,
        object: Rc<NativeObject>,
    ) -> Result<u64, Raise> {
        self.scheduler.add_timer(&self.heap, due, period, object)
    }

    /// Ends a timer of a script.
    pub(crate) fn cancel_timer(&mut self, number: u64) {
        if self.scheduler.cancel_timer(&self.heap, number) {
            self.wake_event_loops();
        }
    }

    /// A timer's function is to be called.
    fn ready_timer(&mut self, number: u64, object: Rc<NativeObject>) {
        self.scheduler.callbacks_ready += 1;
        self.ready.push_back(Runnable::Callback {
            number,
            function: FIRE_TIMER.value(),
            value: Value::Native(object),
        });
    }

    fn sort_ties(&mut self, from: usize) {
        if self.ready.len() > from + 1 {
            self.ready.make_contiguous()[from..].sort_by_key(|wake| match wake {
                Runnable::Coroutine { .. } => 0,
                Runnable::Callback { number, .. } => *number,
            });
        }
    }

    fn drop_late_callback(&mut self, number: u64) {
        if let Some(callback) = self.scheduler.take_callback(&self.heap, number) {
            self.remove_from_waiters(&callback.promise, &Value::Int(number as i64));
            self.skip_callback("task timed out");
        }
    }

    /// The program's end: files that are being written are finished, within bounds; all else is abandoned.
    pub(crate) fn complete_writes(&mut self) {
        if !self.scheduler.abandon_queries(&self.heap) {
            return;
        }
        let end = self.host.monotonic().saturating_add(nanos(LAST_WRITES));
        let waiting = Waiting {
            until: Some(end),
            messages: true,
            jobs: true,
            network: false,
        };
        let mut messages = Vec::new();
        loop {
            self.scheduler.receiver.take(&mut messages);
            for message in messages.drain(..) {
                match message {
                    Message::Done(id, finish) => {
                        drop(finish);
                        drop(self.scheduler.take_job(&self.heap, id));
                    }
                    Message::Event { .. } | Message::Poll(_) => {}
                }
            }
            if !self.scheduler.has_jobs() || self.host.monotonic() >= end {
                return;
            }
            self.host.wait(&self.scheduler.receiver.waker(), waiting);
        }
    }
}
