//! The 16 bytes in front of every object.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0–3 | `count` | owners; from 2^31 on it is stuck and the object immortal, or trapped: see `candidate` |
//! | 4 | `kind` | the value's tag; 0 marks a free block |
//! | 5 | `flags` | see [`flag`] |
//! | 6 | `class` | size class; 255 = an allocation of its own |
//! | 7 | `small` | instance: slot count or 255; table: 1 for a set; dict: values that a record has room for; set: elements that its own block has room for |
//! | 8–11 | `shape` | instance, shape, record: shape id; string, enum value: hash; items: length |
//! | 12–15 | `site` | allocation site when sites are recorded |
//!
//! A dead object on the release list keeps its `shape` in `count` and the next dead object in bytes 8–15.
#![expect(unsafe_code, reason = "releasing frees the memory behind the pointer")]

use std::cell::Cell;
use std::ptr::NonNull;

/// Bits of [`Header::flags`].
pub mod flag {
    /// The heap's side table has a record for this object.
    pub const HAS_SIDE: u8 = 1;
    /// A snapshot of this collection's buffer or table may exist.
    pub const SHARED_BUFFER: u8 = 2;
    /// String: may be in the heap's table of recent strings. No collection has this flag, no string the one above.
    pub const RECENT: u8 = 2;
    /// Collector: reached from outside in the pass under way.
    pub const REACHED: u8 = 4;
    /// Collector: the pass in slices has its address, and is still to trace it. Old objects only, which are never in the
    /// young set that `REACHED` is about.
    pub const GRAY: u8 = REACHED;
    /// Display: on the path being printed.
    pub const ON_PATH: u8 = 8;
    /// The string is in the heap's intern table.
    pub const INTERNED: u8 = 16;
    /// Container: the pass in slices asks whether it is dead; see `candidate`.
    pub const CANDIDATE: u8 = 16;
    /// Container: a write has to look first, whether a snapshot exists or the collector is to be told.
    pub const GUARDED: u8 = SHARED_BUFFER | CANDIDATE;
    /// Collector: the items of an array that the pass under way has taken.
    pub const LISTED: u8 = 32;
    /// Collector: marked by the last full pass, or not, as `mark` explains.
    pub const MARK: u8 = 64;
    /// Generation: a pass has found the object reachable. Objects without it are young.
    pub const OLD: u8 = 128;
}

/// The count at which an object becomes immortal, with room for stray changes on both sides.
pub(crate) const STICKY: u32 = 0xE000_0000;

/// The common beginning of every object; see the module.
#[repr(C, align(8))]
pub struct Header {
    /// Owners.
    pub count: Cell<u32>,
    /// The value's tag.
    pub kind: u8,
    /// See [`flag`].
    pub flags: Cell<u8>,
    /// Size class, 255 for an allocation of its own.
    pub class: u8,
    /// A small number whose meaning depends on the kind.
    pub small: Cell<u8>,
    /// Shape id, hash or length, by kind.
    pub shape: Cell<u32>,
    /// Allocation site, 0 when unknown.
    pub site: Cell<u32>,
}

const _: () = assert!(size_of::<Header>() == 16);

impl Header {
    pub(crate) const fn new(kind: u8, class: u8, small: u8, shape: u32) -> Self {
        Self {
            count: Cell::new(1),
            kind,
            flags: Cell::new(0),
            class,
            small: Cell::new(small),
            shape: Cell::new(shape),
            site: Cell::new(0),
        }
    }

    /// Adds a count.
    #[inline(always)]
    pub fn retain(&self) {
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        if count.cast_signed() < 0 {
            self.retained_beyond();
        }
    }

    /// Gives one count back; the last one frees the object.
    ///
    /// # Safety
    /// `this` is a live object and the caller owns a count that it gives up.
    #[inline(always)]
    pub unsafe fn release(this: NonNull<Self>) {
        // SAFETY: alive by the caller's promise.
        let header = unsafe { this.as_ref() };
        let count = header.count.get().wrapping_sub(1);
        header.count.set(count);
        if count.cast_signed() <= 0 {
            // SAFETY: the count just went to zero, or is stuck.
            unsafe { super::release::count_reached_zero(this) };
        }
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    /// Sets a flag.
    #[inline(always)]
    pub fn set_flag(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    /// Clears a flag.
    #[inline(always)]
    pub fn clear_flag(&self, flag: u8) {
        self.flags.set(self.flags.get() & !flag);
    }
}
