//! The threads of workers: started when they are needed, and kept for the next.
//!
//! A thread that has nothing to do waits a while for work and ends then. What runs on it makes a machine, and drops it
//! before the thread is free again.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

type Work = Box<dyn FnOnce() + Send>;

/// Threads without work, and work without a thread.
struct Idle {
    waiting: usize,
    work: Vec<Work>,
}

static IDLE: Mutex<Idle> = Mutex::new(Idle {
    waiting: 0,
    work: Vec::new(),
});
static CALLED: Condvar = Condvar::new();

/// How long a thread waits for work.
const PATIENCE: Duration = Duration::from_millis(200);
/// Native stack of a thread.
const STACK: usize = 1 << 20;

/// Runs work on a thread of its own.
///
/// # Errors
/// The system gives no thread.
pub(super) fn run(work: Work) -> io::Result<()> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.waiting > idle.work.len() {
        idle.work.push(work);
        drop(idle);
        CALLED.notify_one();
        return Ok(());
    }
    drop(idle);
    thread::Builder::new()
        .name("aether-worker".to_owned())
        .stack_size(STACK)
        .spawn(move || serve(work))
        .map(drop)
}

fn serve(mut work: Work) {
    loop {
        // A panic would be a bug of the machine; the thread goes on with the next worker all the same.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.waiting += 1;
        loop {
            if let Some(next) = idle.work.pop() {
                idle.waiting -= 1;
                work = next;
                break;
            }
            let (guard, timeout) = CALLED
                .wait_timeout(idle, PATIENCE)
                .unwrap_or_else(PoisonError::into_inner);
            idle = guard;
            if timeout.timed_out() && idle.work.is_empty() {
                idle.waiting -= 1;
                return;
            }
        }
    }
}
