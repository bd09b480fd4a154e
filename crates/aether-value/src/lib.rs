//! What a value is at run time, and where its memory is: values, objects, the counted heap, the cycle collector.
//!
//! Read in this order: [`tag`], [`Raw`] and [`Value`] (16 bytes each, the same bytes), [`Rc`] and [`Header`] (counted
//! objects), [`Heap`] (allocation, accounts, release, cycles), then the objects, then the operations on deep data.
//!
//! Invariants
//! - Every byte that a script causes is charged to its heap before it is taken; a refused charge is an error that the
//!   script can catch and leaves everything as it was.
//! - Nothing recurses on the native stack over user data: dropping, printing, comparing, hashing, collecting.
//! - No borrow of a collection is held across a call into script code or a release of one of its values.
//! - Only the collector frees a cycle; only a count that reaches zero frees anything else.
//!
//! Not here: what an instruction means, how a function is called, anything that prints or waits.

pub mod tag;

mod raw;
mod value;

mod rc;

mod heap;

mod exclusive;
#[cfg(all(feature = "executable", target_os = "linux"))]
mod executable;
mod hash;

mod array;
mod buffer;
mod builtin;
mod closure;
mod code;
mod coroutine;
mod dict;
mod enums;
mod error;
mod error_object;
mod iter;
mod message;
mod module;
mod native;
mod promise;
mod raise;
mod set;
mod shape;
mod string;
mod structs;
mod table;
mod types;
mod weak;

mod ops;

pub use array::Array;
pub use buffer::{BUFFER_ITEMS, Buffer};
pub use builtin::{Builtin, BuiltinInfo, BuiltinKind};
pub use closure::{BoundMethod, Cell, Closure};
pub use code::{Capture, Code, Handler, LocalInfo, Switch};
pub use coroutine::{Coroutine, Frame};
pub use dict::{Dict, Entries};
pub use enums::{EnumConstructor, EnumDef, EnumValue, Variant};
pub use error::{ErrorKind, Raise, RaiseData};
pub use error_object::{ErrorObject, TraceEntry};
#[cfg(all(feature = "executable", target_os = "linux"))]
pub use executable::ExecutableMemory;
pub use heap::{
    Budget, Charge, CollectStats, CycleGroup, CycleReport, CycleStep, Header, Heap, HeapConfig, HeapRef,
    HeapStats, Holder, KindStats, LiveObjects, ObjectTotals, Overseer, Pauses, Profile, Recorder, Roots,
    SiteProfile, Turn, WORK_BYTES, flag, tune_allocator,
};
pub use iter::{Iter, IterState};
pub use message::{Message, MessageTypes, NativeMessage, NoTypes};
pub use module::Module;
pub use native::{Inbox, Items, Native, NativeObject, Operator};
pub use ops::{
    compare_order, copy_shallow, deep_equals, display, display_text, equal, float_to_text, hashable_check,
    nested_order, sort_order, try_compare_order, try_deep_equals, try_equal, try_nested_order,
    try_sort_order,
};
pub use promise::{Promise, PromiseState};
pub use raw::Raw;
pub use rc::{Object, Rc};
pub use set::{Elements, Set};
pub use shape::{MOST_KEYS, Shape};
pub use string::{Str, StrBuilder, decimal};
pub use structs::{Instance, StructDef};
pub use table::{EntryIndex, Table};
pub use types::TypeCheck;
pub use value::Value;
pub use weak::WeakCell;

/// The example of the README, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
