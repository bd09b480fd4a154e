//! A slice of a pass over the whole heap at every safepoint: between two slices the program goes on for one call or
//! jump, whatever the pass has in its hands, and nothing that it does may change.
//!
//! Slices have one object, a few, or many; every other pass knows no roots, so that all that lives is examined by counts
//! while the program uses it.

use std::sync::Mutex;
use std::time::Instant;

use aether_tests::Moment;

use crate::{Work, jit_of};

/// Objects of a slice, one run for each.
const UNITS: &[usize] = &[1, 7, 100];

/// Runs every program.
pub(crate) fn run(work: &Work) {
    let started = Instant::now();
    let total = Mutex::new((0, 0));
    work.each(|case, _| {
        for (turn, &units) in UNITS.iter().enumerate() {
            let mut forced = (0, 0);
            work.judge(
                case,
                jit_of(turn),
                &format!("collecting in slices of {units}"),
                |moment, engine, _| match moment {
                    Moment::Ready => engine.heap().force_slices(units),
                    Moment::Ended => {
                        forced = engine.forced_slices();
                        engine.heap().force_slices(0);
                    }
                },
            );
            if let Ok(mut total) = total.lock() {
                total.0 += forced.0;
                total.1 += forced.1;
            }
        }
    });
    let Ok((slices, passes)) = total.into_inner() else {
        return;
    };
    println!(
        "slices: {} programs, {slices} slices of {UNITS:?} objects, one at every safepoint, {passes} passes, in {:.1} s",
        work.cases.len(),
        started.elapsed().as_secs_f64()
    );
}
