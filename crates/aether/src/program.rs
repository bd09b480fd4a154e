//! Scripts that are compiled once and run many times.
//!
//! Invariants
//! - A program holds no value of any engine: it may be shared between engines and threads. Parsing and resolving its
//!   names is done once; each engine compiles it once, when it first runs it.
//! - Each engine has one scope for each program. A run begins with that scope fresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aether_eval::Parsed;
use aether_source::SourceFile;
use aether_value::{Raise, Value};
use ahash::AHashMap;

use crate::convert::{Arguments, FromValue, IntoValue, admitted};
use crate::function::Function;
use crate::{EMBEDDED_MAX_NESTING, Engine, Error};

/// A script, compiled to be run many times, by any number of engines.
///
/// ```
/// use aether::{Engine, Program};
///
/// let program = Program::new("let total = 0  for p in prices { total += p }  total")?;
/// let mut engine = Engine::new()?;
/// let sum: i64 = program.run_with(&mut engine, [("prices", vec![1, 2, 3])])?;
/// assert_eq!(sum, 6);
/// // Nothing of the first run is left in the second.
/// let sum: i64 = program.run_with(&mut engine, [("prices", vec![10])])?;
/// assert_eq!(sum, 10);
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone)]
pub struct Program {
    parsed: Arc<Parsed>,
    /// Tells programs apart.
    id: u64,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("file", &self.parsed.file().path())
            .finish_non_exhaustive()
    }
}

/// The programs that an engine has compiled.
#[derive(Default)]
pub(crate) struct Loaded(AHashMap<u64, aether_eval::Loaded>);

impl Program {
    /// A program from a text without a file.
    ///
    /// ```
    /// assert!(aether::Program::new("let x = ").is_err());
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Syntax`], with every error in the text.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        Self::parse(SourceFile::new(None, text.into()))
    }

    /// A program from the text of the file at `path`, which traces name and whose directory serves imports.
    ///
    /// ```
    /// let program = aether::Program::from_file("rules/a.ae", "1 / 0")?;
    /// let mut engine = aether::Engine::new()?;
    /// let error = program.run::<i64>(&mut engine).unwrap_err();
    /// assert_eq!(error.file(), Some("rules/a.ae"));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Program::new`].
    pub fn from_file(path: impl Into<String>, text: impl Into<String>) -> Result<Self, Error> {
        Self::parse(SourceFile::new(Some(path.into()), text.into()))
    }

    fn parse(file: SourceFile) -> Result<Self, Error> {
        static PROGRAMS: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            parsed: Arc::new(Parsed::new(file, EMBEDDED_MAX_NESTING)?),
            id: PROGRAMS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The program as this engine has compiled it.
    fn loaded(&self, engine: &mut Engine) -> Result<aether_eval::Loaded, Error> {
        if let Some(&loaded) = engine.programs.0.get(&self.id) {
            return Ok(loaded);
        }
        let loaded = engine.machine.load(&self.parsed)?;
        engine.programs.0.insert(self.id, loaded);
        Ok(loaded)
    }

    /// The program as this engine has compiled it, if it has.
    fn known(&self, engine: &Engine) -> Option<aether_eval::Loaded> {
        engine.programs.0.get(&self.id).copied()
    }

    /// Runs the program with fresh globals, and gives the value of its last statement if that is an expression, else
    /// null. Neither `main` is called nor the queue of callbacks served.
    ///
    /// ```
    /// let program = aether::Program::new("6 * 7")?;
    /// let mut engine = aether::Engine::new()?;
    /// assert_eq!(program.run::<i64>(&mut engine)?, 42);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub fn run<T: FromValue>(&self, engine: &mut Engine) -> Result<T, Error> {
        self.run_with(engine, [] as [(&str, Value); 0])
    }

    /// The same with globals that are set before.
    ///
    /// ```
    /// let program = aether::Program::new("price * count")?;
    /// let mut engine = aether::Engine::new()?;
    /// let total: f64 = program.run_with(&mut engine, [("price", 2.5), ("count", 4.0)])?;
    /// assert_eq!(total, 10.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub fn run_with<'n, T: FromValue, V: IntoValue>(
        &self,
        engine: &mut Engine,
        globals: impl IntoIterator<Item = (&'n str, V)>,
    ) -> Result<T, Error> {
        let loaded = self.loaded(engine)?;
        let heap = engine.heap();
        let globals: Result<Vec<(&str, Value)>, Error> = heap.for_host(|| {
            let globals = globals.into_iter();
            globals
                .map(|(name, value)| Ok((name, value.into_value(heap)?)))
                .collect()
        });
        let result = engine.machine.run_loaded(loaded, &globals?);
        let value = engine.finish(result.map_err(Error::from))?;
        T::from_value(&value)
    }

    /// A global of the program, as its latest run by this engine has left it.
    ///
    /// ```
    /// let program = aether::Program::new("let x = 3")?;
    /// let mut engine = aether::Engine::new()?;
    /// program.run::<()>(&mut engine)?;
    /// assert_eq!(program.global(&engine, "x").and_then(|x| x.as_int()), Some(3));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn global(&self, engine: &Engine, name: &str) -> Option<Value> {
        engine.machine.global_of(self.known(engine)?, name)
    }

    /// Sets a global of the program, for calls of its functions; the next run begins afresh.
    ///
    /// ```
    /// let program = aether::Program::new("let by = 1  fn f(x) { return x * by }")?;
    /// let mut engine = aether::Engine::new()?;
    /// program.run::<()>(&mut engine)?;
    /// program.set_global(&mut engine, "by", 10)?;
    /// assert_eq!(program.call::<i64>(&mut engine, "f", (4,))?, 40);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn set_global(&self, engine: &mut Engine, name: &str, value: impl IntoValue) -> Result<(), Error> {
        let loaded = self.loaded(engine)?;
        let heap = engine.heap().clone();
        let value = heap.for_host(|| value.into_value(&heap))?;
        Ok(engine.machine.set_global_of(loaded, name, value)?)
    }

    /// A function that the program has declared in its latest run by this engine.
    ///
    /// ```
    /// let program = aether::Program::new("fn f(x) { return x + 1 }")?;
    /// let mut engine = aether::Engine::new()?;
    /// program.run::<()>(&mut engine)?;
    /// let f: aether::Function<(i64,), i64> = program.function(&engine, "f")?;
    /// assert_eq!(f.call(&mut engine, (1,))?, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Undefined variable`, or that it is no function.
    pub fn function<A, R>(&self, engine: &Engine, name: &str) -> Result<Function<A, R>, Error> {
        let function = self.global(engine, name).ok_or_else(|| Raise::undefined(name))?;
        Function::from_value(&function)
    }

    /// Calls such a function.
    ///
    /// ```
    /// let program = aether::Program::new("fn f(x) { return x + 1 }")?;
    /// let mut engine = aether::Engine::new()?;
    /// program.run::<()>(&mut engine)?;
    /// assert_eq!(program.call::<i64>(&mut engine, "f", (1,))?, 2);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Undefined variable`, or what the function raises.
    pub fn call<T: FromValue>(
        &self,
        engine: &mut Engine,
        name: &str,
        args: impl Arguments,
    ) -> Result<T, Error> {
        let function = self.global(engine, name).ok_or_else(|| Raise::undefined(name))?;
        admitted(engine.heap(), &function)?;
        T::from_value(&engine.call_value(&function, args)?)
    }
}

/// A parsed program goes from thread to thread.
const fn is_send<T: Send + Sync>() {}
const _: () = is_send::<Program>();
