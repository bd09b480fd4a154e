//! Values that cross: how Rust types are read from them and made into them.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;

// The program that loads the plugin exports these.
unsafe extern "C" {
    fn aether_value_is_int(value: *const c_void) -> c_int;
    fn aether_value_is_string(value: *const c_void) -> c_int;
    fn aether_value_is_array(value: *const c_void) -> c_int;
    fn aether_value_is_dict(value: *const c_void) -> c_int;
    fn aether_value_as_int(value: *const c_void) -> i64;
    fn aether_value_as_string(value: *const c_void) -> *mut c_char;
    fn aether_value_string_len(value: *const c_void) -> i64;
    fn aether_value_array_len(array: *const c_void) -> i64;
    fn aether_value_array_get(array: *const c_void, index: i64) -> *mut c_void;
    fn aether_value_array_push(array: *mut c_void, item: *const c_void) -> c_int;
    fn aether_value_dict_get(dict: *const c_void, key: *const c_char) -> *mut c_void;
    fn aether_value_dict_keys(dict: *const c_void) -> *mut c_void;
    fn aether_value_dict_insert(dict: *mut c_void, key: *const c_char, item: *const c_void) -> c_int;
    fn aether_value_new_int(value: i64) -> *mut c_void;
    fn aether_value_new_string_len(text: *const c_char, bytes: i64) -> *mut c_void;
    fn aether_value_new_array() -> *mut c_void;
    fn aether_value_new_dict() -> *mut c_void;
    fn aether_value_new_null() -> *mut c_void;
    fn aether_value_free(value: *mut c_void);
    fn aether_string_free(text: *mut c_char);
}

/// A value of Aether that this side owns.
pub struct Handle(*mut c_void);

impl Handle {
    /// A string value.
    pub(crate) fn string(text: &str) -> Self {
        // SAFETY: the text has as many bytes.
        Self(unsafe { aether_value_new_string_len(text.as_ptr().cast(), text.len() as i64) })
    }

    pub(crate) fn null() -> Self {
        // SAFETY: takes nothing.
        Self(unsafe { aether_value_new_null() })
    }

    fn int(value: i64) -> Self {
        // SAFETY: takes any number.
        Self(unsafe { aether_value_new_int(value) })
    }

    /// A value that the caller keeps.
    pub(crate) fn lent(value: *mut c_void) -> ManuallyDrop<Self> {
        ManuallyDrop::new(Self(value))
    }

    /// Gives the value away.
    pub(crate) fn into_raw(self) -> *mut c_void {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: takes whatever it is given.
        unsafe { aether_value_free(self.0) };
    }
}

/// What a parameter may be.
pub trait Argument: Sized {
    /// What a value must be, in words.
    const EXPECTED: &'static str;

    /// The value, if it is of this type.
    fn from_value(value: &Handle) -> Option<Self>;
}

/// What a function may return.
pub trait Outcome {
    /// The value.
    ///
    /// # Errors
    /// The function's own error, or no memory.
    fn into_value(self) -> Result<Handle, String>;
}

/// What a container may hold.
trait Item: Argument {
    fn make(self) -> Handle;
}

impl Argument for i64 {
    const EXPECTED: &'static str = "int";

    fn from_value(value: &Handle) -> Option<Self> {
        // SAFETY: both take whatever they are given.
        unsafe { (aether_value_is_int(value.0) != 0).then(|| aether_value_as_int(value.0)) }
    }
}

impl Item for i64 {
    fn make(self) -> Handle {
        Handle::int(self)
    }
}

impl Argument for String {
    const EXPECTED: &'static str = "string";

    fn from_value(value: &Handle) -> Option<Self> {
        // SAFETY: all take whatever they are given; a text that is not null has as many bytes as the length says.
        unsafe {
            if aether_value_is_string(value.0) == 0 {
                return None;
            }
            let text = aether_value_as_string(value.0);
            let bytes = usize::try_from(aether_value_string_len(value.0)).ok()?;
            if text.is_null() {
                return None;
            }
            let copy = std::slice::from_raw_parts(text.cast::<u8>(), bytes).to_vec();
            aether_string_free(text);
            Self::from_utf8(copy).ok()
        }
    }
}

impl Item for String {
    fn make(self) -> Handle {
        Handle::string(&self)
    }
}

/// The items of an array.
fn items<T: Item>(array: &Handle) -> Option<Vec<T>> {
    // SAFETY: takes whatever it is given.
    let len = unsafe {
        if aether_value_is_array(array.0) == 0 {
            return None;
        }
        aether_value_array_len(array.0)
    };
    let item = |index| {
        // SAFETY: takes any index.
        let item = Handle(unsafe { aether_value_array_get(array.0, index) });
        T::from_value(&item)
    };
    (0..len).map(item).collect()
}

impl Argument for Vec<i64> {
    const EXPECTED: &'static str = "array of ints";

    fn from_value(value: &Handle) -> Option<Self> {
        items(value)
    }
}

impl Argument for Vec<String> {
    const EXPECTED: &'static str = "array of strings";

    fn from_value(value: &Handle) -> Option<Self> {
        items(value)
    }
}

#[expect(clippy::implicit_hasher, reason = "a function says which type it takes")]
impl Argument for HashMap<String, i64> {
    const EXPECTED: &'static str = "dict from strings to ints";

    fn from_value(value: &Handle) -> Option<Self> {
        // SAFETY: both take whatever they are given.
        let keys = unsafe {
            if aether_value_is_dict(value.0) == 0 {
                return None;
            }
            Handle(aether_value_dict_keys(value.0))
        };
        let entry = |key: String| {
            let text = CString::new(key.as_str()).ok()?;
            // SAFETY: the text ends with a zero byte.
            let item = Handle(unsafe { aether_value_dict_get(value.0, text.as_ptr()) });
            Some((key, i64::from_value(&item)?))
        };
        items::<String>(&keys)?.into_iter().map(entry).collect()
    }
}

const NO_MEMORY: &str = "no memory for the result";

impl Outcome for () {
    fn into_value(self) -> Result<Handle, String> {
        Ok(Handle::null())
    }
}

impl Outcome for i64 {
    fn into_value(self) -> Result<Handle, String> {
        Ok(self.make())
    }
}

impl Outcome for String {
    fn into_value(self) -> Result<Handle, String> {
        Ok(self.make())
    }
}

impl Outcome for &str {
    fn into_value(self) -> Result<Handle, String> {
        Ok(Handle::string(self))
    }
}

fn array<T: Item>(items: Vec<T>) -> Result<Handle, String> {
    // SAFETY: takes nothing.
    let array = Handle(unsafe { aether_value_new_array() });
    for item in items {
        let item = item.make();
        // SAFETY: takes whatever it is given.
        if unsafe { aether_value_array_push(array.0, item.0) } == 0 {
            return Err(NO_MEMORY.to_owned());
        }
    }
    Ok(array)
}

impl Outcome for Vec<i64> {
    fn into_value(self) -> Result<Handle, String> {
        array(self)
    }
}

impl Outcome for Vec<String> {
    fn into_value(self) -> Result<Handle, String> {
        array(self)
    }
}

#[expect(clippy::implicit_hasher, reason = "a function says which type it gives")]
impl Outcome for HashMap<String, i64> {
    /// The entries in the order of their keys: a map has none of its own.
    fn into_value(self) -> Result<Handle, String> {
        // SAFETY: takes nothing.
        let dict = Handle(unsafe { aether_value_new_dict() });
        let mut entries: Vec<(String, i64)> = self.into_iter().collect();
        entries.sort();
        for (key, value) in entries {
            let Ok(key) = CString::new(key) else {
                return Err("a key holds a zero byte".to_owned());
            };
            let value = value.make();
            // SAFETY: the key ends with a zero byte.
            if unsafe { aether_value_dict_insert(dict.0, key.as_ptr(), value.0) } == 0 {
                return Err(NO_MEMORY.to_owned());
            }
        }
        Ok(dict)
    }
}
