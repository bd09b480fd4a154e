//! Whether an input goes on in the next line.

use aether::parts::lexer::{TokenKind, lex};
use aether::parts::parser::{ParseOptions, parse};
use aether::{DEFAULT_MAX_NESTING, SourceFile};

/// Whether a bracket or a `"""` string is open. Strings and comments are passed over; a closing bracket too many counts
/// for nothing.
pub(crate) fn has_open_bracket(text: &str) -> bool {
    let file = SourceFile::new(None, text.to_owned());
    let lexed = lex(&file);
    let mut open = 0_usize;
    for (token, span) in lexed.iter() {
        match token.kind {
            TokenKind::LeftParen
            | TokenKind::LeftBracket
            | TokenKind::LeftBrace
            | TokenKind::InterpolationStart => open += 1,
            TokenKind::RightParen
            | TokenKind::RightBracket
            | TokenKind::RightBrace
            | TokenKind::InterpolationEnd => open = open.saturating_sub(1),
            TokenKind::UnterminatedString if file.slice(span).starts_with("\"\"\"") => return true,
            _ => {}
        }
    }
    open > 0
}

/// Whether an input cannot be complete: a bracket is open, or the parser's first complaint is that the text ends.
pub(crate) fn is_unfinished(text: &str) -> bool {
    if has_open_bracket(text) {
        return true;
    }
    let file = SourceFile::new(None, text.to_owned());
    let options = ParseOptions {
        max_nesting: DEFAULT_MAX_NESTING,
    };
    let parsed = parse(&file, options);
    let end = text.trim_end().len();
    parsed.diagnostics.first().is_some_and(|first| {
        // A quoted string that is not closed is more often a slip than a string of several lines.
        first.code == "E0107" && first.span.start as usize >= end
    })
}

#[cfg(test)]
mod tests {
    use super::{has_open_bracket, is_unfinished};

    #[test]
    fn open_brackets_continue_an_input() {
        for text in ["f(", "[1,", "fn f() {", "let s = \"\"\"a", "\"${", "\"${ {"] {
            assert!(has_open_bracket(text), "{text}");
        }
        for text in [
            "f()",
            "\"(\"",
            "// {",
            "/* [ */",
            "'{'",
            "1)",
            ")(]",
            "let x =",
            "\"a",
            "\"\\\"(\"",
        ] {
            assert!(!has_open_bracket(text), "{text}");
        }
    }

    #[test]
    fn the_parser_tells_what_is_unfinished() {
        for text in ["let x =", "1 +", "if (x)", "a ??", "struct P", "x =>", "try { }"] {
            assert!(is_unfinished(text), "{text}");
        }
        for text in ["let x = 1", "1 + )", "\"a", "x y", "return", ""] {
            assert!(!is_unfinished(text), "{text}");
        }
    }
}
