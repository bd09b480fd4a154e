//! How the `aether` binary is linked.
//!
//! - It exports the C functions that plugins call back.
//! - In release builds for ELF it puts the functions that plain scripts use side by side (`link-order.txt`): the system
//!   maps a file in stretches of 64 KiB around each page that is touched, so scattered functions make the whole binary
//!   resident. Relocations are packed, which makes them a tenth as long. The unwinder is linked in, so that one library
//!   less is loaded.
//!
//! Invariants
//! - What a linker or system may not know is tried on an empty program first and left out when that fails. It changes
//!   where things lie, never what they do.
#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packs relative relocations; glibc knows the form since 2.36.
const PACK: &str = "-Wl,-z,pack-relative-relocs";

/// What has to work, however it is linked.
const PROBE: &str =
    "fn main() { assert!(std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1))).is_err()) }\n";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=link-order.txt");
    if variable("CARGO_CFG_TARGET_FAMILY").contains("unix") {
        println!("cargo::rustc-link-arg-bins=-rdynamic");
    }
    let is_elf = ["linux", "freebsd", "netbsd", "openbsd", "dragonfly"]
        .contains(&variable("CARGO_CFG_TARGET_OS").as_str());
    if !is_elf || variable("PROFILE") != "release" {
        return;
    }
    let directory = PathBuf::from(variable("OUT_DIR"));
    let (script, libraries) = (directory.join("order.ld"), directory.join("static"));
    let order = fs::read_to_string("link-order.txt").unwrap_or_default();
    let written = fs::write(&script, linker_script(&order))
        .and_then(|()| fs::create_dir_all(&libraries))
        .and_then(|()| fs::write(libraries.join("libgcc_s.so"), "INPUT(-lgcc_eh)\n"));
    if written.is_err() {
        return;
    }
    for option in [&format!("-Wl,-T,{}", script.display()), PACK] {
        if links_and_runs(&directory, &format!("-Clink-arg={option}")) {
            println!("cargo::rustc-link-arg-bins={option}");
        }
    }
    let libraries = libraries.display();
    if links_and_runs(&directory, &format!("-Lnative={libraries}")) {
        println!("cargo::rustc-link-search=native={libraries}");
    }
}

/// A linker script that adds a section of the functions that `order` names to the usual layout.
fn linker_script(order: &str) -> String {
    // In front what starts every program, from the C library's object files.
    let mut script = String::from("SECTIONS\n{\n  .text.warm :\n  {\n    *crt*.o(.text)\n");
    let names = order
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for name in names {
        let _ = writeln!(script, "    *(.text.{name} .text.unlikely.{name})");
    }
    script.push_str("  }\n}\nINSERT AFTER .text;\n");
    script
}

/// Whether a small program that unwinds, linked with `option` as the command will be, runs.
fn links_and_runs(directory: &Path, option: &str) -> bool {
    if variable("HOST") != variable("TARGET") {
        return false;
    }
    let (source, program) = (directory.join("probe.rs"), directory.join("probe"));
    if fs::write(&source, PROBE).is_err() {
        return false;
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let mut command = Command::new(rustc);
    command.arg(&source).arg("-o").arg(&program);
    command.arg(format!("--target={}", variable("TARGET")));
    command.arg(option);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut setting = OsString::from("-Clinker=");
        setting.push(linker);
        command.arg(setting);
    }
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    command.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    let linked = command.output().is_ok_and(|output| output.status.success());
    linked
        && Command::new(&program)
            .status()
            .is_ok_and(|status| status.success())
}

/// A variable that cargo sets for build scripts.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
