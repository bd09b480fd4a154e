//! `cargo xtask bench [DIR]`: programs written in several languages, timed side by side.
//!
//! A program is a set of files of one name, one for each language compared. All must print the same. The figure is
//! the best of [`ROUNDS`] runs, processes started in turn so that a busy moment hits every language.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::tools;

/// Runs of each program in each language.
const ROUNDS: usize = 5;

struct Language {
    name: &'static str,
    extension: &'static str,
    command: Vec<String>,
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
        print!("{:>12}", language.name);
    }
    println!("   (seconds for the first, then times its time)");
    let mut logarithms = vec![(0.0, 0_u32); languages.len()];
    for program in programs(&directory)? {
        let files: Vec<PathBuf> = languages
            .iter()
            .map(|language| directory.join(format!("{program}.{}", language.extension)))
            .collect();
        let times = measure_alternating(&languages, &files)?;
        print!("{program:<18}");
        let Some(ours) = times.first().copied().flatten() else {
            continue;
        };
        for (index, time) in times.iter().enumerate() {
            match time {
                Some(time) if index == 0 => print!("{time:>12.3}"),
                Some(time) => {
                    let ratio = time / ours;
                    logarithms[index].0 += ratio.ln();
                    logarithms[index].1 += 1;
                    print!("{ratio:>12.2}");
                }
                None => print!("{:>12}", "-"),
            }
        }
        println!();
    }
    print!("{:<18}{:>12}", "geometric mean", 1.0);
    for (sum, count) in logarithms.iter().skip(1) {
        let mean = (sum / f64::from((*count).max(1))).exp();
        print!("{mean:>12.2}");
    }
    println!();
    Ok(())
}

fn is_installed(language: &Language) -> bool {
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

/// The best time of each language, `None` where there is no file; their outputs must agree.
fn measure_alternating(languages: &[Language], files: &[PathBuf]) -> Result<Vec<Option<f64>>, String> {
    let mut best: Vec<Option<f64>> = vec![None; languages.len()];
    let mut expected: Option<Vec<u8>> = None;
    for _ in 0..ROUNDS {
        for (index, (language, file)) in languages.iter().zip(files).enumerate() {
            if !file.exists() {
                continue;
            }
            let started = Instant::now();
            let output = Command::new(&language.command[0])
                .args(&language.command[1..])
                .arg(file)
                .output();
            let seconds = started.elapsed().as_secs_f64();
            let output = output.map_err(|error| format!("{}: {error}", language.name))?;
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
            best[index] = Some(best[index].map_or(seconds, |time| time.min(seconds)));
        }
    }
    Ok(best)
}
