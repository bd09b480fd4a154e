//! The body of a response that is read by and by: an iterator of its pieces.
//!
//! A thread reads from the connection and hands over pieces: a server that sends faster than they are taken waits.
//! Asking for a piece that has not come parks who asks.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use aether_eval::{BuiltinDef, Ctx, Event, Step};
use aether_value::{Builtin, Native, Raise, StrBuilder, Value};

use super::super::exchange::{Failure, Reader};
use super::super::failed;
use super::super::handles::Connection;
use super::answer::bytes_value;
use crate::arguments::receiver;
use crate::pieces::{self, Ahead, MOST_BYTES};

type Pipe = pieces::Pipe<Failure>;

/// Stack of the thread: TLS needs some.
const STACK: usize = 256 << 10;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method_frame("has_next", 0, 0, 1, has_next),
    BuiltinDef::method_frame("next", 0, 0, 1, next),
    BuiltinDef::method("close", 0, 0, close),
];

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
        let pipe = Pipe::new();
        let shared = pipe.clone();
        std::thread::Builder::new()
            .name("aether-http-body".to_owned())
            .stack_size(STACK)
            .spawn(move || shared.fill(up_to(most, reader)))?;
        Ok(Self {
            pipe,
            url,
            most,
            connection: RefCell::new(connection),
        })
    }
}

impl Chunks {
    fn abandon(&self) {
        self.pipe.abandon();
        drop(self.connection.take());
    }

    /// The connection, which is kept for the next request now that the body has ended.
    fn end(&self) {
        if let Some(connection) = self.connection.take() {
            connection.keep();
        }
    }

    /// The error of a body that could not be read to its end.
    fn error(&self, ctx: &Ctx<'_>, failure: Failure) -> Raise {
        drop(self.connection.take());
        failed(ctx, &self.url, failure, self.most)
    }
}

/// Reads a body that has so many bytes at most.
fn up_to(most: usize, mut reader: Reader) -> impl FnMut(&mut [u8]) -> Result<usize, Failure> {
    let mut total = 0;
    move |buffer| {
        let count = reader.read(buffer)?;
        total += count;
        if total > most {
            Err(Failure::TooLarge)
        } else {
            Ok(count)
        }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.abandon();
    }
}

fn has_next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let chunks = receiver::<Chunks>(slots);
    match chunks.pipe.peek() {
        Ahead::Piece(()) => Ok(Step::Done(Value::Bool(true))),
        Ahead::End => {
            chunks.end();
            Ok(Step::Done(Value::Bool(false)))
        }
        Ahead::Failed(failure) => Err(chunks.error(ctx, failure)),
        Ahead::NotYet => chunks.pipe.clone().wait(ctx),
    }
}

fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let chunks = receiver::<Chunks>(slots);
    match chunks.pipe.next() {
        Ahead::Piece(piece) => {
            ctx.tick(piece.len() / 16)?;
            Ok(Step::Done(bytes_value(ctx.heap(), &piece)?))
        }
        Ahead::End => {
            chunks.end();
            Ok(Step::Done(Value::Null))
        }
        Ahead::Failed(failure) => Err(chunks.error(ctx, failure)),
        Ahead::NotYet => chunks.pipe.clone().wait(ctx),
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

    fn size(&self) -> usize {
        size_of::<Self>() + self.url.len() + MOST_BYTES
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
