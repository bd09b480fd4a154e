//! Lists of arguments.

use aether_value::{Heap, Value};

use super::{FromValue, IntoValue, Takes, admitted};
use crate::Error;

/// A list of arguments: a tuple of up to eight, a vector, or a slice of values.
///
/// ```
/// use aether::Engine;
///
/// let mut engine = Engine::new()?;
/// engine.eval("fn total(name, numbers) { return name + \": \" + sum(numbers) }")?;
/// let text: String = engine.call_to("total", ("all", vec![1, 2, 3]))?;
/// assert_eq!(text, "all: 6");
/// # Ok::<(), aether::Error>(())
/// ```
pub trait Arguments {
    /// The arguments as values, in a list of its own kind.
    type Values: AsRef<[Value]>;

    /// The arguments as values.
    ///
    /// # Errors
    /// See [`IntoValue::into_value`].
    fn into_arguments(self, heap: &Heap) -> Result<Self::Values, Error>;
}

impl Arguments for () {
    type Values = [Value; 0];

    fn into_arguments(self, _: &Heap) -> Result<Self::Values, Error> {
        Ok([])
    }
}

impl<'a> Arguments for &'a [Value] {
    type Values = &'a [Value];

    fn into_arguments(self, heap: &Heap) -> Result<Self::Values, Error> {
        for value in self {
            admitted(heap, value)?;
        }
        Ok(self)
    }
}

impl<T: IntoValue> Arguments for Vec<T> {
    type Values = Vec<Value>;

    fn into_arguments(self, heap: &Heap) -> Result<Self::Values, Error> {
        self.into_iter().map(|item| item.into_value(heap)).collect()
    }
}

macro_rules! tuples {
    ($(($count:literal: $($name:ident $at:tt),+)),* $(,)?) => {
        $(impl<$($name: IntoValue),+> Arguments for ($($name,)+) {
            type Values = [Value; $count];

            #[inline]
            fn into_arguments(self, heap: &Heap) -> Result<Self::Values, Error> {
                Ok([$(self.$at.into_value(heap)?),+])
            }
        })*
    };
}

for_each_tuple!(tuples);

/// All arguments from a place on, as the last parameter of a host function.
///
/// ```
/// use aether::{Engine, Rest};
///
/// let mut engine = Engine::new()?;
/// engine.register("longest", |Rest(words): Rest<String>| {
///     words.into_iter().max_by_key(String::len)
/// })?;
/// assert_eq!(engine.eval_to::<String>("longest(\"a\", \"abc\", \"ab\")")?, "abc");
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest<T = Value>(pub Vec<T>);

impl<T: FromValue> FromValue for Rest<T> {
    const TAKES: Takes = Takes::Rest;

    fn from_value(value: &Value) -> Result<Self, Error> {
        Vec::from_value(value).map(Self)
    }

    fn from_arguments(args: &[Value], at: usize) -> Result<Self, Error> {
        let rest = args.get(at..).unwrap_or_default();
        rest.iter().map(T::from_value).collect::<Result<_, _>>().map(Self)
    }
}
