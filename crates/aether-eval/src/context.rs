//! What a built-in sees of the machine.

use std::any::TypeId;

use aether_value::{Heap, Raise, Rc, Str, Value, display, display_text};

use crate::host::Host;
use crate::pieces::PIECE_ITEMS;
use crate::random::Random;
use crate::vm::Vm;

/// The machine as a built-in sees it: heap, host, and counting of work.
pub struct Ctx<'a> {
    pub(crate) vm: &'a mut Vm,
}

impl Ctx<'_> {
    /// The engine's heap.
    #[inline]
    pub fn heap(&self) -> &Heap {
        &self.vm.heap
    }

    /// The world outside.
    pub fn host(&mut self) -> &mut dyn Host {
        &mut *self.vm.host
    }

    /// A new string value.
    ///
    /// # Errors
    /// Out of memory.
    pub fn string(&self, text: &str) -> Result<Value, Raise> {
        Ok(Value::String(self.vm.heap.string(text)?))
    }

    /// The display text of a value.
    ///
    /// # Errors
    /// Out of memory.
    pub fn text(&self, value: &Value) -> Result<Rc<Str>, Raise> {
        if let Value::String(text) = value {
            return Ok(text.clone());
        }
        display_text(&self.vm.heap, value)
    }

    /// Appends the display text of a value to a builder.
    ///
    /// # Errors
    /// Out of memory.
    pub fn display(&self, value: &Value, out: &mut aether_value::StrBuilder) -> Result<(), Raise> {
        display(&self.vm.heap, value, out)
    }

    /// Calls a function value from within a function of the host, and gives what it returns: an async function gives
    /// its promise. The call runs on a stack of its own, so such calls nest at most 100 deep.
    ///
    /// # Errors
    /// What the function raises.
    pub fn call(&mut self, function: &Value, args: &[Value]) -> Result<Value, Raise> {
        self.vm.call_value(function, args, false)
    }

    /// Calls a method of a value: `object.name(args…)`.
    ///
    /// # Errors
    /// That there is no such method, or what it raises.
    pub fn call_method(&mut self, object: &Value, name: &str, args: &[Value]) -> Result<Value, Raise> {
        self.vm.call_method_value(object, name, args)
    }

    /// What a global name of the engine's module scope holds.
    pub fn global(&self, name: &str) -> Option<Value> {
        self.vm.declared_global(0, name)
    }

    /// Counts `work` units done inside a built-in, so that limits and interrupts hold there too.
    ///
    /// # Errors
    /// A limit has been reached, or the run was interrupted.
    #[inline]
    pub fn tick(&mut self, work: usize) -> Result<(), Raise> {
        self.vm.tick(work)
    }

    /// Counts the work of the items from `at` on, of `count` in all, of which `per_unit` are a unit: for the head of a loop
    /// over items that may be many. Counts for a piece of them at a time, so that limits hold within the loop.
    ///
    /// # Errors
    /// A limit has been reached, or the run was interrupted.
    #[inline]
    pub fn tick_at(&mut self, at: usize, count: usize, per_unit: usize) -> Result<(), Raise> {
        if at.is_multiple_of(PIECE_ITEMS) {
            self.tick((count - at).min(PIECE_ITEMS) / per_unit)?;
        }
        Ok(())
    }

    /// For a loop over much data whose work has been counted before: looks now and then, by the number of the item,
    /// whether the user asks to stop or the time is over.
    ///
    /// # Errors
    /// The run has to end.
    #[inline]
    pub fn check_at(&mut self, item: usize) -> Result<(), Raise> {
        /// Items between two looks.
        const MANY: usize = 1 << 16;
        if item % MANY == MANY - 1 {
            self.vm.check_end()?;
        }
        Ok(())
    }

    /// Whether what the built-in that was called with `args` gives becomes the state of a `for` loop at once, so that no
    /// script ever holds it: an iterator then does for an array.
    pub(crate) fn feeds_loop(&self, args: &[Value]) -> bool {
        self.vm.feeds_loop(args)
    }

    /// `object.name` as what is called.
    pub(crate) fn callable_member(&mut self, object: &Value, name: &Rc<Str>) -> Result<Value, Raise> {
        self.vm.callable_member(object, name)
    }

    /// `object?.[index]` of a value that is not null.
    pub(crate) fn element_or_null(&mut self, object: &Value, index: &Value) -> Result<Value, Raise> {
        self.vm.element_or_null(object, index)
    }

    /// What a module of the library keeps for this engine, by its type; it goes with the engine, before the heap.
    /// Values in it that refer to it, or to objects of scripts, are not found by the collector.
    pub fn module_state<T: Default + 'static>(&mut self) -> &mut T {
        let state = self.vm.module_state.entry(TypeId::of::<T>());
        match state.or_insert_with(|| Box::new(T::default())).downcast_mut() {
            Some(state) => state,
            None => unreachable!("it was entered under its type"),
        }
    }

    /// Has a function called at the program's end, before those that were given earlier.
    ///
    /// # Errors
    /// Out of memory.
    pub fn add_exit_handler(&mut self, function: Value) -> Result<(), Raise> {
        let vm = &mut *self.vm;
        let handlers = match &vm.exit_handlers {
            Some(handlers) => handlers,
            None => vm.exit_handlers.insert(vm.heap.array(1)?),
        };
        handlers.push(function)
    }

    /// Takes the handler of the program's end that is to run next.
    pub(crate) fn next_exit_handler(&mut self) -> Option<Value> {
        self.vm.exit_handlers.as_ref()?.pop().ok().flatten()
    }

    /// The generator behind `random()`, `rand_int()` and the module `rand`, seeded by the host at its first use.
    pub fn random(&mut self) -> &mut Random {
        self.vm.random()
    }
}
