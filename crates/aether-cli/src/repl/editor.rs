//! The line editor: history, completion, hints and colours.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use aether::parts::lexer::{CONTEXTUAL_WORDS, RESERVED_WORDS, TokenKind, lex};
use aether::{Engine, SourceFile, Value};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Helper};

use super::history_path;
use crate::streams;

/// Inputs that are remembered.
const MAX_HISTORY: usize = 10_000;

/// What was read.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D.
    End,
    Failed(String),
}

/// A line editor with what it knows of the session.
pub(super) struct Editor {
    inner: rustyline::Editor<Assistant, FileHistory>,
}

impl Editor {
    /// An editor on the terminal; `None` if there is no using it.
    pub(super) fn new(engine: Rc<RefCell<Engine>>, colours: bool) -> Option<Self> {
        let config = Config::builder()
            .max_history_size(MAX_HISTORY)
            .ok()?
            .history_ignore_space(true)
            .history_ignore_dups(true)
            .ok()?
            .completion_type(CompletionType::List)
            .build();
        let mut inner = rustyline::Editor::with_config(config).ok()?;
        inner.set_helper(Some(Assistant { engine, colours }));
        if let Some(path) = history_path() {
            // The first session has none.
            let _ = inner.load_history(&path);
        }
        Some(Self { inner })
    }

    /// Reads a line.
    pub(super) fn read(&mut self, prompt: &str) -> Line {
        match self.inner.readline(prompt) {
            Ok(line) => Line::Text(line),
            Err(ReadlineError::Interrupted) => Line::Interrupted,
            Err(ReadlineError::Eof) => Line::End,
            Err(error) => Line::Failed(error.to_string()),
        }
    }

    /// Remembers an input, unless it begins with a blank.
    pub(super) fn remember(&mut self, text: &str) {
        // Without history, input goes on.
        let _ = self.inner.add_history_entry(text);
        self.save();
    }

    /// Writes the history, to which other sessions may have added.
    pub(super) fn save(&mut self) {
        if let Some(path) = history_path()
            && let Err(error) = self.inner.append_history(&path)
        {
            streams::write_err(&format!("history: {error}\n"));
        }
    }
}

/// Completes, hints and colours.
struct Assistant {
    engine: Rc<RefCell<Engine>>,
    colours: bool,
}

impl Helper for Assistant {}

impl Validator for Assistant {}

/// The name before the cursor: where it starts, and the chain of names before its dot.
fn word_before(line: &str, cursor: usize) -> (usize, Option<Vec<&str>>) {
    let is_part = |found: char| found.is_alphanumeric() || found == '_';
    let before = &line[..cursor];
    let start = before.trim_end_matches(is_part).len();
    let mut chain = Vec::new();
    let mut rest = &before[..start];
    while let Some(object) = rest.strip_suffix("?.").or_else(|| rest.strip_suffix('.')) {
        let from = object.trim_end_matches(is_part).len();
        if from == object.len() {
            // The object is no plain name: nothing is known of it.
            return (start, Some(Vec::new()));
        }
        chain.insert(0, &object[from..]);
        rest = &object[..from];
    }
    (start, if rest.len() == start { None } else { Some(chain) })
}

impl Assistant {
    /// What may stand at the cursor: where it starts, and the candidates.
    fn candidates(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let (start, chain) = word_before(line, cursor);
        let prefix = &line[start..cursor];
        let Ok(engine) = self.engine.try_borrow() else {
            return (start, Vec::new());
        };
        let mut names: Vec<String> = match chain {
            Some(chain) => value_of(&engine, &chain).map_or_else(Vec::new, |value| engine.members(&value)),
            None if prefix.is_empty() => Vec::new(),
            None => {
                let mut names = engine.known_names();
                let reserved = RESERVED_WORDS.iter().map(|&(word, _)| word);
                let words = reserved.chain(CONTEXTUAL_WORDS.iter().copied());
                names.extend(words.map(str::to_owned));
                names
            }
        };
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        names.dedup();
        (start, names)
    }
}

/// The value that a chain of names stands for, without running anything.
fn value_of(engine: &Engine, chain: &[&str]) -> Option<Value> {
    let (first, members) = chain.split_first()?;
    let first = engine.global(first).or_else(|| engine.prelude_value(first))?;
    members
        .iter()
        .try_fold(first, |value, name| engine.member_value(&value, name))
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.candidates(line, cursor))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, cursor: usize, _: &Context<'_>) -> Option<String> {
        if cursor < line.len() {
            return None;
        }
        let (start, names) = self.candidates(line, cursor);
        let typed = cursor - start;
        let first = names.into_iter().find(|name| name.len() > typed)?;
        Some(first[typed..].to_owned())
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.colours {
            return Cow::Borrowed(line);
        }
        Cow::Owned(coloured(line))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if !self.colours {
            return Cow::Borrowed(hint);
        }
        Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colours
    }
}

/// A text with the colours of its tokens.
fn coloured(text: &str) -> String {
    let file = SourceFile::new(None, text.to_owned());
    let mut out = String::with_capacity(text.len() * 2);
    for (token, span) in lex(&file).iter() {
        let part = file.slice(span);
        match colour(token.kind, part) {
            Some(code) => {
                out.push_str("\x1b[");
                out.push_str(code);
                out.push('m');
                out.push_str(part);
                out.push_str("\x1b[0m");
            }
            None => out.push_str(part),
        }
    }
    out
}

/// The terminal's code for a token.
fn colour(kind: TokenKind, text: &str) -> Option<&'static str> {
    use TokenKind as T;
    match kind {
        T::LineComment | T::BlockComment => Some("2"),
        T::String
        | T::TripleString
        | T::UnterminatedString
        | T::StringStart
        | T::StringText
        | T::StringEnd
        | T::FormatSpec => Some("32"),
        T::Int | T::Float | T::True | T::False | T::Null => Some("36"),
        T::Unknown | T::BadNumber => Some("31"),
        T::Ident if CONTEXTUAL_WORDS.contains(&text) => Some("35"),
        kind if kind.is_keyword() => Some("35"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{coloured, word_before};

    #[test]
    fn the_word_before_the_cursor_is_found_with_its_objects() {
        assert_eq!(word_before("prin", 4), (0, None));
        assert_eq!(word_before("a + bc", 6), (4, None));
        assert_eq!(word_before("p.na", 4), (2, Some(vec!["p"])));
        assert_eq!(word_before("f(p.q?.", 7), (7, Some(vec!["p", "q"])));
        assert_eq!(word_before("f().x", 5), (4, Some(vec![])));
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let text = "let s = \"a ${1 + 2} b\" // \u{e9}";
        let mut plain = coloured(text);
        while let Some(at) = plain.find('\x1b') {
            let end = at + plain[at..].find('m').unwrap();
            plain.replace_range(at..=end, "");
        }
        assert_eq!(plain, text);
    }
}
