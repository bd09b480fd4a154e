//! The harness: finds programs, runs each on an engine of its own, and compares what it did with what is written
//! beside it.
//!
//! A case is a file `name.ae` below `tests/conformance` or in `examples`; files whose names start with `_` are
//! helpers that cases import, and directories named `modules`, `data` or `plugins` hold no cases.
//!
//! - The first line may be `// run: key=value …`: `depth=N` (limit of activations), `args=a,b` (script arguments),
//!   `workers=N` (an I/O pool), `mode=eval` (as `aether eval --result --file` does it), `mode=bare` (without the
//!   names of the library).
//! - `name.out` is the exact standard output; missing means none.
//! - `name.err` has `exit: N` in its first line, then the exact standard error; missing means status 0 and none.
//!
//! Invariants
//! - A program reaches its own directory (read-only), memory, a virtual clock and a fixed seed, nothing else.
//! - After each program and the end of its engine no object is alive.
#![forbid(unsafe_code)]

mod case;
mod command;
mod diff;
mod execute;
pub mod hot;
mod plants;
mod running;

pub use case::{Case, Mode, find_cases, repository, select_cases};
pub use command::{Scratch, binary, build, status_and_output};
pub use diff::diff;
pub use execute::{
    EAGER, EXITS, Moment, Outcome, Settings, compare, execute, execute_on, execute_text, execute_watched,
};
pub use plants::{PLANTS, end_planted};
pub use running::{NETWORK_TIMEOUT, Running, Server, connect};
