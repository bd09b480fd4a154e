//! `random` and `rand_int`.
//!
//! Source: library reference §5.4.

use aether_value::{Raise, Value};

use super::BuiltinDef;
use super::support::int;
use crate::context::Ctx;
use crate::host::Permission;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("random", &[], 0, 0, random).needing(Permission::Random),
    BuiltinDef::core("rand_int", &["n"], 1, 1, rand_int).needing(Permission::Random),
];

/// Whether the host allows randomness.
fn allowed(ctx: &mut Ctx<'_>) -> Result<(), Raise> {
    let answer = ctx.host().permit(Permission::Random, "random");
    answer.map_err(|detail| Raise::permission(&detail))
}

fn random(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    allowed(ctx)?;
    Ok(Value::Float(ctx.random().float()))
}

fn rand_int(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let n = int(&args[0])?;
    if n < 1 {
        return Err(Raise::operation(&format!(
            "rand_int() requires a positive integer, got {n}"
        )));
    }
    allowed(ctx)?;
    Ok(Value::Int(ctx.random().below(n as u64) as i64))
}
