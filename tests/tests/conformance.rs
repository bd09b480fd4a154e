//! One test for every program below `tests/conformance` and in `examples`; see the harness crate for the format.
//!
//! Each program runs several times: as it is; with every dict a table from the beginning and code that expects objects of
//! the host with operators; and with machine code as soon as a function runs, which one program in three leaves for the
//! interpreter in many places, all of them in an optimised build. No program may be able to tell but by figures about
//! memory.
//!
//! `UPDATE_EXPECT=1` writes what the programs did beside them instead of comparing.
#![forbid(unsafe_code)]

use aether::MACHINE_CODE;
use aether_tests::{Case, EAGER, EXITS, Settings, compare, execute, execute_watched, find_cases};
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
    for (name, settings) in variations(case) {
        let (outcome, report) = execute_watched(case, &settings, |_, _, _| {})?;
        let message = compare(&expected, &outcome, &report);
        if !message.is_empty() {
            return Err(format!("{name}: {message}").into());
        }
    }
    Ok(())
}

/// How a program runs besides.
fn variations(case: &Case) -> Vec<(&'static str, Settings)> {
    let mut variations = Vec::new();
    if !SHOW_MEMORY.iter().any(|name| case.name.ends_with(name)) {
        let settings = Settings {
            records: false,
            native_operators: true,
            ..Settings::default()
        };
        variations.push(("without records, with called operators", settings));
    }
    let with = |jit| Settings {
        jit,
        ..Settings::default()
    };
    if MACHINE_CODE {
        variations.push(("with machine code", with(EAGER)));
        let number: usize = case.name.bytes().map(usize::from).sum();
        if !cfg!(debug_assertions) || number.is_multiple_of(3) {
            variations.push(("with machine code that is left", with(EXITS)));
        }
    }
    variations
}
