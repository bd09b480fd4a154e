//! What `catch` binds: message, kind, thrown value, line and trace.

use std::cell::{Cell, OnceCell};
use std::ptr::NonNull;

use crate::heap::Visitor;
use crate::{Code, ErrorKind, Header, Heap, Object, Raise, Rc, Str, Value, tag};

/// One frame of a trace: the code and the word that was executing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// The frame's code, alive as long as the heap.
    pub code: *const Code,
    /// The instruction's word.
    pub word: u32,
}

/// An error as a value.
#[repr(C)]
pub struct ErrorObject {
    header: Header,
    message: Rc<Str>,
    value: Value,
    trace: OnceCell<Box<[TraceEntry]>>,
    /// Where it happened in another heap, from which it came.
    remote_trace: OnceCell<Box<str>>,
    charged: Cell<usize>,
    line: Cell<u32>,
    kind: ErrorKind,
}

#[expect(unsafe_code, reason = "declares the layout")]
// SAFETY: repr(C), header first, made by `Heap::error` only.
unsafe impl Object for ErrorObject {}

impl ErrorObject {
    /// The message.
    pub fn message(&self) -> &Rc<Str> {
        &self.message
    }

    /// What sort of error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The thrown value, null for errors of the runtime.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The line, 0 when it is not known.
    pub fn line(&self) -> u32 {
        self.line.get()
    }

    /// Attaches the line.
    pub fn set_line(&self, line: u32) {
        self.line.set(line);
    }

    /// The frames that were active, innermost first.
    pub fn trace(&self) -> &[TraceEntry] {
        self.trace.get().map_or(&[], |trace| trace)
    }

    /// Whether a trace was attached.
    pub fn has_trace(&self) -> bool {
        self.trace.get().is_some()
    }

    /// Attaches the trace, once; it stays away if there is no memory for it.
    pub fn set_trace(&self, trace: Vec<TraceEntry>) {
        let bytes = charged_for(trace.len());
        let trace = if Heap::of(self).try_charge(bytes) {
            trace
        } else {
            Vec::new()
        };
        let bytes = charged_for(trace.len());
        if self.trace.set(trace.into_boxed_slice()).is_ok() {
            self.charged.set(self.charged.get() + bytes);
        } else {
            Heap::of(self).discharge(bytes);
        }
    }

    /// Where it happened in another heap: a line an activation; empty if it happened here.
    pub fn remote_trace(&self) -> &str {
        self.remote_trace.get().map_or("", |trace| trace)
    }

    /// Attaches where it happened in another heap, once; it stays away if there is no memory for it.
    pub fn set_remote_trace(&self, trace: String) {
        let bytes = trace.len();
        if bytes > 0 && Heap::of(self).try_charge(bytes) {
            if self.remote_trace.set(trace.into_boxed_str()).is_ok() {
                self.charged.set(self.charged.get() + bytes);
            } else {
                Heap::of(self).discharge(bytes);
            }
        }
    }

    /// Bytes that it holds beside itself.
    pub(crate) fn charged(&self) -> usize {
        self.charged.get()
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        visitor.value(&self.value);
    }
}

/// What a trace takes, with the allocator's part.
const fn charged_for(entries: usize) -> usize {
    if entries == 0 {
        0
    } else {
        entries * size_of::<TraceEntry>() + 16
    }
}

impl Drop for ErrorObject {
    fn drop(&mut self) {
        let heap = Heap::of(self);
        heap.discharge(self.charged.get());
        if self.kind == ErrorKind::OutOfMemory {
            heap.inner().close_reserve(self);
        }
    }
}

impl Heap {
    /// The error object for what was raised: the one that is raised again, or a new one without a place. The few
    /// bytes that telling of a used-up budget takes are given past the limit, and the reserve for handlers opens.
    ///
    /// # Errors
    /// Out of memory.
    pub fn error(&self, raise: Raise) -> Result<Rc<ErrorObject>, Raise> {
        let data = *raise.0;
        if let Some(error) = data.error {
            return Ok(error);
        }
        let make = || {
            let message = self.string(&data.message)?;
            self.error_parts(data.kind, message, data.value)
        };
        if data.kind != ErrorKind::OutOfMemory {
            return make();
        }
        let error = self.past_the_limit(make)?;
        self.inner().open_reserve(Rc::as_ptr(&error));
        Ok(error)
    }

    /// An error object of these parts.
    ///
    /// # Errors
    /// Out of memory.
    pub fn error_parts(
        &self,
        kind: ErrorKind,
        message: Rc<Str>,
        value: Value,
    ) -> Result<Rc<ErrorObject>, Raise> {
        self.object(tag::ERROR, |header| ErrorObject {
            header,
            message,
            value,
            trace: OnceCell::new(),
            remote_trace: OnceCell::new(),
            charged: Cell::new(0),
            line: Cell::new(0),
            kind,
        })
    }
}
