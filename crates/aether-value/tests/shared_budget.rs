//! Budgets that several heaps share: what they grant, refuse and get back.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::sync::{Arc, Barrier};

use aether_value::{Budget, ErrorKind, Heap, HeapConfig, Message, NoTypes, Raise, Value};
use common::fill;

const LIMIT: usize = 8 << 20;
const RESERVE: usize = LIMIT / 100;

fn member(budget: &Arc<Budget>) -> Heap {
    let heap = Heap::new(HeapConfig {
        limit: Some(budget.limit()),
        ..HeapConfig::default()
    });
    heap.join_budget(budget);
    heap
}

#[test]
fn heaps_on_threads_fill_one_budget_together() {
    let budget = Budget::new(LIMIT);
    let (filled, seen) = (Arc::new(Barrier::new(5)), Arc::new(Barrier::new(5)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (budget, filled, seen) = (budget.clone(), filled.clone(), seen.clone());
            std::thread::spawn(move || {
                let heap = member(&budget);
                let mut kept = Vec::new();
                let raise = fill(&heap, &mut kept);
                let live = heap.live_bytes();
                filled.wait();
                seen.wait();
                (raise.kind(), raise.message().to_owned(), live)
            })
        })
        .collect();
    filled.wait();
    assert!(budget.drawn() <= LIMIT, "{} drawn", budget.drawn());
    seen.wait();
    let mut sum = 0;
    for thread in threads {
        let (kind, message, live) = thread.join().unwrap();
        assert_eq!(kind, ErrorKind::OutOfMemory);
        assert!(message.ends_with(&format!("of {LIMIT} in use")), "{message}");
        sum += live;
    }
    assert!(sum <= LIMIT && sum > LIMIT / 100 * 99, "{sum} live in all");
    assert_eq!(budget.drawn(), 0);
    let heap = member(&budget);
    let mut kept = Vec::new();
    fill(&heap, &mut kept);
    assert!(heap.live_bytes() > LIMIT - 300, "the whole budget is there again");
}

#[test]
fn what_a_heap_no_longer_uses_goes_back() {
    let budget = Budget::new(LIMIT);
    let (one, two) = (member(&budget), member(&budget));
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    fill(&one, &mut ones);
    assert!(fill(&two, &mut twos).message().contains("in use"));
    ones.truncate(ones.len() / 2);
    one.trim_if_due();
    fill(&two, &mut twos);
    let sum = one.live_bytes() + two.live_bytes();
    assert!(sum > LIMIT / 100 * 99 && sum <= LIMIT, "{sum} live in all");
    // Before a wait everything goes back.
    let spare = budget.room();
    ones.truncate(ones.len() - 3);
    one.settle_budget();
    two.settle_budget();
    assert_eq!(budget.drawn(), one.live_bytes() + two.live_bytes());
    assert!(budget.room() > spare);
}

#[test]
fn a_handler_has_the_reserve_when_others_have_filled_the_budget() {
    let budget = Budget::new(LIMIT);
    let (one, two) = (member(&budget), member(&budget));
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    fill(&one, &mut ones);
    let raise = fill(&two, &mut twos);
    let before = two.live_bytes();
    let error = two.error(raise).unwrap();
    fill(&two, &mut twos);
    let reserve = two.live_bytes() - before;
    assert!(
        reserve > RESERVE - 1000 && reserve <= RESERVE + 1000,
        "{reserve} bytes in reserve"
    );
    drop(error);
    let closed = two.live_bytes();
    fill(&two, &mut twos);
    assert!(
        two.live_bytes() < closed + 1000,
        "what the error took may be used, and no more"
    );
    // Its reserve does not grow by being used up again and again.
    for _ in 0..100 {
        let raise = fill(&two, &mut twos);
        let error = two.error(raise).unwrap();
        fill(&two, &mut twos);
        drop(error);
    }
    assert!(two.live_bytes() < closed + 1000);
    // With room again it needs no reserve.
    ones.clear();
    one.settle_budget();
    fill(&two, &mut twos);
    assert!(two.live_bytes() > LIMIT / 2);
    (ones, twos) = (Vec::new(), Vec::new());
    drop((ones, twos, one, two));
    assert_eq!(budget.drawn(), 0);
}

#[test]
fn a_budget_within_another_bounds_what_is_in_it() {
    let program = Budget::new(LIMIT);
    let worker = Budget::within(&program, LIMIT / 8);
    let (first, second) = (member(&worker), member(&worker));
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    fill(&first, &mut ones);
    let raise = fill(&second, &mut twos);
    assert!(raise.message().contains(&format!("of {} in use", LIMIT / 8)));
    assert!(program.drawn() >= first.live_bytes() && program.drawn() <= LIMIT / 8);
    let other = member(&program);
    let mut others = Vec::new();
    fill(&other, &mut others);
    ones.clear();
    first.settle_budget();
    let sum = other.live_bytes() + first.live_bytes() + second.live_bytes();
    assert!(sum <= LIMIT);
    // The outer one refuses what the inner one would grant.
    fill(&other, &mut others);
    let raise = fill(&second, &mut twos);
    assert!(
        raise.message().contains(&format!("of {LIMIT} in use")),
        "{}",
        raise.message()
    );
    drop((ones, twos, others, first, second, other));
    assert_eq!((worker.drawn(), program.drawn()), (0, 0));
}

#[test]
fn cyclic_garbage_is_collected_before_a_shared_budget_refuses() {
    let budget = Budget::new(LIMIT);
    let (one, two) = (member(&budget), member(&budget));
    let mut ones = Vec::new();
    fill(&one, &mut ones);
    ones.truncate(ones.len() / 2);
    one.trim_if_due();
    two.begin_program();
    let mut made = 0;
    while made < 4 * LIMIT {
        let before = two.live_bytes();
        let array = two.array(8).unwrap();
        array.push(array.clone().into()).unwrap();
        made += two.live_bytes().saturating_sub(before);
    }
    drop(ones);
}

#[test]
fn messages_on_their_way_are_drawn_too() {
    let heap = Heap::new(HeapConfig {
        limit: Some(LIMIT),
        ..HeapConfig::default()
    });
    let text: Value = heap.string(&"x".repeat(LIMIT / 4)).unwrap().into();
    let send = || Message::of(&heap, &text, &mut |_| Ok(()));
    let mut waiting = Vec::new();
    let refused = loop {
        match send() {
            Ok(message) => waiting.push(message),
            Err(raise) => break raise,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::OutOfMemory);
    assert!((1..4).contains(&waiting.len()), "{} messages", waiting.len());
    let budget = heap.budget().unwrap();
    let live = heap.live_bytes();
    waiting.pop();
    let to = member(&budget);
    waiting.clear();
    let message = send().unwrap();
    assert_eq!(
        message.build(&to, &NoTypes, &mut |_| Ok(())).unwrap().type_name(),
        "string"
    );
    drop((message, to));
    heap.settle_budget();
    assert_eq!((heap.live_bytes(), budget.drawn()), (live, live));
}

#[test]
fn every_charge_of_a_sender_can_be_refused() {
    let sample = |heap: &Heap| -> Result<Value, Raise> {
        let rows = heap.array(0)?;
        for number in 0..50 {
            let row = heap.dict()?;
            row.insert(
                heap.string("name")?.into(),
                heap.string(&"n".repeat(number * 90))?.into(),
            )?;
            row.insert(heap.string("again")?.into(), Value::Array(rows.clone()))?;
            rows.push(row.into())?;
        }
        Ok(rows.into())
    };
    for number in 1.. {
        let heap = Heap::new(HeapConfig {
            limit: Some(LIMIT),
            ..HeapConfig::default()
        });
        let value = sample(&heap).unwrap();
        let held = (heap.live_bytes(), heap.live_objects());
        heap.set_stress(0, Some(number));
        let sent = Message::of(&heap, &value, &mut |_| Ok(()));
        let past_the_end = heap.charges() < number;
        heap.set_stress(0, None);
        assert_eq!(sent.is_ok(), past_the_end);
        drop(sent);
        assert_eq!((heap.live_bytes(), heap.live_objects()), held, "charge {number}");
        heap.settle_budget();
        if let Some(budget) = heap.budget() {
            assert_eq!(budget.drawn(), heap.live_bytes());
        }
        if past_the_end {
            break;
        }
    }
}
