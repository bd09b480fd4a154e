//! The engine's receiver: how other threads reach the interpreter's.
//!
//! Invariants
//! - A message is plain data, or a function over plain data; values never cross threads.
//! - Posting never blocks for longer than a lock is held, and never fails: to an engine that has gone it does nothing.
//! - What was posted before a wait ends that wait at once: no wake-up is lost.
//! - Only an engine that sleeps is woken through the system.
//!
//! Between two engines that answer each other at once, nearly all of a message's time is that of going to sleep and
//! being woken. So a wait looks on for [`SPIN`] before it sleeps, but only where there are several cores and the waits
//! before were short. An engine that waits long never looks on; one that does so in vain, as on a busy machine, sleeps
//! at once the next [`PAUSE`] times. The method is that of Karlin, Li, Manasse and Owicki, "Empirical Studies of
//! Competitive Spinning for a Shared-Memory Multiprocessor" (1991).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::Finish;

/// How long a wait looks on before it sleeps, at most: about what sleeping and being woken takes.
const SPIN: Duration = Duration::from_micros(25);
/// A wait that slept and was shorter than this would have ended while it looked on, or soon after.
const SHORT: Duration = Duration::from_micros(75);
/// Short waits before an engine looks on again that has done so in vain.
const PAUSE: u32 = 16;
/// Looks between two at the clock.
const LOOKS: u32 = 16;

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
    /// Threads that sleep until something changes.
    sleepers: usize,
    /// The engine has gone.
    closed: bool,
    /// Who drives the engine from an event loop of the host, and is told of messages.
    driver: Option<std::task::Waker>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether there are messages, to be asked without the lock.
    full: AtomicBool,
    /// Someone wants the waiting to end, without a message. Set and cleared under the lock.
    woken: AtomicBool,
    /// How many short waits there have to be before the next one looks on first.
    pause: AtomicU32,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            full: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            pause: AtomicU32::new(1),
        }
    }
}

impl Shared {
    /// Tells whoever sleeps, and whoever drives the engine, that something has changed.
    fn notify(&self, mut state: MutexGuard<'_, State>) {
        let driver = state.driver.take();
        let is_asleep = state.sleepers > 0;
        // The lock is free when the sleeper wants it.
        drop(state);
        if is_asleep {
            self.changed.notify_all();
        }
        if let Some(driver) = driver {
            driver.wake();
        }
    }
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
            self.0.notify(state);
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
        let state = self.0.lock();
        self.0.0.woken.store(true, Ordering::Release);
        self.0.0.notify(state);
    }

    /// Whether a wait would end at once: the waker is woken or, with `messages`, there is a message.
    pub fn is_woken(&self, messages: bool) -> bool {
        let state = self.0.lock();
        self.0.0.woken.load(Ordering::Acquire) || messages && !state.messages.is_empty()
    }

    /// Blocks this thread until the waker is woken, `timeout` has passed, or, with `messages`, there is a message.
    pub fn wait(&self, timeout: Option<Duration>, messages: bool) {
        if !has_cores() {
            self.sleep(
                timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
                messages,
            );
            return;
        }
        let begun = Instant::now();
        let end = timeout.and_then(|timeout| begun.checked_add(timeout));
        let pause = &self.0.0.pause;
        let left = pause.load(Ordering::Relaxed);
        if left > 0 {
            self.sleep(end, messages);
            let is_short = begun.elapsed() < SHORT;
            pause.store(if is_short { left - 1 } else { left.max(1) }, Ordering::Relaxed);
            return;
        }
        let spin = begun + SPIN;
        if !self.look_on(end.map_or(spin, |end| end.min(spin)), messages) {
            pause.store(PAUSE, Ordering::Relaxed);
        }
        self.sleep(end, messages);
    }

    /// Looks, until a moment, whether something has come that ends a wait.
    fn look_on(&self, end: Instant, messages: bool) -> bool {
        let shared = &self.0.0;
        loop {
            for _ in 0..LOOKS {
                if shared.woken.load(Ordering::Acquire) || messages && shared.full.load(Ordering::Acquire) {
                    return true;
                }
                std::hint::spin_loop();
            }
            if Instant::now() >= end {
                return false;
            }
        }
    }

    /// Sleeps until something has come that ends a wait, or until a moment.
    fn sleep(&self, end: Option<Instant>, messages: bool) {
        let mut state = self.0.lock();
        loop {
            if self.0.0.woken.swap(false, Ordering::Acquire) || messages && !state.messages.is_empty() {
                return;
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return;
            }
            let changed = &self.0.0.changed;
            state.sleepers += 1;
            state = match left {
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
            state.sleepers -= 1;
        }
    }
}

/// Whether another thread can do something while this one looks on.
fn has_cores() -> bool {
    static CORES: OnceLock<bool> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().is_ok_and(|cores| cores.get() > 1))
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
    fn engines_that_answer_each_other_miss_no_message() {
        let (near, far) = (Receiver::default(), Receiver::default());
        let answers = (near.clone(), far.clone());
        let answering = std::thread::spawn(move || {
            let (near, far) = answers;
            let mut taken = Vec::new();
            while taken.len() < 20_000 {
                far.waker().wait(None, true);
                far.take(&mut taken);
                near.post(Message::Poll(taken.len() as u64));
                // Some are late, so that each finds the other asleep now and then.
                if taken.len() % 500 == 0 {
                    std::thread::sleep(SPIN + SHORT);
                }
            }
        });
        let mut taken = Vec::new();
        for turn in 1..=20_000 {
            far.post(Message::Poll(turn));
            near.waker().wait(None, true);
            near.take(&mut taken);
            assert!(matches!(taken.pop(), Some(Message::Poll(answer)) if answer == turn));
            if turn % 700 == 0 {
                std::thread::sleep(SPIN + SHORT);
            }
        }
        answering.join().unwrap();
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
