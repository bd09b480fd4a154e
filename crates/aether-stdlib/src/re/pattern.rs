//! Compiled patterns.
//!
//! Invariants
//! - A pattern is charged for what it takes, the caches of its engines included, which grow with its use up to
//!   [`CACHE`] bytes each.
//! - What may take long to compile is compiled on another thread, so that limits hold meanwhile.
//! - The last [`REMEMBERED`] texts of patterns are remembered with what they were compiled to.

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc as StdRc;

use aether_eval::{BuiltinDef, Ctx};
use aether_value::{Builtin, Charge, Heap, Native, Raise, StrBuilder, Value};
use regex_automata::meta::{self, Regex};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

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
/// Bytes of a pattern up to which it is parsed at once: some milliseconds, even if it is all classes of letters.
const SHORT_TEXT: usize = 1 << 10;
/// The [`effort`] up to which a pattern is compiled at once: half a microsecond each.
const SMALL_EFFORT: usize = 1 << 14;

/// A compiled pattern.
pub(super) struct Pattern {
    pub(super) source: Source,
    pub(super) regex: Regex,
    pub(super) cache: RefCell<meta::Cache>,
    /// The engines for long texts, once they have been wanted; none if they cannot be had.
    pub(super) stepped: OnceCell<Option<Stepped>>,
    /// The same for the whole of a text.
    whole: OnceCell<StdRc<Self>>,
    /// Bytes of the engines.
    size: usize,
    /// Whether it took long to compile.
    pub(super) is_large: bool,
    charge: RefCell<Charge>,
}

/// What a pattern is compiled from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// As it was given.
    pub(super) text: Box<str>,
    pub(super) flags: Box<str>,
    /// Whether it has to match the whole of a text.
    is_whole: bool,
}

/// The patterns that are remembered, the last used last.
#[derive(Default)]
struct Remembered(Vec<StdRc<Pattern>>);

/// What is wrong with a pattern.
type Refused = String;

#[cold]
fn refusal(refused: &str) -> Raise {
    Raise::parse("regex", refused)
}

/// What is wrong with a text that is no pattern, and where.
#[cold]
fn syntax_error(text: &str, error: &regex_syntax::Error) -> Refused {
    let (kind, offset) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.offset),
        other => return other.to_string(),
    };
    let position = text.get(..offset).map_or(offset, |before| before.chars().count());
    format!("{kind} at position {position}")
}

fn parse(text: &str, flags: &str) -> Result<Hir, Refused> {
    let mut builder = ParserBuilder::new();
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'm' => builder.multi_line(true),
            's' => builder.dot_matches_new_line(true),
            'x' => builder.ignore_whitespace(true),
            other => {
                let shown = other.escape_debug();
                return Err(format!("unknown flag '{shown}' (i, m, s and x are known)"));
            }
        };
    }
    let parsed = builder.build().parse(text);
    parsed.map_err(|error| syntax_error(text, &error))
}

/// What it takes about to compile a tree, whose depth its parser limits.
fn effort(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            effort(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => effort(&capture.sub).saturating_add(1),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .fold(0, |sum: usize, part| sum.saturating_add(effort(part))),
    }
}

fn build(hir: &Hir) -> Result<Regex, Refused> {
    let config = meta::Config::new()
        .nfa_size_limit(Some(MAX_SIZE))
        .hybrid_cache_capacity(CACHE)
        .onepass_size_limit(Some(ONEPASS));
    let regex = meta::Builder::new().configure(config).build_from_hir(hir);
    regex.map_err(|error| match error.size_limit() {
        Some(_) => format!("the compiled pattern exceeds {MAX_SIZE} bytes"),
        None => error.to_string(),
    })
}

impl Source {
    pub(super) fn new(text: &str, flags: &str) -> Self {
        Self {
            text: text.into(),
            flags: flags.into(),
            is_whole: false,
        }
    }

    fn tree(&self) -> Result<Hir, Refused> {
        let hir = parse(&self.text, &self.flags)?;
        Ok(if self.is_whole {
            Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
        } else {
            hir
        })
    }

    /// The tree, and the limit for what is made of it.
    pub(super) fn limited_tree(&self) -> Option<(Hir, usize)> {
        Some((self.tree().ok()?, MAX_SIZE))
    }

    /// Bytes.
    fn size(&self) -> usize {
        self.text.len() + self.flags.len()
    }
}

/// Bytes of the engines, of which the library's account leaves out what has always the same size: less where the pattern
/// is a few texts, which need no engine. As measured.
fn engines(told: usize) -> usize {
    told + if told < 64 { 2950 } else { 4330 }
}

impl Pattern {
    pub(super) fn new(ctx: &mut Ctx<'_>, source: Source) -> Result<Self, Raise> {
        // The tree of a text is larger than the text.
        let _charge = Charge::new(ctx.heap(), source.text.len().saturating_mul(64))?;
        let is_long = source.text.len() > SHORT_TEXT;
        let (regex, is_large) = if is_long {
            let source = source.clone();
            let regex = ctx.on_another_thread(move || build(&source.tree()?))?;
            (regex, true)
        } else {
            let hir = source.tree().map_err(|refused| refusal(&refused))?;
            if effort(&hir) > SMALL_EFFORT {
                (ctx.on_another_thread(move || build(&hir))?, true)
            } else {
                (build(&hir), false)
            }
        };
        let regex = regex.map_err(|refused| refusal(&refused))?;
        Self::from_regex(ctx.heap(), source, regex, is_large)
    }

    fn from_regex(heap: &Heap, source: Source, regex: Regex, is_large: bool) -> Result<Self, Raise> {
        let size = regex.memory_usage();
        heap.count_work(size / 64);
        let charge = Charge::new(heap, size_of::<Self>() + 2 * source.size() + engines(size))?;
        Ok(Self {
            source,
            cache: RefCell::new(regex.create_cache()),
            stepped: OnceCell::new(),
            whole: OnceCell::new(),
            size: engines(size),
            is_large,
            charge: RefCell::new(charge),
            regex,
        })
    }

    /// A pattern for tests, which have no engine.
    #[cfg(test)]
    pub(super) fn for_test(heap: &Heap, text: &str) -> Option<Self> {
        let source = Source::new(text, "");
        let regex = build(&source.tree().ok()?).ok()?;
        Self::from_regex(heap, source, regex, false).ok()
    }

    /// About how many states it has.
    pub(super) fn states(&self) -> usize {
        self.size / 32
    }

    /// The same pattern for the whole of a text.
    pub(super) fn whole(&self, ctx: &mut Ctx<'_>) -> Result<StdRc<Self>, Raise> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole.clone());
        }
        let source = Source {
            is_whole: true,
            ..self.source.clone()
        };
        let whole = StdRc::new(Self::new(ctx, source)?);
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
        let size = size_of::<Self>() + 2 * self.source.size() + self.size + cache + stepped;
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
        .rposition(|pattern| *pattern.source.text == *text && *pattern.source.flags == *flags);
    if let Some(known) = known {
        let pattern = patterns.remove(known);
        patterns.push(pattern.clone());
        return Ok(pattern);
    }
    ctx.tick(text.len())?;
    let pattern = StdRc::new(Pattern::new(ctx, Source::new(text, flags))?);
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
        out.push_str(&self.0.source.text)?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let text = match name {
            "pattern" => &self.0.source.text,
            "flags" => &self.0.source.flags,
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
        other.is_some_and(|other| self.0.source == other.0.source)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
