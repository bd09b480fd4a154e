//! The runner of `cargo xtask memcheck`: the whole suite, one program after the other, in one process on one thread.
//!
//! Built with the feature `dhat` it counts every byte (`counted`), compares with the baseline (`baseline`) and prints
//! a table or JSON (`report`). Built without, it is the plain interpreter under the same load and says how large the
//! process became.
//!
//! Invariants that it holds
//! - The most bytes alive at one time, everything of the process included, stay below [`PEAK_LIMIT`].
//! - After each program no object is alive, no byte is charged, and every byte has gone back to the allocator.
//! - No program takes more than its baseline allows, and every program has one.
//! - What the heap charges is what the allocator gave, within 5 %. Two programs have a limit of their own
//!   (`counted::EXCUSED`); where workers have engines, more may be held than this engine's heap has charged.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report is this program's purpose")]

#[cfg(feature = "dhat")]
mod baseline;
#[cfg(feature = "dhat")]
mod counted;
#[cfg(feature = "dhat")]
mod report;
#[cfg(feature = "dhat")]
mod shape;

#[cfg(not(feature = "dhat"))]
mod plain;

use std::process::ExitCode;

/// The most bytes that the suite may hold at one time, as the allocator or as the system counts them.
const PEAK_LIMIT: usize = 100_000_000;

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    /// Write the baseline instead of holding it.
    bless: bool,
    /// Only programs whose names contain this.
    only: Option<String>,
    /// Print JSON.
    json: bool,
    /// How many programs the table shows.
    top: Option<usize>,
    /// Run the programs of `tests/planted/memcheck`, which misbehave on purpose.
    planted: bool,
    /// Where the profile of the second pass goes.
    profile: Option<String>,
    /// Where a profile of what the (last) program holds at its end goes.
    held: Option<String>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} requires a value"));
            match word.as_str() {
                "--bless" => options.bless = true,
                "--only" => options.only = Some(value()?),
                "--json" => options.json = true,
                "--top" => {
                    let top = value()?;
                    options.top = Some(top.parse().map_err(|_| format!("--top {top}: not a number"))?);
                }
                "--planted" => options.planted = true,
                "--held" => options.held = Some(value()?),
                "--profile" => options.profile = Some(value()?),
                _ => return Err(format!("unknown option '{word}'")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let result = Options::read(std::env::args().skip(1)).and_then(|options| {
        #[cfg(feature = "dhat")]
        return counted::run(&options);
        #[cfg(not(feature = "dhat"))]
        return plain::run(&options);
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            println!("memcheck: {message}");
            ExitCode::from(2)
        }
    }
}
