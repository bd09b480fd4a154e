//! Explaining memory: the stack at an allocation, who holds a value from outside the heap, growth that a script wants
//! to hear of, finalizers.
//!
//! While sites are recorded the heap asks, at every allocation, where the script stands. The answer is the number of
//! an interned stack. `vm.ip` and `vm.base` say where that is, if the loop has written them back: it does so before
//! everything that may allocate. An instruction that did not would be reported as the one before it.
#![expect(
    unsafe_code,
    clippy::cast_ptr_alignment,
    reason = "walks frames, whose registers are aligned, and answers the heap through a pointer"
)]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aether_value::{Code, Raise, Raw, Recorder, Value, tag};
use ahash::AHashMap;

use super::Vm;
use super::call::{capture, definition};
use super::unwind::{Frames, Runs, code_of, word_of};
use crate::builtins;
use crate::bytecode::{Op, fields, name_parts};
use crate::memory::HeapProfile;

/// Frames of a stack that are kept, innermost first.
const MOST_FRAMES: usize = 48;

/// A frame of a recorded stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SiteFrame {
    /// A function or top level: its code, and the word it was executing.
    Code(NonNull<Code>, u32),
    /// A built-in that calls back.
    Builtin(&'static str),
}

/// The stacks at which something was allocated, by number; number 0 is none.
#[derive(Default)]
pub(crate) struct Sites {
    numbers: AHashMap<Box<[SiteFrame]>, u32>,
    /// The same with lines for words: stacks that look the same are one site.
    by_line: AHashMap<Box<[SiteFrame]>, u32>,
    stacks: Vec<Box<[SiteFrame]>>,
}

/// What the heap's recorder is given: the machine, which outlives the recording, and the stacks.
pub(crate) struct RecorderContext {
    vm: *const Vm,
    sites: RefCell<Sites>,
}

/// What writes a profile that was asked for while the program runs.
pub(crate) type ProfileWriter = Box<dyn FnMut(&HeapProfile)>;

/// A script's wish to hear of growth.
pub(crate) struct GrowthCallback {
    step: usize,
    function: Value,
}

/// A place in a script, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFrame {
    /// The function; empty for a top level, `[builtin] name` for a built-in.
    pub function: String,
    /// The file's name without directories, if it has one.
    pub file: Option<String>,
    /// The line, from 1; 0 for a built-in.
    pub line: u32,
}

impl ScriptFrame {
    /// `file:line`, or `line N` for a text without a file.
    pub fn place(&self) -> String {
        match &self.file {
            Some(file) => format!("{file}:{}", self.line),
            None => format!("line {}", self.line),
        }
    }
}

/// The heap asks for the site of an allocation, and for the time in calls and backward jumps.
///
/// # Safety
/// `data` is a [`RecorderContext`] whose machine is alive.
unsafe fn ask(data: *const ()) -> (u32, u64) {
    // SAFETY: the context is boxed and lives until recording ends. The machine's fields are read through a pointer
    // while the machine itself is borrowed further out: they were written before the call that led here, which may
    // unwind and so keeps its writes in order.
    unsafe {
        let recorder_context = &*data.cast::<RecorderContext>();
        let vm = recorder_context.vm;
        let time = (*vm).total_steps();
        let Some(current) = &(*vm).current else {
            return (0, time);
        };
        let mut stack = [SiteFrame::Builtin(""); MOST_FRAMES];
        let mut inside = 0;
        if let Some(def) = running_builtin((*vm).ip, (*vm).base, (*vm).globals) {
            stack[0] = SiteFrame::Builtin(def.info.name);
            inside = 1;
        }
        let frames = Frames::new((*vm).ip, (*vm).base, (*vm).fp, (*vm).registers, current);
        let count = inside + write_frames(frames, &mut stack[inside..]);
        let number = recorder_context.sites.borrow_mut().number(&stack[..count]);
        (number, time)
    }
}

/// The built-in that runs without a frame: the one that the instruction at `ip` calls.
unsafe fn running_builtin(
    ip: *const u64,
    base: *mut u8,
    globals: *const Raw,
) -> Option<&'static builtins::BuiltinDef> {
    // SAFETY: the machine's position lies in the code that runs on `base`, if that is code; operands of a call name
    // registers of the frame and globals that exist.
    unsafe {
        if base.is_null() || ip.is_null() {
            return None;
        }
        let code = code_of(base)?;
        if !code.words.as_ptr_range().contains(&ip) {
            return None;
        }
        let (a, b, c) = fields(*ip);
        let register = |offset: u16| *base.add(offset as usize).cast::<Raw>();
        let method = |number: u16, kind: u8| builtins::method_rows()[number as usize][kind as usize];
        let callee = match crate::jit::operation_at(code, word_of(code, ip)).first() {
            Op::Call => register(b),
            Op::CallTop => register(a),
            Op::CallCapture => *capture(base, b),
            Op::CallGlobal => *globals.add(b as usize),
            Op::CallMethod => return method(c, register(a + 16).tag),
            Op::CallMethod1 => {
                let (_, number) = name_parts((*ip.add(1) >> 32) as u32);
                return method(number, register(b).tag);
            }
            Op::Push => return method(builtins::method_number("push"), register(b).tag),
            _ => return None,
        };
        (callee.tag == tag::BUILTIN).then(|| definition(callee))
    }
}

/// Writes the frames of a walk; answers how many there is room for.
fn write_frames(frames: Frames<'_>, out: &mut [SiteFrame]) -> usize {
    let sites = frames.filter_map(|(_, runs)| match runs {
        // The stub of a call from outside has no places.
        Runs::Code(code, _) if code.places.is_empty() => None,
        Runs::Code(code, word) => Some(SiteFrame::Code(NonNull::from(code), word)),
        Runs::Builtin(def) => Some(SiteFrame::Builtin(def.info.name)),
        Runs::Nothing => None,
    });
    let mut count = 0;
    for (place, site) in out.iter_mut().zip(sites) {
        *place = site;
        count += 1;
    }
    count
}

impl Sites {
    fn number(&mut self, stack: &[SiteFrame]) -> u32 {
        if stack.is_empty() {
            return 0;
        }
        if let Some(&number) = self.numbers.get(stack) {
            return number;
        }
        let lines = stack.iter().map(|frame| match *frame {
            SiteFrame::Code(code, word) => {
                // SAFETY: code lives as long as the heap.
                let line = unsafe { code.as_ref() }.line_at(word as usize);
                SiteFrame::Code(code, line)
            }
            builtin @ SiteFrame::Builtin(_) => builtin,
        });
        let next = self.stacks.len() as u32 + 1;
        let number = *self.by_line.entry(lines.collect()).or_insert(next);
        if number == next {
            self.stacks.push(stack.into());
        }
        self.numbers.insert(stack.into(), number);
        number
    }
}

impl Vm {
    /// Records from now on: with `sites` where every object was allocated, with `profile` a block for every so many bytes
    /// or, for 0, all. The machine stays where it is.
    pub(crate) fn record_sites(&mut self, sites: bool, profile: Option<usize>) {
        let vm: *const Self = self;
        let recorder_context = self.recorder_context.get_or_insert_with(|| {
            Box::new(RecorderContext {
                vm,
                sites: RefCell::default(),
            })
        });
        let recorder = Recorder {
            ask,
            data: std::ptr::from_ref::<RecorderContext>(recorder_context).cast(),
            sites,
            profile,
        };
        // SAFETY: the machine is boxed and stops recording before it goes, and so does the context.
        unsafe { self.heap.record(recorder) };
    }

    /// The frames of a site, innermost first.
    pub(crate) fn site_frames(&self, site: u32) -> Vec<ScriptFrame> {
        let Some(recorder_context) = &self.recorder_context else {
            return Vec::new();
        };
        let sites = recorder_context.sites.borrow();
        let stack = (site as usize)
            .checked_sub(1)
            .and_then(|index| sites.stacks.get(index));
        let frames = stack.into_iter().flatten().map(|frame| match frame {
            SiteFrame::Builtin(name) => ScriptFrame {
                function: format!("[builtin] {name}"),
                file: None,
                line: 0,
            },
            SiteFrame::Code(code, word) => {
                // SAFETY: code lives as long as the heap.
                let code = unsafe { code.as_ref() };
                ScriptFrame {
                    function: code.name.as_deref().unwrap_or("<anonymous>").to_owned(),
                    file: code.file.base_name().map(str::to_owned),
                    line: code.line_at(*word as usize),
                }
            }
        });
        frames.collect()
    }

    /// `file:line` of a site: its innermost frame that is a script's.
    pub(crate) fn site_text(&self, site: u32) -> Option<String> {
        self.site_frames(site)
            .into_iter()
            .find(|frame| frame.line > 0)
            .map(|frame| frame.place())
    }

    /// Variables that hold a value: globals, and named locals of the current stack; as type and path.
    pub(crate) fn roots_of(&self, value: &Value) -> Vec<(String, String)> {
        let wanted = Raw::of_value(value);
        let mut found = Vec::new();
        if !wanted.is_counted() {
            return found;
        }
        for (slot, raw) in self.tables.globals.iter().enumerate() {
            if raw.is_counted() && raw.payload == wanted.payload {
                let name = self.tables.slot_name(slot as u32).as_str();
                found.push(("module".to_owned(), format!("global '{name}'")));
            }
        }
        self.activations(|code, word, base| {
            let in_scope = |local: &&aether_value::LocalInfo| local.start <= word && word < local.end;
            for local in code.locals.iter().filter(in_scope) {
                // SAFETY: a local's register lies in its frame's window; a cell's tag says what it is.
                let raw = unsafe {
                    let raw = *base.cast::<Raw>().add(local.register as usize);
                    if raw.tag == tag::CELL {
                        raw.object::<aether_value::Cell>().get_raw()
                    } else {
                        raw
                    }
                };
                if raw.is_counted() && raw.payload == wanted.payload {
                    let function = match code.name.as_deref() {
                        Some("") => "the top level",
                        Some(name) => name,
                        None => "<anonymous>",
                    };
                    let path = format!("local '{}' in {function}", local.name.as_str());
                    found.push(("stack".to_owned(), path));
                }
            }
        });
        found
    }

    /// The data that module scopes and the world outside hold, with the words that name the holder.
    pub(crate) fn held_data(&self) -> Vec<(String, Value)> {
        let mut held = Vec::new();
        for slot in 0..self.tables.globals.len() as u32 {
            if self.tables.is_declared(slot)
                && let Some(value) = self.tables.value_of(slot)
                && is_data(Raw::of_value(&value))
            {
                held.push((
                    format!("global '{}'", self.tables.slot_name(slot).as_str()),
                    value,
                ));
            }
        }
        let outside = self.scheduler.held().into_iter();
        held.extend(outside.map(|(holder, value)| (holder.to_owned(), value)));
        held
    }

    // --- profiles on request ---

    /// Has `write` called with a profile soon after `flag` has been set.
    pub(crate) fn on_profile_request(&mut self, flag: Arc<AtomicBool>, write: ProfileWriter) {
        self.profile_request = Some((flag, write));
    }

    /// Serves a request, if one was made.
    pub(super) fn serve_profile_request(&mut self) {
        let Some((flag, mut write)) = self.profile_request.take() else {
            return;
        };
        if flag.swap(false, Ordering::Relaxed) {
            write(&self.heap_profile());
        }
        self.profile_request = Some((flag, write));
    }

    // --- growth ---

    /// Has `function` called whenever the live bytes have grown by another `step`; null ends that.
    pub(crate) fn set_on_growth(&mut self, step: usize, function: Value) {
        if matches!(function, Value::Null) {
            self.growth = None;
            self.heap.watch_growth(None);
            return;
        }
        self.growth = Some(GrowthCallback { step, function });
        self.heap
            .watch_growth(Some(self.heap.live_bytes().saturating_add(step)));
    }

    /// Calls the function that wants to hear of growth, and waits for what it gives: the body of an async function runs
    /// because somebody does. While it runs, growth is not watched.
    pub(super) fn call_growth_function(&mut self) -> Result<(), Raise> {
        self.heap.watch_growth(None);
        let Some(growth) = self.growth.take() else {
            return Ok(());
        };
        let result = self.call_value(&growth.function, &[], true);
        if self.growth.is_none() {
            let mark = self.heap.live_bytes().saturating_add(growth.step);
            self.growth = Some(growth);
            self.heap.watch_growth(Some(mark));
        }
        result.map(drop)
    }

    // --- finalizers ---

    /// Runs the finalizers of objects that have died.
    ///
    /// # Errors
    /// What ends a program for good; what a finalizer throws is reported and forgotten.
    pub(crate) fn run_finalizers(&mut self) -> Result<(), Raise> {
        if !self.heap.has_finalizer() {
            return Ok(());
        }
        self.call_value(&builtins::RUN_FINALIZERS.value(), &[], true)
            .map(drop)
    }

    /// Runs the handlers of the program's end.
    ///
    /// # Errors
    /// As [`Vm::run_finalizers`].
    pub(crate) fn run_exit_handlers(&mut self) -> Result<(), Raise> {
        if self.exit_handlers.is_none() {
            return Ok(());
        }
        self.call_value(&builtins::RUN_EXIT_HANDLERS.value(), &[], true)
            .map(drop)
    }

    /// Serves the queue of callbacks until it is empty, and runs finalizers.
    ///
    /// # Errors
    /// As [`Vm::run_finalizers`].
    pub(crate) fn drain_queue(&mut self) -> Result<(), Raise> {
        if !self.scheduler.has_tasks() {
            return self.run_finalizers();
        }
        self.call_value(&builtins::DRAIN_QUEUE.value(), &[], true)
            .map(drop)
    }

    /// Calls the callbacks that are ready, and waits for nothing.
    ///
    /// # Errors
    /// As [`Vm::run_finalizers`].
    pub(crate) fn serve_ready(&mut self) -> Result<(), Raise> {
        self.run_finalizers()?;
        if self.scheduler.queued() == 0 && self.ready.is_empty() {
            return Ok(());
        }
        self.call_value(&builtins::SERVE_READY.value(), &[], true)
            .map(drop)
    }

    /// Goes on with everything that is ready, and waits for nothing; whether anything is out that may go on.
    ///
    /// # Errors
    /// As [`Vm::run_finalizers`].
    pub(crate) fn serve_outside(&mut self, driver: &std::task::Waker) -> Result<bool, Raise> {
        /// Turns after which the host's event loop has its own again.
        const TURNS: usize = 64;
        self.run_finalizers()?;
        for _ in 0..TURNS {
            let has_messages = self.scheduler.receiver.tell(driver);
            let is_due = self
                .scheduler
                .next_due()
                .is_some_and(|due| due <= self.host.monotonic());
            if !has_messages && !is_due && self.ready.is_empty() {
                return Ok(self.scheduler.has_work());
            }
            self.call_value(&builtins::SERVE_READY.value(), &[], true)?;
        }
        driver.wake_by_ref();
        Ok(true)
    }

    /// Lets go of the data in module scopes, keeping functions, types and modules, so that finalizers of what they
    /// held can still run.
    pub(crate) fn release_data(&mut self) {
        for slot in (0..self.tables.globals.len()).rev() {
            let raw = self.tables.globals[slot];
            if is_data(raw) && self.tables.is_declared(slot as u32) {
                self.tables.globals[slot] = Raw::unset();
                // SAFETY: the slot owned a count, which ends here.
                unsafe { raw.release() };
            }
        }
    }
}

/// Whether a global's value is data, rather than part of the program.
fn is_data(raw: Raw) -> bool {
    raw.is_counted()
        && !matches!(
            raw.tag,
            tag::FUNCTION
                | tag::ASYNC_FUNCTION
                | tag::STRUCT_DEF
                | tag::ENUM_DEF
                | tag::ENUM_CONSTRUCTOR
                | tag::MODULE
        )
}
