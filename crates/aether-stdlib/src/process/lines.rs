//! The lines that a running program prints.
//!
//! A thread reads the program's pipe and hands over pieces: a program that prints faster than its lines are taken waits.
//! Asking for a line that has not come parks who asks.

use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::Arc;

use aether_eval::{BuiltinDef, Ctx, Event, Step};
use aether_value::{Builtin, Heap, Native, Raise, StrBuilder, Value};

use super::thread::start;
use crate::arguments::receiver;
use crate::bytes::Bytes;
use crate::pieces::{self, Ahead, MOST_BYTES};

/// Reading that fails ends the lines.
type Pipe = pieces::Pipe<Infallible>;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method_frame("has_next", 0, 0, 1, has_next),
    BuiltinDef::method_frame("next", 0, 0, 1, next),
];

/// Reads some bytes; none at the end, or if there can be no more.
fn read(source: &mut impl Read, buffer: &mut [u8]) -> usize {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            count => return count.unwrap_or(0),
        }
    }
}

/// The lines as a value.
pub(super) struct Lines {
    pipe: Arc<Pipe>,
    state: RefCell<State>,
}

struct State {
    /// What has come and not been handed out.
    bytes: Bytes,
    /// Where in it the next line begins, and up to where there is no line end.
    begin: usize,
    searched: usize,
    ended: bool,
}

impl Lines {
    /// Lines of what a program prints to a pipe.
    ///
    /// # Errors
    /// There is no thread to read it.
    pub(super) fn new(heap: &Heap, mut source: impl Read + Send + 'static) -> io::Result<Self> {
        let pipe = Pipe::new();
        let shared = pipe.clone();
        start(move || shared.fill(|buffer| Ok(read(&mut source, buffer))))?;
        Ok(Self {
            pipe,
            state: RefCell::new(State {
                bytes: Bytes::new(heap),
                begin: 0,
                searched: 0,
                ended: false,
            }),
        })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.pipe.abandon();
    }
}

/// What is known of the next line.
enum Found {
    /// It ends here, without its line end, and the one behind it begins there.
    Line(usize, usize),
    /// There is none.
    End,
    /// It has not come.
    NotYet,
}

impl State {
    fn find(&mut self, ctx: &mut Ctx<'_>, pipe: &Pipe) -> Result<Found, Raise> {
        loop {
            let data = &self.bytes.data;
            if let Some(at) = data[self.searched..].iter().position(|&byte| byte == b'\n') {
                let end = self.searched + at;
                let is_cr = end > self.begin && data[end - 1] == b'\r';
                self.searched = end;
                return Ok(Found::Line(end - usize::from(is_cr), end + 1));
            }
            self.searched = data.len();
            if self.ended {
                let end = self.searched;
                return Ok(if self.begin < end {
                    Found::Line(end, end)
                } else {
                    Found::End
                });
            }
            let piece = match pipe.next() {
                Ahead::Piece(piece) => piece,
                Ahead::End => {
                    self.ended = true;
                    continue;
                }
                Ahead::Failed(never) => match never {},
                Ahead::NotYet => return Ok(Found::NotYet),
            };
            ctx.tick(piece.len() / 64)?;
            self.bytes.data.drain(..self.begin);
            self.searched -= self.begin;
            self.begin = 0;
            let needed = self.bytes.data.len() + piece.len();
            if needed > self.bytes.data.capacity() {
                self.bytes.reserve(needed * 2)?;
            }
            self.bytes.data.extend_from_slice(&piece);
        }
    }
}

fn has_next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let lines = receiver::<Lines>(slots);
    let found = lines.state.borrow_mut().find(ctx, &lines.pipe)?;
    let has_line = match found {
        Found::Line(..) => true,
        Found::End => false,
        Found::NotYet => return lines.pipe.clone().wait(ctx),
    };
    settle(slots)?;
    Ok(Step::Done(Value::Bool(has_line)))
}

/// Gives back what is not needed any more.
fn settle(slots: &[Value]) -> Result<(), Raise> {
    let Value::Native(native) = &slots[0] else {
        return Ok(());
    };
    let has_ended = receiver::<Lines>(slots).state.borrow().ended;
    if has_ended { native.recharge() } else { Ok(()) }
}

fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let lines = receiver::<Lines>(slots);
    let mut state = lines.state.borrow_mut();
    let line = match state.find(ctx, &lines.pipe)? {
        Found::Line(end, behind) => {
            let line = ctx.string(&String::from_utf8_lossy(&state.bytes.data[state.begin..end]))?;
            (state.begin, state.searched) = (behind, behind);
            line
        }
        Found::End => Value::Null,
        Found::NotYet => return lines.pipe.clone().wait(ctx),
    };
    drop(state);
    settle(slots)?;
    Ok(Step::Done(line))
}

impl Native for Lines {
    fn type_name(&self) -> &'static str {
        "iterator"
    }

    /// Nothing waits once the end has come.
    fn size(&self) -> usize {
        let has_ended = self.state.try_borrow().is_ok_and(|state| state.ended);
        let waiting = if has_ended { 0 } else { MOST_BYTES };
        size_of::<Self>() + waiting
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
