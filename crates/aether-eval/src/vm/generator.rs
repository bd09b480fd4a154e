//! Generators: frames that are left before they end.
//!
//! A generator is a [`Coroutine`] that holds the registers of one frame: its function first, then the window. It has
//! no stack. Whoever wants an item is a built-in's frame, which is asked to resume it ([`crate::builtins::Step`]): the
//! registers move into a frame on the running stack, and back at the next `yield`. So an activation counts only while
//! it runs, errors and traces go through it as through any call, and it may wait for promises.
//!
//! The record of a resumed frame has [`flags::GENERATOR`], and the generator in place of a return address: the
//! built-in that resumed it, which keeps it alive, needs none.
#![expect(unsafe_code, reason = "moves the registers of frames")]

use aether_value::{Closure, Coroutine, ErrorKind, Raise, Raw, Rc, Value, tag};

use super::call::{self, take};
use super::unwind::{code_of, word_of};
use super::{Flow, Vm, flags};
use crate::builtins::Event;

/// What a generator does, in [`Coroutine::status`].
mod status {
    /// It waits at a `yield`, or at its beginning.
    pub(super) const SUSPENDED: u8 = 16;
    /// The same, and an item waits to be taken.
    pub(super) const BUFFERED: u8 = 17;
    pub(super) const RUNNING: u8 = 18;
    pub(super) const DONE: u8 = 19;
}

/// What a generator that is asked for an item has.
pub(crate) enum Asked {
    /// An item that waited.
    Item(Value),
    /// No more.
    End,
    /// It has to be resumed.
    Resume,
}

/// The item that waits in a generator, or what to do for one.
///
/// # Errors
/// It runs.
pub(crate) fn ask(generator: &Coroutine) -> Result<Asked, Raise> {
    match generator.status.get() {
        status::BUFFERED => {
            generator.status.set(status::SUSPENDED);
            // SAFETY: the generator owned the count.
            Ok(Asked::Item(unsafe { generator.take_item().into_value() }))
        }
        status::SUSPENDED => Ok(Asked::Resume),
        status::RUNNING => Err(Raise::operation("generator is already running")),
        _ => Ok(Asked::End),
    }
}

/// Whether an item waits in a generator.
pub(crate) fn has_item(generator: &Coroutine) -> bool {
    generator.status.get() == status::BUFFERED
}

/// Has an item wait in a generator that has just yielded it.
pub(crate) fn put_back(generator: &Coroutine, item: Value) {
    generator.status.set(status::BUFFERED);
    generator.set_awaiting(Raw::from_value(item));
}

/// Whether a generator that has been resumed has yielded, rather than ended.
pub(crate) fn has_yielded(generator: &Coroutine) -> bool {
    generator.status.get() == status::SUSPENDED
}

/// The generator whose frame this is the record of, if it is one.
unsafe fn of_frame<'a>(frame: &aether_value::Frame) -> Option<&'a Coroutine> {
    // SAFETY: such a record holds a generator, which whoever resumed it keeps alive.
    (frame.flags & flags::GENERATOR != 0).then(|| unsafe { &*frame.return_ip.cast::<Coroutine>() })
}

/// Takes note that the frame of this record has ended.
///
/// # Safety
/// The record is one of the running stack.
pub(super) unsafe fn frame_ended(frame: &aether_value::Frame) {
    // SAFETY: the caller's promise.
    if let Some(generator) = unsafe { of_frame(frame) } {
        generator.status.set(status::DONE);
        let function = generator.top.replace(0);
        debug_assert!(function == 1);
        // SAFETY: the first register holds the function.
        unsafe { take(generator.registers()).release() };
    }
}

impl Vm {
    /// Makes a generator of the frame that runs, which is about to return it in `register`.
    ///
    /// # Safety
    /// `vm.ip` is the instruction and `vm.base` the frame of a function.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn make_generator(&mut self, register: *mut Raw) -> Result<(), Raise> {
        // SAFETY: the register before the window names the running closure; the window's registers are initialised.
        unsafe {
            let function = (*self.base.sub(16).cast::<Raw>()).pointer::<Closure>();
            let count = (*function).code().registers as usize;
            let generator = self.heap.generator(count + 1)?;
            let closure = Raw {
                tag: tag::FUNCTION,
                payload: function as u64,
            };
            closure.retain();
            *generator.registers() = closure;
            self.move_out(&generator, count);
            generator.status.set(status::SUSPENDED);
            // Behind the return.
            generator.ip.set(self.ip.add(2));
            *register = Raw::from_rc(generator);
            Ok(())
        }
    }

    /// Moves the registers of the running frame into a generator.
    unsafe fn move_out(&mut self, generator: &Coroutine, count: usize) {
        // SAFETY: the generator has room for these registers; the window has that many.
        unsafe {
            let window = self.base.cast::<Raw>();
            let registers = generator.registers().add(1);
            for index in 0..count {
                *registers.add(index) = take(window.add(index));
            }
            generator.top.set(count as u32 + 1);
        }
    }

    /// Enters a suspended generator from the built-in frame at `window`, which keeps it alive in one of its `slots`.
    ///
    /// # Safety
    /// `window` is the innermost frame.
    pub(super) unsafe fn resume_generator(
        &mut self,
        window: *mut u8,
        slots: usize,
        generator: &Rc<Coroutine>,
    ) -> Result<(), Raise> {
        // SAFETY: registers behind the innermost window are free; they are checked to exist.
        unsafe {
            let closure = *generator.registers();
            let count = (*closure.pointer::<Closure>()).code().registers as usize;
            let offset = self.offset(window) as usize;
            self.base = window;
            let window = self.reserve_registers(window, window.add((slots + 1 + count) * 16))?;
            self.base = window;
            self.tick(1)?;
            debug_assert!(self.offset(window) as usize == offset);
            let record = Rc::as_ptr(generator).cast();
            let kind = flags::TO_BUILTIN | flags::OWNS_CALLEE | flags::GENERATOR;
            self.push_frame(record, window, kind)?;
            let callee = window.cast::<Raw>().add(slots);
            closure.retain();
            *callee = closure;
            let registers = generator.registers().add(1);
            for index in 0..count {
                *callee.add(1 + index) = take(registers.add(index));
            }
            generator.top.set(1);
            generator.status.set(status::RUNNING);
            generator.set_closes(false);
            self.base = callee.add(1).cast();
            self.ip = generator.ip.get().cast_mut();
            Ok(())
        }
    }

    /// Gives the value in `register` to the built-in that has resumed the running generator.
    ///
    /// # Safety
    /// `vm.ip` is the instruction, `vm.base` its frame, that of a generator.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn yield_value(&mut self, register: *mut Raw) -> Result<Flow, Raise> {
        // SAFETY: the innermost record is that of the generator.
        unsafe {
            let value = take(register).into_value();
            let frame = *self.fp.sub(1);
            let (Some(generator), Some(code)) = (of_frame(&frame), code_of(self.base)) else {
                return Err(call::internal("yield outside of a generator"));
            };
            self.move_out(generator, code.registers as usize);
            generator.ip.set(self.ip.add(1));
            generator.status.set(status::SUSPENDED);
            let word = word_of(code, self.ip) as u32;
            let closes = code
                .handlers
                .iter()
                .any(|handler| handler.finally && handler.start <= word && word < handler.end);
            if closes {
                generator.set_closes(true);
            }
            self.fp = self.fp.sub(1);
            let callee = self.base.sub(16).cast::<Raw>();
            take(callee).release();
            let window = self.registers.add(frame.base as usize);
            call::drive(self, window, Event::Returned(value))
        }
    }

    /// Enters a generator that nothing refers to any more, and gives the error that it has to be raised there, which only
    /// its `finally` blocks see.
    ///
    /// # Safety
    /// As [`Vm::resume_generator`].
    pub(super) unsafe fn close_generator(
        &mut self,
        window: *mut u8,
        slots: usize,
        generator: &Rc<Coroutine>,
    ) -> Result<Raise, Raise> {
        // SAFETY: the caller's promise; the word before the one to go on at is the `yield`.
        unsafe {
            self.resume_generator(window, slots, generator)?;
            self.ip = self.ip.sub(1);
        }
        Ok(Raise::new(ErrorKind::GeneratorExit, "generator is closed"))
    }
}
