//! Dicts and sets: handles over a [`Table`] that snapshots can share.
//!
//! Invariants
//! - As with arrays, `SHARED_BUFFER` says that a snapshot may exist; a write then copies the table first if it is
//!   shared. Positions stay the same in the copy.
//! - A collection that never held anything owns no table.
#![expect(unsafe_code, reason = "the table is a counted pointer in a cell")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::table::key_hash;
use crate::{EntryIndex, Header, Heap, Object, Raise, Raw, Rc, Str, Table, Value, flag, tag};

/// An insertion-ordered map.
#[repr(C)]
pub struct Dict {
    header: Header,
    table: Cell<*mut Table>,
}

/// An insertion-ordered set.
#[repr(C)]
pub struct Set {
    header: Header,
    table: Cell<*mut Table>,
}

// SAFETY: repr(C), header first, made by `Heap::dict` only.
unsafe impl Object for Dict {}
// SAFETY: repr(C), header first, made by `Heap::set` only.
unsafe impl Object for Set {}

macro_rules! over_a_table {
    ($type:ident, $is_set:literal) => {
        impl $type {
            /// Number of entries.
            #[inline]
            pub fn len(&self) -> usize {
                self.table().map_or(0, Table::len)
            }

            /// Whether there are no entries.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The entries; the borrow ends before the next write to this collection.
            #[inline]
            pub fn table(&self) -> Option<&Table> {
                // SAFETY: the table is alive as long as this collection refers to it.
                unsafe { self.table.get().as_ref() }
            }

            /// The entries as they are now, in constant time; a later write copies them first.
            pub fn snapshot(&self) -> Rc<Table> {
                let Some(table) = self.table() else {
                    return Heap::of(self).empty_table();
                };
                self.header.set_flag(flag::SHARED_BUFFER);
                // SAFETY: this collection owns a count of the table.
                unsafe { Rc::of_ref(table) }
            }

            /// Removes all entries and their memory.
            pub fn clear(&self) {
                self.header.clear_flag(flag::SHARED_BUFFER);
                let old = self.table.replace(std::ptr::null_mut());
                if !old.is_null() {
                    // SAFETY: this collection owned one count, which ends here.
                    drop(unsafe { Rc::from_ptr(old) });
                }
            }

            /// Takes over a table as the entries; it may be shared with snapshots.
            pub fn replace_table(&self, table: Rc<Table>) {
                self.clear();
                if Rc::count(&table) > 1 {
                    self.header.set_flag(flag::SHARED_BUFFER);
                }
                if !table.is_empty() {
                    self.table.set(Rc::into_ptr(table));
                }
            }

            /// The table, this collection's alone; made if there is none.
            #[inline]
            fn own(&self) -> Result<&Table, Raise> {
                match self.table() {
                    Some(table) if !self.header.has(flag::SHARED_BUFFER) => Ok(table),
                    _ => self.own_slow(),
                }
            }

            #[cold]
            #[inline(never)]
            fn own_slow(&self) -> Result<&Table, Raise> {
                let heap = Heap::of(self);
                match self.table() {
                    None => self.table.set(Rc::into_ptr(Table::create(&heap, $is_set)?)),
                    Some(table) => {
                        if table.header.count.get() > 1 {
                            let fresh = table.duplicate(&heap)?;
                            let old = self.table.replace(Rc::into_ptr(fresh));
                            // SAFETY: this collection owned one count of the old table, which ends here.
                            drop(unsafe { Rc::from_ptr(old) });
                        }
                    }
                }
                self.header.clear_flag(flag::SHARED_BUFFER);
                Ok(self.table().expect("just made"))
            }

            pub(crate) fn table_header(&self) -> Option<NonNull<Header>> {
                NonNull::new(self.table.get().cast())
            }

            /// The collection is dead: gives its table back.
            pub(crate) unsafe fn release_table(&self) {
                if let Some(table) = self.table_header() {
                    // SAFETY: this collection owned one count, which ends here.
                    unsafe { Header::release(table) };
                }
            }
        }
    };
}

over_a_table!(Dict, false);
over_a_table!(Set, true);

impl Dict {
    /// The value under a key. The borrow ends before the next write to this dict.
    #[inline]
    pub fn get(&self, key: &Value) -> Option<&Raw> {
        self.table()?.get(key)
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
        let table = self.table()?;
        table.entry_str(key).map(|entry| table.value_at(entry))
    }

    /// The value under a string key.
    #[inline]
    pub fn get_text(&self, key: &Str) -> Option<&Raw> {
        let table = self.table()?;
        table.entry_of(key).map(|entry| table.value_at(entry))
    }

    /// Where the value under a string or int key is; null if there is none, or the key is of another type. Valid until
    /// the next insertion or removal, and for reading only.
    ///
    /// # Safety
    /// `key` is a value.
    #[inline]
    pub unsafe fn find(&self, key: Raw) -> *const Raw {
        match self.table() {
            // SAFETY: a dict's table, and the caller's promise.
            Some(table) => unsafe { table.find_place(key) },
            None => std::ptr::null(),
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
    /// if the key is of another type, if there are no entries yet, or while a snapshot may share them.
    ///
    /// # Errors
    /// Out of memory.
    ///
    /// # Safety
    /// `key` is a value that is no key of this dict yet.
    #[inline(never)]
    pub unsafe fn add_place(&self, key: Raw) -> Result<*mut Raw, Raise> {
        let Some(table) = self.table().filter(|_| !self.header.has(flag::SHARED_BUFFER)) else {
            return Ok(std::ptr::null_mut());
        };
        let heap = Heap::of(self);
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
        self.table()?.entry(key)
    }

    /// The value of an entry.
    #[inline]
    pub fn value_at(&self, entry: EntryIndex) -> &Raw {
        self.table().expect("an entry has a table").value_at(entry)
    }

    /// Puts a value into an entry; gives the old one.
    ///
    /// # Errors
    /// Out of memory, when the entries have to be copied for a snapshot.
    #[inline]
    pub fn set_value_at(&self, entry: EntryIndex, value: Value) -> Result<Value, Raise> {
        Ok(self.own()?.set_value_at(entry, value))
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
    /// Out of memory, when the entries have to be copied for a snapshot.
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
        self.table()?.entry_at(position)
    }

    /// Makes room for exactly `count` entries in all.
    ///
    /// # Errors
    /// Out of memory.
    pub fn reserve(&self, count: usize) -> Result<(), Raise> {
        self.own()?.reserve(&Heap::of(self), count)
    }
}

impl Set {
    /// Adds an element; whether it was new.
    ///
    /// # Errors
    /// Type error if the element is not hashable; out of memory. The set is unchanged then.
    pub fn add(&self, element: Value) -> Result<bool, Raise> {
        let heap = Heap::of(self);
        if let Value::Int(number) = element {
            let table = self.own()?;
            if table.entry_of_int(number).is_some() {
                return Ok(false);
            }
            table.append_int(&heap, number, Raw::null())?;
            return Ok(true);
        }
        let hash = key_hash(&heap, &element)?;
        let table = self.own()?;
        if table.entry_hashed(&element, hash).is_some() {
            return Ok(false);
        }
        table.append(&heap, Raw::of_value(&element), hash, Raw::null())?;
        // The table took over the count.
        std::mem::forget(element);
        Ok(true)
    }

    /// Whether an element is there.
    #[inline]
    pub fn contains(&self, element: &Value) -> bool {
        self.table().is_some_and(|table| table.entry(element).is_some())
    }

    /// Removes an element; whether it was there.
    ///
    /// # Errors
    /// Out of memory, when the elements have to be copied for a snapshot.
    pub fn remove(&self, element: &Value) -> Result<bool, Raise> {
        let Some(entry) = self.table().and_then(|table| table.entry(element)) else {
            return Ok(false);
        };
        let removed = self.own()?.remove_at(entry);
        drop(removed);
        Ok(true)
    }

    /// The first element at or after `position`, with the next position.
    #[inline]
    pub fn item_at(&self, position: usize) -> Option<(usize, &Raw)> {
        let (next, element, _) = self.table()?.entry_at(position)?;
        Some((next, element))
    }
}

impl Heap {
    /// A new dict.
    ///
    /// # Errors
    /// Out of memory.
    pub fn dict(&self) -> Result<Rc<Dict>, Raise> {
        let object = self.new_object(tag::DICT, size_of::<Dict>())?.cast::<Dict>();
        // SAFETY: a new object of this size, whose count goes to the result.
        unsafe {
            (&raw mut (*object).table).write(Cell::new(std::ptr::null_mut()));
            Ok(Rc::from_ptr(object))
        }
    }

    /// A new set.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set(&self) -> Result<Rc<Set>, Raise> {
        let object = self.new_object(tag::SET, size_of::<Set>())?.cast::<Set>();
        // SAFETY: a new object of this size, whose count goes to the result.
        unsafe {
            (&raw mut (*object).table).write(Cell::new(std::ptr::null_mut()));
            Ok(Rc::from_ptr(object))
        }
    }
}
