//! Source text to the same source text in canonical form.
//!
//! Invariants
//! - The result parses to the same tree, positions aside, and has the same comments in the same order; formatting it
//!   again changes nothing. The first two are checked before the text is given out.
//! - Text with errors is not formatted.
//! - Nothing here knows files: reading and writing is the caller's.
//!
//! How: the printer walks the tree and takes the tokens of the source one by one (`printer`), which gives a list of
//! commands, and `layout` decides where lines end.
//!
//! ```
//! use aether_fmt::{Options, format};
//! use aether_source::SourceFile;
//!
//! let file = SourceFile::new(None, "let x=(a+b)*c // sum\n".to_owned());
//! let text = format(&file, Options::default())?;
//! assert_eq!(text, "let x = (a + b) * c // sum\n");
//! # Ok::<(), aether_fmt::FormatError>(())
//! ```
#![forbid(unsafe_code)]

mod printer;

mod declaration;
mod expression;
mod statement;

mod layout;
mod parens;
mod text;

use aether_lexer::{Lexed, TokenKind, lex};
use aether_parser::{ParseOptions, parse_tokens};
use aether_source::{Diagnostic, SourceFile};

use printer::Printer;

/// How to format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The longest line wanted, in characters; lines are not wrapped without it. Texts and comments are never cut.
    pub width: Option<usize>,
}

/// Why a text is not formatted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It has lexical or syntax errors, in source order.
    #[error("syntax errors")]
    Syntax(Vec<Diagnostic>),
    /// The result would not have been the same program: a bug of the formatter.
    #[error("internal error, please report: the formatted text would differ in {0}")]
    Different(&'static str),
}

/// Formats a source text.
///
/// # Errors
/// See [`FormatError`]; the text is then best left as it is.
pub fn format(file: &SourceFile, options: Options) -> Result<String, FormatError> {
    let lexed = lex(file);
    let parsed = parse_tokens(file, &lexed, ParseOptions::default());
    if !parsed.diagnostics.is_empty() {
        return Err(FormatError::Syntax(parsed.diagnostics));
    }
    let mut printer = Printer::new(file, &parsed.ast, &lexed, options.width.is_some());
    printer.program();
    let mut text = layout::layout(file.text(), &printer.owned, &printer.commands, options.width);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if text == file.text() {
        return Ok(text);
    }
    let result = SourceFile::new(None, text);
    let again = lex(&result);
    if comments(file, &lexed) != comments(&result, &again) {
        return Err(FormatError::Different("its comments"));
    }
    let reparsed = parse_tokens(&result, &again, ParseOptions::default());
    if !reparsed.diagnostics.is_empty() || aether_ast::dump(&parsed.ast) != aether_ast::dump(&reparsed.ast) {
        return Err(FormatError::Different("its tree"));
    }
    Ok(result.text().to_owned())
}

/// The comments of a text, without blanks at the ends of their lines.
fn comments(file: &SourceFile, lexed: &Lexed) -> Vec<String> {
    let comments = lexed.iter().filter(|(token, _)| {
        matches!(
            token.kind,
            TokenKind::LineComment | TokenKind::BlockComment | TokenKind::Shebang
        )
    });
    comments
        .map(|(_, span)| text::comment(file.slice(span).trim_end()).into_owned())
        .collect()
}
