//! Starting workers, and their lives.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use aether_eval::{Ctx, HostMaker, LeakWatch, Machine, MachineRecipe, Permission, RunError, SentFunction};
use aether_source::SourceFile;
use aether_value::{Budget, ErrorKind, Message, Promise, Raise, Rc, Value};

use super::outcome::{Ended, Failure, Outcome};
use super::peer::{Peer, Shared};
use super::{SPAWN_OPTIONS, thread};
use crate::arguments::{Options, array, permit, string};

/// What the members of the module are held under.
pub(super) const PARENT: &str = "worker.parent";
pub(super) const ID: &str = "worker.id";
pub(super) const IS_MAIN: &str = "worker.is_main";

/// Numbers of workers, from 1.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a worker runs.
pub(super) enum Task {
    /// A script, which the worker reads.
    Script(String),
    /// A function, with its arguments.
    Function(SentFunction, Message),
}

/// What a thread makes a machine of.
pub(super) struct Start {
    pub(super) recipe: MachineRecipe,
    pub(super) host: HostMaker,
    pub(super) imports: Vec<String>,
    pub(super) shared: Arc<Shared>,
    /// Where it reports leaks, if these are watched.
    leaks: Option<LeakWatch>,
}

impl Start {
    /// The same, whose leaks are reported if the program's are; `stop` ends the worker when the program has ended.
    pub(super) fn watched(mut self, stop: impl FnOnce() + Send + 'static) -> Self {
        let leaks = self.recipe.leaks();
        self.leaks = leaks.map(|leaks| leaks.begin(Box::new(stop)));
        self
    }

    /// Where its machine is to report leaks.
    pub(super) fn take_leaks(&mut self) -> Option<LeakWatch> {
        self.leaks.take()
    }

    /// The machine, which knows that it is a worker's.
    pub(super) fn machine(self) -> Result<Machine, RunError> {
        let mut machine = self.recipe.build((self.host)())?;
        machine.set_remote(self.shared.remote.clone());
        let id = self.shared.id;
        let parent = machine.with_ctx(|ctx| {
            let peer = ctx.heap().native(Box::new(Peer::of_worker(self.shared)))?;
            Ok(Value::Native(peer))
        })?;
        machine.hold(PARENT, parent);
        machine.hold(ID, Value::Int(id as i64));
        machine.hold(IS_MAIN, Value::Bool(false));
        for name in &self.imports {
            machine.evaluate(SourceFile::new(None, format!("import {name}")))?;
        }
        Ok(machine)
    }
}

/// How workers of a program are made: with its options, and a host that its own makes.
///
/// # Errors
/// There are to be no workers.
pub(super) fn start(
    ctx: &mut Ctx<'_>,
    name: Option<String>,
    args: Vec<String>,
    options: Options<'_>,
) -> Result<Start, Raise> {
    let mut recipe = ctx.recipe();
    let at_most = |limit: Option<i64>, own: Option<u64>, what: &str| match limit {
        None => Ok(own),
        Some(limit) => match u64::try_from(limit) {
            Ok(limit) => Ok(Some(own.map_or(limit, |own| own.min(limit)))),
            Err(_) => Err(Raise::operation(&format!(
                "worker.spawn: {what} must not be negative"
            ))),
        },
    };
    let memory = at_most(
        options.int("max_memory")?,
        ctx.heap().limit().map(|limit| limit as u64),
        "max_memory",
    )?;
    let memory = memory.map(|bytes| bytes as usize);
    recipe.options.max_memory = memory;
    recipe.options.shared_budget = match (ctx.heap().budget(), memory) {
        (Some(program), Some(own)) => Some(Budget::within(&program, own)),
        (program, _) => program,
    };
    recipe.options.max_steps = at_most(options.int("max_steps")?, recipe.options.max_steps, "max_steps")?;
    recipe.options.args = args;
    let allowed = match options.get("permissions") {
        None => None,
        Some(_) => Some(permissions(&texts(options, "permissions")?)?),
    };
    let host = ctx
        .host()
        .worker_host(allowed)
        .ok_or_else(|| Raise::permission("this program has no workers"))?;
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let limit = recipe.options.max_memory;
    let shared = Shared::new(name.unwrap_or_else(|| id.to_string()), id, limit);
    ctx.module_state::<Workers>().add(&shared);
    Ok(Start {
        recipe,
        host,
        imports: texts(options, "import")?,
        shared,
        leaks: None,
    })
}

/// The workers of a program, which end with it.
#[derive(Default)]
struct Workers(Vec<Weak<Shared>>);

impl Workers {
    fn add(&mut self, worker: &Arc<Shared>) {
        if self.0.len().is_power_of_two() {
            self.0.retain(|known| known.strong_count() > 0);
        }
        self.0.push(Arc::downgrade(worker));
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in self.0.iter().filter_map(Weak::upgrade) {
            worker.remote.stop();
            worker.close();
        }
    }
}

fn texts(options: Options<'_>, key: &str) -> Result<Vec<String>, Raise> {
    let Some(given) = options.get(key) else {
        return Ok(Vec::new());
    };
    let items = array(&given)?.snapshot()?;
    items
        .iter()
        .map(|item| Ok(string(item)?.as_str().to_owned()))
        .collect()
}

fn permissions(names: &[String]) -> Result<Vec<Permission>, Raise> {
    names
        .iter()
        .map(|name| {
            let known = Permission::ALL.iter().find(|known| known.as_str() == name);
            known
                .copied()
                .ok_or_else(|| Raise::operation(&format!("unknown permission '{name}'")))
        })
        .collect()
}

/// `worker.spawn(script | function, [options])`
pub(super) fn spawn(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    permit(ctx, Permission::Worker, "worker")?;
    let options = Options::new(args.get(1), SPAWN_OPTIONS)?;
    let task = match &args[0] {
        Value::String(path) => Task::Script(path.as_str().to_owned()),
        function => {
            let sent = SentFunction::of(ctx, function)?;
            let given = options.get("args").unwrap_or(Value::Array(ctx.heap().array(0)?));
            array(&given)?;
            Task::Function(sent, ctx.message(&given)?)
        }
    };
    let name = options.string("name")?.map(|name| name.as_str().to_owned());
    let texts = match &task {
        Task::Script(_) => texts(options, "args")?,
        // Its arguments are values, which have been copied.
        Task::Function(..) => Vec::new(),
    };
    let start = start(ctx, name, texts, options)?;
    let shared = start.shared.clone();
    let stopped = shared.clone();
    let start = start.watched(move || {
        stopped.remote.stop();
        stopped.close();
    });
    let outcome = Arc::new(Outcome::default());
    let result = promise(ctx, &outcome)?;
    ctx.keep_alive(&Value::Promise(result.clone()), true);
    let ends = outcome.clone();
    thread::run(Box::new(move || {
        let shared = start.shared.clone();
        let (mut ended, presence) = run(start, task);
        if shared.remote.is_stopping() {
            // Whatever it made of being told that nothing more comes.
            ended = Ended::terminated();
        }
        shared.close();
        ends.settle(ended);
        drop(presence);
    }))
    .map_err(|error| Raise::operation(&format!("worker.spawn: cannot start a thread: {error}")))?;
    let peer = Peer::of_program(shared, result);
    Ok(Value::Native(ctx.heap().native(Box::new(peer))?))
}

/// The promise of an outcome.
pub(super) fn promise(ctx: &mut Ctx<'_>, outcome: &Arc<Outcome>) -> Result<Rc<Promise>, Raise> {
    match ctx.await_future(Box::pin(outcome.clone().wait()))? {
        Value::Promise(promise) => Ok(promise),
        _ => unreachable!("a future gives a promise"),
    }
}

/// The life of a worker, and what to keep until its end has been told.
fn run(mut start: Start, task: Task) -> (Ended, Option<Box<dyn Any>>) {
    let leaks = start.take_leaks();
    let mut machine = match start.machine() {
        Ok(machine) => machine,
        Err(error) => return (Ended::failed(Failure::of(&error, |_| None)), None),
    };
    let presence = machine.host().presence();
    let result = match task {
        Task::Script(path) => source(&mut machine, "worker.spawn", &path)
            .and_then(|source| machine.run(source))
            .map(|()| Value::Null),
        Task::Function(sent, args) => machine.receive_function(&sent).and_then(|function| {
            let args = machine.with_ctx(|ctx| ctx.value_of(&args))?;
            let args = match &args {
                Value::Array(items) => items.snapshot().map_err(RunError::from)?,
                _ => unreachable!("the sender checked that it is an array"),
            };
            machine.call_and_serve(&function, args.as_slice())
        }),
    };
    let ended = ended(&mut machine, result);
    if let Some(leaks) = leaks {
        leaks.report(&mut machine);
    }
    (ended, presence)
}

/// Reads a script for a worker.
pub(super) fn source(machine: &mut Machine, operation: &str, path: &str) -> Result<SourceFile, RunError> {
    let bytes = machine.host().read_source(path);
    let text = bytes
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_owned()));
    let text = text.map_err(|reason| Raise::io(operation, path, &reason))?;
    Ok(SourceFile::new(Some(path.to_owned()), text))
}

/// How a call of a worker's machine has ended, with the failures that nobody has asked for until then.
pub(super) fn ended(machine: &mut Machine, result: Result<Value, RunError>) -> Ended {
    // A stream that cannot be written is the program's to find out.
    let _ = machine.host().flush();
    let result = match result {
        Err(RunError::Exit(0)) => Ok(Value::Null),
        result => result,
    };
    let sent = result.and_then(|value| machine.with_ctx(|ctx| ctx.message(&value)));
    let is_stopped = matches!(&sent, Err(RunError::Runtime(error)) if error.kind == ErrorKind::Interrupted);
    let unseen = machine.take_unhandled_rejections();
    if is_stopped {
        return Ended::terminated();
    }
    let mut failure =
        |error: &RunError| Failure::of(error, |thrown| machine.with_ctx(|ctx| ctx.message(thrown)).ok());
    let result = sent.map_err(|error| failure(&error));
    let unseen = unseen.iter().map(failure).collect();
    Ended::new(result, unseen)
}
