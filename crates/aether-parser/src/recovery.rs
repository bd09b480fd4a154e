//! Where parsing goes on after an error: at the next thing that starts a statement.
//!
//! The abandoned statement's brackets are skipped whole where they are balanced, so that their contents give no
//! follow-up errors. A block that stands after a broken head is entered, so that what is wrong in it is reported too.
//!
//! Invariants
//! - Recovery moves forward by at least one token, except at a `}` that ends the enclosing block.
//! - It looks at each token of the abandoned statement a constant number of times.

use aether_lexer::TokenKind as T;

use crate::builder::Builder;
use crate::precedence::starts_expression;

/// Index of the token at which the next statement starts, for a statement that starts at `start` and failed at
/// `failed`.
#[cold]
pub(crate) fn next_statement(state: &mut Builder<'_>, start: usize, failed: usize) -> usize {
    let failed = failed.max(start);
    // An `if` or `match` where an expression belongs: its braces go with it.
    let misplaced = matches!(state.kind(failed), T::If | T::Match | T::For | T::While)
        && failed > start
        && !state.lexeme(failed).on_new_line();
    let mut at = leave_brackets(state, start, failed);
    loop {
        let token = state.lexeme(at);
        match token.kind {
            T::EndOfFile | T::InterpolationEnd | T::Semicolon => return at,
            T::RightBrace => {
                // A brace that the abandoned statement opened is part of it.
                match state.brackets().partner(at) {
                    Some(open) if open >= start => at += 1,
                    Some(_) => return at,
                    None => return at,
                }
                continue;
            }
            _ => {}
        }
        let progress = at > start;
        let new_line = token.on_new_line();
        let keyword = starts_anywhere(token.kind) && (at > failed || new_line);
        if progress && (keyword || (new_line && starts_line(state, at))) {
            return at;
        }
        match token.kind {
            T::LeftBrace if progress && !misplaced && !looks_like_dict(state, at) => {
                state.lenient_loops = true;
                return at;
            }
            T::LeftParen | T::LeftBracket | T::LeftBrace | T::InterpolationStart => {
                at = state.brackets().partner(at).map_or(at + 1, |close| close + 1);
            }
            _ => at += 1,
        }
    }
}

/// If the failure is inside brackets that the statement opened and that are closed later, the place behind them.
fn leave_brackets(state: &mut Builder<'_>, start: usize, failed: usize) -> usize {
    let mut at = start;
    while at < failed {
        at = match state.kind(at) {
            T::LeftParen | T::LeftBracket | T::LeftBrace | T::InterpolationStart => {
                match state.brackets().partner(at) {
                    Some(close) if close >= failed => return close + 1,
                    Some(close) => close + 1,
                    None => at + 1,
                }
            }
            _ => at + 1,
        };
    }
    failed
}

/// Words that start a statement wherever they stand.
fn starts_anywhere(kind: T) -> bool {
    matches!(
        kind,
        T::Let
            | T::Struct
            | T::Enum
            | T::Return
            | T::While
            | T::Throw
            | T::Try
            | T::Break
            | T::Continue
            | T::Debugger
    )
}

/// Whether the token at `at`, first on its line, starts a statement rather than going on with the last one.
fn starts_line(state: &Builder<'_>, at: usize) -> bool {
    let kind = state.kind(at);
    match kind {
        T::If | T::For | T::Match | T::Import | T::From => true,
        // An operator here more likely goes on with the broken statement.
        T::Minus | T::LeftBrace => false,
        _ => starts_expression(kind),
    }
}

/// Whether the `{` at `at` starts a dict literal rather than a block.
fn looks_like_dict(state: &Builder<'_>, at: usize) -> bool {
    let inside = state.kind(at + 1);
    let after = state.kind(at + 2);
    inside == T::RightBrace
        || (after == T::Colon && (inside.is_name() || matches!(inside, T::String | T::Int | T::StringStart)))
}
