//! Operators as built-ins, which no script names: code calls them where an operand may be of a type of the host.

use aether_ast::BinaryOp;
use aether_value::{Operator, Raise, Value};

use super::BuiltinDef;
use crate::context::Ctx;

macro_rules! operators {
    ($($name:ident $text:literal $function:ident $operator:ident),* $(,)?) => {
        $(
            static $name: BuiltinDef = BuiltinDef::core($text, &["left", "right"], 2, 2, $function);

            fn $function(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
                ctx.vm.operate(Operator::$operator, &args[0], &args[1])
            }
        )*

        /// The built-in for an operator that is no comparison.
        pub(crate) fn binary_operator(op: BinaryOp) -> &'static BuiltinDef {
            match op {
                $(BinaryOp::$operator => &$name,)*
                BinaryOp::Equal
                | BinaryOp::NotEqual
                | BinaryOp::Less
                | BinaryOp::LessEqual
                | BinaryOp::Greater
                | BinaryOp::GreaterEqual => unreachable!("comparisons are instructions"),
            }
        }
    };
}

operators!(
    ADD "+" add Add,
    SUBTRACT "-" subtract Subtract,
    MULTIPLY "*" multiply Multiply,
    DIVIDE "/" divide Divide,
    REMAINDER "%" remainder Remainder,
    POWER "**" power Power,
    SHIFT_LEFT "<<" shift_left ShiftLeft,
    SHIFT_RIGHT ">>" shift_right ShiftRight,
    BIT_AND "&" bit_and BitAnd,
    BIT_XOR "^" bit_xor BitXor,
    BIT_OR "|" bit_or BitOr,
);

static NEGATE: BuiltinDef = BuiltinDef::core("-", &["value"], 1, 1, negate);
static BIT_NOT: BuiltinDef = BuiltinDef::core("~", &["value"], 1, 1, bit_not);

fn negate(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    ctx.vm.operate(Operator::Negate, &args[0], &args[0])
}

fn bit_not(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    ctx.vm.operate(Operator::BitNot, &args[0], &args[0])
}

/// The built-in for an operator of one operand: `-`, or else `~`.
pub(crate) fn unary_operator(negates: bool) -> &'static BuiltinDef {
    if negates { &NEGATE } else { &BIT_NOT }
}
