//! Where two values differ, for people: `assert_equals` and `snapshot`.
//!
//! Collections, instances and enum values are compared by content at any depth, everything else by `==`. The walk goes
//! by a stack of its own, which is charged; a pair that is being compared already counts as equal.
//!
//! Source: library reference §E13.

use aether_value::{
    Array, Charge, Dict, EnumValue, Instance, Raise, Rc, Set, Str, StrBuilder, Value, WORK_BYTES,
    display_text, try_equal,
};
use ahash::AHashSet;
use std::fmt::Write as _;

use crate::context::Ctx;

/// Differences that are told.
const MOST: usize = 20;
/// Lines of a text that are told.
const MOST_LINES: usize = 40;
/// Characters of a value that are shown.
const SHOWN: usize = 200;
/// Steps of a path that are shown.
const STEPS: usize = 16;

/// Two values that have parts.
enum Pair {
    /// The arrays, and where in each begins what both end with.
    Arrays(Rc<Array>, Rc<Array>, [usize; 2]),
    Dicts(Rc<Dict>, Rc<Dict>),
    Sets(Rc<Set>, Rc<Set>),
    Instances(Rc<Instance>, Rc<Instance>, Vec<Rc<Str>>),
    Enums(Rc<EnumValue>, Rc<EnumValue>),
}

/// What a pair is known by: where the two are.
type PairKey = (usize, usize);

/// A pair whose parts are being compared.
struct Frame {
    pair: Pair,
    /// Whether the parts are gone through that the actual value alone has.
    second: bool,
    position: usize,
    /// What leads to the part that was taken last.
    step: Step,
}

/// What leads from a value to a part.
enum Step {
    Index(usize),
    Key(Value),
    Field(Rc<Str>),
    Element,
}

/// A part of both values, or of one.
struct Part {
    step: Step,
    expected: Option<Value>,
    actual: Option<Value>,
}

/// The differences of two values, as lines; none if they are the same. A value without parts has no lines beside the one
/// that says so.
pub(super) fn differences(
    ctx: &mut Ctx<'_>,
    expected: &Value,
    actual: &Value,
) -> Result<Option<Vec<String>>, Raise> {
    let mut walk = Walk {
        charge: Charge::none(ctx.heap()),
        stack: Vec::new(),
        visited: AHashSet::new(),
        lines: Vec::new(),
        differs: false,
    };
    walk.compare(ctx, Some(expected), Some(actual))?;
    while let Some(part) = walk.next_part(ctx)? {
        if walk.lines.len() >= MOST {
            walk.lines.push("…".to_owned());
            break;
        }
        if let Some(frame) = walk.stack.last_mut() {
            frame.step = part.step;
        }
        walk.compare(ctx, part.expected.as_ref(), part.actual.as_ref())?;
    }
    Ok(walk.differs.then_some(walk.lines))
}

struct Walk {
    charge: Charge,
    stack: Vec<Frame>,
    visited: AHashSet<PairKey>,
    lines: Vec<String>,
    differs: bool,
}

impl Walk {
    /// Compares two parts: begins with theirs, or tells of a difference.
    fn compare(
        &mut self,
        ctx: &mut Ctx<'_>,
        expected: Option<&Value>,
        actual: Option<&Value>,
    ) -> Result<(), Raise> {
        if let (Some(expected), Some(actual)) = (expected, actual) {
            if let Some((pair, key)) = pair(ctx, expected, actual)? {
                /// Bytes of an entry among the visited ones, with the table's slack.
                const ENTRY: usize = 40;
                self.charge.add(size_of::<Frame>() + ENTRY)?;
                if self.visited.insert(key) {
                    self.stack.push(Frame {
                        pair,
                        second: false,
                        position: 0,
                        step: Step::Element,
                    });
                }
                return Ok(());
            }
            if try_equal(expected, actual)? {
                return Ok(());
            }
        }
        self.differs = true;
        let path = self.path(ctx)?;
        if let (Some(Value::String(expected)), Some(Value::String(actual))) = (expected, actual)
            && (expected.as_str().contains('\n') || actual.as_str().contains('\n'))
        {
            let (expected, actual) = (expected.as_str(), actual.as_str());
            ctx.tick((expected.len() + actual.len()) / WORK_BYTES)?;
            let lines = expected.matches('\n').count() + actual.matches('\n').count();
            let _charge = Charge::new(ctx.heap(), lines * size_of::<&str>())?;
            text_differences(&path, expected, actual, &mut self.lines);
        } else if !self.stack.is_empty() {
            for (mark, value) in [('-', expected), ('+', actual)] {
                if let Some(value) = value {
                    let text = shown(ctx, value)?;
                    let colon = if path.is_empty() { "" } else { ": " };
                    self.lines.push(format!("{mark} {path}{colon}{text}"));
                }
            }
        }
        Ok(())
    }

    /// The next part of the pair that is being compared; of the outer one when that has no more.
    fn next_part(&mut self, ctx: &mut Ctx<'_>) -> Result<Option<Part>, Raise> {
        while let Some(frame) = self.stack.last_mut() {
            ctx.tick(1)?;
            match frame.next() {
                Some(part) => return Ok(Some(part)),
                None => drop(self.stack.pop()),
            }
        }
        Ok(None)
    }

    /// What leads to the part that is being compared.
    fn path(&self, ctx: &Ctx<'_>) -> Result<String, Raise> {
        let mut path = String::new();
        let left_out = self.stack.len().saturating_sub(STEPS);
        if left_out > 0 {
            path.push('…');
        }
        for frame in &self.stack[left_out..] {
            let _ = match &frame.step {
                Step::Index(index) => write!(path, "[{index}]"),
                Step::Field(name) => write!(path, ".{}", name.as_str()),
                Step::Key(Value::String(name)) if is_name(name.as_str()) => {
                    write!(path, ".{}", name.as_str())
                }
                Step::Key(key) => write!(path, "[{}]", shown(ctx, key)?),
                Step::Element => Ok(()),
            };
        }
        Ok(path)
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_letter) && text.starts_with(|c: char| !c.is_ascii_digit()) && text.len() < SHOWN
}

/// Two values whose parts are to be compared, and what the pair is known by.
fn pair(ctx: &mut Ctx<'_>, expected: &Value, actual: &Value) -> Result<Option<(Pair, PairKey)>, Raise> {
    fn key<T>(a: &Rc<T>, b: &Rc<T>) -> PairKey
    where
        T: aether_value::Object,
    {
        (Rc::as_ptr(a) as usize, Rc::as_ptr(b) as usize)
    }
    Ok(Some(match (expected, actual) {
        (Value::Array(a), Value::Array(b)) => {
            let ends = common_end(ctx, a, b)?;
            (Pair::Arrays(a.clone(), b.clone(), ends), key(a, b))
        }
        (Value::Dict(a), Value::Dict(b)) => {
            // For the entries that both have, which are no parts of their own.
            ctx.tick(b.len())?;
            (Pair::Dicts(a.clone(), b.clone()), key(a, b))
        }
        (Value::Set(a), Value::Set(b)) => {
            ctx.tick(a.len() + b.len())?;
            (Pair::Sets(a.clone(), b.clone()), key(a, b))
        }
        (Value::Instance(a), Value::Instance(b)) if std::ptr::eq(a.definition(), b.definition()) => {
            let mut names = a.definition().fields().to_vec();
            for (name, _) in a.extra_fields().into_iter().chain(b.extra_fields()) {
                if !names.iter().any(|known| known.as_str() == name.as_str()) {
                    names.push(name);
                }
            }
            ctx.tick(names.len())?;
            (Pair::Instances(a.clone(), b.clone(), names), key(a, b))
        }
        (Value::EnumValue(a), Value::EnumValue(b)) if a.same_variant(b) && !a.is_empty() => {
            (Pair::Enums(a.clone(), b.clone()), key(a, b))
        }
        _ => return Ok(None),
    }))
}

/// Where in two arrays of different lengths begins what both end with, so that what was added or left out in front does
/// not make all else differ.
fn common_end(ctx: &mut Ctx<'_>, a: &Array, b: &Array) -> Result<[usize; 2], Raise> {
    let (mut end_a, mut end_b) = (a.len(), b.len());
    if end_a == end_b {
        return Ok([end_a, end_b]);
    }
    let count = end_a.min(end_b);
    for at in 0..count {
        ctx.tick_at(at, count, 1)?;
        let (Some(last_a), Some(last_b)) = (a.get_value(end_a - 1), b.get_value(end_b - 1)) else {
            break;
        };
        if !try_equal(&last_a, &last_b)? {
            break;
        }
        (end_a, end_b) = (end_a - 1, end_b - 1);
    }
    Ok([end_a, end_b])
}

impl Frame {
    fn next(&mut self) -> Option<Part> {
        loop {
            let at = self.position;
            self.position += 1;
            match &self.pair {
                Pair::Arrays(a, b, [end_a, end_b]) => {
                    let of = |array: &Array, end: usize| {
                        (at < end).then(|| array.get_value(at).unwrap_or(Value::Null))
                    };
                    let (expected, actual) = (of(a, *end_a), of(b, *end_b));
                    return (at < *end_a.max(end_b)).then_some(Part {
                        step: Step::Index(at),
                        expected,
                        actual,
                    });
                }
                Pair::Enums(a, b) => {
                    let expected = a.payload().get(at)?.clone();
                    return Some(Part {
                        step: Step::Index(at),
                        expected: Some(expected),
                        actual: b.payload().get(at).cloned(),
                    });
                }
                Pair::Instances(a, b, names) => {
                    let name = names.get(at)?;
                    return Some(Part {
                        step: Step::Field(name.clone()),
                        expected: a.field(name),
                        actual: b.field(name),
                    });
                }
                Pair::Dicts(a, b) if !self.second => {
                    if let Some((position, key, value)) = a.values_at(at) {
                        self.position = position;
                        return Some(Part {
                            step: Step::Key(key.clone()),
                            expected: Some(value.clone()),
                            actual: b.get_value(key),
                        });
                    }
                }
                Pair::Dicts(a, b) => {
                    let (position, key, value) = b.values_at(at)?;
                    self.position = position;
                    if a.entry(key).is_none() {
                        return Some(Part {
                            step: Step::Key(key.clone()),
                            expected: None,
                            actual: Some(value.clone()),
                        });
                    }
                    continue;
                }
                Pair::Sets(a, b) => {
                    let (from, other) = if self.second { (b, a) } else { (a, b) };
                    if let Some((position, element)) = from.value_at(at) {
                        self.position = position;
                        if other.contains(element) {
                            continue;
                        }
                        let element = Some(element.clone());
                        let (expected, actual) = if self.second {
                            (None, element)
                        } else {
                            (element, None)
                        };
                        return Some(Part {
                            step: Step::Element,
                            expected,
                            actual,
                        });
                    }
                    if self.second {
                        return None;
                    }
                }
            }
            self.second = true;
            self.position = 0;
        }
    }
}

/// The beginning of a value's text; strings within others have quotes.
pub(super) fn shown(ctx: &Ctx<'_>, value: &Value) -> Result<String, Raise> {
    let text = display_text(ctx.heap(), value)?;
    let mut shown: String = text.as_str().chars().take(SHOWN).collect();
    if shown.len() < text.as_str().len() {
        shown.push('…');
    }
    Ok(match value {
        Value::String(_) => format!("\"{}\"", shown.replace('\n', "\\n")),
        _ => shown.replace('\n', " "),
    })
}

/// The lines in which two texts differ: what lies between the lines that both begin and end with.
fn text_differences(path: &str, expected: &str, actual: &str, lines: &mut Vec<String>) {
    let (a, b): (Vec<&str>, Vec<&str>) = (expected.split('\n').collect(), actual.split('\n').collect());
    let same_start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (&a[same_start..], &b[same_start..]);
    let same_end = rest_a
        .iter()
        .rev()
        .zip(rest_b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let place = if path.is_empty() {
        String::new()
    } else {
        format!("{path} ")
    };
    lines.push(format!("@ {place}line {}", same_start + 1));
    for (mark, rest) in [('-', rest_a), ('+', rest_b)] {
        let differing = &rest[..rest.len() - same_end];
        for line in differing.iter().take(MOST_LINES) {
            let line: String = line.chars().take(SHOWN).collect();
            lines.push(format!("{mark} {line}"));
        }
        if differing.len() > MOST_LINES {
            lines.push(format!("{mark} … {} more lines", differing.len() - MOST_LINES));
        }
    }
}

/// A message with the lines of a difference below it.
pub(super) fn with_lines(ctx: &Ctx<'_>, head: &str, lines: &[String]) -> Result<Rc<Str>, Raise> {
    let mut text = StrBuilder::new(ctx.heap());
    text.push_str(head)?;
    for line in lines {
        text.push_str("\n    ")?;
        text.push_str(line)?;
    }
    text.finish()
}
