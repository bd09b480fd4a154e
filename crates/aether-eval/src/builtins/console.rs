//! `print`, `println`, `input`, `eprint`, `eprintln`.
//!
//! Source: library reference §3, §E1.

use aether_value::{ErrorKind, Raise, StrBuilder, Value, WORK_BYTES, decimal};
use std::io;

use super::BuiltinDef;
use crate::context::Ctx;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("print", &["values"], 0, 255, print),
    BuiltinDef::core("println", &["values"], 0, 255, println),
    BuiltinDef::core("input", &["prompt"], 0, 1, input),
    BuiltinDef::core("eprint", &["values"], 0, 255, eprint),
    BuiltinDef::core("eprintln", &["values"], 0, 255, eprintln),
];

fn print(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    write_all(ctx, "print", args)?;
    Ok(Value::Null)
}

fn println(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    write_all(ctx, "println", args)?;
    write(ctx, "println", "\n")?;
    Ok(Value::Null)
}

fn eprint(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    write_to_stderr(ctx, "eprint", args, "")
}

fn eprintln(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    write_to_stderr(ctx, "eprintln", args, "\n")
}

/// Writes the texts of `args` with blanks between them, and `end`, to standard error.
fn write_to_stderr(ctx: &mut Ctx<'_>, operation: &str, args: &[Value], end: &str) -> Result<Value, Raise> {
    let mut out = StrBuilder::new(ctx.heap());
    for (index, value) in args.iter().enumerate() {
        out.push_str(if index > 0 { " " } else { "" })?;
        out.push_str(ctx.text(value)?.as_str())?;
    }
    out.push_str(end)?;
    let text = out.finish()?;
    ctx.tick(text.len_bytes() / WORK_BYTES)?;
    ctx.vm.count_output(text.len_bytes())?;
    let written = ctx.host().write_err(text.as_str());
    written.map_err(|error| output_error(operation, &error))?;
    Ok(Value::Null)
}

/// Writes the texts of `args` with blanks between them.
fn write_all(ctx: &mut Ctx<'_>, operation: &str, args: &[Value]) -> Result<(), Raise> {
    for (index, value) in args.iter().enumerate() {
        if index > 0 {
            write(ctx, operation, " ")?;
        }
        match value {
            Value::String(text) => write(ctx, operation, text.as_str())?,
            Value::Int(value) => {
                let mut digits = [0; 20];
                write(ctx, operation, decimal(*value, &mut digits))?;
            }
            _ => {
                let text = ctx.text(value)?;
                write(ctx, operation, text.as_str())?;
            }
        }
    }
    Ok(())
}

/// Writes to standard output for the built-in `operation`.
pub(super) fn write(ctx: &mut Ctx<'_>, operation: &str, text: &str) -> Result<(), Raise> {
    ctx.tick(text.len() / WORK_BYTES)?;
    ctx.vm.count_output(text.len())?;
    let written = ctx.host().write_out(text);
    written.map_err(|error| output_error(operation, &error))
}

/// What a built-in raises when output cannot be written.
#[cold]
pub(crate) fn output_error(operation: &str, error: &io::Error) -> Raise {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // Nobody reads on: the program ends quietly.
        return Raise::new(ErrorKind::Exit, "");
    }
    Raise::io(operation, "stdout", &error.to_string())
}

fn input(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let Some(prompt) = args.first() {
        let prompt = ctx.text(prompt)?;
        write(ctx, "input", prompt.as_str())?;
    }
    let flushed = ctx.host().flush();
    flushed.map_err(|error| output_error("input", &error))?;
    wait_for_input(ctx, true)?;
    let line = ctx.host().read_line();
    let line = line.map_err(|error| Raise::io("input", "stdin", &error.to_string()))?;
    without_line_end(ctx, &line)
}

/// Waits until there is a line of input, or any input; the user and limits can end that.
pub(super) fn wait_for_input(ctx: &mut Ctx<'_>, of_line: bool) -> Result<(), Raise> {
    while let Some(wait) = ctx.host().input_wait(of_line) {
        if ctx.vm.block_on(wait)?.is_err() {
            break;
        }
    }
    Ok(())
}

/// A line that was read, as a string without what ends it.
pub(super) fn without_line_end(ctx: &Ctx<'_>, line: &str) -> Result<Value, Raise> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    ctx.string(line.trim_end_matches('\r'))
}
