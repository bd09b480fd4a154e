//! What copying a JSON-like value from one heap to another costs.
//!
//! `cargo run --release -p aether-value --example clone`
//!
//! The first heap is new, so that the system gives all its memory; the others are built in again after a copy was dropped.
//! Where Linux tells, times are the processor's: other programs do not count.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example prints, and ends at an error"
)]

use std::time::{Duration, Instant};

use aether_value::{Heap, HeapConfig, Message, NoTypes, Value};

fn main() {
    let from = Heap::new(HeapConfig::default());
    let rows = from.array(0).unwrap();
    let text = |text: &str| Value::String(from.string(text).unwrap());
    let keys = ["id", "name", "email", "scores", "active"];
    for row in 0..200_000_i64 {
        let dict = from.dict().unwrap();
        let scores = from
            .array_from(vec![Value::Int(row), Value::Int(row * 2), Value::Int(7)])
            .unwrap();
        let values = [
            Value::Int(row),
            text(&format!("person number {row}")),
            text(&format!("person{row}@example.org")),
            Value::Array(scores),
            Value::Bool(row % 2 == 0),
        ];
        for (key, value) in keys.iter().zip(values) {
            dict.insert(text(key), value).unwrap();
        }
        rows.push(Value::Dict(dict)).unwrap();
    }
    let value = Value::Array(rows);
    let bytes = from.live_bytes();
    let to = Heap::new(HeapConfig::default());
    let now = clock();
    for _ in 0..6 {
        let begun = now();
        let message = Message::of(&from, &value, &mut |_| Ok(())).unwrap();
        let made = now();
        let copy = message.build(&to, &NoTypes, &mut |_| Ok(())).unwrap();
        let built = now();
        let (made, built) = (made.saturating_sub(begun), built.saturating_sub(made));
        let rate = bytes as f64 / (made + built).as_secs_f64() / 1e9;
        println!(
            "{:.1} MB, message {:.1} MB: {:.1} ms to make, {:.1} ms to build, {rate:.2} GB/s",
            bytes as f64 / 1e6,
            message.size() as f64 / 1e6,
            made.as_secs_f64() * 1e3,
            built.as_secs_f64() * 1e3,
        );
        drop(copy);
    }
}

/// The time that this thread has run, or else the time of day.
fn clock() -> impl Fn() -> Duration {
    let begun = Instant::now();
    move || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
        nanos.map_or_else(|| begun.elapsed(), Duration::from_nanos)
    }
}
