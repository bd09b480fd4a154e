//! Channels, and `select` among them.
//!
//! A channel holds what was sent and not received, up to its capacity; beyond that senders wait. Closing it keeps what
//! is in it and what waits to be sent: whoever receives gets that first, and null from then on.
//!
//! Invariants
//! - While somebody waits to receive, nothing waits to be received.
//! - A value goes to exactly one receiver that still waits; one whose promise was cancelled is passed over.
//!
//! Source: library reference §E9.

use aether_value::{
    Builtin, ErrorKind, Heap, Native, NativeObject, Promise, PromiseState, Raise, Raw, Rc, Value,
};
use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;

use super::promise_methods::{callable, fulfilled};
use super::support::{array, built, int, take, wrong_type};
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;
use crate::task::nanos;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("channel", &["capacity"], 0, 1, channel),
    BuiltinDef::core_frame("select", &["cases", "timeout"], 1, 2, 4, select).catching(),
];

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("send", 1, 1, send),
    BuiltinDef::method("recv", 0, 0, |ctx, args| receive(ctx, &args[0], Form::Plain)),
    BuiltinDef::method("try_send", 1, 1, try_send),
    BuiltinDef::method("try_recv", 0, 0, try_recv),
    BuiltinDef::method("close", 0, 0, close),
    BuiltinDef::method_frame("has_next", 0, 0, 1, has_next),
    BuiltinDef::method_frame("next", 0, 0, 1, next),
];

/// How a receiver is told of a value.
#[derive(Clone, Copy)]
enum Form {
    /// By the value; by null at the end.
    Plain,
    /// By an array of it; by null at the end.
    Item,
    /// By an array of this number and the value, null at the end.
    Case(i64),
}

impl Form {
    fn of(self, heap: &Heap, value: Option<Value>) -> Result<Value, Raise> {
        let items = match (self, value) {
            (Self::Plain, value) => return Ok(value.unwrap_or(Value::Null)),
            (Self::Item, None) => return Ok(Value::Null),
            (Self::Item, Some(value)) => heap.array_from_slice(&[value])?,
            (Self::Case(number), value) => {
                heap.array_from_slice(&[Value::Int(number), value.unwrap_or(Value::Null)])?
            }
        };
        Ok(Value::Array(items))
    }
}

/// Somebody who waits to receive.
struct Receiver {
    promise: Rc<Promise>,
    form: Form,
}

struct State {
    items: VecDeque<Value>,
    senders: VecDeque<(Rc<Promise>, Value)>,
    receivers: VecDeque<Receiver>,
    /// What a loop is about to take.
    held: Option<Value>,
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
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        let Ok(state) = self.state.try_borrow() else {
            return;
        };
        let senders = state.senders.iter().map(|(_, value)| value);
        for value in state.items.iter().chain(senders).chain(&state.held) {
            visit(&Raw::of_value(value));
        }
        let senders = state.senders.iter().map(|(promise, _)| promise);
        for promise in senders.chain(state.receivers.iter().map(|receiver| &receiver.promise)) {
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
            held: None,
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
fn settle_room(native: &NativeObject, channel: &Channel) -> Result<(), Raise> {
    let mut state = channel.state.borrow_mut();
    if state.items.is_empty() && state.items.capacity() > FEW {
        state.items = VecDeque::new();
    }
    if state.senders.is_empty() && state.senders.capacity() > FEW {
        state.senders = VecDeque::new();
    }
    if state.receivers.is_empty() && state.receivers.capacity() > FEW {
        state.receivers = VecDeque::new();
    }
    drop(state);
    native.recharge()
}

impl Channel {
    /// The next one who still waits to receive.
    fn receiver(&self) -> Option<Receiver> {
        loop {
            let receiver = self.state.borrow_mut().receivers.pop_front()?;
            if receiver.promise.is_pending() {
                return Some(receiver);
            }
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

    /// Hands a value to somebody who waits for one; gives it back if there is nobody.
    fn hand_over(&self, ctx: &mut Ctx<'_>, value: Value) -> Result<Option<Value>, Raise> {
        let Some(receiver) = self.receiver() else {
            return Ok(Some(value));
        };
        let told = receiver.form.of(ctx.heap(), Some(value))?;
        ctx.vm.settle(&receiver.promise, PromiseState::Fulfilled(told));
        Ok(None)
    }

    /// Takes what is to be received next, if anything is.
    fn take(&self, ctx: &mut Ctx<'_>) -> Option<Value> {
        if let Some(value) = self.state.borrow_mut().held.take() {
            return Some(value);
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

    fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }
}

fn closed() -> Raise {
    Raise::new(ErrorKind::Value, "Channel closed")
}

fn send(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    if channel.is_closed() {
        return Err(closed());
    }
    let Some(value) = channel.hand_over(ctx, args[1].clone())? else {
        return fulfilled(ctx, Value::Null);
    };
    let is_full = channel.state.borrow().items.len() >= channel.capacity;
    if !is_full {
        reserve(native, channel, |state| &mut state.items)?;
        channel.state.borrow_mut().items.push_back(value);
        return fulfilled(ctx, Value::Null);
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    reserve(native, channel, |state| &mut state.senders)?;
    channel
        .state
        .borrow_mut()
        .senders
        .push_back((promise.clone(), value));
    Ok(Value::Promise(promise))
}

fn try_send(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    if channel.is_closed() {
        return Err(closed());
    }
    let Some(value) = channel.hand_over(ctx, args[1].clone())? else {
        return Ok(Value::Bool(true));
    };
    if channel.state.borrow().items.len() >= channel.capacity {
        return Ok(Value::Bool(false));
    }
    reserve(native, channel, |state| &mut state.items)?;
    channel.state.borrow_mut().items.push_back(value);
    Ok(Value::Bool(true))
}

/// A promise of the next value, in some form.
fn receive(ctx: &mut Ctx<'_>, value: &Value, form: Form) -> Result<Value, Raise> {
    let (native, channel) = channel_of(value)?;
    let taken = channel.take(ctx);
    if taken.is_some() || channel.is_closed() {
        settle_room(native, channel)?;
        let told = form.of(ctx.heap(), taken)?;
        return fulfilled(ctx, told);
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    add_receiver(native, channel, promise.clone(), form)?;
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
            queue.retain(|receiver| receiver.promise.is_pending());
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
    settle_room(native, channel)?;
    Ok(taken.unwrap_or(Value::Null))
}

fn close(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (native, channel) = channel_of(&args[0])?;
    channel.state.borrow_mut().closed = true;
    while let Some(receiver) = channel.receiver() {
        let told = receiver.form.of(ctx.heap(), None)?;
        ctx.vm.settle(&receiver.promise, PromiseState::Fulfilled(told));
    }
    settle_room(native, channel)?;
    Ok(Value::Null)
}

// --- loops ---

fn has_next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let (_, channel) = channel_of(&slots[0])?;
    match event {
        Event::Start => {
            if channel.state.borrow().held.is_some() {
                return Ok(Step::Done(Value::Bool(true)));
            }
            receive(ctx, &slots[0], Form::Item).map(Step::Await)
        }
        Event::Returned(Value::Array(item)) => {
            channel.state.borrow_mut().held = item.get_value(0);
            Ok(Step::Done(Value::Bool(true)))
        }
        Event::Returned(_) => Ok(Step::Done(Value::Bool(false))),
        Event::Failed(raise) => Err(raise),
    }
}

fn next(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => receive(ctx, &slots[0], Form::Plain).map(Step::Await),
        Event::Returned(value) => Ok(Step::Done(value)),
        Event::Failed(raise) => Err(raise),
    }
}

// --- select ---

/// Slots: the cases (then a copy of them), the timeout, the promise waited for, how far it is.
fn select(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    /// A function has been called.
    const CALLED: i64 = 1;
    /// What it gave is awaited.
    const AWAITED: i64 = 2;
    match (event, slots[3].as_int()) {
        (Event::Start, _) => begin_select(ctx, slots),
        (Event::Failed(raise), _) => {
            if let Value::Promise(promise) = &slots[2] {
                give_up(ctx, promise);
            }
            Err(raise)
        }
        (Event::Returned(value), Some(CALLED)) => {
            slots[3] = Value::Int(AWAITED);
            Ok(Step::Await(value))
        }
        (Event::Returned(value), Some(_)) => Ok(Step::Done(value)),
        (Event::Returned(Value::Array(chosen)), None) => {
            if let Value::Promise(promise) = take(&mut slots[2])
                && promise.is_timed()
            {
                ctx.vm.scheduler.timer_unwanted();
            }
            let number = chosen
                .get_value(0)
                .and_then(|number| number.as_int())
                .unwrap_or(0);
            let value = chosen.get_value(1).unwrap_or(Value::Null);
            call_case(slots, number as usize, value)
        }
        (Event::Returned(_), None) => Ok(Step::Done(Value::Null)),
    }
}

fn call_case(slots: &mut [Value], number: usize, value: Value) -> Result<Step, Raise> {
    let case = built(&slots[0]).get_value(number);
    let function = case
        .as_ref()
        .map(array)
        .transpose()?
        .and_then(|case| case.get_value(1));
    slots[3] = Value::Int(1);
    Ok(Step::Call {
        function: function.unwrap_or(Value::Null),
        args: Args::One(value),
        lenient: true,
    })
}

/// Nobody waits for the promise of a `select` any more: the channels that it has been entered at pass it over.
fn give_up(ctx: &mut Ctx<'_>, promise: &Rc<Promise>) {
    ctx.vm.settle(promise, PromiseState::Fulfilled(Value::Null));
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
        channel_of(&channel)?;
        callable(&function)?;
        cases.push(Value::Array(ctx.heap().array_from_slice(&[channel, function])?))?;
    }
    slots[0] = Value::Array(cases.clone());
    ctx.tick(cases.len())?;
    let channel_at = |number: usize| {
        let case = cases.get_value(number);
        let channel = case
            .as_ref()
            .map(array)
            .transpose()?
            .and_then(|case| case.get_value(0));
        Ok::<Value, Raise>(channel.unwrap_or(Value::Null))
    };
    for number in 0..cases.len() {
        let value = channel_at(number)?;
        let (native, channel) = channel_of(&value)?;
        let taken = channel.take(ctx);
        if taken.is_some() || channel.is_closed() {
            settle_room(native, channel)?;
            return call_case(slots, number, taken.unwrap_or(Value::Null));
        }
    }
    if until.is_some_and(|seconds| seconds.is_nan() || seconds <= 0.0) {
        return Ok(Step::Done(Value::Null));
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    let mut enter = || {
        for number in 0..cases.len() {
            let value = channel_at(number)?;
            let (native, channel) = channel_of(&value)?;
            add_receiver(native, channel, promise.clone(), Form::Case(number as i64))?;
        }
        if let Some(seconds) = until {
            let due = ctx.host().monotonic().saturating_add(nanos(seconds));
            let heap = ctx.heap().clone();
            ctx.vm.scheduler.sleep_until(&heap, due, promise.clone())?;
            promise.set_timed();
        }
        Ok(())
    };
    if let Err(raise) = enter() {
        give_up(ctx, &promise);
        return Err(raise);
    }
    slots[2] = Value::Promise(promise.clone());
    Ok(Step::Await(Value::Promise(promise)))
}
