//! Which bracket closes which, over the whole file: recovery skips balanced regions with it, and errors name the
//! bracket that was opened. Found in one pass, and only once something is wrong.
//!
//! A brace is stronger than a parenthesis or bracket: `}` closes its `{` over any `(` or `[` left open in between,
//! and `)` or `]` never reach out of their braces.

use aether_lexer::TokenKind;

use crate::cursor::Lexeme;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Brackets {
    /// For each token the index of the bracket it pairs with, else [`NONE`].
    partner: Vec<u32>,
    /// Some `{` is never closed.
    pub(crate) lacks_brace: bool,
}

/// An open bracket, and how many `(` and `[` are open since the innermost brace, this one included.
struct Open {
    at: usize,
    kind: TokenKind,
    parens: u32,
    squares: u32,
}

impl Brackets {
    pub(crate) fn find(tokens: &[Lexeme]) -> Self {
        use TokenKind as T;
        let mut partner = vec![NONE; tokens.len()];
        let mut stack: Vec<Open> = Vec::new();
        let mut braces = 0_u32;
        let mut placeholders = 0_u32;
        for (at, token) in tokens.iter().enumerate() {
            let kind = token.kind;
            let (parens, squares) = stack.last().map_or((0, 0), |open| (open.parens, open.squares));
            let opened = |parens, squares| Open {
                at,
                kind,
                parens,
                squares,
            };
            let wanted = match kind {
                T::LeftParen => {
                    stack.push(opened(parens + 1, squares));
                    continue;
                }
                T::LeftBracket => {
                    stack.push(opened(parens, squares + 1));
                    continue;
                }
                T::LeftBrace => {
                    braces += 1;
                    stack.push(opened(0, 0));
                    continue;
                }
                T::InterpolationStart => {
                    placeholders += 1;
                    stack.push(opened(0, 0));
                    continue;
                }
                T::RightParen if parens > 0 => T::LeftParen,
                T::RightBracket if squares > 0 => T::LeftBracket,
                T::RightBrace if braces > 0 => T::LeftBrace,
                T::InterpolationEnd if placeholders > 0 => T::InterpolationStart,
                _ => continue,
            };
            while let Some(open) = stack.pop() {
                match open.kind {
                    T::LeftBrace => braces -= 1,
                    T::InterpolationStart => placeholders -= 1,
                    _ => {}
                }
                if open.kind == wanted {
                    partner[open.at] = at as u32;
                    partner[at] = open.at as u32;
                    break;
                }
            }
        }
        let lacks_brace = tokens
            .iter()
            .zip(&partner)
            .any(|(token, &partner)| token.kind == T::LeftBrace && partner == NONE);
        Self { partner, lacks_brace }
    }

    /// The bracket that pairs with the one at `at`.
    pub(crate) fn partner(&self, at: usize) -> Option<usize> {
        self.partner
            .get(at)
            .copied()
            .filter(|&found| found != NONE)
            .map(|found| found as usize)
    }

    /// A `{` from `from` on whose `}` starts a line with another indentation than the line of the `{`: the likely
    /// place of a missing `}` when the file ends too early.
    pub(crate) fn likely_unclosed(&self, tokens: &[Lexeme], text: &str, from: usize) -> Option<usize> {
        let indent = |offset: u32| {
            let line = text[..offset as usize].rfind('\n').map_or(0, |at| at + 1);
            text[line..]
                .bytes()
                .take_while(|byte| matches!(byte, b' ' | b'\t'))
                .count()
        };
        (from..tokens.len()).find(|&at| {
            tokens[at].kind == TokenKind::LeftBrace
                && self.partner(at).is_some_and(|close| {
                    tokens[close].on_new_line() && indent(tokens[close].start) != indent(tokens[at].start)
                })
        })
    }
}
