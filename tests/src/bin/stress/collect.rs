//! A full collection at every allocation: whatever a program does between two, nothing live may be freed, and nothing
//! that it does may change.
//!
//! Every collection walks all containers, so a program with n objects would take time in the square of n. So a
//! collection may walk [`WALK`] objects for every charge; where more are live, it comes at every second charge, every
//! third, and so on. The report says where that was so.

use std::sync::Mutex;
use std::time::Instant;

use aether_tests::Moment;

use crate::{Work, jit_of};

/// Live objects that a collection may walk for every charge.
const WALK: u64 = 2000;
/// The same on a budget.
const WALK_LESS: u64 = 100;

#[derive(Default)]
struct Total {
    collections: u64,
    /// Programs in which collections were thinned out, with the most charges from one to the next.
    thinned: Vec<(u64, String)>,
}

/// Runs every program.
pub(crate) fn run(work: &Work) {
    let started = Instant::now();
    let walk = if work.options.budget.is_some() {
        WALK_LESS
    } else {
        WALK
    };
    let total = Mutex::new(Total::default());
    work.each(|case, index| {
        let mut stress_collections = (0, 0);
        work.judge(
            case,
            jit_of(index),
            "collecting at every allocation",
            |moment, engine, _| match moment {
                Moment::Ready => {
                    engine.heap().set_stress(1, None);
                    engine.heap().thin_stress(walk);
                }
                Moment::Ended => {
                    stress_collections = engine.heap().stress_collections();
                    engine.heap().set_stress(0, None);
                }
            },
        );
        if let Ok(mut total) = total.lock() {
            total.collections += stress_collections.0;
            if stress_collections.1 > 1 {
                total.thinned.push((stress_collections.1, case.name.clone()));
            }
        }
    });
    let Ok(mut total) = total.into_inner() else {
        return;
    };
    total.thinned.sort();
    println!(
        "collections: {} programs, {} collections, one at every allocation, in {:.1} s",
        work.cases.len(),
        total.collections,
        started.elapsed().as_secs_f64()
    );
    if let (Some(first), Some(last)) = (total.thinned.first(), total.thinned.last()) {
        println!(
            "  {} programs hold more than {walk} objects and get fewer there: at least one in {} ({}) to {} ({})",
            total.thinned.len(),
            first.0,
            first.1,
            last.0,
            last.1
        );
    }
}
