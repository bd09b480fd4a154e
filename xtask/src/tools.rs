//! Running other programs from the repository's root.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map_or_else(|| xtask.to_owned(), Path::to_owned)
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What the outer cargo has said about this package would make build scripts that look at it run again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

/// Runs a command in the root to its end.
///
/// # Errors
/// It cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.current_dir(root()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed ({status}): {command:?}")),
        Err(error) => Err(format!("cannot run {command:?}: {error}")),
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the command as it ships and gives its path.
///
/// # Errors
/// It does not build.
pub(crate) fn release_binary() -> Result<PathBuf, String> {
    run(cargo().args(["build", "--release", "--locked", "-p", "aether-cli"]))?;
    Ok(target_directory().join("release/aether"))
}

/// Reads options that each have a value into what they stand for.
///
/// # Errors
/// One is not known, or has no value.
pub(crate) fn read_options<'a>(words: &[&'a str], known: &mut [(&str, &mut &'a str)]) -> Result<(), String> {
    let mut rest = words.iter();
    while let Some(&word) = rest.next() {
        let value = *rest.next().ok_or(format!("{word} requires a value"))?;
        match known.iter_mut().find(|(name, _)| *name == word) {
            Some((_, place)) => **place = value,
            None => return Err(format!("unknown option '{word}'")),
        }
    }
    Ok(())
}
