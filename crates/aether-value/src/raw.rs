//! `Raw`: the `Copy` twin of [`Value`], same bytes, no counting.
//!
//! Invariants
//! - A `Raw` whose tag is counted points to a live object as long as someone owns a count for it; a `Raw` by itself
//!   owns nothing. Who owns the count is said at each place that stores one.
//! - Null and bool are compared by tag and the payload's low byte; the other payload bytes may be stale.
//!
//! Not here: what the evaluator does with registers.
#![expect(
    unsafe_code,
    reason = "reinterprets the bytes of values and follows their pointers"
)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::{Builtin, BuiltinInfo, Header, Object, Rc, Value, tag};

/// A tag and eight bytes of payload, owning nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Raw {
    /// One of [`crate::tag`].
    pub tag: u8,
    /// The integer, the float's bits, the truth value or the address.
    pub payload: u64,
}

const _: () = assert!(size_of::<Raw>() == 16 && align_of::<Raw>() == 8);
const _: () = assert!(size_of::<Value>() == 16 && align_of::<Value>() == 8);
const _: () = assert!(std::mem::offset_of!(Raw, payload) == 8);

impl Raw {
    /// An integer.
    #[inline(always)]
    pub const fn int(value: i64) -> Self {
        Self {
            tag: tag::INT,
            payload: value as u64,
        }
    }

    /// A float.
    #[inline(always)]
    pub const fn float(value: f64) -> Self {
        Self {
            tag: tag::FLOAT,
            payload: value.to_bits(),
        }
    }

    /// Null.
    #[inline(always)]
    pub const fn null() -> Self {
        Self {
            tag: tag::NULL,
            payload: 0,
        }
    }

    /// A truth value.
    #[inline(always)]
    pub const fn bool(value: bool) -> Self {
        Self {
            tag: tag::BOOL,
            payload: value as u64,
        }
    }

    /// The mark of a binding that is declared but not executed.
    #[inline(always)]
    pub const fn unset() -> Self {
        Self {
            tag: tag::UNSET,
            payload: 0,
        }
    }

    /// A built-in function.
    #[inline]
    pub fn builtin(info: &'static BuiltinInfo) -> Self {
        Self {
            tag: tag::BUILTIN,
            payload: std::ptr::from_ref(info).expose_provenance() as u64,
        }
    }

    /// The object behind `pointer`, under its own kind. No count is taken.
    #[inline(always)]
    pub fn of_header(pointer: NonNull<Header>) -> Self {
        // SAFETY: callers in this crate pass live objects.
        let kind = unsafe { pointer.as_ref() }.kind;
        Self {
            tag: kind,
            payload: pointer.as_ptr().expose_provenance() as u64,
        }
    }

    /// The object that `rc` refers to, without taking its count.
    #[inline(always)]
    pub fn of_rc<T: Object>(rc: &Rc<T>) -> Self {
        Self::of_header(Rc::header_ptr(rc))
    }

    /// The object with the count that `rc` owned.
    #[inline(always)]
    pub fn from_rc<T: Object>(rc: Rc<T>) -> Self {
        let raw = Self::of_rc(&rc);
        std::mem::forget(rc);
        raw
    }

    /// Whether the payload is the address of a counted object.
    #[inline(always)]
    pub const fn is_counted(self) -> bool {
        self.tag >= tag::COUNTED
    }

    /// Whether this is null.
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.tag == tag::NULL
    }

    /// The integer; meaningful only under [`tag::INT`].
    #[inline(always)]
    pub const fn as_int(self) -> i64 {
        debug_assert!(self.tag == tag::INT);
        self.payload as i64
    }

    /// The float; meaningful only under [`tag::FLOAT`].
    #[inline(always)]
    pub const fn as_float(self) -> f64 {
        debug_assert!(self.tag == tag::FLOAT);
        f64::from_bits(self.payload)
    }

    /// The truth value; meaningful only under [`tag::BOOL`].
    #[inline(always)]
    pub const fn as_bool(self) -> bool {
        debug_assert!(self.tag == tag::BOOL);
        self.payload as u8 != 0
    }

    /// Moves a value in; its count now belongs to whoever stores the result.
    #[inline(always)]
    pub fn from_value(value: Value) -> Self {
        let value = ManuallyDrop::new(value);
        Self::of_value(&value)
    }

    /// Reads a value's bytes; no count is taken.
    #[inline(always)]
    pub fn of_value(value: &Value) -> Self {
        // The two kinds that leave payload bytes undefined are rebuilt.
        match value {
            Value::Null => Self::null(),
            Value::Bool(value) => Self::bool(*value),
            // SAFETY: same layout (asserted above), and every other variant fills the eight payload bytes.
            _ => unsafe { std::ptr::from_ref(value).cast::<Self>().read() },
        }
    }

    /// Takes over one count as a value.
    ///
    /// # Safety
    /// The caller owns a count for this raw and gives it up; the tag is neither `UNSET` nor `ALIAS`.
    #[inline(always)]
    pub unsafe fn into_value(self) -> Value {
        debug_assert!(self.tag != tag::UNSET && self.tag != tag::ALIAS && self.tag < tag::END);
        // SAFETY: same layout; the tag is one of Value's discriminants by the caller's promise.
        unsafe { std::mem::transmute::<Self, Value>(self) }
    }

    /// Looks at the same bytes as a value.
    ///
    /// # Safety
    /// The tag is neither `UNSET` nor `ALIAS`, and the object stays alive for the borrow.
    #[inline(always)]
    pub unsafe fn as_value(&self) -> &Value {
        debug_assert!(self.tag != tag::UNSET && self.tag != tag::ALIAS && self.tag < tag::END);
        // SAFETY: same layout; the tag is one of Value's discriminants by the caller's promise.
        unsafe { &*std::ptr::from_ref(self).cast::<Value>() }
    }

    /// A value of its own, with one more count.
    ///
    /// # Safety
    /// The tag is neither `UNSET` nor `ALIAS`, and the object is alive.
    #[inline(always)]
    pub unsafe fn clone_value(&self) -> Value {
        self.retain();
        // SAFETY: the count was just taken.
        unsafe { self.into_value() }
    }

    /// Adds a count, if counted.
    #[inline(always)]
    pub fn retain(self) {
        if self.is_counted() {
            self.header().retain();
        }
    }

    /// Gives a count back, if counted; the last one frees the object.
    ///
    /// # Safety
    /// The caller owns a count for this raw and gives it up.
    #[inline(always)]
    pub unsafe fn release(self) {
        if self.is_counted() {
            // SAFETY: the caller's promise.
            unsafe { Header::release(self.header_ptr()) };
        }
    }

    /// The address in the payload.
    #[inline(always)]
    pub fn pointer<T>(self) -> *mut T {
        std::ptr::with_exposed_provenance_mut(self.payload as usize)
    }

    /// The object's header; the tag must be counted.
    #[inline(always)]
    pub fn header_ptr(self) -> NonNull<Header> {
        debug_assert!(self.is_counted());
        // SAFETY: a counted tag's payload is the address of an object.
        unsafe { NonNull::new_unchecked(self.pointer()) }
    }

    /// The object's header; the tag must be counted and the object alive.
    #[inline(always)]
    pub fn header<'a>(self) -> &'a Header {
        // SAFETY: a counted tag's payload is the address of a live object.
        unsafe { self.header_ptr().as_ref() }
    }

    /// The object itself.
    ///
    /// # Safety
    /// The tag belongs to `T` (or is `ALIAS` for a closure), and the object lives as long as `'a`.
    #[inline(always)]
    pub unsafe fn object<'a, T: Object>(self) -> &'a T {
        // SAFETY: the caller's promise.
        unsafe { &*self.pointer::<T>() }
    }

    /// The built-in; the tag must be `BUILTIN`.
    #[inline]
    pub fn as_builtin(self) -> Builtin {
        debug_assert!(self.tag == tag::BUILTIN);
        // SAFETY: the payload under this tag is the address of a static record.
        Builtin(unsafe { &*self.pointer::<BuiltinInfo>() })
    }

    /// Whether two raws are the same immediate or the same object.
    #[inline]
    pub fn same(self, other: Self) -> bool {
        self.tag == other.tag
            && match self.tag {
                tag::NULL | tag::UNSET => true,
                tag::BOOL => self.payload as u8 == other.payload as u8,
                _ => self.payload == other.payload,
            }
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:#x}", tag::name(self.tag), self.payload)
    }
}
