//! What all code of an engine shares: constants, global slots, definition templates, struct-literal sites.
//!
//! Invariants
//! - Indices only grow; code refers to them by number, and they live as long as the engine.
//! - A global slot belongs to one name of one module. It starts as the prelude's value of that name, or unset;
//!   [`Tables::is_declared`] tells whether the module itself has declared it, which decides what it exports.

use crate::BuiltinDef;
use crate::machine::Optimizations;
use crate::prelude::Prelude;
use aether_value::{Heap, Raise, Raw, Rc, Shape, Str, TypeCheck, Value};
use ahash::AHashMap;
use std::borrow::Cow;

/// What a struct declaration says.
pub(crate) struct StructTemplate {
    pub(crate) name: Rc<Str>,
    pub(crate) fields: Vec<Rc<Str>>,
    pub(crate) methods: Vec<Rc<Str>>,
    pub(crate) doc: Option<Rc<Str>>,
    /// What annotations say of the fields, if there are any.
    pub(crate) types: Option<std::rc::Rc<[Option<TypeCheck>]>>,
}

/// A check of a value against an annotation.
pub(crate) struct Check {
    pub(crate) admits: TypeCheck,
    /// What is checked, for messages.
    pub(crate) what: Box<str>,
}

/// What an enum declaration says.
pub(crate) struct EnumTemplate {
    pub(crate) name: Rc<Str>,
    pub(crate) variants: Vec<(Rc<Str>, Vec<Rc<Str>>)>,
    pub(crate) doc: Option<Rc<Str>>,
}

/// A struct literal in the code, with what it last met.
pub(crate) struct LiteralSite {
    /// Field names in the order of the literal.
    pub(crate) names: Vec<Rc<Str>>,
    /// The shape the slots below are for; 0 for none.
    pub(crate) shape: u32,
    /// Slot of each name in that shape, or `None` for an undeclared field.
    pub(crate) slots: Vec<Option<u16>>,
    /// Whether the literal names exactly the declared fields in their order, and none is annotated.
    pub(crate) in_order: bool,
    /// The same with annotated fields.
    pub(crate) checked_in_order: bool,
}

/// A dict literal whose keys are different strings, with their shape when one was made.
pub(crate) struct RecordSite {
    pub(crate) keys: Vec<Rc<Str>>,
    pub(crate) shape: Option<Rc<Shape>>,
}

/// Names of one module.
#[derive(Default)]
pub(crate) struct ModuleNames {
    slots: AHashMap<Box<str>, u32>,
    /// Slots in the order in which names were first met.
    order: Vec<u32>,
    /// Slots that fragments have declared constant.
    constants: Vec<u32>,
}

/// The tables.
pub(crate) struct Tables {
    pub(crate) optimizations: Optimizations,
    /// Types of the host have operators: arithmetic compiled from now on may meet their objects.
    pub(crate) native_operators: bool,
    pub(crate) constants: Vec<Value>,
    strings: AHashMap<Box<str>, u32>,
    /// Bytes of the texts that are keys of these tables.
    key_bytes: usize,
    ints: AHashMap<i64, u32>,
    floats: AHashMap<u64, u32>,
    /// False, true and null.
    plain: [Option<u32>; 3],
    built_ins: AHashMap<*const BuiltinDef, u32>,
    pub(crate) globals: Vec<Raw>,
    declared: Vec<bool>,
    names: Vec<Rc<Str>>,
    modules: Vec<ModuleNames>,
    /// What documents modules.
    module_docs: AHashMap<u32, Box<str>>,
    pub(crate) prelude: Prelude,
    pub(crate) structs: Vec<StructTemplate>,
    pub(crate) enums: Vec<EnumTemplate>,
    pub(crate) literals: Vec<LiteralSite>,
    pub(crate) records: Vec<RecordSite>,
    pub(crate) checks: Vec<Check>,
    /// Names of the arguments of calls, in the order in which they are written.
    pub(crate) keyword_sites: Vec<Box<[Rc<Str>]>>,
}

impl Tables {
    pub(crate) fn new() -> Self {
        Self {
            optimizations: Optimizations::default(),
            native_operators: false,
            constants: Vec::new(),
            strings: AHashMap::new(),
            key_bytes: 0,
            ints: AHashMap::new(),
            floats: AHashMap::new(),
            plain: [None; 3],
            built_ins: AHashMap::new(),
            globals: Vec::new(),
            declared: Vec::new(),
            names: Vec::new(),
            modules: Vec::new(),
            module_docs: AHashMap::new(),
            prelude: Prelude::default(),
            structs: Vec::new(),
            enums: Vec::new(),
            literals: Vec::new(),
            records: Vec::new(),
            checks: Vec::new(),
            keyword_sites: Vec::new(),
        }
    }

    /// Bytes of the tables themselves, by their capacity, but for the list of constants; the objects that they hold are
    /// charged as such.
    pub(crate) fn size(&self) -> usize {
        fn list<T>(list: &Vec<T>) -> usize {
            list.capacity() * size_of::<T>()
        }
        /// With a byte for each place, as hash tables have it.
        fn map<K, V>(map: &AHashMap<K, V>) -> usize {
            map.capacity() * 8 / 7 * (size_of::<(K, V)>() + 1)
        }
        let structs = self.structs.iter().map(|of| list(&of.fields) + list(&of.methods));
        let variants = self.enums.iter().flat_map(|of| &of.variants);
        let variants = variants.map(|(name, fields)| size_of_val(name) + size_of_val(fields) + list(fields));
        let literals = self
            .literals
            .iter()
            .map(|site| list(&site.names) + list(&site.slots));
        let records = self.records.iter().map(|site| list(&site.keys));
        let keywords = self.keyword_sites.iter().map(|names| size_of_val(&**names));
        let parts: usize = structs
            .chain(variants)
            .chain(literals)
            .chain(records)
            .chain(keywords)
            .sum();
        let names = |module: &ModuleNames| map(&module.slots) + list(&module.order) + list(&module.constants);
        self.key_bytes
            + parts
            + list(&self.constants)
            + map(&self.strings)
            + map(&self.ints)
            + map(&self.floats)
            + map(&self.built_ins)
            + list(&self.globals)
            + list(&self.declared)
            + list(&self.names)
            + list(&self.modules)
            + self.modules.iter().map(names).sum::<usize>()
            + list(&self.structs)
            + list(&self.enums)
            + list(&self.literals)
            + list(&self.records)
            + list(&self.checks)
            + list(&self.keyword_sites)
    }

    // --- constants ---

    fn add_constant(&mut self, value: Value) -> u32 {
        self.constants.push(value);
        self.constants.len() as u32 - 1
    }

    pub(crate) fn string(&mut self, heap: &Heap, text: &str) -> Result<u32, Raise> {
        if let Some(&index) = self.strings.get(text) {
            return Ok(index);
        }
        let value = Value::String(heap.intern(text)?);
        let index = self.add_constant(value);
        self.key_bytes += text.len();
        self.strings.insert(text.into(), index);
        Ok(index)
    }

    pub(crate) fn int(&mut self, value: i64) -> u32 {
        if let Some(&index) = self.ints.get(&value) {
            return index;
        }
        let index = self.add_constant(Value::Int(value));
        self.ints.insert(value, index);
        index
    }

    pub(crate) fn float(&mut self, value: f64) -> u32 {
        if let Some(&index) = self.floats.get(&value.to_bits()) {
            return index;
        }
        let index = self.add_constant(Value::Float(value));
        self.floats.insert(value.to_bits(), index);
        index
    }

    /// The constant null, true or false.
    pub(crate) fn plain(&mut self, value: &Value) -> u32 {
        let kind = match value {
            Value::Bool(false) => 0,
            Value::Bool(true) => 1,
            _ => 2,
        };
        if let Some(index) = self.plain[kind] {
            return index;
        }
        let index = self.add_constant(value.clone());
        self.plain[kind] = Some(index);
        index
    }

    /// The constant that is a built-in.
    pub(crate) fn built_in(&mut self, def: &'static BuiltinDef) -> u32 {
        if let Some(&index) = self.built_ins.get(&std::ptr::from_ref(def)) {
            return index;
        }
        let index = self.add_constant(def.value());
        self.built_ins.insert(def, index);
        index
    }

    /// The text of a string constant.
    pub(crate) fn text(&self, constant: u32) -> &Rc<Str> {
        match &self.constants[constant as usize] {
            Value::String(text) => text,
            _ => unreachable!("names are string constants"),
        }
    }

    // --- globals ---

    /// Adds a module scope and gives its number.
    pub(crate) fn add_module(&mut self) -> u32 {
        self.modules.push(ModuleNames::default());
        self.modules.len() as u32 - 1
    }

    /// A value of the prelude.
    pub(crate) fn prelude_value(&self, name: &str) -> Option<Value> {
        self.prelude.get(name)
    }

    /// Says what documents a module; a text without any leaves it as it is.
    pub(crate) fn set_module_doc(&mut self, module: u32, doc: Option<&str>) {
        if let Some(doc) = doc {
            self.module_docs.insert(module, doc.into());
        }
    }

    /// What documents a module.
    pub(crate) fn module_doc(&self, module: u32) -> Option<&str> {
        self.module_docs.get(&module).map(AsRef::as_ref)
    }

    /// Adds a name to the prelude. Modules that have met the name and not declared it find the value too.
    pub(crate) fn add_to_prelude(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        let name = name.into();
        for module in &self.modules {
            let Some(&slot) = module.slots.get(&*name) else {
                continue;
            };
            if !self.declared[slot as usize] {
                let old = std::mem::replace(&mut self.globals[slot as usize], Raw::from_value(value.clone()));
                crate::vm::release_slot(old);
            }
        }
        self.prelude.insert(name, value);
    }

    /// Makes a module's scope as it was before its code ran.
    pub(crate) fn reset_module(&mut self, module: u32) {
        self.modules[module as usize].constants.clear();
        // In reverse order of declaration, as scopes are left.
        for at in (0..self.modules[module as usize].order.len()).rev() {
            let slot = self.modules[module as usize].order[at] as usize;
            let prelude = self.prelude.get(self.names[slot].as_str());
            let fresh = prelude.map_or_else(Raw::unset, Raw::from_value);
            let old = std::mem::replace(&mut self.globals[slot], fresh);
            self.declared[slot] = false;
            crate::vm::release_slot(old);
        }
    }

    /// Gives a module's own name a value, as if the module had declared it.
    pub(crate) fn declare(
        &mut self,
        heap: &Heap,
        module: u32,
        name: &str,
        value: Value,
    ) -> Result<(), Raise> {
        let slot = self.slot(heap, module, name)?;
        let old = std::mem::replace(&mut self.globals[slot as usize], Raw::from_value(value));
        self.declared[slot as usize] = true;
        crate::vm::release_slot(old);
        Ok(())
    }

    /// Whether the prelude has `name`.
    pub(crate) fn in_prelude(&self, name: &str) -> bool {
        self.prelude.contains(name)
    }

    /// All values of the prelude that are of this engine's heap, in no order.
    pub(crate) fn prelude_values(&self) -> impl Iterator<Item = &Value> {
        self.prelude.own_values()
    }

    /// All names of the prelude, in no order.
    pub(crate) fn prelude_names(&self) -> impl Iterator<Item = &str> {
        self.prelude.names()
    }

    /// Notes that a fragment declares these names constant.
    pub(crate) fn add_constants<'a>(&mut self, module: u32, names: impl Iterator<Item = &'a str>) {
        let module = &mut self.modules[module as usize];
        for name in names {
            if let Some(&slot) = module.slots.get(name)
                && !module.constants.contains(&slot)
            {
                module.constants.push(slot);
            }
        }
    }

    /// Whether a fragment has declared the name constant, and come to it.
    pub(crate) fn is_constant(&self, module: u32, name: &str) -> bool {
        let names = &self.modules[module as usize];
        let slot = names.slots.get(name);
        slot.is_some_and(|slot| names.constants.contains(slot) && self.declared[*slot as usize])
    }

    /// The slot of a name in a module, made at its first mention.
    pub(crate) fn slot(&mut self, heap: &Heap, module: u32, name: &str) -> Result<u32, Raise> {
        if let Some(&slot) = self.modules[module as usize].slots.get(name) {
            return Ok(slot);
        }
        let text = heap.intern(name)?;
        let slot = self.globals.len() as u32;
        let value = self
            .prelude
            .get(name)
            .map_or_else(Raw::unset, |value| Raw::from_value(value.clone()));
        self.globals.push(value);
        self.declared.push(false);
        self.names.push(text);
        let module = &mut self.modules[module as usize];
        module.slots.insert(name.into(), slot);
        self.key_bytes += name.len();
        module.order.push(slot);
        Ok(slot)
    }

    /// The slot of a name in a module if it has been mentioned.
    pub(crate) fn find_slot(&self, module: u32, name: &str) -> Option<u32> {
        self.modules[module as usize].slots.get(name).copied()
    }

    /// How many modules there are; they are numbered from 0.
    pub(crate) fn module_count(&self) -> u32 {
        self.modules.len() as u32
    }

    /// The value in a slot, unless it is unset.
    pub(crate) fn value_of(&self, slot: u32) -> Option<Value> {
        crate::vm::read_slot(&self.globals[slot as usize])
    }

    /// The name a slot belongs to.
    pub(crate) fn slot_name(&self, slot: u32) -> &Rc<Str> {
        &self.names[slot as usize]
    }

    /// Whether the slot's module has declared the name.
    pub(crate) fn is_declared(&self, slot: u32) -> bool {
        self.declared[slot as usize]
    }

    /// Notes that the slot's module has declared the name.
    pub(crate) fn set_declared(&mut self, slot: u32) {
        self.declared[slot as usize] = true;
    }

    /// The slots that a module has declared, in the order of their first mention.
    pub(crate) fn declared_slots(&self, module: u32) -> impl Iterator<Item = u32> + '_ {
        self.modules[module as usize]
            .order
            .iter()
            .copied()
            .filter(|&slot| self.declared[slot as usize])
    }

    /// Lets go of every value.
    pub(crate) fn clear(&mut self) {
        self.keyword_sites.clear();
        self.literals.clear();
        self.records.clear();
        self.structs.clear();
        self.enums.clear();
        self.names.clear();
        self.prelude.clear();
        self.constants.clear();
    }

    // --- literal sites ---

    pub(crate) fn add_literal(&mut self, names: Vec<Rc<Str>>) -> u32 {
        self.literals.push(LiteralSite {
            names,
            shape: 0,
            slots: Vec::new(),
            in_order: false,
            checked_in_order: false,
        });
        self.literals.len() as u32 - 1
    }
}
