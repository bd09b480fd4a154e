//! Which parentheses are needed: how tightly a node holds together.
//!
//! Source: language reference, "Precedence".

use aether_ast::{Ast, BinaryOp, FunctionKind, LogicalOp, Node, NodeId};

/// How tightly a node holds together, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Power {
    /// Arrows, functions and `match`, which reach as far as they can.
    Open,
    Coalesce,
    Ternary,
    Or,
    And,
    BitOr,
    BitXor,
    BitAnd,
    Equality,
    Comparison,
    Range,
    Shift,
    Additive,
    Term,
    Exponent,
    Prefix,
    Primary,
}

impl Power {
    /// The next tighter one.
    pub(crate) fn above(self) -> Self {
        use Power as P;
        match self {
            P::Open => P::Coalesce,
            P::Coalesce => P::Ternary,
            P::Ternary => P::Or,
            P::Or => P::And,
            P::And => P::BitOr,
            P::BitOr => P::BitXor,
            P::BitXor => P::BitAnd,
            P::BitAnd => P::Equality,
            P::Equality => P::Comparison,
            P::Comparison => P::Range,
            P::Range => P::Shift,
            P::Shift => P::Additive,
            P::Additive => P::Term,
            P::Term => P::Exponent,
            P::Exponent => P::Prefix,
            P::Prefix | P::Primary => P::Primary,
        }
    }

    fn of_binary(op: BinaryOp) -> Self {
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

    /// The power of a node.
    pub(crate) fn of(ast: &Ast, id: NodeId) -> Self {
        match ast.node(id) {
            Node::Unary { .. } => Self::Prefix,
            Node::Binary { op, .. } => Self::of_binary(op),
            Node::Membership { .. } => Self::Comparison,
            Node::Range { .. } => Self::Range,
            Node::Logical { op, .. } => match op {
                LogicalOp::And => Self::And,
                LogicalOp::Or => Self::Or,
                LogicalOp::Coalesce => Self::Coalesce,
            },
            Node::Ternary { .. } => Self::Ternary,
            Node::MatchExpr { .. } => Self::Open,
            Node::Function(function) => match ast.function(function).kind {
                FunctionKind::Arrow | FunctionKind::Expression => Self::Open,
                FunctionKind::Declaration
                | FunctionKind::Method
                | FunctionKind::Deferred
                | FunctionKind::FieldDefault => Self::Primary,
            },
            _ => Self::Primary,
        }
    }
}

/// Whether an operator of a kind may not follow another one of it.
pub(crate) fn is_single(ast: &Ast, id: NodeId) -> bool {
    matches!(ast.node(id), Node::Membership { .. } | Node::Range { .. })
}
