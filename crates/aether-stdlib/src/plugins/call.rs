//! Calls of a library's functions.
#![expect(unsafe_code, reason = "calls foreign functions")]

use aether_eval::Ctx;
use aether_value::{Raise, Value};
use std::ffi::{CStr, c_int, c_void};

use super::PluginFunction;
use super::handles::{self, Calling, Handle};
use super::library::{Entry, FunctionV1, FunctionV2};

/// Calls the plugin function in the first argument with the rest.
pub(super) fn call(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (function, args) = match args {
        [Value::Native(native), args @ ..] => (native.downcast::<PluginFunction>(), args),
        _ => (None, args),
    };
    let Some(function) = function else {
        unreachable!("only plugin functions are called through this")
    };
    // A call is no jump: it counts as work.
    ctx.tick(1)?;
    match function.library.functions[function.index].entry {
        Entry::V1(entry) => call_v1(ctx, function.name(), entry, args),
        Entry::V2(entry) => call_v2(ctx, function.name(), entry, args),
    }
}

fn call_v1(ctx: &Ctx<'_>, name: &str, entry: FunctionV1, args: &[Value]) -> Result<Value, Raise> {
    let mut numbers = Vec::with_capacity(args.len());
    for arg in args {
        let Value::Int(number) = arg else {
            return Err(crate::arguments::wrong_type("int", arg));
        };
        numbers.push(*number);
    }
    let calling = Calling::begin(ctx.heap());
    // SAFETY: as many numbers as it is told; what else the function does is the library's business.
    let result = unsafe { entry(numbers.as_ptr(), numbers.len() as c_int) };
    calling.end()?;
    if result == i64::MIN {
        return Err(Raise::operation(&format!(
            "Plugin function '{name}' failed (check arity/types)"
        )));
    }
    Ok(Value::Int(result))
}

fn call_v2(ctx: &Ctx<'_>, name: &str, entry: FunctionV2, args: &[Value]) -> Result<Value, Raise> {
    let calling = Calling::begin(ctx.heap());
    let mut numbers = Vec::with_capacity(args.len());
    for arg in args {
        let Some(handle) = handles::lend(arg) else {
            break;
        };
        numbers.push(handle.pointer());
    }
    if numbers.len() < args.len() {
        // Why there is no room is known at the end.
        calling.end()?;
        return Err(Raise::operation(&format!(
            "Plugin function '{name}' has too many arguments"
        )));
    }
    let mut error: *mut c_void = std::ptr::null_mut();
    // SAFETY: as many handles as it is told, and a place for the error.
    let result = unsafe { entry(numbers.as_ptr(), numbers.len() as c_int, &raw mut error) };
    let outcome = if error.is_null() {
        handles::take_result(Handle::of(result)).unwrap_or_else(|| {
            Err(Raise::operation(&format!(
                "Plugin function '{name}' returned what is no value"
            )))
        })
    } else {
        Err(Raise::operation(&format!(
            "Plugin error: {}",
            error_text(ctx, error)
        )))
    };
    // A refused allocation explains whatever else went wrong.
    calling.end()?;
    outcome
}

/// The text of an error: a value, shown as `str` does, or else a C string of the library's own.
fn error_text(ctx: &Ctx<'_>, error: *mut c_void) -> String {
    if let Some(value) = handles::value(Handle::of(error)) {
        return ctx.text(&value).map_or_else(
            |raise| raise.message().to_owned(),
            |text| text.as_str().to_owned(),
        );
    }
    if !Handle::is_foreign(error) {
        return "an error that is no value".to_owned();
    }
    // SAFETY: no handle and not null, so a text that ends with a zero byte, as the interface says.
    unsafe { CStr::from_ptr(error.cast()) }
        .to_string_lossy()
        .into_owned()
}
