//! Letting a structure go in slices, instead of at once as counting does.
//!
//! What is let go of waits in a list that owns it. A slice takes an object that nothing else refers to, moves what it
//! holds into the list, and frees the emptied object. So all that is in the list is whole, and a weak reference to it
//! still leads to it; the weak cell of an object goes when that object is taken.
//!
//! Invariants
//! - An object whose contents are taken has no other owner, and no weak cell.
//! - The list is the heap's own and not charged.
#![expect(unsafe_code, reason = "takes the contents of dying objects")]

use std::collections::VecDeque;

use crate::{Array, Cell, Closure, Dict, EnumValue, Instance, Raw, Set, Table, Value, tag};

use super::{Heap, Inner, flag};

/// Entries of a large object that are taken at a time.
const SPAN: usize = 256;

/// What is let go of: the latest first, and of each large object where to go on.
#[derive(Default)]
pub(super) struct Leaving {
    list: Vec<(Value, usize)>,
    waiting: VecDeque<Value>,
}

impl Heap {
    /// Lets go of a value in slices: nothing is freed before [`Heap::release_slice`] is called.
    pub fn release_slowly(&self, value: Value) {
        if Raw::of_value(&value).is_counted() {
            self.inner()
                .slowly
                .with(|leaving| leaving.waiting.push_back(value));
        }
    }

    /// Whether something waits for [`Heap::release_slice`].
    pub fn has_leaving(&self) -> bool {
        self.inner()
            .slowly
            .with(|leaving| !leaving.list.is_empty() || !leaving.waiting.is_empty())
    }

    /// Lets go of about `units` objects of what was handed to [`Heap::release_slowly`].
    pub fn release_slice(&self, units: usize) {
        let inner = self.inner();
        let mut left = units;
        while left > 0 {
            let next = inner.slowly.with(|leaving| {
                let waiting = || leaving.waiting.pop_front().map(|value| (value, 0));
                leaving.list.pop().or_else(waiting)
            });
            let Some((value, from)) = next else { return };
            left -= 1;
            if let Some(to) = inner.take_contents(&value, from) {
                left = left.saturating_sub(SPAN);
                // Below what was taken out of it.
                inner.slowly.with(|leaving| {
                    let taken = leaving.list.split_off(leaving.list.len() - to.taken);
                    leaving.list.push((value, to.next));
                    leaving.list.extend(taken);
                });
            }
        }
    }

    /// Lets go of all at once.
    pub(super) fn release_leaving(&self) {
        drop(self.inner().slowly.take());
    }
}

/// A large object is not empty yet.
struct More {
    /// Where to go on.
    next: usize,
    /// How many values went into the list.
    taken: usize,
}

impl Inner {
    /// Moves what an object holds into the list, if it has no other owner; of a large one a part.
    fn take_contents(&self, value: &Value, from: usize) -> Option<More> {
        let raw = Raw::of_value(value);
        let object = raw.header_ptr();
        // SAFETY: the caller's value keeps the object alive.
        let header = unsafe { object.as_ref() };
        header.touch();
        if header.count.get() != 1 {
            return None;
        }
        let mut list: Vec<(Value, usize)> = Vec::new();
        let mut take = |raw: &mut Raw| {
            let taken = std::mem::replace(raw, Raw::null());
            // SAFETY: the object owned a count, and has null in its place.
            unsafe {
                if tag::is_container(taken.tag) {
                    list.push((taken.into_value(), 0));
                } else {
                    taken.release();
                }
            }
        };
        let mut more = None;
        // SAFETY: nothing else refers to the object, so nothing reads what is taken; the kind says what it is.
        unsafe {
            if from == 0 && header.has(flag::HAS_SIDE) {
                self.bury_side(object);
            }
            match raw.tag {
                tag::INSTANCE => {
                    let instance = object.cast::<Instance>().as_ref();
                    for index in 0..instance.slot_count() {
                        take(&mut *instance.slots_ptr().add(index));
                    }
                }
                tag::ARRAY => {
                    let array = object.cast::<Array>().as_ref();
                    if !array.has_snapshots() {
                        let to = (from + SPAN).min(array.len());
                        for index in from..to {
                            take(&mut *array.items().cast_mut().add(index));
                        }
                        more = (to < array.len()).then_some(to);
                    }
                }
                tag::DICT | tag::SET => {
                    let table = match raw.tag {
                        tag::DICT => {
                            let dict = object.cast::<Dict>().as_ref();
                            dict.take_record_values(&mut take);
                            dict.table_header()
                        }
                        _ => object.cast::<Set>().as_ref().table_header(),
                    };
                    if let Some(table) = table.filter(|table| table.as_ref().count.get() == 1) {
                        let left = table.cast::<Table>().as_ref().take_some(SPAN, &mut take);
                        more = left.then_some(1);
                    }
                }
                tag::FUNCTION | tag::ASYNC_FUNCTION => {
                    let closure = object.cast::<Closure>().as_ref();
                    for index in 0..closure.len() {
                        take(&mut *closure.captures_ptr().add(index));
                    }
                }
                tag::ENUM_VALUE => {
                    let value = object.cast::<EnumValue>().as_ref();
                    for index in 0..value.len() {
                        take(&mut *value.payload_ptr().add(index));
                    }
                }
                tag::CELL => {
                    let mut content = object.cast::<Cell>().as_ref().replace_raw(Raw::null());
                    take(&mut content);
                }
                _ => {}
            }
        }
        // In order of the contents.
        list.reverse();
        let taken = list.len();
        self.slowly.with(|leaving| leaving.list.append(&mut list));
        more.map(|next| More { next, taken })
    }
}
