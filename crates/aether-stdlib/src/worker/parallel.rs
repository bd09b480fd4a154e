//! The module `parallel`: the work on the items of an array, divided among workers.
//!
//! Items go in chunks, several for each worker, so that one that is slow does not hold up the rest. What is divided and
//! joined again is written in the language.
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

/// Chunks for each worker, unless their size is given.
const CHUNKS: usize = 4;

/// The module.
pub(crate) const PARALLEL: LibraryModule = LibraryModule {
    name: "parallel",
    functions: &[
        definition("map", &["items", "function", "options"], |ctx, slots, event| {
            run(ctx, slots, event, ("chunk_map", "parallel_map"), None)
        }),
        definition("each", &["items", "function", "options"], |ctx, slots, event| {
            run(ctx, slots, event, ("chunk_each", "parallel_each"), None)
        }),
        definition(
            "reduce",
            &["items", "function", "initial", "options"],
            |ctx, slots, event| run(ctx, slots, event, ("chunk_reduce", "parallel_reduce"), Some(2)),
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
    let workers = positive("workers", cores())?;
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

/// Divides the items by a function of the library that works on a chunk and one that joins the parts. A reduction's
/// initial value is in the slot `initial`. Slots: the parameters, the pool.
fn run(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    event: Event,
    helpers: (&'static str, &'static str),
    initial: Option<usize>,
) -> Result<Step, Raise> {
    let options = initial.map_or(2, |initial| initial + 1);
    let pool = options + 1;
    match event {
        Event::Start => {
            let (function, mut args, submit) = begin(ctx, &slots[0], &slots[1], slots.get(options), helpers)?;
            if let Some(initial) = initial {
                args.extend([slots[1].clone(), slots[initial].clone()]);
            }
            slots[pool] = submit;
            Ok(Step::Call {
                function,
                args: Args::Many(args),
                lenient: false,
            })
        }
        Event::Returned(value) => {
            object::<Submit>(&slots[pool]).pool.close();
            Ok(Step::Done(value))
        }
        Event::Failed(raise) => Err(raise),
    }
}
