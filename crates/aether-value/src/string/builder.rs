//! `StrBuilder`: text in the making, charged as it grows.

use crate::{Heap, Raise, Rc, Str};

use super::{STR_HEADER, count_chars};

/// Bytes of text that are added at once.
const LONG: usize = 64 << 10;

/// Text in the making. It is a string with one owner, extended in place.
pub struct StrBuilder {
    heap: Heap,
    text: Option<Rc<Str>>,
}

impl StrBuilder {
    /// An empty builder; takes nothing yet.
    pub fn new(heap: &Heap) -> Self {
        Self {
            heap: heap.clone(),
            text: None,
        }
    }

    /// An empty builder with room for `bytes`.
    ///
    /// # Errors
    /// Out of memory.
    pub fn with_capacity(heap: &Heap, bytes: usize) -> Result<Self, Raise> {
        Ok(Self {
            heap: heap.clone(),
            text: Some(heap.alloc_str(bytes)?),
        })
    }

    /// The heap it charges.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// Makes room for so many bytes more, so that a long text which is added in pieces is refused before the first.
    ///
    /// # Errors
    /// Out of memory; what was gathered stays.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Raise> {
        let Some(old) = &self.text else {
            self.text = Some(self.heap.alloc_str(bytes)?);
            return Ok(());
        };
        let (len, needed) = (old.len_bytes(), old.len_bytes().saturating_add(bytes));
        if needed <= old.capacity() {
            return Ok(());
        }
        let roomy = needed.max(len + len / 2);
        let made = self
            .heap
            .alloc_str(roomy)
            .or_else(|_| self.heap.alloc_str(needed))?;
        let made = Str::append(&self.heap, made, old.as_str()).map_err(|(_, raise)| raise)?;
        self.text = Some(made);
        Ok(())
    }

    /// Adds text.
    ///
    /// # Errors
    /// Out of memory; what was gathered stays.
    #[inline]
    pub fn push_str(&mut self, text: &str) -> Result<(), Raise> {
        if text.len() >= LONG {
            return self.push_long(text);
        }
        match &self.text {
            Some(so_far) if so_far.try_extend_with(text, count_chars) => Ok(()),
            _ => self.push_slow(text),
        }
    }

    /// Adds a string.
    ///
    /// # Errors
    /// Out of memory; what was gathered stays.
    #[inline]
    pub fn push(&mut self, text: &Str) -> Result<(), Raise> {
        if text.len_bytes() >= LONG {
            return self.push_long(text.as_str());
        }
        match &self.text {
            Some(so_far) if so_far.try_extend_with(text.as_str(), |_| text.len_chars()) => Ok(()),
            _ => self.push_slow(text.as_str()),
        }
    }

    /// Adds a long text piece by piece, with checkpoints.
    #[cold]
    #[inline(never)]
    fn push_long(&mut self, text: &str) -> Result<(), Raise> {
        let (chars, bytes) = match &self.text {
            Some(so_far) => (so_far.len_chars(), so_far.len_bytes()),
            None => (0, 0),
        };
        // Refused before the first piece, where there is no room for all.
        self.reserve(text.len())?;
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(rest.floor_char_boundary(LONG));
            let pushed = self.heap.look_again().and_then(|()| match &self.text {
                Some(so_far) if so_far.try_extend_with(piece, count_chars) => Ok(()),
                _ => self.push_slow(piece),
            });
            if let Err(raise) = pushed {
                if let Some(so_far) = &self.text {
                    so_far.truncate(bytes, chars);
                }
                return Err(raise);
            }
            rest = tail;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&mut self, text: &str) -> Result<(), Raise> {
        let old = match self.text.take() {
            Some(old) => old,
            None => self.heap.alloc_str(text.len().max(40))?,
        };
        match Str::append(&self.heap, old, text) {
            Ok(new) => {
                self.text = Some(new);
                Ok(())
            }
            Err((old, raise)) => {
                self.text = Some(old);
                Err(raise)
            }
        }
    }

    /// Adds a character.
    ///
    /// # Errors
    /// Out of memory.
    pub fn push_char(&mut self, character: char) -> Result<(), Raise> {
        self.push_str(character.encode_utf8(&mut [0; 4]))
    }

    /// Adds an integer in decimal.
    ///
    /// # Errors
    /// Out of memory.
    pub fn push_int(&mut self, value: i64) -> Result<(), Raise> {
        self.push_str(decimal(value, &mut [0; 20]))
    }

    /// Adds a float as the language shows it: the shortest text that reads back as the same float, never with an
    /// exponent.
    ///
    /// # Errors
    /// Out of memory.
    pub fn push_float(&mut self, value: f64) -> Result<(), Raise> {
        self.push_display(&value)
    }

    /// Adds what `Display` gives.
    ///
    /// # Errors
    /// Out of memory.
    pub fn push_display(&mut self, value: &dyn std::fmt::Display) -> Result<(), Raise> {
        let mut sink = Sink {
            builder: self,
            raise: None,
        };
        let written = std::fmt::Write::write_fmt(&mut sink, format_args!("{value}"));
        match (written, sink.raise) {
            (_, Some(raise)) => Err(raise),
            (Ok(()) | Err(_), None) => Ok(()),
        }
    }

    /// What was gathered so far.
    pub fn as_str(&self) -> &str {
        self.text.as_ref().map_or("", |text| text.as_str())
    }

    /// The string. Much spare room is given back.
    ///
    /// # Errors
    /// Out of memory.
    pub fn finish(self) -> Result<Rc<Str>, Raise> {
        let Some(text) = self.text else {
            return self.heap.empty_string();
        };
        let len = text.len_bytes();
        let spare = text.capacity() - len;
        if spare >= 16 && spare > (len + STR_HEADER) / 8 {
            // Keeping the spare room is no reason to fail.
            if let Ok(exact) = self.heap.string(text.as_str()) {
                return Ok(exact);
            }
        }
        Ok(text)
    }
}

struct Sink<'a> {
    builder: &'a mut StrBuilder,
    raise: Option<Raise>,
}

impl std::fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.builder.push_str(text).map_err(|raise| {
            self.raise = Some(raise);
            std::fmt::Error
        })
    }
}

/// The decimal digits of an integer, written to the end of `digits`.
pub fn decimal(value: i64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    std::str::from_utf8(&digits[at..]).expect("digits are ASCII")
}
