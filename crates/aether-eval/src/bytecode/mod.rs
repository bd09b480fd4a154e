//! The instruction set and its disassembler.

pub(crate) mod disassemble;
#[macro_use]
mod fuse;
mod op;

pub use disassemble::disassemble;
pub(crate) use disassemble::disassemble_code;
#[doc(hidden)]
pub use fuse::FUSED;
pub(crate) use fuse::{fused, swaps};
pub(crate) use op::{
    AS_INDEX, Layout, OR_NULL, encode, fields, immediate_field, immediate_of, member_name, name_parts,
    name_word, w32,
};
pub use op::{Op, operation_names};
