//! `cargo xtask stress`: builds and runs the stress runner (`tests/src/bin/stress`), in the development profile, so
//! that the heap's own assertions hold too. Before that the programs of `tests/planted/stress` and
//! `tests/planted/orders`, which misbehave on purpose, prove that it can fail.
//!
//! Options go to the runner: `--budget SECONDS`, `--only PATTERN`, `--jobs N`.

use std::fs;
use std::process::Command;

use crate::{memcheck, tools};

/// What each planted program must be accused of.
const PLANTED: &[&str] = &[
    "tests/planted/stress/forgotten-object: collecting at every allocation: 1 objects are alive",
    "tests/planted/stress/forgotten-object: collecting in slices of 1: 1 objects are alive",
    "tests/planted/stress/forgotten-object: charge ",
    "tests/planted/stress/collection-shows: collecting at every allocation: stdout differs",
    "tests/planted/stress/other-error: charge",
    "tests/planted/orders/order-shows: order ",
];

/// Builds and runs; the last line says whether all is well.
///
/// # Errors
/// Something is not.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    tools::run(tools::cargo().args([
        "build",
        "--quiet",
        "--locked",
        "-p",
        "aether-tests",
        "--bin",
        "stress",
    ]))?;
    let progress = tools::target_directory().join("stress");
    // What another run has left there is not of interest.
    let _ = fs::remove_dir_all(&progress);
    fs::create_dir_all(&progress).map_err(|error| format!("{}: {error}", progress.display()))?;
    let runner = tools::target_directory().join("debug/stress");
    let missed = memcheck::planted(&runner, &["--planted"], PLANTED, &|text| println!("{text}"))?;
    if let Some(first) = missed.first() {
        println!("BREACH {first}");
        return Err(memcheck::colour("31", "STRESS FAILED"));
    }
    let mut command = Command::new(&runner);
    command.args(words).arg("--progress").arg(&progress);
    let status = command
        .current_dir(tools::root())
        .status()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() {
        println!("{}", memcheck::colour("32", "STRESS PASSED"));
        return Ok(());
    }
    if status.code().is_none() {
        println!("BREACH the runner died ({status}); its workers were at:");
        for entry in fs::read_dir(&progress).into_iter().flatten().flatten() {
            println!("  {}", fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
    Err(memcheck::colour("31", "STRESS FAILED"))
}
