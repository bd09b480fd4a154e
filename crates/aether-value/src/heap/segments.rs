//! Where chunks come from: segments of address space, taken from the system and given back to it.
//!
//! A segment holds [`CHUNKS`] chunks. A chunk that is given back keeps its addresses, but its memory goes back to the
//! system at once; a segment without a chunk in use goes back as a whole. So what the process holds follows what is in
//! use, wherever the chunks lie, and the C library's heap, which can shrink only at its top, has no part in it.
//!
//! Invariants
//! - `free` has a bit for each chunk of a segment that is not in use. Its memory is as if fresh: it reads as zeros or
//!   was never touched, so a chunk taken again must be written before it is read.
//! - No segment is wholly free: it would have been given back.
//! - A thread keeps at most one segment for its next heap, of which [`KEPT`] chunks at most have memory.
//!
//! Where there is no `mmap`, and under Miri, a segment is one chunk from the allocator, and none is kept.
#![expect(unsafe_code, reason = "takes memory from the system")]

use std::cell::Cell;
use std::ptr::NonNull;

use super::alloc::{CHUNK, Chunk};

/// Chunks in a segment.
const CHUNKS: usize = if cfg!(all(unix, not(miri))) { 16 } else { 1 };
/// Most chunks with memory in the segment that a thread keeps: the heap of a worker that does little has seven, of
/// which it has touched a few pages each.
const KEPT: usize = 8;
/// Bytes from which on the allocator takes a block from the system by itself.
#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
const LARGE_BLOCK: i32 = 2 << 20;
const ALL_FREE: u16 = ((1_u32 << CHUNKS) - 1) as u16;

struct Segment {
    /// The first chunk.
    base: NonNull<u8>,
    free: u16,
    mapping: system::Mapping,
}

impl Segment {
    fn new() -> Option<Self> {
        let (mapping, base) = system::map()?;
        Some(Self {
            base,
            free: ALL_FREE,
            mapping,
        })
    }
}

/// What a small heap leaves to the next one of its thread, so that making and ending engines calls for no mapping.
struct Kept(Cell<Option<Segment>>);

thread_local! {
    static KEPT_SEGMENT: Kept = const { Kept(Cell::new(None)) };
}

impl Kept {
    /// The thread's segment, if it has one.
    fn take() -> Option<Segment> {
        KEPT_SEGMENT.try_with(|kept| kept.0.take()).ok().flatten()
    }

    /// Keeps a segment of which no chunk is in use, in place of an earlier one. Gives it back where nothing is kept.
    fn put(segment: Segment) {
        let mut segment = Some(segment);
        // Cannot be had any more while the thread ends.
        if CHUNKS > 1 {
            let _ = KEPT_SEGMENT.try_with(|kept| segment = kept.0.replace(segment.take()));
        }
        if let Some(segment) = segment {
            // SAFETY: no chunk of the segment is in use.
            unsafe { system::unmap(segment.mapping) };
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(segment) = self.0.take() {
            // SAFETY: no chunk of the segment is in use.
            unsafe { system::unmap(segment.mapping) };
        }
    }
}

/// The segments of a heap, in order of their addresses.
#[derive(Default)]
pub(crate) struct Segments {
    list: Vec<Segment>,
    /// Chunks that are not in use, of all segments.
    free: usize,
}

impl Segments {
    /// Memory for a chunk; its content is undefined. `None` when the system refuses.
    pub(crate) fn take(&mut self) -> Option<NonNull<Chunk>> {
        if self.free == 0 {
            self.list.try_reserve(1).ok()?;
            let segment = match Kept::take() {
                Some(segment) => segment,
                None => Segment::new()?,
            };
            let at = self.list.partition_point(|other| other.base < segment.base);
            self.list.insert(at, segment);
            self.free += CHUNKS;
        }
        let segment = self.list.iter_mut().find(|segment| segment.free != 0)?;
        let index = segment.free.trailing_zeros() as usize;
        segment.free &= segment.free - 1;
        self.free -= 1;
        // SAFETY: the segment has that many chunks.
        Some(unsafe { segment.base.add(index * CHUNK).cast() })
    }

    /// Gives all segments of a heap that ends back: one with few chunks is kept for the thread's next heap, memory and
    /// all.
    ///
    /// # Safety
    /// So many chunks came from here and are not given back, and nothing uses them any more.
    pub(crate) unsafe fn end(&mut self, chunks: usize) {
        self.free = 0;
        if self.list.len() == 1
            && chunks <= KEPT
            && let Some(mut segment) = self.list.pop()
        {
            segment.free = ALL_FREE;
            Kept::put(segment);
            return;
        }
        for segment in self.list.drain(..) {
            // SAFETY: the caller's promise.
            unsafe { system::unmap(segment.mapping) };
        }
    }

    /// Gives a chunk's memory back to the system.
    ///
    /// # Safety
    /// The chunk came from here, and nothing uses it any more.
    pub(crate) unsafe fn give_back(&mut self, chunk: NonNull<Chunk>) {
        let chunk = chunk.cast::<u8>();
        let Some(at) = self
            .list
            .partition_point(|segment| segment.base <= chunk)
            .checked_sub(1)
        else {
            debug_assert!(false, "a chunk of no segment");
            return;
        };
        let segment = &mut self.list[at];
        let index = (chunk.as_ptr() as usize - segment.base.as_ptr() as usize) / CHUNK;
        segment.free |= 1 << index;
        self.free += 1;
        if segment.free == ALL_FREE {
            let segment = self.list.remove(at);
            self.free -= CHUNKS;
            // SAFETY: no chunk of the segment is in use.
            unsafe { system::unmap(segment.mapping) };
        } else {
            // SAFETY: the chunk's memory is this segment's, and not in use.
            unsafe { discard(chunk, CHUNK) };
        }
    }
}

/// Tells the system that the content of pages is not needed: they read as zeros afterwards, or as before where the
/// system has no such call.
///
/// # Safety
/// The pages are this heap's, and nothing relies on what is in them.
pub(crate) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { system::discard(start, bytes) }
}

/// Whether [`discard`] gives memory back, and leaves zeros.
pub(crate) const CAN_DISCARD: bool = cfg!(all(target_os = "linux", not(miri)));

/// Has the C library take large blocks from the system one by one, so that they grow without being copied and go back
/// when they are freed. For the owner of a process, at its start: it concerns all that allocates.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    {
        use std::ffi::c_int;
        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        const M_TRIM_THRESHOLD: c_int = -1;
        const M_MMAP_THRESHOLD: c_int = -3;
        // SAFETY: sets numbers of the allocator.
        unsafe {
            mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
            mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BLOCK);
        }
    }
}

/// Has the C library give free memory back to the system, where it can.
pub(crate) fn trim_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: may be called at any time.
        unsafe { malloc_trim(0) };
    }
}

#[cfg(all(unix, not(miri)))]
mod system {
    use std::ptr::NonNull;

    use rustix::mm::{Advice, MapFlags, ProtFlags};

    use super::{CHUNK, CHUNKS};

    /// Address and size.
    pub(super) type Mapping = (NonNull<u8>, usize);

    /// A segment: its mapping and its first chunk, aligned as chunks are.
    pub(super) fn map() -> Option<(Mapping, NonNull<u8>)> {
        const SIZE: usize = CHUNKS * CHUNK;
        let first = reserve(SIZE)?;
        if first.as_ptr() as usize & (CHUNK - 1) == 0 {
            return Some(((first, SIZE), first));
        }
        // SAFETY: just mapped, and not used.
        unsafe { unmap((first, SIZE)) };
        let wider = SIZE + CHUNK;
        let start = reserve(wider)?;
        let skip = start.as_ptr().align_offset(CHUNK);
        // SAFETY: the mapping is a chunk longer than the segment. What lies around the segment is not used, and given
        // back so that the next mapping can lie against it.
        unsafe {
            let base = start.add(skip);
            if skip > 0 {
                unmap((start, skip));
            }
            let rest = wider - skip - SIZE;
            if rest > 0 {
                unmap((base.add(SIZE), rest));
            }
            Some(((base, SIZE), base))
        }
    }

    fn reserve(size: usize) -> Option<NonNull<u8>> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                size,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        };
        NonNull::new(start.ok()?.cast())
    }

    pub(super) unsafe fn unmap((start, size): Mapping) {
        // SAFETY: the caller gives up a mapping of this heap.
        let unmapped = unsafe { rustix::mm::munmap(start.as_ptr().cast(), size) };
        debug_assert!(unmapped.is_ok());
    }

    pub(super) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
        let advice = if cfg!(target_os = "linux") {
            Advice::LinuxDontNeed
        } else {
            Advice::Normal
        };
        // SAFETY: the caller's promise. Advice that is refused changes nothing but what the process holds.
        let _ = unsafe { rustix::mm::madvise(start.as_ptr().cast(), bytes, advice) };
    }
}

#[cfg(not(all(unix, not(miri))))]
mod system {
    use std::alloc::Layout;
    use std::ptr::NonNull;

    use super::CHUNK;

    /// The chunk.
    pub(super) type Mapping = NonNull<u8>;

    const LAYOUT: Layout = match Layout::from_size_align(CHUNK, CHUNK) {
        Ok(layout) => layout,
        Err(_) => panic!("chunk layout"),
    };

    pub(super) fn map() -> Option<(Mapping, NonNull<u8>)> {
        // SAFETY: the layout is not empty.
        let base = NonNull::new(unsafe { std::alloc::alloc(LAYOUT) })?;
        Some((base, base))
    }

    pub(super) unsafe fn unmap(mapping: Mapping) {
        // SAFETY: the caller gives up what `map` took.
        unsafe { std::alloc::dealloc(mapping.as_ptr(), LAYOUT) };
    }

    pub(super) unsafe fn discard(_: NonNull<u8>, _: usize) {}
}
