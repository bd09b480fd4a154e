//! Functions with their captures, shared variables, and methods bound to a receiver.
#![expect(unsafe_code, reason = "captures are inline behind the object")]

use std::cell::Cell as StdCell;
use std::ptr::NonNull;

use crate::heap::Visitor;
use crate::{Code, Header, Heap, Object, Raise, Raw, Rc, Value, tag};

/// A function: code and what it captured.
#[repr(C)]
pub struct Closure {
    header: Header,
    code: NonNull<Code>,
    len: u32,
    reserved: u32,
    captures: [Raw; 0],
}

/// A captured variable that closures and frames share.
#[repr(C)]
pub struct Cell {
    header: Header,
    value: StdCell<Raw>,
}

/// A method with its receiver.
#[repr(C)]
pub struct BoundMethod {
    header: Header,
    receiver: Value,
    closure: Rc<Closure>,
}

// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for Closure {}
// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for Cell {}
// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for BoundMethod {}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Closure>() == 32 && std::mem::offset_of!(Closure, captures) == 32);
const _: () = assert!(size_of::<Cell>() == 32);

impl Closure {
    /// Byte offset of the captures within the object.
    pub const CAPTURES_OFFSET: usize = std::mem::offset_of!(Closure, captures);
    /// Byte offset of the address of the code.
    pub const CODE_OFFSET: usize = std::mem::offset_of!(Closure, code);

    /// The code.
    #[inline(always)]
    pub fn code(&self) -> &Code {
        // SAFETY: the heap keeps all code until it ends, and this object keeps the heap.
        unsafe { self.code.as_ref() }
    }

    /// The code's address.
    #[inline(always)]
    pub fn code_ptr(&self) -> NonNull<Code> {
        self.code
    }

    /// Number of captures.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it captured nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether calls give promises.
    pub fn is_async(&self) -> bool {
        self.header.kind == tag::ASYNC_FUNCTION
    }

    /// Whether a call makes a promise and runs nothing.
    pub fn only_promises(&self) -> bool {
        self.is_async() && !self.code().binds_first
    }

    /// Where the captures are.
    #[inline(always)]
    pub fn captures_ptr(&self) -> *mut Raw {
        // SAFETY: the captures start behind the fixed part of the same allocation.
        unsafe {
            let start = std::ptr::from_ref(self).cast_mut().cast::<u8>();
            start.add(Self::CAPTURES_OFFSET).cast()
        }
    }

    /// The captures; a shared variable is a [`Cell`].
    #[inline]
    pub fn captures(&self) -> &[Raw] {
        // SAFETY: that many initialised captures.
        unsafe { std::slice::from_raw_parts(self.captures_ptr(), self.len()) }
    }

    /// The value that a capture holds, none if its variable is not set, and whether it is a shared variable.
    pub fn captured(&self, index: usize) -> (Option<Value>, bool) {
        let raw = self.captures()[index];
        if raw.tag == tag::CELL {
            // SAFETY: by its tag.
            return (unsafe { raw.object::<Cell>() }.get(), true);
        }
        // SAFETY: a capture that is no variable is a value, unless it is unset.
        let value = (raw.tag != tag::UNSET).then(|| unsafe { raw.clone_value() });
        (value, false)
    }

    /// Puts a value into a capture of a closure in the making (a function that captures itself); the old one goes.
    pub fn set_capture(&self, index: usize, value: Raw) {
        assert!(index < self.len(), "capture index");
        // SAFETY: within the captures; the new count is the caller's, the old one ends here.
        unsafe { self.captures_ptr().add(index).replace(value).release() };
    }
}

impl Cell {
    /// Byte offset of the content within the object.
    pub const VALUE_OFFSET: usize = std::mem::offset_of!(Cell, value);

    /// The content, no count taken; may be `UNSET`.
    #[inline(always)]
    pub fn get_raw(&self) -> Raw {
        self.value.get()
    }

    /// Puts in a raw whose count is the caller's, and hands out the old one with its count, which the caller releases or
    /// puts back before the program goes on.
    #[inline(always)]
    pub fn replace_raw(&self, value: Raw) -> Raw {
        self.value.replace(value)
    }

    /// The content, unless the variable is not set.
    pub fn get(&self) -> Option<Value> {
        let raw = self.value.get();
        // SAFETY: the cell holds a value unless it is unset.
        (raw.tag != tag::UNSET).then(|| unsafe { raw.clone_value() })
    }

    /// Sets the variable.
    pub fn set(&self, value: Value) {
        let old = self.value.replace(Raw::from_value(value));
        // SAFETY: the cell owned a count of the old value.
        unsafe { old.release() };
    }
}

impl BoundMethod {
    /// The receiver.
    pub fn receiver(&self) -> &Value {
        &self.receiver
    }

    /// The method.
    pub fn closure(&self) -> &Rc<Closure> {
        &self.closure
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        visitor.value(&self.receiver);
        visitor.rc(&self.closure);
    }
}

impl Heap {
    /// A new function. Takes over the counts of the captures, also when it fails.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn closure(
        &self,
        code: NonNull<Code>,
        captures: &[Raw],
        is_async: bool,
    ) -> Result<Rc<Closure>, Raise> {
        let kind = if is_async {
            tag::ASYNC_FUNCTION
        } else {
            tag::FUNCTION
        };
        let size = Closure::CAPTURES_OFFSET + size_of_val(captures);
        let object = self.inner().alloc(size, kind, 0, 0).cast::<Closure>();
        // SAFETY: a new object of this size, whose count goes to the result; on failure the captures' counts end.
        unsafe {
            if object.is_null() {
                for capture in captures {
                    capture.release();
                }
                return Err(self.out_of_memory(size));
            }
            (&raw mut (*object).code).write(code);
            (&raw mut (*object).len).write(captures.len() as u32);
            (*object)
                .captures_ptr()
                .copy_from_nonoverlapping(captures.as_ptr(), captures.len());
            Ok(Rc::from_ptr(object))
        }
    }

    /// A new shared variable. Takes over the count of `value`, also when it fails.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn cell(&self, value: Raw) -> Result<Rc<Cell>, Raise> {
        let size = size_of::<Cell>();
        let object = self.inner().alloc(size, tag::CELL, 0, 0).cast::<Cell>();
        // SAFETY: a new object of this size, whose count goes to the result; on failure the value's count ends.
        unsafe {
            if object.is_null() {
                value.release();
                return Err(self.out_of_memory(size));
            }
            (&raw mut (*object).value).write(StdCell::new(value));
            Ok(Rc::from_ptr(object))
        }
    }

    /// A method bound to a receiver.
    ///
    /// # Errors
    /// Out of memory.
    pub fn bound_method(&self, receiver: Value, closure: Rc<Closure>) -> Result<Rc<BoundMethod>, Raise> {
        self.object(tag::BOUND_METHOD, |header| BoundMethod {
            header,
            receiver,
            closure,
        })
    }
}
