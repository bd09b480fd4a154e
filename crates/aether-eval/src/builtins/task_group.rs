//! `task_group(function)`: coroutines that end together.
//!
//! The function is the first task of its group; `group.spawn` adds others. The group's frame waits until none runs any
//! more. The first failure, or being cancelled, cancels all that still run; their `finally` blocks end before the
//! group does. A task that was cancelled by itself is no failure.
//!
//! Invariant: the group is among the waiters of each of its tasks, once, until that has settled.
//!
//! Source: library reference §E9.

use aether_value::{
    Array, Builtin, ErrorKind, ErrorObject, Native, Promise, PromiseState, Raise, Raw, Rc, Value,
};
use std::any::Any;
use std::cell::{Cell, RefCell};

use super::promise_methods::{MOST_ARGS, callable, handed_on};
use super::support::{take, wrong_type};
use super::{BuiltinDef, Event, Step};
use crate::context::Ctx;

pub(super) static DEFS: &[BuiltinDef] =
    &[BuiltinDef::core_frame("task_group", &["function"], 1, 1, 4, task_group).catching()];

static METHODS: &[BuiltinDef] = &[BuiltinDef::method_frame(
    "spawn",
    1,
    1 + MOST_ARGS as u8,
    3 + MOST_ARGS as u8,
    spawn,
)];

/// Waits until no task of a group runs, also in a coroutine that was cancelled. Slot: the group.
static END: BuiltinDef = BuiltinDef::core_frame("task_group", &["group"], 1, 1, 1, end).cleaning_up();

/// A group.
pub(crate) struct Group {
    /// Every task that may still run, and some that have ended.
    tasks: Rc<Array>,
    running: Cell<usize>,
    failure: RefCell<Option<Rc<ErrorObject>>>,
    /// What the group's frame waits for.
    waiting: RefCell<Option<Rc<Promise>>>,
    ended: Cell<bool>,
}

impl Native for Group {
    fn type_name(&self) -> &'static str {
        "task_group"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        visit(&Raw::of_rc(&self.tasks));
        if let Some(error) = &*self.failure.borrow() {
            visit(&Raw::of_rc(error));
        }
        if let Some(promise) = &*self.waiting.borrow() {
            visit(&Raw::of_rc(promise));
        }
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Group {
    /// One of its tasks has settled: gives the promise that its frame waits for, if that is to go on.
    pub(crate) fn settled(&self, task: &Promise) -> Option<Rc<Promise>> {
        self.running.set(self.running.get().saturating_sub(1));
        let mut failed = false;
        if let Some(Err(error)) = task.settled()
            && !task.is_cancelled()
            && self.failure.borrow().is_none()
        {
            self.failure.replace(Some(error));
            failed = true;
        }
        if failed || self.running.get() == 0 {
            self.waiting.take()
        } else {
            None
        }
    }
}

/// The group that a waiter is.
pub(crate) fn as_group(waiter: &Value) -> Option<&Group> {
    match waiter {
        Value::Native(native) => native.downcast(),
        _ => None,
    }
}

fn group_of(value: &Value) -> Result<&Group, Raise> {
    as_group(value).ok_or_else(|| wrong_type("task_group", value))
}

/// Begins a task of the group in a value.
fn begin(ctx: &mut Ctx<'_>, group: &Value, function: &Value, args: &[Value]) -> Result<Rc<Promise>, Raise> {
    /// Tasks beyond which those that have ended are left out.
    const MANY: usize = 32;
    let this = group_of(group)?;
    let count = this.tasks.len();
    if count >= MANY && count >= 2 * this.running.get() {
        let is_pending = |task: &Value| matches!(task, Value::Promise(task) if task.is_pending());
        let running: Vec<Value> = (0..count)
            .filter_map(|at| this.tasks.get_value(at))
            .filter(|task| is_pending(task))
            .collect();
        let kept = running.len();
        for (at, task) in running.into_iter().enumerate() {
            this.tasks.set(at, task)?;
        }
        this.tasks.truncate(kept)?;
    }
    // Nothing is refused any more when the task is there, but that it is waited for.
    this.tasks.reserve(ctx.heap(), 1)?;
    let promise = ctx.vm.spawn(function.clone(), args)?;
    promise.set_demanded();
    if let Err(raise) = promise.add_waiter(group.clone()) {
        ctx.vm.give_up(&promise);
        return Err(raise);
    }
    this.running.set(this.running.get() + 1);
    this.tasks.push(Value::Promise(promise.clone()))?;
    Ok(promise)
}

/// `group.spawn(function, args…)`. Slots: the group, the function, the arguments, the promise.
fn spawn(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    let last = 2 + MOST_ARGS;
    match event {
        Event::Start => {
            if group_of(&slots[0])?.ended.get() {
                return Err(Raise::operation("task group has ended"));
            }
            callable(&slots[1])?;
            let promise = begin(ctx, &slots[0], &slots[1], handed_on(slots, 2))?;
            slots[last] = Value::Promise(promise);
            Ok(Step::Switch)
        }
        Event::Returned(_) => Ok(Step::Done(take(&mut slots[last]))),
        Event::Failed(raise) => Err(raise),
    }
}

/// Slots: the function, the group, the promise of the function, whether it ends.
fn task_group(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Start => {
            callable(&slots[0])?;
            let group = Group {
                tasks: ctx.heap().array(0)?,
                running: Cell::new(0),
                failure: RefCell::new(None),
                waiting: RefCell::new(None),
                ended: Cell::new(false),
            };
            slots[1] = Value::Native(ctx.heap().native(Box::new(group))?);
            let declared = crate::vm::declared_parameters(&slots[0]).min(1);
            let args = [slots[1].clone()];
            let function = take(&mut slots[0]);
            slots[2] = Value::Promise(begin(ctx, &slots[1], &function, &args[..declared])?);
            return Ok(Step::Switch);
        }
        Event::Failed(raise) if slots[3].is_null() => {
            // Cancelled.
            let error = ctx.heap().error(raise)?;
            let this = group_of(&slots[1])?;
            this.failure.borrow_mut().get_or_insert(error);
        }
        Event::Failed(raise) => return Err(raise),
        Event::Returned(_) => {}
    }
    let this = group_of(&slots[1])?;
    if slots[3].is_null() {
        if this.failure.borrow().is_some() {
            slots[3] = Value::Bool(true);
            cancel_all(ctx, &slots[1])?;
            return Ok(Step::call1(&END.value(), slots[1].clone()));
        }
        if this.running.get() > 0 {
            return wait(ctx, this);
        }
    }
    this.ended.set(true);
    this.tasks.clear();
    if let Some(error) = this.failure.take() {
        return Err(Raise::again(error));
    }
    // Pending it cannot be: none runs.
    super::promise::outcome(&slots[2])
        .unwrap_or(Ok(Value::Null))
        .map(Step::Done)
}

fn wait(ctx: &mut Ctx<'_>, group: &Group) -> Result<Step, Raise> {
    let promise = ctx.heap().promise(PromiseState::External)?;
    group.waiting.replace(Some(promise.clone()));
    Ok(Step::Await(Value::Promise(promise)))
}

fn end(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    if let Event::Failed(raise) = event {
        return Err(raise);
    }
    let this = group_of(&slots[0])?;
    // What is begun by a `finally` block has to end too, and is cancelled as the others were.
    cancel_all(ctx, &slots[0])?;
    if this.running.get() == 0 {
        return Ok(Step::Done(Value::Null));
    }
    wait(ctx, this)
}

/// Cancels every task that has not been cancelled.
fn cancel_all(ctx: &mut Ctx<'_>, group: &Value) -> Result<(), Raise> {
    let this = group_of(group)?;
    let reason = match &*this.failure.borrow() {
        Some(error) if error.kind() == ErrorKind::Cancelled => error.value().clone(),
        Some(error) => Value::String(error.message().clone()),
        None => Value::Null,
    };
    for at in 0..this.tasks.len() {
        if let Some(Value::Promise(task)) = this.tasks.get_value(at) {
            ctx.vm.cancel(&task, &reason)?;
        }
    }
    Ok(())
}
