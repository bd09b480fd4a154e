//! Writing plugins for Aether in Rust.
//!
//! ```
//! #[aether_plugin::plugin]
//! mod functions {
//!     use std::collections::HashMap;
//!
//!     pub fn greet(name: String) -> String {
//!         format!("Hello, {name}!")
//!     }
//!
//!     pub fn divide(dividend: i64, divisor: i64) -> Result<i64, String> {
//!         if divisor == 0 {
//!             return Err("nothing can be divided by zero".into());
//!         }
//!         Ok(dividend / divisor)
//!     }
//!
//!     pub fn count(words: Vec<String>) -> HashMap<String, i64> {
//!         let mut counts = HashMap::new();
//!         for word in words {
//!             *counts.entry(word).or_insert(0) += 1;
//!         }
//!         counts
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Every `pub fn` of the module becomes a function of the plugin; the library is built with
//! `crate-type = ["cdylib"]`. If all types are `i64`, the plugin has version 1 of the interface, which is quicker and
//! knows no other types; else version 2.
//!
//! | Aether | Rust |
//! |---|---|
//! | int | `i64` |
//! | string | `String` |
//! | array of ints, of strings | `Vec<i64>`, `Vec<String>` |
//! | dict from strings to ints | `HashMap<String, i64>` |
//! | null | `()` or `None`, as results |
//! | an error | `Err` of what can be displayed, as a result |
//!
//! Everything is copied. Wrong arguments, wrong counts and panics become errors that the script can catch; in version
//! 1 they all read the same. A panic in a library that is built with `panic = "abort"` ends the process.
#![expect(unsafe_code, reason = "the C interface of plugins")]

#[doc(hidden)]
pub mod value;

pub use aether_plugin_macros::plugin;
pub use value::{Argument, Outcome};

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use value::Handle;

/// A table of functions, as an entry point returns it.
#[doc(hidden)]
#[repr(C)]
pub struct Table {
    version: c_int,
    function_count: c_int,
    names: *const *const c_char,
    functions: *const *const c_void,
}

/// What the attribute makes for a function: its name with a zero byte, and its wrapper.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    pub function: *const c_void,
}

/// The table of these functions, made once and kept.
#[doc(hidden)]
pub fn table(version: c_int, entries: &[Entry]) -> *const Table {
    silence_panic_hook();
    let names: Vec<*const c_char> = entries.iter().map(|entry| entry.name.as_ptr().cast()).collect();
    let functions: Vec<*const c_void> = entries.iter().map(|entry| entry.function).collect();
    let table = Table {
        version,
        function_count: entries.len() as c_int,
        names: Box::leak(names.into_boxed_slice()).as_ptr(),
        functions: Box::leak(functions.into_boxed_slice()).as_ptr(),
    };
    Box::leak(Box::new(table))
}

thread_local! {
    /// Whether a panic becomes an error of the script, which tells about it.
    static REPORTED: Cell<bool> = const { Cell::new(false) };
}

/// Sees to it that panics which scripts are told about are not told to the terminal too. A library has its own copy
/// of the standard library, so the hook is the library's own.
fn silence_panic_hook() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !REPORTED.get() {
            loud(panic);
        }
    }));
}

/// Calls a function, and stops a panic.
fn caught<R>(function: impl FnOnce() -> R) -> std::thread::Result<R> {
    REPORTED.set(true);
    let result = catch_unwind(AssertUnwindSafe(function));
    REPORTED.set(false);
    result
}

/// The body of a wrapper of version 1.
///
/// # Safety
/// `argv` has `argc` numbers.
#[doc(hidden)]
pub unsafe fn call_v1(
    argv: *const i64,
    argc: c_int,
    arity: usize,
    function: impl FnOnce(&[i64]) -> i64,
) -> i64 {
    if usize::try_from(argc) != Ok(arity) {
        return i64::MIN;
    }
    let arguments = if arity == 0 {
        &[]
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(argv, arity) }
    };
    caught(|| function(arguments)).unwrap_or(i64::MIN)
}

/// The body of a wrapper of version 2.
///
/// # Safety
/// `argv` has `argc` values, and `error` is a place for one.
#[doc(hidden)]
pub unsafe fn call_v2(
    argv: *const *mut c_void,
    argc: c_int,
    error: *mut *mut c_void,
    arity: usize,
    function: impl FnOnce(&[*mut c_void]) -> Result<Handle, String>,
) -> *mut c_void {
    let called = if usize::try_from(argc) == Ok(arity) {
        let arguments = if arity == 0 {
            &[]
        } else {
            // SAFETY: the caller's promise.
            unsafe { std::slice::from_raw_parts(argv, arity) }
        };
        caught(|| function(arguments)).unwrap_or_else(|payload| {
            let text = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied());
            Err(match text {
                Some(text) => format!("panicked: {text}"),
                None => "panicked".to_owned(),
            })
        })
    } else {
        Err(format!("expected {arity} arguments, got {argc}"))
    };
    match called {
        Ok(handle) => handle.into_raw(),
        Err(text) => {
            // SAFETY: the caller's promise.
            unsafe { *error = Handle::string(&text).into_raw() };
            std::ptr::null_mut()
        }
    }
}

/// The argument at a position, counted from 0.
#[doc(hidden)]
pub fn argument<T: Argument>(arguments: &[*mut c_void], index: usize) -> Result<T, String> {
    let value = arguments.get(index).copied().unwrap_or(std::ptr::null_mut());
    T::from_value(&Handle::lent(value))
        .ok_or_else(|| format!("argument {}: expected {}", index + 1, T::EXPECTED))
}

/// The value of a result.
#[doc(hidden)]
pub fn outcome<T: Outcome>(result: T) -> Result<Handle, String> {
    result.into_value()
}

impl<T: Outcome> Outcome for Option<T> {
    fn into_value(self) -> Result<Handle, String> {
        match self {
            Some(value) => value.into_value(),
            None => Ok(Handle::null()),
        }
    }
}

impl<T: Outcome, E: Display> Outcome for Result<T, E> {
    fn into_value(self) -> Result<Handle, String> {
        self.map_err(|error| error.to_string())?.into_value()
    }
}
