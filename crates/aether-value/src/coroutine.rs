//! Stacks: registers and frames of the main program or of an async call; and the registers of a generator, which has
//! one frame only and no record of it, since it runs on the stack of whoever resumes it.
//!
//! Invariants
//! - Below `top` a register owns one count or has a non-counted tag; above it, only non-counted tags are read. New
//!   registers come zeroed, which is the integer 0.
//! - Registers and frames are charged by capacity. They start small, double up to a megabyte, then grow by a quarter.
//! - Growing moves them: whoever holds a pointer into them fetches it again.
#![expect(unsafe_code, reason = "registers and frames are raw memory")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::heap::{Inner, Memory, Visitor, growth_steps};
use crate::{Header, Heap, Object, Raise, Raw, Rc, tag};

/// What a call leaves to return to. Sixteen bytes whatever the size of a pointer is.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The word after the call.
    pub return_ip: *const u64,
    /// The caller's first register, as the evaluator counts.
    pub base: u32,
    /// The evaluator's.
    pub flags: u32,
}

const _: () = assert!(size_of::<Frame>() == 16);

/// A stack.
#[repr(C)]
pub struct Coroutine {
    header: Header,
    registers: Cell<*mut Raw>,
    frames: Cell<*mut Frame>,
    capacity: Cell<u32>,
    frame_capacity: Cell<u32>,
    /// Number of registers that may hold counted values.
    pub top: Cell<u32>,
    /// Number of frames in use.
    pub depth: Cell<u32>,
    /// The evaluator's: running, parked, done.
    pub status: Cell<u8>,
    /// Whether a generator waits inside of a `try` with a `finally`, so that it has to be closed when it dies.
    closes: Cell<bool>,
    promise: Cell<Raw>,
    awaiting: Cell<Raw>,
    cancelled: Cell<Raw>,
    /// Where to go on when resumed.
    pub ip: Cell<*const u64>,
    /// The first register of the innermost frame, as the evaluator counts.
    pub base: Cell<u32>,
    /// While parked, frame records that are no activations of functions. The evaluator's.
    pub uncounted: Cell<u32>,
    /// Activations on the stacks that waited for this one when it began. The evaluator's.
    pub outer: Cell<u32>,
}

// SAFETY: repr(C), header first, made by `Heap::coroutine` only.
unsafe impl Object for Coroutine {}

/// Both registers and frames are 16 bytes.
const SLOT: usize = 16;
const FIRST_REGISTERS: usize = 32;
const FIRST_FRAMES: usize = 8;
/// Room for registers or frames that is always kept once it is there.
const FEW: usize = 512;
/// Up to here stacks double.
const DOUBLING: usize = (1 << 20) / SLOT;
/// Most registers or frames: a byte offset fits 32 bits.
const MAX_SLOTS: usize = u32::MAX as usize / SLOT;

fn next_capacity(capacity: usize, first: usize, needed: usize) -> usize {
    let next = if capacity < DOUBLING {
        capacity * 2
    } else {
        capacity + capacity / 4
    };
    next.max(first).max(needed).min(MAX_SLOTS.max(needed))
}

/// Grows zero-filled slots; null when refused.
unsafe fn grow_slots(heap: &Inner, old: *mut u8, capacity: usize, wanted: usize) -> *mut u8 {
    // SAFETY: the caller's slots came from here with this capacity.
    unsafe {
        let mut memory = std::ptr::null_mut();
        if capacity == 0 {
            memory = Memory::take_spare(heap, wanted * SLOT);
        }
        if memory.is_null() {
            memory = Memory::grow(heap, old, capacity * SLOT, wanted * SLOT);
        }
        if !memory.is_null() {
            memory
                .add(capacity * SLOT)
                .write_bytes(0, (wanted - capacity) * SLOT);
        }
        memory
    }
}

impl Coroutine {
    /// The first register.
    #[inline(always)]
    pub fn registers(&self) -> *mut Raw {
        self.registers.get()
    }

    /// Number of registers there is room for.
    #[inline(always)]
    pub fn capacity(&self) -> usize {
        self.capacity.get() as usize
    }

    /// The first frame.
    #[inline(always)]
    pub fn frames(&self) -> *mut Frame {
        self.frames.get()
    }

    /// Number of frames there is room for.
    #[inline(always)]
    pub fn frame_capacity(&self) -> usize {
        self.frame_capacity.get() as usize
    }

    /// Makes room for at least `needed` registers; they may move.
    ///
    /// # Errors
    /// Out of memory; the stack is unchanged.
    #[cold]
    pub fn grow(&self, needed: usize) -> Result<(), Raise> {
        let capacity = self.capacity();
        let grown = self.grow_region(&self.registers, &self.capacity, FIRST_REGISTERS, needed);
        debug_assert!(grown.is_err() || self.capacity() >= needed.max(capacity));
        grown
    }

    /// Makes room for at least `needed` frames; they may move.
    ///
    /// # Errors
    /// Out of memory; the stack is unchanged.
    #[cold]
    pub fn grow_frames(&self, needed: usize) -> Result<(), Raise> {
        self.grow_region(&self.frames, &self.frame_capacity, FIRST_FRAMES, needed)
    }

    fn grow_region<T>(
        &self,
        region: &Cell<*mut T>,
        capacity: &Cell<u32>,
        first: usize,
        needed: usize,
    ) -> Result<(), Raise> {
        let heap = Heap::of(self);
        let old = capacity.get() as usize;
        if needed <= old {
            return Ok(());
        }
        if needed <= MAX_SLOTS {
            let wish = next_capacity(old, first, needed) - old;
            for wanted in growth_steps(wish, needed - old).map(|more| old + more) {
                // SAFETY: the region came from here with its old capacity.
                let memory = unsafe { grow_slots(heap.inner(), region.get().cast(), old, wanted) };
                if !memory.is_null() {
                    region.set(memory.cast());
                    capacity.set(wanted as u32);
                    return Ok(());
                }
            }
        }
        Err(heap.out_of_memory((needed - old).saturating_mul(SLOT)))
    }

    /// Gives back most of what is beyond so many registers and frames in use, if that is much; they may move. Registers
    /// beyond hold no counts.
    #[cold]
    pub fn shrink(&self, registers: usize, frames: usize) {
        self.shrink_region(&self.registers, &self.capacity, registers);
        self.shrink_region(&self.frames, &self.frame_capacity, frames);
    }

    fn shrink_region<T>(&self, region: &Cell<*mut T>, capacity: &Cell<u32>, used: usize) {
        let old = capacity.get() as usize;
        let wanted = (used * 2).max(FEW);
        if old / 2 < wanted {
            return;
        }
        let heap = Heap::of(self);
        // SAFETY: the region came from here with its old capacity, and more than nothing is left of it.
        let memory = unsafe { Memory::shrink(heap.inner(), region.get().cast(), old * SLOT, wanted * SLOT) };
        if !memory.is_null() {
            region.set(memory.cast());
            capacity.set(wanted as u32);
        }
    }

    /// Whether this holds the registers of a generator: a stack has room for frames.
    pub fn is_generator(&self) -> bool {
        self.frame_capacity.get() == 0
    }

    /// Whether this is a generator that must be closed when nothing refers to it any more.
    pub fn closes(&self) -> bool {
        self.closes.get()
    }

    /// Says whether this has to be closed: dying, it is queued among the finalizers then.
    pub fn set_closes(&self, closes: bool) {
        if self.closes.replace(closes) != closes {
            Heap::of(self).inner().await_finalizer(closes);
        }
    }

    /// Takes note that the queue of finalizers has it: it is not to be queued again.
    pub(crate) fn queued(&self) {
        self.closes.set(false);
    }

    /// To be called before registers are taken out of a stack that is parked or of a generator that is suspended, where
    /// they are without being released.
    #[inline(always)]
    pub fn touch(&self) {
        self.header.touch();
    }

    /// A generator's item that waits to be taken; null if none does.
    pub fn take_item(&self) -> Raw {
        self.touch();
        self.awaiting.replace(Raw::null())
    }

    /// The promise this stack settles; null for none. No count is taken.
    pub fn promise(&self) -> Raw {
        self.promise.get()
    }

    /// Sets the promise, whose count goes to the stack; the old one goes.
    pub fn set_promise(&self, promise: Raw) {
        let old = self.promise.replace(promise);
        // SAFETY: the stack owned a count of the old one.
        unsafe { old.release() };
    }

    /// The error with which this stack was cancelled; null if it was not. No count is taken.
    pub fn cancelled(&self) -> Raw {
        self.cancelled.get()
    }

    /// Cancels the stack: the error's count goes to it; an older one goes.
    pub fn set_cancelled(&self, error: Raw) {
        self.touch();
        let old = self.cancelled.replace(error);
        // SAFETY: the stack owned a count of the old one.
        unsafe { old.release() };
    }

    /// The promise this stack waits for; null for none. No count is taken.
    pub fn awaiting(&self) -> Raw {
        self.awaiting.get()
    }

    /// Sets what this stack waits for, whose count goes to the stack; the old one goes.
    pub fn set_awaiting(&self, awaiting: Raw) {
        let old = self.awaiting.replace(awaiting);
        // SAFETY: the stack owned a count of the old one.
        unsafe { old.release() };
    }

    /// Whether a stack that has ended may serve as a new one: no register holds a count any more, which a run that has
    /// ended in peace sees to, and it settles and awaits nothing.
    pub fn is_clear(&self) -> bool {
        let holds_nothing = self.top.get() == 0
            && !self.promise.get().is_counted()
            && !self.awaiting.get().is_counted()
            && !self.cancelled.get().is_counted();
        debug_assert!(
            !holds_nothing
                // SAFETY: registers are initialised, by zeros at least.
                || (0..self.capacity()).all(|index| unsafe { !(*self.registers.get().add(index)).is_counted() }),
            "a stack that has ended holds values"
        );
        holds_nothing
    }

    /// Bytes of registers and frames.
    pub(crate) fn memory_bytes(&self) -> usize {
        (self.capacity() + self.frame_capacity()) * SLOT
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        for index in 0..self.top.get() as usize {
            // SAFETY: below the top, registers are initialised.
            visitor.raw(unsafe { self.registers.get().add(index).read() });
        }
        visitor.raw(self.promise.get());
        visitor.raw(self.awaiting.get());
        visitor.raw(self.cancelled.get());
    }

    /// The stack is dead: gives its registers, from the top down, and its memory back.
    pub(crate) unsafe fn release_contents(&self, heap: &Inner) {
        // SAFETY: below the top, registers own their counts; memory came from `grow_slots` with these capacities.
        unsafe {
            for index in (0..self.top.get() as usize).rev() {
                self.registers.get().add(index).read().release();
            }
            self.promise.get().release();
            self.awaiting.get().release();
            self.cancelled.get().release();
            Memory::free_stack(heap, self.registers.get().cast(), self.capacity() * SLOT);
            Memory::free_stack(heap, self.frames.get().cast(), self.frame_capacity() * SLOT);
        }
    }
}

impl Heap {
    /// The registers of a generator, as many as its frame has and one for its function.
    ///
    /// # Errors
    /// Out of memory.
    pub fn generator(&self, registers: usize) -> Result<Rc<Coroutine>, Raise> {
        let stack = self.empty_stack()?;
        stack.grow_region(&stack.registers, &stack.capacity, registers, registers)?;
        Ok(stack)
    }

    /// A new stack with its first registers and frames.
    ///
    /// # Errors
    /// Out of memory.
    pub fn coroutine(&self) -> Result<Rc<Coroutine>, Raise> {
        self.coroutine_of(FIRST_REGISTERS)
    }

    /// A new stack with room for at least so many registers.
    ///
    /// # Errors
    /// Out of memory.
    pub fn coroutine_of(&self, registers: usize) -> Result<Rc<Coroutine>, Raise> {
        let stack = self.empty_stack()?;
        stack.grow(registers)?;
        stack.grow_frames(FIRST_FRAMES)?;
        Ok(stack)
    }

    fn empty_stack(&self) -> Result<Rc<Coroutine>, Raise> {
        self.object(tag::COROUTINE, |header| Coroutine {
            header,
            registers: Cell::new(std::ptr::null_mut()),
            frames: Cell::new(std::ptr::null_mut()),
            capacity: Cell::new(0),
            frame_capacity: Cell::new(0),
            top: Cell::new(0),
            depth: Cell::new(0),
            status: Cell::new(0),
            closes: Cell::new(false),
            promise: Cell::new(Raw::null()),
            awaiting: Cell::new(Raw::null()),
            cancelled: Cell::new(Raw::null()),
            ip: Cell::new(std::ptr::null()),
            base: Cell::new(0),
            uncounted: Cell::new(0),
            outer: Cell::new(0),
        })
    }
}
