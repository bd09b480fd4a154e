//! `--leak-check` and `--heap-profile`: what a run says about its memory when it is over, or when SIGUSR1 asks.
//!
//! Reports go to standard error, so that a script's output stays its own. Without these options nothing is recorded.

use std::path::{Path, PathBuf};

use aether::{Engine, HeapProfile, MemoryWatch};

use crate::settings::{Color, LeakLevel, Reports};
use crate::status::{FAILED, LEAKS};
use crate::{interrupt, leak_graph, report, streams};

/// Before the run: records what the reports need. `path` is the script's.
pub(crate) fn begin(reports: &Reports, engine: &mut Engine, path: &str) {
    let Some(file) = &reports.heap_profile else {
        if reports.leak_check.is_some() {
            engine.watch_memory(MemoryWatch::Leaks);
        }
        return;
    };
    engine.watch_memory(match reports.heap_interval {
        0 => MemoryWatch::Profile,
        interval => MemoryWatch::Sample {
            interval,
            sites: reports.leak_check.is_some(),
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
pub(crate) fn end(reports: &Reports, engine: &mut Engine, path: &str, status: u8, color: Color) -> u8 {
    let mut status = status;
    if let Some(file) = &reports.heap_profile {
        let profile = engine.heap_profile();
        if write(file, &profile, path) {
            streams::write_err(&profile.summary());
        } else {
            status = status.max(FAILED);
        }
    }
    if let Some(level) = reports.leak_check {
        let found = engine.leak_report();
        let text = if reports.json {
            found.json() + "\n"
        } else {
            found.text(reports.leak_limit, level == LeakLevel::All)
        };
        streams::write_err(&text);
        if let Some(file) = &reports.graph
            && let Err(error) = std::fs::write(file, leak_graph::draw(&found, file))
        {
            streams::write_err(&format!("leak-check: cannot write {}: {error}\n", file.display()));
            status = status.max(FAILED);
        }
        if level == LeakLevel::Error && found.has_leaks() {
            status = LEAKS;
        }
    }
    match engine.end_program() {
        Ok(()) => status,
        Err(error) => status.max(report::failure(&error, Some(engine), color)),
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
