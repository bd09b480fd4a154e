//! Work on a thread of its own, whose outcome settles a promise.

use std::io;
use std::sync::Arc;

use aether_eval::{Ctx, HostFinish};
use aether_value::{Raise, Value};

use crate::awaited::Awaited;

/// Stack of a thread: they wait, read and write.
const STACK: usize = 128 << 10;

/// A thread that does some work.
pub(super) fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = std::thread::Builder::new().name("aether-process".to_owned());
    builder.stack_size(STACK).spawn(work).map(drop)
}

/// A promise of what `finish` makes of something that comes from another thread. `held` is dropped with the promise's
/// future, or when it is there.
pub(super) fn promise<T: 'static, R: 'static, H: 'static>(
    ctx: &mut Ctx<'_>,
    awaited: Arc<Awaited<Option<T>>>,
    held: H,
    take: impl FnMut(&mut Option<T>) -> Option<R> + 'static,
    finish: impl FnOnce(&mut Ctx<'_>, R) -> Result<Value, Raise> + 'static,
) -> Result<Value, Raise> {
    ctx.await_future(Box::pin(async move {
        let found = awaited.find(take).await;
        drop(held);
        let finish: HostFinish = Box::new(move |ctx| finish(ctx, found));
        finish
    }))
}
