//! Conversions for whatever implements serde's traits.
//!
//! Structs and maps become dicts, sequences and tuples arrays; an enum is its variant's name, or a dict of that one
//! name if the variant holds something, as in JSON. `None` and unit are null.
//!
//! Invariants
//! - An error says where in the data it was met.
//! - Data of a script is followed only so many levels deep: cycles are an error.

use std::fmt::Display;

use aether_value::{Dict, Heap, Rc, Value, hashable_check};
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde::ser::{self, Serialize};

use super::{ConversionError, IntoValue, nested};
use crate::Error;

/// A value of anything that can be serialised.
///
/// ```
/// use aether::{Engine, to_value};
///
/// #[derive(serde::Serialize)]
/// struct Order { id: u32, tags: Vec<&'static str>, note: Option<String> }
///
/// let engine = Engine::new()?;
/// let order = Order { id: 7, tags: vec!["new"], note: None };
/// let value = to_value(engine.heap(), &order)?;
/// assert_eq!(engine.text(&value)?, "{id: 7, tags: [new], note: null}");
/// # Ok::<(), aether::Error>(())
/// ```
///
/// # Errors
/// The heap's budget, a number that fits no int, a key that cannot be one, or what the type's implementation says.
pub fn to_value<T: Serialize + ?Sized>(heap: &Heap, data: &T) -> Result<Value, Error> {
    heap.for_host(|| data.serialize(Serializer { heap }))
}

/// Anything that can be deserialised, from a value.
///
/// ```
/// use aether::{Engine, from_value};
///
/// #[derive(serde::Deserialize, Debug, PartialEq)]
/// struct Order { id: u32, tags: Vec<String> }
///
/// let mut engine = Engine::new()?;
/// let value = engine.eval("({\"id\": 7, \"tags\": [\"new\"]})")?;
/// assert_eq!(from_value::<Order>(&value)?, Order { id: 7, tags: vec!["new".into()] });
/// let value = engine.eval("({\"id\": 7, \"tags\": [\"new\", 3]})")?;
/// let error = from_value::<Order>(&value).unwrap_err();
/// assert_eq!(error.to_string(), "Type error: expected a string, got integer `3` at tags[1]");
/// # Ok::<(), aether::Error>(())
/// ```
///
/// # Errors
/// [`Error::Conversion`] with the path of what does not fit.
pub fn from_value<T: de::DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(Deserializer { value })
}

impl ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::message(message.to_string())
    }
}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        ConversionError::new("data that fits", message.to_string()).into()
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        ConversionError::new(expected.to_string(), unexpected.to_string()).into()
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        ConversionError::new(expected.to_string(), unexpected.to_string()).into()
    }

    fn missing_field(field: &'static str) -> Self {
        ConversionError::new(format!("field '{field}'"), "nothing").into()
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        ConversionError::new(format!("one of {}", expected.join(", ")), format!("'{variant}'")).into()
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        ConversionError::new(format!("one of {}", expected.join(", ")), format!("'{field}'")).into()
    }
}

#[derive(Clone, Copy)]
struct Serializer<'h> {
    heap: &'h Heap,
}

/// An array that is being filled, within a variant's dict if there is one.
struct Items<'h> {
    heap: &'h Heap,
    array: Rc<aether_value::Array>,
    variant: Option<&'static str>,
}

/// A dict that is being filled.
struct Entries<'h> {
    heap: &'h Heap,
    dict: Rc<Dict>,
    key: Option<Value>,
    variant: Option<&'static str>,
}

impl<'h> Serializer<'h> {
    fn named(self, variant: &'static str, value: Value) -> Result<Value, Error> {
        let dict = self.heap.dict()?;
        dict.insert(Value::String(self.heap.string(variant)?), value)?;
        Ok(Value::Dict(dict))
    }

    fn items(self, len: usize, variant: Option<&'static str>) -> Result<Items<'h>, Error> {
        Ok(Items {
            heap: self.heap,
            array: self.heap.array(len)?,
            variant,
        })
    }

    fn entries(self, variant: Option<&'static str>) -> Result<Entries<'h>, Error> {
        Ok(Entries {
            heap: self.heap,
            dict: self.heap.dict()?,
            key: None,
            variant,
        })
    }

    fn finish(self, variant: Option<&'static str>, value: Value) -> Result<Value, Error> {
        match variant {
            Some(variant) => self.named(variant, value),
            None => Ok(value),
        }
    }
}

macro_rules! plain {
    ($($method:ident: $kind:ty),* $(,)?) => {
        $(fn $method(self, value: $kind) -> Result<Value, Error> {
            value.into_value(self.heap)
        })*
    };
}

impl<'h> ser::Serializer for Serializer<'h> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items<'h>;
    type SerializeTuple = Items<'h>;
    type SerializeTupleStruct = Items<'h>;
    type SerializeTupleVariant = Items<'h>;
    type SerializeMap = Entries<'h>;
    type SerializeStruct = Entries<'h>;
    type SerializeStructVariant = Entries<'h>;

    plain!(
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_str: &str,
    );

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, Error> {
        Ok(Value::Array(self.heap.array_of_bytes(bytes)?))
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Error> {
        variant.into_value(self.heap)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        let value = value.serialize(self)?;
        self.named(variant, value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'h>, Error> {
        self.items(len.unwrap_or(0), None)
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'h>, Error> {
        self.items(len, None)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items<'h>, Error> {
        self.items(len, None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'h>, Error> {
        self.items(len, Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'h>, Error> {
        self.entries(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries<'h>, Error> {
        self.entries(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries<'h>, Error> {
        self.entries(Some(variant))
    }
}

impl Items<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let at = self.array.len();
        let value = value.serialize(Serializer { heap: self.heap });
        self.array.push(value.map_err(|error| error.in_element(at))?)?;
        Ok(())
    }

    fn finish(self) -> Result<Value, Error> {
        Serializer { heap: self.heap }.finish(self.variant, Value::Array(self.array))
    }
}

impl Entries<'_> {
    fn insert<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let key = Value::String(self.heap.intern(name)?);
        let value = value.serialize(Serializer { heap: self.heap });
        self.dict
            .insert(key, value.map_err(|error| error.in_field(name))?)?;
        Ok(())
    }

    fn finish(self) -> Result<Value, Error> {
        Serializer { heap: self.heap }.finish(self.variant, Value::Dict(self.dict))
    }
}

macro_rules! items {
    ($($name:ident $method:ident),*) => {
        $(impl ser::$name for Items<'_> {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.push(value)
            }

            fn end(self) -> Result<Value, Error> {
                self.finish()
            }
        })*
    };
}

items!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! fields {
    ($($name:ident),*) => {
        $(impl ser::$name for Entries<'_> {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.insert(name, value)
            }

            fn end(self) -> Result<Value, Error> {
                self.finish()
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Entries<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let key = key.serialize(Serializer { heap: self.heap })?;
        hashable_check(&key)?;
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().unwrap_or(Value::Null);
        let value = value.serialize(Serializer { heap: self.heap })?;
        self.dict.insert(key, value)?;
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        self.finish()
    }
}

struct Deserializer<'v> {
    value: &'v Value,
}

impl Deserializer<'_> {
    /// What a visitor that wants something else is told of.
    fn mismatch(&self, expected: &dyn de::Expected) -> Error {
        Error::conversion(expected.to_string(), self.value)
    }
}

fn sequence<'de, V: Visitor<'de>>(items: &[Value], visitor: V) -> Result<V::Value, Error> {
    nested(|| {
        let mut at = 0;
        let items = items.iter();
        visitor.visit_seq(Sequence { items, at: &mut at })
    })
}

/// The items of an array, with how many have been read.
struct Sequence<'v> {
    items: std::slice::Iter<'v, Value>,
    at: &'v mut usize,
}

impl<'de> de::SeqAccess<'de> for Sequence<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.items.next() else {
            return Ok(None);
        };
        let at = *self.at;
        *self.at += 1;
        let item = seed.deserialize(Deserializer { value });
        item.map(Some).map_err(|error| error.in_element(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a dict; the value belongs to the key that was read last.
struct Mapping<'v> {
    entries: std::vec::IntoIter<(&'v Value, &'v Value)>,
    latest: Option<(&'v Value, &'v Value)>,
}

impl<'de> de::MapAccess<'de> for Mapping<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.latest = self.entries.next();
        match self.latest {
            Some((key, _)) => seed.deserialize(Deserializer { value: key }).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some((key, value)) = self.latest else {
            return Err(de::Error::custom("a value without its key"));
        };
        seed.deserialize(Deserializer { value }).map_err(|error| {
            let name = match key {
                Value::String(name) => name.as_str().to_owned(),
                Value::Int(number) => number.to_string(),
                other => other.type_name().into_owned(),
            };
            error.in_field(&name)
        })
    }
}

/// A variant: its name, and what it holds.
struct Variant<'v> {
    name: &'v str,
    content: Option<&'v Value>,
}

impl<'de> de::EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: de::value::StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(other) => Err(Error::conversion("nothing", other).in_field(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let value = self.content.unwrap_or(&Value::Null);
        seed.deserialize(Deserializer { value })
            .map_err(|error| error.in_field(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let value = self.content.unwrap_or(&Value::Null);
        de::Deserializer::deserialize_seq(Deserializer { value }, visitor)
            .map_err(|error| error.in_field(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let value = self.content.unwrap_or(&Value::Null);
        de::Deserializer::deserialize_map(Deserializer { value }, visitor)
            .map_err(|error| error.in_field(self.name))
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::String(text) => visitor.visit_str(text.as_str()),
            Value::Array(array) => {
                let snapshot = array.snapshot()?;
                sequence(snapshot.as_slice(), visitor)
            }
            Value::Set(set) => {
                let elements: Vec<Value> = set.snapshot()?.iter().cloned().collect();
                sequence(&elements, visitor)
            }
            Value::Dict(dict) => {
                let snapshot = dict.snapshot()?;
                let entries: Vec<(&Value, &Value)> = snapshot.iter().collect();
                nested(|| {
                    visitor.visit_map(Mapping {
                        entries: entries.into_iter(),
                        latest: None,
                    })
                })
            }
            Value::Instance(instance) => {
                let heap = Heap::of(&**instance);
                let dict = heap.dict()?;
                for name in instance.definition().fields() {
                    let value = instance.field(name).unwrap_or(Value::Null);
                    dict.insert(Value::String(name.clone()), value)?;
                }
                Deserializer {
                    value: &Value::Dict(dict),
                }
                .deserialize_any(visitor)
            }
            Value::EnumValue(value) if value.is_empty() => visitor.visit_str(value.variant_name()),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::String(name) => visitor.visit_enum(Variant {
                name: name.as_str(),
                content: None,
            }),
            Value::EnumValue(value) if value.is_empty() => visitor.visit_enum(Variant {
                name: value.variant_name(),
                content: None,
            }),
            Value::Dict(dict) if dict.len() == 1 => {
                let snapshot = dict.snapshot()?;
                match snapshot.iter().next() {
                    Some((Value::String(name), content)) => nested(|| {
                        visitor.visit_enum(Variant {
                            name: name.as_str(),
                            content: Some(content),
                        })
                    }),
                    _ => Err(self.mismatch(&visitor)),
                }
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}
