//! The embedded module `math`.
//!
//! Source: library reference chapter 10, **math**.

use aether_value::{Array, Heap, Raise, Str, Value, try_compare_order};
use std::cmp::Ordering;

use super::conversion::truncate;
use super::support::{array, float, int, wrong_type};
use super::{BuiltinDef, frames};
use crate::context::Ctx;
use crate::vm::{number_operator, power_of};

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::library("abs", &["n"], abs),
    BuiltinDef::library("min", &["a", "b"], |ctx, args| extreme(ctx, args, Ordering::Less)),
    BuiltinDef::library("max", &["a", "b"], |ctx, args| {
        extreme(ctx, args, Ordering::Greater)
    }),
    BuiltinDef::library("sum", &["array"], sum).iterables(1),
    BuiltinDef::library("clamp", &["value", "min_val", "max_val"], clamp),
    BuiltinDef::library("sign", &["n"], sign),
    BuiltinDef::library("floor", &["n"], |_, args| whole(&args[0], f64::floor)),
    BuiltinDef::library("ceil", &["n"], |_, args| whole(&args[0], f64::ceil)),
    BuiltinDef::library("round", &["n"], |_, args| whole(&args[0], |n| (n + 0.5).floor())),
    BuiltinDef::library("trunc", &["n"], |_, args| whole(&args[0], f64::trunc)),
    BuiltinDef::library("sqrt", &["n"], sqrt),
    BuiltinDef::library("pow", &["base", "exp"], |_, args| power_of(&args[0], &args[1])),
    BuiltinDef::library("log", &["n", "base"], log),
    BuiltinDef::library("exp", &["x"], |_, args| real(&args[0], f64::exp)),
    BuiltinDef::library("sin", &["x"], |_, args| real(&args[0], f64::sin)),
    BuiltinDef::library("cos", &["x"], |_, args| real(&args[0], f64::cos)),
    BuiltinDef::library("tan", &["x"], |_, args| real(&args[0], f64::tan)),
    BuiltinDef::library("hypot", &["x", "y"], hypot),
    BuiltinDef::library("degrees", &["r"], |_, args| real(&args[0], degrees)),
    BuiltinDef::library("radians", &["d"], |_, args| real(&args[0], radians)),
    BuiltinDef::library("factorial", &["n"], factorial),
    BuiltinDef::library("gcd", &["a", "b"], |_, args| gcd(int(&args[0])?, int(&args[1])?)),
    BuiltinDef::library("lcm", &["a", "b"], lcm),
];

fn abs(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match &args[0] {
        Value::Int(n) => n
            .checked_abs()
            .map(Value::Int)
            .ok_or_else(|| Raise::overflow_negate(*n)),
        Value::Float(n) => Ok(Value::Float(n.abs())),
        value => Err(wrong_type("number", value)),
    }
}

/// How `<` and `>` see two values; none for NaN.
pub(super) fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Raise> {
    match (left, right) {
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_))
        | (Value::String(_), Value::String(_)) => try_compare_order(left, right),
        _ => Err(Raise::type_error2(
            "comparable types",
            &left.type_name(),
            &right.type_name(),
        )),
    }
}

/// `min` and `max`: the value that `wanted` puts first, of two or of an iterable.
fn extreme(ctx: &mut Ctx<'_>, args: &[Value], wanted: Ordering) -> Result<Value, Raise> {
    let (a, b) = (&args[0], &args[1]);
    if !b.is_null() {
        return Ok(if order(a, b)? == Some(wanted) {
            a.clone()
        } else {
            b.clone()
        });
    }
    let Some(items) = frames::collect_iterable(ctx.heap(), a)? else {
        return Err(Raise::not_iterable(&a.type_name()));
    };
    let count = items.len();
    let items = items.snapshot()?;
    let mut items = items.iter();
    let Some(mut best) = items.next() else {
        return Ok(Value::Null);
    };
    for (index, item) in items.enumerate() {
        ctx.tick_at(index, count, 4)?;
        if order(item, best)? == Some(wanted) {
            best = item;
        }
    }
    Ok(best.clone())
}

/// The least or the greatest item of an array, null if it is empty.
pub(super) fn least(ctx: &mut Ctx<'_>, args: &[Value], wanted: Ordering) -> Result<Value, Raise> {
    extreme(ctx, &[args[0].clone(), Value::Null], wanted)
}

/// `left + right`.
pub(super) fn add(heap: &Heap, left: Value, right: &Value) -> Result<Value, Raise> {
    match (left, right) {
        (Value::String(head), Value::String(tail)) => Str::append(heap, head, tail.as_str())
            .map(Value::String)
            .map_err(|(_, raise)| raise),
        (Value::String(head), right) => {
            let tail = aether_value::display_text(heap, right)?;
            Str::append(heap, head, tail.as_str())
                .map(Value::String)
                .map_err(|(_, raise)| raise)
        }
        (left, Value::String(tail)) => {
            let head = aether_value::display_text(heap, &left)?;
            Ok(Value::String(heap.concat_strings(&head, tail)?))
        }
        (left, right) => number_operator('+', &left, right),
    }
}

pub(super) fn sum(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items: &Array = array(&args[0])?;
    let mut total = Value::Int(0);
    for (index, item) in items.snapshot()?.iter().enumerate() {
        ctx.tick_at(index, items.len(), 4)?;
        total = match (&total, item) {
            (Value::Float(total), Value::Float(item)) => Value::Float(total + item),
            _ => add(ctx.heap(), total, item)?,
        };
    }
    Ok(total)
}

fn clamp(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (value, low, high) = (&args[0], &args[1], &args[2]);
    if order(value, low)? == Some(Ordering::Less) {
        return Ok(low.clone());
    }
    if order(value, high)? == Some(Ordering::Greater) {
        return Ok(high.clone());
    }
    Ok(value.clone())
}

fn sign(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match &args[0] {
        Value::Int(n) => Ok(Value::Int(n.signum())),
        Value::Float(n) => Ok(Value::Int(i64::from(*n > 0.0) - i64::from(*n < 0.0))),
        value => Err(wrong_type("number", value)),
    }
}

/// A number rounded to an integer.
fn whole(value: &Value, round: fn(f64) -> f64) -> Result<Value, Raise> {
    match value {
        Value::Int(n) => Ok(Value::Int(*n)),
        Value::Float(n) => match truncate(round(*n)) {
            Ok(rounded) => Ok(Value::Int(rounded)),
            // The message names the number given.
            Err(_) => Err(Raise::conversion("float", &n.to_string(), "int")),
        },
        value => Err(wrong_type("number", value)),
    }
}

fn real(value: &Value, function: fn(f64) -> f64) -> Result<Value, Raise> {
    Ok(Value::Float(function(float(value)?)))
}

fn sqrt(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let n = float(&args[0])?;
    Ok(if n < 0.0 {
        Value::Null
    } else {
        Value::Float(n.sqrt())
    })
}

fn log(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let n = float(&args[0])?;
    let base = if args[1].is_null() {
        None
    } else {
        Some(float(&args[1])?)
    };
    if n <= 0.0 {
        return Ok(Value::Null);
    }
    Ok(Value::Float(match base {
        None => n.ln(),
        // Exact for powers of the base.
        Some(2.0) => n.log2(),
        Some(10.0) => n.log10(),
        Some(base) => n.ln() / base.ln(),
    }))
}

fn hypot(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Float(float(&args[0])?.hypot(float(&args[1])?)))
}

// Both factors are given as a sum of two floats, so that the product is rounded once.

fn degrees(r: f64) -> f64 {
    scaled(r, 180.0 / std::f64::consts::PI, -1.987_849_567_057_628_3e-15)
}

fn radians(d: f64) -> f64 {
    scaled(d, std::f64::consts::PI / 180.0, 2.948_652_270_870_168_7e-19)
}

fn scaled(x: f64, high: f64, low: f64) -> f64 {
    if x.is_finite() {
        x.mul_add(high, x * low)
    } else {
        x
    }
}

fn factorial(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let n = int(&args[0])?;
    let mut product = 1_i64;
    for factor in 2..=n {
        product = product
            .checked_mul(factor)
            .ok_or_else(|| Raise::overflow(product, "*", factor))?;
    }
    Ok(Value::Int(product))
}

fn gcd(a: i64, b: i64) -> Result<Value, Raise> {
    let size = greatest(a.unsigned_abs(), b.unsigned_abs());
    // Only 2^63 does not fit.
    i64::try_from(size)
        .map(Value::Int)
        .map_err(|_| Raise::overflow_negate(i64::MIN))
}

/// Euclid's algorithm.
fn greatest(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (a, b) = (int(&args[0])?, int(&args[1])?);
    if a == 0 || b == 0 {
        return Ok(Value::Int(0));
    }
    let (left, right) = (a.unsigned_abs(), b.unsigned_abs());
    let product = (left / greatest(left, right)).checked_mul(right);
    let product = product.and_then(|product| i64::try_from(product).ok());
    product.map(Value::Int).ok_or_else(|| Raise::overflow(a, "*", b))
}

#[cfg(test)]
mod tests {
    use super::{degrees, greatest, radians};

    #[test]
    fn angles_are_rounded_once() {
        assert_eq!(degrees(std::f64::consts::PI), 180.0);
        assert_eq!(degrees(std::f64::consts::FRAC_PI_2), 90.0);
        assert_eq!(radians(180.0), std::f64::consts::PI);
        assert_eq!(radians(360.0), std::f64::consts::TAU);
        assert_eq!(radians(f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn greatest_common_divisors() {
        assert_eq!(greatest(12, 18), 6);
        assert_eq!(greatest(0, 5), 5);
        assert_eq!(greatest(0, 0), 0);
    }
}
