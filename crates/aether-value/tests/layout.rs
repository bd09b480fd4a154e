//! Sizes and layouts that the evaluator and the accounts rest on.
#![expect(unsafe_code, reason = "reads values through their raw twins")]
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use aether_value::{Raw, Rc, Value, tag};
use common::{heap, node};

/// What one allocation of `make` adds to the live bytes.
fn cost<T>(heap: &aether_value::Heap, make: impl FnOnce() -> T) -> usize {
    let before = heap.live_bytes();
    let made = make();
    let cost = heap.live_bytes() - before;
    drop(made);
    assert_eq!(heap.live_bytes(), before, "all bytes come back");
    cost
}

#[test]
fn a_value_is_its_raw_twin() {
    assert_eq!(size_of::<Value>(), 16);
    assert_eq!(size_of::<Option<Value>>(), 16);
    assert_eq!(size_of::<Rc<aether_value::Str>>(), 8);
    let heap = heap();
    let values = [
        (Value::Int(-7), tag::INT),
        (Value::Float(1.5), tag::FLOAT),
        (Value::Null, tag::NULL),
        (Value::Bool(true), tag::BOOL),
        (heap.string("x").unwrap().into(), tag::STRING),
        (heap.array(0).unwrap().into(), tag::ARRAY),
        (heap.dict().unwrap().into(), tag::DICT),
        (heap.set().unwrap().into(), tag::SET),
    ];
    for (value, tag) in values {
        assert_eq!(value.tag(), tag);
        let raw = Raw::of_value(&value);
        assert_eq!(raw.tag, tag);
        // SAFETY: the value is alive.
        assert!(unsafe { raw.as_value() }.same(&value));
        if raw.is_counted() {
            assert_eq!(raw.header().count.get(), 1);
            // SAFETY: as above.
            let copy = unsafe { raw.clone_value() };
            assert_eq!(raw.header().count.get(), 2);
            drop(copy);
            assert_eq!(raw.header().count.get(), 1);
            assert_eq!(raw.header().kind, tag);
        }
    }
}

#[test]
fn objects_cost_their_size_class() {
    if cfg!(feature = "system-alloc") {
        return;
    }
    let heap = heap();
    let def = node(&heap, &["a", "b", "c"]);
    assert_eq!(cost(&heap, || heap.instance(&def).unwrap()), 64);
    let pair = node(&heap, &["a", "b"]);
    assert_eq!(cost(&heap, || heap.instance(&pair).unwrap()), 48);
    for len in 0_usize..600 {
        let text = "x".repeat(len);
        let class = if len + 24 <= 512 {
            (len + 24).next_multiple_of(16)
        } else {
            // Behind a prefix, with a place in the heap's list.
            (len + 24).next_multiple_of(16) + 16 + 8
        };
        assert_eq!(cost(&heap, || heap.string(&text).unwrap()), class, "{len}");
    }
    assert_eq!(cost(&heap, || heap.array(0).unwrap()), 32);
    assert_eq!(cost(&heap, || heap.array(4).unwrap()), 32 + 64);
    assert_eq!(cost(&heap, || heap.array(5).unwrap()), 32 + 16 + 80);
    assert_eq!(cost(&heap, || heap.array(2).unwrap()), 64);
    assert_eq!(cost(&heap, || heap.dict().unwrap()), 32);
    let names: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|name| heap.intern(name).unwrap())
        .into();
    for (count, bytes) in [(1, 48), (2, 64), (5, 112)] {
        let shape = heap.record_shape(&names[..count]).unwrap();
        let record = || heap.record_of(&shape, &mut vec![Value::Null; count]).unwrap();
        assert_eq!(cost(&heap, record), bytes);
        // Grown key by key, once such a record has been made.
        let grown = || {
            let dict = heap.dict().unwrap();
            for name in &names[..count] {
                dict.insert(name.clone().into(), Value::Null).unwrap();
            }
            dict
        };
        drop(grown());
        assert!(cost(&heap, grown) <= bytes + 32, "{count}");
    }
    assert_eq!(cost(&heap, || heap.set().unwrap()), 64);
    assert_eq!(cost(&heap, || heap.set_with_room(4).unwrap()), 96);
    assert_eq!(cost(&heap, || heap.cell(Raw::null()).unwrap()), 32);
    let code = common::code(&heap, 0);
    assert_eq!(cost(&heap, || heap.closure(code, &[], false).unwrap()), 32);
}

#[test]
fn null_and_bool_ignore_stale_payload_bytes() {
    let stale = Raw {
        tag: tag::NULL,
        payload: 99,
    };
    assert!(stale.same(Raw::null()));
    let stale = Raw {
        tag: tag::BOOL,
        payload: 0x100,
    };
    assert!(stale.same(Raw::bool(false)));
    assert!(!Raw::from_value(Value::Bool(true)).same(Raw::from_value(Value::Bool(false))));
    assert_eq!(Raw::from_value(Value::Bool(true)).payload, 1);
    assert_eq!(Raw::from_value(Value::Null).payload, 0);
}

#[test]
fn counts_stick_instead_of_overflowing() {
    let heap = heap();
    let text = heap.string("immortal").unwrap();
    Rc::header(&text).count.set(0x7fff_ffff);
    let copy = text.clone();
    let stuck = Rc::count(&text);
    assert!(stuck > 0x8000_0000);
    for _ in 0..10 {
        drop(text.clone());
    }
    drop(copy);
    assert!(Rc::count(&text) >= 0x8000_0000);
    // Back to a plain count, so that the test leaves nothing.
    Rc::header(&text).count.set(1);
    drop(text);
    assert_eq!(heap.live_objects(), 0);
}
