//! Methods of iterators and generators: `next` and `has_next`, and those that are written in the language itself.
//!
//! Source: language reference §15, library reference §E5.

use aether_value::{Raise, Value};

use crate::builtins::support::{int, wrong_type};
use crate::builtins::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;
use crate::vm::generator::{Asked, ask, has_item, has_yielded, put_back};

/// Methods of iterators that walk something.
pub(in crate::builtins) static ITERATOR: &[BuiltinDef] = &[
    BuiltinDef::method("next", 0, 0, next),
    BuiltinDef::method("has_next", 0, 0, has_next),
];

/// Methods of generators.
pub(in crate::builtins) static GENERATOR: &[BuiltinDef] = &[
    BuiltinDef::method_frame("next", 0, 0, 1, generator_next),
    BuiltinDef::method_frame("has_next", 0, 0, 1, generator_has_next),
];

/// Methods of both, and of objects of the library and of the host that `for` goes through.
pub(crate) static EITHER: &[BuiltinDef] = &[
    MAP,
    FILTER,
    TAKE,
    DROP,
    ZIP,
    CHAIN,
    ENUMERATE,
    COLLECT,
    COUNT,
    FOLD,
    BuiltinDef::method("iterator", 0, 0, itself),
];

/// A method that is written in the language: its name, the number of its arguments, and what looks at the first one.
macro_rules! written {
    ($constant:ident, $name:literal, $count:literal, $check:ident) => {
        const $constant: BuiltinDef =
            BuiltinDef::method_frame($name, $count, $count, 3, |ctx, slots, event| {
                written(ctx, $name, slots, event, $check)
            });
    };
}

written!(MAP, "map", 1, function);
written!(FILTER, "filter", 1, function);
written!(TAKE, "take", 1, number);
written!(DROP, "drop", 1, number);
written!(ZIP, "zip", 1, any);
written!(CHAIN, "chain", 1, any);
written!(ENUMERATE, "enumerate", 0, any);
written!(COLLECT, "collect", 0, any);
written!(COUNT, "count", 0, any);

const FOLD: BuiltinDef = BuiltinDef::method_frame("fold", 2, 2, 4, |ctx, slots, event| {
    // The function may stand first, as for `reduce` of arrays, or behind the initial value.
    if let Event::Start = event
        && !slots[1].is_callable()
        && slots[2].is_callable()
    {
        slots.swap(1, 2);
    }
    written(ctx, "fold", slots, event, function)
});

fn function(value: &Value) -> Result<(), Raise> {
    if value.is_callable() {
        Ok(())
    } else {
        Err(wrong_type("function", value))
    }
}

fn number(value: &Value) -> Result<(), Raise> {
    int(value).map(drop)
}

fn any(_: &Value) -> Result<(), Raise> {
    Ok(())
}

/// Calls the function of this name that is written in the language with the receiver and the arguments, of which
/// `check` looks at the first.
fn written(
    ctx: &mut Ctx<'_>,
    name: &'static str,
    slots: &mut [Value],
    event: Event,
    check: fn(&Value) -> Result<(), Raise>,
) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
        Event::Start => check(&slots[1])?,
    }
    let function = ctx.vm.library_function(name)?;
    let params = match &function {
        Value::Function(closure) => closure.code().declared as usize,
        _ => 1,
    };
    Ok(Step::Call {
        function,
        args: Args::Many(slots[..params].to_vec()),
        lenient: false,
    })
}

fn itself(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(args[0].clone())
}

fn next(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Iterator(iterator) = &args[0] else {
        unreachable!("a method of iterators")
    };
    Ok(iterator.next(ctx.heap())?.unwrap_or(Value::Null))
}

fn has_next(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Iterator(iterator) = &args[0] else {
        unreachable!("a method of iterators")
    };
    Ok(Value::Bool(iterator.has_next()))
}

fn generator_next(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let Value::Coroutine(generator) = &slots[0] else {
        unreachable!("a method of generators")
    };
    match event {
        Event::Start => Ok(match ask(generator)? {
            Asked::Item(item) => Step::Done(item),
            Asked::End => Step::Done(Value::Null),
            Asked::Resume => Step::Resume(generator.clone()),
        }),
        // What it returns is not an item.
        Event::Returned(item) if has_yielded(generator) => Ok(Step::Done(item)),
        Event::Returned(_) => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
}

fn generator_has_next(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let Value::Coroutine(generator) = &slots[0] else {
        unreachable!("a method of generators")
    };
    match event {
        Event::Start if has_item(generator) => Ok(Step::Done(Value::Bool(true))),
        Event::Start => Ok(match ask(generator)? {
            Asked::Resume => Step::Resume(generator.clone()),
            Asked::Item(_) | Asked::End => Step::Done(Value::Bool(false)),
        }),
        Event::Returned(item) => {
            let yielded = has_yielded(generator);
            if yielded {
                put_back(generator, item);
            }
            Ok(Step::Done(Value::Bool(yielded)))
        }
        Event::Failed(raise) => Err(raise),
    }
}
