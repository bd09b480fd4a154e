//! Machine code from the side of the interpreter: finding what is hot, entering, and coming back.
#![expect(
    unsafe_code,
    reason = "enters machine code, which works on the machine's frames and registers"
)]

use aether_value::{Closure, Raise, Raw, Rc, Str};

use super::unwind::{code_of, word_of};
use super::{Flow, Vm, dispatch};
use crate::bytecode::Op;
use crate::jit::{Jit, native_stack, operation_at, original};

/// A word to which the machine is sent for the loop to end, so that the other one goes on.
static SWITCH: u64 = Op::Enter as u64;

fn switch() -> *mut u64 {
    std::ptr::from_ref(&SWITCH).cast_mut()
}

/// What machine code answers in the place of an exit's number when the interpreter has gone elsewhere already.
pub(crate) const GONE: u64 = u64::MAX;

/// What the compiler reads of the machine.
pub(crate) struct MachineFacts<'a> {
    pub(crate) constants: *const Raw,
    pub(crate) globals: *const Raw,
    /// The heap's budget, if it has one.
    pub(crate) limit: Option<usize>,
    /// Where the heap counts work that is not settled yet.
    pub(crate) work: *const u64,
    /// Pointers to the texts of ASCII characters, null for those not made yet.
    pub(crate) characters: *const Option<Rc<Str>>,
    /// Whether the definition with this shape lives.
    pub(crate) is_alive: &'a dyn Fn(u32) -> bool,
    /// The function that a method call runs on instances of a shape, by the constant of the method's name.
    pub(crate) method_of: &'a dyn Fn(u32, u32) -> Option<*const Closure>,
}

/// Why machine code was left for good.
pub(crate) enum End {
    /// The run is over.
    Run,
    /// An error.
    Raised(Raise),
}

/// The operation of an instruction, also where an `Enter` stands for it.
///
/// # Safety
/// `ip` is an instruction of the frame at `base`.
#[inline]
pub(super) unsafe fn operation(ip: *mut u64, base: *mut u8) -> Op {
    // SAFETY: the caller's promise.
    let op = Op::of(unsafe { *ip }).first();
    if op == Op::Enter {
        // SAFETY: the same.
        return unsafe { code_of(base) }.map_or(op, |code| operation_at(code, word_of(code, ip)).first());
    }
    op
}

impl Vm {
    /// The fuel has run out, and the machine is about to go on at `vm.ip` in the frame at `vm.base`: what runs there may be
    /// hot. The loop that runs ends for the other one if a profile begins.
    pub(super) fn sample(&mut self) {
        if !self.jit_options.enabled || self.is_stepping() {
            return;
        }
        let options = self.jit_options;
        // SAFETY: `vm.base` is the innermost frame.
        let Some(code) = (unsafe { code_of(self.base) }) else {
            return;
        };
        let jit = self.jit.get_or_insert_with(|| Box::new(Jit::new(options)));
        if jit.is_compiling() {
            self.with_facts(Jit::compile);
            return;
        }
        if jit.sample(code, word_of(code, self.ip)) {
            self.resume_ip = self.ip;
            self.ip = switch();
        }
    }

    /// Whether a profile is being recorded.
    #[inline]
    pub(super) fn is_profiling(&self) -> bool {
        self.jit.as_ref().is_some_and(|jit| jit.is_profiling())
    }

    /// Before an instruction of the stepping loop.
    pub(super) fn record_profile(&mut self) {
        let (ip, base) = (self.ip, self.base);
        let Some(jit) = &mut self.jit else { return };
        // SAFETY: the machine is about to execute `ip` in the frame at `base`.
        let is_over = unsafe {
            let code = code_of(base);
            let word = code.map_or(0, |code| word_of(code, ip));
            jit.record(code, word, base)
        };
        if is_over {
            self.end_profile();
        }
    }

    /// The profile under way, if there is one, is enough: what it has found to be worth it is compiled.
    pub(super) fn end_profile(&mut self) {
        self.with_facts(Jit::compile_profiled);
    }

    /// Has the compiler do something for which it reads the machine.
    fn with_facts(&mut self, compile: impl FnOnce(&mut Jit, &MachineFacts)) {
        let Some(jit) = &mut self.jit else { return };
        let (heap, tables) = (&self.heap, &self.tables);
        let facts = MachineFacts {
            constants: self.constants,
            globals: self.globals,
            limit: heap.limit(),
            work: heap.work_place(),
            characters: heap.ascii_place(),
            is_alive: &|shape| heap.has_shape(shape),
            method_of: &|shape, name| {
                // One built-in method goes before those of instances.
                let name = tables.text(name);
                if !heap.has_shape(shape) || name.as_str() == "equals" {
                    return None;
                }
                let method = heap.shape(shape).method(name)?;
                let is_plain = method.is_empty() && !method.is_async() && !method.code().assigns_self;
                is_plain.then(|| std::ptr::from_ref(&**method))
            },
        };
        compile(jit, &facts);
    }

    /// Nothing is entered: the stepping loop looks at every instruction.
    #[inline]
    pub(super) fn hide_code(&mut self) {
        if let Some(jit) = &mut self.jit {
            jit.hide();
        }
    }

    /// What is compiled is entered again.
    #[inline]
    pub(super) fn show_code(&mut self) {
        if let Some(jit) = &mut self.jit {
            jit.show();
        }
    }

    /// Executes the `Enter` at `vm.ip`.
    #[inline(never)]
    pub(super) fn enter_code(&mut self) -> Result<Flow, Raise> {
        if std::ptr::eq(self.ip, switch()) {
            self.ip = self.resume_ip;
            self.switches_loop = self.is_stepping();
            return Ok(Flow::Switched);
        }
        // SAFETY: `vm.ip` is an instruction of the function whose frame is at `vm.base`; its machine code was made for it.
        unsafe {
            let base = self.base;
            let marker = 0_u8;
            let stack = (&raw const marker) as usize;
            if self.native_depth == 0 {
                self.native_limit = stack.saturating_sub(native_stack());
            }
            let entered = code_of(base);
            let entry = entered.and_then(|code| {
                let jit = self.jit.as_ref()?;
                jit.entry(code, word_of(code, self.ip))
            });
            let Some((enter, address)) = entry.filter(|_| stack > self.native_limit) else {
                return self.step_over_entry();
            };
            self.native_depth += 1;
            let fuel = self.fuel;
            let answer = enter(std::ptr::from_mut(self), base, address);
            self.native_depth -= 1;
            if !answer.is_left() {
                self.base = base;
                let frame = self.fp.sub(1);
                self.fp = frame;
                let value = answer.value();
                if (*frame).flags != 0 {
                    return self.leave_special(value);
                }
                *base.sub(16).cast() = value;
                self.ip = (*frame).return_ip.cast_mut();
                self.base = self.registers.add((*frame).base as usize);
                return Ok(Flow::Switched);
            }
            match self.jit_end.take() {
                Some(End::Run) => return Ok(Flow::Exit),
                Some(End::Raised(raise)) => return Err(raise),
                None => {}
            }
            if answer.payload == GONE || answer.payload == 0 {
                // Where fuel was added meanwhile, the stay was long.
                if self.fuel <= fuel
                    && let Some(code) = entered
                    && let Some(jit) = &mut self.jit
                {
                    jit.count_stay(code, (fuel - self.fuel) as u64);
                }
                if answer.payload == GONE {
                    return Ok(Flow::Switched);
                }
            } else if let Some(code) = code_of(self.base)
                && let Some(jit) = &mut self.jit
            {
                jit.count_exit(code, answer.payload, self.base);
            }
            // What was given back is executed, and not entered again.
            if *self.ip as u16 == Op::Enter as u16 {
                return self.step_over_entry();
            }
            Ok(Flow::Switched)
        }
    }

    /// Executes the instruction for which the `Enter` at `vm.ip` stands.
    unsafe fn step_over_entry(&mut self) -> Result<Flow, Raise> {
        // SAFETY: the caller's promise.
        match unsafe { self.step_one() } {
            Ok(true) => Ok(Flow::Switched),
            Ok(false) => Ok(Flow::Exit),
            Err(raise) => Err(raise),
        }
    }

    /// Executes the instruction at `vm.ip`. Answers false if the run is over with it.
    ///
    /// # Errors
    /// Those of the instruction, for which no handler has been looked.
    ///
    /// # Safety
    /// See [`dispatch::run_one`].
    pub(crate) unsafe fn step_one(&mut self) -> Result<bool, Raise> {
        // SAFETY: the caller's promise; a word of the code that runs is written to by this thread alone.
        unsafe {
            let ip = self.ip;
            let code = (*ip as u16 == Op::Enter as u16)
                .then(|| code_of(self.base))
                .flatten()
                .map(|code| (code, word_of(code, ip)));
            let original = code.and_then(|(code, word)| original(code, word));
            if let Some(op) = original {
                *ip = *ip & !0xFFFF | u64::from(op);
            }
            self.one_is_done = false;
            let result = dispatch::run_one(self);
            let is_done = std::mem::take(&mut self.one_is_done);
            if let (Some((code, word)), Some(_)) = (code, original)
                && crate::jit::original(code, word).is_some()
            {
                *ip = *ip & !0xFFFF | Op::Enter as u64;
            }
            result.map(|()| is_done)
        }
    }

    /// Executes the instruction at `vm.ip` for machine code. Answers how many words further control goes on in the same
    /// frame; none if it goes on elsewhere, as the machine says, or not at all.
    ///
    /// # Safety
    /// See [`dispatch::run_one`].
    pub(crate) unsafe fn step_in_code(&mut self) -> Option<isize> {
        let (ip, base) = (self.ip, self.base);
        // SAFETY: the caller's promise.
        match unsafe { self.step_one() } {
            Ok(true) => {
                let stays = self.base == base && !self.is_stepping();
                let distance = (self.ip as isize).wrapping_sub(ip as isize) / size_of::<u64>() as isize;
                return stays.then_some(distance);
            }
            Ok(false) => self.set_jit_end(None),
            Err(raise) => self.set_jit_end(Some(raise)),
        }
        None
    }

    /// Why machine code ends: an error, or the end of the run.
    pub(crate) fn set_jit_end(&mut self, raise: Option<Raise>) {
        self.jit_end = Some(raise.map_or(End::Run, End::Raised));
    }

    /// The fuel is used up in machine code, at a jump to `target`. Answers whether it goes on there.
    ///
    /// # Errors
    /// Limits and interruptions.
    pub(crate) fn refuel_in_code(&mut self, target: *mut u64) -> Result<bool, Raise> {
        self.refuel_to(target)?;
        Ok(std::ptr::eq(self.ip, target) && !self.is_stepping())
    }

    /// How hot functions become machine code.
    pub(crate) fn set_jit(&mut self, options: crate::jit_options::JitOptions) {
        self.jit_options = options;
    }

    /// Bytes that the compiler of machine code holds.
    pub(crate) fn jit_bytes(&self) -> usize {
        self.jit.as_ref().map_or(0, |jit| jit.held_bytes())
    }

    /// What was written down about machine code.
    pub(crate) fn jit_report(&self) -> Vec<String> {
        self.jit.as_ref().map_or_else(Vec::new, |jit| jit.report())
    }
}
