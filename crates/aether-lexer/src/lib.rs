//! Lossless tokens of Aether source text.
//!
//! Invariants
//! - Total: any text gives tokens, never a panic. What is wrong is a token plus a diagnostic.
//! - Lossless: tokens are in order, none is empty, and together they cover every byte exactly once; blanks,
//!   comments, the byte-order mark and the `#!` line are tokens too.
//! - Linear time, constant native stack: strings within placeholders within strings use an explicit stack.
//!
//! Not here: the grammar. Which names, operators or numbers may stand where is the parser's business.
#![forbid(unsafe_code)]

mod dump;
mod kind;
mod modes;
mod scan;
mod spelling;
mod text;
mod token;

pub use dump::dump;
pub use kind::TokenKind;
pub use modes::lex;
pub use spelling::{CONTEXTUAL_WORDS, RESERVED_WORDS, SIGNS};
pub use text::{TextError, int_value, string_text};
pub use token::{Lexed, MAX_SOURCE_BYTES, Token, TokenFlags};

/// The example of the README, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
