//! A request as its handler gets it.
//!
//! Members are made when they are asked for: a handler that looks at the path alone pays for nothing else. Members of
//! other names may be set, so that a middleware can leave something for whoever comes after it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;

use aether_eval::BuiltinDef;
use aether_value::{Builtin, Dict, Heap, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};
use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Response};

use super::answer::{bytes_value, headers_dict};
use super::body::ReplyBody;
use super::listener::{Answered, Counted, Exchange, Held};
use super::socket;
use crate::arguments::receiver;

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("json", 0, 0, |ctx, args| {
        let request = receiver::<Request>(args);
        ctx.tick(request.body.len() / 8)?;
        let text = String::from_utf8_lossy(&request.body);
        crate::json::parse_text(ctx, &text)
    }),
    BuiltinDef::method("upgrade", 0, 0, socket::upgrade),
];

/// What has been made of a request's parts.
#[derive(Default)]
struct Made {
    query: Option<Rc<Dict>>,
    headers: Option<Rc<Dict>>,
    params: Option<Rc<Dict>>,
    body: Option<Value>,
    extra: Option<Rc<Dict>>,
}

/// A request as a value.
pub(super) struct Request {
    parts: Parts,
    body: Bytes,
    peer: SocketAddr,
    /// Until it is answered.
    reply: RefCell<Option<Answered>>,
    upgrade: RefCell<Option<OnUpgrade>>,
    connection: Arc<Counted>,
    held: Cell<Option<Held>>,
    /// The server, which counts it.
    pub(super) server: Rc<NativeObject>,
    made: RefCell<Made>,
}

impl Request {
    pub(super) fn new(exchange: Exchange, server: Rc<NativeObject>) -> Self {
        Self {
            parts: exchange.parts,
            body: exchange.body,
            peer: exchange.peer,
            reply: RefCell::new(Some(exchange.reply)),
            upgrade: RefCell::new(exchange.upgrade),
            connection: exchange.connection,
            held: Cell::new(Some(exchange.held)),
            server,
            made: RefCell::default(),
        }
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(super) fn method_of(&self) -> &Method {
        &self.parts.method
    }

    /// The path as it was sent.
    pub(super) fn raw_path(&self) -> &str {
        self.parts.uri.path()
    }

    /// Answers, unless it is answered. The body counts for the heap alone from now on.
    pub(super) fn answer(&self, response: Response<ReplyBody>) {
        self.held.set(None);
        if let Some(reply) = self.reply.borrow_mut().take() {
            self.connection.shared().answer(reply, response);
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.reply.borrow().is_none()
    }

    /// Takes the connection for another protocol.
    pub(super) fn take_upgrade(&self) -> Option<(OnUpgrade, Arc<Counted>)> {
        let upgrade = self.upgrade.borrow_mut().take()?;
        Some((upgrade, self.connection.clone()))
    }

    pub(super) fn set_params(&self, params: Rc<Dict>) {
        let old = self.made.borrow_mut().params.replace(params);
        drop(old);
    }

    fn made(
        &self,
        place: impl Fn(&mut Made) -> &mut Option<Rc<Dict>>,
        make: impl FnOnce() -> Result<Rc<Dict>, Raise>,
    ) -> Result<Value, Raise> {
        if let Some(dict) = place(&mut self.made.borrow_mut()) {
            return Ok(Value::Dict(dict.clone()));
        }
        let dict = make()?;
        *place(&mut self.made.borrow_mut()) = Some(dict.clone());
        Ok(Value::Dict(dict))
    }
}

/// What a digit of a percent encoding stands for.
fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// A text without percent encodings; what is none stays. With `plus`, a `+` is a blank.
pub(super) fn decoded(text: &str, plus: bool) -> String {
    if !(text.contains('%') || plus && text.contains('+')) {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1).copied().and_then(digit);
        let pair = pair.zip(bytes.get(at + 2).copied().and_then(digit));
        match (bytes[at], pair) {
            (b'%', Some((high, low))) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The names and values of a query; of several of one name the last counts.
fn query(heap: &Heap, text: &str) -> Result<Rc<Dict>, Raise> {
    let dict = heap.dict()?;
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = Value::String(heap.string(&decoded(name, true))?);
        dict.insert(name, Value::String(heap.string(&decoded(value, true))?))?;
    }
    Ok(dict)
}

const MEMBERS: [&str; 9] = [
    "method", "path", "query", "params", "headers", "body", "bytes", "peer", "url",
];

impl Native for Request {
    fn type_name(&self) -> &'static str {
        "http_request"
    }

    fn size(&self) -> usize {
        /// Of a header, beside its bytes in the buffer that they share.
        const HEADER: usize = 96;
        let parts = self.parts.headers.len() * HEADER + self.parts.uri.path().len();
        size_of::<Self>() + parts + self.body.len()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_rc(&self.server));
        // In the middle of a change it names none, which keeps them alive.
        if let Ok(made) = self.made.try_borrow() {
            let dicts = [&made.query, &made.headers, &made.params, &made.extra];
            for dict in dicts.into_iter().flatten() {
                visit(&Raw::of_rc(dict));
            }
            if let Some(body) = &made.body {
                visit(&Raw::of_value(body));
            }
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<http_request ")?;
        out.push_str(self.parts.method.as_str())?;
        out.push_char(' ')?;
        out.push_str(self.raw_path())?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let string = |text: &str| heap.string(text).map(Value::String);
        Ok(Some(match name {
            "method" => string(self.parts.method.as_str())?,
            "path" => string(&decoded(self.raw_path(), false))?,
            "url" => string(&self.parts.uri.to_string())?,
            "query" => self.made(
                |made| &mut made.query,
                || query(heap, self.parts.uri.query().unwrap_or_default()),
            )?,
            "params" => self.made(|made| &mut made.params, || heap.dict())?,
            "headers" => self.made(
                |made| &mut made.headers,
                || headers_dict(heap, &self.parts.headers),
            )?,
            "body" => {
                if let Some(body) = &self.made.borrow().body {
                    return Ok(Some(body.clone()));
                }
                heap.count_work(self.body.len() / 16);
                let body = string(&String::from_utf8_lossy(&self.body))?;
                self.made.borrow_mut().body = Some(body.clone());
                body
            }
            "bytes" => {
                heap.count_work(self.body.len() / 16);
                bytes_value(heap, &self.body)?
            }
            "peer" => string(&self.peer.to_string())?,
            other => {
                return Ok(self
                    .made
                    .borrow()
                    .extra
                    .as_ref()
                    .and_then(|extra| extra.get_str_value(other)));
            }
        }))
    }

    fn member_names(&self) -> Vec<String> {
        MEMBERS.map(str::to_owned).to_vec()
    }

    fn set_member(&self, heap: &Heap, name: &str, new: &Value) -> Result<bool, Raise> {
        if MEMBERS.contains(&name) {
            return Ok(false);
        }
        let Value::Dict(extra) = self.made(|made| &mut made.extra, || heap.dict())? else {
            return Ok(false);
        };
        let old = extra.insert(Value::String(heap.string(name)?), new.clone())?;
        drop(old);
        Ok(true)
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The request in a value that can be no other.
pub(super) fn request_of(value: &Value) -> &Request {
    crate::arguments::object(value)
}

/// The request in an argument.
pub(super) fn request_argument(value: &Value) -> Result<&Request, Raise> {
    match value {
        Value::Native(native) if let Some(request) = native.downcast::<Request>() => Ok(request),
        other => Err(crate::arguments::wrong_type("http_request", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn percent_encodings_are_taken_away() {
        assert_eq!(decoded("a%20b+c", false), "a b+c");
        assert_eq!(decoded("a%20b+c", true), "a b c");
        assert_eq!(decoded("%", false), "%");
        assert_eq!(decoded("%4", false), "%4");
        assert_eq!(decoded("%zz%C3%A4", false), "%zzä");
        assert_eq!(decoded("%ff", false), "\u{fffd}");
        assert_eq!(decoded("%+1", false), "%+1");
    }
}
