//! Compiled patterns.
//!
//! Invariants
//! - A pattern is charged for what it takes, the caches of its engines included, which grow with its use up to
//!   [`CACHE`] bytes each.
//! - The last [`REMEMBERED`] texts of patterns are remembered with what they were compiled to.

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc as StdRc;

use aether_eval::{BuiltinDef, Ctx};
use aether_value::{Builtin, Charge, Heap, Native, Raise, StrBuilder, Value};
use regex_automata::meta::{self, Regex};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, Look};

use super::search::Stepped;
use crate::arguments::{string, wrong_type};

/// Bytes of the largest compiled pattern.
const MAX_SIZE: usize = 10 << 20;
/// Bytes of the cache of an engine that makes states as it goes.
pub(super) const CACHE: usize = 1 << 20;
/// Bytes of the engine for patterns of which each character leaves one way.
const ONEPASS: usize = 64 << 10;
/// What the library's account of caches leaves out, as measured.
const CACHES: usize = 1200;
/// Patterns whose text is remembered.
const REMEMBERED: usize = 64;

/// A compiled pattern.
pub(super) struct Pattern {
    /// As it was given.
    pub(super) text: Box<str>,
    pub(super) flags: Box<str>,
    pub(super) regex: Regex,
    pub(super) cache: RefCell<meta::Cache>,
    /// The engines for long texts, once they have been wanted; none if they cannot be had.
    pub(super) stepped: OnceCell<Option<Stepped>>,
    /// The same for the whole of a text.
    whole: OnceCell<StdRc<Self>>,
    /// Bytes of the engines.
    size: usize,
    charge: RefCell<Charge>,
}

/// The patterns that are remembered, the last used last.
#[derive(Default)]
struct Remembered(Vec<StdRc<Pattern>>);

/// What is wrong with a pattern.
#[cold]
fn refused(detail: &str) -> Raise {
    Raise::parse("regex", detail)
}

/// The error for a text that is no pattern: what is wrong, and where.
#[cold]
fn syntax_error(text: &str, error: &regex_syntax::Error) -> Raise {
    let (kind, offset) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.offset),
        other => return refused(&other.to_string()),
    };
    let position = text.get(..offset).map_or(offset, |before| before.chars().count());
    refused(&format!("{kind} at position {position}"))
}

fn parse(text: &str, flags: &str) -> Result<Hir, Raise> {
    let mut builder = ParserBuilder::new();
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'm' => builder.multi_line(true),
            's' => builder.dot_matches_new_line(true),
            'x' => builder.ignore_whitespace(true),
            other => {
                let shown = other.escape_debug();
                return Err(refused(&format!(
                    "unknown flag '{shown}' (i, m, s and x are known)"
                )));
            }
        };
    }
    let parsed = builder.build().parse(text);
    parsed.map_err(|error| syntax_error(text, &error))
}

/// Bytes of the engines, of which the library's account leaves out what has always the same size: less where the pattern
/// is a few texts, which need no engine. As measured.
fn engines(told: usize) -> usize {
    told + if told < 64 { 2950 } else { 4330 }
}

impl Pattern {
    pub(super) fn new(heap: &Heap, text: &str, flags: &str) -> Result<Self, Raise> {
        // The tree of a text is larger than the text.
        let _charge = Charge::new(heap, text.len().saturating_mul(64))?;
        let hir = parse(text, flags)?;
        Self::from_hir(heap, text, flags, &hir)
    }

    fn from_hir(heap: &Heap, text: &str, flags: &str, hir: &Hir) -> Result<Self, Raise> {
        let config = meta::Config::new()
            .nfa_size_limit(Some(MAX_SIZE))
            .hybrid_cache_capacity(CACHE)
            .onepass_size_limit(Some(ONEPASS));
        let regex = meta::Builder::new().configure(config).build_from_hir(hir);
        let regex = regex.map_err(|error| match error.size_limit() {
            Some(_) => refused(&format!("the compiled pattern exceeds {MAX_SIZE} bytes")),
            None => refused(&error.to_string()),
        })?;
        let size = regex.memory_usage();
        heap.count_work(size / 64);
        let charge = Charge::new(heap, size_of::<Self>() + 2 * text.len() + engines(size))?;
        Ok(Self {
            text: text.into(),
            flags: flags.into(),
            cache: RefCell::new(regex.create_cache()),
            stepped: OnceCell::new(),
            whole: OnceCell::new(),
            size: engines(size),
            charge: RefCell::new(charge),
            regex,
        })
    }

    /// The tree of the pattern, and the limit for what is made of it.
    pub(super) fn tree(&self) -> Option<(Hir, usize)> {
        Some((parse(&self.text, &self.flags).ok()?, MAX_SIZE))
    }

    /// About how many states it has.
    pub(super) fn states(&self) -> usize {
        self.size / 32
    }

    /// The same pattern for the whole of a text.
    pub(super) fn whole(&self, ctx: &Ctx<'_>) -> Result<StdRc<Self>, Raise> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole.clone());
        }
        let hir = Hir::concat(vec![
            Hir::look(Look::Start),
            parse(&self.text, &self.flags)?,
            Hir::look(Look::End),
        ]);
        let whole = StdRc::new(Self::from_hir(ctx.heap(), &self.text, &self.flags, &hir)?);
        Ok(self.whole.get_or_init(|| whole).clone())
    }

    /// Charges what the caches have grown by.
    pub(super) fn settle(&self) -> Result<(), Raise> {
        let cache = match self.cache.borrow().memory_usage() {
            0 => 0,
            told => told + CACHES,
        };
        let stepped = self
            .stepped
            .get()
            .and_then(Option::as_ref)
            .map_or(0, Stepped::memory);
        let size = size_of::<Self>() + 2 * self.text.len() + self.size + cache + stepped;
        let mut charge = self.charge.borrow_mut();
        let more = size.saturating_sub(charge.bytes());
        charge.add(more)
    }
}

/// `compile(pattern, [flags])`
pub(super) fn compile(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let flags = match args.get(1) {
        None | Some(Value::Null) => "",
        Some(flags) => string(flags)?.as_str(),
    };
    let pattern = remembered(ctx, string(&args[0])?.as_str(), flags)?;
    Ok(Value::Native(ctx.heap().native(Box::new(Compiled(pattern)))?))
}

/// The pattern in an argument.
pub(super) fn of(ctx: &mut Ctx<'_>, value: &Value) -> Result<StdRc<Pattern>, Raise> {
    match value {
        Value::String(text) => remembered(ctx, text.as_str(), ""),
        Value::Native(native) if let Some(compiled) = native.downcast::<Compiled>() => Ok(compiled.0.clone()),
        other => Err(wrong_type("string or regex", other)),
    }
}

/// A pattern by its text, compiled if it is not remembered.
fn remembered(ctx: &mut Ctx<'_>, text: &str, flags: &str) -> Result<StdRc<Pattern>, Raise> {
    let patterns = &mut ctx.module_state::<Remembered>().0;
    let known = patterns
        .iter()
        .rposition(|pattern| *pattern.text == *text && *pattern.flags == *flags);
    if let Some(known) = known {
        let pattern = patterns.remove(known);
        patterns.push(pattern.clone());
        return Ok(pattern);
    }
    ctx.tick(text.len())?;
    let pattern = StdRc::new(Pattern::new(ctx.heap(), text, flags)?);
    let patterns = &mut ctx.module_state::<Remembered>().0;
    if patterns.len() == REMEMBERED {
        patterns.remove(0);
    }
    patterns.push(pattern.clone());
    Ok(pattern)
}

/// A pattern as a value.
struct Compiled(StdRc<Pattern>);

impl Native for Compiled {
    fn type_name(&self) -> &'static str {
        "regex"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<regex:")?;
        out.push_str(&self.0.text)?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let text = match name {
            "pattern" => &self.0.text,
            "flags" => &self.0.flags,
            _ => return Ok(None),
        };
        Ok(Some(Value::String(heap.string(text)?)))
    }

    fn member_names(&self) -> Vec<String> {
        ["pattern", "flags"].map(str::to_owned).into()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(super::METHODS, name)
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.0.text == other.0.text && self.0.flags == other.0.flags)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
