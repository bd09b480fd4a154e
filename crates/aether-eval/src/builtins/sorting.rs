//! Sorting by keys, searching sorted arrays, and heaps (`heapq`).
//!
//! `sort_by` computes each key once: it calls the key function for one item after the other, then sorts pairs of key and
//! position at once. Keys are compared as `sort()` does, arrays item by item.
//!
//! A heap is an array whose item at n is not greater than those at 2n+1 and 2n+2, by the same order.
//!
//! Source: library reference §E5.
#![expect(unsafe_code, reason = "compares items where they are")]

use aether_value::{Array, Charge, Raise, Rc, Value, nested_order, try_nested_order};
use std::cmp::Ordering;

use super::support::{array, buffer, built, int, options, position, string, wrong_type};
use super::{BuiltinDef, Event, Step, sort, text};
use crate::context::Ctx;

pub(super) static HEAPQ: &[BuiltinDef] = &[
    BuiltinDef::library("push", &["heap", "value"], push).requiring(2),
    BuiltinDef::library("pop", &["heap"], pop).requiring(1),
    BuiltinDef::library("nlargest", &["array", "n"], |ctx, args| extremes(ctx, args, true))
        .requiring(2)
        .iterables(1),
    BuiltinDef::library("nsmallest", &["array", "n"], |ctx, args| {
        extremes(ctx, args, false)
    })
    .requiring(2)
    .iterables(1),
];

/// Slots of a `sort_by`: array, key function, options, items, keys, index.
pub(super) const SORT_BY_SLOTS: u8 = 6;
/// Options of a `sort_by`.
pub(super) const OPTIONS: &[&str] = &["reverse", "nulls", "locale_fold"];

const KEYS: usize = 4;
const INDEX: usize = 5;

/// How keys are ordered.
#[derive(Clone, Copy, Default)]
struct Options {
    reverse: bool,
    /// Where null keys go, if not by their type.
    nulls_first: Option<bool>,
    fold: bool,
}

impl Options {
    fn read(value: &Value) -> Result<Self, Raise> {
        let Some(dict) = options(value, OPTIONS)? else {
            return Ok(Self::default());
        };
        let is_set = |name: &str| dict.get_str_value(name).is_some_and(|value| value.truthy());
        let nulls = match dict.get_str_value("nulls") {
            None | Some(Value::Null) => None,
            Some(value) => match string(&value)?.as_str() {
                "first" => Some(true),
                "last" => Some(false),
                other => {
                    return Err(Raise::operation(&format!(
                        "sort_by() nulls must be first or last, got {other}"
                    )));
                }
            },
        };
        Ok(Self {
            reverse: is_set("reverse"),
            nulls_first: nulls,
            fold: is_set("locale_fold"),
        })
    }

    /// The order of two keys of which one is null, if nulls have a place of their own.
    fn nulls(self, left: &Value, right: &Value) -> Option<Ordering> {
        let first = self.nulls_first?;
        if left.is_null() == right.is_null() {
            return None;
        }
        Some(if left.is_null() == first {
            Ordering::Less
        } else {
            Ordering::Greater
        })
    }

    /// The order of two keys, given that of `sort()`.
    fn turn(self, order: Ordering) -> Ordering {
        if self.reverse { order.reverse() } else { order }
    }
}

/// `sort_by(array, key, opts)`: a new array.
pub(super) fn sort_by(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let step = with_keys(ctx, slots, event)?;
    if let Some(step) = step {
        return Ok(step);
    }
    let sorted = by_keys(ctx, slots)?;
    Ok(Step::Done(Value::Array(sorted)))
}

/// The method: in place.
pub(super) fn sort_by_in_place(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let step = with_keys(ctx, slots, event)?;
    if let Some(step) = step {
        return Ok(step);
    }
    let sorted = by_keys(ctx, slots)?;
    array(&slots[0])?.replace_buffer(sorted.snapshot()?);
    Ok(Step::Done(Value::Null))
}

/// Gathers the keys; none when all are there.
fn with_keys(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Option<Step>, Raise> {
    match event {
        Event::Returned(key) => built(&slots[KEYS]).push(key)?,
        Event::Start => {
            Options::read(&slots[2])?;
            let items = array(&slots[0])?.snapshot()?;
            slots[KEYS] = Value::Array(ctx.heap().array(items.len())?);
            slots[3] = Value::Buffer(items);
            slots[INDEX] = Value::Int(0);
        }
        Event::Failed(raise) => return Err(raise),
    }
    let index = position(&slots[INDEX]);
    let Some(item) = buffer(&slots[3]).as_slice().get(index).cloned() else {
        return Ok(None);
    };
    slots[INDEX] = Value::Int(index as i64 + 1);
    Ok(Some(Step::call1(&slots[1], item)))
}

/// The items in the order of their keys.
fn by_keys(ctx: &mut Ctx<'_>, slots: &[Value]) -> Result<Rc<Array>, Raise> {
    let options = Options::read(&slots[2])?;
    let items = buffer(&slots[3]);
    let len = items.len();
    let keys = built(&slots[KEYS]);
    if options.fold {
        for at in 0..len {
            if let Some(Value::String(key)) = keys.get_value(at) {
                drop(keys.set(at, text::lower(ctx, &key)?)?);
            }
        }
    }
    let keys = keys.snapshot()?;
    let result = ctx.heap().array(len)?;
    // No key of these kinds is null.
    if let Some(order) = sort::prepared_order(ctx.heap(), keys.as_slice(), options.reverse)? {
        for (index, position) in order.positions.into_iter().enumerate() {
            ctx.tick_at(index, len, 8)?;
            result.push(items.get(position as usize).clone())?;
        }
        return Ok(result);
    }
    let _charge = Charge::new(ctx.heap(), len * size_of::<u32>() * 3 / 2)?;
    let mut positions: Vec<u32> = (0..len as u32).collect();
    let run = sort::run_of(ctx.heap(), keys.iter())?;
    sort::sort_in_pieces(
        ctx.heap(),
        &mut positions,
        run,
        |&left, &right| {
            let (left, right) = (keys.get(left as usize), keys.get(right as usize));
            options
                .nulls(left, right)
                .unwrap_or_else(|| options.turn(nested_order(left, right)))
        },
        |&left, &right| {
            let (left, right) = (keys.get(left as usize), keys.get(right as usize));
            match options.nulls(left, right) {
                Some(order) => Ok(order),
                None => Ok(options.turn(try_nested_order(left, right)?)),
            }
        },
    )?;
    for (index, position) in positions.into_iter().enumerate() {
        ctx.tick_at(index, len, 8)?;
        result.push(items.get(position as usize).clone())?;
    }
    Ok(result)
}

/// `binary_search(array, value, cmp)`: an index of the value, or `-(insertion + 1)`. Slots: array, value, comparison,
/// low and high.
pub(super) fn binary_search(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let (low, high) = match event {
        Event::Start => {
            let items = array(&slots[0])?.snapshot()?;
            let len = items.len();
            if slots[2].is_null() {
                let (mut low, mut high) = (0, len);
                while low < high {
                    let middle = usize::midpoint(low, high);
                    match try_nested_order(items.get(middle), &slots[1])? {
                        Ordering::Equal => return Ok(Step::Done(Value::Int(middle as i64))),
                        Ordering::Less => low = middle + 1,
                        Ordering::Greater => high = middle,
                    }
                }
                return Ok(Step::Done(Value::Int(-(low as i64) - 1)));
            }
            slots[0] = Value::Buffer(items);
            (0, len)
        }
        Event::Returned(sign) => {
            let (low, high) = (position(&slots[3]), position(&slots[4]));
            let middle = usize::midpoint(low, high);
            let sign = match sign {
                Value::Int(sign) => sign.signum(),
                Value::Float(sign) => i64::from(sign > 0.0) - i64::from(sign < 0.0),
                other => return Err(wrong_type("int", &other)),
            };
            match sign {
                0 => return Ok(Step::Done(Value::Int(middle as i64))),
                1 => (low, middle),
                _ => (middle + 1, high),
            }
        }
        Event::Failed(raise) => return Err(raise),
    };
    if low >= high {
        return Ok(Step::Done(Value::Int(-(low as i64) - 1)));
    }
    slots[3] = Value::Int(low as i64);
    slots[4] = Value::Int(high as i64);
    let item = buffer(&slots[0]).get(usize::midpoint(low, high)).clone();
    Ok(Step::call2(&slots[2], item, slots[1].clone()))
}

// --- heapq ---

/// Whether an item of a heap comes before another one.
fn is_before(heap: &Array, left: usize, right: usize) -> Result<bool, Raise> {
    // SAFETY: nothing is written while two items are compared; no script runs.
    let items = unsafe { heap.as_slice() };
    Ok(try_nested_order(&items[left], &items[right])? == Ordering::Less)
}

/// Moves an item up to where its parent is not greater.
fn sift_up(heap: &Array, mut at: usize) -> Result<(), Raise> {
    while at > 0 {
        let parent = (at - 1) / 2;
        if !is_before(heap, at, parent)? {
            break;
        }
        heap.swap(at, parent)?;
        at = parent;
    }
    Ok(())
}

fn push(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let heap = array(&args[0])?;
    heap.push(args[1].clone())?;
    sift_up(heap, heap.len() - 1)?;
    Ok(Value::Null)
}

/// Takes the least item; null if there is none. The last item goes all the way down, which takes one comparison a level,
/// and then up to its place, which is mostly near.
fn pop(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let heap = array(&args[0])?;
    let len = heap.len();
    if len < 2 {
        return Ok(heap.pop()?.unwrap_or(Value::Null));
    }
    heap.swap(0, len - 1)?;
    let least = heap.pop()?.unwrap_or(Value::Null);
    let (mut at, len) = (0, len - 1);
    while 2 * at + 1 < len {
        let left = 2 * at + 1;
        let right = left + 1;
        let child = if right < len && is_before(heap, right, left)? {
            right
        } else {
            left
        };
        heap.swap(at, child)?;
        at = child;
    }
    sift_up(heap, at)?;
    Ok(least)
}

/// The n largest, largest first, or the n smallest, smallest first.
fn extremes(ctx: &mut Ctx<'_>, args: &[Value], largest: bool) -> Result<Value, Raise> {
    let items = array(&args[0])?.snapshot()?;
    let n = usize::try_from(int(&args[1])?).unwrap_or(0).min(items.len());
    let len = items.len();
    let _charge = Charge::new(ctx.heap(), len * size_of::<Value>() * 3 / 2)?;
    let mut sorted = items.as_slice().to_vec();
    let run = sort::run_of(ctx.heap(), sorted.iter())?;
    let turn = |order: Ordering| if largest { order.reverse() } else { order };
    sort::sort_in_pieces(
        ctx.heap(),
        &mut sorted,
        run,
        |left, right| turn(nested_order(left, right)),
        |left, right| Ok(turn(try_nested_order(left, right)?)),
    )?;
    Ok(Value::Array(ctx.array_of_items(&sorted[..n], 8)?))
}
