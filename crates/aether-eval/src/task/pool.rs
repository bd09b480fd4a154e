//! The pool: threads that do blocking work and post its outcome to the engine's receiver.
//!
//! Invariants
//! - Tasks start in the order of their submission; at most as many run at a time as the pool has workers.
//! - Threads are made when there is work for them. When the pool goes they finish what was submitted, and end.
//! - A task that panics is an error of that task; its thread goes on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use aether_value::{ErrorKind, Raise};

use super::receiver::{Message, Receiver};
use super::{Effect, Finish};

/// Stack of a worker. TLS handshakes are the deepest thing that runs there.
const STACK: usize = 1 << 20;

/// Work for a pool.
pub(super) struct Task {
    /// The job's number.
    pub(super) id: u64,
    /// What it does to the world.
    pub(super) effect: Effect,
    /// The work itself.
    pub(super) work: Box<dyn FnOnce() -> Finish + Send>,
    /// Where its outcome goes.
    pub(super) receiver: Receiver,
}

struct State {
    queue: VecDeque<Task>,
    /// Threads, and how many of them wait for work.
    threads: usize,
    idle: usize,
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    workers: usize,
}

/// A pool of threads.
pub(super) struct Pool(Arc<Shared>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// A pool that runs at most `workers` tasks at a time.
    pub(super) fn new(workers: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                threads: 0,
                idle: 0,
                closed: false,
            }),
            work: Condvar::new(),
            workers: workers.max(1),
        }))
    }

    /// Puts a task at the end of the queue. Gives it back if there is no thread to run it and none can be made.
    pub(super) fn submit(&self, task: Task) -> Result<(), Task> {
        let mut state = self.0.lock();
        let wanted = state.queue.len() + 1 > state.idle && state.threads < self.0.workers;
        if wanted {
            let shared = self.0.clone();
            let thread = std::thread::Builder::new()
                .name("aether-io".to_owned())
                .stack_size(STACK)
                .spawn(move || work(&shared));
            match thread {
                Ok(_) => {
                    state.threads += 1;
                    // It counts as idle until it has looked at the queue.
                    state.idle += 1;
                }
                Err(_) if state.threads > 0 => {}
                Err(_) => return Err(task),
            }
        }
        state.queue.push_back(task);
        self.0.work.notify_one();
        Ok(())
    }

    /// Forgets a task; false if it has begun, or was never here.
    pub(super) fn forget(&self, id: u64) -> bool {
        let mut state = self.0.lock();
        let found = state.queue.iter().position(|task| task.id == id);
        let forgotten = found.and_then(|at| state.queue.remove(at));
        drop(state);
        forgotten.is_some()
    }

    /// Forgets the tasks that have not begun and leave no trace in the world.
    pub(super) fn forget_queries(&self) {
        let mut state = self.0.lock();
        let all = std::mem::take(&mut state.queue);
        let (kept, forgotten) = all.into_iter().partition(|task| task.effect == Effect::Write);
        state.queue = kept;
        drop(state);
        drop::<VecDeque<Task>>(forgotten);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

/// A worker's life.
fn work(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        if let Some(task) = state.queue.pop_front() {
            state.idle -= 1;
            drop(state);
            run(task);
            state = shared.lock();
            state.idle += 1;
        } else if state.closed {
            return;
        } else {
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn run(task: Task) {
    let Task {
        id, work, receiver, ..
    } = task;
    let finish = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| lost());
    receiver.post(Message::Done(id, finish));
}

/// The outcome of a task that gave none.
pub(super) fn lost() -> Finish {
    Box::new(|_| Err(Raise::new(ErrorKind::Io, "I/O channel closed unexpectedly")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    fn task(id: u64, effect: Effect, receiver: &Receiver, work: impl FnOnce() + Send + 'static) -> Task {
        Task {
            id,
            effect,
            work: Box::new(move || {
                work();
                lost()
            }),
            receiver: receiver.clone(),
        }
    }

    fn done(receiver: &Receiver, count: usize) -> Vec<u64> {
        let mut messages = Vec::new();
        while messages.len() < count {
            receiver.waker().wait(Some(Duration::from_secs(10)), true);
            receiver.take(&mut messages);
        }
        let id = |message: &Message| match message {
            Message::Done(id, _) => *id,
            Message::Event { .. } | Message::Poll(_) => unreachable!("nothing listens"),
        };
        messages.iter().map(id).collect()
    }

    #[test]
    fn one_worker_runs_tasks_in_order_also_after_the_pool_has_gone() {
        let (receiver, pool) = (Receiver::default(), Pool::new(1));
        for id in 0..50 {
            assert!(pool.submit(task(id, Effect::Query, &receiver, || {})).is_ok());
        }
        drop(pool);
        assert_eq!(done(&receiver, 50), (0..50).collect::<Vec<u64>>());
    }

    #[test]
    fn at_most_as_many_tasks_run_as_there_are_workers() {
        let (receiver, pool) = (Receiver::default(), Pool::new(3));
        let running = Arc::new(Mutex::new((0, 0)));
        for id in 0..30 {
            let running = running.clone();
            let count = move |step: i32| {
                let mut counts = running.lock().unwrap();
                counts.0 += step;
                counts.1 = counts.1.max(counts.0);
            };
            let work = move || {
                count(1);
                std::thread::yield_now();
                count(-1);
            };
            assert!(pool.submit(task(id, Effect::Query, &receiver, work)).is_ok());
        }
        done(&receiver, 30);
        assert!(running.lock().unwrap().1 <= 3);
        assert!(pool.0.lock().threads <= 3);
    }

    #[test]
    fn a_panicking_task_is_an_outcome() {
        let (receiver, pool) = (Receiver::default(), Pool::new(1));
        assert!(
            pool.submit(task(1, Effect::Query, &receiver, || panic!("on purpose")))
                .is_ok()
        );
        assert!(pool.submit(task(2, Effect::Query, &receiver, || {})).is_ok());
        assert_eq!(done(&receiver, 2), [1, 2]);
    }

    #[test]
    fn queries_that_have_not_begun_can_be_forgotten() {
        let (receiver, pool) = (Receiver::default(), Pool::new(1));
        let (release, held) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel::<()>();
        let wait = move || {
            begin.send(()).unwrap();
            held.recv().unwrap();
        };
        assert!(pool.submit(task(1, Effect::Query, &receiver, wait)).is_ok());
        begun.recv().unwrap();
        assert!(pool.submit(task(2, Effect::Query, &receiver, || {})).is_ok());
        assert!(pool.submit(task(3, Effect::Write, &receiver, || {})).is_ok());
        pool.forget_queries();
        release.send(()).unwrap();
        assert_eq!(done(&receiver, 2), [1, 3]);
    }
}
