//! Single instructions that machine code has executed by a call, where it does not translate them: what the dispatch loop
//! would do for them, without the loop.
//!
//! Each function takes the machine, which stands at the instruction; the operation in its word is the original one or a
//! pair that begins with it. It answers [`NEXT`] when control goes on at the next instruction, [`TAKEN`] for a jump that
//! is taken, and [`LEFT`] when it goes on elsewhere: the machine says where, or why not.
#![expect(
    unsafe_code,
    reason = "works on the registers of the frame that machine code runs in"
)]

use aether_value::{Array, Raise, Raw, Str, tag};

use super::call::{self, take};
use super::iterate::NextItem;
use super::unwind::{code_of, word_of};
use super::{Flow, Vm, member};
use crate::bytecode::Op;
use crate::jit::operation_at;

pub(crate) const NEXT: u64 = 0;
pub(crate) const TAKEN: u64 = 1;
pub(crate) const LEFT: u64 = 2;

type Call = unsafe extern "C" fn(*mut Vm) -> u64;

/// Where the machine stands, for the functions here.
#[derive(Clone, Copy)]
struct At {
    ip: *mut u64,
    base: *mut u8,
}

impl At {
    fn of(vm: &Vm) -> Self {
        Self {
            ip: vm.ip,
            base: vm.base,
        }
    }

    /// The register that field `n` names.
    unsafe fn register(self, n: usize) -> *mut Raw {
        // SAFETY: the caller's instruction has a register in this field.
        unsafe { self.base.add(self.field(n) as usize).cast() }
    }

    /// The constant that field `n` names.
    unsafe fn constant(self, n: usize, vm: &Vm) -> *mut Raw {
        // SAFETY: the caller's instruction has a constant in this field.
        unsafe { vm.constants.add(self.field(n) as usize).cast_mut() }
    }

    unsafe fn field(self, n: usize) -> u16 {
        // SAFETY: a word has four fields.
        unsafe { *self.ip.cast::<u16>().add(n) }
    }

    unsafe fn wide(self) -> u32 {
        // SAFETY: as above.
        unsafe { *self.ip.cast::<u32>().add(1) }
    }
}

/// Tells machine code how an instruction ended.
#[inline(always)]
fn answer(vm: &mut Vm, result: Result<Flow, Raise>) -> u64 {
    if matches!(result, Ok(Flow::Next)) {
        NEXT
    } else {
        leaves(vm, result)
    }
}

/// Control goes on elsewhere.
#[cold]
#[inline(never)]
fn leaves(vm: &mut Vm, result: Result<Flow, Raise>) -> u64 {
    match result {
        Ok(Flow::Next | Flow::Switched) => {}
        Ok(Flow::Exit) => vm.set_jit_end(None),
        Err(raise) => vm.set_jit_end(Some(raise)),
    }
    LEFT
}

/// The same for an instruction that stays in its frame.
#[inline(always)]
fn stays(vm: &mut Vm, result: Result<(), Raise>) -> u64 {
    match result {
        Ok(()) => NEXT,
        Err(raise) => leaves(vm, Err(raise)),
    }
}

/// The same for a jump.
fn jumps(vm: &mut Vm, result: Result<bool, Raise>) -> u64 {
    match result {
        Ok(taken) => u64::from(taken),
        Err(raise) => leaves(vm, Err(raise)),
    }
}

macro_rules! calls {
    ($($(#[doc = $doc:literal])* fn $name:ident($vm:ident, $at:ident) -> $by:ident $body:block)*) => {
        $($(#[doc = $doc])* unsafe extern "C" fn $name(vm: *mut Vm) -> u64 {
            // SAFETY: machine code passes the machine that runs it, at an instruction that this function is for, whose
            // fields name registers of the frame; each count is moved or released once.
            unsafe {
                let $vm = &mut *vm;
                let $at = At::of($vm);
                let result = $body;
                $by($vm, result)
            }
        })*
    };
}

/// Whether the function for an operation reads the operation from its word.
pub(crate) fn reads_operation(op: Op) -> bool {
    let function = function_for(op);
    let reads = [Op::JumpLess, Op::GetIndex];
    reads.into_iter().any(|other| function == function_for(other))
}

/// The function that executes an operation, if there is one.
pub(crate) fn function_for(op: Op) -> Option<usize> {
    let call: Call = match op {
        Op::Add => add,
        Op::AddB => add_b,
        Op::AddC => add_c,
        Op::AddBC => add_bc,
        Op::AddK => add_k,
        Op::AddLeftK => add_left_k,
        Op::AddLeftKC => add_left_kc,
        Op::AddI
        | Op::Subtract
        | Op::SubtractI
        | Op::SubtractK
        | Op::SubtractLeftK
        | Op::Multiply
        | Op::MultiplyI
        | Op::MultiplyK
        | Op::MultiplyLeftK
        | Op::Divide
        | Op::DivideI
        | Op::DivideK
        | Op::DivideLeftK
        | Op::Remainder
        | Op::RemainderI
        | Op::RemainderK
        | Op::Power
        | Op::ShiftLeft
        | Op::ShiftRight
        | Op::BitAnd
        | Op::BitXor
        | Op::BitOr
        | Op::Negate
        | Op::BitNot => arithmetic,
        Op::Equal => equal,
        Op::NotEqual => not_equal,
        Op::Assign => assign,
        Op::AssignCopy => assign_copy,
        Op::Drop => drop_one,
        Op::Drop2 => drop_two,
        Op::Drop3 => drop_three,
        Op::SetGlobal => set_global,
        Op::DeclareGlobal => declare_global,
        Op::GetIndex => get_index,
        Op::GetIndexT => get_index_t,
        Op::GetIndexC => get_index_c,
        Op::GetIndexTC => get_index_tc,
        Op::SetIndex => set_index,
        Op::SetIndexC => set_index_c,
        Op::SetIndexMove => set_index_move,
        Op::SetIndexMoveC => set_index_move_c,
        Op::GetField | Op::GetFieldT => get_field,
        Op::SetField => set_field,
        Op::SetFieldMove => set_field_move,
        Op::Instance => instance,
        Op::Array => array,
        Op::Concat => concat,
        Op::Closure => closure,
        Op::Record => record,
        Op::Dict => dict,
        Op::Entry => entry,
        Op::Append => append,
        Op::NewCell => new_cell,
        Op::Iterate => iterate,
        Op::Slice => slice,
        Op::CallGlobal => call_global,
        Op::CallMethod => call_method,
        Op::CallMethod1 => call_method_1,
        Op::Push => push,
        Op::JumpEqual => jump_equal,
        Op::JumpNotEqual => jump_not_equal,
        Op::JumpEqualK => jump_equal_constant,
        Op::JumpNotEqualK => jump_not_equal_constant,
        Op::JumpIfNull => jump_if_null,
        Op::JumpIfNotNull => jump_if_not_null,
        Op::IterateRange => iterate_range,
        Op::JumpUnlessLiteral => jump_unless_literal,
        Op::JumpUnlessWithin => jump_unless_within,
        Op::JumpUnlessArray => jump_unless_array,
        Op::JumpUnlessDict => jump_unless_dict,
        Op::JumpUnlessVariant => jump_unless_variant,
        Op::Payload => payload,
        Op::ElementOrNull => element_or_null,
        Op::Len => len,
        Op::LoadConst => load_constant,
        Op::JumpLess
        | Op::JumpLessEqual
        | Op::JumpGreater
        | Op::JumpGreaterEqual
        | Op::JumpNotLess
        | Op::JumpNotLessEqual
        | Op::JumpNotGreater
        | Op::JumpNotGreaterEqual => jump_compare,
        Op::JumpIf => jump_if,
        Op::JumpIfNot => jump_if_not,
        Op::Next | Op::NextInt => next,
        _ => return None,
    };
    Some(call as *const () as usize)
}

calls! {
    fn add(vm, at) -> stays {
        add_operands(vm, at, Op::Add, at.register(2), at.register(3))
    }

    fn add_b(vm, at) -> stays {
        add_operands(vm, at, Op::AddB, at.register(2), at.register(3))
    }

    fn add_c(vm, at) -> stays {
        add_operands(vm, at, Op::AddC, at.register(2), at.register(3))
    }

    fn add_bc(vm, at) -> stays {
        add_operands(vm, at, Op::AddBC, at.register(2), at.register(3))
    }

    fn add_k(vm, at) -> stays {
        add_operands(vm, at, Op::AddK, at.register(2), at.constant(3, vm))
    }

    fn add_left_k(vm, at) -> stays {
        add_operands(vm, at, Op::AddLeftK, at.constant(2, vm), at.register(3))
    }

    fn add_left_kc(vm, at) -> stays {
        add_operands(vm, at, Op::AddLeftKC, at.constant(2, vm), at.register(3))
    }

    fn arithmetic(vm, at) -> stays {
        vm.arithmetic(at.ip, at.base)
    }

    fn equal(vm, at) -> stays {
        let answer = vm.equal(at.register(2), at.register(3));
        answer.map(|answer| *at.register(1) = Raw::bool(answer))
    }

    fn not_equal(vm, at) -> stays {
        let answer = vm.equal(at.register(2), at.register(3));
        answer.map(|answer| *at.register(1) = Raw::bool(!answer))
    }

    fn assign(_vm, at) -> stays {
        let value = take(at.register(2));
        let to = at.register(1);
        let old = *to;
        *to = value;
        old.release();
        Ok(())
    }

    fn assign_copy(_vm, at) -> stays {
        let value = *at.register(2);
        value.retain();
        let to = at.register(1);
        let old = *to;
        *to = value;
        old.release();
        Ok(())
    }

    fn drop_one(_vm, at) -> stays {
        drop_register(at, 1);
        Ok(())
    }

    fn drop_two(_vm, at) -> stays {
        drop_register(at, 1);
        drop_register(at, 2);
        Ok(())
    }

    fn drop_three(_vm, at) -> stays {
        drop_register(at, 1);
        drop_register(at, 2);
        drop_register(at, 3);
        Ok(())
    }

    fn set_global(vm, at) -> stays {
        vm.store_global(at.ip, at.base, false)
    }

    fn declare_global(vm, at) -> stays {
        vm.store_global(at.ip, at.base, true)
    }

    fn get_index(vm, at) -> stays {
        look_up(vm, at, false, false)
    }

    fn get_index_t(vm, at) -> stays {
        look_up(vm, at, true, false)
    }

    fn get_index_c(vm, at) -> stays {
        look_up(vm, at, false, true)
    }

    fn get_index_tc(vm, at) -> stays {
        look_up(vm, at, true, true)
    }

    fn set_index(vm, at) -> stays {
        store_element(vm, at, false, false)
    }

    fn set_index_c(vm, at) -> stays {
        store_element(vm, at, false, true)
    }

    fn set_index_move(vm, at) -> stays {
        store_element(vm, at, true, false)
    }

    fn set_index_move_c(vm, at) -> stays {
        store_element(vm, at, true, true)
    }

    fn get_field(vm, at) -> stays {
        let (to, from) = (at.register(1), at.register(2));
        let object = *from;
        let slot = member::cached_slot(object, *at.ip.add(1) as u32, at.field(3));
        let found = if slot.is_null() {
            member::get_field(vm, at.ip, object)
        } else {
            (*slot).retain();
            Ok(*slot)
        };
        found.map(|value| {
            *to = value;
            if to == from {
                object.release();
            }
        })
    }

    fn set_field(vm, at) -> stays {
        store_field(vm, at, false)
    }

    fn set_field_move(vm, at) -> stays {
        store_field(vm, at, true)
    }

    fn instance(vm, at) -> answer {
        vm.make_instance(at.register(1), at.field(3) as usize, *at.ip.add(1) as u32)
    }

    fn array(vm, at) -> stays {
        let made = vm.make_array(at.register(2), at.field(3) as usize);
        made.map(|value| *at.register(1) = value)
    }

    fn concat(vm, at) -> stays {
        let made = vm.concat(at.register(2), at.field(3) as usize);
        made.map(|value| *at.register(1) = value)
    }

    fn closure(vm, at) -> stays {
        let made = vm.make_closure(at.base, at.field(2));
        made.map(|value| *at.register(1) = value)
    }

    fn record(vm, at) -> stays {
        vm.new_record(at.ip, at.base)
    }

    fn dict(vm, at) -> stays {
        vm.new_dict(at.ip, at.base)
    }

    fn entry(vm, at) -> stays {
        vm.dict_entry(at.ip, at.base)
    }

    fn append(vm, at) -> stays {
        vm.append(at.ip, at.base)
    }

    fn new_cell(vm, at) -> stays {
        vm.new_cell(at.ip, at.base)
    }

    fn iterate(vm, at) -> stays {
        vm.iterate(at.register(1))
    }

    fn slice(vm, at) -> stays {
        let made = member::slice(vm, at.register(2));
        made.map(|value| *at.register(1) = value)
    }

    /// A call of a built-in.
    fn call_global(vm, at) -> answer {
        let callee = *vm.globals.add(at.field(2) as usize);
        let argc = at.field(3);
        if callee.tag == tag::BUILTIN {
            match call::call_plain_builtin(vm, callee, at.register(1), argc) {
                Ok(true) => Ok(Flow::Next),
                Ok(false) => call::call_builtin(vm, callee, at.field(1), argc, 1),
                Err(raise) => Err(raise),
            }
        } else {
            Ok(step(vm))
        }
    }

    /// A call of a method of a built-in type.
    fn call_method(vm, at) -> answer {
        let window = at.register(1);
        let receiver = *window.add(1);
        if call::remembers_builtin(at.ip, receiver.tag) {
            call::call_remembered(vm, at.ip, window, at.field(2)).map(|()| Flow::Next)
        } else {
            Ok(step(vm))
        }
    }

    fn call_method_1(vm, at) -> answer {
        let window = at.register(1);
        let (receiver, argument) = (at.register(2), at.register(3));
        let is_table = matches!((*receiver).tag, tag::DICT | tag::SET);
        let found = if is_table {
            call::lookup(vm, at.ip, *receiver, *argument)
        } else {
            Raw::unset()
        };
        if found.tag != tag::UNSET {
            if receiver == window.add(1) {
                take(receiver).release();
            }
            if argument == window.add(2) {
                take(argument).release();
            }
            *window = found;
            Ok(Flow::Next)
        } else if call::remembers_builtin(at.ip, (*receiver).tag) {
            if receiver != window.add(1) {
                (*receiver).retain();
                *window.add(1) = *receiver;
            }
            if argument != window.add(2) {
                (*argument).retain();
                *window.add(2) = *argument;
            }
            call::call_remembered(vm, at.ip, window, 1).map(|()| Flow::Next)
        } else {
            Ok(step(vm))
        }
    }

    fn push(vm, at) -> answer {
        let (window, array, value) = (at.register(1), at.register(2), at.register(3));
        if (*array).tag == tag::ARRAY {
            let value = take(value).into_value();
            (*(*array).pointer::<Array>()).push(value).map(|()| {
                if array == window.add(1) {
                    take(array).release();
                }
                *window = Raw::null();
                Flow::Next
            })
        } else {
            Ok(step(vm))
        }
    }

    fn jump_equal(vm, at) -> jumps {
        vm.equal_consuming(at.ip, at.register(1), at.register(2))
    }

    fn jump_not_equal(vm, at) -> jumps {
        vm.equal_consuming(at.ip, at.register(1), at.register(2)).map(|equal| !equal)
    }

    fn jump_equal_constant(vm, at) -> jumps {
        equals(vm, at, at.constant(2, vm))
    }

    fn jump_not_equal_constant(vm, at) -> jumps {
        equals(vm, at, at.constant(2, vm)).map(|equal| !equal)
    }

    /// An order of two registers that are not two ints or two floats.
    fn jump_compare(vm, at) -> jumps {
        let negates = matches!(
            Op::of(*at.ip),
            Op::JumpNotLess | Op::JumpNotLessEqual | Op::JumpNotGreater | Op::JumpNotGreaterEqual
        );
        let answer = vm.compare_consuming(at.ip, at.register(1), at.register(2));
        answer.map(|answer| answer != negates)
    }

    fn jump_if_null(_vm, at) -> jumps {
        Ok(is_null(at))
    }

    fn jump_if_not_null(_vm, at) -> jumps {
        Ok(!is_null(at))
    }

    fn iterate_range(vm, at) -> jumps {
        Ok(vm.iterate_range(at.register(1), at.field(2)))
    }

    fn jump_unless_literal(vm, at) -> jumps {
        let (value, literal) = (at.register(1), at.constant(2, vm));
        if (*value).tag == (*literal).tag {
            vm.equal(value, literal).map(|equal| !equal)
        } else {
            Ok(true)
        }
    }

    fn jump_unless_within(_vm, at) -> jumps {
        let value = *at.register(1);
        let (first, last) = (*at.ip.add(1) as i64, *at.ip.add(2) as i64);
        Ok(value.tag != tag::INT || !(first..=last).contains(&(value.payload as i64)))
    }

    fn jump_unless_array(_vm, at) -> jumps {
        let (value, count) = (*at.register(1), at.field(2) as usize);
        Ok(value.tag != tag::ARRAY || {
            let len = (*value.pointer::<Array>()).len();
            !(len == count || *at.ip.add(1) != 0 && len > count)
        })
    }

    fn jump_unless_dict(_vm, at) -> jumps {
        Ok((*at.register(1)).tag != tag::DICT)
    }

    fn jump_unless_variant(vm, at) -> jumps {
        let (value, names) = (*at.register(1), *at.ip.add(1));
        Ok(value.tag != tag::ENUM_VALUE || {
            let info = value.object::<aether_value::EnumValue>().info();
            // Mostly the same text, or one of another length.
            let name = vm.tables.text((names >> 32) as u32);
            info.name.as_str().len() != name.as_str().len() || !vm.is_variant(value, names)
        })
    }

    fn payload(_vm, at) -> stays {
        let payload = (*(*at.register(2)).pointer::<aether_value::EnumValue>()).payload();
        let value = payload
            .get(at.field(3) as usize)
            .map_or(Raw::null(), |value| *std::ptr::from_ref(value).cast::<Raw>());
        value.retain();
        *at.register(1) = value;
        Ok(())
    }

    fn element_or_null(_vm, at) -> stays {
        let array = (*at.register(2)).pointer::<Array>();
        let place = at.field(3) as usize;
        let mut value = Raw::null();
        if place < (*array).len() {
            value = *(*array).items().add(place);
            value.retain();
        }
        *at.register(1) = value;
        Ok(())
    }

    /// The length of what is neither an array nor a text.
    fn len(vm, at) -> answer {
        call::call_len(vm, at.ip)
    }

    fn load_constant(vm, at) -> stays {
        let value = *vm.constants.add(at.wide() as usize);
        *at.register(1) = value;
        value.retain();
        Ok(())
    }

    fn jump_if(_vm, at) -> jumps {
        Ok(truth(at))
    }

    fn jump_if_not(_vm, at) -> jumps {
        Ok(!truth(at))
    }

    /// The next item of a loop: [`TAKEN`] if there is one.
    fn next(vm, at) -> turn {
        let state = at.register(1);
        if (*state).tag == tag::INT {
            Ok(count(state))
        } else {
            vm.next_item(state)
        }
    }
}

/// An addition, of texts as a rule: machine code adds numbers itself.
#[inline(never)]
unsafe fn add_operands(vm: &mut Vm, at: At, op: Op, left: *mut Raw, right: *mut Raw) -> Result<(), Raise> {
    // SAFETY: the operands are values.
    unsafe { vm.add_texts(op, at.ip, at.base, left, right) }
}

/// A turn of a loop that counts.
unsafe fn count(state: *mut Raw) -> NextItem {
    // SAFETY: the state's registers are the position, the end and the item.
    unsafe {
        let item = state.add(2);
        if (*item).is_counted() {
            take(item).release();
        }
        let now = (*state).payload as i64;
        if now >= (*state.add(1)).payload as i64 {
            (*state).tag = tag::NULL;
            return NextItem::End;
        }
        (*state).payload = (now + 1) as u64;
        *item = Raw::int(now);
        NextItem::Item
    }
}

/// How a turn of a loop ended.
fn turn(vm: &mut Vm, result: Result<NextItem, Raise>) -> u64 {
    match result {
        Ok(NextItem::Item) => TAKEN,
        Ok(NextItem::End) => NEXT,
        Ok(NextItem::Methods) => {
            // The loop goes on at the word after the next.
            // SAFETY: two words follow.
            vm.ip = unsafe { vm.ip.add(2) };
            LEFT
        }
        Ok(NextItem::Entered) => LEFT,
        Err(raise) => leaves(vm, Err(raise)),
    }
}

/// Lets the dispatch loop execute the instruction; what comes of it has been told when control goes on elsewhere.
fn step(vm: &mut Vm) -> Flow {
    // SAFETY: the machine stands at an instruction of the frame that runs.
    let (length, distance) = unsafe {
        let (ip, base) = (vm.ip, vm.base);
        let length = code_of(base).map_or(1, |code| operation_at(code, word_of(code, ip)).first().words());
        (length, vm.step_in_code())
    };
    let goes_on = distance == Some(length as isize);
    if goes_on { Flow::Next } else { Flow::Switched }
}

unsafe fn drop_register(at: At, n: usize) {
    // SAFETY: the caller's instruction has a register in this field.
    unsafe {
        let register = at.register(n);
        if (*register).is_counted() {
            take(register).release();
        }
    }
}

/// Whether the first operand of a jump equals another value. Most texts differ in their length.
unsafe fn equals(vm: &mut Vm, at: At, right: *mut Raw) -> Result<bool, Raise> {
    // SAFETY: the operands are values.
    unsafe {
        let left = at.register(1);
        if (*left).tag == tag::STRING && (*right).tag == tag::STRING {
            let (one, two) = ((*left).pointer::<Str>(), (*right).pointer::<Str>());
            if (*one).len_bytes() != (*two).len_bytes() {
                if at.field(3) & 1 != 0 {
                    take(left).release();
                }
                return Ok(false);
            }
        }
        vm.equal_consuming(at.ip, left, right)
    }
}

/// Whether the operand of a jump is null; it is consumed if its flag says so.
unsafe fn is_null(at: At) -> bool {
    // SAFETY: the instruction's operand is a value.
    unsafe {
        let value = at.register(1);
        let is_null = (*value).tag == tag::NULL;
        if at.wide() & 1 != 0 && (*value).is_counted() {
            take(value).release();
        }
        is_null
    }
}

unsafe fn truth(at: At) -> bool {
    // SAFETY: the instruction's operand is a value.
    unsafe {
        let value = at.register(1);
        let truthy = (*value).as_value().truthy();
        if at.wide() & 1 != 0 && (*value).is_counted() {
            take(value).release();
        }
        truthy
    }
}

/// `R[a] = R[b][R[c]]`.
unsafe fn look_up(vm: &mut Vm, at: At, takes_object: bool, takes_index: bool) -> Result<(), Raise> {
    // SAFETY: the operands are values.
    unsafe {
        let (object, index) = (*at.register(2), at.register(3));
        if object.tag == tag::ARRAY && (*index).tag == tag::INT {
            let array = object.pointer::<Array>();
            let place = (*index).payload as usize;
            if place < (*array).len() {
                let value = *(*array).items().add(place);
                *at.register(1) = value;
                value.retain();
                if takes_object {
                    object.release();
                }
                return Ok(());
            }
        }
        if takes_object || takes_index {
            member::index_consuming(vm, at.ip, at.base, takes_object, takes_index)
        } else {
            member::index_into(vm, at.ip, at.base)
        }
    }
}

/// `R[a][R[b]] = R[c]`.
unsafe fn store_element(vm: &mut Vm, at: At, moves: bool, consumes: bool) -> Result<(), Raise> {
    // SAFETY: the operands are values.
    unsafe {
        let (object, index, from) = (*at.register(1), at.register(2), at.register(3));
        if object.tag == tag::ARRAY && (*index).tag == tag::INT {
            let array = object.pointer::<Array>();
            let place = (*index).payload as usize;
            if place < (*array).len() && !(*array).is_guarded() {
                store((*array).items().add(place).cast_mut(), from, moves);
                return Ok(());
            }
        }
        if object.tag != tag::DICT || !member::set_entry(vm, object, index, from, moves)? {
            member::set_index(vm, object, index, from, moves)?;
        }
        if consumes {
            take(index).release();
        }
        Ok(())
    }
}

/// Puts a register's value into a place, and releases what was there.
unsafe fn store(place: *mut Raw, from: *mut Raw, moves: bool) {
    // SAFETY: both are values.
    unsafe {
        let value = *from;
        let old = *place;
        *place = value;
        if moves {
            (*from).tag = tag::NULL;
        } else {
            value.retain();
        }
        old.release();
    }
}

/// `R[a].name = R[b]`.
unsafe fn store_field(vm: &mut Vm, at: At, moves: bool) -> Result<(), Raise> {
    // SAFETY: the operands are values; a cached slot is one of every object of the shape.
    unsafe {
        let (object, from) = (*at.register(1), at.register(2));
        let slot = member::cached_slot(object, *at.ip.add(1) as u32, at.field(3));
        if slot.is_null() {
            return member::set_field(vm, at.ip, object, from, moves);
        }
        store(slot, from, moves);
        Ok(())
    }
}
