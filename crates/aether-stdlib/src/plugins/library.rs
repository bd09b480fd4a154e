//! Opening shared libraries and reading their tables.
//!
//! Invariants
//! - A library stays loaded until the process ends, so its functions and names have no lifetime to mind. One that was
//!   refused stays loaded too: code of it may still run.
//! - What the table says is copied once and checked: counts, null pointers, names.
#![expect(unsafe_code, reason = "calls and reads what a foreign library exports")]

use aether_value::{ErrorKind, Raise};
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

/// More functions than any library has; a count above is taken for a mistake.
const MAX_FUNCTIONS: usize = 10_000;

/// What an entry point returns.
#[repr(C)]
struct Table {
    version: c_int,
    function_count: c_int,
    names: *const *const c_char,
    functions: *const *const c_void,
}

type Init = unsafe extern "C" fn() -> *const Table;

/// A function of version 1.
pub(super) type FunctionV1 = unsafe extern "C" fn(*const i64, c_int) -> i64;
/// A function of version 2.
pub(super) type FunctionV2 = unsafe extern "C" fn(*const *mut c_void, c_int, *mut *mut c_void) -> *mut c_void;

/// How a function is called.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    V1(FunctionV1),
    V2(FunctionV2),
}

/// A function of a library.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) entry: Entry,
}

/// A loaded library.
pub(super) struct Library {
    pub(super) functions: Vec<Function>,
}

impl Library {
    /// The index of the function of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(|function| function.name == name)
    }
}

/// Every library of this process, by its path without links.
static LOADED: LazyLock<Mutex<HashMap<PathBuf, &'static Library>>> = LazyLock::new(Mutex::default);

#[cold]
fn refused(path: &str, detail: &str) -> Raise {
    Raise::operation(&format!("Plugin '{path}' {detail}"))
}

#[cold]
fn failed(path: &str, detail: &dyn std::fmt::Display) -> Raise {
    Raise::new(
        ErrorKind::Io,
        format!("I/O error in load plugin '{path}': {detail}"),
    )
}

/// The library at a path, loaded unless it is already.
pub(super) fn load(path: &str) -> Result<&'static Library, Raise> {
    // The path of a file: without a slash the system would search its own directories.
    let place = std::fs::canonicalize(path).map_err(|error| failed(path, &error))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = loaded.get(&place) {
        return Ok(library);
    }
    // SAFETY: loading runs the library's constructors, foreign code that the host has permitted to run.
    let opened = unsafe { libloading::Library::new(&place) };
    let opened = ManuallyDrop::new(opened.map_err(|error| failed(path, &error))?);
    let functions = read_table(&opened, path)?;
    let library: &'static Library = Box::leak(Box::new(Library { functions }));
    loaded.insert(place, library);
    Ok(library)
}

fn read_table(library: &libloading::Library, path: &str) -> Result<Vec<Function>, Raise> {
    // SAFETY: the interface gives both symbols this type; a library that does otherwise is beyond help.
    let init = unsafe {
        library
            .get::<Init>(b"aether_plugin_init_v2\0")
            .or_else(|_| library.get::<Init>(b"aether_plugin_init\0"))
    };
    let init = init.map_err(|error| refused(path, &format!("missing aether_plugin_init: {error}")))?;
    // SAFETY: the entry point takes nothing; the table it returns is the library's for good.
    let table = unsafe { init().as_ref() };
    let Some(table) = table else {
        return Err(refused(path, "returned null metadata"));
    };
    let version = table.version;
    if !matches!(version, 1 | 2) {
        return Err(refused(
            path,
            &format!("version {version} incompatible (expected 1 or 2)"),
        ));
    }
    let count = match usize::try_from(table.function_count) {
        Ok(count) if count <= MAX_FUNCTIONS => count,
        _ => {
            let count = table.function_count;
            return Err(refused(
                path,
                &format!("has an impossible function count: {count}"),
            ));
        }
    };
    if count > 0 && (table.names.is_null() || table.functions.is_null()) {
        return Err(refused(path, "has a table without names or functions"));
    }
    let mut functions = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: both tables have `count` entries, as the library says.
        let (name, function) = unsafe { (*table.names.add(index), *table.functions.add(index)) };
        if name.is_null() || function.is_null() {
            return Err(refused(
                path,
                &format!("has no name or no code for function {index}"),
            ));
        }
        // SAFETY: a name is a text that ends with a zero byte, as the library says.
        let name = unsafe { CStr::from_ptr(name) };
        let Ok(name) = name.to_str() else {
            return Err(refused(
                path,
                &format!("has a name that is not UTF-8: function {index}"),
            ));
        };
        // SAFETY: the version says which of the two types it has; both are pointers to code.
        let entry = unsafe {
            if version == 1 {
                Entry::V1(std::mem::transmute::<*const c_void, FunctionV1>(function))
            } else {
                Entry::V2(std::mem::transmute::<*const c_void, FunctionV2>(function))
            }
        };
        functions.push(Function {
            name: name.to_owned(),
            entry,
        });
    }
    Ok(functions)
}
