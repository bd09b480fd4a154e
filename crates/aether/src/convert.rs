//! Rust values to Aether values and back.
//!
//! Invariants
//! - Into: every byte is charged to the heap, so a conversion may fail at the budget.
//! - Out: a conversion copies, and accepts exactly the language's type (an int also where a float is asked for).

use std::collections::BTreeMap;

use aether_value::{Heap, Value, hashable_check};

use crate::Error;

/// A Rust value that can become an Aether value.
pub trait IntoValue {
    /// Makes the value on `heap`.
    ///
    /// # Errors
    /// The heap's budget, or a number that fits no int.
    fn into_value(self, heap: &Heap) -> Result<Value, Error>;
}

/// A Rust value that can be had from an Aether value.
pub trait FromValue: Sized {
    /// Copies the value out.
    ///
    /// # Errors
    /// [`Error::Conversion`] if the value has another type.
    fn from_value(value: &Value) -> Result<Self, Error>;
}

/// Conversions as methods of [`Value`].
pub trait ValueExt {
    /// The value as a Rust value.
    ///
    /// # Errors
    /// [`Error::Conversion`] if it has another type.
    fn try_to<T: FromValue>(&self) -> Result<T, Error>;
}

impl ValueExt for Value {
    fn try_to<T: FromValue>(&self) -> Result<T, Error> {
        T::from_value(self)
    }
}

/// Key and value pairs that become a dict, in their order.
///
/// ```
/// use aether::{Engine, IntoValue as _, Pairs};
///
/// let engine = Engine::new()?;
/// let dict = Pairs([("a", 1_i64), ("b", 2)]).into_value(engine.heap())?;
/// assert_eq!(engine.text(&dict)?, "{a: 1, b: 2}");
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pairs<I>(pub I);

fn mismatch(expected: &'static str, value: &Value) -> Error {
    Error::Conversion {
        expected,
        found: value.type_name().into_owned(),
    }
}

impl IntoValue for Value {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        admitted(heap, &self)?;
        Ok(self)
    }
}

impl IntoValue for &Value {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        admitted(heap, self)?;
        Ok(self.clone())
    }
}

/// Refuses an object of another engine: code caches where fields lie, by numbers that only its own engine gives out.
pub(crate) fn admitted(heap: &Heap, value: &Value) -> Result<(), Error> {
    if heap.admits(value) {
        return Ok(());
    }
    Err(Error::Conversion {
        expected: "value of this engine",
        found: format!("{} of another engine", value.type_name()),
    })
}

impl IntoValue for () {
    fn into_value(self, _: &Heap) -> Result<Value, Error> {
        Ok(Value::Null)
    }
}

macro_rules! numbers {
    ($variant:ident: $($number:ty),*) => {
        $(impl IntoValue for $number {
            fn into_value(self, _: &Heap) -> Result<Value, Error> {
                Ok(Value::$variant(self.into()))
            }
        })*
    };
}

numbers!(Int: i8, i16, i32, i64, u8, u16, u32);
numbers!(Float: f32, f64);
numbers!(Bool: bool);

impl IntoValue for usize {
    fn into_value(self, _: &Heap) -> Result<Value, Error> {
        let number = i64::try_from(self);
        let too_large = || Error::Conversion {
            expected: "int",
            found: format!("number {self}"),
        };
        number.map(Value::Int).map_err(|_| too_large())
    }
}

impl IntoValue for &str {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        Ok(Value::String(heap.string(self)?))
    }
}

impl IntoValue for String {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.as_str().into_value(heap)
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.map_or(Ok(Value::Null), |value| value.into_value(heap))
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        let array = heap.array(self.len())?;
        for item in self {
            array.push(item.into_value(heap)?)?;
        }
        Ok(Value::Array(array))
    }
}

impl<K: IntoValue, V: IntoValue, I: IntoIterator<Item = (K, V)>> IntoValue for Pairs<I> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        let dict = heap.dict()?;
        for (key, value) in self.0 {
            let key = key.into_value(heap)?;
            hashable_check(&key)?;
            dict.insert(key, value.into_value(heap)?)?;
        }
        Ok(Value::Dict(dict))
    }
}

impl<K: IntoValue, V: IntoValue> IntoValue for BTreeMap<K, V> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        Pairs(self).into_value(heap)
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self, Error> {
        Ok(value.clone())
    }
}

impl FromValue for () {
    fn from_value(value: &Value) -> Result<Self, Error> {
        if value.is_null() {
            Ok(())
        } else {
            Err(mismatch("null", value))
        }
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Result<Self, Error> {
        value.as_int().ok_or_else(|| mismatch("int", value))
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Float(number) => Ok(*number),
            Value::Int(number) => Ok(*number as Self),
            _ => Err(mismatch("float", value)),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Bool(truth) => Ok(*truth),
            _ => Err(mismatch("bool", value)),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, Error> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| mismatch("string", value))
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        if value.is_null() {
            Ok(None)
        } else {
            T::from_value(value).map(Some)
        }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Array(array) => array.snapshot()?.as_slice().iter().map(T::from_value).collect(),
            _ => Err(mismatch("array", value)),
        }
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        let Value::Dict(dict) = value else {
            return Err(mismatch("dict", value));
        };
        dict.iter()
            .map(|(key, item)| Ok((String::from_value(key)?, T::from_value(item)?)))
            .collect()
    }
}

/// A list of arguments: a tuple of up to four, a vector, or a slice of values.
pub trait Arguments {
    /// The arguments as values.
    ///
    /// # Errors
    /// See [`IntoValue::into_value`].
    fn into_arguments(self, heap: &Heap) -> Result<Vec<Value>, Error>;
}

impl Arguments for () {
    fn into_arguments(self, _: &Heap) -> Result<Vec<Value>, Error> {
        Ok(Vec::new())
    }
}

impl Arguments for &[Value] {
    fn into_arguments(self, _: &Heap) -> Result<Vec<Value>, Error> {
        Ok(self.to_vec())
    }
}

impl<T: IntoValue> Arguments for Vec<T> {
    fn into_arguments(self, heap: &Heap) -> Result<Vec<Value>, Error> {
        self.into_iter().map(|item| item.into_value(heap)).collect()
    }
}

macro_rules! tuples {
    ($(($($name:ident),+)),*) => {
        $(impl<$($name: IntoValue),+> Arguments for ($($name,)+) {
            fn into_arguments(self, heap: &Heap) -> Result<Vec<Value>, Error> {
                #[expect(non_snake_case, reason = "each variable is named after its type")]
                let ($($name,)+) = self;
                Ok(vec![$($name.into_value(heap)?),+])
            }
        })*
    };
}

tuples!((A), (A, B), (A, B, C), (A, B, C, D));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    #[test]
    fn objects_of_another_engine_are_refused() {
        let (mut one, mut other) = (Engine::new().unwrap(), Engine::new().unwrap());
        one.eval("struct P { x, y } let p = P { x: 1, y: 2 } fn f(v) { return v }")
            .unwrap();
        other.eval("fn g(v) { return v.x }").unwrap();
        let point = one.global("p").unwrap();
        let refusal = other.call("g", (&point,)).unwrap_err().to_string();
        assert!(refusal.contains("P of another engine"), "{refusal}");
        let function = one.global("f").unwrap();
        assert!(other.call_value(&function, (1_i64,)).is_err());
        assert!(other.call("g", (vec![point.clone()],)).is_err());
        assert!(one.call("f", (point, 5_i64)).is_err(), "one argument too many");
        assert_eq!(
            one.call("f", (Value::Int(5),)).unwrap().try_to::<i64>().unwrap(),
            5
        );
    }

    #[test]
    fn values_survive_the_way_there_and_back() {
        let engine = Engine::new().unwrap();
        let dict = BTreeMap::from([("a".to_owned(), Some(1_i64)), ("b".to_owned(), None)]);
        let value = vec![dict.clone(), BTreeMap::new()]
            .into_value(engine.heap())
            .unwrap();
        assert_eq!(engine.text(&value).unwrap(), "[{a: 1, b: null}, {}]");
        assert_eq!(
            value.try_to::<Vec<BTreeMap<String, Option<i64>>>>().unwrap(),
            [dict, BTreeMap::new()]
        );
    }

    #[test]
    fn other_types_are_told_in_the_languages_words() {
        let error = Value::Bool(true).try_to::<i64>().unwrap_err();
        assert_eq!(error.to_string(), "Type error: expected int, got bool");
        assert!((Value::Int(3).try_to::<f64>().unwrap() - 3.0).abs() < f64::EPSILON);
    }
}
