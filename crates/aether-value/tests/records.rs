//! Records: dicts that share a shape behave as tables do, whatever becomes of them.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use aether_value::{Dict, Heap, HeapConfig, MOST_KEYS, Raise, Rc, Str, Value};
use common::heap;
use proptest::prelude::*;

/// What a dict has to hold: keys and values in order.
type Model = Vec<(String, i64)>;

fn text(heap: &Heap, text: &str) -> Value {
    heap.string(text).unwrap().into()
}

fn contents(dict: &Dict) -> Model {
    let name = |key: &Value| match key {
        Value::String(text) => text.as_str().to_owned(),
        key => key.as_int().unwrap().to_string(),
    };
    dict.iter()
        .map(|(key, value)| (name(key), value.as_int().unwrap()))
        .collect()
}

fn check(heap: &Heap, dict: &Dict, model: &Model) {
    assert_eq!(&contents(dict), model);
    assert_eq!(dict.len(), model.len());
    for (at, (key, value)) in model.iter().enumerate() {
        if key.starts_with('k') {
            assert_eq!(dict.get_str(key).map(|raw| raw.as_int()), Some(*value));
            let fresh = text(heap, key);
            let entry = dict.entry(&fresh).expect("the key is there");
            assert_eq!(dict.value_at(entry).as_int(), *value);
            assert!(dict.entry_at(at).is_some());
        }
    }
    assert!(dict.get_str("missing").is_none());
}

#[derive(Clone, Debug)]
enum Step {
    /// Of a dict, a key, whether the string is made anew, and a value.
    Set(u8, u8, bool, i64),
    Remove(u8, u8),
    Copy(u8, u8),
    Clear(u8),
    Int(u8, i64),
    Snapshot(u8),
    Forget,
    New(u8),
    Literal(u8, u8),
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (0..6_u8, 0..90_u8, any::<bool>(), any::<i64>()).prop_map(|(a, b, c, d)| Step::Set(a, b, c, d)),
        20 => (0..6_u8, 0..5_u8, any::<bool>(), any::<i64>()).prop_map(|(a, b, c, d)| Step::Set(a, b, c, d)),
        2 => (0..6_u8, 0..6_u8).prop_map(|(a, b)| Step::Remove(a, b)),
        2 => (0..6_u8, 0..6_u8).prop_map(|(a, b)| Step::Copy(a, b)),
        1 => (0..6_u8).prop_map(Step::Clear),
        1 => (0..6_u8, 0..4_i64).prop_map(|(a, b)| Step::Int(a, b)),
        2 => (0..6_u8).prop_map(Step::Snapshot),
        1 => Just(Step::Forget),
        3 => (0..6_u8).prop_map(Step::New),
        3 => (0..6_u8, 0..12_u8).prop_map(|(a, b)| Step::Literal(a, b)),
        1 => Just(Step::Collect),
    ];
    prop::collection::vec(step, 0..300)
}

struct World {
    heap: Heap,
    names: Vec<Value>,
    dicts: Vec<(Rc<Dict>, Model)>,
    snapshots: Vec<(Rc<Dict>, Model)>,
}

impl World {
    fn new(heap: Heap) -> Result<Self, Raise> {
        let names = (0..90)
            .map(|number| Ok(heap.intern(&format!("k{number}"))?.into()))
            .collect::<Result<_, Raise>>()?;
        let dicts = (0..6)
            .map(|_| Ok((heap.dict()?, Model::new())))
            .collect::<Result<_, Raise>>()?;
        Ok(Self {
            heap,
            names,
            dicts,
            snapshots: Vec::new(),
        })
    }

    /// Does a step to dicts and models alike; after an error neither has changed.
    fn step(&mut self, step: &Step) -> Result<(), Raise> {
        let heap = self.heap.clone();
        match *step {
            Step::Set(at, key, fresh, new) => {
                let name = format!("k{key}");
                let key = if fresh {
                    heap.string(&name)?.into()
                } else {
                    self.names[key as usize].clone()
                };
                let (dict, model) = &mut self.dicts[at as usize];
                let old = dict.insert(key, Value::Int(new))?;
                if let Some((_, value)) = model.iter_mut().find(|(known, _)| *known == name) {
                    assert_eq!(old.unwrap().as_int(), Some(*value));
                    *value = new;
                } else {
                    assert!(old.is_none());
                    model.push((name, new));
                }
            }
            Step::Remove(at, key) => {
                let (dict, model) = &mut self.dicts[at as usize];
                let old = dict.remove(&self.names[key as usize])?;
                let known = model.iter().position(|(known, _)| *known == format!("k{key}"));
                assert_eq!(
                    old.and_then(|old| old.as_int()),
                    known.map(|at| model.remove(at).1)
                );
            }
            Step::Copy(from, to) => {
                let copy = heap.dict_copy(&self.dicts[from as usize].0)?;
                self.dicts[to as usize] = (copy, self.dicts[from as usize].1.clone());
            }
            Step::Clear(at) => {
                let (dict, model) = &mut self.dicts[at as usize];
                dict.clear();
                model.clear();
            }
            Step::Int(at, key) => {
                let (dict, model) = &mut self.dicts[at as usize];
                dict.insert(Value::Int(key), Value::Int(key))?;
                if !model.iter().any(|(known, _)| *known == key.to_string()) {
                    model.push((key.to_string(), key));
                }
            }
            Step::Snapshot(at) => {
                let (dict, model) = &self.dicts[at as usize];
                self.snapshots.push((dict.snapshot()?, model.clone()));
            }
            Step::Forget => drop(self.snapshots.pop()),
            Step::New(at) => self.dicts[at as usize] = (heap.dict()?, Model::new()),
            Step::Literal(at, count) => {
                let names: Vec<Rc<Str>> = self.names[..count as usize]
                    .iter()
                    .map(|name| match name {
                        Value::String(name) => name.clone(),
                        _ => unreachable!("all are strings"),
                    })
                    .collect();
                let mut values: Vec<Value> = (0..i64::from(count)).map(Value::Int).collect();
                let Some(shape) = heap.record_shape(&names) else {
                    return Ok(());
                };
                let dict = heap.record_of(&shape, &mut values)?;
                let model = (0..i64::from(count))
                    .map(|value| (format!("k{value}"), value))
                    .collect();
                self.dicts[at as usize] = (dict, model);
            }
            Step::Collect => drop(heap.collect()),
        }
        Ok(())
    }

    fn check(&self) {
        for (dict, model) in self.dicts.iter().chain(&self.snapshots) {
            check(&self.heap, dict, model);
        }
    }

    /// Ends it and gives what is still charged, and alive.
    fn end(self) -> (usize, usize) {
        let heap = self.heap.clone();
        drop(self);
        heap.teardown();
        (heap.live_bytes(), heap.live_objects())
    }
}

proptest! {
    #[test]
    fn records_and_tables_are_one(steps in steps(), records in any::<bool>()) {
        let heap = Heap::new(HeapConfig { records, auto_collect: false, ..HeapConfig::default() });
        let mut world = World::new(heap).unwrap();
        for step in &steps {
            world.step(step).unwrap();
        }
        world.check();
        prop_assert_eq!(world.end(), (0, 0));
    }
}

#[test]
fn every_charge_of_every_transition_can_be_refused() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut steps: Vec<Step> = Vec::new();
    for number in 0..80 {
        steps.push(Step::Set(0, number, number % 3 == 0, i64::from(number)));
    }
    for _ in 0..300 {
        let (at, key) = (random.u8(0..6), random.u8(0..12));
        steps.push(match random.u8(0..16) {
            0 => Step::Remove(at, key),
            1 => Step::Copy(at, random.u8(0..6)),
            2 => Step::Clear(at),
            3 => Step::Int(at, 1),
            4 => Step::Snapshot(at),
            5 => Step::Forget,
            6 => Step::New(at),
            7 => Step::Literal(at, key),
            _ => Step::Set(at, key, key % 2 == 0, 7),
        });
    }
    let mut number = 1;
    loop {
        let heap = Heap::new(HeapConfig {
            fail_charge: Some(number),
            seed: Some(5),
            auto_collect: false,
            ..HeapConfig::default()
        });
        let past_the_end = match World::new(heap.clone()) {
            Ok(mut world) => {
                for step in &steps {
                    // A refused step has changed nothing, and the next ones go on.
                    drop(world.step(step));
                }
                let past_the_end = heap.charges() < number;
                heap.set_stress(0, None);
                world.check();
                assert_eq!(world.end(), (0, 0), "charge {number}");
                past_the_end
            }
            Err(_) => false,
        };
        if past_the_end {
            break;
        }
        number += 1;
    }
    assert!(number > 300, "{number}");
}

#[test]
fn equal_keys_in_equal_order_share_one_shape() {
    let heap = heap();
    let make = |keys: &[&str]| {
        let dict = heap.dict().unwrap();
        for key in keys {
            dict.insert(text(&heap, key), Value::Null).unwrap();
        }
        dict
    };
    let (one, other, turned) = (make(&["a", "b"]), make(&["a", "b"]), make(&["b", "a"]));
    assert_eq!(one.shape_id(), other.shape_id());
    assert_ne!(one.shape_id(), turned.shape_id());
    let copy = heap.dict_copy(&one).unwrap();
    assert_eq!(copy.shape_id(), one.shape_id());
    one.remove(&text(&heap, "a")).unwrap();
    assert!(one.shape().is_none());
    assert!(other.shape().is_some());
}

#[test]
fn a_million_shapes_meet_a_bound() {
    let heap = heap();
    let mut kept = Vec::new();
    for number in 0..100_000 {
        let dict = heap.dict().unwrap();
        for part in 0..3 {
            dict.insert(text(&heap, &format!("{number}.{part}")), Value::Null)
                .unwrap();
        }
        if number % 1000 == 0 {
            kept.push(dict);
        }
    }
    let shapes = heap.objects_by_type().shapes;
    assert!(shapes < 10_000, "{shapes} shapes");
    // What is alike goes on being records.
    let alike: Vec<Rc<Dict>> = (0..100_000)
        .map(|_| {
            let dict = heap.dict().unwrap();
            dict.insert(text(&heap, "alike"), Value::Null).unwrap();
            dict
        })
        .collect();
    assert!(alike.last().unwrap().shape().is_some());
    drop((kept, alike));
    heap.collect();
    assert_eq!(heap.objects_by_type().shapes, 0);
    heap.teardown();
    assert_eq!(heap.live_bytes(), 0);
}

#[test]
fn a_record_ends_at_the_bound() {
    let heap = heap();
    let name = |number: usize| Value::from(heap.intern(&format!("key {number}")).unwrap());
    let dict = heap.dict().unwrap();
    for number in 0..MOST_KEYS {
        dict.insert(name(number), Value::Null).unwrap();
        assert!(dict.shape().is_some(), "{number}");
    }
    dict.insert(name(MOST_KEYS), Value::Null).unwrap();
    assert!(dict.shape().is_none());
    assert_eq!(dict.len(), MOST_KEYS + 1);
    dict.clear();
    dict.insert(text(&heap, "again"), Value::Null).unwrap();
    assert!(dict.shape().is_some());
    // Keys that are made as they come are those of a map: there are fewer of them in a record.
    let map = heap.dict().unwrap();
    for number in 0..MOST_KEYS {
        map.insert(text(&heap, &format!("made {number}")), Value::Null)
            .unwrap();
    }
    assert!(map.shape().is_none());
    assert_eq!(map.len(), MOST_KEYS);
}
