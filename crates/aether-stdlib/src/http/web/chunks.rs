//! The body of a response that is read by and by: an iterator of its pieces.
//!
//! A thread reads from the connection and hands over pieces, a few of which may wait: a server that sends faster than
//! they are taken waits too. Asking for a piece that has not come parks who asks.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use aether_eval::{BuiltinDef, Ctx, Event, HostFinish, Step};
use aether_value::{Builtin, Native, Raise, StrBuilder, Value};

use super::super::exchange::{Failure, Reader};
use super::super::failed;
use super::super::handles::Connection;
use super::answer::bytes_value;
use crate::arguments::receiver;

/// Bytes of a piece, at most.
const PIECE: usize = 16 << 10;
/// Pieces that wait.
const PIECES: usize = 4;
/// Stack of the thread: TLS needs some.
const STACK: usize = 256 << 10;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method_frame("has_next", 0, 0, 1, has_next),
    BuiltinDef::method_frame("next", 0, 0, 1, next),
    BuiltinDef::method("close", 0, 0, close),
];

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    /// Nothing comes any more.
    ended: bool,
    /// Why, if not for the end of the body.
    failure: Option<Failure>,
    /// Nobody takes any more.
    abandoned: bool,
    wakers: Vec<Waker>,
}

#[derive(Default)]
struct Pipe {
    state: Mutex<State>,
    room: Condvar,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the end, or until nobody wants more.
    fn fill(&self, mut reader: Reader, most: usize) {
        let mut buffer = vec![0; PIECE];
        let mut total = 0;
        loop {
            let outcome = match reader.read(&mut buffer) {
                Ok(count) if total + count > most => Err(Failure::TooLarge),
                outcome => outcome,
            };
            let mut state = self.lock();
            while state.pieces.len() == PIECES && !state.abandoned {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            match outcome {
                _ if state.abandoned => state.ended = true,
                Ok(0) => state.ended = true,
                Ok(count) => {
                    total += count;
                    state.pieces.push_back(buffer[..count].to_vec());
                }
                Err(failure) => {
                    state.failure = Some(failure);
                    state.ended = true;
                }
            }
            let (wakers, is_over) = (std::mem::take(&mut state.wakers), state.ended);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            if is_over {
                return;
            }
        }
    }
}

/// The pieces as a value.
pub(super) struct Chunks {
    pipe: Arc<Pipe>,
    url: String,
    most: usize,
    /// Counts as open until the body has ended.
    connection: RefCell<Option<Connection>>,
}

impl Chunks {
    /// Begins to read a body.
    ///
    /// # Errors
    /// There is no thread to read it.
    pub(super) fn new(
        reader: Reader,
        url: String,
        most: usize,
        connection: Option<Connection>,
    ) -> io::Result<Self> {
        let pipe = Arc::new(Pipe::default());
        let shared = pipe.clone();
        std::thread::Builder::new()
            .name("aether-http-body".to_owned())
            .stack_size(STACK)
            .spawn(move || shared.fill(reader, most))?;
        Ok(Self {
            pipe,
            url,
            most,
            connection: RefCell::new(connection),
        })
    }

    fn abandon(&self) {
        let mut state = self.pipe.lock();
        state.abandoned = true;
        state.ended = true;
        state.pieces.clear();
        self.pipe.room.notify_all();
        drop(state);
        drop(self.connection.take());
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Waits until something has come, and goes on then.
fn wait(ctx: &mut Ctx<'_>, pipe: Arc<Pipe>) -> Result<Step, Raise> {
    let promise = ctx.await_future(Box::pin(async move {
        poll_fn(|context| {
            let mut state = pipe.lock();
            if state.ended || !state.pieces.is_empty() {
                return Poll::Ready(());
            }
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
        let finish: HostFinish = Box::new(|_| Ok(Value::Null));
        finish
    }))?;
    Ok(Step::Await(promise))
}

/// What comes next.
enum Ahead {
    Piece(Vec<u8>),
    End,
    NotYet,
}

/// What comes next. A piece that is not taken is shown as an empty one.
fn ahead(ctx: &Ctx<'_>, chunks: &Chunks, takes: bool) -> Result<Ahead, Raise> {
    let mut state = chunks.pipe.lock();
    if state.pieces.is_empty() {
        if let Some(failure) = state.failure.take() {
            drop(state);
            drop(chunks.connection.take());
            return Err(failed(ctx, &chunks.url, failure, chunks.most));
        }
        if !state.ended {
            return Ok(Ahead::NotYet);
        }
        drop(state);
        if let Some(connection) = chunks.connection.take() {
            connection.keep();
        }
        return Ok(Ahead::End);
    }
    if !takes {
        return Ok(Ahead::Piece(Vec::new()));
    }
    let piece = state.pieces.pop_front().unwrap_or_default();
    drop(state);
    chunks.pipe.room.notify_one();
    Ok(Ahead::Piece(piece))
}

fn has_next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let chunks = receiver::<Chunks>(slots);
    match ahead(ctx, chunks, false)? {
        Ahead::Piece(_) => Ok(Step::Done(Value::Bool(true))),
        Ahead::End => Ok(Step::Done(Value::Bool(false))),
        Ahead::NotYet => wait(ctx, chunks.pipe.clone()),
    }
}

fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let chunks = receiver::<Chunks>(slots);
    match ahead(ctx, chunks, true)? {
        Ahead::Piece(piece) => {
            ctx.tick(piece.len() / 16)?;
            Ok(Step::Done(bytes_value(ctx.heap(), &piece)?))
        }
        Ahead::End => Ok(Step::Done(Value::Null)),
        Ahead::NotYet => wait(ctx, chunks.pipe.clone()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    receiver::<Chunks>(args).abandon();
    Ok(Value::Null)
}

impl Native for Chunks {
    fn type_name(&self) -> &'static str {
        "iterator"
    }

    /// What may wait, and what the thread reads into.
    fn size(&self) -> usize {
        size_of::<Self>() + self.url.len() + PIECE * (PIECES + 1)
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<iterator>")
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
