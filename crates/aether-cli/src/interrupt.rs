//! Ctrl-C: once asks the run to end, which runs its `finally` blocks; twice ends the process at once. While servers
//! run, the first one asks them to come to an end, and the next one is the first again.
//!
//! A signal sets a flag, which the engine looks at now and then while code runs. While it waits it looks at nothing, so
//! a thread passes the signal on to the waker that ends waits. Few scripts wait: the thread is made when one does.
//!
//! SIGUSR1 is looked at in the same way, and only by runs that write a heap profile: others leave it to the system.
//!
//! Not here: what the engine does when asked (see [`aether::Host::interrupted`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aether::{SystemHost, Waker};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::status::INTERRUPTED;

/// Whether SIGUSR1 asks for something.
static REQUESTS: AtomicBool = AtomicBool::new(false);

/// A flag that SIGUSR1 sets from now on. Where signals cannot be caught, it stays as it is.
pub(crate) fn request_flag() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    if flag::register(signal_hook::consts::SIGUSR1, asked.clone()).is_ok() {
        REQUESTS.store(true, Ordering::Relaxed);
    }
    asked
}

/// What Ctrl-C has set, for a session that goes on afterwards.
pub(crate) struct Interrupts {
    stop: Arc<AtomicBool>,
    armed: Arc<AtomicBool>,
}

impl Interrupts {
    /// Forgets what was pressed so far.
    pub(crate) fn clear(&self) {
        self.stop.store(false, Ordering::Relaxed);
        self.armed.store(false, Ordering::Relaxed);
    }
}

/// The machine as a host whose runs Ctrl-C ends.
pub(crate) fn host() -> SystemHost {
    session().0
}

/// The same for a session, with the flags that Ctrl-C sets.
pub(crate) fn session() -> (SystemHost, Interrupts) {
    let stop = Arc::new(AtomicBool::new(false));
    let armed = Arc::new(AtomicBool::new(false));
    // In this order: the first press arms the shutdown only after it has been looked at. Where signals cannot be
    // caught, the flags stay as they are and Ctrl-C ends the process.
    let registered = flag::register_conditional_shutdown(SIGINT, i32::from(INTERRUPTED), armed.clone())
        .and_then(|_| flag::register(SIGINT, armed.clone()))
        .and_then(|_| flag::register(SIGINT, stop.clone()));
    drop(registered);
    let host = SystemHost::new()
        .interrupted_by(stop.clone())
        .armed_by(armed.clone())
        .woken_by(pass_on);
    (host, Interrupts { stop, armed })
}

/// Wakes the waker at every signal from now on. Without a thread for it, Ctrl-C ends the process at its second press.
#[cfg(unix)]
fn pass_on(waker: Waker) {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    /// The thread only reads and wakes.
    const STACK: usize = 64 << 10;

    let Ok((mut signals, sender)) = UnixStream::pair() else {
        return;
    };
    // After the flags, so that whoever is woken sees them.
    if REQUESTS.load(Ordering::Relaxed)
        && let Ok(sender) = sender.try_clone()
    {
        // Without it, a request waits until the script goes on.
        drop(signal_hook::low_level::pipe::register(
            signal_hook::consts::SIGUSR1,
            sender,
        ));
    }
    if signal_hook::low_level::pipe::register(SIGINT, sender).is_err() {
        return;
    }
    let watch = move || {
        let mut byte = [0];
        while matches!(signals.read(&mut byte), Ok(1)) {
            waker.wake();
        }
    };
    let thread = std::thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(STACK)
        .spawn(watch);
    drop(thread);
}

#[cfg(not(unix))]
fn pass_on(_: Waker) {}
