//! Calls with arguments by name whose places the compiler does not know: they are put in their places in the window,
//! and then the call is a plain one. What is no function of the language goes through the built-ins for such calls.

use aether_value::{Code, Instance, Raise, Raw, Rc, Str, Value, tag};

use super::{enter, invoke, is_entered, take};
use crate::builtins;
use crate::bytecode::fields;
use crate::vm::{Flow, Vm, flags};

/// Most arguments by name that instructions place.
pub(crate) const MOST_NAMED: usize = 16;

/// Executes a `CallKeywords` or `CallMethodKeywords`.
///
/// # Safety
/// `vm.ip` is the instruction, with its values in its window; `vm.base` is its frame.
#[cold]
#[inline(never)]
pub(in crate::vm) unsafe fn call_keywords(vm: &mut Vm, is_method: bool) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise: the fields name registers, the words a site and a constant.
    unsafe {
        let (window, positional, named) = fields(*vm.ip);
        let site = *vm.ip.add(1) as u32;
        let (positional, named) = (positional as usize, named as usize);
        let start = vm.base.add(window as usize);
        let first = start.cast::<Raw>();
        let receivers = usize::from(is_method);
        let callee = if is_method {
            let name = vm.tables.text((*vm.ip.add(1) >> 32) as u32).clone();
            method_of_instance(*first.add(1), &name)
        } else {
            Some(*first).filter(|&callee| is_entered(callee))
        };
        let Some(callee) = callee else {
            return call_in_general(vm, first, is_method, positional, named);
        };
        let code = (*callee.pointer::<aether_value::Closure>()).code_ptr().as_ptr();
        // Room for every parameter, wherever the names lead.
        let offset = vm.offset(start) as usize;
        let most = (*code).declared as usize + positional + named + receivers + 2;
        vm.base = vm.reserve_registers(vm.base, start.add(most * 16))?;
        let start = vm.registers.add(offset);
        let arguments = start.cast::<Raw>().add(1 + receivers);
        let argc = place(vm, &*code, arguments, positional, named, site)?;
        if is_method {
            callee.retain();
            *start.cast::<Raw>() = callee;
        }
        enter(vm, callee, start, argc, flags::OWNS_CALLEE, vm.ip.add(2))?;
        Ok(Flow::Switched)
    }
}

/// The method of a struct, if its calls make frames and the receiver is an instance that has it.
unsafe fn method_of_instance(receiver: Raw, name: &Rc<Str>) -> Option<Raw> {
    if receiver.tag != tag::INSTANCE {
        return None;
    }
    // SAFETY: by its tag; the definition keeps its methods alive.
    let method = unsafe { receiver.object::<Instance>() }
        .definition()
        .method(name)?;
    (!method.only_promises()).then(|| Raw {
        tag: tag::FUNCTION,
        payload: Rc::as_ptr(method) as u64,
    })
}

/// Moves `named` values behind `positional` ones to the places of the parameters that a site names; gives the number
/// of arguments then.
///
/// # Safety
/// The values are in registers from `arguments` on, with room for every parameter behind them.
unsafe fn place(
    vm: &Vm,
    code: &Code,
    arguments: *mut Raw,
    positional: usize,
    named: usize,
    site: u32,
) -> Result<usize, Raise> {
    let known = &code.param_names[..code.declared as usize - usize::from(code.has_rest())];
    if positional > known.len() && !code.has_rest() {
        return Err(Raise::arity(known.len(), positional + named));
    }
    let mut places = [0; MOST_NAMED];
    let mut argc = positional;
    for (at, name) in vm.tables.keyword_sites[site as usize].iter().enumerate() {
        let same = known.iter().position(|known| Rc::ptr_eq(known, name));
        let found = same.or_else(|| known.iter().position(|known| known.equals(name)));
        let Some(found) = found else {
            return Err(Raise::unknown_argument(name.as_str()));
        };
        if found < positional || places[..at].contains(&found) {
            return Err(Raise::argument_twice(name.as_str()));
        }
        places[at] = found;
        argc = argc.max(found + 1);
    }
    // SAFETY: the caller's promise; each value is moved once, through a copy of all.
    unsafe {
        let mut values = [Raw::null(); MOST_NAMED];
        for (at, value) in values[..named].iter_mut().enumerate() {
            *value = take(arguments.add(positional + at));
        }
        super::fill_missing(code, arguments, positional, argc);
        for (&found, &value) in places[..named].iter().zip(&values[..named]) {
            *arguments.add(found) = value;
        }
    }
    Ok(argc)
}

/// Makes the call by a built-in that takes the arguments as arrays.
unsafe fn call_in_general(
    vm: &mut Vm,
    first: *mut Raw,
    is_method: bool,
    positional: usize,
    named: usize,
) -> Result<Flow, Raise> {
    // SAFETY: the window holds what the instruction says; each value is taken once, when nothing can fail any more.
    unsafe {
        let site = *vm.ip.add(1) as u32;
        let receivers = usize::from(is_method);
        let arguments = first.add(1 + receivers);
        let pairs = vm.heap.array(named * 2)?;
        let array = vm.heap.array_taking(arguments, positional)?;
        for at in 0..named {
            let name = vm.tables.keyword_sites[site as usize][at].clone();
            pairs.push(Value::String(name))?;
            pairs.push(take(arguments.add(positional + at)).into_value())?;
        }
        let offset = vm.offset(first.cast()) as usize;
        vm.base = vm.reserve_registers(vm.base, first.add(8).cast())?;
        let first = vm.registers.add(offset).cast::<Raw>();
        let return_ip = vm.ip.add(2);
        let def = if is_method {
            let name = vm.tables.text((*vm.ip.add(1) >> 32) as u32).clone();
            *first.add(2) = Raw::from_rc(name);
            *first.add(3) = Raw::from_rc(array);
            *first.add(4) = Raw::from_rc(pairs);
            &builtins::KEYWORD_METHOD_CALL
        } else {
            *first.add(1) = take(first);
            *first.add(2) = Raw::from_rc(array);
            *first.add(3) = Raw::from_rc(pairs);
            &builtins::KEYWORD_CALL
        };
        invoke(vm, def, first.cast(), 3 + receivers, 0, return_ip, 0)
    }
}
