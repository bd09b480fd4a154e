//! Assemblers: the instructions that the compiler uses, for the processor that the build is for.
//!
//! Both have one interface, which the compiler is written against. Its operations are those of a machine with two-operand
//! arithmetic, operands in memory, flags that arithmetic sets, and a few registers of fixed use; a processor without one of
//! these makes it of several instructions, with registers that the interface does not name.
//!
//! - `T0`, `T1`, `T2`, `F0` and `F1` are for whatever is being translated. A function that machine code calls leaves its
//!   answer in `T0`; machine code returns in `T0` and `T2`.
//! - `VM`, `WINDOW` and `FUEL` hold the machine, the frame's registers and the fuel. `ARGUMENT` takes the second argument
//!   of a call of the runtime, and may be one of the others.
//! - Flags are set by `alu*`, `compare*`, `test*`, `cmp8_imm`, `negate` and the multiplications that are checked, and may be
//!   changed by [`Assembler::mov_imm`]. Moves, loads and stores keep them.
//!
//! Jumps lead to labels, the distances of which [`Assembler::finish`] fills in. Memory operands are a register and a 32-bit
//! displacement.

#[cfg(any(target_arch = "aarch64", test))]
#[cfg_attr(
    not(target_arch = "aarch64"),
    expect(dead_code, reason = "elsewhere its tests alone are built")
)]
mod a64;
#[cfg(target_arch = "x86_64")]
mod x64;

use std::marker::PhantomData;

#[cfg(target_arch = "aarch64")]
use a64 as target;
#[cfg(target_arch = "x86_64")]
use x64 as target;

pub(super) use target::{
    ARGUMENT, Assembler, F0, F1, FPR_HOMES, FUEL, GPR_HOMES, KEPT, T0, T1, T2, VM, WINDOW,
};

/// A general register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gpr(u8);

/// A floating-point register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fpr(u8);

/// A place in memory: what the register holds plus a displacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mem(pub(super) Gpr, pub(super) i32);

impl Mem {
    pub(super) fn offset(self, by: i32) -> Self {
        Self(self.0, self.1 + by)
    }
}

/// A place in the code, which may still be to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u32);

/// Conditions of flags. The signed, unsigned and equality ones are of two integers that were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cond {
    /// A sum, difference or negation does not fit.
    Overflow,
    /// A product does not fit.
    ProductOverflow,
    /// The result is below zero.
    Negative,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Unsigned.
    Below,
    BelowEqual,
    Above,
    AboveEqual,
    /// Of two doubles that were compared: one is no number. Where that may be, `Equal` and `NotEqual` say nothing.
    Unordered,
    Ordered,
    DoubleGreater,
    DoubleGreaterEqual,
    /// Also if one is no number.
    DoubleNotGreater,
    DoubleNotGreaterEqual,
}

impl Cond {
    /// What holds where this does not; the same of those that nobody asks the opposite of.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Overflow | Self::ProductOverflow | Self::Negative => self,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterEqual,
            Self::LessEqual => Self::Greater,
            Self::Greater => Self::LessEqual,
            Self::GreaterEqual => Self::Less,
            Self::Below => Self::AboveEqual,
            Self::BelowEqual => Self::Above,
            Self::Above => Self::BelowEqual,
            Self::AboveEqual => Self::Below,
            Self::Unordered => Self::Ordered,
            Self::Ordered => Self::Unordered,
            Self::DoubleGreater => Self::DoubleNotGreater,
            Self::DoubleGreaterEqual => Self::DoubleNotGreaterEqual,
            Self::DoubleNotGreater => Self::DoubleGreater,
            Self::DoubleNotGreaterEqual => Self::DoubleGreaterEqual,
        }
    }
}

/// Operations on two integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alu {
    Add,
    Or,
    And,
    Sub,
    Xor,
    Cmp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shift {
    Left,
    LogicalRight,
    Right,
}

/// Operations on doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FloatOp {
    Sqrt,
    Add,
    Mul,
    Sub,
    Div,
}

/// Code under construction for a processor, the module of which has its instructions.
#[derive(Default)]
pub(super) struct AssemblerFor<P> {
    code: Vec<u8>,
    labels: Labels,
    _processor: PhantomData<P>,
}

impl<P> AssemblerFor<P> {
    /// Bytes so far.
    pub(super) fn position(&self) -> usize {
        self.code.len()
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.new_label()
    }

    /// Says that a label is here.
    pub(super) fn bind(&mut self, label: Label) {
        self.labels.bind(label, self.code.len());
    }

    pub(super) fn is_bound(&self, label: Label) -> bool {
        self.labels.place_of(label).is_some()
    }

    fn assembled(self) -> Assembled {
        Assembled {
            bytes: self.code,
            labels: self.labels,
        }
    }
}

/// Places of the code, and jumps to them.
#[derive(Default)]
struct Labels {
    places: Vec<Option<u32>>,
    /// Where a distance is to be filled in, and to where.
    jumps: Vec<(u32, Label)>,
}

impl Labels {
    fn new_label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() as u32 - 1)
    }

    fn bind(&mut self, label: Label, position: usize) {
        debug_assert!(self.places[label.0 as usize].is_none(), "a label is bound once");
        self.places[label.0 as usize] = Some(position as u32);
    }

    fn place_of(&self, label: Label) -> Option<usize> {
        self.places[label.0 as usize].map(|place| place as usize)
    }
}

/// Finished code.
pub(super) struct Assembled {
    pub(super) bytes: Vec<u8>,
    labels: Labels,
}

impl Assembled {
    /// Where a label is.
    pub(super) fn place_of(&self, label: Label) -> Option<usize> {
        self.labels.place_of(label)
    }
}
