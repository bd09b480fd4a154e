//! The engine: one heap, one module scope, one host.
//!
//! Invariants
//! - After an error the engine stays usable: bindings made before it stay, the stack is empty again.
//! - Whatever ran, output is flushed before a method that runs code returns.
//! - [`Engine::shut_down`] and dropping let go of everything, outstanding promises included, without waiting.

use aether_eval::{Breakpoint, Debugger, HeapProfile, Host, LeakReport, Machine, MemoryWatch, Prepared};
use aether_source::SourceFile;
use aether_value::{Heap, PromiseState, Value};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::builder::EngineBuilder;
use crate::convert::{Arguments, FromValue, IntoValue, admitted};
use crate::function::{Function, HostAsyncFn, HostFn};
use crate::module::ModuleBuilder;
use crate::program;
use crate::types::{AetherType, type_value};
use crate::{Error, error};

/// An independent interpreter.
///
/// ```
/// use aether::Engine;
///
/// let mut engine = Engine::new()?;
/// engine.register("area", |w: f64, h: f64| w * h)?;
/// assert_eq!(engine.eval_to::<f64>("area(2.5, 4)")?, 10.0);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct Engine {
    pub(crate) machine: Machine,
    /// The path of the script that was run last.
    pub(crate) script: Option<String>,
    /// Programs that have been compiled for this engine.
    pub(crate) programs: program::Loaded,
}

/// A fragment that an engine has compiled.
///
/// ```
/// use aether::{Engine, Fragment};
///
/// let mut engine = Engine::new()?;
/// engine.eval("let n = 0")?;
/// let step: Fragment = engine.compile_fragment("n += 1")?;
/// for _ in 0..3 {
///     engine.run_fragment(&step)?;
/// }
/// assert_eq!(engine.get::<i64>("n")?, 3);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct Fragment {
    prepared: Prepared,
    /// The engine's; it keeps the code alive.
    heap: Heap,
}

/// How far a promise is, as [`Engine::promise_status`] tells.
///
/// ```
/// use aether::{Engine, PromiseStatus};
///
/// let mut engine = Engine::new()?;
/// let promise = engine.eval("async fn f() { return 1 }  f()")?;
/// assert_eq!(engine.promise_status(&promise), Some(PromiseStatus::NotStarted));
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseStatus {
    /// An async call whose body has not begun.
    NotStarted,
    /// Its body is parked, or something outside the script will settle it.
    Waiting,
    /// It has a value.
    Fulfilled,
    /// It has an error.
    Rejected,
}

impl PromiseStatus {
    /// Whether there is an outcome.
    ///
    /// ```
    /// use aether::PromiseStatus;
    ///
    /// assert!(PromiseStatus::Rejected.is_settled());
    /// assert!(!PromiseStatus::Waiting.is_settled());
    /// ```
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Rejected)
    }
}

/// What a heap held when its engine had let go of everything.
///
/// ```
/// let mut engine = aether::Engine::new()?;
/// engine.eval("let a = range(1000)")?;
/// let report = engine.shut_down();
/// assert_eq!(report.live_objects, 0);
/// assert!(report.peak > 16_000);
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapReport {
    /// Objects that live on: held by the host, or leaked.
    pub live_objects: usize,
    /// Their bytes.
    pub live_bytes: usize,
    /// The most bytes that were live at one time.
    pub peak: usize,
}

impl Engine {
    /// A full engine with the defaults of an embedder.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// assert_eq!(engine.eval_to::<i64>("1 + 2")?, 3);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`EngineBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Sets up an engine.
    ///
    /// ```
    /// let engine = aether::Engine::builder().max_memory(Some(1 << 20)).build()?;
    /// assert_eq!(engine.heap().limit(), Some(1 << 20));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Runs the script at `path`: its top level, then `main` if it has one. The host reads the file.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// host.add_file("app.ae", "println(1 + 1)");
    /// let mut engine = aether::Engine::builder().host(host.clone()).build()?;
    /// engine.run("app.ae")?;
    /// assert_eq!(host.stdout(), "2\n");
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`]; if the file cannot be read or parsed, nothing runs.
    pub fn run(&mut self, path: &str) -> Result<(), Error> {
        let text = self.read(path)?;
        self.run_text(path, text)
    }

    /// Runs `text` as the script at `path`, which serves its imports and names it in traces.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.run_text("app.ae", "let seen = 0  fn main() { seen = 1 }")?;
    /// assert_eq!(engine.get::<i64>("seen")?, 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Engine::run`].
    pub fn run_text(&mut self, path: impl Into<String>, text: impl Into<String>) -> Result<(), Error> {
        let path = path.into();
        self.script = Some(path.clone());
        let result = self.machine.run(SourceFile::new(Some(path), text.into()));
        self.finish(result.map_err(Error::from))
    }

    /// Runs the statements of a fragment and gives the value of its last one if that is an expression, else null.
    /// Neither calls `main` nor drains the event loop.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let value = engine.eval("let x = 3  x * 2")?;
    /// assert_eq!(value.as_int(), Some(6));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub fn eval(&mut self, code: impl Into<String>) -> Result<Value, Error> {
        let result = self.machine.evaluate(SourceFile::new(None, code.into()));
        self.finish(result.map_err(Error::from))
    }

    /// What [`Engine::eval`] gives, as a Rust value.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// assert_eq!(engine.eval_to::<Vec<String>>("\"a,b\".split(\",\")")?, ["a", "b"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub fn eval_to<T: FromValue>(&mut self, code: impl Into<String>) -> Result<T, Error> {
        T::from_value(&self.eval(code)?)
    }

    /// Compiles a fragment that is to run several times; [`Engine::run_fragment`] of the same engine runs it.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let n = 0")?;
    /// let step = engine.compile_fragment("n += 1")?;
    /// for _ in 0..3 {
    ///     engine.run_fragment(&step)?;
    /// }
    /// assert_eq!(engine.get::<i64>("n")?, 3);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// Syntax errors.
    pub fn compile_fragment(&mut self, code: impl Into<String>) -> Result<Fragment, Error> {
        let prepared = self.machine.prepare(SourceFile::new(None, code.into()))?;
        Ok(Fragment {
            prepared,
            heap: self.heap().clone(),
        })
    }

    /// Runs a compiled fragment as [`Engine::eval`] does.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let double = engine.compile_fragment("x * 2")?;
    /// engine.set_global("x", 21)?;
    /// assert_eq!(engine.run_fragment(&double)?.as_int(), Some(42));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`]; a fragment of another engine is refused.
    pub fn run_fragment(&mut self, fragment: &Fragment) -> Result<Value, Error> {
        if !self.heap().is_same(&fragment.heap) {
            return Err(aether_value::Raise::operation("the fragment belongs to another engine").into());
        }
        let result = self.machine.run_prepared(&fragment.prepared);
        self.finish(result.map_err(Error::from))
    }

    /// The same with the fragment in a file, which is only read: traces say `line N`. Imports are served by the
    /// builder's [directory](EngineBuilder::directory).
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// host.add_file("f.ae", "6 * 7");
    /// let mut engine = aether::Engine::builder().host(host).build()?;
    /// assert_eq!(engine.eval_file("f.ae")?.as_int(), Some(42));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub fn eval_file(&mut self, path: &str) -> Result<Value, Error> {
        let text = self.read(path)?;
        self.eval(text)
    }

    /// The text of a file, as the host reads it.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// host.add_file("f.ae", "6 * 7");
    /// let mut engine = aether::Engine::builder().host(host).build()?;
    /// assert_eq!(engine.read("f.ae")?, "6 * 7");
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Read`] if it cannot be read or is not UTF-8.
    pub fn read(&mut self, path: &str) -> Result<String, Error> {
        error::source_text(path, self.machine.host().read_source(path))
    }

    /// Calls `main` if the module scope has one, and awaits it if it is async; then serves the callbacks that are
    /// queued.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let done = false  fn main() { done = true }")?;
    /// engine.call_main()?;
    /// assert!(engine.get::<bool>("done")?);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call_main(&mut self) -> Result<(), Error> {
        let result = self.machine.call_main();
        self.finish(result.map_err(Error::from))
    }

    /// Calls a function of the module scope.
    ///
    /// ```
    /// use aether::{Engine, ValueExt as _};
    ///
    /// let mut engine = Engine::new()?;
    /// engine.eval("fn add(a, b) { return a + b }")?;
    /// assert_eq!(engine.call("add", (40_i64, 2_i64))?.try_to::<i64>()?, 42);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Undefined variable` if there is no such name, otherwise what the function raises.
    pub fn call(&mut self, name: &str, args: impl Arguments) -> Result<Value, Error> {
        let Some(function) = self.global(name) else {
            return Err(aether_value::Raise::undefined(name).into());
        };
        self.call_value(&function, args)
    }

    /// What [`Engine::call`] gives, as a Rust value.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("fn half(x) { return x / 2 }")?;
    /// assert_eq!(engine.call_to::<f64>("half", (5.0,))?, 2.5);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Engine::call`]; [`Error::Conversion`] if the result is of another type.
    pub fn call_to<T: FromValue>(&mut self, name: &str, args: impl Arguments) -> Result<T, Error> {
        T::from_value(&self.call(name, args)?)
    }

    /// Calls a function value.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let double = engine.eval("x => x * 2")?;
    /// assert_eq!(engine.call_value(&double, (4,))?.as_int(), Some(8));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the function raises.
    pub fn call_value(&mut self, function: &Value, args: impl Arguments) -> Result<Value, Error> {
        admitted(self.heap(), function)?;
        let heap = self.heap();
        let args = heap.for_host(|| args.into_arguments(heap))?;
        self.call_plain(function, args.as_ref())
    }

    /// Calls a function of this engine with arguments of this engine.
    #[inline]
    pub(crate) fn call_plain(&mut self, function: &Value, args: &[Value]) -> Result<Value, Error> {
        let result = self.machine.call(function, args);
        self.finish(result.map_err(Error::from))
    }

    /// Calls a method of a value: `object.name(args…)`.
    ///
    /// ```
    /// use aether::{Engine, ValueExt as _};
    ///
    /// let mut engine = Engine::new()?;
    /// let text = engine.eval("\"a-b-c\"")?;
    /// let parts = engine.call_method(&text, "split", ("-",))?;
    /// assert_eq!(parts.try_to::<Vec<String>>()?, ["a", "b", "c"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// That there is no such method, or what it raises.
    pub fn call_method(&mut self, object: &Value, name: &str, args: impl Arguments) -> Result<Value, Error> {
        admitted(self.heap(), object)?;
        let heap = self.heap();
        let args = heap.for_host(|| args.into_arguments(heap))?;
        let result = self.machine.call_method(object, name, args.as_ref());
        self.finish(result.map_err(Error::from))
    }

    /// A function of the module scope, or of those that every program has, to be called later.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("fn add(a, b) { return a + b }")?;
    /// let add: aether::Function<(i64, i64), i64> = engine.function("add")?;
    /// assert_eq!(add.call(&mut engine, (1, 2))?, 3);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Undefined variable` if there is no such name, a conversion error if it is no function.
    pub fn function<A, R>(&self, name: &str) -> Result<Function<A, R>, Error> {
        let Some(function) = self.global(name).or_else(|| self.prelude_value(name)) else {
            return Err(aether_value::Raise::undefined(name).into());
        };
        Function::from_value(&function)
    }

    /// Gives scripts a Rust function under a name: a closure or a `fn` with up to eight parameters that implement
    /// [`FromValue`], and any result that implements [`IntoReturn`](crate::IntoReturn). It replaces a built-in of
    /// that name. See [`HostFn`] for what else parameters may be.
    ///
    /// ```
    /// use aether::Engine;
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register("area", |w: f64, h: f64| w * h)?;
    /// engine.register("read_port", |text: String| text.parse::<u16>())?;
    /// assert_eq!(engine.eval_to::<f64>("area(2, 1.5)")?, 3.0);
    /// let error = engine.eval("read_port(\"x\")").unwrap_err();
    /// assert_eq!(error.to_string(), "invalid digit found in string");
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn register<Form>(&mut self, name: &str, function: impl HostFn<Form>) -> Result<(), Error> {
        self.define_function(name, function.into_function(name))
    }

    /// Gives scripts an async Rust function: a call gives a promise at once, which the future settles. The engine polls
    /// the future while the script waits, or when the host [polls](Engine::poll) the engine; it may be woken from any
    /// thread. It need not be `Send`.
    ///
    /// ```
    /// use aether::Engine;
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_async("double", |n: i64| async move { n * 2 })?;
    /// let four: i64 = engine.eval_to("await double(2)")?;
    /// assert_eq!(four, 4);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn register_async<Form>(
        &mut self,
        name: &str,
        function: impl HostAsyncFn<Form>,
    ) -> Result<(), Error> {
        self.define_function(name, function.into_function(name))
    }

    fn define_function(&mut self, name: &str, function: aether_eval::HostFunction) -> Result<(), Error> {
        let heap = self.heap().clone();
        let function = heap.for_host(|| heap.native(Box::new(function)))?;
        self.machine.define(name, Value::Native(function));
        Ok(())
    }

    /// Gives scripts a type of the host under its name, with its constructor and functions. Values of the type convert
    /// without this too; scripts then have no name for it. Its arithmetic operators are known to scripts that are
    /// compiled later. See [`AetherType`].
    ///
    /// ```
    /// use aether::{AetherType, Engine};
    ///
    /// #[derive(AetherType)]
    /// struct Point {
    ///     pub x: f64,
    ///     pub y: f64,
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_type::<Point>()?;
    /// engine.set_global("p", Point { x: 1.0, y: 2.0 })?;
    /// assert_eq!(engine.eval_to::<f64>("p.x + p.y")?, 3.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn register_type<T: AetherType>(&mut self) -> Result<(), Error> {
        let heap = self.heap().clone();
        let (value, has_operators) = heap.for_host(|| type_value::<T>(&heap))?;
        if has_operators {
            self.machine.allow_native_operators();
        }
        self.machine.define(T::NAME, value);
        Ok(())
    }

    /// Gives scripts a module of the host, which they import by name; it goes before every other of that name.
    ///
    /// ```
    /// use aether::Engine;
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_module("geometry", |m| {
    ///     m.function("area", |w: f64, h: f64| w * h)?.constant("TAU", 6.283)
    /// })?;
    /// assert_eq!(engine.eval_to::<f64>("import geometry  geometry.area(2, 3)")?, 6.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget, or what `describe` gives.
    pub fn register_module(
        &mut self,
        name: &str,
        describe: impl for<'a> FnOnce(&'a mut ModuleBuilder) -> Result<&'a mut ModuleBuilder, Error>,
    ) -> Result<(), Error> {
        let mut builder = ModuleBuilder::new(self.heap());
        describe(&mut builder)?;
        if builder.has_operators {
            self.machine.allow_native_operators();
        }
        Ok(self.machine.add_module(name, builder.members)?)
    }

    /// Sets a variable of the module scope, as if the script had declared it.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.set_global("limits", vec![1, 2, 3])?;
    /// assert_eq!(engine.eval_to::<i64>("limits[0] + len(limits)")?, 4);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn set_global(&mut self, name: &str, value: impl IntoValue) -> Result<(), Error> {
        let heap = self.heap().clone();
        let value = heap.for_host(|| value.into_value(&heap))?;
        Ok(self.machine.set_global(name, value)?)
    }

    /// Adds a value to those that every module finds by name, or replaces it.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.define("VAT", 0.25)?;
    /// assert_eq!(engine.eval_to::<f64>("100 * VAT")?, 25.0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn define(&mut self, name: &str, value: impl IntoValue) -> Result<(), Error> {
        let heap = self.heap().clone();
        let value = heap.for_host(|| value.into_value(&heap))?;
        self.machine.define(name, value);
        Ok(())
    }

    /// A variable of the module scope as a Rust value.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let names = [\"a\", \"b\"]")?;
    /// assert_eq!(engine.get::<Vec<String>>("names")?, ["a", "b"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Undefined variable`, or [`Error::Conversion`].
    pub fn get<T: FromValue>(&self, name: &str) -> Result<T, Error> {
        match self.global(name) {
            Some(value) => T::from_value(&value),
            None => Err(aether_value::Raise::undefined(name).into()),
        }
    }

    /// The value of a name that the module scope declares.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let x = 1")?;
    /// assert!(engine.global("x").is_some() && engine.global("y").is_none());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn global(&self, name: &str) -> Option<Value> {
        self.machine.global(name)
    }

    /// Every name that can be used at the module's top level, in no order.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let mine = 1")?;
    /// let names = engine.known_names();
    /// assert!(names.contains(&"mine".to_owned()) && names.contains(&"len".to_owned()));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn known_names(&self) -> Vec<String> {
        self.machine.known_names()
    }

    /// The names that the module scope has declared, with their values, in order of declaration.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let a = 1  let b = 2")?;
    /// let names: Vec<String> = engine.declared().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["a", "b"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn declared(&self) -> Vec<(String, Value)> {
        self.machine.declared()
    }

    /// The names that every program can use, in no order.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// assert!(engine.prelude_names().contains(&"println"));
    /// # engine.eval("")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn prelude_names(&self) -> Vec<&str> {
        self.machine.prelude_names()
    }

    /// A value of those that every program can use.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let len = engine.prelude_value("len").expect("every program has it");
    /// assert_eq!(engine.call_value(&len, ("abc",))?.as_int(), Some(3));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn prelude_value(&self, name: &str) -> Option<Value> {
        self.machine.prelude_value(name)
    }

    /// Whether a file has served an import of this name.
    pub(crate) fn has_module_from_file(&self, name: &str) -> bool {
        self.machine.has_module_from_file(name)
    }

    /// The names that may stand behind a value's dot, sorted: fields, variants, keys, methods, members of a module.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let dict = engine.eval("let d = {\"key\": 1}  d")?;
    /// assert!(engine.members(&dict).contains(&"key".to_owned()));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn members(&self, value: &Value) -> Vec<String> {
        self.machine.members(value)
    }

    /// What a value holds under a name, as far as that is data: a field, a dict's entry, a member of a module. Nothing
    /// runs.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let dict = engine.eval("let d = {\"key\": 1}  d")?;
    /// assert_eq!(engine.member_value(&dict, "key").and_then(|value| value.as_int()), Some(1));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn member_value(&self, value: &Value, name: &str) -> Option<Value> {
        self.machine.member_value(value, name)
    }

    /// The parameters of a function that a script declares, as in `a, b, ...rest`; `None` for other values.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let function = engine.eval("fn f(a, b = 1, ...rest) { }  f")?;
    /// assert_eq!(engine.signature(&function).as_deref(), Some("a, b, ...rest"));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn signature(&self, value: &Value) -> Option<String> {
        match value {
            Value::Function(closure) | Value::AsyncFunction(closure) => Some(aether_eval::signature(closure)),
            _ => None,
        }
    }

    /// The display text of a value.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let value = engine.eval("[1, \"a\"]")?;
    /// assert_eq!(engine.text(&value)?, "[1, a]");
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// Out of memory.
    pub fn text(&self, value: &Value) -> Result<String, Error> {
        Ok(self.machine.text(value)?)
    }

    /// What `type(value)` gives.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let value = engine.eval("[1]")?;
    /// assert_eq!(engine.type_name(&value), "array");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn type_name(&self, value: &Value) -> String {
        value.type_name().into_owned()
    }

    /// How far a promise is; `None` for other values.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let promise = engine.eval("async fn f() { }  f()")?;
    /// assert_eq!(engine.promise_status(&promise), Some(aether::PromiseStatus::NotStarted));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn promise_status(&self, value: &Value) -> Option<PromiseStatus> {
        let Value::Promise(promise) = value else {
            return None;
        };
        Some(match promise.state() {
            PromiseState::Unstarted { .. } | PromiseState::Bound(_) => PromiseStatus::NotStarted,
            PromiseState::Running | PromiseState::External => PromiseStatus::Waiting,
            PromiseState::Fulfilled(_) => PromiseStatus::Fulfilled,
            PromiseState::Rejected(_) => PromiseStatus::Rejected,
        })
    }

    /// Writes the display text of a value and a line end to standard output, after a line end if `at_line_start`
    /// says that the last line is unfinished.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// let mut engine = aether::Engine::builder().host(host.clone()).build()?;
    /// let value = engine.eval("print(1)\n[1, 2]")?;
    /// engine.print_result(&value, host.at_line_start())?;
    /// assert_eq!(host.stdout(), "1\n[1, 2]\n");
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Output`], or [`Error::Exit`] if nobody reads on.
    pub fn print_result(&mut self, value: &Value, at_line_start: bool) -> Result<(), Error> {
        let mut text = if at_line_start {
            String::new()
        } else {
            String::from("\n")
        };
        text.push_str(&self.text(value)?);
        text.push('\n');
        let written = self.machine.host().write_out(&text).map_err(output_error);
        self.finish(written)
    }

    /// The bytecode of a text, for people who work on the implementation.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// assert!(engine.disassemble("a.ae", "1 + 2")?.contains("LoadInt"));
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// Syntax errors.
    pub fn disassemble(&mut self, path: &str, text: impl Into<String>) -> Result<String, Error> {
        Ok(self
            .machine
            .disassemble(SourceFile::new(Some(path.to_owned()), text.into()))?)
    }

    /// What was written down about machine code since the engine was made, as [`EngineBuilder::jit_report`] asked; for
    /// people, its form may change. Of a log, a line each: what was compiled, what was not and why, what was
    /// discarded and why, and where code was left for the interpreter how often. Of listings, one function each. It is
    /// empty if no function was hot.
    ///
    /// ```
    /// use aether::{Engine, JitReport, MACHINE_CODE};
    ///
    /// let mut engine = Engine::builder().jit_report(JitReport::Log).build()?;
    /// engine.eval("let n = 0  for i in 0..100_000 { n += i % 3 }")?;
    /// assert_eq!(engine.jit_report().iter().any(|line| line.contains("compiled")), MACHINE_CODE);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn jit_report(&self) -> Vec<String> {
        self.machine.jit_report()
    }

    /// Bytes that the compiler of machine code holds to find hot functions and to make code of them, the code itself
    /// aside, which [`EngineBuilder::max_code`](crate::EngineBuilder::max_code) bounds. They are none of the heap's.
    ///
    /// ```
    /// let engine = aether::Engine::new()?;
    /// assert_eq!(engine.jit_bytes(), 0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn jit_bytes(&self) -> usize {
        self.machine.jit_bytes()
    }

    /// Sets the limit of activations.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.set_max_depth(10);
    /// let error = engine.eval("fn f(n) { return f(n + 1) }  f(0)").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::Recursion));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_max_depth(&mut self, activations: usize) {
        self.machine.set_max_depth(activations);
    }

    /// Sets who is told when a program pauses: at `debugger` statements, at the ends of steps, at breakpoints. Without
    /// one, nothing pauses.
    ///
    /// ```
    /// use aether::{Debugger, Engine, Pause, Resumption};
    ///
    /// /// Notes the lines in which a program pauses.
    /// struct Notes(std::rc::Rc<std::cell::RefCell<Vec<u32>>>);
    ///
    /// impl Debugger for Notes {
    ///     fn paused(&mut self, pause: &mut Pause<'_>) -> Resumption {
    ///         self.0.borrow_mut().push(pause.frames()[0].line);
    ///         Resumption::Continue
    ///     }
    /// }
    ///
    /// let lines = std::rc::Rc::default();
    /// let mut engine = Engine::new()?;
    /// engine.set_debugger(Notes(std::rc::Rc::clone(&lines)));
    /// engine.eval("let a = 1\ndebugger\nlet b = 2")?;
    /// assert_eq!(*lines.borrow(), [2]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_debugger(&mut self, debugger: impl Debugger + 'static) {
        self.machine.set_debugger(Box::new(debugger));
    }

    /// Sets the lines that pause a program, for the debugger that was set.
    ///
    /// ```
    /// use aether::{Breakpoint, Debugger, Engine, Pause, Resumption};
    ///
    /// /// Notes the lines in which a program pauses.
    /// struct Notes(std::rc::Rc<std::cell::RefCell<Vec<u32>>>);
    ///
    /// impl Debugger for Notes {
    ///     fn paused(&mut self, pause: &mut Pause<'_>) -> Resumption {
    ///         self.0.borrow_mut().push(pause.frames()[0].line);
    ///         Resumption::Continue
    ///     }
    /// }
    ///
    /// let lines = std::rc::Rc::default();
    /// let mut engine = Engine::new()?;
    /// engine.set_debugger(Notes(std::rc::Rc::clone(&lines)));
    /// engine.set_breakpoints(vec![Breakpoint { path: "a.ae".to_owned(), line: 3 }]);
    /// engine.run_text("a.ae", "let a = 1\nlet b = 2\nlet c = 3")?;
    /// assert_eq!(*lines.borrow(), [3]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_breakpoints(&mut self, breakpoints: Vec<Breakpoint>) {
        self.machine.set_breakpoints(breakpoints);
    }

    /// Sets how many steps each call of the host may take from now on; none for no limit. See
    /// [`EngineBuilder::max_steps`].
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.set_max_steps(Some(1000));
    /// let error = engine.eval("while (true) { }").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::StepLimit));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_max_steps(&mut self, steps: Option<u64>) {
        self.machine.set_max_steps(steps);
    }

    /// Sets how long each call of the host may take from now on. See [`EngineBuilder::timeout`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut engine = aether::Engine::new()?;
    /// engine.set_timeout(Some(Duration::from_millis(20)));
    /// let error = engine.eval("while (true) { }").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::TimeLimit));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_timeout(&mut self, time: Option<std::time::Duration>) {
        self.machine.set_timeout(time);
    }

    /// Sets how many bytes each call of the host may print from now on. See [`EngineBuilder::max_output`].
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.set_max_output(Some(3));
    /// let error = engine.eval("print(\"four\")").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::Limit));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_max_output(&mut self, bytes: Option<usize>) {
        self.machine.set_max_output(bytes);
    }

    /// Sets the heap's budget in bytes, for all that lives then and later. See [`EngineBuilder::max_memory`].
    ///
    /// ```
    /// use aether::{Engine, ErrorKind};
    ///
    /// let mut engine = Engine::new()?;
    /// engine.set_max_memory(Some(engine.heap().live_bytes() + 64_000));
    /// let error = engine.eval("\"x\".repeat(100000)").unwrap_err();
    /// assert_eq!(error.kind(), Some(ErrorKind::OutOfMemory));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn set_max_memory(&mut self, bytes: Option<usize>) {
        self.heap().set_limit(bytes);
    }

    /// Steps that the latest call of the host took, whatever its end: calls, backward jumps, and units of work in
    /// built-ins.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("for i in 0..100 { }")?;
    /// assert!(engine.steps_used() >= 100);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn steps_used(&self) -> u64 {
        self.machine.steps_used()
    }

    /// Steps of all calls of the host since the engine was made. A host that wants a limit over all of them sets
    /// what is left with [`Engine::set_max_steps`] before each call.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("for i in 0..100 { }")?;
    /// let once = engine.total_steps();
    /// engine.eval("for i in 0..100 { }")?;
    /// assert!(engine.total_steps() > once);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn total_steps(&self) -> u64 {
        self.machine.total_steps()
    }

    /// The lines in which the command line tells of an error: one for each syntax error, otherwise a single one. They
    /// name files other than the script, and give help where there is some; with `with_trace` the trace follows, whose
    /// last line is the calling one of the top level.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("let total = 1  totl").unwrap_err();
    /// assert_eq!(
    ///     engine.error_lines(&error, false),
    ///     ["Error: [line 1] Undefined variable: totl", "  help: did you mean 'total'?"]
    /// );
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn error_lines(&self, error: &Error, with_trace: bool) -> Vec<String> {
        let help = self.help_for(error);
        let script = match error {
            // What the host asked to run names itself.
            Error::Syntax { file, .. } => file.path(),
            _ => self.script.as_deref(),
        };
        let mut lines = error::lines_of(error, script, help.as_deref());
        if with_trace {
            lines.extend(error.full_trace());
        }
        lines
    }

    /// What is to be said at the place of a runtime error beside its message, where its source is shown.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("let total = 3  println(totl)").unwrap_err();
    /// assert!(engine.note_for(&error).is_some());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn note_for(&self, error: &Error) -> Option<String> {
        match error {
            Error::Runtime(raised) => crate::help::note_for(raised),
            _ => None,
        }
    }

    /// Advice for a runtime error: the name that was probably meant, the value that was null, how what other languages
    /// call so is written here.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("\"abc\".lenght").unwrap_err();
    /// assert_eq!(engine.help_for(&error).as_deref(), Some("did you mean 'length'?"));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn help_for(&self, error: &Error) -> Option<String> {
        let Error::Runtime(raised) = error else {
            return None;
        };
        crate::help::help_for(self, raised)
    }

    /// The heap: its accounts, and a way to make values.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let before = engine.heap().live_bytes();
    /// engine.eval("let a = range(1000)")?;
    /// assert!(engine.heap().live_bytes() > before + 16_000);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn heap(&self) -> &Heap {
        self.machine.heap()
    }

    /// Collects cycles in slices until a pass over the whole heap is complete or `most` has passed; whether it is
    /// complete. For the idle time of a frame or between requests: what is done here need not be done while a script
    /// runs. With [`Heap::set_auto_collect`] off, nothing is collected but here and when a script asks.
    ///
    /// A slice takes some tens of microseconds, by which `most` may be exceeded.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("fn f() { let a = []  a.push(a) }  f()")?;
    /// while !engine.collect_step(Duration::from_millis(1)) {}
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn collect_step(&mut self, most: std::time::Duration) -> bool {
        self.machine.collect_step(most)
    }

    /// For tests: slices that were forced, and passes that these have completed; see [`Heap::force_slices`].
    ///
    /// ```
    /// let engine = aether::Engine::new()?;
    /// assert_eq!(engine.forced_slices(), (0, 0));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn forced_slices(&self) -> (u64, u64) {
        self.machine.forced_slices()
    }

    /// The host.
    ///
    /// ```
    /// let host = aether::MemoryHost::new();
    /// let mut engine = aether::Engine::builder().host(host.clone()).build()?;
    /// engine.host().write_out("from the host\n")?;
    /// engine.eval("println(\"from the script\")")?;
    /// assert_eq!(host.stdout(), "from the host\nfrom the script\n");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn host(&mut self) -> &mut dyn Host {
        self.machine.host()
    }

    /// Watches memory from now on, for [`Engine::leak_report`] or [`Engine::heap_profile`].
    ///
    /// ```
    /// use aether::{Engine, MemoryWatch};
    ///
    /// let mut engine = Engine::new()?;
    /// engine.watch_memory(MemoryWatch::Leaks);
    /// engine.eval("let kept = [1, 2]")?;
    /// assert!(engine.leak_report().cycles.is_empty());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn watch_memory(&mut self, watch: MemoryWatch) {
        self.machine.watch_memory(watch);
    }

    /// What leaked in unreachable cycles and what globals still hold; to be asked for after the run.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.watch_memory(aether::MemoryWatch::Leaks);
    /// engine.eval("fn f() { let a = []  a.push(a) }  f()")?;
    /// assert_eq!(engine.leak_report().cycles.len(), 1);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn leak_report(&mut self) -> LeakReport {
        self.machine.leak_report()
    }

    /// The profile of all allocations so far, for the viewer of DHAT.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.watch_memory(aether::MemoryWatch::Profile);
    /// engine.eval("let a = range(1000)")?;
    /// assert!(!engine.heap_profile().points.is_empty());
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn heap_profile(&self) -> HeapProfile {
        self.machine.heap_profile()
    }

    /// Has `write` called with the profile so far soon after `flag` has been set, while code runs.
    ///
    /// ```
    /// use aether::{Engine, MemoryWatch};
    /// use std::sync::Arc;
    /// use std::sync::atomic::AtomicBool;
    ///
    /// let mut engine = Engine::new()?;
    /// engine.watch_memory(MemoryWatch::Profile);
    /// // A handler of signals would set it.
    /// let wanted = Arc::new(AtomicBool::new(true));
    /// engine.on_profile_request(wanted, |profile| println!("{} places", profile.points.len()));
    /// engine.eval("for i in range(100_000) { let a = [i] }")?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn on_profile_request(&mut self, flag: Arc<AtomicBool>, write: impl FnMut(&HeapProfile) + 'static) {
        self.machine.on_profile_request(flag, write);
    }

    /// Calls the queued callbacks that are ready, and waits for nothing: what a prompt does between inputs.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let seen = 0  on_ready(3, x => { seen = x })")?;
    /// engine.serve_ready()?;
    /// assert_eq!(engine.get::<i64>("seen")?, 3);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error`]; what a callback throws is reported to the host and forgotten.
    pub fn serve_ready(&mut self) -> Result<(), Error> {
        let served = self.machine.serve_ready().map_err(Error::from);
        self.finish(served)
    }

    /// Waits until the files are written that the program has begun to write in the background, for some seconds at
    /// most. A process that ends without [`Engine::end_program`] and without dropping the engine calls this.
    ///
    /// ```
    /// let mut engine = aether::Engine::builder().host(aether::MemoryHost::new()).io_workers(Some(1)).build()?;
    /// engine.eval("write_file(\"a.txt\", 1)")?;
    /// engine.complete_writes();
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn complete_writes(&mut self) {
        self.machine.complete_writes();
    }

    /// Takes the errors of promises that were rejected while nobody awaited them or handled their failure, in order. The
    /// command reports them at the end of a program and gives status 1.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("Promise.reject(\"lost\")\n1")?;
    /// let unhandled = engine.take_unhandled_rejections();
    /// assert_eq!(unhandled[0].to_string(), "lost");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn take_unhandled_rejections(&mut self) -> Vec<Error> {
        let unhandled = self.machine.take_unhandled_rejections();
        unhandled.into_iter().map(Error::from).collect()
    }

    /// The program's end: lets go of the data in its globals and runs the finalizers that wait. Dropping the engine
    /// does this too; a process that ends without it calls this.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let last = [1]  finalizer(last, () => println(\"gone\"))")?;
    /// engine.end_program()?;
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// What ends a program for good, or a stream that cannot be written.
    pub fn end_program(&mut self) -> Result<(), Error> {
        let ended = self.machine.finish().map_err(Error::from);
        self.finish(ended)
    }

    /// Ends the engine and tells what its heap still holds: nothing, unless the host keeps values.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.eval("let a = [1, 2]")?;
    /// assert_eq!(engine.shut_down().live_objects, 0);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn shut_down(self) -> HeapReport {
        let heap = self.heap().clone();
        drop(self.machine);
        HeapReport {
            live_objects: heap.live_objects(),
            live_bytes: heap.live_bytes(),
            peak: heap.peak_bytes(),
        }
    }

    /// Flushes output and lets an earlier error win over one of flushing.
    #[inline]
    pub(crate) fn finish<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        let flushed = self.machine.host().flush();
        match (result, flushed) {
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(error)) => Err(output_error(error)),
            (Err(error), _) => Err(error),
        }
    }
}

#[cold]
fn output_error(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Error::Exit(0)
    } else {
        Error::Output(error)
    }
}
