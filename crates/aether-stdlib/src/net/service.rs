//! The loop behind `accept` and `start`: what is to be done next, and which handler is to be called.
//!
//! One turn: a wish to stop, events, a handler, a connection that has something new, idle times; then it waits.
//! Connections take turns: one that has delivered a message goes to the end of the line.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;

use aether_eval::{Args, Ctx, EventSource, Held, Step};
use aether_value::{NativeObject, Raise, Raw, Rc, Value};
use mio::net::TcpListener;

use crate::byte_form::ByteForm;

use super::conn::{Conn, Failure, Input, Phase, conn_of};
use super::poller::Watch;
use super::with_scratch;

/// Handlers by number.
pub(super) const LISTEN: usize = 0;
pub(super) const CONNECT: usize = 1;
pub(super) const MESSAGE: usize = 2;
pub(super) const DISCONNECT: usize = 3;
pub(super) const ERROR: usize = 4;
pub(super) const TIMEOUT: usize = 5;
const HANDLERS: usize = 6;

/// The largest message without framing as an array, which takes sixteen times as much and should fit the caches. As a
/// buffer a message is as large as what is read into.
const ARRAY_PIECE: usize = 16 << 10;
/// Connections accepted before others have their turn.
const ACCEPTS: usize = 64;
/// Turns after which everything else that is ready goes first.
const TURNS: u32 = 128;
/// How long a listener rests that cannot accept, as when there are no descriptors left.
const REST: u64 = 100_000_000;

/// The source that is the listener.
pub(super) const LISTENER: u64 = u64::MAX;

/// A handler to be called.
enum Action {
    Listen,
    Connect(Rc<NativeObject>),
    Message(Rc<NativeObject>, Value),
    Disconnect(Rc<NativeObject>),
    Error(String),
    Timeout(Rc<NativeObject>),
}

/// What a server listens with.
pub(super) struct Listener {
    pub(super) socket: Held<TcpListener>,
    pub(super) watch: Option<Watch>,
    /// When a listener that could not accept tries again.
    rests_until: Option<u64>,
    waits: bool,
}

impl Listener {
    pub(super) fn new(socket: Held<TcpListener>) -> Self {
        Self {
            socket,
            watch: None,
            rests_until: None,
            waits: false,
        }
    }
}

/// A server, or a client, which serves one connection: itself.
pub(super) struct Service {
    pub(super) handlers: RefCell<[Value; HANDLERS]>,
    /// Whether handlers are told which connection it is about.
    pub(super) is_server: bool,
    pub(super) delimiter: Option<Box<[u8]>>,
    /// Nanoseconds without traffic after which a connection is idle.
    pub(super) timeout: Option<u64>,
    /// What messages are given to their handlers as.
    form: ByteForm,
    pub(super) begun: Cell<bool>,
    pub(super) closed: Cell<bool>,
    pub(super) listener: RefCell<Option<Listener>>,
    event_source: RefCell<Option<std::rc::Rc<EventSource>>>,
    run: RefCell<Run>,
}

#[derive(Default)]
struct Run {
    actions: VecDeque<Action>,
    /// Connections that are to be looked at, by index.
    active: VecDeque<u32>,
    peers: Vec<Option<Rc<NativeObject>>>,
    free: Vec<u32>,
    open: usize,
    /// When which connection may be idle.
    idle: BinaryHeap<Reverse<(u64, u32)>>,
    /// When a graceful end is over.
    stop_at: Option<u64>,
    turns: u32,
}

impl Service {
    pub(super) fn new(
        is_server: bool,
        delimiter: Option<Box<[u8]>>,
        timeout: Option<u64>,
        form: ByteForm,
    ) -> Self {
        Self {
            handlers: RefCell::new([const { Value::Null }; HANDLERS]),
            is_server,
            delimiter,
            timeout,
            form,
            begun: Cell::new(false),
            closed: Cell::new(false),
            listener: RefCell::new(None),
            event_source: RefCell::new(None),
            run: RefCell::default(),
        }
    }

    /// Names the values that it holds. In the middle of a change it names none, which keeps them alive.
    pub(super) fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let (Ok(handlers), Ok(run)) = (self.handlers.try_borrow(), self.run.try_borrow()) {
            for handler in &*handlers {
                visit(&Raw::of_value(handler));
            }
            for peer in run.peers.iter().flatten() {
                visit(&Raw::of_rc(peer));
            }
            for action in &run.actions {
                match action {
                    Action::Listen | Action::Error(_) => {}
                    Action::Connect(conn) | Action::Disconnect(conn) | Action::Timeout(conn) => {
                        visit(&Raw::of_rc(conn));
                    }
                    Action::Message(conn, data) => {
                        visit(&Raw::of_rc(conn));
                        visit(&Raw::of_value(data));
                    }
                }
            }
        }
    }

    /// Bytes of its tables.
    pub(super) fn size(&self) -> usize {
        self.run.try_borrow().map_or(0, |run| {
            run.actions.capacity() * size_of::<Action>()
                + (run.active.capacity() + run.free.capacity()) * size_of::<u32>()
                + run.peers.capacity() * size_of::<Option<Rc<NativeObject>>>()
                + run.idle.capacity() * size_of::<(u64, u32)>()
        })
    }

    // --- from methods ---

    /// The event source, while the service runs.
    pub(super) fn event_source(&self) -> Option<std::rc::Rc<EventSource>> {
        self.event_source.borrow().clone()
    }

    /// Has the service look at a connection.
    pub(super) fn activate(&self, ctx: &mut Ctx<'_>, conn: &Conn) {
        self.enqueue(conn);
        if let Some(event_source) = self.event_source() {
            ctx.wake_service(&event_source);
        }
    }

    fn enqueue(&self, conn: &Conn) {
        let mut state = conn.state.borrow_mut();
        if !state.waits && state.phase != Phase::Closed {
            state.waits = true;
            self.run.borrow_mut().active.push_back(state.index);
        }
    }

    /// Stops listening and has every connection end in peace.
    pub(super) fn close(&self, ctx: &mut Ctx<'_>) {
        self.closed.set(true);
        drop(self.listener.borrow_mut().take());
        let peers: Vec<Rc<NativeObject>> = self.run.borrow().peers.iter().flatten().cloned().collect();
        for peer in &peers {
            let conn = conn_of(peer);
            if conn.state.borrow().phase == Phase::Open {
                conn.state.borrow_mut().phase = Phase::Closing;
                self.enqueue(conn);
            }
        }
        if let Some(event_source) = self.event_source() {
            ctx.wake_service(&event_source);
        }
    }

    // --- beginning and end ---

    /// Begins to run.
    pub(super) fn begin(&self, ctx: &mut Ctx<'_>) {
        *self.event_source.borrow_mut() = Some(ctx.open_event_source("tcp"));
    }

    /// Has the poller watch the listener, and the handler of listening called.
    pub(super) fn begin_listening(&self, ctx: &mut Ctx<'_>) -> io::Result<()> {
        let Some(event_source) = self.event_source() else {
            return Ok(());
        };
        if let Some(listener) = &mut *self.listener.borrow_mut() {
            let post = ctx.sender(&event_source);
            listener.watch = Some(Watch::new(&mut *listener.socket, post, LISTENER)?);
        }
        self.run.borrow_mut().actions.push_back(Action::Listen);
        Ok(())
    }

    /// Ends at once: closes everything, calls nobody.
    pub(super) fn abort(&self, ctx: &mut Ctx<'_>, own: Option<&Conn>) {
        self.closed.set(true);
        drop(self.listener.borrow_mut().take());
        if let Some(event_source) = self.event_source.borrow_mut().take() {
            ctx.close_event_source(&event_source);
        }
        let run = std::mem::take(&mut *self.run.borrow_mut());
        for peer in run.peers.iter().flatten() {
            conn_of(peer).state.borrow_mut().end(false);
        }
        if let Some(conn) = own {
            conn.state.borrow_mut().end(false);
        }
        drop(run);
    }

    // --- connections ---

    /// A connection has been made: it is watched from now on, and its handler called.
    pub(super) fn established(&self, ctx: &mut Ctx<'_>, conn: &Rc<NativeObject>) {
        let mut run = self.run.borrow_mut();
        run.open += 1;
        run.actions.push_back(Action::Connect(conn.clone()));
        let mut state = conn_of(conn).state.borrow_mut();
        state.phase = Phase::Open;
        // What is new may have been asked for while it was being made.
        state.waits = true;
        run.active.push_back(state.index);
        if let Some(timeout) = self.timeout {
            let now = ctx.host().monotonic();
            let due = now.saturating_add(timeout);
            state.active_at = now;
            state.idle_at = Some(due);
            run.idle.push(Reverse((due, state.index)));
        }
    }

    pub(super) fn report_error(&self, text: String) {
        self.run.borrow_mut().actions.push_back(Action::Error(text));
    }

    fn peer(&self, index: u32, receiver: &Rc<NativeObject>) -> Option<Rc<NativeObject>> {
        if !self.is_server {
            return Some(receiver.clone());
        }
        self.run.borrow().peers.get(index as usize)?.clone()
    }

    /// Accepts what has come, up to a number.
    fn accept(&self, ctx: &mut Ctx<'_>, receiver: &Rc<NativeObject>, this: &std::rc::Rc<Self>) {
        for _ in 0..ACCEPTS {
            let accepted = match &mut *self.listener.borrow_mut() {
                Some(listener) => {
                    listener.waits = false;
                    listener.socket.accept()
                }
                None => return,
            };
            let failure = match accepted {
                Ok((stream, address)) => self.admit(ctx, receiver, this, stream, address).err(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) =>
                {
                    continue;
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(detail) = failure {
                self.report_error(format!("tcp_listen: cannot accept: {detail}"));
                if let Some(listener) = &mut *self.listener.borrow_mut() {
                    listener.rests_until = Some(ctx.host().monotonic().saturating_add(REST));
                }
                return;
            }
        }
        // There may be more.
        if let Some(listener) = &mut *self.listener.borrow_mut() {
            listener.waits = true;
        }
    }

    fn admit(
        &self,
        ctx: &mut Ctx<'_>,
        receiver: &Rc<NativeObject>,
        this: &std::rc::Rc<Self>,
        mut stream: mio::net::TcpStream,
        address: std::net::SocketAddr,
    ) -> Result<(), String> {
        let Some(event_source) = self.event_source() else {
            return Ok(());
        };
        let told = |raise: Raise| raise.message().to_owned();
        let count = ctx.open_handle().map_err(told)?;
        let native = Conn::accepted(ctx.heap(), this, address).map_err(told)?;
        let index = {
            let mut run = self.run.borrow_mut();
            run.free.pop().unwrap_or_else(|| {
                run.peers.push(None);
                run.peers.len() as u32 - 1
            })
        };
        if let Err(raise) = receiver.recharge() {
            self.run.borrow_mut().free.push(index);
            return Err(told(raise));
        }
        // Small answers leave at once; where that cannot be set they leave a little later.
        let _ = stream.set_nodelay(true);
        let post = ctx.sender(&event_source);
        match Watch::new(&mut stream, post, u64::from(index)) {
            Ok(watch) => {
                let mut state = conn_of(&native).state.borrow_mut();
                state.index = index;
                state.watch = Some(watch);
                state.stream = Some(count.hold(stream));
            }
            Err(error) => {
                self.run.borrow_mut().free.push(index);
                return Err(error.to_string());
            }
        }
        self.run.borrow_mut().peers[index as usize] = Some(native.clone());
        self.established(ctx, &native);
        Ok(())
    }

    /// A connection is over: its socket goes, and its handler is called.
    fn finish(&self, native: &Rc<NativeObject>, in_peace: bool) {
        let mut state = conn_of(native).state.borrow_mut();
        if state.phase == Phase::Closed {
            return;
        }
        state.end(in_peace);
        let index = state.index;
        drop(state);
        let mut run = self.run.borrow_mut();
        run.open -= 1;
        run.actions.push_back(Action::Disconnect(native.clone()));
        if self.is_server {
            let peer = run.peers[index as usize].take();
            run.free.push(index);
            drop(run);
            drop(peer);
        }
    }

    /// Does what a connection's news ask for: writes, reads a message, closes.
    fn look_at(&self, ctx: &mut Ctx<'_>, native: &Rc<NativeObject>) {
        let conn = conn_of(native);
        let mut state = conn.state.borrow_mut();
        state.waits = false;
        state.take_readiness();
        if !matches!(state.phase, Phase::Open | Phase::Closing) {
            return;
        }
        if let Err(error) = state.flush() {
            drop(state);
            return self.fail(native, "tcp_write", &error.to_string());
        }
        if state.phase == Phase::Closing {
            if state.output.is_empty() {
                drop(state);
                self.finish(native, true);
            }
            return;
        }
        let wanted = !self.handlers.borrow()[MESSAGE].is_null();
        let message = with_scratch(|scratch| match &self.delimiter {
            None => {
                let most = if self.form == ByteForm::Array {
                    ARRAY_PIECE
                } else {
                    scratch.len()
                };
                match state.next_piece(&mut scratch[..most]) {
                    Ok(Input::Message(bytes)) => Some(message_of(ctx, bytes, wanted, self.form)),
                    Ok(Input::Nothing | Input::End) => None,
                    Err(error) => Some(Err(Failure::System(error))),
                }
            }
            Some(delimiter) => match state.next_frame(scratch, delimiter) {
                Ok(Some(length)) => {
                    let message = message_of(ctx, &state.input.as_slice()[..length], wanted, self.form);
                    state.take_frame(length, delimiter);
                    Some(message)
                }
                Ok(None) => None,
                Err(failure) => Some(Err(failure)),
            },
        });
        let mut run = self.run.borrow_mut();
        match message {
            Some(Ok(data)) => {
                if wanted {
                    run.actions.push_back(Action::Message(native.clone(), data));
                }
                // There may be more.
                state.waits = true;
                run.active.push_back(state.index);
                drop(run);
                self.note_traffic(ctx, &mut state);
            }
            Some(Err(failure)) => {
                drop(run);
                drop(state);
                self.fail(native, "tcp_read", &failure.text());
            }
            None => {
                drop(run);
                self.note_traffic(ctx, &mut state);
                if state.ended {
                    state.phase = Phase::Closing;
                    if state.output.is_empty() {
                        drop(state);
                        self.finish(native, true);
                    }
                }
            }
        }
    }

    /// Something is wrong with a connection: that is told, and it ends.
    fn fail(&self, native: &Rc<NativeObject>, operation: &str, detail: &str) {
        self.report_error(format!("{operation}: {detail}"));
        self.finish(native, false);
    }

    // --- idle times ---

    /// A connection that had been found idle has a timer again once there is traffic.
    fn note_traffic(&self, ctx: &mut Ctx<'_>, state: &mut super::conn::State) {
        let Some(timeout) = self.timeout else { return };
        if std::mem::take(&mut state.touched) {
            let now = ctx.host().monotonic();
            state.active_at = now;
            if state.idle_at.is_none() {
                let due = now.saturating_add(timeout);
                state.idle_at = Some(due);
                self.run.borrow_mut().idle.push(Reverse((due, state.index)));
            }
        }
    }

    /// Looks at the connections whose idle timers are due; gives the moment of the next.
    fn check_idle(&self, now: u64, receiver: &Rc<NativeObject>) -> Option<u64> {
        let timeout = self.timeout?;
        loop {
            let Reverse((due, index)) = *self.run.borrow().idle.peek()?;
            if due > now {
                return Some(due);
            }
            self.run.borrow_mut().idle.pop();
            let Some(native) = self.peer(index, receiver) else {
                continue;
            };
            let mut state = conn_of(&native).state.borrow_mut();
            if state.idle_at != Some(due) || state.phase != Phase::Open {
                continue;
            }
            let idle_at = state.active_at.saturating_add(timeout);
            if idle_at > now {
                state.idle_at = Some(idle_at);
                self.run.borrow_mut().idle.push(Reverse((idle_at, index)));
                continue;
            }
            state.idle_at = None;
            if self.handlers.borrow()[TIMEOUT].is_null() {
                // Nobody decides: an idle connection is closed.
                state.phase = Phase::Closing;
                drop(state);
                self.enqueue(conn_of(&native));
            } else {
                drop(state);
                self.run.borrow_mut().actions.push_back(Action::Timeout(native));
            }
        }
    }

    // --- the loop ---

    /// Runs until a handler is to be called, or there is nothing to do. Slot 0 is the receiver; slot 1 is true while
    /// an async handler's promise is to be awaited.
    pub(super) fn turn(
        this: &std::rc::Rc<Self>,
        ctx: &mut Ctx<'_>,
        receiver: &Rc<NativeObject>,
        slots: &mut [Value],
    ) -> Result<Step, Raise> {
        let Some(event_source) = this.event_source() else {
            return Ok(Step::Done(Value::Null));
        };
        loop {
            ctx.tick(1)?;
            if let Some(raise) = event_source.take_failure() {
                return Err(raise);
            }
            let stops = event_source.stops();
            if stops > 1 {
                return Ok(this.done(ctx, receiver));
            }
            if stops == 1 && this.run.borrow().stop_at.is_none() {
                let until = ctx.host().monotonic().saturating_add((ctx.grace() * 1e9) as u64);
                this.run.borrow_mut().stop_at = Some(until);
                this.close(ctx);
                this.close_own(receiver);
            }
            while let Some(source) = event_source.next_event() {
                this.note(source, receiver);
            }
            let action = this.run.borrow_mut().actions.pop_front();
            if let Some(action) = action {
                if let Some(step) = this.call(ctx, slots, action)? {
                    return Ok(step);
                }
                continue;
            }
            let accepts = this
                .listener
                .borrow()
                .as_ref()
                .is_some_and(|listener| listener.waits);
            let index = this.run.borrow_mut().active.pop_front();
            if accepts || index.is_some() {
                if accepts {
                    this.accept(ctx, receiver, this);
                }
                if let Some(native) = index.and_then(|index| this.peer(index, receiver)) {
                    this.look_at(ctx, &native);
                }
                let turns = this.run.borrow().turns + 1;
                this.run.borrow_mut().turns = turns;
                if turns.is_multiple_of(TURNS) {
                    return ctx.yield_to_others();
                }
                continue;
            }
            if let Some(step) = this.rest(ctx, receiver, &event_source, stops)? {
                return Ok(step);
            }
        }
    }

    /// There is nothing to do now: ends, or waits. `None` if there is something after all.
    fn rest(
        &self,
        ctx: &mut Ctx<'_>,
        receiver: &Rc<NativeObject>,
        event_source: &EventSource,
        stops: u32,
    ) -> Result<Option<Step>, Raise> {
        let now = ctx.host().monotonic();
        let mut until = self.check_idle(now, receiver);
        let stop_at = self.run.borrow().stop_at;
        if let Some(stop_at) = stop_at {
            if stop_at <= now {
                self.end_all(receiver);
            }
            until = Some(until.map_or(stop_at, |until| until.min(stop_at)));
        }
        if let Some(listener) = &mut *self.listener.borrow_mut()
            && let Some(rests_until) = listener.rests_until
        {
            if rests_until <= now {
                listener.rests_until = None;
                listener.waits = true;
            } else {
                until = Some(until.map_or(rests_until, |until| until.min(rests_until)));
            }
        }
        let (idle, open) = {
            let run = self.run.borrow();
            (run.actions.is_empty() && run.active.is_empty(), run.open)
        };
        let accepts = self
            .listener
            .borrow()
            .as_ref()
            .is_some_and(|listener| listener.waits);
        if !idle || accepts {
            return Ok(None);
        }
        let is_over = open == 0 && (self.closed.get() || !self.is_server);
        if is_over {
            return Ok(Some(self.done(ctx, receiver)));
        }
        ctx.await_event(event_source, stops, until).map(Some)
    }

    /// The end, with nothing left open.
    fn done(&self, ctx: &mut Ctx<'_>, receiver: &Rc<NativeObject>) -> Step {
        let own = (!self.is_server).then(|| conn_of(receiver));
        self.abort(ctx, own);
        Step::Done(Value::Null)
    }

    /// A client's own connection ends in peace.
    fn close_own(&self, receiver: &Rc<NativeObject>) {
        if !self.is_server {
            let conn = conn_of(receiver);
            let open = conn.state.borrow().phase == Phase::Open;
            if open {
                conn.state.borrow_mut().phase = Phase::Closing;
            }
            self.enqueue(conn);
        }
    }

    /// Ends every connection at once.
    fn end_all(&self, receiver: &Rc<NativeObject>) {
        let mut peers: Vec<Rc<NativeObject>> = self.run.borrow().peers.iter().flatten().cloned().collect();
        if !self.is_server {
            peers.push(receiver.clone());
        }
        for peer in &peers {
            self.finish(peer, false);
        }
    }

    /// A source has something new.
    fn note(&self, source: u64, receiver: &Rc<NativeObject>) {
        if source == LISTENER {
            if let Some(listener) = &mut *self.listener.borrow_mut() {
                // The news of a listener are always the same, but it is named again only when they have been taken.
                let _ = listener.watch.as_ref().map(Watch::take_readiness);
                listener.waits = listener.rests_until.is_none();
            }
        } else if let Some(native) = self.peer(source as u32, receiver) {
            self.enqueue(conn_of(&native));
        }
    }

    /// Calls a handler, if there is one.
    fn call(&self, ctx: &Ctx<'_>, slots: &mut [Value], action: Action) -> Result<Option<Step>, Raise> {
        let (which, conn, data) = match action {
            Action::Listen => (LISTEN, None, None),
            Action::Connect(conn) => (CONNECT, Some(conn), None),
            Action::Message(conn, data) => (MESSAGE, Some(conn), Some(data)),
            Action::Disconnect(conn) => (DISCONNECT, Some(conn), None),
            Action::Error(text) => (ERROR, None, Some(ctx.string(&text)?)),
            Action::Timeout(conn) => (TIMEOUT, Some(conn), None),
        };
        let function = self.handlers.borrow()[which].clone();
        if function.is_null() {
            return Ok(None);
        }
        let conn = conn.filter(|_| self.is_server).map(Value::Native);
        let args = match (conn, data) {
            (None, None) => Args::None,
            (Some(only), None) | (None, Some(only)) => Args::One(only),
            (Some(conn), Some(data)) => Args::Two(conn, data),
        };
        slots[1] = Value::Bool(function.is_async());
        Ok(Some(Step::Call {
            function,
            args,
            lenient: true,
        }))
    }
}

/// A message's bytes for its handler, if there is one.
fn message_of(ctx: &Ctx<'_>, bytes: &[u8], wanted: bool, form: ByteForm) -> Result<Value, Failure> {
    if !wanted {
        return Ok(Value::Null);
    }
    form.value(ctx.heap(), bytes).map_err(Failure::Memory)
}
