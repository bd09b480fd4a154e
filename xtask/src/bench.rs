//! `cargo xtask bench [DIR]`: programs written in several languages, timed side by side.
//!
//! A program is a set of files of one name, one for each language compared. All must print the same. The figures are
//! the best time of [`ROUNDS`] runs, processes started in turn so that a busy moment hits every language, and the most
//! memory that a run held, where the system tells it (Linux).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::tools;

/// Runs of each program in each language.
const ROUNDS: usize = 5;
/// Time between two looks at what a process holds.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// A language that programs are compared in.
pub(crate) struct Language {
    pub(crate) name: &'static str,
    pub(crate) extension: &'static str,
    pub(crate) command: Vec<String>,
}

/// Runs all programs of a directory and prints a table of seconds and ratios to Aether.
///
/// # Errors
/// The directory cannot be read, or a program of ours fails or prints something else than the others.
pub(crate) fn run(directory: &str) -> Result<(), String> {
    let directory = tools::root().join(directory);
    let aether = tools::release_binary()?.to_string_lossy().into_owned();
    let languages: Vec<Language> = [
        ("aether", "ae", vec![aether]),
        ("lua5.4", "lua", vec!["lua5.4".to_owned()]),
        ("luajit-int", "lua", vec!["luajit".to_owned(), "-joff".to_owned()]),
        ("quickjs", "js", vec!["qjs".to_owned()]),
        (
            "node-jitless",
            "js",
            vec!["node".to_owned(), "--jitless".to_owned()],
        ),
        ("python3", "py", vec!["python3".to_owned()]),
    ]
    .into_iter()
    .map(|(name, extension, command)| Language {
        name,
        extension,
        command,
    })
    .filter(is_installed)
    .collect();

    print!("{:<18}", "program");
    for language in &languages {
        print!("{:>20}", language.name);
    }
    println!("   (seconds and MB for the first, then times those)");
    let mut logarithms = vec![[(0.0, 0_u32); 2]; languages.len()];
    for program in programs(&directory)? {
        let files: Vec<PathBuf> = languages
            .iter()
            .map(|language| directory.join(format!("{program}.{}", language.extension)))
            .collect();
        let runs = measure_alternating(&languages, &files)?;
        print!("{program:<18}");
        let Some(ours) = runs.first().copied().flatten() else {
            continue;
        };
        for (index, run) in runs.iter().enumerate() {
            match run {
                Some(run) if index == 0 => print!("{:>12.3}{:>8.1}", run.seconds, run.megabytes),
                Some(run) => {
                    let ratios = [run.seconds / ours.seconds, run.megabytes / ours.megabytes];
                    for (sum, ratio) in logarithms[index].iter_mut().zip(ratios) {
                        if ratio.is_finite() && ratio > 0.0 {
                            *sum = (sum.0 + ratio.ln(), sum.1 + 1);
                        }
                    }
                    print!("{:>12.2}{:>8.2}", ratios[0], ratios[1]);
                }
                None => print!("{:>12}{:>8}", "-", "-"),
            }
        }
        println!();
    }
    print!("{:<18}{:>12}{:>8}", "geometric mean", 1.0, 1.0);
    for sums in logarithms.iter().skip(1) {
        let [seconds, megabytes] = sums.map(|(sum, count): (f64, u32)| (sum / f64::from(count.max(1))).exp());
        print!("{seconds:>12.2}{megabytes:>8.2}");
    }
    println!();
    Ok(())
}

/// Whether the language's command is there; says so if it is not.
pub(crate) fn is_installed(language: &Language) -> bool {
    let found =
        language.extension == "ae" || Command::new(&language.command[0]).arg("--help").output().is_ok();
    if !found {
        println!("{} is not installed: skipped", language.name);
    }
    found
}

fn programs(directory: &Path) -> Result<BTreeSet<String>, String> {
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let ours = paths.filter(|path| path.extension().is_some_and(|found| found == "ae"));
    Ok(ours
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect())
}

/// What the runs of a program in one language took.
#[derive(Clone, Copy)]
struct Run {
    /// The best time.
    seconds: f64,
    /// The most memory held, 0 where it is not known.
    megabytes: f64,
}

/// The figures of each language, `None` where there is no file; their outputs must agree.
fn measure_alternating(languages: &[Language], files: &[PathBuf]) -> Result<Vec<Option<Run>>, String> {
    let mut best: Vec<Option<Run>> = vec![None; languages.len()];
    let mut expected: Option<Vec<u8>> = None;
    for _ in 0..ROUNDS {
        for (index, (language, file)) in languages.iter().zip(files).enumerate() {
            if !file.exists() {
                continue;
            }
            let (output, run) = measure(language, file)?;
            if !output.status.success() && index > 0 {
                // Another dialect of the same language: no figure.
                continue;
            }
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("{}: {text}", file.display()));
            }
            if expected.get_or_insert_with(|| output.stdout.clone()) != &output.stdout {
                return Err(format!(
                    "{} prints something else with {}",
                    file.display(),
                    language.name
                ));
            }
            best[index] = Some(best[index].map_or(run, |known| Run {
                seconds: known.seconds.min(run.seconds),
                megabytes: known.megabytes.max(run.megabytes),
            }));
        }
    }
    Ok(best)
}

/// Runs a program once.
fn measure(language: &Language, file: &Path) -> Result<(Output, Run), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", language.name);
    let started = Instant::now();
    let child = Command::new(&language.command[0])
        .args(&language.command[1..])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let status = format!("/proc/{}/status", child.id());
    let ended = Arc::new(AtomicBool::new(false));
    let watched = ended.clone();
    // The mark only rises, so the last look before the end tells the most, but for the last moments.
    let watcher = std::thread::spawn(move || {
        let mut kilobytes = 0;
        while !watched.load(Ordering::Relaxed) {
            if let Some(found) = std::fs::read_to_string(&status)
                .ok()
                .as_deref()
                .and_then(high_water_mark)
            {
                kilobytes = found;
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        kilobytes
    });
    let output = child.wait_with_output().map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    ended.store(true, Ordering::Relaxed);
    let kilobytes = watcher.join().unwrap_or(0);
    let megabytes = kilobytes as f64 / 1024.0;
    Ok((output, Run { seconds, megabytes }))
}

/// The most kilobytes held, by a process's status.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
