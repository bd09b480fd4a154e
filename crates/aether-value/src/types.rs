//! Type annotations: which values they admit.
//!
//! A type is a set of kinds and of names: of structs, enums, and of what hosts add. Containers are told by their outer
//! kind alone.

use crate::{Raw, Value, tag};

/// What an annotation admits.
#[derive(Clone, Debug, Default)]
pub struct TypeCheck {
    /// A bit for each tag.
    kinds: u32,
    names: Vec<Box<str>>,
    text: Box<str>,
}

impl TypeCheck {
    /// A type as it is written, which admits nothing so far.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Admits what a name in an annotation stands for; any but the built-in ones is that of a struct, an enum, or
    /// something of a host's.
    pub fn admit(&mut self, name: &str) {
        let kinds: &[u8] = match name {
            "any" => {
                self.kinds = u32::MAX;
                return;
            }
            "int" => &[tag::INT],
            "float" => &[tag::FLOAT],
            "number" => &[tag::INT, tag::FLOAT],
            "string" => &[tag::STRING],
            "bool" => &[tag::BOOL],
            "null" => &[tag::NULL],
            "array" => &[tag::ARRAY],
            "dict" => &[tag::DICT],
            "set" => &[tag::SET],
            "fn" => &[
                tag::FUNCTION,
                tag::ASYNC_FUNCTION,
                tag::BUILTIN,
                tag::BOUND_METHOD,
                tag::ENUM_CONSTRUCTOR,
            ],
            "iterator" => &[tag::ITERATOR, tag::COROUTINE],
            "promise" => &[tag::PROMISE],
            "error" => &[tag::ERROR],
            _ => {
                self.names.push(name.into());
                return;
            }
        };
        for &kind in kinds {
            self.kinds |= 1 << kind;
        }
    }

    /// The type as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it admits every value of a kind.
    #[inline]
    pub fn admits_kind(&self, kind: u8) -> bool {
        self.kinds >> kind & 1 != 0
    }

    /// The value as the type has it: an int becomes a float where only that is admitted. None if it is not admitted.
    pub fn fit(&self, value: &Value) -> Option<Value> {
        let kind = Raw::of_value(value).tag;
        if self.admits_kind(kind) {
            return Some(value.clone());
        }
        let is_named = |name: &str| self.names.iter().any(|known| **known == *name);
        match value {
            Value::Int(int) if self.admits_kind(tag::FLOAT) => Some(Value::Float(*int as f64)),
            Value::Instance(instance) => {
                is_named(instance.definition().name().as_str()).then(|| value.clone())
            }
            Value::EnumValue(variant) => {
                is_named(variant.definition().name().as_str()).then(|| value.clone())
            }
            Value::Native(native) => {
                let is_function = || self.admits_kind(tag::FUNCTION) && native.get().callee().is_some();
                (is_named(native.get().type_name()) || is_function()).then(|| value.clone())
            }
            _ => None,
        }
    }
}
