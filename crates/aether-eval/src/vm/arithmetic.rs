//! The uncommon cases of operators: mixed numbers, strings, errors.
#![expect(
    unsafe_code,
    reason = "reads operands from registers as the dispatch loop does"
)]

use aether_value::{
    ErrorKind, Heap, Operator, Raise, Raw, Rc, Str, StrBuilder, Value, compare_order, decimal, display, tag,
    try_equal,
};
use std::cmp::Ordering;

use super::native::operation;
use super::{Vm, call};
use crate::bytecode::{Op, fields};

/// Length of a text, in bytes, from which making it counts as work.
const LONG: usize = 512;

/// Where the right operand of an instruction is, or the left one of the `LeftK` forms.
#[derive(Clone, Copy)]
enum Form {
    Registers,
    Immediate,
    Constant,
    LeftConstant,
    Unary,
}

fn decode(op: Op) -> (Operator, Form) {
    match op {
        Op::Add | Op::AddB | Op::AddC | Op::AddBC => (Operator::Add, Form::Registers),
        Op::AddK => (Operator::Add, Form::Constant),
        Op::AddLeftK | Op::AddLeftKC => (Operator::Add, Form::LeftConstant),
        Op::AddI => (Operator::Add, Form::Immediate),
        Op::Subtract => (Operator::Subtract, Form::Registers),
        Op::SubtractI => (Operator::Subtract, Form::Immediate),
        Op::SubtractK => (Operator::Subtract, Form::Constant),
        Op::SubtractLeftK => (Operator::Subtract, Form::LeftConstant),
        Op::Multiply => (Operator::Multiply, Form::Registers),
        Op::MultiplyI => (Operator::Multiply, Form::Immediate),
        Op::MultiplyK => (Operator::Multiply, Form::Constant),
        Op::MultiplyLeftK => (Operator::Multiply, Form::LeftConstant),
        Op::Divide => (Operator::Divide, Form::Registers),
        Op::DivideI => (Operator::Divide, Form::Immediate),
        Op::DivideK => (Operator::Divide, Form::Constant),
        Op::DivideLeftK => (Operator::Divide, Form::LeftConstant),
        Op::Remainder => (Operator::Remainder, Form::Registers),
        Op::RemainderI => (Operator::Remainder, Form::Immediate),
        Op::RemainderK => (Operator::Remainder, Form::Constant),
        Op::Power => (Operator::Power, Form::Registers),
        Op::ShiftLeft => (Operator::ShiftLeft, Form::Registers),
        Op::ShiftRight => (Operator::ShiftRight, Form::Registers),
        Op::BitAnd => (Operator::BitAnd, Form::Registers),
        Op::BitXor => (Operator::BitXor, Form::Registers),
        Op::BitOr => (Operator::BitOr, Form::Registers),
        Op::Negate => (Operator::Negate, Form::Unary),
        _ => (Operator::BitNot, Form::Unary),
    }
}

impl Vm {
    /// Executes an addition whose operands are not two ints or two floats, or whose sum does not fit.
    ///
    /// # Safety
    /// `ip` is an addition of `left` and `right`, and `base` its frame.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn add(
        &mut self,
        ip: *mut u64,
        base: *mut u8,
        left: *mut Raw,
        right: *mut Raw,
    ) -> Result<(), Raise> {
        // SAFETY: the caller's promise.
        unsafe { self.add_texts(operation(ip, base), ip, base, left, right) }
    }

    /// The same where it is known which addition it is.
    ///
    /// # Safety
    /// As [`Vm::add`]; `op` is the instruction's.
    #[inline(always)]
    pub(super) unsafe fn add_texts(
        &mut self,
        op: Op,
        ip: *mut u64,
        base: *mut u8,
        left: *mut Raw,
        right: *mut Raw,
    ) -> Result<(), Raise> {
        // SAFETY: the operands are values; each count is moved or released once.
        unsafe {
            if (*left).tag != tag::STRING || (*right).tag != tag::STRING {
                return self.arithmetic(ip, base);
            }
            let to = base.add(fields(*ip).0 as usize).cast::<Raw>();
            let left_dies = matches!(op, Op::AddB | Op::AddBC) || (op == Op::AddK && left == to);
            let (head, tail) = ((*left).object::<Str>(), (*right).object::<Str>());
            let len = head.len_bytes() + tail.len_bytes();
            let value = if left_dies && len > Str::SHORT && Str::try_extend(head, tail) {
                call::take(left)
            } else if left_dies && len > Str::SHORT && head.is_unique() {
                // Grows with room to spare.
                return self.arithmetic(ip, base);
            } else {
                match self.heap.add_strings(head, tail, left_dies)? {
                    None => call::take(left),
                    Some(made) => {
                        if len >= LONG {
                            self.settle_work();
                        }
                        if left_dies {
                            call::take(left).release();
                        }
                        Raw::from_rc(made)
                    }
                }
            };
            if matches!(op, Op::AddC | Op::AddBC | Op::AddLeftKC) {
                call::take(right).release();
            }
            *to = value;
            Ok(())
        }
    }

    /// Executes an arithmetic instruction whose operands are not two ints or two floats, or whose result does not
    /// fit. On an error no operand has been touched.
    ///
    /// # Safety
    /// `ip` is such an instruction and `base` its frame.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn arithmetic(&mut self, ip: *mut u64, base: *mut u8) -> Result<(), Raise> {
        // SAFETY: the operands are the instruction's registers and constants.
        unsafe {
            let word = *ip;
            let op = operation(ip, base);
            let (a, b, c) = fields(word);
            let register = |field: u16| base.add(field as usize).cast::<Raw>();
            let constant = |field: u16| self.constants.add(field as usize).cast_mut();
            let (operator, form) = decode(op);
            let mut immediate = Raw::int(i64::from(c as i16));
            let (left, right) = match form {
                Form::Registers => (register(b), register(c)),
                Form::Immediate => (register(b), &raw mut immediate),
                Form::Constant => (register(b), constant(c)),
                Form::LeftConstant => (constant(b), register(c)),
                Form::Unary => (register(b), register(b)),
            };
            let to = register(a);
            if operator == Operator::Add && ((*left).tag == tag::STRING || (*right).tag == tag::STRING) {
                let in_place = matches!(form, Form::Immediate | Form::Constant) && left == to;
                let left_dies = matches!(op, Op::AddB | Op::AddBC) || in_place;
                let right_dies = matches!(op, Op::AddC | Op::AddBC | Op::AddLeftKC);
                let value = self.concatenate(left, right, left_dies)?;
                if right_dies {
                    let old = *right;
                    (*right).tag = tag::NULL;
                    old.release();
                }
                *to = value;
                return Ok(());
            }
            *to = compute(operator, (*left).as_value(), (*right).as_value())?;
            Ok(())
        }
    }

    /// `left + right` where one is a string. If `left` dies, it is taken, and extended in place when nobody else
    /// holds it.
    unsafe fn concatenate(&mut self, left: *mut Raw, right: *mut Raw, left_dies: bool) -> Result<Raw, Raise> {
        // SAFETY: the caller's promise.
        let result = unsafe { self.concatenate_texts(left, right, left_dies) };
        self.settle_work();
        result
    }

    unsafe fn concatenate_texts(
        &mut self,
        left: *mut Raw,
        right: *mut Raw,
        left_dies: bool,
    ) -> Result<Raw, Raise> {
        // SAFETY: both are values; a dying left operand's count passes to the appended string.
        unsafe {
            if (*left).tag != tag::STRING {
                let mut out = StrBuilder::new(&self.heap);
                display(&self.heap, (*left).as_value(), &mut out)?;
                let Value::String(tail) = (*right).as_value() else {
                    unreachable!("one side is a string")
                };
                out.push_str(tail.as_str())?;
                let value = Raw::from_value(Value::String(out.finish()?));
                if left_dies {
                    let old = *left;
                    (*left).tag = tag::NULL;
                    old.release();
                }
                return Ok(value);
            }
            let text;
            let mut digits = [0_u8; 20];
            let tail: &str = match (*right).as_value() {
                Value::String(tail) => {
                    text = tail.clone();
                    text.as_str()
                }
                Value::Int(value) => decimal(*value, &mut digits),
                other => {
                    text = aether_value::display_text(&self.heap, other)?;
                    text.as_str()
                }
            };
            if left_dies {
                let head = (*left).into_value();
                (*left).tag = tag::NULL;
                let Value::String(head) = head else {
                    unreachable!("checked above")
                };
                return match Str::append(&self.heap, head, tail) {
                    Ok(value) => Ok(Raw::from_rc(value)),
                    Err((head, raise)) => {
                        *left = Raw::from_rc(head);
                        Err(raise)
                    }
                };
            }
            let head = (*left).object::<Str>();
            Ok(Raw::from_rc(self.heap.concat(head.as_str(), tail)?))
        }
    }

    /// `place = place + right`, where `old` holds what the place held when it was read. Takes both on success.
    ///
    /// # Safety
    /// All three are values in live memory.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn add_to_place(
        &mut self,
        place: *mut Raw,
        old: *mut Raw,
        right: *mut Raw,
    ) -> Result<(), Raise> {
        // SAFETY: the caller's promise; each count is moved once.
        unsafe {
            let value = if (*old).tag == tag::STRING && Raw::same(*place, *old) {
                // The place gives up its count for the moment, so that the string may be extended in place.
                let kept = *place;
                (*place).tag = tag::NULL;
                kept.release();
                match self.concatenate(old, right, true) {
                    Ok(value) => value,
                    Err(raise) => {
                        (*old).retain();
                        *place = *old;
                        return Err(raise);
                    }
                }
            } else {
                let value = self.add_values(&*old, &*right)?;
                let taken = *old;
                (*old).tag = tag::NULL;
                taken.release();
                value
            };
            let before = *place;
            *place = value;
            before.release();
            let taken = *right;
            (*right).tag = tag::NULL;
            taken.release();
            Ok(())
        }
    }

    /// `left + right` of any values.
    pub(super) fn add_values(&mut self, left: &Raw, right: &Raw) -> Result<Raw, Raise> {
        // SAFETY: both are values, only read.
        unsafe {
            if left.tag == tag::STRING || right.tag == tag::STRING {
                let (mut left, mut right) = (*left, *right);
                return self.concatenate(&raw mut left, &raw mut right, false);
            }
            compute(Operator::Add, left.as_value(), right.as_value())
        }
    }

    /// `left - right` of any values.
    pub(super) fn subtract_values(left: &Raw, right: &Raw) -> Result<Raw, Raise> {
        // SAFETY: both are values, only read.
        unsafe { compute(Operator::Subtract, left.as_value(), right.as_value()) }
    }

    /// The same for a cell's value.
    ///
    /// # Safety
    /// `cell` is a cell, the others values in registers.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn add_to_cell(
        &mut self,
        cell: Raw,
        old: *mut Raw,
        right: *mut Raw,
    ) -> Result<(), Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            let cell = cell.object::<aether_value::Cell>();
            let mut place = cell.replace_raw(Raw::null());
            let result = self.add_to_place(&raw mut place, old, right);
            cell.replace_raw(place);
            result
        }
    }

    // --- comparison ---

    /// Compares for the ordering instruction at `ip`.
    ///
    /// # Safety
    /// `ip` is an ordering instruction, the operands values.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn compare(
        &mut self,
        ip: *mut u64,
        left: *mut Raw,
        right: *mut Raw,
    ) -> Result<bool, Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            let (left, right) = ((*left).as_value(), (*right).as_value());
            let ordering = match (left, right) {
                (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
                    compare_order(left, right)
                }
                (Value::String(left), Value::String(right)) => {
                    let order = left.try_order(right);
                    self.settle_work();
                    Some(order?)
                }
                // Only natives compare with natives: what compares with a number is one.
                (Value::Native(native), Value::Native(_))
                    if let Some(order) = native.get().order(right)? =>
                {
                    Some(order)
                }
                _ => {
                    return Err(Raise::type_error2(
                        "comparable types",
                        &left.type_name(),
                        &right.type_name(),
                    ));
                }
            };
            let Some(ordering) = ordering else {
                return Ok(false);
            };
            Ok(match Op::of(*ip) {
                Op::Less
                | Op::JumpLess
                | Op::JumpNotLess
                | Op::JumpLessI
                | Op::JumpNotLessI
                | Op::JumpLessK
                | Op::JumpNotLessK => ordering == Ordering::Less,
                Op::LessEqual
                | Op::JumpLessEqual
                | Op::JumpNotLessEqual
                | Op::JumpLessEqualI
                | Op::JumpNotLessEqualI
                | Op::JumpLessEqualK
                | Op::JumpNotLessEqualK => ordering != Ordering::Greater,
                Op::Greater
                | Op::JumpGreater
                | Op::JumpNotGreater
                | Op::JumpGreaterI
                | Op::JumpNotGreaterI
                | Op::JumpGreaterK
                | Op::JumpNotGreaterK => ordering == Ordering::Greater,
                _ => ordering != Ordering::Less,
            })
        }
    }

    /// The same for a jump, which consumes the operands that its flags name.
    ///
    /// # Safety
    /// As [`Self::compare`].
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn compare_consuming(
        &mut self,
        ip: *mut u64,
        left: *mut Raw,
        right: *mut Raw,
    ) -> Result<bool, Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            let answer = self.compare(ip, left, right)?;
            consume(ip, left, right);
            Ok(answer)
        }
    }

    /// `==`.
    ///
    /// # Errors
    /// A limit has been reached, or the run was interrupted.
    ///
    /// # Safety
    /// Both are values.
    #[inline(never)]
    pub(super) unsafe fn equal(&mut self, left: *mut Raw, right: *mut Raw) -> Result<bool, Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            // What takes no time can neither end early nor count as work, and settles none: machine code does it alone.
            let answer = if (*left).tag == tag::STRING && (*right).tag == tag::STRING {
                let (left, right) = ((*left).object::<Str>(), (*right).object::<Str>());
                let len = left.len_bytes();
                if len <= Str::SHORT || len != right.len_bytes() {
                    return Ok(left.equals(right));
                }
                left.try_equals(right)
            } else {
                let answer = try_equal((*left).as_value(), (*right).as_value());
                if !(*left).is_counted() && !(*right).is_counted() {
                    return answer;
                }
                answer
            };
            self.settle_work();
            answer
        }
    }

    /// `==` for a jump, which consumes the operands that its flags name.
    ///
    /// # Errors
    /// As of [`Self::equal`]; the operands are then where they were.
    ///
    /// # Safety
    /// `ip` is a compare-and-jump, the operands values.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn equal_consuming(
        &mut self,
        ip: *mut u64,
        left: *mut Raw,
        right: *mut Raw,
    ) -> Result<bool, Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            let answer = self.equal(left, right)?;
            consume(ip, left, right);
            Ok(answer)
        }
    }

    // --- strings ---

    /// Joins the display texts of `count` registers, which it takes.
    ///
    /// # Safety
    /// They are values in registers.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn concat(&mut self, first: *mut Raw, count: usize) -> Result<Raw, Raise> {
        // SAFETY: the caller's promise; each value is taken once.
        unsafe {
            let mut out = StrBuilder::new(&self.heap);
            for index in 0..count {
                match (*first.add(index)).as_value() {
                    Value::String(text) => out.push_str(text.as_str())?,
                    Value::Int(value) => out.push_int(*value)?,
                    other => display(&self.heap, other, &mut out)?,
                }
            }
            let text: Rc<Str> = out.finish()?;
            for index in 0..count {
                let old = *first.add(index);
                (*first.add(index)).tag = tag::NULL;
                old.release();
            }
            self.settle_work();
            Ok(Raw::from_rc(text))
        }
    }
}

/// Releases the operands of a compare-and-jump that are temporaries.
unsafe fn consume(ip: *mut u64, left: *mut Raw, right: *mut Raw) {
    // SAFETY: the flags name registers that the compiler made as temporaries.
    unsafe {
        let (_, _, c) = fields(*ip);
        if c & 2 != 0 && (*right).is_counted() {
            let old = *right;
            (*right).tag = tag::NULL;
            old.release();
        }
        if c & 1 != 0 && (*left).is_counted() {
            let old = *left;
            (*left).tag = tag::NULL;
            old.release();
        }
    }
}

fn compute(operator: Operator, left: &Value, right: &Value) -> Result<Raw, Raise> {
    match operator {
        Operator::Negate => negate(left),
        Operator::BitNot => match left {
            Value::Int(value) => Ok(Raw::int(!value)),
            _ => Err(Raise::type_error("int", &left.type_name())),
        },
        Operator::ShiftLeft
        | Operator::ShiftRight
        | Operator::BitAnd
        | Operator::BitXor
        | Operator::BitOr => bits(operator, left, right),
        _ => match (left, right) {
            (Value::Int(left), Value::Int(right)) => integers(operator, *left, *right),
            (Value::Int(left), Value::Float(right)) => floats(operator, *left as f64, *right),
            (Value::Float(left), Value::Int(right)) => floats(operator, *left, *right as f64),
            (Value::Float(left), Value::Float(right)) => floats(operator, *left, *right),
            _ => {
                let expected = match operator {
                    Operator::Add => "number or string",
                    Operator::Remainder => "integer",
                    _ => "number",
                };
                Err(Raise::type_error2(
                    expected,
                    &left.type_name(),
                    &right.type_name(),
                ))
            }
        },
    }
}

impl Vm {
    /// An operator on any values. Code that does not call this knows that operators yield numbers, texts, or raise.
    pub(crate) fn operate(
        &mut self,
        operator: Operator,
        left: &Value,
        right: &Value,
    ) -> Result<Value, Raise> {
        if let Some(result) = operate_native(operator, left, right)? {
            return Ok(result);
        }
        let raw = if operator == Operator::Add {
            self.add_values(&Raw::of_value(left), &Raw::of_value(right))?
        } else {
            compute(operator, left, right)?
        };
        // SAFETY: the result is a value that this owns.
        Ok(unsafe { raw.into_value() })
    }
}

/// What a native object makes of an operator: that on the left is asked first.
fn operate_native(operator: Operator, left: &Value, right: &Value) -> Result<Option<Value>, Raise> {
    if matches!((left, right), (Value::String(_), _) | (_, Value::String(_))) && operator == Operator::Add {
        return Ok(None);
    }
    for (operand, other, reversed) in [(left, right, false), (right, left, true)] {
        if let Value::Native(native) = operand
            && let Some(value) = native
                .get()
                .operate(&Heap::of(&**native), operator, other, reversed)?
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn negate(value: &Value) -> Result<Raw, Raise> {
    match value {
        Value::Int(value) => match value.checked_neg() {
            Some(value) => Ok(Raw::int(value)),
            None => Err(Raise::overflow_negate(*value)),
        },
        Value::Float(value) => Ok(Raw::float(-value)),
        _ => Err(Raise::type_error("number", &value.type_name())),
    }
}

fn bits(operator: Operator, left: &Value, right: &Value) -> Result<Raw, Raise> {
    let (Value::Int(left), Value::Int(right)) = (left, right) else {
        return Err(Raise::type_error2("int", &left.type_name(), &right.type_name()));
    };
    let (left, right) = (*left, *right);
    if matches!(operator, Operator::ShiftLeft | Operator::ShiftRight) && !(0..64).contains(&right) {
        return Err(Raise::shift_range(right));
    }
    Ok(Raw::int(match operator {
        Operator::ShiftLeft => ((left as u64) << right) as i64,
        Operator::ShiftRight => left >> right,
        Operator::BitAnd => left & right,
        Operator::BitXor => left ^ right,
        _ => left | right,
    }))
}

fn integers(operator: Operator, left: i64, right: i64) -> Result<Raw, Raise> {
    let (value, sign) = match operator {
        Operator::Add => (left.checked_add(right), "+"),
        Operator::Subtract => (left.checked_sub(right), "-"),
        Operator::Multiply => (left.checked_mul(right), "*"),
        Operator::Divide | Operator::Remainder if right == 0 => return Err(Raise::division_by_zero()),
        Operator::Divide => (left.checked_div(right), "/"),
        Operator::Remainder => (left.checked_rem(right), "%"),
        _ => return power(left, right),
    };
    value
        .map(Raw::int)
        .ok_or_else(|| Raise::overflow(left, sign, right))
}

/// `left ** right`: exact for exponents from zero, a float below.
fn power(left: i64, right: i64) -> Result<Raw, Raise> {
    if right < 0 {
        if left == 0 {
            return Err(Raise::division_by_zero());
        }
        return Ok(Raw::float((left as f64).powf(right as f64)));
    }
    let value = match left {
        0 | 1 => Some(if right == 0 { 1 } else { left }),
        -1 => Some(if right % 2 == 0 { 1 } else { -1 }),
        _ => u32::try_from(right)
            .ok()
            .and_then(|exponent| left.checked_pow(exponent)),
    };
    value
        .map(Raw::int)
        .ok_or_else(|| Raise::overflow(left, "**", right))
}

fn floats(operator: Operator, left: f64, right: f64) -> Result<Raw, Raise> {
    Ok(Raw::float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide | Operator::Remainder if right == 0.0 => return Err(Raise::division_by_zero()),
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
        _ => left.powf(right),
    }))
}

/// `a ** b` for the library's `pow`.
pub(crate) fn power_of(left: &Value, right: &Value) -> Result<Value, Raise> {
    let raw = compute(Operator::Power, left, right)?;
    // SAFETY: arithmetic gives plain values.
    Ok(unsafe { raw.into_value() })
}

/// `a + b` and `a * b` for the library.
pub(crate) fn number_operator(operator: char, left: &Value, right: &Value) -> Result<Value, Raise> {
    let operator = match operator {
        '+' => Operator::Add,
        '-' => Operator::Subtract,
        '*' => Operator::Multiply,
        '/' => Operator::Divide,
        '%' => Operator::Remainder,
        _ => return Err(Raise::new(ErrorKind::Value, "unknown operator")),
    };
    let raw = compute(operator, left, right)?;
    // SAFETY: arithmetic gives plain values.
    Ok(unsafe { raw.into_value() })
}
