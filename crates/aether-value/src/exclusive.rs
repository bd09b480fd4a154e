//! `Exclusive`: interior mutability for one access at a time, without `RefCell`'s cost.
//!
//! The closure given to [`Exclusive::with`] must not reach the same cell again: it neither releases values nor calls
//! out of this crate. Debug builds check.
#![expect(unsafe_code, reason = "hands out the one mutable borrow")]

use std::cell::UnsafeCell;

pub(crate) struct Exclusive<T> {
    value: UnsafeCell<T>,
    #[cfg(debug_assertions)]
    busy: std::cell::Cell<bool>,
}

impl<T> Exclusive<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            #[cfg(debug_assertions)]
            busy: std::cell::Cell::new(false),
        }
    }

    /// Runs `f` with the only borrow.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(debug_assertions)]
        assert!(!self.busy.replace(true), "re-entered an exclusive cell");
        // SAFETY: single-threaded, and no closure given here reaches the cell again (module comment).
        let result = f(unsafe { &mut *self.value.get() });
        #[cfg(debug_assertions)]
        self.busy.set(false);
        result
    }

    /// Puts `value` in and hands out what was there.
    pub(crate) fn replace(&self, value: T) -> T {
        self.with(|slot| std::mem::replace(slot, value))
    }
}

impl<T: Default> Exclusive<T> {
    /// Hands out the content, leaving the default.
    pub(crate) fn take(&self) -> T {
        self.replace(T::default())
    }
}
