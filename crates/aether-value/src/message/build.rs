//! Building the value of a message.
#![expect(
    unsafe_code,
    reason = "moves values between the stack and containers by block"
)]

use super::{KINDS, Message, MessageTypes, op};
use crate::{Charge, EnumDef, ErrorKind, Heap, Raise, Raw, Rc, Shape, Str, StructDef, Value};

/// Values between two reports of work.
const REPORT: usize = 4096;

/// Values on their way; those that are left are given back.
struct Stack(Vec<Raw>);

impl Drop for Stack {
    fn drop(&mut self) {
        for raw in self.0.drain(..).rev() {
            // SAFETY: the stack owns a count of each.
            unsafe { raw.release() };
        }
    }
}

impl Stack {
    /// The last `count` values, to be moved out: what is moved leaves null behind.
    fn last(&mut self, count: usize) -> &mut [Raw] {
        let start = self.0.len() - count;
        &mut self.0[start..]
    }

    /// Gives back the last `count`, of which those that were moved are null.
    fn drop_last(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(raw) = self.0.pop() {
                // SAFETY: the stack owns a count of each.
                unsafe { raw.release() };
            }
        }
    }

    fn take(&mut self) -> Raw {
        self.0.pop().unwrap_or_else(Raw::null)
    }

    /// The value on top, taken; what is unset becomes null.
    fn take_value(&mut self) -> Value {
        let raw = self.take();
        if raw.tag == crate::tag::UNSET {
            return Value::Null;
        }
        // SAFETY: the stack owned a count of it.
        unsafe { raw.into_value() }
    }
}

struct Builder<'m> {
    message: &'m Message,
    heap: &'m Heap,
    types: &'m dyn MessageTypes,
    stack: Stack,
    /// What has a number; null for what is not complete and could not be begun.
    numbered: Vec<Value>,
    /// The words and bytes of texts that come next.
    at: usize,
    text: usize,
    shapes: Vec<Option<Rc<Shape>>>,
    structs: Vec<Option<(Rc<StructDef>, std::rc::Rc<[u16]>)>>,
    enums: Vec<Option<(Rc<EnumDef>, Vec<u32>)>>,
}

/// See [`Message::build`].
pub(super) fn value(
    message: &Message,
    heap: &Heap,
    types: &dyn MessageTypes,
    work: &mut dyn FnMut(usize) -> Result<(), Raise>,
) -> Result<Value, Raise> {
    // What cannot fit is refused before anything is made.
    drop(Charge::new(heap, message.built)?);
    let own = message.numbered * size_of::<Value>();
    let _charge = Charge::new(heap, own)?;
    let mut builder = Builder {
        message,
        heap,
        types,
        stack: Stack(Vec::new()),
        numbered: Vec::with_capacity(message.numbered),
        at: 0,
        text: 0,
        shapes: vec![None; message.shapes.len()],
        structs: vec![None; message.structs.len()],
        enums: vec![None; message.enums.len()],
    };
    let mut charge = Charge::none(heap);
    let mut done = 0;
    while let Some(&word) = message.words.get(builder.at) {
        builder.at += 1;
        builder.step(word)?;
        done += 1;
        if done == REPORT {
            let bytes = builder.stack.0.capacity() * size_of::<Raw>();
            charge.add(bytes.saturating_sub(charge.bytes()))?;
            work(done)?;
            done = 0;
        }
    }
    work(done)?;
    Ok(builder.stack.take_value())
}

impl Builder<'_> {
    fn operand(&mut self) -> u64 {
        let word = self.message.words.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        word
    }

    fn push(&mut self, raw: Raw) {
        self.stack.0.push(raw);
    }

    fn next_text(&mut self, length: usize) -> &str {
        let bytes = &self.message.texts[self.text..self.text + length];
        self.text += length;
        // SAFETY: the maker has put whole strings there, of these lengths.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    fn step(&mut self, word: u64) -> Result<(), Raise> {
        let number = (word >> 8) as usize;
        match word & 0xFF {
            op::NULL => self.push(Raw::null()),
            op::FALSE => self.push(Raw::bool(false)),
            op::TRUE => self.push(Raw::bool(true)),
            op::UNSET => self.push(Raw::unset()),
            op::INT => {
                let payload = self.operand();
                self.push(Raw::int(payload as i64));
            }
            op::FLOAT => {
                let payload = self.operand();
                self.push(Raw::float(f64::from_bits(payload)));
            }
            op::INTS => {
                let words = &self.message.words[self.at..self.at + number];
                self.stack
                    .0
                    .extend(words.iter().map(|&word| Raw::int(word as i64)));
                self.at += number;
            }
            op::FLOATS => {
                let words = &self.message.words[self.at..self.at + number];
                let floats = words.iter().map(|&word| Raw::float(f64::from_bits(word)));
                self.stack.0.extend(floats);
                self.at += number;
            }
            op::TEXT => {
                let heap = self.heap;
                let text = heap.string(self.next_text(number))?;
                self.push(Raw::from_rc(text));
            }
            op::ARRAY => {
                let items = self.stack.last(number);
                // SAFETY: the stack's values own their counts; items of arrays are never unset.
                let array = unsafe { self.heap.array_taking(items.as_mut_ptr(), number) }?;
                self.made(number, Raw::from_rc(array));
            }
            op::SET => {
                let set = self.heap.set_with_room(number)?;
                self.fill_set(&set, number)?;
                self.push(Raw::from_rc(set));
            }
            op::DICT => {
                let dict = self.heap.dict()?;
                self.fill_dict(&dict, number)?;
                self.push(Raw::from_rc(dict));
            }
            op::RECORD => {
                let count = self.message.shapes[number].len();
                if let Some(shape) = self.shape(number)? {
                    let values = self.stack.last(count);
                    // SAFETY: as many values as keys, whose counts the stack owns.
                    let dict = unsafe { self.heap.record_taking(&shape, values.as_mut_ptr()) }?;
                    self.made(count, Raw::from_rc(dict));
                } else {
                    let dict = self.heap.dict()?;
                    self.fill_record(&dict, number)?;
                    self.push(Raw::from_rc(dict));
                }
            }
            op::INSTANCE => {
                let (definition, _) = self.structure(number)?;
                let instance = self.heap.instance(&definition)?;
                self.fill_instance(&instance, number)?;
                self.push(Raw::from_rc(instance));
            }
            op::VARIANT => {
                let (variant, count) = (self.operand() as usize, self.operand() as usize);
                let (definition, variant) = self.variant(number, variant)?;
                let payload = self.take_values(count);
                let value = self.heap.enum_value(&definition, variant, payload)?;
                self.push(Raw::from_rc(value));
            }
            op::ERROR => {
                let error = self.error(number)?;
                self.push(error);
            }
            op::NATIVE => {
                let value = self.message.natives[number].build(self.heap)?;
                self.push(Raw::from_value(value));
            }
            op::OPEN => self.open()?,
            op::FILL => self.fill()?,
            op::NAME => {
                let top = self.stack.0.last().copied().unwrap_or_else(Raw::null);
                // SAFETY: what is named is a value on the stack.
                self.numbered.push(unsafe { top.clone_value() });
            }
            op::REF => {
                let value = self.numbered[number].clone();
                if value.is_null() {
                    return Err(Raise::operation("an error that holds itself cannot be sent"));
                }
                self.push(Raw::from_value(value));
            }
            _ => unreachable!("the maker writes no other words"),
        }
        Ok(())
    }

    /// A container has taken the last `count` values.
    fn made(&mut self, count: usize, container: Raw) {
        let len = self.stack.0.len() - count;
        // They were moved, and null is left.
        self.stack.0.truncate(len);
        self.push(container);
    }

    fn take_values(&mut self, count: usize) -> Vec<Value> {
        let mut values: Vec<Value> = (0..count).map(|_| self.stack.take_value()).collect();
        values.reverse();
        values
    }

    fn open(&mut self) -> Result<(), Raise> {
        let word = self.operand();
        let number = (word >> 8) as usize;
        let value: Value = match word & 0xFF {
            op::ARRAY => Value::Array(self.heap.array(0)?),
            op::DICT => Value::Dict(self.heap.dict()?),
            op::SET => Value::Set(self.heap.set()?),
            op::INSTANCE => Value::Instance(self.heap.instance(&self.structure(number)?.0)?),
            op::VARIANT => {
                let (variant, count) = (self.operand() as usize, self.operand() as usize);
                let (definition, variant) = self.variant(number, variant)?;
                let payload = vec![Value::Null; count];
                Value::EnumValue(self.heap.enum_value(&definition, variant, payload)?)
            }
            _ => Value::Null,
        };
        self.numbered.push(value.clone());
        self.push(Raw::from_value(value));
        // The place of its number, by which an error is completed.
        self.push(Raw::int(self.numbered.len() as i64 - 1));
        Ok(())
    }

    fn fill(&mut self) -> Result<(), Raise> {
        let word = self.operand();
        let number = (word >> 8) as usize;
        let count = match word & 0xFF {
            op::ARRAY | op::SET => number,
            op::DICT => number * 2,
            op::RECORD => self.message.shapes[number].len(),
            op::INSTANCE => {
                self.message.words[self.at] as usize + 2 * self.message.words[self.at + 1] as usize
            }
            op::VARIANT => self.message.words[self.at + 1] as usize,
            _ => 2,
        };
        let place = self.stack.0.len() - count - 1;
        let own = self.stack.0[place].as_int() as usize;
        match self.numbered[own].clone() {
            Value::Array(array) => {
                let items = self.stack.last(count);
                // SAFETY: items on the stack are values.
                let items = unsafe { &*(std::ptr::from_ref::<[Raw]>(items) as *const [Value]) };
                array.extend(items)?;
                self.stack.drop_last(count);
            }
            Value::Set(set) => self.fill_set(&set, count)?,
            Value::Dict(dict) if word & 0xFF == op::RECORD => self.fill_record(&dict, number)?,
            Value::Dict(dict) => self.fill_dict(&dict, number)?,
            Value::Instance(instance) => self.fill_instance(&instance, number)?,
            Value::EnumValue(value) => {
                self.at += 2;
                let values = self.stack.last(count);
                for (index, raw) in values.iter_mut().enumerate() {
                    // SAFETY: the payload has as many values, null until now, and takes these with their counts.
                    unsafe { value.payload_ptr().add(index).write(*raw) };
                    *raw = Raw::null();
                }
                self.stack.drop_last(count);
            }
            _ => {
                let error = self.error(number)?;
                self.stack.take();
                self.stack.take();
                // SAFETY: a new error, whose count the stack gets.
                self.numbered[own] = unsafe { error.clone_value() };
                self.push(error);
                return Ok(());
            }
        }
        // The place.
        self.stack.take();
        Ok(())
    }

    fn fill_set(&mut self, set: &crate::Set, count: usize) -> Result<(), Raise> {
        for value in self.take_values(count) {
            set.add(value)?;
        }
        Ok(())
    }

    fn fill_dict(&mut self, dict: &crate::Dict, count: usize) -> Result<(), Raise> {
        let mut entries = self.take_values(count * 2).into_iter();
        dict.reserve(count)?;
        while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
            dict.insert(key, value)?;
        }
        Ok(())
    }

    fn fill_record(&mut self, dict: &crate::Dict, number: usize) -> Result<(), Raise> {
        let message = self.message;
        let keys = &message.shapes[number];
        let values = self.take_values(keys.len());
        for (key, value) in keys.iter().zip(values) {
            dict.insert(Value::String(self.heap.string(key)?), value)?;
        }
        Ok(())
    }

    fn fill_instance(&mut self, instance: &crate::Instance, number: usize) -> Result<(), Raise> {
        let (slots, extra) = (self.operand() as usize, self.operand() as usize);
        let (_, places) = self.structure(number)?;
        let mut entries = self.take_values(extra * 2).into_iter();
        while let (Some(Value::String(name)), Some(value)) = (entries.next(), entries.next()) {
            let name: Rc<Str> = self.heap.string(name.as_str())?;
            drop(instance.set_extra_field(&name, value)?);
        }
        let values = self.stack.last(slots);
        for (raw, &place) in values.iter_mut().zip(&*places) {
            // SAFETY: the place is a slot's, which is null until now; the value goes there with its count.
            unsafe { instance.slots_ptr().add(usize::from(place)).write(*raw) };
            *raw = Raw::null();
        }
        self.stack.drop_last(slots);
        Ok(())
    }

    fn error(&mut self, kind: usize) -> Result<Raw, Raise> {
        let line = self.operand() as u32;
        let value = self.stack.take_value();
        let Value::String(message) = self.stack.take_value() else {
            unreachable!("the maker puts the message below the value")
        };
        let error = self.heap.error_parts(KINDS[kind], message, value)?;
        error.set_line(line);
        Ok(Raw::from_rc(error))
    }

    fn shape(&mut self, number: usize) -> Result<Option<Rc<Shape>>, Raise> {
        if let Some(shape) = &self.shapes[number] {
            return Ok(Some(shape.clone()));
        }
        let keys: Result<Vec<Rc<Str>>, Raise> = self.message.shapes[number]
            .iter()
            .map(|key| self.heap.string(key))
            .collect();
        let shape = self.heap.record_shape(&keys?);
        self.shapes[number].clone_from(&shape);
        Ok(shape)
    }

    /// A struct, and which of its slots the sender's fields are.
    fn structure(&mut self, number: usize) -> Result<(Rc<StructDef>, std::rc::Rc<[u16]>), Raise> {
        if let Some(known) = &self.structs[number] {
            return Ok(known.clone());
        }
        let (name, fields) = &self.message.structs[number];
        let definition = self
            .types
            .struct_def(name)
            .ok_or_else(|| unknown("struct", name))?;
        let places: Option<std::rc::Rc<[u16]>> =
            fields.iter().map(|field| definition.slot_str(field)).collect();
        let places = places.filter(|places| places.len() == definition.fields().len());
        let places = places
            .ok_or_else(|| Raise::operation(&format!("struct '{name}' has other fields in the receiver")))?;
        let known = (definition, places);
        self.structs[number] = Some(known.clone());
        Ok(known)
    }

    /// A variant by the sender's number.
    fn variant(&mut self, number: usize, variant: usize) -> Result<(Rc<EnumDef>, u32), Raise> {
        if self.enums[number].is_none() {
            let (name, variants) = &self.message.enums[number];
            let definition = self.types.enum_def(name).ok_or_else(|| unknown("enum", name))?;
            let numbers: Option<Vec<u32>> = variants
                .iter()
                .map(|variant| {
                    let known = definition.variants().iter();
                    let found = known
                        .enumerate()
                        .find(|(_, known)| known.name.as_str() == &**variant);
                    found.map(|(at, _)| at as u32)
                })
                .collect();
            let numbers = numbers.ok_or_else(|| {
                Raise::operation(&format!("enum '{name}' has other variants in the receiver"))
            })?;
            self.enums[number] = Some((definition, numbers));
        }
        match &self.enums[number] {
            Some((definition, numbers)) => Ok((definition.clone(), numbers[variant])),
            None => unreachable!("it has just been found"),
        }
    }
}

#[cold]
fn unknown(what: &str, name: &str) -> Raise {
    Raise::new(ErrorKind::Name, format!("The receiver knows no {what} '{name}'"))
}
