//! JSON: `json_parse` and `json_stringify`.
//!
//! Both walk with an explicit stack, so that nesting is limited by memory only; key order is kept both ways.
//!
//! Source: library reference chapter 7; RFC 8259.

#[cfg(feature = "formats")]
mod format;
#[cfg(feature = "formats")]
mod lines;
#[cfg(feature = "formats")]
mod module;
mod parse;
mod write;

#[cfg(feature = "formats")]
pub(crate) use module::MODULE;

use aether_eval::{BuiltinDef, Ctx};
use aether_value::{Raise, Value};

/// `json_parse` and `json_stringify`.
pub static JSON: &[BuiltinDef] = &[
    BuiltinDef::core("json_parse", &["s"], 1, 1, json_parse),
    BuiltinDef::core("json_stringify", &["v"], 1, 1, json_stringify),
];

/// The value in a text.
#[cfg(feature = "web")]
pub(crate) fn parse_text(ctx: &mut Ctx<'_>, text: &str) -> Result<Value, Raise> {
    parse::parse(ctx.heap(), text)
}

/// The compact text of a value.
#[cfg(feature = "web")]
pub(crate) fn stringify(
    ctx: &mut Ctx<'_>,
    value: &Value,
) -> Result<aether_value::Rc<aether_value::Str>, Raise> {
    write::write(ctx.heap(), value)
}

fn json_parse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = crate::arguments::string(&args[0])?;
    parse::parse(ctx.heap(), text.as_str())
}

fn json_stringify(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::String(write::write(ctx.heap(), &args[0])?))
}

#[cfg(test)]
mod tests {
    use super::{parse, write};
    use aether_value::{Heap, HeapConfig, Value, deep_equals};
    use proptest::prelude::*;

    fn heap() -> Heap {
        Heap::new(HeapConfig::default())
    }

    fn round(text: &str) -> String {
        let heap = heap();
        let value = parse::parse(&heap, text).expect("valid JSON");
        write::write(&heap, &value)
            .expect("serializable")
            .as_str()
            .to_owned()
    }

    fn error(text: &str) -> String {
        parse::parse(&heap(), text)
            .expect_err("invalid JSON")
            .message()
            .to_owned()
    }

    #[test]
    fn documents_come_back() {
        for text in [
            "null",
            "[1,2.5,true,false,null]",
            r#"{"b":[1.0,null],"a":"x\ty"}"#,
            r#"{"a":{"b":{"c":[]}},"d":{}}"#,
            "-0.0",
            "[1e+20,1e-7,0.00001,1000000000000000.0,1e+16]",
            r#""\"\\\b\f\n\r\u0001/é""#,
        ] {
            assert_eq!(round(text), text);
        }
    }

    #[test]
    fn numbers_are_ints_if_they_look_like_ints_that_fit() {
        assert_eq!(
            round("[9223372036854775807,-9223372036854775808]"),
            "[9223372036854775807,-9223372036854775808]"
        );
        assert_eq!(round("9223372036854775808"), "9.223372036854776e+18");
        assert_eq!(round("[1e2,-0,15e-1]"), "[100.0,-0.0,1.5]");
    }

    #[test]
    fn duplicate_keys_keep_the_first_place_and_the_last_value() {
        assert_eq!(round(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(round(r#""\u0041\ud83d\ude00\/""#), "\"A😀/\"");
    }

    #[test]
    fn errors_tell_what_and_where() {
        for (text, message) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[1,]", "trailing comma at line 1 column 4"),
            ("{\"a\":1,}", "trailing comma at line 1 column 8"),
            ("[1", "EOF while parsing a list at line 1 column 2"),
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("1 2", "trailing characters at line 1 column 3"),
            ("[\n  x]", "expected value at line 2 column 3"),
            ("{1:2}", "key must be a string at line 1 column 2"),
            ("{\"a\" 1}", "expected `:` at line 1 column 6"),
            ("[1 2]", "expected `,` or `]` at line 1 column 4"),
            ("01", "invalid number at line 1 column 2"),
            ("-", "EOF while parsing a value at line 1 column 1"),
            ("1.", "EOF while parsing a value at line 1 column 2"),
            ("1.x", "invalid number at line 1 column 3"),
            ("\"a", "EOF while parsing a string at line 1 column 2"),
            ("\"\\x\"", "invalid escape at line 1 column 3"),
            ("nul", "EOF while parsing a value at line 1 column 3"),
            ("nulx", "expected ident at line 1 column 4"),
        ] {
            assert_eq!(error(text), format!("Parse error (JSON): {message}"), "{text:?}");
        }
        assert!(error(r#""\ud800""#).contains("surrogate"));
        assert!(error(r#""\udc00""#).contains("surrogate"));
        assert!(error("\"\n\"").contains("control character"));
        assert!(error("1e999").contains("number out of range"));
        assert!(error("[1] // no").contains("trailing characters"));
    }

    #[test]
    fn depth_costs_memory_only() {
        let depth = 300_000;
        let text = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(round(&text), text);
        let small = Heap::new(HeapConfig {
            limit: Some(1 << 20),
            ..HeapConfig::default()
        });
        let refused = parse::parse(&small, &text).expect_err("too deep for a megabyte");
        assert!(
            refused.message().starts_with("Memory limit exceeded"),
            "{refused}"
        );
    }

    #[test]
    fn cycles_and_strangers_are_refused() {
        let heap = heap();
        let array = heap.array(1).unwrap();
        let value = Value::Array(array.clone());
        array.push(value.clone()).unwrap();
        let refused = write::write(&heap, &value).expect_err("a cycle");
        assert_eq!(refused.message(), "Parse error (json): cannot serialize a cycle");
        array.clear();
        assert_eq!(write::write(&heap, &value).unwrap().as_str(), "[]");
        let twice = heap.array_from(vec![value.clone(), value]).unwrap();
        assert_eq!(
            write::write(&heap, &Value::Array(twice)).unwrap().as_str(),
            "[[],[]]"
        );
        let refused = write::write(&heap, &Value::Float(f64::NAN)).expect_err("not finite");
        assert_eq!(
            refused.message(),
            "Parse error (json): cannot serialize non-finite float to JSON"
        );
        let dict = heap.dict().unwrap();
        dict.insert(Value::Int(1), Value::Null).unwrap();
        let refused = write::write(&heap, &Value::Dict(dict)).expect_err("an int key");
        assert_eq!(
            refused.message(),
            "Parse error (json): dict key must be string, got int"
        );
        let refused = write::write(&heap, &Value::Set(heap.set().unwrap())).expect_err("a set");
        assert_eq!(refused.message(), "Parse error (json): cannot serialize set");
    }

    /// JSON that a test can make up.
    #[derive(Clone, Debug)]
    enum Json {
        Null,
        Bool(bool),
        Int(i64),
        Float(f64),
        Text(String),
        List(Vec<Json>),
        Map(Vec<(String, Json)>),
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            any::<i64>().prop_map(Json::Int),
            any::<f64>()
                .prop_filter("finite", |value| value.is_finite())
                .prop_map(Json::Float),
            any::<String>().prop_map(Json::Text),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Json::List),
                prop::collection::vec((any::<String>(), inner), 0..8).prop_map(Json::Map),
            ]
        })
    }

    fn build(heap: &Heap, json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Int(value) => Value::Int(*value),
            Json::Float(value) => Value::Float(*value),
            Json::Text(text) => Value::String(heap.string(text).unwrap()),
            Json::List(items) => {
                let items = items.iter().map(|item| build(heap, item)).collect();
                Value::Array(heap.array_from(items).unwrap())
            }
            Json::Map(entries) => {
                let dict = heap.dict().unwrap();
                for (key, value) in entries {
                    let value = build(heap, value);
                    dict.insert(Value::String(heap.string(key).unwrap()), value)
                        .unwrap();
                }
                Value::Dict(dict)
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(json in any_json()) {
            let heap = heap();
            let value = build(&heap, &json);
            let text = write::write(&heap, &value).unwrap();
            let back = parse::parse(&heap, text.as_str()).unwrap();
            prop_assert!(deep_equals(&value, &back), "{}", text);
            let again = write::write(&heap, &back).unwrap();
            prop_assert_eq!(again.as_str(), text.as_str());
        }

        #[test]
        fn no_text_is_too_much(text in r#"[\[\]{}:,"\\a0-9.eE+\-tnul \n]{0,40}"#) {
            let heap = heap();
            if let Ok(value) = parse::parse(&heap, &text) {
                prop_assert!(write::write(&heap, &value).is_ok());
            }
        }
    }
}
