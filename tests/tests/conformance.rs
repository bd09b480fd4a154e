//! One test for every program below `tests/conformance` and in `examples`; see the harness crate for the format.
//!
//! `UPDATE_EXPECT=1` writes what the programs did beside them instead of comparing.
#![forbid(unsafe_code)]

use aether_tests::{Case, compare, execute, find_cases};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match find_cases() {
        Ok(cases) => {
            let trial = |case: Case| Trial::test(case.name.clone(), move || check(&case));
            cases.into_iter().map(trial).collect()
        }
        Err(error) => vec![Trial::test("find-cases", move || Err(Failed::from(error)))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn check(case: &Case) -> Result<(), Failed> {
    let (outcome, report) = execute(case)?;
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return Ok(case.bless(&outcome)?);
    }
    let message = compare(&case.expected()?, &outcome, &report);
    if message.is_empty() {
        Ok(())
    } else {
        Err(message.into())
    }
}
