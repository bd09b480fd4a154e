//! Spans of time as people write them: `1h 02m`.
//!
//! The two largest units are shown and the rest is left out; below a minute there is one unit, with three digits.
//!
//! Source: library reference §E8.

use aether_eval::Ctx;
use aether_value::{Raise, Value};

use super::{DAY, HOUR, MINUTE, SECOND};
use crate::arguments::int;

/// `human(duration)`
pub(super) fn human(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    ctx.string(&text(int(&args[0])?))
}

fn text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let length = nanos.unsigned_abs();
    let shown = match length {
        _ if length >= DAY as u64 => two(length, (DAY, "d"), (HOUR, "h")),
        _ if length >= HOUR as u64 => two(length, (HOUR, "h"), (MINUTE, "m")),
        _ if length >= MINUTE as u64 => two(length, (MINUTE, "m"), (SECOND, "s")),
        _ if length >= SECOND as u64 => one(length, SECOND as u64, "s"),
        _ if length >= 1_000_000 => one(length, 1_000_000, "ms"),
        _ if length >= 1000 => one(length, 1000, "µs"),
        0 => "0s".to_owned(),
        _ => format!("{length}ns"),
    };
    format!("{sign}{shown}")
}

/// So many of a unit and, with two digits, of the next.
fn two(length: u64, large: (i64, &str), small: (i64, &str)) -> String {
    let (whole, rest) = (length / large.0 as u64, length % large.0 as u64);
    format!("{whole}{} {:02}{}", large.1, rest / small.0 as u64, small.1)
}

/// A number of a unit with three digits, zeros at the end left out.
fn one(length: u64, unit: u64, name: &str) -> String {
    let whole = length / unit;
    let digits = match whole {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let part = length % unit * 10_u64.pow(digits) / unit;
    let fraction = format!("{part:0width$}", width = digits as usize);
    let fraction = fraction.trim_end_matches('0');
    if digits == 0 || fraction.is_empty() {
        format!("{whole}{name}")
    } else {
        format!("{whole}.{fraction}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn spans_have_their_two_largest_units() {
        for (nanos, expected) in [
            (0, "0s"),
            (7, "7ns"),
            (1500, "1.5µs"),
            (350_000_000, "350ms"),
            (999_999_999, "999ms"),
            (1_000_000_000, "1s"),
            (12_340_000_000, "12.3s"),
            (59_999_999_999, "59.9s"),
            (60_000_000_000, "1m 00s"),
            (3_720_000_000_000, "1h 02m"),
            (-3_720_000_000_000, "-1h 02m"),
            (86_400_000_000_000, "1d 00h"),
            (i64::MIN, "-106751d 23h"),
        ] {
            assert_eq!(text(nanos), expected);
        }
    }
}
