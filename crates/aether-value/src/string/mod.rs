//! Strings: UTF-8 in one allocation, 24 bytes in front of the text.
//!
//! Invariants
//! - The bytes are valid UTF-8; `char_len` is their number of characters; equal lengths mean ASCII.
//! - A string with more than one count never changes. One with a single count may be extended by its owner
//!   ([`Str::append`]), which clears the cached hash.
//! - The header's `shape` is the hash, or 0 when it was not needed yet.
//!
//! Not here: methods of the language (`split`, `upper`), which are built-ins.
#![expect(unsafe_code, reason = "text lives behind the object's end")]

mod builder;
mod index;

use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};
use std::ptr::NonNull;

use crate::heap::{Checked, Pace, ToTheEnd, WORK_BYTES, growth_steps};
use crate::{Header, Heap, Object, Raise, Rc, heap, tag};

pub use builder::{StrBuilder, decimal};

/// Immutable text.
#[repr(C)]
pub struct Str {
    header: Header,
    byte_len: Cell<u32>,
    char_len: Cell<u32>,
    bytes: [u8; 0],
}

// SAFETY: repr(C), header first, made by `Heap::string` and friends only.
unsafe impl Object for Str {}

/// What a string costs beside its text.
pub(crate) const STR_HEADER: usize = 24;
const _: () = assert!(size_of::<Str>() == STR_HEADER);

/// Length from which a comparison counts as work.
const LONG: usize = 1024;

/// Bytes that are compared between two checkpoints.
const PIECE: usize = 64 << 10;

/// Bytes from which on a text is huge: its hash is one of samples.
const HUGE: usize = 16 << 20;
/// Samples of a huge text, spread over it, and one more at its end.
const SAMPLES: usize = 1 << 10;
/// Bytes of a sample.
const SAMPLE: usize = 4 << 10;

/// Bytes that are copied, or looked through, between two checkpoints.
const COPIED: usize = 1 << 20;

/// Longest text in bytes.
const MAX_BYTES: usize = i32::MAX as usize;

impl Str {
    /// Byte offset of the 32-bit number of characters within the object.
    pub const CHARS_OFFSET: usize = std::mem::offset_of!(Str, char_len);

    /// Longest text, in bytes, that is looked for among the strings made lately before a string is made of it.
    pub const SHORT: usize = heap::SHORT;

    /// The text.
    #[inline(always)]
    pub fn as_str(&self) -> &str {
        // SAFETY: the bytes behind the header are valid UTF-8 of this length.
        unsafe {
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(self.text_ptr(), self.len_bytes()))
        }
    }

    #[inline(always)]
    fn text_ptr(&self) -> *mut u8 {
        // SAFETY: the text starts behind the fixed part of the same allocation.
        unsafe { std::ptr::from_ref(self).cast_mut().cast::<u8>().add(STR_HEADER) }
    }

    /// Whether the heap keeps this as the one string with its text.
    #[inline(always)]
    pub(crate) fn is_interned(&self) -> bool {
        self.header.has(crate::flag::INTERNED)
    }

    /// The byte at `at`, which must be below [`Self::len_bytes`].
    #[inline(always)]
    pub fn byte(&self, at: usize) -> u8 {
        debug_assert!(at < self.len_bytes());
        self.as_str().as_bytes()[at]
    }

    /// Length in bytes.
    #[inline(always)]
    pub fn len_bytes(&self) -> usize {
        self.byte_len.get() as usize
    }

    /// Length in characters.
    #[inline(always)]
    pub fn len_chars(&self) -> usize {
        self.char_len.get() as usize
    }

    /// Whether every character is ASCII.
    #[inline(always)]
    pub fn is_ascii(&self) -> bool {
        self.byte_len.get() == self.char_len.get()
    }

    /// Whether there is no text.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.byte_len.get() == 0
    }

    /// Bytes of text that fit without a new allocation.
    pub fn capacity(&self) -> usize {
        heap::object_bytes(NonNull::from(self).cast()) - STR_HEADER
    }

    /// The hash of the text, never 0, under the heap's key; computed once.
    #[inline]
    pub fn hash(&self) -> u32 {
        let hash = self.header.shape.get();
        if hash != 0 { hash } else { self.compute_hash() }
    }

    #[cold]
    #[inline(never)]
    fn compute_hash(&self) -> u32 {
        let heap = Heap::of(self);
        heap.count_work(self.len_bytes() / WORK_BYTES);
        let hash = Self::hash_text(&heap, self.as_str());
        self.header.shape.set(hash);
        hash
    }

    /// The hash that a string with this text has. Of a huge text, samples: finding it as a key would take as long as
    /// reading it, which no limit could interrupt. Texts that differ only between the samples are told apart by comparing
    /// them, and there is not memory for many of them.
    pub fn hash_text(heap: &Heap, text: &str) -> u32 {
        let bytes = text.as_bytes();
        let hash = if bytes.len() < HUGE {
            heap.hasher().hash_one(bytes)
        } else {
            let mut hasher = heap.hasher().build_hasher();
            hasher.write_usize(bytes.len());
            let step = (bytes.len() - SAMPLE) / (SAMPLES - 1);
            for sample in 0..SAMPLES {
                hasher.write(&bytes[sample * step..][..SAMPLE]);
            }
            hasher.write(&bytes[bytes.len() - SAMPLE..]);
            hasher.finish()
        };
        crate::hash::fold(hash)
    }

    /// Equality of texts: the same object, or the same bytes.
    #[inline]
    pub fn equals(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || same_bytes(self.as_str().as_bytes(), other.as_str().as_bytes(), || {
                self.same_long(other)
            })
    }

    /// [`Self::equals`] for texts of one length that is not short.
    #[inline(never)]
    fn same_long(&self, other: &Self) -> bool {
        if self.len_bytes() >= LONG {
            Heap::of(self).count_work(self.len_bytes() / WORK_BYTES);
        }
        self.as_str() == other.as_str()
    }

    /// [`Self::equals`], with checkpoints while long texts are compared.
    ///
    /// # Errors
    /// The overseer's.
    #[inline]
    pub fn try_equals(&self, other: &Self) -> Result<bool, Raise> {
        self.equals_at::<Checked>(other)
    }

    /// [`Self::equals`] at a pace.
    #[inline]
    pub(crate) fn equals_at<P: Pace>(&self, other: &Self) -> Result<bool, P::End> {
        if self.len_bytes() < LONG || self.len_bytes() != other.len_bytes() || std::ptr::eq(self, other) {
            return Ok(self.equals(other));
        }
        Ok(self.order_long::<P>(other)?.is_eq())
    }

    /// The order of texts by code point.
    #[inline]
    pub fn order(&self, other: &Self) -> Ordering {
        let Ok(order) = self.order_at::<ToTheEnd>(other);
        order
    }

    /// [`Self::order`], with checkpoints while long texts are compared.
    ///
    /// # Errors
    /// The overseer's.
    #[inline]
    pub fn try_order(&self, other: &Self) -> Result<Ordering, Raise> {
        self.order_at::<Checked>(other)
    }

    /// [`Self::order`] at a pace.
    #[inline]
    pub(crate) fn order_at<P: Pace>(&self, other: &Self) -> Result<Ordering, P::End> {
        if self.len_bytes().min(other.len_bytes()) >= LONG {
            return self.order_long::<P>(other);
        }
        // Bytes of UTF-8 order as code points do.
        Ok(self.as_str().cmp(other.as_str()))
    }

    /// [`Self::order_at`] of texts that are not short, piece by piece.
    #[inline(never)]
    fn order_long<P: Pace>(&self, other: &Self) -> Result<Ordering, P::End> {
        let heap = Heap::of(self);
        let (left, right) = (self.as_str().as_bytes(), other.as_str().as_bytes());
        for (left, right) in left.chunks(PIECE).zip(right.chunks(PIECE)) {
            let shorter = left.len().min(right.len());
            P::pass(&heap, shorter / WORK_BYTES)?;
            let order = left[..shorter].cmp(&right[..shorter]);
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(left.len().cmp(&right.len()))
    }

    /// Whether this is the text.
    #[inline]
    pub fn has_text(&self, text: &str) -> bool {
        same_bytes(self.as_str().as_bytes(), text.as_bytes(), || {
            self.as_str() == text
        })
    }

    /// Whether there is one count only.
    #[inline]
    pub fn is_unique(&self) -> bool {
        self.header.count.get() == 1
    }

    /// Appends `tail`, which may be `head` itself, in place if there is room and nobody else counts `head`; whether it
    /// did. For the one owner to call.
    #[inline]
    pub fn try_extend(head: &Self, tail: &Self) -> bool {
        head.try_extend_with(tail.as_str(), |_| tail.len_chars())
    }

    /// The same for any text, whose characters `chars` counts.
    #[inline]
    fn try_extend_with(&self, tail: &str, chars: impl Fn(&str) -> usize) -> bool {
        let fits = self.is_unique() && self.len_bytes() + tail.len() <= self.capacity();
        if fits {
            // SAFETY: room was just found, and the owner of the only count has asked for it.
            unsafe { self.extend(tail, chars(tail)) };
        }
        fits
    }

    /// Takes back what was added behind the first `bytes` bytes, which are `chars` characters. For the one owner to call.
    fn truncate(&self, bytes: usize, chars: usize) {
        debug_assert!(self.is_unique() && self.as_str().is_char_boundary(bytes));
        self.before_change();
        self.byte_len.set(bytes as u32);
        self.char_len.set(chars as u32);
        self.header.shape.set(0);
    }

    /// The character at `index` as a string; `None` past the end.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn char_at(&self, heap: &Heap, index: usize) -> Option<Result<Rc<Self>, Raise>> {
        if index >= self.len_chars() {
            return None;
        }
        if self.is_ascii() {
            return Some(heap.ascii(self.as_str().as_bytes()[index]));
        }
        if let Err(raise) = self.prepare_index() {
            return Some(Err(raise));
        }
        let rest = &self.as_str()[self.byte_offset(index)..];
        let len = rest.chars().next().map_or(0, char::len_utf8);
        Some(heap.char_string(&rest[..len]))
    }

    /// [`Self::char_at`] for whoever needs the string but for a moment: the heap does not keep it.
    ///
    /// # Errors
    /// Out of memory.
    pub fn char_for_now(&self, heap: &Heap, index: usize) -> Option<Result<Rc<Self>, Raise>> {
        if index < self.len_chars() && self.is_ascii() {
            return Some(heap.fresh_string(&self.as_str()[index..=index]));
        }
        self.char_at(heap, index)
    }

    /// The characters `start..end`, both within the length, as a new string.
    ///
    /// # Errors
    /// Out of memory.
    pub fn slice_chars(&self, heap: &Heap, start: usize, end: usize) -> Result<Rc<Self>, Raise> {
        if start >= end {
            return heap.empty_string();
        }
        self.prepare_index()?;
        let (from, to) = (self.byte_offset(start), self.byte_offset(end));
        let text = &self.as_str()[from..to];
        if text.len() <= heap::SHORT {
            return heap.string(text);
        }
        let made = heap.alloc_str(text.len())?;
        // SAFETY: room for the text was just made.
        unsafe { made.try_fill(&[text], end - start)? };
        Ok(made)
    }

    /// `this` with `tail` behind it. In place when the caller's count is the only one and there is room; otherwise in
    /// a new allocation with spare room, so that appending in a loop is linear.
    ///
    /// # Errors
    /// Out of memory, giving `this` back unchanged.
    #[inline]
    pub fn append(heap: &Heap, this: Rc<Self>, tail: &str) -> Result<Rc<Self>, (Rc<Self>, Raise)> {
        let len = this.len_bytes();
        if Rc::count(&this) == 1 && len + tail.len() <= this.capacity() {
            // SAFETY: one owner, and room for the tail; a tail inside `this` lies before the bytes written.
            unsafe { this.extend(tail, count_chars(tail)) };
            return Ok(this);
        }
        Self::append_grown(heap, this, tail)
    }

    #[cold]
    #[inline(never)]
    fn append_grown(heap: &Heap, this: Rc<Self>, tail: &str) -> Result<Rc<Self>, (Rc<Self>, Raise)> {
        let len = this.len_bytes();
        let needed = len + tail.len();
        let spare = if len < 64 * 1024 { len } else { len / 2 };
        let roomy = needed.max(len + spare).min(MAX_BYTES.max(needed));
        // A text that is copied in any case may do without spare bytes, if the budget has no room for them.
        let exact = (Rc::count(&this) > 1).then_some(needed);
        let steps = growth_steps(roomy - len, tail.len()).map(|more| len + more);
        for capacity in steps.chain(exact) {
            if needed > MAX_BYTES {
                break;
            }
            let size = STR_HEADER + capacity;
            if Rc::count(&this) == 1
                && Rc::header(&this).class == heap::LARGE
                && size > heap::object_bytes(Rc::header_ptr(&this))
            {
                let start = this.text_ptr() as usize;
                let inside = (tail.as_ptr() as usize).checked_sub(start).filter(|&at| at < len);
                // SAFETY: a large object with one owner; the owner's pointer is replaced by the result. A tail that
                // lay inside the old text is found again in the moved one.
                unsafe {
                    this.before_change();
                    let moved = heap.inner().realloc_large(Rc::header_ptr(&this), size);
                    if moved.is_null() {
                        continue;
                    }
                    std::mem::forget(this);
                    let this = Rc::<Self>::from_ptr(moved.cast());
                    let tail = match inside {
                        Some(at) => std::str::from_utf8_unchecked(std::slice::from_raw_parts(
                            this.text_ptr().add(at),
                            tail.len(),
                        )),
                        None => tail,
                    };
                    this.extend(tail, count_chars(tail));
                    return Ok(this);
                }
            }
            if let Ok(made) = heap.alloc_str(capacity) {
                // SAFETY: room for both parts was just made.
                unsafe {
                    if let Err(raise) = made.try_fill(&[this.as_str()], this.len_chars()) {
                        return Err((this, raise));
                    }
                    made.extend(tail, count_chars(tail));
                }
                return Ok(made);
            }
        }
        let raise = heap.out_of_memory(STR_HEADER + needed);
        Err((this, raise))
    }

    /// Writes `tail`, of `chars` characters, behind the text.
    ///
    /// # Safety
    /// The caller is the only owner, and the capacity suffices.
    #[inline]
    unsafe fn extend(&self, tail: &str, chars: usize) {
        self.before_change();
        let len = self.len_bytes();
        // SAFETY: the caller's promise; the areas do not overlap, since the tail is existing text.
        unsafe { copy_text(tail.as_ptr(), self.text_ptr().add(len), tail.len()) };
        self.byte_len.set((len + tail.len()) as u32);
        self.char_len.set(self.char_len.get() + chars as u32);
        self.header.shape.set(0);
    }

    /// The text is about to grow, or the string to move.
    #[inline]
    fn before_change(&self) {
        if self.header.has(crate::flag::HAS_SIDE | crate::flag::RECENT) {
            self.remove_from_recent();
        }
    }

    #[cold]
    fn remove_from_recent(&self) {
        if self.header.has(crate::flag::RECENT) {
            Heap::of(self).inner().forget(self);
            self.header.clear_flag(crate::flag::RECENT);
        }
        if self.header.has(crate::flag::HAS_SIDE) {
            self.drop_index();
        }
    }

    /// [`Self::fill`], with checkpoints if the text is long. What fails leaves the string empty.
    ///
    /// # Errors
    /// The overseer's.
    ///
    /// # Safety
    /// As of [`Self::fill`].
    #[inline]
    unsafe fn try_fill(&self, parts: &[&str], chars: usize) -> Result<(), Raise> {
        if parts.iter().map(|part| part.len()).sum::<usize>() >= COPIED {
            // SAFETY: the caller's promise.
            return unsafe { self.fill_slowly(parts, chars) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.fill(parts, chars) };
        Ok(())
    }

    /// [`Self::try_fill`] of a long text.
    #[cold]
    #[inline(never)]
    unsafe fn fill_slowly(&self, parts: &[&str], chars: usize) -> Result<(), Raise> {
        let heap = Heap::of(self);
        let mut at = 0;
        for piece in parts.iter().flat_map(|part| part.as_bytes().chunks(COPIED)) {
            heap.look_again()?;
            // SAFETY: the capacity suffices for all, and nothing else reads the new string.
            unsafe { copy_text(piece.as_ptr(), self.text_ptr().add(at), piece.len()) };
            at += piece.len();
        }
        self.byte_len.set(at as u32);
        self.char_len.set(chars as u32);
        Ok(())
    }

    /// Writes the whole text of a new string.
    ///
    /// # Safety
    /// The capacity suffices for all parts, `chars` is their number of characters, and nothing else reads `self`.
    #[inline]
    unsafe fn fill(&self, parts: &[&str], chars: usize) {
        let mut at = 0;
        for part in parts {
            // SAFETY: the caller's promise.
            unsafe { copy_text(part.as_ptr(), self.text_ptr().add(at), part.len()) };
            at += part.len();
        }
        self.byte_len.set(at as u32);
        self.char_len.set(chars as u32);
    }
}

/// Whether two texts are the same bytes; short ones, as most keys are, without a call. `same_long` decides on
/// the others.
#[inline]
fn same_bytes(left: &[u8], right: &[u8], same_long: impl FnOnce() -> bool) -> bool {
    fn ends<const N: usize>(text: &[u8]) -> Option<([u8; N], [u8; N])> {
        Some((*text.first_chunk()?, *text.last_chunk()?))
    }
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        0 => true,
        1..4 => {
            left[0] == right[0]
                && ends::<1>(left) == ends::<1>(right)
                && left[left.len() / 2] == right[left.len() / 2]
        }
        4..8 => ends::<4>(left) == ends::<4>(right),
        8..=16 => ends::<8>(left) == ends::<8>(right),
        _ => same_long(),
    }
}

/// Copies bytes; few of them, as in most texts, without a call.
///
/// # Safety
/// As for `std::ptr::copy_nonoverlapping`.
#[inline(always)]
unsafe fn copy_text(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the two ends of a stretch of at least N bytes, read before they are written, cover up to 2 N.
    unsafe {
        if len > 16 {
            std::ptr::copy_nonoverlapping(from, to, len);
        } else if len >= 8 {
            let (head, tail) = (
                from.cast::<[u8; 8]>().read(),
                from.add(len - 8).cast::<[u8; 8]>().read(),
            );
            to.cast::<[u8; 8]>().write(head);
            to.add(len - 8).cast::<[u8; 8]>().write(tail);
        } else if len >= 4 {
            let (head, tail) = (
                from.cast::<[u8; 4]>().read(),
                from.add(len - 4).cast::<[u8; 4]>().read(),
            );
            to.cast::<[u8; 4]>().write(head);
            to.add(len - 4).cast::<[u8; 4]>().write(tail);
        } else if len > 0 {
            let (head, middle, tail) = (from.read(), from.add(len / 2).read(), from.add(len - 1).read());
            to.write(head);
            to.add(len / 2).write(middle);
            to.add(len - 1).write(tail);
        }
    }
}

/// Two short texts as one, in `bytes`, which has room for both.
#[inline]
fn joined<'a>(head: &str, tail: &str, bytes: &'a mut [u8; heap::SHORT]) -> &'a str {
    let len = head.len() + tail.len();
    assert!(len <= bytes.len(), "only short texts are put together here");
    // SAFETY: both fit, as was just seen; UTF-8 behind UTF-8 is UTF-8.
    unsafe {
        copy_text(head.as_ptr(), bytes.as_mut_ptr(), head.len());
        copy_text(tail.as_ptr(), bytes.as_mut_ptr().add(head.len()), tail.len());
        std::str::from_utf8_unchecked(&bytes[..len])
    }
}

/// Number of characters; quick for short ASCII.
#[inline]
fn count_chars(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

impl Heap {
    /// A string with this text: a new one, or for a short text one that was made lately.
    ///
    /// # Errors
    /// Out of memory.
    pub fn string(&self, text: &str) -> Result<Rc<Str>, Raise> {
        if !self.looks_for(text.len()) {
            return self.fresh_string(text);
        }
        if let Some(known) = self.recall(text) {
            return Ok(known);
        }
        let made = self.fresh_string(text)?;
        self.remember(&made);
        Ok(made)
    }

    /// A new string.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn fresh_string(&self, text: &str) -> Result<Rc<Str>, Raise> {
        let made = self.alloc_str(text.len())?;
        // SAFETY: room for the text was just made.
        unsafe { made.try_fill(&[text], count_chars(text))? };
        Ok(made)
    }

    /// Two texts as one string.
    ///
    /// # Errors
    /// Out of memory.
    pub fn concat(&self, head: &str, tail: &str) -> Result<Rc<Str>, Raise> {
        if self.looks_for(head.len() + tail.len()) {
            let mut bytes = [0; heap::SHORT];
            let text = joined(head, tail, &mut bytes);
            if let Some(known) = self.recall(text) {
                return Ok(known);
            }
            let made = self.fresh_string(text)?;
            self.remember(&made);
            return Ok(made);
        }
        let made = self.alloc_str(head.len() + tail.len())?;
        // SAFETY: room for both was just made.
        unsafe { made.try_fill(&[head, tail], count_chars(head) + count_chars(tail))? };
        Ok(made)
    }

    /// Two strings as one. If `head_dies`, the caller holds its only count and takes the result for it; it may have been
    /// extended in place, and then is the result itself, which is `None`.
    ///
    /// # Errors
    /// Out of memory.
    #[inline]
    pub fn add_strings(&self, head: &Str, tail: &Str, head_dies: bool) -> Result<Option<Rc<Str>>, Raise> {
        let len = head.len_bytes() + tail.len_bytes();
        let looks = self.looks_for(len);
        if looks {
            let mut bytes = [0; heap::SHORT];
            if let Some(known) = self.recall(joined(head.as_str(), tail.as_str(), &mut bytes)) {
                return Ok(Some(known));
            }
        }
        if head_dies && Str::try_extend(head, tail) {
            if looks {
                self.remember(head);
            }
            return Ok(None);
        }
        let made = self.fresh_concat(head, tail)?;
        if looks {
            self.remember(&made);
        }
        Ok(Some(made))
    }

    /// Two strings as one.
    ///
    /// # Errors
    /// Out of memory.
    pub fn concat_strings(&self, head: &Str, tail: &Str) -> Result<Rc<Str>, Raise> {
        match self.add_strings(head, tail, false)? {
            Some(made) => Ok(made),
            // Only a head that dies is extended.
            None => self.fresh_concat(head, tail),
        }
    }

    #[inline]
    fn fresh_concat(&self, head: &Str, tail: &Str) -> Result<Rc<Str>, Raise> {
        let made = self.alloc_str(head.len_bytes() + tail.len_bytes())?;
        // SAFETY: room for both was just made.
        unsafe {
            made.try_fill(
                &[head.as_str(), tail.as_str()],
                head.len_chars() + tail.len_chars(),
            )?;
        };
        Ok(made)
    }

    /// A string for what is mostly one character: shared if ASCII.
    ///
    /// # Errors
    /// Out of memory.
    pub fn char_string(&self, text: &str) -> Result<Rc<Str>, Raise> {
        match *text.as_bytes() {
            [byte] if byte < 128 => self.ascii(byte),
            _ => self.string(text),
        }
    }

    /// A string for a piece of another: shared if it is empty or one ASCII character.
    ///
    /// # Errors
    /// Out of memory.
    pub fn piece(&self, text: &str) -> Result<Rc<Str>, Raise> {
        if text.is_empty() {
            self.empty_string()
        } else {
            self.char_string(text)
        }
    }

    /// What a builder has gathered.
    ///
    /// # Errors
    /// Out of memory.
    pub fn string_from_builder(&self, builder: StrBuilder) -> Result<Rc<Str>, Raise> {
        builder.finish()
    }

    /// An empty string with room for `capacity` bytes.
    #[inline]
    fn alloc_str(&self, capacity: usize) -> Result<Rc<Str>, Raise> {
        let size = STR_HEADER + capacity;
        let object = if capacity <= MAX_BYTES {
            self.inner().alloc(size, tag::STRING, 0, 0)
        } else {
            std::ptr::null_mut()
        };
        if object.is_null() {
            return Err(self.out_of_memory(size));
        }
        let object = object.cast::<Str>();
        // SAFETY: a new object of at least this size, whose only count goes to the result.
        unsafe {
            (&raw mut (*object).byte_len).write(Cell::new(0));
            (&raw mut (*object).char_len).write(Cell::new(0));
            Ok(Rc::from_ptr(object))
        }
    }
}

impl std::fmt::Display for Str {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
