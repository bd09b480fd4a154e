//! What memcheck found, as a table and as JSON.

use std::cmp::Reverse;
use std::fmt::Write as _;

use crate::baseline::ProgramTotals;

/// Programs that the table shows unless told otherwise.
pub(crate) const SHOWN: usize = 10;

/// A program.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) figures: ProgramTotals,
    /// Bytes that are alive after the engine.
    pub(crate) alive: u64,
    /// Bytes by which the heap's account grew until the program's end.
    pub(crate) charged: i64,
    /// Bytes by which the allocator's did, captured output aside.
    pub(crate) given: i64,
    pub(crate) baseline: Option<ProgramTotals>,
}

impl Row {
    /// Bytes of the peak above the baseline's.
    fn growth(&self) -> i64 {
        let baseline = self.baseline.map_or(0, |baseline| baseline.peak);
        self.figures.peak as i64 - baseline as i64
    }
}

/// All that was found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) suite: ProgramTotals,
    pub(crate) violations: Vec<String>,
    /// Lines of the baseline that were changed, if that was asked for.
    pub(crate) blessed: Option<usize>,
    pub(crate) seconds: f64,
}

impl Report {
    /// The table with the programs that grew most, and every breach.
    pub(crate) fn text(&self, shown: usize) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, shown);
        out
    }

    fn write(&self, out: &mut String, shown: usize) -> std::fmt::Result {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| {
            (
                Reverse(row.growth()),
                Reverse(row.figures.peak),
                row.name.as_str(),
            )
        });
        if shown > 0 {
            writeln!(
                out,
                "{:>11} {:>10} {:>11} {:>8} {:>6} {:>11} {:>11}  program",
                "peak", "growth", "total", "blocks", "alive", "held", "charged"
            )?;
        }
        for row in rows.iter().take(shown) {
            let ProgramTotals { peak, total, blocks } = row.figures;
            writeln!(
                out,
                "{peak:>11} {:>+10} {total:>11} {blocks:>8} {:>6} {:>11} {:>11}  {}",
                row.growth(),
                row.alive,
                row.given,
                row.charged,
                row.name
            )?;
        }
        if let Some(largest) = self.rows.iter().max_by_key(|row| row.figures.peak) {
            writeln!(out, "largest: {} bytes, {}", largest.figures.peak, largest.name)?;
        }
        writeln!(
            out,
            "{} programs, three times, in {:.1} s; the suite: peak {} bytes, {} bytes in {} blocks in total",
            self.rows.len(),
            self.seconds,
            self.suite.peak,
            self.suite.total,
            self.suite.blocks
        )?;
        if let Some(changed) = self.blessed {
            writeln!(out, "baseline written, {changed} lines changed")?;
        }
        for breach in &self.violations {
            writeln!(out, "BREACH {breach}")?;
        }
        Ok(())
    }

    /// All of it: `{programs, suite, violations, seconds}`.
    pub(crate) fn json(&self) -> String {
        let figures = |figures: &ProgramTotals| {
            let ProgramTotals { peak, total, blocks } = figures;
            format!(r#""peak":{peak},"total":{total},"blocks":{blocks}"#)
        };
        let programs = self.rows.iter().map(|row| {
            let baseline = match &row.baseline {
                Some(baseline) => format!("{{{}}}", figures(baseline)),
                None => "null".to_owned(),
            };
            format!(
                r#"{{"name":{},{},"alive":{},"held":{},"charged":{},"baseline":{baseline}}}"#,
                quoted(&row.name),
                figures(&row.figures),
                row.alive,
                row.given,
                row.charged
            )
        });
        format!(
            r#"{{"programs":[{}],"suite":{{{}}},"violations":[{}],"seconds":{:.1}}}"#,
            programs.collect::<Vec<_>>().join(","),
            figures(&self.suite),
            self.violations
                .iter()
                .map(|breach| quoted(breach))
                .collect::<Vec<_>>()
                .join(","),
            self.seconds
        )
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Writing to a string cannot fail.
            c if c < ' ' => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
