//! Aether for host programs: an [`Engine`] runs scripts, a [`Host`] decides what they can reach.
//!
//! A complete host program: it gives scripts a function of its own, runs one in memory, and reads a result back.
//!
//! ```
//! use aether::{BuiltinDef, Ctx, Engine, Error, MemoryHost, Raise, Value, ValueExt};
//!
//! fn shout(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
//!     let text = ctx.text(&args[0])?;
//!     ctx.string(&text.as_str().to_uppercase())
//! }
//!
//! static FUNCTIONS: &[BuiltinDef] = &[BuiltinDef::core("shout", &["text"], 1, 1, shout)];
//!
//! fn main() -> Result<(), Error> {
//!     let host = MemoryHost::new();
//!     let mut engine = Engine::builder()
//!         .host(host.clone())
//!         .builtins(FUNCTIONS)
//!         .max_memory(Some(16 << 20))
//!         .max_steps(Some(1_000_000))
//!         .build()?;
//!
//!     engine.eval("fn area(r) { return 3 * r * r }  println(shout(\"hello\"))")?;
//!     let area: i64 = engine.call("area", (2_i64,))?.try_to()?;
//!     assert_eq!(area, 12);
//!     assert_eq!(host.stdout(), "HELLO\n");
//!
//!     let error = engine.eval("[1, 2][5]").unwrap_err();
//!     assert_eq!(error.to_string(), "Index 5 out of bounds for array of length 2");
//!
//!     // The engine stays usable after an error; at its end nothing is left.
//!     let report = engine.shut_down();
//!     assert_eq!(report.live_objects, 0);
//!     Ok(())
//! }
//! ```
//!
//! Invariants
//! - An embedded engine reaches nothing by default: its host is [`DenyHost`], its heap is limited to
//!   [`EMBEDDED_MEMORY`], its sources nest at most [`EMBEDDED_MAX_NESTING`] deep.
//! - Engines are independent; several may live on one thread or on different ones. An engine is not `Send`.
//! - Nothing here prints or exits; text for people is returned as data ([`Error::lines`]).
//!
//! Not here: what the language means (`aether-eval`), rendering with colours and frames (the command line).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate self as aether;

mod builder;
mod convert;
mod engine;
mod error;
mod function;
mod futures;
mod help;
mod host;
mod module;
mod permissions;
mod pool;
mod program;
mod types;

#[cfg(feature = "derive")]
pub use aether_macros::{AetherType, FromValue, IntoValue, methods};
pub use builder::{EMBEDDED_MEMORY, EngineBuilder, MAX_ARGS};
pub use convert::{Arguments, ConversionError, FromValue, IntoValue, Pairs, Rest, Text, ValueExt};
#[doc(hidden)]
pub use convert::{Takes, field_of, nested, variant_of};
#[cfg(feature = "serde")]
pub use convert::{from_value, to_value};
pub use engine::{Engine, Fragment, HeapReport, PromiseStatus};
pub use error::{Error, ErrorReport, source_text};
#[doc(hidden)]
pub use function::WithCtx;
pub use function::{Caller, Function, HostAsyncFn, HostFn, HostMethod, HostMethodMut, IntoReturn};
pub use host::{DenyHost, Interleaving, MemoryHost, Output, SystemHost};
pub use module::ModuleBuilder;
pub use permissions::Permissions;
pub use pool::{EnginePool, EnginePoolBuilder};
pub use program::Program;
pub use types::{AetherType, Object, Tracer, TypeBuilder, WeakObject};

pub use aether_eval::{
    AccessCheck, Args, Background, Breakpoint, BuiltinDef, Change, ChangeKind, Ctx, DEFAULT_MAX_DEPTH,
    DebugFrame, Debugger, Effect, Entries, Entry, EvaluationError, Event, FileHandle, FileInfo, Glance,
    HeapProfile, Host, HostMaker, JitReport, LEAK_LIMIT, Leak, LeakPlace, LeakReport, LeakStep, LocalZone,
    Lookout, MACHINE_CODE, MemoryWatch, Names, Observer, OpenFile, OpenMode, Pause, PauseReason, Permission,
    Resumption, Run, RuntimeError, SignalObserver, Step, Steps, TracePlace, Until, Waiting, Waker,
    duration_text,
};
pub use aether_parser::{DEFAULT_MAX_NESTING, EMBEDDED_MAX_NESTING};
pub use aether_source::{Diagnostic, Edit, Label, Severity, SourceFile, Span};
pub use aether_value::{
    Budget, ErrorKind, Heap, Items, Message, Native, Operator, Raise, Value, tune_allocator,
};

/// The parts, for tools that want one of them alone.
pub mod parts {
    pub use aether_ast as ast;
    pub use aether_eval as eval;
    pub use aether_lexer as lexer;
    pub use aether_parser as parser;
    pub use aether_resolve as resolve;
    pub use aether_source as source;
    pub use aether_stdlib as stdlib;
    pub use aether_value as value;
}

/// The version of Aether.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The Rust blocks of the embedding guide, which run as tests.
#[cfg(doctest)]
mod guide {
    macro_rules! chapters {
        ($($name:ident $path:literal),* $(,)?) => {
            $(#[doc = include_str!(concat!("../../../docs/", $path))]
            mod $name {})*
        };
    }

    chapters!(
        overview "embedding.md",
        limits "embedding/limits.md",
        functions "embedding/functions.md",
        values "embedding/values.md",
        types "embedding/types.md",
        modules "embedding/modules.md",
        futures "embedding/async.md",
        errors "embedding/errors.md",
        many_scripts "embedding/many-scripts.md",
        threads "embedding/threads.md",
        hot_reload "embedding/hot-reload.md",
    );
}

/// The example of the README, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
