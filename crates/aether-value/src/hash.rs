//! Hashing of keys under the heap's secret.
//!
//! Invariants
//! - Keys that are one key have one hash: -0.0 and 0.0, all NaNs, equal texts, equal enum values.
//! - The type takes part: 1, 1.0, "1" and true differ.
//! - Nested enum values are hashed without recursion, each once: the hash is cached in its header.

use crate::{EnumValue, Heap, Native, Raw, Rc, Value, tag};

/// Spreads a 32-bit hash over 64 bits for hashbrown, which reads both ends; odd, so the low half stays a permutation.
pub(crate) const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The cached mark of an enum value that no key may be.
const NOT_HASHABLE: u32 = 1;

/// Sets the hash of a native object apart from that of its key.
const NATIVE: u32 = 0x5BD1_E995;

/// Folds a hash to 32 bits, never 0 or 1, which have meanings.
#[inline]
pub(crate) fn fold(hash: u64) -> u32 {
    let hash = (hash ^ hash >> 32) as u32;
    if hash <= NOT_HASHABLE { hash + 2 } else { hash }
}

/// One folded multiplication.
#[inline]
fn folded(value: u64, key: u64) -> u64 {
    let product = u128::from(value ^ key).wrapping_mul(0xA076_1D64_78BD_642F);
    (product as u64) ^ (product >> 64) as u64
}

#[inline]
fn mix(value: u64, key: u64) -> u32 {
    fold(folded(value, key))
}

/// The hash of a key; `None` if no such value can be one.
#[inline]
pub(crate) fn hash_key(heap: &Heap, key: &Value) -> Option<u32> {
    match key {
        Value::String(text) => Some(text.hash()),
        Value::EnumValue(value) => enum_hash(heap, value),
        Value::Native(native) => {
            scalar_hash(heap, native.get().key()?).map(|hash| fold(u64::from(hash ^ NATIVE)))
        }
        _ => scalar_hash(heap, key),
    }
}

/// The hash of an int key.
#[inline]
pub(crate) fn int_hash(secret: u64, value: i64) -> u32 {
    let hash = folded(value.cast_unsigned(), secret);
    (hash ^ hash >> 32) as u32
}

#[inline]
fn scalar_hash(heap: &Heap, key: &Value) -> Option<u32> {
    let secret = heap.inner().key_secret();
    Some(match key {
        Value::Int(value) => int_hash(secret, *value),
        Value::Float(value) => mix(float_key(*value), secret.rotate_left(17)),
        Value::Bool(value) => mix(u64::from(*value), secret.rotate_left(29)),
        Value::Null => mix(2, secret.rotate_left(29)),
        Value::String(text) => text.hash(),
        _ => return None,
    })
}

/// The bits under which a float is a key.
#[inline]
pub(crate) fn float_key(value: f64) -> u64 {
    if value == 0.0 {
        0
    } else if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

fn cached(value: &EnumValue) -> u32 {
    value.hash_cell().get()
}

/// The hash of an enum value, from the innermost out.
fn enum_hash(heap: &Heap, value: &EnumValue) -> Option<u32> {
    let mut pending: Vec<&EnumValue> = vec![value];
    while let Some(&value) = pending.last() {
        if cached(value) == 0 {
            let before = pending.len();
            for item in value.payload() {
                if let Value::EnumValue(inner) = item {
                    let inner: &EnumValue = inner;
                    if cached(inner) == 0 {
                        pending.push(inner);
                    }
                }
            }
            if pending.len() > before {
                continue;
            }
            value.hash_cell().set(shallow_hash(heap, value));
        }
        pending.pop();
    }
    Some(cached(value)).filter(|&hash| hash != NOT_HASHABLE)
}

/// The hash of a value whose nested enum values have theirs.
fn shallow_hash(heap: &Heap, value: &EnumValue) -> u32 {
    let definition = Rc::as_ptr(value.definition()) as u64;
    let mut state = definition ^ u64::from(value.variant()) << 48;
    for item in value.payload() {
        let hash = match item {
            Value::EnumValue(inner) => Some(cached(inner)).filter(|&hash| hash != NOT_HASHABLE),
            _ => scalar_hash(heap, item),
        };
        let Some(hash) = hash else {
            return NOT_HASHABLE;
        };
        state = state.wrapping_mul(SPREAD).rotate_left(23) ^ u64::from(hash);
    }
    mix(state, heap.inner().key_secret().rotate_left(41))
}

/// Whether two keys are one key.
#[inline]
pub(crate) fn same_key(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.equals(right),
        (Value::Float(left), Value::Float(right)) => float_key(*left) == float_key(*right),
        (Value::EnumValue(_), Value::EnumValue(_)) => crate::ops::same_enum_key(left, right),
        (Value::Native(left), Value::Native(right)) => same_native_key(left.get(), right.get()),
        _ => Raw::of_value(left).same(Raw::of_value(right)) && left.tag() < tag::COUNTED,
    }
}

/// Whether two native objects are one key.
fn same_native_key(left: &dyn Native, right: &dyn Native) -> bool {
    let (Some(key), Some(other)) = (left.key(), right.key()) else {
        return false;
    };
    // A key that were native itself could lead in a circle.
    !matches!(key, Value::Native(_))
        && left.as_any().type_id() == right.as_any().type_id()
        && same_key(key, other)
}
