//! The evaluator: compiler, virtual machine, built-ins of the language, scheduler.
//!
//! The path of a program: [`aether_parser`] makes a tree, [`aether_resolve`] binds its names, `compiler` turns it
//! into bytecode ([`bytecode`]), `vm` executes that on stacks of its own. [`Machine`] is the way in.
//!
//! Invariants
//! - The world enters through [`Host`] alone: nothing here prints, opens, sleeps or reads a clock.
//! - Script calls never recurse on the native stack, but for those within machine code, which have a bound.
//! - `unsafe` is confined to `vm`, to `jit` and to the comparisons of sorts.

mod background;
mod builtins;
pub mod bytecode;
mod compiler;
mod context;
mod handles;
mod host;
mod host_function;
#[cfg(all(
    feature = "jit",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_os = "linux"
))]
mod jit;
// Elsewhere the same interface says that nothing is hot.
#[cfg(not(all(
    feature = "jit",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_os = "linux"
)))]
#[path = "jit/absent.rs"]
mod jit;
mod jit_options;
mod machine;
mod members;
mod memory;
mod pieces;
mod prelude;
mod random;
mod remote;
mod sent_function;
mod tables;
mod task;
mod trial;
mod vm;
mod worker_leaks;

/// What built-ins read from their arguments.
pub mod arguments {
    pub use crate::builtins::support::{array, float, int, options, string, wrong_type};
}

pub use builtins::{
    Args, BuiltinDef, Constant, Each, Event, LibraryModule, Pairs, Place, Resume, Returned, Run, Simple,
    Step, Until, all_builtins, core_builtins, exit, library_modules, predefined_modules,
};
pub use context::Ctx;
pub use handles::{Count, Held};
pub use host::{
    AccessCheck, Background, Change, ChangeKind, Entries, Entry, FileHandle, FileInfo, Glance, Host,
    HostMaker, LocalZone, Lookout, Names, Observer, OpenFile, OpenMode, Permission, SignalObserver, Steps,
    Stream,
};
pub use host_function::{Callable, Class, HostFunction, HostItems, guarded};
pub use jit::IS_AVAILABLE as MACHINE_CODE;
pub use jit_options::{JitOptions, JitReport};
pub use machine::{
    Loaded, Machine, MachineOptions, MachineRecipe, Optimizations, Parsed, Prepared, RunError, RuntimeError,
};
pub use members::{methods_of, properties_of, signature};
pub use memory::{
    HeapProfile, LEAK_LIMIT, Leak, LeakPlace, LeakReport, LeakStep, MemoryWatch, ProfilePoint, RootedValue,
};
pub use pieces::{PIECE, PIECE_ITEMS, text_pieces};
pub use random::Random;
pub use remote::Remote;
pub use sent_function::SentFunction;
pub use task::{Effect, EventSource, HostFinish, HostFuture, Sender, Waiting, Waker};
pub use vm::{
    Breakpoint, DEFAULT_DEPTH as DEFAULT_MAX_DEPTH, DebugFrame, Debugger, EvaluationError, Limits, Pause,
    PauseReason, Resumption, ScriptFrame, TracePlace, duration_text,
};
pub use worker_leaks::{LeakWatch, WorkerLeaks};
