//! The commands of the prompt, which begin with `_`.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use aether::{Engine, Host, SystemHost, Value};

/// Columns where there is no terminal to ask.
const WIDTH: usize = 80;
/// Columns of a variable's name.
const NAME: usize = 20;
/// Columns of a built-in's name, and how many stand in a row.
const COLUMN: usize = 18;
const ROW: usize = 4;

const HELP: &str = "\
Commands:
  _help   this list
  _env    variables, functions and built-ins
  _heap   live objects and bytes by type
  _time   time and memory of the latest input
  _exit   leave (so does Ctrl+D)
Keys:
  Tab     complete names, and members behind a dot
  Up      earlier inputs; Ctrl+R searches them
  Ctrl+C  drop the input, or interrupt what runs
Inputs go on in the next line while a bracket is open or a statement is not
complete. The value of a last expression is printed unless it is null; await
works everywhere.
";

/// What a command asks for.
#[derive(Debug)]
pub(super) enum Command {
    Exit,
    Print(String),
    Unknown,
}

/// What the latest input took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latest {
    time: Duration,
    /// Bytes that are live now and were not before, or the other way round.
    live: i64,
    /// Bytes above what was live before, at the peak.
    peak: usize,
    steps: u64,
}

/// Measures an input.
pub(super) struct Watch {
    begun: Instant,
    live: usize,
    peak: usize,
}

impl Watch {
    pub(super) fn start(engine: &Engine) -> Self {
        Self {
            begun: Instant::now(),
            live: engine.heap().live_bytes(),
            peak: engine.heap().peak_bytes(),
        }
    }

    pub(super) fn stop(self, engine: &Engine) -> Latest {
        let heap = engine.heap();
        let peak = heap.peak_bytes();
        Latest {
            time: self.begun.elapsed(),
            live: heap.live_bytes() as i64 - self.live as i64,
            peak: if peak > self.peak { peak - self.live } else { 0 },
            steps: engine.steps_used(),
        }
    }
}

/// Does what a command says.
pub(super) fn run(word: &str, engine: &Engine, latest: &Latest) -> Command {
    match word {
        "_exit" => Command::Exit,
        "_help" => Command::Print(HELP.to_owned()),
        "_env" => Command::Print(environment(engine)),
        "_heap" => Command::Print(heap(engine)),
        "_time" => Command::Print(time(latest)),
        _ => Command::Unknown,
    }
}

fn width() -> usize {
    let size = std::io::stdout()
        .is_terminal()
        .then(|| SystemHost::new().terminal_size())
        .flatten();
    size.map_or(WIDTH, |(columns, _)| usize::from(columns).max(NAME))
}

/// The first line of a text, cut to a number of columns.
fn cut(text: &str, columns: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let whole = line.len() == text.len();
    if whole && line.chars().count() <= columns {
        return line.to_owned();
    }
    let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
    kept + "…"
}

fn environment(engine: &Engine) -> String {
    let width = width();
    let mut declared = engine.declared();
    declared.sort_by(|left, right| left.0.cmp(&right.0));
    let mut out = String::new();
    let (functions, variables): (Vec<_>, Vec<_>) = declared
        .into_iter()
        .partition(|(_, value)| matches!(value, Value::Function(_) | Value::AsyncFunction(_)));
    if !variables.is_empty() {
        out.push_str("Variables:\n");
        for (name, value) in &variables {
            let text = engine.text(value).unwrap_or_else(|error| format!("<{error}>"));
            let text = cut(&text, width.saturating_sub(NAME + 3));
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {name:<NAME$} {text}");
        }
    }
    if !functions.is_empty() {
        out.push_str("Functions:\n");
        for (name, value) in &functions {
            let parameters = engine.signature(value).unwrap_or_default();
            let _ = writeln!(out, "  fn {name}({parameters})");
        }
    }
    let mut builtins = engine.prelude_names();
    builtins.sort_unstable();
    if !builtins.is_empty() {
        out.push_str("Built-ins:\n");
        for row in builtins.chunks(ROW) {
            let cells: String = row.iter().map(|name| format!("{name:<COLUMN$}")).collect();
            let _ = writeln!(out, "  {}", cells.trim_end());
        }
    }
    if out.is_empty() {
        out.push_str("(empty environment)\n");
    }
    out
}

fn heap(engine: &Engine) -> String {
    let stats = engine.heap().stats();
    let mut kinds: Vec<_> = stats.kinds.iter().filter(|kind| kind.count > 0).collect();
    kinds.sort_by_key(|kind| (std::cmp::Reverse(kind.bytes), kind.name));
    let mut out = format!("  {:<18} {:>10} {:>12}\n", "type", "objects", "bytes");
    for kind in kinds {
        let _ = writeln!(out, "  {:<18} {:>10} {:>12}", kind.name, kind.count, kind.bytes);
    }
    let heap = engine.heap();
    let (objects, live) = (heap.live_objects(), heap.live_bytes());
    let _ = writeln!(out, "  {:<18} {objects:>10} {live:>12}", "all, with buffers");
    let _ = writeln!(out, "  peak {} bytes", heap.peak_bytes());
    out
}

fn time(latest: &Latest) -> String {
    let millis = latest.time.as_secs_f64() * 1000.0;
    format!(
        "  {millis:.3} ms, {} steps, {:+} bytes live, {} bytes more at the peak\n",
        latest.steps, latest.live, latest.peak
    )
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn texts_are_cut_to_columns() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("a\nb", 10), "a…");
    }
}
