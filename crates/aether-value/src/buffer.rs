//! Buffers: the items of an array, in an object of their own so that a snapshot is one count.
//!
//! Invariants
//! - While an array owns it alone, the array knows the length; while it is shared, the header's `shape` holds it and
//!   nobody writes the items.
//! - A [`Buffer`] that is handed out is a snapshot: it does not change.
#![expect(unsafe_code, reason = "items are raw memory behind the header")]

use std::ptr::NonNull;

use crate::heap::{EMBEDDED, Visitor};
use crate::{Header, Object, Raw, Value, tag};

/// Bytes in front of the items.
pub(crate) const BUFFER_HEADER: usize = size_of::<Header>();
/// Byte offset of the first item within a buffer.
pub const BUFFER_ITEMS: usize = BUFFER_HEADER;

/// Items that an array owns, alone or together with snapshots.
#[repr(C)]
pub struct Buffer {
    pub(crate) header: Header,
}

// SAFETY: repr(C), header first, made by arrays only.
unsafe impl Object for Buffer {}

impl Buffer {
    /// The record's own empty buffer.
    pub(crate) const fn embedded() -> Self {
        Self {
            header: Header::new(tag::BUFFER, EMBEDDED, 0, 0),
        }
    }

    /// Number of items.
    #[inline]
    pub fn len(&self) -> usize {
        self.header.shape.get() as usize
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn items_ptr(&self) -> *mut Raw {
        // SAFETY: the items start behind the header of the same allocation.
        unsafe {
            std::ptr::from_ref(self)
                .cast_mut()
                .cast::<u8>()
                .add(BUFFER_HEADER)
                .cast()
        }
    }

    /// Shows the items from `from` up to `to` to the collector; whether there are more.
    pub(crate) fn visit_span<F: FnMut(NonNull<Header>)>(
        &self,
        from: usize,
        to: usize,
        visitor: &mut Visitor<F>,
    ) -> bool {
        let end = to.min(self.len());
        for index in from..end {
            // SAFETY: below the length, items are initialised.
            visitor.raw(unsafe { self.items_ptr().add(index).read() });
        }
        end < self.len()
    }

    /// The items. They do not change while the snapshot lives.
    #[inline]
    pub fn as_slice(&self) -> &[Value] {
        // SAFETY: a shared buffer's items are live values of this number, and writers copy first.
        unsafe { std::slice::from_raw_parts(self.items_ptr().cast::<Value>(), self.len()) }
    }

    /// The item at `index`, which must be below the length.
    #[inline]
    pub fn get(&self, index: usize) -> &Value {
        &self.as_slice()[index]
    }

    /// The items in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.as_slice().iter()
    }
}

impl<'a> IntoIterator for &'a Buffer {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
