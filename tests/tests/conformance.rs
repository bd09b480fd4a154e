//! One test for every program below `tests/conformance` and in `examples`; see the harness crate for the format.
//!
//! `UPDATE_EXPECT=1` writes what the programs did beside them instead of comparing.
#![forbid(unsafe_code)]

use aether_tests::{Case, diff, execute, find_cases};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match find_cases() {
        Ok(cases) => cases
            .into_iter()
            .map(|case| Trial::test(case.name.clone(), move || check(&case)))
            .collect(),
        Err(error) => vec![Trial::test("find-cases", move || Err(Failed::from(error)))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn check(case: &Case) -> Result<(), Failed> {
    let (outcome, report) = execute(case)?;
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return Ok(case.bless(&outcome)?);
    }
    let expected = case.expected()?;
    let mut message = String::new();
    if outcome.status != expected.status {
        message.push_str(&format!(
            "status {} instead of {}\n",
            outcome.status, expected.status
        ));
    }
    for (stream, expected, actual) in [
        ("stdout", &expected.stdout, &outcome.stdout),
        ("stderr", &expected.stderr, &outcome.stderr),
    ] {
        let difference = diff(expected, actual);
        if !difference.is_empty() {
            message.push_str(&format!("{stream} differs (- expected, + actual):\n{difference}"));
        }
    }
    if report.live_objects != 0 {
        message.push_str(&format!(
            "{} objects are alive after the end\n",
            report.live_objects
        ));
    }
    if message.is_empty() {
        Ok(())
    } else {
        Err(message.into())
    }
}
