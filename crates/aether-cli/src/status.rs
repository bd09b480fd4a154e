//! Exit statuses beside 0.

/// An error of the script, or a file that cannot be read or written.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage.
pub(crate) const WRONG_USAGE: u8 = 2;
/// A budget was exceeded.
pub(crate) const BUDGET_EXCEEDED: u8 = 3;
/// A permission error that nothing caught.
pub(crate) const NOT_PERMITTED: u8 = 4;
/// Leaks under `--leak-check=error`.
pub(crate) const LEAKS: u8 = 5;
/// A bug of ours.
pub(crate) const INTERNAL_ERROR: u8 = 101;
/// A run that took longer than it may.
pub(crate) const TIMED_OUT: u8 = 124;
/// An interrupted run.
pub(crate) const INTERRUPTED: u8 = 130;
