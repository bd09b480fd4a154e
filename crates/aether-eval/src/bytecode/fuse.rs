//! Pairs of instructions that are executed as one.
//!
//! A fused operation takes the place of the first operation of a pair; its fields and the whole second word stay as
//! they are. Where the operands are what the pair is usually run with, it does the work of both and goes on behind
//! the second. Otherwise it does what the first would have done alone, and the second follows as always. So jumps
//! may lead between the two, every error and line belongs to the instruction it always belonged to, and nothing but
//! the dispatch loop needs to know a pair.

use super::op::{Op, fields};

/// The operation that does the work of the pair that these words begin with. `is_temporary` says of a register
/// field that nobody reads the register behind the pair.
pub(crate) fn fused(first: u64, second: u64, is_temporary: impl Fn(u16) -> bool) -> Option<Op> {
    let (to, from, _) = fields(first);
    let (a, b, c) = fields(second);
    let op = match (Op::of(first), Op::of(second)) {
        (Op::Copy, Op::Copy) => Op::Copy2,
        (Op::Push, Op::Drop) if a == to => Op::PushDrop,
        (Op::AddI, Op::JumpLess) if a == to && from == to && b != to => Op::AddIJumpLess,
        (Op::AddI, Op::JumpLessEqual) if a == to && from == to && b != to => Op::AddIJumpLessEqual,
        (Op::AddI, Op::JumpLessI) if a == to && from == to => Op::AddIJumpLessI,
        (Op::AddI, Op::JumpLessEqualI) if a == to && from == to => Op::AddIJumpLessEqualI,
        (Op::SubtractI, Op::JumpGreaterI) if a == to && from == to => Op::SubtractIJumpGreaterI,
        (Op::SubtractI, Op::JumpGreaterEqualI) if a == to && from == to => Op::SubtractIJumpGreaterEqualI,
        // In what follows the register between the two is not written.
        (Op::AddI, Op::GetIndexC | Op::GetIndex) if c == to && b != to && is_temporary(to) => {
            Op::AddIGetIndex
        }
        (Op::SubtractI, Op::GetIndexC | Op::GetIndex) if c == to && b != to && is_temporary(to) => {
            Op::SubtractIGetIndex
        }
        (Op::GetIndex, Op::SetIndexMove) if c == to && a != to && b != to && is_temporary(to) => {
            Op::GetIndexSetIndex
        }
        (Op::RemainderI, Op::JumpEqualI) if a == to && is_temporary(to) => Op::RemainderIJumpEqualI,
        (Op::RemainderI, Op::JumpNotEqualI) if a == to && is_temporary(to) => Op::RemainderIJumpNotEqualI,
        (Op::Remainder, Op::JumpEqualI) if a == to && is_temporary(to) => Op::RemainderJumpEqualI,
        (Op::Remainder, Op::JumpNotEqualI) if a == to && is_temporary(to) => Op::RemainderJumpNotEqualI,
        // `GetIndexT` and `GetFieldT` write what they read.
        (Op::GetIndex, Op::GetIndexT | Op::GetIndexTC) if b == to && c != to => Op::GetIndexGetIndex,
        (Op::GetField, Op::GetIndexT | Op::GetIndexTC) if b == to && c != to => Op::GetFieldGetIndex,
        (Op::GetField, Op::GetFieldT) if a == to => Op::GetFieldGetField,
        // The `Drop` of the inner array that follows finds an empty register.
        (Op::GetIndex, Op::SetIndex) if a == to && b != to && c != to && is_temporary(to) => {
            Op::GetIndexStore
        }
        (Op::GetIndex, Op::SetIndexMove) if a == to && b != to && c != to && is_temporary(to) => {
            Op::GetIndexStoreMove
        }
        (Op::GetIndex, Op::SetIndexI) if a == to && b != to && is_temporary(to) => Op::GetIndexStoreI,
        (Op::GetIndex, Op::Add | Op::AddB | Op::AddC | Op::AddBC)
            if c == to && b != to && is_temporary(to) =>
        {
            Op::GetIndexAdd
        }
        (Op::AddI, Op::Multiply) if c == to && b != to && is_temporary(to) => Op::AddIMultiply,
        // Three: the second is the first of a pair already.
        (Op::GetIndex, Op::MultiplyAddRight) if c == to && b != to && is_temporary(to) => {
            Op::GetIndexMultiplyAdd
        }
        (Op::Add, Op::AddI) if b == to && is_temporary(to) => Op::AddAddI,
        (Op::Add, Op::JumpLess) if a == to && from == to && b != to => Op::AddJumpLess,
        (Op::Add, Op::JumpLessEqual) if a == to && from == to && b != to => Op::AddJumpLessEqual,
        (Op::GetIndex, second) if a == to && b != to && is_temporary(to) => match second {
            Op::JumpLess => Op::GetIndexJumpLess,
            Op::JumpLessEqual => Op::GetIndexJumpLessEqual,
            Op::JumpGreater => Op::GetIndexJumpGreater,
            Op::JumpGreaterEqual => Op::GetIndexJumpGreaterEqual,
            Op::JumpNotLess => Op::GetIndexJumpNotLess,
            Op::JumpNotLessEqual => Op::GetIndexJumpNotLessEqual,
            Op::JumpNotGreater => Op::GetIndexJumpNotGreater,
            Op::JumpNotGreaterEqual => Op::GetIndexJumpNotGreaterEqual,
            Op::JumpEqualK => Op::GetIndexJumpEqualK,
            Op::JumpNotEqualK => Op::GetIndexJumpNotEqualK,
            _ => return None,
        },
        // An argument that is a temporary stands behind the result.
        (Op::Len, Op::JumpLess) if b == to && a != to && from != to + 16 && is_temporary(to) => {
            Op::LenJumpLess
        }
        (Op::Add, Op::Return) if a == to => Op::AddReturn,
        (Op::Subtract, Op::Return) if a == to => Op::SubtractReturn,
        (Op::Multiply, Op::Return) if a == to => Op::MultiplyReturn,
        (Op::AddBC, Op::Return) if a == to => Op::AddBCReturn,
        (Op::GetField, Op::Return1) if a == to && b != to => Op::GetFieldReturn,
        (Op::Multiply, Op::AddField) if b == to && a != to && is_temporary(to) => Op::MultiplyAddField,
        (Op::Multiply, Op::SubtractField) if b == to && a != to && is_temporary(to) => {
            Op::MultiplySubtractField
        }
        (first, second) => {
            let (left, right) = (b == to, c == to);
            if left == right || !is_temporary(to) {
                return None;
            }
            match (first, second, left) {
                (Op::Multiply, Op::Add | Op::AddB | Op::AddC | Op::AddBC, true) => Op::MultiplyAddLeft,
                (Op::Multiply, Op::Add | Op::AddB | Op::AddC | Op::AddBC, false) => Op::MultiplyAddRight,
                (Op::Multiply, Op::Subtract, true) => Op::MultiplySubtractLeft,
                (Op::Multiply, Op::Subtract, false) => Op::MultiplySubtractRight,
                (Op::Subtract, Op::Add | Op::AddB | Op::AddC | Op::AddBC, true) => Op::SubtractAddLeft,
                (Op::GetField, Op::Add | Op::AddB | Op::AddC | Op::AddBC, true) => Op::GetFieldAddLeft,
                (Op::GetField, Op::Add | Op::AddB | Op::AddC | Op::AddBC, false) => Op::GetFieldAddRight,
                (Op::GetField, Op::Subtract, true) => Op::GetFieldSubtractLeft,
                (Op::GetField, Op::Subtract, false) => Op::GetFieldSubtractRight,
                (Op::GetField, Op::Multiply, true) => Op::GetFieldMultiplyLeft,
                (Op::GetField, Op::Multiply, false) => Op::GetFieldMultiplyRight,
                _ => return None,
            }
        }
    };
    Some(op)
}

impl Op {
    /// The operation that a fused one took the place of; any other is its own.
    pub(crate) fn first(self) -> Self {
        match self {
            Self::Copy2 => Self::Copy,
            Self::PushDrop => Self::Push,
            Self::LenJumpLess => Self::Len,
            Self::AddIJumpLess
            | Self::AddIJumpLessEqual
            | Self::AddIJumpLessI
            | Self::AddIJumpLessEqualI
            | Self::AddIGetIndex
            | Self::AddIMultiply => Self::AddI,
            Self::SubtractIJumpGreaterI | Self::SubtractIJumpGreaterEqualI | Self::SubtractIGetIndex => {
                Self::SubtractI
            }
            Self::RemainderIJumpEqualI | Self::RemainderIJumpNotEqualI => Self::RemainderI,
            Self::RemainderJumpEqualI | Self::RemainderJumpNotEqualI => Self::Remainder,
            Self::GetIndexGetIndex
            | Self::GetIndexStore
            | Self::GetIndexStoreMove
            | Self::GetIndexStoreI
            | Self::GetIndexAdd
            | Self::GetIndexSetIndex
            | Self::GetIndexMultiplyAdd
            | Self::GetIndexJumpLess
            | Self::GetIndexJumpLessEqual
            | Self::GetIndexJumpGreater
            | Self::GetIndexJumpGreaterEqual
            | Self::GetIndexJumpNotLess
            | Self::GetIndexJumpNotLessEqual
            | Self::GetIndexJumpNotGreater
            | Self::GetIndexJumpNotGreaterEqual
            | Self::GetIndexJumpEqualK
            | Self::GetIndexJumpNotEqualK
            | Self::SwapElements => Self::GetIndex,
            Self::GetFieldGetIndex
            | Self::GetFieldGetField
            | Self::GetFieldReturn
            | Self::GetFieldAddLeft
            | Self::GetFieldAddRight
            | Self::GetFieldSubtractLeft
            | Self::GetFieldSubtractRight
            | Self::GetFieldMultiplyLeft
            | Self::GetFieldMultiplyRight => Self::GetField,
            Self::AddAddI | Self::AddReturn | Self::AddJumpLess | Self::AddJumpLessEqual => Self::Add,
            Self::AddBCReturn => Self::AddBC,
            Self::SubtractReturn | Self::SubtractAddLeft => Self::Subtract,
            Self::MultiplyReturn
            | Self::MultiplyAddLeft
            | Self::MultiplyAddRight
            | Self::MultiplySubtractLeft
            | Self::MultiplySubtractRight
            | Self::MultiplyAddField
            | Self::MultiplySubtractField => Self::Multiply,
            other => other,
        }
    }
}

/// Whether four instructions swap two elements of an array by way of a local that dies with the last.
pub(crate) fn swaps(words: &[u64; 4]) -> bool {
    let [
        (t, array, i),
        (u, source, j),
        (target, to, value),
        (last, place, first),
    ] = words.map(fields);
    let ops = words.map(Op::of);
    ops == [
        Op::GetIndex,
        Op::GetIndexSetIndex,
        Op::SetIndexMove,
        Op::SetIndexMove,
    ] && [source, target, last] == [array; 3]
        && (to, place, value, first) == (i, j, u, t)
        && ![array, i, j].iter().any(|&field| field == t || field == u)
        && t != u
}
