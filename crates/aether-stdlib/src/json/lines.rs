//! `json.lines`: a file of documents, one a line.
//!
//! In memory are one line and its value. Lines without anything are passed over.

use aether_eval::{BuiltinDef, Ctx, OpenFile, Permission};
use aether_value::{Builtin, Native, Raise, Rc, Str, StrBuilder, Value};
use std::any::Any;
use std::cell::RefCell;
use std::io::Read;

use super::parse;
use crate::files::window::{BUFFER, Failure, Window};
use crate::files::{allowed, failed};

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("has_next", 0, 0, has_next),
    BuiltinDef::method("next", 0, 0, next),
];

/// The documents as a value.
struct Documents {
    path: Box<str>,
    state: RefCell<State>,
}

struct State {
    /// None at the end of the file.
    reader: Option<Box<dyn Read>>,
    window: Window,
    /// The number of the line that was read last.
    line: usize,
    /// A line that has been asked for.
    ahead: Option<Rc<Str>>,
}

/// `lines(path)`
pub(super) fn lines(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let count = ctx.open_handle()?;
    let opened = ctx.host().open_file(path);
    let OpenFile { reader, .. } = opened.map_err(|error| failed("json.lines", path, &error))?;
    let documents = Documents {
        path: path.into(),
        state: RefCell::new(State {
            reader: Some(Box::new(count.hold(reader))),
            window: Window::new(),
            line: 0,
            ahead: None,
        }),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(documents))?))
}

impl Documents {
    /// Reads on to the next line that has something; whether there is one.
    fn look_ahead(&self, ctx: &mut Ctx<'_>, state: &mut State) -> Result<bool, Raise> {
        while state.ahead.is_none() {
            let Some(reader) = &mut state.reader else {
                return Ok(false);
            };
            let line = state.window.read_line(reader, ctx.heap());
            let line = line.map_err(|failure| match failure {
                Failure::System(error) => failed("json.lines", &self.path, &error),
                Failure::Raised(raise) => raise,
            })?;
            let Some(line) = line else {
                state.reader = None;
                return Ok(false);
            };
            state.line += 1;
            ctx.tick(1 + line.len_bytes() / 8)?;
            if !line.as_str().trim_matches([' ', '\t', '\r']).is_empty() {
                state.ahead = Some(line);
            }
        }
        Ok(true)
    }
}

/// The receiver of a method.
fn receiver(args: &[Value]) -> &Documents {
    match &args[0] {
        Value::Native(native) => match native.downcast::<Documents>() {
            Some(documents) => documents,
            None => unreachable!("a method of documents"),
        },
        _ => unreachable!("a method of documents"),
    }
}

fn has_next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let documents = receiver(args);
    let mut state = documents.state.borrow_mut();
    Ok(Value::Bool(documents.look_ahead(ctx, &mut state)?))
}

fn next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let documents = receiver(args);
    let mut state = documents.state.borrow_mut();
    documents.look_ahead(ctx, &mut state)?;
    match state.ahead.take() {
        Some(line) => parse::parse_with(ctx.heap(), line.as_str(), parse::Options::default(), state.line),
        None => Ok(Value::Null),
    }
}

impl Native for Documents {
    fn type_name(&self) -> &'static str {
        "iterator"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + BUFFER + self.path.len()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<iterator>")
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        let found = METHODS.iter().find(|method| method.info.name == name)?;
        Some(Builtin(&found.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
