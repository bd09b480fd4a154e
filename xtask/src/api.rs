//! The public interfaces of the crates that promise to be stable, as lists under test: what `cargo doc` shows of them.
//!
//! A line that goes is a change that breaks users, a line that comes one that does not; either is a deliberate act, and
//! noted in the changelog. `--bless` writes the lists anew.
//!
//! Each public item of the façade has an example, which runs as a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::tools::{cargo, root, run, target_directory};

/// The crates, as `cargo doc` names their directories.
const CRATES: &[&str] = &["aether", "aether_ast", "aether_value"];

/// Anchors of members in an item's page.
const MEMBERS: &[&str] = &[
    "id=\"method.",
    "id=\"tymethod.",
    "id=\"variant.",
    "id=\"structfield.",
    "id=\"associatedconstant.",
    "id=\"associatedtype.",
];

/// Where an item's own members end in its page.
const ENDS: &[&str] = &[
    "id=\"trait-implementations\"",
    "id=\"synthetic-implementations\"",
    "id=\"blanket-implementations\"",
    "id=\"foreign-impls\"",
    "id=\"implementors\"",
];

/// Compares the lists with what the documentation shows, or writes them.
///
/// # Errors
/// The documentation cannot be made, or a list differs: each line that has gone or come.
pub(crate) fn run_with(bless: bool) -> Result<(), String> {
    run(cargo().args([
        "doc",
        "--no-deps",
        "--locked",
        "-p",
        "aether",
        "-p",
        "aether-ast",
        "-p",
        "aether-value",
    ]))?;
    let mut without = Vec::new();
    without_example(&root().join("crates/aether/src"), &mut without)?;
    if !without.is_empty() {
        return Err(format!(
            "Public items without an example:\n{}",
            without.join("\n")
        ));
    }
    let mut differences = String::new();
    for name in CRATES {
        let found = items(&target_directory().join("doc").join(name))?;
        let list = root().join("docs/api").join(format!("{name}.txt"));
        if bless {
            let text: String = found.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            fs::create_dir_all(root().join("docs/api")).map_err(|error| error.to_string())?;
            fs::write(&list, text).map_err(|error| format!("{}: {error}", list.display()))?;
            continue;
        }
        let known = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
        let known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
        for line in known.difference(&found) {
            differences.push_str(&["- ", name, ": ", line, "\n"].concat());
        }
        for line in found.difference(&known) {
            differences.push_str(&["+ ", name, ": ", line, "\n"].concat());
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{differences}The public interface has changed. If that is meant: cargo xtask api --bless, and the changelog."
        ))
    }
}

/// The items of a crate with their members, one a line.
fn items(directory: &Path) -> Result<BTreeSet<String>, String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let all = read(&directory.join("all.html"))?;
    let mut lines = BTreeSet::new();
    for rest in all.split("<a href=\"").skip(1) {
        let Some((page, _)) = rest.split_once('"') else {
            continue;
        };
        // Links out of the list lead elsewhere.
        let Some(item) = page.strip_suffix(".html").filter(|_| !page.starts_with("..")) else {
            continue;
        };
        let file = item.rsplit('/').next().unwrap_or(item);
        let Some((kind, _)) = file.split_once('.') else {
            continue;
        };
        let path = item.replacen(&format!("{kind}."), "", 1).replace('/', "::");
        lines.insert(format!("{kind} {path}"));
        let text = read(&directory.join(page))?;
        // What follows are implementations of traits, those of other crates for every type included.
        let ends = ENDS.iter().filter_map(|end| text.find(end));
        let text = &text[..ends.min().unwrap_or(text.len())];
        for member in MEMBERS {
            for rest in text.split(member).skip(1) {
                let Some((name, _)) = rest.split_once('"') else {
                    continue;
                };
                // Further implementations of a trait's method are numbered.
                let is_plain = name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if is_plain {
                    lines.insert(format!("{kind} {path}::{name}"));
                }
            }
        }
    }
    Ok(lines)
}

/// Adds the public items below a directory whose documentation has no block of code, with their places. Those that the
/// documentation does not show are left out, and so are fields, variants and members of traits.
fn without_example(directory: &Path, found: &mut Vec<String>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            without_example(&path, found)?;
            continue;
        }
        let text = fs::read_to_string(&path).map_err(failed)?;
        // Whether the lines before, which belong to the next item, have an example or hide it.
        let mut is_excused = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if line == "#[cfg(test)]" {
                break;
            }
            if line.starts_with("///") || line.starts_with("#[") {
                is_excused |= line.starts_with("/// ```") || line == "#[doc(hidden)]";
                continue;
            }
            let item = line
                .strip_prefix("pub ")
                .map(|item| item.trim_start_matches("const "));
            let kinds = ["fn ", "struct ", "enum ", "trait "];
            if let Some(item) = item
                && kinds.iter().any(|kind| item.starts_with(kind))
                && !is_excused
            {
                found.push(format!("{}:{}: {item}", path.display(), index + 1));
            }
            is_excused = false;
        }
    }
    Ok(())
}
