//! From character to byte in text that is not ASCII.
//!
//! Short texts are walked. A long one gets, at its first index, a table of the byte offset of every 64th character in
//! its side record; if there is no memory for it, walking serves as well.

use std::ptr::NonNull;

use super::COPIED;
use crate::heap::WORK_BYTES;
use crate::{Heap, Raise, Str};

/// Characters between two table entries.
const STRIDE: usize = 64;
/// Bytes up to which walking is cheap enough.
const SHORT: usize = 256;

impl Str {
    /// The byte offset of a character; the length in bytes for an index at or past the end.
    #[inline]
    pub fn byte_offset(&self, index: usize) -> usize {
        if self.is_ascii() {
            return index.min(self.len_bytes());
        }
        self.byte_offset_wide(index)
    }

    #[cold]
    #[inline(never)]
    fn byte_offset_wide(&self, index: usize) -> usize {
        if index >= self.len_chars() {
            return self.len_bytes();
        }
        let start = if self.len_bytes() <= SHORT {
            0
        } else {
            self.indexed(|table| table[index / STRIDE] as usize).unwrap_or(0)
        };
        let skip = if start == 0 { index } else { index % STRIDE };
        let rest = &self.as_str()[start..];
        start + rest.char_indices().nth(skip).map_or(rest.len(), |(at, _)| at)
    }

    /// The index of the character that starts at byte `offset`.
    pub fn char_index_of_byte(&self, offset: usize) -> usize {
        if self.is_ascii() {
            return offset;
        }
        if self.len_bytes() <= SHORT {
            return self.as_str()[..offset].chars().count();
        }
        let block = self.indexed(|table| {
            let block = table.partition_point(|&start| start as usize <= offset) - 1;
            (block * STRIDE, table[block] as usize)
        });
        let (chars, start) = block.unwrap_or((0, 0));
        chars + self.as_str()[start..offset].chars().count()
    }

    /// Reads the table, made if needed; `None` if there is no memory for it.
    fn indexed<R>(&self, f: impl FnOnce(&[u32]) -> R) -> Option<R> {
        let heap = Heap::of(self);
        let object = NonNull::from(self).cast();
        let missing = heap.inner().side(object, |side| side.text_index.is_none());
        if missing != Some(false) {
            let entries = self.len_chars().div_ceil(STRIDE);
            let bytes = entries * size_of::<u32>();
            if !heap.try_charge(bytes) {
                return None;
            }
            let offsets = self.as_str().char_indices().step_by(STRIDE);
            let table: Box<[u32]> = offsets.map(|(at, _)| at as u32).collect();
            debug_assert_eq!(table.len(), entries);
            self.store_index(table)?;
        }
        heap.inner()
            .side(object, |side| side.text_index.as_deref().map(f))?
    }

    /// Takes the table, which has been charged; `None`, and the charge is gone, if there is no memory for where it goes.
    fn store_index(&self, table: Box<[u32]>) -> Option<()> {
        let heap = Heap::of(self);
        let bytes = table.len() * size_of::<u32>();
        let stored = heap
            .inner()
            .side_or_new(&heap, NonNull::from(self).cast(), |side| {
                side.text_index = Some(table);
            });
        if stored.is_err() {
            heap.discharge(bytes);
            return None;
        }
        Some(())
    }

    /// Makes the table of a very long text with checkpoints, before it is needed; if there is no memory for it, whoever
    /// needs it finds that out.
    ///
    /// # Errors
    /// The overseer's.
    #[inline]
    pub fn prepare_index(&self) -> Result<(), Raise> {
        if self.len_bytes() < COPIED || self.is_ascii() {
            return Ok(());
        }
        self.make_index()
    }

    #[cold]
    #[inline(never)]
    fn make_index(&self) -> Result<(), Raise> {
        let heap = Heap::of(self);
        let object = NonNull::from(self).cast();
        let known = heap.inner().side(object, |side| side.text_index.is_some());
        let entries = self.len_chars().div_ceil(STRIDE);
        if known == Some(true) || !heap.try_charge(entries * size_of::<u32>()) {
            return Ok(());
        }
        let mut table = Vec::with_capacity(entries);
        for (at, _) in self.as_str().char_indices().step_by(STRIDE) {
            if table.len() % (COPIED / STRIDE) == 0
                && let Err(raise) = heap.checkpoint(COPIED / WORK_BYTES)
            {
                heap.discharge(entries * size_of::<u32>());
                return Err(raise);
            }
            table.push(at as u32);
        }
        debug_assert_eq!(table.len(), entries);
        self.store_index(table.into_boxed_slice());
        Ok(())
    }

    /// The text grew: the table is made again when it is needed.
    #[cold]
    pub(super) fn drop_index(&self) {
        let heap = Heap::of(self);
        let table = heap
            .inner()
            .side(NonNull::from(self).cast(), |side| side.text_index.take());
        if let Some(Some(table)) = table {
            heap.discharge(table.len() * size_of::<u32>());
        }
    }
}
