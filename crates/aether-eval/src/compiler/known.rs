//! What is known of registers at the point of the code that is being compiled.
//!
//! [`super::scalar`] knows which bindings can never be counted, wherever they are read. This is the other half: an
//! operator that takes nothing but numbers proves, for the code behind it, that its operands are numbers. `i + j`
//! proves nothing by itself, but when its result turns out to be a number, so were `i` and `j`. A register that
//! certainly holds nothing counted needs no release.
//!
//! Facts hold along straight code. A jump forwards carries them to its label, where only what every way in knows
//! remains; a label that may be jumped to from below, and the entry of a handler, know nothing. Only the first 64
//! registers are looked at, which keeps a set of them in one word.

use crate::bytecode::Op;

/// Facts about the registers of one function.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Registers that hold nothing counted, a bit each.
    uncounted: u64,
    /// Sums whose operands may still be where they were.
    sums: Vec<Sum>,
}

/// `R[to] = R[left] + R[right]`; an operand that has been overwritten since is `None`.
#[derive(Clone, Copy, Debug)]
struct Sum {
    to: u16,
    left: Option<u16>,
    right: Option<u16>,
}

const LIMIT: u16 = 64;

impl Known {
    /// Whether a register certainly holds nothing counted.
    pub(super) fn is_uncounted(&self, register: u16) -> bool {
        register < LIMIT && self.uncounted >> register & 1 != 0
    }

    /// The facts to carry to a label.
    pub(super) fn carried(&self) -> u64 {
        self.uncounted
    }

    /// Goes on where nothing but these facts hold.
    pub(super) fn restart(&mut self, uncounted: u64) {
        self.uncounted = uncounted;
        self.sums.clear();
    }

    fn write(&mut self, register: u16, uncounted: bool) {
        if register < LIMIT {
            self.uncounted &= !(1 << register);
            self.uncounted |= u64::from(uncounted) << register;
        }
        self.sums.retain_mut(|sum| {
            sum.left = sum.left.filter(|&left| left != register);
            sum.right = sum.right.filter(|&right| right != register);
            sum.to != register && (sum.left.is_some() || sum.right.is_some())
        });
    }

    /// Forgets every register from `first` on.
    fn forget_from(&mut self, first: u16) {
        if first < LIMIT {
            self.uncounted &= (1 << first) - 1;
        }
        self.sums.retain_mut(|sum| {
            sum.left = sum.left.filter(|&left| left < first);
            sum.right = sum.right.filter(|&right| right < first);
            sum.to < first && (sum.left.is_some() || sum.right.is_some())
        });
    }

    /// The register has turned out to hold a number.
    fn prove(&mut self, register: u16) {
        let mut work = vec![register];
        while let Some(register) = work.pop() {
            if register < LIMIT {
                self.uncounted |= 1 << register;
            }
            if let Some(at) = self.sums.iter().position(|sum| sum.to == register) {
                let sum = self.sums.swap_remove(at);
                work.extend(sum.left);
                work.extend(sum.right);
            }
        }
    }

    fn add(&mut self, to: u16, left: Option<u16>, right: Option<u16>, uncounted: bool) {
        self.write(to, uncounted);
        let kept = |operand: Option<u16>| operand.filter(|&operand| operand != to && operand < LIMIT);
        let (left, right) = (kept(left), kept(right));
        if left.is_some() || right.is_some() {
            self.sums.push(Sum { to, left, right });
        }
    }

    /// Takes note of an instruction; registers are numbers, not offsets. What only nulls a register needs no note.
    pub(super) fn note(&mut self, op: Op, a: u16, b: u16, c: u16) {
        match op {
            Op::Copy | Op::Move | Op::Assign | Op::AssignCopy => {
                let uncounted = self.is_uncounted(b);
                self.write(a, uncounted);
            }
            Op::LoadInt | Op::LoadNull | Op::LoadUnset | Op::LoadBool => self.write(a, true),
            Op::Add | Op::AddB | Op::AddC | Op::AddBC => {
                let uncounted = self.is_uncounted(b) && self.is_uncounted(c);
                self.add(a, Some(b), Some(c), uncounted);
            }
            Op::AddI => {
                let uncounted = self.is_uncounted(b);
                self.add(a, Some(b), None, uncounted);
            }
            Op::AddK => self.add(a, Some(b), None, false),
            // Field c holds the register's offset there.
            Op::AddLeftK | Op::AddLeftKC => self.add(a, None, Some(c >> 4), false),
            Op::Subtract
            | Op::Multiply
            | Op::Divide
            | Op::Remainder
            | Op::Power
            | Op::ShiftLeft
            | Op::ShiftRight
            | Op::BitAnd
            | Op::BitXor
            | Op::BitOr => {
                self.prove(b);
                self.prove(c);
                self.write(a, true);
            }
            Op::SubtractI
            | Op::SubtractK
            | Op::MultiplyI
            | Op::MultiplyK
            | Op::DivideI
            | Op::DivideK
            | Op::RemainderI
            | Op::RemainderK
            | Op::Negate
            | Op::BitNot => {
                self.prove(b);
                self.write(a, true);
            }
            Op::SubtractLeftK | Op::MultiplyLeftK | Op::DivideLeftK => {
                self.prove(c >> 4);
                self.write(a, true);
            }
            Op::Not
            | Op::Equal
            | Op::NotEqual
            | Op::Less
            | Op::LessEqual
            | Op::Greater
            | Op::GreaterEqual => self.write(a, true),
            // Only numbers compare with numbers.
            Op::JumpLess
            | Op::JumpLessEqual
            | Op::JumpGreater
            | Op::JumpGreaterEqual
            | Op::JumpNotLess
            | Op::JumpNotLessEqual
            | Op::JumpNotGreater
            | Op::JumpNotGreaterEqual => {
                if self.is_uncounted(a) {
                    self.prove(b);
                } else if self.is_uncounted(b) {
                    self.prove(a);
                }
            }
            Op::JumpLessI
            | Op::JumpLessEqualI
            | Op::JumpGreaterI
            | Op::JumpGreaterEqualI
            | Op::JumpNotLessI
            | Op::JumpNotLessEqualI
            | Op::JumpNotGreaterI
            | Op::JumpNotGreaterEqualI
            | Op::JumpLessK
            | Op::JumpLessEqualK
            | Op::JumpGreaterK
            | Op::JumpGreaterEqualK
            | Op::JumpNotLessK
            | Op::JumpNotLessEqualK
            | Op::JumpNotGreaterK
            | Op::JumpNotGreaterEqualK => self.prove(a),
            Op::Nop
            | Op::Jump
            | Op::Loop
            | Op::JumpIf
            | Op::JumpIfNot
            | Op::JumpIfNull
            | Op::JumpIfNotNull
            | Op::JumpIfSet
            | Op::JumpEqual
            | Op::JumpNotEqual
            | Op::JumpEqualI
            | Op::JumpNotEqualI
            | Op::JumpEqualK
            | Op::JumpNotEqualK
            | Op::JumpIfElement
            | Op::JumpUnlessLiteral
            | Op::Switch
            | Op::JumpUnlessWithin
            | Op::JumpUnlessArray
            | Op::JumpUnlessDict
            | Op::JumpUnlessStruct
            | Op::JumpUnlessVariant
            | Op::JumpIfNotElement
            | Op::Return
            | Op::Return1
            | Op::Return2
            | Op::ReturnNull
            | Op::SetIndex
            | Op::SetIndexMove
            | Op::SetIndexC
            | Op::SetIndexMoveC
            | Op::SetIndexI
            | Op::AddElement
            | Op::AddIndex
            | Op::SetField
            | Op::SetFieldMove
            | Op::AddField
            | Op::SubtractField
            | Op::CheckType
            | Op::Drop
            | Op::Drop2
            | Op::Drop3 => {}
            Op::LoadConst
            | Op::LoadOwn
            | Op::GetGlobal
            | Op::GetCapture
            | Op::GetCaptureCell
            | Op::GetCell
            | Op::Closure
            | Op::GetField
            | Op::GetFieldT
            | Op::GetIndex
            | Op::GetIndexT
            | Op::GetIndexC
            | Op::GetIndexTC
            | Op::GetIndexI
            | Op::NextDeferred
            | Op::ElementOrNull
            | Op::MemberOrUnset
            | Op::Payload => self.write(a, false),
            // The window of a call; no callee sees a register below it.
            Op::Call
            | Op::CallTop
            | Op::CallDeferred
            | Op::CallGlobal
            | Op::CallOwn
            | Op::CallMethod
            | Op::CallMethod1
            | Op::CallKeywords
            | Op::CallMethodKeywords
            | Op::Push
            | Op::Len
            | Op::Instance
            | Op::Iterate
            | Op::IterateRange
            | Op::Next
            | Op::NextInt => self.forget_from(a),
            Op::Array | Op::Record | Op::Slice | Op::Concat => self.forget_from(a.min(b)),
            _ => self.forget_from(0),
        }
    }
}
