//! Buffers that are moved to the other side: what was sent of them stays sent, and here they have no bytes any more.

use aether_value::{Raise, Value};

use crate::arguments::{Options, array, wrong_type};
use crate::buffer::Buffer;

/// The buffers that the options of a message name.
///
/// # Errors
/// Another option, or something that is no buffer.
pub(super) fn buffers(options: Option<&Value>) -> Result<Vec<Value>, Raise> {
    let options = Options::new(options, &["transfer"])?;
    let Some(given) = options.get("transfer") else {
        return Ok(Vec::new());
    };
    let items = array(&given)?.snapshot()?;
    for item in items.iter() {
        if as_buffer(item).is_none() {
            return Err(wrong_type("buffer", item));
        }
    }
    Ok(items.iter().cloned().collect())
}

fn as_buffer(value: &Value) -> Option<&Buffer> {
    super::peer::native_of(value)?.downcast()
}

/// Takes the bytes of a buffer away.
pub(super) fn empty(value: &Value) {
    if let Some(buffer) = as_buffer(value) {
        buffer.detach();
    }
}
