//! The trait through which the world enters: streams, clock, entropy, files, and what is allowed.
//!
//! The evaluator never prints, opens, sleeps or reads a clock by itself; it asks its [`Host`].

use std::io;

/// What a built-in needs to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Reading files.
    Read,
    /// Writing files.
    Write,
    /// Reading clocks.
    Clock,
    /// Randomness.
    Random,
    /// The environment.
    Env,
}

impl Permission {
    /// The word in messages and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Env => "env",
        }
    }
}

/// The world outside an engine.
pub trait Host {
    /// Writes to standard output.
    ///
    /// # Errors
    /// What the system says. A closed pipe ends the program quietly.
    fn write_out(&mut self, text: &str) -> io::Result<()>;

    /// Writes to standard error, after flushing standard output.
    ///
    /// # Errors
    /// What the system says.
    fn write_err(&mut self, text: &str) -> io::Result<()>;

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// What the system says.
    fn flush(&mut self) -> io::Result<()>;

    /// Reads a line from standard input, its end included; empty at the end of input. Flushes output first.
    ///
    /// # Errors
    /// What the system says, or invalid UTF-8.
    fn read_line(&mut self) -> io::Result<String>;

    /// Seconds since the epoch, never decreasing.
    fn clock(&mut self) -> f64;

    /// A seed from the system.
    fn entropy(&mut self) -> u64;

    /// The bytes of a file.
    ///
    /// # Errors
    /// What the system says.
    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>>;

    /// Whether a path names a file, following links.
    ///
    /// # Errors
    /// Whatever is not merely a missing path.
    fn is_file(&mut self, path: &str) -> io::Result<bool>;

    /// Whether a path names a directory, following links.
    ///
    /// # Errors
    /// Whatever is not merely a missing path.
    fn is_dir(&mut self, path: &str) -> io::Result<bool>;

    /// Replaces a file with these bytes: afterwards it holds the old content or the new.
    ///
    /// # Errors
    /// What the system says.
    fn write_file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Whether an access is allowed; `what` is a path or name.
    ///
    /// # Errors
    /// The text behind `Permission denied: ` when it is not.
    fn permit(&mut self, permission: Permission, what: &str) -> Result<(), String>;

    /// Whether the user has asked to stop; asked now and then while code runs.
    fn interrupted(&mut self) -> bool {
        false
    }
}
