//! The collector against plain reachability, on random graphs over all kinds that hold others.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::collections::HashSet;

use aether_value::{ErrorKind, Heap, HeapConfig, IterState, Native, PromiseState, Raw, Rc, Value};
use common::{code, heap, name, node, text};
use proptest::prelude::*;

/// Nodes of a random graph: each a container of some kind with three places for edges.
struct Graph {
    heap: Heap,
    nodes: Vec<Value>,
    edges: Vec<Vec<usize>>,
    /// Which dicts have strings for keys.
    records: Vec<bool>,
}

const KINDS: usize = 10;

impl Graph {
    fn new(kinds: &[usize]) -> Self {
        let heap = heap();
        let def = node(&heap, &["a"]);
        let code = code(&heap, 0);
        let nodes = kinds.iter().map(|kind| match kind % KINDS {
            0 => heap.array(0).unwrap().into(),
            1 => heap.dict().unwrap().into(),
            2 => heap.instance(&def).unwrap().into(),
            3 => {
                let captures = [Raw::null(), Raw::null(), Raw::null()];
                heap.closure(code, &captures, false).unwrap().into()
            }
            4 => heap.promise(PromiseState::External).unwrap().into(),
            5 => heap.iterator(IterState::Done).unwrap().into(),
            // Items, and values under strings, within the object, until there are more.
            6 => heap.array(2).unwrap().into(),
            7 => heap.dict().unwrap().into(),
            8 => heap.dict_with_room(2).unwrap().into(),
            _ => Value::Cell(heap.cell(Raw::null()).unwrap()),
        });
        let nodes: Vec<Value> = nodes.collect();
        let edges = vec![Vec::new(); nodes.len()];
        let records = kinds.iter().map(|kind| matches!(kind % KINDS, 7 | 8)).collect();
        Self {
            heap,
            nodes,
            edges,
            records,
        }
    }

    fn link(&mut self, from: usize, to: usize) {
        let target = self.nodes[to].clone();
        let count = self.edges[from].len();
        match &self.nodes[from] {
            Value::Array(array) => array.push(target).unwrap(),
            Value::Dict(dict) => {
                let key = if self.records[from] {
                    text(&self.heap, &format!("key {count}"))
                } else {
                    Value::Int(count as i64)
                };
                dict.insert(key, target).unwrap();
            }
            Value::Instance(instance) if count == 0 => drop(instance.set_slot(0, target)),
            Value::Instance(instance) => {
                let field = name(&self.heap, &format!("extra{count}"));
                instance.set_extra_field(&field, target).unwrap();
            }
            Value::Function(closure) if count < 3 => closure.set_capture(count, Raw::from_value(target)),
            Value::Promise(promise) if count == 0 => {
                promise.replace_state(PromiseState::Fulfilled(target));
            }
            Value::Promise(promise) => promise.add_waiter(target).unwrap(),
            Value::Iterator(iterator) if count == 0 => {
                let Value::Array(array) = target else { return };
                iterator.replace_state(IterState::Array { array, position: 0 });
            }
            Value::Cell(cell) if count == 0 => cell.set(target),
            _ => return,
        }
        self.edges[from].push(to);
    }

    fn reachable(&self, roots: &HashSet<usize>) -> HashSet<usize> {
        let mut seen = roots.clone();
        let mut pending: Vec<usize> = roots.iter().copied().collect();
        while let Some(at) = pending.pop() {
            for &next in &self.edges[at] {
                if seen.insert(next) {
                    pending.push(next);
                }
            }
        }
        seen
    }
}

/// Kinds, edges, roots, and some bits that vary the rest.
type Plan = (Vec<usize>, Vec<(usize, usize)>, HashSet<usize>, u8);

fn graphs() -> impl Strategy<Value = Plan> {
    (2_usize..40).prop_flat_map(|count| {
        (
            prop::collection::vec(0..KINDS, count),
            prop::collection::vec((0..count, 0..count), 0..count * 3),
            prop::collection::hash_set(0..count, 0..4),
            any::<u8>(),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn exactly_the_unreachable_is_collected((kinds, links, roots, extra) in graphs()) {
        let mut graph = Graph::new(&kinds);
        for (from, to) in links {
            graph.link(from, to);
        }
        let heap = graph.heap.clone();
        // Weak references tell who lives; snapshots and strings make the graph less plain.
        let mut witnesses = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            if let Some(weak) = heap.weak_to(node).unwrap() {
                witnesses.push((index, weak));
            }
            if let (Value::Array(array), true) = (node, extra & 1 != 0) {
                array.push(text(&heap, "leaf")).unwrap();
            }
        }
        let snapshots: Vec<_> = graph
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(index, node)| match node {
                Value::Array(array) if extra & 2 != 0 && index % 3 == 0 => Some((index, array.snapshot().unwrap())),
                _ => None,
            })
            .collect();
        let mut held = roots.clone();
        for (index, _) in &snapshots {
            held.extend(graph.edges[*index].iter().copied());
        }
        let alive = graph.reachable(&held);
        let counts: Vec<(usize, Value)> = roots.iter().map(|&root| (root, graph.nodes[root].clone())).collect();
        graph.nodes.clear();
        // Naming roots makes a pass quicker and changes nothing else.
        heap.collect_from(|roots| {
            for (index, value) in &counts {
                if extra & 4 != 0 || (extra & 8 != 0 && index % 2 == 0) {
                    roots.value(value);
                }
            }
        });
        for (index, weak) in &witnesses {
            prop_assert_eq!(weak.upgrade().is_some(), alive.contains(index), "node {}", index);
        }
        // A second pass finds nothing: counts were put back as they were.
        prop_assert_eq!(heap.collect().objects, 0);
        prop_assert_eq!(heap.collect_from(|_| {}).objects, 0);
        drop((counts, snapshots));
        heap.collect();
        for (_, weak) in &witnesses {
            prop_assert!(weak.is_dropped());
        }
        drop(witnesses);
        heap.teardown();
        prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    }
}

#[test]
fn weak_references_are_one_a_target_and_empty_themselves() {
    let heap = heap();
    let array = heap.array(0).unwrap();
    let value = Value::from(array);
    let weak = heap.weak_to(&value).unwrap().unwrap();
    assert!(Rc::ptr_eq(&weak, &heap.weak_to(&value).unwrap().unwrap()));
    assert!(heap.weak_to(&Value::Int(1)).unwrap().is_none());
    assert_eq!(common::show(&heap, &weak.clone().into()), "<weak:array>");
    assert!(weak.upgrade().unwrap().same(&value));
    drop(value);
    assert!(weak.upgrade().is_none());
    assert_eq!(common::show(&heap, &weak.clone().into()), "<weak:dropped>");
    drop(weak);
    // The other way round: the cell goes first.
    let value = Value::from(heap.dict().unwrap());
    drop(heap.weak_to(&value).unwrap());
    let weak = heap.weak_to(&value).unwrap().unwrap();
    assert!(weak.upgrade().is_some());
    drop((value, weak));
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
}

#[test]
fn a_definition_that_its_methods_capture_goes_with_its_instances() {
    let heap = heap();
    let code = code(&heap, 0);
    let before = heap.live_objects();
    {
        let def = node(&heap, &["a"]);
        let cell = heap.cell(Raw::from_value(def.clone().into())).unwrap();
        let method = heap.closure(code, &[Raw::from_rc(cell)], false).unwrap();
        def.set_methods(vec![(name(&heap, "m"), method)]);
        let instance = heap.instance(&def).unwrap();
        instance.set_slot(0, instance.clone().into());
        assert!(def.method(&name(&heap, "m")).is_some());
    }
    let names = 3;
    assert_eq!(heap.live_objects(), before + 4 + names);
    assert_eq!(heap.collect().objects, 4);
    assert_eq!(heap.live_objects(), before + names);
}

#[test]
fn stacks_errors_and_bound_methods_are_seen() {
    let heap = heap();
    let code = code(&heap, 0);
    let before = heap.live_objects();
    let bytes = heap.live_bytes();
    for _ in 0..10 {
        let stack = heap.coroutine().unwrap();
        let array = heap.array(0).unwrap();
        stack.grow(100).unwrap();
        stack.grow_frames(100).unwrap();
        #[expect(unsafe_code, reason = "fills a register as the evaluator does")]
        // SAFETY: there are 100 registers.
        unsafe {
            stack.registers().add(50).write(Raw::from_rc(array.clone()));
        }
        stack.top.set(51);
        let promise = heap.promise(PromiseState::Running).unwrap();
        promise.add_waiter(Value::Coroutine(stack.clone())).unwrap();
        stack.set_promise(Raw::from_rc(promise.clone()));
        let message = heap.string("m").unwrap();
        let error = heap
            .error_parts(ErrorKind::Thrown, message, promise.into())
            .unwrap();
        error.set_trace(vec![aether_value::TraceEntry {
            code: code.as_ptr(),
            word: 1,
        }]);
        let closure = heap.closure(code, &[], false).unwrap();
        let method = heap.bound_method(error.into(), closure).unwrap();
        array.push(method.into()).unwrap();
    }
    assert!(heap.live_objects() > before + 60);
    heap.collect();
    assert_eq!((heap.live_objects(), heap.live_bytes()), (before, bytes));
}

#[test]
fn growth_asks_for_collections_and_a_budget_forces_them() {
    let garbage = |heap: &Heap| {
        let array = heap.array(0).unwrap();
        array.push(array.clone().into()).unwrap();
    };
    let heap = Heap::new(HeapConfig::default());
    let mut passes = 0;
    for _ in 0..200_000 {
        garbage(&heap);
        if heap.collection_due() {
            heap.collect();
            passes += 1;
            assert_eq!(heap.live_objects(), 0);
        }
        assert!(heap.live_bytes() <= (1 << 20) + 200);
    }
    // Objects that are allocations of their own are larger, so that the megabyte is full sooner.
    let most = if cfg!(feature = "system-alloc") { 80 } else { 40 };
    assert!((5..most).contains(&passes), "{passes}");
    // Nobody asks here, and the budget is smaller than the garbage.
    let heap = Heap::new(HeapConfig {
        limit: Some(100_000),
        ..HeapConfig::default()
    });
    for _ in 0..10_000 {
        garbage(&heap);
    }
    assert!(heap.peak_bytes() <= 100_000);
    assert!(heap.stats().collections > 5);
}

#[test]
fn finalizers_of_a_group_are_queued() {
    let heap = heap();
    let array = heap.array(0).unwrap();
    array.push(array.clone().into()).unwrap();
    heap.set_finalizer(&array.clone().into(), Value::Int(7)).unwrap();
    drop(array);
    assert!(heap.next_finalizer().is_none());
    heap.collect();
    assert_eq!(heap.next_finalizer().unwrap().as_int(), Some(7));
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
}

#[test]
fn ids_are_a_counter() {
    let heap = heap();
    let (first, second) = (
        Value::from(heap.array(0).unwrap()),
        Value::from(heap.array(0).unwrap()),
    );
    let id = heap.id_of(&first).unwrap();
    assert_eq!(heap.id_of(&first).unwrap(), id);
    assert_ne!(heap.id_of(&second).unwrap(), id);
    assert_eq!(heap.id_of(&Value::Int(42)).unwrap(), 42);
    assert_eq!(heap.id_of(&Value::Null).unwrap(), 0);
    assert_eq!(heap.id_of(&Value::Bool(true)).unwrap(), 1);
}

/// Holds values that Rust code reaches by another way as well.
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<Value>>>);

impl Native for Shared {
    fn type_name(&self) -> &'static str {
        "shared"
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        for value in &*self.0.borrow() {
            visit(&Raw::of_value(value));
        }
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A native object in a dead cycle has something taken out of it without a word, between any two slices of the pass
/// that finds the cycle.
#[test]
fn what_rust_code_takes_out_of_a_native_object_lives() {
    let mut slices = 0;
    for before in 0.. {
        let heap = heap();
        heap.set_auto_collect(false);
        let shared: std::rc::Rc<std::cell::RefCell<Vec<Value>>> = std::rc::Rc::default();
        let other_way = std::rc::Rc::downgrade(&shared);
        let cycle = heap.array(0).unwrap();
        let inner = heap.array_from(vec![Value::Int(7)]).unwrap();
        let kept = heap.array_from(vec![inner.into()]).unwrap();
        let weak = heap.weak_to(&kept.clone().into()).unwrap().unwrap();
        let dead = heap.weak_to(&cycle.clone().into()).unwrap().unwrap();
        shared.borrow_mut().extend([cycle.clone().into(), kept.into()]);
        cycle
            .push(heap.native(Box::new(Shared(shared))).unwrap().into())
            .unwrap();
        drop(cycle);
        let mut complete = (0..before).any(|_| heap.collect_slice(1, |_| {}).is_some());
        let condemned = weak.is_dropped();
        let taken = other_way
            .upgrade()
            .filter(|_| !condemned)
            .and_then(|shared| shared.borrow_mut().pop());
        while !complete {
            slices += 1;
            complete = heap.collect_slice(1, |_| {}).is_some();
        }
        assert_eq!(weak.is_dropped(), condemned, "after {before} slices");
        if let Some(Value::Array(kept)) = &taken {
            assert_eq!(common::show(&heap, &Value::Array(kept.clone())), "[[7]]");
        }
        drop(taken);
        heap.collect();
        assert!(weak.is_dropped() && dead.is_dropped());
        if condemned {
            break;
        }
    }
    assert!(slices > 100, "{slices}");
}
