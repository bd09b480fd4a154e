//! The extension module `heap`, and `finalizer`: what a script can ask about its memory.
//!
//! Figures are read before the result is made, so that asking does not change the answer.
//!
//! Source: library reference §E12.

use aether_value::{Dict, ErrorKind, Heap, LiveObjects, ObjectTotals, Raise, Rc, Value};

use super::support::{int, wrong_type};
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;

/// Most holders that `refs` names.
const MOST_HOLDERS: usize = 100;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("live_bytes", &[], 0, 0, live_bytes),
    BuiltinDef::core("live_objects", &[], 0, 0, live_objects),
    BuiltinDef::core("peak_bytes", &[], 0, 0, peak_bytes),
    BuiltinDef::core("reset_peak", &[], 0, 0, reset_peak),
    BuiltinDef::core("collect", &[], 0, 0, collect),
    BuiltinDef::core("stats", &[], 0, 0, stats),
    BuiltinDef::core("limit", &["bytes"], 0, 1, limit),
    BuiltinDef::core("size_of", &["value"], 1, 1, size_of),
    BuiltinDef::core("retained", &["value"], 1, 1, retained),
    BuiltinDef::core("refs", &["value"], 1, 1, refs),
    BuiltinDef::core("site", &["value"], 1, 1, site),
    BuiltinDef::core("snapshot", &[], 0, 0, snapshot),
    BuiltinDef::core("diff", &["a", "b"], 2, 2, diff),
    BuiltinDef::core("on_growth", &["bytes", "fn"], 2, 2, on_growth),
    BuiltinDef::core("auto", &["on"], 1, 1, auto),
    BuiltinDef::core("release_slowly", &["value"], 1, 1, release_slowly),
];

/// Globals of every engine.
pub(super) static GLOBALS: &[BuiltinDef] = &[BuiltinDef::core("finalizer", &["obj", "fn"], 2, 2, finalizer)];

/// Runs the finalizers that wait; the machine calls it, no script sees it. One that fails is reported, and the next
/// one runs.
pub(crate) static RUN_FINALIZERS: BuiltinDef =
    BuiltinDef::core_frame("finalizers", &[], 0, 0, 1, run_finalizers).catching();

/// One step of running the finalizers that wait. A promise that one gives is awaited: a body runs only because somebody
/// waits for it.
///
/// The first slot keeps the generator that is being closed.
pub(super) fn run_finalizers(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let closed = std::mem::replace(&mut slots[0], Value::Null);
    if let Value::Coroutine(generator) = &closed {
        // A generator that yields while it is closed is given up.
        generator.set_closes(false);
    }
    match event {
        Event::Returned(promise @ Value::Promise(_)) if closed.is_null() => return Ok(Step::Await(promise)),
        Event::Failed(raise) if raise.kind() != ErrorKind::GeneratorExit => {
            let text = format!("Error in finalizer: {}\n", raise.message());
            // Nobody is left to tell of a stream that is closed.
            let _ = ctx.host().write_err(&text);
        }
        Event::Start | Event::Returned(_) | Event::Failed(_) => {}
    }
    match ctx.heap().next_finalizer() {
        None => Ok(Step::Done(Value::Null)),
        Some(Value::Coroutine(generator)) => {
            slots[0] = Value::Coroutine(generator.clone());
            Ok(Step::Close(generator))
        }
        Some(function) => Ok(Step::Call {
            function,
            args: Args::None,
            lenient: true,
        }),
    }
}

fn finalizer(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    // Strings may be shared between places that look alike: their end means nothing to a script.
    if matches!(args[0], Value::String(_)) || !ctx.heap().set_finalizer(&args[0], args[1].clone())? {
        return Err(wrong_type("object", &args[0]));
    }
    Ok(Value::Null)
}

fn number(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn millis(nanos: u64) -> Value {
    Value::Float(nanos as f64 / 1e6)
}

fn live_bytes(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(number(ctx.heap().live_bytes()))
}

fn live_objects(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(number(ctx.heap().live_objects()))
}

fn peak_bytes(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(number(ctx.heap().peak_bytes()))
}

fn reset_peak(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    ctx.heap().reset_peak();
    Ok(Value::Null)
}

/// Counts the work of going through all objects.
fn tick_pass(ctx: &mut Ctx<'_>) -> Result<(), Raise> {
    ctx.tick(ctx.heap().live_objects())
}

/// Adds an entry under an interned name.
fn put(heap: &Heap, dict: &Dict, name: &str, value: Value) -> Result<(), Raise> {
    dict.insert(Value::String(heap.string(name)?), value).map(drop)
}

fn collect(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    let start = ctx.host().clock();
    tick_pass(ctx)?;
    let freed = ctx.vm.collect();
    ctx.heap().trim();
    let millis = (ctx.host().clock() - start) * 1000.0;
    let heap = ctx.heap();
    let result = heap.dict()?;
    put(heap, &result, "objects", number(freed.objects))?;
    put(heap, &result, "bytes", number(freed.bytes))?;
    put(heap, &result, "millis", Value::Float(millis))?;
    Ok(Value::Dict(result))
}

fn stats(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    tick_pass(ctx)?;
    let heap = ctx.heap();
    let (found, kinds) = (heap.objects_by_type(), heap.stats());
    let result = heap.dict()?;
    let entry = |totals: ObjectTotals, made: u64| -> Result<Value, Raise> {
        let entry = heap.dict()?;
        put(heap, &entry, "count", number(totals.count))?;
        put(heap, &entry, "bytes", number(totals.bytes))?;
        put(heap, &entry, "total_allocated", Value::Int(made as i64))?;
        Ok(Value::Dict(entry))
    };
    for (name, totals) in &found.types {
        put(
            heap,
            &result,
            name,
            entry(*totals, found.made.get(name).copied().unwrap_or(0))?,
        )?;
    }
    // Which forms the dicts have.
    if let Some(Value::Dict(row)) = result.get_str_value(aether_value::tag::name(aether_value::tag::DICT)) {
        put(heap, &row, "records", number(found.records))?;
        put(heap, &row, "tables", number(found.tables))?;
        put(heap, &row, "shapes", number(found.shapes))?;
    }
    // What is no object, so that the rows add up.
    let objects: usize = found.types.values().map(|totals| totals.bytes).sum();
    let (code, tables) = (kinds.code_bytes, kinds.table_bytes);
    let pools = kinds.live_bytes.saturating_sub(objects + code + tables);
    for (name, bytes) in [("code", code), ("tables", tables), ("pools", pools)] {
        // A script may have a type of the name.
        let mut row = found.types.get(name).copied().unwrap_or_default();
        row.bytes += bytes;
        put(
            heap,
            &result,
            name,
            entry(row, found.made.get(name).copied().unwrap_or(0))?,
        )?;
    }
    // A row like any other, so that who adds rows up need not know of it.
    if !found.types.contains_key("pauses") {
        let row = entry(ObjectTotals::default(), 0)?;
        if let Value::Dict(row) = &row {
            put(heap, row, "count", Value::Int(kinds.pauses.count as i64))?;
            put(heap, row, "longest", millis(kinds.pauses.longest))?;
            put(heap, row, "millis", millis(kinds.pauses.total))?;
        }
        put(heap, &result, "pauses", row)?;
    }
    let made = found.made.values().sum();
    let total = ObjectTotals {
        count: found.types.values().map(|totals| totals.count).sum(),
        bytes: kinds.live_bytes,
    };
    put(heap, &result, "total", entry(total, made)?)?;
    put(heap, &result, "collections", Value::Int(kinds.collections as i64))?;
    put(
        heap,
        &result,
        "collected_objects",
        Value::Int(kinds.collected_objects as i64),
    )?;
    Ok(Value::Dict(result))
}

fn limit(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let heap = ctx.heap();
    match args.first() {
        None => {}
        Some(Value::Null) => heap.lower_limit(None),
        Some(value) => {
            let bytes = usize::try_from(int(value)?);
            let bytes =
                bytes.map_err(|_| Raise::operation("heap.limit requires a non-negative integer or null"))?;
            heap.lower_limit(Some(bytes));
        }
    }
    Ok(heap.limit().map_or(Value::Null, number))
}

fn size_of(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(number(ctx.heap().size_of(&args[0])))
}

fn retained(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    tick_pass(ctx)?;
    Ok(number(ctx.heap().retained(&args[0])))
}

fn refs(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    tick_pass(ctx)?;
    let mut found: Vec<(String, String)> = Vec::new();
    for holder in ctx.heap().holders(&args[0], MOST_HOLDERS) {
        found.push((holder.value.type_name().into_owned(), holder.path));
    }
    found.extend(ctx.vm.roots_of(&args[0]));
    found.truncate(MOST_HOLDERS);
    let heap = ctx.heap();
    let result = heap.array(found.len())?;
    for (kind, path) in found {
        let entry = heap.dict()?;
        put(heap, &entry, "type", Value::String(heap.string(&kind)?))?;
        put(heap, &entry, "path", Value::String(heap.string(&path)?))?;
        result.push(Value::Dict(entry))?;
    }
    Ok(Value::Array(result))
}

fn site(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let site = ctx.heap().site_of(&args[0]);
    match ctx.vm.site_text(site) {
        Some(text) => ctx.string(&text),
        None => Ok(Value::Null),
    }
}

// Snapshots are plain dicts: `{live_bytes, live_objects, types: {name: {count, bytes}}, sites: {place: {count, bytes}}}`.

fn totals_dict(heap: &Heap, count: i64, bytes: i64) -> Result<Value, Raise> {
    let entry = heap.dict()?;
    put(heap, &entry, "count", Value::Int(count))?;
    put(heap, &entry, "bytes", Value::Int(bytes))?;
    Ok(Value::Dict(entry))
}

fn snapshot(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    tick_pass(ctx)?;
    let (bytes, objects) = (ctx.heap().live_bytes(), ctx.heap().live_objects());
    let LiveObjects { types, sites, .. } = ctx.heap().objects_by_type();
    let mut places: std::collections::BTreeMap<String, ObjectTotals> = std::collections::BTreeMap::new();
    for (site, totals) in sites {
        if let Some(text) = ctx.vm.site_text(site) {
            let place = places.entry(text).or_default();
            place.count += totals.count;
            place.bytes += totals.bytes;
        }
    }
    let heap = ctx.heap();
    let result = heap.dict()?;
    put(heap, &result, "live_bytes", number(bytes))?;
    put(heap, &result, "live_objects", number(objects))?;
    for (name, by_key) in [("types", types), ("sites", places)] {
        let part = heap.dict()?;
        for (name, totals) in by_key {
            put(
                heap,
                &part,
                &name,
                totals_dict(heap, totals.count as i64, totals.bytes as i64)?,
            )?;
        }
        put(heap, &result, name, Value::Dict(part))?;
    }
    Ok(Value::Dict(result))
}

/// A number in a snapshot.
fn figure(dict: &Dict, name: &str) -> i64 {
    dict.get_str_value(name)
        .and_then(|value| value.as_int())
        .unwrap_or(0)
}

/// A dict in a snapshot.
fn part(dict: &Dict, name: &str) -> Option<Rc<Dict>> {
    match dict.get_str_value(name)? {
        Value::Dict(part) => Some(part),
        _ => None,
    }
}

fn diff(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let of = |value: &Value| match value {
        Value::Dict(dict) if part(dict, "types").is_some() && part(dict, "sites").is_some() => {
            Ok(dict.clone())
        }
        value => Err(wrong_type("heap snapshot", value)),
    };
    let (before, after) = (of(&args[0])?, of(&args[1])?);
    let heap = ctx.heap();
    let result = heap.dict()?;
    for name in ["live_bytes", "live_objects"] {
        put(
            heap,
            &result,
            name,
            Value::Int(figure(&after, name) - figure(&before, name)),
        )?;
    }
    for name in ["types", "sites"] {
        let changes = heap.dict()?;
        let (before, after) = (part(&before, name), part(&after, name));
        let entry = |from: &Option<Rc<Dict>>, name: &str, figure_name: &str| {
            let found = from.as_ref().and_then(|dict| part(dict, name));
            found.map_or(0, |dict| figure(&dict, figure_name))
        };
        let names = [&after, &before].into_iter().flatten().flat_map(|dict| {
            let keys: Vec<Value> = dict.iter().map(|(key, _)| key.clone()).collect();
            keys
        });
        for key in names {
            let Value::String(text) = &key else { continue };
            if changes.get(&key).is_some() {
                continue;
            }
            let text = text.as_str();
            let count = entry(&after, text, "count") - entry(&before, text, "count");
            let bytes = entry(&after, text, "bytes") - entry(&before, text, "bytes");
            if count != 0 || bytes != 0 {
                changes.insert(key.clone(), totals_dict(heap, count, bytes)?)?;
            }
        }
        put(heap, &result, name, Value::Dict(changes))?;
    }
    Ok(Value::Dict(result))
}

fn on_growth(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let step = usize::try_from(int(&args[0])?).ok().filter(|&step| step > 0);
    let Some(step) = step else {
        return Err(Raise::operation("heap.on_growth requires a positive integer"));
    };
    if !matches!(args[1], Value::Null) && !args[1].is_callable() {
        return Err(wrong_type("function or null", &args[1]));
    }
    ctx.vm.set_on_growth(step, args[1].clone());
    Ok(Value::Null)
}

fn auto(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match args[0] {
        Value::Bool(on) => {
            ctx.heap().set_auto_collect(on);
            Ok(Value::Null)
        }
        ref value => Err(wrong_type("bool", value)),
    }
}

fn release_slowly(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    ctx.heap().release_slowly(args[0].clone());
    Ok(Value::Null)
}
