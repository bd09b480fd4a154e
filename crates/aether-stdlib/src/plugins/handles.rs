//! The values that a running call may name.
//!
//! A library sees a value as a [`Handle`]: a number that looks like a pointer and points nowhere. Index and generation
//! in it find the value in the table of the running call, or nothing if it was freed or never given out. The table is
//! the thread's, so a library that calls from a thread of its own gets nothing.
//!
//! What comes from the script is lent: whoever changes it changes a copy. What the library makes is its own until it
//! is put into something else; from then on changing it means changing a copy too.

use aether_value::{Heap, Raise, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_char, c_void};

/// Bits of the index; a handle stays below 2^32, where no code and no data of a shared library lies.
const INDEX_BITS: u32 = 20;
const MAX_HANDLES: usize = 1 << INDEX_BITS;
const GENERATIONS: u32 = 1 << (32 - INDEX_BITS);

/// A number that stands for a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(u32);

impl Handle {
    /// What a pointer says; `None` if it is null. What cannot be a handle is one that stands for nothing.
    pub(super) fn of(pointer: *const c_void) -> Option<Self> {
        (!pointer.is_null()).then(|| Self(u32::try_from(pointer.addr()).unwrap_or(0)))
    }

    /// Whether a pointer is too large for a handle, and so really points somewhere.
    pub(super) fn is_foreign(pointer: *const c_void) -> bool {
        u32::try_from(pointer.addr()).is_err()
    }

    /// The pointer that a library gets.
    pub(super) fn pointer(self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.0 as usize)
    }

    fn index(self) -> usize {
        self.0 as usize & (MAX_HANDLES - 1)
    }
}

/// Whose a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The script's.
    Script,
    /// The library's, in nothing else.
    Own,
    /// The library's, in something else too.
    Shared,
}

struct Slot {
    generation: u32,
    content: Option<(Value, Origin)>,
}

/// What the running call has.
struct Table {
    heap: Heap,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Texts given out, by address, with what was charged for each.
    texts: HashMap<usize, (Box<[u8]>, usize)>,
    /// The first allocation that was refused.
    refused: Option<Raise>,
}

/// What a slot costs, its place among the free ones included.
const SLOT: usize = size_of::<Slot>() + size_of::<u32>();

thread_local! {
    static TABLE: RefCell<Option<Table>> = const { RefCell::new(None) };
}

/// A call that runs; at its end everything that is left of it goes.
pub(super) struct Calling {
    outer: Option<Table>,
}

impl Calling {
    pub(super) fn begin(heap: &Heap) -> Self {
        let table = Table {
            heap: heap.clone(),
            slots: Vec::new(),
            free: Vec::new(),
            texts: HashMap::new(),
            refused: None,
        };
        Self {
            outer: TABLE.replace(Some(table)),
        }
    }

    /// Ends the call.
    ///
    /// # Errors
    /// An allocation that was refused while it ran.
    #[expect(clippy::unused_self, reason = "its drop is the end")]
    pub(super) fn end(self) -> Result<(), Raise> {
        match with(|table| table.refused.take()).flatten() {
            Some(raise) => Err(raise),
            None => Ok(()),
        }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        // Values go after the table is out of reach: what dies with them finds it free.
        let table = TABLE.replace(self.outer.take());
        drop(table);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let texts: usize = self.texts.values().map(|(_, charged)| charged).sum();
        self.heap.discharge(texts + self.slots.len() * SLOT);
    }
}

/// Uses the table of the running call, if there is one.
fn with<R>(f: impl FnOnce(&mut Table) -> R) -> Option<R> {
    TABLE.with_borrow_mut(|table| table.as_mut().map(f))
}

impl Table {
    fn add(&mut self, value: Value, origin: Origin) -> Option<Handle> {
        let content = Some((value, origin));
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.content = content;
            return Some(Handle(slot.generation << INDEX_BITS | index));
        }
        let index = self.slots.len();
        if index == MAX_HANDLES {
            return None;
        }
        if let Err(raise) = self.heap.charge(SLOT) {
            self.refuse(raise);
            return None;
        }
        self.slots.push(Slot {
            generation: 1,
            content,
        });
        Some(Handle(1 << INDEX_BITS | index as u32))
    }

    fn slot(&mut self, handle: Option<Handle>) -> Option<&mut Slot> {
        let handle = handle?;
        let slot = self.slots.get_mut(handle.index())?;
        (slot.generation == handle.0 >> INDEX_BITS && slot.content.is_some()).then_some(slot)
    }

    fn refuse(&mut self, raise: Raise) {
        self.refused.get_or_insert(raise);
    }

    /// Notes a refusal.
    fn granted<T>(&mut self, result: Result<T, Raise>) -> Option<T> {
        result.map_err(|raise| self.refuse(raise)).ok()
    }

    /// A value as a part of another: what is the script's is copied, what is the library's is shared from now on.
    fn part(&mut self, handle: Option<Handle>) -> Option<Value> {
        let (value, origin) = self.slot(handle)?.content.as_mut()?;
        if *origin != Origin::Script {
            *origin = Origin::Shared;
            return Some(value.clone());
        }
        let value = value.clone();
        let copied = copy_deep(&self.heap, &value);
        self.granted(copied)
    }

    /// A container that the library may change.
    fn own(&mut self, handle: Option<Handle>) -> Option<Value> {
        let (value, origin) = self.slot(handle)?.content.clone()?;
        if origin == Origin::Own {
            return Some(value);
        }
        let copied = match origin {
            Origin::Script => copy_deep(&self.heap, &value),
            Origin::Own | Origin::Shared => aether_value::copy_shallow(&self.heap, &value),
        };
        let copied = self.granted(copied)?;
        self.slot(handle)?.content = Some((copied.clone(), Origin::Own));
        Some(copied)
    }
}

/// A copy that shares no array and no dict with the original; shared and cyclic parts stay so.
fn copy_deep(heap: &Heap, value: &Value) -> Result<Value, Raise> {
    /// What a container's copy is known by: the original, which the entry keeps alive.
    type Copies = HashMap<i64, (Value, Value)>;

    fn copy_of(
        heap: &Heap,
        value: &Value,
        copies: &mut Copies,
        pending: &mut Vec<(Value, Value)>,
    ) -> Result<Value, Raise> {
        let copy = match value {
            Value::Array(array) => Value::Array(heap.array(array.len())?),
            Value::Dict(_) => Value::Dict(heap.dict()?),
            other => return Ok(other.clone()),
        };
        let id = heap.id_of(value)?;
        if let Some((_, known)) = copies.get(&id) {
            return Ok(known.clone());
        }
        copies.insert(id, (value.clone(), copy.clone()));
        pending.push((value.clone(), copy.clone()));
        Ok(copy)
    }

    let mut copies = Copies::new();
    let mut pending = Vec::new();
    let result = copy_of(heap, value, &mut copies, &mut pending)?;
    while let Some(next) = pending.pop() {
        match next {
            (Value::Array(from), Value::Array(to)) => {
                for item in from.snapshot()?.iter() {
                    to.push(copy_of(heap, item, &mut copies, &mut pending)?)?;
                }
            }
            (Value::Dict(from), Value::Dict(to)) => {
                for (key, item) in from.iter() {
                    let item = copy_of(heap, item, &mut copies, &mut pending)?;
                    to.insert(key.clone(), item)?;
                }
            }
            _ => {}
        }
    }
    Ok(result)
}

/// A handle for one of the script's values.
pub(super) fn lend(value: &Value) -> Option<Handle> {
    with(|table| table.add(value.clone(), Origin::Script))?
}

/// The value behind a handle.
pub(super) fn value(handle: Option<Handle>) -> Option<Value> {
    let content = with(|table| table.slot(handle)?.content.clone())??;
    Some(content.0)
}

/// The value that a call has returned, out of its table. A null pointer is null.
pub(super) fn take_result(handle: Option<Handle>) -> Option<Result<Value, Raise>> {
    if handle.is_none() {
        return Some(Ok(Value::Null));
    }
    let (value, origin) = with(|table| table.slot(handle)?.content.clone())??;
    if origin == Origin::Script {
        let heap = with(|table| table.heap.clone())?;
        return Some(copy_deep(&heap, &value));
    }
    Some(Ok(value))
}

/// A handle for a value that `make` makes.
pub(super) fn make(make: impl FnOnce(&Heap) -> Result<Value, Raise>) -> Option<Handle> {
    with(|table| {
        let made = make(&table.heap);
        let value = table.granted(made)?;
        table.add(value, Origin::Own)
    })?
}

/// A handle for a part of the container behind another, which `find` finds.
pub(super) fn part_of(handle: Option<Handle>, find: impl FnOnce(&Value) -> Option<Value>) -> Option<Handle> {
    with(|table| {
        let (value, origin) = table.slot(handle)?.content.clone()?;
        let origin = if origin == Origin::Script {
            Origin::Script
        } else {
            Origin::Shared
        };
        table.add(find(&value)?, origin)
    })?
}

/// Adds a value to an array; whether that was possible.
pub(super) fn push(array: Option<Handle>, item: Option<Handle>) -> bool {
    let pushed = with(|table| {
        let item = table.part(item)?;
        let Value::Array(array) = table.own(array)? else {
            return None;
        };
        let pushed = array.push(item);
        table.granted(pushed)
    });
    pushed.flatten().is_some()
}

/// Sets an entry of a dict; whether that was possible.
pub(super) fn insert(dict: Option<Handle>, key: &str, item: Option<Handle>) -> bool {
    let inserted = with(|table| {
        let item = table.part(item)?;
        let Value::Dict(dict) = table.own(dict)? else {
            return None;
        };
        let key = table.heap.string(key);
        let key = table.granted(key)?;
        let inserted = dict.insert(Value::String(key), item);
        table.granted(inserted)
    });
    inserted.flatten().is_some()
}

/// Forgets a value.
pub(super) fn free(handle: Option<Handle>) {
    let gone = with(|table| {
        let slot = table.slot(handle)?;
        let gone = slot.content.take();
        slot.generation = (slot.generation + 1) % GENERATIONS;
        // Generation 0 would make a null pointer of the first slot.
        slot.generation = slot.generation.max(1);
        table.free.push(handle?.index() as u32);
        gone
    });
    drop(gone);
}

/// A copy of a text with a zero byte behind it, until it is freed or the call ends.
pub(super) fn text(text: &str) -> *mut c_char {
    let made = with(|table| {
        let charged = text.len() + 1 + size_of::<(usize, (Box<[u8]>, usize))>();
        let granted = table.heap.charge(charged);
        table.granted(granted)?;
        // Zero bytes within are the text's own: whoever wants them asks for its length.
        let mut copy = [text.as_bytes(), &[0]].concat().into_boxed_slice();
        let pointer = copy.as_mut_ptr();
        table.texts.insert(pointer.addr(), (copy, charged));
        Some(pointer.cast())
    });
    made.flatten().unwrap_or(std::ptr::null_mut())
}

/// Forgets a text.
pub(super) fn free_text(text: *const c_char) {
    with(|table| {
        if let Some((_, charged)) = table.texts.remove(&text.addr()) {
            table.heap.discharge(charged);
        }
    });
}
