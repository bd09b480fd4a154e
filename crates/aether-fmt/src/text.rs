//! How single tokens and comments are written.

use std::borrow::Cow;

/// The characters of a quoted string, or of a piece of one, for double quotes: those that single quotes enclosed need
/// other escapes.
pub(crate) fn requoted(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['"', '\'']) {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len() + 2);
    let mut characters = raw.chars();
    while let Some(found) = characters.next() {
        match found {
            '\\' => match characters.next() {
                Some('\'') => text.push('\''),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            },
            '"' => text.push_str("\\\""),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// A comment without blanks at the ends of its lines.
pub(crate) fn comment(raw: &str) -> Cow<'_, str> {
    let is_clean = |line: &str| !line.ends_with([' ', '\t', '\r']);
    if raw.split('\n').all(is_clean) {
        return Cow::Borrowed(raw);
    }
    let lines: Vec<&str> = raw
        .split('\n')
        .map(|line| line.trim_end_matches([' ', '\t', '\r']))
        .collect();
    Cow::Owned(lines.join("\n"))
}
