//! `fs.walk`: what is below a directory, one path after the other.
//!
//! Invariants
//! - A directory comes before what is in it, and names come in order. Links are told of, not followed.
//! - A directory is read when the walk has come to it. In memory are the names of the directories that lead to the
//!   place of the walk, which are charged.

use aether_eval::{BuiltinDef, Ctx, Entry, Permission};
use aether_value::{Builtin, Charge, Native, Raise, StrBuilder, Value};
use std::any::Any;
use std::cell::RefCell;

use crate::arguments::permit;
use crate::files::{allowed, failed};

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("has_next", 0, 0, has_next),
    BuiltinDef::method("next", 0, 0, next),
];

/// A walk as a value.
struct Walk(RefCell<State>);

struct State {
    /// The directories on the way, with what in them is to come, last first.
    levels: Vec<Level>,
    /// The path that was found last, if it is a directory to go into.
    last: Option<String>,
    /// What comes next, if it has been asked for.
    ahead: Option<String>,
}

struct Level {
    path: String,
    // Goes before the charge.
    entries: Vec<Entry>,
    _charge: Charge,
}

pub(super) fn walk(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let level = read(ctx, path)?;
    let walk = Walk(RefCell::new(State {
        levels: vec![level],
        last: None,
        ahead: None,
    }));
    Ok(Value::Native(ctx.heap().native(Box::new(walk))?))
}

/// The names in a directory.
fn read(ctx: &mut Ctx<'_>, path: &str) -> Result<Level, Raise> {
    permit(ctx, Permission::Read, path)?;
    let failed = |error: &std::io::Error| failed("fs.walk", path, error);
    let listed = ctx.host().entries(path);
    let mut charge = Charge::new(ctx.heap(), path.len())?;
    let mut entries = Vec::new();
    for entry in listed.map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        ctx.tick(4)?;
        charge.add(size_of::<Entry>() + entry.name.len())?;
        entries.push(entry);
    }
    entries.sort_unstable_by(|left: &Entry, right| right.name.cmp(&left.name));
    Ok(Level {
        path: path.to_owned(),
        entries,
        _charge: charge,
    })
}

impl State {
    /// The next path; `None` at the end. A directory that cannot be read is an error, after which the walk goes on
    /// behind it.
    fn advance(&mut self, ctx: &mut Ctx<'_>) -> Result<Option<String>, Raise> {
        if let Some(last) = self.last.take() {
            match read(ctx, &last) {
                Ok(level) => self.levels.push(level),
                // Somebody has removed it since its name was read.
                Err(_) if ctx.host().exists(&last).is_ok_and(|exists| !exists) => {}
                Err(raise) => return Err(raise),
            }
        }
        ctx.tick(2)?;
        while let Some(level) = self.levels.last_mut() {
            let Some(Entry { name, is_dir }) = level.entries.pop() else {
                self.levels.pop();
                continue;
            };
            let slash = if level.path.is_empty() || level.path.ends_with('/') {
                ""
            } else {
                "/"
            };
            let path = format!("{}{slash}{name}", level.path);
            self.last = is_dir.then(|| path.clone());
            return Ok(Some(path));
        }
        Ok(None)
    }

    fn look_ahead(&mut self, ctx: &mut Ctx<'_>) -> Result<bool, Raise> {
        if self.ahead.is_none() {
            self.ahead = self.advance(ctx)?;
        }
        Ok(self.ahead.is_some())
    }
}

/// The receiver of a method.
fn receiver(args: &[Value]) -> &RefCell<State> {
    match &args[0] {
        Value::Native(native) => match native.downcast::<Walk>() {
            Some(Walk(state)) => state,
            None => unreachable!("a method of walks"),
        },
        _ => unreachable!("a method of walks"),
    }
}

fn has_next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(receiver(args).borrow_mut().look_ahead(ctx)?))
}

fn next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut state = receiver(args).borrow_mut();
    state.look_ahead(ctx)?;
    match state.ahead.take() {
        Some(path) => ctx.string(&path),
        None => Ok(Value::Null),
    }
}

impl Native for Walk {
    fn type_name(&self) -> &'static str {
        "iterator"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
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
