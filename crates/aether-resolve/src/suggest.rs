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
        // A single letter is like any other.
        let is_letter = |text: &str| text.chars().count() == 1;
        let distance = if candidate == name {
            continue;
        } else if candidate.eq_ignore_ascii_case(name) {
            1
        } else if is_letter(name) || is_letter(candidate) {
            continue;
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

/// Advice for a name that nothing declares: how what other languages call so is written, the candidate that was
/// probably meant, or, where the name is assigned, how one is declared.
pub fn undefined_help<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    is_assigned: bool,
) -> Option<String> {
    if let Some(text) = written_here(name) {
        return Some(text.to_owned());
    }
    if let Some(meant) = suggest(name, candidates) {
        return Some(format!("did you mean '{meant}'?"));
    }
    is_assigned.then(|| format!("a variable is declared with let {name} = …"))
}

/// Advice for a name that nothing declares and that is a module of the library.
pub fn import_help(module: &str) -> String {
    format!("'{module}' is a module of the library; write import {module} first")
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

/// How a name of other languages is written here, for a name that nothing declares.
pub fn written_here(name: &str) -> Option<&'static str> {
    Some(match name {
        "nil" | "None" | "NULL" | "undefined" | "nullptr" | "Nil" => "the missing value is written null",
        "True" | "TRUE" => "truth is written true",
        "False" | "FALSE" => "falsehood is written false",
        "this" => "a method's own instance is self",
        "new" => "instances are written Name { field: value }",
        "printf" | "sprintf" | "echo" | "puts" | "console" | "System" => {
            "output is written with print and println, formatted text with format"
        }
        "not" => "'not' is written !",
        "and" => "'and' is written &&",
        "or" => "'or' is written ||",
        "pass" => "an empty block is written { }",
        "foreach" => "a loop is written for x in items { … }",
        "unless" => "write if (!condition) { … }",
        "until" => "write while (!condition) { … }",
        "elif" | "elseif" | "elsif" => "write else if (…) { … }",
        "raise" => "errors are raised with throw",
        "string" | "String" => "a value becomes text with str(x)",
        "parseInt" | "Integer" => "text becomes a number with int(x) or float(x)",
        "Array" | "list" | "List" => "arrays are written [a, b]",
        "Math" => "the functions of mathematics have no prefix: sqrt(x), floor(x)",
        "require" | "include" | "use" => "modules are loaded with import",
        "process" => "a program's arguments are in args",
        "switch" | "case" => "cases are written with match: match x { 1 => …, _ => … }",
        "fetch" => "a page is read with http_get(url)",
        "exit" | "quit" => "a program ends where main ends; return leaves it earlier, throw with an error",
        "sleep_ms" | "setTimeout" => "time passes with await sleep(seconds)",
        _ => return None,
    })
}

/// How a method of other languages is written here, for a method that a value does not have.
pub fn method_here(name: &str) -> Option<&'static str> {
    Some(match name {
        "length" | "size" | "len" | "count" => "the number of elements is x.length, without parentheses",
        "append" | "add" | "push_back" => "an element is added with push(x); extend(items) adds several",
        "toString" | "to_s" | "to_string" => "a value becomes text with str(x)",
        "toUpperCase" | "toUpper" | "upcase" => "write upper()",
        "toLowerCase" | "toLower" | "downcase" => "write lower()",
        "strip" => "write trim()",
        "includes" | "has" | "include?" => "write contains(x), or x in items",
        "indexOf" => "write index_of(x)",
        "startsWith" | "startswith" => "write starts_with(s)",
        "endsWith" | "endswith" => "write ends_with(s)",
        "forEach" => "write each(f)",
        "filter_map" | "flatMap" => "write flat_map(f)",
        "to_array" | "toArray" | "to_list" | "toList" | "to_vec" => {
            "the items of an iterator become an array with collect()"
        }
        "sortBy" => "write sort_by(f)",
        "keySet" | "Keys" => "write keys()",
        "substring" | "substr" => "a part of a text is s[from:to]",
        _ => return None,
    })
}

/// Names of members that usually lead back to what holds an object.
pub const BACKWARD_MEMBERS: &[&str] = &[
    "parent",
    "owner",
    "prev",
    "previous",
    "back",
    "root",
    "container",
    "outer",
    "peer",
    "self",
    "this",
    "up",
];

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
