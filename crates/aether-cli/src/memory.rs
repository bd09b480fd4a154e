//! `--leak-check` and `--heap-profile`: what a run says about its memory when it is over.
//!
//! Reports go to standard error, so that a script's output stays its own. Without these options nothing is recorded.

use std::path::PathBuf;

use aether::{Engine, MemoryWatch};

use crate::options::Color;
use crate::{report, streams};

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
}

impl Reports {
    /// Before the run: records what the reports need.
    pub(crate) fn begin(&self, engine: &mut Engine) {
        if self.heap_profile.is_some() {
            engine.watch_memory(MemoryWatch::Profile);
        } else if self.leak_check.is_some() {
            engine.watch_memory(MemoryWatch::Leaks);
        }
    }

    /// After the run: reports, runs the finalizers that wait, and gives the exit status.
    pub(crate) fn end(&self, engine: &mut Engine, path: &str, status: u8, color: Color) -> u8 {
        let mut status = status;
        if let Some(file) = &self.heap_profile {
            let profile = engine.heap_profile(path);
            match std::fs::write(file, profile.json()) {
                Ok(()) => streams::write_err(&profile.summary()),
                Err(error) => {
                    streams::write_err(&format!(
                        "heap-profile: cannot write {}: {error}\n",
                        file.display()
                    ));
                    status = status.max(FAILED);
                }
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
            if level == LeakLevel::Error && found.has_leaks() && status == 0 {
                status = LEAKS;
            }
        }
        match engine.end_program() {
            Ok(()) => status,
            Err(error) => status.max(report::failure(&error, Some(engine), color)),
        }
    }
}
