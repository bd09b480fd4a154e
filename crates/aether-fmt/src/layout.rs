//! Commands to text: where lines break and how far they are indented.
//!
//! The printer writes a flat list of commands. A *group* is printed on one line if it may be, otherwise each of its own
//! breaks becomes a line end. Whether it may is a question of the width, if there is one, and of comments that need a
//! line end after them. Code blocks within a group have line ends of their own, which do not count: a call whose last
//! argument is a function stays on the line of its head.
//!
//! Invariants
//! - Nothing that the printer wrote is left out; only blanks and line ends are decided here.
//! - No line ends in a blank, except within texts that are written as they are.
//! - Constant native stack; linear in the text for a given width.
//!
//! Method: Oppen, "Prettyprinting" (1980), with groups as in Wadler, "A prettier printer" (1998).

use aether_source::Span;

/// Blanks for each level.
const INDENT: usize = 4;

/// One command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// Source text as it is.
    Source(Span),
    /// Text made by the printer.
    Owned(u32),
    /// A blank, but not at the start of a line.
    Space,
    /// Nothing, or a line end in a broken group.
    SoftLine,
    /// A blank, or a line end in a broken group.
    Line,
    /// A line end.
    HardLine,
    /// A line end, and an empty line.
    BlankLine,
    /// One level more, always.
    Indent,
    /// One level more if the group around is broken.
    IndentBroken,
    /// The end of the latest level.
    Dedent,
    /// The start of a group; a forced one is broken.
    Group { forced: bool },
    /// The start of a group that is only broken by force.
    Flat { forced: bool },
    /// The end of a group.
    EndGroup,
    /// A line end before whatever comes next.
    NeedLine,
    /// A line end, unless the line is empty so far.
    FreshLine,
    /// Text in its original lines, which end in a line end.
    Verbatim(Span),
}

/// Writes the commands as text. `width` is the longest line wanted, in characters.
pub(crate) fn layout(source: &str, owned: &[String], commands: &[Command], width: Option<usize>) -> String {
    let mut writer = Writer {
        source,
        owned,
        commands,
        width,
        out: String::with_capacity(source.len() + source.len() / 8),
        column: 0,
        level: 0,
        indents: Vec::new(),
        modes: Vec::new(),
        flat_from: None,
        space: false,
        need_line: false,
    };
    for at in 0..commands.len() {
        writer.step(at);
    }
    writer.out
}

struct Writer<'a> {
    source: &'a str,
    owned: &'a [String],
    commands: &'a [Command],
    width: Option<usize>,
    out: String,
    /// Characters in the current line; 0 before the first.
    column: usize,
    level: usize,
    /// For each open indentation, whether it counts.
    indents: Vec<bool>,
    /// For each open group, whether it is broken.
    modes: Vec<bool>,
    /// How many groups were open when the outermost one that no width breaks was opened, and that one.
    flat_from: Option<usize>,
    /// Whether a blank is wanted before the next text.
    space: bool,
    /// Whether a line end is needed before the next text.
    need_line: bool,
}

impl Writer<'_> {
    fn is_broken(&self) -> bool {
        self.modes.last().copied().unwrap_or(false)
    }

    fn step(&mut self, at: usize) {
        match self.commands[at] {
            Command::Source(span) => self.text(&self.source[span.start as usize..span.end as usize]),
            Command::Owned(index) => self.text(&self.owned[index as usize]),
            Command::Space => self.space = true,
            Command::SoftLine if self.is_broken() => self.line_end(),
            Command::SoftLine => {}
            Command::Line if self.is_broken() => self.line_end(),
            Command::Line => self.space = true,
            Command::HardLine => self.line_end(),
            Command::BlankLine => {
                self.line_end();
                if !self.out.is_empty() && !self.out.ends_with("\n\n") {
                    self.out.push('\n');
                }
            }
            Command::Indent => self.indent(true),
            Command::IndentBroken => self.indent(self.is_broken()),
            Command::Dedent => {
                if self.indents.pop() == Some(true) {
                    self.level -= 1;
                }
            }
            Command::Group { forced } => {
                let broken = forced || (self.flat_from.is_none() && !self.fits(at));
                self.modes.push(broken);
            }
            Command::Flat { forced } => {
                self.flat_from.get_or_insert(self.modes.len());
                self.modes.push(forced);
            }
            Command::EndGroup => {
                self.modes.pop();
                if self.flat_from == Some(self.modes.len()) {
                    self.flat_from = None;
                }
            }
            Command::NeedLine => self.need_line = true,
            Command::FreshLine => {
                if self.column > 0 {
                    self.line_end();
                }
            }
            Command::Verbatim(span) => {
                self.line_end();
                let text = &self.source[span.start as usize..span.end as usize];
                self.out.push_str(text);
                if !text.is_empty() && !text.ends_with('\n') {
                    self.out.push('\n');
                }
            }
        }
    }

    fn indent(&mut self, counts: bool) {
        self.indents.push(counts);
        self.level += usize::from(counts);
    }

    fn line_end(&mut self) {
        if self.column > 0 {
            self.out.push('\n');
        }
        self.column = 0;
        self.space = false;
        self.need_line = false;
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut level = self.level;
        if self.need_line && self.column > 0 {
            self.line_end();
            // What goes on behind a comment is indented, unless it closes or goes on with a statement, or is a comment.
            let closes = text.starts_with([')', ']', '}'])
                || text.starts_with("//")
                || text.starts_with("/*")
                || matches!(text, "else" | "catch" | "finally" | "|" | ".");
            level += usize::from(!closes);
        }
        if self.column == 0 {
            let blanks = level * INDENT;
            self.out.extend(std::iter::repeat_n(' ', blanks));
            self.column = blanks;
        } else if self.space {
            self.out.push(' ');
            self.column += 1;
        }
        self.space = false;
        self.need_line = false;
        self.out.push_str(text);
        match text.rfind('\n') {
            None => self.column += text.chars().count(),
            Some(end) => self.column = (text[end + 1..].chars().count()).max(1),
        }
    }

    /// Whether the group that starts at `start` and what follows it up to the next line end fits into the line.
    fn fits(&self, start: usize) -> bool {
        let Some(width) = self.width else {
            return true;
        };
        let begin = if self.column == 0 {
            self.level * INDENT
        } else {
            self.column
        };
        let Some(mut left) = width.checked_sub(begin + usize::from(self.space)) else {
            return false;
        };
        // Groups inside the measured one are flat; `outer` counts those around it that have ended.
        let mut depth = 1_usize;
        let mut outer = self.modes.len();
        for command in &self.commands[start + 1..] {
            let used = match *command {
                Command::Source(span) => {
                    let text = &self.source[span.start as usize..span.end as usize];
                    match text.split_once('\n') {
                        Some((first, _)) => return first.chars().count() <= left,
                        None => text.chars().count(),
                    }
                }
                Command::Owned(index) => {
                    let text = &self.owned[index as usize];
                    match text.split_once('\n') {
                        Some((first, _)) => return first.chars().count() <= left,
                        None => text.chars().count(),
                    }
                }
                Command::Space => 1,
                Command::Line | Command::SoftLine if depth == 0 && outer > 0 && self.modes[outer - 1] => {
                    return true;
                }
                Command::Line => 1,
                Command::SoftLine => 0,
                Command::HardLine
                | Command::BlankLine
                | Command::NeedLine
                | Command::FreshLine
                | Command::Verbatim(_) => return true,
                Command::Group { .. } | Command::Flat { .. } if depth == 0 => {
                    // What follows the measured group may break on its own.
                    return true;
                }
                Command::Group { .. } | Command::Flat { .. } => {
                    depth += 1;
                    0
                }
                Command::EndGroup => {
                    match depth {
                        0 => outer = outer.saturating_sub(1),
                        _ => depth -= 1,
                    }
                    0
                }
                Command::Indent | Command::IndentBroken | Command::Dedent => 0,
            };
            match left.checked_sub(used) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    }
}
