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
        (Op::Add, Op::AddI) if b == to && is_temporary(to) => Op::AddAddI,
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
                _ => return None,
            }
        }
    };
    Some(op)
}
