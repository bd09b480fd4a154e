//! Texts for instants, by patterns.
//!
//! A pattern is text with directives: a percent sign and a letter. Two patterns have names: `iso`, which is RFC 3339,
//! and `rfc2822`, the dates of mail.
//!
//! Source: library reference §E8.

use aether_eval::Ctx;
use aether_value::{Raise, StrBuilder, Value};
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::zone::{Zone, offset_text};
use super::{SECOND, WORK, instant};
use crate::arguments::string;

/// What a directive stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Year,
    Month,
    Day,
    DayWithBlank,
    Hour,
    Minute,
    Second,
    Fraction,
    Offset,
    ZoneName,
    ShortWeekday,
    Weekday,
    WeekdayNumber,
    ShortMonth,
    MonthName,
    YearDay,
    Week,
    Epoch,
    Percent,
}

impl Directive {
    /// The directive of a letter.
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'Y' => Self::Year,
            'm' => Self::Month,
            'd' => Self::Day,
            'e' => Self::DayWithBlank,
            'H' => Self::Hour,
            'M' => Self::Minute,
            'S' => Self::Second,
            'f' => Self::Fraction,
            'z' => Self::Offset,
            'Z' => Self::ZoneName,
            'a' => Self::ShortWeekday,
            'A' => Self::Weekday,
            'u' => Self::WeekdayNumber,
            'b' => Self::ShortMonth,
            'B' => Self::MonthName,
            'j' => Self::YearDay,
            'V' => Self::Week,
            's' => Self::Epoch,
            '%' => Self::Percent,
            _ => return None,
        })
    }
}

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'p> {
    /// Text that stands for itself.
    Text(&'p str),
    Directive(Directive),
}

/// The pieces of a pattern.
pub(super) struct Pieces<'p> {
    operation: &'static str,
    rest: &'p str,
}

impl<'p> Pieces<'p> {
    pub(super) fn new(operation: &'static str, pattern: &'p str) -> Self {
        Self {
            operation,
            rest: pattern,
        }
    }

    #[cold]
    fn unknown(&self, letter: Option<char>) -> Raise {
        let what = match letter {
            Some(letter) => format!("unknown directive '%{}'", letter.escape_debug()),
            None => "the pattern ends with a single '%'".to_owned(),
        };
        Raise::operation(&format!(
            "{}: {what} (%Y %m %d %H %M %S %f %z %Z %a %A %b %B %j %u %V %e %s %%, \"iso\" or \"rfc2822\")",
            self.operation
        ))
    }
}

impl<'p> Iterator for Pieces<'p> {
    type Item = Result<Piece<'p>, Raise>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(after) = self.rest.strip_prefix('%') else {
            let end = self.rest.find('%').unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(Ok(Piece::Text(text)));
        };
        let mut letters = after.chars();
        let letter = letters.next();
        self.rest = letters.as_str();
        let directive = letter.and_then(Directive::of);
        Some(match directive {
            Some(directive) => Ok(Piece::Directive(directive)),
            None => Err(self.unknown(letter)),
        })
    }
}

pub(super) const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Letters of the short names.
pub(super) const SHORT: usize = 3;

/// An instant as people in a zone see it.
struct Seen<'z> {
    at: Timestamp,
    local: DateTime,
    offset: i32,
    zone: &'z Zone,
}

/// `format(t, pattern, [zone])`
pub(super) fn format(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    const OPERATION: &str = "time.format";
    let at = instant(&args[0])?;
    let pattern = string(&args[1])?.as_str();
    let zone = Zone::of(ctx, OPERATION, args.get(2))?;
    ctx.tick(pattern.len() / 4 + WORK)?;
    let (local, offset) = zone.local(at);
    let seen = Seen {
        at,
        local,
        offset,
        zone: &zone,
    };
    let mut out = StrBuilder::new(ctx.heap());
    match pattern {
        "iso" => out.push_str(&iso(&seen))?,
        "rfc2822" => seen.push(&mut out, "%a, %d %b %Y %H:%M:%S %z", OPERATION)?,
        pattern => seen.push(&mut out, pattern, OPERATION)?,
    }
    Ok(Value::String(out.finish()?))
}

/// The text of RFC 3339: with as many digits of a fraction as there are, and `Z` for UTC.
fn iso(seen: &Seen<'_>) -> String {
    let local = &seen.local;
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second()
    );
    if local.subsec_nanosecond() != 0 {
        let fraction = format!(".{:09}", local.subsec_nanosecond());
        text.push_str(fraction.trim_end_matches('0'));
    }
    if seen.zone.name == "UTC" {
        text.push('Z');
    } else {
        text.push_str(&offset_text(seen.offset, true));
    }
    text
}

impl Seen<'_> {
    /// Writes what a pattern asks for.
    fn push(&self, out: &mut StrBuilder, pattern: &str, operation: &'static str) -> Result<(), Raise> {
        for piece in Pieces::new(operation, pattern) {
            match piece? {
                Piece::Text(text) => out.push_str(text)?,
                Piece::Directive(directive) => self.push_directive(out, directive)?,
            }
        }
        Ok(())
    }

    fn push_directive(&self, out: &mut StrBuilder, directive: Directive) -> Result<(), Raise> {
        let local = &self.local;
        let weekday = local.weekday();
        let weekday_name = WEEKDAYS[weekday.to_monday_zero_offset() as usize];
        let month_name = MONTHS[local.month() as usize - 1];
        match directive {
            Directive::Year => out.push_display(&format_args!("{:04}", local.year())),
            Directive::Month => out.push_display(&format_args!("{:02}", local.month())),
            Directive::Day => out.push_display(&format_args!("{:02}", local.day())),
            Directive::DayWithBlank => out.push_display(&format_args!("{:2}", local.day())),
            Directive::Hour => out.push_display(&format_args!("{:02}", local.hour())),
            Directive::Minute => out.push_display(&format_args!("{:02}", local.minute())),
            Directive::Second => out.push_display(&format_args!("{:02}", local.second())),
            Directive::Fraction => out.push_display(&format_args!("{:09}", local.subsec_nanosecond())),
            Directive::Offset => out.push_str(&offset_text(self.offset, false)),
            Directive::ZoneName => out.push_str(&self.zone.abbreviation(self.at)),
            Directive::ShortWeekday => out.push_str(&weekday_name[..SHORT]),
            Directive::Weekday => out.push_str(weekday_name),
            Directive::WeekdayNumber => out.push_int(i64::from(weekday.to_monday_one_offset())),
            Directive::ShortMonth => out.push_str(&month_name[..SHORT]),
            Directive::MonthName => out.push_str(month_name),
            Directive::YearDay => out.push_display(&format_args!("{:03}", local.day_of_year())),
            Directive::Week => {
                let week = local.date().iso_week_date().week();
                out.push_display(&format_args!("{week:02}"))
            }
            Directive::Epoch => {
                let nanos = self.at.as_nanosecond();
                let seconds = nanos.div_euclid(i128::from(SECOND)) as i64;
                out.push_int(seconds)
            }
            Directive::Percent => out.push_char('%'),
        }
    }
}
