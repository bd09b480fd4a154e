//! How long automatic passes take on a live heap of a million objects under churn. Run with `--release`.
//!
//! The live heap is a tree of instances; the churn makes cyclic pairs and replaces leaves of the tree. Printed: the
//! number of turns, the longest young pass and slice, and what they cost of the whole time.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program")]

use std::time::{Duration, Instant};

use aether_value::{Heap, HeapConfig, Instance, Rc, StructDef, Turn, Value};

const LEAVES: usize = 1 << 19;
const TURNS: usize = 20_000_000;

fn pair(heap: &Heap, def: &StructDef) -> Rc<Instance> {
    let (a, b) = (heap.instance(def).unwrap(), heap.instance(def).unwrap());
    a.set_slot(0, b.clone().into());
    b.set_slot(0, a.clone().into());
    a
}

fn main() {
    let heap = Heap::new(HeapConfig::default());
    let name = |text: &str| heap.intern(text).unwrap();
    let def = heap
        .struct_def(&name("Node"), &[name("left"), name("right")], Vec::new())
        .unwrap();
    let start = Instant::now();
    let (mut young, mut slice, mut all) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut passes = 0;
    let live: Value = heap.array(LEAVES).unwrap().into();
    let mut safe_point = |heap: &Heap| {
        if heap.collection_due() {
            let start = Instant::now();
            let turn = heap.collect_auto(|roots| roots.value(&live));
            let took = start.elapsed();
            let longest = match turn {
                Turn::Young(_) => &mut young,
                Turn::Slice(_) => &mut slice,
            };
            *longest = took.max(*longest);
            all += took;
            passes += 1;
        }
    };
    // Half a million pairs that stay: a million live objects in cycles.
    let Value::Array(array) = live.clone() else {
        return;
    };
    for _ in 0..LEAVES {
        array.push(pair(&heap, &def).into()).unwrap();
        safe_point(&heap);
    }
    let built = start.elapsed();
    println!(
        "{} objects, {} MB, built in {built:?}",
        heap.live_objects(),
        heap.live_bytes() >> 20
    );
    for turn in 0..TURNS {
        let made = pair(&heap, &def);
        if turn % 16 == 0 {
            // One of the live ones becomes garbage, old by now.
            drop(array.set(turn.wrapping_mul(7919) % LEAVES, made.into()).unwrap());
        }
        safe_point(&heap);
    }
    let whole = start.elapsed();
    println!("{passes} turns in {whole:?}; longest young pass {young:?}, longest slice {slice:?}");
    println!(
        "{:.1} % of the time; peak {} MB",
        all.as_secs_f64() / whole.as_secs_f64() * 100.0,
        heap.peak_bytes() >> 20
    );
    drop((array, live));
    let start = Instant::now();
    let freed = heap.collect();
    println!(
        "the last pass frees {} objects in {:?}",
        freed.objects,
        start.elapsed()
    );
}
