//! What each instruction becomes in machine code.
//!
//! An instruction whose operands are of the types that it is quick for is translated; any other is executed by the
//! interpreter, with a call. Every test comes before the first effect.

use aether_value::{Array, Buffer, Closure, Code, Instance, Raw, flag, tag};

use super::effects::{Registers, successors, Successors};
use super::emit::{Cold, Emitter, Known, SlowKind, Src, Ty};
use super::offsets;
use super::profile::{Callee, Seen, Site};
use super::x64::{Alu, Cond, Gpr, Mem, R14, R15, RAX, RBX, RCX, RDX, RSP, Shift, Sse, Xmm};
use crate::bytecode::{Op, fields, immediate_of, name_parts};

const X0: Xmm = Xmm(0);
const X1: Xmm = Xmm(1);

/// An operand of an arithmetic instruction.
#[derive(Clone, Copy)]
enum Operand {
    Register(usize, Seen),
    Int(i64),
    Float(f64),
    Other,
}

fn index_of(field: u16) -> usize {
    field as usize / 16
}

impl Emitter<'_> {
    fn site(&self) -> Site {
        self.profile.sites.get(self.word).copied().unwrap_or_default()
    }

    fn site_at(&self, word: usize) -> Site {
        self.profile.sites.get(word).copied().unwrap_or_default()
    }

    fn instruction(&self) -> u64 {
        self.code.words[self.word]
    }

    #[expect(unsafe_code, reason = "reads a constant")]
    fn constant(&self, number: usize) -> Raw {
        // SAFETY: the compiler made the number; constants stay.
        unsafe { *self.facts.constants.add(number) }
    }

    /// The same for a field that is the constant's byte offset or its number, as the instruction has it.
    fn constant_operand(&self, field: u16) -> Operand {
        let value = self.constant(field as usize);
        match value.tag {
            tag::INT => Operand::Int(value.payload as i64),
            tag::FLOAT => Operand::Float(f64::from_bits(value.payload)),
            _ => Operand::Other,
        }
    }

    /// Translates the instruction at `self.word`; it may go on to later ones, and moves `self.after` then.
    pub(super) fn translate(&mut self, op: Op) {
        let (a, b, c) = fields(self.instruction());
        let (ra, rb, rc) = (index_of(a), index_of(b), index_of(c));
        let site = self.site();
        let [_, seen_b, seen_c] = site.operands;
        let left = Operand::Register(rb, seen_b);
        let right = Operand::Register(rc, seen_c);
        let immediate = Operand::Int(i64::from(c as i16));
        match op {
            Op::Nop => {}
            Op::Copy => self.copy(ra, rb),
            Op::Move => {
                self.copy_or_move(ra, rb, true);
            }
            Op::Assign => self.assign(ra, rb, true),
            Op::AssignCopy => self.assign(ra, rb, false),
            Op::LoadInt => self.define_int(ra, i64::from((self.instruction() >> 32) as u32 as i32)),
            Op::LoadConst => self.load_constant(ra),
            Op::LoadNull => self.set_null(ra),
            Op::LoadBool => {
                self.asm.mov_imm(RAX, i64::from(b != 0));
                self.define(ra, Ty::Bool, RAX);
            }
            Op::Drop => self.drop_registers(&[ra]),
            Op::Drop2 => self.drop_registers(&[ra, rb]),
            Op::Drop3 => self.drop_registers(&[ra, rb, rc]),
            Op::GetGlobal => self.get_global(ra),
            Op::SetGlobal => self.set_global(ra),
            Op::GetCapture => {
                self.asm.load(RCX, Mem(RBX, -8));
                self.load_value(ra, RCX, Closure::CAPTURES_OFFSET as i32 + i32::from(b) * 16, site.result, None);
            }
            Op::GetCaptureCell => {
                self.load_capture(RCX, b);
                self.load_cell(ra, site.result);
            }
            Op::GetCell => {
                self.asm.load(RCX, Self::payload(rb));
                self.load_cell(ra, site.result);
            }
            Op::SetCaptureCell => {
                if self.is_plain(ra) {
                    self.load_capture(RCX, b);
                    self.store_cell(ra);
                } else {
                    self.step();
                }
            }
            Op::SetCell => {
                if self.is_plain(rb) {
                    self.asm.load(RCX, Self::payload(ra));
                    self.store_cell(rb);
                } else {
                    self.step();
                }
            }
            Op::AddCell | Op::AddCaptureCell => self.add_cell(op),
            Op::Add | Op::AddB | Op::AddC | Op::AddBC => self.arithmetic(Sse::Add, ra, left, right),
            Op::AddK => {
                let right = self.constant_operand(c);
                self.arithmetic(Sse::Add, ra, left, right);
            }
            Op::AddLeftK | Op::AddLeftKC => {
                let left = self.constant_operand(b);
                self.arithmetic(Sse::Add, ra, left, right);
            }
            Op::AddI => self.arithmetic(Sse::Add, ra, left, immediate),
            Op::Subtract => self.arithmetic(Sse::Sub, ra, left, right),
            Op::SubtractI => self.arithmetic(Sse::Sub, ra, left, immediate),
            Op::SubtractK => {
                let right = self.constant_operand(c);
                self.arithmetic(Sse::Sub, ra, left, right);
            }
            Op::SubtractLeftK => {
                let left = self.constant_operand(b);
                self.arithmetic(Sse::Sub, ra, left, right);
            }
            Op::Multiply => self.arithmetic(Sse::Mul, ra, left, right),
            Op::MultiplyI => self.arithmetic(Sse::Mul, ra, left, immediate),
            Op::MultiplyK => {
                let right = self.constant_operand(c);
                self.arithmetic(Sse::Mul, ra, left, right);
            }
            Op::MultiplyLeftK => {
                let left = self.constant_operand(b);
                self.arithmetic(Sse::Mul, ra, left, right);
            }
            Op::Divide => self.arithmetic(Sse::Div, ra, left, right),
            Op::DivideI => self.arithmetic(Sse::Div, ra, left, immediate),
            Op::DivideK => {
                let right = self.constant_operand(c);
                self.arithmetic(Sse::Div, ra, left, right);
            }
            Op::DivideLeftK => {
                let left = self.constant_operand(b);
                self.arithmetic(Sse::Div, ra, left, right);
            }
            Op::Remainder => self.remainder(ra, left, right),
            Op::RemainderI => self.remainder(ra, left, Operand::Int(i64::from(c))),
            Op::RemainderK => {
                let right = self.constant_operand(c);
                self.remainder(ra, left, right);
            }
            Op::ShiftLeft => self.shift(Shift::Left, ra, left, right),
            Op::ShiftRight => self.shift(Shift::Right, ra, left, right),
            Op::BitAnd => self.bits(Alu::And, ra, left, right),
            Op::BitXor => self.bits(Alu::Xor, ra, left, right),
            Op::BitOr => self.bits(Alu::Or, ra, left, right),
            Op::Negate => self.negate(ra, left),
            Op::BitNot => self.bit_not(ra, left),
            Op::Not => self.not(ra, rb, seen_b),
            Op::Equal => self.compare_to(Cond::Equal, ra, left, right),
            Op::NotEqual => self.compare_to(Cond::NotEqual, ra, left, right),
            Op::Less => self.compare_to(Cond::Less, ra, left, right),
            Op::LessEqual => self.compare_to(Cond::LessEqual, ra, left, right),
            Op::Greater => self.compare_to(Cond::Greater, ra, left, right),
            Op::GreaterEqual => self.compare_to(Cond::GreaterEqual, ra, left, right),
            Op::Jump => {
                if let Successors::Jump(target) = successors(self.code, self.word) {
                    self.jump_to(target);
                }
            }
            Op::Loop => {
                if let Successors::Jump(target) = successors(self.code, self.word) {
                    self.spend_and_jump(target);
                }
            }
            Op::JumpIf => self.jump_on_truth(ra, true, site.operands[0]),
            Op::JumpIfNot => self.jump_on_truth(ra, false, site.operands[0]),
            Op::JumpIfNull => self.jump_on_null(ra, true),
            Op::JumpIfNotNull => self.jump_on_null(ra, false),
            Op::JumpIfElement => self.jump_on_element(ra, rb, true),
            Op::JumpIfNotElement => self.jump_on_element(ra, rb, false),
            Op::GetField | Op::GetFieldT => {
                if op == Op::GetFieldT || !self.chain(op) {
                    self.get_field(op, ra, rb, c);
                }
            }
            Op::SetField => self.set_field(ra, rb, c, false),
            Op::SetFieldMove => self.set_field(ra, rb, c, true),
            Op::AddField => self.compound_field(ra, rb, c, true),
            Op::SubtractField => self.compound_field(ra, rb, c, false),
            Op::GetIndex => {
                if !self.chain(op) {
                    self.get_index(ra, rb, right, false);
                }
            }
            Op::GetIndexC => self.get_index(ra, rb, right, false),
            Op::GetIndexT | Op::GetIndexTC => self.get_index(ra, rb, right, true),
            Op::GetIndexI => self.get_index(ra, rb, Operand::Int(i64::from(c)), ra == rb),
            Op::SetIndex | Op::SetIndexC => self.set_index(ra, rb, Operand::Register(rc, seen_c), false),
            Op::SetIndexMove | Op::SetIndexMoveC => {
                self.set_index(ra, rb, Operand::Register(rc, seen_c), true);
            }
            Op::SetIndexI => {
                let value = immediate_of(c);
                self.set_index_immediate(ra, rb, value);
            }
            Op::AddElement => self.add_element(ra, rb, rc),
            Op::Call | Op::CallTop | Op::CallGlobal | Op::CallOwn | Op::CallCapture => {
                self.call(op, a, b, c);
            }
            Op::CallMethod => self.call_method(a, b),
            Op::CallMethod1 => self.call_method_1(a, rb, rc),
            Op::Push => self.push(ra, rb, rc),
            Op::Len => self.len(ra, rb, c),
            Op::Return => self.return_register(ra, &[]),
            Op::Return1 => self.return_register(ra, &[rb]),
            Op::Return2 => self.return_register(ra, &[rb, rc]),
            Op::ReturnNull => {
                self.asm.mov_imm(RAX, i64::from(tag::NULL));
                self.asm.mov_imm(RDX, 0);
                self.leave_frame();
            }
            Op::Next | Op::NextInt => self.next_item(ra),
            _ if super::effects::is_compare_jump(op) => self.compare_and_jump(op, ra, site),
            _ => self.step(),
        }
    }

    fn is_plain(&self, register: usize) -> bool {
        self.ty(register).is_plain()
    }

    // --- values ---

    fn copy(&mut self, to: usize, from: usize) {
        self.copy_or_move(to, from, false);
    }

    /// R\[to\] = R\[from\], the memory of which is overwritten without a release.
    fn copy_or_move(&mut self, to: usize, from: usize, moves: bool) {
        let known = self.known(from);
        match known.ty {
            Ty::Bool if self.gpr(from).is_none() => {
                self.asm.load8(RAX, Self::payload(from));
                self.define(to, Ty::Bool, RAX);
            }
            Ty::Int | Ty::Bool => {
                let value = self.int(from);
                self.into_gpr(RAX, value);
                self.define(to, known.ty, RAX);
            }
            Ty::Float => {
                let value = self.double(from, X0);
                self.define_double(to, value);
            }
            Ty::Null => self.set_null(to),
            ty => {
                // Through memory, with its count.
                self.asm.load8(RCX, Self::memory(from));
                self.asm.load(RDX, Self::payload(from));
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

    fn set_null_in_memory(&mut self, register: usize) {
        self.set(
            register,
            Known {
                ty: Ty::Null,
                home: false,
                mem: true,
            },
        );
    }

    /// R\[to\] = the value whose tag is in `rcx` and whose payload in `rdx`. Last in an instruction.
    fn store_counted(&mut self, to: usize, ty: Ty, retains: bool) {
        let place = Self::memory(to);
        self.asm.store8(place, RCX);
        self.asm.store(place.offset(8), RDX);
        self.set_in_memory(to, ty);
        if ty != Ty::Any && let Some(home) = self.gpr(to) {
            self.asm.mov(home, RDX);
            self.set(
                to,
                Known {
                    ty,
                    home: true,
                    mem: true,
                },
            );
        }
        if retains {
            self.retain(ty);
        }
    }

    /// Adds a count to the value whose tag is in `rcx` and whose payload in `rdx`.
    fn retain(&mut self, ty: Ty) {
        let past = self.asm.label();
        if ty == Ty::Any {
            self.asm.alu32_imm(Alu::Cmp, RCX, i32::from(tag::COUNTED));
            self.asm.jump_if(Cond::Below, past);
        }
        self.asm.alu32_mem_imm(Alu::Add, Mem(RDX, offsets::COUNT), 1);
        let (slow, join) = self.slow(SlowKind::Retain);
        self.asm.jump_if(Cond::Sign, slow);
        self.asm.bind(join);
        self.asm.bind(past);
    }

    /// Gives back a count of the object in `rax`.
    fn release(&mut self) {
        self.asm.alu32_mem_imm(Alu::Sub, Mem(RAX, offsets::COUNT), 1);
        let (slow, join) = self.slow(SlowKind::Release);
        self.asm.jump_if(Cond::LessEqual, slow);
        self.asm.bind(join);
    }

    fn assign(&mut self, to: usize, from: usize, moves: bool) {
        let old = self.ty(to);
        let new = self.ty(from);
        if old.is_plain() {
            self.copy_or_move(to, from, moves);
            return;
        }
        if !new.is_plain() {
            self.asm.lea(RCX, Self::memory(to));
            self.store_any(from, moves);
            if moves {
                self.set_null_in_memory(from);
            }
            let ty = self.ty(from);
            let known = if moves { new } else { ty };
            self.set_in_memory(to, known);
            self.complete_slows();
            return;
        }
        // What the register held is released; memory must not say that it still holds it.
        let past = self.asm.label();
        if old == Ty::Any {
            self.asm.cmp8_imm(Self::memory(to), tag::COUNTED);
            self.asm.jump_if(Cond::Below, past);
        }
        self.asm.load(RAX, Self::payload(to));
        self.asm.store8_imm(Self::memory(to), tag::NULL);
        self.set_null_in_memory(to);
        self.release();
        self.asm.bind(past);
        // The release comes back to here with the homes as they are now.
        self.complete_slows();
        self.copy_or_move(to, from, moves);
    }

    /// Puts a value that memory holds at the address in `rcx`, and releases what was there, last of all.
    fn store_any(&mut self, from: usize, moves: bool) {
        let ty = self.ty(from);
        let source = Self::memory(from);
        if !moves {
            let past = self.asm.label();
            if ty == Ty::Any {
                self.asm.cmp8_imm(source, tag::COUNTED);
                self.asm.jump_if(Cond::Below, past);
            }
            self.asm.load(RDX, source.offset(8));
            self.asm.alu32_mem_imm(Alu::Add, Mem(RDX, offsets::COUNT), 1);
            let (slow, join) = self.slow(SlowKind::RetainKeeping);
            self.asm.jump_if(Cond::Sign, slow);
            self.asm.bind(join);
            self.asm.bind(past);
        }
        let (counted, done) = (self.asm.label(), self.asm.label());
        let place = Mem(RCX, 0);
        self.asm.cmp8_imm(place, tag::COUNTED);
        self.asm.jump_if(Cond::AboveEqual, counted);
        for is_counted in [false, true] {
            if is_counted {
                self.asm.bind(counted);
                self.asm.load(RDX, place.offset(8));
            }
            self.asm.load(RAX, source.offset(8));
            self.asm.store(place.offset(8), RAX);
            self.asm.load8(RAX, source);
            self.asm.store8(place, RAX);
            if moves {
                self.asm.store8_imm(source, tag::NULL);
            }
            if is_counted {
                self.asm.mov(RAX, RDX);
                self.release();
            } else {
                self.asm.jump(done);
            }
        }
        self.asm.bind(done);
    }

    fn load_constant(&mut self, to: usize) {
        let number = (self.instruction() >> 32) as u32 as usize;
        let value = self.constant(number);
        match value.tag {
            tag::INT => self.define_int(to, value.payload as i64),
            tag::FLOAT => {
                self.load_float(X0, f64::from_bits(value.payload));
                self.define_double(to, X0);
            }
            tag::STRING => {
                self.asm.mov_imm(RCX, i64::from(value.tag));
                self.asm.mov_imm(RDX, value.payload as i64);
                self.store_counted(to, Ty::Text, true);
            }
            _ => self.step(),
        }
    }

    fn load_float(&mut self, to: Xmm, value: f64) {
        if value.to_bits() == 0 {
            self.asm.xorps(to, to);
        } else {
            self.asm.mov_imm(RAX, value.to_bits() as i64);
            self.asm.bits_to_double(to, RAX);
        }
    }

    fn drop_registers(&mut self, registers: &[usize]) {
        let mut released = 0;
        for &register in registers {
            released += usize::from(!self.ty(register).is_plain());
        }
        // More than one release would need the state between them.
        if released > 1 {
            self.step();
            return;
        }
        for &register in registers {
            let ty = self.ty(register);
            if !ty.is_plain() {
                let past = self.asm.label();
                if ty == Ty::Any {
                    self.asm.cmp8_imm(Self::memory(register), tag::COUNTED);
                    self.asm.jump_if(Cond::Below, past);
                }
                self.asm.load(RAX, Self::payload(register));
                self.asm.store8_imm(Self::memory(register), tag::NULL);
                self.set_in_memory(register, Ty::Any);
                self.release();
                self.asm.bind(past);
            }
        }
        for &register in registers {
            self.set_in_memory(register, Ty::Any);
        }
    }

    /// R\[to\] = the value at `base + offset`, as it was seen; `released` is a register whose object is released after.
    fn load_value(&mut self, to: usize, base: Gpr, offset: i32, seen: Seen, refuses: Option<u8>) {
        let place = Mem(base, offset);
        let ty = Ty::guess(seen);
        let exit = if ty != Ty::Any || refuses.is_some() {
            Some(self.exit())
        } else {
            None
        };
        if let (Some(tag), Some(exit)) = (ty.tag(), exit) {
            self.asm.cmp8_imm(place, tag);
            self.asm.jump_if(Cond::NotEqual, exit);
        } else if let (Some(refused), Some(exit)) = (refuses, exit) {
            self.asm.cmp8_imm(place, refused);
            self.asm.jump_if(Cond::Equal, exit);
        }
        match ty {
            Ty::Int | Ty::Bool => {
                let target = self.gpr(to);
                let register = target.unwrap_or(RAX);
                if ty == Ty::Bool {
                    self.asm.load8(register, place.offset(8));
                } else {
                    self.asm.load(register, place.offset(8));
                }
                self.define(to, ty, register);
            }
            Ty::Float => {
                let register = self.xmm(to).unwrap_or(X0);
                self.asm.load_double(register, place.offset(8));
                self.define_double(to, register);
            }
            Ty::Instance(shape) => {
                self.asm.load(RDX, place.offset(8));
                self.asm
                    .alu32_mem_imm(Alu::Cmp, Mem(RDX, offsets::SHAPE), shape as i32);
                if let Some(exit) = exit {
                    self.asm.jump_if(Cond::NotEqual, exit);
                }
                self.asm.mov_imm(RCX, i64::from(tag::INSTANCE));
                self.store_counted(to, ty, true);
            }
            _ => {
                self.asm.load(RDX, place.offset(8));
                self.asm.load8(RCX, place);
                self.store_counted(to, ty, true);
            }
        }
    }

    // --- globals, captures, cells ---

    fn get_global(&mut self, to: usize) {
        let slot = (self.instruction() >> 32) as u32;
        let mut seen = self.site().result;
        if seen.is_empty() {
            seen = self.seen_now(slot as usize);
        }
        self.asm.load(RCX, Mem(R15, offsets::globals()));
        self.load_value(to, RCX, slot as i32 * 16, seen, Some(tag::UNSET));
    }

    /// What a global is now.
    #[expect(unsafe_code, reason = "reads a global")]
    fn seen_now(&self, slot: usize) -> Seen {
        // SAFETY: the slot exists.
        Seen::of(unsafe { *self.facts.globals.add(slot) })
    }

    fn set_global(&mut self, from: usize) {
        if !self.is_plain(from) {
            self.step();
            return;
        }
        let slot = (self.instruction() >> 32) as u32 as i32 * 16;
        self.asm.load(RCX, Mem(R15, offsets::globals()));
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        // Declared, and nothing to release.
        self.asm.cmp8_imm(Mem(RCX, slot), tag::BOOL);
        self.asm.jump_if(Cond::Above, slow);
        self.store_plain(Mem(RCX, slot), from);
        self.set_null(from);
        self.asm.bind(join);
    }

    /// Stores a plain register at a place whose base is neither `rax` nor `xmm0`.
    fn store_plain(&mut self, place: Mem, from: usize) {
        let ty = self.ty(from);
        match ty {
            Ty::Int | Ty::Bool => match self.int(from) {
                Src::Reg(home) => self.asm.store(place.offset(8), home),
                value => {
                    debug_assert!(place.0 != RAX, "the base is kept");
                    self.into_gpr(RAX, value);
                    self.asm.store(place.offset(8), RAX);
                }
            },
            Ty::Float => {
                let value = self.double(from, X0);
                self.asm.store_double(place.offset(8), value);
            }
            _ => {}
        }
        if let Some(tag) = ty.tag() {
            self.asm.store8_imm(place, tag);
        }
    }

    fn load_capture(&mut self, to: Gpr, index: u16) {
        self.asm.load(to, Mem(RBX, -8));
        self.asm.load(
            to,
            Mem(to, Closure::CAPTURES_OFFSET as i32 + i32::from(index) * 16 + 8),
        );
    }

    /// R\[to\] = what the cell in `rcx` holds.
    fn load_cell(&mut self, to: usize, seen: Seen) {
        self.load_value(to, RCX, offsets::CELL_VALUE, seen, Some(tag::UNSET));
    }

    /// The cell in `rcx` gets a plain register, which is taken.
    fn store_cell(&mut self, from: usize) {
        let place = Mem(RCX, offsets::CELL_VALUE);
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        self.asm.cmp8_imm(place, tag::BOOL);
        self.asm.jump_if(Cond::Above, slow);
        self.store_plain(place, from);
        self.set_null(from);
        self.asm.bind(join);
    }

    fn add_cell(&mut self, op: Op) {
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
            self.asm.load(RCX, Self::payload(index_of(b)));
        } else {
            self.load_capture(RCX, b);
        }
        let place = Mem(RCX, offsets::CELL_VALUE);
        let exit = self.exit();
        self.asm.cmp8_imm(place, tag::BOOL);
        self.asm.jump_if(Cond::Above, exit);
        if types.0 == Ty::Int {
            let left = self.int(old);
            let right = self.int(right);
            self.into_gpr(RAX, left);
            self.alu(Alu::Add, RAX, right);
            self.asm.jump_if(Cond::Overflow, exit);
            self.asm.store(place.offset(8), RAX);
            self.asm.store8_imm(place, tag::INT);
        } else {
            let left = self.double(old, X0);
            self.asm.movsd(X0, left);
            let right = self.double(right, X1);
            self.asm.sse(Sse::Add, X0, right);
            self.asm.store_double(place.offset(8), X0);
            self.asm.store8_imm(place, tag::FLOAT);
        }
    }

    // --- arithmetic ---

    fn operand_type(&self, operand: Operand) -> Option<Ty> {
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
    fn operand_types(&self, left: Operand, right: Operand) -> (Option<Ty>, Option<Ty>) {
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

    fn need_operand(&mut self, operand: Operand, ty: Ty) -> bool {
        match operand {
            Operand::Register(register, _) if ty != Ty::Any => self.need(register, ty),
            _ => true,
        }
    }

    fn int_operand(&mut self, operand: Operand) -> Src {
        match operand {
            Operand::Register(register, _) => self.int(register),
            Operand::Int(value) => Src::Imm(value),
            _ => Src::Imm(0),
        }
    }

    /// A number as a double, in its home or in the register given.
    fn double_operand(&mut self, operand: Operand, ty: Ty, scratch: Xmm) -> Xmm {
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

    fn arithmetic(&mut self, op: Sse, to: usize, left: Operand, right: Operand) {
        let types = self.operand_types(left, right);
        let (Some(lt), Some(rt)) = types else {
            let is_text = |operand| matches!(operand, Operand::Register(register, _) if self.ty(register) == Ty::Text);
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
            (Ty::Any, Ty::Any) | (Ty::Any, Ty::Int) | (Ty::Int, Ty::Any) => {
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

    fn int_arithmetic(&mut self, op: Sse, to: usize, left: Operand, right: Operand) {
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        match op {
            Sse::Add | Sse::Sub => {
                let exit = self.exit();
                self.into_gpr(RAX, left_src);
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
                        self.into_gpr(RAX, left_src);
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
    fn divide(&mut self, left: Src, right: Src) {
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
        self.into_gpr(RCX, right);
        self.into_gpr(RAX, left);
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
    fn divide_by(&mut self, left: Src, divisor: i64) {
        let (factor, shift) = reciprocal(divisor);
        let value = match left {
            Src::Reg(home) => home,
            left => {
                self.into_gpr(RCX, left);
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

    fn remainder(&mut self, to: usize, left: Operand, right: Operand) {
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

    fn shift(&mut self, op: Shift, to: usize, left: Operand, right: Operand) {
        if !self.need_ints(left, right) {
            return;
        }
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        let exit = self.exit();
        self.into_gpr(RCX, right_src);
        self.asm.alu_imm(Alu::Cmp, RCX, 64);
        self.asm.jump_if(Cond::AboveEqual, exit);
        self.into_gpr(RAX, left_src);
        self.asm.shift_cl(op, RAX);
        self.define(to, Ty::Int, RAX);
    }

    fn bits(&mut self, op: Alu, to: usize, left: Operand, right: Operand) {
        if !self.need_ints(left, right) {
            return;
        }
        let left_src = self.int_operand(left);
        let right_src = self.int_operand(right);
        self.into_gpr(RAX, left_src);
        self.alu(op, RAX, right_src);
        self.define(to, Ty::Int, RAX);
    }

    fn need_ints(&mut self, left: Operand, right: Operand) -> bool {
        let types = self.operand_types(left, right);
        if types != (Some(Ty::Int), Some(Ty::Int)) {
            self.step();
            return false;
        }
        self.need_operand(left, Ty::Int) && self.need_operand(right, Ty::Int)
    }

    fn negate(&mut self, to: usize, operand: Operand) {
        match self.operand_type(operand) {
            Some(Ty::Int) => {
                if !self.need_operand(operand, Ty::Int) {
                    return;
                }
                let value = self.int_operand(operand);
                let exit = self.exit();
                self.into_gpr(RAX, value);
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

    fn bit_not(&mut self, to: usize, operand: Operand) {
        if self.operand_type(operand) != Some(Ty::Int) {
            self.step();
            return;
        }
        if !self.need_operand(operand, Ty::Int) {
            return;
        }
        let value = self.int_operand(operand);
        self.into_gpr(RAX, value);
        self.asm.not(RAX);
        self.define(to, Ty::Int, RAX);
    }

    fn not(&mut self, to: usize, from: usize, seen: Seen) {
        if self.expected(from, seen) != Ty::Bool {
            self.step();
            return;
        }
        if !self.need(from, Ty::Bool) {
            return;
        }
        let value = self.int(from);
        self.into_gpr(RAX, value);
        if matches!(value, Src::Mem(_)) {
            self.asm.alu_imm(Alu::And, RAX, 0xFF);
        }
        self.asm.alu_imm(Alu::Xor, RAX, 1);
        self.define(to, Ty::Bool, RAX);
    }

    // --- comparisons ---

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
        if lt == Ty::Int {
            let left_src = self.int_operand(left);
            let right_src = self.int_operand(right);
            match (left_src, right_src) {
                (Src::Reg(left), right) => self.alu(Alu::Cmp, left, right),
                (Src::Mem(left), Src::Imm(value)) if i32::try_from(value).is_ok() => {
                    self.asm.alu_mem_imm(Alu::Cmp, left, value as i32);
                }
                (left, right) => {
                    self.into_gpr(RAX, left);
                    self.alu(Alu::Cmp, RAX, right);
                }
            }
            return Some(FlagTest::On(cond));
        }
        if is_mixed {
            // An int compares exactly, as its double does where it is one.
            self.exit_unless_exact(left, lt);
            self.exit_unless_exact(right, rt);
        }
        let right = self.double_operand(right, rt, X1);
        let left = self.double_operand(left, lt, X0);
        Some(match cond {
            Cond::Less => {
                self.asm.ucomisd(right, left);
                FlagTest::On(Cond::Above)
            }
            Cond::LessEqual => {
                self.asm.ucomisd(right, left);
                FlagTest::On(Cond::AboveEqual)
            }
            Cond::Greater => {
                self.asm.ucomisd(left, right);
                FlagTest::On(Cond::Above)
            }
            Cond::GreaterEqual => {
                self.asm.ucomisd(left, right);
                FlagTest::On(Cond::AboveEqual)
            }
            Cond::Equal => {
                self.asm.ucomisd(left, right);
                FlagTest::DoubleEqual
            }
            _ => {
                self.asm.ucomisd(left, right);
                FlagTest::DoubleNotEqual
            }
        })
    }

    /// Exits if an operand is an int that no double equals, or may be one.
    fn exit_unless_exact(&mut self, operand: Operand, ty: Ty) {
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
            self.asm.load(RCX, Self::payload(register));
        } else {
            let value = self.int(register);
            self.into_gpr(RCX, value);
        }
        self.asm.mov_imm(RAX, 1 << 53);
        self.asm.alu(Alu::Add, RCX, RAX);
        self.asm.alu(Alu::Add, RAX, RAX);
        self.asm.alu(Alu::Cmp, RCX, RAX);
        self.asm.jump_if(Cond::Above, exit);
        self.asm.bind(past);
    }

    fn compare_to(&mut self, cond: Cond, to: usize, left: Operand, right: Operand) {
        match self.compare(cond, left, right) {
            None => self.step(),
            Some(FlagTest::Never) => {}
            Some(FlagTest::On(cond)) => {
                self.asm.set(cond, RAX);
                self.define(to, Ty::Bool, RAX);
            }
            Some(FlagTest::DoubleEqual) => {
                self.asm.set(Cond::Equal, RAX);
                self.asm.set(Cond::NoParity, RCX);
                self.asm.alu(Alu::And, RAX, RCX);
                self.define(to, Ty::Bool, RAX);
            }
            Some(FlagTest::DoubleNotEqual) => {
                self.asm.set(Cond::NotEqual, RAX);
                self.asm.set(Cond::Parity, RCX);
                self.asm.alu(Alu::Or, RAX, RCX);
                self.define(to, Ty::Bool, RAX);
            }
        }
    }

    fn compare_and_jump(&mut self, op: Op, ra: usize, site: Site) {
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
        match self.compare(cond, left, right) {
            None => self.step(),
            Some(FlagTest::Never) => {}
            Some(FlagTest::On(cond)) => {
                self.branch(if sense { cond } else { cond.negated() }, target, true);
            }
            Some(FlagTest::DoubleEqual) => {
                let past = self.asm.label();
                self.asm.jump_if(Cond::Parity, past);
                self.asm.jump_if(Cond::NotEqual, past);
                self.spend_and_jump(target);
                self.asm.bind(past);
                self.reachable = true;
            }
            Some(FlagTest::DoubleNotEqual) => {
                let (taken, past) = (self.asm.label(), self.asm.label());
                self.asm.jump_if(Cond::Parity, taken);
                self.asm.jump_if(Cond::Equal, past);
                self.asm.bind(taken);
                self.spend_and_jump(target);
                self.asm.bind(past);
                self.reachable = true;
            }
        }
    }

    fn jump_on_truth(&mut self, register: usize, sense: bool, seen: Seen) {
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

    fn jump_on_null(&mut self, register: usize, sense: bool) {
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

    fn jump_on_element(&mut self, array: usize, index: usize, sense: bool) {
        let Successors::Branch(targets) = successors(self.code, self.word) else {
            return;
        };
        let [seen_array, seen_index, _] = self.site().operands;
        let types = (
            self.expected(array, seen_array),
            self.expected(index, seen_index),
        );
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
        self.asm.cmp8_imm(Mem(RAX, 0), tag::BOOL);
        self.asm.jump_if(Cond::NotEqual, int);
        self.asm.load8(RCX, Mem(RAX, 8));
        self.asm.jump(known);
        self.asm.bind(int);
        self.asm.cmp8_imm(Mem(RAX, 0), tag::INT);
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.load(RCX, Mem(RAX, 8));
        self.asm.bind(known);
        self.asm.test(RCX, RCX);
        let cond = if sense { Cond::NotEqual } else { Cond::Equal };
        self.branch(cond, targets[0], true);
    }

    // --- elements ---

    /// The address of an element in `rax`, of an array and an index of known types. Jumps if it is out of range. `rcx`
    /// and `rdx` may be used.
    fn element(&mut self, array: usize, index: Operand, otherwise: super::x64::Label) {
        let index = self.int_operand(index);
        let pointer = self.pointer(array, RCX);
        self.element_of(pointer, index, otherwise);
    }

    fn element_of(&mut self, pointer: Gpr, index: Src, otherwise: super::x64::Label) {
        self.into_gpr(RAX, index);
        self.asm.load32(RDX, Mem(pointer, offsets::ARRAY_LEN));
        self.asm.alu(Alu::Cmp, RAX, RDX);
        self.asm.jump_if(Cond::AboveEqual, otherwise);
        self.asm.shift_imm(Shift::Left, RAX, 4);
        self.asm.alu_mem(Alu::Add, RAX, Mem(pointer, offsets::ARRAY_ITEMS));
    }

    fn array_and_index(&mut self, array: usize, index: Operand, seen: Seen) -> bool {
        if self.expected(array, seen) != Ty::Array || self.operand_type(index) != Some(Ty::Int) {
            self.step();
            return false;
        }
        self.need(array, Ty::Array) && self.need_operand(index, Ty::Int)
    }

    /// A character of a text that is compared with a literal of one: no text is made of it. False, and nothing done, if
    /// that is not what follows.
    fn compare_character(&mut self, to: usize, text: usize, index: Operand) -> bool {
        let site = self.site();
        let second = self.after;
        let Some(&instruction) = self.code.words.get(second) else {
            return false;
        };
        let op = Op::of(instruction).first();
        let (a, b, c) = fields(instruction);
        let fits = matches!(op, Op::JumpEqualK | Op::JumpNotEqualK)
            && index_of(a) == to
            && c & 1 != 0
            && !self.is_leader(second)
            && self.expected(text, site.operands[1]) == Ty::Text
            && self.operand_type(index) == Some(Ty::Int);
        if !fits {
            return false;
        }
        let literal = self.constant(b as usize);
        if literal.tag != tag::STRING {
            return false;
        }
        #[expect(unsafe_code, reason = "reads a constant")]
        // SAFETY: constants stay.
        let literal = unsafe { literal.object::<aether_value::Str>() };
        let &[byte] = literal.as_str().as_bytes() else {
            return false;
        };
        let Successors::Branch(targets) = successors(self.code, second) else {
            return false;
        };
        if !self.need(text, Ty::Text) || !self.need_operand(index, Ty::Int) {
            return true;
        }
        let exit = self.plain_exit();
        let index = self.int_operand(index);
        let pointer = self.pointer(text, RCX);
        self.into_gpr(RAX, index);
        self.asm.load32(RDX, Mem(pointer, offsets::TEXT_BYTES));
        self.asm
            .alu32_mem(Alu::Cmp, RDX, Mem(pointer, offsets::TEXT_CHARS));
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.alu(Alu::Cmp, RAX, RDX);
        self.asm.jump_if(Cond::AboveEqual, exit);
        self.asm.alu(Alu::Add, RAX, pointer);
        self.asm.cmp8_imm(Mem(RAX, offsets::TEXT), byte);
        // The comparison is the second instruction, which jumps.
        self.word = second;
        self.after = second + op.words();
        let cond = if op == Op::JumpEqualK { Cond::Equal } else { Cond::NotEqual };
        self.branch(cond, targets[0], true);
        true
    }

    fn get_index(&mut self, to: usize, array: usize, index: Operand, consumes: bool) {
        let site = self.site();
        if !consumes && self.compare_character(to, array, index) {
            return;
        }
        if consumes {
            // The array is released behind the instruction.
            self.step();
            return;
        }
        if !self.array_and_index(array, index, site.operands[1]) {
            return;
        }
        let result = Ty::guess(site.result);
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: Some((to, result)),
        });
        self.element(array, index, slow);
        self.load_value(to, RAX, 0, site.result, None);
        self.asm.bind(join);
    }

    /// A look-up whose result the next instruction looks into, and so on, in one: what is between needs no count.
    /// False, and nothing done, if there is only one look-up.
    fn chain(&mut self, op: Op) -> bool {
        let first = self.word;
        let temporary = index_of(fields(self.code.words[first]).0);
        let mut links = vec![first];
        let mut store = None;
        let mut word = first + op.words();
        while let Some(&instruction) = self.code.words.get(word) {
            let op = Op::of(instruction).first();
            let (a, b, c) = fields(instruction);
            let uses = |field: u16| index_of(field) == temporary;
            if self.is_leader(word) {
                break;
            }
            match op {
                Op::GetIndexT | Op::GetIndexTC if uses(a) && uses(b) && !uses(c) => links.push(word),
                Op::GetFieldT if uses(a) && uses(b) => links.push(word),
                Op::GetIndexI if uses(a) && uses(b) => links.push(word),
                Op::SetIndex | Op::SetIndexC | Op::SetIndexMove | Op::SetIndexMoveC
                    if uses(a) && !uses(b) && !uses(c) =>
                {
                    store = Some(word);
                }
                Op::SetIndexI if uses(a) && !uses(b) => store = Some(word),
                Op::SetField | Op::SetFieldMove if uses(a) && !uses(b) => store = Some(word),
                Op::AddField | Op::SubtractField if uses(a) && !uses(b) => store = Some(word),
                Op::AddElement if uses(a) && !uses(b) && !uses(c) => store = Some(word),
                _ => break,
            }
            word += op.words();
            if store.is_some() {
                break;
            }
        }
        if links.len() + usize::from(store.is_some()) < 2 {
            return false;
        }
        // All has to be as it was seen to be, or each is done for itself.
        if !links.iter().all(|&link| self.link_is_known(link, link == first))
            || !store.is_none_or(|store| self.store_is_known(store))
            || !links[..links.len() - usize::from(store.is_none())]
                .iter()
                .all(|&link| matches!(Ty::guess(self.site_at(link).result), Ty::Array | Ty::Instance(_)))
        {
            return false;
        }
        self.after = word;
        if !links.iter().all(|&link| self.link_needs(link, link == first)) {
            return true;
        }
        if let Some(store) = store
            && !self.store_needs(store)
        {
            return true;
        }
        let exit = self.exit();
        for (number, &link) in links.iter().enumerate() {
            let is_last = number + 1 == links.len() && store.is_none();
            let pointer = if number == 0 {
                self.pointer(index_of(fields(self.code.words[first]).1), RCX)
            } else {
                RCX
            };
            let place = self.link_place(link, pointer, exit);
            let seen = self.site_at(link).result;
            if is_last {
                self.load_value(temporary, place.0, place.1, seen, None);
                return true;
            }
            self.borrow(place, Ty::guess(seen), exit);
        }
        if let Some(store) = store {
            self.store_into(store, exit);
            self.set_null(temporary);
        }
        true
    }

    /// The index of a look-up.
    fn link_index(&self, word: usize) -> Operand {
        let instruction = self.code.words[word];
        let (_, _, c) = fields(instruction);
        match Op::of(instruction).first() {
            Op::GetIndexI => Operand::Int(i64::from(c)),
            _ => Operand::Register(index_of(c), self.site_at(word).operands[2]),
        }
    }

    fn is_field(op: Op) -> bool {
        matches!(op, Op::GetField | Op::GetFieldT)
    }

    /// Whether a look-up works on what is quick to look into.
    fn link_is_known(&self, word: usize, is_first: bool) -> bool {
        let instruction = self.code.words[word];
        let op = Op::of(instruction).first();
        let site = self.site_at(word);
        let object = if is_first {
            self.expected(index_of(fields(instruction).1), site.operands[1])
        } else {
            Ty::guess(site.operands[1])
        };
        if Self::is_field(op) {
            return object == Ty::Instance(self.code.words[word + 1] as u32);
        }
        object == Ty::Array && self.operand_type(self.link_index(word)) == Some(Ty::Int)
    }

    fn link_needs(&mut self, word: usize, is_first: bool) -> bool {
        let instruction = self.code.words[word];
        let op = Op::of(instruction).first();
        let object = index_of(fields(instruction).1);
        let ty = if Self::is_field(op) {
            Ty::Instance(self.code.words[word + 1] as u32)
        } else {
            Ty::Array
        };
        if is_first && !self.need(object, ty) {
            return false;
        }
        Self::is_field(op) || {
            let index = self.link_index(word);
            self.need_operand(index, Ty::Int)
        }
    }

    /// Where a look-up finds its result, of an object at `pointer` that is of the right type.
    fn link_place(&mut self, word: usize, pointer: Gpr, otherwise: super::x64::Label) -> Mem {
        let instruction = self.code.words[word];
        if Self::is_field(Op::of(instruction).first()) {
            let slot = fields(instruction).2;
            return Mem(pointer, Instance::SLOTS_OFFSET as i32 + i32::from(slot));
        }
        let index = self.link_index(word);
        let index = self.int_operand(index);
        self.element_of(pointer, index, otherwise);
        Mem(RAX, 0)
    }

    /// `rcx` gets the address of the object at a place, which has to be of a type.
    fn borrow(&mut self, place: Mem, ty: Ty, otherwise: super::x64::Label) {
        if let Some(tag) = ty.tag() {
            self.asm.cmp8_imm(place, tag);
            self.asm.jump_if(Cond::NotEqual, otherwise);
        }
        self.asm.load(RCX, place.offset(8));
        if let Ty::Instance(shape) = ty {
            self.asm
                .alu32_mem_imm(Alu::Cmp, Mem(RCX, offsets::SHAPE), shape as i32);
            self.asm.jump_if(Cond::NotEqual, otherwise);
        }
    }

    /// The register that a store stores, if it does, and its type.
    fn stored(&self, word: usize) -> Option<(usize, Ty)> {
        let instruction = self.code.words[word];
        let (_, b, c) = fields(instruction);
        let operands = self.site_at(word).operands;
        match Op::of(instruction).first() {
            Op::SetIndexI => None,
            Op::SetField | Op::SetFieldMove | Op::AddField | Op::SubtractField => {
                Some((index_of(b), self.expected(index_of(b), operands[1])))
            }
            _ => Some((index_of(c), self.expected(index_of(c), operands[2]))),
        }
    }

    fn store_index(&self, word: usize) -> Option<Operand> {
        let instruction = self.code.words[word];
        match Op::of(instruction).first() {
            Op::SetField | Op::SetFieldMove | Op::AddField | Op::SubtractField => None,
            _ => Some(Operand::Register(
                index_of(fields(instruction).1),
                self.site_at(word).operands[1],
            )),
        }
    }

    fn store_is_known(&self, word: usize) -> bool {
        let op = Op::of(self.code.words[word]).first();
        let seen = Ty::guess(self.site_at(word).operands[0]);
        let fits = match self.store_index(word) {
            None => seen == Ty::Instance(self.code.words[word + 1] as u32),
            Some(index) => seen == Ty::Array && self.operand_type(index) == Some(Ty::Int),
        };
        let is_sum = matches!(op, Op::AddField | Op::SubtractField | Op::AddElement);
        fits && match self.stored(word) {
            None => true,
            Some((_, ty)) if is_sum => matches!(ty, Ty::Int | Ty::Float),
            Some((from, ty)) => ty.is_plain() && (ty != Ty::Null || self.ty(from) == Ty::Null),
        }
    }

    fn store_needs(&mut self, word: usize) -> bool {
        if let Some(index) = self.store_index(word)
            && !self.need_operand(index, Ty::Int)
        {
            return false;
        }
        match self.stored(word) {
            Some((from, ty)) => self.need(from, ty),
            None => true,
        }
    }

    /// Stores into the object whose address is in `rcx`.
    fn store_into(&mut self, word: usize, otherwise: super::x64::Label) {
        let instruction = self.code.words[word];
        let op = Op::of(instruction).first();
        let (_, _, c) = fields(instruction);
        let plain = self.plain_exit();
        match self.store_index(word) {
            None => self
                .asm
                .lea(RCX, Mem(RCX, Instance::SLOTS_OFFSET as i32 + i32::from(c))),
            Some(index) => {
                let index = self.int_operand(index);
                self.asm.test8_imm(Mem(RCX, offsets::FLAGS), flag::GUARDED);
                self.asm.jump_if(Cond::NotEqual, plain);
                self.element_of(RCX, index, otherwise);
                self.asm.mov(RCX, RAX);
            }
        }
        let place = Mem(RCX, 0);
        match (op, self.stored(word)) {
            (Op::AddField | Op::AddElement, Some((from, ty))) => {
                self.add_to_place(place, from, ty, true, otherwise);
            }
            (Op::SubtractField, Some((from, ty))) => self.add_to_place(place, from, ty, false, otherwise),
            (_, stored) => {
                self.asm.cmp8_imm(place, tag::COUNTED);
                self.asm.jump_if(Cond::AboveEqual, plain);
                match stored {
                    Some((from, _)) => {
                        self.store_plain(place, from);
                        if matches!(op, Op::SetIndexMove | Op::SetIndexMoveC | Op::SetFieldMove) {
                            self.set_null(from);
                        }
                    }
                    None => {
                        let value = immediate_of(c);
                        self.asm.store8_imm(place, value.tag);
                        self.asm.store_imm(place.offset(8), value.payload as i32);
                    }
                }
            }
        }
    }

    /// The address of an element to be overwritten in `rcx`, by a plain value in the place of a plain one.
    fn element_to_write(&mut self, array: usize, index: Operand, otherwise: super::x64::Label) {
        let index = self.int_operand(index);
        let pointer = self.pointer(array, RCX);
        self.asm.test8_imm(Mem(pointer, offsets::FLAGS), flag::GUARDED);
        self.asm.jump_if(Cond::NotEqual, otherwise);
        self.element_of(pointer, index, otherwise);
        self.asm.mov(RCX, RAX);
        self.asm.cmp8_imm(Mem(RCX, 0), tag::COUNTED);
        self.asm.jump_if(Cond::AboveEqual, otherwise);
    }

    fn set_index(&mut self, array: usize, index: usize, value: Operand, moves: bool) {
        let site = self.site();
        let index = Operand::Register(index, site.operands[1]);
        let Operand::Register(from, seen) = value else {
            return;
        };
        let ty = self.expected(from, seen);
        if !ty.is_plain() || ty == Ty::Null && self.ty(from) != Ty::Null {
            self.set_index_any(array, index, from, moves);
            return;
        }
        if !self.array_and_index(array, index, site.operands[0]) || !self.need(from, ty) {
            return;
        }
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        self.element_to_write(array, index, slow);
        self.store_plain(Mem(RCX, 0), from);
        if moves {
            self.set_null(from);
        }
        self.asm.bind(join);
    }

    fn set_index_any(&mut self, array: usize, index: Operand, from: usize, moves: bool) {
        let site = self.site();
        if !self.array_and_index(array, index, site.operands[0]) {
            return;
        }
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        let index = self.int_operand(index);
        let pointer = self.pointer(array, RCX);
        self.asm.test8_imm(Mem(pointer, offsets::FLAGS), flag::GUARDED);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.element_of(pointer, index, slow);
        self.asm.mov(RCX, RAX);
        self.store_any(from, moves);
        if moves {
            self.set_null_in_memory(from);
        }
        self.asm.bind(join);
    }

    fn set_index_immediate(&mut self, array: usize, index: usize, value: Raw) {
        let site = self.site();
        let index = Operand::Register(index, site.operands[1]);
        if !self.array_and_index(array, index, site.operands[0]) {
            return;
        }
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        self.element_to_write(array, index, slow);
        self.asm.store8_imm(Mem(RCX, 0), value.tag);
        self.asm.store_imm(Mem(RCX, 8), value.payload as i32);
        self.asm.bind(join);
    }

    fn add_element(&mut self, array: usize, index: usize, right: usize) {
        let site = self.site();
        let index = Operand::Register(index, site.operands[1]);
        let ty = self.expected(right, site.operands[2]);
        if !matches!(ty, Ty::Int | Ty::Float) {
            self.step();
            return;
        }
        if !self.array_and_index(array, index, site.operands[0]) || !self.need(right, ty) {
            return;
        }
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        self.element_to_write(array, index, slow);
        self.add_to_place(Mem(RCX, 0), right, ty, true, slow);
        self.asm.bind(join);
    }

    /// Adds a register to a number of the same type in its place, the base of which is `rcx`, or subtracts it.
    fn add_to_place(&mut self, place: Mem, right: usize, ty: Ty, adds: bool, otherwise: super::x64::Label) {
        let Some(tag) = ty.tag() else { return };
        self.asm.cmp8_imm(place, tag);
        self.asm.jump_if(Cond::NotEqual, otherwise);
        if ty == Ty::Int {
            let value = self.int(right);
            self.asm.load(RAX, place.offset(8));
            self.alu(if adds { Alu::Add } else { Alu::Sub }, RAX, value);
            self.asm.jump_if(Cond::Overflow, otherwise);
            self.asm.store(place.offset(8), RAX);
        } else {
            let value = self.double(right, X1);
            self.asm.load_double(X0, place.offset(8));
            self.asm.sse(if adds { Sse::Add } else { Sse::Sub }, X0, value);
            self.asm.store_double(place.offset(8), X0);
        }
    }

    fn push(&mut self, to: usize, array: usize, value: usize) {
        let site = self.site();
        let is_array = self.expected(array, site.operands[1]) == Ty::Array;
        // A temporary array is released, and one that is not an array called.
        if !is_array || array == to + 1 {
            self.step();
            return;
        }
        if !self.need(array, Ty::Array) {
            return;
        }
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        let pointer = self.pointer(array, RCX);
        self.asm.test8_imm(Mem(pointer, offsets::FLAGS), flag::GUARDED);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load32(RAX, Mem(pointer, offsets::ARRAY_LEN));
        self.asm.load32(RDX, Mem(pointer, offsets::ARRAY_CAP));
        self.asm.alu(Alu::Cmp, RAX, RDX);
        self.asm.jump_if(Cond::Equal, slow);
        self.asm.alu32_mem_imm(Alu::Add, Mem(pointer, offsets::ARRAY_LEN), 1);
        self.asm.shift_imm(Shift::Left, RAX, 4);
        self.asm.alu_mem(Alu::Add, RAX, Mem(pointer, offsets::ARRAY_ITEMS));
        self.asm.mov(RDX, RAX);
        if self.is_plain(value) {
            self.store_plain(Mem(RDX, 0), value);
            self.set_null(value);
        } else {
            // Moved with its count.
            self.asm.load8(RAX, Self::memory(value));
            self.asm.load(RCX, Self::payload(value));
            self.asm.store8(Mem(RDX, 0), RAX);
            self.asm.store(Mem(RDX, 8), RCX);
            self.asm.store8_imm(Self::memory(value), tag::NULL);
            self.set_null_in_memory(value);
        }
        // A null may follow a dropped result.
        self.asm.store8_imm(Self::memory(to), tag::NULL);
        self.set_null_in_memory(to);
        self.asm.bind(join);
    }

    fn len(&mut self, to: usize, from: usize, global: u16) {
        let site = self.site();
        let ty = self.expected(from, site.operands[1]);
        if !matches!(ty, Ty::Array | Ty::Text) || from == to + 1 {
            self.step();
            return;
        }
        if !self.need(from, ty) {
            return;
        }
        let exit = self.exit();
        let slot = i32::from(global) * 16;
        self.asm.load(RCX, Mem(R15, offsets::globals()));
        self.asm.load(RAX, Mem(R15, offsets::len_builtin()));
        self.asm.alu_mem(Alu::Cmp, RAX, Mem(RCX, slot + 8));
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.cmp8_imm(Mem(RCX, slot), tag::BUILTIN);
        self.asm.jump_if(Cond::NotEqual, exit);
        let pointer = self.pointer(from, RCX);
        let place = if ty == Ty::Array {
            offsets::ARRAY_LEN
        } else {
            offsets::TEXT_CHARS
        };
        self.asm.load32(RAX, Mem(pointer, place));
        self.define(to, Ty::Int, RAX);
    }

    // --- fields ---

    /// The instance in a register that the instruction's cache knows; its shape.
    fn cached_shape(&self, object: usize, seen: Seen) -> Option<u32> {
        let shape = self.code.words[self.word + 1] as u32;
        match self.expected(object, seen) {
            Ty::Instance(known) if known == shape => Some(shape),
            _ => None,
        }
    }

    fn get_field(&mut self, op: Op, to: usize, object: usize, slot: u16) {
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
        let pointer = self.pointer(object, RCX);
        let offset = Instance::SLOTS_OFFSET as i32 + i32::from(slot);
        self.load_value(to, pointer, offset, site.result, None);
    }

    /// A key of a record whose shape the instruction's cache knows.
    fn get_entry(&mut self, to: usize, object: usize, slot: u16, site: Site) {
        let shape = self.code.words[self.word + 1] as u32;
        if shape == 0 || shape >= 0xFFFF_0000 {
            self.step();
            return;
        }
        if !self.need(object, Ty::Dict) {
            return;
        }
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: Some((to, Ty::guess(site.result))),
        });
        let pointer = self.pointer(object, RCX);
        self.asm
            .alu32_mem_imm(Alu::Cmp, Mem(pointer, offsets::SHAPE), shape as i32);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load(RAX, Mem(pointer, offsets::DICT_BODY));
        self.load_value(to, RAX, i32::from(slot), site.result, None);
        self.asm.bind(join);
    }

    fn set_field(&mut self, object: usize, from: usize, slot: u16, moves: bool) {
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
            let pointer = self.pointer(object, RCX);
            self.asm
                .lea(RCX, Mem(pointer, Instance::SLOTS_OFFSET as i32 + i32::from(slot)));
            self.store_any(from, moves);
            if moves {
                self.set_null_in_memory(from);
            }
            return;
        }
        if !self.need(object, Ty::Instance(shape)) || !self.need(from, ty) {
            return;
        }
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        let pointer = self.pointer(object, RCX);
        let place = Mem(pointer, Instance::SLOTS_OFFSET as i32 + i32::from(slot));
        self.asm.cmp8_imm(place, tag::COUNTED);
        self.asm.jump_if(Cond::AboveEqual, slow);
        self.store_plain(place, from);
        if moves {
            self.set_null(from);
        }
        self.asm.bind(join);
    }

    fn compound_field(&mut self, object: usize, right: usize, slot: u16, adds: bool) {
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
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: None,
        });
        let pointer = self.pointer(object, RCX);
        let place = Mem(pointer, Instance::SLOTS_OFFSET as i32 + i32::from(slot));
        self.add_to_place(place, right, ty, adds, slow);
        self.asm.bind(join);
    }

    // --- calls ---

    fn call(&mut self, op: Op, a: u16, b: u16, argc: u16) {
        let site = self.site();
        let code = match op {
            Op::CallGlobal => self.global_callee(b),
            Op::CallOwn => Some(std::ptr::from_ref(self.code)),
            _ => match site.callee {
                Callee::Code(code) => Some(code),
                _ => None,
            },
        };
        let Some(code) = code.filter(|&code| Self::takes(code, argc)) else {
            if op == Op::CallGlobal && argc == 1 && self.call_function_of_number(a, b) {
                return;
            }
            if site.callee == Callee::Many && site.only_functions {
                self.call_any(op, a, b, argc, site);
            } else {
                self.step();
            }
            return;
        };
        let closure = match op {
            Op::CallGlobal => {
                self.asm.load(RCX, Mem(R15, offsets::globals()));
                Mem(RCX, i32::from(b) * 16)
            }
            Op::CallCapture => {
                self.asm.load(RCX, Mem(RBX, -8));
                Mem(RCX, Closure::CAPTURES_OFFSET as i32 + i32::from(b) * 16)
            }
            Op::Call => Mem(RBX, i32::from(b)),
            Op::CallTop => Mem(RBX, i32::from(a)),
            _ => Mem(RBX, -16),
        };
        let exit = self.exit();
        if op != Op::CallOwn {
            self.asm.cmp8_imm(closure, tag::FUNCTION);
            self.asm.jump_if(Cond::NotEqual, exit);
        }
        self.asm.load(RDX, closure.offset(8));
        if op != Op::CallOwn {
            self.asm.mov_imm(RAX, code as i64);
            self.asm.alu_mem(Alu::Cmp, RAX, Mem(RDX, offsets::CLOSURE_CODE));
            self.asm.jump_if(Cond::NotEqual, exit);
        }
        let owns = op == Op::CallTop;
        self.check_room(code, a);
        self.enter(Some(code), a, owns, site.result);
    }

    /// A call of `sqrt` or `abs` with a number. False, and nothing done, if it is not that.
    fn call_function_of_number(&mut self, a: u16, global: u16) -> bool {
        #[expect(unsafe_code, reason = "reads a global")]
        // SAFETY: the slot exists.
        let callee = unsafe { *self.facts.globals.add(global as usize) };
        if callee.tag != tag::BUILTIN {
            return false;
        }
        let is = |name| crate::builtins::number_function(name) == Some(callee.payload);
        let (is_sqrt, is_abs) = (is("sqrt"), is("abs"));
        let argument = index_of(a) + 1;
        let ty = self.ty(argument);
        if !(is_sqrt || is_abs) || !matches!(ty, Ty::Int | Ty::Float) {
            return false;
        }
        let to = index_of(a);
        let exit = self.exit();
        let slot = i32::from(global) * 16;
        self.asm.load(RCX, Mem(R15, offsets::globals()));
        self.asm.cmp8_imm(Mem(RCX, slot), tag::BUILTIN);
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.mov_imm(RAX, callee.payload as i64);
        self.asm.alu_mem(Alu::Cmp, RAX, Mem(RCX, slot + 8));
        self.asm.jump_if(Cond::NotEqual, exit);
        if is_abs && ty == Ty::Int {
            let value = self.int(argument);
            self.into_gpr(RAX, value);
            let done = self.asm.label();
            self.asm.test(RAX, RAX);
            self.asm.jump_if(Cond::GreaterEqual, done);
            self.asm.neg(RAX);
            self.asm.jump_if(Cond::Overflow, exit);
            self.asm.bind(done);
            self.define(to, Ty::Int, RAX);
            return true;
        }
        let value = self.double_operand(Operand::Register(argument, Seen::default()), ty, X0);
        self.asm.movsd(X0, value);
        if is_abs {
            self.asm.mov_imm(RAX, i64::MAX);
            self.asm.double_to_bits(RCX, X0);
            self.asm.alu(Alu::And, RAX, RCX);
            self.asm.bits_to_double(X0, RAX);
        } else {
            // Below zero there is none.
            let plain = self.plain_exit();
            self.asm.xorps(X1, X1);
            self.asm.ucomisd(X1, X0);
            self.asm.jump_if(Cond::Above, plain);
            self.asm.sse(Sse::Sqrt, X0, X0);
        }
        self.define_double(to, X0);
        true
    }

    /// A call of a function value that is not always the same.
    fn call_any(&mut self, op: Op, a: u16, b: u16, argc: u16, site: Site) {
        let closure = match op {
            Op::CallCapture => {
                self.asm.load(RCX, Mem(RBX, -8));
                Mem(RCX, Closure::CAPTURES_OFFSET as i32 + i32::from(b) * 16)
            }
            Op::Call => Mem(RBX, i32::from(b)),
            _ => Mem(RBX, i32::from(a)),
        };
        let result = Ty::guess(site.result);
        let result = if result.is_plain() && result != Ty::Null { result } else { Ty::Any };
        let (slow, join) = self.slow(SlowKind::Step {
            next: self.after,
            result: Some((index_of(a), result)),
        });
        self.asm.cmp8_imm(closure, tag::FUNCTION);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load(RDX, closure.offset(8));
        self.asm.load(RAX, Mem(RDX, offsets::CLOSURE_CODE));
        self.asm.load16(RCX, Mem(RAX, offsets::CODE_PARAMS));
        self.asm.alu32_imm(Alu::Cmp, RCX, i32::from(argc));
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load(RCX, Mem(RAX, offsets::CODE_MACHINE));
        self.asm.test(RCX, RCX);
        self.asm.jump_if(Cond::Equal, slow);
        self.asm.load16(RAX, Mem(RAX, offsets::CODE_REGISTERS));
        self.asm.shift_imm(Shift::Left, RAX, 4);
        self.asm.alu(Alu::Add, RAX, RBX);
        self.asm.alu_imm(Alu::Add, RAX, i32::from(a) + 16);
        self.check_room_up_to_rax();
        self.enter(None, a, op == Op::CallTop, site.result);
        self.asm.bind(join);
    }

    fn call_method(&mut self, a: u16, argc: u16) {
        let site = self.site();
        let receiver = index_of(a) + 1;
        let seen = site.operands[0];
        let _ = seen;
        if let Some((shape, closure, code)) = self.cached_method(receiver, site.receiver, argc) {
            if !self.need(receiver, Ty::Instance(shape)) {
                return;
            }
            self.check_room(code, a);
            self.asm.mov_imm(RDX, closure);
            self.enter(Some(code), a, false, site.result);
            return;
        }
        let name = (self.code.words[self.word + 1] >> 32) as u32;
        self.call_one_of(a, receiver, None, argc, name, site);
    }

    /// A call of a method on instances of several shapes: the function goes by the shape.
    fn call_one_of(
        &mut self,
        a: u16,
        receiver: usize,
        argument: Option<usize>,
        argc: u16,
        name: u32,
        site: Site,
    ) {
        let seen = if argument.is_some() { site.operands[1] } else { site.receiver };
        let known = self.ty(receiver) == Ty::Any;
        let methods: Option<Vec<(u32, *const Closure)>> = seen.shapes().filter(|_| known).and_then(|shapes| {
            let method = |shape| Some((shape, (self.facts.method_of)(shape, name)?));
            shapes.map(method).collect()
        });
        let Some(methods) = methods.filter(|methods| methods.len() > 1) else {
            self.step();
            return;
        };
        let mut largest: Option<*const Code> = None;
        for &(_, closure) in &methods {
            #[expect(unsafe_code, reason = "reads the code of a method")]
            // SAFETY: the definitions of the shapes live, and keep their methods.
            let (code, registers) = unsafe {
                let code = (*closure).code_ptr().as_ptr().cast_const();
                (code, (*code).registers)
            };
            if !Self::takes(code, argc) {
                self.step();
                return;
            }
            #[expect(unsafe_code, reason = "reads the description of a function")]
            // SAFETY: code lives as long as the heap.
            let is_larger = largest.is_none_or(|largest| unsafe { (*largest).registers } < registers);
            if is_larger {
                largest = Some(code);
            }
            // Calls find the machine code by the function.
            let _ = (self.facts.unit_of)(code);
        }
        let Some(largest) = largest else { return };
        let exit = self.exit();
        self.asm.cmp8_imm(Self::memory(receiver), tag::INSTANCE);
        self.asm.jump_if(Cond::NotEqual, exit);
        self.check_room(largest, a);
        let window = index_of(a);
        // The function, before anything is put into the window.
        let found = self.asm.label();
        self.asm.load(RAX, Self::payload(receiver));
        self.asm.load32(RCX, Mem(RAX, offsets::SHAPE));
        for &(shape, closure) in &methods {
            self.asm.mov_imm(RDX, closure as i64);
            self.asm.alu32_imm(Alu::Cmp, RCX, shape as i32);
            self.asm.jump_if(Cond::Equal, found);
        }
        self.asm.jump(exit);
        self.asm.bind(found);
        if let Some(argument) = argument {
            // It waits where the callee will stand, while the window is filled.
            self.asm.store8_imm(Self::memory(window), tag::ALIAS);
            self.asm.store(Self::payload(window), RDX);
            if receiver != window + 1 {
                self.copy(window + 1, receiver);
                self.complete_slows();
            }
            if argument != window + 2 {
                self.copy(window + 2, argument);
                self.complete_slows();
                self.flush_register(window + 2);
            }
            self.asm.load(RDX, Self::payload(window));
        }
        self.enter(None, a, false, site.result);
    }

    /// A method of one argument, whose receiver and argument may stand anywhere.
    fn call_method_1(&mut self, a: u16, receiver: usize, argument: usize) {
        let site = self.site();
        let Some((shape, closure, code)) = self.cached_method(receiver, site.operands[1], 1) else {
            let (name, _) = name_parts((self.code.words[self.word + 1] >> 32) as u32);
            self.call_one_of(a, receiver, Some(argument), 1, name, site);
            return;
        };
        if !self.need(receiver, Ty::Instance(shape)) {
            return;
        }
        self.check_room(code, a);
        let window = index_of(a);
        if receiver != window + 1 {
            self.copy(window + 1, receiver);
            self.complete_slows();
        }
        if argument != window + 2 {
            self.copy(window + 2, argument);
            self.complete_slows();
            self.flush_register(window + 2);
        }
        self.asm.mov_imm(RDX, closure);
        self.enter(Some(code), a, false, site.result);
    }

    /// Shape, closure and code of the method that the instruction's cache knows for the receiver.
    fn cached_method(&self, receiver: usize, seen: Seen, argc: u16) -> Option<(u32, i64, *const Code)> {
        let words = (self.code.words[self.word + 1], self.code.words[self.word + 2]);
        let shape = words.0 as u32;
        let is_instance = match self.ty(receiver) {
            Ty::Any => seen.is_empty() || Ty::guess(seen) == Ty::Instance(shape),
            ty => ty == Ty::Instance(shape),
        };
        // What marks a built-in is the shape of nothing.
        let is_cached = shape != 0 && shape < 0xFFFF_0000 && words.1 != 0 && (self.facts.is_alive)(shape);
        if !is_instance || !is_cached {
            return None;
        }
        let closure = words.1 as *const Closure;
        #[expect(unsafe_code, reason = "reads the code of a cached method")]
        // SAFETY: the cache of a call holds a method of the shape's definition, which lives.
        let code = unsafe { (*closure).code_ptr().as_ptr() };
        Self::takes(code, argc).then_some((shape, words.1 as i64, code.cast_const()))
    }

    #[expect(unsafe_code, reason = "reads a global and the code of a function")]
    fn global_callee(&self, slot: u16) -> Option<*const Code> {
        // SAFETY: the slot exists; what it holds is alive.
        unsafe {
            let value = *self.facts.globals.byte_add(slot as usize * 16);
            if value.tag != tag::FUNCTION {
                return None;
            }
            let closure = value.pointer::<Closure>();
            (*closure)
                .is_empty()
                .then(|| (*closure).code_ptr().as_ptr().cast_const())
        }
    }

    #[expect(unsafe_code, reason = "reads the description of a function")]
    fn takes(code: *const Code, argc: u16) -> bool {
        // SAFETY: code lives as long as the heap.
        unsafe { (*code).params == argc && !(*code).is_async }
    }

    /// Leaves the call to the interpreter unless there is room for a frame, and fuel. Keeps `rdx`.
    fn check_room(&mut self, code: *const Code, a: u16) {
        #[expect(unsafe_code, reason = "reads the description of a function")]
        // SAFETY: code lives as long as the heap.
        let registers = i32::from(unsafe { (*code).registers });
        self.asm.lea(RAX, Mem(RBX, i32::from(a) + 16 + registers * 16));
        self.check_room_up_to_rax();
    }

    /// The same where the callee's registers end at the address in `rax`.
    fn check_room_up_to_rax(&mut self) {
        // Nothing of this counts as a wrong guess.
        let exit = self.plain_exit();
        self.asm.load(RCX, Mem(R15, offsets::fp()));
        self.asm.alu_mem(Alu::Cmp, RCX, Mem(R15, offsets::frames_end()));
        self.asm.jump_if(Cond::AboveEqual, exit);
        self.asm
            .alu_mem(Alu::Cmp, RAX, Mem(R15, offsets::registers_end()));
        self.asm.jump_if(Cond::Above, exit);
        self.asm
            .alu_mem(Alu::Cmp, RSP, Mem(R15, offsets::native_limit()));
        self.asm.jump_if(Cond::Below, exit);
        self.asm.alu_imm(Alu::Cmp, R14, 0);
        self.asm.jump_if(Cond::LessEqual, exit);
    }

    /// Enters the function whose closure is in `rdx` and whose arguments stand behind register a, where there is room.
    fn enter(&mut self, code: Option<*const Code>, a: u16, owns: bool, seen: Seen) {
        let window = Mem(RBX, i32::from(a));
        let base = i32::from(a) + 16;
        // From here on the call is made.
        self.flush_all();
        self.asm.alu_imm(Alu::Sub, R14, 1);
        self.asm.load(RCX, Mem(R15, offsets::fp()));
        if !owns {
            self.asm.store8_imm(window, tag::ALIAS);
            self.asm.store(window.offset(8), RDX);
        }
        let return_address = self.address_of(self.after);
        self.asm.mov_imm(RAX, return_address);
        self.asm.store(Mem(RCX, 0), RAX);
        self.asm.mov(RAX, RBX);
        self.asm.alu_mem(Alu::Sub, RAX, Mem(R15, offsets::registers()));
        self.asm.store32(Mem(RCX, 8), RAX);
        self.asm.store32_imm(Mem(RCX, 12), u32::from(owns));
        self.asm.alu_imm(Alu::Add, RCX, 16);
        self.asm.store(Mem(R15, offsets::fp()), RCX);
        self.asm.alu_imm(Alu::Add, RBX, base);
        match code {
            Some(code) => {
                let unit = (self.facts.unit_of)(code);
                self.asm.mov_imm(RDX, unit as i64);
            }
            None => {
                self.asm.load(RDX, Mem(RDX, offsets::CLOSURE_CODE));
                self.asm.load(RDX, Mem(RDX, offsets::CODE_MACHINE));
            }
        }
        self.asm.call_mem(Mem(RDX, 0));
        self.asm.alu32_imm(Alu::Cmp, RAX, i32::from(tag::END));
        let leave = self.pass_on();
        self.asm.jump_if(Cond::AboveEqual, leave);
        self.asm.alu_imm(Alu::Sub, RBX, base);
        self.asm.load(RCX, Mem(R15, offsets::fp()));
        self.asm.alu_imm(Alu::Sub, RCX, 16);
        self.asm.store(Mem(R15, offsets::fp()), RCX);
        // The frame may have come to own its callee.
        let plain = self.asm.label();
        let owned = self.cold(Cold::ReleaseCallee { window, join: plain });
        self.asm.alu32_mem_imm(Alu::Cmp, Mem(RCX, 12), 0);
        self.asm.jump_if(Cond::NotEqual, owned);
        self.asm.bind(plain);
        self.forget_homes(true);
        let mut clobbered = Registers::default();
        for register in index_of(a)..super::effects::MOST_REGISTERS {
            clobbered.insert(register);
        }
        self.forget(&clobbered);
        let to = index_of(a);
        let ty = Ty::guess(seen);
        if let (true, Some(tag)) = (ty.is_plain() && ty != Ty::Null, ty.tag()) {
            let wrong = self.cold(Cold::WrongResult { to, next: self.after });
            self.asm.alu32_imm(Alu::Cmp, RAX, i32::from(tag));
            self.asm.jump_if(Cond::NotEqual, wrong);
            match ty {
                Ty::Float => {
                    self.asm.bits_to_double(X0, RDX);
                    self.define_double(to, X0);
                }
                Ty::Bool => {
                    self.asm.alu_imm(Alu::And, RDX, 0xFF);
                    self.define(to, ty, RDX);
                }
                _ => self.define(to, ty, RDX),
            }
        } else {
            self.asm.store8(window, RAX);
            self.asm.store(window.offset(8), RDX);
            self.set_in_memory(to, Ty::Any);
        }
    }

    fn return_register(&mut self, register: usize, dropped: &[usize]) {
        for &other in dropped {
            if !self.is_plain(other) {
                // What is dropped first may be counted: the interpreter does both.
                let live = self.asm.label();
                self.asm.cmp8_imm(Self::memory(other), tag::COUNTED);
                self.asm.jump_if(Cond::Below, live);
                self.asm.load(RAX, Self::payload(other));
                self.asm.store8_imm(Self::memory(other), tag::NULL);
                self.set_in_memory(other, Ty::Any);
                self.release();
                self.asm.bind(live);
                self.complete_slows();
            }
        }
        let ty = self.ty(register);
        match ty {
            Ty::Int | Ty::Bool => {
                let value = self.int(register);
                self.into_gpr(RDX, value);
            }
            Ty::Float => {
                let value = self.double(register, X0);
                self.asm.double_to_bits(RDX, value);
            }
            Ty::Null => {}
            _ => {
                self.asm.load(RDX, Self::payload(register));
                self.asm.load8(RAX, Self::memory(register));
                self.asm.store8_imm(Self::memory(register), tag::NULL);
            }
        }
        if let (true, Some(tag)) = (ty.is_plain(), ty.tag()) {
            self.asm.mov_imm(RAX, i64::from(tag));
        }
        self.leave_frame();
    }

    /// Returns from the function, the result in `rax` and `rdx`; the record is popped by the caller.
    fn leave_frame(&mut self) {
        self.asm.alu_imm(Alu::Add, RSP, 8);
        self.asm.ret();
        self.reachable = false;
    }

    // --- loops ---

    /// Releases what a register holds, which is about to be overwritten.
    fn release_old(&mut self, register: usize) {
        let ty = self.ty(register);
        if ty.is_plain() {
            return;
        }
        let past = self.asm.label();
        if ty == Ty::Any {
            self.asm.cmp8_imm(Self::memory(register), tag::COUNTED);
            self.asm.jump_if(Cond::Below, past);
        }
        self.asm.load(RAX, Self::payload(register));
        self.asm.store8_imm(Self::memory(register), tag::NULL);
        self.set_in_memory(register, Ty::Any);
        self.release();
        self.asm.bind(past);
        self.complete_slows();
    }

    fn next_item(&mut self, state: usize) {
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
                self.release_old(item);
                let now = self.int(state);
                let limit = self.int(end);
                self.into_gpr(RAX, now);
                let past = self.asm.label();
                self.alu(Alu::Cmp, RAX, limit);
                self.asm.jump_if(Cond::GreaterEqual, past);
                let before = (self.known(state), self.known(item));
                self.define(item, Ty::Int, RAX);
                self.asm.alu_imm(Alu::Add, RAX, 1);
                self.define(state, Ty::Int, RAX);
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
                self.release_old(item);
                let seen = site.result;
                let over = self.asm.label();
                let at = self.int(position);
                let items = self.pointer(state, RCX);
                self.into_gpr(RAX, at);
                self.asm.load32(RDX, Mem(items, offsets::SHAPE));
                self.asm.alu(Alu::Cmp, RAX, RDX);
                self.asm.jump_if(Cond::AboveEqual, over);
                let before = self.known_all();
                self.asm.mov(RDX, RAX);
                self.asm.shift_imm(Shift::Left, RDX, 4);
                self.asm.alu(Alu::Add, RDX, items);
                self.asm.mov(RCX, RDX);
                // The test of the item comes before the position moves.
                let ty = Ty::guess(seen);
                if let Some(tag) = ty.tag() {
                    let exit = self.exit();
                    self.asm.cmp8_imm(Mem(RCX, offsets::ITEMS), tag);
                    self.asm.jump_if(Cond::NotEqual, exit);
                    if let Ty::Instance(shape) = ty {
                        self.asm.load(RDX, Mem(RCX, offsets::ITEMS + 8));
                        self.asm
                            .alu32_mem_imm(Alu::Cmp, Mem(RDX, offsets::SHAPE), shape as i32);
                        self.asm.jump_if(Cond::NotEqual, exit);
                    }
                }
                self.asm.alu_imm(Alu::Add, RAX, 1);
                self.define(position, Ty::Int, RAX);
                self.load_value(item, RCX, offsets::ITEMS, seen, None);
                self.complete_slows();
                self.spend_and_jump(target);
                self.asm.bind(over);
                self.restore(before);
                self.reachable = true;
                // At the end the interpreter releases what the loop went through.
                self.step();
            }
            _ => self.step(),
        }
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

/// How flags answer a comparison.
#[derive(Clone, Copy)]
enum FlagTest {
    On(Cond),
    DoubleEqual,
    DoubleNotEqual,
    /// The instruction was left for good.
    Never,
}

const _: () = assert!(size_of::<Buffer>() == 16 && size_of::<Array>() == 32);

#[cfg(test)]
mod tests {
    use super::reciprocal;

    /// What the machine code computes.
    fn quotient(value: i64, divisor: i64) -> i64 {
        let (factor, shift) = reciprocal(divisor);
        let mut high = (i128::from(value) * i128::from(factor) >> 64) as i64;
        if factor < 0 {
            high = high.wrapping_add(value);
        }
        (high >> shift) + i64::from(value < 0)
    }

    #[test]
    fn multiplication_divides() {
        let edges = [0, 1, 2, 3, 7, 999, 1 << 31, (1 << 32) - 1, 1 << 32, i64::MAX - 1, i64::MAX];
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
