//! The frames of built-ins: how they are driven, how they call back, how results come back to them.
//!
//! A built-in that calls functions is a frame like any other: its slots are registers, and each step of it answers what
//! it wants next. Two kinds have a quick way for plain callbacks: those that call with each item ([`Each`]) and those
//! that call with one pair after the other ([`Pairs`]).

use aether_value::{Closure, ErrorKind, Frame, Raise, Raw, Value, tag};

use super::{
    Returned, become_method, call_plain, definition, drain_arguments, enter, enter_bound, fill_drain,
    internal, is_entered, plan, release_all, take,
};
use crate::builtins::{self, Args, BuiltinDef, Each, Event, Pairs, Run, Step};
use crate::context::Ctx;
use crate::vm::{Flow, Vm, flags};

impl Vm {
    /// Pushes the record of a built-in's frame called from `vm.base`.
    pub(super) fn push_builtin(&mut self, return_ip: *const u64, extra: u32) -> Result<(), Raise> {
        self.begin_uncounted();
        let base = self.base;
        if let Err(raise) = self.push_frame(return_ip, base, flags::IS_BUILTIN | extra) {
            self.end_uncounted();
            return Err(raise);
        }
        Ok(())
    }

    /// Pops the record of a built-in's frame.
    pub(in crate::vm) fn pop_builtin(&mut self) -> Frame {
        self.uncounted -= 1;
        // SAFETY: the record was pushed when the frame was made.
        let frame = unsafe {
            self.fp = self.fp.sub(1);
            *self.fp
        };
        self.set_frames_end();
        frame
    }
}

/// Slots of the built-in frame at `window`.
pub(in crate::vm) unsafe fn slot_count(window: *mut u8) -> usize {
    // SAFETY: the register before a built-in's window names it.
    unsafe {
        let def = definition(*window.sub(16).cast::<Raw>());
        match def.run {
            Run::Frame { slots, .. } => (slots as usize).max(def.info.params.len()),
            Run::Simple(_) => 0,
        }
    }
}

/// Resumes the built-in frame at `window`, and whoever waits for it, until Aether code runs again.
///
/// On an error `vm.ip` and `vm.base` say where in Aether code it surfaces.
///
/// # Safety
/// `window` is the window of the innermost frame, a built-in's.
pub(in crate::vm) unsafe fn drive(vm: &mut Vm, window: *mut u8, event: Event) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe { resume_loop(vm, window, Input::Event(event)) }
}

/// Whether a built-in that sees errors sees this one.
fn sees(raise: &Raise) -> bool {
    raise.kind().is_catchable() || raise.kind() == ErrorKind::GeneratorExit
}

/// What a built-in's frame is resumed with.
enum Input {
    /// An event.
    Event(Event),
    /// The last result has been taken: see [`Each`].
    Next,
    /// It has been resumed: see [`Pairs`].
    Step(Result<Step, Raise>),
}

unsafe fn resume_loop(vm: &mut Vm, mut window: *mut u8, mut event: Input) -> Result<Flow, Raise> {
    // SAFETY: windows of built-in frames are live registers; they are found again by offset after anything that
    // may move the stack.
    unsafe {
        loop {
            let def = definition(*window.sub(16).cast::<Raw>());
            let Run::Frame { resume, .. } = def.run else {
                unreachable!("only frames are driven")
            };
            let count = slot_count(window);
            let step = match event {
                Input::Event(Event::Failed(raise)) if !(def.catches && sees(&raise)) => Err(raise),
                input => {
                    let slots = std::slice::from_raw_parts_mut(window.cast::<Value>(), count);
                    match (input, &def.each) {
                        (Input::Step(step), _) => step,
                        (Input::Event(event), _) => resume(&mut Ctx { vm }, slots, event),
                        (Input::Next, Some(each)) => (each.next)(&mut Ctx { vm }, slots),
                        (Input::Next, None) => {
                            Err(internal("a frame without items was resumed for its next one"))
                        }
                    }
                }
            };
            vm.settle_work();
            match step {
                Ok(Step::Done(value)) => {
                    release_all(window.cast(), count);
                    let frame = vm.pop_builtin();
                    if frame.flags & flags::TO_BUILTIN != 0 {
                        window = vm.registers.add(frame.base as usize);
                        event = Input::Event(Event::Returned(value));
                        continue;
                    }
                    *window.sub(16).cast::<Raw>() = Raw::from_value(value);
                    vm.ip = frame.return_ip.cast_mut();
                    vm.base = vm.registers.add(frame.base as usize);
                    return Ok(Flow::Switched);
                }
                Ok(Step::Call {
                    function,
                    args,
                    lenient,
                }) => {
                    let (function, args) = match enter_callback(vm, window, count, function, args) {
                        Ok(()) => return Ok(Flow::Switched),
                        Err(other) => other,
                    };
                    let offset = vm.offset(window) as usize;
                    match call_from_builtin(vm, window, count, function, args, lenient) {
                        Ok(Called::Entered) => return Ok(Flow::Switched),
                        Ok(Called::Value(value)) => {
                            vm.settle_work();
                            event = Input::Event(match vm.tick(1) {
                                Ok(()) => Event::Returned(value),
                                Err(raise) => Event::Failed(raise),
                            });
                        }
                        Ok(Called::Builtin(inner)) => {
                            window = inner;
                            event = Input::Event(Event::Start);
                            continue;
                        }
                        Err(raise) => event = Input::Event(Event::Failed(raise)),
                    }
                    window = vm.registers.add(offset);
                }
                Ok(Step::Resume(generator)) => {
                    let offset = vm.offset(window) as usize;
                    match vm.resume_generator(window, count, &generator) {
                        Ok(()) => return Ok(Flow::Switched),
                        Err(raise) => event = Input::Event(Event::Failed(raise)),
                    }
                    window = vm.registers.add(offset);
                }
                Ok(Step::Close(generator)) => {
                    let offset = vm.offset(window) as usize;
                    match vm.close_generator(window, count, &generator) {
                        Ok(raise) => return Err(raise),
                        Err(raise) => event = Input::Event(Event::Failed(raise)),
                    }
                    window = vm.registers.add(offset);
                }
                Ok(Step::Switch) => match vm.switch_in_builtin(window) {
                    Ok(()) => return vm.park(),
                    Err(raise) => event = Input::Event(Event::Failed(raise)),
                },
                Ok(Step::Await(value)) => match vm.await_in_builtin(window, &value) {
                    Ok(Some(value)) => event = Input::Event(Event::Returned(value)),
                    Ok(None) => return vm.park(),
                    Err(raise) => event = Input::Event(Event::Failed(raise)),
                },
                Ok(Step::AwaitMany { promises, until }) => {
                    match vm.await_many_in_builtin(window, &promises, until) {
                        Ok(true) => event = Input::Event(Event::Returned(Value::Null)),
                        Ok(false) => return vm.park(),
                        Err(raise) => event = Input::Event(Event::Failed(raise)),
                    }
                }
                Err(raise) => {
                    release_all(window.cast(), count);
                    let frame = vm.pop_builtin();
                    if frame.flags & flags::TO_BUILTIN != 0 {
                        window = vm.registers.add(frame.base as usize);
                        event = Input::Event(Event::Failed(raise));
                        continue;
                    }
                    *window.sub(16).cast::<Raw>() = Raw::null();
                    // Within the call instruction, whose last word precedes the return address.
                    vm.ip = frame.return_ip.cast_mut().sub(1);
                    vm.base = vm.registers.add(frame.base as usize);
                    return Err(raise);
                }
            }
        }
    }
}

/// The common callback: an Aether function with exactly these one or two parameters, and room for its frame.
/// Anything else is given back.
#[inline]
unsafe fn enter_callback(
    vm: &mut Vm,
    window: *mut u8,
    slots: usize,
    function: Value,
    args: Args,
) -> Result<(), (Value, Args)> {
    // SAFETY: registers behind the innermost window are free; their end is checked.
    unsafe {
        let Value::Function(closure) = &function else {
            return Err((function, args));
        };
        let code = closure.code_ptr().as_ptr();
        let argc = match &args {
            Args::One(_) => 1,
            Args::Two(..) => 2,
            Args::None | Args::Many(_) | Args::Method(_) => return Err((function, args)),
        };
        let first = window.cast::<Raw>().add(slots);
        let base = first.add(1).cast::<u8>();
        let fits = (*code).params == argc
            && vm.fp < vm.frames_end
            && base.add((*code).registers as usize * 16) <= vm.registers_end
            && vm.fuel > 0;
        if !fits {
            return Err((function, args));
        }
        vm.fuel -= 1;
        let words = (*code).words.as_ptr().cast_mut();
        match args {
            Args::One(value) => *first.add(1) = Raw::from_value(value),
            Args::Two(one, two) => {
                *first.add(1) = Raw::from_value(one);
                *first.add(2) = Raw::from_value(two);
            }
            Args::None | Args::Many(_) | Args::Method(_) => {}
        }
        *first = Raw::from_value(function);
        *vm.fp = Frame {
            return_ip: std::ptr::null(),
            base: vm.offset(window),
            flags: flags::OWNS_CALLEE | flags::TO_BUILTIN,
        };
        vm.fp = vm.fp.add(1);
        vm.base = base;
        vm.ip = words;
        Ok(())
    }
}

/// Enters a function of exactly `argc` parameters that a slot of the built-in frame at `window` holds, with arguments
/// that `place` writes; false, and nothing done, if it is no such function or there is no room.
///
/// # Safety
/// `window` is the innermost frame's, with `slots` slots; `place` writes that many values that own their counts.
#[inline(always)]
unsafe fn enter_plain(
    vm: &mut Vm,
    window: *mut u8,
    slots: usize,
    function: Raw,
    argc: u16,
    place: impl FnOnce(*mut Raw),
) -> bool {
    // SAFETY: registers behind the innermost window are free; their end is checked.
    unsafe {
        if function.tag != tag::FUNCTION {
            return false;
        }
        let code = (*function.pointer::<Closure>()).code_ptr().as_ptr();
        let first = window.cast::<Raw>().add(slots);
        let base = first.add(1).cast::<u8>();
        let fits = (*code).params == argc
            && !(*code).has_self
            && vm.fp < vm.frames_end
            && base.add((*code).registers as usize * 16) <= vm.registers_end
            && vm.fuel > 0;
        if !fits {
            return false;
        }
        vm.fuel -= 1;
        place(first.add(1));
        // The slot keeps the function alive.
        *first = Raw {
            tag: tag::ALIAS,
            payload: function.payload,
        };
        (*vm.fp).return_ip = std::ptr::null();
        (*vm.fp).base = vm.offset(window);
        (*vm.fp).flags = flags::TO_BUILTIN;
        vm.fp = vm.fp.add(1);
        vm.base = base;
        vm.ip = (*code).words.as_ptr().cast_mut();
        true
    }
}

/// A turn of a built-in that calls a function with each of its items: takes the result of the last call and makes
/// the next one.
///
/// # Safety
/// `window` is the innermost frame's, a built-in's with this quick way.
pub(super) unsafe fn each_turn(
    vm: &mut Vm,
    window: *mut u8,
    each: &Each,
    result: Returned,
) -> Result<Flow, Raise> {
    // SAFETY: the window's slots are values: a buffer, a function, and an int at `index`.
    unsafe {
        let count = slot_count(window);
        let slots = std::slice::from_raw_parts_mut(window.cast::<Value>(), count);
        if let Err(raise) = (each.take)(&mut Ctx { vm }, slots, result) {
            return drive(vm, window, Event::Failed(raise));
        }
        let registers = window.cast::<Raw>();
        let (items, function) = (*registers, *registers.add(1));
        let at = registers.add(each.index as usize);
        let position = (*at).payload as usize;
        if items.tag == tag::BUFFER {
            let items = items.object::<aether_value::Buffer>().as_slice();
            let entered = position < items.len()
                && enter_plain(vm, window, count, function, 1, |arguments| {
                    let item = *items.as_ptr().add(position).cast::<Raw>();
                    item.retain();
                    *arguments = item;
                });
            if entered {
                (*at).payload = position as u64 + 1;
                return Ok(Flow::Switched);
            }
        }
        resume_loop(vm, window, Input::Next)
    }
}

/// A comparison has returned: on to the next pair.
///
/// # Safety
/// `window` is the frame of a built-in with this quick way, which made the call.
pub(super) unsafe fn pair_turn(
    vm: &mut Vm,
    window: *mut u8,
    pairs: &Pairs,
    result: Returned,
) -> Result<Flow, Raise> {
    // SAFETY: the window's slots are values, the second a function; registers behind the innermost window are free,
    // and their end is checked.
    unsafe {
        let count = slot_count(window);
        let slots = std::slice::from_raw_parts_mut(window.cast::<Value>(), count);
        let (one, two) = match (pairs.next)(&mut Ctx { vm }, slots, result) {
            Ok(Some(pair)) => pair,
            Ok(None) => {
                let step = (pairs.done)(&mut Ctx { vm }, slots);
                return resume_loop(vm, window, Input::Step(step));
            }
            Err(raise) => return drive(vm, window, Event::Failed(raise)),
        };
        let function = *window.cast::<Raw>().add(1);
        let mut pair = Some((one, two));
        let entered = enter_plain(vm, window, count, function, 2, |arguments| {
            if let Some((one, two)) = pair.take() {
                *arguments = Raw::from_value(one);
                *arguments.add(1) = Raw::from_value(two);
            }
        });
        let Some((one, two)) = pair.filter(|_| !entered) else {
            return Ok(Flow::Switched);
        };
        let step = Step::call2(&slots[1], one, two);
        resume_loop(vm, window, Input::Step(Ok(step)))
    }
}

/// What a built-in's call came to.
enum Called {
    /// Aether code has been entered.
    Entered,
    /// It is over.
    Value(Value),
    /// Another built-in's frame has been made, at this window.
    Builtin(*mut u8),
}

/// Calls a function for the built-in frame at `window`; the callee's window lies behind its slots.
unsafe fn call_from_builtin(
    vm: &mut Vm,
    window: *mut u8,
    slots: usize,
    function: Value,
    args: Args,
    lenient: bool,
) -> Result<Called, Raise> {
    // SAFETY: registers behind the innermost window are free; they are checked to exist.
    unsafe {
        let mut argc = match &args {
            Args::None => 0,
            Args::One(_) => 1,
            Args::Two(..) => 2,
            Args::Many(values) | Args::Method(values) => values.len(),
        };
        let receivers = usize::from(matches!(args, Args::Method(_)));
        if lenient {
            argc = argc.min(declared_parameters(&function));
        }
        // The arguments of an async function may wait in an array, where nothing is unset.
        let waits = match &function {
            Value::AsyncFunction(closure) => closure.only_promises(),
            Value::BoundMethod(bound) => bound.closure().only_promises(),
            _ => false,
        };
        let offset = vm.offset(window) as usize;
        vm.base = window;
        vm.reserve_registers(window, window.add((slots + argc + 4) * 16))?;
        let window = vm.registers.add(offset);
        vm.base = window;
        let first = window.cast::<Raw>().add(slots);
        match args {
            Args::None => {}
            Args::One(value) => {
                if argc > 0 {
                    *first.add(1) = Raw::from_value(value);
                }
            }
            Args::Two(one, two) => {
                if argc > 0 {
                    *first.add(1) = Raw::from_value(one);
                }
                if argc > 1 {
                    *first.add(2) = Raw::from_value(two);
                }
            }
            Args::Many(values) | Args::Method(values) => {
                for (index, value) in values.into_iter().take(argc).enumerate() {
                    *first.add(1 + index) = if waits {
                        Raw::from_value(value)
                    } else {
                        argument(&value)
                    };
                }
            }
        }
        let callee = Raw::from_value(function);
        *first = callee;
        let called = call_from_window(vm, callee, first, argc, receivers);
        if called.is_err() {
            // Whatever was not taken.
            let first = vm.registers.add(offset).cast::<Raw>().add(slots);
            release_all(first, argc + 2);
        }
        called
    }
}

/// An argument for a register: unset if it is left out.
#[inline]
pub(in crate::vm) fn argument(value: &Value) -> Raw {
    match value {
        Value::Builtin(info) if std::ptr::eq(&raw const **info, &raw const builtins::OMITTED.info) => {
            Raw::unset()
        }
        value => {
            let raw = Raw::of_value(value);
            raw.retain();
            raw
        }
    }
}

/// The frame that stands for a call of a native object, if it is one.
unsafe fn frame_of(callee: Raw) -> Option<&'static BuiltinDef> {
    // SAFETY: the caller looked at the tag.
    let native = unsafe { callee.object::<aether_value::NativeObject>() };
    let def = definition(Raw::builtin(native.get().callee()?.0));
    matches!(def.run, Run::Frame { .. }).then_some(def)
}

/// `receivers` is 1 for a built-in method whose receiver is among the `argc` values.
unsafe fn call_from_window(
    vm: &mut Vm,
    callee: Raw,
    first: *mut Raw,
    argc: usize,
    receivers: usize,
) -> Result<Called, Raise> {
    // SAFETY: the window holds the callee and its arguments.
    unsafe {
        let none = std::ptr::null();
        match callee.tag {
            _ if is_entered(callee) => {
                enter(
                    vm,
                    callee,
                    first.cast(),
                    argc,
                    flags::OWNS_CALLEE | flags::TO_BUILTIN,
                    none,
                )?;
                Ok(Called::Entered)
            }
            tag::BOUND_METHOD => {
                if (*callee.pointer::<aether_value::BoundMethod>())
                    .closure()
                    .only_promises()
                {
                    let Value::BoundMethod(bound) = callee.clone_value() else {
                        unreachable!("by its tag")
                    };
                    let mut values = vec![bound.receiver().clone()];
                    values.extend((0..argc).map(|index| (*first.add(1 + index)).clone_value()));
                    let promise = vm.unstarted(bound.closure(), &values)?;
                    release_all(first, argc + 1);
                    return Ok(Called::Value(promise.into_value()));
                }
                enter_bound(vm, first.cast(), argc, flags::TO_BUILTIN, none)?;
                Ok(Called::Entered)
            }
            tag::BUILTIN => {
                let def = definition(callee);
                let offset = vm.offset(first.cast()) as usize;
                let depth = vm.fp;
                let base = vm.base;
                if let Some(value) = invoke_nested(vm, def, first.cast(), argc, receivers)? {
                    Ok(Called::Value(value))
                } else {
                    debug_assert!(vm.fp != depth || base != vm.base);
                    Ok(Called::Builtin(vm.registers.add(offset + 16)))
                }
            }
            tag::NATIVE if let Some(def) = frame_of(callee) => {
                plan(def, argc + 1, 1)?;
                let offset = vm.offset(first.cast()) as usize;
                vm.base = vm.reserve_registers(vm.base, first.add(argc + 3).cast())?;
                let first = vm.registers.add(offset).cast::<Raw>();
                become_method(first, argc, def);
                call_from_window(vm, Raw::builtin(&def.info), first, argc + 1, 1)
            }
            _ => {
                let value = call_plain(vm, callee, first.add(1), argc, true)?;
                release_all(first.add(1), argc);
                take(first).release();
                Ok(Called::Value(value.into_value()))
            }
        }
    }
}

/// Calls a built-in for a built-in: runs a simple one, or makes a frame for the caller to drive.
unsafe fn invoke_nested(
    vm: &mut Vm,
    def: &'static BuiltinDef,
    window: *mut u8,
    argc: usize,
    receivers: usize,
) -> Result<Option<Value>, Raise> {
    // SAFETY: as `invoke`.
    unsafe {
        let (params, slots) = plan(def, argc, receivers)?;
        let Run::Frame {
            slots: drain_slots, ..
        } = builtins::DRAIN.run
        else {
            unreachable!("draining is a frame")
        };
        let offset = vm.offset(window) as usize;
        vm.base = vm.reserve_registers(vm.base, window.add((slots.max(drain_slots as usize) + 2) * 16))?;
        let first = vm.registers.add(offset).cast::<Raw>();
        let values = first.add(1);
        for index in argc..slots {
            *values.add(index) = Raw::null();
        }
        let pending = if def.iterables == 0 {
            None
        } else {
            drain_arguments(vm, def, values, params.min(8))?
        };
        if let Some(index) = pending {
            vm.push_builtin(std::ptr::null(), flags::TO_BUILTIN)?;
            fill_drain(def, first, index, params, drain_slots as usize);
            return Ok(None);
        }
        match def.run {
            Run::Simple(function) => {
                let arguments = std::slice::from_raw_parts(values.cast::<Value>(), params);
                let value = function(&mut Ctx { vm }, arguments)?;
                release_all(first, params + 1);
                Ok(Some(value))
            }
            Run::Frame { .. } => {
                *first = Raw::builtin(&def.info);
                vm.push_builtin(std::ptr::null(), flags::TO_BUILTIN)?;
                Ok(None)
            }
        }
    }
}

/// How many arguments a callback declares.
pub(crate) fn declared_parameters(function: &Value) -> usize {
    match function {
        Value::Function(closure) | Value::AsyncFunction(closure) => {
            closure.code().most_arguments().unwrap_or(usize::MAX)
        }
        Value::BoundMethod(bound) => bound.closure().code().most_arguments().unwrap_or(usize::MAX),
        Value::Builtin(builtin) => match builtin.max_args {
            255 => usize::MAX,
            most => most as usize,
        },
        Value::EnumConstructor(constructor) => constructor.info().fields.len(),
        _ => usize::MAX,
    }
}
