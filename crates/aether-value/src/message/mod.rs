//! Messages: copies of values that cross threads.
//!
//! A [`Message`] is plain data. It is made of a value in one heap in a single pass, and any number of values can be built
//! of it in others. Within one message what was shared is shared, and what was cyclic is cyclic. Both ways keep their own
//! stacks, so that data may be nested as deep as memory allows.
//!
//! A message is a program for a stack of values. Containers that nothing else refers to come behind their items, which
//! building moves into them by block. Those that may be met again have a number; they are opened before their items, so
//! that these can refer to them, and filled behind them.
//!
//! | word | operands | does |
//! |---|---|---|
//! | `NULL`, `FALSE`, `TRUE`, `UNSET` | | pushes it |
//! | `INT`, `FLOAT` | one word | pushes the number |
//! | `INTS n`, `FLOATS n` | n words | pushes n numbers |
//! | `TEXT n` | n bytes of the texts | pushes a string |
//! | `ARRAY n`, `SET n`, `DICT n` | | takes n items, or n keys and values, and pushes the container |
//! | `RECORD s` | | takes the values of the keys of shape s, and pushes the dict |
//! | `INSTANCE t`, `VARIANT t` | sizes | takes what it holds and pushes it |
//! | `ERROR k` | line | takes message and value and pushes the error |
//! | `NATIVE n` | | pushes what the n-th native part gives |
//! | `OPEN` | a container's word and operands | pushes that container, empty, and gives it the next number |
//! | `FILL` | the same | takes what it holds, and fills the opened container below |
//! | `NAME` | | gives what is on top the next number |
//! | `REF n` | | pushes what has number n |
//!
//! Source: library reference §E10.

mod build;
mod make;
#[cfg(test)]
mod tests;

use crate::heap::Drawn;
use crate::{EnumDef, ErrorKind, Heap, Raise, Rc, StructDef, Value};

/// What a native object sends of itself.
pub trait NativeMessage: Send + Sync {
    /// Bytes that it holds, and that what is built of it will hold.
    fn size(&self) -> usize;

    /// The object for a heap.
    ///
    /// # Errors
    /// Out of memory.
    fn build(&self, heap: &Heap) -> Result<Value, Raise>;
}

/// The types that a receiver knows.
pub trait MessageTypes {
    /// The struct of this name.
    fn struct_def(&self, name: &str) -> Option<Rc<StructDef>>;

    /// The enum of this name.
    fn enum_def(&self, name: &str) -> Option<Rc<EnumDef>>;
}

/// A receiver that knows no types.
pub struct NoTypes;

impl MessageTypes for NoTypes {
    fn struct_def(&self, _: &str) -> Option<Rc<StructDef>> {
        None
    }

    fn enum_def(&self, _: &str) -> Option<Rc<EnumDef>> {
        None
    }
}

/// The name of a type, and those of its parts.
type TypeNames = (Box<str>, Box<[Box<str>]>);

/// A copy of a value that any heap can build, on any thread.
pub struct Message {
    words: Vec<u64>,
    texts: Vec<u8>,
    /// The keys of records.
    shapes: Vec<Box<[Box<str>]>>,
    /// Names of structs and of their fields.
    structs: Vec<TypeNames>,
    /// Names of enums and of their variants.
    enums: Vec<TypeNames>,
    natives: Vec<Box<dyn NativeMessage>>,
    /// How many values have a number.
    numbered: usize,
    /// Bytes that what is built of it takes, about.
    built: usize,
    /// What it takes, drawn on the budget of its sender.
    drawn: Option<Drawn>,
}

impl Message {
    /// A copy of a value. `work` is told of values as they are copied, and may end it.
    ///
    /// # Errors
    /// `Cannot send {type} to a worker` for what does not travel; out of memory; what `work` raises.
    pub fn of(
        heap: &Heap,
        value: &Value,
        work: &mut dyn FnMut(usize) -> Result<(), Raise>,
    ) -> Result<Self, Raise> {
        make::message(heap, value, work)
    }

    /// Builds the value in a heap. `work` is told of values as they are built, and may end it. What is refused leaves
    /// nothing behind.
    ///
    /// # Errors
    /// Out of memory, before anything is built if it is certain; a type that the receiver does not know; what `work`
    /// raises.
    pub fn build(
        &self,
        heap: &Heap,
        types: &dyn MessageTypes,
        work: &mut dyn FnMut(usize) -> Result<(), Raise>,
    ) -> Result<Value, Raise> {
        build::value(self, heap, types, work)
    }

    /// Bytes that the message takes.
    pub fn size(&self) -> usize {
        let natives: usize = self.natives.iter().map(|native| native.size()).sum();
        size_of::<Self>() + size_of_val(&*self.words) + self.texts.len() + natives
    }

    /// Bytes that a value built of it takes, about.
    pub fn built_size(&self) -> usize {
        self.built
    }
}

/// The error for a value that does not travel.
#[cold]
fn unsendable(value: &Value) -> Raise {
    Raise::unsendable(&value.type_name())
}

/// Words: the operation in the low byte, a number above it.
mod op {
    pub(super) const NULL: u64 = 0;
    pub(super) const FALSE: u64 = 1;
    pub(super) const TRUE: u64 = 2;
    pub(super) const UNSET: u64 = 3;
    pub(super) const INT: u64 = 4;
    pub(super) const FLOAT: u64 = 5;
    pub(super) const INTS: u64 = 6;
    pub(super) const FLOATS: u64 = 7;
    pub(super) const TEXT: u64 = 8;
    pub(super) const ARRAY: u64 = 9;
    pub(super) const SET: u64 = 10;
    pub(super) const DICT: u64 = 11;
    pub(super) const RECORD: u64 = 12;
    pub(super) const INSTANCE: u64 = 13;
    pub(super) const VARIANT: u64 = 14;
    pub(super) const ERROR: u64 = 15;
    pub(super) const NATIVE: u64 = 16;
    pub(super) const OPEN: u64 = 17;
    pub(super) const FILL: u64 = 18;
    pub(super) const NAME: u64 = 19;
    pub(super) const REF: u64 = 20;

    /// An operation with a number.
    pub(super) const fn word(op: u64, number: usize) -> u64 {
        op | (number as u64) << 8
    }
}

/// The kinds of errors by number.
const KINDS: [ErrorKind; 24] = [
    ErrorKind::Thrown,
    ErrorKind::Name,
    ErrorKind::Type,
    ErrorKind::ZeroDivision,
    ErrorKind::Overflow,
    ErrorKind::Index,
    ErrorKind::Key,
    ErrorKind::Property,
    ErrorKind::Arity,
    ErrorKind::Recursion,
    ErrorKind::Import,
    ErrorKind::Conversion,
    ErrorKind::Io,
    ErrorKind::Value,
    ErrorKind::OutOfMemory,
    ErrorKind::Permission,
    ErrorKind::Cancelled,
    ErrorKind::Timeout,
    ErrorKind::Limit,
    ErrorKind::StepLimit,
    ErrorKind::TimeLimit,
    ErrorKind::Interrupted,
    ErrorKind::Exit,
    ErrorKind::GeneratorExit,
];

/// The number of a kind.
fn kind_number(kind: ErrorKind) -> usize {
    KINDS.iter().position(|&known| known == kind).unwrap_or(0)
}
