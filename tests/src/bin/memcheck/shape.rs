//! Whether the heap profile of a script has the form that dhat gives its own.
//!
//! DHAT's viewer is strict: it refuses files with missing keys and misreads others. So the profile that dhat has just
//! written is the model: the same keys at the top and in every program point, values of the same kinds, and stacks
//! that index the table of frames.

use std::collections::{BTreeMap, BTreeSet};

use aether::{Engine, MemoryHost, MemoryWatch};
use serde_json::Value;

const PROGRAM: &str = "\
fn build(n) { return map(range(0, n), fn(i) { return [i, str(i)] }) }
fn main() {
  let big = build(1000)
  big = null
  let words = \"the quick brown fox\".split(\" \")
}
";

/// Compares with the file that dhat wrote; gives what is different.
///
/// # Errors
/// A profile cannot be read or made.
pub(crate) fn compare(written_by_dhat: &str) -> Result<Vec<String>, String> {
    let text =
        std::fs::read_to_string(written_by_dhat).map_err(|error| format!("{written_by_dhat}: {error}"))?;
    let model: Value = serde_json::from_str(&text).map_err(|error| format!("{written_by_dhat}: {error}"))?;
    let profile = profile().map_err(|error| error.to_string())?;
    let ours: Value =
        serde_json::from_str(&profile).map_err(|error| format!("a script's profile: {error}"))?;

    let mut found = Vec::new();
    differences("the profile", &shape(&model), &shape(&ours), &mut found);
    let points = |profile: &Value| profile["pps"].as_array().cloned().unwrap_or_default();
    let wanted = points(&model).first().map(shape).unwrap_or_default();
    for point in points(&ours) {
        differences("a program point", &wanted, &shape(&point), &mut found);
    }
    for key in ["dhatFileVersion", "verb", "bklt", "bkacc"] {
        if model[key] != ours[key] {
            found.push(format!("{key} is {} instead of {}", ours[key], model[key]));
        }
    }
    contents(&ours, &points(&ours), &mut found);
    Ok(found
        .into_iter()
        .map(|what| format!("heap profile: {what}"))
        .collect())
}

/// What the numbers and stacks of a profile must satisfy.
fn contents(profile: &Value, points: &[Value], found: &mut Vec<String>) {
    let frames = profile["ftbl"].as_array().map_or(0, Vec::len);
    if profile["ftbl"][0] != "[root]" {
        found.push("the first frame is not [root]".to_owned());
    }
    let mut stacks = BTreeSet::new();
    for point in points {
        let stack: Vec<u64> = point["fs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        if stack.is_empty() || stack.iter().any(|&frame| frame == 0 || frame >= frames as u64) {
            found.push(format!("a stack that is none: {}", point["fs"]));
        }
        if !stacks.insert(stack) {
            found.push(format!("two points with the stack {}", point["fs"]));
        }
        let figure = |key: &str| point[key].as_u64().unwrap_or(u64::MAX);
        if figure("tb") < figure("mb") || figure("mb") < figure("gb") || figure("mb") < figure("eb") {
            found.push(format!("figures that cannot be: {point}"));
        }
    }
    if profile["tg"].as_u64() > profile["te"].as_u64() {
        found.push("the peak is after the end".to_owned());
    }
    let text = profile["ftbl"].to_string();
    for frame in [
        "[builtin] map",
        "[builtin] range",
        "[builtin] split",
        "build (profiled.ae:1)",
        "main (profiled.ae:3)",
    ] {
        if !text.contains(&format!("\"{frame}\"")) {
            found.push(format!("no frame {frame}"));
        }
    }
}

/// The keys of an object with the kind of each value.
fn shape(value: &Value) -> BTreeMap<String, &'static str> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_u64() => "number",
        Value::Number(_) => "another number",
        Value::String(_) => "string",
        Value::Array(items) => match items.first() {
            Some(Value::Number(_)) => "array of numbers",
            Some(Value::String(_)) => "array of strings",
            _ => "array",
        },
        Value::Object(_) => "object",
    };
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), kind(value))).collect()
}

fn differences(
    what: &str,
    model: &BTreeMap<String, &'static str>,
    ours: &BTreeMap<String, &'static str>,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<&String> = model.keys().chain(ours.keys()).collect();
    for key in keys {
        let (wanted, given) = (model.get(key), ours.get(key));
        if wanted != given {
            let name = |kind: Option<&&'static str>| kind.copied().unwrap_or("nothing");
            found.push(format!(
                "{what} has {} under '{key}' instead of {}",
                name(given),
                name(wanted)
            ));
        }
    }
}

/// The profile of [`PROGRAM`].
fn profile() -> Result<String, aether::Error> {
    let mut engine = Engine::builder()
        .host(MemoryHost::new())
        .max_memory(None)
        .build()?;
    engine.watch_memory(MemoryWatch::Profile);
    engine.run_text("profiled.ae", PROGRAM)?;
    Ok(engine.heap_profile().json("aether profiled.ae", 1))
}
