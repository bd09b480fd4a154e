//! What `http.request` may be told, and a client for all of its requests.

use std::time::Duration;

use aether_eval::Ctx;
use aether_value::{Dict, Raise, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::Proxy;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::super::MAX_TEXT;
use super::super::{default_timeout, default_user_agent, timeout};
use crate::arguments::{Options, array, number, string, wrong_type};
use crate::bytes::with_data;

const HEADERS: &str = "headers";
const QUERY: &str = "query";
const BODY: &str = "body";
const JSON: &str = "json";
const FORM: &str = "form";
const TIMEOUT: &str = "timeout";
const CONNECT_TIMEOUT: &str = "connect_timeout";
const REDIRECTS: &str = "redirects";
const PROXY: &str = "proxy";
const AUTH: &str = "auth";
const STREAM: &str = "stream";
const VERIFY_TLS: &str = "verify_tls";
const MAX_BODY: &str = "max_body";

/// Every key of a request's options.
pub(super) const REQUEST_OPTIONS: &[&str] = &[
    HEADERS,
    QUERY,
    BODY,
    JSON,
    FORM,
    TIMEOUT,
    CONNECT_TIMEOUT,
    REDIRECTS,
    PROXY,
    AUTH,
    STREAM,
    VERIFY_TLS,
    MAX_BODY,
];

/// Every key of a client's options.
pub(super) const CLIENT_OPTIONS: &[&str] = &[
    HEADERS,
    TIMEOUT,
    CONNECT_TIMEOUT,
    REDIRECTS,
    PROXY,
    AUTH,
    VERIFY_TLS,
    MAX_BODY,
];

/// The most redirects that may be asked for.
const MOST_REDIRECTS: i64 = 100;
/// Bytes of a response's body, unless something else is said.
const DEFAULT_MAX_BODY: usize = 64 << 20;

/// What holds for all requests of a client.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) headers: HeaderMap,
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) redirects: usize,
    pub(super) user_agent: String,
    pub(super) proxy: Option<Proxy>,
    pub(super) verify_tls: bool,
    pub(super) max_body: usize,
}

/// What one request adds.
#[derive(Default)]
pub(super) struct Content {
    /// The query, encoded.
    pub(super) query: String,
    pub(super) body: Option<Vec<u8>>,
    pub(super) streams: bool,
}

/// The error of an option of a wrong value.
fn refused(detail: &str) -> Raise {
    Raise::operation(&format!("http.request: {detail}"))
}

/// The name of a header in a dict's key.
pub(super) fn header_name(key: &Value) -> Result<HeaderName, Raise> {
    let text = string(key)?.as_str();
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Raise::operation(&format!("http: '{}' is no name of a header", text.escape_debug())))
}

/// The value of a header.
pub(super) fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, Raise> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        Raise::operation(&format!(
            "http: the value of header '{name}' has characters that none may have"
        ))
    })
}

/// Puts the entries of a dict in place of what there is of their names. An array's items are values of one name.
pub(super) fn add_headers(ctx: &mut Ctx<'_>, headers: &mut HeaderMap, dict: &Dict) -> Result<(), Raise> {
    ctx.tick(dict.len())?;
    for (key, value) in dict {
        let name = header_name(key)?;
        headers.remove(&name);
        let values = match value {
            Value::Array(values) => values.snapshot()?.as_slice().to_vec(),
            Value::Null => continue,
            one => vec![one.clone()],
        };
        for value in values {
            let text = ctx.text(&value)?;
            ctx.tick(text.len_bytes() / 64)?;
            let value = header_value(&name, text.as_str())?;
            headers
                .try_append(&name, value)
                .map_err(|_| Raise::operation("http: there are too many headers"))?;
        }
    }
    Ok(())
}

/// Whether a byte stays as it is in a query.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends a name or value of a query or form.
fn encode(text: &str, out: &mut String, blank: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else if byte == b' ' {
            out.push_str(blank);
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The entries of a dict as a query. An array's items are values of one name.
fn encoded(ctx: &mut Ctx<'_>, dict: &Dict, blank: &str) -> Result<String, Raise> {
    let mut out = String::new();
    for (key, value) in dict {
        let values = match value {
            Value::Array(values) => values.snapshot()?.as_slice().to_vec(),
            one => vec![one.clone()],
        };
        for value in values {
            let (name, text) = (ctx.text(key)?, ctx.text(&value)?);
            ctx.tick(1 + (name.len_bytes() + text.len_bytes()) / 16)?;
            if !out.is_empty() {
                out.push('&');
            }
            encode(name.as_str(), &mut out, blank);
            out.push('=');
            encode(text.as_str(), &mut out, blank);
        }
    }
    Ok(out)
}

fn dict(value: &Value) -> Result<&Dict, Raise> {
    match value {
        Value::Dict(dict) => Ok(dict),
        other => Err(wrong_type("dict", other)),
    }
}

/// `Basic` credentials.
fn credentials(ctx: &mut Ctx<'_>, value: &Value) -> Result<HeaderValue, Raise> {
    let pair = array(value)?;
    let (Some(user), Some(password)) = (pair.get_value(0), pair.get_value(1)) else {
        return Err(refused("auth must be [user, password]"));
    };
    let text = format!("{}:{}", string(&user)?.as_str(), string(&password)?.as_str());
    ctx.tick(text.len() / 8)?;
    let header = format!("Basic {}", STANDARD.encode(text));
    let mut value = header_value(&header::AUTHORIZATION, &header)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Settings {
    /// What the environment says.
    pub(super) fn new(ctx: &mut Ctx<'_>) -> Self {
        Self {
            headers: HeaderMap::new(),
            timeout: timeout(default_timeout(ctx)),
            connect_timeout: None,
            redirects: super::super::exchange::MAX_REDIRECTS,
            user_agent: default_user_agent(ctx),
            proxy: None,
            verify_tls: true,
            max_body: DEFAULT_MAX_BODY,
        }
    }

    /// Bytes that they hold.
    pub(super) fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        size_of::<Self>() + headers + self.user_agent.len()
    }

    /// Changes what options say.
    pub(super) fn apply(&mut self, ctx: &mut Ctx<'_>, options: Options<'_>) -> Result<(), Raise> {
        if let Some(seconds) = options.get(TIMEOUT) {
            self.timeout = timeout(number(&seconds)?);
        }
        if let Some(seconds) = options.get(CONNECT_TIMEOUT) {
            self.connect_timeout = timeout(number(&seconds)?);
        }
        if let Some(count) = options.int(REDIRECTS)? {
            if !(0..=MOST_REDIRECTS).contains(&count) {
                let detail = format!("redirects must be between 0 and {MOST_REDIRECTS}, got {count}");
                return Err(refused(&detail));
            }
            self.redirects = count as usize;
        }
        if let Some(proxy) = options.string(PROXY)? {
            let proxy = proxy.as_str();
            self.proxy = Some(
                Proxy::new(proxy)
                    .map_err(|error| refused(&format!("proxy '{}': {error}", proxy.escape_debug())))?,
            );
        }
        if let Some(pair) = options.get(AUTH) {
            let value = credentials(ctx, &pair)?;
            self.headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(headers) = options.get(HEADERS) {
            add_headers(ctx, &mut self.headers, dict(&headers)?)?;
        }
        self.verify_tls = options.boolean(VERIFY_TLS, self.verify_tls)?;
        if let Some(bytes) = options.int(MAX_BODY)? {
            let bytes = usize::try_from(bytes).map_err(|_| refused("max_body must not be negative"))?;
            self.max_body = bytes.min(MAX_TEXT);
        }
        Ok(())
    }

    /// What a request sends, of its own options.
    pub(super) fn content(&mut self, ctx: &mut Ctx<'_>, options: Options<'_>) -> Result<Content, Raise> {
        let mut content = Content {
            streams: options.boolean(STREAM, false)?,
            ..Content::default()
        };
        if let Some(query) = options.get(QUERY) {
            content.query = encoded(ctx, dict(&query)?, "%20")?;
        }
        let given = [BODY, JSON, FORM].map(|key| options.get(key));
        if given.iter().flatten().count() > 1 {
            return Err(refused("only one of body, json and form can be sent"));
        }
        let [body, json, form] = given;
        if let Some(body) = body {
            content.body = Some(with_data(ctx, "http.request", &body, |ctx, bytes| {
                ctx.tick(bytes.len() / 64)?;
                ctx.heap().charge(bytes.len())?;
                ctx.heap().discharge(bytes.len());
                Ok(bytes.to_vec())
            })?);
        }
        if let Some(value) = json {
            let text = crate::json::stringify(ctx, &value)?;
            content.body = Some(text.as_str().as_bytes().to_vec());
            self.default_type("application/json");
        }
        if let Some(form) = form {
            content.body = Some(encoded(ctx, dict(&form)?, "+")?.into_bytes());
            self.default_type("application/x-www-form-urlencoded");
        }
        Ok(content)
    }

    fn default_type(&mut self, content_type: &'static str) {
        let value = HeaderValue::from_static(content_type);
        self.headers.entry(header::CONTENT_TYPE).or_insert(value);
    }
}
