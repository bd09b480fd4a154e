//! Conditions: code that jumps instead of making a bool.

use aether_ast::{BinaryOp, LogicalOp, Node, NodeId, UnaryOp, ensure_stack};

use super::function::Label;
use super::{Compiler, Result};
use crate::bytecode::Op;

/// Operators in a row that are compiled as nested jumps; longer rows are valued instead.
const NESTED_CONDITIONS: usize = 64;

impl Compiler<'_> {
    /// Jumps to `label` if the truth of `condition` is `sense`; `over` is the source text in between.
    pub(super) fn branch(&mut self, condition: NodeId, sense: bool, label: Label, over: u32) -> Result<()> {
        ensure_stack(|| self.branch_inner(condition, sense, label, over))
    }

    fn branch_inner(&mut self, condition: NodeId, sense: bool, label: Label, over: u32) -> Result<()> {
        let condition = self.ungroup(condition);
        self.at(condition);
        match self.ast.node(condition) {
            Node::Bool(value) => {
                if value == sense {
                    self.jump(label);
                    // What follows can be reached only through other labels, but registers stay in step.
                    self.function.reachable = true;
                }
                Ok(())
            }
            Node::Unary {
                op: UnaryOp::Not,
                operand,
            } => self.branch(operand, !sense, label, over),
            Node::Logical { op, lhs, rhs } if op != LogicalOp::Coalesce && self.shallow(condition) => {
                let over = over + self.ast.span(rhs).len();
                // `a && b` jumps on false as soon as one is; `a || b` on true likewise.
                if (op == LogicalOp::And) == sense {
                    let skip = self.label();
                    self.branch(lhs, !sense, skip, self.ast.span(rhs).len() + 16)?;
                    self.branch(rhs, sense, label, over)?;
                    self.bind(skip);
                } else {
                    self.branch(lhs, sense, label, over)?;
                    self.branch(rhs, sense, label, over)?;
                }
                Ok(())
            }
            Node::Binary { op, lhs, rhs } if op.is_comparison() => {
                self.compare_branch(condition, op, lhs, rhs, sense, label, over)
            }
            Node::Index {
                object,
                index,
                optional: false,
            } if self.plain_local(self.ungroup(object)).is_some() && self.string_key(index).is_none() => {
                // The element is looked at where it is.
                let mark = self.function.next;
                let object = self.operand(object)?;
                let index = self.operand(index)?;
                self.at(condition);
                let op = if sense {
                    Op::JumpIfElement
                } else {
                    Op::JumpIfNotElement
                };
                let flags = u16::from(index.consumed()) << 1;
                self.jump_compare(op, object.register, index.register, flags, label, over);
                self.free_to(mark);
                Ok(())
            }
            _ => {
                let mark = self.function.next;
                let value = self.operand(condition)?;
                self.at(condition);
                self.jump_on(
                    if sense { Op::JumpIf } else { Op::JumpIfNot },
                    value.register,
                    value.consumed(),
                    label,
                );
                self.free_to(mark);
                Ok(())
            }
        }
    }

    /// Whether a row of logical operators is short enough for nested jumps.
    fn shallow(&self, mut id: NodeId) -> bool {
        for _ in 0..NESTED_CONDITIONS {
            match self.ast.node(id) {
                Node::Logical { lhs, .. } => id = self.ungroup(lhs),
                _ => return true,
            }
        }
        false
    }

    #[expect(clippy::too_many_arguments, reason = "a comparison and where it leads")]
    fn compare_branch(
        &mut self,
        id: NodeId,
        op: BinaryOp,
        lhs: NodeId,
        rhs: NodeId,
        sense: bool,
        label: Label,
        over: u32,
    ) -> Result<()> {
        let mark = self.function.next;
        let left = self.operand(lhs)?;
        let left_flag = u16::from(left.consumed());
        if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual)
            && matches!(self.ast.node(self.ungroup(rhs)), Node::Null)
        {
            self.at(id);
            let on_null = (op == BinaryOp::Equal) == sense;
            let code = if on_null {
                Op::JumpIfNull
            } else {
                Op::JumpIfNotNull
            };
            self.jump_on(code, left.register, left.consumed(), label);
            self.free_to(mark);
            return Ok(());
        }
        if let Some(value) = self.immediate(rhs) {
            self.at(id);
            self.jump_compare(
                immediate_jump(op, sense),
                left.register,
                value as u16,
                left_flag,
                label,
                over,
            );
            self.free_to(mark);
            return Ok(());
        }
        if let (BinaryOp::Equal | BinaryOp::NotEqual, Node::Str(text)) =
            (op, self.ast.node(self.ungroup(rhs)))
        {
            let ast = self.ast;
            let constant = self.string(ast.text(text))?;
            if let Ok(constant) = u16::try_from(constant) {
                self.at(id);
                let code = if (op == BinaryOp::Equal) == sense {
                    Op::JumpEqualK
                } else {
                    Op::JumpNotEqualK
                };
                self.jump_compare(code, left.register, constant, left_flag, label, over);
                self.free_to(mark);
                return Ok(());
            }
        }
        if let (Node::Float(value), Some(code)) = (self.ast.node(self.ungroup(rhs)), constant_jump(op, sense))
        {
            let constant = self.tables.float(value);
            if let Ok(constant) = u16::try_from(constant) {
                self.at(id);
                self.jump_compare(code, left.register, constant, left_flag, label, over);
                self.free_to(mark);
                return Ok(());
            }
        }
        let right = self.operand(rhs)?;
        self.at(id);
        let flags = left_flag | u16::from(right.consumed()) << 1;
        self.jump_compare(
            register_jump(op, sense),
            left.register,
            right.register,
            flags,
            label,
            over,
        );
        self.free_to(mark);
        Ok(())
    }
}

fn register_jump(op: BinaryOp, sense: bool) -> Op {
    match (op, sense) {
        (BinaryOp::Less, true) => Op::JumpLess,
        (BinaryOp::Less, false) => Op::JumpNotLess,
        (BinaryOp::LessEqual, true) => Op::JumpLessEqual,
        (BinaryOp::LessEqual, false) => Op::JumpNotLessEqual,
        (BinaryOp::Greater, true) => Op::JumpGreater,
        (BinaryOp::Greater, false) => Op::JumpNotGreater,
        (BinaryOp::GreaterEqual, true) => Op::JumpGreaterEqual,
        (BinaryOp::GreaterEqual, false) => Op::JumpNotGreaterEqual,
        (BinaryOp::Equal, true) | (BinaryOp::NotEqual, false) => Op::JumpEqual,
        _ => Op::JumpNotEqual,
    }
}

/// The jump on an ordering with a float constant.
fn constant_jump(op: BinaryOp, sense: bool) -> Option<Op> {
    Some(match (op, sense) {
        (BinaryOp::Less, true) => Op::JumpLessK,
        (BinaryOp::Less, false) => Op::JumpNotLessK,
        (BinaryOp::LessEqual, true) => Op::JumpLessEqualK,
        (BinaryOp::LessEqual, false) => Op::JumpNotLessEqualK,
        (BinaryOp::Greater, true) => Op::JumpGreaterK,
        (BinaryOp::Greater, false) => Op::JumpNotGreaterK,
        (BinaryOp::GreaterEqual, true) => Op::JumpGreaterEqualK,
        (BinaryOp::GreaterEqual, false) => Op::JumpNotGreaterEqualK,
        _ => return None,
    })
}

fn immediate_jump(op: BinaryOp, sense: bool) -> Op {
    match (op, sense) {
        (BinaryOp::Less, true) => Op::JumpLessI,
        (BinaryOp::Less, false) => Op::JumpNotLessI,
        (BinaryOp::LessEqual, true) => Op::JumpLessEqualI,
        (BinaryOp::LessEqual, false) => Op::JumpNotLessEqualI,
        (BinaryOp::Greater, true) => Op::JumpGreaterI,
        (BinaryOp::Greater, false) => Op::JumpNotGreaterI,
        (BinaryOp::GreaterEqual, true) => Op::JumpGreaterEqualI,
        (BinaryOp::GreaterEqual, false) => Op::JumpNotGreaterEqualI,
        (BinaryOp::Equal, true) | (BinaryOp::NotEqual, false) => Op::JumpEqualI,
        _ => Op::JumpNotEqualI,
    }
}
