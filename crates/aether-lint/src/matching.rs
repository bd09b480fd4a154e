//! Matches over the variants of an enum that leave some out.

use aether_ast::{Node, NodeId, Symbol};
use aether_source::Diagnostic;

use crate::Program;

/// Matches whose arms all name variants of one enum of this file, but not all of them; as statements, only if they name
/// most of them.
pub(crate) fn missing_cases(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program { ast, tree, .. } = program;
    let enums: Vec<(Symbol, NodeId)> = tree
        .nodes
        .iter()
        .filter_map(|&id| match ast.node(id) {
            Node::Enum(definition) => Some((ast.name_of(ast.enumeration(definition).name)?, id)),
            _ => None,
        })
        .collect();
    for &id in &tree.nodes {
        let (subject, arms, is_value) = match ast.node(id) {
            Node::Match { subject, arms } => (subject, arms, false),
            Node::MatchExpr { subject, arms } => (subject, arms, true),
            _ => continue,
        };
        let Some((of, named)) = variants(program, ast.list(arms)) else {
            continue;
        };
        let mut declared = enums.iter().filter(|(name, _)| *name == of);
        let (Some(&(_, declaration)), None) = (declared.next(), declared.next()) else {
            continue;
        };
        let Node::Enum(definition) = ast.node(declaration) else {
            continue;
        };
        let definition = ast.enumeration(definition);
        let missing: Vec<&str> = ast
            .list(definition.variants)
            .iter()
            .filter_map(|&variant| match ast.node(variant) {
                Node::Variant { name, .. } => ast.name_of(name),
                _ => None,
            })
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
            .with_label(ast.span(definition.name), format!("{of} is declared here"))
            .with_help(format!(
                "add the arm, or _ => … for the rest; without one the match {what}"
            )),
        );
    }
}

/// The enum whose variants all arms name, and which those are; `None` if some arm takes anything else.
fn variants(program: &Program<'_>, arms: &[NodeId]) -> Option<(Symbol, Vec<Symbol>)> {
    let ast = program.ast;
    let mut of = None;
    let mut named = Vec::new();
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
                    named.push(variant);
                }
                _ => return None,
            }
        }
    }
    of.map(|of| (of, named))
}
