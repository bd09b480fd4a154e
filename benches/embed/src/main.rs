//! The costs of embedding, in nanoseconds for each operation, best of several runs: Aether beside other engines.
//!
//! `cargo run --release` in this directory prints the table of `docs/performance.md`. Every engine is set up as its
//! own documentation does it first; what an engine does not offer is left out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Counts the bytes that are allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, with a counter beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs.
const RUNS: usize = 7;
/// Calls from a loop in a script, of which each counts.
const LOOP: i64 = 1000;
/// Engines alive at a time.
const ALIVE: usize = 1000;

/// Nanoseconds that an operation takes at best.
fn time(count: usize, mut operation: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = Instant::now();
        for _ in 0..count {
            operation();
        }
        best = best.min(begun.elapsed().as_secs_f64() * 1e9 / count as f64);
    }
    best
}

/// Bytes on the heap for each of many engines.
fn bytes<T>(make: impl Fn() -> T) -> f64 {
    let before = LIVE.load(Ordering::Relaxed);
    let engines: Vec<T> = (0..ALIVE).map(|_| make()).collect();
    let after = LIVE.load(Ordering::Relaxed);
    drop(engines);
    (after - before) as f64 / ALIVE as f64
}

const ROWS: &[&str] = &[
    "create and drop an engine",
    "compile `add`",
    "evaluate `1 + 2`",
    "run a compiled `1 + 2`",
    "call `add(1, 2)` by name",
    "call `add(1, 2)` by handle",
    "a Rust function from a script",
    "a method of a native type",
    "ten fields into a value",
    "ten fields out of a value",
    "bytes of an idle engine",
];

type Column = [Option<f64>; 11];

fn main() {
    let columns: [(&str, Column); 5] = [
        ("Aether", aether_column()),
        ("mlua", mlua_column()),
        ("Rhai", rhai_column()),
        ("Koto", koto_column()),
        ("Rune", rune_column()),
    ];
    print!("| |");
    for (name, _) in &columns {
        print!(" {name} |");
    }
    println!("\n|---|---|---|---|---|---|");
    for (row, label) in ROWS.iter().enumerate() {
        print!("| {label} |");
        for (_, column) in &columns {
            match column[row] {
                Some(figure) => print!(" {figure:.0} |"),
                None => print!(" |"),
            }
        }
        println!();
    }
}

// --- Aether ---

#[derive(aether::AetherType)]
#[aether(methods)]
struct Counter {
    n: i64,
}

#[aether::methods]
impl Counter {
    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }
}

#[derive(Clone, aether::IntoValue, aether::FromValue)]
struct Ten {
    a: i64,
    b: i64,
    c: i64,
    d: i64,
    e: f64,
    f: f64,
    g: f64,
    h: bool,
    i: bool,
    j: bool,
}

fn ten() -> Ten {
    Ten { a: 1, b: 2, c: 3, d: 4, e: 5.0, f: 6.0, g: 7.0, h: true, i: false, j: true }
}

fn aether_column() -> Column {
    use aether::{Engine, FromValue as _, Function, IntoValue as _, Program};
    let create = time(200, || drop(black_box(Engine::new().unwrap())));
    let mut engine = Engine::new().unwrap();
    let add = "fn add(a, b) { return a + b }";
    let compile = time(500, || {
        black_box(engine.compile_fragment(add).unwrap());
    });
    let mut engine = Engine::new().unwrap();
    let eval = time(2000, || {
        black_box(engine.eval("1 + 2").unwrap());
    });
    let program = Program::new("1 + 2").unwrap();
    let run = time(20000, || {
        black_box(program.run::<i64>(&mut engine).unwrap());
    });
    engine.eval(add).unwrap();
    let named = time(20000, || {
        black_box(engine.call_to::<i64>("add", (1_i64, 2_i64)).unwrap());
    });
    let function: Function<(i64, i64), i64> = engine.function("add").unwrap();
    let handle = time(20000, || {
        black_box(function.call(&mut engine, (1, 2)).unwrap());
    });
    engine.register("host", |a: i64, b: i64| a + b).unwrap();
    engine.register_type::<Counter>().unwrap();
    engine.set_global("c", Counter { n: 0 }).unwrap();
    engine
        .eval("fn calls(n) { let s = 0  for i in 0..n { s = host(s, i) }  return s }\nfn methods(n) { for i in 0..n { c.add(i) } }\nfn nothing(n) { let s = 0  for i in 0..n { s = i }  return s }")
        .unwrap();
    let per = |engine: &mut Engine, name: &str| {
        time(50, || {
            black_box(engine.call(name, (LOOP,)).unwrap());
        }) / LOOP as f64
    };
    let empty = per(&mut engine, "nothing");
    let calls = per(&mut engine, "calls") - empty;
    let methods = per(&mut engine, "methods") - empty;
    let heap = engine.heap().clone();
    let into = time(10000, || {
        black_box(ten().into_value(&heap).unwrap());
    });
    let value = ten().into_value(&heap).unwrap();
    let out = time(10000, || {
        black_box(Ten::from_value(&value).unwrap());
    });
    let idle = bytes(|| Engine::new().unwrap());
    [create, compile, eval, run, named, handle, calls, methods, into, out, idle].map(Some)
}

// --- mlua ---

impl mlua::UserData for Counter {
    fn add_methods<M: mlua::UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("add", |_, this, by: i64| {
            this.n += by;
            Ok(this.n)
        });
    }
}

fn mlua_column() -> Column {
    use mlua::{Function, Lua, Table};
    let create = time(200, || drop(black_box(Lua::new())));
    let lua = Lua::new();
    let add = "function add(a, b) return a + b end";
    let compile = time(500, || {
        black_box(lua.load(add).into_function().unwrap());
    });
    let eval = time(2000, || {
        black_box(lua.load("return 1 + 2").eval::<i64>().unwrap());
    });
    let chunk = lua.load("return 1 + 2").into_function().unwrap();
    let run = time(20000, || {
        black_box(chunk.call::<i64>(()).unwrap());
    });
    lua.load(add).exec().unwrap();
    let named = time(20000, || {
        let function: Function = lua.globals().get("add").unwrap();
        black_box(function.call::<i64>((1, 2)).unwrap());
    });
    let function: Function = lua.globals().get("add").unwrap();
    let handle = time(20000, || {
        black_box(function.call::<i64>((1, 2)).unwrap());
    });
    let host = lua.create_function(|_, (a, b): (i64, i64)| Ok(a + b)).unwrap();
    lua.globals().set("host", host).unwrap();
    lua.globals().set("c", Counter { n: 0 }).unwrap();
    lua.load("function calls(n) local s = 0 for i = 0, n - 1 do s = host(s, i) end return s end function methods(n) for i = 0, n - 1 do c:add(i) end end function nothing(n) local s = 0 for i = 0, n - 1 do s = i end return s end")
        .exec()
        .unwrap();
    let per = |name: &str| {
        let function: Function = lua.globals().get(name).unwrap();
        time(50, || {
            black_box(function.call::<mlua::Value>(LOOP).unwrap());
        }) / LOOP as f64
    };
    let empty = per("nothing");
    let (calls, methods) = (per("calls") - empty, per("methods") - empty);
    let make = |ten: Ten| {
        let table = lua.create_table().unwrap();
        table.set("a", ten.a).unwrap();
        table.set("b", ten.b).unwrap();
        table.set("c", ten.c).unwrap();
        table.set("d", ten.d).unwrap();
        table.set("e", ten.e).unwrap();
        table.set("f", ten.f).unwrap();
        table.set("g", ten.g).unwrap();
        table.set("h", ten.h).unwrap();
        table.set("i", ten.i).unwrap();
        table.set("j", ten.j).unwrap();
        table
    };
    let into = time(10000, || {
        let _ = black_box(make(ten()));
    });
    let read = |table: &Table| Ten {
        a: table.get("a").unwrap(),
        b: table.get("b").unwrap(),
        c: table.get("c").unwrap(),
        d: table.get("d").unwrap(),
        e: table.get("e").unwrap(),
        f: table.get("f").unwrap(),
        g: table.get("g").unwrap(),
        h: table.get("h").unwrap(),
        i: table.get("i").unwrap(),
        j: table.get("j").unwrap(),
    };
    let table = make(ten());
    let out = time(10000, || {
        black_box(read(&table));
    });
    let idle = idle_lua();
    let some = [create, compile, eval, run, named, handle, calls, methods, into, out].map(Some);
    let mut column = [None; 11];
    column[..10].copy_from_slice(&some);
    column[10] = Some(idle);
    column
}

/// Lua allocates by C's allocator: it tells itself what it uses.
fn idle_lua() -> f64 {
    let rust = bytes(mlua::Lua::new);
    mlua::Lua::new().used_memory() as f64 + rust
}

// --- Rhai ---

fn rhai_column() -> Column {
    use rhai::{Dynamic, Engine, Map, Scope};
    let create = time(200, || drop(black_box(Engine::new())));
    let mut engine = Engine::new();
    let add = "fn add(a, b) { a + b }";
    let compile = time(500, || {
        black_box(engine.compile(add).unwrap());
    });
    let eval = time(2000, || {
        black_box(engine.eval::<i64>("1 + 2").unwrap());
    });
    let ast = engine.compile("1 + 2").unwrap();
    let run = time(20000, || {
        black_box(engine.eval_ast::<i64>(&ast).unwrap());
    });
    let ast = engine.compile(add).unwrap();
    let mut scope = Scope::new();
    let named = time(20000, || {
        black_box(engine.call_fn::<i64>(&mut scope, &ast, "add", (1_i64, 2_i64)).unwrap());
    });
    engine.register_fn("host", |a: i64, b: i64| a + b);
    engine
        .register_type_with_name::<Shared>("Counter")
        .register_fn("add", |counter: &mut Shared, by: i64| {
            counter.0 += by;
            counter.0
        });
    let ast = engine
        .compile("fn calls(n) { let s = 0; for i in 0..n { s = host(s, i); } s } fn methods(n, c) { for i in 0..n { c.add(i); } } fn nothing(n) { let s = 0; for i in 0..n { s = i; } s }")
        .unwrap();
    let mut per = |name: &str, counter: bool| {
        time(50, || {
            if counter {
                let _ = black_box(engine.call_fn::<Dynamic>(&mut scope, &ast, name, (LOOP, Shared(0))).unwrap());
            } else {
                let _ = black_box(engine.call_fn::<Dynamic>(&mut scope, &ast, name, (LOOP,)).unwrap());
            }
        }) / LOOP as f64
    };
    let empty = per("nothing", false);
    let (calls, methods) = (per("calls", false) - empty, per("methods", true) - empty);
    let make = |ten: Ten| {
        let mut map = Map::new();
        map.insert("a".into(), ten.a.into());
        map.insert("b".into(), ten.b.into());
        map.insert("c".into(), ten.c.into());
        map.insert("d".into(), ten.d.into());
        map.insert("e".into(), ten.e.into());
        map.insert("f".into(), ten.f.into());
        map.insert("g".into(), ten.g.into());
        map.insert("h".into(), ten.h.into());
        map.insert("i".into(), ten.i.into());
        map.insert("j".into(), ten.j.into());
        Dynamic::from_map(map)
    };
    let into = time(10000, || {
        let _ = black_box(make(ten()));
    });
    let value = make(ten());
    let out = time(10000, || {
        let map = value.as_map_ref().unwrap();
        let int = |name: &str| map[name].as_int().unwrap();
        let float = |name: &str| map[name].as_float().unwrap();
        let truth = |name: &str| map[name].as_bool().unwrap();
        black_box(Ten {
            a: int("a"),
            b: int("b"),
            c: int("c"),
            d: int("d"),
            e: float("e"),
            f: float("f"),
            g: float("g"),
            h: truth("h"),
            i: truth("i"),
            j: truth("j"),
        });
    });
    let idle = bytes(Engine::new);
    [Some(create), Some(compile), Some(eval), Some(run), Some(named), None, Some(calls), Some(methods), Some(into), Some(out), Some(idle)]
}

#[derive(Clone)]
struct Shared(i64);

// --- Koto ---

fn koto_column() -> Column {
    use koto::prelude::*;
    let create = time(200, || drop(black_box(Koto::new())));
    let mut koto = Koto::new();
    let add = "export add = |a, b| a + b";
    let compile = time(500, || {
        black_box(koto.compile(add).unwrap());
    });
    let eval = time(2000, || {
        black_box(koto.compile_and_run("1 + 2").unwrap());
    });
    let chunk = koto.compile("1 + 2").unwrap();
    let run = time(20000, || {
        black_box(koto.run(chunk.clone()).unwrap());
    });
    koto.compile_and_run(add).unwrap();
    let args = || [KValue::from(1_i64), KValue::from(2_i64)];
    let named = time(20000, || {
        black_box(koto.call_exported_function("add", &args()).unwrap());
    });
    let function = koto.exports().get("add").unwrap();
    let handle = time(20000, || {
        black_box(koto.call_function(function.clone(), &args()).unwrap());
    });
    koto.prelude().add_fn("host", |ctx| match ctx.args() {
        [KValue::Number(a), KValue::Number(b)] => Ok((a + b).into()),
        unexpected => unexpected_args("|Number, Number|", unexpected),
    });
    koto.compile_and_run("export calls = |n|\n  s = 0\n  for i in 0..n\n    s = host s, i\n  s\nexport nothing = |n|\n  s = 0\n  for i in 0..n\n    s = i\n  s\n")
        .unwrap();
    let mut per = |name: &str| {
        time(50, || {
            black_box(koto.call_exported_function(name, KValue::from(LOOP)).unwrap());
        }) / LOOP as f64
    };
    let empty = per("nothing");
    let calls = per("calls") - empty;
    let idle = bytes(Koto::new);
    [Some(create), Some(compile), Some(eval), Some(run), Some(named), Some(handle), Some(calls), None, None, None, Some(idle)]
}

// --- Rune ---

fn rune_column() -> Column {
    use rune::{Context, Module, Source, Sources, Vm};
    use std::sync::Arc;
    fn context() -> Context {
        let mut context = Context::with_default_modules().unwrap();
        let mut module = Module::new();
        module.function("host", |a: i64, b: i64| a + b).build().unwrap();
        context.install(module).unwrap();
        context
    }
    fn unit(context: &Context, text: &str) -> Arc<rune::Unit> {
        let mut sources = Sources::new();
        sources.insert(Source::memory(text).unwrap()).unwrap();
        Arc::new(rune::prepare(&mut sources).with_context(context).build().unwrap())
    }
    let create = time(50, || {
        let context = Context::with_default_modules().unwrap();
        black_box(context.runtime().unwrap());
    });
    let context = context();
    let runtime = Arc::new(context.runtime().unwrap());
    let add = "pub fn add(a, b) { a + b }";
    let compile = time(200, || {
        black_box(unit(&context, add));
    });
    let eval = time(200, || {
        let mut vm = Vm::new(runtime.clone(), unit(&context, "pub fn main() { 1 + 2 }"));
        black_box(vm.call(["main"], ()).unwrap());
    });
    let mut vm = Vm::new(runtime.clone(), unit(&context, "pub fn main() { 1 + 2 }"));
    let run = time(20000, || {
        black_box(vm.call(["main"], ()).unwrap());
    });
    let mut vm = Vm::new(runtime.clone(), unit(&context, add));
    let named = time(20000, || {
        black_box(rune::from_value::<i64>(vm.call(["add"], (1_i64, 2_i64)).unwrap()).unwrap());
    });
    let code = "pub fn calls(n) { let s = 0; for i in 0..n { s = host(s, i); } s } pub fn nothing(n) { let s = 0; for i in 0..n { s = i; } s }";
    let mut vm = Vm::new(runtime, unit(&context, code));
    let mut per = |name: &str| {
        time(50, || {
            black_box(vm.call([name], (LOOP,)).unwrap());
        }) / LOOP as f64
    };
    let empty = per("nothing");
    let calls = per("calls") - empty;
    let idle = bytes(|| {
        let context = Context::with_default_modules().unwrap();
        (context.runtime().unwrap(), context)
    });
    [Some(create), Some(compile), Some(eval), Some(run), Some(named), None, Some(calls), None, None, None, Some(idle)]
}
