//! A stack for walks over data of any depth, charged to the heap as it grows.

use aether_value::{Charge, Heap, Raise};

/// A vector used as a stack; its capacity is charged.
pub(crate) struct Stack<T> {
    // Goes before the charge.
    items: Vec<T>,
    charge: Charge,
}

impl<T> Stack<T> {
    /// An empty stack.
    pub(crate) fn new(heap: &Heap) -> Self {
        Self {
            items: Vec::new(),
            charge: Charge::none(heap),
        }
    }

    /// Puts an item on top.
    ///
    /// # Errors
    /// Out of memory; nothing is put then.
    pub(crate) fn push(&mut self, item: T) -> Result<(), Raise> {
        let capacity = self.items.capacity();
        if self.items.len() == capacity {
            let heap = self.charge.heap();
            let more = heap.charge_growth(size_of::<T>(), capacity.max(16), 1)?;
            let bytes = more * size_of::<T>();
            if self.items.try_reserve_exact(more).is_err() {
                heap.discharge(bytes);
                return Err(heap.out_of_memory(bytes));
            }
            self.charge.adopt(bytes);
        }
        self.items.push(item);
        Ok(())
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The items from a place up.
    pub(crate) fn from(&mut self, start: usize) -> &mut [T] {
        &mut self.items[start..]
    }

    /// Drops the items from a place up.
    pub(crate) fn truncate(&mut self, start: usize) {
        self.items.truncate(start);
    }

    /// Takes the item on top.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// The item on top.
    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        self.items.last_mut()
    }

    /// The items from the bottom up.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }
}
