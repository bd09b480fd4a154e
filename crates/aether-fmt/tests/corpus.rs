//! Every program of the repository, and random ones, as they are and with comments in their gaps: the formatter keeps tree and comments,
//! which it checks itself, and formatting again changes nothing.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

#[path = "../../aether-parser/tests/support/random_tree.rs"]
mod random_tree;

use aether_fmt::{FormatError, Options, format};
use aether_lexer::{TokenKind, lex};
use aether_parser::{ParseOptions, parse};
use aether_source::SourceFile;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn programs() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut waiting: Vec<PathBuf> = ["tests", "examples", "benches", "crates", "docs"]
        .map(|name| root.join(name))
        .into();
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ae")
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 1000);
    found
}

/// Formats twice, with and without a width; gives what is wrong, if anything.
fn complaint(text: &str) -> Option<String> {
    complaint_at(text, &[None, Some(80), Some(20)])
}

fn complaint_at(text: &str, widths: &[Option<usize>]) -> Option<String> {
    for &width in widths {
        let once = match format(&SourceFile::new(None, text.to_owned()), Options { width }) {
            Ok(once) => once,
            Err(FormatError::Syntax(_)) => return None,
            Err(error) => return Some(format!("{width:?}: {error}")),
        };
        match format(&SourceFile::new(None, once.clone()), Options { width }) {
            Ok(twice) if twice == once => {}
            Ok(twice) => {
                let lines = once.lines().zip(twice.lines()).find(|(a, b)| a != b);
                return Some(format!("{width:?}: not the same twice: {lines:#?}"));
            }
            Err(error) => return Some(format!("{width:?}: the second time: {error}")),
        }
        let hanging = once
            .lines()
            .find(|line| line.ends_with([' ', '\t']))
            .filter(|_| !once.contains("\"\"\"") && !text.contains(" \n"));
        if let Some(line) = hanging {
            return Some(format!("{width:?}: ends in a blank: {line:?}"));
        }
    }
    None
}

#[test]
fn every_program_keeps_its_tree_and_is_formatted_for_good() {
    let mut failed = 0;
    for (path, text) in programs() {
        if let Some(complaint) = complaint(&text) {
            println!("{}: {complaint}\n", path.display());
            failed += 1;
        }
    }
    assert_eq!(failed, 0);
}

/// The text with one of `comments` before each significant token that `chosen` picks.
fn commented(file: &SourceFile, comments: &[&str], mut chosen: impl FnMut(usize) -> bool) -> String {
    let mut text = String::new();
    let mut number = 0;
    for (token, span) in lex(file).iter() {
        let inside = matches!(
            token.kind,
            TokenKind::StringText
                | TokenKind::InterpolationStart
                | TokenKind::StringEnd
                | TokenKind::FormatSpec
        );
        if !token.kind.is_trivia() && !inside {
            if chosen(number) {
                text.push_str(comments[number % comments.len()]);
            }
            number += 1;
        }
        text.push_str(file.slice(span));
    }
    text
}

#[test]
fn comments_survive_in_every_gap() {
    let kinds: [&[&str]; 4] = [
        &[" /* b */ "],
        &[" // c\n"],
        &["\n// own line\n"],
        &[
            " /* b */ ",
            " // c\n",
            "\n// own line\n",
            "/* two\n lines */",
            "\n\n/* x */\n\n",
        ],
    ];
    let mut failed = 0;
    let mut formatted = 0_u32;
    for (path, text) in programs() {
        let file = SourceFile::new(None, text);
        if file.text().len() > 8000 || !parse(&file, ParseOptions::default()).diagnostics.is_empty() {
            continue;
        }
        for comments in kinds {
            // All gaps at once, then every third one, so that a comment does not always have another beside it.
            for every in [1, 3] {
                for offset in 0..every {
                    let text = commented(&file, comments, |number| number % every == offset);
                    let with_comments = SourceFile::new(None, text.clone());
                    if !parse(&with_comments, ParseOptions::default())
                        .diagnostics
                        .is_empty()
                    {
                        continue;
                    }
                    formatted += 1;
                    if let Some(complaint) = complaint(&text) {
                        println!(
                            "{} with {comments:?} {offset}/{every}: {complaint}\n",
                            path.display()
                        );
                        failed += 1;
                    }
                }
            }
        }
        assert!(failed < 10, "and more");
    }
    assert_eq!(failed, 0);
    assert!(formatted > 1000, "{formatted}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the grammar allows and nobody has written.
    #[test]
    fn random_programs_keep_their_trees_and_comments(
        choices in prop::collection::vec(any::<u8>(), 0..200),
        comments in prop::sample::select(vec![" /* b */ ", " // c\n", "\n// own line\n", "\n\n/* two\n lines */\n"]),
        every in 1..4_usize,
    ) {
        let printed = aether_ast::print(&random_tree::tree(&choices));
        if let Some(complaint) = complaint(&printed) {
            prop_assert!(false, "{complaint}\n{printed}");
        }
        let file = SourceFile::new(None, printed);
        let text = commented(&file, &[comments], |number| number % every == 0);
        // Wrapping lines that hold comments in every gap may take a second pass.
        if let Some(complaint) = complaint_at(&text, &[None]) {
            prop_assert!(false, "{complaint}\n{text}");
        }
    }
}
