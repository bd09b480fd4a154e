//! Open handles: files, sockets and what else the world gives a script for a time, counted against a limit.

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use aether_value::{ErrorKind, Raise};

use crate::context::Ctx;

/// How many handles are open, and how many may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handles {
    open: Rc<Cell<usize>>,
    pub(crate) limit: Option<usize>,
}

impl Handles {
    /// How many more may be opened.
    pub(crate) fn left(&self) -> Option<usize> {
        Some(self.limit?.saturating_sub(self.open.get()))
    }
}

/// What counts as open as long as it lives.
#[derive(Debug)]
pub struct Held<T> {
    inner: T,
    _count: Count,
}

/// One open handle.
#[derive(Debug)]
pub struct Count(Rc<Cell<usize>>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Count {
    /// Counts for what has been opened.
    pub fn hold<T>(self, inner: T) -> Held<T> {
        Held { inner, _count: self }
    }
}

impl<T> Held<T> {
    /// What is open, which is counted no longer.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl Ctx<'_> {
    /// Counts a handle that is about to be opened.
    ///
    /// # Errors
    /// As many are open as may be.
    pub fn open_handle(&mut self) -> Result<Count, Raise> {
        let handles = &self.vm.handles;
        let open = handles.open.get();
        if let Some(limit) = handles.limit
            && open >= limit
        {
            let message = format!("Open handle limit exceeded ({limit})");
            return Err(Raise::new(ErrorKind::Limit, message));
        }
        handles.open.set(open + 1);
        Ok(Count(handles.open.clone()))
    }
}

impl<T: Read> Read for Held<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(into)
    }
}
