//! The baseline: what each program took when someone last agreed to it.
//!
//! A line is `NAME PEAK TOTAL BLOCKS`, sorted by name; lines with `#` are comments. Blessing leaves a line alone whose
//! figures are still [`same`], so that a diff shows what has changed and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use aether_tests::repository;

/// What a program took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProgramTotals {
    /// Most bytes at one time.
    pub(crate) peak: u64,
    /// Bytes allocated.
    pub(crate) total: u64,
    /// Blocks allocated.
    pub(crate) blocks: u64,
}

pub(crate) type Baseline = BTreeMap<String, ProgramTotals>;

/// What a figure of bytes may be above its baseline, beside a tenth. Three runs give the same figures to the byte, so the
/// room is for change on purpose: a new name in the library moves every program a little, most of them hold 20 KB.
const SLACK_BYTES: u64 = 8192;
/// The same for blocks.
const SLACK_BLOCKS: u64 = 32;

const HEADER: &str = "\
# What each program of the suite takes under `cargo xtask memcheck`, engine included: name, bytes at the peak, bytes
# in total, blocks. `cargo xtask memcheck --bless` writes this file; review its diff as code.
";

/// The most that a figure may be.
pub(crate) const fn allowed(baseline: u64, slack: u64) -> u64 {
    baseline + baseline / 10 + slack
}

/// Whether a figure is close enough to its baseline to leave that alone.
const fn same(figure: u64, baseline: u64, slack: u64) -> bool {
    figure.abs_diff(baseline) <= baseline / 50 + slack / 8
}

impl ProgramTotals {
    /// What of this is more than `baseline` allows.
    pub(crate) fn violations(&self, baseline: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut hold = |what: &str, figure: u64, baseline: u64, slack: u64| {
            let most = allowed(baseline, slack);
            if figure > most {
                found.push(format!("{what} {figure}, baseline {baseline}, allowed {most}"));
            }
        };
        hold("peak bytes", self.peak, baseline.peak, SLACK_BYTES);
        hold("total bytes", self.total, baseline.total, SLACK_BYTES);
        hold("blocks", self.blocks, baseline.blocks, SLACK_BLOCKS);
        found
    }

    fn is_like(&self, baseline: &Self) -> bool {
        same(self.peak, baseline.peak, SLACK_BYTES)
            && same(self.total, baseline.total, SLACK_BYTES)
            && same(self.blocks, baseline.blocks, SLACK_BLOCKS)
    }
}

/// The file of a baseline.
pub(crate) fn path(planted: bool) -> PathBuf {
    repository().join(if planted {
        "tests/planted/memcheck/baseline.txt"
    } else {
        "tests/memory-baseline.txt"
    })
}

/// Reads a baseline; one that does not exist is empty.
///
/// # Errors
/// It cannot be read, or a line is not of its form.
pub(crate) fn read(planted: bool) -> Result<Baseline, String> {
    let path = path(planted);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let mut baseline = Baseline::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let figures = match words.as_slice() {
            [_, peak, total, blocks] => (peak.parse(), total.parse(), blocks.parse()),
            _ => return Err(format!("{}: not a line: {line}", path.display())),
        };
        let (Ok(peak), Ok(total), Ok(blocks)) = figures else {
            return Err(format!("{}: not a number: {line}", path.display()));
        };
        baseline.insert(words[0].to_owned(), ProgramTotals { peak, total, blocks });
    }
    Ok(baseline)
}

/// Writes the baseline with new figures for the programs that have changed; without those that are gone, if all
/// programs ran. Answers how many lines changed.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn bless(mut baseline: Baseline, measured: &Baseline, all: bool) -> Result<usize, String> {
    let mut changed = 0;
    for (name, figures) in measured {
        if !baseline.get(name).is_some_and(|old| figures.is_like(old)) {
            baseline.insert(name.clone(), *figures);
            changed += 1;
        }
    }
    if all {
        let before = baseline.len();
        baseline.retain(|name, _| measured.contains_key(name));
        changed += before - baseline.len();
    }
    let mut text = HEADER.to_owned();
    for (name, ProgramTotals { peak, total, blocks }) in &baseline {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} {peak} {total} {blocks}");
    }
    let path = path(false);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(changed)
}
