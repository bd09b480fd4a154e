//! Futures of the host: what they give settles promises.
//!
//! The engine polls them on its own thread, while the program waits or when the host drives it. A future that wakes its
//! waker leaves a message, which ends a wait.
//!
//! Invariants
//! - A future is polled only outside of the script's own instructions: it cannot reach the engine.
//! - A future that was dropped is never polled again, whatever wakes come later.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use aether_value::{Heap, Promise, Raise, Rc, Value};

use super::{ENTRY, Message, Receiver, Scheduler};
use crate::context::Ctx;
use crate::host_function::guarded;

/// Makes the value of a future that is done.
pub type HostFinish = Box<dyn FnOnce(&mut Ctx<'_>) -> Result<Value, Raise>>;

/// A future of the host.
pub type HostFuture = Pin<Box<dyn Future<Output = HostFinish>>>;

/// A future that is out.
pub(super) struct HostTask {
    future: HostFuture,
    pub(super) promise: Rc<Promise>,
    wakes: Arc<Wakes>,
}

/// Leaves a message that a future is to be polled, once until that is done.
struct Wakes {
    receiver: Receiver,
    id: u64,
    is_posted: AtomicBool,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        if !self.is_posted.swap(true, Ordering::AcqRel) {
            self.receiver.post(Message::Poll(self.id));
        }
    }
}

impl Scheduler {
    /// Takes a future on, which settles the promise.
    pub(crate) fn add_future(
        &mut self,
        heap: &Heap,
        promise: &Rc<Promise>,
        future: HostFuture,
    ) -> Result<(), Raise> {
        heap.charge(ENTRY + size_of_val(&*future))?;
        let id = self.next_number();
        let wakes = Arc::new(Wakes {
            receiver: self.receiver.clone(),
            id,
            is_posted: AtomicBool::new(false),
        });
        let task = HostTask {
            future,
            promise: promise.clone(),
            wakes: wakes.clone(),
        };
        self.futures.insert(id, task);
        wakes.wake();
        Ok(())
    }

    /// Polls a future; gives its promise and what makes its value when it is done.
    pub(crate) fn poll_future(
        &mut self,
        heap: &Heap,
        id: u64,
    ) -> Option<(Rc<Promise>, Result<HostFinish, Raise>)> {
        let task = self.futures.get_mut(&id)?;
        task.wakes.is_posted.store(false, Ordering::Release);
        let waker = Waker::from(task.wakes.clone());
        let future = task.future.as_mut();
        let polled = guarded("future", || Ok(future.poll(&mut Context::from_waker(&waker))));
        let outcome = match polled {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(finish)) => Ok(finish),
            Err(raise) => Err(raise),
        };
        let task = self.futures.remove(&id)?;
        heap.discharge(ENTRY + size_of_val(&*task.future));
        Some((task.promise, outcome))
    }

    /// Gives up the future that was to settle a promise, if there is one.
    pub(super) fn drop_future(&mut self, heap: &Heap, promise: &Rc<Promise>) {
        let found = self
            .futures
            .iter()
            .find(|(_, task)| Rc::ptr_eq(&task.promise, promise));
        if let Some((&id, _)) = found
            && let Some(task) = self.futures.remove(&id)
        {
            heap.discharge(ENTRY + size_of_val(&*task.future));
        }
    }

    /// Gives up every future.
    pub(super) fn drop_futures(&mut self, heap: &Heap) {
        let mut tasks: Vec<(u64, HostTask)> = self.futures.drain().collect();
        // Promises die in the order in which they were made.
        tasks.sort_by_key(|(id, _)| *id);
        for (_, task) in tasks {
            heap.discharge(ENTRY + size_of_val(&*task.future));
        }
    }
}
