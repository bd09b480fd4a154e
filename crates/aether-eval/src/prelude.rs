//! Names that every program finds without declaring them.
//!
//! Invariants
//! - Those of the language and of its library are immediate values, in tables that all engines share; an engine keeps
//!   only what it adds.
//! - What an engine adds goes before the library, and that before the language's own.

use std::borrow::Cow;
use std::sync::LazyLock;

use aether_value::Value;
use ahash::AHashMap;

use crate::builtins::{self, BuiltinDef, Constant};

/// A value that needs no heap.
enum Shared {
    Function(&'static BuiltinDef),
    Number(f64),
}

impl Shared {
    fn value(&self) -> Value {
        match self {
            Self::Function(def) => def.value(),
            Self::Number(number) => Value::Float(*number),
        }
    }
}

type Table = AHashMap<&'static str, Shared>;

static LANGUAGE: LazyLock<Table> = LazyLock::new(|| {
    let functions = builtins::CORE.iter().copied().flatten();
    functions
        .map(|def| (def.info.name, Shared::Function(def)))
        .collect()
});

static LIBRARY: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new();
    for module in builtins::LIBRARY {
        let functions = module.functions.iter();
        table.extend(functions.map(|def| (def.info.name, Shared::Function(def))));
        let constants = module.constants.iter();
        table.extend(constants.filter_map(|&(name, constant)| match constant {
            Constant::Float(number) => Some((name, Shared::Number(number))),
            Constant::Int(_) | Constant::Text(_) | Constant::Held(..) => None,
        }));
    }
    table
});

/// The names of one engine.
#[derive(Default)]
pub(crate) struct Prelude {
    own: AHashMap<Cow<'static, str>, Value>,
    /// Whether the library's names are among them.
    pub(crate) is_full: bool,
}

impl Prelude {
    /// The tables in the order in which they are asked.
    fn shared(&self) -> impl Iterator<Item = &'static Table> {
        let library = self.is_full.then(|| &*LIBRARY);
        library.into_iter().chain([&*LANGUAGE])
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.own.get(name) {
            return Some(value.clone());
        }
        self.shared().find_map(|table| table.get(name)).map(Shared::value)
    }

    /// The value that every engine has under a name, unless this one has another.
    pub(crate) fn original(&self, name: &str) -> Option<Value> {
        if self.own.contains_key(name) {
            return None;
        }
        self.get(name)
    }

    /// Whether there is a name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.own.contains_key(name) || self.shared().any(|table| table.contains_key(name))
    }

    /// Adds a name, or replaces its value.
    pub(crate) fn insert(&mut self, name: Cow<'static, str>, value: Value) {
        self.own.insert(name, value);
    }

    /// The values that this engine has added, in no order.
    pub(crate) fn own_values(&self) -> impl Iterator<Item = &Value> {
        self.own.values()
    }

    /// All names, in no order, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.own.keys().map(AsRef::as_ref);
        let library = self.is_full.then(|| LIBRARY.keys()).into_iter().flatten();
        let language = LANGUAGE
            .keys()
            .filter(|name| !self.is_full || !LIBRARY.contains_key(*name));
        let shared = library.chain(language).copied();
        own.chain(shared.filter(|name| !self.own.contains_key(*name)))
    }

    /// Lets go of what the engine has added.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
    }
}
