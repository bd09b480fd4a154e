//! The modules `worker` and `parallel`: engines on threads of their own, which share nothing and send each other copies.
//!
//! Each worker has a machine with its own heap, globals and budget, made like the program's, whose host makes its host.
//! The two ends of a line ([`peer`]) exchange messages; a pool's workers take jobs from one queue.
//!
//! Invariants
//! - Only plain data crosses threads: messages, functions as text and copies, figures.
//! - A worker that is stopped ends within milliseconds; nobody waits for it who does not ask.
//!
//! Source: library reference §E10.

mod mailbox;
mod outcome;
mod parallel;
mod peer;
mod pool;
mod spawn;
mod thread;
mod transfer;

use aether_eval::{BuiltinDef, Constant, LibraryModule, Permission};
use aether_value::Value;

pub(crate) use parallel::PARALLEL;

/// The options of `worker.spawn`.
const SPAWN_OPTIONS: &[&str] = &["args", "name", "max_memory", "max_steps", "permissions", "import"];

/// The module `worker`.
pub(crate) const WORKER: LibraryModule = LibraryModule {
    name: "worker",
    functions: &[
        BuiltinDef::core("spawn", &["function", "options"], 1, 2, spawn::spawn)
            .needing(Permission::Worker)
            .with_options(SPAWN_OPTIONS),
        BuiltinDef::core("pool", &["workers", "function"], 2, 2, pool::pool).needing(Permission::Worker),
    ],
    constants: &[
        ("parent", Constant::Held(spawn::PARENT, || Value::Null)),
        ("id", Constant::Held(spawn::ID, || Value::Int(0))),
        ("is_main", Constant::Held(spawn::IS_MAIN, || Value::Bool(true))),
    ],
};
