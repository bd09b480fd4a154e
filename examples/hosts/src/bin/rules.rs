//! A rule engine: untrusted rules over a million records, each call within a budget of steps, all within one of memory.
//!
//! `cargo run --release -p example-hosts --bin rules [RECORDS]`
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the result is the program's output")]

use std::time::Instant;

use aether::{Engine, Error, ErrorKind, Function, IntoValue, Value};

const RULES: &str = include_str!("../../scripts/rules.ae");

/// A record, as rules see it.
#[derive(IntoValue)]
struct Order {
    items: u32,
    visits: u32,
    country: &'static str,
}

/// The record with a number: what a database would give.
fn order(number: u32) -> Order {
    Order {
        items: number % 120,
        visits: number % 13,
        country: if number % 100_000 == 99_999 { "ZZ" } else { "DE" },
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    discounts: u64,
    percent: u64,
    stopped: u64,
    failed: u64,
}

/// Asks every rule about every record.
fn run(records: u32) -> Result<Totals, Error> {
    let mut engine = Engine::builder()
        .max_memory(Some(4 << 20))
        .max_steps(Some(10_000))
        .build()?;
    engine.eval(RULES)?;
    let rules: Vec<Function<(Value,), Option<u32>>> = engine.get("rules")?;
    let mut totals = Totals::default();
    for number in 0..records {
        // One value for all rules: they share what they may not keep.
        let order = order(number).into_value(engine.heap())?;
        for rule in &rules {
            match rule.call(&mut engine, (order.clone(),)) {
                Ok(Some(percent)) => {
                    totals.discounts += 1;
                    totals.percent += u64::from(percent);
                }
                Ok(None) => {}
                Err(error) if matches!(error.kind(), Some(ErrorKind::StepLimit | ErrorKind::OutOfMemory)) => {
                    totals.stopped += 1;
                }
                Err(_) => totals.failed += 1,
            }
        }
    }
    Ok(totals)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |word| word.parse())?;
    let begun = Instant::now();
    let totals = run(records)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{records} records, 4 rules each: {totals:?}");
    println!(
        "{:.2} s, {:.0} calls a second",
        seconds,
        f64::from(records) * 4.0 / seconds
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_asked_and_stopped() -> Result<(), Error> {
        let totals = run(100_000)?;
        assert_eq!(
            totals.stopped, 1,
            "one record has the country that makes a rule run on"
        );
        assert_eq!(totals.failed, 7_692, "a rule fails at every thirteenth record");
        assert_eq!(totals.discounts, 7_692 * 2 + 83_320);
        Ok(())
    }
}
