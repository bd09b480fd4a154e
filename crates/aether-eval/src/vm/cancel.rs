//! Coroutines that go on by themselves, and cancelling them.
//!
//! Cancelling a promise whose body runs has what the body awaits cancelled first, down to what nothing inside the
//! program settles; from there the error comes back up, through every `finally`. A coroutine that was cancelled keeps
//! the error: its next `await` raises it again, unless a `finally` block or deferred code is being run.
//!
//! Invariants
//! - A result that was there before the cancellation is handed over: what has been sent, or a lock that has been
//!   granted, is not lost.
//! - What others wait for too is not cancelled: the coroutine only stops waiting for it.
//! - Chains of awaiting of any length are cancelled without recursion.
#![expect(unsafe_code, reason = "reads the position of parked coroutines")]

use aether_value::{
    Array, Coroutine, ErrorKind, ErrorObject, Promise, PromiseState, Raise, Raw, Rc, Value, display_text,
};

use super::Vm;
use super::task::{Runnable, parked};
use super::unwind::{Frames, Runs};
use super::wait::{as_join, is_same};

/// Whether any frame of a walk cleans up: a function at a `finally` block or at deferred code, or a built-in that says so.
fn cleans_up(mut frames: Frames<'_>) -> bool {
    frames.any(|(_, runs)| match runs {
        Runs::Code(code, word) => code
            .cleanups
            .iter()
            .any(|&(start, end)| start <= word && word < end),
        Runs::Builtin(def) => def.cleans_up,
        Runs::Nothing => false,
    })
}

impl Vm {
    // --- coroutines that go on by themselves ---

    /// Begins a call whose promise is settled whether or not somebody waits. It runs before everything that is ready.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn spawn(&mut self, function: Value, args: &[Value]) -> Result<Rc<Promise>, Raise> {
        let promise = self.heap.promise(PromiseState::Running)?;
        promise.set_detached();
        let closure = self.stub(args.len() as u16, true)?;
        let mut values = vec![function];
        values.extend_from_slice(args);
        let coroutine = self.new_coroutine(&closure, &values)?;
        coroutine.uncounted.set(1);
        coroutine.set_promise(Raw::from_rc(promise.clone()));
        promise.set_body(coroutine.clone());
        self.scheduler.detached += 1;
        self.ready.push_front(Runnable::Coroutine {
            coroutine,
            cause: Value::Null,
            promise: promise.clone(),
        });
        Ok(promise)
    }

    /// Lets what was begun last run first, for the built-in frame at `window`, which goes on when that waits or ends. The
    /// coroutine has been saved and must be parked.
    ///
    /// # Safety
    /// `window` is the innermost frame's, and what was begun is the first that is ready.
    pub(super) unsafe fn switch_in_builtin(&mut self, window: *mut u8) -> Result<(), Raise> {
        let Some(current) = self.current.clone() else {
            return Ok(());
        };
        let turn = match self.heap.promise(PromiseState::Fulfilled(Value::Null)) {
            Ok(turn) => turn,
            Err(raise) => {
                // Whoever began it is told that it has not.
                if let Some(Runnable::Coroutine { promise, .. }) = self.ready.front() {
                    let begun = promise.clone();
                    self.give_up(&begun);
                }
                return Err(raise);
            }
        };
        current.set_awaiting(Raw::from_rc(turn.clone()));
        self.base = window;
        // SAFETY: the caller's promise.
        unsafe { self.save(parked::BUILTIN, window) };
        let place = self.ready.len().min(1);
        self.ready.insert(
            place,
            Runnable::Coroutine {
                coroutine: current,
                cause: Value::Promise(turn.clone()),
                promise: turn,
            },
        );
        Ok(())
    }

    /// Whether the current coroutine goes on by itself.
    pub(crate) fn in_detached(&self) -> bool {
        let Some(current) = &self.current else {
            return false;
        };
        // SAFETY: the coroutine owns a count of its promise.
        match unsafe { current.promise().clone_value() } {
            Value::Promise(promise) => promise.is_detached(),
            _ => false,
        }
    }

    /// A body has ended: if it went on by itself, the event loops may have nothing left to wait for.
    pub(super) fn detached_ended(&mut self, promise: &Promise) {
        if promise.is_detached() {
            self.scheduler.detached -= 1;
            self.wake_event_loops();
        }
    }

    // --- failures that nobody asked for ---

    /// Somebody asks for the outcome of a value: of a promise, from now on, a failure does not pass unseen.
    pub(crate) fn demanded(value: &Value) {
        if let Value::Promise(promise) = value {
            promise.set_demanded();
        }
    }

    // --- cancelling ---

    /// Cancels a promise; false if it has an outcome or was cancelled before.
    ///
    /// # Errors
    /// Out of memory; what making the text of the reason raises.
    pub(crate) fn cancel(&mut self, promise: &Rc<Promise>, reason: &Value) -> Result<bool, Raise> {
        if !promise.is_pending() || promise.is_cancelled() {
            return Ok(false);
        }
        let message = match reason {
            Value::Null => "Promise cancelled".to_owned(),
            reason => format!(
                "Promise cancelled: {}",
                display_text(&self.heap, reason)?.as_str()
            ),
        };
        let message = self.heap.string(&message)?;
        let error = self
            .heap
            .error_parts(ErrorKind::Cancelled, message, reason.clone())?;
        let mut work = 0;
        let mut targets = vec![promise.clone()];
        while let Some(target) = targets.pop() {
            work += 1;
            if !target.is_pending() || target.is_cancelled() {
                continue;
            }
            target.set_cancelled();
            let body = match target.state() {
                PromiseState::Running => target.body(),
                _ => None,
            };
            if let Some(body) = body {
                body.set_cancelled(Raw::from_rc(error.clone()));
                work += self.interrupt_waiting(&body, &target, &error, &mut targets);
            } else {
                self.scheduler.abandon(&self.heap, &target);
                self.settle(&target, PromiseState::Rejected(error.clone()));
            }
        }
        self.tick(work)?;
        Ok(true)
    }

    /// Gives up what has been spawned and has not begun: it never runs.
    pub(crate) fn give_up(&mut self, promise: &Rc<Promise>) {
        if let Some(body) = promise.body()
            && body.status.get() == parked::NEW
        {
            body.status.set(parked::NO);
            self.detached_ended(promise);
            self.settle(promise, PromiseState::Fulfilled(Value::Null));
        }
    }

    /// A parked coroutine waits no longer: what it awaits is to be cancelled, or, if others wait for that too, left.
    /// Answers how many promises were looked at.
    fn interrupt_waiting(
        &mut self,
        body: &Rc<Coroutine>,
        own: &Rc<Promise>,
        error: &Rc<ErrorObject>,
        targets: &mut Vec<Rc<Promise>>,
    ) -> usize {
        match body.status.get() {
            // It runs: its next await raises.
            parked::NO => return 0,
            parked::NEW => {
                body.status.set(parked::NO);
                self.detached_ended(own);
                self.settle(own, PromiseState::Rejected(error.clone()));
                return 0;
            }
            _ => {}
        }
        if Self::is_cleaning_up(body) {
            return 0;
        }
        let awaiting = body.awaiting();
        // SAFETY: the coroutine owns a count of what it awaits.
        let awaited = unsafe { awaiting.clone_value() };
        match &awaited {
            Value::Promise(promise) if promise.is_pending() && !promise.is_cancelled() => {
                if promise.waiters_len() == 1 {
                    targets.push(promise.clone());
                } else {
                    self.remove_from_waiters(promise, &Value::Coroutine(body.clone()));
                    self.ready.push_back(Runnable::Coroutine {
                        coroutine: body.clone(),
                        cause: awaited.clone(),
                        promise: promise.clone(),
                    });
                }
                1
            }
            Value::Array(promises) => self.interrupt_join(body, promises, targets),
            _ => 0,
        }
    }

    /// The same for a coroutine that waits for several.
    fn interrupt_join(
        &mut self,
        body: &Rc<Coroutine>,
        promises: &Rc<Array>,
        targets: &mut Vec<Rc<Promise>>,
    ) -> usize {
        let mut cause = None;
        let mut last = None;
        let cancelled = targets.len();
        for at in 0..promises.len() {
            let Some(Value::Promise(promise)) = promises.get_value(at) else {
                continue;
            };
            if !promise.is_pending() {
                continue;
            }
            let is_own = |waiter: &Value| as_join(waiter).is_some_and(|join| join.is_of(body));
            let Some(join) = promise.find_waiter(is_own) else {
                continue;
            };
            if promise.waiters_are_all(|waiter| is_same(waiter, &join)) {
                if !promise.is_cancelled() {
                    targets.push(promise.clone());
                }
            } else {
                while self.remove_from_waiters(&promise, &join) {
                    if let Some(join) = as_join(&join) {
                        join.leave_one();
                    }
                }
                last = Some(promise);
            }
            cause = Some(join);
        }
        // They are taken from the end.
        targets[cancelled..].reverse();
        if let (Some(cause), Some(promise)) = (cause, last)
            && targets.len() == cancelled
            && let Some(coroutine) = as_join(&cause).and_then(super::wait::Join::take)
        {
            self.ready.push_back(Runnable::Coroutine {
                coroutine,
                cause,
                promise,
            });
        }
        promises.len()
    }

    /// Whether a parked coroutine is at something that is not interrupted.
    pub(super) fn is_cleaning_up(body: &Coroutine) -> bool {
        let registers = body.registers().cast::<u8>();
        // SAFETY: a parked coroutine's position lies within its own memory.
        let frames = unsafe {
            let base = registers.add(body.base.get() as usize);
            let record = body.frames().add(body.depth.get() as usize);
            Frames::new(body.ip.get(), base, record, registers, body)
        };
        cleans_up(frames)
    }

    /// The current coroutine is about to wait, in the frame at `base`.
    ///
    /// # Errors
    /// It was cancelled, and does not clean up.
    ///
    /// # Safety
    /// `base` is the innermost frame's.
    pub(super) unsafe fn check_cancelled(&self, base: *mut u8) -> Result<(), Raise> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let Some(raise) = cancellation(current) else {
            return Ok(());
        };
        // SAFETY: the caller's promise.
        let frames = unsafe { Frames::new(self.ip, base, self.fp, self.registers, current) };
        if cleans_up(frames) { Ok(()) } else { Err(raise) }
    }

    /// Whether the current coroutine was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.cancelled().is_counted())
    }

    /// What a promise is settled with whose body has ended like this.
    pub(super) fn ended_state(
        &self,
        ended: &Coroutine,
        result: Result<Value, Raise>,
    ) -> Result<PromiseState, Raise> {
        let result = match cancellation(ended) {
            Some(cancelled) => match result {
                Err(raise) if raise.kind() != ErrorKind::Cancelled => Err(raise),
                Ok(_) | Err(_) => Err(cancelled),
            },
            None => result,
        };
        Ok(match result {
            Ok(value) => PromiseState::Fulfilled(value),
            Err(mut raise) => PromiseState::Rejected(match raise.0.error.take() {
                Some(error) => error,
                None => self.heap.error(raise)?,
            }),
        })
    }
}

/// The error with which a coroutine was cancelled.
pub(super) fn cancellation(coroutine: &Coroutine) -> Option<Raise> {
    let error = coroutine.cancelled();
    // SAFETY: the coroutine owns a count of it.
    match unsafe { error.clone_value() } {
        Value::Error(error) => Some(Raise::again(error)),
        _ => None,
    }
}
