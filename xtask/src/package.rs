//! `cargo xtask package`: each crate that is published builds from its own archive, with the others as archives too.
//!
//! The crates are the directories of `crates/`; tests, benches and chores stay in the repository.

use std::fs;

use crate::tools::{cargo, root, run};

/// Packages and builds them.
///
/// # Errors
/// A crate cannot be packaged, or its archive does not build.
pub(crate) fn all() -> Result<(), String> {
    let crates = root().join("crates");
    let failed = |error: std::io::Error| format!("{}: {error}", crates.display());
    let mut package = cargo();
    package.args(["package", "--locked"]);
    for entry in fs::read_dir(&crates).map_err(failed)? {
        package.arg("-p").arg(entry.map_err(failed)?.file_name());
    }
    run(&mut package)
}
