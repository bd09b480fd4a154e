//! Promises that scripts make, what promises have behind their dot, and what runs beside the caller.
//!
//! `catch`, `finally` and `Promise.timeout` are frames that run on coroutines of their own, so that they go on whether
//! or not somebody awaits what they give.
//!
//! Source: library reference §E9.

use aether_value::{
    Builtin, ErrorKind, Native, Promise, PromiseState, Raise, Raw, Rc, StrBuilder, Value, display_text,
};
use std::any::Any;

use super::promise::outcome;
use super::support::{array, float, int, options, take, wrong_type};
use super::{Args, BuiltinDef, Event, Step, Until};
use crate::context::Ctx;
use crate::vm::Vm;

/// Most arguments that `Promise.spawn` and `group.spawn` hand on.
pub(super) const MOST_ARGS: usize = 15;

/// Options of `Promise.map`.
pub(super) const MAP_OPTIONS: &[&str] = &["concurrency"];
/// Options of `Promise.retry`.
pub(super) const RETRY_OPTIONS: &[&str] = &["attempts", "delay", "factor", "max_delay"];

/// The methods of promises.
pub(super) static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("cancel", 0, 1, cancel),
    BuiltinDef::method_frame("catch", 1, 1, 3, |ctx, slots, event| {
        beside(ctx, &CATCHING, slots, event)
    }),
    BuiltinDef::method_frame("finally", 1, 1, 3, |ctx, slots, event| {
        beside(ctx, &FINALLY, slots, event)
    }),
];

fn promise_of(args: &[Value]) -> Result<&Rc<Promise>, Raise> {
    match &args[0] {
        Value::Promise(promise) => Ok(promise),
        other => Err(wrong_type("promise", other)),
    }
}

pub(super) fn callable(value: &Value) -> Result<(), Raise> {
    if value.is_callable() {
        Ok(())
    } else {
        Err(Raise::not_callable(&value.type_name()))
    }
}

// --- promises that scripts settle ---

pub(super) fn resolve(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match &args[0] {
        promise @ Value::Promise(_) => Ok(promise.clone()),
        value => fulfilled(ctx, value.clone()),
    }
}

/// A promise with a value.
pub(super) fn fulfilled(ctx: &mut Ctx<'_>, value: Value) -> Result<Value, Raise> {
    Ok(Value::Promise(
        ctx.heap().promise(PromiseState::Fulfilled(value))?,
    ))
}

pub(super) fn reject(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let promise = ctx.heap().promise(PromiseState::External)?;
    settle_with(ctx, &promise, &args[0])?;
    Ok(Value::Promise(promise))
}

/// Rejects a promise with what a script threw.
fn settle_with(ctx: &mut Ctx<'_>, promise: &Rc<Promise>, thrown: &Value) -> Result<(), Raise> {
    let raise = ctx.vm.throw(thrown.clone());
    let error = ctx.heap().error(raise)?;
    ctx.vm.settle(promise, PromiseState::Rejected(error));
    Ok(())
}

/// What settles a promise when a script calls it.
struct Settler {
    promise: Rc<Promise>,
    fulfills: bool,
}

static FULFILL: BuiltinDef = BuiltinDef::method("resolve", 0, 1, fulfill_with);
static REJECT: BuiltinDef = BuiltinDef::method("reject", 0, 1, reject_with);
/// Hands the outcome of a promise to another. Slots: the one, the settlers of the other.
static FOLLOW: BuiltinDef =
    BuiltinDef::core_frame("follow", &["promise", "settler"], 2, 2, 2, follow).catching();
/// Runs what was given to `Promise.new`. Slots: it, the two settlers, how far it is.
static EXECUTE: BuiltinDef =
    BuiltinDef::core_frame("execute", &["executor", "resolve", "reject"], 3, 3, 4, execute).catching();

impl Native for Settler {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_rc(&self.promise));
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str(if self.fulfills {
            "<builtin resolve>"
        } else {
            "<builtin reject>"
        })
    }

    fn callee(&self) -> Option<Builtin> {
        let def = if self.fulfills { &FULFILL } else { &REJECT };
        Some(Builtin(&def.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn settler(ctx: &mut Ctx<'_>, promise: &Rc<Promise>, fulfills: bool) -> Result<Value, Raise> {
    let settler = Settler {
        promise: promise.clone(),
        fulfills,
    };
    Ok(Value::Native(ctx.heap().native(Box::new(settler))?))
}

fn settled_by(args: &[Value]) -> Result<&Rc<Promise>, Raise> {
    match &args[0] {
        Value::Native(native) => match native.downcast::<Settler>() {
            Some(settler) => Ok(&settler.promise),
            None => Err(wrong_type("builtin_function", &args[0])),
        },
        other => Err(wrong_type("builtin_function", other)),
    }
}

fn fulfill_with(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let promise = settled_by(args)?.clone();
    match args.get(1) {
        Some(Value::Promise(other)) if !Rc::ptr_eq(other, &promise) => {
            if promise.is_pending() {
                ctx.vm
                    .spawn(FOLLOW.value(), &[Value::Promise(other.clone()), args[0].clone()])?
                    .set_demanded();
            }
        }
        value => {
            let value = value.cloned().unwrap_or(Value::Null);
            ctx.vm.settle(&promise, PromiseState::Fulfilled(value));
        }
    }
    Ok(Value::Null)
}

fn reject_with(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let promise = settled_by(args)?.clone();
    if promise.is_pending() {
        settle_with(ctx, &promise, args.get(1).unwrap_or(&Value::Null))?;
    }
    Ok(Value::Null)
}

fn follow(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let promise = settled_by(&slots[1..])?.clone();
    let state = match event {
        Event::Start => return Ok(Step::Await(slots[0].clone())),
        Event::Returned(value) => PromiseState::Fulfilled(value),
        Event::Failed(raise) => PromiseState::Rejected(ctx.heap().error(raise)?),
    };
    ctx.vm.settle(&promise, state);
    Ok(Step::Done(Value::Null))
}

/// `Promise.new(executor)`. Slots: the executor, the promise.
pub(super) fn new(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            callable(&slots[0])?;
            let promise = ctx.heap().promise(PromiseState::External)?;
            let (resolve, reject) = (settler(ctx, &promise, true)?, settler(ctx, &promise, false)?);
            let executor = take(&mut slots[0]);
            ctx.vm
                .spawn(EXECUTE.value(), &[executor, resolve, reject])?
                .set_demanded();
            slots[1] = Value::Promise(promise);
            Ok(Step::Switch)
        }
        Event::Returned(_) => Ok(Step::Done(take(&mut slots[1]))),
        Event::Failed(raise) => Err(raise),
    }
}

fn execute(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => Ok(Step::Call {
            function: slots[0].clone(),
            args: Args::Two(slots[1].clone(), slots[2].clone()),
            lenient: true,
        }),
        // An async executor is waited for: its failure rejects too.
        Event::Returned(value) if slots[3].is_null() => {
            slots[3] = Value::Bool(true);
            Ok(Step::Await(value))
        }
        Event::Returned(_) => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => {
            let promise = settled_by(&slots[2..])?.clone();
            let error = ctx.heap().error(raise)?;
            ctx.vm.settle(&promise, PromiseState::Rejected(error));
            Ok(Step::Done(Value::Null))
        }
    }
}

// --- what runs beside the caller ---

/// The arguments to hand on, in slots from `from` on: up to the last that is not null, as those left out are null.
pub(super) fn handed_on(slots: &[Value], from: usize) -> &[Value] {
    let args = &slots[from..from + MOST_ARGS];
    let count = args
        .iter()
        .rposition(|value| !value.is_null())
        .map_or(0, |at| at + 1);
    &args[..count]
}

/// `Promise.spawn(function, args…)`. Slots: these, and the promise.
pub(super) fn spawn(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let last = 1 + MOST_ARGS;
    match event {
        Event::Start => {
            callable(&slots[0])?;
            let promise = ctx.vm.spawn(slots[0].clone(), handed_on(slots, 1))?;
            slots[last] = Value::Promise(promise);
            Ok(Step::Switch)
        }
        Event::Returned(_) => Ok(Step::Done(take(&mut slots[last]))),
        Event::Failed(raise) => Err(raise),
    }
}

/// Waits for a promise no longer than for a timer. Slots: both, and the seconds.
static WAIT_FOR: BuiltinDef =
    BuiltinDef::core_frame("timeout", &["promise", "timer", "seconds"], 3, 3, 3, wait_for).catching();

/// Begins to wait for a promise no longer than some seconds, which are a number; gives the promise of that.
pub(crate) fn begin_timeout(ctx: &mut Ctx<'_>, promise: &Value, seconds: &Value) -> Result<Value, Raise> {
    let timer = ctx.vm.sleep_promise(float(seconds)?)?;
    let args = [promise.clone(), timer, seconds.clone()];
    Ok(Value::Promise(ctx.vm.spawn(WAIT_FOR.value(), &args)?))
}

/// `Promise.timeout(promise, seconds)`. Slots: these, and what it gives.
pub(super) fn timeout(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            if !matches!(slots[1], Value::Int(_) | Value::Float(_)) {
                return Err(wrong_type("number", &slots[1]));
            }
            let (promise, seconds) = (slots[0].clone(), slots[1].clone());
            slots[2] = begin_timeout(ctx, &promise, &seconds)?;
            Ok(Step::Switch)
        }
        Event::Returned(_) => Ok(Step::Done(take(&mut slots[2]))),
        Event::Failed(raise) => Err(raise),
    }
}

fn wait_for(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    Vm::demanded(&slots[0]);
    let settled = outcome(&slots[0]);
    if let (None, Event::Start) = (&settled, &event) {
        let both = ctx.heap().array_from_slice(&slots[..2])?;
        return Ok(Step::AwaitMany {
            promises: Value::Array(both),
            until: Until::First,
        });
    }
    if let Value::Promise(timer) = &slots[1] {
        ctx.vm.drop_timer(timer);
    }
    match (settled, event) {
        (Some(result), _) => result.map(Step::Done),
        (None, Event::Failed(raise)) => Err(raise),
        (None, _) => {
            let text = display_text(ctx.heap(), &slots[2])?;
            let message = format!("Timed out after {}s", text.as_str());
            let reason = ctx.string(&message)?;
            if let Value::Promise(promise) = &slots[0] {
                let promise = promise.clone();
                ctx.vm.cancel(&promise, &reason)?;
            }
            Err(Raise::new(ErrorKind::Timeout, message))
        }
    }
}

/// A promise that settles after some seconds, pool or none; for the library.
static PAUSE: BuiltinDef = BuiltinDef::core("pause", &["seconds"], 1, 1, |ctx, args| {
    ctx.vm.sleep_promise(float(&args[0])?)
});

/// `Promise.map(array, function, options)`: the work is the library's.
pub(super) fn map(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {}
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
    }
    let items = array(&slots[0])?;
    callable(&slots[1])?;
    let concurrency =
        match options(&slots[2], MAP_OPTIONS)?.and_then(|known| known.get_str_value("concurrency")) {
            None | Some(Value::Null) => items.len() as i64,
            Some(given) => match int(&given)? {
                count if count >= 1 => count,
                _ => return Err(Raise::operation("concurrency must be at least 1")),
            },
        };
    let copy = ctx.heap().array_from_slice(items.snapshot()?.as_slice())?;
    Ok(Step::Call {
        function: ctx.vm.library_function("promise_map")?,
        args: Args::Many(vec![
            Value::Array(copy),
            slots[1].clone(),
            Value::Int(concurrency),
        ]),
        lenient: false,
    })
}

/// `Promise.retry(function, options)`: the work is the library's.
pub(super) fn retry(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {}
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
    }
    callable(&slots[0])?;
    let given = options(&slots[1], RETRY_OPTIONS)?;
    let option = |name: &str, default: Value| match given.and_then(|given| given.get_str_value(name)) {
        None | Some(Value::Null) => Ok(default),
        Some(value @ (Value::Int(_) | Value::Float(_))) => Ok(value),
        Some(other) => Err(wrong_type("number", &other)),
    };
    let attempts = int(&option("attempts", Value::Int(3))?)?;
    if attempts < 1 {
        return Err(Raise::operation("attempts must be at least 1"));
    }
    let args = vec![
        slots[0].clone(),
        Value::Int(attempts),
        option("delay", Value::Int(0))?,
        option("factor", Value::Int(2))?,
        option("max_delay", Value::Null)?,
        PAUSE.value(),
    ];
    Ok(Step::Call {
        function: ctx.vm.library_function("promise_retry")?,
        args: Args::Many(args),
        lenient: false,
    })
}

// --- methods ---

fn cancel(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let promise = promise_of(args)?.clone();
    let reason = args.get(1).cloned().unwrap_or(Value::Null);
    Ok(Value::Bool(ctx.vm.cancel(&promise, &reason)?))
}

/// Slots: the promise, the function, how far it is.
static CATCHING: BuiltinDef =
    BuiltinDef::core_frame("catch", &["promise", "function"], 2, 2, 3, run_catch).catching();
/// Slots: the promise, the function, its outcome: the value or the error, and whether it is an error.
static FINALLY: BuiltinDef =
    BuiltinDef::core_frame("finally", &["promise", "function"], 2, 2, 4, run_finally).catching();
/// Calls a function without arguments, and awaits what it gives, also in a coroutine that was cancelled. Slots: the
/// function, how far it is.
static CLEAN_UP: BuiltinDef =
    BuiltinDef::core_frame("finally", &["function"], 1, 1, 2, clean_up).cleaning_up();

/// Runs a frame on a coroutine of its own with a promise and a function. Slots: these, and what it gives.
fn beside(
    ctx: &mut Ctx<'_>,
    frame: &'static BuiltinDef,
    slots: &mut [Value],
    event: Event,
) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            callable(&slots[1])?;
            slots[2] = Value::Promise(ctx.vm.spawn(frame.value(), &slots[..2])?);
            Ok(Step::Switch)
        }
        Event::Returned(_) => Ok(Step::Done(take(&mut slots[2]))),
        Event::Failed(raise) => Err(raise),
    }
}

fn run_catch(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    /// The function has been called.
    const CALLED: i64 = 1;
    /// What it gave is awaited.
    const AWAITED: i64 = 2;
    match (event, slots[2].as_int()) {
        (Event::Start, _) => Ok(Step::Await(slots[0].clone())),
        (Event::Returned(value), Some(CALLED)) => {
            slots[2] = Value::Int(AWAITED);
            Ok(Step::Await(value))
        }
        (Event::Returned(value), _) => Ok(Step::Done(value)),
        (Event::Failed(raise), None) if !ctx.vm.is_cancelled() => {
            slots[2] = Value::Int(CALLED);
            let error = ctx.heap().error(raise)?;
            Ok(Step::Call {
                function: slots[1].clone(),
                args: Args::One(Value::Error(error)),
                lenient: true,
            })
        }
        (Event::Failed(raise), _) => Err(raise),
    }
}

fn run_finally(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let failed = match slots[3] {
        Value::Bool(failed) => Some(failed),
        _ => None,
    };
    match (event, failed) {
        (Event::Start, _) => return Ok(Step::Await(slots[0].clone())),
        (Event::Failed(raise), Some(_)) => return Err(raise),
        (Event::Returned(_), Some(failed)) => {
            let outcome = take(&mut slots[2]);
            return match outcome {
                Value::Error(error) if failed => Err(Raise::again(error)),
                value => Ok(Step::Done(value)),
            };
        }
        (Event::Returned(value), None) => {
            slots[2] = value;
            slots[3] = Value::Bool(false);
        }
        (Event::Failed(raise), None) => {
            slots[2] = Value::Error(ctx.heap().error(raise)?);
            slots[3] = Value::Bool(true);
        }
    }
    Ok(Step::call1(&CLEAN_UP.value(), slots[1].clone()))
}

fn clean_up(_: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => Ok(Step::Call {
            function: slots[0].clone(),
            args: Args::None,
            lenient: true,
        }),
        Event::Returned(value) if slots[1].is_null() => {
            slots[1] = Value::Bool(true);
            Ok(Step::Await(value))
        }
        Event::Returned(_) => Ok(Step::Done(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
}
