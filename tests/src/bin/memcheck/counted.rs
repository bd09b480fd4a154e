//! The passes under dhat.
//!
//! 1. *Warm-up*: makes what lives as long as the process (tables built on first use, stdio buffers), and compares what
//!    each program does with what is written beside it.
//! 2. *Alone*: each program under a profiler of its own, which counts from the moment the engine is about to be made
//!    to the moment it is gone.
//! 3. *Together*: the whole suite under one profiler, which gives the peak and the file for DHAT's viewer.
//!
//! Reading the account: between the moment the engine is ready and the program's end, dhat's current bytes grow by
//! what the program holds and what its host has captured. The heap must have charged that, the captured text aside.

use std::time::{Duration, Instant};

use aether::{Engine, Error, HeapReport};
use aether_tests::{
    Case, Moment, Outcome, PLANTS, Settings, compare, end_planted, execute_watched, select_cases,
};

use crate::baseline::{self, Baseline, ProgramTotals};
use crate::report::{self, Report, Row};
use crate::{Options, PEAK_LIMIT, shape};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Frames that dhat keeps where nobody reads them: the fewest it can.
const FEW_FRAMES: usize = 4;
/// What a program holds at its end is compared with what the heap charged if it is more than this.
const ACCOUNTED: i64 = 64 * 1024;

/// Programs that hold something other than their heap has charged: by how many percent at most, of the larger figure.
pub(crate) const EXCUSED: &[(&str, i64)] = &[
    // The library leaves room of lists out when it tells what an engine for a regular expression takes.
    ("examples/log_report", 15),
    // What a stream may hold is charged when it begins, and this one has nothing in it at the end.
    ("tests/conformance/lib-e11-http/streamed-bodies", 95),
];

/// Modules whose other engines, on threads of their own, have accounts of their own: what a program holds may be more.
pub(crate) const OTHER_ENGINES: &[&str] = &["worker", "parallel"];

/// Whether a program's account says something else than what it holds.
fn is_off(case: &Case, row: &Row) -> bool {
    let larger = row.given.max(row.charged);
    let excused = EXCUSED.iter().find(|(name, _)| *name == case.name);
    let most = excused.map_or(5, |(_, percent)| *percent);
    if larger <= ACCOUNTED || (row.given - row.charged).abs() * 100 <= larger * most {
        return false;
    }
    row.charged > row.given || !has_other_engines(case)
}

fn has_other_engines(case: &Case) -> bool {
    let text = std::fs::read_to_string(&case.path).unwrap_or_default();
    OTHER_ENGINES
        .iter()
        .any(|module| text.lines().any(|line| line.trim() == format!("import {module}")))
}

/// How long threads of an engine may take to end when it is gone.
const NETWORK_TIMEOUT: Duration = Duration::from_millis(500);

/// Growth between the engine's start and the program's end.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    charged: i64,
    given: i64,
}

/// Runs all passes, reports, and answers whether nothing is wrong.
///
/// # Errors
/// The suite or the baseline cannot be read, or the baseline cannot be written.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let started = Instant::now();
    let planted = options.planted.then_some("tests/planted/memcheck");
    let cases = select_cases(planted, options.only.as_deref())?;
    let settings = Settings {
        builtins: if options.planted { PLANTS } else { &[] },
        ..Settings::default()
    };

    let mut violations = warm_up(&cases, &settings);
    let mut measured = Baseline::new();
    let mut rows = Vec::new();
    let old = baseline::read(options.planted)?;
    for case in &cases {
        let (mut row, complaints) = alone(case, &settings);
        row.baseline = old.get(&case.name).copied();
        violations.extend(complaints);
        measured.insert(case.name.clone(), row.figures);
        rows.push(row);
    }
    if let Some(path) = &options.held {
        for case in &cases {
            held(case, &settings, path);
        }
    }
    violations.extend(engines());
    let suite = together(&cases, &settings, options.profile.as_deref());
    if let Some(path) = &options.profile {
        violations.extend(shape::compare(path)?);
    }
    if suite.peak >= PEAK_LIMIT as u64 {
        violations.push(format!(
            "the suite: peak {} bytes, allowed {PEAK_LIMIT}",
            suite.peak
        ));
    }

    let all = options.only.is_none();
    let mut blessed = None;
    if options.bless {
        blessed = Some(baseline::bless(old, &measured, all)?);
    } else {
        for row in &rows {
            match &row.baseline {
                Some(baseline) => {
                    let found = row.figures.violations(baseline);
                    violations.extend(found.iter().map(|what| format!("{}: {what}", row.name)));
                }
                None => violations.push(format!(
                    "{}: no baseline; `cargo xtask memcheck --bless` makes one",
                    row.name
                )),
            }
        }
        let gone = old.keys().filter(|name| all && !measured.contains_key(*name));
        violations.extend(gone.map(|name| {
            format!("{name}: a baseline without a program; `cargo xtask memcheck --bless` removes it")
        }));
    }
    let report = Report {
        rows,
        suite,
        violations,
        blessed,
        seconds: started.elapsed().as_secs_f64(),
    };
    if options.json {
        println!("{}", report.json());
    } else {
        let shown = options
            .top
            .unwrap_or(if all { report::SHOWN } else { usize::MAX });
        print!("{}", report.text(shown));
    }
    Ok(report.violations.is_empty())
}

/// Runs every program once and gives what it did otherwise than expected.
fn warm_up(cases: &[Case], settings: &Settings) -> Vec<String> {
    let mut violations = Vec::new();
    for case in cases {
        match (execute_watched(case, settings, |_, _, _| {}), case.expected()) {
            (Ok((outcome, report)), Ok(expected)) => {
                // What is alive afterwards is judged when the program runs alone.
                let report = HeapReport {
                    live_objects: 0,
                    live_bytes: 0,
                    ..report
                };
                let message = compare(&expected, &outcome, &report);
                if !message.is_empty() {
                    violations.push(format!("{}: {}", case.name, message.trim_end()));
                }
            }
            (Err(error), _) => violations.push(format!("{}: {error}", case.name)),
            (_, Err(error)) => violations.push(format!("{}: {error}", case.name)),
        }
        end_planted();
    }
    violations
}

/// Runs a program under a profiler of its own.
fn alone(case: &Case, settings: &Settings) -> (Row, Vec<String>) {
    let profiler = dhat::Profiler::builder()
        .testing()
        .trim_backtraces(Some(FEW_FRAMES))
        .build();
    let mut account = Account::default();
    let result = execute_watched(case, settings, |moment, engine, host| {
        let charged = (engine.heap().live_bytes() + engine.jit_bytes()) as i64;
        let given = dhat::HeapStats::get().curr_bytes as i64 - host.held_bytes() as i64;
        match moment {
            Moment::Ready => account = Account { charged, given },
            Moment::Ended => {
                account = Account {
                    charged: charged - account.charged,
                    given: given - account.given,
                };
            }
        }
    });
    end_planted();
    let heap = result.map(|(_, report): (Outcome, HeapReport)| report);
    let stats = settled_stats();
    drop(profiler);
    let row = Row {
        name: case.name.clone(),
        figures: ProgramTotals {
            peak: stats.max_bytes as u64,
            total: stats.total_bytes,
            blocks: stats.total_blocks,
        },
        alive: stats.curr_bytes as u64,
        charged: account.charged,
        given: account.given,
        baseline: None,
    };
    let violations = violations(case, &row, heap);
    (row, violations)
}

/// What dhat has counted, once threads that the engine has told to end had a moment to do so.
fn settled_stats() -> dhat::HeapStats {
    let since = Instant::now();
    loop {
        let stats = dhat::HeapStats::get();
        if stats.curr_bytes == 0 || since.elapsed() > NETWORK_TIMEOUT {
            return stats;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Refuses each charge that making an engine takes, one after the other; gives what was wrong.
fn engines() -> Vec<String> {
    let mut violations = Vec::new();
    let make = |number: u64| {
        Engine::builder()
            .max_memory(None)
            .fail_charge(number)
            .build()
            .is_ok()
    };
    // The first one makes what lives as long as the process.
    make(u64::MAX);
    for number in 1.. {
        let profiler = dhat::Profiler::builder()
            .testing()
            .trim_backtraces(Some(FEW_FRAMES))
            .build();
        let made = make(number);
        let alive = dhat::HeapStats::get().curr_bytes;
        drop(profiler);
        if alive != 0 {
            violations.push(format!(
                "making an engine, charge {number} refused: {alive} bytes leaked"
            ));
        }
        if made {
            break;
        }
    }
    violations
}

/// What is wrong with a program's account and its end.
fn violations(case: &Case, row: &Row, heap: Result<HeapReport, Error>) -> Vec<String> {
    let mut violations = Vec::new();
    let mut add = |what: String| violations.push(format!("{}: {what}", case.name));
    match heap {
        Err(error) => add(error.to_string()),
        Ok(heap) => {
            if heap.live_objects != 0 {
                add(format!(
                    "{} objects forgotten: alive after the engine",
                    heap.live_objects
                ));
            }
            if heap.live_bytes != 0 {
                add(format!("{} bytes charged after the engine", heap.live_bytes));
            }
        }
    }
    if row.alive != 0 {
        add(format!("{} bytes leaked: alive after the engine", row.alive));
    }
    if row.figures.peak >= PEAK_LIMIT as u64 {
        add(format!("peak {} bytes, allowed {PEAK_LIMIT}", row.figures.peak));
    }
    if is_off(case, row) {
        add(format!(
            "the heap charged {} bytes for {} that the program holds at its end",
            row.charged, row.given
        ));
    }
    violations
}

/// Writes a profile of what is alive at a program's end, for a person who looks for what is not charged.
fn held(case: &Case, settings: &Settings, path: &str) {
    let mut profiler = None;
    let _ = execute_watched(case, settings, |moment, _, _| match moment {
        Moment::Ready => profiler = Some(dhat::Profiler::builder().file_name(path).build()),
        Moment::Ended => drop(profiler.take()),
    });
}

/// Runs all programs under one profiler, which writes its file.
fn together(cases: &[Case], settings: &Settings, profile: Option<&str>) -> ProgramTotals {
    let builder = dhat::Profiler::builder();
    let profiler = match profile {
        Some(path) => builder.file_name(path).build(),
        None => builder.testing().trim_backtraces(Some(FEW_FRAMES)).build(),
    };
    for case in cases {
        // What is wrong with the program was found before.
        let _ = execute_watched(case, settings, |_, _, _| {});
        end_planted();
    }
    let stats = dhat::HeapStats::get();
    drop(profiler);
    ProgramTotals {
        peak: stats.max_bytes as u64,
        total: stats.total_bytes,
        blocks: stats.total_blocks,
    }
}
