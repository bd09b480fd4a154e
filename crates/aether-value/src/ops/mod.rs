//! Operations that walk values of any depth: none recurses on the native stack, all end on cyclic data.

mod compare;
mod copy;
mod display;
mod equality;

pub use compare::{
    compare_order, nested_order, sort_order, try_compare_order, try_nested_order, try_sort_order,
};
pub use copy::copy_shallow;
pub use display::{display, display_text, float_to_text};
pub use equality::{deep_equals, equal, try_deep_equals, try_equal};

pub(crate) use equality::same_enum_key;

use crate::{Heap, Raise, Value};

/// Whether a value can be a key of a dict or an element of a set.
///
/// # Errors
/// The type error that says so.
pub fn hashable_check(value: &Value) -> Result<(), Raise> {
    let hashable = match value {
        Value::Int(_) | Value::Float(_) | Value::String(_) | Value::Bool(_) | Value::Null => true,
        Value::EnumValue(object) => crate::hash::hash_key(&Heap::of(&**object), value).is_some(),
        Value::Native(native) => native.get().key().is_some(),
        _ => false,
    };
    if hashable {
        Ok(())
    } else {
        Err(Raise::not_hashable(&value.type_name()))
    }
}
