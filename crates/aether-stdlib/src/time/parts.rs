//! Instants as dicts of calendar parts, and back.
//!
//! Source: library reference §E8.

use aether_eval::Ctx;
use aether_value::{Raise, Value};
use jiff::civil::{Date, DateTime};

use super::zone::Zone;
use super::{WORK, instant, out_of_range};
use crate::arguments::{Options, int, string, wrong_type};

/// The parts, in their order.
pub(super) const KEYS: &[&str] = &[
    "year", "month", "day", "hour", "minute", "second", "nanos", "weekday", "yearday", "offset", "zone",
];

/// `parts(t, [zone])`
pub(super) fn parts(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let at = instant(&args[0])?;
    let zone = Zone::of(ctx, "time.parts", args.get(1))?;
    ctx.tick(WORK)?;
    let (local, offset) = zone.local(at);
    let numbers = [
        i64::from(local.year()),
        i64::from(local.month()),
        i64::from(local.day()),
        i64::from(local.hour()),
        i64::from(local.minute()),
        i64::from(local.second()),
        i64::from(local.subsec_nanosecond()),
        i64::from(local.weekday().to_monday_one_offset()),
        i64::from(local.day_of_year()),
        i64::from(offset),
    ];
    let heap = ctx.heap();
    let dict = heap.dict_with_room(KEYS.len())?;
    for (key, number) in KEYS.iter().zip(numbers) {
        dict.insert(Value::String(heap.intern(key)?), Value::Int(number))?;
    }
    dict.insert(Value::String(heap.intern("zone")?), ctx.string(&zone.name)?)?;
    Ok(Value::Dict(dict))
}

/// A part that lies between two numbers.
fn part(options: Options<'_>, key: &str, least: i64, most: i64) -> Result<Option<i64>, Raise> {
    match options.int(key)? {
        Some(value) if !(least..=most).contains(&value) => Err(Raise::operation(&format!(
            "time.from_parts: {key} must be between {least} and {most}, got {value}"
        ))),
        value => Ok(value),
    }
}

/// The date and time that checked parts make.
pub(super) fn local_of(date: Date, hour: i64, minute: i64, second: i64, nanos: i64) -> DateTime {
    date.at(hour as i8, minute as i8, second as i8, nanos as i32)
}

/// `from_parts(d)`: the year, and what of the other parts is there. `weekday` and `yearday` follow from the date.
pub(super) fn from_parts(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    const OPERATION: &str = "time.from_parts";
    if !matches!(args[0], Value::Dict(_)) {
        return Err(wrong_type("dict", &args[0]));
    }
    ctx.tick(WORK)?;
    let options = Options::new(args.first(), KEYS)?;
    let Some(year) = options.get("year") else {
        return Err(Raise::operation("time.from_parts: year is missing"));
    };
    let year = int(&year)?;
    let month = part(options, "month", 1, 12)?.unwrap_or(1);
    let day = part(options, "day", 1, 31)?.unwrap_or(1);
    let hour = part(options, "hour", 0, 23)?.unwrap_or(0);
    let minute = part(options, "minute", 0, 59)?.unwrap_or(0);
    let second = part(options, "second", 0, 59)?.unwrap_or(0);
    let nanos = part(options, "nanos", 0, 999_999_999)?.unwrap_or(0);
    let offset = part(options, "offset", -86_399, 86_399)?;
    let zone = match options.get("zone") {
        Some(name) => {
            string(&name)?;
            Some(Zone::of(ctx, OPERATION, Some(&name))?)
        }
        None => None,
    };
    let date = date(OPERATION, year, month, day)?;
    let local = local_of(date, hour, minute, second, nanos);
    let zone = match (zone, offset) {
        (Some(zone), _) => zone,
        (None, Some(seconds)) => Zone::fixed(seconds as i32),
        (None, None) => Zone::utc(),
    };
    zone.instant(OPERATION, local, offset.map(|seconds| seconds as i32))
        .map(Value::Int)
}

/// A date of a month between 1 and 12.
pub(super) fn date(operation: &str, year: i64, month: i64, day: i64) -> Result<Date, Raise> {
    let year = i16::try_from(year).map_err(|_| out_of_range(operation))?;
    let first = Date::new(year, month as i8, 1).map_err(|_| out_of_range(operation))?;
    let days = first.days_in_month();
    let date = i8::try_from(day)
        .ok()
        .and_then(|day| Date::new(year, month as i8, day).ok());
    date.ok_or_else(|| {
        Raise::operation(&format!(
            "{operation}: there is no day {day} in {year}-{month:02}, which has {days} days"
        ))
    })
}
