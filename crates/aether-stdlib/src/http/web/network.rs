//! The network's thread: one for the servers and web sockets of every engine of this process.
//!
//! It reads, writes, and keeps time. It never waits for an engine, and knows no value.

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle};

/// Stack of the thread: TLS needs some.
const STACK: usize = 1 << 20;

static NETWORK: OnceLock<Result<Handle, io::ErrorKind>> = OnceLock::new();

/// Where work for the thread is given.
///
/// # Errors
/// The thread cannot be had.
pub(super) fn network() -> io::Result<&'static Handle> {
    let handle = NETWORK.get_or_init(|| start().map_err(|error| error.kind()));
    handle.as_ref().map_err(|kind| io::Error::from(*kind))
}

fn start() -> io::Result<Handle> {
    crate::net::raise_descriptors();
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("aether-http".to_owned())
        .stack_size(STACK)
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
