//! Charges for memory outside the heap's objects.

use crate::{Heap, Raise};

/// Bytes that are charged to a heap as long as this lives.
///
/// ```
/// use aether_value::{Charge, Heap, HeapConfig};
///
/// let heap = Heap::new(HeapConfig::default());
/// let mut charge = Charge::new(&heap, 1000).expect("no limit");
/// charge.add(500).expect("no limit");
/// assert_eq!(heap.live_bytes(), 1500);
/// drop(charge);
/// assert_eq!(heap.live_bytes(), 0);
/// ```
pub struct Charge {
    heap: Heap,
    bytes: usize,
}

impl Charge {
    /// Charges `bytes`.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(heap: &Heap, bytes: usize) -> Result<Self, Raise> {
        heap.charge(bytes)?;
        Ok(Self {
            heap: heap.clone(),
            bytes,
        })
    }

    /// Charges nothing yet.
    pub fn none(heap: &Heap) -> Self {
        Self {
            heap: heap.clone(),
            bytes: 0,
        }
    }

    /// Charges more.
    ///
    /// # Errors
    /// Out of memory; the charge is as before.
    pub fn add(&mut self, bytes: usize) -> Result<(), Raise> {
        self.heap.charge(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Takes over bytes that have been charged to the heap by [`Heap::charge_growth`] or the like.
    pub fn adopt(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The bytes that are charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The heap that they are charged to.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.heap.discharge(self.bytes);
    }
}
