//! Names: those that nothing declares, those that nothing uses, and those that hide what is called by them.

use aether_ast::{Node, NodeId, Symbol};
use aether_resolve::{BindingId, BindingKind, Use, import_help, undefined_help};
use aether_source::Diagnostic;
use ahash::{AHashMap, AHashSet};

use crate::Program;
use crate::tree::is_plain_literal;

/// See [`Program::undefined_names`].
pub(crate) fn undefined(program: &Program<'_>) -> Vec<(u32, Diagnostic)> {
    let Program {
        ast,
        resolution,
        prelude,
        ..
    } = *program;
    let missing = aether_resolve::undefined_names(ast, resolution, |name| prelude.has(name));
    if missing.is_empty() {
        return Vec::new();
    }
    let mut candidates: Vec<&str> = prelude.names();
    candidates.extend(resolution.globals().iter().map(|global| ast.text(global.name)));
    candidates.extend(resolution.bindings().iter().map(|binding| ast.text(binding.name)));
    candidates.sort_unstable();
    candidates.dedup();
    let mut helps: AHashMap<(Symbol, bool), Option<String>> = AHashMap::new();
    let mut found = Vec::new();
    for id in missing {
        // What a struct literal names is looked up when it runs.
        let is_struct_name = program
            .tree
            .parent(id)
            .is_some_and(|parent| matches!(ast.node(parent), Node::StructLit { target, .. } if target == id));
        if is_struct_name {
            continue;
        }
        let Node::Name(symbol) = ast.node(id) else {
            continue;
        };
        let name = ast.text(symbol);
        let mut diagnostic = Diagnostic::error("E0201", format!("undefined variable '{name}'"), ast.span(id));
        let is_target = program
            .tree
            .parent(id)
            .is_some_and(|parent| matches!(ast.node(parent), Node::Assign { target, .. } if target == id));
        let help = helps.entry((symbol, is_target)).or_insert_with(|| {
            if prelude.is_module(name) && !is_target {
                Some(import_help(name))
            } else {
                undefined_help(name, candidates.iter().copied(), is_target)
            }
        });
        diagnostic.help.clone_from(help);
        let statement = program.tree.statement_of(ast, id);
        found.push((program.file.line(ast.span(statement).start), diagnostic));
    }
    found
}

/// Local bindings and imports that nothing reads.
pub(crate) fn unused(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program {
        ast,
        resolution,
        tree,
        ..
    } = program;
    let mut read_bindings: AHashSet<usize> = AHashSet::new();
    let mut read_globals: AHashSet<Symbol> = AHashSet::new();
    for &id in &tree.nodes {
        // Patterns name enums and structs by text.
        match ast.node(id) {
            Node::VariantPattern { enum_name: name, .. } | Node::StructPattern { name, .. } => {
                read_globals.insert(name);
                continue;
            }
            _ => {}
        }
        let Node::Name(symbol) = ast.node(id) else {
            continue;
        };
        let assigned = tree
            .parent(id)
            .is_some_and(|parent| matches!(ast.node(parent), Node::Assign { target, .. } if target == id));
        match resolution.use_of(id) {
            Use::Local(binding) if !assigned => {
                read_bindings.insert(binding.index());
            }
            Use::Global => {
                read_globals.insert(symbol);
            }
            Use::Local(_) | Use::None => {}
        }
    }
    // Annotations stand beside the tree.
    read_globals.extend(ast.ids().filter_map(|id| match ast.node(id) {
        Node::TypeName { name, .. } => Some(name),
        _ => None,
    }));
    for (index, binding) in resolution.bindings().iter().enumerate() {
        let (name, Some(ident)) = (ast.text(binding.name), binding.ident) else {
            continue;
        };
        let named = read_globals.contains(&binding.name);
        let is_import = binding.kind == BindingKind::Import;
        let counts = matches!(
            binding.kind,
            BindingKind::Let | BindingKind::Constant | BindingKind::Function | BindingKind::Import
        );
        if !counts
            || name.starts_with('_')
            || named
            || read_bindings.contains(&index)
            || is_loop_name(program, ident)
        {
            continue;
        }
        found.push(if is_import {
            unused_import(name, ast.span(ident))
        } else {
            let text = if binding.assigned {
                format!("'{name}' is assigned but never read")
            } else {
                format!("'{name}' is never used")
            };
            let warning = Diagnostic::warning("W0101", text, ast.span(ident))
                .with_help(format!("remove it, or call it '_{name}' if it has to be there"));
            let free = ast.symbol(&format!("_{name}")).is_none();
            // A name within a dict pattern is also the key.
            let plain = tree.parent(ident).is_some_and(|parent| {
                matches!(
                    ast.node(parent),
                    Node::Let { .. } | Node::Const { .. } | Node::ArrayPattern(_)
                )
            });
            if free && plain && !binding.assigned {
                warning.with_edit(name_span(program, ident), format!("_{name}"))
            } else {
                warning
            }
        });
    }
    let mut times: AHashMap<Symbol, usize> = AHashMap::new();
    for global in resolution.globals() {
        *times.entry(global.name).or_default() += 1;
    }
    for global in resolution.globals() {
        let name = ast.text(global.name);
        if global.kind == BindingKind::Import
            && times[&global.name] == 1
            && !name.starts_with('_')
            && !read_globals.contains(&global.name)
        {
            found.push(unused_import(name, ast.span(global.ident)));
        }
    }
}

/// The span of a declared name without its annotation.
fn name_span(program: &Program<'_>, ident: NodeId) -> aether_source::Span {
    let span = program.ast.span(ident);
    let length = program
        .ast
        .name_of(ident)
        .map_or(0, |name| program.ast.text(name).len());
    aether_source::Span::new(span.start, span.start + length as u32)
}

/// Whether a name is what a `for` binds, which the loop needs.
fn is_loop_name(program: &Program<'_>, ident: NodeId) -> bool {
    let Program { ast, tree, .. } = program;
    let mut around = std::iter::once(ident).chain(tree.ancestors(ident));
    around
        .find_map(|id| match tree.parent(id).map(|parent| ast.node(parent)) {
            Some(Node::For { binding, .. } | Node::ForClause { binding, .. }) => Some(binding == id),
            Some(Node::Let { .. } | Node::Const { .. } | Node::Block(_)) | None => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

fn unused_import(name: &str, span: aether_source::Span) -> Diagnostic {
    Diagnostic::warning("W0102", format!("'{name}' is imported but never used"), span)
        .with_help("remove the import")
}

/// Bindings with the name of a built-in function that hide it where it is called.
pub(crate) fn shadowed(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program {
        ast,
        resolution,
        prelude,
        tree,
        ..
    } = program;
    // Whether all values of a binding are data.
    let mut holds_data: AHashMap<BindingId, bool> = AHashMap::new();
    for &(binding, value) in resolution.values() {
        let value = ast.without_groups(value);
        let is_data =
            is_plain_literal(ast, value) || matches!(ast.node(value), Node::Array(_) | Node::Dict(_));
        *holds_data.entry(binding).or_insert(true) &= is_data;
    }
    for binding in resolution.opaque() {
        holds_data.remove(binding);
    }
    for &id in &tree.nodes {
        let Node::Call { callee, .. } = ast.node(id) else {
            continue;
        };
        let callee = ast.without_groups(callee);
        let (Node::Name(symbol), Use::Local(binding)) = (ast.node(callee), resolution.use_of(callee)) else {
            continue;
        };
        let name = ast.text(symbol);
        let binding_facts = resolution.binding(binding);
        let is_certain = holds_data.get(&binding) == Some(&true) && !binding_facts.assigned;
        if !is_certain || prelude.arity(name).is_none() {
            continue;
        }
        let warning = Diagnostic::warning(
            "W0104",
            format!("'{name}' is a variable here, not the built-in function"),
            ast.span(callee),
        )
        .with_help("give the variable another name");
        found.push(match binding_facts.ident {
            Some(ident) => warning.with_label(ast.span(ident), format!("'{name}' is declared here")),
            None => warning,
        });
    }
}
