//! The kinds of token, and the logos table that recognises them.
//!
//! Invariants
//! - Longest match wins; a word is reserved only as a whole identifier.
//! - Patterns recognise where a token *starts*; those that may be long (strings, block comments) are finished by
//!   callbacks, which look for the end in one pass.
//!
//! Not here: the pieces of interpolated strings, which depend on the mode stack; logos never produces them.

use logos::{Lexer, Logos};

use crate::scan::{Stop, scan_string};

/// What a token is.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[logos(utf8 = true)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "a variant named for its spelling says all there is to say"
)]
pub enum TokenKind {
    // --- trivia ---
    /// Blanks without a line feed.
    #[regex(r"[ \t\r]+")]
    Blank,
    /// Blanks with at least one line feed.
    #[regex(r"[ \t\r]*\n[ \t\r\n]*")]
    Newline,
    /// `// …` up to the end of the line.
    #[regex(r"//[^\n]*", allow_greedy = true)]
    LineComment,
    /// `/* … */`; the lexer has reported one that never ends.
    #[token("/*", block_comment)]
    BlockComment,
    /// U+FEFF at the start of the text.
    ByteOrderMark,
    /// A first line that starts with `#!`.
    Shebang,

    // --- literals and names ---
    /// Decimal digits, or `0x`, `0o`, `0b` and digits; `_` between digits. Its value may be out of range.
    #[regex(r"[0-9](_?[0-9])*")]
    #[regex(r"0x[0-9a-fA-F](_?[0-9a-fA-F])*")]
    #[regex(r"0o[0-7](_?[0-7])*")]
    #[regex(r"0b[01](_?[01])*")]
    Int,
    /// Digits with a point, an exponent, or both.
    #[regex(r"[0-9](_?[0-9])*\.[0-9](_?[0-9])*([eE][+-]?[0-9](_?[0-9])*)?")]
    #[regex(r"[0-9](_?[0-9])*[eE][+-]?[0-9](_?[0-9])*")]
    Float,
    /// A number that runs into other word characters, such as `12ab` or `0b2`; reported.
    #[regex(r"[0-9][0-9\p{Alphabetic}\p{N}_]*", priority = 1)]
    #[regex(r"[0-9][0-9_]*\.[0-9][0-9\p{Alphabetic}\p{N}_]*", priority = 1)]
    BadNumber,
    /// A whole quoted string without placeholders, quotes included.
    #[token("\"", string_head)]
    #[token("'", string_head)]
    String,
    /// `"""…"""`, quotes included.
    #[token("\"\"\"", triple_string)]
    TripleString,
    /// A string that the end of the text cut short; reported.
    UnterminatedString,
    /// The opening quote of a string with placeholders.
    StringStart,
    /// Characters of a string with placeholders, escapes as written.
    StringText,
    /// `${` in a string.
    InterpolationStart,
    /// `:` and what follows it up to the `}` of a placeholder: how its value is formatted.
    FormatSpec,
    /// The `}` that ends a placeholder.
    InterpolationEnd,
    /// The closing quote of a string with placeholders.
    StringEnd,
    /// A name, contextual words included.
    #[regex(r"[\p{Alphabetic}_][\p{Alphabetic}\p{N}_]*", priority = 2)]
    Ident,

    // --- reserved words ---
    #[token("as", priority = 10)]
    As,
    #[token("async", priority = 10)]
    Async,
    #[token("await", priority = 10)]
    Await,
    #[token("break", priority = 10)]
    Break,
    #[token("catch", priority = 10)]
    Catch,
    #[token("continue", priority = 10)]
    Continue,
    #[token("debugger", priority = 10)]
    Debugger,
    #[token("else", priority = 10)]
    Else,
    #[token("enum", priority = 10)]
    Enum,
    #[token("false", priority = 10)]
    False,
    #[token("finally", priority = 10)]
    Finally,
    #[token("fn", priority = 10)]
    Fn,
    #[token("for", priority = 10)]
    For,
    #[token("from", priority = 10)]
    From,
    #[token("if", priority = 10)]
    If,
    #[token("import", priority = 10)]
    Import,
    #[token("in", priority = 10)]
    In,
    #[token("let", priority = 10)]
    Let,
    #[token("match", priority = 10)]
    Match,
    #[token("null", priority = 10)]
    Null,
    #[token("return", priority = 10)]
    Return,
    #[token("struct", priority = 10)]
    Struct,
    #[token("throw", priority = 10)]
    Throw,
    #[token("true", priority = 10)]
    True,
    #[token("try", priority = 10)]
    Try,
    #[token("while", priority = 10)]
    While,

    // --- punctuation ---
    #[token("(")]
    LeftParen,
    #[token(")")]
    RightParen,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token("{")]
    LeftBrace,
    #[token("}")]
    RightBrace,
    #[token(",")]
    Comma,
    #[token(".")]
    Dot,
    #[token("...")]
    Ellipsis,
    #[token(":")]
    Colon,
    #[token(";")]
    Semicolon,
    #[token("=>")]
    FatArrow,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("**")]
    StarStar,
    #[token("=")]
    Assign,
    #[token("+=")]
    PlusAssign,
    #[token("-=")]
    MinusAssign,
    #[token("*=")]
    StarAssign,
    #[token("/=")]
    SlashAssign,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("<<")]
    ShiftLeft,
    #[token(">>")]
    ShiftRight,
    #[token("&")]
    Ampersand,
    #[token("|")]
    Pipe,
    #[token("^")]
    Caret,
    #[token("~")]
    Tilde,
    #[token("&&")]
    AndAnd,
    #[token("||")]
    OrOr,
    #[token("!")]
    Bang,
    #[token("?")]
    Question,
    #[token("??")]
    Coalesce,
    #[token("?.")]
    QuestionDot,

    // --- extensions: recognised so that the parser can say what they are ---
    #[token("..")]
    DotDot,
    #[token("..=")]
    DotDotEqual,
    #[token("->")]
    Arrow,
    #[token("%=")]
    PercentAssign,
    #[token("**=")]
    StarStarAssign,
    #[token("&=")]
    AmpersandAssign,
    #[token("|=")]
    PipeAssign,
    #[token("^=")]
    CaretAssign,
    #[token("<<=")]
    ShiftLeftAssign,
    #[token(">>=")]
    ShiftRightAssign,
    #[token("&&=")]
    AndAndAssign,
    #[token("||=")]
    OrOrAssign,
    #[token("??=")]
    CoalesceAssign,

    // --- the rest ---
    /// Characters that start no token; reported.
    Unknown,
    /// The end of the text. Not part of the lossless vector; the parser appends it to what it reads.
    EndOfFile,
}

impl TokenKind {
    /// Whether the grammar skips this kind.
    #[inline]
    pub const fn is_trivia(self) -> bool {
        (self as u8) <= Self::Shebang as u8
    }

    /// Whether this is a reserved word.
    #[inline]
    pub const fn is_keyword(self) -> bool {
        self as u8 >= Self::As as u8 && self as u8 <= Self::While as u8
    }

    /// Whether a token of this kind may be a member name, a struct field or a field label.
    #[inline]
    pub const fn is_name(self) -> bool {
        self as u8 >= Self::Ident as u8 && self as u8 <= Self::While as u8
    }

    /// Whether the lexer has already reported a token of this kind.
    #[inline]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Unknown | Self::BadNumber | Self::UnterminatedString)
    }
}

/// Takes a quoted string to its end if it has no placeholder, else only its opening quote.
fn string_head(lexer: &mut Lexer<'_, TokenKind>) -> TokenKind {
    let quote = lexer.slice().as_bytes()[0];
    match scan_string(lexer.remainder().as_bytes(), quote) {
        (len, Stop::Quote, _) => {
            lexer.bump(len + 1);
            TokenKind::String
        }
        (_, Stop::Placeholder, _) => TokenKind::StringStart,
        (len, Stop::EndOfText, _) => {
            lexer.bump(len);
            TokenKind::UnterminatedString
        }
    }
}

/// Takes a triple-quoted string to its end.
fn triple_string(lexer: &mut Lexer<'_, TokenKind>) -> TokenKind {
    let rest = lexer.remainder();
    if let Some(len) = rest.find("\"\"\"") {
        lexer.bump(len + 3);
        TokenKind::TripleString
    } else {
        lexer.bump(rest.len());
        TokenKind::UnterminatedString
    }
}

/// Takes a block comment to its end, or the rest of the text.
fn block_comment(lexer: &mut Lexer<'_, TokenKind>) {
    let rest = lexer.remainder();
    lexer.bump(rest.find("*/").map_or(rest.len(), |len| len + 2));
}
