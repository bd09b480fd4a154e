//! Text in the making, in small pieces.
//!
//! Pieces are gathered in a buffer of fixed size and go to the heap's string when it is full, so that a piece of a
//! few bytes costs a copy and not a look at the string's count, room and characters. The bytes count as work, at
//! checkpoints.

use aether_value::{Heap, Raise, Rc, Str, StrBuilder};

/// Bytes of the buffer.
const BUFFER: usize = 8 << 10;

/// Bytes of a long piece that are added between two checkpoints.
const PIECE: usize = 64 << 10;
/// Bytes that are a unit of work.
const PER_UNIT: usize = 8;

/// Text in the making.
pub(crate) struct Text {
    builder: StrBuilder,
    buffer: String,
}

impl Text {
    pub(crate) fn new(heap: &Heap) -> Self {
        Self {
            builder: StrBuilder::new(heap),
            buffer: String::with_capacity(BUFFER),
        }
    }

    /// Adds text.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Raise> {
        if self.buffer.len() + text.len() > BUFFER {
            return self.push_full(text);
        }
        self.buffer.push_str(text);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn push_full(&mut self, text: &str) -> Result<(), Raise> {
        self.flush()?;
        if text.len() > BUFFER / 2 {
            if text.len() > PIECE {
                self.builder.reserve(text.len())?;
            }
            let mut rest = text;
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rest.ceil_char_boundary(PIECE));
                self.builder.heap().checkpoint(piece.len() / PER_UNIT)?;
                self.builder.push_str(piece)?;
                rest = tail;
            }
            return Ok(());
        }
        self.buffer.push_str(text);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Raise> {
        self.builder.heap().checkpoint(self.buffer.len() / PER_UNIT)?;
        self.builder.push_str(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Adds an integer in decimal.
    ///
    /// # Errors
    /// Out of memory.
    #[cfg(feature = "json")]
    pub(crate) fn push_int(&mut self, value: i64) -> Result<(), Raise> {
        self.push(aether_value::decimal(value, &mut [0; 20]))
    }

    /// The string.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn finish(mut self) -> Result<Rc<Str>, Raise> {
        self.flush()?;
        self.builder.finish()
    }
}
