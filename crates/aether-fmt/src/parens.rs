//! Which parentheses are needed, beyond what the powers of operators say.

use aether_ast::{Ast, FunctionKind, Node, NodeId, Power};

/// The power of what parentheses hold: a function or a `match` in them stays there beside an operator.
pub(crate) fn power_within(ast: &Ast, id: NodeId) -> Power {
    match ast.node(id) {
        Node::MatchExpr { .. } => Power::Open,
        Node::Function(function) if ast.function(function).kind == FunctionKind::Expression => Power::Open,
        _ => Power::of(ast, id),
    }
}

/// Whether an operator of a kind may not follow another one of it.
pub(crate) fn is_single(ast: &Ast, id: NodeId) -> bool {
    matches!(ast.node(id), Node::Membership { .. } | Node::Range { .. })
}
