//! What people write who come from Python, JavaScript, Rust and their kin: either it works, or the message says how it
//! is written here. `habits.txt` holds the programs, each with what a person sees; `UPDATE_EXPECT=1` records that anew.
#![forbid(unsafe_code)]

use aether_tests::{execute_text, repository};
use std::fmt::Write as _;
use std::fs;

/// Habits that have no help of their own, since the message says it all or there is nothing wrong.
const SELF_EXPLAINING: [&str; 3] = ["null.foo\n", "return 5\n", "println(7 // 2)\n"];

#[test]
fn habits_work_or_are_explained() {
    let path = repository().join("tests/tests/habits.txt");
    let text = fs::read_to_string(&path).unwrap();
    let mut recorded = String::new();
    let mut count = 0;
    for habit in text.split("===\n").skip(1) {
        let (program, _) = habit.split_once("---\n").unwrap_or((habit, ""));
        let outcome = match execute_text(program) {
            Ok((outcome, _)) => outcome,
            Err(error) => panic!("{program}: {error}"),
        };
        let seen = format!("{}{}", outcome.stdout, outcome.stderr);
        if !outcome.stderr.is_empty() && !SELF_EXPLAINING.contains(&program) {
            assert!(outcome.stderr.contains("help: "), "{program}{seen}");
        }
        write!(recorded, "===\n{program}---\n{seen}").unwrap();
        if !seen.ends_with('\n') {
            recorded.push('\n');
        }
        count += 1;
    }
    assert!(count >= 40, "only {count} habits");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &recorded).unwrap();
    } else {
        for (recorded, expected) in recorded.split("===\n").zip(text.split("===\n")) {
            assert_eq!(recorded, expected);
        }
        assert_eq!(recorded.len(), text.len());
    }
}
