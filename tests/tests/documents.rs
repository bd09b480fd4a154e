//! Every fenced `aether` example in the documents runs, and prints what its `// → text` comments say, in that order.
//! The cookbook has a test of its own.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::{execute_text, repository};
use std::fs;
use std::path::PathBuf;

/// The examples of a document, each with the line it starts in.
fn examples(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim_end() == "```aether" => open = Some((number + 2, String::new())),
            None => {}
            Some(_) if line.trim_end() == "```" => found.extend(open.take()),
            Some((_, code)) => {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let root = repository();
    let mut paths = vec![
        root.join("README.md"),
        root.join("ARCHITECTURE.md"),
        root.join("CHANGELOG.md"),
    ];
    for directory in ["docs", "docs/embedding"] {
        let docs = fs::read_dir(root.join(directory)).unwrap();
        paths.extend(
            docs.map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    paths
}

#[test]
fn examples_print_what_they_say() {
    let mut count = 0;
    for path in documents() {
        if path.ends_with("cookbook.md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (line, code) in examples(&text) {
            let place = format!("{}:{line}", path.display());
            let (outcome, report) = execute_text(&code).unwrap();
            assert_eq!(outcome.stderr, "", "{place}");
            let said = code.lines().filter_map(|line| line.split_once("// → "));
            let said: Vec<&str> = said.map(|(_, text)| text.trim_end()).collect();
            let printed: Vec<&str> = outcome.stdout.lines().map(str::trim_end).collect();
            assert_eq!(printed, said, "{place}");
            assert_eq!(report.live_objects, 0, "{place}");
            count += 1;
        }
    }
    assert!(count > 10, "only {count} examples found");
}

/// The library reference has every built-in, and each of its examples gives what stands beside it.
#[test]
fn the_library_reference_is_complete_and_true() {
    let text = fs::read_to_string(repository().join("docs/library.md")).unwrap();
    let (mut examples, mut wrong) = (0, Vec::new());
    let mut imports = String::new();
    for (number, line) in text.lines().enumerate() {
        // A section of modules that have to be imported says so.
        if line.starts_with("## ") {
            imports.clear();
        } else if line.starts_with("`import ") {
            let names = line.split('`').filter(|part| part.starts_with("import "));
            imports = names.flat_map(|import| [import, "\n"]).collect();
        }
        let Some(example) = line.rsplit(" | ").next().and_then(|cell| cell.strip_suffix(" |")) else {
            continue;
        };
        let Some((code, expected)) = example.split_once("` → `") else {
            continue;
        };
        let code = code.strip_prefix('`').unwrap();
        let expected = expected.strip_suffix('`').unwrap().replace('⏎', "\n");
        let host = aether::MemoryHost::new();
        let mut engine = aether::Engine::builder()
            .max_memory(None)
            .host(host)
            .build()
            .unwrap();
        // An array at the beginning of a line goes on with the line before.
        let code = code.replace("  [", "\n[");
        let value = engine.eval(format!("{imports}{code}"));
        let given = value.and_then(|value| engine.text(&value));
        let given = given.unwrap_or_else(|error| error.to_string());
        if given != expected {
            wrong.push(format!("{}: {code} gives {given}, not {expected}", number + 1));
        }
        examples += 1;
    }
    assert!(wrong.is_empty(), "docs/library.md:\n{}", wrong.join("\n"));
    assert!(examples > 90, "only {examples} examples");
    for def in aether::parts::eval::all_builtins()
        .map(|(_, def)| def)
        .chain(aether::parts::stdlib::ALL.iter().copied().flatten())
        .chain(
            aether::parts::stdlib::MODULES
                .iter()
                .flat_map(|module| module.functions),
        )
    {
        let name = def.info.name;
        let is_there = ["`", ".", " `"]
            .iter()
            .any(|before| text.contains(&format!("{before}{name}(")));
        assert!(is_there, "docs/library.md lacks {name}");
    }
}

/// The book's table of contents leads to every page, and every page of the book exists.
#[test]
fn the_book_has_every_page() {
    let docs = repository().join("docs");
    let contents = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut linked: Vec<PathBuf> = contents
        .split("](")
        .skip(1)
        .map(|rest| docs.join(rest.split_once(')').unwrap().0))
        .collect();
    linked.sort();
    let mut pages: Vec<PathBuf> = documents()
        .into_iter()
        .filter(|path| path.starts_with(&docs) && !path.ends_with("SUMMARY.md"))
        .collect();
    pages.sort();
    assert_eq!(linked, pages);
}
