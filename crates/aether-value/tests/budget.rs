//! The budget: what is refused, the reserve for handlers, and that nothing moves when a charge is refused.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use aether_value::{ErrorKind, Heap, HeapConfig, Raise, Value};
use common::{fill, limited};

const LIMIT: usize = 200_000;
const RESERVE: usize = 64 * 1024;

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
            let snapshot = array.snapshot().unwrap();
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

/// Adds until a charge is refused, and gives how often something grew: how often the live bytes changed.
fn growths(heap: &Heap, mut add: impl FnMut() -> Result<(), Raise>) -> usize {
    let (mut count, mut before) = (0, heap.live_bytes());
    loop {
        let result = add();
        let live = heap.live_bytes();
        count += usize::from(live != before);
        before = live;
        if let Err(raise) = result {
            assert_eq!(raise.kind(), ErrorKind::OutOfMemory);
            return count;
        }
    }
}

#[test]
fn buffers_reach_the_budget_in_few_growths() {
    // At the limit a buffer grows by what is left, not by one item after the other.
    const MOST: usize = 64;
    for limit in [100_000, 1_000_000, 10_000_000] {
        let heap = limited(limit);
        let array = heap.array(0).unwrap();
        let count = growths(&heap, || array.push(Value::Int(1)));
        assert!(count < MOST, "array: {count} growths to {limit}");
        assert!(heap.live_bytes() > limit / 2);
        drop(array);

        let dict = heap.dict().unwrap();
        let mut key = 0;
        let count = growths(&heap, || {
            key += 7;
            dict.insert(Value::Int(key), Value::Int(1)).map(drop)
        });
        assert!(count < MOST, "dict: {count} growths to {limit}");
        drop(dict);

        let mut text = Some(heap.string("text that grows").unwrap());
        let count = growths(&heap, || {
            match aether_value::Str::append(&heap, text.take().unwrap(), " and grows") {
                Ok(longer) => {
                    text = Some(longer);
                    Ok(())
                }
                Err((same, raise)) => {
                    text = Some(same);
                    Err(raise)
                }
            }
        });
        assert!(count < MOST, "string: {count} growths to {limit}");
        drop(text);

        let mut builder = aether_value::StrBuilder::new(&heap);
        let count = growths(&heap, || builder.push_str("some text"));
        assert!(count < MOST, "builder: {count} growths to {limit}");
        drop(builder);

        let stack = heap.coroutine().unwrap();
        let mut needed = 0;
        let count = growths(&heap, || {
            needed += 10;
            stack.grow(needed)
        });
        assert!(count < MOST, "stack: {count} growths to {limit}");
        drop(stack);

        let promise = heap.promise(aether_value::PromiseState::External).unwrap();
        let count = growths(&heap, || promise.add_waiter(Value::Null));
        assert!(count < MOST, "waiters: {count} growths to {limit}");
    }
}

#[test]
fn at_the_budget_collections_are_rare() {
    let limit = 1_000_000;
    let heap = limited(limit);
    heap.set_auto_collect(true);
    let mut kept = Vec::new();
    drop(fill(&heap, &mut kept));
    let before = heap.stats().collections;
    // Nothing is garbage: more attempts bring no more collections.
    for _ in 0..1000 {
        assert!(heap.array(8).is_err());
    }
    assert!(heap.stats().collections <= before + 1);
    // Room that is made and used again is room charged: about one collection for each eighth of the budget.
    let before = heap.stats().collections;
    for _ in 0..80 {
        kept.truncate(kept.len() * 9 / 10);
        drop(fill(&heap, &mut kept));
    }
    let collections = heap.stats().collections - before;
    assert!(collections <= 80, "{collections}");
    // Cycles that fill the budget are still found.
    kept.clear();
    for _ in 0..limit / 20 {
        let cycle = heap.array(1).unwrap();
        cycle.push(Value::Array(cycle.clone())).unwrap();
    }
}
