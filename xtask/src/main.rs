//! Chores: `cargo xtask check | bless | memcheck | probes | stress | sanitize | aarch64 | bench [DIR] | bench-data |
//! bench-net | bench-embed | link-order | book | api`.
//!
//! Invariants
//! - `check` and `.ci/run` are the same list: the one runs the other.
//! - A chore that fails ends with a status other than 0 and says so in its last line.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "chores report to a person"
)]

mod aarch64;
mod api;
mod bench;
mod book;
mod data;
mod library;
mod memcheck;
mod net;
mod order;
mod package;
mod pauses;
mod probes;
mod sanitize;
mod stress;
mod tools;

use std::process::{Command, ExitCode};

const USAGE: &str = "\
Usage: cargo xtask CHORE
  check          everything that .ci/run checks
  bless          record what the conformance programs do as what they must do
  memcheck       the suite under dhat and in the plain build, and the probes in the release binary
                 (--bless, --only PATTERN, --top N, --json, --held FILE)
  probes         the probes alone
  stress         the suite with a collection at every allocation, and with every charge refused in turn
                 (--budget SECONDS, --only PATTERN, --jobs N)
  sanitize       the suite, changed programs and stress under the address sanitizer
                 (--mutants N, --budget SECONDS)
  aarch64        the suite and random programs with machine code on AArch64, under qemu
                 (--hot N, --only PATTERN)
  bench [DIR]    the programs of benches/programs, or DIR, beside other languages: time and memory
  bench data     tasks with data (benches/tasks), likewise
  bench library  tasks of the library beside CPython (benches/library): patterns, programs, walks, digests
  bench pauses   times between statements beside other collectors (benches/pauses), and docs/pauses.svg
  bench-data     JSON and CSV of 50 MB beside CPython
  bench-net      an echo server beside those of Node and Python
  bench-embed    the costs of embedding beside mlua, Rhai, Koto and Rune (builds them)
  api            the public interfaces against docs/api (--bless)
  package        builds every published crate from its own archive
  book           docs/ as a book in target/book (builds mdBook once)
  link-order     which functions plain scripts use, for the linker (needs valgrind)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["check"] => tools::run(&mut Command::new(".ci/run")),
        ["bless"] => tools::run(
            tools::cargo()
                .args(["test", "-p", "aether-tests", "--test", "conformance"])
                .env("UPDATE_EXPECT", "1"),
        ),
        ["memcheck", options @ ..] => memcheck::run(options),
        ["stress", options @ ..] => stress::run(options),
        ["sanitize", options @ ..] => sanitize::run(options),
        ["aarch64", options @ ..] => aarch64::run(options),
        ["probes"] => probes::run(|line| println!("{line}")).and_then(|failed| match failed.len() {
            0 => Ok(()),
            count => Err(format!("{count} probes failed")),
        }),
        ["bench"] => bench::run("benches/programs"),
        ["bench", "data"] => bench::run("benches/tasks"),
        ["bench", "library"] => library::run(),
        ["bench", "pauses"] => pauses::run(),
        ["bench-data"] => data::run(),
        ["bench-net"] => net::run(),
        ["bench-embed"] => tools::run(tools::cargo().args([
            "run",
            "--release",
            "--manifest-path",
            "benches/embed/Cargo.toml",
            "--target-dir",
            "target/embed",
        ])),
        ["package"] => package::all(),
        ["book"] => book::build(),
        ["api"] => api::run_with(false),
        ["api", "--bless"] => api::run_with(true),
        ["link-order"] => order::run(),
        ["bench", directory] => bench::run(directory),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
