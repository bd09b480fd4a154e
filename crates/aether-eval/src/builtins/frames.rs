//! Iterables for built-ins: what `for` takes becomes an array before a built-in sees it.
//!
//! Values of the runtime are collected at once ([`collect_iterable`]). An instance with `has_next` and `next` is a
//! script's own iterator, so a frame ([`DRAIN`]) stands in for the built-in, calls these methods until there is no
//! more, and then calls the built-in with the array.
//!
//! Source: language reference §8, library reference chapter 10.

use aether_value::{Array, Heap, Raise, Rc, Value};

use super::support::built;
use super::text::array_of_characters;
use super::{Args, BuiltinDef, Event, Range, Step};
use crate::context::Ctx;
use crate::vm::generator::{Asked, ask, has_yielded};
use crate::vm::iterates_by_methods;

/// Arguments a built-in with iterable parameters can have.
const MOST: usize = 6;
/// Slots of the draining frame.
const BUILTIN: usize = 0;
const INDEX: usize = 1;
const ARGUMENTS: usize = 2;
const ITEMS: usize = ARGUMENTS + MOST;
const HAS_NEXT: usize = ITEMS + 1;
const NEXT: usize = HAS_NEXT + 1;
const PHASE: usize = NEXT + 1;
const SLOTS: usize = PHASE + 1;

/// Stands in for a built-in until its iterable argument is an array. Slots: the built-in, the index of the argument,
/// the arguments, then its own.
pub(crate) static DRAIN: BuiltinDef =
    BuiltinDef::core_frame("drain", &[], 2, ARGUMENTS as u8 + MOST as u8, SLOTS as u8, drain);

/// Sets the fields, whose slots the array holds, of a new instance to their defaults, and gives the instance. The
/// machine calls it, no script sees it. Slots: the instance, the array, then its own.
pub(crate) static FILL_DEFAULTS: BuiltinDef =
    BuiltinDef::core_frame("defaults", &["instance", "fields"], 2, 2, 3, fill_defaults);

fn fill_defaults(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let (Value::Instance(instance), Value::Array(fields)) = (slots[0].clone(), slots[1].clone()) else {
        unreachable!("the machine calls it so")
    };
    let slot_at = |position: usize| match fields.get_value(position) {
        Some(Value::Int(slot)) => Some(slot as usize),
        _ => None,
    };
    let position = slots[2].as_int().unwrap_or(0) as usize;
    let next = match event {
        Event::Start => position,
        Event::Returned(value) => {
            if let Some(slot) = slot_at(position) {
                let value = instance.definition().fit(slot, value)?;
                drop(instance.set_slot(slot, value));
            }
            position + 1
        }
        Event::Failed(raise) => return Err(raise),
    };
    slots[2] = Value::Int(next as i64);
    let default = slot_at(next).and_then(|slot| instance.definition().default_of(slot).cloned());
    Ok(match default {
        Some(default) => Step::Call {
            function: Value::Function(default),
            args: Args::None,
            lenient: false,
        },
        None => Step::Done(Value::Instance(instance)),
    })
}

/// Collects what it is called with. The machine calls it with what `...` takes only by running it.
pub(crate) static COLLECT: BuiltinDef =
    BuiltinDef::core("collect", &["iterable"], 1, 1, collect).iterables(1);

fn collect(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(args[0].clone())
}

/// What the frame waits for.
const ASKED: i64 = 1;
const TAKEN: i64 = 2;
const CALLED: i64 = 3;
const RESUMED: i64 = 4;

fn drain(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let value = match event {
        Event::Start => return begin(ctx, slots),
        Event::Returned(value) => value,
        Event::Failed(raise) => return Err(raise),
    };
    match slots[PHASE].as_int() {
        Some(RESUMED) => {
            let Value::Coroutine(generator) = &slots[NEXT] else {
                unreachable!("the frame put it there")
            };
            if has_yielded(generator) {
                built(&slots[ITEMS]).push(value)?;
                resume(slots)
            } else {
                Ok(finish(slots))
            }
        }
        Some(ASKED) if value.truthy() => {
            slots[PHASE] = Value::Int(TAKEN);
            Ok(call_iterating(&slots[NEXT], source(slots)))
        }
        Some(ASKED) => Ok(finish(slots)),
        Some(TAKEN) => {
            built(&slots[ITEMS]).push(value)?;
            slots[PHASE] = Value::Int(ASKED);
            Ok(call_iterating(&slots[HAS_NEXT], source(slots)))
        }
        _ => Ok(Step::Done(value)),
    }
}

fn begin(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let source = source(slots).clone();
    if let Value::Coroutine(_) = source {
        slots[ITEMS] = Value::Array(ctx.heap().array(0)?);
        slots[NEXT] = source;
        slots[PHASE] = Value::Int(RESUMED);
        return resume(slots);
    }
    let Some((has_next, next)) = ctx.iteration_methods(&source)? else {
        return Err(Raise::not_iterable(&source.type_name()));
    };
    slots[ITEMS] = Value::Array(ctx.heap().array(0)?);
    slots[HAS_NEXT] = has_next;
    slots[NEXT] = next;
    slots[PHASE] = Value::Int(ASKED);
    Ok(call_iterating(&slots[HAS_NEXT], &source))
}

/// Calls one of [`Ctx::iteration_methods`] of a value.
pub(super) fn call_iterating(method: &Value, iterated: &Value) -> Step {
    let args = match method {
        Value::Builtin(_) => Args::Method(vec![iterated.clone()]),
        _ => Args::None,
    };
    Step::Call {
        function: method.clone(),
        args,
        lenient: false,
    }
}

/// What is drained.
fn source(slots: &[Value]) -> &Value {
    &slots[ARGUMENTS + slots[INDEX].as_int().unwrap_or(0) as usize]
}

/// Goes on with the generator that is drained.
fn resume(slots: &mut [Value]) -> Result<Step, Raise> {
    let Value::Coroutine(generator) = slots[NEXT].clone() else {
        unreachable!("the frame put it there")
    };
    Ok(match ask(&generator)? {
        Asked::Resume => Step::Resume(generator),
        Asked::End => finish(slots),
        Asked::Item(item) => {
            built(&slots[ITEMS]).push(item)?;
            return resume(slots);
        }
    })
}

/// Everything is drained: calls the built-in.
fn finish(slots: &mut [Value]) -> Step {
    let Value::Builtin(builtin) = slots[BUILTIN] else {
        unreachable!("the machine put it there")
    };
    let index = ARGUMENTS + slots[INDEX].as_int().unwrap_or(0) as usize;
    slots[index] = std::mem::replace(&mut slots[ITEMS], Value::Null);
    slots[PHASE] = Value::Int(CALLED);
    let count = builtin.params.len().min(MOST);
    let args = slots[ARGUMENTS..ARGUMENTS + count].to_vec();
    Step::Call {
        function: slots[BUILTIN].clone(),
        args: Args::Many(args),
        lenient: false,
    }
}

/// The items of what `for` takes, as an array: an array is itself. `None` for a generator, and for an object that
/// iterates by its own methods.
pub(crate) fn collect_iterable(heap: &Heap, value: &Value) -> Result<Option<Rc<Array>>, Raise> {
    let items = match value {
        Value::Array(array) => return Ok(Some(array.clone())),
        Value::String(text) => {
            array_of_characters(heap, text, |index| heap.checkpoint(usize::from(index % 4 == 0)))?
        }
        Value::Dict(dict) => keys(heap, dict)?,
        Value::Set(set) => {
            let items = heap.array(set.len())?;
            for (index, element) in set.iter().enumerate() {
                heap.checkpoint(usize::from(index % 4 == 0))?;
                items.push(element.clone())?;
            }
            items
        }
        Value::Iterator(iterator) => {
            let items = heap.array(0)?;
            while let Some(item) = iterator.next(heap)? {
                heap.checkpoint(usize::from(items.len() % 4 == 0))?;
                items.push(item)?;
            }
            items
        }
        // Resumed by the frame that drains it.
        Value::Coroutine(_) => return Ok(None),
        value if let Some(range) = Range::of(value) => range.items(heap)?,
        Value::Native(native) if let Some(source) = native.get().items() => {
            let items = heap.array(0)?;
            while let Some(item) = source.next(heap)? {
                heap.checkpoint(1)?;
                items.push(item)?;
            }
            items
        }
        Value::Native(native) if let Some(items) = native.iterator()? => {
            return collect_iterable(heap, &items);
        }
        Value::Native(native) if iterates_by_methods(native) => return Ok(None),
        Value::Instance(instance) => {
            let definition = instance.definition();
            if definition.method_str("has_next").is_some() && definition.method_str("next").is_some() {
                return Ok(None);
            }
            return Err(Raise::not_iterable(&value.type_name()));
        }
        _ => return Err(Raise::not_iterable(&value.type_name())),
    };
    Ok(Some(items))
}

/// The keys of a dict.
pub(super) fn keys(heap: &Heap, dict: &aether_value::Dict) -> Result<Rc<Array>, Raise> {
    let items = heap.array(dict.len())?;
    for (index, (key, _)) in dict.iter().enumerate() {
        heap.checkpoint(usize::from(index % 4 == 0))?;
        items.push(key.clone())?;
    }
    Ok(items)
}
