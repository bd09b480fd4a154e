//! Built-ins beyond the language itself: JSON, CSV, files, sockets, HTTP, plugins, and modules.
//!
//! Each theme is a list of built-ins, or a module to be imported, behind a cargo feature; an engine installs those it
//! wants, [`ALL`] lists and [`MODULES`] as a rule. The evaluator needs none.
//!
//! Invariants
//! - The world is reached through the host alone, with the permission that the built-in names; sockets are the
//!   system's own, after the host has agreed.
//! - Nothing recurses over data: documents nest as deep as memory allows, which is charged for the nesting too.
//! - A built-in that fails leaves its arguments as they were.
//! - `unsafe` is confined to the C interface of plugins.

mod arguments;

#[cfg(any(feature = "watch", feature = "process", feature = "web", feature = "worker"))]
mod awaited;

#[cfg(any(feature = "files", feature = "net"))]
mod byte_form;

#[cfg(any(feature = "files", feature = "process"))]
mod bytes;

#[cfg(feature = "worker")]
mod callback;

#[cfg(feature = "json")]
mod json;

#[cfg(feature = "csv")]
mod csv;

#[cfg(feature = "bytes")]
mod buffer;

#[cfg(feature = "bytes")]
mod encoding;

#[cfg(feature = "env")]
mod env;

#[cfg(feature = "files")]
mod files;

#[cfg(feature = "fs")]
mod fs;

#[cfg(feature = "bytes")]
mod hash;

#[cfg(any(feature = "watch", feature = "process"))]
mod hook;

#[cfg(feature = "http")]
mod http;

#[cfg(feature = "path")]
mod path;

#[cfg(any(feature = "process", feature = "web"))]
mod pieces;

#[cfg(feature = "plugins")]
mod plugins;

#[cfg(feature = "math")]
mod math;

#[cfg(feature = "net")]
mod net;

#[cfg(feature = "process")]
mod process;

#[cfg(feature = "rand")]
mod rand;

#[cfg(feature = "re")]
mod re;

#[cfg(any(feature = "json", feature = "csv"))]
mod progress;
#[cfg(any(feature = "json", feature = "csv"))]
mod scan;

#[cfg(feature = "json")]
mod stack;

#[cfg(any(feature = "formats", feature = "fs", feature = "re"))]
mod stream;

#[cfg(any(feature = "json", feature = "csv"))]
mod text;

#[cfg(feature = "time")]
mod time;

#[cfg(feature = "formats")]
mod toml;

#[cfg(feature = "worker")]
mod worker;

use aether_eval::{BuiltinDef, LibraryModule};

#[cfg(feature = "csv")]
pub use csv::CSV;
#[cfg(feature = "files")]
pub use files::FILES;
#[cfg(feature = "http")]
pub use http::HTTP;
#[cfg(feature = "json")]
pub use json::JSON;
#[cfg(feature = "net")]
pub use net::NET;
#[cfg(feature = "plugins")]
pub use plugins::PLUGINS;

/// Every list that was compiled in.
pub static ALL: &[&[BuiltinDef]] = &[
    #[cfg(feature = "json")]
    JSON,
    #[cfg(feature = "csv")]
    CSV,
    #[cfg(feature = "files")]
    FILES,
    #[cfg(feature = "net")]
    NET,
    #[cfg(feature = "plugins")]
    PLUGINS,
    #[cfg(feature = "http")]
    HTTP,
    #[cfg(feature = "bytes")]
    buffer::BUFFER,
];

/// Every module that was compiled in. Scripts import them; a file of the same name comes before.
pub static MODULES: &[LibraryModule] = &[
    #[cfg(feature = "env")]
    env::ENV,
    #[cfg(feature = "path")]
    path::PATH,
    #[cfg(feature = "fs")]
    fs::FS,
    #[cfg(feature = "process")]
    process::PROCESS,
    #[cfg(feature = "re")]
    re::RE,
    #[cfg(feature = "formats")]
    json::MODULE,
    #[cfg(feature = "formats")]
    csv::MODULE,
    #[cfg(feature = "formats")]
    toml::TOML,
    #[cfg(feature = "math")]
    math::MATH,
    #[cfg(feature = "rand")]
    rand::RAND,
    #[cfg(feature = "time")]
    time::TIME,
    #[cfg(feature = "bytes")]
    hash::HASH,
    #[cfg(feature = "bytes")]
    encoding::HEX,
    #[cfg(feature = "bytes")]
    encoding::BASE64,
    #[cfg(feature = "bytes")]
    buffer::IO,
    #[cfg(feature = "worker")]
    worker::WORKER,
    #[cfg(feature = "worker")]
    worker::PARALLEL,
    #[cfg(feature = "web")]
    http::MODULE,
];
