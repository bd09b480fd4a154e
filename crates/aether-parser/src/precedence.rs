//! The one table of infix operators: which token is which operator, and how tightly it binds.
//!
//! Source: language reference, "Precedence". Higher binds tighter.

use aether_ast::{BinaryOp, LogicalOp};
use aether_lexer::TokenKind;

/// Binding powers, loosest first. Between them is room for what the language may still get.
pub(crate) mod power {
    /// Below it the ternary, which is no token of this table.
    pub(crate) const COALESCE: u16 = 1;
    pub(crate) const OR: u16 = 3;
    pub(crate) const AND: u16 = 4;
    pub(crate) const BIT_OR: u16 = 5;
    pub(crate) const BIT_XOR: u16 = 6;
    pub(crate) const BIT_AND: u16 = 7;
    pub(crate) const EQUALITY: u16 = 8;
    pub(crate) const COMPARISON: u16 = 9;
    pub(crate) const RANGE: u16 = 10;
    pub(crate) const SHIFT: u16 = 11;
    pub(crate) const ADDITIVE: u16 = 12;
    pub(crate) const TERM: u16 = 13;
    pub(crate) const POWER: u16 = 14;
    pub(crate) const PREFIX: u16 = 15;
    pub(crate) const POSTFIX: u16 = 16;
}

/// An infix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Infix {
    Binary(BinaryOp),
    Logical(LogicalOp),
    /// `..`, or `..=` if inclusive.
    Range {
        inclusive: bool,
    },
    /// `in`, or `!in` if negated.
    Membership {
        negated: bool,
    },
}

/// The operator that a token is, and its binding power. The ternary is not among them.
#[inline]
pub(crate) fn infix(kind: TokenKind) -> Option<(Infix, u16)> {
    use BinaryOp as B;
    use LogicalOp as L;
    use TokenKind as T;
    let binary = |op, power| Some((Infix::Binary(op), power));
    let logical = |op, power| Some((Infix::Logical(op), power));
    match kind {
        T::Coalesce => logical(L::Coalesce, power::COALESCE),
        T::OrOr => logical(L::Or, power::OR),
        T::AndAnd => logical(L::And, power::AND),
        T::Pipe => binary(B::BitOr, power::BIT_OR),
        T::Caret => binary(B::BitXor, power::BIT_XOR),
        T::Ampersand => binary(B::BitAnd, power::BIT_AND),
        T::Equal => binary(B::Equal, power::EQUALITY),
        T::NotEqual => binary(B::NotEqual, power::EQUALITY),
        T::Less => binary(B::Less, power::COMPARISON),
        T::LessEqual => binary(B::LessEqual, power::COMPARISON),
        T::Greater => binary(B::Greater, power::COMPARISON),
        T::GreaterEqual => binary(B::GreaterEqual, power::COMPARISON),
        T::DotDot => Some((Infix::Range { inclusive: false }, power::RANGE)),
        T::DotDotEqual => Some((Infix::Range { inclusive: true }, power::RANGE)),
        T::ShiftLeft => binary(B::ShiftLeft, power::SHIFT),
        T::ShiftRight => binary(B::ShiftRight, power::SHIFT),
        T::Plus => binary(B::Add, power::ADDITIVE),
        T::Minus => binary(B::Subtract, power::ADDITIVE),
        T::Star => binary(B::Multiply, power::TERM),
        T::Slash => binary(B::Divide, power::TERM),
        T::Percent => binary(B::Remainder, power::TERM),
        T::StarStar => binary(B::Power, power::POWER),
        _ => None,
    }
}

/// The operator of a compound assignment.
pub(crate) fn compound(kind: TokenKind) -> Option<Infix> {
    use BinaryOp as B;
    use LogicalOp as L;
    use TokenKind as T;
    Some(match kind {
        T::PlusAssign => Infix::Binary(B::Add),
        T::MinusAssign => Infix::Binary(B::Subtract),
        T::StarAssign => Infix::Binary(B::Multiply),
        T::SlashAssign => Infix::Binary(B::Divide),
        T::PercentAssign => Infix::Binary(B::Remainder),
        T::StarStarAssign => Infix::Binary(B::Power),
        T::AmpersandAssign => Infix::Binary(B::BitAnd),
        T::PipeAssign => Infix::Binary(B::BitOr),
        T::CaretAssign => Infix::Binary(B::BitXor),
        T::ShiftLeftAssign => Infix::Binary(B::ShiftLeft),
        T::ShiftRightAssign => Infix::Binary(B::ShiftRight),
        T::AndAndAssign => Infix::Logical(L::And),
        T::OrOrAssign => Infix::Logical(L::Or),
        T::CoalesceAssign => Infix::Logical(L::Coalesce),
        _ => return None,
    })
}

/// Whether the token is a literal, if a malformed one.
#[inline]
pub(crate) fn is_literal(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::Int
            | T::Float
            | T::BadNumber
            | T::String
            | T::TripleString
            | T::UnterminatedString
            | T::True
            | T::False
            | T::Null
    )
}

/// Whether an expression can start with this token.
#[inline]
pub(crate) fn starts_expression(kind: TokenKind) -> bool {
    use TokenKind as T;
    is_literal(kind)
        || matches!(
            kind,
            T::StringStart
                | T::Ident
                | T::LeftParen
                | T::LeftBracket
                | T::LeftBrace
                | T::Fn
                | T::Async
                | T::Await
                | T::Minus
                | T::Bang
                | T::Tilde
                | T::Match
        )
}
