//! Pairs of instructions that are executed as one: the table of fused operations.
//!
//! A fused operation takes the place of the first operation of a pair; its fields and the whole second word stay as
//! they are. Where the operands are what the pair is usually run with, it does the work of both and goes on behind
//! the second. Otherwise it does what the first would have done alone, and the second follows as always. So jumps
//! may lead between the two, every error and line belongs to the instruction it always belonged to, and nothing but
//! the dispatch loop needs to know a pair.
//!
//! [`fused_operations`] is the one list. From it are made the operations themselves (`op.rs`), the choice of a pair
//! ([`fused`]), what a fused operation replaced ([`Op::first`]), and the cases of the differential test
//! (`tests/fusion.rs` runs each row's program over many operands with and without pairs).

use super::op::{Op, fields};

/// Hands the table to the macro `$then`, behind `$before`.
///
/// A row: what the fused operation does; its name, the first operation, the operations that may be the second, and
/// how the second must use the first one's result ([`Joint`]); the body of `fn f(a, b, c)` that compiles to the pair.
macro_rules! fused_operations {
    ($then:ident { $($before:tt)* }) => { $then! { { $($before)* } {
        /// `Copy`, and the `Copy` after it. This and the following: see [`fused`](super::fused).
        Copy2 = Copy, Copy, Any;
            "let x = a  let y = b  let z = c  return [x, y, z]"
        /// `Push`, and the `Drop` of its result.
        PushDrop = Push, Drop, SameRegister;
            "a.push(b)  a.push(c)  return a"
        /// `AddI` of a register to itself, and `JumpLess` of that register.
        AddIJumpLess = AddI, JumpLess, CounterBelow;
            "let i = a  let t = 0  while (i < b) { t = t + 1  if (t > 5) { break }  i = i + 1 }  return [i, t]"
        /// `AddI` of a register to itself, and `JumpLessEqual` of that register.
        AddIJumpLessEqual = AddI, JumpLessEqual, CounterBelow;
            "let i = a  let t = 0  while (i <= b) { t = t + 1  if (t > 5) { break }  i = i + 1 }  return [i, t]"
        /// `AddI` of a register to itself, and `JumpLessI` of that register.
        AddIJumpLessI = AddI, JumpLessI, Counter;
            "let i = a  let t = 0  while (i < 7) { t = t + 1  if (t > 5) { break }  i = i + 2 }  return [i, t]"
        /// `AddI` of a register to itself, and `JumpLessEqualI` of that register.
        AddIJumpLessEqualI = AddI, JumpLessEqualI, Counter;
            "let i = a  let t = 0  while (i <= 7) { t = t + 1  if (t > 5) { break }  i = i + 2 }  return [i, t]"
        /// `SubtractI` of a register from itself, and `JumpGreaterI` of that register.
        SubtractIJumpGreaterI = SubtractI, JumpGreaterI, Counter;
            "let i = 3  if (a == 5) { i = 4.5 } else if (a == 1) { i = 9223372036854775807 } else if (a == -2) { i = null } else if (a == 0) { i = -9223372036854775807 }  let n = 0  while (i > 0) { if (n == 5) { return n }  n = n + 1  i = i - 2 }  return [i, n]"
        /// `SubtractI` of a register from itself, and `JumpGreaterEqualI` of that register.
        SubtractIJumpGreaterEqualI = SubtractI, JumpGreaterEqualI, Counter;
            "let i = 3  if (a == 5) { i = 4.5 } else if (a == 1) { i = 9223372036854775807 } else if (a == -2) { i = null } else if (a == 0) { i = -9223372036854775807 }  let n = 0  while (i >= 0) { if (n == 5) { return n }  n = n + 1  i = i - 2 }  return [i, n]"
        /// `AddI`, and a `GetIndex` whose index it made.
        AddIGetIndex = AddI, GetIndexC | GetIndex, IndexMade;
            "return a[b + 1]"
        /// `SubtractI`, and a `GetIndex` whose index it made.
        SubtractIGetIndex = SubtractI, GetIndexC | GetIndex, IndexMade;
            "return a[b - 1]"
        /// `GetIndex`, and the `SetIndexMove` of what it got.
        GetIndexSetIndex = GetIndex, SetIndexMove, ElementStored;
            "a[b] = a[c]  return a"
        /// `RemainderI`, and `JumpEqualI` of the remainder.
        RemainderIJumpEqualI = RemainderI, JumpEqualI, TemporaryCompared;
            "let t = 0  while (a % 3 == 1) { t = t + 1  if (t > 3) { break } }  return [a, t]"
        /// `RemainderI`, and `JumpNotEqualI` of the remainder.
        RemainderIJumpNotEqualI = RemainderI, JumpNotEqualI, TemporaryCompared;
            "if (a % 3 == 1) { return 1 }  return 2"
        /// `Remainder`, and `JumpEqualI` of the remainder.
        RemainderJumpEqualI = Remainder, JumpEqualI, TemporaryCompared;
            "let t = 0  while (a % b == 1) { t = t + 1  if (t > 3) { break } }  return [a, t]"
        /// `Remainder`, and `JumpNotEqualI` of the remainder.
        RemainderJumpNotEqualI = Remainder, JumpNotEqualI, TemporaryCompared;
            "if (a % b == 1) { return 1 }  return 2"
        /// `GetIndex`, and `GetIndexT` or `GetIndexTC` of what it got.
        GetIndexGetIndex = GetIndex, GetIndexT | GetIndexTC, ElementIndexed;
            "let w = [a, [a, b], a]  return w[b][c]"
        /// `GetIndex`, and `SetIndex` into what it got. The `Drop` that follows finds an empty register.
        GetIndexStore = GetIndex, SetIndex, ElementTarget;
            "let w = [a, [a, b]]  w[b][c] = a  return w"
        /// `GetIndex`, and `SetIndexMove` into what it got. The `Drop` that follows finds an empty register.
        GetIndexStoreMove = GetIndex, SetIndexMove, ElementTarget;
            "let w = [a, [a, b]]  w[b][c] = [b]  return w"
        /// `GetIndex`, and `SetIndexI` into what it got.
        GetIndexStoreI = GetIndex, SetIndexI, ElementTargetImmediate;
            "let w = [a, [a, b]]  w[b][c] = 7  return w"
        /// `GetIndex`, and an addition of the element on the right.
        GetIndexAdd = GetIndex, Add | AddB | AddC | AddBC, ElementOnTheRight;
            "return c + a[b]"
        /// `GetField`, and `GetIndexT` or `GetIndexTC` of what it got.
        GetFieldGetIndex = GetField, GetIndexT | GetIndexTC, ElementIndexed;
            "let o = P { x: a, y: b }  return o.x[b]"
        /// `GetField`, and `GetFieldT` of what it got.
        GetFieldGetField = GetField, GetFieldT, SameRegister;
            "let o = P { x: a, y: b }  let q = P { x: o, y: c }  return [q.x.y, q.y.x]"
        /// `Add`, and `AddI` to the sum.
        AddAddI = Add, AddI, SumAdded;
            "return a + b + 3"
        /// `Add` to a register, and `JumpLess` of that register.
        AddJumpLess = Add, JumpLess, CounterBelow;
            "let i = 0  let t = 1  if (a == 5) { i = 2.5 } else if (a == 1) { i = 9223372036854775805 } else if (a == -2) { i = null }  if (b == 5) { t = 0.5 } else if (b == 1) { t = 9 } else if (b == -2) { t = true }  let n = 0  while (i < c) { if (n == 5) { return n }  n = n + 1  i = i + t }  return [i, n]"
        /// `Add` to a register, and `JumpLessEqual` of that register.
        AddJumpLessEqual = Add, JumpLessEqual, CounterBelow;
            "let i = 0  let t = 1  if (a == 5) { i = 2.5 } else if (a == 1) { i = 9223372036854775805 } else if (a == -2) { i = null }  if (b == 5) { t = 0.5 } else if (b == 1) { t = 9 } else if (b == -2) { t = true }  let n = 0  while (i <= c) { if (n == 5) { return n }  n = n + 1  i = i + t }  return [i, n]"
        /// `GetIndex`, and `JumpLess` of the element.
        GetIndexJumpLess = GetIndex, JumpLess, ElementCompared;
            "let t = 0  while (a[b] < c) { t = t + 1  if (t > 3) { break } }  return [a, t]"
        /// `GetIndex`, and `JumpLessEqual` of the element.
        GetIndexJumpLessEqual = GetIndex, JumpLessEqual, ElementCompared;
            "let t = 0  while (a[b] <= c) { t = t + 1  if (t > 3) { break } }  return [a, t]"
        /// `GetIndex`, and `JumpGreater` of the element.
        GetIndexJumpGreater = GetIndex, JumpGreater, ElementCompared;
            "let t = 0  while (a[b] > c) { t = t + 1  if (t > 3) { break } }  return [a, t]"
        /// `GetIndex`, and `JumpGreaterEqual` of the element.
        GetIndexJumpGreaterEqual = GetIndex, JumpGreaterEqual, ElementCompared;
            "let t = 0  while (a[b] >= c) { t = t + 1  if (t > 3) { break } }  return [a, t]"
        /// `GetIndex`, and `JumpNotLess` of the element.
        GetIndexJumpNotLess = GetIndex, JumpNotLess, ElementCompared;
            "if (a[b] < c) { return 1 }  return 2"
        /// `GetIndex`, and `JumpNotLessEqual` of the element.
        GetIndexJumpNotLessEqual = GetIndex, JumpNotLessEqual, ElementCompared;
            "if (a[b] <= c) { return 1 }  return 2"
        /// `GetIndex`, and `JumpNotGreater` of the element.
        GetIndexJumpNotGreater = GetIndex, JumpNotGreater, ElementCompared;
            "if (a[b] > c) { return 1 }  return 2"
        /// `GetIndex`, and `JumpNotGreaterEqual` of the element.
        GetIndexJumpNotGreaterEqual = GetIndex, JumpNotGreaterEqual, ElementCompared;
            "if (a[b] >= c) { return 1 }  return 2"
        /// `GetIndex`, and `JumpEqualK` of the element.
        GetIndexJumpEqualK = GetIndex, JumpEqualK, ElementCompared;
            "let t = 0  while (a[b] == \"b\") { t = t + 1  if (t > 3) { break } }  return [a, t]"
        /// `GetIndex`, and `JumpNotEqualK` of the element.
        GetIndexJumpNotEqualK = GetIndex, JumpNotEqualK, ElementCompared;
            "if (a[b] == \"b\") { return 1 }  return 2"
        /// `Len` of a local, and `JumpLess` than the length.
        LenJumpLess = Len, JumpLess, LengthCompared;
            "let t = b  let n = 0  while (t < len(a)) { t = t + 1  n = n + 1  if (n > 5) { break } }  return [t, n]"
        /// Four: `GetIndex`, `GetIndexSetIndex`, `SetIndexMove`, which swap two elements of one array.
        SwapElements = GetIndex, GetIndexSetIndex, Swap;
            "if (true) { let t = a[b]  a[b] = a[c]  a[c] = t }  return a"
        /// `Add`, and `Return` of the sum.
        AddReturn = Add, Return, SameRegister;
            "fn g() { let x = 1  if (a == 5) { x = 2.5 } else if (a == 1) { x = 9223372036854775807 } else if (a == -2) { x = null }  let y = -3  if (b == 5) { y = 0.5 } else if (b == 1) { y = -9223372036854775807 } else if (b == -2) { y = true }  return x + y }  return g()"
        /// `Subtract`, and `Return` of the difference.
        SubtractReturn = Subtract, Return, SameRegister;
            "fn g() { let x = 1  if (a == 5) { x = 2.5 } else if (a == 1) { x = 9223372036854775807 } else if (a == -2) { x = null }  let y = -3  if (b == 5) { y = 0.5 } else if (b == 1) { y = -9223372036854775807 } else if (b == -2) { y = true }  return x - y }  return g()"
        /// `Multiply`, and `Return` of the product.
        MultiplyReturn = Multiply, Return, SameRegister;
            "fn g() { let x = 1  if (a == 5) { x = 2.5 } else if (a == 1) { x = 9223372036854775807 } else if (a == -2) { x = null }  let y = -3  if (b == 5) { y = 0.5 } else if (b == 1) { y = -9223372036854775807 } else if (b == -2) { y = true }  return x * y }  return g()"
        /// `AddBC`, and `Return` of the sum.
        AddBCReturn = AddBC, Return, SameRegister;
            "fn id(x) { return x }  fn g() { return id(a) + id(b) }  return g()"
        /// `GetField`, and `Return1` of the field.
        GetFieldReturn = GetField, Return1, FieldReturned;
            "fn g(o) { return o.x }  return [g(P { x: a, y: b }), g(c)]"
        /// `GetField`, and an addition with the field on the left.
        GetFieldAddLeft = GetField, Add | AddB | AddC | AddBC, Left;
            "let o = P { x: a, y: b }  return [o.x + c, o.y + c]"
        /// `GetField`, and an addition with the field on the right.
        GetFieldAddRight = GetField, Add | AddB | AddC | AddBC, Right;
            "let o = P { x: a, y: b }  return [c + o.x, c + o.y]"
        /// `GetField`, and `Subtract` from the field.
        GetFieldSubtractLeft = GetField, Subtract, Left;
            "let o = P { x: a, y: b }  return [o.x - c, o.y - c]"
        /// `GetField`, and `Subtract` of the field.
        GetFieldSubtractRight = GetField, Subtract, Right;
            "let o = P { x: a, y: b }  return [c - o.x, c - o.y]"
        /// `GetField`, and `Multiply` with the field on the left.
        GetFieldMultiplyLeft = GetField, Multiply, Left;
            "let o = P { x: a, y: b }  return [o.x * c, o.y * c]"
        /// `GetField`, and `Multiply` with the field on the right.
        GetFieldMultiplyRight = GetField, Multiply, Right;
            "let o = P { x: a, y: b }  return [c * o.x, c * o.y]"
        /// `Multiply`, and `AddField` of the product.
        MultiplyAddField = Multiply, AddField, FieldOperand;
            "let o = P { x: a, y: b }  o.x += b * c  return o"
        /// `Multiply`, and `SubtractField` of the product.
        MultiplySubtractField = Multiply, SubtractField, FieldOperand;
            "let o = P { x: a, y: b }  o.x -= b * c  return o"
        /// `AddI`, and `Multiply` by the sum.
        AddIMultiply = AddI, Multiply, ElementOnTheRight;
            "return b * (a + 1)"
        /// Three: `GetIndex`, and the pair of `Multiply` by the element and an addition of the product on the right.
        GetIndexMultiplyAdd = GetIndex, MultiplyAddRight, ElementOnTheRight;
            "let t = c  t = t + b * a[b]  return t"
        /// `Multiply`, and an addition with the product on the left.
        MultiplyAddLeft = Multiply, Add | AddB | AddC | AddBC, Left;
            "return a * b + c"
        /// `Multiply`, and an addition with the product on the right.
        MultiplyAddRight = Multiply, Add | AddB | AddC | AddBC, Right;
            "return c + a * b"
        /// `Multiply`, and a subtraction from the product.
        MultiplySubtractLeft = Multiply, Subtract, Left;
            "return a * b - c"
        /// `Multiply`, and a subtraction of the product.
        MultiplySubtractRight = Multiply, Subtract, Right;
            "return c - a * b"
        /// `Subtract`, and an addition with the difference on the left.
        SubtractAddLeft = Subtract, Add | AddB | AddC | AddBC, Left;
            "return a - b + c"
    } } };
}

/// How the second instruction of a pair must use the result of the first, and other registers.
///
/// A pair that does not write the register between the two requires that nobody reads it afterwards: it is a
/// temporary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// Not at all.
    Any,
    /// R\[a\] is the result.
    SameRegister,
    /// R\[a\] is a counter that the first instruction changed in place.
    Counter,
    /// The same; R\[b\] is another register.
    CounterBelow,
    /// R\[c\], an index, is a temporary result; R\[b\] is another register.
    IndexMade,
    /// R\[c\], stored, is a temporary result; neither target nor index is.
    ElementStored,
    /// R\[a\], compared with a number, is a temporary result.
    TemporaryCompared,
    /// R\[b\], indexed, is the result, which the second instruction overwrites; the index is another register.
    ElementIndexed,
    /// R\[a\], stored into, is a temporary result; neither index nor value is.
    ElementTarget,
    /// R\[a\], stored into, is a temporary result; the index is another register.
    ElementTargetImmediate,
    /// R\[c\] is a temporary result; R\[b\] is another register.
    ElementOnTheRight,
    /// R\[b\], a sum, is a temporary result.
    SumAdded,
    /// R\[a\], compared, is a temporary result; R\[b\] is another register.
    ElementCompared,
    /// R\[b\], a length, is a temporary result; R\[a\] is another register, and the argument is no temporary (one
    /// stands behind the result).
    LengthCompared,
    /// R\[a\], returned, is the result; what is released before is not.
    FieldReturned,
    /// R\[b\], added to a field, is a temporary result; the instance is another register.
    FieldOperand,
    /// R\[b\] is a temporary result; R\[c\] is another register.
    Left,
    /// R\[c\] is a temporary result; R\[b\] is another register.
    Right,
    /// Four words, which [`swaps`] compares.
    Swap,
}

impl Joint {
    #[inline]
    fn holds(self, first: u64, second: u64, is_temporary: impl Fn(u16) -> bool) -> bool {
        let (to, from, _) = fields(first);
        let (a, b, c) = fields(second);
        match self {
            Self::Any => true,
            Self::SameRegister => a == to,
            Self::Counter => a == to && from == to,
            Self::CounterBelow => a == to && from == to && b != to,
            Self::IndexMade | Self::ElementOnTheRight | Self::Right => c == to && b != to && is_temporary(to),
            Self::ElementStored => c == to && a != to && b != to && is_temporary(to),
            Self::TemporaryCompared => a == to && is_temporary(to),
            Self::ElementIndexed => b == to && c != to,
            Self::ElementTarget => a == to && b != to && c != to && is_temporary(to),
            Self::ElementTargetImmediate | Self::ElementCompared => a == to && b != to && is_temporary(to),
            Self::SumAdded => b == to && is_temporary(to),
            Self::LengthCompared => b == to && a != to && from != to + 16 && is_temporary(to),
            Self::FieldReturned => a == to && b != to,
            Self::FieldOperand => b == to && a != to && is_temporary(to),
            Self::Left => b == to && c != to && is_temporary(to),
            Self::Swap => false,
        }
    }
}

macro_rules! pairing {
    ({} { $($(#[doc = $doc:literal])+ $name:ident = $first:ident, $($second:ident)|+, $joint:ident; $source:literal)* }) => {
        /// The operation that does the work of the pair that these words begin with. `is_temporary` says of a
        /// register field that nobody reads the register behind the pair.
        pub(crate) fn fused(first: u64, second: u64, is_temporary: impl Fn(u16) -> bool) -> Option<Op> {
            match (Op::of(first), Op::of(second)) {
                $((Op::$first, $(Op::$second)|+)
                    if Joint::$joint.holds(first, second, &is_temporary) => Some(Op::$name),)*
                _ => None,
            }
        }

        impl Op {
            /// The operation that a fused one took the place of; any other is its own.
            #[inline(always)]
            pub(crate) fn first(self) -> Self {
                /// By operation; the table is as long as an operation's low byte, which needs no check.
                const FIRST: [Op; 256] = {
                    let mut first = [Op::Nop; 256];
                    let mut at = 0;
                    while at < super::op::OPS.len() {
                        first[at] = match super::op::OPS[at].0 {
                            $(Op::$name => Op::$first,)*
                            other => other,
                        };
                        at += 1;
                    }
                    first
                };
                const { assert!(super::op::OPS.len() <= 256) };
                FIRST[self as usize & 0xFF]
            }
        }

        /// For tests: each fused operation's name and the body of a function of `a`, `b`, `c` that compiles to it.
        pub const FUSED: &[(&str, &str)] = &[$((stringify!($name), $source),)*];
    };
}

fused_operations!(pairing {});

/// Whether four instructions swap two elements of an array by way of a local that dies with the last.
pub(crate) fn swaps(words: &[u64; 4]) -> bool {
    let [
        (t, array, i),
        (u, source, j),
        (target, to, value),
        (last, place, first),
    ] = words.map(fields);
    let ops = words.map(Op::of);
    ops == [
        Op::GetIndex,
        Op::GetIndexSetIndex,
        Op::SetIndexMove,
        Op::SetIndexMove,
    ] && [source, target, last] == [array; 3]
        && (to, place, value, first) == (i, j, u, t)
        && ![array, i, j].iter().any(|&field| field == t || field == u)
        && t != u
}
