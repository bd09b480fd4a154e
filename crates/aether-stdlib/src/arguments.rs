//! What built-ins read from their arguments: values of a type, dicts of options.
#![allow(dead_code, unused_imports, reason = "which are used depends on the features")]

pub(crate) use aether_eval::arguments::{array, float as number, int, string, wrong_type};
use aether_eval::{Ctx, Permission};
use aether_value::{Dict, Native, Raise, Rc, Str, Value, WORK_BYTES};

/// Asks the host for an access.
pub(crate) fn permit(ctx: &mut Ctx<'_>, permission: Permission, what: &str) -> Result<(), Raise> {
    ctx.tick(what.len() / WORK_BYTES)?;
    let answer = ctx.host().permit(permission, what);
    answer.map_err(|detail| Raise::permission(&detail))
}

/// The object that a method was called on, of the type whose method it is.
pub(crate) fn receiver<T: Native>(args: &[Value]) -> &T {
    object(&args[0])
}

/// The object in a value that can be no other: a receiver, or what a frame has put into a slot of its own.
pub(crate) fn object<T: Native>(value: &Value) -> &T {
    match value {
        Value::Native(native) if let Some(own) = native.downcast() => own,
        _ => unreachable!("it is known to be there"),
    }
}

/// The truth value in an argument.
pub(crate) fn boolean(value: &Value) -> Result<bool, Raise> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(wrong_type("bool", value)),
    }
}

/// A dict of options in an argument that may be left out.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a>(Option<&'a Dict>);

impl<'a> Options<'a> {
    /// The options in an argument, whose keys must be among `known`.
    pub(crate) fn new(value: Option<&'a Value>, known: &[&str]) -> Result<Self, Raise> {
        let dict = value.map_or(Ok(None), |value| aether_eval::arguments::options(value, known));
        Ok(Self(dict?))
    }

    /// No options.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// An option that is there and not null.
    pub(crate) fn get(self, key: &str) -> Option<Value> {
        self.0?.get_str_value(key).filter(|value| !value.is_null())
    }

    /// A truth value.
    pub(crate) fn boolean(self, key: &str, default: bool) -> Result<bool, Raise> {
        self.get(key).map_or(Ok(default), |value| boolean(&value))
    }

    /// An integer.
    pub(crate) fn int(self, key: &str) -> Result<Option<i64>, Raise> {
        self.get(key).map(|value| int(&value)).transpose()
    }

    /// A string.
    pub(crate) fn string(self, key: &str) -> Result<Option<Rc<Str>>, Raise> {
        self.get(key).map(|value| string(&value).cloned()).transpose()
    }

    /// A number of seconds that is more than none.
    pub(crate) fn seconds(self, operation: &str, key: &str) -> Result<Option<f64>, Raise> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let seconds = number(&value)?;
        if seconds > 0.0 {
            Ok(Some(seconds))
        } else {
            Err(Raise::operation(&format!("{operation}: {key} must be positive")))
        }
    }
}
