//! Ready-made hosts: the machine itself, memory for tests, and nothing at all.

mod deny;
mod memory;
mod system;
mod turns;

pub use deny::DenyHost;
pub use memory::{Interleaving, MemoryHost};
pub use system::{Output, SystemHost};

use aether_eval::{Waiting, Waker};
use std::time::{Duration, Instant};

/// Nanoseconds since a moment.
fn nanos_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Blocks this thread as an engine asks, `now` being the moment at which it asks.
fn wait_on_clock(waker: &Waker, waiting: Waiting, now: u64) {
    let timeout = waiting
        .until
        .map(|until| Duration::from_nanos(until.saturating_sub(now)));
    waker.wait(timeout, waiting.messages);
}
