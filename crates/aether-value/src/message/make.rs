//! Making a message of a value.
#![expect(unsafe_code, reason = "reads the items of containers in place")]

use ahash::AHashMap;

use super::{Message, kind_number, op, unsendable};
use crate::{Charge, Heap, Raise, Raw, Rc, Value, tag};

/// Values between two reports of work.
const REPORT: usize = 4096;
/// Bytes from which on a string that others refer to is looked for among those that were met.
const LONG_TEXT: usize = 64;
/// Bytes from which on a string or an array of numbers is charged by itself.
const LARGE_PART: usize = 64 * 1024;

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
    /// Items since work was reported.
    done: usize,
    /// The shape of the last record, by address, and its number.
    last_shape: (usize, usize),
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
            drawn: None,
        },
        open: Vec::new(),
        numbers: AHashMap::new(),
        shapes: AHashMap::new(),
        structs: AHashMap::new(),
        enums: AHashMap::new(),
        charge: Charge::none(heap),
        done: 0,
        last_shape: (0, 0),
    };
    let begun = maker.value(root)?;
    maker.open.extend(begun);
    while maker.step()? {
        if maker.done >= REPORT {
            maker.account()?;
            work(std::mem::take(&mut maker.done))?;
        }
    }
    maker.account()?;
    work(maker.done)?;
    let Maker {
        mut message, charge, ..
    } = maker;
    // What was charged here while it was made is the budget's now.
    drop(charge);
    message.drawn = heap.draw(message.size())?;
    Ok(message)
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

    /// Charges a large part before it is copied.
    fn account_for(&mut self, bytes: usize) -> Result<(), Raise> {
        if bytes >= LARGE_PART {
            self.account()?;
            self.charge.add(bytes)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.word(op::TEXT, text.len());
        self.message.texts.extend_from_slice(text.as_bytes());
        self.message.built += size_of::<u64>() * 3 + text.len();
    }

    /// Goes on with the innermost container; false when there is none.
    fn step(&mut self) -> Result<bool, Raise> {
        let Some(mut open) = self.open.pop() else {
            return Ok(false);
        };
        while let Some(item) = self.next_item(&mut open) {
            self.done += 1;
            if let Some(inner) = self.value(item)? {
                self.open.push(open);
                self.open.push(inner);
                return Ok(true);
            }
        }
        self.close(&open);
        Ok(true)
    }

    /// The next item of a container, in the order in which building takes them. Strings that are no values of the heap
    /// are copied on the way.
    fn next_item(&mut self, open: &mut Open) -> Option<Raw> {
        let (value, at) = (open.value, open.at);
        open.at += 1;
        // SAFETY: containers are alive and unchanged while they are open: the root is held by the caller, and nothing
        // runs. What they are is known by their tags.
        unsafe {
            match value.tag {
                tag::ARRAY => value.object::<crate::Array>().get(at).copied(),
                tag::DICT => {
                    let dict = value.object::<crate::Dict>();
                    if dict.shape().is_some() {
                        return dict.record_values().get(at).copied();
                    }
                    // Positions have gaps: `at` counts them, the low bit tells key and value apart.
                    let (next, key, item) = dict.entry_at(at / 2)?;
                    if at.is_multiple_of(2) {
                        open.at = at + 1;
                        return Some(*key);
                    }
                    open.at = next * 2;
                    Some(*item)
                }
                tag::SET => {
                    let (next, item) = value.object::<crate::Set>().item_at(at)?;
                    open.at = next;
                    Some(*item)
                }
                tag::INSTANCE => {
                    let instance = value.object::<crate::Instance>();
                    if let Some(item) = instance.slots().get(at) {
                        return Some(*item);
                    }
                    let extra = instance.extra_fields();
                    let (name, item) = extra.get(at - instance.slot_count())?;
                    self.text(name.as_str());
                    // The side table holds the value as long as the instance lives.
                    Some(Raw::of_value(item))
                }
                tag::ENUM_VALUE => {
                    let payload = value.object::<crate::EnumValue>().payload();
                    payload.get(at).map(Raw::of_value)
                }
                _ => {
                    let error = value.object::<crate::ErrorObject>();
                    if at > 0 {
                        return None;
                    }
                    self.text(error.message().as_str());
                    Some(Raw::of_value(error.value()))
                }
            }
        }
    }

    /// A container is complete.
    fn close(&mut self, open: &Open) {
        if open.numbered {
            self.word(op::FILL, 0);
        }
        let value = open.value;
        // SAFETY: by their tags.
        unsafe {
            match value.tag {
                tag::ARRAY => self.word(op::ARRAY, value.object::<crate::Array>().len()),
                tag::DICT => {
                    let dict = value.object::<crate::Dict>();
                    if dict.shape().is_some() {
                        let shape = self.shape(dict);
                        self.word(op::RECORD, shape);
                    } else {
                        self.word(op::DICT, dict.len());
                    }
                }
                tag::SET => self.word(op::SET, value.object::<crate::Set>().len()),
                tag::INSTANCE => {
                    let instance = value.object::<crate::Instance>();
                    let number = self.structure(instance.definition());
                    self.word(op::INSTANCE, number);
                    let extra = instance.extra_fields().len();
                    self.message
                        .words
                        .extend([instance.slot_count() as u64, extra as u64]);
                }
                tag::ENUM_VALUE => self.variant(value.object::<crate::EnumValue>()),
                _ => {
                    let error = value.object::<crate::ErrorObject>();
                    self.word(op::ERROR, kind_number(error.kind()));
                    self.message.words.push(u64::from(error.line()));
                }
            }
        }
    }

    /// The word of an enum value.
    fn variant(&mut self, value: &crate::EnumValue) {
        let number = self.enumeration(value);
        self.word(op::VARIANT, number);
        self.message
            .words
            .extend([u64::from(value.variant()), value.len() as u64]);
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

    /// Copies a value; gives the container whose items are to be copied next, if it is one.
    fn value(&mut self, value: Raw) -> Result<Option<Open>, Raise> {
        match value.tag {
            tag::INT | tag::FLOAT | tag::BOOL | tag::NULL | tag::UNSET => {
                self.scalar(value);
                return Ok(None);
            }
            tag::STRING => {
                // SAFETY: by its tag.
                let text = unsafe { value.object::<crate::Str>() };
                let is_looked_for = text.len_bytes() >= LONG_TEXT && is_shared(value);
                if is_looked_for && self.met(value) {
                    return Ok(None);
                }
                self.account_for(text.len_bytes())?;
                self.text(text.as_str());
                if is_looked_for {
                    self.name(value);
                }
                return Ok(None);
            }
            tag::NATIVE => return self.native(value).map(|()| None),
            tag::ARRAY | tag::DICT | tag::SET | tag::INSTANCE | tag::ENUM_VALUE | tag::ERROR => {}
            // SAFETY: what is neither unset nor an alias is a value.
            _ => return Err(unsendable(unsafe { value.as_value() })),
        }
        let numbered = is_shared(value);
        if numbered && self.met(value) {
            return Ok(None);
        }
        if value.tag == tag::ARRAY {
            // SAFETY: by its tag.
            let array = unsafe { value.object::<crate::Array>() };
            self.account_for(array.len() * size_of::<u64>())?;
            if self.numbers_only(array, numbered, value) {
                return Ok(None);
            }
        }
        if numbered {
            self.open(value);
        }
        self.message.built += size_of::<Raw>() * 3;
        Ok(Some(Open {
            value,
            at: 0,
            numbered,
        }))
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
                tag::ENUM_VALUE => self.variant(value.object::<crate::EnumValue>()),
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
        self.message.built += size_of::<Raw>() * shape.len();
        let address = std::ptr::from_ref(shape) as usize;
        if self.last_shape.0 == address {
            return self.last_shape.1;
        }
        let next = self.message.shapes.len();
        let number = *self.shapes.entry(address).or_insert(next);
        if number == next {
            let keys = (0..shape.len()).map(|position| {
                // SAFETY: the keys of a shape are strings.
                let key = unsafe { shape.key(position).object::<crate::Str>() };
                key.as_str().into()
            });
            self.message.shapes.push(keys.collect());
        }
        self.last_shape = (address, number);
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
