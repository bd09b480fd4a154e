//! `cargo xtask link-order`: which functions plain scripts use, for the linker to put side by side.
//!
//! Runs programs under callgrind and writes the names of the functions that several of them entered: first those of
//! most programs under `benches/order`, which are as plain scripts are, then those of most programs. Hashes in the names are replaced by `*`, so that the list outlives other versions of the compiler
//! and of dependencies; a name that is gone does no harm.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tools;

const LIST: &str = "crates/aether-cli/link-order.txt";
/// The programs whose functions come first.
const PLAINEST: &str = "benches/order";
/// Programs that have to enter a function for it to be listed.
const SEVERAL: usize = 3;
/// Areas of the conformance suite that plain scripts stay within.
const PLAIN: [&str; 9] = ["0", "10-", "11-", "12-", "13-", "14-", "15-", "17-", "lib-10-"];
/// What programs that talk to the world outside say.
const OUTSIDE: [&str; 6] = ["net", "http", "fs", "input", "sleep", "conn"];
const PER_AREA: usize = 3;

pub(crate) fn run() -> Result<(), String> {
    tools::run(tools::cargo().args(["build", "--release", "-p", "aether-cli"]))?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let binary = Path::new(&target).join("release/aether");
    let profile = std::env::temp_dir().join(format!("aether-order-{}", std::process::id()));
    // By name: how many of the plainest programs enter it, and how many at all.
    let mut users: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for program in programs()? {
        let status = Command::new("valgrind")
            .args(["--tool=callgrind", "--demangle=no", "--compress-strings=no"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(&binary)
            .arg(&program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.map_err(|error| format!("valgrind: {error}"))?;
        let text = fs::read_to_string(&profile).map_err(|error| format!("{}: {error}", program.display()))?;
        let names = text.lines().filter_map(|line| line.strip_prefix("fn="));
        let names: BTreeSet<String> = names.filter_map(pattern).collect();
        for name in names {
            let user = users.entry(name).or_default();
            user.0 += usize::from(program.starts_with(PLAINEST));
            user.1 += 1;
        }
    }
    let _ = fs::remove_file(&profile);
    let mut listed: Vec<(&String, &(usize, usize))> = users.iter().collect();
    listed.retain(|&(_, &(plainest, count))| plainest > 0 || count >= SEVERAL);
    listed.sort_by_key(|&(name, &rank)| (std::cmp::Reverse(rank), name));
    let mut text = String::from(
        "# Functions that plain scripts use, those that most use first: made by `cargo xtask link-order`.\n",
    );
    for (name, _) in &listed {
        text.push_str(name);
        text.push('\n');
    }
    fs::write(LIST, text).map_err(|error| format!("{LIST}: {error}"))?;
    println!("{LIST}: {} functions", listed.len());
    Ok(())
}

/// The programs of the benches, the examples that stay within the process, and the first few of every area of the suite
/// that is about plain scripts.
fn programs() -> Result<Vec<PathBuf>, String> {
    let mut all = scripts(Path::new(PLAINEST))?;
    all.extend(scripts(Path::new("benches/programs"))?);
    let examples = scripts(Path::new("examples"))?.into_iter();
    all.extend(examples.filter(|path| {
        fs::read_to_string(path).is_ok_and(|text| !OUTSIDE.iter().any(|word| text.contains(word)))
    }));
    let areas = sorted(Path::new("tests/conformance"))?;
    for area in areas {
        let name = area
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if PLAIN.iter().any(|start| name.starts_with(start)) {
            all.extend(scripts(&area)?.into_iter().take(PER_AREA));
        }
    }
    Ok(all)
}

fn scripts(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut all = sorted(directory)?;
    all.retain(|path| path.extension().is_some_and(|extension| extension == "ae"));
    Ok(all)
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut all: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.sort();
    Ok(all)
}

/// A Rust function's name as a pattern without hashes; nothing for what has no such name.
fn pattern(name: &str) -> Option<String> {
    // Behind an apostrophe stands the depth of a recursion.
    let name = name.split('\'').next().unwrap_or(name);
    if name == "main" {
        return Some(name.to_owned());
    }
    if let Some(path) = name.strip_prefix("_ZN") {
        let (path, hash) = path.split_at(path.rfind("17h")?);
        return (hash.len() == 20).then(|| format!("_ZN{path}17h*"));
    }
    // Crates carry theirs in the middle: `Cs`, the hash, `_`, the length of the crate's name.
    let mut out = String::from("_R");
    let mut rest = name.strip_prefix("_R")?;
    while let Some(at) = rest.find("Cs") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.find('_').filter(|&end| {
            from[2..end].bytes().all(|byte| byte.is_ascii_alphanumeric())
                && from[end + 1..].starts_with(|next: char| next.is_ascii_digit())
        });
        if let Some(end) = end {
            out.push_str("Cs*_");
            rest = &from[end + 1..];
        } else {
            out.push_str("Cs");
            rest = &from[2..];
        }
    }
    out.push_str(rest);
    Some(out)
}
