//! `==` and `.equals`.
//!
//! Both walk pairs from an explicit stack. A pair of containers that was met before is taken as equal: if it is not,
//! its first meeting finds that out. So cycles end, and shared parts are compared once.
#![expect(unsafe_code, reason = "reads items as values")]

use std::cmp::Ordering;

use hashbrown::HashSet;

use crate::hash::same_key;
use crate::heap::{Checked, Pace, ToTheEnd};
use crate::{Array, Dict, Heap, Instance, Raise, Rc, Set, Value};

use super::compare::int_float;

/// Items of a collection that are compared between two checkpoints.
const PIECE_ITEMS: usize = 1 << 10;

/// The pairs of containers met in one comparison, by address. The first few comparisons do without.
#[derive(Default)]
pub(super) struct VisitedPairs {
    steps: usize,
    pairs: HashSet<(usize, usize), ahash::RandomState>,
}

impl VisitedPairs {
    /// Comparisons before pairs are remembered: most data is small and neither cyclic nor shared.
    const FREE: usize = 64;

    /// Whether this pair was met; remembers it.
    pub(super) fn again<T>(&mut self, left: *const T, right: *const T) -> bool {
        self.steps += 1;
        self.steps > Self::FREE && !self.pairs.insert((left as usize, right as usize))
    }
}

/// `left == right`: numbers by value, strings by text, enum values by variant and payload, all else by identity.
#[inline]
pub fn equal(left: &Value, right: &Value) -> bool {
    let Ok(equal) = equal_at::<ToTheEnd>(left, right);
    equal
}

/// [`equal`], with checkpoints.
///
/// # Errors
/// The overseer's.
#[inline]
pub fn try_equal(left: &Value, right: &Value) -> Result<bool, Raise> {
    equal_at::<Checked>(left, right)
}

#[inline]
fn equal_at<P: Pace>(left: &Value, right: &Value) -> Result<bool, P::End> {
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => {
            int_float(*int, *float) == Some(Ordering::Equal)
        }
        (Value::String(left), Value::String(right)) => left.equals_at::<P>(right)?,
        (Value::EnumValue(_), Value::EnumValue(_)) => equal_enums::<P>(left, right, equal_flat::<P>)?,
        _ => equal_flat::<P>(left, right)?,
    })
}

/// `==` for everything but two enum values.
fn equal_flat<P: Pace>(left: &Value, right: &Value) -> Result<bool, P::End> {
    Ok(match (left, right) {
        (Value::EnumValue(_), _) | (_, Value::EnumValue(_)) => false,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_))
        | (Value::String(_), Value::String(_)) => return equal_at::<P>(left, right),
        (Value::Int(_) | Value::Float(_) | Value::String(_), _)
        | (_, Value::Int(_) | Value::Float(_) | Value::String(_)) => false,
        (Value::BoundMethod(left), Value::BoundMethod(right)) => {
            Rc::ptr_eq(left, right)
                || Rc::ptr_eq(left.closure(), right.closure()) && left.receiver().same(right.receiver())
        }
        (Value::EnumConstructor(left), Value::EnumConstructor(right)) => {
            Rc::ptr_eq(left.definition(), right.definition()) && left.variant() == right.variant()
        }
        (Value::Module(left), Value::Module(right)) => left.id() == right.id(),
        (Value::Native(left), Value::Native(right)) => {
            Rc::ptr_eq(left, right) || left.get().equals(right.get())
        }
        _ => left.same(right),
    })
}

/// Compares enum values with payloads of any depth; `flat` decides on everything that is not two enum values.
fn equal_enums<P: Pace>(
    left: &Value,
    right: &Value,
    flat: fn(&Value, &Value) -> Result<bool, P::End>,
) -> Result<bool, P::End> {
    let mut visited = VisitedPairs::default();
    let mut pending = vec![(left, right)];
    while let Some((left, right)) = pending.pop() {
        let (Value::EnumValue(left), Value::EnumValue(right)) = (left, right) else {
            if flat(left, right)? {
                continue;
            }
            return Ok(false);
        };
        if Rc::ptr_eq(left, right) && left.is_empty() || visited.again(Rc::as_ptr(left), Rc::as_ptr(right)) {
            continue;
        }
        if !left.same_variant(right) || left.len() != right.len() {
            return Ok(false);
        }
        P::pass(&Heap::of(&**left), 1)?;
        pending.extend(left.payload().iter().zip(right.payload()).rev());
    }
    Ok(true)
}

/// Whether two enum values are one key: as `==`, but payloads differ by type, and NaN is itself.
pub(crate) fn same_enum_key(left: &Value, right: &Value) -> bool {
    let Ok(same) = equal_enums::<ToTheEnd>(left, right, |left, right| {
        Ok(
            !matches!((left, right), (Value::EnumValue(_), _) | (_, Value::EnumValue(_)))
                && same_key(left, right),
        )
    });
    same
}

/// `.equals`: arrays, dicts and sets by content at any depth, everything nested in them otherwise by `==`. An instance
/// given as `left` is compared with one of the same struct field by field, one level deep.
pub fn deep_equals(left: &Value, right: &Value) -> bool {
    let Ok(equal) = deep_equals_at::<ToTheEnd>(left, right);
    equal
}

/// [`deep_equals`], with checkpoints.
///
/// # Errors
/// The overseer's.
pub fn try_deep_equals(left: &Value, right: &Value) -> Result<bool, Raise> {
    deep_equals_at::<Checked>(left, right)
}

fn deep_equals_at<P: Pace>(left: &Value, right: &Value) -> Result<bool, P::End> {
    if let (Value::Instance(left), Value::Instance(right)) = (left, right) {
        return equal_instances::<P>(left, right);
    }
    let mut visited = VisitedPairs::default();
    // Owned, so that nothing depends on who holds the collections.
    let mut pending = vec![(left.clone(), right.clone())];
    while let Some((left, right)) = pending.pop() {
        let same = match (&left, &right) {
            (Value::Array(left), Value::Array(right)) => {
                Rc::ptr_eq(left, right)
                    || visited.again(Rc::as_ptr(left), Rc::as_ptr(right))
                    || equal_arrays::<P>(left, right, &mut pending)?
            }
            (Value::Dict(left), Value::Dict(right)) => {
                Rc::ptr_eq(left, right)
                    || visited.again(Rc::as_ptr(left), Rc::as_ptr(right))
                    || equal_dicts::<P>(left, right, &mut pending)?
            }
            (Value::Set(left), Value::Set(right)) => Rc::ptr_eq(left, right) || equal_sets::<P>(left, right)?,
            (left, right) => equal_at::<P>(left, right)?,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Pairs that are still to be compared.
type Pending = Vec<(Value, Value)>;

/// Counts the work of the items from `at` on, for a piece of them at a time.
#[inline]
fn pass_at<P: Pace>(heap: &Heap, at: usize, count: usize) -> Result<(), P::End> {
    if at.is_multiple_of(PIECE_ITEMS) {
        P::pass(heap, (count - at).min(PIECE_ITEMS))?;
    }
    Ok(())
}

fn equal_arrays<P: Pace>(left: &Array, right: &Array, pending: &mut Pending) -> Result<bool, P::End> {
    let count = left.len();
    if count != right.len() {
        return Ok(false);
    }
    let heap = Heap::of(left);
    // SAFETY: nothing is written while two arrays are compared.
    let (left, right) = unsafe { (left.as_slice(), right.as_slice()) };
    for (at, (left, right)) in left.iter().zip(right).enumerate() {
        pass_at::<P>(&heap, at, count)?;
        if nests(left) && nests(right) {
            pending.push((left.clone(), right.clone()));
        } else if !equal_at::<P>(left, right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_dicts<P: Pace>(left: &Dict, right: &Dict, pending: &mut Pending) -> Result<bool, P::End> {
    let count = left.len();
    if count != right.len() {
        return Ok(false);
    }
    let heap = Heap::of(left);
    for (at, (key, value)) in left.iter().enumerate() {
        pass_at::<P>(&heap, at, count)?;
        let Some(other) = right.get(key) else {
            return Ok(false);
        };
        // SAFETY: entries hold values.
        let other = unsafe { other.as_value() };
        if nests(value) && nests(other) {
            pending.push((value.clone(), other.clone()));
        } else if !equal_at::<P>(value, other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_sets<P: Pace>(left: &Set, right: &Set) -> Result<bool, P::End> {
    let count = left.len();
    if count != right.len() {
        return Ok(false);
    }
    let heap = Heap::of(left);
    for (at, element) in left.iter().enumerate() {
        pass_at::<P>(&heap, at, count)?;
        if !right.contains(element) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether `.equals` looks into a value later; what it does not is decided at once, so that a long flat array takes no
/// memory to compare. Comparing native objects runs code of the host, before which the collection has to be left.
fn nests(value: &Value) -> bool {
    matches!(
        value,
        Value::Array(_) | Value::Dict(_) | Value::Set(_) | Value::Native(_)
    )
}

fn equal_instances<P: Pace>(left: &Rc<Instance>, right: &Rc<Instance>) -> Result<bool, P::End> {
    if Rc::ptr_eq(left, right) {
        return Ok(true);
    }
    if left.shape_id() != right.shape_id() {
        return Ok(false);
    }
    // Code of the host, which compares native objects, runs when the instances have been left.
    let mut natives = Vec::new();
    let mut same = |left: &Value, right: &Value| match (left, right) {
        (Value::Native(_), Value::Native(_)) => {
            natives.push((left.clone(), right.clone()));
            Ok(true)
        }
        _ => equal_at::<P>(left, right),
    };
    for (left, right) in left.slots().iter().zip(right.slots()) {
        // SAFETY: slots hold values.
        if !unsafe { same(left.as_value(), right.as_value()) }? {
            return Ok(false);
        }
    }
    let (mine, theirs) = (left.extra_fields(), right.extra_fields());
    if mine.len() != theirs.len() {
        return Ok(false);
    }
    for (name, value) in mine {
        let other = theirs.iter().find(|(known, _)| known.as_str() == name.as_str());
        let Some((_, other)) = other else {
            return Ok(false);
        };
        if !same(&value, other)? {
            return Ok(false);
        }
    }
    for (left, right) in &natives {
        if !equal_at::<P>(left, right)? {
            return Ok(false);
        }
    }
    Ok(true)
}
