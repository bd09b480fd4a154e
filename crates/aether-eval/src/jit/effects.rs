//! What each instruction reads and writes, as the analysis before compilation needs it.
//!
//! Reads may be given too many, kills too few, clobbers too many: each error costs speed alone. The opposite errors
//! would lose a value.

use aether_value::Code;

use crate::bytecode::{Op, fields};

/// A set of registers of one frame.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Registers([u64; 4]);

/// Functions with more registers are not compiled.
pub(super) const MOST_REGISTERS: usize = 256;

impl Registers {
    pub(super) const ALL: Self = Self([u64::MAX; 4]);

    pub(super) fn insert(&mut self, register: usize) {
        if register < MOST_REGISTERS {
            self.0[register / 64] |= 1 << (register % 64);
        }
    }

    pub(super) fn remove(&mut self, register: usize) {
        if register < MOST_REGISTERS {
            self.0[register / 64] &= !(1 << (register % 64));
        }
    }

    pub(super) fn contains(&self, register: usize) -> bool {
        register < MOST_REGISTERS && self.0[register / 64] >> (register % 64) & 1 != 0
    }

    pub(super) fn extend(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        for (word, less) in self.0.iter_mut().zip(other.0) {
            *word &= !less;
        }
    }

    pub(super) fn intersection(mut self, other: &Self) -> Self {
        for (word, common) in self.0.iter_mut().zip(other.0) {
            *word &= common;
        }
        self
    }

    /// The registers, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(index, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                (word != 0).then(|| {
                    word &= word - 1;
                    index * 64 + bit
                })
            })
        })
    }

    fn of(fields: &[u16]) -> Self {
        let mut set = Self::default();
        for &field in fields {
            set.insert(field as usize / 16);
        }
        set
    }

    /// `count` registers from a field's on.
    fn range(first: u16, count: usize) -> Self {
        let mut set = Self::default();
        for register in 0..count {
            set.insert(first as usize / 16 + register);
        }
        set
    }

    /// A field's register and all above.
    fn from(first: u16) -> Self {
        Self::range(first, MOST_REGISTERS)
    }

    fn and(mut self, other: Self) -> Self {
        self.extend(&other);
        self
    }
}

/// How control leaves an instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Successors {
    /// To the next instruction.
    Next,
    /// Always to this word.
    Jump(usize),
    /// To the next instruction or to these words.
    Branch(Vec<usize>),
    /// Nowhere.
    None,
}

fn target(word: usize, offset: i64) -> usize {
    (word as i64 + offset) as usize
}

/// Where control goes from the instruction at `word`.
pub(super) fn successors(code: &Code, word: usize) -> Successors {
    let instruction = code.words[word];
    let op = Op::of(instruction).first();
    let (_, _, c) = fields(instruction);
    let wide = i64::from((instruction >> 32) as u32 as i32);
    match op {
        Op::Jump | Op::Loop => Successors::Jump(target(word, wide)),
        Op::JumpIf | Op::JumpIfNot | Op::JumpIfNull | Op::JumpIfNotNull | Op::JumpIfSet => {
            Successors::Branch(vec![target(word, wide >> 1)])
        }
        _ if is_compare_jump(op) => Successors::Branch(vec![target(word, i64::from(c as i16 >> 2))]),
        Op::JumpIfElement | Op::JumpIfNotElement => {
            Successors::Branch(vec![target(word, i64::from(c as i16 >> 2))])
        }
        Op::Next => Successors::Branch(vec![target(word, i64::from(c as i16)), word + 2]),
        Op::NextInt => Successors::Branch(vec![target(word, i64::from(c as i16)), word + 2]),
        Op::IterateRange
        | Op::JumpUnlessLiteral
        | Op::JumpUnlessVariant
        | Op::JumpUnlessWithin
        | Op::JumpUnlessArray
        | Op::JumpUnlessDict
        | Op::JumpUnlessStruct
        | Op::NextDeferred => Successors::Branch(vec![target(word, i64::from(c as i16))]),
        Op::Switch => {
            let table = (instruction >> 32) as u32 as usize;
            let targets = code.switches[table].targets();
            Successors::Branch(targets.map(|distance| word + distance as usize).collect())
        }
        Op::Return
        | Op::Return1
        | Op::Return2
        | Op::ReturnNull
        | Op::Throw
        | Op::Rethrow
        | Op::DuplicateMain
        | Op::NoMatch => Successors::None,
        _ => Successors::Next,
    }
}

/// Whether the operation compares two operands and jumps, with flags in field c.
pub(super) fn is_compare_jump(op: Op) -> bool {
    let number = op as u16;
    (Op::JumpLess as u16..=Op::JumpNotEqualK as u16).contains(&number)
}

/// Whether a jump that is taken spends fuel.
pub(super) fn spends_fuel(op: Op) -> bool {
    is_compare_jump(op)
        || matches!(
            op,
            Op::Loop
                | Op::JumpIf
                | Op::JumpIfNot
                | Op::JumpIfElement
                | Op::JumpIfNotElement
                | Op::Next
                | Op::NextInt
        )
}

fn is_register_jump(op: Op) -> bool {
    let number = op as u16;
    (Op::JumpLess as u16..=Op::JumpNotEqual as u16).contains(&number)
}

/// Whether the operation computes R\[a\] of R\[b\] and R\[c\].
fn is_binary(op: Op) -> bool {
    matches!(
        op,
        Op::Add
            | Op::AddB
            | Op::AddC
            | Op::AddBC
            | Op::Subtract
            | Op::Multiply
            | Op::Divide
            | Op::Remainder
            | Op::Power
            | Op::ShiftLeft
            | Op::ShiftRight
            | Op::BitAnd
            | Op::BitXor
            | Op::BitOr
            | Op::Equal
            | Op::NotEqual
            | Op::Less
            | Op::LessEqual
            | Op::Greater
            | Op::GreaterEqual
            | Op::GetIndex
            | Op::GetIndexT
            | Op::GetIndexC
            | Op::GetIndexTC
    )
}

/// Whether the operation computes R\[a\] of R\[b\] alone.
fn is_unary(op: Op) -> bool {
    matches!(
        op,
        Op::Copy
            | Op::Move
            | Op::AddK
            | Op::AddI
            | Op::SubtractI
            | Op::SubtractK
            | Op::MultiplyI
            | Op::MultiplyK
            | Op::DivideI
            | Op::DivideK
            | Op::RemainderI
            | Op::RemainderK
            | Op::Negate
            | Op::BitNot
            | Op::Not
            | Op::GetField
            | Op::GetFieldT
            | Op::GetIndexI
            | Op::GetCell
            | Op::NewCell
            | Op::ElementOrNull
            | Op::Rest
            | Op::KeyOrNull
            | Op::MemberOrUnset
            | Op::Payload
            | Op::ImportMember
    )
}

fn is_left_constant(op: Op) -> bool {
    matches!(
        op,
        Op::AddLeftK | Op::AddLeftKC | Op::SubtractLeftK | Op::MultiplyLeftK | Op::DivideLeftK
    )
}

fn is_load(op: Op) -> bool {
    matches!(
        op,
        Op::LoadInt
            | Op::LoadConst
            | Op::LoadNull
            | Op::LoadUnset
            | Op::LoadBool
            | Op::LoadOwn
            | Op::GetGlobal
            | Op::GetCapture
            | Op::GetCaptureCell
            | Op::NewUnsetCell
            | Op::Struct
            | Op::Enum
            | Op::Dict
            | Op::Import
    )
}

/// Registers whose values the instruction at `word` uses.
pub(super) fn reads(code: &Code, word: usize) -> Registers {
    let instruction = code.words[word];
    let op = Op::of(instruction).first();
    let (a, b, c) = fields(instruction);
    let next = || fields(code.words[word + 1]);
    match op {
        Op::Nop | Op::Jump | Op::Loop | Op::ReturnNull => Registers::default(),
        _ if is_load(op) => Registers::default(),
        _ if is_unary(op) => Registers::of(&[b]),
        _ if is_binary(op) => Registers::of(&[b, c]),
        _ if is_left_constant(op) => Registers::of(&[c]),
        _ if is_register_jump(op) => Registers::of(&[a, b]),
        _ if is_compare_jump(op) => Registers::of(&[a]),
        Op::Assign | Op::AssignCopy => Registers::of(&[a, b]),
        Op::Drop
        | Op::SetGlobal
        | Op::DeclareGlobal
        | Op::SetCaptureCell
        | Op::JumpIf
        | Op::JumpIfNot
        | Op::JumpIfNull
        | Op::JumpIfNotNull
        | Op::JumpIfSet
        | Op::Return
        | Op::Iterate
        | Op::CheckType
        | Op::CheckArray
        | Op::CheckDict
        | Op::JumpUnlessLiteral
        | Op::JumpUnlessVariant
        | Op::Switch
        | Op::JumpUnlessWithin
        | Op::JumpUnlessArray
        | Op::JumpUnlessDict
        | Op::JumpUnlessStruct
        | Op::NoMatch
        | Op::Throw
        | Op::Rethrow
        | Op::Yield
        | Op::Await
        | Op::DeferAtEnd
        | Op::CallDeferred => Registers::of(&[a]),
        Op::Drop2
        | Op::SetCell
        | Op::InitCell
        | Op::JumpIfElement
        | Op::JumpIfNotElement
        | Op::SetField
        | Op::SetFieldMove
        | Op::AddField
        | Op::SubtractField
        | Op::SetIndexI
        | Op::Return1
        | Op::Append
        | Op::Extend
        | Op::Defer => Registers::of(&[a, b]),
        Op::AddCaptureCell => Registers::of(&[a, c]),
        Op::Drop3
        | Op::AddCell
        | Op::SetIndex
        | Op::SetIndexMove
        | Op::SetIndexC
        | Op::SetIndexMoveC
        | Op::AddElement
        | Op::Return2
        | Op::Entry => Registers::of(&[a, b, c]),
        Op::AddGlobal => Registers::of(&[a, next().1]),
        Op::AddIndex => Registers::of(&[a, b, c, next().1]),
        Op::Slice => Registers::range(b, 3),
        Op::Call => Registers::range(a + 16, c as usize).and(Registers::of(&[b])),
        Op::CallTop => Registers::range(a, c as usize + 1),
        Op::CallGlobal | Op::CallOwn | Op::CallCapture => Registers::range(a + 16, c as usize),
        Op::CallKeywords | Op::CallMethodKeywords => Registers::range(a, b as usize + c as usize + 3),
        Op::CallMethod => Registers::range(a + 16, b as usize + 1),
        Op::CallMethod1 | Op::Push => Registers::of(&[b, c]),
        Op::Len => Registers::of(&[b]),
        Op::Closure => {
            let mut set = Registers::default();
            if let Some(child) = code.child_codes().nth(b as usize) {
                for capture in &child.captures {
                    if capture.from_parent_register {
                        set.insert(capture.index as usize);
                    }
                }
            }
            set
        }
        Op::Methods | Op::Instance => Registers::range(a, c as usize + 1),
        Op::Array | Op::Concat | Op::Record => Registers::range(b, c as usize),
        Op::Reserve => Registers::of(&[a]).and(Registers::range(b, 3)),
        Op::IterateRange => Registers::range(a, b as usize + 1),
        Op::Next | Op::NextInt => Registers::range(a, 3),
        _ => Registers::ALL,
    }
}

/// Registers that the instruction at `word` gives a new value whatever happens; it may read the old one.
pub(super) fn kills(code: &Code, word: usize) -> Registers {
    let instruction = code.words[word];
    let op = Op::of(instruction).first();
    let (a, b, _) = fields(instruction);
    match op {
        _ if is_load(op) || is_unary(op) || is_binary(op) || is_left_constant(op) => Registers::of(&[a]),
        Op::Call
        | Op::CallTop
        | Op::CallGlobal
        | Op::CallOwn
        | Op::CallCapture
        | Op::CallMethod
        | Op::CallMethod1
        | Op::Push
        // What the window holds besides is dead before the call.
        | Op::Len => Registers::from(a),
        Op::Closure | Op::Instance | Op::Array | Op::Concat | Op::Record => Registers::of(&[a]),
        Op::Drop => Registers::of(&[a]),
        Op::Drop2 => Registers::of(&[a, b]),
        Op::Drop3 => Registers::of(&[a, b, fields(instruction).2]),
        Op::Iterate => Registers::range(a, 3),
        _ => Registers::default(),
    }
}

/// Registers that may hold something else after the instruction at `word` was executed by the interpreter.
pub(super) fn clobbers(code: &Code, word: usize) -> Registers {
    let instruction = code.words[word];
    let op = Op::of(instruction).first();
    let (a, b, c) = fields(instruction);
    match op {
        Op::Nop | Op::Jump | Op::Loop => Registers::default(),
        Op::AddLeftKC => Registers::of(&[a, c]),
        _ if is_load(op) || is_left_constant(op) => Registers::of(&[a]),
        Op::Move | Op::NewCell => Registers::of(&[a, b]),
        _ if is_unary(op) => Registers::of(&[a]),
        Op::AddB => Registers::of(&[a, b]),
        Op::AddC | Op::GetIndexC | Op::GetIndexTC => Registers::of(&[a, c]),
        Op::AddBC => Registers::of(&[a, b, c]),
        _ if is_binary(op) => Registers::of(&[a]),
        // What the flags name is consumed.
        _ if is_compare_jump(op) => {
            let mut set = Registers::default();
            if c & 1 != 0 {
                set.insert(a as usize / 16);
            }
            if c & 2 != 0 && is_register_jump(op) {
                set.insert(b as usize / 16);
            }
            set
        }
        Op::Call
        | Op::CallTop
        | Op::CallGlobal
        | Op::CallKeywords
        | Op::CallMethodKeywords
        | Op::CallOwn
        | Op::CallCapture
        | Op::CallMethod
        | Op::Instance
        | Op::Iterate
        | Op::IterateRange
        | Op::Next
        | Op::NextInt
        | Op::Methods
        | Op::Len => Registers::from(a),
        // The operands may stand anywhere, and go into the window.
        Op::CallMethod1 | Op::Push => Registers::from(a).and(Registers::of(&[b, c])),
        Op::Array | Op::Concat | Op::Record => Registers::range(b, c as usize).and(Registers::of(&[a])),
        Op::Slice => Registers::range(b, 3).and(Registers::of(&[a])),
        Op::AddIndex | Op::AddGlobal => {
            Registers::of(&[a, b, c]).and(Registers::of(&[fields(code.words[word + 1]).1]))
        }
        Op::Closure | Op::Drop => Registers::of(&[a]),
        Op::Assign
        | Op::AssignCopy
        | Op::Drop2
        | Op::Drop3
        | Op::SetGlobal
        | Op::DeclareGlobal
        | Op::SetCaptureCell
        | Op::SetCell
        | Op::InitCell
        | Op::AddCell
        | Op::AddCaptureCell
        | Op::JumpIf
        | Op::JumpIfNot
        | Op::JumpIfNull
        | Op::JumpIfNotNull
        | Op::JumpIfSet
        | Op::JumpIfElement
        | Op::JumpIfNotElement
        | Op::SetField
        | Op::SetFieldMove
        | Op::AddField
        | Op::SubtractField
        | Op::SetIndex
        | Op::SetIndexMove
        | Op::SetIndexC
        | Op::SetIndexMoveC
        | Op::SetIndexI
        | Op::AddElement
        | Op::Append
        | Op::Extend
        | Op::Entry
        | Op::CheckType
        | Op::CheckArray
        | Op::CheckDict
        | Op::JumpUnlessLiteral
        | Op::JumpUnlessVariant
        | Op::JumpUnlessWithin
        | Op::JumpUnlessArray
        | Op::JumpUnlessDict
        | Op::JumpUnlessStruct
        | Op::Switch
        | Op::Defer
        | Op::DeferAtEnd => Registers::of(&[a, b, c]),
        _ => Registers::ALL,
    }
}
