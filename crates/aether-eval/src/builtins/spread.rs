//! What a call with spread arguments calls: built-ins that no script names, given the arguments as an array.
//!
//! Source: language reference §19, X1.

use aether_value::{Raise, Value};

use super::support::{array, string};
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;

/// Most arguments of a call.
const MOST: usize = 60_000;

/// `f(...args)`.
pub(crate) static SPREAD_CALL: BuiltinDef =
    BuiltinDef::core_frame("spread call", &["function", "arguments"], 2, 2, 2, call);
/// `o.m(...args)`.
pub(crate) static SPREAD_METHOD_CALL: BuiltinDef = BuiltinDef::core_frame(
    "spread call",
    &["object", "method", "arguments"],
    3,
    3,
    3,
    call_method,
);

/// The arguments in an array, behind those that are given.
fn arguments(ctx: &mut Ctx<'_>, first: Option<&Value>, rest: &Value) -> Result<Vec<Value>, Raise> {
    let items = array(rest)?.snapshot();
    if items.len() > MOST {
        return Err(Raise::operation(&format!(
            "a call has at most {MOST} arguments, got {}",
            items.len()
        )));
    }
    ctx.tick(items.len() / 4)?;
    let mut values = Vec::with_capacity(items.len() + 1);
    values.extend(first.cloned());
    values.extend_from_slice(items.as_slice());
    Ok(values)
}

fn call(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => Ok(Step::Done(value)),
        Event::Failed(raise) => Err(raise),
        Event::Start => {
            let args = arguments(ctx, None, &slots[1])?;
            Ok(Step::Call {
                function: slots[0].clone(),
                args: Args::Many(args),
                lenient: false,
            })
        }
    }
}

fn call_method(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
        Event::Start => {}
    }
    let name = string(&slots[1])?.clone();
    let (function, args) = if let Some(method) = ctx.bound_method(&slots[0], name.as_str())? {
        (method, Args::Many(arguments(ctx, None, &slots[2])?))
    } else if let Some(def) = super::method_of(&slots[0], name.as_str()) {
        (
            def.value(),
            Args::Method(arguments(ctx, Some(&slots[0]), &slots[2])?),
        )
    } else {
        // A field, a member of a module or an entry of a dict that holds a function.
        let function = ctx.callable_member(&slots[0], &name)?;
        (function, Args::Many(arguments(ctx, None, &slots[2])?))
    };
    Ok(Step::Call {
        function,
        args,
        lenient: false,
    })
}
