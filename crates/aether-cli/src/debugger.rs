//! The debugger on a terminal: what it shows and the commands it takes.
//!
//! Invariants
//! - The end of input resumes the program, so that scripts with `debugger` statements run unattended.
//! - What it shows goes to standard error; only its prompt goes to standard output.

use aether::{DebugFrame, Debugger, Engine, Pause, Resumption};

/// Lines shown before and after the current one.
const CONTEXT: u32 = 2;
const COMMANDS: &str = "Commands: c/continue  n/next  s/step  bt/backtrace  vars  q/quit  <expr>";
const PROMPT: &str = "(dbg) ";
/// What a text without a file is called.
const UNNAMED: &str = "<repl>";

/// Has an engine's programs pause for whoever sits at the terminal.
pub(crate) fn attach(engine: &mut Engine) {
    engine.set_debugger(Terminal);
}

struct Terminal;

impl Debugger for Terminal {
    fn paused(&mut self, pause: &mut Pause<'_>) -> Resumption {
        show(pause, &place(pause));
        loop {
            let Some(line) = ask(pause) else {
                return Resumption::Continue;
            };
            match line.trim() {
                "" => {}
                "c" | "continue" => return Resumption::Continue,
                "n" | "next" => return Resumption::Next,
                "s" | "step" => return Resumption::Step,
                "q" | "quit" => return Resumption::Quit,
                "bt" | "backtrace" => {
                    let text = backtrace(&pause.frames());
                    show(pause, &text);
                }
                "vars" | "env" => {
                    let text = locals(pause);
                    show(pause, &text);
                }
                text => evaluate(pause, text),
            }
        }
    }
}

/// Writes to standard error. Nobody is told when that fails.
fn show(pause: &mut Pause<'_>, text: &str) {
    let _ = pause.host().write_err(text);
}

/// Reads a command; `None` at the end of input.
fn ask(pause: &mut Pause<'_>) -> Option<String> {
    let host = pause.host();
    host.write_out(PROMPT).ok()?;
    host.flush().ok()?;
    let line = host.read_line().ok()?;
    (!line.is_empty()).then_some(line)
}

/// Where the program is paused.
fn place(pause: &Pause<'_>) -> String {
    let frames = pause.frames();
    let Some(frame) = frames.first() else {
        return String::new();
    };
    let path = frame.file.path();
    let mut out = format!(
        "[debugger] Paused at {}:{}\n\n",
        path.unwrap_or(UNNAMED),
        frame.line
    );
    if path.is_some() {
        for number in frame.line.saturating_sub(CONTEXT).max(1)..=frame.line + CONTEXT {
            let Some(text) = frame.file.line_text(number) else {
                continue;
            };
            let mark = if number == frame.line { '>' } else { ' ' };
            let text = format!("{mark}  {number}: {}", text.trim_end_matches('\r'));
            out.push_str(text.trim_end());
            out.push('\n');
        }
    } else {
        out.push_str("[source not available]\n");
    }
    out + "\n" + COMMANDS + "\n"
}

/// The active functions, innermost first, with the line of each call.
fn backtrace(frames: &[DebugFrame]) -> String {
    let functions = frames
        .iter()
        .filter_map(|frame| Some((frame.function.as_deref()?, frame)));
    let lines: String = functions
        .map(|(name, frame)| {
            let (file, line) = match &frame.caller {
                Some((file, line)) => (file, *line),
                None => (&frame.file, 0),
            };
            format!("  {name} at {}:{line}\n", file.base_name().unwrap_or(UNNAMED))
        })
        .collect();
    if lines.is_empty() {
        return "  (top level)\n".to_owned();
    }
    lines
}

/// The names of the innermost frame.
fn locals(pause: &Pause<'_>) -> String {
    let locals = pause.locals(0);
    if locals.is_empty() {
        return "  (no local variables)\n".to_owned();
    }
    let line = |(name, value)| {
        let text = pause
            .text(&value)
            .unwrap_or_else(|raise| format!("<{}>", raise.message()));
        format!("  {name} = {text}\n")
    };
    locals.into_iter().map(line).collect()
}

/// Runs a text where the program is paused and shows its value unless that is null.
fn evaluate(pause: &mut Pause<'_>, text: &str) {
    let shown = match pause.evaluate(0, text) {
        Ok(value) if value.is_null() => return,
        Ok(value) => match pause.text(&value) {
            Ok(text) => format!("{text}\n"),
            Err(raise) => format!("[error] {}\n", raise.message()),
        },
        Err(error) => format!("[error] {}\n", error.message()),
    };
    show(pause, &shown);
}
