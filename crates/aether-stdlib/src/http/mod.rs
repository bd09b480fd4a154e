//! `http_get` and `http_post`, and the module `http`.
//!
//! | file | what it holds |
//! |---|---|
//! | `exchange` | a request with its redirects, on any thread: from plain data to a response or a reason |
//! | `handles` | connections as open handles |
//! | `location` | where a redirect leads |
//! | `web` | the module: client, server, WebSocket |
//!
//! Invariants
//! - Options and types are checked before anything goes out, and the host is asked for the permission to connect.
//! - A response is bounded by what the heap had left when the request was made.
//! - No proxy and no setting of the environment takes part, except the two that the library reference names.
//!
//! Source: library reference chapter 12.

mod exchange;
mod handles;
mod location;
#[cfg(feature = "web")]
mod web;

use aether_eval::{BuiltinDef, Ctx, Effect, Permission};
use aether_value::{Dict, ErrorKind, Raise, Value};
use std::time::Duration;

use exchange::{Failure, RedirectPolicy, Request};
use ureq::http::{HeaderMap, Method, Uri};

#[cfg(feature = "web")]
pub(crate) use web::MODULE;

/// Built-ins on HTTP.
pub static HTTP: &[BuiltinDef] = &[
    BuiltinDef::core("http_get", &["url", "opts"], 1, 2, http_get)
        .needing(Permission::Net)
        .with_options(OPTIONS),
    BuiltinDef::core("http_post", &["url", "body", "opts"], 2, 3, http_post)
        .needing(Permission::Net)
        .with_options(OPTIONS),
];

/// Seconds for a whole exchange.
const TIMEOUT: &str = "timeout";
/// How the client names itself.
const USER_AGENT: &str = "user_agent";
/// Every key of options.
const OPTIONS: &[&str] = &[TIMEOUT, USER_AGENT];

/// Seconds an exchange may take, unless something else is said.
const DEFAULT_TIMEOUT: f64 = 30.0;
/// Who asks, unless something else is said.
const DEFAULT_USER_AGENT: &str = "aether/0.1";
/// The longest text.
const MAX_TEXT: usize = i32::MAX as usize;

fn http_get(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let url = crate::arguments::string(&args[0])?.as_str();
    let options = options(ctx, args.get(1))?;
    run(ctx, url, None, options)
}

fn http_post(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let url = crate::arguments::string(&args[0])?.as_str();
    let options = options(ctx, args.get(2))?;
    let body = ctx.text(&args[1])?;
    ctx.tick(body.len_bytes() / 64)?;
    run(ctx, url, Some(body.as_str()), options)
}

struct Options {
    /// No limit if there is none.
    timeout: Option<Duration>,
    user_agent: String,
}

/// Seconds an exchange takes at most, as the environment says.
fn default_timeout(ctx: &mut Ctx<'_>) -> f64 {
    let set = ctx.host().env("AETHER_HTTP_TIMEOUT");
    set.and_then(|text| text.parse().ok())
        .filter(|seconds: &f64| *seconds > 0.0)
        .unwrap_or(DEFAULT_TIMEOUT)
}

/// Who asks, as the environment says.
fn default_user_agent(ctx: &mut Ctx<'_>) -> String {
    let set = ctx.host().env("AETHER_HTTP_USER_AGENT");
    set.unwrap_or_else(|| DEFAULT_USER_AGENT.to_owned())
}

fn options(ctx: &mut Ctx<'_>, value: Option<&Value>) -> Result<Options, Raise> {
    let given = match value {
        None => None,
        Some(Value::Dict(dict)) => Some(dict),
        Some(value) => return Err(crate::arguments::wrong_type("dict", value)),
    };
    let entry = |name: &str| given.and_then(|dict| find(dict, name));
    let seconds = match entry(TIMEOUT) {
        None => default_timeout(ctx),
        Some(Value::Int(seconds)) => seconds as f64,
        Some(Value::Float(seconds)) => seconds,
        Some(value) => return Err(crate::arguments::wrong_type("int", &value)),
    };
    let user_agent = match entry(USER_AGENT) {
        None => default_user_agent(ctx),
        Some(Value::String(text)) => text.as_str().to_owned(),
        Some(value) => return Err(crate::arguments::wrong_type("string", &value)),
    };
    Ok(Options {
        timeout: timeout(seconds),
        user_agent,
    })
}

/// An entry of a dict. The keys of options are few.
fn find(dict: &Dict, name: &str) -> Option<Value> {
    let mut entries = dict.iter();
    let is_name = |key: &Value| matches!(key, Value::String(key) if key.as_str() == name);
    entries
        .find(|(key, _)| is_name(key))
        .map(|(_, value)| value.clone())
}

/// Negative times mean zero; what no duration can hold is no limit.
fn timeout(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

/// Asks whether a place may be reached; where from there a redirect may lead.
fn reach(ctx: &mut Ctx<'_>, url: &str, target: &Result<Uri, String>) -> Result<RedirectPolicy, Raise> {
    let Ok(target) = target else {
        // What leads nowhere is refused as anything else where nothing may be reached.
        let permitted = ctx.host().permit(Permission::Net, url);
        permitted.map_err(|detail| Raise::permission(&detail))?;
        return Ok(RedirectPolicy::Everywhere);
    };
    let place = location::place(target);
    let host = ctx.host();
    let permitted = host.permit(Permission::Net, &place);
    permitted.map_err(|detail| Raise::permission(&detail))?;
    if host.permits_everything(Permission::Net) {
        return Ok(RedirectPolicy::Everywhere);
    }
    Ok(match host.access_check() {
        Some(check) => RedirectPolicy::Checked(check),
        None => RedirectPolicy::Only(place),
    })
}

/// Where the requests of a client may lead; each is asked for when it is made, too.
#[cfg(feature = "web")]
fn later_reach(ctx: &mut Ctx<'_>) -> RedirectPolicy {
    let host = ctx.host();
    if host.permits_everything(Permission::Net) {
        return RedirectPolicy::Everywhere;
    }
    host.access_check()
        .map_or(RedirectPolicy::Everywhere, RedirectPolicy::Checked)
}

/// The error of an exchange that has failed, which might have taken so many bytes.
fn failed(ctx: &Ctx<'_>, url: &str, failure: Failure, most: usize) -> Raise {
    match failure {
        Failure::TooLarge => ctx.heap().out_of_memory(most),
        Failure::Refused(detail) => Raise::permission(&detail),
        Failure::Http(detail) => http_error(url, &detail),
    }
}

fn http_error(url: &str, detail: &str) -> Raise {
    Raise::new(ErrorKind::Io, format!("HTTP error for '{url}': {detail}"))
}

/// Bytes that a response may have: what the heap has left.
fn room(ctx: &Ctx<'_>) -> usize {
    ctx.heap().room().unwrap_or(MAX_TEXT).min(MAX_TEXT)
}

fn run(ctx: &mut Ctx<'_>, url: &str, body: Option<&str>, options: Options) -> Result<Value, Raise> {
    let target = location::parse(url);
    let reach = reach(ctx, url, &target)?;
    let held = body.map_or(0, str::len);
    let token = handles::begin(ctx, None)?;
    let most = room(ctx);
    let request = Request {
        method: if body.is_some() { Method::POST } else { Method::GET },
        target,
        headers: HeaderMap::new(),
        body: body.map(|body| body.as_bytes().to_vec()),
        timeout: options.timeout,
        connect_timeout: None,
        redirects: exchange::MAX_REDIRECTS,
        user_agent: options.user_agent,
        reach,
        proxy: None,
        verify_tls: true,
        agent: None,
        cookies: None,
    };
    let url = url.to_owned();
    // Without a pool the copy of the body is charged here, with one where the job is.
    let at_once = if ctx.has_pool() { 0 } else { held };
    ctx.heap().charge(at_once)?;
    let result = ctx.offload(
        Effect::Query,
        held,
        move || {
            let (response, _) = exchange::run(request)?.read(most)?;
            exchange::text(response.headers(), response.body(), most)
        },
        move |ctx, outcome| {
            drop(handles::end(ctx, token));
            match outcome {
                Ok(text) => ctx.string(&text),
                Err(failure) => Err(failed(ctx, &url, failure, most)),
            }
        },
    );
    handles::forget(ctx);
    ctx.heap().discharge(at_once);
    result
}
