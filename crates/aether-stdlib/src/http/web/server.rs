//! `http.serve`: a server, whose requests become calls of its handler.
//!
//! The server runs on a stack of its own, which waits at an event source: the network's thread tells it of requests. Each
//! request's handler has a stack of its own too, so that one that awaits does not hold up the others.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc as StdRc;
use std::sync::Arc;
use std::time::Duration;

use aether_eval::{Args, BuiltinDef, Count, Ctx, Event, EventSource, Permission, Step};
use aether_value::{Builtin, Heap, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};
use hyper::StatusCode;

use super::connection::plain;
use super::listener::{Exchange, Phase, ServerLimits, Shared, accept, deliver};
use super::network::network;
use super::request::{Request, request_of};
use super::response::message;
use super::{router, tls};
use crate::arguments::{Options, object, permit, receiver, string, wrong_type};

const MAX_BODY: &str = "max_body";
const TIMEOUT: &str = "timeout";
const TLS: &str = "tls";
const CONCURRENCY: &str = "concurrency";
/// Every key of options.
pub(super) const OPTIONS: &[&str] = &[MAX_BODY, TIMEOUT, TLS, CONCURRENCY];

/// Bytes of a request's body, unless something else is said.
const DEFAULT_MAX_BODY: i64 = 1 << 20;
/// Seconds for each part of an exchange, unless something else is said.
const DEFAULT_TIMEOUT: f64 = 30.0;
/// Handlers at a time, unless something else is said.
const DEFAULT_CONCURRENCY: i64 = 256;
/// Requests that are taken before others have their turn.
const BATCH: usize = 64;

static METHODS: &[BuiltinDef] = &[BuiltinDef::method("close", 0, 0, close)];

/// The server's own stack.
static SERVE: BuiltinDef = BuiltinDef::core_frame("http.serve", &["server"], 1, 1, 1, run);

/// The stack of a handler. Slots: the request, whether the handler has been called.
static HANDLE: BuiltinDef = BuiltinDef::core_frame("http.serve", &["request"], 1, 1, 2, handle).catching();

/// A server as a value.
pub(super) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    handler: Value,
    concurrency: usize,
    /// Handlers that have been called and have not answered.
    running: Cell<usize>,
    /// Whether requests wait for handlers to end.
    is_full: Cell<bool>,
    event_source: StdRc<EventSource>,
    /// When a graceful end is over.
    stop_at: Cell<Option<u64>>,
    /// Counts as open until the server is closed.
    count: RefCell<Option<Count>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.enter(Phase::Killed);
    }
}

fn invalid(detail: &str) -> Raise {
    Raise::operation(&format!("http.serve: {detail}"))
}

/// A positive number in an option.
fn positive(options: Options<'_>, key: &str, default: i64) -> Result<usize, Raise> {
    let number = options.int(key)?.unwrap_or(default);
    usize::try_from(number)
        .ok()
        .filter(|&number| number > 0)
        .ok_or_else(|| invalid(&format!("{key} must be positive, got {number}")))
}

/// The PEM text in an option, or in the file that it names.
fn pem(ctx: &mut Ctx<'_>, options: Options<'_>, key: &str) -> Result<Vec<u8>, Raise> {
    let Some(text) = options.string(key)? else {
        return Err(invalid(&format!("tls needs {key}")));
    };
    let text = text.as_str();
    ctx.tick(text.len() / 16)?;
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    permit(ctx, Permission::Read, text)?;
    let read = ctx.host().read_file(text);
    read.map_err(|error| Raise::io("http.serve", text, &error.to_string()))
}

/// `serve(addr, handler, [opts])`
pub(super) fn serve(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let address = string(&args[0])?.as_str();
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    let options = Options::new(args.get(2), OPTIONS)?;
    let timeout = options.seconds("http.serve", TIMEOUT)?.unwrap_or(DEFAULT_TIMEOUT);
    let limits = ServerLimits {
        max_body: positive(options, MAX_BODY, DEFAULT_MAX_BODY)?,
        timeout: Duration::try_from_secs_f64(timeout).ok(),
        handles: ctx.handles_left(),
        memory: ctx.heap().limit(),
    };
    let concurrency = positive(options, CONCURRENCY, DEFAULT_CONCURRENCY)?;
    permit(ctx, Permission::Listen, address)?;
    let acceptor = match options.get(TLS) {
        None => None,
        Some(value) => {
            let options = Options::new(Some(&value), &["cert", "key"])?;
            let (certificates, key) = (pem(ctx, options, "cert")?, pem(ctx, options, "key")?);
            let acceptor = tls::acceptor(&certificates, &key);
            Some(acceptor.map_err(|detail| invalid(&format!("tls: {detail}")))?)
        }
    };
    let count = ctx.open_handle()?;
    let failed = |error: std::io::Error| invalid(&format!("cannot bind {address}: {error}"));
    let listener = crate::net::bind(address, std::net::TcpListener::bind).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let network = network().map_err(failed)?;
    let listener = {
        let _inside = network.enter();
        tokio::net::TcpListener::from_std(listener).map_err(failed)?
    };
    let event_source = ctx.open_background_source("http");
    let shared = Shared::new(ctx.sender(&event_source), limits);
    let server = Server {
        shared: shared.clone(),
        address: local,
        handler: args[1].clone(),
        concurrency,
        running: Cell::new(0),
        is_full: Cell::new(false),
        event_source,
        stop_at: Cell::new(None),
        count: RefCell::new(Some(count)),
    };
    let server = Value::Native(ctx.heap().native(Box::new(server))?);
    network.spawn(deliver(shared.clone()));
    network.spawn(accept(listener, acceptor, shared));
    ctx.call_later(SERVE.value(), server.clone());
    Ok(server)
}

/// Answers what has come, and accepts nothing more.
#[expect(clippy::unnecessary_wraps, reason = "the signature of built-ins")]
fn close(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let server = receiver::<Server>(args);
    server.shared.enter(Phase::Draining);
    ctx.wake_service(&server.event_source);
    Ok(Value::Null)
}

impl Server {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn is_closing(&self) -> bool {
        *self.shared.phase.borrow() != Phase::Open
    }

    /// A handler has answered.
    pub(super) fn answered(&self, ctx: &mut Ctx<'_>) {
        self.running.set(self.running.get().saturating_sub(1));
        if self.is_full.get() || self.is_closing() {
            ctx.wake_service(&self.event_source);
        }
    }

    /// The end.
    fn end(&self, ctx: &mut Ctx<'_>) -> Step {
        self.shared.enter(Phase::Killed);
        ctx.close_event_source(&self.event_source);
        drop(self.count.borrow_mut().take());
        Step::Done(Value::Null)
    }

    /// What the user's wish to stop brings about; true if it is over.
    fn heed_stops(&self, ctx: &mut Ctx<'_>, stops: u32) -> bool {
        if stops == 0 {
            return false;
        }
        let now = ctx.host().monotonic();
        let until = self.stop_at.get().unwrap_or_else(|| {
            self.shared.enter(Phase::Draining);
            now.saturating_add((ctx.grace() * 1e9) as u64)
        });
        self.stop_at.set(Some(until));
        stops > 1 || until <= now
    }

    /// Begins handlers for the requests that wait.
    fn begin_handlers(&self, ctx: &mut Ctx<'_>, native: &Rc<NativeObject>) -> usize {
        let room = self.concurrency.saturating_sub(self.running.get());
        let mut batch: Vec<Exchange> = Vec::new();
        self.shared.take(room.min(BATCH), &mut batch);
        let count = batch.len();
        for exchange in batch {
            // A request for which there is no memory is answered by the network's thread.
            if let Ok(request) = ctx
                .heap()
                .native(Box::new(Request::new(exchange, native.clone())))
            {
                self.running.set(self.running.get() + 1);
                ctx.call_later(HANDLE.value(), Value::Native(request));
            }
        }
        self.is_full.set(self.running.get() >= self.concurrency);
        count
    }
}

fn run(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let Value::Native(native) = slots[0].clone() else {
        return Ok(Step::Done(Value::Null));
    };
    let server = object::<Server>(&slots[0]);
    let source = &server.event_source;
    let stops = source.stops();
    if server.heed_stops(ctx, stops) {
        return Ok(server.end(ctx));
    }
    while source.next_event().is_some() {}
    server.shared.listen();
    let count = server.begin_handlers(ctx, &native);
    ctx.tick(1 + count)?;
    if count == BATCH {
        return ctx.yield_to_others();
    }
    if server.is_closing() && server.running.get() == 0 && server.shared.is_over() {
        return Ok(server.end(ctx));
    }
    ctx.await_event(source, stops, server.stop_at.get())
}

/// Tells that a handler has failed.
fn log(ctx: &mut Ctx<'_>, request: &Request, raise: &Raise) {
    let place = ctx.place_of(raise).map(|place| format!(" ({place})"));
    let text = format!(
        "http: {} {}: {}{}\n",
        request.method_of(),
        request.raw_path(),
        raise.message(),
        place.unwrap_or_default()
    );
    // Nobody is left to tell if that cannot be done.
    let _ = ctx.host().write_err(&text);
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of frames")]
fn handle(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let request = request_of(&slots[0]);
    let Some(server) = request.server.downcast::<Server>() else {
        return Ok(Step::Done(Value::Null));
    };
    let outcome = match event {
        Event::Start => {
            let value = slots[0].clone();
            let handler = server.handler.clone();
            if router::is_router(&handler) {
                return Ok(router::dispatch(handler, value));
            }
            return Ok(Step::Call {
                function: handler,
                args: Args::One(value),
                lenient: true,
            });
        }
        Event::Returned(promise @ Value::Promise(_)) => return Ok(Step::Await(promise)),
        Event::Returned(_) if request.is_answered() => None,
        Event::Returned(value) => Some(message(ctx, &value)),
        Event::Failed(raise) => Some(Err(raise)),
    };
    match outcome {
        None => {}
        Some(Ok(response)) => request.answer(response),
        Some(Err(raise)) => {
            log(ctx, request, &raise);
            request.answer(plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal Server Error\n",
            ));
        }
    }
    server.answered(ctx);
    Ok(Step::Done(Value::Null))
}

impl Native for Server {
    fn type_name(&self) -> &'static str {
        "http_server"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of::<Shared>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_value(&self.handler));
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        if self.is_closing() {
            return out.push_str("<http_server:closed>");
        }
        out.push_str("<http_server:")?;
        out.push_str(&self.address.to_string())?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        crate::net::address_member(heap, self.address, name)
    }

    fn member_names(&self) -> Vec<String> {
        ["address", "port"].map(str::to_owned).to_vec()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
