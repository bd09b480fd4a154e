//! What people write who come from Python, JavaScript, Rust and their kin: either it works, or the message says how it
//! is written here. `habits.txt` holds the programs, each with what a person sees; `UPDATE_EXPECT=1` records that anew.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::{execute_text, repository};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Habits that have no help of their own, since the message says it all or there is nothing wrong.
const SELF_EXPLAINING: [&str; 3] = ["null.foo\n", "return 5\n", "println(7 // 2)\n"];

/// The programs of a file and what a person sees of each, recorded anew.
fn record(name: &str, mut check: impl FnMut(&str, &str, &str)) -> (String, Vec<(String, String)>) {
    let path = repository().join("tests/tests").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let mut recorded = String::new();
    let mut entries = Vec::new();
    for entry in text.split("===\n").skip(1) {
        let (program, _) = entry.split_once("---\n").unwrap_or((entry, ""));
        let outcome = match execute_text(program) {
            Ok((outcome, _)) => outcome,
            Err(error) => panic!("{program}: {error}"),
        };
        check(program, &outcome.stdout, &outcome.stderr);
        let mut seen = format!("{}{}", outcome.stdout, outcome.stderr);
        if !seen.ends_with('\n') {
            seen.push('\n');
        }
        write!(recorded, "===\n{program}---\n{seen}").unwrap();
        entries.push((program.to_owned(), seen));
    }
    expect(&path, &text, &recorded);
    (recorded, entries)
}

/// Compares what was recorded with what is there, or writes it.
fn expect(path: &Path, text: &str, recorded: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, recorded).unwrap();
        return;
    }
    for (recorded, expected) in recorded.split("===\n").zip(text.split("===\n")) {
        assert_eq!(recorded, expected);
    }
    assert_eq!(recorded.len(), text.len());
}

#[test]
fn habits_work_or_are_explained() {
    let (_, habits) = record("habits.txt", |program, _, errors| {
        if !errors.is_empty() && !SELF_EXPLAINING.contains(&program) {
            assert!(errors.contains("help: "), "{program}{errors}");
        }
    });
    assert!(habits.len() >= 40, "only {} habits", habits.len());
}

/// What beginners get wrong: each is told with its place, and nine of ten with what to write instead.
/// `docs/mistakes.md` lists them.
#[test]
fn mistakes_are_explained() {
    let mut helped = 0;
    let (_, mistakes) = record("mistakes.txt", |program, _, errors| {
        assert!(errors.starts_with("Error: "), "{program}{errors}");
        assert!(errors.contains("line "), "{program}{errors}");
        helped += usize::from(errors.contains("help: "));
    });
    assert!(mistakes.len() >= 100, "only {} mistakes", mistakes.len());
    assert!(
        helped * 10 >= mistakes.len() * 9,
        "{helped} of {} have a help",
        mistakes.len()
    );
    let mut page = String::from(
        "# Mistakes\n\nWhat people get wrong in their first days, and what Aether says to it.\n\
         This page is made from `tests/tests/mistakes.txt` by its test, which holds every message.\n\
         On a terminal the same texts come with the lines of the program and carets below what is meant.\n",
    );
    for (program, seen) in &mistakes {
        write!(
            page,
            "\n```text\n{}\n```\n\n```text\n{}\n```\n",
            program.trim_end(),
            seen.trim_end()
        )
        .unwrap();
    }
    let path = repository().join("docs/mistakes.md");
    let text = fs::read_to_string(&path).unwrap_or_default();
    expect(&path, &text, &page);
}
