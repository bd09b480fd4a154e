//! Generators: frames that are left before they end.
//!
//! A generator is a [`Coroutine`] that holds the registers of one frame: its function first, then the window. It has
//! no stack. Whoever wants an item is a built-in's frame, which is asked to resume it ([`crate::builtins::Step`]): the
//! registers move into a frame on the running stack, and back at the next `yield`. So an activation counts only while
//! it runs, errors and traces go through it as through any call, and it may wait for promises.
//!
//! The record of such a frame has [`flags::GENERATOR`], and the generator in place of a return address: the built-in
//! that resumed it, which keeps it alive, needs none.
//!
//! `g.next()` and a `for` loop resume a generator without a built-in between: the record has [`flags::RESUMED`], and
//! the register before the frame's function holds the generator. In a loop ([`flags::RESUMED_BY_LOOP`]) the frame lies
//! behind the window of the loop's own, and what it yields goes to the loop's item.
#![expect(unsafe_code, reason = "moves the registers of frames")]

use aether_value::{Closure, Coroutine, ErrorKind, Frame, Raise, Raw, Rc, Value, tag};

use super::call::{self, take};
use super::iterate::NextItem;
use super::unwind::{code_of, word_of};
use super::{Flow, Vm, flags};
use crate::builtins::Event;
use crate::bytecode::fields;

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
unsafe fn of_frame<'a>(frame: &Frame) -> Option<&'a Coroutine> {
    // SAFETY: such a record holds a generator, which whoever resumed it keeps alive.
    (frame.flags & flags::GENERATOR != 0).then(|| unsafe { &*frame.return_ip.cast::<Coroutine>() })
}

/// Takes note that the frame of this record has ended.
///
/// # Safety
/// The record is one of the running stack.
pub(super) unsafe fn frame_ended(frame: &Frame) {
    // SAFETY: the caller's promise.
    if let Some(generator) = unsafe { of_frame(frame) } {
        end(generator);
    }
}

/// Takes note that a frame with this function, which its generator stands before, has ended.
///
/// # Safety
/// The record of the frame, popped, has [`flags::RESUMED`].
pub(super) unsafe fn resumed_ended(callee: *mut Raw) {
    // SAFETY: the caller's promise.
    unsafe {
        let generator = take(callee.sub(1));
        end(generator.object::<Coroutine>());
        generator.release();
    }
}

/// A generator's frame has ended.
fn end(generator: &Coroutine) {
    generator.status.set(status::DONE);
    let function = generator.top.replace(0);
    debug_assert!(function == 1);
    // SAFETY: the first register holds the function.
    unsafe { take(generator.registers()).release() };
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
            std::ptr::copy_nonoverlapping(window, generator.registers().add(1), count);
            for index in 0..count {
                (*window.add(index)).tag = tag::NULL;
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
            generator.touch();
            let registers = generator.registers().add(1);
            std::ptr::copy_nonoverlapping(registers, callee.add(1), count);
            generator.top.set(1);
            generator.status.set(status::RUNNING);
            generator.set_closes(false);
            self.base = callee.add(1).cast();
            self.ip = generator.ip.get().cast_mut();
            Ok(())
        }
    }

    /// Enters a suspended generator from Aether code, which is at a call of its `next` or in a loop over it.
    ///
    /// # Safety
    /// `place` is a register with none in use behind it, and gets a count of the generator; `vm.base` is the innermost
    /// frame, a function's.
    unsafe fn enter_generator(
        &mut self,
        place: *mut Raw,
        generator: Raw,
        return_ip: *const u64,
        kind: u32,
    ) -> Result<(), Raise> {
        // SAFETY: the caller's promise; registers behind `place` are checked to exist.
        unsafe {
            let stack = generator.object::<Coroutine>();
            let closure = *stack.registers();
            let count = (*closure.pointer::<Closure>()).code().registers as usize;
            let offset = self.offset(place.cast());
            self.base = self.reserve_registers(self.base, place.add(2 + count).cast())?;
            self.fuel -= 1;
            if self.fuel < 0 {
                self.refuel()?;
            }
            let base = self.base;
            self.push_frame(return_ip, base, flags::RESUMED | kind)?;
            let place = self.registers.add(offset as usize).cast::<Raw>();
            if kind & flags::RESUMED_BY_LOOP != 0 {
                generator.retain();
                *place = generator;
            }
            let callee = place.add(1);
            // The generator keeps its function alive.
            *callee = Raw {
                tag: tag::ALIAS,
                payload: closure.payload,
            };
            stack.touch();
            let registers = stack.registers().add(1);
            std::ptr::copy_nonoverlapping(registers, callee.add(1), count);
            stack.top.set(1);
            stack.status.set(status::RUNNING);
            if stack.closes() {
                stack.set_closes(false);
            }
            self.base = callee.add(1).cast();
            self.ip = stack.ip.get().cast_mut();
            Ok(())
        }
    }

    /// `g.next()` on the generator in the register behind `first`, which gets the item.
    ///
    /// # Safety
    /// `vm.ip` is a call of three words with this window, `vm.base` its frame.
    pub(super) unsafe fn call_next(&mut self, first: *mut Raw) -> Result<Flow, Raise> {
        // SAFETY: the caller's promise.
        unsafe {
            let generator = *first.add(1);
            let item = match ask(generator.object::<Coroutine>())? {
                Asked::Item(item) => Raw::from_value(item),
                Asked::End => Raw::null(),
                Asked::Resume => {
                    self.enter_generator(first.add(1), generator, self.ip.add(3), 0)?;
                    return Ok(Flow::Switched);
                }
            };
            take(first.add(1)).release();
            *first = item;
            Ok(Flow::Next)
        }
    }

    /// The next item of a loop over the generator in its state register.
    ///
    /// # Safety
    /// `vm.ip` is the loop's instruction, `vm.base` its frame.
    pub(super) unsafe fn next_of_loop(&mut self, state: *mut Raw) -> Result<NextItem, Raise> {
        // SAFETY: the caller's promise; the frame's code says where its window ends.
        unsafe {
            let generator = *state;
            match ask(generator.object::<Coroutine>())? {
                Asked::Item(item) => {
                    *state.add(2) = Raw::from_value(item);
                    Ok(NextItem::Item)
                }
                Asked::End => {
                    take(state).release();
                    Ok(NextItem::End)
                }
                Asked::Resume => {
                    let Some(code) = code_of(self.base) else {
                        return Err(call::internal("a loop outside of a function"));
                    };
                    let place = self.base.cast::<Raw>().add(code.registers as usize);
                    self.enter_generator(place, generator, self.ip.add(1), flags::RESUMED_BY_LOOP)?;
                    Ok(NextItem::Entered)
                }
            }
        }
    }

    /// Goes on behind what resumed the generator of a frame that is over for now, whose record has been popped: with an
    /// item, or at its end.
    ///
    /// # Safety
    /// The record has [`flags::RESUMED`]; `callee` is the register before the frame's window.
    pub(super) unsafe fn leave_resumed(&mut self, frame: &Frame, callee: *mut Raw, item: Option<Value>) {
        // SAFETY: the caller's promise: the record says who waits, at which instruction.
        unsafe {
            let generator = take(callee.sub(1));
            self.base = self.registers.add(frame.base as usize);
            self.ip = frame.return_ip.cast_mut();
            if frame.flags & flags::RESUMED_BY_LOOP == 0 {
                *callee.sub(2) = item.map_or(Raw::null(), Raw::from_value);
            } else {
                let next = self.ip.sub(1);
                let (state, _, jump) = fields(*next);
                let state = self.base.add(state as usize).cast::<Raw>();
                if let Some(item) = item {
                    *state.add(2) = Raw::from_value(item);
                    self.ip = next.offset(jump as i16 as isize);
                } else {
                    take(state).release();
                }
            }
            generator.release();
        }
    }

    /// The frame of a generator has returned `value`, which nobody wants. Goes on behind what resumed it; true if that
    /// is a built-in, which the caller has to resume.
    ///
    /// # Safety
    /// The record, popped, is that of a generator; `callee` is the register before the frame's window.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn generator_ended(&mut self, frame: &Frame, callee: *mut Raw, value: Raw) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            if frame.flags & flags::GENERATOR != 0 {
                frame_ended(frame);
                return true;
            }
            (*callee).tag = tag::NULL;
            value.release();
            end((*callee.sub(1)).object::<Coroutine>());
            self.leave_resumed(frame, callee, None);
        }
        false
    }

    /// Gives the value in `register` to whoever has resumed the running generator.
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
            let callee = self.base.sub(16).cast::<Raw>();
            let generator = if frame.flags & flags::RESUMED != 0 {
                Some((*callee.sub(1)).object::<Coroutine>())
            } else {
                of_frame(&frame)
            };
            let (Some(generator), Some(code)) = (generator, code_of(self.base)) else {
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
            if frame.flags & flags::OWNS_CALLEE != 0 {
                take(callee).release();
            }
            (*callee).tag = tag::NULL;
            if frame.flags & flags::RESUMED != 0 {
                self.leave_resumed(&frame, callee, Some(value));
                return Ok(Flow::Switched);
            }
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
