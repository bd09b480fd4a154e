//! `Value`: what a script can hold, in 16 bytes.
//!
//! Invariants
//! - The discriminants are the tags of [`crate::tag`], the payload starts at byte 8: the evaluator reads the same
//!   memory as [`Raw`].
//! - Cloning is at most one increment, dropping at most one decrement; the cold part is out of line.
//!
//! Not here: display, equality, order and copying, which walk deep data and live in `ops`.
#![expect(unsafe_code, reason = "clones by copying the bytes and counting")]

use std::borrow::Cow;

use crate::{
    Array, BoundMethod, Buffer, Builtin, BuiltinKind, Cell, Closure, Coroutine, Dict, EnumConstructor,
    EnumDef, EnumValue, ErrorObject, Instance, Iter, Module, NativeObject, Promise, Raw, Rc, Set, Shape, Str,
    StructDef, Table, WeakCell, tag,
};

/// Any value of the language.
#[repr(C, u8)]
#[derive(Debug)]
pub enum Value {
    /// Signed 64-bit integer.
    Int(i64) = tag::INT,
    /// Binary64.
    Float(f64) = tag::FLOAT,
    /// The null value.
    Null = tag::NULL,
    /// `true` or `false`.
    Bool(bool) = tag::BOOL,
    /// A built-in function.
    Builtin(Builtin) = tag::BUILTIN,
    /// Immutable text.
    String(Rc<Str>) = tag::STRING,
    /// Ordered list.
    Array(Rc<Array>) = tag::ARRAY,
    /// Insertion-ordered map.
    Dict(Rc<Dict>) = tag::DICT,
    /// Insertion-ordered set.
    Set(Rc<Set>) = tag::SET,
    /// Function with its captures.
    Function(Rc<Closure>) = tag::FUNCTION,
    /// Async function with its captures.
    AsyncFunction(Rc<Closure>) = tag::ASYNC_FUNCTION,
    /// A method bound to its receiver.
    BoundMethod(Rc<BoundMethod>) = tag::BOUND_METHOD,
    /// A struct definition.
    StructDef(Rc<StructDef>) = tag::STRUCT_DEF,
    /// An instance of a struct.
    Instance(Rc<Instance>) = tag::INSTANCE,
    /// An enum definition.
    EnumDef(Rc<EnumDef>) = tag::ENUM_DEF,
    /// A payload variant that is not called yet.
    EnumConstructor(Rc<EnumConstructor>) = tag::ENUM_CONSTRUCTOR,
    /// A variant's value.
    EnumValue(Rc<EnumValue>) = tag::ENUM_VALUE,
    /// A module's namespace.
    Module(Rc<Module>) = tag::MODULE,
    /// Iteration state.
    Iterator(Rc<Iter>) = tag::ITERATOR,
    /// The result of an async call.
    Promise(Rc<Promise>) = tag::PROMISE,
    /// What `catch` binds.
    Error(Rc<ErrorObject>) = tag::ERROR,
    /// Weak reference.
    Weak(Rc<WeakCell>) = tag::WEAK,
    /// An object of the host or the library.
    Native(Rc<NativeObject>) = tag::NATIVE,
    /// A captured variable; never seen by scripts.
    #[doc(hidden)]
    Cell(Rc<Cell>) = tag::CELL,
    /// An array's items; never seen by scripts.
    #[doc(hidden)]
    Buffer(Rc<Buffer>) = tag::BUFFER,
    /// A dict's or set's entries; never seen by scripts.
    #[doc(hidden)]
    Table(Rc<Table>) = tag::TABLE,
    /// The keys of records; never seen by scripts.
    #[doc(hidden)]
    Shape(Rc<Shape>) = tag::SHAPE,
    /// A stack; never seen by scripts.
    #[doc(hidden)]
    Coroutine(Rc<Coroutine>) = tag::COROUTINE,
}

impl Clone for Value {
    #[inline(always)]
    fn clone(&self) -> Self {
        let raw = Raw::of_value(self);
        raw.retain();
        // SAFETY: the count was just taken, and the tag comes from a value.
        unsafe { raw.into_value() }
    }
}

impl Value {
    /// The tag; see [`crate::tag`].
    #[inline(always)]
    pub fn tag(&self) -> u8 {
        // SAFETY: repr(C, u8) puts the discriminant in the first byte.
        unsafe { *std::ptr::from_ref(self).cast::<u8>() }
    }

    /// Whether it can be called.
    pub fn is_callable(&self) -> bool {
        match self {
            Self::Function(_)
            | Self::AsyncFunction(_)
            | Self::BoundMethod(_)
            | Self::Builtin(_)
            | Self::EnumConstructor(_) => true,
            Self::Native(native) => native.get().callee().is_some(),
            _ => false,
        }
    }

    /// Whether calling it gives a promise of its result: an async function, or a method that is one.
    pub fn is_async(&self) -> bool {
        match self {
            Self::AsyncFunction(_) => true,
            Self::BoundMethod(bound) => bound.closure().is_async(),
            _ => false,
        }
    }

    /// What `type(v)` gives.
    pub fn type_name(&self) -> Cow<'_, str> {
        match self {
            Self::Builtin(builtin) => match builtin.kind {
                BuiltinKind::Core => "builtin_function",
                BuiltinKind::Library => "function",
            }
            .into(),
            Self::Instance(instance) => instance.definition().name().as_str().into(),
            Self::EnumValue(value) => {
                format!("{}.{}", value.definition().name().as_str(), value.variant_name()).into()
            }
            Self::Native(native) => native.get().type_name().into(),
            // The only ones that a script sees are generators.
            Self::Coroutine(_) => tag::name(tag::ITERATOR).into(),
            _ => tag::name(self.tag()).into(),
        }
    }

    /// Whether a condition holds for this value: false are `false`, null, zeros, `""`, an empty array, an empty set.
    #[inline]
    pub fn truthy(&self) -> bool {
        match self {
            Self::Bool(value) => *value,
            Self::Null => false,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::Array(array) => !array.is_empty(),
            Self::Set(set) => !set.is_empty(),
            _ => true,
        }
    }

    /// Whether both are the same immediate or the same object.
    #[inline]
    pub fn same(&self, other: &Self) -> bool {
        Raw::of_value(self).same(Raw::of_value(other))
    }

    /// Whether this is null.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether this cannot change and leads to no other value: null, a bool, a number or a string.
    pub fn is_scalar(&self) -> bool {
        matches!(
            self,
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::String(_)
        )
    }

    /// The text, if this is a string.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The integer, if this is one.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}

impl From<i64> for Value {
    #[inline]
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    #[inline]
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value {
    #[inline]
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<()> for Value {
    #[inline]
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<Rc<Closure>> for Value {
    #[inline]
    fn from(closure: Rc<Closure>) -> Self {
        if Rc::header(&closure).kind == tag::ASYNC_FUNCTION {
            Self::AsyncFunction(closure)
        } else {
            Self::Function(closure)
        }
    }
}

macro_rules! from_objects {
    ($($variant:ident($object:ty)),* $(,)?) => {
        $(impl From<Rc<$object>> for Value {
            #[inline]
            fn from(object: Rc<$object>) -> Self {
                Self::$variant(object)
            }
        })*
    };
}

from_objects!(
    String(Str),
    Array(Array),
    Dict(Dict),
    Set(Set),
    BoundMethod(BoundMethod),
    StructDef(StructDef),
    Instance(Instance),
    EnumDef(EnumDef),
    EnumConstructor(EnumConstructor),
    EnumValue(EnumValue),
    Module(Module),
    Iterator(Iter),
    Promise(Promise),
    Error(ErrorObject),
    Weak(WeakCell),
    Native(NativeObject),
);
