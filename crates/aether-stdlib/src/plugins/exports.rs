//! The C functions that libraries call.
//!
//! Each takes whatever it is given: a handle that stands for nothing, or for a value of another type, gives 0, a
//! negative length, or a null pointer. A program exports them if it is linked with `-rdynamic`, as the command is.
#![expect(
    unsafe_code,
    reason = "exports C functions and reads texts of foreign libraries"
)]

use aether_value::Value;
use std::ffi::{CStr, c_char, c_int, c_void};

use super::handles::{self, Handle};

fn pointer(handle: Option<Handle>) -> *mut c_void {
    handle.map_or(std::ptr::null_mut(), Handle::pointer)
}

/// What a library gives as a text; what is not UTF-8 in it is replaced.
///
/// # Safety
/// Null, or a text that ends with a zero byte.
unsafe fn given(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

/// Functions that tell whether a value is of a type.
macro_rules! type_tests {
    ($($name:ident: $type:pat),* $(,)?) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name(value: *const c_void) -> c_int {
                c_int::from(matches!(handles::value(Handle::of(value)), Some($type)))
            }
        )*
    };
}

type_tests!(
    aether_value_is_int: Value::Int(_),
    aether_value_is_string: Value::String(_),
    aether_value_is_array: Value::Array(_),
    aether_value_is_dict: Value::Dict(_),
    aether_value_is_null: Value::Null,
);

#[unsafe(no_mangle)]
extern "C" fn aether_value_as_int(value: *const c_void) -> i64 {
    match handles::value(Handle::of(value)) {
        Some(Value::Int(value)) => value,
        _ => 0,
    }
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_as_string(value: *const c_void) -> *mut c_char {
    match handles::value(Handle::of(value)) {
        Some(Value::String(text)) => handles::text(text.as_str()),
        _ => std::ptr::null_mut(),
    }
}

/// Bytes of a string, for those that hold zero bytes.
#[unsafe(no_mangle)]
extern "C" fn aether_value_string_len(value: *const c_void) -> i64 {
    match handles::value(Handle::of(value)) {
        Some(Value::String(text)) => text.len_bytes() as i64,
        _ => -1,
    }
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_array_len(array: *const c_void) -> i64 {
    match handles::value(Handle::of(array)) {
        Some(Value::Array(array)) => array.len() as i64,
        _ => -1,
    }
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_array_get(array: *const c_void, index: i64) -> *mut c_void {
    pointer(handles::part_of(Handle::of(array), |value| match value {
        Value::Array(array) => array.get_value(usize::try_from(index).ok()?),
        _ => None,
    }))
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_array_push(array: *mut c_void, item: *const c_void) -> c_int {
    c_int::from(handles::push(Handle::of(array), Handle::of(item)))
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_dict_len(dict: *const c_void) -> i64 {
    match handles::value(Handle::of(dict)) {
        Some(Value::Dict(dict)) => dict.len() as i64,
        _ => -1,
    }
}

/// The entry of a key.
///
/// # Safety
/// The key is null or a text that ends with a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn aether_value_dict_get(dict: *const c_void, key: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Some(key) = (unsafe { given(key) }) else {
        return std::ptr::null_mut();
    };
    pointer(handles::part_of(Handle::of(dict), |value| match value {
        // SAFETY: dicts hold values.
        Value::Dict(dict) => dict.get_str(&key).map(|raw| unsafe { raw.clone_value() }),
        _ => None,
    }))
}

/// The keys in their order, as an array.
#[unsafe(no_mangle)]
extern "C" fn aether_value_dict_keys(dict: *const c_void) -> *mut c_void {
    let Some(Value::Dict(dict)) = handles::value(Handle::of(dict)) else {
        return std::ptr::null_mut();
    };
    pointer(handles::make(|heap| {
        let keys = heap.array(dict.len())?;
        for (key, _) in dict.iter() {
            keys.push(key.clone())?;
        }
        Ok(Value::Array(keys))
    }))
}

/// Sets the entry of a key.
///
/// # Safety
/// The key is null or a text that ends with a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn aether_value_dict_insert(
    dict: *mut c_void,
    key: *const c_char,
    item: *const c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let key = unsafe { given(key) };
    c_int::from(key.is_some_and(|key| handles::insert(Handle::of(dict), &key, Handle::of(item))))
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_new_int(value: i64) -> *mut c_void {
    pointer(handles::make(|_| Ok(Value::Int(value))))
}

/// A string value.
///
/// # Safety
/// The text is null or ends with a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn aether_value_new_string(text: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Some(text) = (unsafe { given(text) }) else {
        return std::ptr::null_mut();
    };
    pointer(handles::make(|heap| Ok(Value::String(heap.string(&text)?))))
}

/// A string value of so many bytes, zero bytes included.
///
/// # Safety
/// The text is null or has as many bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn aether_value_new_string_len(text: *const c_char, bytes: i64) -> *mut c_void {
    let Ok(bytes) = usize::try_from(bytes) else {
        return std::ptr::null_mut();
    };
    if text.is_null() || bytes > i32::MAX as usize {
        return std::ptr::null_mut();
    }
    // SAFETY: the caller's promise.
    let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), bytes) };
    let text = String::from_utf8_lossy(text);
    pointer(handles::make(|heap| Ok(Value::String(heap.string(&text)?))))
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_new_array() -> *mut c_void {
    pointer(handles::make(|heap| Ok(Value::Array(heap.array(0)?))))
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_new_dict() -> *mut c_void {
    pointer(handles::make(|heap| Ok(Value::Dict(heap.dict()?))))
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_new_null() -> *mut c_void {
    pointer(handles::make(|_| Ok(Value::Null)))
}

#[unsafe(no_mangle)]
extern "C" fn aether_value_free(value: *mut c_void) {
    handles::free(Handle::of(value));
}

#[unsafe(no_mangle)]
extern "C" fn aether_string_free(text: *mut c_char) {
    handles::free_text(text);
}
