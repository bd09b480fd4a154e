//! Names that cannot exist, and the name that was probably meant.

use aether_ast::{Ast, Node, NodeId};
use ahash::AHashSet;

use crate::tables::Resolution;

/// Uses of names that neither the module's top level declares nor `known` has, in source order.
pub fn undefined_names(ast: &Ast, resolution: &Resolution, known: impl Fn(&str) -> bool) -> Vec<NodeId> {
    let declared: AHashSet<_> = resolution.globals().iter().map(|global| global.name).collect();
    let mut undefined: Vec<NodeId> = resolution
        .global_uses()
        .iter()
        .copied()
        .filter(|&id| match ast.node(id) {
            Node::Name(name) => !declared.contains(&name) && !known(ast.text(name)),
            _ => false,
        })
        .collect();
    undefined.sort_by_key(|&id| ast.span(id).start);
    undefined
}

/// The candidate closest to `name`, if one is close enough to have been meant.
///
/// Distance counts insertions, deletions, replacements and swaps of neighbours (optimal string alignment); a
/// third of the name's length, at least one and at most three, is close enough. Case alone counts half.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 2 * (name.chars().count() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate == name {
            continue;
        }
        let distance = if candidate.eq_ignore_ascii_case(name) {
            1
        } else {
            2 * distance(name, candidate)
        };
        let better = best.is_none_or(|(least, text)| (distance, candidate) < (least, text));
        if distance <= allowed && better {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance; names longer than 64 characters are never close.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(65).collect();
    let b: Vec<char> = b.chars().take(65).collect();
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX / 2;
    }
    let mut before = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, &left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &right) in b.iter().enumerate() {
            let replaced = previous[j] + usize::from(left != right);
            let mut least = replaced.min(previous[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left == b[j - 1] && a[i - 1] == right {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn suggestions_are_close_names_only() {
        let names = ["length", "print", "println", "total", "x"];
        assert_eq!(suggest("lenght", names), Some("length"));
        assert_eq!(suggest("prinln", names), Some("println"));
        assert_eq!(suggest("Total", names), Some("total"));
        assert_eq!(suggest("wholly", names), None);
        assert_eq!(suggest("length", ["length"]), None);
    }
}
