//! Refusing the n-th charge, for every n.
//!
//! A program makes as many charges as it makes; each up to [`EVERY`] is refused in a run of its own, and [`SPREAD`]
//! more, evenly spread, beyond. The budget, if there is one, is for these runs. They are made in an order that visits
//! all programs again and again, each time taking one run of the program that has had the least work so far; a
//! program's charges come evenly spread, always the middle of a widest gap. So any budget gives a fair part, and the
//! same part on every machine that gets as far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aether::HeapReport;
use aether_tests::{Case, Moment, Outcome, execute_watched};

use crate::{Work, jit_of, settings};

/// Charges of a program that are each refused.
const EVERY: u64 = 2000;
/// Charges beyond those that are refused too.
const SPREAD: u64 = 50;
/// What a run costs beside its charges, in charges: making an engine, reading and compiling.
const RUN: u64 = 300;
/// How long a program may wait for the network.
const NETWORK_TIMEOUT: Duration = Duration::from_millis(100);
/// A program that takes longer waits or is large.
const SLOW: Duration = Duration::from_millis(10);

/// A program's part of the work.
struct Program {
    outcome: Outcome,
    /// Charges it makes when none is refused.
    charges: u64,
    /// Whether it may handle the error, and then do anything.
    handles: bool,
    /// What a run costs.
    cost: u64,
}

impl Program {
    /// How many runs there are.
    fn runs(&self) -> u64 {
        self.charges.min(EVERY) + if self.charges > EVERY { SPREAD } else { 0 }
    }

    /// The charge that run `index` refuses, of [`Program::runs`] in ascending order.
    fn charge(&self, index: u64) -> u64 {
        if index < EVERY {
            index + 1
        } else {
            EVERY + (self.charges - EVERY) * (index - EVERY + 1) / SPREAD
        }
    }
}

/// What a run costs, in charges. A refused charge mostly ends the program: half of its charges, on average. A program
/// that waits costs the time it takes, roughly, so that the order of the runs stays the same from one time to the next.
fn cost(charges: u64, time: Duration) -> u64 {
    let work = RUN + charges / 2;
    if time > SLOW {
        work.max((time.as_micros() as u64).next_power_of_two())
    } else {
        work
    }
}

/// The position that comes `turn`-th when `count` positions are visited in bit-reversed order: evenly spread at any
/// time. Positions beyond `count` are skipped.
fn spread(turn: u64, count: u64) -> Option<u64> {
    let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
    if bits == 0 {
        return Some(0);
    }
    let position = turn.reverse_bits() >> (u64::BITS - bits);
    (position < count).then_some(position)
}

/// How many turns [`spread`] needs for all positions.
fn turns(count: u64) -> u64 {
    count.next_power_of_two()
}

/// Runs what the budget allows, or everything.
pub(crate) fn run(work: &Work) {
    let started = Instant::now();
    let programs: Vec<Mutex<Option<Program>>> = work.cases.iter().map(|_| Mutex::new(None)).collect();
    work.each(|case, index| {
        let begun = Instant::now();
        match refused(case, None) {
            Ok(Run { outcome, charges, .. }) => {
                let program = Program {
                    outcome,
                    charges,
                    handles: handles(case),
                    cost: cost(charges, begun.elapsed()),
                };
                if let Ok(mut slot) = programs[index].lock() {
                    *slot = Some(program);
                }
            }
            Err(message) => work.add_violation(format!("{}: {message}", case.name)),
        }
    });
    let programs: Vec<Option<Program>> = programs
        .into_iter()
        .map(|slot| slot.into_inner().unwrap_or_default())
        .collect();

    // Programs by the work that they have had, then by name; each with its next turn.
    let queue: BinaryHeap<Reverse<(u64, usize, u64)>> = programs
        .iter()
        .enumerate()
        .filter(|(_, program)| program.as_ref().is_some_and(|program| program.runs() > 0))
        .map(|(index, _)| Reverse((0, index, 0)))
        .collect();
    let queue = Mutex::new(queue);
    let done: Vec<Mutex<u64>> = programs.iter().map(|_| Mutex::new(0)).collect();
    // Workers take turns from the queue; a program's turns may run on several at a time.
    let turn: Vec<Mutex<Vec<u64>>> = programs.iter().map(|_| Mutex::default()).collect();
    let next = || {
        if work
            .options
            .budget
            .is_some_and(|budget| started.elapsed() >= budget)
        {
            return None;
        }
        let mut queue = queue.lock().ok()?;
        let Reverse((spent, index, mut at)) = queue.pop()?;
        let program = programs[index].as_ref()?;
        let runs = program.runs();
        let position = loop {
            at += 1;
            if let Some(position) = spread(at - 1, runs) {
                break position;
            }
        };
        let more = (at..turns(runs)).any(|turn| spread(turn, runs).is_some());
        if more {
            queue.push(Reverse((spent + program.cost, index, at)));
        }
        turn[index].lock().ok()?.push(position);
        Some(index)
    };
    work.share(next, |case, index| {
        let position = turn[index].lock().ok().and_then(|mut turns| turns.pop());
        let (Some(program), Some(position)) = (&programs[index], position) else {
            return;
        };
        let number = program.charge(position);
        let message = match catch_unwind(AssertUnwindSafe(|| refused(case, Some(number)))) {
            Ok(Ok(run)) => violations(program, &run),
            Ok(Err(message)) => message,
            Err(_) => "a panic".to_owned(),
        };
        if !message.is_empty() {
            let of = program.charges;
            work.add_violation(format!(
                "{}: charge {number} of {of} refused: {message}",
                case.name
            ));
        }
        if let Ok(mut done) = done[index].lock() {
            *done += 1;
        }
    });

    let done: Vec<u64> = done
        .into_iter()
        .map(|done| done.into_inner().unwrap_or(0))
        .collect();
    let known = || {
        programs
            .iter()
            .zip(&done)
            .filter_map(|(program, done)| Some((program.as_ref()?, *done)))
    };
    let whole = known().filter(|(program, done)| program.runs() == *done).count();
    let long = known().filter(|(program, _)| program.charges > EVERY).count();
    println!(
        "refusals: {} programs, {} runs of {} in {:.1} s; {whole} programs with every run",
        programs.len(),
        done.iter().sum::<u64>(),
        known().map(|(program, _)| program.runs()).sum::<u64>(),
        started.elapsed().as_secs_f64()
    );
    println!(
        "  {long} programs make more than {EVERY} charges: of those beyond, {SPREAD} are refused, evenly spread"
    );
    if let Some(least) = known()
        .filter(|(program, _)| program.runs() > 0)
        .map(|(_, done)| done)
        .min()
    {
        println!("  at least {least} runs of every program");
    }
}

/// What a run gave.
struct Run {
    outcome: Outcome,
    report: HeapReport,
    charges: u64,
}

/// Runs a program with a charge refused; with none it counts them.
fn refused(case: &Case, number: Option<u64>) -> Result<Run, String> {
    let mut charges = 0;
    let mut settings = settings();
    if let Some(number) = number {
        settings.jit = jit_of(number as usize);
        // One that failed to answer lets the other side wait for ever.
        settings.network_timeout = Some(NETWORK_TIMEOUT);
    }
    let (outcome, report) = execute_watched(case, &settings, |moment, engine, _| match moment {
        Moment::Ready => engine.heap().set_stress(0, Some(number.unwrap_or(u64::MAX - 1))),
        Moment::Ended => {
            charges = engine.heap().charges();
            engine.heap().set_stress(0, None);
        }
    })
    .map_err(|error| error.to_string())?;
    Ok(Run {
        outcome,
        report,
        charges,
    })
}

/// Whether a program may handle the error of a refused charge, or goes on after it in another task.
fn handles(case: &Case) -> bool {
    let text = std::fs::read_to_string(&case.path).unwrap_or_default();
    [
        "catch",
        "finally",
        "defer",
        "await",
        "Promise",
        "finalizer",
        "event_loop",
        "then(",
        "test(",
        "import",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// What is wrong with a run in which a charge was refused.
fn violations(program: &Program, run: &Run) -> String {
    let HeapReport {
        live_objects,
        live_bytes,
        ..
    } = run.report;
    if (live_objects, live_bytes) != (0, 0) {
        return format!("{live_objects} objects alive and {live_bytes} bytes charged after the engine");
    }
    // A worker may have a limit of its own.
    let stopped = format!("Step limit exceeded ({})", crate::MAX_STEPS);
    if run.outcome.stderr.contains(&stopped) {
        return "the program does not end".to_owned();
    }
    if run.outcome.stderr.contains("interrupted") {
        // It waited for someone who will not come.
        return String::new();
    }
    let ended = run.outcome.stderr.contains("Memory limit exceeded")
        && program.outcome.stdout.starts_with(&run.outcome.stdout);
    if !program.handles && !ended && run.outcome != program.outcome {
        return format!(
            "it ends neither as always nor in that error: {:?} {:?}",
            run.outcome.stdout, run.outcome.stderr
        );
    }
    String::new()
}
