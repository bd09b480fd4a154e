//! How tightly a node holds together: what decides whether it needs parentheses.
//!
//! Source: language reference, "Precedence".

use crate::build::Ast;
use crate::node::{BinaryOp, FunctionKind, LogicalOp, Node, NodeId};

/// How tightly a node holds together, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// What reaches as far as it can: an arrow function.
    Open,
    /// `??`
    Coalesce,
    /// `c ? a : b`
    Ternary,
    /// `||`
    Or,
    /// `&&`
    And,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `==`, `!=`
    Equality,
    /// `<`, `in` and their like
    Comparison,
    /// `..`, `..=`
    Range,
    /// `<<`, `>>`
    Shift,
    /// `+`, `-`
    Additive,
    /// `*`, `/`, `%`
    Term,
    /// `**`
    Exponent,
    /// `-`, `!`, `~`, `await`
    Prefix,
    /// Calls, members, literals and what has brackets of its own.
    Primary,
}

impl Power {
    /// The next tighter one.
    #[must_use]
    pub const fn above(self) -> Self {
        match self {
            Self::Open => Self::Coalesce,
            Self::Coalesce => Self::Ternary,
            Self::Ternary => Self::Or,
            Self::Or => Self::And,
            Self::And => Self::BitOr,
            Self::BitOr => Self::BitXor,
            Self::BitXor => Self::BitAnd,
            Self::BitAnd => Self::Equality,
            Self::Equality => Self::Comparison,
            Self::Comparison => Self::Range,
            Self::Range => Self::Shift,
            Self::Shift => Self::Additive,
            Self::Additive => Self::Term,
            Self::Term => Self::Exponent,
            Self::Exponent => Self::Prefix,
            Self::Prefix | Self::Primary => Self::Primary,
        }
    }

    /// The power of an operator that evaluates both sides.
    pub const fn of_binary(op: BinaryOp) -> Self {
        match op {
            BinaryOp::Add | BinaryOp::Subtract => Self::Additive,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => Self::Term,
            BinaryOp::Power => Self::Exponent,
            BinaryOp::ShiftLeft | BinaryOp::ShiftRight => Self::Shift,
            BinaryOp::BitAnd => Self::BitAnd,
            BinaryOp::BitXor => Self::BitXor,
            BinaryOp::BitOr => Self::BitOr,
            BinaryOp::Equal | BinaryOp::NotEqual => Self::Equality,
            BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => {
                Self::Comparison
            }
        }
    }

    /// The power of an operator that may skip its right side.
    pub const fn of_logical(op: LogicalOp) -> Self {
        match op {
            LogicalOp::And => Self::And,
            LogicalOp::Or => Self::Or,
            LogicalOp::Coalesce => Self::Coalesce,
        }
    }

    /// The power of a node.
    pub fn of(ast: &Ast, id: NodeId) -> Self {
        match ast.node(id) {
            Node::Unary { .. } => Self::Prefix,
            Node::Binary { op, .. } => Self::of_binary(op),
            Node::Membership { .. } => Self::Comparison,
            Node::Range { .. } => Self::Range,
            Node::Logical { op, .. } => Self::of_logical(op),
            Node::Ternary { .. } => Self::Ternary,
            Node::Function(function) if ast.function(function).kind == FunctionKind::Arrow => Self::Open,
            _ => Self::Primary,
        }
    }
}
