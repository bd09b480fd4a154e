//! Engines for the threads of a host's executor.
//!
//! An [`Engine`] stays on its thread. An [`EnginePool`] is the recipe for engines that are alike: it goes to any thread,
//! and each thread that uses it has one engine of it, made at the first use and kept for the next. What crosses threads
//! is copied: a [`Message`], and of errors [`Error::report`].
//!
//! Invariants
//! - A thread has at most one engine of a pool. While it is in use, the same thread gets no other one.
//! - An engine whose use panicked is not used again.
//! - Engines go when their thread ends, or when their thread next uses any pool after the last handle of theirs is gone.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use aether_eval::{Ctx, RunError};
use aether_value::{Budget, Message, Raise, Value};

use crate::builder::EngineBuilder;
use crate::convert::{FromValue, admitted};
use crate::{Engine, Error, Program};

type Make = Box<dyn Fn() -> EngineBuilder + Send + Sync>;
type Prepare = Box<dyn Fn(&mut Engine) -> Result<(), Error> + Send + Sync>;

/// What makes the engines of a pool.
struct Recipe {
    make: Make,
    budget: Option<Arc<Budget>>,
    prepare: Vec<Prepare>,
    program: Option<Program>,
    engines: Arc<AtomicUsize>,
}

/// Engines that are alike, one for each thread that asks; see the module.
///
/// ```
/// use aether::{Engine, EnginePool, Program};
///
/// let program = Program::new("fn price(items) { return items.sum() * rate }")?;
/// let pool = EnginePool::builder(|| Engine::builder().max_steps(Some(1_000_000)))
///     .prepare(|engine| engine.define("rate", 2))
///     .program(program)
///     .build();
/// let handles: Vec<_> = (0..3_i64)
///     .map(|n| {
///         let pool = pool.clone();
///         std::thread::spawn(move || pool.call_to::<i64>("price", (vec![n, 10],)).map_err(|error| error.report()))
///     })
///     .collect();
/// let prices: Result<Vec<i64>, _> = handles.into_iter().map(|handle| handle.join().expect("no panic")).collect();
/// assert_eq!(prices?, [20, 22, 24]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EnginePool(Arc<Recipe>);

/// Sets up an [`EnginePool`].
///
/// ```
/// use aether::{Engine, EnginePool};
///
/// let pool = EnginePool::builder(Engine::builder).max_memory(64 << 20).build();
/// assert_eq!(pool.with(|engine| engine.eval_to::<i64>("6 * 7"))?, 42);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct EnginePoolBuilder(Recipe);

/// An engine of a thread.
struct Own {
    pool: Weak<Recipe>,
    /// None while it is in use.
    engine: Option<Engine>,
    _counted: Counted,
}

/// Counts an engine as long as this lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(engines: &Arc<AtomicUsize>) -> Self {
        engines.fetch_add(1, Ordering::Relaxed);
        Self(engines.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

thread_local! {
    static ENGINES: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) };
}

impl EnginePoolBuilder {
    /// Has the heaps of all engines of the pool, and of the workers that they start, take at most so many bytes
    /// together; each has its own limit besides.
    ///
    /// ```
    /// use aether::{Engine, EnginePool, ErrorKind};
    ///
    /// let pool = EnginePool::builder(Engine::builder).max_memory(4 << 20).build();
    /// let error = pool.with(|engine| engine.eval("\"x\".repeat(8000000)").map(drop)).unwrap_err();
    /// assert_eq!(error.kind(), Some(ErrorKind::OutOfMemory));
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.0.budget = Some(Budget::new(bytes));
        self
    }

    /// Has each engine run a program once, when it is made, so that its functions can be called.
    ///
    /// ```
    /// use aether::{Engine, EnginePool, Program};
    ///
    /// let program = Program::new("fn double(x) { return x * 2 }")?;
    /// let pool = EnginePool::builder(Engine::builder).program(program).build();
    /// assert_eq!(pool.call_to::<i64>("double", (21,))?, 42);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn program(mut self, program: Program) -> Self {
        self.0.program = Some(program);
        self
    }

    /// Has each engine prepared when it is made, before the program runs: functions and types of the host are
    /// registered here. Of several, the first one given comes first.
    ///
    /// ```
    /// use aether::{Engine, EnginePool};
    ///
    /// let pool = EnginePool::builder(Engine::builder)
    ///     .prepare(|engine| engine.register("area", |w: f64, h: f64| w * h))
    ///     .build();
    /// assert_eq!(pool.with(|engine| engine.eval_to::<f64>("area(2.5, 4)"))?, 10.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn prepare(
        mut self,
        prepare: impl Fn(&mut Engine) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        self.0.prepare.push(Box::new(prepare));
        self
    }

    /// The pool. It makes no engine yet.
    ///
    /// ```
    /// use aether::{Engine, EnginePool};
    ///
    /// let pool = EnginePool::builder(Engine::builder).build();
    /// assert_eq!(pool.engines(), 0);
    /// ```
    pub fn build(self) -> EnginePool {
        EnginePool(Arc::new(self.0))
    }
}

impl EnginePool {
    /// Sets up a pool. `make` is called on each thread that uses it.
    ///
    /// ```
    /// use aether::{Engine, EnginePool, MemoryHost};
    ///
    /// let pool = EnginePool::builder(|| Engine::builder().host(MemoryHost::new())).build();
    /// pool.with(|engine| engine.eval("println(1)").map(drop))?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn builder(make: impl Fn() -> EngineBuilder + Send + Sync + 'static) -> EnginePoolBuilder {
        EnginePoolBuilder(Recipe {
            make: Box::new(make),
            budget: None,
            prepare: Vec::new(),
            program: None,
            engines: Arc::default(),
        })
    }

    /// Lends the engine of this thread, which is made if there is none yet.
    ///
    /// ```
    /// use aether::{Engine, EnginePool};
    ///
    /// let pool = EnginePool::builder(Engine::builder).build();
    /// pool.with(|engine| engine.eval("let n = 1").map(drop))?;
    /// // The same engine as before, because this is the same thread.
    /// assert_eq!(pool.with(|engine| engine.eval_to::<i64>("n + 1"))?, 2);
    /// assert_eq!(pool.engines(), 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the closure gives; what making the engine, preparing it and running the program give; if the engine of this
    /// thread is in use already.
    pub fn with<T>(&self, use_it: impl FnOnce(&mut Engine) -> Result<T, Error>) -> Result<T, Error> {
        let mut lent = self.take()?;
        let mut engine = match lent.engine.take() {
            Some(engine) => engine,
            None => self.make()?,
        };
        let result = use_it(&mut engine);
        lent.give_back(engine);
        result
    }

    /// Takes the engine of this thread out of its place, which it gets if it has none; and lets go of engines whose pool
    /// is gone.
    fn take(&self) -> Result<Lent<'_>, Error> {
        let taken = ENGINES.try_with(|engines| {
            let mut engines = engines.borrow_mut();
            let gone: Vec<Own> = engines
                .extract_if(.., |own| own.pool.strong_count() == 0)
                .collect();
            let Some(own) = engines.iter_mut().find(|own| self.owns(own)) else {
                engines.push(Own {
                    pool: Arc::downgrade(&self.0),
                    engine: None,
                    _counted: Counted::new(&self.0.engines),
                });
                return (gone, Ok(None));
            };
            let engine = own.engine.take().ok_or("the engine of this thread is in use");
            (gone, engine.map(Some))
        });
        let (gone, engine) =
            taken.map_err(|_| Raise::operation("the thread of the engine pool is ending"))?;
        // Dropping an engine runs code of the host, which may use a pool.
        drop(gone);
        let engine = engine.map_err(Raise::operation)?;
        Ok(Lent { pool: self, engine })
    }

    fn owns(&self, own: &Own) -> bool {
        std::ptr::eq(own.pool.as_ptr(), Arc::as_ptr(&self.0))
    }

    fn make(&self) -> Result<Engine, Error> {
        let recipe = &self.0;
        let builder = (recipe.make)();
        let mut engine = match &recipe.budget {
            Some(budget) => builder.shared_budget(budget.clone()),
            None => builder,
        }
        .build()?;
        for prepare in &recipe.prepare {
            prepare(&mut engine)?;
        }
        if let Some(program) = &recipe.program {
            program.run::<Value>(&mut engine)?;
        }
        Ok(engine)
    }

    /// Calls a function of the program, or a global of the engines if there is no program, with arguments that were
    /// copied from any engine, and gives a copy of the result. An async function is awaited, and what it leaves behind
    /// is served.
    ///
    /// ```
    /// use aether::{Engine, EnginePool, Message, Program};
    ///
    /// let program = Program::new("async fn sizes(texts) { return [t.length for t in texts] }")?;
    /// let pool = EnginePool::builder(Engine::builder).program(program).build();
    /// let args: Message = pool.message((vec!["a", "bcd"],))?;
    /// let there = pool.clone();
    /// let sizes = std::thread::spawn(move || there.call("sizes", &args).map_err(|error| error.report()));
    /// assert_eq!(pool.read::<Vec<i64>>(&sizes.join().expect("no panic")?)?, [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`EnginePool::with`]; `Undefined variable`; what the function raises; a result that cannot be copied.
    pub fn call(&self, name: &str, args: &Message) -> Result<Message, Error> {
        self.with(|engine| {
            let args = engine.value_of(args)?;
            let Value::Array(args) = &args else {
                return Err(Raise::operation("the message holds no array of arguments").into());
            };
            let args = args.snapshot().map_err(Error::from)?;
            let result = self.call_here(engine, name, args.as_slice())?;
            engine.message(&result)
        })
    }

    /// The same with Rust values, for a host that calls on the thread where it has them.
    ///
    /// ```
    /// use aether::{Engine, EnginePool, Program};
    ///
    /// let program = Program::new("fn add(a, b) { return a + b }")?;
    /// let pool = EnginePool::builder(Engine::builder).program(program).build();
    /// assert_eq!(pool.call_to::<f64>("add", (1.5, 2))?, 3.5);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`EnginePool::call`]; a result of another type.
    pub fn call_to<T: FromValue>(&self, name: &str, args: impl crate::Arguments) -> Result<T, Error> {
        self.with(|engine| {
            let heap = engine.heap().clone();
            let args = heap.for_host(|| args.into_arguments(&heap))?;
            T::from_value(&self.call_here(engine, name, args.as_ref())?)
        })
    }

    fn call_here(&self, engine: &mut Engine, name: &str, args: &[Value]) -> Result<Value, Error> {
        let function = match &self.0.program {
            Some(program) => program.global(engine, name),
            None => engine.global(name),
        };
        let function = function.ok_or_else(|| Raise::undefined(name))?;
        let result = engine.machine.call_and_serve(&function, args);
        engine.finish(result.map_err(Error::from))
    }

    /// The arguments of a call as a message, made by the engine of this thread.
    ///
    /// ```
    /// use aether::{Engine, EnginePool};
    ///
    /// let pool = EnginePool::builder(Engine::builder).build();
    /// let args = pool.message((1, "two"))?;
    /// assert!(args.size() > 0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`EnginePool::with`]; what cannot be copied; the budget.
    pub fn message(&self, args: impl crate::Arguments) -> Result<Message, Error> {
        self.with(|engine| {
            let heap = engine.heap().clone();
            let args = heap.for_host(|| -> Result<Value, Error> {
                let args = args.into_arguments(&heap)?;
                Ok(Value::Array(heap.array_from_slice(args.as_ref())?))
            })?;
            engine.message(&args)
        })
    }

    /// What a message holds, as a Rust value, by the engine of this thread.
    ///
    /// ```
    /// use aether::{Engine, EnginePool};
    ///
    /// let pool = EnginePool::builder(Engine::builder).build();
    /// let message = pool.with(|engine| {
    ///     let value = engine.eval("[1, 2]")?;
    ///     engine.message(&value)
    /// })?;
    /// assert_eq!(pool.read::<Vec<i64>>(&message)?, [1, 2]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`EnginePool::with`]; another type; the budget.
    pub fn read<T: FromValue>(&self, message: &Message) -> Result<T, Error> {
        self.with(|engine| T::from_value(&engine.value_of(message)?))
    }

    /// How many engines there are just now.
    ///
    /// ```
    /// use aether::{Engine, EnginePool};
    ///
    /// let pool = EnginePool::builder(Engine::builder).build();
    /// pool.with(|_| Ok(()))?;
    /// let there = pool.clone();
    /// std::thread::spawn(move || there.with(|_| Ok(())).is_ok()).join().expect("no panic");
    /// // The engine of the thread that has ended is gone.
    /// assert_eq!(pool.engines(), 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn engines(&self) -> usize {
        self.0.engines.load(Ordering::Relaxed)
    }
}

/// The place of an engine that is being made or used. Unless the engine is given back, the place goes too.
struct Lent<'a> {
    pool: &'a EnginePool,
    /// The engine, if there was one.
    engine: Option<Engine>,
}

impl Lent<'_> {
    fn give_back(self, engine: Engine) {
        let lost = ENGINES.try_with(|engines| {
            let mut engines = engines.borrow_mut();
            match engines.iter_mut().find(|own| self.pool.owns(own)) {
                Some(own) => own.engine.replace(engine),
                None => Some(engine),
            }
        });
        drop(lost);
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let place = ENGINES.try_with(|engines| {
            let mut engines = engines.borrow_mut();
            let is_empty = |own: &Own| self.pool.owns(own) && own.engine.is_none();
            let at = engines.iter().position(is_empty)?;
            Some(engines.swap_remove(at))
        });
        drop(place);
    }
}

impl Engine {
    /// A copy of a value that any engine can build, on any thread.
    ///
    /// ```
    /// use aether::{Engine, Message};
    ///
    /// let mut engine = Engine::new()?;
    /// let value = engine.eval("({\"a\": [1, 2.5]})")?;
    /// let message: Message = engine.message(&value)?;
    /// let sum = std::thread::spawn(move || {
    ///     let mut other = Engine::new().expect("an engine");
    ///     let value = other.value_of(&message).expect("the budget holds it");
    ///     other.set_global("v", value).expect("the budget holds it");
    ///     other.eval_to::<f64>("v[\"a\"].sum()").expect("numbers")
    /// });
    /// assert_eq!(sum.join().expect("no panic"), 3.5);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Cannot send {type} to a worker` for functions, promises and whatever else does not leave its engine; the budget.
    pub fn message(&mut self, value: &Value) -> Result<Message, Error> {
        admitted(self.heap(), value)?;
        self.for_message(|ctx| ctx.message(value))
    }

    /// Builds the value of a message. Instances and enum values get the types that this engine's scripts have declared
    /// under their names.
    ///
    /// ```
    /// use aether::Engine;
    ///
    /// let (mut one, mut two) = (Engine::new()?, Engine::new()?);
    /// let point = one.eval("struct Point { x, y }  Point { x: 1, y: 2 }")?;
    /// let message = one.message(&point)?;
    /// assert_eq!(two.value_of(&message).unwrap_err().to_string(), "The receiver knows no struct 'Point'");
    /// two.eval("struct Point { x, y  fn sum(self) { return self.x + self.y } }")?;
    /// let point = two.value_of(&message)?;
    /// two.set_global("p", point)?;
    /// assert_eq!(two.eval_to::<i64>("p.sum()")?, 3);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// A type that is not known here; the budget.
    pub fn value_of(&mut self, message: &Message) -> Result<Value, Error> {
        self.for_message(|ctx| ctx.value_of(message))
    }

    fn for_message<T>(&mut self, use_it: impl FnOnce(&mut Ctx<'_>) -> Result<T, Raise>) -> Result<T, Error> {
        let result: Result<T, RunError> = self.machine.with_ctx(use_it);
        result.map_err(Error::from)
    }
}

/// A pool and messages go from thread to thread.
const fn is_send<T: Send + Sync>() {}
const _: () = is_send::<EnginePool>();
const _: () = is_send::<Message>();
