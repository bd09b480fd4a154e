//! The module `time`: instants, calendars, zones, texts for instants, and timers.
//!
//! An instant is an int, nanoseconds since the epoch in UTC, and so is a span of time: the range is that of an int, from
//! the year 1677 to 2262. What leaves it is an error. Calendars are Gregorian at all times, days have no leap seconds.
//!
//! Invariants
//! - Clocks are the host's, and so is the zone `local`. Every other zone comes from data that is compiled in, so that
//!   a program gives the same everywhere.
//! - jiff knows calendars and rules of zones; which texts are understood and what errors say is decided here.
//!
//! Source: library reference §E8.

mod calendar;
mod human;
mod parse;
mod parts;
mod pattern;
mod zone;

use aether_eval::{BuiltinDef, Ctx, LibraryModule, Permission};
use aether_value::{Raise, Value};
use jiff::Timestamp;

use crate::arguments::{int, number, permit, wrong_type};

/// The module.
pub(crate) const TIME: LibraryModule = LibraryModule {
    name: "time",
    functions: &[
        BuiltinDef::core("now", &[], 0, 0, now).needing(Permission::Clock),
        BuiltinDef::core("monotonic", &[], 0, 0, monotonic).needing(Permission::Clock),
        BuiltinDef::core("parts", &["t", "zone"], 1, 2, parts::parts),
        BuiltinDef::core("from_parts", &["parts"], 1, 1, parts::from_parts).with_options(parts::KEYS),
        BuiltinDef::core("format", &["t", "pattern", "zone"], 2, 3, pattern::format),
        BuiltinDef::core("parse", &["s", "pattern", "zone"], 2, 3, parse::parse),
        BuiltinDef::core("add", &["t", "amounts", "zone"], 2, 3, calendar::add),
        BuiltinDef::core("diff", &["a", "b", "unit", "zone"], 3, 4, calendar::diff),
        BuiltinDef::core("start_of", &["t", "unit", "zone"], 2, 3, calendar::start_of),
        BuiltinDef::core("seconds", &["x"], 1, 1, |_, args| {
            span("time.seconds", args, SECOND)
        }),
        BuiltinDef::core("minutes", &["x"], 1, 1, |_, args| {
            span("time.minutes", args, MINUTE)
        }),
        BuiltinDef::core("hours", &["x"], 1, 1, |_, args| span("time.hours", args, HOUR)),
        BuiltinDef::core("days", &["x"], 1, 1, |_, args| span("time.days", args, DAY)),
        BuiltinDef::core("human", &["duration"], 1, 1, human::human),
        BuiltinDef::core("after", &["secs", "fn"], 2, 2, after),
        BuiltinDef::core("every", &["secs", "fn"], 2, 2, every),
    ],
    constants: &[],
};

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;
/// Nanoseconds of a minute.
const MINUTE: i64 = 60 * SECOND;
/// Nanoseconds of an hour.
const HOUR: i64 = 60 * MINUTE;
/// Nanoseconds of a day of 24 hours.
const DAY: i64 = 24 * HOUR;
/// Steps that the rules of a zone, or a calendar, are counted as.
const WORK: usize = 4;

/// The error for an instant, or a span, that no int can hold.
#[cold]
fn out_of_range(operation: &str) -> Raise {
    Raise::operation(&format!(
        "{operation}: the result is out of range (1677-09-21 to 2262-04-11)"
    ))
}

/// The instant that nanoseconds since the epoch are.
fn timestamp(nanos: i64) -> Timestamp {
    // The range of jiff is larger than that of an int.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The nanoseconds since the epoch of an instant.
fn nanos_of(operation: &str, timestamp: Timestamp) -> Result<i64, Raise> {
    i64::try_from(timestamp.as_nanosecond()).map_err(|_| out_of_range(operation))
}

/// A number of units as nanoseconds, rounded to the nearest.
fn scaled(operation: &str, value: &Value, unit: i64) -> Result<i64, Raise> {
    match value {
        Value::Int(count) => count.checked_mul(unit).ok_or_else(|| out_of_range(operation)),
        Value::Float(count) => {
            /// 2 to the power of 63: the first float that is too large.
            const END: f64 = 9_223_372_036_854_775_808.0;
            let nanos = (count * unit as f64).round();
            if (-END..END).contains(&nanos) {
                Ok(nanos as i64)
            } else {
                Err(out_of_range(operation))
            }
        }
        other => Err(wrong_type("number", other)),
    }
}

/// `seconds(x)` and its kin.
fn span(operation: &str, args: &[Value], unit: i64) -> Result<Value, Raise> {
    scaled(operation, &args[0], unit).map(Value::Int)
}

/// `now()`
fn now(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    permit(ctx, Permission::Clock, "clock")?;
    Ok(Value::Int(ctx.host().clock_nanos()))
}

/// `monotonic()`
fn monotonic(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    permit(ctx, Permission::Clock, "clock")?;
    let nanos = ctx.host().stopwatch();
    Ok(Value::Int(i64::try_from(nanos).unwrap_or(i64::MAX)))
}

/// `after(secs, fn)`
fn after(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let seconds = number(&args[0])?;
    ctx.start_timer(seconds, None, args[1].clone())
}

/// `every(secs, fn)`
fn every(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let seconds = number(&args[0])?;
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(Raise::operation(
            "time.every requires a positive number of seconds",
        ));
    }
    ctx.start_timer(seconds, Some(seconds), args[1].clone())
}

/// The instant in an argument.
fn instant(value: &Value) -> Result<Timestamp, Raise> {
    int(value).map(timestamp)
}
