//! The assembler for x86-64.

use super::{Alu, Assembled, Cond, FloatOp, Fpr, Gpr, Label, Mem, Shift};

const RAX: Gpr = Gpr(0);
const RCX: Gpr = Gpr(1);
const RDX: Gpr = Gpr(2);
const RBX: Gpr = Gpr(3);
const RSP: Gpr = Gpr(4);
const RBP: Gpr = Gpr(5);
const RSI: Gpr = Gpr(6);
const RDI: Gpr = Gpr(7);
const R8: Gpr = Gpr(8);
const R9: Gpr = Gpr(9);
const R10: Gpr = Gpr(10);
const R11: Gpr = Gpr(11);
const R12: Gpr = Gpr(12);
const R13: Gpr = Gpr(13);
const R14: Gpr = Gpr(14);
const R15: Gpr = Gpr(15);

pub(in crate::jit) const T0: Gpr = RAX;
pub(in crate::jit) const T1: Gpr = RCX;
pub(in crate::jit) const T2: Gpr = RDX;
pub(in crate::jit) const VM: Gpr = R15;
pub(in crate::jit) const WINDOW: Gpr = RBX;
pub(in crate::jit) const FUEL: Gpr = R14;
pub(in crate::jit) const ARGUMENT: Gpr = RSI;
pub(in crate::jit) const F0: Fpr = Fpr(0);
pub(in crate::jit) const F1: Fpr = Fpr(1);

/// Registers for payloads, those first that functions keep.
pub(in crate::jit) const GPR_HOMES: [Gpr; 9] = [RBP, R12, R13, RSI, RDI, R8, R9, R10, R11];
/// How many of them functions keep.
pub(in crate::jit) const KEPT: usize = 3;
/// Registers for doubles.
pub(in crate::jit) const FPR_HOMES: [Fpr; 14] = [
    Fpr(2),
    Fpr(3),
    Fpr(4),
    Fpr(5),
    Fpr(6),
    Fpr(7),
    Fpr(8),
    Fpr(9),
    Fpr(10),
    Fpr(11),
    Fpr(12),
    Fpr(13),
    Fpr(14),
    Fpr(15),
];

/// The number of an operation in the instruction set.
fn alu_number(op: Alu) -> u8 {
    match op {
        Alu::Add => 0,
        Alu::Or => 1,
        Alu::And => 4,
        Alu::Sub => 5,
        Alu::Xor => 6,
        Alu::Cmp => 7,
    }
}

fn shift_number(op: Shift) -> u8 {
    match op {
        Shift::Left => 4,
        Shift::LogicalRight => 5,
        Shift::Right => 7,
    }
}

fn float_opcode(op: FloatOp) -> u8 {
    match op {
        FloatOp::Sqrt => 0x51,
        FloatOp::Add => 0x58,
        FloatOp::Mul => 0x59,
        FloatOp::Sub => 0x5C,
        FloatOp::Div => 0x5E,
    }
}

/// The number of a condition in the instruction set. Doubles compare as unsigned numbers do, and one that is no number as
/// one that is below.
fn cond_number(cond: Cond) -> u8 {
    match cond {
        Cond::Overflow | Cond::ProductOverflow => 0,
        Cond::Below | Cond::DoubleNotGreaterEqual => 2,
        Cond::AboveEqual | Cond::DoubleGreaterEqual => 3,
        Cond::Equal => 4,
        Cond::NotEqual => 5,
        Cond::BelowEqual | Cond::DoubleNotGreater => 6,
        Cond::Above | Cond::DoubleGreater => 7,
        Cond::Negative => 8,
        Cond::Unordered => 10,
        Cond::Ordered => 11,
        Cond::Less => 12,
        Cond::GreaterEqual => 13,
        Cond::LessEqual => 14,
        Cond::Greater => 15,
    }
}

/// The processor that this is for.
#[derive(Default)]
pub(in crate::jit) struct Processor;

pub(in crate::jit) type Assembler = super::AssemblerFor<Processor>;

impl Assembler {
    /// The code with all distances filled in; none if a label was never bound.
    pub(in crate::jit) fn finish(mut self) -> Option<Assembled> {
        for &(at, label) in &self.labels.jumps {
            let to = self.labels.place_of(label)?;
            let distance = to as i64 - i64::from(at) - 4;
            self.code[at as usize..at as usize + 4].copy_from_slice(&(distance as i32).to_le_bytes());
        }
        Some(self.assembled())
    }

    fn byte(&mut self, byte: u8) {
        self.code.push(byte);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    fn rex(&mut self, wide: bool, reg: u8, rm: u8, force: bool) {
        let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | rm >> 3;
        if rex != 0x40 || force {
            self.byte(rex);
        }
    }

    fn modrm_reg(&mut self, reg: u8, rm: u8) {
        self.byte(0xC0 | (reg & 7) << 3 | rm & 7);
    }

    fn modrm_mem(&mut self, reg: u8, mem: Mem) {
        let base = mem.0.0 & 7;
        let (mode, wide) = match mem.1 {
            0 if base != 5 => (0, false),
            -128..=127 => (1, false),
            _ => (2, true),
        };
        self.byte(mode << 6 | (reg & 7) << 3 | base);
        if base == 4 {
            self.byte(0x24);
        }
        match mode {
            0 => {}
            _ if wide => self.bytes(&mem.1.to_le_bytes()),
            _ => self.byte(mem.1 as u8),
        }
    }

    /// An instruction with a memory operand.
    fn mem_op(&mut self, prefix: Option<u8>, wide: bool, opcode: &[u8], reg: u8, mem: Mem, byte_reg: bool) {
        if let Some(prefix) = prefix {
            self.byte(prefix);
        }
        self.rex(wide, reg, mem.0.0, byte_reg && reg >= 4);
        self.bytes(opcode);
        self.modrm_mem(reg, mem);
    }

    fn reg_op(&mut self, prefix: Option<u8>, wide: bool, opcode: &[u8], reg: u8, rm: u8) {
        if let Some(prefix) = prefix {
            self.byte(prefix);
        }
        self.rex(wide, reg, rm, false);
        self.bytes(opcode);
        self.modrm_reg(reg, rm);
    }

    // --- moves ---

    pub(in crate::jit) fn mov(&mut self, to: Gpr, from: Gpr) {
        if to != from {
            self.reg_op(None, true, &[0x8B], to.0, from.0);
        }
    }

    pub(in crate::jit) fn mov_imm(&mut self, to: Gpr, value: i64) {
        if value == 0 {
            // Flags are changed: never between a comparison and its jump.
            self.reg_op(None, false, &[0x33], to.0, to.0);
        } else if u32::try_from(value).is_ok() {
            self.rex(false, 0, to.0, false);
            self.byte(0xB8 | to.0 & 7);
            self.bytes(&(value as u32).to_le_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.rex(true, 0, to.0, false);
            self.byte(0xC7);
            self.modrm_reg(0, to.0);
            self.bytes(&value.to_le_bytes());
        } else {
            self.rex(true, 0, to.0, false);
            self.byte(0xB8 | to.0 & 7);
            self.bytes(&value.to_le_bytes());
        }
    }

    pub(in crate::jit) fn load(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[0x8B], to.0, from, false);
    }

    pub(in crate::jit) fn store(&mut self, to: Mem, from: Gpr) {
        self.mem_op(None, true, &[0x89], from.0, to, false);
    }

    pub(in crate::jit) fn load32(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[0x8B], to.0, from, false);
    }

    pub(in crate::jit) fn store32(&mut self, to: Mem, from: Gpr) {
        self.mem_op(None, false, &[0x89], from.0, to, false);
    }

    /// A byte, the rest of the register zero.
    pub(in crate::jit) fn load8(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[0x0F, 0xB6], to.0, from, false);
    }

    /// Two bytes, the rest of the register zero.
    pub(in crate::jit) fn load16(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[0x0F, 0xB7], to.0, from, false);
    }

    pub(in crate::jit) fn store8(&mut self, to: Mem, from: Gpr) {
        self.mem_op(None, false, &[0x88], from.0, to, true);
    }

    pub(in crate::jit) fn store8_imm(&mut self, to: Mem, value: u8) {
        self.mem_op(None, false, &[0xC6], 0, to, false);
        self.byte(value);
    }

    pub(in crate::jit) fn store32_imm(&mut self, to: Mem, value: u32) {
        self.mem_op(None, false, &[0xC7], 0, to, false);
        self.bytes(&value.to_le_bytes());
    }

    /// Stores a sign-extended 32-bit number as 64 bits.
    pub(in crate::jit) fn store_imm(&mut self, to: Mem, value: i32) {
        self.mem_op(None, true, &[0xC7], 0, to, false);
        self.bytes(&value.to_le_bytes());
    }

    pub(in crate::jit) fn lea(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[0x8D], to.0, from, false);
    }

    // --- integers ---

    pub(in crate::jit) fn alu(&mut self, op: Alu, to: Gpr, from: Gpr) {
        self.reg_op(None, true, &[alu_number(op) << 3 | 3], to.0, from.0);
    }

    pub(in crate::jit) fn alu_mem(&mut self, op: Alu, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[alu_number(op) << 3 | 3], to.0, from, false);
    }

    fn alu_imm_of(&mut self, op: Alu, wide: bool, to: Gpr, value: i32) {
        self.rex(wide, 0, to.0, false);
        if let Ok(value) = i8::try_from(value) {
            self.byte(0x83);
            self.modrm_reg(alu_number(op), to.0);
            self.byte(value as u8);
        } else {
            self.byte(0x81);
            self.modrm_reg(alu_number(op), to.0);
            self.bytes(&value.to_le_bytes());
        }
    }

    fn alu_mem_imm_of(&mut self, op: Alu, wide: bool, to: Mem, value: i32) {
        if let Ok(value) = i8::try_from(value) {
            self.mem_op(None, wide, &[0x83], alu_number(op), to, false);
            self.byte(value as u8);
        } else {
            self.mem_op(None, wide, &[0x81], alu_number(op), to, false);
            self.bytes(&value.to_le_bytes());
        }
    }

    pub(in crate::jit) fn alu_imm(&mut self, op: Alu, to: Gpr, value: i32) {
        self.alu_imm_of(op, true, to, value);
    }

    /// The operation on 64 bits of memory.
    pub(in crate::jit) fn alu_mem_imm(&mut self, op: Alu, to: Mem, value: i32) {
        self.alu_mem_imm_of(op, true, to, value);
    }

    /// The operation on 32 bits of memory.
    pub(in crate::jit) fn alu32_mem_imm(&mut self, op: Alu, to: Mem, value: i32) {
        self.alu_mem_imm_of(op, false, to, value);
    }

    pub(in crate::jit) fn alu32_imm(&mut self, op: Alu, to: Gpr, value: i32) {
        self.alu_imm_of(op, false, to, value);
    }

    /// The operation on 32 bits.
    pub(in crate::jit) fn alu32_mem(&mut self, op: Alu, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[alu_number(op) << 3 | 3], to.0, from, false);
    }

    pub(in crate::jit) fn cmp8_imm(&mut self, place: Mem, value: u8) {
        self.mem_op(None, false, &[0x80], 7, place, false);
        self.byte(value);
    }

    pub(in crate::jit) fn test8_imm(&mut self, place: Mem, value: u8) {
        self.mem_op(None, false, &[0xF6], 0, place, false);
        self.byte(value);
    }

    pub(in crate::jit) fn test(&mut self, one: Gpr, two: Gpr) {
        self.reg_op(None, true, &[0x85], two.0, one.0);
    }

    pub(in crate::jit) fn multiply(&mut self, to: Gpr, from: Gpr) {
        self.reg_op(None, true, &[0x0F, 0xAF], to.0, from.0);
    }

    pub(in crate::jit) fn multiply_mem(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[0x0F, 0xAF], to.0, from, false);
    }

    pub(in crate::jit) fn multiply_imm(&mut self, to: Gpr, from: Gpr, value: i32) {
        self.rex(true, to.0, from.0, false);
        self.byte(0x69);
        self.modrm_reg(to.0, from.0);
        self.bytes(&value.to_le_bytes());
    }

    pub(in crate::jit) fn negate(&mut self, to: Gpr) {
        self.reg_op(None, true, &[0xF7], 3, to.0);
    }

    pub(in crate::jit) fn invert(&mut self, to: Gpr) {
        self.reg_op(None, true, &[0xF7], 2, to.0);
    }

    /// Shifts by the low six bits of `rcx`.
    pub(in crate::jit) fn shift(&mut self, op: Shift, to: Gpr) {
        self.reg_op(None, true, &[0xD3], shift_number(op), to.0);
    }

    pub(in crate::jit) fn shift_imm(&mut self, op: Shift, to: Gpr, by: u8) {
        self.reg_op(None, true, &[0xC1], shift_number(op), to.0);
        self.byte(by);
    }

    /// A product of which the low 64 bits are wanted.
    pub(in crate::jit) fn multiply_wrapping(&mut self, to: Gpr, from: Gpr) {
        self.multiply(to, from);
    }

    /// The same by a number.
    pub(in crate::jit) fn multiply_imm_wrapping(&mut self, to: Gpr, from: Gpr, value: i32) {
        self.multiply_imm(to, from, value);
    }

    /// The high half of the signed product of `T0` and a register, in `T2`. Changes `T0`.
    pub(in crate::jit) fn multiply_high(&mut self, by: Gpr) {
        self.reg_op(None, true, &[0xF7], 5, by.0);
    }

    /// Divides `T0` by `T1`, which is above zero: quotient in `T0`, remainder in `T2`.
    pub(in crate::jit) fn divide(&mut self) {
        // Most are small, whose division is several times quicker.
        let (wide, done) = (self.label(), self.label());
        self.mov(RDX, RAX);
        self.alu(Alu::Or, RDX, RCX);
        self.shift_imm(Shift::LogicalRight, RDX, 32);
        self.jump_if(Cond::NotEqual, wide);
        // div ecx
        self.reg_op(None, false, &[0xF7], 6, RCX.0);
        self.jump(done);
        self.bind(wide);
        // cqo; idiv rcx
        self.bytes(&[0x48, 0x99]);
        self.reg_op(None, true, &[0xF7], 7, RCX.0);
        self.bind(done);
    }

    /// A truth value of the flags, the whole register.
    pub(in crate::jit) fn set(&mut self, cond: Cond, to: Gpr) {
        self.rex(false, 0, to.0, to.0 >= 4);
        self.bytes(&[0x0F, 0x90 | cond_number(cond)]);
        self.modrm_reg(0, to.0);
        self.rex(false, to.0, to.0, to.0 >= 4);
        self.bytes(&[0x0F, 0xB6]);
        self.modrm_reg(to.0, to.0);
    }

    // --- doubles ---

    pub(in crate::jit) fn move_double(&mut self, to: Fpr, from: Fpr) {
        if to != from {
            // movaps: no dependency on what the register held.
            self.reg_op(None, false, &[0x0F, 0x28], to.0, from.0);
        }
    }

    pub(in crate::jit) fn load_double(&mut self, to: Fpr, from: Mem) {
        self.mem_op(Some(0xF2), false, &[0x0F, 0x10], to.0, from, false);
    }

    pub(in crate::jit) fn store_double(&mut self, to: Mem, from: Fpr) {
        self.mem_op(Some(0xF2), false, &[0x0F, 0x11], from.0, to, false);
    }

    pub(in crate::jit) fn float(&mut self, op: FloatOp, to: Fpr, from: Fpr) {
        self.reg_op(Some(0xF2), false, &[0x0F, float_opcode(op)], to.0, from.0);
    }

    pub(in crate::jit) fn compare_doubles(&mut self, one: Fpr, two: Fpr) {
        self.reg_op(Some(0x66), false, &[0x0F, 0x2E], one.0, two.0);
    }

    pub(in crate::jit) fn xor_double(&mut self, to: Fpr, from: Fpr) {
        self.reg_op(None, false, &[0x0F, 0x57], to.0, from.0);
    }

    /// The double of a signed integer.
    pub(in crate::jit) fn int_to_double(&mut self, to: Fpr, from: Gpr) {
        self.xor_double(to, to);
        self.reg_op(Some(0xF2), true, &[0x0F, 0x2A], to.0, from.0);
    }

    pub(in crate::jit) fn int_to_double_mem(&mut self, to: Fpr, from: Mem) {
        self.xor_double(to, to);
        self.mem_op(Some(0xF2), true, &[0x0F, 0x2A], to.0, from, false);
    }

    pub(in crate::jit) fn bits_to_double(&mut self, to: Fpr, from: Gpr) {
        self.reg_op(Some(0x66), true, &[0x0F, 0x6E], to.0, from.0);
    }

    pub(in crate::jit) fn double_to_bits(&mut self, to: Gpr, from: Fpr) {
        self.reg_op(Some(0x66), true, &[0x0F, 0x7E], from.0, to.0);
    }

    // --- control ---

    pub(in crate::jit) fn jump(&mut self, label: Label) {
        self.byte(0xE9);
        self.labels.jumps.push((self.code.len() as u32, label));
        self.bytes(&[0; 4]);
    }

    pub(in crate::jit) fn jump_if(&mut self, cond: Cond, label: Label) {
        self.bytes(&[0x0F, 0x80 | cond_number(cond)]);
        self.labels.jumps.push((self.code.len() as u32, label));
        self.bytes(&[0; 4]);
    }

    fn call(&mut self, to: Gpr) {
        self.reg_op(None, false, &[0xFF], 2, to.0);
    }

    /// Calls machine code whose address is in memory.
    pub(in crate::jit) fn call_mem(&mut self, to: Mem) {
        self.mem_op(None, false, &[0xFF], 2, to, false);
    }

    /// Calls a function at an address, with `VM` as its first argument.
    pub(in crate::jit) fn call_function(&mut self, address: i64) {
        self.mov(RDI, VM);
        self.mov_imm(RAX, address);
        self.call(RAX);
    }

    /// The beginning of a function of machine code.
    pub(in crate::jit) fn enter_function(&mut self) {
        // The stack's alignment.
        self.alu_imm(Alu::Sub, RSP, 8);
    }

    /// Its end: returns.
    pub(in crate::jit) fn leave_function(&mut self) {
        self.alu_imm(Alu::Add, RSP, 8);
        self.ret();
    }

    /// Returns, where no function has been entered.
    pub(in crate::jit) fn ret(&mut self) {
        self.byte(0xC3);
    }

    fn push(&mut self, from: Gpr) {
        self.rex(false, 0, from.0, false);
        self.byte(0x50 | from.0 & 7);
    }

    fn pop(&mut self, to: Gpr) {
        self.rex(false, 0, to.0, false);
        self.byte(0x58 | to.0 & 7);
    }

    /// Keeps two registers on the stack. They may be one.
    pub(in crate::jit) fn push_pair(&mut self, one: Gpr, two: Gpr) {
        self.push(one);
        self.push(two);
    }

    /// Takes them back.
    pub(in crate::jit) fn pop_pair(&mut self, one: Gpr, two: Gpr) {
        self.pop(two);
        self.pop(one);
    }

    /// Compares the stack's end with an address in memory.
    pub(in crate::jit) fn compare_stack(&mut self, with: Mem) {
        self.alu_mem(Alu::Cmp, RSP, with);
    }

    /// A function of the system's calling convention that enters machine code: its arguments are the machine, the frame's
    /// registers and the code's address. The fuel comes from the machine, and goes back there.
    pub(in crate::jit) fn trampoline(&mut self, fuel: i32) {
        let kept = [RBP, RBX, R12, R13, R14, R15];
        for register in kept {
            self.push(register);
        }
        self.enter_function();
        self.mov(VM, RDI);
        self.mov(WINDOW, RSI);
        self.load(FUEL, Mem(VM, fuel));
        self.call(RDX);
        self.store(Mem(VM, fuel), FUEL);
        self.alu_imm(Alu::Add, RSP, 8);
        for register in kept.into_iter().rev() {
            self.pop(register);
        }
        self.ret();
    }
}
