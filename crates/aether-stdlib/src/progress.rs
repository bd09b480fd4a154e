//! How far a parser has come in its text, counted as work piece by piece, so that limits hold within a long text.

use aether_value::{Heap, Raise};

/// Bytes between two checkpoints.
const PIECE: usize = 8 << 10;
/// Bytes that are a unit of work.
const PER_UNIT: usize = 8;

/// The bytes that have been counted.
#[derive(Default)]
pub(crate) struct Progress {
    counted: usize,
}

impl Progress {
    /// The parser has come to the byte `at`.
    ///
    /// # Errors
    /// A limit has been reached, or the user asks to stop.
    #[inline]
    pub(crate) fn reach(&mut self, heap: &Heap, at: usize) -> Result<(), Raise> {
        if at.saturating_sub(self.counted) < PIECE {
            return Ok(());
        }
        self.count(heap, at)
    }

    /// The parser has come to its end.
    ///
    /// # Errors
    /// As of [`Self::reach`].
    #[inline(never)]
    pub(crate) fn count(&mut self, heap: &Heap, at: usize) -> Result<(), Raise> {
        let units = at.saturating_sub(self.counted) / PER_UNIT;
        self.counted = at;
        heap.checkpoint(units)
    }
}
