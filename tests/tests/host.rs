//! Functions, types and futures of the host, as a host author uses them and as one misuses them.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use aether::{
    AetherType, Ctx, Engine, Error, ErrorKind, FromValue, Function, IntoValue, MemoryHost, Object, Operator,
    Program, Raise, Rest, Text, TypeBuilder, Value, ValueExt as _,
};

fn engine() -> Engine {
    Engine::builder().host(MemoryHost::new()).build().unwrap()
}

fn error(engine: &mut Engine, code: &str) -> String {
    engine.eval(code).unwrap_err().to_string()
}

fn caught(engine: &mut Engine, code: &str) -> String {
    let code =
        format!("let seen = null  try {{ {code} }} catch (e) {{ seen = e.kind + \": \" + e.message }}  seen");
    engine.eval_to(code).unwrap()
}

// --- functions ---

#[test]
fn functions_of_many_forms_are_called() {
    let mut engine = engine();
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    engine
        .register("nothing", move || counted.set(counted.get() + 1))
        .unwrap();
    engine.register("add", |a: i32, b: i64| i64::from(a) + b).unwrap();
    engine
        .register("greet", |name: Text, title: Option<String>| {
            format!("{}{}", title.map(|title| title + " ").unwrap_or_default(), &*name)
        })
        .unwrap();
    engine
        .register("total", |first: f64, Rest(rest): Rest<f64>| {
            first + rest.iter().sum::<f64>()
        })
        .unwrap();
    engine.register("swap", |(a, b): (Value, Value)| (b, a)).unwrap();
    engine
        .register("live", |ctx: &mut Ctx<'_>| ctx.heap().live_bytes())
        .unwrap();
    engine.register("str", |_: Value| "mine").unwrap();
    assert_eq!(engine.eval_to::<()>("nothing()").unwrap(), ());
    assert_eq!(calls.get(), 1);
    assert_eq!(engine.eval_to::<i64>("add(1, 2)").unwrap(), 3);
    assert_eq!(
        engine
            .eval_to::<i64>("[1, 2, 3].map(x => add(x, 1)).reduce((a, b) => a + b, 0)")
            .unwrap(),
        9
    );
    assert_eq!(engine.eval_to::<String>("greet(\"Ann\")").unwrap(), "Ann");
    assert_eq!(
        engine.eval_to::<String>("greet(\"Ann\", \"Dr\")").unwrap(),
        "Dr Ann"
    );
    assert_eq!(engine.eval_to::<f64>("total(1, 2, 3.5)").unwrap(), 6.5);
    assert_eq!(
        engine.eval_to::<(String, i64)>("swap([1, \"a\"])").unwrap(),
        ("a".to_owned(), 1)
    );
    assert!(engine.eval_to::<u64>("live()").unwrap() > 0);
    assert_eq!(engine.eval_to::<String>("str(1)").unwrap(), "mine");
    assert_eq!(
        engine.eval_to::<String>("type(add) + \" ${add}\"").unwrap(),
        "builtin_function <builtin add>"
    );
    assert!(engine.eval_to::<bool>("let f: fn = add  f == add").unwrap());
}

#[test]
fn wrong_arguments_are_errors_at_the_call() {
    let mut engine = engine();
    engine.register("add", |a: i32, b: i64| i64::from(a) + b).unwrap();
    engine.register("opt", |_: i64, _: Option<i64>| ()).unwrap();
    assert_eq!(error(&mut engine, "add(1)"), "Expected 2 arguments, got 1");
    assert_eq!(error(&mut engine, "add(1, 2, 3)"), "Expected 2 arguments, got 3");
    assert_eq!(error(&mut engine, "opt()"), "Expected 1 arguments, got 0");
    assert_eq!(error(&mut engine, "opt(1, 2, 3)"), "Expected 2 arguments, got 3");
    assert_eq!(
        error(&mut engine, "add(1, \"2\")"),
        "Type error: expected int, got string for argument 2 of add()"
    );
    assert_eq!(
        caught(&mut engine, "add(1 << 40, 1)").split(": ").next(),
        Some("type")
    );
    let failed = engine
        .eval("fn f() {\n  return add(null, 1)\n}\nf()")
        .unwrap_err();
    assert_eq!(
        (failed.line(), failed.column(), failed.file()),
        (Some(2), Some(10), None)
    );
    assert_eq!(failed.kind(), Some(ErrorKind::Type));
}

#[test]
fn any_error_of_a_function_is_one_of_the_script() {
    let mut engine = engine();
    engine.register("io", || std::fs::read("/no/such/file")).unwrap();
    engine
        .register("text", || Err::<(), _>("plain text".to_owned()))
        .unwrap();
    engine
        .register("parse", |text: String| text.parse::<i64>())
        .unwrap();
    engine
        .register("boxed", || Err::<(), Box<dyn std::error::Error>>("boxed".into()))
        .unwrap();
    engine
        .register("many", |text: String| -> Result<f64, Error> {
            if text.is_empty() {
                return Err(Error::message("nothing to read"));
            }
            text.parse().map_err(Error::other)
        })
        .unwrap();
    engine
        .register("again", |ctx: &mut Ctx<'_>, f: Function<(), Value>| {
            f.call(ctx, ())
        })
        .unwrap();
    assert_eq!(
        caught(&mut engine, "io()"),
        "io: No such file or directory (os error 2)"
    );
    assert_eq!(caught(&mut engine, "text()"), "value: plain text");
    assert_eq!(
        caught(&mut engine, "parse(\"x\")"),
        "value: invalid digit found in string"
    );
    assert_eq!(caught(&mut engine, "boxed()"), "value: boxed");
    assert_eq!(caught(&mut engine, "many(\"\")"), "value: nothing to read");
    assert_eq!(caught(&mut engine, "many(\"x\")"), "value: invalid float literal");
    // What a callback throws passes through the host's function unchanged.
    assert_eq!(
        engine
            .eval_to::<i64>(
                "let v = 0  try { again(() => { throw {\"n\": 7} }) } catch (e) { v = e.value.n }  v"
            )
            .unwrap(),
        7
    );
    let thrown = engine.eval("again(() => { throw [1, 2] })").unwrap_err();
    assert_eq!(thrown.thrown().unwrap().try_to::<Vec<i64>>().unwrap(), [1, 2]);
    assert_eq!(
        caught(&mut engine, "again(() => 1 / 0)"),
        "zero_division: Division by zero"
    );
}

#[test]
fn a_panic_is_an_error_of_the_script_and_the_engine_goes_on() {
    let mut engine = engine();
    engine
        .register("boom", |n: i64| {
            assert!(n < 0, "n is {n}");
            n
        })
        .unwrap();
    engine
        .register("deep", |ctx: &mut Ctx<'_>, f: Function<(), Value>| {
            f.call(ctx, ())
        })
        .unwrap();
    quietly(|| {
        assert_eq!(
            error(&mut engine, "boom(3)"),
            "Invalid operation: host function 'boom' panicked: n is 3"
        );
        assert_eq!(
            caught(&mut engine, "deep(() => deep(() => boom(4)))"),
            "value: Invalid operation: host function 'boom' panicked: n is 4"
        );
        assert_eq!(engine.eval_to::<i64>("boom(-1)").unwrap(), -1);
    });
    assert_eq!(engine.shut_down().live_objects, 0);
}

fn panics(message: &str) {
    std::panic::panic_any(message.to_owned());
}

/// Runs code without the messages of panics.
fn quietly(code: impl FnOnce()) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    code();
    std::panic::set_hook(hook);
}

#[test]
fn calls_there_and_back_nest_to_a_limit() {
    let mut engine = engine();
    engine
        .register("bounce", |ctx: &mut Ctx<'_>, n: i64| -> Result<i64, Error> {
            let back = ctx.global("back").ok_or_else(|| Error::message("no back"))?;
            ctx.call(&back, &[Value::Int(n)])?.try_to()
        })
        .unwrap();
    engine
        .eval("fn back(n) { return n == 0 ? 0 : bounce(n - 1) + 1 }")
        .unwrap();
    assert_eq!(engine.call_to::<i64>("back", (90,)).unwrap(), 90);
    let error = engine.call("back", (1000,)).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Recursion));
    assert_eq!(engine.call_to::<i64>("back", (5,)).unwrap(), 5);
}

#[test]
fn limits_hold_within_functions_of_the_host() {
    let mut engine = Engine::builder()
        .max_steps(Some(10_000))
        .max_memory(Some(1 << 20))
        .build()
        .unwrap();
    engine
        .register("forever", |ctx: &mut Ctx<'_>| -> Result<(), Raise> {
            loop {
                ctx.tick(1)?;
            }
        })
        .unwrap();
    engine.register("spin", || ()).unwrap();
    engine.register("big", || vec![0_i64; 1 << 20]).unwrap();
    assert_eq!(
        engine.eval("forever()").unwrap_err().kind(),
        Some(ErrorKind::StepLimit)
    );
    assert_eq!(
        engine.eval("while (true) { spin() }").unwrap_err().kind(),
        Some(ErrorKind::StepLimit)
    );
    assert_eq!(
        engine.eval("big()").unwrap_err().kind(),
        Some(ErrorKind::OutOfMemory)
    );
    assert_eq!(engine.eval_to::<i64>("1").unwrap(), 1);
}

#[test]
fn values_of_another_engine_are_refused_wherever_they_enter() {
    let (mut one, mut other) = (engine(), engine());
    let foreign = other.eval("[1, 2]").unwrap();
    let function = other.eval("() => 1").unwrap();
    assert!(one.set_global("x", &foreign).is_err());
    assert!(one.define("x", &foreign).is_err());
    assert!(one.call_method(&foreign, "len", ()).is_err());
    assert!(one.call_value(&function, ()).is_err());
    let held = RefCell::new(Some(foreign.clone()));
    one.register("give", move || held.borrow().clone()).unwrap();
    assert_eq!(
        error(&mut one, "give()"),
        "Type error: expected value of this engine, got array of another engine"
    );
    let typed: Function<(), i64> = Function::from_value(&function).unwrap();
    assert!(typed.call(&mut one, ()).is_err());
    assert_eq!(typed.call(&mut other, ()).unwrap(), 1);
    let program = Program::new("x").unwrap();
    assert!(
        program
            .run_with::<Value, _>(&mut one, [("x", foreign.clone())])
            .is_err()
    );
    drop((one, other));
    // What is kept after the end of its engine stays whole.
    assert_eq!(foreign.try_to::<Vec<i64>>().unwrap(), [1, 2]);
}

#[test]
fn an_engine_in_use_cannot_be_reached_from_its_own_functions() {
    let shared = Rc::new(RefCell::new(engine()));
    let within = shared.clone();
    shared
        .borrow_mut()
        .register("again", move || within.borrow_mut().eval_to::<i64>("1"))
        .unwrap();
    let weak = Rc::downgrade(&shared);
    quietly(|| {
        let message = error(&mut shared.borrow_mut(), "again()");
        assert!(
            message.starts_with("Invalid operation: host function 'again' panicked"),
            "{message}"
        );
    });
    // The function holds the engine: the host takes it away.
    shared.borrow_mut().register("again", || ()).unwrap();
    drop(shared);
    assert!(weak.upgrade().is_none());
}

// --- types ---

#[derive(Debug)]
struct Vector {
    x: f64,
    y: f64,
}

impl AetherType for Vector {
    const NAME: &'static str = "Vector";

    fn describe(t: &mut TypeBuilder<Self>) {
        t.constructor(|x: f64, y: f64| Vector { x, y })
            .function("zero", || Vector { x: 0.0, y: 0.0 })
            .constant("DIMENSIONS", 2)
            .field("x", |v| v.x, |v, x| v.x = x)
            .field("y", |v| v.y, |v, y| v.y = y)
            .getter("length", |v| v.x.hypot(v.y))
            .method("dot", |v: &Vector, other: Object<Vector>| -> Result<f64, Error> {
                let other = other.borrow()?;
                Ok(v.x * other.x + v.y * other.y)
            })
            .method_mut("scale", |v: &mut Vector, by: f64| {
                v.x *= by;
                v.y *= by;
            })
            .method_mut(
                "each",
                |ctx: &mut Ctx<'_>, v: &mut Vector, f: Function<(f64,), f64>| -> Result<(), Error> {
                    v.x = f.call(ctx, (v.x,))?;
                    v.y = f.call(ctx, (v.y,))?;
                    Ok(())
                },
            )
            .operator(
                Operator::Add,
                |v: &Vector, other: Object<Vector>| -> Result<Vector, Error> {
                    let other = other.borrow()?;
                    Ok(Vector {
                        x: v.x + other.x,
                        y: v.y + other.y,
                    })
                },
            )
            .operator(Operator::Multiply, |v: &Vector, by: f64| Vector {
                x: v.x * by,
                y: v.y * by,
            })
            .operator_reversed(Operator::Multiply, |v: &Vector, by: f64| Vector {
                x: v.x * by,
                y: v.y * by,
            })
            .unary(Operator::Negate, |v| Vector { x: -v.x, y: -v.y })
            .equals(|left, right| left.x == right.x && left.y == right.y)
            .order(|left, right| left.x.hypot(left.y).partial_cmp(&right.x.hypot(right.y)))
            .key(|v| format!("{} {}", v.x, v.y))
            .display(|v| format!("({}, {})", v.x, v.y))
            .iterate(|v| vec![v.x, v.y])
            .index(|v: &Vector, at: usize| match at {
                0 => Ok(v.x),
                1 => Ok(v.y),
                _ => Err(Error::message("a vector has two parts")),
            })
            .index_set(|v: &mut Vector, at: usize, new: f64| match at {
                0 => {
                    v.x = new;
                    Ok(())
                }
                1 => {
                    v.y = new;
                    Ok(())
                }
                _ => Err(Error::message("a vector has two parts")),
            });
    }
}

#[test]
fn a_type_of_the_host_behaves_like_one_of_the_language() {
    let mut engine = engine();
    engine.register_type::<Vector>().unwrap();
    let mut is = |code: &str, expected: &str| {
        assert_eq!(
            engine.eval(code).and_then(|value| engine.text(&value)).unwrap(),
            expected,
            "{code}"
        );
    };
    is("let v = Vector(3, 4)  let w = Vector(1, 2)  v", "(3, 4)");
    is(
        "type(v) + \" \" + type(Vector) + \" ${Vector}\"",
        "Vector type <type Vector>",
    );
    is(
        "[v.x, v.y, v.length, Vector.DIMENSIONS, Vector.zero()]",
        "[3, 4, 5, 2, (0, 0)]",
    );
    is("v.x = 6  v.y += 4  v", "(6, 8)");
    is("v.dot(w)", "22");
    is("v.scale(0.5)  v", "(3, 4)");
    is("v.each(x => x * 10)  v", "(30, 40)");
    is(
        "[v + w, v * 2, 2 * v, -w, v[0], v[1]]",
        "[(31, 42), (60, 80), (60, 80), (-1, -2), 30, 40]",
    );
    is("v[1] = 7  v[1] -= 2  v", "(30, 5)");
    is(
        "[w == Vector(1, 2), w == v, w != v, w < v, v <= w, Vector(1, 2) in [w]]",
        "[true, false, true, true, false, true]",
    );
    is(
        "let d = {w: \"w\"}\n[d[Vector(1, 2)], Vector(1, 2) in d, Vector(1, 3) in d, len(set([w, Vector(1, 2), v]))]",
        "[w, true, false, 2]",
    );
    is(
        "let s = []  for p in w { s.push(p) }\n[s, [...w], 2 in w, 5 in w, sum(w)]",
        "[[1, 2], [1, 2], true, false, 3]",
    );
    is(
        "let bound = w.scale  bound(2)\n[w, bound == w.scale]",
        "[(2, 4), true]",
    );
    is(
        "let typed: Vector = w  fn f(v: Vector) { return v.x }  f(typed)",
        "2",
    );
    is(
        "let kind = match w { Vector { } => \"yes\", _ => \"no\" }  kind",
        "yes",
    );
    is(
        "let weak = make_weak(w)\n[upgrade_weak(weak) == w, weak.x]",
        "[true, 2]",
    );
    is("[w].equals([Vector(2, 4)])", "true");
    is("str(set([w]))", "set((2, 4))");
    let mut fails = |code: &str, expected: &str| assert_eq!(error(&mut engine, code), expected, "{code}");
    fails("v.z", "'Vector' has no property 'z'");
    fails("v.z()", "Method 'z' does not exist on type 'Vector'");
    fails("v.z = 1", "'Vector' has no property 'z'");
    fails(
        "v.length = 1",
        "Invalid operation: property 'length' of 'Vector' is read-only",
    );
    fails("v.x = \"a\"", "Type error: expected float, got string");
    fails(
        "v + 1",
        "Type error: expected number or string, got Vector and int",
    );
    fails("v - v", "Type error: expected number, got Vector and Vector");
    fails(
        "v < 1",
        "Type error: expected comparable types, got Vector and int",
    );
    fails("v[2]", "a vector has two parts");
    fails("v[\"a\"]", "Type error: expected int, got string");
    fails(
        "v.dot(1)",
        "Type error: expected Vector, got int for argument 1 of dot()",
    );
    fails("v.scale()", "Expected 1 arguments, got 0");
    fails("Vector(1)", "Expected 2 arguments, got 1");
    fails("Vector.nothing", "'type' has no property 'nothing'");
    fails(
        "let n: Vector = 1",
        "Type error: expected Vector, got int for 'n'",
    );
    let members = engine.eval("v").map(|v| engine.members(&v)).unwrap();
    assert_eq!(members, ["dot", "each", "length", "scale", "x", "y"]);
    assert_eq!(engine.shut_down().live_objects, 0);
}

#[test]
fn what_is_borrowed_twice_is_an_error() {
    let mut engine = engine();
    engine.register_type::<Vector>().unwrap();
    let in_use = "value: Invalid operation: Vector is in use by another call";
    assert_eq!(
        caught(&mut engine, "let v = Vector(1, 2)  v.each(x => v.x)"),
        in_use
    );
    assert_eq!(
        caught(
            &mut engine,
            "let v = Vector(1, 2)  v.each(x => { v.scale(2)  return x })"
        ),
        in_use
    );
    assert_eq!(
        caught(
            &mut engine,
            "let v = Vector(1, 2)  v.each(x => { v.x = 1  return x })"
        ),
        in_use
    );
    assert_eq!(
        caught(&mut engine, "let v = Vector(1, 2)  v.each(x => v[0])"),
        in_use
    );
    assert_eq!(
        caught(&mut engine, "let v = Vector(1, 2)  v.each(x => v < v ? 1 : 2)"),
        in_use
    );
    assert_eq!(
        caught(&mut engine, "let v = Vector(1, 2)  v.each(x => sum(v))"),
        in_use
    );
    // Text and equality have no way to fail.
    assert_eq!(engine.eval_to::<String>("let t = \"\"  let v = Vector(1, 2)  v.each(x => { t = str(v) + (v == Vector(1, 2))  return x })  t").unwrap(), "<Vector>false");
    let object: Object<Vector> = engine.eval_to("Vector(5, 6)").unwrap();
    let reading = object.borrow().unwrap();
    assert_eq!(
        object.borrow_mut().unwrap_err().to_string(),
        "Invalid operation: Vector is in use by another call"
    );
    engine.set_global("held", &object).unwrap();
    assert_eq!(engine.eval_to::<f64>("held.x").unwrap(), 5.0);
    assert_eq!(caught(&mut engine, "held.scale(2)"), in_use);
    drop(reading);
    engine.eval("held.scale(2)").unwrap();
    assert_eq!(object.borrow().unwrap().x, 10.0);
}

struct Node {
    links: Vec<Value>,
    deaths: Rc<Cell<usize>>,
    bytes: usize,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.deaths.set(self.deaths.get() + 1);
        assert!(self.bytes != 13, "dropping fails");
    }
}

impl AetherType for Node {
    const NAME: &'static str = "Node";

    fn describe(t: &mut TypeBuilder<Self>) {
        t.method_mut("link", |node: &mut Node, other: Value| node.links.push(other))
            .method_mut("grow", |node: &mut Node, bytes: usize| node.bytes = bytes)
            .getter("links", |node| node.links.clone())
            .size(|node| node.bytes)
            .trace(|node, tracer| tracer.values(&node.links));
    }
}

fn with_nodes() -> (Engine, Rc<Cell<usize>>) {
    let mut engine = engine();
    let deaths = Rc::new(Cell::new(0));
    let counted = deaths.clone();
    engine
        .register("node", move || Node {
            links: Vec::new(),
            deaths: counted.clone(),
            bytes: 0,
        })
        .unwrap();
    (engine, deaths)
}

#[test]
fn objects_are_counted_charged_and_collected() {
    let (mut engine, deaths) = with_nodes();
    engine.eval("node()").unwrap();
    assert_eq!(deaths.get(), 1, "the last reference went");
    engine
        .eval("fn cycle() { let a = node()  let b = node()  a.link(b)  b.link([a])  return null }")
        .unwrap();
    engine.call("cycle", ()).unwrap();
    assert_eq!(deaths.get(), 1);
    engine.eval("import heap  heap.collect()").unwrap();
    assert_eq!(deaths.get(), 3, "the cycle through two objects is found");
    engine.eval("let n = node()").unwrap();
    let before = engine.heap().live_bytes();
    engine.eval("n.grow(100000)").unwrap();
    assert!(engine.heap().live_bytes() >= before + 100_000);
    let weak = engine.get::<Object<Node>>("n").unwrap().downgrade().unwrap();
    assert!(weak.upgrade().is_some());
    engine.eval("n = null").unwrap();
    assert!(weak.upgrade().is_none());
    assert!(engine.heap().live_bytes() <= before + 4096);
    quietly(|| {
        engine
            .eval("let thirteen = node()  thirteen.grow(13)  thirteen = null")
            .unwrap();
    });
    assert_eq!(deaths.get(), 5);
    engine.eval("let a = node()  a.link(a)").unwrap();
    drop(weak);
    assert_eq!(engine.shut_down().live_objects, 0);
    assert_eq!(deaths.get(), 6);
}

#[test]
fn an_object_outlives_its_engine_when_the_host_holds_it() {
    let (mut engine, deaths) = with_nodes();
    let node: Object<Node> = engine.eval_to("let n = node()  n.link([1, 2])  n").unwrap();
    drop(engine);
    assert_eq!(deaths.get(), 0);
    assert_eq!(node.borrow().unwrap().links.len(), 1);
    drop(node);
    assert_eq!(deaths.get(), 1);
}

#[test]
fn leak_reports_name_types_of_the_host() {
    let (mut engine, _) = with_nodes();
    engine.watch_memory(aether::MemoryWatch::Leaks);
    engine
        .eval("fn cycle() {\n  let a = node()\n  a.link(a)\n}\ncycle()")
        .unwrap();
    let report = engine.leak_report();
    assert_eq!(report.cycles.len(), 1);
    assert_eq!(report.cycles[0].path[0].type_name, "Node");
}

mod derived {
    #![expect(unreachable_pub, reason = "public is what scripts see")]
    #![expect(clippy::needless_pass_by_value, reason = "arguments are given away")]

    use super::*;

    #[derive(AetherType, Clone, PartialEq, PartialOrd)]
    #[aether(methods, eq, ord, display, key = "id", name = "Account")]
    struct Account {
        #[aether(readonly)]
        pub id: u32,
        pub owner: String,
        #[aether(rename = "is open")]
        pub open: bool,
        balance: i64,
    }

    impl std::fmt::Display for Account {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} of {}", self.balance, self.owner)
        }
    }

    #[aether::methods]
    impl Account {
        pub fn new(id: u32, owner: String) -> Self {
            Self {
                id,
                owner,
                open: true,
                balance: 0,
            }
        }

        pub fn limit() -> i64 {
            1000
        }

        pub fn balance(&self) -> i64 {
            self.balance
        }

        pub fn pay(&mut self, amount: i64, _note: Option<String>) -> Result<i64, String> {
            if self.balance + amount > Self::limit() {
                return Err(format!("over the limit of {}", Self::limit()));
            }
            self.balance += amount;
            Ok(self.balance)
        }

        #[aether(rename = "via")]
        pub fn with_callback(&self, ctx: &mut Ctx<'_>, f: Function<(i64,), Value>) -> Result<Value, Error> {
            f.call(ctx, (self.balance,))
        }

        #[aether(skip)]
        pub fn secret(&self) -> i64 {
            self.balance * 2
        }
    }

    #[test]
    fn a_derived_type_has_its_fields_and_methods() {
        let mut engine = engine();
        engine.register_type::<Account>().unwrap();
        let mut is = |code: &str, expected: &str| {
            assert_eq!(
                engine.eval(code).and_then(|value| engine.text(&value)).unwrap(),
                expected,
                "{code}"
            );
        };
        is(
            "let a = Account(7, \"ann\")\n[a.id, a.owner, a.balance(), Account.limit()]",
            "[7, ann, 0, 1000]",
        );
        is("a.owner = \"bob\"  a.pay(5)  a", "5 of bob");
        is("a.via(b => b * 3)", "15");
        is("({a: 1})[Account(7, \"x\")]", "1");
        is("a == Account(7, \"bob\")", "false");
        let mut fails = |code: &str, expected: &str| assert_eq!(error(&mut engine, code), expected, "{code}");
        fails(
            "a.id = 8",
            "Invalid operation: property 'id' of 'Account' is read-only",
        );
        fails("a.pay(1000)", "over the limit of 1000");
        fails("a.secret()", "Method 'secret' does not exist on type 'Account'");
        let account: Account = engine.get("a").unwrap();
        assert_eq!((account.id, account.secret(), account.open), (7, 10, true));
    }
}

// --- modules, programs ---

#[test]
fn modules_of_the_host_are_imported() {
    let mut engine = engine();
    engine
        .register_module("shop", |m| {
            m.function("price", |name: String| name.len())?
                .constant("CURRENCY", "EUR")?
                .native_type::<Vector>()?
                .async_function("later", |n: i64| async move { n + 1 })
        })
        .unwrap();
    assert_eq!(engine.eval_to::<String>("import shop  from shop import price, Vector  \"${price(\"abc\")} ${shop.CURRENCY} ${Vector(1, 2)} ${await shop.later(1)}\"").unwrap(), "3 EUR (1, 2) 2");
    assert_eq!(
        error(&mut engine, "shop.cost"),
        "Module 'shop' has no property 'cost'"
    );
    assert!(engine.module_member("shop", "price").is_some());
}

#[test]
fn a_program_runs_many_times_with_fresh_globals_in_many_engines() {
    let program = Program::new(
        "count = count + by\nlet seen = [count]\nfn last() { return seen[0] }\nlen(\"abc\") + count",
    )
    .unwrap();
    let mut engines = [engine(), engine()];
    for engine in &mut engines {
        for _ in 0..3 {
            assert_eq!(
                program
                    .run_with::<i64, _>(engine, [("count", 1), ("by", 2)])
                    .unwrap(),
                6
            );
            assert_eq!(program.call::<i64>(engine, "last", ()).unwrap(), 3);
            assert!(
                engine.global("count").is_none(),
                "the engine's own scope is another"
            );
        }
        assert_eq!(
            program.run::<Value>(engine).unwrap_err().to_string(),
            "Undefined variable: by"
        );
        assert!(program.global(engine, "seen").is_none());
        let len = program.function::<(), i64>(engine, "last");
        assert!(len.is_err());
    }
    // A built-in that one run has shadowed is itself in the next.
    let shadows = Program::new("let len = x => 1\nlen(\"abc\")").unwrap();
    let plain = Program::new("len(\"abc\")").unwrap();
    let [engine, _] = &mut engines;
    assert_eq!(shadows.run::<i64>(engine).unwrap(), 1);
    assert_eq!(shadows.run::<i64>(engine).unwrap(), 1);
    assert_eq!(plain.run::<i64>(engine).unwrap(), 3);
    assert!(Program::new("let x = ").unwrap_err().lines()[0].starts_with("Error: "));
    let classes = Program::new("struct P { x, fn get(self) { return self.x } }\nenum E { A, B(v) }\nconst K = 2\nP { x: K }.get() + (match E.B(1) { E.B(v) => v, _ => 0 })").unwrap();
    for _ in 0..3 {
        assert_eq!(classes.run::<i64>(engine).unwrap(), 3);
    }
    let before = engine.heap().live_objects();
    for _ in 0..100 {
        assert_eq!(classes.run::<i64>(engine).unwrap(), 3);
    }
    assert_eq!(engine.heap().live_objects(), before, "runs leave nothing");
    for engine in engines {
        assert_eq!(engine.shut_down().live_objects, 0);
    }
}

#[test]
fn a_program_goes_to_other_threads() {
    let program = Program::new("fn fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }\nfib(n)").unwrap();
    let sums: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (10..14_i64)
            .map(|n| {
                let program = &program;
                scope.spawn(move || program.run_with(&mut engine(), [("n", n)]).unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(sums, [55, 89, 144, 233]);
}

// --- futures ---

/// A future that is pending until it is opened.
#[derive(Clone, Default)]
struct Gate(Rc<RefCell<(bool, Option<Waker>)>>);

impl Gate {
    fn open(&self) {
        let waker = {
            let mut state = self.0.borrow_mut();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.borrow_mut();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

#[test]
fn futures_of_the_host_settle_promises_while_an_executor_drives() {
    let mut engine = engine();
    let gate = Gate::default();
    let within = gate.clone();
    engine
        .register_async("wait", move |n: i64| {
            let gate = within.clone();
            async move {
                gate.await;
                if n < 0 {
                    Err(format!("{n} is negative"))
                } else {
                    Ok(n * 2)
                }
            }
        })
        .unwrap();
    engine
        .eval("let log = []\nasync fn work(n) { log.push(n)  let m = await wait(n)  log.push(m)  return m }")
        .unwrap();
    {
        let mut future = pin!(engine.call_async::<i64>("work", (21,)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        assert!(future.as_mut().poll(&mut context).is_pending());
        gate.open();
        let Poll::Ready(result) = future.as_mut().poll(&mut context) else {
            unreachable!("the gate is open")
        };
        assert_eq!(result.unwrap(), 42);
    }
    assert_eq!(engine.get::<Vec<i64>>("log").unwrap(), [21, 42]);
    // Without an executor, await blocks the engine's thread and polls there.
    assert_eq!(
        engine
            .eval_to::<Vec<i64>>("await Promise.all([wait(1), wait(2)])")
            .unwrap(),
        [2, 4]
    );
    assert_eq!(caught(&mut engine, "await wait(-1)"), "value: -1 is negative");
}

#[test]
fn futures_end_with_their_engine() {
    struct Ends(Rc<Cell<usize>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let mut engine = engine();
    let ends = Rc::new(Cell::new(0));
    let counted = ends.clone();
    engine
        .register_async("never", move || {
            let ends = Ends(counted.clone());
            async move {
                let _ends = ends;
                std::future::pending::<()>().await;
            }
        })
        .unwrap();
    engine
        .register_async("panics", || async {
            panics("in a future");
        })
        .unwrap();
    engine.eval("let p = never()\nlet q = never()").unwrap();
    assert!(engine.poll(&mut Context::from_waker(Waker::noop())).unwrap());
    quietly(|| {
        assert_eq!(
            caught(&mut engine, "await panics()"),
            "value: Invalid operation: host function 'future' panicked: in a future"
        );
    });
    assert_eq!(ends.get(), 0);
    assert_eq!(engine.shut_down().live_objects, 0);
    assert_eq!(ends.get(), 2);
}

/// Has a thread go on.
struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn timers_wake_an_executor() {
    let mut engine = Engine::builder()
        .io_workers(Some(1))
        .host(aether::SystemHost::new())
        .build()
        .unwrap();
    engine
        .eval("async fn nap() { await sleep(0.02)  return \"rested\" }")
        .unwrap();
    let thread = std::thread::current();
    let waker = Waker::from(std::sync::Arc::new(Unpark(thread)));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(engine.call_async::<String>("nap", ()));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(text) => break assert_eq!(text.unwrap(), "rested"),
            Poll::Pending => std::thread::park(),
        }
    }
}

// --- the end ---

#[test]
fn whatever_was_registered_goes_with_the_engine() {
    let held = Rc::new(());
    let (a, b, c) = (held.clone(), held.clone(), held.clone());
    let mut engine = engine();
    engine.register("f", move || Rc::strong_count(&a)).unwrap();
    engine
        .register_module("m", |m| m.function("g", move || Rc::strong_count(&b)))
        .unwrap();
    engine.register("f", move || Rc::strong_count(&c)).unwrap();
    engine.register_type::<Vector>().unwrap();
    engine
        .eval(
            "import m\nlet keep = [f, m.g, Vector(1, 2), Vector]\nlet v = Vector(1, 1)\nlet bound = v.scale",
        )
        .unwrap();
    assert_eq!(Rc::strong_count(&held), 3, "the first f was replaced");
    assert_eq!(engine.shut_down().live_objects, 0);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn errors_are_told_in_full() {
    let mut engine = engine();
    let error = engine
        .run_text("dir/app.ae", "fn f(x) {\n\treturn x.missing\n}\nf(3)")
        .unwrap_err();
    assert_eq!(
        (error.file(), error.line(), error.column()),
        (Some("dir/app.ae"), Some(2), Some(9))
    );
    assert_eq!(
        error.render(),
        "Error: [line 2] 'int' has no property 'missing'\n  2 | \treturn x.missing\n    | \t       ^^^^^^^^^\n  at f (app.ae:2)\n  at top level (app.ae:4)\n"
    );
    let report = error.report();
    assert_eq!((report.line, report.kind), (Some(2), Some(ErrorKind::Property)));
    let value = 3_i64.into_value(engine.heap()).unwrap();
    assert_eq!(
        bool::from_value(&value).unwrap_err().kind(),
        Some(ErrorKind::Type)
    );
}

#[test]
fn operators_of_the_host_work_in_every_kind_of_place() {
    let mut engine = engine();
    // Compiled before the type is known, this code has no operators of the host.
    engine.eval("fn early(a, b) { return a * b }").unwrap();
    engine.register_type::<Vector>().unwrap();
    let code = "struct S { v }
let global = Vector(1, 1)
global += Vector(1, 0)  global *= 2
fn f(a, b) {
  let local = a
  local += b  local *= 3  local = local + b
  let cell = a
  let add = () => { cell += b  return cell }
  add()  add()
  let s = S { v: a }
  s.v += b  s.v *= 2
  let d = {\"k\": a}
  d.k += b  d[\"k\"] *= 2
  let list = [a, b]
  list[0] += b  list[1] *= 2
  for i in 0..3 { local += b * i }
  let typed: Vector = a
  typed *= 2
  return [local, cell, s.v, d.k, list, typed, -a + b * 2 + \"\", 1 + 2 * 3, 7 - len(list) * 2]
}
str([global, f(Vector(1, 2), Vector(10, 20))])";
    assert_eq!(
        engine.eval_to::<String>(code).unwrap(),
        "[(4, 2), [(73, 146), (21, 42), (22, 44), (22, 44), [(11, 22), (20, 40)], (2, 4), (19, 38), 7, 3]]"
    );
    assert_eq!(
        error(&mut engine, "early(Vector(1, 2), 3)"),
        "Type error: expected number, got Vector and int"
    );
    assert_eq!(
        error(&mut engine, "let x = Vector(1, 2)  x -= 1"),
        "Type error: expected number, got Vector and int"
    );
    assert_eq!(engine.shut_down().live_objects, 0);
}
