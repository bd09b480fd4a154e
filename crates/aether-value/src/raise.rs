//! The messages of the runtime, one function a situation.
//!
//! Source: language reference §17.4, library reference §1.

use std::fmt::Display;

use crate::{ErrorKind, Raise};

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) $kind:ident $text:literal;)*) => {
        impl Raise {
            $($(#[$doc])*
            #[cold]
            #[inline(never)]
            pub fn $name($($arg: $ty),*) -> Self {
                Self::new(ErrorKind::$kind, format!($text))
            })*
        }
    };
}

messages! {
    /// A value of another type than expected.
    type_error(expected: &str, got: &str) Type "Type error: expected {expected}, got {got}";
    /// Two operands, one of another type than expected.
    type_error2(expected: &str, left: &str, right: &str) Type "Type error: expected {expected}, got {left} and {right}";
    /// Division or remainder by zero.
    division_by_zero() ZeroDivision "Division by zero";
    /// An integer result beyond 64 bits.
    overflow(left: i64, op: &str, right: i64) Overflow "Integer overflow: {left} {op} {right}";
    /// The one negation beyond 64 bits.
    overflow_negate(value: i64) Overflow "Integer overflow: -({value})";
    /// An index at or past the end, or negative.
    index_out_of_bounds(index: i64, len: usize) Index "Index {index} out of bounds for array of length {len}";
    /// Wrong number of arguments.
    arity(expected: usize, got: usize) Arity "Expected {expected} arguments, got {got}";
    /// A property that the type does not have.
    no_property(type_name: &str, name: &str) Property "'{type_name}' has no property '{name}'";
    /// A module's member that is not there.
    no_module_property(module: &str, name: &str) Property "Module '{module}' has no property '{name}'";
    /// A method that the type does not have.
    no_method(type_name: &str, name: &str) Property "Method '{name}' does not exist on type '{type_name}'";
    /// `d.name` without such a key.
    key_member(name: &str) Key "Key '{name}' not found in dict";
    /// `d[k]` without such a key; `key` is its display text.
    key_index(key: &str) Key "Invalid operation: Key {key} not found in dict";
    /// A name that no scope declares.
    undefined(name: &str) Name "Undefined variable: {name}";
    /// An operation that is not possible.
    operation(detail: &str) Value "Invalid operation: {detail}";
    /// A conversion that fails.
    conversion(from: &str, text: &str, to: &str) Conversion "Cannot convert {from} '{text}' to {to}";
    /// A call of something that is not a function.
    not_a_function(type_name: &str) Type "Type error: expected function, got {type_name}";
    /// A built-in's callback that is not a function.
    not_callable(type_name: &str) Type "Value of type '{type_name}' is not callable";
    /// Too many activations.
    recursion(depth: usize, limit: usize) Recursion "Maximum recursion depth exceeded: {depth} (limit: {limit})";
    /// A key or element that cannot be hashed.
    not_hashable(type_name: &str) Type
        "Type error: expected hashable type (int, float, string, bool, null), got {type_name} (not hashable)";
    /// A variant that the enum does not have.
    no_variant(name: &str, variant: &str) Property "Enum '{name}' has no variant '{variant}'";
    /// Spreading something that cannot be.
    spread(type_name: &str) Type "Spread operator requires an array, got '{type_name}'";
    /// Something that `for` cannot walk.
    not_iterable(type_name: &str) Type
        "Type error: expected iterable (array, dict, set, string, or iterator), got {type_name}";
    /// A value that an annotation does not admit.
    mistyped(expected: &str, got: &str, what: &str) Type "Type error: expected {expected}, got {got} for {what}";
    /// A shift by fewer than 0 or more than 63 bits.
    shift_range(amount: i64) Value "Invalid operation: shift amount {amount} out of range (0..63)";
    /// A member assignment on a type that has none.
    assign_field(type_name: &str) Type "Invalid operation: Cannot assign field on type '{type_name}'";
    /// A struct literal whose name is something else.
    not_a_struct(name: &str, type_name: &str) Type "Invalid operation: '{name}' is not a struct (got {type_name})";
    /// A slice of something that has none.
    slice(type_name: &str) Type "Invalid operation: slice not supported on {type_name}";
    /// An index of the wrong type.
    index_type(target: &str, index: &str) Type
        "Type error: expected array or string with integer index, got {target} and {index}";
    /// A weak reference whose target is gone.
    dropped_weak() Value "Invalid operation: cannot access member on dropped weak reference";
    /// `main` declared twice.
    duplicate_main() Name "Function 'main' is already defined in this scope";
    /// A module that is nowhere.
    module_not_found(name: &str) Import "Module not found: '{name}'";
    /// A module that is still being loaded.
    circular_import(name: &str) Import "Circular import detected: '{name}'";
    /// A module that cannot be read or parsed.
    module_failed(name: &str, reason: &str) Import "Failed to load module '{name}': {reason}";
    /// A module that declares `main`.
    module_main(name: &str) Import "Module '{name}' defines 'main', which is reserved for the program entry point";
    /// A file operation that failed.
    io(operation: &str, path: &str, reason: &str) Io "I/O error in {operation}: {path}: {reason}";
    /// Text in a format that does not parse.
    parse(format: &str, detail: &str) Value "Parse error ({format}): {detail}";
    /// More callbacks than the event loop takes.
    queue_full(limit: usize) Value "Event loop queue is full (limit: {limit})";
    /// A keyword argument that no parameter has.
    unknown_argument(name: &str) Arity "Unknown argument '{name}'";
    /// An argument given by position and by name.
    argument_twice(name: &str) Arity "Argument '{name}' given twice";
    /// An assignment to a constant.
    constant(name: &str) Name "Cannot assign to constant '{name}'";
    /// A `match` expression without an arm for its subject.
    no_match(value: &str) Value "No match arm for value: {value}";
    /// A value that does not travel to other heaps.
    unsendable(type_name: &str) Value "Cannot send {type_name} to a worker";
    /// The host does not allow it.
    permission(detail: &str) Permission "Permission denied: {detail}";
}

impl Raise {
    /// A request that the budget, or without one the machine, cannot give.
    #[cold]
    pub fn out_of_memory(requested: usize, live: usize, limit: Option<usize>) -> Self {
        let limit: &dyn Display = match &limit {
            Some(limit) => limit,
            None => &"available memory",
        };
        let message = format!("Memory limit exceeded: {requested} bytes requested, {live} of {limit} in use");
        Self::new(ErrorKind::OutOfMemory, message)
    }
}
