//! Files: whole contents, lines one by one, directories, and joining paths.
//!
//! What blocks is a plain function from owned data to a result without values, so that it can run on another thread
//! too; the built-ins around it check arguments, ask the host for permission, and turn results into values.
//!
//! Source: library reference §9.3.

mod content;
mod lines;
pub(crate) mod window;

use aether_eval::{BuiltinDef, Ctx, Permission};
use aether_value::{Charge, Raise, StrBuilder, Value, WORK_BYTES};
use std::io;

use crate::arguments::permit;

/// Built-ins on files.
pub static FILES: &[BuiltinDef] = &[
    BuiltinDef::core("read_file", &["path", "opts"], 1, 2, content::read_file)
        .needing(Permission::Read)
        .with_options(content::OPTIONS),
    BuiltinDef::core("write_file", &["path", "content"], 2, 2, content::write_file)
        .needing(Permission::Write),
    BuiltinDef::core("append_file", &["path", "content"], 2, 2, content::append_file)
        .needing(Permission::Write),
    BuiltinDef::core("read_lines", &["path"], 1, 1, content::read_lines).needing(Permission::Read),
    BuiltinDef::core("lines_iter", &["path"], 1, 1, lines::lines_iter).needing(Permission::Read),
    BuiltinDef::core("read_bytes", &["path"], 1, 1, content::read_bytes).needing(Permission::Read),
    BuiltinDef::core("write_bytes", &["path", "bytes"], 2, 2, content::write_bytes)
        .needing(Permission::Write),
    BuiltinDef::core("file_exists", &["path"], 1, 1, file_exists).needing(Permission::Read),
    BuiltinDef::core("is_file", &["path"], 1, 1, is_file).needing(Permission::Read),
    BuiltinDef::core("is_dir", &["path"], 1, 1, is_dir).needing(Permission::Read),
    BuiltinDef::core("mkdir", &["path"], 1, 1, mkdir).needing(Permission::Write),
    BuiltinDef::core("list_dir", &["path"], 1, 1, list_dir).needing(Permission::Read),
    BuiltinDef::core("path_join", &["first", "second"], 2, 255, path_join),
    BuiltinDef::core("rename", &["from", "to"], 2, 2, rename).needing(Permission::Write),
    BuiltinDef::core("rm", &["path"], 1, 1, rm).needing(Permission::Write),
];

/// The error for an operation on a path.
#[cold]
pub(crate) fn failed(operation: &str, path: &str, error: &io::Error) -> Raise {
    Raise::io(operation, path, &error.to_string())
}

/// Opens a file to read it, which counts as open until the reader goes.
#[cfg(feature = "formats")]
pub(crate) fn open_counted(
    ctx: &mut Ctx<'_>,
    operation: &str,
    path: &str,
) -> Result<Box<dyn io::Read>, Raise> {
    let count = ctx.open_handle()?;
    let opened = ctx.host().open_file(path);
    let file = opened.map_err(|error| failed(operation, path, &error))?;
    Ok(Box::new(count.hold(file.reader)))
}

/// The path in an argument, if the host allows the access.
pub(crate) fn allowed<'v>(
    ctx: &mut Ctx<'_>,
    permission: Permission,
    path: &'v Value,
) -> Result<&'v str, Raise> {
    let path = crate::arguments::string(path)?.as_str();
    permit(ctx, permission, path)?;
    Ok(path)
}

fn file_exists(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let answer = ctx.host().exists(path);
    answer
        .map(Value::Bool)
        .map_err(|error| failed("file_exists", path, &error))
}

fn is_file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let answer = ctx.host().is_file(path);
    answer
        .map(Value::Bool)
        .map_err(|error| failed("is_file", path, &error))
}

fn is_dir(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let answer = ctx.host().is_dir(path);
    answer
        .map(Value::Bool)
        .map_err(|error| failed("is_dir", path, &error))
}

fn mkdir(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Write, &args[0])?;
    let made = ctx.host().make_dir(path);
    made.map_err(|error| failed("mkdir", path, &error))?;
    Ok(Value::Null)
}

fn list_dir(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let listed = ctx.host().list_dir(path);
    let names = listed.map_err(|error| failed("list_dir", path, &error))?;
    let array = ctx.heap().array(0)?;
    for name in names {
        let name = name.map_err(|error| failed("list_dir", path, &error))?;
        ctx.tick(1)?;
        array.push(ctx.string(&name)?)?;
    }
    // Sorted in a copy of handles; UTF-8 sorts as its code points do.
    let count = array.len();
    let _charge = Charge::new(ctx.heap(), count * size_of::<Value>())?;
    let mut sorted = array.snapshot()?.as_slice().to_vec();
    drop(array);
    sorted.sort_by(|left, right| match (left, right) {
        (Value::String(left), Value::String(right)) => left.as_str().cmp(right.as_str()),
        _ => std::cmp::Ordering::Equal,
    });
    ctx.tick(count / 8)?;
    Ok(Value::Array(ctx.heap().array_from_slice(&sorted)?))
}

pub(crate) fn path_join(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut joined = StrBuilder::new(ctx.heap());
    let parts: Vec<&str> = args
        .iter()
        .map(|part| crate::arguments::string(part).map(|part| part.as_str()))
        .collect::<Result<_, _>>()?;
    // An absolute part discards what precedes it.
    let start = parts.iter().rposition(|part| part.starts_with('/')).unwrap_or(0);
    for (index, part) in parts[start..].iter().enumerate() {
        let before = joined.as_str();
        if index > 0 && !before.is_empty() && !before.ends_with('/') {
            joined.push_str("/")?;
        }
        joined.push_str(part)?;
    }
    Ok(Value::String(joined.finish()?))
}

/// The path of an entry of a directory.
#[cfg(feature = "fs")]
pub(crate) fn join(directory: &str, name: &str) -> String {
    let slash = if directory.is_empty() || directory.ends_with('/') {
        ""
    } else {
        "/"
    };
    format!("{directory}{slash}{name}")
}

/// Two paths in a message.
#[cold]
pub(crate) fn pair(from: &str, to: &str) -> String {
    format!("'{from}' -> '{to}'")
}

/// Asks the host whether everything at and below a path may be written.
pub(crate) fn permit_tree(ctx: &mut Ctx<'_>, path: &str) -> Result<(), Raise> {
    ctx.tick(path.len() / WORK_BYTES)?;
    let answer = ctx.host().permit_tree(Permission::Write, path);
    answer.map_err(|detail| Raise::permission(&detail))
}

fn rename(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (from, to) = (
        crate::arguments::string(&args[0])?.as_str(),
        crate::arguments::string(&args[1])?.as_str(),
    );
    permit_tree(ctx, from)?;
    permit_tree(ctx, to)?;
    let renamed = ctx.host().rename(from, to);
    renamed.map_err(|error| failed("rename", &pair(from, to), &error))?;
    Ok(Value::Null)
}

fn rm(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Write, &args[0])?;
    let removed = ctx.host().remove_file(path);
    removed.map_err(|error| failed("rm", path, &error))?;
    Ok(Value::Null)
}
