//! The module `fs`: directories, links and metadata, walks, and files that stay open.
//!
//! Source: library reference §E3.

mod file;
mod stat;
mod walk;
#[cfg(feature = "watch")]
mod watch;

use aether_eval::{BuiltinDef, Ctx, LibraryModule, Permission, Steps};
use aether_value::{Raise, Value};
use std::io;

use crate::arguments::{Options, int, permit, string};
use crate::bytes::with_content;
use crate::files::{allowed, failed, pair, permit_tree};

/// Remove what is in the directory too.
const RECURSIVE: &str = "recursive";

/// The module.
pub(crate) const FS: LibraryModule = LibraryModule {
    name: "fs",
    functions: &[
        BuiltinDef::core("remove_dir", &["path", "opts"], 1, 2, remove_dir)
            .needing(Permission::Write)
            .with_options(&[RECURSIVE]),
        BuiltinDef::core("copy", &["from", "to"], 2, 2, copy).needing(Permission::Write),
        BuiltinDef::core("stat", &["path"], 1, 1, stat::stat).needing(Permission::Read),
        BuiltinDef::core("walk", &["dir"], 1, 1, walk::walk).needing(Permission::Read),
        #[cfg(feature = "watch")]
        BuiltinDef::core("watch", &["path", "fn"], 2, 2, watch::watch).needing(Permission::Read),
        BuiltinDef::core("symlink", &["target", "path"], 2, 2, symlink).needing(Permission::Write),
        BuiltinDef::core("read_link", &["path"], 1, 1, read_link).needing(Permission::Read),
        BuiltinDef::core("chmod", &["path", "mode"], 2, 2, chmod).needing(Permission::Write),
        BuiltinDef::core("temp_file", &["suffix"], 0, 1, temp_file).needing(Permission::Write),
        BuiltinDef::core("write_atomic", &["path", "content"], 2, 2, write_atomic).needing(Permission::Write),
        BuiltinDef::core("open", &["path", "mode"], 1, 2, file::open).needing(Permission::Read),
    ],
    constants: &[],
};

/// Does work in steps, as far as limits allow: `work` units for each of `per` bytes or files.
fn run(
    ctx: &mut Ctx<'_>,
    steps: io::Result<Steps>,
    work: usize,
    per: usize,
) -> Result<io::Result<()>, Raise> {
    let mut steps = match steps {
        Ok(steps) => steps,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match steps() {
            Ok(Some(done)) => ctx.tick(done / per * work)?,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn remove_dir(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = string(&args[0])?.as_str();
    let options = Options::new(args.get(1), &[RECURSIVE])?;
    let removed = if options.boolean(RECURSIVE, false)? {
        permit_tree(ctx, path)?;
        let steps = ctx.host().remove_tree(path);
        run(ctx, steps, 8, 1)?
    } else {
        permit(ctx, Permission::Write, path)?;
        ctx.host().remove_dir(path)
    };
    removed.map_err(|error| failed("fs.remove_dir", path, &error))?;
    Ok(Value::Null)
}

fn copy(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (from, to) = (string(&args[0])?.as_str(), string(&args[1])?.as_str());
    permit(ctx, Permission::Read, from)?;
    permit(ctx, Permission::Write, to)?;
    let steps = ctx.host().copy_file(from, to);
    let copied = run(ctx, steps, 1, 256)?;
    copied.map_err(|error| failed("fs.copy", &pair(from, to), &error))?;
    Ok(Value::Null)
}

fn symlink(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let (target, path) = (string(&args[0])?.as_str(), string(&args[1])?.as_str());
    permit(ctx, Permission::Write, path)?;
    let made = ctx.host().make_link(target, path);
    made.map_err(|error| failed("fs.symlink", &pair(path, target), &error))?;
    Ok(Value::Null)
}

fn read_link(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Read, &args[0])?;
    let target = ctx.host().read_link(path);
    let target = target.map_err(|error| failed("fs.read_link", path, &error))?;
    ctx.string(&target)
}

fn chmod(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = string(&args[0])?.as_str();
    let mode = int(&args[1])?;
    let Some(bits) = u32::try_from(mode).ok().filter(|bits| *bits <= 0o7777) else {
        let detail = format!("fs.chmod: mode must be from 0 to 4095 (0o7777), got {mode}");
        return Err(Raise::operation(&detail));
    };
    permit(ctx, Permission::Write, path)?;
    let changed = ctx.host().set_mode(path, bits);
    changed.map_err(|error| failed("fs.chmod", path, &error))?;
    Ok(Value::Null)
}

fn temp_file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let suffix = match args.first() {
        None | Some(Value::Null) => "",
        Some(suffix) => string(suffix)?.as_str(),
    };
    if suffix.contains(['/', '\\', '\0']) {
        return Err(Raise::operation(
            "fs.temp_file: suffix must not contain a separator",
        ));
    }
    let directory = ctx.host().temp_dir();
    permit(ctx, Permission::Write, &directory)?;
    let path = ctx.host().make_temp_file(suffix);
    let path = path.map_err(|error| failed("fs.temp_file", &directory, &error))?;
    ctx.string(&path)
}

fn write_atomic(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = allowed(ctx, Permission::Write, &args[0])?;
    with_content(ctx, &args[1], |ctx, bytes| {
        let written = ctx.host().replace_file(path, bytes);
        written.map_err(|error| failed("fs.write_atomic", path, &error))?;
        Ok(Value::Null)
    })
}
