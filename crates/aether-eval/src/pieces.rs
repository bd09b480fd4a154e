//! Long texts and bytes in pieces, so that limits and interrupts hold within one operation on them.
//!
//! A built-in that goes over a text ticks for one piece after the other instead of for all of it before it begins. A
//! short text is one piece.
//!
//! Invariants
//! - Pieces end between characters; together they are the whole.
//! - What is found is what a search of the whole text finds.

use std::cmp::Ordering;

use aether_value::{Array, Raise, Rc, Str, StrBuilder, Value};
use base64::engine::GeneralPurpose;
use base64::{DecodeError, Engine as _};

use crate::builtins::sort_numbers;
use crate::context::Ctx;

/// Bytes of a piece.
pub const PIECE: usize = 64 << 10;
/// Items of a piece.
pub const PIECE_ITEMS: usize = 16 << 10;

/// Where a text is cut: at a byte, or at the next one between characters.
fn cut(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// The pieces of a text; none of an empty one.
pub fn text_pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at(cut(rest, PIECE));
        rest = tail;
        Some(piece)
    })
}

impl Ctx<'_> {
    /// The byte where `part` occurs first in `text` at or behind the byte `from`, which is between characters.
    ///
    /// # Errors
    /// A limit has been reached, or the run was interrupted.
    pub fn find_text(&mut self, text: &str, part: &str, mut from: usize) -> Result<Option<usize>, Raise> {
        // Preparing a search takes as long as the part is: pieces are not much shorter.
        let step = PIECE.max(part.len().saturating_mul(4));
        loop {
            let next = cut(text, from.saturating_add(step));
            let end = cut(text, next.saturating_add(part.len()));
            self.tick((next - from + part.len()) / 16)?;
            if let Some(at) = text[from..end].find(part) {
                return Ok(Some(from + at));
            }
            if end == text.len() {
                return Ok(None);
            }
            from = next;
        }
    }

    /// The byte where `part` occurs last in `text`.
    ///
    /// # Errors
    /// A limit has been reached, or the run was interrupted.
    pub fn find_text_backwards(&mut self, text: &str, part: &str) -> Result<Option<usize>, Raise> {
        let step = PIECE.max(part.len().saturating_mul(4));
        let mut end = text.len();
        loop {
            let begin = if end > step { cut(text, end - step) } else { 0 };
            let last = cut(text, end.saturating_add(part.len()));
            self.tick((end - begin + part.len()) / 16)?;
            if let Some(at) = text[begin..last].rfind(part) {
                return Ok(Some(begin + at));
            }
            if begin == 0 {
                return Ok(None);
            }
            end = begin;
        }
    }

    /// Calls `found` with the byte of each occurrence of `part`, which is not empty, as long as it wants more; they do not
    /// overlap.
    ///
    /// # Errors
    /// A limit has been reached, the run was interrupted, or `found` fails.
    pub fn each_occurrence(
        &mut self,
        text: &str,
        part: &str,
        mut found: impl FnMut(&mut Self, usize) -> Result<bool, Raise>,
    ) -> Result<(), Raise> {
        let step = PIECE.max(part.len().saturating_mul(4));
        let mut from = 0_usize;
        loop {
            let next = cut(text, from.saturating_add(step));
            let end = cut(text, next.saturating_add(part.len()));
            self.tick((next - from + part.len()) / 16)?;
            let mut done = next;
            if let &[byte] = part.as_bytes() {
                // One ASCII character, the common case: no searcher to set up.
                let limit = if end == text.len() { end } else { next };
                let mut at = from;
                while let Some(distance) = text.as_bytes()[at..limit].iter().position(|&other| other == byte)
                {
                    if !found(self, at + distance)? {
                        return Ok(());
                    }
                    at += distance + 1;
                }
            } else {
                for (at, _) in text[from..end].match_indices(part) {
                    if !found(self, from + at)? {
                        return Ok(());
                    }
                    done = done.max(from + at + part.len());
                }
            }
            if end == text.len() {
                return Ok(());
            }
            from = done;
        }
    }

    /// A new array of copies of items, of which `per_unit` count as a unit of work.
    ///
    /// # Errors
    /// Out of memory; a limit has been reached, or the run was interrupted.
    pub fn array_of_items(&mut self, items: &[Value], per_unit: usize) -> Result<Rc<Array>, Raise> {
        let array = self.heap().array(items.len())?;
        self.append_items(&array, items, per_unit)?;
        Ok(array)
    }

    /// Appends copies of items that are not the array's own.
    ///
    /// # Errors
    /// As of [`Self::array_of_items`]; the array then has some of them.
    pub fn append_items(&mut self, array: &Array, items: &[Value], per_unit: usize) -> Result<(), Raise> {
        for piece in items.chunks(PIECE_ITEMS) {
            self.tick(piece.len() / per_unit)?;
            array.extend(piece)?;
        }
        Ok(())
    }

    /// Sorts numbers, or what is compared as fast; charges what that takes beside. What fails leaves them in any order, some
    /// twice.
    ///
    /// # Errors
    /// Out of memory; a limit has been reached, or the run was interrupted.
    pub fn sort_numbers<T: Copy>(
        &self,
        items: &mut [T],
        order: impl Fn(&T, &T) -> Ordering,
    ) -> Result<(), Raise> {
        sort_numbers(self.heap(), items, order)
    }

    /// Hands what a text in base64 stands for to `take`, piece by piece; gives what is wrong with the text.
    ///
    /// # Errors
    /// A limit has been reached, the run was interrupted, or `take` fails.
    pub fn decode_base64(
        &mut self,
        engine: &GeneralPurpose,
        text: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Raise>,
    ) -> Result<Option<DecodeError>, Raise> {
        // Four characters are three bytes, so pieces of whole fours are those of the whole.
        let mut bytes = Vec::new();
        let mut begun = 0;
        for piece in text.as_bytes().chunks(PIECE) {
            self.tick(piece.len() / 16)?;
            bytes.clear();
            let end = begun + piece.len();
            // Padding is allowed at the end alone.
            let piece = if end < text.len() && piece.ends_with(b"=") {
                &text.as_bytes()[begun..text.len().min(end + 4)]
            } else {
                piece
            };
            if let Err(error) = engine.decode_vec(piece, &mut bytes) {
                return Ok(Some(moved(&error, begun)));
            }
            take(&bytes)?;
            begun = end;
        }
        Ok(None)
    }

    /// The text that bytes are in UTF-8, or the first byte that is not part of one.
    ///
    /// # Errors
    /// Out of memory; a limit has been reached, or the run was interrupted.
    pub fn text_of_bytes(&mut self, bytes: &[u8]) -> Result<Result<Rc<Str>, usize>, Raise> {
        if bytes.len() <= PIECE {
            self.tick(bytes.len() / 64)?;
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Ok(self.heap().string(text)?)),
                Err(error) => Ok(Err(error.valid_up_to())),
            };
        }
        let mut out = StrBuilder::with_capacity(self.heap(), bytes.len())?;
        let mut begun = 0;
        while begun < bytes.len() {
            let piece = &bytes[begun..bytes.len().min(begun + PIECE)];
            self.tick(piece.len() / 64)?;
            let text = match std::str::from_utf8(piece) {
                Ok(text) => text,
                // The piece ends within a character, which the next one begins with.
                Err(error) if error.error_len().is_none() && begun + piece.len() < bytes.len() => {
                    let valid = error.valid_up_to();
                    std::str::from_utf8(&piece[..valid]).expect("valid up to there")
                }
                Err(error) => return Ok(Err(begun + error.valid_up_to())),
            };
            out.push_str(text)?;
            begun += text.len();
        }
        Ok(Ok(out.finish()?))
    }

    /// An array of bytes as ints.
    ///
    /// # Errors
    /// Out of memory; a limit has been reached, or the run was interrupted.
    pub fn array_of_bytes(&mut self, bytes: &[u8]) -> Result<Rc<Array>, Raise> {
        if bytes.len() <= PIECE {
            self.tick(bytes.len() / 16)?;
            return self.heap().array_of_bytes(bytes);
        }
        let array = self.heap().array(bytes.len())?;
        for piece in bytes.chunks(PIECE) {
            self.tick(piece.len() / 16)?;
            array.push_bytes(piece)?;
        }
        Ok(array)
    }
}

/// An error of a decoder that began behind the beginning.
fn moved(error: &DecodeError, by: usize) -> DecodeError {
    match *error {
        DecodeError::InvalidByte(at, byte) => DecodeError::InvalidByte(at + by, byte),
        DecodeError::InvalidLength(length) => DecodeError::InvalidLength(length + by),
        DecodeError::InvalidLastSymbol {
            offset,
            symbol,
            symbol_value,
        } => DecodeError::InvalidLastSymbol {
            offset: offset + by,
            symbol,
            symbol_value,
        },
        DecodeError::InvalidPadding => DecodeError::InvalidPadding,
    }
}
