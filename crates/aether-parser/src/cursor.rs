//! What the grammar reads: the tokens that are not trivia, and the small steps every production is made of.
//!
//! Invariant: the input ends with an `EndOfFile` token, which no production consumes.

use aether_lexer::{Lexed, TokenFlags, TokenKind};
use aether_source::Span;
use chumsky::error::EmptyErr;
use chumsky::input::InputRef;
use chumsky::prelude::*;

use crate::builder::Builder;

/// A token that the grammar sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) kind: TokenKind,
    pub(crate) flags: TokenFlags,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Lexeme {
    #[inline]
    pub(crate) fn on_new_line(self) -> bool {
        self.flags.has(TokenFlags::NEWLINE_BEFORE)
    }

    #[inline]
    pub(crate) fn span(self) -> Span {
        Span::new(self.start, self.end)
    }
}

/// chumsky's input: token positions are indices into this slice.
pub(crate) type Tokens<'t> = &'t [Lexeme];
/// chumsky's extra: errors are empty, the state is the tree being built.
pub(crate) type Extra<'t> = extra::Full<EmptyErr, Builder<'t>, ()>;
/// A position in the input, with the state.
pub(crate) type Cursor<'t, 'p> = InputRef<'t, 'p, Tokens<'t>, Extra<'t>>;
/// A production behind a pointer, which keeps types and compile time small.
pub(crate) type Production<'t, O> = Boxed<'t, 't, Tokens<'t>, O, Extra<'t>>;
/// What a production written as a function returns; the error has been recorded in the state.
pub(crate) type Parsed<T> = Result<T, EmptyErr>;

/// The tokens that are not trivia, and an end-of-file token.
pub(crate) fn significant(lexed: &Lexed) -> Vec<Lexeme> {
    let mut lexemes = Vec::with_capacity(lexed.tokens.len() * 2 / 3 + 1);
    let mut newline = false;
    for (token, span) in lexed.iter() {
        if token.kind.is_trivia() {
            newline |= token.kind == TokenKind::Newline;
        } else {
            newline = false;
            lexemes.push(Lexeme {
                kind: token.kind,
                flags: token.flags,
                start: span.start,
                end: span.end,
            });
        }
    }
    let flags = if newline {
        TokenFlags::NEWLINE_BEFORE
    } else {
        TokenFlags::default()
    };
    lexemes.push(Lexeme {
        kind: TokenKind::EndOfFile,
        flags,
        start: lexed.len,
        end: lexed.len,
    });
    lexemes
}

/// Index of the next token.
#[inline]
pub(crate) fn index(inp: &Cursor<'_, '_>) -> usize {
    *inp.cursor().inner()
}

/// The next token.
#[inline]
pub(crate) fn peek(inp: &mut Cursor<'_, '_>) -> Lexeme {
    let index = index(inp);
    inp.state().lexeme(index)
}

/// The kind of the next token.
#[inline]
pub(crate) fn peek_kind(inp: &mut Cursor<'_, '_>) -> TokenKind {
    peek(inp).kind
}

/// The token `ahead` places after the next one.
#[inline]
pub(crate) fn peek_at(inp: &mut Cursor<'_, '_>, ahead: usize) -> Lexeme {
    let index = index(inp) + ahead;
    inp.state().lexeme(index)
}

/// Takes the next token if it is of this kind.
#[inline]
pub(crate) fn eat(inp: &mut Cursor<'_, '_>, kind: TokenKind) -> bool {
    let found = peek_kind(inp) == kind;
    if found {
        inp.skip();
    }
    found
}

/// Takes a token of this kind, or reports that `what` was expected and fails.
#[inline]
pub(crate) fn want(inp: &mut Cursor<'_, '_>, kind: TokenKind, what: &'static str) -> Parsed<Lexeme> {
    let found = peek(inp);
    if found.kind == kind {
        inp.skip();
        Ok(found)
    } else {
        fail(inp, what)
    }
}

/// Reports that `what` was expected here, and fails.
#[cold]
pub(crate) fn fail<T>(inp: &mut Cursor<'_, '_>, what: &'static str) -> Parsed<T> {
    let at = index(inp);
    inp.state().expected(at, what);
    give_up(inp)
}

/// Fails with what has been reported.
#[cold]
pub(crate) fn give_up<T>(inp: &mut Cursor<'_, '_>) -> Parsed<T> {
    let at = index(inp);
    inp.state().panic_at(at);
    Err(EmptyErr::default())
}

/// Reports that `what` was expected here; the production goes on.
#[cold]
pub(crate) fn missing(inp: &mut Cursor<'_, '_>, what: &'static str) {
    let at = index(inp);
    inp.state().expected(at, what);
}

/// Moves to the token at `target`, which must not lie before the next one.
#[cold]
pub(crate) fn skip_to(inp: &mut Cursor<'_, '_>, target: usize) {
    while index(inp) < target && peek_kind(inp) != TokenKind::EndOfFile {
        inp.skip();
    }
}

/// The span from token `start` to the last token taken.
#[inline]
pub(crate) fn span_from(inp: &mut Cursor<'_, '_>, start: usize) -> Span {
    let end = index(inp);
    inp.state().span(start, end)
}

/// A token of this kind as a combinator.
pub(crate) fn token<'t>(
    kind: TokenKind,
    what: &'static str,
) -> impl Parser<'t, Tokens<'t>, Lexeme, Extra<'t>> + Clone + 't {
    custom(move |inp| want(inp, kind, what))
}
