//! The module `io`: standard input as a whole and by lines, and what is known of the terminal.
//!
//! Source: library reference §E1.

use aether_value::{Raise, StrBuilder, Value};

use super::console::{output_error, wait_for_input, without_line_end, write};
use super::support::{int, options, string, wrong_type};
use super::{Args, BuiltinDef, Event, Step};
use crate::context::Ctx;
use crate::host::Stream;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// Seconds between two drawings of a progress bar.
const REDRAW: f64 = 0.1;
/// Columns of a progress bar's own part.
const BAR: usize = 24;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("read", &[], 0, 0, read),
    READ_LINE,
    BuiltinDef::core_frame("lines", &[], 0, 0, 1, lines),
    BuiltinDef::core("read_bytes", &["n"], 0, 1, read_bytes),
    BuiltinDef::core("write", &["value"], 1, 1, write_value),
    BuiltinDef::core("flush", &[], 0, 0, flush),
    BuiltinDef::core("is_terminal", &["name"], 1, 1, is_terminal),
    BuiltinDef::core("terminal_size", &[], 0, 0, terminal_size),
    BuiltinDef::core("read_password", &["prompt"], 0, 1, read_password),
    BuiltinDef::core("style", &["text", "spec"], 2, 2, style),
    BuiltinDef::core_frame("progress", &["items", "opts"], 1, 2, 3, progress).with_options(PROGRESS_OPTIONS),
];

const READ_LINE: BuiltinDef = BuiltinDef::core("read_line", &[], 0, 0, read_line);
/// `read_line` as a value, for what goes over lines.
static LINE: BuiltinDef = READ_LINE;
/// Draws a progress bar: items done, their number or null, the label, seconds when it began, whether it is over. Gives
/// whether it has.
static DRAW: BuiltinDef = BuiltinDef::core("draw", &["done", "total", "label", "begun", "over"], 5, 5, draw);

fn input_error(operation: &str, detail: &str) -> Raise {
    Raise::io(operation, "stdin", detail)
}

/// Reads on until the end of input, and has `take` look at each chunk; it gives how many bytes are still wanted.
fn read_on(
    ctx: &mut Ctx<'_>,
    operation: &str,
    mut wanted: usize,
    mut take: impl FnMut(&mut Ctx<'_>, &[u8]) -> Result<(), Raise>,
) -> Result<(), Raise> {
    while wanted > 0 {
        wait_for_input(ctx, false)?;
        let chunk = ctx.host().read_input(wanted.min(CHUNK));
        let chunk = chunk.map_err(|error| input_error(operation, &error.to_string()))?;
        if chunk.is_empty() {
            break;
        }
        ctx.tick(chunk.len() / aether_value::WORK_BYTES)?;
        take(ctx, &chunk)?;
        wanted -= chunk.len();
    }
    Ok(())
}

fn read(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    let mut out = StrBuilder::new(ctx.heap());
    // Bytes of a character that the next chunk goes on with.
    let mut rest: Vec<u8> = Vec::new();
    read_on(ctx, "read", usize::MAX, |_, chunk| {
        rest.extend_from_slice(chunk);
        let valid = match std::str::from_utf8(&rest) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(invalid()),
        };
        let text = std::str::from_utf8(&rest[..valid]).map_err(|_| invalid())?;
        out.push_str(text)?;
        rest.drain(..valid);
        Ok(())
    })?;
    if !rest.is_empty() {
        return Err(invalid());
    }
    Ok(Value::String(out.finish()?))
}

fn invalid() -> Raise {
    input_error("read", "stream did not contain valid UTF-8")
}

fn read_line(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    wait_for_input(ctx, true)?;
    let line = ctx.host().read_line();
    let line = line.map_err(|error| input_error("read_line", &error.to_string()))?;
    if line.is_empty() {
        return Ok(Value::Null);
    }
    without_line_end(ctx, &line)
}

fn lines(ctx: &mut Ctx<'_>, _: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => Ok(Step::Done(value)),
        Event::Failed(raise) => Err(raise),
        Event::Start => Ok(Step::Call {
            function: ctx.vm.library_function("until_null")?,
            args: Args::One(LINE.value()),
            lenient: false,
        }),
    }
}

fn read_bytes(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let bytes = ctx.heap().array(0)?;
    ctx.read_input(args, |_, chunk| {
        chunk
            .iter()
            .try_for_each(|byte| bytes.push(Value::Int(i64::from(*byte))))
    })?;
    Ok(Value::Array(bytes))
}

impl Ctx<'_> {
    /// Reads input for `io.read_bytes`, whose arguments say how much, and has `take` look at each chunk.
    ///
    /// # Errors
    /// A wrong argument; what the system says; what `take` raises.
    pub fn read_input(
        &mut self,
        args: &[Value],
        take: impl FnMut(&mut Ctx<'_>, &[u8]) -> Result<(), Raise>,
    ) -> Result<(), Raise> {
        let wanted = match args.first() {
            None | Some(Value::Null) => usize::MAX,
            Some(value) => usize::try_from(int(value)?).map_err(|_| wrong_type("positive int", value))?,
        };
        read_on(self, "read_bytes", wanted, take)
    }
}

fn write_value(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = ctx.text(&args[0])?;
    write(ctx, "write", text.as_str())?;
    Ok(Value::Null)
}

fn flush(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    let flushed = ctx.host().flush();
    flushed.map_err(|error| output_error("flush", &error))?;
    Ok(Value::Null)
}

fn is_terminal(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let stream = match string(&args[0])?.as_str() {
        "stdin" => Stream::Input,
        "stdout" => Stream::Output,
        "stderr" => Stream::Error,
        other => {
            return Err(Raise::operation(&format!(
                "unknown stream '{other}': expected stdin, stdout or stderr"
            )));
        }
    };
    Ok(Value::Bool(ctx.host().is_terminal(stream)))
}

fn terminal_size(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    let Some((columns, rows)) = ctx.host().terminal_size() else {
        return Ok(Value::Null);
    };
    let size = [Value::Int(i64::from(columns)), Value::Int(i64::from(rows))];
    Ok(Value::Array(ctx.heap().array_from_slice(&size)?))
}

fn read_password(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let Some(prompt) = args.first().filter(|prompt| !prompt.is_null()) {
        let prompt = ctx.text(prompt)?;
        ctx.tick(prompt.len_bytes() / aether_value::WORK_BYTES)?;
        let written = ctx.host().write_err(prompt.as_str());
        written.map_err(|error| output_error("read_password", &error))?;
    }
    let line = ctx.host().read_password();
    let line = line.map_err(|error| input_error("read_password", &error.to_string()))?;
    without_line_end(ctx, &line)
}

/// The code of a word of a style.
fn style_code(word: &str) -> Option<u32> {
    const COLOURS: [&str; 8] = [
        "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
    ];
    let colour = |name: &str| COLOURS.iter().position(|known| *known == name);
    Some(match word {
        "bold" => 1,
        "dim" => 2,
        "italic" => 3,
        "underline" => 4,
        "reverse" => 7,
        "strike" => 9,
        _ => match (word.strip_prefix("on_"), word.strip_prefix("bright_")) {
            (Some(name), _) => 40 + colour(name)? as u32,
            (_, Some(name)) => 90 + colour(name)? as u32,
            _ => 30 + colour(word)? as u32,
        },
    })
}

fn style(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = ctx.text(&args[0])?;
    let mut codes = String::new();
    for word in string(&args[1])?.as_str().split_whitespace() {
        let code = style_code(word).ok_or_else(|| Raise::operation(&format!("unknown style '{word}'")))?;
        codes.push_str(if codes.is_empty() { "" } else { ";" });
        codes.push_str(&code.to_string());
    }
    if codes.is_empty() || !ctx.host().shows_colours() {
        return Ok(Value::String(text));
    }
    let mut out = StrBuilder::new(ctx.heap());
    out.push_str(&format!("\u{1b}[{codes}m"))?;
    out.push_str(text.as_str())?;
    out.push_str("\u{1b}[0m")?;
    Ok(Value::String(out.finish()?))
}

/// Options of a progress bar.
const PROGRESS_OPTIONS: &[&str] = &["label", "total"];

/// The label and the number of items of a progress bar: from a string, or a dict of options.
fn progress_options(value: &Value) -> Result<(Value, Value), Raise> {
    match value {
        Value::Null | Value::String(_) => Ok((value.clone(), Value::Null)),
        Value::Dict(_) => {
            let Some(dict) = options(value, PROGRESS_OPTIONS)? else {
                return Ok((Value::Null, Value::Null));
            };
            let label = dict.get_str_value("label").unwrap_or(Value::Null);
            let total = match dict.get_str_value("total") {
                None | Some(Value::Null) => Value::Null,
                Some(total) => Value::Int(int(&total)?),
            };
            Ok((label, total))
        }
        other => Err(wrong_type("string or dict", other)),
    }
}

fn progress(ctx: &mut Ctx<'_>, slots: &mut [Value], event: Event) -> Result<Step, Raise> {
    match event {
        Event::Returned(value) => return Ok(Step::Done(value)),
        Event::Failed(raise) => return Err(raise),
        Event::Start => {}
    }
    let (label, total) = progress_options(&slots[1])?;
    let begun = Value::Float(ctx.host().monotonic() as f64 / 1e9);
    let (name, total) = match &slots[0] {
        Value::Int(total) => ("progress_handle", Value::Int(*total)),
        Value::Array(items) => ("progress", Value::Int(items.len() as i64)),
        Value::Dict(items) => ("progress", Value::Int(items.len() as i64)),
        Value::Set(items) => ("progress", Value::Int(items.len() as i64)),
        Value::String(items) => ("progress", Value::Int(items.len_chars() as i64)),
        value => match super::Range::of(value) {
            Some(range) => ("progress", Value::Int(range.len() as i64)),
            None => ("progress", total),
        },
    };
    Ok(Step::Call {
        function: ctx.vm.library_function(name)?,
        args: Args::Many(vec![slots[0].clone(), total, label, begun, DRAW.value()]),
        lenient: false,
    })
}

/// Draws the bar on standard error, if that is a terminal and there was time since the last drawing.
fn draw(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if !ctx.host().is_terminal(Stream::Error) {
        return Ok(Value::Bool(false));
    }
    let (done, over) = (int(&args[0])?, args[4].truthy());
    let now = ctx.host().monotonic() as f64 / 1e9;
    let begun = super::support::float(&args[3])?;
    let last = &mut ctx.vm.progress_drawn;
    if !over && now - *last < REDRAW {
        return Ok(Value::Bool(false));
    }
    *last = now;
    let label = if args[2].is_null() {
        ctx.heap().string("")?
    } else {
        ctx.text(&args[2])?
    };
    let text = bar(label.as_str(), done, args[1].as_int(), now - begun);
    let end = if over { "\n" } else { "" };
    let written = ctx.host().write_err(&format!("\r\u{1b}[K{text}{end}"));
    written.map_err(|error| output_error("progress", &error))?;
    Ok(Value::Bool(true))
}

/// The text of a progress bar after some seconds.
fn bar(label: &str, done: i64, total: Option<i64>, seconds: f64) -> String {
    let blank = if label.is_empty() { "" } else { " " };
    let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
    match total.filter(|&total| total > 0) {
        None => format!("{label}{blank}{done} ({rate:.1}/s)"),
        Some(total) => {
            let share = (done as f64 / total as f64).clamp(0.0, 1.0);
            let filled = (share * BAR as f64) as usize;
            let left = if rate > 0.0 {
                (total - done).max(0) as f64 / rate
            } else {
                0.0
            };
            format!(
                "{label}{blank}[{}{}] {done}/{total} {:.0}% ({rate:.1}/s, {left:.0} s left)",
                "#".repeat(filled),
                " ".repeat(BAR - filled),
                share * 100.0,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{bar, style_code};

    #[test]
    fn bars_show_share_rate_and_time_left() {
        let text = bar("files", 5, Some(10), 2.0);
        assert_eq!(
            text,
            "files [############            ] 5/10 50% (2.5/s, 2 s left)"
        );
        assert_eq!(bar("", 3, None, 1.0), "3 (3.0/s)");
        assert!(bar("x", 20, Some(10), 1.0).contains("20/10 100%"));
    }

    #[test]
    fn styles_are_words() {
        assert_eq!(style_code("bold"), Some(1));
        assert_eq!(style_code("red"), Some(31));
        assert_eq!(style_code("on_blue"), Some(44));
        assert_eq!(style_code("bright_white"), Some(97));
        assert_eq!(style_code("on_bold"), None);
    }
}
