//! Members, elements and slices beyond what the loop does inline.
#![expect(
    unsafe_code,
    reason = "reads objects through registers and patches inline caches"
)]

use aether_value::{
    Array, Dict, EntryIndex, EnumDef, ErrorKind, Header, Heap, Instance, Raise, Raw, Rc, Str, Value,
    display_text, hashable_check, tag,
};

use super::{Vm, call};
use crate::bytecode::{AS_INDEX, OR_NULL, Op, fields, member_name};

/// The name of a member instruction.
unsafe fn name_of(vm: &Vm, ip: *mut u64) -> Rc<Str> {
    // SAFETY: word 1 of a member instruction holds the name's constant in its upper half.
    unsafe { vm.tables.text(member_name(*ip.add(1))).clone() }
}

/// Whether a member instruction stands for an index with a string, and not for a name after a dot.
unsafe fn is_index(ip: *const u64) -> bool {
    // SAFETY: as above.
    unsafe { (*ip.add(1) >> 32) as u32 & AS_INDEX != 0 }
}

/// Remembers a shape and slot in a field instruction.
unsafe fn remember(ip: *mut u64, shape: u32, slot: u16) {
    // SAFETY: the instruction has a slot in field c and a shape in the lower half of word 1.
    unsafe {
        *ip.cast::<u16>().add(3) = slot * 16;
        *ip.add(1) = (*ip.add(1) & !0xFFFF_FFFF) | u64::from(shape);
    }
}

/// Where the value is that an inline cache remembers as this slot of this shape; null if the object is of another one.
///
/// # Safety
/// `object` is a value; the slot, times sixteen, is one of every instance or record of the shape.
#[inline(always)]
pub(super) unsafe fn cached_slot(object: Raw, shape: u32, slot: u16) -> *mut Raw {
    // SAFETY: the caller's promise.
    unsafe {
        if object.tag == tag::INSTANCE {
            if (*object.pointer::<Header>()).shape.get() == shape {
                let start = object.pointer::<u8>();
                return start.add(Instance::SLOTS_OFFSET + slot as usize).cast();
            }
        } else if object.tag == tag::DICT {
            return record_slot(object, shape, slot);
        }
        std::ptr::null_mut()
    }
}

/// The same for a dict.
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn record_slot(object: Raw, shape: u32, slot: u16) -> *mut Raw {
    // SAFETY: the caller's promise.
    unsafe {
        if (*object.pointer::<Header>()).shape.get() == shape {
            let body = object.pointer::<u8>().add(Dict::BODY_OFFSET);
            return (*body.cast::<*mut u8>()).add(slot as usize).cast();
        }
        std::ptr::null_mut()
    }
}

/// What a pattern reads of a dict or an instance: the value under a key, or of a field; none if there is none.
///
/// # Safety
/// `ip` is a `KeyOrNull` or `MemberOrUnset` instruction, `object` a value.
#[inline(never)]
pub(super) unsafe fn key_or_none(vm: &mut Vm, ip: *mut u64, object: Raw) -> Option<Raw> {
    // SAFETY: the caller's promise.
    unsafe {
        let slot = cached_slot(object, *ip.add(1) as u32, (*ip >> 48) as u16);
        if !slot.is_null() {
            (*slot).retain();
            return Some(*slot);
        }
        let name = vm.tables.text(member_name(*ip.add(1)));
        match object.as_value() {
            Value::Dict(dict) => {
                if let Some(slot) = dict.slot(name) {
                    remember(ip, dict.shape_id(), slot);
                }
                let found = dict.get_text(name)?;
                found.retain();
                Some(*found)
            }
            Value::Instance(instance) => {
                if let Some(slot) = instance.definition().slot(name) {
                    remember(ip, instance.shape_id(), slot);
                }
                instance.field(name).map(Raw::from_value)
            }
            _ => None,
        }
    }
}

/// `object?.[index]` of a value that is not null.
fn element_or_null(vm: &mut Vm, object: &Value, index: &Value) -> Result<Value, Raise> {
    let at = |index: &Value| match index {
        Value::Int(at) => Ok(usize::try_from(*at).ok()),
        other => Err(Raise::type_error("int", &other.type_name())),
    };
    match (object, index) {
        (Value::Dict(dict), key) => {
            hashable_check(key)?;
            Ok(dict.get_value(key).unwrap_or(Value::Null))
        }
        (Value::Array(array), index @ Value::Int(_)) => Ok(at(index)?
            .and_then(|at| array.get_value(at))
            .unwrap_or(Value::Null)),
        (Value::String(text), index @ Value::Int(_)) => {
            match at(index)?.and_then(|at| text.char_at(&vm.heap, at)) {
                Some(character) => Ok(Value::String(character?)),
                None => Ok(Value::Null),
            }
        }
        (object, index) => element(vm, object, index),
    }
}

/// Reads a member of any value, caching fields of instances and keys of records.
///
/// # Safety
/// `ip` is a `GetField` instruction.
#[cold]
#[inline(never)]
pub(super) unsafe fn get_field(vm: &mut Vm, ip: *mut u64, object: Raw) -> Result<Raw, Raise> {
    // SAFETY: the caller's promise; the object is a value.
    unsafe {
        let as_index = is_index(ip);
        if object.tag == tag::DICT {
            let name = vm.tables.text(member_name(*ip.add(1)));
            if as_index || !is_length(name.as_str()) {
                let dict = object.object::<Dict>();
                if let Some(slot) = dict.slot(name) {
                    remember(ip, dict.shape_id(), slot);
                    let found = *dict.value_at(EntryIndex::new(slot));
                    found.retain();
                    return Ok(found);
                }
                if let Some(found) = dict.get_text(name) {
                    found.retain();
                    vm.settle_work();
                    return Ok(*found);
                }
            }
        }
        let name = name_of(vm, ip);
        if as_index {
            let index = Value::String(name);
            let value = if (*ip.add(1) >> 32) as u32 & OR_NULL != 0 {
                element_or_null(vm, object.as_value(), &index)?
            } else {
                element(vm, object.as_value(), &index)?
            };
            return Ok(Raw::from_value(value));
        }
        if object.tag == tag::INSTANCE {
            let instance = object.object::<Instance>();
            if let Some(slot) = instance.definition().slot(&name) {
                remember(ip, instance.shape_id(), slot);
                return Ok(Raw::from_value(instance.slots()[slot as usize].clone_value()));
            }
        }
        Ok(Raw::from_value(get_member(vm, object.as_value(), &name)?))
    }
}

/// Whether a member of a collection is its length, whatever it holds.
#[inline]
fn is_length(name: &str) -> bool {
    matches!(name, "length" | "size")
}

/// Reads a member of any value.
pub(super) fn get_member(vm: &mut Vm, object: &Value, name: &Rc<Str>) -> Result<Value, Raise> {
    let text = name.as_str();
    let length = |length: usize| Ok(Value::Int(length as i64));
    let is_length = is_length(text);
    match object {
        Value::Instance(instance) => {
            if let Some(value) = instance.field(name) {
                return Ok(value);
            }
            if let Some(method) = instance.definition().method(name) {
                return Ok(Value::BoundMethod(
                    vm.heap.bound_method(object.clone(), method.clone())?,
                ));
            }
        }
        Value::Dict(dict) if is_length => return length(dict.len()),
        Value::Dict(dict) => {
            return match dict.get_text(name) {
                // SAFETY: dicts hold values.
                Some(raw) => Ok(unsafe { raw.clone_value() }),
                None => Err(Raise::key_member(text)),
            };
        }
        Value::Array(array) if is_length => return length(array.len()),
        Value::String(string) if is_length => return length(string.len_chars()),
        Value::Set(set) if is_length => return length(set.len()),
        Value::Module(module) => return vm.module_member(module, name),
        Value::EnumDef(definition) => return enum_member(vm, definition, name),
        Value::EnumValue(value) => {
            if let Some(value) = value.field(name) {
                return Ok(value.clone());
            }
        }
        Value::Error(error) => match text {
            "message" => return Ok(Value::String(error.message().clone())),
            "stack_trace" => {
                let trace = super::unwind::trace_text(error);
                return Ok(Value::String(vm.heap.string(&trace)?));
            }
            "value" => return Ok(error.value().clone()),
            "line" => return Ok(Value::Int(i64::from(error.line()))),
            "kind" => return Ok(Value::String(vm.heap.intern(error.kind().as_str())?)),
            "errors"
                if error.kind() != aether_value::ErrorKind::Thrown
                    && matches!(error.value(), Value::Array(_)) =>
            {
                return Ok(error.value().clone());
            }
            _ => {}
        },
        Value::Promise(promise) if text == "status" => {
            return Ok(Value::String(vm.heap.intern(promise.status())?));
        }
        Value::Weak(weak) => {
            let target = weak.upgrade().ok_or_else(Raise::dropped_weak)?;
            return get_member(vm, &target, name);
        }
        Value::Native(native) => {
            if let Some(value) = native.get().member(&vm.heap, text)? {
                return Ok(value);
            }
            if let Some(method) = crate::host_function::bound_method(&vm.heap, object, text)? {
                return Ok(method);
            }
        }
        _ => {}
    }
    Err(Raise::no_property(&object.type_name(), text))
}

/// A variant of an enum: a value without payload, else its constructor.
pub(super) fn enum_member(vm: &mut Vm, definition: &Rc<EnumDef>, name: &Rc<Str>) -> Result<Value, Raise> {
    let Some(variant) = definition.variant(name) else {
        return Err(Raise::no_variant(definition.name().as_str(), name.as_str()));
    };
    if definition.variants()[variant as usize].fields.is_empty() {
        return Ok(Value::EnumValue(vm.heap.enum_value(
            definition,
            variant,
            Vec::new(),
        )?));
    }
    Ok(Value::EnumConstructor(
        vm.heap.enum_constructor(definition, variant)?,
    ))
}

/// Writes a member of any value, caching fields of instances and keys of records. Takes `from` if `moves`, on success.
///
/// # Safety
/// `ip` is a `SetField` instruction and `from` a register.
#[cold]
#[inline(never)]
pub(super) unsafe fn set_field(
    vm: &mut Vm,
    ip: *mut u64,
    object: Raw,
    from: *mut Raw,
    moves: bool,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let name = name_of(vm, ip);
        if object.tag == tag::INSTANCE {
            let instance = object.object::<Instance>();
            // Annotated fields are checked here, every time.
            let definition = instance.definition();
            if let (Some(slot), None) = (definition.slot(&name), definition.types())
                && !is_index(ip)
            {
                remember(ip, instance.shape_id(), slot);
            }
        } else if object.tag == tag::DICT {
            let dict = object.object::<Dict>();
            if let Some(slot) = dict.slot(&name) {
                remember(ip, dict.shape_id(), slot);
            }
            if set_entry(vm, object, &Raw::of_rc(&name), from, moves)? {
                return Ok(());
            }
        }
        let value = (*from).clone_value();
        if is_index(ip) {
            set_element(object.as_value(), &Value::String(name), value)?;
        } else {
            set_member(object.as_value(), &name, value)?;
        }
        vm.settle_work();
        if moves {
            call::take(from).release();
        }
        Ok(())
    }
}

/// Writes a member of any value.
fn set_member(object: &Value, name: &Rc<Str>, value: Value) -> Result<(), Raise> {
    match object {
        Value::Instance(instance) => {
            let old = match instance.definition().slot(name) {
                Some(slot) => {
                    let value = instance.definition().fit(slot as usize, value)?;
                    Some(instance.set_slot(slot as usize, value))
                }
                None => instance.set_extra_field(name, value)?,
            };
            drop(old);
            Ok(())
        }
        Value::Dict(dict) => {
            let old = dict.insert(Value::String(name.clone()), value)?;
            drop(old);
            Ok(())
        }
        Value::Weak(weak) => {
            let target = weak.upgrade().ok_or_else(Raise::dropped_weak)?;
            set_member(&target, name, value)
        }
        Value::Native(native)
            if native
                .get()
                .set_member(&Heap::of(&**native), name.as_str(), &value)? =>
        {
            Ok(())
        }
        other => Err(Raise::assign_field(&other.type_name())),
    }
}

/// `object.name op= right`, where `op` is `+` or `-`.
///
/// # Safety
/// `ip` is an `AddField` or `SubtractField` instruction and `right` a register.
#[cold]
#[inline(never)]
pub(super) unsafe fn compound_field(
    vm: &mut Vm,
    ip: *mut u64,
    object: Raw,
    right: *mut Raw,
    adds: bool,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let name = name_of(vm, ip);
        let consumed = *ip.add(2) & 1 != 0;
        let as_index = is_index(ip);
        let mut place: *mut Raw = std::ptr::null_mut();
        if object.tag == tag::INSTANCE && !as_index {
            let instance = object.object::<Instance>();
            let definition = instance.definition();
            if let (Some(slot), None) = (definition.slot(&name), definition.types()) {
                remember(ip, instance.shape_id(), slot);
                place = instance.slots_ptr().add(slot as usize);
            }
        } else if object.tag == tag::DICT && (as_index || !is_length(name.as_str())) {
            let dict = object.object::<Dict>();
            place = dict.find_mut(Raw::of_rc(&name));
            if let Some(slot) = dict.slot(&name) {
                remember(ip, dict.shape_id(), slot);
            }
        }
        if place.is_null() {
            let index = Value::String(name.clone());
            let old = Raw::from_value(if as_index {
                element(vm, object.as_value(), &index)?
            } else {
                get_member(vm, object.as_value(), &name)?
            });
            let value = if adds {
                vm.add_values(&old, &*right)
            } else {
                Vm::subtract_values(&old, &*right)
            };
            old.release();
            let value = value?.into_value();
            if as_index {
                set_element(object.as_value(), &index, value)?;
            } else {
                set_member(object.as_value(), &name, value)?;
            }
            vm.settle_work();
        } else if adds {
            let mut old = Raw::from_value((*place).clone_value());
            let mut operand = Raw::from_value((*right).clone_value());
            let result = vm.add_to_place(place, &raw mut old, &raw mut operand);
            if result.is_err() {
                old.release();
                operand.release();
            }
            result?;
        } else {
            let value = Vm::subtract_values(&*place, &*right)?;
            let old = *place;
            *place = value;
            old.release();
        }
        if consumed {
            call::take(right).release();
        }
        Ok(())
    }
}

/// Executes a `GetIndex` of anything but an element of an array.
///
/// # Safety
/// `ip` is a `GetIndex`, or a pair that begins with one, on the frame `base`.
#[inline(never)]
pub(super) unsafe fn index_into(vm: &mut Vm, ip: *const u64, base: *mut u8) -> Result<(), Raise> {
    // SAFETY: the fields name registers of the frame, which hold values; a found entry is a value.
    unsafe {
        let (a, b, c) = fields(*ip);
        let register = |field: u16| base.add(field as usize).cast::<Raw>();
        let (object, index) = (*register(b), *register(c));
        if object.tag == tag::DICT {
            let found = object.object::<Dict>().find(index);
            if !found.is_null() {
                *register(a) = *found;
                (*found).retain();
                vm.settle_work();
                return Ok(());
            }
        } else if object.tag == tag::STRING && index.tag == tag::INT {
            let (text, at) = (object.object::<Str>(), index.payload as usize);
            // What is only compared is never made where the pair is executed as one: then it must not stay here either.
            let is_compared = matches!(Op::of(*ip), Op::GetIndexJumpEqualK | Op::GetIndexJumpNotEqualK);
            let character = if is_compared {
                text.char_for_now(&vm.heap, at)
            } else {
                text.char_at(&vm.heap, at)
            };
            if let Some(character) = character {
                *register(a) = Raw::from_rc(character?);
                return Ok(());
            }
        }
        *register(a) = Raw::from_value(element(vm, object.as_value(), index.as_value())?);
        Ok(())
    }
}

/// Executes a `GetIndex` of anything.
///
/// # Safety
/// As for [`index_into`].
#[cold]
#[inline(never)]
pub(super) unsafe fn index_alone(vm: &mut Vm, ip: *const u64, base: *mut u8) -> Result<(), Raise> {
    // SAFETY: the caller's promise.
    unsafe { index_into(vm, ip, base) }
}

/// Executes a `GetField`. One that finds a dict is no longer the first of a pair: those are for instances, and alone it has
/// a record's values at hand.
///
/// # Safety
/// `ip` is a `GetField`, or a pair that begins with one, on the frame `base`.
#[cold]
#[inline(never)]
pub(super) unsafe fn field_alone(vm: &mut Vm, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
    // SAFETY: the fields name registers of the frame; a cached slot is one of every instance of the shape.
    unsafe {
        let (a, b, c) = fields(*ip);
        let register = |field: u16| base.add(field as usize).cast::<Raw>();
        let object = *register(b);
        if object.tag == tag::DICT {
            *ip.cast::<u16>() = Op::GetField as u16;
        }
        let slot = cached_slot(object, *ip.add(1) as u32, c);
        if !slot.is_null() {
            let value = *slot;
            value.retain();
            *register(a) = value;
            return Ok(());
        }
        *register(a) = get_field(vm, ip, object)?;
        Ok(())
    }
}

/// Executes a `GetIndex` that consumes its object, its index, or both.
///
/// # Safety
/// As for [`index_into`]; a consumed object is in the register that is written.
#[cold]
#[inline(never)]
pub(super) unsafe fn index_consuming(
    vm: &mut Vm,
    ip: *const u64,
    base: *mut u8,
    consumes_object: bool,
    consumes_index: bool,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise; each count is given up once.
    unsafe {
        let (a, b, c) = fields(*ip);
        let register = |field: u16| base.add(field as usize).cast::<Raw>();
        let value = get_index(vm, *register(b), *register(c))?;
        if consumes_index {
            call::take(register(c)).release();
        }
        if consumes_object {
            call::take(register(b)).release();
        }
        *register(a) = value;
        Ok(())
    }
}

/// `object[index]` of any value.
#[cold]
#[inline(never)]
pub(super) fn get_index(vm: &mut Vm, object: Raw, index: Raw) -> Result<Raw, Raise> {
    // SAFETY: both are values of live registers, and entries hold values.
    unsafe {
        if object.tag == tag::DICT {
            let found = object.object::<Dict>().find(index);
            if !found.is_null() {
                (*found).retain();
                vm.settle_work();
                return Ok(*found);
            }
        }
    }
    // SAFETY: as above.
    let (object, index) = unsafe { (object.as_value(), index.as_value()) };
    element(vm, object, index).map(Raw::from_value)
}

/// The truth of `object[index]` for a jump, which consumes the index if its flag says so.
///
/// # Safety
/// `ip` is that jump, `index` its register.
#[cold]
#[inline(never)]
pub(super) unsafe fn element_truth(
    vm: &mut Vm,
    ip: *const u64,
    object: Raw,
    index: *mut Raw,
) -> Result<bool, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let value = element(vm, object.as_value(), (*index).as_value())?;
        if *ip >> 48 & 2 != 0 && (*index).is_counted() {
            call::take(index).release();
        }
        Ok(value.truthy())
    }
}

impl Vm {
    /// `object.name` as what a call wants; for an object without members the error of a method call.
    pub(crate) fn callable_member(&mut self, object: &Value, name: &Rc<Str>) -> Result<Value, Raise> {
        let has_members = matches!(
            object,
            Value::Instance(_)
                | Value::Dict(_)
                | Value::Module(_)
                | Value::EnumDef(_)
                | Value::Weak(_)
                | Value::Native(_)
        );
        if has_members {
            let missing = || Raise::no_method(&object.type_name(), name.as_str());
            match get_member(self, object, name) {
                Ok(value) if matches!(object, Value::Dict(_)) && !value.is_callable() => Err(missing()),
                Err(raise)
                    if matches!(object, Value::Instance(_) | Value::Dict(_))
                        && matches!(raise.kind(), ErrorKind::Property | ErrorKind::Key) =>
                {
                    Err(missing())
                }
                found => found,
            }
        } else {
            Err(Raise::no_method(&object.type_name(), name.as_str()))
        }
    }

    /// `object?.[index]` of a value that is not null, for built-ins.
    pub(crate) fn element_or_null(&mut self, object: &Value, index: &Value) -> Result<Value, Raise> {
        element_or_null(self, object, index)
    }
}

fn element(vm: &mut Vm, object: &Value, index: &Value) -> Result<Value, Raise> {
    if let (Value::Array(_) | Value::String(_), Some(range)) = (object, crate::builtins::Range::of(index)) {
        return part(vm, object, range);
    }
    match object {
        Value::Array(array) => {
            let Value::Int(at) = index else {
                return Err(Raise::index_type("array", &index.type_name()));
            };
            let value = usize::try_from(*at).ok().and_then(|at| array.get_value(at));
            value.ok_or_else(|| Raise::index_out_of_bounds(*at, array.len()))
        }
        Value::Dict(dict) => {
            hashable_check(index)?;
            let Some(raw) = dict.get(index) else {
                let key = display_text(&vm.heap, index)?;
                return Err(Raise::key_index(key.as_str()));
            };
            vm.settle_work();
            // SAFETY: dicts hold values.
            Ok(unsafe { raw.clone_value() })
        }
        Value::String(string) => {
            let Value::Int(at) = index else {
                return Err(Raise::index_type("string", &index.type_name()));
            };
            let character = usize::try_from(*at)
                .ok()
                .and_then(|at| string.char_at(&vm.heap, at));
            match character {
                Some(character) => Ok(Value::String(character?)),
                None => Err(Raise::index_out_of_bounds(*at, string.len_chars())),
            }
        }
        Value::Weak(weak) => {
            let target = weak.upgrade().ok_or_else(Raise::dropped_weak)?;
            element(vm, &target, index)
        }
        Value::Native(native) if let Some(value) = native.get().element(&vm.heap, index)? => Ok(value),
        other => Err(Raise::index_type(&other.type_name(), &index.type_name())),
    }
}

/// `dict[key] = value`; false, and nothing done, if the key is neither an int nor a string, or a snapshot may share
/// the entries. Takes `from` if `moves`, on success.
///
/// # Safety
/// `object` is a dict, `key` a value, `from` a register.
#[inline(never)]
pub(super) unsafe fn set_entry(
    vm: &mut Vm,
    object: Raw,
    key: *const Raw,
    from: *mut Raw,
    moves: bool,
) -> Result<bool, Raise> {
    // SAFETY: the caller's promise; the old value is released when the dict is whole.
    unsafe {
        let dict = object.object::<Dict>();
        let mut place = dict.find_mut(*key);
        if place.is_null() {
            place = dict.add_place(*key)?;
            if place.is_null() {
                return Ok(false);
            }
        }
        let (old, value) = (*place, *from);
        if moves {
            (*from).tag = tag::NULL;
        } else {
            value.retain();
        }
        (*place).tag = value.tag;
        (*place).payload = value.payload;
        old.release();
        vm.settle_work();
        Ok(true)
    }
}

/// `object[index] = value`. Takes `from` if `moves`, on success.
///
/// # Safety
/// `from` is a register, the others values.
#[cold]
#[inline(never)]
pub(super) unsafe fn set_index(
    vm: &mut Vm,
    object: Raw,
    index: *const Raw,
    from: *mut Raw,
    moves: bool,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let value = (*from).clone_value();
        set_element(object.as_value(), (*index).as_value(), value)?;
        vm.settle_work();
        if moves {
            call::take(from).release();
        }
        Ok(())
    }
}

fn set_element(object: &Value, index: &Value, value: Value) -> Result<(), Raise> {
    match object {
        Value::Array(array) => {
            let at = array_index(array, index)?;
            drop(array.set(at, value)?);
            Ok(())
        }
        Value::Dict(dict) => {
            hashable_check(index)?;
            drop(dict.insert(index.clone(), value)?);
            Ok(())
        }
        Value::Weak(weak) => {
            let target = weak.upgrade().ok_or_else(Raise::dropped_weak)?;
            set_element(&target, index, value)
        }
        Value::Native(native) if native.get().set_element(&Heap::of(&**native), index, &value)? => Ok(()),
        other => Err(Raise::type_error("array", &other.type_name())),
    }
}

fn array_index(array: &Array, index: &Value) -> Result<usize, Raise> {
    let Value::Int(at) = index else {
        return Err(Raise::index_type("array", &index.type_name()));
    };
    match usize::try_from(*at) {
        Ok(at) if at < array.len() => Ok(at),
        _ => Err(Raise::index_out_of_bounds(*at, array.len())),
    }
}

/// `object[index] = old + right`, where `old` is what the element held when it was read. Takes both on success.
///
/// # Safety
/// `old` and `right` are registers, the others values.
#[cold]
#[inline(never)]
pub(super) unsafe fn add_index(
    vm: &mut Vm,
    object: Raw,
    index: Raw,
    old: *mut Raw,
    right: *mut Raw,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise; the element's place is found after everything that may move it.
    unsafe {
        let place = match (object.as_value(), index.as_value()) {
            (Value::Array(array), index) if !array.is_guarded() => {
                let at = array_index(array, index)?;
                Some(array.items().add(at).cast_mut())
            }
            _ => None,
        };
        if let Some(place) = place {
            return vm.add_to_place(place, old, right);
        }
        if let (Value::Dict(dict), key) = (object.as_value(), index.as_value()) {
            return add_entry(vm, dict, key, old, right);
        }
        let value = vm.add_values(&*old, &*right)?;
        set_element(object.as_value(), index.as_value(), value.into_value())?;
        call::take(old).release();
        call::take(right).release();
        vm.settle_work();
        Ok(())
    }
}

/// `object[index] = object[index] + right`. Takes `right` if it is consumed, on success.
///
/// # Safety
/// `right` is a register, the others values.
#[cold]
#[inline(never)]
pub(super) unsafe fn add_element(
    vm: &mut Vm,
    object: Raw,
    index: Raw,
    right: *mut Raw,
    consumed: bool,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise; each count is moved or released once.
    unsafe {
        if object.tag == tag::DICT {
            let place = object.object::<Dict>().find_mut(index);
            if !place.is_null()
                && (*place).tag == tag::INT
                && (*right).tag == tag::INT
                && let Some(sum) = ((*place).payload as i64).checked_add((*right).payload as i64)
            {
                *place = Raw::int(sum);
                return Ok(());
            }
        }
        vm.settle_work();
        let mut old = Raw::from_value(element(vm, object.as_value(), index.as_value())?);
        let mut operand = Raw::from_value((*right).clone_value());
        let result = add_index(vm, object, index, &raw mut old, &raw mut operand);
        if result.is_err() {
            old.release();
            operand.release();
        } else if consumed {
            call::take(right).release();
        }
        result
    }
}

/// The same for a dict's entry.
unsafe fn add_entry(
    vm: &mut Vm,
    dict: &Rc<Dict>,
    key: &Value,
    old: *mut Raw,
    right: *mut Raw,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let entry = dict.entry(key);
        let same = entry.filter(|&entry| (*old).tag == tag::STRING && Raw::same(*dict.value_at(entry), *old));
        let Some(entry) = same else {
            let value = vm.add_values(&*old, &*right)?.into_value();
            match entry {
                Some(entry) => drop(dict.set_value_at(entry, value)?),
                None => drop(dict.insert(key.clone(), value)?),
            }
            call::take(old).release();
            call::take(right).release();
            return Ok(());
        };
        let mut place = Raw::from_value(dict.set_value_at(entry, Value::Null)?);
        let result = vm.add_to_place(&raw mut place, old, right);
        drop(dict.set_value_at(entry, place.into_value())?);
        result
    }
}

/// `R[first][R[first+1]:R[first+2]]`; takes the three on success.
///
/// # Safety
/// The three are values in registers.
#[cold]
#[inline(never)]
pub(super) unsafe fn slice(vm: &mut Vm, first: *mut Raw) -> Result<Raw, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let object = (*first).as_value();
        let length = sliceable(object)?;
        let start = bound((*first.add(1)).as_value(), length)?;
        let end = bound((*first.add(2)).as_value(), length)?;
        let value = elements(vm, object, start, end)?;
        for index in 0..3 {
            call::take(first.add(index)).release();
        }
        vm.settle_work();
        Ok(Raw::from_value(value))
    }
}

/// The number of elements of what can be sliced: an array or a string.
fn sliceable(object: &Value) -> Result<usize, Raise> {
    match object {
        Value::Array(array) => Ok(array.len()),
        Value::String(string) => Ok(string.len_chars()),
        other => Err(Raise::slice(&other.type_name())),
    }
}

/// The elements from `start` to before `end`, both at most the number of them; none if `end` is before `start`.
fn elements(vm: &mut Vm, object: &Value, start: usize, end: usize) -> Result<Value, Raise> {
    let end = end.max(start);
    match object {
        Value::String(string) => Ok(Value::String(string.slice_chars(&vm.heap, start, end)?)),
        Value::Array(array) => {
            vm.tick((end - start) / 16)?;
            let items = array.snapshot()?;
            let part = vm.heap.array_from_slice(&items.as_slice()[start..end])?;
            Ok(Value::Array(part))
        }
        other => Err(Raise::slice(&other.type_name())),
    }
}

/// `object[a..b]` of an array or a string: a slice, with the end if the range includes it.
fn part(vm: &mut Vm, object: &Value, range: crate::builtins::Range) -> Result<Value, Raise> {
    if range.step != 1 {
        return Err(Raise::operation("a slice by a range has step 1"));
    }
    let length = sliceable(object)?;
    let start = bound(&Value::Int(range.start), length)?;
    let end = match (range.inclusive, range.end) {
        // The last element is included: there is none behind it.
        (true, -1) => length,
        (true, end) => bound(&Value::Int(end.saturating_add(1)), length)?,
        (false, end) => bound(&Value::Int(end), length)?,
    };
    let value = elements(vm, object, start, end)?;
    vm.settle_work();
    Ok(value)
}

/// A slice's bound: negative counts from the end, then clamped.
#[inline(always)]
fn bound(value: &Value, length: usize) -> Result<usize, Raise> {
    match value {
        Value::Int(at) if *at < 0 => Ok(length.saturating_sub(at.unsigned_abs() as usize)),
        Value::Int(at) => Ok((*at as usize).min(length)),
        other => Err(Raise::type_error("int", &other.type_name())),
    }
}
