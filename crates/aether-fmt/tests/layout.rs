//! What formatted programs look like. `layout.txt` holds programs, each behind a line `===` with its width, and
//! `layout.out` how they are written; `UPDATE_EXPECT=1` records that anew, to be read like code.
#![forbid(unsafe_code)]

use aether_fmt::{Options, format};
use aether_source::SourceFile;
use std::fmt::Write as _;
use std::fs;

#[test]
fn programs_are_written_as_recorded() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/");
    let programs = fs::read_to_string(format!("{folder}layout.txt")).unwrap();
    let mut actual = String::new();
    for program in programs.split("=== ").skip(1) {
        let (width, text) = program.split_once('\n').unwrap();
        let options = Options {
            width: width.trim().parse().ok(),
        };
        let formatted = format(&SourceFile::new(None, text.to_owned()), options).unwrap();
        write!(actual, "=== {width}\n{formatted}").unwrap();
    }
    let path = format!("{folder}layout.out");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.len(), expected.len());
}
