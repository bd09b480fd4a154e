//! Modules of the host.

use aether_value::{Heap, Value};

use crate::convert::IntoValue;
use crate::function::{HostAsyncFn, HostFn};
use crate::types::{AetherType, type_value};
use crate::{Engine, Error};

/// Says what a module of the host has, see [`Engine::register_module`].
///
/// ```
/// let mut engine = aether::Engine::new()?;
/// engine.register_module("game", |module| {
///     module.constant("lives", 3)?.function("double", |n: i64| n * 2)
/// })?;
/// assert_eq!(engine.eval_to::<i64>("import game  game.double(game.lives)")?, 6);
/// # Ok::<(), aether::Error>(())
/// ```
pub struct ModuleBuilder {
    heap: Heap,
    pub(crate) members: Vec<(String, Value)>,
    /// Whether a type among the members has operators.
    pub(crate) has_operators: bool,
}

impl ModuleBuilder {
    pub(crate) fn new(heap: &Heap) -> Self {
        Self {
            heap: heap.clone(),
            members: Vec::new(),
            has_operators: false,
        }
    }

    fn add(&mut self, name: &str, value: Result<Value, Error>) -> Result<&mut Self, Error> {
        self.members.push((name.to_owned(), value?));
        Ok(self)
    }

    fn add_function(&mut self, name: &str, function: aether_eval::HostFunction) -> Result<&mut Self, Error> {
        let heap = self.heap.clone();
        let native = heap.for_host(|| heap.native(Box::new(function)));
        self.add(name, native.map(Value::Native).map_err(Error::from))
    }

    /// A function, as [`Engine::register`] takes it.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.register_module("game", |module| {
    ///     module.function("double", |n: i64| n * 2)
    /// })?;
    /// assert_eq!(engine.eval_to::<i64>("import game  game.double(21)")?, 42);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn function<Form>(&mut self, name: &str, function: impl HostFn<Form>) -> Result<&mut Self, Error> {
        self.add_function(name, function.into_function(name))
    }

    /// An async function, as [`Engine::register_async`] takes it.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.register_module("game", |module| {
    ///     module.async_function("score", || async { 42 })
    /// })?;
    /// assert_eq!(engine.eval_to::<i64>("from game import score  await score()")?, 42);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn async_function<Form>(
        &mut self,
        name: &str,
        function: impl HostAsyncFn<Form>,
    ) -> Result<&mut Self, Error> {
        self.add_function(name, function.into_function(name))
    }

    /// A constant.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.register_module("game", |module| {
    ///     module.constant("names", ["ada", "bob"])
    /// })?;
    /// assert_eq!(engine.eval_to::<String>("import game  game.names[1]")?, "bob");
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn constant(&mut self, name: &str, value: impl IntoValue) -> Result<&mut Self, Error> {
        let heap = self.heap.clone();
        self.add(name, heap.for_host(|| value.into_value(&heap)))
    }

    /// A type of the host.
    ///
    /// ```
    /// use aether::{AetherType, Engine, TypeBuilder};
    ///
    /// struct Dice(u8);
    ///
    /// impl AetherType for Dice {
    ///     const NAME: &'static str = "Dice";
    ///
    ///     fn describe(t: &mut TypeBuilder<Self>) {
    ///         t.constructor(Dice).getter("sides", |dice| dice.0);
    ///     }
    /// }
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register_module("game", |module| module.native_type::<Dice>())?;
    /// assert_eq!(engine.eval_to::<u8>("import game  game.Dice(6).sides")?, 6);
    /// # Ok::<(), aether::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heap's budget.
    pub fn native_type<T: AetherType>(&mut self) -> Result<&mut Self, Error> {
        let heap = self.heap.clone();
        let (value, has_operators) = heap.for_host(|| type_value::<T>(&heap))?;
        self.has_operators |= has_operators;
        self.add(T::NAME, Ok(value))
    }
}

impl Engine {
    /// A member of a module of the host or of the standard library that the script has imported, as a value.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.register_module("game", |module| {
    ///     module.constant("lives", 3)
    /// })?;
    /// engine.eval("import game")?;
    /// assert_eq!(engine.module_member("game", "lives").and_then(|value| value.as_int()), Some(3));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn module_member(&self, module: &str, name: &str) -> Option<Value> {
        self.member_value(&self.global(module)?, name)
    }
}
