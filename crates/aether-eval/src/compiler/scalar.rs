//! Which bindings can never hold a counted value.
//!
//! Flow-insensitive: a binding is scalar if every expression that is ever assigned to it is. Such a binding needs
//! no release at the end of its scope. Arithmetic other than `+` yields numbers or raises, so it is scalar whatever
//! its operands; `+` is scalar if both sides are. Where types of the host may have operators, that holds for all
//! arithmetic.

use aether_ast::{Ast, BinaryOp, Node, NodeId, UnaryOp, ensure_stack};
use aether_resolve::{BindingId, Resolution, Use};

/// Per binding, whether all its values are uncounted.
pub(super) fn scalar_bindings(ast: &Ast, resolution: &Resolution, native_operators: bool) -> Vec<bool> {
    let mut scalars = vec![true; resolution.bindings().len()];
    for &binding in resolution.opaque() {
        scalars[binding.index()] = false;
    }
    // Each round can only clear flags; most programs need two.
    loop {
        let mut changed = false;
        for &(binding, value) in resolution.values() {
            if scalars[binding.index()] && !is_scalar(ast, resolution, &scalars, native_operators, value) {
                scalars[binding.index()] = false;
                changed = true;
            }
        }
        if !changed {
            return scalars;
        }
    }
}

/// Whether the value of an expression can never be counted.
pub(super) fn is_scalar(
    ast: &Ast,
    resolution: &Resolution,
    scalars: &[bool],
    native_operators: bool,
    mut id: NodeId,
) -> bool {
    let nested = |id| ensure_stack(|| is_scalar(ast, resolution, scalars, native_operators, id));
    let local = |id| match resolution.use_of(id) {
        Use::Local(binding) => scalars[BindingId::index(binding)],
        Use::Global | Use::None => false,
    };
    loop {
        match ast.node(id) {
            Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) => return true,
            Node::Group(inner) => id = inner,
            Node::Name(_) => return local(id),
            Node::Unary { op, operand } if native_operators && op != UnaryOp::Not => {
                if op == UnaryOp::Await {
                    return false;
                }
                id = operand;
            }
            Node::Unary { op, .. } => return op != UnaryOp::Await,
            Node::Binary { op, lhs, rhs }
                if op == BinaryOp::Add || native_operators && !op.is_comparison() =>
            {
                if !nested(rhs) {
                    return false;
                }
                id = lhs;
            }
            Node::Binary { .. } => return true,
            Node::Logical { lhs, rhs, .. } => {
                if !nested(rhs) {
                    return false;
                }
                id = lhs;
            }
            Node::Ternary { then, otherwise, .. } => {
                if !nested(then) {
                    return false;
                }
                id = otherwise;
            }
            Node::CompoundAssign { op, target, value } if op == BinaryOp::Add || native_operators => {
                return local(target) && nested(value);
            }
            Node::CompoundAssign { .. } | Node::Membership { .. } => return true,
            Node::LogicalAssign { target, value, .. } => return local(target) && nested(value),
            _ => return false,
        }
    }
}
