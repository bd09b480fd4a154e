//! Mutexes and semaphores: how many coroutines are in some part of a program at a time.
//!
//! Permits go to whoever waits longest. A permit that is released while somebody waits passes to that one at once, so
//! that nobody comes between; one whose promise was cancelled is passed over.
//!
//! Source: library reference §E9.

use aether_value::{Builtin, Heap, Native, NativeObject, Promise, PromiseState, Raise, Raw, Rc, Value};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::promise_methods::{callable, fulfilled};
use super::support::{int, take, wrong_type};
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("mutex", &[], 0, 0, |ctx, _| make(ctx, "mutex", 1)),
    BuiltinDef::core("semaphore", &["permits"], 1, 1, semaphore),
];

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("acquire", 0, 0, |ctx, args| acquire(ctx, &args[0])),
    BuiltinDef::method("try_acquire", 0, 0, try_acquire),
    BuiltinDef::method("release", 0, 0, |ctx, args| release(ctx, &args[0])),
    BuiltinDef::method_frame("with", 1, 1, 4, with).catching(),
];

/// A semaphore; a mutex is one with a single permit.
struct Lock {
    name: &'static str,
    permits: usize,
    free: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Promise>>>,
}

impl Native for Lock {
    fn type_name(&self) -> &'static str {
        self.name
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.waiting.borrow().capacity() * size_of::<Rc<Promise>>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        let Ok(waiting) = self.waiting.try_borrow() else {
            return;
        };
        for promise in &*waiting {
            visit(&Raw::of_rc(promise));
        }
    }

    fn member(&self, _: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        Ok(match name {
            "available" => Some(Value::Int(self.free.get() as i64)),
            "locked" => Some(Value::Bool(self.free.get() == 0)),
            _ => None,
        })
    }

    fn member_names(&self) -> Vec<String> {
        let methods = METHODS.iter().map(|def| def.info.name.to_owned());
        methods
            .chain(["available", "locked"].map(str::to_owned))
            .collect()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn semaphore(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let permits = usize::try_from(int(&args[0])?)
        .ok()
        .filter(|&permits| permits > 0);
    let permits = permits.ok_or_else(|| Raise::operation("semaphore requires a positive integer"))?;
    make(ctx, "semaphore", permits)
}

fn make(ctx: &mut Ctx<'_>, name: &'static str, permits: usize) -> Result<Value, Raise> {
    let lock = Lock {
        name,
        permits,
        free: Cell::new(permits),
        waiting: RefCell::new(VecDeque::new()),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(lock))?))
}

fn lock_of(value: &Value) -> Result<(&Rc<NativeObject>, &Lock), Raise> {
    if let Value::Native(native) = value
        && let Some(lock) = native.downcast()
    {
        return Ok((native, lock));
    }
    Err(wrong_type("mutex or semaphore", value))
}

fn acquire(ctx: &mut Ctx<'_>, value: &Value) -> Result<Value, Raise> {
    /// Below so many, those that have given up are left alone.
    const FEW: usize = 32;
    let (native, lock) = lock_of(value)?;
    if lock.free.get() > 0 {
        let acquired = fulfilled(ctx, Value::Null)?;
        lock.free.set(lock.free.get() - 1);
        return Ok(acquired);
    }
    let promise = ctx.heap().promise(PromiseState::External)?;
    let is_full = {
        let mut waiting = lock.waiting.borrow_mut();
        if waiting.len() >= FEW && waiting.len() == waiting.capacity() {
            waiting.retain(|promise| promise.is_pending());
        }
        let is_full = waiting.len() == waiting.capacity();
        waiting.reserve(1);
        is_full
    };
    if is_full && let Err(raise) = native.recharge() {
        lock.waiting.borrow_mut().shrink_to_fit();
        return Err(raise);
    }
    lock.waiting.borrow_mut().push_back(promise.clone());
    Ok(Value::Promise(promise))
}

fn try_acquire(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (_, lock) = lock_of(&args[0])?;
    let is_free = lock.free.get() > 0;
    lock.free.set(lock.free.get() - usize::from(is_free));
    Ok(Value::Bool(is_free))
}

fn release(ctx: &mut Ctx<'_>, value: &Value) -> Result<Value, Raise> {
    let (_, lock) = lock_of(value)?;
    if lock.free.get() == lock.permits {
        return Err(Raise::operation(&format!("{}.release: not acquired", lock.name)));
    }
    loop {
        let next = lock.waiting.borrow_mut().pop_front();
        match next {
            Some(promise) if promise.is_pending() => {
                ctx.vm.settle(&promise, PromiseState::Fulfilled(Value::Null));
                return Ok(Value::Null);
            }
            Some(_) => {}
            None => {
                lock.free.set(lock.free.get() + 1);
                return Ok(Value::Null);
            }
        }
    }
}

/// `lock.with(function)`. Slots: the lock, the function, the promise of the permit, how far it is.
///
/// However the frame ends, the permit that it has got is released, and one that it waits for goes to the next.
fn with(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    /// The permit is waited for.
    const WAITS: i64 = 0;
    /// The function has been called.
    const CALLED: i64 = 1;
    let stage = slots[3].as_int();
    match event {
        Event::Start => {
            callable(&slots[1])?;
            slots[3] = Value::Int(WAITS);
            slots[2] = acquire(ctx, &slots[0])?;
            Ok(Step::Await(slots[2].clone()))
        }
        Event::Failed(raise) => {
            match &slots[2] {
                Value::Promise(promise) if promise.is_pending() => {
                    ctx.vm.settle(promise, PromiseState::Fulfilled(Value::Null));
                }
                // Cancelled before the permit came.
                Value::Promise(promise) if matches!(promise.settled(), Some(Err(_))) => {}
                _ => {
                    release(ctx, &slots[0])?;
                }
            }
            Err(raise)
        }
        Event::Returned(_) if stage == Some(WAITS) => {
            slots[3] = Value::Int(CALLED);
            Ok(Step::Call {
                function: take(&mut slots[1]),
                args: Args::None,
                lenient: true,
            })
        }
        Event::Returned(value) if stage == Some(CALLED) => {
            slots[3] = Value::Int(CALLED + 1);
            Ok(Step::Await(value))
        }
        Event::Returned(value) => {
            release(ctx, &slots[0])?;
            Ok(Step::Done(value))
        }
    }
}
