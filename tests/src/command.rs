//! The command as a process, and a directory to run it in.
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::repository;

/// Builds a package in the profile that these tests are built with, and gives the directory of what was built.
pub fn build(package: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let mut directory = test.parent().and_then(Path::parent).unwrap().to_owned();
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--quiet", "-p", package])
        .current_dir(repository());
    // What cargo has told this test about its own package. Build scripts that look at it would run again, and all
    // that rests on them be compiled again, each time the tests and the command take turns.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&*name);
        }
    }
    if directory.ends_with("release") {
        build.arg("--release");
    }
    // The command lets the system free what it holds at its end, which a sanitizer would tell of: it is built without.
    if std::env::var("RUSTFLAGS").is_ok_and(|flags| flags.contains("sanitizer")) {
        build.env_remove("RUSTFLAGS");
        let target_directory = directory.ancestors().nth(2).unwrap();
        directory = target_directory.join(directory.file_name().unwrap());
    }
    assert!(build.status().unwrap().success());
    directory
}

/// The command, in the profile that these tests are built with.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("aether-cli").join("aether"))
}

/// A directory of the test's own, removed at its end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A new directory whose name holds `name`. Tests that run at the same time may use one name.
    pub fn new(name: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("aether-cli-{}-{number}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Puts a file into it.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.join(name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(path, text).unwrap();
        self
    }

    /// The command in it, without input and without settings from the environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        // What a session remembers stays here.
        command.env("HOME", &self.0);
        for name in [
            "AETHER_BACKTRACE",
            "AETHER_CALL_DEPTH",
            "AETHER_MAX_MEMORY",
            "AETHER_JIT",
            "AETHER_PATH",
            "NO_COLOR",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Status, standard output and standard error.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        status_and_output(self.command(args).output().unwrap())
    }

    /// The same with a setting in the environment.
    pub fn run_with(&self, args: &[&str], name: &str, value: &str) -> (i32, String, String) {
        status_and_output(self.command(args).env(name, value).output().unwrap())
    }

    /// The same with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> (i32, String, String) {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        status_and_output(child.wait_with_output().unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Status, standard output and standard error.
pub fn status_and_output(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}
