//! An assembler for x86-64: the instructions that the compiler uses, with labels.
//!
//! Jumps are written with 32-bit distances and filled in by [`Assembler::finish`]. Memory operands are a register and
//! a 32-bit displacement.

/// A general register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gpr(pub(super) u8);

/// A floating-point register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Xmm(pub(super) u8);

pub(super) const RAX: Gpr = Gpr(0);
pub(super) const RCX: Gpr = Gpr(1);
pub(super) const RDX: Gpr = Gpr(2);
pub(super) const RBX: Gpr = Gpr(3);
pub(super) const RSP: Gpr = Gpr(4);
pub(super) const RBP: Gpr = Gpr(5);
pub(super) const RSI: Gpr = Gpr(6);
pub(super) const RDI: Gpr = Gpr(7);
pub(super) const R8: Gpr = Gpr(8);
pub(super) const R9: Gpr = Gpr(9);
pub(super) const R10: Gpr = Gpr(10);
pub(super) const R11: Gpr = Gpr(11);
pub(super) const R12: Gpr = Gpr(12);
pub(super) const R13: Gpr = Gpr(13);
pub(super) const R14: Gpr = Gpr(14);
pub(super) const R15: Gpr = Gpr(15);

/// A place in memory: what the register holds plus a displacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mem(pub(super) Gpr, pub(super) i32);

impl Mem {
    pub(super) fn offset(self, by: i32) -> Self {
        Self(self.0, self.1 + by)
    }
}

/// A place in the code, which may still be to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u32);

/// Conditions, by their number in the instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cond {
    Overflow = 0,
    Below = 2,
    AboveEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowEqual = 6,
    Above = 7,
    Sign = 8,
    Parity = 10,
    NoParity = 11,
    Less = 12,
    GreaterEqual = 13,
    LessEqual = 14,
    Greater = 15,
}

impl Cond {
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Overflow | Self::Sign => self,
            Self::Below => Self::AboveEqual,
            Self::AboveEqual => Self::Below,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::BelowEqual => Self::Above,
            Self::Above => Self::BelowEqual,
            Self::Parity => Self::NoParity,
            Self::NoParity => Self::Parity,
            Self::Less => Self::GreaterEqual,
            Self::GreaterEqual => Self::Less,
            Self::LessEqual => Self::Greater,
            Self::Greater => Self::LessEqual,
        }
    }
}

/// Two-operand integer operations, by their number in the instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Alu {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts, by their number in the instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shift {
    Left = 4,
    LogicalRight = 5,
    Right = 7,
}

/// Operations on doubles, by their opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Sse {
    Sqrt = 0x51,
    Add = 0x58,
    Mul = 0x59,
    Sub = 0x5C,
    Div = 0x5E,
}

/// Code under construction.
#[derive(Default)]
pub(super) struct Assembler {
    code: Vec<u8>,
    labels: Vec<Option<u32>>,
    /// Places of 32-bit distances, and where they lead.
    fixups: Vec<(u32, Label)>,
}

impl Assembler {
    pub(super) fn position(&self) -> usize {
        self.code.len()
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() as u32 - 1)
    }

    /// Says that a label is here.
    pub(super) fn bind(&mut self, label: Label) {
        debug_assert!(self.labels[label.0 as usize].is_none(), "a label is bound once");
        self.labels[label.0 as usize] = Some(self.code.len() as u32);
    }

    /// Where a label is.
    pub(super) fn offset_of(&self, label: Label) -> Option<usize> {
        self.labels[label.0 as usize].map(|offset| offset as usize)
    }

    /// The code, with all distances filled in; none if a label was never bound.
    pub(super) fn finish(mut self) -> Option<(Vec<u8>, Vec<Option<u32>>)> {
        for &(at, label) in &self.fixups {
            let to = self.labels[label.0 as usize]?;
            let distance = i64::from(to) - i64::from(at) - 4;
            self.code[at as usize..at as usize + 4].copy_from_slice(&(distance as i32).to_le_bytes());
        }
        Some((self.code, self.labels))
    }

    /// The offset of a label in what [`Assembler::finish`] gave.
    pub(super) fn resolved(labels: &[Option<u32>], label: Label) -> Option<usize> {
        labels[label.0 as usize].map(|offset| offset as usize)
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

    pub(super) fn mov(&mut self, to: Gpr, from: Gpr) {
        if to != from {
            self.reg_op(None, true, &[0x8B], to.0, from.0);
        }
    }

    pub(super) fn mov_imm(&mut self, to: Gpr, value: i64) {
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

    pub(super) fn load(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[0x8B], to.0, from, false);
    }

    pub(super) fn store(&mut self, to: Mem, from: Gpr) {
        self.mem_op(None, true, &[0x89], from.0, to, false);
    }

    pub(super) fn load32(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[0x8B], to.0, from, false);
    }

    pub(super) fn store32(&mut self, to: Mem, from: Gpr) {
        self.mem_op(None, false, &[0x89], from.0, to, false);
    }

    /// A byte, the rest of the register zero.
    pub(super) fn load8(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[0x0F, 0xB6], to.0, from, false);
    }

    /// Two bytes, the rest of the register zero.
    pub(super) fn load16(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[0x0F, 0xB7], to.0, from, false);
    }

    pub(super) fn store8(&mut self, to: Mem, from: Gpr) {
        self.mem_op(None, false, &[0x88], from.0, to, true);
    }

    pub(super) fn store8_imm(&mut self, to: Mem, value: u8) {
        self.mem_op(None, false, &[0xC6], 0, to, false);
        self.byte(value);
    }

    pub(super) fn store32_imm(&mut self, to: Mem, value: u32) {
        self.mem_op(None, false, &[0xC7], 0, to, false);
        self.bytes(&value.to_le_bytes());
    }

    /// Stores a sign-extended 32-bit number as 64 bits.
    pub(super) fn store_imm(&mut self, to: Mem, value: i32) {
        self.mem_op(None, true, &[0xC7], 0, to, false);
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn lea(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[0x8D], to.0, from, false);
    }

    // --- integers ---

    pub(super) fn alu(&mut self, op: Alu, to: Gpr, from: Gpr) {
        self.reg_op(None, true, &[(op as u8) << 3 | 3], to.0, from.0);
    }

    pub(super) fn alu_mem(&mut self, op: Alu, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[(op as u8) << 3 | 3], to.0, from, false);
    }

    pub(super) fn alu_imm(&mut self, op: Alu, to: Gpr, value: i32) {
        self.rex(true, 0, to.0, false);
        if let Ok(value) = i8::try_from(value) {
            self.byte(0x83);
            self.modrm_reg(op as u8, to.0);
            self.byte(value as u8);
        } else {
            self.byte(0x81);
            self.modrm_reg(op as u8, to.0);
            self.bytes(&value.to_le_bytes());
        }
    }

    /// The operation on 64 bits of memory.
    pub(super) fn alu_mem_imm(&mut self, op: Alu, to: Mem, value: i32) {
        if let Ok(value) = i8::try_from(value) {
            self.mem_op(None, true, &[0x83], op as u8, to, false);
            self.byte(value as u8);
        } else {
            self.mem_op(None, true, &[0x81], op as u8, to, false);
            self.bytes(&value.to_le_bytes());
        }
    }

    /// The operation on 32 bits of memory.
    pub(super) fn alu32_mem_imm(&mut self, op: Alu, to: Mem, value: i32) {
        if let Ok(value) = i8::try_from(value) {
            self.mem_op(None, false, &[0x83], op as u8, to, false);
            self.byte(value as u8);
        } else {
            self.mem_op(None, false, &[0x81], op as u8, to, false);
            self.bytes(&value.to_le_bytes());
        }
    }

    pub(super) fn alu32_imm(&mut self, op: Alu, to: Gpr, value: i32) {
        self.rex(false, 0, to.0, false);
        if let Ok(value) = i8::try_from(value) {
            self.byte(0x83);
            self.modrm_reg(op as u8, to.0);
            self.byte(value as u8);
        } else {
            self.byte(0x81);
            self.modrm_reg(op as u8, to.0);
            self.bytes(&value.to_le_bytes());
        }
    }

    /// The operation on 32 bits.
    pub(super) fn alu32_mem(&mut self, op: Alu, to: Gpr, from: Mem) {
        self.mem_op(None, false, &[(op as u8) << 3 | 3], to.0, from, false);
    }

    pub(super) fn cmp8_imm(&mut self, place: Mem, value: u8) {
        self.mem_op(None, false, &[0x80], 7, place, false);
        self.byte(value);
    }

    pub(super) fn test8_imm(&mut self, place: Mem, value: u8) {
        self.mem_op(None, false, &[0xF6], 0, place, false);
        self.byte(value);
    }

    pub(super) fn test(&mut self, one: Gpr, two: Gpr) {
        self.reg_op(None, true, &[0x85], two.0, one.0);
    }

    pub(super) fn imul(&mut self, to: Gpr, from: Gpr) {
        self.reg_op(None, true, &[0x0F, 0xAF], to.0, from.0);
    }

    pub(super) fn imul_mem(&mut self, to: Gpr, from: Mem) {
        self.mem_op(None, true, &[0x0F, 0xAF], to.0, from, false);
    }

    pub(super) fn imul_imm(&mut self, to: Gpr, from: Gpr, value: i32) {
        self.rex(true, to.0, from.0, false);
        self.byte(0x69);
        self.modrm_reg(to.0, from.0);
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn neg(&mut self, to: Gpr) {
        self.reg_op(None, true, &[0xF7], 3, to.0);
    }

    pub(super) fn not(&mut self, to: Gpr) {
        self.reg_op(None, true, &[0xF7], 2, to.0);
    }

    /// Shifts by the low six bits of `rcx`.
    pub(super) fn shift_cl(&mut self, op: Shift, to: Gpr) {
        self.reg_op(None, true, &[0xD3], op as u8, to.0);
    }

    pub(super) fn shift_imm(&mut self, op: Shift, to: Gpr, by: u8) {
        self.reg_op(None, true, &[0xC1], op as u8, to.0);
        self.byte(by);
    }

    /// `rax`, sign-extended into `rdx`.
    pub(super) fn cqo(&mut self) {
        self.bytes(&[0x48, 0x99]);
    }

    /// Divides `rdx:rax`, signed: quotient in `rax`, remainder in `rdx`.
    pub(super) fn idiv(&mut self, by: Gpr) {
        self.reg_op(None, true, &[0xF7], 7, by.0);
    }

    /// Divides `edx:eax`, unsigned.
    pub(super) fn div32(&mut self, by: Gpr) {
        self.reg_op(None, false, &[0xF7], 6, by.0);
    }

    /// Signed product of `rax` and an operand: high half in `rdx`, low half in `rax`.
    pub(super) fn imul_wide(&mut self, by: Gpr) {
        self.reg_op(None, true, &[0xF7], 5, by.0);
    }

    /// A truth value of the flags, the whole register.
    pub(super) fn set(&mut self, cond: Cond, to: Gpr) {
        self.rex(false, 0, to.0, to.0 >= 4);
        self.bytes(&[0x0F, 0x90 | cond as u8]);
        self.modrm_reg(0, to.0);
        self.rex(false, to.0, to.0, to.0 >= 4);
        self.bytes(&[0x0F, 0xB6]);
        self.modrm_reg(to.0, to.0);
    }

    // --- doubles ---

    pub(super) fn movsd(&mut self, to: Xmm, from: Xmm) {
        if to != from {
            // movaps: no dependency on what the register held.
            self.reg_op(None, false, &[0x0F, 0x28], to.0, from.0);
        }
    }

    pub(super) fn load_double(&mut self, to: Xmm, from: Mem) {
        self.mem_op(Some(0xF2), false, &[0x0F, 0x10], to.0, from, false);
    }

    pub(super) fn store_double(&mut self, to: Mem, from: Xmm) {
        self.mem_op(Some(0xF2), false, &[0x0F, 0x11], from.0, to, false);
    }

    pub(super) fn sse(&mut self, op: Sse, to: Xmm, from: Xmm) {
        self.reg_op(Some(0xF2), false, &[0x0F, op as u8], to.0, from.0);
    }

    pub(super) fn ucomisd(&mut self, one: Xmm, two: Xmm) {
        self.reg_op(Some(0x66), false, &[0x0F, 0x2E], one.0, two.0);
    }

    pub(super) fn xorps(&mut self, to: Xmm, from: Xmm) {
        self.reg_op(None, false, &[0x0F, 0x57], to.0, from.0);
    }

    /// The double of a signed integer.
    pub(super) fn int_to_double(&mut self, to: Xmm, from: Gpr) {
        self.xorps(to, to);
        self.reg_op(Some(0xF2), true, &[0x0F, 0x2A], to.0, from.0);
    }

    pub(super) fn int_to_double_mem(&mut self, to: Xmm, from: Mem) {
        self.xorps(to, to);
        self.mem_op(Some(0xF2), true, &[0x0F, 0x2A], to.0, from, false);
    }

    pub(super) fn bits_to_double(&mut self, to: Xmm, from: Gpr) {
        self.reg_op(Some(0x66), true, &[0x0F, 0x6E], to.0, from.0);
    }

    pub(super) fn double_to_bits(&mut self, to: Gpr, from: Xmm) {
        self.reg_op(Some(0x66), true, &[0x0F, 0x7E], from.0, to.0);
    }

    // --- control ---

    pub(super) fn jump(&mut self, label: Label) {
        self.byte(0xE9);
        self.fixups.push((self.code.len() as u32, label));
        self.bytes(&[0; 4]);
    }

    pub(super) fn jump_if(&mut self, cond: Cond, label: Label) {
        self.bytes(&[0x0F, 0x80 | cond as u8]);
        self.fixups.push((self.code.len() as u32, label));
        self.bytes(&[0; 4]);
    }

    pub(super) fn call(&mut self, to: Gpr) {
        self.reg_op(None, false, &[0xFF], 2, to.0);
    }

    pub(super) fn call_mem(&mut self, to: Mem) {
        self.mem_op(None, false, &[0xFF], 2, to, false);
    }

    pub(super) fn ret(&mut self) {
        self.byte(0xC3);
    }

    pub(super) fn push(&mut self, from: Gpr) {
        self.rex(false, 0, from.0, false);
        self.byte(0x50 | from.0 & 7);
    }

    pub(super) fn pop(&mut self, to: Gpr) {
        self.rex(false, 0, to.0, false);
        self.byte(0x58 | to.0 & 7);
    }
}
