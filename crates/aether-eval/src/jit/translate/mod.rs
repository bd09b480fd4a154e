//! What each instruction becomes in machine code.
//!
//! An instruction whose operands are of the types that it is quick for is translated; any other is executed by the
//! interpreter, with a call. Every test comes before the first effect.

mod arithmetic;
mod calls;
mod comparisons;
mod elements;
mod fields;
mod loops;
mod values;
mod variables;

use aether_value::{Closure, Raw, Str, tag};

use super::assembler::{Alu, Cond, FloatOp, Mem, Shift, T0, T1, T2, WINDOW};
use super::effects::{Successors, successors};
use super::emit::{Emitter, Ty};
use super::profile::{Seen, Site};
use crate::bytecode::{Op, fields, immediate_of};

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
        unsafe { *self.facts.machine.constants.add(number) }
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

    /// The bytes of a constant, and how many there are, if it is a text of one to eight.
    #[expect(unsafe_code, reason = "reads a constant")]
    fn short_literal(&self, number: u16) -> Option<([u8; 8], usize)> {
        let value = self.constant(number as usize);
        if value.tag != tag::STRING {
            return None;
        }
        // SAFETY: constants stay.
        let text = unsafe { value.object::<Str>() }.as_str().as_bytes();
        let mut bytes = [0; 8];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        (!text.is_empty()).then_some((bytes, text.len()))
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
                self.asm.mov_imm(T0, i64::from(b != 0));
                self.define(ra, Ty::Bool, T0);
            }
            Op::Drop => self.drop_registers(&[ra]),
            Op::Drop2 => self.drop_registers(&[ra, rb]),
            Op::Drop3 => self.drop_registers(&[ra, rb, rc]),
            Op::GetGlobal => self.get_global(ra),
            Op::SetGlobal => self.set_global(ra),
            Op::GetCapture => {
                self.asm.load(T1, Mem(WINDOW, -8));
                self.load_value(
                    ra,
                    T1,
                    Closure::CAPTURES_OFFSET as i32 + i32::from(b) * 16,
                    site.result,
                    None,
                );
            }
            Op::GetCaptureCell => {
                self.load_capture(T1, b);
                self.load_cell(ra, site.result);
            }
            Op::GetCell => {
                self.asm.load(T1, Self::payload(rb));
                self.load_cell(ra, site.result);
            }
            Op::SetCaptureCell => {
                if self.is_plain(ra) {
                    self.load_capture(T1, b);
                    self.store_cell(ra);
                } else {
                    self.step();
                }
            }
            Op::SetCell => {
                if self.is_plain(rb) {
                    self.asm.load(T1, Self::payload(ra));
                    self.store_cell(rb);
                } else {
                    self.step();
                }
            }
            Op::AddCell | Op::AddCaptureCell => self.add_cell(op),
            Op::Add | Op::AddB | Op::AddC | Op::AddBC => self.arithmetic(FloatOp::Add, ra, left, right),
            Op::AddK => {
                let right = self.constant_operand(c);
                self.arithmetic(FloatOp::Add, ra, left, right);
            }
            Op::AddLeftK | Op::AddLeftKC => {
                let left = self.constant_operand(b);
                self.arithmetic(FloatOp::Add, ra, left, right);
            }
            Op::AddI => self.arithmetic(FloatOp::Add, ra, left, immediate),
            Op::Subtract => self.arithmetic(FloatOp::Sub, ra, left, right),
            Op::SubtractI => self.arithmetic(FloatOp::Sub, ra, left, immediate),
            Op::SubtractK => {
                let right = self.constant_operand(c);
                self.arithmetic(FloatOp::Sub, ra, left, right);
            }
            Op::SubtractLeftK => {
                let left = self.constant_operand(b);
                self.arithmetic(FloatOp::Sub, ra, left, right);
            }
            Op::Multiply => self.arithmetic(FloatOp::Mul, ra, left, right),
            Op::MultiplyI => self.arithmetic(FloatOp::Mul, ra, left, immediate),
            Op::MultiplyK => {
                let right = self.constant_operand(c);
                self.arithmetic(FloatOp::Mul, ra, left, right);
            }
            Op::MultiplyLeftK => {
                let left = self.constant_operand(b);
                self.arithmetic(FloatOp::Mul, ra, left, right);
            }
            Op::Divide => self.arithmetic(FloatOp::Div, ra, left, right),
            Op::DivideI => self.arithmetic(FloatOp::Div, ra, left, immediate),
            Op::DivideK => {
                let right = self.constant_operand(c);
                self.arithmetic(FloatOp::Div, ra, left, right);
            }
            Op::DivideLeftK => {
                let left = self.constant_operand(b);
                self.arithmetic(FloatOp::Div, ra, left, right);
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
                self.asm.mov_imm(T0, i64::from(tag::NULL));
                self.asm.mov_imm(T2, 0);
                self.leave_frame();
            }
            Op::IterateRange => self.iterate_range(ra, b),
            Op::Next | Op::NextInt => self.next_item(ra),
            Op::Payload => self.payload_of(ra, rb, c),
            Op::JumpUnlessArray => self.jump_unless_array(ra, b),
            // The interpreter gives the stack away, and goes on with the function whenever that is.
            Op::Generator | Op::Yield | Op::Await | Op::Debugger => {
                let exit = self.plain_exit();
                self.asm.jump(exit);
                self.reachable = false;
            }
            _ if super::effects::is_compare_jump(op) => self.compare_and_jump(op, ra, site),
            _ => self.step(),
        }
    }

    fn is_plain(&self, register: usize) -> bool {
        self.ty(register).is_plain()
    }
}
