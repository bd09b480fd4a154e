//! Comparisons, tests and jumps on them.

use super::{Operand, index_of};
use crate::bytecode::{Op, fields};
use crate::jit::assembler::{Alu, Cond, F0, F1, Mem, Shift, T0, T1, T2};
use crate::jit::effects::{Successors, successors};
use crate::jit::emit::{Emitter, Src, Ty};
use crate::jit::offsets;
use crate::jit::profile::{Seen, Site};
use aether_value::tag;

impl Emitter<'_> {
    /// Compares two ints or two doubles; the condition that says what was asked. None, and nothing emitted, if they are
    /// of other types.
    fn compare(&mut self, cond: Cond, left: Operand, right: Operand) -> Option<FlagTest> {
        let (Some(lt), Some(rt)) = self.operand_types(left, right) else {
            return None;
        };
        let is_equality = matches!(cond, Cond::Equal | Cond::NotEqual);
        let immediate = |operand| matches!(operand, Operand::Int(_));
        let same = lt == rt && lt != Ty::Any
            // An immediate compares as a double with a double.
            || lt == Ty::Float && immediate(right) && !is_equality;
        let is_large = |operand| matches!(operand, Operand::Int(value) if value.unsigned_abs() > 1 << 53);
        if lt != rt && (is_large(left) || is_large(right)) {
            return None;
        }
        let is_mixed = !same && (lt == Ty::Float || rt == Ty::Float);
        if !same && !is_mixed {
            return None;
        }
        if !self.need_operand(left, lt) || !self.need_operand(right, rt) {
            return Some(FlagTest::Never);
        }
        if (lt, rt) == (Ty::Int, Ty::Int) {
            let left_src = self.int_operand(left);
            let right_src = self.int_operand(right);
            match (left_src, right_src) {
                (Src::Reg(left), right) => self.alu(Alu::Cmp, left, right),
                (Src::Mem(left), Src::Imm(value)) if i32::try_from(value).is_ok() => {
                    self.asm.alu_mem_imm(Alu::Cmp, left, value as i32);
                }
                (left, right) => {
                    self.bring(T0, left);
                    self.alu(Alu::Cmp, T0, right);
                }
            }
            return Some(FlagTest::On(cond));
        }
        if is_mixed {
            // An int compares exactly, as its double does where it is one.
            self.exit_unless_exact(left, lt);
            self.exit_unless_exact(right, rt);
        }
        let right = self.double_operand(right, rt, F1);
        let left = self.double_operand(left, lt, F0);
        Some(match cond {
            Cond::Less => {
                self.asm.compare_doubles(right, left);
                FlagTest::On(Cond::DoubleGreater)
            }
            Cond::LessEqual => {
                self.asm.compare_doubles(right, left);
                FlagTest::On(Cond::DoubleGreaterEqual)
            }
            Cond::Greater => {
                self.asm.compare_doubles(left, right);
                FlagTest::On(Cond::DoubleGreater)
            }
            Cond::GreaterEqual => {
                self.asm.compare_doubles(left, right);
                FlagTest::On(Cond::DoubleGreaterEqual)
            }
            Cond::Equal => {
                self.asm.compare_doubles(left, right);
                FlagTest::DoubleEqual
            }
            _ => {
                self.asm.compare_doubles(left, right);
                FlagTest::DoubleNotEqual
            }
        })
    }

    /// Exits if an operand is an int that no double equals, or may be one.
    pub(super) fn exit_unless_exact(&mut self, operand: Operand, ty: Ty) {
        let Operand::Register(register, _) = operand else {
            return;
        };
        if ty == Ty::Float {
            return;
        }
        let exit = self.exit();
        let past = self.asm.label();
        if ty == Ty::Any {
            self.asm.cmp8_imm(Self::memory(register), tag::FLOAT);
            self.asm.jump_if(Cond::Equal, past);
            self.asm.load(T1, Self::payload(register));
        } else {
            let value = self.int(register);
            self.bring(T1, value);
        }
        self.asm.mov_imm(T0, 1 << 53);
        self.asm.alu(Alu::Add, T1, T0);
        self.asm.alu(Alu::Add, T0, T0);
        self.asm.alu(Alu::Cmp, T1, T0);
        self.asm.jump_if(Cond::Above, exit);
        self.asm.bind(past);
    }

    pub(super) fn compare_to(&mut self, cond: Cond, to: usize, left: Operand, right: Operand) {
        match self.compare(cond, left, right) {
            None => self.step(),
            Some(FlagTest::Never) => {}
            Some(FlagTest::On(cond)) => {
                self.asm.set(cond, T0);
                self.define(to, Ty::Bool, T0);
            }
            Some(FlagTest::DoubleEqual) => {
                self.asm.set(Cond::Equal, T0);
                self.asm.set(Cond::Ordered, T1);
                self.asm.alu(Alu::And, T0, T1);
                self.define(to, Ty::Bool, T0);
            }
            Some(FlagTest::DoubleNotEqual) => {
                self.asm.set(Cond::NotEqual, T0);
                self.asm.set(Cond::Unordered, T1);
                self.asm.alu(Alu::Or, T0, T1);
                self.define(to, Ty::Bool, T0);
            }
        }
    }

    pub(super) fn compare_and_jump(&mut self, op: Op, ra: usize, site: Site) {
        let (_, b, _) = fields(self.instruction());
        let left = Operand::Register(ra, site.operands[0]);
        let register = Operand::Register(index_of(b), site.operands[1]);
        let immediate = Operand::Int(i64::from(b as i16));
        let (cond, sense, right) = match op {
            Op::JumpLess => (Cond::Less, true, register),
            Op::JumpLessEqual => (Cond::LessEqual, true, register),
            Op::JumpGreater => (Cond::Greater, true, register),
            Op::JumpGreaterEqual => (Cond::GreaterEqual, true, register),
            Op::JumpNotLess => (Cond::Less, false, register),
            Op::JumpNotLessEqual => (Cond::LessEqual, false, register),
            Op::JumpNotGreater => (Cond::Greater, false, register),
            Op::JumpNotGreaterEqual => (Cond::GreaterEqual, false, register),
            Op::JumpEqual => (Cond::Equal, true, register),
            Op::JumpNotEqual => (Cond::NotEqual, true, register),
            Op::JumpLessI => (Cond::Less, true, immediate),
            Op::JumpLessEqualI => (Cond::LessEqual, true, immediate),
            Op::JumpGreaterI => (Cond::Greater, true, immediate),
            Op::JumpGreaterEqualI => (Cond::GreaterEqual, true, immediate),
            Op::JumpNotLessI => (Cond::Less, false, immediate),
            Op::JumpNotLessEqualI => (Cond::LessEqual, false, immediate),
            Op::JumpNotGreaterI => (Cond::Greater, false, immediate),
            Op::JumpNotGreaterEqualI => (Cond::GreaterEqual, false, immediate),
            Op::JumpEqualI => (Cond::Equal, true, immediate),
            Op::JumpNotEqualI => (Cond::NotEqual, true, immediate),
            Op::JumpLessK => (Cond::Less, true, self.constant_operand(b)),
            Op::JumpLessEqualK => (Cond::LessEqual, true, self.constant_operand(b)),
            Op::JumpGreaterK => (Cond::Greater, true, self.constant_operand(b)),
            Op::JumpGreaterEqualK => (Cond::GreaterEqual, true, self.constant_operand(b)),
            Op::JumpNotLessK => (Cond::Less, false, self.constant_operand(b)),
            Op::JumpNotLessEqualK => (Cond::LessEqual, false, self.constant_operand(b)),
            Op::JumpNotGreaterK => (Cond::Greater, false, self.constant_operand(b)),
            Op::JumpNotGreaterEqualK => (Cond::GreaterEqual, false, self.constant_operand(b)),
            Op::JumpEqualK => (Cond::Equal, true, self.constant_operand(b)),
            _ => (Cond::NotEqual, true, self.constant_operand(b)),
        };
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        let target = targets[0];
        if self.compare_with_literal(op, ra, site.operands[0], target) {
            return;
        }
        match self.compare(cond, left, right) {
            None => self.step(),
            Some(FlagTest::Never) => {}
            Some(FlagTest::On(cond)) => {
                self.branch(if sense { cond } else { cond.negated() }, target, true);
            }
            Some(FlagTest::DoubleEqual) => {
                let past = self.asm.label();
                self.asm.jump_if(Cond::Unordered, past);
                self.asm.jump_if(Cond::NotEqual, past);
                self.spend_and_jump(target);
                self.asm.bind(past);
                self.reachable = true;
            }
            Some(FlagTest::DoubleNotEqual) => {
                let (taken, past) = (self.asm.label(), self.asm.label());
                self.asm.jump_if(Cond::Unordered, taken);
                self.asm.jump_if(Cond::Equal, past);
                self.asm.bind(taken);
                self.spend_and_jump(target);
                self.asm.bind(past);
                self.reachable = true;
            }
        }
    }

    /// A jump if a text equals a short literal, or if not. False, and nothing done, if it is not that.
    pub(super) fn compare_with_literal(&mut self, op: Op, text: usize, seen: Seen, target: usize) -> bool {
        let (_, b, c) = fields(self.instruction());
        let consumes = c & 1 != 0;
        if !matches!(op, Op::JumpEqualK | Op::JumpNotEqualK)
            || consumes
            || self.expected(text, seen) != Ty::Text
        {
            return false;
        }
        let Some((bytes, len)) = self.short_literal(b) else {
            return false;
        };
        if !self.need(text, Ty::Text) {
            return true;
        }
        let pointer = self.pointer(text, T1);
        let (differs, past) = (self.asm.label(), self.asm.label());
        self.asm
            .alu32_mem_imm(Alu::Cmp, Mem(pointer, offsets::TEXT_BYTES), len as i32);
        self.asm.jump_if(Cond::NotEqual, differs);
        // A text's memory is a multiple of eight bytes, as is what stands before its first byte.
        self.asm.load(T0, Mem(pointer, offsets::TEXT));
        self.asm.mov_imm(T2, i64::from_le_bytes(bytes));
        if len < bytes.len() {
            self.asm.shift_imm(Shift::Left, T0, (bytes.len() - len) as u8 * 8);
            self.asm.shift_imm(Shift::Left, T2, (bytes.len() - len) as u8 * 8);
        }
        self.asm.alu(Alu::Cmp, T0, T2);
        if op == Op::JumpEqualK {
            self.asm.jump_if(Cond::NotEqual, differs);
            self.spend_and_jump(target);
            self.asm.bind(differs);
        } else {
            self.asm.jump_if(Cond::Equal, past);
            self.asm.bind(differs);
            self.spend_and_jump(target);
            self.asm.bind(past);
        }
        self.reachable = true;
        true
    }

    /// A field of an enum value, which the instructions before have made sure of.
    pub(super) fn payload_of(&mut self, to: usize, from: usize, number: u16) {
        let exit = self.plain_exit();
        self.asm.load(T1, Self::payload(from));
        self.asm
            .alu32_mem_imm(Alu::Cmp, Mem(T1, offsets::ENUM_LEN), i32::from(number));
        self.asm.jump_if(Cond::BelowEqual, exit);
        let offset = offsets::ENUM_PAYLOAD + i32::from(number) * 16;
        self.load_value(to, T1, offset, self.site().result, None);
    }

    /// A jump unless a value is an array of so many elements, or of more.
    pub(super) fn jump_unless_array(&mut self, array: usize, count: u16) {
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        let allows_more = self.code.words[self.word + 1] != 0;
        if !matches!(self.ty(array), Ty::Any | Ty::Array) {
            self.step();
            return;
        }
        let (otherwise, past) = (self.asm.label(), self.asm.label());
        if self.ty(array) == Ty::Any {
            self.asm.cmp8_imm(Self::memory(array), tag::ARRAY);
            self.asm.jump_if(Cond::NotEqual, otherwise);
            self.asm.load(T1, Self::payload(array));
        }
        let pointer = if self.ty(array) == Ty::Any {
            T1
        } else {
            self.pointer(array, T1)
        };
        self.asm
            .alu32_mem_imm(Alu::Cmp, Mem(pointer, offsets::ARRAY_LEN), i32::from(count));
        let fits = if allows_more {
            Cond::AboveEqual
        } else {
            Cond::Equal
        };
        self.asm.jump_if(fits, past);
        self.asm.bind(otherwise);
        self.jump_to(targets[0]);
        self.asm.bind(past);
        self.reachable = true;
    }

    pub(super) fn jump_on_truth(&mut self, register: usize, sense: bool, seen: Seen) {
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        if self.expected(register, seen) != Ty::Bool {
            self.step();
            return;
        }
        if !self.need(register, Ty::Bool) {
            return;
        }
        match self.int(register) {
            Src::Reg(home) => self.asm.test(home, home),
            _ => self.asm.cmp8_imm(Self::payload(register), 0),
        }
        let cond = if sense { Cond::NotEqual } else { Cond::Equal };
        self.branch(cond, targets[0], true);
    }

    pub(super) fn jump_on_null(&mut self, register: usize, sense: bool) {
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        let consumes = self.instruction() >> 32 & 1 != 0;
        let ty = self.ty(register);
        if consumes && !ty.is_plain() {
            self.step();
            return;
        }
        match ty {
            Ty::Any => {
                self.asm.cmp8_imm(Self::memory(register), tag::NULL);
                let cond = if sense { Cond::Equal } else { Cond::NotEqual };
                self.branch(cond, targets[0], false);
            }
            ty => {
                if (ty == Ty::Null) == sense {
                    self.jump_to(targets[0]);
                }
            }
        }
    }

    pub(super) fn jump_on_element(&mut self, array: usize, index: usize, sense: bool) {
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        let [seen_array, seen_index, _] = self.site().operands;
        let types = (self.expected(array, seen_array), self.expected(index, seen_index));
        if types != (Ty::Array, Ty::Int) {
            self.step();
            return;
        }
        if !self.need(array, Ty::Array) || !self.need(index, Ty::Int) {
            return;
        }
        let exit = self.exit();
        self.element(array, Operand::Register(index, seen_index), exit);
        let (int, known) = (self.asm.label(), self.asm.label());
        self.asm.cmp8_imm(Mem(T0, 0), tag::BOOL);
        self.asm.jump_if(Cond::NotEqual, int);
        self.asm.load8(T1, Mem(T0, 8));
        self.asm.jump(known);
        self.asm.bind(int);
        self.asm.cmp8_imm(Mem(T0, 0), tag::INT);
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.load(T1, Mem(T0, 8));
        self.asm.bind(known);
        self.asm.test(T1, T1);
        let cond = if sense { Cond::NotEqual } else { Cond::Equal };
        self.branch(cond, targets[0], true);
    }
}

/// How flags answer a comparison.
#[derive(Clone, Copy)]
enum FlagTest {
    On(Cond),
    DoubleEqual,
    DoubleNotEqual,
    /// The instruction was left for good.
    Never,
}
