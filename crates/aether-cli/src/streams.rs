//! Writing to the standard streams of the process, for what no engine writes.
//!
//! Invariant: a stream that nobody reads is not an error.

use std::io::{self, Write};

/// Writes results.
pub(crate) fn write_out(text: &str) {
    let mut stdout = io::stdout().lock();
    // Nobody is left to tell.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes diagnostics.
pub(crate) fn write_err(text: &str) {
    // Nobody is left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
