//! What dies when the time of a program is over waits, loses nothing and keeps its order; what was being changed stays
//! whole.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::any::Any;
use std::cell::{Cell, RefCell};

use aether_value::{ErrorKind, Heap, Native, Overseer, Raise, Value};
use common::{heap, text};

/// Counts down to the end of the time; without a count there is no limit.
#[derive(Clone, Default)]
struct Clock(std::rc::Rc<Cell<Option<u32>>>);

impl Overseer for Clock {
    fn look(&self, _: u64) -> Result<(), Raise> {
        match self.0.get() {
            Some(0) => Err(Raise::new(ErrorKind::TimeLimit, "over")),
            left => {
                self.0.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }
}

fn overseen() -> (Heap, Clock) {
    let (heap, clock) = (heap(), Clock::default());
    heap.oversee(Box::new(clock.clone()));
    (heap, clock)
}

/// Notes its number when it dies.
struct Noted(std::rc::Rc<RefCell<Vec<usize>>>, usize);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

impl Native for Noted {
    fn type_name(&self) -> &'static str {
        "noted"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn number(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

/// Items of a collection: many times what dies between two looks.
const COUNT: usize = 50_000;

/// How many die at once, of numbered objects in a value, if the time is over after so many looks; all in order of death,
/// and the bytes that the heap then has.
fn deaths_of(
    make: impl Fn(&Heap, &mut dyn FnMut() -> Value) -> Value,
    looks: Option<u32>,
) -> (usize, (Vec<usize>, usize)) {
    let (heap, clock) = overseen();
    let noted = std::rc::Rc::new(RefCell::new(Vec::new()));
    let mut number = 0;
    let value = make(&heap, &mut || {
        number += 1;
        heap.native(Box::new(Noted(noted.clone(), number)))
            .unwrap()
            .into()
    });
    clock.0.set(looks);
    drop(value);
    let at_once = noted.borrow().len();
    clock.0.set(None);
    heap.release_rest();
    // Shapes that nothing uses go with a pass.
    heap.collect();
    assert_eq!(heap.live_objects(), 0);
    (at_once, (noted.take(), heap.live_bytes()))
}

/// The same whether the time is over or not, and late deaths wait.
fn check(make: impl Fn(&Heap, &mut dyn FnMut() -> Value) -> Value) {
    let (all, expected) = deaths_of(&make, None);
    assert_eq!(all, expected.0.len());
    for looks in [0, 1, 3] {
        let (at_once, late) = deaths_of(&make, Some(looks));
        assert!(at_once < all, "nothing waits after {looks} looks");
        assert_eq!(late, expected);
    }
}

#[test]
fn items_of_an_array_wait_in_order() {
    check(|heap, noted| {
        let items = (0..COUNT).map(|_| heap.array_from(vec![noted(), noted()]).unwrap().into());
        heap.array_from_iter(items.collect::<Vec<Value>>())
            .unwrap()
            .into()
    });
}

#[test]
fn entries_of_a_dict_wait_in_order() {
    check(|heap, noted| {
        let dict = heap.dict().unwrap();
        for index in 0..COUNT {
            dict.insert(text(heap, &format!("key {index}")), noted()).unwrap();
        }
        dict.into()
    });
}

#[test]
fn a_long_chain_waits_in_order() {
    check(|heap, noted| {
        let mut chain = Value::Null;
        for _ in 0..COUNT {
            chain = heap.array_from(vec![noted(), chain]).unwrap().into();
        }
        chain
    });
}

#[test]
fn nested_collections_wait_in_order() {
    check(|heap, noted| {
        let outer = heap.array(0).unwrap();
        for _ in 0..4 {
            let inner = (0..COUNT / 4).map(|_| noted()).collect::<Vec<_>>();
            outer.push(heap.array_from(inner).unwrap().into()).unwrap();
            outer.push(noted()).unwrap();
        }
        outer.into()
    });
}

#[test]
fn what_dies_after_a_limit_waits_for_the_heap_to_be_needed() {
    let (heap, _) = overseen();
    let value = Value::from(
        heap.array_from(vec![text(&heap, "one"), heap.dict().unwrap().into()])
            .unwrap(),
    );
    let long = text(&heap, &"x".repeat(4 << 20));
    let before = heap.live_objects();
    heap.put_off_deaths();
    drop((value, long));
    assert!(heap.live_objects() > 0 && heap.live_bytes() > 4 << 20);
    assert!(heap.live_objects() <= before);
    // A pass over the heap finds no dead object.
    assert_eq!(heap.collect().objects, 0);
    assert_eq!((heap.live_objects(), heap.live_bytes()), (0, 0));
}

#[test]
fn the_end_of_a_heap_lets_all_die_that_waits() {
    let (heap, clock) = overseen();
    let noted = std::rc::Rc::new(RefCell::new(Vec::new()));
    let items = (0..COUNT).map(|number| {
        let noted = Noted(noted.clone(), number);
        Value::from(heap.native(Box::new(noted)).unwrap())
    });
    let array = heap.array_from(items.collect()).unwrap();
    clock.0.set(Some(1));
    drop(array);
    assert!(noted.borrow().len() < COUNT);
    drop(heap);
    assert_eq!(noted.borrow().len(), COUNT);
}

#[test]
fn a_charge_that_the_budget_would_refuse_lets_all_die_that_waits() {
    let (heap, _) = overseen();
    heap.set_auto_collect(true);
    let long = text(&heap, &"x".repeat(4 << 20));
    heap.set_limit(Some(6 << 20));
    heap.put_off_deaths();
    drop(long);
    let next = text(&heap, &"y".repeat(4 << 20));
    assert_eq!(next.as_str().map(str::len), Some(4 << 20));
}

#[test]
fn a_dict_that_cannot_change_its_form_in_time_stays_as_it_was() {
    for (first, step) in [(0, 1), (-7, 2)] {
        let (heap, clock) = overseen();
        let dict = heap.dict().unwrap();
        for number in 0..100_000 {
            dict.insert(Value::Int(first + number * step), Value::Int(number))
                .unwrap();
        }
        for looks in 0..8 {
            clock.0.set(Some(looks));
            let far = dict.insert(text(&heap, "far"), Value::Null);
            clock.0.set(None);
            assert_eq!(far.unwrap_err().kind(), ErrorKind::TimeLimit);
            heap.release_rest();
            assert_eq!(dict.len(), 100_000);
            for at in (0..100_000).step_by(997) {
                assert_eq!(
                    number(dict.get_value(&Value::Int(first + at * step)).as_ref()),
                    Some(at)
                );
            }
            assert!(dict.get_value(&text(&heap, "far")).is_none());
        }
        dict.insert(text(&heap, "far"), Value::Null).unwrap();
        assert_eq!(dict.len(), 100_001);
        assert_eq!(
            number(dict.get_value(&Value::Int(first + 500 * step)).as_ref()),
            Some(500)
        );
        drop(dict);
        assert_eq!((heap.live_objects(), heap.live_bytes()), (0, 0));
    }
}

#[test]
fn a_dict_that_cannot_be_copied_in_time_leaves_nothing() {
    let (heap, clock) = overseen();
    let dict = heap.dict().unwrap();
    for number in 0..100_000 {
        dict.insert(text(&heap, &number.to_string()), Value::Int(number))
            .unwrap();
    }
    let copy = heap.dict_copy(&dict).unwrap();
    let before = (heap.live_objects(), heap.live_bytes());
    clock.0.set(Some(2));
    let error = copy.insert(Value::Null, Value::Null).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimeLimit);
    clock.0.set(None);
    heap.release_rest();
    // Copying has completed the index of the original, which may have been growing.
    assert_eq!(heap.live_objects(), before.0);
    assert!(heap.live_bytes() <= before.1);
    copy.insert(Value::Null, Value::Null).unwrap();
    assert_eq!((dict.len(), copy.len()), (100_000, 100_001));
}
