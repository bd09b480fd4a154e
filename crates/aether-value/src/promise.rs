//! Promises: the result of an async call, now or later.
#![expect(unsafe_code, reason = "declares the layout")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::exclusive::Exclusive;
use crate::heap::Visitor;
use crate::{Array, Closure, Coroutine, ErrorObject, Header, Heap, Object, Raise, Rc, Value, tag};

/// How far a promise is.
#[derive(Clone, Debug)]
pub enum PromiseState {
    /// An async call whose body has not begun.
    Unstarted {
        /// The function.
        function: Rc<Closure>,
        /// Its arguments.
        args: Rc<Array>,
    },
    /// The same, of a function that has bound its parameters: the stack on which the body goes on.
    Bound(Rc<Coroutine>),
    /// The body runs or is parked.
    Running,
    /// Done.
    Fulfilled(Value),
    /// Failed.
    Rejected(Rc<ErrorObject>),
    /// Something outside the script settles it.
    External,
}

/// A promise.
#[repr(C)]
pub struct Promise {
    header: Header,
    state: Exclusive<PromiseState>,
    waiters: Exclusive<Vec<Value>>,
    /// The stack that settles it, while that runs or is parked: whoever can cancel the promise can make the stack go on.
    body: Cell<Option<Rc<Coroutine>>>,
    marks: Cell<u8>,
}

/// What has been done with a promise, one bit each.
mod mark {
    /// Somebody has asked for the outcome.
    pub(super) const DEMANDED: u8 = 1;
    /// It has been cancelled, though its body may not have ended.
    pub(super) const CANCELLED: u8 = 2;
    /// Its body goes on whether or not somebody waits.
    pub(super) const DETACHED: u8 = 4;
    /// A timer settles it.
    pub(super) const TIMED: u8 = 8;
}

// SAFETY: repr(C), header first, made by `Heap::promise` only.
unsafe impl Object for Promise {}

impl Promise {
    /// How far it is, as a copy.
    pub fn state(&self) -> PromiseState {
        self.state.with(|state| state.clone())
    }

    /// Puts another state in the place of the present one.
    pub fn replace_state(&self, state: PromiseState) -> PromiseState {
        self.header.touch();
        if !matches!(state, PromiseState::Running) {
            drop(self.body.take());
        }
        self.state.replace(state)
    }

    /// The outcome, once there is one.
    pub fn settled(&self) -> Option<Result<Value, Rc<ErrorObject>>> {
        self.state.with(|state| match state {
            PromiseState::Fulfilled(value) => Some(Ok(value.clone())),
            PromiseState::Rejected(error) => Some(Err(error.clone())),
            PromiseState::Unstarted { .. }
            | PromiseState::Bound(_)
            | PromiseState::Running
            | PromiseState::External => None,
        })
    }

    /// Whether there is no outcome yet.
    pub fn is_pending(&self) -> bool {
        self.state.with(|state| {
            matches!(
                state,
                PromiseState::Unstarted { .. }
                    | PromiseState::Bound(_)
                    | PromiseState::Running
                    | PromiseState::External
            )
        })
    }

    /// Adds someone who waits for the outcome: a stack, a callback.
    ///
    /// # Errors
    /// Out of memory.
    pub fn add_waiter(&self, waiter: Value) -> Result<(), Raise> {
        let heap = Heap::of(self);
        let growth = self.waiters.with(|waiters| {
            let full = waiters.len() == waiters.capacity();
            if full { waiters.len().max(1) } else { 0 }
        });
        if growth > 0 {
            let growth = heap.charge_growth(size_of::<Value>(), growth, 1)?;
            let bytes = growth * size_of::<Value>();
            let grown = self
                .waiters
                .with(|waiters| waiters.try_reserve_exact(growth).is_ok());
            if !grown {
                heap.discharge(bytes);
                return Err(heap.out_of_memory(bytes));
            }
        }
        self.waiters.with(|waiters| waiters.push(waiter));
        Ok(())
    }

    /// Bytes that those who wait take.
    pub(crate) fn waiters_bytes(&self) -> usize {
        self.waiters
            .with(|waiters| waiters.capacity() * size_of::<Value>())
    }

    /// Takes all who wait, in order.
    pub fn take_waiters(&self) -> Vec<Value> {
        self.header.touch();
        let waiters = self.waiters.take();
        Heap::of(self).discharge(waiters.capacity() * size_of::<Value>());
        waiters
    }

    /// Whether something outside the script is to settle it, and has not yet.
    pub fn is_external(&self) -> bool {
        self.state.with(|state| matches!(state, PromiseState::External))
    }

    /// Removes the last one among those who wait that `is_it` picks; answers whether there was one. The search begins
    /// with whoever came last.
    pub fn remove_waiter(&self, is_it: impl Fn(&Value) -> bool) -> bool {
        self.header.touch();
        let removed = self.waiters.with(|waiters| {
            let at = waiters.iter().rposition(is_it)?;
            Some(waiters.remove(at))
        });
        removed.is_some()
    }

    /// The first one among those who wait that `is_it` picks.
    pub fn find_waiter(&self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        self.waiters
            .with(|waiters| waiters.iter().find(|waiter| is_it(waiter)).cloned())
    }

    /// Whether `is_it` picks all who wait.
    pub fn waiters_are_all(&self, is_it: impl Fn(&Value) -> bool) -> bool {
        self.waiters.with(|waiters| waiters.iter().all(is_it))
    }

    /// Number of those who wait.
    pub fn waiters_len(&self) -> usize {
        self.waiters.with(|waiters| waiters.len())
    }

    /// The stack that settles it, if one runs or is parked.
    pub fn body(&self) -> Option<Rc<Coroutine>> {
        let body = self.body.take();
        self.body.set(body.clone());
        body
    }

    /// Gives it the stack that settles it.
    pub fn set_body(&self, body: Rc<Coroutine>) {
        drop(self.body.replace(Some(body)));
    }

    fn has_mark(&self, mark: u8) -> bool {
        self.marks.get() & mark != 0
    }

    fn add_mark(&self, mark: u8) {
        self.marks.set(self.marks.get() | mark);
    }

    /// Whether somebody has asked for the outcome, so that a failure does not pass unseen.
    pub fn is_demanded(&self) -> bool {
        self.has_mark(mark::DEMANDED)
    }

    /// Somebody asks for the outcome.
    pub fn set_demanded(&self) {
        self.add_mark(mark::DEMANDED);
    }

    /// Whether it was cancelled; its body may still be at its `finally` blocks.
    pub fn is_cancelled(&self) -> bool {
        self.has_mark(mark::CANCELLED)
    }

    /// It has been cancelled.
    pub fn set_cancelled(&self) {
        self.add_mark(mark::CANCELLED);
    }

    /// Whether its body goes on by itself, as what I/O promises stand for does.
    pub fn is_detached(&self) -> bool {
        self.has_mark(mark::DETACHED)
    }

    /// Its body goes on by itself from now on.
    pub fn set_detached(&self) {
        self.add_mark(mark::DETACHED);
    }

    /// Nobody is to wait for its body any more.
    pub fn clear_detached(&self) {
        self.marks.set(self.marks.get() & !mark::DETACHED);
    }

    /// Whether a timer settles it.
    pub fn is_timed(&self) -> bool {
        self.has_mark(mark::TIMED)
    }

    /// A timer settles it.
    pub fn set_timed(&self) {
        self.add_mark(mark::TIMED);
    }

    /// The word that scripts see for how far it is.
    pub fn status(&self) -> &'static str {
        if self.is_cancelled() {
            return "cancelled";
        }
        self.state.with(|state| match state {
            PromiseState::Fulfilled(_) => "fulfilled",
            PromiseState::Rejected(error) if error.kind() == crate::ErrorKind::Cancelled => "cancelled",
            PromiseState::Rejected(_) => "rejected",
            PromiseState::Unstarted { .. }
            | PromiseState::Bound(_)
            | PromiseState::Running
            | PromiseState::External => "pending",
        })
    }

    /// Whether someone waits.
    pub fn has_waiters(&self) -> bool {
        self.waiters.with(|waiters| !waiters.is_empty())
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        self.state.with(|state| match state {
            PromiseState::Unstarted { function, args } => {
                visitor.rc(function);
                visitor.rc(args);
            }
            PromiseState::Bound(stack) => visitor.rc(stack),
            PromiseState::Running => {}
            PromiseState::Fulfilled(value) => visitor.value(value),
            PromiseState::Rejected(error) => visitor.rc(error),
            PromiseState::External => {}
        });
        let body = self.body.take();
        if let Some(body) = &body {
            visitor.rc(body);
        }
        self.body.set(body);
        self.waiters.with(|waiters| {
            for waiter in waiters.iter() {
                visitor.value(waiter);
            }
        });
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        drop(self.take_waiters());
    }
}

impl Heap {
    /// A new promise.
    ///
    /// # Errors
    /// Out of memory.
    pub fn promise(&self, state: PromiseState) -> Result<Rc<Promise>, Raise> {
        self.object(tag::PROMISE, |header| Promise {
            header,
            state: Exclusive::new(state),
            waiters: Exclusive::new(Vec::new()),
            body: Cell::new(None),
            marks: Cell::new(0),
        })
    }
}
