//! What editors know of the language is what the lexer knows.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether::parts::lexer::{CONTEXTUAL_WORDS, RESERVED_WORDS, SIGNS};
use aether_tests::repository;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn json(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(repository().join(path)).unwrap()).unwrap()
}

/// The words that stand between `\b(?:` and `)\b` in a pattern.
fn alternatives(pattern: &Value) -> impl Iterator<Item = String> {
    let text = pattern["match"].as_str().unwrap_or_default();
    let inner = text
        .split_once("\\b(?:")
        .and_then(|(_, rest)| rest.split_once(")\\b"));
    let words: Vec<String> = inner.map_or_else(Vec::new, |(words, _)| {
        words.split('|').map(str::to_owned).collect()
    });
    words.into_iter()
}

#[test]
fn the_textmate_grammar_has_the_words_and_signs_of_the_lexer() {
    let grammar = json("editors/vscode/syntaxes/aether.tmLanguage.json");
    let rules = grammar["repository"]["words"]["patterns"].as_array().unwrap();
    let words: BTreeSet<String> = rules.iter().flat_map(alternatives).collect();
    let reserved: BTreeSet<String> = RESERVED_WORDS.iter().map(|&(word, _)| word.to_owned()).collect();
    assert_eq!(words, reserved);
    let contextual = rules
        .iter()
        .find(|rule| rule["name"] == "keyword.control.contextual.aether");
    for word in CONTEXTUAL_WORDS {
        assert!(
            contextual.unwrap()["match"].as_str().unwrap().contains(word),
            "{word}"
        );
    }
    let signs = grammar["repository"]["operators"]["patterns"][0]["match"]
        .as_str()
        .unwrap();
    let (listed, class) = signs.rsplit_once("|[").unwrap();
    let mut listed: Vec<String> = listed
        .replace("\\|", "\u{1}")
        .split('|')
        .map(|sign| sign.replace('\u{1}', "|").replace('\\', ""))
        .collect();
    listed.extend(class.trim_end_matches(']').chars().map(String::from));
    let punctuation = ["(", ")", "[", "]", "{", "}", ",", ".", ":", ";"];
    for &(sign, _) in SIGNS.iter().filter(|(sign, _)| !punctuation.contains(sign)) {
        assert!(
            listed.iter().any(|listed| listed == sign),
            "{sign} is missing in {listed:?}"
        );
    }
    // The longest comes first, as the lexer takes it.
    for (at, sign) in listed.iter().enumerate() {
        let hidden = listed[at + 1..]
            .iter()
            .find(|later| later.starts_with(sign.as_str()));
        assert_eq!(hidden, None, "{sign} hides a longer one");
    }
}

#[test]
fn the_extension_names_files_that_are_there() {
    let package = json("editors/vscode/package.json");
    let folder = repository().join("editors/vscode");
    let contributes = &package["contributes"];
    let configuration = contributes["languages"][0]["configuration"].as_str().unwrap();
    let grammar = contributes["grammars"][0]["path"].as_str().unwrap();
    for path in [configuration, grammar] {
        assert!(folder.join(path).is_file(), "{path}");
    }
    json("editors/vscode/language-configuration.json");
}
