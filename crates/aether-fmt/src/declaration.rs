//! Functions, structs, enums, patterns and annotations.

use aether_ast::{EnumId, FunctionId, Node, NodeId, Power, StructId};
use aether_lexer::TokenKind as T;

use crate::expression::Place;
use crate::layout::Command;
use crate::printer::Printer;

impl Printer<'_> {
    /// `[async] fn [name](…) [-> T] {…}`.
    pub(crate) fn function(&mut self, id: FunctionId) {
        let function = self.ast.function(id);
        if self.opt_token(T::Async) {
            self.space();
        }
        self.token();
        if function.name.is_some() {
            self.space();
            self.token();
        }
        self.list(function.params, Self::pattern);
        if self.kind() == T::Arrow {
            self.space();
            self.token();
            self.space();
            self.annotation_tokens(self.ast.annotation(function.body));
        }
        self.space();
        self.statement_block(function.body);
    }

    /// The annotation of a declared name, if it has one.
    fn annotation(&mut self, declared: NodeId) {
        if let Some(annotation) = self.ast.annotation(declared) {
            self.token();
            self.space();
            self.annotation_tokens(Some(annotation));
        }
    }

    /// The tokens of a type.
    fn annotation_tokens(&mut self, annotation: Option<NodeId>) {
        let Some(annotation) = annotation else { return };
        let end = self.ast.span(annotation).end;
        while self.start() < end && self.kind() != T::EndOfFile {
            match self.kind() {
                T::Comma if self.kind_after() == T::RightBracket => self.drop_token(),
                T::Comma => {
                    self.token();
                    self.space();
                }
                T::Pipe => {
                    self.space();
                    self.token();
                    self.space();
                }
                _ => self.token(),
            }
        }
    }

    pub(crate) fn structure(&mut self, id: StructId, end: u32) {
        let definition = self.ast.structure(id);
        self.token();
        self.space();
        self.token();
        self.space();
        let mut members = self.ast.list(definition.fields).to_vec();
        members.extend(self.ast.list(definition.methods));
        members.sort_by_key(|&id| self.ast.span(id).start);
        // Fields come first, an empty line, then methods; where they are mixed, each change is set apart.
        let is_method = |printer: &Self, id| matches!(printer.ast.node(id), Node::FunctionDecl(_));
        let changes = |printer: &Self, before, id| is_method(printer, before) != is_method(printer, id);
        self.braced_lines(&members, end, changes, |printer, id| match printer.ast.node(id) {
            Node::FunctionDecl(function) => printer.function(function),
            _ => printer.field(id),
        });
    }

    /// `name`, `name: T` or `name: T = e`, and a comma where the word `async` would belong to the method behind it.
    fn field(&mut self, id: NodeId) {
        let begins = self.kind() == T::Async;
        self.field_parts(id);
        if begins && self.kind() == T::Comma {
            self.token();
        } else if begins && self.kind() == T::Fn {
            self.owned(",");
        }
    }

    fn field_parts(&mut self, id: NodeId) {
        let Node::DefaultPattern { target, default } = self.ast.node(id) else {
            return self.pattern(id);
        };
        self.pattern(target);
        self.space();
        self.token();
        self.space();
        if let Node::Function(function) = self.ast.node(default)
            && let Some(value) = self.returned(self.ast.function(function).body)
        {
            self.expression(value);
        }
    }

    pub(crate) fn enumeration(&mut self, id: EnumId, end: u32) {
        let definition = self.ast.enumeration(id);
        self.token();
        self.space();
        self.token();
        self.space();
        let variants = self.ast.list(definition.variants).to_vec();
        self.braced_lines(
            &variants,
            end,
            |_, _, _| false,
            |printer, id| {
                let Node::Variant { fields, .. } = printer.ast.node(id) else {
                    return;
                };
                printer.token();
                if printer.kind() == T::LeftParen {
                    printer.list(fields, Self::pattern);
                }
            },
        );
    }

    /// A pattern, a parameter or a declared name.
    pub(crate) fn pattern(&mut self, id: NodeId) {
        match self.ast.node(id) {
            Node::Ident(_) => {
                self.token();
                self.annotation(id);
            }
            Node::LiteralPattern(value) => self.expression(value),
            Node::VariantPattern { fields, .. } => {
                self.token();
                self.token();
                self.token();
                if self.kind() == T::LeftParen {
                    self.list(fields, Self::pattern);
                }
            }
            Node::OrPattern(items) => {
                let items = self.ast.list(items).to_vec();
                self.group(|printer| {
                    printer.command(Command::IndentBroken);
                    for (at, &item) in items.iter().enumerate() {
                        if at > 0 {
                            printer.command(Command::Line);
                            printer.token();
                            printer.space();
                        }
                        printer.pattern(item);
                    }
                    printer.command(Command::Dedent);
                });
            }
            Node::AsPattern { pattern, .. } => {
                self.pattern(pattern);
                self.space();
                self.token();
                self.space();
                self.token();
            }
            Node::RangePattern { start, end, .. } => {
                self.expression(start);
                self.token();
                self.expression(end);
            }
            Node::StructPattern { fields, .. } => {
                self.token();
                self.space();
                let fields = self.ast.list(fields).to_vec();
                self.braces(&fields, |printer, &field| printer.pattern(field));
            }
            Node::ArrayPattern(items) | Node::DictPattern(items) => {
                self.list(items, Self::pattern);
            }
            Node::PairPattern { first, second } => {
                self.pattern(first);
                self.token();
                self.space();
                self.pattern(second);
            }
            Node::DefaultPattern { target, default } => {
                self.pattern(target);
                self.space();
                self.token();
                self.space();
                self.operand(default, Power::Open, Place::Plain);
            }
            Node::RestPattern(target) => {
                self.token();
                self.pattern(target);
            }
            Node::EntryPattern { key, target, default } => {
                self.pattern(key);
                if self.kind() == T::Colon {
                    self.token();
                    self.space();
                    self.pattern(target);
                }
                if let Some(default) = default {
                    self.space();
                    self.token();
                    self.space();
                    self.expression(default);
                }
            }
            _ => self.token(),
        }
    }
}
