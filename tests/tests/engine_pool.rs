//! Engines on the threads of a host: one a thread, and what crosses between them.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use aether::{Engine, EnginePool, Error, ErrorKind, MemoryHost, Message, Program};

fn pool_of(program: &str) -> EnginePool {
    EnginePool::builder(|| Engine::builder().host(MemoryHost::new()))
        .program(Program::new(program).unwrap())
        .build()
}

#[test]
fn each_thread_has_one_engine_and_keeps_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let pool = EnginePool::builder(Engine::builder)
        .prepare(move |engine| {
            counted.fetch_add(1, Ordering::Relaxed);
            engine.eval("let uses = 0").map(drop)
        })
        .build();
    let together = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (pool, together) = (pool.clone(), together.clone());
            thread::spawn(move || {
                for _ in 0..10 {
                    pool.with(|engine| engine.eval("uses += 1").map(drop)).unwrap();
                }
                together.wait();
                let engines = pool.engines();
                together.wait();
                (pool.with(|engine| engine.get::<i64>("uses")).unwrap(), engines)
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), (10, 4));
    }
    assert_eq!((made.load(Ordering::Relaxed), pool.engines()), (4, 0));
}

#[test]
fn an_engine_is_lent_once_at_a_time() {
    let pool = pool_of("let n = 1");
    let other = pool_of("let n = 2");
    let error = pool.with(|_| pool.with(|_| Ok(()))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid operation: the engine of this thread is in use"
    );
    // Another pool's engine may be lent meanwhile, and this one again afterwards.
    pool.with(|_| other.with(|_| Ok(()))).unwrap();
    assert_eq!((pool.engines(), other.engines()), (1, 1));
}

#[test]
fn what_fails_is_not_kept() {
    let pool = pool_of("fn f() { return 1 }");
    pool.with(|engine| engine.eval("let mark = 1").map(drop)).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        pool.with(|_| -> Result<(), Error> { panic!("the host's") })
    }));
    assert!(panicked.is_err());
    assert_eq!(pool.engines(), 0);
    let error = pool.with(|engine| engine.get::<i64>("mark")).unwrap_err();
    assert!(error.to_string().contains("mark"), "a new engine: {error}");
    // An error is no panic: the engine stays.
    pool.with(|engine| engine.eval("let mark = 2  null.x").map(drop))
        .unwrap_err();
    assert_eq!(pool.with(|engine| engine.get::<i64>("mark")).unwrap(), 2);

    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    let failing = EnginePool::builder(Engine::builder)
        .prepare(move |engine| {
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                engine.eval("1 / 0")?;
            }
            Ok(())
        })
        .build();
    assert_eq!(
        failing.with(|_| Ok(())).unwrap_err().kind(),
        Some(ErrorKind::ZeroDivision)
    );
    assert_eq!(failing.engines(), 0);
    failing.with(|_| Ok(())).unwrap();
}

#[test]
fn engines_go_with_their_pool() {
    let first = pool_of("let n = 1");
    let budget = aether::Budget::new(64 << 20);
    let own = budget.clone();
    let second = EnginePool::builder(move || Engine::builder().shared_budget(own.clone())).build();
    second.with(|_| Ok(())).unwrap();
    assert!(budget.drawn() > 0);
    drop(second);
    first.with(|_| Ok(())).unwrap();
    assert_eq!(budget.drawn(), 0);
}

#[test]
fn one_budget_bounds_all_engines() {
    const LIMIT: usize = 16 << 20;
    let pool = EnginePool::builder(|| Engine::builder().host(MemoryHost::new()))
        .max_memory(LIMIT)
        .program(Program::new("fn grow() { let kept = []  while (true) { kept.push(\"x\".repeat(1000) + str(len(kept))) } }\nfn hold() { kept = \"y\".repeat(9000000)  return len(kept) }\nlet kept = null").unwrap())
        .build();
    let (told, held) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let there = pool.clone();
    let holder = thread::spawn(move || {
        told.send(there.call_to::<i64>("hold", ()).unwrap()).unwrap();
        wait.recv().unwrap();
    });
    assert_eq!(held.recv().unwrap(), 9_000_000);
    let error = pool.call_to::<i64>("hold", ()).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::OutOfMemory));
    let_go.send(()).unwrap();
    holder.join().unwrap();
    assert_eq!(pool.call_to::<i64>("hold", ()).unwrap(), 9_000_000);
    let error = pool.call_to::<i64>("grow", ()).unwrap_err();
    assert!(
        error.to_string().contains(&format!("of {LIMIT} in use")),
        "{error}"
    );
}

#[test]
fn calls_cross_threads_as_messages() {
    let pool = pool_of(
        "struct Order { id, lines }
         enum State { Open, Closed(at) }
         let seen = 0
         fn order(id) { return Order { id: id, lines: [State.Open, State.Closed(id)] } }
         async fn total(order) {
             seen += 1
             await Promise.resolve(null)
             return [order.id, order.lines[1] == State.Closed(order.id), type(order), seen]
         }
         fn broken() { return fn() { return 1 } }
         fn throws() { throw {\"code\": 7} }",
    );
    let make = pool.clone();
    let order: Message = thread::spawn(move || {
        let args = make.message((5,)).unwrap();
        make.call("order", &args).unwrap()
    })
    .join()
    .unwrap();
    // Any number of values can be made of a message.
    let read = pool.clone();
    for seen in 1..3 {
        let args = pool
            .with(|engine| {
                let order = engine.value_of(&order)?;
                engine.set_global("order", order)?;
                let args = engine.eval("[order]")?;
                engine.message(&args)
            })
            .unwrap();
        let total = pool.call("total", &args).unwrap();
        let (id, same, name, times) = read.read::<(i64, bool, String, i64)>(&total).unwrap();
        assert_eq!((id, same, &*name, times), (5, true, "Order", seen));
    }
    let none = pool.message(()).unwrap();
    let error = pool.call("broken", &none).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "Cannot send function to a worker");
    assert_eq!(
        pool.call("throws", &none).map(drop).unwrap_err().to_string(),
        "{code: 7}"
    );
    assert_eq!(
        pool.call("missing", &none).map(drop).unwrap_err().to_string(),
        "Undefined variable: missing"
    );
    assert_eq!(
        pool.call("order", &order).map(drop).unwrap_err().to_string(),
        "Invalid operation: the message holds no array of arguments"
    );
    // A value of another engine is refused.
    let foreign = Engine::new().unwrap().eval("[1]").unwrap();
    let error = pool
        .with(|engine| engine.message(&foreign).map(drop))
        .unwrap_err();
    assert!(error.to_string().contains("of another engine"), "{error}");
}
