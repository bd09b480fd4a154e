//! Annotations: where values are checked, and where they need not be.
//!
//! What annotated names and results hold is checked whenever they get it; a literal of the right type is not.

use aether_ast::{Ast, FunctionId, Node, NodeId, Symbol, UnaryOp};
use aether_resolve::{FunctionIndex, Resolution, Use};
use aether_value::{TypeCheck, tag};
use ahash::AHashMap;

use super::Compiler;
use crate::bytecode::Op;
use crate::tables::Check;

impl Compiler<'_> {
    /// What an annotation admits.
    pub(super) fn type_check(&self, annotation: NodeId) -> TypeCheck {
        let ast = self.ast;
        let mut check = TypeCheck::new(&ast.type_text(annotation));
        let mut work = vec![annotation];
        while let Some(id) = work.pop() {
            match ast.node(id) {
                Node::TypeName { name, .. } => check.admit(ast.text(name)),
                Node::OptionalType(inner) => {
                    check.admit("null");
                    work.push(inner);
                }
                Node::UnionType(items) => work.extend(ast.list(items)),
                _ => {}
            }
        }
        check
    }

    /// Checks a register against the annotation of a declared name, unless `value`, which it holds, certainly fits.
    pub(super) fn check_declared(&mut self, declared: NodeId, register: u16, value: Option<NodeId>) {
        if let Some(annotation) = self.ast.annotation(declared) {
            let what = format!("'{}'", self.text(declared));
            self.check(annotation, what, register, value);
        }
    }

    /// Whether the annotation of a declared name, if it has one, certainly admits a value.
    pub(super) fn takes_function(&self, declared: NodeId, value: NodeId) -> bool {
        self.ast
            .annotation(declared)
            .is_none_or(|annotation| self.certainly_fits(&self.type_check(annotation), value))
    }

    /// The annotation of what a name that is assigned stands for.
    pub(super) fn annotation_of(&self, target: NodeId, name: Symbol) -> Option<NodeId> {
        let ident = match self.resolution.use_of(target) {
            Use::Local(binding) => self.resolution.binding(binding).ident,
            Use::Global => self.global_declaration(target, name),
            Use::None => None,
        };
        ident.filter(|&ident| self.ast.annotation(ident).is_some())
    }

    /// The declaration that an assignment to a name of the module goes by. At the top level it is the last one before
    /// it; a function may run between any two, so that in it only what all of them say holds.
    fn global_declaration(&self, target: NodeId, name: Symbol) -> Option<NodeId> {
        let declarations = self.annotated.get(&name)?;
        if self.function.index == FunctionIndex::TOP_LEVEL {
            let start = self.ast.span(target).start;
            return declarations
                .iter()
                .rfind(|&&ident| self.ast.span(ident).start < start)
                .copied();
        }
        let text = |ident: NodeId| {
            self.ast
                .annotation(ident)
                .map(|annotation| self.ast.type_text(annotation))
        };
        let first = *declarations.first()?;
        let said = text(first);
        declarations
            .iter()
            .all(|&ident| text(ident) == said)
            .then_some(first)
    }

    /// The annotation of the running function's result, if it is checked, and what it is called in messages.
    pub(super) fn result_annotation(&self) -> Option<(NodeId, String)> {
        let info = self.resolution.function(self.function.index);
        let body = self.ast.function(info.id.filter(|_| !info.yields)?).body;
        let annotation = self.ast.annotation(body)?;
        let name = self.function.name.as_deref().unwrap_or("<anonymous>");
        Some((annotation, format!("the result of {name}")))
    }

    /// Checks a register against an annotation.
    pub(super) fn check(&mut self, annotation: NodeId, what: String, register: u16, value: Option<NodeId>) {
        let admits = self.type_check(annotation);
        if value.is_some_and(|value| self.certainly_fits(&admits, value)) {
            return;
        }
        let what = what.into_boxed_str();
        self.tables.checks.push(Check { admits, what });
        let check = self.tables.checks.len() as u32 - 1;
        self.emit_wide(Op::CheckType, register, check);
    }

    /// Whether an expression can only have values that a type admits as they are.
    fn certainly_fits(&self, admits: &TypeCheck, value: NodeId) -> bool {
        let kind = match self.ast.node(self.ungroup(value)) {
            Node::Null => tag::NULL,
            Node::Int(_) => tag::INT,
            Node::Float(_) => tag::FLOAT,
            Node::Bool(_) | Node::Membership { .. } => tag::BOOL,
            Node::Str(_) | Node::Interpolation(_) => tag::STRING,
            Node::Array(_) | Node::ArrayComprehension { .. } => tag::ARRAY,
            Node::Dict(_) | Node::DictComprehension { .. } => tag::DICT,
            Node::Function(function) if !self.ast.function(function).is_async => tag::FUNCTION,
            Node::Unary { op: UnaryOp::Not, .. } => tag::BOOL,
            Node::Unary {
                op: UnaryOp::Negate,
                operand,
            } => match self.ast.node(operand) {
                Node::Int(_) => tag::INT,
                Node::Float(_) => tag::FLOAT,
                _ => return false,
            },
            Node::Binary { op, .. } if op.is_comparison() => tag::BOOL,
            _ => return false,
        };
        admits.admits_kind(kind)
    }

    /// Whether the function is a field's default.
    pub(super) fn field_default(&self, field: NodeId) -> Option<FunctionId> {
        let Node::DefaultPattern { default, .. } = self.ast.node(field) else {
            return None;
        };
        match self.ast.node(default) {
            Node::Function(function) => Some(function),
            _ => None,
        }
    }
}

/// The names of a module that a declaration annotates, with all their declarations in the order of the text.
pub(super) fn annotated_globals(ast: &Ast, resolution: &Resolution) -> AHashMap<Symbol, Vec<NodeId>> {
    let mut declarations: AHashMap<Symbol, Vec<NodeId>> = AHashMap::new();
    let globals = || resolution.globals().iter();
    for global in globals().filter(|global| ast.annotation(global.ident).is_some()) {
        declarations.entry(global.name).or_default();
    }
    if declarations.is_empty() {
        return declarations;
    }
    for global in globals() {
        if let Some(known) = declarations.get_mut(&global.name) {
            known.push(global.ident);
        }
    }
    for known in declarations.values_mut() {
        known.sort_by_key(|&ident| ast.span(ident).start);
    }
    declarations
}
