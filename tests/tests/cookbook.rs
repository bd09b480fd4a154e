//! Every recipe of the cookbook runs, and prints what it says.
//!
//! A recipe is a section. Its blocks with `file=NAME` behind the language are files; a block `console` is a session,
//! whose lines after `$ ` are run by the shell, one after the other, in a directory of the recipe's own. The session's
//! script is the last `aether` block before it, under the name by which the session calls it. Between the commands is
//! what they print on both streams; `…` stands for any text, or as a line for any lines. A block without a session is
//! run as the examples of the other documents are.
#![forbid(unsafe_code)]
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use aether_tests::{Scratch, binary, execute_text, repository};
use std::fmt::Write as _;
use std::process::{Command, Stdio};

/// A block of code with what stands behind its opening, and the line that it begins in.
struct Block {
    line: usize,
    kind: String,
    text: String,
}

/// The blocks of each section.
fn sections(text: &str) -> Vec<(String, Vec<Block>)> {
    let mut sections: Vec<(String, Vec<Block>)> = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(block) = &mut open {
            if line == "```" {
                sections.last_mut().unwrap().1.extend(open.take());
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
        } else if let Some(kind) = line.strip_prefix("```") {
            open = Some(Block {
                line: index + 2,
                kind: kind.to_owned(),
                text: String::new(),
            });
        } else if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.to_owned(), Vec::new()));
        }
    }
    sections
}

/// The name by which a session calls its script.
fn script_name(session: &str) -> &str {
    let words = session.split_whitespace().skip_while(|word| *word != "aether");
    let is_script = |word: &&str| word.strip_suffix(".ae").is_some();
    words.skip(1).find(is_script).unwrap()
}

/// What the commands of a session print, written as the session is.
fn replay(scratch: &Scratch, session: &str) -> String {
    let directory = binary().parent().unwrap().display();
    let path = format!("{directory}:{}", std::env::var("PATH").unwrap_or_default());
    let mut replayed = String::new();
    for command in session.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(scratch.path())
            .env("PATH", &path)
            .env("HOME", scratch.path())
            .env_remove("AETHER_BACKTRACE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        writeln!(replayed, "$ {command}").unwrap();
        replayed.push_str(&String::from_utf8_lossy(&output.stdout));
        if !replayed.ends_with('\n') {
            replayed.push('\n');
        }
    }
    replayed
}

/// Whether a line fits, in which `…` stands for any text.
fn fits(expected: &str, line: &str) -> bool {
    match expected.split_once('…') {
        None => expected == line,
        Some((before, after)) => {
            let inside = line
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after));
            inside.is_some()
        }
    }
}

/// Whether lines fit, among which a line `…` stands for any number.
fn fit(expected: &[&str], lines: &[&str]) -> bool {
    match (expected, lines) {
        ([], lines) => lines.is_empty(),
        (["…", rest @ ..], lines) => (0..=lines.len()).any(|skipped| fit(rest, &lines[skipped..])),
        ([first, rest @ ..], [line, lines @ ..]) => fits(first, line) && fit(rest, lines),
        (_, []) => false,
    }
}

/// What is wrong with a recipe.
fn check(title: &str, blocks: &[Block]) -> Result<(), String> {
    let name: String = title.chars().filter(char::is_ascii_alphabetic).collect();
    let scratch = Scratch::new(&format!("cookbook-{name}"));
    let mut code: Option<&Block> = None;
    for block in blocks {
        let place = format!("docs/cookbook.md:{}", block.line);
        if let Some((_, file)) = block.kind.split_once(" file=") {
            scratch.file(file, &block.text);
        } else if block.kind == "aether" {
            code = Some(block);
        } else if block.kind == "console" {
            let script = code.ok_or_else(|| format!("{place}: no script"))?;
            scratch.file(script_name(&block.text), &script.text);
            let replayed = replay(&scratch, &block.text);
            let lines: Vec<&str> = replayed.lines().map(str::trim_end).collect();
            let expected: Vec<&str> = block.text.lines().map(str::trim_end).collect();
            if !fit(&expected, &lines) {
                return Err(format!("{place}: gives\n{replayed}"));
            }
        } else {
            return Err(format!("{place}: what is a block '{}'?", block.kind));
        }
    }
    let has_session = blocks.iter().any(|block| block.kind == "console");
    if let (Some(code), false) = (code, has_session) {
        let place = format!("docs/cookbook.md:{}", code.line);
        let (outcome, report) = execute_text(&code.text).unwrap();
        let said = code.text.lines().filter_map(|line| line.split_once("// → "));
        let said: Vec<&str> = said.map(|(_, text)| text.trim_end()).collect();
        let printed: Vec<&str> = outcome.stdout.lines().map(str::trim_end).collect();
        if printed != said || !outcome.stderr.is_empty() || report.live_objects != 0 {
            return Err(format!("{place}: {outcome:?}"));
        }
    }
    Ok(())
}

#[test]
fn recipes_print_what_they_say() {
    let text = std::fs::read_to_string(repository().join("docs/cookbook.md")).unwrap();
    let sections = sections(&text);
    let only = std::env::var("RECIPE").unwrap_or_default();
    let chosen = sections.iter().filter(|(title, _)| title.contains(&only));
    let wrong: Vec<String> = chosen
        .filter_map(|(title, blocks)| check(title, blocks).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sections.len() >= 40, "only {} recipes", sections.len());
}
