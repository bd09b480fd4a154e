//! Freeing, printing and comparing data of any depth, in order, on a small stack.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::cell::RefCell;

use aether_value::{
    Heap, IterState, Native, PromiseState, Raw, Rc, StrBuilder, Value, copy_shallow, deep_equals, display,
    equal, hashable_check,
};
use common::{get, heap, name, node, on_a_small_stack, show};

const DEPTH: usize = 1_000_000;

fn nested_arrays(heap: &Heap, depth: usize) -> Value {
    let mut value = Value::Int(1);
    for _ in 0..depth {
        value = heap.array_from(vec![value]).unwrap().into();
    }
    value
}

#[test]
fn a_million_nested_arrays_are_printed_compared_and_freed() {
    on_a_small_stack(|| {
        let heap = heap();
        let (left, right) = (nested_arrays(&heap, DEPTH), nested_arrays(&heap, DEPTH));
        assert!(deep_equals(&left, &right));
        assert!(!equal(&left, &right));
        let text = show(&heap, &left);
        assert_eq!(text.len(), 2 * DEPTH + 1);
        drop((left, right));
        assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    });
}

#[test]
fn a_million_linked_instances_are_freed_and_collected() {
    on_a_small_stack(|| {
        let heap = heap();
        let def = node(&heap, &["next", "value"]);
        let before = heap.live_objects();
        let first = heap.instance(&def).unwrap();
        let mut last = first.clone();
        for _ in 1..DEPTH {
            let next = heap.instance(&def).unwrap();
            last.set_slot(0, next.clone().into());
            last = next;
        }
        assert_eq!(heap.live_objects(), before + DEPTH);
        assert_eq!(heap.collect().objects, 0);
        last.set_slot(0, first.clone().into());
        drop((first, last));
        assert_eq!(heap.live_objects(), before + DEPTH);
        assert_eq!(heap.collect().objects, DEPTH);
        assert_eq!(heap.live_objects(), before);
    });
}

#[test]
fn deep_dicts_enums_promises_and_closures_are_freed() {
    on_a_small_stack(|| {
        let heap = heap();
        let def = heap
            .enum_def(
                &name(&heap, "E"),
                vec![(name(&heap, "V"), vec![name(&heap, "p")])],
            )
            .unwrap();
        let code = common::code(&heap, 0);
        let before = heap.live_objects();
        let make = || {
            let mut value = Value::Null;
            for _ in 0..DEPTH {
                value = heap.enum_value(&def, 0, vec![value]).unwrap().into();
            }
            value
        };
        let (left, right) = (make(), make());
        assert!(equal(&left, &right));
        assert!(hashable_check(&left).is_ok());
        let set = heap.set().unwrap();
        assert!(set.add(left.clone()).unwrap());
        assert!(!set.add(right.clone()).unwrap());
        assert_eq!(show(&heap, &left).len(), DEPTH * "E.V()".len() + "null".len());
        drop((left, right, set));
        assert_eq!(heap.live_objects(), before);

        let mut value = Value::Null;
        for turn in 0..DEPTH {
            value = match turn % 4 {
                0 => {
                    let dict = heap.dict().unwrap();
                    dict.insert(Value::Int(1), value).unwrap();
                    dict.into()
                }
                1 => heap.promise(PromiseState::Fulfilled(value)).unwrap().into(),
                2 => {
                    let cell = heap.cell(Raw::from_value(value)).unwrap();
                    heap.closure(code, &[Raw::from_rc(cell)], false).unwrap().into()
                }
                _ => {
                    let weak_side = node(&heap, &["x"]);
                    let instance = heap.instance(&weak_side).unwrap();
                    instance.set_extra_field(&name(&heap, "y"), value).unwrap();
                    instance.into()
                }
            };
        }
        heap.collect();
        drop(value);
        let mut value = Value::Null;
        for _ in 0..DEPTH {
            value = heap.promise(PromiseState::Fulfilled(value)).unwrap().into();
        }
        assert_eq!(
            show(&heap, &value).len(),
            DEPTH * "<promise:>".len() + "null".len()
        );
        drop(value);
        drop(def);
        heap.teardown();
        assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    });
}

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Noisy(&'static str, Value);

impl Drop for Noisy {
    fn drop(&mut self) {
        LOG.with_borrow_mut(|log| log.push(self.0.into()));
    }
}

impl Native for Noisy {
    fn type_name(&self) -> &'static str {
        "noisy"
    }

    fn size(&self) -> usize {
        1000
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_value(&self.1));
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn contents_die_in_order_of_their_containers() {
    let heap = heap();
    let noisy = |name, inner: Value| Value::from(heap.native(Box::new(Noisy(name, inner))).unwrap());
    let inner = heap
        .array_from(vec![noisy("c", Value::Null), noisy("d", Value::Null)])
        .unwrap();
    let outer = heap
        .array_from(vec![noisy("a", inner.into()), noisy("b", Value::Null)])
        .unwrap();
    assert!(heap.live_bytes() > 4000);
    drop(outer);
    let log = LOG.with_borrow_mut(std::mem::take);
    assert_eq!(log, ["a", "c", "d", "b"]);
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
}

#[test]
fn finalizers_queue_in_order_of_death() {
    let heap = heap();
    let def = node(&heap, &["other"]);
    let make = |number: i64| {
        let instance = heap.instance(&def).unwrap();
        assert!(
            heap.set_finalizer(&instance.clone().into(), Value::Int(number))
                .unwrap()
        );
        instance
    };
    let (first, second, third) = (make(1), make(2), make(3));
    second.set_slot(0, third.into());
    first.set_slot(0, Value::Null);
    drop(second);
    drop(first);
    let queue: Vec<_> = std::iter::from_fn(|| heap.next_finalizer()).collect();
    let numbers: Vec<_> = queue.iter().filter_map(Value::as_int).collect();
    assert_eq!(numbers, [2, 3, 1]);
}

#[test]
fn values_outlive_their_heap() {
    let heap = heap();
    let value = heap.array_from(vec![common::text(&heap, "still here")]).unwrap();
    let empty = heap.array(0).unwrap().snapshot().unwrap();
    let iterator = heap
        .iterator(IterState::Array {
            array: value.clone(),
            position: 0,
        })
        .unwrap();
    drop(heap);
    assert_eq!(value.get_value(0).unwrap().as_str(), Some("still here"));
    assert_eq!(empty.len(), 0);
    drop(value);
    let heap = Heap::of(&*iterator);
    let item = iterator.next(&heap).unwrap();
    drop(iterator);
    assert_eq!(item.unwrap().as_str(), Some("still here"));
    drop(empty);
}

#[test]
fn cyclic_data_prints_and_compares() {
    let heap = heap();
    let array = heap.array(0).unwrap();
    let dict = heap.dict().unwrap();
    array.push(Value::Int(1)).unwrap();
    array.push(array.clone().into()).unwrap();
    array.push(dict.clone().into()).unwrap();
    dict.insert(common::text(&heap, "k"), dict.clone().into())
        .unwrap();
    dict.insert(common::text(&heap, "a"), array.clone().into())
        .unwrap();
    let value = Value::from(array.clone());
    assert_eq!(show(&heap, &value), "[1, [...], {k: {...}, a: [...]}]");
    // Twice: the marks of the first time are gone.
    assert_eq!(show(&heap, &value), "[1, [...], {k: {...}, a: [...]}]");
    let other = heap.array(0).unwrap();
    other.push(Value::Int(1)).unwrap();
    other.push(other.clone().into()).unwrap();
    other.push(dict.clone().into()).unwrap();
    assert!(deep_equals(&value, &other.clone().into()));
    let node = node(&heap, &["next"]);
    let instance = heap.instance(&node).unwrap();
    instance.set_slot(0, instance.clone().into());
    assert_eq!(show(&heap, &instance.clone().into()), "Node { next: Node {...} }");
    array.clear();
    dict.clear();
    other.clear();
    instance.set_slot(0, Value::Null);
}

#[test]
fn shared_data_is_compared_once() {
    let heap = heap();
    let build = || {
        let mut value = Value::Int(1);
        for _ in 0..100 {
            value = heap.array_from(vec![value.clone(), value]).unwrap().into();
        }
        value
    };
    assert!(deep_equals(&build(), &build()));
    let def = heap
        .enum_def(
            &name(&heap, "E"),
            vec![(name(&heap, "V"), vec![name(&heap, "a"), name(&heap, "b")])],
        )
        .unwrap();
    let build = || {
        let mut value = Value::Int(1);
        for _ in 0..100 {
            value = heap
                .enum_value(&def, 0, vec![value.clone(), value])
                .unwrap()
                .into();
        }
        value
    };
    let (left, right) = (build(), build());
    assert!(equal(&left, &right));
    assert!(hashable_check(&left).is_ok());
}

#[test]
fn a_display_that_runs_out_of_memory_clears_its_marks() {
    let heap = common::limited(100_000);
    let array = heap.array(0).unwrap();
    for _ in 0..100 {
        array.push(common::text(&heap, &"x".repeat(10))).unwrap();
    }
    let outer: Value = heap.array_from(vec![array.clone().into()]).unwrap().into();
    let live = heap.live_bytes();
    heap.set_limit(Some(live + 200));
    let mut out = StrBuilder::new(&heap);
    assert!(display(&heap, &outer, &mut out).is_err());
    drop(out);
    assert_eq!(heap.live_bytes(), live);
    heap.set_limit(None);
    assert_eq!(show(&heap, &outer).len(), 2 + 2 + 100 * 10 + 99 * 2);
}

#[test]
fn copies_are_one_level_deep_and_lazy() {
    let heap = heap();
    let inner: Value = heap.array(0).unwrap().into();
    let array = heap.array_from(vec![inner.clone(), Value::Int(2)]).unwrap();
    let copy = copy_shallow(&heap, &array.clone().into()).unwrap();
    let Value::Array(copy) = copy else {
        panic!("an array")
    };
    copy.set(1, Value::Int(3)).unwrap();
    array.push(Value::Int(4)).unwrap();
    assert_eq!(show(&heap, &array.clone().into()), "[[], 2, 4]");
    assert_eq!(show(&heap, &copy.clone().into()), "[[], 3]");
    assert!(copy.get_value(0).unwrap().same(&inner));
    let def = node(&heap, &["b", "a"]);
    let instance = heap.instance(&def).unwrap();
    instance.set_slot(0, inner.clone());
    instance
        .set_extra_field(&name(&heap, "aa"), Value::Int(9))
        .unwrap();
    let twin = copy_shallow(&heap, &instance.clone().into()).unwrap();
    assert_eq!(show(&heap, &twin), "Node { a: null, aa: 9, b: [] }");
    assert!(get(&instance, 0).same(&inner));
    assert!(deep_equals(&twin, &instance.into()));
    drop(Rc::clone(&def));
}
