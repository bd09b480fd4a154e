//! Code that never runs, conditions that never change, operators that group otherwise than they look.

use aether_ast::{Ast, BinaryOp, Node, NodeId};
use aether_source::Diagnostic;

use crate::Program;

/// Statements behind one that leaves their block.
pub(crate) fn unreachable(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { file, ast, tree, .. } = program;
    let mut look = |statements: &[NodeId]| {
        let Some(at) = statements.iter().position(|&id| leaves(ast, id)) else {
            return;
        };
        let Some(&next) = statements.get(at + 1) else {
            return;
        };
        // A bare yield behind a return makes a generator of a function that yields nothing.
        if matches!(
            ast.node(next),
            Node::Yield(_) | Node::FunctionDecl(_) | Node::Struct(_) | Node::Enum(_)
        ) {
            return;
        }
        let line = |id| file.line(ast.span(id).start);
        let is_operand = matches!(ast.node(statements[at]), Node::Return(None))
            && matches!(ast.node(next), Node::If { .. })
            && line(next) == line(statements[at]);
        let help = if is_operand {
            "'return' gives null here, for 'if' is a statement; a choice is written return condition ? a : b"
        } else {
            "remove it, or put a condition around what leaves the block"
        };
        found.push(
            Diagnostic::warning("W0103", "this code is never reached", ast.span(next))
                .with_label(ast.span(statements[at]), "the block is always left here")
                .with_help(help),
        );
    };
    look(ast.root());
    for &id in &tree.nodes {
        if let Node::Block(statements) = ast.node(id) {
            look(ast.list(statements));
        }
    }
}

/// Whether a statement always leaves its block.
fn leaves(ast: &Ast, id: NodeId) -> bool {
    match ast.node(id) {
        Node::Return(_) | Node::Throw(_) | Node::Break(_) | Node::Continue(_) => true,
        Node::Block(statements) => ast
            .list(statements)
            .last()
            .is_some_and(|&last| leaves_here(ast, last)),
        Node::If {
            then,
            otherwise: Some(otherwise),
            ..
        } if !matches!(ast.node(otherwise), Node::If { .. }) => leaves(ast, then) && leaves(ast, otherwise),
        _ => false,
    }
}

/// The same without looking into branches, so that the depth stays bounded.
fn leaves_here(ast: &Ast, id: NodeId) -> bool {
    matches!(
        ast.node(id),
        Node::Return(_) | Node::Throw(_) | Node::Break(_) | Node::Continue(_)
    )
}

/// Conditions that are literals.
pub(crate) fn constant(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { ast, tree, .. } = program;
    for &id in &tree.nodes {
        let (condition, may_be_true) = match ast.node(id) {
            Node::If { condition, .. } | Node::Ternary { condition, .. } => (condition, false),
            Node::While { condition, .. } => (condition, true),
            Node::IfClause(condition) => (condition, false),
            _ => continue,
        };
        let Some(value) = truth(ast, condition) else {
            continue;
        };
        if may_be_true && value {
            continue;
        }
        found.push(
            Diagnostic::warning(
                "W0105",
                format!("this condition is always {value}"),
                ast.span(condition),
            )
            .with_help("compare with something that changes, or remove the test"),
        );
    }
}

/// Whether a literal counts as true.
fn truth(ast: &Ast, id: NodeId) -> Option<bool> {
    Some(match ast.node(ast.without_groups(id)) {
        Node::Null => false,
        Node::Bool(value) => value,
        Node::Int(value) => value != 0,
        Node::Float(value) => value != 0.0,
        Node::Str(symbol) => !ast.text(symbol).is_empty(),
        Node::Array(items) => !items.is_empty(),
        Node::Function(_) | Node::Dict(_) => true,
        _ => return None,
    })
}

/// `flags & 2 == 0`, which compares first.
pub(crate) fn precedence(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { ast, tree, file, .. } = program;
    for &id in &tree.nodes {
        let Node::Binary { op, lhs, rhs } = ast.node(id) else {
            continue;
        };
        if !matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor) {
            continue;
        }
        let op = op.as_str();
        for (side, other, is_right) in [(rhs, lhs, true), (lhs, rhs, false)] {
            let Node::Binary {
                op: comparison,
                lhs: left,
                rhs: right,
            } = ast.node(side)
            else {
                continue;
            };
            if !comparison.is_comparison() {
                continue;
            }
            let text = |id| file.slice(ast.span(id));
            let comparison = comparison.as_str();
            let written = if is_right {
                format!(
                    "({} {op} {}) {comparison} {}",
                    text(other),
                    text(left),
                    text(right)
                )
            } else {
                format!(
                    "{} {comparison} ({} {op} {})",
                    text(left),
                    text(right),
                    text(other)
                )
            };
            found.push(
                Diagnostic::warning(
                    "W0106",
                    format!("'{comparison}' binds tighter than '{op}', so this combines a bool"),
                    ast.span(id),
                )
                .with_label(ast.span(side), "this is compared first")
                .with_help(format!("write {written}")),
            );
            break;
        }
    }
}
