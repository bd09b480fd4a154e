//! `fs.watch`: calls a function for each change of a file, or of a directory and its entries.
//!
//! The host tells of changes from a thread of its own. They wait in a backlog of bounded size, from which the script's
//! function is called (`hook.rs`).
//!
//! Invariants
//! - Changes come in order.
//! - A watch lives until it is closed, or until the directory is gone.
//! - What the backlog may take is charged as long as the watch lives. Changes beyond that are told as one of the path
//!   that is watched.

use std::any::Any;
use std::collections::VecDeque;

use aether_eval::{BuiltinDef, Change, ChangeKind, Ctx, HostFuture, Permission};
use aether_value::{Builtin, Heap, Native, Raise, Raw, StrBuilder, Value};

use crate::arguments::{object, wrong_type};
use crate::files::{allowed, failed, join};
use crate::hook::{self, Hook, Hooked, Queue};

/// Bytes of changes that may wait.
const BACKLOG: usize = 64 << 10;

static METHODS: &[BuiltinDef] = &[BuiltinDef::method("close", 0, 0, hook::close::<Watch>)];

/// What the event loop calls when changes have come.
static DELIVER: BuiltinDef =
    BuiltinDef::core_frame("deliver", &["watch"], 1, 1, 2, hook::deliver::<Watch>).catching();

/// Changes on their way from the host's thread.
#[derive(Default)]
struct Backlog {
    changes: VecDeque<Change>,
    bytes: usize,
    /// More have come than there was room for.
    overflowed: bool,
}

impl Backlog {
    fn add(&mut self, change: Change) {
        let is_repetition = change.kind == ChangeKind::Modified && self.changes.back() == Some(&change);
        if is_repetition || self.overflowed {
            return;
        }
        let bytes = size_of_change(&change);
        if self.bytes + bytes > BACKLOG {
            self.overflowed = true;
        } else {
            self.bytes += bytes;
            self.changes.push_back(change);
        }
    }
}

impl Queue for Backlog {
    type Item = Change;

    fn is_empty(&self) -> bool {
        !self.overflowed && self.changes.is_empty()
    }

    fn take(&mut self) -> Option<Change> {
        if let Some(change) = self.changes.pop_front() {
            self.bytes -= size_of_change(&change);
            return Some(change);
        }
        let everything = Change {
            kind: ChangeKind::Modified,
            name: None,
        };
        std::mem::take(&mut self.overflowed).then_some(everything)
    }
}

/// What a change takes while it waits, room to grow of the queue included.
fn size_of_change(change: &Change) -> usize {
    let before = match &change.kind {
        ChangeKind::Renamed(from) => from.len(),
        ChangeKind::Created | ChangeKind::Modified | ChangeKind::Removed => 0,
    };
    2 * size_of::<Change>() + before + change.name.as_ref().map_or(0, String::len)
}

/// A watch as a value.
struct Watch {
    path: String,
    is_dir: bool,
    hook: Hook<Backlog>,
}

/// `watch(path, fn)`
pub(super) fn watch(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    let count = ctx.open_handle()?;
    let hook = Hook::<Backlog>::new(args[1].clone());
    let teller = hook.teller();
    let watch = Watch {
        path: path.to_owned(),
        is_dir: ctx.host().is_dir(path).unwrap_or(false),
        hook,
    };
    let native = ctx.heap().native(Box::new(watch))?;
    let observer = Box::new(move |change| teller.tell(|backlog| backlog.add(change)));
    let source = ctx.host().watch(path, observer);
    let source = source.map_err(|error| failed("fs.watch", path, &error))?;
    let value = Value::Native(native.clone());
    object::<Watch>(&value).hook.hold(count.hold(source));
    native.recharge()?;
    hook::begin::<Watch>(ctx, &value)?;
    Ok(value)
}

impl Hooked for Watch {
    type Queue = Backlog;

    fn hook(&self) -> &Hook<Backlog> {
        &self.hook
    }

    fn deliver_after(ctx: &mut Ctx<'_>, future: HostFuture) -> Result<(), Raise> {
        ctx.call_after(future, DELIVER.value())
    }

    fn argument(&self, ctx: &Ctx<'_>, change: &Change) -> Result<Value, Raise> {
        event_of(ctx, self, change)
    }

    fn is_last(&self, change: &Change) -> bool {
        self.is_dir && change.name.is_none() && change.kind == ChangeKind::Removed
    }
}

/// The dict that the function is given.
fn event_of(ctx: &Ctx<'_>, watch: &Watch, change: &Change) -> Result<Value, Raise> {
    let heap = ctx.heap();
    let event = heap.dict()?;
    let set = |key: &str, text: &str| {
        event.insert(Value::String(heap.intern(key)?), ctx.string(text)?)?;
        Ok::<(), Raise>(())
    };
    let path = |name: &Option<String>| match name {
        Some(name) => join(&watch.path, name),
        None => watch.path.clone(),
    };
    let kind = match &change.kind {
        ChangeKind::Created => "created",
        ChangeKind::Modified => "modified",
        ChangeKind::Removed => "removed",
        ChangeKind::Renamed(_) => "renamed",
    };
    set("kind", kind)?;
    set("path", &path(&change.name))?;
    if let ChangeKind::Renamed(from) = &change.kind {
        set("from", &join(&watch.path, from))?;
    }
    Ok(Value::Dict(event))
}

impl Native for Watch {
    fn type_name(&self) -> &'static str {
        "watch"
    }

    fn size(&self) -> usize {
        let waiting = if self.hook.is_live() { BACKLOG } else { 0 };
        size_of::<Self>() + self.path.len() + waiting
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        self.hook.trace(visit);
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<watch ")?;
        out.push_str(&self.path)?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        match name {
            "path" => Ok(Some(Value::String(heap.string(&self.path)?))),
            "closed" => Ok(Some(Value::Bool(self.hook.is_closed()))),
            _ => Ok(None),
        }
    }

    fn member_names(&self) -> Vec<String> {
        vec!["closed".to_owned(), "path".to_owned()]
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
