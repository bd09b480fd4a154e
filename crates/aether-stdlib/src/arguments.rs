//! What built-ins read from their arguments: values of a type, dicts of options.
#![allow(dead_code, reason = "which are used depends on the features")]

use aether_eval::{Ctx, Permission};
use aether_value::{Dict, Raise, Rc, Str, Value, WORK_BYTES};

/// Asks the host for an access.
pub(crate) fn permit(ctx: &mut Ctx<'_>, permission: Permission, what: &str) -> Result<(), Raise> {
    ctx.tick(what.len() / WORK_BYTES)?;
    let answer = ctx.host().permit(permission, what);
    answer.map_err(|detail| Raise::permission(&detail))
}

/// The type error for an argument.
#[cold]
pub(crate) fn wrong_type(expected: &str, value: &Value) -> Raise {
    Raise::type_error(expected, &value.type_name())
}

/// The string in an argument.
pub(crate) fn string(value: &Value) -> Result<&Rc<Str>, Raise> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong_type("string", value)),
    }
}

/// The integer in an argument.
pub(crate) fn int(value: &Value) -> Result<i64, Raise> {
    match value {
        Value::Int(value) => Ok(*value),
        _ => Err(wrong_type("int", value)),
    }
}

/// The number in an argument.
pub(crate) fn number(value: &Value) -> Result<f64, Raise> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        _ => Err(wrong_type("number", value)),
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
        let dict = match value {
            None | Some(Value::Null) => return Ok(Self(None)),
            Some(Value::Dict(dict)) => dict,
            Some(other) => return Err(wrong_type("dict", other)),
        };
        for (key, _) in dict.iter() {
            match key {
                Value::String(key) if known.contains(&key.as_str()) => {}
                Value::String(key) => {
                    let detail = format!("unknown option '{}'", key.as_str());
                    return Err(Raise::operation(&detail));
                }
                other => return Err(wrong_type("string", other)),
            }
        }
        Ok(Self(Some(dict)))
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
