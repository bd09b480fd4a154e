//! CSV: `csv_parse` and `csv_stringify`.
//!
//! Source: library reference chapter 8.

use aether_eval::{BuiltinDef, Ctx};
use aether_value::{Array, Heap, Raise, Rc, Str, StrBuilder, Value, decimal};

use crate::arguments::array;
use crate::progress::Progress;
use crate::scan;
use crate::text::Text;

#[cfg(feature = "formats")]
mod module;

#[cfg(feature = "formats")]
pub(crate) use module::MODULE;

/// `csv_parse` and `csv_stringify`.
pub static CSV: &[BuiltinDef] = &[
    BuiltinDef::core("csv_parse", &["text", "delim"], 1, 2, csv_parse),
    BuiltinDef::core("csv_stringify", &["rows", "delim"], 1, 2, csv_stringify),
];

fn csv_parse(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = crate::arguments::string(&args[0])?;
    let delimiter = delimiter(args.get(1))?;
    Ok(Value::Array(parse(ctx.heap(), text.as_str(), delimiter)?))
}

fn csv_stringify(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let rows = array(&args[0])?;
    let delimiter = delimiter(args.get(1))?;
    let text = write(ctx.heap(), rows, delimiter)?;
    Ok(Value::String(text))
}

/// The one ASCII character between fields; a comma unless given.
fn delimiter(value: Option<&Value>) -> Result<u8, Raise> {
    let Some(value) = value else { return Ok(b',') };
    let text = crate::arguments::string(value)?.as_str();
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(Raise::operation(&format!(
            "csv delimiter must be a single character, got \"{text}\""
        ))),
    }
}

/// What is left of a text.
struct Reader<'a> {
    heap: &'a Heap,
    text: &'a str,
    at: usize,
    progress: Progress,
    delimiter: u8,
    /// What quoted fields stand between; none if there are none.
    quote: Option<u8>,
}

/// The rows of a text.
fn parse(heap: &Heap, text: &str, delimiter: u8) -> Result<Rc<Array>, Raise> {
    let mut reader = Reader {
        heap,
        text,
        at: 0,
        progress: Progress::default(),
        delimiter,
        quote: Some(b'"'),
    };
    let rows = heap.array(0)?;
    let mut width = 0;
    while reader.at < text.len() {
        if reader.line_end() {
            continue;
        }
        let row = heap.array(width)?;
        loop {
            row.push(Value::String(reader.field()?))?;
            if reader.peek() != Some(delimiter) {
                break;
            }
            reader.at += 1;
        }
        reader.line_end();
        width = row.len();
        rows.push(Value::Array(row))?;
    }
    reader.progress.count(heap, reader.at)?;
    Ok(rows)
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips a line end, if there is one here.
    fn line_end(&mut self) -> bool {
        match self.peek() {
            Some(b'\n') => self.at += 1,
            Some(b'\r') => {
                self.at += 1;
                if self.peek() == Some(b'\n') {
                    self.at += 1;
                }
            }
            _ => return false,
        }
        true
    }

    /// The text up to the next delimiter or line end.
    fn plain(&mut self) -> Result<&str, Raise> {
        /// Bytes that are looked at between two looks at limits.
        const MANY: usize = 64 << 10;
        let begun = self.at;
        let ends = [self.delimiter, b'\n', b'\r'];
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let piece = &rest[..rest.len().min(MANY)];
            let length = scan::any_of(piece, ends);
            self.at += length;
            if length < MANY {
                return Ok(&self.text[begun..self.at]);
            }
            self.progress.reach(self.heap, self.at)?;
        }
    }

    fn field(&mut self) -> Result<Rc<Str>, Raise> {
        let heap = self.heap;
        self.progress.reach(heap, self.at)?;
        let Some(quote) = self.quote.filter(|quote| self.peek() == Some(*quote)) else {
            return fresh(heap, self.plain()?);
        };
        let mark = char::from(quote);
        self.at += 1;
        let mut out = StrBuilder::new(heap);
        loop {
            self.progress.reach(heap, self.at)?;
            let rest = &self.text[self.at..];
            let Some(end) = rest.find(mark) else {
                self.at = self.text.len();
                out.push_str(rest)?;
                break;
            };
            out.push_str(&rest[..end])?;
            self.at += end + 1;
            if self.peek() == Some(quote) {
                out.push_char(mark)?;
                self.at += 1;
                continue;
            }
            out.push_str(self.plain()?)?;
            break;
        }
        out.finish()
    }
}

fn fresh(heap: &Heap, text: &str) -> Result<Rc<Str>, Raise> {
    if text.is_empty() {
        heap.empty_string()
    } else {
        heap.char_string(text)
    }
}

/// The text of rows.
fn write(heap: &Heap, rows: &Array, delimiter: u8) -> Result<Rc<Str>, Raise> {
    let mut writer = Writer::new(heap, delimiter, b'"');
    for row in rows.snapshot()?.iter() {
        writer.row(array(row)?.snapshot()?.as_slice())?;
    }
    writer.finish()
}

/// A text of rows in the making.
struct Writer<'a> {
    heap: &'a Heap,
    out: Text,
    delimiter: u8,
    quote: u8,
    /// What null is written as.
    null: &'static str,
    is_empty: bool,
}

impl<'a> Writer<'a> {
    fn new(heap: &'a Heap, delimiter: u8, quote: u8) -> Self {
        Self {
            heap,
            out: Text::new(heap),
            delimiter,
            quote,
            null: "null",
            is_empty: true,
        }
    }

    /// Writes a row, behind a line end if it is not the first.
    fn row(&mut self, fields: &[Value]) -> Result<(), Raise> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push("\n")?;
        }
        let is_alone = fields.len() == 1;
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.out
                    .push(char::from(self.delimiter).encode_utf8(&mut [0; 4]))?;
            }
            match field {
                Value::String(text) => self.field(text.as_str(), is_alone)?,
                Value::Null => self.field(self.null, is_alone)?,
                Value::Int(value) => self.field(decimal(*value, &mut [0; 20]), is_alone)?,
                field => {
                    let text = aether_value::display_text(self.heap, field)?;
                    self.field(text.as_str(), is_alone)?;
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, text: &str, is_alone: bool) -> Result<(), Raise> {
        let special = scan::any_of(text.as_bytes(), [self.delimiter, self.quote, b'\n', b'\r']);
        if special == text.len() && !(is_alone && text.is_empty()) {
            return self.out.push(text);
        }
        let quote = char::from(self.quote);
        let mut mark = [0; 4];
        let mark = &*quote.encode_utf8(&mut mark);
        self.out.push(mark)?;
        for (index, piece) in text.split(quote).enumerate() {
            if index > 0 {
                self.out.push(mark)?;
                self.out.push(mark)?;
            }
            self.out.push(piece)?;
        }
        self.out.push(mark)
    }

    fn finish(self) -> Result<Rc<Str>, Raise> {
        self.out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, write};
    use aether_value::{Heap, HeapConfig, Value, deep_equals, display_text};
    use proptest::prelude::*;

    fn heap() -> Heap {
        Heap::new(HeapConfig::default())
    }

    /// The rows with fields joined by `|`.
    fn rows(text: &str, delimiter: u8) -> Vec<String> {
        let heap = heap();
        let rows = parse(&heap, text, delimiter).unwrap();
        let rows = rows.snapshot().expect("memory");
        let fields = |row: &Value| {
            let Value::Array(row) = row else {
                panic!("a row is an array")
            };
            let texts: Vec<_> = row
                .snapshot()
                .expect("memory")
                .iter()
                .map(|field| display_text(&heap, field).unwrap())
                .collect();
            texts
                .iter()
                .map(|text| text.as_str())
                .collect::<Vec<_>>()
                .join("|")
        };
        rows.iter().map(fields).collect()
    }

    #[test]
    fn rows_end_in_three_ways_and_blank_lines_are_skipped() {
        assert_eq!(rows("", b','), [""; 0]);
        assert_eq!(rows("\n\r\n\r", b','), [""; 0]);
        assert_eq!(rows("a,b\nc,d\n", b','), ["a|b", "c|d"]);
        assert_eq!(rows("a\r\nb\rc\n\nd", b','), ["a", "b", "c", "d"]);
        assert_eq!(rows("a,\n,b,", b','), ["a|", "|b|"]);
        assert_eq!(rows("\"\"\n", b','), [""]);
    }

    #[test]
    fn quoted_fields_hold_anything() {
        assert_eq!(rows("\"a,b\",\"c\nd\",\"e\"\"f\"", b','), ["a,b|c\nd|e\"f"]);
        assert_eq!(rows("\"a\"b\"c,d", b','), ["ab\"c|d"]);
        assert_eq!(rows("a\"b,c", b','), ["a\"b|c"]);
        assert_eq!(rows("\"open,\n", b','), ["open,\n"]);
        assert_eq!(rows("id;name\n1;\"x;y\"", b';'), ["id|name", "1|x;y"]);
    }

    #[test]
    fn special_fields_are_quoted() {
        let heap = heap();
        let field = |text: &str| Value::String(heap.string(text).unwrap());
        let first = Value::Array(heap.array_from(vec![field("a\"b"), Value::Int(1)]).unwrap());
        let second = Value::Array(heap.array_from(vec![Value::Null, Value::Bool(true)]).unwrap());
        let alone = Value::Array(heap.array_from(vec![field("")]).unwrap());
        let rows = heap.array_from(vec![first, second, alone]).unwrap();
        assert_eq!(
            write(&heap, &rows, b',').unwrap().as_str(),
            "\"a\"\"b\",1\nnull,true\n\"\""
        );
        // A delimiter that occurs in a number quotes it.
        assert_eq!(
            write(&heap, &rows, b'1').unwrap().as_str(),
            "\"a\"\"b\"1\"1\"\nnull1true\n\"\""
        );
    }

    proptest! {
        #[test]
        fn tables_without_empty_rows_come_back(
            table in prop::collection::vec(prop::collection::vec("[a\",;\r\n é]{0,4}", 1..4), 0..5),
            semicolon in any::<bool>(),
        ) {
            let heap = heap();
            let delimiter = if semicolon { b';' } else { b',' };
            let mut rows = Vec::new();
            for row in &table {
                let fields = row.iter().map(|text| Value::String(heap.string(text).unwrap())).collect();
                rows.push(Value::Array(heap.array_from(fields).unwrap()));
            }
            let rows = heap.array_from(rows).unwrap();
            let text = write(&heap, &rows, delimiter).unwrap();
            let back = parse(&heap, text.as_str(), delimiter).unwrap();
            prop_assert!(deep_equals(&Value::Array(rows), &Value::Array(back)), "{}", text);
        }
    }
}
