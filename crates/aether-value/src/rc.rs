//! `Rc`: a thin counted pointer to a heap object.
//!
//! Invariants
//! - One `Rc` is one count. A count that reaches 2^31 stays there: the object is then never freed.
//! - The last `Rc` hands the object to the heap's work list; dropping never recurses.
#![expect(unsafe_code, reason = "manual counting over raw object pointers")]

use std::ops::Deref;
use std::ptr::NonNull;

use crate::Header;

/// A type whose memory begins with a [`Header`] and that only the heap creates.
///
/// # Safety
/// `repr(C)` with the header first, allocated by a heap, and of the kind the header says.
pub unsafe trait Object {}

/// A counted pointer; see the module.
#[repr(transparent)]
pub struct Rc<T: Object>(NonNull<T>);

impl<T: Object> Rc<T> {
    /// Whether two pointers lead to the same object.
    #[inline]
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.0 == other.0
    }

    /// How many counts the object has.
    #[inline]
    pub fn count(this: &Self) -> u32 {
        Self::header(this).count.get()
    }

    /// The object's address.
    #[inline]
    pub fn as_ptr(this: &Self) -> *mut T {
        this.0.as_ptr()
    }

    /// The common header.
    #[inline(always)]
    pub fn header(this: &Self) -> &Header {
        // SAFETY: the object is alive while a count is held, and begins with a header.
        unsafe { this.0.cast::<Header>().as_ref() }
    }

    /// The address of the common header.
    #[inline(always)]
    pub fn header_ptr(this: &Self) -> NonNull<Header> {
        this.0.cast()
    }

    /// Takes over one count.
    ///
    /// # Safety
    /// `pointer` is a live object of type `T`, and the caller owns a count that it gives up.
    #[inline(always)]
    pub unsafe fn from_ptr(pointer: *mut T) -> Self {
        // SAFETY: a live object's address is not null.
        Self(unsafe { NonNull::new_unchecked(pointer) })
    }

    /// A second pointer to an object that is known alive; adds a count.
    ///
    /// # Safety
    /// `object` was allocated by a heap, as every object is.
    #[inline(always)]
    pub unsafe fn of_ref(object: &T) -> Self {
        let pointer = NonNull::from(object);
        // SAFETY: every object begins with a header.
        unsafe { pointer.cast::<Header>().as_ref() }.retain();
        Self(pointer)
    }

    /// Gives the count to the caller.
    #[inline(always)]
    pub fn into_ptr(this: Self) -> *mut T {
        let pointer = this.0.as_ptr();
        std::mem::forget(this);
        pointer
    }
}

impl<T: Object> Clone for Rc<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self::header(self).retain();
        Self(self.0)
    }
}

impl<T: Object> Drop for Rc<T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: this pointer owns one count, which ends here.
        unsafe { Header::release(self.0.cast()) };
    }
}

impl<T: Object> Deref for Rc<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the object is alive while a count is held.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Object + std::fmt::Display> std::fmt::Display for Rc<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Object> std::fmt::Debug for Rc<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{:p}", crate::tag::name(Self::header(self).kind), self.0)
    }
}
