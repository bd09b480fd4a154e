//! Shapes: the keys of records, shared by all dicts that were made alike.
//!
//! A shape is a list of string keys in order. A shape and a key give the next shape, so shapes form a tree; the heap
//! keeps one table of these transitions, and each shape remembers its last one. A record, which is a dict in its first
//! form, refers to its shape and holds values only; see `dict`.
//!
//! Example: `{"x": 1}` and `{"x": 2}` share the shape `x`. Setting `"y"` in either leads to the shape `x, y`.
//!
//! Invariants
//! - A shape never changes. Its id has the highest bit set, which the id of no struct has, and is not given out again,
//!   so an inline cache may compare ids of records and of instances alike.
//! - A shape holds a count of its parent and of each of its keys. The table of transitions holds a count of each shape:
//!   one that nothing else holds is idle, and goes when the table has doubled since the last sweep, with the next full
//!   pass of the collector, or when the heap lets go of what it shares. Until then the next dict like it finds it.
//! - A shape remembers a child only while that is in the table.
//! - How many shapes there may be is bounded, in all ([`MOST_SHAPES`]) and by the number of dicts made so far
//!   ([`Inner::may_add_shape`]): a program whose dicts have nothing in common has tables instead.
//! - A refused charge is no error: the dict becomes a table, and that may be refused.
#![expect(unsafe_code, reason = "keys are inline behind the object")]

use std::cell::Cell;
use std::ptr::NonNull;

use hashbrown::HashTable;

use crate::hash::SPREAD;
use crate::heap::Inner;
use crate::table::Key;
use crate::{Header, Heap, Object, Raw, Rc, Str, flag, tag};

/// Most keys of a record.
pub const MOST_KEYS: usize = 64;
/// Keys that are searched in a row; beyond that the shape has an index.
const LINEAR: usize = 8;
/// Most shapes at a time.
const MOST_SHAPES: usize = 8192;
/// Shapes that may be made before dicts have to share them.
const FREE_SHAPES: u64 = 512;
/// Dicts for each further shape.
const SHARED_BY: u64 = 4;
/// Shapes in the table below which idle ones are not looked for.
const LEAST_SWEEP: usize = 128;
/// The highest bit of the id of a record's shape.
const RECORD_ID: u32 = 1 << 31;
/// What dicts that are no records have in the place of an id: that of no shape.
pub(crate) const NO_SHAPE: u32 = RECORD_ID;
/// A place of an index without a position.
const EMPTY: u8 = u8::MAX;

/// The keys of a record; see the module.
#[repr(C)]
pub struct Shape {
    header: Header,
    /// Null for a shape of one key.
    parent: Cell<*const Shape>,
    /// The child that was asked for last; null when there is none, or it is gone.
    last: Cell<*const Shape>,
    /// The most keys of a shape that was made from this one.
    longest: Cell<u8>,
    len: u8,
    /// Whether every key is in the heap's table of interned strings.
    interned: bool,
    /// Places of the index behind the keys, less one; 0 without an index.
    mask: u8,
    keys: [Key; 0],
}

// SAFETY: repr(C), header first, made by `Inner::child_shape` only.
unsafe impl Object for Shape {}

const KEYS_OFFSET: usize = std::mem::offset_of!(Shape, keys);

/// What the heap knows of its shapes.
pub(crate) struct Shapes {
    table: HashTable<Rc<Shape>>,
    charged: usize,
    next_sweep: usize,
    next_id: u32,
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            charged: 0,
            next_sweep: LEAST_SWEEP,
            next_id: RECORD_ID,
        }
    }
}

/// Bytes of the index of a shape of so many keys.
fn index_bytes(len: usize) -> usize {
    if len <= LINEAR {
        0
    } else {
        (2 * len).next_power_of_two()
    }
}

fn transition_hash(parent: u32, key: u32) -> u64 {
    (u64::from(key) ^ u64::from(parent).rotate_left(40)).wrapping_mul(SPREAD)
}

impl Shape {
    /// The id that records of this shape carry in their headers.
    #[inline(always)]
    pub(crate) fn id(&self) -> u32 {
        self.header.shape.get()
    }

    /// Number of keys.
    #[inline(always)]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are no keys, which is never so.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values a record that has just come to this shape should have room for: as many as such records had
    /// before, but not more than twice what it needs.
    pub(crate) fn room(&self) -> usize {
        usize::from(self.longest.get()).min(2 * self.len())
    }

    #[inline(always)]
    fn keys_ptr(&self) -> *mut Key {
        // SAFETY: the keys start behind the fixed part of the same allocation.
        unsafe {
            let start = std::ptr::from_ref(self).cast_mut().cast::<u8>();
            start.add(KEYS_OFFSET).cast()
        }
    }

    #[inline(always)]
    fn keys(&self) -> &[Key] {
        // SAFETY: that many initialised keys, which never change.
        unsafe { std::slice::from_raw_parts(self.keys_ptr(), self.len()) }
    }

    /// A key by its position.
    ///
    /// # Panics
    /// There is none.
    #[inline]
    pub fn key(&self, position: usize) -> &Raw {
        self.keys()[position].as_raw()
    }

    /// The hash of a key by its position.
    pub(crate) fn hash_of(&self, position: usize) -> u32 {
        self.keys()[position].hash
    }

    /// The position of a key.
    #[inline(always)]
    pub fn find(&self, key: &Str) -> Option<usize> {
        let address = std::ptr::from_ref(key) as u64;
        if self.mask == 0 {
            for (position, known) in self.keys().iter().enumerate() {
                if known.payload == address {
                    return Some(position);
                }
            }
        }
        self.find_text(key)
    }

    /// The position of a key by its text; by its address too if there is an index.
    #[inline(never)]
    fn find_text(&self, key: &Str) -> Option<usize> {
        if self.mask != 0 {
            return self.probe(key.hash(), |known| {
                std::ptr::eq(known.text(), key) || known.text().equals(key)
            });
        }
        if self.interned && key.is_interned() {
            return None;
        }
        let hash = key.hash();
        self.keys().iter().position(|known| known.is_string(key, hash))
    }

    /// The position of a key with this text.
    pub(crate) fn find_str(&self, heap: &Heap, text: &str) -> Option<usize> {
        let hash = Str::hash_text(heap, text);
        let is_it = |known: &Key| known.hash == hash && known.text().as_str() == text;
        if self.mask == 0 {
            return self.keys().iter().position(is_it);
        }
        self.probe(hash, is_it)
    }

    fn probe(&self, hash: u32, is_it: impl Fn(&Key) -> bool) -> Option<usize> {
        let index = self.index();
        let mut at = hash as usize & usize::from(self.mask);
        loop {
            let position = index[at];
            if position == EMPTY {
                return None;
            }
            let known = &self.keys()[usize::from(position)];
            if known.hash == hash && is_it(known) {
                return Some(usize::from(position));
            }
            at = (at + 1) & usize::from(self.mask);
        }
    }

    /// The index behind the keys.
    fn index(&self) -> &[u8] {
        let places = if self.mask == 0 {
            0
        } else {
            usize::from(self.mask) + 1
        };
        // SAFETY: the shape was made with as many places behind the keys, all set.
        unsafe { std::slice::from_raw_parts(self.keys_ptr().add(self.len()).cast::<u8>(), places) }
    }

    /// The last key.
    #[inline]
    fn last_key(&self) -> &Key {
        &self.keys()[self.len() - 1]
    }

    /// The text of the last key.
    #[inline]
    pub(crate) fn last_text(&self) -> &str {
        self.last_key().text().as_str()
    }

    fn parent_id(&self) -> u32 {
        // SAFETY: a shape holds a count of its parent.
        unsafe { self.parent.get().as_ref() }.map_or(0, Shape::id)
    }

    /// The hash under which the table of transitions has a shape.
    fn rehash(shape: &Rc<Self>) -> u64 {
        transition_hash(shape.parent_id(), shape.last_key().hash)
    }

    /// Has the parent forget this shape, if it remembers it.
    fn leave_parent(&self, heap: &Inner) {
        // SAFETY: a shape holds a count of its parent.
        let last = match unsafe { self.parent.get().as_ref() } {
            Some(parent) => &parent.last,
            None => &heap.first_shape,
        };
        if std::ptr::eq(last.get(), self) {
            last.set(std::ptr::null());
        }
    }

    /// Lets go of the keys and of the parent, which has forgotten this shape.
    ///
    /// # Safety
    /// The shape is dead.
    pub(crate) unsafe fn release_contents(&self) {
        // SAFETY: the shape owned these counts.
        unsafe {
            let parent = self.parent.get();
            for key in self.keys() {
                key.raw().release();
            }
            if let Some(parent) = NonNull::new(parent.cast_mut()) {
                Header::release(parent.cast());
            }
        }
    }
}

impl Inner {
    /// The shape of these keys and one more; `None` if there may be none or the charge is refused. `key` is not among
    /// the keys.
    #[inline]
    pub(crate) fn child_shape(&self, parent: Option<&Shape>, key: &Rc<Str>) -> Option<Rc<Shape>> {
        let last = parent.map_or(&self.first_shape, |parent| &parent.last);
        // SAFETY: what leaves the table of transitions is forgotten by its parent.
        if let Some(child) = unsafe { last.get().as_ref() }
            && child.last_key().payload == Rc::as_ptr(key) as u64
        {
            // SAFETY: shapes are made by the heap.
            return Some(unsafe { Rc::of_ref(child) });
        }
        self.child_shape_slow(parent, key)
    }

    #[inline(never)]
    fn child_shape_slow(&self, parent: Option<&Shape>, key: &Rc<Str>) -> Option<Rc<Shape>> {
        let hash = key.hash();
        let parent_id = parent.map_or(0, Shape::id);
        let found = self.record_shapes.with(|shapes| {
            let is_it =
                |shape: &Rc<Shape>| shape.parent_id() == parent_id && shape.last_key().is_string(key, hash);
            shapes
                .table
                .find(transition_hash(parent_id, hash), is_it)
                .cloned()
        });
        let child = match found {
            Some(child) => child,
            None => self.make_child(parent, key, hash)?,
        };
        parent
            .map_or(&self.first_shape, |parent| &parent.last)
            .set(Rc::as_ptr(&child));
        Some(child)
    }

    /// The shape of one key more that was asked for last.
    #[inline]
    pub(crate) fn last_child(&self, parent: Option<&Shape>) -> Option<Rc<Shape>> {
        let last = parent.map_or(&self.first_shape, |parent| &parent.last);
        // SAFETY: what leaves the table of transitions is forgotten by its parent; shapes are made by the heap.
        unsafe { last.get().as_ref().map(|child| Rc::of_ref(child)) }
    }

    /// Whether one more shape is worth having: while there are few, or if it is shared by several dicts on the average.
    fn may_add_shape(&self) -> bool {
        let dicts = self.made[tag::DICT as usize].get();
        let made = self.made[tag::SHAPE as usize].get();
        self.records.get() && made <= FREE_SHAPES + dicts / SHARED_BY && self.handles.get() > 0
    }

    #[cold]
    fn make_child(&self, parent: Option<&Shape>, key: &Rc<Str>, hash: u32) -> Option<Rc<Shape>> {
        let old = parent.map_or(0, Shape::len);
        if old >= MOST_KEYS || !self.may_add_shape() {
            return None;
        }
        let count = self.record_shapes.with(|shapes| shapes.table.len());
        if count >= self.record_shapes.with(|shapes| shapes.next_sweep) {
            self.sweep_shapes();
        }
        let id = self.record_shapes.with(|shapes| {
            let free = shapes.table.len() < MOST_SHAPES && shapes.next_id < u32::MAX;
            shapes.next_id += u32::from(free);
            free.then_some(shapes.next_id)
        })?;
        let len = old + 1;
        let places = index_bytes(len);
        let object = self.alloc(KEYS_OFFSET + len * size_of::<Key>() + places, tag::SHAPE, 0, id);
        if object.is_null() {
            return None;
        }
        let interned = Rc::header(key).has(flag::INTERNED) && parent.is_none_or(|parent| parent.interned);
        // SAFETY: a new object of this size, whose count goes to the result; its header is written again as it is. The
        // keys get counts of their own.
        let child = unsafe {
            object.cast::<Shape>().write(Shape {
                header: object.read(),
                parent: Cell::new(std::ptr::null()),
                last: Cell::new(std::ptr::null()),
                longest: Cell::new(len as u8),
                len: len as u8,
                interned,
                mask: places.saturating_sub(1) as u8,
                keys: [],
            });
            let keys = (*object.cast::<Shape>()).keys_ptr();
            for position in 0..old {
                let known = parent.map_or(Key::new(Raw::null(), 0), |parent| parent.keys()[position]);
                known.raw().retain();
                keys.add(position).write(known);
            }
            Raw::of_rc(key).retain();
            keys.add(old).write(Key::new(Raw::of_rc(key), hash));
            let index = keys.add(len).cast::<u8>();
            index.write_bytes(EMPTY, places);
            for position in 0..if places == 0 { 0 } else { len } {
                let mut at = (*keys.add(position)).hash as usize & (places - 1);
                while *index.add(at) != EMPTY {
                    at = (at + 1) & (places - 1);
                }
                *index.add(at) = position as u8;
            }
            Rc::from_ptr(object.cast::<Shape>())
        };
        if let Some(parent) = parent {
            parent.header.retain();
            child.parent.set(parent);
        }
        let hash = transition_hash(parent.map_or(0, Shape::id), hash);
        let (kept, before, after) = self.record_shapes.with(|shapes| {
            let kept = shapes.table.try_reserve(1, Shape::rehash).is_ok();
            if kept {
                shapes.table.insert_unique(hash, child.clone(), Shape::rehash);
            }
            let after = shapes.table.allocation_size();
            (kept, std::mem::replace(&mut shapes.charged, after), after)
        });
        self.settle(before, after);
        let mut ancestor = child.parent.get();
        // SAFETY: a shape keeps its ancestors alive.
        while let Some(shape) = unsafe { ancestor.as_ref() } {
            shape.longest.set(shape.longest.get().max(len as u8));
            ancestor = shape.parent.get();
        }
        kept.then_some(child)
    }

    /// Lets idle shapes go.
    pub(crate) fn sweep_shapes(&self) {
        loop {
            let idle = self.record_shapes.with(|shapes| {
                let idle: Vec<Rc<Shape>> = shapes.table.extract_if(|shape| Rc::count(shape) == 1).collect();
                shapes.next_sweep = LEAST_SWEEP.max(2 * shapes.table.len());
                idle
            });
            if idle.is_empty() {
                break;
            }
            for shape in &idle {
                shape.leave_parent(self);
            }
            // A parent is idle when its children are gone.
            drop(idle);
        }
        let (before, after) = self.record_shapes.with(|shapes| {
            if shapes.table.is_empty() {
                shapes.table = HashTable::new();
            } else if shapes.table.num_buckets() > 8 * shapes.table.len() {
                shapes.table.shrink_to(shapes.table.len(), Shape::rehash);
            }
            let after = shapes.table.allocation_size();
            (std::mem::replace(&mut shapes.charged, after), after)
        });
        self.settle(before, after);
    }

    /// Lets all shapes go that nothing uses, and forgets the others: dicts made from now on do not share theirs.
    pub(crate) fn drop_shapes(&self) {
        let shapes = self.record_shapes.take();
        for shape in &shapes.table {
            shape.leave_parent(self);
        }
        self.discharge(shapes.charged);
        // Ids are not given out again.
        self.record_shapes.with(|fresh| fresh.next_id = shapes.next_id);
        drop(shapes.table);
    }

    /// Bytes of the table of transitions.
    pub(crate) fn transition_bytes(&self) -> usize {
        self.record_shapes.with(|shapes| shapes.charged)
    }
}
