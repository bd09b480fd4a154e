//! Finding bytes, eight at a time.
//!
//! A word's byte is zero exactly if subtracting one from it borrows while its own top bit is clear. Bytes above the
//! lowest such byte may be hit falsely by the borrow, the lowest never is; so the first hit is exact.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Where the first of `needles` is in `bytes`; their length if nowhere.
#[inline]
#[cfg(feature = "csv")]
pub(crate) fn any_of<const N: usize>(bytes: &[u8], needles: [u8; N]) -> usize {
    let patterns = needles.map(|needle| LOW * u64::from(needle));
    search(
        bytes,
        |word| {
            patterns.iter().fold(0, |found, pattern| {
                let zero = word ^ pattern;
                found | zero.wrapping_sub(LOW) & !zero
            })
        },
        |byte| needles.contains(&byte),
    )
}

/// The same for what ends a plain stretch of a JSON string: a quote, a backslash, or a control character.
#[inline]
#[cfg(feature = "json")]
pub(crate) fn json_special(bytes: &[u8]) -> usize {
    let (quotes, slashes) = (LOW * u64::from(b'"'), LOW * u64::from(b'\\'));
    search(
        bytes,
        |word| {
            let (quote, slash) = (word ^ quotes, word ^ slashes);
            quote.wrapping_sub(LOW) & !quote
                | slash.wrapping_sub(LOW) & !slash
                | word.wrapping_sub(LOW * 0x20) & !word
        },
        |byte| matches!(byte, b'"' | b'\\' | 0..0x20),
    )
}

/// `hits` sets the top bit of a byte that is looked for in a word.
#[inline]
fn search(bytes: &[u8], hits: impl Fn(u64) -> u64, is_hit: impl Fn(u8) -> bool) -> usize {
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for chunk in &mut words {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let found = hits(word) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = words.remainder();
    at + rest.iter().position(|&byte| is_hit(byte)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "csv")]
    use super::any_of;
    #[cfg(feature = "json")]
    use super::json_special;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_hit_is_found(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 31_u8..36, 91_u8..94, 9_u8..14], 0..60)) {
            let first = |is_hit: &dyn Fn(u8) -> bool| bytes.iter().position(|&byte| is_hit(byte)).unwrap_or(bytes.len());
            #[cfg(feature = "csv")]
            prop_assert_eq!(any_of(&bytes, [b'\n', b'\r', b'"']), first(&|byte| matches!(byte, b'\n' | b'\r' | b'"')));
            #[cfg(feature = "json")]
            prop_assert_eq!(json_special(&bytes), first(&|byte| matches!(byte, b'"' | b'\\' | 0..0x20)));
        }
    }
}
