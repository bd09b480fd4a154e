//! The book: `docs/` as pages, by mdBook.
//!
//! mdBook is a command here, of this version; it is built below `target/tools` when it is not there.

use std::process::Command;

use crate::tools::{cargo, run, target_directory};

/// The version that the book is made for.
const MDBOOK: &str = "0.5.4";

/// Builds the book into `target/book`.
///
/// # Errors
/// mdBook cannot be had, or finds something wrong.
pub(crate) fn build() -> Result<(), String> {
    let tools = target_directory().join("tools");
    let mdbook = tools.join("bin/mdbook");
    let version = Command::new(&mdbook).arg("--version").output();
    let is_there = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(MDBOOK));
    if !is_there {
        run(cargo()
            .args([
                "install",
                "mdbook",
                "--version",
                MDBOOK,
                "--locked",
                "--no-default-features",
                "--root",
            ])
            .arg(&tools))?;
    }
    run(Command::new(&mdbook).args(["build", "docs"]))
}
