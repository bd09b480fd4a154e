//! What can be said about a program without running it: names that cannot exist, and what is probably a mistake.
//!
//! Invariants
//! - Nothing is said that is not certain: a program that does what its author meant has no finding.
//! - A finding's fix changes nothing but what the finding is about.
//! - Pure: tree and bindings in, diagnostics out, in source order; linear in the tree.
//!
//! Not here: reading files, rendering, which names an engine has.
#![forbid(unsafe_code)]

mod tree;

mod calls;
mod conditions;
mod leaks;
mod literals;
mod matching;
mod names;

use aether_ast::{Ast, Node, NodeId, Symbol};
use aether_resolve::Resolution;
use aether_source::{Diagnostic, SourceFile};
use ahash::AHashMap;

use tree::Tree;

/// What the engine that will run a program knows.
pub trait Prelude {
    /// Whether every program can use this name.
    fn has(&self, name: &str) -> bool;
    /// Whether it can be imported from the library.
    fn is_module(&self, name: &str) -> bool;
    /// Every name that every program can use.
    fn names(&self) -> Vec<&str>;
    /// The least and the most arguments of a built-in function, none for no limit.
    fn arity(&self, name: &str) -> Option<(usize, Option<usize>)>;
    /// The names of its parameters.
    fn parameters(&self, name: &str) -> Vec<&str>;
}

/// A lint: what it is called, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Its stable code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// All lints, by code.
pub const LINTS: &[Lint] = &[
    lint("W0101", "unused-binding"),
    lint("W0102", "unused-import"),
    lint("W0103", "unreachable-code"),
    lint("W0104", "shadowed-builtin"),
    lint("W0105", "constant-condition"),
    lint("W0106", "operator-precedence"),
    lint("W0107", "missing-match-case"),
    lint("W0108", "duplicate-key"),
    lint("W0109", "argument-count"),
    lint("W0110", "promise-never-awaited"),
    lint("W0111", "reference-cycle"),
    lint("W0112", "closure-cycle"),
    lint("W0113", "unknown-field"),
    lint("W0114", "variant-as-name"),
];

const fn lint(code: &'static str, name: &'static str) -> Lint {
    Lint { code, name }
}

/// A program with what is known of it. Its tree is complete.
pub struct Program<'a> {
    pub(crate) file: &'a SourceFile,
    pub(crate) ast: &'a Ast,
    pub(crate) resolution: &'a Resolution,
    pub(crate) prelude: &'a dyn Prelude,
    pub(crate) tree: Tree,
}

impl<'a> Program<'a> {
    /// A program without syntax errors.
    pub fn new(
        file: &'a SourceFile,
        ast: &'a Ast,
        resolution: &'a Resolution,
        prelude: &'a dyn Prelude,
    ) -> Self {
        Self {
            file,
            ast,
            resolution,
            prelude,
            tree: Tree::new(ast),
        }
    }

    /// Uses of names that nothing declares, each an error at the use with the line of its statement, in source order.
    pub fn undefined_names(&self) -> Vec<(u32, Diagnostic)> {
        names::undefined(self)
    }

    /// What is probably a mistake, as warnings in source order.
    ///
    /// `// aether: allow(W0101)`, on the line or the one above, keeps a finding from being given; so does the lint's name
    /// in place of the code.
    pub fn lints(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        names::unused(self, &mut found);
        names::shadowed(self, &mut found);
        conditions::unreachable(self, &mut found);
        conditions::constant(self, &mut found);
        conditions::precedence(self, &mut found);
        matching::missing_cases(self, &mut found);
        matching::catch_alls(self, &mut found);
        literals::duplicate_keys(self, &mut found);
        literals::unknown_fields(self, &mut found);
        calls::argument_counts(self, &mut found);
        calls::never_awaited(self, &mut found);
        leaks::cycles(self, &mut found);
        found.retain(|diagnostic| !is_allowed(self.file, diagnostic));
        found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
        found
    }

    /// The declarations that `name_of` gives a name of; `None` for a name that is declared twice, which tells nothing.
    pub(crate) fn declared_once(
        &self,
        name_of: impl Fn(Node) -> Option<NodeId>,
    ) -> AHashMap<Symbol, Option<NodeId>> {
        let mut declared = AHashMap::new();
        for &id in &self.tree.nodes {
            if let Some(name) = name_of(self.ast.node(id)).and_then(|name| self.ast.name_of(name)) {
                declared
                    .entry(name)
                    .and_modify(|known| *known = None)
                    .or_insert(Some(id));
            }
        }
        declared
    }
}

/// Whether a comment on the line of a finding, or on the one above, allows it.
fn is_allowed(file: &SourceFile, diagnostic: &Diagnostic) -> bool {
    let line = file.line(diagnostic.span.start);
    let allows = |line: u32| {
        let text = file.line_text(line).unwrap_or_default();
        let list = text
            .split_once("// aether: allow(")
            .and_then(|(_, rest)| rest.split_once(')'));
        list.is_some_and(|(list, _)| {
            list.split(',').map(str::trim).any(|word| {
                word == diagnostic.code
                    || LINTS
                        .iter()
                        .any(|lint| lint.code == diagnostic.code && lint.name == word)
            })
        })
    };
    allows(line) || (line > 1 && allows(line - 1))
}
