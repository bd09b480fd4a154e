//! The ordered hash table under dicts and sets.
//!
//! Entries stand in a vector in order of insertion; a removed one leaves a tombstone. Up to eight entries are searched
//! in a row; beyond that a hash index of positions stands over them. An entry keeps its key's 32-bit hash in the
//! key's padding, so growing the index computes no hash.
//!
//! Invariants
//! - `first..len` are the used positions; all below `first` are tombstones; the entry at `len - 1` is live.
//! - The index is either empty, or holds exactly the live positions.
//! - Positions change only in `compact`, which only an insertion that needs room calls.
//! - A table with more than one owner is not written; see `dict` and `set`.
#![expect(unsafe_code, reason = "entries are raw memory behind a pointer")]

use std::cell::Cell;
use std::ptr::NonNull;

use hashbrown::HashTable;

use crate::array::{MAX_ITEMS, grown};
use crate::exclusive::Exclusive;
use crate::hash::{SPREAD, hash_key, int_hash, same_key};
use crate::heap::{EMBEDDED, Inner, Memory, Visitor};
use crate::{Header, Heap, Object, Raise, Raw, Rc, Str, Value, tag};

/// Entries that are searched without an index.
const LINEAR: usize = 8;

/// Ordered entries, those of a dict or only keys for a set.
#[repr(C)]
pub struct Table {
    pub(crate) header: Header,
    entries: Cell<*mut Key>,
    len: Cell<u32>,
    cap: Cell<u32>,
    live: Cell<u32>,
    first: Cell<u32>,
    index: Exclusive<HashTable<u32>>,
}

// SAFETY: repr(C), header first, made by dicts and sets only.
unsafe impl Object for Table {}

/// A key with its hash in the padding; the same bytes as a `Raw`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Key {
    tag: u8,
    hash: u32,
    payload: u64,
}

const _: () = assert!(size_of::<Key>() == size_of::<Raw>() && std::mem::offset_of!(Key, payload) == 8);

impl Key {
    const TOMBSTONE: Self = Self {
        tag: tag::UNSET,
        hash: 0,
        payload: 0,
    };

    fn new(raw: Raw, hash: u32) -> Self {
        Self {
            tag: raw.tag,
            hash,
            payload: raw.payload,
        }
    }

    fn raw(self) -> Raw {
        Raw {
            tag: self.tag,
            payload: self.payload,
        }
    }
}

/// The position of an entry; valid until the next insertion or removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryIndex(pub(crate) u32);

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(SPREAD)
}

/// The hash of a key, or the error that it cannot be one.
#[inline]
pub(crate) fn key_hash(heap: &Heap, key: &Value) -> Result<u32, Raise> {
    hash_key(heap, key).ok_or_else(|| Raise::not_hashable(&key.type_name()))
}

impl Table {
    const fn parts(header: Header) -> Self {
        Self {
            header,
            entries: Cell::new(std::ptr::null_mut()),
            len: Cell::new(0),
            cap: Cell::new(0),
            live: Cell::new(0),
            first: Cell::new(0),
            index: Exclusive::new(HashTable::new()),
        }
    }

    /// The record's own empty table.
    pub(crate) const fn embedded() -> Self {
        Self::parts(Header::new(tag::TABLE, EMBEDDED, 0, 0))
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
            object.cast::<Self>().write(Self::parts(header));
            Ok(Rc::from_ptr(object.cast()))
        }
    }

    /// Bytes from one entry to the next.
    #[inline]
    fn stride(&self) -> usize {
        if self.header.small == 0 { 32 } else { 16 }
    }

    #[inline]
    fn key_at(&self, position: u32) -> *mut Key {
        self.entries
            .get()
            .wrapping_byte_add(position as usize * self.stride())
    }

    #[inline]
    fn read_key(&self, position: u32) -> Key {
        debug_assert!(position < self.len.get());
        // SAFETY: positions below `len` are initialised.
        unsafe { self.key_at(position).read() }
    }

    /// Where the value of a dict's entry is.
    #[inline]
    fn value_ptr(&self, position: u32) -> *mut Raw {
        debug_assert!(self.header.small == 0);
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
        if self.is_empty() {
            return None;
        }
        let hash = match key {
            Value::String(text) => text.hash(),
            Value::Int(number) => int_hash(&Heap::of(self), *number),
            _ => hash_key(&Heap::of(self), key)?,
        };
        self.entry_hashed(key, hash)
    }

    /// The entry with this string key.
    #[inline]
    pub fn entry_of(&self, text: &Str) -> Option<EntryIndex> {
        if self.is_empty() {
            return None;
        }
        self.string_entry(text, text.hash())
    }

    /// The entry with this int key.
    #[inline]
    pub fn entry_of_int(&self, number: i64) -> Option<EntryIndex> {
        if self.is_empty() {
            return None;
        }
        self.int_entry(number, int_hash(&Heap::of(self), number))
    }

    #[inline]
    pub(crate) fn entry_hashed(&self, key: &Value, hash: u32) -> Option<EntryIndex> {
        match key {
            Value::String(text) => self.string_entry(text, hash),
            Value::Int(number) => self.int_entry(*number, hash),
            _ => self.value_entry(hash, |known| same_key(known, key)),
        }
    }

    #[inline]
    fn string_entry(&self, text: &Str, hash: u32) -> Option<EntryIndex> {
        self.find(hash, |key| {
            // SAFETY: a key with this tag refers to a string that is alive.
            key.hash == hash && key.tag == tag::STRING && unsafe { key.raw().object::<Str>() }.equals(text)
        })
    }

    #[inline]
    fn int_entry(&self, number: i64, hash: u32) -> Option<EntryIndex> {
        self.find(hash, |key| key.payload == number as u64 && key.tag == tag::INT)
    }

    /// The entry with this hash whose key, as a value, `is_it` accepts.
    fn value_entry(&self, hash: u32, is_it: impl Fn(&Value) -> bool) -> Option<EntryIndex> {
        self.find(hash, |key| {
            let raw = key.raw();
            // SAFETY: what is no tombstone is a value, alive in its entry.
            key.hash == hash && key.tag != tag::UNSET && is_it(unsafe { raw.as_value() })
        })
    }

    /// The entry with this hash whose key `is_it` accepts.
    #[inline]
    fn find(&self, hash: u32, is_it: impl Fn(Key) -> bool) -> Option<EntryIndex> {
        let len = self.len.get();
        if len as usize <= LINEAR {
            return (self.first.get()..len)
                .find(|&position| is_it(self.read_key(position)))
                .map(EntryIndex);
        }
        let found = self.index.with(|index| {
            index
                .find(spread(hash), |&position| is_it(self.read_key(position)))
                .copied()
        });
        found.map(EntryIndex)
    }

    /// The entry under a string key.
    pub fn entry_str(&self, key: &str) -> Option<EntryIndex> {
        if self.is_empty() {
            return None;
        }
        let hash = crate::Str::hash_text(&Heap::of(self), key);
        self.value_entry(hash, |known| known.as_str() == Some(key))
    }

    /// The value of an entry of a dict's table.
    #[inline]
    pub fn value_at(&self, entry: EntryIndex) -> &Raw {
        debug_assert!(entry.0 < self.len.get());
        // SAFETY: entries below `len` are initialised.
        unsafe { &*self.value_ptr(entry.0) }
    }

    /// Where the value of an entry of a dict's table is.
    #[inline]
    pub(crate) fn place(&self, entry: EntryIndex) -> *mut Raw {
        debug_assert!(entry.0 < self.len.get());
        self.value_ptr(entry.0)
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
            if self.read_key(at).tag != tag::UNSET {
                let value = if self.header.small == 0 {
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

    /// The same as values.
    pub fn values_at(&self, position: usize) -> Option<(usize, &Value, &Value)> {
        let (next, key, value) = self.entry_at(position)?;
        // SAFETY: entries hold values.
        Some(unsafe { (next, key.as_value(), value.as_value()) })
    }

    /// The live entries in order: key and value (null for a set).
    pub fn iter(&self) -> impl Iterator<Item = (&Value, &Value)> {
        let mut position = 0;
        std::iter::from_fn(move || {
            let (next, key, value) = self.entry_at(position)?;
            position = next;
            // SAFETY: entries hold values.
            Some(unsafe { (key.as_value(), value.as_value()) })
        })
    }

    /// Appends an entry whose key is not there yet; takes over both counts on success.
    pub(crate) fn append(&self, heap: &Heap, key: Raw, hash: u32, value: Raw) -> Result<(), Raise> {
        if self.len.get() == self.cap.get() {
            self.make_room(heap)?;
        }
        let position = self.len.get();
        if position as usize >= LINEAR {
            self.make_index_room(heap, position as usize == LINEAR)?;
            self.index.with(|index| {
                index.insert_unique(spread(hash), position, |&at| spread(self.read_key(at).hash));
            });
        }
        // SAFETY: there is room for one more entry.
        unsafe {
            self.key_at(position).write(Key::new(key, hash));
            if self.header.small == 0 {
                self.value_ptr(position).write(value);
            }
        }
        self.len.set(position + 1);
        self.live.set(self.live.get() + 1);
        Ok(())
    }

    /// Removes an entry; gives its key and value.
    pub(crate) fn remove_at(&self, entry: EntryIndex) -> (Value, Value) {
        let position = entry.0;
        let key = self.read_key(position);
        if self.len.get() as usize > LINEAR {
            self.index.with(|index| {
                if let Ok(found) = index.find_entry(spread(key.hash), |&at| at == position) {
                    found.remove();
                }
            });
        }
        let value = if self.header.small == 0 {
            *self.value_at(entry)
        } else {
            Raw::null()
        };
        // SAFETY: a live entry, which becomes a tombstone.
        unsafe { self.key_at(position).write(Key::TOMBSTONE) };
        self.live.set(self.live.get() - 1);
        if self.live.get() == 0 {
            self.len.set(0);
            self.first.set(0);
            self.index.with(HashTable::clear);
        } else if position + 1 == self.len.get() {
            self.trim();
        } else if position == self.first.get() {
            let mut first = position + 1;
            while self.read_key(first).tag == tag::UNSET {
                first += 1;
            }
            self.first.set(first);
        }
        // SAFETY: the entry's counts go to the caller.
        unsafe { (key.raw().into_value(), value.into_value()) }
    }

    /// Drops tombstones from the end, and the index if few entries are left.
    fn trim(&self) {
        let mut len = self.len.get();
        let indexed = len as usize > LINEAR;
        while self.read_key(len - 1).tag == tag::UNSET {
            len -= 1;
        }
        self.len.set(len);
        if indexed && len as usize <= LINEAR {
            self.index.with(HashTable::clear);
        }
    }

    /// Makes room for one more entry: by closing the gaps if they are many, else by growing.
    #[cold]
    #[inline(never)]
    fn make_room(&self, heap: &Heap) -> Result<(), Raise> {
        let (cap, live) = (self.cap.get() as usize, self.len());
        if cap > 0 && live < cap - cap / 4 {
            self.compact();
            return Ok(());
        }
        if cap >= MAX_ITEMS {
            return Err(heap.out_of_memory(cap.saturating_mul(self.stride())));
        }
        let wanted = grown(cap, cap + 1);
        if self.grow_entries(heap, wanted) || self.grow_entries(heap, cap + 1) {
            return Ok(());
        }
        Err(heap.out_of_memory((wanted - cap) * self.stride()))
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

    /// Closes the gaps; positions change.
    fn compact(&self) {
        let stride = self.stride();
        let mut to = 0;
        for from in self.first.get()..self.len.get() {
            if self.read_key(from).tag != tag::UNSET {
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
        self.index.with(|index| {
            index.clear();
            if to as usize > LINEAR {
                for position in 0..to {
                    let hash = self.read_key(position).hash;
                    index.insert_unique(spread(hash), position, |&at| spread(self.read_key(at).hash));
                }
            }
        });
    }

    /// Makes room in the index for one more; fills it if it is `new`.
    fn make_index_room(&self, heap: &Heap, new: bool) -> Result<(), Raise> {
        let inner = heap.inner();
        self.index.with(|index| {
            if index.len() + usize::from(new) * LINEAR >= index.capacity() {
                let before = index.allocation_size();
                let wanted = (index.len() + 1).max(2 * LINEAR);
                let guess = index_bytes(wanted);
                // Refused by an estimate, settled by what it really took.
                let ahead = guess.saturating_sub(before);
                if !inner.charge(ahead) {
                    return Err(heap.out_of_memory(ahead));
                }
                let rehash = |&at: &u32| spread(self.read_key(at).hash);
                let additional = wanted - index.len();
                if index.try_reserve(additional, rehash).is_err() {
                    inner.discharge(ahead);
                    return Err(heap.out_of_memory(ahead));
                }
                inner.settle(before + ahead, index.allocation_size());
            }
            if new {
                for position in self.first.get()..self.len.get() {
                    let key = self.read_key(position);
                    if key.tag != tag::UNSET {
                        index.insert_unique(spread(key.hash), position, |&at| spread(self.read_key(at).hash));
                    }
                }
            }
            Ok(())
        })
    }

    /// A table of its own with the same entries at the same positions.
    pub(crate) fn duplicate(&self, heap: &Heap) -> Result<Rc<Self>, Raise> {
        let copy = Self::create(heap, self.header.small != 0)?;
        let len = self.len.get();
        copy.reserve(heap, len as usize)?;
        if len as usize > LINEAR {
            let mut index = HashTable::new();
            let ahead = index_bytes(self.len());
            heap.charge(ahead)?;
            let reserved = index.try_reserve(self.len(), |&at| spread(self.read_key(at).hash));
            if reserved.is_err() {
                heap.discharge(ahead);
                return Err(heap.out_of_memory(ahead));
            }
            heap.inner().settle(ahead, index.allocation_size());
            for position in self.first.get()..len {
                let key = self.read_key(position);
                if key.tag != tag::UNSET {
                    index.insert_unique(spread(key.hash), position, |&at| spread(self.read_key(at).hash));
                }
            }
            copy.index.replace(index);
        }
        for position in 0..len {
            let key = self.read_key(position);
            // SAFETY: room for `len` entries was made; live ones get counts of their own.
            unsafe {
                copy.key_at(position).write(key);
                if key.tag != tag::UNSET {
                    key.raw().retain();
                    if self.header.small == 0 {
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
        self.cap.get() as usize * self.stride() + self.index.with(|index| index.allocation_size())
    }

    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        self.visit_span(0, self.span(), visitor);
    }

    /// Calls `f` with the position and the key of every entry.
    pub(crate) fn each_position(&self, mut f: impl FnMut(usize, Raw)) {
        for position in self.first.get()..self.len.get() {
            let key = self.read_key(position);
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
            let key = self.read_key(position);
            if key.tag != tag::UNSET {
                visitor.raw(key.raw());
                if self.header.small == 0 {
                    visitor.raw(*self.value_at(EntryIndex(position)));
                }
            }
        }
        end < self.span()
    }

    /// The table is dead: gives its entries and its memory back.
    pub(crate) unsafe fn release_entries(&self, heap: &Inner) {
        for position in self.first.get()..self.len.get() {
            let key = self.read_key(position);
            if key.tag != tag::UNSET {
                // SAFETY: the table owned these counts.
                unsafe {
                    key.raw().release();
                    if self.header.small == 0 {
                        (*self.value_at(EntryIndex(position))).release();
                    }
                }
            }
        }
        let index = self.index.replace(HashTable::new());
        heap.discharge(index.allocation_size());
        // SAFETY: the entries came from `Memory` with this capacity.
        unsafe {
            let bytes = self.cap.get() as usize * self.stride();
            Memory::free(heap, self.entries.get().cast(), bytes);
        };
    }
}

/// About what an index for `count` positions takes.
fn index_bytes(count: usize) -> usize {
    let buckets = (count * 8 / 7 + 1).next_power_of_two().max(4);
    buckets * (size_of::<u32>() + 1) + 16
}
