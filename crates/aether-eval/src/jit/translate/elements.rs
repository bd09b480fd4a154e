//! Elements of arrays and characters of texts; look-ups into what a look-up gave.

use super::{Operand, index_of};
use crate::bytecode::{Op, fields, immediate_of};
use crate::jit::assembler::{Alu, Cond, F0, F1, FloatOp, Gpr, Label, Mem, Shift, T0, T1, T2, VM};
use crate::jit::effects::{Successors, successors};
use crate::jit::emit::{Emitter, Src, Ty};
use crate::jit::offsets;
use crate::jit::profile::Seen;
use aether_value::{Instance, Raw, flag, tag};

impl Emitter<'_> {
    /// The address of an element in `T0`, of an array and an index of known types. Jumps if it is out of range. `T1`
    /// and `T2` may be used.
    pub(super) fn element(&mut self, array: usize, index: Operand, otherwise: Label) {
        let index = self.int_operand(index);
        let pointer = self.pointer(array, T1);
        self.element_of(pointer, index, otherwise);
    }

    pub(super) fn element_of(&mut self, pointer: Gpr, index: Src, otherwise: Label) {
        self.bring(T0, index);
        self.asm.load32(T2, Mem(pointer, offsets::ARRAY_LEN));
        self.asm.alu(Alu::Cmp, T0, T2);
        self.asm.jump_if(Cond::AboveEqual, otherwise);
        self.asm.shift_imm(Shift::Left, T0, 4);
        self.asm.alu_mem(Alu::Add, T0, Mem(pointer, offsets::ARRAY_ITEMS));
    }

    pub(super) fn array_and_index(&mut self, array: usize, index: Operand, seen: Seen) -> bool {
        if self.expected(array, seen) != Ty::Array || self.operand_type(index) != Some(Ty::Int) {
            self.step();
            return false;
        }
        self.need(array, Ty::Array) && self.need_operand(index, Ty::Int)
    }

    /// A character of a text that is compared with a literal of one: no text is made of it. False, and nothing done, if
    /// that is not what follows.
    pub(super) fn compare_character(&mut self, to: usize, text: usize, index: Operand) -> bool {
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
        let Some((bytes, 1)) = self.short_literal(b) else {
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
        let pointer = self.pointer(text, T1);
        self.bring(T0, index);
        self.ascii_byte(pointer, exit);
        self.asm.cmp8_imm(Mem(T0, offsets::TEXT), bytes[0]);
        // The comparison is the second instruction, which jumps.
        self.word = second;
        self.after = second + op.words();
        let cond = if op == Op::JumpEqualK {
            Cond::Equal
        } else {
            Cond::NotEqual
        };
        self.branch(cond, targets[0], true);
        true
    }

    /// A character of a text of ASCII characters, if its own text has been made.
    fn character(&mut self, to: usize, text: usize, index: Operand) {
        if !self.need(text, Ty::Text) || !self.need_operand(index, Ty::Int) {
            return;
        }
        let (slow, join) = self.slow_step(Some((to, Ty::Text)));
        let index = self.int_operand(index);
        let pointer = self.pointer(text, T1);
        self.bring(T0, index);
        self.ascii_byte(pointer, slow);
        self.asm.load8(T0, Mem(T0, offsets::TEXT));
        self.asm.shift_imm(Shift::Left, T0, 3);
        self.asm.mov_imm(T2, self.facts.machine.characters as i64);
        self.asm.alu(Alu::Add, T2, T0);
        self.asm.load(T2, Mem(T2, 0));
        self.asm.test(T2, T2);
        self.asm.jump_if(Cond::Equal, slow);
        self.asm.mov_imm(T1, i64::from(tag::STRING));
        self.store_counted(to, Ty::Text, true);
        self.asm.bind(join);
    }

    /// Makes of an index in `T0` the address [`offsets::TEXT`] before the character's byte; goes to `otherwise` if there is
    /// no such character, or if the text has others than ASCII. Changes `T2`.
    fn ascii_byte(&mut self, text: Gpr, otherwise: Label) {
        self.asm.load32(T2, Mem(text, offsets::TEXT_BYTES));
        self.asm.alu32_mem(Alu::Cmp, T2, Mem(text, offsets::TEXT_CHARS));
        self.asm.jump_if(Cond::NotEqual, otherwise);
        self.asm.alu(Alu::Cmp, T0, T2);
        self.asm.jump_if(Cond::AboveEqual, otherwise);
        self.asm.alu(Alu::Add, T0, text);
    }

    pub(super) fn get_index(&mut self, to: usize, array: usize, index: Operand, consumes: bool) {
        if consumes {
            // The array is released behind the instruction.
            self.step();
            return;
        }
        if self.compare_character(to, array, index) {
            return;
        }
        let site = self.site();
        let is_text = self.expected(array, site.operands[1]) == Ty::Text;
        if is_text && self.operand_type(index) == Some(Ty::Int) {
            self.character(to, array, index);
            return;
        }
        if !self.array_and_index(array, index, site.operands[1]) {
            return;
        }
        let result = Ty::guess(site.result);
        let (slow, join) = self.slow_step(Some((to, result)));
        self.element(array, index, slow);
        self.load_value(to, T0, 0, site.result, None);
        self.asm.bind(join);
    }

    /// A look-up whose result the next instruction looks into, and so on, in one: what is between needs no count.
    /// False, and nothing done, if there is only one look-up.
    pub(super) fn chain(&mut self, op: Op) -> bool {
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
                self.pointer(index_of(fields(self.code.words[first]).1), T1)
            } else {
                T1
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
    pub(super) fn link_index(&self, word: usize) -> Operand {
        let instruction = self.code.words[word];
        let (_, _, c) = fields(instruction);
        match Op::of(instruction).first() {
            Op::GetIndexI => Operand::Int(i64::from(c)),
            _ => Operand::Register(index_of(c), self.site_at(word).operands[2]),
        }
    }

    pub(super) fn is_field(op: Op) -> bool {
        matches!(op, Op::GetField | Op::GetFieldT)
    }

    /// Whether a look-up works on what is quick to look into.
    pub(super) fn link_is_known(&self, word: usize, is_first: bool) -> bool {
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

    pub(super) fn link_needs(&mut self, word: usize, is_first: bool) -> bool {
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
    pub(super) fn link_place(&mut self, word: usize, pointer: Gpr, otherwise: Label) -> Mem {
        let instruction = self.code.words[word];
        if Self::is_field(Op::of(instruction).first()) {
            let slot = fields(instruction).2;
            return Mem(pointer, Instance::SLOTS_OFFSET as i32 + i32::from(slot));
        }
        let index = self.link_index(word);
        let index = self.int_operand(index);
        self.element_of(pointer, index, otherwise);
        Mem(T0, 0)
    }

    /// `T1` gets the address of the object at a place, which has to be of a type.
    pub(super) fn borrow(&mut self, place: Mem, ty: Ty, otherwise: Label) {
        if let Some(tag) = ty.tag() {
            self.asm.cmp8_imm(place, tag);
            self.asm.jump_if(Cond::NotEqual, otherwise);
        }
        self.asm.load(T1, place.offset(8));
        if let Ty::Instance(shape) = ty {
            self.asm
                .alu32_mem_imm(Alu::Cmp, Mem(T1, offsets::SHAPE), shape as i32);
            self.asm.jump_if(Cond::NotEqual, otherwise);
        }
    }

    /// The register that a store stores, if it does, and its type.
    pub(super) fn stored(&self, word: usize) -> Option<(usize, Ty)> {
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

    pub(super) fn store_index(&self, word: usize) -> Option<Operand> {
        let instruction = self.code.words[word];
        match Op::of(instruction).first() {
            Op::SetField | Op::SetFieldMove | Op::AddField | Op::SubtractField => None,
            _ => Some(Operand::Register(
                index_of(fields(instruction).1),
                self.site_at(word).operands[1],
            )),
        }
    }

    pub(super) fn store_is_known(&self, word: usize) -> bool {
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

    pub(super) fn store_needs(&mut self, word: usize) -> bool {
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

    /// Stores into the object whose address is in `T1`.
    pub(super) fn store_into(&mut self, word: usize, otherwise: Label) {
        let instruction = self.code.words[word];
        let op = Op::of(instruction).first();
        let (_, _, c) = fields(instruction);
        let plain = self.plain_exit();
        match self.store_index(word) {
            None => self
                .asm
                .lea(T1, Mem(T1, Instance::SLOTS_OFFSET as i32 + i32::from(c))),
            Some(index) => {
                let index = self.int_operand(index);
                self.asm.test8_imm(Mem(T1, offsets::FLAGS), flag::GUARDED);
                self.asm.jump_if(Cond::NotEqual, plain);
                self.element_of(T1, index, otherwise);
                self.asm.mov(T1, T0);
            }
        }
        let place = Mem(T1, 0);
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

    /// The address of an element to be overwritten in `T1`, by a plain value in the place of a plain one.
    pub(super) fn element_to_write(&mut self, array: usize, index: Operand, otherwise: Label) {
        let index = self.int_operand(index);
        let pointer = self.pointer(array, T1);
        self.asm.test8_imm(Mem(pointer, offsets::FLAGS), flag::GUARDED);
        self.asm.jump_if(Cond::NotEqual, otherwise);
        self.element_of(pointer, index, otherwise);
        self.asm.mov(T1, T0);
        self.asm.cmp8_imm(Mem(T1, 0), tag::COUNTED);
        self.asm.jump_if(Cond::AboveEqual, otherwise);
    }

    pub(super) fn set_index(&mut self, array: usize, index: usize, value: Operand, moves: bool) {
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
        let (slow, join) = self.slow_step(None);
        self.element_to_write(array, index, slow);
        self.store_plain(Mem(T1, 0), from);
        if moves {
            self.set_null(from);
        }
        self.asm.bind(join);
    }

    pub(super) fn set_index_any(&mut self, array: usize, index: Operand, from: usize, moves: bool) {
        let site = self.site();
        if !self.array_and_index(array, index, site.operands[0]) {
            return;
        }
        let (slow, join) = self.slow_step(None);
        let index = self.int_operand(index);
        let pointer = self.pointer(array, T1);
        self.asm.test8_imm(Mem(pointer, offsets::FLAGS), flag::GUARDED);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.element_of(pointer, index, slow);
        self.asm.mov(T1, T0);
        self.store_any(from, moves);
        if moves {
            self.set_null_in_memory(from);
        }
        self.asm.bind(join);
    }

    pub(super) fn set_index_immediate(&mut self, array: usize, index: usize, value: Raw) {
        let site = self.site();
        let index = Operand::Register(index, site.operands[1]);
        if !self.array_and_index(array, index, site.operands[0]) {
            return;
        }
        let (slow, join) = self.slow_step(None);
        self.element_to_write(array, index, slow);
        self.asm.store8_imm(Mem(T1, 0), value.tag);
        self.asm.store_imm(Mem(T1, 8), value.payload as i32);
        self.asm.bind(join);
    }

    pub(super) fn add_element(&mut self, array: usize, index: usize, right: usize) {
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
        let (slow, join) = self.slow_step(None);
        self.element_to_write(array, index, slow);
        self.add_to_place(Mem(T1, 0), right, ty, true, slow);
        self.asm.bind(join);
    }

    /// Adds a register to a number of the same type in its place, the base of which is `T1`, or subtracts it.
    pub(super) fn add_to_place(&mut self, place: Mem, right: usize, ty: Ty, adds: bool, otherwise: Label) {
        let Some(tag) = ty.tag() else { return };
        self.asm.cmp8_imm(place, tag);
        self.asm.jump_if(Cond::NotEqual, otherwise);
        if ty == Ty::Int {
            let value = self.int(right);
            self.asm.load(T0, place.offset(8));
            self.alu(if adds { Alu::Add } else { Alu::Sub }, T0, value);
            self.asm.jump_if(Cond::Overflow, otherwise);
            self.asm.store(place.offset(8), T0);
        } else {
            let value = self.double(right, F1);
            self.asm.load_double(F0, place.offset(8));
            self.asm
                .float(if adds { FloatOp::Add } else { FloatOp::Sub }, F0, value);
            self.asm.store_double(place.offset(8), F0);
        }
    }

    pub(super) fn push(&mut self, to: usize, array: usize, value: usize) {
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
        let (slow, join) = self.slow_step(None);
        let pointer = self.pointer(array, T1);
        self.asm.test8_imm(Mem(pointer, offsets::FLAGS), flag::GUARDED);
        self.asm.jump_if(Cond::NotEqual, slow);
        self.asm.load32(T0, Mem(pointer, offsets::ARRAY_LEN));
        self.asm.load32(T2, Mem(pointer, offsets::ARRAY_CAP));
        self.asm.alu(Alu::Cmp, T0, T2);
        self.asm.jump_if(Cond::Equal, slow);
        self.asm
            .alu32_mem_imm(Alu::Add, Mem(pointer, offsets::ARRAY_LEN), 1);
        self.asm.shift_imm(Shift::Left, T0, 4);
        self.asm.alu_mem(Alu::Add, T0, Mem(pointer, offsets::ARRAY_ITEMS));
        self.asm.mov(T2, T0);
        if self.is_plain(value) {
            self.store_plain(Mem(T2, 0), value);
            self.set_null(value);
        } else {
            // Moved with its count.
            self.asm.load8(T0, Self::memory(value));
            self.asm.load(T1, Self::payload(value));
            self.asm.store8(Mem(T2, 0), T0);
            self.asm.store(Mem(T2, 8), T1);
            self.asm.store8_imm(Self::memory(value), tag::NULL);
            self.set_null_in_memory(value);
        }
        // A null may follow a dropped result.
        self.asm.store8_imm(Self::memory(to), tag::NULL);
        self.set_null_in_memory(to);
        self.asm.bind(join);
    }

    pub(super) fn len(&mut self, to: usize, from: usize, global: u16) {
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
        self.asm.load(T1, Mem(VM, offsets::globals()));
        self.asm.load(T0, Mem(VM, offsets::len_builtin()));
        self.asm.alu_mem(Alu::Cmp, T0, Mem(T1, slot + 8));
        self.asm.jump_if(Cond::NotEqual, exit);
        self.asm.cmp8_imm(Mem(T1, slot), tag::BUILTIN);
        self.asm.jump_if(Cond::NotEqual, exit);
        let pointer = self.pointer(from, T1);
        let place = if ty == Ty::Array {
            offsets::ARRAY_LEN
        } else {
            offsets::TEXT_CHARS
        };
        self.asm.load32(T0, Mem(pointer, place));
        self.define(to, Ty::Int, T0);
    }
}
