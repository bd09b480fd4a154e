//! The tree as text for people: one line a node, two blanks a level, and as JSON with sorted keys.
//!
//! Invariants
//! - No recursion: chains may be as long as the source text.
//! - Indentation stops growing at [`DEEPEST_INDENT`], so that the output of a long chain stays linear in its length.

use std::fmt::Write as _;

use crate::build::Ast;
use crate::node::NodeId;
use crate::shape::{Part, Shape};

/// Levels that are indented; what is deeper lines up with the last of them.
const DEEPEST_INDENT: usize = 256;

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth.min(DEEPEST_INDENT) {
        out.push_str("  ");
    }
}

/// Appends `text` as a JSON string.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for found in text.chars() {
        match found {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Writes the tree, one line a node: kind, name or value quoted, then the children one level deeper.
pub fn dump(ast: &Ast) -> String {
    let mut out = String::from("Program\n");
    let mut stack: Vec<(NodeId, usize)> = ast.root().iter().rev().map(|&id| (id, 1)).collect();
    while let Some((id, depth)) = stack.pop() {
        indent(&mut out, depth);
        let Shape { kind, parts } = ast.shape(id);
        out.push_str(kind);
        let mut children = Vec::new();
        for (key, part) in parts {
            match part {
                Part::Text(text) => {
                    out.push(' ');
                    quote(&mut out, &text);
                }
                Part::Number(text) => {
                    out.push(' ');
                    out.push_str(&text);
                }
                Part::Flag(value) => {
                    let text = match (key, value) {
                        ("value", true) => "true",
                        ("value", false) => "false",
                        _ => key,
                    };
                    out.push(' ');
                    out.push_str(text);
                }
                Part::Names(names) => {
                    let _ = write!(out, " [{}]", names.join(", "));
                }
                Part::Child(child) => children.push(child),
                Part::Children(list) | Part::Pairs(list) => children.extend(list),
                Part::Absent => {
                    if matches!(key, "start" | "end") {
                        let _ = write!(out, " no-{key}");
                    }
                }
            }
        }
        out.push('\n');
        stack.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
    }
    out
}

/// What remains to be written of the JSON.
enum Work {
    Text(String),
    Line(usize),
    Node(NodeId, usize),
}

/// Writes the tree as pretty JSON with sorted keys.
pub fn to_json(ast: &Ast) -> String {
    let mut out = String::new();
    let mut stack = Vec::new();
    let mut work = vec![Work::Text("{".to_owned()), Work::Line(1)];
    work.push(Work::Text("\"statements\": ".to_owned()));
    json_list(ast.root(), 1, &mut work);
    work.push(Work::Text(",".to_owned()));
    work.push(Work::Line(1));
    work.push(Work::Text("\"type\": \"Program\"".to_owned()));
    work.push(Work::Line(0));
    work.push(Work::Text("}\n".to_owned()));
    stack.extend(work.drain(..).rev());
    while let Some(next) = stack.pop() {
        match next {
            Work::Text(text) => out.push_str(&text),
            Work::Line(depth) => {
                out.push('\n');
                indent(&mut out, depth);
            }
            Work::Node(id, depth) => {
                json_node(ast, id, depth, &mut work);
                stack.extend(work.drain(..).rev());
            }
        }
    }
    out
}

fn json_node(ast: &Ast, id: NodeId, depth: usize, work: &mut Vec<Work>) {
    let Shape { kind, mut parts } = ast.shape(id);
    parts.push(("type", Part::Text(kind.to_owned())));
    parts.sort_by_key(|&(key, _)| key);
    work.push(Work::Text("{".to_owned()));
    for (at, (key, part)) in parts.into_iter().enumerate() {
        if at > 0 {
            work.push(Work::Text(",".to_owned()));
        }
        work.push(Work::Line(depth + 1));
        work.push(Work::Text(format!("\"{key}\": ")));
        json_part(part, depth + 1, work);
    }
    work.push(Work::Line(depth));
    work.push(Work::Text("}".to_owned()));
}

fn json_part(part: Part, depth: usize, work: &mut Vec<Work>) {
    match part {
        Part::Text(text) => {
            let mut quoted = String::new();
            quote(&mut quoted, &text);
            work.push(Work::Text(quoted));
        }
        Part::Number(text) => work.push(Work::Text(text)),
        Part::Flag(value) => work.push(Work::Text(value.to_string())),
        Part::Names(names) => {
            let mut text = String::from("[");
            for (at, name) in names.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                quote(&mut text, name);
            }
            text.push(']');
            work.push(Work::Text(text));
        }
        Part::Child(child) => work.push(Work::Node(child, depth)),
        Part::Children(list) => json_list(&list, depth, work),
        Part::Pairs(list) => {
            json_items(list.chunks_exact(2), depth, work, |pair, work| {
                work.push(Work::Text("{".to_owned()));
                work.push(Work::Line(depth + 2));
                work.push(Work::Text("\"key\": ".to_owned()));
                work.push(Work::Node(pair[0], depth + 2));
                work.push(Work::Text(",".to_owned()));
                work.push(Work::Line(depth + 2));
                work.push(Work::Text("\"value\": ".to_owned()));
                work.push(Work::Node(pair[1], depth + 2));
                work.push(Work::Line(depth + 1));
                work.push(Work::Text("}".to_owned()));
            });
        }
        Part::Absent => work.push(Work::Text("null".to_owned())),
    }
}

fn json_list(items: &[NodeId], depth: usize, work: &mut Vec<Work>) {
    json_items(items.iter(), depth, work, |&item, work| {
        work.push(Work::Node(item, depth + 1));
    });
}

fn json_items<T>(
    items: impl ExactSizeIterator<Item = T>,
    depth: usize,
    work: &mut Vec<Work>,
    mut write: impl FnMut(T, &mut Vec<Work>),
) {
    if items.len() == 0 {
        work.push(Work::Text("[]".to_owned()));
        return;
    }
    work.push(Work::Text("[".to_owned()));
    for (at, item) in items.enumerate() {
        if at > 0 {
            work.push(Work::Text(",".to_owned()));
        }
        work.push(Work::Line(depth + 1));
        write(item, work);
    }
    work.push(Work::Line(depth));
    work.push(Work::Text("]".to_owned()));
}
