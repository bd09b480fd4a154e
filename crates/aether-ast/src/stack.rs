//! Room on the native stack for recursive walks.

/// Bytes that must be left before a step of a recursive walk.
const RED_ZONE: usize = 128 * 1024;
/// Bytes of each further stack segment.
const SEGMENT: usize = 1024 * 1024;

/// Runs `step` with at least 128 KB of native stack, on a fresh segment if need be.
///
/// Every recursive walk over a tree goes through here once a level, so that the nesting limit, and never the
/// thread's stack, decides how deep a program may nest.
#[inline]
pub fn ensure_stack<R>(step: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(RED_ZONE, SEGMENT, step)
}
