//! Sorting: at once by the default order, or step by step with a script's comparison.
//!
//! Both are stable. The first sorts prepared keys. The second is a natural merge sort whose state is the slots of a frame.
//! It takes the runs that are there, ascending or strictly descending, in order: n - 1 comparisons find them, and are all
//! that sorted or reversed items need. Two neighbours are merged as soon as the power of the boundary between them says
//! so (powersort), so that what is merged is mostly what was compared just before, and still in the processor's cache.
//!
//! ```text
//! ITEMS  | runs on the stack | current run | next run | not looked at yet
//!                              ^ START       ^ END      ^ AT
//! RUNS   start and power of each run on the stack; powers grow towards the top
//! ```
//!
//! To merge two runs the first is moved to TEMP. Items are moved by exchange, so the places that they leave hold null.
//!
//! A comparison that contradicts itself gives some permutation; one that raises leaves the sorted array as it was.
//!
//! Source: J. I. Munro, S. Wild, "Nearly-Optimal Mergesorts", 2018.

use aether_value::{Array, Charge, Heap, Raise, Rc, Value, WORK_BYTES, sort_order, try_sort_order};
use std::cmp::Ordering;

use super::support::{built, copied, position};
use crate::context::Ctx;
use crate::pieces::{PIECE, PIECE_ITEMS};

/// Slots that a merge sort takes.
pub(super) const SLOTS: usize = 11;

const ITEMS: usize = 0;
const TEMP: usize = 1;
const RUNS: usize = 2;
/// The current run.
const START: usize = 3;
const END: usize = 4;
/// The next item to look at; the end of the next run once that is complete.
const AT: usize = 5;
/// Whether the run that is looked at descends.
const DESCENDS: usize = 6;
/// While two runs are merged: the next item of the first, and how many it has, in TEMP; the next item of the second, and
/// where the next one goes, in ITEMS. COUNT is 0 while none are.
const LEFT: usize = 7;
const COUNT: usize = 8;
const RIGHT: usize = 9;
const MERGED: usize = 10;

/// Prepares the merge sort of an array's present items.
pub(super) fn begin(heap: &Heap, array: &Array, slots: &mut [Value]) -> Result<(), Raise> {
    let items = array.snapshot()?;
    let temp = heap.array(items.len())?;
    for _ in 0..items.len() {
        temp.push(Value::Null)?;
    }
    slots[TEMP] = Value::Array(temp);
    slots[ITEMS] = Value::Array(heap.array_from_slice(items.as_slice())?);
    slots[RUNS] = Value::Array(heap.array(0)?);
    for slot in &mut slots[START..] {
        *slot = Value::Int(0);
    }
    Ok(())
}

/// Goes on to the next pair to compare, left before right; `None` when all is sorted. `right_first` is the answer to
/// the last comparison.
#[inline]
pub(super) fn step(slots: &mut [Value], right_first: Option<bool>) -> Result<Option<(Value, Value)>, Raise> {
    if position(&slots[COUNT]) > 0 {
        let pair = merge(slots, right_first)?;
        if pair.is_some() {
            return Ok(pair);
        }
        return next_merge(slots);
    }
    look(slots, right_first)
}

/// Looks for the end of a run.
fn look(slots: &mut [Value], right_first: Option<bool>) -> Result<Option<(Value, Value)>, Raise> {
    let len = built(&slots[ITEMS]).len();
    // The run that is looked at begins where the current one ends.
    let (start, mut at) = (position(&slots[END]), position(&slots[AT]));
    if let Some(right_first) = right_first {
        if at == start + 1 {
            slots[DESCENDS] = Value::Int(i64::from(right_first));
        }
        if right_first == (position(&slots[DESCENDS]) != 0) {
            at += 1;
        } else {
            slots[AT] = Value::Int(at as i64);
            return end_run(slots);
        }
    } else {
        at = start + 1;
        slots[DESCENDS] = Value::Int(0);
    }
    slots[AT] = Value::Int(at as i64);
    if at < len {
        let items = built(&slots[ITEMS]);
        return Ok(items.get_value(at - 1).zip(items.get_value(at)));
    }
    end_run(slots)
}

/// The run from the end of the current one up to AT is complete.
fn end_run(slots: &mut [Value]) -> Result<Option<(Value, Value)>, Raise> {
    let items = built(&slots[ITEMS]);
    let (start, end, at) = (
        position(&slots[START]),
        position(&slots[END]),
        position(&slots[AT]).min(items.len()),
    );
    slots[AT] = Value::Int(at as i64);
    let items = built(&slots[ITEMS]);
    if position(&slots[DESCENDS]) != 0 {
        let (mut low, mut high) = (end, at);
        while low + 1 < high {
            high -= 1;
            items.swap(low, high)?;
            low += 1;
        }
    }
    if start == end {
        // The first one.
        slots[END] = Value::Int(at as i64);
        if at >= built(&slots[ITEMS]).len() {
            return Ok(None);
        }
        return look(slots, None);
    }
    next_merge(slots)
}

/// How deep the boundary between two neighbouring runs lies in the tree of halves of all items: the more, the sooner they
/// are merged.
fn power(start: usize, middle: usize, end: usize, len: usize) -> i64 {
    let (left, right) = ((start + middle) as u64, (middle + end) as u64);
    let (left, right) = ((left << 30) / len as u64, (right << 30) / len as u64);
    i64::from((left ^ right).leading_zeros())
}

/// Begins the next merge that is due, or looks for the next run; `None` when all is sorted.
fn next_merge(slots: &mut [Value]) -> Result<Option<(Value, Value)>, Raise> {
    loop {
        let len = built(&slots[ITEMS]).len();
        let (start, end, at) = (
            position(&slots[START]),
            position(&slots[END]),
            position(&slots[AT]),
        );
        let runs = built(&slots[RUNS]);
        let depth = runs.len();
        let number = |index: usize| runs.get_value(index).as_ref().map_or(0, position) as i64;
        let here = if end < at { power(start, end, at, len) } else { -1 };
        if depth > 0 && number(depth - 1) > here {
            runs.pop()?;
            let first = runs.pop()?.as_ref().map_or(0, position);
            begin_merge(slots, first, start)?;
            slots[START] = Value::Int(first as i64);
            let pair = merge(slots, None)?;
            if pair.is_some() {
                return Ok(pair);
            }
            continue;
        }
        if end == at {
            // No run is left.
            return if at < len { look(slots, None) } else { Ok(None) };
        }
        runs.push(Value::Int(start as i64))?;
        runs.push(Value::Int(here))?;
        slots[START] = Value::Int(end as i64);
        slots[END] = Value::Int(at as i64);
        if at < len {
            return look(slots, None);
        }
    }
}

/// Moves the first of two neighbouring runs to TEMP.
fn begin_merge(slots: &mut [Value], first: usize, second: usize) -> Result<(), Raise> {
    let (items, temp) = (built(&slots[ITEMS]), built(&slots[TEMP]));
    for index in first..second {
        items.exchange(index, temp, index - first)?;
    }
    slots[LEFT] = Value::Int(0);
    slots[COUNT] = Value::Int((second - first) as i64);
    slots[RIGHT] = Value::Int(second as i64);
    slots[MERGED] = Value::Int(first as i64);
    Ok(())
}

/// Merges on; `None` when the two runs are one.
#[inline]
fn merge(slots: &mut [Value], right_first: Option<bool>) -> Result<Option<(Value, Value)>, Raise> {
    let (items, temp) = (built(&slots[ITEMS]), built(&slots[TEMP]));
    let (mut left, mut right) = (position(&slots[LEFT]), position(&slots[RIGHT]));
    let mut merged = position(&slots[MERGED]);
    let (count, end) = (position(&slots[COUNT]), position(&slots[END]));
    match right_first {
        Some(true) => {
            items.swap(right, merged)?;
            (right, merged) = (right + 1, merged + 1);
        }
        Some(false) => {
            temp.exchange(left, items, merged)?;
            (left, merged) = (left + 1, merged + 1);
        }
        None => {}
    }
    if left < count && right < end {
        let pair = temp.get_value(left).zip(items.get_value(right));
        slots[LEFT] = Value::Int(left as i64);
        slots[RIGHT] = Value::Int(right as i64);
        slots[MERGED] = Value::Int(merged as i64);
        return Ok(pair);
    }
    // What is left of the second run is in its place.
    while left < count {
        temp.exchange(left, items, merged)?;
        (left, merged) = (left + 1, merged + 1);
    }
    slots[COUNT] = Value::Int(0);
    Ok(None)
}

/// The sorted items, once [`step`] has given `None`.
pub(super) fn sorted(slots: &[Value]) -> &Rc<Array> {
    built(&slots[ITEMS])
}

/// Sorts what may be much: runs by themselves, by `whole`, then the runs with each other, by `checked`, which is the same
/// order with checkpoints; there are checkpoints in between, so limits hold meanwhile. Equals stay in order. What fails
/// leaves the items in any order, some twice.
fn sort_copies<T: Copy>(
    heap: &Heap,
    items: &mut [T],
    run: usize,
    whole: &impl Fn(&T, &T) -> Ordering,
    checked: &impl Fn(&T, &T) -> Result<Ordering, Raise>,
) -> Result<(), Raise> {
    if items.len() <= run {
        heap.checkpoint(items.len() * (items.len().max(1).ilog2() as usize + 1) / 4)?;
        items.sort_by(whole);
        return Ok(());
    }
    let _charge = Charge::new(heap, items.len().div_ceil(2) * size_of::<T>())?;
    let mut left = Vec::with_capacity(items.len().div_ceil(2));
    sort_halves(heap, items, run, whole, checked, &mut left)
}

/// [`sort_copies`] of more than a run, with room for the first half.
fn sort_halves<T: Copy>(
    heap: &Heap,
    items: &mut [T],
    run: usize,
    whole: &impl Fn(&T, &T) -> Ordering,
    checked: &impl Fn(&T, &T) -> Result<Ordering, Raise>,
    left: &mut Vec<T>,
) -> Result<(), Raise> {
    if items.len() <= run {
        return sort_copies(heap, items, run, whole, checked);
    }
    let middle = items.len() / 2;
    sort_halves(heap, &mut items[..middle], run, whole, checked, left)?;
    sort_halves(heap, &mut items[middle..], run, whole, checked, left)?;
    heap.checkpoint(items.len() / 8)?;
    if checked(&items[middle], &items[middle - 1])? != Ordering::Less {
        return Ok(());
    }
    left.clear();
    left.extend_from_slice(&items[..middle]);
    let (mut from_left, mut from_right, mut merged) = (0, middle, 0);
    while from_left < left.len() && from_right < items.len() {
        if merged % PIECE_ITEMS == 0 {
            heap.checkpoint(PIECE_ITEMS / 8)?;
        }
        let is_right = checked(&items[from_right], &left[from_left])? == Ordering::Less;
        items[merged] = if is_right {
            items[from_right]
        } else {
            left[from_left]
        };
        from_right += usize::from(is_right);
        from_left += usize::from(!is_right);
        merged += 1;
    }
    // What is left of the second half is in its place.
    let rest = &left[from_left..];
    items[merged..merged + rest.len()].copy_from_slice(rest);
    Ok(())
}

/// Sorts what may be many things, of which `run` are sorted at once (see [`run_of`]); equals stay in order. See
/// [`sort_copies`].
pub(super) fn sort_in_pieces<T>(
    heap: &Heap,
    items: &mut Vec<T>,
    run: usize,
    whole: impl Fn(&T, &T) -> Ordering,
    checked: impl Fn(&T, &T) -> Result<Ordering, Raise>,
) -> Result<(), Raise> {
    if items.len() <= run {
        heap.checkpoint(items.len() * (items.len().max(1).ilog2() as usize + 1) / 4)?;
        items.sort_by(whole);
        return Ok(());
    }
    let _charge = Charge::new(heap, items.len() * (size_of::<u32>() + size_of::<Option<T>>()))?;
    let mut positions: Vec<u32> = (0..items.len() as u32).collect();
    sort_copies(
        heap,
        &mut positions,
        run,
        &|&left: &u32, &right: &u32| whole(&items[left as usize], &items[right as usize]),
        &|&left: &u32, &right: &u32| checked(&items[left as usize], &items[right as usize]),
    )?;
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(positions.iter().filter_map(|&at| taken[at as usize].take()));
    Ok(())
}

/// Items that are sorted at once, if to compare two of them may mean to fetch them.
const RUN: usize = 1 << 14;
/// The same for numbers.
const RUN_OF_NUMBERS: usize = 1 << 17;

/// How many items are sorted at once: the more there may be to compare in two of their keys, the fewer.
///
/// # Errors
/// The run has to end.
pub(super) fn run_of<'a>(heap: &Heap, keys: impl Iterator<Item = &'a Value>) -> Result<usize, Raise> {
    /// Fewer are not worth a sort of their own.
    const FEW: usize = 16;
    /// Items of an array that are looked at.
    const LOOKED_AT: usize = 16;
    let text_units = |key: &Value| key.as_str().map_or(0, str::len) / WORK_BYTES;
    let mut most = 1;
    for (index, key) in keys.enumerate() {
        if index % PIECE_ITEMS == PIECE_ITEMS - 1 {
            heap.checkpoint(PIECE_ITEMS / 8)?;
        }
        let units = match key {
            // What is deeper may take any time.
            Value::Array(items) if items.len() <= LOOKED_AT => (0..items.len())
                .map(|at| match items.get_value(at) {
                    Some(Value::Array(_)) => RUN,
                    Some(item) => text_units(&item),
                    None => 0,
                })
                .sum(),
            Value::Array(items) => items.len().max(RUN),
            key => text_units(key),
        };
        most = most.max(units);
    }
    Ok(match RUN / most {
        0..FEW => 1,
        run => run,
    })
}

/// A key with the position of what it belongs to.
type Keyed<K> = (K, u32);

/// Positions in the order of keys, of which those that are equal stay in order.
fn order_of<K: Copy>(
    heap: &Heap,
    keys: impl ExactSizeIterator<Item = K>,
    run: usize,
    whole: impl Fn(Keyed<K>, Keyed<K>) -> Ordering,
    checked: impl Fn(Keyed<K>, Keyed<K>) -> Result<Ordering, Raise>,
) -> Result<Positions, Raise> {
    let charge = Charge::new(heap, keys.len() * (size_of::<Keyed<K>>() + size_of::<u32>()))?;
    let mut keyed: Vec<Keyed<K>> = keys.zip(0..).collect();
    sort_copies(
        heap,
        &mut keyed,
        run,
        &|&left: &Keyed<K>, &right: &Keyed<K>| whole(left, right),
        &|&left: &Keyed<K>, &right: &Keyed<K>| checked(left, right),
    )?;
    let positions = keyed.into_iter().map(|(_, position)| position).collect();
    Ok(Positions {
        positions,
        _charge: charge,
    })
}

/// Positions in the order of what stands there.
pub(super) struct Positions {
    pub(super) positions: Vec<u32>,
    _charge: Charge,
}

/// The positions of keys in the order of `sort()`, or in the reverse one, if they are all ints, all floats or all strings.
pub(super) fn prepared_order(heap: &Heap, keys: &[Value], reverse: bool) -> Result<Option<Positions>, Raise> {
    let turn = |order: Ordering| if reverse { order.reverse() } else { order };
    if keys.iter().all(|key| matches!(key, Value::Int(_))) {
        let ints = keys.iter().map(|key| key.as_int().unwrap_or(0));
        let order = |left: Keyed<i64>, right: Keyed<i64>| turn(left.0.cmp(&right.0));
        let checked = |left, right| Ok(order(left, right));
        return order_of(heap, ints, RUN_OF_NUMBERS, order, checked).map(Some);
    }
    if keys.iter().all(|key| matches!(key, Value::Float(_))) {
        let floats = keys.iter().map(float_of);
        let order = |left: Keyed<f64>, right: Keyed<f64>| turn(float_order(left.0, right.0));
        let checked = |left, right| Ok(order(left, right));
        return order_of(heap, floats, RUN_OF_NUMBERS, order, checked).map(Some);
    }
    if keys.iter().all(|key| matches!(key, Value::String(_))) {
        let run = run_of(heap, keys.iter())?;
        // What all begin with tells nothing.
        let mut common = keys.first().map_or(0, |first| bytes_of(first).len());
        for key in keys {
            common = common_beginning(heap, &bytes_of(&keys[0])[..common], bytes_of(key))?;
        }
        // Long texts count as work there.
        let order = |left: Keyed<u64>, right: Keyed<u64>| {
            let whole = || sort_order(&keys[left.1 as usize], &keys[right.1 as usize]);
            turn(left.0.cmp(&right.0).then_with(whole))
        };
        let checked = |left: Keyed<u64>, right: Keyed<u64>| {
            Ok(turn(match left.0.cmp(&right.0) {
                Ordering::Equal => try_sort_order(&keys[left.1 as usize], &keys[right.1 as usize])?,
                order => order,
            }))
        };
        let beginnings = keys.iter().map(|key| beginning(&bytes_of(key)[common..]));
        return order_of(heap, beginnings, run, order, checked).map(Some);
    }
    Ok(None)
}

/// How many bytes two texts have in common at their beginning.
fn common_beginning(heap: &Heap, left: &[u8], right: &[u8]) -> Result<usize, Raise> {
    let mut common = 0;
    for (left, right) in left.chunks(PIECE).zip(right.chunks(PIECE)) {
        heap.checkpoint(left.len() / WORK_BYTES)?;
        let most = left.len().min(right.len());
        if left[..most] == right[..most] {
            common += most;
            if left.len() == right.len() {
                continue;
            }
            break;
        }
        let differs = left.iter().zip(right).position(|(left, right)| left != right);
        return Ok(common + differs.unwrap_or(most));
    }
    Ok(common)
}

/// The first eight bytes of a text, as a number that is ordered as they are.
fn beginning(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = text.len().min(8);
    bytes[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(bytes)
}

/// A text's bytes, whose order is that of its code points.
fn bytes_of(value: &Value) -> &[u8] {
    value.as_str().unwrap_or_default().as_bytes()
}

/// Puts the items of an array in the order of these positions. What fails leaves them in another order.
fn permute(heap: &Heap, array: &Array, mut positions: Vec<u32>) -> Result<(), Raise> {
    const DONE: u32 = u32::MAX;
    let mut placed = 0;
    for start in 0..positions.len() {
        let mut at = start;
        // Along a cycle: each place gets its item, and hands on what it held.
        loop {
            let from = std::mem::replace(&mut positions[at], DONE);
            if from == DONE || from as usize == start {
                break;
            }
            array.swap(at, from as usize)?;
            placed += 1;
            if placed % PIECE_ITEMS == 0 {
                // The items are all there, whatever their order is by now.
                heap.checkpoint(PIECE_ITEMS / 8)?;
            }
            at = from as usize;
        }
    }
    Ok(())
}

fn float_of(value: &Value) -> f64 {
    match value {
        Value::Float(value) => *value,
        _ => 0.0,
    }
}

/// Sorts an array in place by the default order.
pub(super) fn sort_default(ctx: &mut Ctx<'_>, array: &Array) -> Result<(), Raise> {
    let len = array.len();
    if len < 2 {
        return Ok(());
    }
    ctx.tick(1)?;
    let heap = ctx.heap();
    let items = array.snapshot()?;
    if items.iter().all(|item| matches!(item, Value::Int(_))) {
        let _charge = Charge::new(heap, len * size_of::<i64>())?;
        let mut values: Vec<i64> = items.iter().filter_map(Value::as_int).collect();
        drop(items);
        if values.is_sorted() {
            return Ok(());
        }
        sort_numbers(heap, &mut values, i64::cmp)?;
        return write_back(array, values.into_iter().map(Value::Int));
    }
    if items.iter().all(|item| matches!(item, Value::Float(_))) {
        let _charge = Charge::new(heap, len * size_of::<f64>())?;
        let mut values: Vec<f64> = items.iter().map(float_of).collect();
        drop(items);
        sort_numbers(heap, &mut values, |left, right| float_order(*left, *right))?;
        return write_back(array, values.into_iter().map(Value::Float));
    }
    if items.iter().all(|item| matches!(item, Value::String(_))) {
        if is_sorted(heap, items.as_slice())? {
            return Ok(());
        }
        if let Some(order) = prepared_order(heap, items.as_slice(), false)? {
            drop(items);
            return permute(heap, array, order.positions);
        }
    }
    drop(items);
    let (mut values, _charge) = copied(heap, array)?;
    // What a stable sort takes beside.
    let _merging = Charge::new(heap, len * size_of::<Value>() / 2)?;
    let run = run_of(heap, values.iter())?;
    sort_in_pieces(heap, &mut values, run, sort_order, try_sort_order)?;
    write_back(array, values.into_iter())
}

fn is_sorted(heap: &Heap, items: &[Value]) -> Result<bool, Raise> {
    for (index, pair) in items.windows(2).enumerate() {
        if index % PIECE_ITEMS == PIECE_ITEMS - 1 {
            heap.checkpoint(PIECE_ITEMS / 8)?;
        }
        if try_sort_order(&pair[0], &pair[1])? == Ordering::Greater {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sorts what is compared as fast as numbers are; charges what that takes beside.
pub(crate) fn sort_numbers<T: Copy>(
    heap: &Heap,
    items: &mut [T],
    order: impl Fn(&T, &T) -> Ordering,
) -> Result<(), Raise> {
    let checked = |left: &T, right: &T| Ok(order(left, right));
    sort_copies(heap, items, RUN_OF_NUMBERS, &order, &checked)
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
    use super::{SLOTS, begin, permute, prepared_order, sorted, step};
    use aether_value::{Heap, HeapConfig, Value, sort_order};

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
    fn what_is_in_order_takes_one_comparison_less_than_there_are_items() {
        for len in [0, 1, 2, 3, 10, 1000_i64] {
            let ascending: Vec<i64> = (0..len).map(|value| value * 10).collect();
            let descending: Vec<i64> = ascending.iter().rev().copied().collect();
            for values in [&ascending, &descending] {
                let (found, comparisons) = merge(values, false);
                assert_eq!(found, ascending);
                assert_eq!(comparisons as i64, (len - 1).max(0));
            }
            // Two such runs are merged at once.
            let halves: Vec<i64> = ascending.iter().chain(&descending).copied().collect();
            let (_, comparisons) = merge(&halves, false);
            assert!(
                comparisons as i64 <= 4 * len,
                "{comparisons} comparisons of twice {len}"
            );
        }
    }

    #[test]
    fn prepared_keys_are_sorted_as_values_are() {
        let heap = Heap::new(HeapConfig::default());
        let mut random = fastrand::Rng::with_seed(3);
        for round in 0..300 {
            let text = |random: &mut fastrand::Rng| {
                let prefix = ["", "key", "a long common beginning "][round % 3];
                let letters = ["a", "b", "\u{0}", "é", "zz"];
                let len = random.usize(0..12);
                let rest: String = (0..len).map(|_| letters[random.usize(0..5)]).collect();
                Value::String(heap.string(&format!("{prefix}{rest}")).unwrap())
            };
            let keys: Vec<Value> = (0..random.usize(0..60))
                .map(|_| match round / 3 % 3 {
                    0 => Value::Int(random.i64(-5..5)),
                    1 => Value::Float([f64::NAN, -0.0, 0.0, 1.5, -2.5][random.usize(0..5)]),
                    _ => text(&mut random),
                })
                .collect();
            for reverse in [false, true] {
                let found = prepared_order(&heap, &keys, reverse)
                    .unwrap()
                    .expect("of one kind");
                let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
                expected.sort_by(|&left, &right| {
                    let order = sort_order(&keys[left as usize], &keys[right as usize]);
                    if reverse { order.reverse() } else { order }
                });
                assert_eq!(found.positions, expected);
            }
            let array = heap.array_from_slice(&keys).unwrap();
            let order = prepared_order(&heap, &keys, false).unwrap().expect("of one kind");
            permute(&heap, &array, order.positions.clone()).unwrap();
            for (at, position) in order.positions.iter().enumerate() {
                assert!(array.get_value(at).unwrap().same(&keys[*position as usize]));
            }
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
