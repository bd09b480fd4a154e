//! `process.on_signal`: calls a function whenever the system sends this process a signal.
//!
//! The host tells of signals from a thread of its own. They are counted, and the script's function is called for each
//! (`hook.rs`).
//!
//! Invariant: a handler keeps nothing alive: neither an event loop nor the program's end waits for a signal.

use std::any::Any;

use aether_eval::{BuiltinDef, Ctx, HostFuture, Permission};
use aether_value::{Builtin, Heap, Native, Raise, Raw, StrBuilder, Value};

use super::signals;
use crate::arguments::{object, permit, wrong_type};
use crate::hook::{self, Hook, Hooked, Queue};

static METHODS: &[BuiltinDef] = &[BuiltinDef::method("close", 0, 0, hook::close::<Handler>)];

/// What is called when signals have come.
static DELIVER: BuiltinDef =
    BuiltinDef::core_frame("deliver", &["handler"], 1, 1, 2, hook::deliver::<Handler>).catching();

/// How many signals are on their way from the host's thread.
#[derive(Default)]
struct Pending(u64);

impl Queue for Pending {
    type Item = ();

    fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn take(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

/// A handler as a value.
struct Handler {
    /// The signal's name.
    signal: String,
    hook: Hook<Pending>,
}

/// `on_signal(name, fn)`
pub(super) fn on_signal(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let number = signals::number("process.on_signal", &args[0])?;
    if !args[1].is_callable() {
        return Err(wrong_type("function", &args[1]));
    }
    let signal = signals::name(number);
    permit(ctx, Permission::Run, &signal)?;
    let count = ctx.open_handle()?;
    let hook = Hook::<Pending>::new(args[1].clone());
    let teller = hook.teller();
    let handler = Handler {
        signal: signal.clone(),
        hook,
    };
    let value = Value::Native(ctx.heap().native(Box::new(handler))?);
    let observer = Box::new(move || teller.tell(|pending| pending.0 = pending.0.saturating_add(1)));
    let source = ctx
        .host()
        .watch_signal(number, observer)
        .map_err(|error| Raise::operation(&format!("process.on_signal: {signal}: {error}")))?;
    object::<Handler>(&value).hook.hold(count.hold(source));
    hook::begin::<Handler>(ctx, &value)?;
    Ok(value)
}

impl Hooked for Handler {
    type Queue = Pending;

    fn hook(&self) -> &Hook<Pending> {
        &self.hook
    }

    fn deliver_after(ctx: &mut Ctx<'_>, future: HostFuture) -> Result<(), Raise> {
        ctx.call_if(future, DELIVER.value())
    }

    fn argument(&self, ctx: &Ctx<'_>, (): &()) -> Result<Value, Raise> {
        ctx.string(&self.signal)
    }
}

impl Native for Handler {
    fn type_name(&self) -> &'static str {
        "signal_handler"
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.signal.len()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        self.hook.trace(visit);
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<signal_handler ")?;
        out.push_str(&self.signal)?;
        out.push_char('>')
    }

    fn member(&self, heap: &Heap, name: &str) -> Result<Option<Value>, Raise> {
        match name {
            "signal" => Ok(Some(Value::String(heap.string(&self.signal)?))),
            "closed" => Ok(Some(Value::Bool(self.hook.is_closed()))),
            _ => Ok(None),
        }
    }

    fn member_names(&self) -> Vec<String> {
        vec!["closed".to_owned(), "signal".to_owned()]
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
