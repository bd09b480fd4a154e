//! The syntax tree: an arena of nodes, their spans beside them, names and literal texts interned.
//!
//! Invariants
//! - Nodes refer to their children by [`NodeId`]; dropping a tree frees a few vectors, however deep it is.
//! - A node's span covers the spans of its children.
//! - Operator, call and member chains to the left and `else if` chains may have any length, so a walker loops
//!   over them instead of recursing; everything else nests at most to the parser's nesting limit.
//! - The tree knows nothing of how it was parsed and holds no behaviour beyond building and walking it.
//!
//! Not here: comments (the formatter rereads them from the tokens), name resolution, evaluation.
#![forbid(unsafe_code)]

mod node;

mod build;
mod dump;
mod power;
mod print;
mod shape;
mod stack;
mod walk;

pub use build::Ast;
pub use dump::{dump, to_json};
pub use node::{
    BinaryOp, Enum, EnumId, Function, FunctionId, FunctionKind, List, LogicalOp, Node, NodeId, Struct,
    StructId, Symbol, UnaryOp,
};
pub use power::Power;
pub use print::print;
pub use stack::ensure_stack;

/// The example of the README, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
