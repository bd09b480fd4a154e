//! `cargo xtask memcheck`: the suite under dhat, the suite in the plain build, then the probes.
//!
//! The figures and the judgement are the runner's (`tests/src/bin/memcheck`). Here is what surrounds it: first the
//! programs of `tests/planted/memcheck`, which misbehave on purpose, so that a memcheck that finds nothing any more is itself a
//! breach; last one line that says whether all is well.
//!
//! `--bless` renews the baseline, `--only PATTERN` runs the programs whose names contain it, and neither probes nor
//! planted programs; `--top N` shows the N programs that grew most; `--json` prints one object instead of text;
//! `--held FILE` profiles what the last program holds at its end.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{probes, tools};

/// What each planted program must be accused of.
const PLANTED: &[&str] = &[
    "tests/planted/memcheck/leaked-bytes: 1000 bytes leaked",
    "tests/planted/memcheck/forgotten-object: 1 objects forgotten",
    "tests/planted/memcheck/oversized-peak: peak 112",
    "the suite: peak 112",
    "tests/planted/memcheck/uncharged-bytes: the heap charged",
    "tests/planted/memcheck/grown: peak bytes",
    "tests/planted/memcheck/unlisted: no baseline",
    "tests/planted/memcheck/gone: a baseline without a program",
    "tests/planted/memcheck/other-output: stdout differs",
];

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    json: bool,
    partial: bool,
    /// What the runner is passed.
    words: Vec<String>,
}

fn read(words: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(&word) = rest.next() {
        options.words.push(word.to_owned());
        match word {
            "--json" => options.json = true,
            "--bless" => options.partial = true,
            "--only" | "--top" | "--held" => {
                let value = rest.next().ok_or(format!("{word} requires a value"))?;
                options.words.push((*value).to_owned());
                options.partial |= word == "--only";
            }
            _ => return Err(format!("memcheck: unknown option '{word}'")),
        }
    }
    Ok(options)
}

/// Builds and runs everything; the last line says whether all is well.
///
/// # Errors
/// Something is not.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let options = read(words)?;
    let tell = |text: &str| {
        if !options.json {
            println!("{text}");
        }
    };
    let mut breaches: Vec<String> = Vec::new();
    let mut parts: Vec<String> = Vec::new();

    let counting = runner(&["--profile", "memcheck", "--features", "dhat"], "memcheck")?;
    if !options.partial {
        breaches.extend(planted(&counting, &["--planted", "--top", "0"], PLANTED, &tell)?);
    }
    let mut words = options.words.clone();
    if !options.partial {
        let profile = tools::target_directory().join("memcheck/dhat-heap.json");
        words.extend(["--profile".to_owned(), profile.display().to_string()]);
    }
    let (text, passed) = output(Command::new(&counting).args(&words))?;
    tell(text.trim_end());
    parts.push(format!("\"counted\":{}", text.trim_end()));
    if !passed {
        breaches.push("the counted suite has breaches".to_owned());
    }

    if !options.partial {
        let plain = runner(&["--release"], "release")?;
        let json = options.json.then_some("--json");
        let (text, passed) = output(Command::new(plain).args(json))?;
        tell(text.trim_end());
        parts.push(format!("\"plain\":{}", text.trim_end()));
        if !passed {
            breaches.push("the plain build becomes too large, or fails".to_owned());
        }
        let failed = probes::run(tell)?;
        parts.push(format!("\"probes_failed\":{}", failed.len()));
        breaches.extend(failed);
    }

    if options.json {
        println!("{{{},\"passed\":{}}}", parts.join(","), breaches.is_empty());
    }
    for breach in &breaches {
        tell(&format!("BREACH {breach}"));
    }
    if breaches.is_empty() {
        tell(&colour("32", "MEMCHECK PASSED"));
        Ok(())
    } else {
        Err(colour("31", "MEMCHECK FAILED"))
    }
}

/// Builds the runner and gives its path.
fn runner(how: &[&str], directory: &str) -> Result<PathBuf, String> {
    tools::run(
        tools::cargo()
            .args([
                "build",
                "--quiet",
                "--locked",
                "-p",
                "aether-tests",
                "--bin",
                "memcheck",
            ])
            .args(how),
    )?;
    Ok(tools::target_directory().join(directory).join("memcheck"))
}

/// Runs the programs that misbehave on purpose; gives what was not found.
pub(crate) fn planted(
    runner: &Path,
    options: &[&str],
    wanted: &[&str],
    tell: &impl Fn(&str),
) -> Result<Vec<String>, String> {
    let (text, passed) = output(Command::new(runner).args(options))?;
    let is_found = |wanted: &&&str| {
        text.lines().any(|line| {
            line.strip_prefix("BREACH ")
                .is_some_and(|line| line.starts_with(**wanted))
        })
    };
    let missed: Vec<String> = wanted
        .iter()
        .filter(|wanted| !is_found(wanted))
        .map(|wanted| format!("planted and not found: {wanted}"))
        .chain(passed.then(|| "planted programs pass".to_owned()))
        .collect();
    if missed.is_empty() {
        tell(&format!("planted: all {} found, as must be", wanted.len()));
    } else {
        tell(&text);
    }
    Ok(missed)
}

/// What a command writes, and whether it succeeds.
fn output(command: &mut Command) -> Result<(String, bool), String> {
    let output = command
        .current_dir(tools::root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((text, output.status.success()))
}

/// `text` in an ANSI colour, on a terminal.
pub(crate) fn colour(code: &str, text: &str) -> String {
    let plain = !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if plain {
        text.to_owned()
    } else {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
