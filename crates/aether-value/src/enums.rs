//! Enum definitions, constructors and values.
//!
//! Invariants
//! - A variant without payload has one value as long as that value lives: the definition remembers it without a count,
//!   and the value's death clears the memory.
//! - A payload never changes, so an enum value's hash is kept in its header.
#![expect(unsafe_code, reason = "payloads are inline behind the object")]

use std::cell::{Cell, OnceCell};

use crate::{Header, Heap, Object, Raise, Raw, Rc, Str, Value, tag};

/// One variant of an enum.
pub struct Variant {
    /// Its name.
    pub name: Rc<Str>,
    /// Names of the payload's fields.
    pub fields: Box<[Rc<Str>]>,
    /// The value of a variant without payload, while it lives; not counted.
    shared: Cell<*const EnumValue>,
}

/// An enum definition.
#[repr(C)]
pub struct EnumDef {
    header: Header,
    name: Rc<Str>,
    doc: OnceCell<Rc<Str>>,
    variants: Box<[Variant]>,
    charged: usize,
    made: Cell<u64>,
}

/// A payload variant that is not called yet.
#[repr(C)]
pub struct EnumConstructor {
    header: Header,
    definition: Rc<EnumDef>,
    variant: u32,
}

/// A variant's value.
#[repr(C)]
pub struct EnumValue {
    header: Header,
    definition: Rc<EnumDef>,
    variant: u32,
    len: u32,
    payload: [Raw; 0],
}

// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for EnumDef {}
// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for EnumConstructor {}
// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for EnumValue {}

impl EnumDef {
    /// What documents the declaration.
    pub fn doc(&self) -> Option<&Rc<Str>> {
        self.doc.get()
    }

    /// Says, once, what documents the declaration.
    pub fn set_doc(&self, doc: Rc<Str>) {
        let _ = self.doc.set(doc);
    }

    /// Values made so far.
    pub fn values_made(&self) -> u64 {
        self.made.get()
    }

    /// The declared name.
    pub fn name(&self) -> &Rc<Str> {
        &self.name
    }

    /// The variants in order.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The index of a variant.
    pub fn variant(&self, name: &Rc<Str>) -> Option<u32> {
        let same = self
            .variants
            .iter()
            .position(|variant| Rc::ptr_eq(&variant.name, name));
        let found = same.or_else(|| {
            self.variants
                .iter()
                .position(|variant| variant.name.as_str() == name.as_str())
        });
        found.map(|index| index as u32)
    }
}

impl EnumDef {
    /// Bytes that it holds beside itself.
    pub(crate) fn charged(&self) -> usize {
        self.charged
    }
}

impl Drop for EnumDef {
    fn drop(&mut self) {
        Heap::of(self).discharge(self.charged);
    }
}

impl EnumConstructor {
    /// The definition.
    pub fn definition(&self) -> &Rc<EnumDef> {
        &self.definition
    }

    /// Which variant.
    pub fn variant(&self) -> u32 {
        self.variant
    }

    /// The variant itself.
    pub fn info(&self) -> &Variant {
        &self.definition.variants[self.variant as usize]
    }
}

impl EnumValue {
    /// Byte offset of the 32-bit number of fields within the object.
    pub const LEN_OFFSET: usize = std::mem::offset_of!(EnumValue, len);
    /// Byte offset of the payload within the object.
    pub const PAYLOAD_OFFSET: usize = std::mem::offset_of!(EnumValue, payload);

    /// The definition.
    pub fn definition(&self) -> &Rc<EnumDef> {
        &self.definition
    }

    /// Which variant.
    #[inline]
    pub fn variant(&self) -> u32 {
        self.variant
    }

    /// The variant itself.
    pub fn info(&self) -> &Variant {
        &self.definition.variants[self.variant as usize]
    }

    /// The variant's name.
    pub fn variant_name(&self) -> &str {
        self.info().name.as_str()
    }

    /// Number of payload values.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The payload.
    #[inline]
    pub fn payload(&self) -> &[Value] {
        // SAFETY: that many initialised values, which never change.
        unsafe { std::slice::from_raw_parts(self.payload_ptr().cast::<Value>(), self.len()) }
    }

    /// A payload field by name.
    pub fn field(&self, name: &Rc<Str>) -> Option<&Value> {
        let fields = &self.info().fields;
        let index = fields.iter().position(|field| field.equals(name))?;
        self.payload().get(index)
    }

    /// Whether both are the same variant of the same enum; payloads are not looked at.
    pub fn same_variant(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.definition, &other.definition) && self.variant == other.variant
    }

    pub(crate) fn payload_ptr(&self) -> *mut Raw {
        // SAFETY: the payload starts behind the fixed part of the same allocation.
        unsafe {
            let start = std::ptr::from_ref(self).cast_mut().cast::<u8>();
            start.add(Self::PAYLOAD_OFFSET).cast()
        }
    }

    pub(crate) fn definition_ptr(&self) -> *mut Rc<EnumDef> {
        (&raw const self.definition).cast_mut()
    }

    /// Where the hash is kept; 0 when it was not needed yet.
    pub(crate) fn hash_cell(&self) -> &Cell<u32> {
        &self.header.shape
    }

    /// The value is dead: its definition no longer remembers it.
    pub(crate) fn forget_in_definition(&self) {
        if self.len == 0 {
            let shared = &self.info().shared;
            if std::ptr::eq(shared.get(), self) {
                shared.set(std::ptr::null());
            }
        }
    }
}

impl Heap {
    /// A new enum definition. Names are interned strings.
    ///
    /// # Errors
    /// Out of memory.
    pub fn enum_def(
        &self,
        name: &Rc<Str>,
        variants: Vec<(Rc<Str>, Vec<Rc<Str>>)>,
    ) -> Result<Rc<EnumDef>, Raise> {
        let names: usize = variants.iter().map(|(_, fields)| fields.len()).sum();
        let charged = variants.len() * size_of::<Variant>() + names * size_of::<Rc<Str>>();
        self.charge(charged)?;
        let variants = variants.into_iter().map(|(name, fields)| Variant {
            name,
            fields: fields.into(),
            shared: Cell::new(std::ptr::null()),
        });
        let variants = variants.collect();
        let made = self.object(tag::ENUM_DEF, |header| EnumDef {
            header,
            name: name.clone(),
            doc: OnceCell::new(),
            variants,
            charged,
            made: Cell::new(0),
        });
        if made.is_err() {
            self.discharge(charged);
        }
        made
    }

    /// The constructor of a variant.
    ///
    /// # Errors
    /// Out of memory.
    pub fn enum_constructor(
        &self,
        definition: &Rc<EnumDef>,
        variant: u32,
    ) -> Result<Rc<EnumConstructor>, Raise> {
        self.object(tag::ENUM_CONSTRUCTOR, |header| EnumConstructor {
            header,
            definition: definition.clone(),
            variant,
        })
    }

    /// A variant's value; without payload the one that lives already, if any.
    ///
    /// # Errors
    /// Out of memory.
    pub fn enum_value(
        &self,
        definition: &Rc<EnumDef>,
        variant: u32,
        payload: Vec<Value>,
    ) -> Result<Rc<EnumValue>, Raise> {
        let shared = &definition.variants[variant as usize].shared;
        if payload.is_empty() && !shared.get().is_null() {
            // SAFETY: a value that dies clears this memory, so the one remembered is alive.
            return Ok(unsafe { Rc::of_ref(&*shared.get()) });
        }
        let size = EnumValue::PAYLOAD_OFFSET + payload.len() * size_of::<Raw>();
        let object = self.new_object(tag::ENUM_VALUE, size)?.cast::<EnumValue>();
        definition.made.set(definition.made.get() + 1);
        // SAFETY: a new object of this size, whose count goes to the result.
        unsafe {
            (&raw mut (*object).definition).write(definition.clone());
            (&raw mut (*object).variant).write(variant);
            (&raw mut (*object).len).write(payload.len() as u32);
            let slots = (*object).payload_ptr();
            let count = payload.len();
            for (index, value) in payload.into_iter().enumerate() {
                slots.add(index).write(Raw::from_value(value));
            }
            if count == 0 {
                shared.set(object);
            }
            Ok(Rc::from_ptr(object))
        }
    }
}
