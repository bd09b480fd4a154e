//! Names to bindings: which declaration every name refers to, and what every function captures.
//!
//! A pure pass: tree in, [`Resolution`] out. The compiler, `check`, renaming and the language server share it.
//!
//! The rules (language reference, §7)
//! - A declaration takes effect where it stands; until then its name refers to an outer binding. Within one
//!   scope declarations run in the order of the text, so a direct use is resolved by looking at what has been
//!   declared so far.
//! - A free name of a function refers to the innermost enclosing function or block scope that declares it
//!   *before* the function; failing that, to the innermost one that declares it *after* the function (a
//!   *forward* binding); failing that, to the module scope.
//! - Names of the module scope are not bindings here: they are looked up by slot when the use is executed.
//!
//! Invariants
//! - Every [`Node::Name`](aether_ast::Node::Name) and every declared `Ident` has a [`Use`].
//! - A captured binding that is set before its first capture and never after is copied into closures; every
//!   other captured binding is a cell ([`Binding::cell`]).
//! - A function's own name, if never reassigned, is read from the running frame and not captured.
//!
//! Not here: registers, values, and whether a module-level name exists (see [`suggest`] for help with those).
#![forbid(unsafe_code)]

mod resolver;
mod suggest;
mod tables;

pub use resolver::resolve;
pub use suggest::{
    BACKWARD_MEMBERS, import_help, method_here, suggest, undefined_help, undefined_names, written_here,
};
pub use tables::{
    Binding, BindingId, BindingKind, FunctionIndex, FunctionInfo, GlobalDeclaration, Resolution, Use,
};

/// The example of the README, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
