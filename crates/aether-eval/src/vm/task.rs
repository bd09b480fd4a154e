//! Coroutines: starting, parking, waking; `await`; entering and leaving a run.
//!
//! A coroutine is parked at an `Await` instruction or in a built-in's frame. While it is parked its position is in
//! its own record, and whatever it waits for holds it in a list of waiters: dropping the promise drops the
//! coroutine. A promise that settles puts its waiters at the end of the ready queue.
#![expect(unsafe_code, reason = "switches register stacks")]

use aether_value::{Closure, Code, Coroutine, ErrorKind, Promise, PromiseState, Raise, Raw, Rc, Value, tag};
use std::ptr::NonNull;

use super::call::{self, release_all, take};
use super::{Flow, MAX_REENTRY, Vm, dispatch, flags};
use crate::builtins::Event;
use crate::bytecode::{Op, encode};

/// A coroutine that may go on, and the promise that woke it.
pub(crate) struct Wake {
    coroutine: Rc<Coroutine>,
    promise: Rc<Promise>,
}

impl Wake {
    /// Marks what is about to go on.
    pub(super) fn mark(&self, roots: &mut aether_value::Roots<'_>) {
        roots.object(&self.coroutine);
        roots.object(&self.promise);
    }
}

/// Where a parked coroutine stands.
mod parked {
    /// It runs, or has ended: a promise that wakes it now wakes it in vain.
    pub(super) const NO: u8 = 0;
    /// At an `Await` instruction.
    pub(super) const INSTRUCTION: u8 = 1;
    /// In a built-in that awaits one value.
    pub(super) const BUILTIN: u8 = 2;
    /// In a built-in that awaits any of several promises.
    pub(super) const BUILTIN_ANY: u8 = 3;
    /// It has not begun.
    pub(super) const NEW: u8 = 4;
}

impl Vm {
    // --- whole runs ---

    /// Runs code without parameters on a stack of its own and gives its result.
    pub(crate) fn run_code(&mut self, code: NonNull<Code>) -> Result<Value, Raise> {
        let closure = self.heap.closure(code, &[], false)?;
        self.execute(&closure, &[])
    }

    /// Calls any callable from outside. With `awaited`, a promise's result is awaited.
    pub(crate) fn call_value(
        &mut self,
        function: &Value,
        args: &[Value],
        awaited: bool,
    ) -> Result<Value, Raise> {
        let code = self.stub(args.len() as u16, awaited);
        let closure = self.heap.closure(code, &[], false)?;
        let mut values = vec![function.clone()];
        values.extend_from_slice(args);
        self.execute(&closure, &values)
    }

    /// Code that calls its first argument with the other `argc`; made once for each shape of call.
    fn stub(&mut self, argc: u16, awaited: bool) -> NonNull<Code> {
        if let Some(&code) = self.stubs.get(&(argc, awaited)) {
            return code;
        }
        let mut words = vec![encode(Op::CallTop, 0, 0, argc)];
        if awaited {
            words.push(encode(Op::Await, 0, 0, 0));
        }
        words.push(encode(Op::Return, 0, 0, 0));
        let code = Code {
            name: Some("".into()),
            words: words.into_boxed_slice(),
            params: argc + 1,
            has_self: false,
            registers: argc + 2,
            is_async: false,
            is_method: false,
            param_names: Box::default(),
            handlers: Box::default(),
            places: Box::default(),
            file: std::rc::Rc::new(aether_source::SourceFile::new(None, String::new())),
            children: Box::default(),
            captures: Box::default(),
            module: 0,
            locals: Box::default(),
        };
        let code = self.heap.add_code(Box::new(code));
        self.stubs.insert((argc, awaited), code);
        code
    }

    /// Runs a closure with exactly its parameters on a new main coroutine.
    fn execute(&mut self, closure: &Rc<Closure>, args: &[Value]) -> Result<Value, Raise> {
        if self.reentry >= MAX_REENTRY {
            return Err(Raise::new(
                ErrorKind::Recursion,
                format!(
                    "Maximum recursion depth exceeded: {} (limit: {MAX_REENTRY})",
                    MAX_REENTRY + 1
                ),
            ));
        }
        let outer_depth = self.outer_depth + self.frames_used().saturating_sub(self.uncounted);
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
        self.reentry += 1;
        let result = self.execute_inner(closure, args, outer_depth);
        self.reentry -= 1;
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

    fn execute_inner(&mut self, closure: &Rc<Closure>, args: &[Value], outer: usize) -> Result<Value, Raise> {
        let coroutine = self.new_coroutine(closure, args)?;
        coroutine.outer.set(outer as u32);
        coroutine.uncounted.set(1);
        self.main = Some(coroutine.clone());
        coroutine.status.set(parked::NO);
        self.load(coroutine);
        // SAFETY: the coroutine has just been set up at its function's entry.
        let result = unsafe { dispatch::run(self) };
        self.main = None;
        if let Some(current) = self.current.take() {
            current.top.set(0);
        }
        result
    }

    /// A stack on which a closure is about to begin with these arguments.
    fn new_coroutine(&mut self, closure: &Rc<Closure>, args: &[Value]) -> Result<Rc<Coroutine>, Raise> {
        let coroutine = self.heap.coroutine()?;
        let code = closure.code();
        let needed = code.registers as usize + args.len() + 2 + super::SLACK;
        if coroutine.capacity() < needed {
            coroutine.grow(needed)?;
        }
        let receiver = usize::from(code.has_self);
        // SAFETY: the stack is new and large enough; its first record and registers are written here.
        unsafe {
            let registers = coroutine.registers();
            *registers = Raw::from_rc(closure.clone());
            for (index, value) in args.iter().enumerate() {
                *registers.add(1 + index) = Raw::from_value(value.clone());
            }
            for index in args.len()..code.params as usize + receiver {
                *registers.add(1 + index) = Raw::null();
            }
            *coroutine.frames() = aether_value::Frame {
                return_ip: std::ptr::null(),
                base: 16,
                flags: flags::BOTTOM | flags::OWNS_CALLEE,
            };
            coroutine.status.set(parked::NEW);
            coroutine.depth.set(1);
            coroutine.ip.set(code.words.as_ptr());
            coroutine.base.set(16);
            coroutine
                .top
                .set(1 + code.registers.max(args.len() as u16) as u32);
        }
        Ok(coroutine)
    }

    // --- switching ---

    /// Makes a coroutine the current one, at its saved position.
    fn load(&mut self, coroutine: Rc<Coroutine>) {
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
    unsafe fn save(&mut self, status: u8, window: *mut u8) {
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

    /// Goes on with the next coroutine that may.
    fn go_on(&mut self) -> Result<Flow, Raise> {
        loop {
            let Some(wake) = self.ready.pop_front() else {
                return self.deadlock();
            };
            let status = wake.coroutine.status.get();
            match status {
                parked::NO => continue,
                parked::NEW => {
                    wake.coroutine.status.set(parked::NO);
                    self.load(wake.coroutine);
                    return Ok(Flow::Switched);
                }
                _ => {}
            }
            let awaiting = wake.coroutine.awaiting();
            let expected = match status {
                parked::BUILTIN_ANY => awaiting.tag == tag::ARRAY,
                _ => Raw::same(awaiting, Raw::of_rc(&wake.promise)),
            };
            if !expected {
                // Woken by a promise it no longer waits for.
                continue;
            }
            let outcome = wake.promise.settled();
            wake.coroutine.status.set(parked::NO);
            wake.coroutine.set_awaiting(Raw::null());
            self.load(wake.coroutine);
            return self.resume(status, outcome);
        }
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
            None => Err(Raise::operation("the awaited promise can never settle")),
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
                    Ok(_) if status == parked::BUILTIN_ANY => Event::Returned(Value::Null),
                    Err(raise) if status == parked::BUILTIN_ANY => {
                        // Which promise failed is for the built-in to find.
                        drop(raise);
                        Event::Returned(Value::Null)
                    }
                    Ok(value) => Event::Returned(value),
                    Err(raise) => Event::Failed(raise),
                };
                call::drive(self, window, event)
            }
        }
    }

    /// Nothing can go on, but the main coroutine has not ended: it waits for what never comes.
    fn deadlock(&mut self) -> Result<Flow, Raise> {
        let Some(main) = self.main.clone() else {
            return Err(call::internal("no main coroutine"));
        };
        let status = main.status.replace(parked::NO);
        main.set_awaiting(Raw::null());
        self.load(main);
        let raise = Raise::operation("the awaited promise can never settle");
        if status == parked::INSTRUCTION || status == parked::NO {
            return Err(raise);
        }
        let window = self.base;
        // SAFETY: a coroutine parked in a built-in has its window as base.
        unsafe { call::drive(self, window, Event::Failed(raise)) }
    }

    /// The current coroutine has ended: settles its promise, or ends the run.
    pub(super) fn end_coroutine(&mut self, result: Result<Value, Raise>) -> Result<Flow, Raise> {
        let Some(ended) = self.current.take() else {
            return Err(call::internal("no coroutine"));
        };
        ended.top.set(0);
        if self.main.as_ref().is_some_and(|main| Rc::ptr_eq(main, &ended)) {
            self.main = None;
            return result.map(Flow::Exit);
        }
        let promise = ended.promise();
        if promise.tag == tag::PROMISE {
            // SAFETY: by its tag; the coroutine holds a count.
            let promise = unsafe { promise.clone_value() };
            if let Value::Promise(promise) = promise {
                let state = match result {
                    Ok(value) => PromiseState::Fulfilled(value),
                    Err(raise) if !raise.kind().is_catchable() && raise.kind() != ErrorKind::Interrupted => {
                        self.main = None;
                        return Err(raise);
                    }
                    Err(mut raise) => match raise.0.error.take() {
                        Some(error) => PromiseState::Rejected(error),
                        None => PromiseState::Rejected(self.heap.error(raise)?),
                    },
                };
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

    /// Settles a promise and wakes its waiters.
    pub(crate) fn settle(&mut self, promise: &Rc<Promise>, state: PromiseState) {
        drop(promise.replace_state(state));
        for waiter in promise.take_waiters() {
            if let Value::Coroutine(coroutine) = waiter {
                self.ready.push_back(Wake {
                    coroutine,
                    promise: promise.clone(),
                });
            }
        }
    }

    // --- await ---

    /// Begins an async call whose body has not begun. `at_once` puts it before everything that is ready.
    fn begin(&mut self, promise: &Rc<Promise>, at_once: bool) -> Result<(), Raise> {
        let PromiseState::Unstarted { function, args } = promise.state() else {
            return Ok(());
        };
        let items = args.snapshot();
        let coroutine = self.new_coroutine(&function, items.as_slice())?;
        let activations = self.frames_used().saturating_sub(self.uncounted);
        let outer = self.outer_depth + activations;
        if outer >= self.limits.depth {
            return Err(Raise::recursion(outer + 1, self.limits.depth));
        }
        coroutine.outer.set(outer as u32);
        coroutine.set_promise(Raw::from_rc(promise.clone()));
        drop(promise.replace_state(PromiseState::External));
        let wake = Wake {
            coroutine,
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
            let added = promise.add_waiter(Value::Coroutine(current.clone()));
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

    /// Waits for any pending promise of an array for the built-in frame at `window`: `false` says that the
    /// coroutine has been saved and must be parked. Bodies that have not begun begin, in order.
    ///
    /// # Safety
    /// `window` is the innermost frame's.
    pub(super) unsafe fn await_any_in_builtin(
        &mut self,
        window: *mut u8,
        value: &Value,
    ) -> Result<bool, Raise> {
        let Value::Array(array) = value else {
            return Ok(true);
        };
        let Some(current) = self.current.clone() else {
            return Ok(true);
        };
        let items = array.snapshot();
        let mut waits = false;
        for item in items.as_slice() {
            if let Value::Promise(promise) = item
                && promise.is_pending()
            {
                self.begin(promise, false)?;
                promise.add_waiter(Value::Coroutine(current.clone()))?;
                waits = true;
            }
        }
        if !waits {
            return Ok(true);
        }
        current.set_awaiting(Raw::from_rc(array.clone()));
        self.base = window;
        // SAFETY: the caller's promise.
        unsafe { self.save(parked::BUILTIN_ANY, window) };
        Ok(false)
    }

    // --- the end ---

    /// Lets go of everything that the machine holds; nothing runs afterwards.
    pub(crate) fn shut_down(&mut self) {
        self.heap.stop_recording();
        self.growth = None;
        self.ready.clear();
        self.current = None;
        self.main = None;
        for slot in (0..self.tables.globals.len()).rev() {
            // SAFETY: a slot owns one count or none.
            unsafe { release_all(self.tables.globals.as_mut_ptr().add(slot), 1) };
        }
        self.tables.globals.clear();
        self.refresh_tables();
        self.module_values.clear();
        self.tables.clear();
        self.heap.teardown();
    }
}
