//! Diagnostics as data: what is wrong, where, and what to write instead.

use crate::Span;

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing runs, or the run ended.
    Error,
    /// Worth a look; changes no status.
    Warning,
}

/// A secondary place with a remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// The remark, lower-case, without a full stop.
    pub text: String,
}

/// A part of the source and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub span: Span,
    /// What is written there.
    pub text: String,
}

/// One finding about one source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave.
    pub severity: Severity,
    /// Stable code: `E01..` lexical and syntax, `E02..` names, `W..` lints, `R..` runtime.
    pub code: &'static str,
    /// The message in the specification's words, line included where it demands one.
    pub message: String,
    /// The main place.
    pub span: Span,
    /// Secondary places.
    pub labels: Vec<Label>,
    /// What to write instead, if that can be said.
    pub help: Option<String>,
    /// Edits that put it right and change nothing else that the program does, in source order; none if there are none
    /// such.
    pub fix: Vec<Edit>,
}

impl Diagnostic {
    /// An error without labels or help.
    pub fn error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            labels: Vec::new(),
            help: None,
            fix: Vec::new(),
        }
    }

    /// A warning without labels or help.
    pub fn warning(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message, span)
        }
    }

    /// The same diagnostic with a hint.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same diagnostic with one more labelled place.
    #[must_use]
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// The same diagnostic with one more edit.
    #[must_use]
    pub fn with_edit(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix.push(Edit {
            span,
            text: text.into(),
        });
        self
    }
}
