//! Arithmetic on ints and doubles.

use super::{Operand, X0, X1};
use crate::jit::emit::{Emitter, Src, Ty};
use crate::jit::profile::Seen;
use crate::jit::x64::{Alu, Cond, RAX, RCX, RDX, Shift, Sse, Xmm};
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
    pub(super) fn double_operand(&mut self, operand: Operand, ty: Ty, scratch: Xmm) -> Xmm {
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

    pub(super) fn arithmetic(&mut self, op: Sse, to: usize, left: Operand, right: Operand) {
        let types = self.operand_types(left, right);
        let (Some(lt), Some(rt)) = types else {
            let is_text =
                |operand| matches!(operand, Operand::Register(register, _) if self.ty(register) == Ty::Text);
            let joins = op == Sse::Add && (is_text(left) || is_text(right));
            self.step();
            if joins && self.reachable {
                self.set_in_memory(to, Ty::Text);
            }
            return;
        };
        if let (Sse::Div, Ty::Int, Operand::Int(value)) = (op, lt, right)
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
        let right = self.double_operand(right, rt, X1);
        let left = self.double_operand(left, lt, X0);
        if op == Sse::Div {
            // Either zero, as bits.
            let exit = self.exit();
            self.asm.double_to_bits(RAX, right);
            self.asm.shift_imm(Shift::Left, RAX, 1);
            self.asm.test(RAX, RAX);
            self.asm.jump_if(Cond::Equal, exit);
        }
        self.asm.movsd(X0, left);
        self.asm.sse(op, X0, right);
        self.define_double(to, X0);
    }

    pub(super) fn int_arithmetic(&mut self, op: Sse, to: usize, left: Operand, right: Operand) {
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        match op {
            Sse::Add | Sse::Sub => {
                let exit = self.exit();
                self.bring(RAX, left_src);
                let alu = if op == Sse::Add { Alu::Add } else { Alu::Sub };
                self.alu(alu, RAX, right_src);
                self.asm.jump_if(Cond::Overflow, exit);
                self.define(to, Ty::Int, RAX);
            }
            Sse::Mul => {
                let exit = self.exit();
                match (left_src, right_src) {
                    (Src::Reg(from), Src::Imm(value)) if i32::try_from(value).is_ok() => {
                        self.asm.imul_imm(RAX, from, value as i32);
                    }
                    _ => {
                        self.bring(RAX, left_src);
                        match right_src {
                            Src::Reg(from) => self.asm.imul(RAX, from),
                            Src::Mem(from) => self.asm.imul_mem(RAX, from),
                            Src::Imm(value) => {
                                self.asm.mov_imm(RCX, value);
                                self.asm.imul(RAX, RCX);
                            }
                        }
                    }
                }
                self.asm.jump_if(Cond::Overflow, exit);
                self.define(to, Ty::Int, RAX);
            }
            _ => {
                self.divide(left_src, right_src);
                self.define(to, Ty::Int, RAX);
            }
        }
    }

    /// Divides: quotient in `rax`, remainder in `rdx`. Exits unless the divisor is above zero.
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
        self.bring(RCX, right);
        self.bring(RAX, left);
        if !matches!(right, Src::Imm(_)) {
            self.asm.test(RCX, RCX);
            self.asm.jump_if(Cond::LessEqual, exit);
        }
        // Most are small, whose division is several times quicker.
        let (wide, done) = (self.asm.label(), self.asm.label());
        self.asm.mov(RDX, RAX);
        self.asm.alu(Alu::Or, RDX, RCX);
        self.asm.shift_imm(Shift::LogicalRight, RDX, 32);
        self.asm.jump_if(Cond::NotEqual, wide);
        self.asm.div32(RCX);
        self.asm.jump(done);
        self.asm.bind(wide);
        self.asm.cqo();
        self.asm.idiv(RCX);
        self.asm.bind(done);
    }

    /// The same by a constant above one, with a multiplication by its reciprocal: the quotient is the high half of a
    /// product, shifted, and one more for a dividend below zero.
    pub(super) fn divide_by(&mut self, left: Src, divisor: i64) {
        let (factor, shift) = reciprocal(divisor);
        let value = match left {
            Src::Reg(home) => home,
            left => {
                self.bring(RCX, left);
                RCX
            }
        };
        self.asm.mov_imm(RAX, factor);
        self.asm.imul_wide(value);
        if factor < 0 {
            self.asm.alu(Alu::Add, RDX, value);
        }
        if shift > 0 {
            self.asm.shift_imm(Shift::Right, RDX, shift);
        }
        self.asm.mov(RAX, value);
        self.asm.shift_imm(Shift::LogicalRight, RAX, 63);
        self.asm.alu(Alu::Add, RAX, RDX);
        // The remainder is what the quotient leaves.
        match i32::try_from(divisor) {
            Ok(divisor) => self.asm.imul_imm(RDX, RAX, divisor),
            Err(_) => {
                self.asm.mov_imm(RDX, divisor);
                self.asm.imul(RDX, RAX);
            }
        }
        self.asm.neg(RDX);
        self.asm.alu(Alu::Add, RDX, value);
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
        self.define(to, Ty::Int, RDX);
    }

    pub(super) fn shift(&mut self, op: Shift, to: usize, left: Operand, right: Operand) {
        if !self.need_ints(left, right) {
            return;
        }
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        let exit = self.exit();
        self.bring(RCX, right_src);
        self.asm.alu_imm(Alu::Cmp, RCX, 64);
        self.asm.jump_if(Cond::AboveEqual, exit);
        self.bring(RAX, left_src);
        self.asm.shift_cl(op, RAX);
        self.define(to, Ty::Int, RAX);
    }

    pub(super) fn bits(&mut self, op: Alu, to: usize, left: Operand, right: Operand) {
        if !self.need_ints(left, right) {
            return;
        }
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        self.bring(RAX, left_src);
        self.alu(op, RAX, right_src);
        self.define(to, Ty::Int, RAX);
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
                self.bring(RAX, value);
                self.asm.neg(RAX);
                self.asm.jump_if(Cond::Overflow, exit);
                self.define(to, Ty::Int, RAX);
            }
            Some(Ty::Float) => {
                if !self.need_operand(operand, Ty::Float) {
                    return;
                }
                let value = self.double_operand(operand, Ty::Float, X0);
                self.asm.mov_imm(RAX, i64::MIN);
                self.asm.bits_to_double(X1, RAX);
                self.asm.movsd(X0, value);
                self.asm.xorps(X0, X1);
                self.define_double(to, X0);
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
        self.bring(RAX, value);
        self.asm.not(RAX);
        self.define(to, Ty::Int, RAX);
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
        self.bring(RAX, value);
        if matches!(value, Src::Mem(_)) {
            self.asm.alu_imm(Alu::And, RAX, 0xFF);
        }
        self.asm.alu_imm(Alu::Xor, RAX, 1);
        self.define(to, Ty::Bool, RAX);
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
