//! `==` and `.equals`.
//!
//! Both walk pairs from an explicit stack. A pair of containers that was met before is taken as equal: if it is not,
//! its first meeting finds that out. So cycles end, and shared parts are compared once.
#![expect(unsafe_code, reason = "reads items as values")]

use std::cmp::Ordering;

use hashbrown::HashSet;

use crate::hash::same_key;
use crate::{Heap, Instance, Rc, Value};

use super::compare::int_float;

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
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => {
            int_float(*int, *float) == Some(Ordering::Equal)
        }
        (Value::String(left), Value::String(right)) => left.equals(right),
        (Value::EnumValue(_), Value::EnumValue(_)) => equal_enums(left, right, equal_flat),
        _ => equal_flat(left, right),
    }
}

/// `==` for everything but two enum values.
fn equal_flat(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::EnumValue(_), _) | (_, Value::EnumValue(_)) => false,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_))
        | (Value::String(_), Value::String(_)) => equal(left, right),
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
    }
}

/// Compares enum values with payloads of any depth; `flat` decides on everything that is not two enum values.
fn equal_enums(left: &Value, right: &Value, flat: fn(&Value, &Value) -> bool) -> bool {
    let mut visited = VisitedPairs::default();
    let mut pending = vec![(left, right)];
    while let Some((left, right)) = pending.pop() {
        let (Value::EnumValue(left), Value::EnumValue(right)) = (left, right) else {
            if flat(left, right) {
                continue;
            }
            return false;
        };
        if Rc::ptr_eq(left, right) && left.is_empty() || visited.again(Rc::as_ptr(left), Rc::as_ptr(right)) {
            continue;
        }
        if !left.same_variant(right) || left.len() != right.len() {
            return false;
        }
        Heap::of(&**left).count_work(1);
        pending.extend(left.payload().iter().zip(right.payload()).rev());
    }
    true
}

/// Whether two enum values are one key: as `==`, but payloads differ by type, and NaN is itself.
pub(crate) fn same_enum_key(left: &Value, right: &Value) -> bool {
    equal_enums(left, right, |left, right| {
        !matches!((left, right), (Value::EnumValue(_), _) | (_, Value::EnumValue(_))) && same_key(left, right)
    })
}

/// `.equals`: arrays, dicts and sets by content at any depth, everything nested in them otherwise by `==`. An instance
/// given as `left` is compared with one of the same struct field by field, one level deep.
pub fn deep_equals(left: &Value, right: &Value) -> bool {
    if let (Value::Instance(left), Value::Instance(right)) = (left, right) {
        return equal_instances(left, right);
    }
    let mut visited = VisitedPairs::default();
    // Owned, so that nothing depends on who holds the collections.
    let mut pending = vec![(left.clone(), right.clone())];
    while let Some((left, right)) = pending.pop() {
        let same = match (&left, &right) {
            (Value::Array(left), Value::Array(right)) => {
                if !Rc::ptr_eq(left, right) && !visited.again(Rc::as_ptr(left), Rc::as_ptr(right)) {
                    if left.len() != right.len() {
                        return false;
                    }
                    Heap::of(&**left).count_work(left.len());
                    // SAFETY: nothing is written while two arrays are compared.
                    let (left, right) = unsafe { (left.as_slice(), right.as_slice()) };
                    for (left, right) in left.iter().zip(right) {
                        if nests(left) && nests(right) {
                            pending.push((left.clone(), right.clone()));
                        } else if !equal(left, right) {
                            return false;
                        }
                    }
                }
                true
            }
            (Value::Dict(left), Value::Dict(right)) => {
                if !Rc::ptr_eq(left, right) && !visited.again(Rc::as_ptr(left), Rc::as_ptr(right)) {
                    if left.len() != right.len() {
                        return false;
                    }
                    Heap::of(&**left).count_work(left.len());
                    for (key, value) in left.iter() {
                        let Some(other) = right.get(key) else {
                            return false;
                        };
                        // SAFETY: entries hold values.
                        let other = unsafe { other.as_value() };
                        if nests(value) && nests(other) {
                            pending.push((value.clone(), other.clone()));
                        } else if !equal(value, other) {
                            return false;
                        }
                    }
                }
                true
            }
            (Value::Set(left), Value::Set(right)) => {
                Heap::of(&**left).count_work(left.len());
                Rc::ptr_eq(left, right)
                    || left.len() == right.len() && left.iter().all(|element| right.contains(element))
            }
            (left, right) => equal(left, right),
        };
        if !same {
            return false;
        }
    }
    true
}

/// Whether `.equals` looks into a value later; what it does not is decided at once, so that a long flat array takes no
/// memory to compare. Comparing native objects runs code of the host, before which the collection has to be left.
fn nests(value: &Value) -> bool {
    matches!(
        value,
        Value::Array(_) | Value::Dict(_) | Value::Set(_) | Value::Native(_)
    )
}

fn equal_instances(left: &Rc<Instance>, right: &Rc<Instance>) -> bool {
    if Rc::ptr_eq(left, right) {
        return true;
    }
    if left.shape_id() != right.shape_id() {
        return false;
    }
    // Code of the host, which compares native objects, runs when the instances have been left.
    let mut natives = Vec::new();
    let mut same = |left: &Value, right: &Value| match (left, right) {
        (Value::Native(_), Value::Native(_)) => {
            natives.push((left.clone(), right.clone()));
            true
        }
        _ => equal(left, right),
    };
    // SAFETY: slots hold values.
    let slots = left
        .slots()
        .iter()
        .zip(right.slots())
        .all(|(left, right)| unsafe { same(left.as_value(), right.as_value()) });
    let (mine, theirs) = (left.extra_fields(), right.extra_fields());
    slots
        && mine.len() == theirs.len()
        && mine.iter().all(|(name, value)| {
            let other = theirs.iter().find(|(known, _)| known.as_str() == name.as_str());
            other.is_some_and(|(_, other)| same(value, other))
        })
        && natives.iter().all(|(left, right)| equal(left, right))
}
