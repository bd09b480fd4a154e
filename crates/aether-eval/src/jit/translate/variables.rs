//! Globals, captures and cells.

use super::index_of;
use crate::bytecode::{Op, fields};
use crate::jit::assembler::{Alu, Cond, F0, F1, FloatOp, Gpr, Mem, T0, T1, VM, WINDOW};
use crate::jit::emit::{Emitter, Src, Ty};
use crate::jit::offsets;
use crate::jit::profile::Seen;
use aether_value::{Closure, tag};

impl Emitter<'_> {
    pub(super) fn get_global(&mut self, to: usize) {
        let slot = (self.instruction() >> 32) as u32;
        let mut seen = self.site().result;
        if seen.is_empty() {
            seen = self.seen_now(slot as usize);
        }
        self.asm.load(T1, Mem(VM, offsets::globals()));
        self.load_value(to, T1, slot as i32 * 16, seen, Some(tag::UNSET));
    }

    /// What a global is now.
    #[expect(unsafe_code, reason = "reads a global")]
    pub(super) fn seen_now(&self, slot: usize) -> Seen {
        // SAFETY: the slot exists.
        Seen::of(unsafe { *self.facts.machine.globals.add(slot) })
    }

    pub(super) fn set_global(&mut self, from: usize) {
        if !self.is_plain(from) {
            self.step();
            return;
        }
        let slot = (self.instruction() >> 32) as u32 as i32 * 16;
        self.asm.load(T1, Mem(VM, offsets::globals()));
        let (slow, join) = self.slow_step(None);
        // Declared, and nothing to release.
        self.asm.cmp8_imm(Mem(T1, slot), tag::BOOL);
        self.asm.jump_if(Cond::Above, slow);
        self.store_plain(Mem(T1, slot), from);
        self.set_null(from);
        self.asm.bind(join);
    }

    /// Stores a plain register at a place whose base is neither `T0` nor `F0`.
    pub(super) fn store_plain(&mut self, place: Mem, from: usize) {
        let ty = self.ty(from);
        match ty {
            Ty::Int | Ty::Bool => match self.int(from) {
                Src::Reg(home) => self.asm.store(place.offset(8), home),
                value => {
                    debug_assert!(place.0 != T0, "the base is kept");
                    self.bring(T0, value);
                    self.asm.store(place.offset(8), T0);
                }
            },
            Ty::Float => {
                let value = self.double(from, F0);
                self.asm.store_double(place.offset(8), value);
            }
            _ => {}
        }
        if let Some(tag) = ty.tag() {
            self.asm.store8_imm(place, tag);
        }
    }

    pub(super) fn load_capture(&mut self, to: Gpr, index: u16) {
        self.asm.load(to, Mem(WINDOW, -8));
        self.asm.load(
            to,
            Mem(to, Closure::CAPTURES_OFFSET as i32 + i32::from(index) * 16 + 8),
        );
    }

    /// R\[to\] = what the cell in `T1` holds.
    pub(super) fn load_cell(&mut self, to: usize, seen: Seen) {
        self.load_value(to, T1, offsets::CELL_VALUE, seen, Some(tag::UNSET));
    }

    /// The cell in `T1` gets a plain register, which is taken.
    pub(super) fn store_cell(&mut self, from: usize) {
        let place = Mem(T1, offsets::CELL_VALUE);
        let (slow, join) = self.slow_step(None);
        self.asm.cmp8_imm(place, tag::BOOL);
        self.asm.jump_if(Cond::Above, slow);
        self.store_plain(place, from);
        self.set_null(from);
        self.asm.bind(join);
    }

    pub(super) fn add_cell(&mut self, op: Op) {
        let (a, b, c) = fields(self.instruction());
        let (old, right) = (index_of(a), index_of(c));
        let [seen, _, seen_right] = self.site().operands;
        let types = (self.expected(old, seen), self.expected(right, seen_right));
        if types != (Ty::Int, Ty::Int) && types != (Ty::Float, Ty::Float) {
            self.step();
            return;
        }
        if !self.need(old, types.0) || !self.need(right, types.1) {
            return;
        }
        if op == Op::AddCell {
            self.asm.load(T1, Self::payload(index_of(b)));
        } else {
            self.load_capture(T1, b);
        }
        let place = Mem(T1, offsets::CELL_VALUE);
        let exit = self.exit();
        self.asm.cmp8_imm(place, tag::BOOL);
        self.asm.jump_if(Cond::Above, exit);
        if types.0 == Ty::Int {
            let left = self.int(old);
            let right = self.int(right);
            self.bring(T0, left);
            self.alu(Alu::Add, T0, right);
            self.asm.jump_if(Cond::Overflow, exit);
            self.asm.store(place.offset(8), T0);
            self.asm.store8_imm(place, tag::INT);
        } else {
            let left = self.double(old, F0);
            self.asm.move_double(F0, left);
            let right = self.double(right, F1);
            self.asm.float(FloatOp::Add, F0, right);
            self.asm.store_double(place.offset(8), F0);
            self.asm.store8_imm(place, tag::FLOAT);
        }
    }
}
