//! Which crate may depend on which: an arrow that is not listed here is a decision, and its own commit.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::repository;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Every arrow that is allowed, by crate; names without `aether-`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("lexer", &["source"]),
    ("ast", &["source"]),
    ("parser", &["source", "lexer", "ast"]),
    ("resolve", &["source", "ast"]),
    ("value", &["source"]),
    ("fmt", &["source", "lexer", "ast", "parser"]),
    ("lint", &["source", "ast", "resolve"]),
    ("eval", &["source", "ast", "parser", "resolve", "value"]),
    ("stdlib", &["source", "eval", "value"]),
    (
        "aether",
        &[
            "source", "lexer", "ast", "parser", "resolve", "eval", "value", "stdlib", "macros",
        ],
    ),
    ("cli", &["aether", "source", "fmt", "lint"]),
    // What authors of plugins depend on: nothing of the engine.
    ("plugin", &["plugin-macros"]),
    ("plugin-macros", &[]),
    ("macros", &[]),
];

/// Libraries of others, and the only crates that may name them.
const CONFINED: &[(&str, &[&str])] = &[
    ("chumsky", &["parser"]),
    ("logos", &["lexer"]),
    ("clap", &["cli"]),
    ("annotate-snippets", &["cli"]),
    ("rustyline", &["cli"]),
    ("inferno", &["cli"]),
    ("similar", &["cli"]),
    ("toml", &["cli", "stdlib"]),
    ("libloading", &["stdlib"]),
    ("ureq", &["stdlib"]),
    ("tokio", &["stdlib"]),
    ("hyper", &["stdlib"]),
    ("tokio-rustls", &["stdlib"]),
    ("tokio-tungstenite", &["stdlib"]),
    ("syn", &["plugin-macros", "macros"]),
    ("serde", &["aether"]),
    ("mio", &["stdlib"]),
    ("notify", &["aether"]),
    // Terminals, sockets, and address space for chunks.
    ("rustix", &["aether", "stdlib", "value"]),
];

fn short(name: &str) -> &str {
    name.strip_prefix("aether-").unwrap_or(name)
}

/// The normal dependencies of each shipped crate.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let shipped = packages.iter().filter(|package| {
        let manifest = package["manifest_path"].as_str().unwrap();
        manifest.contains("/crates/")
    });
    let named = |package: &Value| {
        let list = package["dependencies"].as_array().unwrap().iter();
        let normal = list.filter(|dependency| dependency["kind"].is_null());
        normal
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    shipped
        .map(|package| (package["name"].as_str().unwrap().to_owned(), named(package)))
        .collect()
}

#[test]
fn arrows_between_crates_are_the_listed_ones() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    for (name, dependencies) in dependencies() {
        let own = short(&name);
        let Some(allowed) = allowed.get(own) else {
            panic!("crate {name} is not listed")
        };
        for dependency in &dependencies {
            let ours = dependency == "aether" || dependency.starts_with("aether-");
            assert!(
                !ours || allowed.contains(&short(dependency)),
                "{name} may not depend on {dependency}"
            );
        }
    }
}

#[test]
fn libraries_stay_in_the_crate_that_owns_them() {
    for (name, dependencies) in dependencies() {
        for (library, owners) in CONFINED {
            assert!(
                owners.contains(&short(&name)) || !dependencies.contains(*library),
                "only {owners:?} may name {library}, but {name} does"
            );
        }
    }
}
