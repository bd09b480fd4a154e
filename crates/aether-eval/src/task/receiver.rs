//! The engine's receiver: how other threads reach the interpreter's.
//!
//! Invariants
//! - A message is plain data, or a function over plain data; values never cross threads.
//! - Posting never blocks for longer than a lock is held, and never fails: to an engine that has gone it does nothing.
//! - What was posted before a wait ends that wait at once: no wake-up is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Finish;

/// What another thread has to say.
pub(crate) enum Message {
    /// A job is done; the function makes its value.
    Done(u64, Finish),
    /// A future of the host wants to be polled.
    Poll(u64),
    /// Something has happened to a source that an event source listens to.
    Event {
        /// The event source.
        event_source: u64,
        /// The source, as the event source's owner counts.
        source: u64,
    },
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    /// Someone wants the waiting to end, without a message.
    woken: bool,
    /// The engine has gone.
    closed: bool,
    /// Who drives the engine from an event loop of the host, and is told of messages.
    driver: Option<std::task::Waker>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether there are messages, to be asked without the lock.
    full: AtomicBool,
}

/// The receiving end of one engine, and whoever posts to it.
#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<Shared>);

/// Ends an engine's waiting from any thread.
#[derive(Clone)]
pub struct Waker(Receiver);

/// What an engine waits for, as [`Host::wait`](crate::Host::wait) is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The moment at which it wants to go on, as [`Host::monotonic`](crate::Host::monotonic) counts; none for never.
    pub until: Option<u64>,
    /// Whether a message ends the wait.
    pub messages: bool,
    /// Whether jobs are out whose end is a message.
    pub jobs: bool,
    /// Whether a message may come from the network, or of a future, at any time.
    pub network: bool,
}

impl Receiver {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that died while it held the lock left the list whole: pushing is its last act.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a message.
    pub(crate) fn post(&self, message: Message) {
        let mut state = self.lock();
        if !state.closed {
            state.messages.push(message);
            self.0.full.store(true, Ordering::Release);
            self.0.changed.notify_one();
            let driver = state.driver.take();
            drop(state);
            if let Some(driver) = driver {
                driver.wake();
            }
        }
    }

    /// Moves every message into `into`.
    pub(crate) fn take(&self, into: &mut Vec<Message>) {
        if self.0.full.swap(false, Ordering::Acquire) {
            into.append(&mut self.lock().messages);
        }
    }

    /// Has the next message, or the next wake, wake whoever drives the engine; true if there is one already.
    pub(crate) fn tell(&self, driver: &std::task::Waker) -> bool {
        let mut state = self.lock();
        state.driver = Some(driver.clone());
        !state.messages.is_empty()
    }

    /// Nobody listens any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let messages = std::mem::take(&mut state.messages);
        drop(state);
        drop(messages);
    }

    /// The waker of this engine.
    pub(crate) fn waker(&self) -> Waker {
        Waker(self.clone())
    }
}

impl Waker {
    /// Ends the present wait, or the next one if there is none.
    pub fn wake(&self) {
        let mut state = self.0.lock();
        state.woken = true;
        let driver = state.driver.take();
        drop(state);
        self.0.0.changed.notify_all();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Whether a wait would end at once: the waker is woken or, with `messages`, there is a message.
    pub fn is_woken(&self, messages: bool) -> bool {
        let state = self.0.lock();
        state.woken || messages && !state.messages.is_empty()
    }

    /// Blocks this thread until the waker is woken, `timeout` has passed, or, with `messages`, there is a message.
    pub fn wait(&self, timeout: Option<Duration>, messages: bool) {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.0.lock();
        loop {
            if std::mem::take(&mut state.woken) || messages && !state.messages.is_empty() {
                return;
            }
            let changed = &self.0.0.changed;
            state = match end {
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_the_wait_ends_it() {
        let waker = Receiver::default().waker();
        waker.wake();
        waker.wait(None, false);
        let begun = Instant::now();
        waker.wait(Some(Duration::from_millis(5)), true);
        assert!(begun.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn messages_end_only_the_waits_that_ask_for_them() {
        let receiver = Receiver::default();
        receiver.post(Message::Done(7, Box::new(|_| Ok(aether_value::Value::Null))));
        receiver.waker().wait(Some(Duration::from_millis(1)), false);
        receiver.waker().wait(None, true);
        let mut messages = Vec::new();
        receiver.take(&mut messages);
        assert!(matches!(messages.as_slice(), [Message::Done(7, _)]));
        receiver.take(&mut messages);
        assert_eq!(messages.len(), 1);
    }

    #[test]
    fn a_closed_receiver_takes_nothing() {
        let receiver = Receiver::default();
        receiver.close();
        receiver.post(Message::Done(1, Box::new(|_| Ok(aether_value::Value::Null))));
        let mut messages = Vec::new();
        receiver.take(&mut messages);
        assert!(messages.is_empty());
    }
}
