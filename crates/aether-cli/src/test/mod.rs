//! `aether test`: test files, each a process of its own, several at a time, and what came of them.
//!
//! Invariants
//! - Files do not see each other: own process, no input, no arguments, the same working directory.
//! - Whatever a file does (hang, crash, print without end, take memory), it ends at its limit, and the others run.
//! - Results are told in the order of the paths, however they came.

mod baseline;
mod process;
mod progress;
mod report;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use crate::project::Project;
use crate::settings::{Color, duration, size};
use crate::status::{FAILED, WRONG_USAGE};
use crate::{sources, streams};

use process::{Limits, Outcome};

/// How often changes are looked for under `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_millis(150);

/// How results are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reporter {
    /// For people.
    #[default]
    Text,
    /// An object a file, and one for all.
    Json,
    /// XML that build servers read.
    Junit,
    /// The Test Anything Protocol, version 14.
    Tap,
}

/// What `test` is asked.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(Clone, Debug, Args)]
pub(crate) struct Words {
    /// Run only files whose path contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print the files that would run.
    #[arg(long)]
    list: bool,
    /// How many files run at a time.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Start no more files after the first that fails.
    #[arg(long)]
    fail_fast: bool,
    /// How long a file may take: 500ms, 10s, 2m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Heap budget of each file: bytes, or with a suffix K, M or G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_memory: Option<usize>,
    /// Count leaks as failures.
    #[arg(long)]
    leak_check: bool,
    /// Compare peak and allocations of each file with those in FILE, which is made if it is not there.
    #[arg(long, value_name = "FILE")]
    mem_baseline: Option<String>,
    /// Write what was measured to the baseline, and snapshots that differ.
    #[arg(long)]
    update: bool,
    /// Run files in a random order, or in that of a seed.
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    shuffle: Option<u64>,
    /// Run again whenever a script changes.
    #[arg(long)]
    watch: bool,
    /// How results are told.
    #[arg(long, value_enum, default_value_t)]
    reporter: Reporter,
    /// The same as --reporter=json.
    #[arg(long)]
    json: bool,
    /// Tell of failures only.
    #[arg(short, long)]
    quiet: bool,
    /// A file, or a directory that is searched for *_test.ae and test_*.ae.
    #[arg(default_value = ".")]
    path: String,
}

/// Runs tests and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words, _: Color) -> u8 {
    let mut words = words.clone();
    if words.json {
        words.reporter = Reporter::Json;
    }
    if let Err(message) = settle(&mut words) {
        streams::write_err(&format!("test: {message}\n"));
        return WRONG_USAGE;
    }
    if !words.watch {
        return once(&words);
    }
    loop {
        let before = stamps(&words.path);
        once(&words);
        streams::write_err("test: waiting for changes\n");
        while stamps(&words.path) == before {
            thread::sleep(WATCH_INTERVAL);
        }
        // Editors write in several steps.
        thread::sleep(WATCH_INTERVAL);
    }
}

/// Takes from the project what the command line does not say.
fn settle(words: &mut Words) -> Result<(), String> {
    let project = Project::of(&words.path)?;
    if words.jobs.is_none() {
        words.jobs = project.number("test", "jobs")?;
    }
    if words.timeout.is_none()
        && let Some(text) = project.text("test", "timeout")?
    {
        words.timeout = Some(duration(text).map_err(|error| format!("test.timeout: {error}"))?);
    }
    if words.max_memory.is_none()
        && let Some(text) = project.text("test", "max_memory")?
    {
        words.max_memory = Some(size(text).map_err(|error| format!("test.max_memory: {error}"))?);
    }
    words.leak_check |= project.flag("test", "leak_check")?;
    Ok(())
}

/// When each script below a path was last changed.
fn stamps(path: &str) -> BTreeMap<String, Option<SystemTime>> {
    let directory = if Path::new(path).is_dir() {
        path.to_owned()
    } else {
        let parent = Path::new(path)
            .parent()
            .map(|parent| parent.to_string_lossy().into_owned());
        parent
            .filter(|parent| !parent.is_empty())
            .unwrap_or_else(|| ".".to_owned())
    };
    let files = sources::files_below(&directory, sources::is_script).unwrap_or_default();
    let stamp = |path: &String| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    files
        .into_iter()
        .map(|path| (path.clone(), stamp(&path)))
        .collect()
}

/// Whether a file in a directory is a test.
fn is_test(name: &str) -> bool {
    sources::is_script(name) && (name.ends_with("_test.ae") || name.starts_with("test_"))
}

/// Runs everything once.
fn once(words: &Words) -> u8 {
    let path = words.path.as_str();
    let files = if Path::new(path).is_dir() {
        match sources::files_below(path, is_test) {
            Ok(files) => files,
            Err(error) => {
                streams::write_err(&format!("test: cannot read '{path}': {error}\n"));
                return FAILED;
            }
        }
    } else if Path::new(path).is_file() {
        vec![path.to_owned()]
    } else {
        streams::write_err(&format!("test: '{path}' is not a file or directory\n"));
        return FAILED;
    };
    let wanted = |file: &String| {
        words
            .filter
            .as_ref()
            .is_none_or(|filter| file.contains(filter.as_str()))
    };
    let files: Vec<String> = files.into_iter().filter(wanted).collect();
    if words.list {
        let list: String = files.iter().map(|file| format!("{file}\n")).collect();
        streams::write_out(&list);
        return 0;
    }
    let mut reporter = report::Report::new(words.reporter, path, words.quiet);
    if files.is_empty() {
        reporter.none(path);
        return 0;
    }
    let mut baseline = match words
        .mem_baseline
        .as_deref()
        .map(baseline::Baseline::open)
        .transpose()
    {
        Ok(baseline) => baseline,
        Err(message) => {
            streams::write_err(&format!("test: {message}\n"));
            return FAILED;
        }
    };
    let limits = Limits {
        timeout: words.timeout,
        memory: words.max_memory,
        leak_check: words.leak_check,
        measures: baseline.is_some(),
        update: words.update,
    };
    reporter.begin(files.len());
    let skipped = all(&files, words, &limits, |file, mut outcome| {
        if let Some(baseline) = &mut baseline {
            baseline.compare(file, &mut outcome, words.update);
        }
        reporter.file(file, &outcome);
    });
    reporter.end();
    if skipped > 0 {
        streams::write_err(&format!("test: {skipped} not run after the first failure\n"));
    }
    if let Some(Err(message)) = baseline.map(|baseline| baseline.close(words.update)) {
        streams::write_err(&format!("test: {message}\n"));
        return FAILED;
    }
    u8::from(reporter.has_failed())
}

/// Runs the files and hands over the outcomes in order; gives how many were not run.
fn all(files: &[String], words: &Words, limits: &Limits, mut done: impl FnMut(&str, Outcome)) -> usize {
    let processors = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = words
        .jobs
        .filter(|&jobs| jobs > 0)
        .unwrap_or_else(processors)
        .min(files.len());
    let order = Mutex::new(order(files.len(), words.shuffle));
    let stop = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    let mut progress = progress::Progress::new(files.len());
    let mut waiting: BTreeMap<usize, Outcome> = BTreeMap::new();
    let mut next = 0;
    let mut ran = 0;
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (order, stop, sender) = (&order, &stop, sender.clone());
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = order.lock().ok().and_then(|mut order| order.pop());
                    let Some(index) = index else { break };
                    let outcome = process::run(&files[index], limits);
                    if words.fail_fast && outcome.failed() > 0 {
                        stop.store(true, Ordering::Relaxed);
                    }
                    if sender.send((index, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (index, outcome) in receiver {
            ran += 1;
            progress.clear();
            waiting.insert(index, outcome);
            while let Some(outcome) = waiting.remove(&next) {
                done(&files[next], outcome);
                next += 1;
            }
            progress.show(ran);
        }
    });
    progress.clear();
    // After an early end there are gaps.
    for (index, outcome) in waiting {
        done(&files[index], outcome);
    }
    files.len() - ran
}

/// The order in which files are started, the last one first.
fn order(count: usize, shuffle: Option<u64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).rev().collect();
    let Some(seed) = shuffle else { return order };
    let seed = if seed == 0 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(1, |now| now.as_nanos() as u64 % 1_000_000 + 1)
    } else {
        seed
    };
    streams::write_err(&format!("test: shuffled with --shuffle={seed}\n"));
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    order
}
