//! A connection: its socket, and the bytes that wait on either side of it.
//!
//! The system tells of a socket once when it becomes readable or writable; from then on it is read or written until it
//! says that it would block. So `readable` and `writable` stay set until then.
//!
//! Closing: what has been written leaves first, then the writing side is shut down, then the socket goes.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::rc::Weak;

use aether_eval::{BuiltinDef, Held};
use aether_value::{Builtin, Heap, Native, NativeObject, Raise, Raw, Rc, StrBuilder, Value};
use mio::net::TcpStream;

use super::bytes::Bytes;
use super::poller::{READ, WRITE, Watch};
use super::service::Service;
use super::tcp;

/// The longest frame that is waited for.
const MOST_FRAME: usize = 64 << 20;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A client that has not begun to connect.
    New,
    /// A client whose connection is being made.
    Connecting,
    /// Bytes come and go.
    Open,
    /// What has been written still leaves; nothing else happens.
    Closing,
    /// It is over.
    Closed,
}

/// Whom a connection belongs to.
pub(super) enum Owner {
    /// A client is its own.
    Own(std::rc::Rc<Service>),
    /// One that a server has accepted.
    Server(Weak<Service>),
}

/// A connection as a value.
pub(super) struct Conn {
    pub(super) owner: Owner,
    pub(super) state: RefCell<State>,
}

/// What a connection is made of.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is known of either direction is independent"
)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) stream: Option<Held<TcpStream>>,
    pub(super) watch: Option<Watch>,
    pub(super) address: Box<str>,
    /// Its place among its server's connections.
    pub(super) index: u32,
    /// Whether it is among those that are to be looked at.
    pub(super) waits: bool,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer has sent everything.
    pub(super) ended: bool,
    wrote: bool,
    pub(super) input: Bytes,
    /// Bytes at the beginning of the input in which no delimiter begins.
    scanned: usize,
    pub(super) output: Bytes,
    /// Whether something has happened since the idle time was last looked at.
    pub(super) touched: bool,
    pub(super) active_at: u64,
    /// When its idle timer is due, if it has one.
    pub(super) idle_at: Option<u64>,
}

/// What the next look at the input gave.
pub(super) enum Input<'s> {
    /// A message.
    Message(&'s [u8]),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    End,
}

impl State {
    pub(super) fn new(heap: &Heap, address: &str) -> Self {
        Self {
            phase: Phase::New,
            stream: None,
            watch: None,
            address: address.into(),
            index: 0,
            waits: false,
            readable: false,
            writable: false,
            ended: false,
            wrote: false,
            input: Bytes::new(heap),
            scanned: 0,
            output: Bytes::new(heap),
            touched: false,
            active_at: 0,
            idle_at: None,
        }
    }

    /// Asks the poller what is new.
    pub(super) fn take_readiness(&mut self) {
        let news = self.watch.as_ref().map_or(0, Watch::take_readiness);
        self.readable |= news & READ != 0;
        self.writable |= news & WRITE != 0;
    }

    /// Writes as much as the system takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        while self.writable && !self.output.is_empty() {
            match stream.write(self.output.as_slice()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.output.take(count);
                    self.wrote = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once. `None` if there was nothing to read.
    fn read(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        while self.readable && !self.ended {
            match stream.read(scratch) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.touched = true;
                    return Ok(Some(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The next message without framing: whatever has come.
    pub(super) fn next_piece<'s>(&mut self, scratch: &'s mut [u8]) -> io::Result<Input<'s>> {
        Ok(match self.read(scratch)? {
            Some(count) => Input::Message(&scratch[..count]),
            None if self.ended => Input::End,
            None => Input::Nothing,
        })
    }

    /// The length of the next frame, which is then at the beginning of the input, if it is there in full. `None` says
    /// that more is to come, unless the peer has ended.
    pub(super) fn next_frame(
        &mut self,
        scratch: &mut [u8],
        delimiter: &[u8],
    ) -> Result<Option<usize>, Failure> {
        loop {
            if let Some(at) = self.find(delimiter) {
                return Ok(Some(at));
            }
            if self.input.len() > MOST_FRAME {
                return Err(Failure::Long);
            }
            let Some(count) = self.read(scratch).map_err(Failure::System)? else {
                return Ok(None);
            };
            self.input.push(&scratch[..count]).map_err(Failure::Memory)?;
        }
    }

    fn find(&mut self, delimiter: &[u8]) -> Option<usize> {
        let input = self.input.as_slice();
        let first = delimiter[0];
        let mut from = self.scanned;
        while let Some(at) = input[from..].iter().position(|&byte| byte == first) {
            let at = from + at;
            let rest = &input[at..];
            if rest.starts_with(delimiter) {
                return Some(at);
            }
            if rest.len() < delimiter.len() {
                self.scanned = at;
                return None;
            }
            from = at + 1;
        }
        self.scanned = input.len();
        None
    }

    /// A frame of this length has been delivered.
    pub(super) fn take_frame(&mut self, length: usize, delimiter: &[u8]) {
        self.input.take(length + delimiter.len());
        self.scanned = 0;
    }

    /// Gives the socket up, in peace if everything has been written.
    pub(super) fn end(&mut self, in_peace: bool) {
        self.phase = Phase::Closed;
        let (stream, watch) = (self.stream.take(), self.watch.take());
        self.input.clear();
        self.output.clear();
        let Some(stream) = stream else { return };
        if in_peace {
            // The peer may be gone, which is as good.
            let _ = stream.shutdown(Shutdown::Write);
            if let Some(watch) = watch
                && self.wrote
                && !self.ended
            {
                watch.linger(stream.into_inner());
            }
        }
    }
}

/// Why there is no frame.
pub(super) enum Failure {
    /// The system says so.
    System(io::Error),
    /// It does not fit the heap.
    Memory(Raise),
    /// It is longer than any that is accepted.
    Long,
}

impl Failure {
    /// What `on_error` is told.
    pub(super) fn text(&self) -> String {
        match self {
            Self::System(error) => error.to_string(),
            Self::Memory(raise) => raise.message().to_owned(),
            Self::Long => format!("frame longer than {MOST_FRAME} bytes"),
        }
    }
}

impl Conn {
    /// Whom it belongs to, unless that is gone.
    pub(super) fn service(&self) -> Option<std::rc::Rc<Service>> {
        match &self.owner {
            Owner::Own(service) => Some(service.clone()),
            Owner::Server(service) => service.upgrade(),
        }
    }

    /// A connection that a server has accepted.
    pub(super) fn accepted(
        heap: &Heap,
        server: &std::rc::Rc<Service>,
        address: SocketAddr,
    ) -> Result<Rc<NativeObject>, Raise> {
        heap.native(Box::new(Self {
            owner: Owner::Server(std::rc::Rc::downgrade(server)),
            state: RefCell::new(State::new(heap, &address.to_string())),
        }))
    }
}

/// The connection behind a value.
pub(super) fn conn_of(native: &NativeObject) -> &Conn {
    match native.downcast() {
        Some(conn) => conn,
        None => unreachable!("only connections come here"),
    }
}

impl Native for Conn {
    fn type_name(&self) -> &'static str {
        "tcp_connection"
    }

    fn size(&self) -> usize {
        /// What the poller knows about a socket, and the address.
        const BESIDE: usize = 128;
        let service = match &self.owner {
            Owner::Own(service) => size_of::<Service>() + service.size(),
            Owner::Server(_) => 0,
        };
        size_of::<Self>() + BESIDE + service
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Owner::Own(service) = &self.owner {
            service.trace(visit);
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        let state = self.state.borrow();
        out.push_str("<tcp_connection:")?;
        out.push_str(if state.phase == Phase::Closed {
            "closed"
        } else {
            &state.address
        })?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        if name != "address" {
            return Ok(None);
        }
        let address = heap.string(&self.state.borrow().address)?;
        Ok(Some(Value::String(address)))
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        let client: &[BuiltinDef] = match self.owner {
            Owner::Own(_) => tcp::CLIENT,
            Owner::Server(_) => &[],
        };
        let mut methods = tcp::CONNECTION.iter().chain(client);
        let found = methods.find(|method| method.info.name == name)?;
        Some(Builtin(&found.info))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
