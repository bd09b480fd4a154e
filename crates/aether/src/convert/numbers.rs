//! Numbers and truth values.

use aether_value::{Heap, Value};

use super::{ConversionError, FromValue, IntoValue};
use crate::Error;

macro_rules! small {
    ($variant:ident: $($number:ty),*) => {
        $(impl IntoValue for $number {
            #[inline]
            fn into_value(self, _: &Heap) -> Result<Value, Error> {
                Ok(Value::$variant(self.into()))
            }
        })*
    };
}

small!(Int: i8, i16, i32, i64, u8, u16, u32);
small!(Float: f32, f64);
small!(Bool: bool);

macro_rules! large {
    ($($number:ty),*) => {
        $(impl IntoValue for $number {
            fn into_value(self, _: &Heap) -> Result<Value, Error> {
                let number = i64::try_from(self);
                number
                    .map(Value::Int)
                    .map_err(|_| ConversionError::new("int", format!("number {self}")).into())
            }
        })*
    };
}

large!(u64, usize, isize, i128, u128);

macro_rules! ints {
    ($($number:ty),*) => {
        $(impl FromValue for $number {
            #[inline]
            fn from_value(value: &Value) -> Result<Self, Error> {
                match value {
                    Value::Int(number) => Self::try_from(*number)
                        .map_err(|_| out_of_range(*number, Self::MIN as i128, Self::MAX as i128)),
                    _ => Err(Error::conversion("int", value)),
                }
            }
        })*
    };
}

ints!(i8, i16, i32, u8, u16, u32, u64, usize, isize, i128, u128);

#[cold]
fn out_of_range(number: i64, min: i128, max: i128) -> Error {
    let expected = if min == 0 && max >= i128::from(i64::MAX) || max < 0 {
        "int of at least 0".to_owned()
    } else {
        format!("int from {min} to {max}")
    };
    ConversionError::new(expected, number.to_string()).into()
}

impl FromValue for i64 {
    #[inline]
    fn from_value(value: &Value) -> Result<Self, Error> {
        value.as_int().ok_or_else(|| Error::conversion("int", value))
    }
}

impl FromValue for f64 {
    #[inline]
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Float(number) => Ok(*number),
            Value::Int(number) => Ok(*number as Self),
            _ => Err(Error::conversion("float", value)),
        }
    }
}

impl FromValue for f32 {
    /// Rounded to the nearest.
    fn from_value(value: &Value) -> Result<Self, Error> {
        f64::from_value(value).map(|number| number as Self)
    }
}

impl FromValue for bool {
    #[inline]
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Bool(truth) => Ok(*truth),
            _ => Err(Error::conversion("bool", value)),
        }
    }
}
