//! Making objects of fixed layout.
#![expect(unsafe_code, reason = "initialises fresh objects")]

use crate::{Object, Raise, Rc};

use super::{Header, Heap, Inner};

impl Heap {
    /// A fresh object of which only the header is initialised.
    #[inline]
    pub(crate) fn new_object(&self, kind: u8, size: usize) -> Result<*mut Header, Raise> {
        let object = self.inner().alloc(size, kind, 0, 0);
        if object.is_null() {
            Err(self.out_of_memory(size))
        } else {
            Ok(object)
        }
    }

    /// A new object; `make` gets the header that the allocator wrote.
    #[inline]
    pub(crate) fn object<T: Object>(&self, kind: u8, make: impl FnOnce(Header) -> T) -> Result<Rc<T>, Raise> {
        const { assert!(align_of::<T>() <= 16) };
        let object = self.new_object(kind, size_of::<T>())?;
        // SAFETY: a new object of this size, whose count goes to the result.
        unsafe {
            let made = make(object.read());
            object.cast::<T>().write(made);
            Ok(Rc::from_ptr(object.cast()))
        }
    }
}

impl Inner {
    /// The secret of number keys.
    #[inline]
    pub(crate) fn key_secret(&self) -> u64 {
        self.secret
    }

    /// Charges or gives back the difference between what was charged and what was taken, whatever the limit.
    pub(crate) fn settle(&self, charged: usize, taken: usize) {
        if taken > charged {
            self.live.set(self.live.get() + (taken - charged));
        } else {
            self.discharge(charged - taken);
        }
    }
}
