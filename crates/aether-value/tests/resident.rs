//! Memory goes back to the system and is taken again without harm to what lives.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_value::{Heap, HeapConfig, Value};

/// A value of a kind and size that `n` chooses; its text tells whether it is whole.
fn make(heap: &Heap, n: u64) -> Value {
    let text = |len: usize| format!("{n}:{}", "x".repeat(len));
    match n % 5 {
        0 => Value::String(heap.string(&text((n / 5 % 400) as usize)).unwrap()),
        1 => Value::Array(
            heap.array_from_slice(&[Value::Int(n as i64), Value::Null])
                .unwrap(),
        ),
        2 => {
            let dict = heap.dict().unwrap();
            dict.insert(
                Value::Int(n as i64),
                Value::String(heap.string(&text(20)).unwrap()),
            )
            .unwrap();
            Value::Dict(dict)
        }
        3 => Value::Set({
            let set = heap.set().unwrap();
            set.add(Value::Int(n as i64)).unwrap();
            set
        }),
        _ => Value::String(heap.string(&text(3000)).unwrap()),
    }
}

/// Whether a value is what [`make`] made.
fn is_whole(heap: &Heap, value: &Value, n: u64) -> bool {
    let expected = make(heap, n);
    aether_value::deep_equals(value, &expected)
}

#[test]
fn what_lives_survives_trims_between_waves() {
    let heap = Heap::new(HeapConfig::default());
    let mut random = fastrand::Rng::with_seed(11);
    let mut kept: Vec<(u64, Value)> = Vec::new();
    let mut next = 0;
    let rounds = if cfg!(miri) { 3 } else { 60 };
    for round in 0..rounds {
        let count = random.usize(0..if cfg!(miri) { 50 } else { 4000 });
        for _ in 0..count {
            next += 1;
            kept.push((next, make(&heap, next)));
        }
        // Few, some, most or all go, scattered or in a row.
        let share = [0, 1, 30, 64][random.usize(0..4)];
        if random.bool() {
            kept.retain(|_| random.u32(0..64) >= share);
        } else {
            let from = kept.len() * (64 - share as usize) / 64;
            kept.truncate(from);
        }
        if random.bool() {
            heap.trim();
        }
        if round % 4 == 0 {
            heap.collect();
        }
        for (n, value) in &kept {
            assert!(is_whole(&heap, value, *n), "round {round}: value {n}");
        }
    }
    kept.clear();
    heap.collect();
    heap.trim();
    assert_eq!(heap.live_objects(), 0);
    let held = heap.stats().chunk_bytes;
    assert!(held <= 8 << 20, "{held} bytes of chunks are kept for nothing");
}
