//! The module `process`: other programs, and the end of this one.
//!
//! Threads of their own do what blocks: they wait for a child, read what it prints, feed it; for `run` that is one
//! thread. They hand plain data to
//! the interpreter's thread, which is woken for it. A child outlives the handle of `spawn`, but not a `run` that ends
//! before it: a limit, an interrupt or the program's end kills it then.
//!
//! Source: library reference §E3.

mod child;
mod command;
mod exchange;
mod lines;
mod on_signal;
mod run;
mod signals;
mod spawn;
mod thread;

use aether_eval::{BuiltinDef, Constant, Ctx, LibraryModule, Permission, exit};
use aether_value::{Raise, Value};

use crate::arguments::wrong_type;

/// The module.
pub(crate) const PROCESS: LibraryModule = LibraryModule {
    name: "process",
    functions: &[
        BuiltinDef::core_frame("run", &["cmd", "opts"], 1, 2, 3, run::run)
            .needing(Permission::Run)
            .with_options(command::RUN_OPTIONS),
        BuiltinDef::core("spawn", &["cmd", "opts"], 1, 2, spawn::spawn)
            .needing(Permission::Run)
            .with_options(command::SPAWN_OPTIONS),
        BuiltinDef::core_frame("exit", &["code"], 0, 1, 1, exit).catching(),
        BuiltinDef::core("on_exit", &["fn"], 1, 1, on_exit),
        BuiltinDef::core("on_signal", &["signal", "fn"], 2, 2, on_signal::on_signal).needing(Permission::Run),
        BuiltinDef::core("uptime", &[], 0, 0, uptime).needing(Permission::Clock),
    ],
    constants: &[("pid", Constant::Int(pid))],
};

fn pid() -> i64 {
    std::process::id().into()
}

fn on_exit(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if !args[0].is_callable() {
        return Err(wrong_type("function", &args[0]));
    }
    ctx.add_exit_handler(args[0].clone())?;
    Ok(Value::Null)
}

/// Seconds since the host's clock began.
fn uptime(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    crate::arguments::permit(ctx, Permission::Clock, "clock")?;
    Ok(Value::Float(ctx.host().monotonic() as f64 / 1e9))
}
