//! Strings that the heap keeps: names and literals, the empty string, one-character ASCII strings.
//!
//! Each is kept until the heap ends, so its count is above 1 and it is never changed in place.

use hashbrown::HashTable;

use crate::{Raise, Rc, Str};

use super::{Heap, flag};

pub(crate) struct Interned {
    table: HashTable<Rc<Str>>,
    ascii: [Option<Rc<Str>>; 128],
    empty: Option<Rc<Str>>,
}

impl Default for Interned {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            ascii: [const { None }; 128],
            empty: None,
        }
    }
}

impl Heap {
    /// The one shared string with this text, kept until the heap goes. For names and literals.
    ///
    /// # Errors
    /// Out of memory.
    pub fn intern(&self, text: &str) -> Result<Rc<Str>, Raise> {
        let hash = Str::hash_text(self, text);
        let interned = &self.inner().interned;
        let spread = u64::from(hash).wrapping_mul(crate::hash::SPREAD);
        let found = interned.with(|all| {
            let found = all.table.find(spread, |known| known.as_str() == text);
            found.cloned()
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let made = self.fresh_string(text)?;
        Rc::header(&made).set_flag(flag::INTERNED);
        let size = size_of::<Rc<Str>>();
        let (kept, grown) = interned.with(|all| {
            let before = all.table.allocation_size();
            let rehash = |known: &Rc<Str>| u64::from(known.hash()).wrapping_mul(crate::hash::SPREAD);
            let reserved = all.table.try_reserve(1, rehash).is_ok();
            if reserved {
                all.table.insert_unique(spread, made.clone(), rehash);
            }
            (reserved, all.table.allocation_size() - before)
        });
        if grown > 0 {
            // The heap keeps names and literals as long as code.
            self.keep_for_code(grown);
        }
        if kept {
            Ok(made)
        } else {
            Err(self.out_of_memory(size))
        }
    }

    /// The shared string of one ASCII character; `byte` is below 128.
    ///
    /// # Errors
    /// Out of memory, the first time.
    pub fn ascii(&self, byte: u8) -> Result<Rc<Str>, Raise> {
        debug_assert!(byte < 128);
        let interned = &self.inner().interned;
        if let Some(found) = interned.with(|all| all.ascii[byte as usize & 127].clone()) {
            return Ok(found);
        }
        let made = self.intern((byte as char).encode_utf8(&mut [0; 4]))?;
        interned.with(|all| all.ascii[byte as usize & 127] = Some(made.clone()));
        Ok(made)
    }

    /// Where the pointers to the shared strings of ASCII characters stand, null for those not made yet, for machine code;
    /// they stay there as long as the heap lives.
    pub fn ascii_place(&self) -> *const Option<Rc<Str>> {
        self.inner().interned.with(|all| all.ascii.as_ptr())
    }

    /// The shared empty string.
    ///
    /// # Errors
    /// Out of memory, the first time.
    pub fn empty_string(&self) -> Result<Rc<Str>, Raise> {
        let interned = &self.inner().interned;
        if let Some(found) = interned.with(|all| all.empty.clone()) {
            return Ok(found);
        }
        let made = self.intern("")?;
        interned.with(|all| all.empty = Some(made.clone()));
        Ok(made)
    }
}
