//! The tree as source text that parses back to the same tree, parentheses aside.
//!
//! Invariants
//! - No recursion: what remains to be written is on a work list, so chains may have any length.
//! - Chains to the left are written without parentheses; elsewhere parentheses are kept to where precedence or the
//!   start of a statement asks for them.
//! - Statements end in `;`, since the next one may start with something that would continue them.
//!
//! Not here: layout that pleases and comments, which are the formatter's. Error nodes have no text.

use std::fmt::Write as _;

use crate::build::Ast;
use crate::node::{Function, FunctionKind, List, Node, NodeId, UnaryOp};
use crate::power::Power;
use crate::shape::float_text;

/// What remains to be written.
enum Work {
    Text(&'static str),
    Owned(String),
    Node(NodeId),
    /// A new line at this level.
    Line(usize),
    /// Statements, each on its line at this level.
    Statement(NodeId, usize),
}

/// Writes the tree as source text.
pub fn print(ast: &Ast) -> String {
    let mut printer = Printer {
        ast,
        level: 0,
        pending: Vec::new(),
    };
    let mut out = String::new();
    let mut stack: Vec<Work> = Vec::new();
    if let Some(doc) = ast.module_doc() {
        printer.doc("//!", doc, 0);
        printer.pending.push(Work::Line(0));
    }
    for &id in ast.root() {
        printer.doc_of(id, 0);
        printer.pending.push(Work::Statement(id, 0));
    }
    stack.extend(printer.pending.drain(..).rev());
    while let Some(next) = stack.pop() {
        match next {
            Work::Text(text) => out.push_str(text),
            Work::Owned(text) => out.push_str(&text),
            Work::Line(level) => {
                printer.level = level;
                out.push('\n');
                out.extend(std::iter::repeat_n("    ", level.min(64)));
            }
            Work::Node(id) => {
                printer.node(id);
                stack.extend(printer.pending.drain(..).rev());
            }
            Work::Statement(id, level) => {
                printer.level = level;
                printer.node(id);
                printer.pending.push(Work::Text(";"));
                printer.pending.push(Work::Line(level));
                stack.extend(printer.pending.drain(..).rev());
            }
        }
    }
    out.truncate(out.trim_end().len());
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

struct Printer<'a> {
    ast: &'a Ast,
    /// Level of the line being written.
    level: usize,
    /// What the current node consists of, in order.
    pending: Vec<Work>,
}

impl Printer<'_> {
    fn text(&mut self, text: &'static str) {
        self.pending.push(Work::Text(text));
    }

    fn owned(&mut self, text: impl Into<String>) {
        self.pending.push(Work::Owned(text.into()));
    }

    fn child(&mut self, id: NodeId) {
        self.pending.push(Work::Node(id));
    }

    /// The lines that document a declaration, before it.
    fn doc_of(&mut self, declaration: NodeId, level: usize) {
        let ast = self.ast;
        if let Some(doc) = ast.declared_name(declaration).and_then(|name| ast.doc(name)) {
            self.doc("///", doc, level);
        }
    }

    fn doc(&mut self, mark: &'static str, doc: crate::node::Symbol, level: usize) {
        for line in self.ast.text(doc).split('\n') {
            let blank = if line.is_empty() { "" } else { " " };
            self.owned(format!("{mark}{blank}{line}"));
            self.pending.push(Work::Line(level));
        }
    }

    fn symbol(&mut self, symbol: crate::node::Symbol) {
        let text = self.ast.text(symbol).to_owned();
        self.owned(text);
    }

    /// Writes a child between two texts if there is one.
    fn opt_child(&mut self, before: &'static str, id: Option<NodeId>) {
        if let Some(id) = id {
            self.text(before);
            self.child(id);
        }
    }

    /// The expression of a field's default, which is a function of the kind that no script writes.
    fn field_default(&self, default: NodeId) -> Option<NodeId> {
        let Node::Function(function) = self.ast.node(default) else {
            return None;
        };
        let function = self.ast.function(function);
        if function.kind != FunctionKind::FieldDefault {
            return None;
        }
        match self.ast.node(function.body) {
            Node::Block(list) => match self.ast.node(*self.ast.list(list).first()?) {
                Node::Return(value) => value,
                _ => None,
            },
            _ => None,
        }
    }

    /// The annotation of a declared name or of a function's result.
    fn annotation(&mut self, before: &'static str, declared: NodeId) {
        self.opt_child(before, self.ast.annotation(declared));
    }

    fn commas(&mut self, list: List) {
        for (at, &id) in self.ast.list(list).iter().enumerate() {
            if at > 0 {
                self.text(", ");
            }
            self.child(id);
        }
    }

    /// Keys and values in turn.
    fn entries(&mut self, list: List) {
        for (at, pair) in self.ast.list(list).chunks_exact(2).enumerate() {
            self.text(if at > 0 { ", " } else { "" });
            self.child(pair[0]);
            self.text(": ");
            self.child(pair[1]);
        }
    }

    /// The clauses of a comprehension.
    fn clauses(&mut self, list: List) {
        for &id in self.ast.list(list) {
            self.text(" ");
            self.child(id);
        }
    }

    /// An operand, in parentheses if it holds together less tightly than `least`.
    fn operand(&mut self, id: NodeId, least: Power) {
        if Power::of(self.ast, id) < least {
            self.parenthesised(id);
        } else {
            self.child(id);
        }
    }

    fn parenthesised(&mut self, id: NodeId) {
        self.text("(");
        self.child(id);
        self.text(")");
    }

    fn infix(&mut self, lhs: NodeId, op: &'static str, rhs: NodeId, power: Power) {
        let (left, right) = if power == Power::Exponent {
            (Power::Prefix, power)
        } else {
            (power, power.above())
        };
        self.operand(lhs, left);
        self.text(" ");
        self.text(op);
        self.text(" ");
        self.operand(rhs, right);
    }

    /// Whether an expression starts with what at the start of a statement would be a block or a `match` statement.
    fn starts_like_statement(&self, mut id: NodeId) -> bool {
        loop {
            id = match self.ast.node(id) {
                Node::Dict(_) | Node::DictComprehension { .. } | Node::MatchExpr { .. } => return true,
                Node::Binary { lhs: id, .. }
                | Node::Membership { item: id, .. }
                | Node::Range { start: id, .. }
                | Node::Logical { lhs: id, .. }
                | Node::Ternary { condition: id, .. }
                | Node::Call { callee: id, .. }
                | Node::Index { object: id, .. }
                | Node::Slice { object: id, .. }
                | Node::Member { object: id, .. }
                | Node::StructLit { target: id, .. } => id,
                _ => return false,
            };
        }
    }

    /// The subject of `for` or `match`, where a struct literal needs parentheses.
    fn head(&mut self, id: NodeId) {
        match self.ast.node(id) {
            Node::Name(_) | Node::Array(_) | Node::Group(_) => self.child(id),
            _ => self.parenthesised(id),
        }
    }

    /// The guard of an arm, where an arrow function needs parentheses: also one at its end.
    fn guard(&mut self, id: NodeId) {
        match self.ast.node(id) {
            Node::Name(_) | Node::Array(_) | Node::Group(_) | Node::Call { .. } => self.child(id),
            _ => self.parenthesised(id),
        }
    }

    fn block(&mut self, list: List) {
        let ast = self.ast;
        let level = self.level;
        self.text("{");
        for &id in ast.list(list) {
            self.pending.push(Work::Line(level + 1));
            self.doc_of(id, level + 1);
            self.pending.push(Work::Node(id));
            self.text(";");
        }
        self.pending.push(Work::Line(level));
        self.text("}");
    }

    fn arrow(&mut self, parts: Function) {
        self.text(if parts.is_async { "async (" } else { "(" });
        self.commas(parts.params);
        self.text(") => ");
        let ast = self.ast;
        if let Node::Block(list) = ast.node(parts.body)
            && let [only] = *ast.list(list)
            && let Node::Return(Some(value)) = ast.node(only)
        {
            if self.starts_like_statement(value) {
                self.parenthesised(value);
            } else {
                self.child(value);
            }
        } else {
            self.child(parts.body);
        }
    }

    fn function(&mut self, id: crate::node::FunctionId) {
        let parts = self.ast.function(id);
        if parts.kind == FunctionKind::Arrow {
            return self.arrow(parts);
        }
        self.text(if parts.is_async { "async fn" } else { "fn" });
        self.opt_child(" ", parts.name);
        self.text("(");
        self.commas(parts.params);
        self.text(")");
        self.annotation(" -> ", parts.body);
        self.text(" ");
        self.child(parts.body);
    }

    fn members(&mut self, lists: [List; 2]) {
        let ast = self.ast;
        let level = self.level;
        self.text(" {");
        for list in lists {
            for &id in ast.list(list) {
                self.pending.push(Work::Line(level + 1));
                self.doc_of(id, level + 1);
                self.pending.push(Work::Node(id));
                if !matches!(ast.node(id), Node::FunctionDecl(_)) {
                    self.text(",");
                }
            }
        }
        self.pending.push(Work::Line(level));
        self.text("}");
    }

    fn node(&mut self, id: NodeId) {
        let ast = self.ast;
        match ast.node(id) {
            Node::Null => self.text("null"),
            Node::Bool(value) => self.text(if value { "true" } else { "false" }),
            Node::Int(value) => self.owned(value.unsigned_abs().to_string()),
            Node::Float(value) => self.owned(float_text(value)),
            Node::Str(symbol) => {
                let mut text = String::from("\"");
                escape(&mut text, ast.text(symbol));
                text.push('"');
                self.owned(text);
            }
            Node::Interpolation(pieces) => {
                self.text("\"");
                for &piece in ast.list(pieces) {
                    if let Node::Str(symbol) = ast.node(piece) {
                        let mut text = String::new();
                        escape(&mut text, ast.text(symbol));
                        self.owned(text);
                    } else {
                        self.text("${");
                        self.child(piece);
                        self.text("}");
                    }
                }
                self.text("\"");
            }
            Node::Formatted { value, spec } => {
                self.operand(value, Power::Coalesce);
                self.text(":");
                self.symbol(spec);
            }
            Node::Name(symbol) => self.symbol(symbol),
            Node::Ident(symbol) => {
                self.symbol(symbol);
                self.annotation(": ", id);
            }
            Node::TypeName { .. } | Node::OptionalType(_) | Node::UnionType(_) => {
                self.owned(ast.type_text(id));
            }
            Node::Wildcard => self.text("_"),
            Node::Array(items) | Node::ArrayPattern(items) => {
                self.text("[");
                self.commas(items);
                self.text("]");
            }
            Node::Keyword { name, value } => {
                self.symbol(name);
                self.text(" = ");
                self.child(value);
            }
            Node::Spread(value) | Node::RestPattern(value) => {
                self.text("...");
                self.child(value);
            }
            Node::Dict(items) => {
                self.text("{");
                self.entries(items);
                self.text("}");
            }
            Node::DictPattern(items) => {
                self.text("{");
                self.commas(items);
                self.text("}");
            }
            Node::ArrayComprehension { element, clauses } => {
                self.text("[");
                self.child(element);
                self.clauses(clauses);
                self.text("]");
            }
            Node::DictComprehension { key, value, clauses } => {
                self.text("{");
                self.child(key);
                self.text(": ");
                self.child(value);
                self.clauses(clauses);
                self.text("}");
            }
            Node::ForClause { binding, iterable } => {
                self.text("for ");
                self.child(binding);
                self.text(" in ");
                self.child(iterable);
            }
            Node::IfClause(condition) => {
                self.text("if ");
                self.child(condition);
            }
            Node::StructLit { target, fields } => {
                self.child(target);
                self.text(" {");
                self.entries(fields);
                self.text("}");
            }
            Node::Function(function) | Node::FunctionDecl(function) => self.function(function),
            Node::Group(inner) => self.parenthesised(inner),
            Node::Unary { op, operand } => {
                self.text(op.as_str());
                self.text(if op == UnaryOp::Await { " " } else { "" });
                self.operand(operand, Power::Prefix);
            }
            Node::Binary { op, lhs, rhs } => self.infix(lhs, op.as_str(), rhs, Power::of_binary(op)),
            Node::Logical { op, lhs, rhs } => self.infix(lhs, op.as_str(), rhs, Power::of_logical(op)),
            Node::Ternary {
                condition,
                then,
                otherwise,
            } => {
                self.operand(condition, Power::Or);
                self.text(" ? ");
                self.child(then);
                self.text(" : ");
                self.operand(otherwise, Power::Ternary);
            }
            Node::Call { callee, args } => {
                self.operand(callee, Power::Primary);
                self.text("(");
                self.commas(args);
                self.text(")");
            }
            Node::Membership {
                item,
                container,
                negated,
            } => {
                self.operand(item, Power::Range);
                self.text(if negated { " !in " } else { " in " });
                self.operand(container, Power::Range);
            }
            Node::Range {
                start,
                end,
                inclusive,
            } => {
                self.operand(start, Power::Shift);
                self.text(if inclusive { "..=" } else { ".." });
                self.operand(end, Power::Shift);
            }
            Node::Index {
                object,
                index,
                optional,
            } => {
                self.operand(object, Power::Primary);
                self.text(if optional { "?.[" } else { "[" });
                self.child(index);
                self.text("]");
            }
            Node::Slice { object, start, end } => {
                self.operand(object, Power::Primary);
                self.opt_child("[", start);
                self.text(if start.is_some() { ":" } else { "[:" });
                self.opt_child("", end);
                self.text("]");
            }
            Node::Member {
                object,
                name,
                optional,
            } => {
                self.operand(object, Power::Primary);
                self.text(if optional { "?." } else { "." });
                self.symbol(name);
            }
            Node::ExprStmt(value) => {
                if self.starts_like_statement(value) {
                    self.parenthesised(value);
                } else {
                    self.child(value);
                }
            }
            Node::Const { pattern, value } => {
                self.text("const ");
                self.child(pattern);
                self.text(" = ");
                self.child(value);
            }
            Node::Let { pattern, value } => {
                self.text("let ");
                self.child(pattern);
                self.text(" = ");
                self.child(value);
            }
            Node::Struct(id) => {
                let parts = ast.structure(id);
                self.text("struct ");
                self.child(parts.name);
                self.members([parts.fields, parts.methods]);
            }
            Node::Enum(id) => {
                let parts = ast.enumeration(id);
                self.text("enum ");
                self.child(parts.name);
                self.members([parts.variants, List::default()]);
            }
            Node::Variant { name, fields } => {
                self.child(name);
                if !fields.is_empty() {
                    self.text("(");
                    self.commas(fields);
                    self.text(")");
                }
            }
            Node::Import { module, alias } => {
                self.text("import ");
                self.child(module);
                self.opt_child(" as ", alias);
            }
            Node::FromImport { module, items } => {
                self.text("from ");
                self.child(module);
                self.text(" import ");
                self.commas(items);
            }
            Node::ImportItem { name, alias } => {
                self.child(name);
                self.opt_child(" as ", alias);
            }
            Node::Assign { target, value } => {
                self.target(target);
                self.text(" = ");
                self.child(value);
            }
            Node::CompoundAssign { op, target, value } => {
                self.target(target);
                self.text(" ");
                self.text(op.as_str());
                self.text("= ");
                self.child(value);
            }
            Node::LogicalAssign { op, target, value } => {
                self.target(target);
                self.text(" ");
                self.text(op.as_str());
                self.text("= ");
                self.child(value);
            }
            Node::Loop(body) => {
                self.text("loop ");
                self.child(body);
            }
            Node::Block(items) => self.block(items),
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                self.text("if (");
                self.child(condition);
                self.text(") ");
                self.child(then);
                self.opt_child(" else ", otherwise);
            }
            Node::While { condition, body } => {
                self.text("while (");
                self.child(condition);
                self.text(") ");
                self.child(body);
            }
            Node::For {
                binding,
                iterable,
                body,
            } => {
                self.text("for ");
                self.child(binding);
                self.text(" in ");
                self.head(iterable);
                if let Node::Block(_) = ast.node(body) {
                    self.text(" ");
                } else {
                    // On the same line a body that starts with a bracket would go on with the head.
                    self.pending.push(Work::Line(self.level));
                }
                self.child(body);
            }
            Node::Labelled { label, body } => {
                self.child(label);
                self.text(": ");
                self.child(body);
            }
            Node::Try { body, catch, finally } => {
                self.text("try ");
                self.child(body);
                self.opt_child(" ", catch);
                self.opt_child(" finally ", finally);
            }
            Node::Catch { binding, body } => {
                self.text("catch ");
                if let Some(binding) = binding {
                    self.parenthesised(binding);
                    self.text(" ");
                }
                self.child(body);
            }
            Node::Match { subject, arms } | Node::MatchExpr { subject, arms } => {
                self.text("match ");
                self.head(subject);
                self.members([arms, List::default()]);
            }
            Node::Arm { pattern, guard, body } => {
                self.child(pattern);
                if let Some(guard) = guard {
                    self.text(" if ");
                    self.guard(guard);
                }
                self.text(" => ");
                self.child(body);
            }
            Node::AsPattern { pattern, name } => {
                self.child(pattern);
                self.text(" as ");
                self.child(name);
            }
            Node::RangePattern {
                start,
                end,
                inclusive,
            } => {
                self.child(start);
                self.text(if inclusive { "..=" } else { ".." });
                self.child(end);
            }
            Node::StructPattern { name, fields } => {
                self.symbol(name);
                self.text(" {");
                self.commas(fields);
                self.text("}");
            }
            Node::Yield(value) => {
                self.text("yield");
                self.opt_child(" ", value);
            }
            Node::Return(value) => {
                self.text("return");
                self.opt_child(" ", value);
            }
            Node::Throw(value) => {
                self.text("throw ");
                self.child(value);
            }
            Node::Break(label) => {
                self.text("break");
                self.opt_child(" ", label);
            }
            Node::Continue(label) => {
                self.text("continue");
                self.opt_child(" ", label);
            }
            Node::Defer(function) => {
                self.text("defer ");
                self.child(ast.function(function).body);
            }
            Node::Debugger => self.text("debugger"),
            Node::LiteralPattern(value) => self.child(value),
            Node::VariantPattern {
                enum_name,
                variant,
                fields,
            } => {
                self.symbol(enum_name);
                self.text(".");
                self.symbol(variant);
                if !fields.is_empty() {
                    self.text("(");
                    self.commas(fields);
                    self.text(")");
                }
            }
            Node::OrPattern(items) => {
                for (at, &item) in ast.list(items).iter().enumerate() {
                    self.text(if at > 0 { " | " } else { "" });
                    self.child(item);
                }
            }
            Node::PairPattern { first, second } => {
                self.child(first);
                self.text(", ");
                self.child(second);
            }
            Node::DefaultPattern { target, default } => {
                self.child(target);
                self.text(" = ");
                self.child(self.field_default(default).unwrap_or(default));
            }
            Node::EntryPattern { key, target, default } => {
                self.child(key);
                if target != key {
                    self.text(": ");
                    self.child(target);
                }
                self.opt_child(" = ", default);
            }
            Node::Error => {}
        }
    }

    /// The target of an assignment.
    fn target(&mut self, id: NodeId) {
        if self.starts_like_statement(id) {
            self.parenthesised(id);
        } else {
            self.child(id);
        }
    }
}

/// Writes the characters of a string so that they read back as themselves.
fn escape(out: &mut String, text: &str) {
    for found in text.chars() {
        match found {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '$' => out.push_str("\\$"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", control as u32);
            }
            other => out.push(other),
        }
    }
}
