//! The module `path`: paths as texts, and what a disk says about them.
//!
//! Source: library reference §E3.

mod glob;
mod text;

use aether_eval::{BuiltinDef, Constant, Ctx, LibraryModule, Permission};
use aether_value::{Charge, Raise, Value, WORK_BYTES};

use crate::files::failed;

/// The module.
pub(crate) const PATH: LibraryModule = LibraryModule {
    name: "path",
    functions: &[
        BuiltinDef::core("basename", &["path"], 1, 1, basename),
        BuiltinDef::core("dirname", &["path"], 1, 1, dirname),
        BuiltinDef::core("stem", &["path"], 1, 1, stem),
        BuiltinDef::core("ext", &["path"], 1, 1, ext),
        BuiltinDef::core("join", &["first"], 1, 255, crate::files::path_join),
        BuiltinDef::core("normalize", &["path"], 1, 1, normalize),
        BuiltinDef::core("is_absolute", &["path"], 1, 1, is_absolute),
        BuiltinDef::core("split", &["path"], 1, 1, split),
        BuiltinDef::core("relative", &["from", "to"], 2, 2, relative),
        BuiltinDef::core("with_ext", &["path", "ext"], 2, 2, with_ext),
        BuiltinDef::core("absolute", &["path"], 1, 1, absolute).needing(Permission::Read),
        BuiltinDef::core("real", &["path"], 1, 1, real).needing(Permission::Read),
        BuiltinDef::core("glob", &["pattern"], 1, 1, glob::glob).needing(Permission::Read),
        BuiltinDef::core("temp_dir", &[], 0, 0, temp_dir).needing(Permission::Env),
    ],
    constants: &[("sep", Constant::Text(std::path::MAIN_SEPARATOR_STR))],
};

/// The path in an argument, whose length counts as work.
fn path<'v>(ctx: &mut Ctx<'_>, value: &'v Value) -> Result<&'v str, Raise> {
    let path = crate::arguments::string(value)?.as_str();
    ctx.tick(path.len() / WORK_BYTES)?;
    Ok(path)
}

fn basename(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let name = text::basename(path(ctx, &args[0])?);
    ctx.string(name)
}

fn dirname(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let directory = text::dirname(path(ctx, &args[0])?);
    ctx.string(directory)
}

fn stem(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let stem = text::stem(path(ctx, &args[0])?);
    ctx.string(stem)
}

fn ext(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let ext = text::ext(path(ctx, &args[0])?);
    ctx.string(ext)
}

/// The charge for what making a path of others takes for a while: their bytes, and a slice for each name.
fn working(ctx: &Ctx<'_>, bytes: usize) -> Result<Charge, Raise> {
    Charge::new(ctx.heap(), bytes.saturating_mul(1 + size_of::<&str>()))
}

fn normalize(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = path(ctx, &args[0])?;
    ctx.tick(path.len() / 8)?;
    let _charge = working(ctx, path.len())?;
    ctx.string(&text::normalize(path))
}

fn is_absolute(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(text::is_absolute(path(ctx, &args[0])?)))
}

fn split(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = path(ctx, &args[0])?;
    ctx.tick(path.len() / 8)?;
    let parts = ctx.heap().array(0)?;
    for part in text::split(path) {
        ctx.tick(1)?;
        parts.push(ctx.string(part)?)?;
    }
    Ok(Value::Array(parts))
}

fn relative(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (from, to) = (path(ctx, &args[0])?, path(ctx, &args[1])?);
    ctx.tick((from.len() + to.len()) / 4)?;
    let _charge = working(ctx, 3 * (from.len() + to.len()))?;
    match text::relative(from, to) {
        Some(relative) => ctx.string(&relative),
        None => Err(Raise::operation(&format!(
            "path.relative: no path leads from '{from}' to '{to}'; path.absolute may help"
        ))),
    }
}

fn with_ext(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (path, ext) = (path(ctx, &args[0])?, path(ctx, &args[1])?);
    let _charge = working(ctx, path.len() + ext.len())?;
    match text::with_ext(path, ext) {
        Some(path) => ctx.string(&path),
        None => Err(Raise::operation(&format!(
            "path.with_ext: '{path}' has no file name"
        ))),
    }
}

fn absolute(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = crate::arguments::string(&args[0])?.as_str();
    crate::arguments::permit(ctx, Permission::Read, path)?;
    let directory = ctx.host().current_dir();
    let directory = directory.map_err(|error| failed("path.absolute", path, &error))?;
    ctx.tick(path.len() / 8)?;
    let _charge = working(ctx, directory.len() + path.len())?;
    ctx.string(&text::absolute(&directory, path))
}

fn real(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = crate::arguments::string(&args[0])?.as_str();
    crate::arguments::permit(ctx, Permission::Read, path)?;
    let real = ctx.host().resolve_path(path);
    let real = real.map_err(|error| failed("path.real", path, &error))?;
    ctx.string(&real)
}

fn temp_dir(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    crate::arguments::permit(ctx, Permission::Env, "TMPDIR")?;
    let directory = ctx.host().temp_dir();
    ctx.string(&directory)
}
