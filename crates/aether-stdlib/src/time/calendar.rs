//! Arithmetic with months, days and what has a fixed length.
//!
//! Years, months, weeks and days go by the calendar of a zone, so that a day may have 23 hours; a day that a month does
//! not have becomes its last. Everything shorter is exact.
//!
//! Source: library reference §E8.

use aether_eval::Ctx;
use aether_value::{Dict, Raise, Value};
use jiff::Span;
use jiff::civil::{Date, DateTime};

use super::zone::Zone;
use super::{HOUR, MINUTE, SECOND, WORK, instant, nanos_of, out_of_range, scaled, timestamp};
use crate::arguments::{int, string, wrong_type};

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many nanoseconds.
    Exact(i64),
    /// So many days.
    Days(i64),
    /// So many months.
    Months(i64),
}

/// Units by their names in the plural, the largest first.
const UNITS: [(&str, Unit); 10] = [
    ("years", Unit::Months(12)),
    ("months", Unit::Months(1)),
    ("weeks", Unit::Days(7)),
    ("days", Unit::Days(1)),
    ("hours", Unit::Exact(HOUR)),
    ("minutes", Unit::Exact(MINUTE)),
    ("seconds", Unit::Exact(SECOND)),
    ("millis", Unit::Exact(1_000_000)),
    ("micros", Unit::Exact(1000)),
    ("nanos", Unit::Exact(1)),
];

/// The unit of a name in the singular or plural.
fn unit(operation: &str, value: &Value) -> Result<Unit, Raise> {
    let name = string(value)?.as_str();
    let is_it = |(known, _): &&(&str, Unit)| *known == name || known.strip_suffix('s') == Some(name);
    if let Some((_, unit)) = UNITS.iter().find(is_it) {
        return Ok(*unit);
    }
    let names = UNITS.map(|(name, _)| name).join(", ");
    let shown: String = name.chars().take(40).collect();
    Err(Raise::operation(&format!(
        "{operation}: unknown unit '{}' ({names})",
        shown.escape_debug()
    )))
}

/// The date so many months later; a day that the month does not have becomes its last.
fn add_months(operation: &str, date: Date, months: i128) -> Result<Date, Raise> {
    let months = i128::from(date.year()) * 12 + i128::from(date.month()) - 1 + months;
    let year = i16::try_from(months.div_euclid(12)).map_err(|_| out_of_range(operation))?;
    let month = months.rem_euclid(12) as i8 + 1;
    let first = Date::new(year, month, 1).map_err(|_| out_of_range(operation))?;
    let day = date.day().min(first.days_in_month());
    Date::new(year, month, day).map_err(|_| out_of_range(operation))
}

/// The date so many days later.
fn add_days(operation: &str, date: Date, days: i128) -> Result<Date, Raise> {
    let span = i64::try_from(days)
        .ok()
        .and_then(|days| Span::new().try_days(days).ok());
    let later = span.and_then(|span| date.checked_add(span).ok());
    later.ok_or_else(|| out_of_range(operation))
}

/// `add(t, amounts, [zone])`
pub(super) fn add(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    const OPERATION: &str = "time.add";
    let at = instant(&args[0])?;
    let Value::Dict(amounts) = &args[1] else {
        return Err(wrong_type("dict", &args[1]));
    };
    check_keys(amounts)?;
    let zone = Zone::of(ctx, OPERATION, args.get(2))?;
    ctx.tick(WORK)?;
    let (mut months, mut days, mut exact) = (0_i128, 0_i128, 0_i128);
    for (name, unit) in UNITS {
        let Some(amount) = amounts.get_str_value(name).filter(|amount| !amount.is_null()) else {
            continue;
        };
        match unit {
            Unit::Months(of) => months += i128::from(int(&amount)?) * i128::from(of),
            Unit::Days(of) => days += i128::from(int(&amount)?) * i128::from(of),
            Unit::Exact(of) => exact += i128::from(scaled(OPERATION, &amount, of)?),
        }
    }
    let mut nanos = nanos_of(OPERATION, at)?;
    if months != 0 || days != 0 {
        let (local, offset) = zone.local(at);
        let date = add_months(OPERATION, local.date(), months)?;
        let date = add_days(OPERATION, date, days)?;
        nanos = zone.instant(OPERATION, date.to_datetime(local.time()), Some(offset))?;
    }
    let sum = i64::try_from(i128::from(nanos) + exact);
    sum.map(Value::Int).map_err(|_| out_of_range(OPERATION))
}

/// Refuses amounts of what is no unit.
fn check_keys(amounts: &Dict) -> Result<(), Raise> {
    let names = UNITS.map(|(name, _)| name);
    for (key, _) in amounts {
        match key {
            Value::String(key) if names.contains(&key.as_str()) => {}
            Value::String(key) => {
                let shown: String = key.as_str().chars().take(40).collect();
                return Err(Raise::operation(&format!("unknown option '{shown}'")));
            }
            other => return Err(wrong_type("string", other)),
        }
    }
    Ok(())
}

/// `diff(a, b, unit, [zone])`: how many whole units lie between `a` and `b`, below zero if `b` is earlier.
pub(super) fn diff(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    const OPERATION: &str = "time.diff";
    let (a, b) = (int(&args[0])?, int(&args[1])?);
    let unit = unit(OPERATION, &args[2])?;
    let zone = Zone::of(ctx, OPERATION, args.get(3))?;
    ctx.tick(WORK)?;
    let whole = match unit {
        Unit::Exact(of) => (i128::from(b) - i128::from(a)) / i128::from(of),
        Unit::Days(of) | Unit::Months(of) => i128::from(whole_units(&zone, a, b, unit) / of),
    };
    // Two instants may be farther apart than an int of nanoseconds tells.
    i64::try_from(whole)
        .map(Value::Int)
        .map_err(|_| out_of_range(OPERATION))
}

/// How many whole days or months lie between two instants.
fn whole_units(zone: &Zone, a: i64, b: i64, unit: Unit) -> i64 {
    let (from, to) = (zone.local(timestamp(a)).0, zone.local(timestamp(b)).0);
    let by_date = match unit {
        Unit::Exact(_) | Unit::Days(_) => {
            let span = from.date().until(to.date());
            span.map_or(0, |span| i64::from(span.get_days()))
        }
        Unit::Months(_) => {
            let years = i64::from(to.year()) - i64::from(from.year());
            years * 12 + i64::from(to.month()) - i64::from(from.month())
        }
    };
    // By dates alone it is one too many where the last of them is not over.
    match reached(from, by_date, unit) {
        Ok(reached) if b >= a && reached > to => by_date - 1,
        Ok(reached) if b < a && reached < to => by_date + 1,
        _ => by_date,
    }
}

/// The date and time so many days or months later.
fn reached(from: DateTime, count: i64, unit: Unit) -> Result<DateTime, Raise> {
    let date = match unit {
        Unit::Exact(_) | Unit::Days(_) => add_days("time.diff", from.date(), i128::from(count))?,
        Unit::Months(_) => add_months("time.diff", from.date(), i128::from(count))?,
    };
    Ok(date.to_datetime(from.time()))
}

/// `start_of(t, unit, [zone])`
pub(super) fn start_of(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    const OPERATION: &str = "time.start_of";
    let at = instant(&args[0])?;
    let unit = unit(OPERATION, &args[1])?;
    let zone = Zone::of(ctx, OPERATION, args.get(2))?;
    ctx.tick(WORK)?;
    let (local, _) = zone.local(at);
    let date = local.date();
    let start = match unit {
        // Clocks of a zone are put forward and back by whole minutes, at the beginning of one.
        Unit::Exact(of) => {
            let since = local
                .time()
                .duration_since(jiff::civil::Time::midnight())
                .as_nanos();
            let since = (since % i128::from(of)) as i64;
            let start = nanos_of(OPERATION, at)?.checked_sub(since);
            return start.map(Value::Int).ok_or_else(|| out_of_range(OPERATION));
        }
        Unit::Days(1) => date,
        Unit::Days(_) => {
            let since = date.weekday().to_monday_zero_offset();
            add_days(OPERATION, date, -i128::from(since))?
        }
        Unit::Months(1) => date.first_of_month(),
        Unit::Months(_) => date.first_of_year(),
    };
    let midnight = start.to_datetime(jiff::civil::Time::midnight());
    zone.instant(OPERATION, midnight, None).map(Value::Int)
}
