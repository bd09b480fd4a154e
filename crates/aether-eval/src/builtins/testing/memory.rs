//! Assertions about memory: what a function leaves behind, and what it takes.
//!
//! Source: library reference §E12, §E13.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;

use aether_value::{Native, Raise, Value};

use super::failed_at;
use crate::builtins::support::{int, take};
use crate::builtins::{Args, Event, Step};
use crate::context::Ctx;

/// Types that a failure names.
const TYPES: usize = 5;

/// Objects by type.
type Objects = BTreeMap<String, usize>;

/// What there was before the function ran.
#[derive(Default)]
struct Before {
    objects: RefCell<Objects>,
    /// Objects that collections had freed.
    collected: RefCell<u64>,
}

impl Native for Before {
    fn type_name(&self) -> &'static str {
        "objects"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Counts what lives, by type.
fn objects(ctx: &mut Ctx<'_>) -> Result<Objects, Raise> {
    ctx.tick(ctx.heap().live_objects())?;
    let found = ctx.heap().objects_by_type();
    let counts = found.types.into_iter().map(|(name, totals)| (name, totals.count));
    Ok(counts.filter(|(_, count)| *count > 0).collect())
}

/// How many more there are of some types, and of which, the most first.
fn more(now: &Objects, before: &Objects) -> (usize, String) {
    let mut types: Vec<(usize, &str)> = now
        .iter()
        .map(|(name, count)| {
            let grown = count.saturating_sub(before.get(name).copied().unwrap_or(0));
            (grown, name.as_str())
        })
        .filter(|(grown, _)| *grown > 0)
        .collect();
    types.sort_by_key(|&(grown, name)| (std::cmp::Reverse(grown), name));
    let total = types.iter().map(|(grown, _)| grown).sum();
    let shown: Vec<String> = types
        .iter()
        .take(TYPES)
        .map(|(grown, name)| format!("{name}: {grown}"))
        .collect();
    let rest = if types.len() > TYPES { ", …" } else { "" };
    (total, shown.join(", ") + rest)
}

/// Objects that collections have freed so far.
fn collected(ctx: &Ctx<'_>) -> u64 {
    ctx.heap().stats().collected_objects
}

/// `assert_no_leaks(fn)`: nothing that the function makes lives on, or is freed by a collection alone. Slots: the
/// function, what there was before.
pub(super) fn assert_no_leaks(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            let step = call(ctx, &slots[0])?;
            ctx.tick(ctx.heap().live_objects())?;
            ctx.vm.collect();
            let before = ctx.heap().native(Box::new(Before::default()))?;
            slots[1] = Value::Native(before.clone());
            let (counts, freed) = (objects(ctx)?, collected(ctx));
            if let Some(before) = before.downcast::<Before>() {
                before.objects.replace(counts);
                before.collected.replace(freed);
            }
            Ok(step)
        }
        Event::Returned(result) => {
            drop(result);
            let Value::Native(before) = take(&mut slots[1]) else {
                unreachable!("the frame put it there")
            };
            let Some(known) = before.downcast::<Before>() else {
                unreachable!("the frame put it there")
            };
            let (counts, freed_before) = (known.objects.take(), known.collected.take());
            let with_cycles = objects(ctx)?;
            ctx.vm.collect();
            let freed = collected(ctx) - freed_before;
            let now = objects(ctx)?;
            let (alive, alive_types) = more(&now, &counts);
            if alive == 0 && freed == 0 {
                return Ok(Step::Done(Value::Null));
            }
            let mut parts = Vec::new();
            if freed > 0 {
                let (_, types) = more(&with_cycles, &now);
                // Collections on the way have left no trace of what they freed.
                let types = if types.is_empty() {
                    types
                } else {
                    format!(" ({types})")
                };
                parts.push(format!("{freed} in cycles that nothing refers to{types}"));
            }
            if alive > 0 {
                parts.push(format!("{alive} still alive ({alive_types})"));
            }
            Err(failed_at(
                ctx,
                &format!("expected no leaks but got {}", parts.join(", ")),
            ))
        }
        Event::Failed(raise) => Err(raise),
    }
}

/// A call that waits for async functions. A frame that waited itself would see its promise alive.
fn call(ctx: &mut Ctx<'_>, function: &Value) -> Result<Step, Raise> {
    Ok(Step::Call {
        function: ctx.vm.library_function("call_awaited")?,
        args: Args::One(function.clone()),
        lenient: false,
    })
}

/// `assert_max_memory(bytes, fn)`: gives how much more than before was alive at one time. Slots: the bytes, the function,
/// what was alive before, the highest mark so far.
pub(super) fn assert_max_memory(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let outcome = match event {
        Event::Start => {
            let most = int(&slots[0])?;
            if most < 0 {
                let detail = format!("assert_max_memory: bytes must not be negative, got {most}");
                return Err(Raise::operation(&detail));
            }
            let step = call(ctx, &slots[1])?;
            slots[3] = Value::Int(ctx.heap().peak_bytes() as i64);
            ctx.heap().reset_peak();
            slots[2] = Value::Int(ctx.heap().live_bytes() as i64);
            return Ok(step);
        }
        Event::Returned(_) => None,
        Event::Failed(raise) => Some(raise),
    };
    let number = |slot: &Value| slot.as_int().unwrap_or(0);
    let used = ctx.heap().peak_bytes() as i64 - number(&slots[2]);
    // For whoever asks for the highest mark of the whole program.
    ctx.heap().raise_peak(number(&slots[3]) as usize);
    if let Some(raise) = outcome {
        return Err(raise);
    }
    let most = number(&slots[0]);
    if used > most {
        let text = format!("expected at most {most} bytes but got {used}");
        return Err(failed_at(ctx, &text));
    }
    Ok(Step::Done(Value::Int(used)))
}
