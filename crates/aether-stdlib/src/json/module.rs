//! The module `json`: reading and writing with options.
//!
//! Source: library reference §E7.

use aether_eval::{BuiltinDef, Ctx, Event, LibraryModule, Permission, Step};
use aether_value::{Native, Raise, Value};
use std::any::Any;
use std::cell::RefCell;

use super::format::{self, Formatter, Stop};
use super::parse::{self, BigNumbers};
use crate::arguments::{Options, object, string, wrong_type};

const SORT_KEYS: &str = "sort_keys";
const COMMENTS: &str = "comments";
const BIG_NUMBERS: &str = "big_numbers";
const MAX_DEPTH: &str = "max_depth";
const INDENT: &str = "indent";
const INSTANCES: &str = "instances";
const SETS: &str = "sets";
const DEFAULT: &str = "default";
const ASCII: &str = "ascii";

/// The options of `parse`.
const PARSE_OPTIONS: &[&str] = &[SORT_KEYS, COMMENTS, BIG_NUMBERS, MAX_DEPTH];
/// The options of `stringify`.
const STRINGIFY_OPTIONS: &[&str] = &[INDENT, SORT_KEYS, INSTANCES, SETS, DEFAULT, ASCII];

/// The most blanks of an indent.
const MAX_INDENT: i64 = 32;

/// The module.
pub(crate) const MODULE: LibraryModule = LibraryModule {
    name: "json",
    functions: &[
        BuiltinDef::core("parse", &["s", "opts"], 1, 2, parse).with_options(PARSE_OPTIONS),
        BuiltinDef::core_frame("stringify", &["v", "opts"], 1, 2, 4, stringify)
            .with_options(STRINGIFY_OPTIONS),
        BuiltinDef::core("lines", &["path"], 1, 1, super::lines::lines).needing(Permission::Read),
    ],
    constants: &[],
};

fn parse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?;
    let options = Options::new(args.get(1), PARSE_OPTIONS)?;
    let big_numbers = match options
        .string(BIG_NUMBERS)?
        .as_ref()
        .map_or("float", |text| text.as_str())
    {
        "float" => BigNumbers::Float,
        "string" => BigNumbers::String,
        "error" => BigNumbers::Error,
        other => {
            let detail = format!(
                "json.parse: unknown big_numbers '{}' (float, string or error)",
                other.escape_debug()
            );
            return Err(Raise::operation(&detail));
        }
    };
    let max_depth = match options.int(MAX_DEPTH)? {
        None => usize::MAX,
        Some(depth) => usize::try_from(depth).map_err(|_| {
            Raise::operation(&format!(
                "json.parse: max_depth must not be negative, got {depth}"
            ))
        })?,
    };
    let options = parse::Options {
        sort_keys: options.boolean(SORT_KEYS, false)?,
        comments: options.boolean(COMMENTS, false)?,
        big_numbers,
        max_depth,
    };
    parse::parse_with(ctx.heap(), text.as_str(), options, 1)
}

/// The slots of `stringify` after the value and the options.
const FUNCTION: usize = 2;
const WORK: usize = 3;

/// The text in the making, between calls of a function.
struct Work(RefCell<Formatter>);

impl Native for Work {
    fn type_name(&self) -> &'static str {
        "json_text"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a level is indented with.
fn indent(options: Options<'_>) -> Result<Option<Box<str>>, Raise> {
    match options.get(INDENT) {
        None => Ok(None),
        Some(Value::Int(0)) => Ok(None),
        Some(Value::Int(count)) if (1..=MAX_INDENT).contains(&count) => {
            Ok(Some(" ".repeat(count as usize).into()))
        }
        Some(Value::Int(count)) => Err(Raise::operation(&format!(
            "json.stringify: indent must be between 0 and {MAX_INDENT}, got {count}"
        ))),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len_bytes() <= MAX_INDENT as usize => {
            Ok(Some(text.as_str().into()))
        }
        Some(Value::String(_)) => Err(Raise::operation(&format!(
            "json.stringify: indent is longer than {MAX_INDENT} bytes"
        ))),
        Some(other) => Err(wrong_type("int or string", &other)),
    }
}

fn stringify(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let (value, is_replacement) = match event {
        Event::Start => {
            let options = Options::new(Some(&slots[1]), STRINGIFY_OPTIONS)?;
            let default = options.get(DEFAULT);
            if let Some(default) = default.as_ref().filter(|default| !default.is_callable()) {
                return Err(wrong_type("function", default));
            }
            let format = format::Options {
                indent: indent(options)?,
                sort_keys: options.boolean(SORT_KEYS, false)?,
                instances: options.boolean(INSTANCES, false)?,
                sets: options.boolean(SETS, false)?,
                ascii: options.boolean(ASCII, false)?,
                has_default: default.is_some(),
            };
            slots[FUNCTION] = default.unwrap_or(Value::Null);
            let work = Work(RefCell::new(Formatter::new(ctx.heap(), format)));
            slots[WORK] = Value::Native(ctx.heap().native(Box::new(work))?);
            (slots[0].clone(), false)
        }
        Event::Returned(value) => (value, true),
        Event::Failed(raise) => return Err(raise),
    };
    let Work(formatter) = object(&slots[WORK]);
    let stopped = formatter.borrow_mut().write(&value, is_replacement)?;
    match stopped {
        Stop::Done(text) => Ok(Step::Done(Value::String(text))),
        Stop::Unknown(unknown) => Ok(Step::call1(&slots[FUNCTION], unknown)),
    }
}
