//! Turns of `for` loops.

use crate::jit::assembler::{Alu, Cond, Mem, Shift, T0, T1, T2};
use crate::jit::effects::{Successors, successors};
use crate::jit::emit::{Emitter, Ty};
use crate::jit::offsets;
use aether_value::tag;

impl Emitter<'_> {
    /// The beginning of a loop over a range.
    pub(super) fn iterate_range(&mut self, state: usize, argc: u16) {
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        // Behind it stands what is done with anything but a range of ints.
        let ran = |word: usize| self.profile.sites.get(word).is_some_and(|site| site.count > 0);
        if !ran(self.word) || ran(self.after) || !(1..=2).contains(&argc) {
            self.step();
            return;
        }
        let arguments = state + 1..=state + argc as usize;
        if !arguments.into_iter().all(|register| self.need(register, Ty::Int)) {
            return;
        }
        let exit = self.exit();
        self.asm.cmp8_imm(Self::memory(state), tag::BUILTIN);
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.load(T1, Self::payload(state));
        let is_range = self.asm.label();
        for function in crate::builtins::range_functions() {
            self.asm.mov_imm(T0, function as i64);
            self.asm.alu(Alu::Cmp, T0, T1);
            self.asm.jump_if(Cond::Equal, is_range);
        }
        self.asm.jump(exit);
        self.asm.bind(is_range);
        let first = self.int(state + 1);
        if argc == 1 {
            self.bring(T2, first);
            self.asm.mov_imm(T0, 0);
        } else {
            self.bring(T0, first);
            let end = self.int(state + 2);
            self.bring(T2, end);
        }
        self.define(state, Ty::Int, T0);
        self.define(state + 1, Ty::Int, T2);
        self.jump_to(targets[0]);
    }

    pub(super) fn next_item(&mut self, state: usize) {
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        let target = targets[0];
        let site = self.site();
        let item = state + 2;
        match self.expected(state, site.operands[0]) {
            Ty::Int => {
                if !self.need(state, Ty::Int) {
                    return;
                }
                let end = state + 1;
                if self.ty(end) != Ty::Int && !self.need(end, Ty::Int) {
                    return;
                }
                self.release_register(item);
                let now = self.int(state);
                let limit = self.int(end);
                self.bring(T0, now);
                let past = self.asm.label();
                self.alu(Alu::Cmp, T0, limit);
                self.asm.jump_if(Cond::GreaterEqual, past);
                let before = (self.known(state), self.known(item));
                self.define(item, Ty::Int, T0);
                self.asm.alu_imm(Alu::Add, T0, 1);
                self.define(state, Ty::Int, T0);
                self.spend_and_jump(target);
                self.asm.bind(past);
                self.set(item, before.1);
                self.set(state, before.0);
                // The loop is over.
                self.asm.store8_imm(Self::memory(state), tag::NULL);
                self.set_null_in_memory(state);
                self.reachable = true;
            }
            Ty::Items => {
                if !self.need(state, Ty::Items) {
                    return;
                }
                let position = state + 1;
                if self.ty(position) != Ty::Int && !self.need(position, Ty::Int) {
                    return;
                }
                self.release_register(item);
                let seen = site.result;
                let over = self.asm.label();
                let at = self.int(position);
                let items = self.pointer(state, T1);
                self.bring(T0, at);
                self.asm.load32(T2, Mem(items, offsets::SHAPE));
                self.asm.alu(Alu::Cmp, T0, T2);
                self.asm.jump_if(Cond::AboveEqual, over);
                let before = self.known_all();
                self.asm.mov(T2, T0);
                self.asm.shift_imm(Shift::Left, T2, 4);
                self.asm.alu(Alu::Add, T2, items);
                self.asm.mov(T1, T2);
                // The test of the item comes before the position moves.
                let ty = Ty::guess(seen);
                if let Some(tag) = ty.tag() {
                    let exit = self.exit();
                    self.asm.cmp8_imm(Mem(T1, offsets::ITEMS), tag);
                    self.asm.jump_if(Cond::NotEqual, exit);
                    if let Ty::Instance(shape) = ty {
                        self.asm.load(T2, Mem(T1, offsets::ITEMS + 8));
                        self.asm
                            .alu32_mem_imm(Alu::Cmp, Mem(T2, offsets::SHAPE), shape as i32);
                        self.asm.jump_if(Cond::NotEqual, exit);
                    }
                }
                self.asm.alu_imm(Alu::Add, T0, 1);
                self.define(position, Ty::Int, T0);
                self.load_value(item, T1, offsets::ITEMS, seen, None);
                self.complete_slows();
                self.spend_and_jump(target);
                self.asm.bind(over);
                self.set_all(&before);
                self.reachable = true;
                // At the end the interpreter releases what the loop went through.
                self.step();
            }
            _ => self.step(),
        }
    }
}
