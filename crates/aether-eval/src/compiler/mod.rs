//! The compiler: a resolved tree becomes bytecode, one [`Code`] a function.
//!
//! Invariants
//! - Registers are handed out like a stack: parameters, then locals in the order of declaration, then
//!   temporaries. A scope's registers are free again when it ends, and its end releases exactly its own.
//! - A register is dead (nothing counted in it) whenever it is handed out, and when control reaches a label, the
//!   same registers are live on every path.
//! - The compiler builds constants and runs nothing.
//!
//! Where things are: `function` (frames, labels, registers), `expr` and `chain` (values), `condition` (jumps),
//! `assign`, `stmt`, `loops`, `tries`, `pattern`, `matching` (statements), `types` (annotations), `scalar` (what can never be counted), `known` (what is not counted here).

mod assign;
mod chain;
mod condition;
mod declare;
mod expr;
mod function;
mod known;
mod loops;
mod matching;
mod pattern;
mod scalar;
mod stmt;
mod tries;
mod types;

use aether_ast::{Ast, NodeId};
use aether_resolve::{BindingKind, FunctionIndex, Resolution};
use aether_source::{Diagnostic, SourceFile, Span};
use aether_value::{Code, Heap, Raise, Rc, Str};
use std::ptr::NonNull;

use crate::tables::Tables;
pub(crate) use declare::{OWN_CLOSURE, is_declaration};
use function::FunctionState;

/// What a source text is compiled as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program or module: its top level returns null.
    Program,
    /// A part of the library: a program that traces leave out.
    Library,
    /// A program of which nothing but the declarations of functions, types and imports is run.
    Declarations,
    /// A fragment: its top level returns the value of a last expression statement.
    Fragment,
}

/// Why a text could not be compiled.
pub(crate) enum CompileError {
    /// The text asks for more than the instruction format holds.
    Diagnostic(Box<Diagnostic>),
    /// The heap refused memory for code or constants.
    Raise(Raise),
}

impl From<Raise> for CompileError {
    fn from(raise: Raise) -> Self {
        Self::Raise(raise)
    }
}

type Result<T, E = CompileError> = std::result::Result<T, E>;

/// Compiles a text for a module; the result is the code of its top level.
pub(crate) fn compile(
    ast: &Ast,
    resolution: &Resolution,
    file: std::rc::Rc<SourceFile>,
    heap: &Heap,
    tables: &mut Tables,
    module: u32,
    kind: Kind,
) -> Result<NonNull<Code>> {
    let mut constant_errors = resolution.constant_errors().to_vec();
    if kind == Kind::Fragment {
        constant_errors.extend(assigned_constants(ast, resolution, tables, module));
    }
    if let Some(&place) = constant_errors.iter().min_by_key(|&&place| ast.span(place).start) {
        return Err(constant_error(ast, &file, place));
    }
    let declared = resolution.globals().iter().map(|global| global.name).collect();
    let annotated = types::annotated_globals(ast, resolution);
    let scalars = scalar::scalar_bindings(ast, resolution, tables.native_operators);
    let owners = std::rc::Rc::strong_count(&file);
    let kept = file.clone();
    let before = tables.size();
    let mut compiler = Compiler {
        ast,
        resolution,
        file,
        heap,
        tables: &mut *tables,
        module,
        kind,
        scalars,
        declared,
        annotated,
        function: FunctionState::new(FunctionIndex::TOP_LEVEL, Some(String::new())),
        mains: 0,
    };
    let code = compiler.top_level();
    compiler
        .tables
        .set_module_doc(module, ast.module_doc().map(|doc| ast.text(doc)));
    drop(compiler);
    if kind == Kind::Fragment && code.is_ok() {
        let constants = resolution.globals().iter();
        let constants = constants.filter(|global| global.kind == BindingKind::Constant);
        tables.add_constants(module, constants.map(|global| ast.text(global.name)));
    }
    // `kept` took the place of the compiler's; a further owner is code, which says where it is.
    if std::rc::Rc::strong_count(&kept) > owners {
        heap.keep_for_code(kept.size());
    }
    heap.keep_for_code(tables.size().saturating_sub(before));
    code
}

/// Names that assign or declare again what an earlier fragment has declared constant.
fn assigned_constants(ast: &Ast, resolution: &Resolution, tables: &Tables, module: u32) -> Vec<NodeId> {
    let is_constant = |id: &NodeId| {
        ast.name_of(*id)
            .is_some_and(|name| tables.is_constant(module, ast.text(name)))
    };
    let declared = resolution.globals().iter().map(|global| global.ident);
    declared
        .chain(resolution.assigned_globals())
        .filter(is_constant)
        .collect()
}

/// The error of a name that assigns or declares again what is constant.
fn constant_error(ast: &Ast, file: &SourceFile, place: NodeId) -> CompileError {
    let name = ast.name_of(place).map_or("", |name| ast.text(name));
    let span = ast.span(place);
    let line = file.line(span.start);
    let message = format!("{} at line {line}", Raise::constant(name).message());
    let help = "declare it with let if its value changes";
    CompileError::Diagnostic(Box::new(
        Diagnostic::error("E0117", message, span).with_help(help),
    ))
}

pub(super) struct Compiler<'a> {
    ast: &'a Ast,
    resolution: &'a Resolution,
    file: std::rc::Rc<SourceFile>,
    heap: &'a Heap,
    tables: &'a mut Tables,
    module: u32,
    kind: Kind,
    /// Per binding: whether every value it can ever have is uncounted.
    scalars: Vec<bool>,
    /// Names of the module that a declaration annotates, with all their declarations in the order of the text.
    annotated: ahash::AHashMap<aether_ast::Symbol, Vec<NodeId>>,
    /// Names that the module's top level declares somewhere.
    declared: ahash::AHashSet<aether_ast::Symbol>,
    function: FunctionState,
    /// Declarations of `main` met so far at the top level.
    mains: u32,
}

impl Compiler<'_> {
    fn text(&self, id: NodeId) -> &str {
        self.ast.name_of(id).map_or("", |name| self.ast.text(name))
    }

    fn string(&mut self, text: &str) -> Result<u32> {
        Ok(self.tables.string(self.heap, text)?)
    }

    fn interned(&self, text: &str) -> Result<Rc<Str>> {
        Ok(self.heap.intern(text)?)
    }

    fn slot(&mut self, name: aether_ast::Symbol) -> Result<u32> {
        let ast = self.ast;
        Ok(self.tables.slot(self.heap, self.module, ast.text(name))?)
    }

    /// An error about something the instruction format cannot hold.
    fn too_large<T>(&self, what: &str, span: Span) -> Result<T> {
        let line = self.file.line(span.start);
        let message = format!("{what} at line {line}");
        let help = if self.function.index == FunctionIndex::TOP_LEVEL {
            "move a part of the file into a module of its own, and import that"
        } else {
            "split the function into smaller ones"
        };
        Err(CompileError::Diagnostic(Box::new(
            Diagnostic::error("E0150", message, span).with_help(help),
        )))
    }
}
