//! One token, and the result of lexing one file.
//!
//! A token is eight bytes: kind, flags and where it starts. It ends where the next one starts.

use aether_source::{Diagnostic, Span};

use crate::kind::TokenKind;

/// Largest source text in bytes. Offsets, token and node counts then fit 32 bits with room to spare.
pub const MAX_SOURCE_BYTES: usize = 64 << 20;

/// What a token remembers besides its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TokenFlags(u8);

impl TokenFlags {
    /// A line feed stands between the previous token that is not trivia and this one.
    pub const NEWLINE_BEFORE: Self = Self(1);
    /// The string or piece of a string holds a backslash.
    pub const ESCAPES: Self = Self(2);

    /// Whether all of `other` are set.
    #[inline]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and `other`.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A token: kind, flags and the offset of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// What else is known of it.
    pub flags: TokenFlags,
    /// Offset of its first byte.
    pub start: u32,
}

const _: () = assert!(size_of::<Token>() == 8);

/// The tokens of one text.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// Every token, trivia included, in order.
    pub tokens: Vec<Token>,
    /// What the lexer found wrong, in source order.
    pub diagnostics: Vec<Diagnostic>,
    /// Length of the text in bytes: where the last token ends.
    pub len: u32,
}

impl Lexed {
    /// The bytes that token `index` covers.
    #[inline]
    pub fn span(&self, index: usize) -> Span {
        let end = self.tokens.get(index + 1).map_or(self.len, |next| next.start);
        Span::new(self.tokens[index].start, end)
    }

    /// Tokens with their spans, trivia included.
    pub fn iter(&self) -> impl Iterator<Item = (Token, Span)> + '_ {
        (0..self.tokens.len()).map(|index| (self.tokens[index], self.span(index)))
    }
}
