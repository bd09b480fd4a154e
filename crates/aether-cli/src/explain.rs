//! `aether explain`: what a diagnostic means, at more length.
//!
//! The texts are in `explanations.txt`: an entry begins with its code and title, a rule of signs below, and goes on to
//! the next one. A test holds that every code of the sources has one.

use aether_lint::LINTS;
use clap::Args;

use crate::status::FAILED;
use crate::streams;

const TEXTS: &str = include_str!("explanations.txt");

/// What `explain` is asked.
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// The code of a diagnostic, such as E0107, or 'lints' for a list of all lints.
    #[arg(required = true)]
    code: String,
}

/// Prints and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words) -> u8 {
    if words.code == "lints" {
        let list: String = LINTS
            .iter()
            .map(|lint| {
                format!(
                    "{}  {:<22} {}\n",
                    lint.code,
                    lint.name,
                    title(lint.code).unwrap_or_default()
                )
            })
            .collect();
        streams::write_out(&list);
        return 0;
    }
    let code = words.code.to_ascii_uppercase();
    let by_name = LINTS
        .iter()
        .find(|lint| lint.name == words.code)
        .map(|lint| lint.code);
    if let Some(text) = explanation(by_name.unwrap_or(&code)) {
        streams::write_out(&format!("{text}\n"));
        0
    } else {
        streams::write_err(&format!(
            "explain: no diagnostic has the code '{}'; codes look like E0107, W0101 or R0003\n",
            words.code
        ));
        FAILED
    }
}

/// The entries: code, title, and the whole text.
fn entries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TEXTS.split("\n\n\n").filter_map(|entry| {
        let entry = entry.trim();
        let (code, title) = entry.lines().next()?.split_once(": ")?;
        Some((code, title, entry))
    })
}

fn explanation(code: &str) -> Option<&'static str> {
    entries()
        .find(|(found, _, _)| *found == code)
        .map(|(_, _, text)| text)
}

fn title(code: &str) -> Option<&'static str> {
    entries()
        .find(|(found, _, _)| *found == code)
        .map(|(_, title, _)| title)
}

#[cfg(test)]
mod tests {
    use super::{entries, explanation};
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// The codes between quotes in the sources of a directory.
    fn codes(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                codes(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for part in text.split('"') {
                    let is_code = part.len() == 5
                        && part.starts_with(['E', 'W', 'R'])
                        && part[1..].bytes().all(|byte| byte.is_ascii_digit());
                    if is_code {
                        found.insert(part.to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn every_code_of_the_sources_is_explained() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(crates).unwrap() {
            codes(&entry.unwrap().path().join("src"), &mut found);
        }
        assert!(found.len() > 50);
        let explained: BTreeSet<String> = entries().map(|(code, _, _)| code.to_owned()).collect();
        assert_eq!(found, explained);
        for code in &found {
            let lines = explanation(code).unwrap().lines().count();
            assert!(lines >= 4, "{code} is explained in {lines} lines");
        }
    }
}
