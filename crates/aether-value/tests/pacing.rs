//! When passes come by themselves: how much garbage there may be, and that a host can do them in its idle time.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use aether_value::{Heap, HeapConfig, Instance, Rc, Roots, StructDef, Turn, Value};
use common::{Random, node};

/// What passes tolerate beyond what is live, in bytes.
const FLOOR: usize = 1 << 20;

struct Program {
    heap: Heap,
    def: Rc<StructDef>,
    live: Vec<Value>,
}

impl Program {
    fn new() -> Self {
        let heap = Heap::new(HeapConfig::default());
        let def = node(&heap, &["a", "b", "c"]);
        let program = Self {
            heap,
            def,
            live: Vec::new(),
        };
        program.heap.begin_program();
        program
    }

    fn instance(&self) -> Rc<Instance> {
        self.heap.instance(&self.def).unwrap()
    }

    /// Two instances that refer to each other.
    fn pair(&self) -> Value {
        let (a, b) = (self.instance(), self.instance());
        a.set_slot(0, b.clone().into());
        b.set_slot(0, a.clone().into());
        a.into()
    }

    fn name_roots(&self, roots: &mut Roots<'_>) {
        roots.object(&self.def);
        for value in &self.live {
            roots.value(value);
        }
    }

    /// What the machine does at a safepoint.
    fn safepoint(&self) -> Option<Turn> {
        (self.heap.collection_due() || self.heap.owes_slice())
            .then(|| self.heap.collect_auto(|roots| self.name_roots(roots)))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Cycles that nobody collects stay with the heap, which the leak sanitizer would tell of.
        self.live.clear();
        self.heap.collect();
    }
}

#[test]
fn garbage_stays_below_what_is_live_and_a_megabyte() {
    for size in [0, 2_000, 20_000, 100_000] {
        for replaced in [1, 2, 7, 50] {
            let mut program = Program::new();
            let mut random = Random(size as u64 + replaced as u64);
            for _ in 0..size {
                let pair = program.pair();
                program.live.push(pair);
                program.safepoint();
            }
            program.heap.collect();
            let live = program.heap.live_bytes();
            let mut most = 0;
            for turn in 0..300_000 {
                let pair = program.pair();
                if turn % replaced == 0 && size > 0 {
                    let at = random.below(size);
                    program.live[at] = pair;
                }
                program.safepoint();
                most = most.max(program.heap.live_bytes());
            }
            let dead = most - live;
            assert!(
                dead <= live + FLOOR,
                "{dead} bytes of garbage, {live} live; {size} pairs, one of {replaced} turns replaces one"
            );
        }
    }
}

#[test]
fn what_dies_at_once_after_a_long_growth_is_found() {
    let mut program = Program::new();
    for _ in 0..100_000 {
        let pair = program.pair();
        program.live.push(pair);
        program.safepoint();
    }
    let grown = program.heap.live_bytes();
    program.live.clear();
    // The program goes on, and its heap does not grow: what it makes dies at once, or young.
    let mut turns = 0;
    while program.heap.live_bytes() > 2 * FLOOR {
        let pair = program.pair();
        program.live = vec![pair];
        program.safepoint();
        turns += 1;
        assert!(turns < 10_000_000);
    }
    assert!(program.heap.peak_bytes() < grown * 2);
}

#[test]
fn a_pass_goes_on_while_the_heap_does_not_grow() {
    let mut program = Program::new();
    for _ in 0..100_000 {
        let pair = program.pair();
        program.live.push(pair);
    }
    let roots = |roots: &mut Roots<'_>| program.name_roots(roots);
    assert!(program.heap.collect_slice(100, roots).is_none());
    let mut slices = 0;
    while program.heap.is_collecting_in_slices() {
        // Dies at once: nothing grows.
        drop(program.instance());
        slices += u32::from(program.safepoint().is_some());
        assert!(slices < 1_000);
    }
    assert!(slices > 10, "{slices}");
}

#[test]
fn nothing_is_collected_when_that_is_off() {
    let mut program = Program::new();
    program.heap.set_auto_collect(false);
    for _ in 0..50_000 {
        program.live = vec![program.pair()];
        assert!(program.safepoint().is_none());
    }
    assert!(program.heap.live_objects() >= 100_000);
    let mut steps = 0;
    while program
        .heap
        .collect_slice(1_000, |roots| program.name_roots(roots))
        .is_none()
    {
        steps += 1;
        assert!(program.safepoint().is_none());
    }
    assert!(steps > 100, "{steps}");
    assert!(program.heap.live_objects() < 10);
}

#[test]
fn a_structure_goes_in_slices() {
    let program = Program::new();
    let figures = || {
        let stats = program.heap.stats();
        (stats.live_objects, stats.live_bytes - stats.table_bytes)
    };
    let before = figures();
    let tree = |depth: u32| {
        let mut level: Vec<Rc<Instance>> = (0..1 << depth).map(|_| program.instance()).collect();
        while level.len() > 1 {
            let above = level.chunks(2).map(|two| {
                let node = program.instance();
                node.set_slot(0, two[0].clone().into());
                node.set_slot(1, two[1].clone().into());
                node
            });
            level = above.collect();
        }
        Value::from(level.remove(0))
    };
    let array = program.heap.array(0).unwrap();
    let dict = program.heap.dict().unwrap();
    for index in 0..3_000 {
        array.push(tree(1)).unwrap();
        dict.insert(Value::Int(index * index), tree(1)).unwrap();
        let key = program.heap.string(&format!("key {index}")).unwrap();
        dict.insert(key.into(), Value::Null).unwrap();
    }
    let shared = tree(3);
    array.push(shared.clone()).unwrap();
    array.push(dict.into()).unwrap();
    array.push(tree(12)).unwrap();
    let Some(weak) = program.heap.weak_to(&array.get_value(3_002).unwrap()).unwrap() else {
        panic!("instances have weak references")
    };
    program
        .heap
        .set_finalizer(&array.get_value(10).unwrap(), Value::Int(7))
        .unwrap();
    let many = program.heap.live_objects();
    program.heap.release_slowly(array.into());
    assert_eq!(program.heap.live_objects(), many);
    let mut slices = 0;
    while program.heap.has_leaving() {
        let objects = program.heap.live_objects();
        program.heap.release_slice(100);
        // A piece of a large array or table at most.
        assert!(objects - program.heap.live_objects() < 1_200);
        if slices == 3 {
            // In the middle of it everything is whole.
            program.heap.collect_slice(usize::MAX, |_| {});
            assert!(weak.upgrade().is_some());
        }
        slices += 1;
    }
    assert!(slices > 100, "{slices}");
    assert!(weak.is_dropped());
    assert_eq!(program.heap.next_finalizer().unwrap().as_int(), Some(7));
    let Value::Instance(root) = &shared else {
        panic!("the root of a tree is an instance")
    };
    assert!(matches!(root.slots()[0].tag, aether_value::tag::INSTANCE));
    drop((shared, weak));
    assert_eq!(figures(), before);
    // What still waits when memory runs out, or at the end, goes at once.
    program.heap.release_slowly(tree(10));
    program.heap.set_limit(Some(program.heap.live_bytes() + 100));
    let other = tree(3);
    assert!(!program.heap.has_leaving());
    program.heap.release_slowly(other);
}
