//! What a node looks like to a reader: its kind, its parts and their names. The tree dump and the JSON are two ways
//! of writing the same shape.
//!
//! Parentheses ([`Node::Group`]) are transparent here.

use crate::build::Ast;
use crate::node::{BinaryOp, List, LogicalOp, Node, NodeId, UnaryOp};

/// One part of a node.
pub(crate) enum Part {
    /// A name, an operator or the text of a string.
    Text(String),
    /// A number, as it is written in both forms.
    Number(String),
    /// A truth value.
    Flag(bool),
    /// Declared names.
    Names(Vec<String>),
    Child(NodeId),
    Children(Vec<NodeId>),
    /// Keys and values in turn.
    Pairs(Vec<NodeId>),
    Absent,
}

/// A node's kind and its named parts, in source order.
pub(crate) struct Shape {
    pub(crate) kind: &'static str,
    pub(crate) parts: Vec<(&'static str, Part)>,
}

impl UnaryOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Negate => "-",
            Self::Not => "!",
            Self::BitNot => "~",
            Self::Await => "await",
        }
    }
}

impl BinaryOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
            Self::BitAnd => "&",
            Self::BitXor => "^",
            Self::BitOr => "|",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

impl LogicalOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
            Self::Coalesce => "??",
        }
    }
}

/// The text of a float that reads back as the same float and looks like one.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_finite() {
        format!("{value:?}")
    } else {
        "1e999".to_owned()
    }
}

impl Ast {
    /// The node within any parentheses around it.
    pub fn without_groups(&self, mut id: NodeId) -> NodeId {
        while let Node::Group(inner) = self.node(id) {
            id = inner;
        }
        id
    }

    /// The text of a name, declared or used; empty for other nodes.
    fn name_text(&self, id: NodeId) -> String {
        match self.node(id) {
            Node::Wildcard => "_".to_owned(),
            _ => self
                .name_of(id)
                .map_or_else(String::new, |name| self.text(name).to_owned()),
        }
    }

    fn names(&self, list: List) -> Part {
        Part::Names(self.list(list).iter().map(|&name| self.name_text(name)).collect())
    }

    /// Parameters and payload fields: their names, or the patterns if there is anything else.
    fn parameters(&self, list: List) -> Part {
        let plain = self.list(list).iter().all(|&param| {
            matches!(self.node(param), Node::Ident(_) | Node::Wildcard) && self.annotation(param).is_none()
        });
        if plain {
            self.names(list)
        } else {
            self.children(list)
        }
    }

    fn children(&self, list: List) -> Part {
        Part::Children(self.list(list).to_vec())
    }

    /// The shape of a node.
    pub(crate) fn shape(&self, id: NodeId) -> Shape {
        let id = self.without_groups(id);
        let text = |symbol| Part::Text(self.text(symbol).to_owned());
        let name = |id| Part::Text(self.name_text(id));
        let opt_name = |id: Option<NodeId>| id.map_or(Part::Absent, name);
        let child = Part::Child;
        let opt_child = |id: Option<NodeId>| id.map_or(Part::Absent, Part::Child);
        let (kind, parts) = match self.node(id) {
            Node::Null => ("Null", vec![]),
            Node::Bool(value) => ("Bool", vec![("value", Part::Flag(value))]),
            Node::Int(value) => {
                // The magnitude 2^63 is kept as i64::MIN below its minus.
                (
                    "Integer",
                    vec![("value", Part::Number(value.unsigned_abs().to_string()))],
                )
            }
            Node::Float(value) => ("Float", vec![("value", Part::Number(float_text(value)))]),
            Node::Str(value) => ("String", vec![("value", text(value))]),
            Node::Interpolation(pieces) => ("Interpolation", vec![("parts", self.children(pieces))]),
            Node::Formatted { value, spec } => {
                ("Formatted", vec![("value", child(value)), ("spec", text(spec))])
            }
            Node::Name(symbol) => ("Identifier", vec![("name", text(symbol))]),
            Node::Array(items) => ("Array", vec![("elements", self.children(items))]),
            Node::Keyword { name, value } => ("Keyword", vec![("name", text(name)), ("value", child(value))]),
            Node::Spread(value) => ("Spread", vec![("value", child(value))]),
            Node::Dict(items) => ("Dict", vec![("entries", Part::Pairs(self.list(items).to_vec()))]),
            Node::ArrayComprehension { element, clauses } => (
                "ArrayComprehension",
                vec![("element", child(element)), ("clauses", self.children(clauses))],
            ),
            Node::DictComprehension { key, value, clauses } => (
                "DictComprehension",
                vec![
                    ("key", child(key)),
                    ("value", child(value)),
                    ("clauses", self.children(clauses)),
                ],
            ),
            Node::ForClause { binding, iterable } => (
                "ForClause",
                vec![
                    match self.node(binding) {
                        Node::Ident(_) => ("name", name(binding)),
                        _ => ("pattern", child(binding)),
                    },
                    ("iterable", child(iterable)),
                ],
            ),
            Node::IfClause(condition) => ("IfClause", vec![("condition", child(condition))]),
            Node::StructLit { target, fields } => (
                "StructLiteral",
                vec![
                    ("struct", child(target)),
                    ("fields", Part::Pairs(self.list(fields).to_vec())),
                ],
            ),
            Node::Function(function) | Node::FunctionDecl(function) => {
                let parts = self.function(function);
                let kind = if parts.name.is_some() {
                    "Function"
                } else {
                    "FunctionExpression"
                };
                let mut shape = vec![
                    ("name", opt_name(parts.name)),
                    ("params", self.parameters(parts.params)),
                    ("body", child(parts.body)),
                ];
                if let Some(result) = self.annotation(parts.body) {
                    shape.insert(2, ("result", child(result)));
                }
                if parts.is_async {
                    shape.insert(0, ("async", Part::Flag(true)));
                }
                (kind, shape)
            }
            // Taken off above.
            Node::Group(inner) => ("Group", vec![("value", child(inner))]),
            Node::Unary { op, operand } => (
                "Unary",
                vec![
                    ("op", Part::Text(op.as_str().to_owned())),
                    ("operand", child(operand)),
                ],
            ),
            Node::Binary { op, lhs, rhs } => (
                "Binary",
                vec![
                    ("op", Part::Text(op.as_str().to_owned())),
                    ("left", child(lhs)),
                    ("right", child(rhs)),
                ],
            ),
            Node::Logical { op, lhs, rhs } => (
                "Logical",
                vec![
                    ("op", Part::Text(op.as_str().to_owned())),
                    ("left", child(lhs)),
                    ("right", child(rhs)),
                ],
            ),
            Node::Ternary {
                condition,
                then,
                otherwise,
            } => (
                "Ternary",
                vec![
                    ("condition", child(condition)),
                    ("then", child(then)),
                    ("else", child(otherwise)),
                ],
            ),
            Node::Call { callee, args } => (
                "Call",
                vec![("callee", child(callee)), ("args", self.children(args))],
            ),
            Node::Membership {
                item,
                container,
                negated,
            } => (
                "Membership",
                vec![
                    ("op", Part::Text(if negated { "!in" } else { "in" }.to_owned())),
                    ("item", child(item)),
                    ("container", child(container)),
                ],
            ),
            Node::Range {
                start,
                end,
                inclusive,
            } => (
                "Range",
                vec![
                    ("op", Part::Text(if inclusive { "..=" } else { ".." }.to_owned())),
                    ("start", child(start)),
                    ("end", child(end)),
                ],
            ),
            Node::Index {
                object,
                index,
                optional,
            } => {
                let mut shape = vec![("object", child(object)), ("index", child(index))];
                if optional {
                    shape.push(("optional", Part::Flag(true)));
                }
                ("Index", shape)
            }
            Node::Slice { object, start, end } => (
                "Slice",
                vec![
                    ("object", child(object)),
                    ("start", opt_child(start)),
                    ("end", opt_child(end)),
                ],
            ),
            Node::Member {
                object,
                name,
                optional,
            } => {
                let mut shape = vec![("name", text(name)), ("object", child(object))];
                if optional {
                    shape.push(("optional", Part::Flag(true)));
                }
                ("Member", shape)
            }
            Node::ExprStmt(value) => ("Expression", vec![("value", child(value))]),
            Node::Const { pattern, value } => match self.node(pattern) {
                Node::Ident(symbol) => ("Const", vec![("name", text(symbol)), ("value", child(value))]),
                _ => (
                    "Const",
                    vec![("pattern", child(pattern)), ("value", child(value))],
                ),
            },
            Node::Let { pattern, value } => match self.node(pattern) {
                Node::Ident(symbol) => ("Let", vec![("name", text(symbol)), ("value", child(value))]),
                _ => ("Let", vec![("pattern", child(pattern)), ("value", child(value))]),
            },
            Node::Struct(id) => {
                let parts = self.structure(id);
                (
                    "Struct",
                    vec![
                        ("name", name(parts.name)),
                        ("fields", self.parameters(parts.fields)),
                        ("methods", self.children(parts.methods)),
                    ],
                )
            }
            Node::Enum(id) => {
                let parts = self.enumeration(id);
                (
                    "Enum",
                    vec![
                        ("name", name(parts.name)),
                        ("variants", self.children(parts.variants)),
                    ],
                )
            }
            Node::Variant { name: id, fields } => (
                "Variant",
                vec![("name", name(id)), ("fields", self.names(fields))],
            ),
            Node::Import { module, alias } => (
                "Import",
                vec![("module", name(module)), ("alias", opt_name(alias))],
            ),
            Node::FromImport { module, items } => (
                "FromImport",
                vec![("module", name(module)), ("items", self.children(items))],
            ),
            Node::ImportItem { name: id, alias } => {
                ("ImportItem", vec![("name", name(id)), ("alias", opt_name(alias))])
            }
            Node::Assign { target, value } => {
                ("Assign", vec![("target", child(target)), ("value", child(value))])
            }
            Node::CompoundAssign { op, target, value } => (
                "CompoundAssign",
                vec![
                    ("op", Part::Text(op.as_str().to_owned())),
                    ("target", child(target)),
                    ("value", child(value)),
                ],
            ),
            Node::LogicalAssign { op, target, value } => (
                "LogicalAssign",
                vec![
                    ("op", Part::Text(op.as_str().to_owned())),
                    ("target", child(target)),
                    ("value", child(value)),
                ],
            ),
            Node::Loop(body) => ("Loop", vec![("body", child(body))]),
            Node::Block(items) => ("Block", vec![("statements", self.children(items))]),
            Node::If {
                condition,
                then,
                otherwise,
            } => (
                "If",
                vec![
                    ("condition", child(condition)),
                    ("then", child(then)),
                    ("else", opt_child(otherwise)),
                ],
            ),
            Node::While { condition, body } => (
                "While",
                vec![("condition", child(condition)), ("body", child(body))],
            ),
            Node::For {
                binding,
                iterable,
                body,
            } => (
                "For",
                vec![
                    match self.node(binding) {
                        Node::Ident(_) => ("name", name(binding)),
                        _ => ("pattern", child(binding)),
                    },
                    ("iterable", child(iterable)),
                    ("body", child(body)),
                ],
            ),
            Node::Labelled { label, body } => {
                ("Labelled", vec![("label", name(label)), ("body", child(body))])
            }
            Node::Try { body, catch, finally } => (
                "Try",
                vec![
                    ("body", child(body)),
                    ("catch", opt_child(catch)),
                    ("finally", opt_child(finally)),
                ],
            ),
            Node::Catch { binding, body } => {
                ("Catch", vec![("name", opt_name(binding)), ("body", child(body))])
            }
            Node::Match { subject, arms } => (
                "Match",
                vec![("subject", child(subject)), ("arms", self.children(arms))],
            ),
            Node::MatchExpr { subject, arms } => (
                "MatchExpression",
                vec![("subject", child(subject)), ("arms", self.children(arms))],
            ),
            Node::Arm { pattern, guard, body } => {
                let mut shape = vec![("pattern", child(pattern)), ("body", child(body))];
                if let Some(guard) = guard {
                    shape.insert(1, ("guard", child(guard)));
                }
                ("Arm", shape)
            }
            Node::Yield(value) => ("Yield", vec![("value", opt_child(value))]),
            Node::Return(value) => ("Return", vec![("value", opt_child(value))]),
            Node::Throw(value) => ("Throw", vec![("value", child(value))]),
            Node::Break(label) => ("Break", vec![("label", opt_name(label))]),
            Node::Continue(label) => ("Continue", vec![("label", opt_name(label))]),
            Node::Defer(function) => ("Defer", vec![("body", child(self.function(function).body))]),
            Node::Debugger => ("Debugger", vec![]),
            Node::Ident(symbol) => ("Binding", vec![("name", text(symbol))]),
            Node::Wildcard => ("Wildcard", vec![]),
            Node::LiteralPattern(value) => ("LiteralPattern", vec![("value", child(value))]),
            Node::VariantPattern {
                enum_name,
                variant,
                fields,
            } => (
                "VariantPattern",
                vec![
                    ("enum", text(enum_name)),
                    ("variant", text(variant)),
                    ("fields", self.parameters(fields)),
                ],
            ),
            Node::AsPattern { pattern, name: id } => {
                ("AsPattern", vec![("pattern", child(pattern)), ("name", name(id))])
            }
            Node::RangePattern {
                start,
                end,
                inclusive,
            } => (
                "RangePattern",
                vec![
                    ("op", Part::Text(if inclusive { "..=" } else { ".." }.to_owned())),
                    ("start", child(start)),
                    ("end", child(end)),
                ],
            ),
            Node::StructPattern { name, fields } => (
                "StructPattern",
                vec![("struct", text(name)), ("fields", self.children(fields))],
            ),
            Node::OrPattern(items) => ("OrPattern", vec![("patterns", self.children(items))]),
            Node::ArrayPattern(items) => ("ArrayPattern", vec![("elements", self.children(items))]),
            Node::PairPattern { first, second } => (
                "PairPattern",
                vec![("first", name(first)), ("second", name(second))],
            ),
            Node::DefaultPattern { target, default } => (
                "DefaultPattern",
                vec![("target", child(target)), ("default", child(default))],
            ),
            Node::RestPattern(target) => ("RestPattern", vec![("target", child(target))]),
            Node::DictPattern(items) => ("DictPattern", vec![("entries", self.children(items))]),
            Node::EntryPattern { key, target, default } => {
                let alias = (target != key).then_some(target);
                (
                    "EntryPattern",
                    vec![
                        ("key", name(key)),
                        (
                            "alias",
                            match alias.map(|alias| self.node(alias)) {
                                None | Some(Node::Ident(_) | Node::Wildcard) => opt_name(alias),
                                Some(_) => opt_child(alias),
                            },
                        ),
                        ("default", opt_child(default)),
                    ],
                )
            }
            Node::TypeName { .. } | Node::OptionalType(_) | Node::UnionType(_) => {
                ("Type", vec![("text", Part::Text(self.type_text(id)))])
            }
            Node::Error => ("Error", vec![]),
        };
        let mut parts = parts;
        let annotated = match self.node(id) {
            Node::Let { pattern, .. } | Node::Const { pattern, .. } => Some(pattern),
            Node::Ident(_) => Some(id),
            _ => None,
        };
        if let Some(annotation) = annotated.and_then(|name| self.annotation(name)) {
            parts.push(("annotation", child(annotation)));
        }
        if let Some(doc) = self.declared_name(id).and_then(|name| self.doc(name)) {
            parts.push(("doc", text(doc)));
        }
        Shape { kind, parts }
    }
}
