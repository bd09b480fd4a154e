//! What the parser says of broken programs, as a newcomer reads it. `broken.txt` holds the programs and `broken.out`
//! the answers; `UPDATE_EXPECT=1` records them anew.

use std::fmt::Write as _;

use aether_parser::{ParseOptions, parse};
use aether_source::SourceFile;

fn describe(program: &str) -> String {
    let file = SourceFile::new(None, program.into());
    let mut lines = Vec::new();
    for found in parse(&file, ParseOptions::default()).diagnostics {
        let place = file.line_column(found.span.start);
        lines.push(format!(
            "{} {}:{} {}\n",
            found.code, place.line, place.column, found.message
        ));
        for label in found.labels {
            lines.push(format!(
                "    line {}: {}\n",
                file.line(label.span.start),
                label.text
            ));
        }
        lines.extend(found.help.map(|help| format!("    help: {help}\n")));
    }
    lines.concat()
}

#[test]
fn broken_programs_are_explained() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/");
    let programs = std::fs::read_to_string(format!("{folder}broken.txt")).unwrap();
    let mut actual = String::new();
    for program in programs.split("===\n").skip(1) {
        let answer = describe(program);
        write!(actual, "===\n{program}---\n{answer}").unwrap();
    }
    let path = format!("{folder}broken.out");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (actual, expected) in actual.split("===\n").zip(expected.split("===\n")) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.len(), expected.len());
}
