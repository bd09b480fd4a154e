//! `http.router`: which handler a request's method and path lead to, and what stands before it.
//!
//! Routes are looked at in the order in which they were added, then directories. A path that is known for other methods
//! only is answered with 405. Middleware comes before all of that, in order, around what comes next.

use std::any::Any;
use std::cell::RefCell;

use aether_eval::{Args, BuiltinDef, Ctx, Event, Permission, Step};
use aether_value::{Builtin, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};
use hyper::{Method, StatusCode};

use super::files::{self, Directory};
use super::pattern::Pattern;
use super::request::{Request, request_argument};
use super::response::{Reply, normalized};
use crate::arguments::{object, permit, receiver, string, wrong_type};

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("get", 2, 2, |ctx, args| add(ctx, args, Some(Method::GET))),
    BuiltinDef::method("post", 2, 2, |ctx, args| add(ctx, args, Some(Method::POST))),
    BuiltinDef::method("put", 2, 2, |ctx, args| add(ctx, args, Some(Method::PUT))),
    BuiltinDef::method("patch", 2, 2, |ctx, args| add(ctx, args, Some(Method::PATCH))),
    BuiltinDef::method("delete", 2, 2, |ctx, args| add(ctx, args, Some(Method::DELETE))),
    BuiltinDef::method("head", 2, 2, |ctx, args| add(ctx, args, Some(Method::HEAD))),
    BuiltinDef::method("options", 2, 2, |ctx, args| add(ctx, args, Some(Method::OPTIONS))),
    BuiltinDef::method("any", 2, 2, |ctx, args| add(ctx, args, None)),
    BuiltinDef::method("use", 1, 1, add_middleware),
    BuiltinDef::method("static", 2, 2, add_directory).needing(Permission::Read),
];

/// A call of a router by its server. Slots: the router, the request.
static DISPATCH: BuiltinDef =
    BuiltinDef::core_frame("http.router", &["router", "request"], 2, 2, 2, dispatch_frame);
/// A call of a router by a script: what it gives is a response.
static CALL: BuiltinDef = BuiltinDef::method_frame("router", 1, 1, 2, call_frame);
/// A call of what comes behind a middleware. Slots: that, the request.
static NEXT: BuiltinDef = BuiltinDef::method_frame("next", 0, 1, 2, next_frame);

struct Route {
    /// Any if there is none.
    method: Option<Method>,
    pattern: Pattern,
    handler: Value,
}

#[derive(Default)]
struct Table {
    routes: Vec<Route>,
    middleware: Vec<Value>,
    directories: Vec<Directory>,
}

/// A router as a value.
#[derive(Default)]
struct Router(RefCell<Table>);

/// What comes behind a middleware.
struct Next {
    router: Rc<NativeObject>,
    request: Value,
    index: usize,
}

/// `router()`
pub(super) fn router(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Native(ctx.heap().native(Box::new(Router::default()))?))
}

/// Whether a handler is a router.
pub(super) fn is_router(handler: &Value) -> bool {
    matches!(handler, Value::Native(native) if native.downcast::<Router>().is_some())
}

/// The step that calls a router with a request.
pub(super) fn dispatch(router: Value, request: Value) -> Step {
    Step::Call {
        function: DISPATCH.value(),
        args: Args::Two(router, request),
        lenient: false,
    }
}

/// What a change has added is charged; the receiver is given back.
fn changed(args: &[Value]) -> Result<Value, Raise> {
    if let Value::Native(native) = &args[0] {
        native.recharge()?;
    }
    Ok(args[0].clone())
}

fn add(ctx: &mut Ctx<'_>, args: &[Value], method: Option<Method>) -> Result<Value, Raise> {
    let text = string(&args[1])?.as_str();
    ctx.tick(text.len() / 16)?;
    let pattern = Pattern::new(text).map_err(|detail| {
        Raise::operation(&format!(
            "http.router: pattern '{}': {detail}",
            text.escape_debug()
        ))
    })?;
    if !args[2].is_callable() {
        return Err(wrong_type("function", &args[2]));
    }
    let handler = args[2].clone();
    let route = Route {
        method,
        pattern,
        handler,
    };
    receiver::<Router>(args).0.borrow_mut().routes.push(route);
    changed(args)
}

fn add_middleware(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    let middleware = args[1].clone();
    receiver::<Router>(args)
        .0
        .borrow_mut()
        .middleware
        .push(middleware);
    changed(args)
}

fn add_directory(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (prefix, path) = (string(&args[1])?.as_str(), string(&args[2])?.as_str());
    permit(ctx, Permission::Read, path)?;
    let directory = Directory::new(ctx, prefix, path)?;
    receiver::<Router>(args)
        .0
        .borrow_mut()
        .directories
        .push(directory);
    changed(args)
}

/// Where a request leads.
enum Found {
    Handler(Value),
    Reply(Value),
}

/// The methods that a path is known for, as the header `Allow` lists them.
fn allowed(methods: &[&Method]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for method in methods {
        if !names.contains(&method.as_str()) {
            names.push(method.as_str());
        }
        if **method == Method::GET && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
    }
    names.join(", ")
}

fn find(ctx: &mut Ctx<'_>, router: &Router, request: &Request) -> Result<Found, Raise> {
    let (method, path) = (request.method_of(), request.raw_path());
    let table = router.0.borrow();
    ctx.tick(1 + table.routes.len() + path.len() / 16)?;
    let mut others = Vec::new();
    let mut stands_in = None;
    for route in &table.routes {
        let Some(params) = route.pattern.matches(path) else {
            continue;
        };
        match &route.method {
            Some(other) if other != method => {
                others.push(other);
                // A GET does for a HEAD, if there is none.
                if method == Method::HEAD && other == Method::GET && stands_in.is_none() {
                    stands_in = Some((params, &route.handler));
                }
                continue;
            }
            _ => stands_in = Some((params, &route.handler)),
        }
        break;
    }
    if let Some((params, handler)) = stands_in {
        if !params.is_empty() {
            let dict = ctx.heap().dict()?;
            for (name, value) in params {
                dict.insert(ctx.string(name)?, ctx.string(&value)?)?;
            }
            request.set_params(dict);
        }
        return Ok(Found::Handler(handler.clone()));
    }
    let served = table
        .directories
        .iter()
        .find_map(|directory| directory.file(path));
    let allow = allowed(&others);
    drop(table);
    if let Some(wanted) = served
        && let Some(reply) = files::reply(ctx, &wanted, request)?
    {
        return Ok(Found::Reply(reply));
    }
    if allow.is_empty() {
        return Reply::plain(ctx, StatusCode::NOT_FOUND, "Not Found\n").map(Found::Reply);
    }
    let reply = Reply::plain(ctx, StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n")?;
    Reply::set_header(ctx, &reply, "allow", &allow)?;
    Ok(Found::Reply(reply))
}

/// Calls the middleware of an index, or what comes behind all of them.
fn enter(ctx: &mut Ctx<'_>, router: &Rc<NativeObject>, request: Value, index: usize) -> Result<Step, Raise> {
    let Some(own) = router.downcast::<Router>() else {
        return Ok(Step::Done(Value::Null));
    };
    let middleware = own.0.borrow().middleware.get(index).cloned();
    if let Some(middleware) = middleware {
        let next = Next {
            router: router.clone(),
            request: request.clone(),
            index: index + 1,
        };
        let next = Value::Native(ctx.heap().native(Box::new(next))?);
        return Ok(Step::Call {
            function: middleware,
            args: Args::Two(request, next),
            lenient: true,
        });
    }
    Ok(match find(ctx, own, request_argument(&request)?)? {
        Found::Reply(reply) => Step::Done(reply),
        Found::Handler(handler) => Step::Call {
            function: handler,
            args: Args::One(request),
            lenient: true,
        },
    })
}

/// What a handler has given: a promise is awaited.
fn outcome(event: Event) -> Result<Result<Value, Step>, Raise> {
    match event {
        Event::Returned(promise @ Value::Promise(_)) => Ok(Err(Step::Await(promise))),
        Event::Returned(value) => Ok(Ok(value)),
        Event::Start => Ok(Ok(Value::Null)),
        Event::Failed(raise) => Err(raise),
    }
}

fn native(value: &Value) -> &Rc<NativeObject> {
    match value {
        Value::Native(native) => native,
        _ => unreachable!("a method of native objects"),
    }
}

fn dispatch_frame(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if matches!(event, Event::Start) {
        let router = native(&slots[0]).clone();
        return enter(ctx, &router, slots[1].clone(), 0);
    }
    Ok(match outcome(event)? {
        Ok(value) => Step::Done(value),
        Err(step) => step,
    })
}

/// A step whose result is a response.
fn normalizing(ctx: &Ctx<'_>, step: Step) -> Result<Step, Raise> {
    Ok(match step {
        Step::Done(value) => Step::Done(normalized(ctx, value)?),
        step => step,
    })
}

fn call_frame(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if matches!(event, Event::Start) {
        request_argument(&slots[1])?;
    }
    let step = dispatch_frame(ctx, slots, event)?;
    normalizing(ctx, step)
}

fn next_frame(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let step = if matches!(event, Event::Start) {
        let next = object::<Next>(&slots[0]);
        let request = match &slots[1] {
            Value::Null => next.request.clone(),
            request => {
                request_argument(request)?;
                request.clone()
            }
        };
        enter(ctx, &next.router, request, next.index)?
    } else {
        match outcome(event)? {
            Ok(value) => Step::Done(value),
            Err(step) => step,
        }
    };
    normalizing(ctx, step)
}

impl Native for Router {
    fn type_name(&self) -> &'static str {
        "http_router"
    }

    fn size(&self) -> usize {
        let tables = self.0.try_borrow().map_or(0, |table| {
            let patterns: usize = table.routes.iter().map(|route| route.pattern.size()).sum();
            let directories: usize = table.directories.iter().map(Directory::size).sum();
            table.routes.capacity() * size_of::<Route>()
                + table.middleware.capacity() * size_of::<Value>()
                + patterns
                + directories
        });
        size_of::<Self>() + tables
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        // In the middle of a change it names none, which keeps them alive.
        if let Ok(table) = self.0.try_borrow() {
            let handlers = table.routes.iter().map(|route| &route.handler);
            handlers
                .chain(&table.middleware)
                .for_each(|handler| visit(&Raw::of_value(handler)));
        }
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&CALL.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Native for Next {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_rc(&self.router));
        visit(&Raw::of_value(&self.request));
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<builtin next>")
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&NEXT.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
