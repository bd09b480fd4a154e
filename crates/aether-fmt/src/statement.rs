//! Statements and the lists of them.

use aether_ast::{Node, NodeId, Power, ensure_stack};
use aether_lexer::TokenKind as T;

use crate::expression::Place;
use crate::layout::Command;
use crate::printer::{Break, Printer};

/// Turns formatting off for the statements that follow in the same list.
const OFF: &str = "// fmt: off";
/// Turns it on again.
const ON: &str = "// fmt: on";

impl Printer<'_> {
    /// The whole program.
    pub(crate) fn program(&mut self) {
        let root = self.ast.root().to_vec();
        let end = self.file.text().len() as u32;
        let apart = |printer: &Self, before, id| printer.is_set_apart(before) || printer.is_set_apart(id);
        self.statements(&root, end, apart, Self::statement);
        // What is left is semicolons and comments.
        self.drop_all(T::Semicolon);
        self.comments_before();
    }

    /// Whether a top-level declaration is separated from its neighbours by an empty line.
    fn is_set_apart(&self, id: NodeId) -> bool {
        matches!(
            self.ast.node(id),
            Node::FunctionDecl(_) | Node::Struct(_) | Node::Enum(_)
        )
    }

    /// A list of statements, members or arms, each on its line, with the comments around them up to `end`. The first one
    /// starts a line, and nothing ends the last one. `apart` says whether an empty line separates two neighbours.
    pub(crate) fn statements(
        &mut self,
        items: &[NodeId],
        end: u32,
        apart: impl Fn(&Self, NodeId, NodeId) -> bool,
        mut write: impl FnMut(&mut Self, NodeId),
    ) {
        let mut first = true;
        let mut skip_to = None;
        for (at, &id) in items.iter().enumerate() {
            if skip_to.is_some_and(|offset| self.ast.span(id).start < offset) {
                continue;
            }
            self.separators(Some(id));
            let wanted = at > 0 && apart(self, items[at - 1], id);
            if let Some(offset) = self.gap(&mut first, wanted, end) {
                skip_to = Some(offset);
                if self.ast.span(id).start < offset {
                    continue;
                }
                self.gap(&mut first, false, end);
            }
            write(self, id);
        }
        self.separators(None);
        self.gap_at_end(&mut first, end);
    }

    /// Drops what separates statements, but for what keeps the next arm or field from being read as the rest of this one.
    /// A statement that would be gets parentheses instead.
    fn separators(&mut self, next: Option<NodeId>) {
        let is_statement = next.is_some_and(|id| {
            !matches!(
                self.ast.node(id),
                Node::Arm { .. } | Node::Ident(_) | Node::DefaultPattern { .. } | Node::Variant { .. }
            )
        });
        while matches!(self.kind(), T::Semicolon | T::Comma) {
            // What documents a field stays in front of the comma.
            let documents = self.has_comment() && self.kind() == T::Comma;
            if !continues(self.kind_after()) && !documents {
                self.drop_token();
            } else if is_statement {
                self.sign_needs_parentheses = self.kind_after() == T::Minus;
                self.drop_token();
            } else {
                self.token();
            }
        }
    }

    /// The comments between two statements and the line ends around them. Where formatting is turned off, what follows is
    /// copied, and where it ends is given.
    fn gap(&mut self, first: &mut bool, mut apart: bool, end: u32) -> Option<u32> {
        apart &= !self.has_empty_line();
        let mut begun = false;
        loop {
            let found = self.take_break();
            let is_behind = std::mem::replace(&mut begun, true) && found == Break::None;
            let is_blank = found == Break::Blank || std::mem::take(&mut apart);
            let at_comment = self.has_comment();
            if *first {
                *first = false;
                self.command(Command::FreshLine);
            } else if is_behind {
                // A comment on the line of the statement behind it.
            } else if is_blank {
                self.command(Command::BlankLine);
            } else {
                self.command(Command::HardLine);
            }
            if !at_comment {
                return None;
            }
            let is_off = self.comment().trim_end() == OFF;
            self.take_comment();
            if is_off {
                return Some(self.verbatim(end));
            }
        }
    }

    /// The comments behind the last statement.
    fn gap_at_end(&mut self, first: &mut bool, end: u32) {
        loop {
            let found = self.take_break();
            if !self.has_comment() {
                return;
            }
            if std::mem::take(first) {
                self.command(Command::FreshLine);
            } else if found == Break::Blank {
                self.command(Command::BlankLine);
            } else {
                self.command(Command::HardLine);
            }
            let is_off = self.comment().trim_end() == OFF;
            self.take_comment();
            if is_off {
                self.verbatim(end);
            }
        }
    }

    /// Copies the lines from here up to the comment that turns formatting on, or to the end of the list; gives where
    /// that is.
    fn verbatim(&mut self, end: u32) -> u32 {
        let text = self.file.text();
        let here = self.cursor_offset() as usize;
        let start = here + text[here..].find('\n').map_or(text.len() - here, |at| at + 1);
        let start = (start as u32).min(end);
        let (stop, resume) = self.find_comment(ON, end).unwrap_or_else(|| {
            let last = text[..end as usize].rfind('\n').map_or(end, |at| at as u32 + 1);
            if end as usize == text.len() {
                (end, end)
            } else {
                (last.max(start), end)
            }
        });
        let stop = stop.max(start);
        self.command(Command::Verbatim(aether_source::Span::new(start, stop)));
        self.move_to(resume);
        resume
    }

    /// `{ … }` of statements.
    pub(crate) fn statement_block(&mut self, id: NodeId) {
        let Node::Block(list) = self.ast.node(id) else {
            return self.statement(id);
        };
        let items = self.ast.list(list).to_vec();
        self.braced_lines(&items, self.ast.span(id).end, |_, _, _| false, Self::statement);
    }

    /// Lines between braces; `end` is just behind the closing one.
    pub(crate) fn braced_lines(
        &mut self,
        items: &[NodeId],
        end: u32,
        apart: impl Fn(&Self, NodeId, NodeId) -> bool,
        write: impl FnMut(&mut Self, NodeId),
    ) {
        self.token();
        self.drop_all(T::Semicolon);
        let commented = matches!(self.commands.last(), Some(Command::NeedLine)) || self.has_comment();
        if items.is_empty() && !commented && self.kind() == T::RightBrace {
            return self.token();
        }
        self.block(|printer| printer.statements(items, end - 1, apart, write));
        self.command(Command::HardLine);
        self.token();
    }

    /// A statement.
    pub(crate) fn statement(&mut self, id: NodeId) {
        ensure_stack(|| self.statement_here(id));
    }

    fn statement_here(&mut self, id: NodeId) {
        match self.ast.node(id) {
            Node::ExprStmt(value) => self.operand(value, Power::Open, Place::Statement),
            Node::Let { pattern, value } | Node::Const { pattern, value } => {
                self.token();
                self.space();
                self.pattern(pattern);
                self.space();
                self.token();
                self.space();
                self.expression(value);
            }
            Node::Assign { target, value }
            | Node::CompoundAssign { target, value, .. }
            | Node::LogicalAssign { target, value, .. } => self.assignment(target, value),
            Node::FunctionDecl(function) => self.function(function),
            Node::Struct(definition) => self.structure(definition, self.ast.span(id).end),
            Node::Enum(definition) => self.enumeration(definition, self.ast.span(id).end),
            Node::Import { alias, .. } => {
                self.token();
                self.space();
                self.imported(alias);
            }
            Node::FromImport { items, .. } => {
                self.token();
                self.space();
                self.token();
                self.space();
                self.token();
                let items = self.ast.list(items).to_vec();
                self.group(|printer| {
                    printer.command(Command::IndentBroken);
                    printer.space();
                    for (at, &item) in items.iter().enumerate() {
                        if let Node::ImportItem { alias, .. } = printer.ast.node(item) {
                            printer.imported(alias);
                        }
                        if at + 1 < items.len() {
                            printer.token();
                            printer.command(Command::Line);
                        } else {
                            printer.drop_all(T::Comma);
                        }
                    }
                    printer.command(Command::Dedent);
                });
            }
            Node::Block(_) => self.statement_block(id),
            Node::If { .. } => self.if_statement(id),
            Node::While { condition, body } => {
                self.token();
                self.condition(condition);
                self.space();
                self.statement(body);
            }
            Node::Loop(body) => {
                self.token();
                self.space();
                self.statement(body);
            }
            Node::For {
                binding,
                iterable,
                body,
            } => {
                self.for_head(binding, iterable);
                self.space();
                self.statement(body);
            }
            Node::Labelled { body, .. } => {
                self.token();
                self.token();
                self.space();
                self.statement(body);
            }
            Node::Try { body, catch, finally } => {
                self.token();
                self.space();
                self.statement(body);
                if let Some(Node::Catch { binding, body }) = catch.map(|id| self.ast.node(id)) {
                    self.space();
                    self.token();
                    if binding.is_some() {
                        self.token();
                        self.token();
                        self.token();
                    }
                    self.space();
                    self.statement(body);
                }
                if let Some(body) = finally {
                    self.space();
                    self.token();
                    self.space();
                    self.statement(body);
                }
            }
            Node::Match { subject, arms } => self.match_arms(subject, arms),
            Node::Return(value) | Node::Yield(value) => {
                self.token();
                if let Some(value) = value {
                    self.space();
                    self.expression(value);
                }
            }
            Node::Throw(value) => {
                self.token();
                self.space();
                self.expression(value);
            }
            Node::Break(label) | Node::Continue(label) => {
                self.token();
                if label.is_some() {
                    self.space();
                    self.token();
                }
            }
            Node::Defer(function) => {
                self.token();
                self.space();
                let body = self.ast.function(function).body;
                if self.kind() == T::LeftBrace {
                    return self.statement(body);
                }
                let Node::Block(list) = self.ast.node(body) else {
                    return;
                };
                if let Some(Node::ExprStmt(value)) = self.ast.list(list).first().map(|&id| self.ast.node(id))
                {
                    self.operand(value, Power::Open, Place::Deferred);
                }
            }
            Node::Debugger => self.token(),
            // Names, patterns and types stand within other nodes; so do expressions.
            _ => self.token(),
        }
    }

    /// `name` or `name as alias`.
    fn imported(&mut self, alias: Option<NodeId>) {
        self.token();
        if alias.is_some() {
            self.space();
            self.token();
            self.space();
            self.token();
        }
    }

    /// `target op= value`; parentheses around the target are dropped.
    fn assignment(&mut self, target: NodeId, value: NodeId) {
        let start = self.ast.span(target).start;
        let mut dropped = 0;
        while self.kind() == T::LeftParen && self.start() < start {
            self.drop_token();
            dropped += 1;
        }
        self.operand(target, Power::Primary, Place::Statement);
        (0..dropped).for_each(|_| self.drop_token());
        self.space();
        self.token();
        self.space();
        self.expression(value);
    }

    /// `(c)` behind `if` and `while`.
    fn condition(&mut self, condition: NodeId) {
        self.space();
        self.bracketed(|printer| printer.expression(condition));
    }

    fn if_statement(&mut self, id: NodeId) {
        let mut current = id;
        while let Node::If {
            condition,
            then,
            otherwise,
        } = self.ast.node(current)
        {
            self.token();
            self.condition(condition);
            self.space();
            self.statement(then);
            let Some(otherwise) = otherwise else { return };
            self.drop_all(T::Semicolon);
            self.space();
            self.token();
            self.space();
            current = otherwise;
            if !matches!(self.ast.node(current), Node::If { .. }) {
                return self.statement(current);
            }
        }
    }

    /// `match e { … }`, as a statement or a value.
    pub(crate) fn match_arms(&mut self, subject: NodeId, arms: aether_ast::List) {
        self.token();
        self.space();
        self.operand(subject, Power::Coalesce, Place::Head);
        self.space();
        let arms = self.ast.list(arms).to_vec();
        let end = arms.last().map_or(self.start() + 1, |&arm| {
            self.closing_brace(self.ast.span(arm).end)
        });
        self.braced_lines(&arms, end, |_, _, _| false, Self::arm);
    }

    fn arm(&mut self, id: NodeId) {
        let Node::Arm { pattern, guard, body } = self.ast.node(id) else {
            return;
        };
        self.pattern(pattern);
        if let Some(guard) = guard {
            self.space();
            self.token();
            self.space();
            self.operand(guard, Power::Coalesce, Place::Guard);
        }
        self.space();
        self.token();
        self.space();
        self.statement(body);
    }
}

/// Whether a statement that starts with this token would be read as the rest of the one before it.
fn continues(kind: T) -> bool {
    matches!(
        kind,
        T::Minus | T::In | T::As | T::Dot | T::QuestionDot | T::Question | T::Else | T::Catch | T::Finally
    )
}
