//! The tag byte of a value and of an object's header.
//!
//! Tags from [`COUNTED`] on are heap objects, and the header's `kind` is the tag, so "is counted" is one compare.
//! The order is part of the contract with the evaluator.

/// Signed 64-bit integer.
pub const INT: u8 = 0;
/// Binary64.
pub const FLOAT: u8 = 1;
/// The null value.
pub const NULL: u8 = 2;
/// A truth value, in the payload's low byte.
pub const BOOL: u8 = 3;
/// A built-in function: the address of its [`crate::BuiltinInfo`].
pub const BUILTIN: u8 = 4;
/// A binding that is declared but not executed; never seen by scripts.
pub const UNSET: u8 = 5;
/// An uncounted pointer to a closure, in registers only.
pub const ALIAS: u8 = 6;
/// The first counted tag.
pub const COUNTED: u8 = 8;
/// [`crate::Str`].
pub const STRING: u8 = 8;
/// [`crate::Array`].
pub const ARRAY: u8 = 9;
/// [`crate::Dict`].
pub const DICT: u8 = 10;
/// [`crate::Set`].
pub const SET: u8 = 11;
/// [`crate::Closure`] of a plain function.
pub const FUNCTION: u8 = 12;
/// [`crate::Closure`] of an async function.
pub const ASYNC_FUNCTION: u8 = 13;
/// [`crate::BoundMethod`].
pub const BOUND_METHOD: u8 = 14;
/// [`crate::StructDef`].
pub const STRUCT_DEF: u8 = 15;
/// [`crate::Instance`].
pub const INSTANCE: u8 = 16;
/// [`crate::EnumDef`].
pub const ENUM_DEF: u8 = 17;
/// [`crate::EnumConstructor`].
pub const ENUM_CONSTRUCTOR: u8 = 18;
/// [`crate::EnumValue`].
pub const ENUM_VALUE: u8 = 19;
/// [`crate::Module`].
pub const MODULE: u8 = 20;
/// [`crate::Iter`].
pub const ITERATOR: u8 = 21;
/// [`crate::Promise`].
pub const PROMISE: u8 = 22;
/// [`crate::ErrorObject`].
pub const ERROR: u8 = 23;
/// [`crate::WeakCell`].
pub const WEAK: u8 = 24;
/// [`crate::NativeObject`].
pub const NATIVE: u8 = 25;
/// Reserved for ranges.
pub const RANGE: u8 = 26;
/// [`crate::Cell`]: a captured variable. Internal.
pub const CELL: u8 = 27;
/// [`crate::Buffer`]: an array's items. Internal.
pub const BUFFER: u8 = 28;
/// [`crate::Table`]: a dict's or set's entries. Internal.
pub const TABLE: u8 = 29;
/// [`crate::Coroutine`]: a stack. Internal.
pub const COROUTINE: u8 = 30;
/// [`crate::Shape`]: the keys of records. Internal; holds strings only.
pub const SHAPE: u8 = 31;
/// One past the last tag.
pub const END: u8 = 32;

/// The kinds that can be part of a cycle; all others own nothing, or strings only.
const CONTAINERS: u32 = 1 << ARRAY
    | 1 << DICT
    | 1 << SET
    | 1 << FUNCTION
    | 1 << ASYNC_FUNCTION
    | 1 << BOUND_METHOD
    | 1 << STRUCT_DEF
    | 1 << INSTANCE
    | 1 << ENUM_VALUE
    | 1 << ITERATOR
    | 1 << PROMISE
    | 1 << ERROR
    | 1 << NATIVE
    | 1 << CELL
    | 1 << BUFFER
    | 1 << TABLE
    | 1 << COROUTINE;

/// Whether an object of this kind can be part of a cycle.
#[inline(always)]
pub const fn is_container(kind: u8) -> bool {
    CONTAINERS >> (kind & 31) & 1 != 0
}

/// The plain word for a kind, as `heap.stats()` and internal messages use it.
pub const fn name(kind: u8) -> &'static str {
    match kind {
        INT => "int",
        FLOAT => "float",
        NULL => "null",
        BOOL => "bool",
        BUILTIN => "builtin_function",
        UNSET => "unset",
        ALIAS => "alias",
        STRING => "string",
        ARRAY => "array",
        DICT => "dict",
        SET => "set",
        FUNCTION => "function",
        ASYNC_FUNCTION => "async_function",
        BOUND_METHOD => "function",
        STRUCT_DEF => "struct",
        INSTANCE => "instance",
        ENUM_DEF => "enum",
        ENUM_CONSTRUCTOR => "enum_constructor",
        ENUM_VALUE => "enum_value",
        MODULE => "module",
        ITERATOR => "iterator",
        PROMISE => "promise",
        ERROR => "error",
        WEAK => "weak",
        NATIVE => "native",
        RANGE => "range",
        CELL => "cell",
        BUFFER => "array items",
        TABLE => "table",
        COROUTINE => "stack",
        SHAPE => "shape",
        _ => "free",
    }
}
