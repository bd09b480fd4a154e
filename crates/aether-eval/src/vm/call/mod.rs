//! Calls that the loop does not make inline: built-ins, async functions, constructors, methods, errors.
//!
//! A call's window: the callee in register a, arguments behind it. All are taken; the result replaces the callee.
#![expect(unsafe_code, reason = "moves values between registers")]

mod frame;
mod keyword;
mod method;

use aether_value::{
    Array, Closure, EnumConstructor, ErrorKind, Frame, Header, PromiseState, Raise, Raw, Rc, Value, tag,
};

pub(crate) use frame::declared_parameters;
pub(super) use frame::{argument, drive, slot_count};
use frame::{each_turn, pair_turn};
pub(crate) use keyword::MOST_NAMED;
pub(super) use keyword::call_keywords;
pub(super) use method::{call_method, call_remembered, lookup, remembers_builtin};

use super::{Flow, SLACK, Vm, flags};
use crate::builtins::{self, BuiltinDef, Event, Run, Simple};
use crate::bytecode::fields;
use crate::context::Ctx;

/// The closure that runs in the frame at `base`, counted.
///
/// # Safety
/// `base` is a function's frame.
pub(super) unsafe fn own_closure(base: *mut u8) -> Raw {
    // SAFETY: the register before a function's window names its closure.
    unsafe {
        let own = *base.sub(16).cast::<Raw>();
        let header = own.pointer::<Header>();
        (*header).retain();
        Raw {
            tag: (*header).kind,
            payload: own.payload,
        }
    }
}

/// Capture `index` of the closure that runs in the frame at `base`.
///
/// # Safety
/// `base` is a function's frame, and the function has that capture.
#[inline(always)]
pub(crate) unsafe fn capture(base: *mut u8, index: u16) -> *mut Raw {
    // SAFETY: the caller's promise.
    unsafe {
        let own = *base.sub(16).cast::<Raw>();
        (*own.pointer::<Closure>()).captures_ptr().add(index as usize)
    }
}

/// The description behind a built-in's value.
pub(super) fn definition(raw: Raw) -> &'static BuiltinDef {
    debug_assert_eq!(raw.tag, tag::BUILTIN);
    // SAFETY: every built-in value points at the `info` of a static `BuiltinDef`, which comes first in it.
    unsafe { &*raw.pointer::<BuiltinDef>() }
}

/// The value whose parts are in two machine registers, put together without passing through memory in two pieces: a
/// 16-byte load right after a 1-byte and an 8-byte store waits for both to leave the store buffer, which costs more
/// than the rest of a callback's return.
unsafe fn assemble(raw: Raw) -> Value {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the same bytes as `Raw::into_value` would give, the padding zero; SSE2 is part of the architecture.
    unsafe {
        let whole = std::arch::x86_64::_mm_set_epi64x(raw.payload as i64, i64::from(raw.tag));
        std::mem::transmute::<std::arch::x86_64::__m128i, Value>(whole)
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller owns the count.
    unsafe {
        raw.into_value()
    }
}

/// What a callback returned, on its way to the built-in that called it. It is kept in machine registers.
pub struct Returned(Raw);

impl Returned {
    /// Its truth.
    #[inline]
    pub fn truthy(&self) -> bool {
        if self.0.tag == tag::BOOL {
            return self.0.as_bool();
        }
        // SAFETY: a function returns a value.
        unsafe { self.0.as_value().truthy() }
    }

    /// The value.
    #[inline]
    pub fn into_value(self) -> Value {
        let raw = self.0;
        std::mem::forget(self);
        // SAFETY: its count is passed on.
        unsafe { assemble(raw) }
    }

    /// Appends it to an array.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn push_to(self, array: &Array) -> Result<(), Raise> {
        array.push(self.into_value())
    }
}

impl Drop for Returned {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a result that nobody took still owns its count.
        unsafe { self.0.release() };
    }
}

/// Takes the value out of a register.
pub(super) unsafe fn take(register: *mut Raw) -> Raw {
    // SAFETY: the caller's register.
    unsafe {
        let value = *register;
        (*register).tag = tag::NULL;
        value
    }
}

/// Gives a frame a count of the function that it runs, if it has none.
///
/// # Safety
/// `callee` is the frame's, and alive.
unsafe fn own_callee(callee: &mut Raw, frame: &mut Frame) {
    if callee.tag == tag::ALIAS {
        callee.tag = tag::FUNCTION;
        callee.retain();
        frame.flags |= flags::OWNS_CALLEE;
    }
}

/// Releases `count` registers from `first` on, in order.
pub(super) unsafe fn release_all(first: *mut Raw, count: usize) {
    // SAFETY: the caller's registers.
    unsafe {
        for index in 0..count {
            if (*first.add(index)).is_counted() {
                take(first.add(index)).release();
            }
        }
    }
}

impl Vm {
    /// The built-in method of a type, by the number of its name.
    #[inline(always)]
    fn method(&self, number: u16, kind: u8) -> Option<&'static BuiltinDef> {
        self.methods[number as usize][kind as usize]
    }

    /// The byte offset of a pointer into the registers.
    #[inline]
    pub(super) fn offset(&self, pointer: *mut u8) -> u32 {
        (pointer as usize - self.registers as usize) as u32
    }

    /// Makes room for a frame record, so that the next push cannot fail.
    fn reserve_frame(&mut self) -> Result<(), Raise> {
        if self.fp >= self.frames_end {
            self.grow_frames()?;
        }
        Ok(())
    }

    /// Pushes a frame record for a callee of the frame at `vm.ip`, `vm.base`.
    pub(super) fn push_frame(
        &mut self,
        return_ip: *const u64,
        base: *mut u8,
        flags: u32,
    ) -> Result<(), Raise> {
        self.reserve_frame()?;
        // SAFETY: below the end, as just checked.
        unsafe {
            *self.fp = Frame {
                return_ip,
                base: self.offset(base),
                flags,
            };
            self.fp = self.fp.add(1);
        }
        Ok(())
    }

    /// A global loses a function that may be running without a count of its own (see `CallGlobal`): the frames on this
    /// stack that run it get one each. Stacks that wait have theirs ([`Vm::hold_callees`]).
    ///
    /// # Safety
    /// `base` is the innermost frame, `function` a function that is still alive.
    pub(super) unsafe fn hold_running(&mut self, base: *mut u8, function: Raw) {
        // SAFETY: the caller's promise.
        unsafe {
            if (*function.pointer::<Closure>()).is_empty() {
                self.hold(base, |callee, frame| {
                    if callee.payload == function.payload {
                        own_callee(callee, frame);
                    }
                    false
                });
            }
        }
    }

    /// This stack is about to wait, while any global may change: its frames get counts of the functions without captures
    /// that they run.
    ///
    /// # Safety
    /// `vm.base` is the innermost frame.
    pub(super) unsafe fn hold_callees(&mut self) {
        // SAFETY: the caller's promise; a callee that has no count yet is alive.
        unsafe {
            self.hold(self.base, |callee, frame| {
                if frame.flags & flags::HELD != 0 {
                    return true;
                }
                frame.flags |= flags::HELD;
                if callee.tag == tag::ALIAS && (*callee.pointer::<Closure>()).is_empty() {
                    own_callee(callee, frame);
                }
                false
            });
        }
    }

    /// Shows the callees and records of the current stack, innermost first, to `f`, until it answers true.
    unsafe fn hold(&mut self, mut base: *mut u8, mut f: impl FnMut(&mut Raw, &mut Frame) -> bool) {
        let Some(current) = &self.current else {
            return;
        };
        let mut record = self.fp;
        // SAFETY: the records in use describe live frames; before each window stands what runs there.
        unsafe {
            while record > current.frames() {
                record = record.sub(1);
                // A built-in that is just running has its record above the base of whoever called it; no built-in's
                // callee is counted.
                if (*record).flags & flags::IS_BUILTIN == 0 {
                    let callee = &mut *base.sub(16).cast::<Raw>();
                    if f(callee, &mut *record) {
                        break;
                    }
                }
                base = self.registers.add((*record).base as usize);
            }
        }
    }

    /// Activations on this stack and on those that wait for it.
    pub(in crate::vm) fn depth(&self) -> usize {
        self.outer_depth + self.frames_used().saturating_sub(self.uncounted)
    }

    /// Makes room for one more record, unless the limit of activations is reached.
    #[cold]
    #[inline(never)]
    fn grow_frames(&mut self) -> Result<(), Raise> {
        let Some(current) = self.current.clone() else {
            return Err(Raise::operation("no stack"));
        };
        let used = self.frames_used();
        let depth = self.depth();
        if depth >= self.limits.depth {
            return Err(Raise::recursion(depth + 1, self.limits.depth));
        }
        if used >= current.frame_capacity() {
            current.grow_frames(used + 1)?;
        }
        // SAFETY: the records in use stay below the new capacity.
        self.fp = unsafe { current.frames().add(used) };
        self.set_frames_end();
        Ok(())
    }

    /// Records in use on the current stack.
    pub(super) fn frames_used(&self) -> usize {
        match &self.current {
            Some(current) => (self.fp as usize - current.frames() as usize) / size_of::<Frame>(),
            None => 0,
        }
    }

    /// Puts the end of the records where either the memory or the limit of activations ends.
    pub(super) fn set_frames_end(&mut self) {
        let Some(current) = &self.current else { return };
        let allowed = (self.limits.depth + self.uncounted).saturating_sub(self.outer_depth);
        let end = current.frame_capacity().min(allowed.max(self.frames_used()));
        // SAFETY: within the records' memory.
        self.frames_end = unsafe { current.frames().add(end) };
    }

    /// A frame that counts for no activation is about to be made.
    pub(in crate::vm) fn begin_uncounted(&mut self) {
        self.uncounted += 1;
        self.set_frames_end();
    }

    /// Such a frame has gone, or was not made after all.
    pub(in crate::vm) fn end_uncounted(&mut self) {
        self.uncounted -= 1;
        self.set_frames_end();
    }

    /// Makes sure that registers up to `end` exist; moves the stack if it must. Gives `base` again.
    pub(super) fn reserve_registers(&mut self, base: *mut u8, end: *mut u8) -> Result<*mut u8, Raise> {
        if end <= self.registers_end {
            return Ok(base);
        }
        self.grow_registers(base, end)
    }

    #[cold]
    #[inline(never)]
    fn grow_registers(&mut self, base: *mut u8, end: *mut u8) -> Result<*mut u8, Raise> {
        let Some(current) = self.current.clone() else {
            return Err(Raise::operation("no stack"));
        };
        let at = self.offset(base) as usize;
        let needed = (end as usize - self.registers as usize) / 16 + SLACK;
        current.grow(needed)?;
        self.load_registers();
        // SAFETY: the stack has only grown.
        Ok(unsafe { self.registers.add(at) })
    }

    /// Reads where the current stack's registers are.
    pub(super) fn load_registers(&mut self) {
        if let Some(current) = &self.current {
            self.registers = current.registers().cast();
            // SAFETY: the slack is part of the capacity.
            self.registers_end = unsafe {
                self.registers
                    .add((current.capacity().saturating_sub(SLACK)) * 16)
            };
        }
    }
}

/// Enters an Aether function whose arguments wait behind the window's first register, where its closure or an
/// alias of it already stands. Handles missing arguments, stack growth, and fuel.
///
/// # Safety
/// `vm.ip` is a call instruction of `words` words with the window in field a, `vm.base` its frame.
#[cold]
#[inline(never)]
pub(super) unsafe fn enter_slow(
    vm: &mut Vm,
    callee: Raw,
    argc: u16,
    frame_flags: u32,
    words: usize,
) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let window = vm.base.add(window_of(vm.ip) as usize);
        let refuels = vm.fuel <= 0;
        enter(vm, callee, window, argc as usize, frame_flags, vm.ip.add(words))?;
        if refuels {
            vm.sample();
        }
        Ok(Flow::Switched)
    }
}

/// Field a of the instruction at `ip`.
unsafe fn window_of(ip: *const u64) -> u16 {
    // SAFETY: the caller's instruction.
    unsafe { *ip.cast::<u16>().add(1) }
}

/// Calls the deferred code in the register at byte offset `window`. It counts for no activation: what a function defers
/// runs also where that function has reached the limit.
///
/// # Safety
/// The register holds a function without parameters; `vm.ip` and `vm.base` say where the call is.
#[cold]
#[inline(never)]
pub(super) unsafe fn call_deferred(vm: &mut Vm, window: u16) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let start = vm.base.add(window as usize);
        let (callee, return_ip) = (*start.cast::<Raw>(), vm.ip.add(1));
        vm.begin_uncounted();
        let entered = enter(
            vm,
            callee,
            start,
            0,
            flags::OWNS_CALLEE | flags::DEFERRED,
            return_ip,
        );
        if let Err(raise) = entered {
            vm.end_uncounted();
            return Err(raise);
        }
        Ok(Flow::Switched)
    }
}

/// Makes a frame for an Aether function and points the machine at it; the record says `return_ip` and `vm.base`.
unsafe fn enter(
    vm: &mut Vm,
    callee: Raw,
    window: *mut u8,
    argc: usize,
    frame_flags: u32,
    return_ip: *const u64,
) -> Result<(), Raise> {
    // SAFETY: the window lies on the current stack, with `argc` arguments (and for methods the receiver) behind it.
    unsafe {
        let code = (*callee.pointer::<Closure>()).code_ptr().as_ptr();
        let (params, registers) = ((*code).declared as usize, (*code).registers as usize);
        let has_rest = (*code).has_rest();
        if argc > params && !has_rest {
            return Err(Raise::arity(params, argc));
        }
        let receiver = usize::from((*code).has_self);
        let offset = vm.offset(window) as usize;
        let end = window.add(16 + registers.max(params.max(argc) + receiver + 1) * 16);
        vm.base = vm.reserve_registers(vm.base, end)?;
        let window = vm.registers.add(offset);
        let arguments = window.add(16).cast::<Raw>();
        vm.fuel -= 1;
        if vm.fuel < 0 {
            vm.refuel_between()?;
        }
        let base = vm.base;
        if has_rest {
            vm.reserve_frame()?;
            let given = argc.min(params - 1);
            let surplus = arguments.add(receiver + given);
            let rest = vm.heap.array_taking(surplus, argc - given)?;
            fill_missing(&*code, arguments.add(receiver), given, params - 1);
            *arguments.add(receiver + params - 1) = Raw::from_rc(rest);
        }
        vm.push_frame(return_ip, base, frame_flags)?;
        if !has_rest {
            fill_missing(&*code, arguments.add(receiver), argc, params);
        }
        vm.base = arguments.cast();
        vm.ip = (*code).words.as_ptr().cast_mut();
        Ok(())
    }
}

/// Refuses more arguments than a function takes.
pub(super) fn check_arity(code: &aether_value::Code, argc: usize) -> Result<(), Raise> {
    match code.most_arguments() {
        Some(most) if argc > most => Err(Raise::arity(most, argc)),
        _ => Ok(()),
    }
}

/// Fills parameters that got no argument: null, or unset where a default stands in.
///
/// # Safety
/// The registers from `first` on are the function's, and those to be filled hold nothing counted.
pub(super) unsafe fn fill_missing(code: &aether_value::Code, first: *mut Raw, given: usize, params: usize) {
    for missing in given..params {
        let value = if missing < code.required as usize {
            Raw::null()
        } else {
            Raw::unset()
        };
        // SAFETY: the caller's promise.
        unsafe { *first.add(missing) = value };
    }
}

/// Executes a `Len` that is not answered where it stands: moves or copies the argument behind the result, and calls.
///
/// # Safety
/// `vm.ip` is `ip`, a `Len` instruction or a pair that begins with one, `vm.base` its frame.
#[cold]
#[inline(never)]
pub(super) unsafe fn call_len(vm: &mut Vm, ip: *const u64) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise: the fields name registers and a global.
    unsafe {
        let (a, b, c) = fields(*ip);
        let window = vm.base.add(a as usize).cast::<Raw>();
        let from = vm.base.add(b as usize).cast::<Raw>();
        if from != window.add(1) {
            (*from).retain();
            *window.add(1) = *from;
        }
        let callee = *vm.globals.add(c as usize);
        callee.retain();
        *window = callee;
        call_value(vm, a, 1, 1)
    }
}

/// Executes a `Push` to anything but an array.
///
/// # Safety
/// `vm.ip` is `ip`, a `Push` instruction or a pair that begins with one, `vm.base` its frame.
#[cold]
#[inline(never)]
pub(super) unsafe fn call_push(vm: &mut Vm, ip: *mut u64) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise: the fields name registers.
    unsafe {
        let (a, b, _) = fields(*ip);
        let receiver = vm.base.add(a as usize).cast::<Raw>().add(1);
        let array = vm.base.add(b as usize).cast::<Raw>();
        if array != receiver {
            (*array).retain();
            *receiver = *array;
        }
        call_method(vm, ip, 1)
    }
}

/// Whether a call of a value makes a frame for a function.
#[inline]
unsafe fn is_entered(callee: Raw) -> bool {
    // SAFETY: a function by its tag.
    callee.tag == tag::FUNCTION
        || callee.tag == tag::ASYNC_FUNCTION && unsafe { !(*callee.pointer::<Closure>()).only_promises() }
}

/// Calls the value in the window at byte offset `window`.
///
/// # Safety
/// `vm.ip` is a call instruction of `words` words, `vm.base` its frame.
#[cold]
#[inline(never)]
pub(super) unsafe fn call_value(vm: &mut Vm, window: u16, argc: u16, words: usize) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let callee = *vm.base.add(window as usize).cast::<Raw>();
        match callee.tag {
            _ if is_entered(callee) => {
                let start = vm.base.add(window as usize);
                enter(
                    vm,
                    callee,
                    start,
                    argc as usize,
                    flags::OWNS_CALLEE,
                    vm.ip.add(words),
                )?;
                Ok(Flow::Switched)
            }
            tag::BUILTIN => call_builtin(vm, callee, window, argc, words),
            tag::BOUND_METHOD => {
                let start = vm.base.add(window as usize);
                let ip = vm.ip.add(words);
                enter_bound(vm, start, argc as usize, 0, ip)?;
                Ok(Flow::Switched)
            }
            tag::NATIVE => {
                let first = vm.base.add(window as usize).cast::<Raw>();
                let native = callee.object::<aether_value::NativeObject>();
                let Some(def) = native.get().callee() else {
                    return Err(Raise::not_a_function(&callee.as_value().type_name()));
                };
                let def = definition(Raw::builtin(def.0));
                let Run::Simple(function) = def.run else {
                    let (_, slots) = plan(def, argc as usize + 1, 1)?;
                    let offset = vm.offset(first.cast()) as usize;
                    // Nothing can fail while an argument is where the caller does not look for it.
                    vm.base = vm.reserve_registers(vm.base, first.add(slots + 3).cast())?;
                    vm.reserve_frame()?;
                    let first = vm.registers.add(offset).cast::<Raw>();
                    become_method(first, argc as usize, def);
                    let return_ip = vm.ip.add(words);
                    return invoke(vm, def, first.cast(), argc as usize + 1, 1, return_ip, 0);
                };
                plan(def, argc as usize + 1, 1)?;
                // The callee is the first argument.
                let arguments = std::slice::from_raw_parts(first.cast::<Value>(), argc as usize + 1);
                let result = Raw::from_value(function(&mut Ctx { vm }, arguments)?);
                vm.settle_work();
                release_all(first.add(1), argc as usize);
                take(first).release();
                *first = result;
                Ok(Flow::Next)
            }
            _ => {
                let first = vm.base.add(window as usize).cast::<Raw>();
                let value = call_plain(vm, callee, first.add(1), argc as usize, false)?;
                release_all(first.add(1), argc as usize);
                take(first).release();
                *first = value;
                Ok(Flow::Next)
            }
        }
    }
}

/// Calls a callable that runs no code: an async function (which makes a promise) or an enum constructor. The
/// arguments are read, not taken.
unsafe fn call_plain(
    vm: &mut Vm,
    callee: Raw,
    arguments: *mut Raw,
    argc: usize,
    from_builtin: bool,
) -> Result<Raw, Raise> {
    // SAFETY: the arguments are values in registers.
    unsafe {
        let values = std::slice::from_raw_parts(arguments.cast::<Value>(), argc);
        match callee.as_value() {
            Value::AsyncFunction(closure) => {
                check_arity(closure.code(), argc)?;
                vm.unstarted(closure, values)
            }
            Value::EnumConstructor(constructor) => construct(vm, constructor, values),
            Value::Native(native) if let Some(callee) = native.get().callee() => call_native(
                vm,
                definition(Raw::builtin(callee.0)),
                Value::Native(native.clone()),
                values,
            ),
            other if from_builtin => Err(Raise::not_callable(&other.type_name())),
            Value::EnumValue(_) => Err(Raise::not_callable(&callee.as_value().type_name())),
            other => Err(Raise::not_a_function(&other.type_name())),
        }
    }
}

/// Makes the call of a native object in a window one of the method that stands for it: the object moves in before its
/// arguments, which move up by one.
///
/// # Safety
/// The window's first register holds the object, `argc` arguments are behind it, and one more register is free.
unsafe fn become_method(first: *mut Raw, argc: usize, def: &'static BuiltinDef) {
    // SAFETY: the caller's promise.
    unsafe {
        for index in (0..argc).rev() {
            *first.add(index + 2) = take(first.add(index + 1));
        }
        *first.add(1) = *first;
        *first = Raw::builtin(&def.info);
    }
}

/// Calls the simple method that stands for a call of a native object.
fn call_native(vm: &mut Vm, def: &BuiltinDef, receiver: Value, values: &[Value]) -> Result<Raw, Raise> {
    let Run::Simple(function) = def.run else {
        return Err(internal("a native object is called through a frame"));
    };
    plan(def, values.len() + 1, 1)?;
    let mut arguments = Vec::with_capacity(values.len() + 1);
    arguments.push(receiver);
    arguments.extend_from_slice(values);
    Ok(Raw::from_value(function(&mut Ctx { vm }, &arguments)?))
}

fn construct(vm: &mut Vm, constructor: &Rc<EnumConstructor>, values: &[Value]) -> Result<Raw, Raise> {
    let count = constructor.info().fields.len();
    if values.len() != count {
        return Err(Raise::arity(count, values.len()));
    }
    let value = vm
        .heap
        .enum_value(constructor.definition(), constructor.variant(), values.to_vec())?;
    Ok(Raw::from_rc(value))
}

impl Vm {
    /// A promise for a call of an async function.
    fn unstarted(&mut self, closure: &Rc<Closure>, values: &[Value]) -> Result<Raw, Raise> {
        let args = self.heap.array_from_slice(values)?;
        let state = PromiseState::Unstarted {
            function: closure.clone(),
            args,
        };
        Ok(Raw::from_rc(self.heap.promise(state)?))
    }
}

/// Enters the method of the bound method in the window's first register: the receiver moves in before the
/// arguments, which move up by one.
unsafe fn enter_bound(
    vm: &mut Vm,
    window: *mut u8,
    argc: usize,
    extra: u32,
    return_ip: *const u64,
) -> Result<(), Raise> {
    // SAFETY: the window is on the current stack.
    unsafe {
        let offset = vm.offset(window) as usize;
        let end = window.add((argc + 3) * 16);
        vm.base = vm.reserve_registers(vm.base, end)?;
        let first = vm.registers.add(offset).cast::<Raw>();
        let Value::BoundMethod(bound) = (*first).clone_value() else {
            unreachable!("the caller looked")
        };
        let closure = bound.closure().clone();
        if closure.only_promises() {
            let mut values = vec![bound.receiver().clone()];
            values.extend((0..argc).map(|index| (*first.add(1 + index)).clone_value()));
            check_arity(closure.code(), argc)?;
            let promise = vm.unstarted(&closure, &values)?;
            release_all(first.add(1), argc);
            take(first).release();
            // The call is over: the frame that would have been made returns at once.
            vm.base = finish_call(vm, first, promise, return_ip);
            return Ok(());
        }
        for index in (0..argc).rev() {
            *first.add(index + 2) = take(first.add(index + 1));
        }
        *first.add(1) = Raw::from_value(bound.receiver().clone());
        let old = *first;
        let callee = Raw::from_rc(closure);
        *first = callee;
        old.release();
        enter(
            vm,
            callee,
            first.cast(),
            argc,
            flags::OWNS_CALLEE | extra,
            return_ip,
        )
    }
}

/// Puts a result where a call wants it; for calls that made no frame after all.
unsafe fn finish_call(vm: &mut Vm, first: *mut Raw, value: Raw, return_ip: *const u64) -> *mut u8 {
    // SAFETY: the window's first register.
    unsafe { *first = value };
    vm.ip = return_ip.cast_mut();
    vm.base
}

/// Calls a simple built-in with the `count` values behind the window's first register, which it takes.
///
/// # Safety
/// The values are in registers, and the built-in takes that many; `vm.ip` and `vm.base` say where the call is.
#[inline(always)]
unsafe fn call_simple(vm: &mut Vm, function: Simple, first: *mut Raw, count: usize) -> Result<(), Raise> {
    // SAFETY: the caller's promise; simple built-ins neither move nor switch the stack.
    unsafe {
        let arguments = std::slice::from_raw_parts(first.add(1).cast::<Value>(), count);
        let result = Raw::from_value(function(&mut Ctx { vm }, arguments)?);
        vm.settle_work();
        release_all(first.add(1), count);
        (*first).tag = result.tag;
        (*first).payload = result.payload;
        Ok(())
    }
}

/// Calls a built-in that is simple for this number of arguments, which wait behind the window's first register; false,
/// and nothing done, if it is not.
///
/// # Safety
/// `callee` is a built-in; `vm.ip` and `vm.base` say where the call is.
#[inline(never)]
pub(super) unsafe fn call_plain_builtin(
    vm: &mut Vm,
    callee: Raw,
    first: *mut Raw,
    argc: u16,
) -> Result<bool, Raise> {
    if let Some(function) = definition(callee).plain(argc) {
        // SAFETY: the caller's promise, and the number was just checked.
        unsafe { call_simple(vm, function, first, argc as usize)? };
        return Ok(true);
    }
    Ok(false)
}

/// Calls a built-in whose arguments wait behind the window at byte offset `window`.
///
/// # Safety
/// As [`call_value`].
#[cold]
#[inline(never)]
pub(super) unsafe fn call_builtin(
    vm: &mut Vm,
    callee: Raw,
    window: u16,
    argc: u16,
    words: usize,
) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let start = vm.base.add(window as usize);
        if call_plain_builtin(vm, callee, start.cast(), argc)? {
            return Ok(Flow::Next);
        }
        let return_ip = vm.ip.add(words);
        invoke(vm, definition(callee), start, argc as usize, 0, return_ip, 0)
    }
}

/// Puts the array of the items of a generator in the place of it, by a call that returns to the instruction that runs.
///
/// # Safety
/// `register` holds a generator, and the registers behind it are free; `vm.ip` and `vm.base` say where that is.
pub(super) unsafe fn collect_into(vm: &mut Vm, register: *mut Raw) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise; the room is checked.
    unsafe {
        let offset = vm.offset(register.cast()) as usize;
        vm.base = vm.reserve_registers(vm.base, register.add(3).cast())?;
        let first = vm.registers.add(offset).cast::<Raw>();
        *first.add(1) = take(first);
        let return_ip = vm.ip;
        invoke(vm, &builtins::COLLECT, first.cast(), 1, 0, return_ip, 0)
    }
}

/// Calls the defaults of the `missing` fields of the instance in a register, to which the call returns.
///
/// # Safety
/// The registers behind it are free; `vm.ip` is an instruction of two words, `vm.base` its frame.
pub(super) unsafe fn fill_defaults(
    vm: &mut Vm,
    register: *mut Raw,
    missing: Rc<Array>,
) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise; the room is checked.
    unsafe {
        let offset = vm.offset(register.cast()) as usize;
        vm.base = vm.reserve_registers(vm.base, register.add(4).cast())?;
        let first = vm.registers.add(offset).cast::<Raw>();
        *first.add(1) = take(first);
        *first.add(2) = Raw::from_rc(missing);
        let return_ip = vm.ip.add(2);
        invoke(vm, &builtins::FILL_DEFAULTS, first.cast(), 2, 0, return_ip, 0)
    }
}

fn is_library(def: &BuiltinDef) -> bool {
    def.info.kind == aether_value::BuiltinKind::Library
}

/// Calls a built-in in general: checks the count, pads, drains iterables, runs it or makes its frame.
///
/// `receivers` is 1 for methods, whose receiver is among the `argc` values but not counted as an argument.
unsafe fn invoke(
    vm: &mut Vm,
    def: &'static BuiltinDef,
    window: *mut u8,
    argc: usize,
    receivers: usize,
    return_ip: *const u64,
    extra: u32,
) -> Result<Flow, Raise> {
    // SAFETY: the window lies on the current stack with `argc` values behind its first register.
    unsafe {
        let (params, slots) = plan(def, argc, receivers)?;
        let offset = vm.offset(window) as usize;
        let base_offset = vm.offset(vm.base) as usize;
        vm.reserve_registers(vm.base, window.add((slots + 2) * 16))?;
        vm.base = vm.registers.add(base_offset);
        let first = vm.registers.add(offset).cast::<Raw>();
        let values = first.add(1);
        for index in argc..slots {
            *values.add(index) = Raw::null();
        }
        if def.iterables != 0
            && let Some(index) = drain_arguments(vm, def, values, params.min(8))?
        {
            return drain(vm, def, first, index, params, return_ip, extra);
        }
        match def.run {
            Run::Simple(function) => {
                let arguments = std::slice::from_raw_parts(values.cast::<Value>(), params);
                let value = function(&mut Ctx { vm }, arguments)?;
                vm.settle_work();
                release_all(values, params);
                take(first).release();
                *first = Raw::from_value(value);
                vm.ip = return_ip.cast_mut();
                Ok(Flow::Switched)
            }
            Run::Frame { .. } => {
                take(first).release();
                *first = Raw::builtin(&def.info);
                vm.push_builtin(return_ip, extra)?;
                drive(vm, values.cast(), Event::Start)
            }
        }
    }
}

/// Checks a built-in's argument count; gives the values it sees, padding included, and the slots of its frame.
fn plan(def: &BuiltinDef, argc: usize, receivers: usize) -> Result<(usize, usize), Raise> {
    let given = argc - receivers;
    let (least, most) = (def.info.min_args as usize, def.info.max_args as usize);
    if given < least {
        return Err(Raise::arity(least, given));
    }
    if given > most && most != 255 {
        return Err(Raise::arity(most, given));
    }
    let params = if is_library(def) {
        def.info.params.len()
    } else {
        argc
    };
    Ok(match def.run {
        Run::Simple(_) => (params, params),
        Run::Frame { slots, .. } => (params, (slots as usize).max(params)),
    })
}

/// Turns the arguments of a call into the slots of the draining frame that makes it later. The frame's record has
/// been pushed, so that nothing can fail while values are between their places.
unsafe fn fill_drain(def: &'static BuiltinDef, first: *mut Raw, index: usize, params: usize, slots: usize) {
    // SAFETY: the caller's window has this many slots behind its first register, and `params` values in them.
    unsafe {
        let values = first.add(1);
        for at in (0..params).rev() {
            *values.add(at + 2) = take(values.add(at));
        }
        for at in params + 2..slots {
            *values.add(at) = Raw::null();
        }
        *values = Raw::builtin(&def.info);
        *values.add(1) = Raw::int(index as i64);
        take(first).release();
        *first = Raw::builtin(&builtins::DRAIN.info);
    }
}

/// Turns marked arguments into arrays. Answers the first that only a script can iterate.
unsafe fn drain_arguments(
    vm: &mut Vm,
    def: &BuiltinDef,
    values: *mut Raw,
    count: usize,
) -> Result<Option<usize>, Raise> {
    // SAFETY: `count` values.
    unsafe {
        for index in 0..count {
            let value = values.add(index);
            if def.iterables >> index & 1 == 0 || (*value).tag == tag::ARRAY {
                continue;
            }
            match builtins::collect_iterable(&vm.heap, (*value).as_value())? {
                Some(array) => {
                    let old = *value;
                    *value = Raw::from_rc(array);
                    old.release();
                }
                None => return Ok(Some(index)),
            }
        }
        Ok(None)
    }
}

/// Replaces the call in a window by a draining frame that makes it later.
unsafe fn drain(
    vm: &mut Vm,
    def: &'static BuiltinDef,
    first: *mut Raw,
    index: usize,
    params: usize,
    return_ip: *const u64,
    extra: u32,
) -> Result<Flow, Raise> {
    // SAFETY: the window holds `params` values behind its first register.
    unsafe {
        let Run::Frame { slots, .. } = builtins::DRAIN.run else {
            unreachable!("draining is a frame")
        };
        let offset = vm.offset(first.cast()) as usize;
        let base_offset = vm.offset(vm.base) as usize;
        let end = first.cast::<u8>().add((slots as usize + 2) * 16);
        vm.reserve_registers(vm.base, end)?;
        vm.base = vm.registers.add(base_offset);
        let first = vm.registers.add(offset).cast::<Raw>();
        vm.push_builtin(return_ip, extra)?;
        fill_drain(def, first, index, params, slots as usize);
        drive(vm, first.add(1).cast(), Event::Start)
    }
}

impl Vm {
    /// The end of a function whose record is special. `value` is its result; the record has been popped.
    ///
    /// # Safety
    /// `vm.base` is the frame that ends, and `vm.fp` points at its record.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn leave_special(&mut self, value: Raw) -> Result<Flow, Raise> {
        // SAFETY: as below.
        unsafe {
            if (*self.fp).flags != flags::BOTTOM | flags::OWNS_CALLEE {
                return self.leave_other(value);
            }
            // First the callee: the end of the run may free the stack.
            take(self.base.sub(16).cast::<Raw>()).release();
            if self.ends_run() {
                self.result = value;
                return Ok(Flow::Exit);
            }
            self.end_coroutine(Ok(value.into_value()))
        }
    }

    #[inline(never)]
    unsafe fn leave_other(&mut self, value: Raw) -> Result<Flow, Raise> {
        // SAFETY: the popped record is still where it was; the register before the window holds what its flags say.
        unsafe {
            let frame = *self.fp;
            debug_assert!(frame.flags & flags::SPECIAL != 0);
            let callee = self.base.sub(16).cast::<Raw>();
            if frame.flags & flags::OWNS_CALLEE != 0 {
                take(callee).release();
            }
            if frame.flags & flags::BOTTOM != 0 {
                return self.end_coroutine(Ok(value.into_value()));
            }
            if frame.flags & (flags::RESUMED | flags::GENERATOR) != 0
                && !self.generator_ended(&frame, callee, value)
            {
                return Ok(Flow::Switched);
            }
            if frame.flags & flags::TO_BUILTIN != 0 {
                (*callee).tag = tag::NULL;
                let window = self.registers.add(frame.base as usize);
                let def = definition(*window.sub(16).cast::<Raw>());
                if let Some(each) = &def.each {
                    return each_turn(self, window, each, Returned(value));
                }
                if let Some(pairs) = &def.pairs {
                    return pair_turn(self, window, pairs, Returned(value));
                }
                return drive(self, window, Event::Returned(assemble(value)));
            }
            *callee = value;
            self.ip = frame.return_ip.cast_mut();
            self.base = self.registers.add(frame.base as usize);
            if frame.flags & flags::MODULE != 0 {
                self.module_loaded(callee)?;
            }
            if frame.flags & flags::DEFERRED != 0 {
                self.end_uncounted();
            }
            Ok(Flow::Switched)
        }
    }
}

impl Ctx<'_> {
    /// A method of an instance as a value that can be called, if it has one of this name.
    ///
    /// # Errors
    /// Out of memory.
    pub fn bound_method(&self, value: &Value, name: &str) -> Result<Option<Value>, Raise> {
        let Value::Instance(instance) = value else {
            return Ok(None);
        };
        let method = instance.definition().method_str(name).cloned();
        match method {
            Some(method) => Ok(Some(Value::BoundMethod(
                self.vm.heap.bound_method(value.clone(), method)?,
            ))),
            None => Ok(None),
        }
    }

    /// The methods `has_next` and `next` by which a value iterates, if it does: functions without parameters, or methods of the runtime.
    pub fn iteration_methods(&self, value: &Value) -> Result<Option<(Value, Value)>, Raise> {
        let (has_next, next) = match value {
            Value::Native(native) => {
                let method = |name| native.get().method(name).map(Value::Builtin);
                (method("has_next"), method("next"))
            }
            _ => (
                self.bound_method(value, "has_next")?,
                self.bound_method(value, "next")?,
            ),
        };
        Ok(has_next.zip(next))
    }
}

/// Appends `source` to an array; used where a spread meets an array.
pub(super) fn extend_from(array: &Array, source: &Array) -> Result<(), Raise> {
    let items = source.snapshot()?;
    array.extend(items.as_slice())
}

/// An error for an operation that only a full machine could do.
pub(crate) fn internal(detail: &str) -> Raise {
    Raise::new(ErrorKind::Value, format!("internal error: {detail}"))
}
