//! `cargo xtask bench-data`: parsing and writing JSON and CSV of 50 MB beside `CPython`.
//!
//! The figure is processor time, user and system, of a process that reads and parses less that of one that only
//! reads, and of one that writes too less that of one that only parses; each the best of [`ROUNDS`].

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tools;

/// Bytes of each file.
const SIZE: usize = 50_000_000;
/// Runs of each step.
const ROUNDS: usize = 3;
/// Ticks of the kernel's clock a second, as Linux has it everywhere.
const TICKS: f64 = 100.0;

/// A generator of numbers that look random and are the same each time (Knuth's generator).
struct Generator(u64);

impl Generator {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

const WORDS: &[&str] = &[
    "alpha", "beta", "gamma", "delta", "naïve", "größe", "epsilon", "zeta",
];

fn records(out: &mut String, numbers: &mut Generator, index: usize) {
    let score = numbers.below(10_000_000) as f64 / 1e5;
    let _ = write!(
        out,
        "{{\"id\":{index},\"name\":\"user{index}\",\"email\":\"user{index}@example.com\",\"active\":{},\
         \"score\":{score:?},\"tags\":[\"a\",\"b\",\"c{}\"],\"address\":{{\"street\":\"{index} Main St\",\
         \"zip\":\"{:05}\"}},\"note\":null}}",
        index.is_multiple_of(2),
        index % 10,
        index % 100_000,
    );
}

fn numbers(out: &mut String, numbers: &mut Generator, _: usize) {
    out.push('[');
    for item in 0..10 {
        if item > 0 {
            out.push(',');
        }
        let value = numbers.below(1 << 31);
        let _ = if item % 2 == 0 {
            write!(out, "{value}")
        } else {
            write!(out, "{:?}", value as f64 / 1234.5 - 1e5)
        };
    }
    out.push(']');
}

fn strings(out: &mut String, numbers: &mut Generator, _: usize) {
    out.push('"');
    for _ in 0..20 + numbers.below(40) {
        out.push_str(WORDS[numbers.below(8) as usize]);
        out.push_str(match numbers.below(12) {
            0 => "\\n",
            1 => " \\\"quoted\\\" ",
            2 => "\\\\",
            _ => " ",
        });
    }
    out.push('"');
}

fn nested(out: &mut String, numbers: &mut Generator, _: usize) {
    for level in 0..20 {
        let key = numbers.below(6);
        let _ = write!(out, "{{\"k{key}\":[{level},");
    }
    out.push_str("null");
    for _ in 0..20 {
        out.push_str("]}");
    }
}

fn mixed_row(out: &mut String, numbers: &mut Generator, index: usize) {
    let note = match numbers.below(3) {
        0 => "plain text",
        1 => "\"with, comma\"",
        _ => "\"with \"\"quotes\"\"\"",
    };
    let amount = numbers.below(1_000_000);
    let _ = writeln!(
        out,
        "{index},user{index},user{index}@example.com,{amount},0.{amount},{note}"
    );
}

fn plain_row(out: &mut String, numbers: &mut Generator, _: usize) {
    for column in 0..12 {
        let end = if column == 11 { '\n' } else { ',' };
        let _ = write!(out, "{}{end}", numbers.below(1_000_000));
    }
}

fn quoted_row(out: &mut String, numbers: &mut Generator, _: usize) {
    for column in 0..5 {
        let end = if column == 4 { '\n' } else { ',' };
        let (one, two) = (numbers.below(8) as usize, numbers.below(8) as usize);
        let _ = write!(out, "\"{} \"\"{}\"\"\nand, more\"{end}", WORDS[one], WORDS[two]);
    }
}

type Piece = fn(&mut String, &mut Generator, usize);

const SHAPES: &[(&str, &str, Piece)] = &[
    ("json", "records", records),
    ("json", "numbers", numbers),
    ("json", "strings", strings),
    ("json", "nested", nested),
    ("csv", "mixed", mixed_row),
    ("csv", "numbers", plain_row),
    ("csv", "quoted", quoted_row),
];

fn document(format: &str, piece: Piece) -> String {
    let mut numbers = Generator(1);
    let mut out = String::with_capacity(SIZE + 4096);
    let is_json = format == "json";
    if is_json {
        out.push('[');
    }
    let mut index = 0;
    while out.len() < SIZE {
        if is_json && index > 0 {
            out.push(',');
        }
        piece(&mut out, &mut numbers, index);
        index += 1;
    }
    if is_json {
        out.push(']');
    }
    out
}

/// Processor seconds of all children that have ended.
fn children_seconds() -> Result<f64, String> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| format!("/proc/self/stat: {error}"))?;
    // The name in parentheses may hold blanks; fields 16 and 17 are those of the children.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    match (ticks(13), ticks(14)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS),
        _ => Err("/proc/self/stat: unknown form".to_owned()),
    }
}

/// The least processor time of a step.
fn seconds(command: &[&str], script: &Path, file: &Path, step: &str) -> Result<f64, String> {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let before = children_seconds()?;
        let mut process = Command::new(command[0]);
        process.args(&command[1..]).arg(script).arg(file).arg(step);
        let output = process
            .output()
            .map_err(|error| format!("{}: {error}", command[0]))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{process:?}: {text}"));
        }
        best = best.min(children_seconds()? - before);
    }
    Ok(best)
}

/// Prints a table of processor seconds.
///
/// # Errors
/// A file cannot be written, or a program fails.
pub(crate) fn run() -> Result<(), String> {
    let binary = tools::release_binary()?;
    let aether = binary.to_string_lossy();
    let scratch = tools::target_directory().join("bench-data");
    fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    println!("| 50 MB | Aether parse | CPython parse | Aether write | CPython write |");
    println!("|---|--:|--:|--:|--:|");
    for &(format, name, piece) in SHAPES {
        let file = scratch.join(format!("{name}.{format}"));
        fs::write(&file, document(format, piece)).map_err(|error| format!("{}: {error}", file.display()))?;
        let script = |extension: &str| tools::root().join(format!("benches/data/{format}_data.{extension}"));
        let steps = |command: &[&str], extension: &str| -> Result<(f64, f64), String> {
            let script = script(extension);
            let of = |step: &str| seconds(command, &script, &file, step);
            let (read, parse, write) = (of("read")?, of("parse")?, of("write")?);
            Ok((parse - read, write - parse))
        };
        let ours = steps(&[&aether], "ae")?;
        let theirs = steps(&["python3"], "py")?;
        println!(
            "| {format}, {name} | {:.2} | {:.2} | {:.2} | {:.2} |",
            ours.0, theirs.0, ours.1, theirs.1
        );
    }
    Ok(())
}
