//! What the tools share: reading a file, and telling what is wrong with it.
#![forbid(unsafe_code)]

use aether_ast::Ast;
use aether_parser::{ParseOptions, parse};
use aether_source::{Diagnostic, SourceFile};

/// The source in a file.
///
/// # Errors
/// What the system says, with the path.
pub fn read(path: &str) -> Result<SourceFile, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(SourceFile::new(Some(path.to_owned()), text)),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

/// The tree of a source without errors.
///
/// # Errors
/// The first error, with its place.
pub fn tree(file: &SourceFile) -> Result<Ast, String> {
    let parsed = parse(file, ParseOptions::default());
    match parsed.diagnostics.first() {
        None => Ok(parsed.ast),
        Some(first) => Err(told(file, first)),
    }
}

fn told(file: &SourceFile, diagnostic: &Diagnostic) -> String {
    let place = file.line_column(diagnostic.span.start);
    format!(
        "{}:{}:{}: {}",
        file.path().unwrap_or("-"),
        place.line,
        place.column,
        diagnostic.message
    )
}

/// Ends a tool with a complaint.
#[expect(clippy::print_stderr, reason = "a tool complains on standard error")]
pub fn report(result: Result<(), String>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            std::process::ExitCode::FAILURE
        }
    }
}
