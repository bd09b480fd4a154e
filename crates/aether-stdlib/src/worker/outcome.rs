//! How a worker, or a job of a pool, has ended, as its thread tells the one that waits.

use std::sync::Arc;

use aether_eval::{Ctx, HostFinish, RunError, RuntimeError};
use aether_value::{ErrorKind, ErrorObject, Message, Raise, Rc, Value};

use crate::awaited::Awaited;

/// What something came to, in the end.
#[derive(Default)]
pub(super) struct Outcome(Awaited<Option<Ended>>);

/// An end.
pub(super) struct Ended {
    result: Result<Message, Failure>,
    /// Failures of promises that nobody has asked for, beside the result.
    unseen: Vec<Failure>,
}

/// An error, with what was thrown if that can be sent.
pub(super) struct Failure {
    kind: ErrorKind,
    message: String,
    line: u32,
    /// Where it happened, in the worker.
    trace: String,
    thrown: Option<Message>,
}

impl Failure {
    /// What a run failed by.
    pub(super) fn of(error: &RunError, thrown: impl FnOnce(&Value) -> Option<Message>) -> Self {
        match error {
            RunError::Runtime(error) => Self {
                kind: error.kind,
                message: error.message.clone(),
                line: error.line.unwrap_or(0),
                trace: trace(error),
                thrown: if error.value.is_null() {
                    None
                } else {
                    thrown(&error.value)
                },
            },
            RunError::Syntax { file, .. } => match file.path() {
                Some(path) => Self::new(
                    ErrorKind::Import,
                    format!("Failed to load script '{path}': {error}"),
                ),
                None => Self::new(ErrorKind::Value, error.to_string()),
            },
            RunError::Exit(status) => {
                Self::new(ErrorKind::Value, format!("Worker exited with status {status}"))
            }
        }
    }

    pub(super) fn new(kind: ErrorKind, message: String) -> Self {
        Self {
            kind,
            message,
            line: 0,
            trace: String::new(),
            thrown: None,
        }
    }

    /// The error of it, in the heap of whoever waits.
    fn build(self, ctx: &mut Ctx<'_>) -> Result<Rc<ErrorObject>, Raise> {
        let thrown = match self.thrown {
            Some(thrown) => ctx.value_of(&thrown)?,
            None => Value::Null,
        };
        // What ends a program where it happens is an error like others where it is told.
        let kind = match self.kind {
            ErrorKind::StepLimit => ErrorKind::Limit,
            kind if kind.is_catchable() => kind,
            _ => ErrorKind::Cancelled,
        };
        let text = ctx.heap().string(&self.message)?;
        let error = ctx.heap().error_parts(kind, text, thrown)?;
        error.set_line(self.line);
        error.set_remote_trace(self.trace);
        Ok(error)
    }
}

/// Where an error happened: its trace, or the line of the top level, which a trace leaves out.
fn trace(error: &RuntimeError) -> String {
    if !error.stack_trace.is_empty() {
        return error.stack_trace.clone();
    }
    let place = error.places.first().filter(|place| !place.file.text().is_empty());
    place.map_or_else(String::new, |place| {
        let line = place.file.line(place.span.start);
        match place.file.base_name() {
            Some(file) => format!("  at top level ({file}:{line})"),
            None => format!("  at top level (line {line})"),
        }
    })
}

impl Ended {
    /// The end by a result, with failures that nobody has asked for. If there is no error the first of these is it: who
    /// waits for the result learns of it.
    pub(super) fn new(result: Result<Message, Failure>, mut unseen: Vec<Failure>) -> Self {
        let result = match result {
            Ok(_) if !unseen.is_empty() => Err(unseen.remove(0)),
            result => result,
        };
        Self { result, unseen }
    }

    /// The end by an error.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::new(Err(failure), Vec::new())
    }

    /// The end of a worker that was stopped.
    pub(super) fn terminated() -> Self {
        Self::failed(Failure::new(ErrorKind::Cancelled, "Worker terminated".to_owned()))
    }

    /// What whoever waits gets. What else has failed counts as this program's.
    fn finish(self, ctx: &mut Ctx<'_>) -> Result<Value, Raise> {
        for failure in self.unseen {
            let error = failure.build(ctx)?;
            ctx.add_unhandled(error)?;
        }
        match self.result {
            Ok(message) => ctx.value_of(&message),
            Err(failure) => Err(Raise::again(failure.build(ctx)?)),
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
