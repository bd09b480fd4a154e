//! Questions about the heap that walk it: what a value retains, who holds it, what lives by type and site.
//!
//! Their own working memory is not charged: they must answer when the budget is used up.
#![expect(unsafe_code, reason = "follows pointers between live objects")]

use std::collections::BTreeMap;
use std::ptr::NonNull;

use ahash::{AHashMap, AHashSet};

use crate::{Array, Dict, EnumDef, Raw, StructDef, Value, tag};

use super::edges::is_internal;
use super::{Header, Heap, Inner, alloc};

/// Type and site.
type Key = (String, u32);

/// One that holds a value.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The holder.
    pub value: Value,
    /// How it holds the value: `.field`, `[3]`, `["key"]`, `captured variable`.
    pub path: String,
}

/// Number and bytes of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectTotals {
    /// Objects as a user sees them: the items of an array are part of it.
    pub count: usize,
    /// Bytes, parts included.
    pub bytes: usize,
}

impl ObjectTotals {
    pub(crate) fn add(&mut self, count: usize, bytes: usize) {
        self.count += count;
        self.bytes += bytes;
    }
}

/// What lives, by type, and by type and site.
#[derive(Clone, Debug, Default)]
pub struct LiveObjects {
    /// Dicts that are records.
    pub records: usize,
    /// Dicts that have a table.
    pub tables: usize,
    /// Lists of keys that records share, those included that none has just now.
    pub shapes: usize,
    /// By name of type.
    pub types: BTreeMap<String, ObjectTotals>,
    /// By site; site 0 stands for objects made while nothing was recorded.
    pub sites: BTreeMap<u32, ObjectTotals>,
    /// Objects made since the heap began, by name of type. For structs and enums, since their declaration.
    pub made: BTreeMap<String, u64>,
}

fn header_of(value: &Value) -> Option<NonNull<Header>> {
    let raw = Raw::of_value(value);
    raw.is_counted().then(|| raw.header_ptr())
}

/// The value that an object is to a script.
unsafe fn value_of(object: NonNull<Header>) -> Value {
    // SAFETY: the caller's object is alive and of a kind that values have.
    unsafe {
        let header = object.as_ref();
        let raw = Raw {
            tag: header.kind,
            payload: object.as_ptr() as u64,
        };
        raw.clone_value()
    }
}

impl Heap {
    /// Bytes that would go if every reference to `value` went: its own and those of all that only it leads to.
    pub fn retained(&self, value: &Value) -> usize {
        self.settle();
        let Some(root) = header_of(value) else { return 0 };
        let inner = self.inner();
        inner.sync_arrays();
        // SAFETY: everything reached from a live value is alive.
        unsafe {
            // How many counts of each reachable object come from reachable objects.
            let mut counts: AHashMap<NonNull<Header>, u32> = AHashMap::new();
            let mut pending = vec![root];
            counts.insert(root, 0);
            while let Some(object) = pending.pop() {
                inner.each_edge(object, &mut |_, child| {
                    *counts.entry(child).or_insert_with(|| {
                        pending.push(child);
                        0
                    }) += 1;
                });
            }
            // What has other counts stays, and all it leads to, except through the value itself.
            let mut kept: AHashSet<NonNull<Header>> = AHashSet::new();
            for (object, inside) in &counts {
                if *object != root && object.as_ref().count.get() != *inside && kept.insert(*object) {
                    pending.push(*object);
                }
            }
            while let Some(object) = pending.pop() {
                inner.each_edge(object, &mut |_, child| {
                    if child != root && kept.insert(child) {
                        pending.push(child);
                    }
                });
            }
            let gone = counts.keys().filter(|object| !kept.contains(*object));
            gone.map(|object| inner.own_bytes(*object)).sum()
        }
    }

    /// Up to `most` objects that hold `value`, in no particular order; a variable or a stack is not an object.
    pub fn holders(&self, value: &Value, most: usize) -> Vec<Holder> {
        self.settle();
        let Some(target) = header_of(value) else {
            return Vec::new();
        };
        let inner = self.inner();
        inner.sync_arrays();
        let mut found = Vec::new();
        // SAFETY: the walk gives live objects; looking at them changes nothing.
        unsafe {
            inner.each_object(alloc::CONTAINERS, |object| {
                let kind = object.as_ref().kind;
                if found.len() >= most || is_internal(kind) || !tag::is_container(kind) {
                    return;
                }
                inner.user_edges(object, &mut |edge, child| {
                    if child == target && found.len() < most {
                        found.push((object, edge.text()));
                    }
                });
            });
            found
                .into_iter()
                .map(|(object, path)| Holder {
                    value: value_of(object),
                    path,
                })
                .collect()
        }
    }

    /// The allocation site of a value, 0 when it was not recorded.
    pub fn site_of(&self, value: &Value) -> u32 {
        // SAFETY: a live value's object is alive.
        header_of(value).map_or(0, |object| unsafe { object.as_ref() }.site.get())
    }

    /// Counts what lives by type and by site. Parts count towards the type that they belong to.
    pub fn objects_by_type(&self) -> LiveObjects {
        self.settle();
        let mut found = LiveObjects::default();
        let inner = self.inner();
        let mut last: (u64, String) = (u64::MAX, String::new());
        inner.each_object(alloc::ALL, |object| {
            // SAFETY: the walk gives live objects.
            let header = unsafe { object.as_ref() };
            let bytes = inner.own_bytes(object);
            let count = usize::from(!is_internal(header.kind));
            // Neighbours are often of one type: its name is made once.
            let shape = if header.kind == tag::INSTANCE {
                header.shape.get()
            } else {
                u32::from(header.small.get())
            };
            let known = u64::from(header.kind) << 32 | u64::from(shape);
            if known != last.0 || header.kind == tag::ENUM_VALUE || header.kind == tag::NATIVE {
                last = (known, inner.type_word(object));
            }
            if let Some(totals) = found.types.get_mut(&last.1) {
                totals.add(count, bytes);
            } else {
                found.types.insert(last.1.clone(), ObjectTotals { count, bytes });
            }
            found
                .sites
                .entry(header.site.get())
                .or_default()
                .add(count, bytes);
            // SAFETY: by their kinds.
            let made = unsafe {
                match header.kind {
                    tag::DICT => {
                        let dict = object.cast::<Dict>().as_ref();
                        found.records += usize::from(dict.shape().is_some());
                        found.tables += usize::from(dict.table_header().is_some());
                        return;
                    }
                    tag::SHAPE => {
                        found.shapes += 1;
                        return;
                    }
                    tag::STRUCT_DEF => object.cast::<StructDef>().as_ref().instances_made(),
                    tag::ENUM_DEF => object.cast::<EnumDef>().as_ref().values_made(),
                    _ => return,
                }
            };
            // SAFETY: as above.
            let name = unsafe {
                match header.kind {
                    tag::STRUCT_DEF => object.cast::<StructDef>().as_ref().name().as_str(),
                    _ => object.cast::<EnumDef>().as_ref().name().as_str(),
                }
            };
            *found.made.entry(name.to_owned()).or_default() += made;
        });
        for kind in tag::COUNTED..tag::END {
            let made = inner.made[kind as usize].get();
            if made > 0 && !is_internal(kind) && kind != tag::INSTANCE && kind != tag::ENUM_VALUE {
                *found.made.entry(tag::name(kind).to_owned()).or_default() += made;
            }
        }
        found
    }

    /// Number and bytes of everything that these values lead to, by type and site.
    pub fn reachable(&self, roots: &[Value]) -> BTreeMap<(String, u32), ObjectTotals> {
        self.settle();
        let inner = self.inner();
        inner.sync_arrays();
        let mut by_key: BTreeMap<(String, u32), ObjectTotals> = BTreeMap::new();
        let mut seen: AHashSet<NonNull<Header>> = AHashSet::new();
        let mut pending: Vec<(NonNull<Header>, Option<Key>)> = roots
            .iter()
            .filter_map(header_of)
            .filter(|object| seen.insert(*object))
            .map(|object| (object, None))
            .collect();
        while let Some((object, owner)) = pending.pop() {
            // SAFETY: everything reached from a live value is alive.
            unsafe {
                let header = object.as_ref();
                let count = usize::from(!is_internal(header.kind));
                // A part counts with what it belongs to.
                let key = owner.unwrap_or_else(|| (inner.type_word(object), header.site.get()));
                by_key
                    .entry(key.clone())
                    .or_default()
                    .add(count, inner.own_bytes(object));
                inner.each_edge(object, &mut |_, child| {
                    let kind = child.as_ref().kind;
                    let is_data = !matches!(kind, tag::STRUCT_DEF | tag::SHAPE | tag::ENUM_DEF | tag::MODULE);
                    if is_data && seen.insert(child) {
                        pending.push((child, is_internal(kind).then(|| key.clone())));
                    }
                });
            }
        }
        by_key
    }
}

impl Inner {
    /// Writes each array's length where a walk over buffers finds it.
    pub(super) fn sync_arrays(&self) {
        self.each_object(alloc::ARRAYS, |object| {
            // SAFETY: the walk gives live objects.
            unsafe {
                if object.as_ref().kind == tag::ARRAY {
                    object.cast::<Array>().as_ref().sync_buffer_length();
                }
            }
        });
    }
}
