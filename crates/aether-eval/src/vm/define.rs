//! Making closures, definitions, instances and collections.
#![expect(unsafe_code, reason = "moves values between registers and objects")]

use aether_value::{
    Array, Buffer, Closure, Dict, EnumValue, Instance, NativeObject, Raise, Raw, Rc, Set, Shape, Str,
    StructDef, Table, Value, tag,
};

use super::call::{self, take};
use super::{Flow, Vm};
use crate::builtins;
use crate::compiler::OWN_CLOSURE;

/// Items that a comprehension makes room for before it has any.
const MAX_RESERVED: i64 = 1 << 20;

/// The register that field `n` (1 to 3) of the instruction at `ip` names.
unsafe fn register(ip: *const u64, base: *mut u8, n: usize) -> *mut Raw {
    // SAFETY: the caller's instruction and frame.
    unsafe { base.add(*ip.cast::<u16>().add(n) as usize).cast() }
}

/// Instructions that are a call away from the loop. Each takes the instruction and its frame.
///
/// # Safety
/// Of all: `ip` is the instruction that the method is named after, `base` its frame.
impl Vm {
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn new_cell(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: see the block.
        unsafe {
            (self.ip, self.base) = (ip, base);
            let cell = self.heap.cell(take(register(ip, base, 2)))?;
            *register(ip, base, 1) = Raw::from_rc(cell);
            Ok(())
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn new_unset_cell(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: see the block.
        unsafe {
            (self.ip, self.base) = (ip, base);
            let cell = self.heap.cell(Raw::unset())?;
            *register(ip, base, 1) = Raw::from_rc(cell);
            Ok(())
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn store_global(
        &mut self,
        ip: *mut u64,
        base: *mut u8,
        declares: bool,
    ) -> Result<(), Raise> {
        // SAFETY: see the block; the instruction names a slot.
        unsafe {
            let slot = *ip.cast::<u32>().add(1);
            let to = self.globals.add(slot as usize);
            if !declares && (*to).tag == tag::UNSET {
                return Err(self.undefined_global(slot));
            }
            self.tables.set_declared(slot);
            let old = *to;
            *to = take(register(ip, base, 1));
            if old.tag == tag::FUNCTION {
                self.hold_running(base, old);
            }
            old.release();
            Ok(())
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn add_global(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: see the block; the instruction names a slot.
        unsafe {
            (self.ip, self.base) = (ip, base);
            let slot = *ip.cast::<u32>().add(1);
            let to = self.globals.add(slot as usize);
            self.tables.set_declared(slot);
            self.add_to_place(to, register(ip, base, 1), register(ip.add(1), base, 2))
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn append(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: see the block; the register holds an array under construction.
        unsafe {
            (self.ip, self.base) = (ip, base);
            (*register(ip, base, 1))
                .object::<Array>()
                .push(take(register(ip, base, 2)).into_value())?;
            self.settle_work();
            Ok(())
        }
    }

    /// A record of the values in registers, or a dict that is filled with them.
    #[inline(never)]
    pub(super) unsafe fn new_record(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: see the block; the instruction's site has as many keys as there are values.
        unsafe {
            (self.ip, self.base) = (ip, base);
            let first = register(ip, base, 2);
            let site = &self.tables.records[*ip.add(1) as usize];
            if let Some(shape) = &site.shape {
                let dict = self.heap.record_taking(shape, first)?;
                *register(ip, base, 1) = Raw::from_rc(dict);
                return Ok(());
            }
            let dict = self.dict_of(*ip.add(1) as usize, first)?;
            *register(ip, base, 1) = Raw::from_rc(dict);
            Ok(())
        }
    }

    /// The same while the site has no shape: it gets one if there may be one.
    #[cold]
    unsafe fn dict_of(&mut self, site: usize, first: *mut Raw) -> Result<Rc<Dict>, Raise> {
        // SAFETY: as there.
        unsafe {
            let site = &mut self.tables.records[site];
            site.shape = self.heap.record_shape(&site.keys);
            if let Some(shape) = &site.shape {
                return self.heap.record_taking(shape, first);
            }
            let dict = self.heap.dict()?;
            dict.reserve(site.keys.len())?;
            for (index, key) in site.keys.iter().enumerate() {
                let value = (*first.add(index)).clone_value();
                drop(dict.insert(Value::String(key.clone()), value)?);
            }
            for index in 0..site.keys.len() {
                take(first.add(index)).release();
            }
            Ok(dict)
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn new_dict(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: see the block.
        unsafe {
            (self.ip, self.base) = (ip, base);
            let dict = self.heap.dict()?;
            let count = *ip.cast::<u32>().add(1) as usize;
            if count > 0 {
                dict.reserve(count)?;
            }
            *register(ip, base, 1) = Raw::from_rc(dict);
            Ok(())
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn dict_entry(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: see the block; the register holds a dict under construction.
        unsafe {
            (self.ip, self.base) = (ip, base);
            let dict = (*register(ip, base, 1)).object::<Dict>();
            let key = register(ip, base, 2);
            let entry = register(ip, base, 3);
            if super::member::set_entry(self, *register(ip, base, 1), key, entry, true)? {
                take(key).release();
                return Ok(());
            }
            aether_value::hashable_check((*key).as_value())?;
            let value = take(register(ip, base, 3)).into_value();
            drop(dict.insert(take(key).into_value(), value)?);
            Ok(())
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn check_pattern(
        &mut self,
        ip: *mut u64,
        base: *mut u8,
        dict: bool,
    ) -> Result<(), Raise> {
        // SAFETY: see the block.
        unsafe {
            let value = register(ip, base, 1);
            let fits = if dict {
                matches!((*value).tag, tag::DICT | tag::INSTANCE)
            } else {
                (*value).tag == tag::ARRAY
            };
            if fits {
                return Ok(());
            }
            let expected = if dict { "dict" } else { "array" };
            Err(Raise::type_error(expected, &(*value).as_value().type_name()))
        }
    }
}

impl Vm {
    /// A closure of child `index` of the code that runs at `base`.
    ///
    /// # Safety
    /// `base` is a function's frame, and its code has that child.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn make_closure(&mut self, base: *mut u8, index: u16) -> Result<Raw, Raise> {
        // SAFETY: the register before the window names the running closure.
        unsafe {
            let own = (*base.sub(16).cast::<Raw>()).pointer::<Closure>();
            let code = (*own).code().children[index as usize];
            let captures = &code.as_ref().captures;
            let find = |capture: &aether_value::Capture| -> Raw {
                if capture.from_parent_register {
                    *base.cast::<Raw>().add(capture.index as usize)
                } else if capture.index == OWN_CLOSURE {
                    let header = own.cast::<aether_value::Header>();
                    Raw {
                        tag: (*header).kind,
                        payload: own as u64,
                    }
                } else {
                    *call::capture(base, capture.index)
                }
            };
            let is_async = code.as_ref().is_async;
            let closure = if captures.len() <= 8 {
                let mut values = [Raw::null(); 8];
                for (value, capture) in values.iter_mut().zip(captures) {
                    *value = find(capture);
                    value.retain();
                }
                self.heap.closure(code, &values[..captures.len()], is_async)?
            } else {
                let values: Vec<Raw> = captures
                    .iter()
                    .map(find)
                    .inspect(|value| value.retain())
                    .collect();
                self.heap.closure(code, &values, is_async)?
            };
            Ok(Raw::from_rc(closure))
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn make_struct(&mut self, template: u32) -> Result<Raw, Raise> {
        let template = &self.tables.structs[template as usize];
        let definition = self
            .heap
            .struct_def(&template.name, &template.fields, Vec::new())?;
        if let Some(doc) = &template.doc {
            definition.set_doc(doc.clone());
        }
        if let Some(types) = &template.types {
            definition.set_types(types.clone());
        }
        Ok(Raw::from_rc(definition))
    }

    /// # Safety
    /// The window holds a struct definition and `count` closures.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn add_methods(&mut self, window: *mut Raw, count: usize, template: u32) {
        // SAFETY: the caller's promise.
        unsafe {
            let names = &self.tables.structs[template as usize].methods;
            let methods = (0..count).map(|index| {
                let closure = take(window.add(1 + index));
                (names[index].clone(), Rc::from_ptr(closure.pointer::<Closure>()))
            });
            (*window).object::<StructDef>().set_methods(methods.collect());
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn make_enum(&mut self, template: u32) -> Result<Raw, Raise> {
        let template = &self.tables.enums[template as usize];
        let definition = self.heap.enum_def(&template.name, template.variants.clone())?;
        if let Some(doc) = &template.doc {
            definition.set_doc(doc.clone());
        }
        Ok(Raw::from_rc(definition))
    }

    /// An instance of the struct in the window with the `count` field values behind it, which it takes.
    ///
    /// # Safety
    /// The window holds `count + 1` values; `site` is a literal's.
    #[inline(always)]
    pub(super) unsafe fn make_instance(
        &mut self,
        window: *mut Raw,
        count: usize,
        site: u32,
    ) -> Result<Flow, Raise> {
        // SAFETY: the caller's promise; a new instance's slots are filled before anything else happens.
        unsafe {
            let literal = &self.tables.literals[site as usize];
            if (*window).tag == tag::STRUCT_DEF {
                let definition = (*window).object::<StructDef>();
                if literal.in_order && literal.shape == definition.shape_id() {
                    self.instance_in_order(window, definition, count)?;
                    return Ok(Flow::Next);
                }
            }
            self.make_instance_slow(window, count, site)
        }
    }

    /// An instance whose fields wait in their order behind the window's first register, which gets it.
    ///
    /// # Safety
    /// As `make_instance`, with as many values as fields.
    #[inline(always)]
    unsafe fn instance_in_order(
        &mut self,
        window: *mut Raw,
        definition: &StructDef,
        count: usize,
    ) -> Result<(), Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            let object = self.heap.alloc_instance_raw(definition);
            if object.is_null() {
                return Err(self.heap.out_of_memory(16 + count * 16));
            }
            let slots = (*object).slots_ptr();
            for index in 0..count {
                *slots.add(index) = take(window.add(1 + index));
            }
            let old = *window;
            *window = Raw {
                tag: tag::INSTANCE,
                payload: object as u64,
            };
            old.release();
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    unsafe fn make_instance_slow(
        &mut self,
        window: *mut Raw,
        count: usize,
        site: u32,
    ) -> Result<Flow, Raise> {
        // SAFETY: as `make_instance`.
        unsafe {
            let Value::StructDef(definition) = (*window).as_value() else {
                let name = self.literal_name();
                return Err(Raise::not_a_struct(&name, &(*window).as_value().type_name()));
            };
            let definition = definition.clone();
            let literal = &self.tables.literals[site as usize];
            if literal.checked_in_order && literal.shape == definition.shape_id() {
                for slot in 0..count {
                    let register = window.add(1 + slot);
                    if !definition.admits(slot, (*register).tag) {
                        let fitted = definition.fit(slot, (*register).clone_value())?;
                        take(register).release();
                        *register = Raw::from_value(fitted);
                    }
                }
                self.instance_in_order(window, &definition, count)?;
                return Ok(Flow::Next);
            }
            let literal = &mut self.tables.literals[site as usize];
            literal.shape = definition.shape_id();
            literal.slots = literal.names.iter().map(|name| definition.slot(name)).collect();
            // Annotated fields are checked here, every time.
            let in_order = count == definition.fields().len()
                && literal
                    .slots
                    .iter()
                    .enumerate()
                    .all(|(index, slot)| *slot == Some(index as u16));
            literal.in_order = in_order && definition.types().is_none();
            literal.checked_in_order = in_order && definition.types().is_some();
            let (names, slots) = (literal.names.clone(), literal.slots.clone());
            let instance = self.heap.instance(&definition)?;
            for (index, (name, slot)) in names.iter().zip(slots).enumerate() {
                let value = take(window.add(1 + index)).into_value();
                match slot {
                    Some(slot) => {
                        let value = definition.fit(slot as usize, value)?;
                        drop(instance.set_slot(slot as usize, value));
                    }
                    None => drop(instance.set_extra_field(name, value)?),
                }
            }
            let missing = self.missing_fields(&definition, site)?;
            let old = *window;
            *window = Raw::from_rc(instance);
            old.release();
            match missing {
                Some(missing) => call::fill_defaults(self, window, missing),
                None => Ok(Flow::Next),
            }
        }
    }

    /// The fields that a literal leaves out and that have defaults, as an array of their slots. One without a default
    /// must admit null.
    fn missing_fields(&self, definition: &StructDef, site: u32) -> Result<Option<Rc<Array>>, Raise> {
        let literal = &self.tables.literals[site as usize];
        let has_defaults = definition.has_defaults();
        if definition.types().is_none() && !has_defaults {
            return Ok(None);
        }
        let mut missing = None;
        for slot in 0..definition.fields().len() {
            if literal.slots.contains(&Some(slot as u16)) {
                continue;
            }
            if definition.default_of(slot).is_none() {
                definition.fit(slot, Value::Null)?;
                continue;
            }
            let missing = match &missing {
                Some(missing) => missing,
                None => missing.insert(self.heap.array(1)?),
            };
            missing.push(Value::Int(slot as i64))?;
        }
        Ok(missing)
    }

    /// The name written before the braces of the struct literal at `vm.ip`, for messages.
    fn literal_name(&self) -> String {
        let text = super::unwind::source_here(self).unwrap_or_default();
        let name = text.split('{').next().unwrap_or_default().trim();
        name.rsplit('.').next().unwrap_or(name).to_owned()
    }

    /// An array of `count` registers, which it takes.
    ///
    /// # Safety
    /// They are values in registers.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn make_array(&mut self, first: *mut Raw, count: usize) -> Result<Raw, Raise> {
        // SAFETY: the caller's promise.
        unsafe { Ok(Raw::from_rc(self.heap.array_taking(first, count)?)) }
    }

    /// `[..., ...R[from]]`; takes `from`.
    ///
    /// # Safety
    /// `array` is an array, `from` a register.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn extend_array(&mut self, array: Raw, from: *mut Raw) -> Result<Flow, Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            let array = array.object::<Array>();
            let value = (*from).as_value();
            let source = match value {
                Value::Array(source) => source.clone(),
                // Collected by a call whose result comes here, to this instruction again.
                Value::Coroutine(_) => return call::collect_into(self, from),
                Value::Instance(instance)
                    if instance.definition().method(&self.names.has_next).is_some()
                        && instance.definition().method(&self.names.next).is_some() =>
                {
                    return call::collect_into(self, from);
                }
                Value::Native(native) if super::iterate::iterates_by_methods(native) => {
                    return call::collect_into(self, from);
                }
                value if is_spreadable(value) => match builtins::collect_iterable(&self.heap, value)? {
                    Some(source) => source,
                    None => return Err(Raise::spread(&value.type_name())),
                },
                other => return Err(Raise::spread(&other.type_name())),
            };
            call::extend_from(array, &source)?;
            self.settle_work();
            take(from).release();
            Ok(Flow::Next)
        }
    }

    // --- annotations ---

    /// Checks a value that an annotation does not admit by its kind alone.
    ///
    /// # Safety
    /// `register` holds a value.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn check_type(&mut self, register: *mut Raw, check: u32) -> Result<(), Raise> {
        let check = &self.tables.checks[check as usize];
        // SAFETY: the caller's promise; what replaces the value is not counted.
        unsafe {
            let value = (*register).as_value();
            let Some(fitted) = check.admits.fit(value) else {
                return Err(Raise::mistyped(
                    check.admits.text(),
                    &value.type_name(),
                    &check.what,
                ));
            };
            let old = *register;
            *register = Raw::from_value(fitted);
            old.release();
        }
        Ok(())
    }

    // --- defer ---

    /// Adds a function to the list of what is deferred.
    ///
    /// # Safety
    /// `list` is a register that holds null or an array, `function` one that holds a function.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn defer(&mut self, list: *mut Raw, function: *mut Raw) -> Result<(), Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            if (*list).tag == tag::NULL {
                *list = Raw::from_rc(self.heap.array(0)?);
            }
            (*list).object::<Array>().push(take(function).into_value())?;
        }
        self.settle_work();
        Ok(())
    }

    /// Adds a function to the list of what is deferred to the end of the program.
    ///
    /// # Safety
    /// `function` is a register that holds a function.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn defer_at_end(&mut self, function: *mut Raw) -> Result<(), Raise> {
        let list = match &self.deferred_to_end {
            Some(list) => list.clone(),
            None => self.deferred_to_end.insert(self.heap.array(0)?).clone(),
        };
        // SAFETY: the caller's promise.
        list.push(unsafe { take(function).into_value() })?;
        self.settle_work();
        Ok(())
    }

    /// Takes the last function from a list of what is deferred.
    #[cold]
    #[inline(never)]
    pub(super) fn next_deferred(&mut self, list: Raw) -> Option<Raw> {
        if list.tag != tag::ARRAY {
            return None;
        }
        // SAFETY: by its tag.
        let function = unsafe { list.object::<Array>() }.pop().ok().flatten();
        function.map(Raw::from_value)
    }

    /// Takes the last function of what is deferred to the end of the program.
    pub(crate) fn take_deferred(&mut self) -> Option<Value> {
        let list = self.deferred_to_end.as_ref()?;
        let function = list.pop().ok().flatten();
        if function.is_none() {
            self.deferred_to_end = None;
        }
        function
    }

    /// Makes room in an array that a comprehension builds. The room is a matter of speed alone: without memory for all
    /// of it the array grows by itself, as far as it gets.
    ///
    /// # Safety
    /// `array` is an array, `state` the register of a loop's state and the next one its position.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn reserve_for(&mut self, array: Raw, state: *mut Raw) {
        // SAFETY: the caller's promise.
        let (array, count) = unsafe {
            let count = match (*state).tag {
                tag::INT => (*state.add(1)).as_int().saturating_sub((*state).as_int()),
                tag::BUFFER => (*state).object::<Buffer>().len() as i64,
                tag::TABLE => (*state).object::<Table>().len() as i64,
                tag::SHAPE => (*state).object::<Shape>().len() as i64,
                tag::SET => (*state).object::<Set>().len() as i64,
                _ => 0,
            };
            (array.object::<Array>(), count)
        };
        if let count @ 1..=MAX_RESERVED = count
            && array.is_empty()
        {
            let _ = array.reserve(&self.heap, count as usize);
        }
    }

    /// The elements of an array from `start` on.
    #[cold]
    #[inline(never)]
    pub(super) fn rest_of(&mut self, array: Raw, start: usize) -> Result<Raw, Raise> {
        // SAFETY: the compiler checks the type before.
        let array = unsafe { array.object::<Array>() };
        let items = array.snapshot()?;
        let rest = items.as_slice().get(start..).unwrap_or(&[]);
        let rest = self.heap.array_from_slice(rest)?;
        self.settle_work();
        Ok(Raw::from_rc(rest))
    }

    /// Whether a value is an instance of a struct of this name.
    #[cold]
    #[inline(never)]
    pub(super) fn is_instance_of(&self, value: Raw, name: u32) -> bool {
        if value.tag == tag::NATIVE {
            // SAFETY: by its tag.
            let native = unsafe { value.object::<NativeObject>() };
            return native.get().type_name() == self.tables.text(name).as_str();
        }
        if value.tag != tag::INSTANCE {
            return false;
        }
        // SAFETY: by its tag.
        let definition = unsafe { value.object::<Instance>() }.definition();
        definition.name().equals(self.tables.text(name))
    }

    /// Words from an instruction that goes by a table to where that leads for a value; one if it has no such value.
    ///
    /// # Safety
    /// `base` is the window of the running frame, `value` alive.
    pub(super) unsafe fn switch_target(&self, base: *mut u8, table: u32, value: Raw) -> u32 {
        // SAFETY: the register before the window names the running closure.
        let code = unsafe { (*(*base.sub(16).cast::<Raw>()).pointer::<Closure>()).code() };
        let switch = &code.switches[table as usize];
        let target = match value.tag {
            tag::INT => switch.int(value.as_int()),
            // SAFETY: by its tag.
            tag::STRING => switch.text(unsafe { value.object::<Str>() }.as_str()),
            _ => None,
        };
        target.unwrap_or(1)
    }

    /// The error of a `match` that no arm of matches a value.
    #[cold]
    #[inline(never)]
    pub(super) fn no_match(&mut self, value: Raw) -> Raise {
        // SAFETY: the register that the value stands in owns it.
        let value = unsafe { value.as_value() };
        match aether_value::display_text(&self.heap, value) {
            Ok(text) => Raise::no_match(text.as_str()),
            Err(raise) => raise,
        }
    }

    /// Whether a value is the variant that a pattern names; `names` holds the constants of enum and variant.
    #[cold]
    #[inline(never)]
    pub(super) fn is_variant(&self, value: Raw, names: u64) -> bool {
        if value.tag != tag::ENUM_VALUE {
            return false;
        }
        // SAFETY: by its tag.
        let value = unsafe { value.object::<EnumValue>() };
        let (enum_name, variant) = (
            self.tables.text(names as u32),
            self.tables.text((names >> 32) as u32),
        );
        value.info().name.equals(variant) && value.definition().name().equals(enum_name)
    }
}

/// Whether `...` takes the items of a value that is no array.
fn is_spreadable(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Dict(_) | Value::Set(_) | Value::Iterator(_) => true,
        value if crate::builtins::Range::of(value).is_some() => true,
        Value::Native(native) => native.get().items().is_some() || native.get().is_collection(),
        _ => false,
    }
}
