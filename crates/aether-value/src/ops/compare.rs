//! Order of values: for `<` and for the default `sort()`.
#![expect(unsafe_code, reason = "compares items where they are")]

use std::cmp::Ordering;

use super::equality::VisitedPairs;
use crate::heap::{Checked, Pace, ToTheEnd};
use crate::{Array, BuiltinKind, Heap, Raise, Rc, Value, tag};

/// Items of arrays whose comparison counts as work each time.
const LONG: usize = 64;

/// The order that `<` and its kin see: numbers in any mix, exactly, and strings by code point. `None` for NaN and for
/// everything else; the caller tells these apart by type.
pub fn compare_order(left: &Value, right: &Value) -> Option<Ordering> {
    let Ok(order) = compare_order_at::<ToTheEnd>(left, right);
    order
}

/// [`compare_order`], with checkpoints.
///
/// # Errors
/// The overseer's.
pub fn try_compare_order(left: &Value, right: &Value) -> Result<Option<Ordering>, Raise> {
    compare_order_at::<Checked>(left, right)
}

#[inline]
fn compare_order_at<P: Pace>(left: &Value, right: &Value) -> Result<Option<Ordering>, P::End> {
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Float(right)) => int_float(*left, *right),
        (Value::Float(left), Value::Int(right)) => int_float(*right, *left).map(Ordering::reverse),
        (Value::String(left), Value::String(right)) => Some(left.order_at::<P>(right)?),
        _ => None,
    })
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
    let Ok(order) = sort_order_at::<ToTheEnd>(left, right);
    order
}

/// [`sort_order`], with checkpoints.
///
/// # Errors
/// The overseer's.
pub fn try_sort_order(left: &Value, right: &Value) -> Result<Ordering, Raise> {
    sort_order_at::<Checked>(left, right)
}

#[inline]
fn sort_order_at<P: Pace>(left: &Value, right: &Value) -> Result<Ordering, P::End> {
    if let Some(order) = compare_order_at::<P>(left, right)? {
        return Ok(order);
    }
    let numbers = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    if numbers(left) && numbers(right) {
        let nan = |value: &Value| matches!(value, Value::Float(float) if float.is_nan());
        return Ok(nan(left).cmp(&nan(right)));
    }
    Ok(group(left).cmp(&group(right)))
}

/// [`sort_order`], but arrays item by item, then by length, at any depth. Total too: a pair of arrays that was met
/// before is taken as equal, so cycles end and shared parts are compared once.
pub fn nested_order(left: &Value, right: &Value) -> Ordering {
    let Ok(order) = nested_order_at::<ToTheEnd>(left, right);
    order
}

/// [`nested_order`], with checkpoints.
///
/// # Errors
/// The overseer's.
pub fn try_nested_order(left: &Value, right: &Value) -> Result<Ordering, Raise> {
    nested_order_at::<Checked>(left, right)
}

#[inline]
fn nested_order_at<P: Pace>(left: &Value, right: &Value) -> Result<Ordering, P::End> {
    let (Value::Array(one), Value::Array(other)) = (left, right) else {
        return sort_order_at::<P>(left, right);
    };
    if let Some(order) = flat_order::<P>(one, other)? {
        return Ok(order);
    }
    nested_array_order::<P>(left, right)
}

/// The order of two arrays that are told apart before arrays in them meet; `None` if they are not.
#[inline]
fn flat_order<P: Pace>(left: &Array, right: &Array) -> Result<Option<Ordering>, P::End> {
    // SAFETY: nothing is written while two arrays are compared.
    let (one, other) = unsafe { (left.as_slice(), right.as_slice()) };
    for (at, (left_item, right_item)) in one.iter().zip(other).enumerate() {
        if at % LONG == LONG - 1 {
            P::pass(&Heap::of(left), LONG)?;
        }
        let order = match (left_item, right_item) {
            (Value::Int(left), Value::Int(right)) => left.cmp(right),
            (Value::Array(_), Value::Array(_)) => return Ok(None),
            _ => sort_order_at::<P>(left_item, right_item)?,
        };
        if order != Ordering::Equal {
            return Ok(Some(order));
        }
    }
    Ok(Some(one.len().cmp(&other.len())))
}

fn nested_array_order<P: Pace>(left: &Value, right: &Value) -> Result<Ordering, P::End> {
    let mut visited = VisitedPairs::default();
    let mut open: Vec<(Rc<Array>, Rc<Array>, usize)> = Vec::new();
    let mut next = Some((left.clone(), right.clone()));
    loop {
        if let Some((left, right)) = next.take() {
            if let (Value::Array(one), Value::Array(other)) = (&left, &right) {
                if !Rc::ptr_eq(one, other) && !visited.again(Rc::as_ptr(one), Rc::as_ptr(other)) {
                    P::pass(&Heap::of(&**one), 1)?;
                    open.push((one.clone(), other.clone(), 0));
                }
            } else {
                let order = sort_order_at::<P>(&left, &right)?;
                if order != Ordering::Equal {
                    return Ok(order);
                }
            }
        }
        let Some((left, right, at)) = open.last_mut() else {
            return Ok(Ordering::Equal);
        };
        match (left.get_value(*at), right.get_value(*at)) {
            (Some(left_item), Some(right_item)) => {
                *at += 1;
                if *at % LONG == 0 {
                    P::pass(&Heap::of(&**left), LONG)?;
                }
                next = Some((left_item, right_item));
            }
            (one, other) => {
                let order = one.is_some().cmp(&other.is_some());
                if order != Ordering::Equal {
                    return Ok(order);
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
