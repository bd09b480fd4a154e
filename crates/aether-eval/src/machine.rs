//! The evaluator from outside: a machine that loads, runs and calls.

use aether_parser::ParseOptions;
use aether_source::{Diagnostic, SourceFile};
use aether_value::{Budget, ErrorKind, Heap, HeapConfig, Raise, Rc, Value, display_text};

use crate::builtins::{BuiltinDef, LibraryModule};
use crate::compiler::{self, CompileError, Kind};
use crate::host::Host;
use crate::task::{DEFAULT_GRACE, DEFAULT_QUEUE_LIMIT};
use crate::vm::{DEFAULT_DEPTH, IN_WORKER, Limits, TracePlace, Vm, is_exit, trace_places, trace_text};

/// How a machine starts out.
#[derive(Clone, Debug)]
pub struct MachineOptions {
    /// Whether library chapter 10 is predefined.
    pub full: bool,
    /// Budget in bytes; none for no limit.
    pub max_memory: Option<usize>,
    /// A budget that other machines share, besides its own.
    pub shared_budget: Option<std::sync::Arc<Budget>>,
    /// Limit of activations.
    pub max_depth: usize,
    /// Calls, backward jumps and built-in work units allowed in each call of the host; none for no limit.
    pub max_steps: Option<u64>,
    /// How long each call of the host may take; none for no limit.
    pub timeout: Option<std::time::Duration>,
    /// Bytes that each call of the host may print; none for no limit.
    pub max_output: Option<usize>,
    /// Files, sockets and their like that may be open at a time; none for no limit.
    pub max_open: Option<usize>,
    /// How deep source may nest.
    pub max_nesting: u32,
    /// Further directories that modules are searched in, after the working directory's.
    pub module_path: Vec<String>,
    /// The script's arguments.
    pub args: Vec<String>,
    /// Workers of the I/O pool; none for no pool until the script asks for one.
    pub io_workers: Option<usize>,
    /// Most callbacks that may be queued.
    pub queue_limit: usize,
    /// Seconds that `event_loop()` takes unless told, and after which queued callbacks are dropped; none for no limit.
    pub event_loop_timeout: Option<f64>,
    /// Seconds that servers have to come to an end when the user asks them to.
    pub shutdown_timeout: f64,
    /// Directory that serves the imports of texts without a file, empty or ending in `/`.
    pub directory: String,
    /// Whether operators are called from the beginning; see [`Machine::allow_native_operators`].
    pub native_operators: bool,
    /// For tests: the number of the heap's charge to refuse, counted from 1.
    pub fail_charge: Option<u64>,
    /// For tests: what the compiler may do to make programs faster.
    pub optimizations: Optimizations,
    /// Whether and how hot functions become machine code.
    pub jit: crate::jit_options::JitOptions,
}

/// What is done for speed alone, or for memory: a program means the same without. Tests compare the two.
#[derive(Clone, Copy, Debug)]
pub struct Optimizations {
    /// Pairs of instructions are executed as one.
    pub fuse: bool,
    /// A captured variable that no longer changes is copied into the closure instead of living in a cell.
    pub copy_captures: bool,
    /// Dicts with few string keys share them.
    pub records: bool,
}

impl Default for Optimizations {
    fn default() -> Self {
        Self {
            fuse: true,
            copy_captures: true,
            records: true,
        }
    }
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self {
            full: true,
            max_memory: None,
            shared_budget: None,
            max_depth: DEFAULT_DEPTH,
            max_steps: None,
            timeout: None,
            max_output: None,
            max_open: None,
            max_nesting: aether_parser::DEFAULT_MAX_NESTING,
            module_path: Vec::new(),
            args: Vec::new(),
            io_workers: None,
            queue_limit: DEFAULT_QUEUE_LIMIT,
            event_loop_timeout: None,
            shutdown_timeout: DEFAULT_GRACE,
            directory: String::new(),
            native_operators: false,
            fail_charge: None,
            optimizations: Optimizations::default(),
            jit: crate::jit_options::JitOptions::default(),
        }
    }
}

/// An error that left a script.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RuntimeError {
    /// The message, without prefix or place.
    pub message: String,
    /// What sort.
    pub kind: ErrorKind,
    /// Line of the failure, if known.
    pub line: Option<u32>,
    /// The stack trace as scripts see it.
    pub stack_trace: String,
    /// Where, innermost first.
    pub places: Vec<TracePlace>,
    /// What was thrown; null for errors of the runtime.
    pub value: Value,
    /// If the import of a module failed because of its text: the module's file, and every error in it.
    pub module: Option<(std::rc::Rc<SourceFile>, Vec<Diagnostic>)>,
}

impl RuntimeError {
    /// The lines of the trace that lie in a worker, below the one that says so; none if it happened here.
    pub fn worker_trace(&self) -> impl Iterator<Item = &str> {
        self.stack_trace.lines().skip_while(|line| *line != IN_WORKER)
    }
}

/// Why a text did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It has lexical or syntax errors; nothing ran.
    #[error("{}", .diagnostics.first().map_or("", |first| first.message.as_str()))]
    Syntax {
        /// The text.
        file: std::rc::Rc<SourceFile>,
        /// Every error, in source order.
        diagnostics: Vec<Diagnostic>,
    },
    /// It raised.
    #[error(transparent)]
    Runtime(#[from] Box<RuntimeError>),
    /// It ended the program without an error.
    #[error("exit")]
    Exit(u8),
}

/// A fragment that one machine has compiled, which alone may run it.
#[derive(Debug)]
pub struct Prepared(std::ptr::NonNull<aether_value::Code>);

/// A text that has been parsed, and its names resolved: what compiling it for any machine begins with.
pub struct Parsed {
    pub(crate) file: SourceFile,
    pub(crate) ast: aether_ast::Ast,
    pub(crate) resolution: aether_resolve::Resolution,
}

impl Parsed {
    /// Parses a text of at most this nesting.
    ///
    /// # Errors
    /// [`RunError::Syntax`].
    pub fn new(file: SourceFile, max_nesting: u32) -> Result<Self, RunError> {
        let parse = aether_parser::parse(&file, ParseOptions { max_nesting });
        if !parse.diagnostics.is_empty() {
            return Err(RunError::Syntax {
                file: std::rc::Rc::new(file),
                diagnostics: parse.diagnostics,
            });
        }
        let resolution = aether_resolve::resolve(&parse.ast, true);
        Ok(Self {
            file,
            ast: parse.ast,
            resolution,
        })
    }

    /// The text.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }
}

/// A parsed text as one machine has compiled it, with a module scope of its own.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    code: std::ptr::NonNull<aether_value::Code>,
    module: u32,
}

/// What makes machines like one that there is, on any thread.
#[derive(Clone, Default)]
pub struct MachineRecipe {
    /// Its options.
    pub options: MachineOptions,
    /// Its built-ins beside those of this crate.
    extra: Vec<&'static [BuiltinDef]>,
    /// The modules that its scripts may import.
    extensions: &'static [LibraryModule],
    /// Where the machines report what they have leaked, if that is watched.
    pub(crate) leaks: Option<std::sync::Arc<crate::WorkerLeaks>>,
}

impl MachineRecipe {
    /// Where machines of this recipe report what they have leaked, if they are to.
    pub fn leaks(&self) -> Option<&std::sync::Arc<crate::WorkerLeaks>> {
        self.leaks.as_ref()
    }

    /// A machine with these options, built-ins and modules, for another host.
    ///
    /// # Errors
    /// As [`Machine::new`].
    pub fn build(&self, host: Box<dyn Host>) -> Result<Machine, Box<RuntimeError>> {
        let mut machine = Machine::new(&self.options, host, &self.extra)?;
        machine.set_extensions(self.extensions);
        if let Some(leaks) = &self.leaks {
            machine.watch_memory(crate::MemoryWatch::Leaks);
            machine.vm.recipe.leaks = Some(leaks.clone());
        }
        Ok(machine)
    }
}

/// A virtual machine with its heap, globals and host.
pub struct Machine {
    vm: Box<Vm>,
    module: u32,
}

impl Machine {
    /// A machine whose prelude holds the built-ins, `extra` ones, and in a full machine the library.
    ///
    /// # Errors
    /// The budget does not even hold the prelude.
    pub fn new(
        options: &MachineOptions,
        host: Box<dyn Host>,
        extra: &[&'static [BuiltinDef]],
    ) -> Result<Self, Box<RuntimeError>> {
        let heap = Heap::new(HeapConfig {
            limit: options.max_memory,
            fail_charge: options.fail_charge,
            records: options.optimizations.records,
            ..HeapConfig::default()
        });
        if let Some(budget) = &options.shared_budget {
            heap.join_budget(budget);
        }
        let limits = Limits {
            depth: options.max_depth,
            steps: options.max_steps,
            time: options.timeout,
            output: options.max_output,
        };
        let make = || -> Result<Self, Raise> {
            let mut vm = Box::new(Vm::new(heap.clone(), host, limits)?);
            vm.is_full = options.full;
            vm.handles.limit = options.max_open;
            vm.max_nesting = options.max_nesting;
            vm.module_path.clone_from(&options.module_path);
            vm.directory.clone_from(&options.directory);
            vm.tables.optimizations = options.optimizations;
            vm.set_jit(options.jit);
            vm.tables.native_operators = options.native_operators;
            if let Some(workers) = options.io_workers {
                vm.scheduler.set_workers(workers);
            }
            vm.scheduler.queue_limit = options.queue_limit;
            vm.scheduler.loop_timeout = options.event_loop_timeout;
            vm.scheduler.task_timeout = options.event_loop_timeout;
            vm.scheduler.grace = options.shutdown_timeout;
            vm.recipe = MachineRecipe {
                options: options.clone(),
                extra: extra.to_vec(),
                extensions: &[],
                leaks: None,
            };
            install(&mut vm, options, extra)?;
            let module = vm.tables.add_module();
            vm.heap.begin_program();
            Ok(Self { vm, module })
        };
        make().map_err(|raise| Box::new(describe(&raise)))
    }

    /// Sets the modules that `import` finds after all files, besides those of this crate; before code runs.
    pub fn set_extensions(&mut self, modules: &'static [LibraryModule]) {
        self.vm.extensions = modules;
        self.vm.recipe.extensions = modules;
    }

    /// Whether a file has served an import of this name.
    pub fn has_module_from_file(&self, name: &str) -> bool {
        self.vm.modules.iter().any(|module| module.name() == name)
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        // Whoever asks for it finds dead what has died, also after a limit.
        self.vm.heap.release_rest();
        &self.vm.heap
    }

    /// The machine within.
    pub(crate) fn vm(&mut self) -> &mut Vm {
        &mut self.vm
    }

    /// The machine within, to read.
    pub(crate) fn vm_ref(&self) -> &Vm {
        &self.vm
    }

    /// The host.
    pub fn host(&mut self) -> &mut dyn Host {
        &mut *self.vm.host
    }

    /// What ends the machine's waiting, from any thread.
    pub fn waker(&self) -> crate::Waker {
        self.vm.scheduler.receiver.waker()
    }

    /// Blocks the thread until the machine's waker is woken.
    pub fn sleep(&mut self) {
        let waker = self.waker();
        let waiting = crate::Waiting {
            until: None,
            messages: false,
            jobs: false,
            network: false,
        };
        self.vm.host.wait(&waker, waiting);
    }

    /// Runs a program: its top level, then `main` if it declares one, awaiting it, then the callbacks still queued, then
    /// what top levels have deferred.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run(&mut self, file: SourceFile) -> Result<(), RunError> {
        self.vm.script_directory = file
            .path()
            .map(|path| path.rfind('/').map_or(String::new(), |at| path[..=at].to_owned()));
        self.vm.begin_host_call();
        let result = self.execute(file, Kind::Program);
        let result = result.and_then(|_| self.main_and_queue());
        self.run_deferred(result)
    }

    /// Calls what top levels have deferred, the last one first; an error of these takes the place of the result. What
    /// ends a program for good ends it here too.
    fn run_deferred<T>(&mut self, mut result: Result<T, RunError>) -> Result<T, RunError> {
        loop {
            let goes_on = match &result {
                Ok(_) => true,
                Err(RunError::Runtime(error)) => self.vm.may_clean_up(error.kind),
                Err(_) => false,
            };
            let next = if goes_on { self.vm.take_deferred() } else { None };
            let Some(function) = next else { return result };
            let called = self.vm.call_value(&function, &[], true);
            drop(function);
            if let Err(error) = self.leave(called) {
                result = Err(error);
            }
        }
    }

    /// Serves the callbacks that are queued, until there are none, and the finalizers of objects that have died.
    ///
    /// # Errors
    /// What ends a program for good; what a callback throws is reported and forgotten.
    fn drain(&mut self) -> Result<(), RunError> {
        let drained = self.vm.drain_queue();
        self.leave(drained)
    }

    /// What a run gave, for the host: an error says what is known of it, and one of the budget leaves the handlers'
    /// reserve open, so that the host can put things right.
    #[inline]
    fn leave<T>(&mut self, result: Result<T, Raise>) -> Result<T, RunError> {
        self.vm.publish();
        match result {
            Ok(value) => Ok(value),
            Err(raise) => Err(self.leave_by(raise)),
        }
    }

    #[cold]
    fn leave_by(&mut self, raise: Raise) -> RunError {
        let is_budget = raise.kind() == ErrorKind::OutOfMemory;
        let mut error = RunError::from(raise);
        if let RunError::Runtime(error) = &mut error
            && error.kind == ErrorKind::Import
        {
            let failed = self.vm.failed_module(&error.message);
            error.module = failed.map(|failed| (failed.file, failed.diagnostics));
        }
        if is_budget {
            self.vm.heap.hold_reserve();
        }
        error
    }

    /// Runs the finalizers of objects that have died; what they throw goes to standard error.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run_finalizers(&mut self) -> Result<(), RunError> {
        let ran = self.vm.run_finalizers();
        self.leave(ran)
    }

    /// Calls the callbacks that are ready, and waits for nothing: what a prompt does between inputs.
    ///
    /// # Errors
    /// What ends a program for good; what a callback throws is reported and forgotten.
    pub fn serve_ready(&mut self) -> Result<(), RunError> {
        self.vm.begin_host_call();
        let served = self.vm.serve_ready();
        self.leave(served)
    }

    /// Waits until the files are written that the program has begun to write in the background, for some seconds at
    /// most, and gives up everything else that is out.
    pub fn complete_writes(&mut self) {
        self.vm.complete_writes();
    }

    /// Takes the failures of promises that nobody has asked for their outcome, in the order in which they failed. A few
    /// hundred are kept; beyond that the last one says how many more there were.
    pub fn take_unhandled_rejections(&mut self) -> Vec<RunError> {
        let (promises, more) = self.vm.scheduler.take_unhandled();
        let errors = promises.iter().filter_map(|promise| promise.settled()?.err());
        let mut unhandled: Vec<RunError> = errors.map(|error| Raise::again(error).into()).collect();
        if more > 0 {
            unhandled.push(describe(&Raise::new(ErrorKind::Limit, format!("{more} more"))).into());
        }
        unhandled
    }

    /// What other threads see of the machine, and stop it by.
    pub fn set_remote(&mut self, remote: std::sync::Arc<crate::Remote>) {
        remote.attach(self.vm.scheduler.receiver.waker());
        self.vm.remote = Some(remote);
    }

    /// Has a member of a library module give a value in this machine; see [`Constant::Held`](crate::Constant::Held).
    pub fn hold(&mut self, key: &'static str, value: Value) {
        self.vm.held.insert(key, value);
    }

    /// Calls a function value, awaiting what it gives, and serves what it has left behind: callbacks, and coroutines that
    /// go on by themselves.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn call_and_serve(&mut self, function: &Value, args: &[Value]) -> Result<Value, RunError> {
        self.vm.begin_host_call();
        let result = self.vm.call_value(function, args, true);
        let value = self.leave(result)?;
        self.drain()?;
        Ok(value)
    }

    /// Makes a function that was sent. Types that its text declares are those of the machine's messages from then on.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn receive_function(&mut self, sent: &crate::SentFunction) -> Result<Value, RunError> {
        self.vm.begin_host_call();
        let made = self.vm.receive_function(sent, self.module);
        self.leave(made)
    }

    /// Lends what built-ins see of the machine.
    ///
    /// # Errors
    /// What the closure raises.
    pub fn with_ctx<T>(
        &mut self,
        use_it: impl FnOnce(&mut crate::Ctx<'_>) -> Result<T, Raise>,
    ) -> Result<T, RunError> {
        self.vm.begin_host_call();
        let made = use_it(&mut crate::Ctx { vm: &mut self.vm });
        self.leave(made)
    }

    /// For tests: slices that were forced, and passes that these have completed; see
    /// [`Heap::force_slices`](aether_value::Heap::force_slices).
    pub fn forced_slices(&self) -> (u64, u64) {
        self.vm.forced_slices()
    }

    /// Collects cycles in slices until a pass over the whole heap is complete or `most` has passed; whether it is
    /// complete.
    pub fn collect_step(&mut self, most: std::time::Duration) -> bool {
        self.vm.collect_step(most)
    }

    /// The program's end: completes writes, lets go of the data in its globals and runs the finalizers that this brings about. Nothing
    /// else runs in this machine afterwards.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn finish(&mut self) -> Result<(), RunError> {
        self.vm.begin_host_call();
        let ended = self.vm.run_exit_handlers();
        self.leave(ended)?;
        self.complete_writes();
        if self.vm.heap.finalizers() > 0 {
            self.vm.heap.collect();
            self.run_finalizers()?;
            self.vm.release_data();
            self.vm.heap.collect();
            self.run_finalizers()?;
        }
        Ok(())
    }

    /// Calls `main` if the module scope has one, serves the callbacks that are queued then, and runs what top levels
    /// have deferred.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn call_main(&mut self) -> Result<(), RunError> {
        self.vm.begin_host_call();
        let result = self.main_and_queue();
        self.run_deferred(result)
    }

    fn main_and_queue(&mut self) -> Result<(), RunError> {
        let Some(main) = self.global("main") else {
            return self.drain();
        };
        let params = match &main {
            Value::Function(closure) | Value::AsyncFunction(closure) => closure.code().declared,
            _ => return Err(describe(&Raise::operation("main is not a function")).into()),
        };
        if params > 0 {
            return Err(describe(&Raise::operation("main() must take no arguments")).into());
        }
        let result = self.vm.call_value(&main, &[], true);
        drop(main);
        drop(self.leave(result)?);
        self.drain()
    }

    /// Runs a fragment in the machine's module scope, and then what it has deferred, and gives the value of a last
    /// expression statement.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn evaluate(&mut self, file: SourceFile) -> Result<Value, RunError> {
        self.vm.begin_host_call();
        let result = self.execute(file, Kind::Fragment);
        self.run_deferred(result)
    }

    /// Compiles a fragment that is to run several times.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn prepare(&mut self, file: SourceFile) -> Result<Prepared, RunError> {
        let heap = self.vm.heap.clone();
        heap.for_host(|| self.compile(file, Kind::Fragment)).map(Prepared)
    }

    /// Runs a fragment that was compiled by this machine, as [`Machine::evaluate`] does.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run_prepared(&mut self, fragment: &Prepared) -> Result<Value, RunError> {
        self.vm.begin_host_call();
        let result = self.vm.run_code(fragment.0);
        let result = self.leave(result);
        self.run_deferred(result)
    }

    fn execute(&mut self, file: SourceFile, kind: Kind) -> Result<Value, RunError> {
        let heap = self.vm.heap.clone();
        let code = heap.for_host(|| self.compile(file, kind))?;
        let result = self.vm.run_code(code);
        self.leave(result)
    }

    fn compile(
        &mut self,
        file: SourceFile,
        kind: Kind,
    ) -> Result<std::ptr::NonNull<aether_value::Code>, RunError> {
        let file = std::rc::Rc::new(file);
        let parse = aether_parser::parse(
            &file,
            ParseOptions {
                max_nesting: self.vm.max_nesting,
            },
        );
        if !parse.diagnostics.is_empty() {
            return Err(RunError::Syntax {
                file,
                diagnostics: parse.diagnostics,
            });
        }
        let resolution = aether_resolve::resolve(&parse.ast, self.vm.tables.optimizations.copy_captures);
        let vm = &mut *self.vm;
        let code = compiler::compile(
            &parse.ast,
            &resolution,
            file.clone(),
            &vm.heap,
            &mut vm.tables,
            self.module,
            kind,
        );
        vm.refresh_tables();
        code.map_err(|error| compile_error(error, file))
    }

    /// Compiles a parsed text for this machine, in a module scope of its own.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn load(&mut self, parsed: &Parsed) -> Result<Loaded, RunError> {
        let file = std::rc::Rc::new(parsed.file.clone());
        let heap = self.vm.heap.clone();
        let vm = &mut *self.vm;
        let module = vm.tables.add_module();
        let code = heap.for_host(|| {
            compiler::compile(
                &parsed.ast,
                &parsed.resolution,
                file.clone(),
                &heap,
                &mut vm.tables,
                module,
                Kind::Fragment,
            )
        });
        vm.refresh_tables();
        code.map(|code| Loaded { code, module })
            .map_err(|error| compile_error(error, file))
    }

    /// Runs a loaded text with fresh globals, of which `inputs` are set before, and gives the value of a last expression
    /// statement.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run_loaded(&mut self, loaded: Loaded, inputs: &[(&str, Value)]) -> Result<Value, RunError> {
        self.vm.begin_host_call();
        self.vm.tables.reset_module(loaded.module);
        for (name, value) in inputs {
            self.set_in(loaded.module, name, value.clone())?;
        }
        let result = self.vm.run_code(loaded.code);
        let result = self.leave(result);
        self.run_deferred(result)
    }

    /// The value of a name that a loaded text has declared.
    pub fn global_of(&self, loaded: Loaded, name: &str) -> Option<Value> {
        self.vm.declared_global(loaded.module, name)
    }

    /// Sets a global of a loaded text.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set_global_of(&mut self, loaded: Loaded, name: &str, value: Value) -> Result<(), RunError> {
        self.set_in(loaded.module, name, value)
    }

    /// Sets a global of the machine's module scope.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set_global(&mut self, name: &str, value: Value) -> Result<(), RunError> {
        self.set_in(self.module, name, value)
    }

    fn set_in(&mut self, module: u32, name: &str, value: Value) -> Result<(), RunError> {
        let vm = &mut *self.vm;
        let heap = vm.heap.clone();
        let declared = heap.for_host(|| vm.tables.declare(&heap, module, name, value));
        vm.refresh_tables();
        declared.map_err(|raise| describe(&raise).into())
    }

    /// Adds a value that every module finds under a name, or replaces it.
    pub fn define(&mut self, name: &str, value: Value) {
        self.vm.tables.add_to_prelude(name.to_owned(), value);
    }

    /// Has code that is compiled from now on ask native objects for their operators. Code that is compiled already knows
    /// that operators yield numbers or raise: for it, native objects have none.
    pub fn allow_native_operators(&mut self) {
        self.vm.tables.native_operators = true;
    }

    /// Adds a module that scripts import by name, before any other of this name.
    ///
    /// # Errors
    /// Out of memory.
    pub fn add_module(&mut self, name: &str, members: Vec<(String, Value)>) -> Result<(), RunError> {
        let module = self.vm.tables.add_module();
        for (member, value) in members {
            self.set_in(module, &member, value)?;
        }
        self.vm.host_modules.insert(name.into(), module);
        Ok(())
    }

    /// Begins the body of an async call that has not begun, so that [`Machine::poll`] goes on with it.
    ///
    /// # Errors
    /// Out of memory.
    pub fn begin(&mut self, promise: &Value) -> Result<(), RunError> {
        self.vm.begin_host_call();
        let begun = match promise {
            Value::Promise(promise) => self.vm.begin_from_host(promise),
            _ => Ok(()),
        };
        self.leave(begun)
    }

    /// Goes on with everything that is ready and waits for nothing. What happens later wakes `waker`, except that time
    /// passes: see [`Machine::next_due`]. Answers whether anything is out that may go on.
    ///
    /// # Errors
    /// What ends a program for good; what a callback throws is reported and forgotten.
    pub fn poll(&mut self, waker: &std::task::Waker) -> Result<bool, RunError> {
        self.vm.begin_host_call();
        let served = self.vm.serve_outside(waker);
        self.leave(served)
    }

    /// Nanoseconds until something is due, if anything is.
    pub fn next_due(&mut self) -> Option<u64> {
        let due = self.vm.scheduler.next_due()?;
        Some(due.saturating_sub(self.vm.host.monotonic()))
    }

    /// The bytecode of a text, as one for a person to read.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn disassemble(&mut self, file: SourceFile) -> Result<String, RunError> {
        let code = self.compile(file, Kind::Program)?;
        Ok(crate::bytecode::disassemble_code(code))
    }

    /// Bytes that the compiler of machine code holds to find hot functions and to make code of them, the code itself
    /// aside. They are none of the heap's: what is hot depends on no budget.
    pub fn jit_bytes(&self) -> usize {
        self.vm.jit_bytes()
    }

    /// What was written down about machine code as [`JitOptions::report`](crate::JitOptions::report) asks: a line each,
    /// or the listing of a function each. Nothing if no function was hot.
    pub fn jit_report(&self) -> Vec<String> {
        self.vm.jit_report()
    }

    /// The value of a name that the module scope has declared.
    pub fn global(&self, name: &str) -> Option<Value> {
        self.vm.declared_global(self.module, name)
    }

    /// Every name that can be used at the module's top level: declared ones and the prelude.
    pub fn known_names(&self) -> Vec<String> {
        self.vm.known_names(self.module)
    }

    /// The names that the module scope has declared, with their values, in order of declaration.
    pub fn declared(&self) -> Vec<(String, Value)> {
        let tables = &self.vm.tables;
        let slots = tables.declared_slots(self.module);
        slots
            .filter_map(|slot| Some((tables.slot_name(slot).as_str().to_owned(), tables.value_of(slot)?)))
            .collect()
    }

    /// The names that every program can use, in no order.
    pub fn prelude_names(&self) -> Vec<&str> {
        self.vm.tables.prelude_names().collect()
    }

    /// A value of the prelude.
    pub fn prelude_value(&self, name: &str) -> Option<Value> {
        self.vm.tables.prelude_value(name)
    }

    /// The names that may stand behind a value's dot, sorted.
    pub fn members(&self, value: &Value) -> Vec<String> {
        crate::members::names_of(&self.vm, value)
    }

    /// What a value holds under a name, as far as that is data.
    pub fn member_value(&self, value: &Value, name: &str) -> Option<Value> {
        crate::members::data_of(&self.vm, value, name)
    }

    /// Calls a function value.
    ///
    /// # Errors
    /// What the function raises.
    #[inline]
    pub fn call(&mut self, function: &Value, args: &[Value]) -> Result<Value, RunError> {
        self.vm.begin_host_call();
        let result = self.vm.call_value(function, args, false);
        self.leave(result)
    }

    /// Calls a method of a value.
    ///
    /// # Errors
    /// What the method raises.
    pub fn call_method(&mut self, object: &Value, name: &str, args: &[Value]) -> Result<Value, RunError> {
        self.vm.begin_host_call();
        let result = self.vm.call_method_value(object, name, args);
        self.leave(result)
    }

    /// The display text of a value.
    ///
    /// # Errors
    /// Out of memory.
    pub fn text(&self, value: &Value) -> Result<String, RunError> {
        let text = display_text(&self.vm.heap, value).map_err(|raise| RunError::from(describe(&raise)))?;
        Ok(text.as_str().to_owned())
    }

    /// Sets who is told when the program pauses: at `debugger` statements, at the ends of steps, at breakpoints. Without
    /// one, nothing pauses.
    pub fn set_debugger(&mut self, debugger: Box<dyn crate::Debugger>) {
        self.vm.set_debugger(debugger);
    }

    /// Sets the lines that pause the program, for the debugger that was set.
    pub fn set_breakpoints(&mut self, breakpoints: Vec<crate::Breakpoint>) {
        self.vm.set_breakpoints(breakpoints);
    }

    /// Sets how long each call of the host may take; none for no limit.
    pub fn set_timeout(&mut self, time: Option<std::time::Duration>) {
        self.vm.limits_mut().time = time;
    }

    /// Sets how many bytes each call of the host may print; none for no limit.
    pub fn set_max_output(&mut self, bytes: Option<usize>) {
        self.vm.limits_mut().output = bytes;
    }

    /// Sets how many steps each call of the host may take; none for no limit.
    pub fn set_max_steps(&mut self, steps: Option<u64>) {
        self.vm.set_step_limit(steps);
    }

    /// Steps that the latest call of the host took.
    pub fn steps_used(&self) -> u64 {
        self.vm.steps_used()
    }

    /// Steps since the machine was made.
    pub fn total_steps(&self) -> u64 {
        self.vm.total_steps()
    }

    /// Sets the limit of activations.
    pub fn set_max_depth(&mut self, depth: usize) {
        self.vm.set_depth_limit(depth);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // An error here has nobody to go to: the program is over.
        let _ = self.finish();
    }
}

/// Fills the prelude.
fn install(vm: &mut Vm, options: &MachineOptions, extra: &[&'static [BuiltinDef]]) -> Result<(), Raise> {
    vm.tables.prelude.is_full = options.full;
    if let Some(len) = vm.tables.prelude_value("len") {
        vm.set_len_builtin(&len);
    }
    for def in extra.iter().copied().flatten() {
        if def.info.name == "len" {
            vm.set_len_builtin(&def.value());
        }
        vm.tables.add_to_prelude(def.info.name, def.value());
    }
    for (name, namespace) in vm.namespaces()? {
        vm.tables.add_to_prelude(name, Value::Module(namespace));
    }
    let args = vm.heap.array(options.args.len())?;
    for arg in &options.args {
        args.push(Value::String(vm.heap.string(arg)?))?;
    }
    vm.tables.add_to_prelude("args", Value::Array(args));
    Ok(())
}

impl From<RuntimeError> for RunError {
    fn from(error: RuntimeError) -> Self {
        Self::Runtime(Box::new(error))
    }
}

impl From<Raise> for RunError {
    fn from(raise: Raise) -> Self {
        if is_exit(&raise) {
            Self::Exit(raise.message().parse().unwrap_or(0))
        } else {
            describe(&raise).into()
        }
    }
}

fn compile_error(error: CompileError, file: std::rc::Rc<SourceFile>) -> RunError {
    match error {
        CompileError::Diagnostic(diagnostic) => RunError::Syntax {
            file,
            diagnostics: vec![*diagnostic],
        },
        CompileError::Raise(raise) => describe(&raise).into(),
    }
}

fn describe(raise: &Raise) -> RuntimeError {
    let (message, kind) = (raise.message().to_owned(), raise.kind());
    let error: Option<Rc<aether_value::ErrorObject>> = raise.0.error.clone();
    let line = error.as_ref().map(|error| error.line()).filter(|&line| line > 0);
    let stack_trace = error.as_ref().map(trace_text).unwrap_or_default();
    let places = error.as_ref().map(trace_places).unwrap_or_default();
    RuntimeError {
        message,
        kind,
        line,
        stack_trace,
        places,
        value: raise.0.value.clone(),
        module: None,
    }
}
