//! Random programs with machine code and without (`aether_tests::hot`): in the ordinary way, with everything compiled,
//! with exits in many places, and with collections; one program in ten also with limits of steps on the way.
//!
//! A program is known by its seed, which every breach tells. `--hot N` runs N programs and nothing else, `--seed S` says
//! where to begin, `--stops N` stops each at so many places, `--write DIR` writes the programs that differ there, or the only one. `--program FILE` compares a
//! program of one's own, which is stopped at many places.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aether_tests::hot::{Conditions, Tier, hot_program, see};

use crate::Work;

/// Programs of a whole run.
const PROGRAMS: u64 = 100_000;
/// Programs on a budget.
const FEWER: u64 = 300;
/// One program in so many is also stopped on its way.
const STOPPED: u64 = 10;
/// How often it is.
const STOPS: usize = 6;
/// Instructions at most between two exits from machine code, where it is left again and again.
const LONGEST: u32 = 200;

/// Runs the programs.
pub(crate) fn run(work: &Work) {
    let options = &work.options;
    if let Some(path) = &options.program {
        run_file(work, path);
        return;
    }
    let count = options
        .hot
        .unwrap_or(if options.budget.is_some() { FEWER } else { PROGRAMS });
    let first = options.seed;
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let steps = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for worker in 0..options.jobs {
            let (next, steps) = (&next, &steps);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    work.note(worker, &format!("hot program {seed}"));
                    let text = hot_program(seed);
                    if count == 1 {
                        write(work, seed, &text);
                    }
                    match catch_unwind(|| {
                        let is_stopped = fastrand::Rng::with_seed(seed).u64(0..STOPPED) == 0;
                        let stops = if is_stopped { STOPS } else { 0 };
                        compare(seed, &text, work.options.stops.unwrap_or(stops))
                    }) {
                        Ok(Ok(taken)) => drop(steps.fetch_add(taken, Ordering::Relaxed)),
                        Ok(Err(difference)) => report(work, seed, &text, &difference),
                        Err(_) => report(work, seed, &text, "a panic"),
                    }
                }
                work.note(worker, "");
            });
        }
    });
    println!(
        "hot programs: {count} from seed {first}, {} steps each without machine code, in {:.1} s",
        steps.load(Ordering::Relaxed) / count.max(1),
        started.elapsed().as_secs_f64()
    );
}

/// Runs a program of a file, and prints what it does.
fn run_file(work: &Work, path: &Path) {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return work.add_violation(format!("{}: {error}", path.display())),
    };
    if let Ok(seen) = see(&text, Tier::Interpreter, Conditions::default()) {
        println!("{}{}", seen.output, seen.error.join("\n"));
        println!("{} steps", seen.steps);
    }
    let seed = work.options.seed;
    if let Err(difference) = compare(seed, &text, work.options.stops.unwrap_or(10 * STOPS)) {
        work.add_violation(format!("{}: {}", path.display(), difference.trim_end()));
    }
}

fn report(work: &Work, seed: u64, text: &str, difference: &str) {
    write(work, seed, text);
    work.add_violation(format!("hot program {seed}: {}", difference.trim_end()));
}

fn write(work: &Work, seed: u64, text: &str) {
    if let Some(directory) = &work.options.write {
        // The breach says all that is needed to make the program again.
        let _ = fs::write(directory.join(format!("hot-{seed}.ae")), text);
    }
}

/// The steps that a program takes; an error that tells what differs, if anything does. It is also stopped at so many
/// places.
fn compare(seed: u64, text: &str, stops: usize) -> Result<u64, String> {
    let run = |tier, conditions| see(text, tier, conditions).map_err(|error| error.to_string());
    let mut random = fastrand::Rng::with_seed(seed);
    let usual = Conditions {
        interval: random.u32(1..=LONGEST),
        ..Conditions::default()
    };
    let plain = run(Tier::Interpreter, usual)?;
    if plain
        .error
        .iter()
        .any(|line| line.contains("syntax") || line.contains("Expected expression"))
    {
        return Err(format!("no program: {:?}", plain.error));
    }
    let judge = |tier: Tier, conditions| {
        let plain = run(tier.plain(), conditions)?;
        let difference = plain.difference(&run(tier, conditions)?);
        if difference.is_empty() {
            Ok(())
        } else {
            Err(format!("{tier:?}, {conditions:?}: {difference}"))
        }
    };
    for tier in Tier::NATIVE {
        judge(tier, usual)?;
    }
    let collecting = Conditions {
        collecting: true,
        ..usual
    };
    judge(Tier::Eager, collecting)?;
    if stops > 0 {
        let slices = Conditions {
            slices: random.usize(1..50),
            ..usual
        };
        judge(Tier::Eager, slices)?;
        for _ in 0..stops {
            let stopped = Conditions {
                max_steps: random.u64(1..=plain.steps.max(1)),
                ..usual
            };
            for tier in Tier::NATIVE {
                judge(tier, stopped)?;
            }
        }
    }
    Ok(plain.steps)
}
