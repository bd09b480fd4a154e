//! A source file: its name, its text and where its lines begin.

use crate::Span;

/// A place a person can read: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineColumn {
    /// Line number, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One source text with its name and line index.
#[derive(Clone, Debug)]
pub struct SourceFile {
    path: Option<String>,
    text: String,
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// Indexes `text`. `path` is the file's path as the user gave it; `None` for a fragment without a file.
    pub fn new(path: Option<String>, text: String) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(
            text.bytes()
                .enumerate()
                .filter(|&(_, byte)| byte == b'\n')
                .map(|(at, _)| at as u32 + 1),
        );
        Self {
            path,
            text,
            line_starts,
        }
    }

    /// The path as the user gave it, if the text has one.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The last component of the path, if the text has one.
    pub fn base_name(&self) -> Option<&str> {
        self.path
            .as_deref()
            .map(|path| path.rsplit(['/', '\\']).next().unwrap_or(path))
    }

    /// Bytes that the text and its index take.
    pub fn size(&self) -> usize {
        let path = self.path.as_ref().map_or(0, String::capacity);
        size_of::<Self>() + path + self.text.capacity() + self.line_starts.capacity() * size_of::<u32>()
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text a span covers.
    pub fn slice(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    /// Number of lines; a text without a line feed has one.
    pub fn line_count(&self) -> u32 {
        self.line_starts.len() as u32
    }

    /// The line, from 1, that holds the byte at `offset`.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|&start| start <= offset) as u32
    }

    /// Line and column of the byte at `offset`; an offset past the end means the end.
    pub fn line_column(&self, offset: u32) -> LineColumn {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line(offset as u32);
        let start = self.line_starts[line as usize - 1] as usize;
        let column = self.text[start..offset].chars().count() as u32 + 1;
        LineColumn { line, column }
    }

    /// The text of line `line` (from 1) without its line end, if there is such a line.
    pub fn line_text(&self, line: u32) -> Option<&str> {
        let index = (line as usize).checked_sub(1)?;
        let start = *self.line_starts.get(index)? as usize;
        let end = self
            .line_starts
            .get(index + 1)
            .map_or(self.text.len(), |&next| next as usize);
        Some(self.text[start..end].trim_end_matches(['\n', '\r']))
    }

    /// Bytes held by the text and its index.
    pub fn heap_size(&self) -> usize {
        self.text.capacity() + self.line_starts.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let file = SourceFile::new(Some("dir/a.ae".into()), "ab\nnaïve x\r\n".into());
        assert_eq!(file.line_column(0), LineColumn { line: 1, column: 1 });
        assert_eq!(file.line_column(3), LineColumn { line: 2, column: 1 });
        assert_eq!(file.line_column(10), LineColumn { line: 2, column: 7 });
        assert_eq!(file.line_text(2), Some("naïve x"));
        assert_eq!(file.line_text(4), None);
        assert_eq!(file.base_name(), Some("a.ae"));
    }
}
