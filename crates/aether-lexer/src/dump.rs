//! The token dump of `aether dump tokens`: one line a token, for work on the implementation.

use std::fmt::Write as _;

use aether_source::SourceFile;

use crate::token::{Lexed, TokenFlags};

/// Writes every token with its line, column, kind and text, trivia included. The last line is the end of file.
pub fn dump(lexed: &Lexed, file: &SourceFile) -> String {
    let mut out = String::new();
    for (token, span) in lexed.iter() {
        let place = file.line_column(span.start);
        let mark = if token.flags.has(TokenFlags::NEWLINE_BEFORE) {
            "^ "
        } else {
            ""
        };
        let text = file.slice(span);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{}:{} {mark}{:?} {text:?}",
            place.line, place.column, token.kind
        );
    }
    let end = file.line_column(lexed.len);
    let _ = writeln!(out, "{}:{} EndOfFile", end.line, end.column);
    out
}
