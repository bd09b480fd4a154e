//! The token cursor: every token of the source is written, or dropped, in order, and the comments before it with it.
//!
//! The printer walks the tree, which says what the next token is part of; the tokens themselves come from the source.
//! So no comment can be lost: taking a token takes the comments in the gap before it.
//!
//! A comment on the line of the token before it stays behind that token, others come before the next one.

use aether_ast::{Ast, NodeId};
use aether_lexer::{Lexed, TokenKind};
use aether_source::{SourceFile, Span};
use std::borrow::Cow;

use crate::layout::Command;
use crate::text;

/// Writes commands.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Printer<'a> {
    pub(crate) ast: &'a Ast,
    pub(crate) file: &'a SourceFile,
    lexed: &'a Lexed,
    pub(crate) commands: Vec<Command>,
    pub(crate) owned: Vec<String>,
    /// The next token that has not been taken, trivia included.
    at: usize,
    /// The next significant token.
    next: usize,
    /// Open groups: positions of their commands, `None` where a block begins.
    groups: Vec<Option<usize>>,
    /// Whether a comment has ended a line, so that what goes on with another token has to be broken.
    force_at_next: bool,
    /// Whether long lines are wrapped.
    wraps: bool,
    /// Whether the minus that the next statement starts with would continue the one before it.
    pub(crate) sign_needs_parentheses: bool,
    /// Whether the string being written was in single quotes.
    pub(crate) single_quotes: bool,
}

/// What a gap between two statements holds before the next comment or token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// No line end.
    None,
    Line,
    /// At least one empty line.
    Blank,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(file: &'a SourceFile, ast: &'a Ast, lexed: &'a Lexed, wraps: bool) -> Self {
        let mut printer = Self {
            ast,
            file,
            lexed,
            commands: Vec::with_capacity(lexed.tokens.len() * 2),
            owned: Vec::new(),
            at: 0,
            next: 0,
            groups: Vec::new(),
            wraps,
            force_at_next: false,
            sign_needs_parentheses: false,
            single_quotes: false,
        };
        printer.next = printer.significant_from(0);
        printer
    }

    fn significant_from(&self, mut at: usize) -> usize {
        while self
            .lexed
            .tokens
            .get(at)
            .is_some_and(|token| token.kind.is_trivia())
        {
            at += 1;
        }
        at
    }

    // --- looking ---

    /// The kind of the next significant token.
    pub(crate) fn kind(&self) -> TokenKind {
        self.lexed
            .tokens
            .get(self.next)
            .map_or(TokenKind::EndOfFile, |token| token.kind)
    }

    /// The kind of the significant token after the next one.
    pub(crate) fn kind_after(&self) -> TokenKind {
        let at = self.significant_from(self.next + 1);
        self.lexed
            .tokens
            .get(at)
            .map_or(TokenKind::EndOfFile, |token| token.kind)
    }

    /// Where the next significant token starts.
    pub(crate) fn start(&self) -> u32 {
        self.lexed
            .tokens
            .get(self.next)
            .map_or(self.lexed.len, |token| token.start)
    }

    /// The text of the next significant token.
    pub(crate) fn slice(&self) -> &'a str {
        match self.lexed.tokens.get(self.next) {
            Some(_) => self.file.slice(self.lexed.span(self.next)),
            None => "",
        }
    }

    /// The position of the significant token that starts at an offset, or the first one after it.
    fn index_at(&self, offset: u32) -> usize {
        self.lexed.tokens.partition_point(|token| token.start < offset)
    }

    /// The kinds of the significant tokens within a span.
    pub(crate) fn kinds_in(&self, span: Span) -> impl Iterator<Item = TokenKind> + use<'a> {
        let lexed = self.lexed;
        let first = self.index_at(span.start);
        let tokens = lexed.tokens[first..].iter();
        tokens
            .take_while(move |token| token.start < span.end)
            .map(|token| token.kind)
            .filter(|kind| !kind.is_trivia())
    }

    /// Whether a comment stands right inside the parentheses around a node: after the first or before the last.
    pub(crate) fn has_comment_inside(&self, group: NodeId, inner: NodeId) -> bool {
        let (group, inner) = (self.ast.span(group), self.ast.span(inner));
        self.has_comment_between(group.start, inner.start) || self.has_comment_between(inner.end, group.end)
    }

    /// Whether a comment starts between two offsets.
    pub(crate) fn has_comment_between(&self, start: u32, end: u32) -> bool {
        let is_comment = |token: &aether_lexer::Token| {
            matches!(token.kind, TokenKind::LineComment | TokenKind::BlockComment)
        };
        let first = self.index_at(start);
        let tokens = self.lexed.tokens[first..].iter();
        tokens.take_while(|token| token.start < end).any(is_comment)
    }

    /// Whether the next significant token stands right behind what comes before it.
    fn is_closing(&self) -> bool {
        matches!(
            self.kind(),
            TokenKind::RightParen
                | TokenKind::RightBracket
                | TokenKind::RightBrace
                | TokenKind::Comma
                | TokenKind::Semicolon
                | TokenKind::InterpolationEnd
                | TokenKind::FormatSpec
        )
    }

    // --- writing ---

    pub(crate) fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    pub(crate) fn space(&mut self) {
        self.command(Command::Space);
    }

    pub(crate) fn owned(&mut self, text: impl Into<String>) {
        self.owned.push(text.into());
        self.command(Command::Owned(self.owned.len() as u32 - 1));
    }

    /// Runs `inner` as a group.
    pub(crate) fn group(&mut self, inner: impl FnOnce(&mut Self)) {
        self.groups.push(Some(self.commands.len()));
        self.command(Command::Group { forced: false });
        inner(self);
        self.groups.pop();
        self.command(Command::EndGroup);
    }

    /// Runs `inner` as a group that no width breaks.
    pub(crate) fn flat(&mut self, inner: impl FnOnce(&mut Self)) {
        self.groups.push(Some(self.commands.len()));
        self.command(Command::Flat { forced: false });
        inner(self);
        self.groups.pop();
        self.command(Command::EndGroup);
    }

    /// Runs `inner` as lines of their own, one level more, that break no group around them.
    pub(crate) fn block(&mut self, inner: impl FnOnce(&mut Self)) {
        self.groups.push(None);
        self.command(Command::Indent);
        inner(self);
        self.command(Command::Dedent);
        self.groups.pop();
    }

    /// Breaks the groups around, up to the innermost block.
    fn force(&mut self) {
        for group in self.groups.iter().rev() {
            let Some(at) = *group else { return };
            match &mut self.commands[at] {
                Command::Group { forced } | Command::Flat { forced } => *forced = true,
                _ => {}
            }
        }
    }

    /// Breaks the innermost group if lines may be wrapped and what was written from `before` on has lines of its own.
    pub(crate) fn break_around_lines(&mut self, before: usize) {
        let Some(&Some(at)) = self.groups.last().filter(|_| self.wraps) else {
            return;
        };
        let has_lines = self.commands[before..]
            .iter()
            .any(|command| matches!(command, Command::HardLine | Command::BlankLine));
        if has_lines {
            self.commands[at] = Command::Group { forced: true };
        }
    }

    /// Writes the next token with the comments around it.
    pub(crate) fn token(&mut self) {
        self.comments_before();
        if self.next < self.lexed.tokens.len() {
            let (kind, span) = (self.lexed.tokens[self.next].kind, self.lexed.span(self.next));
            self.token_text(kind, span);
            self.advance();
        }
    }

    /// Writes the next token if it is of this kind.
    pub(crate) fn opt_token(&mut self, kind: TokenKind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.token();
        }
        found
    }

    /// Drops the next token, not the comments around it.
    pub(crate) fn drop_token(&mut self) {
        self.comments_before();
        self.advance();
    }

    /// Drops the next tokens while they are of this kind.
    pub(crate) fn drop_all(&mut self, kind: TokenKind) {
        while self.kind() == kind {
            self.drop_token();
        }
    }

    fn advance(&mut self) {
        self.at = (self.next + 1).min(self.lexed.tokens.len());
        self.next = self.significant_from(self.at);
        self.comments_behind();
    }

    fn token_text(&mut self, kind: TokenKind, span: Span) {
        if std::mem::take(&mut self.force_at_next) {
            self.force();
        }
        let raw = self.file.slice(span);
        let written: Cow<'_, str> = match kind {
            TokenKind::String if raw.starts_with('\'') => {
                Cow::Owned(format!("\"{}\"", text::requoted(&raw[1..raw.len() - 1])))
            }
            TokenKind::StringStart | TokenKind::StringEnd if self.single_quotes => Cow::Borrowed("\""),
            TokenKind::StringText if self.single_quotes => text::requoted(raw),
            _ => Cow::Borrowed(raw),
        };
        if written == raw {
            self.command(Command::Source(span));
        } else {
            self.owned(written);
        }
    }

    // --- comments ---

    /// Whether the next token, trivia included, is still in the gap before the next significant one.
    fn in_gap(&self) -> bool {
        self.at < self.next
    }

    /// Writes the comment at the cursor.
    fn comment_text(&mut self) {
        let span = self.lexed.span(self.at);
        let raw = self.file.slice(span);
        match text::comment(raw) {
            Cow::Borrowed(_) => self.command(Command::Source(span)),
            Cow::Owned(text) => self.owned(text),
        }
    }

    /// Writes the comments that stay behind the token just taken: those on its line, if the line ends after them or
    /// what follows cannot have a comment of its own before it.
    fn comments_behind(&mut self) {
        let mut end = self.at;
        let mut comments = false;
        while end < self.next {
            match self.lexed.tokens[end].kind {
                TokenKind::Newline => break,
                TokenKind::LineComment | TokenKind::BlockComment => comments = true,
                _ => {}
            }
            end += 1;
        }
        if !comments {
            return;
        }
        let line_ends = end < self.next || self.next >= self.lexed.tokens.len();
        if !line_ends && !self.is_closing() {
            return;
        }
        while self.at < end {
            match self.lexed.tokens[self.at].kind {
                TokenKind::LineComment => {
                    self.space();
                    self.comment_text();
                    self.command(Command::NeedLine);
                    self.force_at_next = true;
                }
                TokenKind::BlockComment => {
                    self.space();
                    self.comment_text();
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Writes the comments left in the gap before the next significant token, within a statement.
    pub(crate) fn comments_before(&mut self) {
        let mut own_line = false;
        while self.in_gap() {
            match self.lexed.tokens[self.at].kind {
                TokenKind::Newline => own_line = true,
                TokenKind::LineComment | TokenKind::BlockComment => {
                    let is_line = self.lexed.tokens[self.at].kind == TokenKind::LineComment;
                    let ends = is_line || (own_line && self.ends_line(self.at));
                    if own_line && ends {
                        self.command(Command::FreshLine);
                    }
                    let closes = !ends && self.is_closing();
                    if closes {
                        self.space();
                    }
                    self.comment_text();
                    if ends {
                        self.command(if own_line {
                            Command::FreshLine
                        } else {
                            Command::NeedLine
                        });
                        self.force();
                    } else if !closes {
                        self.space();
                    }
                }
                TokenKind::ByteOrderMark | TokenKind::Shebang => self.preamble(),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Whether the comment at `at` is the last thing on its line.
    fn ends_line(&self, at: usize) -> bool {
        let rest = &self.lexed.tokens[at..];
        if rest[0].kind == TokenKind::LineComment {
            true
        } else {
            let next = rest[1..].iter().find(|token| token.kind != TokenKind::Blank);
            next.is_none_or(|token| token.kind == TokenKind::Newline)
        }
    }

    /// Writes the byte-order mark or the `#!` line at the cursor.
    fn preamble(&mut self) {
        let (kind, span) = (self.lexed.tokens[self.at].kind, self.lexed.span(self.at));
        let text = self.file.slice(span).trim_end();
        self.owned(text);
        if kind == TokenKind::Shebang {
            self.command(Command::HardLine);
        }
    }

    // --- gaps between statements ---

    /// What stands in the gap before the next comment or significant token, which is left.
    pub(crate) fn take_break(&mut self) -> Break {
        self.force_at_next = false;
        let mut found = Break::None;
        while self.in_gap() {
            let token = self.lexed.tokens[self.at];
            match token.kind {
                TokenKind::Newline => {
                    let text = self.file.slice(self.lexed.span(self.at));
                    let lines = text.bytes().filter(|&byte| byte == b'\n').count();
                    found = match (lines, found) {
                        (1, Break::None) => Break::Line,
                        _ => Break::Blank,
                    };
                }
                TokenKind::LineComment | TokenKind::BlockComment => break,
                TokenKind::ByteOrderMark | TokenKind::Shebang => self.preamble(),
                _ => {}
            }
            self.at += 1;
        }
        found
    }

    /// Whether a comment comes before the next significant token.
    pub(crate) fn has_comment(&self) -> bool {
        let gap = self.lexed.tokens.get(self.at..self.next).unwrap_or(&[]);
        gap.iter()
            .any(|token| matches!(token.kind, TokenKind::LineComment | TokenKind::BlockComment))
    }

    /// Whether an empty line comes before the next significant token.
    pub(crate) fn has_empty_line(&self) -> bool {
        let is_empty_line = |index: usize| {
            self.lexed.tokens[index].kind == TokenKind::Newline
                && self
                    .file
                    .slice(self.lexed.span(index))
                    .bytes()
                    .filter(|&byte| byte == b'\n')
                    .count()
                    > 1
        };
        (self.at..self.next).any(is_empty_line)
    }

    /// The comment at the cursor as written.
    pub(crate) fn comment(&self) -> &'a str {
        self.file.slice(self.lexed.span(self.at))
    }

    /// Takes the comment at the cursor, which [`Self::take_break`] has stopped at.
    pub(crate) fn take_comment(&mut self) {
        let ends = self.ends_line(self.at);
        self.comment_text();
        self.at += 1;
        if ends {
            self.command(Command::NeedLine);
        } else {
            self.space();
        }
    }

    /// Where the comment or token at the cursor starts.
    pub(crate) fn cursor_offset(&self) -> u32 {
        self.lexed
            .tokens
            .get(self.at)
            .map_or(self.lexed.len, |token| token.start)
    }

    /// Moves the cursor to the first token at or after an offset, without writing what is before it.
    pub(crate) fn move_to(&mut self, offset: u32) {
        self.at = self.index_at(offset);
        self.next = self.significant_from(self.at);
    }

    /// The first comment `wanted`, alone on its line, from the cursor up to `end`: where its line starts, and where it
    /// does.
    pub(crate) fn find_comment(&self, wanted: &str, end: u32) -> Option<(u32, u32)> {
        let mut depth = 0_u32;
        for index in self.at..self.lexed.tokens.len() {
            let token = self.lexed.tokens[index];
            if token.start >= end {
                break;
            }
            match token.kind {
                TokenKind::LeftBrace | TokenKind::LeftBracket | TokenKind::LeftParen => depth += 1,
                TokenKind::RightBrace | TokenKind::RightBracket | TokenKind::RightParen => {
                    depth = depth.checked_sub(1)?;
                }
                TokenKind::LineComment if depth == 0 => {
                    let text = self.file.slice(self.lexed.span(index));
                    if text.trim_end() == wanted && self.is_alone(token.start) {
                        let before = &self.file.text()[..token.start as usize];
                        let line = before.rfind('\n').map_or(0, |at| at as u32 + 1);
                        return Some((line, token.start));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Whether only blanks stand before an offset in its line.
    fn is_alone(&self, offset: u32) -> bool {
        let before = &self.file.text()[..offset as usize];
        let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
        line.chars()
            .all(|found| matches!(found, ' ' | '\t' | '\r' | '\u{feff}'))
    }

    /// Just behind the first closing brace at or after an offset.
    pub(crate) fn closing_brace(&self, offset: u32) -> u32 {
        let first = self.index_at(offset);
        let tokens = &self.lexed.tokens[first..];
        let brace = tokens.iter().find(|token| token.kind == TokenKind::RightBrace);
        brace.map_or(self.lexed.len, |token| token.start + 1)
    }
}
