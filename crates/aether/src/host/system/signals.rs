//! Signals of the system, as a script asks to be told of them.
//!
//! The handler writes a byte into a pair of sockets; a thread of the watch reads it and tells.
//!
//! Invariants
//! - The thread ends when the watch is dropped.
//! - While a script is told of interrupts, they end nothing: see [`takes_interrupts`].

use std::sync::atomic::{AtomicUsize, Ordering};

/// Watches of interrupts in this process.
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// Whether interrupts go to scripts.
pub(super) fn takes_interrupts() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 0
}

#[cfg(unix)]
pub(super) use unix::watch;

#[cfg(unix)]
mod unix {
    use std::any::Any;
    use std::io::{self, Read as _};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::Ordering;

    use aether_eval::SignalObserver;
    use signal_hook::SigId;
    use signal_hook::consts::{FORBIDDEN, SIGINT};
    use signal_hook::low_level::{pipe, unregister};

    use super::INTERRUPTS;

    /// Stack of the thread.
    const STACK: usize = 64 << 10;

    /// Ends a watch when it is dropped.
    struct Source {
        id: SigId,
        signal: i32,
        /// Where the thread reads.
        stream: UnixStream,
    }

    impl Drop for Source {
        fn drop(&mut self) {
            unregister(self.id);
            if self.signal == SIGINT {
                INTERRUPTS.fetch_sub(1, Ordering::Relaxed);
            }
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    /// Tells of a signal until what this gives is dropped.
    pub(in super::super) fn watch(signal: i32, mut observer: SignalObserver) -> io::Result<Box<dyn Any>> {
        if FORBIDDEN.contains(&signal) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the signal cannot be caught",
            ));
        }
        let (mut receiver, sender) = UnixStream::pair()?;
        let stream = receiver.try_clone()?;
        std::thread::Builder::new()
            .name("aether-signal".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let mut byte = [0];
                while matches!(receiver.read(&mut byte), Ok(1)) {
                    observer();
                }
            })?;
        // Without the handler the sender is gone, and the thread ends.
        let id = pipe::register(signal, sender)?;
        if signal == SIGINT {
            INTERRUPTS.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Box::new(Source { id, signal, stream }))
    }
}
