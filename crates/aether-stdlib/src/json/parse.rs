//! From text to values.
//!
//! A value that is complete is put into the container on top of the stack, which the next character closes or
//! continues. What a container holds is gathered on a stack of values, until it is closed and made in its size, or has so
//! much that it is made before. Records are made of a shape that grows with each key: where many are alike, a key is
//! compared with the one that came there last, and no string is made of it. Error texts are those scripts know from serde's JSON parser; columns count characters, and an error at
//! the end of the text is at its last one.

use aether_value::{Array, Charge, Dict, Heap, Raise, Rc, Shape, Str, Value};

use crate::progress::Progress;
use crate::scan;
use crate::stack::Stack;

/// A container in the making.
enum Open {
    /// An array whose items are on the stack of values from here on.
    Items(usize),
    /// An array of many items.
    Array(Rc<Array>),
    /// A record whose values are on the stack of values from here on, with its keys so far, if there are any, and what
    /// the value that comes next is for.
    Record(usize, Option<Rc<Shape>>, Next),
    /// Any other dict, with the key whose value comes next.
    Dict(Rc<Dict>, Rc<Str>),
}

/// What the next value of a record is for.
enum Next {
    /// A new key, which leads to this shape.
    Key(Rc<Shape>),
    /// A key that has been there before, at this position.
    Again(usize),
}

/// Items that are gathered before an array is made of them.
const GATHERED: usize = 64;

/// Recently met keys, by length and ends, so that the records of a list share theirs.
const KEYS: usize = 64;
/// Longest key that is remembered.
const SHORT: usize = 32;

/// Text outside the heap's objects, charged by its capacity.
struct Scratch {
    // Goes before the charge.
    text: String,
    charge: Charge,
}

impl Scratch {
    fn new(heap: &Heap) -> Self {
        Self {
            text: String::new(),
            charge: Charge::none(heap),
        }
    }

    fn as_str(&self) -> &str {
        &self.text
    }

    fn clear(&mut self) {
        self.text.clear();
    }

    fn push(&mut self, text: &str) -> Result<(), Raise> {
        let needed = self.text.len() + text.len();
        let before = self.text.capacity();
        if needed > before {
            let wish = needed.max(before * 2).max(256) - before;
            let more = self.charge.heap().charge_growth(1, wish, needed - before)?;
            self.charge.adopt(more);
            self.text.reserve_exact(before + more - self.text.len());
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// What a number becomes that is a whole number and none of the language's ints.
#[cfg_attr(
    not(feature = "formats"),
    expect(dead_code, reason = "the module json asks for them")
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BigNumbers {
    /// The nearest float.
    #[default]
    Float,
    /// Its digits.
    String,
    /// An error.
    Error,
}

/// How a document is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Dicts have their keys in order.
    pub(super) sort_keys: bool,
    /// `// …` and `/* … */` are blanks.
    pub(super) comments: bool,
    pub(super) big_numbers: BigNumbers,
    /// Containers within each other.
    pub(super) max_depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sort_keys: false,
            comments: false,
            big_numbers: BigNumbers::Float,
            max_depth: usize::MAX,
        }
    }
}

/// Blanks or digits that are passed over between two looks at limits.
const MANY: usize = 64 << 10;

struct Parser<'a> {
    heap: &'a Heap,
    options: Options,
    /// The line of a file that the text is, if it is one.
    line: usize,
    text: &'a str,
    /// Byte offset of the next character.
    at: usize,
    progress: Progress,
    keys: [Option<Rc<Str>>; KEYS],
    scratch: Scratch,
    /// What open arrays and records hold so far.
    values: Stack<Value>,
}

/// The value of a JSON document.
pub(super) fn parse(heap: &Heap, text: &str) -> Result<Value, Raise> {
    parse_with(heap, text, Options::default(), 1)
}

/// The value of a JSON document that begins in a line of a file, with options.
pub(super) fn parse_with(heap: &Heap, text: &str, options: Options, line: usize) -> Result<Value, Raise> {
    let mut parser = Parser {
        heap,
        options,
        line,
        text,
        at: 0,
        progress: Progress::default(),
        keys: [const { None }; KEYS],
        scratch: Scratch::new(heap),
        values: Stack::new(heap),
    };
    parser.document()
}

/// A dict with the same entries in the order of their keys.
pub(super) fn sorted(heap: &Heap, dict: &Dict) -> Result<Rc<Dict>, Raise> {
    let _charge = Charge::new(heap, dict.len() * 2 * size_of::<Value>())?;
    heap.count_work(dict.len() / 4);
    let mut entries: Vec<(Value, Value)> = dict
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    entries.sort_by(|(left, _), (right, _)| match (left, right) {
        (Value::String(left), Value::String(right)) => left.as_str().cmp(right.as_str()),
        _ => std::cmp::Ordering::Equal,
    });
    let sorted = heap.dict()?;
    for (key, value) in entries {
        sorted.insert(key, value)?;
    }
    Ok(sorted)
}

impl Parser<'_> {
    fn document(&mut self) -> Result<Value, Raise> {
        let mut stack = Stack::new(self.heap);
        loop {
            let Some(mut value) = self.value(&mut stack)? else {
                // A container was opened.
                continue;
            };
            loop {
                match stack.last_mut() {
                    None => {
                        self.blanks()?;
                        if self.at < self.text.len() {
                            return Err(self.error("trailing characters"));
                        }
                        self.progress.count(self.heap, self.at)?;
                        return Ok(value);
                    }
                    Some(open @ (Open::Items(_) | Open::Array(_))) => {
                        match open {
                            Open::Array(items) => items.push(value)?,
                            Open::Items(start) if self.values.len() - *start >= GATHERED => {
                                let start = *start;
                                let items = self.heap.array(2 * GATHERED)?;
                                for item in self.values.from(start) {
                                    items.push(std::mem::replace(item, Value::Null))?;
                                }
                                self.values.truncate(start);
                                items.push(value)?;
                                *open = Open::Array(items);
                            }
                            _ => self.values.push(value)?,
                        }
                        if self.goes_on(b']', "EOF while parsing a list", "expected `,` or `]`")? {
                            break;
                        }
                    }
                    Some(open) => {
                        match open {
                            Open::Record(start, shape, next) => match next {
                                Next::Key(child) => {
                                    self.values.push(value)?;
                                    *shape = Some(child.clone());
                                }
                                Next::Again(position) => self.values.from(*start)[*position] = value,
                            },
                            Open::Dict(dict, key) => {
                                dict.insert(Value::String(key.clone()), value)?;
                            }
                            _ => {}
                        }
                        if self.goes_on(b'}', "EOF while parsing an object", "expected `,` or `}`")? {
                            self.next_key(open)?;
                            break;
                        }
                    }
                }
                value = match stack.pop() {
                    Some(open) => self.close(open)?,
                    None => return Err(self.error("trailing characters")),
                };
            }
        }
    }

    /// The container that has ended.
    fn close(&mut self, open: Open) -> Result<Value, Raise> {
        let heap = self.heap;
        let value = match open {
            Open::Array(items) => Ok(Value::Array(items)),
            Open::Dict(dict, _) => Ok(Value::Dict(dict)),
            Open::Items(start) => {
                let items = heap.array_of(self.values.from(start))?;
                self.values.truncate(start);
                Ok(Value::Array(items))
            }
            Open::Record(start, Some(shape), _) => {
                let dict = heap.record_of(&shape, self.values.from(start))?;
                self.values.truncate(start);
                Ok(Value::Dict(dict))
            }
            Open::Record(_, None, _) => Ok(Value::Dict(heap.dict()?)),
        };
        match value {
            Ok(Value::Dict(dict)) if self.options.sort_keys => Ok(Value::Dict(sorted(heap, &dict)?)),
            value => value,
        }
    }

    /// Reads the next key of a dict in the making, which becomes another one if the key is not for a record.
    fn next_key(&mut self, open: &mut Open) -> Result<(), Raise> {
        match open {
            Open::Record(start, shape, next) => {
                let start = *start;
                match self.record_key(shape.as_deref())? {
                    Ok(found) => *next = found,
                    Err(key) => {
                        let dict = self.heap.dict()?;
                        if let Some(shape) = shape {
                            dict.become_entries(shape, self.values.from(start))?;
                            self.values.truncate(start);
                        }
                        *open = Open::Dict(dict, key);
                    }
                }
            }
            Open::Dict(_, key) => *key = self.key()?,
            Open::Items(_) | Open::Array(_) => {}
        }
        Ok(())
    }

    /// A key behind those of a shape, and its colon; the key itself if there may be no shape for it.
    fn record_key(&mut self, shape: Option<&Shape>) -> Result<Result<Next, Rc<Str>>, Raise> {
        // The key that came here last.
        if self.peek() == Some(b'"') {
            let rest = &self.text[self.at + 1..];
            if let Some((child, len)) = self.heap.shape_of_prefix(shape, rest, '"')
                && scan::json_special(&rest.as_bytes()[..len]) == len
            {
                self.at += len + 2;
                self.colon()?;
                return Ok(Ok(Next::Key(child)));
            }
        }
        let key = self.key()?;
        if let Some(position) = shape.and_then(|shape| shape.find(&key)) {
            return Ok(Ok(Next::Again(position)));
        }
        Ok(match self.heap.next_shape(shape, &key) {
            Some(child) => Ok(Next::Key(child)),
            None => Err(key),
        })
    }

    /// A scalar or an empty container; `None` if a container was opened, which is then on the stack.
    fn value(&mut self, stack: &mut Stack<Open>) -> Result<Option<Value>, Raise> {
        self.blanks()?;
        self.progress.reach(self.heap, self.at)?;
        let value = match self.peek() {
            None => return Err(self.error("EOF while parsing a value")),
            Some(b'[') => {
                self.at += 1;
                self.blanks()?;
                match self.peek() {
                    None => return Err(self.error("EOF while parsing a list")),
                    Some(b']') => self.at += 1,
                    Some(_) => {
                        self.check_depth(stack.len())?;
                        stack.push(Open::Items(self.values.len()))?;
                        return Ok(None);
                    }
                }
                Value::Array(self.heap.array(0)?)
            }
            Some(b'{') => {
                self.at += 1;
                self.blanks()?;
                if self.peek() == Some(b'}') {
                    self.at += 1;
                } else {
                    self.check_depth(stack.len())?;
                    let open = match self.record_key(None)? {
                        Ok(next) => Open::Record(self.values.len(), None, next),
                        Err(key) => Open::Dict(self.heap.dict()?, key),
                    };
                    stack.push(open)?;
                    return Ok(None);
                }
                Value::Dict(self.heap.dict()?)
            }
            Some(b'"') => Value::String(self.string(false)?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) => return Err(self.error("expected value")),
        };
        Ok(Some(value))
    }

    /// Behind an element: whether a comma continues the container, or `close` ends it.
    fn goes_on(&mut self, close: u8, at_end: &str, otherwise: &str) -> Result<bool, Raise> {
        self.blanks()?;
        match self.peek() {
            None => Err(self.error(at_end)),
            Some(b',') => {
                self.at += 1;
                self.blanks()?;
                if self.peek() == Some(close) {
                    return Err(self.error("trailing comma"));
                }
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Err(self.error(otherwise)),
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<Rc<Str>, Raise> {
        match self.peek() {
            None => return Err(self.error("EOF while parsing an object")),
            Some(b'"') => {}
            Some(_) => return Err(self.error("key must be a string")),
        }
        let key = self.string(true)?;
        self.colon()?;
        Ok(key)
    }

    fn colon(&mut self) -> Result<(), Raise> {
        self.blanks()?;
        match self.peek() {
            None => Err(self.error("EOF while parsing an object")),
            Some(b':') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.error("expected `:`")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) -> Result<(), Raise> {
        loop {
            let end = self.at + MANY;
            while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek()
                && self.at < end
            {
                self.at += 1;
            }
            if self.at == end {
                self.progress.reach(self.heap, self.at)?;
            } else if self.peek() != Some(b'/') || !self.options.comments || !self.comment() {
                return Ok(());
            }
        }
    }

    /// Skips a comment, if there is one here and it ends.
    #[cold]
    fn comment(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(inside) = rest.strip_prefix("/*")
            && let Some(end) = inside.find("*/")
        {
            end + 4
        } else {
            return false;
        };
        self.at += length;
        true
    }

    /// Whether one more container may be open.
    fn check_depth(&self, open: usize) -> Result<(), Raise> {
        if open < self.options.max_depth {
            return Ok(());
        }
        Err(self.error(&format!("more than {} levels", self.options.max_depth)))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Raise> {
        for byte in word.bytes() {
            match self.peek() {
                Some(found) if found == byte => self.at += 1,
                Some(_) => return Err(self.error("expected ident")),
                None => return Err(self.error("EOF while parsing a value")),
            }
        }
        Ok(value)
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Raise> {
        match self.peek() {
            None => return Err(self.error("EOF while parsing a value")),
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(self.error("invalid number")),
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
            if self.at.is_multiple_of(MANY) {
                self.progress.reach(self.heap, self.at)?;
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, Raise> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return Err(self.error("invalid number"));
            }
        } else {
            self.digits()?;
        }
        let whole = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let digits = &self.text[start..self.at];
        self.progress.reach(self.heap, self.at)?;
        if self.at == whole
            && digits != "-0"
            && let Ok(value) = digits.parse()
        {
            return Ok(Value::Int(value));
        }
        if self.at == whole && digits != "-0" && self.options.big_numbers != BigNumbers::Float {
            return match self.options.big_numbers {
                BigNumbers::String => Ok(Value::String(self.heap.string(digits)?)),
                _ => Err(self.error("number out of range")),
            };
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Float(value)),
            _ => Err(self.error("number out of range")),
        }
    }

    /// A string with its quotes. Keys are looked up among recent ones.
    fn string(&mut self, is_key: bool) -> Result<Rc<Str>, Raise> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text[start..];
        let plain = scan::json_special(rest.as_bytes());
        if rest.as_bytes().get(plain) == Some(&b'"') {
            self.at = start + plain + 1;
            let text = &rest[..plain];
            return if is_key {
                self.shared(text)
            } else {
                self.fresh(text)
            };
        }
        self.escaped(plain)
    }

    /// A string that is not plain; at its beginning, of which `plain` bytes are plain.
    #[inline(never)]
    fn escaped(&mut self, mut plain: usize) -> Result<Rc<Str>, Raise> {
        // What escapes stand for is never longer than they are, so one buffer of the longest string will do; it is
        // kept for the next.
        let mut scratch = std::mem::replace(&mut self.scratch, Scratch::new(self.heap));
        scratch.clear();
        loop {
            self.progress.reach(self.heap, self.at)?;
            let rest = &self.text[self.at..];
            scratch.push(&rest[..plain])?;
            self.at += plain;
            match rest.as_bytes().get(plain) {
                None => return Err(self.error("EOF while parsing a string")),
                Some(b'"') => {
                    self.at += 1;
                    let made = self.fresh(scratch.as_str());
                    self.scratch = scratch;
                    return made;
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape()?;
                    scratch.push(character.encode_utf8(&mut [0; 4]))?;
                }
                Some(_) => {
                    return Err(
                        self.error("control character (\\u0000-\\u001F) found while parsing a string")
                    );
                }
            }
            plain = scan::json_special(&self.text.as_bytes()[self.at..]);
        }
    }

    fn fresh(&self, text: &str) -> Result<Rc<Str>, Raise> {
        if text.is_empty() {
            self.heap.empty_string()
        } else {
            self.heap.char_string(text)
        }
    }

    /// The string for a key, the same one as last time if possible.
    fn shared(&mut self, text: &str) -> Result<Rc<Str>, Raise> {
        let bytes = text.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return self.heap.empty_string();
        };
        if bytes.len() > SHORT {
            return self.heap.string(text);
        }
        let middle = bytes[bytes.len() / 2];
        let mixed =
            bytes.len() * 7 + usize::from(*first) * 5 + usize::from(*last) * 3 + usize::from(middle) * 11;
        let place = mixed % KEYS;
        if let Some(known) = &self.keys[place]
            && known.as_str() == text
        {
            return Ok(known.clone());
        }
        let made = self.heap.string(text)?;
        self.keys[place] = Some(made.clone());
        Ok(made)
    }

    /// What an escape stands for; the backslash has been read.
    fn escape(&mut self) -> Result<char, Raise> {
        let character = match self.peek() {
            None => return Err(self.error("EOF while parsing a string")),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            Some(_) => return Err(self.error("invalid escape")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char, Raise> {
        let unit = self.hex()?;
        if let Some(character) = char::from_u32(unit) {
            return Ok(character);
        }
        // A surrogate: a first half needs its second.
        if unit < 0xDC00 && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.hex()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
                return char::from_u32(code).ok_or_else(|| self.error("invalid unicode code point"));
            }
        }
        Err(self.error("lone surrogate in hex escape"))
    }

    /// Four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, Raise> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else {
                return Err(self.error("EOF while parsing a string"));
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.error("invalid escape"));
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// The error `what` at the next character.
    #[cold]
    fn error(&self, what: &str) -> Raise {
        let mut before = self.at.min(self.text.len());
        while !self.text.is_char_boundary(before) {
            before -= 1;
        }
        let before = &self.text[..before];
        let line = before.matches('\n').count() + self.line;
        let begun = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[begun..].chars().count() + usize::from(self.at < self.text.len());
        Raise::parse("JSON", &format!("{what} at line {line} column {column}"))
    }
}
