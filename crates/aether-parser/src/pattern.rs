//! Patterns: those of `let`, and those of `match`.

use aether_ast::{Node, NodeId, UnaryOp};
use aether_lexer::TokenKind as T;
use chumsky::prelude::*;

use crate::builder::Builder;
use crate::cursor::{
    Cursor, Parsed, Production, eat, fail, give_up, index, peek, peek_at, peek_kind, span_from, want,
};
use crate::list::{Delimiters, braces, bracketed, comma_items, parens, square_brackets};
use crate::literal::literal;
use crate::precedence::is_literal;

/// What a `let` binds: a name, `[…]` or `{…}`.
pub(crate) fn binding<'t>(expression: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| match peek_kind(inp) {
        T::LeftBracket => list_pattern(
            inp,
            square_brackets("variable name"),
            Node::ArrayPattern,
            |inp, open| array_element(inp, &expression, open),
        ),
        T::LeftBrace => list_pattern(inp, braces("variable name"), Node::DictPattern, |inp, _| {
            dict_entry(inp, &expression)
        }),
        _ => {
            let name = want(inp, T::Ident, "variable name")?;
            Ok(inp.state().ident(name))
        }
    })
    .boxed()
}

fn list_pattern<'t, 'p>(
    inp: &mut Cursor<'t, 'p>,
    delimiters: Delimiters,
    node: fn(aether_ast::List) -> Node,
    mut element: impl FnMut(&mut Cursor<'t, 'p>, usize) -> Parsed<NodeId>,
) -> Parsed<NodeId> {
    let start = index(inp);
    let mark = inp.state().scratch.len();
    bracketed(inp, delimiters, |inp, open| {
        comma_items(inp, delimiters, open, |inp| {
            let element = element(inp, open)?;
            inp.state().scratch.push(element);
            Ok(())
        })
    })?;
    let span = span_from(inp, start);
    let state = inp.state();
    let elements = state.take_list(mark);
    Ok(state.add(node(elements), span))
}

/// A name that is bound, or `_`.
pub(crate) fn target(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let name = want(inp, T::Ident, "variable name")?;
    let state = inp.state();
    if state.slice(name) == "_" {
        Ok(state.add(Node::Wildcard, name.span()))
    } else {
        Ok(state.ident(name))
    }
}

/// `a`, `_`, `a = 1` or `...rest`; the rest must be last.
fn array_element<'t>(
    inp: &mut Cursor<'t, '_>,
    expression: &Production<'t, NodeId>,
    _open: usize,
) -> Parsed<NodeId> {
    if peek_kind(inp) == T::Ellipsis {
        return rest_element(inp);
    }
    let start = index(inp);
    let target = target(inp)?;
    if !eat(inp, T::Assign) {
        return Ok(target);
    }
    let default = inp.parse(expression)?;
    let span = span_from(inp, start);
    Ok(inp.state().add(Node::DefaultPattern { target, default }, span))
}

/// `...rest`, which must be last.
fn rest_element(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let rest = target(inp)?;
    let span = span_from(inp, start);
    let more = peek_kind(inp) == T::Comma && peek_at(inp, 1).kind != T::RightBracket;
    if more {
        let at = index(inp);
        let help = "the rest takes all remaining elements, so it must come last";
        inp.state().expected_with(at, "]", help);
    }
    Ok(inp.state().add(Node::RestPattern(rest), span))
}

/// `key`, `key: alias`, each perhaps with a default.
fn dict_entry<'t>(inp: &mut Cursor<'t, '_>, expression: &Production<'t, NodeId>) -> Parsed<NodeId> {
    let start = index(inp);
    let key = want(inp, T::Ident, "variable name")?;
    let key = inp.state().ident(key);
    let target = if eat(inp, T::Colon) { target(inp)? } else { key };
    let default = if eat(inp, T::Assign) {
        Some(inp.parse(expression)?)
    } else {
        None
    };
    let span = span_from(inp, start);
    Ok(inp.state().add(Node::EntryPattern { key, target, default }, span))
}

/// A pattern of a `match` arm: alternatives separated by `|`, perhaps with a name for the whole.
pub(crate) fn alternatives(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let mut pattern = simple(inp)?;
    if peek_kind(inp) == T::Pipe {
        let mark = inp.state().scratch.len();
        inp.state().scratch.push(pattern);
        while eat(inp, T::Pipe) {
            let next = simple(inp)?;
            inp.state().scratch.push(next);
        }
        let span = span_from(inp, start);
        let state = inp.state();
        let patterns = state.take_list(mark);
        pattern = state.add(Node::OrPattern(patterns), span);
    }
    if eat(inp, T::As) {
        let name = target(inp)?;
        let span = span_from(inp, start);
        pattern = inp.state().add(Node::AsPattern { pattern, name }, span);
    }
    Ok(pattern)
}

fn simple(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let next = peek(inp);
    match next.kind {
        T::Ident if peek_at(inp, 1).kind == T::Dot => variant(inp),
        T::Ident if peek_at(inp, 1).kind == T::LeftBrace => structure(inp),
        T::Ident => target(inp),
        T::LeftBracket => list_pattern(inp, square_brackets("pattern"), Node::ArrayPattern, |inp, _| {
            element(inp)
        }),
        T::LeftBrace => list_pattern(inp, braces("pattern"), Node::DictPattern, |inp, _| entry(inp)),
        kind if kind == T::Minus || is_literal(kind) => {
            let value = pattern_literal(inp)?;
            let inclusive = match peek_kind(inp) {
                T::DotDot => false,
                T::DotDotEqual => true,
                _ => {
                    let span = span_from(inp, start);
                    return Ok(inp.state().add(Node::LiteralPattern(value), span));
                }
            };
            inp.skip();
            check_bound(inp.state(), value);
            let end = pattern_literal(inp)?;
            check_bound(inp.state(), end);
            let span = span_from(inp, start);
            let node = Node::RangePattern {
                start: value,
                end,
                inclusive,
            };
            Ok(inp.state().add(node, span))
        }
        _ => fail(inp, "pattern"),
    }
}

/// A literal, perhaps negated.
fn pattern_literal(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    if peek_kind(inp) != T::Minus {
        return literal(inp, false);
    }
    if !matches!(peek_at(inp, 1).kind, T::Int | T::Float | T::BadNumber) {
        return fail(inp, "pattern");
    }
    inp.skip();
    let operand = literal(inp, true)?;
    let span = span_from(inp, start);
    let op = UnaryOp::Negate;
    Ok(inp.state().add(Node::Unary { op, operand }, span))
}

/// Reports a bound of a range that is no integer.
fn check_bound(state: &mut Builder<'_>, bound: NodeId) {
    let inner = match state.ast.node(bound) {
        Node::Unary { operand, .. } => operand,
        _ => bound,
    };
    if !matches!(state.ast.node(inner), Node::Int(_) | Node::Error) && !state.panicking() {
        let span = state.ast.span(bound);
        let help = "a range in a pattern has int literals as its bounds; test anything else with 'if'";
        state.finding("E0118", "The bounds of a range are integers", span, help);
    }
}

/// An element of an array pattern in a `match`.
fn element(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    if peek_kind(inp) == T::Ellipsis {
        return rest_element(inp);
    }
    alternatives(inp)
}

/// `key` or `key: p` in a `match`.
fn entry(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let key = want(inp, T::Ident, "variable name")?;
    let key = inp.state().ident(key);
    let target = if eat(inp, T::Colon) {
        alternatives(inp)?
    } else {
        key
    };
    let span = span_from(inp, start);
    let node = Node::EntryPattern {
        key,
        target,
        default: None,
    };
    Ok(inp.state().add(node, span))
}

/// `Name { field: p, g }`.
fn structure(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let name = want(inp, T::Ident, "pattern")?;
    let name = inp.state().intern(name);
    let mark = inp.state().scratch.len();
    let delimiters = braces("field name");
    bracketed(inp, delimiters, |inp, open| {
        comma_items(inp, delimiters, open, |inp| {
            let field = entry(inp)?;
            inp.state().scratch.push(field);
            Ok(())
        })
    })?;
    let span = span_from(inp, start);
    let state = inp.state();
    let fields = state.take_list(mark);
    Ok(state.add(Node::StructPattern { name, fields }, span))
}

/// `Enum.Variant` or `Enum.Variant(a, _, c)`.
fn variant(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let enum_name = want(inp, T::Ident, "pattern")?;
    inp.skip();
    let variant = want(inp, T::Ident, "variant name")?;
    let mark = inp.state().scratch.len();
    if peek_kind(inp) == T::LeftParen {
        let delimiters = parens("pattern");
        bracketed(inp, delimiters, |inp, open| {
            comma_items(inp, delimiters, open, |inp| {
                let field = alternatives(inp)?;
                inp.state().scratch.push(field);
                Ok(())
            })
        })?;
    }
    if inp.state().panicking() {
        return give_up(inp);
    }
    let span = span_from(inp, start);
    let state = inp.state();
    let (enum_name, variant) = (state.intern(enum_name), state.intern(variant));
    let fields = state.take_list(mark);
    let node = Node::VariantPattern {
        enum_name,
        variant,
        fields,
    };
    Ok(state.add(node, span))
}
