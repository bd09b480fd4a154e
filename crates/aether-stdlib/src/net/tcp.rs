//! `tcp_listen`, `tcp_connect`, and the methods of servers and connections.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use aether_eval::{BuiltinDef, Count, Ctx, Event, Permission, Step};
use aether_value::{Builtin, Heap, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};
use mio::net::{TcpListener, TcpStream};

use crate::byte_form::{BYTES, ByteForm};

use super::bytes::with_bytes;
use super::conn::{Conn, Owner, Phase, State, conn_of};
use super::poller::Watch;
use super::service::{CONNECT, DISCONNECT, ERROR, LISTEN, Listener, MESSAGE, Service, TIMEOUT};
use super::{bind, function, permit, permit_resolved, receiver, resolve};

static SERVER: &[BuiltinDef] = &[
    BuiltinDef::method("on_listen", 1, 1, set::<LISTEN>),
    BuiltinDef::method("on_connect", 1, 1, set::<CONNECT>),
    BuiltinDef::method("on_message", 1, 1, set::<MESSAGE>),
    BuiltinDef::method("on_disconnect", 1, 1, set::<DISCONNECT>),
    BuiltinDef::method("on_error", 1, 1, set::<ERROR>),
    BuiltinDef::method("on_timeout", 1, 1, set::<TIMEOUT>),
    BuiltinDef::method_frame("accept", 0, 0, 2, accept).catching(),
    BuiltinDef::method("close", 0, 0, close_server),
];

/// Methods of every connection.
pub(super) static CONNECTION: &[BuiltinDef] = &[
    BuiltinDef::method("write", 1, 1, write),
    BuiltinDef::method("close", 0, 0, close_connection),
];

/// Methods of clients besides.
pub(super) static CLIENT: &[BuiltinDef] = &[
    BuiltinDef::method("on_connect", 1, 1, set::<CONNECT>),
    BuiltinDef::method("on_message", 1, 1, set::<MESSAGE>),
    BuiltinDef::method("on_disconnect", 1, 1, set::<DISCONNECT>),
    BuiltinDef::method("on_error", 1, 1, set::<ERROR>),
    BuiltinDef::method("on_timeout", 1, 1, set::<TIMEOUT>),
    BuiltinDef::method_frame("start", 0, 0, 4, start).catching(),
];

/// A server as a value.
struct Server {
    service: std::rc::Rc<Service>,
    address: SocketAddr,
}

impl Native for Server {
    fn type_name(&self) -> &'static str {
        "tcp_server"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of::<Service>() + self.service.size()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        self.service.trace(visit);
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str(if self.service.closed.get() {
            "<tcp_server:closed>"
        } else {
            "<tcp_server:listening>"
        })
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        super::address_member(heap, self.address, name)
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(SERVER, name)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The service behind a server or a client.
fn service_of(native: &NativeObject) -> std::rc::Rc<Service> {
    if let Some(server) = native.downcast::<Server>() {
        return server.service.clone();
    }
    match conn_of(native).service() {
        Some(service) => service,
        None => unreachable!("a client is its own service"),
    }
}

/// Sets a handler.
fn set<const WHICH: usize>(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let handler = function(&args[1])?;
    let service = service_of(receiver(args));
    let old = std::mem::replace(&mut service.handlers.borrow_mut()[WHICH], handler);
    drop(old);
    Ok(args[0].clone())
}

/// What ends a message.
const DELIMITER: &str = "delimiter";
/// Seconds a connection may be idle.
const IDLE_TIMEOUT: &str = "timeout";
/// Every key of options.
pub(super) const OPTIONS: &[&str] = &[DELIMITER, IDLE_TIMEOUT, BYTES];

/// What `opts` may say.
#[derive(Default)]
struct Options {
    delimiter: Option<Box<[u8]>>,
    timeout: Option<u64>,
    form: ByteForm,
}

fn options(operation: &str, value: Option<&Value>) -> Result<Options, Raise> {
    let mut options = Options::default();
    let dict = match value {
        None => return Ok(options),
        Some(Value::Dict(dict)) => dict,
        Some(value) => return Err(crate::arguments::wrong_type("dict", value)),
    };
    if let Some(value) = dict.get_str_value(DELIMITER) {
        let delimiter = crate::arguments::string(&value)?.as_str();
        if delimiter.is_empty() {
            return Err(Raise::operation(&format!(
                "{operation}: delimiter must not be empty"
            )));
        }
        options.delimiter = Some(delimiter.as_bytes().into());
    }
    if let Some(value) = dict.get_str_value(IDLE_TIMEOUT) {
        let seconds = match &value {
            Value::Int(seconds) => *seconds as f64,
            Value::Float(seconds) => *seconds,
            value => return Err(crate::arguments::wrong_type("number", value)),
        };
        if seconds.is_nan() || seconds <= 0.0 {
            return Err(Raise::operation(&format!(
                "{operation}: timeout must be positive"
            )));
        }
        // Saturates.
        options.timeout = Some((seconds * 1e9) as u64);
    }
    if let Some(value) = dict.get_str_value(BYTES) {
        options.form = ByteForm::of(operation, &value)?;
    }
    Ok(options)
}

// --- servers ---

pub(super) fn tcp_listen(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let address = crate::arguments::string(&args[0])?.as_str();
    let Options {
        delimiter,
        timeout,
        form,
    } = options("tcp_listen", args.get(1))?;
    permit(ctx, Permission::Listen, address)?;
    let count = ctx.open_handle()?;
    let bound = bind(address, TcpListener::bind).and_then(|socket| {
        let local = socket.local_addr()?;
        Ok((socket, local))
    });
    let (socket, local) =
        bound.map_err(|error| Raise::operation(&format!("tcp_listen: cannot bind {address}: {error}")))?;
    let service = Service::new(true, delimiter, timeout, form);
    *service.listener.borrow_mut() = Some(Listener::new(count.hold(socket)));
    let server = Server {
        service: std::rc::Rc::new(service),
        address: local,
    };
    Ok(Value::Native(ctx.heap().native(Box::new(server))?))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close_server(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    service_of(receiver(args)).close(ctx);
    Ok(Value::Null)
}

/// Marks a service as begun; `false` if it has been closed before.
fn begin_once(service: &Service, call: &str) -> Result<bool, Raise> {
    if service.begun.replace(true) {
        return Err(Raise::operation(&format!("{call}() already called")));
    }
    Ok(!service.closed.get())
}

/// The frame of `accept`. Slots: the server; whether an async handler's promise is to be awaited.
fn accept(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let native = receiver(slots).clone();
    let service = service_of(&native);
    match event {
        Event::Start => {
            if !begin_once(&service, "server.accept")? {
                return Ok(Step::Done(Value::Null));
            }
            service.begin(ctx);
            if let Err(error) = service.begin_listening(ctx) {
                let raise = Raise::operation(&format!("server.accept: {error}"));
                return Err(abort(ctx, &native, &service, raise));
            }
        }
        Event::Returned(value) if slots[1].truthy() => {
            slots[1] = Value::Null;
            return Ok(Step::Await(value));
        }
        Event::Returned(_) => {}
        Event::Failed(raise) => return Err(abort(ctx, &native, &service, raise)),
    }
    serve(ctx, slots, &native, &service)
}

/// Everything ends with an error.
fn abort(ctx: &mut Ctx<'_>, native: &Rc<NativeObject>, service: &Service, raise: Raise) -> Raise {
    let own = (!service.is_server).then(|| conn_of(native));
    service.abort(ctx, own);
    // What has been given back need not be asked for.
    let _ = native.recharge();
    raise
}

fn serve(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    native: &Rc<NativeObject>,
    service: &std::rc::Rc<Service>,
) -> Result<Step, Raise> {
    match Service::turn(service, ctx, native, slots) {
        Ok(step @ Step::Done(_)) => {
            let _ = native.recharge();
            Ok(step)
        }
        Ok(step) => Ok(step),
        Err(raise) => Err(abort(ctx, native, service, raise)),
    }
}

// --- connections ---

fn write(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    /// Bytes that wait for the end of the handler, so that small writes leave together.
    const TOGETHER: usize = 64 << 10;
    let conn = conn_of(receiver(args));
    let heap = ctx.heap().clone();
    let length = with_bytes(&heap, &args[1], |bytes| {
        let mut state = conn.state.borrow_mut();
        match state.phase {
            Phase::New | Phase::Connecting => {
                return Err(Raise::operation("conn.write: connection not started"));
            }
            Phase::Closing | Phase::Closed => return Ok(0),
            Phase::Open => {}
        }
        state.output.push(bytes)?;
        state.touched = true;
        if state.output.len() >= TOGETHER {
            // A failure shows again when the service looks at the connection.
            let _ = state.flush();
        }
        Ok(bytes.len())
    })?;
    ctx.tick(length / 64)?;
    if length > 0
        && let Some(service) = conn.service()
    {
        service.activate(ctx, conn);
    }
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close_connection(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let conn = conn_of(receiver(args));
    let phase = conn.state.borrow().phase;
    match phase {
        Phase::New | Phase::Connecting => {
            conn.state.borrow_mut().end(false);
            if let Some(service) = conn.service() {
                service.closed.set(true);
                if let Some(event_source) = service.event_source() {
                    ctx.wake_service(&event_source);
                }
            }
        }
        Phase::Open => {
            conn.state.borrow_mut().phase = Phase::Closing;
            if let Some(service) = conn.service() {
                service.activate(ctx, conn);
            }
        }
        Phase::Closing | Phase::Closed => {}
    }
    Ok(Value::Null)
}

// --- clients ---

pub(super) fn tcp_connect(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let address = crate::arguments::string(&args[0])?.as_str();
    let Options {
        delimiter,
        timeout,
        form,
    } = options("tcp_connect", args.get(1))?;
    permit(ctx, Permission::Net, address)?;
    let heap = ctx.heap();
    let conn = heap.native(Box::new(Conn {
        owner: Owner::Own(std::rc::Rc::new(Service::new(false, delimiter, timeout, form))),
        state: RefCell::new(State::new(heap, address)),
    }))?;
    Ok(Value::Native(conn))
}

/// Slots of `start`: the client; whether an async handler's promise is to be awaited; the addresses that are still
/// to be tried, as an array of texts; the last failure.
const ADDRESSES: usize = 2;
const FAILURE: usize = 3;

/// The frame of `start`.
fn start(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let native = receiver(slots).clone();
    let service = service_of(&native);
    match event {
        Event::Start => {
            if !begin_once(&service, "client.start")? {
                return Ok(Step::Done(Value::Null));
            }
            service.begin(ctx);
            let address = conn_of(&native).state.borrow().address.to_string();
            conn_of(&native).state.borrow_mut().phase = Phase::Connecting;
            if let Ok(address) = address.parse::<SocketAddr>() {
                let known = ctx.heap().array(1)?;
                known.push(ctx.string(&address.to_string())?)?;
                slots[ADDRESSES] = Value::Array(known);
            } else {
                // Names are resolved in the background; until then the slot is null.
                let found = ctx.in_background(move || resolve(&address), addresses);
                return found.map(Step::Await);
            }
        }
        Event::Returned(value) if slots[ADDRESSES].is_null() => match value {
            Value::Array(_) => slots[ADDRESSES] = value,
            detail => {
                slots[ADDRESSES] = Value::Array(ctx.heap().array(0)?);
                slots[FAILURE] = detail;
            }
        },
        Event::Returned(value) if slots[1].truthy() => {
            slots[1] = Value::Null;
            return Ok(Step::Await(value));
        }
        Event::Returned(_) => {}
        Event::Failed(raise) => return Err(abort(ctx, &native, &service, raise)),
    }
    let step = match connect(ctx, slots, &native, &service) {
        Ok(None) => serve(ctx, slots, &native, &service),
        Ok(Some(step)) => Ok(step),
        Err(raise) => Err(abort(ctx, &native, &service, raise)),
    };
    if let Ok(Step::Done(_)) = &step {
        let _ = native.recharge();
    }
    step
}

/// What resolving a name gave: an array of addresses, or the text of the failure.
fn addresses(ctx: &mut Ctx<'_>, found: io::Result<Vec<SocketAddr>>) -> Result<Value, Raise> {
    match found {
        Ok(addresses) => {
            let array = ctx.heap().array(addresses.len())?;
            for address in addresses {
                array.push(ctx.string(&address.to_string())?)?;
            }
            Ok(Value::Array(array))
        }
        Err(error) => ctx.string(&error.to_string()),
    }
}

/// Gets a client connected: `None` once it is, or has failed, and handlers are to be called.
fn connect(
    ctx: &mut Ctx<'_>,
    slots: &mut [Value],
    native: &Rc<NativeObject>,
    service: &Service,
) -> Result<Option<Step>, Raise> {
    let conn = conn_of(native);
    let Some(event_source) = service.event_source() else {
        return Ok(None);
    };
    loop {
        if conn.state.borrow().phase != Phase::Connecting {
            return Ok(None);
        }
        if event_source.stops() > 0 {
            conn.state.borrow_mut().end(false);
            return Ok(None);
        }
        if let Some(raise) = event_source.take_failure() {
            return Err(raise);
        }
        while event_source.next_event().is_some() {}
        let waits = conn.state.borrow().stream.is_some();
        let outcome = if waits {
            progress(&mut conn.state.borrow_mut())
        } else {
            match next_address(slots) {
                Some(address) => {
                    let name = conn.state.borrow().address.clone();
                    permit_resolved(ctx, &name, &address.to_string())?;
                    let count = ctx.open_handle()?;
                    let post = ctx.sender(&event_source);
                    dial(&mut conn.state.borrow_mut(), address, count, post).map(|()| false)
                }
                None => return give_up(ctx, slots, conn, service).map(|()| None),
            }
        };
        match outcome {
            Ok(true) => {
                service.established(ctx, native);
                return Ok(None);
            }
            Ok(false) => return ctx.await_event(&event_source, 0, None).map(Some),
            Err(error) => {
                slots[FAILURE] = ctx.string(&error.to_string())?;
                let mut state = conn.state.borrow_mut();
                state.stream = None;
                state.watch = None;
                state.writable = false;
                state.readable = false;
            }
        }
    }
}

fn next_address(slots: &[Value]) -> Option<SocketAddr> {
    let Value::Array(left) = &slots[ADDRESSES] else {
        return None;
    };
    if left.is_empty() {
        return None;
    }
    match left.remove(0) {
        Ok(Value::String(address)) => address.as_str().parse().ok(),
        _ => None,
    }
}

fn dial(state: &mut State, address: SocketAddr, count: Count, post: aether_eval::Sender) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    state.watch = Some(Watch::new(&mut stream, post, 0)?);
    state.stream = Some(count.hold(stream));
    Ok(())
}

/// Whether a connection has been made by now.
fn progress(state: &mut State) -> io::Result<bool> {
    state.take_readiness();
    let Some(stream) = &state.stream else {
        return Ok(false);
    };
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => {
            let _ = stream.set_nodelay(true);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotConnected && !state.readable => Ok(false),
        Err(error) => Err(error),
    }
}

/// No address could be connected to: that is told, and it is over.
fn give_up(ctx: &Ctx<'_>, slots: &mut [Value], conn: &Conn, service: &Service) -> Result<(), Raise> {
    conn.state.borrow_mut().end(false);
    let detail = ctx.text(&slots[FAILURE])?;
    service.report_error(format!("tcp_connect: {}", detail.as_str()));
    Ok(())
}
