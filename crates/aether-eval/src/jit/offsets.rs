//! Where machine code finds the fields of objects and of the machine.

use aether_value::{Array, BUFFER_ITEMS, Cell, Closure, Code, Dict, Header, Str};

use crate::vm::LAYOUT;

pub(super) const COUNT: i32 = std::mem::offset_of!(Header, count) as i32;
pub(super) const FLAGS: i32 = std::mem::offset_of!(Header, flags) as i32;
pub(super) const SHAPE: i32 = std::mem::offset_of!(Header, shape) as i32;
pub(super) const ARRAY_ITEMS: i32 = Array::ITEMS_OFFSET as i32;
pub(super) const ARRAY_LEN: i32 = Array::LEN_OFFSET as i32;
pub(super) const ARRAY_CAP: i32 = Array::CAP_OFFSET as i32;
pub(super) const TEXT_CHARS: i32 = Str::CHARS_OFFSET as i32;
/// Bytes of a text; as many as there are characters if it is ASCII.
pub(super) const TEXT_BYTES: i32 = TEXT_CHARS - 4;
/// The first byte of a text.
pub(super) const TEXT: i32 = TEXT_CHARS + 4;
pub(super) const DICT_BODY: i32 = Dict::BODY_OFFSET as i32;
pub(super) const CODE_PARAMS: i32 = std::mem::offset_of!(Code, params) as i32;
pub(super) const CODE_REGISTERS: i32 = std::mem::offset_of!(Code, registers) as i32;
pub(super) const CODE_MACHINE: i32 = std::mem::offset_of!(Code, machine) as i32;
pub(super) const CELL_VALUE: i32 = Cell::VALUE_OFFSET as i32;
pub(super) const CLOSURE_CODE: i32 = Closure::CODE_OFFSET as i32;
/// The first item behind the header of an array's items.
pub(super) const ITEMS: i32 = BUFFER_ITEMS as i32;

macro_rules! of_machine {
    ($($name:ident)*) => {
        $(pub(super) const fn $name() -> i32 {
            LAYOUT.$name as i32
        })*
    };
}

of_machine! { ip base registers registers_end fp frames_end fuel len_builtin globals native_limit }
