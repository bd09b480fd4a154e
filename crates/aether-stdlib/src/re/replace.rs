//! Replacing and splitting.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc as StdRc;

use aether_eval::{Ctx, Event, Step};
use aether_value::{Native, Raise, Rc, Str, StrBuilder, Value};

use super::matched::{self, Cursor};
use super::pattern::{self, Pattern};
use super::search::{Found, Match, Positions};
use crate::arguments::{int, object, wrong_type};

/// The slots of `replace` after the pattern and the text.
const TO: usize = 2;
const WORK: usize = 3;

/// A part of what a match is replaced with.
enum Part<'t> {
    Text(&'t str),
    /// A group by its number.
    Group(usize),
}

/// The parts of a replacement: `$1`, `$name`, `${name}` for groups, `$$` for a dollar sign.
fn parts<'t>(pattern: &Pattern, to: &'t str) -> Result<Vec<Part<'t>>, Raise> {
    let mut parts = Vec::new();
    let mut rest = to;
    while let Some(dollar) = rest.find('$') {
        parts.push(Part::Text(&rest[..dollar]));
        let behind = &rest[dollar + 1..];
        if let Some(after) = behind.strip_prefix('$') {
            parts.push(Part::Text("$"));
            rest = after;
            continue;
        }
        let is_name = |character: char| character == '_' || character.is_ascii_alphanumeric();
        let braced = behind.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (name, after) = braced.unwrap_or_else(|| {
            let end = behind
                .find(|character| !is_name(character))
                .unwrap_or(behind.len());
            behind.split_at(end)
        });
        if name.is_empty() {
            // A dollar sign before something else is itself.
            parts.push(Part::Text("$"));
            rest = behind;
            continue;
        }
        parts.push(Part::Group(group(pattern, name)?));
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// The number of a group by its number or name.
fn group(pattern: &Pattern, name: &str) -> Result<usize, Raise> {
    let infos = pattern.regex.group_info();
    let first = regex_automata::PatternID::ZERO;
    let known = match name.parse::<usize>() {
        Ok(number) => Some(number).filter(|number| *number < infos.group_len(first)),
        Err(_) => infos.to_index(first, name),
    };
    known.ok_or_else(|| {
        let detail = format!("re.replace: the pattern has no group '{name}' for '${name}'");
        let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 || digits == name.len() {
            return Raise::operation(&detail);
        }
        let (number, text) = name.split_at(digits);
        Raise::operation(&format!(
            "{detail}; '\\${{{number}}}{text}' is the group and text behind it"
        ))
    })
}

/// Replaces with a text.
fn with_text(
    ctx: &mut Ctx<'_>,
    pattern: &Pattern,
    text: &Rc<Str>,
    to: &str,
    most: usize,
) -> Result<Value, Raise> {
    ctx.tick(to.len() / 16)?;
    let parts = parts(pattern, to)?;
    let wanted = if parts.iter().any(|part| matches!(part, Part::Group(_))) {
        Found::WithGroups
    } else {
        Found::Span
    };
    let source = text.as_str();
    let mut out = StrBuilder::new(ctx.heap());
    let (mut copied, mut positions) = (0, Positions::new());
    let mut count = 0;
    while count < most
        && let Some(found) = positions.next(ctx, pattern, source, wanted)?
    {
        out.push_str(&source[copied..found.start])?;
        for part in &parts {
            match part {
                Part::Text(text) => out.push_str(text)?,
                Part::Group(number) => {
                    let groups = found.groups.as_ref();
                    if let Some(span) = groups.and_then(|groups| groups.get_group(*number)) {
                        out.push_str(&source[span.start..span.end])?;
                    }
                }
            }
        }
        copied = found.end;
        count += 1;
    }
    if count == 0 {
        return Ok(Value::String(text.clone()));
    }
    out.push_str(&source[copied..])?;
    Ok(Value::String(out.finish()?))
}

/// What is being replaced by what a function gives.
struct Work {
    pattern: StdRc<Pattern>,
    state: RefCell<State>,
}

struct State {
    out: Option<StrBuilder>,
    copied: usize,
    positions: Positions,
    left: usize,
    cursor: Cursor,
}

impl Native for Work {
    fn type_name(&self) -> &'static str {
        "replacement"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `replace(pattern, s, to)`
pub(super) fn replace(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    step(ctx, slots, event, usize::MAX)
}

/// `replace_first(pattern, s, to)`
pub(super) fn replace_first(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    step(ctx, slots, event, 1)
}

fn step(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event, most: usize) -> Result<Step, Raise> {
    let text = super::subject(&slots[1])?.clone();
    match event {
        Event::Start => {
            let pattern = pattern::of(ctx, &slots[0])?;
            match &slots[TO] {
                Value::String(to) => {
                    let to = to.clone();
                    return with_text(ctx, &pattern, &text, to.as_str(), most).map(Step::Done);
                }
                to if to.is_callable() => {}
                to => return Err(wrong_type("string or function", to)),
            }
            let state = State {
                out: Some(StrBuilder::new(ctx.heap())),
                copied: 0,
                positions: Positions::new(),
                left: most,
                cursor: Cursor::default(),
            };
            let work = Work {
                pattern,
                state: RefCell::new(state),
            };
            slots[WORK] = Value::Native(ctx.heap().native(Box::new(work))?);
        }
        Event::Returned(value) => {
            let replacement = ctx.text(&value)?;
            if let Some(out) = &mut object::<Work>(&slots[WORK]).state.borrow_mut().out {
                out.push_str(replacement.as_str())?;
            }
        }
        Event::Failed(raise) => return Err(raise),
    }
    let work = object::<Work>(&slots[WORK]);
    let mut state = work.state.borrow_mut();
    let source = text.as_str();
    let found = if state.left > 0 {
        let positions = &mut state.positions;
        positions.next(ctx, &work.pattern, source, Found::WithGroups)?
    } else {
        None
    };
    let copied = state.copied;
    let Some(mut out) = state.out.take() else {
        unreachable!("it is there until the end")
    };
    let Some(found) = found else {
        out.push_str(&source[copied..])?;
        return Ok(Step::Done(Value::String(out.finish()?)));
    };
    out.push_str(&source[copied..found.start])?;
    state.out = Some(out);
    state.copied = found.end;
    state.left -= 1;
    let argument = matched::to_value(ctx, &work.pattern, &text, &found, &mut state.cursor)?;
    Ok(Step::call1(&slots[TO], argument))
}

/// `split(pattern, s, [limit])`
pub(super) fn split(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let pattern = pattern::of(ctx, &args[0])?;
    let text = super::subject(&args[1])?;
    let most = match args.get(2) {
        None | Some(Value::Null) => usize::MAX,
        Some(limit) => {
            let limit = int(limit)?;
            match usize::try_from(limit) {
                Ok(limit) if limit > 0 => limit,
                _ => {
                    let detail = format!("re.split: limit must be positive, got {limit}");
                    return Err(Raise::operation(&detail));
                }
            }
        }
    };
    let source = text.as_str();
    let pieces = ctx.heap().array(0)?;
    let (mut copied, mut positions) = (0, Positions::new());
    while pieces.len() + 1 < most
        && let Some(found) = positions.next(ctx, &pattern, source, Found::Span)?
    {
        let Match { start, end, .. } = found;
        pieces.push(Value::String(ctx.heap().piece(&source[copied..start])?))?;
        copied = end;
    }
    pieces.push(Value::String(ctx.heap().piece(&source[copied..])?))?;
    Ok(Value::Array(pieces))
}
