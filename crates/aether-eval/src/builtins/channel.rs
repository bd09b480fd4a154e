//! Channels, and `select` among them and those whose values come from outside.
//!
//! A channel holds what was sent and not received, up to its capacity; beyond that senders wait. Closing it keeps what
//! is in it and what waits to be sent: whoever receives gets that first, and null from then on.
//!
//! Invariants
//! - While somebody waits to receive, nothing waits to be received, but what a loop has asked for.
//! - A value goes to exactly one receiver that still waits; one whose promise was cancelled is passed over.
//! - What a frame waits for (a loop, `next`, `select`) is kept in the channel until the frame takes it; a frame that
//!   ends otherwise leaves it to the next receiver.
//! - A value is taken out when nothing can fail any more between that and its being handed on.
//!
//! Source: library reference §E9.

use aether_value::{
    Array, Builtin, ErrorKind, Heap, Inbox, Native, NativeObject, Promise, PromiseState, Raise, Raw, Rc,
    Value,
};
use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::promise_methods::{callable, fulfilled};
use super::support::{array, built, int, take, wrong_type};
use super::{Args, BuiltinDef, Event, Step, Until};
use crate::context::Ctx;
use crate::task::{HostFinish, nanos};

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("channel", &["capacity"], 0, 1, channel),
    BuiltinDef::core_frame("select", &["cases", "timeout"], 1, 2, 6, select).catching(),
];

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("send", 1, 1, send),
    BuiltinDef::method("recv", 0, 0, recv),
    BuiltinDef::method("try_send", 1, 1, try_send),
    BuiltinDef::method("try_recv", 0, 0, try_recv),
    BuiltinDef::method("close", 0, 0, close),
    BuiltinDef::method_frame("has_next", 0, 0, 2, has_next).catching(),
    BuiltinDef::method_frame("next", 0, 0, 2, next).catching(),
];

/// How a receiver is told of a value, or of the end.
#[derive(Clone, Copy)]
enum Form {
    /// By the value; by null at the end.
    Plain,
    /// By this number. The value is kept for it in the channel; at the end there is none.
    Kept(i64),
}

/// Somebody who waits to receive.
struct Receiver {
    promise: Rc<Promise>,
    form: Form,
}

/// A value that has left the queue and is not taken yet.
struct Held {
    value: Value,
    /// The promise of the frame that it is for; none if whoever comes first may have it.
    owner: Option<Rc<Promise>>,
}

struct State {
    items: VecDeque<Value>,
    senders: VecDeque<(Rc<Promise>, Value)>,
    receivers: VecDeque<Receiver>,
    /// What comes before the items: first so many, `free`, that anybody may take.
    held: VecDeque<Held>,
    free: usize,
    closed: bool,
}

/// A channel.
struct Channel {
    capacity: usize,
    state: RefCell<State>,
}

impl Native for Channel {
    fn type_name(&self) -> &'static str {
        "channel"
    }

    fn size(&self) -> usize {
        let state = self.state.borrow();
        size_of::<Self>()
            + state.items.capacity() * size_of::<Value>()
            + state.senders.capacity() * size_of::<(Rc<Promise>, Value)>()
            + state.receivers.capacity() * size_of::<Receiver>()
            + state.held.capacity() * size_of::<Held>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        let Ok(state) = self.state.try_borrow() else {
            return;
        };
        let senders = state.senders.iter().map(|(_, value)| value);
        let held = state.held.iter().map(|held| &held.value);
        for value in state.items.iter().chain(senders).chain(held) {
            visit(&Raw::of_value(value));
        }
        let senders = state.senders.iter().map(|(promise, _)| promise);
        let receivers = state.receivers.iter().map(|receiver| &receiver.promise);
        let owners = state.held.iter().filter_map(|held| held.owner.as_ref());
        for promise in senders.chain(receivers).chain(owners) {
            visit(&Raw::of_rc(promise));
        }
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        let state = self.state.borrow();
        Ok(match name {
            "length" => Some(Value::Int(state.items.len() as i64)),
            "capacity" => Some(Value::Int(self.capacity as i64)),
            "closed" => Some(Value::Bool(state.closed)),
            _ => None,
        })
    }

    fn member_names(&self) -> Vec<String> {
        let methods = METHODS.iter().map(|def| def.info.name.to_owned());
        methods
            .chain(["length", "capacity", "closed"].map(str::to_owned))
            .collect()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn channel(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let capacity = match args.first() {
        None => 0,
        Some(given) => usize::try_from(int(given)?)
            .map_err(|_| Raise::operation("channel requires a capacity of at least 0"))?,
    };
    let channel = Channel {
        capacity,
        state: RefCell::new(State {
            items: VecDeque::new(),
            senders: VecDeque::new(),
            receivers: VecDeque::new(),
            held: VecDeque::new(),
            free: 0,
            closed: false,
        }),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(channel))?))
}

fn channel_of(value: &Value) -> Result<(&Rc<NativeObject>, &Channel), Raise> {
    if let Value::Native(native) = value
        && let Some(channel) = native.downcast()
    {
        return Ok((native, channel));
    }
    Err(wrong_type("channel", value))
}

/// Entries for which a queue's room is not given back.
const FEW: usize = 32;

/// Makes room for one more entry, and charges it.
fn reserve<T>(
    native: &NativeObject,
    channel: &Channel,
    queue: impl Fn(&mut State) -> &mut VecDeque<T>,
) -> Result<(), Raise> {
    {
        let mut state = channel.state.borrow_mut();
        let queue = queue(&mut state);
        if queue.len() < queue.capacity() {
            return Ok(());
        }
        queue.reserve(1);
    }
    native.recharge().inspect_err(|_| {
        queue(&mut channel.state.borrow_mut()).shrink_to_fit();
    })
}

/// Gives the room of queues back that are empty and were long.
fn settle_room(native: &NativeObject, channel: &Channel) {
    fn settle<T>(queue: &mut VecDeque<T>) {
        if queue.is_empty() && queue.capacity() > FEW {
            *queue = VecDeque::new();
        }
    }
    let mut state = channel.state.borrow_mut();
    settle(&mut state.items);
    settle(&mut state.senders);
    settle(&mut state.receivers);
    settle(&mut state.held);
    drop(state);
    let is_charged = native.recharge();
    debug_assert!(is_charged.is_ok(), "less is never refused");
}

impl Receiver {
    /// Whether somebody may still take what it is told of: a frame that has gone holds its promise no longer.
    fn waits(&self) -> bool {
        let is_held = match self.form {
            Form::Plain => true,
            Form::Kept(_) => Rc::count(&self.promise) > 1,
        };
        is_held && self.promise.is_pending()
    }
}

impl Channel {
    /// How the next one who still waits to receive is told.
    fn awaited(&self) -> Option<Form> {
        loop {
            let state = self.state.borrow();
            let receiver = state.receivers.front()?;
            if receiver.waits() {
                return Some(receiver.form);
            }
            drop(state);
            let gone = self.state.borrow_mut().receivers.pop_front();
            drop(gone);
        }
    }

    /// The next one whose value still waits to be taken.
    fn sender(&self) -> Option<(Rc<Promise>, Value)> {
        loop {
            let sender = self.state.borrow_mut().senders.pop_front()?;
            if sender.0.is_pending() {
                return Some(sender);
            }
        }
    }

    /// Hands a value to the first one who waits to receive, of this form. For what is kept there must be room.
    fn hand(&self, ctx: &mut Ctx<'_>, form: Form, value: Value) {
        let receiver = self.state.borrow_mut().receivers.pop_front();
        let Some(Receiver { promise, .. }) = receiver else {
            return;
        };
        let told = match form {
            Form::Plain => value,
            Form::Kept(number) => {
                self.state.borrow_mut().held.push_back(Held {
                    value,
                    owner: Some(promise.clone()),
                });
                Value::Int(number)
            }
        };
        ctx.vm.settle(&promise, PromiseState::Fulfilled(told));
    }

    /// Whether there is something to receive.
    fn has_value(&self) -> bool {
        {
            let state = self.state.borrow();
            if state.has_free() || !state.items.is_empty() {
                return true;
            }
        }
        loop {
            let state = self.state.borrow();
            match state.senders.front() {
                None => return false,
                Some((promise, _)) if promise.is_pending() => return true,
                Some(_) => {}
            }
            drop(state);
            let gone = self.state.borrow_mut().senders.pop_front();
            drop(gone);
        }
    }

    /// Takes what is to be received next, if anything is.
    fn take(&self, ctx: &mut Ctx<'_>) -> Option<Value> {
        {
            let mut state = self.state.borrow_mut();
            if state.has_free() {
                state.free = state.free.saturating_sub(1);
                return state.held.pop_front().map(|held| held.value);
            }
        }
        let first = self.state.borrow_mut().items.pop_front();
        let sender = self.sender();
        let (taken, next) = match (first, sender) {
            (None, None) => return None,
            (Some(value), None) => (value, None),
            (None, Some((promise, value))) => (value, Some((promise, None))),
            (Some(first), Some((promise, value))) => (first, Some((promise, Some(value)))),
        };
        if let Some((promise, value)) = next {
            // Into the place that has just become free.
            self.state.borrow_mut().items.extend(value);
            ctx.vm.settle(&promise, PromiseState::Fulfilled(Value::Null));
        }
        Some(taken)
    }

    /// Takes what is kept for the owner of a promise; nothing at the end of the channel.
    fn take_kept(&self, promise: &Rc<Promise>) -> Option<Value> {
        let mut state = self.state.borrow_mut();
        let at = state.kept_at(promise)?;
        state.held.remove(at).map(|held| held.value)
    }

    /// Lets anybody take what is kept for the owner of a promise, who asked for it and comes first; false at the end
    /// of the channel.
    fn free(&self, promise: &Rc<Promise>) -> bool {
        let value = self.take_kept(promise);
        let has_value = value.is_some();
        if let Some(value) = value {
            self.state.borrow_mut().add_free(value);
        }
        has_value
    }

    /// A frame that waited has ended: what it was given or would be given is for the next one.
    fn leave(&self, ctx: &mut Ctx<'_>, promise: &Rc<Promise>) {
        ctx.vm.settle(promise, PromiseState::Fulfilled(Value::Null));
        let Some(value) = self.take_kept(promise) else {
            return;
        };
        match self.awaited() {
            // Into the place that has just become free.
            Some(form) => self.hand(ctx, form, value),
            None => self.state.borrow_mut().add_free(value),
        }
    }

    fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }

    fn is_full(&self) -> bool {
        self.state.borrow().items.len() >= self.capacity
    }
}

impl State {
    /// Whether anybody may take the first value that is held. One whose owner has gone is nobody's.
    fn has_free(&self) -> bool {
        let owner = self.held.front().map(|held| &held.owner);
        self.free > 0 || matches!(owner, Some(Some(owner)) if Rc::count(owner) == 1)
    }

    /// Where the value is that is kept for the owner of a promise.
    fn kept_at(&self, promise: &Rc<Promise>) -> Option<usize> {
        let is_it = |held: &Held| {
            held.owner
                .as_ref()
                .is_some_and(|owner| Rc::ptr_eq(owner, promise))
        };
        self.held.iter().position(is_it)
    }

    /// Adds a value that anybody may take, in the room of one that has been taken out.
    fn add_free(&mut self, value: Value) {
        self.held.insert(self.free, Held { value, owner: None });
        self.free += 1;
    }
}

fn closed() -> Raise {
    Raise::new(ErrorKind::Value, "Channel closed")
}

/// Hands a value to somebody who waits, or else adds it to the items.
///
/// # Errors
/// Out of memory; the value has gone nowhere then.
fn offer(ctx: &mut Ctx<'_>, native: &NativeObject, channel: &Channel, value: Value) -> Result<(), Raise> {
    if let Some(form) = channel.awaited() {
        if let Form::Kept(_) = form {
            reserve(native, channel, |state| &mut state.held)?;
        }
        channel.hand(ctx, form, value);
    } else {
        reserve(native, channel, |state| &mut state.items)?;
        channel.state.borrow_mut().items.push_back(value);
    }
    Ok(())
}

fn send(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    if channel.is_closed() {
        return Err(closed());
    }
    if channel.awaited().is_some() || !channel.is_full() {
        let sent = fulfilled(ctx, Value::Null)?;
        offer(ctx, native, channel, args[1].clone())?;
        return Ok(sent);
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    reserve(native, channel, |state| &mut state.senders)?;
    channel
        .state
        .borrow_mut()
        .senders
        .push_back((promise.clone(), args[1].clone()));
    Ok(Value::Promise(promise))
}

fn try_send(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    if channel.is_closed() {
        return Err(closed());
    }
    if channel.awaited().is_none() && channel.is_full() {
        return Ok(Value::Bool(false));
    }
    offer(ctx, native, channel, args[1].clone())?;
    Ok(Value::Bool(true))
}

/// A promise of the next value.
fn recv(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    if channel.has_value() || channel.is_closed() {
        let promise = ctx.heap().promise(PromiseState::Fulfilled(Value::Null))?;
        let taken = channel.take(ctx).unwrap_or(Value::Null);
        promise.replace_state(PromiseState::Fulfilled(taken));
        settle_room(native, channel);
        return Ok(Value::Promise(promise));
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    add_receiver(native, channel, promise.clone(), Form::Plain)?;
    Ok(Value::Promise(promise))
}

fn add_receiver(
    native: &NativeObject,
    channel: &Channel,
    promise: Rc<Promise>,
    form: Form,
) -> Result<(), Raise> {
    {
        let mut state = channel.state.borrow_mut();
        let queue = &mut state.receivers;
        // Those that have given up do not pile up.
        if queue.len() >= FEW && queue.len() == queue.capacity() {
            queue.retain(Receiver::waits);
        }
    }
    reserve(native, channel, |state| &mut state.receivers)?;
    channel
        .state
        .borrow_mut()
        .receivers
        .push_back(Receiver { promise, form });
    Ok(())
}

fn try_recv(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    let taken = channel.take(ctx);
    settle_room(native, channel);
    Ok(taken.unwrap_or(Value::Null))
}

fn close(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    let receivers = {
        let mut state = channel.state.borrow_mut();
        state.closed = true;
        std::mem::take(&mut state.receivers)
    };
    for Receiver { promise, form } in receivers {
        let told = match form {
            Form::Plain => Value::Null,
            Form::Kept(number) => Value::Int(number),
        };
        ctx.vm.settle(&promise, PromiseState::Fulfilled(told));
    }
    settle_room(native, channel);
    Ok(Value::Null)
}

// --- loops ---

/// Awaits that there is something to receive, or the channel's end. Slots: the channel, the promise of what is kept for
/// the frame, null if what there is is anybody's.
fn wait(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let (native, channel) = channel_of(&slots[0])?;
    if channel.has_value() || channel.is_closed() {
        // Who was cancelled takes nothing.
        return fulfilled(ctx, Value::Null).map(Step::Await);
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    add_receiver(native, channel, promise.clone(), Form::Kept(0))?;
    slots[1] = Value::Promise(promise.clone());
    Ok(Step::Await(Value::Promise(promise)))
}

/// What was waited for does not come: the frame ends.
fn stop_waiting(ctx: &mut Ctx<'_>, slots: &[Value], raise: Raise) -> Result<Step, Raise> {
    if let Value::Promise(promise) = &slots[1] {
        channel_of(&slots[0])?.1.leave(ctx, promise);
    }
    Err(raise)
}

fn has_next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => wait(ctx, slots),
        Event::Returned(_) => {
            let (_, channel) = channel_of(&slots[0])?;
            let has_value = match &slots[1] {
                Value::Promise(promise) => channel.free(promise),
                _ => channel.has_value(),
            };
            Ok(Step::Done(Value::Bool(has_value)))
        }
        Event::Failed(raise) => stop_waiting(ctx, slots, raise),
    }
}

fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => wait(ctx, slots),
        Event::Returned(_) => {
            let (native, channel) = channel_of(&slots[0])?;
            let taken = match &slots[1] {
                Value::Promise(promise) => channel.take_kept(promise),
                _ => channel.take(ctx),
            };
            settle_room(native, channel);
            Ok(Step::Done(taken.unwrap_or(Value::Null)))
        }
        Event::Failed(raise) => stop_waiting(ctx, slots, raise),
    }
}

// --- select ---

/// The channel of a case.
enum Source<'a> {
    Own(&'a Rc<NativeObject>, &'a Channel),
    Outside(&'a dyn Inbox),
}

fn source_of(value: &Value) -> Result<Source<'_>, Raise> {
    if let Value::Native(native) = value
        && let Some(inbox) = native.get().inbox()
    {
        return Ok(Source::Outside(inbox));
    }
    channel_of(value).map(|(native, channel)| Source::Own(native, channel))
}

/// The slot of the promise that a value settles, or the time limit.
const OWN: usize = 2;
/// The slot that says how far it is.
const STAGE: usize = 3;
/// The slot of the moment at which the time is up; null if there is no such.
const DUE: usize = 4;
/// The slot of the promise that news from outside settles, if there are such channels.
const OUTSIDE: usize = 5;

/// Slots: the cases (then a copy of them), the timeout, and those that have names.
///
/// Values are handed to the frame by channels of its own engine. A channel of the outside only wakes it: whoever takes
/// the message first has it, so the frame may have to wait again.
fn select(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    /// A function has been called.
    const CALLED: i64 = 1;
    /// What it gave is awaited.
    const AWAITED: i64 = 2;
    let number = match (event, slots[STAGE].as_int()) {
        (Event::Start, _) => return begin_select(ctx, slots),
        (Event::Failed(raise), _) => {
            stop_listening(ctx, slots)?;
            if let Value::Promise(promise) = take(&mut slots[OWN]) {
                leave_cases(ctx, built(&slots[0]), &promise)?;
            }
            return Err(raise);
        }
        (Event::Returned(value), Some(CALLED)) => {
            slots[STAGE] = Value::Int(AWAITED);
            return Ok(Step::Await(value));
        }
        (Event::Returned(value), Some(_)) => return Ok(Step::Done(value)),
        (Event::Returned(told), None) => {
            stop_listening(ctx, slots)?;
            match told {
                Value::Int(number) => number as usize,
                _ => return Ok(Step::Done(Value::Null)),
            }
        }
    };
    let Value::Promise(promise) = take(&mut slots[OWN]) else {
        return Ok(Step::Done(Value::Null));
    };
    let chosen = channel_at(built(&slots[0]), number)?;
    match source_of(&chosen)? {
        Source::Own(native, channel) => {
            let taken = channel.take_kept(&promise);
            if promise.is_timed() {
                ctx.vm.scheduler.timer_unwanted();
            }
            settle_room(native, channel);
            call_case(slots, number, taken.unwrap_or(Value::Null))
        }
        Source::Outside(_) => {
            leave_cases(ctx, built(&slots[0]), &promise)?;
            look(ctx, slots)
        }
    }
}

/// The channel of a case.
fn channel_at(cases: &Array, number: usize) -> Result<Value, Raise> {
    let case = cases.get_value(number);
    let channel = case
        .as_ref()
        .map(array)
        .transpose()?
        .and_then(|case| case.get_value(0));
    Ok(channel.unwrap_or(Value::Null))
}

fn call_case(slots: &mut [Value], number: usize, value: Value) -> Result<Step, Raise> {
    let case = built(&slots[0]).get_value(number);
    let function = case
        .as_ref()
        .map(array)
        .transpose()?
        .and_then(|case| case.get_value(1));
    slots[STAGE] = Value::Int(1);
    Ok(Step::Call {
        function: function.unwrap_or(Value::Null),
        args: Args::One(value),
        lenient: true,
    })
}

/// No news from outside is waited for any more.
fn stop_listening(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<(), Raise> {
    if let Value::Promise(promise) = take(&mut slots[OUTSIDE]) {
        ctx.vm.cancel(&promise, &Value::Null)?;
    }
    Ok(())
}

/// Nobody waits for the promise of a `select` any more: the channels that it has been entered at pass it over, and what
/// one of them keeps for it is for the next receiver.
fn leave_cases(ctx: &mut Ctx<'_>, cases: &Array, promise: &Rc<Promise>) -> Result<(), Raise> {
    if promise.is_pending() && promise.is_timed() {
        ctx.vm.scheduler.timer_unwanted();
    }
    let chosen = match promise.settled() {
        Some(Ok(Value::Int(number))) => channel_at(cases, number as usize)?,
        _ => channel_at(cases, 0)?,
    };
    match source_of(&chosen)? {
        Source::Own(_, channel) => channel.leave(ctx, promise),
        // None of those that keep something has settled it.
        Source::Outside(_) => ctx.vm.settle(promise, PromiseState::Fulfilled(Value::Null)),
    }
    Ok(())
}

fn begin_select(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let until = match &slots[1] {
        Value::Null => None,
        Value::Int(seconds) => Some(*seconds as f64),
        Value::Float(seconds) => Some(*seconds),
        other => return Err(wrong_type("number", other)),
    };
    let given = array(&slots[0])?;
    if given.is_empty() {
        return Err(Raise::operation("select requires at least one case"));
    }
    let cases = ctx.heap().array(given.len())?;
    for case in given.snapshot()?.iter() {
        let case = array(case)?;
        let (Some(channel), Some(function), 2) = (case.get_value(0), case.get_value(1), case.len()) else {
            return Err(Raise::operation(
                "select requires cases of a channel and a function",
            ));
        };
        source_of(&channel)?;
        callable(&function)?;
        cases.push(Value::Array(ctx.heap().array_from_slice(&[channel, function])?))?;
    }
    slots[0] = Value::Array(cases);
    slots[DUE] = match until {
        None => Value::Null,
        Some(seconds) if seconds.is_nan() || seconds <= 0.0 => Value::Int(0),
        Some(seconds) => {
            let due = ctx.host().monotonic().saturating_add(nanos(seconds));
            Value::Int(i64::try_from(due).unwrap_or(i64::MAX))
        }
    };
    look(ctx, slots)
}

/// Takes what the first case has that has anything, or waits until one does.
fn look(ctx: &mut Ctx<'_>, slots: &mut [Value]) -> Result<Step, Raise> {
    let cases = built(&slots[0]).clone();
    ctx.tick(cases.len())?;
    for number in 0..cases.len() {
        let value = channel_at(&cases, number)?;
        match source_of(&value)? {
            Source::Own(native, channel) => {
                if channel.has_value() || channel.is_closed() {
                    let taken = channel.take(ctx);
                    settle_room(native, channel);
                    return call_case(slots, number, taken.unwrap_or(Value::Null));
                }
            }
            Source::Outside(inbox) => {
                let taken = inbox.take(&mut |message| ctx.value_of(message))?;
                if taken.is_some() || inbox.is_over() {
                    return call_case(slots, number, taken.unwrap_or(Value::Null));
                }
            }
        }
    }
    let due = slots[DUE].as_int().map(|due| due as u64);
    if due.is_some_and(|due| due <= ctx.host().monotonic()) {
        return Ok(Step::Done(Value::Null));
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    match enter(ctx, &cases, &promise, due) {
        Ok(None) => {
            slots[OWN] = Value::Promise(promise.clone());
            Ok(Step::Await(Value::Promise(promise)))
        }
        Ok(Some((outside, both))) => {
            slots[OWN] = Value::Promise(promise);
            slots[OUTSIDE] = outside;
            Ok(Step::AwaitMany {
                promises: both,
                until: Until::First,
            })
        }
        Err(raise) => {
            leave_cases(ctx, &cases, &promise)?;
            Err(raise)
        }
    }
}

/// Enters the promise of a `select` at the channels. If news from outside is waited for too: the promise of that, and an
/// array of both.
fn enter(
    ctx: &mut Ctx<'_>,
    cases: &Array,
    promise: &Rc<Promise>,
    due: Option<u64>,
) -> Result<Option<(Value, Value)>, Raise> {
    let mut outside = Vec::new();
    for number in 0..cases.len() {
        let value = channel_at(cases, number)?;
        match source_of(&value)? {
            Source::Own(native, channel) => {
                add_receiver(native, channel, promise.clone(), Form::Kept(number as i64))?;
            }
            Source::Outside(inbox) => outside.push((number as i64, inbox.ready())),
        }
    }
    if let Some(due) = due {
        let heap = ctx.heap().clone();
        ctx.vm.scheduler.sleep_until(&heap, due, promise.clone())?;
        promise.set_timed();
    }
    if outside.is_empty() {
        return Ok(None);
    }
    let both = ctx.heap().array(2)?;
    both.push(Value::Promise(promise.clone()))?;
    let outside = ctx.await_future(Box::pin(first(outside)))?;
    both.push(outside.clone())?;
    Ok(Some((outside, Value::Array(both))))
}

/// A wait for news from outside.
type Wait = Pin<Box<dyn Future<Output = ()>>>;

/// Gives the number of the first that is ready.
async fn first(mut waits: Vec<(i64, Wait)>) -> HostFinish {
    let number = poll_fn(|context| {
        for (number, wait) in &mut waits {
            if wait.as_mut().poll(context).is_ready() {
                return Poll::Ready(*number);
            }
        }
        Poll::Pending
    });
    let number = number.await;
    Box::new(move |_| Ok(Value::Int(number)))
}
