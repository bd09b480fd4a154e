//! TCP and UDP: servers, clients and sockets whose handlers run on the interpreter's thread.
//!
//! `accept`, `start` and `listen` are frames that wait at an event source. The process's [poller](poller) names sockets that
//! have something new; the frame reads, writes, and calls handlers one after another. Since the frame parks the
//! coroutine that it runs on, a script may run several of them side by side.
//!
//! Invariants
//! - Every socket is opened after the host has agreed.
//! - A handler runs while nothing here is borrowed: it may close, write and set handlers as it likes.
//! - What the network can make grow is charged to the heap and bounded; what cannot be had ends that connection, not
//!   the program.
//! - A turn does a bounded amount of work for one connection, and every so often all else that is ready goes first.
//!
//! Source: library reference §13, §14.

mod bytes;
mod conn;
mod poller;
mod service;
mod tcp;
mod udp;

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use aether_eval::{BuiltinDef, Ctx, Permission};
use aether_value::{Heap, NativeObject, Raise, Rc, Value};

#[cfg(feature = "web")]
pub(crate) use poller::raise_descriptors;

/// Built-ins on sockets.
pub static NET: &[BuiltinDef] = &[
    BuiltinDef::core("tcp_listen", &["addr", "opts"], 1, 2, tcp::tcp_listen)
        .needing(Permission::Listen)
        .with_options(tcp::OPTIONS),
    BuiltinDef::core("tcp_connect", &["addr", "opts"], 1, 2, tcp::tcp_connect)
        .needing(Permission::Net)
        .with_options(tcp::OPTIONS),
    BuiltinDef::core("udp_bind", &["addr", "opts"], 1, 2, udp::udp_bind)
        .needing(Permission::Listen)
        .with_options(udp::OPTIONS),
];

/// Bytes read at a time, and the longest datagram there can be.
const SCRATCH: usize = 64 << 10;

thread_local! {
    /// Where what is read lies until it has been looked at. One for all sockets of a thread.
    static READ_INTO: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the place for what is read. Nothing that runs meanwhile may ask for it again.
fn with_scratch<R>(use_it: impl FnOnce(&mut [u8]) -> R) -> R {
    READ_INTO.with_borrow_mut(|scratch| {
        scratch.resize(SCRATCH, 0);
        use_it(scratch)
    })
}

/// Asks the host for an access.
fn permit(ctx: &mut Ctx<'_>, permission: Permission, address: &str) -> Result<(), Raise> {
    let answer = ctx.host().permit(permission, address);
    answer.map_err(|detail| Raise::permission(&detail))
}

/// Asks the host whether a connection that it has permitted may go to an address.
fn permit_resolved(ctx: &mut Ctx<'_>, name: &str, address: &str) -> Result<(), Raise> {
    let answer = ctx.host().permit_resolved(Permission::Net, name, address);
    answer.map_err(|detail| Raise::permission(&detail))
}

/// The addresses that a text names. For a name this may take long.
fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no address found"));
    }
    Ok(found)
}

/// Binds to the first address that lets itself be bound to.
pub(crate) fn bind<S>(address: &str, bind: impl Fn(SocketAddr) -> io::Result<S>) -> io::Result<S> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address found");
    for address in resolve(address)? {
        match bind(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The receiver of a method.
fn receiver(args: &[Value]) -> &Rc<NativeObject> {
    match &args[0] {
        Value::Native(native) => native,
        _ => unreachable!("a method of sockets"),
    }
}

/// The members `address` and `port`.
pub(crate) fn address_member(heap: &Heap, address: SocketAddr, name: &str) -> Result<Option<Value>, Raise> {
    Ok(match name {
        "address" => Some(Value::String(heap.string(&address.to_string())?)),
        "port" => Some(Value::Int(i64::from(address.port()))),
        _ => None,
    })
}

/// The function in an argument.
fn function(value: &Value) -> Result<Value, Raise> {
    if value.is_callable() {
        Ok(value.clone())
    } else {
        Err(crate::arguments::wrong_type("function", value))
    }
}
