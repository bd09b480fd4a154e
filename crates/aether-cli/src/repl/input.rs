//! Whether an input goes on in the next line.

use aether::parts::lexer::{TokenKind, lex};
use aether::parts::parser::{ParseOptions, parse};
use aether::{DEFAULT_MAX_NESTING, SourceFile};

/// Whether a bracket or a `"""` string is open. Strings and comments are passed over; a closing bracket too many counts
/// for nothing.
pub(crate) fn has_open_bracket(text: &str) -> bool {
    OpenBrackets::default().are_in(text)
}

/// The same for a text that grows at its end by whole lines, each of which is looked at once unless it stands in a
/// string or comment that is not closed yet.
#[derive(Default)]
pub(crate) struct OpenBrackets {
    /// Bytes that are settled: they end outside of every string and comment.
    settled: usize,
    /// Brackets that are open there.
    open: usize,
}

impl OpenBrackets {
    /// Whether something is open in `text`, which begins with what was given before.
    pub(crate) fn are_in(&mut self, text: &str) -> bool {
        let file = SourceFile::new(None, text[self.settled..].to_owned());
        let lexed = lex(&file);
        let (mut open, mut holes, mut in_string) = (self.open, 0_usize, false);
        for (token, span) in lexed.iter() {
            match token.kind {
                TokenKind::InterpolationStart => holes += 1,
                TokenKind::InterpolationEnd => holes = holes.saturating_sub(1),
                TokenKind::LeftParen | TokenKind::LeftBracket | TokenKind::LeftBrace => open += 1,
                TokenKind::RightParen | TokenKind::RightBracket | TokenKind::RightBrace => {
                    open = open.saturating_sub(1);
                }
                TokenKind::UnterminatedString => in_string |= file.slice(span).starts_with("\"\"\""),
                _ => {}
            }
        }
        if lexed.diagnostics.is_empty() && holes == 0 {
            (self.settled, self.open) = (text.len(), open);
        }
        open + holes > 0 || in_string
    }
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
    use super::{OpenBrackets, has_open_bracket, is_unfinished};

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
    fn growing_texts_are_judged_as_whole_ones() {
        let text = "f(\"a\n) {1 + [\n2]} [\"\n, /* [\n [ */ {\n\"\"\"\n(\n\"\"\"\n])\n}))\n(\n)\n~ [\n]\n";
        let mut brackets = OpenBrackets::default();
        for (at, _) in text.match_indices('\n') {
            let so_far = &text[..=at];
            assert_eq!(brackets.are_in(so_far), has_open_bracket(so_far), "{so_far}");
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
