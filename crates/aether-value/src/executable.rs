//! Memory for machine code: writable while it is written, executable afterwards, never both.
//!
//! Code is added, never taken away: what is discarded may still be on the native stack below. All goes with the owner.
#![expect(unsafe_code, reason = "maps memory and makes it executable")]

use std::ptr::NonNull;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Bytes that are mapped at a time.
const CHUNK: usize = 64 << 10;
const ALIGNMENT: usize = 16;

struct Chunk {
    start: NonNull<u8>,
    size: usize,
    used: usize,
}

/// The machine code of one engine.
///
/// ```
/// use aether_value::ExecutableMemory;
///
/// let mut memory = ExecutableMemory::new(64 << 10);
/// assert!(memory.add(&[0x90; 100_000]).is_none(), "more than the limit");
/// ```
pub struct ExecutableMemory {
    chunks: Vec<Chunk>,
    limit: usize,
}

impl ExecutableMemory {
    /// Memory for at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            chunks: Vec::new(),
            limit,
        }
    }

    /// Sets the most bytes there may be; what is there already stays.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.used).sum()
    }

    /// Bytes of the list of mappings.
    pub fn held_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Bytes mapped.
    fn mapped(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.size).sum()
    }

    /// Puts code where it can be executed. None if there is no room within the limit, or the system refuses.
    pub fn add(&mut self, code: &[u8]) -> Option<NonNull<u8>> {
        let fits = |chunk: &Chunk| chunk.size - chunk.used >= code.len();
        if !self.chunks.last().is_some_and(fits) {
            let size = code.len().next_multiple_of(CHUNK);
            if self.mapped() + size > self.limit {
                return None;
            }
            // SAFETY: a new mapping, which nothing refers to.
            let start = unsafe {
                mmap_anonymous(
                    std::ptr::null_mut(),
                    size,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE,
                )
            };
            let start = NonNull::new(start.ok()?.cast::<u8>())?;
            self.chunks.push(Chunk { start, size, used: 0 });
        }
        let chunk = self.chunks.last_mut()?;
        // SAFETY: the chunk is a mapping of ours; only this thread executes what is in it, and it is here.
        unsafe {
            let start = chunk.start.as_ptr().cast();
            mprotect(start, chunk.size, MprotectFlags::READ | MprotectFlags::WRITE).ok()?;
            let place = chunk.start.add(chunk.used);
            place.as_ptr().copy_from_nonoverlapping(code.as_ptr(), code.len());
            synchronize(place.as_ptr(), code.len());
            let made = mprotect(start, chunk.size, MprotectFlags::READ | MprotectFlags::EXEC);
            chunk.used = (chunk.used + code.len())
                .next_multiple_of(ALIGNMENT)
                .min(chunk.size);
            made.ok()?;
            Some(place)
        }
    }
}

/// Makes what was written visible to the fetching of instructions, where the processor does not by itself.
///
/// # Safety
/// The bytes are mapped.
#[cfg(target_arch = "aarch64")]
unsafe fn synchronize(start: *const u8, len: usize) {
    use std::arch::asm;
    /// Bytes of a word of the processor, in which the sizes of lines are told.
    const WORD: usize = 4;
    let sizes: u64;
    // SAFETY: reads a register that programs may read.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack)) };
    let lines = |exponent: u64| {
        let line = WORD << (exponent & 15);
        (start.addr() & !(line - 1)..start.addr() + len).step_by(line)
    };
    // SAFETY: the lines belong to the caller's bytes; their contents stay.
    unsafe {
        for line in lines(sizes >> 16) {
            asm!("dc cvau, {}", in(reg) line, options(nostack));
        }
        asm!("dsb ish", options(nostack));
        for line in lines(sizes) {
            asm!("ic ivau, {}", in(reg) line, options(nostack));
        }
        asm!("dsb ish", "isb", options(nostack));
    }
}

/// The same where the processor sees to it.
#[cfg(not(target_arch = "aarch64"))]
unsafe fn synchronize(_: *const u8, _: usize) {}

impl Drop for ExecutableMemory {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: a mapping of ours; nothing executes it any more.
            let _ = unsafe { munmap(chunk.start.as_ptr().cast(), chunk.size) };
        }
    }
}
