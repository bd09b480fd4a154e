//! Literals: numbers, strings, and strings with placeholders.

use aether_ast::{Node, NodeId};
use aether_lexer::{TokenKind as T, int_value, string_text};
use aether_source::Diagnostic;
use chumsky::prelude::*;

use crate::cursor::{
    Cursor, Lexeme, Parsed, Production, fail, give_up, index, peek, peek_kind, skip_to, span_from,
};

/// A literal that is one token. `negated` tells that a prefix minus stands directly before it.
pub(crate) fn literal(inp: &mut Cursor<'_, '_>, negated: bool) -> Parsed<NodeId> {
    let at = index(inp);
    let lexeme = peek(inp);
    let state = inp.state();
    let node = match lexeme.kind {
        T::Int => int(inp, lexeme, negated),
        // The lexer has reported it.
        T::BadNumber => Node::Int(0),
        T::Float => {
            let text = state.slice(lexeme);
            let value = if text.contains('_') {
                text.replace('_', "").parse()
            } else {
                text.parse()
            };
            Node::Float(value.unwrap_or(0.0))
        }
        T::String | T::TripleString => {
            let text = string_text(lexeme.kind, state.slice(lexeme));
            Node::Str(state.ast.intern(&text))
        }
        T::UnterminatedString => Node::Str(state.ast.intern("")),
        T::True => Node::Bool(true),
        T::False => Node::Bool(false),
        T::Null => Node::Null,
        _ => return fail(inp, "expression"),
    };
    inp.skip();
    let state = inp.state();
    debug_assert!(at < state.tokens().len());
    Ok(state.add(node, lexeme.span()))
}

#[inline]
fn int(inp: &mut Cursor<'_, '_>, lexeme: Lexeme, negated: bool) -> Node {
    let state = inp.state();
    let text = state.slice(lexeme);
    let value = int_value(text);
    if value == Some(i64::MIN) && !negated {
        let place = state.file.line_column(lexeme.start);
        let message = format!(
            "Invalid number '{text}' at line {}, column {}",
            place.line, place.column
        );
        let error = Diagnostic::error("E0104", message, lexeme.span())
            .with_help("integers go up to 9223372036854775807; write a float for more, as in 1e30");
        state.diagnostics.push(error);
    }
    // The lexer has reported what does not fit.
    Node::Int(value.unwrap_or(0))
}

/// A string with placeholders: pieces of text and one expression in each `${…}`.
pub(crate) fn interpolation<'t>(expression: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        let mark = inp.state().scratch.len();
        inp.skip();
        loop {
            let next = peek(inp);
            match next.kind {
                T::StringText => {
                    let state = inp.state();
                    let text = string_text(next.kind, state.slice(next));
                    let symbol = state.ast.intern(&text);
                    let piece = state.add(Node::Str(symbol), next.span());
                    state.scratch.push(piece);
                    inp.skip();
                }
                T::InterpolationStart => placeholder(inp, &expression)?,
                T::StringEnd => {
                    inp.skip();
                    break;
                }
                // Only the end of the text, which the lexer has reported.
                _ => break,
            }
        }
        let span = span_from(inp, start);
        let state = inp.state();
        let pieces = state.take_list(mark);
        Ok(state.add(Node::Interpolation(pieces), span))
    })
    .boxed()
}

/// `${ e }` or `${ e:spec }`. Exactly one expression; what follows it is reported and skipped.
fn placeholder<'t>(inp: &mut Cursor<'t, '_>, expression: &Production<'t, NodeId>) -> Parsed<()> {
    let open = index(inp);
    if !inp.state().enter(open) {
        return give_up(inp);
    }
    let context = std::mem::take(&mut inp.state().context);
    inp.skip();
    if peek_kind(inp) == T::InterpolationEnd {
        let at = index(inp);
        let help = "a placeholder holds one expression; write \\${ for the characters themselves";
        inp.state().expected_with(at, "expression", help);
    } else {
        let start = index(inp);
        let mut value = inp.parse(expression)?;
        let format = peek(inp);
        if format.kind == T::FormatSpec {
            inp.skip();
            let span = span_from(inp, start);
            let state = inp.state();
            let spec = state.slice(format)[1..].to_owned();
            let spec = state.ast.intern(&spec);
            value = state.add(Node::Formatted { value, spec }, span);
        }
        inp.state().scratch.push(value);
    }
    if peek_kind(inp) != T::InterpolationEnd {
        let at = index(inp);
        let help = "a placeholder holds exactly one expression";
        inp.state().expected_with(at, "}", help);
        let close = inp.state().brackets().partner(open);
        let Some(close) = close else {
            return give_up(inp);
        };
        skip_to(inp, close);
    }
    inp.skip();
    let state = inp.state();
    state.context = context;
    state.leave();
    Ok(())
}
