//! Promises: the result of an async call, now or later.
#![expect(unsafe_code, reason = "declares the layout")]

use std::ptr::NonNull;

use crate::exclusive::Exclusive;
use crate::heap::Visitor;
use crate::{Array, Closure, ErrorObject, Header, Heap, Object, Raise, Rc, Value, tag};

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
    /// The body runs or is parked; whatever it waits for holds its stack.
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
        self.state.replace(state)
    }

    /// The outcome, once there is one.
    pub fn settled(&self) -> Option<Result<Value, Rc<ErrorObject>>> {
        self.state.with(|state| match state {
            PromiseState::Fulfilled(value) => Some(Ok(value.clone())),
            PromiseState::Rejected(error) => Some(Err(error.clone())),
            PromiseState::Unstarted { .. } | PromiseState::Running | PromiseState::External => None,
        })
    }

    /// Whether there is no outcome yet.
    pub fn is_pending(&self) -> bool {
        self.state.with(|state| {
            matches!(
                state,
                PromiseState::Unstarted { .. } | PromiseState::Running | PromiseState::External
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
            PromiseState::Running => {}
            PromiseState::Fulfilled(value) => visitor.value(value),
            PromiseState::Rejected(error) => visitor.rc(error),
            PromiseState::External => {}
        });
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
        })
    }
}
