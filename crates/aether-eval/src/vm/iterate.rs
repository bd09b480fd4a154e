//! `for`: what the state register holds, by what is iterated.
//!
//! | iterated | state | position |
//! |---|---|---|
//! | `range(a, b)` | the next int | the end |
//! | array | snapshot of its items | next index |
//! | dict | its shape, or snapshot of its table | next entry |
//! | set | a copy of it, which shares its table | next element |
//! | string | the string | byte offset |
//! | iterator, native object with items | itself | |
//! | generator | itself | |
//! | instance, native object with the methods | itself; the loop calls `has_next` and `next` | |
#![expect(unsafe_code, reason = "reads and writes the loop's registers")]

use aether_value::{Array, Buffer, Iter, NativeObject, Raise, Raw, Rc, Set, Shape, Str, Table, Value, tag};

use super::Vm;
use crate::bytecode::{Op, fields};

/// What a turn of a loop found.
pub(super) enum NextItem {
    /// An item, in the register after the position.
    Item,
    /// Nothing: the state is released.
    End,
    /// An object whose methods the loop calls.
    Methods,
    /// A generator's frame has been entered.
    Entered,
}

/// Whether `for` goes through an object by calling its methods `has_next` and `next`, which may wait.
pub(crate) fn iterates_by_methods(native: &NativeObject) -> bool {
    let native = native.get();
    native.items().is_none() && native.method("has_next").is_some() && native.method("next").is_some()
}

impl Vm {
    /// Makes the value in a register the state of a loop.
    ///
    /// # Safety
    /// `state` and the next two are the loop's registers.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn iterate(&mut self, state: *mut Raw) -> Result<(), Raise> {
        // What writes to collections have copied since the last snapshot is told of by now.
        self.settle_work();
        // SAFETY: the caller's promise.
        unsafe {
            let made = match (*state).as_value() {
                Value::Array(array) => Raw::from_rc(array.snapshot()?),
                Value::Dict(dict) => dict.keys_now(),
                Value::Set(set) => Raw::from_rc(set.snapshot()?),
                Value::String(_) | Value::Iterator(_) | Value::Coroutine(_) => {
                    *state.add(1) = Raw::int(0);
                    return Ok(());
                }
                value if let Some(range) = crate::builtins::Range::of(value) => {
                    Raw::from_rc(self.heap.iterator(range.state())?)
                }
                Value::Native(native) if native.get().items().is_some() => {
                    *state.add(1) = Raw::int(0);
                    return Ok(());
                }
                Value::Native(native) if let Some(items) = native.iterator()? => {
                    let old = *state;
                    *state = Raw::from_value(items);
                    old.release();
                    return self.iterate(state);
                }
                Value::Native(native) if iterates_by_methods(native) => {
                    *state.add(1) = Raw::int(0);
                    return Ok(());
                }
                Value::Instance(instance) => {
                    let definition = instance.definition();
                    let iterates = definition.method(&self.names.has_next).is_some()
                        && definition.method(&self.names.next).is_some();
                    if !iterates {
                        return Err(Raise::not_iterable(&(*state).as_value().type_name()));
                    }
                    *state.add(1) = Raw::int(0);
                    return Ok(());
                }
                other => return Err(Raise::not_iterable(&other.type_name())),
            };
            let old = *state;
            *state = made;
            *state.add(1) = Raw::int(0);
            old.release();
            Ok(())
        }
    }

    /// Whether the built-in method that runs now was called with `args` by an instruction whose result the next one,
    /// perhaps after a move, makes the state of a loop.
    pub(crate) fn feeds_loop(&self, args: &[Value]) -> bool {
        if self.ip.is_null() {
            return false;
        }
        let is = |word: u64, op: Op| word as u16 == op as u16;
        // SAFETY: `ip` is in the code that runs, at the instruction itself if it calls a built-in at once. A method call
        // has its receiver and arguments behind the register of its result, three words, and an instruction after them.
        unsafe {
            let word = *self.ip;
            let window = fields(word).0;
            if !is(word, Op::CallMethod) && !is(word, Op::CallMethod1)
                || args.as_ptr() != self.base.wrapping_add(window as usize + size_of::<Raw>()).cast()
            {
                return false;
            }
            let next = *self.ip.add(3);
            let (to, from, _) = fields(next);
            if is(next, Op::Move) && from == window {
                let behind = *self.ip.add(4);
                return is(behind, Op::Iterate) && fields(behind).0 == to;
            }
            is(next, Op::Iterate) && to == window
        }
    }

    /// Makes a counted loop of a call of the built-in `range` with int arguments, if that is what the registers
    /// hold. The items of any other call are found by making it.
    ///
    /// # Safety
    /// `state` holds the callee, and `argc` arguments follow.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn iterate_range(&mut self, state: *mut Raw, argc: u16) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let is_range = (*state).tag == tag::BUILTIN && (*state).as_builtin().name == "range";
            if !is_range || (*state.add(1)).tag != tag::INT || argc == 2 && (*state.add(2)).tag != tag::INT {
                return false;
            }
            let first = (*state.add(1)).as_int();
            let (start, end) = if argc == 1 {
                (0, first)
            } else {
                (first, (*state.add(2)).as_int())
            };
            *state = Raw::int(start);
            *state.add(1) = Raw::int(end);
            true
        }
    }

    /// The next turn of a loop that does not count, nor goes through an array's items in the loop's own code.
    ///
    /// # Safety
    /// `state` and the next two are the loop's registers.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn next_item(&mut self, state: *mut Raw) -> Result<NextItem, Raise> {
        // SAFETY: the caller's promise; the state keeps what it iterates alive.
        unsafe {
            let item = state.add(2);
            // The pair of the last turn serves again, if the script has not kept it.
            if (*state).tag == tag::ITERATOR
                && (*item).tag == tag::ARRAY
                && (*item).object::<Array>().is_private()
                && (*item).object::<Array>().len() == 2
                && (*state)
                    .object::<Iter>()
                    .next_entry_into((*item).object::<Array>())?
            {
                return Ok(NextItem::Item);
            }
            if (*item).is_counted() {
                super::call::take(item).release();
            }
            let position = &mut *state.add(1);
            let at = position.as_int() as usize;
            match (*state).tag {
                tag::BUFFER => {
                    let buffer = (*state).object::<Buffer>();
                    if at < buffer.len() {
                        *item = Raw::from_value(buffer.get(at).clone());
                        *position = Raw::int(at as i64 + 1);
                        return Ok(NextItem::Item);
                    }
                }
                tag::TABLE => {
                    let table = (*state).object::<Table>();
                    if let Some((next, key, _)) = table.entry_at(at) {
                        *item = Raw::from_value(key.clone_value());
                        *position = Raw::int(next as i64);
                        return Ok(NextItem::Item);
                    }
                }
                tag::SHAPE => {
                    let shape = (*state).object::<Shape>();
                    if at < shape.len() {
                        *item = Raw::from_value(shape.key(at).clone_value());
                        *position = Raw::int(at as i64 + 1);
                        return Ok(NextItem::Item);
                    }
                }
                tag::SET => {
                    let set = (*state).object::<Set>();
                    if let Some((next, element)) = set.item_at(at) {
                        *item = Raw::from_value(element.clone_value());
                        *position = Raw::int(next as i64);
                        return Ok(NextItem::Item);
                    }
                }
                tag::STRING => {
                    let text = (*state).object::<Str>();
                    if let Some(character) = text.as_str()[at..].chars().next() {
                        let end = at + character.len_utf8();
                        let value: Rc<Str> = self.heap.char_string(&text.as_str()[at..end])?;
                        *item = Raw::from_rc(value);
                        *position = Raw::int(end as i64);
                        return Ok(NextItem::Item);
                    }
                }
                tag::ITERATOR => {
                    let iterator = (*state).object::<Iter>();
                    if let Some(value) = iterator.next(&self.heap)? {
                        *item = Raw::from_value(value);
                        return Ok(NextItem::Item);
                    }
                }
                tag::NATIVE => {
                    let native = (*state).object::<NativeObject>();
                    match native.get().items() {
                        Some(items) => {
                            if let Some(value) = items.next(&self.heap)? {
                                *item = Raw::from_value(value);
                                return Ok(NextItem::Item);
                            }
                        }
                        None => return Ok(NextItem::Methods),
                    }
                }
                tag::COROUTINE => return self.next_of_loop(state),
                tag::INSTANCE => return Ok(NextItem::Methods),
                _ => {}
            }
            super::call::take(state).release();
            Ok(NextItem::End)
        }
    }
}
