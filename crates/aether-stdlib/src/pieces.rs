//! Bytes that a thread reads and hands over in pieces, a few of which may wait: a source that is faster than its pieces
//! are taken waits too. Asking for a piece that has not come parks who asks.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, PoisonError};

use aether_eval::{Ctx, Step};
use aether_value::Raise;

use crate::awaited::{Awaited, resume_after};

/// Bytes of a piece, at most.
const PIECE: usize = 16 << 10;
/// Pieces that wait.
const PIECES: usize = 4;
/// What may wait, and what the thread reads into.
pub(crate) const MOST_BYTES: usize = PIECE * (PIECES + 1);

/// Where pieces wait.
pub(crate) struct Pipe<E> {
    state: Awaited<State<E>>,
    room: Condvar,
}

struct State<E> {
    pieces: VecDeque<Vec<u8>>,
    /// Nothing comes any more.
    ended: bool,
    /// Why, if not for the end of the source.
    failure: Option<E>,
    /// Nobody takes any more.
    abandoned: bool,
}

/// What comes next.
pub(crate) enum Ahead<T, E> {
    Piece(T),
    End,
    /// The source has failed, which is told once; after that it has ended.
    Failed(E),
    NotYet,
}

impl<E: 'static> Pipe<E> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Awaited::new(State {
                pieces: VecDeque::new(),
                ended: false,
                failure: None,
                abandoned: false,
            }),
            room: Condvar::new(),
        })
    }

    /// Reads until `read` gives no more bytes or fails, or until nobody wants more.
    pub(crate) fn fill(&self, mut read: impl FnMut(&mut [u8]) -> Result<usize, E>) {
        let mut buffer = [0; PIECE];
        loop {
            let outcome = read(&mut buffer);
            let mut state = self.state.lock();
            while state.pieces.len() == PIECES && !state.abandoned {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            match outcome {
                _ if state.abandoned => state.ended = true,
                Ok(0) => state.ended = true,
                Ok(count) => state.pieces.push_back(buffer[..count].to_vec()),
                Err(failure) => {
                    state.failure = Some(failure);
                    state.ended = true;
                }
            }
            let is_over = state.ended;
            Awaited::wake(state);
            if is_over {
                return;
            }
        }
    }

    /// Nobody takes pieces any more.
    pub(crate) fn abandon(&self) {
        self.state.change(|state| {
            state.abandoned = true;
            state.ended = true;
            state.pieces.clear();
        });
        self.room.notify_all();
    }

    /// Takes what comes next.
    pub(crate) fn next(&self) -> Ahead<Vec<u8>, E> {
        let ahead = self.look(|pieces| pieces.pop_front().unwrap_or_default());
        self.room.notify_one();
        ahead
    }

    /// What comes next, which stays.
    #[cfg(feature = "web")]
    pub(crate) fn peek(&self) -> Ahead<(), E> {
        self.look(|_| ())
    }

    fn look<T>(&self, piece: impl FnOnce(&mut VecDeque<Vec<u8>>) -> T) -> Ahead<T, E> {
        let mut state = self.state.lock();
        if !state.pieces.is_empty() {
            return Ahead::Piece(piece(&mut state.pieces));
        }
        match state.failure.take() {
            Some(failure) => Ahead::Failed(failure),
            None if state.ended => Ahead::End,
            None => Ahead::NotYet,
        }
    }

    /// What a frame answers to be resumed when something has come.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn wait(self: Arc<Self>, ctx: &mut Ctx<'_>) -> Result<Step, Raise> {
        resume_after(ctx, async move {
            let is_there = |state: &mut State<E>| (state.ended || !state.pieces.is_empty()).then_some(());
            self.state.find(is_there).await;
        })
    }
}
