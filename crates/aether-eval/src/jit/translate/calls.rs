//! Calls and returns.

use super::{Operand, index_of};
use crate::bytecode::{Op, name_parts};
use crate::jit::assembler::{Alu, Cond, F0, F1, FUEL, FloatOp, Mem, Shift, T0, T1, T2, VM, WINDOW};
use crate::jit::effects::{MOST_REGISTERS, Registers};
use crate::jit::emit::{Cold, Emitter, Ty};
use crate::jit::offsets;
use crate::jit::profile::{Callee, Seen, Site};
use aether_value::{Closure, Code, tag};

impl Emitter<'_> {
    pub(super) fn call(&mut self, op: Op, a: u16, b: u16, argc: u16) {
        let site = self.site();
        let code = match op {
            Op::CallGlobal => self.global_callee(b),
            Op::CallOwn => Some(std::ptr::from_ref(self.code)),
            _ => match site.callee {
                Callee::Code(code) => Some(code),
                _ => None,
            },
        };
        let Some(code) = code.filter(|&code| Self::takes(code, argc)) else {
            if op == Op::CallGlobal && argc == 1 && self.call_function_of_number(a, b) {
                return;
            }
            if site.callee == Callee::Many && site.only_functions {
                self.call_any(op, a, b, argc, site);
            } else {
                self.step();
            }
            return;
        };
        let closure = self.callee_place(op, a, b);
        let exit = self.exit();
        if op != Op::CallOwn {
            self.asm.cmp8_imm(closure, tag::FUNCTION);
            self.asm.jump_if(Cond::NotEqual, exit);
        }
        self.asm.load(T2, closure.offset(8));
        if op != Op::CallOwn {
            self.asm.mov_imm(T0, code as i64);
            self.asm.alu_mem(Alu::Cmp, T0, Mem(T2, offsets::CLOSURE_CODE));
            self.asm.jump_if(Cond::NotEqual, exit);
        }
        let owns = op == Op::CallTop;
        self.check_room(code, a);
        self.enter(Some(code), a, owns, site.result);
    }

    /// Where the function is that an instruction calls; `T1` may be used.
    fn callee_place(&mut self, op: Op, a: u16, b: u16) -> Mem {
        match op {
            Op::CallGlobal => {
                self.asm.load(T1, Mem(VM, offsets::globals()));
                Mem(T1, i32::from(b) * 16)
            }
            Op::CallCapture => {
                self.asm.load(T1, Mem(WINDOW, -8));
                Mem(T1, Closure::CAPTURES_OFFSET as i32 + i32::from(b) * 16)
            }
            Op::Call => Mem(WINDOW, i32::from(b)),
            Op::CallTop => Mem(WINDOW, i32::from(a)),
            _ => Mem(WINDOW, -16),
        }
    }

    /// A call of `sqrt` or `abs` with a number. False, and nothing done, if it is not that.
    pub(super) fn call_function_of_number(&mut self, a: u16, global: u16) -> bool {
        #[expect(unsafe_code, reason = "reads a global")]
        // SAFETY: the slot exists.
        let callee = unsafe { *self.facts.machine.globals.add(global as usize) };
        if callee.tag != tag::BUILTIN {
            return false;
        }
        let is = |name| crate::builtins::library_function("math", name) == Some(callee.payload);
        let (is_sqrt, is_abs) = (is("sqrt"), is("abs"));
        let argument = index_of(a) + 1;
        let ty = self.ty(argument);
        if !(is_sqrt || is_abs) || !matches!(ty, Ty::Int | Ty::Float) {
            return false;
        }
        let to = index_of(a);
        let exit = self.exit();
        let slot = i32::from(global) * 16;
        self.asm.load(T1, Mem(VM, offsets::globals()));
        self.asm.cmp8_imm(Mem(T1, slot), tag::BUILTIN);
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.mov_imm(T0, callee.payload as i64);
        self.asm.alu_mem(Alu::Cmp, T0, Mem(T1, slot + 8));
        self.asm.jump_if(Cond::NotEqual, exit);
        // A call of a built-in settles what was counted before it, too.
        let plain = self.plain_exit();
        self.asm.mov_imm(T1, self.facts.machine.work as i64);
        self.asm.alu_mem_imm(Alu::Cmp, Mem(T1, 0), 0);
        self.asm.jump_if(Cond::NotEqual, plain);
        if is_abs && ty == Ty::Int {
            let value = self.int(argument);
            self.bring(T0, value);
            let done = self.asm.label();
            self.asm.test(T0, T0);
            self.asm.jump_if(Cond::GreaterEqual, done);
            self.asm.negate(T0);
            self.asm.jump_if(Cond::Overflow, exit);
            self.asm.bind(done);
            self.define(to, Ty::Int, T0);
            return true;
        }
        let value = self.double_operand(Operand::Register(argument, Seen::default()), ty, F0);
        self.asm.move_double(F0, value);
        if is_abs {
            self.asm.mov_imm(T0, i64::MAX);
            self.asm.double_to_bits(T1, F0);
            self.asm.alu(Alu::And, T0, T1);
            self.asm.bits_to_double(F0, T0);
        } else {
            // Below zero there is none.
            self.asm.xor_double(F1, F1);
            self.asm.compare_doubles(F1, F0);
            self.asm.jump_if(Cond::DoubleGreater, plain);
            self.asm.float(FloatOp::Sqrt, F0, F0);
        }
        self.define_double(to, F0);
        true
    }

    /// A call of a function value that is not always the same.
    pub(super) fn call_any(&mut self, op: Op, a: u16, b: u16, argc: u16, site: Site) {
        let closure = self.callee_place(op, a, b);
        let result = Ty::guess(site.result);
        let result = if result.is_plain() && result != Ty::Null {
            result
        } else {
            Ty::Any
        };
        let (slow, join) = self.slow_step(Some((index_of(a), result)));
        self.asm.cmp8_imm(closure, tag::FUNCTION);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load(T2, closure.offset(8));
        self.asm.load(T0, Mem(T2, offsets::CLOSURE_CODE));
        self.asm.load16(T1, Mem(T0, offsets::CODE_PARAMS));
        self.asm.alu32_imm(Alu::Cmp, T1, i32::from(argc));
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load(T1, Mem(T0, offsets::CODE_MACHINE));
        self.asm.test(T1, T1);
        self.asm.jump_if(Cond::Equal, slow);
        self.asm.load16(T0, Mem(T0, offsets::CODE_REGISTERS));
        self.asm.shift_imm(Shift::Left, T0, 4);
        self.asm.alu(Alu::Add, T0, WINDOW);
        self.asm.alu_imm(Alu::Add, T0, i32::from(a) + 16);
        self.check_room_up_to_t0();
        self.enter(None, a, op == Op::CallTop, site.result);
        self.asm.bind(join);
    }

    pub(super) fn call_method(&mut self, a: u16, argc: u16) {
        let site = self.site();
        let receiver = index_of(a) + 1;
        if let Some((shape, closure, code)) = self.cached_method(receiver, site.receiver, argc) {
            if !self.need(receiver, Ty::Instance(shape)) {
                return;
            }
            self.check_room(code, a);
            self.asm.mov_imm(T2, closure);
            self.enter(Some(code), a, false, site.result);
            return;
        }
        let name = (self.code.words[self.word + 1] >> 32) as u32;
        self.call_one_of(a, receiver, None, argc, name, site);
    }

    /// A call of a method on instances of several shapes: the function goes by the shape.
    pub(super) fn call_one_of(
        &mut self,
        a: u16,
        receiver: usize,
        argument: Option<usize>,
        argc: u16,
        name: u32,
        site: Site,
    ) {
        let seen = if argument.is_some() {
            site.operands[1]
        } else {
            site.receiver
        };
        let is_open = self.ty(receiver) == Ty::Any;
        let methods: Option<Vec<(u32, *const Closure)>> =
            seen.shapes().filter(|_| is_open).and_then(|shapes| {
                let method = |shape| Some((shape, (self.facts.machine.method_of)(shape, name)?));
                shapes.map(method).collect()
            });
        let Some(methods) = methods.filter(|methods| methods.len() > 1) else {
            self.step();
            return;
        };
        let mut largest: Option<*const Code> = None;
        for &(_, closure) in &methods {
            #[expect(unsafe_code, reason = "reads the code of a method")]
            // SAFETY: the definitions of the shapes live, and keep their methods.
            let (code, registers) = unsafe {
                let code = (*closure).code_ptr().as_ptr().cast_const();
                (code, (*code).registers)
            };
            if !Self::takes(code, argc) {
                self.step();
                return;
            }
            #[expect(unsafe_code, reason = "reads the description of a function")]
            // SAFETY: code lives as long as the heap.
            let is_larger = largest.is_none_or(|largest| unsafe { (*largest).registers } < registers);
            if is_larger {
                largest = Some(code);
            }
            // Calls find the machine code by the function.
            let _ = (self.facts.unit_of)(code);
        }
        let Some(largest) = largest else { return };
        let exit = self.exit();
        self.asm.cmp8_imm(Self::memory(receiver), tag::INSTANCE);
        self.asm.jump_if(Cond::NotEqual, exit);
        self.check_room(largest, a);
        let window = index_of(a);
        // The function, before anything is put into the window.
        let found = self.asm.label();
        self.asm.load(T0, Self::payload(receiver));
        self.asm.load32(T1, Mem(T0, offsets::SHAPE));
        for &(shape, closure) in &methods {
            self.asm.mov_imm(T2, closure as i64);
            self.asm.alu32_imm(Alu::Cmp, T1, shape as i32);
            self.asm.jump_if(Cond::Equal, found);
        }
        self.asm.jump(exit);
        self.asm.bind(found);
        if let Some(argument) = argument {
            // It waits where the callee will stand, while the window is filled.
            self.asm.store8_imm(Self::memory(window), tag::ALIAS);
            self.asm.store(Self::payload(window), T2);
            if receiver != window + 1 {
                self.copy_into_window(window + 1, receiver);
            }
            if argument != window + 2 {
                self.copy_into_window(window + 2, argument);
            }
            self.asm.load(T2, Self::payload(window));
        }
        self.enter(None, a, false, site.result);
    }

    /// A method of one argument, whose receiver and argument may stand anywhere.
    pub(super) fn call_method_1(&mut self, a: u16, receiver: usize, argument: usize) {
        let site = self.site();
        let Some((shape, closure, code)) = self.cached_method(receiver, site.operands[1], 1) else {
            let (name, _) = name_parts((self.code.words[self.word + 1] >> 32) as u32);
            self.call_one_of(a, receiver, Some(argument), 1, name, site);
            return;
        };
        if !self.need(receiver, Ty::Instance(shape)) {
            return;
        }
        self.check_room(code, a);
        let window = index_of(a);
        if receiver != window + 1 {
            self.copy_into_window(window + 1, receiver);
        }
        if argument != window + 2 {
            self.copy_into_window(window + 2, argument);
        }
        self.asm.mov_imm(T2, closure);
        self.enter(Some(code), a, false, site.result);
    }

    /// Shape, closure and code of the method that the instruction's cache knows for the receiver.
    pub(super) fn cached_method(
        &self,
        receiver: usize,
        seen: Seen,
        argc: u16,
    ) -> Option<(u32, i64, *const Code)> {
        let words = (self.code.words[self.word + 1], self.code.words[self.word + 2]);
        let shape = words.0 as u32;
        let is_instance = match self.ty(receiver) {
            Ty::Any => seen.is_empty() || Ty::guess(seen) == Ty::Instance(shape),
            ty => ty == Ty::Instance(shape),
        };
        // What marks a built-in is the shape of nothing.
        let is_cached =
            shape != 0 && shape < 0xFFFF_0000 && words.1 != 0 && (self.facts.machine.is_alive)(shape);
        if !is_instance || !is_cached {
            return None;
        }
        let closure = words.1 as *const Closure;
        #[expect(unsafe_code, reason = "reads the code of a cached method")]
        // SAFETY: the cache of a call holds a method of the shape's definition, which lives.
        let code = unsafe { (*closure).code_ptr().as_ptr() };
        Self::takes(code, argc).then_some((shape, words.1 as i64, code.cast_const()))
    }

    #[expect(unsafe_code, reason = "reads a global and the code of a function")]
    pub(super) fn global_callee(&self, slot: u16) -> Option<*const Code> {
        // SAFETY: the slot exists; what it holds is alive.
        unsafe {
            let value = *self.facts.machine.globals.byte_add(slot as usize * 16);
            if value.tag != tag::FUNCTION {
                return None;
            }
            let closure = value.pointer::<Closure>();
            (*closure)
                .is_empty()
                .then(|| (*closure).code_ptr().as_ptr().cast_const())
        }
    }

    #[expect(unsafe_code, reason = "reads the description of a function")]
    pub(super) fn takes(code: *const Code, argc: u16) -> bool {
        // SAFETY: code lives as long as the heap.
        unsafe { (*code).params == argc && !(*code).is_async }
    }

    /// Leaves the call to the interpreter unless there is room for a frame, and fuel. Keeps `T2`.
    pub(super) fn check_room(&mut self, code: *const Code, a: u16) {
        #[expect(unsafe_code, reason = "reads the description of a function")]
        // SAFETY: code lives as long as the heap.
        let registers = i32::from(unsafe { (*code).registers });
        self.asm.lea(T0, Mem(WINDOW, i32::from(a) + 16 + registers * 16));
        self.check_room_up_to_t0();
    }

    /// The same where the callee's registers end at the address in `T0`.
    pub(super) fn check_room_up_to_t0(&mut self) {
        // Nothing of this counts as a wrong guess.
        let exit = self.plain_exit();
        self.asm.load(T1, Mem(VM, offsets::fp()));
        self.asm.alu_mem(Alu::Cmp, T1, Mem(VM, offsets::frames_end()));
        self.asm.jump_if(Cond::AboveEqual, exit);
        self.asm.alu_mem(Alu::Cmp, T0, Mem(VM, offsets::registers_end()));
        self.asm.jump_if(Cond::Above, exit);
        self.asm.compare_stack(Mem(VM, offsets::native_limit()));
        self.asm.jump_if(Cond::Below, exit);
        self.asm.alu_imm(Alu::Cmp, FUEL, 0);
        self.asm.jump_if(Cond::LessEqual, exit);
    }

    /// Enters the function whose closure is in `T2` and whose arguments stand behind register a, where there is room.
    pub(super) fn enter(&mut self, code: Option<*const Code>, a: u16, owns: bool, seen: Seen) {
        let window = Mem(WINDOW, i32::from(a));
        let base = i32::from(a) + 16;
        // From here on the call is made.
        self.flush_all();
        self.asm.alu_imm(Alu::Sub, FUEL, 1);
        self.asm.load(T1, Mem(VM, offsets::fp()));
        if !owns {
            self.asm.store8_imm(window, tag::ALIAS);
            self.asm.store(window.offset(8), T2);
        }
        let return_address = self.address_of(self.after);
        self.asm.mov_imm(T0, return_address);
        self.asm.store(Mem(T1, 0), T0);
        self.asm.mov(T0, WINDOW);
        self.asm.alu_mem(Alu::Sub, T0, Mem(VM, offsets::registers()));
        self.asm.store32(Mem(T1, 8), T0);
        self.asm.store32_imm(Mem(T1, 12), u32::from(owns));
        self.asm.alu_imm(Alu::Add, T1, 16);
        self.asm.store(Mem(VM, offsets::fp()), T1);
        self.asm.alu_imm(Alu::Add, WINDOW, base);
        match code {
            Some(code) => {
                let unit = (self.facts.unit_of)(code);
                self.asm.mov_imm(T2, unit as i64);
            }
            None => {
                self.asm.load(T2, Mem(T2, offsets::CLOSURE_CODE));
                self.asm.load(T2, Mem(T2, offsets::CODE_MACHINE));
            }
        }
        self.asm.call_mem(Mem(T2, 0));
        self.asm.alu32_imm(Alu::Cmp, T0, i32::from(tag::END));
        let leave = self.pass_on();
        self.asm.jump_if(Cond::AboveEqual, leave);
        self.asm.alu_imm(Alu::Sub, WINDOW, base);
        self.asm.load(T1, Mem(VM, offsets::fp()));
        self.asm.alu_imm(Alu::Sub, T1, 16);
        self.asm.store(Mem(VM, offsets::fp()), T1);
        // The frame may have come to own its callee.
        let plain = self.asm.label();
        let owned = self.cold(Cold::ReleaseCallee { window, join: plain });
        self.asm.alu32_mem_imm(Alu::Cmp, Mem(T1, 12), 0);
        self.asm.jump_if(Cond::NotEqual, owned);
        self.asm.bind(plain);
        self.forget_homes(true);
        let mut clobbered = Registers::default();
        for register in index_of(a)..MOST_REGISTERS {
            clobbered.insert(register);
        }
        self.forget(&clobbered);
        let to = index_of(a);
        let ty = Ty::guess(seen);
        if let (true, Some(tag)) = (ty.is_plain() && ty != Ty::Null, ty.tag()) {
            let wrong = self.cold(Cold::WrongResult {
                to,
                word: self.word,
                next: self.after,
            });
            self.asm.alu32_imm(Alu::Cmp, T0, i32::from(tag));
            self.asm.jump_if(Cond::NotEqual, wrong);
            match ty {
                Ty::Float => {
                    self.asm.bits_to_double(F0, T2);
                    self.define_double(to, F0);
                }
                Ty::Bool => {
                    self.asm.alu_imm(Alu::And, T2, 0xFF);
                    self.define(to, ty, T2);
                }
                _ => self.define(to, ty, T2),
            }
        } else {
            self.asm.store8(window, T0);
            self.asm.store(window.offset(8), T2);
            self.set_in_memory(to, Ty::Any);
        }
    }

    pub(super) fn return_register(&mut self, register: usize, dropped: &[usize]) {
        for &other in dropped {
            self.release_register(other);
        }
        let ty = self.ty(register);
        match ty {
            Ty::Int | Ty::Bool => {
                let value = self.int(register);
                self.bring(T2, value);
            }
            Ty::Float => {
                let value = self.double(register, F0);
                self.asm.double_to_bits(T2, value);
            }
            Ty::Null => {}
            _ => {
                self.asm.load(T2, Self::payload(register));
                self.asm.load8(T0, Self::memory(register));
                self.asm.store8_imm(Self::memory(register), tag::NULL);
            }
        }
        if let (true, Some(tag)) = (ty.is_plain(), ty.tag()) {
            self.asm.mov_imm(T0, i64::from(tag));
        }
        self.leave_frame();
    }

    /// Returns from the function, the result in `T0` and `T2`; the record is popped by the caller.
    pub(super) fn leave_frame(&mut self) {
        self.asm.leave_function();
        self.reachable = false;
    }
}
