//! `aether bench`: bench files, one after the other, each a process of its own, and how their figures compare.
//!
//! A file calls `testing.bench`, which measures. Asked by a variable of the environment, it prints its figures for this
//! side to read, beside the line that it prints otherwise; all else that a file prints is passed on.
//!
//! Invariants
//! - Files run one at a time, so that they do not disturb each other.
//! - A change of time counts only beyond both intervals; figures of memory are exact, so that any change of them counts.

mod process;
mod record;

use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::status::{FAILED, WRONG_USAGE};
use crate::{sources, streams};

use record::{Changes, Figures, Record};

/// What `bench` is asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct Words {
    /// Measure only what has this in its name.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Keep the figures under a name, in .aether/bench.
    #[arg(long, value_name = "NAME", value_parser = name)]
    save: Option<String>,
    /// Compare with the figures kept under a name.
    #[arg(long, value_name = "NAME", value_parser = name)]
    compare: Option<String>,
    /// With --compare: end with status 1 if something got worse by more than this part.
    #[arg(long, value_name = "PART", value_parser = part, requires = "compare")]
    fail_above: Option<f64>,
    /// Print an object a line.
    #[arg(long)]
    json: bool,
    /// Print nothing but what got worse.
    #[arg(short, long)]
    quiet: bool,
    /// A file, or a directory that is searched for *_bench.ae.
    #[arg(default_value = ".")]
    path: String,
}

/// A name of figures that are kept.
fn name(text: &str) -> Result<String, String> {
    let allowed = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.');
    if text.is_empty() || text.starts_with('.') || !text.chars().all(allowed) {
        return Err("a name has letters, digits, '-', '_' and '.'".to_owned());
    }
    Ok(text.to_owned())
}

/// A part in percent, such as `10%`.
fn part(text: &str) -> Result<f64, String> {
    let digits = text.strip_suffix('%').unwrap_or(text);
    match digits.parse::<f64>() {
        Ok(percent) if percent >= 0.0 && percent.is_finite() => Ok(percent / 100.0),
        _ => Err("a part is a number of percent, as in 10%".to_owned()),
    }
}

/// Whether a file in a directory is measured.
fn is_bench(name: &str) -> bool {
    sources::is_script(name) && name.ends_with("_bench.ae")
}

/// Measures, and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words) -> u8 {
    match measure(words) {
        Ok(status) => status,
        Err(message) => {
            streams::write_err(&format!("bench: {message}\n"));
            FAILED
        }
    }
}

fn measure(words: &Words) -> Result<u8, String> {
    let path = words.path.as_str();
    let files = if Path::new(path).is_dir() {
        sources::files_below(path, is_bench).map_err(|error| format!("cannot read '{path}': {error}"))?
    } else if Path::new(path).is_file() {
        vec![path.to_owned()]
    } else {
        return Err(format!("'{path}' is not a file or directory"));
    };
    let before = match words.compare.as_deref().map(Record::open) {
        None => None,
        Some(Ok(before)) => Some(before),
        Some(Err(message)) => {
            streams::write_err(&format!("bench: {message}\n"));
            return Ok(WRONG_USAGE);
        }
    };
    if files.is_empty() && !words.json && !words.quiet {
        streams::write_out(&format!("No bench files found in {path}\n"));
    }
    let mut record = Record::default();
    let mut status = 0;
    for file in &files {
        let ended_well = process::run(file, words.filter.as_deref(), |line| match line {
            process::Line::Figures(figures) => {
                let known = before
                    .as_ref()
                    .and_then(|before| before.find(file, &figures.name));
                let changes = known.map(|known| Changes::between(known, &figures));
                let is_worse = changes
                    .as_ref()
                    .is_some_and(|changes| words.fail_above.is_some_and(|part| changes.worst() > part));
                if is_worse {
                    status = FAILED;
                }
                if !words.quiet || is_worse {
                    streams::write_out(&shown(words.json, file, &figures, changes.as_ref()));
                }
                record.add(file, *figures);
            }
            process::Line::Other(text) if !words.json && !words.quiet => {
                streams::write_out(&format!("{text}\n"));
            }
            process::Line::Other(_) => {}
        });
        match ended_well {
            Ok(true) => {}
            Ok(false) => {
                streams::write_err(&format!("bench: {file} failed\n"));
                status = FAILED;
            }
            Err(message) => return Err(format!("{file}: {message}")),
        }
    }
    if let Some(name) = &words.save {
        record.save(name)?;
    }
    Ok(status)
}

/// The line of a measurement.
fn shown(as_json: bool, file: &str, figures: &Figures, changes: Option<&Changes>) -> String {
    if as_json {
        let mut object = figures.json();
        object["file"] = json!(file);
        if let Some(changes) = changes {
            object["changes"] = changes.json();
        }
        return format!("{object}\n");
    }
    let changes = changes.map(Changes::to_string).unwrap_or_default();
    format!("{}{changes}\n", figures.line)
}

#[cfg(test)]
mod tests {
    use super::{name, part};

    #[test]
    fn parts_are_percent() {
        assert_eq!(part("10%"), Ok(0.1));
        assert_eq!(part("2.5"), Ok(0.025));
        for wrong in ["", "%", "-1%", "x", "inf", "NaN"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_no_paths() {
        assert_eq!(name("main-1.2"), Ok("main-1.2".to_owned()));
        for wrong in ["", "..", ".x", "a/b", "a b"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
