//! Functions of scripts that are called for what the host tells from a thread of its own.
//!
//! What the host tells waits in a queue. A future ends when there is something in it; its callback calls the function for
//! one item after the other, and begins anew.
//!
//! Invariants
//! - The function is called for an item when it is done with the one before.
//! - A hook lives until it is closed, whether or not anything refers to its handle.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use aether_eval::{Args, Ctx, Event, Held, HostFinish, HostFuture, Step};
use aether_value::{Native, Raise, Raw, Value};

use crate::arguments::object;
use crate::awaited::Awaited;

/// What has been told and not been handed on.
pub(crate) trait Queue: Default + Send + 'static {
    /// What the function is called for.
    type Item;

    /// Whether nothing waits.
    fn is_empty(&self) -> bool;

    /// The next item, if one waits.
    fn take(&mut self) -> Option<Self::Item>;
}

/// A handle whose hook calls a function.
pub(crate) trait Hooked: Native + Sized {
    /// What the host tells.
    type Queue: Queue;

    /// The hook.
    fn hook(&self) -> &Hook<Self::Queue>;

    /// Has [`deliver`] called for the handle that a future gives.
    ///
    /// # Errors
    /// Out of memory.
    fn deliver_after(ctx: &mut Ctx<'_>, future: HostFuture) -> Result<(), Raise>;

    /// What the function is given for an item.
    ///
    /// # Errors
    /// Out of memory.
    fn argument(&self, ctx: &Ctx<'_>, item: &<Self::Queue as Queue>::Item) -> Result<Value, Raise>;

    /// Whether nothing can follow an item.
    fn is_last(&self, item: &<Self::Queue as Queue>::Item) -> bool {
        let _ = item;
        false
    }
}

/// A function, and what it is to be called for.
pub(crate) struct Hook<Q> {
    /// Null once the hook is closed.
    function: RefCell<Value>,
    is_async: bool,
    told: Arc<Awaited<Told<Q>>>,
    /// What keeps the host telling.
    source: RefCell<Option<Held<Box<dyn Any>>>>,
}

#[derive(Default)]
struct Told<Q> {
    queue: Q,
    closed: bool,
}

/// The host's end of a hook, on any thread.
pub(crate) struct Teller<Q>(Arc<Awaited<Told<Q>>>);

impl<Q> Teller<Q> {
    /// Changes the queue, unless the hook is closed.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut Q)) {
        self.0.change(|told| {
            if !told.closed {
                change(&mut told.queue);
            }
        });
    }
}

impl<Q: Queue> Hook<Q> {
    /// A hook that the host tells nothing yet.
    pub(crate) fn new(function: Value) -> Self {
        Self {
            is_async: function.is_async(),
            function: RefCell::new(function),
            told: Arc::default(),
            source: RefCell::new(None),
        }
    }

    /// What the host tells by.
    pub(crate) fn teller(&self) -> Teller<Q> {
        Teller(self.told.clone())
    }

    /// Keeps what has the host tell.
    pub(crate) fn hold(&self, source: Held<Box<dyn Any>>) {
        *self.source.borrow_mut() = Some(source);
    }

    /// Whether the host still tells.
    #[cfg(feature = "watch")]
    pub(crate) fn is_live(&self) -> bool {
        self.source.try_borrow().is_ok_and(|source| source.is_some())
    }

    /// Whether it has been closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.told.lock().closed
    }

    /// Names the function.
    pub(crate) fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Ok(function) = self.function.try_borrow() {
            visit(&Raw::of_value(&function));
        }
    }
}

/// Has the function of a handle called when something has been told.
///
/// # Errors
/// Out of memory.
pub(crate) fn begin<H: Hooked>(ctx: &mut Ctx<'_>, handle: &Value) -> Result<(), Raise> {
    let (handle, told) = (handle.clone(), object::<H>(handle).hook().told.clone());
    let future = Box::pin(async move {
        let has_news = |told: &mut Told<H::Queue>| (told.closed || !told.queue.is_empty()).then_some(());
        told.find(has_news).await;
        let finish: HostFinish = Box::new(move |_| Ok(handle));
        finish
    });
    H::deliver_after(ctx, future)
}

/// Calls the function for each item until there are no more. Slots: the handle; whether an async function's promise is
/// awaited.
///
/// # Errors
/// What the function raises; out of memory.
pub(crate) fn deliver<H: Hooked>(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    event: Event,
) -> Result<Step, Raise> {
    let handle = slots[0].clone();
    let hooked = object::<H>(&handle);
    let hook = hooked.hook();
    match event {
        Event::Start => {}
        Event::Returned(promise) if hook.is_async && slots[1].is_null() => {
            slots[1] = Value::Bool(true);
            return Ok(Step::Await(promise));
        }
        Event::Returned(_) => {}
        Event::Failed(raise) => {
            go_on::<H>(ctx, &handle)?;
            return Err(raise);
        }
    }
    slots[1] = Value::Null;
    let item = {
        let mut told = hook.told.lock();
        if told.closed { None } else { told.queue.take() }
    };
    let Some(item) = item else {
        go_on::<H>(ctx, &handle)?;
        return Ok(Step::Done(Value::Null));
    };
    let function = hook.function.borrow().clone();
    let argument = ctx.tick(1).and_then(|()| hooked.argument(ctx, &item));
    if hooked.is_last(&item) {
        end::<H>(&handle);
    }
    match argument {
        Ok(argument) => Ok(Step::Call {
            function,
            args: Args::One(argument),
            lenient: true,
        }),
        Err(raise) => {
            go_on::<H>(ctx, &handle)?;
            Err(raise)
        }
    }
}

/// Waits for what is told next, unless the hook is closed. One that cannot is closed.
fn go_on<H: Hooked>(ctx: &mut Ctx<'_>, handle: &Value) -> Result<(), Raise> {
    if object::<H>(handle).hook().is_closed() {
        return Ok(());
    }
    let begun = begin::<H>(ctx, handle);
    if begun.is_err() {
        end::<H>(handle);
    }
    begun
}

/// Ends a hook: the host tells no more, and the function goes.
fn end<H: Hooked>(handle: &Value) {
    let hook = object::<H>(handle).hook();
    hook.told.change(|told| {
        told.closed = true;
        told.queue = H::Queue::default();
    });
    drop(hook.source.take());
    drop(hook.function.replace(Value::Null));
    if let Value::Native(native) = handle {
        // It takes no more than before, which is never refused.
        let _ = native.recharge();
    }
}

/// `handle.close()`
#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
pub(crate) fn close<H: Hooked>(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    end::<H>(&args[0]);
    Ok(Value::Null)
}
