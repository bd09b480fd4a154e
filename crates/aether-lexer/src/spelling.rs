//! How words and signs are written: for tools that colour or complete, and for grammars of editors, which a test holds
//! against this.

use crate::kind::TokenKind as T;

/// The reserved words, in alphabetical order.
pub const RESERVED_WORDS: &[(&str, T)] = &[
    ("as", T::As),
    ("async", T::Async),
    ("await", T::Await),
    ("break", T::Break),
    ("catch", T::Catch),
    ("continue", T::Continue),
    ("debugger", T::Debugger),
    ("else", T::Else),
    ("enum", T::Enum),
    ("false", T::False),
    ("finally", T::Finally),
    ("fn", T::Fn),
    ("for", T::For),
    ("from", T::From),
    ("if", T::If),
    ("import", T::Import),
    ("in", T::In),
    ("let", T::Let),
    ("match", T::Match),
    ("null", T::Null),
    ("return", T::Return),
    ("struct", T::Struct),
    ("throw", T::Throw),
    ("true", T::True),
    ("try", T::Try),
    ("while", T::While),
];

/// Words that begin a statement where a suitable token follows, and are names elsewhere.
pub const CONTEXTUAL_WORDS: &[&str] = &["const", "defer", "loop", "yield"];

/// Brackets, separators and operators.
pub const SIGNS: &[(&str, T)] = &[
    ("(", T::LeftParen),
    (")", T::RightParen),
    ("[", T::LeftBracket),
    ("]", T::RightBracket),
    ("{", T::LeftBrace),
    ("}", T::RightBrace),
    (",", T::Comma),
    (".", T::Dot),
    ("...", T::Ellipsis),
    (":", T::Colon),
    (";", T::Semicolon),
    ("=>", T::FatArrow),
    ("+", T::Plus),
    ("-", T::Minus),
    ("*", T::Star),
    ("/", T::Slash),
    ("%", T::Percent),
    ("**", T::StarStar),
    ("=", T::Assign),
    ("+=", T::PlusAssign),
    ("-=", T::MinusAssign),
    ("*=", T::StarAssign),
    ("/=", T::SlashAssign),
    ("==", T::Equal),
    ("!=", T::NotEqual),
    ("<", T::Less),
    ("<=", T::LessEqual),
    (">", T::Greater),
    (">=", T::GreaterEqual),
    ("<<", T::ShiftLeft),
    (">>", T::ShiftRight),
    ("&", T::Ampersand),
    ("|", T::Pipe),
    ("^", T::Caret),
    ("~", T::Tilde),
    ("&&", T::AndAnd),
    ("||", T::OrOr),
    ("!", T::Bang),
    ("?", T::Question),
    ("??", T::Coalesce),
    ("?.", T::QuestionDot),
    ("..", T::DotDot),
    ("..=", T::DotDotEqual),
    ("->", T::Arrow),
    ("%=", T::PercentAssign),
    ("**=", T::StarStarAssign),
    ("&=", T::AmpersandAssign),
    ("|=", T::PipeAssign),
    ("^=", T::CaretAssign),
    ("<<=", T::ShiftLeftAssign),
    (">>=", T::ShiftRightAssign),
    ("&&=", T::AndAndAssign),
    ("||=", T::OrOrAssign),
    ("??=", T::CoalesceAssign),
];

#[cfg(test)]
mod tests {
    use super::{CONTEXTUAL_WORDS, RESERVED_WORDS, SIGNS, T};
    use crate::lex;
    use aether_source::SourceFile;

    fn kind_of(text: &str) -> T {
        let lexed = lex(&SourceFile::new(None, text.to_owned()));
        assert_eq!(lexed.tokens.len(), 1, "{text}");
        lexed.tokens[0].kind
    }

    #[test]
    fn the_lists_are_those_of_the_lexer() {
        for &(text, kind) in RESERVED_WORDS.iter().chain(SIGNS) {
            assert_eq!(kind_of(text), kind, "{text}");
        }
        for word in CONTEXTUAL_WORDS {
            assert_eq!(kind_of(word), T::Ident);
        }
        // Kinds are numbered in order, so that a missing one shows in the count.
        assert_eq!(RESERVED_WORDS.len(), T::While as usize - T::As as usize + 1);
        assert_eq!(
            SIGNS.len(),
            T::CoalesceAssign as usize - T::LeftParen as usize + 1
        );
        assert!(RESERVED_WORDS.is_sorted_by_key(|&(word, _)| word));
    }
}
