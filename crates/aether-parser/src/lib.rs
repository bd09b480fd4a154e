//! Tokens to a tree and a list of errors.
//!
//! Invariants
//! - Parsing never fails and never panics: any text gives a tree and a list of diagnostics, in source order.
//! - A tree without diagnostics is complete; otherwise [`aether_ast::Node::Error`] stands for what was skipped.
//! - Node spans nest inside their parent's.
//! - Linear time. The grammar is predictive: the next token or two decide which production applies, so nothing is
//!   parsed twice and no node is built in vain but for those of a statement that fails. A file that declares a word
//!   which was first taken for a keyword (`foreign`) is read again as a whole, once for each such word at most.
//! - Native stack use is bounded by the nesting limit, and grown on demand below it.
//!
//! How an error travels: the production that misses a token records the diagnostic in the [`builder::Builder`]
//! (chumsky's state) and either goes on as if the token had been there, or fails. A failure unwinds to the
//! innermost list of statements, which skips to where the next one starts (`recovery`). chumsky's own error type is
//! empty, so alternatives cost nothing.
//!
//! This is the only crate that names chumsky. Not here: name resolution, and any meaning.
#![forbid(unsafe_code)]

mod brackets;
mod builder;
mod control;
mod cursor;
mod declaration;
mod expression;
mod foreign;
mod hints;
mod list;
mod literal;
mod pattern;
mod precedence;
mod recovery;
mod statement;

use aether_ast::Ast;
use aether_lexer::{Lexed, lex};
use aether_source::{Diagnostic, SourceFile};

/// The nesting limit of the command line.
pub const DEFAULT_MAX_NESTING: u32 = 1000;

/// The nesting limit for embedders and where the native stack cannot grow.
pub const EMBEDDED_MAX_NESTING: u32 = 200;

/// What a host may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// How deep brackets, blocks, functions, placeholders, prefix operators, `**` and ternaries may nest.
    pub max_nesting: u32,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            max_nesting: DEFAULT_MAX_NESTING,
        }
    }
}

/// What parsing gives: always both.
#[derive(Clone, Debug)]
pub struct Parse {
    /// The tree.
    pub ast: Ast,
    /// Lexical and syntax errors in source order; if empty, the tree is complete.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses a source text.
pub fn parse(file: &SourceFile, options: ParseOptions) -> Parse {
    parse_tokens(file, &lex(file), options)
}

/// Parses the tokens of a source text; the lexer's diagnostics are among those returned.
pub fn parse_tokens(file: &SourceFile, lexed: &Lexed, options: ParseOptions) -> Parse {
    let lexemes = cursor::significant(lexed);
    let mut builder = builder::Builder::new(file, &lexemes, lexed, options);
    loop {
        statement::run_program(&lexemes, &mut builder);
        let names = foreign::misread(&builder);
        if names.is_empty() {
            return builder.finish(lexed);
        }
        builder = builder.again(names, lexed, options);
    }
}

/// The example of the README, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
