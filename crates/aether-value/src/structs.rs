//! Struct definitions and their instances.
//!
//! Invariants
//! - A definition's shape id is its own and never given out again; an instance's header carries it, and the instance
//!   holds a count of the definition. So a cached shape id never fits a later struct.
//! - Declared fields are inline slots in order of declaration; undeclared ones live in the side record.
//! - References into the slots are not held across a write or a release.
#![expect(unsafe_code, reason = "slots are inline behind the object")]

use std::cell::{Cell, OnceCell};
use std::ptr::NonNull;

use crate::exclusive::Exclusive;
use crate::heap::Visitor;
use crate::{Closure, Header, Heap, Object, Raise, Raw, Rc, Str, TypeCheck, Value, flag, tag};

type Method = (Rc<Str>, Rc<Closure>);

/// A struct definition.
#[repr(C)]
pub struct StructDef {
    header: Header,
    name: Rc<Str>,
    doc: OnceCell<Rc<Str>>,
    /// What annotations say of the fields, if there are any.
    types: OnceCell<std::rc::Rc<[Option<TypeCheck>]>>,
    /// Whether a field has a default.
    has_defaults: Cell<bool>,
    fields: Box<[Rc<Str>]>,
    /// Field indices in order of names, for display.
    sorted: Box<[u16]>,
    /// Set once, after the closures exist; a second set goes to the spare list so that borrows stay valid.
    methods: OnceCell<Box<[Method]>>,
    charged: Exclusive<usize>,
    /// Instances made so far.
    made: std::cell::Cell<u64>,
    /// Bytes of an instance.
    size: u32,
    /// What an instance's header says of its slot count.
    small: u8,
}

/// An instance of a struct.
#[repr(C)]
pub struct Instance {
    pub(crate) header: Header,
    slots: [Raw; 0],
}

// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for StructDef {}
// SAFETY: repr(C), header first, made by `Heap` only.
unsafe impl Object for Instance {}

/// The header's slot count that means "ask the definition".
const MANY: u8 = 255;
/// Most declared fields.
const MAX_FIELDS: usize = 4096;

impl StructDef {
    /// The function that gives a field its default. It is among the methods, under a name that no script can write.
    pub fn default_of(&self, slot: usize) -> Option<&Rc<Closure>> {
        let mut name = String::from("=");
        name.push_str(self.fields[slot].as_str());
        self.method_str(&name)
    }

    /// Whether a field has a default.
    pub fn has_defaults(&self) -> bool {
        self.has_defaults.get()
    }

    /// What annotations say of the fields, in order; none if none has one.
    pub fn types(&self) -> Option<&[Option<TypeCheck>]> {
        self.types.get().map(|types| &**types)
    }

    /// Says, once, what annotations say of the fields.
    pub fn set_types(&self, types: std::rc::Rc<[Option<TypeCheck>]>) {
        let _ = self.types.set(types);
    }

    /// Whether the annotation of a field, if it has one, admits every value of a kind.
    pub fn admits(&self, slot: usize, kind: u8) -> bool {
        let check = self.types().and_then(|types| types[slot].as_ref());
        check.is_none_or(|check| check.admits_kind(kind))
    }

    /// A value as the annotation of a field has it.
    ///
    /// # Errors
    /// The field does not admit it.
    pub fn fit(&self, slot: usize, value: Value) -> Result<Value, Raise> {
        let Some(check) = self.types().and_then(|types| types[slot].as_ref()) else {
            return Ok(value);
        };
        check.fit(&value).ok_or_else(|| {
            let what = format!("'{}'", self.fields[slot].as_str());
            Raise::mistyped(check.text(), &value.type_name(), &what)
        })
    }

    /// What documents the declaration.
    pub fn doc(&self) -> Option<&Rc<Str>> {
        self.doc.get()
    }

    /// Says, once, what documents the declaration.
    pub fn set_doc(&self, doc: Rc<Str>) {
        let _ = self.doc.set(doc);
    }

    /// Instances made so far.
    pub fn instances_made(&self) -> u64 {
        self.made.get()
    }

    /// The declared name.
    #[inline]
    pub fn name(&self) -> &Rc<Str> {
        &self.name
    }

    /// The shape id that instances carry.
    #[inline]
    pub fn shape_id(&self) -> u32 {
        self.header.shape.get()
    }

    /// Declared fields in order.
    #[inline]
    pub fn fields(&self) -> &[Rc<Str>] {
        &self.fields
    }

    /// Indices of the declared fields in order of their names.
    pub fn sorted_fields(&self) -> &[u16] {
        &self.sorted
    }

    /// The slot of a declared field.
    #[inline]
    pub fn slot(&self, name: &Rc<Str>) -> Option<u16> {
        find(&self.fields, name, |field| field).map(|index| index as u16)
    }

    /// The slot of a declared field.
    pub fn slot_str(&self, name: &str) -> Option<u16> {
        let index = self.fields.iter().position(|field| field.as_str() == name)?;
        Some(index as u16)
    }

    /// The methods in order of declaration.
    pub fn methods(&self) -> &[(Rc<Str>, Rc<Closure>)] {
        self.methods.get().map_or(&[], |methods| methods)
    }

    /// A method by name.
    #[inline]
    pub fn method(&self, name: &Rc<Str>) -> Option<&Rc<Closure>> {
        let methods = self.methods();
        find(methods, name, |(known, _)| known).map(|index| &methods[index].1)
    }

    /// A method by name.
    pub fn method_str(&self, name: &str) -> Option<&Rc<Closure>> {
        let found = self
            .methods()
            .iter()
            .rev()
            .find(|(known, _)| known.as_str() == name);
        found.map(|(_, closure)| closure)
    }

    /// Gives the definition its methods, once: they may capture the struct's own binding and so exist only after it.
    pub fn set_methods(&self, methods: Vec<(Rc<Str>, Rc<Closure>)>) {
        let is_default = |(name, _): &Method| name.as_str().starts_with('=');
        self.has_defaults.set(methods.iter().any(is_default));
        if !methods.is_empty() && self.methods.set(methods.into_boxed_slice()).is_err() {
            debug_assert!(false, "methods are set once");
        }
    }

    /// Bytes that it holds beside itself.
    pub(crate) fn charged(&self) -> usize {
        self.charged.with(|charged| *charged)
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        for (_, closure) in self.methods() {
            visitor.rc(closure);
        }
    }
}

impl Drop for StructDef {
    fn drop(&mut self) {
        let charged = self.charged.replace(0);
        Heap::of(self).discharge(charged);
    }
}

/// The last entry with this name, by pointer first, then by text.
#[inline]
fn find<T>(entries: &[T], name: &Rc<Str>, key: impl Fn(&T) -> &Rc<Str>) -> Option<usize> {
    let same = entries.iter().rposition(|entry| Rc::ptr_eq(key(entry), name));
    same.or_else(|| {
        entries
            .iter()
            .rposition(|entry| key(entry).as_str() == name.as_str())
    })
}

impl Instance {
    /// Byte offset of the slots within the object.
    pub const SLOTS_OFFSET: usize = std::mem::offset_of!(Instance, slots);

    /// The definition.
    #[inline]
    pub fn definition(&self) -> &StructDef {
        let heap = Heap::of(self);
        let def = std::ptr::from_ref(heap.shape(self.shape_id()));
        // SAFETY: the instance holds a count of its definition.
        unsafe { &*def }
    }

    /// The shape id.
    #[inline(always)]
    pub fn shape_id(&self) -> u32 {
        self.header.shape.get()
    }

    /// Number of declared fields.
    #[inline]
    pub fn slot_count(&self) -> usize {
        match self.header.small.get() {
            MANY => self.definition().fields.len(),
            count => count as usize,
        }
    }

    pub(crate) unsafe fn slot_count_with(small: u8, def: *const StructDef) -> usize {
        match small {
            // SAFETY: the caller's instance holds a count of this definition.
            MANY => unsafe { &*def }.fields.len(),
            count => count as usize,
        }
    }

    /// Where the slots are.
    #[inline(always)]
    pub fn slots_ptr(&self) -> *mut Raw {
        // SAFETY: the slots start behind the header of the same allocation.
        unsafe {
            let start = std::ptr::from_ref(self).cast_mut().cast::<u8>();
            start.add(Self::SLOTS_OFFSET).cast()
        }
    }

    /// The declared fields' values. The borrow ends before the next write to this instance.
    #[inline]
    pub fn slots(&self) -> &[Raw] {
        // SAFETY: that many initialised slots.
        unsafe { std::slice::from_raw_parts(self.slots_ptr(), self.slot_count()) }
    }

    /// Puts a value into a slot; gives the old one.
    #[inline]
    pub fn set_slot(&self, index: usize, value: Value) -> Value {
        assert!(index < self.slot_count(), "slot index");
        self.header.touch();
        // SAFETY: within the slots; the old value's count goes to the caller.
        unsafe {
            self.slots_ptr()
                .add(index)
                .replace(Raw::from_value(value))
                .into_value()
        }
    }

    /// A field, declared or not.
    pub fn field(&self, name: &Rc<Str>) -> Option<Value> {
        match self.definition().slot(name) {
            // SAFETY: slots hold values.
            Some(slot) => Some(unsafe { self.slots()[slot as usize].clone_value() }),
            None => self.extra_field(name),
        }
    }

    /// An undeclared field.
    pub fn extra_field(&self, name: &Rc<Str>) -> Option<Value> {
        if !self.header.has(flag::HAS_SIDE) {
            return None;
        }
        Heap::of(self).extra_field(self, name.as_str())
    }

    /// Sets an undeclared field; gives the old value.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set_extra_field(&self, name: &Rc<Str>, value: Value) -> Result<Option<Value>, Raise> {
        self.header.touch();
        Heap::of(self).set_extra_field(self, name, value)
    }

    /// The undeclared fields in order of their first assignment.
    pub fn extra_fields(&self) -> Vec<(Rc<Str>, Value)> {
        if !self.header.has(flag::HAS_SIDE) {
            return Vec::new();
        }
        Heap::of(self).extra_fields(self)
    }
}

impl Heap {
    /// A new struct definition with a shape id of its own. Field names are interned strings.
    ///
    /// # Errors
    /// Out of memory.
    pub fn struct_def(
        &self,
        name: &Rc<Str>,
        fields: &[Rc<Str>],
        methods: Vec<(Rc<Str>, Rc<Closure>)>,
    ) -> Result<Rc<StructDef>, Raise> {
        if fields.len() > MAX_FIELDS {
            return Err(Raise::operation(&format!(
                "a struct has at most {MAX_FIELDS} fields"
            )));
        }
        let charged = fields.len() * (size_of::<Rc<Str>>() + size_of::<u16>())
            + methods.len() * size_of::<(Rc<Str>, Rc<Closure>)>();
        self.charge(charged)?;
        let mut sorted: Vec<u16> = (0..fields.len() as u16).collect();
        sorted.sort_by(|&left, &right| {
            fields[left as usize]
                .as_str()
                .cmp(fields[right as usize].as_str())
        });
        let def = self.object(tag::STRUCT_DEF, |header| StructDef {
            header,
            name: name.clone(),
            doc: OnceCell::new(),
            types: OnceCell::new(),
            has_defaults: Cell::new(false),
            fields: fields.into(),
            sorted: sorted.into_boxed_slice(),
            methods: OnceCell::new(),
            charged: Exclusive::new(charged),
            made: std::cell::Cell::new(0),
            size: (Instance::SLOTS_OFFSET + fields.len() * size_of::<Raw>()) as u32,
            small: fields.len().min(MANY as usize) as u8,
        });
        let def = match def {
            Ok(def) => def,
            Err(raise) => {
                self.discharge(charged);
                return Err(raise);
            }
        };
        def.header.shape.set(self.add_shape(Rc::as_ptr(&def)));
        def.set_methods(methods);
        Ok(def)
    }

    /// A new instance with all slots null.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn instance(&self, def: &StructDef) -> Result<Rc<Instance>, Raise> {
        // SAFETY: the slots are initialised right below.
        unsafe {
            let object = self.alloc_instance_raw(def);
            if object.is_null() {
                return Err(self.out_of_memory(Instance::SLOTS_OFFSET + def.fields.len() * size_of::<Raw>()));
            }
            let slots = (*object).slots_ptr();
            for index in 0..def.fields.len() {
                slots.add(index).write(Raw::null());
            }
            Ok(Rc::from_ptr(object))
        }
    }

    /// A new instance whose slots are not initialised yet, or null when refused.
    ///
    /// # Safety
    /// The caller initialises all slots before anything else happens in this heap, and owns the object's count.
    #[inline(always)]
    pub unsafe fn alloc_instance_raw(&self, def: &StructDef) -> *mut Instance {
        let shape = def.header.shape.get();
        let object = self
            .inner()
            .alloc(def.size as usize, tag::INSTANCE, def.small, shape);
        if !object.is_null() {
            def.made.set(def.made.get().wrapping_add(1));
            def.header.retain();
        }
        object.cast()
    }
}
