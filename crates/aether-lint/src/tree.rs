//! The tree as a list of nodes from top to bottom, each with its parent.

use aether_ast::{Ast, Node, NodeId};

/// Nodes in source order, and what encloses them.
pub(crate) struct Tree {
    /// Every node below the root, parents before children.
    pub(crate) nodes: Vec<NodeId>,
    parents: Vec<Option<NodeId>>,
}

impl Tree {
    pub(crate) fn new(ast: &Ast) -> Self {
        let mut tree = Self {
            nodes: Vec::with_capacity(ast.node_count()),
            parents: vec![None; ast.node_count()],
        };
        let mut work: Vec<NodeId> = ast.root().iter().rev().copied().collect();
        while let Some(id) = work.pop() {
            tree.nodes.push(id);
            let from = work.len();
            ast.for_each_child(id, |child| {
                tree.parents[child.index()] = Some(id);
                work.push(child);
            });
            work[from..].reverse();
        }
        tree
    }

    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.parents[id.index()]
    }

    /// The nodes around one, from the inside.
    pub(crate) fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.parent(id), |&id| self.parent(id))
    }

    /// The innermost statement around a node.
    pub(crate) fn statement_of(&self, ast: &Ast, id: NodeId) -> NodeId {
        let mut around = std::iter::once(id).chain(self.ancestors(id));
        around.find(|&id| is_statement(ast.node(id))).unwrap_or(id)
    }

    /// The function around a node, as the node of its body.
    pub(crate) fn function_of(&self, ast: &Ast, id: NodeId) -> Option<NodeId> {
        self.ancestors(id).find(|&id| {
            matches!(
                ast.node(id),
                Node::Function(_) | Node::FunctionDecl(_) | Node::Defer(_)
            )
        })
    }
}

/// Whether a node is a statement that lines are counted by.
pub(crate) fn is_statement(node: Node) -> bool {
    matches!(
        node,
        Node::ExprStmt(_)
            | Node::Let { .. }
            | Node::Const { .. }
            | Node::FunctionDecl(_)
            | Node::Struct(_)
            | Node::Enum(_)
            | Node::Import { .. }
            | Node::FromImport { .. }
            | Node::Assign { .. }
            | Node::CompoundAssign { .. }
            | Node::LogicalAssign { .. }
            | Node::If { .. }
            | Node::While { .. }
            | Node::Loop(_)
            | Node::For { .. }
            | Node::Labelled { .. }
            | Node::Try { .. }
            | Node::Match { .. }
            | Node::Yield(_)
            | Node::Return(_)
            | Node::Throw(_)
            | Node::Break(_)
            | Node::Continue(_)
            | Node::Defer(_)
            | Node::Debugger
    )
}

/// Whether a node is a literal that holds no other values.
pub(crate) fn is_plain_literal(ast: &Ast, id: NodeId) -> bool {
    matches!(
        ast.node(id),
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) | Node::Str(_) | Node::Interpolation(_)
    )
}
