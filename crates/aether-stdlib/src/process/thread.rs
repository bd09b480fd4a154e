//! Work on a thread of its own, whose outcome settles a promise.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use aether_eval::{Ctx, HostFinish};
use aether_value::{Raise, Value};

/// Stack of a thread: they wait, read and write.
const STACK: usize = 128 << 10;

/// A thread that does some work.
pub(super) fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = std::thread::Builder::new().name("aether-process".to_owned());
    builder.stack_size(STACK).spawn(work).map(drop)
}

/// Something that comes once, from another thread.
pub(super) struct Awaited<T> {
    state: Mutex<(Option<T>, Vec<Waker>)>,
}

impl<T> Awaited<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new((None, Vec::new())),
        })
    }

    /// It has come.
    pub(super) fn set(&self, value: T) {
        let wakers = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = Some(value);
            std::mem::take(&mut state.1)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    /// What `take` makes of it, if it is there; else the waker is woken when it is.
    pub(super) fn poll<R>(&self, waker: &Waker, take: impl FnOnce(&mut Option<T>) -> Option<R>) -> Poll<R> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = take(&mut state.0) {
            return Poll::Ready(found);
        }
        state.1.push(waker.clone());
        Poll::Pending
    }
}

/// A promise of what `finish` makes of something that comes from another thread. `held` is dropped with the promise's
/// future, or when it is there.
pub(super) fn promise<T: 'static, R: 'static, H: 'static>(
    ctx: &mut Ctx<'_>,
    awaited: Arc<Awaited<T>>,
    held: H,
    take: impl Fn(&mut Option<T>) -> Option<R> + 'static,
    finish: impl FnOnce(&mut Ctx<'_>, R) -> Result<Value, Raise> + 'static,
) -> Result<Value, Raise> {
    ctx.await_future(Box::pin(async move {
        let found = poll_fn(|context| awaited.poll(context.waker(), &take)).await;
        drop(held);
        let finish: HostFinish = Box::new(move |ctx| finish(ctx, found));
        finish
    }))
}
