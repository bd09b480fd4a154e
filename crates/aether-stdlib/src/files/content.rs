//! Whole files: as text, as lines, as bytes.
//!
//! Invariants
//! - What a file holds is charged as it is read, before there is a value of it.
//! - Nothing is written unless all of it can be.

use aether_eval::{Ctx, Effect, PIECE, Permission};
use aether_value::{Raise, Value};
use std::io::{self, Read};

use super::{allowed, failed, permit};
use crate::arguments::Options;
use crate::byte_form::{BYTES, ByteForm};
use crate::bytes::{Bytes, MAX_SIZE, NOT_UTF8, read_all, with_content, with_data};

/// The bytes of the file that an argument names.
fn read(ctx: &mut Ctx<'_>, operation: &str, path: &Value) -> Result<Bytes, Raise> {
    let path = allowed(ctx, Permission::Read, path)?;
    let failed = |error: &io::Error| failed(operation, path, error);
    let opened = ctx.host().open_file(path);
    let file = opened.map_err(|error| failed(&error))?;
    read_all(ctx, file.reader, file.size, failed)
}

/// The error for a file that is no text.
#[cold]
fn not_text(operation: &str, path: &Value) -> Raise {
    Raise::io(operation, path.as_str().unwrap_or_default(), NOT_UTF8)
}

/// Every key of the options of `read_file`.
pub(super) const OPTIONS: &[&str] = &[BYTES];

pub(super) fn read_file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let Some(second) = args.get(1)
        && !matches!(second, Value::Dict(_))
    {
        // Anything but options is one argument too many.
        return Err(Raise::arity(1, args.len()));
    }
    let form = Options::new(args.get(1), OPTIONS)?.get(BYTES);
    let form = form.map(|form| ByteForm::of("read_file", &form)).transpose()?;
    if ctx.has_pool() {
        return read_file_in_background(ctx, args, form);
    }
    if let Some(form) = form {
        let bytes = read(ctx, "read_file", &args[0])?;
        return form.value_of_many(ctx, &bytes.data);
    }
    let bytes = read(ctx, "read_file", &args[0])?;
    let text = ctx.text_of_bytes(&bytes.data)?;
    text.map(Value::String)
        .map_err(|_| not_text("read_file", &args[0]))
}

/// Another thread reads as much as the heap has room for now; what a value is made of is charged then.
fn read_file_in_background(
    ctx: &mut Ctx<'_>,
    args: &[Value],
    form: Option<ByteForm>,
) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?.to_owned();
    let open = ctx.host().opener(&path);
    let most = ctx.heap().room().unwrap_or(MAX_SIZE).min(MAX_SIZE);
    let work = move || {
        let file = open()?;
        let mut data = Vec::new();
        file.reader.take(most as u64 + 1).read_to_end(&mut data)?;
        Ok(data)
    };
    ctx.offload(Effect::Query, 0, work, move |ctx, read: io::Result<Vec<u8>>| {
        let data = read.map_err(|error| failed("read_file", &path, &error))?;
        if data.len() > most {
            return Err(ctx.heap().out_of_memory(data.len()));
        }
        if let Some(form) = form {
            return form.value_of_many(ctx, &data);
        }
        let text = ctx.text_of_bytes(&data)?;
        text.map(Value::String)
            .map_err(|_| Raise::io("read_file", &path, NOT_UTF8))
    })
}

pub(super) fn read_lines(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let bytes = read(ctx, "read_lines", &args[0])?;
    let bytes = bytes.data.as_slice();
    let mut count = usize::from(!bytes.is_empty() && !bytes.ends_with(b"\n"));
    for piece in bytes.chunks(PIECE) {
        ctx.tick(piece.len() / 64)?;
        count += piece
            .iter()
            .map(|&byte| usize::from(byte == b'\n'))
            .sum::<usize>();
    }
    let lines = ctx.heap().array(count)?;
    let mut rest = bytes;
    // Pieces of whole lines; a line may be longer than a piece.
    while !rest.is_empty() {
        let end = rest[PIECE.min(rest.len()) - 1..]
            .iter()
            .position(|&byte| byte == b'\n');
        let (piece, tail) = rest.split_at(end.map_or(rest.len(), |at| PIECE.min(rest.len()) + at));
        rest = tail;
        ctx.tick(piece.len() / 64)?;
        let text = std::str::from_utf8(piece).map_err(|_| not_text("read_lines", &args[0]))?;
        for line in text.lines() {
            lines.push(Value::String(super::window::fresh(ctx.heap(), line)?))?;
        }
    }
    Ok(Value::Array(lines))
}

pub(super) fn read_bytes(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let bytes = read(ctx, "read_bytes", &args[0])?;
    Ok(Value::Array(ctx.array_of_bytes(&bytes.data)?))
}

pub(super) fn write_file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Write, &args[0])?;
    with_content(ctx, &args[1], |ctx, bytes| {
        if ctx.has_pool() {
            let path = path.to_owned();
            let write = ctx.host().writer(&path, bytes.to_vec());
            return ctx.offload(Effect::Write, bytes.len(), write, move |_, written| {
                written.map_err(|error| failed("write_file", &path, &error))?;
                Ok(Value::Null)
            });
        }
        let written = ctx.host().write_file(path, bytes);
        written.map_err(|error| failed("write_file", path, &error))?;
        Ok(Value::Null)
    })
}

pub(super) fn append_file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Write, &args[0])?;
    with_content(ctx, &args[1], |ctx, bytes| {
        let written = ctx.host().append_file(path, bytes);
        written.map_err(|error| failed("append_file", path, &error))?;
        Ok(Value::Null)
    })
}

pub(super) fn write_bytes(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = crate::arguments::string(&args[0])?.as_str();
    let is_bytes = matches!(args[1], Value::Array(_) | Value::Native(_));
    if !is_bytes {
        return Err(crate::arguments::wrong_type("array", &args[1]));
    }
    permit(ctx, Permission::Write, path)?;
    with_data(ctx, "write_bytes", &args[1], |ctx, bytes| {
        let written = ctx.host().write_file(path, bytes);
        written.map_err(|error| failed("write_bytes", path, &error))?;
        Ok(Value::Null)
    })
}
