//! Files as text: `read_file`, `write_file`, `file_exists`, `read_lines`.
//!
//! Source: library reference §9.3.

use aether_eval::{BuiltinDef, Ctx, Permission};
use aether_value::{Raise, Value};
use std::io;

/// Built-ins on files.
pub static FILES: &[BuiltinDef] = &[
    BuiltinDef::core("read_file", &["path"], 1, 1, read_file).needing(Permission::Read),
    BuiltinDef::core("write_file", &["path", "content"], 2, 2, write_file).needing(Permission::Write),
    BuiltinDef::core("file_exists", &["path"], 1, 1, file_exists).needing(Permission::Read),
    BuiltinDef::core("read_lines", &["path"], 1, 1, read_lines).needing(Permission::Read),
];

fn failed(operation: &str, path: &str, error: &io::Error) -> Raise {
    Raise::io(operation, path, &error.to_string())
}

/// The path in an argument, if the host allows the access.
fn allowed<'v>(ctx: &mut Ctx<'_>, permission: Permission, path: &'v Value) -> Result<&'v str, Raise> {
    let path = crate::string(path)?.as_str();
    ctx.host()
        .permit(permission, path)
        .map_err(|detail| Raise::permission(&detail))?;
    Ok(path)
}

/// The text of a file, charged while `use_text` has it.
fn with_text<R>(
    ctx: &mut Ctx<'_>,
    operation: &str,
    path: &Value,
    use_text: impl FnOnce(&Ctx<'_>, &str) -> Result<R, Raise>,
) -> Result<R, Raise> {
    let path = allowed(ctx, Permission::Read, path)?;
    let bytes = ctx
        .host()
        .read_file(path)
        .map_err(|error| failed(operation, path, &error))?;
    ctx.tick(bytes.len() / 64)?;
    ctx.heap().charge(bytes.len())?;
    let result = match std::str::from_utf8(&bytes) {
        Ok(text) => use_text(ctx, text),
        Err(_) => Err(Raise::io(operation, path, "stream did not contain valid UTF-8")),
    };
    ctx.heap().discharge(bytes.len());
    result
}

fn read_file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    with_text(ctx, "read_file", &args[0], |ctx: &Ctx<'_>, text| ctx.string(text))
}

fn read_lines(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    with_text(ctx, "read_lines", &args[0], |ctx, text| {
        let heap = ctx.heap();
        let lines = heap.array(text.lines().count())?;
        for line in text.lines() {
            let line = if line.is_empty() {
                heap.empty_string()?
            } else {
                heap.char_string(line)?
            };
            lines.push(Value::String(line))?;
        }
        Ok(Value::Array(lines))
    })
}

fn write_file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Write, &args[0])?;
    let text = ctx.text(&args[1])?;
    ctx.tick(text.len_bytes() / 64)?;
    let written = ctx.host().write_file(path, text.as_str().as_bytes());
    written.map_err(|error| failed("write_file", path, &error))?;
    Ok(Value::Null)
}

fn file_exists(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let host = ctx.host();
    let exists = match host.is_file(path) {
        Ok(false) => host.is_dir(path),
        answer => answer,
    };
    exists
        .map(Value::Bool)
        .map_err(|error| failed("file_exists", path, &error))
}
