//! Iterators whose next item needs the machine: its host, or a look at its limits on the way.
//!
//! To scripts they are objects with `has_next` and `next`, by which `for` goes through them. An item that has been asked
//! for by `has_next` is kept until it is taken. Behind an error a stream goes on, as far as its source does.

use std::any::Any;
use std::cell::RefCell;

use aether_eval::{BuiltinDef, Ctx};
use aether_value::{Builtin, Native, Raise, Raw, StrBuilder, Value};

use crate::arguments::receiver;

/// Where items come from.
pub(crate) trait Source: 'static {
    /// The next item; none at the end, and from then on.
    ///
    /// # Errors
    /// What stands in the way of the next item.
    fn next(&mut self, ctx: &mut Ctx<'_>) -> Result<Option<Value>, Raise>;

    /// Bytes that it holds beside itself and does not charge, all the time.
    fn size(&self) -> usize {
        0
    }

    /// Names the values that it holds.
    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        let _ = visit;
    }
}

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("has_next", 0, 0, has_next),
    BuiltinDef::method("next", 0, 0, next),
];

/// A stream as a value.
struct Stream {
    size: usize,
    state: RefCell<State>,
}

struct State {
    source: Box<dyn Source>,
    /// What comes next, if it has been asked for.
    ahead: Option<Value>,
}

impl State {
    fn look_ahead(&mut self, ctx: &mut Ctx<'_>) -> Result<(), Raise> {
        if self.ahead.is_none() {
            self.ahead = self.source.next(ctx)?;
        }
        Ok(())
    }
}

/// A value that hands out what a source has.
pub(crate) fn value<S: Source>(ctx: &Ctx<'_>, source: S) -> Result<Value, Raise> {
    let stream = Stream {
        size: size_of::<Stream>() + size_of::<S>() + source.size(),
        state: RefCell::new(State {
            source: Box::new(source),
            ahead: None,
        }),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(stream))?))
}

fn has_next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut state = receiver::<Stream>(args).state.borrow_mut();
    state.look_ahead(ctx)?;
    Ok(Value::Bool(state.ahead.is_some()))
}

fn next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut state = receiver::<Stream>(args).state.borrow_mut();
    state.look_ahead(ctx)?;
    Ok(state.ahead.take().unwrap_or(Value::Null))
}

impl Native for Stream {
    fn type_name(&self) -> &'static str {
        "iterator"
    }

    fn size(&self) -> usize {
        self.size
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        // In the middle of a change it names none, which keeps them alive.
        if let Ok(state) = self.state.try_borrow() {
            state.source.trace(visit);
            if let Some(ahead) = &state.ahead {
                visit(&Raw::of_value(ahead));
            }
        }
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
