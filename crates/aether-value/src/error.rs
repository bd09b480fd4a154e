//! Errors on their way up: kinds, and `Raise`, one word with everything behind it.
//!
//! A `Raise` has no place: the evaluator attaches it when the error becomes an object. Making one is always cold.

use crate::{ErrorObject, Rc, Value};

/// What sort of error; `e.kind` in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// By `throw`.
    Thrown,
    /// Undefined name.
    Name,
    /// A value of the wrong type.
    Type,
    /// Division or remainder by zero.
    ZeroDivision,
    /// Integer overflow.
    Overflow,
    /// Index out of bounds.
    Index,
    /// Missing key.
    Key,
    /// Missing property or method.
    Property,
    /// Wrong number of arguments.
    Arity,
    /// Too many activations.
    Recursion,
    /// A module that cannot be had.
    Import,
    /// A conversion that fails.
    Conversion,
    /// Files, network.
    Io,
    /// A value that is not acceptable.
    Value,
    /// The memory budget.
    OutOfMemory,
    /// Not allowed by the host.
    Permission,
    /// An operation that was cancelled.
    Cancelled,
    /// An operation that took too long.
    Timeout,
    /// The host's limit of output, or of open handles.
    Limit,
    /// The host's limit of steps; not catchable.
    StepLimit,
    /// The host's limit of time; not catchable.
    TimeLimit,
    /// Ended from outside; not catchable.
    Interrupted,
    /// `exit()`; not catchable.
    Exit,
    /// A suspended generator is closed; not catchable, but its `finally` blocks run.
    GeneratorExit,
}

impl ErrorKind {
    /// The word scripts see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Thrown => "thrown",
            Self::Name => "name",
            Self::Type => "type",
            Self::ZeroDivision => "zero_division",
            Self::Overflow => "overflow",
            Self::Index => "index",
            Self::Key => "key",
            Self::Property => "property",
            Self::Arity => "arity",
            Self::Recursion => "recursion",
            Self::Import => "import",
            Self::Conversion => "conversion",
            Self::Io => "io",
            Self::Value => "value",
            Self::OutOfMemory => "out_of_memory",
            Self::Permission => "permission",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::StepLimit => "step_limit",
            Self::TimeLimit => "time_limit",
            Self::Interrupted => "interrupted",
            Self::Exit => "exit",
            Self::GeneratorExit => "generator_exit",
        }
    }

    /// Whether `try` sees it.
    pub const fn is_catchable(self) -> bool {
        !matches!(
            self,
            Self::StepLimit | Self::TimeLimit | Self::Interrupted | Self::Exit | Self::GeneratorExit
        )
    }
}

/// What a [`Raise`] carries.
#[derive(Debug)]
pub struct RaiseData {
    /// What sort of error.
    pub kind: ErrorKind,
    /// The message without prefix or place.
    pub message: String,
    /// The thrown value, null for errors of the runtime.
    pub value: Value,
    /// The error object, when one is raised again.
    pub error: Option<Rc<ErrorObject>>,
}

/// An error on its way up.
#[derive(Debug)]
pub struct Raise(pub Box<RaiseData>);

impl Raise {
    /// An error of the runtime.
    #[cold]
    #[inline(never)]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(RaiseData {
            kind,
            message: message.into(),
            value: Value::Null,
            error: None,
        }))
    }

    /// A thrown value with its display text.
    #[cold]
    pub fn thrown(value: Value, message: String) -> Self {
        Self(Box::new(RaiseData {
            kind: ErrorKind::Thrown,
            message,
            value,
            error: None,
        }))
    }

    /// An error object raised again.
    #[cold]
    pub fn again(error: Rc<ErrorObject>) -> Self {
        Self(Box::new(RaiseData {
            kind: error.kind(),
            message: error.message().as_str().to_owned(),
            value: error.value().clone(),
            error: Some(error),
        }))
    }

    /// What sort of error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl std::fmt::Display for Raise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Raise {}
