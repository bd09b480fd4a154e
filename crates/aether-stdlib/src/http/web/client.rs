//! `http.request`, its shortcuts, and clients that keep connections and cookies.

use std::any::Any;
use std::sync::Arc;

use aether_eval::{BuiltinDef, Ctx, Effect};
use aether_value::{Builtin, Charge, Native, Raise, Value};
use ureq::Agent;
use ureq::http::{Method, Response, Uri};

use super::super::exchange::{self, Failure, Reader, Request};
use super::super::handles::{self, IDLE_CONNECTIONS, Kept};
use super::super::{failed, http_error, location, reach, room};
use super::answer;
use super::chunks::Chunks;
use super::cookies::Jar;
use super::options::{CLIENT_OPTIONS, Content, REQUEST_OPTIONS, Settings};
use crate::arguments::{Options, receiver, string};

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("request", 2, 3, |ctx, args| {
        let method = method(&args[1])?;
        call(ctx, Some(receiver(args)), method, &args[2], args.get(3))
    }),
    BuiltinDef::method("get", 1, 2, |ctx, args| by_client(ctx, Method::GET, args)),
    BuiltinDef::method("post", 1, 2, |ctx, args| by_client(ctx, Method::POST, args)),
    BuiltinDef::method("put", 1, 2, |ctx, args| by_client(ctx, Method::PUT, args)),
    BuiltinDef::method("patch", 1, 2, |ctx, args| by_client(ctx, Method::PATCH, args)),
    BuiltinDef::method("delete", 1, 2, |ctx, args| by_client(ctx, Method::DELETE, args)),
    BuiltinDef::method("head", 1, 2, |ctx, args| by_client(ctx, Method::HEAD, args)),
];

/// A client as a value.
struct Client {
    settings: Settings,
    agent: Agent,
    cookies: Arc<Jar>,
    /// Counts for the connections that it keeps.
    kept: Kept,
}

impl Native for Client {
    fn type_name(&self) -> &'static str {
        "http_client"
    }

    fn size(&self) -> usize {
        /// Buffers of the connections that are kept.
        const CONNECTIONS: usize = IDLE_CONNECTIONS * (32 << 10);
        size_of::<Self>() + self.settings.size() + CONNECTIONS
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The method in an argument.
fn method(value: &Value) -> Result<Method, Raise> {
    let text = string(value)?.as_str();
    // Methods are written in capitals; others are what they are.
    let known = text.to_ascii_uppercase();
    let known = match known.as_str() {
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" | "TRACE" => known.as_str(),
        _ => text,
    };
    Method::from_bytes(known.as_bytes())
        .map_err(|_| Raise::operation(&format!("http.request: '{}' is no method", text.escape_debug())))
}

pub(super) fn request(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let method = method(&args[0])?;
    call(ctx, None, method, &args[1], args.get(2))
}

pub(super) fn get(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    call(ctx, None, Method::GET, &args[0], args.get(1))
}

pub(super) fn post(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    call(ctx, None, Method::POST, &args[0], args.get(1))
}

pub(super) fn put(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    call(ctx, None, Method::PUT, &args[0], args.get(1))
}

pub(super) fn patch(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    call(ctx, None, Method::PATCH, &args[0], args.get(1))
}

pub(super) fn delete(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    call(ctx, None, Method::DELETE, &args[0], args.get(1))
}

pub(super) fn head(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    call(ctx, None, Method::HEAD, &args[0], args.get(1))
}

fn by_client(ctx: &mut Ctx<'_>, method: Method, args: &[Value]) -> Result<Value, Raise> {
    call(ctx, Some(receiver(args)), method, &args[1], args.get(2))
}

/// `client([opts])`
pub(super) fn client(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let options = Options::new(args.first(), CLIENT_OPTIONS)?;
    let mut settings = Settings::new(ctx);
    settings.apply(ctx, options)?;
    let reach = super::super::later_reach(ctx);
    let client = Client {
        agent: exchange::agent(
            &reach,
            &settings.user_agent,
            settings.verify_tls,
            IDLE_CONNECTIONS,
        ),
        cookies: Arc::new(Jar::default()),
        kept: Kept::default(),
        settings,
    };
    Ok(Value::Native(ctx.heap().native(Box::new(client))?))
}

/// The URL with a query behind its own.
fn with_query(url: &str, query: &str) -> String {
    if query.is_empty() {
        return url.to_owned();
    }
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let hash = if fragment.is_empty() { "" } else { "#" };
    format!("{url}{separator}{query}{hash}{fragment}")
}

/// What a request gives.
enum Outcome {
    Whole(Response<Vec<u8>>, Uri, String),
    Stream(Response<Reader>, Uri),
}

fn call(
    ctx: &mut Ctx<'_>,
    client: Option<&Client>,
    method: Method,
    url: &Value,
    options: Option<&Value>,
) -> Result<Value, Raise> {
    let url = string(url)?.as_str();
    ctx.tick(url.len() / 16)?;
    let options = Options::new(options, REQUEST_OPTIONS)?;
    let mut settings = match client {
        Some(client) => client.settings.clone(),
        None => Settings::new(ctx),
    };
    settings.apply(ctx, options)?;
    let Content { query, body, streams } = settings.content(ctx, options)?;
    let asked = with_query(url, &query);
    let target = location::parse(&asked);
    let reach = reach(ctx, &asked, &target)?;
    if let Some(proxy) = &settings.proxy {
        let place = format!("{}:{}", proxy.host(), proxy.port());
        let permitted = ctx.host().permit(aether_eval::Permission::Net, &place);
        permitted.map_err(|detail| Raise::permission(&detail))?;
    }
    let token = handles::begin(ctx, client.map(|client| &client.kept))?;
    let most = if streams {
        usize::MAX / 2
    } else {
        room(ctx).min(settings.max_body)
    };
    let (is_limited, limit) = (settings.max_body <= room(ctx), settings.max_body);
    let held = body.as_ref().map_or(0, Vec::len);
    let request = Request {
        method,
        target,
        headers: settings.headers,
        body,
        timeout: settings.timeout,
        connect_timeout: settings.connect_timeout,
        redirects: settings.redirects,
        user_agent: settings.user_agent,
        reach,
        proxy: settings.proxy,
        verify_tls: settings.verify_tls,
        agent: client.map(|client| client.agent.clone()),
        cookies: client.map(|client| client.cookies.clone() as Arc<dyn exchange::Cookies>),
    };
    // Without a pool the body is charged here, with one where the job is.
    let charge = Charge::new(ctx.heap(), if ctx.has_pool() { 0 } else { held })?;
    let result = ctx.offload(
        Effect::Query,
        held,
        move || {
            let answer = exchange::run(request)?;
            if streams {
                let (response, target) = answer.stream();
                return Ok(Outcome::Stream(response, target));
            }
            let (response, target) = answer.read(most)?;
            let text = exchange::text(response.headers(), response.body(), most)?;
            Ok(Outcome::Whole(response, target, text))
        },
        move |ctx, outcome| {
            let connection = handles::end(ctx, token);
            match outcome {
                Ok(Outcome::Whole(response, target, text)) => {
                    if let Some(connection) = connection {
                        connection.keep();
                    }
                    answer::whole(ctx, &response, &target, &text)
                }
                Ok(Outcome::Stream(response, target)) => {
                    let (parts, reader) = response.into_parts();
                    let chunks = Chunks::new(reader, asked.clone(), most, connection)
                        .map_err(|error| http_error(&asked, &error.to_string()))?;
                    let chunks = Value::Native(ctx.heap().native(Box::new(chunks))?);
                    answer::streaming(ctx, &Response::from_parts(parts, ()), &target, chunks)
                }
                Err(Failure::TooLarge) if is_limited => Err(http_error(
                    &asked,
                    &format!("the body is larger than {limit} bytes (max_body)"),
                )),
                Err(failure) => Err(failed(ctx, &asked, failure, most)),
            }
        },
    );
    handles::forget(ctx);
    drop(charge);
    result
}
