//! Functions of scripts as the library written in the language calls them: with at most as many arguments as they
//! declare.
//!
//! The library's own calls are strict, as all calls of the language are.
//!
//! Source: library reference §0.9.

use std::any::Any;

use aether_eval::{Args, BuiltinDef, Ctx, Event, Step};
use aether_value::{Builtin, Native, Raise, Raw, Value};

use crate::arguments::object;

/// Stands for a function, and leaves out the arguments that it does not declare.
struct Callback {
    function: Value,
    def: &'static BuiltinDef,
}

static OF_ONE: BuiltinDef = BuiltinDef::method_frame("callback", 1, 1, 2, call);
static OF_TWO: BuiltinDef = BuiltinDef::method_frame("callback", 2, 2, 3, call);

/// A function that may be called with one argument, whatever it declares.
///
/// # Errors
/// It is none, or out of memory.
pub(crate) fn of_one(ctx: &Ctx<'_>, function: &Value) -> Result<Value, Raise> {
    callback(ctx, function, &OF_ONE)
}

/// A function that may be called with two arguments, whatever it declares.
///
/// # Errors
/// It is none, or out of memory.
pub(crate) fn of_two(ctx: &Ctx<'_>, function: &Value) -> Result<Value, Raise> {
    callback(ctx, function, &OF_TWO)
}

fn callback(ctx: &Ctx<'_>, function: &Value, def: &'static BuiltinDef) -> Result<Value, Raise> {
    if !function.is_callable() {
        return Err(Raise::not_callable(&function.type_name()));
    }
    let function = function.clone();
    Ok(Value::Native(
        ctx.heap().native(Box::new(Callback { function, def }))?,
    ))
}

fn call(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => Ok(Step::Call {
            function: object::<Callback>(&slots[0]).function.clone(),
            args: Args::Many(slots[1..].to_vec()),
            lenient: true,
        }),
        Event::Returned(value) => Ok(Step::Done(value)),
        Event::Failed(raise) => Err(raise),
    }
}

impl Native for Callback {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_value(&self.function));
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&self.def.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
