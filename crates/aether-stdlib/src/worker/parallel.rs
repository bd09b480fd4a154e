//! The module `parallel`: the work on the items of an array, divided among workers.
//!
//! Items go in chunks, several for each worker, so that one that is slow does not hold up the rest. Towards the end they
//! become smaller, so that workers end together ([`Division::bounds`]). What is divided and joined again is written in
//! the language.
//!
//! Where nobody can tell, the work is tried here first, for about as long as starting workers takes ([`Ctx::begin_trial`]).
//! A trial that fails has done nothing, and workers do all of it.
//!
//! Source: library reference §E10.

use std::any::Any;
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use aether_eval::{Args, BuiltinDef, Ctx, Event, LibraryModule, Permission, Resume, Step};
use aether_value::{Builtin, Native, Raise, Value};

use super::pool::{Call, Pool, function};
use crate::arguments::{Options, array, object, permit, receiver};

const OPTIONS: &[&str] = &["workers", "chunk", "progress"];

/// Chunks for each worker of the items that are left, unless their size is given.
const CHUNKS: usize = 4;

/// Chunks for each worker if all were as small as the smallest: each costs some 20 µs.
const MOST_CHUNKS: usize = 32;

/// What each function does with the items.
#[derive(Clone, Copy)]
struct Loop {
    /// The function of the library that works on a chunk.
    chunk: &'static str,
    /// The one that works on all items at once, in a trial.
    all: &'static str,
    /// The one that divides items and joins what workers give.
    whole: &'static str,
    /// The slot of a reduction's initial value.
    initial: Option<usize>,
}

const MAP: Loop = Loop {
    chunk: "chunk_map",
    all: "chunk_map",
    whole: "parallel_map",
    initial: None,
};

const EACH: Loop = Loop {
    chunk: "chunk_each",
    all: "chunk_each",
    whole: "parallel_each",
    initial: None,
};

const REDUCE: Loop = Loop {
    chunk: "chunk_reduce",
    all: "parallel_parts",
    whole: "parallel_reduce",
    initial: Some(2),
};

/// The module.
pub(crate) const PARALLEL: LibraryModule = LibraryModule {
    name: "parallel",
    functions: &[
        definition("map", &["items", "function", "options"], |ctx, slots, event| {
            run(ctx, slots, event, MAP)
        }),
        definition("each", &["items", "function", "options"], |ctx, slots, event| {
            run(ctx, slots, event, EACH)
        }),
        definition(
            "reduce",
            &["items", "function", "initial", "options"],
            |ctx, slots, event| run(ctx, slots, event, REDUCE),
        ),
    ],
    constants: &[],
};

/// A function of the module: the options, which come last, may be left out.
const fn definition(name: &'static str, params: &'static [&'static str], run: Resume) -> BuiltinDef {
    let count = params.len() as u8;
    BuiltinDef::core_frame(name, params, count - 1, count, count + 1, run)
        .iterables(1)
        .needing(Permission::Worker)
        .with_options(OPTIONS)
        .catching()
}

/// Submits chunks to a pool, when it is called.
struct Submit {
    pool: Rc<Pool>,
    helper: &'static str,
}

static SUBMIT: BuiltinDef = BuiltinDef::method("submit", 1, 1, |ctx, args| {
    let message = ctx.message(&args[1])?;
    let submit = receiver::<Submit>(args);
    submit.pool.submit(ctx, Call::Each(submit.helper), message)
});

impl Native for Submit {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of::<Pool>()
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&SUBMIT.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Cores that the process may use, as the system said first: asking it takes longer than a worker of little work.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, usize::from))
}

/// How the items are divided.
struct Division {
    workers: usize,
    /// Items of a chunk, if the caller said so.
    chunk: Option<usize>,
    progress: Value,
}

impl Division {
    fn new(ctx: &mut Ctx<'_>, items: &Value, options: Option<&Value>) -> Result<Self, Raise> {
        permit(ctx, Permission::Worker, "worker")?;
        let options = Options::new(options, OPTIONS)?;
        array(items)?;
        let positive = |key: &str| match options.int(key)? {
            None => Ok(None),
            Some(given) => usize::try_from(given)
                .ok()
                .filter(|&given| given > 0)
                .map(Some)
                .ok_or_else(|| Raise::operation(&format!("{key} must be at least 1"))),
        };
        let workers = positive("workers")?.unwrap_or_else(cores);
        let chunk = positive("chunk")?;
        let progress = match options.get("progress") {
            None | Some(Value::Null) => Value::Null,
            Some(function) => crate::callback::of_two(ctx, &function)?,
        };
        Ok(Self {
            workers,
            chunk,
            progress,
        })
    }

    /// Items of a chunk while so many are left.
    fn share(&self, left: usize) -> usize {
        self.chunk
            .unwrap_or_else(|| share(left, self.workers.saturating_mul(CHUNKS)))
    }

    /// Where chunks begin, and the end of the last.
    ///
    /// A chunk is a share of the items that are left, but no smaller than some. So the first are large enough to cost
    /// little, and at the end no worker has much to do when the others have nothing left. A reduction's chunks are all
    /// alike, since its result may depend on where they begin.
    ///
    /// Source: Polychronopoulos and Kuck, "Guided Self-Scheduling" (1987).
    fn bounds(&self, ctx: &mut Ctx<'_>, count: usize, kind: Loop) -> Result<Value, Raise> {
        let is_even = self.chunk.is_some() || kind.initial.is_some();
        let first = self.share(count);
        let least = share(count, self.workers.saturating_mul(MOST_CHUNKS));
        let bounds = ctx.heap().array(0)?;
        bounds.push(Value::Int(0))?;
        let mut at = 0;
        while at < count {
            let left = count - at;
            let chunk = if is_even {
                first
            } else {
                self.share(left).max(least)
            };
            at += chunk.min(left);
            bounds.push(Value::Int(at as i64))?;
        }
        Ok(Value::Array(bounds))
    }
}

/// Items for each of so many parts: at least one.
fn share(items: usize, parts: usize) -> usize {
    items.div_ceil(parts).max(1)
}

/// Calls a function of the library.
fn call(ctx: &mut Ctx<'_>, name: &str, args: Vec<Value>) -> Result<Step, Raise> {
    Ok(Step::Call {
        function: ctx.library_function(name)?,
        args: Args::Many(args),
        lenient: false,
    })
}

/// Begins a trial, if there can be one.
fn begin_trial(
    ctx: &mut Ctx<'_>,
    slots: &[Value],
    division: &Division,
    kind: Loop,
) -> Result<Option<Step>, Raise> {
    if !division.progress.is_null() {
        return Ok(None);
    }
    let items = array(&slots[0])?.snapshot()?;
    let mut args = vec![slots[0].clone(), slots[1].clone()];
    if kind.initial.is_some() {
        args.push(Value::Int(division.share(items.as_slice().len()) as i64));
    }
    if !ctx.begin_trial(&slots[1], items.as_slice())? {
        return Ok(None);
    }
    let step = call(ctx, kind.all, args);
    if step.is_err() {
        ctx.end_trial();
    }
    step.map(Some)
}

/// What a trial gave, as it would have come from workers; none if it cannot come from there.
fn as_sent(ctx: &mut Ctx<'_>, value: Value) -> Result<Option<Value>, Raise> {
    let is_plain = match &value {
        Value::Array(items) => items.snapshot()?.as_slice().iter().all(Value::is_scalar),
        value => value.is_scalar(),
    };
    if is_plain {
        return Ok(Some(value));
    }
    let sent = ctx.message(&value).and_then(|message| ctx.value_of(&message));
    match sent {
        Err(raise) if !raise.kind().is_catchable() => Err(raise),
        sent => Ok(sent.ok()),
    }
}

/// Has workers do all of it: makes the pool, and calls the function of the library that divides the items.
fn submit(ctx: &mut Ctx<'_>, slots: &mut [Value], division: Division, kind: Loop) -> Result<Step, Raise> {
    let bounds = division.bounds(ctx, array(&slots[0])?.len(), kind)?;
    let pool = Rc::new(Pool::new(function(ctx, &slots[1])?, division.workers));
    let submit = Submit {
        pool,
        helper: kind.chunk,
    };
    let submit = Value::Native(ctx.heap().native(Box::new(submit))?);
    let mut args = vec![submit.clone(), slots[0].clone(), bounds, division.progress];
    if let Some(initial) = kind.initial {
        args.extend([slots[1].clone(), slots[initial].clone()]);
    }
    let step = call(ctx, kind.whole, args)?;
    slots[slots.len() - 1] = submit;
    Ok(step)
}

/// Slots: the parameters, and last what is under way: null at first, true for a trial, the pool, false for joining what
/// a trial gave.
fn run(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event, kind: Loop) -> Result<Step, Raise> {
    let options = kind.initial.map_or(2, |initial| initial + 1);
    let state = options + 1;
    let tries = matches!(slots[state], Value::Bool(true));
    if tries {
        ctx.end_trial();
    }
    let value = match event {
        Event::Start => {
            let division = Division::new(ctx, &slots[0], slots.get(options))?;
            if let Some(step) = begin_trial(ctx, slots, &division, kind)? {
                slots[state] = Value::Bool(true);
                return Ok(step);
            }
            return submit(ctx, slots, division, kind);
        }
        Event::Returned(value) if tries => as_sent(ctx, value)?,
        Event::Failed(raise) if tries && raise.kind().is_catchable() => None,
        Event::Returned(value) => {
            if !matches!(slots[state], Value::Bool(_)) {
                object::<Submit>(&slots[state]).pool.close();
            }
            return Ok(Step::Done(value));
        }
        Event::Failed(raise) => return Err(raise),
    };
    let Some(value) = value else {
        let division = Division::new(ctx, &slots[0], slots.get(options))?;
        return submit(ctx, slots, division, kind);
    };
    let Some(initial) = kind.initial else {
        return Ok(Step::Done(value));
    };
    slots[state] = Value::Bool(false);
    let args = vec![value, slots[1].clone(), slots[initial].clone()];
    call(ctx, "parallel_join", args)
}
