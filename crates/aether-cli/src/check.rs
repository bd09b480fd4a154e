//! `aether check`: names that cannot exist and what is probably a mistake, without running anything.
//!
//! Off a terminal the one-line forms of errors are all that is written; lints are shown on a terminal, with
//! `--color=always`, as JSON, and where the command line or the project speaks of them.

use std::path::Path;

use aether::parts::ast::{Ast, Node};
use aether::parts::resolve::resolve;
use aether::{Diagnostic, Error, Severity, SourceFile, Span};
use aether_lint::{LINTS, Program};
use clap::Args;

use crate::prelude::FullPrelude;
use crate::project::Project;
use crate::settings::Color;
use crate::sources::{self, Parsed};
use crate::status::{FAILED, WRONG_USAGE};
use crate::{json, report, streams};

/// How often a file is checked again after its fixes.
const FIX_ROUNDS: usize = 10;

/// What `check` is asked.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(Clone, Debug, Args)]
pub(crate) struct Words {
    /// Count this lint as an error, by code or name; every one without a name.
    #[arg(short = 'D', long, value_name = "LINT", num_args = 0..=1, default_missing_value = "all")]
    deny: Vec<String>,
    /// Do not report this lint, by code or name; 'all' for every one.
    #[arg(short = 'A', long, value_name = "LINT")]
    allow: Vec<String>,
    /// Show lints also where no person reads.
    #[arg(short = 'W', long)]
    warn: bool,
    /// Apply the fixes that change nothing else.
    #[arg(long)]
    fix: bool,
    /// Report as JSON, an object a line.
    #[arg(long)]
    json: bool,
    /// Report only what makes the status 1.
    #[arg(short, long)]
    quiet: bool,
    /// Files and directories.
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<String>,
}

impl Words {
    /// `-D FILE` names a file, not a lint.
    fn settled(&self) -> Self {
        let mut settled = self.clone();
        if let Some(last) = settled.deny.last_mut()
            && codes(std::slice::from_ref(last)).is_err()
            && (sources::is_script(last) || Path::new(last).is_dir())
        {
            if settled.paths == ["."] {
                settled.paths.clear();
            }
            settled.paths.insert(0, std::mem::replace(last, "all".to_owned()));
        }
        settled
    }
}

/// Checks and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words, color: Color) -> u8 {
    let words = &words.settled();
    let statuses = words
        .paths
        .iter()
        .map(|path| match Settings::new(words, path, color) {
            Ok(settings) => file_or_directory(path, &settings),
            Err(message) => {
                streams::write_err(&format!("check: {message}\n"));
                WRONG_USAGE
            }
        });
    statuses.max().unwrap_or_default()
}

fn file_or_directory(path: &str, settings: &Settings<'_>) -> u8 {
    if Path::new(path).is_dir() {
        return directory(path, settings);
    }
    if !sources::is_script(path) {
        streams::write_err(&format!("check: '{path}' is not an .ae file or directory\n"));
        return FAILED;
    }
    let found = check(path, settings);
    if !found.failed && !found.has_main && found.was_parsed {
        settings.warn(&format!("{path}:0: warning: no main() function defined\n"));
    } else if !found.failed {
        settings.result(&format!("{path}: ok\n"));
    }
    u8::from(found.failed)
}

fn directory(path: &str, settings: &Settings<'_>) -> u8 {
    let files = match sources::files_below(path, sources::is_script) {
        Ok(files) => files,
        Err(error) => {
            streams::write_err(&format!("check: cannot read '{path}': {error}\n"));
            return FAILED;
        }
    };
    if files.is_empty() {
        settings.result(&format!("check: no .ae files found in '{path}'\n"));
        return 0;
    }
    let mut failed = false;
    let mut mains = Vec::new();
    for file in &files {
        let found = check(file, settings);
        failed |= found.failed;
        if found.has_main {
            mains.push(file.as_str());
        }
        if !found.failed {
            settings.result(&format!("{file}: ok\n"));
        }
    }
    match mains.as_slice() {
        [] => settings.warn(&format!("warning: no main() entry point found in '{path}'\n")),
        [_] => {}
        several => {
            let list: String = several.iter().map(|path| format!("  {path}\n")).collect();
            settings.warn(&format!(
                "warning: multiple main() functions found (expected exactly one):\n{list}"
            ));
        }
    }
    u8::from(failed)
}

/// What the command line and the project say.
struct Settings<'a> {
    words: &'a Words,
    color: Color,
    prelude: FullPrelude,
    deny: Vec<&'static str>,
    allow: Vec<&'static str>,
    shows_lints: bool,
}

impl<'a> Settings<'a> {
    fn new(words: &'a Words, path: &str, color: Color) -> Result<Self, String> {
        let project = Project::of(path)?;
        let mut deny = codes(&project.list("check", "deny")?)?;
        let mut allow = codes(&project.list("check", "allow")?)?;
        // What the command line says wins.
        let (denied, allowed) = (codes(&words.deny)?, codes(&words.allow)?);
        allow.retain(|code| !denied.contains(code));
        deny.retain(|code| !allowed.contains(code));
        deny.extend(denied);
        allow.extend(allowed);
        let shows_lints = words.warn || words.json || report::is_long(color);
        Ok(Self {
            words,
            color,
            prelude: FullPrelude::new(),
            deny,
            allow,
            shows_lints,
        })
    }

    fn result(&self, text: &str) {
        if !self.words.json && !self.words.quiet {
            streams::write_out(text);
        }
    }

    fn warn(&self, text: &str) {
        if !self.words.json && !self.words.quiet {
            streams::write_err(text);
        }
    }

    /// Writes a finding; `line` is its one-line form.
    fn report(&self, file: &SourceFile, diagnostic: &Diagnostic, line: &str) {
        if self.words.json {
            streams::write_out(&json::line(file, diagnostic));
        } else if report::is_long(self.color) {
            report::diagnostics(file, std::slice::from_ref(diagnostic), self.color);
        } else {
            streams::write_err(&format!("{line}\n"));
        }
    }
}

/// The codes that words mean.
fn codes(words: &[String]) -> Result<Vec<&'static str>, String> {
    let mut found = Vec::new();
    for word in words.iter().flat_map(|word| word.split(',')) {
        let before = found.len();
        let named = LINTS
            .iter()
            .filter(|lint| word == "all" || word == lint.code || word == lint.name);
        found.extend(named.map(|lint| lint.code));
        if found.len() == before {
            return Err(format!(
                "no lint is called '{word}' (aether explain lints lists them)"
            ));
        }
    }
    Ok(found)
}

/// What a file turned out to be.
#[derive(Clone, Copy, Default)]
struct Found {
    failed: bool,
    has_main: bool,
    was_parsed: bool,
}

fn check(path: &str, settings: &Settings<'_>) -> Found {
    let failed = Found {
        failed: true,
        ..Found::default()
    };
    let mut parsed = match sources::parse_file(path) {
        Ok(parsed) => parsed,
        Err(error) => {
            let reason = match error {
                Error::Read { reason, .. } => reason,
                other => other.to_string(),
            };
            if settings.words.json {
                let file = SourceFile::new(Some(path.to_owned()), String::new());
                let finding = Diagnostic::error("E0001", reason, Span::new(0, 0));
                streams::write_out(&json::line(&file, &finding));
            } else {
                streams::write_err(&format!("{path}: error: {reason}\n"));
            }
            return failed;
        }
    };
    if settings.words.fix && parsed.parse.diagnostics.is_empty() {
        match fix(path, parsed, settings) {
            Ok(fixed) => parsed = fixed,
            Err(message) => {
                streams::write_err(&format!("check: {message}\n"));
                return failed;
            }
        }
    }
    let file = &parsed.file;
    let diagnostics = &parsed.parse.diagnostics;
    if !diagnostics.is_empty() {
        for diagnostic in diagnostics {
            settings.report(
                file,
                diagnostic,
                &format!("{path}:0: error: {}", diagnostic.message),
            );
        }
        return failed;
    }
    let ast = &parsed.parse.ast;
    let resolution = resolve(ast, true);
    let program = Program::new(file, ast, &resolution, &settings.prelude);
    let undefined = program.undefined_names();
    let mut failed = !undefined.is_empty();
    let mut findings: Vec<(u32, Diagnostic)> = undefined;
    for lint in program.lints() {
        let line = file.line(lint.span.start);
        if settings.deny.contains(&lint.code) {
            failed = true;
            findings.push((
                line,
                Diagnostic {
                    severity: Severity::Error,
                    ..lint
                },
            ));
        } else if settings.shows_lints && !settings.words.quiet && !settings.allow.contains(&lint.code) {
            findings.push((line, lint));
        }
    }
    findings.sort_by_key(|(_, diagnostic)| diagnostic.span.start);
    for (line, diagnostic) in &findings {
        let message = &diagnostic.message;
        let line = match diagnostic.code {
            "E0201" => format!("{path}:{line}: {message}"),
            code => format!(
                "{path}:{line}: {}: {message} [{code}]",
                json::severity(diagnostic.severity)
            ),
        };
        settings.report(file, diagnostic, &line);
    }
    Found {
        failed,
        has_main: has_main(ast),
        was_parsed: true,
    }
}

/// Whether the top level declares `main`.
fn has_main(ast: &Ast) -> bool {
    ast.root().iter().any(|&id| {
        let name = match ast.node(id) {
            Node::FunctionDecl(function) => ast.function(function).name,
            Node::Let { pattern, .. } | Node::Const { pattern, .. } => Some(pattern),
            _ => None,
        };
        name.and_then(|name| ast.name_of(name))
            .is_some_and(|name| ast.text(name) == "main")
    })
}

/// Applies the fixes of a file until there are none, and writes it if anything changed.
fn fix(path: &str, parsed: Parsed, settings: &Settings<'_>) -> Result<Parsed, String> {
    let original = parsed.file.text().to_owned();
    let mut parsed = parsed;
    for _ in 0..FIX_ROUNDS {
        let (file, ast) = (&parsed.file, &parsed.parse.ast);
        let resolution = resolve(ast, true);
        let mut edits: Vec<_> = Program::new(file, ast, &resolution, &settings.prelude)
            .lints()
            .into_iter()
            .filter(|lint| !settings.allow.contains(&lint.code))
            .flat_map(|lint| lint.fix)
            .collect();
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let mut text = String::with_capacity(file.text().len());
        let mut at = 0;
        let mut applied = 0;
        for edit in edits {
            // Of two that overlap, the second waits for the next round.
            if (edit.span.start as usize) < at {
                continue;
            }
            text.push_str(&file.text()[at..edit.span.start as usize]);
            text.push_str(&edit.text);
            at = edit.span.end as usize;
            applied += 1;
        }
        if applied == 0 {
            break;
        }
        text.push_str(&file.text()[at..]);
        let next = SourceFile::new(Some(path.to_owned()), text);
        let again = sources::parse_source(next);
        if !again.parse.diagnostics.is_empty() {
            break;
        }
        parsed = again;
    }
    if parsed.file.text() == original {
        return Ok(parsed);
    }
    sources::replace(path, &original, parsed.file.text())
        .map_err(|error| format!("cannot write '{path}': {error}"))?;
    Ok(parsed)
}
