//! Looking for the end of a string's characters, in one pass.

/// How the scan of a string's characters ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Quote,
    Placeholder,
    EndOfText,
}

/// Scans string characters: how many bytes come before the stop, why it stopped, whether a backslash was seen.
pub(crate) fn scan_string(bytes: &[u8], quote: u8) -> (usize, Stop, bool) {
    let mut at = 0;
    let mut escapes = false;
    while let Some(&byte) = bytes.get(at) {
        if byte == quote {
            return (at, Stop::Quote, escapes);
        }
        match byte {
            b'\\' => {
                escapes = true;
                // The escaped character may have several bytes; its continuation bytes stop nothing.
                at += 2;
            }
            b'$' if bytes.get(at + 1) == Some(&b'{') => return (at, Stop::Placeholder, escapes),
            _ => at += 1,
        }
    }
    (bytes.len(), Stop::EndOfText, escapes)
}
