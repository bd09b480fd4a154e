//! `http_get` and `http_post`.
//!
//! | file | what it holds |
//! |---|---|
//! | `exchange` | a request with its redirects, on any thread: from plain data to text or a reason |
//! | `location` | where a redirect leads |
//!
//! Invariants
//! - Options and types are checked before anything goes out, and the host is asked for the permission to connect.
//! - A response is bounded by what the heap had left when the request was made.
//! - No proxy and no setting of the environment takes part, except the two that the library reference names.
//!
//! Source: library reference chapter 12.

mod exchange;
mod location;

use aether_eval::{BuiltinDef, Ctx, Effect, Permission};
use aether_value::{Dict, ErrorKind, Raise, Value};
use std::time::Duration;

use exchange::{Failure, RedirectPolicy, Request};

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

fn options(ctx: &mut Ctx<'_>, value: Option<&Value>) -> Result<Options, Raise> {
    let given = match value {
        None => None,
        Some(Value::Dict(dict)) => Some(dict),
        Some(value) => return Err(crate::arguments::wrong_type("dict", value)),
    };
    let entry = |name: &str| given.and_then(|dict| find(dict, name));
    let seconds = match entry(TIMEOUT) {
        None => ctx
            .host()
            .env("AETHER_HTTP_TIMEOUT")
            .and_then(|text| text.parse().ok())
            .filter(|seconds: &f64| *seconds > 0.0)
            .unwrap_or(DEFAULT_TIMEOUT),
        Some(Value::Int(seconds)) => seconds as f64,
        Some(Value::Float(seconds)) => seconds,
        Some(value) => return Err(crate::arguments::wrong_type("int", &value)),
    };
    let user_agent = match entry(USER_AGENT) {
        None => ctx
            .host()
            .env("AETHER_HTTP_USER_AGENT")
            .unwrap_or_else(|| DEFAULT_USER_AGENT.to_owned()),
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

fn run(ctx: &mut Ctx<'_>, url: &str, body: Option<&str>, options: Options) -> Result<Value, Raise> {
    let target = location::parse(url);
    let mut reach = RedirectPolicy::Everywhere;
    if let Ok(target) = &target {
        let place = location::place(target);
        let host = ctx.host();
        let permitted = host.permit(Permission::Net, &place);
        permitted.map_err(|detail| Raise::permission(&detail))?;
        if !host.permits_everything(Permission::Net) {
            reach = match host.access_check() {
                Some(check) => RedirectPolicy::Checked(check),
                None => RedirectPolicy::Only(place),
            };
        }
    } else {
        // What leads nowhere is refused as anything else where nothing may be reached.
        let permitted = ctx.host().permit(Permission::Net, url);
        permitted.map_err(|detail| Raise::permission(&detail))?;
    }
    let heap = ctx.heap().clone();
    let held = body.map_or(0, str::len);
    let room = heap
        .limit()
        .map_or(MAX_TEXT, |limit| limit.saturating_sub(heap.live_bytes()));
    let most = room.min(MAX_TEXT);
    let request = Request {
        target,
        body: body.map(|body| body.as_bytes().to_vec()),
        timeout: options.timeout,
        user_agent: options.user_agent,
        reach,
        most,
    };
    let url = url.to_owned();
    // Without a pool the copy of the body is charged here, with one where the job is.
    let at_once = if ctx.has_pool() { 0 } else { held };
    heap.charge(at_once)?;
    let result = ctx.offload(
        Effect::Query,
        held,
        move || exchange::run(request),
        move |ctx, outcome| match outcome {
            Ok(text) => ctx.string(&text),
            Err(Failure::TooLarge) => Err(ctx.heap().out_of_memory(most)),
            Err(Failure::Refused(detail)) => Err(Raise::permission(&detail)),
            Err(Failure::Http(detail)) => {
                let message = format!("HTTP error for '{url}': {detail}");
                Err(Raise::new(ErrorKind::Io, message))
            }
        },
    );
    heap.discharge(at_once);
    result
}
