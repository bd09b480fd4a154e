//! The compiler to machine code where there is none: the build leaves it out, or the processor or system has none that
//! is known. It has the interface of the other one, finds nothing hot, and so is never asked for more.
#![allow(
    unsafe_code,
    reason = "the other module's functions of these names are unsafe to call"
)]
#![allow(
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    reason = "the other module has a use for it"
)]
#![allow(
    dead_code,
    reason = "the interface is the other module's; here nothing reads what it is given"
)]

use aether_value::{Code, Raw};

use crate::bytecode::Op;
use crate::jit_options::JitOptions;
use crate::vm::native::MachineFacts;

/// Whether this build can make machine code on this processor and system.
pub const IS_AVAILABLE: bool = false;

/// The compiler's state in one machine: none.
pub(crate) struct Jit;

/// Enters machine code.
pub(crate) type Trampoline = unsafe fn(*mut crate::vm::Vm, *mut u8, *const u8) -> Answer;

/// What machine code returns.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) payload: u64,
}

impl Answer {
    pub(crate) fn is_left(self) -> bool {
        true
    }

    pub(crate) fn value(self) -> Raw {
        Raw::null()
    }
}

impl Jit {
    pub(crate) fn new(_: JitOptions) -> Self {
        Self
    }

    pub(crate) fn is_profiling(&self) -> bool {
        false
    }

    pub(crate) fn sample(&mut self, _: &Code, _: usize) -> bool {
        false
    }

    /// # Safety
    /// None is needed.
    pub(crate) unsafe fn record(&mut self, _: Option<&Code>, _: usize, _: *mut u8) -> bool {
        false
    }

    pub(crate) fn compile_profiled(&mut self, _: &MachineFacts) {}

    pub(crate) fn is_compiling(&self) -> bool {
        false
    }

    pub(crate) fn compile(&mut self, _: &MachineFacts) {}

    pub(crate) fn hide(&mut self) {}

    pub(crate) fn show(&mut self) {}

    pub(crate) fn entry(&self, _: &Code, _: usize) -> Option<(Trampoline, *const u8)> {
        None
    }

    /// # Safety
    /// None is needed.
    pub(crate) unsafe fn count_exit(&mut self, _: &Code, _: u64, _: *mut u8) {}

    pub(crate) fn count_stay(&mut self, _: &Code, _: u64) {}

    pub(crate) fn held_bytes(&self) -> usize {
        0
    }

    pub(crate) fn report(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Bytes of native stack below the caller that machine code may use.
pub(crate) const fn native_stack() -> usize {
    0
}

/// The operation at a word of code.
pub(crate) fn operation_at(code: &Code, word: usize) -> Op {
    Op::of(code.words[word])
}

/// The operation for which the `Enter` at a word stands: there is none.
pub(crate) fn original(_: &Code, _: usize) -> Option<u16> {
    None
}
