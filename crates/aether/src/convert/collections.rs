//! Arrays, tuples, dicts and sets.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

use aether_value::{Heap, Value, hashable_check};

use super::{ConversionError, FromValue, IntoValue, nested};
use crate::Error;

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

fn array<T: IntoValue>(heap: &Heap, room: usize, items: impl IntoIterator<Item = T>) -> Result<Value, Error> {
    let array = heap.array(room)?;
    for item in items {
        array.push(item.into_value(heap)?)?;
    }
    Ok(Value::Array(array))
}

macro_rules! sequences {
    ($($sequence:ty),*) => {
        $(impl<T: IntoValue> IntoValue for $sequence {
            fn into_value(self, heap: &Heap) -> Result<Value, Error> {
                array(heap, self.len(), self)
            }
        })*
    };
}

sequences!(Vec<T>, VecDeque<T>);

impl<T: IntoValue + Clone> IntoValue for &[T] {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        array(heap, self.len(), self.iter().cloned())
    }
}

impl<T: IntoValue, const N: usize> IntoValue for [T; N] {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        array(heap, N, self)
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

impl<K: IntoValue, V: IntoValue, S> IntoValue for HashMap<K, V, S> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        Pairs(self).into_value(heap)
    }
}

fn set<T: IntoValue>(heap: &Heap, items: impl IntoIterator<Item = T>) -> Result<Value, Error> {
    let set = heap.set()?;
    for item in items {
        let item = item.into_value(heap)?;
        hashable_check(&item)?;
        set.add(item)?;
    }
    Ok(Value::Set(set))
}

impl<T: IntoValue> IntoValue for BTreeSet<T> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        set(heap, self)
    }
}

impl<T: IntoValue, S> IntoValue for HashSet<T, S> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        set(heap, self)
    }
}

/// Converts the items of an array one by one.
fn items<T: FromValue, C: FromIterator<T>>(value: &Value) -> Result<C, Error> {
    let Value::Array(array) = value else {
        return Err(Error::conversion("array", value));
    };
    let snapshot = array.snapshot()?;
    let items = snapshot.as_slice().iter().enumerate();
    nested(|| {
        items
            .map(|(at, item)| T::from_value(item).map_err(|error| error.in_element(at)))
            .collect()
    })
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        items(value)
    }
}

impl<T: FromValue> FromValue for VecDeque<T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        items(value)
    }
}

impl<T: FromValue, const N: usize> FromValue for [T; N] {
    fn from_value(value: &Value) -> Result<Self, Error> {
        let items: Vec<T> = items(value)?;
        let found = items.len();
        items.try_into().map_err(|_| length_error(N, found))
    }
}

#[cold]
fn length_error(expected: usize, found: usize) -> Error {
    ConversionError::new(format!("array of {expected}"), format!("array of {found}")).into()
}

/// The entries of a dict, in their order.
fn entries<K: FromValue, V: FromValue, C: FromIterator<(K, V)>>(value: &Value) -> Result<C, Error> {
    let Value::Dict(dict) = value else {
        return Err(Error::conversion("dict", value));
    };
    let snapshot = dict.snapshot()?;
    let entries = snapshot.iter().map(|(key, item)| {
        let step = match key {
            Value::String(name) => name.as_str().to_owned(),
            _ => aether_value::display_text(&Heap::of(&*snapshot), key)
                .map(|text| text.as_str().to_owned())
                .unwrap_or_default(),
        };
        let place = |error: Error| error.in_field(&step);
        Ok((
            K::from_value(key).map_err(place)?,
            V::from_value(item).map_err(place)?,
        ))
    });
    nested(|| entries.collect())
}

impl<K: FromValue + Ord, V: FromValue> FromValue for BTreeMap<K, V> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        entries(value)
    }
}

impl<K: FromValue + Hash + Eq, V: FromValue, S: BuildHasher + Default> FromValue for HashMap<K, V, S> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        entries(value)
    }
}

impl<K: FromValue, V: FromValue> FromValue for Pairs<Vec<(K, V)>> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        entries(value).map(Self)
    }
}

/// The elements of a set, in their order.
fn elements<T: FromValue, C: FromIterator<T>>(value: &Value) -> Result<C, Error> {
    let Value::Set(set) = value else {
        return Err(Error::conversion("set", value));
    };
    let snapshot = set.snapshot()?;
    snapshot.iter().map(T::from_value).collect()
}

impl<T: FromValue + Ord> FromValue for BTreeSet<T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        elements(value)
    }
}

impl<T: FromValue + Hash + Eq, S: BuildHasher + Default> FromValue for HashSet<T, S> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        elements(value)
    }
}

macro_rules! tuples {
    ($(($count:literal: $($name:ident $at:tt),+)),* $(,)?) => {
        $(impl<$($name: IntoValue),+> IntoValue for ($($name,)+) {
            fn into_value(self, heap: &Heap) -> Result<Value, Error> {
                let array = heap.array($count)?;
                $(array.push(self.$at.into_value(heap)?)?;)+
                Ok(Value::Array(array))
            }
        }

        impl<$($name: FromValue),+> FromValue for ($($name,)+) {
            fn from_value(value: &Value) -> Result<Self, Error> {
                let Value::Array(array) = value else {
                    return Err(Error::conversion("array", value));
                };
                let snapshot = array.snapshot()?;
                let items = snapshot.as_slice();
                if items.len() != $count {
                    return Err(length_error($count, items.len()));
                }
                nested(|| Ok(($($name::from_value(&items[$at]).map_err(|error| error.in_element($at))?,)+)))
            }
        })*
    };
}

for_each_tuple!(tuples);
