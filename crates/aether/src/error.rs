//! The public error, and the lines in which it is told to a person.
//!
//! Invariant: a message is the specification's text, without `Error: ` and without a place in front;
//! [`Error::lines`] adds both.

use std::rc::Rc;

use aether_eval::{RunError, RuntimeError, TracePlace};
use aether_source::{Diagnostic, LineColumn, SourceFile, Span};
use aether_value::{ErrorKind, Raise, Value};

use crate::{ConversionError, MAX_ARGS};

/// Why an engine did not do what was asked.
///
/// ```
/// use aether::{Engine, Error, ErrorKind};
///
/// let mut engine = Engine::new()?;
/// match engine.eval("let = 1") {
///     Err(Error::Syntax { diagnostics, .. }) => assert_eq!(diagnostics.len(), 1),
///     _ => panic!("the name is missing"),
/// }
/// assert_eq!(engine.eval("1 / 0").unwrap_err().kind(), Some(ErrorKind::ZeroDivision));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A script cannot be read, or is not text.
    #[error("Failed to read file '{path}': {reason}")]
    Read {
        /// The path as it was given.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Too many script arguments.
    #[error("too many arguments (max {MAX_ARGS}, got {0})")]
    TooManyArguments(usize),
    /// The text has lexical or syntax errors; nothing of it ran.
    #[error("{}", .diagnostics.first().map_or("", |first| first.message.as_str()))]
    Syntax {
        /// The text.
        file: Rc<SourceFile>,
        /// Every error, in source order.
        diagnostics: Vec<Diagnostic>,
    },
    /// The script raised and did not catch.
    #[error(transparent)]
    Runtime(Box<RuntimeError>),
    /// A value is not of the Rust type that was asked for.
    #[error(transparent)]
    Conversion(Box<ConversionError>),
    /// Buffered output could not be written.
    #[error("Failed to write output: {0}")]
    Output(#[from] std::io::Error),
    /// The script ended the run by itself, or nobody reads its output any more.
    #[error("exit")]
    Exit(u8),
}

/// The text of a source file, of which reading gave these bytes.
///
/// ```
/// use aether::source_text;
///
/// assert_eq!(source_text("a.ae", Ok(b"1 + 1".to_vec()))?, "1 + 1");
/// let error = source_text("b.ae", Ok(b"1\n\xff".to_vec())).unwrap_err();
/// assert_eq!(error.to_string(), "Failed to read file 'b.ae': invalid UTF-8 at line 2");
/// # Ok::<(), aether::Error>(())
/// ```
///
/// # Errors
/// [`Error::Read`] if it could not be read or is not UTF-8.
pub fn source_text(path: &str, bytes: std::io::Result<Vec<u8>>) -> Result<String, Error> {
    let failed = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|&byte| byte == b'\n').count();
        failed(format!("invalid UTF-8 at line {line}"))
    })
}

impl Error {
    /// An error of kind `value` with a message of the host's own, for functions of the host to return.
    ///
    /// ```
    /// use aether::{Engine, Error};
    ///
    /// let mut engine = Engine::new()?;
    /// engine.register("half", |n: i64| {
    ///     if n % 2 == 0 { Ok(n / 2) } else { Err(Error::message("odd")) }
    /// })?;
    /// assert_eq!(engine.eval("half(3)").unwrap_err().to_string(), "odd");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn message(message: impl Into<String>) -> Self {
        Raise::new(ErrorKind::Value, message).into()
    }

    /// Any error as one of the script: what it shows is the message. An I/O error is of kind `io`, an [`Error`] is itself,
    /// others are of kind `value`. For `map_err` in functions of the host whose errors are of several types.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// engine.register("size", |path: String| -> Result<u64, aether::Error> {
    ///     if path.is_empty() {
    ///         return Err(aether::Error::message("no path"));
    ///     }
    ///     Ok(std::fs::metadata(path).map_err(aether::Error::other)?.len())
    /// })?;
    /// let error = engine.eval("size(\"/no/such/file\")").unwrap_err();
    /// assert_eq!(error.kind(), Some(aether::ErrorKind::Io));
    /// # Ok::<(), aether::Error>(())
    /// ```
    #[cold]
    pub fn other(error: impl std::fmt::Display + 'static) -> Self {
        crate::function::raise_of(error).into()
    }

    /// The kind, if the script raised.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// assert_eq!(engine.eval("1 / 0").unwrap_err().kind(), Some(aether::ErrorKind::ZeroDivision));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Runtime(error) => Some(error.kind),
            Self::Conversion(_) => Some(ErrorKind::Type),
            _ => None,
        }
    }

    /// What the script threw; `None` for errors of the runtime.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("throw {\"code\": 7}").unwrap_err();
    /// let thrown = error.thrown().expect("a thrown value");
    /// assert_eq!(engine.text(thrown)?, "{code: 7}");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn thrown(&self) -> Option<&Value> {
        match self {
            Self::Runtime(error) if error.kind == ErrorKind::Thrown => Some(&error.value),
            _ => None,
        }
    }

    /// The file and the bytes of it that the error is about.
    fn place(&self) -> Option<(&SourceFile, Span)> {
        match self {
            Self::Runtime(error) => {
                let place = error.places.iter().find(|place| !place.file.text().is_empty())?;
                Some((&place.file, place.span))
            }
            Self::Syntax { file, diagnostics } => Some((file, diagnostics.first()?.span)),
            _ => None,
        }
    }

    /// The line that the error is about, counted from 1.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("let a = 1\nprintln(a + nothing)").unwrap_err();
    /// assert_eq!((error.line(), error.column()), (Some(2), Some(13)));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn line(&self) -> Option<u32> {
        self.place().map(|(file, span)| file.line(span.start))
    }

    /// The column, in characters and counted from 1, in which what the error is about begins.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("let é = 1 + nothing").unwrap_err();
    /// assert_eq!(error.column(), Some(13));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn column(&self) -> Option<u32> {
        self.place()
            .map(|(file, span)| file.line_column(span.start).column)
    }

    /// The bytes of the source that the error is about.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("let x = 1 / 0").unwrap_err();
    /// assert_eq!(error.span().map(|span| (span.start, span.end)), Some((8, 13)));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn span(&self) -> Option<Span> {
        self.place().map(|(_, span)| span)
    }

    /// The path of the file that the error is about; `None` also for a text without one.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.run_text("a.ae", "1 / 0").unwrap_err();
    /// assert_eq!(error.file(), Some("a.ae"));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn file(&self) -> Option<&str> {
        self.place().and_then(|(file, _)| file.path())
    }

    /// The error for a person: its line, the line of the source with what it is about marked, and the trace.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("let total = 3\nprintln(totl + 1)").unwrap_err();
    /// assert_eq!(
    ///     error.render(),
    ///     "Error: [line 2] Undefined variable: totl\n  2 | println(totl + 1)\n    |         ^^^^\n"
    /// );
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn render(&self) -> String {
        let mut text = self.lines().join("\n");
        text.push('\n');
        if let Some((file, span)) = self.place() {
            let LineColumn { line, column } = file.line_column(span.start);
            let source = file.line_text(line).unwrap_or_default().trim_end();
            let number = line.to_string();
            // A mark ends with its line.
            let from = source.chars().count() as u32 + 1;
            let marked = file
                .slice(span)
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .count() as u32;
            let marks = marked.clamp(1, from.saturating_sub(column).max(1));
            let indent: String = source
                .chars()
                .take(column as usize - 1)
                .map(|character| if character == '\t' { '\t' } else { ' ' })
                .collect();
            let margin = " ".repeat(number.len());
            let carets = "^".repeat(marks as usize);
            for part in [
                "  ", &number, " | ", source, "\n  ", &margin, " | ", &indent, &carets, "\n",
            ] {
                text.push_str(part);
            }
        }
        for line in self.full_trace() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// The same as plain data that can go to another thread, without the values of the script.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let report = engine.eval("1\n+ null").unwrap_err().report();
    /// let line = std::thread::spawn(move || report.line).join().ok().flatten();
    /// assert_eq!(line, Some(1));
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn report(&self) -> ErrorReport {
        ErrorReport {
            message: self.to_string(),
            kind: self.kind(),
            file: self.file().map(str::to_owned),
            line: self.line(),
            column: self.column(),
            trace: self.full_trace(),
            rendered: self.render(),
        }
    }

    /// The stack trace, a line an activation, innermost first; empty if there is none.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("fn f() { return 1 / 0 }  f()").unwrap_err();
    /// assert_eq!(error.stack_trace(), "  at f (line 1)");
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn stack_trace(&self) -> &str {
        match self {
            Self::Runtime(error) => &error.stack_trace,
            _ => "",
        }
    }

    /// The one-line forms of the command line, without line ends: one for each syntax error, otherwise a single one,
    /// and a line of help where there is some. [`Engine::error_lines`](crate::Engine::error_lines) knows more: which
    /// file is the script, and which name was probably meant.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// assert_eq!(engine.eval("1 / 0").unwrap_err().lines(), ["Error: [line 1] Division by zero"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn lines(&self) -> Vec<String> {
        let outermost = match self {
            Self::Runtime(raised) => raised.places.last().and_then(|place| place.file.path()),
            Self::Syntax { file, .. } => file.path(),
            _ => None,
        };
        lines_of(self, outermost, None)
    }

    /// The trace, a line an activation, innermost first, top levels included; empty for an error at the top level.
    /// Behind it is the worker's, if it happened in one.
    ///
    /// ```
    /// let mut engine = aether::Engine::new()?;
    /// let error = engine.eval("fn f() { return 1 / 0 }  f()").unwrap_err();
    /// assert_eq!(error.full_trace(), ["  at f (line 1)", "  at top level (line 1)"]);
    /// # Ok::<(), aether::Error>(())
    /// ```
    pub fn full_trace(&self) -> Vec<String> {
        let Self::Runtime(raised) = self else {
            return Vec::new();
        };
        // The call of a host has no source.
        let places = raised.places.iter().filter(|place| !place.file.text().is_empty());
        let lines: Vec<String> = places.map(trace_line).collect();
        if raised.stack_trace.is_empty() && lines.len() < 2 {
            Vec::new()
        } else {
            let in_worker = raised.worker_trace().map(str::to_owned);
            lines.into_iter().chain(in_worker).collect()
        }
    }
}

fn trace_line(place: &TracePlace) -> String {
    let name = if place.function.is_empty() {
        "top level"
    } else {
        &place.function
    };
    let line = place.file.line(place.span.start);
    match place.file.base_name() {
        Some(file) => format!("  at {name} ({file}:{line})"),
        None => format!("  at {name} (line {line})"),
    }
}

/// The one-line forms of an error. A place in a file other than `script` names its file; `help` is the line of help of
/// a runtime error.
pub(crate) fn lines_of(error: &Error, script: Option<&str>, help: Option<&str>) -> Vec<String> {
    match error {
        Error::Exit(_) => Vec::new(),
        Error::Syntax { file, diagnostics } => syntax_lines(file, diagnostics, script),
        Error::Runtime(raised) => {
            let elsewhere = raised.places.first().filter(|place| place.file.path() != script);
            let file = elsewhere.and_then(|place| place.file.base_name());
            let mut lines = vec![match (raised.line, file) {
                (Some(line), Some(file)) => format!("Error: [{file} line {line}] {}", raised.message),
                (Some(line), None) => format!("Error: [line {line}] {}", raised.message),
                (None, _) => format!("Error: {}", raised.message),
            }];
            if let Some((file, diagnostics)) = &raised.module {
                // The first one is in the message.
                let mut of_module = syntax_lines(file, diagnostics, script).into_iter();
                of_module.next();
                lines.extend(of_module);
            }
            lines.extend(help.map(|help| format!("  help: {help}")));
            lines
        }
        other => vec![format!("Error: {other}")],
    }
}

/// A line for each syntax error of a file, and one for the help that it has.
fn syntax_lines(file: &SourceFile, diagnostics: &[Diagnostic], script: Option<&str>) -> Vec<String> {
    let name = file.base_name().filter(|_| file.path() != script);
    let mut lines = Vec::new();
    for found in diagnostics {
        lines.push(match name {
            Some(name) => format!("Error: {name}: {}", found.message),
            None => format!("Error: {}", found.message),
        });
        lines.extend(found.help.as_ref().map(|help| format!("  help: {help}")));
    }
    lines
}

/// An error as plain data: it can go to another thread and into errors that want `Send` and `Sync`.
///
/// ```
/// fn run(code: &str) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
///     let mut engine = aether::Engine::new().map_err(|error| error.report())?;
///     Ok(engine.eval_to(code).map_err(|error| error.report())?)
/// }
///
/// assert_eq!(run("1 / 0").unwrap_err().to_string(), "Division by zero");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ErrorReport {
    /// The message.
    pub message: String,
    /// The kind, if the script raised.
    pub kind: Option<ErrorKind>,
    /// The path of the file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// The trace, a line an activation, innermost first.
    pub trace: Vec<String>,
    /// What [`Error::render`] gives.
    pub rendered: String,
}

impl From<Error> for Raise {
    fn from(error: Error) -> Self {
        let (kind, message) = (error.kind().unwrap_or(ErrorKind::Value), error.to_string());
        match error {
            Error::Runtime(raised) if kind == ErrorKind::Thrown => Self::thrown(raised.value, message),
            Error::Read { .. } | Error::Output(_) => Self::new(ErrorKind::Io, message),
            Error::Exit(status) => Self::new(ErrorKind::Exit, status.to_string()),
            _ => Self::new(kind, message),
        }
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Syntax { file, diagnostics } => Self::Syntax { file, diagnostics },
            RunError::Runtime(error) => Self::Runtime(error),
            RunError::Exit(status) => Self::Exit(status),
        }
    }
}

impl From<Raise> for Error {
    fn from(raise: Raise) -> Self {
        RunError::from(raise).into()
    }
}
