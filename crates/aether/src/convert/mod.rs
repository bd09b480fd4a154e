//! Rust values to Aether values and back.
//!
//! Invariants
//! - Into: every byte is charged to the heap, so a conversion may fail at the budget.
//! - Out: a conversion copies, and accepts exactly the language's type (an int also where a float is asked for).
//! - Code of the host that a conversion runs sees no collection half-way: collections are read from snapshots.
//! - A conversion that fails says where: `Type error: expected int, got string at items[3].price`.

/// Gives a macro the tuples that are converted: the number of elements, and the type and place of each.
macro_rules! for_each_tuple {
    ($macro:ident) => {
        $macro!(
            (1: A 0),
            (2: A 0, B 1),
            (3: A 0, B 1, C 2),
            (4: A 0, B 1, C 2, D 3),
            (5: A 0, B 1, C 2, D 3, E 4),
            (6: A 0, B 1, C 2, D 3, E 4, F 5),
            (7: A 0, B 1, C 2, D 3, E 4, F 5, G 6),
            (8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7),
        );
    };
}

mod arguments;
mod collections;
mod numbers;
#[cfg(feature = "serde")]
mod serde;
mod text;

pub use arguments::{Arguments, Rest};
pub use collections::Pairs;
#[cfg(feature = "serde")]
pub use serde::{from_value, to_value};
pub use text::Text;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use aether_value::{Heap, Value};

use crate::Error;

/// A Rust value that can become an Aether value.
///
/// ```
/// use aether::{Engine, Error, Heap, IntoValue, Pairs, Value};
///
/// struct Point { x: f64, y: f64 }
///
/// impl IntoValue for Point {
///     fn into_value(self, heap: &Heap) -> Result<Value, Error> {
///         Pairs([("x", self.x), ("y", self.y)]).into_value(heap)
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// engine.set_global("p", Point { x: 1.5, y: 2.0 })?;
/// assert_eq!(engine.eval_to::<f64>("p.x * p.y")?, 3.0);
/// # Ok::<(), Error>(())
/// ```
pub trait IntoValue {
    /// Makes the value on `heap`.
    ///
    /// # Errors
    /// The heap's budget, or a number that fits no int.
    fn into_value(self, heap: &Heap) -> Result<Value, Error>;
}

/// A Rust value that can be had from an Aether value.
///
/// ```
/// use aether::{Engine, Error, FromValue, Value, ValueExt as _};
///
/// struct Celsius(f64);
///
/// impl FromValue for Celsius {
///     fn from_value(value: &Value) -> Result<Self, Error> {
///         Ok(Celsius(value.try_to()?))
///     }
/// }
///
/// let mut engine = Engine::new()?;
/// assert_eq!(engine.eval_to::<Celsius>("20 + 1.5")?.0, 21.5);
/// # Ok::<(), Error>(())
/// ```
pub trait FromValue: Sized {
    /// Copies the value out.
    ///
    /// # Errors
    /// [`Error::Conversion`] if the value has another type.
    fn from_value(value: &Value) -> Result<Self, Error>;

    /// How a parameter of this type takes arguments.
    #[doc(hidden)]
    const TAKES: Takes = Takes::One;

    /// The parameter at a place, from all arguments.
    #[doc(hidden)]
    #[inline]
    fn from_arguments(args: &[Value], at: usize) -> Result<Self, Error> {
        Self::from_value(args.get(at).unwrap_or(&Value::Null))
    }
}

/// How a parameter takes arguments.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One.
    One,
    /// One, or none if it is among the last.
    Optional,
    /// All that are left.
    Rest,
}

/// Conversions as methods of [`Value`].
///
/// ```
/// use aether::{Engine, ValueExt as _};
///
/// let value = Engine::new()?.eval("\"text\"")?;
/// assert_eq!(value.try_to::<String>()?, "text");
/// assert!(value.try_to::<i64>().is_err());
/// # Ok::<(), aether::Error>(())
/// ```
pub trait ValueExt {
    /// The value as a Rust value.
    ///
    /// ```
    /// use aether::{Engine, ValueExt as _};
    ///
    /// let value = Engine::new()?.eval("[1, 2, 3]")?;
    /// assert_eq!(value.try_to::<Vec<u8>>()?, [1, 2, 3]);
    /// # Ok::<(), aether::Error>(())
    /// ```
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

/// A value that is not of the Rust type that was asked for.
///
/// ```
/// use aether::{Engine, Error};
/// use std::collections::HashMap;
///
/// let mut engine = Engine::new()?;
/// let Err(Error::Conversion(error)) = engine.eval_to::<HashMap<String, Vec<i64>>>("let d = {\"a\": [1, null]}  d") else {
///     panic!("null is no number");
/// };
/// assert_eq!(error.to_string(), "Type error: expected int, got null at a[1]");
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversionError {
    expected: Cow<'static, str>,
    found: String,
    /// Fields and indices that lead to the value, the innermost first.
    path: Vec<String>,
}

impl ConversionError {
    /// An error that names the type that was expected, in the language's words, and what was found.
    ///
    /// ```
    /// let error = aether::ConversionError::new("colour", "string");
    /// assert_eq!(error.to_string(), "Type error: expected colour, got string");
    /// ```
    pub fn new(expected: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            found: found.into(),
            path: Vec::new(),
        }
    }

    /// What was expected, in the language's words.
    ///
    /// ```
    /// let error = aether::ConversionError::new("colour", "string");
    /// assert_eq!(error.expected(), "colour");
    /// ```
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What was found instead.
    ///
    /// ```
    /// let error = aether::ConversionError::new("colour", "string");
    /// assert_eq!(error.found(), "string");
    /// ```
    pub fn found(&self) -> &str {
        &self.found
    }

    /// Where in the whole value, as in `items[3].price`; empty for the value itself.
    ///
    /// ```
    /// use aether::{Engine, Error};
    ///
    /// let mut engine = Engine::new()?;
    /// let Err(Error::Conversion(error)) = engine.eval_to::<Vec<Vec<i64>>>("[[1], [2, 3.5]]") else {
    ///     panic!("3.5 is no int");
    /// };
    /// assert_eq!(error.path(), "[1][1]");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn path(&self) -> String {
        let path: String = self.path.iter().rev().map(String::as_str).collect();
        path.strip_prefix('.').map_or(path.clone(), str::to_owned)
    }
}

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Type error: expected {}, got {}", self.expected, self.found)?;
        if self.path.is_empty() {
            Ok(())
        } else {
            write!(f, " at {}", self.path())
        }
    }
}

impl std::error::Error for ConversionError {}

impl From<ConversionError> for Error {
    fn from(error: ConversionError) -> Self {
        Self::Conversion(Box::new(error))
    }
}

impl Error {
    /// A value that has not the type that was expected, as implementations of [`FromValue`] tell it.
    ///
    /// ```
    /// use aether::{Error, FromValue, Value};
    ///
    /// struct Percent(f64);
    ///
    /// impl FromValue for Percent {
    ///     fn from_value(value: &Value) -> Result<Self, Error> {
    ///         match f64::from_value(value) {
    ///             Ok(number) if (0.0..=100.0).contains(&number) => Ok(Percent(number)),
    ///             _ => Err(Error::conversion("number from 0 to 100", value)),
    ///         }
    ///     }
    /// }
    ///
    /// let mut engine = aether::Engine::new()?;
    /// assert_eq!(engine.eval_to::<Percent>("12.5")?.0, 12.5);
    /// assert!(engine.eval_to::<Percent>("200").is_err());
    /// # Ok::<(), Error>(())
    /// ```
    #[cold]
    pub fn conversion(expected: impl Into<Cow<'static, str>>, found: &Value) -> Self {
        ConversionError::new(expected, found.type_name().into_owned()).into()
    }

    /// The same error, met in the field of this name.
    ///
    /// ```
    /// use aether::{Error, Value};
    ///
    /// let error = Error::conversion("int", &Value::Null).in_field("age");
    /// assert_eq!(error.to_string(), "Type error: expected int, got null at age");
    /// ```
    #[cold]
    #[must_use]
    pub fn in_field(self, name: &str) -> Self {
        self.within(format!(".{name}"))
    }

    /// The same error, met in the element at this index.
    ///
    /// ```
    /// use aether::{Error, Value};
    ///
    /// let error = Error::conversion("int", &Value::Null).in_field("age").in_element(3);
    /// assert_eq!(error.to_string(), "Type error: expected int, got null at [3].age");
    /// ```
    #[cold]
    #[must_use]
    pub fn in_element(self, index: usize) -> Self {
        self.within(format!("[{index}]"))
    }

    fn within(mut self, step: String) -> Self {
        if let Self::Conversion(error) = &mut self {
            error.path.push(step);
        }
        self
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

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self, Error> {
        Ok(value.clone())
    }
}

/// How deep conversions out of the language nest: a cycle in a script's data is an error, not an overflow.
const MAX_NESTING: u32 = 200;

/// Converts what is in a collection, one level deeper.
///
/// # Errors
/// What the conversion gives, or that there are too many levels.
#[doc(hidden)]
pub fn nested<R>(convert: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    thread_local! {
        static LEVEL: Cell<u32> = const { Cell::new(0) };
    }

    /// Counts a level as long as it lives.
    struct Level;

    impl Drop for Level {
        fn drop(&mut self) {
            LEVEL.set(LEVEL.get() - 1);
        }
    }

    LEVEL.set(LEVEL.get() + 1);
    let _level = Level;
    if LEVEL.get() > MAX_NESTING {
        let found = format!("more than {MAX_NESTING} levels");
        return Err(ConversionError::new("data without cycles", found).into());
    }
    convert()
}

/// Refuses an object of another engine: code caches where fields lie, by numbers that only its own engine gives out.
#[inline]
pub(crate) fn admitted(heap: &Heap, value: &Value) -> Result<(), Error> {
    if heap.admits(value) {
        Ok(())
    } else {
        Err(of_another_engine(value))
    }
}

#[cold]
fn of_another_engine(value: &Value) -> Error {
    let found = format!("{} of another engine", value.type_name());
    ConversionError::new("value of this engine", found).into()
}

impl IntoValue for () {
    fn into_value(self, _: &Heap) -> Result<Value, Error> {
        Ok(Value::Null)
    }
}

impl FromValue for () {
    fn from_value(value: &Value) -> Result<Self, Error> {
        if value.is_null() {
            Ok(())
        } else {
            Err(Error::conversion("null", value))
        }
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self, heap: &Heap) -> Result<Value, Error> {
        self.map_or(Ok(Value::Null), |value| value.into_value(heap))
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const TAKES: Takes = Takes::Optional;

    fn from_value(value: &Value) -> Result<Self, Error> {
        if value.is_null() {
            Ok(None)
        } else {
            T::from_value(value).map(Some)
        }
    }
}

/// What a dict or an instance holds under a name, for derived conversions.
///
/// # Errors
/// The value is neither.
#[doc(hidden)]
pub fn field_of(value: &Value, name: &str) -> Result<Option<Value>, Error> {
    match value {
        Value::Dict(dict) => Ok(dict.get_str_value(name)),
        Value::Instance(instance) => {
            let fields = instance.definition().fields().iter();
            let mut known = fields.filter(|field| field.as_str() == name);
            Ok(known.next().and_then(|field| instance.field(field)))
        }
        _ => Err(Error::conversion("dict", value)),
    }
}

/// The variant that a value names and what it holds, for derived conversions.
///
/// # Errors
/// The value names none.
#[doc(hidden)]
pub fn variant_of(value: &Value, expected: &'static str) -> Result<(String, Value), Error> {
    match value {
        Value::String(name) => Ok((name.as_str().to_owned(), Value::Null)),
        Value::EnumValue(variant) => {
            let content = match variant.payload() {
                [] => Value::Null,
                [one] => one.clone(),
                several => Value::Array(Heap::of(&**variant).array_from_slice(several)?),
            };
            Ok((variant.variant_name().to_owned(), content))
        }
        Value::Dict(dict) if dict.len() == 1 => {
            let snapshot = dict.snapshot()?;
            match snapshot.iter().next() {
                Some((Value::String(name), content)) => Ok((name.as_str().to_owned(), content.clone())),
                _ => Err(Error::conversion(expected, value)),
            }
        }
        _ => Err(Error::conversion(expected, value)),
    }
}

#[cfg(test)]
mod tests;
