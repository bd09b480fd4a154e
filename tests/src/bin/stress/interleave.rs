//! Orders: the programs of `tests/interleavings`, whose workers run one at a time, in orders that seeds choose. Whatever
//! the order, a program prints the same, and nothing is alive at its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aether::{Engine, MemoryHost};
use aether_tests::{Case, Settings, compare, execute_on};

use crate::Work;

/// Where the programs are.
pub(crate) const PROGRAMS: &str = "tests/interleavings";

/// Where one is that shows its order.
pub(crate) const PLANTED: &str = "tests/planted/orders";

/// Seeds for each program, in a run without a limit of time.
const SEEDS: u64 = 1000;

/// Runs every program with every seed, or with as many as the budget allows.
pub(crate) fn run(work: &Work) {
    let started = Instant::now();
    let orders = AtomicU64::new(0);
    let share = work.options.budget.map(|budget| budget / 8);
    work.each(|case, _| {
        let begun = Instant::now();
        for seed in 0..SEEDS {
            if share.is_some_and(|share| begun.elapsed() > share) {
                break;
            }
            orders.fetch_add(1, Ordering::Relaxed);
            let found = judge(case, seed);
            if !found.is_empty() {
                work.add_violation(format!("{}: order {seed}: {}", case.name, found.trim_end()));
                break;
            }
        }
    });
    println!(
        "orders: {} programs with workers, {} orders, in {:.1} s",
        work.cases.len(),
        orders.into_inner(),
        started.elapsed().as_secs_f64()
    );
}

/// What a program does otherwise than expected in the order of a seed.
fn judge(case: &Case, seed: u64) -> String {
    let host = MemoryHost::new().over_directory(case.directory());
    let interleaving = host.interleave(seed);
    let ran = execute_on(case, &Settings::default(), &host, |_, _: &Engine, _| {});
    drop(interleaving);
    match (ran, case.expected()) {
        (Ok((outcome, report)), Ok(expected)) => compare(&expected, &outcome, &report),
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => error.to_string(),
    }
}
