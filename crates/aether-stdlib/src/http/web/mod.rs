//! The module `http`: a client, a server, and web sockets at both ends.
//!
//! | file | what it holds |
//! |---|---|
//! | `client`, `options` | `request`, its shortcuts and `client`; what may be asked for |
//! | `cookies` | which cookies a client keeps and sends |
//! | `answer`, `chunks` | responses as dicts, and bodies that are read piece by piece |
//! | `network`, `tls` | the thread behind servers and sockets, and what it encrypts with |
//! | `listener`, `connection` | connections: accepting, reading requests, their limits |
//! | `server` | `serve`: requests become calls of a handler |
//! | `request`, `response`, `body` | what a handler gets, what it gives, and what is sent of it |
//! | `router`, `pattern`, `files` | which handler a path leads to, and files that are served |
//! | `socket`, `messages` | web sockets as values, and their side on the network's thread |
//!
//! Invariants
//! - Sockets live on the network's thread, values on the interpreter's; they exchange plain data.
//! - What a peer can make grow is bounded on the network's side, and charged to the heap when it becomes a value.
//! - A handler runs on a stack of its own; what it throws is answered with 500 and told on standard error.
//!
//! Source: library reference §E11.

mod answer;
mod body;
mod chunks;
mod client;
mod connection;
mod cookies;
mod files;
mod listener;
mod messages;
mod network;
mod options;
mod pattern;
mod request;
mod response;
mod router;
mod server;
mod socket;
mod tls;

use aether_eval::{BuiltinDef, LibraryModule, Permission};

/// The module.
pub(crate) const MODULE: LibraryModule = LibraryModule {
    name: "http",
    functions: &[
        BuiltinDef::core("request", &["method", "url", "opts"], 2, 3, client::request)
            .needing(Permission::Net)
            .with_options(options::REQUEST_OPTIONS),
        BuiltinDef::core("get", &["url", "opts"], 1, 2, client::get)
            .needing(Permission::Net)
            .with_options(options::REQUEST_OPTIONS),
        BuiltinDef::core("post", &["url", "opts"], 1, 2, client::post)
            .needing(Permission::Net)
            .with_options(options::REQUEST_OPTIONS),
        BuiltinDef::core("put", &["url", "opts"], 1, 2, client::put)
            .needing(Permission::Net)
            .with_options(options::REQUEST_OPTIONS),
        BuiltinDef::core("patch", &["url", "opts"], 1, 2, client::patch)
            .needing(Permission::Net)
            .with_options(options::REQUEST_OPTIONS),
        BuiltinDef::core("delete", &["url", "opts"], 1, 2, client::delete)
            .needing(Permission::Net)
            .with_options(options::REQUEST_OPTIONS),
        BuiltinDef::core("head", &["url", "opts"], 1, 2, client::head)
            .needing(Permission::Net)
            .with_options(options::REQUEST_OPTIONS),
        BuiltinDef::core("client", &["opts"], 0, 1, client::client).with_options(options::CLIENT_OPTIONS),
        BuiltinDef::core("serve", &["addr", "handler", "opts"], 2, 3, server::serve)
            .needing(Permission::Listen)
            .with_options(server::OPTIONS),
        BuiltinDef::core(
            "response",
            &["status", "body", "headers"],
            1,
            3,
            response::response,
        ),
        BuiltinDef::core("router", &[], 0, 0, router::router),
        BuiltinDef::core_frame("websocket", &["url", "opts"], 1, 2, 3, socket::websocket)
            .needing(Permission::Net)
            .with_options(socket::OPTIONS),
    ],
    constants: &[],
};
