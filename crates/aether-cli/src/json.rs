//! Diagnostics as JSON: one object a line.

use aether::{Diagnostic, Severity, SourceFile, Span};
use serde_json::{Value, json};

/// A diagnostic as an object of a line, line end included.
pub(crate) fn line(file: &SourceFile, diagnostic: &Diagnostic) -> String {
    let place = |offset: u32| {
        let at = file.line_column(offset);
        json!({"line": at.line, "column": at.column, "offset": offset})
    };
    let range = |span: Span| json!({"start": place(span.start), "end": place(span.end)});
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| json!({"range": range(label.span), "text": label.text}))
        .collect();
    let fix: Vec<Value> = diagnostic
        .fix
        .iter()
        .map(|edit| json!({"range": range(edit.span), "text": edit.text}))
        .collect();
    let object = json!({
        "severity": severity(diagnostic.severity),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": file.path().unwrap_or("<eval>"),
        "start": place(diagnostic.span.start),
        "end": place(diagnostic.span.end),
        "labels": labels,
        "help": diagnostic.help,
        "fix": fix,
    });
    object.to_string() + "\n"
}

/// The word for a severity.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
