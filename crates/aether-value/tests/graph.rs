//! Random graphs, mutated a million times, against plain reachability: nothing live is freed, nothing dead survives a
//! full collection, a weak reference is empty exactly when its target is gone.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::collections::{HashMap, HashSet};

use aether_value::{Heap, HeapConfig, PromiseState, Raw, Rc, Roots, StructDef, Value, WeakCell};
use common::{Random, code, node};

const MUTATIONS: usize = if cfg!(miri) { 2_000 } else { 1_000_000 };
const ROOTS: usize = 40;
const EDGES: usize = 3;

/// The model: who refers to whom; and the real objects, known by weak references alone.
struct World {
    def: Rc<StructDef>,
    code: std::ptr::NonNull<aether_value::Code>,
    edges: HashMap<usize, [Option<usize>; EDGES]>,
    weak: HashMap<usize, Rc<WeakCell>>,
    roots: Vec<Option<(usize, Value)>>,
    next: usize,
    // Last: its end collects what the others leave.
    heap: Heap,
}

impl World {
    fn new(config: HeapConfig) -> Self {
        let heap = Heap::new(config);
        let def = node(&heap, &["a", "b", "c"]);
        let code = code(&heap, 0);
        let roots = (0..ROOTS).map(|_| None).collect();
        Self {
            heap,
            def,
            code,
            edges: HashMap::new(),
            weak: HashMap::new(),
            roots,
            next: 0,
        }
    }

    fn make(&mut self, random: &mut Random) -> (usize, Value) {
        let heap = &self.heap;
        let value: Value = match random.below(3) {
            0 => {
                // Within the object, or beside it.
                let array = heap.array(random.below(2) * EDGES).unwrap();
                (0..EDGES).for_each(|_| array.push(Value::Null).unwrap());
                array.into()
            }
            1 => heap.dict().unwrap().into(),
            _ => heap.instance(&self.def).unwrap().into(),
        };
        let id = self.next;
        self.next += 1;
        self.edges.insert(id, [None; EDGES]);
        self.weak.insert(id, heap.weak_to(&value).unwrap().unwrap());
        (id, value)
    }

    /// The value that an edge to `target` is made of: the target, or something that holds it.
    fn wrapped(&self, target: Value, random: &mut Random) -> Value {
        let heap = &self.heap;
        match random.below(6) {
            0 => heap
                .closure(self.code, &[Raw::from_value(target)], false)
                .unwrap()
                .into(),
            1 => heap.array_from(vec![Value::Int(1), target]).unwrap().into(),
            2 => heap.promise(PromiseState::Fulfilled(target)).unwrap().into(),
            3 => {
                let cell = heap.cell(Raw::from_value(target)).unwrap();
                heap.closure(self.code, &[Raw::from_rc(cell)], false)
                    .unwrap()
                    .into()
            }
            _ => target,
        }
    }

    fn value(&self, id: usize) -> Value {
        self.weak[&id].upgrade().expect("a reachable node is alive")
    }

    /// The key of a dict's edge: some dicts are records, one becomes a table when it has a few entries.
    fn key(&self, from: usize, edge: usize) -> Value {
        match from % 3 {
            0 => Value::Int(edge as i64),
            1 => self.heap.string(&format!("edge {edge}")).unwrap().into(),
            _ if edge == 1 => Value::Bool(true),
            _ => self.heap.intern(&format!("edge {edge}")).unwrap().into(),
        }
    }

    fn set_edge(&mut self, from: usize, edge: usize, to: Option<usize>, random: &mut Random) {
        let value = to.map_or(Value::Null, |to| self.wrapped(self.value(to), random));
        let old = match self.value(from) {
            Value::Array(array) => array.set(edge, value).unwrap(),
            Value::Dict(dict) => dict
                .insert(self.key(from, edge), value)
                .unwrap()
                .unwrap_or(Value::Null),
            Value::Instance(instance) => {
                instance.set_slot(edge, value);
                Value::Null
            }
            other => panic!("{}", other.type_name()),
        };
        drop(old);
        self.edges.get_mut(&from).unwrap()[edge] = to;
    }

    /// A node found by walking from a root.
    fn pick(&self, random: &mut Random) -> Option<usize> {
        let mut id = self.roots[random.below(ROOTS)].as_ref()?.0;
        for _ in 0..random.below(12) {
            match self.edges[&id][random.below(EDGES)] {
                Some(next) => id = next,
                None => break,
            }
        }
        Some(id)
    }

    /// Names none, some or all of the roots to a pass: it may find the others by itself.
    fn name_roots(&self, roots: &mut Roots<'_>, some: usize) {
        for (index, root) in self.roots.iter().enumerate() {
            if let Some((_, value)) = root
                && (some == 3 || index % 3 < some)
            {
                roots.value(value);
            }
        }
        if some > 1 {
            roots.object(&self.def);
        }
    }

    fn reachable(&self) -> HashSet<usize> {
        let mut found: HashSet<usize> = self.roots.iter().flatten().map(|(id, _)| *id).collect();
        let mut pending: Vec<usize> = found.iter().copied().collect();
        while let Some(id) = pending.pop() {
            for next in self.edges[&id].into_iter().flatten() {
                if found.insert(next) {
                    pending.push(next);
                }
            }
        }
        found
    }

    /// Compares with the model; `exactly` if a full collection has just been made.
    fn check(&mut self, exactly: bool) {
        // Without looking at the targets: what is dead would be in use again for a moment.
        let alive = self.reachable();
        self.weak.retain(|id, weak| {
            assert!(
                !weak.is_dropped() || !alive.contains(id),
                "node {id} was freed while in use"
            );
            if exactly {
                assert!(
                    weak.is_dropped() || alive.contains(id),
                    "node {id} survived its last reference"
                );
            }
            !weak.is_dropped()
        });
        let weak = &self.weak;
        self.edges.retain(|id, _| weak.contains_key(id));
    }

    fn mutate(&mut self, random: &mut Random) {
        match random.below(10) {
            0 | 1 => {
                let made = self.make(random);
                let slot = random.below(ROOTS);
                self.roots[slot] = Some(made);
            }
            2 => {
                let slot = random.below(ROOTS);
                if random.below(4) == 0 {
                    self.roots[slot] = None;
                } else if let Some(id) = self.pick(random) {
                    let value = self.value(id);
                    self.roots[slot] = Some((id, value));
                }
            }
            3..6 => {
                // A new node on an old one.
                if let Some(from) = self.pick(random) {
                    let (id, value) = self.make(random);
                    self.set_edge(from, random.below(EDGES), Some(id), random);
                    drop(value);
                }
            }
            6..9 => {
                if let (Some(from), Some(to)) = (self.pick(random), self.pick(random)) {
                    self.set_edge(from, random.below(EDGES), Some(to), random);
                }
            }
            _ => {
                if let Some(from) = self.pick(random) {
                    self.set_edge(from, random.below(EDGES), None, random);
                }
            }
        }
    }
}

fn run(config: HeapConfig, seed: u64, mutations: usize) -> World {
    let mut random = Random(seed);
    let mut world = World::new(config);
    let mut snapshots = Vec::new();
    for number in 1..=mutations {
        world.mutate(&mut random);
        if world.heap.collection_due() || random.below(3000) == 0 {
            let some = random.below(4);
            world.heap.collect_auto(|roots| world.name_roots(roots, some));
            world.check(false);
        }
        if random.below(500) == 0
            && let Some(id) = world.pick(&mut random)
            && let Value::Array(array) = world.value(id)
        {
            // Held for a while: keeps more alive than the model knows, so it goes before exact checks.
            snapshots.push(array.snapshot().unwrap());
        }
        if number.is_multiple_of(20_000) || number == mutations {
            snapshots.clear();
            let some = random.below(4);
            if some == 0 {
                world.heap.collect();
            } else {
                world.heap.collect_from(|roots| world.name_roots(roots, some));
            }
            world.check(true);
        }
    }
    world
}

/// What was dead when the passes began that are complete, and how many have been since.
struct Watch {
    dead: Vec<Rc<WeakCell>>,
    passes: i32,
}

/// Mutates a world in which a pass goes on in slices of random size, down to one object.
fn run_in_slices(mut world: World, seed: u64, mutations: usize, between: usize) -> World {
    let mut random = Random(seed);
    let mut snapshots = Vec::new();
    let mut watch: Option<Watch> = None;
    let mut complete = 0;
    for number in 1..=mutations {
        world.mutate(&mut random);
        if random.below(between) == 0 {
            let units = 1 << random.below(13);
            let some = random.below(4);
            let freed = world
                .heap
                .collect_slice(units, |roots| world.name_roots(roots, some));
            if freed.is_some() {
                complete += 1;
                if let Some(watch) = &mut watch {
                    watch.passes += 1;
                }
            }
        }
        if random.below(between * 200) == 0 {
            match random.below(8) {
                0 => drop(world.heap.collect()),
                1 => drop(world.heap.objects_by_type()),
                _ => drop(world.heap.collect_young()),
            }
        }
        if random.below(between * 300) == 0 {
            world.check(false);
        }
        if random.below(500) == 0
            && let Some(id) = world.pick(&mut random)
            && let Value::Array(array) = world.value(id)
        {
            snapshots.push(array.snapshot().unwrap());
            if snapshots.len() > 5 {
                snapshots.swap_remove(random.below(5));
            }
        }
        if watch.as_ref().is_some_and(|watch| watch.passes >= 2) {
            for weak in watch.take().unwrap().dead {
                assert!(
                    weak.is_dropped(),
                    "dead before two complete passes, at mutation {number}"
                );
            }
        }
        if watch.is_none() && random.below(between * 100) == 0 {
            snapshots.clear();
            let alive = world.reachable();
            let dead = world
                .weak
                .iter()
                .filter(|(id, weak)| !alive.contains(id) && !weak.is_dropped());
            // A pass that is under way when this is taken does not count.
            watch = Some(Watch {
                dead: dead.map(|(_, weak)| weak.clone()).collect(),
                passes: -i32::from(world.heap.is_collecting_in_slices()),
            });
        }
    }
    assert!(complete > 4, "{complete}");
    snapshots.clear();
    world.heap.collect();
    world.check(true);
    world
}

#[test]
fn passes_in_slices_agree_with_reachability() {
    for seed in 0..12 {
        let world = World::new(HeapConfig {
            seed: Some(7),
            auto_collect: false,
            ..HeapConfig::default()
        });
        run_in_slices(world, seed, MUTATIONS / 20, 1 + seed as usize % 12 * 3);
    }
}

#[test]
fn a_hundred_thousand_objects_are_collected_in_slices() {
    const NODES: usize = if cfg!(miri) { 500 } else { 100_000 };
    let mut random = Random(5);
    let mut world = World::new(HeapConfig {
        seed: Some(7),
        auto_collect: false,
        ..HeapConfig::default()
    });
    // A forest on the roots; a third of the edges go across.
    let mut ids = Vec::new();
    for _ in 0..NODES {
        let (id, value) = world.make(&mut random);
        if ids.len() < ROOTS {
            let slot = ids.len();
            world.roots[slot] = Some((id, value));
        } else {
            let from = ids[ids.len() / 4 + random.below(ids.len() - ids.len() / 4)];
            if world.weak[&from].is_dropped() {
                continue;
            }
            world.set_edge(from, random.below(EDGES), Some(id), &mut random);
            drop(value);
            let across = ids[random.below(ids.len())];
            if random.below(3) == 0 && !world.weak[&across].is_dropped() {
                world.set_edge(id, random.below(EDGES), Some(across), &mut random);
            }
        }
        ids.push(id);
    }
    run_in_slices(world, 77, MUTATIONS / 4, 8);
}

#[test]
fn a_million_mutations_agree_with_reachability() {
    let world = run(
        HeapConfig {
            seed: Some(7),
            ..HeapConfig::default()
        },
        42,
        MUTATIONS,
    );
    let World {
        heap,
        def,
        edges,
        weak,
        roots,
        ..
    } = world;
    assert!(!edges.is_empty());
    assert!(heap.stats().collections > 50, "{}", heap.stats().collections);
    drop((def, weak, roots));
    heap.teardown();
    assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
}

#[test]
fn collecting_at_every_charge_agrees_with_reachability() {
    let config = HeapConfig {
        collect_every: 1,
        seed: Some(7),
        ..HeapConfig::default()
    };
    run(config, 99, MUTATIONS / 200);
    let config = HeapConfig {
        collect_every: 7,
        seed: Some(7),
        ..HeapConfig::default()
    };
    run(config, 100, MUTATIONS / 50);
}
