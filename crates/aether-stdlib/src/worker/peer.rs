//! The two ends of the line between a program and a worker.
//!
//! Both have messages and named channels; the program's end has the worker's result and its controls too. Whoever is
//! gone closes what it would have taken messages from.

use std::any::Any;
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aether_eval::{BuiltinDef, Ctx, Event, HostFinish, Remote, Step};
use aether_value::{
    Builtin, ErrorKind, Heap, Inbox, Message, Native, NativeObject, PromiseState, Raise, Raw, Rc, Str,
    StrBuilder, Value,
};

use super::mailbox::{Mailbox, Refused};
use crate::arguments::{number, object, receiver, string};
use crate::awaited::resume_after;

/// Two mailboxes, from the program to the worker and back.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) to_worker: Arc<Mailbox>,
    pub(super) to_program: Arc<Mailbox>,
}

impl Line {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self {
            to_worker: Mailbox::new(limit),
            to_program: Mailbox::new(limit),
        }
    }
}

/// What both ends share.
pub(super) struct Shared {
    pub(super) line: Line,
    channels: Mutex<Channels>,
    limit: Option<usize>,
    pub(super) name: String,
    pub(super) id: u64,
    pub(super) remote: Arc<Remote>,
}

/// The named channels of a worker.
#[derive(Default)]
struct Channels {
    lines: Vec<Named>,
    /// The program has let go of the worker: nothing comes through channels that it does not hold.
    left: bool,
    /// The worker has ended, or is about to.
    closed: bool,
}

/// A channel, with the name under which both ends find it.
struct Named {
    name: String,
    line: Line,
    /// Objects that are the program's end.
    held: usize,
}

impl Channels {
    /// Where the channel of this name is, which is made if there is none yet.
    fn find(&mut self, name: &str, limit: Option<usize>) -> usize {
        let known = self.lines.iter().position(|known| known.name == name);
        known.unwrap_or_else(|| {
            self.lines.push(Named {
                name: name.to_owned(),
                line: Line::new(limit),
                held: 0,
            });
            self.lines.len() - 1
        })
    }

    /// Closes a channel through which nothing comes any more.
    fn settle(&self, channel: &Named) {
        if self.closed {
            channel.line.to_worker.discard();
            channel.line.to_program.close();
        } else if self.left && channel.held == 0 {
            channel.line.to_worker.close();
        }
    }

    fn settle_all(&self) {
        self.lines.iter().for_each(|channel| self.settle(channel));
    }
}

impl Shared {
    pub(super) fn new(name: String, id: u64, limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            line: Line::new(limit),
            channels: Mutex::default(),
            limit,
            name,
            id,
            remote: Arc::default(),
        })
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing goes either way any more: the worker has ended, or is about to.
    pub(super) fn close(&self) {
        self.line.to_worker.discard();
        self.line.to_program.close();
        let mut channels = self.channels();
        channels.closed = true;
        channels.settle_all();
    }

    /// The program has let go of the worker, which goes on, and learns that nothing more comes.
    fn leave(&self) {
        self.line.to_worker.close();
        let mut channels = self.channels();
        channels.left = true;
        channels.settle_all();
    }
}

/// An end.
pub(super) struct Peer {
    pub(super) shared: Arc<Shared>,
    /// Whether this is the worker's end.
    in_worker: bool,
    /// What the worker gives, at the program's end.
    pub(super) result: RefCell<Option<Rc<aether_value::Promise>>>,
}

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("post", 1, 2, post),
    BuiltinDef::method("recv", 0, 1, |ctx, args| {
        let incoming = incoming(receiver::<Peer>(args));
        receive(ctx, incoming, args.get(1))
    }),
    BuiltinDef::method("on_message", 1, 1, on_message),
    BuiltinDef::method("channel", 1, 1, channel),
    BuiltinDef::method("join", 0, 0, |_, args| Ok(join(args))),
    BuiltinDef::method("terminate", 0, 0, |_, args| Ok(terminate(args))),
    BuiltinDef::method("stats", 0, 0, stats),
    BuiltinDef::method("unref", 0, 0, |ctx, args| Ok(unref(ctx, args))),
];

/// Methods that the worker's end lacks.
const CONTROLS: [&str; 4] = ["join", "terminate", "stats", "unref"];

static CHANNEL_METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("send", 1, 1, send),
    BuiltinDef::method("recv", 0, 1, |ctx, args| {
        let incoming = receiver::<Channel>(args).incoming().clone();
        receive(ctx, incoming, args.get(1))
    }),
    BuiltinDef::method("try_send", 1, 1, try_send),
    BuiltinDef::method("try_recv", 0, 0, try_recv),
    BuiltinDef::method("close", 0, 0, |_, args| Ok(close(args))),
    BuiltinDef::method_frame("has_next", 0, 0, 1, has_next),
    BuiltinDef::method_frame("next", 0, 0, 1, next),
];

impl Peer {
    pub(super) fn of_program(shared: Arc<Shared>, result: Rc<aether_value::Promise>) -> Self {
        Self {
            shared,
            in_worker: false,
            result: RefCell::new(Some(result)),
        }
    }

    pub(super) fn of_worker(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            in_worker: true,
            result: RefCell::new(None),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if !self.in_worker {
            self.shared.leave();
        }
    }
}

impl Native for Peer {
    fn type_name(&self) -> &'static str {
        "worker"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of::<Shared>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Ok(result) = self.result.try_borrow()
            && let Some(promise) = &*result
        {
            visit(&Raw::of_rc(promise));
        }
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<worker ")?;
        out.push_str(&self.shared.name)?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(match name {
            "name" => Some(Value::String(heap.string(&self.shared.name)?)),
            "id" => Some(Value::Int(self.shared.id as i64)),
            _ => None,
        })
    }

    fn member_names(&self) -> Vec<String> {
        let methods = METHODS.iter().map(|def| def.info.name);
        let methods = methods.filter(|name| !self.in_worker || !CONTROLS.contains(name));
        methods.chain(["name", "id"]).map(str::to_owned).collect()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        if self.in_worker && CONTROLS.contains(&name) {
            return None;
        }
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn incoming(peer: &Peer) -> Arc<Mailbox> {
    let line = &peer.shared.line;
    if peer.in_worker {
        line.to_worker.clone()
    } else {
        line.to_program.clone()
    }
}

fn outgoing(peer: &Peer) -> &Mailbox {
    let line = &peer.shared.line;
    if peer.in_worker {
        &line.to_program
    } else {
        &line.to_worker
    }
}

/// Posts a message; to somebody who is gone it goes nowhere.
fn deliver(mailbox: &Mailbox, message: Message) -> Result<(), Raise> {
    match mailbox.post(message) {
        Ok(()) | Err(Refused::Closed) => Ok(()),
        Err(Refused::Full { size, waiting, limit }) => Err(Raise::out_of_memory(size, waiting, Some(limit))),
    }
}

fn post(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let peer = receiver::<Peer>(args);
    let moved = super::transfer::buffers(args.get(2))?;
    let message = ctx.message(&args[1])?;
    deliver(outgoing(peer), message)?;
    for buffer in moved {
        super::transfer::empty(&buffer);
    }
    ctx.host().yield_now();
    Ok(Value::Null)
}

/// The promise of the next message of a mailbox; null at the end.
fn receive(ctx: &mut Ctx<'_>, mailbox: Arc<Mailbox>, timeout: Option<&Value>) -> Result<Value, Raise> {
    let seconds = timeout.filter(|value| !value.is_null()).map(number).transpose()?;
    let promise = ctx.await_future(Box::pin(async move {
        let message = mailbox.clone().next().await;
        let finish: HostFinish = Box::new(move |ctx| match message {
            Some(message) => mailbox.take_as(&message, |message| ctx.value_of(message)),
            None => Ok(Value::Null),
        });
        finish
    }))?;
    match seconds {
        Some(seconds) => ctx.timeout(&promise, seconds).inspect_err(|_| {
            // Nobody has it: it is to take no message.
            let _ = ctx.cancel(&promise, &Value::Null);
        }),
        None => Ok(promise),
    }
}

fn on_message(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let function = crate::callback::of_one(ctx, &args[1])?;
    let listen = ctx.library_function("worker_listen")?;
    let is_over = Value::Native(
        ctx.heap()
            .native(Box::new(Over(incoming(receiver::<Peer>(args)))))?,
    );
    ctx.spawn(listen, &[args[0].clone(), is_over, function])?;
    Ok(Value::Null)
}

/// Tells whether a mailbox is over, when it is called.
struct Over(Arc<Mailbox>);

static IS_OVER: BuiltinDef = BuiltinDef::method("is_over", 0, 0, |_, args| {
    Ok(Value::Bool(receiver::<Over>(args).0.is_over()))
});

impl Native for Over {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&IS_OVER.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn join(args: &[Value]) -> Value {
    let result = receiver::<Peer>(args).result.borrow().clone();
    result.map_or(Value::Null, Value::Promise)
}

fn terminate(args: &[Value]) -> Value {
    let peer = receiver::<Peer>(args);
    peer.shared.remote.stop();
    peer.shared.close();
    Value::Null
}

fn unref(ctx: &mut Ctx<'_>, args: &[Value]) -> Value {
    let result = receiver::<Peer>(args).result.borrow().clone();
    if let Some(promise) = result {
        ctx.keep_alive(&Value::Promise(promise), false);
    }
    args[0].clone()
}

fn stats(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let shared = &receiver::<Peer>(args).shared;
    let heap = ctx.heap().clone();
    let key = |name: &str| heap.string(name).map(Value::String);
    let figures = heap.dict()?;
    let remote = &shared.remote;
    for (name, value) in [
        ("live_bytes", remote.live_bytes()),
        ("peak_bytes", remote.peak_bytes()),
        ("live_objects", remote.live_objects()),
    ] {
        figures.insert(key(name)?, Value::Int(value as i64))?;
    }
    let stats = heap.dict()?;
    stats.insert(key("heap")?, Value::Dict(figures))?;
    stats.insert(key("steps")?, Value::Int(remote.steps() as i64))?;
    Ok(Value::Dict(stats))
}

// --- named channels ---

/// A named channel, as one end sees it.
struct Channel {
    shared: Arc<Shared>,
    /// Which one it is.
    at: usize,
    line: Line,
    in_worker: bool,
}

impl Channel {
    fn new(peer: &Peer, name: &str) -> Self {
        let (shared, in_worker) = (peer.shared.clone(), peer.in_worker);
        let mut channels = shared.channels();
        let at = channels.find(name, shared.limit);
        channels.lines[at].held += usize::from(!in_worker);
        // It may be a new one.
        channels.settle(&channels.lines[at]);
        let line = channels.lines[at].line.clone();
        drop(channels);
        Self {
            shared,
            at,
            line,
            in_worker,
        }
    }

    fn incoming(&self) -> &Arc<Mailbox> {
        if self.in_worker {
            &self.line.to_worker
        } else {
            &self.line.to_program
        }
    }

    fn outgoing(&self) -> &Arc<Mailbox> {
        if self.in_worker {
            &self.line.to_program
        } else {
            &self.line.to_worker
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if !self.in_worker {
            let mut channels = self.shared.channels();
            channels.lines[self.at].held -= 1;
            channels.settle(&channels.lines[self.at]);
        }
    }
}

impl Native for Channel {
    fn type_name(&self) -> &'static str {
        "channel"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(match name {
            "length" => Some(Value::Int(self.incoming().len() as i64)),
            // No number bounds it, only the bytes that wait.
            "capacity" => Some(Value::Null),
            "closed" => Some(Value::Bool(self.incoming().is_closed())),
            _ => None,
        })
    }

    fn member_names(&self) -> Vec<String> {
        let methods = CHANNEL_METHODS.iter().map(|def| def.info.name);
        let members = methods.chain(["length", "capacity", "closed"]);
        members.map(str::to_owned).collect()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(CHANNEL_METHODS, name)
    }

    fn inbox(&self) -> Option<&dyn Inbox> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn channel(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let peer = receiver::<Peer>(args);
    let name: &Rc<Str> = string(&args[1])?;
    let channel = Channel::new(peer, name.as_str());
    Ok(Value::Native(ctx.heap().native(Box::new(channel))?))
}

impl Inbox for Channel {
    fn take(&self, make: &mut dyn FnMut(&Message) -> Result<Value, Raise>) -> Result<Option<Value>, Raise> {
        let mailbox = self.incoming();
        let message = mailbox.take();
        message
            .map(|message| mailbox.take_as(&message, |message| make(message)))
            .transpose()
    }

    fn is_over(&self) -> bool {
        self.incoming().is_over()
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(self.incoming().clone().ready())
    }
}

fn closed() -> Raise {
    Raise::new(ErrorKind::Value, "Channel closed")
}

/// Leaves a message in a channel.
fn leave(ctx: &mut Ctx<'_>, channel: &Channel, value: &Value) -> Result<Result<(), Refused>, Raise> {
    if channel.outgoing().is_closed() {
        return Err(closed());
    }
    let message = ctx.message(value)?;
    let left = channel.outgoing().post(message);
    if left.is_ok() {
        ctx.host().yield_now();
    }
    Ok(left)
}

fn send(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let sent = ctx.heap().promise(PromiseState::Fulfilled(Value::Null))?;
    match leave(ctx, receiver::<Channel>(args), &args[1])? {
        Ok(()) => Ok(Value::Promise(sent)),
        Err(Refused::Closed) => Err(closed()),
        Err(Refused::Full { size, waiting, limit }) => Err(Raise::out_of_memory(size, waiting, Some(limit))),
    }
}

fn try_send(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match leave(ctx, receiver::<Channel>(args), &args[1])? {
        Ok(()) => Ok(Value::Bool(true)),
        Err(Refused::Closed) => Err(closed()),
        Err(Refused::Full { .. }) => Ok(Value::Bool(false)),
    }
}

fn try_recv(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let taken = receiver::<Channel>(args).take(&mut |message| ctx.value_of(message))?;
    Ok(taken.unwrap_or(Value::Null))
}

fn close(args: &[Value]) -> Value {
    let channel = receiver::<Channel>(args);
    channel.line.to_worker.close();
    channel.line.to_program.close();
    Value::Null
}

/// Waits until there is something to take, which it leaves where it is, or the end.
fn has_next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let mailbox = object::<Channel>(&slots[0]).incoming();
    match event {
        Event::Failed(raise) => return Err(raise),
        Event::Returned(_) | Event::Start => {}
    }
    if mailbox.len() > 0 {
        return Ok(Step::Done(Value::Bool(true)));
    }
    if mailbox.is_over() {
        return Ok(Step::Done(Value::Bool(false)));
    }
    resume_after(ctx, mailbox.clone().ready())
}

fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let channel = object::<Channel>(&slots[0]);
    let taken = channel.take(&mut |message| ctx.value_of(message))?;
    if taken.is_some() || channel.is_over() {
        // Null at the end.
        return Ok(Step::Done(taken.unwrap_or(Value::Null)));
    }
    // Woken by the next message, which it takes itself.
    resume_after(ctx, channel.incoming().clone().ready())
}

/// The native object in a value.
pub(super) fn native_of(value: &Value) -> Option<&Rc<NativeObject>> {
    match value {
        Value::Native(native) => Some(native),
        _ => None,
    }
}
