//! Calls that the loop does not make inline: built-ins, async functions, constructors, methods, errors.
//!
//! A call's window: the callee in register a, arguments behind it. All are taken; the result replaces the callee.
#![expect(unsafe_code, reason = "moves values between registers")]

use aether_value::{
    Array, Closure, EnumConstructor, ErrorKind, Frame, Header, Instance, NativeObject, PromiseState, Raise,
    Raw, Rc, Value, tag,
};

use super::{Flow, SLACK, Vm, flags};
use crate::builtins::{self, Args, BuiltinDef, Each, Event, Pairs, Run, Step};
use crate::bytecode::Op;
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
pub(super) unsafe fn capture(base: *mut u8, index: u16) -> *mut Raw {
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

    /// Pushes a frame record for a callee of the frame at `vm.ip`, `vm.base`.
    pub(super) fn push_frame(
        &mut self,
        return_ip: *const u64,
        base: *mut u8,
        flags: u32,
    ) -> Result<(), Raise> {
        if self.fp >= self.frames_end {
            self.grow_frames()?;
        }
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

    /// Makes room for one more record, unless the limit of activations is reached.
    #[cold]
    #[inline(never)]
    fn grow_frames(&mut self) -> Result<(), Raise> {
        let Some(current) = self.current.clone() else {
            return Err(Raise::operation("no stack"));
        };
        let used = self.frames_used();
        let depth = used - self.uncounted + self.outer_depth;
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
        enter(vm, callee, window, argc as usize, frame_flags, vm.ip.add(words))?;
        Ok(Flow::Switched)
    }
}

/// Field a of the instruction at `ip`.
unsafe fn window_of(ip: *const u64) -> u16 {
    // SAFETY: the caller's instruction.
    unsafe { *ip.cast::<u16>().add(1) }
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
        let (params, registers) = ((*code).params as usize, (*code).registers as usize);
        if argc > params {
            return Err(Raise::arity(params, argc));
        }
        let receiver = usize::from((*code).has_self);
        let offset = vm.offset(window) as usize;
        let end = window.add(16 + registers.max(params + receiver + 1) * 16);
        vm.base = vm.reserve_registers(vm.base, end)?;
        let window = vm.registers.add(offset);
        let arguments = window.add(16).cast::<Raw>();
        vm.fuel -= 1;
        if vm.fuel < 0 {
            vm.refuel_between()?;
        }
        let base = vm.base;
        vm.push_frame(return_ip, base, frame_flags)?;
        for missing in argc..params {
            *arguments.add(receiver + missing) = Raw::null();
        }
        vm.base = arguments.cast();
        vm.ip = (*code).words.as_ptr().cast_mut();
        Ok(())
    }
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
            tag::FUNCTION => {
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
                let params = closure.code().params as usize;
                if argc > params {
                    return Err(Raise::arity(params, argc));
                }
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
    let fields = constructor.info().fields.len();
    if values.len() != fields {
        return Err(Raise::arity(fields, values.len()));
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
        if closure.is_async() {
            let mut values = vec![bound.receiver().clone()];
            values.extend((0..argc).map(|index| (*first.add(1 + index)).clone_value()));
            let params = closure.code().params as usize;
            if argc > params {
                return Err(Raise::arity(params, argc));
            }
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
        let def = definition(callee);
        let argc = argc as usize;
        if let Run::Simple(function) = def.run
            && def.iterables == 0
            && argc >= def.info.min_args as usize
            && (argc == def.info.params.len() || (argc <= def.info.max_args as usize && !is_library(def)))
        {
            let first = vm.base.add(window as usize).cast::<Raw>();
            let arguments = std::slice::from_raw_parts(first.add(1).cast::<Value>(), argc);
            let value = function(&mut Ctx { vm }, arguments)?;
            release_all(first.add(1), argc);
            *first = Raw::from_value(value);
            return Ok(Flow::Next);
        }
        let start = vm.base.add(window as usize);
        let return_ip = vm.ip.add(words);
        invoke(vm, def, start, argc, 0, return_ip, 0)
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
    /// Pushes the record of a built-in's frame called from `vm.base`.
    fn push_builtin(&mut self, return_ip: *const u64, extra: u32) -> Result<(), Raise> {
        self.uncounted += 1;
        self.set_frames_end();
        let base = self.base;
        if let Err(raise) = self.push_frame(return_ip, base, flags::IS_BUILTIN | extra) {
            self.uncounted -= 1;
            self.set_frames_end();
            return Err(raise);
        }
        Ok(())
    }

    /// Pops the record of a built-in's frame.
    pub(super) fn pop_builtin(&mut self) -> Frame {
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
pub(super) unsafe fn slot_count(window: *mut u8) -> usize {
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
pub(super) unsafe fn drive(vm: &mut Vm, window: *mut u8, event: Event) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe { resume_loop(vm, window, Input::Event(event)) }
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
                Input::Event(Event::Failed(raise)) if !(def.catches && raise.kind().is_catchable()) => {
                    Err(raise)
                }
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
                        Ok(Called::Value(value)) => event = Input::Event(Event::Returned(value)),
                        Ok(Called::Builtin(inner)) => {
                            window = inner;
                            event = Input::Event(Event::Start);
                            continue;
                        }
                        Err(raise) => event = Input::Event(Event::Failed(raise)),
                    }
                    window = vm.registers.add(offset);
                }
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
            Args::None | Args::Many(_) => return Err((function, args)),
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
            Args::None | Args::Many(_) => {}
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

/// A turn of a built-in that calls a function with each of its items: takes the result of the last call and makes
/// the next one.
///
/// # Safety
/// `window` is the innermost frame's, a built-in's with this quick way.
unsafe fn each_turn(vm: &mut Vm, window: *mut u8, each: &Each, result: Returned) -> Result<Flow, Raise> {
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
        if function.tag == tag::FUNCTION && items.tag == tag::BUFFER {
            let items = items.object::<aether_value::Buffer>().as_slice();
            let code = (*function.pointer::<Closure>()).code_ptr().as_ptr();
            let first = registers.add(count);
            let base = first.add(1).cast::<u8>();
            let fits = position < items.len()
                && (*code).params == 1
                && !(*code).has_self
                && vm.fp < vm.frames_end
                && base.add((*code).registers as usize * 16) <= vm.registers_end
                && vm.fuel > 0;
            if fits {
                vm.fuel -= 1;
                let item = *items.as_ptr().add(position).cast::<Raw>();
                item.retain();
                (*at).payload = position as u64 + 1;
                *first.add(1) = item;
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
unsafe fn pair_turn(vm: &mut Vm, window: *mut u8, pairs: &Pairs, result: Returned) -> Result<Flow, Raise> {
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
        let registers = window.cast::<Raw>();
        let function = *registers.add(1);
        if function.tag == tag::FUNCTION {
            let code = (*function.pointer::<Closure>()).code_ptr().as_ptr();
            let first = registers.add(count);
            let base = first.add(1).cast::<u8>();
            let fits = (*code).params == 2
                && !(*code).has_self
                && vm.fp < vm.frames_end
                && base.add((*code).registers as usize * 16) <= vm.registers_end
                && vm.fuel > 0;
            if fits {
                vm.fuel -= 1;
                *first.add(1) = Raw::from_value(one);
                *first.add(2) = Raw::from_value(two);
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
                return Ok(Flow::Switched);
            }
        }
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
            Args::Many(values) => values.len(),
        };
        if lenient {
            argc = argc.min(declared_parameters(&function));
        }
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
            Args::Many(values) => {
                for (index, value) in values.into_iter().take(argc).enumerate() {
                    *first.add(1 + index) = Raw::from_value(value);
                }
            }
        }
        let callee = Raw::from_value(function);
        *first = callee;
        let called = call_from_window(vm, callee, first, argc);
        if called.is_err() {
            // Whatever was not taken.
            let first = vm.registers.add(offset).cast::<Raw>().add(slots);
            release_all(first, argc + 2);
        }
        called
    }
}

unsafe fn call_from_window(vm: &mut Vm, callee: Raw, first: *mut Raw, argc: usize) -> Result<Called, Raise> {
    // SAFETY: the window holds the callee and its arguments.
    unsafe {
        let none = std::ptr::null();
        match callee.tag {
            tag::FUNCTION => {
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
                    .is_async()
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
                if let Some(value) = invoke_nested(vm, def, first.cast(), argc)? {
                    Ok(Called::Value(value))
                } else {
                    debug_assert!(vm.fp != depth || base != vm.base);
                    Ok(Called::Builtin(vm.registers.add(offset + 16)))
                }
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
) -> Result<Option<Value>, Raise> {
    // SAFETY: as `invoke`.
    unsafe {
        let (params, slots) = plan(def, argc, 0)?;
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
pub(super) fn declared_parameters(function: &Value) -> usize {
    match function {
        Value::Function(closure) | Value::AsyncFunction(closure) => closure.code().params as usize,
        Value::BoundMethod(bound) => bound.closure().code().params as usize,
        Value::Builtin(builtin) => match builtin.max_args {
            255 => usize::MAX,
            most => most as usize,
        },
        Value::EnumConstructor(constructor) => constructor.info().fields.len(),
        _ => usize::MAX,
    }
}

/// A method call that missed its inline cache.
///
/// # Safety
/// `ip` is a `CallMethod` or `Push` instruction with the receiver and arguments in its window.
#[cold]
#[inline(never)]
pub(super) unsafe fn call_method(vm: &mut Vm, ip: *mut u64, argc: u16) -> Result<Flow, Raise> {
    // SAFETY: the caller's promise.
    unsafe {
        let window_offset = window_of(ip);
        let name = (*ip.add(1) >> 32) as u32;
        let number = if Op::of(*ip) == Op::CallMethod {
            (*ip >> 48) as u16
        } else {
            vm.push_method
        };
        loop {
            let window = vm.base.add(window_offset as usize);
            let first = window.cast::<Raw>();
            let receiver = *first.add(1);
            if receiver.tag == tag::INSTANCE {
                return call_instance_method(vm, ip, window_offset, argc, name, number);
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
                        let arguments =
                            std::slice::from_raw_parts(first.add(1).cast::<Value>(), argc as usize + 1);
                        let value = function(&mut Ctx { vm }, arguments)?;
                        release_all(first.add(1), argc as usize + 1);
                        *first = Raw::from_value(value);
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
                    let value = super::member::enum_member(vm, definition, &name_text)?;
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
            if method.is_async() {
                let values: Vec<Value> = (0..=argc as usize)
                    .map(|index| (*first.add(1 + index)).clone_value())
                    .collect();
                let params = method.code().params as usize;
                if argc as usize > params {
                    return Err(Raise::arity(params, argc as usize));
                }
                let promise = vm.unstarted(&method.clone(), &values)?;
                release_all(first.add(1), argc as usize + 1);
                *first = promise;
                return Ok(Flow::Next);
            }
            if method.is_empty() {
                // Nothing but its definition owns a method, and the instance keeps that alive.
                *ip.add(1) = (*ip.add(1) & !0xFFFF_FFFF) | u64::from(instance.shape_id());
                *ip.add(2) = closure as u64;
                if Op::of(*ip) != Op::CallMethod {
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
            // A method with captures is held while it runs: `self` may be assigned.
            let callee = Raw::from_rc(method.clone());
            *first = callee;
            enter(vm, callee, window, argc as usize, flags::OWNS_CALLEE, ip.add(3))?;
            return Ok(Flow::Switched);
        }
        if let Some(field) = instance.field(&name) {
            if field.is_callable() {
                return call_in_place(vm, window_offset, argc, field);
            }
            return Err(Raise::not_a_function(&field.type_name()));
        }
        if let Some(def) = builtin {
            *first = Raw::null();
            return invoke(vm, def, window, argc as usize + 1, 1, ip.add(3), 0);
        }
        Err(Raise::no_method(&receiver.as_value().type_name(), name.as_str()))
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
        // SAFETY: the popped record is still where it was; the register before the window holds what its flags say.
        unsafe {
            let frame = *self.fp;
            debug_assert!(frame.flags & flags::SPECIAL != 0);
            let callee = self.base.sub(16).cast::<Raw>();
            if frame.flags & flags::OWNS_CALLEE != 0 {
                take(callee).release();
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
            if frame.flags & flags::BOTTOM != 0 {
                return self.end_coroutine(Ok(value.into_value()));
            }
            *callee = value;
            self.ip = frame.return_ip.cast_mut();
            self.base = self.registers.add(frame.base as usize);
            if frame.flags & flags::MODULE != 0 {
                self.module_loaded(callee)?;
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
}

/// Appends `source` to an array; used where a spread meets an array.
pub(super) fn extend_from(array: &Array, source: &Array) -> Result<(), Raise> {
    let items = source.snapshot();
    array.extend(items.as_slice())
}

/// An error for an operation that only a full machine could do.
pub(super) fn internal(detail: &str) -> Raise {
    Raise::new(ErrorKind::Value, format!("internal error: {detail}"))
}
