//! Sorting: at once by the default order, or step by step with a script's comparison.
//!
//! Both are stable. The second is a bottom-up merge sort whose state is six slots of a frame: runs of `width` items
//! are merged in pairs from `source` to `target`, then both change places and the width doubles.
//!
//! ```text
//! source  … | a a a a | b b b b | …      lo = the pair's beginning, a multiple of 2·width
//!               ^ i         ^ j
//! target  … | x x x . . . . . | …        x = merged, k = where the next goes
//! ```
//!
//! Items are moved: what has not been merged to yet is null, and a pass leaves `source` with nulls.
//!
//! A comparison that contradicts itself gives some permutation; one that raises leaves the sorted array as it was.

use aether_value::{Array, Heap, Raise, Rc, Value, sort_order};
use std::cmp::Ordering;

use super::support::{ScopedCharge, built, copied, position};
use crate::context::Ctx;

/// Slots that a merge sort takes.
pub(super) const SLOTS: usize = 6;

const SOURCE: usize = 0;
const TARGET: usize = 1;
const WIDTH: usize = 2;
const LEFT: usize = 3;
const RIGHT: usize = 4;
const MERGED: usize = 5;

/// Prepares the merge sort of an array's present items.
pub(super) fn begin(heap: &Heap, array: &Array, slots: &mut [Value]) -> Result<(), Raise> {
    let items = array.snapshot()?;
    let target = heap.array(items.len())?;
    for _ in 0..items.len() {
        target.push(Value::Null)?;
    }
    slots[TARGET] = Value::Array(target);
    slots[SOURCE] = Value::Array(heap.array_from_slice(items.as_slice())?);
    slots[WIDTH] = Value::Int(1);
    slots[MERGED] = Value::Int(0);
    Ok(())
}

/// Goes on to the next pair to compare, left before right; `None` when all is sorted. `right_first` is the answer to
/// the last comparison.
#[inline]
pub(super) fn step(slots: &mut [Value], right_first: Option<bool>) -> Result<Option<(Value, Value)>, Raise> {
    let (mut source, mut target) = (built(&slots[SOURCE]), built(&slots[TARGET]));
    let len = source.len();
    // A power of two.
    let mut width = position(&slots[WIDTH]);
    let (mut left, mut right) = (position(&slots[LEFT]), position(&slots[RIGHT]));
    let mut merged = position(&slots[MERGED]);
    let mut swapped = false;
    let put = |source: &Array, target: &Array, from: &mut usize, to: &mut usize| -> Result<(), Raise> {
        source.exchange(*from, target, *to)?;
        (*from, *to) = (*from + 1, *to + 1);
        Ok(())
    };
    match right_first {
        Some(true) => put(source, target, &mut right, &mut merged)?,
        Some(false) => put(source, target, &mut left, &mut merged)?,
        None => {}
    }
    let next = loop {
        if merged >= len {
            (source, target) = (target, source);
            swapped = !swapped;
            width *= 2;
            merged = 0;
            if width >= len {
                break None;
            }
        }
        let within = merged & (2 * width - 1);
        let low = merged - within;
        if within == 0 {
            (left, right) = (low, (low + width).min(len));
        }
        let (middle, end) = ((low + width).min(len), (low + 2 * width).min(len));
        if left < middle && right < end {
            break source.get_value(left).zip(source.get_value(right));
        }
        while left < middle {
            put(source, target, &mut left, &mut merged)?;
        }
        while right < end {
            put(source, target, &mut right, &mut merged)?;
        }
    };
    if swapped {
        slots.swap(SOURCE, TARGET);
    }
    slots[WIDTH] = Value::Int(width as i64);
    slots[LEFT] = Value::Int(left as i64);
    slots[RIGHT] = Value::Int(right as i64);
    slots[MERGED] = Value::Int(merged as i64);
    Ok(next)
}

/// The sorted items, once [`step`] has given `None`.
pub(super) fn sorted(slots: &[Value]) -> &Rc<Array> {
    built(&slots[SOURCE])
}

/// Sorts an array in place by the default order.
pub(super) fn sort_default(ctx: &mut Ctx<'_>, array: &Array) -> Result<(), Raise> {
    let len = array.len();
    if len < 2 {
        return Ok(());
    }
    ctx.tick(len * (len.ilog2() as usize + 1) / 4)?;
    let heap = ctx.heap();
    let items = array.snapshot()?;
    if items.iter().all(|item| matches!(item, Value::Int(_))) {
        let _charge = ScopedCharge::new(heap, len * size_of::<i64>())?;
        let mut values: Vec<i64> = items.iter().filter_map(Value::as_int).collect();
        drop(items);
        if values.is_sorted() {
            return Ok(());
        }
        values.sort_unstable();
        return write_back(array, values.into_iter().map(Value::Int));
    }
    if items.iter().all(|item| matches!(item, Value::Float(_))) {
        let _charge = ScopedCharge::new(heap, len * size_of::<f64>() * 3 / 2)?;
        let float = |item: &Value| {
            if let Value::Float(value) = item {
                Some(*value)
            } else {
                None
            }
        };
        let mut values: Vec<f64> = items.iter().filter_map(float).collect();
        drop(items);
        values.sort_by(|left, right| float_order(*left, *right));
        return write_back(array, values.into_iter().map(Value::Float));
    }
    let texts = items.iter().all(|item| matches!(item, Value::String(_)));
    drop(items);
    let (mut values, _charge) = copied(heap, array)?;
    // What a stable sort takes beside.
    let _merging = ScopedCharge::new(heap, len * size_of::<Value>() / 2)?;
    if texts {
        values.sort_by(|left, right| match (left, right) {
            (Value::String(left), Value::String(right)) => left.order(right),
            _ => Ordering::Equal,
        });
    } else {
        values.sort_by(sort_order);
    }
    write_back(array, values.into_iter())
}

/// Numerically, NaN last.
fn float_order(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Puts a permutation of an array's items in their place. Fails only at the first, if the items have to be copied
/// for a snapshot.
fn write_back(array: &Array, items: impl Iterator<Item = Value>) -> Result<(), Raise> {
    for (index, item) in items.enumerate() {
        drop(array.set(index, item)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{SLOTS, begin, sorted, step};
    use aether_value::{Heap, HeapConfig, Value};

    /// Sorts by tens with the merge sort; gives the items and the number of comparisons.
    fn merge(values: &[i64], contrary: bool) -> (Vec<i64>, usize) {
        let heap = Heap::new(HeapConfig::default());
        let items = heap
            .array_from(values.iter().copied().map(Value::Int).collect())
            .unwrap();
        let mut slots: Vec<Value> = std::iter::repeat_n(Value::Null, SLOTS).collect();
        begin(&heap, &items, &mut slots).unwrap();
        let (mut answer, mut comparisons) = (None, 0);
        while let Some((left, right)) = step(&mut slots, answer).unwrap() {
            comparisons += 1;
            let (left, right) = (left.as_int().unwrap() / 10, right.as_int().unwrap() / 10);
            answer = Some(if contrary {
                comparisons % 3 == 0
            } else {
                left > right
            });
        }
        let before: Vec<_> = items
            .snapshot()
            .expect("memory")
            .iter()
            .filter_map(Value::as_int)
            .collect();
        assert_eq!(before, values, "the array itself stays");
        (
            sorted(&slots)
                .snapshot()
                .expect("memory")
                .iter()
                .filter_map(Value::as_int)
                .collect(),
            comparisons,
        )
    }

    #[test]
    fn merging_is_a_stable_sort_within_n_log_n_comparisons() {
        let mut random = fastrand::Rng::with_seed(7);
        for len in 0..200 {
            let values: Vec<i64> = (0..len).map(|_| random.i64(0..300)).collect();
            let (found, comparisons) = merge(&values, false);
            let mut expected = values.clone();
            expected.sort_by_key(|value| value / 10);
            assert_eq!(found, expected);
            let bound = len as usize * (usize::BITS - (len as usize).leading_zeros()) as usize;
            assert!(comparisons <= bound, "{comparisons} comparisons of {len} items");
        }
    }

    #[test]
    fn contradictions_give_a_permutation() {
        let values: Vec<i64> = (0..100).rev().collect();
        let (mut found, _) = merge(&values, true);
        found.sort_unstable();
        assert!(found.into_iter().eq(0..100));
    }
}
