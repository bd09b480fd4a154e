//! Words that are not Aether's: keywords of other languages, and the contextual words that are reserved for
//! extensions. Only where the file does not use the word as a name of its own, and only before tokens that a
//! program would hardly write after a name, so no sensible program changes its meaning.

use aether_lexer::TokenKind as T;

use crate::builder::Builder;
use crate::cursor::Lexeme;
use crate::precedence::starts_expression;

/// Every word that [`classify`] knows.
const WORDS: [&str; 17] = [
    "const", "var", "val", "local", "auto", "mut", "function", "func", "def", "fun", "class", "loop",
    "defer", "yield", "new", "do", "elif",
];

/// What a word at the start of a statement stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Read on as if `let` had been written.
    Let(&'static str),
    /// Read on as if `fn` had been written.
    Function,
    /// Read on as if `struct` had been written.
    Struct,
    /// The contextual word `const`: a `let` of names that are not assigned again.
    Const,
    /// The contextual word `loop`: a loop without an end of its own.
    Loop,
    /// The contextual word `defer`: code that runs when the function ends.
    Defer,
    /// The contextual word `yield`: the next item of a generator.
    Yield,
    /// Read a block, and perhaps a condition after it.
    DoLoop,
    /// Give up on the statement: what was expected, and the help.
    Unsupported(&'static str),
}

/// Recognises a foreign word at the start of a statement.
#[inline]
pub(crate) fn foreign_word(state: &mut Builder<'_>, at: usize) -> Option<Foreign> {
    let next = state.lexeme(at + 1);
    let same_line = !next.on_new_line() && next.kind != T::EndOfFile;
    let could_be = match state.slice(state.lexeme(at)) {
        "yield" => {
            let ends = matches!(next.kind, T::RightBrace | T::Semicolon);
            !same_line || ends || starts_expression(next.kind)
        }
        "defer" => {
            let may_start = !matches!(next.kind, T::LeftParen | T::LeftBracket | T::Minus);
            same_line && starts_expression(next.kind) && may_start
        }
        _ => {
            same_line
                && matches!(
                    next.kind,
                    T::Ident
                        | T::LeftBrace
                        | T::LeftBracket
                        | T::Int
                        | T::Float
                        | T::String
                        | T::StringStart
                        | T::Fn
                        | T::True
                        | T::False
                        | T::Null
                        | T::Await
                )
        }
    };
    if !could_be {
        return None;
    }
    let word = state.lexeme(at);
    let text = state.slice(word);
    let found = classify(state, text, at, next)?;
    if state.declared_words.is_none() {
        state.declared_words = Some(declared_words(state));
    }
    let declared = state
        .declared_words
        .as_ref()
        .is_some_and(|words| words.contains(&text));
    (!declared).then_some(found)
}

fn classify(state: &Builder<'_>, word: &str, at: usize, next: Lexeme) -> Option<Foreign> {
    let after = state.kind(at + 2);
    let name = next.kind == T::Ident;
    match word {
        "const" if name || matches!(next.kind, T::LeftBrace | T::LeftBracket) => Some(Foreign::Const),
        "var" | "val" | "local" | "auto" | "mut" if name && matches!(after, T::Assign | T::Colon) => {
            Some(Foreign::Let("variables are declared with let"))
        }
        "function" | "func" | "def" | "fun" if name && after == T::LeftParen => Some(Foreign::Function),
        "class" if name && after == T::LeftBrace => Some(Foreign::Struct),
        "loop" if next.kind == T::LeftBrace => Some(Foreign::Loop),
        "defer" => Some(Foreign::Defer),
        "yield" => Some(Foreign::Yield),
        "new" if name && after == T::LeftParen => Some(Foreign::Unsupported(
            "instances are written Name { field: value }",
        )),
        "do" if next.kind == T::LeftBrace => Some(Foreign::DoLoop),
        _ => None,
    }
}

/// The foreign words that the file declares as variables, functions, parameters or imports.
#[cold]
fn declared_words<'t>(state: &Builder<'t>) -> Vec<&'t str> {
    let tokens = state.tokens();
    let mut words = Vec::new();
    let mut params = false;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            T::LeftParen => {
                let before = |back: usize| at.checked_sub(back).map(|index| tokens[index].kind);
                params = matches!(before(1), Some(T::Fn | T::Catch))
                    || (before(1) == Some(T::Ident) && before(2) == Some(T::Fn));
            }
            T::RightParen => params = false,
            T::Ident if at > 0 => {
                let declared = params
                    || matches!(
                        tokens[at - 1].kind,
                        T::Let | T::Fn | T::For | T::As | T::Import | T::Struct | T::Enum
                    );
                let word = state.slice(*token);
                if declared && WORDS.contains(&word) && !words.contains(&word) {
                    words.push(word);
                }
            }
            _ => {}
        }
    }
    words
}
