//! What a call with spread arguments, or with arguments by name whose places the compiler does not know, calls:
//! built-ins that no script names, given the arguments as arrays.
//!
//! Source: language reference §19, X1 and X2.

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
    let items = array(rest)?.snapshot()?;
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

/// `f(...args, name = value)`: the names and values are in turn in the last argument.
pub(crate) static KEYWORD_CALL: BuiltinDef = BuiltinDef::core_frame(
    "keyword call",
    &["function", "arguments", "keywords"],
    3,
    3,
    3,
    call,
);
/// `o.m(...args, name = value)`.
pub(crate) static KEYWORD_METHOD_CALL: BuiltinDef = BuiltinDef::core_frame(
    "keyword call",
    &["object", "method", "arguments", "keywords"],
    4,
    4,
    4,
    call_method,
);

/// Stands for an argument that is left out before one that is given by name. No script sees it.
pub(crate) static OMITTED: BuiltinDef = BuiltinDef::core("omitted", &[], 0, 0, |_, _| Ok(Value::Null));

/// Puts arguments by name behind those by position, where the function wants them.
fn place(
    ctx: &mut Ctx<'_>,
    function: &Value,
    args: &mut Vec<Value>,
    keywords: Option<&Value>,
) -> Result<(), Raise> {
    let Some(keywords) = keywords else { return Ok(()) };
    let keywords = array(keywords)?.snapshot()?;
    let code = match function {
        Value::Function(closure) | Value::AsyncFunction(closure) => Some(closure.code()),
        Value::BoundMethod(bound) => Some(bound.closure().code()),
        _ => None,
    };
    let constructor = match function {
        Value::EnumConstructor(constructor) => Some(constructor),
        _ => None,
    };
    let names = match (code, constructor) {
        (Some(code), _) => &code.param_names[..code.declared as usize - usize::from(code.has_rest())],
        (None, Some(constructor)) => &constructor.info().fields[..],
        // The call says what is wrong.
        (None, None) if !function.is_callable() => return Ok(()),
        (None, None) => &[],
    };
    let required = code.map_or(names.len(), |code| code.required as usize);
    let given = args.len();
    if given > names.len() && code.is_none_or(|code| !code.has_rest()) && !names.is_empty() {
        return Err(Raise::arity(names.len(), given + keywords.len() / 2));
    }
    let mut filled = vec![false; names.len()];
    filled.iter_mut().take(given).for_each(|filled| *filled = true);
    let mut count = given;
    for pair in keywords.as_slice().chunks_exact(2) {
        ctx.tick(names.len() / 8 + 1)?;
        let name = string(&pair[0])?;
        let Some(at) = names.iter().position(|known| known.equals(name)) else {
            return Err(Raise::unknown_argument(name.as_str()));
        };
        while args.len() <= at {
            let missing = if args.len() < required {
                Value::Null
            } else {
                OMITTED.value()
            };
            args.push(missing);
        }
        if std::mem::replace(&mut filled[at], true) {
            return Err(Raise::argument_twice(name.as_str()));
        }
        args[at] = pair[1].clone();
        count += 1;
    }
    if constructor.is_some() && count < names.len() {
        return Err(Raise::arity(names.len(), count));
    }
    Ok(())
}

fn call(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => Ok(Step::Done(value)),
        Event::Failed(raise) => Err(raise),
        Event::Start => {
            let mut args = arguments(ctx, None, &slots[1])?;
            place(ctx, &slots[0], &mut args, slots.get(2))?;
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
    let mut receiver = None;
    let function = if let Some(method) = ctx.bound_method(&slots[0], name.as_str())? {
        method
    } else if let Some(def) = super::method_of(&slots[0], name.as_str()) {
        receiver = Some(&slots[0]);
        def.value()
    } else {
        // A field, a member of a module or an entry of a dict that holds a function.
        ctx.callable_member(&slots[0], &name)?
    };
    let mut args = arguments(ctx, receiver, &slots[2])?;
    place(ctx, &function, &mut args, slots.get(3))?;
    let args = if receiver.is_some() {
        Args::Method(args)
    } else {
        Args::Many(args)
    };
    Ok(Step::Call {
        function,
        args,
        lenient: false,
    })
}
