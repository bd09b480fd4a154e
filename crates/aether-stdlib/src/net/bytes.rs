//! Bytes on their way in or out, charged to the heap by capacity, and their forms as script values.

use aether_value::{Heap, Raise, Value};

use crate::arguments::wrong_type;

/// Most bytes that wait at one end of a connection.
const MOST: usize = i32::MAX as usize;
/// The first growth.
const LEAST: usize = 64;

/// A queue of bytes.
pub(super) struct Bytes {
    heap: Heap,
    data: Vec<u8>,
    /// Bytes at the beginning that have been taken.
    start: usize,
    /// The capacity that was asked for, and charged.
    capacity: usize,
}

impl Bytes {
    pub(super) fn new(heap: &Heap) -> Self {
        Self {
            heap: heap.clone(),
            data: Vec::new(),
            start: 0,
            capacity: 0,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.data[self.start..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.data.len()
    }

    pub(super) fn len(&self) -> usize {
        self.data.len() - self.start
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Out of memory; nothing is appended.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Raise> {
        self.reserve(bytes.len())?;
        self.data.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes room for so many more bytes.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), Raise> {
        let needed = self.len().saturating_add(more);
        if needed > MOST {
            return Err(self.heap.out_of_memory(more));
        }
        if self.start + needed <= self.capacity {
            return Ok(());
        }
        self.data.drain(..self.start);
        self.start = 0;
        if needed <= self.capacity {
            return Ok(());
        }
        let wish = needed.max(self.capacity * 2).max(LEAST) - self.capacity;
        let added = self.heap.charge_growth(1, wish, needed - self.capacity)?;
        let wanted = self.capacity + added;
        if self.data.try_reserve_exact(wanted - self.data.len()).is_err() {
            self.heap.discharge(added);
            return Err(self.heap.out_of_memory(added));
        }
        self.capacity = wanted;
        Ok(())
    }

    /// Takes bytes from the beginning. What has been emptied gives its memory back, if that is much.
    pub(super) fn take(&mut self, count: usize) {
        /// A buffer that is kept.
        const KEPT: usize = 4096;
        self.start += count;
        if self.start == self.data.len() {
            self.start = 0;
            self.data.clear();
            if self.capacity > KEPT {
                self.clear();
            }
        }
    }

    /// Forgets everything and gives the memory back.
    pub(super) fn clear(&mut self) {
        self.heap.discharge(std::mem::take(&mut self.capacity));
        self.data = Vec::new();
        self.start = 0;
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Lends the bytes of a string or of an array of ints.
pub(super) fn with_bytes<R>(
    heap: &Heap,
    value: &Value,
    use_bytes: impl FnOnce(&[u8]) -> Result<R, Raise>,
) -> Result<R, Raise> {
    match value {
        Value::String(text) => use_bytes(text.as_str().as_bytes()),
        Value::Array(array) => {
            let items = array.snapshot()?;
            let mut bytes = Bytes::new(heap);
            bytes.reserve(items.len())?;
            let byte = |item: &Value| match item {
                Value::Int(value) => u8::try_from(*value).ok(),
                _ => None,
            };
            for item in items.iter() {
                match byte(item) {
                    Some(byte) => bytes.data.push(byte),
                    None => return Err(wrong_type("int (0-255)", item)),
                }
            }
            use_bytes(bytes.as_slice())
        }
        #[cfg(feature = "bytes")]
        Value::Native(native) if let Some(buffer) = native.downcast::<crate::buffer::Buffer>() => {
            buffer.with(use_bytes)
        }
        value => Err(wrong_type("string or array", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_value::HeapConfig;

    #[test]
    fn a_queue_is_charged_as_it_grows_and_given_back() {
        let heap = Heap::new(HeapConfig {
            limit: Some(1 << 20),
            ..HeapConfig::default()
        });
        let before = heap.live_bytes();
        let mut bytes = Bytes::new(&heap);
        for index in 0..100_000_usize {
            bytes.push(&[index as u8]).unwrap();
            if index % 3 == 0 {
                assert_eq!(bytes.as_slice()[0], (index / 3) as u8);
                bytes.take(1);
            }
        }
        assert_eq!(heap.live_bytes() - before, bytes.capacity);
        assert!(bytes.push(&vec![0; 1 << 20]).is_err());
        let rest = bytes.len();
        bytes.take(rest);
        assert!(bytes.is_empty());
        drop(bytes);
        assert_eq!(heap.live_bytes(), before);
    }

    #[test]
    fn values_become_bytes_and_back() {
        let heap = Heap::new(HeapConfig::default());
        let array = crate::byte_form::ByteForm::Array
            .value(&heap, &[0, 128, 255])
            .unwrap();
        let copy = with_bytes(&heap, &array, |bytes| Ok(bytes.to_vec())).unwrap();
        assert_eq!(copy, [0, 128, 255]);
        let text = Value::String(heap.string("é").unwrap());
        assert_eq!(with_bytes(&heap, &text, |bytes| Ok(bytes.len())).unwrap(), 2);
        for (wrong, message) in [
            (Value::Int(1), "Type error: expected string or array, got int"),
            (
                heap.array_from_iter([Value::Int(256)]).unwrap().into(),
                "Type error: expected int (0-255), got int",
            ),
            (
                heap.array_from_iter([Value::Null]).unwrap().into(),
                "Type error: expected int (0-255), got null",
            ),
        ] {
            let error = with_bytes(&heap, &wrong, |_| Ok(())).unwrap_err();
            assert_eq!(error.message(), message);
        }
    }
}
