//! Errors on their way: handlers, traces, and the text of a trace.
#![expect(unsafe_code, reason = "walks frames and releases their registers")]

use aether_value::{
    Closure, Code, Coroutine, ErrorKind, ErrorObject, Frame, Raise, Raw, Rc, TraceEntry, Value, tag,
};
use std::fmt::Write;

use super::call::{self, definition, take};
use super::{Vm, flags, generator};
use crate::builtins::{BuiltinDef, Event};

/// The code that runs in the frame at `base`, if it is a function's.
pub(super) unsafe fn code_of<'a>(base: *mut u8) -> Option<&'a Code> {
    // SAFETY: the register before a window names what runs there; code lives as long as the heap.
    unsafe {
        let own = *base.sub(16).cast::<Raw>();
        match own.tag {
            tag::ALIAS | tag::FUNCTION | tag::ASYNC_FUNCTION => {
                Some((*own.pointer::<Closure>()).code_ptr().as_ref())
            }
            _ => None,
        }
    }
}

/// The word of an instruction in its code.
pub(super) fn word_of(code: &Code, ip: *const u64) -> usize {
    (ip as usize).wrapping_sub(code.words.as_ptr() as usize) / size_of::<u64>()
}

/// What runs in a frame.
pub(super) enum Runs<'a> {
    /// Code, at this word of it.
    Code(&'a Code, u32),
    /// A built-in.
    Builtin(&'static BuiltinDef),
    /// A frame that something has just left.
    Nothing,
}

/// The frames of a stack up to the call from outside that it serves, innermost first: the base of each, and what runs in
/// it.
pub(super) struct Frames<'a> {
    /// The next frame; null behind the last one.
    base: *mut u8,
    ip: *const u64,
    /// Where the next record would be pushed.
    record: *const Frame,
    registers: *mut u8,
    stack: &'a Coroutine,
    /// Whether the frame given last was deferred code: the next one is of the same activation.
    was_deferred: bool,
}

impl<'a> Frames<'a> {
    /// A walk from the frame at `base`, null for none, which stands at `ip` and whose record is the last before `record`.
    ///
    /// # Safety
    /// The frame and its record are the stack's, whose registers are at `registers`. They stay where they are during
    /// the walk.
    pub(super) unsafe fn new(
        ip: *const u64,
        base: *mut u8,
        record: *const Frame,
        registers: *mut u8,
        stack: &'a Coroutine,
    ) -> Self {
        Self {
            base,
            ip,
            record,
            registers,
            stack,
            was_deferred: false,
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = (*mut u8, Runs<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.base.is_null() {
            return None;
        }
        // SAFETY: whoever began the walk promised that these describe live frames; code and definitions of built-ins
        // live as long as the heap.
        unsafe {
            let base = self.base;
            let own = *base.sub(16).cast::<Raw>();
            let runs = match code_of(base) {
                Some(code) => Runs::Code(code, word_of(code, self.ip) as u32),
                None if own.tag == tag::BUILTIN => Runs::Builtin(definition(own)),
                None => Runs::Nothing,
            };
            self.base = std::ptr::null_mut();
            if self.record > self.stack.frames().cast_const() {
                self.record = self.record.sub(1);
                let frame = *self.record;
                self.was_deferred = frame.flags & flags::DEFERRED != 0;
                if frame.flags & flags::BOTTOM == 0 {
                    self.ip = if frame.return_ip.is_null() {
                        frame.return_ip
                    } else {
                        frame.return_ip.sub(1)
                    };
                    self.base = self.registers.add(frame.base as usize);
                }
            }
            Some((base, runs))
        }
    }
}

/// The source text of the instruction being executed.
pub(super) fn source_here(vm: &Vm) -> Option<String> {
    // SAFETY: `vm.base` is the innermost frame.
    let code = unsafe { code_of(vm.base) }?;
    let span = code.place_at(word_of(code, vm.ip));
    Some(code.file.text().get(span.range())?.to_owned())
}

/// The path of the file whose code is being executed.
pub(super) fn file_here(vm: &Vm) -> Option<String> {
    // SAFETY: `vm.base` is the innermost frame.
    let code = unsafe { code_of(vm.base) }?;
    code.file.path().map(str::to_owned)
}

impl Vm {
    /// `Undefined variable` for a cell that is not set yet: its name is the source text of the instruction.
    ///
    /// # Safety
    /// `base` is a function's frame and `ip` an instruction of it.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn undefined_here(&mut self, ip: *mut u64, base: *mut u8) -> Raise {
        self.ip = ip;
        self.base = base;
        let text = source_here(self).unwrap_or_default();
        let name: String = text
            .trim_start()
            .chars()
            .take_while(|&c| c.is_alphanumeric() || c == '_')
            .collect();
        Raise::undefined(&name)
    }

    /// `throw value`.
    #[cold]
    #[inline(never)]
    pub(crate) fn throw(&mut self, value: Value) -> Raise {
        if let Value::Error(error) = value {
            return Raise::again(error);
        }
        match aether_value::display_text(&self.heap, &value) {
            Ok(text) => Raise::thrown(value, text.as_str().to_owned()),
            Err(raise) => raise,
        }
    }

    /// The end of a `finally` block with an error pending.
    #[cold]
    #[inline(never)]
    pub(super) fn rethrow(&mut self, value: Value) -> Raise {
        match value {
            Value::Error(error) => Raise::again(error),
            other => call::internal(&format!("a pending error is a {}", other.type_name())),
        }
    }

    /// Unwinds from `vm.ip` in `vm.base` to a handler, or to the end of the main coroutine.
    ///
    /// # Errors
    /// The error itself, with its object, when nothing handles it.
    ///
    /// # Safety
    /// `vm.base` is the innermost frame, a function's.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn unwind(&mut self, raise: Raise) -> Result<(), Raise> {
        // SAFETY: frames are walked from the innermost outwards, each released before it is left.
        unsafe {
            let raise = self.take_interruption(raise);
            if !raise.kind().is_catchable() {
                self.end_trial();
            }
            let mut raise = self.with_object(raise);
            self.settle_work();
            loop {
                let base = self.base;
                let Some(code) = code_of(base) else {
                    return Err(raise);
                };
                let word = word_of(code, self.ip) as u32;
                let is_of_depth = matches!(raise.kind(), ErrorKind::OutOfMemory | ErrorKind::Recursion);
                let cleans_up = self.may_clean_up(raise.kind());
                let handles = |handler: &&aether_value::Handler| {
                    let sees = raise.kind().is_catchable() || handler.finally && cleans_up;
                    sees && handler.start <= word && word < handler.end
                };
                if let Some(handler) = code.handlers.iter().find(handles) {
                    self.release_window(base, handler.live as usize, code.registers as usize);
                    let error = raise.0.error.take();
                    let value = error.map_or(Raw::null(), Raw::from_rc);
                    *base.cast::<Raw>().add(handler.register as usize) = value;
                    self.ip = code.words.as_ptr().add(handler.target as usize).cast_mut();
                    if is_of_depth {
                        self.shrink_stack(code.registers as usize);
                    }
                    return Ok(());
                }
                self.release_window(base, 0, code.registers as usize);
                self.fp = self.fp.sub(1);
                let frame = *self.fp;
                let callee = base.sub(16).cast::<Raw>();
                if frame.flags & flags::OWNS_CALLEE != 0 {
                    take(callee).release();
                }
                (*callee).tag = tag::NULL;
                if frame.flags & flags::RESUMED != 0 {
                    generator::resumed_ended(callee);
                }
                if frame.flags & flags::MODULE != 0 {
                    self.module_failed();
                }
                if frame.flags & flags::DEFERRED != 0 {
                    self.end_uncounted();
                }
                if frame.flags & flags::BOTTOM != 0 {
                    match self.end_coroutine(Err(raise)) {
                        Ok(_) => return Ok(()),
                        Err(end) if self.has_ended() => return Err(end),
                        // The coroutine that goes on does so with an error of its own.
                        Err(next) => {
                            raise = self.with_object(next);
                            continue;
                        }
                    }
                }
                if frame.flags & flags::TO_BUILTIN != 0 {
                    generator::frame_ended(&frame);
                    if is_of_depth {
                        self.shrink_stack(0);
                    }
                    let window = self.registers.add(frame.base as usize);
                    match call::drive(self, window, Event::Failed(raise)) {
                        Ok(_) => return Ok(()),
                        Err(next) => raise = self.with_object(next),
                    }
                    continue;
                }
                self.base = self.registers.add(frame.base as usize);
                self.ip = frame.return_ip.cast_mut().sub(1);
            }
        }
    }

    /// Gives back what the current stack has grown by above the innermost frame, with so many registers, after an error
    /// that comes of deep recursion: its handler has a use for the memory.
    ///
    /// # Safety
    /// `vm.base` is that frame's; whoever keeps the place of a register or of a record reads it again.
    unsafe fn shrink_stack(&mut self, registers: usize) {
        let Some(current) = self.current.clone() else {
            return;
        };
        let (base, frames) = (self.offset(self.base) as usize, self.frames_used());
        current.shrink(base / 16 + registers + super::SLACK, frames);
        self.load_registers();
        // SAFETY: the frame and the records in use are still there.
        unsafe {
            self.base = self.registers.add(base);
            self.fp = current.frames().add(frames);
        }
        self.set_frames_end();
    }

    /// Releases the registers of a window from `live` on, last first.
    unsafe fn release_window(&mut self, base: *mut u8, live: usize, count: usize) {
        // SAFETY: the window's registers exist; each owns one count or none.
        unsafe {
            let registers = base.cast::<Raw>();
            for index in (live..count).rev() {
                if (*registers.add(index)).is_counted() {
                    take(registers.add(index)).release();
                }
            }
        }
    }

    /// Gives an error its object, with place and trace, unless it has one.
    fn with_object(&mut self, raise: Raise) -> Raise {
        if let Some(error) = &raise.0.error {
            if !error.has_trace() {
                // It was made outside the script, and surfaces in it for the first time.
                self.place(error);
            }
            return raise;
        }
        let kind = raise.kind();
        let message = raise.0.message.clone();
        let value = raise.0.value.clone();
        let error = self.heap.past_the_limit(|| self.heap.error(raise));
        match error {
            Ok(error) => {
                self.place(&error);
                Raise(Box::new(aether_value::RaiseData {
                    kind,
                    message,
                    value,
                    error: Some(error),
                }))
            }
            Err(raise) => raise,
        }
    }

    /// Gives an error object the present place and trace, which takes time in the number of activations. On a stack
    /// where no script's code runs there is none: the error gets them where it is awaited.
    fn place(&mut self, error: &ErrorObject) {
        let entries = self.trace();
        let Some(entry) = entries.first() else { return };
        // Seen at the next call or backward jump.
        self.fuel = self.fuel.saturating_sub((entries.len() / 2) as i64);
        // SAFETY: code lives as long as the heap.
        let line = unsafe { &*entry.code }.line_at(entry.word as usize);
        error.set_line(line);
        error.set_trace(entries);
    }

    /// Code and word of every Aether activation, innermost first, top levels included.
    fn trace(&self) -> Vec<TraceEntry> {
        // Exactly as many as there are: errors may be kept in any number.
        let mut count = 0;
        self.traced(|_| count += 1);
        let mut entries = Vec::with_capacity(count);
        self.traced(|entry| entries.push(entry));
        entries
    }

    /// Visits what a trace tells of: a function whose deferred code runs stands where that is.
    fn traced(&self, mut visit: impl FnMut(TraceEntry)) {
        let Some(mut frames) = self.frames() else { return };
        let mut continues = false;
        while let Some((_, runs)) = frames.next() {
            if let Runs::Code(code, word) = runs
                && !code.is_library
                && !continues
            {
                visit(TraceEntry { code, word });
            }
            continues = frames.was_deferred;
        }
    }

    /// The file, if it has one, and the line in which an error was raised, or which runs if that is not known.
    pub(crate) fn place_of(&self, raise: &Raise) -> Option<(Option<String>, u32)> {
        let known = raise.0.error.as_ref();
        let entry = known.and_then(|error| error.trace().first().copied());
        let entry = entry.or_else(|| self.running())?;
        // SAFETY: code lives as long as the heap.
        let code = unsafe { &*entry.code };
        let file = code.file.base_name().map(str::to_owned);
        Some((file, code.line_at(entry.word as usize)))
    }

    /// The path of the script whose function runs.
    pub(crate) fn running_file(&self) -> Option<String> {
        let entry = self.running()?;
        // SAFETY: code lives as long as the heap.
        unsafe { &*entry.code }.file.path().map(str::to_owned)
    }

    /// The innermost activation of a script's.
    fn running(&self) -> Option<TraceEntry> {
        let mut found = None;
        self.activations(|code, word, _| {
            if !code.is_library && found.is_none() {
                found = Some(TraceEntry { code, word });
            }
        });
        found
    }

    /// Visits every Aether activation of the current stack, innermost first, top levels included: its code, the
    /// word it stands at, and its frame's base.
    pub(super) fn activations(&self, mut visit: impl FnMut(&Code, u32, *mut u8)) {
        for (base, runs) in self.frames().into_iter().flatten() {
            if let Runs::Code(code, word) = runs {
                visit(code, word, base);
            }
        }
    }

    /// The frames of the current stack.
    fn frames(&self) -> Option<Frames<'_>> {
        let current = self.current.as_ref()?;
        // SAFETY: these say where the machine is on the current stack, which does not move while they are looked at.
        Some(unsafe { Frames::new(self.ip, self.base, self.fp, self.registers, current) })
    }
}

/// The line of a trace behind which it goes on in a worker.
pub(crate) const IN_WORKER: &str = "  in a worker:";

/// The text of a trace: a line an activation, innermost first, without the top level.
pub(crate) fn trace_text(error: &Rc<ErrorObject>) -> String {
    let mut out = String::new();
    for entry in error.trace() {
        // SAFETY: code lives as long as the heap, which the error keeps alive.
        let code = unsafe { &*entry.code };
        if is_top_level(code) {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let name = code.name.as_deref().unwrap_or("<anonymous>");
        let line = code.line_at(entry.word as usize);
        let _ = match code.file.base_name() {
            Some(file) => write!(out, "  at {name} ({file}:{line})"),
            None => write!(out, "  at {name} (line {line})"),
        };
    }
    let remote = error.remote_trace();
    if !remote.is_empty() {
        let end = if out.is_empty() { "" } else { "\n" };
        let _ = write!(out, "{end}{IN_WORKER}\n{remote}");
    }
    out
}

/// Whether code is a text's top level rather than a function.
pub(crate) fn is_top_level(code: &Code) -> bool {
    code.name.as_deref() == Some("")
}

/// A place in a source file, for whoever renders errors.
#[derive(Clone, Debug)]
pub struct TracePlace {
    /// The function; empty for a top level.
    pub function: String,
    /// The file.
    pub file: std::rc::Rc<aether_source::SourceFile>,
    /// Where in it.
    pub span: aether_source::Span,
}

/// The places of a trace, innermost first, top levels included.
pub(crate) fn trace_places(error: &Rc<ErrorObject>) -> Vec<TracePlace> {
    let places = error.trace().iter().map(|entry| {
        // SAFETY: code lives as long as the heap, which the error keeps alive.
        let code = unsafe { &*entry.code };
        TracePlace {
            function: code.name.as_deref().unwrap_or("<anonymous>").to_owned(),
            file: code.file.clone(),
            span: code.place_at(entry.word as usize),
        }
    });
    places.collect()
}

/// Whether an error ends the program without a word.
pub(crate) fn is_exit(raise: &Raise) -> bool {
    raise.kind() == ErrorKind::Exit
}

/// Lends code that the heap owns.
pub(crate) fn with_code<R>(code: std::ptr::NonNull<Code>, use_it: impl FnOnce(&Code) -> R) -> R {
    // SAFETY: the compiler has just given it to a heap that is alive.
    use_it(unsafe { code.as_ref() })
}

/// The code of the function whose body is at a place, in a text's code.
pub(crate) fn find_code(
    top_level: std::ptr::NonNull<Code>,
    body: aether_source::Span,
) -> Option<std::ptr::NonNull<Code>> {
    let mut pending = vec![top_level];
    while let Some(code) = pending.pop() {
        // SAFETY: the heap owns all code as long as it lives, children with their parents.
        let known = unsafe { code.as_ref() };
        if known.span == body && code != top_level {
            return Some(code);
        }
        pending.extend(known.children.iter().copied());
    }
    None
}

/// Lets go of what a global slot held.
pub(crate) fn release_slot(old: Raw) {
    if old.tag != tag::UNSET {
        // SAFETY: a slot that is not unset owns a count of its value, which the caller has replaced.
        unsafe { old.release() };
    }
}

/// The value in a global slot, unless it is unset.
pub(crate) fn read_slot(slot: &Raw) -> Option<Value> {
    // SAFETY: a slot that is not unset holds a value.
    (slot.tag != tag::UNSET).then(|| unsafe { slot.clone_value() })
}
