//! Dict literals that name a key twice, struct literals that name a field which is not there.

use aether_ast::{Ast, Node, NodeId, Symbol};
use aether_resolve::suggest;
use aether_source::Diagnostic;
use ahash::{AHashMap, AHashSet};

use crate::Program;

/// A key that is a literal.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Text(Symbol),
    Int(i64),
    Bool(bool),
}

fn key(ast: &Ast, id: NodeId) -> Option<Key> {
    match ast.node(id) {
        Node::Str(symbol) => Some(Key::Text(symbol)),
        Node::Int(value) => Some(Key::Int(value)),
        Node::Bool(value) => Some(Key::Bool(value)),
        _ => None,
    }
}

/// Keys of a dict literal that stand in it twice.
pub(crate) fn duplicate_keys(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { ast, tree, file, .. } = program;
    for &id in &tree.nodes {
        let Node::Dict(entries) = ast.node(id) else {
            continue;
        };
        let mut seen: AHashMap<Key, NodeId> = AHashMap::new();
        for pair in ast.list(entries).chunks_exact(2) {
            let Some(literal) = key(ast, pair[0]) else {
                continue;
            };
            if let Some(&first) = seen.get(&literal) {
                let text = file.slice(ast.span(pair[0]));
                found.push(
                    Diagnostic::warning(
                        "W0108",
                        format!("the key {text} stands here twice"),
                        ast.span(pair[0]),
                    )
                    .with_label(ast.span(first), "its first value is lost")
                    .with_help("remove one of the two"),
                );
            } else {
                seen.insert(literal, pair[0]);
            }
        }
    }
}

/// Fields in a struct literal that the struct does not declare, but has one that reads alike.
pub(crate) fn unknown_fields(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { ast, tree, .. } = program;
    let structs = program.declared_once(|node| match node {
        Node::Struct(definition) => Some(ast.structure(definition).name),
        _ => None,
    });
    for &id in &tree.nodes {
        let Node::StructLit { target, fields } = ast.node(id) else {
            continue;
        };
        let Node::Name(name) = ast.node(target) else {
            continue;
        };
        let Some(&Some(declaration)) = structs.get(&name) else {
            continue;
        };
        let Node::Struct(definition) = ast.node(declaration) else {
            continue;
        };
        let definition = ast.structure(definition);
        let declared: AHashSet<&str> = ast
            .list(definition.fields)
            .iter()
            .filter_map(|&field| match ast.node(field) {
                Node::DefaultPattern { target, .. } => ast.name_of(target),
                _ => ast.name_of(field),
            })
            .map(|field| ast.text(field))
            .collect();
        let given: Vec<(NodeId, &str)> = ast
            .list(fields)
            .iter()
            .step_by(2)
            .filter_map(|&field| Some((field, ast.text(ast.name_of(field)?))))
            .collect();
        for &(field, text) in &given {
            if declared.contains(text) {
                continue;
            }
            // A field that is given as well was not meant.
            let free = declared
                .iter()
                .copied()
                .filter(|declared| !given.iter().any(|(_, given)| given == declared));
            if let Some(meant) = suggest(text, free) {
                found.push(
                    Diagnostic::warning(
                        "W0113",
                        format!("{} declares no field '{text}'", ast.text(name)),
                        ast.span(field),
                    )
                    .with_label(ast.span(definition.name), "declared here")
                    .with_help(format!("did you mean '{meant}'?")),
                );
            }
        }
    }
}
