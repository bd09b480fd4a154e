//! Ctrl-C: once asks the run to end, which runs its `finally` blocks; twice ends the process at once.
//!
//! Not here: what the engine does when asked (see [`aether::Host::interrupted`]).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::report::INTERRUPTED;

/// A flag that Ctrl-C sets. Where signals cannot be caught, it stays as it is and Ctrl-C ends the process.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let armed = Arc::new(AtomicBool::new(false));
    // In this order: the first press arms the shutdown only after it has been looked at.
    let registered = flag::register_conditional_shutdown(SIGINT, i32::from(INTERRUPTED), armed.clone())
        .and_then(|_| flag::register(SIGINT, armed))
        .and_then(|_| flag::register(SIGINT, stop.clone()));
    drop(registered);
    stop
}
