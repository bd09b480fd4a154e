//! Order of values: for `<` and for the default `sort()`.
#![expect(unsafe_code, reason = "compares items where they are")]

use std::cmp::Ordering;

use super::equality::VisitedPairs;
use crate::{Array, BuiltinKind, Heap, Rc, Value, tag};

/// Items from which a comparison of arrays counts as work.
const LONG: usize = 64;

/// The order that `<` and its kin see: numbers in any mix, exactly, and strings by code point. `None` for NaN and for
/// everything else; the caller tells these apart by type.
pub fn compare_order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Float(right)) => int_float(*left, *right),
        (Value::Float(left), Value::Int(right)) => int_float(*right, *left).map(Ordering::reverse),
        (Value::String(left), Value::String(right)) => Some(left.order(right)),
        _ => None,
    }
}

/// Compares without rounding the integer.
pub(super) fn int_float(int: i64, float: f64) -> Option<Ordering> {
    /// 2^63, the first float above every integer.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= ABOVE {
        return Some(Ordering::Less);
    }
    if float < -ABOVE {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let order = int.cmp(&(whole as i64));
    Some(order.then_with(|| 0.0.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal)))
}

/// The order of the default `sort()`: numbers numerically (NaN last), strings by code point, other values grouped by
/// type name and equal within. Total, so a sort can rely on it.
pub fn sort_order(left: &Value, right: &Value) -> Ordering {
    if let Some(order) = compare_order(left, right) {
        return order;
    }
    let numbers = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    if numbers(left) && numbers(right) {
        let nan = |value: &Value| matches!(value, Value::Float(float) if float.is_nan());
        return nan(left).cmp(&nan(right));
    }
    group(left).cmp(&group(right))
}

/// [`sort_order`], but arrays item by item, then by length, at any depth. Total too: a pair of arrays that was met
/// before is taken as equal, so cycles end and shared parts are compared once.
pub fn nested_order(left: &Value, right: &Value) -> Ordering {
    let (Value::Array(one), Value::Array(other)) = (left, right) else {
        return sort_order(left, right);
    };
    if let Some(order) = flat_order(one, other) {
        return order;
    }
    nested_array_order(left, right)
}

/// The order of two arrays that are told apart before arrays in them meet; `None` if they are not.
#[inline]
fn flat_order(left: &Array, right: &Array) -> Option<Ordering> {
    // SAFETY: nothing is written while two arrays are compared.
    let (one, other) = unsafe { (left.as_slice(), right.as_slice()) };
    let told = |items: usize, order: Ordering| {
        if items > LONG {
            Heap::of(left).count_work(items);
        }
        Some(order)
    };
    for (at, (left, right)) in one.iter().zip(other).enumerate() {
        let order = match (left, right) {
            (Value::Int(left), Value::Int(right)) => left.cmp(right),
            (Value::Array(_), Value::Array(_)) => return None,
            _ => sort_order(left, right),
        };
        if order != Ordering::Equal {
            return told(at, order);
        }
    }
    told(one.len().min(other.len()), one.len().cmp(&other.len()))
}

fn nested_array_order(left: &Value, right: &Value) -> Ordering {
    let mut visited = VisitedPairs::default();
    let mut open: Vec<(Rc<Array>, Rc<Array>, usize)> = Vec::new();
    let mut next = Some((left.clone(), right.clone()));
    loop {
        if let Some((left, right)) = next.take() {
            if let (Value::Array(one), Value::Array(other)) = (&left, &right) {
                if !Rc::ptr_eq(one, other) && !visited.again(Rc::as_ptr(one), Rc::as_ptr(other)) {
                    Heap::of(&**one).count_work(one.len().min(other.len()));
                    open.push((one.clone(), other.clone(), 0));
                }
            } else {
                let order = sort_order(&left, &right);
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
        let Some((left, right, at)) = open.last_mut() else {
            return Ordering::Equal;
        };
        match (left.get_value(*at), right.get_value(*at)) {
            (Some(left), Some(right)) => {
                next = Some((left.clone(), right.clone()));
                *at += 1;
            }
            (one, other) => {
                let order = one.is_some().cmp(&other.is_some());
                if order != Ordering::Equal {
                    return order;
                }
                open.pop();
            }
        }
    }
}

/// The name that a value sorts under.
fn group(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::Int(_) | Value::Float(_) => "int".into(),
        Value::Function(_) | Value::AsyncFunction(_) | Value::BoundMethod(_) => {
            tag::name(tag::FUNCTION).into()
        }
        Value::Builtin(builtin) if builtin.kind == BuiltinKind::Library => tag::name(tag::FUNCTION).into(),
        _ => value.type_name(),
    }
}
