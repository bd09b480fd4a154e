//! Constants, copies and moves between registers, and what counting them takes.

use crate::jit::assembler::{Alu, Cond, F0, Fpr, Gpr, Mem, T0, T1, T2};
use crate::jit::emit::{Emitter, SlowKind, Ty};
use crate::jit::offsets;
use crate::jit::profile::Seen;
use aether_value::tag;

impl Emitter<'_> {
    pub(super) fn copy(&mut self, to: usize, from: usize) {
        self.copy_or_move(to, from, false);
    }

    /// R\[to\] = R\[from\], the memory of which is overwritten without a release.
    pub(super) fn copy_or_move(&mut self, to: usize, from: usize, moves: bool) {
        let known = self.known(from);
        match known.ty {
            Ty::Bool if self.gpr(from).is_none() => {
                self.asm.load8(T0, Self::payload(from));
                self.define(to, Ty::Bool, T0);
            }
            Ty::Int | Ty::Bool => {
                let value = self.int(from);
                self.bring(T0, value);
                self.define(to, known.ty, T0);
            }
            Ty::Float => {
                let value = self.double(from, F0);
                self.define_double(to, value);
            }
            Ty::Null => self.set_null(to),
            ty => {
                // Through memory, with its count.
                self.asm.load8(T1, Self::memory(from));
                self.asm.load(T2, Self::payload(from));
                if moves {
                    self.asm.store8_imm(Self::memory(from), tag::NULL);
                }
                self.store_counted(to, ty, !moves);
                if moves {
                    self.set_null_in_memory(from);
                }
                return;
            }
        }
        if moves {
            self.set_null(from);
        }
    }

    /// Puts a value with its count into a register of the window of a call, in memory alone: such a register may share its
    /// home with an operand of the call.
    pub(super) fn copy_into_window(&mut self, to: usize, from: usize) {
        if self.is_plain(from) {
            self.store_plain(Self::memory(to), from);
            self.set_in_memory(to, Ty::Any);
            return;
        }
        self.asm.load8(T1, Self::memory(from));
        self.asm.load(T2, Self::payload(from));
        self.store_counted(to, Ty::Any, true);
        self.complete_slows();
    }

    pub(super) fn set_null_in_memory(&mut self, register: usize) {
        self.set_in_memory(register, Ty::Null);
    }

    /// R\[to\] = the value whose tag is in `T1` and whose payload in `T2`. Last in an instruction.
    pub(super) fn store_counted(&mut self, to: usize, ty: Ty, retains: bool) {
        let place = Self::memory(to);
        self.asm.store8(place, T1);
        self.asm.store(place.offset(8), T2);
        self.set_in_memory(to, ty);
        if ty != Ty::Any
            && let Some(home) = self.gpr(to)
        {
            self.asm.mov(home, T2);
            self.set_at_home(to, ty);
        }
        if retains {
            self.retain(ty);
        }
    }

    /// Adds a count to the value whose tag is in `T1` and whose payload in `T2`.
    pub(super) fn retain(&mut self, ty: Ty) {
        let past = self.asm.label();
        if ty == Ty::Any {
            self.asm.alu32_imm(Alu::Cmp, T1, i32::from(tag::COUNTED));
            self.asm.jump_if(Cond::Below, past);
        }
        self.asm.alu32_mem_imm(Alu::Add, Mem(T2, offsets::COUNT), 1);
        let (slow, join) = self.slow(SlowKind::Retain { keeps_t1: false });
        self.asm.jump_if(Cond::Negative, slow);
        self.asm.bind(join);
        self.asm.bind(past);
    }

    /// Gives back a count of the object in `T0`.
    pub(super) fn release(&mut self) {
        self.asm.alu32_mem_imm(Alu::Sub, Mem(T0, offsets::COUNT), 1);
        let (slow, join) = self.slow(SlowKind::Release);
        self.asm.jump_if(Cond::LessEqual, slow);
        self.asm.bind(join);
    }

    pub(super) fn assign(&mut self, to: usize, from: usize, moves: bool) {
        let old = self.ty(to);
        let new = self.ty(from);
        if old.is_plain() {
            self.copy_or_move(to, from, moves);
            return;
        }
        if !new.is_plain() {
            self.asm.lea(T1, Self::memory(to));
            self.store_any(from, moves);
            if moves {
                self.set_null_in_memory(from);
            }
            self.set_in_memory(to, new);
            self.complete_slows();
            return;
        }
        self.release_register(to);
        self.copy_or_move(to, from, moves);
    }

    /// Releases what a register holds, if it is counted; memory does not say any more that it holds it.
    pub(super) fn release_register(&mut self, register: usize) {
        let ty = self.ty(register);
        if ty.is_plain() {
            return;
        }
        let past = self.asm.label();
        if ty == Ty::Any {
            self.asm.cmp8_imm(Self::memory(register), tag::COUNTED);
            self.asm.jump_if(Cond::Below, past);
        }
        self.asm.load(T0, Self::payload(register));
        self.asm.store8_imm(Self::memory(register), tag::NULL);
        self.set_in_memory(register, Ty::Any);
        self.release();
        self.asm.bind(past);
        // The release comes back to here with the homes as they are now.
        self.complete_slows();
    }

    /// Puts a value that memory holds at the address in `T1`, and releases what was there, last of all.
    pub(super) fn store_any(&mut self, from: usize, moves: bool) {
        let ty = self.ty(from);
        let source = Self::memory(from);
        if !moves {
            let past = self.asm.label();
            if ty == Ty::Any {
                self.asm.cmp8_imm(source, tag::COUNTED);
                self.asm.jump_if(Cond::Below, past);
            }
            self.asm.load(T2, source.offset(8));
            self.asm.alu32_mem_imm(Alu::Add, Mem(T2, offsets::COUNT), 1);
            let (slow, join) = self.slow(SlowKind::Retain { keeps_t1: true });
            self.asm.jump_if(Cond::Negative, slow);
            self.asm.bind(join);
            self.asm.bind(past);
        }
        let (counted, done) = (self.asm.label(), self.asm.label());
        let place = Mem(T1, 0);
        self.asm.cmp8_imm(place, tag::COUNTED);
        self.asm.jump_if(Cond::AboveEqual, counted);
        for is_counted in [false, true] {
            if is_counted {
                self.asm.bind(counted);
                self.asm.load(T2, place.offset(8));
            }
            self.asm.load(T0, source.offset(8));
            self.asm.store(place.offset(8), T0);
            self.asm.load8(T0, source);
            self.asm.store8(place, T0);
            if moves {
                self.asm.store8_imm(source, tag::NULL);
            }
            if is_counted {
                self.asm.mov(T0, T2);
                self.release();
            } else {
                self.asm.jump(done);
            }
        }
        self.asm.bind(done);
    }

    pub(super) fn load_constant(&mut self, to: usize) {
        let number = (self.instruction() >> 32) as u32 as usize;
        let value = self.constant(number);
        match value.tag {
            tag::INT => self.define_int(to, value.payload as i64),
            tag::FLOAT => {
                self.load_float(F0, f64::from_bits(value.payload));
                self.define_double(to, F0);
            }
            tag::STRING => {
                self.asm.mov_imm(T1, i64::from(value.tag));
                self.asm.mov_imm(T2, value.payload as i64);
                self.store_counted(to, Ty::Text, true);
            }
            _ => self.step(),
        }
    }

    pub(super) fn load_float(&mut self, to: Fpr, value: f64) {
        if value.to_bits() == 0 {
            self.asm.xor_double(to, to);
        } else {
            self.asm.mov_imm(T0, value.to_bits() as i64);
            self.asm.bits_to_double(to, T0);
        }
    }

    pub(super) fn drop_registers(&mut self, registers: &[usize]) {
        for &register in registers {
            self.release_register(register);
            self.set_in_memory(register, Ty::Any);
        }
    }

    /// R\[to\] = the value at `base + offset`, as it was seen, which has to be so; a value with the tag `refuses` is left to
    /// the interpreter.
    pub(super) fn load_value(&mut self, to: usize, base: Gpr, offset: i32, seen: Seen, refuses: Option<u8>) {
        let place = Mem(base, offset);
        let ty = Ty::guess(seen);
        if let Some(tag) = ty.tag() {
            let exit = self.exit();
            self.asm.cmp8_imm(place, tag);
            self.asm.jump_if(Cond::NotEqual, exit);
        } else if let Some(refused) = refuses {
            let exit = self.exit();
            self.asm.cmp8_imm(place, refused);
            self.asm.jump_if(Cond::Equal, exit);
        }
        match ty {
            Ty::Int | Ty::Bool => {
                let target = self.gpr(to);
                let register = target.unwrap_or(T0);
                if ty == Ty::Bool {
                    self.asm.load8(register, place.offset(8));
                } else {
                    self.asm.load(register, place.offset(8));
                }
                self.define(to, ty, register);
            }
            Ty::Float => {
                let register = self.fpr(to).unwrap_or(F0);
                self.asm.load_double(register, place.offset(8));
                self.define_double(to, register);
            }
            Ty::Instance(shape) => {
                self.asm.load(T2, place.offset(8));
                self.asm
                    .alu32_mem_imm(Alu::Cmp, Mem(T2, offsets::SHAPE), shape as i32);
                let exit = self.exit();
                self.asm.jump_if(Cond::NotEqual, exit);
                self.asm.mov_imm(T1, i64::from(tag::INSTANCE));
                self.store_counted(to, ty, true);
            }
            _ => {
                self.asm.load(T2, place.offset(8));
                self.asm.load8(T1, place);
                self.store_counted(to, ty, true);
            }
        }
    }
}
