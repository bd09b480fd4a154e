//! The prompt: inputs of one or more lines, run one after the other in one engine.
//!
//! Invariants
//! - Bindings made before an error stay, and so does the session.
//! - Prompts, colours and the long form of errors are for terminals; piped input gives results and one-line errors only.

mod commands;
mod editor;
mod input;

use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::rc::Rc;

use aether::{Engine, Error, ErrorKind};

use crate::interrupt::{self, Interrupts};
use crate::settings::{Color, Limits};
use crate::{debugger, long_form, report, run, streams};

use commands::Command;
use editor::{Editor, Line};

const PROMPT: &str = ">> ";
const CONTINUATION: &str = ".. ";
/// What diagnostics call the prompt.
const NAME: &str = "<repl>";

/// Where the history is kept; nowhere without a home.
pub(crate) fn history_path() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".aether_history"))
}

/// Runs a session and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(color: Color) -> u8 {
    let (host, interrupts) = interrupt::session();
    let output = host.output();
    let modules = match run::project_modules(".") {
        Ok(modules) => modules,
        Err(message) => {
            streams::write_err(&format!("Error: {message}\n"));
            return crate::status::FAILED;
        }
    };
    let built = run::builder(&[], &Limits::default(), modules).host(host).build();
    let mut engine = match built {
        Ok(engine) => engine,
        Err(error) => return report::failure(&error, None, color),
    };
    debugger::attach(&mut engine);
    streams::write_out(&format!(
        "Aether v{}\nType '_help' for commands, Tab to autocomplete, Ctrl+D to exit\n\n",
        aether::VERSION
    ));
    let is_terminal = io::stdin().is_terminal();
    let mut session = Session {
        engine: Rc::new(RefCell::new(engine)),
        interrupts,
        output,
        color,
        is_terminal,
        latest: commands::Latest::default(),
    };
    let status = if is_terminal {
        session.on_terminal()
    } else {
        session.on_pipe()
    };
    // The system takes the memory back faster than we could.
    std::mem::forget(session);
    status
}

/// What a session consists of.
struct Session {
    engine: Rc<RefCell<Engine>>,
    interrupts: Interrupts,
    output: aether::Output,
    color: Color,
    is_terminal: bool,
    latest: commands::Latest,
}

impl Session {
    /// Reads from a terminal until its end.
    fn on_terminal(&mut self) -> u8 {
        let Some(mut editor) = Editor::new(self.engine.clone(), report::is_coloured(self.color)) else {
            return self.on_pipe();
        };
        let mut block = String::new();
        loop {
            let prompt = if block.is_empty() { PROMPT } else { CONTINUATION };
            match editor.read(prompt) {
                Line::Text(line) => {
                    let ends = line.trim().is_empty() && !input::has_open_bracket(&block);
                    block.push_str(&line);
                    if !ends && input::is_unfinished(&block) {
                        block.push('\n');
                        continue;
                    }
                    let text = std::mem::take(&mut block);
                    editor.remember(&text);
                    if let Some(status) = self.take(&text) {
                        editor.save();
                        return status;
                    }
                }
                Line::Interrupted => {
                    streams::write_out("^C\n");
                    block.clear();
                }
                Line::End => {
                    streams::write_out("Goodbye!\n");
                    editor.save();
                    return 0;
                }
                Line::Failed(reason) => {
                    streams::write_err(&format!("Error: {reason}\n"));
                    editor.save();
                    return crate::status::FAILED;
                }
            }
        }
    }

    /// Reads from a pipe or a file until its end.
    fn on_pipe(&mut self) -> u8 {
        let mut block = String::new();
        let mut brackets = input::OpenBrackets::default();
        loop {
            let mut bytes = Vec::new();
            match io::stdin().lock().read_until(b'\n', &mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    streams::write_err(&format!("Error: {error}\n"));
                    return crate::status::FAILED;
                }
            }
            block.push_str(&String::from_utf8_lossy(&bytes));
            if !block.ends_with('\n') {
                // The last line; whatever is open stays open.
                break;
            }
            if brackets.are_in(&block) {
                continue;
            }
            let text = std::mem::take(&mut block);
            brackets = input::OpenBrackets::default();
            if let Some(status) = self.take(text.trim_end_matches(['\n', '\r'])) {
                return status;
            }
        }
        if !block.trim().is_empty()
            && let Some(status) = self.take(&block)
        {
            return status;
        }
        0
    }

    /// Does what an input says; gives the status if it ends the session.
    fn take(&mut self, text: &str) -> Option<u8> {
        let word = text.trim();
        if word.is_empty() {
            return None;
        }
        if let Some(command) = self.command(word) {
            match command {
                Command::Exit => return Some(0),
                Command::Print(text) => streams::write_out(&text),
                Command::Unknown => {
                    streams::write_err(&format!("Unknown command: {word}. Type '_help' for help.\n"));
                }
            }
            return None;
        }
        self.evaluate(text)
    }

    /// The command that an input is, unless it is a variable's name.
    fn command(&self, word: &str) -> Option<Command> {
        let is_word =
            word.starts_with('_') && word.chars().all(|found| found.is_alphanumeric() || found == '_');
        let engine = self.engine.borrow();
        if !is_word || engine.global(word).is_some() {
            return None;
        }
        Some(commands::run(word, &engine, &self.latest))
    }

    fn evaluate(&mut self, text: &str) -> Option<u8> {
        self.interrupts.clear();
        let watch = commands::Watch::start(&self.engine.borrow());
        let mut engine = self.engine.borrow_mut();
        let result = engine.eval(text);
        let result = result.and_then(|value| {
            if value.is_null() {
                Ok(())
            } else {
                engine.print_result(&value, self.output.at_line_start())
            }
        });
        self.latest = watch.stop(&engine);
        let served = engine.serve_ready();
        for error in [result.err(), served.err()].into_iter().flatten() {
            if let Error::Exit(status) = error {
                return Some(status);
            }
            self.report(&error, &engine);
        }
        None
    }

    fn report(&self, error: &Error, engine: &Engine) {
        if !self.output.at_line_start() {
            streams::write_out("\n");
        }
        if error.kind() == Some(ErrorKind::Interrupted) {
            // A terminal has shown the key itself.
            streams::write_out(if self.is_terminal { "\n" } else { "^C\n" });
            return;
        }
        if report::is_long(self.color) && self.is_terminal || self.color == Color::Always {
            let coloured = report::is_coloured(self.color);
            streams::write_err(&long_form::render(error, Some(engine), NAME, coloured));
            return;
        }
        let text = match error {
            Error::Syntax { diagnostics, .. } => diagnostics
                .iter()
                .map(|found| format!("Error: {}\n", found.message))
                .collect(),
            other => format!("Error: {other}\n"),
        };
        streams::write_err(&text);
    }
}
