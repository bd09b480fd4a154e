//! The assembler for 64-bit ARM processors (`AArch64`).
//!
//! `x16` and `x17` are its own: values of memory operands and large immediates go through `x16`, addresses that are too
//! far for an instruction and second immediates through `x17`. Registers with the number 31 are the stack's end or zero,
//! as the instruction has it.

use super::{Alu, Assembled, Cond, FloatOp, Fpr, Gpr, Label, Mem, Shift};

/// Where a called function returns to.
const LINK: Gpr = Gpr(30);
const FRAME: Gpr = Gpr(29);
/// The stack's end, or zero.
const R31: Gpr = Gpr(31);
const VALUE: Gpr = Gpr(16);
const OTHER: Gpr = Gpr(17);

pub(in crate::jit) const T0: Gpr = Gpr(0);
pub(in crate::jit) const T1: Gpr = Gpr(2);
pub(in crate::jit) const T2: Gpr = Gpr(1);
pub(in crate::jit) const VM: Gpr = Gpr(19);
pub(in crate::jit) const WINDOW: Gpr = Gpr(20);
pub(in crate::jit) const FUEL: Gpr = Gpr(21);
pub(in crate::jit) const ARGUMENT: Gpr = Gpr(1);
pub(in crate::jit) const F0: Fpr = Fpr(0);
pub(in crate::jit) const F1: Fpr = Fpr(1);

/// Registers for payloads, those first that functions keep.
pub(in crate::jit) const GPR_HOMES: [Gpr; 20] = [
    Gpr(22),
    Gpr(23),
    Gpr(24),
    Gpr(25),
    Gpr(26),
    Gpr(27),
    Gpr(28),
    Gpr(3),
    Gpr(4),
    Gpr(5),
    Gpr(6),
    Gpr(7),
    Gpr(8),
    Gpr(9),
    Gpr(10),
    Gpr(11),
    Gpr(12),
    Gpr(13),
    Gpr(14),
    Gpr(15),
];
/// How many of them functions keep.
pub(in crate::jit) const KEPT: usize = 7;
/// Registers for doubles: those that functions need not keep.
pub(in crate::jit) const FPR_HOMES: [Fpr; 22] = [
    Fpr(2),
    Fpr(3),
    Fpr(4),
    Fpr(5),
    Fpr(6),
    Fpr(7),
    Fpr(16),
    Fpr(17),
    Fpr(18),
    Fpr(19),
    Fpr(20),
    Fpr(21),
    Fpr(22),
    Fpr(23),
    Fpr(24),
    Fpr(25),
    Fpr(26),
    Fpr(27),
    Fpr(28),
    Fpr(29),
    Fpr(30),
    Fpr(31),
];

/// Instructions of 64 bits that have one of 32 bits with this bit cleared.
const WIDE: u32 = 1 << 31;

/// Loads and stores, with an unsigned offset in units of their size, and the logarithm of that.
const LOAD: (u32, u32) = (0xF940_0000, 3);
const STORE: (u32, u32) = (0xF900_0000, 3);
const LOAD_32: (u32, u32) = (0xB940_0000, 2);
const STORE_32: (u32, u32) = (0xB900_0000, 2);
const LOAD_16: (u32, u32) = (0x7940_0000, 1);
const LOAD_8: (u32, u32) = (0x3940_0000, 0);
const STORE_8: (u32, u32) = (0x3900_0000, 0);
const LOAD_DOUBLE: (u32, u32) = (0xFD40_0000, 3);
const STORE_DOUBLE: (u32, u32) = (0xFD00_0000, 3);

const JUMP: u32 = 0x1400_0000;
const JUMP_IF: u32 = 0x5400_0000;

/// The number of a condition in the instruction set. Of two doubles that were compared, one that is no number is neither
/// equal nor greater.
fn cond_number(cond: Cond) -> u32 {
    match cond {
        Cond::Equal => 0,
        Cond::NotEqual | Cond::ProductOverflow => 1,
        Cond::AboveEqual => 2,
        Cond::Below => 3,
        Cond::Negative => 4,
        Cond::Overflow | Cond::Unordered => 6,
        Cond::Ordered => 7,
        Cond::Above => 8,
        Cond::BelowEqual => 9,
        Cond::GreaterEqual | Cond::DoubleGreaterEqual => 10,
        Cond::Less | Cond::DoubleNotGreaterEqual => 11,
        Cond::Greater | Cond::DoubleGreater => 12,
        Cond::LessEqual | Cond::DoubleNotGreater => 13,
    }
}

/// The operation on registers; those that have flags set them.
fn alu_opcode(op: Alu) -> u32 {
    match op {
        Alu::Add => 0xAB00_0000,
        Alu::Sub | Alu::Cmp => 0xEB00_0000,
        Alu::And => 0xEA00_0000,
        Alu::Or => 0xAA00_0000,
        Alu::Xor => 0xCA00_0000,
    }
}

/// The fields of a mask of ones in a row, which the logical operations take as an immediate of so many bits.
fn ones_in_a_row(value: u64, bits: u32) -> Option<u32> {
    let (shift, ones) = (value.trailing_zeros(), value.count_ones());
    let is_mask = value != 0 && ones < bits && value >> shift == (1 << ones) - 1;
    let rotation = (bits - shift) % bits;
    let is_wide = u32::from(bits == 64);
    is_mask.then(|| is_wide << 22 | rotation << 16 | (ones - 1) << 10)
}

/// The processor that this is for.
#[derive(Default)]
pub(in crate::jit) struct Processor;

pub(in crate::jit) type Assembler = super::AssemblerFor<Processor>;

impl Assembler {
    /// The code with all distances filled in; none if a label was never bound, or is too far from a jump to it.
    pub(in crate::jit) fn finish(mut self) -> Option<Assembled> {
        for &(at, label) in &self.labels.jumps {
            let at = at as usize;
            let distance = (self.labels.place_of(label)? as i64 - at as i64) / 4;
            let place = self.code.get_mut(at..at + 4)?;
            let instruction = u32::from_le_bytes(place.try_into().ok()?);
            let (bits, shift) = if instruction == JUMP { (26, 0) } else { (19, 5) };
            if distance < -(1 << (bits - 1)) || distance >= 1 << (bits - 1) {
                return None;
            }
            let field = (distance as u32 & ((1 << bits) - 1)) << shift;
            place.copy_from_slice(&(instruction | field).to_le_bytes());
        }
        Some(self.assembled())
    }

    fn word(&mut self, instruction: u32) {
        self.code.extend_from_slice(&instruction.to_le_bytes());
    }

    /// An instruction with a target and one operand.
    fn two(&mut self, opcode: u32, to: u8, from: u8) {
        self.word(opcode | u32::from(from) << 5 | u32::from(to));
    }

    /// An instruction with a target and two operands.
    fn three(&mut self, opcode: u32, to: u8, one: u8, two: u8) {
        self.two(opcode | u32::from(two) << 16, to, one);
    }

    /// A load or a store. May use `x17`.
    fn access(&mut self, (opcode, size): (u32, u32), register: u8, Mem(base, offset): Mem) {
        /// Behind the opcode without this, a signed offset in bytes.
        const UNSIGNED: u32 = 1 << 24;
        /// With this, a register.
        const INDEXED: u32 = 0x0020_6800;
        let scaled = offset >> size;
        if offset >= 0 && scaled << size == offset && scaled < 1 << 12 {
            self.two(opcode | (scaled as u32) << 10, register, base.0);
        } else if (-256..256).contains(&offset) {
            let field = (offset as u32 & 0x1FF) << 12;
            self.two(opcode & !UNSIGNED | field, register, base.0);
        } else {
            self.mov_imm(OTHER, i64::from(offset));
            self.three(opcode & !UNSIGNED | INDEXED, register, base.0, OTHER.0);
        }
    }

    // --- moves ---

    pub(in crate::jit) fn mov(&mut self, to: Gpr, from: Gpr) {
        if to != from {
            self.three(0xAA00_0000, to.0, R31.0, from.0);
        }
    }

    pub(in crate::jit) fn mov_imm(&mut self, to: Gpr, value: i64) {
        const SET: u32 = 0xD280_0000;
        const SET_INVERTED: u32 = 0x9280_0000;
        const KEEP: u32 = 0xF280_0000;
        let part = |number: u32| (value >> (number * 16)) as u16;
        let parts_of = |rest: u16| (0..4).filter(|&number| part(number) == rest).count();
        // What most parts are comes from the first instruction, which there is in any case.
        let is_inverted = parts_of(u16::MAX) > parts_of(0);
        let rest = if is_inverted { u16::MAX } else { 0 };
        let first = (0..3).find(|&number| part(number) != rest).unwrap_or(0);
        for number in first..4 {
            let bits = part(number);
            let (opcode, bits) = match (number == first, is_inverted) {
                (true, true) => (SET_INVERTED, !bits),
                (true, false) => (SET, bits),
                (false, _) if bits == rest => continue,
                (false, _) => (KEEP, bits),
            };
            self.word(opcode | number << 21 | u32::from(bits) << 5 | u32::from(to.0));
        }
    }

    pub(in crate::jit) fn load(&mut self, to: Gpr, from: Mem) {
        self.access(LOAD, to.0, from);
    }

    pub(in crate::jit) fn store(&mut self, to: Mem, from: Gpr) {
        self.access(STORE, from.0, to);
    }

    pub(in crate::jit) fn load32(&mut self, to: Gpr, from: Mem) {
        self.access(LOAD_32, to.0, from);
    }

    pub(in crate::jit) fn store32(&mut self, to: Mem, from: Gpr) {
        self.access(STORE_32, from.0, to);
    }

    /// A byte, the rest of the register zero.
    pub(in crate::jit) fn load8(&mut self, to: Gpr, from: Mem) {
        self.access(LOAD_8, to.0, from);
    }

    /// Two bytes, the rest of the register zero.
    pub(in crate::jit) fn load16(&mut self, to: Gpr, from: Mem) {
        self.access(LOAD_16, to.0, from);
    }

    pub(in crate::jit) fn store8(&mut self, to: Mem, from: Gpr) {
        self.access(STORE_8, from.0, to);
    }

    /// A register that holds a number.
    fn immediate(&mut self, value: i64) -> Gpr {
        if value == 0 {
            return R31;
        }
        self.mov_imm(VALUE, value);
        VALUE
    }

    pub(in crate::jit) fn store8_imm(&mut self, to: Mem, value: u8) {
        let value = self.immediate(i64::from(value));
        self.store8(to, value);
    }

    pub(in crate::jit) fn store32_imm(&mut self, to: Mem, value: u32) {
        let value = self.immediate(i64::from(value));
        self.store32(to, value);
    }

    /// Stores a sign-extended 32-bit number as 64 bits.
    pub(in crate::jit) fn store_imm(&mut self, to: Mem, value: i32) {
        let value = self.immediate(i64::from(value));
        self.store(to, value);
    }

    pub(in crate::jit) fn lea(&mut self, to: Gpr, Mem(base, offset): Mem) {
        const ADD: u32 = 0x9100_0000;
        const SUBTRACT: u32 = 0xD100_0000;
        let opcode = if offset < 0 { SUBTRACT } else { ADD };
        let distance = offset.unsigned_abs();
        if offset == 0 {
            self.mov(to, base);
        } else if distance < 1 << 12 {
            self.two(opcode | distance << 10, to.0, base.0);
        } else {
            self.mov_imm(OTHER, i64::from(offset));
            self.three(0x8B00_0000, to.0, base.0, OTHER.0);
        }
    }

    // --- integers ---

    fn alu_of(&mut self, op: Alu, width: u32, to: Gpr, from: Gpr) {
        let target = if op == Alu::Cmp { R31 } else { to };
        self.three(alu_opcode(op) & !(WIDE ^ width), target.0, to.0, from.0);
    }

    /// The operation with a number. May use `x17`.
    fn alu_imm_of(&mut self, op: Alu, width: u32, to: Gpr, value: i32) {
        let target = if op == Alu::Cmp { R31 } else { to };
        let narrow = WIDE ^ width;
        let bits = if width == WIDE { 64 } else { 32 };
        match op {
            Alu::Add | Alu::Sub | Alu::Cmp if value.unsigned_abs() < 1 << 12 => {
                // A sum with a number below zero is a difference.
                let adds = (op == Alu::Add) == (value >= 0);
                let opcode = if adds { 0xB100_0000 } else { 0xF100_0000 };
                let field = value.unsigned_abs() << 10;
                self.two(opcode & !narrow | field, target.0, to.0);
            }
            Alu::And | Alu::Or | Alu::Xor
                if value > 0
                    && let Some(field) = ones_in_a_row(u64::from(value as u32), bits) =>
            {
                let opcode = match op {
                    Alu::And => 0xF200_0000,
                    Alu::Or => 0xB200_0000,
                    _ => 0xD200_0000,
                };
                self.two(opcode & !narrow | field, target.0, to.0);
            }
            _ => {
                self.mov_imm(OTHER, i64::from(value));
                self.alu_of(op, width, to, OTHER);
            }
        }
    }

    pub(in crate::jit) fn alu(&mut self, op: Alu, to: Gpr, from: Gpr) {
        self.alu_of(op, WIDE, to, from);
    }

    pub(in crate::jit) fn alu_mem(&mut self, op: Alu, to: Gpr, from: Mem) {
        self.load(VALUE, from);
        self.alu(op, to, VALUE);
    }

    pub(in crate::jit) fn alu_imm(&mut self, op: Alu, to: Gpr, value: i32) {
        self.alu_imm_of(op, WIDE, to, value);
    }

    /// The operation on 64 bits of memory.
    pub(in crate::jit) fn alu_mem_imm(&mut self, op: Alu, to: Mem, value: i32) {
        self.load(VALUE, to);
        self.alu_imm(op, VALUE, value);
        if op != Alu::Cmp {
            self.store(to, VALUE);
        }
    }

    /// The operation on 32 bits of memory.
    pub(in crate::jit) fn alu32_mem_imm(&mut self, op: Alu, to: Mem, value: i32) {
        self.load32(VALUE, to);
        self.alu32_imm(op, VALUE, value);
        if op != Alu::Cmp {
            self.store32(to, VALUE);
        }
    }

    pub(in crate::jit) fn alu32_imm(&mut self, op: Alu, to: Gpr, value: i32) {
        self.alu_imm_of(op, 0, to, value);
    }

    /// The operation on 32 bits.
    pub(in crate::jit) fn alu32_mem(&mut self, op: Alu, to: Gpr, from: Mem) {
        self.load32(VALUE, from);
        self.alu_of(op, 0, to, VALUE);
    }

    pub(in crate::jit) fn cmp8_imm(&mut self, place: Mem, value: u8) {
        self.load8(VALUE, place);
        self.alu32_imm(Alu::Cmp, VALUE, i32::from(value));
    }

    pub(in crate::jit) fn test8_imm(&mut self, place: Mem, value: u8) {
        self.load8(VALUE, place);
        self.alu32_imm(Alu::And, VALUE, i32::from(value));
    }

    pub(in crate::jit) fn test(&mut self, one: Gpr, two: Gpr) {
        self.three(alu_opcode(Alu::And), R31.0, one.0, two.0);
    }

    /// A product that is checked: it does not fit if its high half is more than its sign.
    fn multiply_checked(&mut self, to: Gpr, one: Gpr, two: Gpr) {
        // smulh; mul; cmp with the low half's sign
        self.three(0x9B40_7C00, OTHER.0, one.0, two.0);
        self.three(0x9B00_7C00, to.0, one.0, two.0);
        self.three(0xEB80_FC00, R31.0, OTHER.0, to.0);
    }

    pub(in crate::jit) fn multiply(&mut self, to: Gpr, from: Gpr) {
        self.multiply_checked(to, to, from);
    }

    pub(in crate::jit) fn multiply_mem(&mut self, to: Gpr, from: Mem) {
        self.load(VALUE, from);
        self.multiply_checked(to, to, VALUE);
    }

    pub(in crate::jit) fn multiply_imm(&mut self, to: Gpr, from: Gpr, value: i32) {
        self.mov_imm(VALUE, i64::from(value));
        self.multiply_checked(to, from, VALUE);
    }

    /// A product of which the low 64 bits are wanted.
    pub(in crate::jit) fn multiply_wrapping(&mut self, to: Gpr, from: Gpr) {
        self.three(0x9B00_7C00, to.0, to.0, from.0);
    }

    /// The same by a number.
    pub(in crate::jit) fn multiply_imm_wrapping(&mut self, to: Gpr, from: Gpr, value: i32) {
        self.mov_imm(VALUE, i64::from(value));
        self.three(0x9B00_7C00, to.0, from.0, VALUE.0);
    }

    /// The high half of the signed product of `T0` and a register, in `T2`.
    pub(in crate::jit) fn multiply_high(&mut self, by: Gpr) {
        self.three(0x9B40_7C00, T2.0, T0.0, by.0);
    }

    /// Divides `T0` by `T1`, which is above zero: quotient in `T0`, remainder in `T2`.
    pub(in crate::jit) fn divide(&mut self) {
        // sdiv; msub: the dividend less quotient times divisor
        self.three(0x9AC0_0C00, VALUE.0, T0.0, T1.0);
        self.three(0x9B00_8000 | u32::from(T0.0) << 10, T2.0, VALUE.0, T1.0);
        self.mov(T0, VALUE);
    }

    pub(in crate::jit) fn negate(&mut self, to: Gpr) {
        self.three(alu_opcode(Alu::Sub), to.0, R31.0, to.0);
    }

    pub(in crate::jit) fn invert(&mut self, to: Gpr) {
        self.three(0xAA20_0000, to.0, R31.0, to.0);
    }

    /// Shifts by the low six bits of `T1`.
    pub(in crate::jit) fn shift(&mut self, op: Shift, to: Gpr) {
        let opcode = match op {
            Shift::Left => 0x9AC0_2000,
            Shift::LogicalRight => 0x9AC0_2400,
            Shift::Right => 0x9AC0_2800,
        };
        self.three(opcode, to.0, to.0, T1.0);
    }

    pub(in crate::jit) fn shift_imm(&mut self, op: Shift, to: Gpr, by: u8) {
        let by = u32::from(by & 63);
        let opcode = match op {
            Shift::Left => 0xD340_0000 | ((64 - by) % 64) << 16 | (63 - by) << 10,
            Shift::LogicalRight => 0xD340_FC00 | by << 16,
            Shift::Right => 0x9340_FC00 | by << 16,
        };
        self.two(opcode, to.0, to.0);
    }

    /// A truth value of the flags, the whole register.
    pub(in crate::jit) fn set(&mut self, cond: Cond, to: Gpr) {
        // One more than zero unless the opposite holds.
        self.word(0x9A9F_07E0 | (cond_number(cond) ^ 1) << 12 | u32::from(to.0));
    }

    // --- doubles ---

    pub(in crate::jit) fn move_double(&mut self, to: Fpr, from: Fpr) {
        if to != from {
            self.two(0x1E60_4000, to.0, from.0);
        }
    }

    pub(in crate::jit) fn load_double(&mut self, to: Fpr, from: Mem) {
        self.access(LOAD_DOUBLE, to.0, from);
    }

    pub(in crate::jit) fn store_double(&mut self, to: Mem, from: Fpr) {
        self.access(STORE_DOUBLE, from.0, to);
    }

    pub(in crate::jit) fn float(&mut self, op: FloatOp, to: Fpr, from: Fpr) {
        match op {
            FloatOp::Sqrt => self.two(0x1E61_C000, to.0, from.0),
            FloatOp::Add => self.three(0x1E60_2800, to.0, to.0, from.0),
            FloatOp::Sub => self.three(0x1E60_3800, to.0, to.0, from.0),
            FloatOp::Mul => self.three(0x1E60_0800, to.0, to.0, from.0),
            FloatOp::Div => self.three(0x1E60_1800, to.0, to.0, from.0),
        }
    }

    pub(in crate::jit) fn compare_doubles(&mut self, one: Fpr, two: Fpr) {
        self.three(0x1E60_2000, 0, one.0, two.0);
    }

    pub(in crate::jit) fn xor_double(&mut self, to: Fpr, from: Fpr) {
        if to == from {
            // Zero, with no dependency on what the register held.
            self.word(0x2F00_E400 | u32::from(to.0));
        } else {
            self.three(0x2E20_1C00, to.0, to.0, from.0);
        }
    }

    /// The double of a signed integer.
    pub(in crate::jit) fn int_to_double(&mut self, to: Fpr, from: Gpr) {
        self.two(0x9E62_0000, to.0, from.0);
    }

    pub(in crate::jit) fn int_to_double_mem(&mut self, to: Fpr, from: Mem) {
        self.load(VALUE, from);
        self.int_to_double(to, VALUE);
    }

    pub(in crate::jit) fn bits_to_double(&mut self, to: Fpr, from: Gpr) {
        self.two(0x9E67_0000, to.0, from.0);
    }

    pub(in crate::jit) fn double_to_bits(&mut self, to: Gpr, from: Fpr) {
        self.two(0x9E66_0000, to.0, from.0);
    }

    // --- control ---

    pub(in crate::jit) fn jump(&mut self, label: Label) {
        self.labels.jumps.push((self.code.len() as u32, label));
        self.word(JUMP);
    }

    pub(in crate::jit) fn jump_if(&mut self, cond: Cond, label: Label) {
        self.labels.jumps.push((self.code.len() as u32, label));
        self.word(JUMP_IF | cond_number(cond));
    }

    fn call(&mut self, to: Gpr) {
        self.two(0xD63F_0000, 0, to.0);
    }

    /// Calls machine code whose address is in memory.
    pub(in crate::jit) fn call_mem(&mut self, to: Mem) {
        self.load(VALUE, to);
        self.call(VALUE);
    }

    /// Calls a function at an address, with `VM` as its first argument.
    pub(in crate::jit) fn call_function(&mut self, address: i64) {
        self.mov(Gpr(0), VM);
        self.mov_imm(VALUE, address);
        self.call(VALUE);
    }

    /// The beginning of a function of machine code.
    pub(in crate::jit) fn enter_function(&mut self) {
        self.push_pair(LINK, LINK);
    }

    /// Its end: returns.
    pub(in crate::jit) fn leave_function(&mut self) {
        self.pop_pair(LINK, LINK);
        self.ret();
    }

    /// Returns, where no function has been entered.
    pub(in crate::jit) fn ret(&mut self) {
        self.two(0xD65F_0000, 0, LINK.0);
    }

    /// Keeps two registers on the stack. They may be one.
    pub(in crate::jit) fn push_pair(&mut self, one: Gpr, two: Gpr) {
        if one == two {
            // str, the stack's end less 16 first
            self.two(0xF81F_0C00, one.0, R31.0);
        } else {
            self.two(0xA9BF_0000 | u32::from(two.0) << 10, one.0, R31.0);
        }
    }

    /// Takes them back.
    pub(in crate::jit) fn pop_pair(&mut self, one: Gpr, two: Gpr) {
        if one == two {
            // ldr, the stack's end 16 more afterwards
            self.two(0xF841_0400, one.0, R31.0);
        } else {
            self.two(0xA8C1_0000 | u32::from(two.0) << 10, one.0, R31.0);
        }
    }

    /// Compares the stack's end with an address in memory.
    pub(in crate::jit) fn compare_stack(&mut self, with: Mem) {
        self.load(VALUE, with);
        // The form of the comparison that takes 31 for the stack's end.
        self.three(0xEB20_6000, R31.0, R31.0, VALUE.0);
    }

    /// A function of the system's calling convention that enters machine code: its arguments are the machine, the frame's
    /// registers and the code's address. The fuel comes from the machine, and goes back there.
    pub(in crate::jit) fn trampoline(&mut self, fuel: i32) {
        let kept = [
            (FRAME, LINK),
            (Gpr(19), Gpr(20)),
            (Gpr(21), Gpr(22)),
            (Gpr(23), Gpr(24)),
            (Gpr(25), Gpr(26)),
            (Gpr(27), Gpr(28)),
        ];
        for (one, two) in kept {
            self.push_pair(one, two);
        }
        self.mov(VM, Gpr(0));
        self.mov(WINDOW, Gpr(1));
        self.load(FUEL, Mem(VM, fuel));
        self.call(Gpr(2));
        self.store(Mem(VM, fuel), FUEL);
        for (one, two) in kept.into_iter().rev() {
            self.pop_pair(one, two);
        }
        self.ret();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Alu, Cond, FloatOp, Fpr, Gpr, Mem, Shift};
    use super::{Assembler, F0, F1, T0, T1, T2, VM, WINDOW};

    const HOME: Gpr = Gpr(22);
    const X3: Gpr = Gpr(3);
    const DOUBLE: Fpr = Fpr(3);

    fn slot_of(offset: i32) -> Mem {
        Mem(WINDOW, offset)
    }

    fn words(emit: impl FnOnce(&mut Assembler)) -> Vec<u32> {
        let mut asm = Assembler::default();
        emit(&mut asm);
        let bytes = asm.finish().map(|assembled| assembled.bytes).unwrap_or_default();
        let (words, rest) = bytes.as_chunks::<4>();
        assert!(rest.is_empty(), "instructions have four bytes");
        words.iter().copied().map(u32::from_le_bytes).collect()
    }

    /// The words are what GNU as makes of the instructions.
    #[test]
    fn instructions_are_encoded() {
        type Emit = fn(&mut Assembler);
        let cases: &[(Emit, &[u32])] = &[
            // Moves, loads and stores, near and far.
            (|asm| asm.mov(HOME, T0), &[0xAA00_03F6]),
            (|asm| asm.load(X3, Mem(WINDOW, 8)), &[0xF940_0683]),
            (|asm| asm.load(X3, Mem(WINDOW, -8)), &[0xF85F_8283]),
            (
                |asm| asm.load(X3, Mem(WINDOW, 0x8001)),
                &[0xD290_0031, 0xF871_6A83],
            ),
            (|asm| asm.store(Mem(WINDOW, 32760), X3), &[0xF93F_FE83]),
            (|asm| asm.load32(X3, Mem(Gpr(4), 12)), &[0xB940_0C83]),
            (|asm| asm.store32(Mem(Gpr(4), 12), X3), &[0xB900_0C83]),
            (|asm| asm.load8(T0, slot_of(16)), &[0x3940_4280]),
            (|asm| asm.load16(T0, slot_of(6)), &[0x7940_0E80]),
            (|asm| asm.store8(slot_of(0), T0), &[0x3900_0280]),
            (|asm| asm.store8_imm(slot_of(16), 3), &[0xD280_0070, 0x3900_4290]),
            (|asm| asm.store8_imm(slot_of(16), 0), &[0x3900_429F]),
            (|asm| asm.lea(T1, slot_of(16)), &[0x9100_4282]),
            (|asm| asm.lea(T1, slot_of(-16)), &[0xD100_4282]),
            // Integers.
            (|asm| asm.alu(Alu::Add, T0, HOME), &[0xAB16_0000]),
            (|asm| asm.alu_imm(Alu::Sub, T0, 16), &[0xF100_4000]),
            (|asm| asm.alu_imm(Alu::Add, T0, 16), &[0xB100_4000]),
            (|asm| asm.alu_imm(Alu::Cmp, T0, -3), &[0xB100_0C1F]),
            (|asm| asm.alu32_imm(Alu::Cmp, T1, 7), &[0x7100_1C5F]),
            (|asm| asm.alu_imm(Alu::And, T2, 0xFF), &[0xF240_1C21]),
            (|asm| asm.alu_imm(Alu::Xor, T0, 1), &[0xD240_0000]),
            (|asm| asm.test(T2, T2), &[0xEA01_003F]),
            (
                |asm| asm.alu_mem(Alu::Cmp, T0, Mem(VM, 8)),
                &[0xF940_0670, 0xEB10_001F],
            ),
            (
                |asm| asm.alu32_mem_imm(Alu::Add, Mem(T2, 0), 1),
                &[0xB940_0030, 0x3100_0610, 0xB900_0030],
            ),
            (|asm| asm.test8_imm(Mem(T1, 5), 6), &[0x3940_1450, 0x721F_0610]),
            (
                |asm| asm.multiply(T0, HOME),
                &[0x9B56_7C11, 0x9B16_7C00, 0xEB80_FE3F],
            ),
            (|asm| asm.multiply_high(HOME), &[0x9B56_7C01]),
            (Assembler::divide, &[0x9AC2_0C10, 0x9B02_8201, 0xAA10_03E0]),
            (|asm| asm.negate(T0), &[0xEB00_03E0]),
            (|asm| asm.invert(T0), &[0xAA20_03E0]),
            (|asm| asm.shift(Shift::Left, T0), &[0x9AC2_2000]),
            (|asm| asm.shift(Shift::LogicalRight, T0), &[0x9AC2_2400]),
            (|asm| asm.shift(Shift::Right, T0), &[0x9AC2_2800]),
            (|asm| asm.shift_imm(Shift::Left, T0, 4), &[0xD37C_EC00]),
            (|asm| asm.shift_imm(Shift::LogicalRight, T0, 63), &[0xD37F_FC00]),
            (|asm| asm.shift_imm(Shift::Right, T2, 3), &[0x9343_FC21]),
            (|asm| asm.set(Cond::Equal, T0), &[0x9A9F_17E0]),
            (|asm| asm.set(Cond::Ordered, T1), &[0x9A9F_67E2]),
            // Doubles.
            (|asm| asm.move_double(Fpr(2), F0), &[0x1E60_4002]),
            (|asm| asm.load_double(Fpr(2), slot_of(8)), &[0xFD40_0682]),
            (|asm| asm.store_double(slot_of(8), Fpr(2)), &[0xFD00_0682]),
            (|asm| asm.float(FloatOp::Sqrt, F0, F0), &[0x1E61_C000]),
            (|asm| asm.float(FloatOp::Add, F0, DOUBLE), &[0x1E63_2800]),
            (|asm| asm.float(FloatOp::Sub, F0, DOUBLE), &[0x1E63_3800]),
            (|asm| asm.float(FloatOp::Mul, F0, DOUBLE), &[0x1E63_0800]),
            (|asm| asm.float(FloatOp::Div, F0, DOUBLE), &[0x1E63_1800]),
            (|asm| asm.compare_doubles(F1, F0), &[0x1E60_2020]),
            (|asm| asm.xor_double(F0, F0), &[0x2F00_E400]),
            (|asm| asm.xor_double(F0, F1), &[0x2E21_1C00]),
            (|asm| asm.int_to_double(F0, HOME), &[0x9E62_02C0]),
            (|asm| asm.bits_to_double(F0, T0), &[0x9E67_0000]),
            (|asm| asm.double_to_bits(T0, F0), &[0x9E66_0000]),
            // Control.
            (|asm| asm.call_mem(Mem(VM, 8)), &[0xF940_0670, 0xD63F_0200]),
            (Assembler::enter_function, &[0xF81F_0FFE]),
            (Assembler::leave_function, &[0xF841_07FE, 0xD65F_03C0]),
            (|asm| asm.push_pair(T0, T2), &[0xA9BF_07E0]),
            (|asm| asm.pop_pair(T0, T2), &[0xA8C1_07E0]),
            (|asm| asm.compare_stack(Mem(VM, 8)), &[0xF940_0670, 0xEB30_63FF]),
        ];
        for (number, (emit, expected)) in cases.iter().enumerate() {
            assert_eq!(words(emit), *expected, "case {number}");
        }
    }

    /// What the instructions that load a number leave in the register.
    fn number_loaded(words: &[u32]) -> i64 {
        let mut value = 0_u64;
        for &word in words {
            let (bits, shift) = (u64::from(word >> 5 & 0xFFFF), (word >> 21 & 3) * 16);
            match word >> 23 {
                0x1A5 => value = bits << shift,
                0x125 => value = !(bits << shift),
                0x1E5 => value = value & !(0xFFFF << shift) | bits << shift,
                opcode => panic!("opcode {opcode:x}"),
            }
        }
        value as i64
    }

    #[test]
    fn numbers_are_loaded() {
        let mut random = fastrand::Rng::with_seed(1);
        for round in 0..20_000 {
            let mut value = random.i64(..);
            for part in 0..4 {
                match random.u8(0..4) {
                    0 => value &= !(0xFFFF << (part * 16)),
                    1 => value |= 0xFFFF << (part * 16),
                    _ => {}
                }
            }
            let value = if round < 20 { round - 10 } else { value };
            let made = words(|asm: &mut Assembler| asm.mov_imm(X3, value));
            assert_eq!(number_loaded(&made), value);
            assert!((1..=4).contains(&made.len()), "{value:x}: {made:x?}");
        }
    }

    #[test]
    fn jumps_have_distances() {
        let made = words(|asm| {
            let (back, ahead) = (asm.label(), asm.label());
            asm.bind(back);
            asm.jump_if(Cond::Negative, ahead);
            asm.jump(back);
            asm.bind(ahead);
        });
        assert_eq!(made, [0x5400_0044, 0x17FF_FFFF]);
    }

    #[test]
    fn labels_that_are_too_far_make_no_code() {
        let mut asm = Assembler::default();
        let label = asm.label();
        asm.jump_if(Cond::Equal, label);
        for _ in 0..1 << 18 {
            asm.ret();
        }
        asm.bind(label);
        assert!(asm.finish().is_none());
    }
}
