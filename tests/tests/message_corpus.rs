//! Messages of every kind of value: what travels arrives as it was, and what does not is refused by name, wherever in a
//! message it stands.
//!
//! Source: library reference §E10.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::collections::BTreeSet;

use aether::{Engine, MemoryHost, Value};

/// What both engines declare.
const DECLARED: &str = "
struct Point { x, y  fn sum(self) { return self.x + self.y } }
struct Open { a }
enum Shape { Dot, Circle(r), Rect(w, h) }
fn plain(x) { return x }
async fn later() { return 1 }
fn numbers() { yield 1  yield 2 }
fn thrown() { try { throw {\"code\": [1, 2]} } catch (e) { return e } }
fn raised() { try { 1 / 0 } catch (e) { return e } }
fn cyclic() { let a = [1]  a.push(a)  return a }
fn looped() { let d = {\"n\": 1}  d[\"own\"] = [d]  return d }
fn ring() { let p = Point { x: 1, y: null }  p.y = Shape.Circle(p)  return p }
fn extended() { let o = Open { a: 1 }  o.more = [o.a, \"more\"]  return o }
fn shared() { let inner = [1, \"x\".repeat(100)]  return [inner, inner, {\"again\": inner}, inner[1]] }
fn nested(n) { let a = []  for i in 0..n { a = [a, {\"i\": i}] }  return a }
fn wide() { let d = {}  for i in 0..200 { d[\"key${i}\"] = i  d[i] = [i] }  return d }
fn holed() { let d = {}  for i in 0..40 { d[i] = i }  for i in 0..40 { if (i % 3 == 0) { d.remove(i) } }  return d }
";

/// What travels.
const SENT: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "0.0",
    "-0.0",
    "1.5e300",
    "\"\"",
    "\"a\"",
    "\"täglich 😀\"",
    "\"long \".repeat(2000)",
    "\"\\u{0}\"",
    "[]",
    "[1, 2, 3]",
    "[1.5, -0.0]",
    "[1, 2.5, null, true, \"x\", [], {}]",
    "range(1000)",
    "[[1, 2], [1.5], [[]]]",
    "({})",
    "({\"a\": 1, \"b\": {\"c\": [null]}})",
    "[{\"a\": 1, \"b\": 2}, {\"a\": 3, \"b\": 4}, {\"b\": 5, \"a\": 6}]",
    "({1: \"one\", 1.5: 2, true: 3, null: 4, \"five\": 5})",
    "wide()",
    "holed()",
    "set([])",
    "set([1, \"a\", 2.5, null])",
    "set(range(100))",
    "Point { x: 1, y: [2, \"three\"] }",
    "[Point { x: n, y: n * 2 } for n in 0..50]",
    "extended()",
    "Shape.Dot",
    "Shape.Circle(2.5)",
    "[Shape.Rect(1, Shape.Circle(Shape.Dot)), Shape.Dot]",
    "raised()",
    "thrown()",
    "1..10",
    "buffer([])",
    "buffer([0, 1, 255])",
    "buffer([1, 2, 3]).slice(1)",
    "buffer(\"frozen\").freeze()",
    "cyclic()",
    "looped()",
    "ring()",
    "shared()",
    "nested(2000)",
];

/// What does not, and the type that the error names.
const REFUSED: &[(&str, &str)] = &[
    ("plain", "function"),
    ("fn(x) { return x }", "function"),
    ("later", "async_function"),
    ("later()", "promise"),
    ("Promise.resolve(1)", "promise"),
    ("println", "builtin_function"),
    ("Point { x: 1, y: 2 }.sum", "function"),
    ("Point", "struct"),
    ("Shape", "enum"),
    ("Shape.Circle", "enum_constructor"),
    ("numbers()", "iterator"),
    ("[1, 2].iterator()", "iterator"),
    ("make_weak([1])", "weak"),
    ("math", "module"),
    ("regex", "regex"),
    ("channel()", "channel"),
];

fn engine() -> Engine {
    let mut engine = Engine::builder()
        .host(MemoryHost::new())
        .max_memory(None)
        .build()
        .unwrap();
    engine
        .eval(format!(
            "import math\nimport re\nlet regex = re.compile(\"a+\")\n{DECLARED}"
        ))
        .unwrap();
    engine
}

/// The kind of a value that scripts see, by its variant: a new one has to be told of here, and in the corpus.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Dict(_) => "dict",
        Value::Set(_) => "set",
        Value::Function(_) => "function",
        Value::AsyncFunction(_) => "async function",
        Value::Builtin(_) => "builtin",
        Value::BoundMethod(_) => "bound method",
        Value::StructDef(_) => "struct",
        Value::Instance(_) => "instance",
        Value::EnumDef(_) => "enum",
        Value::EnumConstructor(_) => "enum constructor",
        Value::EnumValue(_) => "enum value",
        Value::Module(_) => "module",
        Value::Iterator(_) => "iterator",
        Value::Promise(_) => "promise",
        Value::Error(_) => "error",
        Value::Weak(_) => "weak",
        Value::Native(_) => "native",
        Value::Coroutine(_) => "generator",
        Value::Cell(_) | Value::Buffer(_) | Value::Table(_) | Value::Shape(_) => "what no script holds",
    }
}

const KINDS: usize = 24;

/// What a script can tell of the global `v`.
fn seen(engine: &mut Engine) -> String {
    engine
        .eval_to("str(v) + \" \" + type(v) + \" \" + str(v == v)")
        .unwrap()
}

#[test]
fn what_travels_arrives_as_it_was() {
    let (mut from, mut to) = (engine(), engine());
    for &code in SENT {
        let value = from.eval(code).unwrap();
        let message = from.message(&value).unwrap();
        from.set_global("v", value.clone()).unwrap();
        let there = to.value_of(&message).unwrap();
        to.set_global("v", there.clone()).unwrap();
        assert_eq!(seen(&mut to), seen(&mut from), "{code}");
        // And back: the same as what was sent, as far as the language compares such values.
        let back = to.message(&there).unwrap();
        let back = from.value_of(&back).unwrap();
        from.set_global("back", back).unwrap();
        let is_same = "v == back || type(v) == \"error\" || v.equals(back)";
        // Instances are equal to themselves only, and cycles are looked at below.
        if !code.contains("Point") && !["looped()", "ring()", "cyclic()", "extended()"].contains(&code) {
            assert!(from.eval_to::<bool>(is_same).unwrap(), "{code}");
        }
    }
    for (code, holds) in [
        ("cyclic()", "v[1] == v && v[1][1][0] == 1"),
        ("looped()", "v[\"own\"][0] == v"),
        (
            "shared()",
            "v[0] == v[1] && v[2][\"again\"] == v[0] && v[0][1] == v[3]",
        ),
        ("extended()", "v.more[1] == \"more\" && v.a == 1"),
        ("Point { x: 1, y: 2 }", "v.sum() == 3"),
        ("thrown()", "v.value[\"code\"][1] == 2"),
        (
            "raised()",
            "v.kind == \"zero_division\" || v.message == \"Division by zero\"",
        ),
        ("buffer(\"ab\").freeze()", "v.frozen"),
    ] {
        let value = from.eval(code).unwrap();
        let message = from.message(&value).unwrap();
        let there = to.value_of(&message).unwrap();
        to.set_global("v", there).unwrap();
        assert!(to.eval_to::<bool>(holds).unwrap(), "{code}: {holds}");
    }
}

#[test]
fn what_does_not_travel_is_named_wherever_it_stands() {
    let mut from = engine();
    let places = [
        "v",
        "[v]",
        "[1, [2, v], 3]",
        "({\"a\": 1, \"b\": v})",
        "({1: [v]})",
        "Point { x: v, y: 1 }",
        "Shape.Circle(v)",
        "[Shape.Rect(1, {\"deep\": [Point { x: 1, y: v }]})]",
        "(fn() { try { throw [v] } catch (e) { return e } })()",
    ];
    for &(code, name) in REFUSED {
        let value = from.eval(code).unwrap();
        from.set_global("v", value).unwrap();
        from.heap().collect();
        let before = (from.heap().live_objects(), from.heap().live_bytes());
        for place in places {
            let value = from.eval(place).unwrap();
            let refused = from.message(&value).map(|message| message.size());
            assert_eq!(
                refused.unwrap_err().to_string(),
                format!("Cannot send {name} to a worker"),
                "{code} in {place}"
            );
        }
        from.heap().collect();
        let after = (from.heap().live_objects(), from.heap().live_bytes());
        assert!(
            after.0 <= before.0 + 64 && after.1 <= before.1 + 64 * 1024,
            "{code}: {before:?} {after:?}"
        );
    }
}

#[test]
fn the_corpus_has_every_kind_of_value() {
    let mut from = engine();
    let codes = SENT.iter().copied().chain(REFUSED.iter().map(|&(code, _)| code));
    let kinds: BTreeSet<&str> = codes.map(|code| kind(&from.eval(code).unwrap())).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
}

#[test]
fn a_receiver_must_know_the_types() {
    let mut from = engine();
    for (declared, code, refused) in [
        ("", "Point { x: 1, y: 2 }", "The receiver knows no struct 'Point'"),
        ("", "[Shape.Dot]", "The receiver knows no enum 'Shape'"),
        (
            "struct Point { x, y, z }",
            "Point { x: 1, y: 2 }",
            "Invalid operation: struct 'Point' has other fields in the receiver",
        ),
        (
            "enum Shape { Dot }",
            "Shape.Dot",
            "Invalid operation: enum 'Shape' has other variants in the receiver",
        ),
        (
            "let Point = 1",
            "Point { x: 1, y: 2 }",
            "The receiver knows no struct 'Point'",
        ),
    ] {
        let value = from.eval(code).unwrap();
        let message = from.message(&value).unwrap();
        let mut to = Engine::builder().host(MemoryHost::new()).build().unwrap();
        to.eval(declared).unwrap();
        to.heap().collect();
        let objects = to.heap().live_objects();
        assert_eq!(to.value_of(&message).map(drop).unwrap_err().to_string(), refused);
        to.heap().collect();
        assert!(to.heap().live_objects() <= objects + 1, "{refused}");
    }
    // Fields and variants in another order are the same types.
    let mut to = Engine::builder().host(MemoryHost::new()).build().unwrap();
    to.eval("struct Point { y, x }\nenum Shape { Rect(w, h), Circle(r), Dot }")
        .unwrap();
    let value = from
        .eval("[Point { x: 1, y: 2 }, Shape.Dot, Shape.Circle(3)]")
        .unwrap();
    let message = from.message(&value).unwrap();
    let there = to.value_of(&message).unwrap();
    to.set_global("v", there).unwrap();
    assert!(
        to.eval_to::<bool>("v[0].x == 1 && v[0].y == 2 && v[1] == Shape.Dot && v[2] == Shape.Circle(3)")
            .unwrap()
    );
}
