//! `udp_bind` and the methods of UDP sockets.
//!
//! A datagram is sent at once if the system takes it, else it waits, charged, behind those that wait already. Closing
//! sends what waits first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use aether_eval::{Args, BuiltinDef, Ctx, Event, EventSource, Held, Permission, Step};
use aether_value::{Builtin, Heap, Native, NativeObject, Raise, Raw, StrBuilder, Value};
use mio::net::UdpSocket;

use super::bytes::{Bytes, with_bytes};
use super::poller::{READ, WRITE, Watch};
use crate::arguments::Options;
use crate::byte_form::{BYTES, ByteForm};

use super::{bind, function, permit, receiver, with_scratch};

/// Every key of options.
pub(super) const OPTIONS: &[&str] = &[BYTES];
/// Most datagrams that wait to be sent.
const MOST_WAITING: usize = 1 << 20;
/// Datagrams after which everything else that is ready goes first.
const TURNS: u32 = 128;

static SOCKET: &[BuiltinDef] = &[
    BuiltinDef::method("on_listen", 1, 1, set::<LISTEN>),
    BuiltinDef::method("on_message", 1, 1, set::<MESSAGE>),
    BuiltinDef::method("on_error", 1, 1, set::<ERROR>),
    BuiltinDef::method("send_to", 2, 2, send_to),
    BuiltinDef::method_frame("listen", 0, 0, 2, listen).catching(),
    BuiltinDef::method("close", 0, 0, close),
];

const LISTEN: usize = 0;
const MESSAGE: usize = 1;
const ERROR: usize = 2;
const HANDLERS: usize = 3;

/// A UDP socket as a value.
struct Socket {
    address: SocketAddr,
    handlers: RefCell<[Value; HANDLERS]>,
    begun: Cell<bool>,
    closed: Cell<bool>,
    /// Whether `on_listen` is still to be called.
    announces: Cell<bool>,
    /// What datagrams are given to their handler as.
    form: ByteForm,
    event_source: RefCell<Option<std::rc::Rc<EventSource>>>,
    state: RefCell<State>,
}

struct State {
    socket: Option<Held<UdpSocket>>,
    watch: Option<Watch>,
    readable: bool,
    writable: bool,
    waiting: VecDeque<(Bytes, SocketAddr)>,
    /// When a graceful end is over.
    stop_at: Option<u64>,
    turns: u32,
}

impl Native for Socket {
    fn type_name(&self) -> &'static str {
        "udp_socket"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Ok(handlers) = self.handlers.try_borrow() {
            for handler in &*handlers {
                visit(&Raw::of_value(handler));
            }
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str(if self.closed.get() {
            "<udp_socket:closed>"
        } else {
            "<udp_socket:listening>"
        })
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        super::address_member(heap, self.address, name)
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(SOCKET, name)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn socket_of(native: &NativeObject) -> &Socket {
    match native.downcast() {
        Some(socket) => socket,
        None => unreachable!("a method of UDP sockets"),
    }
}

pub(super) fn udp_bind(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let address = crate::arguments::string(&args[0])?.as_str();
    let form = match Options::new(args.get(1), OPTIONS)?.get(BYTES) {
        Some(form) => ByteForm::of("udp_bind", &form)?,
        None => ByteForm::default(),
    };
    permit(ctx, Permission::Listen, address)?;
    let count = ctx.open_handle()?;
    let bound = bind(address, UdpSocket::bind).and_then(|socket| {
        let local = socket.local_addr()?;
        Ok((socket, local))
    });
    let (socket, local) =
        bound.map_err(|error| Raise::operation(&format!("udp_bind: cannot bind {address}: {error}")))?;
    let socket = Socket {
        address: local,
        handlers: RefCell::new([const { Value::Null }; HANDLERS]),
        begun: Cell::new(false),
        closed: Cell::new(false),
        announces: Cell::new(true),
        form,
        event_source: RefCell::new(None),
        state: RefCell::new(State {
            socket: Some(count.hold(socket)),
            watch: None,
            readable: false,
            writable: true,
            waiting: VecDeque::new(),
            stop_at: None,
            turns: 0,
        }),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(socket))?))
}

/// Sets a handler.
fn set<const WHICH: usize>(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let handler = function(&args[1])?;
    let socket = socket_of(receiver(args));
    let old = std::mem::replace(&mut socket.handlers.borrow_mut()[WHICH], handler);
    drop(old);
    Ok(args[0].clone())
}

fn send_to(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let socket = socket_of(receiver(args));
    let heap = ctx.heap().clone();
    // The types are checked before anything else.
    with_bytes(&heap, &args[1], |_| Ok(()))?;
    let address = crate::arguments::string(&args[2])?.as_str();
    if socket.event_source.borrow().is_none() || socket.closed.get() {
        return Err(Raise::operation("sock.send_to: socket not started"));
    }
    let Ok(target) = address.parse::<SocketAddr>() else {
        tell(ctx, &format!("invalid address '{address}'"));
        return Ok(Value::Null);
    };
    permit(ctx, Permission::Net, address)?;
    let sent = with_bytes(&heap, &args[1], |bytes| {
        socket.state.borrow_mut().send(&heap, bytes, target)
    })?;
    if let Err(error) = sent {
        tell(ctx, &error.to_string());
    }
    Ok(Value::Null)
}

fn tell(ctx: &mut Ctx<'_>, detail: &str) {
    // Nobody is left to tell of a stream that is closed.
    let _ = ctx.host().write_err(&format!("udp: send_to: {detail}\n"));
}

impl State {
    /// Sends a datagram, or has it wait.
    fn send(&mut self, heap: &Heap, bytes: &[u8], target: SocketAddr) -> Result<io::Result<()>, Raise> {
        let Some(socket) = &self.socket else {
            return Ok(Ok(()));
        };
        if self.writable && self.waiting.is_empty() {
            match attempt(|| socket.send_to(bytes, target)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                other => return Ok(other.map(drop)),
            }
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(heap.out_of_memory(bytes.len()));
        }
        let mut copy = Bytes::new(heap);
        copy.reserve(bytes.len() + size_of::<(Bytes, SocketAddr)>() * 2)?;
        copy.push(bytes)?;
        self.waiting.push_back((copy, target));
        Ok(Ok(()))
    }

    /// Sends what waits, as far as the system takes it.
    fn flush(&mut self) -> io::Result<()> {
        while self.writable
            && let (Some(socket), Some((bytes, target))) = (&self.socket, self.waiting.front())
        {
            match attempt(|| socket.send_to(bytes.as_slice(), *target)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                other => {
                    self.waiting.pop_front();
                    other?;
                }
            }
        }
        Ok(())
    }
}

/// Makes a call again that a signal has interrupted.
fn attempt<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let socket = socket_of(receiver(args));
    socket.closed.set(true);
    let event_source = socket.event_source.borrow().clone();
    match event_source {
        Some(event_source) => ctx.wake_service(&event_source),
        None => socket.end(),
    }
    Ok(Value::Null)
}

impl Socket {
    /// Gives the socket up.
    fn end(&self) {
        let mut state = self.state.borrow_mut();
        state.socket = None;
        state.watch = None;
        state.waiting = VecDeque::new();
    }

    fn finish(&self, ctx: &mut Ctx<'_>) {
        self.closed.set(true);
        if let Some(event_source) = self.event_source.borrow_mut().take() {
            ctx.close_event_source(&event_source);
        }
        self.end();
    }

    fn begin(&self, ctx: &mut Ctx<'_>) -> Result<(), Raise> {
        let event_source = ctx.open_event_source("udp");
        let post = ctx.sender(&event_source);
        *self.event_source.borrow_mut() = Some(event_source);
        let mut state = self.state.borrow_mut();
        if let Some(socket) = &mut state.socket {
            let watch = Watch::new(&mut **socket, post, 0);
            state.watch = Some(watch.map_err(|error| Raise::operation(&format!("sock.listen: {error}")))?);
        }
        Ok(())
    }
}

/// The frame of `listen`. Slots: the socket; whether an async handler's promise is to be awaited.
fn listen(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let native = receiver(slots).clone();
    let socket = socket_of(&native);
    let step = match event {
        Event::Start => {
            if socket.begun.replace(true) {
                return Err(Raise::operation("sock.listen() already called"));
            }
            if socket.closed.get() {
                return Ok(Step::Done(Value::Null));
            }
            socket.begin(ctx).and_then(|()| turn(ctx, socket, slots))
        }
        Event::Returned(value) if slots[1].truthy() => {
            slots[1] = Value::Null;
            return Ok(Step::Await(value));
        }
        Event::Returned(_) => turn(ctx, socket, slots),
        Event::Failed(raise) => Err(raise),
    };
    if matches!(step, Ok(Step::Done(_)) | Err(_)) {
        socket.finish(ctx);
    }
    step
}

/// Runs until a handler is to be called, or there is nothing to do.
fn turn(ctx: &mut Ctx<'_>, socket: &Socket, slots: &mut [Value]) -> Result<Step, Raise> {
    let Some(event_source) = socket.event_source.borrow().clone() else {
        return Ok(Step::Done(Value::Null));
    };
    loop {
        ctx.tick(1)?;
        if let Some(raise) = event_source.take_failure() {
            return Err(raise);
        }
        let stops = event_source.stops();
        let now = ctx.host().monotonic();
        let mut state = socket.state.borrow_mut();
        if stops > 0 && state.stop_at.is_none() {
            state.stop_at = Some(now.saturating_add((ctx.grace() * 1e9) as u64));
            socket.closed.set(true);
        }
        while event_source.next_event().is_some() {
            let news = state.watch.as_ref().map_or(0, Watch::take_readiness);
            state.readable |= news & READ != 0;
            state.writable |= news & WRITE != 0;
        }
        if socket.announces.replace(false) {
            drop(state);
            if let Some(step) = call(socket, slots, LISTEN, Args::None) {
                return Ok(step);
            }
            continue;
        }
        if let Err(error) = state.flush() {
            drop(state);
            tell(ctx, &error.to_string());
            continue;
        }
        if socket.closed.get() {
            let late = stops > 1 || state.stop_at.is_some_and(|stop_at| stop_at <= now);
            if state.waiting.is_empty() || late {
                return Ok(Step::Done(Value::Null));
            }
            let until = state.stop_at;
            drop(state);
            return ctx.await_event(&event_source, stops, until);
        }
        if !state.readable {
            drop(state);
            return ctx.await_event(&event_source, stops, None);
        }
        state.turns = state.turns.wrapping_add(1);
        if state.turns.is_multiple_of(TURNS) {
            drop(state);
            return ctx.yield_to_others();
        }
        let step = receive(ctx, socket, &mut state, slots);
        drop(state);
        if let Some(step) = step? {
            return Ok(step);
        }
    }
}

/// Takes one datagram and calls its handler.
fn receive(
    ctx: &mut Ctx<'_>,
    socket: &Socket,
    state: &mut State,
    slots: &mut [Value],
) -> Result<Option<Step>, Raise> {
    let Some(io) = &state.socket else {
        return Ok(None);
    };
    let wanted = !socket.handlers.borrow()[MESSAGE].is_null();
    let received = with_scratch(|scratch| {
        let (length, from) = io.recv_from(scratch)?;
        Ok(wanted.then(|| (socket.form.value(ctx.heap(), &scratch[..length]), from)))
    });
    match received {
        Ok(None) => Ok(None),
        Ok(Some((Ok(data), from))) => {
            let from = ctx.string(&from.to_string())?;
            Ok(call(socket, slots, MESSAGE, Args::Two(data, from)))
        }
        // A datagram that does not fit the heap is lost, as datagrams are.
        Ok(Some((Err(raise), _))) => {
            let text = ctx.string(&format!("udp_receive: {}", raise.message()))?;
            Ok(call(socket, slots, ERROR, Args::One(text)))
        }
        Err(error) => match io::Error::kind(&error) {
            io::ErrorKind::WouldBlock => {
                state.readable = false;
                Ok(None)
            }
            io::ErrorKind::Interrupted => Ok(None),
            _ => {
                let text = ctx.string(&format!("udp_receive: {error}"))?;
                Ok(call(socket, slots, ERROR, Args::One(text)))
            }
        },
    }
}

/// Calls a handler, if there is one.
fn call(socket: &Socket, slots: &mut [Value], which: usize, args: Args) -> Option<Step> {
    let function = socket.handlers.borrow()[which].clone();
    if function.is_null() {
        return None;
    }
    slots[1] = Value::Bool(function.is_async());
    Some(Step::Call {
        function,
        args,
        lenient: true,
    })
}
