//! `cargo xtask bench pauses`: the times between two statements of programs that keep collectors busy
//! (`benches/pauses`), beside other languages.
//!
//! Each program takes the number of objects that are alive and prints how many of its turns took so long, in buckets of
//! which there are 16 for each doubling. The table has median, 99.9th percentile and worst, in microseconds; and
//! `docs/pauses.svg` shows, for each program, which share of turns took longer than a time.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::bench::{Language, is_installed};
use crate::tools;

/// Programs, the objects alive, and how the table calls them.
const PROGRAMS: &[(&str, usize, &str)] = &[
    ("pairs", 300_000, "cyclic pairs, 300,000 alive"),
    ("pairs", 1_000_000, "cyclic pairs, 1 million alive"),
    ("pairs", 3_000_000, "cyclic pairs, 3 million alive"),
    ("growth", 3_000_000, "growing to 3 million, no garbage"),
    ("strings", 1_000_000, "a million strings, replaced"),
    ("graph", 300_000, "a graph of 300,000, rewired"),
    ("server", 300_000, "a server with 300,000 sessions"),
];

/// What the languages' curves are drawn in.
const COLOURS: [&str; 3] = ["#c0392b", "#2e86c1", "#7f8c8d"];

/// Buckets for each doubling of time.
const BUCKETS: f64 = 16.0;

/// What a run printed, and how long it took.
struct Run {
    /// Bucket and number of turns, in order.
    counts: Vec<(u32, u64)>,
    seconds: f64,
}

impl Run {
    fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Microseconds that a share of turns does not exceed.
    fn at(&self, share: f64) -> f64 {
        let wanted = self.total() as f64 * share;
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += count;
            seen as f64 >= wanted
        });
        found.map_or(0.0, |(bucket, _)| microseconds(*bucket))
    }

    fn worst(&self) -> f64 {
        self.counts
            .last()
            .map_or(0.0, |(bucket, _)| microseconds(*bucket))
    }
}

fn microseconds(bucket: u32) -> f64 {
    (f64::from(bucket) / BUCKETS).exp2() / 1000.0
}

/// Runs all and writes table and picture.
///
/// # Errors
/// A program of ours fails, or the picture cannot be written.
pub(crate) fn run() -> Result<(), String> {
    let aether = tools::release_binary()?.to_string_lossy().into_owned();
    let node = ("node", "js", vec!["node".to_owned()]);
    let python = ("python3", "py", vec!["python3".to_owned()]);
    let languages: Vec<(Language, &str)> = [("aether", "ae", vec![aether]), node, python]
        .into_iter()
        .map(|(name, extension, command)| Language {
            name,
            extension,
            command,
        })
        .zip(COLOURS)
        .filter(|(language, _)| is_installed(language))
        .collect();
    println!("median / 99.9th percentile / worst, in microseconds; seconds of the whole run");
    let mut picture = Picture::default();
    for (program, alive, title) in PROGRAMS {
        println!("{title}");
        let mut runs = Vec::new();
        for (language, colour) in &languages {
            let run = measure(language, program, *alive)?;
            println!(
                "  {:<10}{:>8.1} /{:>9.1} /{:>10.0}   {:>6.2} s",
                language.name,
                run.at(0.5),
                run.at(0.999),
                run.worst(),
                run.seconds
            );
            runs.push((*colour, run));
        }
        picture.add(title, &runs);
    }
    let file = tools::root().join("docs/pauses.svg");
    let names = languages
        .iter()
        .map(|(language, colour)| (language.name, *colour));
    fs::write(&file, picture.finish(names)).map_err(|error| format!("{}: {error}", file.display()))
}

fn measure(language: &Language, program: &str, alive: usize) -> Result<Run, String> {
    let file = tools::root().join(format!("benches/pauses/{program}.{}", language.extension));
    let start = Instant::now();
    let output = Command::new(&language.command[0])
        .args(&language.command[1..])
        .arg(&file)
        .arg(alive.to_string())
        .output()
        .map_err(|error| format!("{}: {error}", language.name))?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{}: {text}", file.display()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let counts = text.lines().filter_map(|line| {
        let (bucket, count) = line.split_once(' ')?;
        Some((bucket.parse().ok()?, count.parse().ok()?))
    });
    Ok(Run {
        counts: counts.collect(),
        seconds,
    })
}

/// Small graphs below each other: time on a logarithmic scale from a tenth of a microsecond to a second, and the share
/// of turns that took longer, from all to one in ten million.
#[derive(Default)]
struct Picture {
    graphs: String,
    count: usize,
}

impl Picture {
    const WIDTH: f64 = 480.0;
    const HEIGHT: f64 = 90.0;
    const LEFT: f64 = 20.0;
    const STEP: f64 = 140.0;
    const DECADES: f64 = 7.0;

    fn x(microseconds: f64) -> f64 {
        Self::LEFT + (microseconds.log10() + 1.0).clamp(0.0, Self::DECADES) / Self::DECADES * Self::WIDTH
    }

    fn add(&mut self, title: &str, runs: &[(&str, Run)]) {
        let top = 50.0 + self.count as f64 * Self::STEP;
        self.count += 1;
        let (left, width, height) = (Self::LEFT, Self::WIDTH, Self::HEIGHT);
        let graphs = &mut self.graphs;
        // Writing to a string does not fail.
        let _ = writeln!(
            graphs,
            "<text x=\"{left}\" y=\"{}\">{title}</text>\n<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#ccc\"/>",
            top - 6.0
        );
        for (time, text) in [(1.0, "1 µs"), (1e3, "1 ms"), (1e6, "1 s")] {
            let x = Self::x(time);
            let _ = writeln!(
                graphs,
                "<line x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#ccc\"/>\n<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{text}</text>",
                top + height,
                top + height + 14.0
            );
        }
        for (colour, run) in runs {
            let total = run.total().max(1) as f64;
            let mut longer = run.total();
            let mut points = String::new();
            for (bucket, count) in &run.counts {
                let x = Self::x(microseconds(*bucket));
                let y = |turns: u64| {
                    let share = (turns as f64 / total).log10().clamp(-Self::DECADES, 0.0);
                    top + height * -share / Self::DECADES
                };
                let _ = write!(points, "{x:.1},{:.1} ", y(longer));
                longer -= count;
                let _ = write!(points, "{x:.1},{:.1} ", y(longer));
            }
            let _ = writeln!(
                graphs,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
            );
        }
    }

    fn finish<'a>(self, names: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let height = 50.0 + self.count as f64 * Self::STEP;
        let mut legend = String::new();
        for (index, (name, colour)) in names.enumerate() {
            let x = Self::LEFT + index as f64 * 90.0;
            let _ = writeln!(legend, "<text x=\"{x}\" y=\"16\" fill=\"{colour}\">{name}</text>");
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"520\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"520\" height=\"{height}\" fill=\"white\"/>\n{legend}{}</svg>\n",
            self.graphs
        )
    }
}
