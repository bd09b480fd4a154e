//! Method calls that the loop does not make inline.

use aether_value::{Dict, Instance, NativeObject, Raise, Raw, Rc, Set, Value, tag};

use super::{call_simple, call_value, definition, enter, invoke, release_all, take, window_of};
use crate::builtins::{BuiltinDef, EITHER_ITERATOR, Run, Simple};
use crate::bytecode::{Op, name_parts};
use crate::context::Ctx;
use crate::host_function::Class;
use crate::vm::{Flow, Vm, flags, iterates_by_methods};

/// What stands for a shape in the first extension word of a `CallMethod` whose last receiver was no instance: this and
/// the receiver's tag, and above that its [`Lookup`]. The second word is then the built-in's function, which takes this
/// number of arguments.
const BUILTIN: u32 = 0xFFFF_0000;

/// Built-in methods of one argument that `CallMethod1` does without a call: look-ups, and adding to a set.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Lookup {
    None,
    /// `dict.contains`
    InDict,
    /// `dict.get`
    Get,
    /// `set.contains`
    InSet,
    /// `set.add`
    Add,
}

impl Lookup {
    fn of(tag: u8, def: &BuiltinDef, argc: u16) -> Self {
        match (tag, def.info.name) {
            _ if argc != 1 => Self::None,
            (tag::DICT, "contains") => Self::InDict,
            (tag::DICT, "get") => Self::Get,
            (tag::SET, "contains") => Self::InSet,
            (tag::SET, "add") => Self::Add,
            _ => Self::None,
        }
    }

    /// What stands for a shape.
    const fn mark(self, tag: u8) -> u32 {
        BUILTIN | (self as u32) << 8 | tag as u32
    }
}

/// The result of a `CallMethod1` that remembers a look-up, if it is one and the key is an int or a string; unset if not.
/// Nothing is taken or consumed.
///
/// # Safety
/// `ip` is that instruction, the others are its operands.
#[inline(never)]
pub(in crate::vm) unsafe fn lookup(vm: &mut Vm, ip: *const u64, receiver: Raw, key: Raw) -> Raw {
    /// What stands for the shape, by look-up.
    const IN_DICT: u32 = Lookup::InDict.mark(tag::DICT);
    const GET: u32 = Lookup::Get.mark(tag::DICT);
    const IN_SET: u32 = Lookup::InSet.mark(tag::SET);
    const ADD: u32 = Lookup::Add.mark(tag::SET);
    // SAFETY: the caller's promise.
    unsafe {
        let mark = *ip.add(1).cast::<u32>();
        if mark as u8 != receiver.tag || key.tag != tag::INT && key.tag != tag::STRING {
            return Raw::unset();
        }
        let value = match mark {
            IN_DICT => Raw::bool(!receiver.object::<Dict>().find(key).is_null()),
            GET => {
                let place = receiver.object::<Dict>().find(key);
                if place.is_null() {
                    Raw::null()
                } else {
                    (*place).retain();
                    *place
                }
            }
            IN_SET => Raw::bool(receiver.object::<Set>().contains(key.as_value())),
            // What fails is called, and fails again.
            ADD => match receiver.object::<Set>().add(key.clone_value()) {
                Ok(_) => Raw::null(),
                Err(_) => Raw::unset(),
            },
            _ => Raw::unset(),
        };
        vm.settle_work();
        value
    }
}

/// Whether a `CallMethod` remembers a built-in method for receivers with this tag.
///
/// # Safety
/// `ip` is that instruction.
#[inline(always)]
pub(in crate::vm) unsafe fn remembers_builtin(ip: *const u64, tag: u8) -> bool {
    // SAFETY: the caller's promise.
    unsafe { *ip.add(1).cast::<u32>() & 0xFFFF_00FF == BUILTIN | u32::from(tag) }
}

/// Calls the built-in method that a `CallMethod` remembers.
///
/// # Safety
/// `ip` is that instruction, with the receiver it remembers and `argc` arguments in the window `first`.
#[inline(never)]
pub(in crate::vm) unsafe fn call_remembered(
    vm: &mut Vm,
    ip: *const u64,
    first: *mut Raw,
    argc: u16,
) -> Result<(), Raise> {
    // SAFETY: the caller's promise; the word was written by `remember_builtin`.
    unsafe {
        let function =
            std::mem::transmute::<*const (), Simple>(std::ptr::with_exposed_provenance(*ip.add(2) as usize));
        call_simple(vm, function, first, argc as usize + 1)
    }
}

/// Remembers the built-in method that a `CallMethod` has found for a receiver with this tag.
unsafe fn remember_builtin(ip: *mut u64, tag: u8, function: Simple, lookup: Lookup) {
    // SAFETY: the caller's instruction.
    unsafe {
        *ip.add(1) = *ip.add(1) & !0xFFFF_FFFF | u64::from(lookup.mark(tag));
        *ip.add(2) = (function as *const ()).expose_provenance() as u64;
    }
}

/// A method call that missed its inline cache.
///
/// # Safety
/// `ip` is a `CallMethod`, `CallMethod1` or `Push` instruction with the receiver and arguments in its window.
#[cold]
#[inline(never)]
pub(in crate::vm) unsafe fn call_method(vm: &mut Vm, ip: *mut u64, argc: u16) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let window_offset = window_of(ip);
        let word = (*ip.add(1) >> 32) as u32;
        let (remembers, name, number) = match Op::of(*ip) {
            Op::CallMethod => (true, word, (*ip >> 48) as u16),
            Op::CallMethod1 => {
                let (name, number) = name_parts(word);
                (true, name, number)
            }
            _ => (false, word, vm.push_method),
        };
        loop {
            let window = vm.base.add(window_offset as usize);
            let first = window.cast::<Raw>();
            let receiver = *first.add(1);
            if receiver.tag == tag::INSTANCE {
                return call_instance_method(vm, ip, window_offset, argc, name, number);
            }
            if receiver.tag == tag::COROUTINE && number == vm.next_method && argc == 0 {
                return vm.call_next(first);
            }
            if receiver.tag == tag::NATIVE
                && let Some(class) = Class::of(receiver.object::<NativeObject>().get())
                && let Some(method) = class.method(vm.tables.text(name).as_str())
            {
                let count = argc as usize + 1;
                let arguments = std::slice::from_raw_parts(first.add(1).cast::<Value>(), count);
                let result = Raw::from_value(method.call(&mut Ctx { vm }, arguments, 1)?);
                vm.settle_work();
                release_all(first.add(1), count);
                *first = result;
                return Ok(Flow::Next);
            }
            if let Some(def) = method_of(vm, receiver, number, name) {
                let hidden =
                    number == vm.then_method && matches!(receiver.tag, tag::MODULE | tag::DICT | tag::WEAK);
                if !hidden {
                    if let Run::Simple(function) = def.run
                        && def.iterables == 0
                        && argc >= u16::from(def.info.min_args)
                        && argc <= u16::from(def.info.max_args)
                    {
                        // A native object's own method is another object's another one.
                        if remembers && receiver.tag != tag::NATIVE {
                            let lookup = Lookup::of(receiver.tag, def, argc);
                            remember_builtin(ip, receiver.tag, function, lookup);
                        }
                        call_simple(vm, function, first, argc as usize + 1)?;
                        return Ok(Flow::Next);
                    }
                    *first = Raw::null();
                    return invoke(vm, def, window, argc as usize + 1, 1, ip.add(3), 0);
                }
            }
            let name_text = vm.tables.text(name).clone();
            let function = match receiver.as_value() {
                Value::Weak(weak) => {
                    // The call acts on the live target.
                    let target = weak.upgrade().ok_or_else(Raise::dropped_weak)?;
                    let old = *first.add(1);
                    *first.add(1) = Raw::from_value(target);
                    old.release();
                    continue;
                }
                Value::Dict(dict) => dict
                    .get_text(&name_text)
                    .filter(|raw| raw.as_value().is_callable())
                    .map(|raw| raw.clone_value()),
                Value::Module(module) => Some(vm.module_member(module, &name_text)?),
                Value::Native(native) => native.get().member(&vm.heap, name_text.as_str())?,
                Value::EnumDef(definition) => {
                    let value = crate::vm::member::enum_member(vm, definition, &name_text)?;
                    Some(value)
                }
                _ => None,
            };
            let Some(function) = function else {
                if let Some(def) = vm.method(number, receiver.tag) {
                    *first = Raw::null();
                    return invoke(vm, def, window, argc as usize + 1, 1, ip.add(3), 0);
                }
                return Err(Raise::no_method(
                    &receiver.as_value().type_name(),
                    name_text.as_str(),
                ));
            };
            return call_in_place(vm, window_offset, argc, function);
        }
    }
}

/// The built-in method of a value; a native object's own go first.
fn method_of(vm: &Vm, receiver: Raw, number: u16, name: u32) -> Option<&'static BuiltinDef> {
    if receiver.tag == tag::NATIVE {
        // SAFETY: the receiver is a value in a register, and this is its tag.
        let native = unsafe { receiver.object::<NativeObject>() };
        if let Some(method) = native.get().method(vm.tables.text(name).as_str()) {
            return Some(definition(Raw::builtin(method.0)));
        }
        // Of iterators it has those that do no more than to go through it.
        if native.get().items().is_some() || iterates_by_methods(native) {
            let lazy = vm.method(number, tag::ITERATOR).filter(|def| {
                EITHER_ITERATOR
                    .iter()
                    .any(|known| known.info.name == def.info.name)
            });
            if lazy.is_some() {
                return lazy;
            }
        }
    }
    vm.method(number, receiver.tag)
}

/// Calls `function` with the arguments of a method call, whose receiver goes away.
unsafe fn call_in_place(vm: &mut Vm, window_offset: u16, argc: u16, function: Value) -> Result<Flow, Raise> {
    // SAFETY: the window holds a receiver and `argc` arguments.
    unsafe {
        let first = vm.base.add(window_offset as usize).cast::<Raw>();
        *first = Raw::from_value(function);
        take(first.add(1)).release();
        for index in 0..argc as usize {
            *first.add(1 + index) = take(first.add(2 + index));
        }
        call_value(vm, window_offset, argc, 3)
    }
}

/// A method call on an instance: a method of its struct, which is cached; else a callable field; else what every
/// value has.
unsafe fn call_instance_method(
    vm: &mut Vm,
    ip: *mut u64,
    window_offset: u16,
    argc: u16,
    name: u32,
    number: u16,
) -> Result<Flow, Raise> {
    // SAFETY: the window holds an instance and `argc` arguments.
    unsafe {
        let window = vm.base.add(window_offset as usize);
        let first = window.cast::<Raw>();
        let receiver = *first.add(1);
        let instance = receiver.object::<Instance>();
        let name = vm.tables.text(name).clone();
        let builtin = vm.method(number, tag::INSTANCE);
        if let Some(def) = builtin
            && def.info.name == "equals"
        {
            *first = Raw::null();
            return invoke(vm, def, window, argc as usize + 1, 1, ip.add(3), 0);
        }
        if let Some(method) = instance.definition().method(&name) {
            let closure = Rc::as_ptr(method);
            if method.only_promises() {
                let values: Vec<Value> = (0..=argc as usize)
                    .map(|index| (*first.add(1 + index)).clone_value())
                    .collect();
                super::check_arity(method.code(), argc as usize)?;
                let promise = vm.unstarted(&method.clone(), &values)?;
                release_all(first.add(1), argc as usize + 1);
                *first = promise;
                return Ok(Flow::Next);
            }
            if method.is_empty() && !method.code().assigns_self {
                // Nothing but its definition owns a method, and the instance keeps that alive.
                *ip.add(1) = (*ip.add(1) & !0xFFFF_FFFF) | u64::from(instance.shape_id());
                *ip.add(2) = closure as u64;
                if Op::of(*ip) == Op::Push {
                    *ip.add(1) &= !0xFFFF_FFFF;
                }
                let callee = Raw {
                    tag: tag::FUNCTION,
                    payload: closure as u64,
                };
                *first = Raw {
                    tag: tag::ALIAS,
                    payload: closure as u64,
                };
                enter(vm, callee, window, argc as usize, 0, ip.add(3))?;
                return Ok(Flow::Switched);
            }
            // Held while it runs: the instance may go.
            let callee = Raw::from_rc(method.clone());
            *first = callee;
            enter(vm, callee, window, argc as usize, flags::OWNS_CALLEE, ip.add(3))?;
            return Ok(Flow::Switched);
        }
        if let Some(field) = instance.field(&name)
            && field.is_callable()
        {
            return call_in_place(vm, window_offset, argc, field);
        }
        if let Some(def) = builtin {
            *first = Raw::null();
            return invoke(vm, def, window, argc as usize + 1, 1, ip.add(3), 0);
        }
        Err(Raise::no_method(&receiver.as_value().type_name(), name.as_str()))
    }
}
