//! `cargo xtask sanitize`: the suite, changed programs, random programs with machine code, and the stress runner under the
//! address sanitizer, leaks included, with every object an allocation of its own.
//!
//! The sanitizer is an unstable option of a compiler that is stable; `RUSTC_BOOTSTRAP=1` admits it. Host and target
//! are named apart, so that build scripts and macros are built without it. It runs on x86-64 Linux; elsewhere the
//! chore says that it was skipped.
//!
//! Options: `--mutants N` (20,000 unless given), `--hot N` (100 unless given), `--budget SECONDS` for the stress runner (60 unless given).

use std::process::Command;

use crate::tools;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Each object by itself: the sanitizer knows allocations only.
const FEATURES: &str = "aether-value/system-alloc";

/// Cases of each test that tries random ones: the sanitizer takes some ten times as long for each.
const CASES: &str = "100";

/// Builds and runs.
///
/// # Errors
/// Something cannot be built, fails, touches what is not its own, or leaks.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let (mut mutants, mut hot, mut budget) = ("20000", "100", "60");
    tools::read_options(
        words,
        &mut [
            ("--mutants", &mut mutants),
            ("--hot", &mut hot),
            ("--budget", &mut budget),
        ],
    )?;
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("sanitize: skipped: it needs Linux on x86-64");
        return Ok(());
    }
    println!("sanitize: tests of the heap, the evaluator and the library");
    for package in ["aether-value", "aether-eval", "aether-stdlib"] {
        tools::run(cargo("test").args(["-p", package, "--lib", "--tests"]))?;
    }
    println!("sanitize: the suite");
    tools::run(cargo("test").args([
        "-p",
        "aether-tests",
        "--test",
        "conformance",
        "--test",
        "embedding",
        "--test",
        "host",
    ]))?;
    tools::run(cargo("build").args(["-p", "aether-tests", "--bin", "stress"]))?;
    let runner = tools::target_directory().join(format!("sanitize/{TARGET}/debug/stress"));
    println!("sanitize: {mutants} changed programs");
    tools::run(sanitized(&mut Command::new(&runner)).args(["--mutants", mutants]))?;
    println!("sanitize: {hot} programs with machine code");
    tools::run(sanitized(&mut Command::new(&runner)).args(["--hot", hot]))?;
    println!("sanitize: stress, {budget} s");
    tools::run(sanitized(&mut Command::new(&runner)).args(["--budget", budget]))?;
    println!("SANITIZE PASSED");
    Ok(())
}

/// A cargo that builds with the sanitizer, beside the other builds.
fn cargo(subcommand: &str) -> Command {
    let mut cargo = tools::cargo();
    cargo
        .args([
            subcommand,
            "--quiet",
            "--locked",
            "--target",
            TARGET,
            "--features",
            FEATURES,
        ])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", tools::target_directory().join("sanitize"));
    sanitized(&mut cargo);
    cargo
}

/// What the sanitizer is asked for when a program runs.
fn sanitized(command: &mut Command) -> &mut Command {
    // Deep recursion is the suite's business; the sanitizer's frames are larger than others.
    command
        .env(
            "ASAN_OPTIONS",
            "detect_leaks=1:detect_stack_use_after_return=0:allocator_may_return_null=1",
        )
        .env("RUST_MIN_STACK", (64 << 20).to_string())
        .env("PROPTEST_CASES", CASES)
}
