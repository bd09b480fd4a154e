//! What goes through the pipes of a program: its input in, its output out, on one thread.
//!
//! Where the system polls pipes, one loop does all of it. Elsewhere each pipe has a thread.
//!
//! Invariants
//! - No more is taken than allowed; a program that prints more is for the caller to kill.
//! - A program that does not read all of its input is its own business.

use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use shared_child::SharedChild;

/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;

/// The ends of the pipes that are here.
pub(super) struct Pipes {
    pub(super) input: Option<(ChildStdin, Vec<u8>)>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// Why the exchange ended before the program closed its pipes.
pub(super) enum Stopped {
    System(io::Error),
    TimedOut,
    TooMuchOutput,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Adds bytes. Room grows by powers of two, however much comes at a time: what it takes is the same from run to run.
fn add(all: &mut Vec<u8>, bytes: &[u8]) {
    let room = (all.len() + bytes.len()).next_power_of_two();
    all.reserve_exact(room - all.len());
    all.extend_from_slice(bytes);
}

#[cfg(unix)]
pub(super) use polled::exchange;

#[cfg(unix)]
mod polled {
    use std::io::{self, ErrorKind, Read, Write as _};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::{Errno, ioctl_fionbio};

    use super::{PIECE, Pipes, SharedChild, Stopped, add};

    /// How often it is looked whether a program that only has input to read has ended: others may hold the pipe.
    const LOOK: Duration = Duration::from_millis(50);

    /// An output until its end.
    struct Output<P> {
        pipe: Option<P>,
        all: Vec<u8>,
    }

    impl<P: Read + AsFd> Output<P> {
        fn new(pipe: Option<P>) -> Self {
            Self {
                pipe,
                all: Vec::new(),
            }
        }

        fn fd(&self) -> Option<BorrowedFd<'_>> {
            self.pipe.as_ref().map(AsFd::as_fd)
        }

        /// Takes what is there; gives how much.
        fn take(&mut self, buffer: &mut [u8]) -> usize {
            let Some(pipe) = &mut self.pipe else { return 0 };
            match pipe.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Ok(count) if count > 0 => {
                    add(&mut self.all, &buffer[..count]);
                    count
                }
                Ok(_) | Err(_) => {
                    self.pipe = None;
                    0
                }
            }
        }
    }

    /// Feeds the program and takes what it prints, of which there may be `most` bytes, until it has closed its outputs.
    ///
    /// # Errors
    /// The moment `end` has come; there is too much output; the system fails.
    pub(crate) fn exchange(
        child: &SharedChild,
        pipes: Pipes,
        end: Option<Instant>,
        most: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), Stopped> {
        let (mut stdout, mut stderr) = (Output::new(pipes.stdout), Output::new(pipes.stderr));
        let mut input = pipes.input;
        if let Some((pipe, _)) = &input {
            ioctl_fionbio(pipe, true).map_err(io::Error::from)?;
        }
        let mut written = 0;
        let mut taken = 0_usize;
        let mut buffer = [0; PIECE];
        loop {
            let outputs = [stdout.fd(), stderr.fd()];
            let feeds_only = outputs.iter().all(Option::is_none);
            if feeds_only && input.is_none() {
                return Ok((stdout.all, stderr.all));
            }
            let mut polled = Vec::with_capacity(3);
            polled.extend(
                outputs
                    .iter()
                    .flatten()
                    .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)),
            );
            if let Some((pipe, _)) = &input {
                polled.push(PollFd::new(pipe, PollFlags::OUT));
            }
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                return Err(Stopped::TimedOut);
            }
            let left = end.map(|end| end - now);
            let left = if feeds_only {
                Some(left.map_or(LOOK, |left| left.min(LOOK)))
            } else {
                left
            };
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut polled, timeout.as_ref()) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let is_ready = |at: usize| polled.get(at).is_some_and(|fd| !fd.revents().is_empty());
            let (has_stdout, has_stderr) = (outputs[0].is_some(), outputs[1].is_some());
            let stdout_ready = has_stdout && is_ready(0);
            let stderr_ready = has_stderr && is_ready(usize::from(has_stdout));
            let input_ready = is_ready(usize::from(has_stdout) + usize::from(has_stderr));
            if stdout_ready {
                taken += stdout.take(&mut buffer);
            }
            if stderr_ready {
                taken += stderr.take(&mut buffer);
            }
            if taken > most {
                return Err(Stopped::TooMuchOutput);
            }
            let Some((pipe, bytes)) = &mut input else { continue };
            if input_ready {
                match pipe.write(&bytes[written..]) {
                    Ok(count) => written += count,
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(_) => written = bytes.len(),
                }
            } else if feeds_only && child.try_wait()?.is_some() {
                written = bytes.len();
            }
            if written == bytes.len() {
                input = None;
            }
        }
    }
}

#[cfg(not(unix))]
pub(super) use threaded::exchange;

#[cfg(not(unix))]
mod threaded {
    use std::io::{self, ErrorKind, Read, Write as _};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
    use std::time::Instant;

    use super::super::thread::start;
    use super::{PIECE, Pipes, SharedChild, Stopped, add};

    /// As of the other one.
    pub(crate) fn exchange(
        _: &SharedChild,
        pipes: Pipes,
        end: Option<Instant>,
        most: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), Stopped> {
        if let Some((mut pipe, bytes)) = pipes.input {
            start(move || drop(pipe.write_all(&bytes)))?;
        }
        let taken = Arc::new(AtomicUsize::new(0));
        let (over, too_much) = channel();
        let stdout = pipes.stdout.map(|pipe| capture(pipe, &taken, most, &over));
        let stderr = pipes.stderr.map(|pipe| capture(pipe, &taken, most, &over));
        let (stdout, stderr) = (stdout.transpose()?, stderr.transpose()?);
        drop(over);
        let received = match end {
            None => too_much.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(end) => too_much.recv_timeout(end.saturating_duration_since(Instant::now())),
        };
        match received {
            Ok(()) => return Err(Stopped::TooMuchOutput),
            Err(RecvTimeoutError::Timeout) => return Err(Stopped::TimedOut),
            Err(RecvTimeoutError::Disconnected) => {}
        }
        let all =
            |pipe: Option<Receiver<Vec<u8>>>| pipe.and_then(|pipe| pipe.recv().ok()).unwrap_or_default();
        Ok((all(stdout), all(stderr)))
    }

    /// Reads a pipe to its end on a thread of its own. `over` hears when all pipes have given more than `most`, and is
    /// dropped at the end.
    fn capture(
        mut pipe: impl Read + Send + 'static,
        taken: &Arc<AtomicUsize>,
        most: usize,
        over: &Sender<()>,
    ) -> io::Result<Receiver<Vec<u8>>> {
        let (taken, over) = (taken.clone(), over.clone());
        let (sender, receiver) = channel();
        start(move || {
            let mut all = Vec::new();
            let mut buffer = [0; PIECE];
            loop {
                match pipe.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(count) if count > 0 => {
                        if taken.fetch_add(count, Ordering::Relaxed) + count > most {
                            // Nobody listens any more if the time is over.
                            let _ = over.send(());
                            return;
                        }
                        add(&mut all, &buffer[..count]);
                    }
                    Ok(_) | Err(_) => break,
                }
            }
            // Before the end is told: whoever hears of it takes the output at once.
            let _ = sender.send(all);
            drop(over);
        })?;
        Ok(receiver)
    }
}
