//! `load_plugin`: functions of shared libraries.
//!
//! | file | what it holds |
//! |---|---|
//! | `library` | opening a library and reading its table |
//! | `call` | calls of both versions of the interface |
//! | `handles` | the values that a running call may name |
//! | `exports` | the C functions that libraries call back |
//!
//! Invariants
//! - A library never gets a pointer to a value, only numbers that stand for values, so that one that frees twice, uses
//!   what it has freed, or makes numbers up gets nothing instead of breaking something.
//! - Everything is copied: a library cannot change what a script holds.
//! - What a call has made and not returned is gone when it returns.
//!
//! A library is foreign code in this process all the same: it can do whatever the process can. The permission `plugin`
//! decides whether it is loaded; nothing confines it afterwards.
//!
//! Source: library reference chapter 16. The C side is `crates/aether-plugin/include/aether_plugin.h`.

mod call;
mod exports;
mod handles;
mod library;

use aether_eval::{BuiltinDef, Ctx, Permission};
use aether_value::{Builtin, Heap, Native, Raise, StrBuilder, Value};
use std::any::Any;

use library::Library;

/// Built-ins on plugins.
pub static PLUGINS: &[BuiltinDef] =
    &[BuiltinDef::core("load_plugin", &["path"], 1, 1, load_plugin).needing(Permission::Plugin)];

/// What a call of a plugin's function runs.
static CALL: BuiltinDef = BuiltinDef::method("call", 0, 255, call::call);

fn load_plugin(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = crate::arguments::string(&args[0])?.as_str();
    let permitted = ctx.host().permit(Permission::Plugin, path);
    permitted.map_err(|detail| Raise::permission(&detail))?;
    let plugin = Plugin {
        library: library::load(path)?,
        path: path.to_owned(),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(plugin))?))
}

/// A loaded library as a value.
struct Plugin {
    library: &'static Library,
    path: String,
}

impl Native for Plugin {
    fn type_name(&self) -> &'static str {
        "plugin"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.path.len()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<plugin ")?;
        out.push_str(&self.path)?;
        out.push_str(">")
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let Some(index) = self.library.find(name) else {
            return Err(Raise::no_method("plugin", name));
        };
        let function = PluginFunction {
            library: self.library,
            index,
        };
        Ok(Some(Value::Native(heap.native(Box::new(function))?)))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| std::ptr::eq(self.library, other.library))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A function of a loaded library as a value.
struct PluginFunction {
    library: &'static Library,
    index: usize,
}

impl PluginFunction {
    fn name(&self) -> &'static str {
        &self.library.functions[self.index].name
    }
}

impl Native for PluginFunction {
    fn type_name(&self) -> &'static str {
        "plugin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<plugin_function ")?;
        out.push_str(self.name())?;
        out.push_str(">")
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&CALL.info))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| std::ptr::eq(self.library, other.library) && self.index == other.index)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
