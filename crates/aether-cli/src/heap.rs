//! `aether heap`: what a heap profile says, by site; and how that grew from one profile to another.
//!
//! A profile is a file of DHAT's viewer, version 2, as `--heap-profile` writes it. A site is the innermost line of a
//! script, with the built-ins that ran there; stacks that lead to the same site are added up.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::options::{Moment, Profiles};
use crate::streams;

/// What a site allocated. Negative in a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SiteTotals {
    pub(crate) total_bytes: i64,
    pub(crate) total_blocks: i64,
    pub(crate) peak_bytes: i64,
    exit_bytes: i64,
}

impl SiteTotals {
    fn plus(self, other: Self, sign: i64) -> Self {
        Self {
            total_bytes: self.total_bytes + sign * other.total_bytes,
            total_blocks: self.total_blocks + sign * other.total_blocks,
            peak_bytes: self.peak_bytes + sign * other.peak_bytes,
            exit_bytes: self.exit_bytes + sign * other.exit_bytes,
        }
    }
}

pub(crate) type Sites = BTreeMap<String, SiteTotals>;

/// Prints what is asked for and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn show(asked: &Profiles) -> u8 {
    if let (Some(out), [file]) = (&asked.flame, asked.files.as_slice()) {
        return match flame(file, out, asked.at) {
            Ok(()) => 0,
            Err(message) => {
                streams::write_err(&format!("heap: {message}\n"));
                1
            }
        };
    }
    let profiles: Result<Vec<Sites>, String> = asked.files.iter().map(|file| read(file)).collect();
    let text = profiles.map(|profiles| match profiles.as_slice() {
        [before, after] => growth(before, after, asked),
        [sites] => top(sites, asked),
        _ => String::new(),
    });
    match text {
        Ok(text) => {
            streams::write_out(&text);
            0
        }
        Err(message) => {
            streams::write_err(&format!("heap: {message}\n"));
            1
        }
    }
}

/// Draws the bytes of a profile by call path.
fn flame(file: &str, out: &Path, at: Moment) -> Result<(), String> {
    let profile = parse(file)?;
    let (figure, what) = match at {
        Moment::Peak => ("gb", "at the peak"),
        Moment::End => ("eb", "at the end"),
        Moment::Total => ("tb", "in all"),
    };
    let mut lines = Vec::new();
    for (stack, point) in points(&profile).ok_or_else(|| wrong_version(file))? {
        let bytes = point.get(figure).and_then(Value::as_i64).unwrap_or(0);
        if bytes <= 0 {
            continue;
        }
        // Innermost first in the profile, outermost first in the picture; a semicolon separates frames.
        let frames: Vec<String> = stack.iter().rev().map(|frame| frame.replace(';', ",")).collect();
        let path = if frames.is_empty() {
            "[engine]".to_owned()
        } else {
            frames.join(";")
        };
        lines.push(format!("{path} {bytes}"));
    }
    if lines.is_empty() {
        return Err(format!("{file}: nothing was allocated {what}"));
    }
    lines.sort();
    let mut options = inferno::flamegraph::Options::default();
    options.title = format!("{file}: bytes {what}");
    "bytes".clone_into(&mut options.count_name);
    options.colors = inferno::flamegraph::Palette::Basic(inferno::flamegraph::color::BasicPalette::Mem);
    options.hash = true;
    let mut svg = Vec::new();
    inferno::flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .map_err(|error| format!("{file}: {error}"))?;
    std::fs::write(out, svg).map_err(|error| format!("cannot write '{}': {error}", out.display()))
}

fn wrong_version(file: &str) -> String {
    format!("{file}: not a heap profile of version 2")
}

/// The profile in a file.
fn parse(file: &str) -> Result<Value, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read '{file}': {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{file}: not a heap profile: {error}"))
}

/// The allocation points of a profile with their stacks, innermost frame first.
fn points(profile: &Value) -> Option<Vec<(Vec<&str>, &Value)>> {
    if profile.get("dhatFileVersion")?.as_i64()? != 2 {
        return None;
    }
    let frames: Option<Vec<&str>> = profile
        .get("ftbl")?
        .as_array()?
        .iter()
        .map(Value::as_str)
        .collect();
    let frames = frames?;
    let mut found = Vec::new();
    for point in profile.get("pps")?.as_array()? {
        let mut stack = Vec::new();
        for frame in point.get("fs")?.as_array()? {
            stack.push(*frames.get(usize::try_from(frame.as_u64()?).ok()?)?);
        }
        found.push((stack, point));
    }
    Some(found)
}

/// The sites of a profile.
pub(crate) fn read(file: &str) -> Result<Sites, String> {
    sites(&parse(file)?).ok_or_else(|| wrong_version(file))
}

fn sites(profile: &Value) -> Option<Sites> {
    let mut sites = Sites::new();
    for (stack, point) in points(profile)? {
        // Profiles without lifetimes have no peak and no end.
        let figure = |name: &str| point.get(name).and_then(Value::as_i64).unwrap_or(0);
        let figures = SiteTotals {
            total_bytes: figure("tb"),
            total_blocks: figure("tbk"),
            peak_bytes: figure("gb"),
            exit_bytes: figure("eb"),
        };
        let site = sites.entry(site(&stack)).or_default();
        *site = site.plus(figures, 1);
    }
    Some(sites)
}

/// The innermost frames of a stack, to the first that is no built-in.
fn site(stack: &[&str]) -> String {
    let builtins = stack
        .iter()
        .take_while(|frame| frame.starts_with("[builtin] "))
        .count();
    let shown = stack.len().min(builtins + 1);
    match &stack[..shown] {
        [] => "[engine]".to_owned(),
        shown => shown.join(" in "),
    }
}

fn sum(sites: &Sites) -> SiteTotals {
    sites
        .values()
        .fold(SiteTotals::default(), |sum, figures| sum.plus(*figures, 1))
}

fn top(sites: &Sites, asked: &Profiles) -> String {
    let mut rows: Vec<(&String, SiteTotals)> = sites.iter().map(|(site, figures)| (site, *figures)).collect();
    rows.sort_by_key(|(_, figures)| Reverse((figures.peak_bytes, figures.total_bytes)));
    if asked.json {
        return as_json(&rows, sum(sites), asked.top);
    }
    let plain = |number: i64| number.to_string();
    table(&rows, sum(sites), asked.top, plain)
}

fn growth(before: &Sites, after: &Sites, asked: &Profiles) -> String {
    let mut changes = after.clone();
    for (site, figures) in before {
        let change = changes.entry(site.clone()).or_default();
        *change = change.plus(*figures, -1);
    }
    let total = sum(&changes);
    changes.retain(|_, figures| *figures != SiteTotals::default());
    let mut rows: Vec<(&String, SiteTotals)> =
        changes.iter().map(|(site, figures)| (site, *figures)).collect();
    rows.sort_by_key(|(_, figures)| Reverse((figures.exit_bytes, figures.peak_bytes, figures.total_bytes)));
    if asked.json {
        return as_json(&rows, total, asked.top);
    }
    let signed = |number: i64| {
        if number == 0 {
            "0".to_owned()
        } else {
            format!("{number:+}")
        }
    };
    table(&rows, total, asked.top, signed)
}

fn table(
    rows: &[(&String, SiteTotals)],
    total: SiteTotals,
    most: usize,
    number: impl Fn(i64) -> String,
) -> String {
    let mut out = String::new();
    let mut line = |figures: Option<SiteTotals>, site: &str| {
        let cells = match figures {
            None => ["at peak", "at exit", "total", "blocks"].map(str::to_owned),
            Some(figures) => [
                figures.peak_bytes,
                figures.exit_bytes,
                figures.total_bytes,
                figures.total_blocks,
            ]
            .map(&number),
        };
        let [peak, exit, total, blocks] = cells;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{peak:>12} {exit:>12} {total:>14} {blocks:>10}  {site}");
    };
    line(None, "site");
    for (site, figures) in rows.iter().take(most) {
        line(Some(*figures), site);
    }
    if rows.len() > most {
        let others = rows[most..]
            .iter()
            .fold(SiteTotals::default(), |sum, (_, figures)| sum.plus(*figures, 1));
        line(Some(others), &format!("{} other sites", rows.len() - most));
    }
    line(Some(total), "all");
    out
}

fn as_json(rows: &[(&String, SiteTotals)], total: SiteTotals, most: usize) -> String {
    let figures = |figures: &SiteTotals| {
        json!({
            "peak_bytes": figures.peak_bytes,
            "exit_bytes": figures.exit_bytes,
            "total_bytes": figures.total_bytes,
            "total_blocks": figures.total_blocks,
        })
    };
    let sites: Vec<Value> = rows
        .iter()
        .take(most)
        .map(|(site, found)| {
            let mut entry = figures(found);
            entry["site"] = json!(site);
            entry
        })
        .collect();
    format!("{}\n", json!({ "sites": sites, "all": figures(&total) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_the_innermost_line_with_its_built_ins() {
        assert_eq!(site(&[]), "[engine]");
        assert_eq!(
            site(&["[builtin] range", "main (a.ae:2)", "<top level> (a.ae:9)"]),
            "[builtin] range in main (a.ae:2)"
        );
        assert_eq!(site(&["f (a.ae:1)", "main (a.ae:2)"]), "f (a.ae:1)");
    }

    #[test]
    fn what_is_no_profile_is_told_from_one() {
        assert!(sites(&json!({ "dhatFileVersion": 1, "ftbl": [], "pps": [] })).is_none());
        assert!(sites(&json!({ "dhatFileVersion": 2, "ftbl": [], "pps": [{ "fs": [3] }] })).is_none());
        let profile = json!({
            "dhatFileVersion": 2,
            "ftbl": ["[root]", "f (a.ae:1)"],
            "pps": [{ "fs": [1], "tb": 3, "gb": 2 }, { "fs": [1], "tb": 4 }],
        });
        let found = sites(&profile).unwrap();
        assert_eq!(
            (found["f (a.ae:1)"].total_bytes, found["f (a.ae:1)"].peak_bytes),
            (7, 2)
        );
    }
}
