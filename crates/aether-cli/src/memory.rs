//! `--leak-check` and `--heap-profile`: what a run says about its memory when it is over, or when SIGUSR1 asks.
//!
//! Reports go to standard error, so that a script's output stays its own. Without these options nothing is recorded.

use std::path::{Path, PathBuf};

use aether::{Engine, HeapProfile, MemoryWatch};

use crate::options::Color;
use crate::{interrupt, report, streams};

/// Exit status of leaks under `--leak-check=error`.
const LEAKS: u8 = 5;
/// Exit status of a file that cannot be written.
const FAILED: u8 = 1;

/// How much a leak check reports, and whether leaks are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
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
    /// Whether the leak report is JSON.
    pub(crate) json: bool,
    /// Where to write a profile.
    pub(crate) heap_profile: Option<PathBuf>,
    /// Bytes from one block of the profile to the next; 0 for all blocks.
    pub(crate) heap_interval: usize,
}

impl Reports {
    /// Before the run: records what the reports need. `path` is the script's.
    pub(crate) fn begin(&self, engine: &mut Engine, path: &str) {
        let Some(file) = &self.heap_profile else {
            if self.leak_check.is_some() {
                engine.watch_memory(MemoryWatch::Leaks);
            }
            return;
        };
        engine.watch_memory(match self.heap_interval {
            0 => MemoryWatch::Profile,
            interval => MemoryWatch::Sample {
                interval,
                sites: self.leak_check.is_some(),
            },
        });
        let (file, path) = (file.clone(), path.to_owned());
        let mut number = 0;
        engine.on_profile_request(interrupt::request_flag(), move |profile| {
            number += 1;
            let file = intermediate(&file, number);
            if write(&file, profile, &path) {
                streams::write_err(&format!("heap-profile: so far in {}\n", file.display()));
            }
        });
    }

    /// After the run: reports, runs the finalizers that wait, and gives the exit status.
    pub(crate) fn end(&self, engine: &mut Engine, path: &str, status: u8, color: Color) -> u8 {
        let mut status = status;
        if let Some(file) = &self.heap_profile {
            let profile = engine.heap_profile();
            if write(file, &profile, path) {
                streams::write_err(&profile.summary());
            } else {
                status = status.max(FAILED);
            }
        }
        if let Some(level) = self.leak_check {
            let found = engine.leak_report();
            let text = if self.json {
                found.json() + "\n"
            } else {
                found.text(self.leak_limit, level == LeakLevel::All)
            };
            streams::write_err(&text);
            if level == LeakLevel::Error && found.has_leaks() {
                status = LEAKS;
            }
        }
        match engine.end_program() {
            Ok(()) => status,
            Err(error) => status.max(report::failure(&error, Some(engine), color)),
        }
    }
}

/// The file of an intermediate profile: `out.json` becomes `out.1.json`.
fn intermediate(file: &Path, number: u32) -> PathBuf {
    match file.extension() {
        Some(extension) => file.with_extension(format!("{number}.{}", extension.to_string_lossy())),
        None => file.with_extension(number.to_string()),
    }
}

/// Writes a profile; `false` if that cannot be done, which is told.
fn write(file: &Path, profile: &HeapProfile, path: &str) -> bool {
    let written = std::fs::write(file, profile.json(&format!("aether {path}"), std::process::id()));
    if let Err(error) = &written {
        streams::write_err(&format!(
            "heap-profile: cannot write {}: {error}\n",
            file.display()
        ));
    }
    written.is_ok()
}
