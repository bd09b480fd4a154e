//! Sets: a few elements in the set's own block, or a handle over a [`Table`] that snapshots can share.
//!
//! A set begins with room for a few elements behind its header, which are searched in a row. It gets a table, and keeps
//! one until it is cleared, when they do not suffice or when an element other than the last is removed. Order and
//! positions of the elements stay the same.
//!
//! Invariants
//! - Without a table `header.shape` is the number of elements, `header.small` how many there is room for. Strings have
//!   their hashes beside them; other elements need none.
//! - With a table `SHARED_BUFFER` says, as with arrays, that a snapshot may exist; a write then copies the table first if
//!   it is shared. Positions stay the same in the copy.
#![expect(
    unsafe_code,
    reason = "elements are inline, the table a counted pointer in a cell"
)]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::hash::same_key;
use crate::heap::{self, Visitor};
use crate::table::{Key, key_hash};
use crate::{Header, Heap, Object, Raise, Raw, Rc, Table, Value, flag, tag};

/// An insertion-ordered set.
#[repr(C)]
pub struct Set {
    header: Header,
    table: Cell<*mut Table>,
    elements: [Key; 0],
}

// SAFETY: repr(C), header first, made by `Heap::set` and its kin only.
unsafe impl Object for Set {}

const ELEMENTS_OFFSET: usize = std::mem::offset_of!(Set, elements);
/// Elements that a new set has room for.
const FEW: usize = 2;
/// Most elements without a table.
const MOST_INLINE: usize = 4;

/// The elements of a set in order; see [`Set::iter`].
pub struct Elements<'a> {
    set: &'a Set,
    position: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a Value;

    fn next(&mut self) -> Option<&'a Value> {
        let (next, element) = self.set.value_at(self.position)?;
        self.position = next;
        Some(element)
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = &'a Value;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

impl Set {
    /// The table, if there is one.
    #[inline(always)]
    pub(crate) fn table(&self) -> Option<&Table> {
        // SAFETY: the table is alive as long as this set refers to it.
        unsafe { self.table.get().as_ref() }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self.table() {
            Some(table) => table.len(),
            None => self.header.shape.get() as usize,
        }
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn inline_ptr(&self) -> *mut Key {
        // SAFETY: the elements start behind the fixed part of the same allocation.
        unsafe {
            let start = std::ptr::from_ref(self).cast_mut().cast::<u8>();
            start.add(ELEMENTS_OFFSET).cast()
        }
    }

    /// The elements in the set's own block; of no meaning when there is a table.
    #[inline(always)]
    fn inline(&self) -> &[Key] {
        // SAFETY: that many initialised elements.
        unsafe { std::slice::from_raw_parts(self.inline_ptr(), self.header.shape.get() as usize) }
    }

    /// The table, this set's alone; made if there is none.
    #[inline]
    fn own(&self) -> Result<&Table, Raise> {
        match self.table() {
            Some(table) if !self.header.has(flag::GUARDED) => Ok(table),
            _ => self.own_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn own_slow(&self) -> Result<&Table, Raise> {
        self.header.touch();
        let heap = Heap::of(self);
        match self.table() {
            None => {
                let table = Table::create(&heap, true)?;
                table.reserve(&heap, 2 * MOST_INLINE)?;
                for element in self.inline() {
                    let raw = element.raw();
                    if raw.tag == tag::INT {
                        table.append_int(&heap, raw.payload.cast_signed(), Raw::null())?;
                    } else {
                        // SAFETY: elements are values.
                        let hash = key_hash(&heap, unsafe { raw.as_value() })?;
                        table.append(&heap, raw, hash, Raw::null())?;
                        raw.retain();
                    }
                }
                let old = self.inline().to_vec();
                self.header.shape.set(0);
                self.table.set(Rc::into_ptr(table));
                for element in old {
                    // SAFETY: the table has counts of its own.
                    unsafe { element.raw().release() };
                }
            }
            Some(table) => {
                if !self.header.has(flag::SHARED_BUFFER) {
                    return Ok(table);
                }
                if table.header.count.get() > 1 {
                    let fresh = table.duplicate(&heap)?;
                    let old = self.table.replace(Rc::into_ptr(fresh));
                    // SAFETY: this set owned one count of the old table, which ends here.
                    drop(unsafe { Rc::from_ptr(old) });
                } else if table.header.has(flag::GRAY | flag::CANDIDATE) {
                    heap.inner().storage_unshared(NonNull::from(table).cast());
                }
            }
        }
        self.header.clear_flag(flag::SHARED_BUFFER);
        Ok(self.table().expect("just made"))
    }

    /// Where an element stands in the set's own block.
    #[inline(always)]
    fn find_inline(&self, element: &Value) -> Option<usize> {
        match element {
            Value::Int(number) => {
                let is_it = |known: &Key| known.payload == number.cast_unsigned() && known.tag == tag::INT;
                self.inline().iter().position(is_it)
            }
            Value::String(text) if !self.inline().is_empty() => {
                let hash = text.hash();
                self.inline().iter().position(|known| known.is_string(text, hash))
            }
            _ => self.inline().iter().position(|known| {
                let raw = known.raw();
                // SAFETY: elements are values.
                same_key(unsafe { raw.as_value() }, element)
            }),
        }
    }

    /// Adds an element; whether it was new.
    ///
    /// # Errors
    /// Type error if the element is not hashable; out of memory. The set is unchanged then.
    #[inline]
    pub fn add(&self, element: Value) -> Result<bool, Raise> {
        if let Value::Int(number) = element
            && let Some(table) = self.table()
            && !self.header.has(flag::GUARDED)
        {
            if table.has_int(number) {
                return Ok(false);
            }
            table.append_int(&Heap::of(self), number, Raw::null())?;
            return Ok(true);
        }
        self.add_slow(element)
    }

    #[inline(never)]
    fn add_slow(&self, element: Value) -> Result<bool, Raise> {
        let heap = Heap::of(self);
        let hash = match element {
            Value::Int(_) => 0,
            _ => key_hash(&heap, &element)?,
        };
        if self.table().is_none() {
            if self.find_inline(&element).is_some() {
                return Ok(false);
            }
            let len = self.header.shape.get();
            if len < u32::from(self.header.small.get()) {
                // SAFETY: there is room for one more, which takes over the count.
                unsafe {
                    let place = self.inline_ptr().add(len as usize);
                    place.write(Key::new(Raw::from_value(element), hash));
                }
                self.header.shape.set(len + 1);
                return Ok(true);
            }
        }
        let table = self.own()?;
        if table.entry_hashed(&element, hash).is_some() {
            return Ok(false);
        }
        match element {
            Value::Int(number) => table.append_int(&heap, number, Raw::null())?,
            _ => table.append(&heap, Raw::of_value(&element), hash, Raw::null())?,
        }
        // The table took over the count.
        std::mem::forget(element);
        Ok(true)
    }

    /// Whether an element is there.
    #[inline(always)]
    pub fn contains(&self, element: &Value) -> bool {
        match (self.table(), element) {
            (Some(table), Value::Int(number)) => table.has_int(*number),
            (Some(table), _) => table.entry(element).is_some(),
            (None, _) => self.has_inline(element),
        }
    }

    #[inline(never)]
    fn has_inline(&self, element: &Value) -> bool {
        self.find_inline(element).is_some()
    }

    /// Removes an element; whether it was there.
    ///
    /// # Errors
    /// Out of memory, when the elements have to be copied for a snapshot, or the set gets a table.
    pub fn remove(&self, element: &Value) -> Result<bool, Raise> {
        if self.table().is_none() {
            let Some(position) = self.find_inline(element) else {
                return Ok(false);
            };
            if position + 1 == self.inline().len() {
                let last = self.inline()[position].raw();
                self.header.shape.set(position as u32);
                // SAFETY: the set owned this count.
                unsafe { last.release() };
                return Ok(true);
            }
        }
        let table = match self.table() {
            Some(table) if table.entry(element).is_none() => return Ok(false),
            _ => self.own()?,
        };
        let Some(entry) = table.entry(element) else {
            return Ok(false);
        };
        let removed = table.remove_at(entry);
        drop(removed);
        Ok(true)
    }

    /// The first element at or after `position`, with the next position.
    #[inline]
    pub fn item_at(&self, position: usize) -> Option<(usize, &Raw)> {
        match self.table() {
            Some(table) => {
                let (next, element, _) = table.entry_at(position)?;
                Some((next, element))
            }
            None => Some((position + 1, self.inline().get(position)?.as_raw())),
        }
    }

    /// The same as a value. The borrow ends before the next write to this set.
    #[inline]
    pub fn value_at(&self, position: usize) -> Option<(usize, &Value)> {
        let (next, element) = self.item_at(position)?;
        // SAFETY: elements are values.
        Some((next, unsafe { element.as_value() }))
    }

    /// The elements in order. Nothing writes to this set meanwhile.
    pub fn iter(&self) -> Elements<'_> {
        Elements {
            set: self,
            position: 0,
        }
    }

    /// Removes all elements and their memory.
    pub fn clear(&self) {
        self.header.clear_flag(flag::SHARED_BUFFER);
        let len = self.header.shape.replace(0) as usize;
        let table = self.table.replace(std::ptr::null_mut());
        // SAFETY: the set owned these counts. What is released runs no code that could add to the set.
        unsafe {
            if table.is_null() {
                for position in 0..len {
                    (*self.inline_ptr().add(position)).raw().release();
                }
            } else {
                drop(Rc::from_ptr(table));
            }
        }
    }

    /// The elements as they are now, in constant time: a set that nobody else knows.
    ///
    /// # Errors
    /// Out of memory.
    pub fn snapshot(&self) -> Result<Rc<Self>, Raise> {
        Heap::of(self).set_copy(self)
    }

    pub(crate) fn table_header(&self) -> Option<NonNull<Header>> {
        self.table().map(|table| NonNull::from(table).cast())
    }

    /// Calls `f` with the position and the value of every element in the set's own block.
    pub(crate) fn each_inline(&self, mut f: impl FnMut(usize, Raw)) {
        if self.table().is_none() {
            for (position, element) in self.inline().iter().enumerate() {
                f(position, element.raw());
            }
        }
    }

    /// Shows what the set holds to the collector.
    pub(crate) fn visit<F: FnMut(NonNull<Header>)>(&self, visitor: &mut Visitor<F>) {
        match self.table_header() {
            Some(table) => (visitor.0)(table),
            None => self.each_inline(|_, element| visitor.raw(element)),
        }
    }

    /// The set is dead: gives back what it holds; `len` is what its header's shape was.
    pub(crate) unsafe fn release_contents(&self, len: usize) {
        // SAFETY: the set owned these counts.
        unsafe {
            match self.table_header() {
                Some(table) => Header::release(table),
                None => {
                    for position in 0..len {
                        (*self.inline_ptr().add(position)).raw().release();
                    }
                }
            }
        }
    }
}

impl Heap {
    /// A new set.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set(&self) -> Result<Rc<Set>, Raise> {
        self.set_with_room(FEW)
    }

    /// A new set that is to have so many elements: few of them stand in its own block.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set_with_room(&self, count: usize) -> Result<Rc<Set>, Raise> {
        // Many get a table.
        let room = if count <= MOST_INLINE { count.max(FEW) } else { FEW };
        let size = ELEMENTS_OFFSET + room * size_of::<Key>();
        let object = self.new_object(tag::SET, size)?.cast::<Set>();
        // SAFETY: a new object of at least this size, whose count goes to the result.
        unsafe {
            (&raw mut (*object).table).write(Cell::new(std::ptr::null_mut()));
            let set = Rc::from_ptr(object);
            let room = (heap::object_bytes(Rc::header_ptr(&set)) - ELEMENTS_OFFSET) / size_of::<Key>();
            set.header.small.set(room.min(MOST_INLINE) as u8);
            Ok(set)
        }
    }

    /// A new set with the elements of another one, sharing its table if it has one.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set_copy(&self, of: &Set) -> Result<Rc<Set>, Raise> {
        let copy = self.set_with_room(of.len())?;
        let Some(table) = of.table() else {
            for (position, element) in of.inline().iter().enumerate() {
                element.raw().retain();
                // SAFETY: there is room for as many.
                unsafe { copy.inline_ptr().add(position).write(*element) };
            }
            copy.header.shape.set(of.inline().len() as u32);
            return Ok(copy);
        };
        of.header.set_flag(flag::SHARED_BUFFER);
        copy.header.set_flag(flag::SHARED_BUFFER);
        // SAFETY: the other set owns a count of the table.
        copy.table.set(Rc::into_ptr(unsafe { Rc::of_ref(table) }));
        Ok(copy)
    }
}
