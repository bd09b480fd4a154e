//! Instants from texts, by the patterns that write them.
//!
//! Numbers may have fewer digits than are written, names may be in any case and short or long, and blanks in a pattern
//! stand for any number of blanks. What a text says twice must agree. What it does not say is the beginning of 1970,
//! of the year, of the day; without an offset the time is that of a zone, UTC if none is given.
//!
//! Source: library reference §E8.

use aether_eval::Ctx;
use aether_value::{Raise, Value};
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::fmt::temporal::{TimeZoneAnnotation, TimeZoneAnnotationKind};
use jiff::fmt::{rfc2822, temporal};
use jiff::tz::AmbiguousOffset;

use super::parts::local_of;
use super::pattern::{Directive, MONTHS, Piece, Pieces, SHORT, WEEKDAYS};
use super::zone::{self, Zone};
use super::{SECOND, WORK, nanos_of, out_of_range};
use crate::arguments::string;

const OPERATION: &str = "time.parse";

/// Bytes of a text of a named pattern, of which none is longer.
const LONGEST: usize = 256;
/// Characters of a text that an error shows.
const SHOWN: usize = 60;

/// `parse(s, pattern, [zone])`
pub(super) fn parse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (text, pattern) = (string(&args[0])?.as_str(), string(&args[1])?.as_str());
    let zone = Zone::of(ctx, OPERATION, args.get(2))?;
    ctx.tick((text.len() + pattern.len()) / 4 + WORK)?;
    let nanos = match pattern {
        "iso" => iso(ctx, text, &zone)?,
        "rfc2822" => {
            let parsed = Some(text).filter(|text| text.len() <= LONGEST);
            let parsed = parsed.and_then(|text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
            let parsed = parsed.ok_or_else(|| refused(text, "is no date of RFC 2822"))?;
            nanos_of(OPERATION, parsed)?
        }
        pattern => by_pattern(ctx, text, pattern, &zone)?,
    };
    Ok(Value::Int(nanos))
}

/// As much of a text as an error shows.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.escape_debug().to_string()
}

#[cold]
fn refused(text: &str, detail: &str) -> Raise {
    Raise::parse("time", &format!("'{}' {detail}", shown(text)))
}

/// The instant of a text of RFC 3339 or ISO 8601.
fn iso(ctx: &mut Ctx<'_>, text: &str, zone: &Zone) -> Result<i64, Raise> {
    let wrong = || refused(text, "is no date and time of ISO 8601");
    if text.len() > LONGEST {
        return Err(wrong());
    }
    let pieces = temporal::DateTimeParser::new()
        .parse_pieces(text)
        .map_err(|_| wrong())?;
    let time = pieces.time().unwrap_or(jiff::civil::Time::midnight());
    let local = pieces.date().to_datetime(time);
    if let Some(offset) = pieces.to_numeric_offset() {
        let at = offset.to_timestamp(local).map_err(|_| out_of_range(OPERATION))?;
        return nanos_of(OPERATION, at);
    }
    let named = match pieces.time_zone_annotation().map(TimeZoneAnnotation::kind) {
        None => None,
        Some(TimeZoneAnnotationKind::Named(name)) => {
            let found = Zone::named(ctx, OPERATION, name.as_str())?;
            Some(found.ok_or_else(|| zone::unknown(OPERATION, name.as_str()))?)
        }
        Some(TimeZoneAnnotationKind::Offset(offset)) => Some(Zone::fixed(offset.seconds())),
        Some(_) => return Err(wrong()),
    };
    named.as_ref().unwrap_or(zone).instant(OPERATION, local, None)
}

/// What a text says.
#[derive(Default)]
struct Fields<'t> {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    nanos: Option<i64>,
    /// 1 is Monday.
    weekday: Option<i64>,
    year_day: Option<i64>,
    week: Option<i64>,
    epoch: Option<i64>,
    /// Seconds.
    offset: Option<i64>,
    zone: Option<&'t str>,
}

/// What is left of a text, and the whole of it for errors.
struct Scanner<'t> {
    whole: &'t str,
    rest: &'t str,
    pattern: &'t str,
}

impl<'t> Scanner<'t> {
    #[cold]
    fn expected(&self, what: &str) -> Raise {
        let at = self.whole.chars().count() - self.rest.chars().count() + 1;
        let detail = format!(
            "does not match '{}': expected {what} at character {at}",
            shown(self.pattern)
        );
        refused(self.whole, &detail)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes text that stands for itself.
    fn take_text(&mut self, text: &str) -> Result<(), Raise> {
        for expected in text.chars() {
            if expected.is_whitespace() {
                self.skip_blanks();
            } else if let Some(rest) = self.rest.strip_prefix(expected) {
                self.rest = rest;
            } else {
                return Err(self.expected(&format!("'{}'", expected.escape_debug())));
            }
        }
        Ok(())
    }

    /// Takes up to `most` digits.
    fn take_digits(&mut self, most: usize) -> &'t str {
        let digits = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let (digits, rest) = self.rest.split_at(digits);
        self.rest = rest;
        digits
    }

    /// Takes a number that lies between two.
    fn take_number(&mut self, what: &str, digits: usize, least: i64, most: i64) -> Result<i64, Raise> {
        let before = self.rest;
        match self.take_digits(digits).parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => {
                self.rest = before;
                Err(self.expected(what))
            }
        }
    }

    /// Takes one of some names, whole or its first letters; gives its number, from 1.
    fn take_name(&mut self, what: &str, names: &[&str]) -> Result<i64, Raise> {
        let starts = |name: &str| {
            let start = self.rest.as_bytes().get(..name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        };
        for (number, name) in names.iter().enumerate() {
            for name in [name, &name[..SHORT]] {
                if starts(name) {
                    self.rest = &self.rest[name.len()..];
                    return Ok(number as i64 + 1);
                }
            }
        }
        Err(self.expected(what))
    }

    /// Takes an offset: `+hhmm`, `+hh:mm`, `+hh` or `Z`. Gives seconds.
    fn take_offset(&mut self) -> Result<i64, Raise> {
        if let Some(rest) = self.rest.strip_prefix(['Z', 'z']) {
            self.rest = rest;
            return Ok(0);
        }
        let (seconds, length) = match self.rest.as_bytes() {
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, ..] => {
                (zone::offset_of(*sign, [*h1, *h2], [*m1, *m2]), 6)
            }
            [sign @ (b'+' | b'-'), h1, h2, m1, m2, ..] if m1.is_ascii_digit() => {
                (zone::offset_of(*sign, [*h1, *h2], [*m1, *m2]), 5)
            }
            [sign @ (b'+' | b'-'), h1, h2, ..] => (zone::offset_of(*sign, [*h1, *h2], *b"00"), 3),
            _ => (None, 0),
        };
        let seconds = seconds.ok_or_else(|| self.expected("an offset such as +0200"))?;
        self.rest = &self.rest[length..];
        Ok(i64::from(seconds))
    }

    /// Takes the name of a zone.
    fn take_zone(&mut self) -> Result<&'t str, Raise> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '+' | '-' | ':');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.expected("the name of a time zone"));
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(name)
    }

    /// Takes seconds since the epoch.
    fn take_epoch(&mut self) -> Result<i64, Raise> {
        let before = self.rest;
        let sign = if let Some(rest) = self.rest.strip_prefix('-') {
            self.rest = rest;
            -1
        } else {
            1
        };
        // No int has more digits.
        let digits = self.take_digits(19);
        digits.parse::<i64>().map(|seconds| sign * seconds).map_err(|_| {
            self.rest = before;
            self.expected("seconds since the epoch")
        })
    }

    /// Takes digits of a fraction of a second; gives nanoseconds.
    fn take_fraction(&mut self) -> Result<i64, Raise> {
        let digits = self.take_digits(9);
        match digits.parse::<i64>() {
            Ok(number) => Ok(number * 10_i64.pow(9 - digits.len() as u32)),
            Err(_) => Err(self.expected("digits of a fraction")),
        }
    }

    /// Takes what a directive stands for.
    fn take(&mut self, directive: Directive, fields: &mut Fields<'t>) -> Result<(), Raise> {
        let (field, value) = match directive {
            Directive::Year => (&mut fields.year, self.take_number("a year", 4, 0, 9999)?),
            Directive::Month => (&mut fields.month, self.take_number("a month", 2, 1, 12)?),
            Directive::ShortMonth | Directive::MonthName => {
                (&mut fields.month, self.take_name("the name of a month", &MONTHS)?)
            }
            Directive::Day | Directive::DayWithBlank => {
                self.skip_blanks();
                (&mut fields.day, self.take_number("a day", 2, 1, 31)?)
            }
            Directive::Hour => (&mut fields.hour, self.take_number("an hour", 2, 0, 23)?),
            Directive::Minute => (&mut fields.minute, self.take_number("a minute", 2, 0, 59)?),
            Directive::Second => (&mut fields.second, self.take_number("a second", 2, 0, 59)?),
            Directive::Fraction => (&mut fields.nanos, self.take_fraction()?),
            Directive::Offset => (&mut fields.offset, self.take_offset()?),
            Directive::ShortWeekday | Directive::Weekday => (
                &mut fields.weekday,
                self.take_name("the name of a weekday", &WEEKDAYS)?,
            ),
            Directive::WeekdayNumber => (
                &mut fields.weekday,
                self.take_number("the number of a weekday", 1, 1, 7)?,
            ),
            Directive::YearDay => (
                &mut fields.year_day,
                self.take_number("the day of a year", 3, 1, 366)?,
            ),
            Directive::Week => (&mut fields.week, self.take_number("a week", 2, 1, 53)?),
            Directive::Epoch => (&mut fields.epoch, self.take_epoch()?),
            Directive::ZoneName => {
                fields.zone = Some(self.take_zone()?);
                return Ok(());
            }
            Directive::Percent => return self.take_text("%"),
        };
        if field.is_some_and(|known| known != value) {
            return Err(self.disagree());
        }
        *field = Some(value);
        Ok(())
    }

    #[cold]
    fn disagree(&self) -> Raise {
        refused(self.whole, "says two different things")
    }
}

/// The instant of a text of a pattern.
fn by_pattern<'t>(ctx: &mut Ctx<'_>, text: &'t str, pattern: &'t str, zone: &Zone) -> Result<i64, Raise> {
    let mut scanner = Scanner {
        whole: text,
        rest: text,
        pattern,
    };
    let mut fields = Fields::default();
    for piece in Pieces::new(OPERATION, pattern) {
        match piece? {
            Piece::Text(text) => scanner.take_text(text)?,
            Piece::Directive(directive) => scanner.take(directive, &mut fields)?,
        }
    }
    if !scanner.rest.is_empty() {
        return Err(scanner.expected("the end"));
    }
    if let Some(seconds) = fields.epoch {
        let nanos = i128::from(seconds) * i128::from(SECOND) + i128::from(fields.nanos.unwrap_or(0));
        return i64::try_from(nanos).map_err(|_| out_of_range(OPERATION));
    }
    let date = date(&fields, &scanner)?;
    let local = local_of(
        date,
        fields.hour.unwrap_or(0),
        fields.minute.unwrap_or(0),
        fields.second.unwrap_or(0),
        fields.nanos.unwrap_or(0),
    );
    if let Some(offset) = fields.offset {
        return Zone::fixed(offset as i32).instant(OPERATION, local, None);
    }
    let Some(name) = fields.zone else {
        return zone.instant(OPERATION, local, None);
    };
    // What people in the zone call one of the times that this may be.
    let candidates = match zone.rules.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => [offset, offset],
        AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => [before, after],
    };
    for offset in candidates {
        if let Ok(at) = offset.to_timestamp(local)
            && zone.abbreviation(at).eq_ignore_ascii_case(name)
        {
            return nanos_of(OPERATION, at);
        }
    }
    let named = match name {
        "GMT" | "Z" => Some(Zone::utc()),
        name => Zone::named(ctx, OPERATION, name)?,
    };
    named
        .ok_or_else(|| zone::unknown(OPERATION, name))?
        .instant(OPERATION, local, None)
}

/// The date that a text says, in one of three ways.
fn date(fields: &Fields<'_>, scanner: &Scanner<'_>) -> Result<Date, Raise> {
    let year = fields.year.unwrap_or(1970) as i16;
    let date = match (fields.month, fields.day, fields.year_day, fields.week) {
        (None, None, Some(year_day), _) => {
            let first = Date::new(year, 1, 1).map_err(|_| out_of_range(OPERATION))?;
            if year_day > i64::from(first.days_in_year()) {
                let detail = format!(
                    "says day {year_day} of {year}, which has {}",
                    first.days_in_year()
                );
                return Err(refused(scanner.whole, &detail));
            }
            let later = first.checked_add(jiff::Span::new().days(year_day - 1));
            later.map_err(|_| out_of_range(OPERATION))?
        }
        (None, None, None, Some(week)) => {
            let weekday = fields.weekday.unwrap_or(1) as i8;
            let weekday = Weekday::from_monday_one_offset(weekday).unwrap_or(Weekday::Monday);
            let date = ISOWeekDate::new(year, week as i8, weekday);
            let detail = format!("says week {week} of {year}, which has none");
            return date
                .map(ISOWeekDate::date)
                .map_err(|_| refused(scanner.whole, &detail));
        }
        (month, day, _, _) => {
            let month = month.unwrap_or(1) as i8;
            let first = Date::new(year, month, 1).map_err(|_| out_of_range(OPERATION))?;
            let day = day.unwrap_or(1) as i8;
            Date::new(year, month, day).map_err(|_| {
                let days = first.days_in_month();
                let detail = format!("says day {day} of {year}-{month:02}, which has {days}");
                refused(scanner.whole, &detail)
            })?
        }
    };
    let agrees = |said: Option<i64>, is: i64| said.is_none_or(|said| said == is);
    if agrees(fields.weekday, i64::from(date.weekday().to_monday_one_offset()))
        && agrees(fields.year_day, i64::from(date.day_of_year()))
        && agrees(fields.week, i64::from(date.iso_week_date().week()))
    {
        Ok(date)
    } else {
        Err(scanner.disagree())
    }
}
