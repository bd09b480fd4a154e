//! Arithmetic on ints and doubles.

use super::Operand;
use crate::jit::assembler::{Alu, Cond, F0, F1, FloatOp, Fpr, Shift, T0, T1, T2};
use crate::jit::emit::{Emitter, Src, Ty};
use crate::jit::profile::Seen;
use aether_value::tag;

impl Emitter<'_> {
    pub(super) fn operand_type(&self, operand: Operand) -> Option<Ty> {
        match operand {
            Operand::Register(register, seen) => {
                let ty = self.expected(register, seen);
                match ty {
                    // A number of either kind.
                    Ty::Any if self.ty(register) == Ty::Any && seen.is_number() => Some(Ty::Any),
                    Ty::Int | Ty::Float => Some(ty),
                    _ => None,
                }
            }
            Operand::Int(_) => Some(Ty::Int),
            Operand::Float(_) => Some(Ty::Float),
            Operand::Other => None,
        }
    }

    /// The types of two operands; one of which nothing is known is taken to be like the other.
    pub(super) fn operand_types(&self, left: Operand, right: Operand) -> (Option<Ty>, Option<Ty>) {
        let types = (self.operand_type(left), self.operand_type(right));
        let is_open = |operand: Operand| match operand {
            Operand::Register(register, seen) => self.ty(register) == Ty::Any && seen.is_empty(),
            _ => false,
        };
        let like = |other: Ty| if other == Ty::Float { Ty::Any } else { other };
        match types {
            (None, Some(other)) if is_open(left) => (Some(like(other)), types.1),
            (Some(other), None) if is_open(right) => (types.0, Some(like(other))),
            types => types,
        }
    }

    pub(super) fn need_operand(&mut self, operand: Operand, ty: Ty) -> bool {
        match operand {
            Operand::Register(register, _) if ty != Ty::Any => self.need(register, ty),
            _ => true,
        }
    }

    pub(super) fn int_operand(&mut self, operand: Operand) -> Src {
        match operand {
            Operand::Register(register, _) => self.int(register),
            Operand::Int(value) => Src::Imm(value),
            _ => Src::Imm(0),
        }
    }

    /// A number as a double, in its home or in the register given.
    pub(super) fn double_operand(&mut self, operand: Operand, ty: Ty, scratch: Fpr) -> Fpr {
        match (operand, ty) {
            (Operand::Register(register, _), Ty::Float) => self.double(register, scratch),
            (Operand::Register(register, _), Ty::Int) => {
                match self.int(register) {
                    Src::Reg(home) => self.asm.int_to_double(scratch, home),
                    Src::Mem(place) => self.asm.int_to_double_mem(scratch, place),
                    Src::Imm(_) => {}
                }
                scratch
            }
            (Operand::Register(register, _), _) => {
                // Either, as its tag says.
                let exit = self.exit();
                let (int, done) = (self.asm.label(), self.asm.label());
                self.asm.load_double(scratch, Self::payload(register));
                self.asm.cmp8_imm(Self::memory(register), tag::FLOAT);
                self.asm.jump_if(Cond::Equal, done);
                self.asm.bind(int);
                self.asm.cmp8_imm(Self::memory(register), tag::INT);
                self.asm.jump_if(Cond::NotEqual, exit);
                self.asm.int_to_double_mem(scratch, Self::payload(register));
                self.asm.bind(done);
                scratch
            }
            (Operand::Int(value), _) => {
                self.load_float(scratch, value as f64);
                scratch
            }
            (Operand::Float(value), _) => {
                self.load_float(scratch, value);
                scratch
            }
            (Operand::Other, _) => scratch,
        }
    }

    pub(super) fn arithmetic(&mut self, op: FloatOp, to: usize, left: Operand, right: Operand) {
        let types = self.operand_types(left, right);
        let (Some(lt), Some(rt)) = types else {
            let is_text =
                |operand| matches!(operand, Operand::Register(register, _) if self.ty(register) == Ty::Text);
            let joins = op == FloatOp::Add && (is_text(left) || is_text(right));
            self.step();
            if joins && self.reachable {
                self.set_in_memory(to, Ty::Text);
            }
            return;
        };
        if let (FloatOp::Div, Ty::Int, Operand::Int(value)) = (op, lt, right)
            && value <= 0
        {
            self.step();
            return;
        }
        match (lt, rt) {
            (Ty::Any, Ty::Any | Ty::Int) | (Ty::Int, Ty::Any) => {
                self.step();
                return;
            }
            _ => {}
        }
        if !self.need_operand(left, lt) || !self.need_operand(right, rt) {
            return;
        }
        if (lt, rt) == (Ty::Int, Ty::Int) {
            self.int_arithmetic(op, to, left, right);
            return;
        }
        // The right one first: the left one goes to xmm0, where the result is made.
        let right = self.double_operand(right, rt, F1);
        let left = self.double_operand(left, lt, F0);
        if op == FloatOp::Div {
            // Either zero, as bits.
            let exit = self.exit();
            self.asm.double_to_bits(T0, right);
            self.asm.shift_imm(Shift::Left, T0, 1);
            self.asm.test(T0, T0);
            self.asm.jump_if(Cond::Equal, exit);
        }
        self.asm.move_double(F0, left);
        self.asm.float(op, F0, right);
        self.define_double(to, F0);
    }

    pub(super) fn int_arithmetic(&mut self, op: FloatOp, to: usize, left: Operand, right: Operand) {
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        match op {
            FloatOp::Add | FloatOp::Sub => {
                let exit = self.exit();
                self.bring(T0, left_src);
                let alu = if op == FloatOp::Add { Alu::Add } else { Alu::Sub };
                self.alu(alu, T0, right_src);
                self.asm.jump_if(Cond::Overflow, exit);
                self.define(to, Ty::Int, T0);
            }
            FloatOp::Mul => {
                let exit = self.exit();
                match (left_src, right_src) {
                    (Src::Reg(from), Src::Imm(value)) if i32::try_from(value).is_ok() => {
                        self.asm.multiply_imm(T0, from, value as i32);
                    }
                    _ => {
                        self.bring(T0, left_src);
                        match right_src {
                            Src::Reg(from) => self.asm.multiply(T0, from),
                            Src::Mem(from) => self.asm.multiply_mem(T0, from),
                            Src::Imm(value) => {
                                self.asm.mov_imm(T1, value);
                                self.asm.multiply(T0, T1);
                            }
                        }
                    }
                }
                self.asm.jump_if(Cond::ProductOverflow, exit);
                self.define(to, Ty::Int, T0);
            }
            _ => {
                self.divide(left_src, right_src);
                self.define(to, Ty::Int, T0);
            }
        }
    }

    /// Divides: quotient in `T0`, remainder in `T2`. Exits unless the divisor is above zero.
    pub(super) fn divide(&mut self, left: Src, right: Src) {
        if let Src::Imm(value) = right
            && value > 1
        {
            self.divide_by(left, value);
            return;
        }
        let exit = self.exit();
        if let Src::Imm(value) = right
            && value <= 0
        {
            self.asm.jump(exit);
            return;
        }
        self.bring(T1, right);
        self.bring(T0, left);
        if !matches!(right, Src::Imm(_)) {
            self.asm.test(T1, T1);
            self.asm.jump_if(Cond::LessEqual, exit);
        }
        self.asm.divide();
    }

    /// The same by a constant above one, with a multiplication by its reciprocal: the quotient is the high half of a
    /// product, shifted, and one more for a dividend below zero.
    pub(super) fn divide_by(&mut self, left: Src, divisor: i64) {
        let (factor, shift) = reciprocal(divisor);
        let value = match left {
            Src::Reg(home) => home,
            left => {
                self.bring(T1, left);
                T1
            }
        };
        self.asm.mov_imm(T0, factor);
        self.asm.multiply_high(value);
        if factor < 0 {
            self.asm.alu(Alu::Add, T2, value);
        }
        if shift > 0 {
            self.asm.shift_imm(Shift::Right, T2, shift);
        }
        self.asm.mov(T0, value);
        self.asm.shift_imm(Shift::LogicalRight, T0, 63);
        self.asm.alu(Alu::Add, T0, T2);
        // The remainder is what the quotient leaves.
        match i32::try_from(divisor) {
            Ok(divisor) => self.asm.multiply_imm_wrapping(T2, T0, divisor),
            Err(_) => {
                self.asm.mov_imm(T2, divisor);
                self.asm.multiply_wrapping(T2, T0);
            }
        }
        self.asm.negate(T2);
        self.asm.alu(Alu::Add, T2, value);
    }

    pub(super) fn remainder(&mut self, to: usize, left: Operand, right: Operand) {
        let types = self.operand_types(left, right);
        if types != (Some(Ty::Int), Some(Ty::Int)) {
            self.step();
            return;
        }
        if !self.need_operand(left, Ty::Int) || !self.need_operand(right, Ty::Int) {
            return;
        }
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        self.divide(left_src, right_src);
        self.define(to, Ty::Int, T2);
    }

    pub(super) fn shift(&mut self, op: Shift, to: usize, left: Operand, right: Operand) {
        if !self.need_ints(left, right) {
            return;
        }
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        let exit = self.exit();
        self.bring(T1, right_src);
        self.asm.alu_imm(Alu::Cmp, T1, 64);
        self.asm.jump_if(Cond::AboveEqual, exit);
        self.bring(T0, left_src);
        self.asm.shift(op, T0);
        self.define(to, Ty::Int, T0);
    }

    pub(super) fn bits(&mut self, op: Alu, to: usize, left: Operand, right: Operand) {
        if !self.need_ints(left, right) {
            return;
        }
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        self.bring(T0, left_src);
        self.alu(op, T0, right_src);
        self.define(to, Ty::Int, T0);
    }

    pub(super) fn need_ints(&mut self, left: Operand, right: Operand) -> bool {
        let types = self.operand_types(left, right);
        if types != (Some(Ty::Int), Some(Ty::Int)) {
            self.step();
            return false;
        }
        self.need_operand(left, Ty::Int) && self.need_operand(right, Ty::Int)
    }

    pub(super) fn negate(&mut self, to: usize, operand: Operand) {
        match self.operand_type(operand) {
            Some(Ty::Int) => {
                if !self.need_operand(operand, Ty::Int) {
                    return;
                }
                let value = self.int_operand(operand);
                let exit = self.exit();
                self.bring(T0, value);
                self.asm.negate(T0);
                self.asm.jump_if(Cond::Overflow, exit);
                self.define(to, Ty::Int, T0);
            }
            Some(Ty::Float) => {
                if !self.need_operand(operand, Ty::Float) {
                    return;
                }
                let value = self.double_operand(operand, Ty::Float, F0);
                self.asm.mov_imm(T0, i64::MIN);
                self.asm.bits_to_double(F1, T0);
                self.asm.move_double(F0, value);
                self.asm.xor_double(F0, F1);
                self.define_double(to, F0);
            }
            _ => self.step(),
        }
    }

    pub(super) fn bit_not(&mut self, to: usize, operand: Operand) {
        if self.operand_type(operand) != Some(Ty::Int) {
            self.step();
            return;
        }
        if !self.need_operand(operand, Ty::Int) {
            return;
        }
        let value = self.int_operand(operand);
        self.bring(T0, value);
        self.asm.invert(T0);
        self.define(to, Ty::Int, T0);
    }

    pub(super) fn not(&mut self, to: usize, from: usize, seen: Seen) {
        if self.expected(from, seen) != Ty::Bool {
            self.step();
            return;
        }
        if !self.need(from, Ty::Bool) {
            return;
        }
        let value = self.int(from);
        self.bring(T0, value);
        if matches!(value, Src::Mem(_)) {
            self.asm.alu_imm(Alu::And, T0, 0xFF);
        }
        self.asm.alu_imm(Alu::Xor, T0, 1);
        self.define(to, Ty::Bool, T0);
    }
}

/// Factor and shift by which a multiplication divides by a number above one: the factor is two to the power of 64 plus the
/// shift, divided by the number, rounded up, taken as signed.
fn reciprocal(divisor: i64) -> (i64, u8) {
    let divisor = divisor as u128;
    // The smallest power that is exact enough for all 64-bit dividends.
    let bound = (1_u128 << 63) - 1 - (1_u128 << 63) % divisor;
    let mut power = 63_u32;
    loop {
        power += 1;
        let rest = divisor - (1_u128 << power) % divisor;
        if (1_u128 << power) > bound * rest || power == 126 {
            let factor = ((1_u128 << power) + rest) / divisor;
            return (factor as u64 as i64, (power - 64) as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reciprocal;

    /// What the machine code computes.
    fn quotient(value: i64, divisor: i64) -> i64 {
        let (factor, shift) = reciprocal(divisor);
        let mut high = ((i128::from(value) * i128::from(factor)) >> 64) as i64;
        if factor < 0 {
            high = high.wrapping_add(value);
        }
        (high >> shift) + i64::from(value < 0)
    }

    #[test]
    fn multiplication_divides() {
        let edges = [
            0,
            1,
            2,
            3,
            7,
            999,
            1 << 31,
            (1 << 32) - 1,
            1 << 32,
            i64::MAX - 1,
            i64::MAX,
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for round in 0..20_000 {
            let divisor = match round % 4 {
                0 => 2 + round / 4,
                1 => random.i64(2..=1 << 33),
                2 => random.i64(2..=i64::MAX),
                _ => 1 << random.u8(1..63),
            };
            let values = edges
                .iter()
                .flat_map(|&edge| [edge, -edge, edge.wrapping_add(divisor), i64::MIN])
                .chain((0..8).map(|_| random.i64(..)));
            for value in values {
                assert_eq!(quotient(value, divisor), value / divisor, "{value} / {divisor}");
            }
        }
    }
}
