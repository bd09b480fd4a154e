//! The budget: what is refused, the reserve for handlers, and that nothing moves when a charge is refused.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use aether_value::{ErrorKind, Heap, HeapConfig, Raise, Value};
use common::limited;

const LIMIT: usize = 200_000;
const RESERVE: usize = 64 * 1024;

/// Pushes arrays until one is refused.
fn fill(heap: &Heap, into: &mut Vec<Value>) -> Raise {
    loop {
        match heap.array(8) {
            Ok(array) => into.push(array.into()),
            Err(raise) => return raise,
        }
    }
}

#[test]
fn a_handler_has_the_reserve_until_its_error_goes() {
    let heap = limited(LIMIT);
    let mut kept = Vec::new();
    let raise = fill(&heap, &mut kept);
    assert_eq!(raise.kind(), ErrorKind::OutOfMemory);
    assert!(heap.live_bytes() <= LIMIT && heap.live_bytes() > LIMIT - 300);
    // No object of the error yet: no reserve.
    assert!(heap.array(8).is_err());
    let error = heap.error(raise).unwrap();
    let again = fill(&heap, &mut kept);
    assert!(heap.live_bytes() > LIMIT + RESERVE - 300 && heap.live_bytes() <= LIMIT + RESERVE);
    assert!(
        again.message().contains("of 200000 in use"),
        "{}",
        again.message()
    );
    // The next handler's error takes the reserve over; the first one's end does not close it.
    let next = heap.error(again).unwrap();
    drop(error);
    kept.truncate(kept.len() - 10);
    assert!(heap.array(8).is_ok());
    drop(next);
    assert!(heap.array(8).is_err());
    kept.clear();
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
}

#[test]
fn the_reserve_closes_when_the_heap_is_well_below_the_limit() {
    let heap = limited(LIMIT);
    let mut kept = Vec::new();
    let raise = fill(&heap, &mut kept);
    let error = heap.error(raise).unwrap();
    kept.truncate(kept.len() / 3);
    fill(&heap, &mut kept);
    assert!(
        heap.live_bytes() <= LIMIT,
        "the kept error does not keep the reserve"
    );
    drop(error);
}

#[test]
fn a_script_lowers_its_budget_and_never_lifts_it() {
    let heap = limited(LIMIT);
    heap.lower_limit(Some(1000));
    assert_eq!(heap.limit(), Some(1000));
    heap.lower_limit(Some(LIMIT + 1));
    assert_eq!(heap.limit(), Some(LIMIT));
    heap.lower_limit(Some(5000));
    heap.lower_limit(None);
    assert_eq!(heap.limit(), Some(LIMIT));
    let free = Heap::new(HeapConfig::default());
    free.lower_limit(Some(1000));
    free.lower_limit(None);
    assert_eq!(free.limit(), None);
}

#[test]
fn every_charge_can_be_refused_with_exact_accounting() {
    let run = |heap: &Heap| -> Result<(), Raise> {
        let dict = heap.dict()?;
        for number in 0..40 {
            let array = heap.array(0)?;
            for item in 0..20 {
                array.push(Value::Int(item))?;
            }
            let snapshot = array.snapshot();
            array.push(heap.string("text that is not short")?.into())?;
            array.push(array.clone().into())?;
            drop(snapshot);
            dict.insert(heap.string(&format!("key {number}"))?.into(), array.into())?;
        }
        let value = Value::from(dict);
        heap.weak_to(&value)?;
        heap.id_of(&value)?;
        let stack = heap.coroutine()?;
        stack.grow(5000)?;
        stack.grow_frames(100)
    };
    let mut number = 1;
    loop {
        let heap = Heap::new(HeapConfig {
            fail_charge: Some(number),
            ..HeapConfig::default()
        });
        let result = run(&heap);
        let past_the_end = heap.charges() < number;
        heap.set_stress(0, None);
        heap.collect();
        assert_eq!(
            (heap.live_bytes(), heap.live_objects()),
            (0, 0),
            "charge {number}"
        );
        if past_the_end {
            assert!(result.is_ok());
            break;
        }
        number += 1;
    }
    assert!(number > 300, "{number}");
    let heap = Heap::new(HeapConfig {
        collect_every: 1,
        ..HeapConfig::default()
    });
    run(&heap).unwrap();
    assert!(heap.stats().collections > 300);
    heap.collect();
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
}
