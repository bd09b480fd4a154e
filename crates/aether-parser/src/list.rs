//! Comma lists between brackets: arguments, elements, entries, parameters.
//!
//! A list forgives what can be forgiven without doubt: a missing comma between two items, a doubled comma, a missing
//! closing bracket before a new line. Each is reported, and reading goes on.

use aether_lexer::TokenKind;

use crate::cursor::{Cursor, Parsed, fail, give_up, index, missing, peek, peek_at, peek_kind};
use crate::hints;

/// What a list is delimited by, and how it is described.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delimiters {
    pub(crate) close: TokenKind,
    pub(crate) close_text: &'static str,
    /// What an item is called in messages.
    pub(crate) item: &'static str,
}

pub(crate) const fn parens(item: &'static str) -> Delimiters {
    Delimiters {
        close: TokenKind::RightParen,
        close_text: ")",
        item,
    }
}

pub(crate) const fn square_brackets(item: &'static str) -> Delimiters {
    Delimiters {
        close: TokenKind::RightBracket,
        close_text: "]",
        item,
    }
}

pub(crate) const fn braces(item: &'static str) -> Delimiters {
    Delimiters {
        close: TokenKind::RightBrace,
        close_text: "}",
        item,
    }
}

/// Runs `inner` between brackets: takes the opening one, allows struct literals, counts the nesting, and wants
/// the closing one.
pub(crate) fn bracketed<'t, 'p, T>(
    inp: &mut Cursor<'t, 'p>,
    delimiters: Delimiters,
    inner: impl FnOnce(&mut Cursor<'t, 'p>, usize) -> Parsed<T>,
) -> Parsed<T> {
    let open = index(inp);
    if !inp.state().enter(open) {
        return give_up(inp);
    }
    let context = std::mem::take(&mut inp.state().context);
    inp.skip();
    let value = inner(inp, open)?;
    close(inp, delimiters, open)?;
    let state = inp.state();
    state.context = context;
    state.leave();
    Ok(value)
}

/// Reads items separated by commas up to the closing bracket, which stays.
pub(crate) fn comma_items<'t, 'p>(
    inp: &mut Cursor<'t, 'p>,
    delimiters: Delimiters,
    open: usize,
    mut item: impl FnMut(&mut Cursor<'t, 'p>) -> Parsed<()>,
) -> Parsed<()> {
    loop {
        let next = peek_kind(inp);
        if next == delimiters.close {
            return Ok(());
        }
        if next == TokenKind::Comma {
            missing(inp, delimiters.item);
            inp.skip();
            continue;
        }
        let before = index(inp);
        item(inp)?;
        let next = peek_kind(inp);
        if next == TokenKind::Comma {
            inp.skip();
            continue;
        }
        let done = next == delimiters.close || index(inp) == before;
        if done || !report_missing_comma(inp, delimiters, open) {
            return Ok(());
        }
    }
}

/// Whether another item plainly follows without a comma; reports it if so.
#[cold]
fn report_missing_comma(inp: &mut Cursor<'_, '_>, delimiters: Delimiters, open: usize) -> bool {
    let at = index(inp);
    let next = peek(inp).kind;
    let item_follows = match next {
        TokenKind::Ident | TokenKind::Int | TokenKind::Float | TokenKind::String | TokenKind::StringStart => {
            true
        }
        TokenKind::LeftBracket | TokenKind::LeftBrace => delimiters.item == "expression",
        _ => false,
    };
    // In braces only what looks like an entry counts, since a statement may follow a forgotten '}'.
    let item_follows = item_follows
        && (delimiters.close != TokenKind::RightBrace || peek_at(inp, 1).kind == TokenKind::Colon);
    let state = inp.state();
    let closed = state
        .brackets()
        .partner(open)
        .is_some_and(|close| state.kind(close) == delimiters.close);
    if !item_follows || !closed || state.word_is_operator(at) {
        return false;
    }
    let help = hints::prefixed_string(state, at).map_or_else(
        || format!("put a comma between two {}s", delimiters.item),
        str::to_owned,
    );
    state.expected_with(at, delimiters.close_text, &help);
    true
}

/// Takes the closing bracket. Where a new line or another bracket shows that it was forgotten, goes on without.
#[inline]
pub(crate) fn close(inp: &mut Cursor<'_, '_>, delimiters: Delimiters, open: usize) -> Parsed<()> {
    if peek_kind(inp) == delimiters.close {
        inp.skip();
        return Ok(());
    }
    close_missing(inp, delimiters, open)
}

#[cold]
fn close_missing(inp: &mut Cursor<'_, '_>, delimiters: Delimiters, open: usize) -> Parsed<()> {
    use TokenKind as T;
    let at = index(inp);
    let next = peek(inp);
    let state = inp.state();
    state.expected_close(at, delimiters.close_text, open);
    let wrong_closer = matches!(next.kind, T::RightParen | T::RightBracket | T::RightBrace);
    let closed_later = state.brackets().partner(open).is_some();
    if wrong_closer && state.brackets().partner(at).is_none() {
        // The wrong kind of bracket stands where this one belongs.
        inp.skip();
        return Ok(());
    }
    let plainly_missing = next.on_new_line()
        || wrong_closer
        || matches!(next.kind, T::EndOfFile | T::Semicolon | T::InterpolationEnd)
        || (next.kind == T::LeftBrace && delimiters.close == T::RightParen);
    // With too few closing braces in the file, the one that closes this may be meant for a block around it.
    let stolen = delimiters.close == T::RightBrace && next.on_new_line() && state.brackets().lacks_brace;
    if plainly_missing && (!closed_later || stolen) {
        return Ok(());
    }
    if closed_later && delimiters.close == T::RightParen && next.kind == T::LeftBrace {
        return Ok(());
    }
    fail(inp, delimiters.close_text)
}
