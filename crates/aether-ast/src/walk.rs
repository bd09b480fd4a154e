//! Walking the tree: the children of a node, in source order.

use crate::build::Ast;
use crate::node::{Node, NodeId};

impl Ast {
    /// Calls `visit` with each child of `id`, in source order. Declared names count as children, their annotations do not:
    /// those are asked for by name ([`Ast::annotation`]).
    ///
    /// A walker keeps its own stack of ids (or loops along left chains): this function never recurses.
    pub fn for_each_child(&self, id: NodeId, mut visit: impl FnMut(NodeId)) {
        let mut list = |items: &[NodeId]| items.iter().for_each(|&item| visit(item));
        match self.node(id) {
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Float(_)
            | Node::Str(_)
            | Node::Name(_)
            | Node::Debugger
            | Node::Ident(_)
            | Node::Wildcard
            | Node::Error => {}
            Node::Interpolation(items)
            | Node::Array(items)
            | Node::Dict(items)
            | Node::Block(items)
            | Node::OrPattern(items)
            | Node::UnionType(items)
            | Node::TypeName { args: items, .. }
            | Node::ArrayPattern(items)
            | Node::DictPattern(items)
            | Node::StructPattern { fields: items, .. }
            | Node::VariantPattern { fields: items, .. } => list(self.list(items)),
            Node::Spread(inner)
            | Node::Keyword { value: inner, .. }
            | Node::Formatted { value: inner, .. }
            | Node::Group(inner)
            | Node::ExprStmt(inner)
            | Node::Throw(inner)
            | Node::LiteralPattern(inner)
            | Node::RestPattern(inner)
            | Node::IfClause(inner)
            | Node::OptionalType(inner)
            | Node::Loop(inner)
            | Node::Unary { operand: inner, .. }
            | Node::Member { object: inner, .. } => list(&[inner]),
            Node::ArrayComprehension { element, clauses } => {
                list(&[element]);
                list(self.list(clauses));
            }
            Node::DictComprehension { key, value, clauses } => {
                list(&[key, value]);
                list(self.list(clauses));
            }
            Node::ForClause { binding, iterable } => list(&[binding, iterable]),
            Node::StructLit { target, fields } => {
                list(&[target]);
                list(self.list(fields));
            }
            Node::Function(function) | Node::FunctionDecl(function) | Node::Defer(function) => {
                let function = self.function(function);
                list(function.name.as_slice());
                list(self.list(function.params));
                list(&[function.body]);
            }
            Node::Binary { lhs, rhs, .. } | Node::Logical { lhs, rhs, .. } => list(&[lhs, rhs]),
            Node::Ternary {
                condition,
                then,
                otherwise,
            } => list(&[condition, then, otherwise]),
            Node::Call { callee, args } => {
                list(&[callee]);
                list(self.list(args));
            }
            Node::Index { object, index, .. } => list(&[object, index]),
            Node::Membership { item, container, .. } => list(&[item, container]),
            Node::Range { start, end, .. } | Node::RangePattern { start, end, .. } => list(&[start, end]),
            Node::Slice { object, start, end } => {
                list(&[object]);
                list(start.as_slice());
                list(end.as_slice());
            }
            Node::Let { pattern, value } | Node::Const { pattern, value } => list(&[pattern, value]),
            Node::Struct(definition) => {
                let definition = self.structure(definition);
                list(&[definition.name]);
                list(self.list(definition.fields));
                list(self.list(definition.methods));
            }
            Node::Enum(definition) => {
                let definition = self.enumeration(definition);
                list(&[definition.name]);
                list(self.list(definition.variants));
            }
            Node::Variant { name, fields } => {
                list(&[name]);
                list(self.list(fields));
            }
            Node::Import { module: name, alias } | Node::ImportItem { name, alias } => {
                list(&[name]);
                list(alias.as_slice());
            }
            Node::FromImport { module, items } => {
                list(&[module]);
                list(self.list(items));
            }
            Node::Assign { target, value }
            | Node::CompoundAssign { target, value, .. }
            | Node::LogicalAssign { target, value, .. } => list(&[target, value]),
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                list(&[condition, then]);
                list(otherwise.as_slice());
            }
            Node::While { condition, body } => list(&[condition, body]),
            Node::For {
                binding,
                iterable,
                body,
            } => list(&[binding, iterable, body]),
            Node::Labelled { label, body } => list(&[label, body]),
            Node::Try { body, catch, finally } => {
                list(&[body]);
                list(catch.as_slice());
                list(finally.as_slice());
            }
            Node::Catch { binding, body } => {
                list(binding.as_slice());
                list(&[body]);
            }
            Node::Match { subject, arms } | Node::MatchExpr { subject, arms } => {
                list(&[subject]);
                list(self.list(arms));
            }
            Node::Arm { pattern, guard, body } => {
                list(&[pattern]);
                list(guard.as_slice());
                list(&[body]);
            }
            Node::AsPattern { pattern, name } => list(&[pattern, name]),
            Node::Return(value) | Node::Yield(value) | Node::Break(value) | Node::Continue(value) => {
                list(value.as_slice());
            }
            Node::DefaultPattern { target, default } => list(&[target, default]),
            Node::PairPattern { first, second } => list(&[first, second]),
            Node::EntryPattern { key, target, default } => {
                list(&[key]);
                if target != key {
                    list(&[target]);
                }
                list(default.as_slice());
            }
        }
    }
}
