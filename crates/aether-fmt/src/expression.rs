//! Expressions.
//!
//! Chains to the left (operators, calls, members, ternaries) are walked by loops; everything else that nests is bounded
//! by the parser's limit.

use aether_ast::{FunctionId, FunctionKind, List, Node, NodeId, Power, UnaryOp, ensure_stack};
use aether_lexer::TokenKind as T;

use crate::layout::Command;
use crate::parens::{is_single, power_within};
use crate::printer::Printer;

/// Calls in a row from which on a chain of methods may break before each.
const LONG_CHAIN: usize = 2;

/// Where an expression stands, as far as parentheses are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Anywhere else.
    Plain,
    /// At the start of a statement, where a brace is a block and some words are keywords.
    Statement,
    /// In the head of `for`, `match` or a clause.
    Head,
    /// In a guard.
    Guard,
    /// Behind `defer`, which some tokens would make a name.
    Deferred,
}

impl Place {
    /// The place of what is not the first part of an expression.
    fn inside(self) -> Self {
        match self {
            Self::Statement | Self::Deferred => Self::Plain,
            Self::Plain | Self::Head | Self::Guard => self,
        }
    }
}

impl Printer<'_> {
    /// An expression that may be anything.
    pub(crate) fn expression(&mut self, id: NodeId) {
        self.operand(id, Power::Open, Place::Plain);
    }

    /// An expression in parentheses unless it holds together as tightly as `least`.
    pub(crate) fn operand(&mut self, id: NodeId, least: Power, place: Place) {
        ensure_stack(|| self.operand_here(id, least, place));
    }

    fn operand_here(&mut self, id: NodeId, least: Power, place: Place) {
        match self.ast.node(id) {
            Node::Group(inner) if self.keeps(id, inner, least, place) => self.grouped(inner),
            Node::Group(inner) => {
                self.drop_token();
                self.operand(inner, least, place);
                self.drop_token();
            }
            Node::Binary {
                op: aether_ast::BinaryOp::Power,
                ..
            } => self.power(id, place),
            Node::Binary { .. } | Node::Logical { .. } | Node::Membership { .. } | Node::Range { .. } => {
                self.infix(id, place);
            }
            Node::Ternary { .. } => self.ternary(id, place),
            Node::Call { .. }
            | Node::Member { .. }
            | Node::Index { .. }
            | Node::Slice { .. }
            | Node::StructLit { .. } => self.postfix(id, place),
            Node::Unary { op, operand } => self.unary(op, operand, place),
            Node::Array(items) => self.list(items, Self::element),
            Node::Dict(items) => self.dict(items),
            Node::ArrayComprehension { element, clauses } => {
                self.comprehension(clauses, |printer| {
                    printer.operand(element, Power::Coalesce, Place::Plain);
                });
            }
            Node::DictComprehension { key, value, clauses } => {
                self.comprehension(clauses, |printer| {
                    printer.entry(key, value, Power::Coalesce);
                });
            }
            Node::Function(function) => self.function_value(function),
            Node::Interpolation(pieces) => self.interpolation(pieces),
            Node::MatchExpr { subject, arms } => self.match_arms(subject, arms),
            Node::Spread(_) | Node::Keyword { .. } => self.element(id),
            _ => self.token(),
        }
    }

    /// Whether the parentheses around `inner` stay.
    pub(crate) fn keeps(&self, group: NodeId, inner: NodeId, least: Power, place: Place) -> bool {
        if self.has_comment_inside(group, inner) {
            return true;
        }
        let innermost = self.ast.without_groups(inner);
        if power_within(self.ast, innermost) < least {
            return true;
        }
        let span = self.ast.span(innermost);
        match place {
            Place::Plain => false,
            Place::Statement => self.reads_as_statement(innermost),
            Place::Head => self
                .kinds_in(span)
                .any(|kind| matches!(kind, T::LeftBrace | T::In | T::If | T::For | T::FatArrow)),
            // `defer (e)` would be a call, so what is in parentheses there begins further in.
            Place::Deferred => self.reads_as_statement(innermost) || self.first_kind(innermost) != T::Ident,
            Place::Guard => self.kinds_in(span).any(|kind| kind == T::FatArrow),
        }
    }

    /// Whether an expression would be read as something else at the start of a statement.
    fn reads_as_statement(&self, id: NodeId) -> bool {
        let span = self.ast.span(id);
        let text = self.file.slice(span);
        let word = text
            .split(|found: char| !found.is_alphanumeric() && found != '_')
            .next();
        match self.first_kind(id) {
            T::Ident => matches!(word, Some("const" | "defer" | "loop" | "yield")),
            T::Int | T::Float | T::String | T::TripleString | T::StringStart => false,
            T::LeftBracket | T::Bang | T::Tilde | T::True | T::False | T::Null | T::Await => false,
            // A group within: whatever it begins with.
            T::LeftParen => false,
            _ => true,
        }
    }

    /// The kind of the first token of a node.
    pub(crate) fn first_kind(&self, id: NodeId) -> T {
        self.kinds_in(self.ast.span(id)).next().unwrap_or(T::EndOfFile)
    }

    /// `( e )`.
    fn grouped(&mut self, inner: NodeId) {
        self.bracketed(|printer| printer.expression(inner));
    }

    /// Takes off parentheses that are not needed: how many there were.
    fn ungroup(&mut self, id: &mut NodeId, least: Power, place: Place) -> usize {
        let mut dropped = 0;
        while let Node::Group(inner) = self.ast.node(*id) {
            if self.keeps(*id, inner, least, place) {
                break;
            }
            dropped += 1;
            *id = inner;
        }
        dropped
    }

    /// A prefix operator and its operand.
    fn unary(&mut self, op: UnaryOp, operand: NodeId, place: Place) {
        if place == Place::Statement && std::mem::take(&mut self.sign_needs_parentheses) {
            // As parentheses that are there already, so that formatting again changes nothing.
            self.owned("(");
            self.within_brackets(|printer| printer.unary(op, operand, Place::Plain));
            self.owned(")");
            return;
        }
        let sign = self.kind();
        self.token();
        match self.ast.node(operand) {
            _ if op == UnaryOp::Await => self.space(),
            // Two signs in a row are kept apart.
            Node::Unary { .. } if sign == T::Minus && self.kind() == T::Minus => self.space(),
            _ => {}
        }
        match self.ast.node(operand) {
            Node::Group(inner) if op == UnaryOp::Negate && self.first_kind(inner) == T::Minus => {
                self.grouped(inner);
            }
            _ => self.operand(operand, Power::Prefix, place.inside()),
        }
    }

    /// Operators of one power that group to the left.
    fn infix(&mut self, id: NodeId, place: Place) {
        let power = Power::of(self.ast, id);
        // From the outermost: the right operand, and how many parentheses around the whole are dropped.
        let mut links: Vec<(NodeId, usize)> = Vec::new();
        let mut current = id;
        let mut around = 0;
        let first = loop {
            let (lhs, rhs) = match self.ast.node(current) {
                Node::Binary { lhs, rhs, .. } | Node::Logical { lhs, rhs, .. } => (lhs, rhs),
                Node::Membership { item, container, .. } => (item, container),
                Node::Range { start, end, .. } => (start, end),
                _ => break current,
            };
            links.push((rhs, around));
            let inner = self.ast.without_groups(lhs);
            let same = Power::of(self.ast, inner) == power
                && !(is_single(self.ast, inner) && is_single(self.ast, current));
            if !same {
                break lhs;
            }
            let mut inside = lhs;
            around = self.ungroup(&mut inside, power, place);
            if matches!(self.ast.node(inside), Node::Group(_)) {
                break lhs;
            }
            current = inside;
        };
        let singles = is_single(self.ast, self.ast.without_groups(first)) && is_single(self.ast, current);
        let least = if singles { power.above() } else { power };
        self.group(|printer| {
            // Parentheses open before the first operand; the groups counted so far belong to the operators inside.
            let opened: usize = links.iter().map(|&(_, around)| around).sum();
            (0..opened).for_each(|_| printer.drop_token());
            printer.operand(first, least, place);
            printer.command(Command::IndentBroken);
            for &(rhs, around) in links.iter().rev() {
                printer.command(if power == Power::Range {
                    Command::SoftLine
                } else {
                    Command::Line
                });
                let is_negated = printer.kind() == T::Bang;
                printer.token();
                if is_negated {
                    printer.token();
                }
                if power != Power::Range {
                    printer.space();
                }
                let least = if power == Power::Coalesce {
                    Power::Ternary
                } else {
                    power.above()
                };
                printer.operand(rhs, least, place.inside());
                (0..around).for_each(|_| printer.drop_token());
            }
            printer.command(Command::Dedent);
        });
    }

    /// `a ** b`, which groups to the right.
    fn power(&mut self, id: NodeId, place: Place) {
        let Node::Binary { lhs, rhs, .. } = self.ast.node(id) else {
            return;
        };
        self.operand(lhs, Power::Prefix, place);
        self.space();
        self.token();
        self.space();
        self.operand(rhs, Power::Exponent, place.inside());
    }

    /// `c ? a : d ? b : e`.
    fn ternary(&mut self, id: NodeId, place: Place) {
        let inside = place.inside();
        self.group(|printer| {
            let mut current = id;
            let mut place = place;
            let mut dropped = 0;
            let mut indented = false;
            while let Node::Ternary {
                condition,
                then,
                otherwise,
            } = printer.ast.node(current)
            {
                printer.operand(condition, Power::Or, place);
                place = inside;
                if !indented {
                    printer.command(Command::IndentBroken);
                    indented = true;
                }
                printer.command(Command::Line);
                printer.token();
                printer.space();
                printer.operand(then, Power::Coalesce, inside);
                printer.command(Command::Line);
                printer.token();
                printer.space();
                current = otherwise;
                let groups = printer.ungroup(&mut current, Power::Ternary, inside);
                (0..groups).for_each(|_| printer.drop_token());
                dropped += groups;
            }
            printer.operand(current, Power::Ternary, inside);
            printer.command(Command::Dedent);
            (0..dropped).for_each(|_| printer.drop_token());
        });
    }

    /// Calls, members, subscripts and struct literals.
    fn postfix(&mut self, id: NodeId, place: Place) {
        let mut links = Vec::new();
        let mut base = id;
        loop {
            let inner = match self.ast.node(base) {
                Node::Call { callee, .. } => callee,
                Node::Member { object, .. } | Node::Index { object, .. } | Node::Slice { object, .. } => {
                    object
                }
                Node::StructLit { target, .. } => target,
                _ => break,
            };
            links.push(base);
            base = inner;
        }
        let is_method = |printer: &Self, at: usize| {
            at > 0
                && matches!(printer.ast.node(links[at]), Node::Member { .. })
                && matches!(printer.ast.node(links[at - 1]), Node::Call { .. })
        };
        let methods = (0..links.len()).filter(|&at| is_method(self, at)).count();
        let called = links
            .last()
            .is_some_and(|&link| matches!(self.ast.node(link), Node::Call { .. }));
        let write = |printer: &mut Self| {
            printer.base(base, called, place);
            for at in (0..links.len()).rev() {
                if methods >= LONG_CHAIN && is_method(printer, at) {
                    printer.command(Command::SoftLine);
                }
                printer.link(links[at]);
            }
        };
        if methods < LONG_CHAIN {
            // Nothing to break here: what its brackets hold is no deeper for it.
            return write(self);
        }
        self.group(|printer| {
            printer.command(Command::IndentBroken);
            write(printer);
            printer.command(Command::Dedent);
        });
    }

    /// What a chain of calls and members begins with.
    fn base(&mut self, id: NodeId, called: bool, place: Place) {
        let Node::Group(inner) = self.ast.node(id) else {
            return self.operand(id, Power::Primary, place);
        };
        let innermost = self.ast.without_groups(inner);
        let droppable = match self.ast.node(innermost) {
            Node::Name(_) | Node::Array(_) => true,
            Node::Str(_) | Node::Interpolation(_) => !called,
            Node::Call { .. } | Node::Index { .. } => !self.has_optional(innermost),
            Node::Member { .. } | Node::Slice { .. } => !called && !self.has_optional(innermost),
            _ => false,
        };
        if droppable && !self.keeps(id, inner, Power::Primary, place) {
            self.drop_token();
            self.base(inner, called, place);
            self.drop_token();
        } else {
            self.grouped(inner);
        }
    }

    /// Whether a chain has an optional link, which ends at its parentheses.
    fn has_optional(&self, id: NodeId) -> bool {
        self.kinds_in(self.ast.span(id))
            .any(|kind| kind == T::QuestionDot)
    }

    /// One link of a chain.
    fn link(&mut self, id: NodeId) {
        match self.ast.node(id) {
            Node::Call { args, .. } => self.arguments(args, self.ast.span(id).end),
            Node::Member { .. } => {
                self.token();
                self.token();
            }
            Node::Index { index, .. } => {
                self.opt_token(T::QuestionDot);
                self.bracketed(|printer| printer.expression(index));
            }
            Node::Slice { start, end, .. } => self.bracketed(|printer| {
                if let Some(start) = start {
                    printer.operand(start, Power::Or, Place::Plain);
                }
                printer.token();
                if let Some(end) = end {
                    printer.operand(end, Power::Or, Place::Plain);
                }
            }),
            Node::StructLit { fields, .. } => {
                self.space();
                let pairs: Vec<[NodeId; 2]> = self.pairs(fields);
                self.braces(&pairs, |printer, &[_, value]| {
                    printer.token();
                    printer.token();
                    printer.space();
                    printer.expression(value);
                });
            }
            _ => {}
        }
    }

    /// Arguments in parentheses. Brackets around a single one break for themselves.
    fn arguments(&mut self, args: List, end: u32) {
        let single = match *self.ast.list(args) {
            [only] => Some(only).filter(|&only| {
                let inner = self.ast.without_groups(only);
                let span = self.ast.span(inner);
                let has_brackets = matches!(
                    self.ast.node(inner),
                    Node::Array(_) | Node::Dict(_) | Node::StructLit { .. } | Node::Call { .. }
                );
                has_brackets
                    && !self.has_comment_between(self.start(), span.start)
                    && !self.has_comment_between(span.end, end)
            }),
            _ => None,
        };
        let Some(only) = single else {
            return self.list(args, Self::element);
        };
        self.token();
        self.expression(only);
        self.drop_all(T::Comma);
        self.token();
    }

    /// Keys and values in turn, as pairs.
    pub(crate) fn pairs(&self, list: List) -> Vec<[NodeId; 2]> {
        self.ast
            .list(list)
            .chunks_exact(2)
            .map(|pair| [pair[0], pair[1]])
            .collect()
    }

    /// A bracket, what `inner` writes, and the closing one.
    pub(crate) fn bracketed(&mut self, inner: impl FnOnce(&mut Self)) {
        self.token();
        self.within_brackets(|printer| {
            inner(printer);
            printer.comments_before();
        });
        self.token();
    }

    /// What stands between brackets, on lines of its own where the line is too long.
    fn within_brackets(&mut self, inner: impl FnOnce(&mut Self)) {
        self.group(|printer| {
            printer.command(Command::IndentBroken);
            printer.command(Command::SoftLine);
            inner(printer);
            printer.command(Command::Dedent);
            printer.command(Command::SoftLine);
        });
    }

    /// Items between brackets.
    pub(crate) fn list(&mut self, items: List, mut item: impl FnMut(&mut Self, NodeId)) {
        let items = self.ast.list(items).to_vec();
        self.items(&items, Command::SoftLine, |printer, &id| item(printer, id));
    }

    /// Items between brackets, separated by commas; a comma behind the last is dropped.
    fn items<I>(&mut self, items: &[I], edge: Command, mut item: impl FnMut(&mut Self, &I)) {
        self.token();
        if items.is_empty() && !self.has_comment() {
            self.drop_all(T::Comma);
            self.token();
            return;
        }
        self.group(|printer| {
            printer.command(Command::IndentBroken);
            printer.command(edge);
            for (at, entry) in items.iter().enumerate() {
                let before = printer.commands.len();
                item(printer, entry);
                if at + 1 < items.len() {
                    printer.break_around_lines(before);
                    printer.token();
                    printer.command(Command::Line);
                } else {
                    printer.drop_all(T::Comma);
                }
            }
            printer.comments_before();
            printer.command(Command::Dedent);
            printer.command(edge);
        });
        self.token();
    }

    /// Items between braces, a blank inside each.
    pub(crate) fn braces<I>(&mut self, items: &[I], item: impl FnMut(&mut Self, &I)) {
        self.items(items, Command::Line, item);
    }

    fn dict(&mut self, entries: List) {
        let pairs = self.pairs(entries);
        self.items(&pairs, Command::SoftLine, |printer, &[key, value]| {
            printer.entry(key, value, Power::Open);
        });
    }

    /// `key: value`.
    fn entry(&mut self, key: NodeId, value: NodeId, least: Power) {
        self.operand(key, Power::Or, Place::Plain);
        self.token();
        self.space();
        self.operand(value, least, Place::Plain);
    }

    /// An element of an array or an argument.
    pub(crate) fn element(&mut self, id: NodeId) {
        match self.ast.node(id) {
            Node::Spread(inner) => {
                self.token();
                self.operand(inner, Power::Coalesce, Place::Plain);
            }
            Node::Keyword { value, .. } => {
                self.token();
                self.space();
                self.token();
                self.space();
                self.expression(value);
            }
            _ => self.expression(id),
        }
    }

    fn comprehension(&mut self, clauses: List, element: impl FnOnce(&mut Self)) {
        let clauses = self.ast.list(clauses).to_vec();
        self.bracketed(|printer| {
            element(printer);
            printer.drop_all(T::Comma);
            for clause in clauses {
                printer.command(Command::Line);
                match printer.ast.node(clause) {
                    Node::ForClause { binding, iterable } => printer.for_head(binding, iterable),
                    Node::IfClause(condition) => {
                        printer.token();
                        printer.space();
                        printer.operand(condition, Power::Coalesce, Place::Head);
                    }
                    _ => {}
                }
            }
        });
    }

    /// `for x in xs`.
    pub(crate) fn for_head(&mut self, binding: NodeId, iterable: NodeId) {
        self.token();
        self.space();
        self.pattern(binding);
        self.space();
        self.token();
        self.space();
        self.operand(iterable, Power::Coalesce, Place::Head);
    }

    fn function_value(&mut self, id: FunctionId) {
        let function = self.ast.function(id);
        match function.kind {
            FunctionKind::Arrow => {}
            _ => return self.function(id),
        }
        if self.opt_token(T::Async) {
            self.space();
        }
        if self.kind() == T::LeftParen {
            self.list(function.params, Self::pattern);
        } else {
            self.token();
        }
        self.space();
        self.token();
        self.space();
        if self.kind() == T::LeftBrace {
            return self.statement_block(function.body);
        }
        if let Some(value) = self.returned(function.body) {
            self.operand(value, Power::Open, Place::Statement);
        }
    }

    /// The expression of a body that is a block which returns it.
    pub(crate) fn returned(&self, body: NodeId) -> Option<NodeId> {
        let Node::Block(list) = self.ast.node(body) else {
            return None;
        };
        match self.ast.node(*self.ast.list(list).first()?) {
            Node::Return(value) => value,
            _ => None,
        }
    }

    fn interpolation(&mut self, pieces: List) {
        let around = self.single_quotes;
        let own = self.slice() == "'";
        self.single_quotes = own;
        self.token();
        let pieces = self.ast.list(pieces).to_vec();
        self.flat(|printer| {
            for piece in pieces {
                if matches!(printer.ast.node(piece), Node::Str(_)) && printer.kind() == T::StringText {
                    printer.token();
                    continue;
                }
                printer.token();
                printer.single_quotes = false;
                if let Node::Formatted { value, .. } = printer.ast.node(piece) {
                    printer.operand(value, Power::Or, Place::Guard);
                    printer.token();
                } else {
                    printer.expression(piece);
                }
                printer.comments_before();
                printer.token();
                printer.single_quotes = own;
            }
        });
        self.token();
        self.single_quotes = around;
    }
}
