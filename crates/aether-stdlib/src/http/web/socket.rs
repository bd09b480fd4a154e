//! web sockets as values: `req.upgrade()` at the server, `http.websocket` at the client.
//!
//! A socket with handlers has a stack of its own, which takes messages and calls them one after the other, and which keeps
//! the program going. One without is read by a loop. A socket that nothing refers to is closed.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aether_eval::{AccessCheck, Args, BuiltinDef, Count, Ctx, Event, HostFinish, Permission, Step};
use aether_value::{Builtin, ErrorKind, Heap, Native, Raise, Raw, StrBuilder, Value};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::super::exchange::RedirectPolicy;
use super::super::{default_timeout, http_error, location, reach, timeout};
use super::answer::bytes_value;
use super::body::ReplyBody;
use super::connection::Punctual;
use super::listener::Phase;
use super::messages::{self, Ahead, End, Outgoing, Pipe, Received};
use super::network::network;
use super::options::add_headers;
use super::request::Request;
use super::server::Server;
use super::tls;
use crate::arguments::{Options, int, number, object, receiver, string, wrong_type};
use crate::awaited::resume_after;
use crate::bytes::with_data;

const HEADERS: &str = "headers";
const TIMEOUT: &str = "timeout";
const VERIFY_TLS: &str = "verify_tls";
const MAX_MESSAGE: &str = "max_message";
/// Every key of a client's options.
pub(super) const OPTIONS: &[&str] = &[HEADERS, TIMEOUT, VERIFY_TLS, MAX_MESSAGE];

/// Bytes of a message, unless something else is said.
const DEFAULT_MAX_MESSAGE: i64 = 1 << 20;
/// Bytes that may wait to be sent.
const MOST_UNSENT: usize = 16 << 20;
/// The code of an end without any trouble.
const NORMAL: u16 = 1000;
/// The code of an end because of an error at this end.
const FAILED: u16 = 1011;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("send", 1, 1, send),
    BuiltinDef::method("on_message", 1, 1, |ctx, args| set_handler(ctx, args, MESSAGE)),
    BuiltinDef::method("on_close", 1, 1, |ctx, args| set_handler(ctx, args, CLOSE)),
    BuiltinDef::method("close", 0, 2, close),
    BuiltinDef::method_frame("has_next", 0, 0, 1, has_next),
    BuiltinDef::method_frame("next", 0, 0, 1, next),
];

/// Handlers by number.
const MESSAGE: usize = 0;
const CLOSE: usize = 1;

/// The stack of a socket with handlers. Slots: the socket, what has been called.
static PUMP: BuiltinDef = BuiltinDef::core_frame("http.websocket", &["socket"], 1, 1, 2, pump).catching();

/// A web socket as a value.
struct Socket {
    pipe: Arc<Pipe>,
    outgoing: RefCell<Option<mpsc::UnboundedSender<Outgoing>>>,
    handlers: RefCell<[Value; 2]>,
    /// Whether it has a stack of its own.
    is_pumped: Cell<bool>,
    /// Counts as open as long as the handle lives.
    _count: Count,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.pipe.abandon();
    }
}

impl Socket {
    fn value(
        ctx: &mut Ctx<'_>,
        pipe: Arc<Pipe>,
        outgoing: mpsc::UnboundedSender<Outgoing>,
        count: Count,
    ) -> Result<Value, Raise> {
        let socket = Self {
            pipe,
            outgoing: RefCell::new(Some(outgoing)),
            handlers: RefCell::new([const { Value::Null }; 2]),
            is_pumped: Cell::new(false),
            _count: count,
        };
        Ok(Value::Native(ctx.heap().native(Box::new(socket))?))
    }

    fn close(&self, code: u16, reason: &str) {
        if let Some(outgoing) = self.outgoing.borrow_mut().take() {
            // One that has ended has nothing to close.
            let _ = outgoing.send(Outgoing::Close(code, reason.to_owned()));
        }
    }
}

// --- the server's end ---

/// Whether a list in a header has an item.
fn lists(headers: &HeaderMap, name: header::HeaderName, item: &str) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(item))
}

/// The answer that makes a request's connection a web socket.
fn accepted(request: &Request) -> Result<Response<ReplyBody>, &'static str> {
    let headers = &request.parts().headers;
    if request.method_of() != Method::GET
        || !lists(headers, header::UPGRADE, "websocket")
        || !lists(headers, header::CONNECTION, "upgrade")
    {
        return Err("the request does not ask for a WebSocket");
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err("the request asks for a version of WebSocket other than 13");
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return Err("the request has no Sec-WebSocket-Key");
    };
    let accept =
        HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| "the key is malformed")?;
    let mut response = Response::new(ReplyBody::EMPTY);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// `req.upgrade()`
pub(super) fn upgrade(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let request = receiver::<Request>(args);
    let invalid = |detail: &str| Raise::operation(&format!("req.upgrade: {detail}"));
    if request.is_answered() {
        return Err(invalid("the request has been answered"));
    }
    let response = accepted(request).map_err(invalid)?;
    let count = ctx.open_handle()?;
    let Some((upgrade, connection)) = request.take_upgrade() else {
        return Err(invalid("the request does not ask for a WebSocket"));
    };
    let Some(shared) = request.server.downcast::<Server>().map(Server::shared) else {
        return Err(invalid("the server is closed"));
    };
    let network = network().map_err(|error| invalid(&error.to_string()))?;
    let (sender, outgoing) = mpsc::unbounded_channel();
    let pipe = Arc::new(Pipe::default());
    let socket = Socket::value(ctx, pipe.clone(), sender, count)?;
    let (max_message, phase, limit) = (
        shared.limits.max_body,
        shared.phase.subscribe(),
        shared.limits.timeout,
    );
    network.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let stream = Punctual::new(TokioIo::new(upgraded), limit);
                let socket = messages::socket(stream, Role::Server, max_message).await;
                messages::run(socket, pipe, outgoing, phase).await;
            }
            Err(error) => pipe.finish(End {
                code: 1006,
                reason: error.to_string(),
            }),
        }
        drop(connection);
    });
    request.answer(response);
    Ok(socket)
}

// --- the client's end ---

/// A connection that has been made.
struct Connected {
    pipe: Arc<Pipe>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
}

/// Why there is none.
enum Failure {
    Refused(String),
    Http(String),
}

impl From<String> for Failure {
    fn from(detail: String) -> Self {
        Self::Http(detail)
    }
}

/// What a client connects with.
struct Target {
    url: String,
    uri: ureq::http::Uri,
    headers: HeaderMap,
    verify_tls: bool,
    max_message: usize,
    check: Option<AccessCheck>,
}

/// Connects to the first address that lets itself be connected to.
async fn dial(target: &Target) -> Result<TcpStream, Failure> {
    let place = location::place(&target.uri);
    let port = target
        .uri
        .port_u16()
        .unwrap_or(if target.uri.scheme_str() == Some("https") {
            443
        } else {
            80
        });
    let host = target.uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let found = tokio::net::lookup_host((host, port)).await;
    let mut failure = "no address found".to_owned();
    for address in found.map_err(|error| error.to_string())? {
        if let Some(check) = &target.check {
            check(Permission::Net, &place, Some(&address.to_string())).map_err(Failure::Refused)?;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = error.to_string(),
        }
    }
    Err(failure.into())
}

async fn connect(target: Target) -> Result<Connected, Failure> {
    let explain = |error: tokio_tungstenite::tungstenite::Error| Failure::Http(error.to_string());
    let stream = dial(&target).await?;
    let mut request = target.url.as_str().into_client_request().map_err(explain)?;
    for (name, value) in &target.headers {
        request.headers_mut().append(name, value.clone());
    }
    let config = Some(messages::config(target.max_message));
    let (sender, outgoing) = mpsc::unbounded_channel();
    let pipe = Arc::new(Pipe::default());
    // There is no server that could close it.
    let (_, phase) = watch::channel(Phase::Open);
    if target.uri.scheme_str() == Some("https") {
        let connector = tls::connector(target.verify_tls)?;
        let host = target.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| error.to_string())?;
        let handshake = tokio_tungstenite::client_async_with_config(request, stream, config);
        let (socket, _) = handshake.await.map_err(explain)?;
        tokio::spawn(messages::run(socket, pipe.clone(), outgoing, phase));
    } else {
        let handshake = tokio_tungstenite::client_async_with_config(request, stream, config);
        let (socket, _) = handshake.await.map_err(explain)?;
        tokio::spawn(messages::run(socket, pipe.clone(), outgoing, phase));
    }
    Ok(Connected {
        pipe,
        outgoing: sender,
    })
}

/// `websocket(url, [opts])`. It waits until the connection has been made.
pub(super) fn websocket(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {}
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
    }
    let url = string(&slots[0])?.as_str().to_owned();
    ctx.tick(url.len() / 16)?;
    let options = Options::new(Some(&slots[1]), OPTIONS)?;
    let seconds = match options.get(TIMEOUT) {
        Some(seconds) => number(&seconds)?,
        None => default_timeout(ctx),
    };
    let mut headers = HeaderMap::new();
    match options.get(HEADERS) {
        None => {}
        Some(Value::Dict(dict)) => add_headers(ctx, &mut headers, &dict)?,
        Some(other) => return Err(wrong_type("dict", &other)),
    }
    let max_message = options.int(MAX_MESSAGE)?.unwrap_or(DEFAULT_MAX_MESSAGE);
    let max_message = usize::try_from(max_message)
        .map_err(|_| Raise::operation("http.websocket: max_message must not be negative"))?;
    let verify_tls = options.boolean(VERIFY_TLS, true)?;
    // The rules for URLs are those of HTTP.
    let uri = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => {
            location::parse(&format!("http://{rest}"))
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => {
            location::parse(&format!("https://{rest}"))
        }
        Some((scheme, _)) => Err(format!("unsupported scheme '{scheme}'")),
        None => Err("malformed URL: it begins with neither ws:// nor wss://".to_owned()),
    };
    let check = match reach(ctx, &url, &uri)? {
        RedirectPolicy::Checked(check) => Some(check),
        RedirectPolicy::Everywhere | RedirectPolicy::Only(_) => None,
    };
    let uri = uri.map_err(|detail| http_error(&url, &detail))?;
    let count = ctx.open_handle()?;
    let target = Target {
        url: url.clone(),
        uri,
        headers,
        verify_tls,
        max_message,
        check,
    };
    let network = network().map_err(|error| http_error(&url, &error.to_string()))?;
    let limit = timeout(seconds).unwrap_or(Duration::MAX);
    let (sender, connected) = oneshot::channel();
    network.spawn(async move {
        let outcome = tokio::time::timeout(limit, connect(target)).await;
        let outcome = outcome
            .unwrap_or_else(|_| Err(Failure::Http(format!("timed out after {}s", limit.as_secs_f64()))));
        // Whoever waited may have stopped waiting.
        let _ = sender.send(outcome);
    });
    let promise = ctx.await_future(Box::pin(async move {
        let outcome = connected.await;
        let finish: HostFinish = Box::new(move |ctx| match outcome {
            Ok(Ok(connected)) => {
                let Connected { pipe, outgoing } = connected;
                Socket::value(ctx, pipe, outgoing, count)
            }
            Ok(Err(Failure::Refused(detail))) => Err(Raise::permission(&detail)),
            Ok(Err(Failure::Http(detail))) => Err(http_error(&url, &detail)),
            Err(_) => Err(Raise::new(ErrorKind::Io, "I/O channel closed unexpectedly")),
        });
        finish
    }))?;
    Ok(Step::Await(promise))
}

// --- methods ---

/// Queues a message. One whose connection has ended takes none.
fn send(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let socket = receiver::<Socket>(args);
    let (message, length) = match &args[1] {
        Value::String(text) => (Outgoing::Text(text.as_str().to_owned()), text.len_bytes()),
        data => with_data(ctx, "websocket.send", data, |_, bytes| {
            Ok((Outgoing::Binary(bytes.to_vec()), bytes.len()))
        })?,
    };
    ctx.tick(1 + length / 64)?;
    let outgoing = socket.outgoing.borrow();
    let Some(outgoing) = outgoing.as_ref().filter(|_| socket.pipe.end().is_none()) else {
        return Ok(Value::Null);
    };
    let unsent = &socket.pipe.unsent;
    let before = unsent.fetch_add(length, Ordering::AcqRel);
    let charged = match &args[0] {
        _ if before > 0 && before + length > MOST_UNSENT => Err(Raise::new(
            ErrorKind::Limit,
            format!("websocket.send: {before} bytes wait to be sent already"),
        )),
        Value::Native(native) => native.recharge(),
        _ => Ok(()),
    };
    if charged.is_err() || outgoing.send(message).is_err() {
        unsent.fetch_sub(length, Ordering::AcqRel);
    }
    charged?;
    Ok(Value::Null)
}

fn set_handler(ctx: &mut Ctx<'_>, args: &[Value], which: usize) -> Result<Value, Raise> {
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    let socket = receiver::<Socket>(args);
    let old = std::mem::replace(&mut socket.handlers.borrow_mut()[which], args[1].clone());
    drop(old);
    if !socket.is_pumped.replace(true) {
        ctx.call_later(PUMP.value(), args[0].clone());
    }
    Ok(args[0].clone())
}

/// `close([code], [reason])`
fn close(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let code = match args.get(1) {
        None | Some(Value::Null) => NORMAL,
        Some(code) => {
            let code = int(code)?;
            // Others are not sent, or belong to the protocol.
            u16::try_from(code)
                .ok()
                .filter(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999))
                .ok_or_else(|| {
                    Raise::operation(&format!("websocket.close: {code} is no code that may be sent"))
                })?
        }
    };
    let reason = match args.get(2) {
        None | Some(Value::Null) => "",
        Some(reason) => string(reason)?.as_str(),
    };
    ctx.tick(reason.len() / 16)?;
    receiver::<Socket>(args).close(code, reason);
    Ok(Value::Null)
}

fn value_of(ctx: &mut Ctx<'_>, message: &Received) -> Result<Value, Raise> {
    match message {
        Received::Text(text) => {
            ctx.tick(text.len() / 64)?;
            ctx.string(text.as_str())
        }
        Received::Binary(bytes) => {
            ctx.tick(bytes.len() / 16)?;
            bytes_value(ctx.heap(), bytes)
        }
    }
}

fn has_next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let pipe = &receiver::<Socket>(slots).pipe;
    match pipe.has_message() {
        Some(has_message) => Ok(Step::Done(Value::Bool(has_message))),
        None => resume_after(ctx, pipe.clone().has_come()),
    }
}

fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let pipe = &receiver::<Socket>(slots).pipe;
    match pipe.take() {
        Ahead::Message(message) => Ok(Step::Done(value_of(ctx, &message)?)),
        Ahead::End(_) => Ok(Step::Done(Value::Null)),
        Ahead::NotYet => resume_after(ctx, pipe.clone().has_come()),
    }
}

/// What the frame has called, in its slot.
const CALLED_MESSAGE: i64 = 1;
const CALLED_CLOSE: i64 = 2;

/// Calls the handlers of a socket until it has ended.
fn pump(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let socket = object::<Socket>(&slots[0]);
    match event {
        Event::Start => {}
        Event::Returned(promise @ Value::Promise(_)) => return Ok(Step::Await(promise)),
        Event::Returned(_) => {}
        Event::Failed(raise) => {
            let place = ctx.place_of(&raise).map(|place| format!(" ({place})"));
            let text = format!(
                "http: websocket: {}{}\n",
                raise.message(),
                place.unwrap_or_default()
            );
            // Nobody is left to tell if that cannot be done.
            let _ = ctx.host().write_err(&text);
            socket.close(FAILED, "");
        }
    }
    if slots[1].as_int() == Some(CALLED_CLOSE) {
        return Ok(Step::Done(Value::Null));
    }
    let [on_message, on_close] = socket.handlers.borrow().clone();
    if on_message.is_null() {
        // A loop takes the messages.
        match socket.pipe.end() {
            Some(end) => return finish(ctx, slots, on_close, &end),
            None => return resume_after(ctx, socket.pipe.clone().is_over()),
        }
    }
    match socket.pipe.take() {
        Ahead::Message(message) => {
            let message = value_of(ctx, &message)?;
            slots[1] = Value::Int(CALLED_MESSAGE);
            Ok(Step::Call {
                function: on_message,
                args: Args::One(message),
                lenient: true,
            })
        }
        Ahead::End(end) => finish(ctx, slots, on_close, &end),
        Ahead::NotYet => resume_after(ctx, socket.pipe.clone().has_come()),
    }
}

/// The socket has ended: its handler is told.
fn finish(ctx: &Ctx<'_>, slots: &mut [Value], on_close: Value, end: &End) -> Result<Step, Raise> {
    slots[1] = Value::Int(CALLED_CLOSE);
    if on_close.is_null() {
        return Ok(Step::Done(Value::Null));
    }
    Ok(Step::Call {
        function: on_close,
        args: Args::Two(Value::Int(end.code.into()), ctx.string(&end.reason)?),
        lenient: true,
    })
}

impl Native for Socket {
    fn type_name(&self) -> &'static str {
        "websocket"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of::<Pipe>() + self.pipe.unsent.load(Ordering::Acquire) + self.pipe.waiting()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        // In the middle of a change it names none, which keeps them alive.
        if let Ok(handlers) = self.handlers.try_borrow() {
            handlers.iter().for_each(|handler| visit(&Raw::of_value(handler)));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str(if self.pipe.end().is_some() {
            "<websocket:closed>"
        } else {
            "<websocket:open>"
        })
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok((name == "is_open")
            .then(|| Value::Bool(self.pipe.end().is_none() && self.outgoing.borrow().is_some())))
    }

    fn member_names(&self) -> Vec<String> {
        vec!["is_open".to_owned()]
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
