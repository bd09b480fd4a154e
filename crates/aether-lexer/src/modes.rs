//! The driver: text to tokens, with one mode for source and one for the inside of strings.
//!
//! Logos recognises source. When it meets a quote, `kind` scans to whatever comes first: the closing quote
//! (the string is then one token) or `${`. At `${` a [`Frame`] is pushed and source mode goes on; the frame counts
//! braces, so the `}` that brings it back ends the placeholder, and the driver scans the string's next piece.
//! Example: `"a${ {b: "c"} }d"` gives `StringStart` `"`, `StringText` `a`, `InterpolationStart` `${`, the tokens of
//! the dict (with `String` `"c"` in one), `InterpolationEnd` `}`, `StringText` `d`, `StringEnd` `"`. A `:` outside of all
//! brackets that answers no `?` begins the format of the placeholder's value, one token up to the `}`.
//!
//! Invariants
//! - Every scan moves forward and no byte is scanned twice, so time is linear.
//! - An unterminated string or comment takes the rest of the text.

use aether_source::{Diagnostic, SourceFile, Span};
use logos::{Lexer, Logos};

use crate::kind::TokenKind;
use crate::scan::{Stop, scan_string};
use crate::text::{TextError, check_escapes, int_value};
use crate::token::{Lexed, MAX_SOURCE_BYTES, Token, TokenFlags};

/// A string whose placeholder is being lexed.
struct Frame {
    quote: u8,
    /// Offset of the opening quote.
    start: u32,
    /// Offset of the `${` being read.
    placeholder: u32,
    /// Braces open inside the placeholder.
    braces: u32,
    /// Parentheses and square brackets open inside the placeholder.
    brackets: u32,
    /// `?` outside of all these that have no `:` yet.
    questions: u32,
}

impl Frame {
    /// Counts what a token of the placeholder, no brace, opens or closes.
    fn follow(&mut self, kind: TokenKind) {
        match kind {
            TokenKind::LeftParen | TokenKind::LeftBracket => self.brackets += 1,
            TokenKind::RightParen | TokenKind::RightBracket => {
                self.brackets = self.brackets.saturating_sub(1);
            }
            TokenKind::Question if self.braces + self.brackets == 0 => self.questions += 1,
            _ => {}
        }
    }

    /// Whether a `:` that has just been read begins a format; one that answers a `?` is counted.
    fn at_format(&mut self) -> bool {
        if self.braces + self.brackets > 0 {
            return false;
        }
        let is_format = self.questions == 0;
        self.questions = self.questions.saturating_sub(1);
        is_format
    }
}

/// Splits a source text into tokens.
pub fn lex(file: &SourceFile) -> Lexed {
    let text = file.text();
    let mut driver = Driver {
        file,
        text,
        lexed: Lexed {
            tokens: Vec::with_capacity(text.len().min(MAX_SOURCE_BYTES) / 3 + 1),
            diagnostics: Vec::new(),
            len: u32::try_from(text.len()).unwrap_or(u32::MAX),
        },
        frames: Vec::new(),
        newline: false,
    };
    if text.len() > MAX_SOURCE_BYTES {
        let message = format!(
            "Source too large: {} bytes (limit {MAX_SOURCE_BYTES})",
            text.len()
        );
        let error = Diagnostic::error("E0105", message, Span::at(0))
            .with_help("split the program into modules, or read large data from a file");
        driver.lexed.diagnostics.push(error);
        driver.push(TokenKind::Unknown, 0);
        return driver.lexed;
    }
    driver.run();
    driver.lexed
}

struct Driver<'a> {
    file: &'a SourceFile,
    text: &'a str,
    lexed: Lexed,
    frames: Vec<Frame>,
    /// A line feed has been seen since the last token that is not trivia.
    newline: bool,
}

impl<'a> Driver<'a> {
    fn run(&mut self) {
        let mut lexer = TokenKind::lexer(self.text);
        self.opening(&mut lexer);
        while let Some(found) = lexer.next() {
            let start = lexer.span().start as u32;
            match found {
                Ok(kind) => self.token(kind, start, &mut lexer),
                Err(()) => self.unknown(start, &mut lexer),
            }
        }
        self.close_frames();
    }

    /// The byte-order mark and the `#!` line.
    fn opening(&mut self, lexer: &mut Lexer<'a, TokenKind>) {
        if self.text.starts_with('\u{feff}') {
            lexer.bump('\u{feff}'.len_utf8());
            self.push(TokenKind::ByteOrderMark, 0);
        }
        let rest = lexer.remainder();
        if rest.starts_with("#!") {
            self.push(TokenKind::Shebang, (self.text.len() - rest.len()) as u32);
            lexer.bump(rest.find('\n').unwrap_or(rest.len()));
        }
    }

    fn push(&mut self, kind: TokenKind, start: u32) {
        self.push_with(kind, start, TokenFlags::default());
    }

    #[inline]
    fn push_with(&mut self, kind: TokenKind, start: u32, mut flags: TokenFlags) {
        if !kind.is_trivia() {
            if self.newline {
                flags = flags.with(TokenFlags::NEWLINE_BEFORE);
            }
            self.newline = false;
        }
        self.lexed.tokens.push(Token { kind, flags, start });
    }

    #[inline]
    fn token(&mut self, kind: TokenKind, start: u32, lexer: &mut Lexer<'a, TokenKind>) {
        match kind {
            TokenKind::Newline => {
                self.newline = true;
                self.push(kind, start);
            }
            TokenKind::BlockComment => {
                let slice = lexer.slice();
                self.newline |= slice.contains('\n');
                if slice.len() < 4 || !slice.ends_with("*/") {
                    let help = "a block comment ends with '*/' and does not nest";
                    self.report(
                        "E0103",
                        "Unterminated block comment",
                        start..start + 2,
                        Some(help),
                    );
                }
                self.push(kind, start);
            }
            TokenKind::Int | TokenKind::Float | TokenKind::BadNumber => {
                self.check_number(kind, start, lexer.slice());
                self.push(kind, start);
            }
            TokenKind::String => {
                let slice = lexer.slice();
                let flags = if slice.contains('\\') {
                    self.check_escapes(start + 1, &slice[1..slice.len() - 1]);
                    TokenFlags::ESCAPES
                } else {
                    TokenFlags::default()
                };
                self.push_with(kind, start, flags);
            }
            TokenKind::StringStart => {
                self.push(kind, start);
                let quote = self.text.as_bytes()[start as usize];
                self.string_piece(quote, start, lexer);
            }
            TokenKind::UnterminatedString => {
                self.push(kind, start);
                if self.frames.is_empty() {
                    self.unterminated(start, None);
                }
            }
            TokenKind::LeftBrace => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.braces += 1;
                }
                self.push(kind, start);
            }
            TokenKind::RightBrace => match self.frames.last_mut() {
                Some(frame) if frame.braces == 0 => {
                    let (quote, string) = (frame.quote, frame.start);
                    self.frames.pop();
                    self.push(TokenKind::InterpolationEnd, start);
                    self.string_piece(quote, string, lexer);
                }
                Some(frame) => {
                    frame.braces -= 1;
                    self.push(kind, start);
                }
                None => self.push(kind, start),
            },
            _ => {
                self.push(kind, start);
                if let Some(frame) = self.frames.last_mut() {
                    frame.follow(kind);
                    if kind == TokenKind::Colon && frame.at_format() {
                        // What has been pushed is the beginning of it.
                        if let Some(last) = self.lexed.tokens.last_mut() {
                            last.kind = TokenKind::FormatSpec;
                        }
                        let rest = lexer.remainder();
                        lexer.bump(rest.find('}').unwrap_or(rest.len()));
                    }
                }
            }
        }
    }

    /// Lexes string characters after an opening quote or a placeholder, and the quote or `${` that ends them.
    fn string_piece(&mut self, quote: u8, string: u32, lexer: &mut Lexer<'a, TokenKind>) {
        let rest = lexer.remainder();
        let start = (self.text.len() - rest.len()) as u32;
        let (len, stop, escapes) = scan_string(rest.as_bytes(), quote);
        let stop_at = start + len as u32;
        // Line feeds inside a string separate nothing.
        if len > 0 {
            let flags = if escapes {
                self.check_escapes(start, &rest[..len]);
                TokenFlags::ESCAPES
            } else {
                TokenFlags::default()
            };
            self.push_with(TokenKind::StringText, start, flags);
        }
        match stop {
            Stop::Quote => {
                lexer.bump(len + 1);
                self.push(TokenKind::StringEnd, stop_at);
            }
            Stop::Placeholder => {
                lexer.bump(len + 2);
                self.push(TokenKind::InterpolationStart, stop_at);
                self.frames.push(Frame {
                    quote,
                    start: string,
                    placeholder: stop_at,
                    braces: 0,
                    brackets: 0,
                    questions: 0,
                });
            }
            Stop::EndOfText => {
                lexer.bump(len);
                if self.frames.is_empty() {
                    self.unterminated(string, None);
                }
            }
        }
    }

    /// Reports strings still open at the end, as one error at the outermost: the first in the file.
    fn close_frames(&mut self) {
        if let Some((string, placeholder)) = self.frames.first().map(|frame| (frame.start, frame.placeholder))
        {
            self.unterminated(string, Some(placeholder));
        }
        // An error inside the string's placeholder comes after the string's start.
        self.lexed.diagnostics.sort_by_key(|found| found.span.start);
    }

    fn unterminated(&mut self, string: u32, placeholder: Option<u32>) {
        let open = if self.text[string as usize..].starts_with("\"\"\"") {
            3
        } else {
            1
        };
        let text = &self.text[string as usize..][..open];
        let help = format!("the string that starts here never ends; close it with {text}");
        self.report(
            "E0102",
            "Unterminated string",
            string..string + open as u32,
            Some(&help),
        );
        if let (Some(at), Some(last)) = (placeholder, self.lexed.diagnostics.last_mut()) {
            *last = last
                .clone()
                .with_label(Span::new(at, at + 2), "this placeholder is still open at the end");
        }
    }

    /// Characters that start no token. A run of them is one error.
    fn unknown(&mut self, start: u32, lexer: &mut Lexer<'a, TokenKind>) {
        let previous = self.lexed.tokens.last();
        let continues = previous.is_some_and(|token| token.kind == TokenKind::Unknown);
        self.push(TokenKind::Unknown, start);
        if continues {
            return;
        }
        let first = lexer.slice().chars().next().unwrap_or('\u{fffd}');
        let help = match first {
            '“' | '”' | '„' | '‘' | '’' | '«' | '»' => {
                Some("strings are written with straight quotes: \" or '")
            }
            '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{3000}' | '\u{feff}' => {
                Some("this is an invisible character that only looks like a blank; replace it by one")
            }
            '#' => Some("comments start with //"),
            '@' => Some("Aether has no decorators"),
            '`' => Some("strings are written \"…\"; they may hold ${…} placeholders and line ends"),
            '\\' => Some("expressions go on over line ends by themselves; no backslash is needed"),
            '–' | '—' | '−' => Some("the minus sign is the character '-'"),
            '×' => Some("multiplication is written *"),
            '÷' => Some("division is written /"),
            '≠' => Some("inequality is written !="),
            '≤' => Some("less or equal is written <="),
            '≥' => Some("greater or equal is written >="),
            _ => None,
        };
        let message = format!("Unexpected character '{first}'");
        self.report("E0101", &message, start..start + first.len_utf8() as u32, help);
    }

    fn check_number(&mut self, kind: TokenKind, start: u32, slice: &str) {
        // Most numbers are short decimal integers; those fit.
        if kind == TokenKind::Int && slice.len() < 18 {
            return;
        }
        let help = match kind {
            TokenKind::Int if int_value(slice).is_some() => return,
            TokenKind::Int => "integers go up to 9223372036854775807; write a float for more, as in 1e30",
            TokenKind::Float => {
                let finite = slice.replace('_', "").parse::<f64>().is_ok_and(f64::is_finite);
                if finite {
                    return;
                }
                "floats go up to 1.7976931348623157e308"
            }
            _ if slice.starts_with("0x") => "after 0x come hexadecimal digits",
            _ if slice.starts_with("0o") => "after 0o come digits from 0 to 7",
            _ if slice.starts_with("0b") => "after 0b come digits 0 and 1",
            _ if slice.ends_with('_') || slice.contains("__") => "'_' may stand only between two digits",
            _ => "a name cannot start with a digit, and a number must be followed by a blank or a sign",
        };
        let message = format!("Invalid number '{slice}'");
        self.report("E0104", &message, start..start + slice.len() as u32, Some(help));
    }

    fn check_escapes(&mut self, start: u32, raw: &str) {
        check_escapes(raw, |TextError { offset, len }| {
            let range = start + offset as u32..start + (offset + len) as u32;
            let message = format!("Invalid escape '{}'", &raw[offset..offset + len]);
            let help = "\\u{…} takes one to six hexadecimal digits that name a Unicode character";
            self.report("E0106", &message, range, Some(help));
        });
    }

    fn report(&mut self, code: &'static str, what: &str, at: std::ops::Range<u32>, help: Option<&str>) {
        let place = self.file.line_column(at.start);
        let message = format!("{what} at line {}, column {}", place.line, place.column);
        let mut error = Diagnostic::error(code, message, Span::new(at.start, at.end));
        error.help = help.map(str::to_owned);
        self.lexed.diagnostics.push(error);
    }
}
