//! `cargo xtask memcheck`: the suite under dhat, then the probes.

use crate::{probes, tools};
use std::io::{self, IsTerminal};

/// Builds and runs the counting runner, then the probes; the last line says whether all is well.
///
/// # Errors
/// Something is not.
pub(crate) fn run() -> Result<(), String> {
    let counted = tools::run(tools::cargo().args([
        "run",
        "--locked",
        "--profile",
        "memcheck",
        "-p",
        "aether-tests",
        "--features",
        "dhat",
        "--bin",
        "memcheck",
    ]));
    let probed = probes::run();
    let failures: Vec<String> = [counted, probed].into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        println!("{}", colour("32", "MEMCHECK PASSED"));
        return Ok(());
    }
    for failure in &failures {
        println!("{failure}");
    }
    Err(colour("31", "MEMCHECK FAILED"))
}

/// `text` in an ANSI colour, on a terminal.
fn colour(code: &str, text: &str) -> String {
    let plain = !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if plain {
        text.to_owned()
    } else {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
