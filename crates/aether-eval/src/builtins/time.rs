//! Time, and the pool: `clock`, `sleep`, `set_workers`.
//!
//! Source: library reference §9.1, §9.2, §11.3.

use aether_value::{Raise, Value};

use super::BuiltinDef;
use super::support::wrong_type;
use crate::context::Ctx;
use crate::host::Permission;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("clock", &[], 0, 0, clock).needing(Permission::Clock),
    BuiltinDef::core("sleep", &["seconds"], 1, 1, sleep),
    BuiltinDef::core("set_workers", &["n"], 1, 1, set_workers),
];

fn clock(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    let answer = ctx.host().permit(Permission::Clock, "clock");
    answer.map_err(|detail| Raise::permission(&detail))?;
    Ok(Value::Float(ctx.host().clock()))
}

fn sleep(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let seconds = match &args[0] {
        Value::Int(seconds) => *seconds as f64,
        Value::Float(seconds) => *seconds,
        value => return Err(wrong_type("int or float", value)),
    };
    if ctx.vm.scheduler.has_pool() {
        return ctx.vm.sleep_promise(seconds);
    }
    ctx.vm.sleep(seconds)?;
    Ok(Value::Null)
}

fn set_workers(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let Value::Int(workers) = args[0] else {
        return Err(wrong_type("positive int", &args[0]));
    };
    let workers = usize::try_from(workers).ok().filter(|&workers| workers > 0);
    let Some(workers) = workers else {
        return Err(Raise::operation("set_workers requires a positive integer"));
    };
    ctx.vm.scheduler.set_workers(workers);
    Ok(Value::Null)
}
