//! State that other threads change and that futures on the interpreter's thread wait for.
//!
//! Invariant: whoever waits is woken after each change, when the lock has been given back.
#![allow(dead_code, reason = "which are used depends on the features")]

use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use aether_eval::{Ctx, HostFinish, Step};
use aether_value::{Raise, Value};

/// The state, behind a lock.
#[derive(Default)]
pub(crate) struct Awaited<S>(Mutex<Locked<S>>);

/// What the lock gives: the state, with those who wait for it to change.
#[derive(Default)]
pub(crate) struct Locked<S> {
    state: S,
    /// Those who wait, each with the number of its wait.
    wakers: Vec<(u64, Waker)>,
    /// Waits so far.
    waits: u64,
}

impl<S> Deref for Locked<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S> DerefMut for Locked<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

impl<S> Awaited<S> {
    pub(crate) fn new(state: S) -> Self {
        Self(Mutex::new(Locked {
            state,
            wakers: Vec::new(),
            waits: 0,
        }))
    }

    /// The state as it is. Changes that somebody may wait for end with [`Awaited::wake`].
    pub(crate) fn lock(&self) -> MutexGuard<'_, Locked<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the lock back, and has those who wait look again.
    pub(crate) fn wake(mut locked: MutexGuard<'_, Locked<S>>) {
        let wakers = std::mem::take(&mut locked.wakers);
        drop(locked);
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    /// Changes the state, and has those who wait look again.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut S) -> R) -> R {
        let mut locked = self.lock();
        let result = change(&mut locked);
        Self::wake(locked);
        result
    }

    /// Waits until `look` finds something, which it may take out of the state. A wait that is given up leaves nothing.
    pub(crate) async fn find<R>(&self, mut look: impl FnMut(&mut S) -> Option<R>) -> R {
        let mut wait = Wait {
            awaited: self,
            number: None,
        };
        poll_fn(|context| {
            let mut locked = self.lock();
            if let Some(found) = look(&mut locked) {
                return Poll::Ready(found);
            }
            let waker = context.waker();
            let known = locked
                .wakers
                .iter_mut()
                .find(|(number, _)| Some(*number) == wait.number);
            if let Some((_, known)) = known {
                known.clone_from(waker);
            } else {
                locked.waits += 1;
                let number = locked.waits;
                locked.wakers.push((number, waker.clone()));
                wait.number = Some(number);
            }
            Poll::Pending
        })
        .await
    }
}

/// A wait: whoever ends it takes its waker away.
struct Wait<'a, S> {
    awaited: &'a Awaited<S>,
    /// The number under which its waker was entered last.
    number: Option<u64>,
}

impl<S> Drop for Wait<'_, S> {
    fn drop(&mut self) {
        if let Some(ended) = self.number {
            self.awaited.lock().wakers.retain(|&(number, _)| number != ended);
        }
    }
}

/// Something that comes once.
impl<T> Awaited<Option<T>> {
    /// It has come, unless it had before.
    pub(crate) fn set(&self, value: T) {
        self.change(|state| {
            state.get_or_insert(value);
        });
    }
}

/// What a frame answers to be resumed, with null, when a future has ended.
///
/// # Errors
/// Out of memory.
pub(crate) fn resume_after(
    ctx: &mut Ctx<'_>,
    future: impl Future<Output = ()> + 'static,
) -> Result<Step, Raise> {
    let promise = ctx.await_future(Box::pin(async move {
        future.await;
        let finish: HostFinish = Box::new(|_| Ok(Value::Null));
        finish
    }))?;
    Ok(Step::Await(promise))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::Awaited;

    #[test]
    fn a_wait_that_is_given_up_leaves_nothing() {
        let awaited = Awaited::<Option<i32>>::default();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut kept = pin!(awaited.find(Option::take));
            let mut given_up = Box::pin(awaited.find(Option::take));
            for _ in 0..2 {
                assert!(kept.as_mut().poll(&mut context).is_pending());
                assert!(given_up.as_mut().poll(&mut context).is_pending());
            }
            assert_eq!(awaited.lock().wakers.len(), 2);
            drop(given_up);
            assert_eq!(awaited.lock().wakers.len(), 1);
            awaited.set(1);
            assert_eq!(kept.as_mut().poll(&mut context), Poll::Ready(1));
            assert_eq!(awaited.lock().wakers.len(), 0);
        }
    }
}
