//! How a worker, or a job of a pool, has ended, as its thread tells the one that waits.

use std::sync::Arc;

use aether_eval::{Ctx, HostFinish, RunError};
use aether_value::{ErrorKind, Message, Raise, Value};

use crate::awaited::Awaited;

/// What something came to, in the end.
#[derive(Default)]
pub(super) struct Outcome(Awaited<Option<Ended>>);

/// An end.
pub(super) enum Ended {
    /// A value.
    Value(Message),
    /// An error, with what was thrown if that can be sent.
    Error {
        kind: ErrorKind,
        message: String,
        line: u32,
        /// Where it happened, in the worker.
        trace: String,
        thrown: Option<Message>,
    },
}

impl Ended {
    /// The end of a run that failed.
    pub(super) fn failed(error: &RunError, thrown: impl FnOnce(&Value) -> Option<Message>) -> Self {
        match error {
            RunError::Runtime(error) => Self::Error {
                kind: error.kind,
                message: error.message.clone(),
                line: error.line.unwrap_or(0),
                trace: error.stack_trace.clone(),
                thrown: if error.value.is_null() {
                    None
                } else {
                    thrown(&error.value)
                },
            },
            other => Self::error(ErrorKind::Value, other.to_string()),
        }
    }

    /// The end of a worker that was stopped.
    pub(super) fn terminated() -> Self {
        Self::error(ErrorKind::Cancelled, "Worker terminated".to_owned())
    }

    pub(super) fn error(kind: ErrorKind, message: String) -> Self {
        Self::Error {
            kind,
            message,
            line: 0,
            trace: String::new(),
            thrown: None,
        }
    }

    /// What whoever waits gets.
    fn finish(self, ctx: &mut Ctx<'_>) -> Result<Value, Raise> {
        match self {
            Self::Value(message) => ctx.value_of(&message),
            Self::Error {
                kind,
                message,
                line,
                trace,
                thrown,
            } => {
                let thrown = match thrown {
                    Some(thrown) => ctx.value_of(&thrown)?,
                    None => Value::Null,
                };
                // What ends a program where it happens is an error like others where it is told.
                let kind = if kind.is_catchable() {
                    kind
                } else {
                    ErrorKind::Cancelled
                };
                let text = ctx.heap().string(&message)?;
                let error = ctx.heap().error_parts(kind, text, thrown)?;
                error.set_line(line);
                error.set_remote_trace(trace);
                Err(Raise::again(error))
            }
        }
    }
}

impl Outcome {
    /// It has ended; the first end counts.
    pub(super) fn settle(&self, ended: Ended) {
        self.0.set(ended);
    }

    /// Waits for the end, which one waits for.
    pub(super) async fn wait(self: Arc<Self>) -> HostFinish {
        let ended = self.0.find(Option::take).await;
        Box::new(move |ctx| ended.finish(ctx))
    }
}
