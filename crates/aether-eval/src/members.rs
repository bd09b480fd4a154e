//! What a value has: the names that may stand behind its dot, and how a function is called. For prompts, debuggers and
//! messages; nothing that runs a script asks here.

use aether_value::{Closure, Value, tag};

use crate::builtins::{self, Place};
use crate::vm::Vm;

/// The names that may stand behind a value's dot: fields, variants, keys and methods, sorted.
pub(crate) fn names_of(vm: &Vm, value: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    match value {
        Value::Module(module) => names.extend(vm.names_of_module(module.id())),
        Value::Instance(instance) => {
            let definition = instance.definition();
            names.extend(definition.fields().iter().map(|name| name.as_str().to_owned()));
            names.extend(
                definition
                    .methods()
                    .iter()
                    .map(|(name, _)| name.as_str().to_owned()),
            );
            names.extend(
                instance
                    .extra_fields()
                    .iter()
                    .map(|(name, _)| name.as_str().to_owned()),
            );
        }
        Value::EnumDef(definition) => {
            names.extend(
                definition
                    .variants()
                    .iter()
                    .map(|variant| variant.name.as_str().to_owned()),
            );
        }
        Value::Dict(dict) => {
            let keys = dict.iter().filter_map(|(key, _)| match key {
                Value::String(text) if is_name(text.as_str()) => Some(text.as_str().to_owned()),
                _ => None,
            });
            names.extend(keys);
        }
        _ => {}
    }
    if let Value::Native(native) = value {
        let native = native.get();
        names.extend(native.member_names());
        names.extend(
            crate::Class::of(native)
                .into_iter()
                .flat_map(|class| class.names().map(str::to_owned)),
        );
    } else {
        let type_name = tag::name(value.tag());
        let built_in = properties_of(type_name)
            .iter()
            .copied()
            .chain(methods_of(type_name));
        names.extend(built_in.map(str::to_owned));
    }
    names.sort();
    names.dedup();
    names
}

/// The properties of a built-in type, besides what its values hold under names.
pub fn properties_of(type_name: &str) -> &'static [&'static str] {
    match type_name {
        "string" | "array" | "set" | "dict" => &["length", "size"],
        "error" => &["message", "kind", "line", "value", "stack_trace", "errors"],
        "promise" => &["status"],
        _ => &[],
    }
}

/// The built-in methods of a type.
pub fn methods_of(type_name: &str) -> impl Iterator<Item = &'static str> {
    builtins::all_builtins().filter_map(move |(place, def)| match place {
        Place::Method(tag) if tag::name(tag) == type_name => Some(def.info.name),
        _ => None,
    })
}

/// What a value holds under a name, as far as that is data: nothing runs.
pub(crate) fn data_of(vm: &Vm, value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Module(module) => vm.member_of_module(module.id(), name),
        Value::Instance(instance) => {
            let definition = instance.definition();
            if let Some(slot) = definition.slot_str(name) {
                return crate::vm::read_slot(instance.slots().get(usize::from(slot))?);
            }
            let mut extra = instance.extra_fields().into_iter();
            extra
                .find(|(key, _)| key.as_str() == name)
                .map(|(_, value)| value)
        }
        Value::Dict(dict) => dict.get_str_value(name),
        _ => None,
    }
}

/// Whether a key may be written behind a dot.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|found| found.is_alphanumeric() || found == '_')
}

/// The parameters of a function as they are declared, without defaults: `a, b, ...rest`.
pub fn signature(closure: &Closure) -> String {
    let code = closure.code();
    let skipped = usize::from(code.has_self);
    let names: Vec<&str> = code
        .param_names
        .iter()
        .skip(skipped)
        .map(|name| name.as_str())
        .collect();
    let last = names.len().wrapping_sub(1);
    let written: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            if code.has_rest() && at == last {
                format!("...{name}")
            } else {
                (*name).to_owned()
            }
        })
        .collect();
    written.join(", ")
}
