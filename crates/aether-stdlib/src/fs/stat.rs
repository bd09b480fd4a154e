//! What `fs.stat` gives: fields that are read as properties or as elements.
//!
//! It is no dict, whose `size` is how many keys it has.

use aether_eval::{Ctx, Permission};
use aether_value::{Dict, Heap, Native, Raise, Raw, Rc, StrBuilder, Value, display};
use std::any::Any;

use crate::arguments::string;
use crate::files::{allowed, failed};

/// The fields by name.
struct Stat(Rc<Dict>);

/// `stat(path)`
pub(super) fn stat(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let found = ctx.host().file_info(path);
    let found = found.map_err(|error| failed("fs.stat", path, &error))?;
    let or_null = |number: Option<i64>| number.map_or(Value::Null, Value::Int);
    let size = i64::try_from(found.size).unwrap_or(i64::MAX);
    let fields = ctx.heap().dict()?;
    for (name, value) in [
        ("size", Value::Int(size)),
        ("modified", or_null(found.modified)),
        ("created", or_null(found.created)),
        ("is_file", Value::Bool(found.is_file)),
        ("is_dir", Value::Bool(found.is_dir)),
        ("is_link", Value::Bool(found.is_link)),
        ("mode", or_null(found.mode.map(i64::from))),
    ] {
        fields.insert(Value::String(ctx.heap().intern(name)?), value)?;
    }
    Ok(Value::Native(ctx.heap().native(Box::new(Stat(fields)))?))
}

impl Native for Stat {
    fn type_name(&self) -> &'static str {
        "file_stat"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_rc(&self.0));
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        let heap = Heap::of(&*self.0);
        display(&heap, &Value::Dict(self.0.clone()), out)
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(self.0.get_str_value(name))
    }

    fn member_names(&self) -> Vec<String> {
        let names = self.0.iter().filter_map(|(name, _)| match name {
            Value::String(name) => Some(name.as_str().to_owned()),
            _ => None,
        });
        names.collect()
    }

    fn element(&self, _: &Heap, index: &Value) -> Result<Option<Value>, Raise> {
        let name = string(index)?.as_str();
        match self.0.get_str_value(name) {
            Some(value) => Ok(Some(value)),
            None => Err(Raise::no_property(self.type_name(), name)),
        }
    }

    fn is_collection(&self) -> bool {
        true
    }

    fn iterator(&self, heap: &Heap) -> Result<Option<Value>, Raise> {
        let names = heap.array(self.0.len())?;
        for (name, _) in self.0.iter() {
            names.push(name.clone())?;
        }
        Ok(Some(Value::Array(names)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
