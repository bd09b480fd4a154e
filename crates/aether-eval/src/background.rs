//! What built-ins have done outside the program: blocking work, futures of the host, and services that wait for events.

use aether_value::{PromiseState, Raise, Value};

use crate::builtins::Step;
use crate::context::Ctx;
use crate::task::{Awaited, Callback, Effect, EventSource, Finish, HostFuture, Sender};

impl Ctx<'_> {
    /// Whether (io) functions give promises. Only those need to ask that do better without a pool than do their work
    /// at once.
    pub fn has_pool(&self) -> bool {
        self.vm.scheduler.has_pool()
    }

    /// Does blocking work and makes a value of its outcome: with a pool in the background, giving a promise; without
    /// one at once, giving the value.
    ///
    /// `work` runs on any thread and hands plain data to `finish`, which runs on the interpreter's. The `bytes` that
    /// it holds are charged while it is out. At the program's end, work that is a [`Effect::Query`] is abandoned, and
    /// an [`Effect::Write`] completed.
    ///
    /// # Errors
    /// What `finish` raises, without a pool; out of memory.
    pub fn offload<T: Send + 'static>(
        &mut self,
        effect: Effect,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
        finish: impl FnOnce(&mut Ctx<'_>, T) -> Result<Value, Raise> + Send + 'static,
    ) -> Result<Value, Raise> {
        if !self.vm.scheduler.has_pool() {
            let outcome = self.vm.block_on(work)?;
            return finish(self, outcome);
        }
        self.vm.submit(effect, bytes, false, deferred(work, finish))
    }

    /// Does what no limit can end, such as one long call of a library, on another thread and waits for it: limits and
    /// interrupts end the waiting, and the work is left to its own end. What it holds is the caller's to charge. Where
    /// there are no threads it is done at once.
    ///
    /// # Errors
    /// A limit has been reached, the run was interrupted, or no thread can be started.
    pub fn on_another_thread<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Raise> {
        if cfg!(target_family = "wasm") {
            return Ok(work());
        }
        self.vm.block_on(work)
    }

    /// A promise that a future of the host settles. The engine polls the future on this thread, while the program
    /// waits or when the host drives the engine; what it gives makes the value.
    ///
    /// # Errors
    /// Out of memory.
    pub fn await_future(&mut self, future: HostFuture) -> Result<Value, Raise> {
        let promise = self.vm.heap.promise(PromiseState::External)?;
        self.vm.scheduler.add_future(&self.vm.heap, &promise, future)?;
        Ok(Value::Promise(promise))
    }

    /// Has a function called with what a future of the host gives. Event loops wait for it as for every queued
    /// callback, but not after `shutdown()`; the limits on their number and on the time that they wait do not apply.
    ///
    /// # Errors
    /// Out of memory.
    pub fn call_after(&mut self, future: HostFuture, function: Value) -> Result<(), Raise> {
        self.call_when(future, function, Awaited::UntilShutdown)
    }

    /// The same as [`Ctx::call_after`] for what may never come: no event loop waits for it, nor does the program's end.
    ///
    /// # Errors
    /// Out of memory.
    pub fn call_if(&mut self, future: HostFuture, function: Value) -> Result<(), Raise> {
        self.call_when(future, function, Awaited::Never)
    }

    fn call_when(&mut self, future: HostFuture, function: Value, awaited: Awaited) -> Result<(), Raise> {
        let vm = &mut *self.vm;
        let promise = vm.heap.promise(PromiseState::External)?;
        vm.scheduler.add_future(&vm.heap, &promise, future)?;
        let callback = Callback {
            function,
            on_error: Value::Null,
            promise: promise.clone(),
            awaited,
        };
        let number = vm.scheduler.add_callback(&vm.heap, callback)?;
        vm.enter_callback(number, &promise)
    }

    /// Has blocking work done in the background, pool or none, and gives the promise of its outcome. For what is
    /// asynchronous anyway, such as resolving the name of a host.
    ///
    /// # Errors
    /// Out of memory.
    pub fn in_background<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        finish: impl FnOnce(&mut Ctx<'_>, T) -> Result<Value, Raise> + Send + 'static,
    ) -> Result<Value, Raise> {
        self.vm.submit(Effect::Query, 0, true, deferred(work, finish))
    }
}

/// For built-ins that serve many sources.
impl Ctx<'_> {
    /// A service begins; messages call it by this name.
    pub fn open_event_source(&mut self, service: &'static str) -> std::rc::Rc<EventSource> {
        self.vm.scheduler.open_event_source(service, false)
    }

    /// A service begins that serves beside the program, on a stack of its own ([`Ctx::call_later`]): errors of queued
    /// callbacks are none of its business.
    pub fn open_background_source(&mut self, service: &'static str) -> std::rc::Rc<EventSource> {
        self.vm.scheduler.open_event_source(service, true)
    }

    /// Calls a function with a value on a stack of its own, after everything that is ready now, as a queued callback is
    /// called: an event loop and the program's end wait for it, and an error is reported as one of a callback.
    pub fn call_later(&mut self, function: Value, value: Value) {
        self.vm.spawn_callback(function, value);
    }

    /// What comes before the message of an error that is only reported: file and line where it was raised, if they are
    /// known.
    pub fn place_of(&mut self, raise: &Raise) -> Option<String> {
        let error = raise.0.error.as_ref()?;
        let place = crate::vm::trace_places(error).into_iter().next()?;
        let line = error.line();
        Some(match place.file.base_name() {
            Some(file) => format!("{file}:{line}"),
            None => format!("line {line}"),
        })
    }

    /// How many handles may be opened beside those that are, if there is a limit.
    pub fn handles_left(&self) -> Option<usize> {
        self.vm.handles.left()
    }

    /// The service has ended.
    pub fn close_event_source(&mut self, event_source: &EventSource) {
        // Whoever was made to give up waiting does not wait any more.
        self.vm.wake_service(event_source);
        self.vm.scheduler.close_event_source(event_source);
    }

    /// Where other threads name sources to an event source.
    pub fn sender(&self, event_source: &EventSource) -> Sender {
        self.vm.scheduler.sender(event_source)
    }

    /// Has a service that waits look again.
    pub fn wake_service(&mut self, event_source: &EventSource) {
        self.vm.wake_service(event_source);
    }

    /// What a service's frame answers when it has nothing to do: it is resumed when there is an event or a failure,
    /// when the user has asked to stop more than `stops` times, or at a moment.
    ///
    /// # Errors
    /// Out of memory.
    pub fn await_event(
        &mut self,
        event_source: &EventSource,
        stops: u32,
        until: Option<u64>,
    ) -> Result<Step, Raise> {
        if event_source.has_pending(stops) {
            return Ok(Step::Await(Value::Null));
        }
        if let Some(due) = until {
            self.vm
                .scheduler
                .wake_service_at(&self.vm.heap, event_source, due)?;
        }
        let promise = self.vm.heap.promise(PromiseState::External)?;
        *event_source.waiting.borrow_mut() = Some(promise.clone());
        Ok(Step::Await(Value::Promise(promise)))
    }

    /// What a service's frame answers to let everything else that is ready go first.
    ///
    /// # Errors
    /// Out of memory.
    pub fn yield_to_others(&mut self) -> Result<Step, Raise> {
        self.vm.sleep_promise(0.0).map(Step::Await)
    }

    /// Seconds that a service has to come to an end when the user asks it to.
    pub fn grace(&self) -> f64 {
        self.vm.scheduler.grace
    }
}

/// Work that hands its outcome to a function.
fn deferred<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    finish: impl FnOnce(&mut Ctx<'_>, T) -> Result<Value, Raise> + Send + 'static,
) -> Box<dyn FnOnce() -> Finish + Send> {
    Box::new(move || {
        let outcome = work();
        Box::new(move |ctx| finish(ctx, outcome))
    })
}
