//! A line that shows how far the tests are, on a terminal.

use std::io::{self, IsTerminal};

use crate::streams;

/// The line, if a person reads it.
pub(super) struct Progress {
    total: usize,
    visible: bool,
    shown: bool,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        Self {
            total,
            visible: io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// Shows that `done` files have run.
    pub(super) fn show(&mut self, done: usize) {
        if self.visible && done < self.total {
            streams::write_err(&format!("{done} of {} …", self.total));
            self.shown = true;
        }
    }

    /// Removes the line.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            streams::write_err("\r\x1b[K");
        }
    }
}
