//! The values of literals: integers, and the text of strings with their escapes resolved.
//!
//! Invariant: nothing here fails; a bad escape stands for U+FFFD, and the lexer has reported it.

use std::borrow::Cow;

use crate::kind::TokenKind;

/// A part of a string that is no valid escape: byte offset and length within the raw text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextError {
    /// Offset of the backslash.
    pub offset: usize,
    /// Length of the bad escape.
    pub len: usize,
}

/// The value of an integer literal, `_` and radix prefix understood. A magnitude of 2^63, which only a unary
/// minus makes valid, is `i64::MIN`; anything larger is `None`.
pub fn int_value(text: &str) -> Option<i64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'o', ..] => (&text[2..], 8),
        [b'0', b'b', ..] => (&text[2..], 2),
        _ => (text, 10),
    };
    let mut value: u64 = 0;
    for digit in digits.chars().filter(|&digit| digit != '_') {
        value = value
            .checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit.to_digit(radix)?))?;
    }
    (value <= 1 << 63).then_some(value as i64)
}

/// The text that a string token stands for, given its source text, quotes included where the kind has them.
pub fn string_text(kind: TokenKind, source: &str) -> Cow<'_, str> {
    match kind {
        TokenKind::TripleString => {
            let inner = source.strip_prefix("\"\"\"").unwrap_or(source);
            let inner = inner.strip_suffix("\"\"\"").unwrap_or(inner);
            let inner = inner
                .strip_prefix('\n')
                .or_else(|| inner.strip_prefix("\r\n"))
                .unwrap_or(inner);
            Cow::Borrowed(inner)
        }
        TokenKind::String => unescape(&source[1..source.len() - 1]),
        _ => unescape(source),
    }
}

fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.find('\\') else {
        return Cow::Borrowed(raw);
    };
    let mut text = String::with_capacity(raw.len());
    text.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (value, len) = escape(&rest[at..]);
        text.push(value.unwrap_or('\u{fffd}'));
        rest = &rest[at + len..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Calls `report` with each bad escape of a string's raw text.
pub(crate) fn check_escapes(raw: &str, mut report: impl FnMut(TextError)) {
    let mut offset = 0;
    while let Some(at) = raw[offset..].find('\\') {
        offset += at;
        let (value, len) = escape(&raw[offset..]);
        if value.is_none() {
            report(TextError { offset, len });
        }
        offset += len;
    }
}

/// The character that the escape at the start of `raw` stands for, and its length in bytes.
fn escape(raw: &str) -> (Option<char>, usize) {
    let Some(second) = raw[1..].chars().next() else {
        // Only an unterminated string can end in a lone backslash.
        return (Some('\\'), 1);
    };
    let value = match second {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' if raw[2..].starts_with('{') => return unicode_escape(raw),
        other => other,
    };
    (Some(value), 1 + second.len_utf8())
}

/// `\u{H…}`: one to six hexadecimal digits naming a Unicode scalar value.
fn unicode_escape(raw: &str) -> (Option<char>, usize) {
    const OPEN: usize = "\\u{".len();
    let digits = raw[OPEN..]
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_hexdigit)
        .count();
    let value = u32::from_str_radix(&raw[OPEN..OPEN + digits], 16)
        .ok()
        .and_then(char::from_u32);
    let end = OPEN + digits;
    if raw[end..].starts_with('}') {
        return (value, end + 1);
    }
    // The error covers up to a brace on the same line if one is near, so that the whole attempt is underlined.
    let rest = raw[end..].char_indices().take(16);
    let brace = rest
        .take_while(|&(_, found)| found != '\n' && found != '"' && found != '\'')
        .find(|&(_, found)| found == '}');
    (None, brace.map_or(end, |(at, _)| end + at + 1))
}
