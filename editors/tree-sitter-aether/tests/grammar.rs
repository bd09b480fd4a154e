//! The grammar reads what the parser reads, and knows the words and signs of the lexer.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_lexer::{CONTEXTUAL_WORDS, RESERVED_WORDS, SIGNS};
use aether_parser::{ParseOptions, parse};
use aether_source::SourceFile;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tree_sitter::{Language, Node, Parser, Query};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every program of the repository that the parser takes.
fn programs() -> Vec<(PathBuf, String)> {
    let mut waiting: Vec<PathBuf> = ["tests", "examples", "benches", "crates", "docs"]
        .map(|name| repository().join(name))
        .into();
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ae")
                && let Ok(text) = fs::read_to_string(&path)
                && parse(&SourceFile::new(None, text.clone()), ParseOptions::default())
                    .diagnostics
                    .is_empty()
            {
                found.push((path, text));
            }
        }
    }
    found
}

/// The first node that stands for an error.
fn first_error(root: Node<'_>) -> Option<Node<'_>> {
    let mut work = vec![root];
    while let Some(node) = work.pop() {
        if node.is_error() || node.is_missing() {
            return Some(node);
        }
        if node.has_error() {
            work.extend((0..node.child_count()).rev().filter_map(|at| node.child(at)));
        }
    }
    None
}

/// Programs that use words as names because of what they declare elsewhere, which no grammar sees.
const DECLARED_WORDS: &[&str] = &["declared-words-are-no-keywords.ae"];

#[test]
fn every_program_is_read_without_an_error() {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_aether::LANGUAGE.into()).unwrap();
    let programs = programs();
    assert!(programs.len() > 1000);
    for (path, text) in programs {
        if DECLARED_WORDS.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let tree = parser.parse(&text, None).unwrap();
        let error = first_error(tree.root_node());
        assert_eq!(
            error.map(|node| node.start_position()),
            None,
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_highlights_name_nodes_that_there_are() {
    let language: Language = tree_sitter_aether::LANGUAGE.into();
    Query::new(&language, tree_sitter_aether::HIGHLIGHTS_QUERY).unwrap();
}

/// The texts that stand in the grammar.
fn texts(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(entries) => {
            // Literal tokens, and what tokens of the scanner are called.
            let is_text = entries
                .get("type")
                .is_some_and(|kind| kind == "STRING" || kind == "ALIAS");
            if let (true, Some(text)) = (is_text, entries.get("value").and_then(|text| text.as_str())) {
                found.insert(text.to_owned());
            }
            entries.values().for_each(|value| texts(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

#[test]
fn the_grammar_has_the_words_and_signs_of_the_lexer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/grammar.json");
    let grammar: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut known = BTreeSet::new();
    texts(&grammar["rules"], &mut known);
    let words = RESERVED_WORDS.iter().chain(SIGNS).map(|&(text, _)| text);
    for text in words.chain(CONTEXTUAL_WORDS.iter().copied()) {
        assert!(known.contains(text), "{text}");
    }
}
