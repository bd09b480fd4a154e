//! `cargo xtask aarch64`: the suite and random programs with machine code on 64-bit ARM processors, under qemu.
//!
//! It takes a compiler with the target's standard library (the one that `RUSTC` names, if it does), a linker and
//! `qemu-aarch64`; where one is missing, the chore says that it was skipped, and what for. Debian has all of them:
//! `rustc-web`, `libstd-rust-web-dev:arm64`, `gcc-aarch64-linux-gnu`, `qemu-user`.
//!
//! Options: `--hot N` random programs (200 unless given), `--only PATTERN` for programs of the suite.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tools;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// Where Debian puts the target's shared libraries.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// The program that starts programs which do not exist: under qemu a child is made by a fork, and its parent is not told
/// that there was nothing to start.
const UNKNOWN_PROGRAMS: &str = "lib-e3-process/run-errors";

/// Builds and runs.
///
/// # Errors
/// Something cannot be built, or does what it does not do elsewhere.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let (mut hot, mut only) = ("200", "");
    tools::read_options(words, &mut [("--hot", &mut hot), ("--only", &mut only)])?;
    if let Some(missing) = missing() {
        println!("aarch64: skipped: {missing}");
        return Ok(());
    }
    println!("aarch64: tests of the evaluator");
    tools::run(cargo("test").args(["-p", "aether-eval", "--features", "jit", "--lib"]))?;
    println!("aarch64: the suite");
    let mut suite = cargo("test");
    suite.args([
        "-p",
        "aether-tests",
        "--test",
        "conformance",
        "--",
        "--skip",
        UNKNOWN_PROGRAMS,
    ]);
    if !only.is_empty() {
        suite.arg(only);
    }
    tools::run(&mut suite)?;
    tools::run(cargo("build").args(["-p", "aether-tests", "--bin", "stress"]))?;
    println!("aarch64: {hot} programs with machine code");
    let stress = target_directory().join(TARGET).join("release/stress");
    tools::run(
        Command::new(EMULATOR)
            .arg(stress)
            .args(["--hot", hot])
            .env("QEMU_LD_PREFIX", LIBRARIES),
    )?;
    println!("AARCH64 PASSED");
    Ok(())
}

/// What is not installed that this takes.
fn missing() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    let libraries = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    if !libraries.is_some_and(|path| Path::new(path.trim()).is_dir()) {
        return Some(format!("the compiler has no standard library for {TARGET}"));
    }
    let starts = |program: &str| {
        let mut command = Command::new(program);
        let command = command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let program = [LINKER, EMULATOR].into_iter().find(|program| !starts(program));
    program.map(|program| format!("there is no {program}"))
}

fn target_directory() -> PathBuf {
    tools::target_directory().join("aarch64")
}

/// A cargo that builds for the target and runs what it has built under qemu: optimised, since the emulator is slow, but
/// without what makes building slow.
fn cargo(subcommand: &str) -> Command {
    let mut cargo = tools::cargo();
    cargo
        .args([subcommand, "--release", "--quiet", "--locked", "--target", TARGET])
        .env("CARGO_TARGET_DIR", target_directory())
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", EMULATOR)
        .env("CC_aarch64_unknown_linux_gnu", LINKER)
        .env("QEMU_LD_PREFIX", LIBRARIES)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    cargo
}
