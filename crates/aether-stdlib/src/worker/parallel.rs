//! The module `parallel`: the work on the items of an array, divided among workers.
//!
//! Items go in chunks, several for each worker, so that one that is slow does not hold up the rest. What is divided and
//! joined again is written in the language.
//!
//! Source: library reference §E10.

use std::any::Any;
use std::rc::Rc;
use std::thread::available_parallelism;

use aether_eval::{Args, BuiltinDef, Ctx, Event, LibraryModule, Permission, Step};
use aether_value::{Builtin, Native, Raise, Value};

use super::pool::{Call, Pool, function};
use crate::arguments::{Options, array, object, permit, receiver};

const OPTIONS: &[&str] = &["workers", "chunk", "progress"];

/// Chunks for each worker, unless their size is given.
const CHUNKS: usize = 4;

/// The module.
pub(crate) const PARALLEL: LibraryModule = LibraryModule {
    name: "parallel",
    functions: &[
        BuiltinDef::core_frame(
            "map",
            &["items", "function", "options"],
            2,
            3,
            5,
            |ctx, slots, event| run(ctx, slots, event, "chunk_map", "parallel_map"),
        )
        .iterables(1)
        .needing(Permission::Worker)
        .with_options(OPTIONS),
        BuiltinDef::core_frame(
            "each",
            &["items", "function", "options"],
            2,
            3,
            5,
            |ctx, slots, event| run(ctx, slots, event, "chunk_each", "parallel_each"),
        )
        .iterables(1)
        .needing(Permission::Worker)
        .with_options(OPTIONS),
        BuiltinDef::core_frame(
            "reduce",
            &["items", "function", "initial", "options"],
            3,
            4,
            6,
            reduce,
        )
        .iterables(1)
        .needing(Permission::Worker)
        .with_options(OPTIONS),
    ],
    constants: &[],
};

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

/// Begins: makes the pool, and calls the function of the library that divides the items.
fn begin(
    ctx: &mut Ctx<'_>,
    items: &Value,
    called: &Value,
    options: Option<&Value>,
    helpers: (&'static str, &'static str),
) -> Result<(Value, Vec<Value>, Value), Raise> {
    permit(ctx, Permission::Worker, "worker")?;
    let options = Options::new(options, OPTIONS)?;
    let count = array(items)?.len();
    let positive = |key: &str, default: usize| match options.int(key)? {
        None => Ok(default),
        Some(given) => usize::try_from(given)
            .ok()
            .filter(|&given| given > 0)
            .ok_or_else(|| Raise::operation(&format!("{key} must be at least 1"))),
    };
    let cores = available_parallelism().map_or(1, usize::from);
    let workers = positive("workers", cores)?;
    let chunk = positive("chunk", count.div_ceil(workers * CHUNKS).max(1))?;
    let progress = options.get("progress").unwrap_or(Value::Null);
    if !progress.is_null() && !progress.is_callable() {
        return Err(Raise::not_callable(&progress.type_name()));
    }
    let pool = Rc::new(Pool::new(function(ctx, called)?, workers));
    let submit = Submit {
        pool,
        helper: helpers.0,
    };
    let submit = Value::Native(ctx.heap().native(Box::new(submit))?);
    let all = ctx.library_function(helpers.1)?;
    let args = vec![submit.clone(), items.clone(), Value::Int(chunk as i64), progress];
    Ok((all, args, submit))
}

/// Slots: items, function, options, the pool.
fn run(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    event: Event,
    helper: &'static str,
    all: &'static str,
) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            let (function, args, submit) = begin(ctx, &slots[0], &slots[1], slots.get(2), (helper, all))?;
            slots[3] = submit;
            Ok(call(function, args))
        }
        Event::Returned(value) => {
            object::<Submit>(&slots[3]).pool.close();
            Ok(Step::Done(value))
        }
        Event::Failed(raise) => Err(raise),
    }
}

fn call(function: Value, args: Vec<Value>) -> Step {
    Step::Call {
        function,
        args: Args::Many(args),
        lenient: false,
    }
}

/// Slots: items, function, initial value, options, the pool.
fn reduce(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            let helpers = ("chunk_reduce", "parallel_reduce");
            let (function, mut args, submit) = begin(ctx, &slots[0], &slots[1], slots.get(3), helpers)?;
            slots[4] = submit;
            args.extend([slots[1].clone(), slots[2].clone()]);
            Ok(call(function, args))
        }
        Event::Returned(value) => {
            object::<Submit>(&slots[4]).pool.close();
            Ok(Step::Done(value))
        }
        Event::Failed(raise) => Err(raise),
    }
}
