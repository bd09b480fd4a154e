//! `Memory`: charged raw memory for what objects own beside themselves (entries, stacks).
#![expect(unsafe_code, reason = "takes memory from the system allocator")]

use std::alloc::Layout;
use std::ptr::NonNull;

use super::{Inner, WORK_BYTES};

/// The one alignment of all such memory.
const ALIGN: usize = 16;

/// Raw memory charged to a heap; see [`Memory::grow`].
pub(crate) struct Memory;

/// Blocks of stacks that were given back, for the next ones of their sizes. They are few and small, and not charged while
/// they wait, as empty chunks are not.
#[derive(Default)]
pub(crate) struct Spares(Vec<(NonNull<u8>, usize)>);

impl Spares {
    /// Most blocks that wait.
    const MOST: usize = 8;
    /// Bytes of the largest.
    const LARGEST: usize = 4096;
}

impl Drop for Spares {
    fn drop(&mut self) {
        for (memory, bytes) in self.0.drain(..) {
            // SAFETY: taken with this layout.
            unsafe { std::alloc::dealloc(memory.as_ptr(), Layout::from_size_align_unchecked(bytes, ALIGN)) };
        }
    }
}

impl Memory {
    /// Makes `old_bytes` at `old` into `new_bytes`, keeping the content; `old` may be null with 0 bytes. Null when
    /// refused, then nothing changed.
    ///
    /// # Safety
    /// `old` came from here with `old_bytes`, for the same heap.
    pub(crate) unsafe fn grow(heap: &Inner, old: *mut u8, old_bytes: usize, new_bytes: usize) -> *mut u8 {
        debug_assert!(new_bytes > old_bytes);
        Self::obtain(heap, old, old_bytes, new_bytes, || {
            // SAFETY: sizes are not zero and were checked; the old layout is the one it was taken with.
            unsafe {
                if old.is_null() {
                    std::alloc::alloc(Layout::from_size_align_unchecked(new_bytes, ALIGN))
                } else {
                    std::alloc::realloc(
                        old,
                        Layout::from_size_align_unchecked(old_bytes, ALIGN),
                        new_bytes,
                    )
                }
            }
        })
    }

    /// Makes `old_bytes` at `old` into fewer, keeping their content, and gives the rest back. Null when refused, then
    /// nothing changed.
    ///
    /// # Safety
    /// `old` came from here with `old_bytes`, for the same heap; `new_bytes` is not 0.
    pub(crate) unsafe fn shrink(heap: &Inner, old: *mut u8, old_bytes: usize, new_bytes: usize) -> *mut u8 {
        debug_assert!(0 < new_bytes && new_bytes < old_bytes);
        let asked = if heap.is_watched() {
            heap.block_site()
        } else {
            None
        };
        // SAFETY: the size is not zero; the old layout is the one it was taken with.
        let memory = unsafe {
            std::alloc::realloc(
                old,
                Layout::from_size_align_unchecked(old_bytes, ALIGN),
                new_bytes,
            )
        };
        if !memory.is_null() {
            heap.count_freed_outside(old_bytes - new_bytes);
            heap.discharge(old_bytes - new_bytes);
            if let Some(asked) = asked {
                heap.record_block(old as usize, memory as usize, new_bytes, asked);
            }
        }
        memory
    }

    /// New memory of zeros, whose pages the system gives when they are touched if they are many. Null when refused.
    pub(crate) fn zeroed(heap: &Inner, bytes: usize) -> *mut u8 {
        Self::obtain(heap, std::ptr::null_mut(), 0, bytes, || {
            // SAFETY: the size is not zero and was checked.
            unsafe { std::alloc::alloc_zeroed(Layout::from_size_align_unchecked(bytes, ALIGN)) }
        })
    }

    /// Charges what `get` takes beyond the old bytes, and notes where it is; null when either refuses.
    #[inline(always)]
    fn obtain(
        heap: &Inner,
        old: *mut u8,
        old_bytes: usize,
        new_bytes: usize,
        get: impl FnOnce() -> *mut u8,
    ) -> *mut u8 {
        if new_bytes > isize::MAX as usize - ALIGN
            || !heap.may_hold_collecting(new_bytes - old_bytes)
            || !heap.charge(new_bytes - old_bytes)
        {
            return std::ptr::null_mut();
        }
        // Asked before anything moves: the answer comes from the stack, which may be what grows.
        let asked = if heap.is_watched() {
            heap.block_site()
        } else {
            None
        };
        let memory = get();
        if memory.is_null() {
            heap.discharge(new_bytes - old_bytes);
            return memory;
        }
        heap.count_work(new_bytes / WORK_BYTES);
        if let Some(asked) = asked {
            heap.record_block(old as usize, memory as usize, new_bytes, asked);
        }
        memory
    }

    /// New memory for a stack, if a block of this size waits; null if none does.
    pub(crate) fn take_spare(heap: &Inner, bytes: usize) -> *mut u8 {
        if heap.is_watched() {
            return std::ptr::null_mut();
        }
        let found = heap.spares.with(|spares| {
            let at = spares.0.iter().rposition(|spare| spare.1 == bytes)?;
            Some(spares.0.swap_remove(at).0)
        });
        let Some(memory) = found else {
            return std::ptr::null_mut();
        };
        if heap.charge(bytes) {
            return memory.as_ptr();
        }
        heap.spares.with(|spares| spares.0.push((memory, bytes)));
        std::ptr::null_mut()
    }

    /// Gives a stack's memory back, or keeps it for the next one.
    ///
    /// # Safety
    /// As for [`Memory::free`].
    pub(crate) unsafe fn free_stack(heap: &Inner, memory: *mut u8, bytes: usize) {
        if let Some(block) = NonNull::new(memory)
            && bytes <= Spares::LARGEST
            && !super::alloc::SYSTEM_ALLOC
            && !heap.is_watched()
            && heap.spares.with(|spares| {
                let keeps = spares.0.len() < Spares::MOST;
                if keeps {
                    spares.0.push((block, bytes));
                }
                keeps
            })
        {
            heap.discharge(bytes);
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { Self::free(heap, memory, bytes) };
    }

    /// Gives memory back; null with 0 bytes is nothing.
    ///
    /// # Safety
    /// `memory` came from [`Memory::grow`] with `bytes`, for the same heap, and is not used any more.
    pub(crate) unsafe fn free(heap: &Inner, memory: *mut u8, bytes: usize) {
        let Some(memory) = NonNull::new(memory) else {
            return;
        };
        // SAFETY: the caller's promise.
        if unsafe { heap.puts_off_block(memory, bytes) } {
            return;
        }
        heap.count_freed_outside(bytes);
        heap.discharge(bytes);
        if heap.is_watched() {
            heap.record_free(memory.as_ptr() as usize);
        }
        // SAFETY: the caller's promise.
        unsafe { std::alloc::dealloc(memory.as_ptr(), Layout::from_size_align_unchecked(bytes, ALIGN)) };
    }
}
