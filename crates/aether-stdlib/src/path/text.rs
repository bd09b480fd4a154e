//! Paths as texts: nothing here looks at a disk.
//!
//! Separators at the end of a path are no part of its last name, and doubled ones count as one.

use std::path::{Path, is_separator};

/// Where the last name of a path begins and ends.
fn last_name(path: &str) -> (usize, usize) {
    let end = path.trim_end_matches(is_separator).len();
    let start = path[..end]
        .rfind(is_separator)
        .map_or(0, |at| at + separator_bytes(&path[at..]));
    (start, end)
}

fn separator_bytes(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// The last name of a path; empty for a root.
pub(super) fn basename(path: &str) -> &str {
    let (start, end) = last_name(path);
    &path[start..end]
}

/// What stands before the last name: `.` if that is nothing, the root for what is directly in it.
pub(super) fn dirname(path: &str) -> &str {
    let (start, end) = last_name(path);
    let before = path[..start].trim_end_matches(is_separator);
    if !before.is_empty() {
        before
    } else if start > 0 || (end == 0 && !path.is_empty()) {
        &path[..1]
    } else {
        "."
    }
}

/// A name before and from its last dot. The dot that a hidden file begins with is none, nor are those of `..`.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if !name[..at].trim_start_matches('.').is_empty() => name.split_at(at),
        _ => (name, ""),
    }
}

/// The last name without its extension.
pub(super) fn stem(path: &str) -> &str {
    split_extension(basename(path)).0
}

/// The extension with its dot; empty for none.
pub(super) fn ext(path: &str) -> &str {
    split_extension(basename(path)).1
}

/// The path with another extension, with or without a dot; none if it is empty. `None` for a path without a name.
pub(super) fn with_ext(path: &str, ext: &str) -> Option<String> {
    let name = basename(path);
    if matches!(name, "" | "." | "..") {
        return None;
    }
    let (start, _) = last_name(path);
    let dot = if ext.is_empty() || ext.starts_with('.') {
        ""
    } else {
        "."
    };
    Some(format!("{}{}{dot}{ext}", &path[..start], stem(path)))
}

/// Whether a path does not depend on a directory that it begins at.
pub(super) fn is_absolute(path: &str) -> bool {
    Path::new(path).is_absolute()
}

/// The root of a path, if it has one, and its names.
pub(super) fn split(path: &str) -> impl Iterator<Item = &str> {
    let root = path.starts_with(is_separator).then(|| &path[..1]);
    root.into_iter()
        .chain(path.split(is_separator).filter(|name| !name.is_empty()))
}

/// The path without `.`, without doubled separators, and without each `..` that follows a name; `.` for nothing.
pub(super) fn normalize(path: &str) -> String {
    let root = path.starts_with(is_separator);
    let mut names: Vec<&str> = Vec::new();
    for name in path.split(is_separator) {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            // There is nothing above a root.
            ".." if root => {}
            name => names.push(name),
        }
    }
    match (root, names.is_empty()) {
        (true, _) => format!("/{}", names.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => names.join("/"),
    }
}

/// The path that leads from a directory to another path; `None` where that cannot be said without a disk: one is
/// absolute and the other is not, or `from` begins above what both are relative to.
pub(super) fn relative(from: &str, to: &str) -> Option<String> {
    if is_absolute(from) != is_absolute(to) {
        return None;
    }
    let (from, to) = (normalize(from), normalize(to));
    let names = |path| -> Vec<&str> { split(path).filter(|name| *name != "." && *name != "/").collect() };
    let (from, to) = (names(&from), names(&to));
    let shared = from
        .iter()
        .zip(&to)
        .take_while(|(left, right)| left == right)
        .count();
    if from[shared..].contains(&"..") {
        return None;
    }
    let up = from[shared..].iter().map(|_| "..");
    let names: Vec<&str> = up.chain(to[shared..].iter().copied()).collect();
    Some(if names.is_empty() {
        ".".to_owned()
    } else {
        names.join("/")
    })
}

/// A path from a directory on, without detours.
pub(super) fn absolute(directory: &str, path: &str) -> String {
    if is_absolute(path) {
        normalize(path)
    } else {
        normalize(&format!("{directory}/{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_made_of_stem_and_extension(path in "[./a-c]{0,12}") {
            prop_assert_eq!(format!("{}{}", stem(&path), ext(&path)), basename(&path));
        }

        #[test]
        fn normalizing_is_done_at_once(path in "[./a-c]{0,12}") {
            let once = normalize(&path);
            prop_assert_eq!(normalize(&once), once.clone());
            prop_assert_eq!(is_absolute(&once), is_absolute(&path));
            prop_assert!(!once.contains("//"));
        }

        #[test]
        fn a_relative_path_leads_to_its_end(from in "/?[./a-c]{0,12}", to in "/?[./a-c]{0,12}") {
            if let Some(relative) = relative(&from, &to) {
                prop_assert!(!is_absolute(&relative));
                prop_assert_eq!(normalize(&format!("{}/{relative}", if from.is_empty() { "." } else { &from })), normalize(&to));
            } else {
                prop_assert!(is_absolute(&from) != is_absolute(&to) || from.contains(".."));
            }
        }

        #[test]
        fn directory_and_name_are_the_path(path in "[./a-c]{1,12}") {
            let joined = format!("{}/{}", dirname(&path), basename(&path));
            prop_assert_eq!(normalize(&joined), normalize(&path));
        }
    }
}
