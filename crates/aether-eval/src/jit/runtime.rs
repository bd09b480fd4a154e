//! Functions that machine code calls.
//!
//! Each takes the machine, which knows where it stands: `vm.ip`, `vm.base` and `vm.fuel` are written before the call.
#![expect(
    unsafe_code,
    reason = "called from machine code with pointers that it got from the machine"
)]

use aether_value::{Header, Raw, tag};
use std::ptr::NonNull;

use crate::vm::Vm;

/// Addresses of the functions.
pub(super) struct Table {
    pub(super) step: usize,
    pub(super) refuel: usize,
    pub(super) retain: usize,
    pub(super) release: usize,
    pub(super) release_callee: usize,
}

pub(super) fn table() -> Table {
    Table {
        step: step as *const () as usize,
        refuel: refuel as *const () as usize,
        retain: retain as *const () as usize,
        release: release as *const () as usize,
        release_callee: release_callee as *const () as usize,
    }
}

/// What [`step`] answers when control does not go on in the same frame.
const ELSEWHERE: i64 = i64::MIN;

/// Lets the interpreter execute the instruction at `vm.ip`. Answers how many words further control goes on; anything else
/// if it goes on elsewhere, as the machine says.
unsafe extern "C" fn step(vm: *mut Vm) -> i64 {
    // SAFETY: machine code passes the machine that runs it, and has no reference to it.
    unsafe { (*vm).step_in_code() }.map_or(ELSEWHERE, |distance| distance as i64)
}

/// The fuel is used up at a jump to `target`. Answers 0 if control goes on there.
unsafe extern "C" fn refuel(vm: *mut Vm, target: *mut u64) -> u64 {
    // SAFETY: as above.
    unsafe {
        let vm = &mut *vm;
        match vm.refuel_in_code(target) {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(raise) => {
                vm.set_jit_end(Some(raise));
                1
            }
        }
    }
}

unsafe extern "C" fn retain(_: *mut Vm, object: *mut Header) {
    // SAFETY: a live object.
    unsafe { (*object).retain() };
}

unsafe extern "C" fn release(_: *mut Vm, object: *mut Header) {
    // SAFETY: a live object, a count of which the code gives up.
    unsafe { Header::release(NonNull::new_unchecked(object)) };
}

/// The frame of a function that has returned owned the callee in the window's first register.
unsafe extern "C" fn release_callee(_: *mut Vm, window: *mut Raw) {
    // SAFETY: the window of a call that is over.
    unsafe {
        let callee = *window;
        if callee.is_counted() {
            (*window).tag = tag::NULL;
            callee.release();
        }
    }
}
