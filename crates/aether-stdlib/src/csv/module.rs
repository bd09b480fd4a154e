//! The module `csv`: rows with options, from texts and from files of any size.
//!
//! A file is read row by row: in memory are one row and what has been read behind it.
//!
//! Source: library reference §E7.

use aether_eval::{BuiltinDef, Ctx, LibraryModule, Permission};
use aether_value::{Array, Charge, Heap, Raise, Raw, Rc, Value};
use std::io::{self, Read};

use super::{Reader, Writer};
use crate::arguments::{Options, array, string};
use crate::bytes::{Bytes, NOT_UTF8};
use crate::files::{allowed, failed, open_counted};
use crate::progress::Progress;
use crate::scan;
use crate::stream::{self, Source};

const DELIMITER: &str = "delimiter";
const QUOTE: &str = "quote";
const HEADER: &str = "header";
const SKIP_BLANK: &str = "skip_blank";
const TRIM: &str = "trim";
const TYPES: &str = "types";

/// The options of `parse` and `read`.
const READ_OPTIONS: &[&str] = &[DELIMITER, QUOTE, HEADER, SKIP_BLANK, TRIM, TYPES];
/// The options of `stringify`.
const WRITE_OPTIONS: &[&str] = &[DELIMITER, QUOTE, HEADER];

/// Bytes that are read of a file at first; more for rows that are longer.
const PIECE: usize = 64 << 10;

/// The module.
pub(crate) const MODULE: LibraryModule = LibraryModule {
    name: "csv",
    functions: &[
        BuiltinDef::core("parse", &["text", "opts"], 1, 2, parse).with_options(READ_OPTIONS),
        BuiltinDef::core("read", &["path", "opts"], 1, 2, read)
            .needing(Permission::Read)
            .with_options(READ_OPTIONS),
        BuiltinDef::core("stringify", &["rows", "opts"], 1, 2, stringify).with_options(WRITE_OPTIONS),
    ],
    constants: &[],
};

/// How rows are read.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
struct Format {
    delimiter: u8,
    quote: Option<u8>,
    header: bool,
    skip_blank: bool,
    trim: bool,
    types: bool,
}

/// The one ASCII character of an option.
fn character(options: Options<'_>, key: &str, default: u8) -> Result<u8, Raise> {
    let Some(text) = options.string(key)? else {
        return Ok(default);
    };
    match text.as_str().as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(Raise::operation(&format!(
            "csv {key} must be a single character, got \"{}\"",
            text.as_str()
        ))),
    }
}

impl Format {
    fn new(value: Option<&Value>) -> Result<Self, Raise> {
        let options = Options::new(value, READ_OPTIONS)?;
        let is_empty = options.string(QUOTE)?.is_some_and(|quote| quote.is_empty());
        Ok(Self {
            delimiter: character(options, DELIMITER, b',')?,
            quote: if is_empty {
                None
            } else {
                Some(character(options, QUOTE, b'"')?)
            },
            header: options.boolean(HEADER, false)?,
            skip_blank: options.boolean(SKIP_BLANK, true)?,
            trim: options.boolean(TRIM, false)?,
            types: options.boolean(TYPES, false)?,
        })
    }

    /// A reader of a text.
    fn reader<'a>(self, heap: &'a Heap, text: &'a str) -> Reader<'a> {
        Reader {
            heap,
            text,
            at: 0,
            progress: Progress::default(),
            delimiter: self.delimiter,
            quote: self.quote,
        }
    }

    /// The field at the reader's place as a value.
    fn field(self, reader: &mut Reader<'_>) -> Result<Value, Raise> {
        let is_quoted = self.quote.is_some() && reader.peek() == self.quote;
        let field = reader.field()?;
        let text = if self.trim {
            field.as_str().trim()
        } else {
            field.as_str()
        };
        if self.types
            && !is_quoted
            && let Some(number) = number(text)
        {
            return Ok(number);
        }
        if text.len() == field.len_bytes() {
            return Ok(Value::String(field));
        }
        Ok(Value::String(super::fresh(reader.heap, text)?))
    }

    /// The fields of the row at the reader's place, and its line end.
    fn row(self, reader: &mut Reader<'_>) -> Result<Rc<Array>, Raise> {
        let row = reader.heap.array(0)?;
        loop {
            row.push(self.field(reader)?)?;
            if reader.peek() != Some(self.delimiter) {
                break;
            }
            reader.at += 1;
        }
        reader.line_end();
        Ok(row)
    }
}

/// The number that a text is, written as usual: no sign but a minus, no zeros in front, digits around a point.
fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let first = digits.bytes().next().filter(u8::is_ascii_digit)?;
    let has_zeros = first == b'0' && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if has_zeros || !digits.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Value::Int);
    }
    let is_usual = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !digits.bytes().all(is_usual) || digits.contains(".e") || digits.contains(".E") {
        return None;
    }
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .map(Value::Float)
}

/// What the first row says of the others.
#[derive(Default)]
struct Header {
    /// The names of the columns, once the first row has been read.
    names: Option<Rc<Array>>,
    /// Rows that have been read, the first one included.
    rows: usize,
}

impl Header {
    /// A row as it is given to the script; none for the names themselves.
    fn take(&mut self, row: Rc<Array>, format: Format) -> Result<Option<Value>, Raise> {
        self.rows += 1;
        if !format.header {
            return Ok(Some(Value::Array(row)));
        }
        let heap = Heap::of(&*row);
        let Some(names) = &self.names else {
            let texts = heap.dict()?;
            let names = heap.array(row.len())?;
            for name in row.snapshot()?.iter() {
                let name = Value::String(aether_value::display_text(&heap, name)?);
                if texts.insert(name.clone(), Value::Null)?.is_some() {
                    let detail = format!("csv: the header has '{}' twice", string(&name)?.as_str());
                    return Err(Raise::operation(&detail));
                }
                names.push(name)?;
            }
            self.names = Some(names);
            return Ok(None);
        };
        if row.len() > names.len() {
            return Err(Raise::operation(&format!(
                "csv: row {} has {} fields, the header has {}",
                self.rows,
                row.len(),
                names.len()
            )));
        }
        let dict = heap.dict()?;
        for (index, name) in names.snapshot()?.iter().enumerate() {
            dict.insert(name.clone(), row.get_value(index).unwrap_or(Value::Null))?;
        }
        Ok(Some(Value::Dict(dict)))
    }
}

fn parse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?;
    let format = Format::new(args.get(1))?;
    let heap = ctx.heap().clone();
    let mut reader = format.reader(&heap, text.as_str());
    let rows = heap.array(0)?;
    let mut header = Header::default();
    while reader.at < text.len_bytes() {
        if format.skip_blank && reader.line_end() {
            continue;
        }
        let row = format.row(&mut reader)?;
        if let Some(row) = header.take(row, format)? {
            rows.push(row)?;
        }
    }
    reader.progress.count(&heap, reader.at)?;
    Ok(Value::Array(rows))
}

/// The rows of a file.
struct Rows {
    path: Box<str>,
    format: Format,
    /// None at the end of the file.
    reader: Option<Box<dyn Read>>,
    bytes: Bytes,
    /// Where in what has been read the next row begins.
    at: usize,
    header: Header,
}

/// `read(path, [opts])`
fn read(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let format = Format::new(args.get(1))?;
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let rows = Rows {
        path: path.into(),
        format,
        reader: Some(open_counted(ctx, "csv.read", path)?),
        bytes: Bytes::new(ctx.heap()),
        at: 0,
        header: Header::default(),
    };
    stream::value(ctx, rows)
}

impl Format {
    /// Where the row at the beginning of some bytes ends, its line end included; none if its end has not been read.
    fn end_of_row(self, bytes: &[u8], is_all: bool) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.quote.is_some_and(|quote| bytes.get(at) == Some(&quote)) {
                let quote = bytes[at];
                at += 1;
                loop {
                    at += bytes[at..]
                        .iter()
                        .position(|&byte| byte == quote)
                        .unwrap_or(bytes.len() - at);
                    if at == bytes.len() {
                        return is_all.then_some(at);
                    }
                    at += 1;
                    match bytes.get(at) {
                        Some(&byte) if byte == quote => at += 1,
                        None if !is_all => return None,
                        _ => break,
                    }
                }
            }
            at += scan::any_of(&bytes[at..], [self.delimiter, b'\n', b'\r']);
            match (bytes.get(at), bytes.get(at + 1)) {
                (None, _) => return is_all.then_some(at),
                (Some(b'\n'), _) => return Some(at + 1),
                (Some(b'\r'), Some(b'\n')) => return Some(at + 2),
                (Some(b'\r'), None) if !is_all => return None,
                (Some(b'\r'), _) => return Some(at + 1),
                _ => at += 1,
            }
        }
    }
}

impl Source for Rows {
    fn next(&mut self, ctx: &mut Ctx<'_>) -> Result<Option<Value>, Raise> {
        loop {
            let bytes = &self.bytes.data[self.at..];
            let is_all = self.reader.is_none();
            if is_all && bytes.is_empty() {
                return Ok(None);
            }
            let Some(end) = self.format.end_of_row(bytes, is_all) else {
                self.read_more(ctx)?;
                continue;
            };
            ctx.tick(1 + end / 8)?;
            self.at += end;
            let Ok(text) = std::str::from_utf8(&bytes[..end]) else {
                return Err(Raise::io("csv.read", &self.path, NOT_UTF8));
            };
            let mut reader = self.format.reader(ctx.heap(), text);
            if self.format.skip_blank && reader.line_end() {
                continue;
            }
            let row = self.format.row(&mut reader)?;
            if let Some(row) = self.header.take(row, self.format)? {
                return Ok(Some(row));
            }
        }
    }

    fn size(&self) -> usize {
        self.path.len()
    }

    fn trace(&self, visit: &mut dyn FnMut(&Raw)) {
        if let Some(names) = &self.header.names {
            visit(&Raw::of_rc(names));
        }
    }
}

impl Rows {
    /// Reads as much again as there is.
    fn read_more(&mut self, ctx: &mut Ctx<'_>) -> Result<(), Raise> {
        let bytes = &mut self.bytes;
        bytes.data.drain(..self.at);
        self.at = 0;
        let more = bytes.data.len().max(PIECE);
        bytes.reserve(bytes.data.len() + more)?;
        ctx.tick(more / 64)?;
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        let mut piece = [0; 16 << 10];
        let begun = bytes.data.len();
        while bytes.data.len() - begun < more {
            let room = piece.len().min(more - (bytes.data.len() - begun));
            match reader.read(&mut piece[..room]) {
                Ok(0) => {
                    self.reader = None;
                    return Ok(());
                }
                Ok(count) => bytes.data.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.reader = None;
                    return Err(failed("csv.read", &self.path, &error));
                }
            }
        }
        Ok(())
    }
}

fn stringify(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let rows = array(&args[0])?.snapshot()?;
    let options = Options::new(args.get(1), WRITE_OPTIONS)?;
    let (delimiter, quote) = (
        character(options, DELIMITER, b',')?,
        character(options, QUOTE, b'"')?,
    );
    let heap = ctx.heap().clone();
    let mut writer = Writer::new(&heap, delimiter, quote);
    // As fields that a row lacks: what `csv.parse` gives for them is written as it was read.
    writer.null = "";
    let has_header = options.boolean(HEADER, true)?;
    let mut names: Option<Vec<Value>> = None;
    let mut charge = Charge::none(ctx.heap());
    for (index, row) in rows.iter().enumerate() {
        ctx.tick(1)?;
        let Value::Dict(dict) = row else {
            let fields = array(row)?.snapshot()?;
            writer.row(fields.as_slice())?;
            continue;
        };
        if names.is_none() {
            charge.add(dict.len() * size_of::<Value>())?;
            let keys: Vec<Value> = dict.iter().map(|(key, _)| key.clone()).collect();
            if has_header {
                writer.row(&keys)?;
            }
            names = Some(keys);
        }
        let names = names.as_deref().unwrap_or_default();
        let mut fields = Vec::with_capacity(names.len());
        let mut known = 0;
        for name in names {
            let value = dict.get_value(name);
            known += usize::from(value.is_some());
            fields.push(match value {
                Some(value) => value,
                None => Value::String(ctx.heap().empty_string()?),
            });
        }
        if known < dict.len() {
            let is_known = |key: &Value| names.iter().any(|name| aether_value::equal(name, key));
            let other = dict.iter().map(|(key, _)| key).find(|key| !is_known(key));
            let other = match other {
                Some(key) => ctx.text(key)?.as_str().to_owned(),
                None => String::new(),
            };
            return Err(Raise::operation(&format!(
                "csv.stringify: row {} has the key '{other}', which the first row has not",
                index + 1
            )));
        }
        writer.row(&fields)?;
    }
    let text = writer.finish()?;
    Ok(Value::String(text))
}
