//! What crosses is what was sent, in form, sharing and depth.

use super::{Message, MessageTypes, NoTypes};
use crate::{EnumDef, ErrorKind, Heap, HeapConfig, Raise, Rc, StructDef, Value, deep_equals, display_text};

fn heap() -> Heap {
    Heap::new(HeapConfig::default())
}

fn sent(from: &Heap, value: &Value, to: &Heap) -> Result<Value, Raise> {
    sent_to(from, value, to, &NoTypes)
}

fn sent_to(from: &Heap, value: &Value, to: &Heap, types: &dyn MessageTypes) -> Result<Value, Raise> {
    let message = Message::of(from, value, &mut |_| Ok(()))?;
    let message = std::thread::spawn(move || message).join().unwrap();
    message.build(to, types, &mut |_| Ok(()))
}

fn text(heap: &Heap, value: &Value) -> String {
    display_text(heap, value).unwrap().as_str().to_owned()
}

fn string(heap: &Heap, text: &str) -> Value {
    Value::String(heap.string(text).unwrap())
}

/// A value of every kind that needs no types, `depth` levels of it.
fn sample(heap: &Heap, seed: &mut u64, depth: usize) -> Value {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let draw = (*seed >> 33) as usize;
    if depth == 0 {
        return match draw % 7 {
            0 => Value::Null,
            1 => Value::Bool(draw % 2 == 0),
            2 => Value::Int(draw as i64 - 1000),
            3 => Value::Float(draw as f64 / 7.0),
            4 => string(heap, &"é".repeat(draw % 50)),
            5 => string(heap, &"long ".repeat(40)),
            _ => Value::Array(heap.array(0).unwrap()),
        };
    }
    let count = draw % 6;
    match (draw / 8) % 6 {
        0 | 1 => {
            let array = heap.array(0).unwrap();
            for _ in 0..count {
                array.push(sample(heap, seed, depth - 1)).unwrap();
            }
            Value::Array(array)
        }
        2 => {
            let dict = heap.dict().unwrap();
            for key in 0..count {
                let key = Value::String(heap.intern(&format!("key{key}")).unwrap());
                dict.insert(key, sample(heap, seed, depth - 1)).unwrap();
            }
            Value::Dict(dict)
        }
        3 => {
            let dict = heap.dict().unwrap();
            for key in 0..count {
                dict.insert(Value::Int(key as i64), sample(heap, seed, depth - 1))
                    .unwrap();
            }
            Value::Dict(dict)
        }
        4 => {
            let set = heap.set().unwrap();
            for element in 0..count {
                set.add(Value::Int(element as i64)).unwrap();
            }
            Value::Set(set)
        }
        _ => {
            let array = heap.array(0).unwrap();
            for number in 0..count * 3 {
                array.push(Value::Int(number as i64)).unwrap();
            }
            Value::Array(array)
        }
    }
}

#[test]
fn what_arrives_equals_what_was_sent() {
    for seed in 0..2000 {
        let (from, to) = (heap(), heap());
        let mut state = seed;
        let value = sample(&from, &mut state, (seed % 6) as usize);
        let before = to.live_bytes();
        let arrived = sent(&from, &value, &to).unwrap();
        assert_eq!(text(&from, &value), text(&to, &arrived), "seed {seed}");
        drop(arrived);
        // Shapes that nothing uses any more.
        to.collect();
        assert_eq!(
            to.live_objects(),
            0,
            "{:?} {}",
            to.stats()
                .kinds
                .iter()
                .map(|k| (k.name.to_owned(), k.count))
                .collect::<Vec<_>>(),
            text(&from, &value)
        );
        assert_eq!(to.live_bytes(), before, "seed {seed}");
    }
}

#[test]
fn sharing_and_cycles_are_kept() {
    let (from, to) = (heap(), heap());
    let shared = from.array_from_slice(&[Value::Int(1), Value::Null]).unwrap();
    let dict = from.dict().unwrap();
    dict.insert(string(&from, "self"), Value::Dict(dict.clone()))
        .unwrap();
    dict.insert(string(&from, "a"), Value::Array(shared.clone()))
        .unwrap();
    dict.insert(string(&from, "b"), Value::Array(shared.clone()))
        .unwrap();
    shared.set(1, Value::Array(shared.clone())).unwrap();
    let value = Value::Dict(dict.clone());
    let arrived = sent(&from, &value, &to).unwrap();
    let Value::Dict(copy) = &arrived else {
        panic!("a dict")
    };
    let [own, a, b] = ["self", "a", "b"].map(|key| copy.get_str_value(key).unwrap());
    assert!(own.same(&arrived) && a.same(&b));
    let Value::Array(a) = a else { panic!("an array") };
    assert!(a.get_value(1).unwrap().same(&Value::Array(a.clone())));
    a.set(0, Value::Int(7)).unwrap();
    let Value::Array(b) = b else { panic!("an array") };
    assert_eq!(b.get_value(0).unwrap().as_int(), Some(7));
    // The cycles end with the heaps.
    shared.clear();
    dict.clear();
    a.clear();
    copy.clear();
}

#[test]
fn depth_is_no_limit() {
    let (from, to) = (heap(), heap());
    for share in [false, true] {
        let mut value = Value::Int(0);
        let mut kept = Vec::new();
        for _ in 0..1_000_000 {
            let array = from.array_of(&mut [value]).unwrap();
            if share {
                kept.push(array.clone());
            }
            value = Value::Array(array);
        }
        let arrived = sent(&from, &value, &to).unwrap();
        assert!(deep_equals(&value, &arrived));
    }
}

struct Types(Rc<StructDef>, Rc<EnumDef>);

impl MessageTypes for Types {
    fn struct_def(&self, name: &str) -> Option<Rc<StructDef>> {
        (name == self.0.name().as_str()).then(|| self.0.clone())
    }

    fn enum_def(&self, name: &str) -> Option<Rc<EnumDef>> {
        (name == self.1.name().as_str()).then(|| self.1.clone())
    }
}

fn types(heap: &Heap, fields: &[&str], variants: &[&str]) -> Types {
    let name = |text: &str| heap.intern(text).unwrap();
    let fields: Vec<Rc<crate::Str>> = fields.iter().map(|field| name(field)).collect();
    let variants = variants
        .iter()
        .map(|variant| {
            (
                name(variant),
                if *variant == "Leaf" {
                    vec![]
                } else {
                    vec![name("of")]
                },
            )
        })
        .collect();
    Types(
        heap.struct_def(&name("Point"), &fields, Vec::new()).unwrap(),
        heap.enum_def(&name("Tree"), variants).unwrap(),
    )
}

#[test]
fn instances_and_enum_values_find_their_types() {
    let (from, to) = (heap(), heap());
    let here = types(&from, &["x", "y"], &["Leaf", "Node"]);
    let there = types(&to, &["y", "x"], &["Node", "Leaf"]);
    let point = from.instance(&here.0).unwrap();
    point.set_slot(0, Value::Int(1));
    point.set_slot(1, Value::Instance(point.clone()));
    let extra = from.intern("extra").unwrap();
    point.set_extra_field(&extra, string(&from, "more")).unwrap();
    let leaf = Value::EnumValue(from.enum_value(&here.1, 0, vec![]).unwrap());
    let node = from.enum_value(&here.1, 1, vec![leaf.clone()]).unwrap();
    let value = Value::Array(
        from.array_from_slice(&[Value::Instance(point.clone()), leaf, Value::EnumValue(node)])
            .unwrap(),
    );
    let arrived = sent_to(&from, &value, &to, &there).unwrap();
    let Value::Array(items) = &arrived else {
        panic!("an array")
    };
    let Some(Value::Instance(copy)) = items.get_value(0) else {
        panic!("an instance")
    };
    let field = |name: &str| copy.field(&to.intern(name).unwrap()).unwrap();
    assert_eq!(field("x").as_int(), Some(1));
    assert!(field("y").same(&Value::Instance(copy.clone())));
    assert_eq!(text(&to, &field("extra")), "more");
    assert_eq!(text(&to, &items.get_value(2).unwrap()), "Tree.Node(Tree.Leaf)");
    point.set_slot(1, Value::Null);
    copy.set_slot(0, Value::Null);
    let unknown = sent(&from, &value, &to).unwrap_err();
    assert_eq!(unknown.message(), "The receiver knows no struct 'Point'");
    let other = types(&to, &["x"], &["Leaf", "Node"]);
    let refused = sent_to(&from, &value, &to, &other).unwrap_err();
    assert_eq!(
        refused.message(),
        "Invalid operation: struct 'Point' has other fields in the receiver"
    );
}

#[test]
fn errors_arrive_and_what_cannot_go_is_named() {
    let (from, to) = (heap(), heap());
    let raise = Raise::thrown(Value::Int(3), "three".to_owned());
    let error = from.error(raise).unwrap();
    error.set_line(12);
    let value = Value::Array(
        from.array_from_slice(&[Value::Error(error.clone()), Value::Error(error)])
            .unwrap(),
    );
    let arrived = sent(&from, &value, &to).unwrap();
    let Value::Array(items) = arrived else {
        panic!("an array")
    };
    let Some(Value::Error(copy)) = items.get_value(1) else {
        panic!("an error")
    };
    assert_eq!(
        (copy.message().as_str(), copy.line(), copy.kind()),
        ("three", 12, ErrorKind::Thrown)
    );
    assert!(items.get_value(0).unwrap().same(&Value::Error(copy)));
    let promise = Value::Promise(from.promise(crate::PromiseState::External).unwrap());
    let value = Value::Array(from.array_from_slice(&[promise]).unwrap());
    let refused = sent(&from, &value, &to).unwrap_err();
    assert_eq!(refused.message(), "Cannot send promise to a worker");
}

#[test]
fn what_is_refused_leaves_nothing() {
    let from = heap();
    let mut seed = 5;
    let value = sample(&from, &mut seed, 5);
    let message = Message::of(&from, &value, &mut |_| Ok(())).unwrap();
    let held = from.live_bytes();
    for charge in 1..200 {
        let to = Heap::new(HeapConfig {
            fail_charge: Some(charge as u64),
            ..HeapConfig::default()
        });
        if message.build(&to, &NoTypes, &mut |_| Ok(())).is_err() {
            to.collect();
            assert_eq!(
                to.live_objects(),
                0,
                "charge {charge}: {:?}",
                to.stats()
                    .kinds
                    .iter()
                    .map(|k| (k.name.to_owned(), k.count))
                    .collect::<Vec<_>>()
            );
        }
        let small = Heap::new(HeapConfig {
            limit: Some(64 + charge * 16),
            ..HeapConfig::default()
        });
        if message.build(&small, &NoTypes, &mut |_| Ok(())).is_err() {
            small.collect();
            assert_eq!(small.live_objects(), 0, "limit of {charge}");
        }
        assert_eq!(from.live_bytes(), held);
    }
}
