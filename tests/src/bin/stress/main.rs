//! The runner of `cargo xtask stress`: the suite again, with a collection at every allocation (`collect`), with a slice
//! of one at every safepoint (`slices`), and with every single charge refused in turn (`refuse`); and programs with
//! workers in many orders (`interleave`).
//!
//! Options: `--budget SECONDS` for a part of the work that visits every program, `--only PATTERN` for the programs
//! whose names contain it, `--jobs N`, `--mutants N` for N changed programs (`mutate`) and nothing else, `--hot N` for N
//! random programs with machine code and without (`native`) and nothing else, `--progress DIR` where each worker notes
//! which program it is at, `--planted` for the programs of `tests/planted/stress` and `tests/planted/orders`, which
//! misbehave on purpose. What was left out is said, never silent.
//!
//! Invariants that it holds, for every program
//! - Collections at any moment change nothing that it does.
//! - Whatever charge is refused: no panic, and when the engine is gone no object is alive and no byte charged. A
//!   program that catches nothing does what it always does, or ends in that error.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report is this program's purpose")]

mod collect;
mod interleave;
mod mutate;
mod native;
mod refuse;
mod slices;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aether::parts::eval::JitOptions;
use aether::{Engine, MemoryHost};
use aether_tests::{Case, EAGER, Moment, PLANTS, Settings, compare, execute_watched, select_cases};

/// Calls and backward jumps after which a program is considered to hang: forty times what the longest takes.
const MAX_STEPS: u64 = 100_000_000;

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    budget: Option<Duration>,
    only: Option<String>,
    jobs: usize,
    progress: Option<PathBuf>,
    planted: bool,
    mutants: Option<usize>,
    /// Random programs with machine code, and nothing else.
    hot: Option<u64>,
    /// The first of them.
    seed: u64,
    /// A program to be run in their place.
    program: Option<PathBuf>,
    /// How often each of them is stopped on its way.
    stops: Option<usize>,
    /// Where those that differ are written.
    write: Option<PathBuf>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            budget: None,
            only: None,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            progress: None,
            planted: false,
            mutants: None,
            hot: None,
            seed: 0,
            program: None,
            stops: None,
            write: None,
        };
        while let Some(word) = words.next() {
            if word == "--planted" {
                options.planted = true;
                continue;
            }
            let value = words.next().ok_or(format!("{word} requires a value"))?;
            let invalid = || format!("{word} {value}: not a number");
            match word.as_str() {
                "--budget" => {
                    options.budget = Some(Duration::from_secs(value.parse().map_err(|_| invalid())?));
                }
                "--mutants" => options.mutants = Some(value.parse().map_err(|_| invalid())?),
                "--hot" => options.hot = Some(value.parse().map_err(|_| invalid())?),
                "--seed" => options.seed = value.parse().map_err(|_| invalid())?,
                "--program" => options.program = Some(value.into()),
                "--stops" => options.stops = Some(value.parse().map_err(|_| invalid())?),
                "--write" => options.write = Some(value.into()),
                "--only" => options.only = Some(value),
                "--jobs" => options.jobs = value.parse::<usize>().map_err(|_| invalid())?.max(1),
                "--progress" => options.progress = Some(value.into()),
                _ => return Err(format!("unknown option '{word}'")),
            }
        }
        Ok(options)
    }
}

/// What has to be done when, shared by the workers.
struct Work {
    cases: Vec<Case>,
    options: Options,
    breaches: Mutex<Vec<String>>,
}

impl Work {
    /// Runs a case with `watch` at its moments; whatever it does otherwise than expected while `doing` that is a breach.
    fn judge(
        &self,
        case: &Case,
        jit: JitOptions,
        doing: &str,
        watch: impl FnMut(Moment, &Engine, &MemoryHost),
    ) {
        let settings = Settings { jit, ..settings() };
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            match (execute_watched(case, &settings, watch), case.expected()) {
                (Ok((outcome, report)), Ok(expected)) => compare(&expected, &outcome, &report),
                (Err(error), _) => error.to_string(),
                (_, Err(error)) => error.to_string(),
            }
        }));
        match found {
            Ok(message) if message.is_empty() => {}
            Ok(message) => {
                self.add_violation(format!("{}: {doing}: {}", case.name, message.trim_end()));
            }
            Err(_) => self.add_violation(format!("{}: a panic, {doing}", case.name)),
        }
    }

    /// Adds what was found wrong.
    fn add_violation(&self, text: String) {
        println!("BREACH {text}");
        if let Ok(mut breaches) = self.breaches.lock() {
            breaches.push(text);
        }
    }

    /// Runs `f` with every case that it is given the index of, on all workers; `next` hands them out.
    fn share(&self, next: impl Fn() -> Option<usize> + Sync, f: impl Fn(&Case, usize) + Sync) {
        std::thread::scope(|scope| {
            for worker in 0..self.options.jobs {
                let (next, f) = (&next, &f);
                scope.spawn(move || {
                    while let Some(index) = next() {
                        let case = &self.cases[index];
                        self.note(worker, &case.name);
                        f(case, index);
                    }
                    self.note(worker, "");
                });
            }
        });
    }

    /// Runs `f` once with every case.
    fn each(&self, f: impl Fn(&Case, usize) + Sync) {
        let position = AtomicUsize::new(0);
        let next =
            || Some(position.fetch_add(1, Ordering::Relaxed)).filter(|&index| index < self.cases.len());
        self.share(next, f);
    }

    /// Notes what a worker is at, so that a crash can be told of.
    fn note(&self, worker: usize, name: &str) {
        if let Some(directory) = &self.options.progress {
            // Only a crash misses it.
            let _ = fs::write(directory.join(worker.to_string()), name);
        }
    }
}

/// How the machine code of a program comes about that is run several times, or of the several programs of a run: every
/// other time all of it is forced.
fn jit_of(turn: usize) -> JitOptions {
    if turn.is_multiple_of(2) {
        JitOptions::DEFAULT
    } else {
        EAGER
    }
}

/// How every program is run.
fn settings() -> Settings {
    // The plants are no harm to programs that do not call them.
    Settings {
        builtins: PLANTS,
        max_steps: MAX_STEPS,
        ..Settings::default()
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            println!("stress: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let options = Options::read(std::env::args().skip(1))?;
    let planted = options.planted.then_some("tests/planted/stress");
    let mut orders = Vec::new();
    if options.mutants.is_none() && options.hot.is_none() && options.program.is_none() {
        let programs = if options.planted {
            interleave::PLANTED
        } else {
            interleave::PROGRAMS
        };
        orders = select_cases(Some(programs), options.only.as_deref()).unwrap_or_default();
    }
    let cases = match select_cases(planted, options.only.as_deref()) {
        Err(_) if !orders.is_empty() => Vec::new(),
        cases => cases?,
    };
    let mut work = Work {
        cases,
        options,
        breaches: Mutex::default(),
    };
    if let Some(count) = work.options.mutants {
        mutate::run(&work, count);
    } else if work.options.hot.is_some() || work.options.program.is_some() {
        native::run(&work);
    } else {
        collect::run(&work);
        slices::run(&work);
        refuse::run(&work);
        if !work.options.planted && work.options.only.is_none() {
            native::run(&work);
        }
    }
    if !orders.is_empty() {
        work.cases = orders;
        interleave::run(&work);
    }
    let breaches = work.breaches.into_inner().map_err(|error| error.to_string())?;
    Ok(breaches.is_empty())
}
