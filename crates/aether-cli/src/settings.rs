//! What the command line asks of a run, as data: options make it, the modules that run things read it.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::sandbox::Rules;

/// When colours and the long form of diagnostics are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, as `NO_COLOR` and `CLICOLOR_FORCE` say.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Limits from the command line; what is not set there comes from the environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// Heap budget in bytes.
    pub(crate) memory: Option<usize>,
    /// Activations at a time.
    pub(crate) depth: Option<usize>,
    /// Calls, backward jumps and units of work in built-ins.
    pub(crate) steps: Option<u64>,
    /// Time of the run.
    pub(crate) time: Option<Duration>,
    /// Bytes printed.
    pub(crate) output: Option<usize>,
    /// Files and sockets at a time.
    pub(crate) open: Option<usize>,
    /// Whether functions are kept from becoming machine code.
    pub(crate) no_jit: bool,
    /// Bytes of machine code.
    pub(crate) max_code: Option<usize>,
    /// Whether to tell what became machine code and what did not.
    pub(crate) jit_log: bool,
    /// The seed of randomness.
    pub(crate) seed: Option<u64>,
    /// The time at which the clock stands, in seconds since the epoch.
    pub(crate) fixed_time: Option<f64>,
    /// What the script may reach.
    pub(crate) rules: Rules,
    /// What to report about memory.
    pub(crate) reports: Reports,
}

/// How much a leak check reports, and whether leaks are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LeakLevel {
    /// Cycles, and what the globals hold.
    Cycles,
    /// Everything alive too.
    All,
    /// As cycles; leaks make status 5.
    Error,
}

/// What to report about memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reports {
    /// Whether to check for leaks.
    pub(crate) leak_check: Option<LeakLevel>,
    /// Most groups to show.
    pub(crate) leak_limit: usize,
    /// Where to draw the cycles.
    pub(crate) graph: Option<PathBuf>,
    /// Whether the leak report is JSON.
    pub(crate) json: bool,
    /// Where to write a profile.
    pub(crate) heap_profile: Option<PathBuf>,
    /// Bytes from one block of the profile to the next; 0 for all blocks.
    pub(crate) heap_interval: usize,
}

/// A number of bytes: digits, then nothing or K, M or G.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let invalid =
        || format!("'{text}' is not a size; a size is bytes, or a number with K, M or G, such as 64M");
    let split = text
        .find(|found: char| !found.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor = match unit {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return Err(invalid()),
    };
    let number: usize = digits.parse().map_err(|_| invalid())?;
    number.checked_mul(factor).ok_or_else(invalid)
}

/// A length of time: a number, perhaps with a fraction, and `ms`, `s`, `m` or `h`; seconds without a unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("'{text}' is not a time; a time is a number with ms, s, m or h, such as 500ms");
    let split = text
        .find(|found: char| !found.is_ascii_digit() && found != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(invalid()),
    };
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let length = Duration::try_from_secs_f64(number * factor).map_err(|_| invalid())?;
    if length.is_zero() {
        Err(invalid())
    } else {
        Ok(length)
    }
}
