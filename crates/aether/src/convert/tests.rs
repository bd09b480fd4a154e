//! Conversions there and back.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::Engine;

#[test]
fn objects_of_another_engine_are_refused() {
    let (mut one, mut other) = (Engine::new().unwrap(), Engine::new().unwrap());
    one.eval("struct P { x, y } let p = P { x: 1, y: 2 } fn f(v) { return v }")
        .unwrap();
    other.eval("fn g(v) { return v.x }").unwrap();
    let point = one.global("p").unwrap();
    let refusal = other.call("g", (&point,)).unwrap_err().to_string();
    assert!(refusal.contains("P of another engine"), "{refusal}");
    let function = one.global("f").unwrap();
    assert!(other.call_value(&function, (1_i64,)).is_err());
    assert!(other.call("g", (vec![point.clone()],)).is_err());
    assert!(one.call("f", (point, 5_i64)).is_err(), "one argument too many");
    assert_eq!(
        one.call("f", (Value::Int(5),)).unwrap().try_to::<i64>().unwrap(),
        5
    );
}

#[test]
fn values_survive_the_way_there_and_back() {
    let engine = Engine::new().unwrap();
    let dict = BTreeMap::from([("a".to_owned(), Some(1_i64)), ("b".to_owned(), None)]);
    let value = vec![dict.clone(), BTreeMap::new()]
        .into_value(engine.heap())
        .unwrap();
    assert_eq!(engine.text(&value).unwrap(), "[{a: 1, b: null}, {}]");
    assert_eq!(
        value.try_to::<Vec<BTreeMap<String, Option<i64>>>>().unwrap(),
        [dict, BTreeMap::new()]
    );
}

#[test]
fn other_types_are_told_in_the_languages_words() {
    let error = Value::Bool(true).try_to::<i64>().unwrap_err();
    assert_eq!(error.to_string(), "Type error: expected int, got bool");
    assert!((Value::Int(3).try_to::<f64>().unwrap() - 3.0).abs() < f64::EPSILON);
}

fn error_of<T: FromValue + std::fmt::Debug>(code: &str) -> String {
    Engine::new().unwrap().eval_to::<T>(code).unwrap_err().to_string()
}

#[test]
fn numbers_are_held_against_their_range() {
    assert_eq!(
        error_of::<u8>("256"),
        "Type error: expected int from 0 to 255, got 256"
    );
    assert_eq!(
        error_of::<i32>("1 << 40"),
        "Type error: expected int from -2147483648 to 2147483647, got 1099511627776"
    );
    assert_eq!(
        error_of::<usize>("-1"),
        "Type error: expected int of at least 0, got -1"
    );
    assert_eq!(error_of::<i64>("1.0"), "Type error: expected int, got float");
    assert_eq!(
        error_of::<char>("\"ab\""),
        "Type error: expected string of one character, got string"
    );
    let engine = Engine::new().unwrap();
    let error = u64::MAX.into_value(engine.heap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Type error: expected int, got number 18446744073709551615"
    );
}

#[test]
fn the_path_of_what_does_not_fit_is_told() {
    type Orders = HashMap<String, Vec<(String, f64)>>;
    let code = "({\"anna\": [[\"tea\", 2]], \"bert\": [[\"milk\", 1.5], [\"egg\", \"x\"]]})";
    assert_eq!(
        error_of::<Orders>(code),
        "Type error: expected float, got string at bert[1][1]"
    );
    assert_eq!(
        error_of::<Vec<[i64; 2]>>("[[1, 2], [3]]"),
        "Type error: expected array of 2, got array of 1 at [1]"
    );
}

#[test]
fn cycles_are_an_error() {
    #[derive(Debug)]
    struct Nested(#[expect(dead_code, reason = "only made")] Vec<Nested>);
    impl FromValue for Nested {
        fn from_value(value: &Value) -> Result<Self, Error> {
            Vec::from_value(value).map(Self)
        }
    }
    let text = error_of::<Nested>("let a = []  a.push(a)  a");
    assert!(
        text.starts_with("Type error: expected data without cycles, got more than 200 levels at [0][0]"),
        "{text}"
    );
}

#[cfg(feature = "derive")]
mod derived {
    use super::*;

    #[derive(Debug, PartialEq, aether_macros::IntoValue, aether_macros::FromValue)]
    struct Item {
        name: String,
        #[aether(rename = "unit price")]
        price: f64,
        note: Option<String>,
        #[aether(default)]
        count: u32,
        #[aether(skip)]
        cached: Vec<u8>,
    }

    #[derive(Debug, PartialEq, aether_macros::IntoValue, aether_macros::FromValue)]
    enum Shape {
        Dot,
        Circle(f64),
        Line { from: (i64, i64), to: (i64, i64) },
        Path(i64, String),
    }

    #[test]
    fn structs_and_enums_survive_the_way_there_and_back() {
        let mut engine = Engine::new().unwrap();
        let shapes = || {
            vec![
                Shape::Dot,
                Shape::Circle(1.5),
                Shape::Line {
                    from: (1, 2),
                    to: (3, 4),
                },
                Shape::Path(3, "x".to_owned()),
            ]
        };
        engine.set_global("shapes", shapes()).unwrap();
        assert_eq!(
            engine.eval_to::<String>("str(shapes)").unwrap(),
            "[Dot, {Circle: 1.5}, {Line: {from: [1, 2], to: [3, 4]}}, {Path: [3, x]}]"
        );
        assert_eq!(engine.get::<Vec<Shape>>("shapes").unwrap(), shapes());
        let item: Item = engine
            .eval_to("({\"name\": \"tea\", \"unit price\": 2})")
            .unwrap();
        let expected = Item {
            name: "tea".to_owned(),
            price: 2.0,
            note: None,
            count: 0,
            cached: Vec::new(),
        };
        assert_eq!(item, expected);
        engine.set_global("item", item).unwrap();
        assert_eq!(
            engine.eval_to::<String>("str(item)").unwrap(),
            "{name: tea, unit price: 2, note: null, count: 0}"
        );
        // The script's own structs and enums fit as well.
        let code = "struct I { name, count }  let i = I { name: \"a\", count: 3 }  i[\"unit price\"] = 1  i";
        assert!(engine.eval_to::<Item>(code).is_err());
        assert_eq!(
            engine
                .eval_to::<Shape>("enum S { Dot, Circle(r) }  S.Circle(2)")
                .unwrap(),
            Shape::Circle(2.0)
        );
    }

    #[test]
    fn errors_name_fields_and_variants() {
        assert_eq!(
            error_of::<Item>("({\"name\": 1})"),
            "Type error: expected string, got int at name"
        );
        assert_eq!(
            error_of::<Item>("({\"name\": \"a\"})"),
            "Type error: expected float, got null at unit price"
        );
        assert_eq!(
            error_of::<Shape>("\"Square\""),
            "Type error: expected one of Dot, Circle, Line, Path, got 'Square'"
        );
        assert_eq!(
            error_of::<Shape>("({\"Line\": {\"from\": [1, 2], \"to\": [1, \"a\"]}})"),
            "Type error: expected int, got string at Line.to[1]"
        );
        assert_eq!(
            error_of::<Shape>("3"),
            "Type error: expected one of Dot, Circle, Line, Path, got int"
        );
    }
}
