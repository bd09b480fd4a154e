//! Bytes on their way between the system and values: charged while they are held.

use aether_eval::Ctx;
use aether_value::{Array, Charge, Heap, Raise, Rc, Value};
#[cfg(feature = "files")]
use std::io::{self, Read};

/// The text of the error for bytes that are not UTF-8, as the standard library has it.
#[cfg(feature = "files")]
pub(crate) const NOT_UTF8: &str = "stream did not contain valid UTF-8";

/// Bytes that are made room for at first if a file does not tell its size.
#[cfg(feature = "files")]
const CHUNK: usize = 64 << 10;
/// Bytes read between two looks at limits and interrupts.
#[cfg(feature = "files")]
const STEP: usize = 1 << 20;
/// The longest text.
pub(crate) const MAX_SIZE: usize = i32::MAX as usize;

/// Bytes outside the heap's objects, charged by their capacity.
pub(crate) struct Bytes {
    // Goes before the charge.
    pub(crate) data: Vec<u8>,
    charge: Charge,
}

impl Bytes {
    /// None yet.
    pub(crate) fn new(heap: &Heap) -> Self {
        Self {
            data: Vec::new(),
            charge: Charge::none(heap),
        }
    }

    /// Makes room for `bytes` in all.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), Raise> {
        let more = bytes.saturating_sub(self.data.capacity());
        if more == 0 {
            return Ok(());
        }
        if bytes > MAX_SIZE {
            return Err(self.charge.heap().out_of_memory(bytes));
        }
        self.charge.add(more)?;
        let free = bytes - self.data.len();
        if self.data.try_reserve_exact(free).is_err() {
            return Err(self.charge.heap().out_of_memory(more));
        }
        Ok(())
    }
}

/// The rest of a reader, whose size is expected to be `size`.
#[cfg(feature = "files")]
pub(crate) fn read_all(
    ctx: &mut Ctx<'_>,
    mut reader: impl Read,
    size: u64,
    failed: impl Fn(&io::Error) -> Raise,
) -> Result<Bytes, Raise> {
    let mut bytes = Bytes::new(ctx.heap());
    // One more than expected, so that the end is met without growing.
    bytes.reserve(usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1))?;
    loop {
        let used = bytes.data.len();
        if bytes.data.capacity() == used {
            bytes.reserve((used * 2).max(CHUNK).min(MAX_SIZE.max(used + 1)))?;
        }
        let room = (bytes.data.capacity() - used).min(STEP);
        // Room for as much as is asked for: the vector does not grow by itself.
        let mut piece = reader.by_ref().take(room as u64);
        let read = piece
            .read_to_end(&mut bytes.data)
            .map_err(|error| failed(&error))?;
        ctx.tick(read / 64)?;
        if read < room {
            return Ok(bytes);
        }
    }
}

/// The bytes in an array of ints.
pub(crate) fn collect_bytes(ctx: &mut Ctx<'_>, operation: &str, array: &Rc<Array>) -> Result<Bytes, Raise> {
    let mut bytes = Bytes::new(ctx.heap());
    bytes.reserve(array.len())?;
    for (index, item) in array.snapshot()?.iter().enumerate() {
        ctx.tick_at(index, array.len(), 16)?;
        let Value::Int(value) = item else {
            return Err(crate::arguments::wrong_type("int (0–255)", item));
        };
        let Ok(byte) = u8::try_from(*value) else {
            return Err(Raise::operation(&format!(
                "{operation}: byte at index {index} is {value} (must be 0–255)"
            )));
        };
        bytes.data.push(byte);
    }
    Ok(bytes)
}

/// Whether a value is a buffer, which is written as the bytes that it holds and not as its text.
#[cfg(feature = "files")]
pub(crate) fn is_buffer(value: &Value) -> bool {
    #[cfg(feature = "bytes")]
    if let Value::Native(native) = value {
        return native.downcast::<crate::buffer::Buffer>().is_some();
    }
    let _ = value;
    false
}

/// Lends what is written for a value: the bytes of a buffer, else the value's text.
#[cfg(feature = "files")]
pub(crate) fn with_content<R>(
    ctx: &mut Ctx<'_>,
    value: &Value,
    use_data: impl FnOnce(&mut Ctx<'_>, &[u8]) -> Result<R, Raise>,
) -> Result<R, Raise> {
    if is_buffer(value) {
        return with_data(ctx, "", value, |ctx, bytes| {
            ctx.tick(bytes.len() / 64)?;
            use_data(ctx, bytes)
        });
    }
    let text = ctx.text(value)?;
    ctx.tick(text.len_bytes() / 64)?;
    use_data(ctx, text.as_str().as_bytes())
}

/// Lends the bytes of a string, of an array of ints, or of a buffer.
pub(crate) fn with_data<R>(
    ctx: &mut Ctx<'_>,
    operation: &str,
    value: &Value,
    use_data: impl FnOnce(&mut Ctx<'_>, &[u8]) -> Result<R, Raise>,
) -> Result<R, Raise> {
    match value {
        Value::String(text) => use_data(ctx, text.as_str().as_bytes()),
        Value::Array(array) => {
            let bytes = collect_bytes(ctx, operation, array)?;
            use_data(ctx, &bytes.data)
        }
        #[cfg(feature = "bytes")]
        Value::Native(native) if let Some(buffer) = native.downcast::<crate::buffer::Buffer>() => {
            buffer.with(|bytes| use_data(ctx, bytes))
        }
        other => Err(crate::arguments::wrong_type("string or bytes", other)),
    }
}
