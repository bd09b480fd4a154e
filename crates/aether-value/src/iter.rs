//! Iterators as values: where an iteration stands.
//!
//! Array and dict iterators read the live collection by position: what is appended before exhaustion is seen. Once
//! exhausted an iterator stays so and lets go of its collection.
#![expect(unsafe_code, reason = "clones values out of collections by raw reads")]

use std::ptr::NonNull;

use crate::exclusive::Exclusive;
use crate::heap::Visitor;
use crate::{Array, Buffer, Dict, Header, Heap, Object, Raise, Rc, Set, Str, Value, tag};

/// What an iterator walks, and where it stands.
#[derive(Clone, Debug, Default)]
pub enum IterState {
    /// Exhausted.
    #[default]
    Done,
    /// A live array.
    Array {
        /// The array.
        array: Rc<Array>,
        /// The next item.
        position: usize,
    },
    /// The items of an array at one moment.
    Buffer {
        /// The items.
        buffer: Rc<Buffer>,
        /// The next item.
        position: usize,
    },
    /// The keys of a live dict.
    DictKeys {
        /// The dict.
        dict: Rc<Dict>,
        /// Where to look on.
        position: usize,
    },
    /// `[key, value]` arrays of a live dict.
    DictEntries {
        /// The dict.
        dict: Rc<Dict>,
        /// Where to look on.
        position: usize,
    },
    /// The elements of a set that nobody else knows.
    Set {
        /// The set.
        set: Rc<Set>,
        /// Where to look on.
        position: usize,
    },
    /// The characters of a string.
    Chars {
        /// The string.
        string: Rc<Str>,
        /// Byte offset of the next character.
        byte: usize,
    },
    /// The pieces of a string between separators.
    Pieces {
        /// The string.
        text: Rc<Str>,
        /// What stands between the pieces; not empty.
        separator: Rc<Str>,
        /// Byte offset of the next piece.
        byte: usize,
    },
    /// Integers at equal distances.
    Range {
        /// The next one.
        next: i64,
        /// How many are left.
        left: u64,
        /// From one to the next.
        step: i64,
    },
}

/// An iterator.
#[repr(C)]
pub struct Iter {
    header: Header,
    state: Exclusive<IterState>,
}

// SAFETY: repr(C), header first, made by `Heap::iterator` only.
unsafe impl Object for Iter {}

impl Iter {
    /// The next item, or none when exhausted.
    ///
    /// # Errors
    /// Out of memory.
    pub fn next(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        // Characters first: they allocate, and the cell is not held meanwhile.
        let item = self.state.with(|state| match state {
            IterState::Array { array, position } => step(position, |at| Some((at + 1, array.get_value(at)?))),
            IterState::Buffer { buffer, position } => {
                step(position, |at| Some((at + 1, buffer.as_slice().get(at)?.clone())))
            }
            IterState::DictKeys { dict, position } => step(position, |at| {
                let (next, key, _) = dict.entry_at(at)?;
                // SAFETY: entries hold values.
                Some((next, unsafe { key.clone_value() }))
            }),
            IterState::Set { set, position } => step(position, |at| {
                let (next, element) = set.item_at(at)?;
                // SAFETY: elements are values.
                Some((next, unsafe { element.clone_value() }))
            }),
            IterState::Range { next, left, step } => {
                *left = left.checked_sub(1)?;
                let item = *next;
                // The last step may lead out of the integers; nobody sees it.
                *next = next.wrapping_add(*step);
                Some(Value::Int(item))
            }
            IterState::DictEntries { .. }
            | IterState::Chars { .. }
            | IterState::Pieces { .. }
            | IterState::Done => None,
        });
        if item.is_some() {
            return Ok(item);
        }
        if let Some(piece) = self.next_piece(heap) {
            return piece.map(Some);
        }
        match self.state.with(|state| state.clone()) {
            IterState::DictEntries { dict, position } => {
                let Some((next, key, value)) = dict.entry_at(position) else {
                    self.finish();
                    return Ok(None);
                };
                // SAFETY: entries hold values.
                let pair = unsafe { [key.clone_value(), value.clone_value()] };
                let pair = heap.array_from_slice(&pair)?;
                self.replace_state(IterState::DictEntries { dict, position: next });
                Ok(Some(pair.into()))
            }
            IterState::Chars { string, byte } => {
                let Some(character) = string.as_str()[byte..].chars().next() else {
                    self.finish();
                    return Ok(None);
                };
                let next = byte + character.len_utf8();
                let item = heap.char_string(&string.as_str()[byte..next])?;
                self.replace_state(IterState::Chars { string, byte: next });
                Ok(Some(item.into()))
            }
            IterState::Array { .. }
            | IterState::Buffer { .. }
            | IterState::DictKeys { .. }
            | IterState::Set { .. }
            | IterState::Pieces { .. }
            | IterState::Range { .. }
            | IterState::Done => {
                self.finish();
                Ok(None)
            }
        }
    }

    /// Puts the next entry of a dict into a pair that nobody else has; false if this walks no entries or has no more.
    ///
    /// # Errors
    /// Out of memory; the pair may hold one half of the entry.
    pub fn next_entry_into(&self, pair: &Array) -> Result<bool, Raise> {
        let entry = self.state.with(|state| match state {
            IterState::DictEntries { dict, position } => {
                let (next, key, value) = dict.entry_at(*position)?;
                *position = next;
                // SAFETY: entries hold values.
                Some(unsafe { (key.clone_value(), value.clone_value()) })
            }
            _ => None,
        });
        let Some((key, value)) = entry else {
            return Ok(false);
        };
        drop(pair.set(0, key)?);
        drop(pair.set(1, value)?);
        Ok(true)
    }

    /// The next piece of a string, if that is what this walks.
    fn next_piece(&self, heap: &Heap) -> Option<Result<Value, Raise>> {
        let found = self.state.with(|state| match state {
            IterState::Pieces {
                text,
                separator,
                byte,
            } => {
                let rest = &text.as_str()[*byte..];
                let len = match *separator.as_str().as_bytes() {
                    [single] => rest.bytes().position(|other| other == single),
                    _ => rest.find(separator.as_str()),
                };
                let after = len.map(|len| *byte + len + separator.len_bytes());
                Some((NonNull::from(&rest[..len.unwrap_or(rest.len())]), after))
            }
            _ => None,
        });
        let (piece, after) = found?;
        // SAFETY: the state holds the text until it is replaced below. The cell is not held meanwhile.
        let made = match heap.piece(unsafe { piece.as_ref() }) {
            Ok(made) => made,
            Err(raise) => return Some(Err(raise)),
        };
        match after {
            Some(after) => self.state.with(|state| {
                if let IterState::Pieces { byte, .. } = state {
                    *byte = after;
                }
            }),
            None => self.finish(),
        }
        Some(Ok(made.into()))
    }

    /// Whether [`Iter::next`] would give an item now. Nothing advances.
    pub fn has_next(&self) -> bool {
        self.state.with(|state| match state {
            IterState::Done => false,
            IterState::Array { array, position } => *position < array.len(),
            IterState::Buffer { buffer, position } => *position < buffer.len(),
            IterState::DictKeys { dict, position } | IterState::DictEntries { dict, position } => {
                dict.entry_at(*position).is_some()
            }
            IterState::Set { set, position } => set.item_at(*position).is_some(),
            IterState::Chars { string, byte } => *byte < string.len_bytes(),
            IterState::Pieces { .. } => true,
            IterState::Range { left, .. } => *left > 0,
        })
    }

    /// Puts another state in the place of the present one.
    pub fn replace_state(&self, state: IterState) -> IterState {
        self.header.touch();
        self.state.replace(state)
    }

    /// Exhausts the iterator.
    pub fn finish(&self) {
        drop(self.state.take());
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        self.state.with(|state| match state {
            IterState::Array { array, .. } => visitor.rc(array),
            IterState::Buffer { buffer, .. } => visitor.rc(buffer),
            IterState::DictKeys { dict, .. } | IterState::DictEntries { dict, .. } => visitor.rc(dict),
            IterState::Set { set, .. } => visitor.rc(set),
            IterState::Chars { .. }
            | IterState::Pieces { .. }
            | IterState::Range { .. }
            | IterState::Done => {}
        });
    }
}

/// Reads at a position and moves it on.
fn step(position: &mut usize, read: impl FnOnce(usize) -> Option<(usize, Value)>) -> Option<Value> {
    let (next, value) = read(*position)?;
    *position = next;
    Some(value)
}

impl Heap {
    /// A new iterator.
    ///
    /// # Errors
    /// Out of memory.
    pub fn iterator(&self, state: IterState) -> Result<Rc<Iter>, Raise> {
        self.object(tag::ITERATOR, |header| Iter {
            header,
            state: Exclusive::new(state),
        })
    }
}
