//! The state that productions share: the tree being built, the errors found, and what encloses the next token.
//!
//! Invariants
//! - After a failure is recorded ([`Builder::panicking`]) nothing more is reported until recovery clears it, and never
//!   twice at one token: one mistake gives one error.
//! - `depth` counts what is open around the next token; recovery restores it.

use aether_ast::{Ast, Node, NodeId, Symbol};
use aether_lexer::{Lexed, TokenKind};
use aether_source::{Diagnostic, SourceFile, Span};
use chumsky::input::{Checkpoint, Cursor as Position};
use chumsky::inspector::Inspector;

use crate::brackets::Brackets;
use crate::cursor::{Lexeme, Tokens};
use crate::{Parse, ParseOptions, hints};

/// A loop around the next token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loop {
    pub(crate) label: Option<Symbol>,
}

/// What recovery must restore when it abandons a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    scratch: usize,
    depth: u32,
    loops: usize,
    loop_base: usize,
    context: Context,
    inside: Inside,
}

/// What statements belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    TopLevel,
    Function,
    AsyncFunction,
    /// What a `defer` puts off.
    Deferred,
}

impl Inside {
    /// The body of a function.
    pub(crate) fn function(is_async: bool) -> Self {
        if is_async {
            Self::AsyncFunction
        } else {
            Self::Function
        }
    }
}

/// What the tokens to be read stand in, outside brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Context {
    #[default]
    Plain,
    /// The head of `for` or `match`: a name followed by `{` is no struct literal.
    Head,
    /// The guard of an arm: `=>` ends it and makes no arrow function.
    Guard,
}

#[derive(Debug)]
pub(crate) struct Builder<'t> {
    pub(crate) file: &'t SourceFile,
    text: &'t str,
    tokens: &'t [Lexeme],
    pub(crate) ast: Ast,
    /// Children of the lists being read, innermost last.
    pub(crate) scratch: Vec<NodeId>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Where a production failed, until recovery has dealt with it.
    panicking: Option<usize>,
    /// The nesting limit was crossed: parsing ends.
    pub(crate) fatal: bool,
    /// The last token that an error was reported at.
    last_reported: Option<usize>,
    /// The lexer reported that the text ends within a string or comment.
    cut_short: bool,
    depth: u32,
    max_nesting: u32,
    pub(crate) context: Context,
    /// Loops around the next token; those from `loop_base` on are in the current function.
    pub(crate) loops: Vec<Loop>,
    pub(crate) loop_base: usize,
    /// Recovery entered a block whose head it skipped, so a `break` may well be inside a loop.
    pub(crate) lenient_loops: bool,
    /// What the statements to be read belong to.
    pub(crate) inside: Inside,
    /// Index of the last token that was read as a prefix operator.
    pub(crate) last_prefix: usize,
    /// Index of the last token that was read as a used name.
    pub(crate) last_name: usize,
    brackets: Option<Brackets>,
    /// Words that this file is known to declare, and which are never keywords in it.
    names: Vec<&'t str>,
    /// Words other than the reserved ones that were read as keywords.
    pub(crate) keywords: Vec<&'t str>,
}

impl<'t> Inspector<'t, Tokens<'t>> for Builder<'t> {
    type Checkpoint = ();
    #[inline(always)]
    fn on_token(&mut self, _: &Lexeme) {}
    #[inline(always)]
    fn on_save<'p>(&self, _: &Position<'t, 'p, Tokens<'t>>) {}
    #[inline(always)]
    fn on_rewind<'p>(&mut self, _: &Checkpoint<'t, 'p, Tokens<'t>, ()>) {}
}

/// The text of a line of documentation.
fn doc_line<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let text = line.trim().strip_prefix(mark)?;
    if mark == "///" && text.starts_with('/') {
        return None;
    }
    Some(text.strip_prefix(' ').unwrap_or(text))
}

impl<'t> Builder<'t> {
    pub(crate) fn new(
        file: &'t SourceFile,
        tokens: &'t [Lexeme],
        lexed: &Lexed,
        options: ParseOptions,
    ) -> Self {
        Self {
            file,
            text: file.text(),
            tokens,
            ast: Ast::with_capacity(tokens.len() * 2 / 3),
            scratch: Vec::new(),
            diagnostics: Vec::new(),
            panicking: None,
            fatal: false,
            last_reported: None,
            cut_short: lexed
                .diagnostics
                .iter()
                .any(|found| matches!(found.code, "E0102" | "E0103")),
            depth: 0,
            max_nesting: options.max_nesting,
            context: Context::Plain,
            inside: Inside::TopLevel,
            loops: Vec::new(),
            loop_base: 0,
            lenient_loops: false,
            last_prefix: usize::MAX,
            last_name: usize::MAX,
            brackets: None,
            names: Vec::new(),
            keywords: Vec::new(),
        }
    }

    /// The same text again, with words that are names after all beside those that were known to be.
    pub(crate) fn again(self, names: Vec<&'t str>, lexed: &Lexed, options: ParseOptions) -> Self {
        let mut again = Self::new(self.file, self.tokens, lexed, options);
        again.names = self.names;
        again.names.extend(names);
        again
    }

    /// Whether a word that is not reserved may be a keyword in this file; remembers that it was read as one.
    pub(crate) fn is_keyword(&mut self, word: &'t str) -> bool {
        if self.names.contains(&word) {
            return false;
        }
        if !self.keywords.contains(&word) {
            self.keywords.push(word);
        }
        true
    }

    /// The tree, and the lexer's and parser's findings in source order.
    pub(crate) fn finish(self, lexed: &Lexed) -> Parse {
        let mut diagnostics = lexed.diagnostics.clone();
        diagnostics.extend(self.diagnostics);
        diagnostics.sort_by_key(|found| found.span.start);
        Parse {
            ast: self.ast,
            diagnostics,
        }
    }

    /// The token at `index`; past the end, the end of file.
    #[inline]
    pub(crate) fn lexeme(&self, index: usize) -> Lexeme {
        self.tokens[index.min(self.tokens.len() - 1)]
    }

    #[inline]
    pub(crate) fn kind(&self, index: usize) -> TokenKind {
        self.lexeme(index).kind
    }

    #[inline]
    pub(crate) fn tokens(&self) -> &'t [Lexeme] {
        self.tokens
    }

    /// The source text of a token.
    #[inline]
    pub(crate) fn slice(&self, lexeme: Lexeme) -> &'t str {
        &self.text[lexeme.start as usize..lexeme.end as usize]
    }

    /// The span of the tokens from `start` to just before `end`.
    #[inline]
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let first = self.tokens[start].start;
        if end > start {
            Span::new(first, self.tokens[end - 1].end)
        } else {
            Span::at(first)
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, node: Node, span: Span) -> NodeId {
        self.ast.add(node, span)
    }

    #[inline]
    pub(crate) fn intern(&mut self, lexeme: Lexeme) -> Symbol {
        let text = self.slice(lexeme);
        self.ast.intern(text)
    }

    /// A declared name.
    #[inline]
    pub(crate) fn ident(&mut self, lexeme: Lexeme) -> NodeId {
        let symbol = self.intern(lexeme);
        self.add(Node::Ident(symbol), lexeme.span())
    }

    /// Pops the children pushed since `from` into a list.
    #[inline]
    pub(crate) fn take_list(&mut self, from: usize) -> aether_ast::List {
        let list = self.ast.add_list(&self.scratch[from..]);
        self.scratch.truncate(from);
        list
    }

    /// One level deeper; `at` is the token that opens it. False at the limit, which ends the parse.
    #[inline]
    pub(crate) fn enter(&mut self, at: usize) -> bool {
        self.depth += 1;
        if self.depth <= self.max_nesting {
            return true;
        }
        self.too_deep(at);
        false
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    #[cold]
    fn too_deep(&mut self, at: usize) {
        if !self.fatal {
            let found = self.lexeme(at);
            let message = format!(
                "Nesting too deep (limit {}) at line {}",
                self.max_nesting,
                self.file.line(found.start)
            );
            let error = Diagnostic::error("E0110", message, found.span())
                .with_help("split this into smaller functions or named parts");
            self.diagnostics.push(error);
        }
        self.fatal = true;
        self.panicking = Some(at);
    }

    /// Gives the declaration that began at token `at` the `///` lines directly before it.
    pub(crate) fn document(&mut self, at: usize, declaration: NodeId) {
        let start = self.lexeme(at).start as usize;
        let from = at
            .checked_sub(1)
            .map_or(0, |before| self.lexeme(before).end as usize);
        let gap = &self.text[from..start];
        if !gap.contains("///") {
            return;
        }
        let mut lines: Vec<&str> = gap.split('\n').collect();
        let before = lines.pop().unwrap_or_default();
        // A comment at the end of a line of code documents nothing.
        let first = usize::from(at > 0);
        let doc = lines
            .iter()
            .skip(first)
            .rev()
            .map_while(|line| doc_line(line, "///"));
        let mut doc: Vec<&str> = doc.collect();
        if doc.is_empty() || !before.trim().is_empty() {
            return;
        }
        doc.reverse();
        if let Some(name) = self.ast.declared_name(declaration) {
            let text = self.ast.intern(&doc.join("\n"));
            self.ast.set_doc(name, text);
        }
    }

    /// Gives the whole text the `//!` lines at its beginning.
    pub(crate) fn document_module(&mut self) {
        let text = self.text.trim_start_matches('\u{feff}');
        let lines = text.lines().skip(usize::from(text.starts_with("#!")));
        let lines = lines.skip_while(|line| line.trim().is_empty());
        let doc: Vec<&str> = lines.map_while(|line| doc_line(line, "//!")).collect();
        if !doc.is_empty() {
            let text = self.ast.intern(&doc.join("\n"));
            self.ast.set_module_doc(text);
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            scratch: self.scratch.len(),
            depth: self.depth,
            loops: self.loops.len(),
            loop_base: self.loop_base,
            context: self.context,
            inside: self.inside,
        }
    }

    pub(crate) fn restore(&mut self, mark: Mark) {
        self.scratch.truncate(mark.scratch);
        self.depth = mark.depth;
        self.loops.truncate(mark.loops);
        self.loop_base = mark.loop_base;
        self.context = mark.context;
        self.inside = mark.inside;
    }

    #[inline]
    pub(crate) fn panicking(&self) -> bool {
        self.panicking.is_some()
    }

    pub(crate) fn panic_at(&mut self, at: usize) {
        self.panicking.get_or_insert(at);
    }

    /// Where the failure was, once.
    pub(crate) fn take_panic(&mut self) -> Option<usize> {
        self.panicking.take()
    }

    /// Whether an error at this token would be a consequence of one already reported.
    fn is_consequence(&self, at: usize) -> bool {
        let kind = self.kind(at);
        self.panicking()
            || self.last_reported.is_some_and(|last| at <= last)
            || kind.is_error()
            || (kind == TokenKind::EndOfFile && self.cut_short)
            || self.tokens[..at.min(self.tokens.len())]
                .last()
                .is_some_and(|last| last.kind.is_error())
    }

    /// Reports what `make` makes at token `at`, unless the error follows from an earlier one.
    #[cold]
    fn report(&mut self, at: usize, make: impl FnOnce(&mut Self) -> Diagnostic) {
        if !self.is_consequence(at) {
            let error = make(self);
            self.diagnostics.push(error);
        }
        let last = self.last_reported.get_or_insert(at);
        *last = at.max(*last);
    }

    /// Reports `Expected WHAT, found 'TEXT' at line L` at token `at`.
    #[cold]
    pub(crate) fn expected(&mut self, at: usize, what: &'static str) {
        self.report(at, |state| state.expected_error(at, what));
    }

    /// The same, with the bracket that is still open.
    #[cold]
    pub(crate) fn expected_close(&mut self, at: usize, what: &'static str, open: usize) {
        self.report(at, |state| state.unclosed(at, what, open));
    }

    fn unclosed(&mut self, at: usize, what: &str, open: usize) -> Diagnostic {
        let error = self.expected_error(at, what);
        let blamed = if self.kind(at) == TokenKind::EndOfFile {
            self.blame(open)
        } else {
            open
        };
        let opener = self.lexeme(blamed);
        let text = self.slice(opener);
        let closed_later = self.brackets().partner(open).is_some();
        let label = if closed_later {
            format!("inside the '{text}' opened here")
        } else if blamed == open {
            format!("this '{text}' is not closed")
        } else {
            format!(
                "this '{text}' may be the one that is not closed: its block is closed by a '}}' that is indented differently"
            )
        };
        let mut error = error.with_label(opener.span(), label);
        if error.help.is_none() && !closed_later {
            let line = self.file.line(opener.start);
            error.help = Some(format!("the '{text}' in line {line} is not closed"));
        }
        error
    }

    /// The same, with this help instead of a guessed one.
    #[cold]
    pub(crate) fn expected_with(&mut self, at: usize, what: &str, help: &str) {
        self.report(at, |state| state.expected_error(at, what).with_help(help));
    }

    /// The same with a help for when nothing better is known.
    #[cold]
    pub(crate) fn expected_or(&mut self, at: usize, what: &str, help: &str) {
        self.report(at, |state| {
            let mut error = state.expected_error(at, what);
            error.help.get_or_insert_with(|| help.to_owned());
            error
        });
    }

    /// A part of the text.
    pub(crate) fn file_text(&self, start: u32, end: u32) -> &'t str {
        let end = self.text.len().min(end as usize);
        &self.text[start as usize..end]
    }

    fn expected_error(&mut self, at: usize, what: &str) -> Diagnostic {
        let found = self.lexeme(at);
        let message = format!(
            "Expected {what}, found '{}' at line {}",
            hints::found_text(self, found),
            self.file.line(found.start)
        );
        let mut error = Diagnostic::error("E0107", message, found.span());
        error.help = hints::help(self, at, what);
        error
    }

    /// Reports a finding that concerns no particular expected token. `what` gets its line appended.
    #[cold]
    pub(crate) fn finding(&mut self, code: &'static str, what: &str, span: Span, help: &str) {
        let message = format!("{what} at line {}", self.file.line(span.start));
        self.diagnostics
            .push(Diagnostic::error(code, message, span).with_help(help));
    }

    /// The bracket pairs of the whole file, found at the first need.
    pub(crate) fn brackets(&mut self) -> &Brackets {
        let tokens = self.tokens;
        self.brackets.get_or_insert_with(|| Brackets::find(tokens))
    }

    fn blame(&mut self, open: usize) -> usize {
        let (tokens, text) = (self.tokens, self.text);
        self.brackets()
            .likely_unclosed(tokens, text, open)
            .unwrap_or(open)
    }
}
