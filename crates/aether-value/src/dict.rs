//! Dicts: records, which hold values under the keys of a shape, and handles over a [`Table`] that snapshots can share.
//!
//! | form | `shape` | `body` | header |
//! |---|---|---|---|
//! | empty, never used or cleared | null | null | shape: the id of none |
//! | record | its keys | its values, in the dict's own block or beside it | shape: its id; small: room for values |
//! | table | null | the table | shape: the id of none |
//!
//! A dict begins empty and becomes a record with its first key, if that is a string. It becomes a table, and stays one
//! until it is cleared, when a key comes that is no string, when a key is removed, when it has some keys and one comes
//! that is no literal of the program, or when there may be no shape for its keys; see `shape`. That costs a pass over its
//! entries, and changes neither their order nor their positions.
//!
//! Invariants
//! - A record has at least one key. Its values are its own: what wants the entries as they are now copies them.
//! - For a table `SHARED_BUFFER` says, as with arrays, that a snapshot may exist; a write then copies the table first if
//!   it is shared. Positions stay the same in the copy.
#![expect(
    unsafe_code,
    clippy::cast_ptr_alignment,
    reason = "values are raw memory, the table a counted pointer in a cell; both are aligned as objects are"
)]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::heap::{self, Inner, Memory, Visitor, growth_steps};
use crate::shape::{MOST_KEYS, NO_SHAPE, Shape};
use crate::table::key_hash;
use crate::{EntryIndex, Header, Heap, Object, Raise, Raw, Rc, Str, Table, Value, flag, tag};

/// An insertion-ordered map.
#[repr(C)]
pub struct Dict {
    header: Header,
    body: Cell<*mut u8>,
    shape: Cell<*const Shape>,
    values: [Raw; 0],
}

// SAFETY: repr(C), header first, made by `Heap::dict` and its kin only.
unsafe impl Object for Dict {}

const VALUE: usize = size_of::<Raw>();
/// Most keys of a record to which one is added that is no literal of the program: such a dict is likely a map.
const MOST_MADE: usize = 24;
const VALUES_OFFSET: usize = std::mem::offset_of!(Dict, values);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(VALUES_OFFSET == 32);

/// What a dict holds, by its form.
enum Form<'a> {
    Empty,
    Record(&'a Shape),
    Table(&'a Table),
}

/// The entries of a dict in order; see [`Dict::iter`].
pub struct Entries<'a> {
    dict: &'a Dict,
    position: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a Value, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        let (next, key, value) = self.dict.values_at(self.position)?;
        self.position = next;
        Some((key, value))
    }
}

impl<'a> IntoIterator for &'a Dict {
    type Item = (&'a Value, &'a Value);
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

impl Dict {
    /// Byte offset of the address of a record's values within the object.
    pub const BODY_OFFSET: usize = std::mem::offset_of!(Dict, body);

    #[inline(always)]
    fn form(&self) -> Form<'_> {
        // SAFETY: a dict holds a count of its shape, or of its table.
        unsafe {
            if let Some(shape) = self.shape.get().as_ref() {
                Form::Record(shape)
            } else if let Some(table) = self.body.get().cast::<Table>().as_ref() {
                Form::Table(table)
            } else {
                Form::Empty
            }
        }
    }

    /// The keys, if this is a record.
    #[inline(always)]
    pub fn shape(&self) -> Option<&Shape> {
        // SAFETY: a dict holds a count of its shape.
        unsafe { self.shape.get().as_ref() }
    }

    /// The table, if there is one.
    #[inline(always)]
    pub(crate) fn table(&self) -> Option<&Table> {
        match self.form() {
            Form::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The id of a record's shape, which an inline cache may compare; for any other dict that of no shape.
    #[inline(always)]
    pub fn shape_id(&self) -> u32 {
        self.header.shape.get()
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        match self.form() {
            Form::Empty => 0,
            Form::Record(shape) => shape.len(),
            Form::Table(table) => table.len(),
        }
    }

    /// Whether there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // --- storage of a record ---

    /// Where the values of a record are.
    #[inline(always)]
    fn values_ptr(&self) -> *mut Raw {
        self.body.get().cast()
    }

    /// Where values within the dict's own block are.
    #[inline(always)]
    fn inline_values(&self) -> *mut u8 {
        // SAFETY: the values start behind the fixed part; the result may be the end of the block.
        unsafe {
            std::ptr::from_ref(self)
                .cast_mut()
                .cast::<u8>()
                .add(VALUES_OFFSET)
        }
    }

    /// How many values fit into the dict's own block.
    fn inline_room(&self) -> usize {
        (heap::object_bytes(NonNull::from(&self.header)) - VALUES_OFFSET) / VALUE
    }

    /// How many values there is room for.
    #[inline(always)]
    fn room(&self) -> usize {
        usize::from(self.header.small.get())
    }

    /// Bytes of values beside the dict's own block.
    pub(crate) fn outside_bytes(&self) -> usize {
        if self.shape().is_some() && self.body.get() != self.inline_values() {
            self.room() * VALUE
        } else {
            0
        }
    }

    /// The values of a record.
    #[inline(always)]
    pub(crate) fn record_values(&self) -> &[Raw] {
        match self.shape() {
            // SAFETY: as many initialised values as keys.
            Some(shape) => unsafe { std::slice::from_raw_parts(self.values_ptr(), shape.len()) },
            None => &[],
        }
    }

    /// Shows `take` the values of a record, to take them out.
    pub(crate) fn take_record_values(&self, take: &mut impl FnMut(&mut Raw)) {
        for index in 0..self.record_values().len() {
            // SAFETY: as many initialised values.
            take(unsafe { &mut *self.values_ptr().add(index) });
        }
    }

    /// Makes room for one more value of a record, or for the first one of an empty dict, which leads to `shape`.
    fn make_room(&self, heap: &Heap, shape: &Shape) -> Result<(), Raise> {
        let old = if self.shape().is_some() { self.room() } else { 0 };
        if old == 0 {
            let room = self.inline_room();
            if room > 0 {
                self.body.set(self.inline_values());
                self.header.small.set(room.min(usize::from(u8::MAX)) as u8);
                return Ok(());
            }
        }
        let outside = self.outside_bytes();
        let most = shape.room().max(old + 1);
        for more in growth_steps(most - old, 1) {
            let room = old + more;
            // SAFETY: what is outside was taken here with this size.
            let memory = unsafe {
                let from = if outside == 0 {
                    std::ptr::null_mut()
                } else {
                    self.body.get()
                };
                let memory = Memory::grow(heap.inner(), from, outside, room * VALUE);
                if !memory.is_null() && outside == 0 && old > 0 {
                    self.body.get().copy_to_nonoverlapping(memory, old * VALUE);
                }
                memory
            };
            if !memory.is_null() {
                self.body.set(memory);
                self.header.small.set(room as u8);
                return Ok(());
            }
        }
        Err(heap.out_of_memory(VALUE))
    }

    /// Makes a record of a new key, or of the first one; where its value is, null at first. `None`, and nothing done, if
    /// it cannot be one: the dict is a table, or has to become one.
    #[inline]
    fn add_key(&self, heap: &Heap, key: &Rc<Str>) -> Result<Option<*mut Raw>, Raise> {
        let shape = match self.form() {
            Form::Table(_) => return Ok(None),
            Form::Record(shape) => Some(shape),
            Form::Empty => None,
        };
        if shape.is_some_and(|shape| shape.len() >= MOST_MADE) && !key.is_interned() {
            return Ok(None);
        }
        let Some(child) = heap.inner().child_shape(shape, key) else {
            return Ok(None);
        };
        let len = child.len() - 1;
        if len == 0 || len == self.room() {
            self.make_room(heap, &child)?;
        }
        // SAFETY: there is room for one more value; the old shape's count ends here.
        unsafe {
            let place = self.values_ptr().add(len);
            place.write(Raw::null());
            self.set_shape(child);
            Ok(Some(place))
        }
    }

    /// Exchanges the shape, whose count ends here.
    #[inline]
    unsafe fn set_shape(&self, shape: Rc<Shape>) {
        self.header.shape.set(shape.id());
        let old = self.shape.replace(Rc::into_ptr(shape));
        if !old.is_null() {
            // SAFETY: the dict owned one count.
            drop(unsafe { Rc::from_ptr(old.cast_mut()) });
        }
    }

    /// Puts a table in the place of what the dict holds, with the same entries at the same positions, and room for one
    /// more. After an error nothing has changed.
    #[cold]
    #[inline(never)]
    fn become_table(&self, heap: &Heap) -> Result<&Table, Raise> {
        let table = Table::create(heap, false)?;
        if let Some(shape) = self.shape() {
            table.reserve(heap, shape.len() + 1)?;
            for position in 0..shape.len() {
                let key = *shape.key(position);
                table.append(heap, key, shape.hash_of(position), Raw::null())?;
                key.retain();
            }
            for (position, value) in self.record_values().iter().enumerate() {
                table.put(EntryIndex(position as u32), *value);
            }
            let outside = self.outside_bytes();
            if outside > 0 {
                // SAFETY: taken with this size; the values have moved.
                unsafe { Memory::free(heap.inner(), self.body.get(), outside) };
            }
        }
        self.header.shape.set(NO_SHAPE);
        self.body.set(Rc::into_ptr(table).cast());
        let shape = self.shape.replace(std::ptr::null());
        if !shape.is_null() {
            // SAFETY: the dict owned one count.
            drop(unsafe { Rc::from_ptr(shape.cast_mut()) });
        }
        Ok(self.table().expect("just made"))
    }

    /// The table, this dict's alone; made if there is none.
    #[inline]
    fn own(&self) -> Result<&Table, Raise> {
        match self.form() {
            Form::Table(table) if !self.header.has(flag::GUARDED) => Ok(table),
            _ => self.own_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn own_slow(&self) -> Result<&Table, Raise> {
        self.header.touch();
        let heap = Heap::of(self);
        let Form::Table(table) = self.form() else {
            return self.become_table(&heap);
        };
        if !self.header.has(flag::SHARED_BUFFER) {
            return Ok(table);
        }
        if table.header.count.get() > 1 {
            let fresh = table.duplicate(&heap)?;
            let old = self.body.replace(Rc::into_ptr(fresh).cast());
            // SAFETY: this dict owned one count of the old table, which ends here.
            drop(unsafe { Rc::from_ptr(old.cast::<Table>()) });
        } else if table.header.has(flag::GRAY | flag::CANDIDATE) {
            heap.inner().storage_unshared(NonNull::from(table).cast());
        }
        self.header.clear_flag(flag::SHARED_BUFFER);
        Ok(self.table().expect("just made"))
    }

    // --- entries ---

    /// The value under a key. The borrow ends before the next write to this dict.
    #[inline]
    pub fn get(&self, key: &Value) -> Option<&Raw> {
        match self.form() {
            Form::Record(_) => self.entry(key).map(|entry| self.value_at(entry)),
            Form::Table(table) => table.get(key),
            Form::Empty => None,
        }
    }

    /// A copy of the value under a key.
    pub fn get_value(&self, key: &Value) -> Option<Value> {
        // SAFETY: entries hold values.
        self.get(key).map(|raw| unsafe { raw.clone_value() })
    }

    /// A copy of the value of a string key.
    pub fn get_str_value(&self, key: &str) -> Option<Value> {
        // SAFETY: entries hold values.
        self.get_str(key).map(|raw| unsafe { raw.clone_value() })
    }

    /// The value under a string key.
    pub fn get_str(&self, key: &str) -> Option<&Raw> {
        match self.form() {
            Form::Record(shape) => {
                let position = shape.find_str(&Heap::of(self), key)?;
                Some(&self.record_values()[position])
            }
            Form::Table(table) => table.entry_str(key).map(|entry| table.value_at(entry)),
            Form::Empty => None,
        }
    }

    /// The value under a string key.
    #[inline]
    pub fn get_text(&self, key: &Str) -> Option<&Raw> {
        match self.form() {
            Form::Record(shape) => shape.find(key).map(|position| &self.record_values()[position]),
            Form::Table(table) => table.entry_of(key).map(|entry| table.value_at(entry)),
            Form::Empty => None,
        }
    }

    /// The position of a string key in a record, for an inline cache that knows the shape by [`Dict::shape_id`].
    #[inline]
    pub fn slot(&self, key: &Str) -> Option<u16> {
        let position = self.shape()?.find(key)?;
        Some(position as u16)
    }

    /// Where the value under a string or int key is; null if there is none, or the key is of another type. Valid until
    /// the next insertion or removal, and for reading only.
    ///
    /// # Safety
    /// `key` is a value.
    #[inline(always)]
    pub unsafe fn find(&self, key: Raw) -> *const Raw {
        // SAFETY: a dict holds a count of its shape, or of its table; the caller's promise.
        unsafe {
            if let Some(shape) = self.shape.get().as_ref() {
                self.find_in_record(shape, key)
            } else if let Some(table) = self.body.get().cast::<Table>().as_ref() {
                table.find_place(key)
            } else {
                std::ptr::null()
            }
        }
    }

    /// The same in a record.
    #[inline(never)]
    unsafe fn find_in_record(&self, shape: &Shape, key: Raw) -> *const Raw {
        if key.tag != tag::STRING {
            return std::ptr::null();
        }
        // SAFETY: a value with this tag refers to a string that is alive; positions are below the number of values.
        unsafe {
            match shape.find(key.object::<Str>()) {
                Some(position) => self.values_ptr().add(position),
                None => std::ptr::null(),
            }
        }
    }

    /// The same for writing: null also while a snapshot shares the entries.
    ///
    /// # Safety
    /// As there; what is written owns its count, and what it replaces is released afterwards.
    #[inline]
    pub unsafe fn find_mut(&self, key: Raw) -> *mut Raw {
        if self.header.has(flag::SHARED_BUFFER) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { self.find(key) }.cast_mut()
    }

    /// Where the value of a new entry under a string or int key is, null at first; null as a pointer, and nothing done,
    /// if the key is of another type, if the dict is to become a table, or while a snapshot may share the entries.
    ///
    /// # Errors
    /// Out of memory.
    ///
    /// # Safety
    /// `key` is a value that is no key of this dict yet.
    #[inline(never)]
    pub unsafe fn add_place(&self, key: Raw) -> Result<*mut Raw, Raise> {
        let heap = Heap::of(self);
        let table = match self.form() {
            Form::Table(table) if !self.header.has(flag::GUARDED) => table,
            Form::Empty | Form::Record(_) if key.tag == tag::STRING => {
                // SAFETY: a value with this tag is a counted string; the borrow takes no count.
                let text = unsafe { std::mem::ManuallyDrop::new(Rc::from_ptr(key.pointer::<Str>())) };
                return Ok(self.add_key(&heap, &text)?.unwrap_or(std::ptr::null_mut()));
            }
            _ => return Ok(std::ptr::null_mut()),
        };
        match key.tag {
            tag::INT => table.append_int(&heap, key.payload.cast_signed(), Raw::null())?,
            tag::STRING => {
                // SAFETY: a value with this tag refers to a string that is alive.
                let hash = unsafe { key.object::<Str>() }.hash();
                table.append(&heap, key, hash, Raw::null())?;
                key.retain();
            }
            _ => return Ok(std::ptr::null_mut()),
        }
        Ok(table.last_place())
    }

    /// The entry under a key, so that reading and writing it hashes once.
    #[inline]
    pub fn entry(&self, key: &Value) -> Option<EntryIndex> {
        match self.form() {
            Form::Record(shape) => {
                let Value::String(text) = key else {
                    return None;
                };
                shape.find(text).map(|position| EntryIndex(position as u32))
            }
            Form::Table(table) => table.entry(key),
            Form::Empty => None,
        }
    }

    /// The value of an entry.
    ///
    /// # Panics
    /// The entry is of another dict.
    #[inline]
    pub fn value_at(&self, entry: EntryIndex) -> &Raw {
        match self.form() {
            Form::Table(table) => table.value_at(entry),
            _ => &self.record_values()[entry.0 as usize],
        }
    }

    /// Puts a value into an entry; gives the old one.
    ///
    /// # Errors
    /// Out of memory, when the entries have to be copied for a snapshot.
    ///
    /// # Panics
    /// The entry is of another dict.
    #[inline]
    pub fn set_value_at(&self, entry: EntryIndex, value: Value) -> Result<Value, Raise> {
        let Form::Record(shape) = self.form() else {
            return Ok(self.own()?.set_value_at(entry, value));
        };
        assert!((entry.0 as usize) < shape.len(), "an entry of another dict");
        self.header.touch();
        // SAFETY: below the number of values; the old value's count goes to the caller.
        unsafe {
            let place = self.values_ptr().add(entry.0 as usize);
            Ok(place.replace(Raw::from_value(value)).into_value())
        }
    }

    /// Sets the value under a key, at the end if the key is new; gives the old one.
    ///
    /// # Errors
    /// Type error if the key is not hashable; out of memory. The dict is unchanged then.
    #[inline]
    pub fn insert(&self, key: Value, value: Value) -> Result<Option<Value>, Raise> {
        let heap = Heap::of(self);
        if let Value::Int(number) = key {
            let table = self.own()?;
            if let Some(entry) = table.entry_of_int(number) {
                return Ok(Some(table.set_value_at(entry, value)));
            }
            table.append_int(&heap, number, Raw::of_value(&value))?;
            // The table took over its count.
            std::mem::forget(value);
            return Ok(None);
        }
        if let Value::String(text) = &key
            && self.table().is_none()
        {
            if let Some(position) = self.shape().and_then(|shape| shape.find(text)) {
                return self.set_value_at(EntryIndex(position as u32), value).map(Some);
            }
            if let Some(place) = self.add_key(&heap, text)? {
                // SAFETY: the place of the new value.
                unsafe { place.write(Raw::from_value(value)) };
                return Ok(None);
            }
        }
        let hash = key_hash(&heap, &key)?;
        let table = self.own()?;
        if let Some(entry) = table.entry_hashed(&key, hash) {
            return Ok(Some(table.set_value_at(entry, value)));
        }
        table.append(&heap, Raw::of_value(&key), hash, Raw::of_value(&value))?;
        // The table took over both counts.
        std::mem::forget(key);
        std::mem::forget(value);
        Ok(None)
    }

    /// Removes a key; gives its value. The order of the others stays.
    ///
    /// # Errors
    /// Out of memory, when the entries have to be copied for a snapshot, or the dict becomes a table.
    pub fn remove(&self, key: &Value) -> Result<Option<Value>, Raise> {
        let Some(entry) = self.entry(key) else {
            return Ok(None);
        };
        let (key, value) = self.own()?.remove_at(entry);
        drop(key);
        Ok(Some(value))
    }

    /// The first entry at or after `position`: the next position, key and value.
    #[inline]
    pub fn entry_at(&self, position: usize) -> Option<(usize, &Raw, &Raw)> {
        match self.form() {
            Form::Record(shape) if position < shape.len() => {
                Some((position + 1, shape.key(position), &self.record_values()[position]))
            }
            Form::Table(table) => table.entry_at(position),
            _ => None,
        }
    }

    /// The same as values. The borrow ends before the next write to this dict.
    #[inline]
    pub fn values_at(&self, position: usize) -> Option<(usize, &Value, &Value)> {
        let (next, key, value) = self.entry_at(position)?;
        // SAFETY: entries hold values.
        Some(unsafe { (next, key.as_value(), value.as_value()) })
    }

    /// The entries in order. Nothing writes to this dict meanwhile.
    pub fn iter(&self) -> Entries<'_> {
        Entries {
            dict: self,
            position: 0,
        }
    }

    /// Makes room for exactly `count` entries in all, in a table.
    ///
    /// # Errors
    /// Out of memory.
    pub fn reserve(&self, count: usize) -> Result<(), Raise> {
        self.own()?.reserve(&Heap::of(self), count)
    }

    /// Removes all entries and their memory.
    pub fn clear(&self) {
        let room = self.room();
        let shape = self.shape.replace(std::ptr::null());
        let body = self.body.replace(std::ptr::null_mut());
        self.header.shape.set(NO_SHAPE);
        self.header.clear_flag(flag::SHARED_BUFFER);
        // SAFETY: this dict owned these counts and this memory, and does not refer to them any more. What is released
        // runs no code that could add to the dict.
        unsafe {
            if let Some(keys) = shape.as_ref() {
                for position in 0..keys.len() {
                    body.cast::<Raw>().add(position).read().release();
                }
                if body != self.inline_values() {
                    Memory::free(Heap::of(self).inner(), body, room * VALUE);
                }
                drop(Rc::from_ptr(shape.cast_mut()));
            } else if !body.is_null() {
                drop(Rc::from_ptr(body.cast::<Table>()));
            }
        }
    }

    /// The entries as they are now, in constant time for a table: a dict that nobody else knows.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn snapshot(&self) -> Result<Rc<Self>, Raise> {
        Heap::of(self).dict_copy(self)
    }

    /// What a loop over the keys goes through: a record's shape, or its table, which a later write copies first.
    pub fn keys_now(&self) -> Raw {
        match self.form() {
            // SAFETY: the dict owns counts of both; the result gets one more.
            Form::Record(shape) => Raw::from_rc(unsafe { Rc::of_ref(shape) }),
            Form::Table(table) => {
                self.header.set_flag(flag::SHARED_BUFFER);
                // SAFETY: as above.
                Raw::from_rc(unsafe { Rc::of_ref(table) })
            }
            Form::Empty => Raw::from_rc(Heap::of(self).empty_table()),
        }
    }

    pub(crate) fn table_header(&self) -> Option<NonNull<Header>> {
        self.table().map(|table| NonNull::from(table).cast())
    }

    /// Shows what the dict holds to the collector.
    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        match self.form() {
            Form::Table(table) => (visitor.0)(NonNull::from(table).cast()),
            Form::Record(_) => {
                for value in self.record_values() {
                    visitor.raw(*value);
                }
            }
            Form::Empty => {}
        }
    }

    /// The dict is dead: gives back what it holds.
    #[inline]
    pub(crate) unsafe fn release_contents(&self, heap: &Inner) {
        // SAFETY: the dict owned these counts and this memory.
        unsafe {
            match self.form() {
                Form::Record(shape) => {
                    for value in self.record_values() {
                        value.release();
                    }
                    let outside = self.outside_bytes();
                    if outside > 0 {
                        Memory::free(heap, self.body.get(), outside);
                    }
                    Header::release(NonNull::from(shape).cast());
                }
                Form::Table(table) => Header::release(NonNull::from(table).cast()),
                Form::Empty => {}
            }
        }
    }
}

impl Heap {
    /// A new dict.
    ///
    /// # Errors
    /// Out of memory.
    pub fn dict(&self) -> Result<Rc<Dict>, Raise> {
        self.dict_with_room(0)
    }

    /// A new dict with room for `count` values in its own block, for a record; no more than a record may have.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn dict_with_room(&self, count: usize) -> Result<Rc<Dict>, Raise> {
        let size = VALUES_OFFSET + count.min(MOST_KEYS) * VALUE;
        let object = self.inner().alloc(size, tag::DICT, 0, NO_SHAPE).cast::<Dict>();
        if object.is_null() {
            return Err(self.out_of_memory(size));
        }
        // SAFETY: a new object of at least this size, whose count goes to the result.
        unsafe {
            (&raw mut (*object).body).write(Cell::new(std::ptr::null_mut()));
            (&raw mut (*object).shape).write(Cell::new(std::ptr::null()));
            Ok(Rc::from_ptr(object))
        }
    }

    /// The shape of these keys in order, no two of which are alike; none if there may be no such shape.
    pub fn record_shape<'a>(&self, keys: impl IntoIterator<Item = &'a Rc<Str>>) -> Option<Rc<Shape>> {
        let mut shape: Option<Rc<Shape>> = None;
        for key in keys {
            shape = Some(self.inner().child_shape(shape.as_deref(), key)?);
        }
        shape
    }

    /// The shape of the keys of `shape` and one more, which is not among them; none if there may be no such shape.
    #[inline]
    pub fn next_shape(&self, shape: Option<&Shape>, key: &Rc<Str>) -> Option<Rc<Shape>> {
        self.inner().child_shape(shape, key)
    }

    /// The same if the key that came behind those of `shape` last is what `text` begins with, followed by `end`; with
    /// the key's length in bytes. Thus a parser of many records that are alike makes no strings of their keys.
    #[inline]
    pub fn shape_of_prefix(
        &self,
        shape: Option<&Shape>,
        text: &str,
        end: char,
    ) -> Option<(Rc<Shape>, usize)> {
        let child = self.inner().last_child(shape)?;
        let key = child.last_text();
        let rest = text.strip_prefix(key)?;
        let len = key.len();
        rest.starts_with(end).then_some((child, len))
    }

    /// A new record of the values in as many registers as the shape has keys, which it takes on success: null stays
    /// behind.
    ///
    /// # Errors
    /// Out of memory.
    ///
    /// # Safety
    /// The registers hold values and own their counts.
    #[inline]
    pub unsafe fn record_taking(&self, shape: &Shape, first: *mut Raw) -> Result<Rc<Dict>, Raise> {
        let dict = self.dict_with_room(shape.len())?;
        // SAFETY: the block has room for as many values, and nobody else knows it yet. The shape gets one more count.
        unsafe {
            let values = dict.inline_values().cast::<Raw>();
            for index in 0..shape.len() {
                values.add(index).write(first.add(index).read());
                (*first.add(index)).tag = tag::NULL;
            }
            dict.become_record(shape);
        }
        Ok(dict)
    }

    /// A new record of these values, as many as the shape has keys. It takes them: null stays behind.
    ///
    /// # Errors
    /// Out of memory; the values stay.
    ///
    /// # Panics
    /// There are more or fewer values than keys.
    pub fn record_of(&self, shape: &Shape, values: &mut [Value]) -> Result<Rc<Dict>, Raise> {
        assert_eq!(values.len(), shape.len(), "a value for each key");
        // SAFETY: values have the layout of registers, and there are as many as keys.
        unsafe { self.record_taking(shape, values.as_mut_ptr().cast()) }
    }

    /// A new dict with the entries of another one, sharing its table if it has one.
    ///
    /// # Errors
    /// Out of memory.
    pub fn dict_copy(&self, of: &Dict) -> Result<Rc<Dict>, Raise> {
        let Form::Record(shape) = of.form() else {
            let copy = self.dict()?;
            if let Some(table) = of.table().filter(|table| !table.is_empty()) {
                of.header.set_flag(flag::SHARED_BUFFER);
                copy.header.set_flag(flag::SHARED_BUFFER);
                // SAFETY: the other dict owns a count of the table.
                copy.body.set(Rc::into_ptr(unsafe { Rc::of_ref(table) }).cast());
            }
            return Ok(copy);
        };
        let copy = self.dict_with_room(shape.len())?;
        // SAFETY: as in `record_taking`; each value gets one more count.
        unsafe {
            let values = copy.inline_values().cast::<Raw>();
            for (index, value) in of.record_values().iter().enumerate() {
                value.retain();
                values.add(index).write(*value);
            }
            copy.become_record(shape);
        }
        Ok(copy)
    }
}

impl Dict {
    /// Makes an empty dict a table of the keys of a shape with these values, which it takes: null stays behind.
    ///
    /// # Errors
    /// Out of memory; some values may be gone.
    pub fn become_entries(&self, shape: &Shape, values: &mut [Value]) -> Result<(), Raise> {
        self.reserve(shape.len() + 1)?;
        for (position, value) in values.iter_mut().enumerate() {
            // SAFETY: keys are values.
            let key = unsafe { shape.key(position).clone_value() };
            drop(self.insert(key, std::mem::replace(value, Value::Null))?);
        }
        Ok(())
    }

    /// Takes the values that stand in the dict's own block for those of a record of this shape.
    #[inline]
    unsafe fn become_record(&self, shape: &Shape) {
        self.body.set(self.inline_values());
        self.header.small.set(shape.len() as u8);
        self.header.shape.set(shape.id());
        // SAFETY: shapes are made by the heap.
        self.shape.set(Rc::into_ptr(unsafe { Rc::of_ref(shape) }));
    }
}
