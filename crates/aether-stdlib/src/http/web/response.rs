//! What a handler gives: a response as a value, and how values become what is sent.
//!
//! | value | status | type |
//! |---|---|---|
//! | string | 200 | `text/plain; charset=utf-8` |
//! | dict, array | 200 | `application/json` |
//! | buffer | 200 | `application/octet-stream` |
//! | null | 204 | |
//! | `http.response(…)` | its own | as its body's |

use std::any::Any;
use std::cell::{Cell, RefCell};

use aether_eval::Ctx;
use aether_value::{Dict, Heap, Native, Raise, Raw, Rc, StrBuilder, Value};
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::{FilePart, ReplyBody};
use super::options::add_headers;
use crate::arguments::{int, wrong_type};

/// A response as a value.
pub(super) struct Reply {
    status: Cell<u16>,
    headers: RefCell<Rc<Dict>>,
    body: RefCell<Value>,
    /// A file in place of the body.
    file: RefCell<Option<FilePart>>,
}

/// Headers that are the connection's, and follow from the body.
const OWN: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TRAILER,
];

fn status(value: &Value) -> Result<u16, Raise> {
    let status = int(value)?;
    match u16::try_from(status) {
        Ok(status) if (200..=599).contains(&status) => Ok(status),
        _ => Err(Raise::operation(&format!(
            "http.response: status must be between 200 and 599, got {status}"
        ))),
    }
}

fn headers(value: &Value) -> Result<Rc<Dict>, Raise> {
    match value {
        Value::Dict(dict) => Ok(dict.clone()),
        other => Err(wrong_type("dict", other)),
    }
}

/// Whether a value can be a body.
fn check_body(value: &Value) -> Result<(), Raise> {
    match value {
        Value::String(_) | Value::Dict(_) | Value::Array(_) | Value::Null => Ok(()),
        value if is_buffer(value) => Ok(()),
        other => Err(wrong_type("string, dict, array, buffer or null", other)),
    }
}

fn is_buffer(value: &Value) -> bool {
    #[cfg(feature = "bytes")]
    if let Value::Native(native) = value {
        return native.downcast::<crate::buffer::Buffer>().is_some();
    }
    let _ = value;
    false
}

impl Reply {
    fn value(ctx: &Ctx<'_>, status: u16, headers: Rc<Dict>, body: Value) -> Result<Value, Raise> {
        let reply = Self {
            status: Cell::new(status),
            headers: RefCell::new(headers),
            body: RefCell::new(body),
            file: RefCell::new(None),
        };
        Ok(Value::Native(ctx.heap().native(Box::new(reply))?))
    }

    /// A response of a status and a line of text.
    pub(super) fn plain(ctx: &Ctx<'_>, status: StatusCode, text: &str) -> Result<Value, Raise> {
        Self::value(ctx, status.as_u16(), ctx.heap().dict()?, ctx.string(text)?)
    }

    /// A response whose body is part of a file, or none.
    pub(super) fn file(
        ctx: &Ctx<'_>,
        status: StatusCode,
        headers: &[(HeaderName, String)],
        file: Option<FilePart>,
    ) -> Result<Value, Raise> {
        let dict = ctx.heap().dict()?;
        for (name, value) in headers {
            dict.insert(ctx.string(name.as_str())?, ctx.string(value)?)?;
        }
        let value = Self::value(ctx, status.as_u16(), dict, Value::Null)?;
        if let Value::Native(native) = &value
            && let Some(reply) = native.downcast::<Self>()
        {
            *reply.file.borrow_mut() = file;
        }
        Ok(value)
    }

    /// Adds a header.
    pub(super) fn set_header(ctx: &Ctx<'_>, reply: &Value, name: &str, value: &str) -> Result<(), Raise> {
        if let Value::Native(native) = reply
            && let Some(reply) = native.downcast::<Self>()
        {
            let headers = reply.headers.borrow().clone();
            headers.insert(ctx.string(name)?, ctx.string(value)?)?;
        }
        Ok(())
    }
}

/// `response(status, [body], [headers])`
pub(super) fn response(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let status = status(&args[0])?;
    let body = args.get(1).cloned().unwrap_or(Value::Null);
    check_body(&body)?;
    let given = match args.get(2) {
        None | Some(Value::Null) => ctx.heap().dict()?,
        // Its own: what is set on the response later changes nothing else.
        Some(given) => {
            let given = headers(given)?;
            ctx.tick(given.len())?;
            ctx.heap().dict_copy(&given)?
        }
    };
    Reply::value(ctx, status, given, body)
}

fn native_reply(value: &Value) -> Option<&Reply> {
    match value {
        Value::Native(native) => native.downcast(),
        _ => None,
    }
}

/// What a handler has given, as a response.
pub(super) fn normalized(ctx: &Ctx<'_>, value: Value) -> Result<Value, Raise> {
    if native_reply(&value).is_some() {
        return Ok(value);
    }
    check_body(&value)?;
    let status = if value.is_null() { 204 } else { 200 };
    Reply::value(ctx, status, ctx.heap().dict()?, value)
}

/// The bytes of a body, and the type that they have unless a header says another.
fn content(ctx: &mut Ctx<'_>, body: &Value) -> Result<(Bytes, Option<&'static str>), Raise> {
    Ok(match body {
        Value::Null => (Bytes::new(), None),
        Value::String(text) => {
            ctx.tick(text.len_bytes() / 64)?;
            let bytes = Bytes::copy_from_slice(text.as_str().as_bytes());
            (bytes, Some("text/plain; charset=utf-8"))
        }
        Value::Dict(_) | Value::Array(_) => {
            let text = crate::json::stringify(ctx, body)?;
            let bytes = Bytes::copy_from_slice(text.as_str().as_bytes());
            (bytes, Some("application/json"))
        }
        #[cfg(feature = "bytes")]
        Value::Native(native) if let Some(buffer) = native.downcast::<crate::buffer::Buffer>() => {
            let bytes = buffer.with(Bytes::copy_from_slice);
            ctx.tick(bytes.len() / 64)?;
            (bytes, Some("application/octet-stream"))
        }
        other => {
            return Err(wrong_type(
                "string, dict, array, buffer, null or http.response",
                other,
            ));
        }
    })
}

/// What is sent for the value that a handler has given.
pub(super) fn message(ctx: &mut Ctx<'_>, value: &Value) -> Result<Response<ReplyBody>, Raise> {
    let Some(reply) = native_reply(value) else {
        let (bytes, content_type) = content(ctx, value)?;
        let mut response = Response::new(ReplyBody::Bytes(bytes));
        match content_type {
            Some(content_type) => {
                let content_type = HeaderValue::from_static(content_type);
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            }
            None => *response.status_mut() = StatusCode::NO_CONTENT,
        }
        return Ok(response);
    };
    let mut headers = HeaderMap::new();
    let given = reply.headers.borrow().clone();
    if !given.is_empty() {
        add_headers(ctx, &mut headers, &given)?;
        let closes = headers
            .get(header::CONNECTION)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        for name in OWN {
            headers.remove(name);
        }
        if closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    let status = StatusCode::from_u16(reply.status.get()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let has_none = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let file = reply.file.borrow_mut().take();
    let body = match file {
        _ if has_none => ReplyBody::EMPTY,
        Some(file) => ReplyBody::File(file),
        None => {
            let body = reply.body.borrow().clone();
            let (bytes, content_type) = content(ctx, &body)?;
            if let Some(content_type) = content_type {
                let content_type = HeaderValue::from_static(content_type);
                headers.entry(header::CONTENT_TYPE).or_insert(content_type);
            }
            ReplyBody::Bytes(bytes)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

impl Native for Reply {
    fn type_name(&self) -> &'static str {
        "http_response"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        // In the middle of a change it names none, which keeps them alive.
        if let (Ok(headers), Ok(body)) = (self.headers.try_borrow(), self.body.try_borrow()) {
            visit(&Raw::of_rc(&*headers));
            visit(&Raw::of_value(&body));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<http_response ")?;
        out.push_int(i64::from(self.status.get()))?;
        out.push_char('>')
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(match name {
            "status" => Some(Value::Int(self.status.get().into())),
            "headers" => Some(Value::Dict(self.headers.borrow().clone())),
            "body" => Some(self.body.borrow().clone()),
            _ => None,
        })
    }

    fn member_names(&self) -> Vec<String> {
        ["status", "headers", "body"].map(str::to_owned).to_vec()
    }

    fn set_member(&self, _: &Heap, name: &str, new: &Value) -> Result<bool, Raise> {
        match name {
            "status" => self.status.set(status(new)?),
            "headers" => {
                let old = self.headers.replace(headers(new)?);
                drop(old);
            }
            "body" => {
                check_body(new)?;
                drop(self.file.borrow_mut().take());
                let old = self.body.replace(new.clone());
                drop(old);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
