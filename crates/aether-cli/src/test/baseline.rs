//! Memory baselines: what each test file took, compared with what it took before.
//!
//! The figures come from the heap profile of each file and are exact: peak bytes, bytes and blocks in all, and the bytes
//! of each site. A file that takes more than before fails; one that takes less is told of.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aether::{Host, SystemHost};
use serde_json::{Map, Value, json};

use super::process::Outcome;
use crate::{heap, streams};

/// The version of the format.
const VERSION: u64 = 1;
/// Sites that are told of.
const MAX_SITES: usize = 5;

/// What a file's memory came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    /// The most bytes that were live at one time.
    pub(super) peak: i64,
    /// Bytes allocated in all.
    pub(super) bytes: i64,
    /// Blocks allocated in all.
    pub(super) blocks: i64,
    /// Bytes allocated, by site.
    sites: BTreeMap<String, i64>,
}

impl Measured {
    /// Reads a profile; `None` if there is none.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let sites = heap::read(path.to_str()?).ok()?;
        let mut measured = Self::default();
        for (site, totals) in sites {
            measured.peak += totals.peak_bytes;
            measured.bytes += totals.total_bytes;
            measured.blocks += totals.total_blocks;
            measured.sites.insert(site, totals.total_bytes);
        }
        Some(measured)
    }

    fn json(&self) -> Value {
        json!({"peak": self.peak, "bytes": self.bytes, "blocks": self.blocks, "sites": self.sites})
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |key: &str| value.get(key)?.as_i64();
        let sites = value.get("sites")?.as_object()?;
        Some(Self {
            peak: number("peak")?,
            bytes: number("bytes")?,
            blocks: number("blocks")?,
            sites: sites
                .iter()
                .filter_map(|(site, bytes)| Some((site.clone(), bytes.as_i64()?)))
                .collect(),
        })
    }
}

/// A file of figures.
pub(super) struct Baseline {
    path: String,
    files: BTreeMap<String, Measured>,
    /// Whether there is something new to write.
    changed: bool,
    /// Files that took less than before.
    smaller: usize,
}

impl Baseline {
    /// Reads a baseline; one that is not there is empty.
    pub(super) fn open(path: &str) -> Result<Self, String> {
        let mut baseline = Self {
            path: path.to_owned(),
            files: BTreeMap::new(),
            changed: false,
            smaller: 0,
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(baseline),
            Err(error) => return Err(format!("cannot read '{path}': {error}")),
        };
        let wrong = || format!("'{path}' is no memory baseline; remove it to begin a new one");
        let value: Value = serde_json::from_str(&text).map_err(|_| wrong())?;
        if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(wrong());
        }
        for (file, figures) in value.get("files").and_then(Value::as_object).ok_or_else(wrong)? {
            let figures = Measured::from_json(figures).ok_or_else(wrong)?;
            baseline.files.insert(file.clone(), figures);
        }
        Ok(baseline)
    }

    /// Compares a file with what is known of it; growth becomes a failure.
    pub(super) fn compare(&mut self, file: &str, outcome: &mut Outcome, update: bool) {
        let Some(now) = outcome.measured.clone() else {
            return;
        };
        match self.files.get(file) {
            Some(before) if before.peak == now.peak && before.blocks == now.blocks => return,
            Some(before) if !update => {
                if now.peak > before.peak || now.blocks > before.blocks {
                    outcome.added += 1;
                    outcome.errors.extend(growth(before, &now));
                } else {
                    self.smaller += 1;
                }
                return;
            }
            Some(_) | None => {}
        }
        self.files.insert(file.to_owned(), now);
        self.changed = true;
    }

    /// Writes what is new.
    pub(super) fn close(self, update: bool) -> Result<(), String> {
        if self.smaller > 0 && !update {
            streams::write_err(&format!(
                "test: {} file(s) take less memory than before; --update writes that down\n",
                self.smaller
            ));
        }
        if !self.changed {
            return Ok(());
        }
        let files: Map<String, Value> = self
            .files
            .iter()
            .map(|(file, figures)| (file.clone(), figures.json()))
            .collect();
        let text = serde_json::to_string_pretty(&json!({"version": VERSION, "files": files}))
            .map_err(|error| error.to_string())?;
        SystemHost::new()
            .write_file(&self.path, (text + "\n").as_bytes())
            .map_err(|error| format!("cannot write '{}': {error}", self.path))
    }
}

/// What grew, in lines.
fn growth(before: &Measured, now: &Measured) -> Vec<String> {
    let mut lines = vec![format!(
        "memory grew: peak {} -> {} bytes, {} -> {} blocks",
        before.peak, now.peak, before.blocks, now.blocks
    )];
    let mut sites: Vec<(i64, &str)> = now
        .sites
        .iter()
        .map(|(site, bytes)| {
            (
                bytes - before.sites.get(site).copied().unwrap_or(0),
                site.as_str(),
            )
        })
        .filter(|(grown, _)| *grown > 0)
        .collect();
    sites.sort_by_key(|&(grown, site)| (std::cmp::Reverse(grown), site));
    for (grown, site) in sites.iter().take(MAX_SITES) {
        lines.push(format!("  +{grown} bytes at {site}"));
    }
    lines
}
