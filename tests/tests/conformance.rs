//! One test for every program below `tests/conformance` and in `examples`; see the harness crate for the format.
//!
//! Each program runs twice: as it is, and with every dict a table from the beginning and code that expects objects of the
//! host with operators, which no program may be able to tell but by figures about memory.
//!
//! `UPDATE_EXPECT=1` writes what the programs did beside them instead of comparing.
#![forbid(unsafe_code)]

use aether_tests::{Case, Settings, compare, execute, execute_watched, find_cases};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

/// Programs that print how much memory a dict takes.
const SHOW_MEMORY: &[&str] = &["lib-e12-heap/dict-forms"];

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
    let expected = case.expected()?;
    let message = compare(&expected, &outcome, &report);
    if !message.is_empty() {
        return Err(message.into());
    }
    if SHOW_MEMORY.iter().any(|name| case.name.ends_with(name)) {
        return Ok(());
    }
    let settings = Settings {
        records: false,
        native_operators: true,
        ..Settings::default()
    };
    let (outcome, report) = execute_watched(case, &settings, |_, _, _| {})?;
    let message = compare(&expected, &outcome, &report);
    if message.is_empty() {
        Ok(())
    } else {
        Err(format!("without records, with called operators: {message}").into())
    }
}
