//! A few random programs with machine code and without; `cargo xtask stress` runs a hundred thousand.
#![forbid(unsafe_code)]

use std::fmt::Write as _;

use aether_tests::hot::{Conditions, Tier, hot_program, see};

/// Programs, the tables of operations among them.
const PROGRAMS: u64 = 24;

#[test]
fn random_programs_do_the_same_with_machine_code() {
    let mut failures = String::new();
    for seed in 0..PROGRAMS {
        let text = hot_program(seed);
        for tier in Tier::NATIVE {
            let plain = see(&text, tier.plain(), Conditions::default()).unwrap();
            let native = see(&text, tier, Conditions::default()).unwrap();
            let difference = plain.difference(&native);
            if !difference.is_empty() {
                writeln!(failures, "seed {seed}, {tier:?}: {difference}").unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn random_programs_run_for_a_while() {
    let seen: Vec<_> = (0..PROGRAMS)
        .map(|seed| see(&hot_program(seed), Tier::Interpreter, Conditions::default()).unwrap())
        .collect();
    // Without that, machine code would not be made of them.
    let long = seen.iter().filter(|seen| seen.steps > 2_000).count();
    assert!(long * 2 > seen.len(), "{long} of {}", seen.len());
    assert!(seen.iter().all(|seen| seen.left == (0, 0)));
    // Some end by an error before they print.
    let silent = seen.iter().filter(|seen| seen.output.is_empty()).count();
    assert!(silent * 4 < seen.len(), "{silent} of {}", seen.len());
}

#[test]
fn a_program_is_known_by_its_seed() {
    assert_eq!(hot_program(7), hot_program(7));
    assert_ne!(hot_program(7), hot_program(8));
}
