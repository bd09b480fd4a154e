//! What the built-ins share: checks of arguments, and the account of work that leaves the heap's own objects.
//!
//! Source: library reference §0.4.

use aether_value::{Array, Buffer, Charge, Dict, Heap, Raise, Rc, Str, StrBuilder, Value, WORK_BYTES};

/// The longest text and the largest collection.
const MAX_SIZE: usize = i32::MAX as usize;

/// The type error for a value.
#[cold]
pub fn wrong_type(expected: &str, value: &Value) -> Raise {
    Raise::type_error(expected, &value.type_name())
}

/// The dict of options in an argument, if there is one. Every key must be one of `known`.
///
/// # Errors
/// It is no dict, or has another key.
pub fn options<'a>(value: &'a Value, known: &[&str]) -> Result<Option<&'a Dict>, Raise> {
    let dict = match value {
        Value::Null => return Ok(None),
        Value::Dict(dict) => dict,
        other => return Err(wrong_type("dict", other)),
    };
    for (key, _) in dict.iter() {
        match key {
            Value::String(key) if known.contains(&key.as_str()) => {}
            Value::String(key) => {
                return Err(Raise::operation(&format!("unknown option '{}'", key.as_str())));
            }
            other => return Err(wrong_type("string", other)),
        }
    }
    Ok(Some(dict))
}

/// The string in an argument.
///
/// # Errors
/// It is none.
#[inline]
pub fn string(value: &Value) -> Result<&Rc<Str>, Raise> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong_type("string", value)),
    }
}

/// The integer in an argument.
///
/// # Errors
/// It is none.
#[inline]
pub fn int(value: &Value) -> Result<i64, Raise> {
    match value {
        Value::Int(value) => Ok(*value),
        _ => Err(wrong_type("int", value)),
    }
}

/// The array in an argument.
///
/// # Errors
/// It is none.
#[inline]
pub fn array(value: &Value) -> Result<&Rc<Array>, Raise> {
    match value {
        Value::Array(array) => Ok(array),
        _ => Err(wrong_type("array", value)),
    }
}

/// The number in an argument, as a float.
///
/// # Errors
/// It is none.
#[inline]
pub fn float(value: &Value) -> Result<f64, Raise> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        _ => Err(wrong_type("number", value)),
    }
}

/// The items that a frame keeps in a slot.
#[inline]
pub(super) fn buffer(slot: &Value) -> &Rc<Buffer> {
    match slot {
        Value::Buffer(buffer) => buffer,
        _ => unreachable!("the frame put its snapshot there"),
    }
}

/// The array that a frame builds in a slot.
#[inline]
pub(super) fn built(slot: &Value) -> &Rc<Array> {
    match slot {
        Value::Array(array) => array,
        _ => unreachable!("the frame put its result there"),
    }
}

/// The position that a frame keeps in a slot.
#[inline]
pub(super) fn position(slot: &Value) -> usize {
    match slot {
        Value::Int(value) => *value as usize,
        _ => 0,
    }
}

/// Takes a slot's value, leaving null.
#[inline]
pub(super) fn take(slot: &mut Value) -> Value {
    std::mem::replace(slot, Value::Null)
}

/// Refuses early what the heap has no room for.
pub(super) fn room_for(heap: &Heap, bytes: Option<usize>) -> Result<(), Raise> {
    match bytes {
        Some(bytes) if bytes <= MAX_SIZE => {
            heap.charge(bytes)?;
            heap.discharge(bytes);
            Ok(())
        }
        _ => Err(heap.out_of_memory(bytes.unwrap_or(usize::MAX))),
    }
}

/// Copies of an array's items, with the charge for them.
pub(super) fn copied(heap: &Heap, array: &Array) -> Result<(Vec<Value>, Charge), Raise> {
    let charge = Charge::new(heap, array.len() * size_of::<Value>())?;
    let items = array.snapshot()?.as_slice().to_vec();
    Ok((items, charge))
}

/// Adds `count` copies of `text`, in pieces.
pub(super) fn push_repeated(out: &mut StrBuilder, text: &str, mut count: usize) -> Result<(), Raise> {
    /// Bytes a piece is brought up to.
    const PIECE: usize = 256;
    if text.is_empty() {
        return Ok(());
    }
    if count <= 2 || text.len() >= PIECE {
        for _ in 0..count {
            out.heap().checkpoint(text.len() / WORK_BYTES)?;
            out.push_str(text)?;
        }
        return Ok(());
    }
    let per_piece = (PIECE / text.len()).min(count);
    let piece = text.repeat(per_piece);
    while count >= per_piece {
        out.heap().checkpoint(piece.len() / WORK_BYTES)?;
        out.push_str(&piece)?;
        count -= per_piece;
    }
    out.push_str(&piece[..count * text.len()])
}
