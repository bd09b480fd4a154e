//! The module `log`: lines with time, level and fields, to standard error or wherever a script says.
//!
//! Source: library reference §E1.

use aether_value::{Raise, Value};

use std::fmt::Write as _;

use super::console::output_error;
use super::support::{string, wrong_type};
use super::{Args, BuiltinDef, Event, Step};
use crate::Host;
use crate::context::Ctx;
use crate::host::Permission;

pub(super) static DEFS: &[BuiltinDef] = &[
    level_named("debug", |ctx, slots, event| line(ctx, Level::Debug, slots, event)),
    level_named("info", |ctx, slots, event| line(ctx, Level::Info, slots, event)),
    level_named("warn", |ctx, slots, event| line(ctx, Level::Warn, slots, event)),
    level_named("error", |ctx, slots, event| line(ctx, Level::Error, slots, event)),
    BuiltinDef::core("level", &["name"], 0, 1, set_level),
    BuiltinDef::core("json", &["on"], 1, 1, set_json),
    BuiltinDef::core("to", &["target"], 1, 1, set_target),
];

const fn level_named(name: &'static str, resume: super::Resume) -> BuiltinDef {
    BuiltinDef::core_frame(name, &["message", "fields"], 1, 2, 3, resume)
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

impl Level {
    const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Self::ALL.into_iter().find(|level| level.name() == lower)
    }
}

/// What a script has said of its log.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// None until it is asked for: the environment says.
    level: Option<Level>,
    json: bool,
    /// Null for standard error, a string for a path, a function.
    target: Option<Value>,
}

/// What `AETHER_LOG` says: a level, `gc` for a report of each collection, or both with a comma between.
pub(crate) fn environment_words(host: &mut dyn Host) -> impl Iterator<Item = String> {
    let words = host.env("AETHER_LOG").unwrap_or_default();
    let words: Vec<String> = words.split(',').map(|word| word.trim().to_owned()).collect();
    words.into_iter()
}

/// The least level that is written.
fn threshold(ctx: &mut Ctx<'_>) -> Level {
    if let Some(level) = ctx.vm.log.level {
        return level;
    }
    let named = environment_words(ctx.host()).find_map(|word| Level::named(&word));
    *ctx.vm.log.level.insert(named.unwrap_or_default())
}

fn set_level(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let Some(name) = args.first().filter(|name| !name.is_null()) {
        let name = string(name)?.as_str();
        let level = Level::named(name).ok_or_else(|| {
            Raise::operation(&format!(
                "unknown level '{name}': expected debug, info, warn or error"
            ))
        })?;
        ctx.vm.log.level = Some(level);
        return Ok(Value::Null);
    }
    let level = threshold(ctx);
    ctx.string(level.name())
}

fn set_json(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Bool(on) = args[0] else {
        return Err(wrong_type("bool", &args[0]));
    };
    ctx.vm.log.json = on;
    Ok(Value::Null)
}

fn set_target(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    ctx.vm.log.target = match &args[0] {
        Value::Null => None,
        value @ Value::String(_) => Some(value.clone()),
        value if value.is_callable() => Some(value.clone()),
        other => return Err(wrong_type("string, function or null", other)),
    };
    Ok(Value::Null)
}

/// Writes a line. In JSON the text is made by the library's own function, and the third slot says that it is asked.
fn line(ctx: &mut Ctx<'_>, level: Level, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Failed(raise) => return Err(raise),
        Event::Returned(Value::String(text)) if slots[2].truthy() => {
            slots[2] = Value::Null;
            return write_line(ctx, text.as_str());
        }
        // What an async target gives: its body would not run otherwise.
        Event::Returned(promise @ Value::Promise(_)) => return Ok(Step::Await(promise)),
        Event::Returned(_) => return Ok(Step::Done(Value::Null)),
        Event::Start => {}
    }
    if level < threshold(ctx) {
        return Ok(Step::Done(Value::Null));
    }
    let fields = match &slots[1] {
        Value::Null => None,
        Value::Dict(fields) => Some(fields.clone()),
        other => return Err(wrong_type("dict", other)),
    };
    let time = rfc3339(ctx.host().clock());
    let json = ctx
        .vm
        .log
        .json
        .then(|| ctx.vm.tables.prelude_value("json_stringify"))
        .flatten();
    if let Some(stringify) = json {
        let all = ctx.heap().dict()?;
        let mut entries = vec![("time", ctx.string(&time)?), ("level", ctx.string(level.name())?)];
        entries.push(("msg", Value::String(ctx.text(&slots[0])?)));
        for (key, value) in entries {
            all.insert(ctx.string(key)?, value)?;
        }
        for (key, value) in fields.iter().flat_map(|fields| fields.iter()) {
            all.insert(key.clone(), value.clone())?;
        }
        slots[2] = Value::Bool(true);
        return Ok(Step::Call {
            function: stringify,
            args: Args::One(Value::Dict(all)),
            lenient: false,
        });
    }
    let message = ctx.text(&slots[0])?;
    let mut out = format!("{time} {} {}", level.name().to_uppercase(), message.as_str());
    for (key, value) in fields.iter().flat_map(|fields| fields.iter()) {
        let (key, value) = (ctx.text(key)?, ctx.text(value)?);
        out.push(' ');
        out.push_str(key.as_str());
        out.push('=');
        push_value(&mut out, value.as_str());
    }
    write_line(ctx, &out)
}

/// Adds the value of a field, in quotes if it would be taken for something else.
fn push_value(out: &mut String, text: &str) {
    let is_plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '='));
    if is_plain {
        out.push_str(text);
    } else {
        // Writing to a string cannot fail.
        let _ = write!(out, "{text:?}");
    }
}

fn write_line(ctx: &mut Ctx<'_>, text: &str) -> Result<Step, Raise> {
    ctx.tick(text.len() / aether_value::WORK_BYTES)?;
    match ctx.vm.log.target.clone() {
        None => {
            ctx.vm.count_output(text.len() + 1)?;
            let written = ctx.host().write_err(&format!("{text}\n"));
            written.map_err(|error| output_error("log", &error))?;
            Ok(Step::Done(Value::Null))
        }
        Some(Value::String(path)) => {
            let answer = ctx.host().permit(Permission::Write, path.as_str());
            answer.map_err(|detail| Raise::permission(&detail))?;
            let written = ctx
                .host()
                .append_file(path.as_str(), format!("{text}\n").as_bytes());
            written.map_err(|error| Raise::io("log", path.as_str(), &error.to_string()))?;
            Ok(Step::Done(Value::Null))
        }
        Some(function) => Ok(Step::Call {
            function,
            args: Args::One(ctx.string(text)?),
            lenient: true,
        }),
    }
}

/// A moment in seconds since the epoch as text, in UTC with milliseconds.
fn rfc3339(seconds: f64) -> String {
    let millis = (seconds * 1000.0).max(0.0) as u64;
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    // Days are counted from 0000-03-01, so that the leap day ends a year; 400 years have 146097 days.
    let from_march = days + 719_468;
    let (era, day) = (from_march / 146_097, from_march % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let calendar_month = if month < 10 { month + 3 } else { month - 9 };
    let calendar_year = era * 400 + year + u64::from(calendar_month <= 2);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (whole, fraction) = (rest / 1000 % 60, rest % 1000);
    format!(
        "{calendar_year:04}-{calendar_month:02}-{date:02}T{hours:02}:{minutes:02}:{whole:02}.{fraction:03}Z"
    )
}

#[cfg(test)]
mod tests {
    use super::{push_value, rfc3339};

    #[test]
    fn moments_have_dates() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_400.0, "2000-02-29T00:00:00.000Z"),
            (951_868_799.5, "2000-02-29T23:59:59.500Z"),
            (1_767_225_599.0, "2025-12-31T23:59:59.000Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000Z"),
            (1_709_164_800.25, "2024-02-29T00:00:00.250Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn values_are_quoted_where_need_be() {
        let quoted = |text: &str| {
            let mut out = String::new();
            push_value(&mut out, text);
            out
        };
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("two words"), "\"two words\"");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a=\"b\""), "\"a=\\\"b\\\"\"");
    }
}
