//! Modules of the host.

use aether_value::{Heap, Value};

use crate::convert::IntoValue;
use crate::function::{HostAsyncFn, HostFn};
use crate::types::{AetherType, type_value};
use crate::{Engine, Error};

/// Says what a module of the host has, see [`Engine::register_module`].
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
    /// # Errors
    /// The heap's budget.
    pub fn function<Form>(&mut self, name: &str, function: impl HostFn<Form>) -> Result<&mut Self, Error> {
        self.add_function(name, function.into_function(name))
    }

    /// An async function, as [`Engine::register_async`] takes it.
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
    /// # Errors
    /// The heap's budget.
    pub fn constant(&mut self, name: &str, value: impl IntoValue) -> Result<&mut Self, Error> {
        let heap = self.heap.clone();
        self.add(name, heap.for_host(|| value.into_value(&heap)))
    }

    /// A type of the host.
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
    pub fn module_member(&self, module: &str, name: &str) -> Option<Value> {
        self.member_value(&self.global(module)?, name)
    }
}
