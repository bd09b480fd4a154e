//! The scheduler's tables: what the engine waits for outside the script.
//!
//! Jobs in other threads and timers settle promises; callbacks are queued for promises that have no outcome yet;
//! event loops wait for the queue to be empty. This module keeps the tables. `vm::task` has the coroutines, and is the
//! one place where promises are settled and waiting happens.
//!
//! Invariants
//! - A promise leaves *pending* only while the program waits, however long its job has been done.
//! - Nothing polls: the engine sleeps in [`Host::wait`](crate::Host::wait) until a message or a deadline.
//! - The tables hold a count of every promise and callback in them, and nothing of them outlives the engine.
//!
//! Not here: where time and waiting come from ([`crate::Host`]).

mod event_source;
mod futures;
mod pool;
mod receiver;
mod script_timers;
mod timers;

use aether_value::{Heap, NativeObject, Promise, Raise, Rc, Roots, Value};
use ahash::AHashMap;
use std::collections::BTreeMap;

use crate::context::Ctx;
pub use event_source::{EventSource, Sender};
use futures::HostTask;
pub use futures::{HostFinish, HostFuture};
use pool::{Pool, Task};
pub(crate) use receiver::{Message, Receiver};
pub use receiver::{Waiting, Waker};
use script_timers::ScriptTimer;
use timers::{TimerAction, Timers};

/// Makes the value of a finished job, on the interpreter's thread.
pub(crate) type Finish = Box<dyn FnOnce(&mut Ctx<'_>) -> Result<Value, Raise> + Send>;

/// What a job does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that lasts: when the program ends it is abandoned.
    Query,
    /// It writes: the program's end waits for it.
    Write,
}

/// Nanoseconds of a second.
const NANOS: f64 = 1e9;

/// Workers for what the runtime itself must have done in the background, such as resolving names.
const HELPERS: usize = 4;

/// Bytes charged for an entry of a table: the largest entry, and the table's slack.
const ENTRY: usize = 96;
/// Room for so many entries that a table may keep while it is empty: what it holds is charged, its room is not.
pub(crate) const FEW: usize = 64;

/// A span of time as the clock of waiting counts it; what is not above zero is none.
pub(crate) fn nanos(seconds: f64) -> u64 {
    // Saturates at both ends; NaN is 0.
    (seconds * NANOS) as u64
}

/// A job that is out.
struct Job {
    promise: Rc<Promise>,
    effect: Effect,
    /// What is charged for it.
    bytes: usize,
}

/// A callback that waits for its promise.
pub(crate) struct Callback {
    /// What to call.
    pub(crate) function: Value,
    /// What to call with the error if that fails; null for nothing.
    pub(crate) on_error: Value,
    /// What it waits for.
    pub(crate) promise: Rc<Promise>,
    /// Whether event loops and the program's end wait for it.
    pub(crate) awaited: Awaited,
}

/// Whether event loops and the program's end wait for a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    Always,
    /// It serves what comes again and again.
    UntilShutdown,
    /// It is there in case that something comes.
    Never,
}

/// An event loop that waits for the queue to be empty.
pub(crate) struct LoopWait {
    pub(crate) number: u64,
    pub(crate) promise: Rc<Promise>,
    /// Whether it waits no longer than some time.
    pub(crate) bounded: bool,
}

/// What a moment brought about.
pub(crate) enum Event {
    /// A promise of `sleep`.
    Sleep(Rc<Promise>),
    /// An event loop may look again.
    Loop(Rc<Promise>),
    /// A callback has waited too long.
    Callback(u64),
    /// A script's timer calls its function.
    Timer { number: u64, object: Rc<NativeObject> },
    /// A service may look at its deadlines.
    Deadline(std::rc::Rc<EventSource>),
}

/// The tables.
pub(crate) struct Scheduler {
    pub(crate) receiver: Receiver,
    timers: Timers,
    jobs: AHashMap<u64, Job>,
    /// Futures of the host, which this thread polls.
    futures: AHashMap<u64, HostTask>,
    pool: Option<Pool>,
    helpers: Option<Pool>,
    callbacks: AHashMap<u64, Callback>,
    /// Timers of scripts that have not ended.
    script_timers: AHashMap<u64, ScriptTimer>,
    loops: Vec<LoopWait>,
    /// Services that run, by number: the last one began last. A service that was dropped in the middle is no more.
    event_sources: BTreeMap<u64, std::rc::Weak<EventSource>>,
    number: u64,
    /// Callbacks that are ready but have not been called.
    pub(crate) callbacks_ready: usize,
    /// Callbacks that have been called and have not returned.
    pub(crate) callbacks_running: usize,
    /// Coroutines that go on by themselves and have not ended.
    pub(crate) detached: usize,
    /// Promises among these that something outside settles.
    pub(crate) kept: usize,
    /// Failed promises that nobody had asked for when they failed, and how many more there were.
    unhandled: Vec<Rc<Promise>>,
    more_unhandled: usize,
    /// Whether whoever serves for ever is to end.
    pub(crate) is_shut_down: bool,
    /// Whether nothing waits any more for what serves: the program has been shut down, and has not begun anew.
    pub(crate) is_ending: bool,
    /// Callbacks that wait and serve.
    serving: usize,
    /// Callbacks that wait and are not waited for.
    aside: usize,
    /// Timers that repeat.
    repeating: usize,
    /// Outside promises that someone waits for.
    pub(crate) demanded: usize,
    /// Most callbacks that may be queued.
    pub(crate) queue_limit: usize,
    /// Seconds after which a queued callback is dropped.
    pub(crate) task_timeout: Option<f64>,
    /// Seconds that `event_loop()` takes unless told.
    pub(crate) loop_timeout: Option<f64>,
    /// Seconds that a service has to come to an end when the user asks it to.
    pub(crate) grace: f64,
}

/// Seconds for a graceful shutdown, unless set otherwise.
pub(crate) const DEFAULT_GRACE: f64 = 5.0;

/// Queued callbacks, unless set otherwise.
pub(crate) const DEFAULT_QUEUE_LIMIT: usize = 1024;

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            receiver: Receiver::default(),
            timers: Timers::default(),
            jobs: AHashMap::new(),
            futures: AHashMap::new(),
            pool: None,
            helpers: None,
            callbacks: AHashMap::new(),
            script_timers: AHashMap::new(),
            loops: Vec::new(),
            event_sources: BTreeMap::new(),
            number: 0,
            callbacks_ready: 0,
            callbacks_running: 0,
            detached: 0,
            kept: 0,
            unhandled: Vec::new(),
            more_unhandled: 0,
            is_shut_down: false,
            is_ending: false,
            serving: 0,
            aside: 0,
            repeating: 0,
            demanded: 0,
            queue_limit: DEFAULT_QUEUE_LIMIT,
            task_timeout: None,
            loop_timeout: None,
            grace: DEFAULT_GRACE,
        }
    }
}

impl Scheduler {
    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    // --- the pool and jobs ---

    /// Makes (io) functions give promises from now on, with this many workers.
    pub(crate) fn set_workers(&mut self, workers: usize) {
        self.pool = Some(Pool::new(workers));
    }

    /// Whether (io) functions give promises.
    pub(crate) fn has_pool(&self) -> bool {
        self.pool.is_some()
    }

    /// Submits work that settles a promise and holds so many bytes. Work for the runtime's own needs is done by
    /// threads of its own: `helper`.
    pub(crate) fn submit(
        &mut self,
        heap: &Heap,
        promise: &Rc<Promise>,
        effect: Effect,
        bytes: usize,
        helper: bool,
        work: Box<dyn FnOnce() -> Finish + Send>,
    ) -> Result<(), Raise> {
        let bytes = bytes.saturating_add(ENTRY);
        heap.charge(bytes)?;
        let id = self.next_number();
        let promise = promise.clone();
        self.jobs.insert(
            id,
            Job {
                promise,
                effect,
                bytes,
            },
        );
        let task = Task {
            id,
            effect,
            work,
            receiver: self.receiver.clone(),
        };
        let pool = match &self.pool {
            Some(pool) if !helper => pool,
            _ => self.helpers.get_or_insert_with(|| Pool::new(HELPERS)),
        };
        if let Err(task) = pool.submit(task) {
            // No thread can be had: the job fails as one does whose thread died.
            task.receiver.post(Message::Done(id, pool::lost()));
        }
        Ok(())
    }

    /// Takes a job's promise, now that it is done.
    pub(crate) fn take_job(&mut self, heap: &Heap, id: u64) -> Option<Rc<Promise>> {
        let job = self.jobs.remove(&id)?;
        heap.discharge(job.bytes);
        Some(job.promise)
    }

    /// Whether any job is out.
    pub(crate) fn has_jobs(&self) -> bool {
        !self.jobs.is_empty() || !self.futures.is_empty()
    }

    /// Whether futures of the host are out.
    pub(crate) fn has_futures(&self) -> bool {
        !self.futures.is_empty()
    }

    /// Whether anything may still happen outside.
    pub(crate) fn has_work(&self) -> bool {
        self.has_jobs() || !self.timers.is_empty() || self.has_services()
    }

    /// Gives up the jobs that leave no trace; answers whether others are out.
    pub(crate) fn abandon_queries(&mut self, heap: &Heap) -> bool {
        for pool in [&self.pool, &self.helpers].into_iter().flatten() {
            pool.forget_queries();
        }
        let queries = self.jobs.iter().filter(|(_, job)| job.effect == Effect::Query);
        let mut queries: Vec<u64> = queries.map(|(id, _)| *id).collect();
        // Promises die in the order in which they were made.
        queries.sort_unstable();
        for id in queries {
            drop(self.take_job(heap, id));
        }
        self.drop_futures(heap);
        !self.jobs.is_empty()
    }

    // --- time ---

    /// Settles a promise at a moment.
    pub(crate) fn sleep_until(&mut self, heap: &Heap, due: u64, promise: Rc<Promise>) -> Result<(), Raise> {
        self.timers.set(heap, due, TimerAction::Sleep(promise))
    }

    /// The next moment at which something is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.timers.next_due()
    }

    /// Takes what is due next, with its moment.
    pub(crate) fn take_due(&mut self, heap: &Heap, now: u64) -> Option<(u64, Event)> {
        loop {
            let (due, action) = self.timers.take_due(now)?;
            match action {
                TimerAction::Sleep(promise) if promise.is_pending() => {
                    return Some((due, Event::Sleep(promise)));
                }
                TimerAction::Sleep(_) => {}
                TimerAction::Loop(number) => {
                    let at = self.loops.iter().position(|wait| wait.number == number);
                    if let Some(at) = at {
                        heap.discharge(ENTRY);
                        return Some((due, Event::Loop(self.loops.remove(at).promise)));
                    }
                }
                TimerAction::Callback(number) if self.callbacks.contains_key(&number) => {
                    return Some((due, Event::Callback(number)));
                }
                TimerAction::Callback(_) => {}
                TimerAction::Script(number) => {
                    if let Some(event) = self.script_timer_due(heap, number, due, now) {
                        return Some((due, event));
                    }
                }
                TimerAction::EventSource(number) => {
                    let event_source = self.event_source(number);
                    if let Some(event_source) =
                        event_source.filter(|event_source| event_source.due.get() == Some(due))
                    {
                        event_source.due.set(None);
                        return Some((due, Event::Deadline(event_source)));
                    }
                }
            }
        }
    }

    /// Whether a message or a moment could still come that somebody waits for.
    pub(crate) fn may_continue(&self) -> bool {
        let unbounded = self.loops.iter().filter(|wait| !wait.bounded).count();
        let outside = self.has_jobs() || !self.timers.is_empty() || self.has_services();
        outside && (self.demanded > unbounded || self.kept > 0 || !self.script_timers.is_empty())
    }

    fn sweep_timers(&mut self) {
        let (loops, callbacks, event_sources) = (&self.loops, &self.callbacks, &self.event_sources);
        let script_timers = &self.script_timers;
        self.timers.cancel(|action| match action {
            TimerAction::Sleep(promise) => promise.is_pending(),
            TimerAction::Loop(number) => loops.iter().any(|wait| wait.number == *number),
            TimerAction::Callback(number) => callbacks.contains_key(number),
            TimerAction::Script(number) => script_timers.contains_key(number),
            // One that has been replaced by an earlier one stays until it is due.
            TimerAction::EventSource(number) => event_sources.contains_key(number),
        });
    }

    // --- callbacks ---

    /// Callbacks that wait or are ready, and timers.
    pub(crate) fn queued(&self) -> usize {
        self.callbacks.len() + self.callbacks_ready + self.script_timers.len()
    }

    /// Those that an event loop waits for.
    pub(crate) fn awaited(&self) -> usize {
        let serving = if self.is_ending {
            self.serving + self.repeating
        } else {
            0
        };
        self.queued() - serving - self.aside
    }

    /// Whether an event loop has to wait for callbacks, or for coroutines that go on by themselves.
    pub(crate) fn has_tasks(&self) -> bool {
        self.awaited() > 0 || self.callbacks_running > 0 || self.detached > 0
    }

    /// Queues a callback; gives its number. `now` is asked only if callbacks have a deadline.
    pub(crate) fn queue(
        &mut self,
        heap: &Heap,
        callback: Callback,
        now: impl FnOnce() -> u64,
    ) -> Result<u64, Raise> {
        if self.callbacks.len() + self.callbacks_ready >= self.queue_limit {
            return Err(Raise::queue_full(self.queue_limit));
        }
        let number = self.add_callback(heap, callback)?;
        if let Some(seconds) = self.task_timeout {
            let due = now().saturating_add(nanos(seconds));
            if let Err(raise) = self.timers.set(heap, due, TimerAction::Callback(number)) {
                drop(self.take_callback(heap, number));
                return Err(raise);
            }
        }
        Ok(number)
    }

    /// Queues a callback to which the limits of the queue do not apply; gives its number.
    pub(crate) fn add_callback(&mut self, heap: &Heap, callback: Callback) -> Result<u64, Raise> {
        heap.charge(ENTRY)?;
        let number = self.next_number();
        self.serving += usize::from(callback.awaited == Awaited::UntilShutdown);
        self.aside += usize::from(callback.awaited == Awaited::Never);
        self.callbacks.insert(number, callback);
        Ok(number)
    }

    /// Takes a queued callback out.
    pub(crate) fn take_callback(&mut self, heap: &Heap, number: u64) -> Option<Callback> {
        let callback = self.callbacks.remove(&number)?;
        self.serving -= usize::from(callback.awaited == Awaited::UntilShutdown);
        self.aside -= usize::from(callback.awaited == Awaited::Never);
        heap.discharge(ENTRY);
        if self.callbacks.is_empty() && self.callbacks.capacity() > FEW {
            self.callbacks = AHashMap::new();
        }
        if self.task_timeout.is_some() {
            self.sweep_timers();
        }
        Some(callback)
    }

    // --- event loops ---

    /// Enters an event loop among those that wait.
    pub(crate) fn add_loop(
        &mut self,
        heap: &Heap,
        promise: &Rc<Promise>,
        until: Option<u64>,
    ) -> Result<(), Raise> {
        heap.charge(ENTRY)?;
        let number = self.next_number();
        if let Some(due) = until
            && let Err(raise) = self.timers.set(heap, due, TimerAction::Loop(number))
        {
            heap.discharge(ENTRY);
            return Err(raise);
        }
        self.loops.push(LoopWait {
            number,
            promise: promise.clone(),
            bounded: until.is_some(),
        });
        Ok(())
    }

    /// Takes every event loop that waits, to have it look again.
    pub(crate) fn take_loops(&mut self, heap: &Heap) -> Vec<LoopWait> {
        let loops = std::mem::take(&mut self.loops);
        heap.discharge(ENTRY * loops.len());
        for wait in &loops {
            if wait.bounded {
                self.sweep_timers();
            }
        }
        loops
    }

    // --- cancellations and failures ---

    /// A promise that something outside was to settle is cancelled: whatever that is, is given up.
    pub(crate) fn abandon(&mut self, heap: &Heap, promise: &Rc<Promise>) {
        if promise.is_timed() {
            // The sweep leaves out what is settled, which it is about to be.
            self.timers.cancel_sleep();
            return;
        }
        let event_loop = self
            .loops
            .iter()
            .position(|wait| Rc::ptr_eq(&wait.promise, promise));
        if let Some(at) = event_loop {
            heap.discharge(ENTRY);
            if self.loops.remove(at).bounded {
                self.sweep_timers();
            }
            return;
        }
        let job = self
            .jobs
            .iter()
            .find(|(_, job)| Rc::ptr_eq(&job.promise, promise));
        if let Some((&id, job)) = job {
            let is_query = job.effect == Effect::Query;
            let pools = [&self.pool, &self.helpers].into_iter().flatten();
            if is_query && pools.into_iter().any(|pool| pool.forget(id)) {
                drop(self.take_job(heap, id));
            }
            return;
        }
        self.drop_future(heap, promise);
    }

    /// A timer's promise has been settled by something else.
    pub(crate) fn timer_unwanted(&mut self) {
        self.timers.cancel_sleep();
    }

    /// A promise has failed that nobody has asked for.
    pub(crate) fn add_unhandled(&mut self, promise: &Rc<Promise>) {
        /// As many are kept.
        const MOST: usize = 256;
        if self.unhandled.len() == MOST {
            self.unhandled.retain(|promise| !promise.is_demanded());
        }
        if self.unhandled.len() < MOST {
            self.unhandled.push(promise.clone());
        } else {
            self.more_unhandled += 1;
        }
    }

    /// Takes the failed promises that nobody has asked for, in order, and how many more there were.
    pub(crate) fn take_unhandled(&mut self) -> (Vec<Rc<Promise>>, usize) {
        let mut promises = std::mem::take(&mut self.unhandled);
        promises.retain(|promise| !promise.is_demanded());
        (promises, std::mem::take(&mut self.more_unhandled))
    }

    // --- services ---

    /// A service begins.
    pub(crate) fn open_event_source(
        &mut self,
        service: &'static str,
        in_background: bool,
    ) -> std::rc::Rc<EventSource> {
        let number = self.next_number();
        let event_source = std::rc::Rc::new(EventSource::new(number, service, in_background));
        if self.event_sources.len().is_power_of_two() {
            self.event_sources.retain(|_, known| known.strong_count() > 0);
        }
        self.event_sources
            .insert(number, std::rc::Rc::downgrade(&event_source));
        event_source
    }

    /// A service has ended.
    pub(crate) fn close_event_source(&mut self, event_source: &EventSource) {
        if self.event_sources.remove(&event_source.number).is_some() && event_source.due.take().is_some() {
            self.sweep_timers();
        }
    }

    pub(crate) fn event_source(&self, number: u64) -> Option<std::rc::Rc<EventSource>> {
        self.event_sources.get(&number)?.upgrade()
    }

    /// Whether services have begun, of which some may have ended since.
    #[inline]
    pub(crate) fn knows_services(&self) -> bool {
        !self.event_sources.is_empty()
    }

    /// Whether any service runs.
    pub(crate) fn has_services(&self) -> bool {
        self.event_sources
            .values()
            .any(|event_source| event_source.strong_count() > 0)
    }

    /// The services that run, in the order in which they began.
    pub(crate) fn services(&self) -> Vec<std::rc::Rc<EventSource>> {
        self.event_sources
            .values()
            .filter_map(std::rc::Weak::upgrade)
            .collect()
    }

    /// The service that began last, of those that the program waits in.
    pub(crate) fn last_service(&self) -> Option<std::rc::Rc<EventSource>> {
        let services = self.event_sources.values().rev();
        let mut services = services.filter_map(std::rc::Weak::upgrade);
        services.find(|service| !service.in_background)
    }

    /// Where other threads name sources to an event source.
    pub(crate) fn sender(&self, event_source: &EventSource) -> Sender {
        Sender::new(&self.receiver, event_source.number)
    }

    /// Makes sure that a service is woken at a moment; it may be woken earlier.
    pub(crate) fn wake_service_at(
        &mut self,
        heap: &Heap,
        event_source: &EventSource,
        due: u64,
    ) -> Result<(), Raise> {
        if event_source.due.get().is_none_or(|set| set > due) {
            self.timers
                .set(heap, due, TimerAction::EventSource(event_source.number))?;
            event_source.due.set(Some(due));
        }
        Ok(())
    }

    /// What is held for the world outside, with the words that name the holder.
    pub(crate) fn held(&self) -> Vec<(&'static str, Value)> {
        fn in_order<T>(entries: &AHashMap<u64, T>) -> Vec<&T> {
            let mut entries: Vec<(&u64, &T)> = entries.iter().collect();
            entries.sort_by_key(|(number, _)| **number);
            entries.into_iter().map(|(_, entry)| entry).collect()
        }
        let timers = self.timers.sleeps();
        let mut held: Vec<(&'static str, Value)> = timers
            .into_iter()
            .map(|promise| ("a timer", Value::Promise(promise)))
            .collect();
        for job in in_order(&self.jobs) {
            held.push(("a job outside", Value::Promise(job.promise.clone())));
        }
        for task in in_order(&self.futures) {
            held.push(("a future of the host", Value::Promise(task.promise.clone())));
        }
        for callback in in_order(&self.callbacks) {
            held.push(("the queue of callbacks", callback.function.clone()));
            held.push(("the queue of callbacks", callback.on_error.clone()));
            held.push(("the queue of callbacks", Value::Promise(callback.promise.clone())));
        }
        for timer in in_order(&self.script_timers) {
            held.push(("a timer", Value::Native(timer.object.clone())));
        }
        for promise in &self.unhandled {
            held.push(("an unhandled rejection", Value::Promise(promise.clone())));
        }
        for event_source in self.services() {
            if let Some(promise) = &*event_source.waiting.borrow() {
                held.push(("a listener", Value::Promise(promise.clone())));
            }
        }
        held
    }

    /// Marks what the tables hold.
    pub(crate) fn mark(&self, roots: &mut Roots<'_>) {
        for job in self.jobs.values() {
            roots.object(&job.promise);
        }
        for task in self.futures.values() {
            roots.object(&task.promise);
        }
        for callback in self.callbacks.values() {
            roots.value(&callback.function);
            roots.value(&callback.on_error);
            roots.object(&callback.promise);
        }
        for timer in self.script_timers.values() {
            roots.object(&timer.object);
        }
        for wait in &self.loops {
            roots.object(&wait.promise);
        }
        for promise in &self.unhandled {
            roots.object(promise);
        }
        for event_source in self.services() {
            if let Some(promise) = &*event_source.waiting.borrow() {
                roots.object(promise);
            }
        }
        self.timers.mark(roots);
    }

    // --- the end ---

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, heap: &Heap) {
        self.receiver.close();
        for pool in [&self.pool, &self.helpers].into_iter().flatten() {
            pool.forget_queries();
        }
        self.pool = None;
        self.helpers = None;
        let entries = self.callbacks.len() + self.loops.len() + self.script_timers.len();
        let jobs: usize = self.jobs.values().map(|job| job.bytes).sum();
        heap.discharge(ENTRY * entries + jobs);
        self.timers.clear(heap);
        self.drop_futures(heap);
        drop(std::mem::take(&mut self.jobs));
        drop(std::mem::take(&mut self.callbacks));
        (self.serving, self.aside, self.repeating) = (0, 0, 0);
        drop(std::mem::take(&mut self.loops));
        drop(std::mem::take(&mut self.script_timers));
        drop(std::mem::take(&mut self.unhandled));
        for event_source in self.services() {
            // The promise leads to the stack that holds the service that holds the event source.
            let waiting = event_source.waiting.borrow_mut().take();
            drop(waiting);
        }
        self.event_sources.clear();
    }
}
