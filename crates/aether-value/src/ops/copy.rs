//! `copy(v)`: a new outer collection or instance with the same elements.
#![expect(unsafe_code, reason = "clones slots by raw reads")]

use crate::{Heap, Raise, Value};

/// A copy of depth 1; values that are not collections or instances are given back as they are. Items and entries are
/// shared until either side is written.
///
/// # Errors
/// Out of memory.
pub fn copy_shallow(heap: &Heap, value: &Value) -> Result<Value, Raise> {
    Ok(match value {
        Value::Array(array) => heap.array_copy(array)?.into(),
        Value::Dict(dict) => heap.dict_copy(dict)?.into(),
        Value::Set(set) => heap.set_copy(set)?.into(),
        Value::Instance(instance) => {
            let copy = heap.instance(instance.definition())?;
            for (index, slot) in instance.slots().iter().enumerate() {
                // SAFETY: slots hold values.
                drop(copy.set_slot(index, unsafe { slot.clone_value() }));
            }
            for (name, value) in instance.extra_fields() {
                copy.set_extra_field(&name, value)?;
            }
            copy.into()
        }
        _ => value.clone(),
    })
}
