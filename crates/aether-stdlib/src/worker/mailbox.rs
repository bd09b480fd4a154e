//! Mailboxes: where messages to one side of a worker wait.
//!
//! Invariants
//! - Posting never waits. What waits is bounded by bytes: a message that does not fit is refused.
//! - A message is taken once, and in the order of posting.
//! - After closing nothing is posted; what waits is still taken, unless it is discarded.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use aether_value::Message;

/// Where messages wait.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<State>);

#[derive(Default)]
struct State {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    /// The most bytes that may wait; none for no limit.
    limit: Option<usize>,
    closed: bool,
    wakers: Vec<Waker>,
}

/// Why a message was not posted.
pub(super) enum Refused {
    /// Nobody takes messages any more.
    Closed,
    /// So many bytes wait, of so many that may.
    Full { waiting: usize, limit: usize },
}

impl Mailbox {
    pub(super) fn new(limit: Option<usize>) -> Arc<Self> {
        let state = State {
            limit,
            ..State::default()
        };
        Arc::new(Self(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        for waker in wakers {
            waker.wake();
        }
    }

    /// Leaves a message.
    pub(super) fn post(&self, message: Message) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        let size = message.size().max(message.built_size());
        if let Some(limit) = state.limit
            && state.bytes.saturating_add(size) > limit
        {
            let waiting = state.bytes;
            return Err(Refused::Full { waiting, limit });
        }
        state.bytes += size;
        state.messages.push_back(Arc::new(message));
        Self::wake(state);
        Ok(())
    }

    /// Takes the next message, if one waits.
    pub(super) fn take(&self) -> Option<Arc<Message>> {
        let mut state = self.lock();
        let message = state.messages.pop_front()?;
        state.bytes -= message.size().max(message.built_size());
        Some(message)
    }

    /// Whether nothing comes any more, and nothing waits.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.closed && state.messages.is_empty()
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    /// Nothing is posted from now on.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        Self::wake(state);
    }

    /// Nobody takes messages any more: those that wait go.
    pub(super) fn discard(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.messages);
        state.bytes = 0;
        Self::wake(state);
        drop(waiting);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until a message waits, or none comes any more.
    pub(super) async fn ready(self: Arc<Self>) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.closed || !state.messages.is_empty() {
                return Poll::Ready(());
            }
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The next message when it comes; none at the end.
    pub(super) async fn next(self: Arc<Self>) -> Option<Arc<Message>> {
        poll_fn(|context| {
            if let Some(message) = self.take() {
                return Poll::Ready(Some(message));
            }
            let mut state = self.lock();
            if !state.messages.is_empty() {
                // It has come in between.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if state.closed {
                return Poll::Ready(None);
            }
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
