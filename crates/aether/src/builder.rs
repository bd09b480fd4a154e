//! Setting up an engine: its host, its limits, what it begins with.

use aether_eval::{BuiltinDef, Host, Machine, MachineOptions};

use crate::engine::Engine;
use crate::host::DenyHost;
use crate::program;
use crate::{EMBEDDED_MAX_NESTING, Error};

/// The most script arguments.
pub const MAX_ARGS: usize = 100;

/// The budget of an embedded engine unless the host sets another, in bytes.
pub const EMBEDDED_MEMORY: usize = 256 << 20;

/// Sets up an [`Engine`].
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
    pub fn default_workers() -> usize {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (processors - 1).max(4)
    }

    /// Only the built-in functions, without the names of the standard library; modules can still be imported.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.options.full = false;
        self
    }

    /// The world outside; [`DenyHost`] unless set.
    #[must_use]
    pub fn host(mut self, host: impl Host + 'static) -> Self {
        self.host = Box::new(host);
        self
    }

    /// More built-in functions. They may replace those of the language.
    #[must_use]
    pub fn builtins(mut self, functions: &'static [BuiltinDef]) -> Self {
        self.builtins.push(functions);
        self
    }

    /// What scripts find in `args`.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// The heap's budget in bytes; [`EMBEDDED_MEMORY`] unless set, none for no limit.
    #[must_use]
    pub fn max_memory(mut self, bytes: Option<usize>) -> Self {
        self.options.max_memory = bytes;
        self
    }

    /// How many activations may be active at a time.
    #[must_use]
    pub fn max_depth(mut self, activations: usize) -> Self {
        self.options.max_depth = activations;
        self
    }

    /// How many calls, backward jumps and units of work in built-ins each call of the host may take, be it
    /// [`Engine::run`], [`Engine::eval`] or [`Engine::call`]; none for no limit.
    #[must_use]
    pub fn max_steps(mut self, steps: Option<u64>) -> Self {
        self.options.max_steps = steps;
        self
    }

    /// How long each call of the host may take, native code and waiting included; none for no limit. The script cannot
    /// catch the error, and its `finally` blocks do not run.
    #[must_use]
    pub fn timeout(mut self, time: Option<std::time::Duration>) -> Self {
        self.options.timeout = time;
        self
    }

    /// Bytes that each call of the host may print, to standard output and standard error together; none for no limit.
    #[must_use]
    pub fn max_output(mut self, bytes: Option<usize>) -> Self {
        self.options.max_output = bytes;
        self
    }

    /// How many files, sockets and their like may be open at a time; none for no limit.
    #[must_use]
    pub fn max_open(mut self, handles: Option<usize>) -> Self {
        self.options.max_open = handles;
        self
    }

    /// How deep sources may nest; [`EMBEDDED_MAX_NESTING`] unless set.
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

    /// Workers of the I/O pool, under which (io) functions give promises from the start; none for no pool until the
    /// script asks for one. [`EngineBuilder::default_workers`] tells how many are sensible.
    #[must_use]
    pub fn io_workers(mut self, workers: Option<usize>) -> Self {
        self.options.io_workers = workers.filter(|&workers| workers > 0);
        self
    }

    /// How many callbacks may be queued.
    #[must_use]
    pub fn queue_limit(mut self, callbacks: usize) -> Self {
        self.options.queue_limit = callbacks;
        self
    }

    /// Seconds that `event_loop()` takes unless told, and after which a queued callback is dropped; none for no limit.
    #[must_use]
    pub fn event_loop_timeout(mut self, seconds: Option<f64>) -> Self {
        self.options.event_loop_timeout = seconds;
        self
    }

    /// Seconds that servers have to come to an end when the user asks them to; 5 unless set.
    #[must_use]
    pub fn shutdown_timeout(mut self, seconds: f64) -> Self {
        self.options.shutdown_timeout = seconds;
        self
    }

    /// Further directories that modules are searched in, after the script's and the working one.
    #[must_use]
    pub fn module_path(mut self, directories: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.module_path = directories.into_iter().map(Into::into).collect();
        self
    }

    /// The directory that serves imports of texts without a file.
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
    /// # Errors
    /// Too many arguments, or a budget that does not even hold the built-ins.
    pub fn build(self) -> Result<Engine, Error> {
        let count = self.options.args.len();
        if count > MAX_ARGS {
            return Err(Error::TooManyArguments(count));
        }
        let mut builtins = aether_stdlib::ALL.to_vec();
        builtins.extend(self.builtins);
        let machine = Machine::new(&self.options, self.host, &builtins).map_err(Error::Runtime)?;
        Ok(Engine {
            machine,
            script: None,
            programs: program::Loaded::default(),
        })
    }
}
