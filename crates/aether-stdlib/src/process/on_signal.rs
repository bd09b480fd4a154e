//! `process.on_signal`: calls a function whenever the system sends this process a signal.
//!
//! The host tells of signals from a thread of its own. They are counted; a future ends when there are some, and its
//! callback calls the script's function for each, one after the other, and begins anew.
//!
//! Invariants
//! - The function is called for a signal when it is done with the one before.
//! - A handler lives until it is closed, whether or not anything refers to it, and keeps nothing alive: neither an event
//!   loop nor the program's end waits for a signal.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use aether_eval::{Args, BuiltinDef, Ctx, Event, Held, HostFinish, Permission, Step};
use aether_value::{Builtin, Heap, Native, Raise, Raw, StrBuilder, Value};

use super::signals;
use crate::arguments::{object, permit, receiver, wrong_type};

static METHODS: &[BuiltinDef] = &[BuiltinDef::method("close", 0, 0, close)];

/// What is called when signals have come. Slots: the handler; whether an async function's promise is awaited.
static DELIVER: BuiltinDef = BuiltinDef::core_frame("deliver", &["handler"], 1, 1, 2, deliver).catching();

/// Signals on their way from the host's thread.
#[derive(Default)]
struct Pending {
    count: u64,
    closed: bool,
    waker: Option<Waker>,
}

type Shared = Arc<Mutex<Pending>>;

fn lock(pending: &Shared) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handler as a value.
struct Handler {
    /// The signal's name.
    signal: String,
    /// Null once it is closed.
    function: RefCell<Value>,
    pending: Shared,
    /// What keeps the host telling.
    source: RefCell<Option<Held<Box<dyn Any>>>>,
    is_async: Cell<bool>,
}

/// `on_signal(name, fn)`
pub(super) fn on_signal(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let number = signals::number("process.on_signal", &args[0])?;
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    let signal = signals::name(number);
    permit(ctx, Permission::Run, &signal)?;
    let count = ctx.open_handle()?;
    let pending = Shared::default();
    let handler = Handler {
        signal: signal.clone(),
        function: RefCell::new(args[1].clone()),
        pending: pending.clone(),
        source: RefCell::new(None),
        is_async: Cell::new(args[1].is_async()),
    };
    let value = Value::Native(ctx.heap().native(Box::new(handler))?);
    let observer = Box::new(move || {
        let mut pending = lock(&pending);
        pending.count = pending.count.saturating_add(1);
        let waker = pending.waker.take();
        drop(pending);
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    let source = ctx
        .host()
        .watch_signal(number, observer)
        .map_err(|error| Raise::operation(&format!("process.on_signal: {signal}: {error}")))?;
    *object::<Handler>(&value).source.borrow_mut() = Some(count.hold(source));
    begin(ctx, &value)?;
    Ok(value)
}

/// Has the function called when signals come.
fn begin(ctx: &mut Ctx<'_>, value: &Value) -> Result<(), Raise> {
    let Value::Native(native) = value else {
        return Ok(());
    };
    let (native, pending) = (native.clone(), object::<Handler>(value).pending.clone());
    let future = Box::pin(async move {
        poll_fn(|context| {
            let mut pending = lock(&pending);
            if pending.closed || pending.count > 0 {
                return Poll::Ready(());
            }
            pending.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        let finish: HostFinish = Box::new(move |_| Ok(Value::Native(native)));
        finish
    });
    ctx.call_if(future, DELIVER.value())
}

/// Calls the function once for each signal.
fn deliver(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let value = slots[0].clone();
    let handler = receiver::<Handler>(slots);
    match event {
        Event::Start => {}
        Event::Returned(promise) if handler.is_async.get() && slots[1].is_null() => {
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
    let handler = object::<Handler>(&value);
    let has_come = {
        let mut pending = lock(&handler.pending);
        let has_come = pending.count > 0 && !pending.closed;
        pending.count -= u64::from(has_come);
        has_come
    };
    if !has_come {
        go_on(ctx, &value)?;
        return Ok(Step::Done(Value::Null));
    }
    ctx.tick(1)?;
    let function = handler.function.borrow().clone();
    Ok(Step::Call {
        function,
        args: Args::One(ctx.string(&handler.signal)?),
        lenient: true,
    })
}

/// Waits for the next signals, unless the handler is closed. One that cannot is closed.
fn go_on(ctx: &mut Ctx<'_>, value: &Value) -> Result<(), Raise> {
    if lock(&object::<Handler>(value).pending).closed {
        return Ok(());
    }
    let begun = begin(ctx, value);
    if begun.is_err() {
        end(value);
    }
    begun
}

/// Ends a handler: the host tells no more, and the function goes.
fn end(value: &Value) {
    let handler = object::<Handler>(value);
    let mut pending = lock(&handler.pending);
    pending.closed = true;
    let waker = pending.waker.take();
    drop(pending);
    if let Some(waker) = waker {
        waker.wake();
    }
    drop(handler.source.take());
    drop(handler.function.replace(Value::Null));
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    end(&args[0]);
    Ok(Value::Null)
}

impl Native for Handler {
    fn type_name(&self) -> &'static str {
        "signal_handler"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.signal.len()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Ok(function) = self.function.try_borrow() {
            visit(&Raw::of_value(&function));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<signal_handler ")?;
        out.push_str(&self.signal)?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        match name {
            "signal" => Ok(Some(Value::String(heap.string(&self.signal)?))),
            "closed" => Ok(Some(Value::Bool(lock(&self.pending).closed))),
            _ => Ok(None),
        }
    }

    fn member_names(&self) -> Vec<String> {
        vec!["closed".to_owned(), "signal".to_owned()]
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
