//! The module `env`: variables of the environment, the working directory, and what is known of the machine.
//!
//! Changes hold for the engine and for the programs that it starts. The process's own environment is shared with
//! other engines and stays as it is.
//!
//! Source: library reference §E3.

use aether_eval::{BuiltinDef, Constant, Ctx, LibraryModule, Permission};
use aether_value::{Raise, Value};

/// The module.
pub(crate) const ENV: LibraryModule = LibraryModule {
    name: "env",
    functions: &[
        BuiltinDef::core("get", &["name", "default"], 1, 2, get).needing(Permission::Env),
        BuiltinDef::core("set", &["name", "value"], 2, 2, set).needing(Permission::Env),
        BuiltinDef::core("unset", &["name"], 1, 1, unset).needing(Permission::Env),
        BuiltinDef::core("all", &[], 0, 0, all).needing(Permission::Env),
        BuiltinDef::core("cwd", &[], 0, 0, cwd).needing(Permission::Read),
        BuiltinDef::core("chdir", &["path"], 1, 1, chdir).needing(Permission::Read),
        BuiltinDef::core("home", &[], 0, 0, home).needing(Permission::Env),
    ],
    constants: &[
        ("os", Constant::Text(std::env::consts::OS)),
        ("arch", Constant::Text(std::env::consts::ARCH)),
        ("cpus", Constant::Int(cpus)),
        ("version", Constant::Text(env!("CARGO_PKG_VERSION"))),
    ],
};

/// Threads that run at once; 1 where the system does not say.
fn cpus() -> i64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as i64)
}

/// The name of a variable in an argument, if the host allows the access.
fn allowed<'v>(ctx: &mut Ctx<'_>, value: &'v Value) -> Result<&'v str, Raise> {
    let name = crate::arguments::string(value)?.as_str();
    crate::arguments::permit(ctx, Permission::Env, name)?;
    Ok(name)
}

fn get(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let name = allowed(ctx, &args[0])?;
    // No variable has such a name, and the system must not be asked for one.
    let value = is_name(name).then(|| ctx.host().env(name)).flatten();
    match value {
        Some(value) => ctx.string(&value),
        None => Ok(args.get(1).cloned().unwrap_or(Value::Null)),
    }
}

/// Whether a variable can have this name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// The name of a variable that is to change.
fn changeable<'v>(ctx: &mut Ctx<'_>, operation: &str, value: &'v Value) -> Result<&'v str, Raise> {
    let name = allowed(ctx, value)?;
    if is_name(name) {
        return Ok(name);
    }
    Err(Raise::operation(&format!(
        "{operation}: no variable can be named \"{}\"",
        name.escape_debug()
    )))
}

fn set(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let name = changeable(ctx, "env.set", &args[0])?;
    let value = ctx.text(&args[1])?;
    ctx.tick(value.len_bytes() / aether_value::WORK_BYTES)?;
    if value.as_str().contains('\0') {
        let detail = format!("env.set: the value of {name} has a NUL character");
        return Err(Raise::operation(&detail));
    }
    ctx.host().set_env(name, Some(value.as_str()));
    Ok(Value::Null)
}

fn unset(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let name = changeable(ctx, "env.unset", &args[0])?;
    ctx.host().set_env(name, None);
    Ok(Value::Null)
}

/// All variables; those that are denied by name are left out.
fn all(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    crate::arguments::permit(ctx, Permission::Env, "*")?;
    let mut all = ctx.host().env_all();
    if !ctx.host().permits_everything(Permission::Env) {
        all.retain(|(name, _)| ctx.host().permit(Permission::Env, name).is_ok());
    }
    all.sort();
    ctx.tick(all.len() * 4)?;
    let dict = ctx.heap().dict()?;
    for (name, value) in &all {
        dict.insert(ctx.string(name)?, ctx.string(value)?)?;
    }
    Ok(Value::Dict(dict))
}

fn cwd(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    crate::arguments::permit(ctx, Permission::Read, ".")?;
    let directory = ctx.host().current_dir();
    let directory = directory.map_err(|error| Raise::io("env.cwd", ".", &error.to_string()))?;
    ctx.string(&directory)
}

fn chdir(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let path = crate::arguments::string(&args[0])?.as_str();
    crate::arguments::permit(ctx, Permission::Read, path)?;
    let changed = ctx.host().set_current_dir(path);
    changed.map_err(|error| Raise::io("env.chdir", path, &error.to_string()))?;
    Ok(Value::Null)
}

fn home(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    crate::arguments::permit(ctx, Permission::Env, name)?;
    match ctx.host().env(name).filter(|home| !home.is_empty()) {
        Some(home) => ctx.string(&home),
        None => Ok(Value::Null),
    }
}
