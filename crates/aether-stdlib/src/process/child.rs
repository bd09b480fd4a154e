//! A child process that one thread waits for and others may kill.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use aether_value::{Dict, Raise, Value};
use shared_child::SharedChild;

use super::signals;

/// A child that may not have begun yet.
pub(super) struct Killer {
    state: Mutex<State>,
    /// Whether the child leads a process group, which is killed with it.
    leads_group: bool,
}

enum State {
    Waiting,
    Running(Arc<SharedChild>),
    /// Nobody wants it any more.
    Cancelled,
}

impl Killer {
    pub(super) fn new(leads_group: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::Waiting),
            leads_group,
        })
    }

    /// Starts the child, unless it is not wanted any more.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Arc<SharedChild>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Cancelled) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = Arc::new(SharedChild::spawn(command)?);
        *state = State::Running(child.clone());
        Ok(child)
    }

    /// Kills the child, or sees to it that it never begins. One that is over is left alone.
    pub(super) fn kill(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Cancelled) {
            State::Running(child) => {
                if self.leads_group && child.try_wait().is_ok_and(|status| status.is_none()) {
                    kill_group(child.id());
                }
                // It may be over already, which is what was wanted.
                let _ = child.kill();
            }
            State::Waiting | State::Cancelled => {}
        }
    }
}

/// Kills the child when it goes.
pub(super) struct KillGuard(pub(super) Arc<Killer>);

impl Drop for KillGuard {
    fn drop(&mut self) {
        self.0.kill();
    }
}

#[cfg(unix)]
fn kill_group(leader: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_: u32) {}

/// Sends a signal to a child that has not been waited for.
#[cfg(unix)]
pub(super) fn send_signal(child: &SharedChild, signal: i32) -> io::Result<()> {
    use shared_child::unix::SharedChildExt as _;
    child.send_signal(signal)
}

/// Without signals, each ends the child.
#[cfg(not(unix))]
pub(super) fn send_signal(child: &SharedChild, _: i32) -> io::Result<()> {
    child.kill()
}

/// The signal that ended a child.
#[cfg(unix)]
pub(super) fn signal_of(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal().map(signals::name)
}

#[cfg(not(unix))]
pub(super) fn signal_of(_: ExitStatus) -> Option<String> {
    None
}

/// Adds how a child has ended.
pub(super) fn add_status(ctx: &aether_eval::Ctx<'_>, dict: &Dict, status: ExitStatus) -> Result<(), Raise> {
    let code = status.code().map_or(Value::Null, |code| Value::Int(code.into()));
    let signal = match signal_of(status) {
        Some(signal) => ctx.string(&signal)?,
        None => Value::Null,
    };
    dict.insert(ctx.string("code")?, code)?;
    dict.insert(ctx.string("signal")?, signal)?;
    Ok(())
}
