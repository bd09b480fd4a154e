//! Expressions: atoms here, operators by chumsky's Pratt parser over the table in `precedence`, but for `**`, the
//! ternary and `??`, which are loops.
//!
//! Nesting that needs no bracket (prefix operators, `**`, ternaries) is counted when the operator is taken and
//! uncounted when it is folded; a failure in between is put right by recovery.

use aether_ast::{BinaryOp, Function, FunctionKind, List, LogicalOp, Node, NodeId, UnaryOp, ensure_stack};
use aether_lexer::TokenKind as T;
use chumsky::error::EmptyErr;
use chumsky::input::MapExtra;
use chumsky::pratt::{infix, left, postfix, prefix};
use chumsky::prelude::*;

use crate::builder::{Builder, Context, Inside};
use crate::control::{loop_binding, match_arms};
use crate::cursor::{
    Cursor, Extra, Parsed, Production, Tokens, eat, fail, give_up, index, missing, peek, peek_at, peek_kind,
    span_from, want,
};
use crate::declaration::{function_body, params, with_function_scope};
use crate::list::{braces, bracketed, comma_items, parens, square_brackets};
use crate::literal::{interpolation, literal};
use crate::pattern::binding;
use crate::precedence::{self, Infix, power, starts_expression};
use crate::statement::Rules;

/// What may follow an operand.
#[derive(Clone, Copy, Debug)]
enum Tail {
    Call(List),
    Index {
        index: NodeId,
        optional: bool,
    },
    Slice(Option<NodeId>, Option<NodeId>),
    Member {
        name: aether_ast::Symbol,
        optional: bool,
    },
    Fields(List),
}

/// `expression`, given itself and the other productions for what nests.
pub(crate) fn expression<'t>(rules: Rules<'t>) -> Production<'t, NodeId> {
    let nested = rules.expression.clone();
    let unary = unary(nested.clone(), atom(rules));
    let operators = coalescing(ternaries(binary(powers(unary)), nested));
    custom(move |inp: &mut Cursor<'t, '_>| ensure_stack(|| inp.parse(&operators))).boxed()
}

/// Parses with a Pratt parser, which steps back over an operator whose operand failed: that is no success.
fn whole<'t>(pratt: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let value = inp.parse(&pratt)?;
        if inp.state().panicking() {
            return Err(EmptyErr::default());
        }
        Ok(value)
    })
    .boxed()
}

/// Prefix operators and what follows an operand.
fn unary<'t>(nested: Production<'t, NodeId>, atom: Production<'t, NodeId>) -> Production<'t, NodeId> {
    let operators = atom.pratt((
        postfix(power::POSTFIX, tail(nested), fold_tail),
        prefix(power::PREFIX, custom(prefix_operator), fold_prefix),
    ));
    whole(operators.boxed())
}

/// `a ** b ** c`, which groups to the right. Its operators nest, so they are counted; the Pratt parser tries an
/// operator at every level before it looks at its power, and would count it each time.
fn powers<'t>(operand: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let mut pending = Vec::new();
        let mut start = index(inp);
        let mut value = inp.parse(&operand)?;
        while peek_kind(inp) == T::StarStar {
            let at = index(inp);
            if !inp.state().enter(at) {
                return give_up(inp);
            }
            inp.skip();
            pending.push((start, value));
            start = index(inp);
            value = inp.parse(&operand)?;
        }
        for (start, lhs) in pending.into_iter().rev() {
            inp.state().leave();
            let span = span_from(inp, start);
            let node = Node::Binary {
                op: BinaryOp::Power,
                lhs,
                rhs: value,
            };
            value = inp.state().add(node, span);
        }
        Ok(value)
    })
    .boxed()
}

/// Infix operators that group to the left, but for `??`.
fn binary(operand: Production<'_, NodeId>) -> Production<'_, NodeId> {
    let operators = operand.pratt((
        infix(left(power::ADDITIVE), operator(power::ADDITIVE), fold_infix),
        infix(left(power::TERM), operator(power::TERM), fold_infix),
        infix(left(power::COMPARISON), comparison(), fold_infix),
        infix(left(power::RANGE), operator(power::RANGE), fold_infix),
        infix(left(power::EQUALITY), operator(power::EQUALITY), fold_infix),
        infix(left(power::SHIFT), operator(power::SHIFT), fold_infix),
        infix(left(power::BIT_AND), operator(power::BIT_AND), fold_infix),
        infix(left(power::BIT_XOR), operator(power::BIT_XOR), fold_infix),
        infix(left(power::BIT_OR), operator(power::BIT_OR), fold_infix),
        infix(left(power::AND), operator(power::AND), fold_infix),
        infix(left(power::OR), operator(power::OR), fold_infix),
    ));
    whole(operators.boxed())
}

/// `c ? a : b`, which groups to the right and whose middle is an expression of its own: parsed once, by repetition,
/// and counted like every other nesting.
fn ternaries<'t>(
    condition: Production<'t, NodeId>,
    nested: Production<'t, NodeId>,
) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let mut pending = Vec::new();
        let mut start = index(inp);
        let mut value = inp.parse(&condition)?;
        while peek_kind(inp) == T::Question {
            let at = index(inp);
            if !inp.state().enter(at) {
                return give_up(inp);
            }
            inp.skip();
            let then = inp.parse(&nested)?;
            want(inp, T::Colon, ":")?;
            pending.push((start, value, then));
            start = index(inp);
            value = inp.parse(&condition)?;
        }
        for (start, condition, then) in pending.into_iter().rev() {
            inp.state().leave();
            let span = span_from(inp, start);
            let node = Node::Ternary {
                condition,
                then,
                otherwise: value,
            };
            value = inp.state().add(node, span);
        }
        Ok(value)
    })
    .boxed()
}

/// `a ?? b`, the loosest operator.
fn coalescing<'t>(operand: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        let mut value = inp.parse(&operand)?;
        while peek_kind(inp) == T::Coalesce {
            inp.skip();
            let rhs = inp.parse(&operand)?;
            let span = span_from(inp, start);
            let node = Node::Logical {
                op: LogicalOp::Coalesce,
                lhs: value,
                rhs,
            };
            value = inp.state().add(node, span);
        }
        Ok(value)
    })
    .boxed()
}

/// What a fold sees: the tokens it covers and the state.
type Fold<'t, 'p> = MapExtra<'t, 'p, Tokens<'t>, Extra<'t>>;

/// Adds a node over everything that the fold covers.
#[inline]
fn add_folded(extra: &mut Fold<'_, '_>, node: Node) -> NodeId {
    let tokens = extra.span();
    let state = extra.state();
    let span = state.span(tokens.start, tokens.end);
    state.add(node, span)
}

/// An infix operator of one binding power.
fn operator<'t>(power: u16) -> impl Parser<'t, Tokens<'t>, Infix, Extra<'t>> + Clone {
    custom(
        move |inp: &mut Cursor<'t, '_>| match precedence::infix(peek_kind(inp)) {
            Some((operator, found)) if found == power => {
                inp.skip();
                Ok(operator)
            }
            _ => Err(EmptyErr::default()),
        },
    )
}

/// A comparison, `in` or `!in`.
fn comparison<'t>() -> impl Parser<'t, Tokens<'t>, Infix, Extra<'t>> + Clone {
    custom(move |inp: &mut Cursor<'t, '_>| match peek_kind(inp) {
        T::In => {
            inp.skip();
            Ok(Infix::Membership { negated: false })
        }
        T::Bang if peek_at(inp, 1).kind == T::In && !peek_at(inp, 1).on_new_line() => {
            inp.skip();
            inp.skip();
            Ok(Infix::Membership { negated: true })
        }
        kind => match precedence::infix(kind) {
            Some((operator, power::COMPARISON)) => {
                inp.skip();
                Ok(operator)
            }
            _ => Err(EmptyErr::default()),
        },
    })
}

fn fold_infix(lhs: NodeId, operator: Infix, rhs: NodeId, extra: &mut Fold<'_, '_>) -> NodeId {
    let state = extra.state();
    if let Node::Membership { negated, .. } = state.ast.node(lhs)
        && matches!(operator, Infix::Membership { .. })
        && !state.panicking()
    {
        let word = if negated { "!in" } else { "in" };
        let span = state.ast.span(rhs);
        let help = "put one of the two in parentheses, or join two tests with &&";
        state.finding("E0114", &format!("'{word}' cannot follow '{word}'"), span, help);
    }
    if let (Node::Range { .. }, Infix::Range { .. }) = (state.ast.node(lhs), operator)
        && !state.panicking()
    {
        let span = state.ast.span(rhs);
        let help = "a range has two bounds; its step is written (a..b).step(n)";
        state.finding("E0114", "'..' cannot follow '..'", span, help);
    }
    let node = match operator {
        Infix::Range { inclusive } => Node::Range {
            start: lhs,
            end: rhs,
            inclusive,
        },
        Infix::Membership { negated } => Node::Membership {
            item: lhs,
            container: rhs,
            negated,
        },
        Infix::Binary(op) => Node::Binary { op, lhs, rhs },
        Infix::Logical(op) => Node::Logical { op, lhs, rhs },
    };
    add_folded(extra, node)
}

fn prefix_operator(inp: &mut Cursor<'_, '_>) -> Parsed<UnaryOp> {
    let at = index(inp);
    let op = match peek_kind(inp) {
        T::Minus => UnaryOp::Negate,
        T::Bang => UnaryOp::Not,
        T::Tilde => UnaryOp::BitNot,
        T::Await => UnaryOp::Await,
        _ => return Err(EmptyErr::default()),
    };
    if !inp.state().enter(at) {
        return give_up(inp);
    }
    inp.state().last_prefix = at;
    inp.skip();
    Ok(op)
}

fn fold_prefix(op: UnaryOp, operand: NodeId, extra: &mut Fold<'_, '_>) -> NodeId {
    extra.state().leave();
    add_folded(extra, Node::Unary { op, operand })
}

/// `(…)`, `[…]`, `.name`, `?.name` and the braces of a struct literal.
fn tail<'t>(nested: Production<'t, NodeId>) -> impl Parser<'t, Tokens<'t>, Tail, Extra<'t>> + Clone {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let next = peek(inp);
        match next.kind {
            T::QuestionDot if peek_at(inp, 1).kind == T::LeftBracket => optional_subscript(inp, &nested),
            T::Dot | T::QuestionDot => member(inp, next.kind == T::QuestionDot),
            T::LeftParen if !next.on_new_line() => arguments(inp, &nested),
            T::LeftBracket if !next.on_new_line() => subscript(inp, &nested),
            T::LeftBrace if !next.on_new_line() && struct_literal_follows(inp) => fields(inp, &nested),
            _ => Err(EmptyErr::default()),
        }
    })
}

fn fold_tail(lhs: NodeId, tail: Tail, extra: &mut Fold<'_, '_>) -> NodeId {
    let node = match tail {
        Tail::Call(args) => Node::Call { callee: lhs, args },
        Tail::Index { index, optional } => Node::Index {
            object: lhs,
            index,
            optional,
        },
        Tail::Slice(start, end) => Node::Slice {
            object: lhs,
            start,
            end,
        },
        Tail::Member { name, optional } => Node::Member {
            object: lhs,
            name,
            optional,
        },
        Tail::Fields(fields) => Node::StructLit { target: lhs, fields },
    };
    add_folded(extra, node)
}

fn member(inp: &mut Cursor<'_, '_>, optional: bool) -> Parsed<Tail> {
    inp.skip();
    let name = peek(inp);
    if !name.kind.is_name() {
        return fail(inp, "property name");
    }
    inp.skip();
    let name = inp.state().intern(name);
    Ok(Tail::Member { name, optional })
}

fn arguments<'t>(inp: &mut Cursor<'t, '_>, nested: &Production<'t, NodeId>) -> Parsed<Tail> {
    let mark = inp.state().scratch.len();
    let delimiters = parens("expression");
    bracketed(inp, delimiters, |inp, open| {
        comma_items(inp, delimiters, open, |inp| {
            let start = index(inp);
            if peek_kind(inp) == T::Ident && peek_at(inp, 1).kind == T::Assign {
                let name = peek(inp);
                inp.skip();
                inp.skip();
                let value = inp.parse(nested)?;
                let span = span_from(inp, start);
                let state = inp.state();
                let name = state.intern(name);
                let keyword = state.add(Node::Keyword { name, value }, span);
                state.scratch.push(keyword);
                return Ok(());
            }
            let spread = eat(inp, T::Ellipsis);
            let mut argument = inp.parse(nested)?;
            check_position(inp, mark, argument);
            if spread {
                let span = span_from(inp, start);
                argument = inp.state().add(Node::Spread(argument), span);
            }
            inp.state().scratch.push(argument);
            Ok(())
        })
    })?;
    Ok(Tail::Call(inp.state().take_list(mark)))
}

/// Reports an argument by position behind one by name.
fn check_position(inp: &mut Cursor<'_, '_>, mark: usize, argument: NodeId) {
    let state = inp.state();
    let before = state.scratch[mark..].last().map(|&last| state.ast.node(last));
    if matches!(before, Some(Node::Keyword { .. })) && !state.panicking() {
        let span = state.ast.span(argument);
        let help = "arguments by position come first: f(a, b, name = c)";
        state.finding(
            "E0121",
            "Positional argument after a keyword argument",
            span,
            help,
        );
    }
}

/// `?.[i]`, on the line of what it follows.
fn optional_subscript<'t>(inp: &mut Cursor<'t, '_>, nested: &Production<'t, NodeId>) -> Parsed<Tail> {
    if peek(inp).on_new_line() {
        return Err(EmptyErr::default());
    }
    inp.skip();
    bracketed(inp, square_brackets("expression"), |inp, _| {
        let index = inp.parse(nested)?;
        Ok(Tail::Index {
            index,
            optional: true,
        })
    })
}

/// `[i]` or `[s:e]`.
fn subscript<'t>(inp: &mut Cursor<'t, '_>, nested: &Production<'t, NodeId>) -> Parsed<Tail> {
    bracketed(inp, square_brackets("expression"), |inp, _| {
        let start = if peek_kind(inp) == T::Colon {
            None
        } else {
            Some(inp.parse(nested)?)
        };
        if !eat(inp, T::Colon) {
            return Ok(match start {
                Some(index) => Tail::Index {
                    index,
                    optional: false,
                },
                None => Tail::Slice(None, None),
            });
        }
        let end = if peek_kind(inp) == T::RightBracket {
            None
        } else {
            Some(inp.parse(nested)?)
        };
        Ok(Tail::Slice(start, end))
    })
}

/// Whether the `{` that comes next, on the same line, is the start of a struct literal's fields.
fn struct_literal_follows(inp: &mut Cursor<'_, '_>) -> bool {
    let at = index(inp);
    let inside = peek_at(inp, 1);
    let after = peek_at(inp, 2).kind;
    let state = inp.state();
    if state.context == Context::Head
        || !(inside.kind == T::RightBrace || (inside.kind.is_name() && after == T::Colon))
    {
        return false;
    }
    let after_name = state.last_name == at.wrapping_sub(1);
    let after_member =
        at >= 3 && state.last_name == at - 3 && state.kind(at - 2) == T::Dot && state.kind(at - 1).is_name();
    after_name || after_member
}

/// `{ name: e, … }` of a struct literal.
fn fields<'t>(inp: &mut Cursor<'t, '_>, nested: &Production<'t, NodeId>) -> Parsed<Tail> {
    let mark = inp.state().scratch.len();
    let delimiters = braces("field name");
    bracketed(inp, delimiters, |inp, open| {
        comma_items(inp, delimiters, open, |inp| {
            let name = peek(inp);
            if !name.kind.is_name() {
                return fail(inp, "field name");
            }
            inp.skip();
            let name = inp.state().ident(name);
            inp.state().scratch.push(name);
            want(inp, T::Colon, ":")?;
            let value = inp.parse(nested)?;
            inp.state().scratch.push(value);
            Ok(())
        })
    })?;
    Ok(Tail::Fields(inp.state().take_list(mark)))
}

/// `primary`.
fn atom<'t>(rules: Rules<'t>) -> Production<'t, NodeId> {
    let (nested, block) = (rules.expression.clone(), rules.block.clone());
    let interpolation = interpolation(nested.clone());
    let group = group(nested.clone());
    let array = array(nested.clone());
    let dict = dict(nested.clone());
    let function = function(nested.clone(), block.clone());
    custom(move |inp: &mut Cursor<'t, '_>| {
        let at = index(inp);
        let next = peek(inp);
        match next.kind {
            T::Ident | T::LeftParen | T::Async if arrow_follows(inp.state(), at) => {
                arrow(inp, &nested, &block)
            }
            T::Ident => {
                inp.skip();
                let state = inp.state();
                state.last_name = at;
                let symbol = state.intern(next);
                Ok(state.add(Node::Name(symbol), next.span()))
            }
            T::LeftParen => inp.parse(&group),
            T::LeftBracket => inp.parse(&array),
            T::LeftBrace => inp.parse(&dict),
            T::StringStart => inp.parse(&interpolation),
            T::Fn | T::Async => inp.parse(&function),
            T::Match => match_arms(inp, &rules, true),
            _ => {
                let negated =
                    at > 0 && inp.state().last_prefix == at - 1 && inp.state().kind(at - 1) == T::Minus;
                literal(inp, negated)
            }
        }
    })
    .boxed()
}

/// Whether an arrow function begins at a token: a name, or parentheses with the arrow on the line of the last one.
fn arrow_follows(state: &mut Builder<'_>, at: usize) -> bool {
    if state.context == Context::Guard {
        return false;
    }
    let first = if state.kind(at) == T::Async { at + 1 } else { at };
    match state.kind(first) {
        T::Ident => state.kind(first + 1) == T::FatArrow,
        T::LeftParen => state.brackets().partner(first).is_some_and(|close| {
            let next = state.lexeme(close + 1);
            next.kind == T::FatArrow && !next.on_new_line()
        }),
        _ => false,
    }
}

/// `x => e`, `(a, b) => e` or either with a block.
fn arrow<'t>(
    inp: &mut Cursor<'t, '_>,
    nested: &Production<'t, NodeId>,
    block: &Production<'t, NodeId>,
) -> Parsed<NodeId> {
    let start = index(inp);
    if !inp.state().enter(start) {
        return give_up(inp);
    }
    let is_async = eat(inp, T::Async);
    let params = if peek_kind(inp) == T::LeftParen {
        params(inp, nested)?
    } else {
        let name = peek(inp);
        inp.skip();
        let name = inp.state().ident(name);
        inp.state().ast.add_list(&[name])
    };
    want(inp, T::FatArrow, "=>")?;
    let context = std::mem::take(&mut inp.state().context);
    let body = with_function_scope(inp, Inside::function(is_async), |inp| {
        if peek_kind(inp) == T::LeftBrace {
            return inp.parse(block);
        }
        let at = index(inp);
        let value = inp.parse(nested)?;
        let span = span_from(inp, at);
        let state = inp.state();
        let result = state.add(Node::Return(Some(value)), span);
        let list = state.ast.add_list(&[result]);
        Ok(state.add(Node::Block(list), span))
    })?;
    let span = span_from(inp, start);
    let state = inp.state();
    state.context = context;
    state.leave();
    let function = state.ast.add_function(Function {
        kind: FunctionKind::Arrow,
        is_async,
        name: None,
        params,
        body,
    });
    Ok(state.add(Node::Function(function), span))
}

/// `( e )`. Tuples are refused with a hint.
fn group<'t>(nested: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        let mark = inp.state().scratch.len();
        let delimiters = parens("expression");
        let mut tuple = false;
        let inner = bracketed(inp, delimiters, |inp, open| {
            let inner = inp.parse(&nested)?;
            if peek_kind(inp) == T::Comma {
                tuple = true;
                refuse_tuple(inp, open);
                comma_items(inp, delimiters, open, |inp| inp.parse(&nested).map(drop))?;
            }
            Ok(inner)
        })?;
        let span = span_from(inp, start);
        let state = inp.state();
        state.scratch.truncate(mark);
        let node = if tuple { Node::Error } else { Node::Group(inner) };
        Ok(state.add(node, span))
    })
    .boxed()
}

#[cold]
fn refuse_tuple(inp: &mut Cursor<'_, '_>, open: usize) {
    let at = index(inp);
    let state = inp.state();
    let close = state.brackets().partner(open);
    let span = state.span(open, close.map_or(at + 1, |close| close + 1));
    let what = "Tuples are not supported; use an array [a, b]";
    if !state.panicking() {
        state.finding(
            "E0111",
            what,
            span,
            "write square brackets instead of the parentheses",
        );
    }
    inp.skip();
}

/// The clauses of a comprehension, if one begins here: behind `items` nodes since `mark`, which are no spread.
fn clauses_of<'t>(
    inp: &mut Cursor<'t, '_>,
    nested: &Production<'t, NodeId>,
    binding: &Production<'t, NodeId>,
    mark: usize,
    items: usize,
) -> Parsed<Option<List>> {
    let state = inp.state();
    let alone = state.scratch.len() == mark + items
        && !matches!(state.ast.node(state.scratch[mark]), Node::Spread(_));
    if peek_kind(inp) != T::For || !alone {
        return Ok(None);
    }
    let mark = inp.state().scratch.len();
    let mut loops = 0;
    loop {
        let start = index(inp);
        let node = match peek_kind(inp) {
            T::For => {
                if !inp.state().enter(start) {
                    return give_up(inp);
                }
                loops += 1;
                inp.skip();
                let binding = loop_binding(inp, binding)?;
                want(inp, T::In, "in")?;
                let iterable = inp.parse(nested)?;
                Node::ForClause { binding, iterable }
            }
            T::If => {
                inp.skip();
                Node::IfClause(inp.parse(nested)?)
            }
            _ => break,
        };
        let span = span_from(inp, start);
        let state = inp.state();
        let clause = state.add(node, span);
        state.scratch.push(clause);
    }
    let state = inp.state();
    (0..loops).for_each(|_| state.leave());
    Ok(Some(state.take_list(mark)))
}

/// `[ a, ...b ]` or `[e for x in c]`.
fn array<'t>(nested: Production<'t, NodeId>) -> Production<'t, NodeId> {
    let binding = binding(nested.clone());
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        let mark = inp.state().scratch.len();
        let mut clauses = None;
        let delimiters = square_brackets("expression");
        bracketed(inp, delimiters, |inp, open| {
            comma_items(inp, delimiters, open, |inp| {
                let at = index(inp);
                let spread = eat(inp, T::Ellipsis);
                let mut element = inp.parse(&nested)?;
                if spread {
                    let span = span_from(inp, at);
                    element = inp.state().add(Node::Spread(element), span);
                }
                inp.state().scratch.push(element);
                Ok(())
            })?;
            clauses = clauses_of(inp, &nested, &binding, mark, 1)?;
            Ok(())
        })?;
        let span = span_from(inp, start);
        let state = inp.state();
        let node = match clauses {
            Some(clauses) => Node::ArrayComprehension {
                element: state.scratch[mark],
                clauses,
            },
            None => Node::Array(state.take_list(mark)),
        };
        state.scratch.truncate(mark);
        Ok(state.add(node, span))
    })
    .boxed()
}

/// `{ k: v, … }` or `{k: v for x in c}`.
fn dict<'t>(nested: Production<'t, NodeId>) -> Production<'t, NodeId> {
    let binding = binding(nested.clone());
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        let mark = inp.state().scratch.len();
        let mut clauses = None;
        let delimiters = braces("expression");
        bracketed(inp, delimiters, |inp, open| {
            comma_items(inp, delimiters, open, |inp| {
                let key = inp.parse(&nested)?;
                inp.state().scratch.push(key);
                want(inp, T::Colon, ":")?;
                let value = inp.parse(&nested)?;
                inp.state().scratch.push(value);
                Ok(())
            })?;
            clauses = clauses_of(inp, &nested, &binding, mark, 2)?;
            Ok(())
        })?;
        let span = span_from(inp, start);
        let state = inp.state();
        let node = match clauses {
            Some(clauses) => Node::DictComprehension {
                key: state.scratch[mark],
                value: state.scratch[mark + 1],
                clauses,
            },
            None => Node::Dict(state.take_list(mark)),
        };
        state.scratch.truncate(mark);
        Ok(state.add(node, span))
    })
    .boxed()
}

/// `[async] fn(…) {…}` as a value.
fn function<'t>(nested: Production<'t, NodeId>, block: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        let is_async = eat(inp, T::Async);
        want(inp, T::Fn, "fn")?;
        if peek_kind(inp) == T::Ident {
            let at = index(inp);
            let help =
                "a function in an expression has no name; declare it before, or write let name = fn(…) {…}";
            inp.state().expected_with(at, "(", help);
            inp.skip();
        }
        let params = params(inp, &nested)?;
        let body = function_body(inp, &block, is_async)?;
        let span = span_from(inp, start);
        let state = inp.state();
        let function = state.ast.add_function(Function {
            kind: FunctionKind::Expression,
            is_async,
            name: None,
            params,
            body,
        });
        Ok(state.add(Node::Function(function), span))
    })
    .boxed()
}

/// An expression in the head of a `for` or `match`, where a name before `{` is no struct literal.
pub(crate) fn head<'t>(inp: &mut Cursor<'t, '_>, expression: &Production<'t, NodeId>) -> Parsed<NodeId> {
    if !starts_expression(peek_kind(inp)) {
        missing(inp, "expression");
        return give_up(inp);
    }
    let context = std::mem::replace(&mut inp.state().context, Context::Head);
    let value = inp.parse(expression)?;
    inp.state().context = context;
    Ok(value)
}
