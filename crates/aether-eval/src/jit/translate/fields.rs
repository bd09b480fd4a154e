//! Fields of instances and keys of records.

use crate::bytecode::Op;
use crate::jit::assembler::{Alu, Cond, Mem, T0, T1};
use crate::jit::emit::{Emitter, Ty};
use crate::jit::offsets;
use crate::jit::profile::{Seen, Site};
use aether_value::{Instance, tag};

impl Emitter<'_> {
    /// The instance in a register that the instruction's cache knows; its shape.
    pub(super) fn cached_shape(&self, object: usize, seen: Seen) -> Option<u32> {
        let shape = self.code.words[self.word + 1] as u32;
        match self.expected(object, seen) {
            Ty::Instance(known) if known == shape => Some(shape),
            _ => None,
        }
    }

    pub(super) fn get_field(&mut self, op: Op, to: usize, object: usize, slot: u16) {
        let site = self.site();
        if op == Op::GetField && self.expected(object, site.operands[1]) == Ty::Dict {
            self.get_entry(to, object, slot, site);
            return;
        }
        let Some(shape) = self.cached_shape(object, site.operands[1]) else {
            self.step();
            return;
        };
        if op == Op::GetFieldT {
            self.step();
            return;
        }
        if !self.need(object, Ty::Instance(shape)) {
            return;
        }
        let place = self.field_place(object, slot);
        self.load_value(to, place.0, place.1, site.result, None);
    }

    /// A key of a record whose shape the instruction's cache knows.
    pub(super) fn get_entry(&mut self, to: usize, object: usize, slot: u16, site: Site) {
        let shape = self.code.words[self.word + 1] as u32;
        if shape == 0 || shape >= 0xFFFF_0000 {
            self.step();
            return;
        }
        if !self.need(object, Ty::Dict) {
            return;
        }
        let (slow, join) = self.slow_step(Some((to, Ty::guess(site.result))));
        let pointer = self.pointer(object, T1);
        self.asm
            .alu32_mem_imm(Alu::Cmp, Mem(pointer, offsets::SHAPE), shape as i32);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load(T0, Mem(pointer, offsets::DICT_BODY));
        self.load_value(to, T0, i32::from(slot), site.result, None);
        self.asm.bind(join);
    }

    /// Where a field of an instance is; `T1` may be used.
    fn field_place(&mut self, object: usize, slot: u16) -> Mem {
        let pointer = self.pointer(object, T1);
        Mem(pointer, Instance::SLOTS_OFFSET as i32 + i32::from(slot))
    }

    pub(super) fn set_field(&mut self, object: usize, from: usize, slot: u16, moves: bool) {
        let site = self.site();
        let shape = self.cached_shape(object, site.operands[0]);
        let ty = self.expected(from, site.operands[1]);
        let Some(shape) = shape else {
            self.step();
            return;
        };
        if !ty.is_plain() || ty == Ty::Null && self.ty(from) != Ty::Null {
            if !self.need(object, Ty::Instance(shape)) {
                return;
            }
            let place = self.field_place(object, slot);
            self.asm.lea(T1, place);
            self.store_any(from, moves);
            if moves {
                self.set_null_in_memory(from);
            }
            return;
        }
        if !self.need(object, Ty::Instance(shape)) || !self.need(from, ty) {
            return;
        }
        let (slow, join) = self.slow_step(None);
        let place = self.field_place(object, slot);
        self.asm.cmp8_imm(place, tag::COUNTED);
        self.asm.jump_if(Cond::AboveEqual, slow);
        self.store_plain(place, from);
        if moves {
            self.set_null(from);
        }
        self.asm.bind(join);
    }

    pub(super) fn compound_field(&mut self, object: usize, right: usize, slot: u16, adds: bool) {
        let site = self.site();
        let shape = self.cached_shape(object, site.operands[0]);
        let ty = self.expected(right, site.operands[1]);
        let (Some(shape), true) = (shape, matches!(ty, Ty::Int | Ty::Float)) else {
            self.step();
            return;
        };
        if !self.need(object, Ty::Instance(shape)) || !self.need(right, ty) {
            return;
        }
        let (slow, join) = self.slow_step(None);
        let place = self.field_place(object, slot);
        self.add_to_place(place, right, ty, adds, slow);
        self.asm.bind(join);
    }
}
