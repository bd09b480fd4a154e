//! Texts.

use std::borrow::Cow;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use aether_value::{Heap, Rc, Str, Value};

use super::{FromValue, IntoValue};
use crate::Error;

/// A string of the script without a copy, for parameters of host functions.
///
/// ```
/// use aether::{Engine, Text};
///
/// let mut engine = Engine::new()?;
/// engine.register("vowels", |text: Text| text.matches(['a', 'e', 'i', 'o', 'u']).count())?;
/// assert_eq!(engine.eval_to::<i64>("vowels(\"aether\")")?, 3);
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Text(Rc<Str>);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl FromValue for Text {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::String(text) => Ok(Self(text.clone())),
            _ => Err(Error::conversion("string", value)),
        }
    }
}

impl IntoValue for Text {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        Value::String(self.0).into_value(heap)
    }
}

impl IntoValue for &str {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        Ok(Value::String(heap.string(self)?))
    }
}

macro_rules! texts {
    ($($text:ty),*) => {
        $(impl IntoValue for $text {
            fn into_value(self, heap: &Heap) -> Result<Value, Error> {
                let text: &str = self.as_ref();
                text.into_value(heap)
            }
        })*
    };
}

texts!(
    String,
    &String,
    Box<str>,
    std::rc::Rc<str>,
    std::sync::Arc<str>,
    Cow<'_, str>
);

impl IntoValue for char {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.encode_utf8(&mut [0; 4]).into_value(heap)
    }
}

impl IntoValue for &Path {
    /// What is not UTF-8 in the path is replaced.
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.to_string_lossy().into_value(heap)
    }
}

impl IntoValue for PathBuf {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.as_path().into_value(heap)
    }
}

fn text_of(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| Error::conversion("string", value))
}

macro_rules! owned {
    ($($text:ty),*) => {
        $(impl FromValue for $text {
            fn from_value(value: &Value) -> Result<Self, Error> {
                text_of(value).map(Into::into)
            }
        })*
    };
}

owned!(String, Box<str>, std::rc::Rc<str>, std::sync::Arc<str>, PathBuf);

impl FromValue for char {
    fn from_value(value: &Value) -> Result<Self, Error> {
        let mut characters = text_of(value)?.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(Error::conversion("string of one character", value)),
        }
    }
}
