//! Setting up an engine: its host, its limits, what it begins with.

use aether_eval::{BuiltinDef, Host, JitOptions, JitReport, Machine, MachineOptions};

use crate::engine::Engine;
use crate::host::DenyHost;
use crate::program;
use crate::{EMBEDDED_MAX_NESTING, Error};

/// The most script arguments.
pub const MAX_ARGS: usize = 100;

/// The budget of an embedded engine unless the host sets another, in bytes.
pub const EMBEDDED_MEMORY: usize = 256 << 20;

/// Sets up an [`Engine`].
///
/// ```
/// use aether::Engine;
///
/// let mut engine = Engine::builder().max_memory(Some(16 << 20)).max_steps(Some(1_000_000)).build()?;
/// assert_eq!(engine.eval_to::<i64>("6 * 7")?, 42);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct EngineBuilder {
    options: MachineOptions,
    host: Box<dyn Host>,
    builtins: Vec<&'static [BuiltinDef]>,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        let options = MachineOptions {
            max_memory: Some(EMBEDDED_MEMORY),
            max_nesting: EMBEDDED_MAX_NESTING,
            ..MachineOptions::default()
        };
        Self {
            options,
            host: Box::new(DenyHost::default()),
            builtins: Vec::new(),
        }
    }
}

impl EngineBuilder {
    /// A sensible number of workers on this machine: one fewer than it has processors, and at least four.
    ///
    /// ```
    /// use aether::{Engine, EngineBuilder};
    ///
    /// let engine = Engine::builder().io_workers(Some(EngineBuilder::default_workers())).build()?;
    /// # drop(engine);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn default_workers() -> usize {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (processors - 1).max(4)
    }

    /// Only the built-in functions, without the names of the standard library; modules can still be imported.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().bare().build()?;
    /// assert!(engine.eval("sqrt(4)").is_err());
    /// assert_eq!(engine.eval("import math  math.sqrt(4)")?.as_int(), None);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.options.full = false;
        self
    }

    /// The world outside; [`DenyHost`] unless set.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// let mut engine = aether::Engine::builder().host(host.clone()).build()?;
    /// engine.eval("println(1)")?;
    /// assert_eq!(host.stdout(), "1\n");
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn host(mut self, host: impl Host + 'static) -> Self {
        self.host = Box::new(host);
        self
    }

    /// More built-in functions. They may replace those of the language.
    ///
    /// ```
    /// use aether::parts::eval::{BuiltinDef, Ctx};
    /// use aether::parts::value::{Raise, Value};
    ///
    /// fn answer(_: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    ///     Ok(Value::Int(42))
    /// }
    ///
    /// static FUNCTIONS: &[BuiltinDef] = &[BuiltinDef::core("answer", &[], 0, 0, answer)];
    ///
    /// let mut engine = aether::Engine::builder().builtins(FUNCTIONS).build()?;
    /// assert_eq!(engine.eval_to::<i64>("answer()")?, 42);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn builtins(mut self, functions: &'static [BuiltinDef]) -> Self {
        self.builtins.push(functions);
        self
    }

    /// What scripts find in `args`.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().args(["a", "b"]).build()?;
    /// assert_eq!(engine.eval_to::<Vec<String>>("args")?, ["a", "b"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// The heap's budget in bytes; [`EMBEDDED_MEMORY`] unless set, none for no limit.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().max_memory(Some(1 << 20)).build()?;
    /// let error = engine.eval("let a = []  while (true) { a.push(1) }").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::OutOfMemory));
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_memory(mut self, bytes: Option<usize>) -> Self {
        self.options.max_memory = bytes;
        self
    }

    /// A budget that other engines share, on any threads, besides the engine's own.
    ///
    /// ```
    /// use aether::{Budget, Engine};
    ///
    /// let budget = Budget::new(64 << 20);
    /// let engine = Engine::builder().shared_budget(budget.clone()).build()?;
    /// assert!(budget.drawn() >= engine.heap().live_bytes());
    /// drop(engine);
    /// assert_eq!(budget.drawn(), 0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn shared_budget(mut self, budget: std::sync::Arc<aether_value::Budget>) -> Self {
        self.options.shared_budget = Some(budget);
        self
    }

    /// How many activations may be active at a time.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().max_depth(50).build()?;
    /// let error = engine.eval("fn f(n) { return f(n + 1) }  f(0)").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::Recursion));
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_depth(mut self, activations: usize) -> Self {
        self.options.max_depth = activations;
        self
    }

    /// How many calls, backward jumps and units of work in built-ins each call of the host may take, be it
    /// [`Engine::run`], [`Engine::eval`] or [`Engine::call`]; none for no limit.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().max_steps(Some(1000)).build()?;
    /// let error = engine.eval("while (true) { }").unwrap_err();
    /// assert_eq!(error.to_string(), "Step limit exceeded (1000)");
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_steps(mut self, steps: Option<u64>) -> Self {
        self.options.max_steps = steps;
        self
    }

    /// How long each call of the host may take, native code and waiting included; none for no limit. The script cannot
    /// catch the error, and its `finally` blocks do not run.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut engine = aether::Engine::builder().timeout(Some(Duration::from_millis(20))).build()?;
    /// let error = engine.eval("while (true) { }").unwrap_err();
    /// assert_eq!(error.to_string(), "Timed out after 20ms");
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn timeout(mut self, time: Option<std::time::Duration>) -> Self {
        self.options.timeout = time;
        self
    }

    /// Bytes that each call of the host may print, to standard output and standard error together; none for no limit.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().max_output(Some(3)).build()?;
    /// let error = engine.eval("print(\"four\")").unwrap_err();
    /// assert_eq!(error.to_string(), "Output limit exceeded (3 bytes)");
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_output(mut self, bytes: Option<usize>) -> Self {
        self.options.max_output = bytes;
        self
    }

    /// How many files, sockets and their like may be open at a time; none for no limit.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// host.add_file("f", "a\nb\n");
    /// let mut engine = aether::Engine::builder().host(host).max_open(Some(1)).build()?;
    /// let error = engine.eval("let a = lines_iter(\"f\")  lines_iter(\"f\")").unwrap_err();
    /// assert_eq!(error.to_string(), "Open handle limit exceeded (1)");
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_open(mut self, handles: Option<usize>) -> Self {
        self.options.max_open = handles;
        self
    }

    /// How deep sources may nest; [`EMBEDDED_MAX_NESTING`] unless set.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().max_nesting(3).build()?;
    /// assert!(engine.eval("((((1))))").is_err());
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_nesting(mut self, levels: u32) -> Self {
        self.options.max_nesting = levels;
        self
    }

    /// For tests: whether dicts with few string keys share them, which no program can tell but by time and memory.
    #[doc(hidden)]
    #[must_use]
    pub fn records(mut self, allowed: bool) -> Self {
        self.options.optimizations.records = allowed;
        self
    }

    /// For tests: whether code expects objects with operators from the beginning, which no program can tell but by time.
    #[doc(hidden)]
    #[must_use]
    pub fn native_operators(mut self, expected: bool) -> Self {
        self.options.native_operators = expected;
        self
    }

    /// Whether functions that are hot become machine code; they do unless set otherwise, where this build and the
    /// processor have any ([`MACHINE_CODE`](crate::MACHINE_CODE)). A program means the same with and without.
    ///
    /// Machine code needs memory that the system makes executable. A host that the system forbids this runs without:
    /// nothing has to be set for it.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().jit(false).build()?;
    /// assert_eq!(engine.eval_to::<i64>("let n = 0  for i in 0..100_000 { n += i % 3 }  n")?, 99_999);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn jit(mut self, allowed: bool) -> Self {
        self.options.jit.enabled = allowed;
        self
    }

    /// Bytes of machine code that the engine may have, in whole blocks of 64 KiB; 32 MiB unless set. They are no part of
    /// the heap's budget, since no program is to tell by its memory, but never more than a quarter of it. Once they are used up, nothing more is compiled, and what is there stays.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().max_code(1 << 20).build()?;
    /// assert_eq!(engine.eval_to::<i64>("let n = 0  for i in 0..100_000 { n += i % 3 }  n")?, 99_999);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn max_code(mut self, bytes: usize) -> Self {
        self.options.jit.max_code = bytes;
        self
    }

    /// What is written down about machine code, for [`Engine::jit_report`]; nothing unless set.
    ///
    /// ```
    /// use aether::{Engine, JitReport};
    ///
    /// let mut engine = Engine::builder().jit_report(JitReport::Log).build()?;
    /// engine.eval("1 + 1")?;
    /// assert!(engine.jit_report().is_empty());
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn jit_report(mut self, report: JitReport) -> Self {
        self.options.jit.report = report;
        self
    }

    /// For tests: everything about machine code, the ways to force it included.
    #[doc(hidden)]
    #[must_use]
    pub fn jit_options(mut self, options: JitOptions) -> Self {
        self.options.jit = options;
        self
    }

    /// Workers of the I/O pool, under which (io) functions give promises from the start; none for no pool until the
    /// script asks for one. [`EngineBuilder::default_workers`] tells how many are sensible.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().host(aether::MemoryHost::new()).io_workers(Some(1)).build()?;
    /// assert_eq!(engine.eval_to::<String>("type(sleep(0))")?, "promise");
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn io_workers(mut self, workers: Option<usize>) -> Self {
        self.options.io_workers = workers.filter(|&workers| workers > 0);
        self
    }

    /// How many callbacks may be queued.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().queue_limit(10).build()?;
    /// # engine.eval("")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn queue_limit(mut self, callbacks: usize) -> Self {
        self.options.queue_limit = callbacks;
        self
    }

    /// Seconds that `event_loop()` takes unless told, and after which a queued callback is dropped; none for no limit.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().event_loop_timeout(Some(0.5)).build()?;
    /// engine.eval("event_loop()")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn event_loop_timeout(mut self, seconds: Option<f64>) -> Self {
        self.options.event_loop_timeout = seconds;
        self
    }

    /// Seconds that servers have to come to an end when the user asks them to; 5 unless set.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().shutdown_timeout(1.0).build()?;
    /// # engine.eval("")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn shutdown_timeout(mut self, seconds: f64) -> Self {
        self.options.shutdown_timeout = seconds;
        self
    }

    /// Further directories that modules are searched in, after the script's and the working one.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// host.add_file("lib/tools.ae", "let one = 1");
    /// let mut engine = aether::Engine::builder().host(host).module_path(["lib"]).build()?;
    /// assert_eq!(engine.eval_to::<i64>("import tools  tools.one")?, 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn module_path(mut self, directories: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.module_path = directories.into_iter().map(Into::into).collect();
        self
    }

    /// The directory that serves imports of texts without a file.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// host.add_file("app/tools.ae", "let one = 1");
    /// let mut engine = aether::Engine::builder().host(host).directory("app").build()?;
    /// assert_eq!(engine.eval_to::<i64>("import tools  tools.one")?, 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[must_use]
    pub fn directory(mut self, directory: impl Into<String>) -> Self {
        let mut directory = directory.into();
        if !directory.is_empty() && !directory.ends_with('/') {
            directory.push('/');
        }
        self.options.directory = directory;
        self
    }

    /// For tests: has the heap refuse its charge with this number, counted from 1.
    #[doc(hidden)]
    #[must_use]
    pub fn fail_charge(mut self, number: u64) -> Self {
        self.options.fail_charge = Some(number);
        self
    }

    /// The engine.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().build()?;
    /// assert_eq!(engine.eval_to::<i64>("1")?, 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// Too many arguments, or a budget that does not even hold the built-ins.
    pub fn build(self) -> Result<Engine, Error> {
        let count = self.options.args.len();
        if count > MAX_ARGS {
            return Err(Error::TooManyArguments(count));
        }
        let mut builtins = aether_stdlib::ALL.to_vec();
        builtins.extend(self.builtins);
        let mut machine = Machine::new(&self.options, self.host, &builtins).map_err(Error::Runtime)?;
        machine.set_extensions(aether_stdlib::MODULES);
        Ok(Engine {
            machine,
            script: None,
            programs: program::Loaded::default(),
        })
    }
}
