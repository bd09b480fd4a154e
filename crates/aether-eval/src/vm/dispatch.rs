//! The dispatch loop.
//!
//! State of the loop: `ip`, the instruction being executed, and `base`, the frame's register 0. They are written back
//! to the machine (`vm.ip`, `vm.base`) before anything that may look at the stack, and read again after anything that
//! may have switched frames.
//!
//! An arm handles the common types inline and leaves everything else to a function out of line. On an error the
//! loop ends in `unwind`, which finds the handler or the end of the program.
//!
//! The arms are in `dispatch/`, by theme, as macros that hand what they add on to one another: they share the loop's
//! variables, and one `match` is one table of jumps. What several arms use are macros of the loop itself.
//!
//! Registers are scarce in the loop: it keeps three values alive (`ip`, `base`, `vm`), and an arm never looks at the
//! operation code again. Combined arms are macros with a literal instead. A value is written where it goes before it
//! is counted, so that nothing is alive across the call that an overflowing count makes.
//!
//! Soundness rests on the compiler: register fields lie within the frame, jumps land on instructions, and the
//! ownership rules of [`crate::bytecode::Op`] hold. Every frame is checked against the stack's end when it is made.
#![expect(
    unsafe_code,
    reason = "registers and code are read without bounds checks; the compiler proves them"
)]

#[macro_use]
mod values;
#[macro_use]
mod variables;
#[macro_use]
mod operators;
#[macro_use]
mod jumps;
#[macro_use]
mod fields;
#[macro_use]
mod elements;
#[macro_use]
mod calls;
#[macro_use]
mod construction;
#[macro_use]
mod iteration;
#[macro_use]
mod patterns;
#[macro_use]
mod control;
#[macro_use]
mod pairs;

use aether_value::{Array, Closure, Header, Instance, Raise, Raw, tag};

use super::{Flow, Frame, Vm, call, flags, member};
use crate::bytecode::{Op, immediate_of};

/// Reads field `n` (1 to 3) of the instruction at `ip`.
macro_rules! field {
    ($ip:expr, $n:literal) => {
        *$ip.cast::<u16>().add($n)
    };
}

/// The register that field `n` names.
macro_rules! reg {
    ($ip:expr, $base:expr, $n:literal) => {
        $base.add(field!($ip, $n) as usize).cast::<Raw>()
    };
}

/// The signed 32-bit number in fields b and c.
macro_rules! wide {
    ($ip:expr) => {
        *$ip.cast::<u32>().add(1) as i32
    };
}

/// `left / right` for a divisor above zero, which cannot overflow.
#[inline(always)]
fn quotient(left: i64, right: i64) -> i64 {
    if (left | right) as u64 >> 32 == 0 {
        return i64::from(left as u32 / (right as u32).max(1));
    }
    left.wrapping_div(right.max(1))
}

/// `left % right` for a divisor above zero. Most remainders are of small numbers, whose division is several times
/// quicker.
#[inline(always)]
fn remainder(left: i64, right: i64) -> i64 {
    if (left | right) as u64 >> 32 == 0 {
        return i64::from(left as u32 % (right as u32).max(1));
    }
    left.wrapping_rem(right.max(1))
}

/// Runs from `vm.ip` until the bottom frame of the coroutine that `vm.main` names returns.
///
/// # Safety
/// `vm.ip` and `vm.base` are a function's entry and registers on the current coroutine's stack.
#[inline]
pub(super) unsafe fn run(vm: &mut Vm) -> Result<(), Raise> {
    let ran = vm.oversight.runs.replace(true);
    let outer_steps = vm.loop_steps;
    let result = loop {
        vm.loop_steps = vm.is_stepping();
        // SAFETY: the caller's; where one loop has ended for the other, the machine stands at the next instruction.
        let result = unsafe {
            if vm.loop_steps {
                vm.hide_code();
                run_loop::<STEPPED>(vm)
            } else {
                vm.show_code();
                run_loop::<PLAIN>(vm)
            }
        };
        if !std::mem::take(&mut vm.switches_loop) {
            break result;
        }
    };
    vm.loop_steps = outer_steps;
    if ran {
        // Nor does it step for a profile that began in this one.
        if !outer_steps && vm.is_profiling() {
            vm.end_profile();
        }
        // The loop further out, which this one has interrupted, finds code as it needs it.
        if outer_steps {
            vm.hide_code();
        } else {
            vm.show_code();
        }
    }
    vm.oversight.runs.set(ran);
    result
}

/// Executes the instruction at `vm.ip`, and says in `vm.one_is_done` that it has, unless the run has ended. An error
/// finds no handler here.
///
/// # Safety
/// See [`run`].
pub(super) unsafe fn run_one(vm: &mut Vm) -> Result<(), Raise> {
    // SAFETY: the caller's.
    unsafe { run_loop::<ONE>(vm) }
}

/// The loop as it mostly runs.
const PLAIN: u8 = 0;
/// The machine is asked before each instruction.
const STEPPED: u8 = 1;
/// One instruction is executed.
const ONE: u8 = 2;

/// The loop. Ends early, with `vm.switches_loop` set, where the other one has to go on.
///
/// # Safety
/// See [`run`].
#[allow(
    clippy::needless_continue,
    reason = "every arm says where it goes on, wherever it stands"
)]
unsafe fn run_loop<const MODE: u8>(vm: &mut Vm) -> Result<(), Raise> {
    // SAFETY: see the module: operands, jumps and ownership are the compiler's promises, stack bounds are checked
    // when frames are made, and pointers into the stack are read again after anything that may move it.
    unsafe {
        let mut ip: *mut u64 = vm.ip;
        let mut base: *mut u8 = vm.base;
        let mut is_done = false;
        'frames: loop {
            let raise: Raise = 'code: loop {
                macro_rules! next {
                    () => {{
                        ip = ip.add(1);
                        continue 'code;
                    }};
                    ($words:literal) => {{
                        ip = ip.add($words);
                        continue 'code;
                    }};
                }
                macro_rules! check {
                    ($result:expr) => {
                        match $result {
                            Ok(value) => value,
                            Err(raise) => break 'code raise,
                        }
                    };
                }
                // A step that may push or pop frames.
                macro_rules! flow {
                    ($words:literal, $step:expr) => {{
                        vm.ip = ip;
                        vm.base = base;
                        match $step {
                            Ok(Flow::Next) => ip = ip.add($words),
                            Ok(Flow::Switched) => {
                                ip = vm.ip;
                                base = vm.base;
                            }
                            Ok(Flow::Exit) => return Ok(()),
                            Err(raise) => {
                                ip = vm.ip;
                                base = vm.base;
                                break 'code raise;
                            }
                        }
                        continue 'code;
                    }};
                }
                macro_rules! spend {
                    ($target:expr) => {{
                        let target = $target;
                        vm.fuel = vm.fuel.wrapping_sub(1);
                        if vm.fuel >= 0 {
                            ip = target;
                            continue 'code;
                        }
                        // Reading both again keeps this call from claiming registers across the jump.
                        vm.ip = ip;
                        vm.base = base;
                        check!(vm.refuel_to(target));
                        ip = vm.ip;
                        base = vm.base;
                        continue 'frames;
                    }};
                }
                macro_rules! set_int {
                    ($to:expr, $value:expr) => {
                        set_int!($to, $value, 1)
                    };
                    ($to:expr, $value:expr, $words:literal) => {{
                        let (to, value) = ($to, $value);
                        (*to).payload = value as u64;
                        (*to).tag = tag::INT;
                        next!($words)
                    }};
                }
                macro_rules! set_float {
                    ($to:expr, $value:expr) => {
                        set_float!($to, $value, 1)
                    };
                    ($to:expr, $value:expr, $words:literal) => {{
                        let (to, value) = ($to, $value);
                        (*to).payload = f64::to_bits(value);
                        (*to).tag = tag::FLOAT;
                        next!($words)
                    }};
                }
                macro_rules! slow_arithmetic {
                    () => {{
                        vm.ip = ip;
                        vm.base = base;
                        check!(vm.arithmetic(ip, base));
                        next!()
                    }};
                }
                // The result of two numbers; goes on behind it if they are not, or it does not fit.
                macro_rules! numbers {
                    ($left:ident, $right:ident, $checked:ident, $float:tt) => {{
                        if (*$left).tag == tag::INT {
                            let left = (*$left).payload as i64;
                            if (*$right).tag == tag::INT {
                                if let Some(value) = left.$checked((*$right).payload as i64) {
                                    set_int!(reg!(ip, base, 1), value);
                                }
                            } else if (*$right).tag == tag::FLOAT {
                                let value = left as f64 $float f64::from_bits((*$right).payload);
                                set_float!(reg!(ip, base, 1), value);
                            }
                        } else if (*$left).tag == tag::FLOAT {
                            let left = f64::from_bits((*$left).payload);
                            if (*$right).tag == tag::FLOAT {
                                let value = left $float f64::from_bits((*$right).payload);
                                set_float!(reg!(ip, base, 1), value);
                            } else if (*$right).tag == tag::INT {
                                let value = left $float (*$right).payload as i64 as f64;
                                set_float!(reg!(ip, base, 1), value);
                            }
                        }
                    }};
                }
                // `+ - *` of two registers or constants.
                macro_rules! arithmetic {
                    ($left:expr, $right:expr, $checked:ident, $float:tt) => {{
                        let (left, right): (*const Raw, *const Raw) = ($left, $right);
                        numbers!(left, right, $checked, $float);
                        slow_arithmetic!()
                    }};
                }
                macro_rules! addition {
                    ($left:expr, $right:expr) => {{
                        let (left, right): (*mut Raw, *mut Raw) = ($left, $right);
                        numbers!(left, right, checked_add, +);
                        vm.ip = ip;
                        vm.base = base;
                        check!(vm.add(ip, base, left, right));
                        next!()
                    }};
                }
                macro_rules! arithmetic_immediate {
                    ($checked:ident, $float:tt) => {{
                        let left = reg!(ip, base, 2);
                        let right = field!(ip, 3) as i16;
                        if (*left).tag == tag::INT {
                            if let Some(value) = ((*left).payload as i64).$checked(i64::from(right)) {
                                set_int!(reg!(ip, base, 1), value);
                            }
                        } else if (*left).tag == tag::FLOAT {
                            let value = f64::from_bits((*left).payload) $float f64::from(right);
                            set_float!(reg!(ip, base, 1), value);
                        }
                        slow_arithmetic!()
                    }};
                }
                macro_rules! divide {
                    ($left:expr, $right:expr) => {{
                        let (left, right): (*const Raw, *const Raw) = ($left, $right);
                        if (*left).tag == tag::FLOAT {
                            let divisor = match (*right).tag {
                                tag::FLOAT => f64::from_bits((*right).payload),
                                tag::INT => (*right).payload as i64 as f64,
                                _ => 0.0,
                            };
                            if divisor != 0.0 {
                                set_float!(reg!(ip, base, 1), f64::from_bits((*left).payload) / divisor);
                            }
                        } else if (*left).tag == tag::INT && (*right).tag == tag::INT {
                            let divisor = (*right).payload as i64;
                            if divisor > 0 {
                                set_int!(reg!(ip, base, 1), quotient((*left).payload as i64, divisor));
                            }
                        }
                        slow_arithmetic!()
                    }};
                }
                macro_rules! bits {
                    ($op:tt) => {{
                        let (left, right) = (reg!(ip, base, 2), reg!(ip, base, 3));
                        if (*left).tag == tag::INT && (*right).tag == tag::INT {
                            set_int!(reg!(ip, base, 1), (*left).payload $op (*right).payload);
                        }
                        slow_arithmetic!()
                    }};
                }
                macro_rules! shift {
                    ($by:expr) => {{
                        let (left, right) = (reg!(ip, base, 2), reg!(ip, base, 3));
                        if (*left).tag == tag::INT && (*right).tag == tag::INT && (*right).payload < 64 {
                            let value = $by((*left).payload as i64, (*right).payload as u32);
                            set_int!(reg!(ip, base, 1), value);
                        }
                        slow_arithmetic!()
                    }};
                }
                macro_rules! compare {
                    ($op:tt) => {{
                        let (left, right) = (reg!(ip, base, 2), reg!(ip, base, 3));
                        let answer = if (*left).tag == tag::INT && (*right).tag == tag::INT {
                            ((*left).payload as i64) $op ((*right).payload as i64)
                        } else if (*left).tag == tag::FLOAT && (*right).tag == tag::FLOAT {
                            f64::from_bits((*left).payload) $op f64::from_bits((*right).payload)
                        } else {
                            check!(vm.compare(ip, left, right))
                        };
                        *reg!(ip, base, 1) = Raw::bool(answer);
                        next!()
                    }};
                }
                // The target of a compare-and-jump: a 14-bit offset above two flags.
                macro_rules! compare_target {
                    () => {
                        ip.offset((field!(ip, 3) as i16 >> 2) as isize)
                    };
                }
                macro_rules! jump_compare {
                    ($op:tt, $sense:literal) => {{
                        let (left, right) = (reg!(ip, base, 1), reg!(ip, base, 2));
                        let answer = if (*left).tag == tag::INT && (*right).tag == tag::INT {
                            ((*left).payload as i64) $op ((*right).payload as i64)
                        } else if (*left).tag == tag::FLOAT && (*right).tag == tag::FLOAT {
                            f64::from_bits((*left).payload) $op f64::from_bits((*right).payload)
                        } else {
                            check!(vm.compare_consuming(ip, left, right))
                        };
                        if answer == $sense {
                            spend!(compare_target!());
                        }
                        next!()
                    }};
                }
                macro_rules! jump_compare_immediate {
                    ($op:tt, $sense:literal) => {{
                        let left = reg!(ip, base, 1);
                        let right = field!(ip, 2) as i16;
                        let answer = if (*left).tag == tag::INT {
                            ((*left).payload as i64) $op i64::from(right)
                        } else if (*left).tag == tag::FLOAT {
                            f64::from_bits((*left).payload) $op f64::from(right)
                        } else {
                            let mut right = Raw::int(i64::from(right));
                            check!(vm.compare_consuming(ip, left, &raw mut right))
                        };
                        if answer == $sense {
                            spend!(compare_target!());
                        }
                        next!()
                    }};
                }
                macro_rules! jump_compare_constant {
                    ($op:tt, $sense:literal) => {{
                        let left = reg!(ip, base, 1);
                        let right = vm.constants.add(field!(ip, 2) as usize).cast_mut();
                        let answer = if (*left).tag == tag::FLOAT && (*right).tag == tag::FLOAT {
                            f64::from_bits((*left).payload) $op f64::from_bits((*right).payload)
                        } else {
                            check!(vm.compare_consuming(ip, left, right))
                        };
                        if answer == $sense {
                            spend!(compare_target!());
                        }
                        next!()
                    }};
                }
                // Enters an Aether function whose arguments wait behind register a.
                macro_rules! enter {
                    ($closure:expr, $argc:expr, $frame_flags:expr, $words:literal, $slow:expr) => {{
                        let closure: *const Closure = $closure;
                        let code = (*closure).code_ptr().as_ptr();
                        // One test after the other: the store between them keeps them from being folded into
                        // sums of flags.
                        'slow: {
                            if (*code).params != $argc {
                                break 'slow;
                            }
                            let fuel = vm.fuel.wrapping_sub(1);
                            if fuel < 0 {
                                break 'slow;
                            }
                            vm.fuel = fuel;
                            let frame = vm.fp;
                            let new_base = base.add(field!(ip, 1) as usize + 16);
                            if frame >= vm.frames_end
                                || new_base.add((*code).registers as usize * 16) > vm.registers_end
                            {
                                vm.fuel = fuel.wrapping_add(1);
                                break 'slow;
                            }
                            (*frame).return_ip = ip.add($words);
                            (*frame).base = base.offset_from(vm.registers) as u32;
                            (*frame).flags = $frame_flags;
                            vm.fp = frame.add(1);
                            base = new_base;
                            ip = (*code).words.as_ptr().cast_mut();
                            continue 'code;
                        }
                        flow!($words, $slow)
                    }};
                }
                macro_rules! leave {
                    ($value:expr) => {{
                        let value: Raw = $value;
                        let frame: *mut Frame = vm.fp.sub(1);
                        vm.fp = frame;
                        if (*frame).flags == 0 {
                            let result = base.sub(16).cast::<Raw>();
                            (*result).tag = value.tag;
                            (*result).payload = value.payload;
                            ip = (*frame).return_ip.cast_mut();
                            base = vm.registers.add((*frame).base as usize);
                            continue 'code;
                        }
                        vm.ip = ip;
                        vm.base = base;
                        flow!(1, vm.leave_special(value))
                    }};
                }
                macro_rules! take {
                    ($register:expr) => {{
                        let register = $register;
                        let value: Raw = *register;
                        (*register).tag = tag::NULL;
                        value
                    }};
                }
                // Calls a function that stays where it is, and so needs no count.
                macro_rules! call_kept {
                    ($callee:expr) => {{
                        let callee: Raw = $callee;
                        let argc = field!(ip, 3);
                        if callee.tag == tag::FUNCTION {
                            *reg!(ip, base, 1) = Raw {
                                tag: tag::ALIAS,
                                payload: callee.payload,
                            };
                            enter!(
                                callee.pointer::<Closure>(),
                                argc,
                                0,
                                1,
                                call::enter_slow(vm, callee, argc, 0, 1)
                            );
                        }
                        callee.retain();
                        *reg!(ip, base, 1) = callee;
                        flow!(1, call::call_value(vm, field!(ip, 1), argc, 1))
                    }};
                }
                // A method call whose receiver and arguments stand in the window.
                macro_rules! call_method {
                    ($receiver:expr, $argc:expr) => {{
                        let (receiver, argc): (Raw, u16) = ($receiver, $argc);
                        if receiver.tag == tag::INSTANCE
                            && (*receiver.pointer::<Header>()).shape.get() == *ip.add(1).cast::<u32>()
                        {
                            let closure = *ip.add(2) as *const Closure;
                            *reg!(ip, base, 1) = Raw {
                                tag: tag::ALIAS,
                                payload: closure as u64,
                            };
                            let callee = Raw {
                                tag: tag::FUNCTION,
                                payload: closure as u64,
                            };
                            enter!(
                                closure,
                                argc,
                                0,
                                3,
                                call::enter_slow(vm, callee, argc, 0, 3)
                            );
                        }
                        if call::remembers_builtin(ip, receiver.tag) {
                            vm.ip = ip;
                            vm.base = base;
                            check!(call::call_remembered(vm, ip, reg!(ip, base, 1), argc));
                            next!(3)
                        }
                        flow!(3, call::call_method(vm, ip, argc))
                    }};
                }
                macro_rules! drop_register {
                    ($n:literal) => {{
                        let register = reg!(ip, base, $n);
                        if (*register).is_counted() {
                            let value = take!(register);
                            value.release();
                        }
                    }};
                }

                macro_rules! jump_on_truth {
                    ($sense:literal) => {{
                        let value = reg!(ip, base, 1);
                        let truthy = if (*value).tag == tag::BOOL {
                            (*value).as_bool()
                        } else {
                            let truthy = (*value).as_value().truthy();
                            if wide!(ip) & 1 != 0 && (*value).is_counted() {
                                take!(value).release();
                            }
                            truthy
                        };
                        if truthy == ($sense) {
                            spend!(ip.offset((wide!(ip) >> 1) as isize));
                        }
                        next!()
                    }};
                }
                macro_rules! jump_on_null {
                    ($sense:literal) => {{
                        let value = reg!(ip, base, 1);
                        let is_null = (*value).tag == tag::NULL;
                        if wide!(ip) & 1 != 0 && (*value).is_counted() {
                            take!(value).release();
                        }
                        if is_null == ($sense) {
                            ip = ip.offset((wide!(ip) >> 1) as isize);
                            continue 'code;
                        }
                        next!()
                    }};
                }
                macro_rules! jump_equal {
                    ($sense:literal) => {{
                        let (left, right) = (reg!(ip, base, 1), reg!(ip, base, 2));
                        let equal = if (*left).tag == tag::INT && (*right).tag == tag::INT {
                            (*left).payload == (*right).payload
                        } else {
                            check!(vm.equal_consuming(ip, left, right))
                        };
                        if equal == ($sense) {
                            spend!(compare_target!());
                        }
                        next!()
                    }};
                }
                macro_rules! jump_equal_immediate {
                    ($sense:literal) => {{
                        let left = reg!(ip, base, 1);
                        let right = field!(ip, 2) as i16;
                        let equal = if (*left).tag == tag::INT {
                            (*left).payload as i64 == i64::from(right)
                        } else {
                            let mut right = Raw::int(i64::from(right));
                            check!(vm.equal_consuming(ip, left, &raw mut right))
                        };
                        if equal == ($sense) {
                            spend!(compare_target!());
                        }
                        next!()
                    }};
                }
                macro_rules! jump_on_element {
                    ($sense:literal) => {{
                        let object = *reg!(ip, base, 1);
                        let index = reg!(ip, base, 2);
                        let truthy = if object.tag == tag::ARRAY
                            && (*index).tag == tag::INT
                            && ((*index).payload as usize) < (*object.pointer::<Array>()).len()
                        {
                            let array = object.pointer::<Array>();
                            let value = (*array).items().add((*index).payload as usize);
                            if (*value).tag == tag::BOOL {
                                (*value).as_bool()
                            } else {
                                (*value).as_value().truthy()
                            }
                        } else {
                            vm.ip = ip;
                            vm.base = base;
                            check!(member::element_truth(vm, ip, object, index))
                        };
                        if truthy == $sense {
                            spend!(compare_target!());
                        }
                        next!()
                    }};
                }
                macro_rules! jump_equal_constant {
                    ($sense:literal) => {{
                        let left = reg!(ip, base, 1);
                        let right = vm.constants.add(field!(ip, 2) as usize);
                        // Most texts differ in their length or at once.
                        let equal = if (*left).tag == tag::STRING
                            && (*right).tag == tag::STRING
                            && field!(ip, 3) & 1 == 0
                        {
                            (*(*left).pointer::<aether_value::Str>())
                                .equals(&*(*right).pointer::<aether_value::Str>())
                        } else {
                            check!(vm.equal_consuming(ip, left, right.cast_mut()))
                        };
                        if equal == ($sense) {
                            spend!(compare_target!());
                        }
                        next!()
                    }};
                }
                // Stores into a field or an entry in its place.
                macro_rules! store_slot {
                    ($moves:literal, $slot:expr, $from:ident) => {{
                        let slot: *mut Raw = $slot;
                        let value = *$from;
                        let old = *slot;
                        *slot = value;
                        if $moves {
                            (*$from).tag = tag::NULL;
                        } else {
                            value.retain();
                        }
                        old.release();
                        next!(2)
                    }};
                }
                macro_rules! set_field {
                    ($moves:literal) => {{
                        let object = *reg!(ip, base, 1);
                        let from = reg!(ip, base, 2);
                        if object.tag == tag::INSTANCE {
                            let instance = object.pointer::<Header>();
                            if (*instance).shape.get() == *ip.add(1).cast::<u32>() {
                                let slot = instance
                                    .cast::<u8>()
                                    .add(Instance::SLOTS_OFFSET + field!(ip, 3) as usize);
                                store_slot!($moves, slot.cast::<Raw>(), from)
                            }
                        } else if object.tag == tag::DICT {
                            let slot = member::record_slot(object, *ip.add(1).cast::<u32>(), field!(ip, 3));
                            if !slot.is_null() {
                                store_slot!($moves, slot, from)
                            }
                        }
                        vm.ip = ip;
                        vm.base = base;
                        check!(member::set_field(vm, ip, object, from, $moves));
                        next!(2)
                    }};
                }
                // Adds to a field or an entry in its place, or subtracts from it, if both are floats or ints.
                macro_rules! compound_slot {
                    ($adds:literal, $slot:expr, $right:ident) => {{
                        let slot: *mut Raw = $slot;
                        if (*slot).tag == tag::FLOAT && (*$right).tag == tag::FLOAT {
                            let (left, right) = (
                                f64::from_bits((*slot).payload),
                                f64::from_bits((*$right).payload),
                            );
                            let value = if $adds { left + right } else { left - right };
                            (*slot).payload = value.to_bits();
                            next!(3)
                        }
                        if (*slot).tag == tag::INT && (*$right).tag == tag::INT {
                            let (left, right) = ((*slot).payload as i64, (*$right).payload as i64);
                            let value = if $adds {
                                left.checked_add(right)
                            } else {
                                left.checked_sub(right)
                            };
                            if let Some(value) = value {
                                (*slot).payload = value as u64;
                                next!(3)
                            }
                        }
                    }};
                }
                macro_rules! compound_field {
                    ($adds:literal) => {{
                        let object = *reg!(ip, base, 1);
                        let right = reg!(ip, base, 2);
                        if object.tag == tag::INSTANCE {
                            let instance = object.pointer::<Header>();
                            if (*instance).shape.get() == *ip.add(1).cast::<u32>() {
                                let slot = instance
                                    .cast::<u8>()
                                    .add(Instance::SLOTS_OFFSET + field!(ip, 3) as usize)
                                    .cast::<Raw>();
                                compound_slot!($adds, slot, right);
                            }
                        } else if object.tag == tag::DICT {
                            let slot = member::record_slot(object, *ip.add(1).cast::<u32>(), field!(ip, 3));
                            if !slot.is_null() {
                                compound_slot!($adds, slot, right);
                            }
                        }
                        vm.ip = ip;
                        vm.base = base;
                        check!(member::compound_field(vm, ip, object, right, $adds));
                        next!(3)
                    }};
                }
                macro_rules! get_index_consuming {
                    ($object:literal, $index:literal) => {{
                        let object = *reg!(ip, base, 2);
                        let index = reg!(ip, base, 3);
                        if object.tag == tag::ARRAY
                            && (*index).tag == tag::INT
                            && ((*index).payload as usize) < (*object.pointer::<Array>()).len()
                        {
                            let value = *(*object.pointer::<Array>())
                                .items()
                                .add((*index).payload as usize);
                            // Over the object itself where that is consumed.
                            *reg!(ip, base, 1) = value;
                            value.retain();
                            if $object {
                                object.release();
                            }
                            next!()
                        }
                        vm.ip = ip;
                        vm.base = base;
                        check!(member::index_consuming(vm, ip, base, $object, $index));
                        next!()
                    }};
                }
                macro_rules! set_index {
                    ($moves:literal, $consumes:literal) => {{
                        let object = *reg!(ip, base, 1);
                        let index = reg!(ip, base, 2);
                        let from = reg!(ip, base, 3);
                        if object.tag == tag::ARRAY && (*index).tag == tag::INT {
                            let array = object.pointer::<Array>();
                            let at = (*index).payload as usize;
                            if at < (*array).len() && !(*array).is_guarded() {
                                let slot = (*array).items().add(at).cast_mut();
                                let value = *from;
                                let old = *slot;
                                *slot = value;
                                if $moves {
                                    (*from).tag = tag::NULL;
                                } else {
                                    value.retain();
                                }
                                old.release();
                                next!()
                            }
                        }
                        vm.ip = ip;
                        vm.base = base;
                        if object.tag == tag::DICT
                            && check!(member::set_entry(vm, object, index, from, $moves))
                        {
                            if $consumes {
                                take!(index).release();
                            }
                            next!()
                        }
                        check!(member::set_index(vm, object, index, from, $moves));
                        if $consumes {
                            take!(index).release();
                        }
                        next!()
                    }};
                }
                macro_rules! add_cell {
                    ($cell:expr) => {{
                        let cell: Raw = $cell;
                        let (old, right) = (reg!(ip, base, 1), reg!(ip, base, 3));
                        let place = cell.object::<aether_value::Cell>();
                        if (*old).tag == tag::INT
                            && (*right).tag == tag::INT
                            && place.get_raw().tag == tag::INT
                            && let Some(sum) = ((*old).payload as i64).checked_add((*right).payload as i64)
                        {
                            place.replace_raw(Raw::int(sum));
                            next!()
                        }
                        vm.ip = ip;
                        vm.base = base;
                        check!(vm.add_to_cell(cell, old, right));
                        next!()
                    }};
                }
                macro_rules! next_turn {
                    ($releases:literal) => {{
                        let state = reg!(ip, base, 1);
                        if (*state).tag == tag::INT {
                            let now = (*state).payload as i64;
                            let item = state.add(2);
                            if $releases && (*item).is_counted() {
                                take!(item).release();
                            }
                            if now < (*state.add(1)).payload as i64 {
                                (*state).payload = (now + 1) as u64;
                                (*item).tag = tag::INT;
                                (*item).payload = now as u64;
                                spend!(ip.offset(field!(ip, 3) as i16 as isize));
                            }
                            (*state).tag = tag::NULL;
                            next!()
                        }
                        // A loop that will most likely count has no code for anything else.
                        if $releases && (*state).tag == tag::BUFFER {
                            let item = state.add(2);
                            if (*item).is_counted() {
                                take!(item).release();
                            }
                            let at = (*state.add(1)).payload as usize;
                            let items = (*(*state).pointer::<aether_value::Buffer>()).as_slice();
                            if at < items.len() {
                                let value = *items.as_ptr().add(at).cast::<Raw>();
                                value.retain();
                                *item = value;
                                (*state.add(1)).payload = at as u64 + 1;
                                spend!(ip.offset(field!(ip, 3) as i16 as isize));
                            }
                            take!(state).release();
                            next!()
                        }
                        vm.ip = ip;
                        vm.base = base;
                        match vm.next_item(state) {
                            Ok(super::iterate::NextItem::Item) => {
                                spend!(ip.offset(field!(ip, 3) as i16 as isize))
                            }
                            Ok(super::iterate::NextItem::End) => next!(),
                            Ok(super::iterate::NextItem::Methods) => next!(2),
                            Err(raise) => {
                                // The stack may have moved.
                                base = vm.base;
                                break 'code raise;
                            }
                            Ok(super::iterate::NextItem::Entered) => {
                                ip = vm.ip;
                                base = vm.base;
                                continue 'code;
                            }
                        }
                    }};
                }

                // What follows are fused pairs: the common case of both, or else the first alone.

                // Two operators on numbers of one kind; $other is the field of the second that is not the result
                // of the first.
                macro_rules! pair {
                    ($checked:ident, $float:tt, $other:literal, $checked2:ident, $float2:tt, $left:literal) => {{
                        let (left, right) = (reg!(ip, base, 2), reg!(ip, base, 3));
                        let other = reg!(ip.add(1), base, $other);
                        if (*left).tag == tag::FLOAT {
                            if (*right).tag == tag::FLOAT && (*other).tag == tag::FLOAT {
                                let first =
                                    f64::from_bits((*left).payload) $float f64::from_bits((*right).payload);
                                let other = f64::from_bits((*other).payload);
                                let value = if $left { first $float2 other } else { other $float2 first };
                                set_float!(reg!(ip.add(1), base, 1), value, 2);
                            }
                        } else if (*left).tag == tag::INT && (*right).tag == tag::INT && (*other).tag == tag::INT {
                            let other = (*other).payload as i64;
                            if let Some(first) =
                                ((*left).payload as i64).$checked((*right).payload as i64)
                                && let Some(value) = if $left {
                                    first.$checked2(other)
                                } else {
                                    other.$checked2(first)
                                }
                            {
                                set_int!(reg!(ip.add(1), base, 1), value, 2);
                            }
                        }
                        numbers!(left, right, $checked, $float);
                    }};
                }
                // A counter goes on and is compared.
                macro_rules! count {
                    ($checked:ident, $float:tt, $op:tt, $immediate:literal) => {{
                        let counter = reg!(ip, base, 1);
                        if (*counter).tag == tag::INT
                            && let Some(value) =
                                ((*counter).payload as i64).$checked(i64::from(field!(ip, 3) as i16))
                        {
                            (*counter).payload = value as u64;
                            ip = ip.add(1);
                            let limit = if $immediate {
                                i64::from(field!(ip, 2) as i16)
                            } else {
                                let limit = reg!(ip, base, 2);
                                if (*limit).tag != tag::INT {
                                    continue 'code;
                                }
                                (*limit).payload as i64
                            };
                            if value $op limit {
                                spend!(compare_target!());
                            }
                            next!()
                        }
                        arithmetic_immediate!($checked, $float)
                    }};
                }
                // The same with a step in a register.
                macro_rules! step {
                    ($op:tt) => {{
                        let counter = reg!(ip, base, 1);
                        let right = reg!(ip, base, 3);
                        let limit = reg!(ip.add(1), base, 2);
                        if (*counter).tag == tag::INT
                            && (*right).tag == tag::INT
                            && (*limit).tag == tag::INT
                            && let Some(value) =
                                ((*counter).payload as i64).checked_add((*right).payload as i64)
                        {
                            (*counter).payload = value as u64;
                            ip = ip.add(1);
                            if value $op ((*limit).payload as i64) {
                                spend!(compare_target!());
                            }
                            next!()
                        }
                        addition!(reg!(ip, base, 2), reg!(ip, base, 3))
                    }};
                }
                macro_rules! offset_index {
                    ($wrapping:ident, $checked:ident, $float:tt) => {{
                        let index = reg!(ip, base, 2);
                        let object = *reg!(ip.add(1), base, 2);
                        if (*index).tag == tag::INT && object.tag == tag::ARRAY {
                            let array = object.pointer::<Array>();
                            let at = ((*index).payload as i64).$wrapping(i64::from(field!(ip, 3) as i16));
                            if (at as usize) < (*array).len() {
                                let value = *(*array).items().add(at as usize);
                                *reg!(ip.add(1), base, 1) = value;
                                value.retain();
                                next!(2)
                            }
                        }
                        arithmetic_immediate!($checked, $float)
                    }};
                }
                // Goes on as the comparison of the remainder with an immediate says.
                macro_rules! remainder_jump {
                    ($divisor:expr, $sense:literal) => {{
                        let left = reg!(ip, base, 2);
                        if (*left).tag == tag::INT {
                            let divisor: i64 = $divisor;
                            if divisor > 0 {
                                let value = remainder((*left).payload as i64, divisor);
                                ip = ip.add(1);
                                if (value == i64::from(field!(ip, 2) as i16)) == $sense {
                                    spend!(compare_target!());
                                }
                                next!()
                            }
                        }
                        slow_arithmetic!()
                    }};
                }
                // The int in a register, or 0, which no fast path divides by.
                macro_rules! int_or_zero {
                    ($register:expr) => {{
                        let register = $register;
                        if (*register).tag == tag::INT {
                            (*register).payload as i64
                        } else {
                            0
                        }
                    }};
                }
                // The element that a `GetIndex` would get, where it is, if both are what they mostly are.
                macro_rules! element {
                    ($object:expr, $index:expr) => {{
                        let (object, index): (Raw, *const Raw) = ($object, $index);
                        let mut found: *mut Raw = std::ptr::null_mut();
                        if object.tag == tag::ARRAY && (*index).tag == tag::INT {
                            let array = object.pointer::<Array>();
                            let at = (*index).payload as usize;
                            if at < (*array).len() {
                                found = (*array).items().add(at).cast_mut();
                            }
                        }
                        found
                    }};
                }
                // Stores into an element of an element.
                macro_rules! nested_store {
                    ($value:expr) => {{
                        let row = element!(*reg!(ip, base, 2), reg!(ip, base, 3));
                        if !row.is_null() {
                            let slot = element!(*row, reg!(ip.add(1), base, 2));
                            if !slot.is_null() && !(*(*row).pointer::<Array>()).is_guarded() {
                                let value: Raw = $value;
                                let old = *slot;
                                *slot = value;
                                old.release();
                                next!(2)
                            }
                        }
                        get_index_alone!()
                    }};
                }
                macro_rules! get_field {
                    () => {{
                        let object = *reg!(ip, base, 2);
                        if object.tag == tag::INSTANCE {
                            let instance = object.pointer::<Header>();
                            if (*instance).shape.get() == *ip.add(1).cast::<u32>() {
                                let slot = instance
                                    .cast::<u8>()
                                    .add(Instance::SLOTS_OFFSET + field!(ip, 3) as usize);
                                let value = *slot.cast::<Raw>();
                                *reg!(ip, base, 1) = value;
                                value.retain();
                                next!(2)
                            }
                        } else if object.tag == tag::DICT {
                            let slot = member::record_slot(object, *ip.add(1).cast::<u32>(), field!(ip, 3));
                            if !slot.is_null() {
                                let value = *slot;
                                *reg!(ip, base, 1) = value;
                                value.retain();
                                next!(2)
                            }
                        }
                        vm.ip = ip;
                        vm.base = base;
                        let value = check!(member::get_field(vm, ip, object));
                        *reg!(ip, base, 1) = value;
                        next!(2)
                    }};
                }
                // The field that a `GetField` at `$ip` would get, where it is, if its cache knows the shape.
                macro_rules! field_slot {
                    ($object:expr, $ip:expr) => {{
                        let object: Raw = $object;
                        let mut found: *mut Raw = std::ptr::null_mut();
                        if object.tag == tag::INSTANCE {
                            let instance = object.pointer::<Header>();
                            if (*instance).shape.get() == *$ip.add(1).cast::<u32>() {
                                found = instance
                                    .cast::<u8>()
                                    .add(Instance::SLOTS_OFFSET + field!($ip, 3) as usize)
                                    .cast::<Raw>();
                            }
                        }
                        found
                    }};
                }
                // Returns the result of two numbers.
                macro_rules! return_number {
                    ($left:ident, $right:ident, $checked:ident, $float:tt) => {{
                        if (*$left).tag == tag::INT {
                            if (*$right).tag == tag::INT
                                && let Some(value) =
                                    ((*$left).payload as i64).$checked((*$right).payload as i64)
                            {
                                leave!(Raw::int(value));
                            }
                        } else if (*$left).tag == tag::FLOAT && (*$right).tag == tag::FLOAT {
                            let value =
                                f64::from_bits((*$left).payload) $float f64::from_bits((*$right).payload);
                            leave!(Raw::float(value));
                        }
                    }};
                }
                // An operator with a field on one side.
                macro_rules! field_operand {
                    ($other:literal, $checked:ident, $float:tt, $left:literal) => {{
                        let slot = field_slot!(*reg!(ip, base, 2), ip);
                        if !slot.is_null() {
                            let other = reg!(ip.add(2), base, $other);
                            let to = reg!(ip.add(2), base, 1);
                            if (*slot).tag == tag::FLOAT && (*other).tag == tag::FLOAT {
                                let (field, other) =
                                    (f64::from_bits((*slot).payload), f64::from_bits((*other).payload));
                                let value = if $left { field $float other } else { other $float field };
                                set_float!(to, value, 3);
                            }
                            if (*slot).tag == tag::INT && (*other).tag == tag::INT {
                                let (field, other) = ((*slot).payload as i64, (*other).payload as i64);
                                let value =
                                    if $left { field.$checked(other) } else { other.$checked(field) };
                                if let Some(value) = value {
                                    set_int!(to, value, 3);
                                }
                            }
                        }
                        get_field_alone!()
                    }};
                }
                macro_rules! product_to_field {
                    ($checked:ident, $float:tt) => {{
                        let (left, right) = (reg!(ip, base, 2), reg!(ip, base, 3));
                        if (*left).tag == tag::FLOAT && (*right).tag == tag::FLOAT {
                            let slot = field_slot!(*reg!(ip.add(1), base, 1), ip.add(1));
                            if !slot.is_null() && (*slot).tag == tag::FLOAT {
                                let product =
                                    f64::from_bits((*left).payload) * f64::from_bits((*right).payload);
                                let value = f64::from_bits((*slot).payload) $float product;
                                (*slot).payload = value.to_bits();
                                next!(4)
                            }
                        } else if (*left).tag == tag::INT && (*right).tag == tag::INT {
                            let slot = field_slot!(*reg!(ip.add(1), base, 1), ip.add(1));
                            if !slot.is_null()
                                && (*slot).tag == tag::INT
                                && let Some(product) =
                                    ((*left).payload as i64).checked_mul((*right).payload as i64)
                                && let Some(value) = ((*slot).payload as i64).$checked(product)
                            {
                                (*slot).payload = value as u64;
                                next!(4)
                            }
                        }
                        numbers!(left, right, checked_mul, *);
                        slow_arithmetic!()
                    }};
                }
                macro_rules! get_index {
                    () => {{
                        let object = *reg!(ip, base, 2);
                        let index = reg!(ip, base, 3);
                        if object.tag == tag::ARRAY && (*index).tag == tag::INT {
                            let array = object.pointer::<Array>();
                            let at = (*index).payload as usize;
                            if at < (*array).len() {
                                let value = *(*array).items().add(at);
                                *reg!(ip, base, 1) = value;
                                value.retain();
                                next!()
                            }
                        }
                        vm.ip = ip;
                        vm.base = base;
                        check!(member::index_into(vm, ip, base));
                        next!()
                    }};
                }
                // The first of a pair alone, out of line: nothing of it may claim registers.
                macro_rules! get_index_alone {
                    () => {{
                        vm.ip = ip;
                        vm.base = base;
                        check!(member::index_alone(vm, ip, base));
                        next!()
                    }};
                }
                macro_rules! get_field_alone {
                    () => {{
                        vm.ip = ip;
                        vm.base = base;
                        check!(member::field_alone(vm, ip, base));
                        next!(2)
                    }};
                }
                // Compares an element with a register.
                macro_rules! element_jump {
                    ($op:tt, $sense:literal) => {{
                        let slot = element!(*reg!(ip, base, 2), reg!(ip, base, 3));
                        if !slot.is_null() {
                            let right = reg!(ip.add(1), base, 2);
                            if (*slot).tag == tag::INT && (*right).tag == tag::INT {
                                let answer = ((*slot).payload as i64) $op ((*right).payload as i64);
                                ip = ip.add(1);
                                if answer == $sense {
                                    spend!(compare_target!());
                                }
                                next!()
                            }
                            if (*slot).tag == tag::FLOAT && (*right).tag == tag::FLOAT {
                                let answer =
                                    f64::from_bits((*slot).payload) $op f64::from_bits((*right).payload);
                                ip = ip.add(1);
                                if answer == $sense {
                                    spend!(compare_target!());
                                }
                                next!()
                            }
                        }
                        get_index_alone!()
                    }};
                }
                // Compares a character with a text of one character.
                macro_rules! character_jump {
                    ($sense:literal) => {{
                        let object = *reg!(ip, base, 2);
                        let index = reg!(ip, base, 3);
                        if object.tag == tag::STRING && (*index).tag == tag::INT {
                            let text = object.pointer::<aether_value::Str>();
                            let at = (*index).payload as usize;
                            let literal = vm.constants.add(field!(ip.add(1), 2) as usize);
                            if (*literal).tag == tag::STRING
                                && (*text).is_ascii()
                                && at < (*text).len_bytes()
                                && (*(*literal).pointer::<aether_value::Str>()).len_bytes() == 1
                            {
                                let literal = (*literal).pointer::<aether_value::Str>();
                                let equal = (*text).byte(at) == (*literal).byte(0);
                                ip = ip.add(1);
                                if equal == $sense {
                                    spend!(compare_target!());
                                }
                                next!()
                            }
                        }
                        get_index_alone!()
                    }};
                }
                // The length that `Len` gives without a call, or less than 0.
                macro_rules! length {
                    () => {{
                        let from = reg!(ip, base, 2);
                        let callee = *vm.globals.add(field!(ip, 3) as usize);
                        if callee.tag == tag::BUILTIN && callee.payload == vm.len_builtin {
                            match (*from).tag {
                                tag::ARRAY => (*(*from).pointer::<Array>()).len() as i64,
                                tag::STRING => (*(*from).pointer::<aether_value::Str>()).len_chars() as i64,
                                _ => -1,
                            }
                        } else {
                            -1
                        }
                    }};
                }
                macro_rules! len {
                    () => {{
                        let length = length!();
                        if length >= 0 {
                            let from = reg!(ip, base, 2);
                            let window = reg!(ip, base, 1);
                            (*window).payload = length as u64;
                            (*window).tag = tag::INT;
                            if from == window.add(1) {
                                take!(from).release();
                            }
                            next!()
                        }
                        flow!(1, call::call_len(vm, ip))
                    }};
                }
                macro_rules! push {
                    ($drops:literal) => {{
                        let array = reg!(ip, base, 2);
                        let value = reg!(ip, base, 3);
                        if (*array).tag == tag::ARRAY {
                            vm.ip = ip;
                            vm.base = base;
                            let value = take!(value).into_value();
                            check!((*(*array).pointer::<Array>()).push(value));
                            let window = reg!(ip, base, 1);
                            if array == window.add(1) {
                                take!(array).release();
                            }
                            if $drops {
                                next!(4)
                            }
                            *window = Raw::null();
                            next!(3)
                        }
                        flow!(3, call::call_push(vm, ip))
                    }};
                }

                if MODE == ONE && std::mem::replace(&mut is_done, true) {
                    vm.ip = ip;
                    vm.base = base;
                    vm.one_is_done = true;
                    return Ok(());
                }
                if MODE == STEPPED {
                    vm.ip = ip;
                    vm.base = base;
                    check!(vm.before_instruction());
                    if !vm.is_stepping() {
                        vm.switches_loop = true;
                        return Ok(());
                    }
                }
                let op: Op = std::mem::transmute::<u16, Op>(*ip.cast::<u16>());
                // Pairs hide where their second instruction begins.
                let op = if MODE == PLAIN { op } else { op.first() };
                // The arms stand in files by theme; each adds its own to those before it.
                macro_rules! arms {
                    ([] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
                        match op { $($arms)* }
                    };
                }
                values! {
                    [variables operators jumps fields elements calls construction iteration patterns control pairs arms]
                    vm ip base 'code {}
                }
            };
            vm.ip = ip;
            vm.base = base;
            if MODE == ONE {
                return Err(raise);
            }
            match vm.unwind(raise) {
                Ok(()) => {
                    ip = vm.ip;
                    base = vm.base;
                    continue 'frames;
                }
                Err(raise) => return Err(raise),
            }
        }
    }
}
