//! Mailboxes: where messages to one side of a worker wait.
//!
//! Invariants
//! - Posting never waits. What waits is bounded by bytes: a message that does not fit is refused.
//! - A message is taken once, and in the order of posting. One of which no value could be made is put back.
//! - After closing nothing is posted; what waits is still taken, unless it is discarded.

use std::collections::VecDeque;
use std::sync::Arc;

use aether_value::Message;

use crate::awaited::Awaited;

/// Where messages wait.
#[derive(Default)]
pub(super) struct Mailbox(Awaited<State>);

#[derive(Default)]
struct State {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    /// The most bytes that may wait; none for no limit.
    limit: Option<usize>,
    closed: bool,
}

/// Why a message was not posted.
pub(super) enum Refused {
    /// Nobody takes messages any more.
    Closed,
    /// It has so many bytes, and so many wait, of so many that may.
    Full {
        size: usize,
        waiting: usize,
        limit: usize,
    },
}

impl State {
    fn take(&mut self) -> Option<Arc<Message>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.size().max(message.built_size());
        Some(message)
    }

    fn put_back(&mut self, message: Arc<Message>) {
        self.bytes += message.size().max(message.built_size());
        self.messages.push_front(message);
    }
}

impl Mailbox {
    pub(super) fn new(limit: Option<usize>) -> Arc<Self> {
        let state = State {
            limit,
            ..State::default()
        };
        Arc::new(Self(Awaited::new(state)))
    }

    /// Leaves a message.
    pub(super) fn post(&self, message: Message) -> Result<(), Refused> {
        self.0.change(|state| {
            if state.closed {
                return Err(Refused::Closed);
            }
            let size = message.size().max(message.built_size());
            if let Some(limit) = state.limit
                && state.bytes.saturating_add(size) > limit
            {
                let waiting = state.bytes;
                return Err(Refused::Full { size, waiting, limit });
            }
            state.bytes += size;
            state.messages.push_back(Arc::new(message));
            Ok(())
        })
    }

    /// Takes the next message, if one waits.
    pub(super) fn take(&self) -> Option<Arc<Message>> {
        self.0.lock().take()
    }

    /// Makes something of a message that has been taken, which waits again, as the first, if that fails.
    ///
    /// # Errors
    /// What `make` raises.
    pub(super) fn take_as<R, E>(
        &self,
        message: &Arc<Message>,
        make: impl FnOnce(&Message) -> Result<R, E>,
    ) -> Result<R, E> {
        make(message).inspect_err(|_| self.0.change(|state| state.put_back(message.clone())))
    }

    /// Whether nothing comes any more, and nothing waits.
    pub(super) fn is_over(&self) -> bool {
        let state = self.0.lock();
        state.closed && state.messages.is_empty()
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.0.lock().messages.len()
    }

    /// Nothing is posted from now on.
    pub(super) fn close(&self) {
        self.0.change(|state| state.closed = true);
    }

    /// Nobody takes messages any more: those that wait go.
    pub(super) fn discard(&self) {
        let waiting = self.0.change(|state| {
            state.closed = true;
            state.bytes = 0;
            std::mem::take(&mut state.messages)
        });
        drop(waiting);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    /// Waits until a message waits, or none comes any more.
    pub(super) async fn ready(self: Arc<Self>) {
        let is_ready = |state: &mut State| (state.closed || !state.messages.is_empty()).then_some(());
        self.0.find(is_ready).await;
    }

    /// The next message when it comes; none at the end.
    pub(super) async fn next(self: Arc<Self>) -> Option<Arc<Message>> {
        let next = |state: &mut State| match state.take() {
            Some(message) => Some(Some(message)),
            None => state.closed.then_some(None),
        };
        self.0.find(next).await
    }
}
