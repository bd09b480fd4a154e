//! `Memory`: charged raw memory for what objects own beside themselves (entries, stacks).
#![expect(unsafe_code, reason = "takes memory from the system allocator")]

use std::alloc::Layout;
use std::ptr::NonNull;

use super::{Inner, WORK_BYTES};

/// The one alignment of all such memory.
const ALIGN: usize = 16;

/// Raw memory charged to a heap; see [`Memory::grow`].
pub(crate) struct Memory;

impl Memory {
    /// Makes `old_bytes` at `old` into `new_bytes`, keeping the content; `old` may be null with 0 bytes. Null when
    /// refused, then nothing changed.
    ///
    /// # Safety
    /// `old` came from here with `old_bytes`, for the same heap.
    pub(crate) unsafe fn grow(heap: &Inner, old: *mut u8, old_bytes: usize, new_bytes: usize) -> *mut u8 {
        debug_assert!(new_bytes > old_bytes);
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
        // SAFETY: sizes are not zero and were checked; the old layout is the one it was taken with.
        let memory = unsafe {
            if old.is_null() {
                std::alloc::alloc(Layout::from_size_align_unchecked(new_bytes, ALIGN))
            } else {
                std::alloc::realloc(
                    old,
                    Layout::from_size_align_unchecked(old_bytes, ALIGN),
                    new_bytes,
                )
            }
        };
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

    /// Gives memory back; null with 0 bytes is nothing.
    ///
    /// # Safety
    /// `memory` came from [`Memory::grow`] with `bytes`, for the same heap, and is not used any more.
    pub(crate) unsafe fn free(heap: &Inner, memory: *mut u8, bytes: usize) {
        let Some(memory) = NonNull::new(memory) else {
            return;
        };
        heap.count_freed_outside(bytes);
        heap.discharge(bytes);
        if heap.is_watched() {
            heap.record_free(memory.as_ptr() as usize);
        }
        // SAFETY: the caller's promise.
        unsafe { std::alloc::dealloc(memory.as_ptr(), Layout::from_size_align_unchecked(bytes, ALIGN)) };
    }
}
