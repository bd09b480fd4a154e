//! Weak references: one counted cell a target, emptied when the target dies.
//!
//! Invariant: the cell and the target's side record point to each other without counts; whichever dies first clears
//! the other's pointer.
#![expect(unsafe_code, reason = "turns the uncounted pointer into a counted value")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::heap::Inner;
use crate::{Header, Heap, Object, Raise, Raw, Rc, Value, flag, tag};

/// A weak reference.
#[repr(C)]
pub struct WeakCell {
    header: Header,
    target: Cell<*mut Header>,
}

// SAFETY: repr(C), header first, made by `Heap::weak_to` only.
unsafe impl Object for WeakCell {}

impl WeakCell {
    /// The target, unless it is gone.
    #[inline]
    pub fn upgrade(&self) -> Option<Value> {
        let target = self.living_target()?;
        // SAFETY: the cell is emptied before its target goes, so a target that is there is alive.
        Some(unsafe { Raw::of_header(target).clone_value() })
    }

    /// Whether the target is gone.
    #[inline]
    pub fn is_dropped(&self) -> bool {
        self.living_target().is_none()
    }

    /// The target, unless it is gone or is going just now.
    #[inline]
    fn living_target(&self) -> Option<NonNull<Header>> {
        let target = NonNull::new(self.target.get())?;
        // SAFETY: as in `upgrade`.
        let is_candidate = unsafe { target.as_ref() }.has(flag::CANDIDATE);
        let is_condemned = is_candidate && Heap::of_header(target).inner().is_condemned(target);
        (!is_condemned).then_some(target)
    }

    /// The target is dead.
    pub(crate) fn empty(&self) {
        self.target.set(std::ptr::null_mut());
    }

    /// The cell is dead: its target forgets it.
    pub(crate) fn detach(&self, heap: &Inner) {
        if let Some(target) = NonNull::new(self.target.get()) {
            heap.side(target, |side| side.weak = None);
        }
    }
}

impl Heap {
    pub(crate) fn weak_cell(&self, target: NonNull<Header>) -> Result<Rc<WeakCell>, Raise> {
        self.object(tag::WEAK, |header| WeakCell {
            header,
            target: Cell::new(target.as_ptr()),
        })
    }
}
