//! `fs.watch`: calls a function for each change of a file, or of a directory and its entries.
//!
//! The host tells of changes from a thread of its own. They wait in a backlog of bounded size; a future ends when there
//! are some, and its callback hands them to the script's function, one after the other, and begins anew.
//!
//! Invariants
//! - Changes come in order, and the function is called for one when it is done with the one before.
//! - A watch lives until it is closed, or until the directory is gone, whether or not anything refers to its handle.
//! - What the backlog may take is charged as long as the watch lives. Changes beyond that are told as one of the path
//!   that is watched.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use aether_eval::{BuiltinDef, Change, ChangeKind, Ctx, Event, Held, HostFinish, Permission, Step};
use aether_value::{Builtin, Heap, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};

use crate::arguments::{object, receiver, wrong_type};
use crate::files::{allowed, failed, join};

/// Bytes of changes that may wait.
const BACKLOG: usize = 64 << 10;

static METHODS: &[BuiltinDef] = &[BuiltinDef::method("close", 0, 0, close)];

/// What the event loop calls when changes have come. Slots: the watch; whether an async function's promise is awaited.
static DELIVER: BuiltinDef = BuiltinDef::core_frame("deliver", &["watch"], 1, 1, 2, deliver).catching();

/// Changes on their way from the host's thread.
#[derive(Default)]
struct Backlog {
    changes: VecDeque<Change>,
    bytes: usize,
    /// More have come than there was room for.
    overflowed: bool,
    closed: bool,
    waker: Option<Waker>,
}

type Shared = Arc<Mutex<Backlog>>;

fn lock(backlog: &Shared) -> MutexGuard<'_, Backlog> {
    backlog.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn has_news(&self) -> bool {
        self.closed || self.overflowed || !self.changes.is_empty()
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
    /// Null once it is closed.
    function: RefCell<Value>,
    backlog: Shared,
    /// What keeps the host telling.
    source: RefCell<Option<Held<Box<dyn Any>>>>,
    is_async: Cell<bool>,
}

/// `watch(path, fn)`
pub(super) fn watch(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    let count = ctx.open_handle()?;
    let backlog = Shared::default();
    let watch = Watch {
        path: path.to_owned(),
        is_dir: ctx.host().is_dir(path).unwrap_or(false),
        function: RefCell::new(args[1].clone()),
        backlog: backlog.clone(),
        source: RefCell::new(None),
        is_async: Cell::new(args[1].is_async()),
    };
    let native = ctx.heap().native(Box::new(watch))?;
    let observer = Box::new(move |change| {
        let mut backlog = lock(&backlog);
        backlog.add(change);
        let waker = backlog.waker.take();
        drop(backlog);
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    let source = ctx.host().watch(path, observer);
    let source = source.map_err(|error| failed("fs.watch", path, &error))?;
    let value = Value::Native(native);
    let watch = object::<Watch>(&value);
    *watch.source.borrow_mut() = Some(count.hold(source));
    recharge(&value)?;
    begin(ctx, &value)?;
    Ok(value)
}

fn recharge(value: &Value) -> Result<(), Raise> {
    match value {
        Value::Native(native) => native.recharge(),
        _ => Ok(()),
    }
}

/// Has the function called when changes come.
fn begin(ctx: &mut Ctx<'_>, value: &Value) -> Result<(), Raise> {
    let Value::Native(native) = value else {
        return Ok(());
    };
    let (native, backlog): (Rc<NativeObject>, _) = (native.clone(), object::<Watch>(value).backlog.clone());
    let future = Box::pin(async move {
        poll_fn(|context| {
            let mut backlog = lock(&backlog);
            if backlog.has_news() {
                return Poll::Ready(());
            }
            backlog.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        let finish: HostFinish = Box::new(move |_| Ok(Value::Native(native)));
        finish
    });
    ctx.call_after(future, DELIVER.value())
}

/// Hands changes to the function until there are none.
fn deliver(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let value = slots[0].clone();
    let watch = receiver::<Watch>(slots);
    match event {
        Event::Start => {}
        Event::Returned(promise) if watch.is_async.get() && slots[1].is_null() => {
            slots[1] = Value::Bool(true);
            return Ok(Step::Await(promise));
        }
        Event::Returned(_) => {}
        Event::Failed(raise) => {
            go_on(ctx, &value)?;
            return Err(raise);
        }
    }
    slots[1] = Value::Null;
    let watch = object::<Watch>(&value);
    let change = {
        let mut backlog = lock(&watch.backlog);
        if backlog.closed { None } else { backlog.take() }
    };
    let Some(change) = change else {
        go_on(ctx, &value)?;
        return Ok(Step::Done(Value::Null));
    };
    ctx.tick(1)?;
    let function = watch.function.borrow().clone();
    let told = event_of(ctx, watch, &change)?;
    if watch.is_dir && change.name.is_none() && change.kind == ChangeKind::Removed {
        // Nothing can follow.
        end(&value);
    }
    Ok(Step::Call {
        function,
        args: aether_eval::Args::One(told),
        lenient: true,
    })
}

/// Waits for the next changes, unless the watch is closed. One that cannot is closed.
fn go_on(ctx: &mut Ctx<'_>, value: &Value) -> Result<(), Raise> {
    if lock(&object::<Watch>(value).backlog).closed {
        return Ok(());
    }
    let begun = begin(ctx, value);
    if begun.is_err() {
        end(value);
    }
    begun
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

/// Ends a watch: the host tells no more, and the function goes.
fn end(value: &Value) {
    let watch = object::<Watch>(value);
    let mut backlog = lock(&watch.backlog);
    backlog.closed = true;
    backlog.changes = VecDeque::new();
    backlog.bytes = 0;
    let waker = backlog.waker.take();
    drop(backlog);
    if let Some(waker) = waker {
        waker.wake();
    }
    drop(watch.source.take());
    drop(watch.function.replace(Value::Null));
    // It takes less than before, which is never refused.
    let _ = recharge(value);
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    end(&args[0]);
    Ok(Value::Null)
}

impl Native for Watch {
    fn type_name(&self) -> &'static str {
        "watch"
    }

    fn size(&self) -> usize {
        let is_live = self.source.try_borrow().is_ok_and(|source| source.is_some());
        size_of::<Self>() + self.path.len() + if is_live { BACKLOG } else { 0 }
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Ok(function) = self.function.try_borrow() {
            visit(&Raw::of_value(&function));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<watch ")?;
        out.push_str(&self.path)?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        match name {
            "path" => Ok(Some(Value::String(heap.string(&self.path)?))),
            "closed" => Ok(Some(Value::Bool(lock(&self.backlog).closed))),
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
