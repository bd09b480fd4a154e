//! The difference of two texts, line by line, for people.

use std::fmt::Write as _;

/// Lines of context around what differs.
const CONTEXT: usize = 2;
/// Lines shown of each side.
const SHOWN: usize = 40;

/// What to take away (`-`) from `expected` and to add (`+`) to get `actual`; empty if they are equal.
///
/// Finds the common beginning and end only: enough to see what happened, and linear in time.
pub fn diff(expected: &str, actual: &str) -> String {
    if expected == actual {
        return String::new();
    }
    let old: Vec<&str> = expected.split('\n').collect();
    let new: Vec<&str> = actual.split('\n').collect();
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(same)
        .count();
    let mut out = String::new();
    let start = head.saturating_sub(CONTEXT);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  (line {})", start + 1);
    show(&mut out, ' ', &old[start..head]);
    show(&mut out, '-', &old[head..old.len() - tail]);
    show(&mut out, '+', &new[head..new.len() - tail]);
    show(
        &mut out,
        ' ',
        &old[old.len() - tail..(old.len() - tail + CONTEXT).min(old.len())],
    );
    out
}

fn show(out: &mut String, mark: char, lines: &[&str]) {
    for line in lines.iter().take(SHOWN) {
        let _ = writeln!(out, "  {mark} {line}");
    }
    if lines.len() > SHOWN {
        let _ = writeln!(out, "  {mark} … {} more lines", lines.len() - SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn only_what_differs_is_marked() {
        let expected = "a\nb\nc\nd\ne\n";
        assert_eq!(diff(expected, expected), "");
        assert_eq!(
            diff(expected, "a\nb\nX\nd\ne\n"),
            "  (line 1)\n    a\n    b\n  - c\n  + X\n    d\n    e\n"
        );
        assert_eq!(diff("a", "a\na"), "  (line 1)\n    a\n  + a\n");
    }
}
