//! What single operations cost in instructions: `cargo run --release -p aether-benches --example instructions`.
//!
//! Each snippet runs twice under callgrind, the second time with more rounds; the difference is divided by the
//! repetitions it had more, so that start, loading and the first use of caches drop out. Instructions are the same in
//! every run, whatever else the machine does. Without valgrind it says so and ends.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a measuring program")]

use std::process::{Command, ExitCode};

use aether_benches::{SNIPPETS, Snippet, load};

/// Rounds of the shorter and of the longer run.
const ROUNDS: (u32, u32) = (2, 6);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, rounds] = arguments.as_slice() {
        return rehearse(name, rounds);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    println!("| operation | instructions |\n|---|--:|");
    for snippet in SNIPPETS {
        match cost(snippet) {
            Ok(instructions) => println!("| {} | {instructions:.0} |", snippet.name),
            Err(reason) => {
                eprintln!("{}: {reason}", snippet.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs a snippet so many rounds: what valgrind looks at.
fn rehearse(name: &str, rounds: &str) -> ExitCode {
    let snippet = SNIPPETS.iter().find(|snippet| snippet.name == name);
    let (Some(snippet), Ok(rounds)) = (snippet, rounds.parse::<u32>()) else {
        return ExitCode::FAILURE;
    };
    let (mut engine, run) = load(snippet);
    for _ in 0..rounds {
        if engine.call_value(&run, (i64::from(snippet.repeats),)).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Instructions for one repetition.
fn cost(snippet: &Snippet) -> Result<f64, String> {
    let (few, many) = (counted(snippet, ROUNDS.0)?, counted(snippet, ROUNDS.1)?);
    let repetitions = f64::from((ROUNDS.1 - ROUNDS.0) * snippet.repeats);
    Ok((many - few) / repetitions)
}

/// Instructions of a whole process.
fn counted(snippet: &Snippet, rounds: u32) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([snippet.name, &rounds.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stderr);
    let total = report
        .split("Collected : ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok());
    total.ok_or_else(|| format!("valgrind gave no total:\n{report}"))
}
