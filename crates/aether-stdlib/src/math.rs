//! What the module `math` has for those who import it, beside the functions that are everywhere.
//!
//! Where a function is not defined it gives NaN. Sums of floats are compensated: the error does not grow with their
//! number.
//!
//! Source: library reference §E6.

use aether_eval::{BuiltinDef, Constant, Ctx, LibraryModule};
use aether_value::{Buffer, Charge, Raise, Rc, Value};

use crate::arguments::{array, int, number};

/// The addition.
pub(crate) const MATH: LibraryModule = LibraryModule {
    name: "math",
    functions: &[
        BuiltinDef::core("log2", &["x"], 1, 1, |_, args| real(args, f64::log2)),
        BuiltinDef::core("log10", &["x"], 1, 1, |_, args| real(args, f64::log10)),
        BuiltinDef::core("ln", &["x"], 1, 1, |_, args| real(args, f64::ln)),
        BuiltinDef::core("log1p", &["x"], 1, 1, |_, args| real(args, f64::ln_1p)),
        BuiltinDef::core("expm1", &["x"], 1, 1, |_, args| real(args, f64::exp_m1)),
        BuiltinDef::core("asin", &["x"], 1, 1, |_, args| real(args, f64::asin)),
        BuiltinDef::core("acos", &["x"], 1, 1, |_, args| real(args, f64::acos)),
        BuiltinDef::core("atan", &["x"], 1, 1, |_, args| real(args, f64::atan)),
        BuiltinDef::core("atan2", &["y", "x"], 2, 2, |_, args| reals(args, f64::atan2)),
        BuiltinDef::core("sinh", &["x"], 1, 1, |_, args| real(args, f64::sinh)),
        BuiltinDef::core("cosh", &["x"], 1, 1, |_, args| real(args, f64::cosh)),
        BuiltinDef::core("tanh", &["x"], 1, 1, |_, args| real(args, f64::tanh)),
        BuiltinDef::core("cbrt", &["x"], 1, 1, |_, args| real(args, f64::cbrt)),
        BuiltinDef::core("fmod", &["a", "b"], 2, 2, |_, args| reals(args, |a, b| a % b)),
        BuiltinDef::core("divmod", &["a", "b"], 2, 2, divmod),
        BuiltinDef::core("isqrt", &["n"], 1, 1, isqrt),
        BuiltinDef::core("is_nan", &["x"], 1, 1, |_, args| {
            Ok(Value::Bool(number(&args[0])?.is_nan()))
        }),
        BuiltinDef::core("is_finite", &["x"], 1, 1, |_, args| {
            Ok(Value::Bool(number(&args[0])?.is_finite()))
        }),
        BuiltinDef::core("popcount", &["n"], 1, 1, |_, args| bits(args, i64::count_ones)),
        BuiltinDef::core("leading_zeros", &["n"], 1, 1, |_, args| {
            bits(args, i64::leading_zeros)
        }),
        BuiltinDef::core("trailing_zeros", &["n"], 1, 1, |_, args| {
            bits(args, i64::trailing_zeros)
        }),
        BuiltinDef::core("lerp", &["a", "b", "t"], 3, 3, lerp),
        BuiltinDef::core("mean", &["array"], 1, 1, mean).iterables(1),
        BuiltinDef::core("median", &["array"], 1, 1, median).iterables(1),
        BuiltinDef::core("variance", &["array"], 1, 1, |ctx, args| {
            Ok(Value::Float(variance(ctx, &args[0])?))
        })
        .iterables(1),
        BuiltinDef::core("stdev", &["array"], 1, 1, |ctx, args| {
            Ok(Value::Float(variance(ctx, &args[0])?.sqrt()))
        })
        .iterables(1),
        BuiltinDef::core("quantile", &["array", "q"], 2, 2, quantile).iterables(1),
        BuiltinDef::core("prod", &["array"], 1, 1, prod).iterables(1),
        BuiltinDef::core("dot", &["a", "b"], 2, 2, dot).iterables(3),
    ],
    constants: &[
        ("inf", Constant::Float(f64::INFINITY)),
        ("nan", Constant::Float(f64::NAN)),
        ("int_max", Constant::Int(|| i64::MAX)),
        ("int_min", Constant::Int(|| i64::MIN)),
    ],
};

fn real(args: &[Value], function: fn(f64) -> f64) -> Result<Value, Raise> {
    Ok(Value::Float(function(number(&args[0])?)))
}

fn reals(args: &[Value], function: fn(f64, f64) -> f64) -> Result<Value, Raise> {
    Ok(Value::Float(function(number(&args[0])?, number(&args[1])?)))
}

fn bits(args: &[Value], function: fn(i64) -> u32) -> Result<Value, Raise> {
    Ok(Value::Int(function(int(&args[0])?).into()))
}

/// The quotient rounded down, and what is left, which has the sign of the divisor.
fn divmod(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pair = if let (Value::Int(a), Value::Int(b)) = (&args[0], &args[1]) {
        let (a, b) = (*a, *b);
        if b == 0 {
            return Err(Raise::division_by_zero());
        }
        let Some(quotient) = a.checked_div(b) else {
            return Err(Raise::overflow(a, "/", b));
        };
        let rest = a % b;
        if rest != 0 && (rest < 0) != (b < 0) {
            [Value::Int(quotient - 1), Value::Int(rest + b)]
        } else {
            [Value::Int(quotient), Value::Int(rest)]
        }
    } else {
        let (a, b) = (number(&args[0])?, number(&args[1])?);
        let quotient = (a / b).floor();
        let rest = a % b;
        let rest = if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
            rest + b
        } else {
            rest
        };
        [Value::Float(quotient), Value::Float(rest)]
    };
    Ok(Value::Array(ctx.heap().array_from_slice(&pair)?))
}

/// The largest integer whose square is at most `n`.
fn isqrt(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let n = int(&args[0])?;
    Ok(n.checked_isqrt().map_or(Value::Float(f64::NAN), Value::Int))
}

fn lerp(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (a, b, t) = (number(&args[0])?, number(&args[1])?, number(&args[2])?);
    // At both ends the ends themselves.
    Ok(Value::Float(if t == 1.0 { b } else { a + (b - a) * t }))
}

/// A sum that keeps what rounding loses.
#[derive(Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    fn total(&self) -> f64 {
        // What is lost beside infinity is no number.
        if self.sum.is_finite() {
            self.sum + self.lost
        } else {
            self.sum
        }
    }
}

/// The items of an array. Whoever goes over them counts them.
fn items(value: &Value) -> Result<Rc<Buffer>, Raise> {
    array(value)?.snapshot()
}

/// Items that are a unit of work.
const PER_UNIT: usize = 8;

fn total(ctx: &mut Ctx<'_>, items: &Buffer, term: impl Fn(f64) -> f64) -> Result<f64, Raise> {
    let mut sum = Sum::default();
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), PER_UNIT)?;
        sum.add(term(number(item)?));
    }
    Ok(sum.total())
}

fn mean(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = items(&args[0])?;
    Ok(Value::Float(
        total(ctx, &items, |item| item)? / items.len() as f64,
    ))
}

/// The variance of a sample.
fn variance(ctx: &mut Ctx<'_>, array: &Value) -> Result<f64, Raise> {
    let items = items(array)?;
    let count = items.len() as f64;
    let mean = total(ctx, &items, |item| item)? / count;
    let squares = total(ctx, &items, |item| (item - mean) * (item - mean))?;
    Ok(if count < 2.0 {
        f64::NAN
    } else {
        squares / (count - 1.0)
    })
}

/// The numbers in order. There is no order with a NaN among them.
fn sorted(ctx: &mut Ctx<'_>, array: &Value) -> Result<Option<(Vec<f64>, Charge)>, Raise> {
    let items = items(array)?;
    let charge = Charge::new(ctx.heap(), items.len() * size_of::<f64>())?;
    let mut numbers = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), 2)?;
        numbers.push(number(item)?);
    }
    if numbers.iter().any(|number| number.is_nan()) {
        return Ok(None);
    }
    ctx.sort_numbers(&mut numbers, f64::total_cmp)?;
    Ok(Some((numbers, charge)))
}

/// What lies at a part of the way through the numbers in order, between neighbours in proportion.
fn at_part(numbers: &[f64], part: f64) -> f64 {
    if numbers.is_empty() || !(0.0..=1.0).contains(&part) {
        return f64::NAN;
    }
    let place = part * (numbers.len() - 1) as f64;
    let below = place.floor();
    let (low, high) = (numbers[below as usize], numbers[place.ceil() as usize]);
    if low == high {
        low
    } else {
        low + (high - low) * (place - below)
    }
}

/// The number in the middle, as it is; of two the float between them.
fn median(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = items(&args[0])?;
    if items.is_empty() || !items.iter().all(|item| matches!(item, Value::Int(_))) {
        let sorted = sorted(ctx, &args[0])?;
        return Ok(Value::Float(
            sorted.map_or(f64::NAN, |(numbers, _charge)| at_part(&numbers, 0.5)),
        ));
    }
    // Floats cannot tell all ints apart.
    let _charge = Charge::new(ctx.heap(), items.len() * size_of::<i64>())?;
    ctx.tick(items.len() / PER_UNIT)?;
    let mut ints: Vec<i64> = items.iter().filter_map(Value::as_int).collect();
    ctx.sort_numbers(&mut ints, i64::cmp)?;
    let middle = ints.len() / 2;
    Ok(if ints.len() % 2 == 1 {
        Value::Int(ints[middle])
    } else {
        Value::Float(at_part(&[ints[middle - 1] as f64, ints[middle] as f64], 0.5))
    })
}

fn quantile(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let part = number(&args[1])?;
    let sorted = sorted(ctx, &args[0])?;
    Ok(Value::Float(
        sorted.map_or(f64::NAN, |(numbers, _charge)| at_part(&numbers, part)),
    ))
}

/// The product: an int as long as all are ints.
fn prod(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let items = items(&args[0])?;
    let (mut whole, mut real) = (Some(1_i64), 1.0);
    for (index, item) in items.iter().enumerate() {
        ctx.tick_at(index, items.len(), PER_UNIT)?;
        match (item, whole) {
            (Value::Int(item), Some(product)) => {
                let Some(product) = product.checked_mul(*item) else {
                    return Err(Raise::overflow(product, "*", *item));
                };
                whole = Some(product);
            }
            (item, product) => {
                real = product.map_or(real, |product| product as f64) * number(item)?;
                whole = None;
            }
        }
    }
    Ok(whole.map_or(Value::Float(real), Value::Int))
}

/// The sum of products: an int as long as all are ints.
fn dot(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (left, right) = (items(&args[0])?, items(&args[1])?);
    if left.len() != right.len() {
        return Err(Raise::operation(&format!(
            "math.dot: the arrays have {} and {} items",
            left.len(),
            right.len()
        )));
    }
    let count = left.len();
    let pairs = || left.iter().zip(right.iter());
    let is_whole = pairs().all(|pair| matches!(pair, (Value::Int(_), Value::Int(_))));
    if is_whole {
        let mut sum = 0_i64;
        for (index, (left, right)) in pairs().enumerate() {
            ctx.tick_at(index, count, PER_UNIT)?;
            let (left, right) = (int(left)?, int(right)?);
            let Some(product) = left.checked_mul(right) else {
                return Err(Raise::overflow(left, "*", right));
            };
            let Some(more) = sum.checked_add(product) else {
                return Err(Raise::overflow(sum, "+", product));
            };
            sum = more;
        }
        return Ok(Value::Int(sum));
    }
    let mut sum = Sum::default();
    for (index, (left, right)) in pairs().enumerate() {
        ctx.tick_at(index, count, PER_UNIT)?;
        sum.add(number(left)? * number(right)?);
    }
    Ok(Value::Float(sum.total()))
}
