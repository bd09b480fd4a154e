//! Pools: workers that take jobs from one queue.
//!
//! Workers are started while more jobs wait than workers are free, up to the pool's number; each calls the pool's function
//! with what a job brings. A job whose promise is cancelled is taken out of the queue, or stopped where it runs; its
//! worker goes on with the next.
//!
//! Invariant: a job is stopped only while it runs: `Job::running` is locked when its worker is told, and when it ends.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aether_eval::{BuiltinDef, Ctx, Machine, Permission, Remote, RunError, SentFunction, Waker};
use aether_value::{Builtin, Message, Native, Raise, StrBuilder, Value};

use super::outcome::{Ended, Failure, Outcome};
use super::spawn::{Start, ended, source, start};
use super::thread;
use crate::arguments::{Options, array, int, permit, receiver};

/// What a pool's workers call.
#[derive(Clone)]
pub(super) enum Function {
    /// `main` of a script.
    Script(String),
    Sent(SentFunction),
}

/// How a job calls it.
#[derive(Clone, Copy)]
pub(super) enum Call {
    /// With its arguments.
    Once,
    /// By a function of the library, which gets an array and the pool's function.
    Each(&'static str),
}

/// A job.
struct Job {
    call: Call,
    args: Message,
    outcome: Arc<Outcome>,
    running: Mutex<Running>,
}

enum Running {
    /// It waits.
    Not,
    /// In this machine.
    In(Arc<Remote>),
    /// It has ended, or is not wanted any more.
    Ended,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Arc<Job>>,
    workers: usize,
    free: usize,
    closed: bool,
    /// Workers that wait for a job, by their numbers.
    sleepers: Vec<(u64, Waker)>,
}

#[derive(Default)]
struct Queue(Mutex<State>);

/// What a worker finds in the queue.
enum Next {
    Job(Arc<Job>),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    Over,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job. `sleeper` is woken when it may look again, if there is none.
    fn next(&self, worker: u64, sleeper: Option<Waker>) -> Next {
        let mut state = self.lock();
        state.sleepers.retain(|(number, _)| *number != worker);
        if let Some(job) = state.jobs.pop_front() {
            state.free -= 1;
            return Next::Job(job);
        }
        match sleeper {
            Some(waker) if !state.closed => {
                state.sleepers.push((worker, waker));
                Next::Later
            }
            _ => {
                state.workers -= 1;
                state.free -= 1;
                Next::Over
            }
        }
    }

    /// Has one sleeper look again.
    fn wake_one(mut state: MutexGuard<'_, State>) {
        let sleeper = state.sleepers.pop();
        drop(state);
        if let Some((_, waker)) = sleeper {
            waker.wake();
        }
    }

    /// No jobs are added from now on.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        for (_, waker) in sleepers {
            waker.wake();
        }
    }
}

impl Job {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins; false if nobody wants it any more.
    fn begin(&self, remote: &Arc<Remote>) -> bool {
        let mut running = self.running();
        if matches!(*running, Running::Ended) {
            return false;
        }
        *running = Running::In(remote.clone());
        true
    }

    /// Ends: its worker may run again.
    fn end(&self, remote: &Remote) {
        let mut running = self.running();
        *running = Running::Ended;
        remote.resume();
    }

    /// Nobody wants it any more.
    fn cancel(&self) {
        let mut running = self.running();
        if let Running::In(remote) = &*running {
            remote.stop();
        } else {
            *running = Running::Ended;
        }
    }
}

/// Cancels a job whose outcome nobody waits for any more.
struct CancelOnDrop(Arc<Job>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A pool.
pub(super) struct Pool {
    queue: Arc<Queue>,
    function: Function,
    most: usize,
    closed: RefCell<bool>,
}

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("submit", 0, 255, |ctx, args| {
        let message = {
            let own = ctx.heap().array_from_slice(&args[1..])?;
            ctx.message(&Value::Array(own))?
        };
        receiver::<Pool>(args).submit(ctx, Call::Once, message)
    }),
    BuiltinDef::method("map", 1, 1, map),
    BuiltinDef::method("close", 0, 0, |_, args| {
        receiver::<Pool>(args).close();
        Ok(Value::Null)
    }),
];

impl Native for Pool {
    fn type_name(&self) -> &'static str {
        "worker_pool"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of::<Queue>()
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<worker_pool of ")?;
        out.push_int(self.most as i64)?;
        out.push_char('>')
    }

    fn member_names(&self) -> Vec<String> {
        METHODS.iter().map(|def| def.info.name.to_owned()).collect()
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Pool {
    pub(super) fn new(function: Function, most: usize) -> Self {
        Self {
            queue: Arc::default(),
            function,
            most,
            closed: RefCell::new(false),
        }
    }

    /// What waits is done; nothing new is taken.
    pub(super) fn close(&self) {
        self.closed.replace(true);
        self.queue.close();
    }

    /// Puts a job into the queue, and gives the promise of its outcome.
    pub(super) fn submit(&self, ctx: &mut Ctx<'_>, call: Call, args: Message) -> Result<Value, Raise> {
        if *self.closed.borrow() {
            return Err(Raise::operation("the pool is closed"));
        }
        let job = Arc::new(Job {
            call,
            args,
            outcome: Arc::default(),
            running: Mutex::new(Running::Not),
        });
        let (outcome, guard) = (job.outcome.clone(), CancelOnDrop(job.clone()));
        let promise = ctx.await_future(Box::pin(async move {
            let finish = outcome.wait().await;
            // The job has ended, and its arguments are not needed any more.
            drop(guard);
            finish
        }))?;
        ctx.keep_alive(&promise, true);
        let mut state = self.queue.lock();
        state.jobs.push_back(job);
        let is_short = state.jobs.len() > state.free && state.workers < self.most;
        if is_short {
            state.workers += 1;
            state.free += 1;
        }
        Queue::wake_one(state);
        if is_short {
            self.start_worker(ctx)?;
        }
        ctx.host().yield_now();
        Ok(promise)
    }

    fn start_worker(&self, ctx: &mut Ctx<'_>) -> Result<(), Raise> {
        let start = start(ctx, None, Vec::new(), Options::none())?;
        let (closed, shared) = (self.queue.clone(), start.shared.clone());
        let start = start.watched(move || {
            closed.close();
            shared.remote.stop();
        });
        let (queue, function) = (self.queue.clone(), self.function.clone());
        thread::run(Box::new(move || serve(start, function, &queue)))
            .map_err(|error| Raise::operation(&format!("worker.pool: cannot start a thread: {error}")))
    }
}

/// The life of a pool's worker. One that cannot begin fails the jobs that wait, and ends.
fn serve(mut start: Start, function: Function, queue: &Queue) {
    let shared = start.shared.clone();
    let leaks = start.take_leaks();
    let mut made = start.machine().and_then(|mut machine| {
        let function = function_of(&mut machine, function)?;
        Ok((machine, function))
    });
    let presence = made
        .as_mut()
        .ok()
        .and_then(|(machine, _)| machine.host().presence());
    loop {
        let sleeper = made.as_ref().ok().map(|(machine, _)| machine.waker());
        let job = match queue.next(shared.id, sleeper) {
            Next::Job(job) => job,
            Next::Later => {
                if let Ok((machine, _)) = &mut made {
                    machine.sleep();
                }
                continue;
            }
            Next::Over => break,
        };
        if job.begin(&shared.remote) {
            let ended = match &mut made {
                Ok((machine, function)) => do_job(machine, function, &job),
                Err(error) => Ended::failed(Failure::of(error, |_| None)),
            };
            job.end(&shared.remote);
            job.outcome.settle(ended);
        }
        queue.lock().free += 1;
        if let Ok((machine, _)) = &mut made {
            machine.host().yield_now();
        }
    }
    if let Ok((mut machine, function)) = made {
        drop(function);
        if let Some(leaks) = leaks {
            leaks.report(&mut machine);
        }
    }
    shared.close();
    drop(presence);
}

fn function_of(machine: &mut Machine, function: Function) -> Result<Value, RunError> {
    let path = match function {
        Function::Sent(sent) => return machine.receive_function(&sent),
        Function::Script(path) => path,
    };
    let source = source(machine, "worker.pool", &path)?;
    machine.evaluate(source)?;
    machine
        .global("main")
        .ok_or_else(|| Raise::operation(&format!("worker.pool: '{path}' has no function main")).into())
}

fn do_job(machine: &mut Machine, function: &Value, job: &Job) -> Ended {
    let run = |machine: &mut Machine| -> Result<Value, RunError> {
        let args = machine.with_ctx(|ctx| ctx.value_of(&job.args))?;
        match job.call {
            Call::Once => {
                let args = array(&args)?.snapshot()?;
                machine.call_and_serve(function, args.as_slice())
            }
            Call::Each(helper) => {
                let helper = machine.with_ctx(|ctx| ctx.library_function(helper))?;
                machine.call_and_serve(&helper, &[args, function.clone()])
            }
        }
    };
    let result = run(machine);
    ended(machine, result)
}

/// What is called, of a script's path or a function.
pub(super) fn function(ctx: &mut Ctx<'_>, value: &Value) -> Result<Function, Raise> {
    match value {
        Value::String(path) => Ok(Function::Script(path.as_str().to_owned())),
        function => SentFunction::of(ctx, function).map(Function::Sent),
    }
}

/// `worker.pool(workers, script | function)`
pub(super) fn pool(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    permit(ctx, Permission::Worker, "worker")?;
    let most = usize::try_from(int(&args[0])?).ok().filter(|&most| most > 0);
    let most = most.ok_or_else(|| Raise::operation("worker.pool requires a positive integer"))?;
    let function = function(ctx, &args[1])?;
    Ok(Value::Native(
        ctx.heap().native(Box::new(Pool::new(function, most)))?,
    ))
}

/// `pool.map(array)`: the promise of the results, in order.
fn map(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    array(&args[1])?;
    let all = ctx.library_function("pool_map")?;
    ctx.spawn(all, &[args[0].clone(), args[1].clone()])
}
