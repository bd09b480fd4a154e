//! Short strings made lately, so that the same word made again and again is one string.
//!
//! Making a short string looks for it here first. The table is weak: it counts nothing, and a string that dies, or is
//! about to be extended in place, takes itself out. It is small, four places for a text, and a newer string may push an
//! older one out; it grows while that happens often and strings are found all the same. Programs that make few equal
//! strings soon stop looking, and try again now and then ([`LookupBudget`]).
//!
//! Invariants
//! - An address in the table is that of a live string with `flag::RECENT` and the text under whose place it lies.
//!   The flag alone says little: its string may have been pushed out.
//! - Without memory for the table nothing is shared, and nothing fails.
#![expect(
    unsafe_code,
    reason = "the table holds addresses of strings that it does not count"
)]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::{Rc, Str};

use super::{Header, Heap, Inner, flag};

/// Longest text that is looked for, in bytes.
pub(crate) const SHORT: usize = 16;
/// Places at first, and at most; powers of two.
const FEWEST: usize = 256;
const MOST: usize = 4096;
/// Places where a text may lie, side by side.
const WAYS: usize = 4;
/// What growing multiplies the places by.
const GROWTH: usize = 4;

pub(crate) struct RecentStrings {
    /// The table at first; empty once it has grown.
    first: [*const Str; FEWEST],
    /// The table once it has grown, charged.
    grown: Vec<*const Str>,
    /// Strings pushed out since the table last grew.
    pushed_out: usize,
}

impl Default for RecentStrings {
    fn default() -> Self {
        Self {
            first: [std::ptr::null(); FEWEST],
            grown: Vec::new(),
            pushed_out: 0,
        }
    }
}

/// Whether looking is worth it. Each short string made costs one, each one found gives some back; without any left, many
/// are made without looking.
pub(crate) struct LookupBudget(Cell<i32>);

impl Default for LookupBudget {
    fn default() -> Self {
        Self(Cell::new(Self::FULL))
    }
}

impl LookupBudget {
    /// Strings looked for before giving up again.
    const TRIAL: i32 = 1024;
    /// Strings then made without looking.
    const PAUSE: i32 = 8192;
    /// What a string found is worth: one in four found is enough.
    const GAIN: i32 = 4;
    /// The most there can be, and what there is at first.
    const FULL: i32 = 8192;

    /// Whether to look for the string that is about to be made.
    #[inline(always)]
    fn lasts(&self) -> bool {
        let left = self.0.get() - 1;
        self.0.set(left);
        left >= 0 || self.returns(left)
    }

    #[inline]
    fn returns(&self, left: i32) -> bool {
        if left > -Self::PAUSE {
            return false;
        }
        self.0.set(Self::TRIAL);
        true
    }

    #[inline]
    fn found(&self) {
        self.0.set((self.0.get() + Self::GAIN).min(Self::FULL));
    }
}

impl Heap {
    /// Whether to look for a text of `len` bytes, and to remember it, before it is made.
    #[inline(always)]
    pub(crate) fn looks_for(&self, len: usize) -> bool {
        len <= SHORT && self.inner().lookup_budget.lasts()
    }

    /// A string with this short text, if one was made lately.
    #[inline]
    pub(crate) fn recall(&self, text: &str) -> Option<Rc<Str>> {
        let inner = self.inner();
        let found = inner.recent.with(|recent| recent.find(text))?;
        inner.lookup_budget.found();
        // SAFETY: strings in the table are alive.
        Some(unsafe { Rc::of_ref(found.as_ref()) })
    }

    /// Has a short string that was just made found from now on.
    #[inline]
    pub(crate) fn remember(&self, made: &Str) {
        let inner = self.inner();
        if inner.recent.with(|recent| recent.should_grow()) {
            self.grow_recent();
        }
        let header = NonNull::from(made).cast::<Header>();
        // SAFETY: a string begins with its header.
        unsafe { header.as_ref() }.set_flag(flag::RECENT);
        inner.recent.with(|recent| recent.put(made));
    }

    /// A larger table, if there is memory for it.
    #[cold]
    #[inline(never)]
    fn grow_recent(&self) {
        let inner = self.inner();
        inner.recent.with(|recent| recent.pushed_out = 0);
        let old = inner.recent.with(|recent| recent.grown.len());
        let size = old.max(FEWEST) * GROWTH;
        let bytes = size * size_of::<*const Str>();
        // Only a handle lets go of the table in the end. It is a help, not a request that could be refused: it takes
        // what the budget leaves, or does without.
        if inner.handles.get() == 0 || bytes > inner.limit.get().saturating_sub(inner.live.get()) {
            return;
        }
        let mut places = Vec::new();
        if places.try_reserve_exact(size).is_err() {
            return;
        }
        places.resize(size, std::ptr::null());
        inner.recent.with(|recent| {
            let known = std::mem::replace(&mut recent.grown, places);
            let known = known
                .into_iter()
                .chain(std::mem::replace(&mut recent.first, [std::ptr::null(); FEWEST]));
            for string in known.filter(|string| !string.is_null()) {
                // SAFETY: strings in the table are alive.
                recent.put(unsafe { &*string });
            }
        });
        inner.settle(old * size_of::<*const Str>(), bytes);
    }
}

impl Inner {
    /// Takes a string out of the table, if it is in: it dies, or its text is about to change.
    #[inline]
    pub(crate) fn forget(&self, string: &Str) {
        self.recent.with(|recent| {
            for place in recent.places(string.as_str()) {
                if std::ptr::eq(*place, string) {
                    *place = std::ptr::null();
                }
            }
        });
    }

    /// Bytes charged for a table that has grown.
    pub(super) fn recent_bytes(&self) -> usize {
        self.recent
            .with(|recent| recent.grown.len() * size_of::<*const Str>())
    }

    /// Lets go of a table that has grown. Strings keep their flag, which then means nothing.
    pub(super) fn drop_recent(&self) {
        let table = self.recent.with(|recent| std::mem::take(&mut recent.grown));
        self.discharge(table.len() * size_of::<*const Str>());
    }
}

impl RecentStrings {
    #[inline]
    fn find(&mut self, text: &str) -> Option<NonNull<Str>> {
        let known = self.places(text).iter();
        known
            .filter_map(|&string| NonNull::new(string.cast_mut()))
            // SAFETY: strings in the table are alive.
            .find(|string| unsafe { string.as_ref() }.has_text(text))
    }

    /// Puts a string in a free place, or in that of another.
    #[inline]
    fn put(&mut self, string: &Str) {
        let victim = self.pushed_out % WAYS;
        let places = self.places(string.as_str());
        if let Some(place) = places.iter_mut().find(|place| place.is_null()) {
            *place = string;
        } else {
            places[victim] = string;
            self.pushed_out += 1;
        }
    }

    /// Whether the table should grow before the next string comes in.
    #[inline]
    fn should_grow(&self) -> bool {
        self.pushed_out >= FEWEST && self.pushed_out >= self.grown.len() && self.grown.len() < MOST
    }

    /// The places for a text. Few instructions rather than few collisions.
    #[inline]
    fn places(&mut self, text: &str) -> &mut [*const Str; WAYS] {
        let text = text.as_bytes();
        let ends = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(head), Some(tail)) => u64::from_le_bytes(*head) ^ u64::from_le_bytes(*tail).rotate_left(29),
            _ => match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
                (Some(head), Some(tail)) => {
                    u64::from(u32::from_le_bytes(*head)) << 32 | u64::from(u32::from_le_bytes(*tail))
                }
                _ => text.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)),
            },
        };
        let spread = (ends ^ text.len() as u64).wrapping_mul(crate::hash::SPREAD);
        let table = match self.grown.as_mut_slice() {
            [] => &mut self.first[..],
            grown => grown,
        };
        let (groups, _) = table.as_chunks_mut::<WAYS>();
        &mut groups[(spread >> 48) as usize & (groups.len() - 1)]
    }
}
