//! The embedder's default: a world without streams, files, clock or randomness.

use std::io;
use std::time::Instant;

use aether_eval::{Host, Permission, Waiting, Waker};

use super::{nanos_since, wait_on_clock};

/// Output vanishes, input is empty, everything else is denied: the trait's own answers. Waiting is no access: time
/// passes here too.
///
/// ```
/// use aether::{DenyHost, Engine, ErrorKind};
///
/// let mut engine = Engine::builder().host(DenyHost::default()).build()?;
/// engine.eval("println(1)")?;
/// let error = engine.eval("read_file(\"a.txt\")").unwrap_err();
/// assert_eq!(error.kind(), Some(ErrorKind::Permission));
/// # Ok::<(), aether::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DenyHost {
    begun: Option<Instant>,
}

impl Host for DenyHost {
    fn write_out(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn write_err(&mut self, _: &str) -> io::Result<()> {
        Ok(())
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
        nanos_since(*self.begun.get_or_insert_with(Instant::now))
    }

    fn wait(&mut self, waker: &Waker, waiting: Waiting) {
        let now = self.monotonic();
        wait_on_clock(waker, waiting, now);
    }

    fn entropy(&mut self) -> u64 {
        0
    }

    fn permit(&mut self, permission: Permission, what: &str) -> Result<(), String> {
        let capability = permission.as_str();
        Err(format!("{capability} access to \"{what}\""))
    }
}
