//! How bytes that come from outside become values: as arrays of ints, or as buffers.

#[cfg(feature = "files")]
use aether_eval::Ctx;
#[cfg(feature = "net")]
use aether_value::Heap;
use aether_value::{Raise, Value};

/// The option that says so.
pub(crate) const BYTES: &str = "bytes";

/// What bytes become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ByteForm {
    #[default]
    Array,
    #[cfg(feature = "bytes")]
    Buffer,
}

impl ByteForm {
    /// What the option `bytes` says.
    ///
    /// # Errors
    /// It is neither `"array"` nor `"buffer"`.
    #[cfg(any(feature = "files", feature = "net"))]
    pub(crate) fn of(operation: &str, option: &Value) -> Result<Self, Raise> {
        match crate::arguments::string(option)?.as_str() {
            "array" => Ok(Self::Array),
            #[cfg(feature = "bytes")]
            "buffer" => Ok(Self::Buffer),
            other => Err(Raise::operation(&format!(
                "{operation}: unknown form of bytes '{}' (array or buffer)",
                other.escape_debug()
            ))),
        }
    }

    /// A buffer where there are such.
    #[cfg(feature = "web")]
    pub(crate) const fn buffer() -> Self {
        #[cfg(feature = "bytes")]
        return Self::Buffer;
        #[cfg(not(feature = "bytes"))]
        Self::Array
    }

    /// The value of bytes that may be many.
    ///
    /// # Errors
    /// Out of memory; a limit has been reached, or the run was interrupted.
    #[cfg(feature = "files")]
    pub(crate) fn value_of_many(self, ctx: &mut Ctx<'_>, bytes: &[u8]) -> Result<Value, Raise> {
        match self {
            Self::Array => Ok(Value::Array(ctx.array_of_bytes(bytes)?)),
            #[cfg(feature = "bytes")]
            Self::Buffer => {
                ctx.tick(bytes.len() / 64)?;
                crate::buffer::Buffer::value_of(ctx.heap(), bytes)
            }
        }
    }

    /// The value of bytes.
    ///
    /// # Errors
    /// Out of memory.
    #[cfg(feature = "net")]
    pub(crate) fn value(self, heap: &Heap, bytes: &[u8]) -> Result<Value, Raise> {
        match self {
            Self::Array => Ok(Value::Array(heap.array_of_bytes(bytes)?)),
            #[cfg(feature = "bytes")]
            Self::Buffer => crate::buffer::Buffer::value_of(heap, bytes),
        }
    }
}
