//! Timers: functions that the event loop calls at a moment, or again and again.
//!
//! Invariants
//! - A timer that has not fired, or goes on firing, keeps event loops serving; no reference to it is needed.
//! - One that is cancelled does not call its function any more, even if it was due.
//! - The moments of one that repeats are whole periods after it was set. Of those that pass while the program is busy
//!   one is made up for.
//!
//! Source: library reference §E8, §11.5.

use std::any::Any;
use std::cell::{Cell, RefCell};

use aether_value::{Builtin, Heap, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};

use super::support::take;
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;
use crate::task::nanos;

/// Calls the function of a timer that is due. The machine calls it, no script sees it. Slots: the timer, the function
/// while it is called.
pub(crate) static FIRE: BuiltinDef = BuiltinDef::core_frame("timer", &["timer"], 1, 1, 2, fire);

static METHODS: &[BuiltinDef] = &[BuiltinDef::method("cancel", 0, 0, cancel)];

/// A timer as a value.
pub(crate) struct Timer {
    /// What the scheduler calls it.
    number: Cell<u64>,
    repeats: bool,
    /// What is called; nothing once that is over.
    function: RefCell<Option<Value>>,
}

impl Timer {
    fn is_active(&self) -> bool {
        self.function.borrow().is_some()
    }

    /// The function, if it is still to be called; a timer that does not repeat has none from then on.
    fn due_function(&self) -> Option<Value> {
        if self.repeats {
            self.function.borrow().clone()
        } else {
            self.function.take()
        }
    }
}

impl Native for Timer {
    fn type_name(&self) -> &'static str {
        "timer"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Some(function) = &*self.function.borrow() {
            visit(&Raw::of_value(function));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str(if self.is_active() {
            "<timer:active>"
        } else {
            "<timer:ended>"
        })
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok((name == "active").then(|| Value::Bool(self.is_active())))
    }

    fn member_names(&self) -> Vec<String> {
        vec!["active".to_owned()]
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The timer behind a value that is one.
fn timer(value: &Value) -> &Timer {
    match value {
        Value::Native(native) if let Some(timer) = native.downcast() => timer,
        _ => unreachable!("it is called with a timer"),
    }
}

/// `timer.cancel()`: whether there was anything to cancel.
fn cancel(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let timer = timer(&args[0]);
    let function = timer.function.take();
    if function.is_some() {
        ctx.vm.cancel_timer(timer.number.get());
    }
    Ok(Value::Bool(function.is_some()))
}

fn fire(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            let Some(function) = timer(&slots[0]).due_function() else {
                return Ok(Step::Done(Value::Null));
            };
            slots[1] = function.clone();
            Ok(Step::Call {
                function,
                args: Args::None,
                lenient: true,
            })
        }
        // The body of an async function runs because somebody waits for it.
        Event::Returned(value) if take(&mut slots[1]).is_async() => Ok(Step::Await(value)),
        Event::Returned(_) => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
}

impl Ctx<'_> {
    /// A timer that has the event loop call a function without arguments after some seconds, at once if that is not
    /// above zero, and from then on once in each period if there is one.
    ///
    /// # Errors
    /// The function is none; out of memory.
    pub fn start_timer(&mut self, delay: f64, period: Option<f64>, function: Value) -> Result<Value, Raise> {
        if !function.is_callable() {
            return Err(Raise::not_callable(&function.type_name()));
        }
        let timer: Rc<NativeObject> = self.heap().native(Box::new(Timer {
            number: Cell::new(0),
            repeats: period.is_some(),
            function: RefCell::new(Some(function)),
        }))?;
        let due = self.host().monotonic().saturating_add(nanos(delay));
        let period = period.map(|seconds| nanos(seconds).max(1));
        let number = self.vm.add_timer(due, period, timer.clone())?;
        let timer = Value::Native(timer);
        self::timer(&timer).number.set(number);
        Ok(timer)
    }
}
