//! Making a message of a value.
#![expect(unsafe_code, reason = "reads the items of containers in place")]

use ahash::AHashMap;

use super::{Message, kind_number, op, unsendable};
use crate::{Charge, Heap, Raise, Raw, Rc, Value, tag};

/// Values between two reports of work.
const REPORT: usize = 4096;
/// Bytes from which on a string that others refer to is looked for among those that were met.
const LONG_TEXT: usize = 64;

/// A container whose items are being copied. Nothing runs meanwhile that could change it.
struct Open {
    value: Raw,
    /// The next item.
    at: usize,
    /// Whether it was opened before its items, and is filled behind them.
    numbered: bool,
}

struct Maker {
    message: Message,
    open: Vec<Open>,
    /// Numbers of what was met, by address.
    numbers: AHashMap<u64, usize>,
    shapes: AHashMap<usize, usize>,
    structs: AHashMap<usize, usize>,
    enums: AHashMap<usize, usize>,
    charge: Charge,
}

/// See [`Message::of`].
pub(super) fn message(
    heap: &Heap,
    value: &Value,
    work: &mut dyn FnMut(usize) -> Result<(), Raise>,
) -> Result<Message, Raise> {
    let root = Raw::of_value(value);
    let mut maker = Maker {
        message: Message {
            words: Vec::new(),
            texts: Vec::new(),
            shapes: Vec::new(),
            structs: Vec::new(),
            enums: Vec::new(),
            natives: Vec::new(),
            numbered: 0,
            built: 0,
        },
        open: Vec::new(),
        numbers: AHashMap::new(),
        shapes: AHashMap::new(),
        structs: AHashMap::new(),
        enums: AHashMap::new(),
        charge: Charge::none(heap),
    };
    maker.value(root)?;
    let mut done = 0;
    while maker.step()? {
        done += 1;
        if done == REPORT {
            maker.account()?;
            work(done)?;
            done = 0;
        }
    }
    work(done)?;
    maker.account()?;
    Ok(maker.message)
}

impl Maker {
    /// Charges what the copy and its making take by now.
    fn account(&mut self) -> Result<(), Raise> {
        let message = &self.message;
        let entry = size_of::<(u64, usize)>() + 1;
        let bytes = size_of_val(&*message.words)
            + message.texts.len()
            + self.open.capacity() * size_of::<Open>()
            + self.numbers.capacity() * entry;
        self.charge.add(bytes.saturating_sub(self.charge.bytes()))
    }

    fn word(&mut self, operation: u64, number: usize) {
        self.message.words.push(op::word(operation, number));
    }

    fn text(&mut self, text: &str) {
        self.word(op::TEXT, text.len());
        self.message.texts.extend_from_slice(text.as_bytes());
        self.message.built += size_of::<u64>() * 3 + text.len();
    }

    /// Goes on with the innermost container; false when there is none.
    fn step(&mut self) -> Result<bool, Raise> {
        let Some(open) = self.open.last_mut() else {
            return Ok(false);
        };
        let at = open.at;
        open.at += 1;
        let value = open.value;
        // SAFETY: containers are alive and unchanged while they are open: the root is held by the caller, and nothing
        // runs. References into them live as long.
        unsafe {
            match value.tag {
                tag::ARRAY => {
                    let array = value.object::<crate::Array>();
                    match array.get(at) {
                        Some(item) => {
                            let item = *item;
                            self.value(item)?;
                        }
                        None => self.close(op::ARRAY, array.len()),
                    }
                }
                tag::DICT => {
                    let dict = value.object::<crate::Dict>();
                    if dict.shape().is_some() {
                        match dict.record_values().get(at) {
                            Some(item) => {
                                let item = *item;
                                self.value(item)?;
                            }
                            None => {
                                let shape = self.shape(dict);
                                self.close(op::RECORD, shape);
                            }
                        }
                    } else {
                        match dict.entry_at(at) {
                            Some((position, key, item)) => {
                                let (key, item) = (*key, *item);
                                if let Some(open) = self.open.last_mut() {
                                    open.at = position;
                                }
                                self.value(key)?;
                                self.value(item)?;
                            }
                            None => self.close(op::DICT, dict.len()),
                        }
                    }
                }
                tag::SET => {
                    let set = value.object::<crate::Set>();
                    match set.item_at(at) {
                        Some((position, item)) => {
                            let item = *item;
                            if let Some(open) = self.open.last_mut() {
                                open.at = position;
                            }
                            self.value(item)?;
                        }
                        None => self.close(op::SET, set.len()),
                    }
                }
                tag::INSTANCE => self.instance_step(value, at)?,
                tag::ENUM_VALUE => {
                    let variant = value.object::<crate::EnumValue>();
                    match variant.payload().get(at) {
                        Some(item) => {
                            let item = Raw::of_value(item);
                            self.value(item)?;
                        }
                        None => {
                            let number = self.enumeration(variant);
                            self.close(op::VARIANT, number);
                            self.message.words.push(u64::from(variant.variant()));
                            self.message.words.push(variant.len() as u64);
                        }
                    }
                }
                _ => {
                    let error = value.object::<crate::ErrorObject>();
                    match at {
                        0 => self.text(error.message().as_str()),
                        1 => {
                            let item = Raw::of_value(error.value());
                            self.value(item)?;
                        }
                        _ => {
                            self.close(op::ERROR, kind_number(error.kind()));
                            self.message.words.push(u64::from(error.line()));
                        }
                    }
                }
            }
        }
        Ok(true)
    }

    unsafe fn instance_step(&mut self, value: Raw, at: usize) -> Result<(), Raise> {
        // SAFETY: as in `step`.
        let instance = unsafe { value.object::<crate::Instance>() };
        if let Some(item) = instance.slots().get(at) {
            let item = *item;
            return self.value(item);
        }
        let extra = instance.extra_fields();
        let position = at - instance.slot_count();
        if let Some((name, item)) = extra.get(position) {
            self.text(name.as_str());
            // The side table holds the value as long as the instance lives.
            let item = Raw::of_value(item);
            return self.value(item);
        }
        let number = self.structure(instance.definition());
        self.close(op::INSTANCE, number);
        self.message.words.push(instance.slot_count() as u64);
        self.message.words.push(extra.len() as u64);
        Ok(())
    }

    /// The innermost container is complete.
    fn close(&mut self, operation: u64, number: usize) {
        let numbered = self.open.pop().is_some_and(|open| open.numbered);
        if numbered {
            self.word(op::FILL, 0);
        }
        self.word(operation, number);
    }

    fn scalar(&mut self, value: Raw) {
        match value.tag {
            tag::INT => {
                self.message.words.extend([op::INT, value.payload]);
            }
            tag::FLOAT => {
                self.message.words.extend([op::FLOAT, value.payload]);
            }
            tag::BOOL => self.word(if value.as_bool() { op::TRUE } else { op::FALSE }, 0),
            tag::UNSET => self.word(op::UNSET, 0),
            _ => self.word(op::NULL, 0),
        }
    }

    /// Copies a value, or begins to.
    fn value(&mut self, value: Raw) -> Result<(), Raise> {
        match value.tag {
            tag::INT | tag::FLOAT | tag::BOOL | tag::NULL | tag::UNSET => {
                self.scalar(value);
                return Ok(());
            }
            tag::STRING => {
                // SAFETY: by its tag.
                let text = unsafe { value.object::<crate::Str>() };
                if text.len_bytes() >= LONG_TEXT && is_shared(value) {
                    if self.met(value) {
                        return Ok(());
                    }
                    self.text(text.as_str());
                    self.name(value);
                } else {
                    self.text(text.as_str());
                }
                return Ok(());
            }
            tag::NATIVE => return self.native(value),
            tag::ARRAY | tag::DICT | tag::SET | tag::INSTANCE | tag::ENUM_VALUE | tag::ERROR => {}
            // SAFETY: what is neither unset nor an alias is a value.
            _ => return Err(unsendable(unsafe { value.as_value() })),
        }
        let numbered = is_shared(value);
        if numbered && self.met(value) {
            return Ok(());
        }
        if value.tag == tag::ARRAY {
            // SAFETY: by its tag.
            let array = unsafe { value.object::<crate::Array>() };
            if self.numbers_only(array, numbered, value) {
                return Ok(());
            }
        }
        if numbered {
            self.open(value);
        }
        self.message.built += size_of::<Raw>() * 3;
        self.open.push(Open {
            value,
            at: 0,
            numbered,
        });
        Ok(())
    }

    /// Copies an array of nothing but ints, or nothing but floats; false for others.
    fn numbers_only(&mut self, array: &crate::Array, numbered: bool, value: Raw) -> bool {
        if array.is_empty() {
            return false;
        }
        // SAFETY: nothing writes to the array meanwhile.
        let items = unsafe { std::slice::from_raw_parts(array.items(), array.len()) };
        let kind = match items.first() {
            Some(first) if first.tag == tag::INT => op::INTS,
            Some(first) if first.tag == tag::FLOAT => op::FLOATS,
            _ => return false,
        };
        let expected = items[0].tag;
        if !items.iter().all(|item| item.tag == expected) {
            return false;
        }
        self.word(kind, items.len());
        self.message.words.extend(items.iter().map(|item| item.payload));
        self.word(op::ARRAY, items.len());
        self.message.built += size_of::<Raw>() * (3 + items.len());
        if numbered {
            self.name(value);
        }
        true
    }

    /// Refers to a value that was met before; false if it was not.
    fn met(&mut self, value: Raw) -> bool {
        match self.numbers.get(&value.payload) {
            Some(&number) => {
                self.word(op::REF, number);
                true
            }
            None => false,
        }
    }

    fn number(&mut self, value: Raw) {
        self.numbers.insert(value.payload, self.message.numbered);
        self.message.numbered += 1;
    }

    /// Gives what was just copied a number.
    fn name(&mut self, value: Raw) {
        self.word(op::NAME, 0);
        self.number(value);
    }

    /// Begins a container that may be met again.
    fn open(&mut self, value: Raw) {
        self.word(op::OPEN, 0);
        // SAFETY: by their tags.
        unsafe {
            match value.tag {
                tag::ARRAY => self.word(op::ARRAY, value.object::<crate::Array>().len()),
                tag::DICT => self.word(op::DICT, 0),
                tag::SET => self.word(op::SET, 0),
                tag::INSTANCE => {
                    let number = self.structure(value.object::<crate::Instance>().definition());
                    self.word(op::INSTANCE, number);
                }
                tag::ENUM_VALUE => {
                    let variant = value.object::<crate::EnumValue>();
                    let number = self.enumeration(variant);
                    self.word(op::VARIANT, number);
                    self.message.words.push(u64::from(variant.variant()));
                    self.message.words.push(variant.len() as u64);
                }
                _ => {
                    let error = value.object::<crate::ErrorObject>();
                    self.word(op::ERROR, kind_number(error.kind()));
                }
            }
        }
        self.number(value);
    }

    fn native(&mut self, value: Raw) -> Result<(), Raise> {
        let numbered = is_shared(value);
        if numbered && self.met(value) {
            return Ok(());
        }
        // SAFETY: by its tag.
        let native = unsafe { value.object::<crate::NativeObject>() };
        let Some(message) = native.get().message() else {
            // SAFETY: a native object is a value.
            return Err(unsendable(unsafe { value.as_value() }));
        };
        self.charge.add(message.size())?;
        self.message.built += message.size();
        self.word(op::NATIVE, self.message.natives.len());
        self.message.natives.push(message);
        if numbered {
            self.name(value);
        }
        Ok(())
    }

    fn shape(&mut self, dict: &crate::Dict) -> usize {
        let Some(shape) = dict.shape() else { return 0 };
        let next = self.message.shapes.len();
        let number = *self
            .shapes
            .entry(std::ptr::from_ref(shape) as usize)
            .or_insert(next);
        if number == next {
            let keys = (0..shape.len()).map(|position| {
                // SAFETY: the keys of a shape are strings.
                let key = unsafe { shape.key(position).object::<crate::Str>() };
                key.as_str().into()
            });
            self.message.shapes.push(keys.collect());
        }
        self.message.built += size_of::<Raw>() * shape.len();
        number
    }

    fn structure(&mut self, definition: &crate::StructDef) -> usize {
        let next = self.message.structs.len();
        let number = *self
            .structs
            .entry(std::ptr::from_ref(definition) as usize)
            .or_insert(next);
        if number == next {
            let names = definition.fields().iter().map(|name| name.as_str().into());
            let names = names.collect();
            self.message
                .structs
                .push((definition.name().as_str().into(), names));
        }
        self.message.built += size_of::<Raw>() * definition.fields().len();
        number
    }

    fn enumeration(&mut self, value: &crate::EnumValue) -> usize {
        let definition = value.definition();
        let next = self.message.enums.len();
        let number = *self.enums.entry(Rc::as_ptr(definition) as usize).or_insert(next);
        if number == next {
            let names = definition
                .variants()
                .iter()
                .map(|variant| variant.name.as_str().into());
            let names = names.collect();
            self.message
                .enums
                .push((definition.name().as_str().into(), names));
        }
        number
    }
}

/// Whether anything but the reference at hand may lead to the object.
fn is_shared(value: Raw) -> bool {
    value.is_counted() && value.header().count.get() != 1
}
