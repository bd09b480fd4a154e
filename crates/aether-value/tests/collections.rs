//! Arrays, dicts and sets against plain models, under random operations and with snapshots.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::collections::HashMap;

use aether_value::{Array, Dict, ErrorKind, Heap, Rc, Set, Value, deep_equals};
use common::{Random, heap, limited, name, show, text, value};
use proptest::prelude::*;

type Collections = (Rc<Array>, Rc<Dict>, Rc<Set>);

/// Keys of all hashable types, few enough to meet again.
fn key(heap: &Heap, number: u8) -> Value {
    match number % 7 {
        0 => Value::Int(i64::from(number)),
        1 => Value::Float(f64::from(number)),
        2 => text(heap, &number.to_string()),
        3 => Value::Bool(number > 100),
        4 => Value::Float(f64::from(number) + 0.5),
        5 => Value::Int(-i64::from(number)),
        _ => Value::Null,
    }
}

/// The same key by other means.
fn key_name(number: u8) -> String {
    match number % 7 {
        0 => format!("i{number}"),
        1 => format!("f{number}"),
        2 => format!("s{number}"),
        3 => format!("b{}", number > 100),
        4 => format!("f{number}.5"),
        5 => format!("i-{number}"),
        _ => "null".into(),
    }
}

fn contents(dict: &Dict) -> Vec<(Value, Value)> {
    dict.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn check_dict(heap: &Heap, dict: &Dict, model: &[(u8, i64)]) {
    assert_eq!(dict.len(), model.len());
    let entries = contents(dict);
    for ((found, value), (number, expected)) in entries.iter().zip(model) {
        assert!(aether_value::equal(found, &key(heap, *number)) || matches!(found, Value::Float(_)));
        assert_eq!(value.as_int(), Some(*expected));
    }
    for (number, expected) in model {
        let found = dict.get(&key(heap, *number)).expect("the key is there");
        assert_eq!(value(found).as_int(), Some(*expected));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, i64),
    Remove(u8),
    Snapshot,
    Forget,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (any::<u8>(), any::<i64>()).prop_map(|(key, value)| Step::Insert(key, value)),
        8 => any::<u8>().prop_map(Step::Remove),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Forget),
        1 => (0..8_u8).prop_map(|turn| if turn == 0 { Step::Clear } else { Step::Forget }),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn dicts_are_ordered_lists_of_entries(steps in steps()) {
        let heap = heap();
        let dict = heap.dict().unwrap();
        let mut model: Vec<(u8, i64)> = Vec::new();
        let mut snapshots: Vec<(Rc<Dict>, Vec<i64>)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(number, new) => {
                    let known = model.iter_mut().find(|(known, _)| key_name(*known) == key_name(number));
                    let old = dict.insert(key(&heap, number), Value::Int(new)).unwrap();
                    if let Some((_, value)) = known {
                        prop_assert_eq!(old.unwrap().as_int(), Some(*value));
                        *value = new;
                    } else {
                        prop_assert!(old.is_none());
                        model.push((number, new));
                    }
                }
                Step::Remove(number) => {
                    let known = model.iter().position(|(known, _)| key_name(*known) == key_name(number));
                    let old = dict.remove(&key(&heap, number)).unwrap();
                    prop_assert_eq!(old.and_then(|old| old.as_int()), known.map(|at| model.remove(at).1));
                }
                Step::Snapshot => {
                    let values = model.iter().map(|(_, value)| *value).collect();
                    snapshots.push((dict.snapshot().unwrap(), values));
                }
                Step::Forget => drop(snapshots.pop()),
                Step::Clear => {
                    dict.clear();
                    model.clear();
                }
            }
        }
        check_dict(&heap, &dict, &model);
        for (table, values) in &snapshots {
            let found: Vec<_> = table.iter().filter_map(|(_, value)| value.as_int()).collect();
            prop_assert_eq!(&found, values);
        }
        drop((snapshots, dict));
        heap.teardown();
        prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    }

    /// Keys that mostly count up or lie close together, as those of packed and direct tables do, and what ends that.
    #[test]
    fn int_keys_in_order_and_close_together(
        start in prop_oneof![Just(0_i64), Just(-3), Just(i64::MAX - 20), any::<i64>()],
        ordered in any::<bool>(),
        steps in prop::collection::vec((0..40_u8, any::<u8>()), 0..400),
    ) {
        let heap = heap();
        let (dict, set) = (heap.dict().unwrap(), heap.set().unwrap());
        let mut model: Vec<(i64, i64)> = Vec::new();
        let mut next = start;
        let mut snapshots: Vec<(Rc<Dict>, Vec<i64>)> = Vec::new();
        // Some numbers stand for keys of other types.
        let key = |number: i64| match number.checked_sub(0x7000).filter(|index| (0..8).contains(index)) {
            Some(index) if index < 4 => Value::Float(index as f64),
            Some(index) => text(&heap, &index.to_string()),
            None => Value::Int(number),
        };
        for (turn, (step, at)) in steps.into_iter().enumerate() {
            let here = |model: &[(i64, i64)]| model.get(at as usize % model.len().max(1)).map(|(key, _)| *key);
            let (insert, number) = match step {
                0..=19 if !ordered => (true, start.wrapping_add(i64::from(at % 128))),
                0..=19 => {
                    next = next.wrapping_add(1);
                    (true, next)
                }
                20..=24 => (false, model.first().map_or(start, |(key, _)| *key)),
                25..=29 => {
                    let last = model.last().map_or(start, |(key, _)| *key);
                    if step == 25 {
                        next = last.wrapping_sub(1);
                    }
                    (false, last)
                }
                30 => (false, here(&model).unwrap_or(start)),
                31 | 32 => (true, here(&model).unwrap_or(start)),
                33 if at < 30 => (true, i64::from(at)),
                34 if at < 30 => (true, 0x7000 + i64::from(at % 8)),
                35 if at < 30 => {
                    next = next.wrapping_add(5);
                    (true, next)
                }
                36 if at < 60 => {
                    let keys = model.iter().map(|(key, _)| *key).collect();
                    snapshots.push((dict.snapshot().unwrap(), keys));
                    continue;
                }
                37 if at < 20 => {
                    dict.clear();
                    set.clear();
                    model.clear();
                    continue;
                }
                38 if at < 20 => {
                    while let Some((number, _)) = model.pop() {
                        dict.remove(&key(number)).unwrap();
                        set.remove(&key(number)).unwrap();
                    }
                    continue;
                }
                _ => {
                    drop(snapshots.pop());
                    continue;
                }
            };
            let known = model.iter().position(|(known, _)| *known == number);
            if insert {
                let old = dict.insert(key(number), Value::Int(turn as i64)).unwrap();
                prop_assert_eq!(set.add(key(number)).unwrap(), known.is_none());
                prop_assert_eq!(old.and_then(|old| old.as_int()), known.map(|at| model[at].1));
                match known {
                    Some(at) => model[at].1 = turn as i64,
                    None => model.push((number, turn as i64)),
                }
            } else {
                let old = dict.remove(&key(number)).unwrap();
                prop_assert_eq!(set.remove(&key(number)).unwrap(), known.is_some());
                prop_assert_eq!(old.and_then(|old| old.as_int()), known.map(|at| model.remove(at).1));
            }
            for absent in [number.wrapping_add(1), number.wrapping_sub(1), 0x7003, 0x7005, 0] {
                let known = model.iter().find(|(known, _)| *known == absent).map(|(_, value)| *value);
                prop_assert_eq!(dict.get(&key(absent)).map(|raw| raw.as_int()), known);
                prop_assert_eq!(set.contains(&key(absent)), known.is_some());
            }
        }
        prop_assert_eq!(dict.len(), model.len());
        prop_assert_eq!(set.len(), model.len());
        for ((found, value), (number, expected)) in contents(&dict).iter().zip(&model) {
            prop_assert!(aether_value::equal(found, &key(*number)) && found.tag() == key(*number).tag());
            prop_assert_eq!(value.as_int(), Some(*expected));
            prop_assert_eq!(dict.get(&key(*number)).map(|raw| raw.as_int()), Some(*expected));
            prop_assert!(set.contains(&key(*number)));
        }
        for (table, keys) in &snapshots {
            let found: Vec<_> = table.iter().map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(found.len(), keys.len());
            for (found, number) in found.iter().zip(keys) {
                prop_assert!(aether_value::equal(found, &key(*number)));
            }
        }
        drop((snapshots, dict, set));
        heap.teardown();
        prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    }

    #[test]
    fn sets_are_ordered_lists_of_elements(steps in steps()) {
        let heap = heap();
        let set = heap.set().unwrap();
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(number, _) => {
                    let new = !model.iter().any(|known| key_name(*known) == key_name(number));
                    prop_assert_eq!(set.add(key(&heap, number)).unwrap(), new);
                    if new {
                        model.push(number);
                    }
                }
                Step::Remove(number) => {
                    let known = model.iter().position(|known| key_name(*known) == key_name(number));
                    prop_assert_eq!(set.remove(&key(&heap, number)).unwrap(), known.is_some());
                    known.map(|at| model.remove(at));
                }
                Step::Snapshot | Step::Forget => {}
                Step::Clear => {
                    set.clear();
                    model.clear();
                }
            }
        }
        prop_assert_eq!(set.len(), model.len());
        for number in &model {
            prop_assert!(set.contains(&key(&heap, *number)));
        }
        let mut position = 0;
        for number in &model {
            let (next, element) = set.item_at(position).unwrap();
            prop_assert!(aether_value::equal(&value(element), &key(&heap, *number)));
            position = next;
        }
        prop_assert!(set.item_at(position).is_none());
        drop(set);
        heap.teardown();
        prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    }

    #[test]
    fn arrays_are_vectors(steps in prop::collection::vec((0..12_u8, any::<u8>()), 0..300)) {
        let heap = heap();
        let array = heap.array(0).unwrap();
        let mut model: Vec<i64> = Vec::new();
        let mut snapshots = Vec::new();
        for (operation, number) in steps {
            let item = text(&heap, &number.to_string());
            let number = i64::from(number);
            let index = if model.is_empty() { 0 } else { number as usize % model.len() };
            match operation {
                0..4 => {
                    array.push(item).unwrap();
                    model.push(number);
                }
                4 => {
                    let last = array.pop().unwrap();
                    prop_assert_eq!(last.map(|last| show(&heap, &last)), model.pop().map(|last| last.to_string()));
                }
                5 => {
                    array.insert(index, item).unwrap();
                    model.insert(index, number);
                }
                6 if !model.is_empty() => {
                    let old = array.remove(index).unwrap();
                    prop_assert_eq!(show(&heap, &old), model.remove(index).to_string());
                }
                7 if !model.is_empty() => {
                    let old = array.set(index, item).unwrap();
                    prop_assert_eq!(show(&heap, &old), std::mem::replace(&mut model[index], number).to_string());
                }
                8 => {
                    array.truncate(index).unwrap();
                    model.truncate(index);
                }
                9 => snapshots.push((array.snapshot().unwrap(), model.clone())),
                10 => drop(snapshots.pop()),
                _ => {
                    array.extend(&[item.clone(), item]).unwrap();
                    model.extend([number, number]);
                }
            }
            prop_assert_eq!(array.len(), model.len());
        }
        let shown = |items: &[i64]| format!("[{}]", items.iter().map(i64::to_string).collect::<Vec<_>>().join(", "));
        prop_assert_eq!(show(&heap, &array.clone().into()), shown(&model));
        for (buffer, items) in snapshots {
            let copy = heap.array_from_buffer(buffer).unwrap();
            prop_assert_eq!(show(&heap, &copy.into()), shown(&items));
        }
        drop(array);
        prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    }

    #[test]
    fn a_refused_charge_changes_nothing(limit in 0_usize..3000, count in 1_i64..60) {
        let heap = limited(limit);
        let build = || -> Result<Collections, aether_value::Raise> {
            Ok((heap.array(0)?, heap.dict()?, heap.set()?))
        };
        let Ok((array, dict, set)) = build() else {
            prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
            return Ok(());
        };
        for number in 0..count {
            let (lengths, live) = ((array.len(), dict.len(), set.len()), heap.live_bytes());
            prop_assert!(live <= limit);
            if array.push(Value::Int(number)).is_err() {
                prop_assert_eq!((array.len(), heap.live_bytes()), (lengths.0, live));
            }
            let live = heap.live_bytes();
            if let Err(raise) = dict.insert(Value::Int(number), Value::Null) {
                prop_assert_eq!(raise.kind(), aether_value::ErrorKind::OutOfMemory);
                prop_assert_eq!(dict.len(), lengths.1);
                prop_assert!(dict.get(&Value::Int(number)).is_none());
                prop_assert!(heap.live_bytes() <= limit, "{} {live}", heap.live_bytes());
            }
            if set.add(Value::Int(number)).is_err() {
                prop_assert!(!set.contains(&Value::Int(number)));
            }
            prop_assert!(heap.live_bytes() <= limit);
        }
        drop((array, dict, set));
        prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    }
}

#[test]
fn keys_differ_by_type_and_zeros_and_nans_are_one() {
    let heap = heap();
    let set = heap.set().unwrap();
    for element in [
        Value::Int(1),
        Value::Float(1.0),
        text(&heap, "1"),
        Value::Bool(true),
        Value::Null,
    ] {
        assert!(set.add(element).unwrap());
    }
    assert!(set.add(Value::Float(0.0)).unwrap());
    assert!(!set.add(Value::Float(-0.0)).unwrap());
    assert!(set.add(Value::Float(f64::NAN)).unwrap());
    assert!(!set.add(Value::Float(-f64::NAN)).unwrap());
    assert!(set.add(Value::Int(0)).unwrap());
    assert_eq!(set.len(), 8);
}

#[test]
fn enum_values_are_keys_by_variant_and_payload() {
    let heap = heap();
    let variants = vec![
        (name(&heap, "A"), vec![name(&heap, "x")]),
        (name(&heap, "B"), vec![]),
    ];
    let def = heap.enum_def(&name(&heap, "E"), variants).unwrap();
    let a = |payload| Value::from(heap.enum_value(&def, 0, vec![payload]).unwrap());
    let b = || heap.enum_value(&def, 1, vec![]).unwrap();
    assert!(Rc::ptr_eq(&b(), &b()) || Rc::count(&b()) == 1);
    let held = b();
    assert!(Rc::ptr_eq(&held, &b()));
    let dict = heap.dict().unwrap();
    dict.insert(a(Value::Int(1)), Value::Int(10)).unwrap();
    dict.insert(a(Value::Float(1.0)), Value::Int(20)).unwrap();
    dict.insert(held.into(), Value::Int(30)).unwrap();
    dict.insert(a(a(text(&heap, "in"))), Value::Int(40)).unwrap();
    let look = |key: &Value| dict.get(key).map(|raw| raw.as_int());
    assert_eq!(look(&a(Value::Int(1))), Some(10));
    assert_eq!(look(&a(Value::Float(1.0))), Some(20));
    assert_eq!(look(&b().into()), Some(30));
    assert_eq!(look(&a(a(text(&heap, "in")))), Some(40));
    assert_eq!(look(&a(a(text(&heap, "out")))), None);
    let bad = a(heap.array(0).unwrap().into());
    let raise = dict.insert(bad, Value::Null).unwrap_err();
    assert_eq!(
        raise.message(),
        "Type error: expected hashable type (int, float, string, bool, null), got E.A (not hashable)"
    );
    assert_eq!(dict.len(), 4);
}

#[test]
fn a_dict_used_as_a_queue_stays_small_and_quick() {
    let heap = heap();
    let dict = heap.dict().unwrap();
    for number in 0..100_i64 {
        dict.insert(Value::Int(number), Value::Null).unwrap();
    }
    let live = heap.live_bytes();
    for number in 100..200_000_i64 {
        dict.insert(Value::Int(number), Value::Null).unwrap();
        let (_, first, _) = dict.entry_at(0).unwrap();
        assert_eq!(first.as_int(), number - 100);
        let first = value(first);
        dict.remove(&first).unwrap();
    }
    assert!(heap.live_bytes() <= live * 3, "{} {live}", heap.live_bytes());
}

#[test]
fn an_entry_is_read_and_written_with_one_hash() {
    let heap = heap();
    let dict = heap.dict().unwrap();
    for number in 0..100_i64 {
        dict.insert(text(&heap, &number.to_string()), Value::Int(0))
            .unwrap();
    }
    let snapshot = dict.snapshot().unwrap();
    let entry = dict.entry(&text(&heap, "50")).unwrap();
    // The write copies the table; the entry stays the same.
    assert_eq!(dict.set_value_at(entry, Value::Int(5)).unwrap().as_int(), Some(0));
    assert_eq!(dict.value_at(entry).as_int(), 5);
    assert_eq!(dict.get_str("50").unwrap().as_int(), 5);
    assert_eq!(dict.get_text(&name(&heap, "50")).unwrap().as_int(), 5);
    assert_eq!(snapshot.value_at(entry).as_int(), 0);
}

#[test]
fn dicts_are_equal_in_any_order_and_sets_too() {
    let heap = heap();
    let build = |numbers: &[i64]| {
        let (dict, set): (Rc<Dict>, Rc<Set>) = (heap.dict().unwrap(), heap.set().unwrap());
        for &number in numbers {
            let inner = heap.array_from(vec![Value::Int(number)]).unwrap();
            dict.insert(Value::Int(number), inner.into()).unwrap();
            set.add(Value::Int(number)).unwrap();
        }
        (Value::from(dict), Value::from(set))
    };
    let (left, right) = (build(&[1, 2, 3]), build(&[3, 1, 2]));
    assert!(deep_equals(&left.0, &right.0) && deep_equals(&left.1, &right.1));
    let other = build(&[1, 2, 4]);
    assert!(!deep_equals(&left.0, &other.0) && !deep_equals(&left.1, &other.1));
    assert_eq!(show(&heap, &right.0), "{3: [3], 1: [1], 2: [2]}");
    assert_eq!(show(&heap, &build(&[2, 10, 1]).1), "set(1, 10, 2)");
}

#[test]
fn the_size_of_a_value_is_what_it_adds() {
    let heap = heap();
    let before = heap.live_bytes();
    let array = heap.array(0).unwrap();
    let dict = heap.dict().unwrap();
    for number in 0..1000 {
        array.push(Value::Int(number)).unwrap();
        dict.insert(Value::Int(number), Value::Null).unwrap();
    }
    let (array, dict) = (Value::from(array), Value::from(dict));
    assert!(heap.weak_to(&array).unwrap().is_some());
    assert_eq!(
        heap.size_of(&array) + heap.size_of(&dict),
        heap.live_bytes() - before
    );
    assert_eq!(heap.size_of(&Value::Int(1)), 0);
}

#[test]
fn impossible_sizes_are_errors() {
    let heap = heap();
    for size in [usize::MAX, usize::MAX / 16, 1 << 40, 1 << 31] {
        let raise = heap.array(size).unwrap_err();
        assert_eq!(raise.kind(), aether_value::ErrorKind::OutOfMemory);
    }
    assert!(heap.charge(usize::MAX).is_err());
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
}

#[test]
fn the_peak_is_exact() {
    let heap = heap();
    let mut model = 0;
    let mut held = Vec::new();
    let mut seed = 7_u32;
    for turn in 0..20_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if seed >> 16 & 3 != 0 || held.is_empty() {
            held.push(heap.string(&"x".repeat(seed as usize >> 22)).unwrap());
        } else {
            held.swap_remove(seed as usize % held.len());
        }
        model = model.max(heap.live_bytes());
        if turn % 5000 == 4999 {
            assert_eq!(heap.peak_bytes(), model);
            heap.reset_peak();
            model = heap.live_bytes();
            held.truncate(held.len() / 4);
            assert_eq!(heap.peak_bytes(), model);
        }
    }
    assert_eq!(heap.peak_bytes(), model);
}

/// A large index grows while entries come and go; whatever happens meanwhile, every key is found.
#[test]
fn a_large_table_grows_by_and_by() {
    const OPERATIONS: usize = if cfg!(miri) { 2_000 } else { 400_000 };
    for with_strings in [true, false] {
        let heap = heap();
        let (dict, set) = (heap.dict().unwrap(), heap.set().unwrap());
        let mut model: HashMap<i64, i64> = HashMap::new();
        let mut order: Vec<i64> = Vec::new();
        let mut copies = Vec::new();
        let mut random = Random(99);
        let mut below = |end| random.below(end);
        // Ints so far apart that they are hashed.
        let key = |number: i64| -> Value {
            if with_strings {
                text(&heap, &number.to_string())
            } else {
                Value::Int(number * 1_000_003)
            }
        };
        for operation in 0..OPERATIONS {
            let number = below(1_000_000) as i64;
            match below(20) {
                0 if !order.is_empty() => {
                    // One of the last ones or any one: the end of a table is a case of its own.
                    let at = order.len() - 1 - below(order.len().min(3));
                    let at = if below(2) == 0 { at } else { below(order.len()) };
                    let gone = order.swap_remove(at);
                    let value = dict.remove(&key(gone)).unwrap().unwrap();
                    assert_eq!(value.as_int(), model.remove(&gone));
                    assert!(set.remove(&key(gone)).unwrap());
                }
                1 if !order.is_empty() => {
                    let known = order[below(order.len())];
                    let value = dict.get_value(&key(known)).and_then(|value| value.as_int());
                    assert_eq!(value, model.get(&known).copied(), "at {operation}");
                    assert!(set.contains(&key(known)));
                    assert_eq!(dict.get(&key(number)).is_some(), model.contains_key(&number));
                }
                2 if below(10_000) == 0 => copies.push((heap.set_copy(&set).unwrap(), model.len())),
                _ => {
                    let old = dict.insert(key(number), Value::Int(number)).unwrap();
                    assert_eq!(old.is_some(), model.insert(number, number).is_some());
                    assert_eq!(set.add(key(number)).unwrap(), old.is_none());
                    if old.is_none() {
                        order.push(number);
                    }
                }
            }
        }
        assert_eq!((dict.len(), set.len()), (model.len(), model.len()));
        for number in &order {
            assert!(dict.get(&key(*number)).is_some() && set.contains(&key(*number)));
        }
        for (copy, len) in &copies {
            assert_eq!(copy.len(), *len);
        }
        drop((dict, set, copies));
        heap.teardown();
        assert_eq!((heap.live_objects(), heap.live_bytes()), (0, 0));
    }
}

/// When there is no memory for a larger index, nothing is lost.
#[test]
fn a_large_table_survives_the_refusal_of_its_growth() {
    let heap = heap();
    let dict = heap.dict().unwrap();
    let mut refused = 0;
    let mut count = 0;
    while count < 200_000 {
        let key = text(&heap, &format!("key {count}"));
        heap.set_limit(Some(heap.live_bytes() + 150_000));
        let result = dict.insert(key.clone(), Value::Int(count));
        heap.set_limit(None);
        if let Err(raise) = result {
            assert_eq!(raise.kind(), ErrorKind::OutOfMemory);
            refused += 1;
            assert!(dict.insert(key, Value::Int(count)).unwrap().is_none());
        }
        count += 1;
    }
    assert!(refused > 3, "{refused}");
    for number in 0..count {
        let value = dict.get_value(&text(&heap, &format!("key {number}")));
        assert_eq!(value.and_then(|value| value.as_int()), Some(number));
    }
}
