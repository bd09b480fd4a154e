//! Side records: what few objects have and no header has room for.
//!
//! One table per heap, keyed by address; the header flag `HAS_SIDE` says that there is a record. Holds the weak cell,
//! the id, undeclared instance fields, the finalizer, and the character index of a long string.
//!
//! Invariant: a record goes when its object does; at that moment the weak cell is emptied and the finalizer queued.
#![expect(unsafe_code, reason = "follows the uncounted pointer to the weak cell")]

use std::ptr::NonNull;

use crate::{Instance, Raise, Raw, Rc, Str, Value, WeakCell, tag};

use super::visit::Visitor;
use super::{Header, Heap, Inner, flag};

/// What the table costs per record beside the record itself, roughly an entry and its share of free slots.
const ENTRY: usize = 24;

#[derive(Default)]
pub(crate) struct SideRecord {
    /// The weak cell, not counted: the cell clears this when it dies.
    pub(crate) weak: Option<NonNull<WeakCell>>,
    pub(crate) id: Option<i64>,
    /// Undeclared fields in order of their first assignment.
    pub(crate) extra: Vec<(Rc<Str>, Value)>,
    pub(crate) finalizer: Option<Value>,
    /// Byte offsets of every 64th character.
    pub(crate) text_index: Option<Box<[u32]>>,
}

impl SideRecord {
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + ENTRY
            + self.extra.capacity() * size_of::<(Rc<Str>, Value)>()
            + self
                .text_index
                .as_ref()
                .map_or(0, |index| index.len() * size_of::<u32>())
    }
}

impl Inner {
    /// Reads the record of an object, if it has one. `f` neither releases values nor allocates objects.
    pub(crate) fn side<R>(&self, object: NonNull<Header>, f: impl FnOnce(&mut SideRecord) -> R) -> Option<R> {
        self.side
            .with(|table| table.get_mut(&(object.as_ptr() as usize)).map(|side| f(side)))
    }

    /// Reads the record of an object, made if needed.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn side_or_new<R>(
        &self,
        heap: &Heap,
        object: NonNull<Header>,
        f: impl FnOnce(&mut SideRecord) -> R,
    ) -> Result<R, Raise> {
        // SAFETY: callers pass live objects.
        let header = unsafe { object.as_ref() };
        if !header.has(flag::HAS_SIDE) {
            let bytes = SideRecord::default().bytes();
            heap.charge(bytes)?;
            let reserved = self.side.with(|table| table.try_reserve(1).is_ok());
            if !reserved {
                heap.discharge(bytes);
                return Err(heap.out_of_memory(bytes));
            }
            self.side
                .with(|table| table.insert(object.as_ptr() as usize, Box::default()));
            header.set_flag(flag::HAS_SIDE);
        }
        Ok(self
            .side(object, f)
            .expect("the flag says that there is a record"))
    }

    /// An object moved: its record goes with it.
    pub(super) fn move_side(&self, from: usize, to: NonNull<Header>) {
        self.side.with(|table| {
            if let Some(side) = table.remove(&from) {
                table.insert(to.as_ptr() as usize, side);
            }
        });
    }

    /// One more object has to be followed up when it dies, or one fewer.
    pub(crate) fn await_finalizer(&self, more: bool) {
        let awaited = self.awaited_finalizers.get();
        self.awaited_finalizers
            .set(if more { awaited + 1 } else { awaited - 1 });
    }

    /// Queues a dead generator that has to be closed, which lives on in the queue; false if it is none.
    ///
    /// # Safety
    /// `object` is intact, and the queue gets the count that the caller gives up or adds.
    pub(super) unsafe fn queue_to_close(&self, object: NonNull<Header>) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            if object.as_ref().kind != crate::tag::COROUTINE {
                return false;
            }
            let generator = object.cast::<crate::Coroutine>();
            if !generator.as_ref().closes() {
                return false;
            }
            generator.as_ref().queued();
            let raw = Raw {
                tag: crate::tag::COROUTINE,
                payload: object.as_ptr() as u64,
            };
            self.finalizers.with(|queue| queue.push_back(raw.into_value()));
            true
        }
    }

    /// The object is dead: empties its weak cell, queues its finalizer, drops its record and its interning, and tells the
    /// collector.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn on_death(&self, object: NonNull<Header>) {
        // SAFETY: the object's memory is intact.
        let header = unsafe { object.as_ref() };
        if header.kind == tag::STRING {
            header.clear_flag(flag::INTERNED);
        } else if header.has(flag::GRAY | flag::CANDIDATE) {
            // SAFETY: as above.
            unsafe { self.watched_object_dies(object) };
        }
        if header.has(flag::HAS_SIDE) {
            self.bury_side(object);
        }
    }

    /// The object, which has a side record, is dead: the record goes.
    pub(super) fn bury_side(&self, object: NonNull<Header>) {
        // SAFETY: callers pass objects whose memory is intact.
        unsafe { object.as_ref() }.clear_flag(flag::HAS_SIDE);
        let Some(side) = self.side.with(|table| table.remove(&(object.as_ptr() as usize))) else {
            return;
        };
        let bytes = side.bytes();
        let side = *side;
        if let Some(weak) = side.weak {
            // SAFETY: a weak cell that dies clears the pointer to itself, so this one is alive.
            unsafe { weak.as_ref() }.empty();
        }
        if let Some(finalizer) = side.finalizer {
            self.finalizers.with(|queue| queue.push_back(finalizer));
        }
        // The fields may be the last owners of what they hold: they join the work list behind this object.
        drop(side.extra);
        self.discharge(bytes);
        self.side.with(|table| {
            if table.capacity() > 64 && table.len() * 8 < table.capacity() {
                table.shrink_to(table.len() * 2);
            }
        });
    }

    pub(super) unsafe fn visit_side<F: FnMut(NonNull<Header>)>(
        &self,
        object: NonNull<Header>,
        visitor: &mut Visitor<F>,
    ) {
        self.side(object, |side| {
            for (_, value) in &side.extra {
                visitor.value(value);
            }
        });
    }
}

impl Heap {
    /// The weak reference to an array, dict, set, instance or object of a type of the host, the same one each time;
    /// `None` for other values.
    ///
    /// # Errors
    /// Out of memory.
    pub fn weak_to(&self, value: &Value) -> Result<Option<Rc<WeakCell>>, Raise> {
        let raw = Raw::of_value(value);
        let has_identity = match value {
            Value::Native(native) => native.get().class().is_some(),
            _ => matches!(raw.tag, tag::ARRAY | tag::DICT | tag::SET | tag::INSTANCE),
        };
        if !has_identity {
            return Ok(None);
        }
        let inner = self.inner();
        let object = raw.header_ptr();
        if let Some(Some(weak)) = inner.side(object, |side| side.weak) {
            // SAFETY: a weak cell that dies clears the pointer to itself, so this one is alive.
            return Ok(Some(unsafe { Rc::of_ref(weak.as_ref()) }));
        }
        let weak = self.weak_cell(object)?;
        let pointer = NonNull::new(Rc::as_ptr(&weak));
        inner.side_or_new(self, object, |side| side.weak = pointer)?;
        Ok(Some(weak))
    }

    /// What `id(v)` gives: the value of an int, 0 or 1 for null and bools, a number of its own for each object.
    ///
    /// # Errors
    /// Out of memory.
    pub fn id_of(&self, value: &Value) -> Result<i64, Raise> {
        let raw = Raw::of_value(value);
        match value {
            Value::Int(value) => Ok(*value),
            Value::Null => Ok(0),
            Value::Bool(value) => Ok(i64::from(*value)),
            Value::Float(value) => Ok(value.to_bits().cast_signed()),
            Value::Builtin(builtin) => Ok(i64::from(builtin.id)),
            _ => {
                let inner = self.inner();
                let next = inner.next_id.get();
                let id = inner.side_or_new(self, raw.header_ptr(), |side| *side.id.get_or_insert(next))?;
                if id == next {
                    inner.next_id.set(next + 1);
                }
                Ok(id)
            }
        }
    }

    /// Has `finalizer` queued when the object dies; replaces an earlier one. False if the value is not an object.
    ///
    /// # Errors
    /// Out of memory.
    pub fn set_finalizer(&self, value: &Value, finalizer: Value) -> Result<bool, Raise> {
        let raw = Raw::of_value(value);
        if !raw.is_counted() {
            return Ok(false);
        }
        let inner = self.inner();
        let old = inner.side_or_new(self, raw.header_ptr(), |side| side.finalizer.replace(finalizer))?;
        if old.is_none() {
            inner.await_finalizer(true);
        }
        drop(old);
        Ok(true)
    }

    /// Number of finalizers, and of generators to be closed, that have not been handed out by [`Heap::next_finalizer`].
    pub fn finalizers(&self) -> usize {
        self.inner().awaited_finalizers.get()
    }

    /// Whether an object with a finalizer has died and [`Heap::next_finalizer`] has not been asked since.
    pub fn has_finalizer(&self) -> bool {
        self.inner().finalizers.with(|queue| !queue.is_empty())
    }

    /// The next finalizer of an object that died, or generator to be closed, in order of death.
    pub fn next_finalizer(&self) -> Option<Value> {
        let inner = self.inner();
        let next = inner.finalizers.with(std::collections::VecDeque::pop_front);
        if next.is_some() {
            inner.await_finalizer(false);
        }
        next
    }

    /// An undeclared field of an instance.
    pub(crate) fn extra_field(&self, instance: &Instance, name: &str) -> Option<Value> {
        self.inner().side(NonNull::from(instance).cast(), |side| {
            let found = side.extra.iter().find(|(key, _)| key.as_str() == name);
            found.map(|(_, value)| value.clone())
        })?
    }

    /// Sets an undeclared field of an instance, giving back the old value.
    pub(crate) fn set_extra_field(
        &self,
        instance: &Instance,
        name: &Rc<Str>,
        value: Value,
    ) -> Result<Option<Value>, Raise> {
        let object = NonNull::from(instance).cast();
        let inner = self.inner();
        let growth = inner.side_or_new(self, object, |side| {
            let known = side.extra.iter().any(|(key, _)| key.as_str() == name.as_str());
            let full = side.extra.len() == side.extra.capacity();
            if known || !full {
                0
            } else {
                (side.extra.len() / 2).max(2)
            }
        })?;
        if growth > 0 {
            let bytes = growth * size_of::<(Rc<Str>, Value)>();
            self.charge(bytes)?;
            let grown = inner.side(object, |side| side.extra.try_reserve_exact(growth).is_ok());
            if grown != Some(true) {
                self.discharge(bytes);
                return Err(self.out_of_memory(bytes));
            }
        }
        let name = name.clone();
        let old = inner.side(object, |side| {
            let known = side
                .extra
                .iter_mut()
                .find(|(key, _)| key.as_str() == name.as_str());
            if let Some((_, slot)) = known {
                (Some(std::mem::replace(slot, value)), Some(name))
            } else {
                side.extra.push((name, value));
                (None, None)
            }
        });
        Ok(old.and_then(|(old, _name)| old))
    }

    /// The undeclared fields of an instance, in order of their first assignment.
    pub(crate) fn extra_fields(&self, instance: &Instance) -> Vec<(Rc<Str>, Value)> {
        self.inner()
            .side(NonNull::from(instance).cast(), |side| side.extra.clone())
            .unwrap_or_default()
    }
}
