//! The names that every program of the command line can use, for the tools that do not run programs.

use std::collections::{BTreeMap, BTreeSet};

use aether::parts::eval::{core_builtins, library_modules, predefined_modules};
use aether::parts::stdlib;
use aether::{BuiltinDef, Engine, MemoryHost};
use aether_lint::Prelude;

/// What a full engine has.
pub(crate) struct FullPrelude {
    names: BTreeSet<String>,
    functions: BTreeMap<&'static str, &'static BuiltinDef>,
}

impl FullPrelude {
    /// Asks an engine, which runs nothing.
    pub(crate) fn new() -> Self {
        let names = Engine::builder()
            .host(MemoryHost::new())
            .max_memory(None)
            .build()
            .map(|engine| engine.known_names().into_iter().collect())
            .unwrap_or_default();
        let own = core_builtins().chain(predefined_modules().iter().flat_map(|module| module.functions));
        let library = stdlib::ALL.iter().copied().flatten();
        let functions = own.chain(library);
        Self {
            names,
            functions: functions.map(|def| (def.info.name, def)).collect(),
        }
    }
}

impl Prelude for FullPrelude {
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn is_module(&self, name: &str) -> bool {
        let modules = library_modules().chain(stdlib::MODULES);
        modules.into_iter().any(|module| module.name == name)
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn arity(&self, name: &str) -> Option<(usize, Option<usize>)> {
        let info = &self.functions.get(name)?.info;
        let most = (info.max_args != u8::MAX).then_some(usize::from(info.max_args));
        Some((usize::from(info.min_args), most))
    }

    fn parameters(&self, name: &str) -> Vec<&str> {
        let found = self.functions.get(name);
        found.map_or_else(Vec::new, |def| def.info.params.to_vec())
    }
}
