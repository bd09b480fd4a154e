//! What the tests of this crate share: a host for machines.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use aether_eval::{Host, Permission, Waiting, Waker};

/// A host without a world: output goes to a string.
#[derive(Clone, Default)]
pub(crate) struct Quiet(pub(crate) Rc<RefCell<String>>);

impl Host for Quiet {
    fn write_out(&mut self, text: &str) -> io::Result<()> {
        self.0.borrow_mut().push_str(text);
        Ok(())
    }
    fn write_err(&mut self, text: &str) -> io::Result<()> {
        self.write_out(text)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn read_line(&mut self) -> io::Result<String> {
        Ok(String::new())
    }
    fn clock(&mut self) -> f64 {
        0.0
    }
    fn monotonic(&mut self) -> u64 {
        0
    }
    fn wait(&mut self, waker: &Waker, waiting: Waiting) {
        waker.wait(None, waiting.messages);
    }
    fn entropy(&mut self) -> u64 {
        1
    }
    fn read_file(&mut self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn is_file(&mut self, _: &str) -> io::Result<bool> {
        Ok(false)
    }
    fn is_dir(&mut self, _: &str) -> io::Result<bool> {
        Ok(false)
    }
    fn write_file(&mut self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
    fn permit(&mut self, _: Permission, _: &str) -> Result<(), String> {
        Ok(())
    }
}
