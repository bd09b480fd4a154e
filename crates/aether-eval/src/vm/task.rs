//! Coroutines: starting, parking, waking; `await`; entering and leaving a run.
//!
//! A coroutine is parked at an `Await` instruction or in a built-in's frame. While it is parked its position is in
//! its own record, and whatever it waits for holds it in a list of waiters: dropping the promise drops the
//! coroutine. A promise that settles puts its waiters at the end of the ready queue.
#![expect(unsafe_code, reason = "switches register stacks")]

use aether_value::{Closure, Code, Coroutine, ErrorKind, Promise, PromiseState, Raise, Raw, Rc, Value, tag};
use std::collections::VecDeque;
use std::ptr::NonNull;

use super::call::{self, release_all, take};
use super::wait::CALLBACK;
use super::{Flow, MAX_REENTRY, Vm, dispatch, flags};
use crate::builtins::{Event, Until};
use crate::bytecode::{Op, encode};

/// Coroutines that go on before messages and timers are looked at again, while there are coroutines that may.
const TURNS: u32 = 64;

/// What `await` says when nothing can settle its promise.
const NEVER: &str = "the awaited promise can never settle";

/// Something that may go on.
pub(crate) enum Runnable {
    /// A parked coroutine.
    Coroutine {
        /// Its stack.
        coroutine: Rc<Coroutine>,
        /// What it waited for: a promise, or a [`Join`](super::wait::Join) of several.
        cause: Value,
        /// The promise that has settled.
        promise: Rc<Promise>,
    },
    /// A queued callback.
    Callback {
        /// In which order it was registered.
        number: u64,
        /// What to call.
        function: Value,
        /// With what.
        value: Value,
    },
}

impl Runnable {
    /// Marks what is about to go on.
    pub(super) fn mark(&self, roots: &mut aether_value::Roots<'_>) {
        match self {
            Self::Coroutine {
                coroutine,
                cause,
                promise,
            } => {
                roots.object(coroutine);
                roots.value(cause);
                roots.object(promise);
            }
            Self::Callback { function, value, .. } => {
                roots.value(function);
                roots.value(value);
            }
        }
    }
}

/// The largest stack, in registers, that is kept for the next call of the host.
const SPARE_REGISTERS: usize = 512;

/// The record of a stack's first frame.
const BOTTOM_FRAME: aether_value::Frame = aether_value::Frame {
    return_ip: std::ptr::null(),
    base: 16,
    flags: flags::BOTTOM | flags::OWNS_CALLEE,
};

/// What it costs to make a stack, in steps.
const COROUTINE_WORK: usize = 32;

/// Where a parked coroutine stands.
pub(super) mod parked {
    /// It runs, or has ended: a promise that wakes it now wakes it in vain.
    pub(in crate::vm) const NO: u8 = 0;
    /// At an `Await` instruction.
    pub(in crate::vm) const INSTRUCTION: u8 = 1;
    /// In a built-in that awaits one value, or the first of several promises.
    pub(in crate::vm) const BUILTIN: u8 = 2;
    /// In a built-in that awaits several promises and looks at their outcomes itself.
    pub(in crate::vm) const BUILTIN_ALL: u8 = 3;
    /// It has not begun.
    pub(in crate::vm) const NEW: u8 = 4;
}

/// Readies a stack whose first frame is in place, with its function and `count` registers, to begin at `ip`.
///
/// # Safety
/// The registers are initialised, and the stack has room for a record.
unsafe fn prepare_new(stack: &Coroutine, ip: *const u64, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { *stack.frames() = BOTTOM_FRAME };
    stack.status.set(parked::NEW);
    stack.depth.set(1);
    stack.ip.set(ip);
    stack.base.set(16);
    stack.top.set(1 + count as u32);
}

impl Vm {
    // --- whole runs ---

    /// Runs code without parameters on a stack of its own and gives its result.
    pub(crate) fn run_code(&mut self, code: NonNull<Code>) -> Result<Value, Raise> {
        let closure = self.heap.for_host(|| self.heap.closure(code, &[], false))?;
        match self.idle_stack() {
            Some(stack) => {
                self.call_on(stack, &closure, &[], 1)?;
                Ok(self.take_result())
            }
            None => self.execute(&closure, &[], 1),
        }
    }

    /// Calls any callable from outside. With `awaited`, a promise's result is awaited.
    #[inline]
    pub(crate) fn call_value(
        &mut self,
        function: &Value,
        args: &[Value],
        awaited: bool,
    ) -> Result<Value, Raise> {
        if !awaited
            && let Value::Function(closure) = function
            && closure.code().takes_exactly(args.len())
            && let Some(stack) = self.idle_stack()
        {
            self.call_at_once(stack, closure, args)?;
            return Ok(self.take_result());
        }
        self.call_any(function, args, awaited)
    }

    #[inline(never)]
    fn call_at_once(
        &mut self,
        stack: Rc<Coroutine>,
        closure: &Rc<Closure>,
        args: &[Value],
    ) -> Result<(), Raise> {
        self.call_on(stack, closure, args, 0)
    }

    /// See [`Vm::call_value`].
    #[inline(never)]
    fn call_any(&mut self, function: &Value, args: &[Value], awaited: bool) -> Result<Value, Raise> {
        /// Arguments for which no list is made.
        const FEW: usize = 7;
        if !awaited
            && let Value::Function(closure) = function
            && closure.code().takes_exactly(args.len())
        {
            // Its frame is the first: nothing has to call it.
            return self.execute(&closure.clone(), args, 0);
        }
        let closure = self.stub(args.len() as u16, awaited)?;
        if args.len() > FEW {
            let mut values = vec![function.clone()];
            values.extend_from_slice(args);
            return self.execute(&closure, &values, 1);
        }
        let mut values = [const { Value::Null }; FEW + 1];
        values[0] = function.clone();
        values[1..=args.len()].clone_from_slice(args);
        self.execute(&closure, &values[..=args.len()], 1)
    }

    /// The result of the run that has just ended.
    #[inline(always)]
    fn take_result(&mut self) -> Value {
        // SAFETY: a run that ends without an error leaves a value that is nobody's.
        unsafe { std::mem::replace(&mut self.result, Raw::null()).into_value() }
    }

    /// The stack of an earlier call, if nothing runs.
    #[inline]
    fn idle_stack(&mut self) -> Option<Rc<Coroutine>> {
        if self.reentry > 0 {
            None
        } else {
            self.spare_stack.take()
        }
    }

    /// Calls a function that takes exactly these arguments on the stack of an earlier call, while nothing else runs:
    /// there is no position to keep, and nothing has to be made. See [`Vm::execute`] for the rest.
    #[inline(always)]
    fn call_on(
        &mut self,
        stack: Rc<Coroutine>,
        closure: &Rc<Closure>,
        args: &[Value],
        uncounted: u32,
    ) -> Result<(), Raise> {
        let code = closure.code();
        let needed = code.registers as usize + args.len() + 2 + super::SLACK;
        if needed > stack.capacity() {
            let heap = &self.heap;
            heap.for_host(|| stack.grow(needed))?;
        }
        stack.touch();
        stack.outer.set(0);
        stack.status.set(parked::NO);
        // SAFETY: the stack is clear and large enough; its first record and registers are written here, and the code is
        // entered at its first instruction.
        unsafe {
            let registers = stack.registers();
            *registers = Raw::from_rc(closure.clone());
            for (index, value) in args.iter().enumerate() {
                *registers.add(1 + index) = call::argument(value);
            }
            *stack.frames() = BOTTOM_FRAME;
            self.ip = code.words.as_ptr().cast_mut();
            self.fp = stack.frames().add(1);
            self.registers = registers.cast();
            self.registers_end = self.registers.add((stack.capacity() - super::SLACK) * 16);
            self.base = self.registers.add(16);
            let end = stack
                .frame_capacity()
                .min((self.limits.depth + uncounted as usize).max(1));
            self.frames_end = stack.frames().add(end);
        }
        self.uncounted = uncounted as usize;
        self.outer_depth = 0;
        self.main = Some(stack.clone());
        self.current = Some(stack.clone());
        self.reentry = 1;
        // SAFETY: the machine stands at the function's entry.
        let result = unsafe { dispatch::run(self) };
        self.reentry = 0;
        self.base = std::ptr::null_mut();
        self.main = None;
        if let Some(current) = self.current.take() {
            current.top.set(0);
        }
        if result.is_ok() && Rc::count(&stack) == 1 && stack.capacity() <= SPARE_REGISTERS && stack.is_clear()
        {
            self.spare_stack = Some(stack);
        }
        result
    }

    /// A function that calls its first argument with the other `argc`; made once for each shape of call.
    pub(super) fn stub(&mut self, argc: u16, awaited: bool) -> Result<Rc<Closure>, Raise> {
        if let Some(closure) = self.stubs.get(&(argc, awaited)) {
            return Ok(closure.clone());
        }
        let mut words = vec![encode(Op::CallTop, 0, 0, argc)];
        if awaited {
            words.push(encode(Op::Await, 0, 0, 0));
        }
        words.push(encode(Op::Return, 0, 0, 0));
        let code = self.add_stub(words, argc + 1);
        let closure = self.heap.for_host(|| self.heap.closure(code, &[], false))?;
        self.stubs.insert((argc, awaited), closure.clone());
        Ok(closure)
    }

    /// Calls a method of a value from outside.
    pub(crate) fn call_method_value(
        &mut self,
        object: &Value,
        name: &str,
        args: &[Value],
    ) -> Result<Value, Raise> {
        let heap = self.heap.clone();
        let name = heap.for_host(|| self.tables.string(&heap, name))?;
        self.refresh_tables();
        let argc = args.len() as u16;
        let code = if let Some(&code) = self.method_stubs.get(&(name, argc)) {
            code
        } else {
            let number = crate::builtins::method_number(self.tables.text(name).as_str());
            let words = vec![
                encode(Op::CallMethod, 0, argc, number),
                u64::from(name) << 32,
                0,
                encode(Op::Return, 0, 0, 0),
            ];
            let code = self.add_stub(words, argc + 2);
            self.method_stubs.insert((name, argc), code);
            code
        };
        let closure = self.heap.for_host(|| self.heap.closure(code, &[], false))?;
        // The instruction's window begins with the register of its result.
        let mut values = vec![Value::Null, object.clone()];
        values.extend_from_slice(args);
        self.execute(&closure, &values, 1)
    }

    /// Code of the machine's own that its parameters are the first registers of. Like the library's it is in no trace.
    fn add_stub(&mut self, words: Vec<u64>, params: u16) -> NonNull<Code> {
        let code = Code {
            name: Some("".into()),
            doc: None,
            is_library: true,
            words: words.into_boxed_slice(),
            params,
            declared: params,
            required: params,
            has_self: false,
            registers: params + 1,
            is_async: false,
            binds_first: false,
            assigns_self: false,
            param_names: Box::default(),
            handlers: Box::default(),
            cleanups: Box::default(),
            span: aether_source::Span::default(),
            places: Box::default(),
            file: std::rc::Rc::new(aether_source::SourceFile::new(None, String::new())),
            children: Box::default(),
            captures: Box::default(),
            capture_names: Box::default(),
            module: 0,
            locals: Box::default(),
            switches: Box::default(),
            machine: std::cell::Cell::new(std::ptr::null()),
        };
        self.heap.add_code(Box::new(code))
    }

    /// Runs a closure with exactly its parameters on a new main coroutine, on which so many frames are no activations of
    /// functions.
    fn execute(&mut self, closure: &Rc<Closure>, args: &[Value], uncounted: u32) -> Result<Value, Raise> {
        if self.reentry >= MAX_REENTRY {
            return Err(Raise::new(
                ErrorKind::Recursion,
                format!(
                    "Maximum recursion depth exceeded: {} (limit: {MAX_REENTRY})",
                    MAX_REENTRY + 1
                ),
            ));
        }
        let outer_depth = self.depth();
        if !self.base.is_null() {
            // SAFETY: the innermost frame of the stack that waits is live.
            unsafe { self.hold_callees() };
        }
        let saved = (
            self.current.take(),
            self.main.take(),
            self.ip,
            self.base,
            self.uncounted,
            self.outer_depth,
        );
        let saved_frames = saved.0.as_ref().map_or(0, |current| {
            (self.fp as usize - current.frames() as usize) / size_of::<aether_value::Frame>()
        });
        let outer_main = saved.1.clone();
        let is_nested = outer_main.is_some();
        self.outer_mains.extend(outer_main);
        self.reentry += 1;
        let result = self.execute_inner(closure, args, outer_depth, uncounted);
        self.reentry -= 1;
        if is_nested {
            self.outer_mains.pop();
            while let Some(wake) = self.deferred.pop() {
                self.ready.push_front(wake);
            }
        }
        let (current, main, ip, base, uncounted, outer) = saved;
        let offset = if base.is_null() { 0 } else { base as usize };
        self.main = main;
        self.current = current;
        self.uncounted = uncounted;
        self.outer_depth = outer;
        self.ip = ip;
        if let Some(current) = &self.current {
            // SAFETY: the outer stack has not moved: it was not the one in use.
            self.fp = unsafe { current.frames().add(saved_frames) };
            self.load_registers();
            self.set_frames_end();
        }
        self.base = offset as *mut u8;
        result
    }

    fn execute_inner(
        &mut self,
        closure: &Rc<Closure>,
        args: &[Value],
        outer: usize,
        uncounted: u32,
    ) -> Result<Value, Raise> {
        let heap = self.heap.clone();
        let spare = self.spare_stack.take();
        let coroutine = heap.for_host(|| self.stack_for(spare, closure, args))?;
        let kept = (coroutine.capacity() <= SPARE_REGISTERS).then(|| coroutine.clone());
        coroutine.outer.set(outer as u32);
        coroutine.uncounted.set(uncounted);
        self.main = Some(coroutine.clone());
        coroutine.status.set(parked::NO);
        self.load(coroutine);
        // SAFETY: the coroutine has just been set up at its function's entry.
        let result = unsafe { dispatch::run(self) };
        let result = result.map(|()| self.take_result());
        self.main = None;
        if let Some(current) = self.current.take() {
            current.top.set(0);
        }
        if result.is_ok() {
            let is_spare = |kept: &Rc<Coroutine>| {
                Rc::count(kept) == 1 && kept.capacity() <= SPARE_REGISTERS && kept.is_clear()
            };
            self.spare_stack = kept.filter(is_spare);
        }
        result
    }

    /// A stack on which a closure is about to begin with these arguments.
    pub(super) fn new_coroutine(
        &mut self,
        closure: &Rc<Closure>,
        args: &[Value],
    ) -> Result<Rc<Coroutine>, Raise> {
        self.stack_for(None, closure, args)
    }

    /// The same on a stack that an earlier run has left, if there is one.
    fn stack_for(
        &mut self,
        spare: Option<Rc<Coroutine>>,
        closure: &Rc<Closure>,
        args: &[Value],
    ) -> Result<Rc<Coroutine>, Raise> {
        let code = closure.code();
        let needed = code.registers as usize + args.len() + 2 + super::SLACK;
        let coroutine = match spare {
            Some(spare) => {
                spare.grow(needed)?;
                spare
            }
            None => self.heap.coroutine_of(needed)?,
        };
        let receiver = usize::from(code.has_self);
        let rest = if code.has_rest() {
            let surplus = args.get(receiver + code.declared as usize - 1..).unwrap_or(&[]);
            Some(self.heap.array_from_slice(surplus)?)
        } else {
            None
        };
        // SAFETY: the stack is new and large enough; its first record and registers are written here.
        unsafe {
            let registers = coroutine.registers();
            *registers = Raw::from_rc(closure.clone());
            let params = code.declared as usize - usize::from(code.has_rest());
            let given = args.len().min(params + receiver);
            for (index, value) in args[..given].iter().enumerate() {
                *registers.add(1 + index) = call::argument(value);
            }
            super::call::fill_missing(code, registers.add(1 + receiver), given - receiver, params);
            if let Some(rest) = rest {
                *registers.add(1 + receiver + params) = Raw::from_rc(rest);
            }
            prepare_new(
                &coroutine,
                code.words.as_ptr(),
                (code.registers as usize).max(args.len()),
            );
        }
        Ok(coroutine)
    }

    // --- switching ---

    /// Makes a coroutine the current one, at its saved position.
    pub(super) fn load(&mut self, coroutine: Rc<Coroutine>) {
        coroutine.touch();
        coroutine.top.set(0);
        self.uncounted = coroutine.uncounted.get() as usize;
        self.outer_depth = coroutine.outer.get() as usize;
        self.ip = coroutine.ip.get().cast_mut();
        let (base, depth) = (coroutine.base.get() as usize, coroutine.depth.get() as usize);
        // SAFETY: a saved position lies within the coroutine's own memory.
        unsafe {
            self.fp = coroutine.frames().add(depth);
            self.current = Some(coroutine);
            self.load_registers();
            self.base = self.registers.add(base);
        }
        self.set_frames_end();
    }

    /// Writes the current position back to the current coroutine; its innermost window is `window`.
    pub(super) unsafe fn save(&mut self, status: u8, window: *mut u8) {
        // SAFETY: the innermost frame is live.
        unsafe { self.hold_callees() };
        let depth = self.frames_used();
        let base = self.offset(self.base);
        let start = self.offset(window) as usize / 16;
        // SAFETY: the window is live.
        let size = unsafe {
            if (*window.sub(16).cast::<Raw>()).tag == tag::BUILTIN {
                call::slot_count(window)
            } else {
                (*(*window.sub(16).cast::<Raw>()).pointer::<Closure>())
                    .code()
                    .registers as usize
            }
        };
        if let Some(current) = &self.current {
            current.depth.set(depth as u32);
            current.base.set(base);
            current.ip.set(self.ip);
            current.status.set(status);
            current.uncounted.set(self.uncounted as u32);
            current.top.set((start + size) as u32);
        }
    }

    /// Parks the current coroutine, whose position has been saved, and goes on with the next.
    pub(super) fn park(&mut self) -> Result<Flow, Raise> {
        self.current = None;
        self.go_on()
    }

    /// Goes on with the next coroutine or callback that may.
    pub(super) fn go_on(&mut self) -> Result<Flow, Raise> {
        loop {
            self.turns = self.turns.wrapping_add(1);
            let is_releasing = self.heap.has_leaving() && self.release_some();
            if (is_releasing || self.turns.is_multiple_of(TURNS))
                && let Err(raise) = self.collect_outside()
            {
                return self.raise_in_main(raise);
            }
            let wake = self.ready.pop_front();
            if self.ready.is_empty() && self.ready.capacity() > crate::task::FEW {
                self.ready = VecDeque::new();
            }
            let flow = match wake {
                Some(Runnable::Coroutine {
                    coroutine,
                    cause,
                    promise,
                }) => self.wake(coroutine, &cause, promise)?,
                Some(Runnable::Callback { function, value, .. }) => self.start_callback(function, value),
                None if is_releasing => None,
                None => match self.wait_outside() {
                    Ok(true) => None,
                    Ok(false) => return self.raise_in_main(Raise::operation(NEVER)),
                    Err(raise) => return self.raise_in_main(raise),
                },
            };
            if let Some(flow) = flow {
                return Ok(flow);
            }
        }
    }

    /// Goes on with a coroutine, unless it no longer waits for what has happened.
    fn wake(
        &mut self,
        coroutine: Rc<Coroutine>,
        cause: &Value,
        promise: Rc<Promise>,
    ) -> Result<Option<Flow>, Raise> {
        if self.outer_mains.iter().any(|main| Rc::ptr_eq(main, &coroutine)) {
            // Its own loop is further out on the native stack.
            let cause = cause.clone();
            self.deferred.push(Runnable::Coroutine {
                coroutine,
                cause,
                promise,
            });
            return Ok(None);
        }
        let status = coroutine.status.get();
        match status {
            parked::NO => return Ok(None),
            parked::NEW => {
                coroutine.status.set(parked::NO);
                self.load(coroutine);
                return Ok(Some(Flow::Switched));
            }
            _ => {}
        }
        let expected = super::wait::awaited_by(cause);
        if !Raw::same(coroutine.awaiting(), expected) {
            // Woken by what it no longer waits for.
            return Ok(None);
        }
        self.leave_join(cause);
        let outcome = match promise.settled() {
            // Cancelled, and what it waited for goes on for others; or it waited for several.
            outcome if outcome.is_none() || status == parked::BUILTIN_ALL => {
                let cancelled = super::cancel::cancellation(&coroutine);
                let error = cancelled.and_then(|raise| raise.0.error);
                let is_cleaning_up = || Self::is_cleaning_up(&coroutine);
                match error {
                    Some(error) if outcome.is_none() || !is_cleaning_up() => {
                        coroutine.status.set(parked::NO);
                        coroutine.set_awaiting(Raw::null());
                        self.load(coroutine);
                        let status = if status == parked::BUILTIN_ALL {
                            parked::BUILTIN
                        } else {
                            status
                        };
                        return self.resume(status, Some(Err(error))).map(Some);
                    }
                    _ => outcome,
                }
            }
            outcome => outcome,
        };
        let status = match &outcome {
            // The failure that came first, not the first of those that there are by now.
            Some(Err(_)) if super::wait::ends_at_failure(cause) => parked::BUILTIN,
            _ => status,
        };
        coroutine.status.set(parked::NO);
        coroutine.set_awaiting(Raw::null());
        self.load(coroutine);
        self.resume(status, outcome).map(Some)
    }

    /// Resumes the current coroutine with what it waited for.
    fn resume(
        &mut self,
        status: u8,
        outcome: Option<Result<Value, Rc<aether_value::ErrorObject>>>,
    ) -> Result<Flow, Raise> {
        let outcome = match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(Raise::again(error)),
            None => Err(Raise::operation(NEVER)),
        };
        // SAFETY: the saved position is an `Await` instruction or a built-in's window.
        unsafe {
            if status == parked::INSTRUCTION {
                let value = outcome?;
                let register = self
                    .base
                    .add(*self.ip.cast::<u16>().add(1) as usize)
                    .cast::<Raw>();
                let old = *register;
                *register = Raw::from_value(value);
                old.release();
                self.ip = self.ip.add(1);
                Ok(Flow::Switched)
            } else {
                let window = self.base;
                let event = match outcome {
                    _ if status == parked::BUILTIN_ALL => Event::Returned(Value::Null),
                    Ok(value) => Event::Returned(value),
                    Err(raise) => Event::Failed(raise),
                };
                call::drive(self, window, event)
            }
        }
    }

    /// Has the main coroutine go on with an error, whatever it waits for: that nothing else can go on, or that the
    /// user asks to stop.
    pub(super) fn raise_in_main(&mut self, raise: Raise) -> Result<Flow, Raise> {
        let Some(main) = self.main.clone() else {
            return Err(call::internal("no main coroutine"));
        };
        let status = main.status.replace(parked::NO);
        main.set_awaiting(Raw::null());
        self.load(main);
        if status == parked::INSTRUCTION || status == parked::NO {
            return Err(raise);
        }
        let window = self.base;
        // SAFETY: a coroutine parked in a built-in has its window as base.
        unsafe { call::drive(self, window, Event::Failed(raise)) }
    }

    /// Unloads the current coroutine if its end is that of the run.
    #[inline]
    pub(super) fn ends_run(&mut self) -> bool {
        let is_main = match (&self.main, &self.current) {
            (Some(main), Some(current)) => Rc::ptr_eq(main, current),
            _ => false,
        };
        if is_main {
            self.main = None;
            if let Some(ended) = self.current.take() {
                ended.top.set(0);
            }
        }
        is_main
    }

    /// The current coroutine has ended: settles its promise, or ends the run.
    pub(super) fn end_coroutine(&mut self, result: Result<Value, Raise>) -> Result<Flow, Raise> {
        if self.ends_run() {
            return result.map(|value| {
                self.result = Raw::from_value(value);
                Flow::Exit
            });
        }
        let Some(ended) = self.current.take() else {
            return Err(call::internal("no coroutine"));
        };
        ended.top.set(0);
        let promise = ended.promise();
        if promise.tag == CALLBACK.tag {
            drop(ended);
            return self.end_callback(result);
        }
        if promise.tag == tag::PROMISE {
            // SAFETY: by its tag; the coroutine holds a count.
            let promise = unsafe { promise.clone_value() };
            if let Value::Promise(promise) = promise {
                let state = match result {
                    Err(raise) if !raise.kind().is_catchable() && raise.kind() != ErrorKind::Interrupted => {
                        self.main = None;
                        return Err(raise);
                    }
                    result => self.ended_state(&ended, result)?,
                };
                self.detached_ended(&promise);
                self.settle(&promise, state);
            }
        }
        drop(ended);
        self.go_on()
    }

    /// Whether the run has ended, so that an error is its result.
    pub(super) fn has_ended(&self) -> bool {
        self.main.is_none()
    }

    // --- await ---

    /// The `Promise` instruction: an async function has bound its parameters.
    ///
    /// # Errors
    /// Out of memory; the frame is as it was.
    ///
    /// # Safety
    /// `vm.ip` is the instruction and `vm.base` its frame, whose result goes to `register`.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn promise_of_frame(&mut self, register: *mut Raw) -> Result<(), Raise> {
        // SAFETY: the register before the window names the running closure; the window's registers are initialised, and
        // the stack has room for them.
        unsafe {
            let window = self.base.cast::<Raw>();
            let closure = (*window.sub(1)).pointer::<Closure>();
            let count = (*closure).code().registers as usize;
            let stack = self.heap.coroutine_of(count + 2 + super::SLACK)?;
            let promise = self.heap.promise(PromiseState::Bound(stack.clone()))?;
            let function = Raw {
                tag: tag::FUNCTION,
                payload: closure as u64,
            };
            function.retain();
            *stack.registers() = function;
            std::ptr::copy_nonoverlapping(window, stack.registers().add(1), count);
            for index in 0..count {
                (*window.add(index)).tag = tag::NULL;
            }
            // The body begins behind the return.
            prepare_new(&stack, self.ip.add(2), count);
            *register = Raw::from_rc(promise);
            Ok(())
        }
    }

    /// Begins an async call on behalf of the host.
    pub(crate) fn begin_from_host(&mut self, promise: &Rc<Promise>) -> Result<(), Raise> {
        promise.set_demanded();
        self.begin(promise, false)
    }

    /// Begins an async call whose body has not begun. `at_once` puts it before everything that is ready.
    pub(super) fn begin(&mut self, promise: &Rc<Promise>, at_once: bool) -> Result<(), Raise> {
        let state = promise.state();
        if !matches!(state, PromiseState::Unstarted { .. } | PromiseState::Bound(_)) {
            return Ok(());
        }
        self.tick(COROUTINE_WORK)?;
        let coroutine = match state {
            // SAFETY: the array is the promise's own, and nobody writes to it.
            PromiseState::Unstarted { function, args } => unsafe {
                self.new_coroutine(&function, args.as_slice())?
            },
            PromiseState::Bound(stack) => stack,
            _ => return Ok(()),
        };
        let outer = self.depth();
        if outer >= self.limits.depth {
            return Err(Raise::recursion(outer + 1, self.limits.depth));
        }
        coroutine.outer.set(outer as u32);
        coroutine.set_promise(Raw::from_rc(promise.clone()));
        drop(promise.replace_state(PromiseState::Running));
        promise.set_body(coroutine.clone());
        let wake = Runnable::Coroutine {
            coroutine,
            cause: Value::Null,
            promise: promise.clone(),
        };
        if at_once {
            self.ready.push_front(wake);
        } else {
            self.ready.push_back(wake);
        }
        Ok(())
    }

    /// The `Await` instruction on a register.
    ///
    /// # Safety
    /// `vm.ip` is the instruction, `register` its operand.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn await_register(&mut self, register: *mut Raw) -> Result<Flow, Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            if (*register).tag != tag::PROMISE {
                return Ok(Flow::Next);
            }
            let Value::Promise(promise) = (*register).clone_value() else {
                unreachable!("by its tag")
            };
            promise.set_demanded();
            self.check_cancelled(self.base)?;
            match promise.settled() {
                Some(Ok(value)) => {
                    take(register).release();
                    *register = Raw::from_value(value);
                    return Ok(Flow::Next);
                }
                Some(Err(error)) => return Err(Raise::again(error)),
                None => {}
            }
            self.begin(&promise, true)?;
            self.wait_for(&promise, Raw::from_rc(promise.clone()))?;
            let window = self.base;
            self.save(parked::INSTRUCTION, window);
            self.park()
        }
    }

    /// Enters the current coroutine among a promise's waiters.
    fn wait_for(&mut self, promise: &Rc<Promise>, awaiting: Raw) -> Result<(), Raise> {
        if let Some(current) = self.current.clone() {
            let added = self.demand(promise, Value::Coroutine(current.clone()));
            current.set_awaiting(awaiting);
            added?;
        }
        Ok(())
    }

    /// Awaits a value for the built-in frame at `window`: `None` says that the coroutine has been saved and must be
    /// parked.
    ///
    /// # Safety
    /// `window` is the innermost frame's.
    pub(super) unsafe fn await_in_builtin(
        &mut self,
        window: *mut u8,
        value: &Value,
    ) -> Result<Option<Value>, Raise> {
        let Value::Promise(promise) = value else {
            return Ok(Some(value.clone()));
        };
        promise.set_demanded();
        // SAFETY: the caller's promise.
        unsafe { self.check_cancelled(window)? };
        match promise.settled() {
            Some(Ok(value)) => return Ok(Some(value)),
            Some(Err(error)) => return Err(Raise::again(error)),
            None => {}
        }
        self.begin(promise, true)?;
        self.wait_for(promise, Raw::from_rc(promise.clone()))?;
        self.base = window;
        // SAFETY: the caller's promise.
        unsafe { self.save(parked::BUILTIN, window) };
        Ok(None)
    }

    /// Waits for several promises of an array for the built-in frame at `window`: `false` says that the coroutine has
    /// been saved and must be parked. Bodies that have not begun begin, in order.
    ///
    /// # Safety
    /// `window` is the innermost frame's.
    pub(super) unsafe fn await_many_in_builtin(
        &mut self,
        window: *mut u8,
        promises: &Value,
        until: Until,
    ) -> Result<bool, Raise> {
        let (Value::Array(promises), Some(current)) = (promises, self.current.clone()) else {
            return Ok(true);
        };
        // SAFETY: the caller's promise.
        unsafe { self.check_cancelled(window)? };
        if !self.join(&current, promises, until)? {
            return Ok(true);
        }
        current.set_awaiting(Raw::from_rc(promises.clone()));
        self.base = window;
        let status = match until {
            Until::First | Until::Success => parked::BUILTIN,
            Until::All | Until::AllOrFailure => parked::BUILTIN_ALL,
        };
        // SAFETY: the caller's promise.
        unsafe { self.save(status, window) };
        Ok(false)
    }

    // --- the end ---

    /// Lets go of everything that the machine holds; nothing runs afterwards.
    pub(crate) fn shut_down(&mut self) {
        self.heap.stop_recording();
        self.growth = None;
        self.scheduler.clear(&self.heap);
        self.ready.clear();
        self.deferred.clear();
        self.deferred_to_end = None;
        self.log = crate::builtins::log::Settings::default();
        self.held.clear();
        self.current = None;
        self.main = None;
        self.spare_stack = None;
        self.stubs.clear();
        for slot in (0..self.tables.globals.len()).rev() {
            // SAFETY: a slot owns one count or none.
            unsafe { release_all(self.tables.globals.as_mut_ptr().add(slot), 1) };
        }
        self.tables.globals.clear();
        self.refresh_tables();
        self.module_values.clear();
        self.tables.clear();
        self.heap.clear_host_types();
        self.heap.teardown();
    }
}
