//! Match arms: variants of an enum that are left out or not named as such, and arms that are never tried.

use aether_ast::{Node, NodeId, Symbol};
use aether_source::Diagnostic;
use ahash::{AHashMap, AHashSet};

use crate::Program;

/// Matches whose arms all name variants of one enum of this file, but not all of them; as statements, only if they name
/// most of them.
pub(crate) fn missing_cases(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { ast, tree, .. } = program;
    let enums = enums(program);
    for &id in &tree.nodes {
        let (subject, arms, is_value) = match ast.node(id) {
            Node::Match { subject, arms } => (subject, arms, false),
            Node::MatchExpr { subject, arms } => (subject, arms, true),
            _ => continue,
        };
        let Some((of, named)) = variants(program, ast.list(arms)) else {
            continue;
        };
        let Some(&Some(declaration)) = enums.get(&of) else {
            continue;
        };
        let Node::Enum(definition) = ast.node(declaration) else {
            continue;
        };
        let name = ast.enumeration(definition).name;
        let missing: Vec<&str> = variants_of(program, declaration)
            .filter(|variant| !named.contains(variant))
            .map(|variant| ast.text(variant))
            .collect();
        // A statement that picks out a few variants means to do nothing for the rest.
        if missing.is_empty() || (!is_value && missing.len() >= named.len()) {
            continue;
        }
        let of = ast.text(of);
        let list: Vec<String> = missing.iter().map(|name| format!("{of}.{name}")).collect();
        let what = if is_value { "is an error" } else { "does nothing" };
        found.push(
            Diagnostic::warning(
                "W0107",
                format!("no arm for {}", list.join(", ")),
                ast.span(subject),
            )
            .with_label(ast.span(name), format!("{of} is declared here"))
            .with_help(format!(
                "add the arm, or _ => … for the rest; without one the match {what}"
            )),
        );
    }
}

/// Names in patterns that a variant of one of this file's enums has, where they bind anything; and arms behind one that
/// takes anything.
pub(crate) fn catch_alls(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { ast, tree, .. } = program;
    let mut owners: AHashMap<Symbol, Symbol> = AHashMap::new();
    for &id in &tree.nodes {
        let Node::Enum(definition) = ast.node(id) else {
            continue;
        };
        let Some(of) = ast.name_of(ast.enumeration(definition).name) else {
            continue;
        };
        for variant in variants_of(program, id) {
            // What starts with a small letter may well be meant as a name.
            if ast.text(variant).starts_with(char::is_uppercase) {
                owners.entry(variant).or_insert(of);
            }
        }
    }
    for &id in &tree.nodes {
        let (Node::Match { arms, .. } | Node::MatchExpr { arms, .. }) = ast.node(id) else {
            continue;
        };
        let arms = ast.list(arms);
        let mut catch_all = None;
        for &arm in arms {
            let Node::Arm { pattern, guard, .. } = ast.node(arm) else {
                continue;
            };
            if let Some(earlier) = catch_all {
                found.push(
                    Diagnostic::warning("W0103", "this arm is never tried", ast.span(pattern))
                        .with_label(ast.span(earlier), "this pattern matches anything")
                        .with_help("put the arm that takes the rest last"),
                );
                break;
            }
            let before = found.len();
            misnamed_variants(program, pattern, &owners, found);
            // Such a name explains the arms behind it.
            if guard.is_none() && found.len() == before {
                catch_all = takes_anything(program, pattern);
            }
        }
    }
}

fn misnamed_variants(
    program: &Program<'_>,
    pattern: NodeId,
    owners: &AHashMap<Symbol, Symbol>,
    found: &mut Vec<Diagnostic>,
) {
    let ast = program.ast;
    let mut work = vec![pattern];
    while let Some(pattern) = work.pop() {
        match ast.node(pattern) {
            Node::OrPattern(items) | Node::ArrayPattern(items) => work.extend(ast.list(items)),
            Node::AsPattern { pattern, .. } => work.push(pattern),
            Node::VariantPattern { fields, .. }
            | Node::StructPattern { fields, .. }
            | Node::DictPattern(fields) => work.extend(ast.list(fields)),
            // `{Name}` names a key.
            Node::EntryPattern { key, target, .. } if key != target => work.push(target),
            Node::Ident(name) => {
                let Some(&of) = owners.get(&name) else { continue };
                let (name, of) = (ast.text(name), ast.text(of));
                found.push(
                    Diagnostic::warning(
                        "W0114",
                        format!("'{name}' matches anything here and names it"),
                        ast.span(pattern),
                    )
                    .with_help(format!("the variant is written {of}.{name}")),
                );
            }
            _ => {}
        }
    }
}

/// The part of a pattern that takes any value.
fn takes_anything(program: &Program<'_>, pattern: NodeId) -> Option<NodeId> {
    let ast = program.ast;
    let mut work = vec![pattern];
    while let Some(pattern) = work.pop() {
        match ast.node(pattern) {
            Node::Ident(_) | Node::Wildcard => return Some(pattern),
            Node::OrPattern(items) => work.extend(ast.list(items)),
            Node::AsPattern { pattern, .. } => work.push(pattern),
            _ => {}
        }
    }
    None
}

/// The enums of a file by name.
fn enums(program: &Program<'_>) -> AHashMap<Symbol, Option<NodeId>> {
    program.declared_once(|node| match node {
        Node::Enum(definition) => Some(program.ast.enumeration(definition).name),
        _ => None,
    })
}

/// The variants of an enum by name.
fn variants_of<'a>(program: &'a Program<'_>, declaration: NodeId) -> impl Iterator<Item = Symbol> + 'a {
    let ast = program.ast;
    let variants: &[NodeId] = match ast.node(declaration) {
        Node::Enum(definition) => ast.list(ast.enumeration(definition).variants),
        _ => &[],
    };
    variants.iter().filter_map(|&variant| match ast.node(variant) {
        Node::Variant { name, .. } => ast.name_of(name),
        _ => None,
    })
}

/// The enum whose variants all arms name, and which those are; `None` if some arm takes anything else.
fn variants(program: &Program<'_>, arms: &[NodeId]) -> Option<(Symbol, AHashSet<Symbol>)> {
    let ast = program.ast;
    let mut of = None;
    let mut named = AHashSet::new();
    let mut work = Vec::new();
    for &arm in arms {
        let Node::Arm { pattern, .. } = ast.node(arm) else {
            return None;
        };
        work.push(pattern);
        while let Some(pattern) = work.pop() {
            match ast.node(pattern) {
                Node::OrPattern(items) => work.extend(ast.list(items)),
                Node::AsPattern { pattern, .. } => work.push(pattern),
                Node::VariantPattern {
                    enum_name, variant, ..
                } => {
                    if *of.get_or_insert(enum_name) != enum_name {
                        return None;
                    }
                    named.insert(variant);
                }
                _ => return None,
            }
        }
    }
    of.map(|of| (of, named))
}
