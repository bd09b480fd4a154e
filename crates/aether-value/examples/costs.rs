//! What the basic operations of the heap cost, in nanoseconds. Run with `--release`; an argument selects measurements
//! whose name contains it.
#![expect(unsafe_code, reason = "the evaluator's fast paths")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program")]

use std::hint::black_box;
use std::time::Instant;

use aether_value::{Heap, HeapConfig, Instance, Raw, Rc, Str, StrBuilder, StructDef, Value, display};

const TURNS: u64 = 5_000_000;

/// Best of five runs of `turns` operations.
fn measure(name: &str, turns: u64, mut run: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|part| !name.contains(&part)) {
        return;
    }
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / turns as f64);
    }
    println!("{name:<44}{best:8.2} ns");
}

fn new_instance(heap: &Heap, def: &StructDef) -> Rc<Instance> {
    // SAFETY: the slots are filled at once.
    unsafe {
        let object = heap.alloc_instance_raw(def);
        assert!(!object.is_null());
        for index in 0..2 {
            (*object).slots_ptr().add(index).write(Raw::null());
        }
        Rc::from_ptr(object)
    }
}

fn tree(heap: &Heap, def: &StructDef, depth: u32) -> Raw {
    let node = new_instance(heap, def);
    if depth > 0 {
        // SAFETY: the slots hold null, which is not counted.
        unsafe {
            node.slots_ptr().write(tree(heap, def, depth - 1));
            node.slots_ptr().add(1).write(tree(heap, def, depth - 1));
        }
    }
    Raw::from_rc(node)
}

fn main() {
    let heap = Heap::new(HeapConfig::default());
    let name = |text: &str| heap.intern(text).unwrap();
    let def = heap
        .struct_def(&name("Node"), &[name("left"), name("right")], Vec::new())
        .unwrap();

    measure("instance of 2 fields: alloc + free", TURNS, || {
        for _ in 0..TURNS {
            drop(black_box(new_instance(&heap, &def)));
        }
    });
    let nodes = (1_u64 << 17) - 1;
    measure("binary tree of 131071 nodes: per node", nodes, || {
        // SAFETY: the tree's count is ours.
        drop(unsafe { tree(&heap, &def, 16).into_value() });
    });
    // SAFETY: the tree's count is ours.
    let kept = unsafe { tree(&heap, &def, 16).into_value() };
    measure("collect, nothing to free: per object", nodes, || {
        heap.collect();
    });
    drop(kept);
    measure("cyclic pair: alloc + collect, per object", 200_000, || {
        for _ in 0..100_000 {
            let (a, b) = (new_instance(&heap, &def), new_instance(&heap, &def));
            a.set_slot(0, b.clone().into());
            b.set_slot(0, a.into());
        }
        heap.collect();
    });
    measure("string of 10 bytes: alloc + free", TURNS, || {
        for _ in 0..TURNS {
            drop(black_box(heap.string(black_box("0123456789")).unwrap()));
        }
    });
    measure("string append of 1 byte", TURNS, || {
        let mut text = heap.string("").unwrap();
        for _ in 0..TURNS {
            text = Str::append(&heap, text, black_box("x")).unwrap();
        }
    });
    measure("array push of an int", TURNS, || {
        let array = heap.array(0).unwrap();
        for number in 0..TURNS {
            array.push(Value::Int(number as i64)).unwrap();
        }
    });
    let ints = heap.dict().unwrap();
    measure("dict insert of 100000 ints: per entry", 100_000, || {
        ints.clear();
        for number in 0..100_000 {
            ints.insert(Value::Int(number), Value::Int(number)).unwrap();
        }
    });
    measure("dict get, 100000 int keys", TURNS, || {
        for number in 0..TURNS as i64 {
            black_box(ints.get(&Value::Int(number % 100_000)));
        }
    });
    let small = heap.dict().unwrap();
    let fields: Vec<_> = ["alpha", "beta", "gamma", "delta", "epsilon"]
        .iter()
        .map(|field| name(field))
        .collect();
    for field in &fields {
        small.insert(field.clone().into(), Value::Int(1)).unwrap();
    }
    measure("dict get, 5 interned string keys", TURNS, || {
        for turn in 0..TURNS as usize {
            black_box(small.get_text(&fields[turn % 5]));
        }
    });
    let words: Vec<_> = (0..1000).map(|number| name(&format!("word{number}"))).collect();
    let large = heap.dict().unwrap();
    for word in &words {
        large.insert(word.clone().into(), Value::Int(1)).unwrap();
    }
    measure("dict get, 1000 interned string keys", TURNS, || {
        for turn in 0..TURNS as usize {
            black_box(large.get_text(&words[turn % 1000]));
        }
    });
    let array = heap.array_from((0..100_000).map(Value::Int).collect()).unwrap();
    measure("display of 100000 ints in an array: per item", 100_000, || {
        let mut out = StrBuilder::new(&heap);
        display(&heap, &array.clone().into(), &mut out).unwrap();
    });
}
