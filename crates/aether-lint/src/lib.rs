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

use aether_ast::Ast;
use aether_resolve::Resolution;
use aether_source::{Diagnostic, SourceFile};

use tree::Tree;

/// What the engine that will run a program knows.
pub trait Prelude {
    /// Whether every program can use this name.
    fn has(&self, name: &str) -> bool;
    /// Every such name.
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

/// What a program is looked at with.
pub(crate) struct Program<'a> {
    pub(crate) file: &'a SourceFile,
    pub(crate) ast: &'a Ast,
    pub(crate) resolution: &'a Resolution,
    pub(crate) prelude: &'a dyn Prelude,
    pub(crate) tree: Tree,
}

impl<'a> Program<'a> {
    fn new(file: &'a SourceFile, ast: &'a Ast, resolution: &'a Resolution, prelude: &'a dyn Prelude) -> Self {
        Self {
            file,
            ast,
            resolution,
            prelude,
            tree: Tree::new(ast),
        }
    }
}

/// Uses of names that nothing declares, each an error at the use with the line of its statement, in source order. The
/// tree must be complete.
pub fn undefined_names(
    file: &SourceFile,
    ast: &Ast,
    resolution: &Resolution,
    prelude: &dyn Prelude,
) -> Vec<(u32, Diagnostic)> {
    names::undefined(&Program::new(file, ast, resolution, prelude))
}

/// What is probably a mistake, as warnings in source order. The tree must be complete.
///
/// `// aether: allow(W0101)`, on the line or the one above, keeps a finding from being given; so does the lint's name in
/// place of the code.
pub fn lint_program(
    file: &SourceFile,
    ast: &Ast,
    resolution: &Resolution,
    prelude: &dyn Prelude,
) -> Vec<Diagnostic> {
    let program = Program::new(file, ast, resolution, prelude);
    let mut found = Vec::new();
    names::unused(&program, &mut found);
    names::shadowed(&program, &mut found);
    conditions::unreachable(&program, &mut found);
    conditions::constant(&program, &mut found);
    conditions::precedence(&program, &mut found);
    matching::missing_cases(&program, &mut found);
    matching::catch_alls(&program, &mut found);
    literals::duplicate_keys(&program, &mut found);
    literals::unknown_fields(&program, &mut found);
    calls::argument_counts(&program, &mut found);
    calls::never_awaited(&program, &mut found);
    leaks::cycles(&program, &mut found);
    leaks::closures(&program, &mut found);
    found.retain(|diagnostic| !is_allowed(file, diagnostic));
    found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
    found
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
