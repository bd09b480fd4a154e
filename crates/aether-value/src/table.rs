//! The ordered hash table under dicts and sets.
//!
//! Entries stand in a vector in order of insertion; a removed one leaves a tombstone. How a key is found depends on
//! what the table holds:
//! - *Packed*: the keys are the ints from `origin` on, in order, so a key says its position. No hash, no index.
//! - *Direct*: the keys are ints that lie close together. The index has a slot for each int from `origin` on, which
//!   holds the position of its entry. No hash.
//! - *Hashed*: up to eight entries are searched in a row. Beyond that an index of positions stands over them: slots
//!   for a power of two, probed one after the other. A slot is a position in its low bits, as many as the number of
//!   slots needs, and bits of the key's hash above: a probe looks at an entry only if these agree. An entry keeps its
//!   key's 32-bit hash in the key's padding, so growing the index computes no hash.
//! - *Growing*: hashed, with two indexes. A large index does not grow at once: the old one stays, with the positions
//!   that it has, and each insertion enters some of them into the new one, which gets what is new. A key is looked up
//!   in both. So an insertion takes no longer than any other, however many entries there are.
//!
//! An empty table whose first key is an int is packed. When that ends, and whenever the index grows, the table becomes
//! direct if its keys allow it in an index of the size that hashing would take, and hashed if not; a direct one becomes
//! hashed with the first key that does not fit. So a change costs a pass over the entries at most as often as growing
//! does.
//!
//! Invariants
//! - `first..len` are the used positions; all below `first` are tombstones; the entry at `len - 1` is live.
//! - In a packed table the entry at position `p` is a tombstone, or its key is the int `origin + p` (wrapping).
//! - A growing table's old index has half as many slots as the new one, and every position below the first that is not
//!   in it; `origin` holds that and the number of positions that are in both. What changes positions, or takes the last
//!   one away, ends the growing first.
//! - The index of a direct table holds the live positions, that of a hashed one every position below `len`,
//!   tombstones included, if these are more than eight. An index that is not used is empty.
//! - At most three quarters of as many positions as an index has slots are used, so that every probe ends.
//! - In a hashed table hashes are set; a tombstone keeps its key's, by which its slot is found.
//! - Positions change only in `compact`, which only an insertion that needs room calls.
//! - A table with more than one owner is not written; see `dict` and `set`.
#![expect(unsafe_code, reason = "entries are raw memory behind a pointer")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::array::{MAX_ITEMS, grown};
use crate::hash::{hash_key, int_hash, same_key};
use crate::heap::growth_steps;
use crate::heap::{EMBEDDED, Inner, Memory, Visitor};
use crate::{Header, Heap, Object, Raise, Raw, Rc, Str, Value, tag};

/// Entries that are searched without an index.
const LINEAR: usize = 8;

/// Bytes from one entry to the next, of a dict and of a set.
const DICT: usize = 2 * size_of::<Raw>();
const SET: usize = size_of::<Raw>();

/// A slot of the index without a position; others hold the position and one. So memory of zeros is an empty index, and
/// the pages of a large one are touched when they are needed.
const EMPTY: u32 = 0;
/// Slots from which on an index grows by and by.
const LARGE_INDEX: usize = 1 << 15;
/// Entries that are copied, or entered into an index, between two checkpoints.
const PIECE: u32 = 16 << 10;
/// Positions that each insertion enters into the new index of a growing table.
const MOVED_AT_ONCE: u32 = 8;

/// Ordered entries, those of a dict or only keys for a set.
#[repr(C)]
pub struct Table {
    pub(crate) header: Header,
    entries: Cell<*mut Key>,
    len: Cell<u32>,
    cap: Cell<u32>,
    live: Cell<u32>,
    first: Cell<u32>,
    /// Slots of the index, less one; 0 without an index.
    mask: Cell<u32>,
    mode: Cell<Mode>,
    index: Cell<*mut u32>,
    /// The key of a packed table's position 0, and of a direct one's slot 0; of a growing one two numbers.
    origin: Cell<i64>,
    /// What the heap hashes numbers under.
    secret: u64,
    /// The smaller index of a growing table.
    old_index: Cell<*mut u32>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Table>() == 80);

// SAFETY: repr(C), header first, made by dicts and sets only.
unsafe impl Object for Table {}

/// How keys are found; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    Hashed,
    Packed,
    Direct,
    Growing,
}

/// A key with its hash in the padding; the same bytes as a `Raw`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) tag: u8,
    pub(crate) hash: u32,
    pub(crate) payload: u64,
}

const _: () = assert!(size_of::<Key>() == size_of::<Raw>() && std::mem::offset_of!(Key, payload) == 8);

impl Key {
    pub(crate) fn new(raw: Raw, hash: u32) -> Self {
        Self {
            tag: raw.tag,
            hash,
            payload: raw.payload,
        }
    }

    /// Whether this key is a string with this hash and text.
    #[inline(always)]
    pub(crate) fn is_string(&self, text: &Str, hash: u32) -> bool {
        // SAFETY: a key with this tag refers to a string that is alive.
        self.hash == hash && self.tag == tag::STRING && unsafe { self.raw().object::<Str>() }.equals(text)
    }

    /// The text of a key that is a string.
    #[inline(always)]
    pub(crate) fn text(&self) -> &Str {
        debug_assert!(self.tag == tag::STRING);
        // SAFETY: a key with this tag refers to a string that is alive.
        unsafe { self.raw().object::<Str>() }
    }

    #[inline(always)]
    pub(crate) fn raw(self) -> Raw {
        Raw {
            tag: self.tag,
            payload: self.payload,
        }
    }

    /// The key as a value's bytes.
    #[inline(always)]
    pub(crate) fn as_raw(&self) -> &Raw {
        // SAFETY: the same layout, but for what a value leaves undefined.
        unsafe { &*std::ptr::from_ref(self).cast::<Raw>() }
    }
}

/// The position of an entry; valid until the next insertion or removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryIndex(pub(crate) u32);

impl EntryIndex {
    /// The entry of a record at this slot.
    pub fn new(slot: u16) -> Self {
        Self(u32::from(slot))
    }
}

/// The hash of a key, or the error that it cannot be one.
#[inline]
pub(crate) fn key_hash(heap: &Heap, key: &Value) -> Result<u32, Raise> {
    hash_key(heap, key).ok_or_else(|| Raise::not_hashable(&key.type_name()))
}

impl Table {
    const fn parts(header: Header, secret: u64) -> Self {
        Self {
            header,
            entries: Cell::new(std::ptr::null_mut()),
            len: Cell::new(0),
            cap: Cell::new(0),
            live: Cell::new(0),
            first: Cell::new(0),
            mask: Cell::new(0),
            mode: Cell::new(Mode::Hashed),
            index: Cell::new(std::ptr::null_mut()),
            origin: Cell::new(0),
            secret,
            old_index: Cell::new(std::ptr::null_mut()),
        }
    }

    /// The record's own empty table.
    pub(crate) const fn embedded() -> Self {
        Self::parts(Header::new(tag::TABLE, EMBEDDED, 0, 0), 0)
    }

    /// A new table, for keys only if `is_set`.
    pub(crate) fn create(heap: &Heap, is_set: bool) -> Result<Rc<Self>, Raise> {
        let size = size_of::<Self>();
        let object = heap.inner().alloc(size, tag::TABLE, u8::from(is_set), 0);
        if object.is_null() {
            return Err(heap.out_of_memory(size));
        }
        // SAFETY: a new object of this size, whose count goes to the result; its header is written again as it is.
        unsafe {
            let header = object.read();
            object
                .cast::<Self>()
                .write(Self::parts(header, heap.inner().key_secret()));
            Ok(Rc::from_ptr(object.cast()))
        }
    }

    /// Bytes from one entry to the next.
    #[inline]
    fn stride(&self) -> usize {
        if self.header.small.get() == 0 { DICT } else { SET }
    }

    #[inline]
    fn key_at(&self, position: u32) -> *mut Key {
        self.entries
            .get()
            .wrapping_byte_add(position as usize * self.stride())
    }

    #[inline]
    fn key(&self, position: u32) -> &Key {
        debug_assert!(position < self.len.get());
        // SAFETY: positions below `len` are initialised; nothing is written while the borrow lasts.
        unsafe { &*self.key_at(position) }
    }

    /// The same where the entries are known to be so far apart.
    #[inline(always)]
    fn key_of<const STRIDE: usize>(&self, position: u32) -> &Key {
        debug_assert!(position < self.len.get() && STRIDE == self.stride());
        // SAFETY: as above.
        unsafe { &*self.entries.get().wrapping_byte_add(position as usize * STRIDE) }
    }

    /// Bytes of the index.
    fn index_bytes(&self) -> usize {
        if self.index.get().is_null() {
            0
        } else {
            (self.mask.get() as usize + 1) * size_of::<u32>()
        }
    }

    /// Where the value of a dict's entry is.
    #[inline]
    fn value_ptr(&self, position: u32) -> *mut Raw {
        debug_assert!(self.header.small.get() == 0);
        self.key_at(position).wrapping_add(1).cast()
    }

    /// Number of live entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.live.get() as usize
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.live.get() == 0
    }

    /// The entry with this key; no entry if no key can be like it.
    #[inline]
    pub fn entry(&self, key: &Value) -> Option<EntryIndex> {
        match key {
            Value::Int(number) => self.entry_of_int(*number),
            Value::String(text) => self.entry_of(text),
            _ if self.is_empty() => None,
            _ => self.entry_hashed(key, hash_key(&Heap::of(self), key)?),
        }
    }

    /// The entry with this string key.
    #[inline]
    pub fn entry_of(&self, text: &Str) -> Option<EntryIndex> {
        if self.header.small.get() == 0 {
            self.position_of_string::<DICT>(text)
        } else {
            self.position_of_string::<SET>(text)
        }
    }

    /// The same for a table whose entries are so far apart.
    #[inline(always)]
    fn position_of_string<const STRIDE: usize>(&self, text: &Str) -> Option<EntryIndex> {
        if self.len.get() == 0 || self.mode.get() != Mode::Hashed {
            return self.string_elsewhere(text);
        }
        let hash = text.hash();
        if self.len.get() as usize <= LINEAR {
            return self.scan_string(text, hash);
        }
        self.probe::<STRIDE>(hash, |key| key.is_string(text, hash))
    }

    /// The entry with this string key in a table that is empty or not just hashed.
    #[cold]
    #[inline(never)]
    fn string_elsewhere(&self, text: &Str) -> Option<EntryIndex> {
        if self.mode.get() != Mode::Growing {
            return None;
        }
        let hash = text.hash();
        self.probe_both(hash, |key| key.is_string(text, hash))
    }

    #[inline(never)]
    fn scan_string(&self, text: &Str, hash: u32) -> Option<EntryIndex> {
        self.scan(|key| key.is_string(text, hash))
    }

    /// The entry with this int key.
    #[inline]
    pub fn entry_of_int(&self, number: i64) -> Option<EntryIndex> {
        if self.header.small.get() == 0 {
            self.position_of_int::<DICT>(number)
        } else {
            self.position_of_int::<SET>(number)
        }
    }

    /// Whether an int is an element of a set's table.
    #[inline(always)]
    pub(crate) fn has_int(&self, number: i64) -> bool {
        debug_assert!(self.header.small.get() != 0);
        self.position_of_int::<SET>(number).is_some()
    }

    /// The same for a table whose entries are so far apart.
    #[inline(always)]
    fn position_of_int<const STRIDE: usize>(&self, number: i64) -> Option<EntryIndex> {
        let mode = self.mode.get();
        if mode == Mode::Direct {
            let at = number.wrapping_sub(self.origin.get()).cast_unsigned();
            if at <= u64::from(self.mask.get()) {
                let slot = self.slot(at as u32);
                if slot != EMPTY {
                    return Some(EntryIndex(slot - 1));
                }
            }
            return None;
        }
        if mode == Mode::Packed {
            let position = number.wrapping_sub(self.origin.get()).cast_unsigned();
            if position < u64::from(self.len.get())
                && self.key_of::<STRIDE>(position as u32).tag != tag::UNSET
            {
                return Some(EntryIndex(position as u32));
            }
            return None;
        }
        if self.len.get() as usize <= LINEAR {
            return self.scan_int(number);
        }
        if mode == Mode::Growing {
            return self.int_in_both(number);
        }
        self.probe::<STRIDE>(int_hash(self.secret, number), |key| {
            key.payload == number.cast_unsigned() && key.tag == tag::INT
        })
    }

    #[cold]
    #[inline(never)]
    fn int_in_both(&self, number: i64) -> Option<EntryIndex> {
        self.probe_both(int_hash(self.secret, number), |key| {
            key.payload == number.cast_unsigned() && key.tag == tag::INT
        })
    }

    #[inline(never)]
    fn scan_int(&self, number: i64) -> Option<EntryIndex> {
        self.scan(|key| key.payload == number.cast_unsigned() && key.tag == tag::INT)
    }

    /// Where the value under a key is in a dict's table; null if there is none, or if the key is neither an int nor a
    /// string.
    ///
    /// # Safety
    /// This is a dict's, and `key` a value.
    #[inline(always)]
    pub(crate) unsafe fn find_place(&self, key: Raw) -> *mut Raw {
        debug_assert!(self.header.small.get() == 0);
        match key.tag {
            tag::INT => self.place_or_null(self.position_of_int::<DICT>(key.payload.cast_signed())),
            // SAFETY: a value with this tag refers to a string that is alive.
            tag::STRING => self.place_of_string(unsafe { key.object::<Str>() }),
            _ => std::ptr::null_mut(),
        }
    }

    /// The same for a string: a call of its own, so that the way of an int has no registers to save.
    #[inline(never)]
    fn place_of_string(&self, text: &Str) -> *mut Raw {
        self.place_or_null(self.position_of_string::<DICT>(text))
    }

    /// Where the value of a dict's entry is, if there is one.
    #[inline(always)]
    fn place_or_null(&self, entry: Option<EntryIndex>) -> *mut Raw {
        match entry {
            Some(entry) => self
                .entries
                .get()
                .wrapping_byte_add(entry.0 as usize * DICT + size_of::<Key>())
                .cast(),
            None => std::ptr::null_mut(),
        }
    }

    /// The entry with this key, whose hash is known.
    #[inline]
    pub(crate) fn entry_hashed(&self, key: &Value, hash: u32) -> Option<EntryIndex> {
        match key {
            Value::String(text) => self.entry_of(text),
            Value::Int(number) => self.entry_of_int(*number),
            _ => self.value_entry(hash, |known| same_key(known, key)),
        }
    }

    /// The entry with this hash whose key, as a value, `is_it` accepts; not for ints.
    fn value_entry(&self, hash: u32, is_it: impl Fn(&Value) -> bool) -> Option<EntryIndex> {
        self.find(hash, |key| {
            let raw = key.raw();
            // SAFETY: what is no tombstone is a value, alive in its entry.
            key.hash == hash && key.tag != tag::UNSET && is_it(unsafe { raw.as_value() })
        })
    }

    /// The entry with this hash whose key, which is no int, `is_it` accepts.
    #[inline]
    fn find(&self, hash: u32, is_it: impl Fn(&Key) -> bool) -> Option<EntryIndex> {
        if self.mode.get() == Mode::Growing {
            self.probe_both(hash, is_it)
        } else if self.mode.get() != Mode::Hashed {
            None
        } else if self.len.get() as usize <= LINEAR {
            self.scan(is_it)
        } else if self.header.small.get() == 0 {
            self.probe::<DICT>(hash, is_it)
        } else {
            self.probe::<SET>(hash, is_it)
        }
    }

    /// The entry whose key `is_it` accepts, one after the other.
    #[inline]
    fn scan(&self, is_it: impl Fn(&Key) -> bool) -> Option<EntryIndex> {
        (self.first.get()..self.len.get())
            .find(|&position| is_it(self.key(position)))
            .map(EntryIndex)
    }

    /// The entry with this hash whose key `is_it` accepts, by the index.
    #[inline(always)]
    fn probe<const STRIDE: usize>(&self, hash: u32, is_it: impl Fn(&Key) -> bool) -> Option<EntryIndex> {
        self.probe_index(self.index.get(), self.mask.get(), hash, |position| {
            is_it(self.key_of::<STRIDE>(position))
        })
    }

    /// The same in both indexes of a growing table.
    fn probe_both(&self, hash: u32, is_it: impl Fn(&Key) -> bool) -> Option<EntryIndex> {
        let (old, new) = (self.old_index.get(), self.index.get());
        let mask = self.mask.get();
        let found = self.probe_index(old, mask / 2, hash, |position| is_it(self.key(position)));
        found.or_else(|| self.probe_index(new, mask, hash, |position| is_it(self.key(position))))
    }

    #[inline(always)]
    #[expect(clippy::unused_self, reason = "the index is this table's")]
    fn probe_index(
        &self,
        index: *const u32,
        mask: u32,
        hash: u32,
        is_it: impl Fn(u32) -> bool,
    ) -> Option<EntryIndex> {
        let mut at = hash & mask;
        loop {
            // SAFETY: callers pass an index of this table, with `mask + 1` slots.
            let slot = unsafe { *index.add(at as usize) };
            if slot == EMPTY {
                return None;
            }
            if (slot ^ hash) & !mask == 0 {
                let position = (slot & mask) - 1;
                if is_it(position) {
                    return Some(EntryIndex(position));
                }
            }
            at = at.wrapping_add(1) & mask;
        }
    }

    /// A slot of the index.
    #[inline]
    fn slot(&self, at: u32) -> u32 {
        debug_assert!(at <= self.mask.get() && !self.index.get().is_null());
        // SAFETY: the index has `mask + 1` slots.
        unsafe { *self.index.get().add(at as usize) }
    }

    #[inline]
    fn set_slot(&self, at: u32, slot: u32) {
        debug_assert!(at <= self.mask.get() && !self.index.get().is_null());
        // SAFETY: the index has `mask + 1` slots.
        unsafe { *self.index.get().add(at as usize) = slot };
    }

    /// Enters a position into the index of a hashed table, which has room for it.
    #[inline]
    fn enter(&self, hash: u32, position: u32) {
        let mask = self.mask.get();
        debug_assert!((position as usize) < room(mask));
        let mut at = hash & mask;
        while self.slot(at) != EMPTY {
            at = at.wrapping_add(1) & mask;
        }
        self.set_slot(at, hash & !mask | (position + 1));
    }

    /// Enters into an empty index what belongs there, by the mode; or, if the table is direct, enters it anew after
    /// positions have changed.
    fn enter_all(&self) {
        match self.mode.get() {
            Mode::Packed | Mode::Growing => {}
            Mode::Direct => {
                for position in self.first.get()..self.len.get() {
                    let key = self.key(position);
                    if key.tag != tag::UNSET {
                        self.set_slot(self.direct_slot(key.payload), position + 1);
                    }
                }
            }
            Mode::Hashed => {
                for position in 0..self.len.get() {
                    self.enter(self.key(position).hash, position);
                }
            }
        }
    }

    /// The slot of a key of a direct table.
    fn direct_slot(&self, key: u64) -> u32 {
        key.wrapping_sub(self.origin.get().cast_unsigned()) as u32
    }

    /// Takes a position out of the index of a hashed table; slots that were probed past it move up.
    fn leave(&self, position: u32) {
        let mask = self.mask.get();
        let mut hole = self.key(position).hash & mask;
        while self.slot(hole) == EMPTY || self.slot(hole) & mask != position + 1 {
            hole = hole.wrapping_add(1) & mask;
        }
        let mut at = hole;
        loop {
            at = at.wrapping_add(1) & mask;
            let slot = self.slot(at);
            if slot == EMPTY {
                break;
            }
            let home = self.key((slot & mask) - 1).hash & mask;
            // Not if it would come to stand before the slot where its probe begins.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.set_slot(hole, slot);
                hole = at;
            }
        }
        self.set_slot(hole, EMPTY);
    }

    /// Empties the index, if there is one.
    fn clear_index(&self) {
        if !self.index.get().is_null() {
            // SAFETY: the index has `mask + 1` slots; four bytes of zeros are `EMPTY`.
            unsafe { self.index.get().write_bytes(0, self.mask.get() as usize + 1) };
        }
    }

    /// The entry under a string key.
    pub fn entry_str(&self, key: &str) -> Option<EntryIndex> {
        if self.is_empty() {
            return None;
        }
        let hash = Str::hash_text(&Heap::of(self), key);
        self.value_entry(hash, |known| known.as_str() == Some(key))
    }

    /// Writes the value of an entry that holds none which would have to be released.
    pub(crate) fn put(&self, entry: EntryIndex, value: Raw) {
        debug_assert!(entry.0 < self.len.get() && !self.value_at(entry).is_counted());
        // SAFETY: entries below `len` are initialised.
        unsafe { self.value_ptr(entry.0).write(value) };
    }

    /// The value of an entry of a dict's table.
    #[inline]
    pub fn value_at(&self, entry: EntryIndex) -> &Raw {
        debug_assert!(entry.0 < self.len.get());
        // SAFETY: entries below `len` are initialised.
        unsafe { &*self.value_ptr(entry.0) }
    }

    /// Puts a value into an entry; gives the old one.
    #[inline]
    pub(crate) fn set_value_at(&self, entry: EntryIndex, value: Value) -> Value {
        debug_assert!(entry.0 < self.len.get());
        // SAFETY: entries below `len` are initialised; the old value's count goes to the caller.
        unsafe {
            let slot = self.value_ptr(entry.0);
            let old = slot.read();
            slot.write(Raw::from_value(value));
            old.into_value()
        }
    }

    /// The value under a key.
    #[inline]
    pub fn get(&self, key: &Value) -> Option<&Raw> {
        self.entry(key).map(|entry| self.value_at(entry))
    }

    /// The first live entry at or after `position`: the next position, the key, and the value (null for a set).
    #[inline]
    pub fn entry_at(&self, position: usize) -> Option<(usize, &Raw, &Raw)> {
        const NONE: Raw = Raw::null();
        let mut at = (position.min(u32::MAX as usize) as u32).max(self.first.get());
        while at < self.len.get() {
            if self.key(at).tag != tag::UNSET {
                let value = if self.header.small.get() == 0 {
                    self.value_at(EntryIndex(at))
                } else {
                    &NONE
                };
                // SAFETY: a live entry's first 16 bytes are a value's.
                let key = unsafe { &*self.key_at(at).cast::<Raw>() };
                return Some((at as usize + 1, key, value));
            }
            at += 1;
        }
        None
    }

    /// Appends an entry whose key is not there yet; takes over both counts on success.
    pub(crate) fn append(&self, heap: &Heap, key: Raw, hash: u32, value: Raw) -> Result<(), Raise> {
        match self.mode.get() {
            Mode::Hashed => {}
            Mode::Growing => self.move_some(heap),
            Mode::Packed | Mode::Direct => self.turn_hashed(heap)?,
        }
        self.append_hashed(heap, key, hash, value)
    }

    fn append_hashed(&self, heap: &Heap, key: Raw, hash: u32, value: Raw) -> Result<(), Raise> {
        if self.len.get() == self.cap.get() {
            self.make_room(heap)?;
        }
        let position = self.len.get();
        if position as usize == LINEAR
            || position as usize >= LINEAR && position as usize >= room(self.mask.get())
        {
            let number = (key.tag == tag::INT).then_some(key.payload.cast_signed());
            self.make_index(heap, position as usize + 1, number)?;
        }
        if self.mode.get() == Mode::Direct {
            self.set_slot(self.direct_slot(key.payload), position + 1);
        } else if position as usize >= LINEAR {
            self.enter(hash, position);
        }
        self.write_last(Key::new(key, hash), value);
        Ok(())
    }

    /// The same for an int key.
    pub(crate) fn append_int(&self, heap: &Heap, number: i64, value: Raw) -> Result<(), Raise> {
        if self.len.get() == 0 {
            if self.cap.get() == 0 {
                self.make_room(heap)?;
            }
            self.mode.set(Mode::Packed);
            self.origin.set(number);
        } else if self.len.get() == self.cap.get() {
            self.make_room(heap)?;
        }
        let position = self.len.get();
        let offset = number.wrapping_sub(self.origin.get()).cast_unsigned();
        match self.mode.get() {
            Mode::Packed if offset == u64::from(position) => {}
            Mode::Direct
                if offset <= u64::from(self.mask.get()) && (position as usize) < room(self.mask.get()) =>
            {
                self.set_slot(offset as u32, position + 1);
            }
            Mode::Hashed => return self.append_hashed_int(heap, number, value),
            Mode::Growing => {
                self.move_some(heap);
                return self.append_hashed_int(heap, number, value);
            }
            Mode::Packed if position as usize <= LINEAR => {
                self.turn_hashed(heap)?;
                return self.append_hashed_int(heap, number, value);
            }
            Mode::Packed | Mode::Direct => {
                let fits = (position as usize) < room(self.mask.get());
                if fits && self.mode.get() == Mode::Direct {
                    self.turn_hashed(heap)?;
                } else {
                    self.make_index(heap, position as usize + 1, Some(number))?;
                }
                return self.append_hashed_int(heap, number, value);
            }
        }
        self.write_last(Key::new(Raw::int(number), 0), value);
        Ok(())
    }

    fn append_hashed_int(&self, heap: &Heap, number: i64, value: Raw) -> Result<(), Raise> {
        self.append_hashed(heap, Raw::int(number), int_hash(self.secret, number), value)
    }

    /// Writes an entry behind the last, where there is room.
    #[inline]
    fn write_last(&self, key: Key, value: Raw) {
        let position = self.len.get();
        debug_assert!(position < self.cap.get());
        // SAFETY: there is room for one more entry.
        unsafe {
            self.key_at(position).write(key);
            if self.header.small.get() == 0 {
                self.value_ptr(position).write(value);
            }
        }
        self.len.set(position + 1);
        self.live.set(self.live.get() + 1);
    }

    /// Where the value of a dict's last entry is.
    pub(crate) fn last_place(&self) -> *mut Raw {
        self.value_ptr(self.len.get() - 1)
    }

    /// Makes a packed or direct table a hashed one. What fails leaves it as it was.
    #[cold]
    #[inline(never)]
    fn turn_hashed(&self, heap: &Heap) -> Result<(), Raise> {
        let is_large = self.len.get() as usize > LINEAR;
        if self.mode.get() == Mode::Packed && is_large {
            return self.make_index(heap, self.len.get() as usize + 1, None);
        }
        self.compute_hashes(heap)?;
        let was_direct = self.mode.get() == Mode::Direct;
        if was_direct {
            // As many slots are in use as there are entries.
            if self.len.get() > self.mask.get() / 8 {
                self.clear_index();
            } else {
                self.each_position(|_, key| self.set_slot(self.direct_slot(key.payload), EMPTY));
            }
        }
        if is_large && let Err(raise) = self.enter_hashed(heap) {
            if was_direct {
                self.enter_all();
            }
            return Err(raise);
        }
        self.mode.set(Mode::Hashed);
        Ok(())
    }

    /// Sets the hashes of a table that has none, with checkpoints; its mode stays, in which nothing reads them.
    fn compute_hashes(&self, heap: &Heap) -> Result<(), Raise> {
        if self.mode.get() == Mode::Hashed {
            return Ok(());
        }
        for position in 0..self.len.get() {
            look_at(heap, position)?;
            // What is no int is a tombstone, which only needs some hash.
            let hash = int_hash(self.secret, self.key(position).payload.cast_signed());
            // SAFETY: positions below `len` are initialised.
            unsafe { (*self.key_at(position)).hash = hash };
        }
        Ok(())
    }

    /// Enters all positions by their hashes into the index, which is empty, with checkpoints. What fails leaves it empty.
    fn enter_hashed(&self, heap: &Heap) -> Result<(), Raise> {
        for position in 0..self.len.get() {
            if let Err(raise) = look_at(heap, position) {
                self.clear_index();
                return Err(raise);
            }
            self.enter(self.key(position).hash, position);
        }
        Ok(())
    }

    /// The first key of a direct index of `slots` slots for the entries and this key, if all would fit.
    fn direct_origin(&self, number: i64, slots: u64) -> Option<i64> {
        let (mut low, mut high) = (number, number);
        for position in self.first.get()..self.len.get() {
            let key = self.key(position);
            if key.tag == tag::INT {
                let number = key.payload.cast_signed();
                low = low.min(number);
                high = high.max(number);
                if low.abs_diff(high) >= slots {
                    return None;
                }
            } else if key.tag != tag::UNSET {
                return None;
            }
        }
        if low >= 0 && high.cast_unsigned() < slots {
            return Some(0);
        }
        // As much room below as above.
        Some(low.wrapping_sub(((slots - 1 - low.abs_diff(high)) / 2).cast_signed()))
    }

    /// Removes an entry; gives its key and value.
    pub(crate) fn remove_at(&self, entry: EntryIndex) -> (Value, Value) {
        let position = entry.0;
        if self.mode.get() == Mode::Growing && (self.live.get() == 1 || position + 1 == self.len.get()) {
            self.end_growing(Heap::of(self).inner());
        }
        let key = *self.key(position);
        let value = if self.header.small.get() == 0 {
            *self.value_at(entry)
        } else {
            Raw::null()
        };
        if self.mode.get() == Mode::Direct {
            self.set_slot(self.direct_slot(key.payload), EMPTY);
        }
        // SAFETY: a live entry, which becomes a tombstone.
        unsafe { (*self.key_at(position)).tag = tag::UNSET };
        self.live.set(self.live.get() - 1);
        if self.live.get() == 0 {
            self.shorten(0);
            self.first.set(0);
            self.mode.set(Mode::Hashed);
        } else if position + 1 == self.len.get() {
            let mut len = position;
            while self.key(len - 1).tag == tag::UNSET {
                len -= 1;
            }
            self.shorten(len);
        } else if position == self.first.get() {
            let mut first = position + 1;
            while self.key(first).tag == tag::UNSET {
                first += 1;
            }
            self.first.set(first);
        }
        // SAFETY: the entry's counts go to the caller.
        unsafe { (key.raw().into_value(), value.into_value()) }
    }

    /// Drops tombstones from the end until `len` positions are left; the index too, if they are few.
    fn shorten(&self, len: u32) {
        let before = self.len.get();
        if self.mode.get() == Mode::Hashed && before as usize > LINEAR {
            let indexed = if len as usize > LINEAR { len } else { 0 };
            if indexed == 0 && before > self.mask.get() / 8 {
                self.clear_index();
            } else {
                // Each position once, which paid for it when it was entered.
                for position in (indexed..before).rev() {
                    self.leave(position);
                }
            }
        }
        self.len.set(len);
    }

    /// Makes room for one more entry: by closing the gaps if they are many, else by growing.
    #[cold]
    #[inline(never)]
    fn make_room(&self, heap: &Heap) -> Result<(), Raise> {
        let (cap, live) = (self.cap.get() as usize, self.len());
        if cap > 0 && live < cap - cap / 4 {
            let gaps = live < self.len.get() as usize - self.first.get() as usize;
            if self.mode.get() == Mode::Packed && gaps {
                if cap <= LINEAR {
                    self.turn_hashed(heap)?;
                } else {
                    let some = self.entry_at(0).map(|(_, key, _)| key.payload.cast_signed());
                    self.make_index(heap, cap + 1, some)?;
                }
            }
            self.compact();
            return Ok(());
        }
        if cap >= MAX_ITEMS {
            return Err(heap.out_of_memory(cap.saturating_mul(self.stride())));
        }
        let wanted = grown(cap, cap + 1);
        let mut steps = growth_steps(wanted - cap, 1);
        if steps.any(|more| self.grow_entries(heap, cap + more)) {
            return Ok(());
        }
        Err(heap.out_of_memory((wanted - cap).div_ceil(8) * self.stride()))
    }

    fn grow_entries(&self, heap: &Heap, cap: usize) -> bool {
        let stride = self.stride();
        let Some(bytes) = cap.checked_mul(stride) else {
            return false;
        };
        // SAFETY: the entries came from here with the old capacity.
        let memory = unsafe {
            let old = self.cap.get() as usize * stride;
            Memory::grow(heap.inner(), self.entries.get().cast(), old, bytes)
        };
        if !memory.is_null() {
            self.entries.set(memory.cast());
            self.cap.set(cap as u32);
        }
        !memory.is_null()
    }

    /// Room for exactly `count` entries, if there is none.
    pub(crate) fn reserve(&self, heap: &Heap, count: usize) -> Result<(), Raise> {
        if count <= self.cap.get() as usize || count <= MAX_ITEMS && self.grow_entries(heap, count) {
            Ok(())
        } else {
            Err(heap.out_of_memory(count.saturating_mul(self.stride())))
        }
    }

    /// Closes the gaps; positions change. A packed table has them only at its beginning.
    fn compact(&self) {
        self.end_growing(Heap::of(self).inner());
        let stride = self.stride();
        let first = self.first.get();
        if self.mode.get() == Mode::Hashed && self.len.get() as usize > LINEAR {
            self.clear_index();
        }
        let mut to = 0;
        for from in first..self.len.get() {
            if self.key(from).tag != tag::UNSET {
                if from != to {
                    // SAFETY: both positions are within the entries; live ones move down, in order.
                    unsafe {
                        let source = self.key_at(from).cast::<u8>();
                        source.copy_to_nonoverlapping(self.key_at(to).cast(), stride);
                    }
                }
                to += 1;
            }
        }
        self.len.set(to);
        self.first.set(0);
        if self.mode.get() == Mode::Packed {
            self.origin.set(self.origin.get().wrapping_add(i64::from(first)));
        }
        if self.mode.get() == Mode::Direct || to as usize > LINEAR {
            self.enter_all();
        }
    }

    /// Makes an index for `count` positions and enters the entries there are: directly if their keys and `number`, the
    /// next one, allow it. An index that exists and is not in use serves, if it is large enough.
    #[cold]
    #[inline(never)]
    fn make_index(&self, heap: &Heap, count: usize, number: Option<i64>) -> Result<(), Raise> {
        let before = self.mask.get() as usize + 1;
        let slots = slots_for(count).max(before);
        let origin = number.and_then(|number| self.direct_origin(number, slots as u64));
        let doubles = self.mode.get() == Mode::Hashed && slots == 2 * before;
        if doubles && slots > LARGE_INDEX && origin.is_none() {
            return self.begin_growing(heap, slots);
        }
        if let Some(origin) = origin {
            self.take_index(heap, slots)?;
            self.origin.set(origin);
            self.mode.set(Mode::Direct);
            self.enter_all();
            return Ok(());
        }
        self.compute_hashes(heap)?;
        self.hash_into(heap, slots)?;
        self.mode.set(Mode::Hashed);
        Ok(())
    }

    /// Enters all positions by their hashes into an empty index of so many slots, which takes the place of one that is
    /// smaller. What fails leaves the table as it was.
    fn hash_into(&self, heap: &Heap, slots: usize) -> Result<(), Raise> {
        debug_assert!(self.old_index.get().is_null());
        let (old, old_mask, old_bytes) = (self.index.get(), self.mask.get(), self.index_bytes());
        if slots - 1 <= old_mask as usize {
            return self.enter_hashed(heap);
        }
        self.index.set(new_index(heap, slots)?);
        self.mask.set((slots - 1) as u32);
        let result = self.enter_hashed(heap);
        let (unused, bytes) = if result.is_ok() {
            (old, old_bytes)
        } else {
            (self.index.replace(old), slots * size_of::<u32>())
        };
        if result.is_err() {
            self.mask.set(old_mask);
        }
        // SAFETY: the index came from `Memory` with this size, and is forgotten.
        unsafe { Memory::free(heap.inner(), unused.cast(), bytes) };
        result
    }

    /// Takes memory for an empty index of so many slots, unless there is an index of that size, which is then not in
    /// use.
    fn take_index(&self, heap: &Heap, slots: usize) -> Result<(), Raise> {
        if slots - 1 <= self.mask.get() as usize {
            return Ok(());
        }
        let index = new_index(heap, slots)?;
        self.free_index(heap.inner());
        self.index.set(index);
        self.mask.set((slots - 1) as u32);
        Ok(())
    }

    // --- growing by and by ---

    /// Takes a second index of so many slots, twice what the first one has, which is full.
    fn begin_growing(&self, heap: &Heap, slots: usize) -> Result<(), Raise> {
        let index = new_index(heap, slots)?;
        self.old_index.set(self.index.replace(index));
        self.mask.set((slots - 1) as u32);
        self.set_growth(self.len.get(), 0);
        self.mode.set(Mode::Growing);
        Ok(())
    }

    /// How many positions the old index has, and how many of them are in the new one as well.
    fn growth(&self) -> (u32, u32) {
        let both = self.origin.get().cast_unsigned();
        ((both >> 32) as u32, both as u32)
    }

    fn set_growth(&self, old: u32, moved: u32) {
        let both = u64::from(old) << 32 | u64::from(moved);
        self.origin.set(both.cast_signed());
    }

    /// Enters the next positions of the old index into the new one, and ends the growing with the last.
    fn move_some(&self, heap: &Heap) {
        self.move_at_most(heap.inner(), MOVED_AT_ONCE);
    }

    fn move_at_most(&self, heap: &Inner, count: u32) {
        let (old, moved) = self.growth();
        let to = moved.saturating_add(count).min(old);
        for position in moved..to {
            self.enter(self.key(position).hash, position);
        }
        self.set_growth(old, to);
        if to == old {
            self.free_old_index(heap);
            self.mode.set(Mode::Hashed);
        }
    }

    /// Ends the growing, if that is what this table does: all positions are in the new index.
    fn end_growing(&self, heap: &Inner) {
        if self.mode.get() == Mode::Growing {
            self.move_at_most(heap, u32::MAX);
        }
    }

    fn free_old_index(&self, heap: &Inner) {
        let bytes = self.old_index_bytes();
        // SAFETY: the old index came from `Memory` with this size, and is forgotten.
        unsafe { Memory::free(heap, self.old_index.replace(std::ptr::null_mut()).cast(), bytes) };
    }

    fn old_index_bytes(&self) -> usize {
        if self.old_index.get().is_null() {
            0
        } else {
            self.index_bytes() / 2
        }
    }

    fn free_index(&self, heap: &Inner) {
        self.free_old_index(heap);
        // SAFETY: the index came from `Memory` with this size, and is forgotten.
        unsafe { Memory::free(heap, self.index.get().cast(), self.index_bytes()) };
        self.index.set(std::ptr::null_mut());
        self.mask.set(0);
    }

    /// A table of its own with the same entries at the same positions.
    pub(crate) fn duplicate(&self, heap: &Heap) -> Result<Rc<Self>, Raise> {
        self.end_growing(heap.inner());
        let copy = Self::create(heap, self.header.small.get() != 0)?;
        let len = self.len.get();
        copy.reserve(heap, len as usize)?;
        copy.mode.set(self.mode.get());
        copy.origin.set(self.origin.get());
        let hashed = self.mode.get() == Mode::Hashed && len as usize > LINEAR;
        if hashed || self.mode.get() == Mode::Direct {
            let slots = self.mask.get() as usize + 1;
            copy.take_index(heap, slots)?;
            // SAFETY: both have this many slots.
            unsafe { copy.index.get().copy_from_nonoverlapping(self.index.get(), slots) };
        }
        for position in 0..len {
            look_at(heap, position)?;
            let key = *self.key(position);
            // SAFETY: room for `len` entries was made; live ones get counts of their own.
            unsafe {
                copy.key_at(position).write(key);
                if key.tag != tag::UNSET {
                    key.raw().retain();
                    if self.header.small.get() == 0 {
                        let value = *self.value_at(EntryIndex(position));
                        value.retain();
                        copy.value_ptr(position).write(value);
                    }
                }
            }
            // Step by step, so that a failure in between leaves a whole table.
            copy.len.set(position + 1);
        }
        copy.live.set(self.live.get());
        copy.first.set(self.first.get());
        Ok(copy)
    }

    /// Bytes of entries and index, this object itself not included.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.cap.get() as usize * self.stride() + self.index_bytes() + self.old_index_bytes()
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        self.visit_span(0, self.span(), visitor);
    }

    /// Calls `f` with the position and the key of every entry.
    pub(crate) fn each_position(&self, mut f: impl FnMut(usize, Raw)) {
        for position in self.first.get()..self.len.get() {
            let key = self.key(position);
            if key.tag != tag::UNSET {
                f(position as usize, key.raw());
            }
        }
    }

    /// Number of positions, deleted entries included.
    pub(crate) fn span(&self) -> usize {
        (self.len.get() - self.first.get()) as usize
    }

    /// Shows the positions from `from` up to `to` to the collector; whether there are more.
    pub(crate) fn visit_span<F: FnMut(NonNull<Header>)>(
        &self,
        from: usize,
        to: usize,
        visitor: &mut Visitor<F>,
    ) -> bool {
        let first = self.first.get();
        let end = to.min(self.span());
        for position in first + from as u32..first + end as u32 {
            let key = self.key(position);
            if key.tag != tag::UNSET {
                visitor.raw(key.raw());
                if self.header.small.get() == 0 {
                    visitor.raw(*self.value_at(EntryIndex(position)));
                }
            }
        }
        end < self.span()
    }

    /// Shows `take` the keys and values of at most `count` entries, which are gone then, whatever it does with them;
    /// whether there are more. What is left is for nothing but the collector and for going on.
    pub(crate) fn take_some(&self, count: usize, take: &mut impl FnMut(&mut Raw)) -> bool {
        let first = self.first.get();
        let end = first + count.min(self.span()) as u32;
        self.first.set(end);
        for position in first..end {
            let mut key = self.key(position).raw();
            if key.tag != tag::UNSET {
                take(&mut key);
                if self.header.small.get() == 0 {
                    // SAFETY: the position is initialised.
                    take(unsafe { &mut *self.value_ptr(position) });
                }
            }
        }
        end < self.len.get()
    }

    /// The table is dead: gives its entries and its memory back.
    pub(crate) unsafe fn release_entries(&self, heap: &Inner) {
        // SAFETY: the caller's promise.
        unsafe { self.release_some(heap, usize::MAX) };
    }

    /// The same for at most `count` entries; whether there are more, while the memory stays.
    pub(crate) unsafe fn release_some(&self, heap: &Inner, count: usize) -> bool {
        let first = self.first.get();
        let end = first.saturating_add(count.min(self.span()) as u32);
        self.first.set(end);
        for position in first..end {
            let key = self.key(position);
            if key.tag != tag::UNSET {
                // SAFETY: the table owned these counts.
                unsafe {
                    key.raw().release();
                    if self.header.small.get() == 0 {
                        heap.release_item(*self.value_at(EntryIndex(position)));
                    }
                }
            }
        }
        if end < self.len.get() {
            return true;
        }
        self.free_index(heap);
        // SAFETY: the entries came from `Memory` with this capacity.
        unsafe {
            let bytes = self.cap.get() as usize * self.stride();
            Memory::free(heap, self.entries.get().cast(), bytes);
        };
        false
    }
}

/// A checkpoint at every [`PIECE`] of positions, whose work was counted with the memory that they are in.
#[inline]
fn look_at(heap: &Heap, position: u32) -> Result<(), Raise> {
    if position % PIECE == PIECE - 1 {
        heap.look_again()
    } else {
        Ok(())
    }
}

/// An empty index of so many slots.
fn new_index(heap: &Heap, slots: usize) -> Result<*mut u32, Raise> {
    let bytes = slots * size_of::<u32>();
    let memory = Memory::zeroed(heap.inner(), bytes);
    if memory.is_null() {
        return Err(heap.out_of_memory(bytes));
    }
    Ok(memory.cast())
}

/// Positions that an index of `mask + 1` slots has room for.
#[inline]
fn room(mask: u32) -> usize {
    let slots = mask as usize + 1;
    slots - slots / 4
}

/// Slots of an index for `count` positions.
fn slots_for(count: usize) -> usize {
    (count + count.div_ceil(3)).next_power_of_two().max(2 * LINEAR)
}
