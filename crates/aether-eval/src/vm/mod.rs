//! The machine: coroutine stacks, frames, and the loop that executes code.
//!
//! A stack is an array of registers and an array of frame records. A function's registers are a window; the
//! register before the window (`base[-1]`) says what runs there: an uncounted alias of the closure, the closure
//! itself if the frame owns it, or the built-in whose frame it is. The caller's result register is that same one.
//!
//! A frame record holds the *caller's* position and how the callee returns to it ([`flags`]).
//!
//! Example: `f` calls `map(a, g)`, which calls `g`.
//!
//! ```text
//! registers  … | f's window … | map  | a  g  items  result  index | g    | x … |
//!                               ^ result of map's call               ^ result of g's call
//! records    … { f's position, flags 0 }   { map's window, TO_BUILTIN }
//! ```
//!
//! When `g` returns, its record says that a built-in waits: the loop resumes it instead of jumping.
//!
//! Invariants
//! - Every register of a live window owns one count or has a non-counted tag; registers above the innermost window
//!   have non-counted tags.
//! - `fp` points past the last record; records and registers are checked against their ends before a frame is made.
//! - Nothing here recurses on the native stack, whatever the script does, but for machine code, whose calls may take so
//!   much of it as [`native`] says.

#![allow(
    clippy::cast_ptr_alignment,
    reason = "frames are byte pointers; registers lie 16 bytes apart in memory that is aligned for them"
)]
#![allow(
    clippy::unused_self,
    reason = "what an instruction does is a method of the machine, whatever it needs"
)]

mod arithmetic;
mod call;
mod cancel;
mod collect;
mod debug;
mod define;
mod dispatch;
pub(crate) mod generator;
mod iterate;
mod member;
mod modules;
#[cfg_attr(
    not(all(
        feature = "jit",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_os = "linux"
    )),
    allow(dead_code, reason = "some of it only machine code calls")
)]
pub(crate) mod native;
#[cfg(all(
    feature = "jit",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_os = "linux"
))]
pub(crate) mod native_calls;
mod oversight;
mod task;
mod unwind;
mod wait;
mod watch;

use aether_value::{Array, Closure, Coroutine, ErrorKind, Frame, Heap, Module, Raise, Raw, Rc, Str, Value};
use std::collections::VecDeque;
use std::rc::Rc as Shared;
use std::time::Duration;

use crate::builtins;
use crate::host::Host;
use crate::tables::Tables;
use crate::task::{Message, Scheduler};
pub(crate) use arithmetic::{number_operator, power_of};
pub(crate) use call::MOST_NAMED;
pub use call::Returned;
#[allow(unused_imports, reason = "for machine code, which a build may leave out")]
pub(crate) use call::capture as capture_of;
pub(crate) use call::declared_parameters;
pub(crate) use call::internal;
pub use debug::{Breakpoint, DebugFrame, Debugger, EvaluationError, Pause, PauseReason, Resumption};
pub(crate) use iterate::iterates_by_methods;
pub(crate) use modules::ModuleState;
#[allow(unused_imports, reason = "as above")]
pub(crate) use native::GONE;
use oversight::{HeapOverseer, Oversight};
pub use unwind::TracePlace;
pub(crate) use unwind::{
    IN_WORKER, find_code, is_exit, read_slot, release_slot, trace_places, trace_text, with_code,
};
pub use watch::ScriptFrame;

/// Calls and backward jumps between two looks at limits, interrupts and the collector.
const FUEL: i64 = 1000;
/// Work in bulk that may go on between two looks.
const BULK: u64 = 64 * FUEL as u64;
/// Work that `finally` blocks may do after an interruption, in steps.
const FINALLY_WORK: i64 = 5_000_000;
/// What a wait costs of that.
pub(super) const FINALLY_WAIT: i64 = FINALLY_WORK / 100;
/// Registers that a built-in's window may use without growing the stack.
pub(super) const SLACK: usize = 64;
/// Default limit of activations.
pub const DEFAULT_DEPTH: usize = 200_000;
/// How deep host functions may call the engine again.
const MAX_REENTRY: usize = 100;

/// Fuel after a stretch in which bulk work, that no instruction has settled, took this many units: the more, the sooner
/// limits are looked at again.
fn quantum_after(bulk: u64) -> i64 {
    (FUEL * BULK as i64 / bulk.max(BULK) as i64).max(1)
}

/// How a callee returns.
mod flags {
    /// `base[-1]` holds a counted callee.
    pub(super) const OWNS_CALLEE: u32 = 1;
    /// The caller is a built-in's frame.
    pub(super) const TO_BUILTIN: u32 = 2;
    /// The caller is nobody: the coroutine's first frame.
    pub(super) const BOTTOM: u32 = 4;
    /// The callee is a module's top level.
    pub(super) const MODULE: u32 = 8;
    /// The record belongs to a built-in's frame.
    pub(super) const IS_BUILTIN: u32 = 16;
    /// The frame is that of a generator, which the record holds in place of a return address.
    pub(super) const GENERATOR: u32 = 64;
    /// The frame is that of a generator that the code of the caller has resumed.
    pub(super) const RESUMED: u32 = 128;
    /// And that code is a loop.
    pub(super) const RESUMED_BY_LOOP: u32 = 256;
    /// The callee is deferred code, a part of the caller's activation.
    pub(super) const DEFERRED: u32 = 512;
    /// The stack has waited since the frame was made: it and all below own callees that a global alone could own.
    pub(super) const HELD: u32 = 32;
    /// Bits that make a return special.
    pub(super) const SPECIAL: u32 =
        OWNS_CALLEE | TO_BUILTIN | BOTTOM | MODULE | IS_BUILTIN | DEFERRED | HELD | RESUMED;
}

/// What a step outside the loop did.
pub(super) enum Flow {
    /// Nothing to the frames: go on at the next instruction.
    Next,
    /// It changed frames: read `ip` and `base` again.
    Switched,
    /// The main coroutine's bottom frame has returned: [`Vm::result`] is the run's result.
    Exit,
}

/// Where the machine's fields are, for machine code.
#[allow(dead_code, reason = "a build without machine code has no use for it")]
pub(crate) struct Layout {
    pub(crate) ip: usize,
    pub(crate) base: usize,
    pub(crate) registers: usize,
    pub(crate) registers_end: usize,
    pub(crate) fp: usize,
    pub(crate) frames_end: usize,
    pub(crate) fuel: usize,
    pub(crate) len_builtin: usize,
    pub(crate) globals: usize,
    pub(crate) native_limit: usize,
}

#[allow(dead_code, reason = "as above")]
pub(crate) const LAYOUT: Layout = Layout {
    ip: std::mem::offset_of!(Vm, ip),
    base: std::mem::offset_of!(Vm, base),
    registers: std::mem::offset_of!(Vm, registers),
    registers_end: std::mem::offset_of!(Vm, registers_end),
    fp: std::mem::offset_of!(Vm, fp),
    frames_end: std::mem::offset_of!(Vm, frames_end),
    fuel: std::mem::offset_of!(Vm, fuel),
    len_builtin: std::mem::offset_of!(Vm, len_builtin),
    globals: std::mem::offset_of!(Vm, globals),
    native_limit: std::mem::offset_of!(Vm, native_limit),
};

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Activations of Aether functions at a time.
    pub depth: usize,
    /// Calls, backward jumps and built-in work units; none for no limit.
    pub steps: Option<u64>,
    /// How long each call of the host may take.
    pub time: Option<Duration>,
    /// Bytes that each call of the host may print.
    pub output: Option<usize>,
}

/// A length of time as it is written in options.
pub fn duration_text(length: Duration) -> String {
    let millis = length.as_millis();
    match millis {
        0..1000 => format!("{millis}ms"),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ => format!("{}s", length.as_secs_f64()),
    }
}

/// What `steps` and the host's monotonic clock may say before a trial has taken too long.
#[derive(Clone, Copy)]
struct Trial {
    steps: u64,
    time: u64,
}

/// The machine.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Vm {
    // What the loop touches.
    pub(super) ip: *mut u64,
    pub(super) base: *mut u8,
    pub(super) registers: *mut u8,
    pub(super) registers_end: *mut u8,
    pub(super) fp: *mut Frame,
    pub(super) frames_end: *mut Frame,
    pub(super) fuel: i64,
    /// What `fuel` was when limits were last looked at.
    pub(super) quantum: i64,
    pub(super) len_builtin: u64,
    pub(super) constants: *const Raw,
    pub(super) globals: *mut Raw,
    /// Where the native stack of machine code ends.
    pub(super) native_limit: usize,

    pub(crate) heap: Heap,
    pub(crate) tables: Tables,
    pub(crate) host: Box<dyn Host>,
    pub(super) limits: Limits,
    /// The coroutine whose stack is loaded.
    pub(super) current: Option<Rc<Coroutine>>,
    /// The coroutine whose end ends the run.
    pub(super) main: Option<Rc<Coroutine>>,
    /// Records of the current stack that are no activations of Aether functions.
    pub(super) uncounted: usize,
    /// Activations on the stacks that wait for the current one.
    pub(super) outer_depth: usize,
    pub(super) ready: VecDeque<task::Runnable>,
    /// Wakes of main coroutines whose loops are further out on the native stack, last first.
    pub(super) deferred: Vec<task::Runnable>,
    pub(super) outer_mains: Vec<Rc<Coroutine>>,
    /// What the top levels of modules have deferred to the end of the program.
    pub(super) deferred_to_end: Option<Rc<Array>>,
    /// The module of the library's part that is written in the language, once that is compiled.
    pub(super) library: [Option<u32>; modules::PARTS.len()],
    /// The text of the function that was sent last, as far as it is kept.
    pub(crate) sent_text: Option<crate::sent_function::SentText>,
    /// What the script has said of its log.
    pub(crate) log: builtins::log::Settings,
    /// When a progress bar was drawn last, in seconds of the monotonic clock.
    pub(crate) progress_drawn: f64,
    pub(super) turns: u32,
    pub(crate) scheduler: Scheduler,
    pub(super) messages: Vec<Message>,
    pub(super) reentry: usize,
    pub(super) steps: u64,
    /// `steps` at the beginning of the host's call.
    steps_before: u64,
    /// The trial under way.
    trial: Option<Trial>,
    /// Work that the program may still do after it was interrupted, in its `finally` blocks.
    grace: Option<i64>,
    /// The grace is used up: `finally` blocks are passed over.
    pub(super) halting: bool,

    pub(crate) modules: Vec<ModuleState>,
    /// Why the latest import of a module with errors in its text failed.
    failed_module: Option<modules::FailedModule>,
    pub(crate) loaded: ahash::AHashMap<String, u32>,
    pub(crate) directory: String,
    pub(crate) is_full: bool,
    pub(crate) max_nesting: u32,
    pub(crate) module_path: Vec<String>,
    pub(crate) module_values: ahash::AHashMap<u32, Rc<Module>>,
    pub(super) random: Option<crate::random::Random>,
    pub(super) growth: Option<watch::GrowthCallback>,
    collections: collect::Collections,
    pub(super) debug: Option<Box<debug::Debug>>,
    /// Machine code, once a function is hot.
    pub(super) jit: Option<Box<crate::jit::Jit>>,
    pub(super) jit_options: crate::jit_options::JitOptions,
    /// Activations of machine code on the native stack.
    pub(super) native_depth: u32,
    /// Why machine code was left for good.
    pub(super) jit_end: Option<native::End>,
    /// Where the loop goes on that was told to end for the other one.
    pub(super) resume_ip: *mut u64,
    /// Whether the loop for one instruction has executed it.
    pub(super) one_is_done: bool,
    /// Whether the innermost loop is the stepping one.
    pub(super) loop_steps: bool,
    /// Whether the loop has ended for the other one to go on, at `ip`.
    pub(super) switches_loop: bool,
    pub(super) recorder_context: Option<Box<watch::RecorderContext>>,
    /// Who wants a profile when this flag is set.
    profile_request: Option<(
        std::sync::Arc<std::sync::atomic::AtomicBool>,
        watch::ProfileWriter,
    )>,
    /// Code for calls from outside, by number of arguments and whether the result is awaited.
    pub(super) stubs: ahash::AHashMap<(u16, bool), Rc<Closure>>,
    /// The result of a run that has just ended, whose count is with whoever takes it.
    pub(super) result: Raw,
    /// The stack of the last call of the host, for the next.
    pub(super) spare_stack: Option<Rc<Coroutine>>,
    /// When the call of the host has to end, as the host's monotonic clock counts.
    deadline: Option<u64>,
    /// The limits, for the checkpoints of the heap.
    oversight: Shared<Oversight>,
    /// Bytes that the call of the host has printed.
    printed: usize,
    pub(crate) handles: crate::handles::Handles,
    /// Where the script lies that was run last, if it came from a file.
    pub(crate) script_directory: Option<String>,
    /// What modules of the library keep for this engine, by type.
    pub(crate) module_state: ahash::AHashMap<std::any::TypeId, Box<dyn std::any::Any>>,
    /// What is to be called at the program's end, the latest last.
    pub(crate) exit_handlers: Option<Rc<Array>>,
    /// Modules of the host, by name.
    pub(crate) host_modules: ahash::AHashMap<Box<str>, u32>,
    /// Modules that `import` finds after all files, besides those of this crate.
    pub(crate) extensions: &'static [crate::builtins::LibraryModule],
    /// How the machine was made, for whoever makes others like it.
    pub(crate) recipe: crate::machine::MachineRecipe,
    /// What another thread sees of the machine, and stops it by.
    pub(crate) remote: Option<std::sync::Arc<crate::remote::Remote>>,
    /// Values that members of library modules have in this machine.
    pub(crate) held: ahash::AHashMap<&'static str, Value>,
    /// Code that calls a method, by the constant of its name and the number of arguments.
    pub(super) method_stubs: ahash::AHashMap<(u32, u16), std::ptr::NonNull<aether_value::Code>>,
    pub(crate) names: Names,
    /// The built-in methods by number and tag, and the numbers of two names.
    pub(super) methods: &'static [builtins::MethodRow],
    pub(super) push_method: u16,
    pub(super) then_method: u16,
    pub(super) next_method: u16,
}

/// Names that the machine looks up itself.
pub(crate) struct Names {
    pub(crate) has_next: Rc<Str>,
    pub(crate) next: Rc<Str>,
}

impl Vm {
    pub(crate) fn new(heap: Heap, mut host: Box<dyn Host>, limits: Limits) -> Result<Self, Raise> {
        let oversight = Shared::new(Oversight::default());
        heap.oversee(Box::new(HeapOverseer {
            oversight: oversight.clone(),
            lookout: host.lookout(),
        }));
        let names = Names {
            has_next: heap.intern("has_next")?,
            next: heap.intern("next")?,
        };
        Ok(Self {
            ip: std::ptr::null_mut(),
            base: std::ptr::null_mut(),
            registers: std::ptr::null_mut(),
            registers_end: std::ptr::null_mut(),
            fp: std::ptr::null_mut(),
            frames_end: std::ptr::null_mut(),
            fuel: FUEL,
            quantum: FUEL,
            len_builtin: u64::MAX,
            constants: std::ptr::null(),
            globals: std::ptr::null_mut(),
            native_limit: 0,
            heap,
            tables: Tables::new(),
            host,
            limits,
            current: None,
            main: None,
            uncounted: 0,
            outer_depth: 0,
            ready: VecDeque::new(),
            deferred: Vec::new(),
            outer_mains: Vec::new(),
            deferred_to_end: None,
            library: [None; modules::PARTS.len()],
            sent_text: None,
            log: builtins::log::Settings::default(),
            progress_drawn: 0.0,
            turns: 0,
            scheduler: Scheduler::default(),
            messages: Vec::new(),
            reentry: 0,
            steps: 0,
            steps_before: 0,
            trial: None,
            grace: None,
            halting: false,
            modules: Vec::new(),
            failed_module: None,
            loaded: ahash::AHashMap::new(),
            directory: String::new(),
            is_full: true,
            max_nesting: 200,
            module_path: Vec::new(),
            module_values: ahash::AHashMap::new(),
            random: None,
            growth: None,
            collections: collect::Collections::default(),
            debug: None,
            jit: None,
            jit_options: crate::jit_options::JitOptions::default(),
            native_depth: 0,
            jit_end: None,
            resume_ip: std::ptr::null_mut(),
            one_is_done: false,
            loop_steps: false,
            switches_loop: false,
            recorder_context: None,
            profile_request: None,
            stubs: ahash::AHashMap::new(),
            result: Raw::null(),
            spare_stack: None,
            deadline: None,
            oversight,
            printed: 0,
            handles: crate::handles::Handles::default(),
            script_directory: None,
            module_state: ahash::AHashMap::new(),
            exit_handlers: None,
            host_modules: ahash::AHashMap::new(),
            extensions: &[],
            recipe: crate::machine::MachineRecipe::default(),
            remote: None,
            held: ahash::AHashMap::new(),
            method_stubs: ahash::AHashMap::new(),
            names,
            methods: builtins::method_rows(),
            push_method: builtins::method_number("push"),
            then_method: builtins::method_number("then"),
            next_method: builtins::method_number("next"),
        })
    }

    /// Reads again where constants and global slots are; they move only when code is compiled.
    pub(crate) fn refresh_tables(&mut self) {
        self.constants = self.tables.constants.as_ptr().cast();
        self.globals = self.tables.globals.as_mut_ptr();
    }

    /// The value of a name that a module has declared.
    pub(crate) fn declared_global(&self, module: u32, name: &str) -> Option<Value> {
        let slot = self
            .tables
            .find_slot(module, name)
            .filter(|&slot| self.tables.is_declared(slot))?;
        self.tables.value_of(slot)
    }

    /// Names that can be used in a module.
    pub(crate) fn known_names(&self, module: u32) -> Vec<String> {
        let declared = self
            .tables
            .declared_slots(module)
            .map(|slot| self.tables.slot_name(slot).as_str().to_owned());
        declared
            .chain(self.tables.prelude_names().map(str::to_owned))
            .collect()
    }

    /// Sets the value that the `len` instruction recognises.
    pub(crate) fn set_len_builtin(&mut self, value: &Value) {
        self.len_builtin = Raw::of_value(value).payload;
    }

    /// The limit of activations.
    pub(crate) fn set_depth_limit(&mut self, depth: usize) {
        self.limits.depth = depth;
    }

    /// Looks at limits, interrupts and the collector; called when the fuel is used up.
    #[cold]
    #[inline(never)]
    pub(super) fn refuel(&mut self) -> Result<(), Raise> {
        let bulk = self.heap.take_work();
        let spent = (self.quantum - self.fuel).max(0) as u64 + bulk;
        self.steps += spent;
        self.quantum = if self.jit_options.eager {
            2
        } else {
            quantum_after(bulk)
        };
        self.fuel = self.quantum;
        if let Some(limit) = self.limits.steps
            && self.steps - self.steps_before > limit
        {
            self.heap.put_off_deaths();
            return Err(Oversight::step_limit(limit));
        }
        self.inform_overseer();
        self.spend_grace(spent as i64)?;
        self.check_interrupt()?;
        self.check_deadline()?;
        self.publish();
        if self.heap.collection_due() || self.heap.owes_slice() {
            self.collect_due();
        }
        if self.heap.forced_slices() > 0 {
            self.collect_forced();
        }
        self.heap.trim_if_due();
        match self.trial {
            Some(trial) if self.steps > trial.steps || self.host.monotonic() > trial.time => {
                Err(Raise::operation("the trial has taken too long"))
            }
            _ => Ok(()),
        }
    }

    // --- trials ---

    /// Whether it can go unnoticed that something that only computes runs here, and so many steps are to be had for it:
    /// nobody watches, nothing else is ready to run, and the coroutine may go on.
    pub(crate) fn may_try(&self, work: u64) -> bool {
        let is_watched = self.is_debugged() || self.growth.is_some() || self.recipe.leaks().is_some();
        let has_steps = |limit: u64| limit.saturating_sub(self.steps_used()) > 2 * work;
        !is_watched
            && self.ready.is_empty()
            && !self.is_cancelled()
            && self.grace.is_none()
            && self.limits.steps.is_none_or(has_steps)
    }

    /// From now on looks at the fuel fail after so many steps or nanoseconds, until the trial ends or an error comes that
    /// no script can catch.
    pub(crate) fn begin_trial(&mut self, work: u64, time: u64) {
        self.trial = Some(Trial {
            steps: self.total_steps().saturating_add(work),
            time: self.host.monotonic().saturating_add(time),
        });
    }

    pub(crate) fn end_trial(&mut self) {
        self.trial = None;
    }

    // --- calls of the host ---

    /// A call of the host begins: it has its own steps, and no interruption yet.
    pub(crate) fn begin_host_call(&mut self) {
        // What the last call left because it was over its limits; it is none of this one's time.
        self.heap.release_rest();
        self.steps = self.total_steps();
        self.heap.take_work();
        self.quantum = if self.heap.forced_slices() > 0 {
            1
        } else if self.jit_options.eager {
            2
        } else {
            FUEL
        };
        self.fuel = self.quantum;
        self.steps_before = self.steps;
        self.end_trial();
        self.grace = None;
        self.halting = false;
        self.printed = 0;
        self.deadline = self.limits.time.map(|time| {
            let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            self.host.monotonic().saturating_add(time)
        });
        self.inform_overseer();
    }

    /// Tells the overseer of the heap what the limits are now. Where there are none, and were none, it knows.
    #[inline]
    fn inform_overseer(&mut self) {
        if self.limits.steps.is_some()
            || self.deadline.is_some()
            || self.scheduler.knows_services()
            || !self.oversight.is_idle.get()
        {
            self.tell_overseer();
        }
    }

    #[inline(never)]
    fn tell_overseer(&mut self) {
        let used = self.steps - self.steps_before;
        let steps = self.limits.steps.map(|limit| (limit, limit.saturating_sub(used)));
        self.oversight.steps.set(steps);
        self.oversight.deadline.set(self.deadline.zip(self.limits.time));
        let is_patient = self.scheduler.has_services();
        self.oversight.is_patient.set(is_patient);
        self.oversight
            .is_idle
            .set(steps.is_none() && self.deadline.is_none() && !is_patient);
    }

    /// Refuses to go on when the user asks to stop, or the time of the call of the host is over.
    #[cold]
    #[inline(never)]
    pub(crate) fn check_end(&mut self) -> Result<(), Raise> {
        self.check_interrupt()?;
        self.check_deadline()
    }

    /// Refuses to go on when the time of the call of the host is over.
    pub(super) fn check_deadline(&mut self) -> Result<(), Raise> {
        match self.deadline {
            Some(deadline) if self.host.monotonic() >= deadline => {
                self.heap.put_off_deaths();
                Err(Oversight::time_limit(self.limits.time.unwrap_or_default()))
            }
            _ => Ok(()),
        }
    }

    /// The moment at which a wait ends: what it waits for, or the time of the call of the host.
    pub(super) fn wait_until(&self, until: Option<u64>) -> Option<u64> {
        match (until, self.deadline) {
            (Some(until), Some(deadline)) => Some(until.min(deadline)),
            (until, deadline) => until.or(deadline),
        }
    }

    /// Counts what is about to be printed.
    pub(crate) fn count_output(&mut self, bytes: usize) -> Result<(), Raise> {
        let printed = self.printed.saturating_add(bytes);
        if let Some(limit) = self.limits.output
            && printed > limit
        {
            let message = format!("Output limit exceeded ({limit} bytes)");
            return Err(Raise::new(ErrorKind::Limit, message));
        }
        self.printed = printed;
        Ok(())
    }

    /// The limits of each call of the host.
    pub(crate) fn limits_mut(&mut self) -> &mut Limits {
        &mut self.limits
    }

    /// Steps of the latest call of the host so far.
    pub(crate) fn steps_used(&self) -> u64 {
        self.total_steps() - self.steps_before
    }

    /// Steps since the machine was made.
    pub(crate) fn total_steps(&self) -> u64 {
        self.steps + (self.quantum - self.fuel).max(0) as u64 + self.heap.work()
    }

    /// The limit of steps of each call of the host.
    pub(crate) fn set_step_limit(&mut self, steps: Option<u64>) {
        self.limits.steps = steps;
    }

    // --- interruption ---

    /// The error that ends the program because the user asks for it. Its `finally` blocks have a bounded amount of
    /// work; asked again, or when that is used up, they are passed over.
    pub(super) fn interruption(&mut self) -> Raise {
        self.halting = self.grace.is_some();
        self.grace.get_or_insert(FINALLY_WORK);
        Raise::new(ErrorKind::Interrupted, "interrupted")
    }

    /// The error as the machine knows it: an interruption that a checkpoint of the heap has seen is taken from the host
    /// now.
    pub(super) fn take_interruption(&mut self, raise: Raise) -> Raise {
        if raise.kind() == ErrorKind::Interrupted && self.host.interrupted() {
            self.interruption()
        } else {
            raise
        }
    }

    /// Whether `finally` blocks and deferred code run after an error of this kind.
    pub(crate) fn may_clean_up(&self, kind: ErrorKind) -> bool {
        kind.is_catchable()
            || kind == ErrorKind::GeneratorExit
            || kind == ErrorKind::Interrupted && !self.halting
    }

    /// Counts work done after an interruption.
    pub(super) fn spend_grace(&mut self, work: i64) -> Result<(), Raise> {
        let Some(left) = &mut self.grace else {
            return Ok(());
        };
        *left -= work;
        if *left < 0 {
            Err(self.interruption())
        } else {
            Ok(())
        }
    }

    /// [`Vm::refuel`] between two instructions, where a script's function may run.
    #[cold]
    #[inline(never)]
    pub(super) fn refuel_between(&mut self) -> Result<(), Raise> {
        self.refuel()?;
        if self.heap.has_grown() {
            self.call_growth_function()
        } else {
            Ok(())
        }
    }

    /// The same for a jump: the machine goes on at `target`, in the frame it is in.
    #[cold]
    #[inline(never)]
    pub(super) fn refuel_to(&mut self, target: *mut u64) -> Result<(), Raise> {
        let base = self.base;
        self.refuel_between()?;
        self.ip = target;
        self.base = base;
        self.sample();
        Ok(())
    }

    /// Counts work done inside a built-in.
    #[inline]
    pub(crate) fn tick(&mut self, work: usize) -> Result<(), Raise> {
        self.fuel -= work as i64;
        if self.fuel < 0 { self.refuel() } else { Ok(()) }
    }

    /// Spends the fuel for work that the heap counted; the next look at the fuel follows it up.
    #[inline(always)]
    pub(super) fn settle_work(&mut self) {
        if self.heap.has_work() {
            self.spend_work();
        }
    }

    #[cold]
    #[inline(never)]
    fn spend_work(&mut self) {
        self.fuel = self.fuel.saturating_sub_unsigned(self.heap.take_work());
    }

    pub(crate) fn random(&mut self) -> &mut crate::random::Random {
        let host = &mut self.host;
        self.random
            .get_or_insert_with(|| crate::random::Random::new(host.entropy()))
    }

    /// `Undefined variable` for a global slot.
    #[cold]
    #[inline(never)]
    pub(super) fn undefined_global(&self, slot: u32) -> Raise {
        Raise::undefined(self.tables.slot_name(slot).as_str())
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Code is the heap's, and goes with it.
        self.jit = None;
        self.shut_down();
    }
}
